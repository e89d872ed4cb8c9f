//! Lists, written while the rows are read: a list of any length takes the memory of one piece.

use std::convert::Infallible;

use axum::BoxError;
use axum::body::{Body, Bytes};
use axum::response::{IntoResponse, Response};
use cim::Instance;
use futures_util::{Stream, stream};
use http::header::CONTENT_TYPE;
use http::{HeaderValue, StatusCode};
use provider::{InstanceStream, ProviderError};
use serde_json::{Map, Value as Json};

use crate::entity::{Shape, Writer};
use crate::error::ApiError;
use crate::reply::{JSON, reply_text, version};

/// Text that is gathered before it goes to the connection, in bytes, give or take an instance. A list that is not
/// longer goes out as a whole.
const PIECE_BYTES: usize = 64 * 1024;
/// What an entity is expected to take, so that a piece need not grow.
const ENTITY_BYTES: usize = 4 * 1024;
/// The end of the list and of the answer.
const CLOSED: &[u8] = b"]}";

/// A list on its way.
struct List {
    instances: InstanceStream,
    writer: Writer,
    /// Whether an instance has been written.
    begun: bool,
    /// Whether the closing brackets have been written.
    ended: bool,
}

/// Answers with all instances behind the members of `head`.
///
/// Errors: what goes wrong before the first piece is out. Later the connection is broken off, so that nobody takes half
/// of a list for a whole one.
pub(crate) async fn answer(
    head: Map<String, Json>,
    instances: InstanceStream,
    shape: Shape,
) -> Result<Response, ApiError> {
    let mut list = List { instances, writer: shape.writer(), begun: false, ended: false };
    let mut first = opened(head);
    list.fill(&mut first).await?;
    if list.ended {
        return Ok(reply_text(StatusCode::OK, first));
    }
    let pieces = stream::try_unfold((Some(first), list), |(first, mut list)| async move {
        let piece = match first {
            Some(first) => first,
            None if list.ended => return Ok(None),
            None => list.piece().await?,
        };
        Ok::<_, ProviderError>(Some((Bytes::from(piece), (None, list))))
    });
    Ok(pieces_of(pieces))
}

/// Answers with one instance behind the members of `head`.
pub(crate) fn of_one(head: Map<String, Json>, instance: &Instance, shape: Shape) -> Response {
    let mut text = opened(head);
    shape.writer().write(&mut text, &Map::new(), instance);
    text.extend_from_slice(CLOSED);
    reply_text(StatusCode::OK, text)
}

/// The members before the list and the beginning of the list.
fn opened(head: Map<String, Json>) -> Vec<u8> {
    let mut text = Json::Object(head).to_string().into_bytes();
    let close = text.pop();
    debug_assert_eq!(close, Some(b'}'), "an object is closed by a brace");
    text.extend_from_slice(b",\"value\":[");
    text
}

/// The answer without the list, and without its length: that would take all of the list.
pub(crate) fn head() -> Response {
    pieces_of(stream::empty::<Result<Bytes, Infallible>>())
}

fn pieces_of<E: Into<BoxError>>(pieces: impl Stream<Item = Result<Bytes, E>> + Send + 'static) -> Response {
    let headers = [(CONTENT_TYPE, HeaderValue::from_static(JSON)), version()];
    (StatusCode::OK, headers, Body::from_stream(pieces)).into_response()
}

impl List {
    async fn piece(&mut self) -> Result<Vec<u8>, ProviderError> {
        let mut text = Vec::with_capacity(PIECE_BYTES + ENTITY_BYTES);
        let filled = self.fill(&mut text).await;
        filled.inspect_err(|error| {
            tracing::warn!(error = error as &dyn std::error::Error, "a list was broken off");
        })?;
        Ok(text)
    }

    /// Writes until the piece is full or the list has ended.
    async fn fill(&mut self, text: &mut Vec<u8>) -> Result<(), ProviderError> {
        while text.len() < PIECE_BYTES {
            match self.instances.next().await {
                Some(instance) => self.write(text, &instance?),
                None => {
                    text.extend_from_slice(CLOSED);
                    self.ended = true;
                    break;
                }
            }
        }
        Ok(())
    }

    fn write(&mut self, text: &mut Vec<u8>, instance: &Instance) {
        if self.begun {
            text.push(b',');
        }
        self.begun = true;
        self.writer.write(text, &Map::new(), instance);
    }
}
