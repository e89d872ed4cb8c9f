//! Drivers as scripts import, label, enable and delete them: each test sends what such a script sends.

use crate::categories::{CATEGORIES, new_category};
use crate::harness::{Answer, Service};
use serde_json::{Value as Json, json};
use stage::{DriverFile, unc};

pub(crate) const DRIVERS: &str = "/AdminService/wmi/SMS_Driver";
const CREATE_FROM_INF: &str = "/AdminService/wmi/SMS_Driver.CreateFromINF";
const FIRST_CI: u64 = 16_777_217;

/// The driver that CreateFromINF makes of a folder, not stored.
async fn draft(service: &Service, folder: &str) -> Json {
    let call = json!({ "DriverPath": unc(folder), "INFFile": "net.inf" });
    service.post(CREATE_FROM_INF, &call).await["Driver"].clone()
}

/// Imports the driver of a folder as VBScript does, by putting the object that the method returned. Returns CI_ID.
pub(crate) async fn import(service: &Service, folder: &str) -> u64 {
    let made = service.post(DRIVERS, &draft(service, folder).await).await;
    made["CI_ID"].as_u64().unwrap()
}

pub(crate) async fn stored(service: &Service, ci_id: u64) -> Json {
    service.get(&format!("{DRIVERS}({ci_id})")).await.first()
}

/// What a script reads with `DesiredConfigurationDigest.Driver.Annotation.DisplayName.Text`.
fn display_name(xml: &str) -> String {
    let (_, rest) = xml.split_once("<DisplayName").unwrap();
    let (_, rest) = rest.split_once("Text=\"").unwrap();
    rest.split_once('"').unwrap().0.to_owned()
}

pub(crate) fn names(rows: &[Json], member: &str) -> Vec<Json> {
    rows.iter().map(|row| row[member].clone()).collect()
}

#[tokio::test]
pub(crate) async fn a_method_returns_a_whole_driver_and_stores_nothing() {
    let service = Service::start().await;
    DriverFile::default().write(&service.folder("net"));
    let driver = draft(&service, "net").await;
    for (name, value) in [
        ("@odata.type", json!("#AdminService.SMS_Driver")),
        ("CI_ID", json!(0)),
        ("CIType_ID", json!(6)),
        ("ContentSourcePath", json!(unc("net"))),
        ("DriverClass", json!("Net")),
        ("DriverDate", json!("2024-05-17T00:00:00Z")),
        ("DriverINFFile", json!("net.inf")),
        ("DriverProvider", json!("Example Networks")),
        ("DriverSigned", json!(false)),
        ("DriverType", json!("INF")),
        ("DriverVersion", json!("1.2.3.4")),
        ("IsEnabled", json!(false)),
        ("LocalizedDisplayName", json!("Example Gigabit Adapter")),
        ("LocalizedInformation", json!([])),
        ("DateCreated", json!(null)),
    ] {
        assert_eq!(driver[name], value, "{name}");
    }
    assert_eq!(display_name(driver["SDMPackageXML"].as_str().unwrap()), "Example Gigabit Adapter");
    assert_eq!(service.get(&format!("{DRIVERS}/$count")).await.body, "0");

    // Every property of the class is there, the lazy ones too.
    let ci_id = import(&service, "net").await;
    let entity = stored(&service, ci_id).await;
    for name in entity.as_object().unwrap().keys().filter(|name| !name.starts_with(['_', '@'])) {
        assert!(driver.get(name).is_some(), "{name}");
    }
}

