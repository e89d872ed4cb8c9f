//! The provider over a real site, without any protocol: what every front end can rely on.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop where it is")]

mod scene;

use cim::query::{Expr, Operator, Query, Select};
use cim::{Instance, ObjectPath, Value, wql};
use provider::{Caller, Operation, Provider, ProviderError};
use scene::local;
use site::{Actor, Role, Site};
use tempfile::TempDir;

struct World {
    site: Site,
    provider: Provider,
    source: String,
    _dir: TempDir,
}

async fn world() -> World {
    let dir = tempfile::tempdir().unwrap();
    let source = dir.path().join("source");
    std::fs::create_dir_all(&source).unwrap();
    std::fs::write(source.join("a.inf"), "[Version]").unwrap();
    let site = scene::site(dir.path(), &["dp1"]).await;
    let source = source.to_str().unwrap().to_owned();
    World { provider: Provider::new(site.clone()), site, source, _dir: dir }
}

impl World {
    fn package(&self, name: &str) -> Instance {
        let mut new = Instance::new("SMS_DriverPackage");
        new.set("Name", name);
        new.set("PkgSourceFlag", 2);
        new.set("PkgSourcePath", self.source.as_str());
        new
    }

    async fn create(&self, name: &str) -> ObjectPath {
        self.provider.create(&local(), self.package(name)).await.unwrap()
    }

    async fn read(&self, path: &ObjectPath, name: &str) -> Value {
        self.provider.get(&local(), path).await.unwrap().get(name).unwrap().clone()
    }
}

/// HRESULT and ErrorCode of a refusal, which must be whole.
fn codes<T>(result: Result<T, ProviderError>) -> (u32, u32) {
    let error = result.err().expect("the call is refused");
    let status = error.extended_status();
    let number = |name: &str| u32::try_from(status.get(name).unwrap().as_integer().unwrap()).unwrap();
    assert_eq!(number("StatusCode"), error.hresult());
    assert!(!status.get("Description").unwrap().as_str().unwrap().is_empty());
    assert_eq!(status.get("Operation"), Some(&Value::text(error.operation.name())));
    (error.hresult(), number("ErrorCode"))
}

fn names(instances: &[Instance]) -> Vec<&str> {
    instances.iter().map(|found| found.get("Name").unwrap().as_str().unwrap()).collect()
}

#[tokio::test]
async fn wql_and_the_query_tree_reach_the_database() {
    let world = world().await;
    for name in ["Dell 7440", "dell 5400", "HP_840"] {
        world.create(name).await;
    }
    for (text, expect) in [
        ("Name like 'DELL%' order by Name desc", vec!["Dell 7440", "dell 5400"]),
        ("PackageID = 'ps100003'", vec!["HP_840"]),
        ("Name like 'HP[_]8%'", vec!["HP_840"]),
        ("Name like '[d]ell 5___'", vec!["dell 5400"]),
        ("Name like '[a-e]%4%' and Name not like '[^d]%'", vec!["Dell 7440", "dell 5400"]),
        ("Priority in ('1', 2) and not Name = 'hp_840' and Priority <> 3", vec!["Dell 7440", "dell 5400"]),
        ("ISVString is null and PkgSourceFlag >= 2 and Name > 'e'", vec!["HP_840"]),
        ("Name = \"x' or 'a'='a\"", vec![]),
    ] {
        for class in ["SMS_DriverPackage", "SMS_PackageBaseclass"] {
            let query = wql::parse(&format!("select Name from {class} where {text}")).unwrap();
            let answer = world.provider.query(&local(), query).await.unwrap();
            assert_eq!(names(&answer.instances), expect, "{text}");
        }
    }
}

#[tokio::test]
async fn top_skip_and_count_work_together() {
    let world = world().await;
    for number in 0..5 {
        world.create(&format!("P{number}")).await;
    }
    let query = Query {
        filter: Some(Expr::compare("Name", Operator::Ne, "P0")),
        select: Select::properties(["Name"]),
        top: Some(2),
        skip: Some(1),
        count: true,
        ..Query::all("SMS_DriverPackage")
    };
    let answer = world.provider.query(&local(), query).await.unwrap();
    assert_eq!((names(&answer.instances), answer.count), (vec!["P2", "P3"], Some(4)));
    // The keys come along, so that a front end can tell which instance it is.
    assert_eq!(answer.instances[0].get("PackageID"), Some(&Value::text("PS100003")));
    assert_eq!(answer.instances[0].properties.len(), 2);
}

