//! Drivers, their contents and categories.

mod category;
mod driver;
mod localized;
mod supported_platforms;

use std::sync::Arc;

use super::read_only::ReadOnly;
use crate::handler::ClassHandler;

/// The handler of a class of this group.
pub(super) fn handler(class: &str) -> Option<Arc<dyn ClassHandler>> {
    Some(match class {
        "SMS_CategoryInstance" => Arc::new(category::Category),
        "SMS_Driver" => Arc::new(driver::Driver),
        "SMS_CIContentPackage" | "SMS_CIToContent" | "SMS_DriverContainer" | "SMS_DriverModel" => {
            Arc::new(ReadOnly)
        }
        "SMS_SupportedPlatforms" => Arc::new(supported_platforms::SupportedPlatforms),
        _ => return None,
    })
}
