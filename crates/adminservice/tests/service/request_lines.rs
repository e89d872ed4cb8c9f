//! The request lines that public scripts send, as they send them, and every spelling that clients use.

use crate::harness::{PACKAGE, PASSWORD, Service, nal_path};
use serde_json::{Value as Json, json};
use site::{Actor, NewPackage};

#[tokio::test]
pub(crate) async fn request_lines_of_scripts_find_the_package() {
    let service = Service::start().await;
    for query in [
        "",
        "/",
        "?$filter=contains(Name,'Dell')",
        "/?$filter=contains(Name,'dell')",
        "?$filter=startswith(Name,'Drivers%20-')&$select=Name,Description,Manufacturer,Version,SourceDate,PackageID,MIFName,MIFVersion",
        "?$filter=startswith(Name,'Drivers+-+')&$select=Name,Description,Manufacturer,Version,SourceDate,PackageID",
        "?$Filter=contains(Name,%27Drivers%27)%20eq%20true",
        "?%24filter=PackageID%20eq%20'PS100001'&$select=PackageID,Name,Description",
        "?$filter=packageid%20eq%20'ps100001'",
        "?$filter=Priority%20eq%202%20and%20(PkgSourceFlag%20eq%202%20or%20Name%20eq%20'x&y')&$top=5",
        "?$filter=tolower(Manufacturer)%20eq%20'dell'&$orderby=Name%20desc,PackageID&$skip=0",
        "?$filter=SourceDate%20gt%202025-01-01T00:00:00Z",
        "?$filter=ForcedDisconnectEnabled%20eq%20false%20and%20LastRefreshTime%20ne%20null%20or%20PackageID%20in%20('PS100001')",
        "?$select=*",
        "?$filter=SecuredScopeNames/any(s:%20s%20eq%20'default')",
        "?$filter=LocalizedCategoryInstanceNames/any(item:%20item%20eq%20'x')%20eq%20false",
        "(PS100001)",
        "('PS100001')",
        "(%27PS100001%27)",
        "(PackageID='ps100001')",
        "/PS100001",
        "/PS100001/?$select=PackageID",
    ] {
        for class in ["wmi/SMS_DriverPackage", "wmi/sms_driverpackage", "WMI/SMS_PackageBaseclass"] {
            let target = format!("/AdminService/{class}{query}");
            let answer = service.get(&target).await;
            assert_eq!(answer.status, 200, "{target}: {}", answer.body);
            assert_eq!(answer.first()["PackageID"], PACKAGE, "{target}: {}", answer.body);
        }
    }
    assert_eq!(service.get("/adminservice/wmi/SMS_DriverPackage/$count").await.body, "1");
}

#[tokio::test]
pub(crate) async fn selected_properties_come_alone_and_in_order() {
    let service = Service::start().await;
    let answer =
        service.get("/AdminService/wmi/SMS_DriverPackage?$select=packageid,Name,SecuredScopeNames").await;
    let expect = r#"{"Name":"Drivers - Dell 7440","PackageID":"PS100001","SecuredScopeNames":["Default"]}"#;
    assert_eq!(answer.first().to_string(), expect);
    let path = service.get("/AdminService/wmi/SMS_DriverPackage?$select=__PATH").await;
    let expect = r#"\\srv.example.test\root\sms\site_PS1:SMS_DriverPackage.PackageID="PS100001""#;
    assert_eq!(path.first(), json!({ "__PATH": expect }));
    for target in
        ["SMS_DriverPackage?$select=@odata.etag", "SMS_DriverPackage('PS100001')?$select=@odata.etag,__CLASS"]
    {
        let etag = service.get(&format!("/AdminService/wmi/{target}")).await;
        assert_eq!(etag.status, 200, "{target}: {}", etag.body);
        assert_eq!(etag.first()["@odata.etag"], PACKAGE, "{target}");
    }
}