#[tokio::test]
async fn changes_touch_only_what_differs() {
    let world = world().await;
    let (admin, path) = (local(), world.create("P").await);
    let mut whole = world.provider.get(&admin, &path).await.unwrap();
    world.provider.modify(&admin, &path, whole.clone()).await.unwrap();
    let before = world.read(&path, "SedoObjectVersion").await;
    assert_eq!(whole.get("SedoObjectVersion"), Some(&before), "nothing was changed");

    let mut change = Instance::new("SMS_DriverPackage");
    change.set("Description", "new");
    world.provider.modify(&admin, &path, change).await.unwrap();
    assert_eq!(world.read(&path, "Description").await, Value::text("new"));
    assert_eq!(world.read(&path, "Name").await, Value::text("P"));

    whole.set("Description", "from an old copy");
    let stale = world.provider.modify(&admin, &path, whole).await;
    assert_eq!(codes(stale), (0x8004_1001, 1306));
    assert_eq!(world.read(&path, "Description").await, Value::text("new"));
}

#[tokio::test]
async fn refreshing_is_durable_and_needs_a_source() {
    let world = world().await;
    let (admin, path) = (local(), world.create("P").await);
    world.site.run_due_snapshots().await.unwrap();
    let call = async |path: &ObjectPath| {
        world.provider.invoke(&admin, "SMS_DriverPackage", Some(path), "refreshpkgsource", Vec::new()).await
    };
    assert_eq!(call(&path).await.unwrap().return_value, Value::Integer(0));
    world.site.run_due_snapshots().await.unwrap();
    assert_eq!(world.read(&path, "SourceVersion").await, Value::Integer(2));
    let mut bare = Instance::new("SMS_DriverPackage");
    bare.set("Name", "no source");
    let bare = world.provider.create(&admin, bare).await.unwrap();
    assert_eq!(codes(call(&bare).await), (0x8004_1001, 31));
}

#[tokio::test]
async fn a_change_with_a_refresh_is_made_whole_or_not_at_all() {
    let world = world().await;
    let (admin, path) = (local(), world.create("P").await);
    world.site.run_due_snapshots().await.unwrap();
    let write = |properties: &[(&str, Value)]| {
        let mut change = Instance::new("SMS_DriverPackage");
        properties.iter().for_each(|(name, value)| change.set(name, value.clone()));
        change.set("RefreshPkgSourceFlag", true);
        change
    };
    let impossible = write(&[("PkgSourceFlag", Value::Integer(1)), ("Description", Value::text("new"))]);
    let refused = world.provider.modify(&admin, &path, impossible).await;
    assert_eq!(codes(refused), (0x8004_1001, 31));
    assert_eq!(world.read(&path, "Description").await, Value::text(""));
    assert_eq!(world.read(&path, "PkgSourceFlag").await, Value::Integer(2));

    let both = write(&[("Description", Value::text("new"))]);
    world.provider.modify(&admin, &path, both).await.unwrap();
    // An operator may refresh, also with the version that was read.
    let operator = Caller::from(Actor::new("o", Role::Operator));
    let read = world.read(&path, "SedoObjectVersion").await;
    world.provider.modify(&operator, &path, write(&[("SedoObjectVersion", read)])).await.unwrap();
    world.site.run_due_snapshots().await.unwrap();
    assert_eq!(world.read(&path, "Description").await, Value::text("new"));
    assert_eq!(world.read(&path, "SourceVersion").await, Value::Integer(2));
}

