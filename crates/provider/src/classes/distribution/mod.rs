//! Distribution points and what is on them.

mod distribution_point;

use std::sync::Arc;

use super::read_only::ReadOnly;
use crate::handler::ClassHandler;

/// The handler of a class of this group.
pub(super) fn handler(class: &str) -> Option<Arc<dyn ClassHandler>> {
    Some(match class {
        "SMS_DistributionPoint" => Arc::new(distribution_point::DistributionPoint),
        "SMS_DistributionPointInfo" | "SMS_SystemResourceList" => Arc::new(ReadOnly),
        _ => return None,
    })
}
