//! What is in the names that people and tools give to packages:
//! `Drivers - <make> <model> - <system> [<release>] <architecture>`.

use crate::inf::Architecture;

/// The one name for each manufacturer: what machines report has many spellings, packages have the table's.
#[must_use]
pub fn manufacturer(text: &str) -> String {
    let lower = text.trim().to_lowercase();
    let has = |word: &str| lower.split(|c: char| !c.is_alphanumeric()).any(|part| part == word);
    let known = [
        ("microsoft", "Microsoft"),
        ("hp", "Hewlett-Packard"),
        ("hewlett", "Hewlett-Packard"),
        ("dell", "Dell"),
        ("lenovo", "Lenovo"),
        ("panasonic", "Panasonic"),
        ("azw", "AZW"),
        ("viglen", "Viglen"),
        ("fujitsu", "Fujitsu"),
    ];
    match known.iter().find(|(word, _)| has(word)) {
        Some((_, name)) => (*name).to_owned(),
        None => text.split_whitespace().collect::<Vec<_>>().join(" "),
    }
}

/// `1909` -> 1909, `22H2` -> 2210: a number that grows with the releases. `None` for anything else.
#[must_use]
pub fn release_number(text: &str) -> Option<u16> {
    let bytes = text.as_bytes();
    if bytes.len() != 4 || !bytes[..2].iter().all(u8::is_ascii_digit) {
        return None;
    }
    let year: u16 = text[..2].parse().ok()?;
    match bytes[2..] {
        [b'H' | b'h', b'1'] => Some(year * 100 + 5),
        [b'H' | b'h', b'2'] => Some(year * 100 + 10),
        [b'0' | b'1', b'0'..=b'9'] => {
            let month: u16 = text[2..].parse().ok()?;
            ((1..=12).contains(&month) && year >= 15).then_some(year * 100 + month)
        }
        _ => None,
    }
}

/// A model for comparing: lower case, single spaces, without the manufacturer in front.
pub(super) fn model(text: &str, manufacturer: &str) -> String {
    let lower = text.to_lowercase();
    let mut words: Vec<&str> = lower.split_whitespace().collect();
    let is_make = |word: &str| {
        word == manufacturer.to_lowercase()
            || manufacturer == "Hewlett-Packard" && matches!(word, "hp" | "hewlett-packard")
            || manufacturer == "Dell" && matches!(word, "inc." | "inc")
    };
    while words.len() > 1 && is_make(words[0]) {
        words.remove(0);
    }
    words.join(" ")
}

/// Lenovo's machine type: the first four characters of the machine type model, or the part behind `MT_` in a
/// SystemSKU such as `LENOVO_MT_20QD_BU_Think_FM_ThinkPad`.
pub(super) fn machine_type(sku: &str) -> String {
    let sku = match sku.split_once("_MT_") {
        Some((_, rest)) => rest.split('_').next().unwrap_or(rest),
        None => sku,
    };
    sku.chars().take(4).collect()
}

/// The list in `(Models included:0AC5;0AC6)`; without these words what follows the first colon, as the scripts do.
pub(super) fn listed_skus(description: &str) -> &str {
    const MARK: &str = "models included:";
    let at = description.to_ascii_lowercase().find(MARK).map(|at| at + MARK.len());
    let list = match at.or_else(|| description.find(':').map(|at| at + 1)) {
        Some(at) => &description[at..],
        None => "",
    };
    list.split(')').next().unwrap_or(list)
}

/// The parts of a list, trimmed, without empty ones.
pub(super) fn tokens<'a>(text: &'a str, separators: &'static [char]) -> impl Iterator<Item = &'a str> {
    text.split(separators).map(str::trim).filter(|token| !token.is_empty())
}

/// A package's name, taken apart.
#[derive(Debug, Default)]
pub(super) struct PackageName<'a> {
    /// Make and model.
    pub(super) model: &'a str,
    /// The part with the system; empty without.
    pub(super) os: &'a str,
    pub(super) stage: Option<&'static str>,
    pub(super) is_bios: bool,
    pub(super) is_fallback: bool,
}

impl<'a> PackageName<'a> {
    pub(super) fn parse(name: &'a str) -> Self {
        let lower = name.to_lowercase();
        let word = |word: &str| lower.split(|c: char| !c.is_alphanumeric()).any(|part| part == word);
        let stage = [("pilot", "Pilot"), ("retired", "Retired")].into_iter().find(|(stage, _)| word(stage));
        let parts: Vec<&str> = name.split(" - ").map(str::trim).collect();
        // Driver packages have no kind in front.
        let is_kind = |part: &str| {
            let first = part.split_whitespace().next().unwrap_or_default();
            matches!(first.to_lowercase().as_str(), "drivers" | "bios")
        };
        let skip = usize::from(parts.len() > 1 && is_kind(parts[0]));
        let os = parts.iter().skip(skip).rev().find(|part| !System::find(part).os.is_empty());
        Self {
            model: parts.get(skip).copied().unwrap_or_default(),
            os: os.copied().unwrap_or_default(),
            stage: stage.map(|(_, stage)| stage),
            is_bios: lower.starts_with("bios"),
            is_fallback: lower.contains("driver fallback package"),
        }
    }

    pub(super) fn system(&self) -> System {
        System::find(self.os)
    }
}

