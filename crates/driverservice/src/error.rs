//! Every refusal as `{"error":{"code","message"}}`.

use axum::response::{IntoResponse, Response};
use driver::devices::DevicesError;
use http::header::{ALLOW, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, StatusCode};
use serde_json::json;
use signin::SignInError;
use site::SiteError;

/// Why a request was refused.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ServiceError {
    /// The URL means nothing here.
    #[error(
        "there is nothing at this address; /drivers/v1/match, /drivers/v1/match.zip and /drivers/v1/package are"
    )]
    NoResource,
    /// Everything here is asked with POST.
    #[error("this is asked with POST")]
    MethodNotAllowed,
    /// The body is too long.
    #[error("the body is longer than {limit} bytes")]
    BodyTooLong {
        /// The limit.
        limit: usize,
    },
    /// The body is no JSON of the form that is needed.
    #[error("the body is not valid: {reason}")]
    InvalidBody {
        /// What is wrong.
        reason: String,
    },
    /// A value is wrong.
    #[error("{name}: {reason}")]
    InvalidValue {
        /// Which.
        name: &'static str,
        /// What is wrong and what is needed.
        reason: String,
    },
    /// The text names no devices.
    #[error(transparent)]
    Devices(#[from] DevicesError),
    /// Nobody is signed in.
    #[error(transparent)]
    SignIn(#[from] SignInError),
    /// The site refused or failed.
    #[error(transparent)]
    Site(#[from] SiteError),
    /// More is asked at once than is answered.
    #[error("too many machines ask for drivers at once; try again shortly")]
    Busy,
}

/// When a machine that met [`ServiceError::Busy`] should ask again, in seconds.
const RETRY_AFTER_S: u64 = 5;

impl ServiceError {
    /// A stable code.
    fn code(&self) -> &'static str {
        match self {
            Self::NoResource => "no_resource",
            Self::MethodNotAllowed => "method_not_allowed",
            Self::BodyTooLong { .. } => "body_too_long",
            Self::InvalidBody { .. } => "invalid_body",
            Self::InvalidValue { .. } => "invalid_value",
            Self::Devices(error) => error.code(),
            Self::SignIn(SignInError::Unauthenticated) => "unauthenticated",
            Self::SignIn(SignInError::OpenConnection) => "open_connection",
            Self::SignIn(SignInError::Refused(error)) | Self::Site(error) => error.code(),
            Self::Busy => "busy",
        }
    }

    fn status(&self) -> StatusCode {
        match self {
            Self::NoResource => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::BodyTooLong { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::InvalidBody { .. } | Self::InvalidValue { .. } | Self::Devices(_) => {
                StatusCode::BAD_REQUEST
            }
            Self::SignIn(SignInError::Unauthenticated) => StatusCode::UNAUTHORIZED,
            Self::SignIn(SignInError::OpenConnection) => StatusCode::FORBIDDEN,
            Self::SignIn(SignInError::Refused(error)) => match error {
                SiteError::InvalidCredentials | SiteError::InvalidToken => StatusCode::UNAUTHORIZED,
                other => site_status(other),
            },
            Self::Site(error) => site_status(error),
            Self::Busy => StatusCode::SERVICE_UNAVAILABLE,
        }
    }
}

/// What the site can say to a machine that looks for drivers; the rest would be mistakes of this program.
fn site_status(error: &SiteError) -> StatusCode {
    match error {
        SiteError::AccessDenied { .. } => StatusCode::FORBIDDEN,
        SiteError::InvalidField { .. } | SiteError::InvalidOption { .. } => StatusCode::BAD_REQUEST,
        SiteError::TooManyFailures { .. } => StatusCode::TOO_MANY_REQUESTS,
        SiteError::Busy { .. } | SiteError::Stopped => StatusCode::SERVICE_UNAVAILABLE,
        SiteError::PackageNotFound { .. } | SiteError::SourceUnusable { .. } => StatusCode::NOT_FOUND,
        SiteError::Conflict { .. } => StatusCode::CONFLICT,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

impl IntoResponse for ServiceError {
    fn into_response(self) -> Response {
        let status = self.status();
        if status.is_server_error() && !matches!(self, Self::Busy) {
            tracing::error!(error = &self as &dyn std::error::Error, "a request failed");
        }
        let body = json!({ "error": { "code": self.code(), "message": self.to_string() } });
        let mut response = (status, body.to_string()).into_response();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json; charset=utf-8"));
        match &self {
            Self::MethodNotAllowed => drop(headers.insert(ALLOW, HeaderValue::from_static("POST"))),
            Self::Busy => drop(headers.insert(RETRY_AFTER, HeaderValue::from(RETRY_AFTER_S))),
            Self::SignIn(SignInError::Refused(SiteError::TooManyFailures { retry_after_s })) => {
                headers.insert(RETRY_AFTER, HeaderValue::from(*retry_after_s));
            }
            _ if status == StatusCode::UNAUTHORIZED => {
                for challenge in signin::CHALLENGES {
                    headers.append(WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
                }
            }
            _ => {}
        }
        response
    }
}
