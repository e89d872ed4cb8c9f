//! Plain packages as driver tools use them, console folders, and cancelled distributions: the request lines of scripts.

use serde_json::{Value as Json, json};

use crate::harness::{PACKAGE, Service, nal_path};

const WMI: &str = "/AdminService/wmi";

async fn post(service: &Service, target: &str, body: &Json, status: u16) -> Json {
    let answer = service.send("POST", &format!("{WMI}/{target}"), &body.to_string()).await;
    assert_eq!(answer.status, status, "{target} {body}: {}", answer.body);
    answer.json()
}

#[tokio::test]
async fn driver_tools_find_their_archives_in_plain_packages() {
    let service = Service::start().await;
    let new = json!({
        "Name": "Drivers - HP EliteBook 840 - Windows 11 x64", "Manufacturer": "HP", "Version": "1.2",
        "Description": "(Models included:8AB8)", "MIFName": "8AB8", "MIFVersion": "Windows 11 x64",
        "PkgSourceFlag": 2, "PkgSourcePath": r"\\srv.example.test\src\dell",
    });
    let made = post(&service, "SMS_Package", &new, 201).await;
    let id = made["PackageID"].as_str().unwrap().to_owned();
    assert_eq!((made["PackageType"].clone(), made["__CLASS"].clone()), (json!(0), json!("SMS_Package")));
    post(&service, "SMS_Package", &json!({ "Name": "other" }), 201).await;
    service.site.run_due_snapshots().await.unwrap();
    for (query, names) in [
        (
            "?$filter=startswith(Name,'Drivers%20-')&$select=Name,Description,Manufacturer,Version,SourceDate,PackageID,MIFName,MIFVersion",
            1,
        ),
        (
            "?$filter=startswith(Name,'Drivers%20-%20')&$select=Name,Description,Manufacturer,Version,SourceDate,PackageID",
            1,
        ),
        ("?$filter=contains(Name,'Drivers')", 1),
        ("", 2),
    ] {
        let rows = service.get(&format!("{WMI}/SMS_Package{query}")).await.rows();
        assert_eq!(rows.len(), names, "{query}");
    }
    let one = format!("{WMI}/SMS_Package?$filter=PackageID%20eq%20'{id}'&$select=PackageID,Name,Description");
    let rows = service.get(&one).await.rows();
    assert_eq!(rows[0]["Description"], "(Models included:8AB8)");
    let drivers = service.get(&format!("{WMI}/SMS_DriverPackage")).await.rows();
    assert_eq!(drivers.iter().map(|row| row["PackageID"].clone()).collect::<Vec<_>>(), [json!(PACKAGE)]);
    let all = service.get(&format!("{WMI}/SMS_PackageBaseclass")).await.rows();
    let mut classes: Vec<_> = all.iter().map(|row| row["__CLASS"].as_str().unwrap()).collect();
    classes.sort_unstable();
    assert_eq!(classes, ["SMS_DriverPackage", "SMS_Package", "SMS_Package"]);

    let point = json!({ "SiteCode": ["PS1"], "NALPath": [nal_path("dp1.example.test")] });
    post(&service, &format!("SMS_Package('{id}')/AdminService.AddDistributionPoints"), &point, 201).await;
    let refreshed =
        post(&service, &format!("SMS_Package('{id}')/AdminService.RefreshPkgSource"), &json!({}), 201).await;
    assert_eq!(refreshed["ReturnValue"], 0);
    service.site.run_due_snapshots().await.unwrap();
    let read = service.get(&format!("{WMI}/SMS_Package('{id}')")).await.first();
    assert_eq!(read["SourceVersion"], 2);

    let body = json!({ "PackageID": id, "ServerNALPath": nal_path("dp1.example.test") });
    let cancel = "SMS_DistributionPoint/AdminService.CancelDistribution";
    assert_eq!(post(&service, cancel, &body, 201).await["ReturnValue"], 0);
    let state = format!("{WMI}/Haulier_DistributionState?$filter=PackageID%20eq%20'{id}'");
    let rows = service.get(&state).await.rows();
    assert_eq!((rows[0]["State"].clone(), rows[0]["FaultCode"].clone()), (json!(3), json!("cancelled")));
    assert!(rows[0]["FaultText"].as_str().unwrap().contains("cancelled by admin"));
    let refused = service.send_as("reader", "POST", &format!("{WMI}/{cancel}"), &body.to_string()).await;
    assert_eq!(refused.status, 403, "{refused:?}");
    let gone = service.send("DELETE", &format!("{WMI}/SMS_Package/{id}"), "").await;
    assert_eq!(gone.status, 204);
    assert_eq!(service.get(&format!("{WMI}/SMS_Package('{id}')")).await.status, 404);
}

