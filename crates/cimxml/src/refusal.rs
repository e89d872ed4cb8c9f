//! Requests that are no operation at all: an HTTP status, and the header `CIMError` that says in one word why (DSP0200,
//! 7.3). What an operation answers, errors included, has status 200.

use axum::response::{IntoResponse, Response};
use http::header::{ALLOW, CONTENT_TYPE, HeaderName};
use http::{HeaderValue, StatusCode};
use net::BodyFault;
use signin::SignInError;
use xml::XmlError;

/// Why a request is not looked into.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refusal {
    /// Another method than POST.
    #[error("CIM-XML is sent with POST")]
    Method,
    /// The method of the HTTP Extension Framework; clients then send POST.
    #[error("M-POST is not taken; send POST")]
    Extension,
    /// Not XML.
    #[error("the body must be application/xml or text/xml")]
    MediaType,
    /// The body is too long.
    #[error("the body is longer than {limit} bytes")]
    TooLong {
        /// The limit.
        limit: usize,
    },
    /// The body did not arrive.
    #[error("the body did not arrive whole")]
    Incomplete,
    /// A page of another site sent the request.
    #[error("a page of another site sent this request")]
    CrossSite,
    /// Nobody is signed in.
    #[error(transparent)]
    SignIn(#[from] SignInError),
    /// The body is no document.
    #[error(transparent)]
    NotWellFormed(#[from] XmlError),
    /// The document is no message of DSP0201.
    #[error("the message is not valid: {reason}")]
    NotValid {
        /// What is wrong and what is needed.
        reason: String,
    },
    /// A header says something else than the message.
    #[error("the header {header} does not say what the message says")]
    HeaderMismatch {
        /// The header.
        header: &'static str,
    },
    /// A message of a kind or version that is not served.
    #[error("{what} is not served; {instead}")]
    Unsupported {
        /// The word for the header `CIMError`.
        token: &'static str,
        /// What was sent.
        what: &'static str,
        /// What is served.
        instead: &'static str,
    },
}

impl Refusal {
    pub(crate) fn not_valid(reason: impl Into<String>) -> Self {
        Self::NotValid { reason: reason.into() }
    }

    fn status(&self) -> StatusCode {
        match self {
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::Extension | Self::Unsupported { .. } => StatusCode::NOT_IMPLEMENTED,
            Self::MediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::TooLong { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Incomplete => StatusCode::REQUEST_TIMEOUT,
            Self::CrossSite => StatusCode::FORBIDDEN,
            Self::NotWellFormed(_) | Self::NotValid { .. } | Self::HeaderMismatch { .. } => {
                StatusCode::BAD_REQUEST
            }
            Self::SignIn(error) => error.answer_status(),
        }
    }

    /// The word that says why.
    fn token(&self) -> Option<&'static str> {
        match self {
            Self::NotWellFormed(_) => Some("request-not-well-formed"),
            Self::NotValid { .. } => Some("request-not-valid"),
            Self::HeaderMismatch { .. } => Some("header-mismatch"),
            Self::Unsupported { token, .. } => Some(token),
            _ => None,
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
        let text = match status {
            StatusCode::INTERNAL_SERVER_ERROR => {
                tracing::error!(error = &self as &dyn std::error::Error, "a request failed");
                "the site failed; its log says more".to_owned()
            }
            _ => self.to_string(),
        };
        let mut response = (status, text).into_response();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
        if let Some(token) = self.token() {
            headers.insert(CIM_ERROR, HeaderValue::from_static(token));
        }
        match &self {
            Self::Method => drop(headers.insert(ALLOW, HeaderValue::from_static("POST"))),
            Self::SignIn(error) => error.write_to(headers),
            _ => {}
        }
        response
    }
}

const CIM_ERROR: HeaderName = HeaderName::from_static("cimerror");
