//! Who may do what: every operation of every class, for every role, and for somebody whose security scopes do not hold
//! the object. The schema is walked, so a new class or method is not forgotten.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop where it is")]

mod scene;

use std::sync::Arc;
use std::time::Duration;

use cim::class::{Method, Property};
use cim::query::Query;
use cim::{Instance, ObjectPath, Value};
use provider::{Caller, ClassInfo, Provider, ProviderError, Schema};
use site::{Actor, NewPackage, Role, Scopes, SecuredType, Site};
use tempfile::TempDir;

/// WBEM_E_ACCESS_DENIED, WBEM_E_NOT_SUPPORTED, WBEM_E_METHOD_NOT_IMPLEMENTED, WBEM_E_NOT_FOUND.
const DENIED: u32 = 0x8004_1003;
const NOT_SUPPORTED: u32 = 0x8004_100C;
const NOT_IMPLEMENTED: u32 = 0x8004_1055;
const NOT_FOUND: u32 = 0x8004_1002;

const EVERYBODY: &str = "AOUR";

/// Class, operation and who may: `A`dministrator, `O`perator, a`U`thor, `R`eader. What only reads (`Reads` in MOF) is for
/// everybody, what a class refuses to all needs no line.
const MAY: &[(&str, &str, &str)] = &[
    ("Haulier_ContentLibrary", "Collect", "A"),
    ("Haulier_ContentLibrary", "Verify", "A"),
    ("Haulier_DistributionPoint", "Revoke", "A"),
    ("Haulier_DistributionPoint", "delete", "A"),
    ("Haulier_DriverImport", "Cancel", "AU"),
    ("Haulier_DriverImport", "Start", "AU"),
    ("Haulier_PackageVersion", "Rollback", "AOU"),
    ("Haulier_Route", "create", "A"),
    ("Haulier_Route", "delete", "A"),
    ("Haulier_Route", "modify", "A"),
    ("Haulier_SecurityScope", "Assign", "A"),
    ("Haulier_SecurityScope", "Unassign", "A"),
    ("Haulier_SecurityScope", "create", "A"),
    ("Haulier_SecurityScope", "delete", "A"),
    ("Haulier_Site", "Revoke", "A"),
    ("Haulier_Site", "delete", "A"),
    // One's own.
    ("Haulier_Token", "Create", EVERYBODY),
    ("Haulier_Token", "delete", EVERYBODY),
    // With the present password, which is wrong here: denied to everybody in the same way.
    ("Haulier_User", "ChangeOwnPassword", ""),
    ("Haulier_User", "Unlock", "A"),
    ("Haulier_User", "UnlockAddress", "A"),
    ("Haulier_User", "create", "A"),
    ("Haulier_User", "delete", "A"),
    ("Haulier_User", "modify", "A"),
    ("SMS_CategoryInstance", "create", "AU"),
    ("SMS_CategoryInstance", "delete", "AU"),
    ("SMS_CategoryInstance", "modify", "AU"),
    ("SMS_DistributionPoint", "CancelDistribution", "AO"),
    ("SMS_DistributionPoint", "VerifyPackage", "AO"),
    ("SMS_DistributionPoint", "create", "AO"),
    ("SMS_DistributionPoint", "delete", "AO"),
    ("SMS_DistributionPoint", "modify", "AO"),
    ("SMS_DistributionPointInfo", "SetDPMaintenanceMode", "A"),
    ("SMS_SCI_SysResUse", "modify", "A"),
    ("SMS_DistributionPointGroup", "AddDistributionPoints", "A"),
    ("SMS_DistributionPointGroup", "AddPackages", "AO"),
    ("SMS_DistributionPointGroup", "ReDistributePackage", "AO"),
    ("SMS_DistributionPointGroup", "RefreshDPGroup", "AO"),
    ("SMS_DistributionPointGroup", "RemoveDistributionPoints", "A"),
    ("SMS_DistributionPointGroup", "RemovePackages", "AO"),
    ("SMS_DistributionPointGroup", "create", "A"),
    ("SMS_DistributionPointGroup", "delete", "A"),
    ("SMS_DistributionPointGroup", "modify", "A"),
    ("SMS_Driver", "CreateFromINF", "AU"),
    ("SMS_Driver", "CreateFromINFs", "AU"),
    ("SMS_Driver", "CreateFromOEM", "AU"),
    ("SMS_Driver", "create", "AU"),
    ("SMS_Driver", "delete", "AU"),
    ("SMS_Driver", "modify", "AU"),
    ("SMS_DriverPackage", "AddChangeNotification", "AOU"),
    ("SMS_DriverPackage", "AddDistributionPoints", "AO"),
    ("SMS_DriverPackage", "AddDriverContent", "AU"),
    ("SMS_DriverPackage", "CheckSourceFolder", "AU"),
    ("SMS_DriverPackage", "RebuildPackage", "AU"),
    ("SMS_DriverPackage", "RefreshPkgSource", "AOU"),
    ("SMS_DriverPackage", "RemoveDriverContent", "AU"),
    ("SMS_DriverPackage", "SetSourceSite", "AU"),
    ("SMS_DriverPackage", "Unlock", "AU"),
    ("SMS_DriverPackage", "ValidateNewPackageSource", "AU"),
    ("SMS_DriverPackage", "create", "AU"),
    ("SMS_DriverPackage", "delete", "AU"),
    ("SMS_DriverPackage", "modify", "AU"),
    ("SMS_ObjectContainerItem", "MoveMembers", "AU"),
    ("SMS_ObjectContainerItem", "create", "AU"),
    ("SMS_ObjectContainerItem", "delete", "AU"),
    ("SMS_ObjectContainerItem", "modify", "AU"),
    ("SMS_ObjectContainerNode", "create", "AU"),
    ("SMS_ObjectContainerNode", "delete", "AU"),
    ("SMS_ObjectContainerNode", "modify", "AU"),
    // One's own requests and locks.
    ("SMS_ContextMethods", "ClearContextHandle", EVERYBODY),
    ("SMS_ContextMethods", "GetContextHandle", EVERYBODY),
    ("SMS_ObjectLock", "CancelLockRequest", EVERYBODY),
    ("SMS_ObjectLock", "CancelLockRequests", EVERYBODY),
    ("SMS_ObjectLock", "ReleaseAllLocks", EVERYBODY),
    ("SMS_ObjectLock", "ReleaseLock", EVERYBODY),
    ("SMS_ObjectLock", "ReleaseLocks", EVERYBODY),
    ("SMS_ObjectLock", "RequestLock", "AU"),
    ("SMS_ObjectLock", "RequestLockAsync", "AU"),
    ("SMS_ObjectLock", "RequestLocks", "AU"),
    ("SMS_ObjectLock", "RequestLocksAsync", "AU"),
    ("SMS_Package", "AddChangeNotification", "AOU"),
    ("SMS_Package", "AddDistributionPoints", "AO"),
    ("SMS_Package", "RefreshPkgSource", "AOU"),
    ("SMS_Package", "SetSourceSite", "AU"),
    ("SMS_Package", "Unlock", "AU"),
    ("SMS_Package", "create", "AU"),
    ("SMS_Package", "delete", "AU"),
    ("SMS_Package", "modify", "AU"),
    ("SMS_SCI_Address", "create", "A"),
    ("SMS_SCI_Address", "delete", "A"),
    ("SMS_SCI_Address", "modify", "A"),
    ("SMS_StatusMessage", "DeleteByID", "A"),
    ("SMS_StatusMessage", "DeleteByQuery", "A"),
    ("SMS_StatusMessage", "RaiseErrorStatusMsg", "AOU"),
    ("SMS_StatusMessage", "RaiseInformationalStatusMsg", "AOU"),
    ("SMS_StatusMessage", "RaiseRawStatusMsg", "AOU"),
    ("SMS_StatusMessage", "RaiseWarningStatusMsg", "AOU"),
    ("SMS_SupportedPlatforms", "Enable", "AU"),
];

