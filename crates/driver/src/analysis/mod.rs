//! Everything that an import wants to know about the drivers of a folder.
//!
//! A driver is one INF file and the content that it lies in: the whole folder, because that is what a package carries
//! and what scripts rely on. The files that the INF really names are known beside it.
//!
//! # Findings
//!
//! Besides those of [`crate::inf`], [`crate::install`] and [`crate::catalog`]:
//!
//! | code | severity | meaning |
//! |---|---|---|
//! | `class_unknown` | error | neither `Class` nor `ClassGuid` |
//! | `nothing_to_install` | error | neither `[Manufacturer]` nor `[DefaultInstall]` |
//! | `too_many_devices` | error | more than [`DEVICES_MAX`] models lines |
//! | `too_many_exclusions` | error | install sections exclude ids from more devices than anybody could store |
//! | `no_catalog` | note | the INF names no catalog: it is unsigned |
//! | `catalog_missing` | warning | the named catalog is not there |
//! | `inf_not_covered` | warning | the catalog does not list the INF: one of them was changed |
//! | `inf_line_ends_changed` | warning | the same, and with the line ends that it was signed with, it would |
//! | `payload_missing` | warning | a file that the INF names is not there |
//! | `payload_not_covered` | warning | a file is not the one that was signed |
//! | `payload_unverified` | warning | files are compressed or in a cabinet that the catalog does not list: they are not compared |
//! | `payload_lfs_pointer` | warning | a Git LFS pointer stands in a file's place |
//! | `cabinet_unreadable` | warning | a cabinet that may hold files cannot be read |
//! | `copied_inf_invalid` | warning | an INF that another one copies is beyond a limit or no Windows INF; it is followed no further |
//! | `copy_inf_loop`, `copy_inf_too_many` | note, warning | INF files that copy each other; more than are followed |
//! | `name_not_windows`, `name_twice` | warning | a name in the folder that Windows could not hold |
//! | `name_not_unicode`, `link_skipped`, `special_file_skipped` | error | something in the folder that no package can hold |
//! | `folder_unreadable`, `entry_unreadable`, `folder_too_deep`, `path_too_long` | error | a part of the folder that was not looked at |

mod beneath;
mod error;
mod folder;
mod locate;
mod models;
mod payload;
mod signature;
mod walk;

use std::mem::take;

use aws_lc_rs::digest::{Context, SHA256};

pub use error::{AnalysisError, FolderError};
pub use folder::{Folder, FolderLimits};
pub use models::DEVICES_MAX;

use crate::catalog::Trust;
use crate::inf::{DriverVer, Inf, Version, check_models};
use crate::install::choose;
use crate::platform::{self, PLATFORMS};
use crate::{Diagnostic, DriverFacts, DriverKind, Severity};
use models::Models;
use signature::Catalogs;

/// The INF files of a folder and the folders in it, sorted without regard to case. Not all need to be drivers.
#[must_use]
pub fn find_infs(folder: &Folder) -> Vec<String> {
    folder.paths().filter(|path| folder::has_extension(path, ".inf")).map(str::to_owned).collect()
}

/// What is known about the driver of one INF file; the folder is its content. Reads the whole folder, unless that was
/// done before.
///
/// # Errors
/// [`AnalysisError`]: a file cannot be read, the INF is invalid, or it is for no known platform.
pub fn analyze(folder: &Folder, inf: &str, trust: &Trust) -> Result<DriverFacts, AnalysisError> {
    let file = OpenInf::open(folder, inf, trust)?;
    let mut diagnostics = file.diagnostics.clone();
    let Usable { models, kind, platforms } = usable(&file, &mut diagnostics)?;
    let content = match folder.content() {
        Err(AnalysisError::Invalid { diagnostics: left_out }) => {
            diagnostics.extend(left_out);
            return Err(AnalysisError::Invalid { diagnostics: named(diagnostics, &file.path) });
        }
        content => content?,
    };
    let found = payload::collect(folder, &file, trust)?;
    let supported = platforms.iter().filter_map(|id| platform::by_id(id)).map(|own| own.os.architecture);
    let signature = file.catalogs.signature(&supported.collect(), &found, &mut diagnostics);
    diagnostics.extend(found.diagnostics);
    diagnostics.extend(folder.diagnostics());
    let written = driver_ver(&file, &models);
    Ok(DriverFacts {
        id: driver_id(&content.hash, &file.path),
        content,
        date: written.as_ref().and_then(|own| own.date),
        version: written.as_ref().and_then(|own| own.version),
        version_text: written.map(|own| own.version_text).unwrap_or_default(),
        kind,
        signature,
        boot_start: file.version.boot_critical || found.starts_at_boot,
        boot_critical: false,
        display_name: models.display_name(&platforms),
        models: models.sections,
        platforms,
        payload: found.files,
        component_ids: found.component_ids,
        diagnostics: named(diagnostics, &file.path),
        class: file.version.class,
        class_guid: file.version.class_guid,
        provider: file.version.provider,
        inf_file: file.path,
    })
}

/// What makes an INF file a driver that somebody can install.
struct Usable {
    models: Models,
    kind: DriverKind,
    /// Not empty.
    platforms: Vec<String>,
}

