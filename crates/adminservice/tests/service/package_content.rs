//! Drivers into packages and out again, as scripts do it.

use crate::drivers::{DRIVERS, import};
use crate::harness::{Answer, PACKAGE, Service};
use serde_json::{Value as Json, json};
use stage::{DriverFile, unc};

const PACKAGES: &str = "/AdminService/wmi/SMS_DriverPackage";
const CHECK_SOURCE: &str = "/AdminService/wmi/SMS_DriverPackage.CheckSourceFolder";
/// Content is in the package already.
const IN_PACKAGE: u32 = 1_078_462_229;

/// A package with an own source folder that has its first version; sequence B without its check.
async fn new_package(service: &Service, folder: &str) -> String {
    std::fs::create_dir_all(service.folder(folder)).unwrap();
    std::fs::write(service.folder(folder).join("readme.txt"), "drivers").unwrap();
    let package = empty_package(service, folder).await;
    service.snapshot().await;
    package
}

async fn empty_package(service: &Service, folder: &str) -> String {
    let body = json!({ "Name": folder, "Description": "", "PkgSourceFlag": 2, "PkgSourcePath": unc(folder) });
    service.post(PACKAGES, &body).await["PackageID"].as_str().unwrap().to_owned()
}

async fn call(service: &Service, package: &str, method: &str, body: &Json) -> Answer {
    let target = format!("{PACKAGES}('{package}')/AdminService.{method}");
    service.send("POST", &target, &body.to_string()).await
}

/// As scripts do it: the ids of a driver's content from SMS_CIToContent.
async fn content_ids(service: &Service, ci_id: u64) -> Vec<Json> {
    let rows =
        service.get(&format!("/AdminService/wmi/SMS_CIToContent?$filter=CI_ID%20eq%20{ci_id}")).await.rows();
    rows.iter().map(|row| row["ContentID"].clone()).collect()
}

async fn contents(service: &Service, package: &str) -> Vec<Json> {
    let target = format!("/AdminService/wmi/SMS_PackageToContent?$filter=PackageID%20eq%20'{package}'");
    service.get(&target).await.rows()
}

async fn version(service: &Service, package: &str) -> Json {
    service.get(&format!("{PACKAGES}('{package}')")).await.first()["SourceVersion"].clone()
}

/// Sequence B.
#[tokio::test]
pub(crate) async fn a_source_folder_is_checked_before_a_package_is_made_of_it() {
    let service = Service::start().await;
    std::fs::create_dir_all(service.folder("empty")).unwrap();
    let check = async |folder: &str, expect: u32| {
        let answer = service.post(CHECK_SOURCE, &json!({ "SourceFolder": folder })).await;
        assert_eq!((&answer["ReturnValue"], &answer["Result"]), (&json!(0), &json!(expect)), "{folder}");
    };
    check(&unc("empty"), 0).await;
    check(&unc("none"), 2).await;
    check(&unc("dell"), 4 + 8).await;
    check(service.folder("empty").to_str().unwrap(), 1).await;
    let package = empty_package(&service, "empty").await;
    assert_eq!(package, "PS100002");
    let made = service.get(&format!("{PACKAGES}('{package}')")).await.first();
    assert_eq!((&made["PkgSourcePath"], &made["PackageType"]), (&json!(unc("empty")), &json!(3)));
    check(&unc("empty"), 8).await;
}

