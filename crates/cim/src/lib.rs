//! The Common Information Model without any transport: values, datetimes, object paths, MOF and the query tree.
//!
//! Every front end parses its own syntax into these types and prints them back; `site` compiles the query
//! tree to SQL. Nothing here reads a file, a clock or a socket, and every parser bounds the length and depth
//! of what it reads.

pub mod class;
mod datetime;
pub mod mof;
pub mod nal;
pub mod odata;
mod path;
pub mod query;
pub mod schedule;
mod text;
mod types;
mod value;
pub mod wql;

pub use datetime::{DateTime, DateTimeError, Masked};
pub use path::{ObjectPath, ObjectPathError, PATH_BYTES_MAX};
pub use text::Position;
pub use types::{CimType, TypeMismatch};
pub use value::{Instance, Value};
