//! Namespaces: which there are, which one a text means, and which classes live there.

use std::collections::HashSet;

use provider::{ClassInfo, Provider, Schema};

use crate::interop;

/// The names of the interop namespace; discovery looks for either.
pub(crate) const INTEROP: [&str; 2] = ["interop", "root/interop"];

/// One namespace.
#[derive(Debug)]
pub(crate) struct Space {
    /// The name with slashes, as in `root/sms/site_PS1`.
    pub(crate) name: String,
    pub(crate) schema: &'static Schema,
    /// Lower-case names of the classes that live here: those with instances here and their superclasses.
    classes: HashSet<String>,
    pub(crate) is_interop: bool,
}

impl Space {
    /// All namespaces of a provider, the site's own first.
    pub(crate) fn all(provider: &Provider) -> Vec<Self> {
        let own = provider.namespaces().into_iter().map(|namespace| Self::of_provider(provider, &namespace));
        let interop = INTEROP.map(|name| Self {
            name: name.to_owned(),
            schema: interop::schema(),
            classes: interop::schema().classes().map(|class| class.name.to_ascii_lowercase()).collect(),
            is_interop: true,
        });
        own.chain(interop).collect()
    }

    fn of_provider(provider: &Provider, namespace: &str) -> Self {
        let schema = provider.schema();
        let here = schema.classes().filter(|class| provider.namespace(class) == namespace);
        let names = here.flat_map(|class| std::iter::once(&class.name).chain(&class.derivation));
        Self {
            name: normalized(namespace),
            schema,
            classes: names.map(|name| name.to_ascii_lowercase()).collect(),
            is_interop: false,
        }
    }

    /// Whether a text means this namespace.
    pub(crate) fn is_called(&self, written: &str) -> bool {
        normalized(written).eq_ignore_ascii_case(&self.name)
    }

    /// The class of that name, in any case.
    pub(crate) fn class(&self, name: &str) -> Option<&'static ClassInfo> {
        self.schema.class(name).filter(|class| self.has(class))
    }

    /// All classes that live here, superclasses before subclasses.
    pub(crate) fn classes(&self) -> impl Iterator<Item = &'static ClassInfo> {
        self.schema.classes().filter(|class| self.has(class))
    }

    fn has(&self, class: &ClassInfo) -> bool {
        self.classes.contains(&class.name.to_ascii_lowercase())
    }
}

/// With slashes between the parts and nowhere else.
pub(crate) fn normalized(written: &str) -> String {
    let parts = written.split(['/', '\\']).map(str::trim).filter(|part| !part.is_empty());
    parts.collect::<Vec<_>>().join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn namespaces_are_written_in_many_ways() {
        for written in
            ["root/sms/site_PS1", "/root/sms/site_PS1/", r"root\sms\site_PS1", " root / sms//site_PS1"]
        {
            assert_eq!(normalized(written), "root/sms/site_PS1");
        }
        assert_eq!(normalized("//"), "");
    }
}
