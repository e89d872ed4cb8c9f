//! A site that is gone for good leaves the hierarchy.

use super::join::{join, request, token};
use super::{Plan, THREE_LEVELS, Tree, hierarchies};
use crate::access::{Actor, Role};
use crate::route::{RouteSettings, RouteTarget};
use crate::stage::{Point, admin, code, no_signer};
use crate::{AgentCredential, SiteError};

/// Two levels below the top, and a branch beside them; nothing connects them yet.
const LOOSE: Plan = &[("CAS", None), ("PS1", None), ("PS2", None), ("S01", None)];

const SITES: &str = "SELECT site_code FROM site_node ORDER BY 1";
const PACKAGES: &str = "SELECT package_id, source_site FROM package ORDER BY 1";
const POINTS: &str = "SELECT name || '@' || site_code FROM dp ORDER BY 1";

async fn conflict(tree: &Tree, at: &str, site_code: &str, word: &str) {
    let error = tree.site(at).remove_site(&admin(), site_code).await.unwrap_err();
    assert!(matches!(error, SiteError::Conflict { .. }) && error.to_string().contains(word), "{error}");
}

async fn remove(tree: &Tree, at: &str, site_code: &str) {
    tree.site(at).revoke_site(&admin(), site_code).await.unwrap();
    tree.site(at).remove_site(&admin(), &site_code.to_lowercase()).await.unwrap();
}

/// A package of the central site at every distribution point, and one of the primary that goes.
async fn packages(tree: &Tree, points: &[&Point]) -> (String, String) {
    let theirs = tree.stage("PS1").package("dell").await.package_id;
    let ours = tree.stage("CAS").package("hp").await.package_id;
    tree.settle().await;
    tree.assign("CAS", &ours, points).await;
    tree.assign("PS1", &theirs, points).await;
    tree.settle_all().await;
    (theirs, ours)
}