#[tokio::test]
pub(crate) async fn nothing_found_is_an_empty_list() {
    let service = Service::start().await;
    for query in [
        "$filter=Name eq 'none'",
        "$skip=1",
        "$top=0",
        "$filter=contains(Name,'%25')",
        "$filter=Name eq 'Drivers _ Dell 7440'",
    ] {
        let answer =
            service.get(&format!("/AdminService/wmi/SMS_DriverPackage?{}", query.replace(' ', "%20"))).await;
        assert_eq!((answer.status, answer.json()["value"].clone()), (200, json!([])), "{query}");
    }
}

#[tokio::test]
pub(crate) async fn lazy_properties_come_with_a_get_only() {
    let service = Service::start().await;
    let listed = service.get("/AdminService/wmi/SMS_DriverPackage").await.first();
    let got = service.get("/AdminService/wmi/SMS_DriverPackage('PS100001')").await.first();
    for (name, lazy) in
        [("RefreshPkgSourceFlag", json!(false)), ("IconSize", json!(0)), ("ISVDataSize", json!(0))]
    {
        assert_eq!(listed[name], json!(null), "{name}");
        assert_eq!(got[name], lazy, "{name}");
    }
    assert_eq!(listed["RefreshSchedule"], json!([]));
}

#[tokio::test]
pub(crate) async fn compound_keys_name_one_assignment() {
    let service = Service::start().await;
    let encoded = "%5B%22Display%3D%5C%5Cdp1.example.test%5C%22%5DMSWNET%3A%5B%22SMS_SITE%3DPS1%22%5D%5C%5Cdp1.example.test%5C";
    for keys in [
        format!("PackageID='PS100001',ServerNALPath='{encoded}',SiteCode='PS1'"),
        format!("SiteCode='ps1',ServerNALPath='{encoded}',PackageID='ps100001'"),
        "PackageID='PS100001',ServerNALPath='MSWNET:[%22SMS_SITE=PS1%22]%5C%5CDP1.example.test%5C',SiteCode='PS1'".to_owned(),
    ] {
        let answer = service.get(&format!("/AdminService/wmi/SMS_DistributionPoint({keys})")).await;
        assert_eq!(answer.status, 200, "{keys}: {}", answer.body);
        assert_eq!(answer.first()["ServerNALPath"], nal_path("dp1.example.test"));
        assert_eq!(answer.first()["@odata.etag"], format!("PS100001;{};PS1", nal_path("dp1.example.test")));
    }
}

#[tokio::test]
pub(crate) async fn both_spellings_of_static_methods_work_with_get_and_post() {
    let service = Service::start().await;
    let id = format!("{{{}}}", service.site.identity().site_guid);
    for (method, target) in [
        ("GET", "SMS_Identification.GetSiteID"),
        ("POST", "SMS_Identification.GetSiteID"),
        ("POST", "SMS_Identification/AdminService.GetSiteID"),
        ("GET", "sms_identification.getsiteid()"),
    ] {
        let answer = service.send(method, &format!("/AdminService/wmi/{target}"), "").await;
        assert_eq!(answer.status, 201, "{target}: {}", answer.body);
        assert_eq!((&answer.json()["ReturnValue"], &answer.json()["SiteID"]), (&json!(0), &json!(id)));
    }
    let version = service.get("/AdminService/wmi/SMS_Identification.GetProviderVersion").await.json();
    assert_eq!(version["Version"], env!("CARGO_PKG_VERSION"));
    let user = service.get("/AdminService/wmi/SMS_Identification.GetCurrentUser").await.json();
    assert_eq!(user["UserName"], "admin");
}

