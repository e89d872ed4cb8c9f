//! A folder with drivers: found, read on a thread that can be left behind, and made facts.

use std::cell::OnceCell;
use std::fs::File;
use std::io::Read as _;
use std::path::Path;
use std::time::Duration;

use ::driver::analysis::{self, AnalysisError, Folder, FolderError, FolderLimits};
use ::driver::catalog::Trust;
use ::driver::inf::oem;
use ::driver::platform::{self, Platform};
use ::driver::sdm::{self, DriverDigest, PlatformCondition};
use ::driver::{Diagnostic, DriverFacts, Severity};
use content::ContentPath;
use content::tree::check_case;
use tokio::sync::OwnedSemaphorePermit;

use crate::error::{Result, SiteError};
use crate::package::source::{SourcePath, SourcePathError};
use crate::server::Site;
use crate::sources::{NoAnswer, Purpose};

/// How long a folder may take to be read for a client that waits.
const EXAMINE_LIMIT: Duration = Duration::from_secs(10 * 60);
/// Folders read at once for clients that wait.
pub(crate) const EXAMINATIONS_MAX: usize = 4;
/// Clients that wait for their turn; scripts that import in parallel send five and more at once.
pub(crate) const EXAMINATIONS_WAITING_MAX: usize = 64;
/// How long a client waits for its turn.
const TURN_LIMIT: Duration = Duration::from_secs(60);
/// Bytes of a txtsetup.oem.
const OEM_BYTES_MAX: u64 = 1 << 20;
/// Bytes of a path below a source, so that with a name that is no UTF-8 it still fits into an index of PostgreSQL.
const PATH_BYTES_MAX: usize = 1_536;
/// Names of a folder that are told to be impossible in a package.
const NAMES_REFUSED_MAX: usize = 20;
/// Findings that are told in an error.
const FINDINGS_TOLD_MAX: usize = 3;

/// Which INF files of a folder.
pub(super) enum Wanted {
    /// These, relative to the folder, with `\` or `/`.
    Infs(Vec<String>),
    /// Those that this txtsetup.oem names.
    Oem(String),
}

/// An INF file and what came of it.
pub(super) struct Examination {
    /// As the caller, or the txtsetup.oem, named it.
    pub(super) inf: String,
    pub(super) facts: Result<DriverFacts>,
}

impl Site {
    /// Reads INF files in a folder, which may be on a mount that never answers.
    ///
    /// Errors: [`SiteError::DriverUnreadable`] for the folder, [`SiteError::Busy`].
    pub(super) async fn examine(&self, driver_path: &str, wanted: Wanted) -> Result<Vec<Examination>> {
        let unreadable =
            |reason: String| SiteError::DriverUnreadable { path: driver_path.to_owned(), reason };
        let source = SourcePath::parse(driver_path, &self.options().shares)
            .map_err(|error| unreadable(error.to_string()))?;
        let permit = self.examination_turn().await?;
        let site = self.clone();
        // A task of its own: a client that goes away leaves no thread uncounted.
        let examined = tokio::spawn(async move {
            let (options, trust) = (site.options().clone(), site.trust());
            let located = source.clone();
            let work = move || match located.locate_drivers(&options) {
                Ok(folder) => read(&folder, &wanted, &trust),
                Err(error) => Err(error.to_string()),
            };
            let limit = site.clock().sleep(EXAMINE_LIMIT);
            let examined = site.sources().visit(&source, Purpose::Examine, limit, work).await;
            drop(permit);
            examined.unwrap_or_else(|NoAnswer| Err(SourcePathError::NoAnswer.to_string()))
        });
        examined.await.map_err(|_| SiteError::Stopped)?.map_err(unreadable)
    }

    /// The right to read a folder, after a while if others read theirs. Errors: [`SiteError::Busy`].
    async fn examination_turn(&self) -> Result<OwnedSemaphorePermit> {
        let busy = || SiteError::Busy { what: "many drivers are being read" };
        let _place = self.examinations_waiting().try_acquire().map_err(|_| busy())?;
        tokio::select! {
            turn = self.examinations().clone().acquire_owned() => Ok(turn.expect("the semaphore is never closed")),
            () = self.clock().sleep(TURN_LIMIT) => Err(busy()),
        }
    }
}