/// Errors: invalid, or for no known platform; with the findings so far.
fn usable(file: &OpenInf, diagnostics: &mut Vec<Diagnostic>) -> Result<Usable, AnalysisError> {
    // What broke one limit may be made to break others: nothing more is read of it.
    let readable = if diagnostics.iter().any(is_error) { Err(None) } else { installable(file).map_err(Some) };
    let read = readable.and_then(|()| Models::read(&file.inf, diagnostics).map_err(Some));
    let models = read.map_err(|reason| {
        diagnostics.extend(reason);
        AnalysisError::Invalid { diagnostics: named(take(diagnostics), &file.path) }
    })?;
    let kind = kind(file, &models);
    let platforms = match kind {
        DriverKind::Primitive => primitive_platforms(&file.inf),
        _ => platform::supported(&models.sections),
    };
    if platforms.is_empty() {
        return Err(AnalysisError::NoSupportedPlatform { diagnostics: named(take(diagnostics), &file.path) });
    }
    Ok(Usable { models, kind, platforms })
}

fn is_error(finding: &Diagnostic) -> bool {
    finding.severity == Severity::Error
}

/// The driver's own DriverVer; that of an install section where the driver's says nothing.
fn driver_ver(file: &OpenInf, models: &Models) -> Option<DriverVer> {
    let own = file.version.driver_ver.as_ref();
    let filled = own.filter(|own| own.date.is_some() || own.version.is_some());
    filled.or(models.driver_ver.as_ref()).or(own).cloned()
}

/// An INF file that was read, with its catalogs; without them if it breaks a limit, which one of its findings says.
struct OpenInf {
    /// Relative to the folder, as on disk.
    path: String,
    /// The folder that it lies in, with `/` at the end unless it is empty.
    beside: String,
    inf: Inf,
    version: Version,
    catalogs: Catalogs,
    diagnostics: Vec<Diagnostic>,
}

impl OpenInf {
    fn open(folder: &Folder, inf: &str, trust: &Trust) -> Result<Self, AnalysisError> {
        let path = folder.lookup(inf).unwrap_or(inf).to_owned();
        let beside = path.rsplit_once('/').map_or(String::new(), |(folder, _)| format!("{folder}/"));
        let bytes = folder.read(&path)?;
        let inf = Inf::parse(&bytes);
        let mut diagnostics = inf.diagnostics().to_vec();
        if diagnostics.iter().any(is_error) {
            let (version, catalogs) = (Version::default(), Catalogs::none());
            return Ok(Self { path, beside, inf, version, catalogs, diagnostics });
        }
        let (version, findings) = Version::read(&inf);
        diagnostics.extend(findings);
        diagnostics.extend(check_models(&inf));
        let catalogs = Catalogs::read(folder, &beside, (&path, &bytes), &version, trust)?;
        Ok(Self { path, beside, inf, version, catalogs, diagnostics })
    }
}

/// The findings, those without a file being about the INF.
fn named(mut diagnostics: Vec<Diagnostic>, inf: &str) -> Vec<Diagnostic> {
    for finding in diagnostics.iter_mut().filter(|finding| finding.file.is_empty()) {
        inf.clone_into(&mut finding.file);
    }
    diagnostics
}

fn installable(file: &OpenInf) -> Result<(), Diagnostic> {
    let error = |code, text: &str| Err(Diagnostic::new(Severity::Error, code, text));
    if file.version.class.is_empty() && file.version.class_guid.is_empty() {
        return error("class_unknown", "Version has neither Class nor ClassGuid");
    }
    if file.inf.section("manufacturer").is_none() && !has_default_install(&file.inf) {
        return error("nothing_to_install", "there is neither a Manufacturer nor a DefaultInstall section");
    }
    Ok(())
}

const DEFAULT_INSTALL: &str = "defaultinstall";

/// Also one that is for no architecture, such as `DefaultInstall.NT$ARCH$`, which no build has filled in.
fn has_default_install(inf: &Inf) -> bool {
    inf.sections().any(|section| {
        let name = section.name().to_ascii_lowercase();
        let decoration = name.strip_prefix(DEFAULT_INSTALL);
        decoration.is_some_and(|rest| rest.is_empty() || rest.starts_with(".nt"))
    })
}

/// The class of extension INFs, and that of software components.
const EXTENSION: (&str, &str) = ("extension", "{e2f84ce7-8efa-411c-aa69-97454ca4cb57}");
const SOFTWARE_COMPONENT: (&str, &str) = ("softwarecomponent", "{5c4c3332-344d-483c-8739-259e934c9cc8}");

fn kind(file: &OpenInf, models: &Models) -> DriverKind {
    // Where name and GUID disagree, the GUID counts.
    let is = |(name, guid): (&str, &str)| match file.version.class_guid.as_str() {
        "" => file.version.class.eq_ignore_ascii_case(name),
        own => own == guid,
    };
    if models.sections.is_empty() && has_default_install(&file.inf) {
        DriverKind::Primitive
    } else if is(EXTENSION) {
        DriverKind::Extension(file.version.extension_id.clone())
    } else if is(SOFTWARE_COMPONENT) {
        DriverKind::SoftwareComponent
    } else {
        DriverKind::Base
    }
}

/// A driver without devices is for each architecture on which it has something to install; the undecorated section is for
/// all, since Windows takes it when it is told to install that file.
fn primitive_platforms(inf: &Inf) -> Vec<String> {
    let installs = PLATFORMS.iter().filter(|own| choose(inf, DEFAULT_INSTALL, own.os.architecture).is_some());
    installs.map(|platform| platform.id.to_owned()).collect()
}

/// SHA-256 over the content's hash and the INF's path in lower case, with a zero byte between them.
fn driver_id(content_hash: &str, path: &str) -> String {
    let mut hash = Context::new(&SHA256);
    hash.update(content_hash.as_bytes());
    hash.update(&[0]);
    hash.update(path.to_lowercase().as_bytes());
    hex::encode(hash.finish())
}
