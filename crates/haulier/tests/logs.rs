//! The log of real processes as JSON at its most talkative: one id leads from the call to the last byte on every machine,
//! and no secret is ever in it.
#![allow(clippy::unwrap_used, reason = "a fixture that cannot be made fails its test")]

use std::path::Path;

use processes::{Hierarchy, PASSWORD, Surroundings, fetch, wait_until};
use serde_json::Value;

mod processes;

const BELOW: &str = "dp1.s01.example.test";
/// Shorter ones would be met by chance.
const SECRET_CHARS_MIN: usize = 16;

fn write(source: &Path, version: u64) {
    std::fs::create_dir_all(source).unwrap();
    std::fs::write(source.join("driver.inf"), format!("version {version}")).unwrap();
    std::fs::write(source.join("driver.sys"), samples::Rng::new(version).bytes(100_000)).unwrap();
}

/// Every line of a log, which must be one JSON object with a time, a level and what it is about.
fn lines(log: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(log).unwrap();
    let parse = |line: &str| -> Value {
        let value: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        for field in ["timestamp", "level", "target"] {
            assert!(value[field].is_string(), "{field} is missing: {line}");
        }
        value
    };
    // The last line may be on its way.
    text.rsplit_once('\n').unwrap().0.lines().map(parse).collect()
}

/// Messages of our own about one call.
fn about(log: &Path, call: &str) -> Vec<String> {
    let own = |line: &Value| line["call"] == call || line["span"]["call"] == call;
    let message = |line: &Value| line["message"].as_str().map(str::to_owned);
    lines(log).iter().filter(|line| own(line)).filter_map(message).collect()
}

/// What a member must keep to itself: its secret, its key.
fn secrets_of(identity: &Path) -> Vec<String> {
    let identity: Value = serde_json::from_slice(&std::fs::read(identity).unwrap()).unwrap();
    let key = identity["key_pem"].as_str().unwrap_or_default();
    let key = key.lines().filter(|line| !line.starts_with("-----")).map(str::to_owned);
    let secret = identity["secret"].as_str().unwrap().to_owned();
    key.chain([secret]).filter(|secret| secret.len() >= SECRET_CHARS_MIN).collect()
}

/// What a site must keep to itself: the keys by which it signs certificates and versions.
fn keys_of(site: &Path) -> Vec<String> {
    let authority = std::fs::read_to_string(site.join("ca/site-ca.pem")).unwrap();
    let key = authority.split_once("BEGIN PRIVATE KEY-----").unwrap().1;
    let key = key.split_once("-----END").unwrap().0.lines().map(str::to_owned);
    let signing_key = std::fs::read(site.join("signing-key.p8")).unwrap();
    // The seed of an Ed25519 key, as hexadecimal and as numbers would show it.
    let seed = &signing_key[16..48];
    let numbers = format!("{seed:?}");
    let hex: String = seed.iter().map(|byte| format!("{byte:02x}")).collect();
    key.filter(|line| line.len() >= SECRET_CHARS_MIN).chain([hex, numbers]).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_id_leads_from_the_call_to_the_last_byte_and_no_secret_is_told() {
    a_refresh_and_all_secrets(false).await;
}

/// With certificates and their keys, and with what the libraries for TLS say at their most talkative.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nor_is_one_told_where_everything_goes_over_tls() {
    a_refresh_and_all_secrets(true).await;
}

async fn a_refresh_and_all_secrets(secure: bool) {
    let folder = tempfile::tempdir().unwrap();
    let talkative = Surroundings::of(&[("HAULIER_LOG", "trace"), ("HAULIER_LOG_FORMAT", "json")]);
    let talkative = Surroundings { logs: Some(folder.path().to_owned()), ..talkative };
    let parent = Hierarchy::start_amid(talkative, secure, 1).await;
    let child = parent.child("S01", "secondary", 1).await;
    let names = ["PS1", "dp1.example.test", "S01", BELOW, "commands"];
    let logs = names.map(|name| folder.path().join(format!("{name}.log")));
    let [of_site, of_point, of_child, of_point_below, _] = &logs;

    // Everything secret that there is, said where it must be said.
    let enrolment = parent.points[0].token();
    let joining = parent.site_token("S02").await;
    let other_password = "another horse battery staple";
    let file = folder.path().join("pw");
    std::fs::write(&file, other_password).unwrap();
    parent
        .text(&["user", "create", "reader1", "--role", "reader", "--password-file", file.to_str().unwrap()])
        .await;
    parent.haulier_as("reader1", other_password, &["package", "list"]).await;
    let wrong_password = "a horse that nobody has";
    parent.haulier_as("reader1", wrong_password, &["package", "list"]).await;
    let token = parent.text(&["token", "create", "admin", "--label", "for a script"]).await.trim().to_owned();
    parent.text(&["package", "list", "--api-token", &token]).await;

    let source = parent.folder.path().join("source");
    write(&source, 1);
    let id = parent.create_package("Told", &source).await;
    let known =
        async || parent.json(&["dp", "list"]).await.as_array().is_some_and(|points| points.len() == 2);
    wait_until("the child's distribution point is known", known).await;
    parent.text(&["package", "distribute", &id, "dp1.example.test", BELOW]).await;
    parent.wait_for_version(&id, 1).await;
    write(&source, 2);
    let call = parent.json(&["package", "refresh", &id]).await["Call"].as_str().unwrap().to_owned();
    parent.wait_for_version(&id, 2).await;
    for point in [&parent.points[0], &child.points[0]] {
        assert!(fetch(&point.address, &format!("{id}/driver.inf")).await.is_some());
    }

    let heard = about(of_site, &call);
    assert!(heard.iter().any(|line| line.contains("installed")), "the last byte: {heard:?}");
    assert!(heard.len() > 1, "the call itself: {heard:?}");
    // Who fetched for it says so, and the site between when all of it was there.
    for (log, messages) in [
        (of_point, &["Fetching"][..]),
        (of_point_below, &["Fetching"]),
        (of_child, &["Fetching", "A version arrived"]),
    ] {
        let told = about(log, &call);
        for message in messages {
            let is_told = told.iter().any(|line| line == message);
            assert!(is_told, "{} does not tell of the call: {message}: {told:?}", log.display());
        }
    }
    let basic = |user: &str, password: &str| {
        use base64::Engine;
        base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}"))
    };
    let mut secrets = vec![
        PASSWORD.to_owned(),
        other_password.to_owned(),
        wrong_password.to_owned(),
        basic("admin", PASSWORD),
        basic("reader1", other_password),
        token.rsplit('.').next().unwrap().to_owned(),
    ];
    secrets.extend([&enrolment, &joining].map(|token| token.split('.').nth(1).unwrap().to_owned()));
    for site in [&parent.site, &child.site] {
        secrets.extend(keys_of(&site.data));
    }
    for member in [&parent.points[0], &child.site, &child.points[0]] {
        secrets.extend(secrets_of(&member.data.join("identity.json")));
    }
    assert!(
        secrets.len() >= 11 && secrets.iter().all(|secret| secret.len() >= SECRET_CHARS_MIN),
        "{secrets:?}"
    );
    for log in &logs {
        let text = std::fs::read_to_string(log).unwrap();
        assert!(text.contains("\"level\":\"TRACE\""), "{} is not talkative", log.display());
        for secret in &secrets {
            let line = text.lines().find(|line| line.contains(secret.as_str()));
            assert_eq!(line, None, "{} tells a secret", log.display());
        }
    }
}
