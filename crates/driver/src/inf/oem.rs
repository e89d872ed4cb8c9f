//! txtsetup.oem: how mass-storage drivers were handed to the text-mode setup of Windows before Vista. It names the
//! INF files on the disk, and the ids of the devices that need them to boot.

use std::collections::{HashMap, HashSet};

use super::Inf;
use super::lex::Continuation;
use super::limits::{DESCRIPTION_CHARS, DEVICE_ID_CHARS, OEM_ENTRIES_MAX, OEM_NAMES_MAX};
use super::value::folded;
use super::view::Entry;
use crate::install::clean;
use crate::{Diagnostic, Severity};

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
        let mut seen = HashSet::new();
        let all = self.components.iter().flat_map(|component| &component.inf_files);
        all.filter(|file| seen.insert(folded(file))).map(String::as_str).collect()
    }
}

/// The classes of components that the format knows.
const CLASSES: [&str; 5] = ["scsi", "computer", "display", "keyboard", "mouse"];

/// Reads a txtsetup.oem. Names that would leave its folder are left out; a text that breaks a limit has no components.
#[must_use]
pub fn parse(bytes: &[u8]) -> TxtSetupOem {
    let inf = Inf::read(bytes, Continuation::None);
    let mut oem = TxtSetupOem { components: Vec::new(), diagnostics: inf.diagnostics().to_vec() };
    if oem.diagnostics.iter().any(|finding| finding.severity == Severity::Error) {
        return oem;
    }
    let mut reading = Reading { inf: &inf, directories: directories(&inf), left: OEM_NAMES_MAX };
    for class in CLASSES {
        let mut seen = HashSet::new();
        for entry in entries(&inf, class) {
            let id = entry.key().filter(|key| !key.is_empty() && !key.starts_with('#'));
            let Some(id) = id.filter(|id| seen.insert(folded(id).into_owned())) else { continue };
            oem.components.push(reading.component(class, &id, entry));
        }
    }
    if reading.left == 0 {
        let text = format!("the components name {OEM_NAMES_MAX} files and ids or more; the rest is left out");
        oem.diagnostics.push(Diagnostic::new(Severity::Warning, "oem_names_cut", text));
    }
    oem
}

/// The entries of a section, as far as they are read.
fn entries<'a>(inf: &'a Inf, section: &str) -> impl Iterator<Item = Entry<'a>> + use<'a> {
    inf.section(section).into_iter().flat_map(|section| section.entries()).take(OEM_ENTRIES_MAX)
}

/// `[Disks]`: `disk = description, tag file, directory`, by folded name.
fn directories(inf: &Inf) -> HashMap<String, String> {
    let mut directories = HashMap::new();
    for entry in entries(inf, "disks") {
        let Some(disk) = entry.key() else { continue };
        directories.entry(folded(&disk).into_owned()).or_insert_with(|| entry.value(2).into_owned());
    }
    directories
}

struct Reading<'a> {
    inf: &'a Inf,
    directories: HashMap<String, String>,
    /// Files and ids that may still be kept.
    left: usize,
}

impl Reading<'_> {
    fn component(&mut self, class: &str, id: &str, entry: Entry<'_>) -> Component {
        let (inf_files, files) = self.files(class, id);
        Component {
            class: class.to_owned(),
            id: id.to_owned(),
            description: entry.value(0).chars().take(DESCRIPTION_CHARS).collect(),
            hardware_ids: self.hardware_ids(class, id),
            inf_files,
            files,
        }
    }

    /// `[Files.class.id]`: `type = disk, file[, key]`.
    fn files(&mut self, class: &str, id: &str) -> (Vec<String>, Vec<String>) {
        let (mut infs, mut others, mut seen) = (Vec::new(), Vec::new(), HashSet::new());
        for entry in entries(self.inf, &format!("files.{class}.{id}")) {
            let Some(kind) = entry.key().filter(|key| !key.starts_with('#')) else { continue };
            let directory = self.directories.get(folded(&entry.value(0)).as_ref());
            let file = entry.value(1);
            let parts = [directory.map_or("", String::as_str), &file];
            let Some(path) = clean(&parts).filter(|_| !file.is_empty()) else { continue };
            let is_inf = kind.eq_ignore_ascii_case("inf");
            if self.left > 0 && seen.insert((is_inf, folded(&path).into_owned())) {
                self.left -= 1;
                if is_inf { &mut infs } else { &mut others }.push(path);
            }
        }
        (infs, others)
    }

    /// `[HardwareIds.class.id]`: `id = "hardware id"[, "service"]`.
    fn hardware_ids(&mut self, class: &str, id: &str) -> Vec<String> {
        let (mut ids, mut seen) = (Vec::new(), HashSet::new());
        let entries = entries(self.inf, &format!("hardwareids.{class}.{id}"));
        for entry in entries.filter(|entry| entry.key().is_some_and(|key| key.eq_ignore_ascii_case("id"))) {
            let id = entry.value(0);
            // Longer ids are those of no device.
            let fits = !id.is_empty() && id.chars().count() <= DEVICE_ID_CHARS;
            if fits && self.left > 0 && seen.insert(folded(&id).into_owned()) {
                self.left -= 1;
                ids.push(id.into_owned());
            }
        }
        ids
    }
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

    /// A short text may name the same long lists again and again.
    #[test]
    fn what_components_repeat_is_kept_once_and_counted() {
        let lines = |count: usize, line: &dyn Fn(usize) -> String| (0..count).map(line).collect::<String>();
        let same = format!("[scsi]\n{}[Files.scsi.a]\ninf=d,a.inf\n", "a=x\nA=y\n".repeat(100));
        let oem = parse(same.as_bytes());
        assert_eq!((oem.components.len(), oem.components[0].description.as_str()), (1, "x"));
        let mut text = format!("[scsi]\n{}", lines(40, &|n| format!("c{n}=x\n")));
        for n in 0..40 {
            text += &format!("[Files.scsi.c{n}]\n{}", lines(256, &|file| format!("inf=d,{file}.inf\n")));
            text += &format!("[HardwareIds.scsi.c{n}]\nid={}\nid=A\nid=a\n", "B".repeat(DEVICE_ID_CHARS + 1));
        }
        let oem = parse(text.as_bytes());
        let names = |own: &Component| own.inf_files.len() + own.hardware_ids.len();
        assert_eq!(oem.components.iter().map(names).sum::<usize>(), OEM_NAMES_MAX);
        assert_eq!(oem.components[0].hardware_ids, ["A"]);
        assert_eq!(oem.diagnostics.last().unwrap().code, "oem_names_cut");
        // Names that strings make too long are none; a text that they make too long has no components.
        let long = |bytes: usize, count: usize| {
            let names = lines(count, &|n| format!("inf=d,%k%{n}\n"));
            let text = format!("[scsi]\na=x\n[Files.scsi.a]\n{names}[Strings]\nk={}\n", "v".repeat(bytes));
            parse(text.as_bytes())
        };
        assert_eq!(long(100, 2).components[0].inf_files.len(), 2);
        assert_eq!(long(2000, 2).components[0].inf_files.len(), 0);
        assert_eq!(long(16_000, 2_200).components.len(), 0);
    }

    #[test]
    fn a_text_without_components_has_none() {
        assert_eq!(parse(b"").components, []);
        assert_eq!(parse(b"[Version]\r\nSignature=\"$Windows NT$\"\r\n").components, []);
    }
}
