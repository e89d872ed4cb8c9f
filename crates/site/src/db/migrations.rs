use std::borrow::Cow;

use sqlx::SqlSafeStr;
use sqlx::migrate::{Migration, MigrationType, Migrator};

/// A numbered step. A published one never changes; a new one is added for both back ends. Views belong to `view_set`:
/// those of steps 2 and 3 are from before it.
struct Step {
    version: i64,
    name: &'static str,
    sqlite: &'static str,
    postgres: &'static str,
}

const VIEWS: &str = include_str!("../../migrations/shared/0002_views.sql");

const HAULIER_VIEWS: &str = include_str!("../../migrations/shared/0003_haulier_views.sql");

const VIEW_SET: &str = include_str!("../../migrations/shared/0005_view_set.sql");

const PACKAGE_CONTENT: &str = include_str!("../../migrations/shared/0006_package_content.sql");

const DP_GROUPS: &str = include_str!("../../migrations/shared/0008_dp_groups.sql");

const NTLM: &str = include_str!("../../migrations/shared/0011_ntlm.sql");
const SCHEDULES: &str = include_str!("../../migrations/shared/0012_schedules.sql");
const HIERARCHY: &str = include_str!("../../migrations/shared/0013_hierarchy.sql");
const ROUTES: &str = include_str!("../../migrations/shared/0014_routes.sql");
const POINTS: &str = include_str!("../../migrations/shared/0015_points.sql");
const TRUST: &str = include_str!("../../migrations/shared/0017_trust.sql");
const SITE_REPAIRS: &str = include_str!("../../migrations/shared/0018_site_repairs.sql");
const REQUEST_CALLS: &str = include_str!("../../migrations/shared/0019_request_calls.sql");
const FACTS_TAKEN: &str = include_str!("../../migrations/shared/0021_facts_taken.sql");
const VERSION_FLOOR: &str = include_str!("../../migrations/shared/0022_version_floor.sql");
const LIBRARY_VERIFIED: &str = include_str!("../../migrations/shared/0024_library_verified.sql");
const STATUS: &str = include_str!("../../migrations/shared/0016_status.sql");

const STEPS: [Step; 22] = [
    Step {
        version: 1,
        name: "base",
        sqlite: include_str!("../../migrations/sqlite/0001_base.sql"),
        postgres: include_str!("../../migrations/postgres/0001_base.sql"),
    },
    Step { version: 2, name: "views", sqlite: VIEWS, postgres: VIEWS },
    Step { version: 3, name: "haulier views", sqlite: HAULIER_VIEWS, postgres: HAULIER_VIEWS },
    Step {
        version: 4,
        name: "drivers",
        sqlite: include_str!("../../migrations/sqlite/0004_drivers.sql"),
        postgres: include_str!("../../migrations/postgres/0004_drivers.sql"),
    },
    Step { version: 5, name: "view set", sqlite: VIEW_SET, postgres: VIEW_SET },
    Step { version: 6, name: "package content", sqlite: PACKAGE_CONTENT, postgres: PACKAGE_CONTENT },
    Step {
        version: 7,
        name: "packages",
        sqlite: concat!(
            include_str!("../../migrations/shared/0007_packages.sql"),
            include_str!("../../migrations/sqlite/0007_packages.sql")
        ),
        postgres: concat!(
            include_str!("../../migrations/shared/0007_packages.sql"),
            include_str!("../../migrations/postgres/0007_packages.sql")
        ),
    },
    Step { version: 8, name: "distribution point groups", sqlite: DP_GROUPS, postgres: DP_GROUPS },
    Step {
        version: 9,
        name: "status",
        sqlite: include_str!("../../migrations/sqlite/0009_status.sql"),
        postgres: include_str!("../../migrations/postgres/0009_status.sql"),
    },
    Step {
        version: 10,
        name: "access",
        sqlite: include_str!("../../migrations/sqlite/0010_access.sql"),
        postgres: include_str!("../../migrations/postgres/0010_access.sql"),
    },
    Step { version: 11, name: "ntlm", sqlite: NTLM, postgres: NTLM },
    Step { version: 12, name: "schedules", sqlite: SCHEDULES, postgres: SCHEDULES },
    Step { version: 13, name: "hierarchy", sqlite: HIERARCHY, postgres: HIERARCHY },
    Step { version: 14, name: "routes", sqlite: ROUTES, postgres: ROUTES },
    Step { version: 15, name: "points", sqlite: POINTS, postgres: POINTS },
    Step { version: 16, name: "live status", sqlite: STATUS, postgres: STATUS },
    Step { version: 17, name: "trust", sqlite: TRUST, postgres: TRUST },
    Step { version: 18, name: "site repairs", sqlite: SITE_REPAIRS, postgres: SITE_REPAIRS },
    Step { version: 19, name: "request calls", sqlite: REQUEST_CALLS, postgres: REQUEST_CALLS },
    Step { version: 21, name: "facts taken", sqlite: FACTS_TAKEN, postgres: FACTS_TAKEN },
    Step { version: 22, name: "version floor", sqlite: VERSION_FLOOR, postgres: VERSION_FLOOR },
    Step { version: 24, name: "library verified", sqlite: LIBRARY_VERIFIED, postgres: LIBRARY_VERIFIED },
];

