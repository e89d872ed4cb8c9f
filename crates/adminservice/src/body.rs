//! JSON bodies, read into CIM values with the schema's help.

mod json;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use cim::{CimType, DateTime, Instance, Value};
use provider::{ClassInfo, Schema};
use serde_json::{Map, Value as Json};

use crate::error::ApiError;

/// The most values in one body: the two arrays of AddDistributionPoints for 20,000 of them, and room.
const VALUES_MAX: usize = 50_000;
/// The most members of one object; no class declares half as many properties. Reading compares each with all before it.
const MEMBERS_MAX: usize = 512;
/// The longest `uint8[]`, in bytes: an icon. Each byte is a value of its own once it is read.
const BYTES_MAX: usize = 256 * 1024;

/// What PowerShell 5 writes before a text that it calls UTF-8.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Before the class name in `@odata.type`.
const TYPE_PREFIX: &str = "#AdminService.";

/// The properties that a body sets on an instance of a class.
pub(crate) fn instance(schema: &Schema, class: &ClassInfo, body: &[u8]) -> Result<Instance, ApiError> {
    read_instance(schema, class, object(body)?)
}

/// The parameters that a body gives to a method; an empty body gives none.
pub(crate) fn parameters(
    schema: &Schema,
    method: Option<&cim::class::Method>,
    body: &[u8],
) -> Result<Vec<(String, Value)>, ApiError> {
    let map = object(body)?;
    check_members(&map)?;
    let mut given = Vec::new();
    for (name, json) in map {
        if name.contains('@') {
            continue;
        }
        let declared =
            method.and_then(|method| method.parameters.iter().find(|p| p.name.eq_ignore_ascii_case(&name)));
        let kind = declared.map(|parameter| &parameter.kind);
        let value = read_value(schema, kind, declared.is_some_and(|parameter| parameter.array), &name, json)?;
        given.push((name, value));
    }
    Ok(given)
}

/// The parser itself stops at 128 levels.
fn object(body: &[u8]) -> Result<Map<String, Json>, ApiError> {
    if body.iter().all(u8::is_ascii_whitespace) {
        return Ok(Map::new());
    }
    if separators(body) > VALUES_MAX {
        return Err(invalid(format!("it has more than {VALUES_MAX} values; send bytes as base64")));
    }
    match json::parse(body.strip_prefix(BYTE_ORDER_MARK).unwrap_or(body)) {
        Ok(Json::Object(map)) => Ok(map),
        Ok(_) => Err(invalid("a JSON object is needed")),
        Err(error) => Err(invalid(error.to_string())),
    }
}

/// How many commas a JSON text has outside of strings: one less than values in the worst case, counted before
/// any of them takes memory.
fn separators(body: &[u8]) -> usize {
    let (mut count, mut inside, mut escaped) = (0, false, false);
    for byte in body {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = inside,
            b'"' => inside = !inside,
            b',' if !inside => count += 1,
            _ => {}
        }
    }
    count
}

fn read_instance(schema: &Schema, class: &ClassInfo, map: Map<String, Json>) -> Result<Instance, ApiError> {
    check_members(&map)?;
    let mut instance = Instance::new(&class.name);
    for (name, json) in map {
        // Annotations and system properties come back from clients that send what they read.
        if name.contains('@') || name.starts_with("__") {
            continue;
        }
        if instance.get(&name).is_some() {
            return Err(invalid(format!("{name} is given twice")));
        }
        let declared = class.property(&name);
        let kind = declared.map(|property| &property.kind);
        let value = read_value(schema, kind, declared.is_some_and(|property| property.array), &name, json)?;
        instance.set(&name, value);
    }
    Ok(instance)
}

fn check_members(map: &Map<String, Json>) -> Result<(), ApiError> {
    if map.len() > MEMBERS_MAX {
        return Err(invalid(format!("an object has more than {MEMBERS_MAX} members")));
    }
    Ok(())
}

