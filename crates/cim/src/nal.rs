//! NAL paths: how the provider writes where a resource is.
//!
//! ```text
//! ["Display=\\srv.example.test\"]MSWNET:["SMS_SITE=XYZ"]\\srv.example.test\
//! ```
//!
//! Display qualifiers in brackets, the NAL type and a colon, connection qualifiers in brackets, the network path. What
//! a path must be to name a distribution point is decided by whoever uses it; here only its form is read.

use std::fmt;
use std::str::FromStr;

/// The longest path that is read or made, in bytes.
pub const NAL_BYTES_MAX: usize = 4 * 1024;
/// The most qualifiers in one list.
pub const QUALIFIERS_MAX: usize = 16;

/// A NAL path in its parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NalPath {
    display: Vec<String>,
    kind: String,
    connection: Vec<String>,
    network_path: String,
}

/// Why a text or parts make no NAL path.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(r#"not a NAL path such as ["Display=\\server\"]MSWNET:["SMS_SITE=PS1"]\\server\: {reason}"#)]
pub struct NalError {
    reason: &'static str,
}

impl NalPath {
    /// A path from its parts; the type is `MSWNET` or `GENERIC`.
    pub fn new(
        display: Vec<String>,
        kind: &str,
        connection: Vec<String>,
        network_path: &str,
    ) -> Result<Self, NalError> {
        let kind = ["MSWNET", "GENERIC"].into_iter().find(|known| known.eq_ignore_ascii_case(kind));
        let kind = kind.ok_or(NalError { reason: "the NAL type must be MSWNET or GENERIC" })?;
        for list in [&display, &connection] {
            if list.len() > QUALIFIERS_MAX {
                return Err(NalError { reason: "there are more than 16 qualifiers" });
            }
            if list.iter().any(|qualifier| qualifier.is_empty() || qualifier.contains(['"', '\0'])) {
                return Err(NalError { reason: "a qualifier must have text, without quotes" });
            }
        }
        if network_path.is_empty() || network_path.contains(['"', '\0']) {
            return Err(NalError { reason: "the network path must have text, without quotes" });
        }
        let path = Self { display, kind: kind.to_owned(), connection, network_path: network_path.to_owned() };
        if path.to_string().len() > NAL_BYTES_MAX {
            return Err(NalError { reason: "it is longer than 4 KiB" });
        }
        Ok(path)
    }

    /// The display qualifiers, such as `Display=\\srv\`.
    #[must_use]
    pub fn display(&self) -> &[String] {
        &self.display
    }

    /// `MSWNET` or `GENERIC`.
    #[must_use]
    pub fn kind(&self) -> &str {
        &self.kind
    }

    /// The connection qualifiers, such as `SMS_SITE=XYZ`.
    #[must_use]
    pub fn connection(&self) -> &[String] {
        &self.connection
    }

    /// The network path, such as `\\srv\`.
    #[must_use]
    pub fn network_path(&self) -> &str {
        &self.network_path
    }
}

impl FromStr for NalPath {
    type Err = NalError;

    /// Either list may be left out.
    fn from_str(text: &str) -> Result<Self, NalError> {
        if text.len() > NAL_BYTES_MAX {
            return Err(NalError { reason: "it is longer than 4 KiB" });
        }
        let (display, rest) = qualifiers(text.trim())?;
        let colon = rest.find(':').ok_or(NalError { reason: "the colon after the NAL type is missing" })?;
        let (connection, network_path) = qualifiers(&rest[colon + 1..])?;
        Self::new(display, &rest[..colon], connection, network_path)
    }
}

/// `["a","b"]rest`; none where no bracket opens.
fn qualifiers(text: &str) -> Result<(Vec<String>, &str), NalError> {
    let broken = NalError { reason: "a list of qualifiers must read [\"...\",\"...\"]" };
    let Some(mut rest) = text.strip_prefix('[') else { return Ok((Vec::new(), text)) };
    let mut found = Vec::new();
    loop {
        let (qualifier, after) = rest
            .trim_start()
            .strip_prefix('"')
            .and_then(|quoted| quoted.split_once('"'))
            .ok_or_else(|| broken.clone())?;
        if found.len() == QUALIFIERS_MAX {
            return Err(NalError { reason: "there are more than 16 qualifiers" });
        }
        found.push(qualifier.to_owned());
        let after = after.trim_start();
        if let Some(behind) = after.strip_prefix(']') {
            return Ok((found, behind));
        }
        rest = after.strip_prefix(',').ok_or_else(|| broken.clone())?;
    }
}

