//! Every change by anybody leaves an audit message. The test walks the schema, so that a new class or method is not
//! forgotten: what can be written or called is performed here, or stands in a table that says why not.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop where it is")]

mod scene;

use std::collections::BTreeSet;

use agent::{Event, Fact, Goal};
use cim::{Instance, ObjectPath, Value, wql};
use provider::{Caller, Context, Provider, Schema};
use site::{Actor, Role, Site};
use tempfile::TempDir;

/// Methods that neither write nor are marked as reading, and changes that need more than a provider.
const NOT_HERE: &[(&str, &str)] = &[
    ("SMS_Driver.CreateFromINF", "gives an object that is not stored"),
    ("SMS_Driver.CreateFromINFs", "gives objects that are not stored"),
    ("SMS_Driver.CreateFromOEM", "gives objects that are not stored"),
    ("SMS_DriverPackage.CheckSourceFolder", "looks only"),
    ("SMS_PackageToContent.IsContentValid", "looks only"),
    ("SMS_ContextMethods.GetContextHandle", "remembers what a caller says of itself, and changes no object"),
    ("SMS_ContextMethods.ClearContextHandle", "forgets what a caller said of itself"),
];

/// What the class refuses although it is not marked as read-only; the test asks each time.
const REFUSED: &[&str] = &[
    "Haulier_DistributionPoint create",
    "Haulier_DistributionPoint modify",
    "Haulier_Site create",
    "Haulier_Site modify",
    "Haulier_Token create",
    "Haulier_SecurityScope modify",
    "Haulier_Token modify",
    "SMS_SCI_SysResUse create",
    "SMS_SCI_SysResUse delete",
];

struct World {
    provider: Provider,
    site: Site,
    source: String,
    drivers: String,
    performed: BTreeSet<String>,
    _dir: TempDir,
}

async fn world() -> World {
    let dir = tempfile::tempdir().unwrap();
    let folder = |name: &str| {
        let folder = dir.path().join(name);
        std::fs::create_dir_all(&folder).unwrap();
        folder.to_str().unwrap().to_owned()
    };
    let (source, drivers) = (folder("source"), folder("drivers"));
    std::fs::write(dir.path().join("source/a.txt"), "a").unwrap();
    scene::driver(&dir.path().join("drivers"));
    let site = scene::site(dir.path(), &["dp1", "dp2"]).await;
    World {
        provider: Provider::new(site.clone()),
        site,
        source,
        drivers,
        performed: BTreeSet::new(),
        _dir: dir,
    }
}

