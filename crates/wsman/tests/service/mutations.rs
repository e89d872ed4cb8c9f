//! Recorded requests, changed at random from a fixed seed: every one is answered, by HTTP or by a fault, and every
//! envelope that comes back can be read.

use std::path::PathBuf;

use mutations::Mutations;

use crate::harness::Service;

/// How many changed requests are sent; each is a connection.
const CASES: u32 = 400;

/// Pieces that the protocol knows.
const PIECES: [&str; 24] = [
    "<",
    ">",
    "</",
    "/>",
    "\"",
    "&amp;",
    "&#0;",
    "]]>",
    "<![CDATA[",
    "<!--",
    "xmlns:s=\"\"",
    " xsi:nil=\"true\"",
    " s:mustUnderstand=\"true\"",
    "s:",
    "w:Selector",
    "__cimnamespace",
    "http://schemas.microsoft.com/wbem/wsman/1/wmi/",
    "*",
    "?a=b+c=d",
    "%00",
    "PT0S",
    "-1",
    "99999999999999999999",
    "\u{e9}\u{1f600}",
];

#[tokio::test]
async fn mutated_requests_are_answered() {
    let service = Service::start().await;
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/cimcmdlets");
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let samples: Vec<String> = files.iter().map(|file| std::fs::read_to_string(file).unwrap()).collect();
    let mut mutations = Mutations::of_texts(0x4861_756c_6965_7225, &PIECES);
    let mut statuses = std::collections::BTreeMap::<u16, u32>::new();
    for case in 0..CASES {
        let text = match case % 2 {
            0 => mutations.exchanged(&samples),
            _ => mutations.text(&samples, 1),
        };
        // A reader, so that what is mutated into something well-meant changes nothing.
        let answer = service.send("reader", &text).await;
        assert!(matches!(answer.status, 200 | 400 | 500), "{text}: {answer:?}");
        assert!(answer.status == 400 || xml::parse(&answer.body).is_ok(), "{text}: {answer:?}");
        assert!(!answer.body.contains("failed inside"), "{text}: {answer:?}");
        *statuses.entry(answer.status).or_default() += 1;
    }
    assert!([200, 400, 500].iter().all(|status| statuses.contains_key(status)), "{statuses:?}");
}
