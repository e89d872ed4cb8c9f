//! Get, Put, Create, Delete and calls of methods, as clients of Windows and of Linux write them.

use stage::PACKAGE;

use crate::harness::{Answer, Ask, DMTF, MICROSOFT, Service};

const XSI: &str = "xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\"";

/// A driver package in a body, with these elements in it.
fn body(elements: &str) -> String {
    format!(
        "<p0:SMS_DriverPackage xmlns:p0=\"{DMTF}SMS_DriverPackage\" {XSI}>{elements}</p0:SMS_DriverPackage>"
    )
}

/// A call of a method of a class, with these elements in its body.
fn call(class: &str, method: &str, elements: &str) -> Ask {
    Ask::class(&format!("{DMTF}{class}/{method}"), class)
        .body(&format!("<q:{method}_INPUT xmlns:q=\"{DMTF}{class}\" {XSI}>{elements}</q:{method}_INPUT>"))
}

fn text(answer: &Answer, name: &str) -> String {
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.text(name).unwrap_or_else(|| panic!("no {name}: {answer:?}"))
}

#[tokio::test]
pub(crate) async fn get_answers_in_the_style_of_its_request() {
    let service = Service::start().await;
    for uri in [format!("{DMTF}SMS_DriverPackage"), format!("{MICROSOFT}SMS_DriverPackage")] {
        let ask = Ask::class("Get", "x").uri(&uri).without_selectors().key("PackageID", PACKAGE);
        let answer = service.ask(&ask).await;
        assert_eq!(text(&answer, "PackageID"), PACKAGE);
        assert_eq!(text(&answer, "IconSize"), "0", "lazy properties are filled");
        let root = format!("<p:SMS_DriverPackage xmlns:p=\"{uri}\"");
        assert!(answer.body.contains(&root), "{answer:?}");
        assert!(answer.body.contains("xsi:type=\"p:SMS_DriverPackage_Type\""), "{answer:?}");
    }
    let base = Ask::class("Get", "SMS_PackageBaseclass").key("PackageID", PACKAGE);
    let answer = service.ask(&base).await;
    assert!(answer.body.contains("<p:SMS_DriverPackage "), "the class is the instance's own: {answer:?}");
}

#[tokio::test]
pub(crate) async fn a_fragment_is_a_property() {
    let service = Service::start().await;
    let get = |path: &str, dialect: &str| {
        let header =
            format!("<w:FragmentTransfer s:mustUnderstand=\"true\"{dialect}>{path}</w:FragmentTransfer>");
        Ask::package("Get").header(&header)
    };
    for (path, expect) in [
        ("Name", "><p:Name>Drivers - Dell 7440</p:Name></w:XmlFragment>"),
        ("packageid/text()", ">PS100001</w:XmlFragment>"),
        ("RefreshSchedule", "></w:XmlFragment>"),
    ] {
        let answer = service.ask(&get(path, "")).await;
        assert!(answer.status == 200 && answer.body.contains(expect), "{path}: {answer:?}");
        assert_eq!(text(&answer, "FragmentTransfer"), path);
    }
    let known = " Dialect=\"http://www.w3.org/TR/1999/REC-xpath-19991116\"";
    let repeated = format!("<w:FragmentTransfer s:mustUnderstand=\"true\"{known}>Name</w:FragmentTransfer>");
    let answer = service.ask(&get("Name", known)).await;
    assert!(answer.status == 200 && answer.body.contains(&repeated), "{answer:?}");
    let unknown = service.ask(&get("Name", " Dialect=\"urn:x\"")).await;
    assert_eq!(unknown.fault().0, "FragmentDialectNotSupported");
    for path in ["Nothing", "Name/Other", "//Name"] {
        let answer = service.ask(&get(path, "")).await;
        let expect = ("SchemaValidationError".to_owned(), "InvalidFragment".to_owned());
        assert_eq!(answer.fault(), expect, "{path}");
    }
    let put = |inner: &str| {
        let header = "<w:FragmentTransfer s:mustUnderstand=\"true\">Version</w:FragmentTransfer>";
        Ask::package("Put").header(header).body(&format!("<w:XmlFragment>{inner}</w:XmlFragment>"))
    };
    let changed = service.ask(&put("<Version>A13</Version>")).await;
    assert!(changed.body.contains("><p:Version>A13</p:Version></w:XmlFragment>"), "{changed:?}");
    assert_eq!(service.ask(&put("<Name>x</Name>")).await.fault().1, "InvalidFragment");
}

