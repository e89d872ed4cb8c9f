//! Associations: instances, what they lead to, filters, faults, and whom they exist for.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop where it is")]

mod scene;

use cim::{Instance, ObjectPath, Value, wql};
use provider::{
    AssociationFilter, Caller, Context, Found, InstanceStream, Provider, ReferenceFilter, Schema,
};
use scene::local;
use site::{Actor, Role, Scopes, Site};
use tempfile::TempDir;

const PACKAGE: &str = "SMS_DriverPackage.PackageID=\"PS100001\"";
const ARCHIVE: &str = "SMS_Package.PackageID=\"PS100002\"";
const DP: &str = concat!(
    r#"SMS_DistributionPointInfo.NALPath="[\"Display=\\\\dp1\\\"]MSWNET:[\"SMS_SITE=PS1\"]\\\\dp1\\","#,
    r#"ResourceType="Windows NT Server",SiteCode="PS1""#
);

struct World {
    provider: Provider,
    site: Site,
    _dir: TempDir,
}

/// A driver in a driver package on two distribution points, and a package on the first of them.
async fn world() -> World {
    let dir = tempfile::tempdir().unwrap();
    for folder in ["net", "source"] {
        std::fs::create_dir(dir.path().join(folder)).unwrap();
    }
    scene::driver(&dir.path().join("net"));
    let site = scene::site(dir.path(), &["dp1", "dp2"]).await;
    let world = World { provider: Provider::new(site.clone()), site, _dir: dir };
    world.fill().await;
    world
}