/// Sequence A, as PowerShell scripts go: a new instance with what was copied out of the method's object.
#[tokio::test]
pub(crate) async fn a_driver_is_imported_by_its_definition() {
    let service = Service::start().await;
    DriverFile::default().write(&service.folder("net"));
    let category = new_category(&service, "Network").await;
    let draft = draft(&service, "net").await;
    let name = display_name(draft["SDMPackageXML"].as_str().unwrap());
    let body = json!({
        "SDMPackageXML": draft["SDMPackageXML"],
        "ContentSourcePath": draft["ContentSourcePath"],
        "IsEnabled": true,
        "LocalizedInformation": [{
            "@odata.type": "#AdminService.SMS_CI_LocalizedProperties",
            "LocaleID": 1033, "DisplayName": name, "Description": "",
        }],
        "CategoryInstance_UniqueIDs": [category["CategoryInstance_UniqueID"]],
    });
    let made = service.post(DRIVERS, &body).await;
    assert_eq!((&made["CI_ID"], &made["CIVersion"]), (&json!(FIRST_CI), &json!(1)));

    let driver = stored(&service, FIRST_CI).await;
    for (name, value) in [
        ("IsEnabled", json!(true)),
        ("IsLatest", json!(true)),
        ("CreatedBy", json!("admin")),
        ("DateCreated", json!("2026-01-02T03:04:05Z")),
        ("DriverINFFile", json!("net.inf")),
        ("DriverVersion", json!("1.2.3.4")),
        ("DriverProvider", json!("Example Networks")),
        ("CI_UniqueID", draft["CI_UniqueID"].clone()),
        ("LocalizedDisplayName", json!("Example Gigabit Adapter")),
        ("LocalizedCategoryInstanceNames", json!(["Network"])),
        ("CategoryInstance_UniqueIDs", json!([category["CategoryInstance_UniqueID"]])),
        ("SourceSite", json!("PS1")),
    ] {
        assert_eq!(driver[name], value, "{name}");
    }
    assert_eq!(driver["LocalizedInformation"][0]["DisplayName"], "Example Gigabit Adapter");
    assert!(driver["SDMPackageXML"].as_str().unwrap().contains("DesiredConfigurationDigest"));
    // A list leaves out what is lazy.
    let listed = service.get(DRIVERS).await.first();
    assert_eq!((&listed["SDMPackageXML"], &listed["LocalizedInformation"]), (&json!(null), &json!([])));
}

/// Sequence A, as VBScript goes: the method's own object is put, with all that is read-only in it.
#[tokio::test]
pub(crate) async fn a_driver_is_imported_by_putting_the_whole_object() {
    let service = Service::start().await;
    DriverFile::default().write(&service.folder("net"));
    let mut whole = draft(&service, "net").await;
    whole["IsEnabled"] = json!(true);
    whole["CI_ID"] = json!("0");
    // What a client says of read-only properties is not believed.
    whole["DriverSigned"] = json!(true);
    whole["DriverVersion"] = json!("99.0.0.0");
    whole["DateCreated"] = json!("1999-01-01T00:00:00Z");
    let made = service.post(DRIVERS, &whole).await;
    let driver = stored(&service, made["CI_ID"].as_u64().unwrap()).await;
    let seen = ["IsEnabled", "DriverSigned", "DriverVersion", "DateCreated", "LocalizedDisplayName"]
        .map(|name| driver[name].clone());
    let expect = [
        json!(true),
        json!(false),
        json!("1.2.3.4"),
        json!("2026-01-02T03:04:05Z"),
        json!("Example Gigabit Adapter"),
    ];
    assert_eq!(seen, expect);
}

