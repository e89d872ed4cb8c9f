//! The vendors' lists of driver packs, and choosing a pack for a machine.
//!
//! Each vendor publishes its own format: XML in a cabinet (Dell, HP), plain XML (Lenovo), JSON (Panasonic, and what the
//! community keeps for Surface). All are read into one [`PackCatalog`]. The lists hold errors, such as hashes cut
//! short, missing dates and links to packs that are gone: these are told as diagnostics and the rest goes on.

pub mod choice;
mod dell;
mod hp;
mod json;
mod lenovo;
mod offer;
mod value;

pub use choice::{MachineModel, TargetOs};
pub use json::{SurfaceSku, surface_skus};
pub use offer::{Fit, Offer, packs_for};

use std::sync::Arc;

use crate::archive::{self, ArchiveError};
use crate::inf::Architecture;
use crate::{Diagnostic, DriverDate, Severity, XmlError, xml};

/// Reads a catalog, recognized by its content: Dell's DriverPackCatalog, HP's HPClientDriverPackCatalog, Lenovo's
/// catalogv2, Panasonic's and the community's Surface JSON; plain or in a cabinet.
///
/// # Errors
///
/// [`VendorError`] if it is none of them or cannot be read at all; damaged entries are diagnostics of the catalog.
pub fn read(bytes: &[u8]) -> Result<PackCatalog, VendorError> {
    let unpacked;
    let bytes = if archive::is_cabinet(bytes) {
        unpacked =
            archive::file_of_cabinet(bytes, ".xml", BYTES_MAX as u64)?.ok_or(VendorError::EmptyCabinet)?;
        &unpacked
    } else {
        bytes
    };
    let text = xml::decode(bytes, BYTES_MAX)?;
    if text.starts_with(['{', '[']) {
        return json::read(&text);
    }
    let document = xml::parse(&text, NODES_MAX)?;
    let root = document.root_element();
    match root.tag_name().name() {
        "DriverPackManifest" => Ok(dell::read(root)),
        "NewDataSet" | "HPClientDriverPackCatalog" => hp::read(root).ok_or(VendorError::Unknown),
        "ModelList" => Ok(lenovo::read(root)),
        _ => Err(VendorError::Unknown),
    }
}

/// Bytes of a catalog's text; the largest known has 4 MB.
pub const BYTES_MAX: usize = 32 << 20;
/// Nodes of its tree.
const NODES_MAX: u32 = 2_000_000;
/// Findings that are kept; a file with more is not the vendor's.
const DIAGNOSTICS_MAX: usize = 1000;
/// Pairs of model and system in a whole catalog. HP has the most, 4205; a list of models times a list of systems in
/// a forged one could have billions.
const TARGETS_MAX: usize = 200_000;
/// Ids of one model; real ones have at most about twenty.
const SYSTEM_IDS_MAX: usize = 64;
/// Characters of a model's or a system's name and of an id.
const TEXT_CHARS_MAX: usize = 256;

/// One vendor's list.
#[derive(Debug, Clone, PartialEq)]
pub struct PackCatalog {
    /// Whose.
    pub vendor: Vendor,
    /// The list's version as the vendor counts; empty without.
    pub version: String,
    /// When the list was made.
    pub released: Option<DriverDate>,
    /// In the list's order.
    pub packs: Vec<Pack>,
    /// What is wrong with the list.
    pub diagnostics: Vec<Diagnostic>,
}

/// A vendor whose list is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Vendor {
    /// Dell
    Dell,
    /// HP
    Hp,
    /// Lenovo
    Lenovo,
    /// Microsoft, for Surface
    Microsoft,
    /// Panasonic
    Panasonic,
}

impl Vendor {
    /// The name by which packages and machines call the vendor ([`choice::manufacturer`]).
    #[must_use]
    pub fn manufacturer(self) -> &'static str {
        match self {
            Self::Dell => "Dell",
            Self::Hp => "Hewlett-Packard",
            Self::Lenovo => "Lenovo",
            Self::Microsoft => "Microsoft",
            Self::Panasonic => "Panasonic",
        }
    }
}

/// One download.
#[derive(Debug, Clone, PartialEq)]
pub struct Pack {
    /// The vendor's number (Dell's release id, HP's SoftPaq), else the file's name.
    pub id: String,
    /// For people.
    pub name: String,
    /// The vendor's version of the pack; empty without.
    pub version: String,
    /// What is in it.
    pub kind: PackKind,
    /// The machines and systems that it is for, each pair once.
    pub targets: Vec<PackTarget>,
    /// Where it lies; http or https.
    pub url: String,
    /// What the file is, by its name.
    pub format: PackFormat,
    /// Its length.
    pub size_bytes: Option<u64>,
    /// Whether `size_bytes` is exact; Panasonic gives it in hundredths of a gigabyte.
    pub size_exact: bool,
    /// Its hashes.
    pub hashes: PackHashes,
    /// The day of its release.
    pub released: Option<DriverDate>,
}

