//! The fuzz target of the message reader as a seeded test: what clients send, changed at random. Whatever comes, the
//! answer is one of the protocol, and the service goes on.

use crate::harness::{
    SITE, Service, class, escaped, extrinsic, instance, intrinsic, package, parameter, text, texts,
};

const CASES: u32 = 2_000;

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

/// xorshift64*: enough to choose places, the same everywhere.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let number = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33;
        usize::try_from(number).unwrap() % end.max(1)
    }
}

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

fn mutate(chars: &mut Vec<char>, other: &str, random: &mut Random) {
    const PART_CHARS_MAX: usize = 24;
    let at = random.below(chars.len() + 1);
    let end = (at + random.below(PART_CHARS_MAX)).min(chars.len());
    match random.below(5) {
        0 => drop(chars.drain(at..end)),
        1 => {
            let part = chars[at..end].to_vec();
            let to = random.below(chars.len());
            drop(chars.splice(to..to, part));
        }
        2 | 3 => drop(chars.splice(at..at, PIECES[random.below(PIECES.len())].chars())),
        _ => {
            let from = random.below(other.chars().count());
            drop(chars.splice(at..end, other.chars().skip(from).take(2 * PART_CHARS_MAX)));
        }
    }
}

#[tokio::test]
async fn mutated_messages_get_answers_of_the_protocol() {
    let service = Service::start().await;
    let (samples, mut random) = (samples(), Random(0x4861_756c_6965_7226));
    let (mut operations, mut refused) = (0, 0);
    for _ in 0..CASES {
        let (sample, other) = (&samples[random.below(samples.len())], &samples[random.below(samples.len())]);
        let mut chars: Vec<char> = sample.chars().collect();
        for _ in 0..=random.below(2) {
            mutate(&mut chars, other, &mut random);
        }
        let body: String = chars.into_iter().collect();
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
