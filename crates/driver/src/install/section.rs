//! Following the directives of sections from one to the next.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use super::source::{LAYOUT_ELSEWHERE, Sources};
use super::{Plan, Service, choose, number, path};
use crate::inf::{Architecture, Entry, Inf, Section};
use crate::{Diagnostic, Severity};

/// Sections that are reached through one another.
pub const DEPTH_MAX: usize = 32;
/// Findings about one plan; a broken INF may have one in each line.
const FINDINGS_MAX: usize = 200;

/// What stands behind the name of an install section to name those that belong to it.
const SUB_SECTIONS: [&str; 12] = [
    ".services",
    ".hw",
    ".coinstallers",
    ".interfaces",
    ".components",
    ".software",
    ".events",
    ".filters",
    ".wmi",
    ".com",
    ".factdef",
    ".logconfigoverride",
];

/// One walk over everything that installs on an architecture.
pub(super) struct Walk<'a> {
    inf: &'a Inf,
    architecture: Architecture,
    sources: Sources,
    plan: Plan,
    /// Folded names of the sections that were walked.
    walked: HashSet<String>,
    /// Folded names of those being walked, the outermost first.
    active: Vec<String>,
    /// What was named already: a kind of thing, and its folded name.
    seen: HashSet<(&'static str, String)>,
    /// What service sections say, by their folded names.
    start_types: HashMap<String, Option<u32>>,
    /// Indexes into the plan's files, by folded path.
    files: HashMap<String, usize>,
    has_told_layout: bool,
}

impl<'a> Walk<'a> {
    pub(super) fn new(inf: &'a Inf, layouts: &[Inf], architecture: Architecture) -> Self {
        let mut walk = Self {
            inf,
            architecture,
            sources: Sources::read(inf, layouts, architecture),
            plan: Plan::default(),
            walked: HashSet::new(),
            active: Vec::new(),
            seen: HashSet::new(),
            start_types: HashMap::new(),
            files: HashMap::new(),
            has_told_layout: false,
        };
        for name in ["classinstall32", "defaultinstall"] {
            if choose(inf, name, architecture).is_some() {
                walk.install(name);
            }
        }
        for entry in inf.section("interfaceinstall32").into_iter().flat_map(Section::entries) {
            walk.install(&entry.value(0));
        }
        walk
    }

    pub(super) fn finish(self) -> Plan {
        self.plan
    }

    /// The install section that a models line names, with all that belong to it.
    pub(super) fn install(&mut self, name: &str) {
        let Some((chosen, _)) = choose(self.inf, name, self.architecture) else {
            // A printer's models line may name its data file in place of a section.
            self.file(name, true, 0);
            return;
        };
        self.section(&chosen);
        for suffix in SUB_SECTIONS {
            self.section(&format!("{chosen}{suffix}"));
        }
    }

    /// Every directive of a section, if it is there.
    fn section(&mut self, name: &str) {
        let Some(section) = self.inf.section(name) else { return };
        let folded = section.name().to_lowercase();
        if self.active.contains(&folded) {
            let text = format!("the section {:?} needs itself", section.name());
            self.warn("needs_loop", section.line(), text);
            return;
        }
        if self.active.len() == DEPTH_MAX {
            let text = format!("more than {DEPTH_MAX} sections lead to {:?}; it is left out", section.name());
            self.warn("needs_too_deep", section.line(), text);
            return;
        }
        if !self.walked.insert(folded.clone()) {
            return;
        }
        self.active.push(folded);
        let has_include = section.entry("include").is_some();
        for entry in section.entries() {
            if let Some(key) = entry.key() {
                self.directive(&key.to_ascii_lowercase(), entry, has_include);
            }
        }
        self.active.pop();
    }

    fn directive(&mut self, key: &str, entry: Entry<'_>, has_include: bool) {
        match key {
            "copyfiles" => filled(entry).for_each(|value| self.copy_files(&value, entry.line())),
            "copyinf" => filled(entry).for_each(|value| self.copy_inf(&value, entry.line())),
            "needs" => filled(entry).for_each(|value| self.needs(&value, entry.line(), has_include)),
            "addservice" => self.service(entry),
            "addinterface" | "addcomponent" | "addsoftware" => self.section(&entry.value(2)),
            "datasection" => self.section(&entry.value(0)),
            "componentids" => {
                for id in filled(entry) {
                    if self.seen.insert(("component", id.to_lowercase())) {
                        self.plan.component_ids.push(id.into_owned());
                    }
                }
            }
            "softwarebinary" => self.software(&entry.value(0), entry.line()),
            "driverfile" | "datafile" | "configfile" | "helpfile" => {
                filled(entry).for_each(|value| self.file(&value, true, entry.line()));
            }
            // `name, file`, quoted as one value or not.
            "languagemonitor" | "printprocessor" => {
                let last = filled(entry).last().unwrap_or_default();
                let file = last.rsplit(',').next().unwrap_or_default().trim().to_owned();
                self.file(&file, true, entry.line());
            }
            _ => {}
        }
    }