/// A system as a name tells it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct System {
    /// `Windows 11`; empty without.
    pub(super) os: String,
    /// `23H2`; empty without.
    pub(super) release: String,
    pub(super) architecture: Option<Architecture>,
}

impl System {
    /// Finds `Windows <number>` and, behind it, a release and an architecture. What stands before it is a model, whose
    /// numbers may look like releases.
    pub(super) fn find(text: &str) -> Self {
        let words: Vec<&str> =
            text.split([' ', '\t', '(', ')', ',', '_']).filter(|word| !word.is_empty()).collect();
        let Some(at) = words.iter().position(|word| word.eq_ignore_ascii_case("windows")) else {
            return Self::default();
        };
        let Some(number) = words.get(at + 1) else { return Self::default() };
        let mut system = Self { os: format!("Windows {number}"), ..Self::default() };
        for word in &words[at + 2..] {
            if release_number(word).is_some() && system.release.is_empty() {
                word.to_uppercase().clone_into(&mut system.release);
            }
            if let Some(architecture) = super::super::value::architecture(word) {
                system.architecture.get_or_insert(architecture);
            }
        }
        system
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_taken_apart() {
        let check = |name: &str, model: &str, os: &str, release: &str, architecture| {
            let parsed = PackageName::parse(name);
            let system = parsed.system();
            assert_eq!(parsed.model, model, "{name}");
            assert_eq!((system.os.as_str(), system.release.as_str()), (os, release), "{name}");
            assert_eq!(system.architecture, architecture, "{name}");
        };
        let x64 = Some(Architecture::Amd64);
        check(
            "Drivers - Dell Latitude 1903 - Windows 10 1909 x64",
            "Dell Latitude 1903",
            "Windows 10",
            "1909",
            x64,
        );
        check("Dell Latitude 7440 - Windows 11 x64", "Dell Latitude 7440", "Windows 11", "", x64);
        check(
            "Drivers Pilot - HP EliteBook 840 G8 - Windows 11 22h2 X64",
            "HP EliteBook 840 G8",
            "Windows 11",
            "22H2",
            x64,
        );
        check(
            "Drivers - Microsoft Surface Pro 11 - Windows 11 24H2 arm64",
            "Microsoft Surface Pro 11",
            "Windows 11",
            "24H2",
            Some(Architecture::Arm64),
        );
        check("Drivers - X - Windows 8.1 x86", "X", "Windows 8.1", "", Some(Architecture::X86));
        check("Drivers - X", "X", "", "", None);
        check("Adobe Reader", "Adobe Reader", "", "", None);
        check("", "", "", "", None);
        assert_eq!(PackageName::parse("Drivers Retired - X - Windows 11 x64").stage, Some("Retired"));
        assert_eq!(PackageName::parse("Drivers - X [PILOT] - Windows 11 x64").stage, Some("Pilot"));
        assert_eq!(PackageName::parse("Drivers - Copilot PC - Windows 11 x64").stage, None);
        assert!(PackageName::parse("BIOS Update - Dell X").is_bios);
    }

    #[test]
    fn releases_grow_from_1507_to_the_newest() {
        let releases =
            ["1507", "1607", "1909", "2004", "20H2", "21H1", "21h2", "22H2", "23H2", "24H2", "25H2"];
        let numbers: Vec<u16> = releases.iter().map(|release| release_number(release).unwrap()).collect();
        assert!(numbers.is_sorted_by(|a, b| a < b), "{numbers:?}");
        for text in ["", "22H3", "1913", "1400", "0101", "19", "19091", "x64", "é1909", "19é"] {
            assert_eq!(release_number(text), None, "{text}");
        }
    }

    #[test]
    fn manufacturers_and_models_have_one_spelling() {
        for (text, expect) in [
            ("Dell Inc.", "Dell"),
            ("HP", "Hewlett-Packard"),
            ("Hewlett-Packard Company", "Hewlett-Packard"),
            ("LENOVO", "Lenovo"),
            ("Microsoft Corporation", "Microsoft"),
            ("FUJITSU CLIENT COMPUTING LIMITED", "Fujitsu"),
            ("Panasonic Corporation", "Panasonic"),
            (" Sample  Maker ", "Sample Maker"),
            ("Chiphp", "Chiphp"),
            ("", ""),
        ] {
            assert_eq!(manufacturer(text), expect);
        }
        assert_eq!(model("Hewlett-Packard HP  EliteBook 840", "Hewlett-Packard"), "elitebook 840");
        assert_eq!(model("Dell Inc. Latitude", "Dell"), "latitude");
        assert_eq!(model("Lenovo", "Lenovo"), "lenovo");
        for sku in ["20QD", "20QDS00T00", "LENOVO_MT_20QD_BU_Think_FM_ThinkPad X1"] {
            assert_eq!(machine_type(sku), "20QD");
        }
        assert_eq!(machine_type("20é€x"), "20é€");
    }

    #[test]
    fn lists_of_skus_end_at_the_bracket() {
        assert_eq!(listed_skus("(Models included:0AC5;0AC6) more"), "0AC5;0AC6");
        assert_eq!(listed_skus("Note: x (models Included: 1)"), " 1");
        assert_eq!(listed_skus("Models:1,2"), "1,2");
        assert_eq!(listed_skus("nothing"), "");
        assert_eq!(
            listed_skus("Surface (Models included:Surface_Laptop_3_1867:1868)"),
            "Surface_Laptop_3_1867:1868"
        );
    }
}
