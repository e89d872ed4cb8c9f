//! The SMS Provider: the classes that Configuration Manager's clients know, over the site.
//!
//! The schema comes from MOF ([`Schema`]); each class has one handler (`classes`); a query is checked against
//! the schema and answered by the site's database. Every front end speaks to [`Provider`] and to nothing
//! below it, and gets its errors as [`ProviderError`], which knows its HRESULT and SMS_ExtendedStatus.

mod association;
mod associations;
mod bytes;
mod changes;
mod check;
mod classes;
pub mod compatibility;
mod context;
mod error;
mod events;
mod handler;
mod handles;
mod parameters;
mod provider;
mod query;
mod rows;
mod schema;

pub use associations::{AssociationFilter, Found, ReferenceFilter};
pub use changes::{CHANGES_END_MAX, CHANGES_MAX, CHANGES_OF_USER_MAX, Changes, UnderWay};
pub use context::{Caller, Context};
pub use error::{Fault, Operation, ProviderError};
pub use events::{Event, EventStream};
pub use handler::{Answer, Outcome};
pub use provider::{EDITION, Provider};
pub use query::{ContextRules, Contexts, HeldAnswer, InstanceStream, Lent, NoRoom};
pub use schema::{ClassInfo, Schema, SchemaError};