/// Were the header passed over, a client that means one property would lose the whole package.
#[tokio::test]
async fn a_fragment_of_what_has_no_parts_is_refused() {
    let service = Service::start().await;
    let before = service.ask(&Ask::package("Get")).await.texts("SedoObjectVersion");
    let enumeration = "http://schemas.xmlsoap.org/ws/2004/09/enumeration";
    let declaration = "http://schemas.dmtf.org/wbem/cim-xml/2/cim-schema/2/*";
    let new = r"<p0:Name>Drivers - HP 840</p0:Name><p0:PkgSourceFlag>2</p0:PkgSourceFlag><p0:PkgSourcePath>\\srv.example.test\src\dell</p0:PkgSourcePath>";
    for must in ["true", "false"] {
        let header = format!("<w:FragmentTransfer s:mustUnderstand=\"{must}\">Name</w:FragmentTransfer>");
        for ask in [
            Ask::package("Delete"),
            Ask::class("Create", "SMS_DriverPackage").body(&body(new)),
            call("SMS_DriverPackage", "RefreshPkgSource", "").key("PackageID", PACKAGE),
            Ask::class(&format!("{enumeration}/Enumerate"), "SMS_DriverPackage").body("<n:Enumerate/>"),
            Ask::class("Get", "x").uri(declaration).key("ClassName", "SMS_DriverPackage"),
        ] {
            let answer = service.ask(&ask.clone().header(&header)).await;
            let expect = ("UnsupportedFeature".to_owned(), "FragmentLevelAccess".to_owned());
            assert_eq!((answer.fault(), answer.code()), (expect, 0x8033_8077), "{ask:?}");
            let after = service.ask(&Ask::package("Get")).await;
            assert_eq!((after.status, after.texts("SedoObjectVersion")), (200, before.clone()), "{ask:?}");
            let made = Ask::class("Get", "SMS_DriverPackage").key("PackageID", "PS100002");
            assert_eq!(service.ask(&made).await.status, 500, "{ask:?}");
        }
    }
}

#[tokio::test]
pub(crate) async fn put_sets_what_is_given_and_nothing_else() {
    let service = Service::start().await;
    let changed = service.ask(&Ask::package("Put").body(&body("<p0:Version>A13</p0:Version>"))).await;
    assert_eq!(text(&changed, "Version"), "A13");
    assert_eq!(text(&changed, "Description"), "Network", "what is absent is left alone");
    // As Get showed it, the read-only ones included.
    let shown = service.ask(&Ask::package("Get")).await.body;
    let instance = &shown[shown.find("<p:SMS_DriverPackage").unwrap()..shown.find("</s:Body>").unwrap()];
    let edited = instance
        .replace(">Network<", ">Chipset<")
        .replace("<p:SMS_DriverPackage ", &format!("<p:SMS_DriverPackage {XSI} "));
    let whole = service.ask(&Ask::package("Put").body(&edited)).await;
    assert_eq!(text(&whole, "Description"), "Chipset");
    let nothing = service.ask(&Ask::package("Put").body(&body(""))).await;
    assert_eq!(text(&nothing, "Description"), "Chipset");
}

/// A Put of some properties, which the client lists as what it has changed.
fn listing(names: &[&str], elements: &str) -> Ask {
    let option = |name: &&str| {
        format!(
            "<w:Option Name=\"wmiarray:__MIInstanceModifiedPropertiesList\" Type=\"xs:string\">{name}</w:Option>"
        )
    };
    let options: String = names.iter().map(option).collect();
    let precise = "<w:Option Name=\"msftwinrm:UsePreciseArrays\" Type=\"xs:boolean\">true</w:Option>";
    let set = format!("<w:OptionSet s:mustUnderstand=\"true\">{precise}{options}</w:OptionSet>");
    Ask::package("Put").header(&set).body(&body(elements))
}

#[tokio::test]
pub(crate) async fn put_changes_only_what_the_client_lists_as_changed() {
    let service = Service::start().await;
    let given = "<p0:Version>A14</p0:Version><p0:MIFName>x</p0:MIFName><p0:Description>y</p0:Description><p0:PackageSize>1</p0:PackageSize>";
    let answer = service.ask(&listing(&["Version", "mifname"], given)).await;
    assert_eq!(text(&answer, "Version"), "A14");
    assert_eq!(text(&answer, "MIFName"), "x");
    assert_eq!(text(&answer, "Description"), "Network");
    let edition = text(&answer, "SedoObjectVersion");
    let read_only = format!("<p0:SedoObjectVersion>{edition}</p0:SedoObjectVersion>{given}");
    let refused = service.ask(&listing(&["PackageSize"], &read_only)).await;
    assert_eq!(refused.fault().0, "InvalidRepresentation", "listed, it is meant: {refused:?}");
}

