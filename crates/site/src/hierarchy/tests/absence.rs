//! Sites that were away for longer than anything is remembered for by its age.

use std::time::Duration;

use super::{BRANCHES, Tree, hierarchies};
use crate::Neighbor;
use crate::hierarchy::tombstone::{KEPT_FOR, OVERDUE_MAX};
use crate::stage::admin;

const LONGER: Duration = KEPT_FOR.saturating_add(Duration::from_secs(5 * 24 * 60 * 60));
const GRAVES: &str = "SELECT CAST(COUNT(*) AS TEXT) FROM tombstone";
const OPEN: &str = "SELECT request_id FROM site_request WHERE done_at IS NULL";

/// Exchanges with one child until neither has anything to tell.
async fn settle_with(tree: &Tree, child: &str) {
    loop {
        let (down, up) = (tree.down(child, "PS1", 512).await, tree.up(child, 512).await);
        tree.heard_below(child, &down).await;
        tree.heard_above(child, "PS1", &up).await;
        if down.records.is_empty() && up.records.is_empty() {
            tree.down(child, "PS1", 512).await;
            return;
        }
    }
}

async fn much_later(tree: &Tree, site: &str) {
    tree.stage(site).clock.advance(LONGER);
    tree.site(site).forget_old().await.unwrap();
}

hierarchies! {
    async fn who_comes_back_hears_what_is_gone(tree: &Tree, BRANCHES) {
        let top = tree.site("PS1");
        tree.point("PS1", "dp1").await;
        let (gone, stays) = (tree.stage("PS1").package("dell").await, tree.stage("PS1").package("hp").await);
        tree.settle_all().await;
        top.delete_package(&admin(), &gone.package_id).await.unwrap();
        top.remove_dp(&admin(), "dp1").await.unwrap();
        settle_with(tree, "S02").await;
        much_later(tree, "PS1").await;
        // Its certificate ended meanwhile.
        tree.join("S01", "PS1").await;
        tree.settle_all().await;
        let packages = tree.sql("S01", "SELECT package_id FROM package").await;
        assert_eq!(packages, [[stays.package_id]]);
        assert!(tree.sql("S01", "SELECT name FROM dp").await.is_empty());
        // Nobody has to hear of it any more, at the child neither: who told it knows.
        for site in tree.codes() {
            much_later(tree, site).await;
            assert_eq!(tree.sql(site, GRAVES).await, [["0"]], "{site}");
        }
    }

    async fn an_answer_waits_for_who_asked(tree: &Tree, BRANCHES) {
        let package = tree.stage("PS1").package("dell").await;
        tree.settle_all().await;
        tree.site("S01").refresh_package(&admin(), &package.package_id).await.unwrap();
        let up = tree.up("S01", 512).await;
        tree.heard_above("S01", "PS1", &up).await;
        assert!(tree.sql("PS1", OPEN).await.is_empty());
        much_later(tree, "PS1").await;
        tree.settle().await;
        assert!(tree.sql("S01", OPEN).await.is_empty(), "it was answered");
        for site in tree.codes() {
            much_later(tree, site).await;
            assert!(tree.sql(site, "SELECT request_id FROM site_request").await.is_empty(), "{site}");
        }
    }

    async fn who_is_away_for_ever_does_not_fill_the_database(tree: &Tree, BRANCHES) {
        tree.settle_all().await;
        let newest = tree.site("PS1").newest_revision().await.unwrap();
        let many = format!(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {OVERDUE_MAX} + 7) \
             INSERT INTO tombstone (kind, object_key, learned_from, record, epoch, number, revision, buried_at) \
             SELECT 'package', 'k' || i, '', '{{}}', 1, 0, {newest} + i, 1 FROM n"
        );
        tree.sql("PS1", &many).await;
        tree.site("PS1").forget_old().await.unwrap();
        assert_eq!(tree.sql("PS1", GRAVES).await, [[OVERDUE_MAX.to_string()]]);
        let first = tree.sql("PS1", "SELECT CAST(MIN(revision) AS TEXT) FROM tombstone").await;
        assert_eq!(first, [[(newest + 8).to_string()]], "the oldest went");
        // A site that is removed waits for nothing.
        tree.sql("PS1", "DELETE FROM site_node WHERE site_code <> 'PS1'").await;
        tree.site("PS1").forget_old().await.unwrap();
        assert_eq!(tree.sql("PS1", GRAVES).await, [["0"]]);
    }

    async fn who_asks_after_a_revision_has_everything_up_to_it(tree: &Tree, BRANCHES) {
        let (top, child) = (tree.site("PS1"), Neighbor::Child("S01".to_owned()));
        let after = top.newest_revision().await.unwrap();
        for asked in [after, after - 1] {
            top.wait_for_records(&child, asked, Duration::ZERO).await.unwrap();
            assert_eq!(top.link_state(&child).await.unwrap().acknowledged, asked);
        }
    }
}
