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
mod ranking;
mod relay;

#[cfg(test)]
mod tests;

pub use choose::{ChosenPackage, ModelRequest, PackageChoice, PackageVerdict};
pub use download::{DownloadEntry, DriverDownload};
pub use places::{ContentPlace, OfferedPackage};
pub(crate) use ranking::Matching;

// What requests are made of.
pub use ::driver::inf::Architecture;
pub use ::driver::platform::{Os, OsError};
pub use ::driver::rank::DeviceIds;
pub use ::driver::vendor::choice::{MachineModel, TargetOs};

use std::collections::{BTreeMap, BTreeSet};

use ::driver::devices::{DEVICE_IDS_MAX, DEVICES_MAX, ID_CHARS_MAX};
use ::driver::rank::device_of_component;

use crate::access::Actor;
use crate::error::{Result, SiteError};
use crate::server::Site;
use ranking::{Ranked, Rounds};

/// Hardware and compatible ids of all of them.
const IDS_MAX: usize = 20_000;
/// How often components may add components.
const COMPONENT_ROUNDS_MAX: usize = 8;
/// Components of one machine; more are not looked for.
const COMPONENTS_MAX: usize = 256;

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
    /// The packages that hold any of the drivers, by package id.
    pub packages: BTreeMap<String, OfferedPackage>,
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
    /// Where it is in the report's packages; at most 16 of them.
    pub places: Vec<ContentPlace>,
}

impl MatchReport {
    /// Every driver of the report.
    pub fn drivers(&self) -> impl Iterator<Item = &MatchedDriver> {
        let all = self.devices.iter().chain(&self.components);
        all.flat_map(|device| device.best.iter().chain(&device.extensions))
    }

    fn drivers_mut(&mut self) -> impl Iterator<Item = &mut MatchedDriver> {
        let all = self.devices.iter_mut().chain(&mut self.components);
        all.flat_map(|device| device.best.iter_mut().chain(&mut device.extensions))
    }

    /// The CI_IDs of every driver of the report, each once.
    #[must_use]
    pub fn ci_ids(&self) -> Vec<i64> {
        let ids: BTreeSet<i64> = self.drivers().map(|driver| driver.ci_id).collect();
        ids.into_iter().collect()
    }
}

impl Site {
    /// The best drivers of the catalog for a machine's devices, by Windows' ranking rules; enabled drivers only, and
    /// those only that exist for whoever asks: a machine finds what the user finds that it signs in as.
    ///
    /// Everybody may ask. Errors: [`SiteError::InvalidField`] for too many devices or ids, [`SiteError::Busy`].
    pub async fn match_drivers(&self, actor: &Actor, request: MatchRequest) -> Result<MatchReport> {
        check(&request)?;
        let mut rounds = Rounds::new(self, request.os, &actor.scopes).await?;
        let devices = rounds.rank(request.devices).await?;
        let components = components(&mut rounds, &devices).await?;
        drop(rounds);
        let matches = |ranked: Vec<Ranked>| ranked.into_iter().map(|ranked| ranked.found).collect();
        let mut report = MatchReport {
            devices: matches(devices),
            components: matches(components),
            packages: BTreeMap::new(),
        };
        let contents = report.drivers().map(|driver| driver.content_id).collect();
        let places = self.content_places(&contents, &actor.scopes).await?;
        for driver in report.drivers_mut() {
            driver.places = places.of_contents.get(&driver.content_id).cloned().unwrap_or_default();
        }
        report.packages = places.packages;
        Ok(report)
    }
}

/// The drivers of the components that the chosen drivers add, and of those that these add in turn; each component once,
/// in the order in which they are named.
async fn components(rounds: &mut Rounds<'_>, devices: &[Ranked]) -> Result<Vec<Ranked>> {
    let mut known = BTreeSet::new();
    let mut found: Vec<Ranked> = Vec::new();
    let mut named: Vec<String> = devices.iter().flat_map(|ranked| ranked.adds.clone()).collect();
    for _ in 0..COMPONENT_ROUNDS_MAX {
        let new = named.iter().map(|id| device_of_component(id));
        let mut new: Vec<DeviceIds> =
            new.filter(|ids| known.insert(ids.hardware_ids[0].to_lowercase())).collect();
        new.truncate(COMPONENTS_MAX - found.len());
        if new.is_empty() {
            break;
        }
        let round = rounds.rank(new).await?;
        named = round.iter().flat_map(|ranked| ranked.adds.clone()).collect();
        found.extend(round);
    }
    Ok(found)
}

fn check(request: &MatchRequest) -> Result<()> {
    let invalid = |reason: String| Err(SiteError::invalid("Devices", reason));
    if request.devices.is_empty() || request.devices.len() > DEVICES_MAX {
        return invalid(format!("1 to {DEVICES_MAX} devices are needed"));
    }
    if request.devices.iter().map(|ids| all_ids(ids).count()).sum::<usize>() > IDS_MAX {
        return invalid(format!("at most {IDS_MAX} ids are allowed"));
    }
    if request.devices.iter().any(|ids| all_ids(ids).count() > DEVICE_IDS_MAX) {
        return invalid(format!("a device has at most {DEVICE_IDS_MAX} ids"));
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
