//! Queries on several classes and with functions: the same answer on both back ends.

use site::{Actor, Role, Scopes, SiteError, Value};

use crate::stage::{Stage, admin, code, with_source};

/// Three packages, in the order in which they are made, an hour between them, from the first hour of 2026 on.
const NAMES: [&str; 3] = ["Alpha Net", "beta disk", "GAMMA net"];

/// The first package goes to two distribution points, the second one to one of them, the third one nowhere.
async fn set_up(stage: &Stage) {
    let points = [stage.point("dp1").await, stage.point("dp2").await];
    for (number, name) in NAMES.into_iter().enumerate() {
        let mut new = with_source(name);
        new.version = ["2", "10", ""][number].to_owned();
        stage.source(name, &[("driver.inf", name)]);
        let package = stage.site.create_package(&admin(), new).await.unwrap();
        assert_eq!(stage.site.run_due_snapshots().await.unwrap(), 1);
        let receivers: Vec<_> = points.iter().take(2 - number).collect();
        if !receivers.is_empty() {
            stage.assign(&package, &receivers).await;
        }
        stage.clock.advance(std::time::Duration::from_secs(3_600));
    }
}

fn shown(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::Text(text) => text.clone(),
        Value::Integer(number) => number.to_string(),
        Value::Boolean(truth) => truth.to_string(),
        Value::DateTime(at) => at.to_string(),
        Value::TextList(texts) => texts.join("+"),
    }
}

async fn asked(stage: &Stage, actor: &Actor, wql: &str) -> Result<Vec<String>, SiteError> {
    let query = cim::wql::parse(wql).unwrap_or_else(|error| panic!("{wql}: {error}"));
    let mut stream = stage.site.query_stream(actor, &query).await?;
    let mut rows = Vec::new();
    while let Some(row) = stream.next().await {
        rows.push(row?.iter().map(shown).collect::<Vec<_>>().join("|"));
    }
    Ok(rows)
}

/// The rows, in whatever order unless the query sorts them.
async fn check(stage: &Stage, wql: &str, expect: &[&str]) {
    let mut rows = asked(stage, &Actor::local(), wql).await.unwrap_or_else(|error| panic!("{wql}: {error}"));
    let mut expect = expect.to_vec();
    if !wql.contains("ORDER BY") {
        rows.sort();
        expect.sort_unstable();
    }
    assert_eq!(rows, expect, "{wql}");
}

