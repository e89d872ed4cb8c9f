//! Drafts: what CreateFromINF returns, before the client puts it.
//!
//! Nothing is stored. What was read is remembered for a while, so that the put need not read the folder again.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ::driver::DriverFacts;

use super::create::already_imported;
use super::folder::{self, Examination, Wanted};
use super::store;
use crate::access::scope::SecuredType;
use crate::access::{Action, Actor};
use crate::error::{Result, SiteError};
use crate::server::Site;

/// Drafts that are remembered: those of one call at least, since the client puts them one by one.
const DRAFTS_MAX: usize = 1_024;
/// Memory of all of them, as estimated.
const DRAFTS_BYTES_MAX: usize = 64 << 20;
/// How long a draft is remembered: a client puts it at once, and the folder may change.
const DRAFT_LIFE: Duration = Duration::from_secs(10 * 60);
/// INF files of one call.
const INFS_MAX: usize = 1_000;
const _: () = assert!(INFS_MAX <= DRAFTS_MAX);

/// A driver as it would enter the catalog.
#[derive(Debug, Clone, PartialEq)]
pub struct DriverDraft {
    /// The CI_UniqueID that it would have.
    pub unique_id: String,
    /// Where the files are, as the caller named it.
    pub content_source_path: String,
    /// SDMPackageXML.
    pub sdm_package_xml: String,
    /// Everything that is known of it.
    pub facts: Arc<DriverFacts>,
}

/// The CI_UniqueIDs that are in the catalog, and whether the caller sees them.
type Existing = HashMap<String, bool>;

impl Site {
    /// Reads an INF file in a folder with a driver's files; CreateFromINF.
    ///
    /// Errors: [`SiteError::DriverUnreadable`] (Win32 error 2), [`SiteError::DriverInvalid`] (13),
    /// [`SiteError::DriverAlreadyImported`] (183), [`SiteError::DriverNotSupported`] (1633), [`SiteError::Busy`],
    /// [`SiteError::AccessDenied`].
    pub async fn analyze_inf(&self, actor: &Actor, driver_path: &str, inf: &str) -> Result<DriverDraft> {
        let mut drafts = self.analyze_infs(actor, driver_path, &[inf.to_owned()]).await?;
        drafts.pop().ok_or(SiteError::Stopped)
    }

    /// Reads several INF files of one folder; CreateFromINFs. The first one that is refused refuses all.
    ///
    /// Errors: as [`Site::analyze_inf`].
    pub async fn analyze_infs(
        &self,
        actor: &Actor,
        driver_path: &str,
        infs: &[String],
    ) -> Result<Vec<DriverDraft>> {
        actor.may(Action::ChangeDrivers)?;
        if infs.is_empty() || infs.len() > INFS_MAX {
            return Err(SiteError::invalid("INFFiles", format!("1 to {INFS_MAX} INF files are needed")));
        }
        let examined = self.examine(driver_path, Wanted::Infs(infs.to_vec())).await?;
        let existing = self.existing_of(actor, &examined).await?;
        examined.into_iter().map(|examination| self.draft(driver_path, examination, &existing)).collect()
    }

    /// Reads the INF files that a txtsetup.oem names; CreateFromOEM. Succeeds if one of them can be imported.
    ///
    /// Errors: as [`Site::analyze_inf`]; [`SiteError::DriverAlreadyImported`] if all valid ones are there already.
    pub async fn analyze_oem(
        &self,
        actor: &Actor,
        driver_path: &str,
        oem_file: &str,
    ) -> Result<Vec<DriverDraft>> {
        actor.may(Action::ChangeDrivers)?;
        let examined = self.examine(driver_path, Wanted::Oem(oem_file.to_owned())).await?;
        let existing = self.existing_of(actor, &examined).await?;
        let (mut drafts, mut present, mut refused) = (Vec::new(), None, None);
        for mut examination in examined {
            if let Ok(facts) = &mut examination.facts {
                facts.boot_critical = true;
            }
            match self.draft(driver_path, examination, &existing) {
                Ok(draft) => drafts.push(draft),
                Err(
                    error @ (SiteError::DriverAlreadyImported { .. } | SiteError::DriverOutOfScope { .. }),
                ) => present = present.or(Some(error)),
                Err(error) => refused = refused.or(Some(error)),
            }
        }
        let reason = || "it names no INF file".to_owned();
        let nothing = || SiteError::DriverInvalid { inf: oem_file.to_owned(), reason: reason() };
        if drafts.is_empty() { Err(present.or(refused).unwrap_or_else(nothing)) } else { Ok(drafts) }
    }

    /// Which of them are in the catalog.
    async fn existing_of(&self, actor: &Actor, examined: &[Examination]) -> Result<Existing> {
        let facts = examined.iter().filter_map(|examination| examination.facts.as_ref().ok());
        let unique_ids: Vec<String> = facts.map(|facts| self.driver_unique_id(&facts.id)).collect();
        let existing = store::existing_now(self.db(), &unique_ids).await?;
        let keys: Vec<String> = existing.values().map(i64::to_string).collect();
        let visible = self.visible_of(actor, SecuredType::Driver, &keys).await?;
        let seen = |(unique_id, ci_id): (String, i64)| (unique_id, visible.contains(&ci_id.to_string()));
        Ok(existing.into_iter().map(seen).collect())
    }