/// The cmdlets send the whole object and list what was changed: what was read then is old, whatever is listed.
#[tokio::test]
pub(crate) async fn a_listed_change_of_an_old_object_is_refused_as_old() {
    let service = Service::start().await;
    let edition = text(&service.ask(&Ask::package("Get")).await, "SedoObjectVersion");
    let put = |version: &str| {
        let elements = format!(
            "<p0:SedoObjectVersion>{edition}</p0:SedoObjectVersion><p0:Version>{version}</p0:Version><p0:MIFName>m</p0:MIFName>"
        );
        listing(&["Version"], &elements)
    };
    assert_eq!(text(&service.ask(&put("A13")).await, "Version"), "A13");
    let late = service.ask(&put("A14")).await;
    assert_eq!((late.fault().0.as_str(), late.code()), ("Concurrency", 2_150_858_802), "{late:?}");
    assert_eq!(text(&service.ask(&Ask::package("Get")).await, "Version"), "A13");
}

/// An empty array has no element; that it is meant says the list alone.
#[tokio::test]
pub(crate) async fn a_listed_array_without_elements_is_emptied() {
    let service = Service::start().await;
    let token = format!(
        "<p0:RefreshSchedule xmlns:p1=\"{DMTF}SMS_ST_RecurInterval\" xsi:type=\"p1:SMS_ST_RecurInterval_Type\"><p1:DaySpan>7</p1:DaySpan></p0:RefreshSchedule>"
    );
    let scheduled = service.ask(&listing(&["RefreshSchedule"], &token)).await;
    assert_eq!(text(&scheduled, "DaySpan"), "7");
    let other = service.ask(&listing(&["Version", "Manufacturer"], "<p0:Version>A14</p0:Version>")).await;
    assert_eq!((text(&other, "DaySpan"), text(&other, "Manufacturer")), ("7".into(), "Dell".into()));
    let emptied = service.ask(&listing(&["refreshschedule"], "<p0:Version>A15</p0:Version>")).await;
    assert_eq!((emptied.text("RefreshSchedule"), text(&emptied, "Version")), (None, "A14".into()));
    let stored = service.ask(&Ask::package("Get")).await;
    assert_eq!((stored.status, stored.text("RefreshSchedule")), (200, None), "{stored:?}");
}

#[tokio::test]
pub(crate) async fn put_refuses_what_does_not_fit() {
    let service = Service::start().await;
    for (given, subcode, detail) in [
        (body("<p0:PackageSize>1</p0:PackageSize>"), "InvalidRepresentation", "InvalidValues"),
        (body("<p0:Priority>high</p0:Priority>"), "SchemaValidationError", "InvalidValues"),
        (body("<p0:Nothing>1</p0:Nothing>"), "SchemaValidationError", "InvalidValues"),
        (body("<p0:Name xsi:nil=\"true\"/>"), "InvalidParameter", ""),
        (body("<p0:Name>x</p0:Name><p0:Name>y</p0:Name>"), "InvalidRepresentation", "InvalidValues"),
        ("<SMS_Site/>".to_owned(), "InvalidRepresentation", "InvalidNamespace"),
        (
            body("").replace("cim-schema/2/SMS_DriverPackage", "cim-schema/2/SMS_Site"),
            "InvalidRepresentation",
            "InvalidNamespace",
        ),
        (String::new(), "InvalidRepresentation", "MissingValues"),
    ] {
        let answer = service.ask(&Ask::package("Put").body(&given)).await;
        assert_eq!(answer.fault(), (subcode.to_owned(), detail.to_owned()), "{given}: {answer:?}");
    }
    let missing = Ask::class("Put", "SMS_DriverPackage").key("PackageID", "PS1FFFFF");
    assert_eq!(
        service.ask(&missing.body(&body("<p0:Name>x</p0:Name>"))).await.fault().0,
        "DestinationUnreachable"
    );
}

#[tokio::test]
pub(crate) async fn put_of_an_old_object_is_refused_as_old() {
    let service = Service::start().await;
    let edition = service.ask(&Ask::package("Get")).await.text("SedoObjectVersion").unwrap();
    let given = |version: &str| {
        let elements = format!(
            "<p0:SedoObjectVersion>{edition}</p0:SedoObjectVersion><p0:Version>{version}</p0:Version>"
        );
        Ask::package("Put").body(&body(&elements))
    };
    assert_eq!(text(&service.ask(&given("A13")).await, "Version"), "A13");
    let late = service.ask(&given("A14")).await;
    assert_eq!((late.fault().0.as_str(), late.code()), ("Concurrency", 2_150_858_802), "{late:?}");
}

