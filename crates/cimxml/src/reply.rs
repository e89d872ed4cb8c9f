//! The frame of an answer, and its HTTP headers.

use std::time::Duration;

use axum::BoxError;
use axum::body::{Body, Bytes};
use axum::response::{IntoResponse, Response};
use futures_util::Stream;
use http::HeaderValue;
use http::header::{CONTENT_TYPE, HeaderName};
use xml::Writer;

use crate::encode::{Encoder, Shape};
use crate::status::OperationError;

/// The media type of every answer.
const XML: HeaderValue = HeaderValue::from_static("application/xml; charset=\"utf-8\"");
const CIM_OPERATION: HeaderName = HeaderName::from_static("cimoperation");
const RESPONSE_TIME: HeaderName = HeaderName::from_static("wbemserverresponsetime");

/// What an answer repeats of its request.
#[derive(Debug, Clone)]
pub(crate) struct Frame {
    pub(crate) id: String,
    /// The operation or method, as written.
    pub(crate) name: String,
    pub(crate) is_extrinsic: bool,
}

impl Frame {
    /// An answer up to where its content begins.
    pub(crate) fn open(&self) -> Writer {
        let mut writer = Writer::with_declaration();
        writer.open("CIM", &[("CIMVERSION", "2.0"), ("DTDVERSION", "2.0")]);
        writer.open("MESSAGE", &[("ID", &self.id), ("PROTOCOLVERSION", "1.0")]);
        writer.open("SIMPLERSP", &[]);
        let element = if self.is_extrinsic { "METHODRESPONSE" } else { "IMETHODRESPONSE" };
        writer.open(element, &[("NAME", &self.name)]);
        writer
    }

    /// The answer of an operation that failed. What the provider says in full stands inside, where the client reads it.
    pub(crate) fn error(&self, error: &OperationError, encoder: Encoder) -> String {
        let mut writer = self.open();
        let (code, description) = (error.status().code().to_string(), error.description());
        let attributes = [("CODE", code.as_str()), ("DESCRIPTION", description.as_str())];
        match error {
            OperationError::Provider(error) if !encoder.is_wbemcli => {
                writer.open("ERROR", &attributes);
                encoder.instance(&mut writer, &error.extended_status(), &Shape::default());
                writer.close();
            }
            _ => writer.empty("ERROR", &attributes),
        }
        writer.finish()
    }
}

/// An answer that is there as a whole.
pub(crate) fn whole(text: String, took: Duration) -> Response {
    let took_us = HeaderValue::from(u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
    let headers = [(CONTENT_TYPE, XML), (CIM_OPERATION, METHOD_RESPONSE), (RESPONSE_TIME, took_us)];
    (headers, text).into_response()
}

/// An answer that leaves in pieces.
pub(crate) fn pieces<E: Into<BoxError>>(
    pieces: impl Stream<Item = Result<Bytes, E>> + Send + 'static,
) -> Response {
    let headers = [(CONTENT_TYPE, XML), (CIM_OPERATION, METHOD_RESPONSE)];
    (headers, Body::from_stream(pieces)).into_response()
}

const METHOD_RESPONSE: HeaderValue = HeaderValue::from_static("MethodResponse");
