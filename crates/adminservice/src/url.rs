//! What an AdminService path names. Parsed by hand: keys in parentheses and names in any case do not fit a
//! router of segments.

use cim::{ObjectPath, Value};
use percent_encoding::percent_decode_str;

/// The most segments below the service's root.
const SEGMENTS_MAX: usize = 4;
/// The most keys in one pair of parentheses.
const KEYS_MAX: usize = 16;

/// What a path names.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Target {
    /// `wmi/`
    ServiceDocument,
    /// `wmi/$metadata`
    Metadata,
    /// `wmi/Class`
    Collection { class: String },
    /// `wmi/Class/$count`
    Count { class: String },
    /// `wmi/Class('key')`, `wmi/Class(A='x',B=1)`, `wmi/Class/key`
    Entity(ObjectPath),
    /// `wmi/Class.Method`, `wmi/Class/AdminService.Method`
    StaticMethod { class: String, method: String },
    /// `wmi/Class('key')/AdminService.Method`, `wmi/Class/key/AdminService.Method`
    InstanceMethod { path: ObjectPath, method: String },
}

/// Why a path names nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct UrlError(String);

/// Reads a whole request path, as sent.
pub(crate) fn parse(raw_path: &str) -> Result<Target, UrlError> {
    let decoded = percent_decode_str(raw_path).decode_utf8().map_err(|_| fail("the path is not UTF-8"))?;
    if decoded.contains('\0') {
        return Err(fail("the path holds a null character"));
    }
    let mut segments = split(&decoded)?;
    // A slash at the end changes nothing.
    if segments.last().is_some_and(|last| last.is_empty()) {
        segments.pop();
    }
    let rest = match segments.as_slice() {
        [service, route, rest @ ..] if is(service, "AdminService") && is(route, "wmi") => rest,
        [service, route, ..] if is(service, "AdminService") => {
            return Err(fail(format!("the route {route} is not served; use wmi")));
        }
        _ => return Err(fail("the service is at /AdminService/wmi")),
    };
    match rest {
        [] => Ok(Target::ServiceDocument),
        [only] if is(only, "$metadata") => Ok(Target::Metadata),
        [first, more @ ..] => below_class(first, more),
    }
}

fn below_class(first: &str, more: &[&str]) -> Result<Target, UrlError> {
    let is_call = |open: usize| first[..open].contains('.');
    if let Some(open) = first.find('(').filter(|&open| !is_call(open)) {
        let path = ObjectPath::new(name(&first[..open])?, keys(&first[open..])?);
        return below_entity(path, more);
    }
    if let Some((class, method)) = first.split_once('.') {
        let (class, method) = (name(class)?, method_name(method)?);
        return if more.is_empty() { Ok(Target::StaticMethod { class, method }) } else { Err(too_deep()) };
    }
    let class = name(first)?;
    match more {
        [] => Ok(Target::Collection { class }),
        [count] if is(count, "$count") => Ok(Target::Count { class }),
        [method] if bound(method).is_some() => {
            Ok(Target::StaticMethod { class, method: method_name(bound(method).unwrap_or_default())? })
        }
        [key, rest @ ..] => {
            let value = if key.starts_with('\'') { quoted_whole(key)? } else { bare(key)? };
            below_entity(ObjectPath::new(class, [(String::new(), value)]), rest)
        }
    }
}

fn below_entity(path: ObjectPath, more: &[&str]) -> Result<Target, UrlError> {
    match more {
        [] => Ok(Target::Entity(path)),
        [method] => {
            let method = method_name(bound(method).unwrap_or(method))?;
            Ok(Target::InstanceMethod { path, method })
        }
        _ => Err(too_deep()),
    }
}

/// The method of `AdminService.Method`.
fn bound(segment: &str) -> Option<&str> {
    let (space, method) = segment.split_once('.')?;
    is(space, "AdminService").then_some(method)
}

/// Cuts at slashes outside of quotes.
fn split(path: &str) -> Result<Vec<&str>, UrlError> {
    let path = path.strip_prefix('/').unwrap_or(path);
    let mut segments = Vec::new();
    let (mut start, mut inside) = (0, false);
    for (at, c) in path.char_indices() {
        match c {
            '\'' => inside = !inside,
            '/' if !inside => {
                segments.push(&path[start..at]);
                start = at + 1;
            }
            _ => {}
        }
        if segments.len() > SEGMENTS_MAX + 2 {
            return Err(too_deep());
        }
    }
    if inside {
        return Err(fail("a quote is never closed"));
    }
    segments.push(&path[start..]);
    Ok(segments)
}

