//! SDMPackageXML: the definition in which a client carries a driver between the provider's CreateFrom methods and the
//! put that stores it.
//!
//! Root, `Driver/@Version`, `Annotation/DisplayName/@Text` and `PlatformApplicabilityConditions` are the published
//! ones, and clients read and edit them by these names. What else the import needs has no published form; it lies in
//! `DriverInformation`, `Signature` and `Content`. Elements that are not known here are kept as they came.

mod read;
mod write;

pub use read::read;
pub use write::write;

use crate::{DriverDate, XmlError};

/// The namespace of the root.
pub const NAMESPACE: &str =
    "http://schemas.microsoft.com/SystemsCenterConfigurationManager/2006/03/24/DesiredConfiguration";

/// The definition of one driver.
///
/// Nothing in it but the platform conditions and the version is a client's to change, so a server takes only these
/// from it and everything else from the driver's files.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DriverDigest {
    /// CI_UniqueID: `<authoring scope>/<logical name>`, for example `ScopeId_.../DRIVER_...`.
    pub unique_id: String,
    /// `Driver/@Version`; a client that edits the conditions adds 1.
    pub version: u32,
    /// `Annotation/DisplayName/@Text`.
    pub display_name: String,
    /// DriverINFFile, relative to the content folder.
    pub inf_file: String,
    /// DriverClass.
    pub class: String,
    /// DriverProvider.
    pub provider: String,
    /// DriverDate.
    pub date: Option<DriverDate>,
    /// DriverVersion, as the INF spells it.
    pub version_text: String,
    /// DriverBootCritical.
    pub boot_critical: bool,
    /// DriverSigned.
    pub signed: bool,
    /// DriverSigner.
    pub signer: String,
    /// The content's hash, lower hex (`ContentFacts::hash`).
    pub content_hash: String,
    /// ContentSourcePath, as the client named it.
    pub content_source_path: String,
    /// The platforms that the driver is for.
    pub conditions: Vec<PlatformCondition>,
    /// Elements of `Driver` that are not known here.
    pub other: Vec<Fragment>,
}

/// One `PlatformApplicabilityCondition`; the values are those of SMS_SupportedPlatforms.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PlatformCondition {
    /// For people, for example `All Windows 11 (64-bit)`.
    pub display_name: String,
    /// `Win NT`
    pub name: String,
    /// `x64`, `I386`, ...
    pub platform: String,
    /// For example `5.20.3790.0`.
    pub min_version: String,
    /// For example `5.20.9999.9999`.
    pub max_version: String,
    /// WQL about the operating system; empty without.
    pub query1: String,
    /// WQL about the processor; empty without.
    pub query2: String,
}

/// A well-formed element, as it came. Only [`read`] makes one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fragment(String);

impl Fragment {
    /// The element's text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Bytes of a definition that is read: all platforms there are need a tenth.
pub const BYTES_MAX: usize = 2 << 20;
/// Nodes of its tree.
const NODES_MAX: u32 = 65_536;
/// Platform conditions.
const CONDITIONS_MAX: usize = 1024;

/// Why a definition was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SdmError {
    /// The XML itself.
    #[error("SDMPackageXML: {0}")]
    Xml(#[from] XmlError),
    /// The root is something else.
    #[error(
        "SDMPackageXML: the root is not DesiredConfigurationDigest in its namespace; give what CreateFromINF returned"
    )]
    Root,
    /// There is not exactly one driver in it.
    #[error("SDMPackageXML: it must hold one Driver and holds {0}")]
    Driver(usize),
    /// A value that must be there is missing or no such value.
    #[error("SDMPackageXML: {element} has no valid {attribute}")]
    Value {
        /// The element.
        element: &'static str,
        /// The attribute.
        attribute: &'static str,
    },
    /// Too many conditions.
    #[error("SDMPackageXML: it has more than {CONDITIONS_MAX} platform conditions")]
    TooManyConditions,
}

impl SdmError {
    /// A stable code for logs and clients.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Xml(_) => "sdm_xml",
            Self::Root => "sdm_root",
            Self::Driver(_) => "sdm_driver",
            Self::Value { .. } => "sdm_value",
            Self::TooManyConditions => "sdm_conditions",
        }
    }
}

#[cfg(test)]
mod tests;
