//! Content whose assignment ended while nobody could be told.

use std::time::Duration;

use agent::{Event, Fact};
use clock::{Clock, Sleep, SystemClock};
use http::StatusCode;
use jiff::Timestamp;

use crate::site::{PACKAGE, Running, Site};

const HOUR: Duration = Duration::from_secs(60 * 60);

/// The true time, later.
#[derive(Debug)]
struct Later(Duration);

impl Clock for Later {
    fn now(&self) -> Timestamp {
        SystemClock.now() + self.0
    }

    fn monotonic(&self) -> Duration {
        SystemClock.monotonic() + self.0
    }

    fn sleep(&self, duration: Duration) -> Sleep<'_> {
        SystemClock.sleep(duration)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_list_named_for_a_day_goes_and_is_told_and_what_one_did_stays() {
    let (site, dir) = (Site::start().await, tempfile::tempdir().unwrap());
    site.write("a.inf", b"x");
    site.publish(1);
    let dp = Running::start(site.options(dir.path())).await;
    site.installed(site.hold(1, false)).await;
    dp.stop().await;
    let is_collected = |fact: &Fact| matches!(fact.event, Event::Collected { .. });
    // Hours after it was held, whether it is listed then, and whether it is there afterwards.
    for (hours, listed, there) in
        [(0, false, true), (20, true, true), (30, false, true), (53, false, true), (55, false, false)]
    {
        let told = if listed { site.hold(1, false) } else { site.forget() };
        site.asked_nothing_yet();
        let dp = Running::start_at(site.options(dir.path()), std::sync::Arc::new(Later(HOUR * hours))).await;
        // It asks on when it is through with the list.
        site.told(told).await;
        let status = dp.get(&format!("{PACKAGE}/a.inf")).await.status();
        assert_eq!(status == StatusCode::OK, there, "after {hours} hours: {status}");
        if !there {
            let facts = site.fact("Collected", is_collected).await;
            let fact = facts.into_iter().find(is_collected).unwrap();
            assert_eq!(fact.package_id, PACKAGE);
            assert_eq!(fact.event, Event::Collected { versions: vec![1], bytes: 1 });
        } else {
            assert!(!site.facts().iter().any(is_collected), "after {hours} hours");
        }
        dp.stop().await;
    }
    site.stop().await;
}
