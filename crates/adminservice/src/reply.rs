//! Answers and the headers that all of them have.

use axum::body::{Body, Bytes};
use axum::response::{IntoResponse, Response};
use http::header::{CONTENT_TYPE, HeaderName};
use http::{HeaderValue, StatusCode};
use serde_json::Value as Json;

/// The media type of every answer that holds entities.
pub(crate) const JSON: &str = "application/json; odata.metadata=minimal; odata.streaming=true; charset=utf-8";

pub(crate) fn reply(status: StatusCode, json: &Json) -> Response {
    reply_text(status, json.to_string())
}

pub(crate) fn reply_text(status: StatusCode, json: impl Into<Body>) -> Response {
    let headers = [(CONTENT_TYPE, HeaderValue::from_static(JSON)), version()];
    (status, headers, json.into()).into_response()
}

pub(crate) fn xml(document: Bytes) -> Response {
    let headers = [(CONTENT_TYPE, HeaderValue::from_static("application/xml; charset=utf-8")), version()];
    (headers, document).into_response()
}

pub(crate) fn version() -> (HeaderName, HeaderValue) {
    (HeaderName::from_static("odata-version"), HeaderValue::from_static("4.0"))
}
