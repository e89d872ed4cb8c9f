//! The life of a package over HTTP: made, distributed, changed, refreshed, deleted; and who may do it.

use crate::harness::{PACKAGE, PASSWORD, Service, nal_path};
use axum::body::Body;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{Request, StatusCode};
use net::Peer;
use provider::Provider;
use serde_json::{Value as Json, json};
use site::{Actor, Role};
use tower::ServiceExt;

const PACKAGES: &str = "/AdminService/wmi/SMS_DriverPackage";

async fn package(service: &Service, id: &str) -> Json {
    service.get(&format!("{PACKAGES}('{id}')")).await.first()
}

async fn states(service: &Service, filter: &str) -> Vec<(String, Json, Json)> {
    let target = format!(
        "/AdminService/wmi/SMS_PackageStatusDistPointsSummarizer?$orderby=ServerNALPath&$filter={filter}"
    );
    let rows = service.get(&target).await.json()["value"].as_array().unwrap().clone();
    let row = |row: &Json| {
        (row["PackageID"].as_str().unwrap().to_owned(), row["State"].clone(), row["SourceVersion"].clone())
    };
    rows.iter().map(row).collect()
}

#[tokio::test]
pub(crate) async fn a_package_is_made_changed_and_deleted_by_a_rest_client() {
    let service = Service::start().await;
    let client = reqwest::Client::builder().build().unwrap();
    let url = format!("http://{}{PACKAGES}", service.addr);
    let send = |request: reqwest::RequestBuilder| {
        let request = request.basic_auth("admin", Some(PASSWORD));
        async move { request.send().await.unwrap() }
    };
    let body = json!({ "Name": "HP 840", "PkgSourceFlag": 2, "PkgSourcePath": "\\\\srv.example.test\\src\\dell", "PackageType": 3, "RefreshSchedule": [] });
    let made = send(client.post(&url).json(&body)).await;
    assert_eq!(made.status(), 201);
    let location = made.headers()["location"].to_str().unwrap().to_owned();
    let made: Json = made.json().await.unwrap();
    assert_eq!(
        (&made["PackageID"], &made["SourceVersion"], &made["__QUALIFIER_SECURITYVERBS"]),
        (&json!("PS100002"), &json!(1), &json!(-1))
    );
    assert!(made["@odata.context"].as_str().unwrap().ends_with("/$metadata#SMS_DriverPackage/$entity"));

    let changed =
        send(client.patch(&location).json(&json!({ "Description": "for the 840", "Priority": 1 }))).await;
    assert_eq!(changed.status(), 200);
    // The whole entity goes back with one change, as scripts do it; what is read-only is unchanged and so allowed.
    let mut whole: Json = changed.json().await.unwrap();
    whole["Version"] = json!("2.0");
    assert_eq!(send(client.put(&location).json(&whole)).await.status(), 200);
    // By now the entity is stale.
    assert_eq!(send(client.put(&location).json(&whole)).await.status(), 409);
    let minimal =
        send(client.patch(&location).header("prefer", "return=minimal").json(&json!({ "Language": "en" })))
            .await;
    assert_eq!((minimal.status(), minimal.bytes().await.unwrap().len()), (StatusCode::NO_CONTENT, 0));
    let named = send(client.post(&url).json(&json!({ "PackageID": "PS100002", "Manufacturer": "HP" }))).await;
    assert_eq!(named.status(), 201);
    let now = package(&service, "PS100002").await;
    let seen = ["Name", "Description", "Version", "Language", "Manufacturer"]
        .map(|name| now[name].as_str().unwrap().to_owned());
    assert_eq!(seen, ["HP 840", "for the 840", "2.0", "en", "HP"]);

    assert_eq!(send(client.delete(&location)).await.status(), 204);
    assert_eq!(send(client.get(&location)).await.status(), 404);
}