pub(super) fn sqlite() -> Migrator {
    migrator(|step| step.sqlite)
}

pub(super) fn postgres() -> Migrator {
    migrator(|step| step.postgres)
}

fn migrator(sql: impl Fn(&Step) -> &'static str) -> Migrator {
    let migration = |step: &Step| {
        let name = Cow::Borrowed(step.name);
        Migration::new(step.version, name, MigrationType::Simple, sql(step).into_sql_str(), false)
    };
    Migrator::with_migrations(STEPS.iter().map(migration).collect())
}

#[cfg(test)]
mod tests {
    use sqlx::{Executor, Row, SqlitePool};

    use super::super::Database;
    use super::*;

    #[tokio::test]
    async fn lengths_stand_before_what_they_measure() {
        let dir = tempfile::tempdir().unwrap();
        let opened = Database::sqlite(&dir.path().join("site.db")).await.unwrap();
        let Database::Sqlite { writer, .. } = opened else { unreachable!() };
        let later = "SELECT m.name || '.' || long.name FROM sqlite_master m \
            JOIN pragma_table_info(m.name) long JOIN pragma_table_info(m.name) length \
            ON length.name = long.name || '_bytes' WHERE m.type = 'table' AND length.cid";
        let columns = async |comparison: &str| {
            let sql = sqlx::AssertSqlSafe(format!("{later} {comparison} long.cid ORDER BY 1"));
            let rows = sqlx::query(sql).fetch_all(&writer).await.unwrap();
            rows.iter().map(|row| row.get(0)).collect::<Vec<String>>()
        };
        assert_eq!(columns(">").await, [""; 0]);
        let well = ["distribution.isv_data", "package_data.extended_data", "package_data.icon"];
        assert_eq!(columns("<").await[..3], well);
    }

    #[tokio::test]
    async fn messages_from_before_keep_what_they_say() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("site.db");
        let before: Vec<_> = sqlite().iter().filter(|step| step.version < 9).cloned().collect();
        let url = format!("sqlite://{}?mode=rwc", file.display());
        let old = SqlitePool::connect(&url).await.unwrap();
        Migrator::with_migrations(before).run(&old).await.unwrap();
        let insert = "INSERT INTO status_message (at, severity, message_id, component, dp_name, user_name, inserts) VALUES \
            (1, 1073741824, 30009, 'SMS_PROVIDER', 'dp1', 'admin', '[\"admin\",\"P\"]'), \
            (2, 1073741824, 2384, 'SMS_DISTRIBUTION_POINT_MONITOR', 'dp1', NULL, '[]'), \
            (3, 1073741824, 2342, 'SMS_DISTRIBUTION_MANAGER', 'dp1', NULL, '[]')";
        old.execute(insert).await.unwrap();
        old.close().await;

        let Database::Sqlite { writer, .. } = Database::sqlite(&file).await.unwrap() else { unreachable!() };
        let stored =
            "SELECT message_type, module_name, machine_name, inserts FROM status_message ORDER BY id";
        let rows = writer.fetch_all(stored).await.unwrap();
        let text = |row: usize, column: usize| rows[row].get::<String, _>(column);
        let kinds: Vec<i64> = rows.iter().map(|row| row.get(0)).collect();
        assert_eq!(kinds, [768, 256, 512]);
        assert_eq!((text(0, 1), text(0, 3)), ("SMS Provider".to_owned(), "[\"admin\",\"P\"]".to_owned()));
        assert_eq!([text(0, 2), text(1, 2), text(2, 2)], ["", "dp1", ""]);
    }
}
