//! Checks against the schema: queries, object paths and instances leave here with declared names and
//! values of the declared types, or not at all.

use cim::class::{Property, Qualifiers};
use cim::query::{ElementTest, Expr, Operator, PropertyRef, Query, Scalar, Select, Selected, Source};
use cim::{CimType, Instance, ObjectPath, Value};

use crate::error::Fault;
use crate::schema::{ClassInfo, Schema, is_lazy};

/// The longest text for a property that states no limit, in characters.
const TEXT_CHARS_MAX: usize = 64 * 1024;
/// The most elements for an array property that states no limit.
const ELEMENTS_MAX: usize = 1024 * 1024;

/// Checks a query on a class that has instances.
pub(crate) fn query(class: &ClassInfo, query: Query) -> Result<Query, Fault> {
    if !query.joins.is_empty() || query.distinct {
        return Err(invalid_query("only plain queries on one class are answered".to_owned()));
    }
    let select = match query.select {
        Select::All => Select::All,
        Select::Items(items) => Select::Items(selected(class, &items)?),
        Select::Count(_) => return Err(invalid_query("COUNT is not answered".to_owned())),
    };
    let mut order = Vec::with_capacity(query.order.len());
    for (scalar, direction) in query.order {
        let property = searchable(class, named(&scalar)?)?;
        if property.array {
            return Err(invalid_query(format!("{} is an array and has no order", property.name)));
        }
        order.push((Scalar::property(&property.name), direction));
    }
    let filter = query.filter.map(|filter| expr(class, filter)).transpose()?;
    let from = Source { class: class.name.clone(), alias: None };
    Ok(Query { from, select, filter, order, ..query })
}

fn selected(class: &ClassInfo, items: &[Selected]) -> Result<Vec<Selected>, Fault> {
    let mut properties: Vec<Selected> = Vec::with_capacity(items.len());
    for item in items {
        let Selected::Property(property) = item else {
            return Err(invalid_query("a single class is selected with *".to_owned()));
        };
        let declared = Selected::Property(PropertyRef::new(&declared(class, &property.name)?.name));
        if !properties.contains(&declared) {
            properties.push(declared);
        }
    }
    Ok(properties)
}

fn named(scalar: &Scalar) -> Result<&str, Fault> {
    let other = || invalid_query("a property is needed here".to_owned());
    scalar.as_property().map(|property| property.name.as_str()).ok_or_else(other)
}

/// The depth is bounded by the parser that built the tree.
fn expr(class: &ClassInfo, condition: Expr) -> Result<Expr, Fault> {
    let all =
        |terms: Vec<Expr>| terms.into_iter().map(|term| expr(class, term)).collect::<Result<Vec<_>, _>>();
    let text = |item: &Scalar| named(item).and_then(|name| text(class, name)).map(Scalar::property);
    Ok(match condition {
        Expr::And(terms) => Expr::And(all(terms)?),
        Expr::Or(terms) => Expr::Or(all(terms)?),
        Expr::Not(inner) => expr(class, *inner)?.not(),
        Expr::IsNull(item) => Expr::is_null(&searchable(class, named(&item)?)?.name),
        Expr::Compare { left, op, right: Scalar::Literal(value) } => {
            comparison(searchable(class, named(&left)?)?, op, value)?
        }
        Expr::Any { property, test: ElementTest::Compare(op, value) } => {
            comparison(searchable(class, &property.name)?, op, value)?
        }
        Expr::Any { property, test: ElementTest::Contains(part) } => {
            Expr::Contains { item: text(&Scalar::Property(property))?, text: part }
        }
        Expr::Any { property, test: ElementTest::StartsWith(part) } => {
            Expr::StartsWith { item: text(&Scalar::Property(property))?, text: part }
        }
        Expr::Any { property, test: ElementTest::EndsWith(part) } => {
            Expr::EndsWith { item: text(&Scalar::Property(property))?, text: part }
        }
        Expr::In { item, values } => {
            let property = searchable(class, named(&item)?)?;
            let fitted =
                values.into_iter().map(|value| operand(property, value)).collect::<Result<_, _>>()?;
            Expr::In { item: Scalar::property(&property.name), values: fitted }
        }
        Expr::Like { item, pattern } => Expr::Like { item: text(&item)?, pattern },
        Expr::StartsWith { item, text: part } => Expr::StartsWith { item: text(&item)?, text: part },
        Expr::EndsWith { item, text: part } => Expr::EndsWith { item: text(&item)?, text: part },
        Expr::Contains { item, text: part } => Expr::Contains { item: text(&item)?, text: part },
        other => return Err(invalid_query(format!("{other} is not answered"))),
    })
}

