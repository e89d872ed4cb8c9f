//! The files that belong to a driver, as its INF names them, on each architecture.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::io::Read as _;

use super::locate::{Cabinets, Place, locate};
use super::models::install_sections;
use super::{AnalysisError, Folder, OpenInf, folder::has_extension, is_error};
use crate::catalog::Trust;
use crate::inf::{Architecture, Inf};
use crate::install::{Plan, Service, SourceFile, layout_files, plan};
use crate::{Diagnostic, PayloadFile, Severity};

/// INF files that are followed because others copy them.
const COPIED_INFS_MAX: usize = 256;
/// How deep.
const COPIED_DEPTH_MAX: usize = 8;
/// Findings of each kind of trouble; a driver may miss thousands of files.
const FINDINGS_MAX: usize = 200;

/// What belongs to a driver.
pub(super) struct Payload {
    /// Sorted by path without regard to case.
    pub(super) files: Vec<PayloadFile>,
    pub(super) component_ids: Vec<String>,
    pub(super) starts_at_boot: bool,
    /// The architectures on which a file of the INF itself, not of one that it copies, is there and not the one that was
    /// signed.
    pub(super) differs: BTreeSet<Architecture>,
    pub(super) diagnostics: Vec<Diagnostic>,
}

/// The payload of an INF and of those that it copies.
pub(super) fn collect(folder: &Folder, inf: &OpenInf, trust: &Trust) -> Result<Payload, AnalysisError> {
    let mut collector = Collector {
        folder,
        trust,
        files: BTreeMap::new(),
        cabinets: Cabinets::default(),
        followed: HashSet::new(),
        component_ids: Vec::new(),
        components: HashSet::new(),
        starts_at_boot: false,
        differs: BTreeSet::new(),
        diagnostics: Vec::new(),
        told: HashMap::new(),
    };
    collector.inf(inf, None, 0)?;
    Ok(collector.finish())
}

struct Collector<'a> {
    folder: &'a Folder,
    trust: &'a Trust,
    /// By folded path.
    files: BTreeMap<String, Held>,
    cabinets: Cabinets,
    /// Folded paths of INF files.
    followed: HashSet<String>,
    component_ids: Vec<String>,
    /// The same, folded.
    components: HashSet<String>,
    starts_at_boot: bool,
    differs: BTreeSet<Architecture>,
    diagnostics: Vec<Diagnostic>,
    /// How many findings there are of a code.
    told: HashMap<&'static str, usize>,
}

struct Held {
    file: PayloadFile,
    /// How far from the INF itself the one is that named it first; those further away say nothing about it.
    depth: usize,
    architectures: BTreeSet<Architecture>,
    /// Whether it is for all, whatever architectures name it.
    for_all: bool,
}

