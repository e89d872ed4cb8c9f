//! NAL paths: `["Display=\\srv\"]MSWNET:["SMS_SITE=PS1"]\\srv\`, the key of a distribution point.

use std::fmt;
use std::str::FromStr;

/// The longest path that is read.
const CHARS_MAX: usize = 1024;

/// A NAL path of a Windows network server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NalPath {
    server: String,
    site_code: String,
}

/// The text is not such a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(r#"not a NAL path of the form ["Display=\\server\"]MSWNET:["SMS_SITE=PS1"]\\server\"#)]
pub struct NalPathError;

impl NalPath {
    /// The path of a server in a site.
    pub fn new(server: &str, site_code: &str) -> Result<Self, NalPathError> {
        let site = site_code.len() == 3 && site_code.bytes().all(|b| b.is_ascii_alphanumeric());
        if !site || !crate::server::is_host_name(server) {
            return Err(NalPathError);
        }
        Ok(Self { server: server.to_owned(), site_code: site_code.to_ascii_uppercase() })
    }

    /// The server's name.
    #[must_use]
    pub fn server(&self) -> &str {
        &self.server
    }

    /// The site's code, upper case.
    #[must_use]
    pub fn site_code(&self) -> &str {
        &self.site_code
    }
}

impl fmt::Display for NalPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { server, site_code } = self;
        write!(f, r#"["Display=\\{server}\"]MSWNET:["SMS_SITE={site_code}"]\\{server}\"#)
    }
}

impl FromStr for NalPath {
    type Err = NalPathError;

    /// Reads what the original and its scripts write: any case, with or without display qualifiers.
    fn from_str(text: &str) -> Result<Self, NalPathError> {
        if text.len() > CHARS_MAX {
            return Err(NalPathError);
        }
        let (_display, rest) = qualifiers(text.trim()).unwrap_or(("", text.trim()));
        let (kind, rest) = rest.split_once(':').ok_or(NalPathError)?;
        if !kind.eq_ignore_ascii_case("MSWNET") {
            return Err(NalPathError);
        }
        let (connection, network_path) = qualifiers(rest).ok_or(NalPathError)?;
        let site = connection.split(['"', ',']).find_map(|part| strip_prefix_fold(part.trim(), "SMS_SITE="));
        // A site may be marked as preferred: `SMS_SITE=PS1 Preferred`.
        let site_code = site.and_then(|site| site.split(' ').next()).ok_or(NalPathError)?;
        let server = network_path.strip_prefix(r"\\").ok_or(NalPathError)?;
        Self::new(server.strip_suffix('\\').unwrap_or(server), site_code)
    }
}

/// Splits `["..."]rest` into what is in the brackets and the rest.
fn qualifiers(text: &str) -> Option<(&str, &str)> {
    text.strip_prefix('[')?.split_once(']')
}

fn strip_prefix_fold<'t>(text: &'t str, prefix: &str) -> Option<&'t str> {
    let head = text.get(..prefix.len())?;
    head.eq_ignore_ascii_case(prefix).then(|| &text[prefix.len()..])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(text: &str, expect: Option<(&str, &str)>) {
        let got = text.parse::<NalPath>().ok();
        let got = got.as_ref().map(|nal| (nal.server(), nal.site_code()));
        assert_eq!(got, expect, "{text}");
    }

    #[test]
    fn paths_of_the_original_are_read() {
        let srv = Some(("srv.example.test", "XYZ"));
        check(r#"["Display=\\srv.example.test\"]MSWNET:["SMS_SITE=XYZ"]\\srv.example.test\"#, srv);
        check(r#"MSWNET:["SMS_SITE=XYZ"]\\srv.example.test\"#, srv);
        check(r#"["Display=\\srv\"]mswnet:["sms_site=xyz Preferred"]\\srv.example.test"#, srv);
        check(r#"["Display=\\x\"]MSWNET:["A=1","SMS_SITE=XYZ"]\\srv.example.test\"#, srv);
        check("", None);
        check(r"\\srv.example.test\", None);
        check(r#"["Display=\\srv\"]GENERIC:["SMS_SITE=XYZ"]\\srv\"#, None);
        check(r#"["Display=\\srv\"]MSWNET:["SMS_SITE=TOOLONG"]\\srv\"#, None);
        check(r#"["Display=\\srv\"]MSWNET:["SMS_SITE=XYZ"]\\srv\share\"#, None);
        check(r#"["Display=\\srv\"]MSWNET:["SMS_SITE=XYZ"]\\..\"#, None);
        check(&format!(r#"MSWNET:["SMS_SITE=XYZ"]\\{}"#, "a".repeat(2000)), None);
    }

    proptest! {
        #[test]
        fn what_is_built_is_read_back(server in "[a-z0-9]([a-z0-9-]{0,20}[a-z0-9])?(\\.[a-z0-9]{1,20}){0,4}", site in "[A-Z0-9]{3}") {
            let nal = NalPath::new(&server, &site).unwrap();
            prop_assert_eq!(nal.to_string().parse::<NalPath>(), Ok(nal));
        }

        #[test]
        fn no_text_breaks_the_reader(text in "\\PC{0,200}") {
            if let Ok(nal) = text.parse::<NalPath>() {
                prop_assert_eq!(nal.to_string().parse::<NalPath>(), Ok(nal));
            }
        }
    }
}
