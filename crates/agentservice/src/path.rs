//! What stands in a path, parsed at the edge: nothing unparsed goes further in.

use std::fmt;
use std::str::FromStr;

use crate::error::ServiceError;

/// A package id: the three characters of a site code and five hexadecimal digits, upper case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PackageId(String);

const SITE_CODE_CHARS: usize = 3;
const PACKAGE_ID_CHARS: usize = 8;

impl PackageId {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for PackageId {
    type Err = ServiceError;

    /// Takes lower case too, as the original's clients send it.
    fn from_str(text: &str) -> Result<Self, ServiceError> {
        let bad = || ServiceError::BadPackageId(shown(text));
        if text.len() != PACKAGE_ID_CHARS || !text.is_ascii() {
            return Err(bad());
        }
        let (site_code, number) = text.split_at(SITE_CODE_CHARS);
        let valid = site_code.bytes().all(|b| b.is_ascii_alphanumeric())
            && number.bytes().all(|b| b.is_ascii_hexdigit());
        valid.then(|| Self(text.to_ascii_uppercase())).ok_or_else(bad)
    }
}

impl fmt::Display for PackageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A package version, from 1, digits only.
pub(crate) fn version(text: &str) -> Result<u32, ServiceError> {
    let digits = text.bytes().all(|b| b.is_ascii_digit());
    let number = if digits { text.parse().ok().filter(|&version| version > 0) } else { None };
    number.ok_or_else(|| ServiceError::BadVersion(shown(text)))
}

/// What a refusal quotes of a text that may be anything.
pub(crate) fn shown(text: &str) -> String {
    const CHARS_MAX: usize = 80;
    match text.char_indices().nth(CHARS_MAX) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn package_ids_are_parsed_whole() {
        for (text, expect) in [
            ("PS100001", Some("PS100001")),
            ("ps10000a", Some("PS10000A")),
            ("", None),
            ("PS10000", None),
            ("PS1000010", None),
            ("PS1/0001", None),
            ("..100001", None),
            ("PS1..001", None),
            ("PS1%2e01", None),
            ("PS10000G", None),
            ("PS1\u{fc}001", None),
            ("PS100001\0", None),
        ] {
            let found = text.parse::<PackageId>().ok();
            assert_eq!(found.as_ref().map(PackageId::as_str), expect, "{text:?}");
        }
    }

    #[test]
    fn versions_are_plain_numbers_from_one() {
        for (text, expect) in [
            ("1", Some(1)),
            ("4294967295", Some(u32::MAX)),
            ("4294967296", None),
            ("0", None),
            ("", None),
            ("+1", None),
            ("-1", None),
            ("1.0", None),
            (" 1", None),
        ] {
            assert_eq!(version(text).ok(), expect, "{text:?}");
        }
    }

    #[test]
    fn refusals_quote_only_a_little() {
        assert_eq!(shown("short"), "short");
        assert_eq!(shown(&"\u{fc}".repeat(1000)).chars().count(), 83);
    }
}