fn nal(server: &str) -> String {
    format!(r#"["Display=\\{server}\"]MSWNET:["SMS_SITE=PS1"]\\{server}\"#)
}

fn caller() -> Caller {
    let context = [("ApplicationName", "Audit test"), ("MachineName", "ADMIN1")];
    let context = context.map(|(name, value)| (name.to_owned(), Value::text(value)));
    Caller::new(Actor::new("admin", Role::FullAdministrator), Context::from_values(context).unwrap())
}

fn text(value: &str) -> Value {
    Value::text(value)
}

fn texts(values: &[&str]) -> Value {
    Value::Array(values.iter().map(|value| Value::text(*value)).collect())
}

fn instance(class: &str, properties: &[(&str, Value)]) -> Instance {
    let mut instance = Instance::new(class);
    for (name, value) in properties {
        instance.properties.push(((*name).to_owned(), value.clone()));
    }
    instance
}

impl World {
    async fn join_child(&self, site_code: &str) {
        let admin = Actor::new("admin", Role::FullAdministrator);
        let request = agent::join::JoinRequest {
            token: self.site.create_site_token(&admin, site_code, None).await.unwrap().to_string(),
            site_code: site_code.to_owned(),
            site_name: "Branch".to_owned(),
            site_type: 1,
            server_name: "branch.example.test".to_owned(),
            csr_pem: None,
            signing_key: self.site.keys().await.unwrap().keys[0].key.clone(),
            agent_version: "0".to_owned(),
        };
        self.site.join_child(&request, &|_, _| Err("none is asked for".to_owned())).await.unwrap();
    }

    async fn count(&self, condition: &str) -> usize {
        let query = wql::parse(&format!("SELECT RecordID FROM SMS_StatMsg WHERE {condition}")).unwrap();
        self.provider.query(&caller(), query).await.unwrap().instances.len()
    }

    /// The newest audit message by the caller, with its program and machine; 0 for none.
    async fn audited(&self) -> i128 {
        let by = "Component = 'Audit test' AND MachineName = 'ADMIN1' AND MessageType = 768";
        let text = format!("SELECT RecordID FROM SMS_StatMsg WHERE {by} ORDER BY RecordID DESC");
        let found = self.provider.query(&caller(), wql::parse(&text).unwrap()).await.unwrap().instances;
        found.first().map_or(0, |message| message.get("RecordID").unwrap().as_integer().unwrap())
    }

    async fn note(&mut self, operation: String, before: i128) {
        assert!(self.audited().await > before, "{operation} left no audit message");
        self.performed.insert(operation);
    }

    async fn create(&mut self, class: &str, properties: &[(&str, Value)]) -> ObjectPath {
        let before = self.audited().await;
        let path = self.provider.create(&caller(), instance(class, properties)).await.unwrap();
        self.note(format!("{class} create"), before).await;
        path
    }

    async fn modify(&mut self, path: &ObjectPath, properties: &[(&str, Value)]) {
        let before = self.audited().await;
        let change = instance(&path.class, properties);
        self.provider.modify(&caller(), path, change).await.unwrap();
        self.note(format!("{} modify", path.class), before).await;
    }

    async fn delete(&mut self, path: &ObjectPath) {
        let before = self.audited().await;
        self.provider.delete(&caller(), path).await.unwrap();
        self.note(format!("{} delete", path.class), before).await;
    }

    async fn invoke(
        &mut self,
        path: &ObjectPath,
        method: &str,
        given: &[(&str, Value)],
    ) -> Vec<(String, Value)> {
        self.call(&path.class, Some(path), method, given).await
    }

    async fn call(
        &mut self,
        class: &str,
        path: Option<&ObjectPath>,
        method: &str,
        given: &[(&str, Value)],
    ) -> Vec<(String, Value)> {
        let before = self.audited().await;
        let given = given.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        let outcome = self.provider.invoke(&caller(), class, path, method, given).await;
        let outcome = outcome.unwrap_or_else(|error| panic!("{class}.{method}: {error}"));
        self.note(format!("{class}.{method}"), before).await;
        outcome.out
    }

    /// What the agent of a distribution point reports when it has the package.
    async fn install(&self, package_id: &str, server: &str) {
        let points = self.site.distribution_points().await.unwrap();
        let point = points.into_iter().find(|point| point.name == server).unwrap();
        let rows = self.site.desired(point.id, 0).await.unwrap().packages;
        let row = rows.into_iter().find(|row| row.package_id == package_id).unwrap();
        let Goal::Hold { version, .. } = row.goal else { panic!("{:?}", row.goal) };
        let event =
            Event::Installed { version, files: 1, bytes_total: 1, bytes_received: 1, files_verified: 1 };
        let at = self.site.clock().now().to_string();
        let fact = Fact { package_id: row.package_id, generation: row.generation, at, serial: None, event };
        self.site.record_facts(point.id, &[fact]).await.unwrap();
    }

    async fn get(&self, path: &ObjectPath, name: &str) -> Value {
        self.provider.get(&caller(), path).await.unwrap().get(name).unwrap().clone()
    }
}

/// What the schema lets clients change: creations, changes and deletions of writable classes, and methods.
fn changes() -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    for class in Schema::shipped().classes().filter(|class| !class.is_embedded() && !class.is_abstract()) {
        if class.is_queryable() && !class.is_read_only() {
            all.extend(["create", "modify", "delete"].map(|what| format!("{} {what}", class.name)));
        }
        for method in &class.methods {
            if !method.qualifiers.has("Reads") && !method.qualifiers.has("NotImplemented") {
                all.insert(format!("{}.{}", class.name, method.name));
            }
        }
    }
    all
}

#[tokio::test]
async fn every_change_leaves_an_audit_message() {
    let mut world = world().await;
    drivers(&mut world).await;
    packages(&mut world).await;
    plain_packages(&mut world).await;
    folders(&mut world).await;
    locks(&mut world).await;
    groups(&mut world).await;
    routes(&mut world).await;
    access(&mut world).await;
    status(&mut world).await;
    let mut missing: Vec<String> = Vec::new();
    for operation in changes() {
        let elsewhere = NOT_HERE.iter().any(|(name, _)| *name == operation);
        if REFUSED.contains(&operation.as_str()) {
            refused(&world, &operation).await;
        } else if !world.performed.contains(&operation) && !elsewhere {
            missing.push(operation);
        }
    }
    assert_eq!(missing, Vec::<String>::new(), "perform them here, or say in NOT_HERE why not");
}

