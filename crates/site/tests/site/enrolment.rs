//! How distribution points join, are known, fall silent and leave.

use std::time::Duration;

use agent::{Event, Goal};
use site::{AgentCredential, Role, State};
use tokio_util::sync::CancellationToken;

use crate::stage::{admin, code, enrol_request, installed, no_signer};

const CERTIFICATE: &str = "-----BEGIN CERTIFICATE-----\nYWJj\n-----END CERTIFICATE-----\n";
/// SHA-256 of the certificate's DER, "abc".
const FINGERPRINT: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

on_both! {
    async fn a_token_is_traded_once(stage: &Stage) {
        let site = &stage.site;
        let token = site.create_dp_token(&admin(), "dp1.example.test", None).await.unwrap().to_string();
        let request = enrol_request(&token, "DP1.example.test");
        assert_eq!(code(site.enrol(&enrol_request(&token, "dp2"), &no_signer).await), "token_unknown");
        let unknown = format!("hdp1.{}", "0".repeat(64));
        assert_eq!(code(site.enrol(&enrol_request(&unknown, "dp1.example.test"), &no_signer).await), "token_unknown");
        assert_eq!(code(site.enrol(&enrol_request("rubbish", "dp1.example.test"), &no_signer).await), "token_unknown");
        let reply = site.enrol(&request, &no_signer).await.unwrap();
        assert_eq!((reply.site_code.as_str(), reply.certificate_pem), ("PS1", None));
        assert_eq!(code(site.enrol(&request, &no_signer).await), "token_used");
        let dp = site.authenticate_agent(AgentCredential::Secret(&reply.secret)).await.unwrap();
        let points = site.distribution_points().await.unwrap();
        assert_eq!((points.len(), points[0].id, points[0].name.as_str()), (1, dp, "dp1.example.test"));
        assert_eq!(points[0].nal_path, r#"["Display=\\dp1.example.test\"]MSWNET:["SMS_SITE=PS1"]\\dp1.example.test\"#);
        assert_eq!(code(site.authenticate_agent(AgentCredential::Secret("x")).await), "agent_unknown");
    }

    async fn tokens_expire_and_are_replaced(stage: &Stage) {
        let site = &stage.site;
        let old = site.create_dp_token(&admin(), "dp1", None).await.unwrap().to_string();
        let new = site.create_dp_token(&admin(), "dp1", None).await.unwrap().to_string();
        assert_eq!(code(site.enrol(&enrol_request(&old, "dp1"), &no_signer).await), "token_unknown");
        stage.clock.advance(Duration::from_secs(24 * 3600));
        assert_eq!(code(site.enrol(&enrol_request(&new, "dp1"), &no_signer).await), "token_expired");
        assert_eq!(code(site.create_dp_token(&admin(), "not a host", None).await), "invalid_option");
        let operator = site::Actor::new("o", Role::Operator);
        assert_eq!(code(site.create_dp_token(&operator, "dp1", None).await), "access_denied");
    }

    async fn a_certificate_is_signed_and_known_by_its_fingerprint(stage: &Stage) {
        let site = &stage.site;
        let token = site.create_dp_token(&admin(), "dp1", Some(FINGERPRINT)).await.unwrap();
        assert_eq!(token.ca_fingerprint(), Some(FINGERPRINT));
        let mut request = enrol_request(&token.to_string(), "dp1");
        request.csr_pem = Some("the request".to_owned());
        // A refused request does not cost the token.
        assert_eq!(code(site.enrol(&request, &no_signer).await), "certificate_refused");
        let sign = |csr: &str, name: &str| match (csr, name) {
            ("the request", "dp1") => Ok(CERTIFICATE.to_owned()),
            other => Err(format!("{other:?}")),
        };
        let reply = site.enrol(&request, &sign).await.unwrap();
        assert_eq!(reply.certificate_pem.as_deref(), Some(CERTIFICATE));
        let upper = FINGERPRINT.to_uppercase();
        for known in [FINGERPRINT, &upper] {
            site.authenticate_agent(AgentCredential::CertificateFingerprint(known)).await.unwrap();
        }
        let other = "0".repeat(64);
        assert_eq!(code(site.authenticate_agent(AgentCredential::CertificateFingerprint(&other)).await), "agent_unknown");
    }

    async fn bad_requests_are_refused_before_the_token_is_spent(stage: &Stage) {
        let token = stage.site.create_dp_token(&admin(), "dp1", None).await.unwrap().to_string();
        for url in ["", "ftp://dp1", "http://dp1/ x", "javascript:alert(1)", &format!("http://{}", "x".repeat(600))] {
            let mut request = enrol_request(&token, "dp1");
            request.content_url = url.to_owned();
            assert_eq!(code(stage.site.enrol(&request, &no_signer).await), "invalid_field", "{url}");
        }
        stage.site.enrol(&enrol_request(&token, "dp1"), &no_signer).await.unwrap();
    }

    async fn enrolling_again_asks_for_everything_again(stage: &Stage) {
        let package = stage.package("dell").await;
        let first = stage.point("dp1").await;
        stage.assign(&package, &[&first]).await;
        stage.report(&package, &first, installed(1)).await;
        let before = stage.site.desired(first.id, 0).await.unwrap();
        let second = stage.point("dp1").await;
        assert_eq!(second.id, first.id);
        assert_eq!(code(stage.site.authenticate_agent(AgentCredential::Secret(&first.secret)).await), "agent_unknown");
        let status = stage.status(&package, &second).await.unwrap();
        assert_eq!((status.state, status.installed_version), (State::InstallPending, 0));
        let after = stage.site.desired(second.id, before.revision).await.unwrap();
        assert!(matches!(after.packages[0].goal, Goal::Hold { version: 1, .. }));
    }

    async fn a_silent_distribution_point_is_shown_as_such(stage: &Stage) {
        let point = stage.point("dp1").await;
        let package = stage.package("dell").await;
        stage.assign(&package, &[&point]).await;
        assert!(!stage.status(&package, &point).await.unwrap().silent);
        stage.clock.advance(site::SILENT_AFTER + Duration::from_secs(1));
        let status = stage.status(&package, &point).await.unwrap();
        assert!(status.silent);
        assert_eq!(status.state, State::InstallPending, "what it last said stays");
        for _ in 0..3 {
            stage.site.authenticate_agent(AgentCredential::Secret(&point.secret)).await.unwrap();
        }
        assert!(stage.status(&package, &point).await.unwrap().silent, "a request writes nothing");
        // A site that stops writes what it has heard.
        let stopped = CancellationToken::new();
        stopped.cancel();
        stage.site.run_workers(stopped).await.unwrap();
        assert!(!stage.status(&package, &point).await.unwrap().silent);
        // Never heard of is silent too.
        stage.site.create_dp_token(&admin(), "dp2", None).await.unwrap();
        assert!(stage.site.distribution_points().await.unwrap()[1].silent);
    }

    async fn a_distribution_point_that_never_comes_back_can_be_removed(stage: &Stage) {
        let package = stage.package("dell").await;
        let point = stage.point("dp1").await;
        stage.assign(&package, &[&point]).await;
        stage.site.delete_package(&admin(), &package.package_id).await.unwrap();
        assert_eq!(code(stage.site.remove_dp(&admin(), "dp9").await), "dp_not_found");
        stage.site.remove_dp(&admin(), "DP1").await.unwrap();
        assert_eq!(stage.site.distribution_points().await.unwrap(), []);
        assert_eq!(stage.site.distribution_status(None).await.unwrap(), []);
        assert_eq!(code(stage.site.authenticate_agent(AgentCredential::Secret(&point.secret)).await), "agent_unknown");
        let fact = stage.fact(&package, 1, Event::Removed);
        assert_eq!(code(stage.site.record_facts(point.id, &[fact]).await), "agent_unknown");
        // The package waited for nobody else, so it is gone, and its content with it.
        assert_eq!(stage.site.library().await.unwrap().stats().unwrap().manifests, 0);
    }
}
