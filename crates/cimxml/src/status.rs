//! Why an operation failed, as an `ERROR` element says it: a CIM status code and a text.

use provider::ProviderError;

/// The status codes of DSP0200 that are answered here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CimStatus {
    Failed = 1,
    AccessDenied = 2,
    InvalidNamespace = 3,
    InvalidParameter = 4,
    InvalidClass = 5,
    NotFound = 6,
    NotSupported = 7,
    AlreadyExists = 11,
    NoSuchProperty = 12,
    TypeMismatch = 13,
    QueryLanguageNotSupported = 14,
    InvalidQuery = 15,
    MethodNotAvailable = 16,
    MethodNotFound = 17,
    InvalidEnumerationContext = 21,
    InvalidOperationTimeout = 22,
    FilteredEnumerationNotSupported = 25,
    ContinuationOnErrorNotSupported = 26,
    ServerLimitsExceeded = 27,
    ServerIsShuttingDown = 28,
}

impl CimStatus {
    /// The number on the wire.
    pub(crate) fn code(self) -> u8 {
        self as u8
    }

    /// The name that stands before the text, as clients print and search it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Failed => "CIM_ERR_FAILED",
            Self::AccessDenied => "CIM_ERR_ACCESS_DENIED",
            Self::InvalidNamespace => "CIM_ERR_INVALID_NAMESPACE",
            Self::InvalidParameter => "CIM_ERR_INVALID_PARAMETER",
            Self::InvalidClass => "CIM_ERR_INVALID_CLASS",
            Self::NotFound => "CIM_ERR_NOT_FOUND",
            Self::NotSupported => "CIM_ERR_NOT_SUPPORTED",
            Self::AlreadyExists => "CIM_ERR_ALREADY_EXISTS",
            Self::NoSuchProperty => "CIM_ERR_NO_SUCH_PROPERTY",
            Self::TypeMismatch => "CIM_ERR_TYPE_MISMATCH",
            Self::QueryLanguageNotSupported => "CIM_ERR_QUERY_LANGUAGE_NOT_SUPPORTED",
            Self::InvalidQuery => "CIM_ERR_INVALID_QUERY",
            Self::MethodNotAvailable => "CIM_ERR_METHOD_NOT_AVAILABLE",
            Self::MethodNotFound => "CIM_ERR_METHOD_NOT_FOUND",
            Self::InvalidEnumerationContext => "CIM_ERR_INVALID_ENUMERATION_CONTEXT",
            Self::InvalidOperationTimeout => "CIM_ERR_INVALID_OPERATION_TIMEOUT",
            Self::FilteredEnumerationNotSupported => "CIM_ERR_FILTERED_ENUMERATION_NOT_SUPPORTED",
            Self::ContinuationOnErrorNotSupported => "CIM_ERR_CONTINUATION_ON_ERROR_NOT_SUPPORTED",
            Self::ServerLimitsExceeded => "CIM_ERR_SERVER_LIMITS_EXCEEDED",
            Self::ServerIsShuttingDown => "CIM_ERR_SERVER_IS_SHUTTING_DOWN",
        }
    }

    /// The status for a WMI status code of the provider.
    fn of_hresult(hresult: u32) -> Self {
        match hresult {
            0x8004_1002 => Self::NotFound,
            0x8004_1003 => Self::AccessDenied,
            0x8004_1005 => Self::TypeMismatch,
            0x8004_1008 | 0x8004_1023 | 0x8004_1028 | 0x8004_102F | 0x8004_103A | 0x8004_103C => {
                Self::InvalidParameter
            }
            0x8004_100C => Self::NotSupported,
            0x8004_100E => Self::InvalidNamespace,
            0x8004_1010 => Self::InvalidClass,
            0x8004_1017 => Self::InvalidQuery,
            0x8004_1018 => Self::QueryLanguageNotSupported,
            0x8004_1019 => Self::AlreadyExists,
            0x8004_102E => Self::MethodNotFound,
            0x8004_1031 => Self::NoSuchProperty,
            0x8004_1033 => Self::ServerIsShuttingDown,
            0x8004_1045 | 0x8004_106C => Self::ServerLimitsExceeded,
            0x8004_1055 => Self::MethodNotAvailable,
            _ => Self::Failed,
        }
    }
}

