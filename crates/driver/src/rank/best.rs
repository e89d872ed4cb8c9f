//! Choosing among candidates: one base driver, and the extensions beside it.

use std::collections::{BTreeMap, HashMap};

use super::identifier::{OwnIds, key};
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

/// Candidates for a system, by the ids of their models lines, so that a device is compared only with lines that it meets.
#[derive(Debug)]
pub struct Ranking<'a> {
    candidates: &'a [Candidate<'a>],
    /// The lines of the sections that apply to the system, each with its candidate's index, in the candidates' order.
    lines: Vec<(usize, &'a Device)>,
    /// Lines with an id, and where they have it: 0 is the hardware id, then come the compatible ids.
    by_id: HashMap<String, Vec<Place>>,
}

/// Where a line has an id.
#[derive(Debug, Clone, Copy)]
struct Place {
    line: usize,
    place: usize,
}

impl<'a> Ranking<'a> {
    /// Looks at each line once.
    #[must_use]
    pub fn new(candidates: &'a [Candidate<'a>], os: &Os) -> Self {
        let of = |(index, candidate): (usize, &'a Candidate<'a>)| {
            let sections = applying_sections(candidate.models, os);
            sections.flat_map(|section| &section.devices).map(move |line| (index, line)).collect::<Vec<_>>()
        };
        let lines: Vec<(usize, &Device)> = candidates.iter().enumerate().flat_map(of).collect();
        let mut by_id: HashMap<String, Vec<Place>> = HashMap::new();
        for (at, (_, line)) in lines.iter().enumerate() {
            let ids = std::iter::once(&line.hardware_id).chain(&line.compatible_ids);
            for (place, id) in ids.enumerate().filter(|(_, id)| !id.is_empty()) {
                by_id.entry(key(id)).or_default().push(Place { line: at, place });
            }
        }
        Self { candidates, lines, by_id }
    }

    /// How often ids of a device and of lines meet: what [`Ranking::best`] has to look at.
    #[must_use]
    pub fn meetings(&self, ids: &DeviceIds) -> usize {
        OwnIds::new(ids).iter().filter_map(|(id, _)| self.by_id.get(id)).map(Vec::len).sum()
    }

    /// The best drivers for a device. A base driver wins by rank, date, version; an extension among those with its
    /// ExtensionId by date, version, rank. What is equal in all is decided by the order of the candidates.
    #[must_use]
    pub fn best(&self, ids: &DeviceIds) -> Best<'a> {
        let mut base: Option<Choice<'a>> = None;
        let mut extensions: BTreeMap<&'a str, Choice<'a>> = BTreeMap::new();
        for choice in self.choices(&OwnIds::new(ids)) {
            match self.candidates[choice.candidate].kind {
                DriverKind::Extension(id) => match extensions.get(id.as_str()) {
                    Some(held) if self.by_age(held) <= self.by_age(&choice) => {}
                    _ => drop(extensions.insert(id, choice)),
                },
                _ => match &base {
                    Some(held) if self.by_rank(held) <= self.by_rank(&choice) => {}
                    _ => base = Some(choice),
                },
            }
        }
        Best { base, extensions: extensions.into_values().collect() }
    }

    /// The best line of each candidate that the device meets, in the order of the candidates.
    fn choices(&self, own: &OwnIds) -> Vec<Choice<'a>> {
        let mut met: BTreeMap<usize, (u16, usize)> = BTreeMap::new();
        for (id, at) in own.iter() {
            for Place { line, place } in self.by_id.get(id).into_iter().flatten() {
                let found = (at.score(*place), *place);
                met.entry(*line).and_modify(|best| *best = found.min(*best)).or_insert(found);
            }
        }
        let mut choices: Vec<Choice<'a>> = Vec::new();
        for (at, (score, place)) in met {
            let (candidate, line) = self.lines[at];
            // An excluded id counts for the device, whichever id it matches by.
            if line.exclude_ids.iter().any(|excluded| own.contains(excluded)) {
                continue;
            }
            let rank = rank(line, self.candidates[candidate].signature, score);
            let known = choices.last_mut().filter(|choice| choice.candidate == candidate);
            if known.as_ref().is_some_and(|held| held.rank <= rank) {
                continue;
            }
            let id = place.checked_sub(1).map_or(&line.hardware_id, |at| &line.compatible_ids[at]).clone();
            let choice = Choice { candidate, rank, by: IdentifierMatch { score, id }, line };
            match known {
                Some(held) => *held = choice,
                None => choices.push(choice),
            }
        }
        choices
    }

    fn by_rank(&self, choice: &Choice<'_>) -> impl Ord + use<> {
        let (date, version) = self.age(choice);
        precedence(choice.rank, date, version)
    }

    fn by_age(&self, choice: &Choice<'_>) -> impl Ord + use<> {
        let (date, version) = self.age(choice);
        (precedence(Rank(0), date, version), choice.rank)
    }

    /// The DriverVer that counts: the install section's own, else the driver's.
    fn age(&self, choice: &Choice<'_>) -> (Option<DriverDate>, Option<DriverVersion>) {
        let candidate = &self.candidates[choice.candidate];
        match (choice.line.date, choice.line.version) {
            (None, None) => (candidate.date, candidate.version),
            own => own,
        }
    }
}