/// Sequence C.
#[tokio::test]
pub(crate) async fn a_driver_is_added_to_a_package() {
    let service = Service::start().await;
    DriverFile::default().write(&service.folder("net"));
    let ci_id = import(&service, "net").await;
    let package = new_package(&service, "pkg").await;
    let before = version(&service, &package).await.as_u64().unwrap();

    let ids = content_ids(&service, ci_id).await;
    let source = service.get(&format!("{DRIVERS}({ci_id})")).await.first()["ContentSourcePath"].clone();
    let body = json!({ "ContentIDs": ids, "ContentSourcePath": [source], "bRefreshDPs": false });
    let added = call(&service, &package, "AddDriverContent", &body).await;
    assert_eq!((added.status, &added.json()["ReturnValue"]), (201, &json!(0)), "{}", added.body);

    let rows = contents(&service, &package).await;
    assert_eq!((rows.len(), &rows[0]["ContentID"]), (1, &ids[0]));
    assert_eq!((&rows[0]["PackageType"], &rows[0]["SecuredTypeID"]), (&json!(3), &json!(23)));
    let inside = service.folder("pkg").join(rows[0]["ContentSubFolder"].as_str().unwrap());
    assert_eq!(std::fs::read(inside.join("exnet.sys")).unwrap(), vec![0x5a; 20_000]);
    for class in ["SMS_DriverContainer", "SMS_CIContentPackage"] {
        let held =
            service.get(&format!("/AdminService/wmi/{class}?$filter=CI_ID%20eq%20{ci_id}")).await.rows();
        assert_eq!((held.len(), &held[0]["PackageID"]), (1, &json!(package)), "{class}");
    }
    // Not asked to refresh, it did not; the last call of a script does.
    service.snapshot().await;
    assert_eq!(version(&service, &package).await, before);
    let refreshed = call(&service, &package, "RefreshPkgSource", &json!({})).await;
    assert_eq!(refreshed.status, 201, "{}", refreshed.body);
    service.snapshot().await;
    assert_eq!(version(&service, &package).await, before + 1);

    // Two INFs in one folder share their content; scripts take this error for success.
    let again = call(&service, &package, "AddDriverContent", &body).await;
    assert_eq!((again.status, again.fault("ErrorCode")), (409, json!(IN_PACKAGE)), "{}", again.body);
    assert_eq!(again.fault("StatusCode"), json!(0x8004_1001_u32));
    assert!(again.fault("Description").as_str().unwrap().contains("already"), "{}", again.body);
    assert_eq!(contents(&service, &package).await, rows);
}

#[tokio::test]
pub(crate) async fn content_is_added_with_one_path_for_all_and_refreshes_when_nothing_else_is_said() {
    let service = Service::start().await;
    for (folder, device) in [("a", "One"), ("b", "Two")] {
        DriverFile { device, ..DriverFile::default() }.write(&service.folder(folder));
    }
    let first = import(&service, "a").await;
    let second = import(&service, "b").await;
    let package = new_package(&service, "pkg").await;
    let before = version(&service, &package).await.as_u64().unwrap();
    // One number and one text where lists are meant.
    let one = json!({ "ContentIDs": content_ids(&service, first).await[0], "ContentSourcePath": unc("a") });
    let added = call(&service, &package, "AddDriverContent", &one).await;
    assert_eq!(added.status, 201, "{}", added.body);
    service.snapshot().await;
    assert_eq!(version(&service, &package).await, before + 1, "bRefreshDPs is true when it is left out");
    // Both contents with the path of one of them: what is there is told, what was missing is added.
    let both = [content_ids(&service, first).await, content_ids(&service, second).await].concat();
    let body = json!({ "ContentIDs": both, "ContentSourcePath": [unc("b")], "bRefreshDPs": true });
    let answer = call(&service, &package, "AddDriverContent", &body).await;
    assert_eq!(answer.fault("ErrorCode"), json!(IN_PACKAGE), "{}", answer.body);
    assert_eq!(contents(&service, &package).await.len(), 2);
}