#[tokio::test]
async fn scripts_arrange_packages_in_console_folders() {
    let service = Service::start().await;
    let new = json!({ "Name": "Dell", "ObjectType": 23, "ParentContainerNodeID": 0 });
    let folder = post(&service, "SMS_ObjectContainerNode", &new, 201).await;
    let id = folder["ContainerNodeID"].as_u64().unwrap();
    assert_eq!(folder["__RELPATH"], format!("SMS_ObjectContainerNode.ContainerNodeID={id}"));
    let moved = json!({ "InstanceKeys": [PACKAGE], "ContainerNodeID": 0, "TargetContainerNodeID": id, "ObjectType": 23 });
    let done = post(&service, "SMS_ObjectContainerItem.MoveMembers", &moved, 201).await;
    assert_eq!(done["ReturnValue"], 0);
    let items = format!("{WMI}/SMS_ObjectContainerItem?$filter=ContainerNodeID%20eq%20{id}");
    let items = service.get(&items).await.rows();
    assert_eq!((items.len(), items[0]["InstanceKey"].clone()), (1, json!(PACKAGE)));
    let full = service.send("DELETE", &format!("{WMI}/SMS_ObjectContainerNode({id})"), "").await;
    assert_eq!((full.status, full.fault("ErrorCode")), (409, json!(5023)), "{full:?}");
    let back = json!({ "InstanceKeys": PACKAGE, "ContainerNodeID": id, "TargetContainerNodeID": 0, "ObjectType": 23 });
    post(&service, "SMS_ObjectContainerItem.MoveMembers", &back, 201).await;
    let gone = service.send("DELETE", &format!("{WMI}/SMS_ObjectContainerNode/{id}"), "").await;
    assert_eq!(gone.status, 204, "{gone:?}");
}

#[tokio::test]
async fn bytes_travel_as_base64_and_locks_keep_others_out() {
    let service = Service::start().await;
    let target = format!("SMS_DriverPackage('{PACKAGE}')");
    let icon = json!({ "Icon": "AAEC/w==" });
    let changed = service.send("PATCH", &format!("{WMI}/{target}"), &icon.to_string()).await;
    assert!(changed.status < 300, "{changed:?}");
    let read = service.get(&format!("{WMI}/{target}")).await.first();
    assert_eq!(read["IconSize"], 4);
    assert!(!read["Icon"].is_null());
    let path = json!({ "ObjectRelPath": format!("SMS_DriverPackage.PackageID=\"{PACKAGE}\"") });
    let lock = post(&service, "SMS_ObjectLock.RequestLock", &path, 201).await;
    assert_eq!((lock["RequestState"].clone(), lock["AssignedUser"].clone()), (json!(10), json!("admin")));
    let body = json!({ "Description": "x" }).to_string();
    let other = service.send_as("author", "PATCH", &format!("{WMI}/{target}"), &body).await;
    assert_eq!((other.status, other.fault("CauseInfo")), (409, json!("object_locked")), "{other:?}");
    post(&service, "SMS_ObjectLock.ReleaseLock", &path, 201).await;
    let other = service.send_as("author", "PATCH", &format!("{WMI}/{target}"), &body).await;
    assert!(other.status < 300, "{other:?}");
}

#[tokio::test]
async fn the_base_class_lists_every_kind_of_package() {
    let service = Service::start().await;
    for name in ["Archive", "Tools"] {
        post(&service, "SMS_Package", &json!({ "Name": name, "Description": "kept" }), 201).await;
    }
    post(&service, "SMS_DriverPackage", &json!({ "Name": "Zbook", "Description": "kept" }), 201).await;
    const PLAIN: &str = "SMS_Package";
    const DRIVERS: &str = "SMS_DriverPackage";
    for (options, expect) in [
        (
            "$filter=Description%20eq%20'kept'&$orderby=Name",
            &[(PLAIN, "Archive"), (PLAIN, "Tools"), (DRIVERS, "Zbook")][..],
        ),
        (
            "$filter=Description%20eq%20'kept'&$orderby=Name%20desc&$top=2",
            &[(DRIVERS, "Zbook"), (PLAIN, "Tools")],
        ),
        ("$filter=Description%20eq%20'kept'&$orderby=Name&$skip=2", &[(DRIVERS, "Zbook")]),
        ("$filter=PackageType%20eq%200&$orderby=Name", &[(PLAIN, "Archive"), (PLAIN, "Tools")]),
        ("$filter=startswith(Name,'z')", &[(DRIVERS, "Zbook")]),
        (
            "$filter=Name%20in%20('Tools','Zbook')&$orderby=PackageType",
            &[(PLAIN, "Tools"), (DRIVERS, "Zbook")],
        ),
    ] {
        let rows = service.get(&format!("{WMI}/SMS_PackageBaseclass?{options}")).await.rows();
        let found: Vec<_> = rows
            .iter()
            .map(|row| (row["__CLASS"].as_str().unwrap(), row["Name"].as_str().unwrap()))
            .collect();
        assert_eq!(found, expect, "{options}");
    }
    let counted = "$filter=Description%20eq%20'kept'&$count=true&$top=1";
    let counted = service.get(&format!("{WMI}/SMS_PackageBaseclass?{counted}")).await.json();
    assert_eq!((counted["@odata.count"].clone(), counted["value"].as_array().unwrap().len()), (json!(3), 1));
    let all = service.get(&format!("{WMI}/SMS_PackageBaseclass")).await.rows();
    for row in &all {
        let own = row["__CLASS"] == PLAIN;
        assert_eq!(
            row.get("DefaultImageFlags").is_some(),
            own,
            "a row has its own class's properties: {row}"
        );
        let path = format!(
            "{}.PackageID=\"{}\"",
            row["__CLASS"].as_str().unwrap(),
            row["PackageID"].as_str().unwrap()
        );
        assert_eq!(row["__RELPATH"], path.as_str());
    }
}