/// For each manufacturer line the section that applies to the system.
fn applying_sections<'a>(models: &'a [ModelsFacts], os: &Os) -> impl Iterator<Item = &'a ModelsFacts> {
    let lines = models.chunk_by(|a, b| a.line == b.line);
    lines.filter_map(move |line| {
        let decorations: Vec<_> = line.iter().map(|section| section.decoration).collect();
        select(&decorations, os).map(|index| &line[index])
    })
}

/// The ids of the device that Windows makes for a software component.
#[must_use]
pub fn device_of_component(component_id: &str) -> DeviceIds {
    let id = match component_id.get(..4) {
        Some(prefix) if prefix.eq_ignore_ascii_case("SWC\\") => component_id.to_owned(),
        _ => format!("SWC\\{component_id}"),
    };
    DeviceIds { hardware_ids: vec![id], compatible_ids: Vec::new() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::by_id;
    use crate::rank::tests::{ids, line};

    /// A driver of a table: kind, signed, year, version, decorated models lines by hardware id.
    struct Driver {
        kind: DriverKind,
        signature: SignatureState,
        year: u16,
        version: u16,
        models: Vec<ModelsFacts>,
    }

    fn driver(year: u16, version: u16, decoration: &str, lines: &[Device]) -> Driver {
        Driver {
            kind: DriverKind::Base,
            signature: SignatureState::Trusted,
            year,
            version,
            models: vec![section(0, decoration, lines)],
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
                component_ids: &[],
            })
            .collect()
    }

    fn windows_11() -> Os {
        by_id("Windows/All_x64_Windows_11_and_higher_Clients").unwrap().os
    }

    fn check(drivers: &[Driver], device: &DeviceIds, base: Option<usize>, extensions: &[usize]) {
        let candidates = candidates(drivers);
        let best = Ranking::new(&candidates, &windows_11()).best(device);
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
    fn a_device_is_compared_with_what_it_meets_and_with_nothing_else() {
        let many: Vec<Device> = (0..10_000).map(|n| line(&format!("PCI\\{n}"), &["PCI\\CC"])).collect();
        let drivers = [driver(2020, 1, "x64", &many), driver(2020, 1, "arm64", &many)];
        let candidates = candidates(&drivers);
        let ranking = Ranking::new(&candidates, &windows_11());
        let check =
            |device: DeviceIds, expect: usize| assert_eq!(ranking.meetings(&device), expect, "{device:?}");
        check(ids(&["PCI\\7"], &[]), 1);
        check(ids(&["pci\\7", "PCI\\7", "PCI\\NONE", ""], &["PCI\\8"]), 2);
        check(ids(&["PCI\\7"], &["PCI\\CC"]), 10_001);
    }

    #[test]
    fn components_are_devices() {
        for id in ["VEN_1", "SWC\\VEN_1"] {
            assert_eq!(device_of_component(id), ids(&["SWC\\VEN_1"], &[]));
        }
    }
}
