//! Why a call failed, in the provider's own form: an HRESULT and an SMS_ExtendedStatus.
//!
//! Texts are for the client. They never hold a statement, a path of this machine that the client did not
//! name, or a secret; the cause stays in `source()` for the log.

use cim::{Instance, TypeMismatch, Value};
use site::SiteError;

/// A failed call.
#[derive(Debug, thiserror::Error)]
#[error("{fault}")]
pub struct ProviderError {
    /// What was called.
    pub operation: Operation,
    /// The class, object path, query or method that it was called on, as the client wrote it.
    pub object: String,
    /// Why it failed.
    #[source]
    pub fault: Fault,
}

/// The kinds of calls, by their names in SMS_ExtendedStatus.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// A query.
    ExecQuery,
    /// A get of one instance.
    GetObject,
    /// A create or a change.
    PutInstance,
    /// A deletion.
    DeleteInstance,
    /// A method call.
    ExecMethod,
}

/// Why a call failed: one variant for each thing that a caller can act on.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// The schema has no such class, or none that has instances.
    #[error("there is no class {class}")]
    InvalidClass {
        /// As the client wrote it.
        class: String,
    },
    /// The class has no such property.
    #[error("the class {class} has no property {property}")]
    InvalidProperty {
        /// The class.
        class: String,
        /// As the client wrote it.
        property: String,
    },
    /// The class has no such method.
    #[error("the class {class} has no method {method}")]
    InvalidMethod {
        /// The class.
        class: String,
        /// As the client wrote it.
        method: String,
    },
    /// The method's parameters are wrong.
    #[error("parameters of {method}: {reason}")]
    InvalidParameters {
        /// The method.
        method: String,
        /// What is wrong and what is needed.
        reason: String,
    },
    /// A context qualifier of the call is wrong.
    #[error("the context qualifier {name}: {reason}")]
    InvalidContext {
        /// The qualifier.
        name: String,
        /// What is needed.
        reason: String,
    },
    /// The object path does not name an instance of the class.
    #[error("the object path is not valid: {reason}")]
    InvalidPath {
        /// What is wrong.
        reason: String,
    },
    /// The query cannot be answered.
    #[error("the query is not valid: {reason}")]
    InvalidQuery {
        /// What is wrong.
        reason: String,
    },
    /// A value has the wrong type.
    #[error("{property}: {mismatch}")]
    TypeMismatch {
        /// The property.
        property: String,
        /// The types.
        mismatch: TypeMismatch,
    },
    /// A value breaks a rule of its property.
    #[error("{property}: {reason}")]
    OutOfRange {
        /// The property.
        property: String,
        /// The rule.
        reason: String,
    },
    /// Null for what must have a value.
    #[error("{property} must have a value")]
    IllegalNull {
        /// The property.
        property: String,
    },
    /// A property that clients may not set, or not change.
    #[error("{property} cannot be set by clients")]
    ReadOnly {
        /// The property.
        property: String,
    },
    /// No such instance.
    #[error("{what} does not exist")]
    NotFound {
        /// What was asked for.
        what: String,
    },
    /// The instance is there already.
    #[error("{what} already exists")]
    AlreadyExists {
        /// What.
        what: String,
    },
    /// The instance was changed by someone else since the caller read it.
    #[error("{what} was changed by someone else; read it again and repeat the change")]
    Stale {
        /// What.
        what: String,
    },
    /// So many changes are under way that no more are begun; nothing was done.
    #[error("{what} are under way already; try again shortly")]
    TooManyChanges {
        /// How many, and whose.
        what: String,
    },
    /// The class does not take this operation.
    #[error("{what} is not supported")]
    NotSupported {
        /// What was tried.
        what: String,
    },
    /// The method is declared, but not served by this version; nothing was done.
    #[error("{class}.{method} is not implemented in this version; nothing was done")]
    NotImplemented {
        /// The class.
        class: String,
        /// The method.
        method: String,
    },
    /// The site refused or failed.
    #[error(transparent)]
    Site(SiteError),
}

