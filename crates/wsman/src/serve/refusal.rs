//! Refusals that HTTP alone tells: before there is an envelope there is no fault.

use axum::response::{IntoResponse, Response};
use http::header::{ALLOW, CONTENT_TYPE};
use http::{HeaderValue, StatusCode};
use net::BodyFault;
use signin::{SealError, SignInError};

/// Why a request has no answer in an envelope.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refusal {
    /// The method is another.
    #[error("send envelopes with POST")]
    MethodNotAllowed,
    /// A page of another site sent the request.
    #[error("a page of another site sent this request")]
    CrossSite,
    /// Nobody is signed in.
    #[error(transparent)]
    SignIn(#[from] SignInError),
    /// The body is too long.
    #[error("the body is longer than {limit} bytes")]
    TooLong {
        /// The limit.
        limit: usize,
    },
    /// The body broke off, or did not come in time.
    #[error("the body did not come whole in time; send the request again")]
    Incomplete,
    /// There is no body.
    #[error("the body is empty; send an envelope")]
    Empty,
    /// The body is none that holds an envelope.
    #[error("send envelopes as application/soap+xml")]
    ContentType,
    /// The sealed body does not open.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// The body holds no envelope.
    #[error("{0}")]
    NotXml(String),
}

impl Refusal {
    /// The answer's status.
    pub(super) fn status(&self) -> StatusCode {
        match self {
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::CrossSite => StatusCode::FORBIDDEN,
            Self::SignIn(error) => error.answer_status(),
            Self::TooLong { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Incomplete => StatusCode::REQUEST_TIMEOUT,
            Self::ContentType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::Empty | Self::Seal(_) | Self::NotXml(_) => StatusCode::BAD_REQUEST,
        }
    }
}

impl From<BodyFault> for Refusal {
    fn from(fault: BodyFault) -> Self {
        match fault {
            BodyFault::TooLong { limit } => Self::TooLong { limit },
            BodyFault::Incomplete => Self::Incomplete,
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let status = self.status();
        if status == StatusCode::INTERNAL_SERVER_ERROR {
            tracing::error!(error = &self as &dyn std::error::Error, "a sign-in failed");
        }
        let mut response = (status, format!("{self}\n")).into_response();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
        match &self {
            Self::MethodNotAllowed => {
                headers.insert(ALLOW, HeaderValue::from_static("POST"));
            }
            Self::SignIn(error) => error.write_to(headers),
            _ => {}
        }
        response
    }
}
