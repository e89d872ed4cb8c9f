//! `[Version]`: what kind of file it is, whose, and which catalogs vouch for it.

use super::driver_ver::DriverVer;
use super::limits::{CLASS_CHARS, DESCRIPTION_CHARS, FINDINGS_OF_A_CODE_MAX};
use super::value::is_guid;
use super::{Architecture, Entry, Inf, Section};
use crate::{Diagnostic, Severity};

/// What `[Version]` says. Text is empty where the entry is missing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Version {
    /// As written; [`Version::is_windows`] says whether it is one that Windows takes.
    pub signature: String,
    /// `Class`, its strings replaced.
    pub class: String,
    /// `ClassGuid` in lower case, with braces; as written if it is no GUID.
    pub class_guid: String,
    /// `Provider`, its strings replaced.
    pub provider: String,
    /// `DriverVer`.
    pub driver_ver: Option<DriverVer>,
    /// The catalogs, in the order of the file.
    pub catalogs: Vec<CatalogName>,
    /// `ExtensionId` in lower case, with braces; as written if it is no GUID.
    pub extension_id: String,
    /// `PnpLockdown`.
    pub pnp_lockdown: bool,
    /// `BootCritical`.
    pub boot_critical: bool,
    /// `ClassVer`: `4.0` for printer drivers of version 4.
    pub class_ver: String,
}

/// A `CatalogFile` entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CatalogName {
    /// For which platforms.
    pub platform: CatalogFor,
    /// A file beside the INF.
    pub file: String,
}

/// The platforms that a `CatalogFile` entry is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CatalogFor {
    /// `CatalogFile`: all without one of their own.
    Any,
    /// `CatalogFile.nt`
    Nt,
    /// `CatalogFile.nt<architecture>`
    Architecture(Architecture),
}

impl Version {
    /// Reads `[Version]`. A finding of severity error says that the file is no Windows INF file.
    #[must_use]
    pub fn read(inf: &Inf) -> (Self, Vec<Diagnostic>) {
        let mut findings = Vec::new();
        let Some(section) = inf.section("version") else {
            let text = "the file has no Version section: it is no Windows INF file";
            return (Self::default(), vec![Diagnostic::new(Severity::Error, "version_missing", text)]);
        };
        let text =
            |key: &str| section.entry(key).map(|entry| entry.value(0).into_owned()).unwrap_or_default();
        let version = Self {
            signature: text("signature"),
            class: text("class"),
            class_guid: guid(section, "classguid", "class_guid_invalid", &mut findings),
            provider: text("provider"),
            driver_ver: section.entry("driverver").map(|entry| driver_ver(entry, &mut findings)),
            catalogs: catalogs(section, &mut findings),
            extension_id: guid(section, "extensionid", "extension_id_invalid", &mut findings),
            pnp_lockdown: is_set(&text("pnplockdown")),
            boot_critical: is_set(&text("bootcritical")),
            class_ver: text("classver"),
        };
        version.check(section, &mut findings);
        (version, findings)
    }

    /// Whether the signature is one that Windows takes.
    #[must_use]
    pub fn is_windows(&self) -> bool {
        ["$windows nt$", "$chicago$"].iter().any(|known| self.signature.eq_ignore_ascii_case(known))
    }

    /// The catalog that counts on an architecture: its own, that for `nt`, that for all.
    #[must_use]
    pub fn catalog(&self, architecture: Architecture) -> Option<&str> {
        let order = [CatalogFor::Architecture(architecture), CatalogFor::Nt, CatalogFor::Any];
        order.iter().find_map(|platform| {
            let own = self.catalogs.iter().find(|catalog| catalog.platform == *platform)?;
            Some(own.file.as_str())
        })
    }

