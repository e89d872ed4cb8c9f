//! `[Manufacturer]`, and the models sections that it names.

use std::borrow::Cow;
use std::collections::HashSet;

use super::findings::Findings;
use super::limits::{
    DECORATION_BYTES_MAX, DESCRIPTION_CHARS, DEVICE_ID_CHARS, MODELS_VALUES_MAX, SECTION_NAME_CHARS,
};
use super::{Decoration, Entry, Inf};
use crate::Diagnostic;

/// A line of `[Manufacturer]`. At most one of its models sections applies to a given Windows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ManufacturerLine {
    /// Its name, its strings replaced.
    pub manufacturer: String,
    /// The models section without a decoration.
    pub models_base: String,
    /// The decorations as written, in order; those that Windows cannot read are kept, up to
    /// [`DECORATION_BYTES_MAX`].
    pub decorations: Vec<String>,
    /// Its line, from 1.
    pub line: u32,
}

/// A models section that a manufacturer line names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelsSection {
    /// Its name, decoration included. A section of that name may be missing, which means an empty one.
    pub name: String,
    /// `None` for the undecorated section.
    pub decoration: Option<Decoration>,
}

impl ManufacturerLine {
    /// Its models sections: the undecorated one first, then one for each decoration that Windows can read, in order.
    pub fn sections(&self) -> impl Iterator<Item = ModelsSection> {
        let plain = ModelsSection { name: self.models_base.clone(), decoration: None };
        let decorated = self.decorations.iter().filter_map(|text| {
            let decoration = Some(Decoration::parse(text)?);
            Some(ModelsSection { name: format!("{}.{text}", self.models_base), decoration })
        });
        std::iter::once(plain).chain(decorated)
    }
}

/// The lines of `[Manufacturer]` that name a models section; as many as reach [`MODELS_VALUES_MAX`] values, so that whoever
/// reads them all needs memory in proportion to that.
#[must_use]
pub fn manufacturers(inf: &Inf) -> Vec<ManufacturerLine> {
    let mut reached = 0;
    let lines = entries_of(inf, "manufacturer").filter_map(manufacturer_line);
    lines.take_while(|line| fits_models(inf, line, &mut reached)).collect()
}

fn entries_of<'a>(inf: &'a Inf, section: &str) -> impl Iterator<Item = Entry<'a>> {
    inf.section(section).into_iter().flat_map(|section| section.entries())
}

/// Counts what a line reaches; `false` if that is too much.
fn fits_models(inf: &Inf, line: &ManufacturerLine, reached: &mut usize) -> bool {
    for section in line.sections() {
        *reached += 1 + inf.section(&section.name).map_or(0, |section| section.weight());
        if *reached > MODELS_VALUES_MAX {
            return false;
        }
    }
    true
}

fn manufacturer_line(entry: Entry<'_>) -> Option<ManufacturerLine> {
    let models_base = entry.value(0).into_owned();
    // In the old form, without a key, the one name is both.
    let manufacturer = entry.key().unwrap_or_else(|| entry.value(0));
    let manufacturer = shortened(manufacturer).into_owned();
    let decorations = entry.values().skip(1).filter(|text| (1..=DECORATION_BYTES_MAX).contains(&text.len()));
    let decorations = decorations.map(Cow::into_owned).collect();
    names_section(&models_base).then(|| ManufacturerLine {
        manufacturer,
        models_base,
        decorations,
        line: entry.line(),
    })
}

/// A line of a models section: a device that the driver is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelLine<'a> {
    /// Its strings replaced; at most [`DESCRIPTION_CHARS`] characters.
    pub description: Cow<'a, str>,
    /// The section that installs it, undecorated.
    pub install_section: Cow<'a, str>,
    /// As written; empty where the line gives only compatible ids.
    pub hardware_id: Cow<'a, str>,
    /// As written.
    pub compatible_ids: Vec<Cow<'a, str>>,
    /// Its line, from 1.
    pub line: u32,
}