impl Fault {
    /// The WMI status code.
    #[must_use]
    pub fn hresult(&self) -> u32 {
        match self {
            Self::NotFound { .. } => 0x8004_1002,
            Self::TypeMismatch { .. } => 0x8004_1005,
            Self::NotSupported { .. } => 0x8004_100C,
            Self::InvalidClass { .. } => 0x8004_1010,
            Self::InvalidQuery { .. } => 0x8004_1017,
            Self::AlreadyExists { .. } => 0x8004_1019,
            Self::ReadOnly { .. } => 0x8004_1023,
            Self::IllegalNull { .. } => 0x8004_1028,
            Self::InvalidMethod { .. } => 0x8004_102E,
            Self::InvalidParameters { .. } => 0x8004_102F,
            Self::InvalidContext { .. } => 0x8004_1008,
            Self::InvalidProperty { .. } => 0x8004_1031,
            Self::InvalidPath { .. } => 0x8004_103A,
            Self::OutOfRange { .. } => 0x8004_103C,
            Self::NotImplemented { .. } => 0x8004_1055,
            Self::TooManyChanges { .. } => 0x8004_106C,
            Self::Stale { .. } => FAILED,
            Self::Site(error) => site_codes(error).0,
        }
    }

    /// The Win32 code that SMS_ExtendedStatus carries beside the text.
    #[must_use]
    pub fn error_code(&self) -> u32 {
        match self {
            Self::NotFound { .. } => ERROR_FILE_NOT_FOUND,
            Self::AlreadyExists { .. } => ERROR_ALREADY_EXISTS,
            Self::Stale { .. } => ERROR_REVISION_MISMATCH,
            Self::TooManyChanges { .. } => ERROR_BUSY,
            Self::NotSupported { .. } => ERROR_NOT_SUPPORTED,
            Self::NotImplemented { .. } => ERROR_CALL_NOT_IMPLEMENTED,
            Self::InvalidClass { .. }
            | Self::InvalidProperty { .. }
            | Self::InvalidMethod { .. }
            | Self::InvalidParameters { .. }
            | Self::InvalidContext { .. }
            | Self::InvalidPath { .. }
            | Self::InvalidQuery { .. }
            | Self::TypeMismatch { .. }
            | Self::OutOfRange { .. }
            | Self::IllegalNull { .. }
            | Self::ReadOnly { .. } => ERROR_INVALID_PARAMETER,
            Self::Site(error) => site_codes(error).1,
        }
    }
}

const ERROR_FILE_NOT_FOUND: u32 = 2;
const ERROR_PATH_NOT_FOUND: u32 = 3;
const ERROR_ACCESS_DENIED: u32 = 5;
const ERROR_INVALID_DATA: u32 = 13;
const ERROR_GEN_FAILURE: u32 = 31;
const ERROR_LOCK_VIOLATION: u32 = 33;
const ERROR_NOT_SUPPORTED: u32 = 50;
const ERROR_INVALID_PASSWORD: u32 = 86;
const ERROR_INVALID_PARAMETER: u32 = 87;
const ERROR_DISK_FULL: u32 = 112;
const ERROR_CALL_NOT_IMPLEMENTED: u32 = 120;
const ERROR_NOT_LOCKED: u32 = 158;
const ERROR_BUSY: u32 = 170;
const ERROR_TIMEOUT: u32 = 1460;
const ERROR_ALREADY_EXISTS: u32 = 183;
const ERROR_SHUTDOWN_IN_PROGRESS: u32 = 1115;
const ERROR_REVISION_MISMATCH: u32 = 1306;
const ERROR_INSTALL_PLATFORM_UNSUPPORTED: u32 = 1633;
const ERROR_INVALID_STATE: u32 = 5023;

/// WBEM_E_FAILED
const FAILED: u32 = 0x8004_1001;

