//! What a client writes of a package: what the site stores, what it does, and what it refuses.

use cim::schedule::{self, Token};
use cim::{Instance, Value};
use site::{FieldValue, PackageChange, PackageType};

use crate::bytes;
use crate::error::Fault;

/// A write, split into what the site stores and what it does.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Write {
    pub(super) change: PackageChange,
    pub(super) refresh: bool,
}

/// Splits what a client wrote of a package.
pub(super) fn split(package_type: PackageType, mut instance: Instance) -> Result<Write, Fault> {
    let mut write = Write::default();
    let data = &mut write.change.data;
    data.icon = bytes::taken(&mut instance, "Icon", "IconSize")?;
    data.extended_data = bytes::taken(&mut instance, "ExtendedData", "ExtendedDataSize")?;
    data.isv_data = bytes::taken(&mut instance, "ISVData", "ISVDataSize")?;
    for (name, value) in instance.properties {
        match (name.as_str(), value) {
            ("RefreshPkgSourceFlag", value) => write.refresh = value == Value::Boolean(true),
            ("SedoObjectVersion", Value::String(version)) => write.change.sedo_object_version = Some(version),
            ("RefreshSchedule", value) => write.change.refresh_schedule = Some(tokens(&name, &value)?),
            ("PackageType", value) => {
                let (class, number) = (package_type.class(), package_type.number());
                let reason = format!("{value:?} is not allowed; a {class} has type {number}");
                return Err(Fault::OutOfRange { property: name, reason });
            }
            (_, value) => write.change.set(&name, field(&name, value)?)?,
        }
    }
    Ok(write)
}

/// The tokens of a schedule; null is none, and clients send a single one without an array.
fn tokens(name: &str, value: &Value) -> Result<Vec<Token>, Fault> {
    let elements = match value {
        Value::Null => &[],
        Value::Array(elements) => elements.as_slice(),
        single => std::slice::from_ref(single),
    };
    let objects = elements.iter().filter_map(|element| match element {
        Value::Instance(object) => Some(&**object),
        _ => None,
    });
    schedule::from_instances(objects)
        .map_err(|error| Fault::OutOfRange { property: name.to_owned(), reason: error.to_string() })
}

/// Null means the empty text, as the original's columns have no null.
fn field(name: &str, value: Value) -> Result<FieldValue, Fault> {
    Ok(match value {
        Value::Null => FieldValue::Text(String::new()),
        Value::String(text) => FieldValue::Text(text),
        Value::Boolean(truth) => FieldValue::Flag(truth),
        Value::DateTime(at) => FieldValue::Time(Some(at.timestamp().ok_or_else(|| {
            let reason = "a point in time is needed".to_owned();
            Fault::OutOfRange { property: name.to_owned(), reason }
        })?)),
        Value::Integer(number) if u32::try_from(number).is_ok() => {
            FieldValue::Number(u32::try_from(number).expect("checked by the guard"))
        }
        _ => {
            let reason = "a number from 0 to 4294967295 is needed".to_owned();
            return Err(Fault::OutOfRange { property: name.to_owned(), reason });
        }
    })
}
