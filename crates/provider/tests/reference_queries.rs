//! The queries of driver scripts as they are written, and those on a base class, through the provider to the database.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop where it is")]

mod scene;

use cim::query::Query;
use cim::{Instance, ObjectPath, Value, odata, wql};
use provider::{Answer, Provider};
use scene::local;
use site::Site;
use tempfile::TempDir;

struct World {
    provider: Provider,
    site: Site,
    /// A CI_ID and a CI_UniqueID.
    driver: (i128, String),
    /// A ContainerNodeID.
    folder: i128,
    _dir: TempDir,
}

/// A driver of a category in a driver package `Pkg`, which is in a folder; a second driver package and a plain one.
async fn world() -> World {
    let dir = tempfile::tempdir().unwrap();
    for folder in ["net", "source"] {
        std::fs::create_dir(dir.path().join(folder)).unwrap();
    }
    scene::driver(&dir.path().join("net"));
    let site = scene::site(dir.path(), &["srv"]).await;
    let provider = Provider::new(site.clone());
    let mut world = World { provider, site, driver: (0, String::new()), folder: 0, _dir: dir };
    world.fill().await;
    world
}

impl World {
    async fn fill(&mut self) {
        let source = self._dir.path().join("source").to_str().unwrap().to_owned();
        let folder = self._dir.path().join("net").to_str().unwrap().to_owned();
        let source = [("PkgSourceFlag", Value::Integer(2)), ("PkgSourcePath", Value::text(source))];
        let named = |name: &str| [vec![("Name", Value::text(name))], source.to_vec()].concat();
        let package = self.create("SMS_DriverPackage", &named("Pkg")).await;
        self.create("SMS_DriverPackage", &[("Name", Value::text("Other"))]).await;
        self.create("SMS_Package", &[("Name", Value::text("Archive"))]).await;
        let given = [("DriverPath", folder.as_str()), ("INFFile", "net.inf")];
        let given: Vec<_> = given.map(|(name, value)| (name, Value::text(value))).into();
        let Value::Instance(mut draft) =
            self.call("SMS_Driver", None, "CreateFromINF", &given).await.remove(0).1
        else {
            panic!("one driver")
        };
        let mut named = Instance::new("SMS_Category_LocalizedProperties");
        named.set("CategoryInstanceName", "Name");
        named.set("LocaleID", 1033);
        let category = [
            ("CategoryInstance_UniqueID", Value::text("DriverCategories:1")),
            ("LocalizedInformation", Value::Array(vec![Value::Instance(Box::new(named))])),
        ];
        self.create("SMS_CategoryInstance", &category).await;
        draft.set("CategoryInstance_UniqueIDs", Value::Array(vec![Value::text("DriverCategories:1")]));
        let driver = self.provider.create(&local(), *draft).await.unwrap();
        let unique = self.provider.get(&local(), &driver).await.unwrap();
        let unique = unique.get("CI_UniqueID").unwrap().as_str().unwrap().to_owned();
        self.driver = (driver.key("CI_ID").unwrap().as_integer().unwrap(), unique);
        let content = self.rows("SELECT * FROM SMS_CIToContent").await.remove(0);
        let add = [
            ("ContentIDs", Value::Array(vec![content.get("ContentID").unwrap().clone()])),
            ("ContentSourcePath", Value::Array(vec![Value::text(folder)])),
        ];
        self.call("SMS_DriverPackage", Some(&package), "AddDriverContent", &add).await;
        self.site.run_due_snapshots().await.unwrap();
        let places = [
            ("SiteCode", Value::Array(vec![Value::text("PS1")])),
            (
                "NALPath",
                Value::Array(vec![Value::text(r#"["Display=\\srv\"]MSWNET:["SMS_SITE=PS1"]\\srv\"#)]),
            ),
        ];
        self.call("SMS_DriverPackage", Some(&package), "AddDistributionPoints", &places).await;
        let kind = ("ObjectType", Value::Integer(23));
        let node =
            self.create("SMS_ObjectContainerNode", &[("Name", Value::text("Dell")), kind.clone()]).await;
        self.folder = node.key("ContainerNodeID").unwrap().as_integer().unwrap();
        let moved = [
            ("InstanceKeys", Value::Array(vec![package.key("PackageID").unwrap().clone()])),
            ("ContainerNodeID", Value::Integer(0)),
            ("TargetContainerNodeID", Value::Integer(self.folder)),
            kind,
        ];
        self.call("SMS_ObjectContainerItem", None, "MoveMembers", &moved).await;
    }

    async fn create(&self, class: &str, properties: &[(&str, Value)]) -> ObjectPath {
        let mut new = Instance::new(class);
        properties.iter().for_each(|(name, value)| new.set(name, value.clone()));
        self.provider.create(&local(), new).await.unwrap()
    }

    async fn call(
        &self,
        class: &str,
        path: Option<&ObjectPath>,
        method: &str,
        given: &[(&str, Value)],
    ) -> Vec<(String, Value)> {
        let given = given.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        self.provider.invoke(&local(), class, path, method, given).await.unwrap().out
    }

    async fn rows(&self, text: &str) -> Vec<Instance> {
        let query = wql::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        self.answer(query, text).await.instances
    }

    async fn answer(&self, query: Query, text: &str) -> Answer {
        self.provider.query(&local(), query).await.unwrap_or_else(|error| panic!("{text}: {error}"))
    }
}

/// What a row is and one of its properties, which may be of an embedded instance: `SMS_DriverPackage.Name`.
fn shown(row: &Instance, property: &str) -> String {
    let value = match property.split_once('.') {
        None => row.get(property),
        Some((source, name)) => match row.get(source) {
            Some(Value::Instance(embedded)) => embedded.get(name),
            other => panic!("{source} is {other:?} in {}", row.class),
        },
    };
    match value {
        Some(Value::String(text)) => format!("{} {text}", row.class),
        Some(Value::Integer(number)) => format!("{} {number}", row.class),
        other => panic!("{property} is {other:?} in {}", row.class),
    }
}

#[tokio::test]
async fn every_query_of_driver_scripts_finds_what_it_is_for() {
    let world = world().await;
    let (ci_id, unique) = (world.driver.0.to_string(), world.driver.1.as_str());
    let (folder, other_folder) = (world.folder.to_string(), (world.folder + 1).to_string());
    let of_driver = |value: &str| format!("SMS_Driver {value}");
    // As scripts write them, but for the ids and names of this site.
    let nested = "SELECT * FROM SMS_Driver WHERE CI_ID IN (SELECT CTC.CI_ID FROM SMS_CIToContent AS CTC JOIN SMS_PackageToContent AS PTC\n  \
        ON CTC.ContentID=PTC.ContentID JOIN SMS_DriverPackage AS Pkg ON PTC.PackageID=Pkg.PackageID WHERE Pkg.PackageID='XYZ00010')";
    let in_folder = "Select * from SMS_DriverPackage join SMS_ObjectContainerItem ON SMS_ObjectContainerItem.InstanceKey = SMS_DriverPackage.PackageID\n  \
        WHERE SMS_ObjectContainerItem.ObjectType = 23 AND SMS_ObjectContainerItem.ContainerNodeID = \"16777230\" AND SMS_DriverPackage.Name = \"Pkg\"";
    let system = "SELECT * FROM SMS_SystemResourceList WHERE RoleName='SMS Distribution Point' AND SiteCode='XYZ' AND ServerName='srv'";
    for (text, property, expect) in [
        (nested.replace("XYZ00010", "PS100001"), "CI_ID", vec![of_driver(&ci_id)]),
        (nested.replace("XYZ00010", "PS100002"), "CI_ID", vec![]),
        (nested.to_owned(), "CI_ID", vec![]),
        (
            in_folder.replace("16777230", &folder),
            "SMS_DriverPackage.PackageID",
            vec!["__GENERIC PS100001".to_owned()],
        ),
        (
            in_folder.replace("16777230", &folder),
            "SMS_ObjectContainerItem.ContainerNodeID",
            vec![format!("__GENERIC {folder}")],
        ),
        (in_folder.replace("16777230", &other_folder), "SMS_DriverPackage.PackageID", vec![]),
        (
            "select * from SMS_CategoryInstance where CategoryTypeName = 'DriverCategories' and LocalizedCategoryInstanceName = 'Name'"
                .to_owned(),
            "CategoryInstance_UniqueID",
            vec!["SMS_CategoryInstance DriverCategories:1".to_owned()],
        ),
        (
            "Select * from SMS_CIToContent where CI_ID=16777500".replace("16777500", &ci_id),
            "CI_ID",
            vec![format!("SMS_CIToContent {ci_id}")],
        ),
        ("Select * from SMS_CIToContent where CI_ID=16777500".to_owned(), "CI_ID", vec![]),
        (system.replace("XYZ", "PS1"), "ServerName", vec!["SMS_SystemResourceList srv".to_owned()]),
        (system.to_owned(), "ServerName", vec![]),
        // Numbers in quotes, double quotes, a class before its property.
        (format!("SELECT * FROM SMS_Driver WHERE CI_ID = '{ci_id}'"), "CI_ID", vec![of_driver(&ci_id)]),
        (
            format!("SELECT * FROM SMS_Driver WHERE CI_UniqueID = \"{unique}\""),
            "CI_ID",
            vec![of_driver(&ci_id)],
        ),
        (
            "select SMS_DriverPackage.Name from SMS_DriverPackage where SMS_DriverPackage.Name LIKE 'p[k]_'".to_owned(),
            "Name",
            vec!["SMS_DriverPackage Pkg".to_owned()],
        ),
        // An array property means any of its elements.
        (
            "SELECT * FROM SMS_Driver WHERE CategoryInstance_UniqueIDs = 'drivercategories:1'".to_owned(),
            "CI_ID",
            vec![of_driver(&ci_id)],
        ),
        (
            "SELECT * FROM SMS_Driver WHERE CategoryInstance_UniqueIDs IN (\"a\",\"DriverCategories:1\")".to_owned(),
            "CI_ID",
            vec![of_driver(&ci_id)],
        ),
    ] {
        let rows = world.rows(&text).await;
        assert_eq!(rows.iter().map(|row| shown(row, property)).collect::<Vec<_>>(), expect, "{text}");
    }
}

#[tokio::test]
async fn the_steps_of_workflows_ask_what_they_need() {
    let world = world().await;
    let ci_id = world.driver.0;
    for (text, expect) in [
        // Import: the driver that is there already.
        (format!("select * from SMS_Driver where CI_UniqueID = '{}'", world.driver.1), 1),
        // Put a driver into a package.
        (format!("SELECT * FROM SMS_CIToContent WHERE CI_ID={ci_id}"), 1),
        // Distribute.
        ("select * from SMS_SystemResourceList where RoleName='SMS Distribution Point'".to_owned(), 1),
        ("select * from SMS_DistributionPointGroup where Name = 'none'".to_owned(), 0),
        // Watch. Nothing is installed yet.
        (
            "select * from SMS_PackageStatusDistPointsSummarizer where PackageID = 'PS100001' and State = 0"
                .to_owned(),
            0,
        ),
        (
            "select * from SMS_PackageStatusDistPointsSummarizer where PackageID = 'PS100001' and State <> 0"
                .to_owned(),
            1,
        ),
        (
            "select * from SMS_DistributionDPStatus where PackageID = 'PS100001' and MessageState = 1"
                .to_owned(),
            0,
        ),
        ("select * from SMS_DistributionDPStatus where PackageID = 'PS100001'".to_owned(), 1),
        (
            "select PackageID,ObjectTypeID from SMS_DistributionStatus where Type = '3' or Type = '4'"
                .to_owned(),
            0,
        ),
        ("select * from SMS_DistributionStatus where PackageID = 'PS100001' and Assets = 1".to_owned(), 1),
        ("select * from SMS_ObjectContentExtraInfo where PackageID = 'PS100001'".to_owned(), 1),
    ] {
        assert_eq!(world.rows(&text).await.len(), expect, "{text}");
    }
}

#[tokio::test]
async fn the_base_class_answers_for_all_that_is_below_it() {
    let world = world().await;
    const BOTH: [&str; 3] = ["SMS_Package Archive", "SMS_DriverPackage Other", "SMS_DriverPackage Pkg"];
    for (text, expect) in [
        ("SELECT * FROM SMS_PackageBaseclass ORDER BY Name", &BOTH[..]),
        (
            "SELECT * FROM SMS_PackageBaseclass ORDER BY Name DESC",
            &["SMS_DriverPackage Pkg", "SMS_DriverPackage Other", "SMS_Package Archive"],
        ),
        ("SELECT Name FROM SMS_PackageBaseclass ORDER BY PackageType, Name", &BOTH),
        ("SELECT * FROM SMS_PackageBaseclass WHERE Name LIKE 'a%'", &BOTH[..1]),
        ("SELECT * FROM SMS_PackageBaseclass WHERE PackageType = 3 ORDER BY Name", &BOTH[1..]),
        ("SELECT * FROM SMS_PackageBaseclass WHERE __this ISA 'SMS_Package'", &BOTH[..1]),
        ("SELECT * FROM SMS_PackageBaseclass WHERE PackageID IN ('PS100003')", &BOTH[..1]),
        ("SELECT Name FROM SMS_Package", &BOTH[..1]),
        ("SELECT Name FROM SMS_DriverPackage ORDER BY Name", &BOTH[1..]),
        (
            "SELECT b.Name FROM SMS_PackageBaseclass b WHERE NOT EXISTS \
             (SELECT * FROM SMS_ObjectContainerItem i WHERE i.InstanceKey = b.PackageID) ORDER BY b.Name",
            &BOTH[..2],
        ),
    ] {
        let rows = world.rows(text).await;
        assert_eq!(rows.iter().map(|row| shown(row, "Name")).collect::<Vec<_>>(), expect, "{text}");
    }
    let joined =
        "SELECT * FROM SMS_PackageBaseclass b JOIN SMS_DistributionPoint d ON d.PackageID = b.PackageID";
    let rows = world.rows(joined).await;
    assert_eq!(rows.iter().map(|row| shown(row, "b.Name")).collect::<Vec<_>>(), ["__GENERIC Pkg"]);
    let Some(Value::Instance(package)) = rows[0].get("b") else { panic!("{rows:?}") };
    assert_eq!(package.class, "SMS_DriverPackage", "joined rows have their class as well");
    let count = world.rows("SELECT COUNT(*) FROM SMS_PackageBaseclass WHERE Name <> 'Pkg'").await;
    assert_eq!(count[0].get("Count"), Some(&Value::Integer(2)));
}

#[tokio::test]
async fn pages_of_the_base_class_go_on_where_the_last_ended() {
    let world = world().await;
    let mut found = Vec::new();
    for skip in 0..4 {
        let order = odata::order("Name desc").unwrap();
        let page = Query {
            order,
            top: Some(1),
            skip: Some(skip),
            count: true,
            ..Query::all("SMS_PackageBaseclass")
        };
        let answer = world.answer(page, "a page").await;
        assert_eq!(answer.count, Some(3));
        found.extend(answer.instances.iter().map(|row| shown(row, "Name")));
    }
    assert_eq!(found, ["SMS_DriverPackage Pkg", "SMS_DriverPackage Other", "SMS_Package Archive"]);
}

/// The key holds the package and the distribution point; what is no key names nothing.
#[tokio::test]
async fn the_status_of_a_package_on_a_distribution_point_is_read_by_its_key() {
    let world = world().await;
    let listed = world.rows("SELECT * FROM SMS_DistributionDPStatus").await.remove(0);
    let get = async |id: i128| {
        let path = ObjectPath::new("SMS_DistributionDPStatus", [("ID".to_owned(), Value::Integer(id))]);
        world.provider.get(&local(), &path).await.map_err(|error| error.hresult())
    };
    let id = listed.get("ID").unwrap().as_integer().unwrap();
    assert_eq!(get(id).await.unwrap().get("PackageID"), Some(&Value::text("PS100001")));
    for missing in [0, id + 1, id - 1, id + 48_922_361_856] {
        assert_eq!(get(missing).await.unwrap_err(), 0x8004_1002, "{missing}");
    }
}
