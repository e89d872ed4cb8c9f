//! The distribution point's side of the content library: whole files in a single-instance store, ready
//! to be served, and everything that is needed to bring in the next version with few bytes.
//!
//! ```text
//! files/ab/<sha256>           every file once, whatever number of packages use it
//! versions/<PackageID>.<n>    the manifest of each held version
//! staging/<PackageID>.<n>/    a version on its way in
//! index.redb                  what is synced, where each chunk lies; rebuilt from the rest if lost
//! ```
//!
//! What is in the index is durable and was proven by its hash; what is not in the index is proven again
//! before it counts. So a kill at any point costs a re-hash, never a wrong byte and never a refetch.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, Mutex, PoisonError};

use clock::SharedClock;

mod assembly;
mod collect;
mod error;
mod index;
mod layout;
mod pull;
mod rebuild;
mod record;
mod verify;
mod version_file;

pub use crate::plan::{Fed, FetchRange, GAP_BYTES_MAX, Plan, Progress, RANGE_BYTES_MAX, ROUNDS_MAX, Refusal};
pub use collect::{CollectReport, VERSIONS_KEPT};
pub use error::HolderError;
pub use pull::{Installed, Pull};
pub use verify::VerifyReport;

use crate::{FileHash, ManifestId, ManifestRoot};
use index::Index;
use layout::{Layout, package_key, version_name};

/// The content that one distribution point holds. Cheap to clone; every method blocks.
#[derive(Debug, Clone)]
pub struct Holder {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    layout: Layout,
    index: Index,
    clock: SharedClock,
    next_pull: AtomicU64,
    /// The files that each running pull counts on.
    pins: Mutex<HashMap<u64, HashSet<FileHash>>>,
    /// Packages that use a file which was found damaged and dropped, or lost a version in a rebuild.
    suspects: Mutex<BTreeSet<String>>,
}

/// A file to be served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServedFile {
    /// The version that it belongs to.
    pub version: u32,
    /// SHA-256 of its bytes.
    pub hash: FileHash,
    /// Its size in bytes.
    pub size: u64,
    /// When it was modified at the source: nanoseconds since 1970, UTC.
    pub modified_ns: i64,
    /// Where its bytes are. Open it once and serve from the handle: the name may go at any time.
    pub path: PathBuf,
}

/// A version that is held whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldVersion {
    /// For example `PS100001`.
    pub package: String,
    /// The package version.
    pub version: u32,
    /// The manifest's id.
    pub manifest: ManifestId,
    /// Files in the version.
    pub files: u64,
    /// Bytes of all files.
    pub bytes: u64,
    /// Whether this is the version that is served without a number.
    pub current: bool,
}

impl Holder {
    /// Opens the data folder `dir`, making what is missing; a lost or damaged index is rebuilt, which
    /// hashes every held file.
    pub fn open(dir: &Path, clock: SharedClock) -> Result<Self, HolderError> {
        let layout = Layout::create(dir)?;
        let (index, rebuild) = Index::open(&layout.index())?;
        let shared = Arc::new(Shared {
            layout,
            index,
            clock,
            next_pull: AtomicU64::new(0),
            pins: Mutex::default(),
            suspects: Mutex::default(),
        });
        if rebuild {
            rebuild::rebuild(&shared)?;
        }
        // A damaged file was dropped, and the run ended before its repair.
        shared.suspects().extend(shared.index.users_of_lost_files()?);
        Ok(Self { shared })
    }

    /// Begins or takes up the pull of a version. `root` is the manifest's root object; wrong bytes are
    /// refused. Setting `stop` ends every step of the pull with [`HolderError::Canceled`].
    pub fn begin(
        &self,
        package: &str,
        version: u32,
        manifest: ManifestId,
        root: &[u8],
        stop: Arc<AtomicBool>,
    ) -> Result<Pull, HolderError> {
        Pull::begin(Arc::clone(&self.shared), package_key(package)?, version, manifest, root, stop)
    }

    /// The root object of a manifest, if an earlier pull of the version left it here.
    pub fn staged_root(
        &self,
        package: &str,
        version: u32,
        manifest: ManifestId,
    ) -> Result<Option<Vec<u8>>, HolderError> {
        let folder = self.shared.layout.staging().join(version_name(&package_key(package)?, version));
        let root = std::fs::read(folder.join("root")).ok();
        Ok(root.filter(|root| ManifestRoot::decode(root, manifest).is_ok()))
    }

    /// Serves an installed version from now on, durably, and drops versions beyond [`VERSIONS_KEPT`].
    pub fn activate(&self, package: &str, version: u32) -> Result<(), HolderError> {
        collect::activate(&self.shared, &package_key(package)?, version)
    }

    /// Drops everything of a package; readers that have a file open finish undisturbed.
    pub fn remove(&self, package: &str) -> Result<(), HolderError> {
        collect::remove(&self.shared, &package_key(package)?)
    }

    /// Deletes what no version, pull or staging folder needs, and leftovers of interrupted runs.
    pub fn collect(&self) -> Result<CollectReport, HolderError> {
        collect::collect(&self.shared)
    }

    /// Hashes every file of a version. Damaged files are dropped, so that the next pull of the version
    /// fetches them; the report names them.
    pub fn verify(
        &self,
        package: &str,
        version: u32,
        stop: &AtomicBool,
    ) -> Result<VerifyReport, HolderError> {
        self.verify_at_pace(package, version, stop, &|_| {})
    }

