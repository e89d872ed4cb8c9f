//! Who may join, and who is known afterwards.
#![allow(clippy::unwrap_used, reason = "a fixture that cannot be made fails its test")]

use std::sync::Arc;
use std::time::Duration;

use agent::trust::KeysReply;
use agent::{CaReply, DesiredReply, EnrolReply, RenewReply, RenewRequest};
use clock::{Clock, ManualClock, SystemClock};
use net::ca::AgentKey;
use net::client::fetch_authority;
use net::{Client, Identity};
use rcgen::{CertificateParams, DnType, KeyPair};
use serde_json::{Value, json};

mod rig;

use rig::{Rig, Transport, refused, request};

const ENROL: &str = "/agent/v1/enrol";
const DP: &str = "dp1.example.test";

async fn try_enrol(client: &Client, token: &str, name: &str) -> (u16, String) {
    refused(client.post_json::<_, EnrolReply>(ENROL, &request(token, name)).await)
}

#[tokio::test]
async fn a_token_works_once_for_its_name_and_its_time() {
    let clock = ManualClock::new(SystemClock.now());
    let rig = Rig::start_at(Transport::Plain, Arc::clone(&clock) as _).await;
    let stranger = rig.stranger();
    let refusal = |code: &str| (403, code.to_owned());

    let unknown = format!("hdp1.{}", "0".repeat(64));
    assert_eq!(try_enrol(&stranger, &unknown, DP).await, refusal("token_unknown"));
    assert_eq!(try_enrol(&stranger, "garbage", DP).await, refusal("token_unknown"));
    let token = rig.token(DP).await;
    assert_eq!(try_enrol(&stranger, &token, "dp2.example.test").await, refusal("token_unknown"));
    let reply: EnrolReply = stranger.post_json(ENROL, &request(&token, DP)).await.unwrap();
    assert_eq!((reply.secret.len(), reply.certificate_pem), (64, None));
    assert_eq!(try_enrol(&stranger, &token, DP).await, refusal("token_used"));

    let late = rig.token(DP).await;
    clock.advance(Duration::from_secs(24 * 3600 + 1));
    assert_eq!(try_enrol(&rig.stranger(), &late, DP).await, refusal("token_expired"));
    assert_eq!((rig.stats.enrolled(), rig.stats.enrol_refused()), (1, 5));
}

#[tokio::test]
async fn an_address_that_keeps_failing_has_to_wait() {
    let clock = ManualClock::new(SystemClock.now());
    let rig = Rig::start_at(Transport::Plain, Arc::clone(&clock) as _).await;
    let (stranger, token) = (rig.stranger(), rig.token(DP).await);
    for _ in 0..10 {
        assert_eq!(try_enrol(&stranger, "garbage", DP).await.0, 403);
    }
    let busy = (429, "too_many_attempts".to_owned());
    assert_eq!(try_enrol(&stranger, &token, DP).await, busy, "even with the right token");
    clock.advance(Duration::from_secs(60));
    stranger.post_json::<_, EnrolReply>(ENROL, &request(&token, DP)).await.unwrap();
}

#[tokio::test]
async fn on_tls_an_agent_learns_its_site_by_the_tokens_fingerprint() {
    let rig = Rig::start(Transport::Tls).await;
    let token: agent::token::EnrolToken = rig.token(DP).await.parse().unwrap();
    let pem =
        fetch_authority(&rig.endpoint, "/agent/v1/ca", token.ca_fingerprint().unwrap(), |reply: CaReply| {
            reply.ca_pem
        })
        .await
        .unwrap();
    assert_eq!(net::ca::fingerprint_of_pem(&pem).unwrap(), rig.ca.fingerprint());

    let plain = Rig::start(Transport::Plain).await;
    let reply: CaReply = plain.stranger().get_json("/agent/v1/ca").await.unwrap();
    assert_eq!(reply.ca_pem, None);
}

