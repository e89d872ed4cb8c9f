//! Groups of distribution points, as scripts of the original drive them: scenarios D(c) and E with plain requests.

use crate::golden::compare_json;
use crate::harness::{PACKAGE, Service, nal_path};
use serde_json::{Value as Json, json};

const GROUPS: &str = "/AdminService/wmi/SMS_DistributionPointGroup";
const STATES: &str = "/AdminService/wmi/SMS_PackageStatusDistPointsSummarizer?$orderby=ServerNALPath";

/// A group with both distribution points, by GroupID.
async fn made(service: &Service, name: &str) -> String {
    let group = service.post(GROUPS, &json!({ "Name": name, "Description": "all branch offices" })).await;
    let id = group["GroupID"].as_str().unwrap().to_owned();
    let points = [nal_path("dp1.example.test"), nal_path("dp2.example.test")];
    call(service, &id, "AddDistributionPoints", &json!({ "DPNALPath": points })).await;
    id
}

async fn call(service: &Service, id: &str, method: &str, body: &Json) {
    let answer = service.post(&format!("{GROUPS}('{id}')/AdminService.{method}"), body).await;
    assert_eq!(answer["ReturnValue"], 0, "{method}");
}

async fn refused(service: &Service, id: &str, method: &str, body: &Json) -> (u16, u64) {
    let answer =
        service.send("POST", &format!("{GROUPS}('{id}')/AdminService.{method}"), &body.to_string()).await;
    let code = answer.json()["error"]["innererror"]["SMS_ExtendedStatus"]["StatusCode"].as_u64();
    (answer.status, code.unwrap_or_default())
}

async fn states(service: &Service) -> Vec<u64> {
    let rows = service.get(STATES).await.json()["value"].as_array().unwrap().clone();
    rows.iter().map(|row| row["State"].as_u64().unwrap()).collect()
}

#[tokio::test]
async fn a_script_finds_a_group_by_name_and_sends_a_package_to_it() {
    let service = Service::start().await;
    let id = made(&service, "Branches").await;
    let found = service.get(&format!("{GROUPS}?$filter=Name%20eq%20'branches'&$select=GroupID")).await.json();
    assert_eq!(found["value"][0]["GroupID"], json!(id));
    // PowerShell gives a scalar where an array belongs.
    call(&service, &id, "AddPackages", &json!({ "PackageIDs": PACKAGE })).await;
    assert_eq!(states(&service).await, [1, 1]);
    call(&service, &id, "ReDistributePackage", &json!({ "PackageID": PACKAGE })).await;
    call(&service, &id, "ReDistributePackage", &json!({ "PackageID": [PACKAGE] })).await;
    call(&service, &id, "RefreshDPGroup", &json!({})).await;
    let group = service.get(&format!("{GROUPS}('{id}')")).await.first();
    let seen = ["MemberCount", "ContentCount", "OutOfSyncContentCount", "CollectionCount"]
        .map(|name| group[name].clone());
    assert_eq!(seen, [json!(2), json!(1), json!(1), json!(0)]);
    let names = ["HasMember", "HasRelationship", "ContentInSync"].map(|name| group[name].clone());
    assert_eq!(names, [json!(true), json!(false), json!(false)]);

    // Two names of one parameter: either is understood, both must agree.
    let both =
        json!({ "PackageIDs": [PACKAGE], "RemovePackageFromDPs": true, "RemoveTargetedPackages": false });
    assert_eq!(refused(&service, &id, "RemovePackages", &both).await, (400, 0x8004_102F));
    call(
        &service,
        &id,
        "RemovePackages",
        &json!({ "PackageIDs": [PACKAGE], "RemoveTargetedPackages": false }),
    )
    .await;
    assert_eq!(states(&service).await, [1, 1]);
    call(&service, &id, "AddPackages", &json!({ "PackageIDs": [PACKAGE] })).await;
    call(&service, &id, "RemovePackages", &json!({ "PackageIDs": [PACKAGE] })).await;
    assert_eq!(states(&service).await, [4, 4]);
}

