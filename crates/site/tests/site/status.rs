//! Summarizers and status messages: what the rows say, on both back ends.

use agent::Event;
use site::{Actor, MessageType, Origin, Package, RaisedMessage, Role, Scopes, Severity, Site, Value};

use crate::stage::{Point, Stage, admin, code, failed, installed, time};

/// The values of these properties in every instance that a condition selects, by the first property.
async fn rows(stage: &Stage, class: &str, properties: &str, condition: &str) -> Vec<Vec<Value>> {
    read(&stage.site, class, properties, condition).await
}

async fn read(site: &Site, class: &str, properties: &str, condition: &str) -> Vec<Vec<Value>> {
    let first = properties.split(',').next().unwrap();
    let text = format!("SELECT {properties} FROM {class} WHERE {condition} ORDER BY {first}");
    let query = cim::wql::parse(&text).unwrap_or_else(|error| panic!("{text}: {error}"));
    let rows = site.query(&Actor::local(), query.class(), &query).await.unwrap();
    let order = |row: Vec<Value>| -> Vec<Value> {
        let at = |name: &str| rows.columns.iter().position(|column| column.name == name).unwrap();
        properties.split(", ").map(|name| row[at(name)].clone()).collect()
    };
    rows.rows.iter().cloned().map(order).collect()
}

fn numbers(values: &[i64]) -> Vec<Value> {
    values.iter().copied().map(Value::Integer).collect()
}

fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

/// A minute later, the next version is published.
async fn refresh(stage: &Stage, package: &Package) {
    stage.clock.advance(std::time::Duration::from_secs(60));
    stage.site.refresh_package(&admin(), &package.package_id).await.unwrap();
    assert_eq!(stage.site.run_due_snapshots().await.unwrap(), 1);
}

const COUNTS: &str = "Targeted, Installed, Retrying, Failed";
const CONTENT: &str = "Targeted, NumberSuccess, NumberInProgress, NumberErrors, NumberUnknown";

async fn check_counts(stage: &Stage, package: &Package, expect: [i64; 4]) {
    let only = format!("PackageID = '{}'", package.package_id);
    for class in ["SMS_PackageStatusRootSummarizer", "SMS_PackageStatusDetailSummarizer"] {
        assert_eq!(rows(stage, class, COUNTS, &only).await, [numbers(&expect)], "{class}");
    }
}

async fn check_content(stage: &Stage, package: &Package, expect: [i64; 5]) {
    let only = format!("ObjectID = '{}'", package.package_id);
    for class in ["SMS_ObjectContentInfo", "SMS_ObjectContentExtraInfo"] {
        assert_eq!(rows(stage, class, CONTENT, &only).await, [numbers(&expect)], "{class}");
    }
}

/// MessageID, MessageState and severity of the package at the point.
async fn check_message(stage: &Stage, point: &Point, expect: (i64, i64, u32)) {
    let found = rows(
        stage,
        "SMS_DistributionDPStatus",
        "MessageID, MessageState, MessageSeverity, MessageFullID, NalPath",
        "ID > 0",
    )
    .await;
    let found = found.iter().find(|row| row[4] == text(&point.nal)).unwrap();
    let severity = i64::from(expect.2);
    assert_eq!(found[..4], numbers(&[expect.0, expect.1, severity, severity + expect.0]));
}

const INFORMATION: u32 = 0x4000_0000;
const WARNING: u32 = 0x8000_0000;
const ERROR: u32 = 0xC000_0000;

