//! Every class on the wire, byte for byte. The files are protocol: a change of one is a change for clients.
//!
//! `HAULIER_WRITE_GOLDEN=1` writes what is served; read the difference before it is committed.

use std::path::PathBuf;

use crate::harness::{PACKAGE, Service};
use serde_json::Value as Json;

fn golden(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)
}

/// The files are indented for reading; the wire has the same members in the same order without blanks.
pub(crate) fn compare_json(name: &str, body: &str) {
    let file = golden(name);
    if std::env::var_os("HAULIER_WRITE_GOLDEN").is_some() {
        let json: Json = serde_json::from_str(body).unwrap();
        std::fs::write(&file, serde_json::to_string_pretty(&json).unwrap() + "\n").unwrap();
    }
    let expected: Json = serde_json::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap();
    assert_eq!(body, expected.to_string(), "{name}");
}

fn compare_text(name: &str, body: &str) {
    let file = golden(name);
    if std::env::var_os("HAULIER_WRITE_GOLDEN").is_some() {
        std::fs::write(&file, body).unwrap();
    }
    assert_eq!(body, std::fs::read_to_string(&file).unwrap(), "{name}");
}

#[tokio::test]
async fn every_class_is_listed_as_the_golden_files_show() {
    let service = Service::start().await;
    let guids: Vec<String> =
        service.site.distribution_points().await.unwrap().into_iter().map(|dp| dp.identity_guid).collect();
    for class in [
        "SMS_DriverPackage",
        "SMS_DistributionPoint",
        "SMS_DistributionPointInfo",
        "SMS_Identification",
        "SMS_PackageStatusDistPointsSummarizer",
        "SMS_ProviderLocation",
        "SMS_SystemResourceList",
    ] {
        let answer = service.get(&format!("/AdminService/wmi/{class}")).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let mut body = answer.body;
        // The only values that differ from run to run.
        for (number, guid) in guids.iter().enumerate() {
            body = body.replace(guid, &format!("GUID-OF-DP{}", number + 1));
        }
        compare_json(&format!("{class}.json"), &body);
    }
}

#[tokio::test]
async fn single_answers_are_as_the_golden_files_show() {
    let service = Service::start().await;
    let package = format!("/AdminService/wmi/SMS_DriverPackage('{PACKAGE}')");
    compare_json("get.json", &service.get(&package).await.body);
    compare_json(
        "select.json",
        &service.get(&format!("{package}?$select=Name,PackageID,SourceDate")).await.body,
    );
    let counted = "/AdminService/wmi/SMS_DriverPackage?$count=true&$top=0";
    compare_json("count.json", &service.get(counted).await.body);
    compare_json("service-document.json", &service.get("/AdminService/wmi/").await.body);
    compare_text("metadata.xml", &service.get("/AdminService/wmi/$metadata").await.body);
    let refresh = service.send("POST", &format!("{package}/AdminService.RefreshPkgSource"), "{}").await;
    compare_json("method.json", &refresh.body);
    let body =
        r#"{"Name":"Drivers - HP 840","PkgSourceFlag":2,"PkgSourcePath":"\\\\srv.example.test\\src\\dell"}"#;
    let created = service.send("POST", "/AdminService/wmi/SMS_DriverPackage", body).await;
    compare_json("created.json", &created.body);
}

#[tokio::test]
async fn refusals_are_as_the_golden_files_show() {
    let service = Service::start().await;
    let missing = service.get("/AdminService/wmi/SMS_DriverPackage('PS1FFFFF')").await;
    compare_json("error-not-found.json", &missing.body);
    let unknown = service.get("/AdminService/wmi/SMS_Nothing").await;
    compare_json("error-class.json", &unknown.body);
    let denied = service
        .send_as(
            "reader",
            "POST",
            &format!("/AdminService/wmi/SMS_DriverPackage('{PACKAGE}')/AdminService.RefreshPkgSource"),
            "",
        )
        .await;
    compare_json("error-denied.json", &denied.body);
    let unfinished = "/AdminService/wmi/SMS_Identification.GetFileBinary";
    let unfinished = service.send("POST", unfinished, "").await;
    compare_json("error-not-implemented.json", &unfinished.body);
    let option = service.get("/AdminService/wmi/SMS_DriverPackage?$filter=Name%20eq").await;
    compare_json("error-option.json", &option.body);
}
