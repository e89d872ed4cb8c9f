//! Imports of whole folders and archives, asked for and watched over HTTP.

use crate::drivers::DRIVERS;
use crate::harness::Service;
use serde_json::{Value as Json, json};
use stage::{DriverFile, unc};

const IMPORTS: &str = "/AdminService/wmi/Haulier_DriverImport";
const ITEMS: &str = "/AdminService/wmi/Haulier_DriverImportItem";

async fn start(service: &Service, body: &Json) -> u64 {
    let answer = service.post(&format!("{IMPORTS}.Start"), body).await;
    assert_eq!(answer["ReturnValue"], 0);
    answer["ImportID"].as_u64().unwrap()
}

#[tokio::test]
async fn a_folder_full_of_drivers_is_imported_and_every_file_has_its_outcome() {
    let service = Service::start().await;
    for (folder, device) in [("lib/a", "One"), ("lib/b", "Two")] {
        DriverFile { device, ..DriverFile::default() }.write(&service.folder(folder));
    }
    let odd = DriverFile { decoration: "NTia64", device: "Three", ..DriverFile::default() };
    odd.write(&service.folder("lib/c"));
    std::fs::create_dir_all(service.folder("lib/d")).unwrap();
    std::fs::write(service.folder("lib/d/broken.inf"), "[Version]\r\n").unwrap();

    let id = start(&service, &json!({ "Sources": [unc("lib")] })).await;
    let waiting = service.get(&format!("{IMPORTS}({id})")).await.first();
    let seen =
        ["StateName", "Sources", "Duplicates", "Enable", "RequestedBy"].map(|name| waiting[name].clone());
    assert_eq!(seen, [json!("queued"), json!([unc("lib")]), json!("append"), json!(true), json!("admin")]);
    service.site.run_due_imports().await.unwrap();

    let done = service.get(&format!("{IMPORTS}({id})")).await.first();
    let seen = ["StateName", "INFsFound", "INFsDone", "Imported", "Failed"].map(|name| done[name].clone());
    assert_eq!(seen, [json!("done"), json!(4), json!(4), json!(2), json!(2)], "{done}");
    let target = format!("{ITEMS}?$filter=ImportID%20eq%20{id}&$orderby=Path");
    let rows = service.get(&target).await.rows();
    let items: Vec<_> = rows
        .iter()
        .map(|row| {
            (row["Path"].as_str().unwrap(), row["Outcome"].as_str().unwrap(), row["ErrorCode"].clone())
        })
        .collect();
    assert_eq!(
        items,
        [
            ("a/net.inf", "imported", json!(0)),
            ("b/net.inf", "imported", json!(0)),
            ("c/net.inf", "no supported platform", json!(1633)),
            ("d/broken.inf", "invalid", json!(13)),
        ]
    );
    assert!(rows[3]["Reason"].as_str().is_some_and(|reason| !reason.is_empty()), "{}", rows[3]);
    let enabled = service.get(&format!("{DRIVERS}?$filter=IsEnabled%20eq%20true")).await.rows();
    assert_eq!(enabled.len(), 2);
    let detail = service
        .get(&format!("/AdminService/wmi/Haulier_DriverDetail({})", enabled[0]["CI_ID"]))
        .await
        .first();
    let seen = ["Kind", "SignatureState", "IsComplete", "Devices"].map(|name| detail[name].clone());
    assert_eq!(seen, [json!("base"), json!("no catalog"), json!(true), json!(1)], "{detail}");
}

#[tokio::test]
async fn an_import_is_cancelled_once_and_only_by_who_may() {
    let service = Service::start().await;
    DriverFile::default().write(&service.folder("lib"));
    let body = json!({ "Sources": unc("lib"), "Enable": false, "Duplicates": "Overwrite" });
    let id = start(&service, &body).await;
    let cancel = format!("{IMPORTS}({id})/AdminService.Cancel");
    for (user, status) in [("reader", 403), ("operator", 403), ("author", 201)] {
        let answer = service.send_as(user, "POST", &cancel, "").await;
        assert_eq!(answer.status, status, "{user}: {}", answer.body);
    }
    assert_eq!(service.get(&format!("{IMPORTS}({id})")).await.first()["StateName"], "cancelled");
    service.site.run_due_imports().await.unwrap();
    assert_eq!(service.get(&format!("{DRIVERS}/$count")).await.body, "0");
    let missing = service.send("POST", &format!("{IMPORTS}(99)/AdminService.Cancel"), "").await;
    assert_eq!(missing.status, 404, "{}", missing.body);
}

/// Nothing is fetched that could not be proved.
#[tokio::test]
async fn a_pack_needs_a_hash_before_anything_is_fetched() {
    let service = Service::start().await;
    let pack = |hashes: Json| {
        let mut pack = json!({ "Location": "http://example.test/a.cab", "SizeBytes": 5 });
        pack.as_object_mut().unwrap().extend(hashes.as_object().unwrap().clone());
        json!({ "Packs": [pack] })
    };
    for hashes in [json!({}), json!({ "SHA256": "" }), json!({ "MD5": null }), json!({ "SHA1": "12" })] {
        let body = pack(hashes);
        let answer = service.send("POST", &format!("{IMPORTS}.Start"), &body.to_string()).await;
        assert_eq!(
            (answer.status, answer.fault("ParameterInfo")),
            (400, json!("Packs")),
            "{body}: {}",
            answer.body
        );
    }
    assert_eq!(service.get(&format!("{IMPORTS}/$count")).await.body, "0");

    let id = start(&service, &pack(json!({ "MD5": "0".repeat(32) }))).await;
    service.site.run_due_imports().await.unwrap();
    let import = service.get(&format!("{IMPORTS}({id})")).await.first();
    let fault = import["FaultText"].as_str().unwrap();
    assert!(import["StateName"] == "failed" && fault.contains("no server answers"), "{import}");
}

#[tokio::test]
async fn mistakes_in_a_request_for_an_import_are_refused() {
    let service = Service::start().await;
    for (body, status) in [
        (json!({}), 400),
        (json!({ "Sources": [] }), 400),
        (json!({ "Sources": ["relative"] }), 400),
        (json!({ "Sources": [unc("lib")], "Duplicates": "perhaps" }), 400),
        (json!({ "Sources": [unc("lib")], "Categories": ["DriverCategories:none"] }), 404),
        (json!({ "Packs": [{ "Uri": "http://example.test/a.cab" }] }), 400),
        (json!({ "Packs": ["http://example.test/a.cab"] }), 400),
    ] {
        let answer = service.send("POST", &format!("{IMPORTS}.Start"), &body.to_string()).await;
        assert_eq!(answer.status, status, "{body}: {}", answer.body);
    }
    assert_eq!(service.send_as("operator", "POST", &format!("{IMPORTS}.Start"), "{}").await.status, 403);
    assert_eq!(service.get(&format!("{IMPORTS}/$count")).await.body, "0");
    assert_eq!(service.send("POST", IMPORTS, "{}").await.status, 405);
}