impl fmt::Display for NalPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        print_list(f, &self.display)?;
        write!(f, "{}:", self.kind)?;
        print_list(f, &self.connection)?;
        f.write_str(&self.network_path)
    }
}

fn print_list(f: &mut fmt::Formatter<'_>, qualifiers: &[String]) -> fmt::Result {
    if qualifiers.is_empty() {
        return Ok(());
    }
    for (index, qualifier) in qualifiers.iter().enumerate() {
        write!(f, "{}\"{qualifier}\"", if index == 0 { "[" } else { "," })?;
    }
    f.write_str("]")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn paths_are_packed_and_unpacked() {
        let check = |text: &str, display: &[&str], kind: &str, connection: &[&str], network_path: &str| {
            let path: NalPath = text.parse().unwrap();
            assert_eq!(path.display(), display, "{text}");
            assert_eq!(path.connection(), connection, "{text}");
            assert_eq!((path.kind(), path.network_path()), (kind, network_path), "{text}");
            assert_eq!(path.to_string(), text);
        };
        check(
            r#"["Display=\\srv.example.test\"]MSWNET:["SMS_SITE=XYZ"]\\srv.example.test\"#,
            &[r"Display=\\srv.example.test\"],
            "MSWNET",
            &["SMS_SITE=XYZ"],
            r"\\srv.example.test\",
        );
        check(
            r#"MSWNET:["SMS_SITE=XYZ Preferred","A=1"]\\srv\share"#,
            &[],
            "MSWNET",
            &["SMS_SITE=XYZ Preferred", "A=1"],
            r"\\srv\share",
        );
        check(
            r#"["Display=GROUP=all"]GENERIC:GROUP=all"#,
            &["Display=GROUP=all"],
            "GENERIC",
            &[],
            "GROUP=all",
        );
        check(r"GENERIC:domain\user", &[], "GENERIC", &[], r"domain\user");
    }

    #[test]
    fn what_is_no_nal_path_is_refused() {
        let long = format!(r"MSWNET:\\{}", "x".repeat(NAL_BYTES_MAX));
        let many = format!("[{}]MSWNET:x", vec![r#""a""#; QUALIFIERS_MAX + 1].join(","));
        for text in [
            "",
            ":",
            "MSWNET:",
            r"\\srv\",
            r"IPX:\\srv\",
            r#"["a"MSWNET:x"#,
            r#"["a",]MSWNET:x"#,
            "[]MSWNET:x",
            r#"[""]MSWNET:x"#,
            r#"["a"]MSWNET:["b]x"#,
            r#"MSWNET:x"y"#,
            &long,
            &many,
        ] {
            assert!(text.parse::<NalPath>().is_err(), "{text}");
        }
        assert!(NalPath::new(vec!["a\"b".to_owned()], "MSWNET", vec![], "x").is_err());
    }

    proptest! {
        #[test]
        fn what_is_packed_unpacks(
            display in prop::collection::vec("[ -!#-~é]{1,20}", 0..4),
            connection in prop::collection::vec("[ -!#-~é]{1,20}", 0..4),
            network_path in "[a-zA-Z\\\\=][ -!#-Z\\\\^-~é]{0,18}[a-z\\\\]",
        ) {
            let path = NalPath::new(display, "mswnet", connection, &network_path).unwrap();
            prop_assert_eq!(path.to_string().parse::<NalPath>(), Ok(path));
        }

        #[test]
        fn no_text_makes_the_reader_panic(text in "[\\[\\]\"a:, é\\\\]{0,40}|\\PC{0,40}") {
            let _ = text.parse::<NalPath>();
        }
    }
}
