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
use sqlx::{
    AssertSqlSafe, Connection, Executor, PgConnection, Postgres, Sqlite, SqliteConnection, Transaction,
};

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
            .before_acquire(|connection, _| Box::pin(is_at_rest(connection)))
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
            .before_acquire(|connection, _| Box::pin(is_at_rest(connection)))
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
                let mut transaction = begun(writer, "BEGIN").await?;
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
                Ok(Tx::Postgres(begun(reader, begin).await?))
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

/// Whether no transaction is left on a connection that is about to be used again. SQLite rolls back by itself when the disk is
/// full or broken; the ROLLBACK that follows fails, and the connection would refuse to begin for as long as it lives.
async fn is_at_rest(connection: &mut SqliteConnection) -> Result<bool, sqlx::Error> {
    Ok(!connection.is_in_transaction())
}

/// Begins in a task of its own, which goes on when the caller leaves: a BEGIN that is dropped before it is answered would stay on
/// the connection, and whoever reads there next would be told of that moment, not of theirs.
async fn begun(pool: &PgPool, begin: &'static str) -> Result<Transaction<'static, Postgres>> {
    let pool = pool.clone();
    let task = tokio::spawn(async move { pool.begin_with(begin).await });
    // A task ends without an answer only when the process does.
    Ok(task.await.unwrap_or(Err(sqlx::Error::PoolClosed))?)
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
    use futures_util::TryStreamExt;
    use futures_util::future::join_all;
    use sea_query::{Expr, ExprTrait, Func, Query};

    use super::*;
    use crate::stage::{Stage, kill_after};

    async fn setting(stage: &Stage, name: &'static str) -> String {
        let setting = Func::cust("current_setting").arg(name);
        let select = Query::select().expr_as(Expr::from(setting), "setting").to_owned();
        stage.site.db().optional(&select).await.unwrap().unwrap().get("setting").unwrap()
    }

    /// Several for each connection.
    const KILLS: u32 = 5 * POSTGRES_READERS_MAX;

    /// What each reading connection sees of the last revision, all of them held at once.
    async fn revisions_seen(db: &Database) -> Vec<i64> {
        let connections = match db {
            Database::Sqlite { .. } => SQLITE_READERS_MAX,
            Database::Postgres { .. } => POSTGRES_READERS_MAX,
        };
        let revision = Expr::col("name").eq("revision");
        let select = Query::select().column("value").from("counter").and_where(revision).to_owned();
        let readers = join_all((0..connections).map(|_| db.reader())).await;
        let reading = readers.into_iter().map(async |reader| {
            let mut reader = reader.unwrap();
            let rows: Vec<Row> = reader.rows(&select).try_collect().await.unwrap();
            reader.finish().await.unwrap();
            rows[0].get("value").unwrap()
        });
        join_all(reading).await
    }

    on_both! {
        async fn who_leaves_while_a_transaction_begins_leaves_none_behind(stage: &Stage) {
            let db = stage.site.db();
            for polls in 1.. {
                let (mut read, mut written) = (true, true);
                // How many polls go by until BEGIN is sent, but not answered, depends on the server's speed.
                for _ in 0..KILLS {
                    read &= kill_after(polls, db.read()).await.is_some();
                    written &= kill_after(polls, db.write()).await.is_some();
                }
                revisions_seen(db).await;
                let mut tx = db.write().await.unwrap();
                let number = counter::next(&mut tx, "revision").await.unwrap();
                tx.commit().await.unwrap();
                let seen = revisions_seen(db).await;
                assert!(seen.iter().all(|seen| *seen == number), "dropped after {polls} polls: {seen:?}");
                if read && written {
                    assert!(polls > 1, "nothing was dropped");
                    break;
                }
            }
        }

        async fn what_the_database_rolled_back_by_itself_is_forgotten(stage: &Stage) {
            let Database::Sqlite { writer, .. } = stage.site.db() else { return };
            sqlx::query("PRAGMA max_page_count = 1").execute(writer).await.unwrap();
            let fill = "INSERT INTO counter (name, value) VALUES (hex(zeroblob(1000000)), 0)";
            let mut tx = stage.site.db().write().await.unwrap();
            let Tx::Sqlite(filling) = &mut tx else { unreachable!("it is SQLite") };
            let error = sqlx::query(fill).execute(&mut **filling).await.unwrap_err();
            assert!(error.to_string().contains("full"), "{error}");
            drop(tx);

            let mut tx = stage.site.db().write().await.unwrap();
            counter::next(&mut tx, "revision").await.unwrap();
            tx.commit().await.unwrap();
        }

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