#[tokio::test]
async fn a_group_is_changed_and_deleted_like_any_instance() {
    let service = Service::start().await;
    let id = made(&service, "Branches").await;
    let one = format!("{GROUPS}('{id}')");
    let patch = service.send("PATCH", &one, r#"{"Name":"Offices"}"#).await;
    assert_eq!((patch.status, &patch.json()["Name"]), (200, &json!("Offices")), "{}", patch.body);
    assert_eq!(service.send("PATCH", &one, r#"{"MemberCount":7}"#).await.status, 400);
    assert_eq!(service.send("POST", GROUPS, r#"{"Name":"OFFICES"}"#).await.status, 409);
    assert_eq!(service.send("POST", GROUPS, r#"{"Description":"no name"}"#).await.status, 400);
    assert_eq!(service.send_as("operator", "POST", GROUPS, r#"{"Name":"x"}"#).await.status, 403);
    let members = "/AdminService/wmi/SMS_DPGroupMembers";
    let listed = service.get(&format!("{members}?$filter=GroupID%20eq%20'{id}'")).await.json();
    assert_eq!(listed["value"].as_array().unwrap().len(), 2);
    let member = json!({ "DPNALPath": nal_path("dp1.example.test"), "GroupID": id });
    assert_eq!(service.send("POST", members, &member.to_string()).await.status, 405);
    assert_eq!(service.send("DELETE", &one, "").await.status, 204);
    assert_eq!(service.get(&one).await.status, 404);
    let nothing = service.get(members).await.json();
    assert_eq!(nothing["value"], json!([]));
}

#[tokio::test]
async fn what_a_group_cannot_do_is_refused() {
    let service = Service::start().await;
    let id = made(&service, "Branches").await;
    for (method, body, expect) in [
        ("AddPackages", json!({ "PackageIDs": ["PS1FFFFF"] }), (404, 0x8004_1002)),
        ("AddPackages", json!({ "PackageIDs": [] }), (400, 0x8004_1008)),
        ("AddPackages", json!({}), (400, 0x8004_102F)),
        ("RemovePackages", json!({ "PackageIDs": [PACKAGE] }), (404, 0x8004_1002)),
        ("ReDistributePackage", json!({ "PackageID": PACKAGE }), (404, 0x8004_1002)),
        ("AddDistributionPoints", json!({ "DPNALPath": ["dp1"] }), (400, 0x8004_1008)),
        ("AddDistributionPoints", json!({ "DPNALPath": [nal_path("dp9")] }), (404, 0x8004_1002)),
        ("AssociateCollections", json!({ "CollectionID": ["PS100001"] }), (501, 0x8004_1055)),
        ("DisassociateCollections", json!({ "CollectionID": ["PS100001"] }), (501, 0x8004_1055)),
    ] {
        assert_eq!(refused(&service, &id, method, &body).await, expect, "{method} {body}");
    }
    let missing = "{00000000-0000-0000-0000-000000000000}";
    assert_eq!(refused(&service, missing, "RefreshDPGroup", &json!({})).await, (404, 0x8004_1002));
}

/// The classes around groups and site control, byte for byte.
#[tokio::test]
async fn classes_are_listed_as_the_golden_files_show() {
    let service = Service::start().await;
    let id = made(&service, "Branches").await;
    call(&service, &id, "AddPackages", &json!({ "PackageIDs": [PACKAGE] })).await;
    let guids: Vec<String> =
        service.site.distribution_points().await.unwrap().into_iter().map(|dp| dp.identity_guid).collect();
    for class in [
        "SMS_DistributionPointGroup",
        "SMS_DPContentInfo",
        "SMS_DPGroupMembers",
        "SMS_DPGroupPackages",
        "SMS_DPStatusInfo",
        "SMS_PackageContentServerInfo",
        "SMS_SCI_Address",
        "SMS_SCI_SysResUse",
    ] {
        let answer = service.get(&format!("/AdminService/wmi/{class}")).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let mut body = answer.body.replace(&id, "{GUID-OF-GROUP}");
        for (number, guid) in guids.iter().enumerate() {
            body = body.replace(guid, &format!("GUID-OF-DP{}", number + 1));
        }
        compare_json(&format!("{class}.json"), &body);
    }
}

#[tokio::test]
async fn site_control_is_read_by_role_and_takes_only_what_can_be() {
    let service = Service::start().await;
    let roles = "/AdminService/wmi/SMS_SCI_SysResUse";
    let filter = "$filter=RoleName%20eq%20'SMS%20Distribution%20Point'";
    let points = service.get(&format!("{roles}?{filter}&$select=NetworkOSPath,Props")).await.json();
    assert_eq!(points["value"].as_array().unwrap().len(), 2, "{points}");
    let pull = points["value"][0]["Props"]
        .as_array()
        .unwrap()
        .iter()
        .find(|prop| prop["PropertyName"] == "IsPullDP");
    assert_eq!(pull.unwrap()["Value"], 0);
    let paths = service.get(&format!("{roles}?{filter}&$select=NetworkOSPath")).await.json();
    assert_eq!(paths["value"][0], json!({ "NetworkOSPath": "\\\\dp1.example.test" }));
    let name = format!("{},SMS Distribution Point", nal_path("dp1.example.test"));
    let keys = format!("FileType=2,ItemName='{name}',ItemType='System Resource Usage',SiteCode='PS1'");
    let escaped: String = keys
        .bytes()
        .map(|byte| match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'=' | b'\'' | b',' => char::from(byte).to_string(),
            other => format!("%{other:02X}"),
        })
        .collect();
    let one = format!("{roles}({escaped})");
    let answer = service.get(&one).await;
    assert_eq!(
        (answer.status, answer.first()["ItemName"].as_str()),
        (200, Some(name.as_str())),
        "{}",
        answer.body
    );
    // A pull distribution point needs sources; what is of the server itself is not written here at all.
    let pull_dp =
        json!({ "Props": [{ "PropertyName": "IsPullDP", "Value": 1, "Value1": "", "Value2": "" }] });
    let multicast =
        json!({ "Props": [{ "PropertyName": "IsMulticast", "Value": 1, "Value1": "", "Value2": "" }] });
    for (method, body, expect) in [
        ("PATCH", pull_dp.to_string(), 400),
        ("PATCH", multicast.to_string(), 400),
        ("DELETE", String::new(), 405),
    ] {
        let answer = service.send(method, &one, &body).await;
        assert_eq!(answer.status, expect, "{method} {body}: {}", answer.body);
    }
    let file = "/AdminService/wmi/SMS_SiteControlFile/AdminService";
    for (method, body) in [
        ("GetSessionHandle", "{}"),
        ("CommitSCF", r#"{"SiteCode":"PS1"}"#),
        ("RefreshSCF", r#"{"SiteCode":"PS1"}"#),
        ("ReleaseSessionHandle", r#"{"SessionHandle":"x"}"#),
    ] {
        let answer = service.send("POST", &format!("{file}.{method}"), body).await;
        assert_eq!(answer.status, 501, "{method}: {}", answer.body);
    }
}
