//! Packages and their content.

mod driver_package;
mod package_content;

use std::sync::Arc;

use crate::handler::ClassHandler;

/// The handler of a class of this group.
pub(super) fn handler(class: &str) -> Option<Arc<dyn ClassHandler>> {
    Some(match class {
        "SMS_DriverPackage" => Arc::new(driver_package::DriverPackage),
        "SMS_PackageToContent" => Arc::new(package_content::PackageContent),
        _ => return None,
    })
}