#[tokio::test]
pub(crate) async fn create_answers_with_the_address_of_what_it_made() {
    let service = Service::start().await;
    let elements = r"<p0:Name>Drivers - HP 840</p0:Name><p0:PkgSourceFlag>2</p0:PkgSourceFlag><p0:PkgSourcePath>\\srv.example.test\src\dell</p0:PkgSourcePath>";
    let made = service.ask(&Ask::class("Create", "SMS_DriverPackage").body(&body(elements))).await;
    assert_eq!(text(&made, "ResourceURI"), format!("{DMTF}SMS_DriverPackage"));
    assert_eq!(made.texts("Selector"), ["root/sms/site_PS1", "PS100002"]);
    let found = service.ask(&Ask::class("Get", "SMS_DriverPackage").key("PackageID", "PS100002")).await;
    assert_eq!(text(&found, "Name"), "Drivers - HP 840");
    let microsoft =
        Ask::class("Create", "x").uri(&format!("{MICROSOFT}SMS_DriverPackage")).without_selectors();
    let made = service.ask(&microsoft.body(&body(&elements.replace("840", "850")))).await;
    assert_eq!(made.texts("Selector"), ["PS100003"], "the URI has the namespace");
    let named = format!("{elements}<p0:PackageID>{PACKAGE}</p0:PackageID>");
    let refused = service.ask(&Ask::class("Create", "SMS_DriverPackage").body(&body(&named))).await;
    assert_eq!(refused.status, 500, "{refused:?}");
    let kept = service.ask(&Ask::package("Get")).await;
    assert_ne!(text(&kept, "Name"), "Drivers - HP 840", "what is there is changed by Put alone");
    let keyed = Ask::package("Create").body(&body(elements));
    assert_eq!(service.ask(&keyed).await.fault().1, "UnexpectedSelectors");
}

#[tokio::test]
pub(crate) async fn delete_answers_with_nothing_and_leaves_nothing() {
    let service = Service::start().await;
    let deleted = service.ask(&Ask::package("Delete")).await;
    assert_eq!(deleted.status, 200, "{deleted:?}");
    assert!(deleted.body.ends_with("<s:Body></s:Body></s:Envelope>"), "{deleted:?}");
    for again in [Ask::package("Get"), Ask::package("Delete")] {
        assert_eq!(service.ask(&again).await.fault().0, "DestinationUnreachable");
    }
}

#[tokio::test]
pub(crate) async fn methods_are_called_on_instances_and_classes() {
    let service = Service::start().await;
    let refresh = call("SMS_DriverPackage", "RefreshPkgSource", "").key("PackageID", PACKAGE);
    let answer = service.ask(&refresh).await;
    assert_eq!(text(&answer, "ReturnValue"), "0");
    assert_eq!(text(&answer, "Action"), format!("{}Response", refresh.action));
    assert!(answer.body.contains("<p:RefreshPkgSource_OUTPUT "), "{answer:?}");
    // What clients write otherwise and mean alike.
    for ask in [
        refresh.clone().body(""),
        refresh.clone().body("<AnyName_Input/>"),
        Ask { action: refresh.action.replace("Refresh", "rEFRESH"), ..refresh.clone() },
        Ask { action: format!("{MICROSOFT}sms_driverpackage/RefreshPkgSource"), ..refresh.clone() },
    ] {
        assert_eq!(text(&service.ask(&ask).await, "ReturnValue"), "0", "{ask:?}");
    }
    let folder = |inner: &str| call("SMS_DriverPackage", "CheckSourceFolder", inner);
    let checked = service.ask(&folder(r"<q:SourceFolder>\\srv.example.test\src\new</q:SourceFolder>")).await;
    assert_eq!(text(&checked, "ReturnValue"), "0", "{checked:?}");
    assert!(checked.body.contains("<p:Result>"), "{checked:?}");
    let unqualified = service.ask(&folder(r"<sourcefolder>\\srv.example.test\src\new</sourcefolder>")).await;
    assert_eq!(text(&unqualified, "ReturnValue"), "0", "{unqualified:?}");
}

