//! Where the files of a driver lie: SourceDisksFiles and SourceDisksNames.

use std::collections::HashMap;

use super::path::clean;
use super::{SourceFile, number};
use crate::inf::{Architecture, Inf, Section};
use crate::{Diagnostic, Severity};

/// Flag of SourceDisksNames: the second field is a cabinet, not a tag file.
const FLAG_CABINET: u32 = 0x10;

/// The code of what is told once.
pub(super) const LAYOUT_ELSEWHERE: &str = "layout_elsewhere";

/// The tables of one architecture. What stands under the architecture's own section counts before what is for all.
#[derive(Debug)]
pub(super) struct Sources {
    files: HashMap<String, ListedFile>,
    disks: HashMap<String, Disk>,
    /// Whether another INF says where the rest lies.
    has_layout_file: bool,
}

#[derive(Debug)]
struct ListedFile {
    disk: String,
    folder: String,
}

#[derive(Debug)]
struct Disk {
    folder: String,
    cabinet: Option<String>,
}

impl Sources {
    /// The tables of an INF, and behind them those of the INF files of its `LayoutFile` that lie in its folder.
    pub(super) fn read(inf: &Inf, layouts: &[Inf], architecture: Architecture) -> Self {
        let sections = |base: &str| {
            let (own, any) = (format!("{base}.{}", architecture.name()), base.to_owned());
            let infs = std::iter::once(inf).chain(layouts);
            infs.flat_map(move |inf| inf.section(&own).into_iter().chain(inf.section(&any)))
        };
        let mut files = HashMap::new();
        for entry in sections("sourcedisksfiles").flat_map(Section::entries) {
            let Some(name) = entry.key() else { continue };
            let listed = ListedFile { disk: disk_id(&entry.value(0)), folder: entry.value(1).into_owned() };
            files.entry(name.to_lowercase()).or_insert(listed);
        }
        let mut disks = HashMap::new();
        for entry in sections("sourcedisksnames").flat_map(Section::entries) {
            let Some(id) = entry.key() else { continue };
            let tag = entry.value(1);
            let flagged = number(&entry.value(4)).is_some_and(|flags| flags & FLAG_CABINET != 0);
            let is_cabinet = !tag.is_empty() && (flagged || tag.to_ascii_lowercase().ends_with(".cab"));
            let disk =
                Disk { folder: entry.value(3).into_owned(), cabinet: is_cabinet.then(|| tag.into_owned()) };
            disks.entry(disk_id(&id)).or_insert(disk);
        }
        let version = inf.section("version");
        let has_layout_file = version.is_some_and(|section| section.entry("layoutfile").is_some());
        Self { files, disks, has_layout_file }
    }

    /// Whether a file has a line in SourceDisksFiles.
    pub(super) fn lists(&self, name: &str) -> bool {
        self.files.contains_key(&name.to_lowercase())
    }

    /// Where the file of a name lies; the name may hold a path of its own. `None` if it would leave the folder.
    pub(super) fn locate(
        &self,
        name: &str,
        optional: bool,
        line: u32,
        findings: &mut Vec<Diagnostic>,
    ) -> Option<SourceFile> {
        let found =
            |path: Option<String>, cabinet| path.map(|path| SourceFile { path, cabinet, optional, line });
        let Some(listed) = self.files.get(&name.to_lowercase()) else {
            if self.has_layout_file {
                // Windows has it, unless it lies beside the INF all the same.
                let text = format!(
                    "where {name} lies is said by an INF file of Windows; such files count only beside the INF"
                );
                findings.push(Diagnostic::new(Severity::Note, LAYOUT_ELSEWHERE, text).at(line.max(1), 1));
                return clean(&[name]).map(|path| SourceFile { path, cabinet: None, optional: true, line });
            }
            if !optional {
                let text = format!("{name} has no line in SourceDisksFiles; it is looked for beside the INF");
                findings.push(Diagnostic::new(Severity::Note, "source_entry_missing", text).at(line, 1));
            }
            return found(clean(&[name]), None);
        };
        let Some(disk) = self.disks.get(&listed.disk) else {
            let text = format!("{name} is on disk {:?}, which SourceDisksNames does not list", listed.disk);
            findings.push(Diagnostic::new(Severity::Warning, "source_disk_missing", text).at(line, 1));
            return found(clean(&[&listed.folder, name]), None);
        };
        let cabinet = disk.cabinet.as_ref().and_then(|cabinet| clean(&[&disk.folder, cabinet]));
        found(clean(&[&disk.folder, &listed.folder, name]), cabinet)
    }
}

/// Disk ids are numbers, and compared as such where they are.
fn disk_id(text: &str) -> String {
    number(text).map_or_else(|| text.trim().to_lowercase(), |number| number.to_string())
}
