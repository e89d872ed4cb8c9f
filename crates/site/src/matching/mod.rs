//! Which drivers a machine needs, and where it gets them.
//!
//! A machine names its devices' ids and its system; the catalog's drivers with any of these ids are looked up by
//! index, and Windows' own ranking decides among them in memory. Or it names its maker and model, and the package is
//! chosen as deployment scripts choose it. Either way the answer says in which packages the content is and at which
//! distribution points.

mod candidates;
mod choose;
mod download;
mod places;

#[cfg(test)]
mod tests;

pub use choose::{ChosenPackage, ModelRequest, PackageChoice, PackageVerdict};
pub use download::{DownloadEntry, DriverDownload};
pub use places::ContentPlace;

// What requests are made of.
pub use ::driver::inf::Architecture;
pub use ::driver::platform::Os;
pub use ::driver::rank::DeviceIds;
pub use ::driver::vendor::choice::{MachineModel, TargetOs};

use std::collections::{BTreeMap, BTreeSet};

use ::driver::SignatureState;
use ::driver::rank::{self, Best, Candidate, Choice};

use crate::access::Actor;
use crate::error::{Result, SiteError};
use crate::server::Site;
use candidates::Candidates;

/// Devices of one machine.
const DEVICES_MAX: usize = 1024;
/// Hardware and compatible ids of all of them.
const IDS_MAX: usize = 20_000;
/// Characters of an id; Windows takes 200.
const ID_CHARS_MAX: usize = 512;
/// How often components may add components.
const COMPONENT_ROUNDS_MAX: usize = 8;

/// A machine that asks for drivers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MatchRequest {
    /// The system that runs, or is to run, on it.
    pub os: Os,
    /// Its devices.
    pub devices: Vec<DeviceIds>,
}

/// What was found for a machine.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MatchReport {
    /// One for each device, in the order of the request.
    pub devices: Vec<DeviceMatch>,
    /// The drivers of the software components that the chosen drivers add.
    pub components: Vec<DeviceMatch>,
}

/// What was found for a device.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DeviceMatch {
    /// As the machine named them; of a component the one id that Windows gives it.
    pub ids: DeviceIds,
    /// The best base driver, if the catalog has any.
    pub best: Option<MatchedDriver>,
    /// The extensions beside it, one for each ExtensionId.
    pub extensions: Vec<MatchedDriver>,
}

/// A driver for a device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MatchedDriver {
    /// CI_ID.
    pub ci_id: i64,
    /// CI_UniqueID.
    pub unique_id: String,
    /// The driver's name.
    pub name: String,
    /// The INF file relative to the content, with `/`.
    pub inf_file: String,
    /// The device class.
    pub class: String,
    /// The driver's provider.
    pub provider: String,
    /// The version as the INF spells it.
    pub version: String,
    /// Windows' rank of it, `0xSSGGTHHH`; less is better.
    pub rank: u32,
    /// The id of the device by which it matched.
    pub matched_id: String,
    /// How the rank came about, in words, the weightiest first.
    pub reasons: Vec<String>,
    /// ContentID.
    pub content_id: i64,
    /// The packages that hold it in their stored version.
    pub places: Vec<ContentPlace>,
}

impl MatchReport {
    /// Every driver of the report.
    pub fn drivers(&self) -> impl Iterator<Item = &MatchedDriver> {
        let all = self.devices.iter().chain(&self.components);
        all.flat_map(|device| device.best.iter().chain(&device.extensions))
    }

    /// The CI_IDs of every driver of the report, each once.
    #[must_use]
    pub fn ci_ids(&self) -> Vec<i64> {
        let ids: BTreeSet<i64> = self.drivers().map(|driver| driver.ci_id).collect();
        ids.into_iter().collect()
    }
}

impl Site {
    /// The best drivers of the catalog for a machine's devices, by Windows' ranking rules; enabled drivers only.
    ///
    /// Everybody may ask. Errors: [`SiteError::InvalidField`] for too many devices or ids.
    pub async fn match_drivers(&self, _actor: &Actor, request: MatchRequest) -> Result<MatchReport> {
        check(&request)?;
        let mut candidates = Candidates::default();
        let asked = request.devices.iter().flat_map(all_ids).map(str::to_lowercase).collect();
        self.add_candidates(&mut candidates, asked).await?;
        self.add_components(&mut candidates, &request).await?;
        let ranked = candidates.ranked();
        let found: Vec<Best<'_>> =
            request.devices.iter().map(|ids| rank::best(&ranked, ids, &request.os)).collect();
        let components = rank::components(&chosen(&found), &ranked, &request.os);
        let mut places = BTreeMap::new();
        let contents: BTreeSet<i64> = found
            .iter()
            .chain(components.iter().map(|(_, best)| best))
            .flat_map(Best::all)
            .map(|choice| candidates.drivers[choice.candidate].content_id)
            .collect();
        for place in self.content_places(&contents).await? {
            places.entry(place.content_id).or_insert_with(Vec::new).push(place);
        }
        let report = |ids: &DeviceIds, best: &Best<'_>| {
            let matched = |choice: &Choice<'_>| matched(&candidates, &ranked, &places, ids, choice);
            DeviceMatch {
                ids: ids.clone(),
                best: best.base.as_ref().map(matched),
                extensions: best.extensions.iter().map(matched).collect(),
            }
        };
        Ok(MatchReport {
            devices: request.devices.iter().zip(&found).map(|(ids, best)| report(ids, best)).collect(),
            components: components.iter().map(|(ids, best)| report(ids, best)).collect(),
        })
    }

    /// Looks up the drivers of the components that chosen drivers add, and of those that these add in turn.
    async fn add_components(&self, candidates: &mut Candidates, request: &MatchRequest) -> Result<()> {
        for _ in 0..COMPONENT_ROUNDS_MAX {
            let wanted: BTreeSet<String> = {
                let ranked = candidates.ranked();
                let found: Vec<_> =
                    request.devices.iter().map(|ids| rank::best(&ranked, ids, &request.os)).collect();
                let chosen = chosen(&found);
                let known = rank::components(&chosen, &ranked, &request.os);
                known.iter().flat_map(|(ids, _)| all_ids(ids)).map(str::to_lowercase).collect()
            };
            if !self.add_candidates(candidates, wanted).await? {
                break;
            }
        }
        Ok(())
    }
}

