//! The values in catalogs: dates, hashes, addresses, releases. What is wrong becomes a finding and is left out.

use super::{Findings, PackFormat, PackHashes, TEXT_CHARS_MAX};
use crate::DriverDate;
use crate::inf::Architecture;

/// A day as `2026-03-31T12:01:05`, `1/24/2023 12:00:00 AM` or `24.07.15`. Vendors write the year 0001 for none.
pub(super) fn date(text: &str, pack: &str, findings: &mut Findings) -> Option<DriverDate> {
    let text = text.trim();
    if text.is_empty() {
        return None;
    }
    match parse_date(text) {
        Some(date) if date.year >= YEAR_MIN => Some(date),
        Some(_) => {
            findings.note("pack_date_missing", pack, &format!("the date {} stands for none", short(text)));
            None
        }
        None => {
            findings.warn("pack_date_invalid", pack, &format!("`{}` is no date", short(text)));
            None
        }
    }
}

const YEAR_MIN: u16 = 1980;

fn parse_date(text: &str) -> Option<DriverDate> {
    let day = text.split(['T', ' ']).next()?;
    let number = |part: &str| part.parse::<u16>().ok();
    let (year, month, day) = if let [year, month, day] = day.split('-').collect::<Vec<_>>()[..] {
        (number(year)?, number(month)?, number(day)?)
    } else if let [month, day, year] = day.split('/').collect::<Vec<_>>()[..] {
        (number(year)?, number(month)?, number(day)?)
    } else if let [year, month, day] = day.split('.').collect::<Vec<_>>()[..] {
        (number(year)?.checked_add(2000)?, number(month)?, number(day)?)
    } else {
        return None;
    };
    let (month, day) = (i8::try_from(month).ok()?, i8::try_from(day).ok()?);
    jiff::civil::Date::new(i16::try_from(year).ok()?, month, day).ok()?;
    Some(DriverDate { year, month: u8::try_from(month).ok()?, day: u8::try_from(day).ok()? })
}

/// Which hash a text is to be.
#[derive(Debug, Clone, Copy)]
pub(super) enum HashKind {
    Md5,
    Sha1,
    Sha256,
}

/// Puts a hash where it belongs if it has the right length and digits.
pub(super) fn hash(hashes: &mut PackHashes, kind: HashKind, text: &str, pack: &str, findings: &mut Findings) {
    let text = text.trim();
    if text.is_empty() {
        return;
    }
    let (slot, digits, name) = match kind {
        HashKind::Md5 => (&mut hashes.md5, 32, "MD5"),
        HashKind::Sha1 => (&mut hashes.sha1, 40, "SHA-1"),
        HashKind::Sha256 => (&mut hashes.sha256, 64, "SHA-256"),
    };
    if text.len() != digits || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        let text = format!("`{}` is no {name} ({digits} hex digits) and is not used", short(text));
        findings.warn("pack_hash_invalid", pack, &text);
        return;
    }
    *slot = Some(text.to_ascii_lowercase());
}

/// The address, if there is one that can be fetched. Vendors write spaces in it as they are in the file's name.
pub(super) fn url(text: &str, pack: &str, findings: &mut Findings) -> Option<String> {
    let text = text.trim();
    if text.is_empty() {
        findings.warn("pack_url_missing", pack, "it has no address and is left out");
        return None;
    }
    let lower = text.to_ascii_lowercase();
    let host = lower.strip_prefix("https://").or_else(|| lower.strip_prefix("http://"));
    let usable = host.is_some_and(|host| !host.is_empty() && !host.starts_with('/'));
    if !usable || text.chars().any(|c| c.is_control() || c.is_whitespace() && c != ' ') {
        let text = format!("`{}` is no http address; it is left out", short(text));
        findings.warn("pack_url_invalid", pack, &text);
        return None;
    }
    Some(text.replace(' ', "%20"))
}

/// A number of bytes; 0 stands for none.
pub(super) fn size(text: &str, pack: &str, findings: &mut Findings) -> Option<u64> {
    match text.trim() {
        "" => None,
        text => match text.parse() {
            Ok(0) => None,
            Ok(size) => Some(size),
            Err(_) => {
                let text = format!("`{}` is no number of bytes", short(text));
                findings.warn("pack_size_invalid", pack, &text);
                None
            }
        },
    }
}

/// The last part of an address.
pub(super) fn file_name(url: &str) -> &str {
    let path = url.split(['?', '#']).next().unwrap_or(url);
    path.rsplit('/').next().unwrap_or(path)
}