fn read_value(
    schema: &Schema,
    kind: Option<&CimType>,
    array: bool,
    name: &str,
    json: Json,
) -> Result<Value, ApiError> {
    match (kind, json) {
        (_, Json::Null) => Ok(Value::Null),
        (_, Json::Bool(truth)) => Ok(Value::Boolean(truth)),
        (_, Json::Number(number)) => {
            number_value(&number).ok_or_else(|| invalid(format!("{name}: {number} is too large")))
        }
        // `Edm.Binary` for uint8[].
        (Some(CimType::Uint8), Json::String(text)) if array => bytes(name, &text),
        (Some(CimType::DateTime), Json::String(text)) => match milliseconds(&text) {
            Some(at) => Ok(Value::DateTime(at)),
            None => Ok(Value::String(text)),
        },
        (_, Json::String(text)) => Ok(Value::String(text)),
        (kind, Json::Array(elements)) => {
            let element = |json| read_value(schema, kind, false, name, json);
            elements.into_iter().map(element).collect::<Result<_, _>>().map(Value::Array)
        }
        (Some(CimType::Embedded(base)), Json::Object(map)) => embedded(schema, base, name, map),
        (_, Json::Object(_)) => Err(invalid(format!("{name} takes no object"))),
    }
}

fn embedded(schema: &Schema, base: &str, name: &str, map: Map<String, Json>) -> Result<Value, ApiError> {
    let class = match map.get("@odata.type").map(Json::as_str) {
        None => base,
        Some(Some(kind)) => kind.strip_prefix(TYPE_PREFIX).unwrap_or(kind.trim_start_matches('#')),
        Some(None) => return Err(invalid(format!("{name}: @odata.type is no text"))),
    };
    let class = schema.class(class).ok_or_else(|| invalid(format!("{name}: there is no class {class}")))?;
    let instance = read_instance(schema, class, map)?;
    Ok(Value::Instance(Box::new(instance)))
}

/// `/Date(1704067200000)/`, as PowerShell 5 writes dates: milliseconds since 1970 in UTC. What else is a date, the
/// declared type knows.
fn milliseconds(text: &str) -> Option<DateTime> {
    let inner = text.strip_prefix("/Date(")?.strip_suffix(")/")?;
    let at = jiff::Timestamp::from_millisecond(inner.parse().ok()?).ok()?;
    Some(DateTime::from_timestamp(at))
}

fn number_value(number: &serde_json::Number) -> Option<Value> {
    let integer = number.as_i64().map(i128::from).or_else(|| number.as_u64().map(i128::from));
    integer.map(Value::Integer).or_else(|| number.as_f64().map(Value::Real))
}

fn bytes(name: &str, text: &str) -> Result<Value, ApiError> {
    let decoded = STANDARD.decode(text).or_else(|_| URL_SAFE.decode(text));
    let bytes = decoded.map_err(|_| invalid(format!("{name} must be base64")))?;
    if bytes.len() > BYTES_MAX {
        return Err(invalid(format!("{name} has more than {BYTES_MAX} bytes")));
    }
    Ok(Value::Array(bytes.into_iter().map(|byte| Value::Integer(byte.into())).collect()))
}

