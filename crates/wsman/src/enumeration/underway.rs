//! Pieces of enumerations on their way to the client.

use std::convert::Infallible;
use std::sync::Arc;

use axum::body::{Body, Bytes};
use futures_util::stream;
use site::Actor;

use super::context::Contexts;

/// What is handed to the connection at once, in bytes.
const PIECE_BYTES: usize = 16 * 1024;

/// An enumeration, a piece of which is on its way. Dropped before the piece is handed over whole, the enumeration is over: its
/// client would go on behind what never arrived, and nobody would see the gap.
#[derive(Debug)]
pub(crate) struct Underway {
    contexts: Arc<Contexts>,
    actor: Actor,
    context: String,
    is_handed_over: bool,
}

impl Underway {
    pub(super) fn new(contexts: &Arc<Contexts>, actor: &Actor, context: &str) -> Self {
        let (contexts, actor) = (Arc::clone(contexts), actor.clone());
        Self { contexts, actor, context: context.to_owned(), is_handed_over: false }
    }

    /// The answer's body.
    pub(crate) fn body(self, answer: Bytes) -> Body {
        Body::from_stream(stream::unfold((answer, self), |(mut rest, mut underway)| async move {
            if rest.is_empty() {
                return None;
            }
            let piece = rest.split_to(PIECE_BYTES.min(rest.len()));
            underway.is_handed_over = rest.is_empty();
            Some((Ok::<_, Infallible>(piece), (rest, underway)))
        }))
    }
}

impl Drop for Underway {
    fn drop(&mut self) {
        if !self.is_handed_over {
            self.contexts.end(&self.actor, &self.context);
        }
    }
}
