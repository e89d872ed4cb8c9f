//! Routes: who may set them, what holds at a moment, and what becomes of transfers that wait.

use std::time::Duration;

use agent::{Event, WINDOW_CLOSED};
use site::{
    Actor, Availability, Destination, Grid, Package, Passage, PointChange, PullSettings, RateLimit, Role,
    RouteSettings, RouteTarget, Severity, State, StatusFilter,
};

use crate::stage::{Point, Stage, admin, code, failed, installed, time};

fn to(point: &str) -> RouteTarget {
    RouteTarget::DistributionPoint(point.to_owned())
}

/// The same at all hours.
fn always(availability: Availability) -> RouteSettings {
    let hours: Grid = availability.number().to_string().repeat(168).parse().unwrap();
    RouteSettings { hours, ..RouteSettings::default() }
}

async fn pull_from(stage: &Stage, point: &Point, source: &Point) {
    let pull = Some(Some(PullSettings { sources: vec![(source.nal.clone(), 1)], fallback: false }));
    let change = PointChange { pull, ..PointChange::default() };
    stage.site.change_point(&admin(), &point.nal, &change).await.unwrap();
}

fn paused(until: Option<&str>) -> Event {
    let (code, reason) = (WINDOW_CLOSED.to_owned(), "the window is closed".to_owned());
    Event::Paused { code, reason, until: until.map(str::to_owned) }
}

fn is_open(stage: &Stage, point: &Point, priority: u8) -> bool {
    matches!(stage.site.passage(&Destination::Dp(point.id), priority), Passage::Open { .. })
}

/// Whether the agent, which asked after this revision, is told of the package, and under the demand that it knows.
async fn is_told(stage: &Stage, package: &Package, point: &Point, after: i64) -> bool {
    let (generation, _) = stage.goal(package, point).await;
    let reply = stage.site.desired(point.id, after).await.unwrap();
    assert!(reply.packages.iter().all(|row| row.generation == generation), "no new demand");
    !reply.packages.is_empty()
}