/// The class answers "not supported", wherever it has an instance to ask about.
async fn refused(world: &World, operation: &str) {
    let (class, what) = operation.split_once(' ').unwrap();
    let found = wql::parse(&format!("SELECT * FROM {class}")).unwrap();
    let found = world.provider.query(&caller(), found).await.unwrap().instances.into_iter().next();
    let path = found.map(|found| world.provider.path(Schema::shipped().class(class).unwrap(), &found));
    let answer = match (what, path) {
        ("create", _) => world.provider.create(&caller(), Instance::new(class)).await.map(drop),
        ("modify", Some(path)) => world.provider.modify(&caller(), &path, Instance::new(class)).await,
        ("delete", Some(path)) => world.provider.delete(&caller(), &path).await,
        _ => return,
    };
    assert_eq!(answer.unwrap_err().hresult(), 0x8004_100C, "{operation}");
}

async fn drivers(world: &mut World) {
    let name = instance("SMS_Category_LocalizedProperties", &[("CategoryInstanceName", text("Net"))]);
    let names = Value::Array(vec![Value::Instance(Box::new(name))]);
    let unique = ("CategoryInstance_UniqueID", text("DriverCategories:1"));
    let category = world.create("SMS_CategoryInstance", &[unique, ("LocalizedInformation", names)]).await;
    let name = instance("SMS_Category_LocalizedProperties", &[("CategoryInstanceName", text("Wired"))]);
    let names = Value::Array(vec![Value::Instance(Box::new(name))]);
    world.modify(&category, &[("LocalizedInformation", names)]).await;
    world.delete(&category).await;

    let folder = world.drivers.clone();
    let given = [("DriverPath", text(&folder)), ("INFFile", text("net.inf"))];
    let given = given.map(|(name, value)| (name.to_owned(), value)).to_vec();
    let draft = world.provider.invoke(&caller(), "SMS_Driver", None, "CreateFromINF", given).await.unwrap();
    let Some((_, Value::Instance(draft))) = draft.out.into_iter().next() else { panic!("one driver") };
    let before = world.audited().await;
    let driver = world.provider.create(&caller(), *draft).await.unwrap();
    world.note("SMS_Driver create".to_owned(), before).await;
    world.modify(&driver, &[("IsEnabled", Value::Boolean(true))]).await;

    let source = [
        ("Name", text("P")),
        ("PkgSourceFlag", Value::Integer(2)),
        ("PkgSourcePath", text(&world.source.clone())),
    ];
    let package = world.create("SMS_DriverPackage", &source).await;
    world.site.run_due_snapshots().await.unwrap();
    let content = wql::parse("SELECT * FROM SMS_CIToContent").unwrap();
    let content = world.provider.query(&caller(), content).await.unwrap().instances;
    let ids = Value::Array(vec![content[0].get("ContentID").unwrap().clone()]);
    let no_refresh = ("bRefreshDPs", Value::Boolean(false));
    let add = [("ContentIDs", ids.clone()), ("ContentSourcePath", texts(&[&folder])), no_refresh.clone()];
    world.invoke(&package, "AddDriverContent", &add).await;
    let inside = std::fs::read_dir(&world.source).unwrap().map(|entry| entry.unwrap().path());
    inside.filter(|path| path.is_dir()).for_each(|lost| std::fs::remove_dir_all(lost).unwrap());
    world.invoke(&package, "RebuildPackage", &[]).await;
    world.invoke(&package, "RemoveDriverContent", &[("ContentIDs", ids), no_refresh]).await;
    world.delete(&driver).await;

    let import = world.call("Haulier_DriverImport", None, "Start", &[("Sources", texts(&[&folder]))]).await;
    let import = import.into_iter().find(|(name, _)| name == "ImportID").unwrap();
    let import = ObjectPath::new("Haulier_DriverImport", [import]);
    world.invoke(&import, "Cancel", &[]).await;
    let platform = wql::parse("SELECT * FROM SMS_SupportedPlatforms").unwrap();
    let platform = world.provider.query(&caller(), platform).await.unwrap().instances.remove(0);
    let class = Schema::shipped().class("SMS_SupportedPlatforms").unwrap();
    let platform = world.provider.path(class, &platform);
    world.invoke(&platform, "Enable", &[]).await;
}