/// A comparison with an array means any of its elements.
fn comparison(property: &Property, op: Operator, value: Value) -> Result<Expr, Fault> {
    if value.is_null() {
        return Err(invalid_query(format!("{} cannot be compared with null; use IS NULL", property.name)));
    }
    let value = operand(property, value)?;
    let property_name = property.name.clone();
    Ok(match property.array {
        true => {
            Expr::Any { property: PropertyRef::new(property_name), test: ElementTest::Compare(op, value) }
        }
        false => Expr::compare(property_name, op, value),
    })
}

fn operand(property: &Property, value: Value) -> Result<Value, Fault> {
    if matches!(property.kind, CimType::Embedded(_)) {
        return Err(invalid_query(format!("{} holds objects and cannot be compared", property.name)));
    }
    property.kind.fit(value).map_err(|mismatch| invalid_query(format!("{}: {mismatch}", property.name)))
}

/// An array of texts is matched where one of its elements is.
fn text(class: &ClassInfo, name: &str) -> Result<String, Fault> {
    let property = searchable(class, name)?;
    match property.kind {
        CimType::String => Ok(property.name.clone()),
        _ => Err(invalid_query(format!("{} is no text", property.name))),
    }
}

fn searchable<'a>(class: &'a ClassInfo, name: &str) -> Result<&'a Property, Fault> {
    let property = declared(class, name)?;
    if is_lazy(property) {
        let name = &property.name;
        return Err(invalid_query(format!("{name} is lazy: only a get of one instance returns it")));
    }
    if property.qualifiers.has("computed") {
        let name = &property.name;
        return Err(invalid_query(format!(
            "{name} is put together for each answer; compare another property"
        )));
    }
    Ok(property)
}

fn declared<'a>(class: &'a ClassInfo, name: &str) -> Result<&'a Property, Fault> {
    let missing = || Fault::InvalidProperty { class: class.name.clone(), property: name.to_owned() };
    class.property(name).ok_or_else(missing)
}

fn invalid_query(reason: String) -> Fault {
    Fault::InvalidQuery { reason }
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
    use cim::wql;

    use super::*;

    fn check(text: &str) -> Result<String, u32> {
        let parsed = wql::parse(text).unwrap();
        let class = Schema::shipped().class(parsed.class()).unwrap();
        query(class, parsed).map(|query| query.to_string()).map_err(|fault| fault.hresult())
    }

    #[test]
    fn queries_leave_with_declared_names_and_types() {
        for (text, expect) in [
            (
                "select packageid, NAME, name from sms_driverpackage where priority = '2' order by SOURCEDATE desc",
                "SELECT PackageID, Name FROM SMS_DriverPackage WHERE Priority = 2 ORDER BY SourceDate DESC",
            ),
            (
                "select * from SMS_DriverPackage where SecuredScopeNames = 'x'",
                "SELECT * FROM SMS_DriverPackage WHERE SecuredScopeNames = \"x\"",
            ),
            (
                "select * from SMS_DriverPackage where SourceDate > '2024-01-01T00:00:00Z'",
                "SELECT * FROM SMS_DriverPackage WHERE SourceDate > \"20240101000000.000000+***\"",
            ),
            (
                "select * from SMS_DriverPackage where packageid = 12",
                "SELECT * FROM SMS_DriverPackage WHERE PackageID = \"12\"",
            ),
            (
                "select * from SMS_DistributionPoint where RefreshNow = 1",
                "SELECT * FROM SMS_DistributionPoint WHERE RefreshNow = TRUE",
            ),
        ] {
            assert_eq!(check(text).as_deref(), Ok(expect), "{text}");
        }
    }

    #[test]
    fn queries_that_make_no_sense_are_refused() {
        for (text, hresult) in [
            ("select Nothing from SMS_DriverPackage", 0x8004_1031),
            ("select * from SMS_DriverPackage where Nothing = 1", 0x8004_1031),
            ("select * from SMS_DriverPackage order by Nothing", 0x8004_1031),
            ("select * from SMS_DriverPackage where Priority = 'high'", 0x8004_1017),
            ("select * from SMS_DriverPackage where Priority like '2'", 0x8004_1017),
            ("select * from SMS_DriverPackage where RefreshPkgSourceFlag = true", 0x8004_1017),
            ("select * from SMS_DriverPackage where Priority in (1, 'x')", 0x8004_1017),
            ("select * from SMS_DriverPackage where Priority = 4294967296", 0x8004_1017),
            ("select * from SMS_DriverPackage order by SecuredScopeNames", 0x8004_1017),
            ("select * from SMS_DriverPackage where SourceDate = 'yesterday'", 0x8004_1017),
        ] {
            assert_eq!(check(text), Err(hresult), "{text}");
        }
    }

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
