//! What Haulier knows beyond the published classes.

mod content_library;
mod distribution_point;
mod driver_import;
mod driver_match;
mod package_version;
mod query;
mod route;
mod site;
mod status_message;

pub(crate) use route::route_target;

use std::sync::Arc;

use super::read_only::ReadOnly;
use crate::handler::ClassHandler;

/// The handler of a class of this group.
pub(super) fn handler(class: &str) -> Option<Arc<dyn ClassHandler>> {
    Some(match class {
        "Haulier_ContentLibrary" => Arc::new(content_library::ContentLibrary),
        "Haulier_DistributionPoint" => Arc::new(distribution_point::Server),
        "Haulier_DriverImport" => Arc::new(driver_import::DriverImport),
        "Haulier_DriverMatch" => Arc::new(driver_match::DriverMatch),
        "Haulier_PackageVersion" => Arc::new(package_version::PackageVersion),
        "Haulier_Query" => Arc::new(query::Query),
        "Haulier_Route" => Arc::new(route::Route),
        "Haulier_Site" => Arc::new(site::Site),
        "Haulier_StatusMessage" => Arc::new(status_message::StatusMessage),
        "Haulier_DistributionState"
        | "Haulier_DriverDetail"
        | "Haulier_DriverImportItem"
        | "Haulier_PackageState" => Arc::new(ReadOnly),
        _ => return None,
    })
}
