//! One handler a class, and the list of them.

mod category;
mod distribution_point;
mod driver;
mod driver_package;
mod haulier_content_library;
mod haulier_distribution_point;
mod haulier_driver_import;
mod haulier_driver_match;
mod haulier_status_message;
mod haulier_token;
mod haulier_user;
mod identification;
mod localized;
mod package_content;
mod read_only;

use std::sync::Arc;

use crate::handler::ClassHandler;

/// The handler of a class that has instances.
pub(crate) fn handler(class: &str) -> Option<Arc<dyn ClassHandler>> {
    Some(match class {
        "SMS_CategoryInstance" => Arc::new(category::Category),
        "SMS_Driver" => Arc::new(driver::Driver),
        "SMS_DriverPackage" => Arc::new(driver_package::DriverPackage),
        "SMS_DistributionPoint" => Arc::new(distribution_point::DistributionPoint),

        "SMS_PackageToContent" => Arc::new(package_content::PackageContent),
        "SMS_Identification" => Arc::new(identification::Identification),
        "Haulier_ContentLibrary" => Arc::new(haulier_content_library::ContentLibrary),
        "Haulier_DistributionPoint" => Arc::new(haulier_distribution_point::Server),
        "Haulier_DriverImport" => Arc::new(haulier_driver_import::DriverImport),
        "Haulier_DriverMatch" => Arc::new(haulier_driver_match::DriverMatch),
        "Haulier_StatusMessage" => Arc::new(haulier_status_message::StatusMessage),
        "Haulier_Token" => Arc::new(haulier_token::Token),
        "Haulier_User" => Arc::new(haulier_user::User),
        "Haulier_DistributionState"
        | "Haulier_DriverDetail"
        | "Haulier_DriverImportItem"
        | "Haulier_PackageState"
        | "Haulier_PackageVersion"
        | "SMS_CIContentPackage"
        | "SMS_CIToContent"
        | "SMS_DistributionPointInfo"
        | "SMS_DriverContainer"
        | "SMS_DriverModel"
        | "SMS_PackageStatusDistPointsSummarizer"
        | "SMS_ProviderLocation"
        | "SMS_SupportedPlatforms"
        | "SMS_SystemResourceList" => Arc::new(read_only::ReadOnly),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use crate::schema::{ClassInfo, Schema};

    use super::*;

    #[test]
    fn every_class_with_instances_has_a_handler() {
        let has_instances = |class: &ClassInfo| class.is_queryable() && !class.is_abstract();
        for class in Schema::shipped().classes().filter(|class| has_instances(class) || class.is_static()) {
            assert!(handler(&class.name).is_some(), "{}", class.name);
        }
    }
}