    fn draft(&self, driver_path: &str, examination: Examination, existing: &Existing) -> Result<DriverDraft> {
        let facts = examination.facts?;
        let unique_id = self.driver_unique_id(&facts.id);
        if let Some(seen) = existing.get(&unique_id) {
            return Err(already_imported(examination.inf, unique_id, *seen));
        }
        let draft = DriverDraft {
            sdm_package_xml: folder::definition(&facts, &unique_id, driver_path),
            unique_id,
            content_source_path: driver_path.to_owned(),
            facts: Arc::new(facts),
        };
        self.drafts().remember(&draft, self.clock().monotonic());
        Ok(draft)
    }
}

/// The drafts of the last minutes.
#[derive(Debug, Default)]
pub(crate) struct Drafts(Mutex<VecDeque<Remembered>>);

#[derive(Debug)]
struct Remembered {
    draft: DriverDraft,
    bytes: usize,
    /// By the monotonic clock.
    at: Duration,
}

impl Drafts {
    /// What is known of the driver with this CI_UniqueID in this folder.
    pub(super) fn recall(&self, unique_id: &str, path: &str, now: Duration) -> Option<Arc<DriverFacts>> {
        let mut drafts = self.lock();
        drafts.retain(|known| now.saturating_sub(known.at) < DRAFT_LIFE);
        let same = |known: &&Remembered| {
            known.draft.unique_id == unique_id && known.draft.content_source_path == path
        };
        drafts.iter().find(same).map(|known| Arc::clone(&known.draft.facts))
    }

    fn remember(&self, draft: &DriverDraft, at: Duration) {
        let bytes = bytes_of(draft);
        let mut drafts = self.lock();
        drafts.retain(|known| known.draft.unique_id != draft.unique_id);
        drafts.push_back(Remembered { draft: draft.clone(), bytes, at });
        let mut total: usize = drafts.iter().map(|known| known.bytes).sum();
        while drafts.len() > DRAFTS_MAX || total > DRAFTS_BYTES_MAX {
            let Some(oldest) = drafts.pop_front() else { break };
            total -= oldest.bytes;
        }
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Remembered>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// About what a draft takes in memory: its long lists of texts.
fn bytes_of(draft: &DriverDraft) -> usize {
    /// A text's own size and its place in a list.
    const TEXT_BYTES: usize = 48;
    let devices = draft.facts.models.iter().flat_map(|models| &models.devices);
    let devices: usize = devices.map(|device| (3 + device.compatible_ids.len()) * TEXT_BYTES * 2).sum();
    devices + draft.sdm_package_xml.len() + draft.facts.payload.len() * TEXT_BYTES * 2
}

#[cfg(test)]
mod tests {
    use ::driver::{ContentFacts, DriverKind, PayloadFile, Signature, SignatureState};

    use super::*;

    fn draft(number: usize, payload: usize) -> DriverDraft {
        let file =
            PayloadFile { path: "a.sys".to_owned(), architectures: Vec::new(), present: true, covered: None };
        let signature = Signature {
            state: SignatureState::NoCatalog,
            signer: String::new(),
            program: String::new(),
            whql: false,
        };
        let facts = DriverFacts {
            id: number.to_string(),
            inf_file: "a.inf".to_owned(),
            content: ContentFacts { hash: String::new(), files: 0, bytes: 0 },
            class: String::new(),
            class_guid: String::new(),
            provider: String::new(),
            date: None,
            version: None,
            version_text: String::new(),
            kind: DriverKind::Base,
            signature,
            boot_start: false,
            boot_critical: false,
            models: Vec::new(),
            platforms: Vec::new(),
            payload: vec![file; payload],
            component_ids: Vec::new(),
            display_name: String::new(),
            diagnostics: Vec::new(),
        };
        DriverDraft {
            unique_id: format!("DRIVER_{number}"),
            content_source_path: "/a".to_owned(),
            sdm_package_xml: String::new(),
            facts: Arc::new(facts),
        }
    }

    #[test]
    fn drafts_are_few_small_and_young() {
        let check = |drafts: usize, payload: usize, at_s: u64, number: usize, path: &str, expect: bool| {
            let known = Drafts::default();
            for number in 0..drafts {
                known.remember(&draft(number, payload), Duration::ZERO);
            }
            let found = known.recall(&format!("DRIVER_{number}"), path, Duration::from_secs(at_s));
            assert_eq!(found.is_some(), expect, "{drafts} of {payload}, {number} at {at_s}");
        };
        check(1, 1, 0, 0, "/a", true);
        check(1, 1, 0, 0, "/b", false);
        check(1, 1, 599, 0, "/a", true);
        check(1, 1, 600, 0, "/a", false);
        check(DRAFTS_MAX, 1, 0, 0, "/a", true);
        check(DRAFTS_MAX + 1, 1, 0, 0, "/a", false);
        check(DRAFTS_MAX + 1, 1, 0, 1, "/a", true);
        // Each has about 9.6 MB, so seven would be too much.
        check(7, 100_000, 0, 0, "/a", false);
        check(7, 100_000, 0, 1, "/a", true);
    }

    #[test]
    fn a_draft_takes_the_place_of_its_predecessor() {
        let known = Drafts::default();
        for _ in 0..2 * DRAFTS_MAX {
            known.remember(&draft(1, 1), Duration::ZERO);
        }
        assert_eq!(known.lock().len(), 1);
    }
}