/// Blocking. Errors: why the folder, or the txtsetup.oem, cannot be read.
fn read(root: &Path, wanted: &Wanted, trust: &Trust) -> Result<Vec<Examination>, String> {
    let folder = scan(root).map_err(|error| error.to_string())?;
    let infs = match wanted {
        Wanted::Infs(infs) => infs.iter().map(|inf| inf.replace('\\', "/")).collect(),
        Wanted::Oem(file) => infs_of_oem(root, &folder, file)?,
    };
    let content = Content::new(&folder);
    let examine = |inf: String| {
        let facts = content.analyze(inf.trim_start_matches("./"), trust);
        Examination { facts: facts.map_err(|error| refusal(&inf, &error)), inf }
    };
    Ok(infs.into_iter().map(examine).collect())
}

/// A folder as the content of drivers, which a package must be able to hold.
pub(super) struct Content<'a> {
    folder: &'a Folder,
    /// What no package can hold; looked for once, when everything is hashed.
    refused: OnceCell<Vec<Diagnostic>>,
}

impl<'a> Content<'a> {
    pub(super) fn new(folder: &'a Folder) -> Self {
        Self { folder, refused: OnceCell::new() }
    }

    /// What is known of a driver in it. Errors: it is none, or AddDriverContent would refuse the folder.
    pub(super) fn analyze(&self, inf: &str, trust: &Trust) -> Result<DriverFacts, AnalysisError> {
        let facts = analysis::analyze(self.folder, inf, trust)?;
        let refused = self.refused.get_or_init(|| refused_by_packages(self.folder));
        if refused.is_empty() {
            return Ok(facts);
        }
        let diagnostics = refused.iter().cloned().chain(facts.diagnostics).collect();
        Err(AnalysisError::Invalid { diagnostics })
    }
}

/// Names that cannot be distributed, by the very rules of packages.
fn refused_by_packages(folder: &Folder) -> Vec<Diagnostic> {
    let finding = |code, path: &str, text: String| {
        Diagnostic::new(Severity::Error, code, format!("no package can hold the folder: {text}"))
            .in_file(path)
    };
    let (mut files, mut refused) = (Vec::new(), Vec::new());
    for path in folder.paths() {
        match ContentPath::new(path) {
            Ok(name) => files.extend(folder.digests(path).ok().map(|digests| (name, digests.sha256))),
            Err(error) if refused.len() < NAMES_REFUSED_MAX => {
                refused.push(finding(
                    "name_not_distributable",
                    path,
                    format!("{path:?}: {error}; rename it"),
                ));
            }
            Err(_) => {}
        }
    }
    let files = files.iter().map(|(path, hash)| (path, hash));
    if let Err(error) = check_case(std::iter::empty(), files) {
        refused.push(finding("name_case_conflict", "", error.to_string()));
    }
    refused
}

/// Reads a folder's names.
pub(crate) fn scan(root: &Path) -> Result<Folder, FolderError> {
    Folder::scan(root, &FolderLimits { path_bytes_max: PATH_BYTES_MAX, ..FolderLimits::default() })
}

/// The INF files that a txtsetup.oem in the folder names.
fn infs_of_oem(root: &Path, folder: &Folder, file: &str) -> Result<Vec<String>, String> {
    let path = folder.lookup(file).ok_or_else(|| format!("there is no {file} in the folder"))?;
    let mut bytes = Vec::new();
    let opened =
        File::open(root.join(path)).and_then(|file| file.take(OEM_BYTES_MAX + 1).read_to_end(&mut bytes));
    opened.map_err(|error| format!("{file}: {}", error.kind()))?;
    if bytes.len() as u64 > OEM_BYTES_MAX {
        return Err(format!("{file} has more than {OEM_BYTES_MAX} bytes"));
    }
    let within = path.rsplit_once('/').map_or("", |(within, _)| within);
    let place = |inf: &str| if within.is_empty() { inf.to_owned() } else { format!("{within}/{inf}") };
    Ok(oem::parse(&bytes).inf_files().into_iter().map(place).collect())
}

