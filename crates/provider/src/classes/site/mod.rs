//! The site itself.

mod identification;

use std::sync::Arc;

use super::read_only::ReadOnly;
use crate::handler::ClassHandler;

/// The handler of a class of this group.
pub(super) fn handler(class: &str) -> Option<Arc<dyn ClassHandler>> {
    Some(match class {
        "SMS_Identification" => Arc::new(identification::Identification),
        "SMS_ProviderLocation" | "SMS_Site" => Arc::new(ReadOnly),
        _ => return None,
    })
}