#[tokio::test]
pub(crate) async fn refreshing_publishes_the_next_version() {
    let service = Service::start().await;
    let call = format!("{PACKAGES}('{PACKAGE}')/AdminService.RefreshPkgSource");
    for (version, body) in [(2, ""), (3, "{}")] {
        let answer = service.send("POST", &call, body).await;
        assert_eq!((answer.status, &answer.json()["ReturnValue"]), (201, &json!(0)), "{}", answer.body);
        service.snapshot().await;
        assert_eq!(package(&service, PACKAGE).await["SourceVersion"], version);
    }
    // Writing the flag does the same, also for who may refresh but not change packages.
    let flag = r#"{"RefreshPkgSourceFlag":true}"#;
    let answer = service.send_as("operator", "PATCH", &format!("{PACKAGES}('{PACKAGE}')"), flag).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    service.snapshot().await;
    let now = package(&service, PACKAGE).await;
    assert_eq!((&now["SourceVersion"], &now["RefreshPkgSourceFlag"]), (&json!(4), &json!(false)));
}

#[tokio::test]
pub(crate) async fn a_package_is_distributed_in_both_ways_and_removed() {
    let service = Service::start().await;
    let add = json!({ "SiteCode": ["PS1"], "NALPath": [nal_path("dp2.example.test")] }).to_string();
    let call = format!("{PACKAGES}('{PACKAGE}')/AdminService.AddDistributionPoints");
    assert_eq!(service.send("POST", &call, &add).await.status, 201);
    let twice = service.send("POST", &call, &add).await;
    assert_eq!(twice.status, 409);
    assert!(twice.body.contains("already exists"), "{}", twice.body);
    assert_eq!(states(&service, "SiteCode%20eq%20'PS1'").await.len(), 2);

    let body = r#"{"Name":"HP 840","PkgSourceFlag":2,"PkgSourcePath":"\\\\srv.example.test\\src\\dell"}"#;
    assert_eq!(service.send("POST", PACKAGES, body).await.status, 201);
    let points = "/AdminService/wmi/SMS_DistributionPoint";
    let point = json!({ "PackageID": "PS100002", "ServerNALPath": nal_path("dp1.example.test"), "SiteCode": "PS1", "SiteName": "PS1" });
    let made = service.send("POST", points, &point.to_string()).await;
    assert_eq!(made.status, 201, "{}", made.body);
    assert_eq!(made.json()["ObjectTypeID"], 23);
    let location = made.head.lines().find_map(|line| line.strip_prefix("location: ")).unwrap().to_owned();
    let target =
        location.split_once("srv.example.test").unwrap().1.replacen("adminservice", "AdminService", 1);
    assert_eq!(service.get(&target).await.status, 200, "{target}");
    assert_eq!(
        states(&service, "PackageID%20eq%20'PS100002'").await,
        [("PS100002".to_owned(), json!(1), json!(0))]
    );

    assert_eq!(service.send("PATCH", &target, r#"{"RefreshNow":true}"#).await.status, 200);
    assert_eq!(service.send("PATCH", &target, r#"{"PackageID":"PS100001"}"#).await.status, 400);
    assert_eq!(service.send("PATCH", &target, r#"{"ISVString":"x"}"#).await.status, 200);
    assert_eq!(service.get(&target).await.first()["ISVString"], "x");
    assert_eq!(service.send("DELETE", &target, "").await.status, 204);
    // Its agent has not reported yet.
    assert_eq!(service.get(&target).await.first()["Status"], 3);
}

#[tokio::test]
pub(crate) async fn bad_distribution_requests_change_nothing() {
    let service = Service::start().await;
    let call = format!("{PACKAGES}('{PACKAGE}')/AdminService.AddDistributionPoints");
    for (body, status) in [
        (json!({ "SiteCode": ["PS1"], "NALPath": [] }), 400),
        (json!({ "SiteCode": ["PS1", "PS1"], "NALPath": [nal_path("dp2.example.test")] }), 400),
        (json!({ "SiteCode": ["PS1"], "NALPath": [nal_path("dp9.example.test")] }), 404),
        (json!({ "SiteCode": ["PS2"], "NALPath": [nal_path("dp2.example.test")] }), 400),
        (json!({ "SiteCode": ["PS1"], "NALPath": ["../../etc"] }), 400),
        (
            json!({ "SiteCode": ["PS1", "PS1"], "NALPath": [nal_path("dp2.example.test"), nal_path("dp9.example.test")] }),
            404,
        ),
    ] {
        let answer = service.send("POST", &call, &body.to_string()).await;
        assert_eq!(answer.status, status, "{body}: {}", answer.body);
    }
    assert_eq!(states(&service, "SiteCode%20eq%20'PS1'").await.len(), 1);
    let verify = json!({ "PackageId": "PS1FFFFF", "NALPath": nal_path("dp1.example.test") }).to_string();
    assert_eq!(
        service.send("POST", "/AdminService/wmi/SMS_DistributionPoint.VerifyPackage", &verify).await.status,
        404
    );
}

#[tokio::test]
pub(crate) async fn ordinary_refusals_are_no_failures_of_the_server() {
    let service = Service::start().await;
    let nal = nal_path("dp1.example.test");
    let verify = json!({ "PackageId": PACKAGE, "NALPath": nal }).to_string();
    let point = "/AdminService/wmi/SMS_DistributionPoint";
    let user = |name: &str, password: &str, role: &str| {
        json!({ "Name": name, "Password": password, "Role": role }).to_string()
    };
    let users = "/AdminService/wmi/Haulier_User";
    let tokens = "/AdminService/wmi/Haulier_Token.Create";
    for (target, body, status, hresult, cause) in [
        // The assignment waits for its first version.
        (&format!("{point}.VerifyPackage"), verify, 409, 0x8004_1001_u32, "transition_refused"),
        (&users.to_owned(), user("a b", "x", "reader"), 400, 0x8004_1008, "invalid_option"),
        (&users.to_owned(), user("ab", "", "reader"), 400, 0x8004_1008, "invalid_option"),
        (&users.to_owned(), user("ab", "x", "owner"), 400, 0x8004_1008, "invalid_option"),
        (&tokens.to_owned(), json!({ "LifeDays": 400 }).to_string(), 400, 0x8004_1008, "invalid_option"),
        (&tokens.to_owned(), json!({ "UserName": "nobody" }).to_string(), 404, 0x8004_1002, "user_not_found"),
    ] {
        let answer = service.send("POST", target, &body).await;
        let inner = &answer.json()["error"]["innererror"]["SMS_ExtendedStatus"];
        let seen = (answer.status, &inner["StatusCode"], &inner["CauseInfo"]);
        assert_eq!(seen, (status, &json!(hresult), &json!(cause)), "{target} {body}: {}", answer.body);
    }
}

#[tokio::test]
pub(crate) async fn a_schedule_is_refused_and_nothing_is_stored() {
    let service = Service::start().await;
    let body = r##"{"Description":"changed","RefreshSchedule":[{"@odata.type":"#AdminService.SMS_ST_RecurInterval","DaySpan":7}]}"##;
    let answer = service.send("PATCH", &format!("{PACKAGES}('{PACKAGE}')"), body).await;
    assert_eq!(answer.status, 400, "{}", answer.body);
    let status = &answer.json()["error"]["innererror"]["SMS_ExtendedStatus"];
    assert_eq!(
        (&status["StatusCode"], &status["ParameterInfo"]),
        (&json!(0x8004_103C_u32), &json!("RefreshSchedule"))
    );
    assert_eq!(package(&service, PACKAGE).await["Description"], "Network");
}

#[tokio::test]
pub(crate) async fn roles_decide_who_may_do_what() {
    let service = Service::start().await;
    let target = format!("{PACKAGES}('{PACKAGE}')");
    let refresh = format!("{target}/AdminService.RefreshPkgSource");
    for (user, change, refreshed) in
        [("reader", 403, 403), ("operator", 403, 201), ("author", 200, 201), ("admin", 200, 201)]
    {
        assert_eq!(service.send_as(user, "GET", &target, "").await.status, 200, "{user}");
        assert_eq!(
            service.send_as(user, "PATCH", &target, r#"{"Language":"de"}"#).await.status,
            change,
            "{user}"
        );
        assert_eq!(service.send_as(user, "POST", &refresh, "").await.status, refreshed, "{user}");
    }
    let denied = service.send_as("reader", "DELETE", &target, "").await;
    let status = &denied.json()["error"]["innererror"]["SMS_ExtendedStatus"];
    assert_eq!(
        (denied.status, &status["StatusCode"], &status["ErrorCode"]),
        (403, &json!(0x8004_1003_u32), &json!(5))
    );
}

#[tokio::test]
pub(crate) async fn nobody_gets_in_without_credentials() {
    let clock = Service::fixed_clock();
    let service = Service::start_with(clock.clone()).await;
    let wrong = format!("Authorization: Basic {}\r\n", STANDARD.encode("admin:wrong password"));
    for headers in ["", "Authorization: Negotiate YII=\r\n", "Authorization: Bearer nothing\r\n", &wrong] {
        for target in [PACKAGES, "/AdminService/wmi/$metadata", "/AdminService/nothing"] {
            let answer = service.send_with(headers, "GET", target, "").await;
            assert_eq!(answer.status, 401, "{headers}: {}", answer.body);
            assert!(
                answer.head.contains("www-authenticate: basic")
                    && answer.head.contains("www-authenticate: bearer")
            );
        }
    }
    let life = std::time::Duration::from_secs(3600);
    let token = service.site.create_token(&Actor::local(), "reader", "test", life).await.unwrap();
    let bearer = format!("Authorization: Bearer {}\r\n", token.secret);
    assert_eq!(service.send_with(&bearer, "GET", PACKAGES, "").await.status, 200);
    clock.advance(life * 2);
    assert_eq!(service.send_with(&bearer, "GET", PACKAGES, "").await.status, 401);
}

#[tokio::test]
pub(crate) async fn a_domain_before_a_name_is_left_out_and_no_name_has_one() {
    let service = Service::start().await;
    let made = service.site.create_user(&Actor::local(), r"CORP\reader", PASSWORD, Role::Operator).await;
    assert_eq!(made.unwrap_err().code(), "invalid_option", "this user could never sign in");
    let who = "/AdminService/wmi/SMS_Identification.GetCurrentUser";
    for (sent, name) in [(r"CORP\reader", "reader"), (r"a\b\admin", "admin"), ("reader", "reader")] {
        let answer = service.send_as(sent, "GET", who, "").await;
        assert_eq!((answer.status, &answer.json()["UserName"]), (201, &json!(name)), "{sent}");
    }
}

#[tokio::test]
pub(crate) async fn credentials_travel_only_over_tls_or_on_this_machine() {
    let service = Service::start().await;
    let clock = Service::fixed_clock();
    let router = adminservice::router(Provider::new(service.site.clone()), service.site.clone(), clock);
    for (addr, secure, status) in [
        ("127.0.0.1:5", false, 200),
        ("[::1]:5", false, 200),
        ("[::ffff:127.0.0.1]:5", false, 200),
        ("192.0.2.7:5", false, 403),
        ("192.0.2.7:5", true, 200),
    ] {
        let credentials = STANDARD.encode(format!("admin:{PASSWORD}"));
        let mut request = Request::get(PACKAGES)
            .header("host", "srv.example.test")
            .header("authorization", format!("Basic {credentials}"))
            .body(Body::empty())
            .unwrap();
        request.extensions_mut().insert(Peer { addr: addr.parse().unwrap(), secure, certificate: None });
        let answer = router.clone().oneshot(request).await.unwrap();
        assert_eq!(answer.status(), status, "{addr} {secure}");
        let body = axum::body::to_bytes(answer.into_body(), 1 << 20).await.unwrap();
        let json: Json = serde_json::from_slice(&body).unwrap();
        match status {
            403 => assert!(json["error"]["message"].as_str().unwrap().contains("https"), "{json}"),
            _ => {
                let scheme = if secure { "https://srv" } else { "http://srv" };
                assert!(json["@odata.context"].as_str().unwrap().starts_with(scheme), "{json}");
            }
        }
    }
}

#[tokio::test]
pub(crate) async fn an_oversized_body_is_refused() {
    let service = Service::start().await;
    let body = format!("{{\"Name\":\"{}\"}}", "x".repeat(adminservice::BODY_BYTES_MAX));
    let answer = service.send("POST", PACKAGES, &body).await;
    assert_eq!(answer.status, 413, "{}", answer.body);
    // Who may not change anything is not even heard out.
    let answer = service.send_as("reader", "POST", PACKAGES, &body[..20_000]).await;
    assert_eq!(answer.status, 413, "{}", answer.body);
}