/// The WMI status code and the Win32 code of the site's refusals. Without a catch-all, so that a new refusal must
/// be placed before it compiles.
fn site_codes(error: &SiteError) -> (u32, u32) {
    match error {
        SiteError::PackageNotFound { .. }
        | SiteError::VersionNotFound { .. }
        | SiteError::VersionNotOffered { .. }
        | SiteError::DpNotFound { .. }
        | SiteError::SiteNotFound { .. }
        | SiteError::DistributionNotFound { .. }
        | SiteError::PackageNotAssigned { .. }
        | SiteError::GroupNotFound { .. }
        | SiteError::NotInGroup { .. }
        | SiteError::DriverNotFound { .. }
        | SiteError::CategoryNotFound { .. }
        | SiteError::PlatformNotFound
        | SiteError::ImportNotFound { .. }
        | SiteError::FolderNotFound { .. }
        | SiteError::FolderItemNotFound { .. }
        | SiteError::DriverUnknown { .. }
        | SiteError::LockRequestNotFound { .. }
        | SiteError::UserNotFound { .. }
        | SiteError::ScopeNotFound { .. }
        | SiteError::ContentNotFound { .. }
        | SiteError::ContentNotInPackage { .. }
        | SiteError::InvalidToken => (0x8004_1002, ERROR_FILE_NOT_FOUND),
        SiteError::AccessDenied { .. }
        | SiteError::AllScopesNeeded { .. }
        | SiteError::PasswordNeeded { .. } => (0x8004_1003, ERROR_ACCESS_DENIED),
        SiteError::InvalidCredentials => (0x8004_1003, ERROR_INVALID_PASSWORD),
        SiteError::InvalidField { .. } | SiteError::InvalidOption { .. } => {
            (0x8004_1008, ERROR_INVALID_PARAMETER)
        }
        SiteError::UnknownView { .. } => (0x8004_1010, ERROR_INVALID_PARAMETER),
        SiteError::InvalidQuery { .. } => (0x8004_1017, ERROR_INVALID_PARAMETER),
        SiteError::AlreadyExists { .. } => (0x8004_1019, ERROR_ALREADY_EXISTS),
        SiteError::Stopped => (0x8004_1033, ERROR_SHUTDOWN_IN_PROGRESS),
        SiteError::Busy { .. } | SiteError::ReaderTooSlow { .. } => (0x8004_1045, ERROR_BUSY),
        SiteError::QueryTooLong { .. } => (0x8004_106c, ERROR_TIMEOUT),
        SiteError::EditionMismatch { .. } => (FAILED, ERROR_REVISION_MISMATCH),
        SiteError::Transition(_)
        | SiteError::Conflict { .. }
        | SiteError::VersionNotHere { .. }
        | SiteError::VersionNotKept { .. } => (FAILED, ERROR_INVALID_STATE),
        SiteError::ContentInPackage { .. } => (FAILED, SiteError::CONTENT_IN_PACKAGE),
        SiteError::PackageLocked { .. }
        | SiteError::PackageNotBelow { .. }
        | SiteError::SourceReadOnly { .. }
        | SiteError::DriverOutOfScope { .. } => (FAILED, ERROR_ACCESS_DENIED),
        SiteError::ObjectLocked { .. } => (FAILED, ERROR_LOCK_VIOLATION),
        SiteError::LockNotHeld { .. } => (FAILED, ERROR_NOT_LOCKED),
        SiteError::SourceDiffers { .. }
        | SiteError::DriverSourceChanged { .. }
        | SiteError::ContentLost { .. }
        | SiteError::Prestaged(_) => (FAILED, ERROR_INVALID_DATA),
        SiteError::SourceUnusable { .. } => (FAILED, ERROR_PATH_NOT_FOUND),
        SiteError::DriverUnreadable { .. } => (FAILED, ERROR_FILE_NOT_FOUND),
        SiteError::DriverInvalid { .. } => (FAILED, ERROR_INVALID_DATA),
        SiteError::DriverAlreadyImported { .. } => (FAILED, ERROR_ALREADY_EXISTS),
        SiteError::DriverNotSupported { .. } => (FAILED, ERROR_INSTALL_PLATFORM_UNSUPPORTED),
        SiteError::DiskFull(_) | SiteError::SourceFull { .. } => (FAILED, ERROR_DISK_FULL),
        SiteError::NoSource { .. }
        | SiteError::TooManyFailures { .. }
        | SiteError::EnrolTokenUnknown { .. }
        | SiteError::EnrolTokenUsed { .. }
        | SiteError::EnrolTokenExpired { .. }
        | SiteError::CertificateRefused { .. }
        | SiteError::AgentUnknown
        | SiteError::AlreadyInitialized
        | SiteError::NotInitialized
        | SiteError::AlreadyRunning
        | SiteError::SigningKeyMissing
        | SiteError::SigningKeyWrong
        | SiteError::SigningKey(_)
        | SiteError::Library(_)
        | SiteError::Database(_)
        | SiteError::Corrupt { .. }
        | SiteError::Io { .. } => (FAILED, ERROR_GEN_FAILURE),
    }
}

