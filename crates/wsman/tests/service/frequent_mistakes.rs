//! The mistakes that servers of this protocol make most often, each held off by a test of its name. 1, 2 and 10 stand with
//! the enumerations (`tests/enumeration/items.rs`), 9 with the connections that it is about (`from_elsewhere.rs`).

use stage::PACKAGE;

use crate::harness::{Ask, DMTF, MESSAGE_ID, MICROSOFT, SOAP_TYPE, Service};

#[tokio::test]
async fn mistake_3_changing_the_message_id_in_relates_to() {
    let service = Service::start().await;
    for id in ["uuid:AbCd-{1}", "0f5c7b5a-bare-guid", " spaces kept ", "a&amp;b&lt;c"] {
        let envelope = Ask::package("Get").envelope().replace(MESSAGE_ID, id);
        let answer = service.send("admin", &envelope).await;
        assert!(answer.body.contains(&format!("<a:RelatesTo>{id}</a:RelatesTo>")), "{id}: {answer:?}");
    }
}

#[tokio::test]
async fn mistake_4_faulting_on_what_may_be_passed_over() {
    let service = Service::start().await;
    let xs = "xmlns:xsi=\"http://www.w3.org/2001/XMLSchema\"";
    for header in [
        "<q:Strange xmlns:q='urn:q'>x</q:Strange>".to_owned(),
        "<q:Strange xmlns:q='urn:q' s:mustUnderstand='false'/>".to_owned(),
        "<w:OptionSet s:mustUnderstand='true'/>".to_owned(),
        format!(
            "<w:OptionSet s:mustUnderstand='1' {xs}><w:Option Name='Unheard' Type='xsi:string'>1</w:Option></w:OptionSet>"
        ),
        "<w:MaxEnvelopeSize s:mustUnderstand='1' Policy='Skip'>102400</w:MaxEnvelopeSize>".to_owned(),
        "<w:RequestEPR/><w:RequestTotalItemsCountEstimate/>".to_owned(),
        "<p:ActivityId s:mustUnderstand='false'>uuid:1</p:ActivityId>".to_owned(),
    ] {
        let answer = service.ask(&Ask::package("Get").header(&header)).await;
        assert_eq!(answer.status, 200, "{header}: {answer:?}");
    }
    let headers = format!("Authorization: {}\r\nContent-Type: {SOAP_TYPE}\r\n", stage::Stage::basic("admin"));
    let envelope = Ask::package("Get").envelope();
    assert_eq!(service.raw("POST /wsman/", &headers, envelope.as_bytes()).await.status, 200);
    let without = envelope.replace("a:ReplyTo", "q:Gone").replace("<s:Header>", "<s:Header xmlns:q='urn:q'>");
    assert_eq!(service.send("admin", &without).await.status, 200, "ReplyTo may be missing");
}

#[tokio::test]
async fn mistake_5_knowing_one_spelling_of_addresses() {
    let service = Service::start().await;
    let bare = |uri: &str| Ask::class("Get", "x").uri(uri).without_selectors();
    for ask in [
        bare(&format!("{MICROSOFT}SMS_DriverPackage")).key("PackageID", PACKAGE),
        bare(&format!("{DMTF}SMS_DriverPackage")).key("PackageID", PACKAGE),
        bare(&format!("{DMTF}sms_driverpackage")).key("packageid", "ps100001"),
        bare(&MICROSOFT.to_uppercase().replace("SITE_PS1/", "SITE_PS1/SMS_DRIVERPACKAGE"))
            .key("PACKAGEID", PACKAGE),
        bare(&format!("{DMTF}SMS_DriverPackage"))
            .key("__CIMNAMESPACE", "ROOT\\sms\\site_ps1")
            .key("PackageID", PACKAGE),
        bare(&format!("{DMTF}SMS_DriverPackage"))
            .key("__cimnamespace", "sms/site_PS1")
            .key("PackageID", PACKAGE),
        bare(&format!("{MICROSOFT}SMS_DriverPackage"))
            .key("__cimnamespace", "root/sms/site_PS1")
            .key("PackageID", PACKAGE),
        bare(&format!("{DMTF}SMS_DriverPackage?PackageID={PACKAGE}+__cimnamespace=root/sms/site_PS1")),
        bare("http://schemas.example.test/wbem/wscim/1/cim-schema/2/SMS_DriverPackage")
            .key("PackageID", PACKAGE),
    ] {
        let answer = service.ask(&ask).await;
        assert_eq!(answer.text("PackageID").as_deref(), Some(PACKAGE), "{ask:?}: {answer:?}");
    }
}

