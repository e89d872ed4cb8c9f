use std::fmt;

use crate::{DateTime, ObjectPath, Value};

/// A CIM data type, without the array mark.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum CimType {
    /// `boolean`
    Boolean,
    /// `uint8`
    Uint8,
    /// `uint16`
    Uint16,
    /// `uint32`
    Uint32,
    /// `uint64`
    Uint64,
    /// `sint8`
    Sint8,
    /// `sint16`
    Sint16,
    /// `sint32`
    Sint32,
    /// `sint64`
    Sint64,
    /// `real32`
    Real32,
    /// `real64`
    Real64,
    /// `char16`
    Char16,
    /// `string`
    String,
    /// `datetime`
    DateTime,
    /// `Class ref`: a reference to an instance of the class or of a subclass.
    Reference(String),
    /// An embedded instance of the class or of a subclass.
    Embedded(String),
    /// An embedded instance of any class: `string` with the qualifier `EmbeddedObject`.
    Object,
}

/// A value that does not fit a type.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{found} does not fit the type {expected}")]
pub struct TypeMismatch {
    /// The declared type.
    pub expected: String,
    /// What was given, shortened.
    pub found: String,
}

impl CimType {
    /// The type that a MOF keyword names, in any case; class names are no keywords.
    #[must_use]
    pub fn from_keyword(word: &str) -> Option<Self> {
        KEYWORDS
            .iter()
            .find(|(keyword, _)| keyword.eq_ignore_ascii_case(word))
            .map(|(_, named)| named.clone())
    }

    /// The smallest and greatest integer of the type; `None` for what is no integer type.
    #[must_use]
    pub fn integer_range(&self) -> Option<(i128, i128)> {
        Some(match self {
            Self::Uint8 => (0, u8::MAX.into()),
            Self::Uint16 => (0, u16::MAX.into()),
            Self::Uint32 => (0, u32::MAX.into()),
            Self::Uint64 => (0, u64::MAX.into()),
            Self::Sint8 => (i8::MIN.into(), i8::MAX.into()),
            Self::Sint16 => (i16::MIN.into(), i16::MAX.into()),
            Self::Sint32 => (i32::MIN.into(), i32::MAX.into()),
            Self::Sint64 => (i64::MIN.into(), i64::MAX.into()),
            _ => return None,
        })
    }

    /// Fits a value to the type, reading it as the provider's clients mean it: quoted numbers become
    /// integers, unquoted numbers become text, CIM and ISO 8601 text become datetimes, 0 and 1 become
    /// booleans. Null fits every type; an array fits none.
    pub fn fit(&self, value: Value) -> Result<Value, TypeMismatch> {
        match self {
            _ if value.is_null() => Ok(value),
            Self::Boolean => fit_boolean(value),
            Self::Real32 | Self::Real64 => fit_real(value),
            Self::Char16 | Self::String => fit_text(value),
            Self::DateTime => fit_datetime(value),
            Self::Reference(_) => fit_reference(value),
            Self::Embedded(_) | Self::Object => {
                if matches!(value, Value::Instance(_)) {
                    Ok(value)
                } else {
                    Err(value)
                }
            }
            integer => integer.fit_integer(value),
        }
        .map_err(|value| self.mismatch(&value))
    }

    fn fit_integer(&self, value: Value) -> Result<Value, Value> {
        let number = match &value {
            Value::Integer(number) => Some(*number),
            Value::String(text) => parse_integer(text),
            Value::Boolean(truth) => Some(i128::from(*truth)),
            _ => None,
        };
        let (least, greatest) = self.integer_range().unwrap_or((i128::MIN, i128::MAX));
        number.filter(|number| (least..=greatest).contains(number)).map(Value::Integer).ok_or(value)
    }

    fn mismatch(&self, value: &Value) -> TypeMismatch {
        const SHOWN_CHARS_MAX: usize = 60;
        let found = match value {
            Value::String(text) => {
                format!("the text \"{}\"", text.chars().take(SHOWN_CHARS_MAX).collect::<String>())
            }
            Value::Integer(number) => format!("the number {number}"),
            Value::Real(number) => format!("the number {number}"),
            Value::Boolean(truth) => format!("the boolean {truth}"),
            Value::DateTime(at) => format!("the datetime {at}"),
            Value::Reference(_) => "a reference".to_owned(),
            Value::Instance(instance) => format!("an instance of {}", instance.class),
            Value::Array(_) => "an array".to_owned(),
            Value::Null => "null".to_owned(),
        };
        TypeMismatch { expected: self.to_string(), found }
    }
}

const KEYWORDS: [(&str, CimType); 14] = [
    ("boolean", CimType::Boolean),
    ("uint8", CimType::Uint8),
    ("uint16", CimType::Uint16),
    ("uint32", CimType::Uint32),
    ("uint64", CimType::Uint64),
    ("sint8", CimType::Sint8),
    ("sint16", CimType::Sint16),
    ("sint32", CimType::Sint32),
    ("sint64", CimType::Sint64),
    ("real32", CimType::Real32),
    ("real64", CimType::Real64),
    ("char16", CimType::Char16),
    ("string", CimType::String),
    ("datetime", CimType::DateTime),
];