async fn packages(world: &mut World) {
    let source = world.source.clone();
    let path = [("Name", text("Q")), ("PkgSourceFlag", Value::Integer(2)), ("PkgSourcePath", text(&source))];
    let package = world.create("SMS_DriverPackage", &path).await;
    world.site.run_due_snapshots().await.unwrap();
    let id = world.get(&package, "PackageID").await;
    world.modify(&package, &[("Description", text("d"))]).await;
    let places = [("SiteCode", texts(&["PS1"])), ("NALPath", texts(&[&nal("dp1")]))];
    world.invoke(&package, "AddDistributionPoints", &places).await;
    let keys = [("PackageID", id.clone()), ("ServerNALPath", text(&nal("dp2"))), ("SiteCode", text("PS1"))];
    let point = world.create("SMS_DistributionPoint", &keys).await;
    world.modify(&point, &[("RefreshNow", Value::Boolean(true))]).await;
    world.delete(&point).await;
    world.invoke(&package, "RefreshPkgSource", &[]).await;
    world.invoke(&package, "AddChangeNotification", &[]).await;
    world.join_child("S08").await;
    world.invoke(&package, "SetSourceSite", &[("SourceSite", text("S08"))]).await;
    world.invoke(&package, "Unlock", &[]).await;
    world.site.run_due_snapshots().await.unwrap();
    let first = [("PackageID", id.clone()), ("SourceVersion", Value::Integer(1))];
    let first = first.map(|(name, value)| (name.to_owned(), value));
    world.invoke(&ObjectPath::new("Haulier_PackageVersion", first), "Rollback", &[]).await;
    world.invoke(&package, "ValidateNewPackageSource", &[("PackageSource", text(&source))]).await;
    world.delete(&package).await;
    world.call("Haulier_ContentLibrary", None, "Collect", &[]).await;
    world.call("Haulier_ContentLibrary", None, "Verify", &[]).await;
}

async fn plain_packages(world: &mut World) {
    let source = world.source.clone();
    let path = [("Name", text("S")), ("PkgSourceFlag", Value::Integer(2)), ("PkgSourcePath", text(&source))];
    let package = world.create("SMS_Package", &path).await;
    world.site.run_due_snapshots().await.unwrap();
    let id = world.get(&package, "PackageID").await;
    world.modify(&package, &[("Description", text("d"))]).await;
    let places = [("SiteCode", texts(&["PS1"])), ("NALPath", texts(&[&nal("dp1")]))];
    world.invoke(&package, "AddDistributionPoints", &places).await;
    let place = [("PackageId", id.clone()), ("NALPath", text(&nal("dp1")))];
    world.call("SMS_DistributionPoint", None, "CancelDistribution", &place).await;
    world.invoke(&package, "RefreshPkgSource", &[]).await;
    world.site.run_due_snapshots().await.unwrap();
    world.install(id.as_str().unwrap(), "dp1").await;
    world.call("SMS_DistributionPoint", None, "VerifyPackage", &place).await;
    world.invoke(&package, "AddChangeNotification", &[]).await;
    world.join_child("S08").await;
    world.invoke(&package, "SetSourceSite", &[("SourceSite", text("S08"))]).await;
    world.invoke(&package, "Unlock", &[]).await;
    world.delete(&package).await;
}

