//! The classes of Haulier's own that are more than a view: status messages, tokens, users.

use std::time::Duration;

use crate::harness::{PACKAGE, Service};
use serde_json::{Value as Json, json};
use site::Actor;

const MESSAGES: &str = "/AdminService/wmi/Haulier_StatusMessage";
const USERS: &str = "/AdminService/wmi/Haulier_User";
const TOKENS: &str = "/AdminService/wmi/Haulier_Token";

async fn rows(service: &Service, user: &str, target: &str) -> Vec<Json> {
    let answer = service.send_as(user, "GET", target, "").await;
    assert_eq!(answer.status, 200, "{target}: {}", answer.body);
    answer.json()["value"].as_array().unwrap().clone()
}

#[tokio::test]
pub(crate) async fn status_messages_come_in_words_and_newest_first() {
    let service = Service::start().await;
    service.site.refresh_package(&Actor::local(), PACKAGE).await.unwrap();
    let all = rows(&service, "reader", MESSAGES).await;
    let ids: Vec<_> = all.iter().map(|row| row["RecordID"].as_u64().unwrap()).collect();
    assert!(ids.len() > 3 && ids.is_sorted_by(|a, b| a > b), "{ids:?}");
    let newest = &all[0];
    for (name, value) in [
        ("MessageID", json!(30011)),
        ("Severity", json!(0x4000_0000)),
        ("SeverityName", json!("information")),
        ("Component", json!("Unknown")),
        ("PackageID", json!(PACKAGE)),
        ("ServerName", json!("")),
        ("UserName", json!("local")),
        ("Time", json!("2026-01-02T03:04:05Z")),
        ("Text", json!("local refreshed package PS100001 on all its distribution points.")),
        ("InsertStrings", json!(["local", "PS100001", "all its distribution points"])),
    ] {
        assert_eq!(newest[name], value, "{name}");
    }
    let one = format!("{MESSAGES}({})", newest["RecordID"]);
    assert_eq!(rows(&service, "reader", &one).await[0]["Text"], newest["Text"]);
    // A chosen text needs what is not chosen.
    let chosen =
        rows(&service, "reader", &format!("{MESSAGES}?$select=Text&$top=1&$filter=MessageID+eq+2301")).await;
    assert_eq!(
        chosen,
        [json!({ "Text": "Package Drivers - Dell 7440 (PS100001) was processed: version 1." })]
    );
    let first =
        rows(&service, "reader", &format!("{MESSAGES}?$orderby=RecordID&$top=1&$select=RecordID")).await;
    assert_eq!(first[0]["RecordID"].as_u64().as_ref(), ids.last());
}

#[tokio::test]
pub(crate) async fn the_words_of_a_message_cannot_be_searched_and_messages_not_be_written() {
    let service = Service::start().await;
    for option in ["$filter=contains(Text,'dell')", "$orderby=Text", "$filter=InsertStrings/any(x:x+eq+'a')"]
    {
        let answer = service.get(&format!("{MESSAGES}?{option}")).await;
        assert_eq!(answer.status, 400, "{option}: {}", answer.body);
    }
    assert_eq!(service.send("POST", MESSAGES, "{}").await.status, 405);
    assert_eq!(service.send("DELETE", &format!("{MESSAGES}(1)"), "").await.status, 405);
}

/// Makes a token; answers its status and its members.
async fn make(service: &Service, by: &str, body: &Json) -> (u16, Json) {
    let answer = service.send_as(by, "POST", &format!("{TOKENS}.Create"), &body.to_string()).await;
    (answer.status, answer.json())
}

#[tokio::test]
pub(crate) async fn a_token_is_told_once_signs_in_and_ends_when_it_is_deleted() {
    let service = Service::start().await;
    let (status, made) =
        make(&service, "operator", &json!({ "UserName": "operator", "Label": "nightly", "LifeDays": 7 }))
            .await;
    assert_eq!((status, &made["ReturnValue"]), (201, &json!(0)), "{made}");
    let (id, secret) = (made["TokenID"].clone(), made["Token"].as_str().unwrap());
    assert_eq!(made["Expires"], "2026-01-09T03:04:05Z");
    let bearer = format!("Authorization: Bearer {secret}\r\n");
    let listed = service.send_with(&bearer, "GET", TOKENS, "").await;
    assert_eq!((listed.status, listed.body.contains(secret)), (200, false), "{}", listed.body);
    let token = listed.first();
    assert_eq!(
        ["TokenID", "UserName", "Label", "Created", "Expires"].map(|name| token[name].clone()),
        [
            id.clone(),
            json!("operator"),
            json!("nightly"),
            json!("2026-01-02T03:04:05Z"),
            made["Expires"].clone()
        ]
    );
    assert_eq!(service.send_with(&bearer, "DELETE", &format!("{TOKENS}({id})"), "").await.status, 204);
    assert_eq!(service.send_with(&bearer, "GET", TOKENS, "").await.status, 401);
}