on_both! {
    async fn distribution_points_are_counted_by_what_they_hold(stage: &Stage) {
        let package = stage.package("dell").await;
        let points = [stage.point("dp1").await, stage.point("dp2").await, stage.point("dp3").await, stage.point("dp4").await];
        check_counts(stage, &package, [0, 0, 0, 0]).await;
        stage.assign(&package, &points.each_ref()).await;
        check_counts(stage, &package, [4, 0, 0, 0]).await;
        check_content(stage, &package, [4, 0, 0, 0, 4]).await;
        let [first, second, third, fourth] = &points;
        stage.report(&package, first, installed(1)).await;
        stage.report(&package, second, failed(1)).await;
        stage.report(&package, third, failed(10)).await;
        stage.report(&package, fourth, Event::Started { version: 1, attempt: 1 }).await;
        check_counts(stage, &package, [4, 1, 1, 1]).await;
        check_content(stage, &package, [4, 1, 1, 2, 0]).await;

        // Who holds the version before is targeted, not installed.
        refresh(stage, &package).await;
        check_counts(stage, &package, [4, 0, 0, 0]).await;
        stage.report(&package, first, installed(2)).await;
        stage.report(&package, second, installed(2)).await;
        check_counts(stage, &package, [4, 2, 0, 0]).await;

        // Who shall remove it is not targeted; a removal that fails is counted.
        stage.site.remove_from_distribution_point(&admin(), &package.package_id, &second.nal).await.unwrap();
        check_counts(stage, &package, [3, 1, 0, 0]).await;
        stage.report(&package, second, failed(1)).await;
        check_counts(stage, &package, [3, 1, 1, 0]).await;
        stage.report(&package, second, failed(10)).await;
        check_counts(stage, &package, [3, 1, 0, 1]).await;
        check_content(stage, &package, [3, 1, 0, 0, 2]).await;
        stage.report(&package, second, Event::Removed).await;
        check_counts(stage, &package, [3, 1, 0, 0]).await;
    }

    async fn package_status_has_the_site_and_each_distribution_point(stage: &Stage) {
        let package = stage.package("dell").await;
        let (first, second) = (stage.point("dp1").await, stage.point("dp2").await);
        stage.assign(&package, &[&first, &second]).await;
        stage.report(&package, &first, installed(1)).await;
        stage.report(&package, &second, failed(10)).await;
        let row = |kind: i64, server: &str, status: i64| vec![Value::Integer(kind), text(server), Value::Integer(status)];
        let mut found = rows(stage, "SMS_PackageStatus", "Type, PkgServer, Status", "SiteCode = 'PS1'").await;
        found.sort_by_key(|row| format!("{row:?}"));
        assert_eq!(found, [row(1, "srv.example.test", 3), row(2, &first.nal, 3), row(2, &second.nal, 5)]);
        let broken = rows(stage, "SMS_PackageStatus", "PackageID, Location", "Status = 5").await;
        assert_eq!(broken, [[text("PS100001"), text("http://dp2:8540/SMS_DP_SMSPKG$/PS100001")]]);
        // A removal that failed is still to be done until its attempts are used up; there are no numbers but the documented.
        stage.site.remove_from_distribution_point(&admin(), &package.package_id, &first.nal).await.unwrap();
        let of_first = "Type = 2 AND PkgServer LIKE '%dp1%'";
        for (attempt, expect) in [(0, 7), (1, 7), (10, 5)] {
            if attempt > 0 {
                stage.report(&package, &first, failed(attempt)).await;
            }
            assert_eq!(rows(stage, "SMS_PackageStatus", "Status", of_first).await, [numbers(&[expect])], "{attempt}");
        }
        // A source that cannot be read shows at the site.
        std::fs::remove_dir_all(stage.source("dell", &[])).unwrap();
        stage.site.refresh_package(&admin(), &package.package_id).await.unwrap();
        stage.site.run_due_snapshots().await.unwrap();
        assert_eq!(rows(stage, "SMS_PackageStatus", "Status", "Type = 1").await, [numbers(&[4])]);
    }

    async fn each_state_has_its_message(stage: &Stage) {
        let package = stage.package("dell").await;
        let point = stage.point("dp1").await;
        stage.assign(&package, &[&point]).await;
        check_message(stage, &point, (2342, 2, INFORMATION)).await;
        let progress = Event::Progress { version: 1, bytes_done: 3, bytes_total: 10, bytes_received: 2, files_done: None, files_total: None };
        stage.report(&package, &point, progress).await;
        check_message(stage, &point, (8204, 2, INFORMATION)).await;
        stage.report(&package, &point, failed(1)).await;
        check_message(stage, &point, (2328, 3, WARNING)).await;
        let fault = rows(stage, "SMS_DistributionDPStatus", "InsString1, InsString3, InsString4, InsString5, InsString6", "MessageState = 3").await;
        assert_eq!(fault, [["PS100001", "The disk is full.", "disk_full", "a/b.sys", "1"].map(text)]);
        stage.report(&package, &point, failed(10)).await;
        check_message(stage, &point, (2328, 3, ERROR)).await;
        stage.report(&package, &point, installed(1)).await;
        check_message(stage, &point, (2330, 1, INFORMATION)).await;
        stage.clock.advance(std::time::Duration::from_secs(60));
        stage.site.validate(&admin(), &package.package_id, &point.nal).await.unwrap();
        check_message(stage, &point, (2381, 2, INFORMATION)).await;
        stage.report(&package, &point, Event::Started { version: 1, attempt: 1 }).await;
        check_message(stage, &point, (2380, 2, INFORMATION)).await;
        let verified = Event::Verified { version: 1, files_verified: 1, files_repaired: Vec::new() };
        stage.report(&package, &point, verified).await;
        check_message(stage, &point, (2384, 1, INFORMATION)).await;
        for (code, message) in [("site_unreachable", 2391), ("refused", 2382), ("incomplete", 2385), ("io", 8203)] {
            refresh(stage, &package).await;
            let Event::Failed { fault, attempt, next_attempt_at } = failed(1) else { unreachable!() };
            let fault = agent::Fault { code: code.to_owned(), ..fault };
            stage.report(&package, &point, Event::Failed { fault, attempt, next_attempt_at }).await;
            check_message(stage, &point, (message, 3, WARNING)).await;
        }
        // The newest message about it, and an identifier that stays.
        let last = rows(stage, "SMS_DistributionDPStatus", "ID, LastStatusID", "MessageState = 3").await;
        let newest = rows(stage, "Haulier_StatusMessage", "RecordID", "ServerName = 'dp1' AND MessageID = 8203").await;
        assert_eq!(last[0][1], newest.last().unwrap()[0]);
        stage.site.remove_from_distribution_point(&admin(), &package.package_id, &point.nal).await.unwrap();
        check_message(stage, &point, (39056, 2, INFORMATION)).await;
        assert_eq!(rows(stage, "SMS_DistributionDPStatus", "ID", "MessageState = 2").await, [[last[0][0].clone()]]);
        stage.report(&package, &point, failed(10)).await;
        check_message(stage, &point, (39057, 3, ERROR)).await;
    }

    async fn a_hard_failure_is_4_where_the_site_is_set_to_it(stage: &Stage) {
        let package = stage.package("dell").await;
        let point = stage.point("dp1").await;
        stage.assign(&package, &[&point]).await;
        let state = "MessageState";
        for (setting, attempt, expect) in [(None, 10, 3), (Some(4), 1, 3), (Some(4), 10, 4), (Some(3), 10, 3)] {
            let options = site::SiteOptions { failed_message_state: setting, ..stage.options.clone() };
            let site = Site::open(&options, stage.clock.clone()).await.unwrap();
            stage.report(&package, &point, failed(attempt)).await;
            let found = read(&site, "SMS_DistributionDPStatus", state, &format!("{state} = {expect}")).await;
            assert_eq!(found, [numbers(&[expect])], "{setting:?} {attempt}");
            site.close().await;
        }
        let options = site::SiteOptions { failed_message_state: Some(5), ..stage.options.clone() };
        assert_eq!(code(Site::open(&options, stage.clock.clone()).await), "invalid_option");
    }

    async fn messages_have_strings_attributes_and_an_origin(stage: &Stage) {
        let package = stage.package("dell").await;
        let point = stage.point("dp1").await;
        let mut actor = admin();
        actor.origin = Origin { application: "Import tool".to_owned(), machine: "ADMIN1".to_owned(), ..Origin::default() };
        stage.site.add_distribution_points(&actor, &package.package_id, &[("PS1".to_owned(), point.nal.clone())]).await.unwrap();
        let properties = "RecordID, Component, MachineName, ModuleName, MessageType, Severity, InsString1, InsString2, InsString3, InsString4";
        let found = rows(stage, "SMS_StatMsgWithInsStrings", properties, "MessageID = 30009").await;
        let [found] = found.as_slice() else { panic!("{found:?}") };
        let id = found[0].clone();
        let expect = [text("Import tool"), text("ADMIN1"), text("SMS Provider"), Value::Integer(768), Value::Integer(i64::from(INFORMATION)),
            text("admin"), text("PS100001"), text("dp1"), Value::Null];
        assert_eq!(found[1..], expect);
        let Value::Integer(number) = id else { panic!("{id:?}") };
        for class in ["SMS_StatMsgInsStrings", "SMS_StatInsStr"] {
            let strings = rows(stage, class, "InsStrIndex, InsStrValue", &format!("RecordID = {number}")).await;
            let expect: Vec<_> = [(0, "admin"), (1, "PS100001"), (2, "dp1")].map(|(at, value)| vec![Value::Integer(at), text(value)]).into();
            assert_eq!(strings, expect, "{class}");
        }
        for class in ["SMS_StatMsgAttributes", "SMS_StatAttr"] {
            let attributes = rows(stage, class, "AttributeID, AttributeValue", &format!("RecordID = {number}")).await;
            let expect = [(400, "PS100001"), (403, "admin"), (404, point.nal.as_str())].map(|(id, value)| vec![Value::Integer(id), text(value)]);
            assert_eq!(attributes, expect, "{class}");
        }
        // What the site itself says comes from its server.
        let own = rows(stage, "SMS_StatMsg", "Component, MachineName, MessageType", "MessageID = 2301").await;
        assert_eq!(own, [[text("SMS_DISTRIBUTION_MANAGER"), text("srv.example.test"), Value::Integer(256)]]);
    }

    async fn callers_raise_and_delete_messages(stage: &Stage) {
        let site = &stage.site;
        let author = Actor::new("author", Role::Author);
        stage.package("dell").await;
        let raised = RaisedMessage {
            text: Some("It's done: \"x\" \\ ü".to_owned()),
            message_id: 39998,
            severity: Severity::Warning,
            message_type: MessageType::Milestone,
            module: None,
            win32_error: 5,
            process_id: u32::MAX,
            thread_id: 7,
            at: Some(time("2025-12-31T23:00:00Z")),
            attributes: vec![(400, "PS100001".to_owned()), (402, "B".to_owned()), (402, "A".to_owned()), (402, "B".to_owned()), (400, "PS100001".to_owned())],
        };
        let id = site.raise_status_message(&author, raised.clone()).await.unwrap();
        let properties = "RecordID, InsString1, Win32Error, ProcessID, ThreadID, Time";
        let found = rows(stage, "SMS_StatMsgWithInsStrings", properties, "MessageID = 39998").await;
        let expect = [Value::Integer(id), text("It's done: \"x\" \\ ü"), Value::Integer(5), Value::Integer(i64::from(u32::MAX)), Value::Integer(7),
            Value::DateTime(time("2025-12-31T23:00:00Z"))];
        assert_eq!(found, [expect]);
        let mut about = rows(stage, "SMS_StatAttr", "AttributeID, AttributeValue", &format!("RecordID = {id}")).await;
        about.sort_by_key(|row| format!("{row:?}"));
        assert_eq!(about, [(400, "PS100001"), (402, "A"), (402, "B"), (403, "author")].map(|(id, value)| vec![Value::Integer(id), text(value)]));

        let check = async |change: &dyn Fn(&mut RaisedMessage)| {
            let mut message = raised.clone();
            change(&mut message);
            assert_eq!(code(site.raise_status_message(&author, message.clone()).await), "invalid_field", "{message:?}");
        };
        check(&|m| m.text = Some(String::new())).await;
        check(&|m| m.text = Some("x".repeat(1025))).await;
        check(&|m| m.text = Some("a\0b".to_owned())).await;
        check(&|m| m.message_id = 65536).await;
        check(&|m| m.module = Some("x".repeat(256))).await;
        check(&|m| m.attributes = vec![(1, "x".repeat(256))]).await;
        check(&|m| m.attributes = vec![(1, "x".to_owned()); 33]).await;
        check(&|m| m.at = Some(time("2026-01-02T00:00:01Z"))).await;
        check(&|m| (m.module, m.message_type) = (Some("SMS Provider".to_owned()), MessageType::Audit)).await;
        // What only the site says: who changed what.
        check(&|m| m.message_type = MessageType::Audit).await;
        check(&|m| m.attributes.push((403, "admin".to_owned()))).await;
        check(&|m| m.attributes.push((400, "PS100002".to_owned()))).await;
        // Who does not see the package says nothing about it, and does not see what others say.
        let elsewhere = Actor { scopes: Scopes::Only(Vec::new()), ..author.clone() };
        assert_eq!(code(site.raise_status_message(&elsewhere, raised.clone()).await), "package_not_found");
        let query = cim::wql::parse("SELECT RecordID FROM SMS_StatMsg WHERE MessageID = 39998").unwrap();
        assert_eq!(site.query(&author, query.class(), &query).await.unwrap().rows.len(), 1);
        assert!(site.query(&elsewhere, query.class(), &query).await.unwrap().rows.is_empty());
        let reader = Actor::new("reader", Role::Reader);
        assert_eq!(code(site.raise_status_message(&reader, raised.clone()).await), "access_denied");

        assert_eq!(code(site.delete_status_messages(&author, &[id], "x").await), "access_denied");
        let many: Vec<i64> = (0..=50_000).collect();
        assert_eq!(code(site.delete_status_messages(&admin(), &many, "all").await), "conflict");
        assert_eq!(site.delete_status_messages(&admin(), &[id, id + 1000], "these").await.unwrap(), 1);
        assert!(rows(stage, "SMS_StatAttr", "AttributeValue", &format!("RecordID = {id}")).await.is_empty());
        let told = rows(stage, "SMS_StatMsgWithInsStrings", "InsString1, InsString2, InsString3", "MessageID = 39054").await;
        assert_eq!(told, [["admin", "1", "these"].map(text)]);
        assert_eq!(site.delete_status_messages(&admin(), &[id], "again").await.unwrap(), 0);
    }

    async fn platforms_are_offered_as_an_administrator_says(stage: &Stage) {
        let all = rows(stage, "SMS_SupportedPlatforms", "OSName, OSPlatform, OSMinVersion, OSMaxVersion, IsSupported", "OSName = 'Win NT'").await;
        let part = |at: usize| match &all[0][at] { Value::Text(text) => text.clone(), other => panic!("{other:?}") };
        let key = site::PlatformKey { name: part(0), platform: part(1), min_version: part(2), max_version: part(3) };
        let Value::Boolean(before) = all[0][4] else { panic!("{all:?}") };
        let condition = format!("OSName = '{}' AND OSPlatform = '{}' AND OSMinVersion = '{}' AND OSMaxVersion = '{}'", key.name, key.platform, key.min_version, key.max_version);
        stage.site.set_platform_supported(&admin(), &key, !before).await.unwrap();
        // It outlives the program's own table, which is written at the start.
        let site = stage.reopen().await;
        for supported in [!before, before] {
            site.set_platform_supported(&admin(), &key, supported).await.unwrap();
            assert_eq!(read(&site, "SMS_SupportedPlatforms", "IsSupported", &condition).await, [[Value::Boolean(supported)]]);
        }
        let operator = Actor::new("operator", Role::Operator);
        assert_eq!(code(site.set_platform_supported(&operator, &key, true).await), "access_denied");
        let unknown = site::PlatformKey { name: "CP/M".to_owned(), ..key };
        assert_eq!(code(site.set_platform_supported(&admin(), &unknown, true).await), "platform_not_found");
        site.close().await;
    }
}