hierarchies! {
    async fn a_branch_that_is_gone_holds_nobody_up(tree: &Tree, THREE_LEVELS) {
        let (top, near, far) =
            (tree.point("CAS", "dp0").await, tree.point("PS2", "dp2").await, tree.point("S01", "dp1").await);
        tree.settle().await;
        let (theirs, ours) = packages(tree, &[&top, &near, &far]).await;
        for (site, point) in [("CAS", &top), ("PS2", &near), ("S01", &far)] {
            tree.install(site, point, &ours).await;
            tree.install(site, point, &theirs).await;
        }
        tree.settle().await;
        // What is deleted waits for the dead branch.
        tree.site("CAS").delete_package(&admin(), &ours).await.unwrap();
        let dead = ["PS1", "S01"];
        tree.settle_without(&dead).await;
        for (site, point) in [("CAS", &top), ("PS2", &near)] {
            tree.report(site, point, &ours, agent::Event::Removed).await;
        }
        // A call from below that is not answered yet, and one from beside for a package of the branch.
        tree.site("PS2").refresh_package(&admin(), &theirs).await.unwrap();
        tree.settle_without(&dead).await;
        let left = "SELECT package_id FROM distribution ORDER BY 1";
        assert_eq!(tree.sql("CAS", left).await.len(), 4, "the deleted one at S01, the other everywhere");

        let route = RouteSettings { hours: Default::default(), rate: Default::default(), time_zone: None };
        tree.site("CAS").set_route(&admin(), &RouteTarget::Site("PS1".to_owned()), &route).await.unwrap();
        tree.site("CAS").create_site_token(&admin(), "PS1", None).await.unwrap();
        tree.site("CAS").remove_site(&admin(), "PS1").await.unwrap();
        for rows in ["SELECT destination FROM route", "SELECT site_code FROM site_token", "SELECT origin FROM site_request WHERE origin = 'S01'"] {
            assert!(tree.sql("CAS", rows).await.is_empty(), "{rows}");
        }
        tree.settle_without(&dead).await;
        for site in ["CAS", "PS2"] {
            assert_eq!(tree.sql(site, SITES).await, [["CAS"], ["PS2"]], "{site}");
            assert_eq!(tree.sql(site, POINTS).await, [["dp0@CAS"], ["dp2@PS2"]], "{site}");
            assert_eq!(tree.sql(site, PACKAGES).await, [[theirs.as_str(), "CAS"]], "{site}: one gone, one taken over");
        }
        assert_eq!(tree.sql("CAS", left).await, [[theirs.as_str()], [theirs.as_str()]]);
        // What was asked for at PS2 is done by the new owner: the next version, from a source of its own.
        tree.stage("CAS").source("dell", &[("other.inf", "other")]);
        assert_eq!(tree.site("CAS").run_due_snapshots().await.unwrap(), 1);
        tree.settle_without(&dead).await;
        let need = tree.site("PS2").content_needs().await.unwrap();
        tree.site("PS2").version_arrived(&need[0], 1).await.unwrap();
        assert_eq!(tree.install("PS2", &near, &theirs).await, 2);
        let said = tree.sql("CAS", "SELECT CAST(message_id AS TEXT) FROM status_message WHERE message_id IN (39025, 39070) ORDER BY id DESC").await;
        assert_eq!(said[..2], [["39070"], ["39025"]]);
        assert_eq!(code(tree.site("CAS").remove_site(&admin(), "PS1").await), "site_not_found", "once is enough");
    }

    async fn a_package_whose_owner_dies_while_it_is_deleted_goes(tree: &Tree, THREE_LEVELS) {
        let far = tree.point("S01", "dp1").await;
        tree.settle().await;
        let (theirs, _) = packages(tree, &[&far]).await;
        tree.site("PS1").delete_package(&admin(), &theirs).await.unwrap();
        tree.settle().await;
        tree.site("CAS").remove_site(&admin(), "PS1").await.unwrap();
        tree.settle_without(&["PS1", "S01"]).await;
        for site in ["CAS", "PS2"] {
            let rows = format!("SELECT package_id FROM package WHERE package_id = '{theirs}'");
            assert!(tree.sql(site, &rows).await.is_empty(), "{site}");
        }
    }

    async fn only_a_child_that_cannot_come_any_more_is_removed(tree: &Tree, LOOSE) {
        join(tree, "PS1", "CAS").await;
        join(tree, "PS2", "CAS").await;
        let reply = join(tree, "S01", "PS1").await;
        for child in ["PS1", "S01"] {
            let parent = if child == "PS1" { "CAS" } else { "PS1" };
            for _ in 0..4 {
                let told = tree.up(child, 512).await;
                tree.heard_above(child, parent, &told).await;
                let told = tree.down(child, parent, 512).await;
                tree.heard_below(child, &told).await;
            }
        }
        let told = tree.up("PS1", 512).await;
        tree.heard_above("PS1", "CAS", &told).await;
        for role in [Role::Reader, Role::Operator, Role::Author] {
            let nobody = Actor::new("eve", role);
            assert_eq!(code(tree.site("PS1").remove_site(&nobody, "S01").await), "access_denied");
        }
        conflict(tree, "CAS", "S01", "below site PS1; remove it there").await;
        conflict(tree, "S01", "PS1", "below site CAS; remove it there").await;
        conflict(tree, "PS1", "CAS", "not below this one").await;
        conflict(tree, "PS1", "PS1", "this site itself").await;
        assert_eq!(code(tree.site("PS1").remove_site(&admin(), "S09").await), "site_not_found");
        conflict(tree, "PS1", "S01", "haulier site revoke S01").await;
        remove(tree, "PS1", "S01").await;

        // What comes back is told that it is not known any more, and joins like any new site.
        let identity = AgentCredential::Secret(&reply.secret);
        let error = tree.site("PS1").authenticate_site(identity).await.unwrap_err();
        assert!(error.code() == "agent_unknown" && error.to_string().contains("removed"), "{error}");
        assert_eq!(code(tree.site("PS1").records_for(&crate::Neighbor::Child("S01".to_owned()), 0, 9).await), "site_not_found");
        let told = tree.up("PS1", 512).await;
        tree.heard_above("PS1", "CAS", &told).await;
        assert_eq!(tree.sql("CAS", SITES).await, [["CAS"], ["PS1"], ["PS2"]]);
        join(tree, "S01", "PS1").await;
        for site in ["PS1", "CAS"] {
            if site == "CAS" {
                let told = tree.up("PS1", 512).await;
                tree.heard_above("PS1", "CAS", &told).await;
            }
            assert_eq!(tree.sql(site, SITES).await, [["CAS"], ["PS1"], ["PS2"], ["S01"]], "{site}");
            assert!(tree.sql(site, "SELECT object_key FROM tombstone WHERE kind = 'site'").await.is_empty(), "{site}");
        }
    }

    async fn a_new_server_with_the_code_goes_on_from_beyond_what_was_heard(tree: &Tree, LOOSE) {
        join(tree, "PS1", "CAS").await;
        let point = tree.point("PS1", "dp1").await;
        for _ in 0..4 {
            let told = tree.up("PS1", 512).await;
            tree.heard_above("PS1", "CAS", &told).await;
        }
        let heard = "SELECT CAST(received_revision AS TEXT) FROM site_node WHERE site_code = 'PS1'";
        let before = tree.sql("CAS", heard).await;
        assert!(before[0][0].parse::<i64>().unwrap() > 0);
        remove(tree, "CAS", "PS1").await;
        assert!(tree.sql("CAS", POINTS).await.is_empty(), "{}", point.nal);
        let mut again = request(tree, "PS1", token(tree, "CAS", "PS1").await).await;
        again.signing_key = ::trust::SigningKey::generate().unwrap().public().to_string();
        tree.site("CAS").join_child(&again, &no_signer).await.unwrap();
        assert_eq!(tree.sql("CAS", heard).await, before);
    }
}
