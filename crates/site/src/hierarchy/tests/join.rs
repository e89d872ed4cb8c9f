//! How sites come together, and which trees are refused.

use agent::join::{JoinReply, JoinRequest};

use super::{Plan, Tree, hierarchies, site_type};
use crate::access::{Actor, Role};
use crate::distribution::enrol::ENROL_TOKEN_LIFE;
use crate::stage::{admin, code, no_signer};
use crate::{AgentCredential, Neighbor, SiteError};

/// Sites that nothing connects yet.
const LOOSE: Plan = &[("CAS", None), ("PS1", None), ("PS2", None), ("S01", None), ("S02", None)];

pub(super) async fn token(tree: &Tree, at: &str, for_code: &str) -> String {
    tree.site(at).create_site_token(&admin(), for_code, None).await.unwrap().to_string()
}

pub(super) async fn request(tree: &Tree, child: &str, token: String) -> JoinRequest {
    let (site, identity) = (tree.site(child), tree.site(child).identity());
    JoinRequest {
        token,
        site_code: identity.site_code.clone(),
        site_name: identity.site_name.clone(),
        site_type: site_type(child).number(),
        server_name: identity.server_name.clone(),
        csr_pem: None,
        signing_key: site.keys().await.unwrap().keys[0].key.clone(),
        agent_version: "0".to_owned(),
    }
}

pub(super) async fn ask(tree: &Tree, parent: &str, request: &JoinRequest) -> Result<JoinReply, SiteError> {
    tree.site(parent).join_child(request, &no_signer).await
}

pub(super) async fn join(tree: &Tree, child: &str, parent: &str) -> JoinReply {
    let request = request(tree, child, token(tree, parent, child).await).await;
    let reply = ask(tree, parent, &request).await.unwrap();
    tree.site(child).join_parent(&admin(), &reply).await.unwrap();
    reply
}

/// The refusal is the one expected, says why in words, and changed nothing.
async fn refused(tree: &Tree, parent: &str, request: &JoinRequest, expect: &str, words: &[&str]) {
    let rows = "SELECT site_code, COALESCE(parent_code, ''), signing_key FROM site_node ORDER BY 1";
    let before = tree.sql(parent, rows).await;
    let error = ask(tree, parent, request).await.unwrap_err();
    assert_eq!(error.code(), expect, "{error}");
    for word in words {
        assert!(error.to_string().contains(word), "{error} does not name {word}");
    }
    assert_eq!(tree.sql(parent, rows).await, before);
}