/// `('x')`, `(5)`, `(A='x',B=5)`; the brackets included.
fn keys(text: &str) -> Result<Vec<(String, Value)>, UrlError> {
    let inner = text.strip_prefix('(').and_then(|text| text.strip_suffix(')'));
    let mut rest = inner.ok_or_else(|| fail("a key needs both parentheses"))?;
    let mut keys: Vec<(String, Value)> = Vec::new();
    loop {
        let (key, after) = one_key(rest)?;
        if keys.iter().any(|(known, _)| known.eq_ignore_ascii_case(&key.0)) || keys.len() == KEYS_MAX {
            return Err(fail("a key is given twice, or there are too many"));
        }
        keys.push(key);
        match after.strip_prefix(',') {
            Some(next) => rest = next,
            None if after.is_empty() => break,
            None => return Err(fail("a comma must stand between keys")),
        }
    }
    if keys.len() > 1 && keys.iter().any(|(name, _)| name.is_empty()) {
        return Err(fail("with several keys each needs its name"));
    }
    Ok(keys)
}

fn one_key(text: &str) -> Result<((String, Value), &str), UrlError> {
    let text = text.trim_start();
    let equals = text.find('=').filter(|&at| at < text.find('\'').unwrap_or(text.len()));
    let (key, text) = match equals {
        Some(at) => (name(text[..at].trim())?, text[at + 1..].trim_start()),
        None => (String::new(), text),
    };
    if text.starts_with('\'') {
        let (value, after) = quoted(text)?;
        return Ok(((key, value), after.trim_start()));
    }
    let end = text.find(',').unwrap_or(text.len());
    Ok(((key, bare(text[..end].trim())?), &text[end..]))
}

fn quoted_whole(text: &str) -> Result<Value, UrlError> {
    match quoted(text)? {
        (value, "") => Ok(value),
        _ => Err(fail("nothing may follow the closing quote")),
    }
}

/// A text in single quotes, doubled ones inside, and what follows.
fn quoted(text: &str) -> Result<(Value, &str), UrlError> {
    let mut plain = String::new();
    let mut chars = text.char_indices().skip(1).peekable();
    while let Some((at, c)) = chars.next() {
        if c != '\'' {
            plain.push(c);
        } else if chars.next_if(|(_, next)| *next == '\'').is_some() {
            plain.push('\'');
        } else {
            return Ok((Value::String(plain), &text[at + 1..]));
        }
    }
    Err(fail("a quote is never closed"))
}

/// A number, a boolean, or a text that a script forgot to quote.
fn bare(text: &str) -> Result<Value, UrlError> {
    if text.is_empty() {
        return Err(fail("the key is empty"));
    }
    // A number with leading zeros is an identifier that happens to have only digits.
    let number = text.parse::<i128>().ok().filter(|number| number.to_string() == text);
    Ok(match number {
        Some(number) => Value::Integer(number),
        None if is(text, "true") || is(text, "false") => Value::Boolean(is(text, "true")),
        None => Value::text(text),
    })
}

fn name(text: &str) -> Result<String, UrlError> {
    let named = text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if named && !text.is_empty() && !text.starts_with(|c: char| c.is_ascii_digit()) {
        return Ok(text.to_owned());
    }
    Err(fail(format!("{text:?} is no name")))
}

fn method_name(text: &str) -> Result<String, UrlError> {
    name(text.strip_suffix("()").unwrap_or(text))
}

fn is(text: &str, name: &str) -> bool {
    text.eq_ignore_ascii_case(name)
}

fn too_deep() -> UrlError {
    fail("nothing is below this resource")
}

fn fail(reason: impl Into<String>) -> UrlError {
    UrlError(reason.into())
}

#[cfg(test)]
mod tests {
    use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
    use proptest::prelude::*;

    use super::*;

    fn entity(class: &str, keys: &[(&str, Value)]) -> ObjectPath {
        ObjectPath::new(class, keys.iter().map(|(name, value)| ((*name).to_owned(), value.clone())))
    }