/// What a pack holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PackKind {
    /// All drivers of the model.
    Drivers,
    /// Drivers of graphics cards of the brand, beside the model's pack.
    Graphics(String),
    /// Store apps that belong to drivers.
    StoreApps,
    /// Drivers for Windows PE, for all models.
    WindowsPe,
}

/// The file format of a download.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PackFormat {
    /// A cabinet; can be imported as it is.
    Cabinet,
    /// A zip; can be imported as it is.
    Zip,
    /// A self-extracting program.
    Program,
    /// A Windows Installer package.
    Installer,
    /// Anything else.
    Other,
}

/// Lower-case hex of the right length, or missing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PackHashes {
    /// 32 digits.
    pub md5: Option<String>,
    /// 40 digits.
    pub sha1: Option<String>,
    /// 64 digits.
    pub sha256: Option<String>,
}

/// A model on a system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackTarget {
    /// The model; without name and ids in a pack for all models.
    pub model: Arc<PackModel>,
    /// The system.
    pub os: PackOs,
}

/// A model as the vendor knows it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PackModel {
    /// For people.
    pub name: String,
    /// What a machine reports: Dell's and Surface's SystemSKU, HP's and Panasonic's base board product, Lenovo's
    /// machine type of four characters.
    pub system_ids: Vec<String>,
}

/// A system that a pack is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackOs {
    /// For example `Windows 11`.
    pub name: String,
    /// For example `22H2` or `1909`; empty for all.
    pub release: String,
    /// Whether later releases are meant too.
    pub or_later: bool,
    /// The processor.
    pub architecture: Architecture,
}

impl PackModel {
    /// Cut to what a model can have: lists pair each model with each system.
    fn new(name: &str, mut system_ids: Vec<String>) -> Arc<Self> {
        system_ids.truncate(SYSTEM_IDS_MAX);
        let system_ids = system_ids.iter().map(|id| value::cut(id)).collect();
        Arc::new(Self { name: value::cut(name), system_ids })
    }
}

impl PackOs {
    /// Cut for the same reason.
    fn new(name: &str, release: &str, or_later: bool, architecture: Architecture) -> Self {
        Self { name: value::cut(name), release: value::cut(release), or_later, architecture }
    }
}

impl Pack {
    /// The models, each once.
    #[must_use]
    pub fn models(&self) -> Vec<&PackModel> {
        let mut models = Vec::new();
        let mut seen = std::collections::HashSet::new();
        for PackTarget { model, .. } in &self.targets {
            if seen.insert((&model.name, &model.system_ids)) {
                models.push(&**model);
            }
        }
        models
    }
}

/// Why a catalog was not read.
#[derive(Debug, thiserror::Error)]
pub enum VendorError {
    /// The XML, or the text before it was known to be JSON.
    #[error("the driver-pack catalog: {0}")]
    Xml(#[from] XmlError),
    /// The JSON.
    #[error("the driver-pack catalog cannot be read as JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// The cabinet around it.
    #[error("the driver-pack catalog's cabinet: {0}")]
    Cabinet(#[from] ArchiveError),
    /// A cabinet without XML.
    #[error("the cabinet holds no XML; give the vendor's driver-pack catalog")]
    EmptyCabinet,
    /// None of the known formats.
    #[error(
        "the file is no driver-pack catalog of Dell, HP, Lenovo, Panasonic or Surface that is known here"
    )]
    Unknown,
}

impl VendorError {
    /// A stable code for logs and clients.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Xml(_) => "pack_catalog_xml",
            Self::Json(_) => "pack_catalog_json",
            Self::Cabinet(error) => error.code(),
            Self::EmptyCabinet => "pack_catalog_empty",
            Self::Unknown => "pack_catalog_unknown",
        }
    }
}

/// Collects findings about packs.
#[derive(Debug, Default)]
struct Findings {
    kept: Vec<Diagnostic>,
    targets: usize,
}

impl Findings {
    /// Whether one more target of the pack may be kept.
    fn may_add_target(&mut self, pack: &str) -> bool {
        self.targets += 1;
        if self.targets == TARGETS_MAX + 1 {
            self.warn(
                "pack_targets_cut",
                pack,
                "the catalog has too many models and systems; the rest is left out",
            );
        }
        self.targets <= TARGETS_MAX
    }

    fn warn(&mut self, code: &'static str, pack: &str, text: &str) {
        self.add(Severity::Warning, code, pack, text);
    }

    fn note(&mut self, code: &'static str, pack: &str, text: &str) {
        self.add(Severity::Note, code, pack, text);
    }

    fn add(&mut self, severity: Severity, code: &'static str, pack: &str, text: &str) {
        match self.kept.len() {
            0..DIAGNOSTICS_MAX => {
                self.kept.push(Diagnostic::new(severity, code, format!("{}: {text}", value::cut(pack))))
            }
            DIAGNOSTICS_MAX => self.kept.push(Diagnostic::new(
                Severity::Warning,
                "pack_findings_cut",
                "there are more findings than are kept",
            )),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests;