fn nal(server: &str) -> Value {
    Value::text(format!(r#"["Display=\\{server}\"]MSWNET:["SMS_SITE=PS1"]\\{server}\"#))
}

impl World {
    async fn fill(&self) {
        let folder = |name: &str| Value::text(self._dir.path().join(name).to_str().unwrap());
        let mut package = Instance::new("SMS_DriverPackage");
        package.set("Name", "Pkg");
        package.set("PkgSourceFlag", 2);
        package.set("PkgSourcePath", folder("source"));
        let package = self.provider.create(&local(), package).await.unwrap();
        assert_eq!(package.relative(), PACKAGE);
        let mut archive = Instance::new("SMS_Package");
        archive.set("Name", "Archive");
        assert_eq!(self.provider.create(&local(), archive).await.unwrap().relative(), ARCHIVE);
        let given =
            vec![("DriverPath".to_owned(), folder("net")), ("INFFile".to_owned(), Value::text("net.inf"))];
        let made = self.provider.invoke(&local(), "SMS_Driver", None, "CreateFromINF", given).await.unwrap();
        let (_, Value::Instance(draft)) = made.out.into_iter().next().unwrap() else { panic!("one driver") };
        self.provider.create(&local(), *draft).await.unwrap();
        let content = self.asked("SELECT * FROM SMS_CIToContent").await.remove(0);
        let given = vec![
            ("ContentIDs".to_owned(), content.get("ContentID").unwrap().clone()),
            ("ContentSourcePath".to_owned(), folder("net")),
        ];
        self.call(&package, "AddDriverContent", given).await;
        self.site.run_due_snapshots().await.unwrap();
        let places = |servers: &[&str]| {
            let sites = servers.iter().map(|_| Value::text("PS1")).collect();
            let servers = servers.iter().map(|server| nal(server)).collect();
            vec![("SiteCode".to_owned(), Value::Array(sites)), ("NALPath".to_owned(), Value::Array(servers))]
        };
        self.call(&package, "AddDistributionPoints", places(&["dp1", "dp2"])).await;
        self.call(&ObjectPath::parse(ARCHIVE).unwrap(), "AddDistributionPoints", places(&["dp1"])).await;
    }

    async fn call(&self, path: &ObjectPath, method: &str, given: Vec<(String, Value)>) {
        self.provider.invoke(&local(), &path.class, Some(path), method, given).await.unwrap();
    }

    async fn statement(&self, text: &str) -> Result<Found, u32> {
        let statement = wql::parse_statement(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        self.provider.statement(&local(), statement).await.map_err(|error| error.hresult())
    }

    async fn asked(&self, text: &str) -> Vec<Instance> {
        match self.statement(text).await {
            Ok(Found::Instances(stream)) => all(stream).await,
            other => panic!("{text}: {other:?}"),
        }
    }

    /// The class and one property of each instance, sorted.
    async fn shown(&self, text: &str) -> Vec<String> {
        let shown = |instance: &Instance| self.path(instance);
        let mut found: Vec<String> = self.asked(text).await.iter().map(shown).collect();
        found.sort();
        found
    }

    fn path(&self, instance: &Instance) -> String {
        let class = self.provider.schema().class(&instance.class).unwrap();
        self.provider.path(class, instance).relative()
    }

    async fn driver(&self) -> String {
        self.path(&self.asked("SELECT * FROM SMS_Driver").await[0])
    }
}

async fn all(mut stream: InstanceStream) -> Vec<Instance> {
    let mut found = Vec::new();
    while let Some(instance) = stream.next().await {
        found.push(instance.unwrap());
    }
    found
}

fn classes(paths: &[String]) -> Vec<&str> {
    paths.iter().map(|path| path.split('.').next().unwrap()).collect()
}

#[test]
fn every_reference_says_where_the_keys_of_its_object_are() {
    let schema = Schema::shipped();
    assert!(schema.associations().count() >= 5);
    for class in schema.associations() {
        let mut stored = Vec::new();
        for end in class.keys() {
            let cim::CimType::Reference(to) = &end.kind else { panic!("{}.{}", class.name, end.name) };
            let Some(Value::Array(pairs)) = end.qualifiers.get("EndKeys") else { panic!("{}", end.name) };
            let pairs: Vec<_> =
                pairs.iter().map(|pair| pair.as_str().unwrap().split_once('=').unwrap()).collect();
            let keys: Vec<_> = pairs.iter().map(|(key, _)| *key).collect();
            let named: Vec<_> =
                schema.class(to).unwrap().keys().iter().map(|key| key.name.as_str()).collect();
            assert_eq!(keys, named, "{}.{}", class.name, end.name);
            for (key, property) in pairs {
                let kind = &schema.class(to).unwrap().property(key).unwrap().kind;
                assert_eq!(class.property(property).map(|own| &own.kind), Some(kind), "{property}");
                stored.push(property);
            }
            let mixed = schema.class(to).unwrap().is_abstract();
            assert_eq!(end.qualifiers.has("EndClass"), mixed, "{}.{}", class.name, end.name);
        }
        stored.sort_unstable();
        stored.dedup();
        assert_eq!(stored, site::views::find(&class.name).unwrap().key, "{}", class.name);
    }
}

#[tokio::test]
async fn an_object_leads_to_what_belongs_to_it() {
    let world = world().await;
    let driver = world.driver().await;
    let found = world.shown(&format!("ASSOCIATORS OF {{{PACKAGE}}}")).await;
    let expect =
        ["SMS_DistributionPointInfo", "SMS_DistributionPointInfo", "SMS_Driver", "SMS_PackageToContent"];
    assert_eq!(classes(&found), expect, "{found:?}");
    assert_eq!(found[0], DP);
    assert_eq!(found[2], driver);
    let found = world.shown(&format!("ASSOCIATORS OF {{{DP}}}")).await;
    assert_eq!(found, [PACKAGE, ARCHIVE], "each as what it is");
    let found = world.shown(&format!("ASSOCIATORS OF {{{driver}}}")).await;
    assert_eq!(classes(&found), ["SMS_CIToContent", "SMS_DriverPackage"]);
    // From the driver over its content to the package, one step after the other.
    let content = found[0].clone();
    let place = world.shown(&format!("ASSOCIATORS OF {{{content}}} WHERE ResultRole=Place")).await;
    assert_eq!(classes(&place), ["SMS_PackageToContent"]);
    let package = world.shown(&format!("ASSOCIATORS OF {{{}}} WHERE ResultRole=Package", place[0])).await;
    assert_eq!(package, [PACKAGE]);
    // By its base class the object is the same.
    let base = "SMS_PackageBaseclass.PackageID='PS100001'";
    assert_eq!(world.shown(&format!("ASSOCIATORS OF {{{base}}}")).await.len(), 4);
    assert!(world.shown("ASSOCIATORS OF {SMS_Site.SiteCode='PS1'}").await.is_empty());
    let whole =
        world.asked(&format!("ASSOCIATORS OF {{{driver}}} WHERE ResultClass=SMS_DriverPackage")).await;
    assert_eq!(whole[0].get("Name"), Some(&Value::text("Pkg")));
}

#[tokio::test]
async fn what_is_wanted_is_filtered() {
    let world = world().await;
    for (of, condition, expect) in [
        (PACKAGE, "AssocClass=Haulier_PackageDriver", vec!["SMS_Driver"]),
        (
            PACKAGE,
            "assocclass=haulier_packagedriver resultclass=sms_driver role=package resultrole=driver",
            vec!["SMS_Driver"],
        ),
        (PACKAGE, "ResultClass=SMS_ConfigurationItemBaseClass", vec!["SMS_Driver"]),
        (PACKAGE, "ResultClass=SMS_BaseClass Role=Package ResultRole=Driver", vec!["SMS_Driver"]),
        (PACKAGE, "ResultClass=SMS_Site", vec![]),
        (PACKAGE, "AssocClass=SMS_Driver", vec![]),
        (PACKAGE, "Role=Driver", vec![]),
        (PACKAGE, "Role=Nothing", vec![]),
        (PACKAGE, "ResultRole=Nothing", vec![]),
        (PACKAGE, "RequiredAssocQualifier=Secured", vec!["SMS_Driver", "SMS_PackageToContent"]),
        (PACKAGE, "RequiredQualifier=Secured", vec!["SMS_Driver", "SMS_PackageToContent"]),
        (DP, "ResultClass=SMS_Package", vec!["SMS_Package"]),
        (DP, "ResultClass=SMS_PackageBaseclass", vec!["SMS_DriverPackage", "SMS_Package"]),
        (DP, "RequiredQualifier=Icon", vec!["SMS_DriverPackage"]),
        (ARCHIVE, "ResultRole=DistributionPoint", vec!["SMS_DistributionPointInfo"]),
        (ARCHIVE, "AssocClass=Haulier_PackageDriver", vec![]),
    ] {
        let text = format!("ASSOCIATORS OF {{{of}}} WHERE {condition}");
        assert_eq!(classes(&world.shown(&text).await), expect, "{text}");
    }
    let keys = world.asked(&format!("ASSOCIATORS OF {{{DP}}} WHERE KeysOnly")).await;
    let names = |instance: &Instance| -> Vec<String> {
        instance.properties.iter().map(|(name, _)| name.clone()).collect()
    };
    assert_eq!(keys.iter().map(names).collect::<Vec<_>>(), [["PackageID"], ["PackageID"]]);
    for (text, expect) in [
        (format!("ASSOCIATORS OF {{{DP}}} WHERE ClassDefsOnly"), vec!["SMS_DriverPackage", "SMS_Package"]),
        (format!("ASSOCIATORS OF {{{ARCHIVE}}} WHERE ClassDefsOnly"), vec!["SMS_DistributionPointInfo"]),
        (
            format!("REFERENCES OF {{{ARCHIVE}}} WHERE ClassDefsOnly"),
            vec!["Haulier_PackageDistributionPoint"],
        ),
    ] {
        let Ok(Found::Classes(found)) = world.statement(&text).await else { panic!("{text}") };
        assert_eq!(found.iter().map(|class| class.name.as_str()).collect::<Vec<_>>(), expect, "{text}");
    }
}

#[tokio::test]
async fn associations_are_instances_like_others() {
    let world = world().await;
    let driver = world.driver().await;
    let reference = |text: &str| Value::Reference(ObjectPath::parse(text).unwrap());
    let found =
        world.asked(&format!("REFERENCES OF {{{PACKAGE}}} WHERE ResultClass=Haulier_PackageDriver")).await;
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].get("Package"), Some(&reference(PACKAGE)));
    assert_eq!(found[0].get("Driver"), Some(&reference(&driver)));
    let count = async |text: &str| world.asked(text).await.len();
    assert_eq!(count(&format!("REFERENCES OF {{{PACKAGE}}}")).await, 4);
    assert_eq!(count(&format!("REFERENCES OF {{{PACKAGE}}} WHERE Role=Package")).await, 4);
    assert_eq!(count(&format!("REFERENCES OF {{{PACKAGE}}} WHERE Role=Driver")).await, 0);
    assert_eq!(count(&format!("REFERENCES OF {{{driver}}}")).await, 2);
    assert_eq!(count(&format!("REFERENCES OF {{{DP}}} WHERE RequiredQualifier=Association")).await, 2);
    // Its path leads back to it, however it is written.
    let class = Schema::shipped().class("Haulier_PackageDriver").unwrap();
    let path = world.provider.path(class, &found[0]);
    for path in [path.clone(), ObjectPath::parse(&path.to_string()).unwrap()] {
        let got = world.provider.get(&local(), &path).await.unwrap();
        assert_eq!(got.get("Driver"), found[0].get("Driver"));
    }
    let mut full = path.clone();
    full.keys[1].1 = Value::Reference(world.provider.qualified(ObjectPath::parse(PACKAGE).unwrap()));
    world.provider.get(&local(), &full).await.unwrap();
    for wrong in [ARCHIVE, "SMS_Site.SiteCode='PS1'", "SMS_Driver.CI_ID=7"] {
        let mut path = path.clone();
        path.keys[1].1 = Value::text(wrong);
        assert_eq!(world.provider.get(&local(), &path).await.unwrap_err().hresult(), 0x8004_1002, "{wrong}");
    }
    let denied = world.provider.delete(&local(), &path).await.unwrap_err();
    assert_eq!(denied.hresult(), 0x8004_100C);
}

#[tokio::test]
async fn queries_compare_references() {
    let world = world().await;
    let driver = world.driver().await;
    for (condition, expect) in [
        (format!("Package = '{PACKAGE}'"), Ok(2)),
        ("Package = 'SMS_DriverPackage=\"PS100001\"'".to_owned(), Ok(2)),
        ("Package = 'SMS_PackageBaseclass.PackageID=\"PS100001\"'".to_owned(), Ok(2)),
        (
            r#"Package = '\\\\srv\\root\\sms\\site_PS1:SMS_DriverPackage.PackageID="ps100001"'"#.to_owned(),
            Ok(2),
        ),
        ("Package = 'SMS_Package.PackageID=\"PS100001\"'".to_owned(), Ok(0)),
        ("Package <> 'SMS_Package.PackageID=\"PS100002\"'".to_owned(), Ok(2)),
        ("Package <> 'SMS_Site.SiteCode=\"PS1\"'".to_owned(), Ok(3)),
        (format!("Package IN ('{PACKAGE}', '{ARCHIVE}')"), Ok(3)),
        (format!("Package IN ('{ARCHIVE}')"), Ok(1)),
        (format!("Package = '{driver}'"), Ok(0)),
        ("PackageID = 'PS100002'".to_owned(), Ok(1)),
        ("PackageClass = 'SMS_Package' AND NALPath LIKE '%dp1%'".to_owned(), Ok(1)),
        (format!("NOT Package = '{PACKAGE}'"), Ok(1)),
        ("Package = 'no path'".to_owned(), Err(0x8004_1017)),
        ("Package = 'Nothing.x=1'".to_owned(), Err(0x8004_1017)),
        ("Package = 'SMS_DriverPackage.Name=\"Pkg\"'".to_owned(), Err(0x8004_1017)),
        (format!("Package > '{PACKAGE}'"), Err(0x8004_1017)),
        ("Package LIKE '%1%'".to_owned(), Err(0x8004_1017)),
    ] {
        let text = format!("SELECT * FROM Haulier_PackageDistributionPoint WHERE {condition}");
        match (world.statement(&text).await, expect) {
            (Ok(Found::Instances(stream)), Ok(expect)) => {
                assert_eq!(all(stream).await.len(), expect, "{text}")
            }
            (found, expect) => assert_eq!(found.err(), expect.err(), "{text}"),
        }
    }
    let joined = format!(
        "SELECT d.* FROM SMS_Driver d JOIN Haulier_PackageDriver a ON a.CI_ID = d.CI_ID WHERE a.Package = '{PACKAGE}'"
    );
    assert_eq!(world.shown(&joined).await, [driver]);
    let chosen = world.asked("SELECT Driver FROM Haulier_PackageDriver").await;
    let names: Vec<_> = chosen[0].properties.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["Driver", "Package"], "what was chosen, and the keys");
}

