//! The driver classes on the wire, byte for byte; see `golden`.

use crate::drivers::import;
use crate::golden::compare_json;
use crate::harness::Service;
use serde_json::json;
use stage::{DriverFile, unc};

const ROUTE: &str = "/AdminService/wmi";

/// The only value that differs from run to run.
fn without_guid(service: &Service, body: &str) -> String {
    body.replace(&service.site.identity().site_guid, "GUID-OF-SITE")
}

#[tokio::test]
async fn every_driver_class_is_listed_as_the_golden_files_show() {
    let service = Service::start().await;
    DriverFile::default().write(&service.folder("net"));
    let category = json!({
        "CategoryInstance_UniqueID": "DriverCategories:0f1e2d3c",
        "CategoryTypeName": "DriverCategories",
        "LocalizedInformation": [{ "CategoryInstanceName": "Network", "LocaleID": 1033 }],
    });
    service.post(&format!("{ROUTE}/SMS_CategoryInstance"), &category).await;
    let ci_id = import(&service, "net").await;
    let content = service.get(&format!("{ROUTE}/SMS_CIToContent")).await.first()["ContentID"].clone();
    std::fs::create_dir_all(service.folder("pkg")).unwrap();
    let package = json!({ "Name": "Drivers", "PkgSourceFlag": 2, "PkgSourcePath": unc("pkg") });
    let package = service.post(&format!("{ROUTE}/SMS_DriverPackage"), &package).await["PackageID"].clone();
    let package = package.as_str().unwrap();
    let add = format!("{ROUTE}/SMS_DriverPackage('{package}')/AdminService.AddDriverContent");
    let body = json!({ "ContentIDs": [content], "ContentSourcePath": [unc("net")], "bRefreshDPs": false });
    service.post(&add, &body).await;
    for (target, file) in [
        ("SMS_Driver".to_owned(), "SMS_Driver.json"),
        (format!("SMS_Driver({ci_id})"), "driver-get.json"),
        ("SMS_CIToContent".to_owned(), "SMS_CIToContent.json"),
        ("SMS_DriverModel".to_owned(), "SMS_DriverModel.json"),
        ("SMS_SupportedPlatforms?$top=1".to_owned(), "SMS_SupportedPlatforms.json"),
        ("SMS_CategoryInstance".to_owned(), "SMS_CategoryInstance.json"),
        ("SMS_CategoryInstance(16777217)".to_owned(), "category-get.json"),
        ("SMS_PackageToContent".to_owned(), "SMS_PackageToContent.json"),
        ("SMS_DriverContainer".to_owned(), "SMS_DriverContainer.json"),
        ("SMS_CIContentPackage".to_owned(), "SMS_CIContentPackage.json"),
        ("Haulier_DriverDetail".to_owned(), "Haulier_DriverDetail.json"),
        ("Haulier_PackageDriver".to_owned(), "Haulier_PackageDriver.json"),
        ("Haulier_ContentInPackage".to_owned(), "Haulier_ContentInPackage.json"),
    ] {
        let answer = service.get(&format!("{ROUTE}/{target}")).await;
        assert_eq!(answer.status, 200, "{target}: {}", answer.body);
        compare_json(file, &without_guid(&service, &answer.body));
    }
    let again = service.send("POST", &add, &body.to_string()).await;
    compare_json("error-content-in-package.json", &without_guid(&service, &again.body));
}

#[tokio::test]
async fn a_draft_and_its_refusal_are_as_the_golden_files_show() {
    let service = Service::start().await;
    DriverFile::default().write(&service.folder("net"));
    let call = json!({ "DriverPath": unc("net"), "INFFile": "net.inf" }).to_string();
    let target = format!("{ROUTE}/SMS_Driver.CreateFromINF");
    let draft = service.send("POST", &target, &call).await;
    compare_json("driver-draft.json", &without_guid(&service, &draft.body));
    import(&service, "net").await;
    let refused = service.send("POST", &target, &call).await;
    compare_json("error-driver-imported.json", &without_guid(&service, &refused.body));
}

#[tokio::test]
async fn what_a_machine_needs_is_answered_as_the_golden_file_shows() {
    let service = Service::start().await;
    DriverFile::default().write(&service.folder("net"));
    let ci_id = import(&service, "net").await;
    let target = format!("{ROUTE}/SMS_Driver({ci_id})");
    assert_eq!(service.send("PATCH", &target, r#"{"IsEnabled":true}"#).await.status, 200);
    let body = json!({
        "OS": { "Version": "10.0.22631", "Architecture": "x64" },
        "Devices": [{ "HardwareID": [r"PCI\VEN_1AF4&DEV_1000"] }, { "HardwareID": ["none"] }],
    });
    let target = format!("{ROUTE}/Haulier_DriverMatch.Match");
    let answer = service.send("POST", &target, &body.to_string()).await;
    compare_json("driver-match.json", &without_guid(&service, &answer.body));
}
