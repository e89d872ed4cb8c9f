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
use super::share::{Share, Shares};
use super::{Value, read};
use crate::access::Actor;
use crate::db::{Database, Reader, RowsRead, SQLITE_READERS_MAX};
use crate::error::{Result, SiteError};
use crate::server::Site;

/// Answers that wait for their reader at once; about half of SQLite's reading connections.
pub(crate) const STREAMS_MAX: usize = 4;
/// Answers that wait to be one of [`STREAMS_MAX`]. They hold a connection too, so that some must be left for what is
/// short: reading one object, agents, signing in.
pub(crate) const STREAMS_LATE_MAX: usize = 2;
const _: () = assert!(STREAMS_MAX + STREAMS_LATE_MAX < SQLITE_READERS_MAX as usize);
/// Rows that are handed over together.
const BATCH_ROWS: usize = 64;
/// Batches that are read ahead.
const BATCHES_AHEAD: usize = 8;
/// How long an answer waits to be one of [`STREAMS_MAX`].
const TURN_MAX: Duration = Duration::from_secs(10);
/// How long a reader may take none of the rows that are ready.
const READER_MAX: Duration = Duration::from_secs(30);
/// How long the database may look for the next batch of rows.
const QUERY_MAX: Duration = Duration::from_secs(60);
/// How long an answer may take altogether.
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
            Some(count) => Some(tokio::select! {
                biased;
                error = out_of_time(self.db(), self.clock(), QUERY_MAX) => return Err(error),
                count = matching(&mut reader, count) => count?,
            }),
        };
        let (batches, taken) = mpsc::channel(BATCHES_AHEAD);
        let (end, ended) = oneshot::channel();
        let clock = self.clock().clone();
        let reading = Reading {
            started: clock.monotonic(),
            db: self.db().clone(),
            streams: self.streams().clone(),
            late: self.late_streams().clone(),
            clock,
            batches,
            user: actor.name.clone(),
            shares: self.stream_shares().clone(),
            share: None,
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

/// Ends when the database has looked for rows long enough; what drops its [`Reader`] then stops it.
async fn out_of_time(db: &Database, clock: &SharedClock, left: Duration) -> SiteError {
    let patience = left.min(QUERY_MAX);
    tokio::select! {
        biased;
        () = db.closing() => SiteError::Stopped,
        () = clock.sleep(patience) => match patience < QUERY_MAX {
            true => SiteError::ReaderTooSlow { limit: STREAM_MAX },
            false => SiteError::QueryTooLong { limit: QUERY_MAX },
        },
    }
}

/// [`BATCH_ROWS`] rows; fewer at the end.
async fn next_batch(rows: &mut RowsRead<'_>, outputs: &[Output]) -> Result<Vec<Vec<Value>>> {
    let mut batch = Vec::with_capacity(BATCH_ROWS);
    while batch.len() < BATCH_ROWS
        && let Some(row) = rows.next().await
    {
        let row = row?;
        let values = outputs.iter().enumerate();
        batch.push(
            values.map(|(index, output)| read(&row, index, output.column.kind)).collect::<Result<_>>()?,
        );
    }
    Ok(batch)
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
    late: Arc<Semaphore>,
    batches: mpsc::Sender<Vec<Vec<Value>>>,
    user: String,
    shares: Shares,
    share: Option<Share>,
    turn: Option<OwnedSemaphorePermit>,
}

impl Reading {
    async fn run(
        mut self,
        mut reader: Reader,
        statement: &SelectStatement,
        outputs: &[Output],
    ) -> Result<()> {
        // Otherwise what is left of the answer would be read into the connection's next one.
        self.read(&mut reader, statement, outputs).await?;
        reader.finish().await
    }

    async fn read(
        &mut self,
        reader: &mut Reader,
        statement: &SelectStatement,
        outputs: &[Output],
    ) -> Result<()> {
        let mut rows = reader.rows(statement);
        loop {
            let left = self.left()?;
            let batch = tokio::select! {
                biased;
                error = out_of_time(&self.db, &self.clock, left) => return Err(error),
                () = self.batches.closed() => return Err(SiteError::Stopped),
                batch = next_batch(&mut rows, outputs) => batch?,
            };
            let is_last = batch.len() < BATCH_ROWS;
            if !batch.is_empty() {
                self.hand_over(batch).await?;
            }
            if is_last {
                return Ok(());
            }
        }
    }

    /// What is left of [`STREAM_MAX`].
    fn left(&self) -> Result<Duration> {
        let so_far = self.clock.monotonic().saturating_sub(self.started);
        STREAM_MAX.checked_sub(so_far).ok_or(SiteError::ReaderTooSlow { limit: STREAM_MAX })
    }

    async fn hand_over(&mut self, batch: Vec<Vec<Value>>) -> Result<()> {
        match self.batches.try_send(batch) {
            Ok(()) => Ok(()),
            Err(mpsc::error::TrySendError::Closed(_)) => Err(SiteError::Stopped),
            Err(mpsc::error::TrySendError::Full(batch)) => self.wait_for_reader(batch).await,
        }
    }

    async fn wait_for_reader(&mut self, batch: Vec<Vec<Value>>) -> Result<()> {
        let left = self.left()?;
        if self.share.is_none() {
            self.share = self.shares.take(&self.user);
        }
        let has_share = self.share.is_some();
        if self.turn.is_none() && has_share {
            self.turn = self.streams.clone().try_acquire_owned().ok();
        }
        if self.turn.is_none() {
            let what = match has_share {
                true => "many long answers are being read",
                false => "other long answers to you are being read; read or close one",
            };
            let busy = SiteError::Busy { what };
            let Ok(_late) = self.late.clone().try_acquire_owned() else { return Err(busy) };
            self.turn = tokio::select! {
                biased;
                () = self.db.closing() => return Err(SiteError::Stopped),
                sent = self.batches.reserve() => return give(sent, batch),
                turn = self.streams.clone().acquire_owned(), if has_share => turn.ok(),
                () = self.clock.sleep(TURN_MAX) => return Err(busy),
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
