//! Requests in the shape of PowerShell's CIM cmdlets, replayed, and their answers byte for byte. The files are protocol:
//! a change of one is a change for clients.
//!
//! `HAULIER_WRITE_GOLDEN=1` writes what is answered; read the difference before it is committed.

use std::path::PathBuf;

use crate::harness::{Answer, Ask, Service};

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

#[tokio::test]
async fn faults_are_as_the_golden_files_show() {
    let service = Service::start().await;
    let all = "http://schemas.dmtf.org/wbem/wscim/1/*";
    for (name, ask) in [
        ("fault-class", Ask::class("Get", "SMS_Nothing")),
        ("fault-selectors", Ask::class("Get", "SMS_DriverPackage")),
        ("fault-action", Ask::class("Get", "SMS_DriverPackage").uri(all)),
        ("fault-header", Ask::package("Get").header("<q:X xmlns:q='urn:q' s:mustUnderstand='true'/>")),
        ("fault-size", Ask::package("Get").header("<w:MaxEnvelopeSize>8191</w:MaxEnvelopeSize>")),
    ] {
        compare(&service, name, &service.ask(&ask).await);
    }
    compare(&service, "fault-denied", &service.ask_as("reader", &Ask::package("Delete")).await);
}