impl Collector<'_> {
    /// An INF with its catalogs and its files, on one architecture or on all that it has.
    fn inf(&mut self, inf: &OpenInf, only: Option<Architecture>, depth: usize) -> Result<(), AnalysisError> {
        self.followed.insert(inf.path.to_lowercase());
        let sections = install_sections(&inf.inf);
        let digests = self.folder.digests(&inf.path)?;
        for architecture in sections.keys().filter(|own| only.is_none_or(|only| only == **own)) {
            let covered = inf.catalogs.lists(*architecture, &digests);
            self.hold(inf.path.clone(), only, true, covered, depth);
        }
        self.hold(inf.path.clone(), only, true, None, depth);
        for (path, present) in inf.catalogs.paths() {
            self.hold(path.to_owned(), only, present, None, depth);
        }
        let (layouts, mut copied) = (self.layouts(inf)?, Vec::new());
        for (architecture, sections) in sections {
            if only.is_some_and(|only| only != architecture) {
                continue;
            }
            let plan = plan(&inf.inf, &layouts, architecture, sections.iter().map(String::as_str));
            for file in &plan.files {
                self.file(inf, file, architecture, depth)?;
            }
            copied.extend(plan.inf_files.iter().map(|path| (architecture, path.clone())));
            if depth == 0 {
                self.own(plan);
            }
        }
        // Its own files come first: what another INF says about one of them does not count for this.
        for (architecture, path) in copied {
            self.copied(inf, &path, architecture, depth)?;
        }
        Ok(())
    }

    /// The INF files in its folder that say where its files lie.
    fn layouts(&self, inf: &OpenInf) -> Result<Vec<Inf>, AnalysisError> {
        let paths = layout_files(&inf.inf).into_iter().map(|path| format!("{}{path}", inf.beside));
        let there = paths.filter_map(|path| self.folder.lookup(&path).map(str::to_owned));
        let read = there.map(|path| Ok(Inf::parse(&self.folder.read(&path)?)));
        let usable = |inf: &Inf| !inf.diagnostics().iter().any(is_error);
        read.filter(|inf| inf.as_ref().map_or(true, usable)).collect()
    }

    /// What the INF itself, not one that it copies, installs besides files.
    fn own(&mut self, plan: Plan) {
        self.starts_at_boot |= plan.services.iter().any(Service::starts_at_boot);
        for id in plan.component_ids {
            if self.components.insert(id.to_lowercase()) {
                self.component_ids.push(id);
            }
        }
        // The same lines are walked once for each architecture.
        for finding in plan.diagnostics {
            if !self.diagnostics.contains(&finding) {
                self.diagnostics.push(finding);
            }
        }
    }

    fn file(
        &mut self,
        inf: &OpenInf,
        file: &SourceFile,
        architecture: Architecture,
        depth: usize,
    ) -> Result<(), AnalysisError> {
        let written = format!("{}{}", inf.beside, file.path);
        match locate(self.folder, &inf.beside, file, &mut self.cabinets)? {
            Place::Plain(path) => self.plain(inf, path, architecture, depth)?,
            Place::Compressed(path) => {
                let covered = self.packed(inf, &path, architecture, depth)?;
                self.hold(path, Some(architecture), true, covered, depth);
            }
            Place::InCabinet(path) => {
                let covered = self.packed(inf, &path, architecture, depth)?;
                self.hold(path, Some(architecture), true, covered, depth);
                self.hold(written, Some(architecture), true, covered, depth);
            }
            Place::Nowhere if file.optional => {}
            Place::Nowhere => {
                self.missing(&inf.path, &written, file.line);
                self.hold(written, Some(architecture), false, None, depth);
            }
        }
        for path in std::mem::take(&mut self.cabinets.unreadable) {
            self.find("cabinet_unreadable", "the cabinet cannot be read".to_owned(), &path);
        }
        Ok(())
    }

    /// Whether what files are packed into is listed itself. If not, nobody knows whether they are those that were signed,
    /// and what nobody knows proves nothing.
    fn packed(
        &mut self,
        inf: &OpenInf,
        path: &str,
        architecture: Architecture,
        depth: usize,
    ) -> Result<Option<bool>, AnalysisError> {
        let listed = self.listed(inf, path, architecture)?;
        if listed == Some(false) {
            if depth == 0 {
                self.differs.insert(architecture);
            }
            let text = "the driver's catalog does not list this file, and what is packed into it is not compared; \
                        unpack it (expand.exe), so that its files can be";
            self.find("payload_unverified", text.to_owned(), path);
        }
        Ok(listed.filter(|listed| *listed))
    }

    /// A file that lies there as it is.
    fn plain(
        &mut self,
        inf: &OpenInf,
        path: String,
        architecture: Architecture,
        depth: usize,
    ) -> Result<(), AnalysisError> {
        let known = self.files.get_mut(&path.to_lowercase());
        if let Some(held) =
            known.filter(|held| held.depth < depth || held.architectures.contains(&architecture))
        {
            held.architectures.insert(architecture);
            return Ok(());
        }
        let mut covered = self.listed(inf, &path, architecture)?;
        if covered == Some(false) && has_own_signature(&path) {
            covered = None;
        }
        if self.is_lfs_pointer(&path)? {
            let text = "a Git LFS pointer, not the file itself; fetch the large files of the repository (git lfs pull)";
            self.find("payload_lfs_pointer", text.to_owned(), &path);
        }
        if covered == Some(false) {
            if depth == 0 {
                self.differs.insert(architecture);
            }
            let text = "the driver's catalog does not list this file: it is not the one that was signed";
            self.find("payload_not_covered", text.to_owned(), &path);
        }
        self.hold(path, Some(architecture), true, covered, depth);
        Ok(())
    }

    /// An INF file that another one copies.
    fn copied(
        &mut self,
        inf: &OpenInf,
        copied: &str,
        architecture: Architecture,
        depth: usize,
    ) -> Result<(), AnalysisError> {
        let written = format!("{}{copied}", inf.beside);
        let Some(path) = self.folder.lookup(&written).map(str::to_owned) else {
            self.missing(&inf.path, &written, 0);
            self.hold(written, Some(architecture), false, None, depth);
            return Ok(());
        };
        if path == inf.path {
            // Often written by mistake; it means nothing.
            return Ok(());
        }
        if self.followed.contains(&path.to_lowercase()) {
            let known = self.files.get_mut(&path.to_lowercase()).filter(|held| !held.for_all);
            match known {
                // Another architecture of one that was followed.
                Some(held) if !held.architectures.contains(&architecture) => {}
                _ => {
                    let text = format!("{} copies an INF that is followed already", inf.path);
                    self.note("copy_inf_loop", text, &path);
                    return Ok(());
                }
            }
        }
        if depth == COPIED_DEPTH_MAX || self.followed.len() > COPIED_INFS_MAX {
            self.find("copy_inf_too_many", "copied INF files are followed no further".to_owned(), &path);
            self.hold(path, Some(architecture), true, None, depth + 1);
            return Ok(());
        }
        let opened = OpenInf::open(self.folder, &path, self.trust)?;
        if let Some(reason) = opened.diagnostics.iter().find(|finding| is_error(finding)) {
            let text = format!("the copied INF is followed no further: {}", reason.text);
            self.find("copied_inf_invalid", text, &path);
            self.followed.insert(path.to_lowercase());
            self.hold(path, Some(architecture), true, None, depth + 1);
            return Ok(());
        }
        self.inf(&opened, Some(architecture), depth + 1)
    }

    /// Keeps a file for an architecture or for all. One catalog that does not list it is enough to doubt it.
    fn hold(
        &mut self,
        path: String,
        only: Option<Architecture>,
        present: bool,
        covered: Option<bool>,
        depth: usize,
    ) {
        let held = self.files.entry(path.to_lowercase()).or_insert_with(|| Held {
            file: PayloadFile { path, architectures: Vec::new(), present, covered },
            depth,
            architectures: BTreeSet::new(),
            for_all: false,
        });
        held.architectures.extend(only);
        held.for_all |= only.is_none();
        held.file.present |= present;
        if depth <= held.depth {
            held.file.covered = match (held.file.covered, covered) {
                (Some(a), Some(b)) => Some(a && b),
                (known, other) => known.or(other),
            };
        }
    }

    fn listed(
        &self,
        inf: &OpenInf,
        path: &str,
        architecture: Architecture,
    ) -> Result<Option<bool>, AnalysisError> {
        Ok(inf.catalogs.lists(architecture, &self.folder.digests(path)?))
    }

    fn is_lfs_pointer(&self, path: &str) -> Result<bool, AnalysisError> {
        if self.folder.digests(path)?.size_bytes > LFS_POINTER_BYTES_MAX {
            return Ok(false);
        }
        let mut start = Vec::new();
        let read = self.folder.open_at(path)?.take(LFS_POINTER.len() as u64).read_to_end(&mut start);
        Ok(read.is_ok() && start == LFS_POINTER)
    }

    fn missing(&mut self, inf: &str, path: &str, line: u32) {
        let text = format!("{path} is named by the INF and not there");
        let finding = Diagnostic::new(Severity::Warning, "payload_missing", text).in_file(inf);
        self.push(if line > 0 { finding.at(line, 1) } else { finding });
    }

    fn find(&mut self, code: &'static str, text: String, path: &str) {
        self.push(Diagnostic::new(Severity::Warning, code, text).in_file(path));
    }

    fn note(&mut self, code: &'static str, text: String, path: &str) {
        self.push(Diagnostic::new(Severity::Note, code, text).in_file(path));
    }

    fn push(&mut self, finding: Diagnostic) {
        let told = self.told.entry(finding.code).or_default();
        if *told < FINDINGS_MAX && !self.diagnostics.contains(&finding) {
            *told += 1;
            self.diagnostics.push(finding);
        }
    }

    fn finish(self) -> Payload {
        let files = self.files.into_values().map(|held| {
            let named = held.architectures.iter().map(|own| own.name().to_owned());
            PayloadFile {
                architectures: if held.for_all { Vec::new() } else { named.collect() },
                ..held.file
            }
        });
        Payload {
            files: files.collect(),
            component_ids: self.component_ids,
            starts_at_boot: self.starts_at_boot,
            differs: self.differs,
            diagnostics: self.diagnostics,
        }
    }
}

const LFS_POINTER: &[u8] = b"version https://git-lfs";
/// Pointers have about 130 bytes.
const LFS_POINTER_BYTES_MAX: u64 = 1024;

/// Installers and scripts, which catalogs may list by hashes of their own kinds: not finding the usual ones says nothing.
fn has_own_signature(path: &str) -> bool {
    [".msi", ".msp", ".ps1", ".psm1", ".psd1", ".js", ".vbs", ".wsf", ".appx", ".msix"]
        .iter()
        .any(|extension| has_extension(path, extension))
}
