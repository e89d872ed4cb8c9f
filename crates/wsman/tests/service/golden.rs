//! Requests in the shape of PowerShell's CIM cmdlets, replayed, and their answers byte for byte. The files are protocol:
//! a change of one is a change for clients.
//!
//! `HAULIER_WRITE_GOLDEN=1` writes what is answered; read the difference before it is committed.

use std::path::PathBuf;

use crate::harness::{Answer, Ask, DMTF, MICROSOFT, Service};

fn file(folder: &str, name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests").join(folder).join(format!("{name}.xml"))
}

/// The files have lines for reading; the wire has the same in one line. Ids of messages, of the site, of distribution points
/// and of enumerations are the only things that differ from run to run.
fn compare(service: &Service, name: &str, answer: &Answer) {
    let (before, rest) = answer.body.split_once("<a:MessageID>uuid:").unwrap_or((&answer.body, ""));
    let body = match rest.get(36..) {
        Some(rest) => format!("{before}<a:MessageID>uuid:NEW{rest}"),
        None => before.to_owned(),
    };
    let body = body.replace(&service.stage.site.identity().site_guid, "ID-OF-SITE");
    let body = identities(&body).into_iter().fold(body.clone(), |body, id| body.replace(&id, "ID-OF-POINT"));
    let body = body.replace(&context(&body), "CONTEXT").replace("><", ">\n<");
    let shown = format!("{}\n{body}\n", answer.status);
    let file = file("golden", name);
    if std::env::var_os("HAULIER_WRITE_GOLDEN").is_some() {
        std::fs::write(&file, &shown).unwrap();
    }
    let expect = std::fs::read_to_string(&file).unwrap_or_default();
    assert_eq!(shown, expect, "{name}");
}

/// The ids of distribution points in an answer.
fn identities(body: &str) -> Vec<String> {
    let shown = body.split("<p:IdentityGUID>").skip(1);
    shown.filter_map(|rest| Some(rest.split_once('<')?.0.to_owned())).collect()
}

/// The context of an enumeration in an answer; where there is none, what is in no answer.
fn context(body: &str) -> String {
    let (_, rest) = body.split_once("<n:EnumerationContext>").unwrap_or_default();
    let (context, _) = rest.split_once('<').unwrap_or_default();
    if context.is_empty() { "\0".to_owned() } else { context.to_owned() }
}

/// A request as it was recorded: its lines are for reading only.
fn recorded(name: &str) -> String {
    let recorded = std::fs::read_to_string(file("cimcmdlets", name)).unwrap();
    recorded.lines().map(str::trim_start).collect()
}

#[tokio::test]
async fn requests_of_the_cim_cmdlets_are_answered_as_the_golden_files_show() {
    let service = Service::start().await;
    for name in RECORDED {
        compare(&service, name, &service.send("admin", &recorded(name)).await);
    }
    // The recorded context was another session's.
    let context =
        context(&service.ask(&enumerate(&format!("{DMTF}SMS_DistributionPointInfo"), "")).await.body);
    for name in ["pull-next", "release-rest"] {
        let envelope = recorded(name);
        assert!(envelope.contains(RECORDED_CONTEXT), "{name}");
        let answer = service.send("admin", &envelope.replace(RECORDED_CONTEXT, &context)).await;
        compare(&service, name, &answer);
    }
}

/// In the order of a session: each finds what those before it left.
const RECORDED: [&str; 16] = [
    "identify",
    "class",
    "class-wildcard",
    "get",
    "get-typed",
    "enumerate",
    "enumerate-keys",
    "query",
    "associated-instances",
    "put",
    "put-array",
    "put-emptied",
    "invoke",
    "invoke-static",
    "create",
    "delete",
];
/// The context of an enumeration in recorded requests.
const RECORDED_CONTEXT: &str = "uuid:6C1E0F52-9D1B-4B7A-8E0D-3F2A1B4C0011";

const ENUMERATION: &str = "http://schemas.xmlsoap.org/ws/2004/09/enumeration";
/// All classes, in the DMTF's style.
const DMTF_ALL: &str = "http://schemas.dmtf.org/wbem/wscim/1/*";
/// The declarations of all classes.
const DECLARATIONS: &str = "http://schemas.dmtf.org/wbem/cim-xml/2/cim-schema/2/*";
const CQL: &str = "http://schemas.dmtf.org/wbem/cql/1/dsp0202.pdf";
const WQL: &str = "http://schemas.microsoft.com/wbem/wsman/1/WQL";

fn enumerate(uri: &str, body: &str) -> Ask {
    let ask = Ask::class(&format!("{ENUMERATION}/Enumerate"), "x").uri(uri);
    ask.body(&format!("<n:Enumerate>{body}</n:Enumerate>"))
}

fn filter(dialect: &str, content: &str) -> String {
    format!("<w:Filter Dialect=\"{dialect}\">{content}</w:Filter>")
}