/// What a new instance needs besides what its class says.
const NEEDED: [&str; 8] = [
    "AllScopes",
    "ContentSourcePath",
    "LocalizedInformation",
    "Name",
    "ObjectType",
    "Password",
    "Role",
    "SDMPackageXML",
];

struct World {
    site: Site,
    provider: Provider,
    package: String,
    nal: String,
    folder: String,
    _dir: TempDir,
}

const INF: &str = "[Version]\r\nSignature=\"$WINDOWS NT$\"\r\nClass=Net\r\nClassGuid={4d36e972-e325-11ce-bfc1-08002be10318}\r\n\
    Provider=%V%\r\nDriverVer=03/04/2025,1.2.3.4\r\n[Manufacturer]\r\n%V%=Models,NTamd64.10.0\r\n[Models.NTamd64.10.0]\r\n\
    %D%=Install,PCI\\VEN_1\r\n[Install]\r\nCopyFiles=Files\r\n[Files]\r\nnic.sys\r\n[DestinationDirs]\r\nFiles=12\r\n\
    [SourceDisksNames]\r\n1=Disk\r\n[SourceDisksFiles]\r\nnic.sys=1\r\n[Strings]\r\nV=\"Norvik\"\r\nD=\"NIC\"\r\n";

/// A site with at least one instance of every class that can be changed.
async fn world() -> World {
    let dir = tempfile::tempdir().unwrap();
    let source = |name: &str| {
        let source = dir.path().join(name);
        std::fs::create_dir_all(&source).unwrap();
        std::fs::write(source.join("nic.inf"), INF.replace("VEN_1", &format!("VEN_{name}"))).unwrap();
        std::fs::write(source.join("nic.sys"), name).unwrap();
        source.to_str().unwrap().to_owned()
    };
    let site = scene::site(dir.path(), &[]).await;
    let local = Actor::local();
    site.create_dp_token(&local, "dp1", None).await.unwrap();
    let nal = site.distribution_points().await.unwrap().remove(0).nal_path;
    let new = NewPackage {
        name: "P".to_owned(),
        pkg_source_flag: 2,
        pkg_source_path: source("source"),
        ..NewPackage::default()
    };
    let package = site.create_package(&local, new).await.unwrap().package_id;
    site.run_due_snapshots().await.unwrap();
    let dps = [("PS1".to_owned(), nal.clone())];
    site.add_distribution_points(&local, &package, &dps).await.unwrap();
    let name = site::LocalizedName { name: "Net".to_owned(), locale_id: 1033 };
    let category = site::NewCategory { localized: vec![name], ..site::NewCategory::default() };
    site.create_category(&local, category).await.unwrap();
    let path = site::ImportSource::Path(source("1"));
    let import = site::ImportRequest { sources: vec![path], ..site::ImportRequest::default() };
    site.start_import(&local, import).await.unwrap();
    site.run_due_imports().await.unwrap();
    let driver = site.driver(16_777_217).await.unwrap();
    site.add_driver_content(&local, &package, &[driver.content_id], &[], false).await.unwrap();
    let group = site::NewDpGroup { name: "G".to_owned(), description: String::new() };
    let group = site.create_dp_group(&local, group).await.unwrap().group_id;
    site.add_dp_group_members(&local, &group, std::slice::from_ref(&nal), false).await.unwrap();
    site.add_dp_group_packages(&local, &group, std::slice::from_ref(&package)).await.unwrap();
    let data = site::PackageData::default();
    let plain = NewPackage { name: "Q".to_owned(), ..NewPackage::default() };
    site.create_package_of(&local, site::PackageType::Regular, plain, data, &[]).await.unwrap();
    let console_folder = site::NewFolder {
        name: "F".to_owned(),
        object_type: 23,
        parent_id: 0,
        folder_flags: 0,
        search_folder: false,
        search_string: String::new(),
    };
    let console_folder = site.create_folder(&local, console_folder).await.unwrap().folder_id;
    site.move_members(&local, 23, std::slice::from_ref(&package), 0, console_folder).await.unwrap();
    let route = site::RouteTarget::DistributionPoint("dp1".to_owned());
    site.set_route(&local, &route, &site::RouteSettings::default()).await.unwrap();
    site.create_security_scope(&local, "Lab", "").await.unwrap();
    for role in Role::ALL {
        site.create_user(&local, role.name(), "correct horse battery", role).await.unwrap();
        site.create_token(&local, role.name(), "own", Duration::from_secs(3600)).await.unwrap();
    }
    let folder = source("2");
    World { provider: Provider::new(site.clone()), site, package, nal, folder, _dir: dir }
}

