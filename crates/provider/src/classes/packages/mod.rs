//! Packages, their content, the folders that they are arranged in, and the locks of their editors.

mod context_methods;
mod folder;
mod folder_item;
mod object_lock;
mod package;
mod package_content;
mod write;

use std::sync::Arc;

use site::PackageType;

use super::read_only;
use crate::handler::ClassHandler;

/// The handler of a class of this group.
pub(super) fn handler(class: &str) -> Option<Arc<dyn ClassHandler>> {
    Some(match class {
        "SMS_ContextMethods" => Arc::new(context_methods::ContextMethods),
        "SMS_DriverPackage" => Arc::new(package::Package(PackageType::Driver)),
        "SMS_ObjectContainerItem" => Arc::new(folder_item::FolderItem),
        "SMS_ObjectContainerNode" => Arc::new(folder::Folder),
        "SMS_ObjectLock" => Arc::new(object_lock::ObjectLock),
        "SMS_Package" => Arc::new(package::Package(PackageType::Regular)),
        "SMS_PackageBaseclass" => Arc::new(read_only::ReadOnly),
        "SMS_PackageToContent" => Arc::new(package_content::PackageContent),
        _ => return None,
    })
}
