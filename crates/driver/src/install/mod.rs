//! What an INF installs on one architecture: sections, services, components, and the files that it copies.
//!
//! # Findings
//!
//! | code | severity | meaning |
//! |---|---|---|
//! | `install_section_missing` | warning | a models line names a section that is not there |
//! | `needs_missing` | note | `Needs` names a section that neither this INF nor an included one of Windows can have |
//! | `needs_loop`, `needs_too_deep` | warning | sections that need each other, or more than [`DEPTH_MAX`] in a row |
//! | `copy_list_missing` | warning | `CopyFiles` names a list that is not there |
//! | `service_section_missing` | warning | `AddService` names a section that is not there |
//! | `exclude_ids_cut` | warning | an install section excludes more ids than [`EXCLUDE_IDS_MAX`] |
//! | `feature_score_invalid` | warning | not a hexadecimal byte; counts as FF |
//! | `source_entry_missing` | note | a copied file without a SourceDisksFiles line is looked for beside the INF |
//! | `source_disk_missing` | warning | a SourceDisksFiles line with a disk that SourceDisksNames does not know |
//! | `layout_elsewhere` | note | `LayoutFile`: files that only the INF files of Windows can locate count only where they lie beside the INF |
//! | `name_refused` | warning | a file name that leaves the folder, or that no file can have |

mod device;
mod path;
mod section;
mod source;

use crate::Diagnostic;
use crate::inf::{Architecture, Inf};

pub use device::{EXCLUDE_IDS_MAX, InstallSection, choose, install_section};
pub(crate) use path::clean;
pub use section::DEPTH_MAX;

/// What an INF installs on one architecture.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Plan {
    /// The files that it copies or needs, without duplicates, in the order in which they are named.
    pub files: Vec<SourceFile>,
    /// The services that it adds.
    pub services: Vec<Service>,
    /// The INF files that `CopyINF` names, relative to this one's folder, with `/`.
    pub inf_files: Vec<String>,
    /// The ids of the software components that it adds, as written.
    pub component_ids: Vec<String>,
    /// What was odd.
    pub diagnostics: Vec<Diagnostic>,
}

/// A file that an INF needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceFile {
    /// Where the INF says that it lies, relative to the INF's folder, with `/`; it stays inside.
    pub path: String,
    /// A cabinet that may hold it, relative to the INF's folder, with `/`.
    pub cabinet: Option<String>,
    /// Whether Windows may have it: then it belongs to the driver only if it lies there.
    pub optional: bool,
    /// The line that names it.
    pub line: u32,
}

/// A service that an INF adds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    /// Its name; empty for a device without one.
    pub name: String,
    /// `StartType`: 0 boot, 1 system, 2 automatic, 3 on demand, 4 disabled. `None` if it is missing or no number.
    pub start_type: Option<u32>,
    /// Whether it is the function driver of the device.
    pub is_function_driver: bool,
}

impl Service {
    /// Whether it starts before the system's disk is there.
    #[must_use]
    pub fn starts_at_boot(&self) -> bool {
        self.start_type == Some(0)
    }
}

/// What the install sections of these names, as models lines give them, install on an architecture, together with what
/// the INF installs besides its devices (its class, its interfaces, `DefaultInstall`). `layouts` are those of its
/// [`layout_files`] that lie beside it.
#[must_use]
pub fn plan<'n>(
    inf: &Inf,
    layouts: &[Inf],
    architecture: Architecture,
    sections: impl IntoIterator<Item = &'n str>,
) -> Plan {
    let mut walk = section::Walk::new(inf, layouts, architecture);
    for name in sections {
        walk.install(name);
    }
    walk.finish()
}

/// INF files that a `LayoutFile` names; real ones name one or two.
const LAYOUT_FILES_MAX: usize = 4;

/// The INF files that say where files lie which this one has no line for (`LayoutFile`), relative to its folder. Most of
/// them are those of Windows.
#[must_use]
pub fn layout_files(inf: &Inf) -> Vec<String> {
    let entry = inf.section("version").and_then(|version| version.entry("layoutfile"));
    let names = entry.into_iter().flat_map(|entry| entry.values().take(LAYOUT_FILES_MAX));
    names.filter_map(|name| clean(&[&name])).collect()
}

/// A number as INF files write them: decimal, or hexadecimal after `0x`.
fn number(text: &str) -> Option<u32> {
    let text = text.trim();
    match text.get(..2) {
        Some("0x" | "0X") => u32::from_str_radix(&text[2..], 16).ok(),
        _ => text.parse().ok(),
    }
}