    #[test]
    fn every_spelling_of_a_path_is_understood() {
        let check = |path: &str, expect: Target| assert_eq!(parse(path), Ok(expect), "{path}");
        let class = || "SMS_DriverPackage".to_owned();
        let package = || entity("SMS_DriverPackage", &[("", Value::text("PS100001"))]);
        check("/AdminService/wmi", Target::ServiceDocument);
        check("/adminservice/WMI/", Target::ServiceDocument);
        check("/AdminService/wmi/$metadata", Target::Metadata);
        check("/AdminService/wmi/%24metadata", Target::Metadata);
        for list in ["SMS_DriverPackage", "SMS_DriverPackage/"] {
            check(&format!("/AdminService/wmi/{list}"), Target::Collection { class: class() });
        }
        check("/AdminService/wmi/SMS_DriverPackage/$count", Target::Count { class: class() });
        for one in [
            "('PS100001')",
            "(%27PS100001%27)",
            "%28'PS100001'%29",
            "(PS100001)",
            "('PS100001')/",
            "/PS100001",
            "/'PS100001'",
            "/PS100001/",
        ] {
            check(&format!("/AdminService/wmi/SMS_DriverPackage{one}"), Target::Entity(package()));
        }
        for call in [
            "('PS100001')/AdminService.RefreshPkgSource",
            "/PS100001/AdminService.RefreshPkgSource",
            "('PS100001')/adminservice.RefreshPkgSource()",
            "('PS100001')/RefreshPkgSource",
        ] {
            let method = "RefreshPkgSource".to_owned();
            let target = Target::InstanceMethod { path: package(), method };
            check(&format!("/AdminService/wmi/SMS_DriverPackage{call}"), target);
        }
        for call in [
            "SMS_Identification.GetSiteID",
            "SMS_Identification/AdminService.GetSiteID",
            "SMS_Identification.GetSiteID()",
        ] {
            let (class, method) = ("SMS_Identification".to_owned(), "GetSiteID".to_owned());
            check(&format!("/AdminService/wmi/{call}"), Target::StaticMethod { class, method });
        }
    }

    #[test]
    fn keys_have_every_type_and_any_order() {
        let check = |keys: &str, expect: &[(&str, Value)]| {
            let path = format!("/AdminService/wmi/A{keys}");
            assert_eq!(parse(&path), Ok(Target::Entity(entity("A", expect))), "{path}");
        };
        check("(16777219)", &[("", Value::Integer(16_777_219))]);
        check("(0123)", &[("", Value::text("0123"))]);
        check("(-5)", &[("", Value::Integer(-5))]);
        check("(true)", &[("", Value::Boolean(true))]);
        check("('it''s')", &[("", Value::text("it's"))]);
        check("('a/b')", &[("", Value::text("a/b"))]);
        check("('a%2Fb')", &[("", Value::text("a/b"))]);
        check("('a=b')", &[("", Value::text("a=b"))]);
        check("('')", &[("", Value::text(""))]);
        check("(b=1,%20A='x')", &[("A", Value::text("x")), ("b", Value::Integer(1))]);
        let nal = r#"["Display=\\srv\"]MSWNET:["SMS_SITE=PS1"]\\srv\"#;
        check(
            "(PackageID='PS100001',ServerNALPath='[%22Display=%5C%5Csrv%5C%22]MSWNET:[%22SMS_SITE=PS1%22]%5C%5Csrv%5C',SiteCode='PS1')",
            &[
                ("PackageID", Value::text("PS100001")),
                ("ServerNALPath", Value::text(nal)),
                ("SiteCode", Value::text("PS1")),
            ],
        );
    }

    #[test]
    fn what_names_nothing_is_refused() {
        for path in [
            "/",
            "/AdminService",
            "/Other/wmi/A",
            "/AdminService/v1.0/Device",
            "/AdminService/wmi/A()",
            "/AdminService/wmi/A('x'",
            "/AdminService/wmi/A('x)",
            "/AdminService/wmi/A('x'y)",
            "/AdminService/wmi/A('x','y')",
            "/AdminService/wmi/A(b=1,B=2)",
            "/AdminService/wmi/A(b='x'c='y')",
            "/AdminService/wmi/A B",
            "/AdminService/wmi/1A",
            "/AdminService/wmi/A.b/c",
            "/AdminService/wmi/A.b.c",
            "/AdminService/wmi/A('x')/b/c",
            "/AdminService/wmi/A/x/b/c",
            "/AdminService/wmi/A//b",
            "/AdminService/wmi/../etc",
            "/AdminService/wmi/A%00",
            "/AdminService/wmi/%ff",
        ] {
            assert!(parse(path).is_err(), "{path}: {:?}", parse(path));
        }
    }

    proptest! {
        #[test]
        fn any_key_comes_back_as_it_was_encoded(text in "\\PC{0,20}", number in any::<i64>()) {
            let quoted = format!("'{}'", text.replace('\'', "''"));
            let encoded = utf8_percent_encode(&quoted, NON_ALPHANUMERIC);
            let expect = Target::Entity(entity("A", &[("K", Value::String(text)), ("N", Value::from(number))]));
            prop_assert_eq!(parse(&format!("/AdminService/wmi/A(N={number},K={encoded})")), Ok(expect));
        }

        #[test]
        fn no_path_makes_the_reader_panic(text in "\\PC{0,60}") {
            let _ = parse(&format!("/AdminService/wmi/{text}"));
        }

        #[test]
        fn no_almost_right_path_makes_the_reader_panic(text in "[A('=,)/.%$28é0-9]{0,24}") {
            let _ = parse(&format!("/AdminService/wmi/{text}"));
        }
    }
}
