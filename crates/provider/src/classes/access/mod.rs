//! Who may sign in, as what, and where.

mod scope;
mod scopes;
mod token;
mod user;

use std::sync::Arc;

use super::read_only::ReadOnly;
use crate::handler::ClassHandler;

/// The handler of a class of this group.
pub(super) fn handler(class: &str) -> Option<Arc<dyn ClassHandler>> {
    Some(match class {
        "Haulier_Role" => Arc::new(ReadOnly),
        "Haulier_SecurityScope" => Arc::new(scope::Scope),
        "Haulier_Token" => Arc::new(token::Token),
        "Haulier_User" => Arc::new(user::User),
        _ => return None,
    })
}