/// The lines of a models section; none if it is missing. Lines without a description or an install section, and ids
/// that Windows cannot hold, are left out: [`check_models`] tells of them.
#[must_use]
pub fn models<'a>(inf: &'a Inf, section: &str) -> Vec<ModelLine<'a>> {
    entries_of(inf, section).filter_map(model_line).collect()
}

fn model_line(entry: Entry<'_>) -> Option<ModelLine<'_>> {
    let (description, install_section) = (shortened(entry.key()?), entry.value(0));
    let mut ids = entry.values().skip(1);
    let hardware_id = ids.next().filter(|id| fits(id)).unwrap_or_default();
    let compatible_ids = ids.filter(|id| !id.is_empty() && fits(id)).collect();
    names_section(&install_section).then(|| ModelLine {
        description,
        install_section,
        hardware_id,
        compatible_ids,
        line: entry.line(),
    })
}

fn names_section(name: &str) -> bool {
    !name.is_empty() && (name.len() <= SECTION_NAME_CHARS || name.chars().count() <= SECTION_NAME_CHARS)
}

fn fits(id: &str) -> bool {
    id.len() <= DEVICE_ID_CHARS || id.chars().count() <= DEVICE_ID_CHARS
}

fn shortened(text: Cow<'_, str>) -> Cow<'_, str> {
    match text.char_indices().nth(DESCRIPTION_CHARS) {
        Some((end, _)) => Cow::Owned(text[..end].to_owned()),
        None => text,
    }
}

/// What is wrong with the manufacturer lines and the models sections that they reach; at most
/// [`FINDINGS_MAX`](super::limits::FINDINGS_MAX) findings.
#[must_use]
pub fn check_models(inf: &Inf) -> Vec<Diagnostic> {
    let (mut findings, mut seen, mut reached) = (Findings::default(), HashSet::new(), 0);
    for entry in entries_of(inf, "manufacturer") {
        let Some(line) = manufacturer_line(entry) else {
            let place = entry.place();
            findings.warning("manufacturer_without_models", place.line, place.column, || {
                "the manufacturer line names no models section".to_owned()
            });
            continue;
        };
        if !fits_models(inf, &line, &mut reached) {
            let text =
                format!("models lines with over {MODELS_VALUES_MAX} values in all are not read to the end");
            findings.error("inf_too_many_models", line.line, text);
            break;
        }
        check_decorations(&line, &mut findings);
        for named in line.sections() {
            match inf.section(&named.name) {
                Some(section) if seen.insert(section.name()) => {
                    section.entries().for_each(|entry| check_model(entry, &mut findings));
                }
                None if named.decoration.is_some() => {
                    findings.warning("models_missing", line.line, 1, || {
                        format!("the models section {:?} is not there; it counts as empty", named.name)
                    });
                }
                _ => {}
            }
        }
    }
    findings.into_vec()
}

fn check_decorations(line: &ManufacturerLine, findings: &mut Findings) {
    for text in line.decorations.iter().filter(|text| Decoration::parse(text).is_none()) {
        let code = if text.contains('$') { "decoration_template" } else { "decoration_invalid" };
        findings.warning(code, line.line, 1, || format!("Windows cannot read the decoration {text:?}"));
    }
}

fn check_model(entry: Entry<'_>, findings: &mut Findings) {
    let place = entry.place();
    let mut add = |code, text: &str| {
        findings.warning(code, place.line, place.column, || text.to_owned());
    };
    let Some(line) = model_line(entry) else {
        add("models_line_invalid", "the line gives no description or no install section; it is left out");
        return;
    };
    if entry.values().skip(1).any(|id| !fits(&id)) {
        add("device_id_long", "a device id is longer than Windows can hold; it is left out");
    } else if line.hardware_id.is_empty() && line.compatible_ids.is_empty() {
        add("models_line_without_id", "the line gives no device id");
    }
    if entry.key().is_some_and(|key| key.chars().count() > DESCRIPTION_CHARS) {
        add("description_long", "the description is longer than Windows can hold; it is cut");
    }
}
