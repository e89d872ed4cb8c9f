//! How far packages are, and status messages.

mod dp_status;
mod status_message;

use std::sync::Arc;

use super::read_only::ReadOnly;
use crate::handler::ClassHandler;

/// The handler of a class of this group.
pub(super) fn handler(class: &str) -> Option<Arc<dyn ClassHandler>> {
    Some(match class {
        "SMS_StatusMessage" => Arc::new(status_message::StatusMessage),
        "SMS_DistributionDPStatus" => Arc::new(dp_status::DpStatus),
        "SMS_DistributionStatus"
        | "SMS_ObjectContentExtraInfo"
        | "SMS_ObjectContentInfo"
        | "SMS_PackageStatus"
        | "SMS_PackageStatusDetailSummarizer"
        | "SMS_PackageStatusDistPointsSummarizer"
        | "SMS_PackageStatusRootSummarizer"
        | "SMS_StatAttr"
        | "SMS_StatInsStr"
        | "SMS_StatMsg"
        | "SMS_StatMsgAttributes"
        | "SMS_StatMsgInsStrings"
        | "SMS_StatMsgWithInsStrings" => Arc::new(ReadOnly),
        _ => return None,
    })
}
