//! Every message of the agent API, as it stands on the wire. A change here is a change of the protocol: it
//! needs a look at `docs/agent-protocol.md`, and old agents must still be understood.
//!
//! `GOLDEN=write cargo test -p agent` writes the samples anew.
#![allow(clippy::unwrap_used, reason = "a fixture that cannot be read fails its test")]

use std::fmt::Debug;
use std::path::{Path, PathBuf};

use agent::join::{JoinReply, JoinRequest};
use agent::link::{
    Call, DpName, DpRecord, Field, FormerOwner, Gone, NamedField, OutcomeRecord, PackageRecord, Pause,
    Record, RecordsPosted, RecordsReply, RepairRecord, ReportRecord, RequestRecord, SiteRecord, TargetRecord,
    TombstoneRecord, VersionRecord, Want, WantKind, WantsReply,
};
use agent::trust::{Endorsement, KeysReply, SiteKey, VersionSignature};
use agent::{
    Announcement, CaReply, DesiredPackage, DesiredReply, EnrolReply, EnrolRequest, ErrorReply, Event, Fact,
    Facts, Fault, Goal, PackRef, PullSource, Puller, RenewReply, RenewRequest, Route, Serial, Sources,
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
        signing_key: Some("1a".repeat(32)),
    };
    check("enrol_reply", &reply);
    check("enrol_reply_plain", &EnrolReply { certificate_pem: None, ..reply });
}

#[test]
fn renewal() {
    check("renew_request", &RenewRequest { csr_pem: pem("CERTIFICATE REQUEST") });
    check("renew_reply", &RenewReply { certificate_pem: pem("CERTIFICATE") });
}

#[test]
fn announcement() {
    let announcement = Announcement {
        content_url: "http://dp1.example.test:8540".to_owned(),
        agent_version: "0.1.0".to_owned(),
    };
    check("announcement", &announcement);
}

#[test]
fn keys() {
    let endorsement =
        Endorsement { by_site: "PS1".to_owned(), by_key: "1a".repeat(32), signature: "4d".repeat(64) };
    let key = |site_code: &str, key: &str, endorsements| SiteKey {
        site_code: site_code.to_owned(),
        key: key.repeat(32),
        endorsements,
    };
    let keys = vec![key("PS1", "1a", vec![]), key("S01", "5e", vec![endorsement])];
    check("keys_reply", &KeysReply { keys });
}

#[test]
fn joining() {
    let request = JoinRequest {
        token: format!("hst1.{}.{}", "5e".repeat(32), "c4".repeat(32)),
        site_code: "S01".to_owned(),
        site_name: "Branch office".to_owned(),
        site_type: 1,
        server_name: "s01.example.test".to_owned(),
        csr_pem: Some(pem("CERTIFICATE REQUEST")),
        signing_key: "5e".repeat(32),
        agent_version: "0.1.0".to_owned(),
    };
    check("join_request", &request);
    let reply = JoinReply {
        site_code: "PS1".to_owned(),
        site_type: 2,
        site_name: "Headquarters".to_owned(),
        server_name: "ps1.example.test".to_owned(),
        secret: "9d".repeat(32),
        certificate_pem: Some(pem("CERTIFICATE")),
        signing_key: "1a".repeat(32),
        endorsement: Endorsement {
            by_site: "PS1".to_owned(),
            by_key: "1a".repeat(32),
            signature: "4d".repeat(64),
        },
    };
    check("join_reply", &reply);
}

