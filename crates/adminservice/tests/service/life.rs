//! The life of a package over HTTP: made, distributed, changed, refreshed, deleted; and who may do it.

use crate::harness::{PACKAGE, PASSWORD, Service, nal_path};
use axum::body::Body;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{Request, StatusCode};
use net::Peer;
use provider::Provider;
use serde_json::{Value as Json, json};
use signin::SignIn;
use site::{Actor, Role};
use tower::ServiceExt;

const ROUTE: &str = "/AdminService/wmi";
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
    let url = format!("http://{}{PACKAGES}", service.at.addr);
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
        json!({ "Name": name, "Password": password, "Role": role, "AllScopes": true }).to_string()
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
pub(crate) async fn a_schedule_is_stored_and_read_back_or_refused_whole() {
    let service = Service::start().await;
    let target = format!("{PACKAGES}('{PACKAGE}')");
    let weekly = r##"{"@odata.type":"#AdminService.SMS_ST_RecurInterval","DaySpan":7}"##;
    let body = |tokens: &str| format!(r#"{{"Description":"changed","RefreshSchedule":[{tokens}]}}"#);
    let many = vec![weekly; 16].join(",");
    let answer = service.send("PATCH", &target, &body(&many)).await;
    assert_eq!(answer.status, 400, "{}", answer.body);
    let status = &answer.json()["error"]["innererror"]["SMS_ExtendedStatus"];
    assert_eq!(
        (&status["StatusCode"], &status["ParameterInfo"]),
        (&json!(0x8004_103C_u32), &json!("RefreshSchedule"))
    );
    assert_eq!(package(&service, PACKAGE).await["Description"], "Network");
    assert_eq!(service.send("PATCH", &target, &body(weekly)).await.status, 200);
    let stored = package(&service, PACKAGE).await;
    assert_eq!(stored["Description"], "changed");
    assert_eq!(stored["RefreshSchedule"][0]["@odata.type"], "#AdminService.SMS_ST_RecurInterval");
    assert_eq!(stored["RefreshSchedule"][0]["DaySpan"], 7);
    let state = service.get(&format!("/AdminService/wmi/Haulier_PackageState('{PACKAGE}')")).await.json();
    assert!(state["value"][0]["NextScheduledRefresh"].is_string(), "{state}");
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
    let router =
        adminservice::router(Provider::new(service.site.clone()), SignIn::new(service.site.clone()), clock);
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
        request.extensions_mut().insert(Peer {
            addr: addr.parse().unwrap(),
            secure,
            certificate: None,
            server_certificate: None,
        });
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

/// Scripts read an assignment or a group, set one property and send all of it back, while the site moves on.
#[tokio::test]
pub(crate) async fn a_whole_object_comes_back_while_its_state_moves() {
    let service = Service::start().await;
    let nal = nal_path("dp1.example.test")
        .replace('[', "%5B")
        .replace(']', "%5D")
        .replace('"', "%22")
        .replace('\\', "%5C");
    let point =
        format!("{ROUTE}/SMS_DistributionPoint(PackageID='{PACKAGE}',ServerNALPath='{nal}',SiteCode='PS1')");
    let mut whole = service.get(&point).await.first();
    whole["RefreshNow"] = json!(true);
    for (name, moved) in [
        ("Status", json!(3)),
        ("LastRefreshTime", json!("2020-01-01T00:00:00Z")),
        ("SiteName", json!("Old name")),
    ] {
        assert_ne!(whole[name], moved, "{name}");
        // By itself it is a wish that the site does not grant.
        let alone = service.send("PATCH", &point, &json!({ name: moved }).to_string()).await;
        assert_eq!(alone.status, 400, "{name}: {}", alone.body);
        assert_eq!(alone.fault("StatusCode"), 0x8004_1023_u32, "{name}");
        whole[name] = moved;
    }
    service.post(&format!("{ROUTE}/SMS_DistributionPoint"), &whole).await;
    let put = service.send("PUT", &point, &whole.to_string()).await;
    assert_eq!(put.status, 200, "{}", put.body);
    assert_eq!(put.json()["SiteName"], service.get(&point).await.first()["SiteName"]);
    assert_ne!(put.json()["SiteName"], "Old name");

    let made =
        service.post(&format!("{ROUTE}/SMS_DistributionPointGroup"), &json!({ "Name": "Branches" })).await;
    let group = format!("{ROUTE}/SMS_DistributionPointGroup('{}')", made["GroupID"].as_str().unwrap());
    let mut whole = service.get(&group).await.first();
    let member = json!({ "DPNALPath": nal_path("dp1.example.test") });
    service.post(&format!("{group}/AdminService.AddDistributionPoints"), &member).await;
    assert_ne!(service.get(&group).await.first()["MemberCount"], whole["MemberCount"], "the state moved");
    whole["Description"] = json!("the small ones");
    let put = service.send("PUT", &group, &whole.to_string()).await;
    assert_eq!(
        (put.status, &put.json()["Description"], &put.json()["MemberCount"]),
        (200, &json!("the small ones"), &json!(1))
    );
    let alone = service.send("PATCH", &group, r#"{"MemberCount":7}"#).await;
    assert_eq!(alone.fault("StatusCode"), 0x8004_1023_u32, "{}", alone.body);
}

/// Every client of HTTP sends a `User-Agent`; it does not hide the name that a context handle keeps.
#[tokio::test]
pub(crate) async fn a_context_handle_names_the_application() {
    let service = Service::start().await;
    let admin = Service::credentials("admin");
    let agent = format!("{admin}User-Agent: curl/8\r\n");
    let raise = format!("{ROUTE}/SMS_StatusMessage.RaiseInformationalStatusMsg");
    let body = json!({ "MessageText": "done", "MessageType": 256 }).to_string();
    let keep = format!("{admin}SMS-Context-ApplicationName: Import\r\nSMS-Context-MachineName: PC1\r\n");
    let handle =
        service.send_with(&keep, "POST", &format!("{ROUTE}/SMS_ContextMethods.GetContextHandle"), "{}").await;
    let handle = handle.json()["ContextHandle"].as_str().unwrap().to_owned();
    for (headers, application) in [
        (format!("{agent}SMS-Context-MachineName: PC1\r\n"), "curl/8"),
        (format!("{agent}SMS-Context-ContextHandle: {handle}\r\n"), "Import"),
        (
            format!("{agent}SMS-Context-ContextHandle: {handle}\r\nSMS-Context-ApplicationName: Own\r\n"),
            "Own",
        ),
    ] {
        let raised = service.send_with(&headers, "POST", &raise, &body).await;
        assert_eq!(raised.status, 201, "{}", raised.body);
        let newest =
            service.get(&format!("{ROUTE}/SMS_StatMsg?$orderby=RecordID%20desc&$top=1")).await.first();
        assert_eq!(newest["Component"], application, "{newest}");
    }
}
