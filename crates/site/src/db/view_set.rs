//! The views of the provider's classes. They hold no data, so they are no migrations: at the site's start they are
//! made anew, all in one transaction, if other text than today's made those that are there.

use aws_lc_rs::digest;
use sqlx::{AssertSqlSafe, Executor, PgPool, SqlitePool};

use crate::error::Result;

/// The files, each one group of classes. A view may use those of files before it.
const FILES: [&str; 8] = [
    include_str!("../../views/packages.sql"),
    include_str!("../../views/drivers.sql"),
    include_str!("../../views/distribution.sql"),
    include_str!("../../views/association.sql"),
    include_str!("../../views/status.sql"),
    include_str!("../../views/site.sql"),
    include_str!("../../views/access.sql"),
    include_str!("../../views/haulier.sql"),
];

const STORED: &str = "SELECT digest FROM view_set";
const SQLITE_VIEWS: &str = "SELECT name FROM sqlite_master WHERE type = 'view'";
const POSTGRES_VIEWS: &str =
    "SELECT CAST(table_name AS TEXT) FROM information_schema.views WHERE table_schema = current_schema()";

/// Brings the views of a SQLite database up to date.
pub(super) async fn sqlite(pool: &SqlitePool) -> Result<()> {
    let mut tx = pool.begin_with("BEGIN IMMEDIATE").await?;
    let stored: Option<String> = sqlx::query_scalar(STORED).fetch_optional(&mut *tx).await?;
    if stored.as_deref() == Some(digest().as_str()) {
        return Ok(());
    }
    let views: Vec<String> = sqlx::query_scalar(SQLITE_VIEWS).fetch_all(&mut *tx).await?;
    tx.execute(sqlx::raw_sql(AssertSqlSafe(script(&views, "")))).await?;
    tx.commit().await?;
    Ok(())
}

/// The same for PostgreSQL; `lock` keeps other site servers from doing it at once.
pub(super) async fn postgres(pool: &PgPool, lock: &'static str) -> Result<()> {
    let mut tx = pool.begin().await?;
    sqlx::query(lock).execute(&mut *tx).await?;
    let stored: Option<String> = sqlx::query_scalar(STORED).fetch_optional(&mut *tx).await?;
    if stored.as_deref() == Some(digest().as_str()) {
        return Ok(());
    }
    let views: Vec<String> = sqlx::query_scalar(POSTGRES_VIEWS).fetch_all(&mut *tx).await?;
    tx.execute(sqlx::raw_sql(AssertSqlSafe(script(&views, " CASCADE")))).await?;
    tx.commit().await?;
    Ok(())
}

/// The columns of a view that are the same in every row, because its text has a literal there, and the literal.
pub(crate) fn constants(view: &str) -> Vec<(&'static str, &'static str)> {
    text(view).lines().filter_map(|line| constant(line.trim().trim_end_matches(','))).collect()
}

/// Whether a view's rows come from several selects.
pub(crate) fn is_union(view: &str) -> bool {
    let text = text(view);
    let whole = text.trim().strip_prefix("SELECT * FROM \"").and_then(|rest| rest.strip_suffix('"'));
    whole.map_or_else(|| text.lines().any(|line| line == "UNION ALL"), is_union)
}

/// What stands behind `CREATE VIEW "view" AS`.
fn text(view: &str) -> &'static str {
    let head = format!("CREATE VIEW \"{view}\" AS");
    let text = FILES.iter().find_map(|file| file.split_once(&head)).map_or("", |(_, text)| text);
    &text[..text.find(";\n").unwrap_or(text.len())]
}

/// The column of `CAST(literal AS TYPE) AS "Column"`.
fn constant(line: &str) -> Option<(&str, &str)> {
    let (value, column) = line.split_once(" AS \"").map(|(value, rest)| (value, rest.strip_suffix('"')))?;
    let (literal, _) = value.strip_prefix("CAST(")?.split_once(" AS ")?;
    let is_text = literal.strip_prefix('\'').is_some_and(|rest| rest.find('\'') == Some(rest.len() - 1));
    (literal == "NULL" || is_text || literal.parse::<i64>().is_ok())
        .then_some((column?, literal.trim_matches('\'')))
}

/// Drops what is there and makes what belongs there. `dependents` is PostgreSQL's word for views that other views use;
/// SQLite does not look.
fn script(present: &[String], dependents: &str) -> String {
    let quoted = |name: &String| name.replace('"', "\"\"");
    let drop = |name: &String| format!("DROP VIEW IF EXISTS \"{}\"{dependents};\n", quoted(name));
    let mut script: String = present.iter().map(drop).collect();
    FILES.iter().for_each(|file| script.push_str(file));
    script.push_str("\nDELETE FROM view_set;\n");
    script.push_str(&format!("INSERT INTO view_set (id, digest) VALUES (1, '{}');\n", digest()));
    script
}

fn digest() -> String {
    let mut context = digest::Context::new(&digest::SHA256);
    FILES.iter().for_each(|file| context.update(file.as_bytes()));
    hex::encode(context.finish())
}

#[cfg(test)]
mod tests {
    use super::super::Database;
    use super::*;

    #[tokio::test]
    async fn views_of_another_version_are_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("site.db");
        let Database::Sqlite { writer, .. } = Database::sqlite(&file).await.unwrap() else { unreachable!() };
        let change = "UPDATE view_set SET digest = 'old'; DROP VIEW \"SMS_Driver\"; \
                      CREATE VIEW \"Gone\" AS SELECT 1 AS one;";
        writer.execute(sqlx::raw_sql(change)).await.unwrap();
        let names = "SELECT name FROM sqlite_master WHERE type = 'view' AND name IN ('Gone', 'SMS_Driver')";
        let before: Vec<String> = sqlx::query_scalar(names).fetch_all(&writer).await.unwrap();
        assert_eq!(before, ["Gone"]);
        writer.close().await;

        let Database::Sqlite { writer, .. } = Database::sqlite(&file).await.unwrap() else { unreachable!() };
        let after: Vec<String> = sqlx::query_scalar(names).fetch_all(&writer).await.unwrap();
        assert_eq!(after, ["SMS_Driver"]);
    }
}