on_both! {
    async fn joins(stage: &Stage) {
        set_up(stage).await;
        const P: &str = "FROM SMS_DriverPackage AS p";
        const D: &str = "SMS_DistributionPoint AS d";
        let on = "ON d.PackageID = p.PackageID";
        let pairs = ["Alpha Net|PS100001", "Alpha Net|PS100001", "beta disk|PS100002"];
        check(stage, &format!("SELECT p.Name, d.PackageID {P} JOIN {D} {on}"), &pairs).await;
        check(stage, &format!("SELECT p.Name, d.PackageID {P} INNER JOIN {D} {on}"), &pairs).await;
        check(stage, &format!("SELECT p.Name, d.PackageID {P}, {D} WHERE p.PackageID = d.PackageID"), &pairs).await;
        check(stage, &format!("SELECT p.Name, d.PackageID {P} CROSS JOIN {D} WHERE p.PackageID = d.PackageID"), &pairs).await;
        let left = [&pairs[..], &["GAMMA net|-"]].concat();
        check(stage, &format!("SELECT p.Name, d.PackageID {P} LEFT JOIN {D} {on}"), &left).await;
        check(stage, &format!("SELECT p.Name, d.PackageID FROM {D} RIGHT OUTER JOIN SMS_DriverPackage AS p {on}"), &left).await;
        check(stage, &format!("SELECT p.Name, d.PackageID {P} FULL JOIN {D} {on} AND p.Name = 'beta disk'"),
            &["Alpha Net|-", "-|PS100001", "-|PS100001", "beta disk|PS100002", "GAMMA net|-"]).await;
        check(stage, &format!("SELECT p.Name {P} LEFT JOIN {D} {on} WHERE d.PackageID IS NULL"), &["GAMMA net"]).await;
        check(stage, &format!("SELECT COUNT(*) {P} CROSS JOIN {D}"), &["9"]).await;
        check(stage, "SELECT a.Name, b.Name FROM SMS_DriverPackage a JOIN SMS_DriverPackage b ON a.PackageID < b.PackageID",
            &["Alpha Net|beta disk", "Alpha Net|GAMMA net", "beta disk|GAMMA net"]).await;
        check(stage, &format!("SELECT p.Name {P} JOIN {D} {on} JOIN Haulier_PackageState s ON s.PackageID = d.PackageID \
            WHERE d.ServerNALPath LIKE '%dp2%'"), &["Alpha Net"]).await;
        check(stage, &format!("SELECT p.Name {P} JOIN {D} {on} ORDER BY p.Name DESC, d.ServerNALPath"),
            &["beta disk", "Alpha Net", "Alpha Net"]).await;
        check(stage, "SELECT SMS_DriverPackage.Name FROM SMS_DriverPackage JOIN SMS_DistributionPoint \
            ON SMS_DistributionPoint.PackageID = SMS_DriverPackage.PackageID WHERE SMS_DistributionPoint.SecureObjectID = \"ps100002\"",
            &["beta disk"]).await;
        // Text against a number, and both sides of one row.
        check(stage, "SELECT Name FROM SMS_DriverPackage WHERE Version = PackageType OR Version = '2'", &["Alpha Net"]).await;
        check(stage, "SELECT Name FROM SMS_DriverPackage WHERE PackageID = SedoObjectVersion", &[]).await;
    }

    async fn subqueries(stage: &Stage) {
        set_up(stage).await;
        const P: &str = "SELECT Name FROM SMS_DriverPackage";
        check(stage, &format!("{P} WHERE PackageID IN (SELECT PackageID FROM SMS_DistributionPoint)"), &NAMES[..2]).await;
        check(stage, &format!("{P} WHERE PackageID NOT IN (SELECT PackageID FROM SMS_DistributionPoint)"), &NAMES[2..]).await;
        check(stage, &format!("{P} p WHERE EXISTS (SELECT * FROM SMS_DistributionPoint d WHERE d.PackageID = p.PackageID \
            AND d.ServerNALPath LIKE '%dp2%')"), &NAMES[..1]).await;
        check(stage, &format!("{P} WHERE NOT EXISTS (SELECT * FROM SMS_DistributionPoint d \
            WHERE d.PackageID = SMS_DriverPackage.PackageID)"), &NAMES[2..]).await;
        check(stage, &format!("{P} WHERE PackageID IN (SELECT d.PackageID FROM SMS_DistributionPoint AS d JOIN Haulier_PackageState \
            AS s ON s.PackageID = d.PackageID WHERE s.PackageID = 'PS100001')"), &NAMES[..1]).await;
        check(stage, &format!("{P} WHERE Version IN (SELECT Version FROM SMS_DriverPackage WHERE Name = 'BETA DISK')"), &NAMES[1..2]).await;
        check(stage, &format!("{P} WHERE PackageType IN (SELECT PackageType FROM SMS_DriverPackage)"), &NAMES).await;
    }

    async fn functions(stage: &Stage) {
        set_up(stage).await;
        for (condition, matches) in [
            ("UPPER(Name) = 'alpha net'", 0b001),
            ("LOWER(Name) LIKE '%NET'", 0b101),
            ("LENGTH(Name) = 9", 0b111),
            ("LENGTH(Version) > 1", 0b010),
            ("SUBSTRING(Name, 1, 5) = 'ALPHA'", 0b001),
            ("SUBSTRING(Name, 0, 3) = 'be'", 0b010),
            ("SUBSTRING(Name, -5, 3) = ''", 0b111),
            ("SUBSTRING(Name, 7, 99) = 'net'", 0b101),
            ("SUBSTRING(Name, 1, -1) = ''", 0b111),
            ("SUBSTRING(Name, LENGTH(Name), 1) = 'K'", 0b010),
            ("INDEXOF(Name, 'NET') = 7", 0b101),
            ("INDEXOF(Name, 'x') = 0", 0b111),
            ("CONCAT(Name, '-', Version) = 'beta disk-10'", 0b010),
            ("CONCAT(PackageType, 'x') = '3x'", 0b111),
            ("TRIM(CONCAT('  ', Name, ' ')) = Name", 0b111),
            ("SUBSTRING(ISVString, 1, 1) = 'a' OR NOT SUBSTRING(ISVString, 1, 1) = 'a'", 0b000),
            ("'Alpha Net' = Name", 0b001),
            // The packages were made at midnight, at one and at two; now it is three.
            ("SourceDate > DateAdd(hh, -2, GetDate())", 0b100),
            ("DateAdd(hour, 1, SourceDate) = '2026-01-01T02:00:00Z'", 0b010),
            ("DateDiff(hh, SourceDate, GetDate()) >= 2", 0b011),
            ("DateDiff(dd, SourceDate, '2026-01-02T00:00:00Z') = 1", 0b111),
            ("DateDiff(yy, '2025-12-31T23:59:59Z', SourceDate) = 1", 0b111),
            ("DateDiff(qq, '2025-06-30T00:00:00Z', SourceDate) = 3", 0b111),
            ("DateDiff(mm, '2024-02-29T00:00:00Z', SourceDate) = 23", 0b111),
            ("DateDiff(wk, '2026-01-04T00:00:00Z', SourceDate) = -1", 0b111),
            ("DateDiff(wk, '2026-01-03T23:00:00Z', SourceDate) = 0", 0b111),
            ("DateDiff(mi, SourceDate, GetDate()) = 120", 0b010),
            ("DateDiff(ms, SourceDate, GetDate()) = 3600000", 0b100),
            ("DatePart(yyyy, SourceDate) = 2026 AND DatePart(month, SourceDate) = 1 AND DatePart(dd, SourceDate) = 1", 0b111),
            ("DatePart(hh, SourceDate) = 1 AND DatePart(mi, SourceDate) = 0 AND DatePart(ss, SourceDate) = 0", 0b010),
            ("DatePart(dw, SourceDate) = 5 AND DatePart(wk, SourceDate) = 1 AND DatePart(dy, SourceDate) = 1", 0b111),
            ("DatePart(wk, DateAdd(dd, 7, DateAdd(dd, 2, SourceDate))) = 2", 0b111),
            ("DatePart(qq, SourceDate) = 1 AND DatePart(ms, SourceDate) = 0", 0b111),
            ("DateAdd(mm, 1, DateAdd(dd, 30, SourceDate)) >= '2026-02-28T01:00:00Z'", 0b110),
            ("DateAdd(yy, -1, SourceDate) = '2025-01-01T02:00:00Z'", 0b100),
            ("DateAdd(mm, -1300, SourceDate) < '1917-09-01T01:30:00Z'", 0b011),
            ("DateDiff(dd, DateAdd(yy, -100, SourceDate), SourceDate) = 36525", 0b111),
        ] {
            let expect: Vec<&str> = (0..3).filter(|bit| matches >> bit & 1 == 1).map(|bit| NAMES[bit]).collect();
            check(stage, &format!("SELECT Name FROM SMS_DriverPackage WHERE {condition}"), &expect).await;
        }
        check(stage, "SELECT Name FROM SMS_DriverPackage ORDER BY LENGTH(Version) DESC, SUBSTRING(Name, 7, 1) DESC",
            &["beta disk", "Alpha Net", "GAMMA net"]).await;
    }

    async fn weeks_begin_on_sunday_whatever_day_the_year_begins_on(stage: &Stage) {
        set_up(stage).await;
        let first: jiff::civil::Date = "2026-01-01".parse().unwrap();
        for (day, week) in [
            ("2023-01-01", 1),
            ("2023-01-07", 1),
            ("2023-01-08", 2),
            ("2022-01-01", 1),
            ("2022-01-02", 2),
            ("2012-12-31", 53),
            ("2000-12-31", 54),
            ("2026-01-03", 1),
            ("2026-01-04", 2),
        ] {
            let days = first.until(day.parse::<jiff::civil::Date>().unwrap()).unwrap().get_days();
            let wql = format!(
                "SELECT COUNT(*) FROM SMS_DriverPackage WHERE DatePart(wk, DateAdd(dd, {days}, SourceDate)) = {week}"
            );
            check(stage, &wql, &["3"]).await;
        }
    }

    async fn functions_that_repeat_their_arguments_stay_within_what_sqlite_binds(stage: &Stage) {
        set_up(stage).await;
        let nested = "DATEADD(month,1,DATEADD(month,1,DATEADD(month,1,DATEADD(month,1,SourceDate)))) > '2026-04-30T00:00:00Z'";
        let text = "LENGTH(SUBSTRING(Name,LENGTH(SUBSTRING(Name,1,2)),3)) > 0";
        for term in [nested, text] {
            let condition = [term; 16].join(" AND ");
            check(stage, &format!("SELECT COUNT(*) FROM SMS_DriverPackage WHERE {condition}"), &["3"]).await;
        }
    }

    async fn an_array_without_elements_equals_no_text(stage: &Stage) {
        set_up(stage).await;
        let users = "SELECT COUNT(*) FROM Haulier_User u JOIN SMS_DriverPackage p ON";
        // The first administrator has all scopes, so none by name.
        check(stage, &format!("{users} u.Name <> p.Name"), &["3"]).await;
        check(stage, &format!("{users} u.ScopeNames = SUBSTRING(p.Name, 1, 0)"), &["0"]).await;
    }

    async fn counts_and_distinct_rows(stage: &Stage) {
        set_up(stage).await;
        check(stage, "SELECT COUNT(*) FROM SMS_DriverPackage", &["3"]).await;
        check(stage, "SELECT COUNT(ISVString) FROM SMS_DriverPackage WHERE Name LIKE '%net'", &["0"]).await;
        check(stage, "SELECT COUNT(*) FROM SMS_DistributionPoint WHERE PackageID = 'PS100001'", &["2"]).await;
        check(stage, "SELECT DISTINCT PackageID FROM SMS_DistributionPoint ORDER BY PackageID DESC", &["PS100002", "PS100001"]).await;
        check(stage, "SELECT DISTINCT p.Name FROM SMS_DriverPackage p JOIN SMS_DistributionPoint d ON d.PackageID = p.PackageID",
            &NAMES[..2]).await;
        let mut query = cim::wql::parse("SELECT DISTINCT SiteCode FROM SMS_DistributionPoint").unwrap();
        query.count = true;
        let rows = stage.site.query(&admin(), "SMS_DistributionPoint", &query).await.unwrap();
        assert_eq!((rows.rows.len(), rows.count), (1, Some(1)));
        for number in 0..2 {
            let new = site::NewPackage { name: ["ALPHA NET", "alpha net"][number].to_owned(), ..site::NewPackage::default() };
            stage.site.create_package(&admin(), new).await.unwrap();
        }
        // What differs in case only is the same.
        check(stage, "SELECT DISTINCT Name FROM SMS_DriverPackage ORDER BY Name", &["ALPHA NET", "beta disk", "GAMMA net"]).await;
    }

    async fn what_means_nothing_is_refused(stage: &Stage) {
        for (wql, said) in [
            ("SELECT * FROM SMS_DriverPackage a JOIN SMS_DistributionPoint b ON PackageID = b.PackageID", "write which one"),
            ("SELECT * FROM SMS_DriverPackage a, SMS_DriverPackage b WHERE SMS_DriverPackage.Name = 'x'", "its own alias"),
            ("SELECT * FROM SMS_DriverPackage a JOIN SMS_DistributionPoint b ON a.Nothing = b.PackageID", "no property Nothing"),
            ("SELECT * FROM SMS_DriverPackage a FULL JOIN SMS_DistributionPoint b ON a.PackageID < b.PackageID", "full join"),
            ("SELECT * FROM SMS_DriverPackage WHERE SourceDate = Name", "compared with"),
            ("SELECT * FROM SMS_DriverPackage WHERE Name > PkgFlags", "compared with"),
            ("SELECT * FROM SMS_DriverPackage WHERE DateAdd(dd, 'x', SourceDate) > GetDate()", "whole number"),
            ("SELECT * FROM SMS_DriverPackage WHERE DateAdd(yy, 2000, SourceDate) > GetDate()", "thousand years"),
            ("SELECT * FROM SMS_DriverPackage WHERE DatePart(dd, Name) = 1", "takes a time"),
            ("SELECT * FROM SMS_DriverPackage WHERE UPPER(SourceDate) = 'x'", "takes a text"),
            ("SELECT * FROM SMS_DriverPackage WHERE UPPER(UPPER(UPPER(UPPER(UPPER(Name))))) = 'x'", "nest"),
            ("SELECT DISTINCT Name FROM SMS_DriverPackage ORDER BY Version", "sorted by what it selects"),
        ] {
            match asked(stage, &Actor::local(), wql).await {
                Err(SiteError::InvalidQuery { reason }) => assert!(reason.contains(said), "{wql}: {reason}"),
                other => panic!("{wql}: {other:?}"),
            }
        }
        let many = (0..13).map(|n| format!("SMS_DriverPackage a{n}")).collect::<Vec<_>>().join(", ");
        let deep = "UPPER(Name) = 'x' OR ".repeat(65);
        for wql in [
            format!("SELECT COUNT(*) FROM {many}"),
            format!("SELECT * FROM SMS_DriverPackage WHERE {deep} Name = 'x'"),
        ] {
            if let Ok(query) = cim::wql::parse(&wql) {
                assert_eq!(code(stage.site.query(&admin(), "SMS_DriverPackage", &query).await), "invalid_query", "{wql}");
            }
        }
        // Nothing that a client writes becomes SQL.
        for text in ["x' OR '1'='1", "x\" OR 1=1 --", "%'; DROP TABLE package; --", "\\", "$1", "?"] {
            let quoted = text.replace('\\', "\\\\").replace('"', "\\\"");
            for condition in [format!("Name = \"{quoted}\""), format!("Name LIKE \"{quoted}\""), format!("CONCAT(Name, \"{quoted}\") = 'x'")] {
                check(stage, &format!("SELECT Name FROM SMS_DriverPackage WHERE {condition}"), &[]).await;
            }
        }
        check(stage, "SELECT COUNT(*) FROM SMS_DriverPackage", &["0"]).await;
    }

    async fn users_find_what_is_in_their_scopes(stage: &Stage) {
        set_up(stage).await;
        stage.raw_sql("CREATE TABLE IF NOT EXISTS object_scope (object_type BIGINT NOT NULL, object_key TEXT NOT NULL, \
            scope_id BIGINT NOT NULL)".to_owned()).await;
        stage.raw_sql("INSERT INTO object_scope (object_type, object_key, scope_id) VALUES (2, 'PS100001', 7), (2, 'PS100002', 8), \
            (2, 'PS100002', 1), (25, 'PS100003', 9)".to_owned()).await;
        let seen = async |scopes: &[i64], wql: &str| {
            let actor = Actor { scopes: Scopes::Only(scopes.to_vec()), ..Actor::new("someone", Role::Reader) };
            asked(stage, &actor, wql).await.unwrap_or_else(|error| panic!("{wql}: {error}"))
        };
        let names = "SELECT Name FROM SMS_DriverPackage ORDER BY PackageID";
        assert_eq!(seen(&[7], names).await, NAMES[..1]);
        assert_eq!(seen(&[1], names).await, NAMES[1..]);
        assert_eq!(seen(&[7, 8], names).await, NAMES[..2]);
        assert_eq!(seen(&[], names).await, [""; 0]);
        assert_eq!(seen(&[7], "SELECT COUNT(*) FROM SMS_DriverPackage").await, ["1"]);
        // In joins and subqueries as well, and without turning an outer join into an inner one.
        assert_eq!(seen(&[8], "SELECT d.PackageID FROM SMS_ProviderLocation s, SMS_DistributionPoint d").await, ["PS100002"]);
        let left = "SELECT d.PackageID FROM SMS_ProviderLocation s LEFT JOIN SMS_DriverPackage d ON d.SourceSite = s.SiteCode";
        assert_eq!(seen(&[99], left).await, ["-"]);
        let inside = "SELECT COUNT(*) FROM SMS_ProviderLocation WHERE EXISTS (SELECT * FROM SMS_DriverPackage WHERE Name = 'alpha net')";
        assert_eq!((seen(&[7], inside).await, seen(&[8], inside).await), (vec!["1".to_owned()], vec!["0".to_owned()]));
        // What is about no object is there for everyone.
        assert_eq!(seen(&[99], "SELECT COUNT(*) FROM SMS_Identification").await, ["1"]);
    }
}