impl ProviderError {
    /// Whether it is a failure of this side, which belongs into the log; a refusal is none.
    #[must_use]
    pub fn is_ours(&self) -> bool {
        matches!(
            &self.fault,
            Fault::Site(
                SiteError::Library(_)
                    | SiteError::Database(_)
                    | SiteError::Corrupt { .. }
                    | SiteError::Io { .. }
                    | SiteError::DiskFull(_)
            )
        )
    }

    /// The WMI status code.
    #[must_use]
    pub fn hresult(&self) -> u32 {
        self.fault.hresult()
    }

    /// The error object that goes with the HRESULT.
    #[must_use]
    pub fn extended_status(&self) -> Instance {
        let mut status = Instance::new("SMS_ExtendedStatus");
        status.set("CauseInfo", self.cause());
        status.set("Description", self.fault.to_string());
        status.set("ErrorCode", self.fault.error_code());
        status.set("File", "");
        status.set("Line", 0u32);
        status.set("ObjectInfo", self.object_info());
        status.set("Operation", self.operation.name());
        status.set("ParameterInfo", self.parameter());
        status.set("ProviderName", "ExtnProv");
        for unused in ["SQLMessage", "SQLSeverity", "SQLStatus"] {
            status.set(unused, Value::Null);
        }
        status.set("StatusCode", self.hresult());
        status
    }

    /// What was called, or the CI_UniqueID of the driver that is there already: with `\`, as scripts expect it and
    /// put `/` in its place.
    fn object_info(&self) -> String {
        match &self.fault {
            Fault::Site(SiteError::DriverAlreadyImported { unique_id, .. }) => unique_id.replace('/', "\\"),
            _ => self.object.clone(),
        }
    }

    /// The stable code behind the text, for scripts that run against Haulier only.
    fn cause(&self) -> Value {
        match &self.fault {
            Fault::Site(error) => Value::text(error.code()),
            _ => Value::Null,
        }
    }

    fn parameter(&self) -> Value {
        match &self.fault {
            Fault::InvalidProperty { property, .. }
            | Fault::TypeMismatch { property, .. }
            | Fault::OutOfRange { property, .. }
            | Fault::IllegalNull { property }
            | Fault::ReadOnly { property } => Value::text(property),
            Fault::Site(SiteError::InvalidField { property, .. }) => Value::text(*property),
            _ => Value::Null,
        }
    }
}

impl Operation {
    /// The name in SMS_ExtendedStatus.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::ExecQuery => "ExecQuery",
            Self::GetObject => "GetObject",
            Self::PutInstance => "PutInstance",
            Self::DeleteInstance => "DeleteInstance",
            Self::ExecMethod => "ExecMethod",
        }
    }
}

impl From<SiteError> for Fault {
    fn from(error: SiteError) -> Self {
        Self::Site(error)
    }
}