/// Sequence A on a driver that is there: only its categories are brought up to date.
#[tokio::test]
pub(crate) async fn a_driver_that_is_there_is_found_by_the_error() {
    let service = Service::start().await;
    DriverFile::default().write(&service.folder("net"));
    let ci_id = import(&service, "net").await;
    let call = json!({ "DriverPath": unc("net"), "INFFile": "net.inf" }).to_string();
    let refused = service.send("POST", CREATE_FROM_INF, &call).await;
    assert_eq!(refused.status, 409, "{}", refused.body);
    assert_eq!(
        (refused.fault("ErrorCode"), refused.fault("StatusCode")),
        (json!(183), json!(0x8004_1001_u32))
    );
    let object = refused.fault("ObjectInfo").as_str().unwrap().to_owned();
    assert!(
        object.starts_with("ScopeId_") && object.contains(r"\DRIVER_") && !object.contains('/'),
        "{object}"
    );

    let found = service
        .get(&format!("{DRIVERS}?$filter=CI_UniqueID%20eq%20'{}'", object.replace('\\', "/")))
        .await
        .first();
    assert_eq!(found["CI_ID"], ci_id);
    let category = new_category(&service, "Network").await["CategoryInstance_UniqueID"].clone();
    let mut ids = found["CategoryInstance_UniqueIDs"].as_array().unwrap().clone();
    ids.push(category.clone());
    let target = format!("{DRIVERS}({ci_id})");
    let put = service.send("PUT", &target, &json!({ "CategoryInstance_UniqueIDs": ids }).to_string()).await;
    assert_eq!(put.status, 200, "{}", put.body);
    assert_eq!(stored(&service, ci_id).await["CategoryInstance_UniqueIDs"], json!([category]));
    // Putting its definition again is refused in the same way.
    let again = json!({ "SDMPackageXML": put.json()["SDMPackageXML"], "ContentSourcePath": unc("net") });
    let refused = service.send("POST", DRIVERS, &again.to_string()).await;
    assert_eq!((refused.status, refused.fault("ErrorCode")), (409, json!(183)), "{}", refused.body);
}

#[tokio::test]
pub(crate) async fn several_drivers_of_one_folder_share_its_content() {
    let service = Service::start().await;
    for inf in ["net.inf", "other.inf"] {
        DriverFile { inf, ..DriverFile::default() }.write(&service.folder("net"));
    }
    let call = json!({ "DriverPath": unc("net"), "INFFiles": ["net.inf", "OTHER.INF"] });
    let drafts = service.post(&format!("{DRIVERS}.CreateFromINFs"), &call).await["Drivers"].clone();
    assert_eq!(names(drafts.as_array().unwrap(), "DriverINFFile"), ["net.inf", "other.inf"]);
    for draft in drafts.as_array().unwrap() {
        service.post(DRIVERS, draft).await;
    }
    let contents = service.get("/AdminService/wmi/SMS_CIToContent?$orderby=CI_ID").await.rows();
    let ids = names(&contents, "ContentID");
    assert_eq!((ids.len(), &ids[0]), (2, &ids[1]), "{contents:?}");
    let models = format!("/AdminService/wmi/SMS_DriverModel?$filter=CI_ID%20eq%20{FIRST_CI}");
    let models = service.get(&models).await.rows();
    let seen = ["ModelManufacture", "ModelName"].map(|name| models[0][name].clone());
    assert_eq!(seen, [json!("Example Networks"), json!("Example Gigabit Adapter")]);
    // One that is refused refuses all, and the first one says why.
    for (infs, status, code) in [(["net.inf", "missing.inf"], 409, 183), (["missing.inf", "net.inf"], 400, 2)]
    {
        let mixed = json!({ "DriverPath": unc("net"), "INFFiles": infs }).to_string();
        let refused = service.send("POST", &format!("{DRIVERS}.CreateFromINFs"), &mixed).await;
        let seen = (refused.status, refused.fault("ErrorCode"));
        assert_eq!(seen, (status, json!(code)), "{infs:?}: {}", refused.body);
    }
}

