//! Rows as they are read, over one connection, so that an answer of any length needs little memory.
//!
//! A task reads ahead a little and then waits for its reader. Waiting costs the site a reading connection, and keeps
//! SQLite's write-ahead log from being folded; so few may wait at a time, and none for long.

use std::sync::Arc;
use std::time::Duration;

use cim::query::Query;
use clock::SharedClock;
use futures_util::StreamExt;
use sea_query::SelectStatement;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

use super::compile::{self, Output, Setting};
use super::{Value, read};
use crate::access::Actor;
use crate::db::{Database, Reader};
use crate::error::{Result, SiteError};
use crate::server::Site;

/// Answers that wait for their reader at once; about half of SQLite's reading connections.
pub(crate) const STREAMS_MAX: usize = 4;
/// Rows that are handed over together.
const BATCH_ROWS: usize = 64;
/// Batches that are read ahead.
const BATCHES_AHEAD: usize = 8;
/// How long an answer waits to be one of [`STREAMS_MAX`].
const TURN_MAX: Duration = Duration::from_secs(10);
/// How long a reader may take none of the rows that are ready.
const READER_MAX: Duration = Duration::from_secs(30);
/// How long an answer may take altogether, once it has had to wait for its reader.
const STREAM_MAX: Duration = Duration::from_secs(300);

/// The rows of an answer. Dropped, it ends the reading.
#[derive(Debug)]
pub struct RowStream {
    /// What the values of each row are, in their order.
    pub outputs: Vec<Output>,
    /// How many rows match regardless of `top` and `skip`, if that was asked for.
    pub count: Option<u64>,
    batch: std::vec::IntoIter<Vec<Value>>,
    batches: mpsc::Receiver<Vec<Vec<Value>>>,
    /// How the reading ended; gone once it has been told.
    end: Option<oneshot::Receiver<Result<()>>>,
}

impl RowStream {
    /// The next row; none after the last one, or after an error.
    ///
    /// Errors: [`SiteError::ReaderTooSlow`], [`SiteError::Busy`], and what the database says.
    pub async fn next(&mut self) -> Option<Result<Vec<Value>>> {
        loop {
            if let Some(row) = self.batch.next() {
                return Some(Ok(row));
            }
            match self.batches.recv().await {
                Some(batch) => self.batch = batch.into_iter(),
                None => return self.ended().await.err().map(Err),
            }
        }
    }

    /// Whether nothing more is being read; what has been read ahead may still be there.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.batches.is_closed()
    }

    /// Whether as much has been read ahead as ever is.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.batches.len() == BATCHES_AHEAD
    }

    async fn ended(&mut self) -> Result<()> {
        match self.end.take() {
            // A reading task that is gone without a word has not read everything.
            Some(end) => end.await.unwrap_or(Err(SiteError::Stopped)),
            None => Ok(()),
        }
    }
}

impl Site {
    /// How many long answers wait for whoever reads them: each holds a connection.
    #[must_use]
    pub fn streams_waiting(&self) -> usize {
        STREAMS_MAX - self.streams().available_permits()
    }

    /// Answers a query with what exists for the actor, row by row.
    ///
    /// Errors: [`SiteError::UnknownView`], [`SiteError::InvalidQuery`] for names that mean nothing or too much, values
    /// that do not fit, or what is beyond the limits; [`SiteError::Busy`].
    pub async fn query_stream(&self, actor: &Actor, query: &Query) -> Result<RowStream> {
        let setting = Setting { dialect: self.db().dialect(), now: self.now(), actor };
        let compiled = compile::compile(query, setting)?;
        let mut reader = self.db().reader().await?;
        let count = match &compiled.count {
            None => None,
            Some(count) => match matching(&mut reader, count).await {
                Ok(count) => Some(count),
                Err(error) => {
                    reader.abandon();
                    return Err(error);
                }
            },
        };
        let (batches, taken) = mpsc::channel(BATCHES_AHEAD);
        let (end, ended) = oneshot::channel();
        let clock = self.clock().clone();
        let reading = Reading {
            started: clock.monotonic(),
            db: self.db().clone(),
            streams: self.streams().clone(),
            clock,
            batches,
            turn: None,
        };
        let outputs = compiled.outputs.clone();
        tokio::spawn(async move {
            let done = reading.run(reader, &compiled.rows, &outputs).await;
            // Nobody is there to hear it where the reader has gone.
            let _ = end.send(done);
        });
        let batch = Vec::new().into_iter();
        Ok(RowStream { outputs: compiled.outputs, count, batch, batches: taken, end: Some(ended) })
    }
}

