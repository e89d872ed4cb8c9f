//! `DriverVer = mm/dd/yyyy[,w.x.y.z]`, and what people write instead.

use super::view::Entry;
use crate::{Diagnostic, DriverDate, DriverVersion, Severity};

/// A DriverVer entry: of `[Version]`, or of an install section, which overrides that.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DriverVer {
    /// The date as written.
    pub date_text: String,
    /// The day; `None` if it is missing or invalid, which Windows reads as 00/00/0000.
    pub date: Option<DriverDate>,
    /// The version as written, for example `9.00.00.21`.
    pub version_text: String,
    /// The version; `None` if it is missing or invalid, which Windows reads as 0.0.0.0.
    pub version: Option<DriverVersion>,
}

impl DriverVer {
    /// Reads an entry, and says what is wrong with it.
    #[must_use]
    pub fn read(entry: Entry<'_>) -> (Self, Vec<Diagnostic>) {
        let (date_text, version_text) = (entry.value(0).into_owned(), entry.value(1).into_owned());
        let (date, date_finding) = read_date(&date_text);
        let (version, version_finding) = read_version(&version_text);
        let place = entry.place();
        let findings = date_finding.into_iter().chain(version_finding);
        let findings = findings.map(|finding| finding.at(place.line, place.column)).collect();
        (Self { date_text, date, version_text, version }, findings)
    }
}

fn warning(code: &'static str, text: String) -> Option<Diagnostic> {
    Some(Diagnostic::new(Severity::Warning, code, text))
}

fn read_date(text: &str) -> (Option<DriverDate>, Option<Diagnostic>) {
    if text.is_empty() || is_template(text) {
        let what = format!("DriverVer is a template that no build has filled in: {text:?}");
        return (None, warning("driver_ver_template", what));
    }
    let Some(date) = parse_date(text) else {
        let what = format!("{text:?} is no date of the form mm/dd/yyyy; it counts as no date");
        return (None, warning("driver_date_invalid", what));
    };
    let official = text.len() == 10 && text.as_bytes()[2] == text.as_bytes()[5];
    let finding = (!official).then(|| {
        let what = format!("{text:?} is a date, but Windows documents mm/dd/yyyy");
        Diagnostic::new(Severity::Note, "driver_date_form", what)
    });
    (Some(date), finding)
}

/// Placeholders of build tools: `WILL_BE_FIXED_UP_BY_STAMPINF`, `CMIReleaseDate`, `$DATE$`.
fn is_template(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '$')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '$')
}

fn parse_date(text: &str) -> Option<DriverDate> {
    /// Two-digit years below it are of this century.
    const PIVOT: u16 = 80;
    let mut parts = text.split(['/', '-']);
    let (month, day, year) = (parts.next()?, parts.next()?, parts.next()?);
    let number = |text: &str, digits: std::ops::RangeInclusive<usize>| -> Option<u16> {
        let plain = digits.contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
        plain.then(|| text.parse().ok()).flatten()
    };
    let (month, day) = (number(month, 1..=2)?, number(day, 1..=2)?);
    let year = match year.len() {
        2 => number(year, 2..=2).map(|year| year + if year < PIVOT { 2000 } else { 1900 })?,
        _ => number(year, 4..=4)?,
    };
    let days = match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return None,
    };
    let valid = parts.next().is_none() && (1..=days).contains(&day) && year > 0;
    let narrow = |number: u16| u8::try_from(number).ok();
    valid.then_some(DriverDate { year, month: narrow(month)?, day: narrow(day)? })
}

fn read_version(text: &str) -> (Option<DriverVersion>, Option<Diagnostic>) {
    if text.is_empty() {
        let what = "DriverVer has no version; it counts as 0.0.0.0";
        return (None, Some(Diagnostic::new(Severity::Note, "driver_version_missing", what)));
    }
    let version = parse_version(text);
    let finding = || {
        let what = format!("{text:?} is no version of one to four numbers below 65535; it counts as 0.0.0.0");
        warning("driver_version_invalid", what)
    };
    (version, if version.is_none() { finding() } else { None })
}

fn parse_version(text: &str) -> Option<DriverVersion> {
    let mut parts = [0; 4];
    for (index, part) in text.split('.').enumerate() {
        let digits = !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        let number: u16 = part.parse().ok().filter(|number| digits && *number < u16::MAX)?;
        *parts.get_mut(index)? = number;
    }
    (parts != [0; 4]).then_some(DriverVersion(parts))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inf::Inf;

    fn read(text: &str) -> (DriverVer, Vec<&'static str>) {
        let inf = Inf::parse(format!("[Version]\r\nDriverVer = {text}\r\n").as_bytes());
        let (read, findings) = DriverVer::read(inf.section("version").unwrap().entry("driverver").unwrap());
        (read, findings.iter().map(|finding| finding.code).collect())
    }

    #[test]
    fn dates_are_read_in_every_form() {
        let check = |text: &str, expect: Option<(u16, u8, u8)>, codes: &[&str]| {
            let (read, found) = read(&format!("{text},1.0.0.0"));
            let expect = expect.map(|(year, month, day)| DriverDate { year, month, day });
            assert_eq!((read.date, found.as_slice()), (expect, codes), "{text}");
            assert_eq!(read.date_text, text.trim_matches('"'));
        };
        check("06/26/2026", Some((2026, 6, 26)), &[]);
        check("06-26-2026", Some((2026, 6, 26)), &[]);
        check("\"06/26/2026\"", Some((2026, 6, 26)), &[]);
        check("1/25/2002", Some((2002, 1, 25)), &["driver_date_form"]);
        check("02/18/06", Some((2006, 2, 18)), &["driver_date_form"]);
        check("12/06/99", Some((1999, 12, 6)), &["driver_date_form"]);
        check("02/29/2024", Some((2024, 2, 29)), &[]);
        check("02/29/2023", None, &["driver_date_invalid"]);
        check("Thu 03/14/2002", None, &["driver_date_invalid"]);
        check("24/11/2015", None, &["driver_date_invalid"]);
        check("09/265/2003", None, &["driver_date_invalid"]);
        check("00/00/0000", None, &["driver_date_invalid"]);
        check("06/26/2026/1", None, &["driver_date_invalid"]);
        check("WILL_BE_FIXED_UP_BY_STAMPINF", None, &["driver_ver_template"]);
        check("CMIReleaseDate", None, &["driver_ver_template"]);
        check("", None, &["driver_ver_template"]);
    }

    #[test]
    fn versions_are_read_in_every_form() {
        let check = |text: &str, expect: Option<[u16; 4]>, codes: &[&str]| {
            let (read, found) = read(&format!("06/26/2026,{text}"));
            assert_eq!((read.version, found.as_slice()), (expect.map(DriverVersion), codes), "{text}");
            assert_eq!(read.version_text, text);
        };
        check("7.2.12.24389", Some([7, 2, 12, 24389]), &[]);
        check("9.00.00.21", Some([9, 0, 0, 21]), &[]);
        check("1.03", Some([1, 3, 0, 0]), &[]);
        check("5", Some([5, 0, 0, 0]), &[]);
        check("65534.0.0.0", Some([65534, 0, 0, 0]), &[]);
        check("65535.0.0.0", None, &["driver_version_invalid"]);
        check("0.0.0.0", None, &["driver_version_invalid"]);
        check("1.2.3.4.5", None, &["driver_version_invalid"]);
        check("1.7.37a", None, &["driver_version_invalid"]);
        check("1.2.", None, &["driver_version_invalid"]);
        check("+1.2", None, &["driver_version_invalid"]);
        check("", None, &["driver_version_missing"]);
    }
}
