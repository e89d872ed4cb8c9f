//! Lists, written while the rows are read: a list of any length takes the memory of one piece.

use std::time::Duration;

use axum::body::Bytes;
use axum::response::Response;
use cim::Instance;
use futures_util::stream;
use provider::{InstanceStream, ProviderError};
use xml::Writer;

use crate::reply;
use crate::serve::Portion;
use crate::status::OperationError;

/// Text that is gathered before it goes to the connection, in bytes, give or take an instance. A list that is not
/// longer goes out as a whole.
const PIECE_BYTES: usize = 64 * 1024;

/// Where the instances of an answer come from.
pub(crate) enum Source {
    Stream(Box<InstanceStream>),
    Held(std::vec::IntoIter<Instance>),
}

impl Source {
    pub(crate) fn held(instances: Vec<Instance>) -> Self {
        Self::Held(instances.into_iter())
    }

    pub(crate) async fn next(&mut self) -> Option<Result<Instance, ProviderError>> {
        match self {
            Self::Stream(stream) => stream.next().await,
            Self::Held(instances) => instances.next().map(Ok),
        }
    }
}

impl From<InstanceStream> for Source {
    fn from(stream: InstanceStream) -> Self {
        Self::Stream(Box::new(stream))
    }
}

/// Writes an instance as an element of the list.
pub(crate) type WriteElement = Box<dyn Fn(&mut Writer, &Instance) + Send + Sync>;

/// What a list is made of.
enum Items {
    Rows(Source, WriteElement),
    /// Elements that are there, and what follows on them; gone once it is written.
    Pulled(Option<Box<Portion>>),
}

/// A list on its way.
pub(crate) struct Listing {
    writer: Option<Writer>,
    items: Items,
}

impl Listing {
    /// All instances of `source` behind what `writer` has begun.
    pub(crate) fn new(writer: Writer, source: Source, element: WriteElement) -> Self {
        Self { writer: Some(writer), items: Items::Rows(source, element) }
    }

    /// The elements of one pull behind what `writer` has begun.
    pub(crate) fn pulled(writer: Writer, portion: Portion) -> Self {
        Self { writer: Some(writer), items: Items::Pulled(Some(Box::new(portion))) }
    }

    /// Answers.
    ///
    /// Errors: what goes wrong before the first piece is out. Later the connection is broken off, so that nobody takes
    /// half of a list for a whole one.
    pub(crate) async fn answer(mut self, took: impl Fn() -> Duration) -> Result<Response, OperationError> {
        let first = self.fill().await?;
        if self.writer.is_none() {
            return Ok(reply::whole(first, took()));
        }
        let pieces = stream::try_unfold((Some(first), self), |(first, mut list)| async move {
            let piece = match first {
                Some(first) => first,
                None if list.writer.is_none() => return Ok(None),
                None => list.fill().await.inspect_err(|error| {
                    tracing::warn!(error = error as &dyn std::error::Error, "a list was broken off");
                })?,
            };
            Ok::<_, OperationError>(Some((Bytes::from(piece), (None, list))))
        });
        Ok(reply::pieces(pieces))
    }

    /// Writes until the piece is full or the list has ended; then the writer is gone.
    async fn fill(&mut self) -> Result<String, OperationError> {
        let mut writer = self.writer.take().expect("a list that has ended is not asked again");
        while writer.len() < PIECE_BYTES {
            if !self.items.write_next(&mut writer).await? {
                return Ok(writer.finish());
            }
        }
        let piece = writer.take();
        self.writer = Some(writer);
        Ok(piece)
    }
}

impl Items {
    /// Writes one element; false at the end, where what follows on the elements is written.
    async fn write_next(&mut self, writer: &mut Writer) -> Result<bool, OperationError> {
        match self {
            Self::Rows(source, element) => match source.next().await {
                Some(instance) => element(writer, &instance?),
                None => return Ok(false),
            },
            Self::Pulled(portion) => {
                let Some(pulled) = portion else { return Ok(false) };
                if let Some(element) = pulled.next().await {
                    writer.raw(&element?);
                    return Ok(true);
                }
                if let Some(ended) = portion.take() {
                    ended.end(writer).await;
                }
                return Ok(false);
            }
        }
        Ok(true)
    }
}
