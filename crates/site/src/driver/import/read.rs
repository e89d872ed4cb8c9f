//! Reading a source: all its INF files, on several threads that a dead mount may hold for ever.

use std::collections::{BTreeMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use ::driver::analysis::{self, AnalysisError, Folder};
use ::driver::catalog::Trust;
use ::driver::{Diagnostic, DriverFacts};
use tokio::sync::{Notify, mpsc};
use tokio_util::sync::CancellationToken;

use crate::driver::folder::{self, Content};
use crate::driver::store::lines;

/// Threads of one import, as far as the machine has processors.
const THREADS_MAX: usize = 8;
/// Drivers that were read and not written yet; each may have tens of thousands of device ids.
pub(super) const READ_AHEAD_MAX: usize = 32;
/// INF files of one source.
const INFS_MAX: usize = 250_000;

/// What the guard of an import and its threads tell each other.
#[derive(Debug, Default)]
pub(super) struct Watch {
    /// Everything shall end at its next step.
    pub(super) stop: CancellationToken,
    /// The source that is being read is left behind.
    pub(super) left_behind: Notify,
    /// Rises as long as the import gets on.
    pub(super) steps: Arc<AtomicU64>,
    /// Bytes read so far.
    pub(super) bytes: AtomicU64,
}

impl Watch {
    pub(super) fn step(&self) {
        self.steps.fetch_add(1, Ordering::Relaxed);
    }

    /// What a transfer raises as it gets on.
    pub(super) fn meter(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.steps)
    }
}

/// Folders of one source of which it is told that they were not read.
const LEFT_OUT_TOLD_MAX: usize = 1_000;

/// What to read.
pub(super) struct Reading {
    /// On disk.
    pub(super) folder: PathBuf,
    /// The same as drivers name it.
    pub(super) name: String,
    /// INF files that have an outcome already.
    pub(super) done: HashSet<String>,
    pub(super) trust: Trust,
    /// The scope of unique ids.
    pub(super) scope: String,
    /// Bytes of the sources before.
    pub(super) bytes_before: u64,
    pub(super) watch: Arc<Watch>,
}

/// What the threads say.
pub(super) enum Event {
    /// How much there is.
    Found { files: u64, infs: u64 },
    /// An INF file was read.
    Item(Box<Item>),
}

/// An INF file and what it is, or a folder that was not read.
pub(super) struct Item {
    /// Relative to the source, with `/`; that of a folder ends so.
    pub(super) path: String,
    pub(super) verdict: Verdict,
}

/// What an INF file is.
pub(super) enum Verdict {
    Driver { facts: Box<DriverFacts>, sdm_package_xml: String, content_source_path: String },
    Refused(Refusal),
}

/// Why an INF file, or a source, gave no driver.
pub(super) struct Refusal {
    pub(super) outcome: Outcome,
    /// The Win32 error that CreateFromINF would give.
    pub(super) error_code: u32,
    pub(super) reason: String,
    /// A line for each.
    pub(super) diagnostics: String,
}

/// The numbers of `driver_import_item.outcome`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    Imported = 0,
    AlreadyImported = 1,
    Invalid = 2,
    NotSupported = 3,
    Unreadable = 4,
    Skipped = 5,
    SourceFailed = 6,
}

/// Reads everything; blocking. Errors: why the source cannot be read.
pub(super) fn read(reading: &Reading, events: &mpsc::Sender<Event>) -> Result<(), String> {
    let folder = folder::scan(&reading.folder).map_err(|error| error.to_string())?;
    reading.watch.step();
    let infs = analysis::find_infs(&folder);
    if infs.len() > INFS_MAX {
        return Err(format!("it has more than {INFS_MAX} INF files; import its parts one by one"));
    }
    if !tell_left_out(reading, &folder, events) {
        return Ok(());
    }
    let found = Event::Found { files: folder.paths().len() as u64, infs: infs.len() as u64 };
    if events.blocking_send(found).is_err() {
        return Ok(());
    }
    // The INF files of one folder share its content, so one thread reads them all.
    let mut folders: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for inf in infs.iter().filter(|inf| !reading.done.contains(inf.as_str())) {
        folders.entry(inf.rsplit_once('/').map_or("", |(folder, _)| folder)).or_default().push(inf);
    }
    let folders: Vec<(&str, Vec<&str>)> = folders.into_iter().collect();
    let next = AtomicUsize::new(0);
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(THREADS_MAX);
    std::thread::scope(|scope| {
        for _ in 0..threads.min(folders.len()) {
            scope.spawn(|| {
                while let Some((place, infs)) = folders.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if !read_infs(reading, &folder, place, infs, events) {
                        return;
                    }
                }
            });
        }
    });
    Ok(())
}