#[tokio::test]
async fn refused_calls_have_their_codes() {
    let world = world().await;
    let (admin, path) = (local(), world.create("P").await);
    let provider = &world.provider;
    let missing = ObjectPath::parse("SMS_DriverPackage.PackageID='PS1FFFFF'").unwrap();
    assert_eq!(codes(provider.get(&admin, &missing).await), (0x8004_1002, 2));
    assert_eq!(codes(provider.delete(&admin, &missing).await), (0x8004_1002, 2));
    assert_eq!(codes(provider.query(&admin, Query::all("SMS_Nothing")).await), (0x8004_1010, 87));
    for (class, expect) in [
        ("SMS_ScheduleToken", (0x8004_1010, 87)),
        ("SMS_Identification", (0x8004_100C, 50)),
        ("SMS_PackageBaseclass", (0x8004_100C, 50)),
        ("SMS_DistributionPoint", (0x8004_1028, 87)),
    ] {
        assert_eq!(codes(provider.create(&admin, Instance::new(class)).await), expect, "{class}");
    }
    let invoke = async |path: Option<&ObjectPath>, method: &str| {
        codes(provider.invoke(&admin, "SMS_DriverPackage", path, method, Vec::new()).await)
    };
    assert_eq!(invoke(Some(&path), "Nothing").await, (0x8004_102E, 87));
    assert_eq!(invoke(None, "RefreshPkgSource").await, (0x8004_103A, 87));
    assert_eq!(invoke(Some(&path), "AddDistributionPoints").await, (0x8004_102F, 87));
    let unfinished =
        vec![("PackageId".to_owned(), Value::text("x")), ("NALPath".to_owned(), Value::text("y"))];
    let answer =
        provider.invoke(&admin, "SMS_DistributionPoint", None, "CancelDistribution", unfinished).await;
    assert_eq!(codes(answer), (0x8004_1002, 2));
    let reader = Caller::from(Actor::new("r", Role::Reader));
    assert_eq!(codes(provider.delete(&reader, &path).await), (0x8004_1003, 5));
    assert_eq!(codes(provider.create(&reader, world.package("Q")).await), (0x8004_1003, 5));
}

#[tokio::test]
async fn refused_changes_change_nothing() {
    let world = world().await;
    let path = world.create("P").await;
    for (name, value, expect) in [
        ("Nothing", Value::Null, (0x8004_1031, 87)),
        ("Priority", Value::text("x"), (0x8004_1005, 87)),
        ("Priority", Value::Integer(9), (0x8004_1008, 87)),
        ("Name", Value::text("x".repeat(300)), (0x8004_103C, 87)),
        ("SourceVersion", Value::Integer(9), (0x8004_1023, 87)),
        ("PackageID", Value::text("PS100009"), (0x8004_1023, 87)),
        ("PackageType", Value::Integer(0), (0x8004_103C, 87)),
        ("ISVDataSize", Value::Integer(1), (0x8004_103C, 87)),
        ("PkgSourcePath", Value::text("relative/path"), (0x8004_1008, 87)),
    ] {
        let mut change = Instance::new("SMS_DriverPackage");
        change.set("Description", "changed");
        change.set(name, value);
        assert_eq!(codes(world.provider.modify(&local(), &path, change).await), expect, "{name}");
    }
    assert_eq!(world.read(&path, "SedoObjectVersion").await, Value::text("PS100001;1"));
}