fn check(request: &MatchRequest) -> Result<()> {
    let invalid = |reason: String| Err(SiteError::invalid("Devices", reason));
    if request.devices.is_empty() || request.devices.len() > DEVICES_MAX {
        return invalid(format!("1 to {DEVICES_MAX} devices are needed"));
    }
    if request.devices.iter().map(|ids| all_ids(ids).count()).sum::<usize>() > IDS_MAX {
        return invalid(format!("at most {IDS_MAX} ids are allowed"));
    }
    let bad = |id: &str| id.chars().count() > ID_CHARS_MAX || id.contains('\0');
    if request.devices.iter().flat_map(all_ids).any(bad) {
        return invalid(format!("an id has at most {ID_CHARS_MAX} characters and no null character"));
    }
    Ok(())
}

fn all_ids(ids: &DeviceIds) -> impl Iterator<Item = &str> {
    ids.hardware_ids.iter().chain(&ids.compatible_ids).map(String::as_str)
}

/// The indexes of the chosen candidates, each once.
fn chosen(found: &[Best<'_>]) -> Vec<usize> {
    let chosen: BTreeSet<usize> = found.iter().flat_map(Best::all).map(|choice| choice.candidate).collect();
    chosen.into_iter().collect()
}

fn matched(
    candidates: &Candidates,
    ranked: &[Candidate<'_>],
    places: &BTreeMap<i64, Vec<ContentPlace>>,
    ids: &DeviceIds,
    choice: &Choice<'_>,
) -> MatchedDriver {
    let driver = &candidates.drivers[choice.candidate];
    let matched_id = all_ids(ids).find(|id| id.eq_ignore_ascii_case(&choice.by.id)).unwrap_or(&choice.by.id);
    MatchedDriver {
        ci_id: driver.ci_id,
        unique_id: driver.unique_id.clone(),
        name: driver.name.clone(),
        inf_file: driver.inf_file.clone(),
        class: driver.class.clone(),
        provider: driver.provider.clone(),
        version: driver.version_text.clone(),
        rank: choice.rank.0,
        matched_id: matched_id.to_owned(),
        reasons: reasons(&ranked[choice.candidate], choice, matched_id),
        content_id: driver.content_id,
        places: places.get(&driver.content_id).cloned().unwrap_or_default(),
    }
}

fn reasons(candidate: &Candidate<'_>, choice: &Choice<'_>, matched_id: &str) -> Vec<String> {
    let signature = match candidate.signature {
        SignatureState::Trusted => "its signature is trusted",
        SignatureState::SignerNotTrusted => "it is signed, by a signer that is not trusted here",
        _ if choice.line.nt_section => "it is not signed",
        _ => "it is not signed, and its install section is not for NT",
    };
    let mut reasons = vec![signature.to_owned()];
    if choice.line.feature_score != u8::MAX {
        reasons.push(format!("its feature score is {:02X}", choice.line.feature_score));
    }
    let score = choice.by.score;
    let (kind, theirs) = match score >> 12 {
        0 => ("hardware", "hardware"),
        1 => ("hardware", "compatible"),
        2 => ("compatible", "hardware"),
        _ => ("compatible", "compatible"),
    };
    let position = if score >> 12 == 3 { score & 0xFF } else { score & 0xFFF } + 1;
    reasons.push(format!("{kind} id {position} of the device, {matched_id}, is a {theirs} id of the driver"));
    let (date, version) = match (choice.line.date, choice.line.version) {
        (None, None) => (candidate.date, candidate.version),
        own => own,
    };
    if let Some(date) = date {
        reasons.push(format!("it is of {:04}-{:02}-{:02}", date.year, date.month, date.day));
    }
    if let Some(version) = version {
        let [a, b, c, d] = version.0;
        reasons.push(format!("its version is {a}.{b}.{c}.{d}"));
    }
    reasons
}
