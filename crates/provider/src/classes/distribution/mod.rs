//! Distribution points and what is on them.

mod address;
mod distribution_point;
mod group;
mod point_info;
mod role;
mod role_change;

use std::sync::Arc;

use super::read_only::ReadOnly;
use crate::handler::ClassHandler;

/// The handler of a class of this group.
pub(super) fn handler(class: &str) -> Option<Arc<dyn ClassHandler>> {
    Some(match class {
        "SMS_DistributionPoint" => Arc::new(distribution_point::DistributionPoint),
        "SMS_DistributionPointGroup" => Arc::new(group::Group),
        "SMS_SCI_Address" => Arc::new(address::Address),
        "SMS_SCI_SysResUse" => Arc::new(role::Role),
        "SMS_DistributionPointInfo" => Arc::new(point_info::PointInfo),
        "SMS_DPContentInfo"
        | "SMS_DPGroupMembers"
        | "SMS_DPGroupPackages"
        | "SMS_DPStatusInfo"
        | "SMS_PackageContentServerInfo"
        | "SMS_SiteControlFile"
        | "SMS_SystemResourceList" => Arc::new(ReadOnly),
        _ => return None,
    })
}
