//! The running site: its workers, and what they clean up.

use std::time::Duration;

use clock::Clock;
use site::{AgentCredential, Role, Value};
use tokio_util::sync::CancellationToken;

use crate::stage::{admin, code, time, with_source, write};

on_both! {
    async fn workers_publish_and_stop_when_told(stage: &Stage) {
        stage.source("dell", &[("a.inf", "a")]);
        let package = stage.site.create_package(&admin(), with_source("dell")).await.unwrap();
        let point = stage.point("dp1").await;
        stage.assign(&package, &[&point]).await;
        let stop = CancellationToken::new();
        let running = async { stage.site.run_workers(stop.clone()).await };
        let watching = async {
            // The published version wakes the agent; the clock stands still, so nothing else does.
            assert!(stage.site.wait_for_change(point.id, 0, Duration::from_secs(60)).await.unwrap().is_news());
            write(&stage.source("dell", &[]).join("b.inf"), "b");
            let seen = stage.site.desired(point.id, 0).await.unwrap().revision;
            stage.site.refresh_package(&admin(), &package.package_id).await.unwrap();
            assert!(stage.site.wait_for_change(point.id, seen, Duration::from_secs(60)).await.unwrap().is_news());
            assert_eq!(code(stage.reopen().await.run_workers(stop.clone()).await), "already_running");
            stop.cancel();
        };
        let (ran, ()) = tokio::join!(running, watching);
        ran.unwrap();
        assert_eq!(stage.site.package(&package.package_id).await.unwrap().stored_version, 2);
    }

    async fn a_running_site_writes_who_it_heard_and_ends_dead_leases(stage: &Stage) {
        let point = stage.point("dp1").await;
        let package = stage.package("dell").await;
        stage.site.refresh_package(&admin(), &package.package_id).await.unwrap();
        let long_ago = time("2025-01-01T00:00:00Z").as_microsecond();
        // A worker of another server that died; its package is not due for long.
        stage.raw_sql(format!("UPDATE package SET lease_owner = 'x/y', lease_until = {long_ago}, snapshot_next_at = {}", i64::MAX)).await;
        let query = cim::wql::parse("SELECT IsReadingSource FROM Haulier_PackageState").unwrap();
        assert_eq!(stage.site.query(&site::Actor::local(), query.class(), &query).await.unwrap().rows, [[Value::Boolean(true)]]);
        let stop = CancellationToken::new();
        let watching = async {
            while stage.site.query(&site::Actor::local(), query.class(), &query).await.unwrap().rows != [[Value::Boolean(false)]] {
                tokio::task::yield_now().await;
            }
            stage.clock.advance(Duration::from_secs(15));
            let now = stage.clock.now();
            stage.site.authenticate_agent(AgentCredential::Secret(&point.secret)).await.unwrap();
            while stage.site.distribution_points().await.unwrap()[0].last_seen_at != Some(now) {
                stage.clock.advance(Duration::from_secs(15));
                tokio::task::yield_now().await;
            }
            stop.cancel();
        };
        let (ran, ()) = tokio::join!(stage.site.run_workers(stop.clone()), watching);
        ran.unwrap();
    }

    async fn what_another_process_changes_wakes_waiters_too(stage: &Stage) {
        let package = stage.package("dell").await;
        let point = stage.point("dp1").await;
        let other = stage.reopen().await;
        let stop = CancellationToken::new();
        let running = async { stage.site.run_workers(stop.clone()).await };
        let watching = async {
            let waiting = stage.site.wait_for_change(point.id, 0, Duration::from_secs(60));
            let (changed, ()) = tokio::join!(waiting, async {
                let points = [("PS1".to_owned(), point.nal.clone())];
                other.add_distribution_points(&admin(), &package.package_id, &points).await.unwrap();
                // The watcher looks each second.
                for _ in 0..5 {
                    stage.clock.advance(Duration::from_secs(1));
                    tokio::task::yield_now().await;
                }
            });
            assert!(changed.unwrap().is_news());
            stop.cancel();
        };
        let (ran, ()) = tokio::join!(running, watching);
        ran.unwrap();
        other.close().await;
    }

    async fn old_messages_and_dead_tokens_are_forgotten(stage: &Stage) {
        stage.site.create_user(&admin(), "r", crate::stage::PASSWORD, Role::Reader).await.unwrap();
        stage.site.create_token(&admin(), "r", "x", Duration::from_secs(60)).await.unwrap();
        stage.site.create_dp_token(&admin(), "dp1", None).await.unwrap();
        assert_eq!(stage.message_ids().await.len(), 3);
        stage.clock.advance(Duration::from_secs(29 * 24 * 3600));
        stage.package("dell").await;
        stage.clock.advance(Duration::from_secs(2 * 24 * 3600));
        let stop = CancellationToken::new();
        let cleaned = async {
            while stage.message_ids().await.contains(&39001) {
                tokio::task::yield_now().await;
            }
            stop.cancel();
        };
        let (ran, ()) = tokio::join!(stage.site.run_workers(stop.clone()), cleaned);
        ran.unwrap();
        assert_eq!(stage.message_ids().await, [30000, 2300, 2376, 2311, 2301]);
        // Both tokens are gone: the enrolment token a month after its end.
        for table in ["api_token", "enrol_token"] {
            let left = stage.raw_sql(format!("SELECT CAST(COUNT(*) AS TEXT) FROM {table}")).await;
            assert_eq!(left[0][0], "0", "{table}");
        }
    }
}
