//! Every refusal as `{"error":{"code","message","innererror"}}`, the provider's object inside.

use axum::response::{IntoResponse, Response};
use http::header::{ALLOW, CONNECTION, CONTENT_TYPE, HeaderName, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, StatusCode};
use net::BodyFault;
use provider::{Fault, ProviderError};
use serde_json::{Map, Value as Json, json};
use signin::SignInError;
use site::SiteError;

use crate::entity;

/// What a client that comes at a busy time is told to wait, in seconds.
const BUSY_RETRY_S: u64 = 2;

/// Why a request was refused.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ApiError {
    /// The URL means nothing here.
    #[error("there is no resource at this address: {reason}")]
    NoResource {
        /// What was not understood.
        reason: String,
    },
    /// A query option is wrong.
    #[error("the query option {option} is not valid: {reason}")]
    InvalidOption {
        /// The option.
        option: String,
        /// What is wrong and what is needed.
        reason: String,
    },
    /// The body is wrong.
    #[error("the body is not valid: {reason}")]
    InvalidBody {
        /// What is wrong.
        reason: String,
    },
    /// The body is too long.
    #[error("the body is longer than {limit} bytes")]
    BodyTooLong {
        /// The limit.
        limit: usize,
    },
    /// The body broke off, or did not come in time.
    #[error("the body did not come whole in time; send the request again")]
    BodyIncomplete,
    /// The URL is too long.
    #[error("the URL is longer than {limit} bytes; send fewer conditions")]
    UrlTooLong {
        /// The limit.
        limit: usize,
    },
    /// The resource does not take this method.
    #[error("this resource answers to {allow} only")]
    MethodNotAllowed {
        /// The methods that it takes.
        allow: &'static str,
    },
    /// A page of another site sent the request.
    #[error("a page of another site sent this request; only reading is answered to it")]
    CrossSite,
    /// A condition of the request's header does not hold.
    #[error(
        "the instance is not the one that If-Match names: its etag is its key values, joined by semicolons"
    )]
    PreconditionFailed,
    /// The options of a list stand in the body of a GET, where they would be passed over.
    #[error("a GET takes no body here; write $filter and the other options into the URL")]
    OptionsInBody,
    /// Nobody is signed in.
    #[error(transparent)]
    SignIn(#[from] SignInError),
    /// The provider refused or failed.
    #[error(transparent)]
    Provider(Box<ProviderError>),
}

impl From<ProviderError> for ApiError {
    fn from(error: ProviderError) -> Self {
        Self::Provider(Box::new(error))
    }
}

impl From<BodyFault> for ApiError {
    fn from(fault: BodyFault) -> Self {
        match fault {
            BodyFault::TooLong { limit } => Self::BodyTooLong { limit },
            BodyFault::Incomplete => Self::BodyIncomplete,
        }
    }
}

