//! What the site signs, and what becomes of the identities that it gave.

use agent::{Goal, RenewRequest};
use site::AgentCredential;
use trust::{KEY_FILE, KeyRing};

use crate::stage::{admin, code, enrol_request};

/// A signer whose certificates differ: their bytes are the request's.
fn signer(csr: &str, _: &str) -> Result<String, String> {
    Ok(format!("-----BEGIN CERTIFICATE-----\n{csr}\n-----END CERTIFICATE-----\n"))
}

/// SHA-256 of the bytes that `signer` makes a certificate of.
fn fingerprint(csr: &str) -> String {
    match csr {
        "YQ==" => "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb",
        "Yg==" => "3e23e8160039594a33894f6564e1b1348bbd7a0088d42c4acb73eeaed59c009d",
        "Yw==" => "2e7d2c03a9507ae265ecf5b5356885a53393a2029d241394997265a1a25aefc6",
        other => panic!("{other}"),
    }
    .to_owned()
}

on_both! {
    async fn what_is_published_is_signed_and_what_was_published_before_too(stage: &Stage) {
        let (package, point) = (stage.package("drivers").await, stage.point("dp1").await);
        stage.assign(&package, &[&point]).await;
        let keys = stage.site.keys().await.unwrap().keys;
        assert_eq!(keys.iter().map(|key| key.site_code.as_str()).collect::<Vec<_>>(), ["PS1"]);
        let ring = KeyRing::anchored("PS1", &keys[0].key).unwrap();
        let check = async || {
            let Goal::Hold { version, manifest, signature, .. } = stage.goal(&package, &point).await.1 else {
                panic!("it is to be held")
            };
            ring.check(&package.package_id, version, &manifest, signature.as_ref()).map_err(|e| e.code())
        };
        assert_eq!(check().await, Ok(()));
        // As a site of before sites signed left it.
        stage.raw_sql("UPDATE package_version SET signature = NULL; DELETE FROM trusted_key".to_owned()).await;
        assert_eq!(check().await, Err("version_unsigned"));
        stage.reopen().await;
        assert_eq!(check().await, Ok(()), "the key of the data folder is the site's again");
        // Whoever writes in the database cannot make another version of it.
        stage.raw_sql(format!("UPDATE package_version SET manifest_id = '{}'", "ab".repeat(32))).await;
        assert_eq!(check().await, Err("signature_wrong"));
    }

    async fn a_site_without_its_own_key_does_not_open(stage: &Stage) {
        let file = stage.options.data_dir.join(KEY_FILE);
        let open = async || site::Site::open(&stage.options, stage.clock.clone()).await;
        let own = std::fs::read(&file).unwrap();
        std::fs::remove_file(&file).unwrap();
        assert_eq!(code(open().await), "signing_key_missing");
        trust::SigningKey::generate().unwrap().save_new(&stage.options.data_dir).unwrap();
        assert_eq!(code(open().await), "signing_key_wrong");
        std::fs::write(&file, &own).unwrap();
        open().await.unwrap();
    }

    async fn a_renewed_certificate_and_the_one_that_asked_are_good(stage: &Stage) {
        let token = stage.site.create_dp_token(&admin(), "dp1", None).await.unwrap();
        let mut request = enrol_request(&token.to_string(), "dp1");
        request.csr_pem = Some("YQ==".to_owned());
        let reply = stage.site.enrol(&request, &signer).await.unwrap();
        let known = async |csr: &str| {
            let fingerprint = fingerprint(csr);
            let credential = AgentCredential::CertificateFingerprint(&fingerprint);
            stage.site.authenticate_agent(credential).await.map(drop).map_err(|error| error.code())
        };
        let renew = async |by: &str, csr: &str| {
            let (fingerprint, request) = (fingerprint(by), RenewRequest { csr_pem: csr.to_owned() });
            let credential = AgentCredential::CertificateFingerprint(&fingerprint);
            stage.site.renew(credential, &request, &signer).await
        };
        assert_eq!(known("YQ==").await, Ok(()));
        renew("YQ==", "Yg==").await.unwrap();
        assert_eq!((known("YQ==").await, known("Yg==").await), (Ok(()), Ok(())));
        // The reply was lost: the same asks again, and what nobody has is nobody's.
        renew("YQ==", "Yw==").await.unwrap();
        let unknown = Err("agent_unknown");
        assert_eq!((known("YQ==").await, known("Yg==").await, known("Yw==").await), (Ok(()), unknown, Ok(())));
        let long = RenewRequest { csr_pem: "x".repeat(20_000) };
        let by = fingerprint("YQ==");
        let credential = AgentCredential::CertificateFingerprint(&by);
        assert_eq!(code(stage.site.renew(credential, &long, &signer).await), "certificate_refused");
        // A secret does not end.
        let request = RenewRequest { csr_pem: "Yg==".to_owned() };
        let secret = AgentCredential::Secret(&reply.secret);
        assert_eq!(code(stage.site.renew(secret, &request, &signer).await), "agent_unknown");

        stage.site.revoke_dp(&admin(), "DP1").await.unwrap();
        assert_eq!((known("YQ==").await, known("Yw==").await), (unknown, unknown));
        assert_eq!(code(renew("YQ==", "Yg==").await), "agent_unknown");
    }

    async fn a_revoked_identity_ends_at_once_and_its_packages_stay(stage: &Stage) {
        let (package, point) = (stage.package("drivers").await, stage.point("dp1").await);
        stage.assign(&package, &[&point]).await;
        let token = stage.site.create_dp_token(&admin(), "dp1", None).await.unwrap().to_string();
        let reader = stage.actor(site::Role::Reader);
        assert_eq!(code(stage.site.revoke_dp(&reader, "dp1").await), "access_denied");
        assert_eq!(code(stage.site.revoke_dp(&admin(), "dp9").await), "dp_not_found");
        let after = stage.site.desired(point.id, 0).await.unwrap().revision;
        let waiting = stage.site.wait_for_change(point.id, after, std::time::Duration::from_secs(60));
        let actor = admin();
        let (waited, revoked) = tokio::join!(waiting, stage.site.revoke_dp(&actor, "dp1"));
        revoked.unwrap();
        assert_eq!(code(waited), "agent_unknown", "whoever waits is told");
        let secret = AgentCredential::Secret(&point.secret);
        assert_eq!(code(stage.site.authenticate_agent(secret).await), "agent_unknown");
        let unused = stage.site.enrol(&enrol_request(&token, "dp1"), &signer).await;
        assert_eq!(code(unused), "token_unknown", "a token from before is no way back");
        assert_eq!(stage.site.distribution_status(None).await.unwrap().len(), 1);
        let again = stage.point("dp1").await;
        assert_eq!(stage.site.desired(again.id, 0).await.unwrap().packages.len(), 1);
    }
}
