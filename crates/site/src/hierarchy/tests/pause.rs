//! Content that waits for the window of a route between sites.

use std::time::Duration;

use super::{BRANCHES, Tree, hierarchies};
use crate::DistributionPause;
use crate::Neighbor;
use crate::access::Actor;
use crate::route::{Destination, RateLimit, RouteSettings, RouteTarget};
use crate::stage::{Point, admin};

const SAID: &str = "SELECT inserts FROM status_message WHERE message_id = 39075";
const UNTIL: &str = "2026-03-02T18:00:00Z";

async fn shown(tree: &Tree, site: &str, id: &str, point: &Point) -> Option<DistributionPause> {
    let all = tree.site(site).distribution_status(Some(id)).await.unwrap();
    all.into_iter().find(|status| status.nal_path == point.nal).unwrap().paused
}

hierarchies! {
    async fn a_version_that_waits_for_a_window_is_shown_here_and_above_and_said_once(tree: &Tree, BRANCHES) {
        let dp = tree.point("S01", "dp1").await;
        let package = tree.stage("PS1").package("dell").await;
        let id = &package.package_id;
        tree.settle().await;
        let caller = Actor { call: Some("job-17".to_owned()), ..admin() };
        let points = [(String::new(), dp.nal.clone())];
        tree.site("PS1").add_distribution_points(&caller, id, &points).await.unwrap();
        tree.settle().await;
        let child = tree.site("S01");
        let need = child.content_needs().await.unwrap().remove(0);
        assert_eq!(need.call.as_deref(), Some("job-17"), "the call behind it goes with it");
        let until = UNTIL.parse().unwrap();
        for _ in 0..2 {
            child.content_paused(&need, Some(until), "the window is closed").await.unwrap();
        }
        let said = tree.sql("S01", SAID).await;
        assert_eq!(said.len(), 1, "said once: {said:?}");
        assert!(said[0][0].contains(UNTIL) && said[0][0].contains("PS1"), "{said:?}");
        tree.settle().await;
        for site in ["S01", "PS1"] {
            let pause = shown(tree, site, id, &dp).await.expect("it is shown");
            assert_eq!((pause.reason.as_str(), pause.until), ("the window is closed", Some(until)), "{site}");
        }
        child.content_paused(&need, None, "the window never opens").await.unwrap();
        assert_eq!(tree.sql("S01", SAID).await.len(), 2, "another time is said anew");
        child.content_goes_on(&need).await.unwrap();
        tree.settle().await;
        for site in ["S01", "PS1"] {
            assert_eq!(shown(tree, site, id, &dp).await, None, "{site}");
        }
        tree.settle_all().await;
        assert_eq!(tree.install("S01", &dp, id).await, 1);
    }

    async fn a_package_counts_towards_the_site_where_it_shall_be(tree: &Tree, BRANCHES) {
        let dp = tree.point("S01", "dp1").await;
        let package = tree.stage("PS1").package("dell").await;
        let id = package.package_id.as_str();
        tree.settle().await;
        tree.assign("PS1", id, &[&dp]).await;
        let counts = async |site: &str| {
            tree.site("PS1").priority_towards(&Destination::Site(site.to_owned()), Some(id)).await.unwrap()
        };
        assert_eq!((counts("S01").await, counts("S02").await, counts("S09").await), (2, 3, 3));
        tree.site("PS1").cancel_distribution(&admin(), id, &dp.nal).await.unwrap();
        assert_eq!(counts("S01").await, 3, "nobody there waits for it any more");
    }

    async fn a_child_hears_at_once_that_its_route_changed_and_of_no_other(tree: &Tree, BRANCHES) {
        tree.settle().await;
        let parent = tree.site("PS1");
        let route = async |code: &str, bits_per_s| {
            let settings = RouteSettings { rate: RateLimit::Fixed { bits_per_s }, ..RouteSettings::default() };
            parent.set_route(&admin(), &RouteTarget::Site(code.to_owned()), &settings).await.unwrap();
        };
        let after = tree.down("S01", "PS1", 512).await.revision;
        let waiting = tokio::spawn({
            let (parent, child) = (parent.clone(), Neighbor::Child("S01".to_owned()));
            async move { parent.wait_for_records(&child, after, Duration::from_secs(60)).await.unwrap() }
        });
        route("S02", 2_000).await;
        assert!(!waiting.is_finished(), "it is another's");
        // It may not listen yet when the first change comes. The clock stands still, so nothing else ends the wait.
        for bits_per_s in 3_000.. {
            route("S01", bits_per_s).await;
            if waiting.is_finished() {
                break;
            }
            assert!(bits_per_s < 3_500, "it hears nothing of its route");
        }
        assert!(waiting.await.unwrap().records.is_empty(), "it says nothing, and before its time");
    }
}