impl ApiError {
    fn status(&self) -> StatusCode {
        match self {
            Self::NoResource { .. } => StatusCode::NOT_FOUND,
            Self::InvalidOption { .. } | Self::InvalidBody { .. } => StatusCode::BAD_REQUEST,
            Self::BodyTooLong { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::BodyIncomplete => StatusCode::REQUEST_TIMEOUT,
            Self::UrlTooLong { .. } => StatusCode::URI_TOO_LONG,
            Self::MethodNotAllowed { .. } => StatusCode::METHOD_NOT_ALLOWED,
            Self::CrossSite => StatusCode::FORBIDDEN,
            Self::PreconditionFailed => StatusCode::PRECONDITION_FAILED,
            Self::OptionsInBody => StatusCode::BAD_REQUEST,
            Self::SignIn(error) => sign_in_status(error),
            Self::Provider(error) => fault_status(&error.fault),
        }
    }

    fn header(&self) -> Vec<(HeaderName, HeaderValue)> {
        match self {
            Self::MethodNotAllowed { allow } => vec![(ALLOW, HeaderValue::from_static(allow))],
            // The one operation that every class takes; the class said no to the others.
            Self::Provider(error) if fault_status(&error.fault) == StatusCode::METHOD_NOT_ALLOWED => {
                vec![(ALLOW, HeaderValue::from_static("GET"))]
            }
            Self::SignIn(SignInError::Refused(SiteError::TooManyFailures { retry_after_s })) => {
                vec![(RETRY_AFTER, HeaderValue::from(*retry_after_s))]
            }
            _ if self.status() == StatusCode::SERVICE_UNAVAILABLE => {
                vec![(RETRY_AFTER, HeaderValue::from(BUSY_RETRY_S))]
            }
            Self::SignIn(error) => {
                let challenges =
                    error.challenges().into_iter().map(|challenge| (WWW_AUTHENTICATE, challenge));
                let close = (CONNECTION, HeaderValue::from_static("close"));
                challenges.chain(error.ends_connection().then_some(close)).collect()
            }
            _ => Vec::new(),
        }
    }

    fn body(&self) -> Json {
        let mut error = Map::new();
        error.insert("code".to_owned(), json!(self.status().as_str()));
        error.insert("message".to_owned(), json!(self.to_string()));
        if let Self::Provider(error_below) = self {
            let status = entity::plain_object(&error_below.extended_status());
            error.insert("innererror".to_owned(), json!({ "SMS_ExtendedStatus": status }));
        }
        json!({ "error": error })
    }
}

/// The credentials' own refusals; while they are checked the site can fail as it can elsewhere.
fn sign_in_status(error: &SignInError) -> StatusCode {
    match (error.status(), error) {
        (Some(status), _) => status,
        (None, SignInError::Refused(other)) => site_status(other),
        (None, _) => StatusCode::UNAUTHORIZED,
    }
}

/// Without a catch-all, like [`site_status`]: a new refusal must be placed before it compiles, or it would look
/// like a broken server.
fn fault_status(fault: &Fault) -> StatusCode {
    match fault {
        Fault::InvalidClass { .. } | Fault::InvalidMethod { .. } | Fault::NotFound { .. } => {
            StatusCode::NOT_FOUND
        }
        Fault::AlreadyExists { .. } | Fault::Stale { .. } => StatusCode::CONFLICT,
        Fault::TooManyChanges { .. } => StatusCode::SERVICE_UNAVAILABLE,
        Fault::NotSupported { .. } => StatusCode::METHOD_NOT_ALLOWED,
        Fault::NotImplemented { .. } => StatusCode::NOT_IMPLEMENTED,
        Fault::InvalidProperty { .. }
        | Fault::InvalidParameters { .. }
        | Fault::InvalidContext { .. }
        | Fault::InvalidPath { .. }
        | Fault::InvalidQuery { .. }
        | Fault::TypeMismatch { .. }
        | Fault::OutOfRange { .. }
        | Fault::IllegalNull { .. }
        | Fault::ReadOnly { .. } => StatusCode::BAD_REQUEST,
        Fault::Site(error) => site_status(error),
    }
}

fn site_status(error: &SiteError) -> StatusCode {
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
        | SiteError::InvalidToken
        | SiteError::UnknownView { .. } => StatusCode::NOT_FOUND,
        // The present password that goes with a new one; who calls is signed in.
        SiteError::AccessDenied { .. }
        | SiteError::AllScopesNeeded { .. }
        | SiteError::PasswordNeeded { .. }
        | SiteError::InvalidCredentials => StatusCode::FORBIDDEN,
        SiteError::AlreadyExists { .. }
        | SiteError::DriverAlreadyImported { .. }
        | SiteError::DriverOutOfScope { .. }
        | SiteError::Conflict { .. }
        | SiteError::VersionNotHere { .. }
        | SiteError::VersionNotKept { .. }
        | SiteError::EditionMismatch { .. }
        | SiteError::ContentInPackage { .. }
        | SiteError::PackageLocked { .. }
        | SiteError::PackageNotBelow { .. }
        | SiteError::ObjectLocked { .. }
        | SiteError::LockNotHeld { .. }
        | SiteError::DriverSourceChanged { .. }
        | SiteError::ContentLost { .. }
        | SiteError::SourceDiffers { .. }
        | SiteError::Transition(_) => StatusCode::CONFLICT,
        SiteError::InvalidField { .. }
        | SiteError::InvalidOption { .. }
        | SiteError::InvalidQuery { .. }
        | SiteError::QueryTooLong { .. }
        | SiteError::NoSource { .. }
        | SiteError::SourceReadOnly { .. }
        | SiteError::SourceUnusable { .. }
        | SiteError::DriverUnreadable { .. }
        | SiteError::DriverInvalid { .. }
        | SiteError::DriverNotSupported { .. } => StatusCode::BAD_REQUEST,
        SiteError::TooManyFailures { .. } => StatusCode::TOO_MANY_REQUESTS,
        SiteError::Busy { .. } | SiteError::ReaderTooSlow { .. } | SiteError::Stopped => {
            StatusCode::SERVICE_UNAVAILABLE
        }
        SiteError::DiskFull(_) | SiteError::SourceFull { .. } => StatusCode::INSUFFICIENT_STORAGE,
        // The first ones answer agents and the command line; here they would be mistakes of this program.
        SiteError::EnrolTokenUnknown { .. }
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
        | SiteError::Prestaged(_)
        | SiteError::Database(_)
        | SiteError::Corrupt { .. }
        | SiteError::Io { .. } => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let status = self.status();
        if status.is_server_error() && status != StatusCode::NOT_IMPLEMENTED {
            tracing::error!(error = &self as &dyn std::error::Error, "a request failed");
        }
        // As the original writes them; an apostrophe stands nowhere in JSON but inside of texts.
        let body = self.body().to_string().replace('\'', "\\u0027");
        let mut response = (status, body).into_response();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json; charset=utf-8"));
        headers.insert("odata-version", HeaderValue::from_static("4.0"));
        for (name, value) in self.header() {
            headers.append(name, value);
        }
        response
    }
}
