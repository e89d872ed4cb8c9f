//! Choosing among candidates: one base driver, the extensions beside it, and the software components that they add.

use std::collections::{BTreeMap, VecDeque};

use super::{DeviceIds, IdentifierMatch, Rank, precedence, rank};
use crate::platform::{Os, select};
use crate::{Device, DriverDate, DriverFacts, DriverKind, DriverVersion, ModelsFacts, SignatureState};

/// What ranking needs to know about a driver. The caller leaves out drivers that are disabled.
#[derive(Debug, Clone, Copy)]
pub struct Candidate<'a> {
    /// Base, extension, component.
    pub kind: &'a DriverKind,
    /// The verdict on its signature.
    pub signature: SignatureState,
    /// The date of DriverVer.
    pub date: Option<DriverDate>,
    /// The version of DriverVer.
    pub version: Option<DriverVersion>,
    /// All its models sections, those of one line together: each may be the one that applies. Devices with none of the ids
    /// that are asked for may be left out.
    pub models: &'a [ModelsFacts],
    /// The ids of the software components that it adds.
    pub component_ids: &'a [String],
}

impl<'a> From<&'a DriverFacts> for Candidate<'a> {
    fn from(facts: &'a DriverFacts) -> Self {
        Self {
            kind: &facts.kind,
            signature: facts.signature.state,
            date: facts.date,
            version: facts.version,
            models: &facts.models,
            component_ids: &facts.component_ids,
        }
    }
}

/// A candidate that was chosen, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice<'a> {
    /// The candidate's index.
    pub candidate: usize,
    /// Its rank for the device.
    pub rank: Rank,
    /// By which id it matched.
    pub by: IdentifierMatch,
    /// The models line that matched.
    pub line: &'a Device,
}

/// The drivers for one device.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Best<'a> {
    /// The base driver, if there is one.
    pub base: Option<Choice<'a>>,
    /// The best extension of each ExtensionId, in the order of the ids.
    pub extensions: Vec<Choice<'a>>,
}

impl<'a> Best<'a> {
    /// The base driver and the extensions.
    pub fn all(&self) -> impl Iterator<Item = &Choice<'a>> {
        self.base.iter().chain(&self.extensions)
    }
}

/// The best drivers for a device on a system. A base driver wins by rank, date, version; an extension among those with
/// its ExtensionId by date, version, rank. What is equal in all is decided by the order of `candidates`.
#[must_use]
pub fn best<'a>(candidates: &[Candidate<'a>], ids: &DeviceIds, os: &Os) -> Best<'a> {
    let mut base: Option<Choice<'a>> = None;
    let mut extensions: BTreeMap<&'a str, Choice<'a>> = BTreeMap::new();
    for (index, candidate) in candidates.iter().enumerate() {
        let Some(choice) = choose_line(index, candidate, ids, os) else { continue };
        match candidate.kind {
            DriverKind::Extension(id) => match extensions.get(id.as_str()) {
                Some(held) if by_age(held, candidates) <= by_age(&choice, candidates) => {}
                _ => drop(extensions.insert(id, choice)),
            },
            _ => match &base {
                Some(held) if by_rank(held, candidates) <= by_rank(&choice, candidates) => {}
                _ => base = Some(choice),
            },
        }
    }
    Best { base, extensions: extensions.into_values().collect() }
}

fn by_rank(choice: &Choice<'_>, candidates: &[Candidate<'_>]) -> impl Ord + use<> {
    let (date, version) = age(choice, candidates);
    precedence(choice.rank, date, version)
}

fn by_age(choice: &Choice<'_>, candidates: &[Candidate<'_>]) -> impl Ord + use<> {
    let (date, version) = age(choice, candidates);
    (precedence(Rank(0), date, version), choice.rank)
}

/// The DriverVer that counts: the install section's own, else the driver's.
fn age(choice: &Choice<'_>, candidates: &[Candidate<'_>]) -> (Option<DriverDate>, Option<DriverVersion>) {
    let candidate = &candidates[choice.candidate];
    match (choice.line.date, choice.line.version) {
        (None, None) => (candidate.date, candidate.version),
        own => own,
    }
}

/// The best line of the models sections that apply to the system.
fn choose_line<'a>(index: usize, driver: &Candidate<'a>, ids: &DeviceIds, os: &Os) -> Option<Choice<'a>> {
    let mut best: Option<Choice<'a>> = None;
    for line in applying_sections(driver.models, os).flat_map(|section| &section.devices) {
        let Some((rank, by)) = rank(line, driver.signature, ids) else { continue };
        if best.as_ref().is_none_or(|held| rank < held.rank) {
            best = Some(Choice { candidate: index, rank, by, line });
        }
    }
    best
}

