//! Packages of both kinds, what is kept with them, their folders and locks, through the provider.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop where it is")]

mod scene;

use std::sync::Arc;
use std::time::Duration;

use cim::query::Query;
use cim::{Instance, ObjectPath, Value, wql};
use clock::ManualClock;
use provider::{Caller, Context, Outcome, Provider, ProviderError};
use scene::local;
use site::{Actor, Role, Site, SiteOptions};
use tempfile::TempDir;

struct World {
    provider: Provider,
    site: Site,
    clock: Arc<ManualClock>,
    _dir: TempDir,
}

async fn world() -> World {
    let dir = tempfile::tempdir().unwrap();
    let source = dir.path().join("src");
    std::fs::create_dir_all(source.join("hp")).unwrap();
    std::fs::write(source.join("hp/drivers.wim"), "archive").unwrap();
    let options = SiteOptions {
        data_dir: dir.path().join("ps1"),
        site_code: "PS1".to_owned(),
        site_name: "Test".to_owned(),
        server_name: Some("srv".to_owned()),
        shares: [(r"\\srv\src".to_owned(), source)].into(),
        ..SiteOptions::default()
    };
    let clock = ManualClock::new("2026-01-02T03:04:05Z".parse().unwrap());
    Site::init(&options, "correct horse battery", clock.clone()).await.unwrap();
    let site = Site::open(&options, clock.clone()).await.unwrap();
    site.create_dp_token(&Actor::local(), "dp1", None).await.unwrap();
    World { provider: Provider::new(site.clone()), site, clock, _dir: dir }
}

fn instance(class: &str, properties: &[(&str, Value)]) -> Instance {
    let mut instance = Instance::new(class);
    properties.iter().for_each(|(name, value)| instance.set(name, value.clone()));
    instance
}

impl World {
    async fn create(&self, class: &str, properties: &[(&str, Value)]) -> ObjectPath {
        self.provider.create(&local(), instance(class, properties)).await.unwrap()
    }

    async fn modify(&self, path: &ObjectPath, properties: &[(&str, Value)]) -> Result<(), ProviderError> {
        self.provider.modify(&local(), path, instance(&path.class, properties)).await
    }

    async fn read(&self, path: &ObjectPath, name: &str) -> Value {
        self.provider.get(&local(), path).await.unwrap().get(name).unwrap().clone()
    }

    async fn select(&self, text: &str) -> Vec<Instance> {
        let query: Query = wql::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        self.provider.query(&local(), query).await.unwrap_or_else(|error| panic!("{text}: {error}")).instances
    }

    async fn call(
        &self,
        caller: &Caller,
        class: &str,
        method: &str,
        given: &[(&str, Value)],
    ) -> Result<Outcome, ProviderError> {
        let given = given.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        self.provider.invoke(caller, class, None, method, given).await
    }
}

fn codes<T>(result: Result<T, ProviderError>) -> (u32, u32) {
    let error = result.err().expect("the call is refused");
    (error.hresult(), error.fault.error_code())
}

fn out(outcome: &Outcome, name: &str) -> Value {
    outcome.out.iter().find(|(known, _)| known == name).unwrap().1.clone()
}

fn bytes(bytes: &[u8]) -> Value {
    Value::Array(bytes.iter().map(|byte| Value::Integer((*byte).into())).collect())
}