#[tokio::test]
async fn an_assignment_is_made_once_and_removed() {
    let world = world().await;
    let admin = local();
    world.create("P").await;
    let mut point = Instance::new("SMS_DistributionPoint");
    point.set("PackageID", "ps100001");
    point.set("ServerNALPath", r#"MSWNET:["SMS_SITE=PS1"]\\DP1\"#);
    point.set("SiteCode", "PS1");
    let path = world.provider.create(&admin, point.clone()).await.unwrap();
    let error = world.provider.create(&admin, point).await;
    assert_eq!(error.as_ref().err().map(|error| error.operation), Some(Operation::PutInstance));
    assert_eq!(codes(error), (0x8004_1019, 183));
    let all = Query::all("SMS_PackageStatusDistPointsSummarizer");
    let listed = world.provider.query(&admin, all).await.unwrap();
    assert_eq!(listed.instances[0].get("State"), Some(&Value::Integer(1)));
    world.provider.delete(&admin, &path).await.unwrap();
    assert_eq!(world.read(&path, "Status").await, Value::Integer(3));
}

/// The answer to WQL, each instance as `Class{Property=value ...}`, embedded ones inside.
async fn answers(world: &World, text: &str) -> Result<Vec<String>, u32> {
    fn shown(instance: &Instance) -> String {
        let values = instance.properties.iter().map(|(name, value)| match value {
            Value::Instance(inner) => format!("{name}={}", shown(inner)),
            Value::String(text) => format!("{name}={text}"),
            Value::Integer(number) => format!("{name}={number}"),
            Value::Null => format!("{name}=-"),
            other => format!("{name}={other:?}"),
        });
        format!("{}{{{}}}", instance.class, values.collect::<Vec<_>>().join(" "))
    }
    let query = wql::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
    let answer = world.provider.query(&local(), query).await.map_err(|error| error.hresult())?;
    Ok(answer.instances.iter().map(shown).collect())
}

#[tokio::test]
async fn rows_have_the_shape_of_what_is_selected() {
    let world = world().await;
    for name in ["A", "B"] {
        world.create(name).await;
    }
    let join = "FROM SMS_DriverPackage AS p JOIN Haulier_PackageState ON Haulier_PackageState.PackageID = p.PackageID";
    let outer = "FROM SMS_DriverPackage a LEFT JOIN SMS_DriverPackage b ON b.PackageID = a.PackageID AND b.Name = 'B'";
    let one = |name: &str, id: u32| format!("SMS_DriverPackage{{Name={name} PackageID=PS10000{id}}}");
    for (text, expect) in [
        ("SELECT COUNT(*) FROM SMS_DriverPackage".to_owned(), vec!["__GENERIC{Count=2}".to_owned()]),
        ("SELECT COUNT(Password) FROM Haulier_User".to_owned(), vec!["__GENERIC{Count=0}".to_owned()]),
        (
            format!("SELECT p.Name, Haulier_PackageState.Name {join} WHERE p.Name = 'a'"),
            vec![
                "__GENERIC{p=SMS_DriverPackage{Name=A PackageID=PS100001} \
                 Haulier_PackageState=Haulier_PackageState{Name=A PackageID=PS100001}}"
                    .to_owned(),
            ],
        ),
        // What comes from one class alone are its instances.
        (format!("SELECT p.Name {join} ORDER BY p.Name DESC"), vec![one("B", 2), one("A", 1)]),
        (
            "SELECT DISTINCT Manufacturer FROM SMS_DriverPackage".to_owned(),
            vec!["SMS_DriverPackage{Manufacturer=}".to_owned()],
        ),
        // The same everywhere, and so not asked of the database.
        (
            "SELECT DISTINCT LocalizedCategoryInstanceNames FROM SMS_DriverPackage".to_owned(),
            vec!["SMS_DriverPackage{LocalizedCategoryInstanceNames=Array([])}".to_owned()],
        ),
        (
            "SELECT Name FROM SMS_DriverPackage WHERE PackageID IN (SELECT PackageID FROM Haulier_PackageState WHERE Name = 'B')"
                .to_owned(),
            vec![one("B", 2)],
        ),
        (
            "SELECT Name FROM SMS_DriverPackage p WHERE NOT EXISTS (SELECT * FROM SMS_DistributionPoint d WHERE d.PackageID = p.PackageID) \
             AND NOT LocalizedCategoryInstanceNames = 'x' AND __this ISA 'SMS_PackageBaseclass'"
                .to_owned(),
            vec![one("A", 1), one("B", 2)],
        ),
        (
            "SELECT p.PackageID, d.PackageID FROM SMS_DriverPackage p LEFT JOIN SMS_DistributionPoint d ON d.PackageID = p.PackageID \
             WHERE p.Name = 'A'"
                .to_owned(),
            vec!["__GENERIC{p=SMS_DriverPackage{PackageID=PS100001} d=-}".to_owned()],
        ),
        // What is the same in every instance is not there where an instance is not, DISTINCT or not.
        (
            format!("SELECT DISTINCT a.Name, b.LocalizedCategoryInstanceNames {outer}"),
            vec![
                "__GENERIC{a=SMS_DriverPackage{Name=A} b=-}".to_owned(),
                "__GENERIC{a=SMS_DriverPackage{Name=B} \
                 b=SMS_DriverPackage{LocalizedCategoryInstanceNames=Array([])}}"
                    .to_owned(),
            ],
        ),
        (
            format!("SELECT DISTINCT b.LocalizedCategoryInstanceNames {outer}"),
            vec![
                "SMS_DriverPackage{LocalizedCategoryInstanceNames=-}".to_owned(),
                "SMS_DriverPackage{LocalizedCategoryInstanceNames=Array([])}".to_owned(),
            ],
        ),
        (format!("SELECT a.Name {outer} WHERE b ISA 'SMS_DriverPackage'"), vec![one("B", 2)]),
        (format!("SELECT a.Name {outer} WHERE NOT b ISA 'SMS_Driver'"), vec![one("B", 2)]),
        (format!("SELECT a.Name {outer} WHERE NOT b ISA 'SMS_DriverPackage'"), vec![]),
    ] {
        assert_eq!(answers(&world, &text).await, Ok(expect), "{text}");
    }
}

#[tokio::test]
async fn queries_on_several_classes_that_make_no_sense_are_refused() {
    let world = world().await;
    let join = "FROM SMS_DriverPackage p JOIN SMS_DistributionPoint d ON p.PackageID = d.PackageID";
    for (text, hresult) in [
        (format!("SELECT * {join} WHERE PackageID = 'x'"), 0x8004_1017),
        (format!("SELECT * {join} WHERE p.Nothing = 'x'"), 0x8004_1031),
        (format!("SELECT * {join} WHERE p.Priority = 'high'"), 0x8004_1017),
        (format!("SELECT * {join} WHERE p.ExtendedData = 1"), 0x8004_1017),
        ("SELECT COUNT(ExtendedData) FROM SMS_DriverPackage".to_owned(), 0x8004_1017),
        ("SELECT DISTINCT ExtendedData FROM SMS_DriverPackage".to_owned(), 0x8004_1017),
        ("SELECT * FROM SMS_DriverPackage, SMS_DriverPackage".to_owned(), 0x8004_1017),
        ("SELECT * FROM SMS_DriverPackage JOIN SMS_Nothing x ON x.a = 1".to_owned(), 0x8004_1010),
        (
            "SELECT * FROM SMS_DriverPackage WHERE PackageID IN (SELECT PackageID FROM SMS_Nothing)"
                .to_owned(),
            0x8004_1010,
        ),
        ("SELECT * FROM SMS_BaseClass".to_owned(), 0x8004_1010),
    ] {
        // What the parser already refuses is refused.
        if wql::parse(&text).is_ok() {
            assert_eq!(answers(&world, &text).await, Err(hresult), "{text}");
        }
    }
}

#[tokio::test]
async fn a_prototype_describes_the_rows() {
    let world = world().await;
    let prototype = |text: &str| world.provider.prototype(wql::parse(text).unwrap()).unwrap();
    let one = prototype("SELECT Name FROM SMS_DriverPackage");
    assert_eq!(
        (one.name.as_str(), one.superclass.as_deref()),
        ("SMS_DriverPackage", Some("SMS_PackageBaseclass"))
    );
    assert!(one.properties.iter().any(|property| property.name == "PackageID"));
    let rows = prototype(
        "SELECT * FROM SMS_DriverPackage p JOIN SMS_DistributionPoint d ON p.PackageID = d.PackageID",
    );
    let names: Vec<_> = rows.properties.iter().map(|property| property.name.as_str()).collect();
    assert_eq!((rows.name.as_str(), names), ("__GENERIC", vec!["p", "d"]));
    assert_eq!(prototype("SELECT COUNT(*) FROM SMS_DriverPackage").properties[0].name, "Count");
}

#[tokio::test]
async fn wql_can_be_asked_of_a_method() {
    let world = world().await;
    for number in 0..3 {
        world.create(&format!("P{number}")).await;
    }
    let run = async |text: &str, skip: i32, top: i32| {
        let given = vec![
            ("Query".to_owned(), Value::text(text)),
            ("Skip".to_owned(), Value::from(skip)),
            ("Top".to_owned(), Value::from(top)),
        ];
        let outcome = world.provider.invoke(&local(), "Haulier_Query", None, "Run", given).await;
        outcome.map_err(|error| error.hresult()).map(|outcome| match outcome.out.as_slice() {
            [(_, Value::Array(rows)), (_, more)] => (rows.len(), more.as_bool().unwrap()),
            other => panic!("{other:?}"),
        })
    };
    assert_eq!(run("SELECT * FROM SMS_DriverPackage", 0, 2).await, Ok((2, true)));
    assert_eq!(run("SELECT * FROM SMS_DriverPackage", 2, 2).await, Ok((1, false)));
    assert_eq!(run("SELECT COUNT(*) FROM SMS_DriverPackage", 0, 2).await, Ok((1, false)));
    assert_eq!(run("SELECT * FROM SMS_DriverPackage a, SMS_DriverPackage b", 0, 0).await, Ok((9, false)));
    assert_eq!(run("SELECT nothing", 0, 0).await, Err(0x8004_1017));
}

#[tokio::test]
async fn the_context_caps_what_a_query_returns() {
    let world = world().await;
    for number in 0..3 {
        world.create(&format!("P{number}")).await;
    }
    let mut caller = local();
    caller.context.instance_count = Some(2);
    let mut stream = world.provider.query_stream(&caller, Query::all("SMS_DriverPackage")).await.unwrap();
    let mut count = 0;
    while let Some(instance) = stream.next().await {
        assert_eq!(instance.unwrap().class, "SMS_DriverPackage");
        count += 1;
    }
    assert_eq!(count, 2);
}