/// Sequence H.
#[tokio::test]
pub(crate) async fn a_driver_is_removed_from_a_package() {
    let service = Service::start().await;
    DriverFile::default().write(&service.folder("net"));
    let ci_id = import(&service, "net").await;
    let package = new_package(&service, "pkg").await;
    let ids = content_ids(&service, ci_id).await;
    let body = json!({ "ContentIDs": ids, "ContentSourcePath": [unc("net")], "bRefreshDPs": false });
    assert_eq!(call(&service, &package, "AddDriverContent", &body).await.status, 201);
    service.snapshot().await;
    let before = version(&service, &package).await.as_u64().unwrap();
    let row = contents(&service, &package).await[0].clone();
    let inside = service.folder("pkg").join(row["ContentSubFolder"].as_str().unwrap());

    let target =
        format!("/AdminService/wmi/SMS_PackageToContent(ContentID={},PackageID='{package}')", ids[0]);
    let valid = format!("{target}/AdminService.IsContentValid");
    assert_eq!(service.post(&valid, &json!({})).await["ReturnValue"], true);
    std::fs::remove_file(inside.join("exnet.sys")).unwrap();
    assert_eq!(service.post(&valid, &json!({})).await["ReturnValue"], false);
    let rebuilt = call(&service, &package, "RebuildPackage", &json!({})).await;
    assert_eq!(rebuilt.status, 201, "{}", rebuilt.body);
    assert_eq!(service.post(&valid, &json!({})).await["ReturnValue"], true);

    let removed =
        call(&service, &package, "RemoveDriverContent", &json!({ "ContentIDs": ids, "bRefreshDPs": true }))
            .await;
    assert_eq!((removed.status, &removed.json()["ReturnValue"]), (201, &json!(0)), "{}", removed.body);
    service.snapshot().await;
    assert!(version(&service, &package).await.as_u64().unwrap() > before);
    assert_eq!((contents(&service, &package).await.len(), inside.exists()), (0, false));
    let twice = call(&service, &package, "RemoveDriverContent", &json!({ "ContentIDs": ids })).await;
    assert_eq!(twice.status, 404, "{}", twice.body);
    // The driver is still in the catalog, and its files are where they were.
    assert_eq!(service.get(&format!("{DRIVERS}({ci_id})")).await.status, 200);
    assert!(service.folder("net").join("exnet.sys").exists());
}

/// Sequence I.
#[tokio::test]
pub(crate) async fn a_package_moves_to_a_new_source() {
    let service = Service::start().await;
    std::fs::create_dir_all(service.folder("moved")).unwrap();
    let body = json!({ "PackageSource": unc("moved") });
    let early = call(&service, PACKAGE, "ValidateNewPackageSource", &body).await;
    assert_eq!((early.status, early.fault("StatusCode")), (409, json!(0x8004_1001_u32)), "{}", early.body);
    for file in std::fs::read_dir(service.folder("dell")).unwrap().map(Result::unwrap) {
        std::fs::copy(file.path(), service.folder("moved").join(file.file_name())).unwrap();
    }
    let fine = call(&service, PACKAGE, "ValidateNewPackageSource", &body).await;
    assert_eq!((fine.status, &fine.json()["ReturnValue"]), (201, &json!(0)), "{}", fine.body);
    let target = format!("{PACKAGES}('{PACKAGE}')");
    let mut whole = service.get(&target).await.first();
    whole["PkgSourcePath"] = json!(unc("moved"));
    assert_eq!(service.send("PUT", &target, &whole.to_string()).await.status, 200);
    assert_eq!(service.get(&target).await.first()["PkgSourcePath"], unc("moved"));
    // Back again by the documentation, which says StoredPkgPath.
    let back = json!({ "PackageSource": unc("dell") });
    assert_eq!(call(&service, PACKAGE, "ValidateNewPackageSource", &back).await.status, 201);
    let stored = json!({ "StoredPkgPath": unc("dell") }).to_string();
    assert_eq!(service.send("PATCH", &target, &stored).await.status, 200);
    assert_eq!(service.get(&target).await.first()["PkgSourcePath"], unc("dell"));
}