/// The format by the file's name.
pub(super) fn format(file_name: &str) -> PackFormat {
    let extension = file_name.rsplit_once('.').map_or("", |(_, extension)| extension).to_ascii_lowercase();
    match extension.as_str() {
        "cab" => PackFormat::Cabinet,
        "zip" => PackFormat::Zip,
        "exe" => PackFormat::Program,
        "msi" => PackFormat::Installer,
        _ => PackFormat::Other,
    }
}

/// `x64`, `64-bit`, `amd64`, `arm64`, ...
pub(super) fn architecture(text: &str) -> Option<Architecture> {
    match text.trim().to_ascii_lowercase().as_str() {
        "x64" | "64-bit" | "amd64" | "x86_64" => Some(Architecture::Amd64),
        "x86" | "32-bit" | "i386" => Some(Architecture::X86),
        "arm64" | "arm64-bit" | "aarch64" => Some(Architecture::Arm64),
        _ => None,
    }
}

/// The release of a client build, for example `22H2` of 22621.
pub(super) fn release_of_build(build: u32) -> Option<&'static str> {
    // Windows 10 and 11 share names of releases, not builds.
    let releases = [
        (10240, "1507"),
        (10586, "1511"),
        (14393, "1607"),
        (15063, "1703"),
        (16299, "1709"),
        (17134, "1803"),
        (17763, "1809"),
        (18362, "1903"),
        (18363, "1909"),
        (19041, "2004"),
        (19042, "20H2"),
        (19043, "21H1"),
        (19044, "21H2"),
        (19045, "22H2"),
        (22000, "21H2"),
        (22621, "22H2"),
        (22631, "23H2"),
        (26100, "24H2"),
        (26200, "25H2"),
    ];
    releases.iter().find(|(known, _)| *known == build).map(|(_, release)| *release)
}

/// A value from the catalog, as much of it as is kept.
pub(super) fn cut(text: &str) -> String {
    text.chars().take(TEXT_CHARS_MAX).collect()
}

/// A value from the catalog as it may stand in a message.
pub(super) fn short(text: &str) -> String {
    text.chars().take(80).flat_map(char::escape_debug).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_date(text: &str, expect: Option<(u16, u8, u8)>, code: Option<&str>) {
        let mut findings = Findings::default();
        let expect = expect.map(|(year, month, day)| DriverDate { year, month, day });
        assert_eq!(date(text, "p", &mut findings), expect, "{text}");
        assert_eq!(findings.kept.first().map(|finding| finding.code), code, "{text}");
    }

    #[test]
    fn dates_come_in_three_forms_and_sometimes_mean_none() {
        check_date("2018-12-07T04:04:14.7780227Z", Some((2018, 12, 7)), None);
        check_date("2026-04-06", Some((2026, 4, 6)), None);
        check_date("1/24/2023 12:00:00 AM", Some((2023, 1, 24)), None);
        check_date("24.07.15", Some((2024, 7, 15)), None);
        check_date("", None, None);
        check_date("0001-01-01T00:00:00", None, Some("pack_date_missing"));
        check_date("1/1/0001 12:00:00 AM", None, Some("pack_date_missing"));
        check_date("2023-02-30", None, Some("pack_date_invalid"));
        check_date("soon", None, Some("pack_date_invalid"));
        check_date("65535.1.1", None, Some("pack_date_invalid"));
    }

    #[test]
    fn hashes_need_their_length_and_addresses_a_host() {
        let mut findings = Findings::default();
        let mut hashes = PackHashes::default();
        hash(&mut hashes, HashKind::Md5, &"aB".repeat(16), "p", &mut findings);
        hash(&mut hashes, HashKind::Sha1, &"a".repeat(39), "p", &mut findings);
        hash(&mut hashes, HashKind::Sha256, &"g".repeat(64), "p", &mut findings);
        assert_eq!(hashes, PackHashes { md5: Some("ab".repeat(16)), ..PackHashes::default() });
        for (text, usable) in [
            ("https://h/x.cab", true),
            (" HTTP://h/x ", true),
            ("", false),
            ("ftp://h/x", false),
            ("https://", false),
            ("https:///x", false),
            ("https://h/a b.cab", true),
            ("https://h/a\tb", false),
        ] {
            assert_eq!(url(text, "p", &mut findings).is_some(), usable, "{text}");
        }
        assert_eq!(url("https://h/a b.cab", "p", &mut findings).unwrap(), "https://h/a%20b.cab");
        let codes: Vec<&str> = findings.kept.iter().map(|finding| finding.code).collect();
        assert_eq!(codes[..3], ["pack_hash_invalid", "pack_hash_invalid", "pack_url_missing"]);
        assert_eq!(codes.len(), 7);
        assert_eq!(file_name("https://h/a/b.exe?x=/y#z"), "b.exe");
    }
}
