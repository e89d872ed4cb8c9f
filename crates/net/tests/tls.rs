//! Who trusts whom: the site's authority, its servers, its agents, and everybody else.
#![allow(clippy::unwrap_used, reason = "a fixture that cannot be made fails its test")]

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::routing::get;
use axum::{Extension, Json, Router};
use clock::ManualClock;
use net::ca::{AgentKey, SiteCa, fingerprint_of_pem};
use net::client::fetch_authority;
use net::{Client, ClientOptions, Connection, Identity, NetError, Peer};
use rcgen::{BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair, SanType};
use serde_json::{Value, json};
use x509_parser::prelude::{FromDer, X509Certificate};

mod rig;

use rig::{Rig, manual_clock};

const DAY: Duration = Duration::from_secs(86_400);

fn names() -> Vec<String> {
    vec!["127.0.0.1".to_owned()]
}

fn site(clock: &Arc<ManualClock>, dir: &Path) -> SiteCa {
    SiteCa::create(dir, "PS1", Arc::clone(clock) as _).unwrap()
}

async fn serve(ca: &SiteCa, clock: &Arc<ManualClock>) -> Rig {
    let pem = ca.certificate_pem().to_owned();
    let router = Router::new()
        .route("/", get(|| async { Json(json!({})) }))
        .route("/ca", get(move || async move { Json(json!({ "ca_pem": pem })) }))
        .route("/plain", get(|| async { Json(json!({ "ca_pem": null })) }));
    Rig::start_with(Arc::clone(clock), Some(ca.issue_server(&names()).unwrap()), router, |_| ()).await
}

fn client(rig: &Rig, authority: &SiteCa, identity: Option<Identity>) -> Client {
    let mut options = ClientOptions::new(rig.url.parse().unwrap());
    options.authority_pem = Some(authority.certificate_pem().to_owned());
    options.identity = identity;
    Client::new(options).unwrap()
}

fn agent(ca: &SiteCa) -> Identity {
    let key = AgentKey::generate().unwrap();
    let certificate_pem = ca.sign_agent(&key.csr_pem, "dp1").unwrap();
    Identity { certificate_pem, key_pem: key.key_pem }
}

#[tokio::test]
async fn strangers_are_refused_in_both_directions() {
    let (dir, other_dir, clock) =
        (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), manual_clock());
    let ca = site(&clock, dir.path());
    let other = site(&clock, other_dir.path());
    let rig = serve(&ca, &clock).await;

    client(&rig, &ca, Some(agent(&ca))).get_json::<Value>("/").await.unwrap();
    assert_eq!(rig.stats.handshakes_failed(), 0);

    let error = client(&rig, &other, None).get_json::<Value>("/").await.unwrap_err();
    assert_eq!(error.code(), "untrusted", "{error}");
    rig.until(|stats| stats.handshakes_failed() == 1).await;

    let error = client(&rig, &ca, Some(agent(&other))).get_json::<Value>("/").await.unwrap_err();
    assert_eq!(error.code(), "unreachable", "{error}");
    rig.until(|stats| stats.handshakes_failed() == 2).await;
    assert_eq!(rig.stats.requests(), 1, "no handler ran for a stranger");
}

#[tokio::test]
async fn a_handler_knows_the_certificate_that_its_connection_was_shown() {
    let (dir, clock) = (tempfile::tempdir().unwrap(), manual_clock());
    let ca = site(&clock, dir.path());
    let shown = |Extension(peer): Extension<Peer>| async move {
        Json(json!(peer.server_certificate.map(|der| net::ca::fingerprint(&der))))
    };
    let connection =
        |connection: Option<Extension<Connection>>| async move { Json(json!(connection.is_some())) };
    let router = Router::new().route("/shown", get(shown)).route("/connection", get(connection));
    let tls = Some(ca.issue_server(&names()).unwrap());
    let rig = Rig::start_with(Arc::clone(&clock), tls, router, |_| ()).await;
    let (one, other) = (client(&rig, &ca, None), client(&rig, &ca, None));
    let first: String = one.get_json("/shown").await.unwrap();
    assert_eq!(first, other.get_json::<String>("/shown").await.unwrap());
    assert_ne!(first, ca.fingerprint(), "the leaf is what channel bindings name");
    // These clients speak HTTP/2.
    assert!(!one.get_json::<bool>("/connection").await.unwrap());
}

