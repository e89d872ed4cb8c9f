//! Bodies and queries, parsed; every way to fail is an answer in the protocol's own form.

use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, QueryRejection};
use axum::http::StatusCode;
use serde::de::DeserializeOwned;

use crate::BODY_BYTES_MAX;
use crate::error::ServiceError;

/// What a request that may wait asks. `after`: the revision that the caller has, 0 for none. `wait`: how many seconds it is
/// willing to wait.
#[derive(Debug, serde::Deserialize)]
pub(crate) struct Asked {
    #[serde(default)]
    pub(crate) after: i64,
    #[serde(default)]
    pub(crate) wait: u64,
}

/// A query that is not what the call takes.
#[expect(clippy::needless_pass_by_value, reason = "the shape that map_err wants")]
pub(crate) fn bad_query(rejection: QueryRejection) -> ServiceError {
    ServiceError::BadRequest { what: "the query", reason: rejection.body_text() }
}

/// A JSON body. Fields that this version does not know are passed over: a newer agent may send them.
pub(crate) fn json<T: DeserializeOwned>(body: Result<Bytes, BytesRejection>) -> Result<T, ServiceError> {
    json_within(body, BODY_BYTES_MAX)
}

/// As [`json`], of a call that takes so many bytes.
pub(crate) fn json_within<T: DeserializeOwned>(
    body: Result<Bytes, BytesRejection>,
    bytes_max: usize,
) -> Result<T, ServiceError> {
    let body = body.map_err(|rejection| match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => ServiceError::BodyTooLarge(bytes_max),
        // Not the caller's doing: what it reports is not to be dropped for it.
        _ if net::bodies_are_full(&rejection) => ServiceError::Busy,
        _ => ServiceError::BodyIncomplete(rejection.body_text()),
    })?;
    serde_json::from_slice(&body).map_err(|e| ServiceError::BadRequest {
        what: "the body is not the JSON that this call takes",
        reason: e.to_string(),
    })
}
