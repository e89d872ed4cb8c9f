use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::{Stream, StreamExt};
use sea_query_sqlx::SqlxBinder;
use sqlx::pool::PoolConnection;
use sqlx::{AssertSqlSafe, Executor, Postgres, Sqlite};

use super::{Database, Dialect, Row, render};
use crate::error::Result;

/// Steps of SQLite's machine after which it looks whether to go on: well below a millisecond.
const STEPS_BETWEEN_LOOKS: i32 = 10_000;

/// One reading connection, taken from its pool. Dropped without [`Reader::finish`], it ends what it is doing and is
/// closed, since it may be in the midst of an answer or a transaction.
pub(crate) struct Reader {
    connection: Connection,
    /// Whether it is in a transaction of its own.
    begun: bool,
    /// Whether nothing is left to read and no transaction open.
    finished: bool,
    /// What SQLite's thread looks at while it computes; closing the connection alone would wait for it.
    stopped: Arc<AtomicBool>,
}

enum Connection {
    Sqlite(PoolConnection<Sqlite>),
    Postgres(PoolConnection<Postgres>),
}

/// Rows as they come.
pub(crate) type RowsRead<'r> = Pin<Box<dyn Stream<Item = Result<Row>> + Send + 'r>>;

impl Database {
    /// A reading connection; waits until one is free.
    pub(crate) async fn reader(&self) -> Result<Reader> {
        let stopped = Arc::new(AtomicBool::new(false));
        let connection = match self {
            Self::Sqlite { reader, .. } => {
                let mut connection = reader.acquire().await?;
                let stopped = Arc::clone(&stopped);
                let go_on = move || !stopped.load(Ordering::Relaxed);
                connection.lock_handle().await?.set_progress_handler(STEPS_BETWEEN_LOOKS, go_on);
                Connection::Sqlite(connection)
            }
            Self::Postgres { reader, .. } => Connection::Postgres(reader.acquire().await?),
        };
        Ok(Reader { connection, begun: false, finished: false, stopped })
    }

    /// Waits until [`Database::close`] is called.
    pub(crate) async fn closing(&self) {
        match self {
            Self::Sqlite { reader, .. } => reader.close_event().await,
            Self::Postgres { reader, .. } => reader.close_event().await,
        }
    }
}

impl Reader {
    /// Lets everything that follows see the same moment.
    pub(crate) async fn begin(&mut self) -> Result<()> {
        self.begun = true;
        match &mut self.connection {
            Connection::Sqlite(connection) => {
                connection.execute("BEGIN").await?;
            }
            Connection::Postgres(connection) => {
                connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await?;
            }
        }
        Ok(())
    }

    /// Reads the rows of a statement, each when it is asked for.
    pub(crate) fn rows(&mut self, statement: &impl SqlxBinder) -> RowsRead<'_> {
        let dialect = match &self.connection {
            Connection::Sqlite(_) => Dialect::Sqlite,
            Connection::Postgres(_) => Dialect::Postgres,
        };
        let (sql, values) = render(dialect, statement);
        let query = AssertSqlSafe(sql);
        match &mut self.connection {
            Connection::Sqlite(connection) => {
                let rows = sqlx::query_with(query, values).fetch(&mut **connection);
                Box::pin(rows.map(|row| Ok(Row::Sqlite(row?))))
            }
            Connection::Postgres(connection) => {
                let rows = sqlx::query_with(query, values).fetch(&mut **connection);
                Box::pin(rows.map(|row| Ok(Row::Postgres(row?))))
            }
        }
    }

    /// Gives the connection back, everything having been read.
    pub(crate) async fn finish(mut self) -> Result<()> {
        if self.begun {
            match &mut self.connection {
                Connection::Sqlite(connection) => connection.execute("COMMIT").await.map(drop)?,
                Connection::Postgres(connection) => connection.execute("COMMIT").await.map(drop)?,
            }
        }
        self.finished = true;
        Ok(())
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        if self.finished {
            return;
        }
        self.stopped.store(true, Ordering::Relaxed);
        match &mut self.connection {
            Connection::Sqlite(connection) => connection.close_on_drop(),
            Connection::Postgres(connection) => connection.close_on_drop(),
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::future::try_join_all;
    use sea_query::{Expr, Func, Query};

    use super::*;
    use crate::db::SQLITE_READERS_MAX;

    on_both! {
        async fn sqlite_stops_computing_when_it_is_told_to(stage: &Stage) {
            if stage.is_postgres() {
                return;
            }
            let mut reader = stage.site.db().reader().await.unwrap();
            let stopped = Arc::clone(&reader.stopped);
            // A sum over more rows than a day has time for.
            let endless = "(WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT COUNT(*) FROM n)";
            let select = Query::select().expr(Expr::cust(endless)).to_owned();
            let mut rows = reader.rows(&select);
            // The first look sends the statement to SQLite's thread.
            assert!(futures_util::FutureExt::now_or_never(rows.next()).is_none());
            stopped.store(true, Ordering::Relaxed);
            let told = rows.next().await.unwrap().err().map(|error| error.code());
            assert_eq!(told, Some("database_failed"));
        }

        async fn a_dropped_reader_leaves_no_transaction_behind(stage: &Stage) {
            let db = stage.site.db();
            let count = Query::select()
                .expr_as(Func::count(Expr::val(1i64)), "number")
                .from("status_message")
                .to_owned();
            let number = async |reader: &mut Reader| {
                let row = reader.rows(&count).next().await.unwrap().unwrap();
                row.get::<i64>("number").unwrap()
            };
            let mut begun = Vec::new();
            for _ in 0..SQLITE_READERS_MAX {
                let mut reader = db.reader().await.unwrap();
                reader.begin().await.unwrap();
                number(&mut reader).await;
                begun.push(reader);
            }
            let before = number(&mut begun[0]).await;
            drop(begun);
            let mut tx = db.write().await.unwrap();
            let insert = Query::insert()
                .into_table("status_message")
                .columns(["at", "severity", "message_id", "component", "inserts"])
                .values_panic([1i64.into(), 1i64.into(), 30_000i64.into(), "test".into(), "[]".into()])
                .to_owned();
            tx.execute(&insert).await.unwrap();
            tx.commit().await.unwrap();
            let mut readers = try_join_all((0..SQLITE_READERS_MAX).map(|_| db.reader())).await.unwrap();
            for reader in &mut readers {
                reader.begin().await.unwrap();
                assert_eq!(number(reader).await, before + 1);
            }
        }
    }
}