#[tokio::test]
pub(crate) async fn a_package_is_handed_over_and_taken_back() {
    let service = Service::start().await;
    let site = async || service.get(&format!("{PACKAGES}('{PACKAGE}')")).await.first()["SourceSite"].clone();
    let known = "INSERT INTO site_node (site_code, site_name, site_type, parent_code, server_name, revision)
                 VALUES ('S01', '', 1, 'PS1', 's01.example.test', 1)";
    service.stage.write_beside(known).await;
    let given = call(&service, PACKAGE, "SetSourceSite", &json!({ "SourceSite": "S01" })).await;
    assert_eq!((given.status, site().await), (201, json!("S01")), "{}", given.body);
    // Of an owner that nobody knows any more; a known one would be asked for the refresh.
    service.stage.write_beside("DELETE FROM site_node WHERE site_code = 'S01'").await;
    let locked = call(&service, PACKAGE, "RefreshPkgSource", &json!({})).await;
    assert_eq!((locked.status, locked.fault("CauseInfo")), (409, json!("package_locked")), "{}", locked.body);
    let taken = call(&service, PACKAGE, "Unlock", &json!({})).await;
    assert_eq!((taken.status, site().await), (201, json!("PS1")), "{}", taken.body);
    let refreshed = call(&service, PACKAGE, "RefreshPkgSource", &json!({})).await;
    assert_eq!(refreshed.status, 201, "{}", refreshed.body);
    let before = version(&service, PACKAGE).await;
    let notified = call(&service, PACKAGE, "AddChangeNotification", &json!({})).await;
    assert_eq!((notified.status, version(&service, PACKAGE).await), (201, before), "{}", notified.body);
    for site in ["", "TOOLONG", "?!", "XYZ"] {
        let refused = call(&service, PACKAGE, "SetSourceSite", &json!({ "SourceSite": site })).await;
        assert_eq!(refused.status, 400, "{site}: {}", refused.body);
    }
}

#[tokio::test]
pub(crate) async fn mistakes_on_package_content_are_refused_and_change_nothing() {
    let service = Service::start().await;
    DriverFile::default().write(&service.folder("net"));
    let ci_id = import(&service, "net").await;
    let ids = content_ids(&service, ci_id).await;
    let package = new_package(&service, "pkg").await;
    let path = json!([unc("net")]);
    for (method, body, status) in [
        ("AddDriverContent", json!({ "ContentIDs": ids }), 400),
        ("AddDriverContent", json!({ "ContentIDs": [], "ContentSourcePath": path }), 400),
        ("AddDriverContent", json!({ "ContentIDs": ["x"], "ContentSourcePath": path }), 400),
        ("AddDriverContent", json!({ "ContentIDs": [-1], "ContentSourcePath": path }), 400),
        ("AddDriverContent", json!({ "ContentIDs": [99], "ContentSourcePath": path }), 404),
        ("AddDriverContent", json!({ "ContentIDs": ids, "ContentSourcePath": path, "bRefresh": true }), 400),
        ("RemoveDriverContent", json!({}), 400),
        ("RemoveDriverContent", json!({ "ContentIDs": ids }), 404),
        ("ValidateNewPackageSource", json!({}), 400),
        ("SetSourceSite", json!({}), 400),
    ] {
        let answer = call(&service, &package, method, &body).await;
        assert_eq!(answer.status, status, "{method} {body}: {}", answer.body);
    }
    assert_eq!(call(&service, "PS1FFFFF", "Unlock", &json!({})).await.status, 404);
    assert_eq!(contents(&service, &package).await.len(), 0);
    assert_eq!(std::fs::read_dir(service.folder("pkg")).unwrap().count(), 1);
    let target = format!("{PACKAGES}('{package}')/AdminService.AddDriverContent");
    let body = json!({ "ContentIDs": ids, "ContentSourcePath": path }).to_string();
    for (user, status) in [("reader", 403), ("operator", 403), ("author", 201)] {
        assert_eq!(service.send_as(user, "POST", &target, &body).await.status, status, "{user}");
    }
}
