//! Content that nobody behind a site needs any more goes from there, and comes again.

use std::fs::File;
use std::sync::Arc;

use agent::{Event, Goal};
use content::{ManifestId, VoidMonitor};

use super::{THREE_LEVELS, Tree, hierarchies};
use crate::housekeeping::COLLECT_GRACE;
use crate::stage::admin;

/// Carries a package's version by a file, whose bytes are real, to a site that needs it.
pub(super) async fn bring(tree: &Tree, from: &str, to: &str, package_id: &str) {
    let path = tree.stage(to).options.data_dir.join("prestaged");
    let file = File::create(&path).unwrap();
    tree.site(from).export_version(&admin(), package_id, None, file, Arc::new(VoidMonitor)).await.unwrap();
    tree.site(to).import_prestaged(&admin(), &path).await.unwrap();
    let needs = tree.site(to).content_needs().await.unwrap();
    let need = needs.iter().find(|need| need.package_id == package_id).unwrap();
    let library = tree.site(to).library().await.unwrap();
    let id: ManifestId = need.manifest.parse().unwrap();
    library.retain(id).unwrap();
    tree.site(to).version_arrived(need, 1).await.unwrap().unwrap();
}

/// Whether the site's library has the newest version's manifest.
async fn holds(tree: &Tree, code: &str, package_id: &str) -> bool {
    let manifest = tree.site(code).package_history(package_id).await.unwrap().remove(0).manifest;
    let library = tree.site(code).library().await.unwrap();
    library.ref_state(manifest.parse().unwrap()).unwrap().is_some()
}

pub(super) async fn stored(tree: &Tree, code: &str, package_id: &str) -> u32 {
    tree.site(code).package(package_id).await.unwrap().stored_version
}

pub(super) async fn housekeeping(tree: &Tree) {
    for code in tree.codes() {
        tree.site(code).release_unneeded().await.unwrap();
        tree.site(code).collect().await.unwrap();
    }
}

hierarchies! {
    async fn content_that_nobody_needs_any_more_goes_and_comes_again(tree: &Tree, THREE_LEVELS) {
        let (below, own) = (tree.point("S01", "dp1").await, tree.point("PS1", "dp2").await);
        let package = tree.stage("CAS").package("dell").await;
        let id = &package.package_id;
        tree.settle().await;
        tree.assign("CAS", id, &[&below, &own]).await;
        tree.settle().await;
        bring(tree, "CAS", "PS1", id).await;
        bring(tree, "PS1", "S01", id).await;
        tree.install("S01", &below, id).await;
        tree.settle().await;
        housekeeping(tree).await;
        assert_eq!((stored(tree, "PS1", id).await, stored(tree, "S01", id).await), (1, 1), "it is needed");

        // The point of the site in between needs it still when the one below does not.
        tree.site("CAS").remove_from_distribution_point(&admin(), id, &below.nal).await.unwrap();
        tree.settle().await;
        assert_eq!(tree.told("S01", &below, id).await.unwrap().goal, Goal::Absent);
        housekeeping(tree).await;
        assert_eq!((stored(tree, "PS1", id).await, stored(tree, "S01", id).await), (1, 0));
        assert_eq!(tree.told("S01", &below, id).await.unwrap().goal, Goal::Absent, "it is told so still");
        assert_eq!(tree.stage("S01").message_ids().await.last(), Some(&39073));
        assert!(holds(tree, "S01", id).await, "transfers under way end undisturbed");
        tree.report("S01", &below, id, Event::Removed).await;
        tree.settle().await;
        tree.stage("S01").clock.advance(2 * COLLECT_GRACE);
        housekeeping(tree).await;
        assert!(!holds(tree, "S01", id).await, "the collector took it");
        assert!(holds(tree, "PS1", id).await);

        // Nothing behind the site in between; the owner keeps what is its own.
        tree.site("CAS").remove_from_distribution_point(&admin(), id, &own.nal).await.unwrap();
        tree.settle().await;
        tree.report("PS1", &own, id, Event::Removed).await;
        tree.settle().await;
        housekeeping(tree).await;
        for code in ["CAS", "PS1"] {
            tree.stage(code).clock.advance(2 * COLLECT_GRACE);
        }
        housekeeping(tree).await;
        assert!(!holds(tree, "PS1", id).await && holds(tree, "CAS", id).await);
        assert_eq!((stored(tree, "PS1", id).await, stored(tree, "CAS", id).await), (0, 1));

        // Targeted again.
        tree.assign("PS1", id, &[&below]).await;
        tree.settle().await;
        assert_eq!(tree.told("S01", &below, id).await, None, "its history does not make it be here");
        bring(tree, "CAS", "PS1", id).await;
        bring(tree, "PS1", "S01", id).await;
        assert_eq!(tree.install("S01", &below, id).await, 1);
        housekeeping(tree).await;
        assert!(holds(tree, "S01", id).await && stored(tree, "S01", id).await == 1);
    }

    async fn what_a_former_owner_published_stays_until_the_new_one_publishes(tree: &Tree, THREE_LEVELS) {
        let package = tree.stage("PS1").package("dell").await;
        let id = &package.package_id;
        tree.settle().await;
        tree.site("PS1").set_source_site(&admin(), id, "PS2").await.unwrap();
        tree.settle().await;
        housekeeping(tree).await;
        assert_eq!(stored(tree, "PS1", id).await, 1, "nobody else has it");
        tree.stage("PS2").source("dell", &[("other.inf", "other")]);
        tree.site("PS2").refresh_package(&admin(), id).await.unwrap();
        tree.site("PS2").run_due_snapshots().await.unwrap();
        tree.settle().await;
        housekeeping(tree).await;
        assert_eq!(stored(tree, "PS1", id).await, 1, "the version that the former owner signed is its own");
    }

    async fn a_prestaged_version_waits_for_its_targets(tree: &Tree, THREE_LEVELS) {
        let package = tree.stage("CAS").package("dell").await;
        let id = &package.package_id;
        tree.settle().await;
        let path = tree.stage("PS1").options.data_dir.join("prestaged");
        let export = async || {
            let file = File::create(&path).unwrap();
            tree.site("CAS").export_version(&admin(), id, None, file, Arc::new(VoidMonitor)).await.unwrap();
            let (label, _) = tree.site("PS1").import_prestaged(&admin(), &path).await.unwrap();
            label.manifest
        };
        let manifest = export().await;
        tree.stage("PS1").clock.advance(2 * COLLECT_GRACE);
        housekeeping(tree).await;
        let library = tree.site("PS1").library().await.unwrap();
        assert!(library.ref_state(manifest).unwrap().is_some());
        // It was needed, went, and is brought by a file again.
        let point = tree.point("PS1", "dp1").await;
        tree.settle().await;
        tree.assign("CAS", id, &[&point]).await;
        tree.settle_all().await;
        tree.site("CAS").remove_from_distribution_point(&admin(), id, &point.nal).await.unwrap();
        tree.settle().await;
        housekeeping(tree).await;
        export().await;
        tree.stage("PS1").clock.advance(2 * COLLECT_GRACE);
        housekeeping(tree).await;
        assert!(library.ref_state(manifest).unwrap().is_some());
    }
}