#[tokio::test]
pub(crate) async fn only_methods_that_read_answer_to_get() {
    let service = Service::start().await;
    let before = service.get("/AdminService/wmi/Haulier_StatusMessage/$count").await.body;
    let nal = nal_path("dp1.example.test");
    let verify = json!({ "PackageId": PACKAGE, "NALPath": nal }).to_string();
    for (target, body) in [
        ("Haulier_ContentLibrary.Collect", ""),
        ("haulier_contentlibrary.collect()", ""),
        ("Haulier_ContentLibrary/AdminService.Verify", ""),
        ("Haulier_Token.Create", ""),
        ("SMS_DistributionPoint.VerifyPackage", verify.as_str()),
    ] {
        for method in ["GET", "HEAD"] {
            let answer = service.send(method, &format!("/AdminService/wmi/{target}"), body).await;
            assert_eq!(answer.status, 405, "{method} {target}: {}", answer.body);
            assert!(answer.head.contains("\r\nallow: post"), "{}", answer.head);
        }
    }
    let after = service.get("/AdminService/wmi/Haulier_StatusMessage/$count").await.body;
    assert_eq!(before, after, "nothing happened");
    for target in ["Haulier_ContentLibrary.GetStatistics", "SMS_Identification.GetSiteID"] {
        assert_eq!(service.get(&format!("/AdminService/wmi/{target}")).await.status, 201, "{target}");
    }
    assert_eq!(service.get("/AdminService/wmi/Haulier_ContentLibrary.Nothing").await.status, 404);
}

#[tokio::test]
pub(crate) async fn what_cannot_be_asked_is_refused_with_the_right_status() {
    let service = Service::start().await;
    let long = format!("SMS_DriverPackage?x={}", "x".repeat(adminservice::URL_BYTES_MAX));
    for (method, target, body, status) in [
        ("GET", "SMS_Nothing", "", 404),
        ("GET", "SMS_ScheduleToken", "", 404),
        ("GET", "SMS_DriverPackage('PS1FFFFF')", "", 404),
        ("GET", "SMS_DriverPackage('x',1)", "", 404),
        ("GET", "SMS_DriverPackage('PS100001')/Name/x", "", 404),
        ("GET", "../v1.0/Device", "", 404),
        ("GET", "SMS_DriverPackage(Name='x')", "", 400),
        ("GET", "SMS_DistributionPoint('x')", "", 400),
        ("GET", "SMS_DriverPackage?$filter=Nothing%20eq%201", "", 400),
        ("GET", "SMS_DriverPackage?$filter=Priority%20eq%20'high'", "", 400),
        ("GET", "SMS_DriverPackage?$filter=Name%20eq%20'x'%20;%20DROP%20TABLE%20package", "", 400),
        ("GET", "SMS_DriverPackage?$select=Nothing", "", 400),
        ("GET", "SMS_DriverPackage('PS100001')?$select=Nothing", "", 400),
        ("GET", "SMS_DriverPackage?$orderby=Nothing", "", 400),
        ("GET", "SMS_DriverPackage?$expand=x", "", 400),
        ("GET", "SMS_DriverPackage?$filter=RefreshPkgSourceFlag%20eq%20true", "", 400),
        ("GET", &long, "", 414),
        ("POST", "SMS_DriverPackage", "[]", 400),
        ("POST", "SMS_DriverPackage", "{\"Name\":", 400),
        ("POST", "SMS_DriverPackage", "{}", 400),
        ("POST", "SMS_DriverPackage", "{\"Name\":\"x\",\"Nothing\":1}", 400),
        ("POST", "SMS_DriverPackage", "{\"Name\":\"x\",\"Priority\":\"high\"}", 400),
        ("POST", "SMS_DriverPackage", "{\"Name\":\"x\",\"SourceVersion\":7}", 400),
        ("POST", "SMS_DriverPackage", "{\"Name\":\"x\",\"PackageType\":0}", 400),
        ("POST", "SMS_PackageBaseclass", "{\"Name\":\"x\"}", 405),
        ("POST", "SMS_Identification", "{\"ThisSiteCode\":\"PS2\"}", 405),
        ("DELETE", "SMS_ProviderLocation('PS1')", "", 405),
        ("DELETE", "SMS_DriverPackage", "", 405),
        ("DELETE", "SMS_DriverPackage('PS1FFFFF')", "", 404),
        ("PATCH", "SMS_DriverPackage('PS1FFFFF')", "{}", 404),
        ("POST", "SMS_DriverPackage('PS100001')/AdminService.Nothing", "", 404),
        ("POST", "SMS_DriverPackage('PS100001')/AdminService.RefreshPkgSource", "{\"x\":1}", 400),
        ("POST", "SMS_DriverPackage('PS1FFFFF')/AdminService.RefreshPkgSource", "", 404),
        ("POST", "SMS_DriverPackage.RefreshPkgSource", "", 400),
        (
            "POST",
            "SMS_DriverPackage('PS100001')/AdminService.AddDriverContent",
            "{\"ContentIDs\":[1],\"ContentSourcePath\":[\"x\"]}",
            404,
        ),
        ("POST", "SMS_DriverPackage.CheckSourceFolder", "{}", 400),
        (
            "POST",
            "SMS_DistributionPoint/AdminService.CancelDistribution",
            "{\"PackageID\":\"PS100001\",\"NALPath\":\"x\"}",
            400,
        ),
        ("GET", "SMS_DriverPackage('PS100001')/AdminService.RefreshPkgSource", "", 405),
    ] {
        let answer = service.send(method, &format!("/AdminService/wmi/{target}"), body).await;
        let target = target.chars().take(80).collect::<String>();
        assert_eq!(answer.status, status, "{method} {target}: {}", answer.body);
        assert_eq!(answer.json()["error"]["code"], status.to_string(), "{method} {target}");
        assert!(!answer.json()["error"]["message"].as_str().unwrap().is_empty(), "{method} {target}");
        assert!(answer.head.contains("odata-version: 4.0"), "{method} {target}: {}", answer.head);
        assert_eq!(status == 405, answer.head.contains("\r\nallow:"), "{method} {target}: {}", answer.head);
    }
}

