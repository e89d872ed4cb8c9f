//! How far packages are, and status messages.

use std::sync::Arc;

use super::read_only::ReadOnly;
use crate::handler::ClassHandler;

/// The handler of a class of this group.
pub(super) fn handler(class: &str) -> Option<Arc<dyn ClassHandler>> {
    Some(match class {
        "SMS_PackageStatusDistPointsSummarizer" => Arc::new(ReadOnly),
        _ => return None,
    })
}
