use std::fmt;

use crate::Value;

/// The longest object path that is read, in bytes.
pub const PATH_BYTES_MAX: usize = 8 * 1024;
/// The most keys in one object path.
const KEYS_MAX: usize = 16;

/// An object path: `SMS_DriverPackage.PackageID="PS100001"`, where stated with server and namespace in front.
#[derive(Debug, Clone, PartialEq)]
pub struct ObjectPath {
    /// The server, where stated.
    pub server: Option<String>,
    /// The namespace with backslashes, as in `root\sms\site_PS1`, where stated.
    pub namespace: Option<String>,
    /// The class, as written.
    pub class: String,
    /// Key names and values, alphabetical without regard to case; empty for the path of a class.
    ///
    /// A key without a name (`SMS_Site="PS1"`) has the name "". The one instance of a class without keys (`Class=@`)
    /// has a key without name and with null for its value.
    pub keys: Vec<(String, Value)>,
}

/// Why a text is no object path.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not an object path: {reason} (at byte {at})")]
pub struct ObjectPathError {
    reason: &'static str,
    at: usize,
}

impl ObjectPath {
    /// The path of an instance by its keys, in any order.
    pub fn new(class: impl Into<String>, keys: impl IntoIterator<Item = (String, Value)>) -> Self {
        let mut keys: Vec<_> = keys.into_iter().collect();
        keys.sort_by_key(|(name, _)| name.to_ascii_lowercase());
        Self { server: None, namespace: None, class: class.into(), keys }
    }

    /// Whether it is the path of the one instance of a class without keys.
    #[must_use]
    pub fn is_singleton(&self) -> bool {
        matches!(self.keys.as_slice(), [(name, Value::Null)] if name.is_empty())
    }

    /// The value of a key. The unnamed key of a path answers to every name.
    #[must_use]
    pub fn key(&self, name: &str) -> Option<&Value> {
        let answers = |known: &str| known.is_empty() || known.eq_ignore_ascii_case(name);
        self.keys.iter().find(|(known, _)| answers(known)).map(|(_, value)| value)
    }

    /// The path without server and namespace: `__RELPATH`.
    #[must_use]
    pub fn relative(&self) -> String {
        let mut text = self.class.clone();
        if self.is_singleton() {
            return text + "=@";
        }
        for (index, (name, value)) in self.keys.iter().enumerate() {
            text.push(match index {
                0 if name.is_empty() => '=',
                0 => '.',
                _ => ',',
            });
            if !name.is_empty() {
                text.push_str(name);
                text.push('=');
            }
            push_key(&mut text, value);
        }
        text
    }

    /// Reads a path: relative, with a namespace, or full; keys in double or single quotes.
    pub fn parse(text: &str) -> Result<Self, ObjectPathError> {
        if text.len() > PATH_BYTES_MAX {
            return Err(ObjectPathError { reason: "it is longer than 8 KiB", at: PATH_BYTES_MAX });
        }
        let mut reader = Reader { text, at: 0 };
        let (server, namespace) = reader.prefix()?;
        let class = reader.name()?;
        if class.is_empty() {
            return Err(reader.error("the class name is missing"));
        }
        let keys = reader.keys()?;
        Ok(Self { server, namespace, ..Self::new(class, keys) })
    }
}

fn push_key(text: &mut String, value: &Value) {
    match value {
        Value::Integer(number) => text.push_str(&number.to_string()),
        Value::Boolean(truth) => text.push_str(if *truth { "TRUE" } else { "FALSE" }),
        Value::String(plain) => push_quoted(text, plain),
        Value::Reference(path) => push_quoted(text, &path.to_string()),
        Value::DateTime(at) => push_quoted(text, &at.to_string()),
        Value::Real(_) | Value::Null | Value::Instance(_) | Value::Array(_) => push_quoted(text, ""),
    }
}

fn push_quoted(text: &mut String, plain: &str) {
    text.push('"');
    text.push_str(&plain.replace('\\', "\\\\").replace('"', "\\\""));
    text.push('"');
}

