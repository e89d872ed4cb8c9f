//! What the interop namespace holds: the server and its namespaces, made from what the provider is.

use std::sync::LazyLock;

use cim::{Instance, ObjectPath, Value};
use provider::{ClassInfo, Provider, Schema};

use crate::space::Space;

const SOURCE: (&str, &str) = ("interop.mof", include_str!("../mof/interop.mof"));

/// What the class of the machine is called, of which nothing more is served.
const SYSTEM_CLASS: &str = "CIM_ComputerSystem";
const MANAGER_CLASS: &str = "CIM_ObjectManager";
const NAMESPACE_CLASS: &str = "CIM_Namespace";
const MANAGER: &str = "Haulier";
/// `ClassInfo`: what sort of classes a namespace has.
const CLASSES_OF_CIM: u32 = 200;
const CLASSES_OF_WMI: u32 = 201;

/// The classes of the interop namespace.
pub(crate) fn schema() -> &'static Schema {
    static SCHEMA: LazyLock<Schema> = LazyLock::new(|| {
        Schema::read(&[SOURCE]).expect("the shipped MOF is read whole by a test of this crate")
    });
    &SCHEMA
}

/// The instances of a class and of those below it.
pub(crate) fn instances(provider: &Provider, spaces: &[Space], class: &ClassInfo) -> Vec<Instance> {
    let all = std::iter::once(manager(provider)).chain(spaces.iter().map(|space| namespace(provider, space)));
    all.filter(|instance| {
        schema().class(&instance.class).is_some_and(|own| own.is_a(&class.name) || own.name == class.name)
    })
    .collect()
}

/// The instance that a path names.
pub(crate) fn get(
    provider: &Provider,
    spaces: &[Space],
    class: &ClassInfo,
    path: &ObjectPath,
) -> Option<Instance> {
    let keys = class.keys();
    let is_it = |instance: &Instance| {
        keys.len() == path.keys.len()
            && keys.iter().all(|key| match (path.key(&key.name), instance.get(&key.name)) {
                (Some(Value::String(given)), Some(Value::String(own))) => given.eq_ignore_ascii_case(own),
                _ => false,
            })
    };
    instances(provider, spaces, class).into_iter().find(is_it)
}

fn manager(provider: &Provider) -> Instance {
    let version = env!("CARGO_PKG_VERSION");
    let mut instance = Instance::new(MANAGER_CLASS);
    instance.set("ElementName", MANAGER);
    instance.set("Description", format!("Haulier, a site server for driver packages, version {version}"));
    instance.set("SystemCreationClassName", SYSTEM_CLASS);
    instance.set("SystemName", provider.server());
    instance.set("CreationClassName", MANAGER_CLASS);
    instance.set("Name", MANAGER);
    instance.set("GatherStatisticalData", false);
    instance
}

fn namespace(provider: &Provider, space: &Space) -> Instance {
    let mut instance = Instance::new(NAMESPACE_CLASS);
    instance.set("ElementName", space.name.as_str());
    instance.set("SystemCreationClassName", SYSTEM_CLASS);
    instance.set("SystemName", provider.server());
    instance.set("ObjectManagerCreationClassName", MANAGER_CLASS);
    instance.set("ObjectManagerName", MANAGER);
    instance.set("CreationClassName", NAMESPACE_CLASS);
    instance.set("Name", space.name.as_str());
    instance.set("ClassInfo", if space.is_interop { CLASSES_OF_CIM } else { CLASSES_OF_WMI });
    instance
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_schema_has_what_discovery_reads() {
        for class in [MANAGER_CLASS, NAMESPACE_CLASS, "CIM_RegisteredProfile"] {
            assert!(schema().class(class).is_some_and(|class| !class.keys().is_empty()), "{class}");
        }
    }
}
