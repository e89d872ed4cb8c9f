//! Which install section applies on an architecture, and what it says about ranking.

use std::collections::HashSet;
use std::sync::Arc;

use crate::inf::limits::DEVICE_ID_CHARS;
use crate::inf::{Architecture, DriverVer, Entry, Inf};
use crate::{Diagnostic, Severity};

/// An install section as it applies on one architecture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstallSection {
    /// Its name, decoration included; as the INF spells it.
    pub name: String,
    /// Whether it is decorated with `.nt` or `.nt<architecture>`.
    pub is_nt: bool,
    /// `FeatureScore`; 0xFF without.
    pub feature_score: u8,
    /// `ExcludeID`, without duplicates; at most [`EXCLUDE_IDS_MAX`].
    pub exclude_ids: Arc<[String]>,
    /// A `DriverVer` of its own.
    pub driver_ver: Option<DriverVer>,
    /// What was odd.
    pub diagnostics: Vec<Diagnostic>,
}

/// The first that is there of `name.nt<architecture>`, `name.nt` and `name`, and whether it is one of the first two.
#[must_use]
pub fn choose(inf: &Inf, name: &str, architecture: Architecture) -> Option<(String, bool)> {
    let suffixes = [format!(".nt{}", architecture.name()), ".nt".to_owned(), String::new()];
    suffixes.iter().find_map(|suffix| {
        let section = inf.section(&format!("{name}{suffix}"))?;
        Some((section.name().to_owned(), !suffix.is_empty()))
    })
}

/// The install section that a models line names, on an architecture. `None` if it is not there in any form.
#[must_use]
pub fn install_section(inf: &Inf, name: &str, architecture: Architecture) -> Option<InstallSection> {
    let (name, is_nt) = choose(inf, name, architecture)?;
    let section = inf.section(&name)?;
    let mut found = InstallSection {
        name,
        is_nt,
        feature_score: FEATURE_SCORE_DEFAULT,
        exclude_ids: Arc::default(),
        driver_ver: None,
        diagnostics: Vec::new(),
    };
    let mut excluded = Excluded::default();
    for entry in section.entries() {
        let key = entry.key().unwrap_or_default().to_ascii_lowercase();
        let place = entry.place();
        match key.as_str() {
            "featurescore" => match feature_score(&entry.value(0)) {
                Some(score) => found.feature_score = score,
                None if found.diagnostics.len() == FINDINGS_MAX => {}
                None => found.diagnostics.push(
                    Diagnostic::new(
                        Severity::Warning,
                        "feature_score_invalid",
                        format!("the feature score {:?} is not a hexadecimal byte", entry.value(0)),
                    )
                    .at(place.line, place.column),
                ),
            },
            "excludeid" => excluded.read(entry, &mut found.diagnostics),
            "driverver" if found.driver_ver.is_none() => {
                let (driver_ver, findings) = DriverVer::read(entry);
                found.driver_ver = Some(driver_ver);
                found.diagnostics.extend(findings);
            }
            _ => {}
        }
    }
    found.exclude_ids = excluded.ids.into();
    Some(found)
}

/// Ids that one install section excludes; real ones have about ten.
pub const EXCLUDE_IDS_MAX: usize = 256;

#[derive(Default)]
struct Excluded {
    ids: Vec<String>,
    /// The same, folded.
    seen: HashSet<String>,
    is_cut: bool,
}

impl Excluded {
    fn read(&mut self, entry: Entry<'_>, findings: &mut Vec<Diagnostic>) {
        // Longer ids are those of no device.
        let ids = entry.values().filter(|id| !id.is_empty() && id.chars().count() <= DEVICE_ID_CHARS);
        for id in ids {
            if self.ids.len() == EXCLUDE_IDS_MAX && !self.seen.contains(&id.to_lowercase()) {
                if !std::mem::replace(&mut self.is_cut, true) {
                    let text =
                        format!("ExcludeID names more than {EXCLUDE_IDS_MAX} ids; the rest is left out");
                    let finding = Diagnostic::new(Severity::Warning, "exclude_ids_cut", text);
                    findings.push(finding.at(entry.line(), 1));
                }
                return;
            }
            if self.seen.insert(id.to_lowercase()) {
                self.ids.push(id.into_owned());
            }
        }
    }
}

/// Findings about one section.
const FINDINGS_MAX: usize = 20;

/// What Windows takes for an install section without one.
const FEATURE_SCORE_DEFAULT: u8 = 0xFF;

fn feature_score(text: &str) -> Option<u8> {
    let digits = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")).unwrap_or(text);
    u8::from_str_radix(digits, 16).ok()
}