/// One thing that can be done.
#[derive(Clone)]
enum Operation {
    Create,
    Modify,
    Delete,
    Call(Arc<Method>),
}

impl Operation {
    fn name(&self) -> &str {
        match self {
            Self::Create => "create",
            Self::Modify => "modify",
            Self::Delete => "delete",
            Self::Call(method) => &method.name,
        }
    }

    /// Those of a class that its schema has, the harmless first.
    fn all(class: &ClassInfo) -> Vec<Self> {
        let calls = class.methods.iter().map(|method| Self::Call(Arc::new(method.clone())));
        let changes = [Self::Modify, Self::Create, Self::Delete];
        let changes = changes.into_iter().filter(|_| class.is_queryable() && !class.is_read_only());
        calls.chain(changes).collect()
    }

    fn is_static(&self) -> bool {
        match self {
            Self::Create => true,
            Self::Modify | Self::Delete => false,
            Self::Call(method) => method.qualifiers.has("static"),
        }
    }
}

fn classes() -> Vec<&'static ClassInfo> {
    let can = |class: &&ClassInfo| (class.is_queryable() && !class.is_abstract()) || class.is_static();
    Schema::shipped().classes().filter(can).collect()
}

impl World {
    /// Any instance of a class that exists for the caller.
    async fn any(&self, caller: &Caller, class: &ClassInfo) -> Option<ObjectPath> {
        let found = self.provider.query(caller, Query::all(&class.name)).await.ok()?.instances;
        let key = |instance: &Instance, key: &Property| {
            (key.name.clone(), instance.get(&key.name).cloned().unwrap_or(Value::Null))
        };
        let path = |instance: &Instance| {
            ObjectPath::new(&class.name, class.keys().into_iter().map(|one| key(instance, one)))
        };
        // Not the user who is needed in the next line.
        found.last().map(path)
    }

