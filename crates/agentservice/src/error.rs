//! Every refusal of the agent API: a status, a stable code and one sentence.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use net::object::RangeError;
use site::SiteError;

/// How long a caller that met a limit should wait, in seconds.
const RETRY_AFTER_S: u64 = 5;

/// Why a request was refused. `Display` is what the agent reads and its administrator sees.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ServiceError {
    #[error("this call needs the client certificate that the agent got when it enrolled")]
    CertificateRequired,
    #[error("this call needs `Authorization: Bearer` with the secret that the agent got when it enrolled")]
    SecretRequired,
    #[error("over plain HTTP agents are served on loopback only; use https")]
    PlainNotLoopback,
    #[error("{0:?} is not a package id like PS100001")]
    BadPackageId(String),
    #[error("{0:?} is not a package version, a number from 1")]
    BadVersion(String),
    #[error("{0:?} is not an object id, 64 lower-case hexadecimal digits")]
    BadObjectId(String),
    #[error("{what}: {reason}")]
    BadRequest { what: &'static str, reason: String },
    #[error("the body is larger than {0} bytes")]
    BodyTooLarge(usize),
    #[error("the body did not arrive whole: {0}")]
    BodyIncomplete(String),
    #[error("{count} facts came in one report, and {max} are the most; send several", max = agent::FACTS_MAX)]
    TooManyFacts { count: usize },
    #[error("there is no object {0}; ask for the package's route again")]
    ObjectNotFound(String),
    #[error("nobody waits for an answer to want {0} any more")]
    WantNotFound(u64),
    #[error(transparent)]
    Range(#[from] RangeError),
    #[error("too many enrolments failed from this address; try again later")]
    TooManyAttempts { retry_after_s: u64 },
    #[error("this agent already has {0} requests waiting for changes")]
    TooManyWaits(usize),
    #[error("this agent already has {0} reports under way; post the next one after them")]
    TooManyReports(usize),
    #[error("the window to this destination is closed for packages of priority {priority}")]
    WindowClosed { opens_at: Option<Timestamp>, retry_after_s: u64, priority: u8 },
    #[error("{reason}")]
    WaitsItself { reason: String, until: Option<Timestamp>, retry_after_s: u64 },
    #[error("it is on its way to this site; ask again")]
    OnItsWay,
    #[error("this distribution point is in maintenance mode; nothing is sent to it until that ends")]
    Maintenance,
    #[error("the server is busy; try again shortly")]
    Busy,
    #[error("there is no such call in this version of the agent API")]
    NoSuchRoute,
    #[error("this call does not take this method")]
    MethodNotAllowed,
    #[error("the content library cannot be read; the site's log says why")]
    Storage(#[source] content::StoreError),
    #[error(transparent)]
    Site(#[from] SiteError),
}

impl ServiceError {
    /// A stable code; `docs/agent-protocol.md` lists them with what an agent does.
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::CertificateRequired => "certificate_required",
            Self::SecretRequired => "secret_required",
            Self::PlainNotLoopback => "plain_not_loopback",
            Self::BadPackageId(_) => "bad_package_id",
            Self::BadVersion(_) => "bad_version",
            Self::BadObjectId(_) => "bad_object_id",
            Self::BadRequest { .. } => "bad_request",
            Self::BodyTooLarge(_) => "body_too_large",
            Self::BodyIncomplete(_) => "body_incomplete",
            Self::TooManyFacts { .. } => "too_many_facts",
            Self::ObjectNotFound(_) => "object_not_found",
            Self::WantNotFound(_) => "want_not_found",
            Self::Range(RangeError::Bad(_)) => "bad_range",
            Self::Range(RangeError::BeyondEnd { .. }) => "range_beyond_end",
            Self::TooManyAttempts { .. } => "too_many_attempts",
            Self::TooManyWaits(_) => "too_many_waits",
            Self::TooManyReports(_) => "too_many_reports",
            Self::WindowClosed { .. } | Self::WaitsItself { .. } => agent::WINDOW_CLOSED,
            Self::OnItsWay => agent::ON_ITS_WAY,
            Self::Maintenance => "maintenance",
            Self::Busy => "busy",
            Self::NoSuchRoute => "no_such_route",
            Self::MethodNotAllowed => "method_not_allowed",
            Self::Storage(_) => "storage_failed",
            Self::Site(error) => error.code(),
        }
    }

    pub(crate) fn status(&self) -> StatusCode {
        match self {
            Self::CertificateRequired | Self::SecretRequired => StatusCode::UNAUTHORIZED,
            Self::PlainNotLoopback => StatusCode::FORBIDDEN,
            Self::BadPackageId(_)
            | Self::BadVersion(_)
            | Self::BadObjectId(_)
            | Self::BadRequest { .. }
            | Self::BodyIncomplete(_)
            | Self::Range(RangeError::Bad(_)) => StatusCode::BAD_REQUEST,
            Self::ObjectNotFound(_) | Self::WantNotFound(_) | Self::NoSuchRoute => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::BodyTooLarge(_) | Self::TooManyFacts { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Range(RangeError::BeyondEnd { .. }) => StatusCode::RANGE_NOT_SATISFIABLE,
            Self::TooManyAttempts { .. } | Self::TooManyWaits(_) | Self::TooManyReports(_) => {
                StatusCode::TOO_MANY_REQUESTS
            }
            Self::Busy
            | Self::Maintenance
            | Self::WindowClosed { .. }
            | Self::WaitsItself { .. }
            | Self::OnItsWay => StatusCode::SERVICE_UNAVAILABLE,
            Self::Storage(_) => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Site(error) => site_status(error),
        }
    }

    fn retry_after_s(&self) -> Option<u64> {
        match self {
            Self::TooManyAttempts { retry_after_s }
            | Self::WindowClosed { retry_after_s, .. }
            | Self::WaitsItself { retry_after_s, .. } => Some(*retry_after_s),
            _ if self.status() == StatusCode::SERVICE_UNAVAILABLE => Some(RETRY_AFTER_S),
            _ if self.status() == StatusCode::TOO_MANY_REQUESTS => Some(RETRY_AFTER_S),
            _ => None,
        }
    }
}

/// What a site's refusal means to an agent. Whatever is not the agent's doing is a 500: its text is safe for
/// clients, and its cause is in the log.
fn site_status(error: &SiteError) -> StatusCode {
    match error {
        SiteError::AgentUnknown => StatusCode::UNAUTHORIZED,
        SiteError::EnrolTokenUnknown { .. }
        | SiteError::EnrolTokenUsed { .. }
        | SiteError::EnrolTokenExpired { .. } => StatusCode::FORBIDDEN,
        SiteError::PackageNotFound { .. }
        | SiteError::VersionNotFound { .. }
        | SiteError::VersionNotOffered { .. }
        | SiteError::DpNotFound { .. }
        | SiteError::SiteNotFound { .. }
        | SiteError::PackageNotAssigned { .. }
        | SiteError::DistributionNotFound { .. } => StatusCode::NOT_FOUND,
        SiteError::InvalidField { .. } | SiteError::CertificateRefused { .. } => StatusCode::BAD_REQUEST,
        SiteError::AlreadyExists { .. }
        | SiteError::Conflict { .. }
        | SiteError::VersionNotHere { .. }
        | SiteError::VersionNotKept { .. } => StatusCode::CONFLICT,
        SiteError::Busy { .. } | SiteError::Stopped | SiteError::DiskFull(_) => {
            StatusCode::SERVICE_UNAVAILABLE
        }
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

impl IntoResponse for ServiceError {
    fn into_response(self) -> Response {
        let (status, code) = (self.status(), self.code());
        let until = match &self {
            Self::WindowClosed { opens_at: until, .. } | Self::WaitsItself { until, .. } => {
                until.map(|at| at.to_string())
            }
            Self::OnItsWay => None,
            _ if status.is_server_error() => {
                let cause = std::error::Error::source(&self).map(ToString::to_string);
                tracing::warn!(code, error = %self, cause, "Refused an agent's request");
                None
            }
            _ => None,
        };
        let reply = agent::ErrorReply { code: code.to_owned(), message: self.to_string(), until };
        let mut response = (status, Json(reply)).into_response();
        let headers = response.headers_mut();
        if let Some(seconds) = self.retry_after_s() {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"haulier\""));
        }
        if let Self::Range(RangeError::BeyondEnd { object_bytes }) = self {
            let range = format!("bytes */{object_bytes}");
            headers.insert(header::CONTENT_RANGE, range.parse().expect("digits are a valid header"));
        }
        response
    }
}

pub(crate) async fn no_such_route() -> ServiceError {
    ServiceError::NoSuchRoute
}

pub(crate) async fn method_not_allowed() -> ServiceError {
    ServiceError::MethodNotAllowed
}
