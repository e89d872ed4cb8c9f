//! Refresh schedules: due when they say, made up for once, nothing published from a source that did not change.

use std::time::Duration;

use cim::schedule::{self, Token};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use site::{Actor, NewPackage, Package, PackageChange, Role, Site, SiteOptions};

use crate::stage::{admin, code, with_source, write};

const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);
/// Every day at 02:00 UTC from 1 February 1970 on.
const DAILY_AT_2_UTC: &str = "0041200000100009";

fn tokens(text: &str) -> Vec<Token> {
    schedule::parse(text).unwrap()
}

fn planned(text: &str) -> PackageChange {
    PackageChange { refresh_schedule: Some(tokens(text)), ..PackageChange::default() }
}

async fn plan(site: &Site, package: &Package, text: &str) {
    site.update_package(&admin(), &package.package_id, planned(text)).await.unwrap();
}

async fn next(site: &Site, package: &Package) -> Option<Timestamp> {
    site.refresh_schedule(&package.package_id).await.unwrap().next_at
}

async fn version(site: &Site, package: &Package) -> u32 {
    site.package(&package.package_id).await.unwrap().source_version
}

fn at(text: &str) -> Option<Timestamp> {
    Some(text.parse().unwrap())
}

on_both! {
    async fn a_due_schedule_publishes_what_changed_and_nothing_else(stage: &Stage) {
        let package = stage.package("dell").await;
        plan(&stage.site, &package, DAILY_AT_2_UTC).await;
        let schedule = stage.site.refresh_schedule(&package.package_id).await.unwrap();
        assert_eq!((schedule.tokens, schedule.last_at), (tokens(DAILY_AT_2_UTC), None));
        assert_eq!(schedule.next_at, at("2026-01-01T02:00:00Z"));
        assert_eq!(stage.site.run_due_schedules().await.unwrap(), 0, "not due yet");

        stage.clock.advance(2 * HOUR);
        assert_eq!(stage.site.run_due_schedules().await.unwrap(), 1);
        assert_eq!(stage.site.run_due_schedules().await.unwrap(), 0, "once");
        assert!(stage.site.package(&package.package_id).await.unwrap().refresh_pending);
        assert_eq!(stage.site.run_due_snapshots().await.unwrap(), 1, "the source is looked at");
        let unchanged = stage.site.package(&package.package_id).await.unwrap();
        assert_eq!((unchanged.source_version, unchanged.refresh_pending), (1, false));

        write(&stage.source("dell", &[]).join("driver.inf"), "newer");
        assert_eq!(next(&stage.site, &package).await, at("2026-01-02T02:00:00Z"));
        stage.clock.advance(DAY);
        assert_eq!(stage.site.run_due_schedules().await.unwrap(), 1);
        assert_eq!(stage.site.run_due_snapshots().await.unwrap(), 1);
        assert_eq!(version(&stage.site, &package).await, 2);
        assert_eq!(stage.message_ids().await.iter().filter(|id| **id == 39027).count(), 2);
    }

    async fn a_site_that_was_down_makes_up_for_it_once(stage: &Stage) {
        let package = stage.package("dell").await;
        plan(&stage.site, &package, DAILY_AT_2_UTC).await;
        stage.clock.advance(10 * DAY);
        let site = stage.reopen().await;
        assert_eq!(site.run_due_schedules().await.unwrap(), 1);
        assert_eq!(site.run_due_schedules().await.unwrap(), 0);
        let schedule = site.refresh_schedule(&package.package_id).await.unwrap();
        assert_eq!((schedule.last_at, schedule.next_at), (at("2026-01-11T00:00:00Z"), at("2026-01-11T02:00:00Z")));
        site.close().await;
    }

    /// The zone sets its clocks forward at 02:00 on 29 March 2026 and back at 03:00 on 25 October.
    async fn local_times_stay_what_they_are_over_daylight_saving(stage: &Stage) {
        let time_zone = Some(TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap());
        let options = SiteOptions { time_zone, ..stage.options.clone() };
        let site = Site::open(&options, stage.clock.clone()).await.unwrap();
        let package = stage.package("dell").await;
        // The same in local time, at 02:30.
        let mut daily = tokens(DAILY_AT_2_UTC);
        daily[0].gmt = false;
        daily[0].start = "1970-02-01T02:30".parse().unwrap();
        let change = PackageChange { refresh_schedule: Some(daily), ..PackageChange::default() };
        site.update_package(&admin(), &package.package_id, change).await.unwrap();
        for (now, expect) in [
            ("2026-03-28T00:00:00Z", "2026-03-28T01:30:00Z"),
            // 02:30 is skipped, and 03:30 taken.
            ("2026-03-28T02:00:00Z", "2026-03-29T01:30:00Z"),
            ("2026-03-29T02:00:00Z", "2026-03-30T00:30:00Z"),
            // 02:30 comes twice, and the first one counts.
            ("2026-10-24T12:00:00Z", "2026-10-25T00:30:00Z"),
            ("2026-10-25T00:40:00Z", "2026-10-26T01:30:00Z"),
        ] {
            let now: Timestamp = now.parse().unwrap();
            let ahead = now.duration_since(clock::Clock::now(&*stage.clock)).unsigned_abs();
            stage.clock.advance(ahead);
            site.run_due_schedules().await.unwrap();
            assert_eq!(next(&site, &package).await, at(expect), "after {now}");
        }
        site.close().await;
    }

    async fn times_are_worked_out_anew_when_the_zone_is_another_one(stage: &Stage) {
        // No snapshot: the library opens for one site object at a time.
        stage.source("dell", &[("driver.inf", "one")]);
        let package = stage.site.create_package(&admin(), with_source("dell")).await.unwrap();
        let mut daily = tokens(DAILY_AT_2_UTC);
        daily[0].gmt = false;
        let change = PackageChange { refresh_schedule: Some(daily), ..PackageChange::default() };
        stage.site.update_package(&admin(), &package.package_id, change).await.unwrap();
        let time_zone = Some(TimeZone::fixed(jiff::tz::offset(-5)));
        let site = Site::open(&SiteOptions { time_zone, ..stage.options.clone() }, stage.clock.clone()).await.unwrap();
        let stop = tokio_util::sync::CancellationToken::new();
        let working = site.clone();
        let workers = tokio::spawn({
            let stop = stop.clone();
            async move { Box::pin(working.run_workers(stop)).await }
        });
        while next(&site, &package).await != at("2026-01-01T07:00:00Z") {
            assert!(!workers.is_finished(), "the workers work");
            tokio::task::yield_now().await;
        }
        stop.cancel();
        workers.await.unwrap().unwrap();
        site.close().await;
    }

    async fn what_is_planned_can_be_changed_and_cleared(stage: &Stage) {
        stage.source("dell", &[("driver.inf", "one")]);
        let all = [DAILY_AT_2_UTC, "00011700001F2000"].concat();
        let new = with_source("dell");
        let made = stage
            .site
            .create_package_of(&admin(), site::PackageType::Driver, new, site::PackageData::default(), &tokens(&all))
            .await
            .unwrap();
        assert_eq!(stage.site.refresh_schedule(&made.package_id).await.unwrap().tokens, tokens(&all));
        let id = &made.package_id;
        let same = stage.site.update_package(&admin(), id, planned(&all)).await.unwrap();
        assert_eq!(same.sedo_object_version, made.sedo_object_version, "nothing was changed");
        let other = stage.site.update_package(&admin(), id, planned(DAILY_AT_2_UTC)).await.unwrap();
        assert_ne!(other.sedo_object_version, made.sedo_object_version);
        let none = PackageChange { refresh_schedule: Some(Vec::new()), ..PackageChange::default() };
        stage.site.update_package(&admin(), id, none).await.unwrap();
        assert_eq!(stage.site.refresh_schedule(id).await.unwrap(), site::RefreshSchedule::default());
        stage.clock.advance(10 * DAY);
        assert_eq!(stage.site.run_due_schedules().await.unwrap(), 0);
    }

    async fn what_cannot_be_planned_is_refused(stage: &Stage) {
        let package = stage.package("dell").await;
        let id = &package.package_id;
        let reader = Actor::new("reader", Role::Reader);
        let refused = stage.site.update_package(&reader, id, planned(DAILY_AT_2_UTC)).await;
        assert_eq!(code(refused), "access_denied");
        let sixteen = planned(&DAILY_AT_2_UTC.repeat(16));
        assert_eq!(code(stage.site.update_package(&admin(), id, sixteen).await), "invalid_field");
        let late = Token { start: "2034-01-01T00:00".parse().unwrap(), ..tokens(DAILY_AT_2_UTC)[0] };
        let late = PackageChange { refresh_schedule: Some(vec![late]), ..PackageChange::default() };
        assert_eq!(code(stage.site.update_package(&admin(), id, late).await), "invalid_field");

        plan(&stage.site, &package, DAILY_AT_2_UTC).await;
        let without_source = PackageChange { pkg_source_flag: Some(1), ..PackageChange::default() };
        assert_eq!(code(stage.site.update_package(&admin(), id, without_source).await), "invalid_field");
        let bare = NewPackage { name: "bare".to_owned(), ..NewPackage::default() };
        let bare = stage.site.create_package(&admin(), bare).await.unwrap();
        let refused = stage.site.update_package(&admin(), &bare.package_id, planned(DAILY_AT_2_UTC)).await;
        assert_eq!(code(refused), "invalid_field");
    }

    async fn a_deleted_package_has_no_schedule(stage: &Stage) {
        let package = stage.package("dell").await;
        plan(&stage.site, &package, DAILY_AT_2_UTC).await;
        stage.site.delete_package(&admin(), &package.package_id).await.unwrap();
        stage.clock.advance(10 * DAY);
        assert_eq!(stage.site.run_due_schedules().await.unwrap(), 0);
    }

    async fn a_package_that_waits_for_its_removal_has_no_schedule(stage: &Stage) {
        let package = stage.package("dell").await;
        let point = stage.point("dp1").await;
        stage.assign(&package, &[&point]).await;
        plan(&stage.site, &package, DAILY_AT_2_UTC).await;
        stage.site.delete_package(&admin(), &package.package_id).await.unwrap();
        let rows = |table: &str| stage.raw_sql(format!("SELECT package_id FROM {table}"));
        assert_eq!(rows("package").await.len(), 1, "it waits for its distribution point");
        assert!(rows("package_schedule").await.is_empty(), "nobody looks at it again and again");
    }

    async fn a_time_that_a_wrong_clock_planned_is_worked_out_again(stage: &Stage) {
        let package = stage.package("dell").await;
        plan(&stage.site, &package, DAILY_AT_2_UTC).await;
        for wrong in ["next_at + 34560000000000", "NULL"] {
            stage.raw_sql(format!("UPDATE package_schedule SET next_at = {wrong}")).await;
            assert_ne!(next(&stage.site, &package).await, at("2026-01-01T02:00:00Z"));
            assert_eq!(stage.site.run_due_schedules().await.unwrap(), 0, "{wrong}");
            assert_eq!(next(&stage.site, &package).await, at("2026-01-01T02:00:00Z"), "{wrong}");
        }
    }
}
