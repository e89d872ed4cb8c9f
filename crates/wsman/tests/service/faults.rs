//! Each fault as a client gets it: HTTP 500, subcode, detail, decimal code, and the action of its kind.

use crate::harness::{Answer, Ask, DMTF, MESSAGE_ID, MICROSOFT, Service};

fn check(ask: &str, answer: &Answer, subcode: &str, detail: &str, code: u32) {
    assert_eq!(answer.fault(), (subcode.to_owned(), detail.to_owned()), "{ask}: {answer:?}");
    assert_eq!(answer.code(), code, "{ask}: {answer:?}");
    assert!(answer.text("Action").unwrap().ends_with("/fault"), "{ask}: {answer:?}");
    assert_eq!(answer.text("RelatesTo").as_deref(), Some(MESSAGE_ID), "{ask}");
}

#[tokio::test]
async fn resources_that_are_not_there_are_unreachable() {
    let service = Service::start().await;
    let class = |uri: &str| Ask::class("Delete", "x").uri(uri).key("PackageID", "PS100001");
    for (ask, detail, code) in [
        (Ask::class("Delete", "SMS_Nothing"), "", 2_150_858_752),
        (Ask::package("Delete").uri("urn:x"), "InvalidResourceURI", 2_150_858_811),
        (
            class(&format!("{}SMS_Site", MICROSOFT.replace("PS1", "PS2"))).without_selectors(),
            "",
            2_150_858_752,
        ),
        (
            class(&format!("{}SMS_DriverPackage", MICROSOFT.replace("site_PS1/", ""))).without_selectors(),
            "",
            2_150_858_752,
        ),
        (Ask::class("Delete", "SMS_DriverPackage").key("PackageID", "PS1FFFFF"), "", 2_150_858_752),
    ] {
        let answer = service.ask(&ask).await;
        check(&ask.uri, &answer, "DestinationUnreachable", detail, code);
    }
    let differs = class(&format!("{MICROSOFT}SMS_DriverPackage").replace("site_PS1/", ""));
    check("namespaces", &service.ask(&differs).await, "InternalError", "", 2_150_859_067);
}

#[tokio::test]
async fn selectors_must_be_the_keys() {
    let service = Service::start().await;
    let package = || Ask::class("Delete", "SMS_DriverPackage");
    for (ask, detail, code) in [
        (package(), "InsufficientSelectors", 2_150_858_842),
        (package().key("Name", "x"), "UnexpectedSelectors", 2_150_858_843),
        (package().key("PackageID", "x").key("Name", "x"), "UnexpectedSelectors", 2_150_858_843),
        (package().key("PackageID", "x").key("packageid", "x"), "DuplicateSelectors", 2_150_858_847),
        (Ask::class("Delete", "SMS_Driver").key("CI_ID", "one"), "TypeMismatch", 2_150_858_844),
    ] {
        check(detail, &service.ask(&ask).await, "InvalidSelectors", detail, code);
    }
}

#[tokio::test]
async fn actions_that_are_not_served_are_refused() {
    let service = Service::start().await;
    let subscribe = "http://schemas.xmlsoap.org/ws/2004/08/eventing/Subscribe";
    let all = "http://schemas.dmtf.org/wbem/wscim/1/*";
    let declaration = "http://schemas.dmtf.org/wbem/cim-xml/2/cim-schema/2/*";
    for ask in [
        Ask::class(subscribe, "SMS_DriverPackage"),
        Ask::class("Get", "SMS_DriverPackage").uri(all),
        Ask::class("Delete", "SMS_DriverPackage").uri(declaration),
        Ask::class("Frobnicate", "SMS_DriverPackage"),
    ] {
        let answer = service.ask(&ask).await;
        assert_eq!(answer.fault().0, "ActionNotSupported", "{ask:?}: {answer:?}");
    }
}

#[tokio::test]
async fn refusals_of_the_provider_carry_its_error_object() {
    let service = Service::start().await;
    let denied = service.ask_as("reader", &Ask::package("Delete")).await;
    check("denied", &denied, "AccessDenied", "", 5);
    assert_eq!(denied.text("Operation").as_deref(), Some("DeleteInstance"));
    assert_eq!(denied.text("ErrorCode").as_deref(), Some("5"));
    assert_eq!(denied.text("StatusCode").as_deref(), Some("2147749891"));
    let reason = denied.text("Text").unwrap();
    assert!(reason.contains("WBEM_E_ACCESS_DENIED") && reason.contains("HRESULT 0x80041003"), "{reason}");
    assert!(denied.body.contains(&format!("xmlns:p=\"{MICROSOFT}SMS_ExtendedStatus\"")), "{denied:?}");
    let unsupported = Ask::class("Delete", "SMS_Identification").without_selectors();
    let answer = service.ask(&unsupported.uri(&format!("{DMTF}SMS_Site")).key("SiteCode", "PS1")).await;
    check("unsupported", &answer, "UnsupportedFeature", "", 2_150_858_818);
}

#[tokio::test]
async fn declarations_that_are_not_there_have_codes_of_their_own() {
    let service = Service::start().await;
    let declaration = "http://schemas.dmtf.org/wbem/cim-xml/2/cim-schema/2/*";
    let ask = || Ask::class("Get", "x").uri(declaration);
    check("none", &service.ask(&ask()).await, "InvalidSelectors", "InsufficientSelectors", 2_150_859_254);
    let missing = service.ask(&ask().key("ClassName", "SMS_Nothing")).await;
    check("missing", &missing, "DestinationUnreachable", "", 2_150_859_245);
}
