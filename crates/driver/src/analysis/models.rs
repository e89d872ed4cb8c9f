//! The devices of an INF, with what their install sections say about ranking.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use crate::inf::{Architecture, DriverVer, Inf, manufacturers, models};
use crate::install::{InstallSection, choose, install_section};
use crate::platform::{by_id, select};
use crate::{Device, Diagnostic, ModelsFacts, Severity};

/// Models lines of one INF, each counted as often as manufacturer lines reach it. The most known are 4502.
pub const DEVICES_MAX: usize = 1 << 16;

/// Pairs of an id of a device and an id that its install section excludes: whoever stores a device by each of its ids
/// stores so many.
const EXCLUSIONS_MAX: usize = 1 << 18;

/// Findings about install sections.
const FINDINGS_MAX: usize = 200;

#[derive(Default)]
pub(super) struct Models {
    pub(super) sections: Vec<ModelsFacts>,
    /// The first DriverVer that an install section has of its own.
    pub(super) driver_ver: Option<DriverVer>,
}

/// Install sections by folded name and architecture.
type Known = HashMap<(String, Architecture), Option<InstallSection>>;

impl Models {
    /// Errors: there are more lines than [`DEVICES_MAX`], or they exclude more ids than anybody could store.
    pub(super) fn read(inf: &Inf, findings: &mut Vec<Diagnostic>) -> Result<Self, Diagnostic> {
        let (mut read, told) = (Self::default(), findings.len());
        let (mut known, mut count, mut exclusions) = (Known::new(), 0, 0);
        for (line, manufacturer) in (0..).zip(manufacturers(inf)) {
            for named in manufacturer.sections() {
                if named.decoration.is_none() && inf.section(&named.name).is_none() {
                    continue;
                }
                let architecture = named.decoration.and_then(|own| own.architecture);
                let architecture = architecture.unwrap_or(Architecture::X86);
                let lines = models(inf, &named.name);
                count += lines.len().max(1);
                if count > DEVICES_MAX {
                    let text = format!("the INF has more than {DEVICES_MAX} models lines");
                    return Err(Diagnostic::new(Severity::Error, "too_many_devices", text));
                }
                let device = |line: crate::inf::ModelLine<'_>| {
                    let key = (line.install_section.to_lowercase(), architecture);
                    let section = known.entry(key).or_insert_with(|| {
                        read_section(inf, &line.install_section, architecture, line.line, findings)
                    });
                    if read.driver_ver.is_none() {
                        read.driver_ver = section.as_ref().and_then(|own| own.driver_ver.clone());
                    }
                    device(line, section.as_ref())
                };
                let devices: Vec<Device> = lines.into_iter().map(device).collect();
                exclusions += devices.iter().map(exclusions_of).sum::<usize>();
                if exclusions > EXCLUSIONS_MAX {
                    let text = "the INF excludes ids from too many devices: it was made to fill memory";
                    return Err(Diagnostic::new(Severity::Error, "too_many_exclusions", text));
                }
                read.sections.push(ModelsFacts {
                    manufacturer: manufacturer.manufacturer.clone(),
                    line,
                    decoration: named.decoration,
                    devices,
                });
            }
        }
        findings.truncate(told + FINDINGS_MAX);
        Ok(read)
    }

    /// The description of the first device in the first section that applies to a supported platform.
    pub(super) fn display_name(&self, platforms: &[String]) -> String {
        let first = self.sections.chunk_by(|a, b| a.line == b.line).find_map(|line| {
            let decorations: Vec<_> = line.iter().map(|section| section.decoration).collect();
            let systems = platforms.iter().filter_map(|id| by_id(id)).flat_map(|platform| platform.systems());
            let applying: BTreeSet<usize> = systems.filter_map(|os| select(&decorations, &os)).collect();
            applying.into_iter().find_map(|index| line[index].devices.first())
        });
        first.map(|device| device.description.clone()).unwrap_or_default()
    }
}

fn read_section(
    inf: &Inf,
    name: &str,
    architecture: Architecture,
    line: u32,
    findings: &mut Vec<Diagnostic>,
) -> Option<InstallSection> {
    let mut section = install_section(inf, name, architecture);
    match &mut section {
        Some(section) => findings.append(&mut section.diagnostics),
        None => {
            let text = format!("the install section {name:?} is not there");
            findings.push(Diagnostic::new(Severity::Warning, "install_section_missing", text).at(line, 1));
        }
    }
    section
}

fn exclusions_of(device: &Device) -> usize {
    (1 + device.compatible_ids.len()) * device.exclude_ids.len()
}

fn device(line: crate::inf::ModelLine<'_>, section: Option<&InstallSection>) -> Device {
    let driver_ver = section.and_then(|section| section.driver_ver.as_ref());
    Device {
        description: line.description.into_owned(),
        install_section: line.install_section.into_owned(),
        hardware_id: line.hardware_id.into_owned(),
        compatible_ids: line.compatible_ids.into_iter().map(std::borrow::Cow::into_owned).collect(),
        feature_score: section.map_or(0xFF, |section| section.feature_score),
        exclude_ids: section.map(|section| Arc::clone(&section.exclude_ids)).unwrap_or_default(),
        nt_section: section.is_some_and(|section| section.is_nt),
        date: driver_ver.and_then(|own| own.date),
        version: driver_ver.and_then(|own| own.version),
    }
}

/// The install sections that an INF reaches on each architecture that it has models for; a driver without models has
/// the architectures of its `DefaultInstall`.
pub(super) fn install_sections(inf: &Inf) -> BTreeMap<Architecture, BTreeSet<String>> {
    let mut reached: BTreeMap<Architecture, BTreeSet<String>> = BTreeMap::new();
    let (manufacturers, mut count, mut has_models) = (manufacturers(inf), 0, false);
    for named in manufacturers.iter().flat_map(|manufacturer| manufacturer.sections()) {
        let architecture = named.decoration.and_then(|own| own.architecture).unwrap_or(Architecture::X86);
        if named.decoration.is_none() && inf.section(&named.name).is_none() {
            continue;
        }
        has_models = true;
        let lines = models(inf, &named.name);
        count += lines.len();
        // Only an INF that another one copies can have more; by itself it is refused.
        if count > DEVICES_MAX {
            break;
        }
        for line in lines {
            reached.entry(architecture).or_default().insert(line.install_section.into_owned());
        }
    }
    if !has_models {
        let plain = [Architecture::X86, Architecture::Amd64, Architecture::Arm64];
        for architecture in Architecture::ALL {
            let own = inf.section(&format!("{}.nt{architecture}", super::DEFAULT_INSTALL)).is_some();
            let any =
                plain.contains(&architecture) && choose(inf, super::DEFAULT_INSTALL, architecture).is_some();
            if own || any {
                reached.entry(architecture).or_default();
            }
        }
    }
    reached
}
