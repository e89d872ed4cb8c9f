//! Every refusal as `{"error":{"code","message"}}`.

use axum::response::{IntoResponse, Response};
use driver::devices::DevicesError;
use http::header::{ALLOW, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderValue, StatusCode};
use net::BodyFault;
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
    /// The body broke off, or did not come in time.
    #[error("the body did not come whole in time; send the request again")]
    BodyIncomplete,
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

impl From<BodyFault> for ServiceError {
    fn from(fault: BodyFault) -> Self {
        match fault {
            BodyFault::TooLong { limit } => Self::BodyTooLong { limit },
            BodyFault::Incomplete => Self::BodyIncomplete,
        }
    }
}

/// When a machine that was answered 503 should ask again, in seconds.
const RETRY_AFTER_S: u64 = 5;

impl ServiceError {
    /// A stable code.
    fn code(&self) -> &'static str {
        match self {
            Self::NoResource => "no_resource",
            Self::MethodNotAllowed => "method_not_allowed",
            Self::BodyTooLong { .. } => "body_too_long",
            Self::BodyIncomplete => "body_incomplete",
            Self::InvalidBody { .. } => "invalid_body",
            Self::InvalidValue { .. } => "invalid_value",
            Self::Devices(error) => error.code(),
            Self::SignIn(error) => error.code(),
            Self::Site(error) => error.code(),
            Self::Busy => "busy",
        }
    }

    fn status(&self) -> StatusCode {
        match self {
            Self::NoResource => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::BodyTooLong { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::BodyIncomplete => StatusCode::REQUEST_TIMEOUT,
            Self::InvalidBody { .. } | Self::InvalidValue { .. } | Self::Devices(_) => {
                StatusCode::BAD_REQUEST
            }
            Self::SignIn(error) => match (error.status(), error) {
                (Some(status), _) => status,
                (None, SignInError::Refused(other)) => site_status(other),
                (None, _) => StatusCode::UNAUTHORIZED,
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
        SiteError::PackageNotFound { .. }
        | SiteError::DriverNotFound { .. }
        | SiteError::ContentNotFound { .. } => StatusCode::NOT_FOUND,
        SiteError::Conflict { .. }
        | SiteError::DriverSourceChanged { .. }
        | SiteError::SourceUnusable { .. } => StatusCode::CONFLICT,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

impl ServiceError {
    /// What the machine is told. Where the site keeps its files is no business of whoever may read.
    fn message(&self) -> String {
        match self {
            Self::Site(SiteError::SourceUnusable { .. }) => {
                "the files of a driver that fits are in no package, and its folder cannot be read; the site's log names it"
                    .to_owned()
            }
            Self::Site(SiteError::DriverSourceChanged { driver, .. }) => format!(
                "the files of driver {driver} are in no package, and those in its folder are no longer what was \
                 imported; import it again"
            ),
            other => other.to_string(),
        }
    }

    /// Each refusal once, as loud as it deserves: what only asks the machine to wait is not worth a line.
    fn log(&self, status: StatusCode) {
        let error = self as &dyn std::error::Error;
        match status {
            StatusCode::SERVICE_UNAVAILABLE => tracing::debug!(error, "a request has to wait"),
            StatusCode::CONFLICT => tracing::warn!(error, "a request cannot be answered"),
            _ if status.is_server_error() => tracing::error!(error, "a request failed"),
            _ => {}
        }
    }
}

impl IntoResponse for ServiceError {
    fn into_response(self) -> Response {
        let status = self.status();
        self.log(status);
        let body = json!({ "error": { "code": self.code(), "message": self.message() } });
        let mut response = (status, body.to_string()).into_response();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json; charset=utf-8"));
        match &self {
            Self::MethodNotAllowed => drop(headers.insert(ALLOW, HeaderValue::from_static("POST"))),
            Self::SignIn(SignInError::Refused(SiteError::TooManyFailures { retry_after_s })) => {
                headers.insert(RETRY_AFTER, HeaderValue::from(*retry_after_s));
            }
            _ if status == StatusCode::SERVICE_UNAVAILABLE => {
                headers.insert(RETRY_AFTER, HeaderValue::from(RETRY_AFTER_S));
            }
            Self::SignIn(error) => error.write_to(headers),
            _ => {}
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_site_says_has_a_status_and_names_no_folder() {
        let path = r"/srv/private/net".to_owned();
        let reason = format!("{path} is not there");
        for (error, expect, code) in [
            (SiteError::DriverNotFound { ci_id: 16_777_217 }, 404, "driver_not_found"),
            (SiteError::ContentNotFound { content_id: 1 }, 404, "content_not_found"),
            (
                SiteError::SourceUnusable { path: path.clone(), reason: reason.clone() },
                409,
                "source_unusable",
            ),
            (
                SiteError::DriverSourceChanged { driver: "NIC".to_owned(), path, reason },
                409,
                "driver_source_changed",
            ),
            (SiteError::Busy { what: "many machines ask for drivers" }, 503, "busy"),
            (SiteError::Stopped, 503, "stopped"),
            (SiteError::NotInitialized, 500, "not_initialized"),
        ] {
            let error = ServiceError::Site(error);
            assert_eq!((error.status().as_u16(), error.code()), (expect, code));
            assert!(!error.message().contains("private"), "{}", error.message());
            let asks_again = error.into_response().headers().contains_key(RETRY_AFTER);
            assert_eq!(asks_again, expect == 503, "{code}");
        }
    }
}