#[tokio::test]
async fn what_is_not_there_is_said() {
    let world = world().await;
    for (text, expect) in [
        ("ASSOCIATORS OF {Nothing.x=1}".to_owned(), 0x8004_1010),
        (format!("ASSOCIATORS OF {{{PACKAGE}}} WHERE AssocClass=Nothing"), 0x8004_1010),
        (format!("ASSOCIATORS OF {{{PACKAGE}}} WHERE ResultClass=Nothing"), 0x8004_1010),
        (format!("REFERENCES OF {{{PACKAGE}}} WHERE ResultClass=Nothing"), 0x8004_1010),
        ("ASSOCIATORS OF {SMS_DriverPackage.PackageID='PS1FFFFF'}".to_owned(), 0x8004_1002),
        ("REFERENCES OF {SMS_DriverPackage.PackageID='PS1FFFFF'}".to_owned(), 0x8004_1002),
        ("ASSOCIATORS OF {SMS_DriverPackage.Name='Pkg'}".to_owned(), 0x8004_103A),
        ("ASSOCIATORS OF {SMS_ScheduleToken.x=1}".to_owned(), 0x8004_1010),
    ] {
        match world.statement(&text).await {
            Err(code) => assert_eq!(code, expect, "{text}"),
            Ok(_) => panic!("{text} was answered"),
        }
    }
}

