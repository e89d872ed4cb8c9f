//! Every message of the agent API, as it stands on the wire. A change here is a change of the protocol: it
//! needs a look at `docs/agent-protocol.md`, and old agents must still be understood.
//!
//! `GOLDEN=write cargo test -p agent` writes the samples anew.
#![allow(clippy::unwrap_used, reason = "a fixture that cannot be read fails its test")]

use std::fmt::Debug;
use std::path::{Path, PathBuf};

use agent::{
    CaReply, DesiredPackage, DesiredReply, EnrolReply, EnrolRequest, ErrorReply, Event, Fact, Facts, Fault,
    Goal, PackRef, Route,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

const MANIFEST: &str = "6f0c1de7a5b3f3a9d1b2c4e8f7061524334251607f8e9dacbb1a09182736455a";
const PACK: &str = "1f2e3d4c5b6a79880716253443526170a9b8c7d6e5f4031221304f5e6d7c8b9a";
const PATCHES: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

/// The message is written as the sample says and read back as it was, with fields that nobody knows yet too.
fn check<T>(sample: &str, message: &T)
where
    T: Serialize + DeserializeOwned + PartialEq + Debug,
{
    let path = folder().join(format!("{sample}.json"));
    let written = serde_json::to_string_pretty(message).unwrap() + "\n";
    if std::env::var("GOLDEN").is_ok_and(|how| how == "write") {
        std::fs::write(&path, &written).unwrap();
    }
    let golden = std::fs::read_to_string(&path).unwrap();
    assert_eq!(written, golden, "{sample}");
    assert_eq!(serde_json::from_str::<T>(&golden).unwrap(), *message, "{sample}");

    let mut value: Value = serde_json::from_str(&golden).unwrap();
    add_unknown_fields(&mut value);
    assert_eq!(serde_json::from_value::<T>(value).unwrap(), *message, "{sample} from a newer program");
}

fn add_unknown_fields(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.values_mut().for_each(add_unknown_fields);
            fields.insert("from_a_later_version".to_owned(), json!({ "any": [1, 2] }));
        }
        Value::Array(items) => items.iter_mut().for_each(add_unknown_fields),
        _ => {}
    }
}

fn pem(kind: &str) -> String {
    format!("-----BEGIN {kind}-----\nMIIB...\n-----END {kind}-----\n")
}

#[test]
fn authority() {
    check("ca_reply", &CaReply { ca_pem: Some(pem("CERTIFICATE")) });
    check("ca_reply_plain", &CaReply { ca_pem: None });
}

#[test]
fn enrolment() {
    let request = EnrolRequest {
        token: format!("hdp1.{}.{}", "5e".repeat(32), "c4".repeat(32)),
        name: "dp1.example.test".to_owned(),
        content_url: "http://dp1.example.test:8540".to_owned(),
        csr_pem: Some(pem("CERTIFICATE REQUEST")),
        agent_version: "0.1.0".to_owned(),
    };
    check("enrol_request", &request);
    let reply = EnrolReply {
        site_code: "PS1".to_owned(),
        secret: "9d".repeat(32),
        certificate_pem: Some(pem("CERTIFICATE")),
    };
    check("enrol_reply", &reply);
    check("enrol_reply_plain", &EnrolReply { certificate_pem: None, ..reply });
}

#[test]
fn desired() {
    let hold = Goal::Hold { version: 2, manifest: MANIFEST.to_owned(), verify: false };
    let package = |package_id: &str, generation, priority, goal| DesiredPackage {
        package_id: package_id.to_owned(),
        generation,
        priority,
        cancelled: false,
        goal,
    };
    let packages = vec![package("PS100001", 3, 2, hold.clone()), package("PS100002", 7, 1, Goal::Absent)];
    check("desired_reply", &DesiredReply { revision: 41, more: false, packages });
    let cancelled = DesiredPackage { cancelled: true, ..package("PS100001", 4, 2, hold) };
    let packages = vec![cancelled];
    check("desired_reply_cancelled", &DesiredReply { revision: 42, more: false, packages });
    check("desired_reply_unchanged", &DesiredReply { revision: 41, more: false, packages: vec![] });
}

#[test]
fn route() {
    let packs = vec![
        PackRef { id: PACK.to_owned(), index_offset: 33_554_432, index_bytes: 18_204 },
        PackRef { id: PATCHES.to_owned(), index_offset: 910_311, index_bytes: 1_204 },
    ];
    let (package_id, manifest) = ("PS100001".to_owned(), MANIFEST.to_owned());
    check("route", &Route { package_id, version: 2, manifest, packs });
}

#[test]
fn facts() {
    let fact = |generation, event| Fact {
        package_id: "PS100001".to_owned(),
        generation,
        at: "2026-11-22T16:05:00Z".to_owned(),
        event,
    };
    let fault = Fault {
        code: "disk_full".to_owned(),
        message: "the disk is full: 12 MiB are missing".to_owned(),
        file: Some("x64/igdkmd64.sys".to_owned()),
    };
    let facts = vec![
        fact(3, Event::Started { version: 2, attempt: 1 }),
        fact(3, Event::Progress { version: 2, bytes_done: 1024, bytes_total: 4096, bytes_received: 900 }),
        fact(
            3,
            Event::Refused { object: PACK.to_owned(), reason: "its bytes do not match its id".to_owned() },
        ),
        fact(3, Event::Failed { fault, attempt: 1, next_attempt_at: "2026-11-22T16:06:00Z".to_owned() }),
        fact(
            3,
            Event::Installed {
                version: 2,
                files: 12,
                bytes_total: 4096,
                bytes_received: 1500,
                files_verified: 3,
            },
        ),
        fact(4, Event::Verified { version: 2, files_verified: 12, files_repaired: vec!["a.inf".to_owned()] }),
        fact(5, Event::Removed),
    ];
    check("facts", &Facts { facts });
}

#[test]
fn refusal() {
    let (code, message) = ("token_used".to_owned(), "the enrolment token was used before".to_owned());
    check("error_reply", &ErrorReply { code, message });
}

#[test]
fn a_goal_or_event_that_nobody_knows_is_refused_not_guessed() {
    serde_json::from_value::<Goal>(json!({ "goal": "freeze", "version": 2 })).unwrap_err();
    serde_json::from_value::<Goal>(json!({ "version": 2 })).unwrap_err();
    serde_json::from_value::<Event>(json!({ "event": "vanished" })).unwrap_err();
    serde_json::from_value::<Event>(json!({ "event": "started", "version": -1, "attempt": 1 })).unwrap_err();
}

#[test]
fn absent_optional_fields_may_be_left_out() {
    assert_eq!(serde_json::from_value::<CaReply>(json!({})).unwrap(), CaReply { ca_pem: None });
    let request = json!({ "token": "t", "name": "n", "content_url": "u", "agent_version": "v" });
    assert_eq!(serde_json::from_value::<EnrolRequest>(request).unwrap().csr_pem, None);
}

#[test]
fn the_document_shows_each_sample() {
    let document = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/agent-protocol.md");
    let document = std::fs::read_to_string(document).unwrap();
    let mut samples = 0;
    for entry in std::fs::read_dir(folder()).unwrap() {
        let path = entry.unwrap().path();
        let sample = std::fs::read_to_string(&path).unwrap();
        assert!(document.contains(sample.trim_end()), "docs/agent-protocol.md lacks {}", path.display());
        samples += 1;
    }
    assert_eq!(samples, 11, "a sample without a test, or a test without a sample");
}
