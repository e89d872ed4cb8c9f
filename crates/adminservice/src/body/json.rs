//! JSON text as a tree, with what the plain parser lets pass refused: a member that is given twice. Which of the
//! two a client meant cannot be known, and a proxy in between may have read the other one.

use std::fmt;

use serde_json::{Map, Number, Value as Json};

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

/// Reads one JSON value and nothing behind it. The parser stops at 128 levels by itself.
pub(super) fn parse(text: &[u8]) -> Result<Json, serde_json::Error> {
    let mut reader = serde_json::Deserializer::from_slice(text);
    let value = Strict.deserialize(&mut reader)?;
    reader.end()?;
    Ok(value)
}

/// Builds a value whose objects have each member once.
#[derive(Clone, Copy)]
struct Strict;

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = Json;

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<Json, D::Error> {
        reader.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = Json;

    fn expecting(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str("a JSON value")
    }

    fn visit_unit<E: Error>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E: Error>(self, truth: bool) -> Result<Json, E> {
        Ok(Json::Bool(truth))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Json, E> {
        Ok(Json::Number(number.into()))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Json, E> {
        Ok(Json::Number(number.into()))
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Json, E> {
        Number::from_f64(number).map(Json::Number).ok_or_else(|| E::custom("a number is out of range"))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Json, E> {
        Ok(Json::String(text.to_owned()))
    }

    fn visit_string<E: Error>(self, text: String) -> Result<Json, E> {
        Ok(Json::String(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Json, A::Error> {
        let mut array = Vec::new();
        while let Some(element) = elements.next_element_seed(Strict)? {
            array.push(element);
        }
        Ok(Json::Array(array))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Json, A::Error> {
        let mut object = Map::new();
        while let Some(name) = members.next_key::<String>()? {
            let value = members.next_value_seed(Strict)?;
            if object.insert(name.clone(), value).is_some() {
                return Err(A::Error::custom(format!("{name} is given twice")));
            }
        }
        Ok(Json::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_read_as_the_plain_parser_reads_it() {
        for text in [
            "null",
            " {} ",
            r#"{"a":[1,-2,1.5e3,18446744073709551615,true,false,null,"x\u0027\n"],"b":{"a":{}}}"#,
            "[[[]]]",
        ] {
            let plain: Json = serde_json::from_str(text).unwrap();
            assert_eq!(parse(text.as_bytes()).unwrap(), plain, "{text}");
        }
    }

    #[test]
    fn what_is_no_single_value_is_refused_with_its_place() {
        for (text, reason) in [
            (r#"{"a":1,"a":2}"#, "a is given twice"),
            (r#"{"x":[{"a":1,"b":2,"a":1}]}"#, "a is given twice"),
            ("{} {}", "trailing characters"),
            (r#"{"a":1"#, "EOF"),
            (r#"{"a":1e999}"#, "out of range"),
            (&"[".repeat(200), "recursion"),
            ("", "EOF"),
        ] {
            let error = parse(text.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(reason) && error.contains("line"), "{text}: {error}");
        }
        assert!(parse(b"\"\xff\"").is_err(), "not UTF-8");
    }
}