    /// What is given for a parameter or a property of this name.
    fn text(&self, name: &str) -> String {
        match name {
            "PackageID" | "PackageId" | "PackageIDs" => self.package.clone(),
            "NALPath" | "ServerNALPath" | "DPNALPath" => self.nal.clone(),
            "Query" | "QueryString" => "SELECT * FROM SMS_StatusMessage WHERE RecordID = 0".to_owned(),
            "SiteCode" | "SourceSite" => "PS1".to_owned(),
            "DriverPath" | "PkgSourcePath" | "SourcePath" | "Sources" | "Path" | "ContentSourcePath" => {
                self.folder.clone()
            }
            "INFFile" | "INFFiles" => "nic.inf".to_owned(),
            "Duplicates" => "skip".to_owned(),
            "Role" => "reader".to_owned(),
            "Password" | "New" => "another horse".to_owned(),
            "ScopeName" | "ScopeNames" => "Lab".to_owned(),
            "ObjectKeys" | "InstanceKey" | "InstanceKeys" => self.package.clone(),
            "ObjectRelPath" | "ObjectRelPaths" => {
                format!("SMS_DriverPackage.PackageID=\"{}\"", self.package)
            }
            "Address" => "192.0.2.1".to_owned(),
            "UserName" => String::new(),
            other => other.to_owned(),
        }
    }

    fn value(&self, name: &str, kind: &cim::CimType, array: bool) -> Value {
        let one = match kind {
            cim::CimType::String => Value::String(self.text(name)),
            cim::CimType::Boolean => Value::Boolean(true),
            cim::CimType::DateTime => Value::text("20260101000000.000000+000"),
            cim::CimType::Embedded(class) => Value::Instance(Box::new(self.embedded(class))),
            _ => match name {
                "ObjectTypeID" => Value::Integer(2),
                "ObjectType" => Value::Integer(23),
                "MessageType" => Value::Integer(256),
                _ => Value::Integer(1),
            },
        };
        if array { Value::Array(vec![one]) } else { one }
    }

    fn embedded(&self, class: &str) -> Instance {
        let mut object = Instance::new(class);
        let known = Schema::shipped().class(class).unwrap();
        for property in known.properties.iter().filter(|property| property.default.is_null()) {
            if matches!(property.kind, cim::CimType::String) {
                object.set(&property.name, self.value(&property.name, &property.kind, property.array));
            }
        }
        object
    }

    fn parameters(&self, class: &str, method: &Method) -> Vec<(String, Value)> {
        let needed = |one: &&cim::class::Parameter| {
            one.goes_in()
                && (!one.qualifiers.has("optional")
                    || (class, one.name.as_str()) == ("Haulier_DriverImport", "Sources"))
        };
        let given = method.parameters.iter().filter(needed);
        given.map(|one| (one.name.clone(), self.value(&one.name, &one.kind, one.array))).collect()
    }

    /// An instance that could be put, as far as its keys go.
    fn new_instance(&self, class: &ClassInfo) -> Instance {
        let mut new = Instance::new(&class.name);
        let writable = |property: &&Property| !property.qualifiers.has("read");
        let needed = |property: &&Property| {
            property.qualifiers.has("not_null")
                || property.qualifiers.has("key")
                || NEEDED.contains(&property.name.as_str())
        };
        for property in class.properties.iter().filter(writable).filter(needed) {
            if property.default.is_null() || property.default == Value::text("") {
                let value = self.value(&property.name, &property.kind, property.array);
                new.set(&property.name, value);
            }
        }
        new
    }

