//! One handler a class, one room for each group of classes.

mod access;
mod association;
mod conversions;
mod distribution;
mod drivers;
mod haulier;
mod packages;
mod read_only;
mod site;
mod status;

use std::sync::Arc;

use crate::error::Fault;
use crate::handler::ClassHandler;
use crate::schema::{ClassInfo, Schema};

/// The handler of a class that has instances or static methods.
pub(crate) fn handler(class: &str) -> Option<Arc<dyn ClassHandler>> {
    let groups = [
        packages::handler,
        drivers::handler,
        distribution::handler,
        status::handler,
        site::handler,
        conversions::handler,
        association::handler,
        access::handler,
        haulier::handler,
    ];
    groups.iter().find_map(|group| group(class))
}

/// The class that answers for a name: itself, or the one class below an abstract one.
pub(crate) fn queryable(name: &str) -> Result<&'static ClassInfo, Fault> {
    let invalid = || Fault::InvalidClass { class: name.to_owned() };
    let class = Schema::shipped().class(name).filter(|class| class.is_queryable()).ok_or_else(invalid)?;
    if handler(&class.name).is_some() {
        // Its own, or a base class with a view of all that is below it.
        return Ok(class);
    }
    let mut below = Schema::shipped().concrete(class);
    match (below.next(), below.next()) {
        (Some(only), None) => Ok(only),
        _ => Err(invalid()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_handlers_make_and_sort_by_is_of_the_class_and_stored() {
        for class in Schema::shipped().classes() {
            let Some(handler) = handler(&class.name) else { continue };
            let stored = |name: &str| ::site::views::find(&class.name).unwrap().column(name).is_some();
            for made in handler.completes(class) {
                assert!(class.property(made.property).is_some(), "{} {}", class.name, made.property);
                assert!(made.of.iter().all(|of| stored(of)), "{} {:?}", class.name, made.of);
            }
            assert!(handler.order().is_none_or(|(name, _)| stored(name)), "{}", class.name);
        }
    }

    #[test]
    fn every_class_with_instances_has_a_handler() {
        let has_instances = |class: &ClassInfo| class.is_queryable() && !class.is_abstract();
        for class in Schema::shipped().classes().filter(|class| has_instances(class) || class.is_static()) {
            assert!(handler(&class.name).is_some(), "{}", class.name);
        }
    }
}
