//! Checks against the schema: object paths and instances leave here with declared names and
//! values of the declared types, or not at all.

use cim::class::{Property, Qualifiers};
use cim::{CimType, Instance, ObjectPath, Value};

use crate::error::Fault;
use crate::schema::{ClassInfo, Schema};

/// The longest text for a property that states no limit, in characters.
const TEXT_CHARS_MAX: usize = 64 * 1024;
/// The most elements for an array property that states no limit.
const ELEMENTS_MAX: usize = 1024 * 1024;

fn declared<'a>(class: &'a ClassInfo, name: &str) -> Result<&'a Property, Fault> {
    let missing = || Fault::InvalidProperty { class: class.name.clone(), property: name.to_owned() };
    class.property(name).ok_or_else(missing)
}

/// Checks an object path: exactly the class's keys, each with a value of its type.
pub(crate) fn path(class: &ClassInfo, given: &ObjectPath) -> Result<ObjectPath, Fault> {
    let keys = class.keys();
    let invalid = |reason: String| Fault::InvalidPath { reason };
    if keys.is_empty() || given.keys.len() != keys.len() {
        let names: Vec<_> = keys.iter().map(|key| key.name.as_str()).collect();
        return Err(invalid(format!("{} has the keys {}", class.name, names.join(", "))));
    }
    let mut checked = Vec::with_capacity(keys.len());
    for key in keys {
        let value =
            given.key(&key.name).ok_or_else(|| invalid(format!("the key {} is missing", key.name)))?;
        let fitted =
            key.kind.fit(value.clone()).map_err(|mismatch| invalid(format!("{}: {mismatch}", key.name)))?;
        if fitted.is_null() {
            return Err(invalid(format!("the key {} is null", key.name)));
        }
        checked.push((key.name.clone(), fitted));
    }
    Ok(ObjectPath::new(&class.name, checked))
}

/// Checks the properties of an instance to be created or changed: declared names, fitting values, limits.
pub(crate) fn instance(schema: &Schema, class: &ClassInfo, given: Instance) -> Result<Instance, Fault> {
    let mut checked = Instance::new(&class.name);
    for (name, value) in given.properties {
        let property = declared(class, &name)?;
        let value = fit(schema, &property.kind, property.array, value, &property.name)?;
        limits(property, &value)?;
        checked.set(&property.name, value);
    }
    Ok(checked)
}

/// Fits a value to a declared type. A single value where an array is declared becomes its only element, as
/// scripts pass one string where a list is meant.
pub(crate) fn fit(
    schema: &Schema,
    kind: &CimType,
    array: bool,
    value: Value,
    name: &str,
) -> Result<Value, Fault> {
    let fit_one = |value| {
        let fitted = kind
            .fit(value)
            .map_err(|mismatch| Fault::TypeMismatch { property: name.to_owned(), mismatch })?;
        match (kind, fitted) {
            (CimType::Embedded(base), Value::Instance(given)) => embedded(schema, base, *given, name),
            (CimType::Object, Value::Instance(given)) => {
                let base = given.class.clone();
                embedded(schema, &base, *given, name)
            }
            (_, fitted) => Ok(fitted),
        }
    };
    match value {
        Value::Null => Ok(Value::Null),
        Value::Array(elements) if array => {
            elements.into_iter().map(fit_one).collect::<Result<_, _>>().map(Value::Array)
        }
        value if array => fit_one(value).map(|only| Value::Array(vec![only])),
        value => fit_one(value),
    }
}

/// An embedded instance must be of the declared class or of a subclass, and is checked like any other. It leaves
/// whole, with defaults for what was not given, so that two that mean the same are the same.
fn embedded(schema: &Schema, base: &str, given: Instance, name: &str) -> Result<Value, Fault> {
    let class = schema.class(&given.class).filter(|class| class.is_a(base) && !class.is_abstract());
    let Some(class) = class else {
        let reason = format!("{} is no class for it; a subclass of {base} is needed", given.class);
        return Err(Fault::OutOfRange { property: name.to_owned(), reason });
    };
    let mut checked = instance(schema, class, given)?;
    let mut whole = Instance::new(&class.name);
    for property in &class.properties {
        let at = checked.properties.iter().position(|(name, _)| *name == property.name);
        let value = at.map_or_else(|| property.default.clone(), |at| checked.properties.swap_remove(at).1);
        whole.properties.push((property.name.clone(), value));
    }
    Ok(Value::Instance(Box::new(whole)))
}

fn limits(property: &Property, value: &Value) -> Result<(), Fault> {
    let marks = &property.qualifiers;
    match value {
        Value::Null if marks.has("not_null") || marks.has("key") => {
            Err(Fault::IllegalNull { property: property.name.clone() })
        }
        Value::String(text) => {
            let (least, most) = marks.get("SizeLimit").and_then(span).unwrap_or((0, TEXT_CHARS_MAX as i128));
            within(text.chars().count() as i128, least, most)
                .map_err(|rule| out_of_range(property, rule, "characters"))
        }
        Value::Integer(number) => {
            let (least, most) = marks.get("Range").and_then(span).unwrap_or((i128::MIN, i128::MAX));
            within(*number, least, most).map_err(|rule| out_of_range(property, rule, "as value"))
        }
        Value::Array(elements) => {
            let most = marks.get("Max").and_then(Value::as_integer).unwrap_or(ELEMENTS_MAX as i128);
            within(elements.len() as i128, 0, most).map_err(|rule| out_of_range(property, rule, "elements"))
        }
        _ => Ok(()),
    }
}