#[tokio::test]
async fn mistake_6_writing_datetimes_and_null_as_text() {
    let service = Service::start().await;
    let answer = service.ask(&Ask::package("Get")).await;
    // Its namespace is declared on it: clients cut the element out as text.
    let namespace = "http://schemas.dmtf.org/wbem/wscim/1/common";
    let date = format!(
        "<p:SourceDate><cim:Datetime xmlns:cim=\"{namespace}\">2026-01-02T03:04:05Z</cim:Datetime></p:SourceDate>"
    );
    assert!(answer.body.contains(&date), "{answer:?}");
    let empty = "<p:Language></p:Language>";
    assert!(answer.body.contains(empty), "an empty text is not null: {answer:?}");
    assert!(answer.body.contains("<p:ISVString xsi:nil=\"true\"/>"), "{answer:?}");
    assert!(!answer.body.contains("***"), "{answer:?}");
}

#[tokio::test]
async fn mistake_7_hiding_the_class_of_objects_and_wrapping_arrays() {
    let service = Service::start().await;
    let class = format!("{DMTF}SMS_ScheduleMethods");
    let body = format!(
        "<q:ReadFromString_INPUT xmlns:q=\"{class}\"><q:StringData>0001200000100038000120000011E000</q:StringData></q:ReadFromString_INPUT>"
    );
    let ask = Ask::class(&format!("{class}/ReadFromString"), "SMS_ScheduleMethods").body(&body);
    let answer = service.ask(&ask).await;
    assert_eq!(answer.text("ReturnValue").as_deref(), Some("0"), "{answer:?}");
    let tokens = answer.body.matches("<p:TokenData xmlns:p1=\"").count();
    assert_eq!(tokens, 2, "{answer:?}");
    assert_eq!(answer.body.matches("xsi:type=\"p1:SMS_ST_").count(), 2, "{answer:?}");
    // And back: the objects that were shown are taken.
    let objects =
        &answer.body[answer.body.find("<p:TokenData").unwrap()..answer.body.rfind("<p:ReturnValue").unwrap()];
    let body = format!(
        "<p:WriteToString_INPUT xmlns:p=\"{class}\" xmlns:cim=\"http://schemas.dmtf.org/wbem/wscim/1/common\" \
         xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\">{objects}</p:WriteToString_INPUT>"
    );
    let ask = Ask::class(&format!("{class}/WriteToString"), "SMS_ScheduleMethods").body(&body);
    let back = service.ask(&ask).await;
    assert_eq!(back.text("StringData").as_deref(), Some("0001200000100038000120000011E000"), "{back:?}");
}

#[tokio::test]
async fn mistake_8_faults_that_do_not_look_like_faults() {
    let service = Service::start().await;
    let answer = service.ask(&Ask::class("Get", "SMS_Nothing")).await;
    assert_eq!(answer.status, 500);
    assert_eq!(
        answer.text("Action").as_deref(),
        Some("http://schemas.xmlsoap.org/ws/2004/08/addressing/fault")
    );
    assert!(answer.body.contains("Code=\"2150858752\" Machine=\"srv.example.test\""), "{answer:?}");
    assert!(answer.head.contains("content-type: application/soap+xml"), "{answer:?}");
}