async fn folders(world: &mut World) {
    const NODE: &str = "SMS_ObjectContainerNode";
    const ITEM: &str = "SMS_ObjectContainerItem";
    let package = world.create("SMS_Package", &[("Name", text("F"))]).await;
    let id = world.get(&package, "PackageID").await;
    let kind = ("ObjectType", Value::Integer(2));
    let node = world.create(NODE, &[("Name", text("A")), kind.clone()]).await;
    let other = world.create(NODE, &[("Name", text("B")), kind.clone()]).await;
    let first = world.get(&node, "ContainerNodeID").await;
    let second = world.get(&other, "ContainerNodeID").await;
    world.modify(&node, &[("Name", text("C"))]).await;
    let member = [("ContainerNodeID", first.clone()), ("InstanceKey", id.clone()), kind.clone()];
    let item = world.create(ITEM, &member).await;
    world.modify(&item, &[("ContainerNodeID", second.clone())]).await;
    let moved = [
        ("InstanceKeys", Value::Array(vec![id])),
        ("ContainerNodeID", second),
        ("TargetContainerNodeID", first),
        kind,
    ];
    world.call(ITEM, None, "MoveMembers", &moved).await;
    let item = wql::parse("SELECT * FROM SMS_ObjectContainerItem").unwrap();
    let item = world.provider.query(&caller(), item).await.unwrap().instances.remove(0);
    let key = ("MemberID".to_owned(), item.get("MemberID").unwrap().clone());
    world.delete(&ObjectPath::new(ITEM, [key])).await;
    world.delete(&node).await;
    world.delete(&package).await;
}