    fn copy_files(&mut self, value: &str, line: u32) {
        if let Some(name) = value.strip_prefix('@') {
            self.file(name, false, line);
            return;
        }
        let Some(list) = self.inf.section(value) else {
            self.warn(
                "copy_list_missing",
                line,
                format!("CopyFiles names the list {value:?}, which is not there"),
            );
            return;
        };
        // Two sections may copy one list; its lines are the same both times.
        if !self.seen.insert(("list", list.name().to_lowercase())) {
            return;
        }
        for entry in list.entries() {
            let (destination, source) = (entry.value(0), entry.value(1));
            let name = if source.is_empty() { destination } else { source };
            if !name.is_empty() {
                self.file(&name, false, entry.line());
            }
        }
    }

    fn copy_inf(&mut self, value: &str, line: u32) {
        match path::clean(&[value]) {
            Some(path) if !self.seen.insert(("inf", path.to_lowercase())) => {}
            Some(path) => self.plan.inf_files.push(path),
            None => self.refuse(value, line),
        }
    }

    fn needs(&mut self, value: &str, line: u32, has_include: bool) {
        if self.inf.section(value).is_some() {
            self.section(value);
        } else if !has_include {
            let text =
                format!("Needs names the section {value:?}, which is not there, and nothing is included");
            self.find(Severity::Note, "needs_missing", line, text);
        }
    }

    fn service(&mut self, entry: Entry<'_>) {
        let (name, flags, section) = (entry.value(0), entry.value(1), entry.value(2));
        if !self.seen.insert(("service", format!("{name},{flags},{section}").to_lowercase())) {
            return;
        }
        let mut service = Service {
            name: name.clone().into_owned(),
            start_type: None,
            is_function_driver: number(&flags).is_some_and(|flags| flags & 2 != 0),
        };
        match self.inf.section(&section) {
            Some(found) => {
                // Thousands of services may share a section.
                let key = found.name().to_lowercase();
                let read = || found.entry("starttype").and_then(|entry| number(&entry.value(0)));
                service.start_type = *self.start_types.entry(key).or_insert_with(read);
                self.section(&section);
            }
            None if section.is_empty() => {}
            None => {
                let text = format!(
                    "the service {name:?} is to be made by the section {section:?}, which is not there"
                );
                self.warn("service_section_missing", entry.line(), text);
            }
        }
        self.plan.services.push(service);
    }

    /// `SoftwareBinary = %13%\setup.exe`: DIRID 13 is the folder of the package. Other folders hold what was copied.
    fn software(&mut self, value: &str, line: u32) {
        let inside = value.strip_prefix("%13%").unwrap_or(value);
        let name = inside.rsplit(['\\', '/']).next().unwrap_or_default();
        let known = self.seen.contains(&("file", name.to_lowercase()));
        if !known && inside.len() != value.len() {
            // Without a line of its own it lies where it is run from.
            self.file(if self.sources.lists(name) { name } else { inside }, false, line);
        }
    }

    fn file(&mut self, name: &str, optional: bool, line: u32) {
        if name.is_empty() {
            return;
        }
        let mut findings = Vec::new();
        let Some(file) = self.sources.locate(name, optional, line, &mut findings) else {
            if !optional {
                self.refuse(name, line);
            }
            return;
        };
        if let Some(&known) = self.files.get(&file.path.to_lowercase()) {
            self.plan.files[known].optional &= file.optional;
            return;
        }
        findings.retain(|finding| {
            finding.code != LAYOUT_ELSEWHERE || !std::mem::replace(&mut self.has_told_layout, true)
        });
        if self.plan.diagnostics.len() < FINDINGS_MAX {
            self.plan.diagnostics.append(&mut findings);
        }
        let name = file.path.rsplit('/').next().unwrap_or_default().to_lowercase();
        self.seen.insert(("file", name));
        self.files.insert(file.path.to_lowercase(), self.plan.files.len());
        self.plan.files.push(file);
    }

    fn refuse(&mut self, name: &str, line: u32) {
        self.warn(
            "name_refused",
            line,
            format!("{name:?} is not a file inside the driver's folder; it is left out"),
        );
    }

    fn warn(&mut self, code: &'static str, line: u32, text: String) {
        self.find(Severity::Warning, code, line, text);
    }

    fn find(&mut self, severity: Severity, code: &'static str, line: u32, text: String) {
        if self.plan.diagnostics.len() < FINDINGS_MAX {
            self.plan.diagnostics.push(Diagnostic::new(severity, code, text).at(line.max(1), 1));
        }
    }
}

fn filled<'e>(entry: Entry<'e>) -> impl Iterator<Item = Cow<'e, str>> {
    entry.values().filter(|value| !value.is_empty())
}