/// Pull or Release.
fn of_context(action: &str, context: &str, more: &str) -> Ask {
    let context = format!("<n:EnumerationContext>{context}</n:EnumerationContext>");
    let ask =
        Ask::class(&format!("{ENUMERATION}/{action}"), "x").uri(&format!("{DMTF}SMS_DistributionPointInfo"));
    ask.body(&format!("<n:{action}>{context}{more}</n:{action}>"))
}

/// What no cmdlet of a usual session asks for.
#[tokio::test]
async fn other_operations_are_answered_as_the_golden_files_show() {
    let service = Service::start().await;
    let points = format!("{DMTF}SMS_DistributionPointInfo");
    let references = "<w:EnumerationMode>EnumerateEPR</w:EnumerationMode>";
    let begun = service.ask(&enumerate(&points, references)).await;
    compare(&service, "enumerate-begun", &begun);
    let context = context(&begun.body);
    compare(&service, "pull", &service.ask(&of_context("Pull", &context, "")).await);
    let rest = "<n:MaxElements>10</n:MaxElements>";
    compare(&service, "pull-last", &service.ask(&of_context("Pull", &context, rest)).await);
    let released = self::context(&service.ask(&enumerate(&points, references)).await.body);
    compare(&service, "release", &service.ask(&of_context("Release", &released, "")).await);
    let all = format!("<w:OptimizeEnumeration/><w:MaxElements>10</w:MaxElements>{references}");
    compare(&service, "enumerate-references", &service.ask(&enumerate(&points, &all)).await);
    let object = format!(
        "<b:AssociatedInstances><b:Object><a:Address>x</a:Address><a:ReferenceParameters>\
         <w:ResourceURI>{DMTF}SMS_DriverPackage</w:ResourceURI><w:SelectorSet>\
         <w:Selector Name=\"PackageID\">PS100001</w:Selector></w:SelectorSet></a:ReferenceParameters></b:Object>\
         <b:ResultClassName>SMS_DistributionPointInfo</b:ResultClassName></b:AssociatedInstances>"
    );
    let associated = filter("http://schemas.dmtf.org/wbem/wsman/1/cimbinding/associationFilter", &object);
    compare(&service, "associated", &service.ask(&enumerate(DMTF_ALL, &(associated + &all))).await);
    let declaration = "<w:OptimizeEnumeration/><w:MaxElements>1</w:MaxElements>";
    compare(&service, "enumerate-classes", &service.ask(&enumerate(DECLARATIONS, declaration)).await);
    let name =
        Ask::package("Get").header("<w:FragmentTransfer s:mustUnderstand=\"true\">Name</w:FragmentTransfer>");
    compare(&service, "fragment", &service.ask(&name).await);
}

/// A driver package in a body, with these elements in it.
fn package(elements: &str) -> String {
    format!("<p:SMS_DriverPackage xmlns:p=\"{DMTF}SMS_DriverPackage\">{elements}</p:SMS_DriverPackage>")
}

fn call(class: &str, method: &str) -> Ask {
    Ask::class(&format!("{DMTF}{class}/{method}"), class)
}