async fn locks(world: &mut World) {
    const LOCK: &str = "SMS_ObjectLock";
    let package = world.create("SMS_Package", &[("Name", text("L"))]).await;
    let one = package.relative();
    let many = texts(&[&one]);
    let id = |out: Vec<(String, Value)>| match out.into_iter().next() {
        Some((name, id)) if name == "RequestID" => id,
        Some((_, Value::Array(mut requests))) => match requests.remove(0) {
            Value::Instance(request) => request.get("RequestID").unwrap().clone(),
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    };
    for (request, given, end) in [
        ("RequestLock", ("ObjectRelPath", text(&one)), "ReleaseLock"),
        ("RequestLockAsync", ("ObjectRelPath", text(&one)), "CancelLockRequest"),
        ("RequestLocks", ("ObjectRelPaths", many.clone()), "ReleaseLocks"),
        ("RequestLocksAsync", ("ObjectRelPath", many.clone()), "CancelLockRequests"),
        ("RequestLock", ("ObjectRelPath", text(&one)), "ReleaseAllLocks"),
    ] {
        let request = id(world.call(LOCK, None, request, &[given]).await);
        let given = match end {
            "ReleaseLock" => vec![("ObjectRelPath", text(&one))],
            "ReleaseLocks" => vec![("ObjectRelPath", many.clone())],
            "CancelLockRequest" => vec![("RequestID", request)],
            "CancelLockRequests" => vec![("RequestIDs", Value::Array(vec![request]))],
            _ => Vec::new(),
        };
        world.call(LOCK, None, end, &given).await;
    }
    world.delete(&package).await;
}

async fn groups(world: &mut World) {
    const GROUP: &str = "SMS_DistributionPointGroup";
    let package = world.create("SMS_DriverPackage", &[("Name", text("G"))]).await;
    let id = world.get(&package, "PackageID").await;
    let ids = |id: &Value| Value::Array(vec![id.clone()]);
    let group = world.create(GROUP, &[("Name", text("All"))]).await;
    world.modify(&group, &[("Description", text("d"))]).await;
    world.invoke(&group, "AddDistributionPoints", &[("DPNALPath", texts(&[&nal("dp1")]))]).await;
    world.invoke(&group, "AddPackages", &[("PackageIDs", ids(&id))]).await;
    world.invoke(&group, "ReDistributePackage", &[("PackageID", id.clone())]).await;
    world.invoke(&group, "RefreshDPGroup", &[]).await;
    world.invoke(&group, "RemovePackages", &[("PackageIDs", ids(&id))]).await;
    world.invoke(&group, "RemoveDistributionPoints", &[("DPNALPath", texts(&[&nal("dp1")]))]).await;
    world.delete(&group).await;
}

async fn routes(world: &mut World) {
    let to =
        [("Destination", text("dp1")), ("DestinationType", Value::Integer(1)), ("Rate", text("8000000"))];
    let route = world.create("Haulier_Route", &to).await;
    world.modify(&route, &[("TimeZone", text("Europe/Berlin"))]).await;
    world.delete(&route).await;
    let address = world.create("SMS_SCI_Address", &[("DesSiteCode", text("S01"))]).await;
    world.modify(&address, &[("UnlimitedRateForAll", Value::Boolean(false))]).await;
    world.delete(&address).await;
}

async fn access(world: &mut World) {
    let user = [
        ("Name", text("u")),
        ("Password", text("correct horse battery")),
        ("Role", text("author")),
        ("AllScopes", Value::Boolean(true)),
    ];
    let user = world.create("Haulier_User", &user).await;
    world.modify(&user, &[("Role", text("reader"))]).await;
    let made =
        world.call("Haulier_Token", None, "Create", &[("UserName", text("u")), ("Label", text("l"))]).await;
    let key = made.into_iter().find(|(name, _)| name == "TokenID").unwrap();
    world
        .call("Haulier_Token", None, "Create", &[("Label", text("stays")), ("UserName", text("admin"))])
        .await;
    world.delete(&ObjectPath::new("Haulier_Token", [key])).await;
    world.invoke(&user, "Unlock", &[]).await;
    world.call("Haulier_User", None, "UnlockAddress", &[("Address", text("192.0.2.1"))]).await;
    let passwords = [("Present", text("correct horse battery")), ("New", text("another horse battery"))];
    world.call("Haulier_User", None, "ChangeOwnPassword", &passwords).await;
    world.delete(&user).await;

    const SCOPE: &str = "Haulier_SecurityScope";
    let package = world.create("SMS_DriverPackage", &[("Name", text("scoped"))]).await;
    let id = world.get(&package, "PackageID").await;
    let scope = world.create(SCOPE, &[("Name", text("West"))]).await;
    let objects = [
        ("ScopeName", text("West")),
        ("ObjectTypeID", Value::Integer(23)),
        ("ObjectKeys", Value::Array(vec![id])),
    ];
    world.call(SCOPE, None, "Assign", &objects).await;
    let default = [("ScopeName", text("Default")), objects[1].clone(), objects[2].clone()];
    world.call(SCOPE, None, "Unassign", &default).await;
    world.call(SCOPE, None, "Assign", &default).await;
    world.call(SCOPE, None, "Unassign", &objects).await;
    world.delete(&scope).await;
    points(world).await;
    let point = ObjectPath::new("Haulier_DistributionPoint", [("NALPath".to_owned(), text(&nal("dp2")))]);
    world.invoke(&point, "Revoke", &[]).await;
    world.delete(&point).await;
    world.join_child("S09").await;
    let child = ObjectPath::new("Haulier_Site", [("SiteCode".to_owned(), text("S09"))]);
    world.invoke(&child, "Revoke", &[]).await;
    world.delete(&child).await;
}

async fn points(world: &mut World) {
    let mode = [("NALPath", text(&nal("dp1"))), ("Mode", Value::Integer(1))];
    world.call("SMS_DistributionPointInfo", None, "SetDPMaintenanceMode", &mode).await;
    let keys = [
        ("FileType", Value::Integer(2)),
        ("ItemName", text(&format!("{},SMS Distribution Point", nal("dp1")))),
        ("ItemType", text("System Resource Usage")),
        ("SiteCode", text("PS1")),
    ];
    let role = ObjectPath::new("SMS_SCI_SysResUse", keys.map(|(name, value)| (name.to_owned(), value)));
    let mut enabled = Instance::new("SMS_EmbeddedProperty");
    enabled.set("PropertyName", "DPMonEnabled");
    enabled.set("Value", 1);
    let props = Value::Array(vec![Value::Instance(Box::new(enabled))]);
    world.modify(&role, &[("Props", props)]).await;
}

async fn status(world: &mut World) {
    const CLASS: &str = "SMS_StatusMessage";
    let kind = ("MessageType", Value::Integer(256));
    for method in ["RaiseInformationalStatusMsg", "RaiseWarningStatusMsg", "RaiseErrorStatusMsg"] {
        // The message says of itself who wrote it; it is no audit message.
        let given = [("MessageText", text("It is done.")), kind.clone()];
        let given = given.map(|(name, value)| (name.to_owned(), value)).to_vec();
        world.provider.invoke(&caller(), CLASS, None, method, given).await.unwrap();
        world.performed.insert(format!("{CLASS}.{method}"));
    }
    assert_eq!(world.count("MessageID IN (39997, 39998, 39999)").await, 3);
    // A raw message cannot be an audit message; it says who wrote it all the same.
    let raw = [
        ("ModuleName", text("Tool")),
        ("MessageType", Value::Integer(256)),
        ("MessageID", Value::Integer(7)),
    ];
    let raw = raw.map(|(name, value)| (name.to_owned(), value)).to_vec();
    world.provider.invoke(&caller(), CLASS, None, "RaiseRawStatusMsg", raw.clone()).await.unwrap();
    assert_eq!(world.count("MessageID = 7 AND Component = 'Audit test' AND ModuleName = 'Tool'").await, 1);
    world.performed.insert(format!("{CLASS}.RaiseRawStatusMsg"));
    let forged = raw
        .into_iter()
        .map(|(name, value)| if name == "MessageType" { (name, Value::Integer(768)) } else { (name, value) });
    world.provider.invoke(&caller(), CLASS, None, "RaiseRawStatusMsg", forged.collect()).await.unwrap_err();

    let query = "SELECT * FROM SMS_StatusMessage WHERE MessageID = 7 OR MessageID = 39999";
    world.call(CLASS, None, "DeleteByQuery", &[("Query", text(query))]).await;
    assert_eq!(world.count("MessageID = 7 OR MessageID = 39999").await, 0);
    let first = wql::parse("SELECT * FROM SMS_StatMsg WHERE MessageID = 39998").unwrap();
    let first = world.provider.query(&caller(), first).await.unwrap().instances.remove(0);
    let ids = Value::Array(vec![first.get("RecordID").unwrap().clone()]);
    world.call(CLASS, None, "DeleteByID", &[("RecordIDs", ids)]).await;
    assert_eq!(world.count("MessageID = 39998").await, 0);
}

#[tokio::test]
async fn messages_are_raised_and_deleted_only_as_the_methods_allow() {
    let world = world().await;
    let check = async |caller: &Caller, method: &str, given: &[(&str, Value)], expect: u32| {
        let given = given.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        let refused =
            world.provider.invoke(caller, "SMS_StatusMessage", None, method, given).await.unwrap_err();
        assert_eq!(refused.hresult(), expect, "{method}: {refused}");
    };
    let message = [("MessageText", text("x")), ("MessageType", Value::Integer(256))];
    let nobody = Caller::from(Actor::local());
    check(&nobody, "RaiseErrorStatusMsg", &message, 0x8004_1008).await;
    let named = [("ApplicationName".to_owned(), text("Tool"))];
    let half = Caller::new(Actor::local(), Context::from_values(named).unwrap());
    check(&half, "RaiseErrorStatusMsg", &message, 0x8004_1008).await;
    let mut reader = caller();
    reader.actor.role = Role::Reader;
    check(&reader, "RaiseErrorStatusMsg", &message, 0x8004_1003).await;
    let attributes =
        [message[0].clone(), message[1].clone(), ("AttrIDs", Value::Array(vec![Value::Integer(400)]))];
    check(&caller(), "RaiseErrorStatusMsg", &attributes, 0x8004_102F).await;
    for method in ["RaiseInformationalStatusMsg", "RaiseWarningStatusMsg", "RaiseErrorStatusMsg"] {
        for kind in [5, 768] {
            let kind = [message[0].clone(), ("MessageType", Value::Integer(kind))];
            check(&caller(), method, &kind, 0x8004_103C).await;
        }
    }
    let many = Value::Array((0..257).map(Value::Integer).collect());
    check(&caller(), "DeleteByID", &[("RecordIDs", many)], 0x8004_103C).await;
    check(&reader, "DeleteByID", &[("RecordIDs", Value::Array(vec![Value::Integer(1)]))], 0x8004_1003).await;
    // The role is asked before anything is made of the query.
    check(&reader, "DeleteByQuery", &[("Query", text("what?"))], 0x8004_1003).await;
    for query in [
        "SELECT * FROM SMS_DriverPackage",
        "DELETE FROM SMS_StatusMessage",
        "SELECT * FROM SMS_StatMsgInsStrings",
        "SELECT * FROM SMS_StatusMessage WHERE RecordID IN (SELECT RecordID FROM SMS_StatAttr)",
        "SELECT * FROM SMS_StatusMessage WHERE MessageID = 1 OR NOT (EXISTS (SELECT * FROM SMS_Driver a, SMS_Driver b))",
        "SELECT m.* FROM SMS_StatusMessage m JOIN SMS_StatAttr a ON a.RecordID = m.RecordID",
    ] {
        check(&caller(), "DeleteByQuery", &[("Query", text(query))], 0x8004_1017).await;
    }
}
