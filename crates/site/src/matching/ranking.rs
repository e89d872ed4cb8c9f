//! Ranking for one machine: looked up in the database, done on a thread that may take its time, a few machines at once.
//!
//! What a machine's ids hit is up to whoever asks and to the vendors' INF files, so every step has a limit: machines,
//! models lines over all rounds, and how often ids of devices and of lines meet.

use std::collections::BTreeSet;
use std::sync::Arc;

use ::driver::SignatureState;
use ::driver::platform::Os;
use ::driver::rank::{Candidate, Choice, DeviceIds, Ranking};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::candidates::{Known, LINES_MAX};
use super::{DeviceMatch, MatchedDriver, all_ids};
use crate::access::Scopes;
use crate::error::{Result, SiteError};
use crate::library::blocking;
use crate::server::Site;

/// Machines whose drivers are looked for at once: each may have all of [`LINES_MAX`] in memory.
const MATCHES_MAX: usize = 4;
/// Machines that are looked after or wait for their turn; a classroom starts at once.
const MACHINES_MAX: usize = 64;
/// How often ids of one round's devices and of models lines may meet.
const MEETINGS_MAX: usize = 5_000_000;

/// The turns of machines that ask for drivers.
#[derive(Debug)]
pub(crate) struct Matching {
    machines: Arc<Semaphore>,
    turns: Arc<Semaphore>,
}

impl Default for Matching {
    fn default() -> Self {
        Self {
            machines: Arc::new(Semaphore::new(MACHINES_MAX)),
            turns: Arc::new(Semaphore::new(MATCHES_MAX)),
        }
    }
}

impl Matching {
    async fn turn(&self) -> Result<Turn> {
        let machine = Arc::clone(&self.machines).try_acquire_owned();
        let machine = machine.map_err(|_| SiteError::Busy { what: "many machines ask for drivers" })?;
        let turn = Arc::clone(&self.turns).acquire_owned().await.map_err(|_| SiteError::Stopped)?;
        Ok(Turn { _machine: machine, _turn: turn })
    }

    /// Takes every place, as so many machines do.
    #[cfg(test)]
    pub(super) fn fill(&self) -> OwnedSemaphorePermit {
        let all = u32::try_from(MACHINES_MAX).expect("a small number");
        Arc::clone(&self.machines).try_acquire_many_owned(all).expect("nobody else asks")
    }
}

/// Ends with the last thread that works for the machine, not with the machine's patience.
#[derive(Debug)]
struct Turn {
    _machine: OwnedSemaphorePermit,
    _turn: OwnedSemaphorePermit,
}

/// A machine's turn: its devices first, then the components that their drivers add.
pub(super) struct Rounds<'a> {
    site: &'a Site,
    os: Os,
    /// Whose drivers are looked at.
    scopes: &'a Scopes,
    turn: Arc<Turn>,
    /// Of [`LINES_MAX`].
    lines_left: usize,
}

/// What was found for a device.
#[derive(Debug)]
pub(super) struct Ranked {
    /// Without places.
    pub(super) found: DeviceMatch,
    /// The ids of the components that its drivers add.
    pub(super) adds: Vec<String>,
}

impl<'a> Rounds<'a> {
    /// Waits for a turn. Errors: [`SiteError::Busy`].
    pub(super) async fn new(site: &'a Site, os: Os, scopes: &'a Scopes) -> Result<Self> {
        let turn = Arc::new(site.matching().turn().await?);
        Ok(Self { site, os, scopes, turn, lines_left: LINES_MAX })
    }

    /// Ranks for these devices all drivers that have any of their ids.
    pub(super) async fn rank(&mut self, devices: Vec<DeviceIds>) -> Result<Vec<Ranked>> {
        let ids: BTreeSet<String> = devices.iter().flat_map(all_ids).map(str::to_lowercase).collect();
        let known = self.site.candidates(ids, self.scopes, &mut self.lines_left).await?;
        let (turn, os) = (Arc::clone(&self.turn), self.os);
        blocking(move || {
            let ranked = rank(&known, devices, &os);
            drop(turn);
            ranked
        })
        .await
    }
}

fn rank(known: &[Known], devices: Vec<DeviceIds>, os: &Os) -> Result<Vec<Ranked>> {
    let candidates: Vec<Candidate<'_>> = known.iter().map(Known::candidate).collect();
    let ranking = Ranking::new(&candidates, os);
    if devices.iter().map(|ids| ranking.meetings(ids)).sum::<usize>() > MEETINGS_MAX {
        let reason = "the catalog has too many models with these ids; ask for fewer devices";
        return Err(SiteError::invalid("Devices", reason.to_owned()));
    }
    let mut ranked = Vec::with_capacity(devices.len());
    for ids in devices {
        let best = ranking.best(&ids);
        let adds = best.all().flat_map(|choice| candidates[choice.candidate].component_ids.to_vec());
        let adds = adds.collect();
        let matched = |choice: &Choice<'_>| {
            matched(&known[choice.candidate], &candidates[choice.candidate], &ids, choice)
        };
        let (base, extensions) =
            (best.base.as_ref().map(matched), best.extensions.iter().map(matched).collect());
        ranked.push(Ranked { found: DeviceMatch { best: base, extensions, ids }, adds });
    }
    Ok(ranked)
}

fn matched(driver: &Known, candidate: &Candidate<'_>, ids: &DeviceIds, choice: &Choice<'_>) -> MatchedDriver {
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
        reasons: reasons(candidate, choice, matched_id),
        content_id: driver.content_id,
        places: Vec::new(),
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
