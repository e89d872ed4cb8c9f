//! Content whose assignment ended while nobody could be told.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use agent::{Event, Fact};
use clock::{Clock, Sleep, SystemClock};
use http::StatusCode;
use jiff::Timestamp;

use crate::site::{PACKAGE, Running, Site};

const HOUR: Duration = Duration::from_secs(60 * 60);

/// A clock of a test that is hours ahead, and whose date somebody sets.
#[derive(Debug, Default)]
struct Ahead {
    hours: AtomicU32,
    date_hours: AtomicU32,
}

impl Clock for Ahead {
    fn now(&self) -> Timestamp {
        SystemClock.now() + HOUR * self.date_hours.load(Ordering::SeqCst)
    }

    fn monotonic(&self) -> Duration {
        SystemClock.monotonic() + HOUR * self.hours.load(Ordering::SeqCst)
    }

    fn sleep(&self, duration: Duration) -> Sleep<'_> {
        SystemClock.sleep(duration)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_list_named_for_a_day_goes_and_is_told_whatever_the_date_is() {
    let (site, dir) = (Site::start().await, tempfile::tempdir().unwrap());
    site.write("a.inf", b"x");
    site.publish(1);
    let clock = Arc::new(Ahead::default());
    let mut dp = Running::start_at(site.options(dir.path()), clock.clone()).await;
    site.installed(site.hold(1, false)).await;
    site.forget();
    let is_collected = |fact: &Fact| matches!(fact.event, Event::Collected { .. });
    // The first list of each run has none before it to count from.
    for list in 0..=25 {
        if list == 1 {
            clock.date_hours.store(24 * 365, Ordering::SeqCst);
        }
        if list == 12 {
            dp.stop().await;
            site.asked_nothing_yet();
            dp = Running::start_at(site.options(dir.path()), clock.clone()).await;
        }
        clock.hours.fetch_add(1, Ordering::SeqCst);
        // Whatever the site says, the list is due then.
        site.maintain(list % 2 == 1);
        site.settled().await;
        if list < 25 {
            let status = dp.get(&format!("{PACKAGE}/a.inf")).await.status();
            assert_eq!(status, StatusCode::OK, "after list {list}");
            assert!(!site.facts().iter().any(is_collected), "after list {list}");
        }
    }
    let facts = site.fact("Collected", is_collected).await;
    let fact = facts.into_iter().find(is_collected).unwrap();
    assert_eq!(fact.package_id, PACKAGE);
    assert_eq!(fact.event, Event::Collected { versions: vec![1], bytes: 1 });
    assert_eq!(dp.get(&format!("{PACKAGE}/a.inf")).await.status(), StatusCode::NOT_FOUND);
    dp.stop().await;
    site.stop().await;
}