on_both! {
    async fn a_route_is_set_followed_and_taken_away(stage: &Stage) {
        let (point, other) = (stage.point("dp1").await, stage.point("dp2").await);
        let site = &stage.site;
        assert!(is_open(stage, &point, 3), "without a route everything is open");
        let mut heard = site.route_changes();
        let night = RouteSettings {
            rate: RateLimit::Fixed { bits_per_s: 8_000_000 },
            time_zone: Some("Europe/Berlin".to_owned()),
            ..always(Availability::HighOnly)
        };
        site.set_route(&admin(), &to("DP1"), &night).await.unwrap();
        assert!(heard.has_changed().unwrap());
        heard.mark_unchanged();
        assert_eq!(site.route_settings(&to("dp1")).await.unwrap(), night);
        assert_eq!([1, 2].map(|priority| is_open(stage, &point, priority)), [true, false]);
        assert!(is_open(stage, &other, 3), "another has its own");
        let passage = site.passage(&Destination::Dp(point.id), 1);
        assert!(matches!(passage, Passage::Open { rate_bits_per_s: Some(8_000_000), .. }), "{passage:?}");
        // Another server of the site, and this one after a restart, follow it too.
        let again = stage.reopen().await;
        assert!(matches!(again.passage(&Destination::Dp(point.id), 2), Passage::Closed { opens_at: None }));
        site.clear_route(&admin(), &to("dp1")).await.unwrap();
        assert!(heard.has_changed().unwrap() && is_open(stage, &point, 3));
        site.clear_route(&admin(), &to("dp1")).await.unwrap();
        again.close().await;

        let child = RouteTarget::Site("s01".to_owned());
        site.set_route(&admin(), &child, &always(Availability::Closed)).await.unwrap();
        let passage = site.passage(&Destination::Site("S01".to_owned()), 1);
        assert_eq!(passage, Passage::Closed { opens_at: None });
        let texts = site.status_messages(&StatusFilter::default()).await.unwrap();
        let texts: Vec<_> = texts.iter().take(3).map(|message| message.text.as_str()).collect();
        assert_eq!(
            texts,
            [
                "admin changed Haulier_Route S01: Hours, Rate, TimeZone.",
                "admin deleted Haulier_Route dp1.",
                "admin changed Haulier_Route dp1: Hours, Rate, TimeZone.",
            ]
        );
    }

    async fn what_is_wrong_with_a_route_is_said(stage: &Stage) {
        let point = stage.point("dp1").await;
        let site = &stage.site;
        for role in [Role::Operator, Role::Author, Role::Reader] {
            let actor = Actor::new("somebody", role);
            let refused = site.set_route(&actor, &to("dp1"), &RouteSettings::default()).await;
            assert_eq!(code(refused), "access_denied", "{role:?}");
            assert_eq!(code(site.clear_route(&actor, &to("dp1")).await), "access_denied", "{role:?}");
        }
        let zone = RouteSettings { time_zone: Some("Middle/Earth".to_owned()), ..RouteSettings::default() };
        let slow = RouteSettings { rate: RateLimit::Fixed { bits_per_s: 999 }, ..RouteSettings::default() };
        for (target, settings, expect) in [
            (to("dp1"), &zone, "invalid_field"),
            (to("dp1"), &slow, "invalid_field"),
            (to("dp9"), &RouteSettings::default(), "dp_not_found"),
            (RouteTarget::Site("PS1".to_owned()), &RouteSettings::default(), "invalid_field"),
            (RouteTarget::Site("S".to_owned()), &RouteSettings::default(), "invalid_field"),
        ] {
            assert_eq!(code(site.set_route(&admin(), &target, settings).await), expect, "{target:?}");
        }
        // A route goes with its distribution point.
        site.set_route(&admin(), &to("dp1"), &always(Availability::Closed)).await.unwrap();
        assert!(!is_open(stage, &point, 1));
        site.remove_dp(&admin(), "dp1").await.unwrap();
        let again = stage.point("dp1").await;
        assert!(is_open(stage, &again, 3));
        assert_eq!(site.route_settings(&to("dp1")).await.unwrap(), RouteSettings::default());
    }

    async fn only_what_is_meant_for_it_counts_with_its_priority(stage: &Stage) {
        let (package, point, other) = (stage.package("dell").await, stage.point("dp1").await, stage.point("dp2").await);
        stage.assign(&package, &[&point]).await;
        let (site, id) = (&stage.site, package.package_id.as_str());
        let counts = async |point: &Point, id: Option<&str>| {
            site.priority_towards(&Destination::Dp(point.id), id).await.unwrap()
        };
        assert_eq!(counts(&point, Some(id)).await, 2);
        assert_eq!(counts(&point, None).await, 3);
        assert_eq!(counts(&point, Some("PS1FFFFF")).await, 3);
        assert_eq!(counts(&other, Some(id)).await, 3, "it is not assigned there");
        let no_child = Destination::Site("S01".to_owned());
        assert_eq!(site.priority_towards(&no_child, Some(id)).await.unwrap(), 3, "nobody there shall hold it");
        // Whoever fetches it through others makes it theirs to fetch.
        let third = stage.point("dp3").await;
        pull_from(stage, &third, &other).await;
        assert_eq!(counts(&other, Some(id)).await, 3, "nobody fetches it there");
        pull_from(stage, &point, &third).await;
        for through in [&other, &third] {
            assert_eq!(counts(through, Some(id)).await, 2);
        }
        site.cancel_distribution(&admin(), id, &point.nal).await.unwrap();
        assert_eq!(counts(&point, Some(id)).await, 3);
        assert_eq!(counts(&other, Some(id)).await, 3);
        site.remove_from_distribution_point(&admin(), id, &point.nal).await.unwrap();
        assert_eq!(counts(&point, Some(id)).await, 3);
    }

    async fn a_closed_window_is_no_failure(stage: &Stage) {
        let (package, point) = (stage.package("dell").await, stage.point("dp1").await);
        stage.assign(&package, &[&point]).await;
        stage.site.set_route(&admin(), &to("dp1"), &always(Availability::Closed)).await.unwrap();
        stage.report(&package, &point, Event::Started { version: 1, attempt: 1 }).await;
        stage.report(&package, &point, failed(1)).await;
        let before = stage.message_ids().await.len();
        for _ in 0..2 {
            stage.report(&package, &point, paused(Some("2026-01-01T18:00:00Z"))).await;
        }
        let status = stage.status(&package, &point).await.unwrap();
        assert_eq!((status.state, status.attempts, status.fault.is_none()), (State::InstallPending, 1, true));
        assert_eq!(status.next_attempt_at, Some(time("2026-01-01T18:00:00Z")));
        let pause = status.paused.unwrap();
        assert_eq!((pause.reason.as_str(), pause.until), ("the window is closed", Some(time("2026-01-01T18:00:00Z"))));
        assert_eq!(&stage.message_ids().await[before..], [39045], "said once");
        let newest = stage.site.status_messages(&StatusFilter::default()).await.unwrap().remove(0);
        assert_eq!(newest.severity, Severity::Information);
        assert!(newest.text.contains("is paused until 2026-01-01T18:00:00Z"), "{}", newest.text);
        stage.report(&package, &point, Event::Progress { version: 1, bytes_done: 1, bytes_total: 9, bytes_received: 1, files_done: None, files_total: None }).await;
        assert_eq!(stage.status(&package, &point).await.unwrap().paused, None);
        // Who serves a version goes on serving it while the next one waits.
        stage.report(&package, &point, installed(1)).await;
        stage.site.redistribute(&admin(), &package.package_id, &point.nal).await.unwrap();
        stage.report(&package, &point, paused(None)).await;
        let status = stage.status(&package, &point).await.unwrap();
        assert_eq!((status.state, status.paused.map(|pause| pause.until)), (State::ContentUpdating, Some(None)));
        // A new demand waits for nothing yet.
        stage.site.redistribute(&admin(), &package.package_id, &point.nal).await.unwrap();
        assert_eq!(stage.status(&package, &point).await.unwrap().paused, None);
    }

    async fn who_waits_is_told_when_the_window_opens(stage: &Stage) {
        let (package, point) = (stage.package("dell").await, stage.point("dp1").await);
        stage.assign(&package, &[&point]).await;
        stage.site.set_route(&admin(), &to("dp1"), &always(Availability::HighOnly)).await.unwrap();
        let revision = stage.site.desired(point.id, 0).await.unwrap().revision;
        stage.report(&package, &point, paused(None)).await;
        assert!(!is_told(stage, &package, &point, revision).await);
        let site = stage.site.clone();
        let id = point.id;
        let waiting = tokio::spawn(async move { site.wait_for_change(id, revision, Duration::from_secs(60)).await });
        tokio::task::yield_now().await;
        stage.site.set_route(&admin(), &to("dp1"), &always(Availability::MediumAndHigh)).await.unwrap();
        assert!(waiting.await.unwrap().unwrap().is_news(), "at once");
        assert!(is_told(stage, &package, &point, revision).await);
        // It said that it waits when the window was open already: it missed that, and is told again.
        let revision = stage.site.desired(point.id, 0).await.unwrap().revision;
        stage.report(&package, &point, paused(None)).await;
        assert!(is_told(stage, &package, &point, revision).await);
        // What is done is not told again.
        stage.report(&package, &point, installed(1)).await;
        let revision = stage.site.desired(point.id, 0).await.unwrap().revision;
        stage.site.clear_route(&admin(), &to("dp1")).await.unwrap();
        assert!(!is_told(stage, &package, &point, revision).await);
    }

    async fn who_waits_for_the_window_of_its_source_is_told_when_that_opens(stage: &Stage) {
        let (package, point) = (stage.package("dell").await, stage.point("dp1").await);
        let (source, first) = (stage.point("dp2").await, stage.point("dp3").await);
        stage.assign(&package, &[&point]).await;
        pull_from(stage, &source, &first).await;
        pull_from(stage, &point, &source).await;
        stage.site.set_route(&admin(), &to("dp3"), &always(Availability::HighOnly)).await.unwrap();
        let revision = stage.site.desired(point.id, 0).await.unwrap().revision;
        stage.report(&package, &point, paused(None)).await;
        assert!(!is_told(stage, &package, &point, revision).await, "its own window is open, that of its source is not");
        stage.site.set_route(&admin(), &to("dp3"), &always(Availability::MediumAndHigh)).await.unwrap();
        assert!(is_told(stage, &package, &point, revision).await);
    }
}
