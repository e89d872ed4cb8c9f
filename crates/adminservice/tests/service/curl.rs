//! The request lines that public scripts send, sent by curl as they are written; blanks go as `%20`, as .NET sends them.

use clock::SystemClock;
use serde_json::Value as Json;
use tokio::process::Command;

use crate::harness::{PACKAGE, PASSWORD, Service, nal_path};

/// `{id}` is the package's; a body makes it a POST. With the status and how many instances come.
const LINES: [(&str, &str, u16, Option<usize>); 14] = [
    ("wmi/SMS_DriverPackage", "", 200, Some(1)),
    ("wmi/SMS_DriverPackage?$filter=contains(Name,'Dell')", "", 200, Some(1)),
    ("wmi/SMS_DriverPackage?$filter=startswith(Name,'Drivers')", "", 200, Some(1)),
    ("wmi/SMS_DriverPackage({id})", "", 200, Some(1)),
    (
        "wmi/SMS_Package?$filter=startswith(Name,'Drivers%20-')&$select=Name,Description,Manufacturer,Version,SourceDate,PackageID,MIFName,MIFVersion",
        "",
        200,
        Some(0),
    ),
    (
        "wmi/SMS_Package?$filter=startswith(Name,'Drivers - ')&$select=Name,Description,Manufacturer,Version,SourceDate,PackageID",
        "",
        200,
        Some(0),
    ),
    ("wmi/SMS_Package?$filter=contains(Name,'Drivers')", "", 200, Some(0)),
    ("wmi/SMS_Package?$filter=PackageID eq 'XYZ00001'&$select=PackageID,Name,Description", "", 200, Some(0)),
    ("wmi/SMS_PackageStatus?$filter=Status eq 5", "", 200, None),
    ("wmi/SMS_ObjectContentInfo", "", 200, None),
    (
        "wmi/SMS_ObjectContainerItem.MoveMembers",
        r#"{"InstanceKeys":["{id}"],"ContainerNodeID":0,"TargetContainerNodeID":0,"ObjectType":23}"#,
        201,
        None,
    ),
    (
        "wmi/SMS_DistributionPoint/AdminService.CancelDistribution",
        r#"{"PackageID":"{id}","NALPath":{nal}}"#,
        201,
        None,
    ),
    ("wmi/SMS_DriverPackage('{id}')/AdminService.RefreshPkgSource", "{}", 201, None),
    ("wmi/SMS_Identification.GetSiteID", "", 201, None),
];

#[tokio::test]
async fn curl_gets_what_scripts_get() {
    let service = Service::start_with(SystemClock::shared()).await;
    let nal = serde_json::to_string(&nal_path("dp1.example.test")).unwrap();
    for (line, body, status, count) in LINES {
        let fill = |text: &str| text.replace("{id}", PACKAGE).replace("{nal}", &nal);
        for root in ["AdminService", "adminservice"] {
            let url = format!("http://{}/{root}/{}", service.at.addr, fill(line).replace(' ', "%20"));
            let (seen, answer) = curl(&url, &fill(body)).await;
            let json: Json = serde_json::from_str(&answer).unwrap_or_else(|_| panic!("{line}: {answer}"));
            // What was canceled a moment ago cannot be canceled again.
            let again = root == "adminservice" && line.contains("CancelDistribution") && seen == 409;
            assert!(seen == status || again, "{line}: {seen}: {answer:.400}");
            if let Some(count) = count {
                assert_eq!(json["value"].as_array().map(Vec::len), Some(count), "{line}: {answer:.400}");
            }
        }
    }
}

async fn curl(url: &str, body: &str) -> (u16, String) {
    let mut curl = Command::new("curl");
    curl.args(["--silent", "--show-error", "--globoff", "--write-out", "\n%{http_code}"]);
    curl.args(["--user", &format!("admin:{PASSWORD}")]);
    if !body.is_empty() {
        curl.args(["--header", "Content-Type: application/json", "--data", body]);
    }
    let output = curl.arg(url).output().await.unwrap();
    assert!(output.status.success(), "{url}: {}", String::from_utf8_lossy(&output.stderr));
    let said = String::from_utf8(output.stdout).unwrap();
    let (answer, status) = said.rsplit_once('\n').unwrap();
    (status.parse().unwrap(), answer.to_owned())
}