/// What the provider answers where an INF file cannot be a driver.
fn refusal(inf: &str, error: &AnalysisError) -> SiteError {
    let inf = inf.to_owned();
    match error {
        AnalysisError::Unreadable { .. } => SiteError::DriverUnreadable { path: inf, reason: reason(error) },
        AnalysisError::Invalid { .. } => SiteError::DriverInvalid { inf, reason: reason(error) },
        AnalysisError::NoSupportedPlatform { .. } => SiteError::DriverNotSupported { inf },
    }
}

/// Why an INF file is refused, in a few words that name no path of this machine.
pub(crate) fn reason(error: &AnalysisError) -> String {
    let errors = error.diagnostics().iter().filter(|found| found.severity == Severity::Error);
    // What is not about a line of the INF file is about a file beside it.
    let told = |found: &Diagnostic| match found.place {
        None if !found.file.is_empty() => format!("{}: {}", found.file, found.text),
        _ => found.text.clone(),
    };
    let told: Vec<String> = errors.take(FINDINGS_TOLD_MAX).map(told).collect();
    match error {
        AnalysisError::Unreadable { file, source } => {
            format!("{file}: {}; check the file and its rights", source.kind())
        }
        _ if told.is_empty() => error.to_string(),
        _ => told.join("; "),
    }
}

/// The definition that a client carries, of a driver that nobody has edited.
pub(crate) fn definition(facts: &DriverFacts, unique_id: &str, content_source_path: &str) -> String {
    let known = facts.platforms.iter().filter_map(|id| platform::by_id(id));
    sdm::write(&digest(facts, unique_id, content_source_path, known.map(condition).collect()))
}

/// What the definition of a driver says, beside the platforms.
pub(super) fn digest(
    facts: &DriverFacts,
    unique_id: &str,
    content_source_path: &str,
    conditions: Vec<PlatformCondition>,
) -> DriverDigest {
    DriverDigest {
        unique_id: unique_id.to_owned(),
        version: 1,
        display_name: facts.display_name.clone(),
        inf_file: facts.inf_file.clone(),
        class: facts.class.clone(),
        provider: facts.provider.clone(),
        date: facts.date,
        version_text: facts.version_text.clone(),
        boot_critical: facts.boot_critical,
        signed: facts.signature.state.is_signed(),
        signer: facts.signature.signer.clone(),
        content_hash: facts.content.hash.clone(),
        content_source_path: content_source_path.to_owned(),
        conditions,
        other: Vec::new(),
    }
}

fn condition(platform: &Platform) -> PlatformCondition {
    PlatformCondition {
        display_name: platform.display_text.to_owned(),
        name: platform.name.to_owned(),
        platform: platform.platform.to_owned(),
        min_version: platform.min_version.to_owned(),
        max_version: platform.max_version.to_owned(),
        query1: platform.query_os(),
        query2: platform.query_processor().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;
    use crate::inf::{driver_folder, unc};
    use crate::stage::admin;

    on_both! {
        async fn a_client_waits_for_its_turn_for_a_while(stage: &Stage) {
            driver_folder(stage, "one", "PCI\\VEN_1");
            let all = u32::try_from(EXAMINATIONS_MAX).unwrap();
            let others = stage.site.examinations().clone().acquire_many_owned(all).await.unwrap();
            let (admin, path) = (admin(), unc("one"));
            let mut waits = Box::pin(stage.site.analyze_inf(&admin, &path, "nic.inf"));
            assert!((&mut waits).now_or_never().is_none(), "it waits");
            drop(others);
            waits.await.unwrap();

            let _others = stage.site.examinations().clone().acquire_many_owned(all).await.unwrap();
            let mut waits = Box::pin(stage.site.analyze_inf(&admin, &path, "nic.inf"));
            assert!((&mut waits).now_or_never().is_none(), "it waits");
            stage.clock.advance(TURN_LIMIT);
            assert!(matches!(waits.await, Err(SiteError::Busy { .. })));
        }
    }
}
