//! What a database's own error means for who waits.

use super::SiteError;

/// SQLite's SQLITE_FULL and PostgreSQL's disk_full.
const DISK_FULL_CODES: [&str; 2] = ["13", "53100"];

/// PostgreSQL's lock_not_available.
const LOCK_TIMEOUT_CODE: &str = "55P03";

impl From<sqlx::Error> for SiteError {
    fn from(error: sqlx::Error) -> Self {
        if matches!(error, sqlx::Error::PoolTimedOut) {
            return Self::Busy { what: "the database does not keep up" };
        }
        let code = error.as_database_error().and_then(|e| e.code().map(|c| c.into_owned()));
        match code {
            Some(code) if DISK_FULL_CODES.contains(&code.as_str()) => Self::DiskFull(Box::new(error)),
            Some(code) if code == LOCK_TIMEOUT_CODE => Self::Busy { what: "the database does not keep up" },
            _ => Self::Database(Box::new(error)),
        }
    }
}

impl From<sqlx::migrate::MigrateError> for SiteError {
    fn from(error: sqlx::migrate::MigrateError) -> Self {
        Self::Database(Box::new(error))
    }
}