/// For each manufacturer line the section that applies to the system.
fn applying_sections<'a>(models: &'a [ModelsFacts], os: &Os) -> impl Iterator<Item = &'a ModelsFacts> {
    let lines = models.chunk_by(|a, b| a.line == b.line);
    lines.filter_map(move |line| {
        let decorations: Vec<_> = line.iter().map(|section| section.decoration).collect();
        select(&decorations, os).map(|index| &line[index])
    })
}

/// Software components may add further ones; a chain of more is not followed.
const COMPONENTS_MAX: usize = 256;

/// The ids of the device that Windows makes for a software component.
#[must_use]
pub fn device_of_component(component_id: &str) -> DeviceIds {
    let id = match component_id.get(..4) {
        Some(prefix) if prefix.eq_ignore_ascii_case("SWC\\") => component_id.to_owned(),
        _ => format!("SWC\\{component_id}"),
    };
    DeviceIds { hardware_ids: vec![id], compatible_ids: Vec::new() }
}

/// The drivers of the software components that `chosen` candidates add, with what those add in turn; each component
/// once, in the order in which they are named.
#[must_use]
pub fn components<'a>(chosen: &[usize], candidates: &[Candidate<'a>], os: &Os) -> Vec<(DeviceIds, Best<'a>)> {
    let named = |index: &usize| candidates.get(*index).map_or(&[][..], |candidate| candidate.component_ids);
    let mut waiting: VecDeque<&str> = chosen.iter().flat_map(named).map(String::as_str).collect();
    let mut found: Vec<(DeviceIds, Best<'a>)> = Vec::new();
    while let Some(component) = waiting.pop_front() {
        let ids = device_of_component(component);
        if found.len() == COMPONENTS_MAX || found.iter().any(|(known, _)| known.owns(&ids.hardware_ids[0])) {
            continue;
        }
        let drivers = best(candidates, &ids, os);
        waiting.extend(drivers.all().flat_map(|choice| named(&choice.candidate)).map(String::as_str));
        found.push((ids, drivers));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::by_id;
    use crate::rank::tests::{ids, line};

    /// A driver of a table: kind, signed, year, version, decorated models lines by hardware id, components.
    struct Driver {
        kind: DriverKind,
        signature: SignatureState,
        year: u16,
        version: u16,
        models: Vec<ModelsFacts>,
        component_ids: Vec<String>,
    }

    fn driver(year: u16, version: u16, decoration: &str, lines: &[Device]) -> Driver {
        Driver {
            kind: DriverKind::Base,
            signature: SignatureState::Trusted,
            year,
            version,
            models: vec![section(0, decoration, lines)],
            component_ids: Vec::new(),
        }
    }

    fn section(number: u32, decoration: &str, lines: &[Device]) -> ModelsFacts {
        let architecture = match decoration {
            "x64" => Some(crate::inf::Architecture::Amd64),
            "arm64" => Some(crate::inf::Architecture::Arm64),
            _ => None,
        };
        let build = (decoration == "11").then_some(22000);
        let decoration = crate::inf::Decoration {
            architecture: architecture.or(build.map(|_| crate::inf::Architecture::Amd64)),
            os_major: build.map(|_| 10),
            build,
            ..Default::default()
        };
        ModelsFacts {
            manufacturer: "M".to_owned(),
            line: number,
            decoration: Some(decoration),
            devices: lines.to_vec(),
        }
    }

    fn extension(id: &str, driver: Driver) -> Driver {
        Driver { kind: DriverKind::Extension(id.to_owned()), ..driver }
    }

    fn candidates(drivers: &[Driver]) -> Vec<Candidate<'_>> {
        let candidate = |driver: &'_ Driver| DriverDate { year: driver.year, month: 1, day: 1 };
        drivers
            .iter()
            .map(|driver| Candidate {
                kind: &driver.kind,
                signature: driver.signature,
                date: Some(candidate(driver)),
                version: Some(DriverVersion([driver.version, 0, 0, 0])),
                models: &driver.models,
                component_ids: &driver.component_ids,
            })
            .collect()
    }

    fn windows_11() -> Os {
        by_id("Windows/All_x64_Windows_11_and_higher_Clients").unwrap().os
    }

    fn check(drivers: &[Driver], device: &DeviceIds, base: Option<usize>, extensions: &[usize]) {
        let candidates = candidates(drivers);
        let best = best(&candidates, device, &windows_11());
        assert_eq!(best.base.as_ref().map(|choice| choice.candidate), base);
        let chosen: Vec<usize> = best.extensions.iter().map(|choice| choice.candidate).collect();
        assert_eq!(chosen, extensions);
    }

    #[test]
    fn the_best_base_driver() {
        let device = ids(&["PCI\\A&REV", "PCI\\A"], &["PCI\\CC"]);
        let (exact, near) = (line("PCI\\A&REV", &[]), line("PCI\\A", &[]));
        let one = |line: &Device| std::slice::from_ref(line).to_vec();
        // Rank before date; date before version; then the order of the candidates.
        check(
            &[driver(2025, 9, "x64", &one(&near)), driver(2020, 1, "x64", &one(&exact))],
            &device,
            Some(1),
            &[],
        );
        check(
            &[driver(2020, 9, "x64", &one(&near)), driver(2021, 1, "x64", &one(&near))],
            &device,
            Some(1),
            &[],
        );
        check(
            &[driver(2020, 8, "x64", &one(&near)), driver(2020, 9, "x64", &one(&near))],
            &device,
            Some(1),
            &[],
        );
        check(
            &[driver(2020, 8, "x64", &one(&near)), driver(2020, 8, "x64", &one(&near))],
            &device,
            Some(0),
            &[],
        );
        // A feature score beats a better id; a signature beats a feature score.
        let featured = Device { feature_score: 0x10, ..near.clone() };
        check(&[driver(2020, 8, "x64", &[exact.clone(), featured.clone()])], &device, Some(0), &[]);
        let unsigned =
            Driver { signature: SignatureState::NoCatalog, ..driver(2025, 9, "x64", &one(&featured)) };
        check(&[unsigned, driver(2020, 1, "x64", &one(&exact))], &device, Some(1), &[]);
        // An install section's own DriverVer counts before the driver's.
        let own = Device { date: Some(DriverDate { year: 2024, month: 1, day: 1 }), ..near.clone() };
        check(
            &[driver(2022, 9, "x64", &one(&near)), driver(2020, 1, "x64", &one(&own))],
            &device,
            Some(1),
            &[],
        );
        // Other architectures and other devices are no candidates.
        check(&[driver(2020, 8, "arm64", &one(&near)), driver(2020, 8, "", &one(&near))], &device, None, &[]);
        check(&[driver(2020, 8, "x64", &[line("PCI\\B", &[])])], &device, None, &[]);
    }

    #[test]
    fn only_the_section_of_the_system_counts() {
        let device = ids(&["PCI\\A"], &[]);
        let a = [line("PCI\\A", &[])];
        let emptied = Driver {
            models: vec![section(0, "x64", &a), section(0, "11", &[])],
            ..driver(2020, 1, "x64", &[])
        };
        check(&[emptied], &device, None, &[]);
        let two_lines = Driver {
            models: vec![section(0, "11", &[]), section(1, "x64", &a)],
            ..driver(2020, 1, "x64", &[])
        };
        check(&[two_lines], &device, Some(0), &[]);
    }

    #[test]
    fn extensions_come_beside_the_base_driver() {
        let device = ids(&["PCI\\A"], &["PCI\\CC"]);
        let (a, c) = ([line("PCI\\A", &[])], [line("PCI\\CC", &[])]);
        check(
            &[
                extension("{2}", driver(2020, 1, "x64", &a)),
                driver(2010, 1, "x64", &c),
                extension("{1}", driver(2020, 1, "x64", &a)),
                // Newer by date, though its rank is worse.
                extension("{1}", driver(2021, 1, "x64", &c)),
                extension("{1}", driver(2021, 0, "x64", &a)),
                extension("{3}", driver(2021, 0, "arm64", &a)),
            ],
            &device,
            Some(1),
            &[3, 0],
        );
        check(&[extension("{1}", driver(2021, 1, "x64", &a))], &device, None, &[0]);
    }

    #[test]
    fn components_follow_their_parents() {
        let adds = |ids: &[&str], driver: Driver| Driver {
            component_ids: ids.iter().map(|&id| id.to_owned()).collect(),
            ..driver
        };
        let component = |id: &str, year| Driver {
            kind: DriverKind::SoftwareComponent,
            ..driver(year, 1, "x64", &[line(&format!("SWC\\{id}"), &[])])
        };
        let drivers = [
            adds(&["ONE", "TWO", "MISSING"], driver(2020, 1, "x64", &[line("PCI\\A", &[])])),
            component("ONE", 2019),
            // A circle: what ONE adds is there already.
            adds(&["one", "THREE"], component("one", 2020)),
            component("TWO", 2020),
            component("THREE", 2020),
            component("FOUR", 2020),
        ];
        let candidates = candidates(&drivers);
        let found = components(&[0], &candidates, &windows_11());
        let chosen: Vec<(&str, Vec<usize>)> = found
            .iter()
            .map(|(ids, best)| (ids.hardware_ids[0].as_str(), best.all().map(|c| c.candidate).collect()))
            .collect();
        let expect: Vec<(&str, Vec<usize>)> = vec![
            ("SWC\\ONE", vec![2]),
            ("SWC\\TWO", vec![3]),
            ("SWC\\MISSING", vec![]),
            ("SWC\\THREE", vec![4]),
        ];
        assert_eq!(chosen, expect);
    }
}