#[tokio::test]
async fn only_what_exists_for_the_caller_is_found() {
    let world = world().await;
    let driver = world.driver().await;
    let admin = Actor::local();
    let scope = world.site.create_security_scope(&admin, "Lab", "").await.unwrap();
    let seen = |ids: Vec<i64>| {
        Caller::from(Actor { scopes: Scopes::Only(ids), ..Actor::new("ben", Role::FullAdministrator) })
    };
    let lab = seen(vec![scope.id]);
    let neighbors = async |caller: &Caller, of: &str| {
        let path = ObjectPath::parse(of).unwrap();
        let found = world.provider.associated(caller, &path, AssociationFilter::default()).await;
        let found = match found {
            Ok(stream) => Ok(all(stream).await.len()),
            Err(error) => Err((error.hresult(), error.to_string().replace(of, "IT"))),
        };
        let references = world.provider.references(caller, &path, ReferenceFilter::default()).await;
        assert_eq!(
            references.map(drop).map_err(|error| error.hresult()),
            found.clone().map(drop).map_err(|e| e.0)
        );
        found
    };
    let missing = "SMS_DriverPackage.PackageID=\"PS1FFFFF\"";
    assert_eq!(neighbors(&lab, PACKAGE).await, neighbors(&lab, missing).await, "nothing tells the two apart");
    assert_eq!(neighbors(&lab, PACKAGE).await.unwrap_err().0, 0x8004_1002);
    // The distribution point is everybody's; who looks from there finds what is theirs.
    assert_eq!(neighbors(&lab, DP).await, Ok(0));
    assert_eq!(neighbors(&local(), DP).await, Ok(2));
    assert_eq!(neighbors(&local(), &driver).await, Ok(2));
    // An object in reach, with a neighbor that is not.
    let package = (site::SecuredType::Package, "PS100001".to_owned());
    world.site.assign_scope(&admin, "Lab", &[package]).await.unwrap();
    assert_eq!(neighbors(&lab, PACKAGE).await, Ok(3), "without the driver");
    assert_eq!(neighbors(&lab, DP).await, Ok(1));
}

