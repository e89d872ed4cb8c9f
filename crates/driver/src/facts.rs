//! What is known about one driver: one INF file and the content it names.

use std::sync::Arc;

use aws_lc_rs::digest::{Context, SHA256};

use crate::Diagnostic;
use crate::inf::Decoration;

/// Everything that an import stores about one driver.
#[derive(Debug, Clone, PartialEq)]
pub struct DriverFacts {
    /// SHA-256 over the content hash and the INF's path in lower case, lower hex. The same driver imported again
    /// has the same id.
    pub id: String,
    /// The INF's path relative to the content folder, as on disk, with `/`.
    pub inf_file: String,
    /// The content folder.
    pub content: ContentFacts,
    /// `Class`, with its strings replaced.
    pub class: String,
    /// `ClassGuid`, lower case with braces; empty when missing.
    pub class_guid: String,
    /// `Provider` from the neutral strings.
    pub provider: String,
    /// The date of DriverVer; `None` if it is missing or invalid.
    pub date: Option<DriverDate>,
    /// The version of DriverVer; `None` if it is missing or invalid.
    pub version: Option<DriverVersion>,
    /// The version as the INF spells it, for example `9.00.00.21`.
    pub version_text: String,
    /// What kind of INF it is.
    pub kind: DriverKind,
    /// What the catalogs say: the worst of the verdicts on the architectures of its platforms.
    pub signature: Signature,
    /// Whether any service of it starts at boot, or `BootCritical` is set.
    pub boot_start: bool,
    /// Whether it was named by a txtsetup.oem as a mass-storage driver.
    pub boot_critical: bool,
    /// The models sections that the manufacturer lines reach, in order, empty ones included.
    pub models: Vec<ModelsFacts>,
    /// The ids ([`crate::platform::Platform::id`]) of the supported platforms.
    pub platforms: Vec<String>,
    /// The files that the INF names, its catalogs and itself, without duplicates, by path.
    pub payload: Vec<PayloadFile>,
    /// The ids of the software components that it adds (`ComponentIDs` of AddComponent), as the INF spells them, without
    /// duplicates; the drivers of these must go where this driver goes.
    pub component_ids: Vec<String>,
    /// The description of the first device that it supports; empty without devices.
    pub display_name: String,
    /// Everything found on the way.
    pub diagnostics: Vec<Diagnostic>,
}

/// A folder of files as one thing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContentFacts {
    /// SHA-256 over the sorted list of (path in lower case, size, SHA-256 of the bytes), lower hex.
    pub hash: String,
    /// Files.
    pub files: u64,
    /// Bytes.
    pub bytes: u64,
}

/// A day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct DriverDate {
    /// For example 2026.
    pub year: u16,
    /// 1 to 12.
    pub month: u8,
    /// 1 to 31.
    pub day: u8,
}

/// Four numbers below 65535, compared part by part; missing ones are 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct DriverVersion(pub [u16; 4]);

/// What kind of INF it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DriverKind {
    /// A driver with models.
    Base,
    /// Class Extension, with its ExtensionId, lower case with braces.
    Extension(String),
    /// Class SoftwareComponent.
    SoftwareComponent,
    /// DefaultInstall without models.
    Primitive,
}

/// What a catalog of a driver proves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature {
    /// The verdict.
    pub state: SignatureState,
    /// The subject's common name of the signing certificate; empty without a signer.
    pub signer: String,
    /// SpcSpOpusInfo's program name; empty without.
    pub program: String,
    /// Whether the signing certificate may sign as Windows hardware quality labs do.
    pub whql: bool,
}

/// The verdict on a driver's signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignatureState {
    /// The catalog is intact, lists the INF, and its chain ends at a configured root.
    Trusted,
    /// As `Trusted`, but the chain ends at no configured root.
    SignerNotTrusted,
    /// The catalog is intact, but the INF's hash is not in it.
    InfNotCovered,
    /// The catalog is intact, but a payload file that is there has a hash that is not in it, or is packed into a file that
    /// is not in it.
    PayloadNotCovered,
    /// The catalog's signature does not fit its bytes.
    Broken,
    /// The catalog has no signer.
    NoSigner,
    /// The named catalog is not there.
    CatalogMissing,
    /// The named catalog is no catalog.
    CatalogUnreadable,
    /// The INF names no catalog.
    NoCatalog,
}