hierarchies! {
    async fn three_tiers_join_and_know_each_other(tree: &Tree, LOOSE) {
        let top = join(tree, "PS1", "CAS").await;
        let reply = join(tree, "S01", "PS1").await;
        assert_eq!((top.site_type, reply.site_type), (4, 2));
        for (child, parent, secret) in [("PS1", "CAS", &top.secret), ("S01", "PS1", &reply.secret)] {
            let known = tree.site(parent).authenticate_site(AgentCredential::Secret(secret)).await.unwrap();
            assert_eq!(known, Neighbor::Child(child.to_owned()));
            assert_eq!(tree.site(child).neighbors().await.unwrap()[0], Neighbor::Parent);
        }
        assert_eq!(code(tree.site("CAS").authenticate_site(AgentCredential::Secret(&reply.secret)).await), "agent_unknown");
        assert_eq!(tree.stage("PS1").message_ids().await.last(), Some(&39071));
        // A child hears and tells everything anew when it joins again; its place stays.
        tree.site("PS1").revoke_site(&admin(), "s01").await.unwrap();
        assert_eq!(code(tree.site("PS1").authenticate_site(AgentCredential::Secret(&reply.secret)).await), "agent_unknown");
        let again = join(tree, "S01", "PS1").await;
        assert_ne!(again.secret, reply.secret);
        tree.site("PS1").authenticate_site(AgentCredential::Secret(&again.secret)).await.unwrap();
    }

    async fn tokens_are_for_one_site_once_and_not_for_long(tree: &Tree, LOOSE) {
        let good = request(tree, "S01", token(tree, "PS1", "s01").await).await;
        refused(tree, "PS1", &JoinRequest { token: "nonsense".to_owned(), ..good.clone() }, "token_unknown", &[]).await;
        let foreign = request(tree, "S02", good.token.clone()).await;
        refused(tree, "PS1", &foreign, "token_unknown", &[]).await;
        refused(tree, "PS2", &good, "token_unknown", &[]).await;
        refused(tree, "PS1", &JoinRequest { signing_key: "ab".to_owned(), ..good.clone() }, "invalid_field", &[]).await;
        refused(tree, "PS1", &JoinRequest { server_name: "..".to_owned(), ..good.clone() }, "invalid_field", &[]).await;
        ask(tree, "PS1", &good).await.unwrap();
        refused(tree, "PS1", &good, "token_used", &["haulier site token CODE --data DATA"]).await;
        let late = request(tree, "S02", token(tree, "PS1", "S02").await).await;
        tree.stage("PS1").clock.advance(ENROL_TOKEN_LIFE);
        refused(tree, "PS1", &late, "token_expired", &["haulier site token CODE --data DATA"]).await;
        let first = request(tree, "S02", token(tree, "PS1", "S02").await).await;
        token(tree, "PS1", "S02").await;
        refused(tree, "PS1", &first, "token_unknown", &[]).await;
        let nobody = Actor::new("eve", Role::Operator);
        assert_eq!(code(tree.site("PS1").create_site_token(&nobody, "S03", None).await.map(drop)), "access_denied");
        assert_eq!(code(tree.site("PS1").create_site_token(&admin(), "PS1", None).await.map(drop)), "invalid_option");
        assert_eq!(code(tree.site("PS1").revoke_site(&nobody, "S01").await), "access_denied");
        assert_eq!(code(tree.site("PS1").revoke_site(&admin(), "S09").await), "site_not_found");
    }

    async fn trees_that_cannot_be_are_refused(tree: &Tree, LOOSE) {
        join(tree, "PS1", "CAS").await;
        join(tree, "S01", "PS1").await;
        // A secondary is nobody's parent.
        let error = tree.site("S01").create_site_token(&admin(), "S02", None).await.map(drop).unwrap_err();
        assert!(error.code() == "conflict" && error.to_string().contains("a secondary site has no child sites"), "{error}");
        // A primary below a primary, a secondary below the central site, the central site below anything.
        let primary = request(tree, "PS2", token(tree, "PS1", "PS2").await).await;
        refused(tree, "PS1", &primary, "conflict", &["PS2 is a primary site", "PS1", "only be a secondary site"]).await;
        let secondary = request(tree, "S02", token(tree, "CAS", "S02").await).await;
        refused(tree, "CAS", &secondary, "conflict", &["S02 is a secondary site", "only be a primary site"]).await;
        let central = request(tree, "CAS", token(tree, "PS2", "CAS").await).await;
        refused(tree, "PS2", &central, "conflict", &["CAS is a central administration site"]).await;
        let liar = JoinRequest { site_type: 1, ..central };
        let reply = ask(tree, "PS2", &liar).await.unwrap();
        let error = tree.site("CAS").join_parent(&admin(), &reply).await.unwrap_err();
        assert!(error.code() == "conflict" && error.to_string().contains("cannot be below a primary site (PS2)"), "{error}");
        // A code that the hierarchy has elsewhere, and one that a child with another key has.
        tree.settle().await;
        let twice = request(tree, "S01", token(tree, "CAS", "S01").await).await;
        let twice = JoinRequest { site_type: 2, ..twice };
        let rows = "SELECT site_code FROM site_node WHERE site_code = 'S01'";
        while tree.sql("CAS", rows).await.is_empty() {
            let told = tree.up("PS1", 512).await;
            tree.heard_above("PS1", "CAS", &told).await;
        }
        refused(tree, "CAS", &twice, "conflict", &["another site S01"]).await;
        let other_key = ::trust::SigningKey::generate().unwrap().public().to_string();
        let imposter = request(tree, "S01", token(tree, "PS1", "S01").await).await;
        let imposter = JoinRequest { signing_key: other_key.clone(), ..imposter };
        refused(tree, "PS1", &imposter, "conflict", &["another signing key", "haulier site revoke S01"]).await;
        tree.site("PS1").revoke_site(&admin(), "S01").await.unwrap();
        let token = token(tree, "PS1", "S01").await;
        ask(tree, "PS1", &JoinRequest { token, ..imposter }).await.unwrap();
    }

    async fn a_child_has_one_parent_that_answers_as_a_site_does(tree: &Tree, LOOSE) {
        let reply = join(tree, "S01", "PS1").await;
        let child = tree.site("S01");
        let elsewhere = request(tree, "S01", token(tree, "PS2", "S01").await).await;
        let elsewhere = ask(tree, "PS2", &elsewhere).await.unwrap();
        let error = child.join_parent(&admin(), &elsewhere).await.unwrap_err();
        assert!(error.code() == "conflict" && error.to_string().contains("S01 is below site PS1 already"), "{error}");
        let mut forged = reply.clone();
        forged.endorsement.signature = "00".repeat(64);
        assert_eq!(code(child.join_parent(&admin(), &forged).await), "invalid_field");
        for odd in [
            JoinReply { site_code: "ps 1".to_owned(), ..reply.clone() },
            JoinReply { site_type: 3, ..reply.clone() },
            JoinReply { server_name: "a b".to_owned(), ..reply.clone() },
            JoinReply { signing_key: "zz".to_owned(), ..reply.clone() },
        ] {
            assert_eq!(code(child.join_parent(&admin(), &odd).await), "invalid_field", "{odd:?}");
        }
        let operator = Actor::new("eve", Role::Operator);
        assert_eq!(code(child.join_parent(&operator, &reply).await), "access_denied");
        child.join_parent(&admin(), &reply).await.unwrap();
    }
}