#[tokio::test]
async fn a_forged_certificate_request_gets_the_name_of_the_token() {
    let rig = Rig::start(Transport::Tls).await;
    let victim = rig.enrol("victim.example.test").await;
    let key = KeyPair::generate().unwrap();
    let mut wish = CertificateParams::new(vec!["victim.example.test".to_owned()]).unwrap();
    wish.distinguished_name.push(DnType::CommonName, "victim.example.test");
    let mut request = request(&rig.token(DP).await, DP);
    request.csr_pem = Some(wish.serialize_request(&key).unwrap().pem().unwrap());
    let reply: EnrolReply = rig.stranger().post_json(ENROL, &request).await.unwrap();

    let pem = reply.certificate_pem.clone().unwrap();
    let (_, der) = x509_parser::pem::parse_x509_pem(pem.as_bytes()).unwrap();
    let certificate = der.parse_x509().unwrap();
    let names: Vec<_> = certificate.subject().iter_common_name().map(|cn| cn.as_str().unwrap()).collect();
    assert_eq!(names, [DP]);
    // As a server it is good for one name, that of no machine: what it lends to other distribution points.
    let alternative = certificate.subject_alternative_name().unwrap().unwrap();
    let relay = net::ca::relay_host(DP);
    assert_eq!(alternative.value.general_names, [x509_parser::extensions::GeneralName::DNSName(&relay)]);
    // Each is known as itself: a package for one is not told to the other.
    rig.package("victim.example.test").await;
    victim.until_version(0, 1).await;
    let forger = rig.client_of(&reply, &key.serialize_pem());
    let told: DesiredReply = forger.get_json("/agent/v1/desired").await.unwrap();
    assert!(told.packages.is_empty());
}

#[tokio::test]
async fn a_bad_certificate_request_spends_no_token() {
    let rig = Rig::start(Transport::Tls).await;
    let (stranger, token) = (rig.stranger(), rig.token(DP).await);
    let mut request = request(&token, DP);
    let post = async |request: &agent::EnrolRequest| {
        refused(stranger.post_json::<_, EnrolReply>(ENROL, request).await)
    };
    assert_eq!(post(&request).await, (400, "bad_request".to_owned()), "on TLS a request is required");
    request.csr_pem = Some("garbage".to_owned());
    assert_eq!(post(&request).await, (400, "certificate_refused".to_owned()));
    request.csr_pem = Some(AgentKey::generate().unwrap().csr_pem);
    stranger.post_json::<_, EnrolReply>(ENROL, &request).await.unwrap();
}

#[tokio::test]
async fn only_a_known_agent_is_served() {
    for transport in [Transport::Plain, Transport::Tls] {
        let rig = Rig::start(transport).await;
        let agent = rig.enrol(DP).await;
        let ask = async |client: &Client| client.get_json::<DesiredReply>("/agent/v1/desired").await;
        ask(&agent.client).await.unwrap();

        let missing = if transport == Transport::Tls { "certificate_required" } else { "secret_required" };
        assert_eq!(refused(ask(&rig.stranger()).await), (401, missing.to_owned()));

        // The secret of a TLS agent opens nothing on TLS; a wrong secret opens nothing at all.
        let mut options = rig.client_options();
        options.bearer =
            Some(if transport == Transport::Tls { agent.reply.secret.clone() } else { "0".repeat(64) });
        let expect = if transport == Transport::Tls { missing } else { "agent_unknown" };
        assert_eq!(refused(ask(&Client::new(options).unwrap()).await), (401, expect.to_owned()));

        // Enrolling again ends the old identity; removing the distribution point ends the new one.
        let again = rig.enrol(DP).await;
        assert_eq!(refused(ask(&agent.client).await), (401, "agent_unknown".to_owned()));
        ask(&again.client).await.unwrap();
        rig.site.remove_dp(&rig.admin, DP).await.unwrap();
        assert_eq!(refused(ask(&again.client).await), (401, "agent_unknown".to_owned()));
        assert_eq!(rig.stats.unauthenticated(), 4);
    }
}

#[tokio::test]
async fn a_certificate_that_the_site_signed_but_does_not_know_is_refused() {
    let rig = Rig::start(Transport::Tls).await;
    rig.enrol(DP).await;
    let key = AgentKey::generate().unwrap();
    let certificate_pem = rig.ca.sign_agent(&key.csr_pem, DP).unwrap();
    let mut options = rig.client_options();
    options.identity = Some(Identity { certificate_pem, key_pem: key.key_pem });
    let error = Client::new(options).unwrap().get_json::<DesiredReply>("/agent/v1/desired").await;
    assert_eq!(refused(error), (401, "agent_unknown".to_owned()), "the name alone is no identity");
}