#[tokio::test]
async fn a_package_needs_only_a_name() {
    let world = world().await;
    let path = world.create("SMS_Package", &[("Name", Value::text("Drivers - HP 840"))]).await;
    assert_eq!(path.relative(), "SMS_Package.PackageID=\"PS100001\"");
    let package = world.provider.get(&local(), &path).await.unwrap();
    for (name, expect) in [
        ("PackageType", Value::Integer(0)),
        ("PkgSourceFlag", Value::Integer(1)),
        ("DefaultImageFlags", Value::Integer(0)),
        ("IsPredefinedPackage", Value::Boolean(false)),
        ("TransformAnalysisDate", Value::Null),
        ("TransformReadiness", Value::Integer(0)),
        ("ForcedDisconnectDelay", Value::Integer(5)),
        ("Icon", Value::Null),
        ("IconSize", Value::Integer(0)),
        ("ExtendedDataSize", Value::Integer(0)),
        ("SedoObjectVersion", Value::text("PS100001;1")),
        ("SourceSite", Value::text("PS1")),
    ] {
        assert_eq!(package.get(name), Some(&expect), "{name}");
    }
    // Another class's path does not lead to it.
    let other = ObjectPath::parse("SMS_DriverPackage.PackageID='PS100001'").unwrap();
    assert_eq!(codes(world.provider.get(&local(), &other).await), (0x8004_1002, 2));
    let wrong = world.modify(&path, &[("PackageType", Value::Integer(3))]).await;
    assert_eq!(codes(wrong), (0x8004_103C, 87));
    world
        .modify(
            &path,
            &[
                ("DefaultImageFlags", Value::Integer(2)),
                ("TransformReadiness", Value::Integer(3)),
                ("TransformAnalysisDate", Value::text("20260102030405.000000+***")),
            ],
        )
        .await
        .unwrap();
    assert_eq!(world.read(&path, "DefaultImageFlags").await, Value::Integer(2));
    assert_eq!(
        world.read(&path, "TransformAnalysisDate").await,
        Value::DateTime("20260102030405.000000+***".parse().unwrap())
    );
    for (name, value) in [("DefaultImageFlags", -1), ("DefaultImageFlags", 1), ("TransformReadiness", 6)] {
        assert!(world.modify(&path, &[(name, Value::Integer(value))]).await.is_err(), "{name} {value}");
    }
}

#[tokio::test]
async fn the_base_class_has_both_kinds() {
    let world = world().await;
    let usmt = [("Name", Value::text("a")), ("DefaultImageFlags", Value::Integer(2))];
    world.create("SMS_Package", &usmt).await;
    world.create("SMS_DriverPackage", &[("Name", Value::text("b"))]).await;
    let all = world.select("SELECT * FROM SMS_PackageBaseclass ORDER BY Name").await;
    let found: Vec<_> = all.iter().map(|row| (row.class.as_str(), row.get("PackageType").unwrap())).collect();
    assert_eq!(found, [("SMS_Package", &Value::Integer(0)), ("SMS_DriverPackage", &Value::Integer(3))]);
    assert_eq!(all[0].get("DefaultImageFlags"), Some(&Value::Integer(2)), "its own properties are there");
    assert_eq!(all[1].get("DefaultImageFlags"), None);
    let named = world.select("SELECT Name FROM SMS_PackageBaseclass WHERE PackageType = 3").await;
    assert_eq!((named.len(), named[0].class.as_str()), (1, "SMS_DriverPackage"));
    assert_eq!(world.select("SELECT * FROM SMS_Package").await.len(), 1);
    assert_eq!(world.select("SELECT * FROM SMS_DriverPackage").await.len(), 1);
    let path = ObjectPath::parse("SMS_PackageBaseclass.PackageID='PS100002'").unwrap();
    assert_eq!(world.provider.get(&local(), &path).await.unwrap().class, "SMS_DriverPackage");
}

#[tokio::test]
async fn bytes_are_kept_and_cleared_by_their_size() {
    let world = world().await;
    let path =
        world.create("SMS_DriverPackage", &[("Name", Value::text("a")), ("Icon", bytes(&[0, 9, 255]))]).await;
    assert_eq!(world.read(&path, "Icon").await, bytes(&[0, 9, 255]));
    assert_eq!(world.read(&path, "IconSize").await, Value::Integer(3));
    let isv = [("ISVData", bytes(&[1])), ("ISVString", Value::text("x")), ("ExtendedData", bytes(&[7; 2]))];
    world.modify(&path, &isv).await.unwrap();
    // The whole object sent back changes nothing.
    let whole = world.provider.get(&local(), &path).await.unwrap();
    let version = whole.get("SedoObjectVersion").cloned();
    world.provider.modify(&local(), &path, whole).await.unwrap();
    let after = world.provider.get(&local(), &path).await.unwrap();
    assert_eq!(after.get("SedoObjectVersion").cloned(), version);
    assert_eq!(
        (after.get("ISVDataSize"), after.get("ExtendedDataSize")),
        (Some(&Value::Integer(1)), Some(&Value::Integer(2)))
    );
    // Lists show no lazy bytes.
    let listed = world.select("SELECT * FROM SMS_DriverPackage").await.remove(0);
    for left_out in ["Icon", "IconSize", "ISVData", "ISVDataSize", "ExtendedData", "ExtendedDataSize"] {
        assert_eq!(listed.get(left_out), Some(&Value::Null), "{left_out}");
    }
    world.provider.modify(&local(), &path, listed).await.unwrap();
    assert_eq!(world.read(&path, "ISVData").await, bytes(&[1]), "what a list left out is not cleared");
    assert_eq!(world.read(&path, "Icon").await, bytes(&[0, 9, 255]));
    let compared = wql::parse("SELECT * FROM SMS_DriverPackage WHERE Icon IS NULL").unwrap();
    assert_eq!(codes(world.provider.query(&local(), compared).await).0, 0x8004_1017);
    world.modify(&path, &[("IconSize", Value::Integer(0))]).await.unwrap();
    assert_eq!(world.read(&path, "Icon").await, Value::Null);
    world.modify(&path, &[("ISVDataSize", Value::Integer(0))]).await.unwrap();
    assert_eq!(world.read(&path, "ISVData").await, Value::Null);
    let wrong = world.modify(&path, &[("ExtendedDataSize", Value::Integer(9))]).await;
    assert_eq!(codes(wrong), (0x8004_103C, 87));
    let long = world.modify(&path, &[("ISVData", bytes(&vec![0; 256 * 1024 + 1]))]).await;
    assert_eq!(codes(long), (0x8004_1008, 87));
}

