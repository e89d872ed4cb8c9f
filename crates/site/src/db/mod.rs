//! The database behind one face: SQLite in the data folder by default, PostgreSQL by URL.
//!
//! There is one writer at a time on both back ends. SQLite has one writing connection and `BEGIN IMMEDIATE`;
//! PostgreSQL takes one advisory lock for each writing transaction. So a statement that was thought through
//! once is right on both, and what readers see rises in commit order (`docs/database.md`).

use std::path::Path;
use std::time::Duration;

use sea_query::{PostgresQueryBuilder, SqliteQueryBuilder};
use sea_query_sqlx::{SqlxBinder, SqlxValues};
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{AssertSqlSafe, Executor, PgConnection, Postgres, Sqlite, Transaction};

pub(crate) mod counter;
mod migrations;
mod reader;
mod row;
mod view_set;

pub(crate) use reader::{Reader, RowsRead};
pub(crate) use row::Row;
pub(crate) use view_set::{constants, is_union};

use crate::error::Result;

/// Readers at once on SQLite; each holds a file handle and a page cache of 2 MB.
pub(crate) const SQLITE_READERS_MAX: u32 = 8;
/// Readers at once on PostgreSQL.
const POSTGRES_READERS_MAX: u32 = 15;
/// How long a caller waits for a connection, and SQLite for another process's write. Waiting is not worth a line in the log:
/// many do when thousands report, and nobody can do anything about it.
const BUSY_TIMEOUT: Duration = Duration::from_secs(30);
/// What PostgreSQL ends by itself, so that a process that froze or was cut off does not hold up the site: waiting
/// for a lock, a transaction that does nothing, a statement without end.
const POSTGRES_LIMITS: [(&str, &str); 3] =
    [("lock_timeout", "30s"), ("idle_in_transaction_session_timeout", "60s"), ("statement_timeout", "300s")];
/// PostgreSQL compiles a statement to machine code when it estimates it to be long, and it does so for nearly every view here:
/// a second of compiling for milliseconds of work.
const POSTGRES_JIT: (&str, &str) = ("jit", "off");
/// Has PostgreSQL look now and then whether anybody is there to hear its answer. Servers that cannot (before version 14,
/// and on some systems) refuse, and compute on until their time is up.
const POSTGRES_LOOK: &str = "SET client_connection_check_interval = '1s'";
/// The advisory lock that makes writers on PostgreSQL take turns: "haul" in ASCII.
const POSTGRES_WRITER_LOCK: &str = "SELECT pg_advisory_xact_lock(1751217516)";

/// Which SQL to write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dialect {
    Sqlite,
    Postgres,
}

/// The site's database.
#[derive(Debug, Clone)]
pub(crate) enum Database {
    Sqlite { writer: SqlitePool, reader: SqlitePool },
    Postgres { writer: PgPool, reader: PgPool },
}