#[tokio::test]
pub(crate) async fn calls_that_cannot_run_are_faults() {
    let service = Service::start().await;
    let package =
        |method: &str, inner: &str| call("SMS_DriverPackage", method, inner).key("PackageID", PACKAGE);
    for (ask, subcode) in [
        (package("Frobnicate", ""), "ActionNotSupported"),
        (call("SMS_DriverPackage", "RefreshPkgSource", ""), "InvalidSelectors"),
        (package("RefreshPkgSource", "<q:Force>true</q:Force>"), "InvalidParameter"),
        (package("AddDriverContent", ""), "InvalidParameter"),
        (
            package(
                "AddDriverContent",
                "<q:ContentIDs>x</q:ContentIDs><q:ContentSourcePath>y</q:ContentSourcePath>",
            ),
            "InvalidParameter",
        ),
        (package("RefreshPkgSource", "").body("<q xmlns='urn:q'/>"), "SchemaValidationError"),
        (package("RefreshPkgSource", "").uri(&format!("{DMTF}SMS_Package")), "ActionNotSupported"),
        (call("SMS_Identification", "GetFileBinary", ""), "ActionNotSupported"),
    ] {
        let answer = service.ask(&ask).await;
        assert_eq!(answer.fault().0, subcode, "{ask:?}: {answer:?}");
    }
    let keyless = service.ask(&call("SMS_DriverPackage", "RefreshPkgSource", "")).await;
    let expect = ("InvalidSelectors".to_owned(), "InsufficientSelectors".to_owned());
    assert_eq!((keyless.fault(), keyless.code()), (expect, 0x8033_805A), "as of Get: {keyless:?}");
    let denied = service.ask_as("reader", &package("RefreshPkgSource", "")).await;
    assert_eq!((denied.fault().0.as_str(), denied.code()), ("AccessDenied", 5));
}

#[tokio::test]
pub(crate) async fn options_are_the_context_of_a_call() {
    let service = Service::start().await;
    let set = |options: &str| format!("<w:OptionSet>{options}</w:OptionSet>");
    let raise = |header: &str| {
        call(
            "SMS_StatusMessage",
            "RaiseInformationalStatusMsg",
            "<q:MessageText>done</q:MessageText><q:MessageType>256</q:MessageType>",
        )
        .header(header)
    };
    let named = "<w:Option Name=\"wmi:ApplicationName\">Import</w:Option><w:Option Name=\"MachineName\">PC1</w:Option>";
    let raised = service.ask(&raise(&set(named))).await;
    assert_eq!(text(&raised, "ReturnValue"), "0");
    let newest = cim::wql::parse("SELECT * FROM SMS_StatMsg ORDER BY RecordID DESC").unwrap();
    let admin = provider::Caller::from(site::Actor::local());
    let newest = service.stage.provider.query(&admin, newest).await.unwrap().instances.remove(0);
    assert_eq!(newest.get("Component"), Some(&cim::Value::text("Import")));
    let wrong = service.ask(&raise(&set("<w:Option Name=\"wmi:LocaleID\">german</w:Option>"))).await;
    assert_eq!(wrong.fault(), ("InvalidOptions".to_owned(), "InvalidValue".to_owned()));
    let unknown = "<w:Option Name=\"wmi:Unheard\" MustComply=\"true\">x</w:Option>";
    let unknown = service.ask(&raise(&set(unknown))).await;
    assert_eq!(unknown.fault(), ("InvalidOptions".to_owned(), "NotSupported".to_owned()));
}

#[tokio::test]
pub(crate) async fn declarations_say_what_the_options_ask_for() {
    let service = Service::start().await;
    let ask = |options: &str| {
        Ask::class("Get", "x")
            .uri("http://schemas.dmtf.org/wbem/cim-xml/2/cim-schema/2/*")
            .key("ClassName", "sms_driverpackage")
            .header(&format!("<w:OptionSet>{options}</w:OptionSet>"))
    };
    let whole = service.ask(&ask("")).await;
    assert!(
        whole
            .body
            .contains("<CLASS NAME=\"SMS_DriverPackage\" SUPERCLASS=\"SMS_PackageBaseclass\" DERIVATION="),
        "{whole:?}"
    );
    assert!(whole.body.contains("NAME=\"PackageID\"") && whole.body.contains("<QUALIFIER "), "{whole:?}");
    let bare = "<w:Option Name=\"IncludeQualifiers\">false</w:Option><w:Option Name=\"wmi:IncludeInheritedElements\">false</w:Option>";
    let bare = service.ask(&ask(bare)).await;
    assert!(!bare.body.contains("NAME=\"PackageID\"") && !bare.body.contains("<QUALIFIER "), "{bare:?}");
    assert!(bare.body.contains("<METHOD NAME=\"RefreshPkgSource\""), "{bare:?}");
}