/// A request for each line of the table of faults that one request can meet.
fn refused() -> Vec<(&'static str, Ask)> {
    let declaration = DECLARATIONS;
    let site = format!("{DMTF}SMS_Site");
    let class = Ask::class("Get", "x").uri(DECLARATIONS).key("ClassName", "SMS_DriverPackage");
    let many = |element: &str, count: usize| {
        (0..count).map(|n| format!("<w:{element} Name=\"n{n}\">1</w:{element}>")).collect::<String>()
    };
    let keys = format!("<w:SelectorSet>{}</w:SelectorSet>", many("Selector", 65));
    let options = format!("<w:OptionSet>{}</w:OptionSet>", many("Option", 513));
    let fragment = |dialect: &str, path: &str| {
        Ask::package("Get").header(&format!("<w:FragmentTransfer{dialect}>{path}</w:FragmentTransfer>"))
    };
    let option = "<w:OptionSet><w:Option Name=\"wmi:LocaleID\">german</w:Option></w:OptionSet>";
    let unheard =
        "<w:OptionSet><w:Option Name=\"wmi:Unheard\" MustComply=\"true\">x</w:Option></w:OptionSet>";
    let of_lock = call("SMS_ObjectLock", "GetLockInformation").body(&format!(
        "<p:GetLockInformation_INPUT xmlns:p=\"{DMTF}SMS_ObjectLock\"><p:ObjectRelPath>no path</p:ObjectRelPath>\
         </p:GetLockInformation_INPUT>"
    ));
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
        ("fault-context", of_context("Pull", "uuid:0F5C7B5A-0000-4000-8000-0000000000FF", "")),
        ("fault-filter", enumerate(DMTF_ALL, &filter(WQL, "SELECT FROM"))),
        ("fault-filter-dialect", enumerate(DMTF_ALL, &filter(CQL, "SELECT * FROM SMS_Site"))),
        ("fault-filter-declarations", enumerate(DECLARATIONS, &filter(WQL, "SELECT * FROM SMS_Site"))),
        ("fault-query-needed", enumerate(DMTF_ALL, "")),
        ("fault-expiration", enumerate(&site, "<n:Expires>PT10M</n:Expires>")),
        ("fault-end-to", enumerate(&site, "<n:EndTo><a:Address>x</a:Address></n:EndTo>")),
        ("fault-elements", enumerate(&site, "<w:MaxElements>0</w:MaxElements>")),
        ("fault-mode", enumerate(&site, "<w:EnumerationMode>EnumerateAll</w:EnumerationMode>")),
        ("fault-polymorphism", enumerate(&site, "<b:PolymorphismMode>All</b:PolymorphismMode>")),
        ("fault-body", enumerate(&site, "").body("")),
        ("fault-body-namespace", call("SMS_DriverPackage", "CheckSourceFolder").body("<x/>")),
        (
            "fault-parameter-type",
            Ask::package(&format!("{DMTF}SMS_DriverPackage/RemoveDriverContent")).body(&format!(
                "<p:RemoveDriverContent_INPUT xmlns:p=\"{DMTF}SMS_DriverPackage\"><p:ContentIDs>one</p:ContentIDs>\
                 <p:bRefreshDPs>maybe</p:bRefreshDPs></p:RemoveDriverContent_INPUT>"
            )),
        ),
        ("fault-too-long", class.header("<w:MaxEnvelopeSize>8192</w:MaxEnvelopeSize>")),
        ("fault-selectors-many", Ask::package("Get").without_selectors().header(&keys)),
        ("fault-options-many", Ask::package("Get").header(&options)),
        ("fault-header-twice", Ask::package("Get").header("<a:Action>x</a:Action>")),
        ("fault-unsupported", Ask::class("Delete", "SMS_Site").key("SiteCode", "PS1")),
        ("fault-option-unknown", Ask::package("Get").header(unheard)),
        ("fault-instance-missing", Ask::package("Put")),
        ("fault-instance-namespace", Ask::package("Put").body("<p:SMS_Site xmlns:p=\"urn:x\"/>")),
        ("fault-path", of_lock),
    ]
}

#[tokio::test]
async fn faults_are_as_the_golden_files_show() {
    let service = Service::start().await;
    for (name, ask) in refused() {
        compare(&service, name, &service.ask(&ask).await);
    }
    compare(&service, "fault-denied", &service.ask_as("reader", &Ask::package("Delete")).await);
    let soap_1_1 = "http://schemas.xmlsoap.org/soap/envelope/";
    let insists = "<w:Locale xml:lang=\"de\" s:mustUnderstand=\"true\"";
    for (name, part, instead) in [
        ("fault-time", "PT60.000S", "PT0S"),
        ("fault-timeout", "PT60.000S", "soon"),
        ("fault-locale", "<w:Locale xml:lang=\"en-US\" s:mustUnderstand=\"false\"", insists),
        ("fault-header-missing", "s:Header", "s:Head"),
        ("fault-version", "http://www.w3.org/2003/05/soap-envelope", soap_1_1),
    ] {
        let envelope = Ask::package("Get").envelope();
        assert!(envelope.contains(part), "{name}");
        compare(&service, name, &service.send("admin", &envelope.replace(part, instead)).await);
    }
}

/// What depends on what was done before, or goes on meanwhile.
#[tokio::test]
async fn faults_of_changes_are_as_the_golden_files_show() {
    let service = Service::start().await;
    let group =
        "<p:SMS_DistributionPointGroup xmlns:p=\"urn:x\"><p:Name>all</p:Name></p:SMS_DistributionPointGroup>";
    let group = Ask::class("Create", "SMS_DistributionPointGroup").body(group);
    assert_eq!(service.ask(&group).await.status, 200);
    compare(&service, "fault-exists", &service.ask(&group).await);
    let places = service.stage.changes_of("admin");
    compare(&service, "fault-quota", &service.ask(&Ask::package("Delete")).await);
    drop(places);
    let icon = package(&"<p:Icon>137</p:Icon>".repeat(500));
    let long = Ask::package("Put").body(&icon).header("<w:MaxEnvelopeSize>8192</w:MaxEnvelopeSize>");
    compare(&service, "fault-unreported", &service.ask(&long).await);
    let bare = "<p:SMS_DriverPackage xmlns:p=\"urn:x\"><p:Name>no source</p:Name></p:SMS_DriverPackage>";
    assert_eq!(service.ask(&Ask::class("Create", "SMS_DriverPackage").body(bare)).await.status, 200);
    let refresh = call("SMS_DriverPackage", "RefreshPkgSource").key("PackageID", "PS100002");
    compare(&service, "fault-internal", &service.ask(&refresh).await);
    let points = enumerate(&format!("{DMTF}SMS_DistributionPointInfo"), "");
    for _ in 0..wsman::ENUMERATIONS_OF_USER_MAX {
        assert_eq!(service.ask(&points).await.status, 200);
    }
    compare(&service, "fault-enumerations", &service.ask(&points).await);
}
