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
use sqlx::{AssertSqlSafe, Postgres, Sqlite, Transaction};

pub(crate) mod counter;
mod migrations;
mod row;

pub(crate) use row::Row;

use crate::error::Result;

/// Readers at once on SQLite; each holds a file handle and a page cache of 2 MB.
const SQLITE_READERS_MAX: u32 = 8;
/// Connections at once on PostgreSQL, reading and writing together.
const POSTGRES_CONNECTIONS_MAX: u32 = 16;
/// How long a caller waits for a connection, and SQLite for another process's write.
const BUSY_TIMEOUT: Duration = Duration::from_secs(30);
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
    Postgres(PgPool),
}

/// A writing transaction. Dropped without [`Tx::commit`], it changes nothing.
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
            .connect_with(options.clone())
            .await?;
        migrations::sqlite().run(&writer).await?;
        let reader = SqlitePoolOptions::new()
            .max_connections(SQLITE_READERS_MAX)
            .acquire_timeout(BUSY_TIMEOUT)
            .connect_with(options.pragma("query_only", "ON"))
            .await?;
        Ok(Self::Sqlite { writer, reader })
    }

    /// Connects to PostgreSQL and brings the schema up to date.
    pub(crate) async fn postgres(url: &str) -> Result<Self> {
        let options: PgConnectOptions = url.parse()?;
        let pool = PgPoolOptions::new()
            .max_connections(POSTGRES_CONNECTIONS_MAX)
            .acquire_timeout(BUSY_TIMEOUT)
            // A site's own durability must not hang on a server's lax default.
            .connect_with(options.options([("synchronous_commit", "on")]))
            .await?;
        migrations::postgres().run(&pool).await?;
        Ok(Self::Postgres(pool))
    }

    pub(crate) fn dialect(&self) -> Dialect {
        match self {
            Self::Sqlite { .. } => Dialect::Sqlite,
            Self::Postgres(_) => Dialect::Postgres,
        }
    }

    /// Begins a writing transaction; waits until no other writer is at work.
    pub(crate) async fn write(&self) -> Result<Tx> {
        match self {
            Self::Sqlite { writer, .. } => Ok(Tx::Sqlite(writer.begin_with("BEGIN IMMEDIATE").await?)),
            Self::Postgres(pool) => {
                let mut transaction = pool.begin().await?;
                sqlx::query(POSTGRES_WRITER_LOCK).execute(&mut *transaction).await?;
                Ok(Tx::Postgres(transaction))
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
            Self::Postgres(pool) => {
                let rows = sqlx::query_with(query, values).fetch_all(pool).await?;
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
            Self::Postgres(pool) => pool.close().await,
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

fn render(dialect: Dialect, statement: &impl SqlxBinder) -> (String, SqlxValues) {
    match dialect {
        Dialect::Sqlite => statement.build_sqlx(SqliteQueryBuilder),
        Dialect::Postgres => statement.build_sqlx(PostgresQueryBuilder),
    }
}