/// A transaction of the writer ([`Database::write`]), or one that only reads ([`Database::read`]). Dropped without [`Tx::commit`], it changes nothing.
pub(crate) enum Tx {
    Sqlite(Transaction<'static, Sqlite>),
    Postgres(Transaction<'static, Postgres>),
}

impl Database {
    /// Opens or creates the SQLite file and brings its schema up to date.
    pub(crate) async fn sqlite(file: &Path) -> Result<Self> {
        let options = SqliteConnectOptions::new()
            .filename(file)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .busy_timeout(BUSY_TIMEOUT)
            .foreign_keys(true)
            // Return value 0 means durable. NORMAL in WAL mode may lose the last commits when power fails.
            .synchronous(SqliteSynchronous::Full);
        let writer = SqlitePoolOptions::new()
            .max_connections(1)
            .acquire_timeout(BUSY_TIMEOUT)
            .acquire_slow_threshold(BUSY_TIMEOUT)
            .test_before_acquire(false)
            .connect_with(options.clone())
            .await?;
        migrations::sqlite().run(&writer).await?;
        view_set::sqlite(&writer).await?;
        let reader = SqlitePoolOptions::new()
            .max_connections(SQLITE_READERS_MAX)
            .acquire_timeout(BUSY_TIMEOUT)
            .acquire_slow_threshold(BUSY_TIMEOUT)
            // No network lies between; it is tested when it is given back. Each test is a turn of two threads.
            .test_before_acquire(false)
            .connect_with(options.pragma("query_only", "ON"))
            .await?;
        Ok(Self::Sqlite { writer, reader })
    }

    /// Connects to PostgreSQL and brings the schema up to date.
    pub(crate) async fn postgres(url: &str) -> Result<Self> {
        let options: PgConnectOptions = url.parse()?;
        // A site's own durability must not hang on a server's lax default.
        let options = options.options([("synchronous_commit", "on"), POSTGRES_JIT]).options(POSTGRES_LIMITS);
        let pool = |connections| {
            PgPoolOptions::new()
                .max_connections(connections)
                .acquire_timeout(BUSY_TIMEOUT)
                .acquire_slow_threshold(BUSY_TIMEOUT)
        };
        // Writers take turns here first: those that wait for the lock must not take the readers' connections.
        let writer = pool(1).connect_with(options.clone()).await?;
        migrations::postgres().run(&writer).await?;
        view_set::postgres(&writer, POSTGRES_WRITER_LOCK).await?;
        let reader = pool(POSTGRES_READERS_MAX)
            .after_connect(|connection, _| Box::pin(look_for_clients(connection)))
            .connect_with(options)
            .await?;
        Ok(Self::Postgres { writer, reader })
    }

    pub(crate) fn dialect(&self) -> Dialect {
        match self {
            Self::Sqlite { .. } => Dialect::Sqlite,
            Self::Postgres { .. } => Dialect::Postgres,
        }
    }

    /// Begins a writing transaction; waits until no other writer is at work.
    pub(crate) async fn write(&self) -> Result<Tx> {
        match self {
            Self::Sqlite { writer, .. } => Ok(Tx::Sqlite(writer.begin_with("BEGIN IMMEDIATE").await?)),
            Self::Postgres { writer, .. } => {
                let mut transaction = writer.begin().await?;
                sqlx::query(POSTGRES_WRITER_LOCK).execute(&mut *transaction).await?;
                Ok(Tx::Postgres(transaction))
            }
        }
    }

    /// Begins a transaction that only reads: what it sees is of one moment, and no writer waits for it.
    pub(crate) async fn read(&self) -> Result<Tx> {
        match self {
            Self::Sqlite { reader, .. } => Ok(Tx::Sqlite(reader.begin().await?)),
            Self::Postgres { reader, .. } => {
                let begin = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
                Ok(Tx::Postgres(reader.begin_with(begin).await?))
            }
        }
    }

    /// Reads all rows, outside of any transaction.
    pub(crate) async fn all(&self, statement: &impl SqlxBinder) -> Result<Vec<Row>> {
        let (sql, values) = render(self.dialect(), statement);
        let query = AssertSqlSafe(sql);
        Ok(match self {
            Self::Sqlite { reader, .. } => {
                let rows = sqlx::query_with(query, values).fetch_all(reader).await?;
                rows.into_iter().map(Row::Sqlite).collect()
            }
            Self::Postgres { reader, .. } => {
                let rows = sqlx::query_with(query, values).fetch_all(reader).await?;
                rows.into_iter().map(Row::Postgres).collect()
            }
        })
    }

    /// Reads at most one row, outside of any transaction.
    pub(crate) async fn optional(&self, statement: &impl SqlxBinder) -> Result<Option<Row>> {
        Ok(self.all(statement).await?.into_iter().next())
    }

    /// Closes every connection; SQLite's write-ahead log is folded into the file.
    pub(crate) async fn close(&self) {
        match self {
            Self::Sqlite { writer, reader } => {
                reader.close().await;
                writer.close().await;
            }
            Self::Postgres { writer, reader } => {
                reader.close().await;
                writer.close().await;
            }
        }
    }
}

impl Tx {
    fn dialect(&self) -> Dialect {
        match self {
            Self::Sqlite(_) => Dialect::Sqlite,
            Self::Postgres(_) => Dialect::Postgres,
        }
    }

    /// Runs a statement and says how many rows it touched.
    pub(crate) async fn execute(&mut self, statement: &impl SqlxBinder) -> Result<u64> {
        let (sql, values) = render(self.dialect(), statement);
        let query = AssertSqlSafe(sql);
        Ok(match self {
            Self::Sqlite(tx) => sqlx::query_with(query, values).execute(&mut **tx).await?.rows_affected(),
            Self::Postgres(tx) => sqlx::query_with(query, values).execute(&mut **tx).await?.rows_affected(),
        })
    }

    /// Runs a statement and returns its rows.
    pub(crate) async fn all(&mut self, statement: &impl SqlxBinder) -> Result<Vec<Row>> {
        let (sql, values) = render(self.dialect(), statement);
        let query = AssertSqlSafe(sql);
        Ok(match self {
            Self::Sqlite(tx) => {
                let rows = sqlx::query_with(query, values).fetch_all(&mut **tx).await?;
                rows.into_iter().map(Row::Sqlite).collect()
            }
            Self::Postgres(tx) => {
                let rows = sqlx::query_with(query, values).fetch_all(&mut **tx).await?;
                rows.into_iter().map(Row::Postgres).collect()
            }
        })
    }

    /// Runs a statement and returns its first row.
    pub(crate) async fn optional(&mut self, statement: &impl SqlxBinder) -> Result<Option<Row>> {
        Ok(self.all(statement).await?.into_iter().next())
    }

    /// Makes the transaction durable.
    pub(crate) async fn commit(self) -> Result<()> {
        match self {
            Self::Sqlite(tx) => tx.commit().await?,
            Self::Postgres(tx) => tx.commit().await?,
        }
        Ok(())
    }
}

async fn look_for_clients(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    if let Err(error) = connection.execute(POSTGRES_LOOK).await {
        tracing::debug!(%error, "PostgreSQL does not notice clients that have left");
    }
    Ok(())
}

fn render(dialect: Dialect, statement: &impl SqlxBinder) -> (String, SqlxValues) {
    match dialect {
        Dialect::Sqlite => statement.build_sqlx(SqliteQueryBuilder),
        Dialect::Postgres => statement.build_sqlx(PostgresQueryBuilder),
    }
}

#[cfg(test)]
mod tests {
    use futures_util::future::join_all;
    use sea_query::{Expr, Func, Query};

    use super::*;
    use crate::stage::Stage;

    async fn setting(stage: &Stage, name: &'static str) -> String {
        let setting = Func::cust("current_setting").arg(name);
        let select = Query::select().expr_as(Expr::from(setting), "setting").to_owned();
        stage.site.db().optional(&select).await.unwrap().unwrap().get("setting").unwrap()
    }

    on_both! {
        async fn writers_that_wait_do_not_stop_readers(stage: &Stage) {
            let db = stage.site.db();
            let writing = db.write().await.unwrap();
            let waiting = join_all((0..40).map(|_| db.write()));
            let reading = async {
                for _ in 0..100 {
                    // The waiting writers come first.
                    tokio::task::yield_now().await;
                    assert_eq!(stage.site.packages().await.unwrap(), []);
                }
            };
            tokio::select! {
                biased;
                _ = waiting => panic!("two write at once"),
                () = reading => {}
            }
            writing.commit().await.unwrap();
        }

        async fn postgres_ends_what_is_stuck_and_compiles_nothing(stage: &Stage) {
            if !stage.is_postgres() {
                return;
            }
            for (name, _) in POSTGRES_LIMITS {
                assert_ne!(setting(stage, name).await, "0", "{name}");
            }
            let (name, value) = POSTGRES_JIT;
            assert_eq!(setting(stage, name).await, value);
        }
    }
}