/// `n` is a limit from 0, `lo-hi` a range.
fn span(limit: &Value) -> Option<(i128, i128)> {
    let text = limit.as_str()?;
    match text.split_once('-') {
        Some((least, most)) => Some((least.parse().ok()?, most.parse().ok()?)),
        None => Some((0, text.parse().ok()?)),
    }
}

fn within(number: i128, least: i128, most: i128) -> Result<(), (i128, i128)> {
    if (least..=most).contains(&number) { Ok(()) } else { Err((least, most)) }
}

fn out_of_range(property: &Property, (least, most): (i128, i128), unit: &str) -> Fault {
    let reason = match least {
        0 => format!("at most {most} {unit} are allowed"),
        _ => format!("{least} to {most} {unit} are allowed"),
    };
    Fault::OutOfRange { property: property.name.clone(), reason }
}

/// Whether clients may not set a property.
pub(crate) fn read_only(marks: &Qualifiers) -> bool {
    marks.has("read")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_have_exactly_the_keys_of_the_class() {
        let check = |text: &str| {
            let given = ObjectPath::parse(text).unwrap();
            let class = Schema::shipped().class(&given.class).unwrap();
            path(class, &given).map(|path| path.relative()).map_err(|fault| fault.hresult())
        };
        let one = Ok("SMS_DriverPackage.PackageID=\"PS100001\"".to_owned());
        assert_eq!(check("sms_driverpackage.packageid='PS100001'"), one);
        assert_eq!(check("SMS_DriverPackage='PS100001'"), one);
        for wrong in [
            "SMS_DriverPackage",
            "SMS_DriverPackage.Name='x'",
            "SMS_DriverPackage.PackageID='x',Name='y'",
            "SMS_DistributionPoint.PackageID='x'",
            "SMS_DriverPackage.PackageID=TRUE",
            "SMS_BaseClass",
        ] {
            assert_eq!(check(wrong), Err(0x8004_103A), "{wrong}");
        }
    }

    #[test]
    fn instances_keep_the_limits_of_their_properties() {
        let schema = Schema::shipped();
        let class = schema.class("SMS_DriverPackage").unwrap();
        let check = |name: &str, value: Value, expect: Result<Value, u32>| {
            let given = Instance { class: String::new(), properties: vec![(name.to_owned(), value)] };
            let got = instance(schema, class, given).map(|instance| instance.properties[0].1.clone());
            assert_eq!(got.map_err(|fault| fault.hresult()), expect, "{name}");
        };
        let token = |class: &str, span: i128| {
            let properties = vec![("DaySpan".to_owned(), Value::Integer(span))];
            Value::Instance(Box::new(Instance { class: class.to_owned(), properties }))
        };
        let interval = token("SMS_ST_RecurInterval", 7);
        check("name", Value::text("x"), Ok(Value::text("x")));
        check("Name", Value::text("x".repeat(256)), Err(0x8004_103C));
        check("Priority", Value::text("3"), Ok(Value::Integer(3)));
        check("Priority", Value::text("x"), Err(0x8004_1005));
        check("Nothing", Value::Null, Err(0x8004_1031));
        check("PackageID", Value::Null, Err(0x8004_1028));
        check("RefreshSchedule", Value::Array(vec![interval; 16]), Err(0x8004_103C));
        check("RefreshSchedule", token("SMS_ST_RecurInterval", 32), Err(0x8004_103C));
        check("RefreshSchedule", token("SMS_DriverPackage", 1), Err(0x8004_103C));
        check("RefreshSchedule", token("SMS_ScheduleToken", 1), Err(0x8004_103C));
        check("RefreshSchedule", token("SMS_ST_NonRecurring", 1), Err(0x8004_1031));
        check("RefreshSchedule", Value::text("weekly"), Err(0x8004_1005));
    }

    #[test]
    fn embedded_objects_leave_whole() {
        let schema = Schema::shipped();
        let object = |class: &str, properties: &[(&str, Value)]| {
            let properties =
                properties.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
            Value::Instance(Box::new(Instance { class: class.to_owned(), properties }))
        };
        let given = object(
            "sms_ci_localizedproperties",
            &[("localeid", Value::text("1033")), ("DisplayName", Value::text("x"))],
        );
        let expect = object(
            "SMS_CI_LocalizedProperties",
            &[
                ("Description", Value::text("")),
                ("DisplayName", Value::text("x")),
                ("InformativeURL", Value::text("")),
                ("LocaleID", Value::Integer(1033)),
            ],
        );
        let class = schema.class("SMS_Driver").unwrap();
        for sent in [given.clone(), Value::Array(vec![given])] {
            let mut driver = Instance::new("SMS_Driver");
            driver.properties.push(("localizedinformation".to_owned(), sent));
            let checked = instance(schema, class, driver).unwrap();
            let list = Value::Array(vec![expect.clone()]);
            assert_eq!(checked.properties, [("LocalizedInformation".to_owned(), list)]);
        }
    }
}