#[test]
fn desired() {
    let signature = Some(signature());
    let hold = Goal::Hold { version: 2, manifest: MANIFEST.to_owned(), verify: false, signature };
    let package = |package_id: &str, generation, priority, goal| DesiredPackage {
        package_id: package_id.to_owned(),
        generation,
        priority,
        cancelled: false,
        correlation: None,
        goal,
    };
    let correlated = DesiredPackage {
        correlation: Some("4bf92f3577b34da6a3ce929d0e0e4736".to_owned()),
        ..package("PS100001", 3, 2, hold.clone())
    };
    let packages = vec![correlated, package("PS100002", 7, 1, Goal::Absent)];
    check("desired_reply", &DesiredReply { revision: 41, packages, ..DesiredReply::default() });
    let cancelled = DesiredPackage { cancelled: true, ..package("PS100001", 4, 2, hold) };
    let packages = vec![cancelled];
    check("desired_reply_cancelled", &DesiredReply { revision: 42, packages, ..DesiredReply::default() });
    check("desired_reply_unchanged", &DesiredReply { revision: 41, ..DesiredReply::default() });
    let puller = Puller {
        name: "dp3.example.test".to_owned(),
        certificate: Some("c4".repeat(32)),
        ticket_hash: Some("7a".repeat(32)),
    };
    let settings = DesiredReply {
        revision: 43,
        maintenance: true,
        pullers: Some(vec![puller]),
        untold: vec!["PS100003".to_owned()],
        ..DesiredReply::default()
    };
    check("desired_reply_settings", &settings);
}

#[test]
fn route() {
    let packs = vec![
        PackRef { id: PACK.to_owned(), index_offset: 33_554_432, index_bytes: 18_204 },
        PackRef { id: PATCHES.to_owned(), index_offset: 910_311, index_bytes: 1_204 },
    ];
    let (package_id, manifest) = ("PS100001".to_owned(), MANIFEST.to_owned());
    let route = Route { package_id, version: 2, manifest, packs, ..Route::default() };
    check("route", &route);
    let source = |name: &str, rank, ticket: Option<String>| PullSource {
        name: name.to_owned(),
        url: format!("https://{name}:8540"),
        rank,
        ticket,
    };
    let sources = vec![source("dp1.example.test", 1, None), source("dp2.example.test", 2, None)];
    check("route_of_puller", &Route { sources, sources_only: true, ..route });
    let lender = PullSource {
        url: "http://127.0.0.1:8541".to_owned(),
        ..source("dp1.example.test", 1, Some("5e".repeat(32)))
    };
    check("sources", &Sources { sources: vec![lender], sources_only: false });
}

