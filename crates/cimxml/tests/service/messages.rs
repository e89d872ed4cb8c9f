//! The fuzz target of the message reader as a seeded test: what clients send, changed at random. Whatever comes, the
//! answer is one of the protocol, and the service goes on.

use mutations::Mutations;

use crate::harness::{
    SITE, Service, class, escaped, extrinsic, instance, intrinsic, package, parameter, text, texts,
};

const CASES: u32 = 2_000;
/// Cases of the reader alone.
const READ_CASES: u32 = 20_000;

const PIECES: [&str; 26] = [
    "<",
    ">",
    "</",
    "/>",
    "<VALUE>",
    "</VALUE>",
    "<VALUE.ARRAY>",
    "<IPARAMVALUE NAME=\"ClassName\">",
    "<INSTANCENAME CLASSNAME=\"A\"/>",
    "<CLASSNAME NAME=\"SMS_Driver\"/>",
    "<!--",
    "<![CDATA[",
    "]]>",
    "<?x ?>",
    "&amp;",
    "&lt;",
    "&#0;",
    "&x;",
    "\"",
    "'",
    "=",
    " EmbeddedObject=\"instance\"",
    " TYPE=\"uint64\"",
    "18446744073709551616",
    "\0",
    "\u{e9}",
];

fn samples() -> Vec<String> {
    let token = escaped(&instance("SMS_ST_RecurInterval", &[("DaySpan", "7")]));
    let array = format!(
        "<PROPERTY.ARRAY NAME=\"RefreshSchedule\" TYPE=\"string\" EmbeddedObject=\"instance\"><VALUE.ARRAY><VALUE>{token}</VALUE></VALUE.ARRAY></PROPERTY.ARRAY>"
    );
    let new = instance("SMS_DriverPackage", &[("Name", "x")])
        .replace("</INSTANCE>", &format!("{array}</INSTANCE>"));
    vec![
        intrinsic(
            SITE,
            "GetInstance",
            &[parameter("InstanceName", &package("PS100001")), texts("PropertyList", &["Name"])].concat(),
        ),
        intrinsic(SITE, "EnumerateInstances", &[class("SMS_Site"), text("DeepInheritance", "TRUE")].concat()),
        intrinsic(SITE, "CreateInstance", &parameter("NewInstance", &new)),
        intrinsic(
            SITE,
            "ExecQuery",
            &[text("QueryLanguage", "WQL"), text("Query", "SELECT * FROM SMS_Site WHERE SiteCode = 'PS1'")]
                .concat(),
        ),
        intrinsic(
            "interop",
            "OpenEnumerateInstances",
            &[class("CIM_Namespace"), text("MaxObjectCount", "1")].concat(),
        ),
        extrinsic(
            &package("PS100001"),
            "AddDriverContent",
            "<PARAMVALUE NAME=\"ContentIDs\" PARAMTYPE=\"uint32\"><VALUE.ARRAY><VALUE>1</VALUE></VALUE.ARRAY></PARAMVALUE>",
        ),
    ]
}

#[test]
fn mutated_messages_are_read_or_refused() {
    let (samples, mut mutations) = (samples(), Mutations::of_texts(0x4861_756c_6965_7228, &PIECES));
    for sample in &samples {
        cimxml::check_message(sample).unwrap();
    }
    let mut read = 0;
    for case in 0..READ_CASES {
        let text = match case % 2 {
            0 => mutations.exchanged(&samples),
            _ => mutations.text(&samples, 3),
        };
        match cimxml::check_message(&text) {
            Ok(()) => read += 1,
            Err(refusal) => assert!(refusal.len() < 1_000, "{refusal}"),
        }
    }
    assert!(
        (READ_CASES / 10..READ_CASES).contains(&read),
        "{read} of {READ_CASES} changed messages are still messages"
    );
}

#[tokio::test]
async fn mutated_messages_get_answers_of_the_protocol() {
    let service = Service::start().await;
    let (samples, mut mutations) = (samples(), Mutations::of_texts(0x4861_756c_6965_7226, &PIECES));
    let (mut operations, mut refused) = (0, 0);
    for _ in 0..CASES {
        let body = mutations.text(&samples, 2);
        let answer = service.post("reader", &[], body.clone()).await;
        match answer.status {
            200 => {
                assert!(
                    answer.body.contains("METHODRESPONSE NAME=\"") && answer.body.ends_with("</CIM>"),
                    "{body}\n{answer:?}"
                );
                operations += 1;
            }
            400 | 501 => {
                assert!(!answer.header("cimerror").is_empty(), "{body}\n{answer:?}");
                refused += 1;
            }
            other => panic!("{other}: {body}\n{answer:?}"),
        }
    }
    assert!(operations > CASES / 20 && refused > CASES / 20, "{operations} operations, {refused} refused");
    service.call("EnumerateInstanceNames", &class("SMS_Site")).await.good();
}
