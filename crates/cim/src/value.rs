use crate::{DateTime, ObjectPath};

/// A CIM value. Its exact width belongs to the declared type ([`crate::CimType`]), not to the value.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// No value.
    Null,
    /// `boolean`.
    Boolean(bool),
    /// Any signed or unsigned integer type; `i128` holds both `sint64` and `uint64` without loss.
    Integer(i128),
    /// `real32` or `real64`.
    Real(f64),
    /// `string` or `char16`.
    String(String),
    /// `datetime`, a point in time or an interval.
    DateTime(DateTime),
    /// A reference to an object.
    Reference(ObjectPath),
    /// An instance that lives inside another object.
    Instance(Box<Instance>),
    /// An array of one of the above.
    Array(Vec<Value>),
}

impl Value {
    /// A string value.
    pub fn text(text: impl Into<String>) -> Self {
        Self::String(text.into())
    }

    /// Whether there is no value.
    #[must_use]
    pub fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// The text of a string value.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text),
            _ => None,
        }
    }

    /// The number of an integer value.
    #[must_use]
    pub fn as_integer(&self) -> Option<i128> {
        match self {
            Self::Integer(number) => Some(*number),
            _ => None,
        }
    }

    /// The truth of a boolean value.
    #[must_use]
    pub fn as_bool(&self) -> Option<bool> {
        match self {
            Self::Boolean(truth) => Some(*truth),
            _ => None,
        }
    }
}

impl From<bool> for Value {
    fn from(truth: bool) -> Self {
        Self::Boolean(truth)
    }
}

impl From<u32> for Value {
    fn from(number: u32) -> Self {
        Self::Integer(number.into())
    }
}

impl From<i32> for Value {
    fn from(number: i32) -> Self {
        Self::Integer(number.into())
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Integer(number.into())
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::String(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::String(text)
    }
}

impl From<DateTime> for Value {
    fn from(at: DateTime) -> Self {
        Self::DateTime(at)
    }
}

/// An instance: a class name and named values, in the order given. Names compare without regard to case.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Instance {
    /// The class of the instance itself, never of a superclass.
    pub class: String,
    /// Names and values; a name occurs once.
    pub properties: Vec<(String, Value)>,
}

impl Instance {
    /// An instance without properties.
    pub fn new(class: impl Into<String>) -> Self {
        Self { class: class.into(), properties: Vec::new() }
    }

    /// The value of a property, if the instance carries it.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.properties.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// Sets a property, replacing an earlier value.
    pub fn set(&mut self, name: &str, value: impl Into<Value>) {
        let value = value.into();
        match self.properties.iter_mut().find(|(known, _)| known.eq_ignore_ascii_case(name)) {
            Some((_, slot)) => *slot = value,
            None => self.properties.push((name.to_owned(), value)),
        }
    }
}
