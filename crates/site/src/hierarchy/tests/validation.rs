//! What a child site's own schedule finds at its distribution points is told to the site that owns the package.

use std::time::Duration;

use agent::Goal;

use super::{THREE_LEVELS, Tree, hierarchies};
use crate::stage::{admin, failed, installed};
use crate::{PointChange, ValidationSettings};

/// Every day at 00:00 UTC.
const DAILY: &str = "0001200000100009";
const STATES: &str = "SELECT CAST(state AS TEXT), COALESCE(fault_code, '') FROM distribution";

hierarchies! {
    async fn a_scheduled_validation_is_told_to_the_owner(tree: &Tree, THREE_LEVELS) {
        let dp = tree.point("S01", "dp1").await;
        let package = tree.stage("PS1").package("dell").await;
        let id = &package.package_id;
        tree.settle().await;
        tree.assign("PS1", id, &[&dp]).await;
        tree.settle_all().await;
        tree.report("S01", &dp, id, installed(1)).await;
        tree.settle().await;
        assert_eq!(tree.sql("PS1", STATES).await, [["0", ""]]);

        let settings = ValidationSettings { enabled: true, schedule: DAILY.to_owned() };
        let change = PointChange { validation: Some(settings), ..PointChange::default() };
        tree.site("S01").change_point(&admin(), &dp.nal, &change).await.unwrap();
        for code in tree.codes() {
            tree.stage(code).clock.advance(Duration::from_secs(86_400));
        }
        assert_eq!(tree.site("S01").run_due_validations().await.unwrap(), 1);
        let told = tree.told("S01", &dp, id).await.unwrap();
        assert!(matches!(told.goal, Goal::Hold { verify: true, .. }), "{told:?}");
        assert!(told.correlation.is_some(), "the distribution point's log can be found by it");
        tree.settle().await;
        assert_eq!(tree.sql("PS1", STATES).await, [["8", ""]], "content monitoring");
        tree.report("S01", &dp, id, failed(1)).await;
        tree.settle().await;
        let at_child = tree.sql("S01", STATES).await;
        assert_eq!(at_child[0][1], "disk_full");
        assert_eq!(tree.sql("PS1", STATES).await, at_child, "the owner is told what is true");
        // The owner's next demand counts as ever.
        tree.site("PS1").redistribute(&admin(), id, &dp.nal).await.unwrap();
        tree.settle().await;
        tree.report("S01", &dp, id, installed(1)).await;
        tree.settle().await;
        assert_eq!(tree.sql("PS1", STATES).await, [["0", ""]]);
        assert_eq!(tree.sql("S01", STATES).await, [["0", ""]]);
    }
}
