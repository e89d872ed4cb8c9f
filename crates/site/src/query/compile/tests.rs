use sea_query::{PostgresQueryBuilder, SqliteQueryBuilder};
use sqlx::{AssertSqlSafe, Row};

use super::*;
use crate::db::Database;
use crate::stage::{BackEnd, Stage};

/// How SQLite goes about a query.
async fn plan(stage: &Stage, wql: &str) -> Vec<String> {
    let query = cim::wql::parse(wql).unwrap();
    let setting = Setting { dialect: Dialect::Sqlite, now: stage.site.now(), actor: &Actor::local() };
    let compiled = compile(&query, setting).unwrap();
    let sql = format!("EXPLAIN QUERY PLAN {}", compiled.rows.to_string(SqliteQueryBuilder));
    let Database::Sqlite { reader, .. } = stage.site.db() else { panic!("SQLite explains") };
    let rows = sqlx::query(AssertSqlSafe(sql)).fetch_all(reader).await.unwrap();
    rows.iter().map(|row| row.get("detail")).collect()
}

/// How PostgreSQL goes about it; a table without rows it would read through, whatever its indexes.
async fn postgres_plan(stage: &Stage, wql: &str) -> Vec<String> {
    let query = cim::wql::parse(wql).unwrap();
    let setting = Setting { dialect: Dialect::Postgres, now: stage.site.now(), actor: &Actor::local() };
    let rows = compile(&query, setting).unwrap().rows.to_string(PostgresQueryBuilder);
    stage.raw_sql(format!("SET enable_seqscan = off; EXPLAIN {rows}")).await.concat()
}

#[tokio::test]
async fn keyed_gets_and_package_filters_use_an_index() {
    let stage = Stage::set(BackEnd::Sqlite).await;
    let nal = r#"["Display=\\\\dp1\\"]MSWNET:["SMS_SITE=PS1"]\\\\dp1\\"#;
    let key = format!("PackageID = 'ps100001' AND SiteCode = 'ps1' AND ServerNALPath = '{nal}'");
    for query in [
        "SELECT * FROM SMS_DriverPackage WHERE PackageID = 'PS100001'".to_owned(),
        "SELECT * FROM Haulier_PackageState WHERE PackageID = 'PS100001'".to_owned(),
        "SELECT * FROM Haulier_DistributionState WHERE PackageID = 'PS100001'".to_owned(),
        "SELECT * FROM SMS_PackageStatusDistPointsSummarizer WHERE PackageID = 'PS100001'".to_owned(),
        "SELECT * FROM Haulier_PackageVersion WHERE PackageID = 'PS100001'".to_owned(),
        format!("SELECT * FROM SMS_DistributionPoint WHERE {key}"),
        format!("SELECT * FROM Haulier_DistributionState WHERE PackageID = 'PS100001' AND NALPath = '{nal}'"),
        format!("SELECT * FROM SMS_DistributionPointInfo WHERE NALPath = '{nal}'"),
        // What a keyed get asks: the ID is no column.
        "SELECT * FROM SMS_DistributionDPStatus WHERE PackageID = 'PS100001' AND ID = 84141432833".to_owned(),
        "SELECT * FROM Haulier_PackageDistributionPoint WHERE PackageID = 'PS100001'".to_owned(),
        "SELECT * FROM Haulier_PackageDriver WHERE PackageID = 'PS100001'".to_owned(),
        "SELECT * FROM Haulier_PackageDriver WHERE CI_ID = 16777217".to_owned(),
        "SELECT * FROM Haulier_PackageContent WHERE ContentID = 16777217".to_owned(),
        "SELECT * FROM Haulier_DriverContent WHERE CI_ID = 16777217".to_owned(),
        "SELECT * FROM Haulier_ContentInPackage WHERE ContentID = 16777217".to_owned(),
        "SELECT * FROM SMS_Driver WHERE CI_ID = 16777217".to_owned(),
        "SELECT * FROM SMS_Driver WHERE CI_UniqueID = 'ScopeId_A/DRIVER_b'".to_owned(),
        "SELECT * FROM SMS_CIToContent WHERE CI_ID = 16777217".to_owned(),
        "SELECT * FROM SMS_CIToContent WHERE ContentID = 16777217".to_owned(),
        "SELECT * FROM SMS_DriverModel WHERE CI_ID = 16777217".to_owned(),
        "SELECT * FROM SMS_CategoryInstance WHERE CategoryInstance_UniqueID = 'DriverCategories:a'"
            .to_owned(),
        "SELECT * FROM Haulier_DriverDetail WHERE CI_ID = 16777217".to_owned(),
        "SELECT * FROM Haulier_DriverImportItem WHERE ImportID = 1".to_owned(),
    ] {
        let plan = plan(&stage, &query).await;
        // The table `site` has one row, whatever it is called.
        // Nor is it a table to read through what a view without doubles has found by an index.
        let no_table = ["SCAN s", "SCAN own", "SCAN SMS_DriverModel"];
        let scans = plan.iter().filter(|step| step.starts_with("SCAN") && !no_table.contains(&step.as_str()));
        let scans = scans.count();
        assert_eq!(scans, 0, "{query}: {plan:#?}");
        assert!(plan.iter().any(|step| step.starts_with("SEARCH")), "{query}: {plan:#?}");
    }
    stage.strike().await;
}