    fn change(&self, class: &ClassInfo) -> Instance {
        let mut change = Instance::new(&class.name);
        let (name, value) = match class.name.as_str() {
            "SMS_Driver" => ("IsHidden", Value::Boolean(true)),
            "SMS_DistributionPoint" => ("RefreshNow", Value::Boolean(true)),
            "Haulier_User" => ("Role", Value::text("operator")),
            "SMS_CategoryInstance" => {
                let mut names = self.embedded("SMS_Category_LocalizedProperties");
                names.set("CategoryInstanceName", "Other");
                ("LocalizedInformation", Value::Array(vec![Value::Instance(Box::new(names))]))
            }
            _ if class.property("Description").is_some() => ("Description", Value::text("changed")),
            _ => {
                let open = |property: &&Property| {
                    !property.qualifiers.has("read") && !property.qualifiers.has("key") && !property.array
                };
                match class.properties.iter().find(open) {
                    Some(any) => (any.name.as_str(), self.value(&any.name, &any.kind, false)),
                    None => return change,
                }
            }
        };
        change.set(name, value);
        change
    }

    /// The HRESULT and the text of the answer; 0 for success.
    async fn attempt(
        &self,
        caller: &Caller,
        class: &ClassInfo,
        operation: &Operation,
        path: Option<&ObjectPath>,
    ) -> (u32, String) {
        let answer: Result<(), ProviderError> = match operation {
            Operation::Create => self.provider.create(caller, self.new_instance(class)).await.map(drop),
            Operation::Modify => self.provider.modify(caller, path.unwrap(), self.change(class)).await,
            Operation::Delete => self.provider.delete(caller, path.unwrap()).await,
            Operation::Call(method) => {
                let given = self.parameters(&class.name, method);
                self.provider.invoke(caller, &class.name, path, &method.name, given).await.map(drop)
            }
        };
        match answer {
            Ok(()) => (0, String::new()),
            Err(error) => (error.hresult(), error.to_string()),
        }
    }
}

fn may(class: &ClassInfo, operation: &Operation) -> Option<&'static str> {
    if let Operation::Call(method) = operation {
        if method.qualifiers.has("reads") {
            return Some(EVERYBODY);
        }
        if class.name == "SMS_Identification" || method.name == "IsContentValid" {
            return Some(EVERYBODY);
        }
    }
    let line = MAY.iter().find(|(name, what, _)| *name == class.name && *what == operation.name());
    line.map(|(_, _, who)| *who)
}

/// Somebody with a program and a machine, which writing status messages takes.
fn caller(actor: Actor) -> Caller {
    let named = ["ApplicationName", "MachineName"].map(|name| (name.to_owned(), Value::text("test")));
    Caller::new(actor, provider::Context::from_values(named).unwrap())
}

fn letter(role: Role) -> char {
    match role {
        Role::FullAdministrator => 'A',
        Role::Operator => 'O',
        Role::Author => 'U',
        Role::Reader => 'R',
    }
}

#[tokio::test]
async fn every_operation_is_for_the_roles_of_the_table() {
    for role in [Role::Reader, Role::Operator, Role::Author, Role::FullAdministrator] {
        let world = world().await;
        let caller = caller(Actor::new(role.name(), role));
        // What deletes comes last.
        let deletes = |operation: &Operation| matches!(operation, Operation::Delete);
        let all = |last: bool| {
            let of = move |class| Operation::all(class).into_iter().filter(move |one| deletes(one) == last);
            classes().into_iter().flat_map(move |class| of(class).map(move |operation| (class, operation)))
        };
        for (class, operation) in all(false).chain(all(true)) {
            {
                let what = format!("{} {} by {role}", class.name, operation.name());
                let path = if operation.is_static() { None } else { world.any(&caller, class).await };
                if path.is_none() && !operation.is_static() {
                    // Classes without instances yet, and what went with another object.
                    let gone = deletes(&operation) || may(class, &operation).is_none();
                    assert!(gone, "{what}: there is no instance");
                    continue;
                }
                let (code, text) = world.attempt(&caller, class, &operation, path.as_ref()).await;
                match may(class, &operation) {
                    _ if [NOT_SUPPORTED, NOT_IMPLEMENTED].contains(&code) => {}
                    Some(who) => assert_eq!(code != DENIED, who.contains(letter(role)), "{what}: {text}"),
                    None => panic!("{what} is in no line of the table; it answered {code:X} {text}"),
                }
            }
        }
        world.site.close().await;
    }
}

