//! Requests in the shape of PowerShell's CIM cmdlets, replayed, and their answers byte for byte. The files are protocol:
//! a change of one is a change for clients.
//!
//! `HAULIER_WRITE_GOLDEN=1` writes what is answered; read the difference before it is committed.

use std::path::PathBuf;

use crate::harness::{Answer, Ask, DMTF, MICROSOFT, Service};

fn file(folder: &str, name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests").join(folder).join(format!("{name}.xml"))
}

/// The files have lines for reading; the wire has the same in one line. The message id and the site's own id are the only
/// things that differ from run to run.
fn compare(service: &Service, name: &str, answer: &Answer) {
    let (before, rest) = answer.body.split_once("<a:MessageID>uuid:").unwrap_or((&answer.body, ""));
    let body = match rest.get(36..) {
        Some(rest) => format!("{before}<a:MessageID>uuid:NEW{rest}"),
        None => before.to_owned(),
    };
    let body = body.replace(&service.stage.site.identity().site_guid, "ID-OF-SITE").replace("><", ">\n<");
    let shown = format!("{}\n{body}\n", answer.status);
    let file = file("golden", name);
    if std::env::var_os("HAULIER_WRITE_GOLDEN").is_some() {
        std::fs::write(&file, &shown).unwrap();
    }
    let expect = std::fs::read_to_string(&file).unwrap_or_default();
    assert_eq!(shown, expect, "{name}");
}

/// Replays a request as it was recorded: its lines are for reading only.
async fn replay(service: &Service, name: &str) {
    let recorded = std::fs::read_to_string(file("cimcmdlets", name)).unwrap();
    let envelope: String = recorded.lines().map(str::trim_start).collect();
    compare(service, name, &service.send("admin", &envelope).await);
}

#[tokio::test]
async fn requests_of_the_cim_cmdlets_are_answered_as_the_golden_files_show() {
    let service = Service::start().await;
    for name in RECORDED {
        replay(&service, name).await;
    }
}

/// In the order of a session: each finds what those before it left.
const RECORDED: [&str; 10] =
    ["identify", "class", "get", "enumerate", "query", "put", "invoke", "invoke-static", "create", "delete"];

/// A driver package in a body, with these elements in it.
fn package(elements: &str) -> String {
    format!("<p:SMS_DriverPackage xmlns:p=\"{DMTF}SMS_DriverPackage\">{elements}</p:SMS_DriverPackage>")
}

fn call(class: &str, method: &str) -> Ask {
    Ask::class(&format!("{DMTF}{class}/{method}"), class)
}

/// A request for each line of the table of faults that one request can meet.
fn refused() -> Vec<(&'static str, Ask)> {
    let declaration = "http://schemas.dmtf.org/wbem/cim-xml/2/cim-schema/2/*";
    let enumeration = "http://schemas.xmlsoap.org/ws/2004/09/enumeration";
    let pull = |context: &str| {
        let body = format!("<n:Pull><n:EnumerationContext>{context}</n:EnumerationContext></n:Pull>");
        Ask::class(&format!("{enumeration}/Pull"), "SMS_DriverPackage").body(&body)
    };
    let filter = |dialect: &str, text: &str| {
        let body = format!("<n:Enumerate><w:Filter Dialect=\"{dialect}\">{text}</w:Filter></n:Enumerate>");
        Ask::class(&format!("{enumeration}/Enumerate"), "x")
            .uri("http://schemas.dmtf.org/wbem/wscim/1/*")
            .body(&body)
    };
    let wql = "http://schemas.microsoft.com/wbem/wsman/1/WQL";
    let fragment = |dialect: &str, path: &str| {
        Ask::package("Get").header(&format!("<w:FragmentTransfer{dialect}>{path}</w:FragmentTransfer>"))
    };
    let option = "<w:OptionSet><w:Option Name=\"wmi:LocaleID\">german</w:Option></w:OptionSet>";
    let elsewhere = "<a:FaultTo><a:Address>http://other.example.test/</a:Address></a:FaultTo>";
    vec![
        ("fault-class", Ask::class("Get", "SMS_Nothing")),
        ("fault-instance", Ask::class("Get", "SMS_DriverPackage").key("PackageID", "PS1FFFFF")),
        ("fault-uri", Ask::package("Get").uri("urn:x")),
        (
            "fault-namespaces",
            Ask::package("Get").uri(&format!("{MICROSOFT}SMS_DriverPackage").replace("/site_PS1", "")),
        ),
        ("fault-selectors", Ask::class("Get", "SMS_DriverPackage")),
        ("fault-selector-type", Ask::class("Get", "SMS_Driver").key("CI_ID", "one")),
        ("fault-selector-twice", Ask::package("Get").key("packageid", "x")),
        ("fault-selector-unknown", Ask::package("Get").key("Name", "x")),
        ("fault-action", Ask::class("Get", "x").uri("http://schemas.dmtf.org/wbem/wscim/1/*")),
        ("fault-action-mismatch", call("SMS_Package", "Unlock").uri(&format!("{DMTF}SMS_DriverPackage"))),
        ("fault-method", call("SMS_Identification", "GetFileBinary")),
        ("fault-parameter", call("SMS_DriverPackage", "CheckSourceFolder")),
        ("fault-header", Ask::package("Get").header("<q:X xmlns:q='urn:q' s:mustUnderstand='true'/>")),
        ("fault-address", Ask::package("Get").header(elsewhere)),
        ("fault-size", Ask::package("Get").header("<w:MaxEnvelopeSize>8191</w:MaxEnvelopeSize>")),
        ("fault-option", Ask::package("Get").header(option)),
        ("fault-fragment", fragment("", "Nothing")),
        ("fault-fragment-dialect", fragment(" Dialect=\"urn:x\"", "Name")),
        ("fault-fragment-action", fragment("", "Name").action("Delete")),
        ("fault-value", Ask::package("Put").body(&package("<p:Priority>high</p:Priority>"))),
        ("fault-read-only", Ask::package("Put").body(&package("<p:PackageSize>1</p:PackageSize>"))),
        (
            "fault-stale",
            Ask::package("Put").body(&package("<p:SedoObjectVersion>PS100001;0</p:SedoObjectVersion>")),
        ),
        ("fault-class-name", Ask::class("Get", "x").uri(declaration)),
        ("fault-declaration", Ask::class("Get", "x").uri(declaration).key("ClassName", "SMS_Nothing")),
        ("fault-context", pull("uuid:0F5C7B5A-0000-4000-8000-0000000000FF")),
        ("fault-filter", filter(wql, "SELECT FROM")),
        (
            "fault-filter-dialect",
            filter("http://schemas.dmtf.org/wbem/cql/1/dsp0202.pdf", "SELECT * FROM SMS_Site"),
        ),
        ("fault-unsupported", Ask::class("Delete", "SMS_Site").key("SiteCode", "PS1")),
    ]
}

#[tokio::test]
async fn faults_are_as_the_golden_files_show() {
    let service = Service::start().await;
    for (name, ask) in refused() {
        compare(&service, name, &service.ask(&ask).await);
    }
    compare(&service, "fault-denied", &service.ask_as("reader", &Ask::package("Delete")).await);
    let timed = Ask::package("Get").envelope().replace("PT60.000S", "PT0S");
    compare(&service, "fault-time", &service.send("admin", &timed).await);
    let old = Ask::package("Get").envelope();
    let old =
        old.replace("http://www.w3.org/2003/05/soap-envelope", "http://schemas.xmlsoap.org/soap/envelope/");
    compare(&service, "fault-version", &service.send("admin", &old).await);
}
