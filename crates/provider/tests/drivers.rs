//! Drivers through the provider, without any protocol: objects inside of parameters, and puts of whole objects.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop where it is")]

mod scene;

use cim::{Instance, ObjectPath, Value, wql};
use provider::{Caller, Context, Provider};
use scene::local;
use site::Actor;
use tempfile::TempDir;

struct World {
    provider: Provider,
    folder: String,
    _dir: TempDir,
}

async fn world() -> World {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("net");
    let folder = scene::driver(&folder);
    let site = scene::site(dir.path(), &[]).await;
    World { provider: Provider::new(site), folder, _dir: dir }
}

impl World {
    async fn draft(&self) -> Instance {
        let given = [("inffile", "NET.INF"), ("DriverPath", self.folder.as_str())];
        let given = given.map(|(name, value)| (name.to_owned(), Value::text(value))).to_vec();
        let answer =
            self.provider.invoke(&local(), "SMS_Driver", None, "createfrominf", given).await.unwrap();
        assert_eq!(answer.return_value, Value::Integer(0));
        match answer.out.as_slice() {
            [(name, Value::Instance(driver))] if name == "Driver" => (**driver).clone(),
            other => panic!("one driver is expected: {other:?}"),
        }
    }

    async fn get(&self, path: &ObjectPath) -> Instance {
        self.provider.get(&local(), path).await.unwrap()
    }

    async fn count(&self, text: &str) -> usize {
        self.provider.query(&local(), wql::parse(text).unwrap()).await.unwrap().instances.len()
    }
}

#[tokio::test]
async fn a_method_gives_an_object_with_every_property_and_it_can_be_put() {
    let world = world().await;
    let draft = world.draft().await;
    let class = world.provider.schema().class("SMS_Driver").unwrap();
    let names = |instance: &Instance| -> Vec<String> {
        instance.properties.iter().map(|(name, _)| name.clone()).collect()
    };
    let declared: Vec<_> = class.properties.iter().map(|property| property.name.clone()).collect();
    assert_eq!(names(&draft), declared);
    assert_eq!(world.count("SELECT * FROM SMS_Driver").await, 0);

    let path = world.provider.put(&local(), draft).await.unwrap();
    assert_eq!(path.relative(), "SMS_Driver.CI_ID=16777217");
    let stored = world.get(&path).await;
    assert_eq!(names(&stored), declared);
    // The same object once more is the same driver, unchanged.
    assert_eq!(world.provider.put(&local(), stored.clone()).await.unwrap(), path);
    assert_eq!(world.get(&path).await, stored);
}

#[tokio::test]
async fn names_come_in_the_language_of_the_call() {
    let world = world().await;
    let mut driver = world.draft().await;
    let named = |locale: i32, name: &str| {
        let mut names = Instance::new("SMS_CI_LocalizedProperties");
        names.set("DisplayName", name);
        names.set("LocaleID", locale);
        Value::Instance(Box::new(names))
    };
    let names = Value::Array(vec![named(1033, "Card"), named(1031, "Karte")]);
    driver.properties.retain(|(name, _)| name != "LocalizedInformation");
    driver.properties.push(("LocalizedInformation".to_owned(), names));
    let path = world.provider.put(&local(), driver).await.unwrap();
    for (locale, name, used) in [
        (None, "Card", 1033),
        (Some("MS\\0x0407"), "Karte", 1031),
        (Some("ms\\1031"), "Karte", 1031),
        (Some("MS\\1036"), "Card", 1033),
    ] {
        let context = locale.map(|locale| ("LocaleID".to_owned(), Value::text(locale)));
        let caller = Caller::new(Actor::local(), Context::from_values(context).unwrap());
        let got = world.provider.get(&caller, &path).await.unwrap();
        let query = wql::parse(&format!("SELECT * FROM SMS_Driver WHERE LocalizedDisplayName = '{name}'"));
        let listed = world.provider.query(&caller, query.unwrap()).await.unwrap().instances.remove(0);
        for instance in [got, listed] {
            let shown =
                ["LocalizedDisplayName", "LocalizedPropertyLocaleID"].map(|name| instance.get(name).cloned());
            assert_eq!(shown, [Some(Value::text(name)), Some(Value::Integer(used))], "{locale:?}");
        }
    }
}

#[tokio::test]
async fn lists_are_asked_for_any_of_their_elements() {
    let world = world().await;
    let mut names = Instance::new("SMS_Category_LocalizedProperties");
    names.set("CategoryInstanceName", "Net, wired");
    let mut category = Instance::new("SMS_CategoryInstance");
    category.set("CategoryInstance_UniqueID", "DriverCategories:1");
    category.properties.push(("LocalizedInformation".to_owned(), Value::Instance(Box::new(names))));
    world.provider.create(&local(), category).await.unwrap();
    let mut driver = world.draft().await;
    driver.set("CategoryInstance_UniqueIDs", "drivercategories:1");
    world.provider.put(&local(), driver).await.unwrap();
    for (condition, count) in [
        ("CategoryInstance_UniqueIDs = 'DriverCategories:1'", 1),
        ("CategoryInstance_UniqueIDs IN ('x', 'DriverCategories:1')", 1),
        ("CategoryInstance_UniqueIDs = 'DriverCategories'", 0),
        ("LocalizedCategoryInstanceNames = 'net, WIRED' AND DriverClass = 'net'", 1),
        ("NOT LocalizedCategoryInstanceNames = 'net'", 1),
        ("SecuredScopeNames = 'Default' AND CI_ID = '16777217'", 1),
        ("LocalizedCategoryInstanceNames LIKE 'NET%'", 1),
        ("LocalizedCategoryInstanceNames LIKE '%wired'", 1),
        ("LocalizedCategoryInstanceNames LIKE '%t, w%'", 1),
        ("LocalizedCategoryInstanceNames LIKE 'wired%'", 0),
        ("LocalizedCategoryInstanceNames LIKE 'n_t%w[h-j]red'", 1),
        ("LocalizedCategoryInstanceNames LIKE 'n%x'", 0),
        ("LocalizedCategoryInstanceNames NOT LIKE 'net%'", 0),
        ("SecuredScopeNames LIKE 'def%' AND LocalizedCategoryInstanceNames LIKE '%'", 1),
        ("SecuredScopeNames LIKE 'x%'", 0),
    ] {
        for class in ["SMS_Driver", "SMS_ConfigurationItemBaseClass"] {
            assert_eq!(
                world.count(&format!("SELECT * FROM {class} WHERE {condition}")).await,
                count,
                "{condition}"
            );
        }
    }
}