#[tokio::test]
async fn the_table_speaks_of_what_there_is() {
    for (class, operation, _) in MAY {
        let known = classes().into_iter().find(|known| known.name == *class);
        let known = known.map(|class| Operation::all(class).iter().any(|one| one.name() == *operation));
        assert_eq!(known, Some(true), "{class} {operation}");
    }
}

#[tokio::test]
async fn what_is_outside_of_the_scopes_answers_like_what_is_missing() {
    let world = world().await;
    let local = Caller::from(Actor::local());
    let outside =
        Actor { scopes: Scopes::Only(vec![2]), ..Actor::new("administrator", Role::FullAdministrator) };
    let outside = Caller::from(outside);
    let mut looked_at = 0;
    for class in classes() {
        let secured = ["PackageID", "PkgID", "CI_ID", "ImportID", "GroupID", "MemberID"];
        let is_secured = |key: &&Property| secured.contains(&key.name.as_str());
        if !class.is_association() && !class.keys().iter().any(is_secured) {
            continue;
        }
        let Some(hidden) = world.any(&local, class).await else { continue };
        let listed = world.provider.query(&outside, Query::all(&class.name)).await.unwrap();
        assert!(listed.instances.is_empty(), "{}", class.name);
        let count = Query { count: true, ..Query::all(&class.name) };
        assert_eq!(world.provider.query(&outside, count).await.unwrap().count, Some(0), "{}", class.name);
        let mut missing = hidden.clone();
        for (name, value) in &mut missing.keys {
            match name.as_str() {
                _ if class.is_association() => {
                    let Value::Reference(end) = value else { panic!("{name}") };
                    for (key, value) in &mut end.keys {
                        match key.as_str() {
                            "PackageID" => *value = Value::text("PS1FFFFF"),
                            "CI_ID" => *value = Value::Integer(33_554_432),
                            _ => {}
                        }
                    }
                }
                "PackageID" | "PkgID" => *value = Value::text("PS1FFFFF"),
                "CI_ID" | "ImportID" | "MemberID" => *value = Value::Integer(33_554_432),
                "GroupID" => *value = Value::text("{00000000-0000-0000-0000-000000000000}"),
                _ => {}
            }
        }
        let shown = |path: &ObjectPath, text: String| text.replace(&path.relative(), "IT");
        let got = async |path: &ObjectPath| {
            let error = world.provider.get(&outside, path).await.unwrap_err();
            (error.hresult(), shown(path, error.to_string()))
        };
        assert_eq!(got(&hidden).await, got(&missing).await, "{}", class.name);
        for operation in Operation::all(class).iter().filter(|operation| !operation.is_static()) {
            let answer = async |path: &ObjectPath| {
                let (code, text) = world.attempt(&outside, class, operation, Some(path)).await;
                (code, shown(path, text))
            };
            let (code, text) = answer(&hidden).await;
            let what = format!("{} {}: {text}", class.name, operation.name());
            assert!([NOT_FOUND, NOT_SUPPORTED, NOT_IMPLEMENTED].contains(&code), "{what}");
            assert_eq!((code, text), answer(&missing).await, "{what}");
            looked_at += 1;
        }
    }
    assert!(looked_at > 15, "{looked_at}");
    // Static methods that name a package.
    let verify = async |package: &str| {
        let given = vec![
            ("PackageId".to_owned(), Value::text(package)),
            ("NALPath".to_owned(), Value::text(&world.nal)),
        ];
        let answer =
            world.provider.invoke(&outside, "SMS_DistributionPoint", None, "VerifyPackage", given).await;
        let error = answer.unwrap_err();
        (error.hresult(), error.to_string().replace(package, "IT"))
    };
    assert_eq!(verify(&world.package).await, verify("PS1FFFFF").await);
    // And they are there again for whoever has the scope.
    let objects = [(SecuredType::Package, world.package.clone())];
    world.site.assign_scope(&local.actor, "Lab", &objects).await.unwrap();
    let found = world.provider.query(&outside, Query::all("SMS_DriverPackage")).await.unwrap();
    assert_eq!(found.instances.len(), 1);
    let items = world.provider.query(&outside, Query::all("SMS_ObjectContainerItem")).await.unwrap();
    assert_eq!(items.instances.len(), 1);
    world.site.close().await;
}
