//! What clients get wrong, or try: each gets the protocol's own refusal, with the HRESULT of the provider where the
//! provider refused, and nothing about what is behind the service.

use adminservice::{BODY_BYTES_MAX, URL_BYTES_MAX};
use serde_json::{Value as Json, json};

use crate::harness::{Answer, HOST, PACKAGE, Service, nal_path};

/// What no answer says: statements, the database, places of the program and of the machine.
const INSIDE: [&str; 10] =
    ["select ", "insert ", "sqlite", "postgres", "sqlx", "panicked", ".rs:", "/tmp/", "src/", "stack"];

/// The error object is in the form that clients read, and says nothing of the inside.
fn check_form(answer: &Answer, status: u16, what: &str) {
    assert_eq!(answer.status, status, "{what}: {}", answer.body);
    assert!(answer.head.contains("content-type: application/json"), "{what}: {}", answer.head);
    assert!(answer.head.contains("odata-version: 4.0"), "{what}: {}", answer.head);
    assert!(!answer.body.contains('\''), "{what}: apostrophes are escaped: {}", answer.body);
    let error = &answer.json()["error"];
    assert_eq!(error["code"], status.to_string(), "{what}");
    assert!(!error["message"].as_str().unwrap().is_empty(), "{what}");
    let said = answer.body.to_lowercase();
    for inside in INSIDE {
        assert!(!said.contains(inside), "{what}: {inside}: {}", answer.body);
    }
}

/// With the provider's error object: its HRESULT, and the texts that belong to it.
fn check_provider(answer: &Answer, status: u16, hresult: u32, what: &str) {
    check_form(answer, status, what);
    assert_eq!(answer.fault("StatusCode"), json!(hresult), "{what}: {}", answer.body);
    assert_eq!(answer.fault("Description"), answer.json()["error"]["message"], "{what}");
    assert_ne!(answer.fault("ErrorCode"), json!(0), "{what}: {}", answer.body);
    assert!(answer.fault("SQLMessage").is_null(), "{what}");
}