#[tokio::test]
async fn the_callers_limit_is_one_for_all_ways() {
    let world = world().await;
    let limited = |count: u32| {
        let context = Context::from_values([("InstanceCount".to_owned(), Value::from(count))]).unwrap();
        Caller::new(Actor::local(), context)
    };
    let path = ObjectPath::parse(PACKAGE).unwrap();
    for (limit, expect) in [(0, 0), (1, 1), (3, 3), (9, 4)] {
        let stream =
            world.provider.associated(&limited(limit), &path, AssociationFilter::default()).await.unwrap();
        assert_eq!(all(stream).await.len(), expect, "{limit}");
    }
}

#[tokio::test]
async fn the_query_method_answers_statements() {
    let world = world().await;
    let run = async |given: Vec<(&str, Value)>| {
        let given = given.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        world.provider.invoke(&local(), "Haulier_Query", None, "Run", given).await
    };
    let query = Value::text(format!("ASSOCIATORS OF {{{PACKAGE}}}"));
    let mut pages = Vec::new();
    for (skip, more) in [(0, true), (3, false), (9, false)] {
        let given = vec![("Query", query.clone()), ("Skip", skip.into()), ("Top", 3.into())];
        let out = run(given).await.unwrap().out;
        assert_eq!(out[1].1, Value::Boolean(more), "{skip}");
        let Value::Array(rows) = &out[0].1 else { panic!("rows") };
        pages.push(rows.len());
    }
    assert_eq!(pages, [3, 1, 0]);
    let refused =
        run(vec![("Query", Value::text(format!("ASSOCIATORS OF {{{PACKAGE}}} WHERE ClassDefsOnly")))]);
    assert_eq!(refused.await.unwrap_err().hresult(), 0x8004_100C);
}