#[test]
fn facts() {
    let fact = |generation, event| Fact {
        package_id: "PS100001".to_owned(),
        generation,
        at: "2026-11-22T16:05:00Z".to_owned(),
        serial: None,
        event,
    };
    let serial = |number| Some(Serial { run: "8d1f0c3a5b7e9246".to_owned(), number });
    let fault = Fault {
        code: "disk_full".to_owned(),
        message: "the disk is full: 12 MiB are missing".to_owned(),
        file: Some("x64/igdkmd64.sys".to_owned()),
    };
    let facts = vec![
        Fact { serial: serial(17), ..fact(3, Event::Started { version: 2, attempt: 1 }) },
        fact(
            3,
            Event::Progress {
                version: 2,
                bytes_done: 1024,
                bytes_total: 4096,
                bytes_received: 900,
                files_done: Some(4),
                files_total: Some(12),
            },
        ),
        fact(
            3,
            Event::Refused {
                object: PACK.to_owned(),
                reason: "its bytes do not match its id".to_owned(),
                source: None,
            },
        ),
        fact(
            3,
            Event::Refused {
                object: PACK.to_owned(),
                reason: "its bytes do not match its id".to_owned(),
                source: Some("dp2.example.test".to_owned()),
            },
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
        fact(4, Event::Verifying { version: 2 }),
        fact(
            4,
            Event::Damaged {
                version: 2,
                files_verified: 12,
                damaged: vec!["a.inf".to_owned()],
                missing: vec!["b.sys".to_owned()],
            },
        ),
        fact(4, Event::Verified { version: 2, files_verified: 12, files_repaired: vec!["a.inf".to_owned()] }),
        fact(5, Event::Removed),
        fact(
            6,
            Event::Paused {
                code: "window_closed".to_owned(),
                reason: "the window to this destination is closed for packages of priority 3".to_owned(),
                until: Some("2026-11-22T19:00:00Z".to_owned()),
            },
        ),
        fact(0, Event::Collected { versions: vec![1, 2], bytes: 8192 }),
    ];
    check("facts", &Facts { facts });
}

fn dp() -> DpName {
    DpName { site_code: "S01".to_owned(), name: "dp9.example.test".to_owned() }
}

fn own(text: &str) -> String {
    text.to_owned()
}

fn signature() -> VersionSignature {
    VersionSignature {
        source_site: own("PS1"),
        epoch: 1,
        content_hash: "AB".repeat(32),
        key: "11".repeat(32),
        signature: "22".repeat(64),
    }
}

fn site_and_dp() -> [Record; 2] {
    let endorsement =
        Endorsement { by_site: own("PS1"), by_key: "11".repeat(32), signature: "44".repeat(64) };
    let site = SiteRecord {
        site_code: own("S01"),
        name: own("Branch"),
        site_type: 1,
        parent: Some(own("PS1")),
        server_name: own("s01.example.test"),
        signing_key: "33".repeat(32),
        endorsements: vec![endorsement],
        repairs: vec![RepairRecord {
            number: 17,
            package_id: "PS100001".to_owned(),
            version: 2,
            files: vec!["driver.inf".to_owned()],
            files_damaged: 1,
            from_site: "S01".to_owned(),
            dp: Some("dp9.example.test".to_owned()),
            missing: true,
            found_at: "2026-11-22T16:00:00Z".to_owned(),
            repaired_at: None,
        }],
        stamp: 2,
    };
    let dp = DpRecord {
        dp: dp(),
        identity_guid: own("0C3E6E4D-3C35-4E1B-8B4A-0B8E7D0F3A11"),
        content_url: own("http://dp9.example.test:8540"),
        agent_version: own("0.1.0"),
        stamp: 17,
    };
    [Record::Site(site), Record::Dp(dp)]
}

fn package_record() -> Record {
    let version = VersionRecord {
        version: 2,
        manifest: MANIFEST.to_owned(),
        content_hash: "AB".repeat(32),
        files: 12,
        folders: 3,
        bytes: 4096,
        published_at: own("2026-11-22T16:00:00Z"),
        signature: Some(signature()),
    };
    let fields = [
        ("Name", Field::Text(own("Dell Latitude 7440"))),
        ("Priority", Field::Number(2)),
        ("IgnoreAddressSchedule", Field::Flag(false)),
        ("TransformAnalysisDate", Field::Null),
    ];
    Record::Package(Box::new(PackageRecord {
        package_id: own("PS100001"),
        package_type: 3,
        source_site: own("PS1"),
        epoch: 2,
        former_owners: vec![FormerOwner { epoch: 1, site_code: own("PS2") }],
        stamp: 40,
        edition: 3,
        created_at: own("2026-11-20T08:00:00Z"),
        deleting: false,
        source_version: 2,
        fields: fields.into_iter().map(|(name, value)| NamedField { name: own(name), value }).collect(),
        refresh_schedule: own("00011700001F2000"),
        version: Some(version),
    }))
}

fn target_and_report() -> [Record; 2] {
    let target = TargetRecord {
        package_id: own("PS100001"),
        dp: dp(),
        epoch: 1,
        generation: 41,
        absent: false,
        version: 2,
        verify: false,
        cancelled: None,
        demanded_at: own("2026-11-22T16:00:00Z"),
        correlation: Some(own("4bf92f3577b34da6a3ce929d0e0e4736")),
    };
    let report = ReportRecord {
        package_id: own("PS100001"),
        dp: dp(),
        stamp: 19,
        epoch: 1,
        generation: 41,
        absent: false,
        desired_version: 2,
        state: 2,
        installed_version: 1,
        attempts: 1,
        next_attempt_at: Some(own("2026-11-22T16:06:00Z")),
        bytes_total: 4096,
        bytes_done: 1024,
        bytes_received: 900,
        files_total: 14,
        files_done: 5,
        done_bytes_per_s: 512,
        received_bytes_per_s: 300,
        files_verified: 12,
        fault: Some(Fault { code: own("disk_full"), message: own("the disk is full"), file: None }),
        fault_at: Some(own("2026-11-22T16:05:00Z")),
        paused: Some(Pause {
            reason: own("the window to this destination is closed for packages of priority 3"),
            until: Some(own("2026-11-22T19:00:00Z")),
        }),
        last_copied_at: Some(own("2026-11-21T10:00:00Z")),
        last_verified_at: None,
        reported_at: Some(own("2026-11-22T16:05:00Z")),
        changed_at: own("2026-11-22T16:05:00Z"),
    };
    [Record::Target(target), Record::Report(Box::new(report))]
}

#[test]
fn records_of_a_hierarchy() {
    let [site, point] = site_and_dp();
    let [target, report] = target_and_report();
    let records = vec![site, point, package_record(), target, report];
    check("site_records", &RecordsReply { after: 0, revision: 42, more: false, records });
    check("site_records_posted", &RecordsPosted { revision: 42 });
}

#[test]
fn calls_that_travel_and_what_is_gone() {
    let request = RequestRecord {
        id: own("5d2c1e80-3a5b-4f0c-9d0e-2f6a1b7c8d90"),
        origin: own("S01"),
        package_id: own("PS100001"),
        user: own("anna"),
        at: own("2026-11-22T16:05:00Z"),
        correlation: Some(own("4bf92f3577b34da6a3ce929d0e0e4736")),
        call: Call::Redistribute { points: vec![dp()] },
    };
    let refused =
        ErrorReply { code: own("distribution_not_found"), message: own("it is not assigned"), until: None };
    let outcome = OutcomeRecord {
        id: request.id.clone(),
        origin: own("S01"),
        package_id: own("PS100001"),
        at: own("2026-11-22T16:05:01Z"),
        refused: Some(refused),
    };
    let refresh = RequestRecord { call: Call::Refresh, correlation: None, ..request.clone() };
    let retry = RequestRecord { call: Call::Retry { points: vec![dp()] }, ..refresh.clone() };
    let gone = |gone| Record::Tombstone(TombstoneRecord { gone, at: own("2026-11-22T16:07:00Z") });
    let package_id = own("PS100001");
    let records = vec![
        Record::Request(refresh),
        Record::Request(request),
        Record::Request(retry),
        Record::Outcome(outcome),
        gone(Gone::Distribution { package_id: package_id.clone(), dp: dp(), epoch: 1, generation: 42 }),
        gone(Gone::Package { package_id, source_site: own("PS1"), epoch: 1 }),
        gone(Gone::Dp { dp: dp(), stamp: 51 }),
        gone(Gone::Site { site_code: own("S01") }),
    ];
    check("site_records_rare", &RecordsReply { after: 42, revision: 60, more: true, records });
}

#[test]
fn a_call_of_a_newer_site_is_read_as_one() {
    for text in [json!({"call": "levitate", "points": [{"x": 1}], "by": 2}), json!({"call": "unknown"})] {
        assert_eq!(serde_json::from_value::<Call>(text).unwrap(), Call::Unknown);
    }
    assert!(serde_json::from_value::<Call>(json!({"call": "remove"})).is_err(), "of a known one all is read");
}

#[test]
fn wants() {
    let kinds = [
        WantKind::Route { package_id: own("S0100001"), version: 2 },
        WantKind::Root { manifest: MANIFEST.to_owned() },
        WantKind::Range { pack: PACK.to_owned(), from: 0, bytes: 65_536 },
    ];
    let package_id = || Some(own("S0100001"));
    let wants = (1..).zip(kinds).map(|(id, kind)| Want { id, package_id: package_id(), kind }).collect();
    check("site_wants", &WantsReply { wants });
}

#[test]
fn refusal() {
    let (code, message) = ("token_used".to_owned(), "the enrolment token was used before".to_owned());
    check("error_reply", &ErrorReply { code, message, until: None });
    let until = Some("2026-11-22T19:00:00Z".to_owned());
    let message = "the window to this destination is closed for packages of priority 3".to_owned();
    check("error_reply_closed", &ErrorReply { code: "window_closed".to_owned(), message, until });
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
    assert_eq!(samples, 25, "a sample without a test, or a test without a sample");
}