/// No page ends early: scripts read the first answer and no link.
#[tokio::test]
pub(crate) async fn long_lists_come_whole() {
    const PACKAGES: usize = 150;
    let service = Service::start().await;
    for number in 1..=PACKAGES {
        let new = NewPackage { name: format!("P{number:03}"), ..NewPackage::default() };
        service.site.create_package(&Actor::local(), new).await.unwrap();
    }
    let client = reqwest::Client::new();
    let get = async |query: &str| {
        let url = format!("http://{}/AdminService/wmi/SMS_DriverPackage?{query}", service.at.addr);
        let answer = client.get(url).basic_auth("admin", Some(PASSWORD)).send().await.unwrap();
        (answer.headers().contains_key("content-length"), answer.text().await.unwrap())
    };
    for (query, first, count, whole) in [
        ("$filter=startswith(Name,'P')", "P001", PACKAGES, false),
        ("$filter=startswith(Name,'P')&$orderby=Name%20desc&$top=100&$skip=1", "P149", 100, false),
        ("$filter=startswith(Name,'P')&$select=Name", "P001", PACKAGES, true),
        ("$filter=startswith(Name,'P')&$top=2&$count=true", "P001", 2, true),
    ] {
        let (has_length, text) = get(query).await;
        let json: Json = serde_json::from_str(&text).unwrap();
        let rows = json["value"].as_array().unwrap();
        assert_eq!((rows.len(), &rows[0]["Name"]), (count, &json!(first)), "{query}");
        assert_eq!(has_length, whole, "{query}: what is short has a length, what is long comes in pieces");
        let names: Vec<&str> = json.as_object().unwrap().keys().map(String::as_str).collect();
        let expect: &[&str] = match query.contains("$count") {
            true => &["@odata.context", "@odata.count", "value"],
            false => &["@odata.context", "value"],
        };
        assert_eq!(names, expect, "{query}");
    }
}