/// Counts in the transaction that the rows are then read in.
async fn matching(reader: &mut Reader, count: &SelectStatement) -> Result<u64> {
    reader.begin().await?;
    let mut rows = reader.rows(count);
    let row = rows.next().await.ok_or_else(|| SiteError::corrupt("a count"))??;
    row.unsigned("matching")
}

/// The side of the database.
struct Reading {
    started: Duration,
    db: Database,
    clock: SharedClock,
    streams: Arc<Semaphore>,
    batches: mpsc::Sender<Vec<Vec<Value>>>,
    turn: Option<OwnedSemaphorePermit>,
}

impl Reading {
    async fn run(
        mut self,
        mut reader: Reader,
        statement: &SelectStatement,
        outputs: &[Output],
    ) -> Result<()> {
        let done = self.read(&mut reader, statement, outputs).await;
        match done {
            Ok(()) => reader.finish().await,
            // What is left of the answer must not be read into the connection's next one.
            Err(error) => {
                reader.abandon();
                Err(error)
            }
        }
    }

    async fn read(
        &mut self,
        reader: &mut Reader,
        statement: &SelectStatement,
        outputs: &[Output],
    ) -> Result<()> {
        let mut rows = reader.rows(statement);
        let mut batch = Vec::with_capacity(BATCH_ROWS);
        while let Some(row) = rows.next().await {
            let row = row?;
            let values = outputs.iter().enumerate();
            batch.push(
                values.map(|(index, output)| read(&row, index, output.column.kind)).collect::<Result<_>>()?,
            );
            if batch.len() == BATCH_ROWS {
                self.hand_over(std::mem::replace(&mut batch, Vec::with_capacity(BATCH_ROWS))).await?;
            }
        }
        if batch.is_empty() { Ok(()) } else { self.hand_over(batch).await }
    }

    async fn hand_over(&mut self, batch: Vec<Vec<Value>>) -> Result<()> {
        match self.batches.try_send(batch) {
            Ok(()) => Ok(()),
            Err(mpsc::error::TrySendError::Closed(_)) => Err(SiteError::Stopped),
            Err(mpsc::error::TrySendError::Full(batch)) => self.wait_for_reader(batch).await,
        }
    }

    async fn wait_for_reader(&mut self, batch: Vec<Vec<Value>>) -> Result<()> {
        let so_far = self.clock.monotonic().saturating_sub(self.started);
        let left = STREAM_MAX.checked_sub(so_far).ok_or(SiteError::ReaderTooSlow { limit: STREAM_MAX })?;
        if self.turn.is_none() {
            self.turn = tokio::select! {
                biased;
                () = self.db.closing() => return Err(SiteError::Stopped),
                sent = self.batches.reserve() => return give(sent, batch),
                turn = self.streams.clone().acquire_owned() => turn.ok(),
                () = self.clock.sleep(TURN_MAX) => {
                    return Err(SiteError::Busy { what: "many long answers are being read" });
                }
            };
        }
        let patience = left.min(READER_MAX);
        tokio::select! {
            biased;
            () = self.db.closing() => Err(SiteError::Stopped),
            sent = self.batches.reserve() => give(sent, batch),
            () = self.clock.sleep(patience) => Err(SiteError::ReaderTooSlow { limit: patience }),
        }
    }
}

type Slot<'s> = std::result::Result<mpsc::Permit<'s, Vec<Vec<Value>>>, mpsc::error::SendError<()>>;

fn give(slot: Slot<'_>, batch: Vec<Vec<Value>>) -> Result<()> {
    // The reader that has gone hears nothing of this.
    slot.map_err(|_| SiteError::Stopped)?.send(batch);
    Ok(())
}