/// One models section as one manufacturer line names it.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelsFacts {
    /// The manufacturer, with its strings replaced.
    pub manufacturer: String,
    /// Which manufacturer line names it, from 0: at most one section of a line applies to an OS.
    pub line: u32,
    /// `None` for the undecorated section.
    pub decoration: Option<Decoration>,
    /// In order.
    pub devices: Vec<Device>,
}

/// One line of a models section.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Device {
    /// With its strings replaced.
    pub description: String,
    /// The section that installs it, undecorated.
    pub install_section: String,
    /// In the INF's case; empty where the line gives only compatible ids.
    pub hardware_id: String,
    /// In the INF's case.
    pub compatible_ids: Vec<String>,
    /// `FeatureScore` of the install section; 0xFF without.
    pub feature_score: u8,
    /// `ExcludeID` of the install section, which its devices share.
    pub exclude_ids: Arc<[String]>,
    /// Whether the install section that applies is decorated with `.nt` or `.nt<architecture>`.
    pub nt_section: bool,
    /// The date of a DriverVer in the install section, which counts for this device instead of the driver's.
    pub date: Option<DriverDate>,
    /// The version of such a DriverVer.
    pub version: Option<DriverVersion>,
}

/// A file that belongs to a driver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PayloadFile {
    /// Relative to the content folder, with `/`; as on disk where it is there, else as the INF spells it.
    pub path: String,
    /// The architectures (`x86`, `amd64`, ...) that it is for, in that spelling; empty for all.
    pub architectures: Vec<String>,
    /// Whether it is there, also compressed or inside a cabinet.
    pub present: bool,
    /// Whether the driver's catalog for each architecture that it is for lists one of its hashes; `None` where none of
    /// these can be read.
    pub covered: Option<bool>,
}

/// The hash by which the content of a folder is known, from the path (relative, with `/`), size and SHA-256 of each of
/// its files, in any order: SHA-256 over them, sorted by path in lower case; lower hex. Whoever copies a folder proves
/// with it that the copy is what was imported.
#[must_use]
pub fn content_hash<'a>(files: impl IntoIterator<Item = (&'a str, u64, [u8; 32])>) -> String {
    let mut files: Vec<_> =
        files.into_iter().map(|(path, size, sha256)| (path.to_lowercase(), size, sha256)).collect();
    files.sort_unstable();
    let mut hash = Context::new(&SHA256);
    for (path, size, sha256) in files {
        hash.update(path.as_bytes());
        // No path has a zero byte.
        hash.update(&[0]);
        hash.update(&size.to_le_bytes());
        hash.update(&sha256);
    }
    hex::encode(hash.finish())
}

impl SignatureState {
    /// Whether the driver counts as signed: an intact catalog covers its INF.
    #[must_use]
    pub fn is_signed(self) -> bool {
        matches!(self, Self::Trusted | Self::SignerNotTrusted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_content_hash_knows_paths_without_case_sizes_and_bytes() {
        let (a, b) = ([1; 32], [2; 32]);
        let whole = content_hash([("x64/A.sys", 5, a), ("net.inf", 7, b)]);
        assert_eq!(whole, content_hash([("NET.inf", 7, b), ("x64/a.SYS", 5, a)]));
        for other in [
            content_hash([("x64/A.sys", 5, a)]),
            content_hash([("x64/A.sys", 5, a), ("net.inf", 8, b)]),
            content_hash([("x64/A.sys", 5, a), ("net.inf", 7, a)]),
            content_hash([("x86/A.sys", 5, a), ("net.inf", 7, b)]),
        ] {
            assert_ne!(whole, other);
        }
        assert_eq!(content_hash([]), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    }
}
