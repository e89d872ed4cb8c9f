//! What a machine needs, asked over HTTP.

use crate::drivers::import;
use crate::harness::Service;
use serde_json::{Value as Json, json};
use stage::{DriverFile, unc};

const MATCH: &str = "/AdminService/wmi/Haulier_DriverMatch.Match";
const CHOOSE: &str = "/AdminService/wmi/Haulier_DriverMatch.ChoosePackage";

fn windows_11() -> Json {
    json!({ "@odata.type": "#AdminService.Haulier_MachineOS", "Version": "10.0.22631", "Architecture": "x64" })
}

async fn enabled(service: &Service, folder: &str) -> u64 {
    let ci_id = import(service, folder).await;
    let target = format!("/AdminService/wmi/SMS_Driver({ci_id})");
    assert_eq!(service.send("PATCH", &target, r#"{"IsEnabled":true}"#).await.status, 200);
    ci_id
}

#[tokio::test]
async fn each_device_gets_its_driver_and_where_it_is() {
    let service = Service::start().await;
    DriverFile::default().write(&service.folder("net"));
    let ci_id = enabled(&service, "net").await;
    std::fs::create_dir_all(service.folder("pkg")).unwrap();
    let body = json!({ "Name": "Drivers", "PkgSourceFlag": 2, "PkgSourcePath": unc("pkg") });
    let package = service.post("/AdminService/wmi/SMS_DriverPackage", &body).await["PackageID"].clone();
    let content = service.get("/AdminService/wmi/SMS_CIToContent").await.first()["ContentID"].clone();
    let add = format!(
        "/AdminService/wmi/SMS_DriverPackage('{}')/AdminService.AddDriverContent",
        package.as_str().unwrap()
    );
    service.post(&add, &json!({ "ContentIDs": [content], "ContentSourcePath": [unc("net")] })).await;
    service.snapshot().await;

    let devices = json!([
        { "HardwareID": [r"PCI\VEN_1AF4&DEV_1000&SUBSYS_1", r"PCI\VEN_1AF4&DEV_1000"], "CompatibleID": [r"PCI\CC_0200"] },
        { "HardwareID": [r"PCI\VEN_FFFF&DEV_0001"] },
    ]);
    let body = json!({ "OS": windows_11(), "Devices": devices });
    let answer = service.send_as("reader", "POST", MATCH, &body.to_string()).await;
    assert_eq!(answer.status, 201, "{}", answer.body);
    let matches = answer.json()["Matches"].clone();
    let best = &matches[0]["Best"];
    for (name, value) in [
        ("@odata.type", json!("#AdminService.Haulier_MatchedDriver")),
        ("CI_ID", json!(ci_id)),
        ("DriverVersion", json!("1.2.3.4")),
        ("MatchedID", json!(r"PCI\VEN_1AF4&DEV_1000")),
        ("Rank", json!(0xC0FF_0001_u32)),
    ] {
        assert_eq!(best[name], value, "{name}: {best}");
    }
    assert_eq!(best["Places"][0]["PackageID"], package);
    let offered = &answer.json()["Packages"];
    assert_eq!(
        (&offered[0]["PackageID"], &offered[0]["Name"], &offered[1]),
        (&package, &json!("Drivers"), &json!(null))
    );
    assert!(!best["Reasons"].as_array().unwrap().is_empty(), "{best}");
    assert_eq!((&matches[0]["CompatibleID"], &matches[1]["Best"]), (&json!([r"PCI\CC_0200"]), &json!(null)));
    assert_eq!(answer.json()["Components"], json!([]));

    // One device where a list is meant, and a system for which the driver is not.
    let arm = json!({ "Version": "10.0.22631.1", "Architecture": "ARM64", "ProductType": 1 });
    let body = json!({ "OS": arm, "Devices": { "HardwareID": r"PCI\VEN_1AF4&DEV_1000" } });
    assert_eq!(service.post(MATCH, &body).await["Matches"][0]["Best"], json!(null));
}

#[tokio::test]
async fn a_package_is_chosen_for_a_model_and_the_others_have_their_reasons() {
    let service = Service::start().await;
    for (name, description) in [
        ("Drivers - Dell Latitude 7440 - Windows 11 x64", "(Models included:0C06;0C07)"),
        ("Drivers - Dell Latitude 5400 - Windows 11 x64", "(Models included:08B9)"),
    ] {
        let body = json!({
            "Name": name, "Description": description, "Manufacturer": "Dell", "Version": "A01",
            "PkgSourceFlag": 2, "PkgSourcePath": unc("dell"),
        });
        service.post("/AdminService/wmi/SMS_DriverPackage", &body).await;
    }
    service.snapshot().await;
    let ask = async |sku: &str| {
        let body =
            json!({ "Manufacturer": "Dell Inc.", "Model": "Latitude", "SKU": sku, "OSName": "Windows 11" });
        service.post(CHOOSE, &body).await
    };
    let found = ask("0C07").await;
    let seen = ["PackageID", "Name", "Version", "StoredPkgVersion"].map(|name| found[name].clone());
    let name = "Drivers - Dell Latitude 7440 - Windows 11 x64";
    assert_eq!(seen, [json!("PS100002"), json!(name), json!("A01"), json!(1)], "{found}");
    let verdicts = found["Verdicts"].as_array().unwrap();
    assert_eq!(verdicts.iter().filter(|verdict| verdict["IsChosen"] == json!(true)).count(), 1);
    assert!(verdicts.iter().all(|verdict| !verdict["Reason"].as_str().unwrap().is_empty()), "{found}");
    let nothing = ask("FFFF").await;
    assert_eq!(
        (&nothing["ReturnValue"], &nothing["PackageID"], &nothing["Urls"]),
        (&json!(0), &json!(null), &json!([]))
    );
}

#[tokio::test]
async fn mistakes_of_a_machine_are_refused() {
    let service = Service::start().await;
    let device = json!([{ "HardwareID": ["x"] }]);
    for body in [
        json!({}),
        json!({ "OS": windows_11() }),
        json!({ "OS": windows_11(), "Devices": [] }),
        json!({ "OS": "Windows 11", "Devices": device }),
        json!({ "OS": { "Version": "11", "Architecture": "x64" }, "Devices": device }),
        json!({ "OS": { "Version": "10.0.22631" }, "Devices": device }),
        json!({ "OS": { "Version": "10.0.22631", "Architecture": "mips" }, "Devices": device }),
        json!({ "OS": { "Version": "10.0.22631", "Architecture": "x64", "ProductType": 9 }, "Devices": device }),
        json!({ "OS": windows_11(), "Devices": [{ "Ids": ["x"] }] }),
        json!({ "OS": windows_11(), "Devices": [{ "@odata.type": "#AdminService.Haulier_MachineOS" }] }),
    ] {
        let answer = service.send("POST", MATCH, &body.to_string()).await;
        assert_eq!(answer.status, 400, "{body}: {}", answer.body);
    }
    assert_eq!(service.get("/AdminService/wmi/Haulier_DriverMatch").await.status, 404, "it has no instances");
    // A reader's question may be long, but not without end.
    let many = |count: usize| {
        let device = json!({ "HardwareID": ["PCI\\VEN_1AF4&DEV_1000&SUBSYS_00000000&REV_00"] });
        json!({ "OS": windows_11(), "Devices": vec![device; count] }).to_string()
    };
    assert_eq!(service.send_as("reader", "POST", MATCH, &many(1_000)).await.status, 201);
    assert_eq!(service.send_as("reader", "POST", MATCH, &many(1_025)).await.status, 400);
    assert_eq!(service.send_as("reader", "POST", MATCH, &many(20_000)).await.status, 413);
}