#[tokio::test]
pub(crate) async fn users_manage_their_own_tokens_and_administrators_all() {
    let service = Service::start().await;
    let life = Duration::from_secs(3600);
    for owner in ["admin", "reader", "author"] {
        service.site.create_token(&Actor::local(), owner, owner, life).await.unwrap();
    }
    let owners = async |user: &str, target: &str| -> Vec<Json> {
        rows(&service, user, target).await.iter().map(|row| row["UserName"].clone()).collect()
    };
    assert_eq!(owners("reader", TOKENS).await, ["reader"]);
    let widened = format!("{TOKENS}?$filter=TokenID+gt+0+or+UserName+eq+'admin'");
    assert_eq!(owners("reader", &widened).await, ["reader"]);
    assert_eq!(service.send_as("reader", "GET", &format!("{TOKENS}/$count"), "").await.body, "1");
    assert_eq!(owners("admin", TOKENS).await, ["admin", "reader", "author"]);
    let of_author = rows(&service, "author", TOKENS).await[0]["TokenID"].clone();
    let target = format!("{TOKENS}({of_author})");
    for method in ["GET", "DELETE"] {
        assert_eq!(service.send_as("reader", method, &target, "").await.status, 404, "{method}");
    }
    assert_eq!(make(&service, "reader", &json!({ "UserName": "author" })).await.0, 403);
    // Without a name it is the caller's own.
    assert_eq!(make(&service, "reader", &json!({})).await.0, 201);
    assert_eq!(owners("reader", TOKENS).await, ["reader", "reader"]);
    assert_eq!(service.send("DELETE", &target, "").await.status, 204);
    assert_eq!(owners("author", TOKENS).await.len(), 0);
    assert_eq!(service.send("POST", TOKENS, r#"{"UserName":"reader"}"#).await.status, 405);
}

#[tokio::test]
pub(crate) async fn a_user_that_exists_is_not_changed_by_making_it_again() {
    let service = Service::start().await;
    let body =
        json!({ "Name": "Operator", "Password": "another one", "Role": "administrator", "AllScopes": true })
            .to_string();
    let twice = service.send("POST", USERS, &body).await;
    assert_eq!(twice.status, 409, "{}", twice.body);
    let status = &twice.json()["error"]["innererror"]["SMS_ExtendedStatus"];
    assert_eq!((&status["StatusCode"], &status["ErrorCode"]), (&json!(0x8004_1019_u32), &json!(183)));
    // The old password still signs in, to the old role.
    let who = format!("{USERS}('operator')");
    let kept = service.send_as("operator", "GET", &who, "").await;
    assert_eq!((kept.status, &kept.first()["Role"]), (200, &json!("operator")));
    let fresh = body.replace("Operator", "new");
    assert_eq!(service.send("POST", USERS, &fresh).await.status, 201);
}

#[tokio::test]
pub(crate) async fn a_change_of_a_user_that_is_refused_changes_nothing() {
    let service = Service::start().await;
    let who = format!("{USERS}('operator')");
    for body in [r#"{"Role":"administrator","Password":""}"#, r#"{"Password":"another one","Role":"owner"}"#]
    {
        let refused = service.send("PATCH", &who, body).await;
        assert_ne!(refused.status, 200, "{body}: {}", refused.body);
        let kept = service.send_as("operator", "GET", &who, "").await;
        assert_eq!((kept.status, &kept.first()["Role"]), (200, &json!("operator")), "{body}");
    }
    let body = r#"{"Role":"author","Password":"another one"}"#;
    assert_eq!(service.send("PATCH", &who, body).await.status, 200);
    assert_eq!(service.send_as("operator", "GET", &who, "").await.status, 401);
}

#[tokio::test]
pub(crate) async fn rows_of_a_query_say_their_class() {
    let service = Service::start().await;
    let run = async |query: &str| {
        let answer = service.post("/AdminService/wmi/Haulier_Query.Run", &json!({ "Query": query })).await;
        assert_eq!((&answer["ReturnValue"], &answer["More"]), (&json!(0), &json!(false)), "{query}");
        assert!(!answer.to_string().contains("@odata.type"), "{query}: no row has a type of the metadata");
        answer["Rows"].clone()
    };
    let rows = run("SELECT * FROM SMS_DriverPackage").await;
    assert_eq!(rows[0]["__CLASS"], "SMS_DriverPackage");
    assert_eq!(rows[0]["PackageID"], "PS100001");
    let rows = run("SELECT p.PackageID, d.ServerNALPath FROM SMS_DriverPackage p \
                    JOIN SMS_DistributionPoint d ON d.PackageID = p.PackageID")
    .await;
    assert_eq!(rows.as_array().unwrap().len(), 1);
    assert_eq!(rows[0]["__CLASS"], "__GENERIC");
    assert_eq!(rows[0]["p"]["__CLASS"], "SMS_DriverPackage");
    assert_eq!(rows[0]["p"]["PackageID"], "PS100001");
    assert_eq!(rows[0]["d"]["__CLASS"], "SMS_DistributionPoint");
    let rows = run("SELECT COUNT(*) FROM SMS_DriverPackage").await;
    assert_eq!(rows, json!([{ "__CLASS": "__GENERIC", "Count": 1 }]));
}
