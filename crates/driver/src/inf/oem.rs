//! txtsetup.oem: how mass-storage drivers were handed to the text-mode setup of Windows before Vista. It names the
//! INF files on the disk, and the ids of the devices that need them to boot.

use super::Inf;
use super::lex::Continuation;
use super::limits::OEM_ENTRIES_MAX;
use super::value::{folded, same_name};
use super::view::Entry;
use crate::Diagnostic;

/// A parsed txtsetup.oem.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TxtSetupOem {
    /// The components that can be chosen, in the order of the file.
    pub components: Vec<Component>,
    /// What was odd about its text.
    pub diagnostics: Vec<Diagnostic>,
}

/// A component: a driver that text-mode setup can load.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Component {
    /// The class section that lists it, lower case: `scsi`, `computer`, ...
    pub class: String,
    /// Its id within the class, as written.
    pub id: String,
    /// What setup shows.
    pub description: String,
    /// Its INF files, relative to the folder of the txtsetup.oem, with `/`, in order and without duplicates.
    pub inf_files: Vec<String>,
    /// Its other files, in the same form.
    pub files: Vec<String>,
    /// The hardware ids that need it, as written.
    pub hardware_ids: Vec<String>,
}

impl TxtSetupOem {
    /// The INF files of all components, without duplicates in any case.
    #[must_use]
    pub fn inf_files(&self) -> Vec<&str> {
        let mut seen = std::collections::HashSet::new();
        let all = self.components.iter().flat_map(|component| &component.inf_files);
        all.filter(|file| seen.insert(folded(file))).map(String::as_str).collect()
    }
}

/// The classes of components that the format knows.
const CLASSES: [&str; 5] = ["scsi", "computer", "display", "keyboard", "mouse"];

/// Reads a txtsetup.oem. Names that would leave its folder are left out.
#[must_use]
pub fn parse(bytes: &[u8]) -> TxtSetupOem {
    let inf = Inf::read(bytes, Continuation::None);
    let mut components = Vec::new();
    for class in CLASSES {
        for entry in entries(&inf, class) {
            let Some(id) = entry.key().filter(|key| !key.is_empty() && !key.starts_with('#')) else {
                continue;
            };
            let (inf_files, files) = component_files(&inf, class, &id);
            components.push(Component {
                class: class.to_owned(),
                description: entry.value(0).into_owned(),
                hardware_ids: hardware_ids(&inf, class, &id),
                id: id.into_owned(),
                inf_files,
                files,
            });
        }
    }
    TxtSetupOem { components, diagnostics: inf.diagnostics().to_vec() }
}

/// The entries of a section, as far as they are read.
fn entries<'a>(inf: &'a Inf, section: &str) -> impl Iterator<Item = Entry<'a>> + use<'a> {
    inf.section(section).into_iter().flat_map(|section| section.entries()).take(OEM_ENTRIES_MAX)
}

/// `[Files.class.id]`: `type = disk, file[, key]`, and `[Disks]`: `disk = description, tag file, directory`.
fn component_files(inf: &Inf, class: &str, id: &str) -> (Vec<String>, Vec<String>) {
    let (mut infs, mut others): (Vec<String>, Vec<String>) = (Vec::new(), Vec::new());
    for entry in entries(inf, &format!("files.{class}.{id}")) {
        let Some(kind) = entry.key().filter(|key| !key.starts_with('#')) else { continue };
        let disk = entry.value(0);
        let directory = entries(inf, "disks").find(|own| own.key().is_some_and(|key| same_name(&key, &disk)));
        let directory = directory.map(|disk| disk.value(2).into_owned()).unwrap_or_default();
        let Some(path) = relative(&directory, &entry.value(1)) else { continue };
        let list = if kind.eq_ignore_ascii_case("inf") { &mut infs } else { &mut others };
        if !list.iter().any(|own| folded(own) == folded(&path)) {
            list.push(path);
        }
    }
    (infs, others)
}

/// `[HardwareIds.class.id]`: `id = "hardware id"[, "service"]`.
fn hardware_ids(inf: &Inf, class: &str, id: &str) -> Vec<String> {
    let entries = entries(inf, &format!("hardwareids.{class}.{id}"));
    let ids = entries.filter(|entry| entry.key().is_some_and(|key| key.eq_ignore_ascii_case("id")));
    ids.map(|entry| entry.value(0).into_owned()).filter(|id| !id.is_empty()).collect()
}

/// A file's path below the folder; `None` if it has no name or would leave the folder.
fn relative(directory: &str, file: &str) -> Option<String> {
    let parts: Vec<&str> = directory
        .split(['\\', '/'])
        .chain(file.split(['\\', '/']))
        .filter(|part| !part.is_empty() && *part != ".")
        .collect();
    let inside = !file.is_empty() && parts.iter().all(|part| *part != ".." && !part.contains(':'));
    inside.then(|| parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const OEM: &str = "# made by a vendor\r\n[Disks]\r\n\
        d1 = \"Example Storage Driver Disk\", \\example.tag, \\\r\n\
        d2 = \"The same for 64 bits\", \\example.tag, \\amd64\r\n\
        [Defaults]\r\nscsi = EX32\r\n\
        [scsi]\r\nEX32 = \"Example RAID (32 bits)\", exraid\r\nEX64 = \"Example RAID (64 bits)\", exraid\r\n\
        [Files.scsi.EX32]\r\ndriver = d1, exraid.sys, EXRAID\r\ninf = d1, exraid.inf\r\ncatalog = d1, exraid.cat\r\n\
        [Files.scsi.EX64]\r\ndriver = d2, exraid.sys, EXRAID\r\ninf = d2, exraid.inf\r\ninf = d2, EXRAID.INF\r\n\
        inf = d2, ..\\outside.inf\r\ninf = d2, c:\\outside.inf\r\n\
        [HardwareIds.scsi.EX64]\r\nid = \"PCI\\VEN_1AF4&DEV_1001\", \"exraid\"\r\nid = \"PCI\\VEN_1AF4&DEV_1042\", \"exraid\"\r\n\
        [Config.EXRAID]\r\nvalue = Parameters, Tag, REG_DWORD, 1\r\n";

    #[test]
    fn components_name_their_files_and_ids() {
        let oem = parse(OEM.as_bytes());
        assert_eq!(oem.components.len(), 2);
        let wide = &oem.components[1];
        assert_eq!((wide.class.as_str(), wide.id.as_str()), ("scsi", "EX64"));
        assert_eq!(wide.description, "Example RAID (64 bits)");
        assert_eq!(wide.inf_files, ["amd64/exraid.inf"]);
        assert_eq!(wide.files, ["amd64/exraid.sys"]);
        assert_eq!(wide.hardware_ids, ["PCI\\VEN_1AF4&DEV_1001", "PCI\\VEN_1AF4&DEV_1042"]);
        assert_eq!(oem.components[0].files, ["exraid.sys", "exraid.cat"]);
        assert_eq!(oem.inf_files(), ["exraid.inf", "amd64/exraid.inf"]);
    }

    #[test]
    fn a_text_without_components_has_none() {
        assert_eq!(parse(b"").components, []);
        assert_eq!(parse(b"[Version]\r\nSignature=\"$Windows NT$\"\r\n").components, []);
    }
}
