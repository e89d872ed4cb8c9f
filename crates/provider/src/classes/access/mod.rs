//! Who may sign in.

mod token;
mod user;

use std::sync::Arc;

use crate::handler::ClassHandler;

/// The handler of a class of this group.
pub(super) fn handler(class: &str) -> Option<Arc<dyn ClassHandler>> {
    Some(match class {
        "Haulier_Token" => Arc::new(token::Token),
        "Haulier_User" => Arc::new(user::User),
        _ => return None,
    })
}
