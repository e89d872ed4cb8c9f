//! Class declarations: what MOF declares and the provider's schema holds.

use crate::{CimType, Value};

/// A class.
#[derive(Debug, Clone, PartialEq)]
pub struct Class {
    /// The name, as declared.
    pub name: String,
    /// The direct superclass.
    pub superclass: Option<String>,
    /// Qualifiers of the class itself.
    pub qualifiers: Qualifiers,
    /// Properties declared here, in order; inherited ones are with the superclass.
    pub properties: Vec<Property>,
    /// Methods declared here, in order.
    pub methods: Vec<Method>,
}

/// A property.
#[derive(Debug, Clone, PartialEq)]
pub struct Property {
    /// The name, as declared.
    pub name: String,
    /// The type of the value or of its elements.
    pub kind: CimType,
    /// Whether it is an array.
    pub array: bool,
    /// Qualifiers.
    pub qualifiers: Qualifiers,
    /// The default; null where none is declared.
    pub default: Value,
}

/// A method.
#[derive(Debug, Clone, PartialEq)]
pub struct Method {
    /// The name, as declared.
    pub name: String,
    /// The type of the return value.
    pub returns: CimType,
    /// Qualifiers; `static` methods take no instance.
    pub qualifiers: Qualifiers,
    /// Parameters in call order: by `ID` where given, else as declared.
    pub parameters: Vec<Parameter>,
}

/// A parameter.
#[derive(Debug, Clone, PartialEq)]
pub struct Parameter {
    /// The name, as declared.
    pub name: String,
    /// The type of the value or of its elements.
    pub kind: CimType,
    /// Whether it is an array.
    pub array: bool,
    /// Qualifiers: `in`, `out`, `optional`, `ID`.
    pub qualifiers: Qualifiers,
    /// The value that is taken when an optional parameter is left out; null where none is declared.
    pub default: Value,
}

impl Parameter {
    /// Whether the caller gives it. A parameter that is marked neither way is one that goes in.
    #[must_use]
    pub fn goes_in(&self) -> bool {
        self.qualifiers.has("in") || !self.qualifiers.has("out")
    }

    /// Whether the method returns it.
    #[must_use]
    pub fn goes_out(&self) -> bool {
        self.qualifiers.has("out")
    }
}

/// Qualifiers in declaration order; names compare without regard to case.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Qualifiers(pub Vec<(String, Value)>);

impl Qualifiers {
    /// Whether the qualifier is there and not false.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.get(name).is_some_and(|value| *value != Value::Boolean(false))
    }

    /// The qualifier's value; true for one that is only named.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }
}