#[tokio::test]
pub(crate) async fn a_driver_that_cannot_be_one_is_refused_with_its_code() {
    let service = Service::start().await;
    let folder = service.folder("bad");
    DriverFile { inf: "odd.inf", decoration: "NTia64", ..DriverFile::default() }.write(&folder);
    std::fs::write(folder.join("text.inf"), "[Version]\r\nSignature=\"$CHICAGO$\"\r\n").unwrap();
    std::fs::write(folder.join("bytes.inf"), [0u8, 1, 2, 3, 255]).unwrap();
    for (path, inf, code) in [
        (unc("none"), "net.inf", 2),
        (unc("bad"), "none.inf", 2),
        (unc("bad"), r"..\dell\net.inf", 2),
        (unc("bad"), "text.inf", 13),
        (unc("bad"), "bytes.inf", 13),
        (unc("bad"), "odd.inf", 1633),
    ] {
        let call = json!({ "DriverPath": path, "INFFile": inf }).to_string();
        let refused = service.send("POST", CREATE_FROM_INF, &call).await;
        assert_eq!(refused.status, 400, "{inf}: {}", refused.body);
        let codes = (refused.fault("ErrorCode"), refused.fault("StatusCode"));
        assert_eq!(codes, (json!(code), json!(0x8004_1001_u32)), "{path} {inf}: {}", refused.body);
        assert!(!refused.body.contains(folder.to_str().unwrap()), "no path of the server: {}", refused.body);
    }
    assert_eq!(service.get(&format!("{DRIVERS}/$count")).await.body, "0");
}

/// Sequence G.
#[tokio::test]
pub(crate) async fn a_driver_is_disabled_enabled_and_deleted() {
    let service = Service::start().await;
    DriverFile::default().write(&service.folder("net"));
    let ci_id = import(&service, "net").await;
    let target = format!("{DRIVERS}({ci_id})");
    for enabled in [true, false] {
        // As PowerShell does it: the whole object goes back.
        let mut whole = stored(&service, ci_id).await;
        whole["IsEnabled"] = json!(enabled);
        let put = service.send("PUT", &target, &whole.to_string()).await;
        assert_eq!((put.status, &put.json()["IsEnabled"]), (200, &json!(enabled)), "{}", put.body);
        let body = json!({ "CI_ID": ci_id.to_string(), "IsEnabled": !enabled });
        let posted = service.post(DRIVERS, &body).await;
        assert_eq!((&posted["CI_ID"], &posted["IsEnabled"]), (&json!(ci_id), &json!(!enabled)));
    }
    let rows = service.get(&format!("{DRIVERS}?$filter=IsEnabled%20eq%20true&$select=CI_ID")).await.rows();
    assert_eq!(rows, [json!({ "CI_ID": ci_id })]);
    let base = service.get("/AdminService/wmi/SMS_ConfigurationItemBaseClass").await.rows();
    assert_eq!(names(&base, "__CLASS"), ["SMS_Driver"]);
    assert_eq!(service.send("DELETE", &target, "").await.status, 204);
    assert_eq!(service.get(&target).await.status, 404);
    assert_eq!(
        service.send("POST", DRIVERS, &json!({ "CI_ID": ci_id, "IsEnabled": true }).to_string()).await.status,
        404
    );
    // It can come back.
    assert_eq!(import(&service, "net").await, ci_id + 1);
}