#[tokio::test]
async fn a_name_that_the_certificate_does_not_carry_is_refused() {
    let (dir, clock) = (tempfile::tempdir().unwrap(), manual_clock());
    let ca = site(&clock, dir.path());
    let rig = serve(&ca, &clock).await;
    let mut options = ClientOptions::new(rig.url.replace("127.0.0.1", "localhost").parse().unwrap());
    options.authority_pem = Some(ca.certificate_pem().to_owned());
    let error = Client::new(options).unwrap().get_json::<Value>("/").await.unwrap_err();
    assert_eq!(error.code(), "untrusted", "{error}");
}

#[tokio::test]
async fn an_outdated_agent_is_refused_and_the_server_renews_itself() {
    let (dir, clock) = (tempfile::tempdir().unwrap(), manual_clock());
    let ca = site(&clock, dir.path());
    let rig = serve(&ca, &clock).await;
    let old = agent(&ca);
    clock.advance(DAY * 91);
    let error = client(&rig, &ca, Some(old)).get_json::<Value>("/").await.unwrap_err();
    assert!(matches!(error, NetError::Unreachable { .. } | NetError::Untrusted { .. }), "{error}");
    assert_eq!(rig.stats.requests(), 0);
}

#[tokio::test]
async fn plain_http_on_a_tls_port_and_silence_are_cut() {
    let (dir, clock) = (tempfile::tempdir().unwrap(), manual_clock());
    let rig = serve(&site(&clock, dir.path()), &clock).await;
    let mut plain = rig.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await;
    rig::not_hanging(rig::read_to_close(&mut plain)).await;
    rig.until(|stats| stats.handshakes_failed() == 1).await;
    let mut silent = rig.connect().await;
    rig.until(|stats| stats.accepted() == 2).await;
    let (_, passed) = rig.while_time_passes(rig::read_to_close(&mut silent)).await;
    assert!(passed >= net::Limits::default().handshake_time);
    assert_eq!(rig.stats.handshakes_timed_out(), 1);
}

#[tokio::test]
async fn the_authority_is_learned_only_by_its_fingerprint() {
    let (dir, clock) = (tempfile::tempdir().unwrap(), manual_clock());
    let ca = site(&clock, dir.path());
    let rig = serve(&ca, &clock).await;
    let endpoint = rig.url.parse().unwrap();
    let pem_in = |reply: Value| reply["ca_pem"].as_str().map(str::to_owned);

    let pem = fetch_authority(&endpoint, "/ca", &ca.fingerprint(), pem_in).await.unwrap();
    assert_eq!(fingerprint_of_pem(&pem).unwrap(), ca.fingerprint());
    let mut options = ClientOptions::new(endpoint.clone());
    options.authority_pem = Some(pem);
    Client::new(options).unwrap().get_json::<Value>("/").await.unwrap();

    for (path, fingerprint, code) in [
        ("/ca", "0".repeat(64), "wrong_authority"),
        ("/plain", ca.fingerprint(), "wrong_authority"),
        ("/none", ca.fingerprint(), "refused"),
    ] {
        let error = fetch_authority(&endpoint, path, &fingerprint, pem_in).await.unwrap_err();
        assert_eq!(error.code(), code, "{path}: {error}");
    }
}

#[tokio::test]
async fn what_follows_the_authority_in_the_same_text_is_not_trusted() {
    let (dir, other_dir, clock) =
        (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), manual_clock());
    let (ca, other) = (site(&clock, dir.path()), site(&clock, other_dir.path()));
    let rig = serve(&ca, &clock).await;
    let both = format!("{}{}", ca.certificate_pem(), other.certificate_pem());
    let pem = fetch_authority(&rig.url.parse().unwrap(), "/ca", &ca.fingerprint(), |_: Value| Some(both))
        .await
        .unwrap();
    assert_eq!(pem.matches("BEGIN CERTIFICATE").count(), 1);
    assert_eq!(fingerprint_of_pem(&pem).unwrap(), ca.fingerprint());
}