impl fmt::Display for ObjectPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(server) = &self.server {
            write!(f, "\\\\{server}\\")?;
        }
        if let Some(namespace) = &self.namespace {
            write!(f, "{namespace}:")?;
        }
        f.write_str(&self.relative())
    }
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl Reader<'_> {
    fn error(&self, reason: &'static str) -> ObjectPathError {
        ObjectPathError { reason, at: self.at }
    }

    fn rest(&self) -> &str {
        &self.text[self.at..]
    }

    fn eat(&mut self, expected: char) -> bool {
        let found = self.rest().starts_with(expected);
        if found {
            self.at += expected.len_utf8();
        }
        found
    }

    fn skip_blank(&mut self) {
        self.at += self.rest().len() - self.rest().trim_start().len();
    }

    /// Server and namespace. A colon inside a key's quotes does not count.
    fn prefix(&mut self) -> Result<(Option<String>, Option<String>), ObjectPathError> {
        let head_end = self.text.find(['.', '=', '"', '\'']).unwrap_or(self.text.len());
        let rooted = self.text.starts_with("\\\\") || self.text.starts_with("//");
        // A server name may contain points, so a rooted path ends its prefix at the first colon.
        let colon = if rooted { self.text.find(':') } else { self.text[..head_end].find(':') };
        let Some(colon) = colon else {
            return if rooted {
                Err(self.error("the colon before the class is missing"))
            } else {
                Ok((None, None))
            };
        };
        let prefix = self.text[..colon].replace('/', "\\");
        self.at = colon + 1;
        if !rooted {
            return named(&prefix).map(|()| (None, Some(prefix.clone()))).ok_or(self.error("bad namespace"));
        }
        let (server, namespace) =
            prefix[2..].split_once('\\').ok_or(self.error("the namespace is missing"))?;
        let complete = named(namespace).is_some() && is_server(server);
        complete
            .then(|| (Some(server.to_owned()), Some(namespace.to_owned())))
            .ok_or(self.error("the server or namespace is no name"))
    }

    fn name(&mut self) -> Result<String, ObjectPathError> {
        let end = self.rest().find(|c: char| !is_name(c)).unwrap_or(self.rest().len());
        let name = self.rest()[..end].to_owned();
        if name.starts_with(|c: char| c.is_ascii_digit()) {
            return Err(self.error("a name must not begin with a digit"));
        }
        self.at += end;
        Ok(name)
    }

    fn keys(&mut self) -> Result<Vec<(String, Value)>, ObjectPathError> {
        if self.rest().is_empty() {
            return Ok(Vec::new());
        }
        if self.eat('=') {
            // `Class="x"` leaves the single key's name out.
            let value = if self.rest() == "@" { Value::Null } else { self.last_value()? };
            return Ok(vec![(String::new(), value)]);
        }
        if !self.eat('.') {
            return Err(self.error("a point and the keys must follow the class"));
        }
        let mut keys: Vec<(String, Value)> = Vec::new();
        loop {
            self.skip_blank();
            let name = self.name()?;
            self.skip_blank();
            if name.is_empty() || !self.eat('=') {
                return Err(self.error("a key must read Name=value"));
            }
            self.skip_blank();
            if keys.len() == KEYS_MAX || keys.iter().any(|(known, _)| known.eq_ignore_ascii_case(&name)) {
                return Err(self.error("a key is given twice, or there are too many"));
            }
            keys.push((name, self.value()?));
            self.skip_blank();
            if self.rest().is_empty() {
                return Ok(keys);
            }
            if !self.eat(',') {
                return Err(self.error("a comma must follow the key's value"));
            }
        }
    }

    fn last_value(&mut self) -> Result<Value, ObjectPathError> {
        let value = self.value()?;
        if self.rest().is_empty() { Ok(value) } else { Err(self.error("nothing may follow the key's value")) }
    }

    fn value(&mut self) -> Result<Value, ObjectPathError> {
        match self.rest().chars().next() {
            Some(quote @ ('"' | '\'')) => self.quoted(quote),
            _ => self.bare(),
        }
    }

    fn quoted(&mut self, quote: char) -> Result<Value, ObjectPathError> {
        let mut plain = String::new();
        let mut chars = self.rest().char_indices().skip(1);
        while let Some((offset, c)) = chars.next() {
            match c {
                '\\' => match chars.next() {
                    Some((_, escaped)) => plain.push(escaped),
                    None => break,
                },
                c if c == quote => {
                    self.at += offset + c.len_utf8();
                    return Ok(Value::String(plain));
                }
                c => plain.push(c),
            }
        }
        Err(self.error("the closing quote is missing"))
    }

    fn bare(&mut self) -> Result<Value, ObjectPathError> {
        let end = self.rest().find(',').unwrap_or(self.rest().len());
        let word = self.rest()[..end].trim().to_owned();
        let value = match crate::types::parse_integer(&word) {
            Some(number) => Value::Integer(number),
            None if word.eq_ignore_ascii_case("true") => Value::Boolean(true),
            None if word.eq_ignore_ascii_case("false") => Value::Boolean(false),
            None => return Err(self.error("a text key must be in quotes")),
        };
        self.at += end;
        Ok(value)
    }
}

fn is_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

/// Whether a namespace consists of names.
fn named(namespace: &str) -> Option<()> {
    namespace.split('\\').all(|part| !part.is_empty() && part.chars().all(is_name)).then_some(())
}