#[tokio::test]
async fn shares_and_sources_are_looked_up_as_the_console_does() {
    let world = world().await;
    let path = world
        .create(
            "SMS_Package",
            &[
                ("Name", Value::text("HP")),
                ("ShareName", Value::text("HP$")),
                ("PkgSourceFlag", Value::Integer(2)),
                ("PkgSourcePath", Value::text(r"\\srv\src\hp")),
            ],
        )
        .await;
    let id = path.key("PackageID").unwrap();
    for (method, given, expect) in [
        (
            "CheckDuplicateShareName",
            [("ShareName", Value::text("hp$")), ("PackageID", Value::text(""))],
            true,
        ),
        ("CheckDuplicateShareName", [("ShareName", Value::text("hp$")), ("PackageID", id.clone())], false),
        (
            "CheckDuplicateSourceName",
            [("SourceName", Value::text(r"\\SRV\src\HP\")), ("SourceSite", Value::text("PS1"))],
            true,
        ),
        (
            "CheckDuplicateSourceName",
            [("SourceName", Value::text(r"\\srv\src\hp")), ("PackageID", id.clone())],
            false,
        ),
    ] {
        let outcome = world.call(&local(), "SMS_Package", method, &given).await.unwrap();
        assert_eq!(out(&outcome, "IsDuplicated"), Value::Boolean(expect), "{method} {given:?}");
        assert_eq!(out(&outcome, "DupPkgType"), Value::Integer(if expect { 0 } else { 1 }));
        assert_eq!(out(&outcome, "DupPkgName"), Value::text(if expect { "HP" } else { "" }));
    }
    let share = [("PackageID", id.clone())];
    let valid =
        world.call(&local(), "SMS_Package", "CheckPackageShareForTaskSequenceDeployment", &share).await;
    assert_eq!(out(&valid.unwrap(), "IsValid"), Value::Boolean(true));
    // It is refreshed and distributed by the same engine.
    let refresh =
        world.provider.invoke(&local(), "SMS_Package", Some(&path), "RefreshPkgSource", Vec::new()).await;
    assert_eq!(refresh.unwrap().return_value, Value::Integer(0));
    world.site.run_due_snapshots().await.unwrap();
    assert_eq!(world.read(&path, "StoredPkgVersion").await, Value::Integer(2));
    let schedule = instance("SMS_ST_RecurInterval", &[("DaySpan", Value::Integer(1))]);
    // A single token without an array, as some modules send it.
    world.modify(&path, &[("RefreshSchedule", Value::Instance(Box::new(schedule)))]).await.unwrap();
    let Value::Array(tokens) = world.read(&path, "RefreshSchedule").await else { panic!("an array") };
    let [Value::Instance(token)] = tokens.as_slice() else { panic!("{tokens:?}") };
    assert_eq!(
        (token.class.as_str(), token.get("DaySpan")),
        ("SMS_ST_RecurInterval", Some(&Value::Integer(1)))
    );
    let refused = world.modify(&path, &[("PkgSourceFlag", Value::Integer(1))]).await;
    assert_eq!(codes(refused), (0x8004_1008, 87));
    world.modify(&path, &[("RefreshSchedule", Value::Array(Vec::new()))]).await.unwrap();
    assert_eq!(world.read(&path, "RefreshSchedule").await, Value::Array(Vec::new()));
}

#[tokio::test]
async fn a_distribution_is_cancelled_by_any_name_that_scripts_use() {
    let world = world().await;
    let source = [
        ("Name", Value::text("HP")),
        ("PkgSourceFlag", Value::Integer(2)),
        ("PkgSourcePath", Value::text(r"\\srv\src\hp")),
    ];
    world.create("SMS_Package", &source).await;
    world.site.run_due_snapshots().await.unwrap();
    let nal = r#"["Display=\\dp1\"]MSWNET:["SMS_SITE=PS1"]\\dp1\"#;
    let keys = [("PackageID", "PS100001"), ("ServerNALPath", nal), ("SiteCode", "PS1")];
    let keys = keys.map(|(name, value)| (name, Value::text(value)));
    let point = world.create("SMS_DistributionPoint", &keys).await;
    assert_eq!(world.read(&point, "ObjectTypeID").await, Value::Integer(2));
    for names in [["PackageId", "NALPath"], ["packageid", "ServerNALPath"]] {
        let given = [(names[0], Value::text("ps100001")), (names[1], Value::text(nal))];
        let done = world.call(&local(), "SMS_DistributionPoint", "CancelDistribution", &given).await;
        assert_eq!(done.unwrap().return_value, Value::Integer(0));
    }
    let row = world.select("SELECT * FROM SMS_PackageStatusDistPointsSummarizer").await.remove(0);
    assert_eq!(row.get("State"), Some(&Value::Integer(3)));
    let state = world.select("SELECT * FROM Haulier_DistributionState").await.remove(0);
    assert_eq!(state.get("FaultCode"), Some(&Value::text("cancelled")));
    world.modify(&point, &[("RefreshNow", Value::Boolean(true))]).await.unwrap();
    let row = world.select("SELECT * FROM SMS_PackageStatusDistPointsSummarizer").await.remove(0);
    assert_eq!(row.get("State"), Some(&Value::Integer(1)));
    world.modify(&point, &[("ISVData", bytes(&[5, 6])), ("ISVString", Value::text("x"))]).await.unwrap();
    assert_eq!(world.read(&point, "ISVData").await, bytes(&[5, 6]));
    assert_eq!(world.read(&point, "ISVString").await, Value::text("x"));
    let long = world.modify(&point, &[("ISVData", bytes(&[0; 4097]))]).await;
    assert_eq!(codes(long), (0x8004_1008, 87));
}

#[tokio::test]
async fn folders_are_made_filled_and_emptied() {
    let world = world().await;
    let package = world.create("SMS_DriverPackage", &[("Name", Value::text("a"))]).await;
    let id = package.key("PackageID").unwrap().clone();
    let folder = |name: &str, parent: i128| {
        instance(
            "SMS_ObjectContainerNode",
            &[
                ("Name", Value::text(name)),
                ("ObjectType", Value::Integer(23)),
                ("ParentContainerNodeID", Value::Integer(parent)),
                ("SourceSite", Value::text("PS1")),
                ("ContainerNodeID", Value::Integer(0)),
            ],
        )
    };
    let top = world.provider.put(&local(), folder("Dell", 0)).await.unwrap();
    assert_eq!(top.relative(), "SMS_ObjectContainerNode.ContainerNodeID=16777217");
    let inner = world.provider.put(&local(), folder("7440", 16_777_217)).await.unwrap();
    assert_eq!(codes(world.provider.put(&local(), folder("7440", 16_777_217)).await), (0x8004_1019, 183));
    assert_eq!(world.read(&top, "IsEmpty").await, Value::Boolean(false));
    let moved = |keys: Value, from: i128, to: i128| {
        [
            ("InstanceKeys", keys),
            ("ContainerNodeID", Value::Integer(from)),
            ("TargetContainerNodeID", Value::Integer(to)),
            ("ObjectType", Value::Integer(23)),
        ]
    };
    let item = "SMS_ObjectContainerItem";
    // A single text is a list of one, as scripts send it.
    world.call(&local(), item, "MoveMembers", &moved(id.clone(), 0, 16_777_218)).await.unwrap();
    let items =
        world.select("SELECT * FROM SMS_ObjectContainerItem WHERE ContainerNodeID = '16777218'").await;
    assert_eq!(items[0].get("InstanceKey"), Some(&id));
    assert_eq!(items[0].get("ObjectTypeName"), Some(&Value::text("SMS_DriverPackage")));
    assert_eq!(codes(world.provider.delete(&local(), &inner).await), (0x8004_1001, 5023));
    let wrong = world.call(&local(), item, "MoveMembers", &moved(id.clone(), 0, 16_777_217)).await;
    assert_eq!(codes(wrong), (0x8004_1001, 5023));
    assert_eq!(
        codes(world.modify(&top, &[("ParentContainerNodeID", Value::Integer(16_777_218))]).await).0,
        0x8004_1001
    );
    assert_eq!(codes(world.modify(&top, &[("ObjectType", Value::Integer(2))]).await), (0x8004_1023, 87));
    world
        .modify(&inner, &[("Name", Value::text("Latitude")), ("ParentContainerNodeID", Value::Integer(0))])
        .await
        .unwrap();
    assert_eq!(world.read(&inner, "Name").await, Value::text("Latitude"));
    // An item may be deleted and made like any instance.
    let member = ObjectPath::new(item, [("MemberID".to_owned(), items[0].get("MemberID").unwrap().clone())]);
    world.provider.delete(&local(), &member).await.unwrap();
    assert!(world.select("SELECT * FROM SMS_ObjectContainerItem").await.is_empty());
    let new = [
        ("InstanceKey", id.clone()),
        ("ObjectType", Value::Integer(23)),
        ("ContainerNodeID", Value::Integer(16_777_217)),
    ];
    let member = world.create(item, &new).await;
    world.modify(&member, &[("ContainerNodeID", Value::Integer(16_777_218))]).await.unwrap();
    world.provider.delete(&local(), &package).await.unwrap();
    for empty in [&top, &inner] {
        assert_eq!(world.read(empty, "IsEmpty").await, Value::Boolean(true));
        world.provider.delete(&local(), empty).await.unwrap();
    }
}

fn editor(name: &str, values: &[(&str, &str)]) -> Caller {
    let values = values.iter().map(|(name, value)| ((*name).to_owned(), Value::text(*value)));
    Caller::new(Actor::new(name, Role::Author), Context::from_values(values).unwrap())
}

#[tokio::test]
async fn locks_follow_the_context_of_the_call() {
    let world = world().await;
    let package = world.create("SMS_Package", &[("Name", Value::text("a"))]).await;
    let ada = editor("ada", &[("ObjectLockContext", "{1}"), ("MachineName", "PC1")]);
    let ben = editor("ben", &[("ObjectLockContext", "{2}"), ("MachineName", "PC2")]);
    let path = [
        ("ObjectRelPath", Value::text("sms_package.packageid='ps100001'")),
        ("RequestTransfer", Value::Boolean(true)),
    ];
    let granted = world.call(&ada, "SMS_ObjectLock", "RequestLock", &path).await.unwrap();
    assert_eq!(out(&granted, "RequestState"), Value::Integer(10));
    assert_eq!(out(&granted, "LockState"), Value::Integer(1));
    assert_eq!(out(&granted, "AssignedUser"), Value::text("ada"));
    assert_eq!(out(&granted, "AssignedMachine"), Value::text("PC1"));
    assert_eq!(out(&granted, "AssignedObjectLockContext"), Value::text("{1}"));
    let names: Vec<_> = granted.out.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names[..3], ["RequestID", "RequestState", "LockState"]);
    let denied = world.call(&ben, "SMS_ObjectLock", "RequestLockAsync", &path).await.unwrap();
    assert_eq!(out(&denied, "RequestState"), Value::Integer(20));
    let asked = [("RequestID", out(&denied, "RequestID"))];
    let checked = world.call(&ben, "SMS_ObjectLock", "CheckLockRequest", &asked).await.unwrap();
    assert_eq!(out(&checked, "RequestState"), Value::Integer(20));
    let change = instance("SMS_Package", &[("Description", Value::text("x"))]);
    let refused = world.provider.modify(&ben, &package, change.clone()).await.unwrap_err();
    let status = refused.extended_status();
    assert_eq!(status.get("ErrorCode"), Some(&Value::Integer(33)));
    let text = status.get("Description").unwrap().as_str().unwrap();
    assert!(text.contains("locked by ada on PC1"), "{text}");
    world.provider.modify(&ada, &package, change.clone()).await.unwrap();
    let only = &path[..1];
    assert_eq!(codes(world.call(&ben, "SMS_ObjectLock", "ReleaseLock", only).await), (0x8004_1001, 158));
    let many = world
        .call(
            &ada,
            "SMS_ObjectLock",
            "RequestLocks",
            &[(
                "ObjectRelPaths",
                Value::Array(vec![
                    Value::text("SMS_Package.PackageID=\"PS100001\""),
                    Value::text("SMS_Driver.CI_ID=1"),
                ]),
            )],
        )
        .await
        .unwrap();
    let Value::Array(requests) = out(&many, "ObjectLockRequests") else { panic!("a list") };
    let states: Vec<_> = requests
        .iter()
        .map(|request| match request {
            Value::Instance(request) => {
                (request.class.clone(), request.get("RequestState").cloned().unwrap())
            }
            other => panic!("{other:?}"),
        })
        .collect();
    let class = "SMS_ObjectLockRequest".to_owned();
    assert_eq!(states, [(class.clone(), Value::Integer(10)), (class, Value::Integer(22))]);
    world.call(&ada, "SMS_ObjectLock", "ReleaseAllLocks", &[]).await.unwrap();
    let information = world.call(&ben, "SMS_ObjectLock", "GetLockInformation", only).await.unwrap();
    assert_eq!(
        (out(&information, "LockState"), out(&information, "AssignedTimeUTC")),
        (Value::Integer(0), Value::Null)
    );
    world
        .provider
        .modify(&ben, &package, instance("SMS_Package", &[("Description", Value::text("y"))]))
        .await
        .unwrap();
    for (path, expect) in [
        ("SMS_Nothing.X=1", (0x8004_1010, 87)),
        ("SMS_Identification.ThisSiteCode='PS1'", (0x8004_100C, 50)),
        ("not a path", (0x8004_103A, 87)),
    ] {
        let wrong = [("ObjectRelPath", Value::text(path))];
        assert_eq!(codes(world.call(&ada, "SMS_ObjectLock", "RequestLock", &wrong).await), expect, "{path}");
    }
}

#[tokio::test]
async fn a_context_handle_stands_for_what_was_sent_before() {
    let world = world().await;
    world.create("SMS_Package", &[("Name", Value::text("a"))]).await;
    let full = editor("ada", &[("ObjectLockContext", "{1}"), ("MachineName", "PC1")]);
    let handle = world.call(&full, "SMS_ContextMethods", "GetContextHandle", &[]).await.unwrap();
    let handle = out(&handle, "ContextHandle");
    let handle = handle.as_str().unwrap();
    let short = editor("ada", &[("ContextHandle", handle)]);
    let path = [("ObjectRelPath", Value::text("SMS_Package.PackageID='PS100001'"))];
    let granted = world.call(&short, "SMS_ObjectLock", "RequestLock", &path).await.unwrap();
    assert_eq!(out(&granted, "AssignedMachine"), Value::text("PC1"));
    // Its owner by the handle, and not from another machine.
    world.call(&full, "SMS_ObjectLock", "ReleaseLock", &path).await.unwrap();
    let elsewhere = editor("ada", &[("ContextHandle", handle), ("MachineName", "PC2")]);
    let granted = world.call(&elsewhere, "SMS_ObjectLock", "RequestLock", &path).await.unwrap();
    assert_eq!(out(&granted, "AssignedMachine"), Value::text("PC2"));
    let foreign = editor("ben", &[("ContextHandle", handle)]);
    assert_eq!(
        codes(world.call(&foreign, "SMS_ObjectLock", "GetLockInformation", &path).await).0,
        0x8004_1008
    );
    let given = [("ContextHandle", Value::text(handle))];
    assert_eq!(
        codes(world.call(&editor("ben", &[]), "SMS_ContextMethods", "ClearContextHandle", &given).await).0,
        0x8004_1008
    );
    world.clock.advance(Duration::from_secs(31 * 60));
    let late = world.provider.query(&short, Query::all("SMS_Package")).await;
    assert_eq!(codes(late).0, 0x8004_1008);
    let handle = world.call(&full, "SMS_ContextMethods", "GetContextHandle", &[]).await.unwrap();
    let given = [("ContextHandle", out(&handle, "ContextHandle"))];
    world.call(&full, "SMS_ContextMethods", "ClearContextHandle", &given).await.unwrap();
    assert_eq!(
        codes(world.call(&full, "SMS_ContextMethods", "ClearContextHandle", &given).await).0,
        0x8004_1008
    );
}