fn invalid(reason: impl Into<String>) -> ApiError {
    ApiError::InvalidBody { reason: reason.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: &str) -> Result<Instance, String> {
        let schema = Schema::shipped();
        let class = schema.class("SMS_DriverPackage").unwrap();
        instance(schema, class, body.as_bytes()).map_err(|error| error.to_string())
    }

    #[test]
    fn bodies_become_instances() {
        let check = |body: &str, expect: &[(&str, Value)]| {
            let named = expect.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
            let expect = Instance { class: "SMS_DriverPackage".to_owned(), properties: named };
            assert_eq!(read(body), Ok(expect), "{body}");
        };
        check("", &[]);
        check(" {} ", &[]);
        check(
            r#"{"Name":"x","Priority":3,"@odata.etag":"y","__CLASS":"z"}"#,
            &[("Name", Value::text("x")), ("Priority", Value::Integer(3))],
        );
        check(r#"{"Icon":"AQI="}"#, &[("Icon", Value::Array(vec![Value::Integer(1), Value::Integer(2)]))]);
        check(r#"{"Icon":[1,2]}"#, &[("Icon", Value::Array(vec![Value::Integer(1), Value::Integer(2)]))]);
        check("\u{feff}{\"Name\":\"x\"}", &[("Name", Value::text("x"))]);
        let date = DateTime::parse_any("2024-01-01T00:00:00Z").unwrap();
        check(r#"{"SourceDate":"\/Date(1704067200000)\/"}"#, &[("SourceDate", Value::DateTime(date))]);
        let plain = "2024-01-01T01:00:00+01:00";
        check(&format!(r#"{{"SourceDate":"{plain}"}}"#), &[("SourceDate", Value::text(plain))]);
        check(r#"{"Unknown":1.5}"#, &[("Unknown", Value::Real(1.5))]);
        let mut token = Instance::new("SMS_ST_RecurInterval");
        token.set("DaySpan", 7);
        let token = Value::Instance(Box::new(token));
        let json = r##"{"@odata.type":"#AdminService.SMS_ST_RecurInterval","DaySpan":7}"##;
        check(
            &format!(r#"{{"RefreshSchedule":[{json}]}}"#),
            &[("RefreshSchedule", Value::Array(vec![token.clone()]))],
        );
        check(&format!(r#"{{"RefreshSchedule":{json}}}"#), &[("RefreshSchedule", token)]);
    }

    #[test]
    fn what_is_no_body_is_refused() {
        for body in [
            "[]",
            "x",
            r#"{"Name":"x""#,
            r#"{"Name":{}}"#,
            r#"{"Name":"a","name":"b"}"#,
            r#"{"Name":"a","Name":"b"}"#,
            r#"{"Name":"a"} {"Name":"b"}"#,
            r#"{"Icon":"%%"}"#,
            r#"{"RefreshSchedule":[{"@odata.type":"Nothing"}]}"#,
            r#"{"RefreshSchedule":[{"@odata.type":5}]}"#,
        ] {
            assert!(read(body).is_err(), "{body}: {:?}", read(body));
        }
        let many = |count: usize| format!(r#"{{"Icon":[{}]}}"#, vec!["1"; count].join(","));
        assert!(read(&many(VALUES_MAX + 2)).unwrap_err().contains("values"));
        assert!(read(&many(VALUES_MAX)).is_ok());
        // What stands inside of strings is no value.
        assert!(read(&format!(r#"{{"Name":"\"{}"}}"#, ",".repeat(VALUES_MAX + 1))).is_ok());
        let bytes = |count: usize| format!(r#"{{"Icon":"{}"}}"#, STANDARD.encode(vec![7; count]));
        assert!(read(&bytes(BYTES_MAX + 1)).unwrap_err().contains("bytes"));
        assert!(read(&bytes(BYTES_MAX)).is_ok());
        // Each member is compared with those before it, so that their number bounds the work.
        let wide = |count: usize| {
            let members: Vec<_> = (0..count).map(|n| format!(r#""m{n}":1"#)).collect();
            members.join(",")
        };
        assert!(read(&format!("{{{}}}", wide(MEMBERS_MAX))).is_ok());
        assert!(read(&format!("{{{}}}", wide(MEMBERS_MAX + 1))).unwrap_err().contains("members"));
        let token = |count| {
            format!(r#"{{"RefreshSchedule":{{"@odata.type":"SMS_ST_NonRecurring",{}}}}}"#, wide(count))
        };
        assert!(read(&token(MEMBERS_MAX - 1)).is_ok());
        assert!(read(&token(MEMBERS_MAX)).unwrap_err().contains("members"));
        let called = parameters(Schema::shipped(), None, format!("{{{}}}", wide(MEMBERS_MAX + 1)).as_bytes());
        assert!(called.unwrap_err().to_string().contains("members"));
        let deep = format!("{{\"x\":{}", "[".repeat(100_000));
        assert!(read(&deep).unwrap_err().contains("recursion"));
    }
}