fn is_server(server: &str) -> bool {
    !server.is_empty() && server.chars().all(|c| is_name(c) || matches!(c, '.' | '-'))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const COMPOUND: &str = concat!(
        r#"SMS_DistributionPoint.PackageID="XYZ00010","#,
        r#"ServerNALPath="[\"Display=\\\\srv\\\"]MSWNET:[\"SMS_SITE=XYZ\"]\\\\srv\\",SiteCode="XYZ""#
    );

    #[test]
    fn paths_are_read_and_printed_in_one_form() {
        for (given, printed) in [
            (r#"SMS_DriverPackage.PackageID="XYZ00010""#, r#"SMS_DriverPackage.PackageID="XYZ00010""#),
            ("SMS_DriverPackage.packageId='XYZ00010'", r#"SMS_DriverPackage.packageId="XYZ00010""#),
            ("SMS_Driver.CI_ID=16777500", "SMS_Driver.CI_ID=16777500"),
            (COMPOUND, COMPOUND),
            ("A.b=2,A='x'", r#"A.A="x",b=2"#),
            ("SMS_Site", "SMS_Site"),
            ("SMS_Site=@", "SMS_Site=@"),
            (r"\\.\root\sms:SMS_Site=@", r"\\.\root\sms:SMS_Site=@"),
            ("A.b = 0x10 , a=TRUE", "A.a=TRUE,b=16"),
            ("A.b='20240109020000.000000+***'", r#"A.b="20240109020000.000000+***""#),
            (r#"A.b="it's \"so\"",c='"'"#, r#"A.b="it's \"so\"",c="\"""#),
            (r#"A.Parent="\\\\SRV\\root\\sms:B.c=\"x\"""#, r#"A.Parent="\\\\SRV\\root\\sms:B.c=\"x\"""#),
            (r#"SMS_Site="PS1""#, r#"SMS_Site="PS1""#),
            (r"root\sms\site_XYZ:SMS_Site.SiteCode='XYZ'", r#"root\sms\site_XYZ:SMS_Site.SiteCode="XYZ""#),
            (
                r#"\\SRV.example.test\root\sms\site_XYZ:SMS_Site.SiteCode="XYZ""#,
                r#"\\SRV.example.test\root\sms\site_XYZ:SMS_Site.SiteCode="XYZ""#,
            ),
            ("//SRV/root/sms:A.b=1", r"\\SRV\root\sms:A.b=1"),
        ] {
            assert_eq!(
                ObjectPath::parse(given).map(|path| path.to_string()).as_deref(),
                Ok(printed),
                "{given}"
            );
        }
    }

    #[test]
    fn what_is_no_path_is_refused() {
        for text in [
            "",
            ".",
            "A.",
            "A.b",
            "A.b=",
            "A.b='x",
            "A.b=x",
            "A.b='x'c='y'",
            "A.b='x',",
            "A.b=1,B=2",
            "1A",
            "A b",
            r"\\SRV",
            r"\\SRV\root",
            r"\\\root:A",
            r"root\:A",
            "A='x'y",
            r"\\:A",
            "A=@x",
            "A.=@",
            "A.b=@",
            "A.b=1.5",
            "A.b=",
            "A. b c=1",
            "A.b='x\\",
        ] {
            assert!(ObjectPath::parse(text).is_err(), "{text}");
        }
        assert!(ObjectPath::parse(&format!("A.b='{}'", "x".repeat(PATH_BYTES_MAX))).is_err());
        let keys = |count: usize| (0..count).map(|n| format!("k{n}={n}")).collect::<Vec<_>>().join(",");
        assert!(ObjectPath::parse(&format!("A.{}", keys(KEYS_MAX))).is_ok());
        assert!(ObjectPath::parse(&format!("A.{}", keys(KEYS_MAX + 1))).is_err());
    }

    #[test]
    fn keys_answer_without_regard_to_case() {
        let path = ObjectPath::parse(COMPOUND).unwrap();
        assert_eq!(path.key("sitecode"), Some(&Value::text("XYZ")));
        assert_eq!(
            path.key("ServerNalPath"),
            Some(&Value::text(r#"["Display=\\srv\"]MSWNET:["SMS_SITE=XYZ"]\\srv\"#))
        );
        assert_eq!(path.key("Nothing"), None);
        assert_eq!(ObjectPath::parse("SMS_Site='PS1'").unwrap().key("SiteCode"), Some(&Value::text("PS1")));
    }

    proptest! {
        #[test]
        fn printing_and_reading_is_the_identity(
            class in "[A-Z][A-Za-z_]{0,8}",
            first in "\\PC{0,20}",
            number in any::<i64>(),
            full in any::<bool>(),
        ) {
            let mut path = ObjectPath::new(class, [("b".to_owned(), Value::from(number)), ("A".to_owned(), Value::text(first))]);
            if full {
                path.server = Some("SRV-1.example.test".to_owned());
                path.namespace = Some("root\\sms\\site_XYZ".to_owned());
            }
            prop_assert_eq!(ObjectPath::parse(&path.to_string()), Ok(path));
        }

        #[test]
        fn reading_never_panics(text in "\\PC{0,60}") {
            let _ = ObjectPath::parse(&text);
        }

        #[test]
        fn reading_almost_right_text_never_panics(text in r#"(//|\\\\)?[a-z:\\]{0,6}[A-Z.=,"'\\:é0-9@]{0,20}"#) {
            let _ = ObjectPath::parse(&text);
        }
    }
}
