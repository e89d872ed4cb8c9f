use jiff::Timestamp;
use sqlx::postgres::PgRow;
use sqlx::sqlite::SqliteRow;
use sqlx::{Decode, Postgres, Row as _, Sqlite, Type};

use crate::error::{Result, SiteError};

/// A row of either back end.
#[derive(Debug)]
pub(crate) enum Row {
    Sqlite(SqliteRow),
    Postgres(PgRow),
}

/// What both back ends can decode.
pub(crate) trait Field:
    for<'r> Decode<'r, Sqlite> + Type<Sqlite> + for<'r> Decode<'r, Postgres> + Type<Postgres>
{
}

impl<T> Field for T where
    T: for<'r> Decode<'r, Sqlite> + Type<Sqlite> + for<'r> Decode<'r, Postgres> + Type<Postgres>
{
}

impl Row {
    /// The column's value; columns are BIGINT (`i64`), TEXT (`String`) or nullable ones of these.
    pub(crate) fn get<T: Field>(&self, column: &str) -> Result<T> {
        Ok(match self {
            Self::Sqlite(row) => row.try_get(column)?,
            Self::Postgres(row) => row.try_get(column)?,
        })
    }

    /// The value at a place in the row.
    pub(crate) fn get_at<T: Field>(&self, index: usize) -> Result<T> {
        Ok(match self {
            Self::Sqlite(row) => row.try_get(index)?,
            Self::Postgres(row) => row.try_get(index)?,
        })
    }

    /// A BIGINT that was written from an unsigned number.
    pub(crate) fn unsigned<T: TryFrom<i64>>(&self, column: &str) -> Result<T> {
        T::try_from(self.get::<i64>(column)?).map_err(|_| SiteError::corrupt(column))
    }

    /// A BIGINT of 0 or 1.
    pub(crate) fn flag(&self, column: &str) -> Result<bool> {
        Ok(self.get::<i64>(column)? != 0)
    }

    /// A BIGINT of unix microseconds.
    pub(crate) fn time(&self, column: &str) -> Result<Timestamp> {
        Timestamp::from_microsecond(self.get(column)?).map_err(|_| SiteError::corrupt(column))
    }

    /// A nullable BIGINT of unix microseconds.
    pub(crate) fn time_or_null(&self, column: &str) -> Result<Option<Timestamp>> {
        let micros: Option<i64> = self.get(column)?;
        let time = micros.map(Timestamp::from_microsecond).transpose();
        time.map_err(|_| SiteError::corrupt(column))
    }
}
