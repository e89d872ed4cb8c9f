//! Deleting a package: off every distribution point first.

use agent::{Event, Goal};
use site::{Role, State};

use crate::stage::{admin, code, installed};

on_both! {
    async fn a_package_goes_when_its_last_distribution_point_reported(stage: &Stage) {
        let package = stage.package("dell").await;
        let id = &package.package_id;
        let (one, two) = (stage.point("dp1").await, stage.point("dp2").await);
        stage.assign(&package, &[&one, &two]).await;
        stage.report(&package, &one, installed(1)).await;
        let reader = site::Actor::new("r", Role::Operator);
        assert_eq!(code(stage.site.delete_package(&reader, id).await), "access_denied");
        stage.site.delete_package(&admin(), id).await.unwrap();
        // Hidden from queries and calls at once, shown in status until it is gone.
        assert_eq!(code(stage.site.package(id).await), "package_not_found");
        assert_eq!(code(stage.site.refresh_package(&admin(), id).await), "package_not_found");
        assert_eq!(code(stage.site.delete_package(&admin(), id).await), "package_not_found");
        assert_eq!(stage.site.packages().await.unwrap(), []);
        assert_eq!(stage.state(&package, &one).await, State::RemovalPending);
        assert_eq!(stage.goal(&package, &two).await.1, Goal::Absent);
        stage.report(&package, &one, Event::Removed).await;
        assert_eq!(stage.site.library().await.unwrap().stats().unwrap().manifests, 1);
        stage.report(&package, &two, Event::Removed).await;
        assert_eq!(stage.site.distribution_status(None).await.unwrap(), []);
        let stats = stage.site.library().await.unwrap().stats().unwrap();
        assert_eq!((stats.manifests, stats.deletable_manifests), (0, 1));
        assert_eq!(code(stage.site.route(id, 1).await), "version_not_found");
    }

    async fn without_distribution_points_it_goes_at_once(stage: &Stage) {
        let package = stage.package("dell").await;
        // A second package with the same content keeps it.
        let twin = stage.site.create_package(&admin(), package.fields.clone()).await.unwrap();
        stage.site.run_due_snapshots().await.unwrap();
        stage.site.delete_package(&admin(), &package.package_id).await.unwrap();
        assert_eq!(stage.site.library().await.unwrap().stats().unwrap().manifests, 1);
        stage.site.route(&twin.package_id, 1).await.unwrap();
        stage.site.delete_package(&admin(), &twin.package_id).await.unwrap();
        assert_eq!(stage.site.library().await.unwrap().stats().unwrap().manifests, 0);
    }

    async fn a_pending_refresh_dies_with_its_package(stage: &Stage) {
        let package = stage.package("dell").await;
        let point = stage.point("dp1").await;
        stage.assign(&package, &[&point]).await;
        stage.site.refresh_package(&admin(), &package.package_id).await.unwrap();
        stage.site.delete_package(&admin(), &package.package_id).await.unwrap();
        assert_eq!(stage.site.run_due_snapshots().await.unwrap(), 0);
    }
}