/// A failed operation.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OperationError {
    /// This front end refuses: the text says what was wrong and what is needed.
    #[error("{reason}")]
    Refused {
        /// The code.
        status: CimStatus,
        /// The text.
        reason: String,
    },
    /// The provider refused or failed.
    #[error(transparent)]
    Provider(Box<ProviderError>),
}

impl OperationError {
    pub(crate) fn new(status: CimStatus, reason: impl Into<String>) -> Self {
        Self::Refused { status, reason: reason.into() }
    }

    pub(crate) fn parameter(reason: impl Into<String>) -> Self {
        Self::new(CimStatus::InvalidParameter, reason)
    }

    pub(crate) fn unsupported(reason: impl Into<String>) -> Self {
        Self::new(CimStatus::NotSupported, reason)
    }

    pub(crate) fn class(class: &str) -> Self {
        Self::new(CimStatus::InvalidClass, format!("there is no class {class} in this namespace"))
    }

    pub(crate) fn status(&self) -> CimStatus {
        match self {
            Self::Refused { status, .. } => *status,
            Self::Provider(error) => CimStatus::of_hresult(error.hresult()),
        }
    }

    /// Whether it is a failure of this side, which belongs into the log; a refusal is none.
    pub(crate) fn is_ours(&self) -> bool {
        matches!(self, Self::Provider(error) if error.is_ours())
    }

    /// `CIM_ERR_NOT_FOUND: text`
    pub(crate) fn description(&self) -> String {
        format!("{}: {self}", self.status().name())
    }
}

impl From<ProviderError> for OperationError {
    fn from(error: ProviderError) -> Self {
        Self::Provider(Box::new(error))
    }
}

#[cfg(test)]
mod tests {
    use provider::{Fault, Operation};
    use site::SiteError;

    use super::*;

    #[test]
    fn faults_of_the_provider_have_the_codes_that_clients_branch_on() {
        let check = |fault: Fault, expect: CimStatus| {
            let error = ProviderError { operation: Operation::GetObject, object: "A".to_owned(), fault };
            let error = OperationError::from(error);
            assert_eq!(error.status(), expect, "{error}");
            assert!(error.description().starts_with(&format!("{}: ", expect.name())));
        };
        let text = || "x".to_owned();
        check(Fault::InvalidClass { class: text() }, CimStatus::InvalidClass);
        check(Fault::NotFound { what: text() }, CimStatus::NotFound);
        check(Fault::InvalidProperty { class: text(), property: text() }, CimStatus::NoSuchProperty);
        check(Fault::InvalidMethod { class: text(), method: text() }, CimStatus::MethodNotFound);
        check(Fault::NotImplemented { class: text(), method: text() }, CimStatus::MethodNotAvailable);
        check(Fault::InvalidPath { reason: text() }, CimStatus::InvalidParameter);
        check(Fault::ReadOnly { property: text() }, CimStatus::InvalidParameter);
        check(Fault::InvalidQuery { reason: text() }, CimStatus::InvalidQuery);
        check(Fault::AlreadyExists { what: text() }, CimStatus::AlreadyExists);
        check(Fault::NotSupported { what: text() }, CimStatus::NotSupported);
        check(Fault::Stale { what: text() }, CimStatus::Failed);
        check(Fault::Site(SiteError::Busy { what: "x" }), CimStatus::ServerLimitsExceeded);
        check(Fault::Site(SiteError::Stopped), CimStatus::ServerIsShuttingDown);
        check(Fault::Site(SiteError::InvalidToken), CimStatus::NotFound);
    }
}
