//! One handler a class, one room for each group of classes.

mod access;
mod conversions;
mod distribution;
mod drivers;
mod haulier;
mod packages;
mod read_only;
mod site;
mod status;

use std::sync::Arc;

use crate::handler::ClassHandler;

/// The handler of a class that has instances or static methods.
pub(crate) fn handler(class: &str) -> Option<Arc<dyn ClassHandler>> {
    let groups = [
        packages::handler,
        drivers::handler,
        distribution::handler,
        status::handler,
        site::handler,
        conversions::handler,
        access::handler,
        haulier::handler,
    ];
    groups.iter().find_map(|group| group(class))
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