#[tokio::test]
pub(crate) async fn the_provider_refuses_with_its_hresult() {
    let service = Service::start().await;
    let package = format!("SMS_DriverPackage('{PACKAGE}')");
    let long = json!({ "Name": "x".repeat(300) }).to_string();
    let everywhere = format!("{package}/AdminService.AddDistributionPoints");
    let content = format!("{package}/AdminService.AddDriverContent");
    for (method, target, body, status, hresult) in [
        // Names that mean nothing.
        ("GET", "SMS_Nothing", "", 404, 0x8004_1010_u32),
        ("GET", "SMS_BaseClass", "", 404, 0x8004_1010),
        ("GET", "SMS_ScheduleToken", "", 404, 0x8004_1010),
        ("POST", "SMS_Nothing", "{}", 404, 0x8004_1010),
        ("POST", "SMS_Nothing.Do", "{}", 404, 0x8004_1010),
        ("GET", "SMS_DriverPackage?$filter=Nothing%20eq%201", "", 400, 0x8004_1031),
        ("GET", "SMS_DriverPackage?$select=Name,Nothing", "", 400, 0x8004_1031),
        ("GET", "SMS_DriverPackage?$orderby=Nothing", "", 400, 0x8004_1031),
        ("PATCH", &package, r#"{"Nothing":1}"#, 400, 0x8004_1031),
        ("POST", &format!("{package}/AdminService.Nothing"), "", 404, 0x8004_102E),
        ("POST", "SMS_DriverPackage.Nothing", "", 404, 0x8004_102E),
        ("POST", &format!("{package}/RefreshPkgSource"), r#"{"Nothing":1}"#, 400, 0x8004_102F),
        // Values of the wrong type, too long, too many, missing.
        ("PATCH", &package, r#"{"Priority":"high"}"#, 400, 0x8004_1005),
        ("PATCH", &package, r#"{"Priority":1.5}"#, 400, 0x8004_1005),
        ("PATCH", &package, r#"{"Priority":4294967296}"#, 400, 0x8004_1005),
        ("PATCH", &package, r#"{"Name":true}"#, 400, 0x8004_1005),
        ("PATCH", &package, r#"{"Name":["a"]}"#, 400, 0x8004_1005),
        ("PATCH", &package, r#"{"IgnoreAddressSchedule":"perhaps"}"#, 400, 0x8004_1005),
        ("PATCH", &package, r#"{"RefreshSchedule":"weekly"}"#, 400, 0x8004_1005),
        ("PATCH", &package, &long, 400, 0x8004_103C),
        ("PATCH", &package, r#"{"PackageID":null}"#, 400, 0x8004_1028),
        ("POST", &content, r#"{"ContentIDs":["x"],"ContentSourcePath":["y"]}"#, 400, 0x8004_1005),
        ("POST", &content, "{}", 400, 0x8004_102F),
        ("POST", "SMS_DriverPackage.CheckSourceFolder", r#"{"SourceFolder":null}"#, 400, 0x8004_102F),
        ("GET", "SMS_DriverPackage?$filter=Priority%20eq%20'high'", "", 400, 0x8004_1017),
        ("GET", "SMS_DriverPackage?$filter=SourceDate%20gt%20'soon'", "", 400, 0x8004_1017),
        ("GET", "SMS_DriverPackage?$filter=ExtendedData%20eq%201", "", 400, 0x8004_1017),
        // Keys.
        ("GET", "SMS_DriverPackage('PS1FFFFF')", "", 404, 0x8004_1002),
        ("GET", "SMS_DriverPackage(Name='x')", "", 400, 0x8004_103A),
        ("GET", "SMS_DriverPackage(PackageID='x',Name='y')", "", 400, 0x8004_103A),
        ("GET", "SMS_DistributionPoint('x')", "", 400, 0x8004_103A),
        ("GET", "SMS_Driver('many')", "", 400, 0x8004_103A),
        ("GET", "SMS_Driver(99999999999999999999)", "", 400, 0x8004_103A),
        ("DELETE", "SMS_DriverPackage('PS1FFFFF')", "", 404, 0x8004_1002),
        ("PATCH", "SMS_DriverPackage('PS1FFFFF')", "{}", 404, 0x8004_1002),
        ("POST", "SMS_DriverPackage('PS1FFFFF')/RefreshPkgSource", "", 404, 0x8004_1002),
        ("POST", "SMS_DriverPackage.RefreshPkgSource", "", 400, 0x8004_103A),
        ("POST", &everywhere, r#"{"SiteCode":["PS1"],"NALPath":["../../etc"]}"#, 400, 0x8004_1008),
        // What is read-only, and classes that are.
        ("POST", "SMS_DriverPackage", r#"{"Name":"x","SourceVersion":7}"#, 400, 0x8004_1023),
        ("PATCH", &package, r#"{"SourceVersion":7}"#, 400, 0x8004_1023),
        ("PATCH", &package, r#"{"PackageID":"PS100009"}"#, 400, 0x8004_1023),
        ("POST", "SMS_Identification", r#"{"ThisSiteCode":"PS2"}"#, 405, 0x8004_100C),
        ("POST", "SMS_PackageBaseclass", r#"{"Name":"x"}"#, 405, 0x8004_100C),
        ("DELETE", "SMS_ProviderLocation('PS1')", "", 405, 0x8004_100C),
        // Conflicts.
        ("PATCH", &package, r#"{"SedoObjectVersion":"old","Name":"x"}"#, 409, 0x8004_1001),
        (
            "POST",
            "Haulier_User",
            r#"{"Name":"reader","Password":"a long enough one","Role":"reader","AllScopes":true}"#,
            409,
            0x8004_1019,
        ),
    ] {
        let answer = service.send(method, &format!("/AdminService/wmi/{target}"), body).await;
        check_provider(&answer, status, hresult, &format!("{method} {target} {body:.60}"));
    }
}

#[tokio::test]
pub(crate) async fn the_service_refuses_what_it_cannot_read() {
    let service = Service::start().await;
    let list = "SMS_DriverPackage";
    let package = format!("SMS_DriverPackage('{PACKAGE}')");
    let deep = format!("{{\"x\":{}", "[".repeat(1_000));
    let nested = format!("{list}?$filter={}Name%20eq%20'x'{}", "(".repeat(200), ")".repeat(200));
    let chained = format!("{list}?$filter=Priority%20in%20({})", vec!["1"; 5_000].join(","));
    let long = format!("{list}?x={}", "x".repeat(URL_BYTES_MAX));
    let huge = format!("{{\"Name\":\"{}\"}}", "x".repeat(BODY_BYTES_MAX));
    let many = format!("{{\"Icon\":[{}]}}", vec!["1"; 60_000].join(","));
    for (method, target, body, status) in [
        ("GET", "../v1.0/Device", "", 404),
        ("GET", "../v1.0/$metadata", "", 404),
        ("GET", "SMS_DriverPackage()", "", 404),
        ("GET", "SMS_DriverPackage('x',1)", "", 404),
        ("GET", "SMS_DriverPackage('x", "", 404),
        ("GET", "SMS_DriverPackage;DROP", "", 404),
        ("GET", "SMS_DriverPackage%00", "", 404),
        ("GET", "%ff", "", 404),
        ("GET", "a/b/c/d/e/f/g/h", "", 404),
        ("GET", "SMS_DriverPackage?$filter=Name%20eq", "", 400),
        ("GET", "SMS_DriverPackage?$filter=", "", 400),
        ("GET", "SMS_DriverPackage?$filter=Name%20eq%20'x'%20;%20DROP%20TABLE%20package", "", 400),
        ("GET", "SMS_DriverPackage?$filter=Name%20eq%20'x'--", "", 400),
        ("GET", "SMS_DriverPackage?$filter=evil(Name)", "", 400),
        ("GET", "SMS_DriverPackage?$top=-1", "", 400),
        ("GET", "SMS_DriverPackage?$top=99999999999999999999", "", 400),
        ("GET", "SMS_DriverPackage?$top=1&$TOP=2", "", 400),
        ("GET", "SMS_DriverPackage?$filter=%ff", "", 400),
        ("GET", "SMS_DriverPackage?$expand=x", "", 400),
        ("GET", "SMS_DriverPackage?$search=x", "", 400),
        ("GET", "SMS_DriverPackage?$apply=x", "", 400),
        ("GET", "SMS_DriverPackage?$compute=x", "", 400),
        ("GET", "SMS_DriverPackage?$format=xml", "", 400),
        ("GET", &nested, "", 400),
        ("GET", &chained, "", 400),
        ("GET", list, "$filter=Name eq 'x'", 400),
        ("GET", list, "%24filter=x", 400),
        ("GET", &long, "", 414),
        ("POST", list, "[]", 400),
        ("POST", list, "{\"Name\":", 400),
        ("POST", list, "Name=x", 400),
        ("POST", list, r#"{"Name":"a","Name":"b"}"#, 400),
        ("POST", list, r#"{"Name":"a","name":"b"}"#, 400),
        ("POST", list, r#"{"Name":{}}"#, 400),
        ("POST", list, r#"{"Icon":"no base64!"}"#, 400),
        ("POST", list, r#"{"RefreshSchedule":[{"@odata.type":"Nothing"}]}"#, 400),
        ("POST", list, &deep, 400),
        ("POST", list, &many, 400),
        ("POST", list, &huge, 413),
        ("DELETE", list, "", 405),
        ("PATCH", list, "{}", 405),
        ("POST", &package, "{}", 405),
        ("PUT", "SMS_Identification.GetSiteID", "", 405),
        ("GET", "Haulier_ContentLibrary.Collect", "", 405),
        ("TRACE", list, "", 405),
    ] {
        let answer = service.send(method, &format!("/AdminService/wmi/{target}"), body).await;
        let what = format!("{method} {target:.80} {body:.60}");
        check_form(&answer, status, &what);
        assert_eq!(status == 405, answer.head.contains("\r\nallow:"), "{what}: {}", answer.head);
    }
}

#[tokio::test]
pub(crate) async fn headers_that_do_not_hold_are_refused() {
    let service = Service::start().await;
    let admin = Service::credentials("admin");
    let package = format!("/AdminService/wmi/SMS_DriverPackage('{PACKAGE}')");
    let refresh = format!("{package}/AdminService.RefreshPkgSource");
    for (method, target, header, status) in [
        ("PATCH", &package, "If-Match: \"PS1FFFFF\"", 412),
        ("DELETE", &package, "If-Match: \"\"", 412),
        ("POST", &refresh, "If-Match: W/\"x\"", 412),
        ("GET", &package, "SMS-Context-LocaleID: german", 400),
        ("GET", &package, "SMS-Context-InstanceCount: -1", 400),
        ("POST", &refresh, "SMS-Context-QueryQualifiers: perhaps", 400),
    ] {
        let answer = service.send_with(&format!("{admin}{header}\r\n"), method, target, "{}").await;
        check_form(&answer, status, header);
        if header.starts_with("SMS") {
            check_provider(&answer, status, 0x8004_1008, header);
        }
    }
    // What a form of another site's page makes a browser send.
    for header in [
        "Sec-Fetch-Site: cross-site",
        "Sec-Fetch-Site: same-site",
        "Origin: http://evil.test",
        "Origin: null",
    ] {
        let headers = format!("{admin}{header}\r\n");
        check_form(&service.send_with(&headers, "POST", &refresh, "{}").await, 403, header);
        assert_eq!(service.send_with(&headers, "GET", &package, "").await.status, 200, "{header}");
    }
    let own = format!("{admin}Origin: http://{HOST}\r\nSec-Fetch-Site: same-origin\r\n");
    assert_eq!(service.send_with(&own, "POST", &refresh, "{}").await.status, 201);
    for header in ["If-Match: *", "If-Match: PS100001", "If-Match: \"ps100001\""] {
        let answer = service.send_with(&format!("{admin}{header}\r\n"), "PATCH", &package, "{}").await;
        assert_eq!(answer.status, 200, "{header}: {}", answer.body);
    }
}

/// Who may not, and who is nobody, learns no more than that.
#[tokio::test]
pub(crate) async fn credentials_that_do_not_do_are_refused() {
    let service = Service::start().await;
    let package = format!("/AdminService/wmi/SMS_DriverPackage('{PACKAGE}')");
    for header in [
        "",
        "Authorization: Basic\r\n",
        "Authorization: Basic !!!!\r\n",
        "Authorization: Basic YWRtaW46d3Jvbmc=\r\n",
        "Authorization: Basic bm9ib2R5Ondyb25n\r\n",
        "Authorization: Bearer x\r\n",
        "Authorization: Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiJhZG1pbiJ9.\r\n",
        "Authorization: Negotiate YII=\r\n",
    ] {
        let answer = service.send_with(header, "GET", &package, "").await;
        check_form(&answer, 401, header);
    }
    for (method, target, body) in [
        ("DELETE", package.clone(), ""),
        ("PATCH", package.clone(), r#"{"Name":"x"}"#),
        ("POST", format!("{package}/AdminService.RefreshPkgSource"), "{}"),
        ("POST", "/AdminService/wmi/SMS_DriverPackage".to_owned(), r#"{"Name":"x"}"#),
    ] {
        let answer = service.send_as("reader", method, &target, body).await;
        check_provider(&answer, 403, 0x8004_1003, &target);
    }
}

/// Texts that look like statements, patterns or paths are texts: stored, found by themselves, and nothing else.
#[tokio::test]
pub(crate) async fn texts_are_texts() {
    let service = Service::start().await;
    for text in [
        "'; DROP TABLE package; --",
        "x' OR '1'='1",
        "100%_[a-z]",
        r"..\..\etc\passwd",
        "a\"b\\c",
        "emoji \u{1f69a} and \u{fb00}",
        "%25%27",
        "<script>alert(1)</script>",
    ] {
        let made = service.post("/AdminService/wmi/SMS_DriverPackage", &json!({ "Name": text })).await;
        assert_eq!(made["Name"], text);
        let quoted = encoded(&text.replace('\'', "''"));
        for filter in
            ["Name%20eq%20'{}'", "contains(Name,'{}')", "startswith(Name,'{}')", "Name%20in%20('{}')"]
        {
            let query = filter.replace("{}", &quoted);
            let rows =
                service.get(&format!("/AdminService/wmi/SMS_DriverPackage?$filter={query}")).await.rows();
            let ids: Vec<&Json> = rows.iter().map(|row| &row["PackageID"]).collect();
            assert_eq!(ids, [&made["PackageID"]], "{text}: {query}");
        }
        // A key that is no key.
        let answer = service.get(&format!("/AdminService/wmi/SMS_DriverPackage('{quoted}')")).await;
        check_provider(&answer, 404, 0x8004_1002, text);
    }
    for pattern in ["%25", "_", "[D]", "D_ivers"] {
        let target =
            format!("/AdminService/wmi/SMS_DriverPackage?$filter=contains(Manufacturer,'{pattern}')");
        assert_eq!(service.get(&target).await.rows(), Vec::<Json>::new(), "{pattern}");
    }
    let nal = encoded(&nal_path("dp1.example.test"));
    let point = format!("SMS_DistributionPoint(SiteCode='PS1',ServerNALPath='{nal}',PackageID='{PACKAGE}')");
    assert_eq!(service.get(&format!("/AdminService/wmi/{point}")).await.status, 200);
}

/// Percent-encoded, every byte of it.
fn encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}
