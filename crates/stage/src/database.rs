//! The database of a test's site: SQLite, or a PostgreSQL database of its own where the running test says so.

use std::cell::Cell;
use std::path::Path;
use std::process::Command;

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{AssertSqlSafe, Connection, PgConnection};

use crate::clients::NotRun;

thread_local! {
    /// A test's runtime has the one thread that the test was called on.
    static ON_POSTGRES: Cell<bool> = const { Cell::new(false) };
}

/// A database that is there for one test.
pub(crate) struct PostgresDatabase {
    pub(crate) url: String,
    name: String,
}

impl Drop for PostgresDatabase {
    fn drop(&mut self) {
        let Some(cluster) = cluster() else { return };
        let drop = format!("DROP DATABASE {} WITH (FORCE)", self.name);
        // The cluster goes away with what is left.
        let _ = psql(&drop, &cluster).status();
    }
}

/// Runs one statement, on the cluster that the URL names.
fn psql(statement: &str, cluster: &str) -> Command {
    let mut psql = Command::new("psql");
    psql.args(["--no-psqlrc", "--quiet", "--command", statement, cluster]);
    psql
}

/// Runs tests whose sites keep their data in PostgreSQL, one after the other: each has its own site and database.
/// `what` names them where the machine has no PostgreSQL.
pub fn each_on_postgres(what: &str, tests: &[fn()]) -> Result<(), NotRun> {
    struct Reset;
    impl Drop for Reset {
        fn drop(&mut self) {
            ON_POSTGRES.set(false);
        }
    }
    let reason = "HAULIER_TEST_POSTGRES names no cluster; `cargo xtask test` makes one";
    cluster().ok_or_else(|| NotRun::new(what, reason))?;
    let _reset = Reset;
    ON_POSTGRES.set(true);
    tests.iter().for_each(|test| test());
    Ok(())
}

/// The URL of a superuser on a throw-away cluster, where the machine has one.
fn cluster() -> Option<String> {
    std::env::var("HAULIER_TEST_POSTGRES").ok()
}

/// None for SQLite.
pub(crate) async fn for_this_test() -> Option<PostgresDatabase> {
    if !ON_POSTGRES.get() {
        return None;
    }
    let cluster = cluster().expect("asked before the test began");
    let name = format!("stage_{}", uuid::Uuid::new_v4().simple());
    let create = format!("CREATE DATABASE {name}");
    let made = tokio::process::Command::from(psql(&create, &cluster)).output().await.unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let (server, _) = cluster.rsplit_once('/').expect("the URL ends in /database");
    Some(PostgresDatabase { url: format!("{server}/{name}"), name })
}

/// Writes beside the site, whose data is in `data_dir` or in the database.
pub(crate) async fn write_beside(database: Option<&PostgresDatabase>, data_dir: &Path, sql: &str) {
    let sql = AssertSqlSafe(sql.to_owned());
    match database {
        Some(database) => {
            let mut connection = PgConnection::connect(&database.url).await.unwrap();
            sqlx::raw_sql(sql).execute(&mut connection).await.unwrap();
        }
        None => {
            let options = SqliteConnectOptions::new().filename(data_dir.join("site.db"));
            let mut connection = SqliteConnection::connect_with(&options).await.unwrap();
            sqlx::raw_sql(sql).execute(&mut connection).await.unwrap();
        }
    }
}
