use std::pin::Pin;

use futures_util::{Stream, StreamExt};
use sea_query_sqlx::SqlxBinder;
use sqlx::pool::PoolConnection;
use sqlx::{AssertSqlSafe, Executor, Postgres, Sqlite};

use super::{Database, Dialect, Row, render};
use crate::error::Result;

/// One reading connection, taken from its pool.
pub(crate) struct Reader {
    connection: Connection,
    /// Whether it is in a transaction of its own.
    begun: bool,
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
        let connection = match self {
            Self::Sqlite { reader, .. } => Connection::Sqlite(reader.acquire().await?),
            Self::Postgres { reader, .. } => Connection::Postgres(reader.acquire().await?),
        };
        Ok(Reader { connection, begun: false })
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
        Ok(())
    }

    /// Closes the connection in the midst of its work.
    pub(crate) fn abandon(self) {
        match self.connection {
            Connection::Sqlite(mut connection) => connection.close_on_drop(),
            Connection::Postgres(mut connection) => connection.close_on_drop(),
        }
    }
}
