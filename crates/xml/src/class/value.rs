//! Values as the text of CIM-XML, in declarations and in instances alike (DSP0201).

use std::borrow::Cow;

use cim::{DateTime, Value};

use crate::Writer;

/// A single value as text (DSP0201, values): `TRUE`, decimal numbers, 25 characters of a datetime. None for null and for
/// what has an element or a document of its own: references, instances, arrays.
#[must_use]
pub fn scalar(value: &Value) -> Option<Cow<'_, str>> {
    Some(match value {
        Value::Boolean(true) => Cow::Borrowed("TRUE"),
        Value::Boolean(false) => Cow::Borrowed("FALSE"),
        Value::Integer(number) => Cow::Owned(number.to_string()),
        Value::Real(number) => Cow::Owned(real(*number)),
        Value::String(text) => Cow::Borrowed(text),
        Value::DateTime(at) => Cow::Owned(datetime(at)),
        Value::Null | Value::Reference(_) | Value::Instance(_) | Value::Array(_) => return None,
    })
}

/// Writes `VALUE` or `VALUE.ARRAY`, whose null elements are `VALUE.NULL`; nothing for null and for what [`scalar`] does
/// not know.
pub fn write_value(writer: &mut Writer, value: &Value) {
    let Value::Array(elements) = value else {
        if let Some(text) = scalar(value) {
            writer.leaf("VALUE", &[], &text);
        }
        return;
    };
    writer.open("VALUE.ARRAY", &[]);
    for element in elements {
        match scalar(element) {
            Some(text) => writer.leaf("VALUE", &[], &text),
            None => writer.leaf("VALUE.NULL", &[], ""),
        }
    }
    writer.close();
}

/// With a zone: the standard knows no datetime without one (DSP0004, 5.2.4), and readers refuse asterisks there. Where
/// none is stated, clients read UTC.
fn datetime(at: &DateTime) -> String {
    let text = at.to_string();
    match text.strip_suffix("+***").or_else(|| text.strip_suffix("-***")) {
        Some(point) => format!("{point}+000"),
        None => text,
    }
}

/// With a point, and with an exponent where it would otherwise be a long row of zeros.
fn real(number: f64) -> String {
    const PLAIN: std::ops::Range<f64> = 1e-5..1e15;
    if number.is_nan() {
        return "NaN".to_owned();
    }
    if number.is_infinite() {
        return if number > 0.0 { "INF" } else { "-INF" }.to_owned();
    }
    if number == 0.0 || PLAIN.contains(&number.abs()) {
        return format!("{number:?}");
    }
    let text = format!("{number:E}");
    match text.split_once('E') {
        Some((digits, exponent)) if !digits.contains('.') => format!("{digits}.0E{exponent}"),
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn values_have_one_text_each() {
        let check =
            |value: Value, expect: Option<&str>| assert_eq!(scalar(&value).as_deref(), expect, "{value:?}");
        check(Value::Null, None);
        check(Value::Boolean(true), Some("TRUE"));
        check(Value::Integer(u64::MAX.into()), Some("18446744073709551615"));
        check(Value::Integer(i64::MIN.into()), Some("-9223372036854775808"));
        check(Value::Real(0.0), Some("0.0"));
        check(Value::Real(-1.5), Some("-1.5"));
        check(Value::Real(1e300), Some("1.0E300"));
        check(Value::Real(1.25e-10), Some("1.25E-10"));
        check(Value::Real(f64::INFINITY), Some("INF"));
        check(Value::Real(f64::NEG_INFINITY), Some("-INF"));
        check(Value::Real(f64::NAN), Some("NaN"));
        check(Value::text(" x "), Some(" x "));
        check(
            Value::DateTime("20240102******.******+***".parse().unwrap()),
            Some("20240102******.******+000"),
        );
        for (written, expect) in [
            ("20240102030405.000000+***", "20240102030405.000000+000"),
            ("20240102030405.000000-060", "20240102030405.000000-060"),
            ("00000007010203.000000:000", "00000007010203.000000:000"),
        ] {
            check(Value::DateTime(written.parse().unwrap()), Some(expect));
        }
        check(Value::Array(vec![]), None);
    }

    #[test]
    fn arrays_keep_their_nulls() {
        let mut writer = Writer::new();
        write_value(&mut writer, &Value::Array(vec![Value::Integer(1), Value::Null, Value::text("")]));
        write_value(&mut writer, &Value::Array(vec![]));
        write_value(&mut writer, &Value::Null);
        assert_eq!(
            writer.finish(),
            "<VALUE.ARRAY><VALUE>1</VALUE><VALUE.NULL></VALUE.NULL><VALUE></VALUE></VALUE.ARRAY><VALUE.ARRAY></VALUE.ARRAY>"
        );
    }

    proptest! {
        #[test]
        fn reals_are_read_as_they_were(number in any::<f64>().prop_filter("a number", |number| number.is_finite())) {
            prop_assert_eq!(scalar(&Value::Real(number)).unwrap().parse::<f64>(), Ok(number));
        }
    }
}