on_both! {
    async fn the_folder_of_an_object_is_found_by_an_index(stage: &Stage) {
        let wql = "SELECT * FROM SMS_ObjectContainerItem WHERE InstanceKey = 'PS100001'";
        let plan = match stage.site.db().dialect() {
            Dialect::Sqlite => plan(stage, wql).await,
            Dialect::Postgres => postgres_plan(stage, wql).await,
        };
        assert!(plan.iter().any(|step| step.contains("folder_item_by_key")), "{plan:#?}");
    }
}

on_both! {
    async fn the_status_of_a_package_somewhere_is_found_by_an_index(stage: &Stage) {
        // What a keyed get asks: the ID alone is no column, and every row would be read for it.
        let wql = "SELECT * FROM SMS_DistributionDPStatus WHERE PackageID = 'PS100001' AND ID = 84141432833";
        let query = cim::wql::parse(wql).unwrap();
        let dialect = stage.site.db().dialect();
        let setting = Setting { dialect, now: stage.site.now(), actor: &Actor::local() };
        let rows = compile(&query, setting).unwrap().rows;
        match dialect {
            Dialect::Sqlite => {
                let plan = plan(stage, wql).await;
                assert!(plan.iter().any(|step| step.contains("SEARCH d USING INDEX sqlite_autoindex_distribution")), "{plan:#?}");
            }
            // A table without rows is read through, whatever its indexes.
            Dialect::Postgres => {
                let sql = format!("SET enable_seqscan = off; EXPLAIN {}", rows.to_string(PostgresQueryBuilder));
                let plan = stage.raw_sql(sql).await.concat();
                let found = plan.iter().position(|step| step.contains("distribution_pkey"));
                let by = found.and_then(|at| plan.get(at + 1)).is_some_and(|step| step.contains("Index Cond"));
                assert!(by, "{plan:#?}");
            }
        }
    }
}

#[tokio::test]
async fn joins_of_messages_with_what_they_say_read_only_those_messages() {
    let stage = Stage::set(BackEnd::Sqlite).await;
    for parts in ["SMS_StatMsgAttributes", "SMS_StatAttr", "SMS_StatMsgInsStrings", "SMS_StatInsStr"] {
        let query = format!(
            "SELECT m.*, p.* FROM SMS_StatusMessage m JOIN {parts} p ON p.RecordID = m.RecordID WHERE m.RecordID = 5"
        );
        let plan = plan(&stage, &query).await;
        let reads = |step: &&String| step.contains("status_message") || step.starts_with("SCAN m");
        // Neither all messages nor a table made of all their parts.
        let made = plan
            .iter()
            .filter(|step| step.contains("AUTOMATIC") || step.contains(&format!("MATERIALIZE {parts}")));
        assert_eq!(made.count() + plan.iter().filter(reads).count(), 0, "{query}: {plan:#?}");
        assert!(
            plan.iter().any(|step| step.starts_with("SEARCH m USING INTEGER PRIMARY KEY")),
            "{query}: {plan:#?}"
        );
    }
    stage.strike().await;
}

on_both! {
    async fn counts_and_outer_joins_make_no_table_of_what_is_not_asked_for(stage: &Stage) {
        for parts in ["SMS_StatMsgAttributes", "SMS_StatAttr", "SMS_StatMsgInsStrings", "SMS_StatInsStr"] {
            for (chosen, join, on) in [
                ("COUNT(*)", "JOIN", "p.RecordID = m.RecordID"),
                ("m.*, p.*", "LEFT JOIN", "p.RecordID = m.RecordID"),
                ("COUNT(*)", "LEFT JOIN", "p.InsStrIndex = 1 AND m.RecordID = p.RecordID"),
                ("DISTINCT m.Component, p.RecordID", "LEFT JOIN", "p.RecordID = m.RecordID"),
            ] {
                let on = if parts.contains("Ins") { on.to_owned() } else { on.replace("InsStrIndex", "AttributeID") };
                let query = format!(
                    "SELECT {chosen} FROM SMS_StatusMessage m {join} {parts} p ON {on} WHERE m.RecordID = 5"
                );
                let (plan, whole) = match stage.site.db().dialect() {
                    Dialect::Sqlite => (plan(stage, &query).await, ["SCAN m", "SCAN status_message"]),
                    Dialect::Postgres => (postgres_plan(stage, &query).await, ["Seq Scan on status_message", "Full"]),
                };
                let reads = plan.iter().filter(|step| whole.iter().any(|whole| {
                    step.contains(whole) && !step.contains("SCAN message")
                }));
                assert_eq!(reads.count(), 0, "{query}: {plan:#?}");
                // PostgreSQL also reads a whole table through its index, if it must not read it otherwise.
                let scans = plan.iter().filter(|step| step.contains("Scan using status_message_pkey")).count();
                let looks = plan.iter().filter(|step| step.contains("Index Cond: (id = ")).count();
                assert!(looks >= scans, "{query}: {plan:#?}");
            }
        }
    }
}