#[test]
fn the_authority_survives_a_restart_and_is_never_replaced() {
    let (dir, clock) = (tempfile::tempdir().unwrap(), manual_clock());
    assert!(!SiteCa::exists(dir.path()));
    let made = site(&clock, dir.path());
    let loaded = SiteCa::load(dir.path(), Arc::clone(&clock) as _).unwrap();
    assert_eq!(loaded.fingerprint(), made.fingerprint());
    assert_eq!(made.fingerprint().len(), 64);
    let error = SiteCa::create(dir.path(), "PS1", Arc::clone(&clock) as _).unwrap_err();
    assert_eq!(error.code(), "ca_exists");
    assert_eq!(SiteCa::load(dir.path(), clock).unwrap().fingerprint(), made.fingerprint());
    let mode = std::fs::metadata(SiteCa::path(dir.path())).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1, "no temporary file is left");
}

#[test]
fn a_damaged_or_exposed_authority_is_not_loaded() {
    let (other_dir, clock) = (tempfile::tempdir().unwrap(), manual_clock());
    site(&clock, other_dir.path());
    let other = std::fs::read_to_string(SiteCa::path(other_dir.path())).unwrap();
    let (other_certificate, _) = other.split_at(other.find("-----BEGIN PRIVATE").unwrap());
    type Damage = Box<dyn Fn(&str) -> String>;
    let cases: Vec<(&str, u32, Damage)> = vec![
        ("ca_exposed", 0o640, Box::new(str::to_owned)),
        ("ca_damaged", 0o600, Box::new(|_| String::new())),
        ("ca_damaged", 0o600, Box::new(|text| text.replace("PRIVATE", "PUBLIC"))),
        ("ca_damaged", 0o600, Box::new(|text| text.replacen("MI", "NI", 1))),
        ("ca_damaged", 0o600, Box::new(|_| "x".repeat(100_000))),
        ("ca_damaged", 0o600, {
            let other_certificate = other_certificate.to_owned();
            Box::new(move |text| {
                format!("{other_certificate}{}", &text[text.find("-----BEGIN PRIVATE").unwrap()..])
            })
        }),
    ];
    for (number, (code, mode, damage)) in cases.into_iter().enumerate() {
        let dir = tempfile::tempdir().unwrap();
        site(&clock, dir.path());
        let path = SiteCa::path(dir.path());
        std::fs::write(&path, damage(&std::fs::read_to_string(&path).unwrap())).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        let error = SiteCa::load(dir.path(), Arc::clone(&clock) as _).unwrap_err();
        assert_eq!(error.code(), code, "case {number}: {error}");
        assert!(!error.to_string().contains("BEGIN"), "no key in an error");
    }
    let error = SiteCa::load(Path::new("/nonexistent"), clock).unwrap_err();
    assert_eq!(error.code(), "ca_file");
}

#[test]
fn a_request_decides_nothing_but_the_key() {
    let (dir, clock) = (tempfile::tempdir().unwrap(), manual_clock());
    let ca = site(&clock, dir.path());
    let key = KeyPair::generate().unwrap();
    let mut wish = CertificateParams::new(vec!["ps1.example.test".to_owned()]).unwrap();
    wish.distinguished_name.push(DnType::CommonName, "ps1.example.test");
    wish.subject_alt_names.push(SanType::IpAddress("127.0.0.1".parse().unwrap()));
    wish.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    wish.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let csr = wish.serialize_request(&key).unwrap().pem().unwrap();

    let pem = ca.sign_agent(&csr, "dp1.example.test").unwrap();
    let (_, der) = x509_parser::pem::parse_x509_pem(pem.as_bytes()).unwrap();
    let (_, signed) = X509Certificate::from_der(&der.contents).unwrap();
    let names: Vec<_> = signed.subject().iter_common_name().map(|cn| cn.as_str().unwrap()).collect();
    assert_eq!(names, ["dp1.example.test"]);
    let names = &signed.subject_alternative_name().unwrap().unwrap().value.general_names;
    assert_eq!(format!("{names:?}"), "[DNSName(\"dp1.example.test.relay.invalid\")]", "a name of no machine");
    assert!(!signed.is_ca());
    let usage = signed.extended_key_usage().unwrap().unwrap().value;
    assert!(usage.client_auth && usage.server_auth && !usage.any);
}