/// Says which folders were not read. Returns false when nobody wants more.
fn tell_left_out(reading: &Reading, folder: &Folder, events: &mpsc::Sender<Event>) -> bool {
    let mut folders = folder.left_out();
    folders.retain(|finding| finding.file.ends_with('/') && !reading.done.contains(&finding.file));
    // Names that are no UTF-8 may look the same.
    folders.dedup_by(|next, one| next.file == one.file);
    folders.into_iter().take(LEFT_OUT_TOLD_MAX).all(|finding| {
        let verdict = Verdict::Refused(Refusal::unreadable(finding.text));
        events.blocking_send(Event::Item(Box::new(Item { path: finding.file, verdict }))).is_ok()
    })
}

/// Reads the INF files of one folder. Returns false when nobody wants more.
fn read_infs(
    reading: &Reading,
    folder: &Folder,
    place: &str,
    infs: &[&str],
    events: &mpsc::Sender<Event>,
) -> bool {
    let around = folder.folder(place);
    let content = around.as_ref().map(Content::new);
    let watch = &reading.watch;
    infs.iter().all(|inf| {
        if watch.stop.is_cancelled() {
            return false;
        }
        let item = Item { path: (*inf).to_owned(), verdict: reading.verdict(content.as_ref(), inf) };
        watch.bytes.fetch_max(reading.bytes_before + folder.bytes_hashed(), Ordering::Relaxed);
        watch.step();
        events.blocking_send(Event::Item(Box::new(item))).is_ok()
    })
}

impl Reading {
    fn verdict(&self, content: Option<&Content<'_>>, inf: &str) -> Verdict {
        let (place, name) = inf.rsplit_once('/').unwrap_or(("", inf));
        let Some(content_source_path) = self.content_source_path(place) else {
            let reason = "a folder's name has a backslash, which a UNC path cannot name; rename it";
            return Verdict::Refused(Refusal::unreadable(reason.to_owned()));
        };
        let Some(content) = content else {
            return Verdict::Refused(Refusal::unreadable("it is gone".to_owned()));
        };
        match content.analyze(name, &self.trust) {
            Ok(facts) => {
                let unique_id = format!("{}/DRIVER_{}", self.scope, facts.id);
                let sdm_package_xml = folder::definition(&facts, &unique_id, &content_source_path);
                Verdict::Driver { facts: Box::new(facts), sdm_package_xml, content_source_path }
            }
            Err(error) => Verdict::Refused(Refusal::of(&error)),
        }
    }

    /// The folder that holds an INF file, in the manner of the source's own path.
    fn content_source_path(&self, place: &str) -> Option<String> {
        let name = self.name.trim_end_matches(['/', '\\']);
        if place.is_empty() {
            return Some(if name.is_empty() { "/".to_owned() } else { name.to_owned() });
        }
        if !name.starts_with('\\') {
            return Some(format!("{name}/{place}"));
        }
        (!place.contains('\\')).then(|| format!("{name}\\{}", place.replace('/', "\\")))
    }
}

impl Refusal {
    fn unreadable(reason: String) -> Self {
        Self { outcome: Outcome::Unreadable, error_code: 2, reason, diagnostics: String::new() }
    }

    /// A source as a whole.
    pub(super) fn source(reason: String) -> Self {
        Self { outcome: Outcome::SourceFailed, ..Self::unreadable(reason) }
    }

    fn of(error: &AnalysisError) -> Self {
        let outcome = match error {
            AnalysisError::Unreadable { .. } => Outcome::Unreadable,
            AnalysisError::Invalid { .. } => Outcome::Invalid,
            AnalysisError::NoSupportedPlatform { .. } => Outcome::NotSupported,
        };
        Self {
            outcome,
            error_code: error.win32(),
            reason: folder::reason(error),
            diagnostics: lines(error.diagnostics().iter().map(Diagnostic::to_string)),
        }
    }
}