#[tokio::test]
async fn a_request_from_a_newer_agent_is_understood() {
    let rig = Rig::start(Transport::Plain).await;
    let token = rig.token(DP).await;
    let newer = json!({
        "token": token, "name": DP, "content_url": "http://127.0.0.1:8540", "agent_version": "9.9.9",
        "features": ["teleport"], "csr_pem": null,
    });
    rig.stranger().post_json::<_, EnrolReply>(ENROL, &newer).await.unwrap();
    for body in [json!({}), json!([]), json!({ "token": 1 }), Value::Null] {
        let result = rig.stranger().post_json::<_, EnrolReply>(ENROL, &body).await;
        assert_eq!(refused(result), (400, "bad_request".to_owned()), "{body}");
    }
}

#[tokio::test]
async fn a_fleet_that_enrols_at_once_is_enrolled_whole() {
    const FLEET: u64 = 40;
    let rig = Rig::start(Transport::Tls).await;
    let mut enrolments = tokio::task::JoinSet::new();
    for number in 0..FLEET {
        let name = format!("dp{number}.example.test");
        let mut request = request(&rig.token(&name).await, &name);
        request.csr_pem = Some(AgentKey::generate().unwrap().csr_pem);
        let client = rig.stranger();
        enrolments.spawn(async move { client.post_json::<_, EnrolReply>(ENROL, &request).await });
    }
    while let Some(enrolled) = enrolments.join_next().await {
        enrolled.unwrap().unwrap();
    }
    assert_eq!((rig.stats.enrolled(), rig.stats.enrol_refused()), (FLEET, 0));
}

#[tokio::test]
async fn a_certificate_is_renewed_by_itself_and_a_revoked_one_ends_on_an_open_connection() {
    let clock = ManualClock::new(SystemClock.now());
    let rig = Rig::start_at(Transport::Tls, Arc::clone(&clock) as _).await;
    let agent = rig.enrol(DP).await;
    let ask = async |client: &Client| client.get_json::<DesiredReply>("/agent/v1/desired").await;
    let keys: KeysReply = agent.client.get_json("/agent/v1/keys").await.unwrap();
    assert_eq!(agent.reply.signing_key.as_ref(), Some(&keys.keys[0].key));
    clock.advance(Duration::from_secs(60 * 86_400));
    let key = AgentKey::generate().unwrap();
    let renew = async |client: &Client, csr_pem: &str| {
        let request = RenewRequest { csr_pem: csr_pem.to_owned() };
        client.post_json::<_, RenewReply>("/agent/v1/renew", &request).await
    };
    assert_eq!(refused(renew(&agent.client, "garbage").await), (400, "certificate_refused".to_owned()));
    assert_eq!(refused(renew(&rig.stranger(), &key.csr_pem).await), (401, "certificate_required".to_owned()));
    let renewed = renew(&agent.client, &key.csr_pem).await.unwrap();
    ask(&agent.client).await.unwrap();
    let reply = EnrolReply { certificate_pem: Some(renewed.certificate_pem), ..agent.reply.clone() };
    let client = rig.client_of(&reply, &key.key_pem);
    ask(&client).await.unwrap();
    assert_eq!(rig.stats.renewed(), 1);

    // On the day when the first certificate ends, the second opens connections and the first does not.
    clock.advance(Duration::from_secs(31 * 86_400));
    ask(&rig.client_of(&reply, &key.key_pem)).await.unwrap();
    let ended = ask(&rig.client_of(&agent.reply, &agent.key_pem)).await.unwrap_err();
    assert!(ended.refusal().is_none(), "TLS itself refuses it: {ended}");

    rig.site.revoke_dp(&rig.admin, DP).await.unwrap();
    assert_eq!(refused(ask(&client).await), (401, "agent_unknown".to_owned()), "its connection is open");
}