#[test]
fn what_cannot_be_signed_is_refused() {
    let (dir, clock) = (tempfile::tempdir().unwrap(), manual_clock());
    let ca = site(&clock, dir.path());
    let good = AgentKey::generate().unwrap().csr_pem;
    let half = &good[..good.len() / 2];
    for csr in ["", "garbage", half, ca.certificate_pem()] {
        assert_eq!(ca.sign_agent(csr, "dp1").unwrap_err().code(), "bad_certificate_request", "{csr}");
    }
    for name in ["", "a\nb", &"x".repeat(254)] {
        assert_eq!(ca.sign_agent(&good, name).unwrap_err().code(), "certificate_failed", "{name:?}");
    }
    for names in [vec![], vec!["*.example.test"], vec!["a b"], vec![""], vec!["-a"], vec!["x"; 101]] {
        let names: Vec<_> = names.into_iter().map(str::to_owned).collect();
        assert_eq!(ca.issue_server(&names).unwrap_err().code(), "certificate_failed", "{names:?}");
    }
}

#[tokio::test]
async fn an_agent_serves_by_its_certificate_under_a_name_of_no_machine_and_plain_beside() {
    let (dir, other_dir, clock) =
        (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), manual_clock());
    let (ca, other) = (site(&clock, dir.path()), site(&clock, other_dir.path()));
    let tls = {
        let identity = agent(&ca);
        let current = move || Some(identity.clone());
        net::ServerTls::of_agent(ca.certificate_pem(), current, Arc::clone(&clock) as _).unwrap()
    };
    let who = |Extension(peer): Extension<Peer>| async move {
        Json(json!({ "secure": peer.secure, "cn": peer.certificate.map(|shown| shown.subject_cn) }))
    };
    let router = Router::new().route("/", get(who));
    let rig = Rig::start_with(Arc::clone(&clock), Some(tls.or_plain()), router, |_| ()).await;
    assert!(rig.url.starts_with("http://"), "clients without TLS are the rule: {}", rig.url);
    let secure_url = rig.url.replace("http://", "https://");
    let asked = async |authority: &SiteCa, name: Option<&str>, identity: Option<Identity>| {
        let mut options = ClientOptions::new(secure_url.parse().unwrap());
        options.authority_pem = Some(authority.certificate_pem().to_owned());
        options.certified_name = name.map(str::to_owned);
        options.identity = identity;
        Client::new(options).unwrap().get_json::<Value>("/").await
    };
    let relay = net::ca::relay_host("dp1");
    assert_eq!(relay, "dp1.relay.invalid");
    assert_eq!(
        asked(&ca, Some(&relay), Some(agent(&ca))).await.unwrap(),
        json!({ "secure": true, "cn": "dp1" })
    );
    assert_eq!(asked(&ca, Some(&relay), None).await.unwrap(), json!({ "secure": true, "cn": null }));
    // It passes neither for the address that it listens at, nor for another agent, nor for one of another site.
    assert!(matches!(asked(&ca, None, None).await, Err(NetError::Untrusted { .. })));
    let another = net::ca::relay_host("dp2");
    assert!(matches!(asked(&ca, Some(&another), None).await, Err(NetError::Untrusted { .. })));
    assert!(matches!(asked(&other, Some(&relay), None).await, Err(NetError::Untrusted { .. })));
    assert!(asked(&ca, Some(&relay), Some(agent(&other))).await.is_err());
    let plain = Client::new(ClientOptions::new(rig.url.parse().unwrap())).unwrap();
    assert_eq!(plain.get_json::<Value>("/").await.unwrap(), json!({ "secure": false, "cn": null }));
    for odd in ["Haulier agent", "127.0.0.1", &"a".repeat(250)] {
        let name = net::ca::relay_host(odd);
        assert!(name.len() < 64 && name.ends_with(".relay.invalid"), "{name}");
    }
}
