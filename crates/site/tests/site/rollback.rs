//! Rolling back to an earlier version: what is published, what is refused, and what becomes of refreshes under way.

use agent::{Event, Goal};
use site::{Actor, Package, Role, State};

use crate::stage::{Stage, admin, code, installed, write};

/// A package with versions 1 to `count`, whose file says which.
async fn with_versions(stage: &Stage, count: u32) -> Package {
    let package = stage.package("dell").await;
    for version in 2..=count {
        write(&stage.source("dell", &[]).join("driver.inf"), &format!("version {version}"));
        stage.site.refresh_package(&admin(), &package.package_id).await.unwrap();
        assert_eq!(stage.site.run_due_snapshots().await.unwrap(), 1);
    }
    stage.site.package(&package.package_id).await.unwrap()
}

on_both! {
    async fn an_earlier_version_becomes_the_next_one(stage: &Stage) {
        let package = with_versions(stage, 3).await;
        let id = package.package_id.as_str();
        let point = stage.point("dp1").await;
        stage.assign(&package, &[&point]).await;
        stage.report(&package, &point, installed(3)).await;
        let before = stage.site.package_history(id).await.unwrap();
        let mut actor = admin();
        actor.call = Some("call-17".to_owned());
        assert_eq!(stage.site.roll_back_package(&actor, id, 2).await.unwrap(), 4);

        let history = stage.site.package_history(id).await.unwrap();
        let (new, old) = (&history[0], &before[1]);
        assert_eq!((new.version, old.version, new.stored_new_bytes, new.retained), (4, 2, 0, true));
        assert_eq!((&new.manifest, &new.content_hash, new.bytes), (&old.manifest, &old.content_hash, old.bytes));
        let now = stage.site.package(id).await.unwrap();
        assert_eq!((now.source_version, now.stored_version, now.source_bytes), (4, 4, old.bytes));
        assert_eq!(now.content_hash.as_ref(), Some(&old.content_hash));

        // The distribution point is told, and told by which call.
        assert_eq!(stage.state(&package, &point).await, State::ContentUpdating);
        let told = stage.site.desired(point.id, 0).await.unwrap().packages.remove(0);
        assert_eq!(told.correlation.as_deref(), Some("call-17"));
        assert!(matches!(told.goal, Goal::Hold { version: 4, ref manifest, .. } if *manifest == old.manifest));
        let said = stage.site.status_messages(&site::StatusFilter::default()).await.unwrap();
        let audit = said.iter().find(|message| message.message_id == 39080).unwrap();
        assert_eq!(audit.text, "admin rolled package dell (PS100001) back to version 2, which is version 4 now.");
        assert_eq!((audit.user.as_deref(), audit.call.as_deref()), (Some("admin"), Some("call-17")));
        stage.report(&package, &point, installed(4)).await;
        let said = stage.site.status_messages(&site::StatusFilter::default()).await.unwrap();
        assert_eq!((said[0].message_id, said[0].call.as_deref()), (2330, Some("call-17")));

        // The next refresh publishes the source again.
        stage.site.refresh_package(&admin(), id).await.unwrap();
        stage.site.run_due_snapshots().await.unwrap();
        let history = stage.site.package_history(id).await.unwrap();
        assert_eq!((history[0].version, &history[0].content_hash), (5, &before[0].content_hash));
    }

    async fn content_is_counted_once_for_each_version_that_has_it(stage: &Stage) {
        let package = with_versions(stage, 3).await;
        let id = package.package_id.as_str();
        // Version 1 is let go, and its content with it only where no version has it.
        assert_eq!(stage.site.roll_back_package(&admin(), id, 1).await.unwrap(), 4);
        let kept = |history: &[site::PackageVersion]| -> Vec<u32> {
            history.iter().filter(|one| one.retained).map(|one| one.version).collect()
        };
        assert_eq!(kept(&stage.site.package_history(id).await.unwrap()), [4, 3, 2]);
        assert_eq!(stage.site.content_stats().await.unwrap().manifests, 3);
        assert_eq!(stage.site.roll_back_package(&admin(), id, 2).await.unwrap(), 5);
        assert_eq!(kept(&stage.site.package_history(id).await.unwrap()), [5, 4, 3]);
        let gone = stage.site.roll_back_package(&admin(), id, 1).await.unwrap_err();
        assert_eq!(gone.to_string(), "version 1 of package PS100001 is no longer kept; these are: 3, 4, 5");
        assert_eq!(gone.code(), "version_not_kept");
        assert_eq!(stage.site.content_stats().await.unwrap().manifests, 3, "a refusal keeps no count");
        let point = stage.point("dp1").await;
        assert_eq!(stage.site.route(id, 5).await.unwrap().manifest, stage.site.route(id, 5).await.unwrap().manifest);
        assert_eq!(code(stage.site.route(id, 1).await), "version_not_found");
        stage.assign(&package, &[&point]).await;
        stage.report(&package, &point, Event::Started { version: 5, attempt: 1 }).await;
    }

    async fn it_is_refused_where_it_makes_no_sense(stage: &Stage) {
        let package = with_versions(stage, 2).await;
        let id = package.package_id.as_str();
        assert_eq!(code(stage.site.roll_back_package(&admin(), id, 2).await), "conflict");
        assert_eq!(code(stage.site.roll_back_package(&admin(), id, 9).await), "version_not_found");
        assert_eq!(code(stage.site.roll_back_package(&admin(), "PS100099", 1).await), "package_not_found");
        assert_eq!(code(stage.site.roll_back_package(&stage.actor(Role::Reader), id, 1).await), "access_denied");
        let elsewhere = Actor { scopes: site::Scopes::Only(Vec::new()), ..admin() };
        assert_eq!(code(stage.site.roll_back_package(&elsewhere, id, 1).await), "package_not_found");
        assert_eq!(stage.site.package(id).await.unwrap().stored_version, 2);
        assert!(!stage.message_ids().await.contains(&39080));
    }

    async fn a_source_that_cannot_be_read_does_not_stand_in_its_way(stage: &Stage) {
        let package = with_versions(stage, 2).await;
        let id = package.package_id.as_str();
        std::fs::remove_dir_all(stage.source("dell", &[])).unwrap();
        stage.site.refresh_package(&admin(), id).await.unwrap();
        stage.site.run_due_snapshots().await.unwrap();
        let broken = stage.site.package(id).await.unwrap();
        assert!(broken.refresh_pending && broken.source_fault.is_some());
        assert_eq!(stage.site.roll_back_package(&admin(), id, 1).await.unwrap(), 3);
        let mended = stage.site.package(id).await.unwrap();
        assert!(!mended.refresh_pending && mended.source_fault.is_none());
        assert_eq!(stage.site.run_due_snapshots().await.unwrap(), 0);
    }
}