/// What the site itself moves on, here the date of the last change, is old in an old object too.
#[tokio::test]
pub(crate) async fn an_old_object_is_refused_as_old_and_a_newer_one_may_say_anything_of_what_is_read_only() {
    let clock = Service::fixed_clock();
    let service = Service::start_with(clock.clone()).await;
    DriverFile::default().write(&service.folder("net"));
    let ci_id = import(&service, "net").await;
    let target = format!("{DRIVERS}({ci_id})");
    let mut old = stored(&service, ci_id).await;
    clock.advance(std::time::Duration::from_secs(2));
    assert_eq!(service.send("PATCH", &target, r#"{"IsEnabled":true}"#).await.status, 200);
    let new = stored(&service, ci_id).await;
    for name in ["DateLastModified", "SedoObjectVersion"] {
        assert_ne!(old[name], new[name], "{name}");
    }
    old["ApplicabilityCondition"] = json!("from an old copy");
    let stale = service.send("PUT", &target, &old.to_string()).await;
    let codes = (stale.status, stale.fault("StatusCode"), stale.fault("ErrorCode"));
    assert_eq!(codes, (409, json!(0x8004_1001_u32), json!(1306)), "{}", stale.body);
    // Without the version nothing tells an old value from a written one.
    old.as_object_mut().unwrap().remove("SedoObjectVersion");
    let refused = service.send("PUT", &target, &old.to_string()).await;
    assert_eq!(
        (refused.status, refused.fault("StatusCode")),
        (400, json!(0x8004_1023_u32)),
        "{}",
        refused.body
    );
    assert_eq!(stored(&service, ci_id).await, new);

    let body = json!({
        "SedoObjectVersion": new["SedoObjectVersion"], "DateLastModified": "1999-01-01T00:00:00Z",
        "DriverVersion": "9", "CI_UniqueID": "x", "IsEnabled": false,
    });
    let put = service.send("PUT", &target, &body.to_string()).await;
    assert_eq!(put.status, 200, "{}", put.body);
    let after = stored(&service, ci_id).await;
    let seen = ["IsEnabled", "DriverVersion", "CI_UniqueID"].map(|name| after[name].clone());
    assert_eq!(seen, [json!(false), new["DriverVersion"].clone(), new["CI_UniqueID"].clone()]);
    let moved = json!({ "SedoObjectVersion": after["SedoObjectVersion"], "CI_ID": ci_id + 1 });
    assert_eq!(
        service.send("PUT", &target, &moved.to_string()).await.status,
        400,
        "a key is not passed over"
    );
}

/// Sequence B: a script holds a package, has drivers added to it, and puts what it holds.
#[tokio::test]
pub(crate) async fn a_package_that_was_read_before_its_snapshot_can_be_put_after_it() {
    let clock = Service::fixed_clock();
    let service = Service::start_with(clock.clone()).await;
    let target = "/AdminService/wmi/SMS_DriverPackage('PS100001')";
    let mut held = service.get(target).await.first();
    std::fs::write(service.folder("dell").join("more.sys"), vec![7; 80_000]).unwrap();
    clock.advance(std::time::Duration::from_secs(60));
    service.post(&format!("{target}/AdminService.RefreshPkgSource"), &json!({})).await;
    service.snapshot().await;
    let moved = service.get(target).await.first();
    for name in ["LastRefreshTime", "PackageSize", "SourceDate", "SourceVersion", "StoredPkgVersion"] {
        assert_ne!(held[name], moved[name], "{name}");
    }
    held["Description"] = json!("with drivers");
    let put = service.send("PUT", target, &held.to_string()).await;
    assert_eq!((put.status, &put.json()["Description"]), (200, &json!("with drivers")), "{}", put.body);
    assert_eq!(put.json()["SourceVersion"], moved["SourceVersion"]);
    assert_eq!(put.json()["StoredPkgVersion"], moved["StoredPkgVersion"]);
    // Once more it is an old one.
    let stale = service.send("PUT", target, &held.to_string()).await;
    assert_eq!((stale.status, stale.fault("ErrorCode")), (409, json!(1306)), "{}", stale.body);
    let written = service.send("PATCH", target, r#"{"StoredPkgVersion":9}"#).await;
    assert_eq!(
        (written.status, written.fault("StatusCode")),
        (400, json!(0x8004_1023_u32)),
        "{}",
        written.body
    );
}

#[tokio::test]
pub(crate) async fn an_object_that_goes_back_unchanged_changes_nothing() {
    let service = Service::start().await;
    DriverFile::default().write(&service.folder("net"));
    let category = new_category(&service, "Network").await;
    let mut whole = draft(&service, "net").await;
    whole["CategoryInstance_UniqueIDs"] = json!([category["CategoryInstance_UniqueID"]]);
    whole["LocalizedInformation"] = json!({ "LocaleID": "1033", "DisplayName": "Net" });
    let ci_id = service.post(DRIVERS, &whole).await["CI_ID"].as_u64().unwrap();
    let before = stored(&service, ci_id).await;
    assert_eq!(before["LocalizedInformation"][0]["InformativeURL"], "");
    let put = service.send("PUT", &format!("{DRIVERS}({ci_id})"), &before.to_string()).await;
    assert_eq!(put.status, 200, "{}", put.body);
    assert_eq!(stored(&service, ci_id).await, before);
    let id = category["CategoryInstanceID"].clone();
    let target = format!("{CATEGORIES}({id})");
    let before = service.get(&target).await.first();
    assert_eq!(service.send("PUT", &target, &before.to_string()).await.status, 200);
    assert_eq!(service.get(&target).await.first(), before);
}

/// Clients that take an instance out of a list have nothing of what is lazy, and must not write that nothing.
#[tokio::test]
pub(crate) async fn an_object_out_of_a_list_goes_back_without_losing_what_is_lazy() {
    let service = Service::start().await;
    DriverFile::default().write(&service.folder("net"));
    let mut whole = draft(&service, "net").await;
    whole["LocalizedInformation"] = json!([{ "LocaleID": 1033, "DisplayName": "Net", "Description": "d" }]);
    let ci_id = service.post(DRIVERS, &whole).await["CI_ID"].as_u64().unwrap();
    let before = stored(&service, ci_id).await;
    let mut listed = service.get(DRIVERS).await.first();
    listed["IsEnabled"] = json!(true);
    let put = service.send("PUT", &format!("{DRIVERS}({ci_id})"), &listed.to_string()).await;
    assert_eq!(put.status, 200, "{}", put.body);
    let after = stored(&service, ci_id).await;
    assert_eq!(after["IsEnabled"], json!(true));
    for name in ["SDMPackageXML", "LocalizedInformation", "LocalizedDisplayName", "CIVersion"] {
        assert_eq!(after[name], before[name], "{name}");
    }
    let category = new_category(&service, "Network").await;
    let target = format!("{CATEGORIES}({})", category["CategoryInstanceID"]);
    let listed = service.get(CATEGORIES).await.first();
    assert_eq!(service.send("PUT", &target, &listed.to_string()).await.status, 200);
    assert_eq!(service.get(&target).await.first()["LocalizedInformation"], category["LocalizedInformation"]);
    let package = "/AdminService/wmi/SMS_DriverPackage";
    let mut listed = service.get(package).await.first();
    listed["Description"] = json!("from a list");
    let put = service.send("PUT", &format!("{package}('PS100001')"), &listed.to_string()).await;
    assert_eq!((put.status, &put.json()["Description"]), (200, &json!("from a list")), "{}", put.body);
}

/// The drivers that a txtsetup.oem names are for mass storage before Windows Vista starts.
#[tokio::test]
pub(crate) async fn drivers_of_a_txtsetup_are_boot_critical() {
    let service = Service::start().await;
    let folder = service.folder("oem");
    DriverFile::default().write(&folder);
    let lines = [
        "[Disks]",
        "d1 = \"Example disk\", \\txtsetup.oem, \\",
        "[Defaults]",
        "scsi = EXAMPLE",
        "[scsi]",
        "EXAMPLE = \"Example Storage\"",
        "[Files.scsi.EXAMPLE]",
        "driver = d1, exnet.sys, exnet",
        "inf = d1, net.inf",
        "inf = d1, missing.inf",
        "[HardwareIds.scsi.EXAMPLE]",
        "id = \"PCI\\VEN_1AF4&DEV_1000\", \"exnet\"",
        "",
    ];
    std::fs::write(folder.join("txtsetup.oem"), lines.join("\r\n")).unwrap();
    std::fs::write(folder.join("empty.oem"), "[Disks]\r\n").unwrap();
    let target = format!("{DRIVERS}.CreateFromOEM");
    let call = |file: &str| json!({ "DriverPath": unc("oem"), "OEMFile": file });
    let drafts = service.post(&target, &call("txtsetup.oem")).await["Drivers"].as_array().unwrap().clone();
    assert_eq!(names(&drafts, "DriverINFFile"), ["net.inf"], "one that is valid is enough");
    let made = service.post(DRIVERS, &drafts[0]).await;
    assert_eq!((&drafts[0]["DriverBootCritical"], &made["DriverBootCritical"]), (&json!(true), &json!(true)));
    for (file, status, code) in [("txtsetup.oem", 409, 183), ("none.oem", 400, 2), ("empty.oem", 400, 13)] {
        let refused = service.send("POST", &target, &call(file).to_string()).await;
        assert_eq!(
            (refused.status, refused.fault("ErrorCode")),
            (status, json!(code)),
            "{file}: {}",
            refused.body
        );
    }
}

/// Sequence J, platforms: a condition is added to the definition with values of SMS_SupportedPlatforms, Version
/// counts one up, the driver is put.
#[tokio::test]
pub(crate) async fn platforms_are_edited_in_the_definition() {
    let service = Service::start().await;
    DriverFile::default().write(&service.folder("net"));
    let ci_id = import(&service, "net").await;
    let before = stored(&service, ci_id).await;
    let xml = before["SDMPackageXML"].as_str().unwrap();
    let platforms = service.get("/AdminService/wmi/SMS_SupportedPlatforms").await.rows();
    let own = before["PlatformCategoryInstance_UniqueIDs"].as_array().unwrap();
    let new = platforms.iter().find(|platform| !own.contains(&platform["CI_UniqueID"])).unwrap();
    let text = |name: &str| new[name].as_str().unwrap().to_owned();
    let condition = format!(
        "<PlatformApplicabilityCondition DisplayName=\"{}\" MaxVersion=\"{}\" MinVersion=\"{}\" Name=\"{}\" Platform=\"{}\">\
         <Query1/><Query2/></PlatformApplicabilityCondition></PlatformApplicabilityConditions>",
        text("DisplayText"),
        text("OSMaxVersion"),
        text("OSMinVersion"),
        text("OSName"),
        text("OSPlatform"),
    );
    let edited = xml.replace("</PlatformApplicabilityConditions>", &condition);
    let target = format!("{DRIVERS}({ci_id})");
    let put =
        async |xml: &str| service.send("PUT", &target, &json!({ "SDMPackageXML": xml }).to_string()).await;
    // Without another version nobody would notice the change.
    let refused = put(&edited).await;
    assert_eq!(
        (refused.status, refused.fault("StatusCode")),
        (400, json!(0x8004_1008_u32)),
        "{}",
        refused.body
    );
    let raised = edited.replacen(" Version=\"1\"", " Version=\"2\"", 1);
    assert_ne!(raised, edited);
    let answer = put(&raised).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let after = stored(&service, ci_id).await;
    assert_eq!(after["CIVersion"], 2);
    let ids = after["PlatformCategoryInstance_UniqueIDs"].as_array().unwrap();
    assert!(ids.contains(&new["CI_UniqueID"]) && ids.len() == own.len() + 1, "{ids:?}");
    // A platform that the site does not know.
    let unknown = raised.replace("Version=\"2\"", "Version=\"3\"").replace(&text("OSMinVersion"), "77.1");
    assert_eq!(put(&unknown).await.status, 400);
    assert_eq!(put("<nothing/>").await.status, 400);
    let enable = service.send("POST", &platform_path(new), "{}").await;
    assert_eq!((enable.status, &enable.json()["ReturnValue"]), (201, &json!(0)), "{}", enable.body);
}

fn platform_path(row: &Json) -> String {
    let key = |name: &str| format!("{name}='{}'", row[name].as_str().unwrap().replace(' ', "%20"));
    let keys = ["OSMaxVersion", "OSMinVersion", "OSName", "OSPlatform"].map(key).join(",");
    format!("/AdminService/wmi/SMS_SupportedPlatforms({keys})/AdminService.Enable")
}

#[tokio::test]
pub(crate) async fn mistakes_on_drivers_are_refused_and_change_nothing() {
    let service = Service::start().await;
    DriverFile::default().write(&service.folder("net"));
    let ci_id = import(&service, "net").await;
    let before = stored(&service, ci_id).await;
    let target = format!("{DRIVERS}({ci_id})");
    let send = async |method: &str, target: &str, body: Json| -> (Answer, String) {
        let text = body.to_string();
        (service.send(method, target, &text).await, text)
    };
    let hr = |low: u32| 0x8004_1000_u32 + low;
    for (target, body, status, hresult) in [
        (CREATE_FROM_INF, json!({ "DriverPath": unc("net") }), 400, hr(0x2F)),
        (CREATE_FROM_INF, json!({ "DriverPath": unc("net"), "INFFile": null }), 400, hr(0x2F)),
        (CREATE_FROM_INF, json!({ "DriverPath": unc("net"), "INFFile": ["a", "b"] }), 400, hr(0x05)),
        (CREATE_FROM_INF, json!({ "DriverPath": unc("net"), "INFFile": "net.inf", "Driver": {} }), 400, 0),
        (DRIVERS, json!({}), 400, hr(0x28)),
        (DRIVERS, json!({ "SDMPackageXML": "<x/>", "ContentSourcePath": unc("net") }), 400, hr(0x08)),
        (DRIVERS, json!({ "SDMPackageXML": before["SDMPackageXML"] }), 400, hr(0x28)),
        (DRIVERS, json!({ "SDMPackageXML": 5.5, "ContentSourcePath": unc("net") }), 400, hr(0x05)),
        (DRIVERS, json!({ "CI_ID": ci_id + 1, "IsEnabled": true }), 404, hr(0x02)),
        (
            DRIVERS,
            json!({ "SDMPackageXML": before["SDMPackageXML"], "ContentSourcePath": unc("net"), "IsBundle": true }),
            400,
            hr(0x23),
        ),
    ] {
        let (answer, body) = send("POST", target, body).await;
        assert_eq!(answer.status, status, "{target} {body}: {}", answer.body);
        if hresult != 0 {
            assert_eq!(answer.fault("StatusCode"), json!(hresult), "{target} {body}: {}", answer.body);
        }
    }
    for (body, status) in [
        (json!({ "DriverVersion": "9" }), 400),
        (json!({ "CI_ID": 5 }), 400),
        (json!({ "IsEnabled": "perhaps" }), 400),
        (json!({ "IsEnabled": null }), 400),
        (json!({ "Nothing": 1 }), 400),
        (json!({ "CI_UniqueID": "x" }), 400),
        (json!({ "IsBundle": true }), 400),
        (json!({ "SDMPackageXML": "" }), 400),
        (json!({ "ContentSourcePath": null }), 400),
        (json!({ "CategoryInstance_UniqueIDs": ["DriverCategories:none"] }), 404),
        (json!({ "ContentSourcePath": "relative" }), 400),
        (json!({ "IsEnabled": true, "SedoObjectVersion": "16777217;99" }), 409),
        (json!({ "LocalizedInformation": [{ "@odata.type": "#AdminService.SMS_Driver" }] }), 400),
    ] {
        let (answer, body) = send("PATCH", &target, body).await;
        assert_eq!(answer.status, status, "{body}: {}", answer.body);
    }
    assert_eq!(stored(&service, ci_id).await, before);
}

#[tokio::test]
pub(crate) async fn roles_decide_who_may_change_drivers() {
    let service = Service::start().await;
    DriverFile::default().write(&service.folder("net"));
    let ci_id = import(&service, "net").await;
    let target = format!("{DRIVERS}({ci_id})");
    let call = json!({ "DriverPath": unc("dell"), "INFFile": "net.inf" }).to_string();
    for (user, allowed) in [("reader", false), ("operator", false), ("author", true)] {
        assert_eq!(service.send_as(user, "GET", &target, "").await.status, 200, "{user}");
        let changed = service.send_as(user, "PATCH", &target, r#"{"IsEnabled":true}"#).await;
        assert_eq!(changed.status, if allowed { 200 } else { 403 }, "{user}");
        let read = service.send_as(user, "POST", CREATE_FROM_INF, &call).await;
        assert_eq!(read.status == 403, !allowed, "{user}: {}", read.body);
    }
}