    /// [`Self::verify`] for whoever wants to read slowly: `pace` is told of each read, in bytes at most, and the read waits
    /// until it returns.
    pub fn verify_at_pace(
        &self,
        package: &str,
        version: u32,
        stop: &AtomicBool,
        pace: &dyn Fn(usize),
    ) -> Result<VerifyReport, HolderError> {
        verify::verify(&self.shared, &package_key(package)?, version, stop, pace)
    }

    /// Every package of which anything is here, also of a pull that was not finished.
    pub fn packages(&self) -> Result<BTreeSet<String>, HolderError> {
        let mut packages: BTreeSet<String> =
            self.shared.index.all_versions()?.into_iter().map(|(package, ..)| package).collect();
        packages.extend(pull::staged_packages(&self.shared.layout.staging())?);
        Ok(packages)
    }

    /// Drops one file that turned out damaged while it was served; its packages become suspects.
    pub fn report_damaged(&self, file: FileHash) -> Result<(), HolderError> {
        self.shared.drop_damaged(&[file])
    }

    /// The packages that lost a damaged file, or a version in a rebuild, since the last call: verify and
    /// pull them again.
    #[must_use]
    pub fn take_suspects(&self) -> Vec<String> {
        std::mem::take(&mut *self.shared.suspects()).into_iter().collect()
    }

    /// Finds a file by its folded path (see [`fold`](crate::fold)), in the given or the current version.
    pub fn lookup(
        &self,
        package: &str,
        version: Option<u32>,
        folded: &str,
    ) -> Result<Option<ServedFile>, HolderError> {
        let found = self.shared.index.path(&package_key(package)?, version, folded)?;
        Ok(found.map(|(version, row)| ServedFile {
            version,
            hash: row.hash,
            size: row.size,
            modified_ns: row.modified_ns,
            path: self.shared.layout.file(&row.hash),
        }))
    }

    /// The version that is served without a number.
    pub fn current(&self, package: &str) -> Result<Option<u32>, HolderError> {
        self.shared.index.current(&package_key(package)?)
    }

    /// One held version.
    pub fn version(&self, package: &str, version: u32) -> Result<Option<HeldVersion>, HolderError> {
        let package = package_key(package)?;
        let current = self.shared.index.current(&package)?;
        let record = self.shared.index.version(&package, version)?;
        Ok(record.map(|record| held(package, version, &record, current)))
    }

    /// Whether a version of the package lost a file.
    pub(crate) fn lacks_files(&self, package: &str) -> Result<bool, HolderError> {
        Ok(self.shared.index.users_of_lost_files()?.contains(&package_key(package)?))
    }

    /// Every held version, by package.
    pub fn versions(&self) -> Result<Vec<HeldVersion>, HolderError> {
        let current: HashMap<String, u32> = self.shared.index.all_current()?.into_iter().collect();
        let all = self.shared.index.all_versions()?;
        let one = |(package, version, record): (String, u32, record::VersionRecord)| {
            let current = current.get(&package).copied();
            held(package, version, &record, current)
        };
        Ok(all.into_iter().map(one).collect())
    }

    /// Distinct files in the store.
    pub fn files_count(&self) -> Result<u64, HolderError> {
        self.shared.index.files_count()
    }

    /// Bytes that may still be written to the data folder's disk.
    pub fn free_bytes(&self) -> Result<u64, HolderError> {
        self.shared.layout.free_bytes()
    }

    /// How often the whole data folder was synced since it was opened.
    #[must_use]
    pub fn syncs(&self) -> u64 {
        self.shared.layout.syncs()
    }
}

impl Shared {
    fn pin(&self, number: u64, files: HashSet<FileHash>) {
        self.pins.lock().unwrap_or_else(PoisonError::into_inner).insert(number, files);
    }

    fn unpin(&self, number: u64) {
        self.pins.lock().unwrap_or_else(PoisonError::into_inner).remove(&number);
    }

    fn is_pinned(&self, file: &FileHash) -> bool {
        self.pins.lock().unwrap_or_else(PoisonError::into_inner).values().any(|files| files.contains(file))
    }

    /// Deletes a stored file that no pull counts on and the index does not know; gives whether it went. The
    /// pin is looked at first: a pull records its files before it lets go of them.
    fn delete_stray(&self, file: &FileHash) -> Result<bool, HolderError> {
        if self.is_pinned(file) || !self.index.files_held([*file].into_iter())?.is_empty() {
            return Ok(false);
        }
        layout::remove_file(&self.layout.file(file))?;
        Ok(true)
    }

    fn suspects(&self) -> std::sync::MutexGuard<'_, BTreeSet<String>> {
        self.suspects.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes damaged files out of the index and off the disk, and notes who used them. Of a file that is out
    /// of the index already, only while no pull brings it back.
    fn drop_damaged(&self, files: &[FileHash]) -> Result<(), HolderError> {
        let lost: Vec<&FileHash> = files.iter().filter(|file| !self.is_pinned(file)).collect();
        let held: Vec<FileHash> = self.index.files_held(files.iter().copied())?.into_iter().collect();
        for file in held.iter().chain(lost.into_iter().filter(|file| !held.contains(file))) {
            self.suspects().extend(self.index.users(file)?);
        }
        if held.is_empty() {
            return Ok(());
        }
        tracing::warn!(files = ?held, "Dropped damaged files");
        self.index.drop_files(&held)?;
        held.iter().try_for_each(|file| layout::remove_file(&self.layout.file(file)))
    }
}

fn held(package: String, version: u32, record: &record::VersionRecord, current: Option<u32>) -> HeldVersion {
    HeldVersion {
        package,
        version,
        manifest: record.manifest,
        files: record.files,
        bytes: record.bytes,
        current: current == Some(version),
    }
}
