//! What goes on at the old owner and the new one when a package is given to another site.

use std::time::Duration;

use cim::schedule;

use super::release::{bring, housekeeping, stored};
use super::{BRANCHES, THREE_LEVELS, Tree, hierarchies};
use crate::stage::{Point, admin, code, write};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// Every day at 02:00 UTC.
const DAILY_AT_2_UTC: &str = "0041200000100009";

const WANTED: &str =
    "SELECT CAST(d.desired_version AS TEXT), CAST(d.installed_version AS TEXT) FROM distribution d";

/// A version whose file says which it is.
async fn publish(tree: &Tree, owner: &str, package_id: &str, text: &str) {
    write(&tree.stage(owner).source("dell", &[]).join("new.inf"), text);
    tree.site(owner).refresh_package(&admin(), package_id).await.unwrap();
    assert_eq!(tree.site(owner).run_due_snapshots().await.unwrap(), 1);
    tree.settle().await;
}

async fn goal(tree: &Tree, site: &str, point: &Point, package_id: &str) -> Option<agent::Goal> {
    tree.told(site, point, package_id).await.map(|told| told.goal)
}

hierarchies! {
    async fn a_version_number_is_never_used_twice(tree: &Tree, BRANCHES) {
        let (above, below, late) =
            (tree.point("PS1", "dp1").await, tree.point("S01", "dp2").await, tree.point("S01", "dp3").await);
        let package = tree.stage("PS1").package("dell").await;
        let id = &package.package_id;
        tree.settle().await;
        tree.assign("PS1", id, &[&above, &below]).await;
        tree.settle().await;
        for version in 2..=5 {
            publish(tree, "PS1", id, &format!("version {version}")).await;
            if version <= 3 {
                bring(tree, "PS1", "S01", id).await;
            }
        }
        assert_eq!(tree.install("PS1", &above, id).await, 5);
        tree.settle().await;
        assert_eq!(stored(tree, "S01", id).await, 3, "the others are on their way");
        tree.site("PS1").set_source_site(&admin(), id, "S01").await.unwrap();
        tree.settle().await;

        // Who is assigned now wants the newest version, and waits for it; nobody is told an older one for the newest.
        tree.assign("S01", id, &[&late]).await;
        assert_eq!(tree.sql("S01", &format!("{WANTED} ORDER BY 1, 2")).await, [["5", "0"], ["5", "0"], ["5", "5"]]);
        assert_eq!(goal(tree, "S01", &late, id).await, None);
        assert_eq!(code(tree.site("S01").roll_back_package(&admin(), id, 5).await), "version_not_found");

        assert_eq!(tree.site("S01").roll_back_package(&admin(), id, 2).await.unwrap(), 6);
        tree.settle_all().await;
        let manifest = tree.site("S01").package_history(id).await.unwrap().remove(0).manifest;
        for (site, point) in [("PS1", &above), ("S01", &below), ("S01", &late)] {
            let goal = goal(tree, site, point, id).await;
            let is_that = matches!(&goal, Some(agent::Goal::Hold { version: 6, manifest: told, .. }) if *told == manifest);
            assert!(is_that, "{site}: {goal:?}");
        }
        for site in ["PS1", "S01"] {
            let package = tree.site(site).package(id).await.unwrap();
            assert_eq!((package.source_version, package.stored_version), (6, 6), "{site}");
        }
        let kept = tree.site("S01").package_history(id).await.unwrap();
        let kept: Vec<u32> = kept.iter().filter(|one| one.retained).map(|one| one.version).collect();
        assert_eq!(kept, [6, 3, 2], "three versions, whatever lies between them");
        // From the old owner's own counting, which went on to 5, nothing is left.
        publish(tree, "S01", id, "version 7").await;
        assert_eq!(tree.site("PS1").package(id).await.unwrap().source_version, 7);
    }

    async fn the_new_owner_gets_what_the_former_one_published(tree: &Tree, THREE_LEVELS) {
        let package = tree.stage("PS1").package("dell").await;
        let id = &package.package_id;
        tree.settle_all().await;
        assert_eq!(stored(tree, "PS2", id).await, 0, "nobody needs it there");
        tree.site("PS1").set_source_site(&admin(), id, "PS2").await.unwrap();
        tree.settle_all().await;
        // The site between them too, or it would not arrive.
        assert_eq!((stored(tree, "CAS", id).await, stored(tree, "PS2", id).await), (1, 1));
        let child = crate::Neighbor::Child("PS2".to_owned());
        let route = tree.site("CAS").route_for_child(&child, id, 1).await;
        assert_ne!(code(route), "package_not_assigned", "the owner may read it");
        let point = tree.point("PS2", "dp1").await;
        tree.settle().await;
        tree.assign("PS2", id, &[&point]).await;
        assert_eq!(tree.install("PS2", &point, id).await, 1, "at once, without a refresh");
        tree.settle().await;
        housekeeping(tree).await;
        assert_eq!(stored(tree, "CAS", id).await, 1, "it stays while it is the newest");
        // What the new owner publishes needs nobody but itself.
        tree.stage("PS2").source("dell", &[("other.inf", "other")]);
        publish(tree, "PS2", id, "two").await;
        assert_eq!(tree.carry().await, 0);
        housekeeping(tree).await;
        assert_eq!((stored(tree, "CAS", id).await, stored(tree, "PS1", id).await), (0, 1));
    }

    async fn only_the_owner_follows_a_schedule(tree: &Tree, BRANCHES) {
        let package = tree.stage("PS1").package("dell").await;
        let id = &package.package_id;
        let tokens = schedule::parse(DAILY_AT_2_UTC).unwrap();
        let change = crate::PackageChange { refresh_schedule: Some(tokens), ..Default::default() };
        tree.site("PS1").update_package(&admin(), id, change).await.unwrap();
        tree.settle().await;
        let rows = "SELECT CAST(next_at AS TEXT), COALESCE(CAST(last_at AS TEXT), '') FROM package_schedule";
        let before = tree.sql("S01", rows).await;
        assert_eq!(before.len(), 1, "it is kept for whoever owns the package next");
        for code in tree.codes() {
            tree.stage(code).clock.advance(10 * DAY);
        }
        assert_eq!(tree.site("S01").run_due_schedules().await.unwrap(), 0);
        assert_eq!(tree.sql("S01", rows).await, before, "nothing is written for it");
        assert_eq!(tree.site("PS1").run_due_schedules().await.unwrap(), 1);
        // The new owner begins with the next time, not with those that passed before it was the owner.
        tree.site("PS1").set_source_site(&admin(), id, "S01").await.unwrap();
        tree.settle().await;
        assert_eq!(tree.site("S01").run_due_schedules().await.unwrap(), 0);
        let next = tree.site("S01").refresh_schedule(id).await.unwrap().next_at;
        assert_eq!(next, Some("2026-01-11T02:00:00Z".parse().unwrap()));
        tree.stage("S01").clock.advance(DAY);
        assert_eq!(tree.site("S01").run_due_schedules().await.unwrap(), 1);
        assert_eq!(tree.site("PS1").run_due_schedules().await.unwrap(), 0);
        // A package that is being deleted is refreshed nowhere.
        tree.site("S01").delete_package(&admin(), id).await.unwrap();
        tree.settle().await;
        for code in tree.codes() {
            assert!(tree.sql(code, rows).await.is_empty(), "{code}");
        }
    }
}