fn fit_boolean(value: Value) -> Result<Value, Value> {
    let truth = match &value {
        Value::Boolean(truth) => Some(*truth),
        Value::Integer(0) => Some(false),
        // WMI's own boolean is a VARIANT_BOOL: -1 is true.
        Value::Integer(1 | -1) => Some(true),
        Value::String(text) if text.eq_ignore_ascii_case("true") || text == "1" => Some(true),
        Value::String(text) if text.eq_ignore_ascii_case("false") || text == "0" => Some(false),
        _ => None,
    };
    truth.map(Value::Boolean).ok_or(value)
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a real property loses digits of a huge integer by its nature"
)]
fn fit_real(value: Value) -> Result<Value, Value> {
    let number = match &value {
        // Infinite ones and what is no number too: how they are written, each protocol knows.
        Value::Real(number) => Some(*number),
        Value::Integer(number) => Some(*number as f64),
        Value::String(text) => text.trim().parse().ok().filter(|number: &f64| number.is_finite()),
        _ => None,
    };
    number.map(Value::Real).ok_or(value)
}

fn fit_text(value: Value) -> Result<Value, Value> {
    match value {
        Value::String(_) => Ok(value),
        Value::Integer(number) => Ok(Value::String(number.to_string())),
        other => Err(other),
    }
}

fn fit_datetime(value: Value) -> Result<Value, Value> {
    match &value {
        Value::DateTime(_) => Ok(value),
        Value::String(text) => match DateTime::parse_any(text) {
            Ok(at) => Ok(Value::DateTime(at)),
            Err(_) => Err(value),
        },
        _ => Err(value),
    }
}

fn fit_reference(value: Value) -> Result<Value, Value> {
    match &value {
        Value::Reference(_) => Ok(value),
        Value::String(text) => match ObjectPath::parse(text) {
            Ok(path) => Ok(Value::Reference(path)),
            Err(_) => Err(value),
        },
        _ => Err(value),
    }
}

/// Decimal with an optional sign, or `0x` hexadecimal.
pub(crate) fn parse_integer(text: &str) -> Option<i128> {
    let text = text.trim();
    match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(digits) if digits.starts_with(['+', '-']) => None,
        Some(digits) => i128::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    }
}

impl fmt::Display for CimType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Reference(class) => write!(f, "{class} ref"),
            Self::Embedded(class) => f.write_str(class),
            Self::Object => f.write_str("object"),
            plain => {
                let keyword =
                    KEYWORDS.iter().find(|(_, named)| named == plain).map_or("", |(keyword, _)| keyword);
                f.write_str(keyword)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_fit_types_the_way_clients_mean_them() {
        let instance = Value::Instance(Box::default());
        let cases = [
            (CimType::Uint32, Value::text("123"), Some(Value::Integer(123))),
            (CimType::Uint32, Value::text(" 0x10 "), Some(Value::Integer(16))),
            (CimType::Uint32, Value::Integer(-1), None),
            (CimType::Uint32, Value::Integer(1 << 32), None),
            (CimType::Uint64, Value::Integer(u64::MAX.into()), Some(Value::Integer(u64::MAX.into()))),
            (CimType::Sint32, Value::text("12x"), None),
            (CimType::Sint32, Value::text("0x-1"), None),
            (CimType::String, Value::Integer(7), Some(Value::text("7"))),
            (CimType::String, Value::Boolean(true), None),
            (CimType::Boolean, Value::Integer(-1), Some(Value::Boolean(true))),
            (CimType::Boolean, Value::text("FALSE"), Some(Value::Boolean(false))),
            (CimType::Boolean, Value::Integer(2), None),
            (CimType::Real64, Value::Integer(2), Some(Value::Real(2.0))),
            (CimType::Real64, Value::text("inf"), None),
            (CimType::Real32, Value::Real(f64::INFINITY), Some(Value::Real(f64::INFINITY))),
            (CimType::DateTime, Value::text("yesterday"), None),
            (CimType::Embedded("X".to_owned()), instance.clone(), Some(instance)),
            (CimType::Embedded("X".to_owned()), Value::text("x"), None),
            (CimType::Object, Value::Instance(Box::default()), Some(Value::Instance(Box::default()))),
            (CimType::Object, Value::text("x"), None),
            (CimType::Uint8, Value::Null, Some(Value::Null)),
            (CimType::Uint8, Value::Array(vec![]), None),
        ];
        for (kind, given, expect) in cases {
            assert_eq!(kind.fit(given.clone()).ok(), expect, "{kind} given {given:?}");
        }
    }

    #[test]
    fn keywords_print_as_they_are_read() {
        for (keyword, kind) in &KEYWORDS {
            assert_eq!(CimType::from_keyword(&keyword.to_uppercase()).as_ref(), Some(kind));
            assert_eq!(kind.to_string(), *keyword);
        }
        assert_eq!(CimType::from_keyword("SMS_Site"), None);
    }
}