    fn check(&self, section: Section<'_>, findings: &mut Vec<Diagnostic>) {
        let line = section.line();
        let mut add = |severity, code, text: &str| {
            findings.push(Diagnostic::new(severity, code, text).at(line, 1));
        };
        if self.signature.is_empty() {
            let text = "Version has no Signature: this is no Windows INF file";
            add(Severity::Error, "signature_missing", text);
        } else if !self.is_windows() {
            let text = format!("the signature {:?} is not one that Windows takes", self.signature);
            add(Severity::Error, "signature_unknown", &text);
        }
        let entries = [
            ("class_missing", "Class", self.class.is_empty()),
            ("class_guid_missing", "ClassGuid", self.class_guid.is_empty()),
            ("provider_missing", "Provider", self.provider.is_empty()),
            ("driver_ver_missing", "DriverVer", self.driver_ver.is_none()),
        ];
        for (code, entry, _) in entries.into_iter().filter(|(.., missing)| *missing) {
            add(Severity::Warning, code, &format!("Version has no {entry}"));
        }
        if self.class.chars().count() > CLASS_CHARS {
            add(Severity::Warning, "class_long", "Class is longer than Windows can hold");
        }
        if self.provider.chars().count() > DESCRIPTION_CHARS {
            add(Severity::Warning, "provider_long", "Provider is longer than Windows can hold");
        }
        if self.class.eq_ignore_ascii_case("extension") && self.extension_id.is_empty() {
            add(Severity::Warning, "extension_id_missing", "an extension INF has no ExtensionId");
        }
    }
}

fn driver_ver(entry: Entry<'_>, findings: &mut Vec<Diagnostic>) -> DriverVer {
    let (driver_ver, found) = DriverVer::read(entry);
    findings.extend(found);
    driver_ver
}

fn guid(section: Section<'_>, key: &str, code: &'static str, findings: &mut Vec<Diagnostic>) -> String {
    let Some(entry) = section.entry(key) else { return String::new() };
    let text = entry.value(0).to_ascii_lowercase();
    if !text.is_empty() && !is_guid(&text) {
        let (place, what) = (entry.place(), format!("{text:?} is no GUID in braces"));
        findings.push(Diagnostic::new(Severity::Warning, code, what).at(place.line, place.column));
    }
    text
}

/// A number other than 0.
fn is_set(text: &str) -> bool {
    let digits = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")).unwrap_or(text);
    u32::from_str_radix(digits, 16).is_ok_and(|number| number != 0)
}

fn catalogs(section: Section<'_>, findings: &mut Vec<Diagnostic>) -> Vec<CatalogName> {
    let mut catalogs: Vec<CatalogName> = Vec::new();
    for entry in section.entries() {
        let Some(key) = entry.key() else { continue };
        let Some(platform) = catalog_platform(&key) else { continue };
        let (file, place) = (entry.value(0), entry.place());
        let mut add = |severity, code, text: String| {
            if findings.iter().filter(|own| own.code == code).count() == FINDINGS_OF_A_CODE_MAX {
                return;
            }
            findings.push(Diagnostic::new(severity, code, text).at(place.line, place.column));
        };
        let Some(platform) = platform else {
            add(Severity::Note, "catalog_platform_unknown", format!("{key} is for no known platform"));
            continue;
        };
        if file.is_empty() || catalogs.iter().any(|own| own.platform == platform) {
            continue;
        }
        if file.contains(['/', '\\', ':']) || file == ".." || file == "." {
            let text = format!("the catalog {file:?} is not the name of a file beside the INF");
            add(Severity::Warning, "catalog_name_invalid", text);
            continue;
        }
        catalogs.push(CatalogName { platform, file: file.into_owned() });
    }
    catalogs
}

/// `None` if the key is not `CatalogFile`, `Some(None)` if it is for a platform that nobody knows.
fn catalog_platform(key: &str) -> Option<Option<CatalogFor>> {
    let key = key.to_ascii_lowercase();
    let rest = key.strip_prefix("catalogfile")?;
    if rest.is_empty() {
        return Some(Some(CatalogFor::Any));
    }
    let platform = rest.strip_prefix('.')?;
    Some(platform.strip_prefix("nt").and_then(|name| match name {
        "" => Some(CatalogFor::Nt),
        name => Architecture::parse(name).map(CatalogFor::Architecture),
    }))
}
