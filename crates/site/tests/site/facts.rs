//! What agents report.

use std::time::Duration;

use agent::{Event, FACTS_MAX, Fact, Serial};
use site::{Severity, State, StatusFilter, Value};

use crate::stage::{Point, Stage, admin, code, failed, installed, time, write};

/// One step of a story: what is reported, the state after it, and the messages that it wrote.
async fn step(
    stage: &Stage,
    package: &site::Package,
    point: &Point,
    event: Event,
    state: State,
    messages: &[u32],
) {
    let before = stage.message_ids().await.len();
    let text = format!("{event:?}");
    stage.report(package, point, event).await;
    assert_eq!(stage.state(package, point).await, state, "{text}");
    assert_eq!(&stage.message_ids().await[before..], messages, "{text}");
}

fn started(attempt: u32) -> Event {
    Event::Started { version: 1, attempt }
}

fn progress(bytes_done: u64) -> Event {
    Event::Progress {
        version: 1,
        bytes_done,
        bytes_total: 10,
        bytes_received: bytes_done / 2,
        files_done: None,
        files_total: None,
    }
}

fn verifying(version: u32) -> Event {
    Event::Verifying { version }
}

fn verified(repaired: &[&str]) -> Event {
    let files_repaired = repaired.iter().map(|&file| file.to_owned()).collect();
    Event::Verified { version: 1, files_verified: 3, files_repaired }
}

on_both! {
    async fn the_story_of_a_pull(stage: &Stage) {
        let package = stage.package("dell").await;
        let point = stage.point("dp1").await;
        stage.assign(&package, &[&point]).await;
        step(stage, &package, &point, started(1), State::InstallPending, &[2342]).await;
        step(stage, &package, &point, progress(4), State::InstallPending, &[8204]).await;
        let status = stage.status(&package, &point).await.unwrap();
        assert_eq!((status.bytes_done, status.bytes_total, status.bytes_received), (4, 10, 2));
        step(stage, &package, &point, failed(1), State::InstallRetrying, &[2328]).await;
        let status = stage.status(&package, &point).await.unwrap();
        assert_eq!((status.attempts, status.next_attempt_at), (1, Some(time("2026-01-01T00:05:00Z"))));
        let fault = status.fault.unwrap();
        assert_eq!((fault.code.as_str(), fault.file.as_deref()), ("disk_full", Some("a/b.sys")));
        step(stage, &package, &point, started(2), State::InstallRetrying, &[]).await;
        step(stage, &package, &point, failed(10), State::InstallFailed, &[2328]).await;
        step(stage, &package, &point, started(11), State::InstallRetrying, &[]).await;
        step(stage, &package, &point, installed(1), State::Installed, &[8200, 2330]).await;
        let status = stage.status(&package, &point).await.unwrap();
        assert_eq!((status.installed_version, status.desired_version, status.attempts), (1, Some(1), 0));
        assert_eq!((status.fault, status.next_attempt_at), (None, None));
        assert_eq!(status.last_copied_at, Some(time("2026-01-01T00:00:00Z")));
        // Progress that comes late changes nothing.
        step(stage, &package, &point, progress(9), State::Installed, &[]).await;
        let messages = stage.site.status_messages(&StatusFilter::default()).await.unwrap();
        let failures: Vec<_> = messages.iter().filter(|m| m.message_id == 2328).map(|m| m.severity).collect();
        assert_eq!(failures, [Severity::Error, Severity::Warning]);
        assert!(messages[0].text.contains("PS100001, version 1, is on distribution point dp1"), "{}", messages[0].text);
    }

    async fn repeated_facts_change_nothing(stage: &Stage) {
        let package = stage.package("dell").await;
        let point = stage.point("dp1").await;
        stage.assign(&package, &[&point]).await;
        for (event, messages) in [(started(1), &[2342][..]), (failed(1), &[2328]), (installed(1), &[8200, 2330]), (verified(&[]), &[2384])] {
            let first = stage.message_ids().await.len();
            stage.clock.advance(Duration::from_secs(1));
            for _ in 0..2 {
                stage.report(&package, &point, event.clone()).await;
            }
            assert_eq!(&stage.message_ids().await[first..], messages, "{event:?}");
        }
    }

    async fn validation_finds_and_repairs(stage: &Stage) {
        let package = stage.package("dell").await;
        let point = stage.point("dp1").await;
        stage.assign(&package, &[&point]).await;
        step(stage, &package, &point, installed(1), State::Installed, &[8200, 2330]).await;
        stage.clock.advance(Duration::from_secs(60));
        stage.site.validate(&admin(), &package.package_id, &point.nal).await.unwrap();
        step(stage, &package, &point, verifying(1), State::ContentMonitoring, &[2380]).await;
        step(stage, &package, &point, verified(&["x.sys"]), State::Installed, &[39090, 2384]).await;
        let status = stage.status(&package, &point).await.unwrap();
        assert_eq!((status.last_verified_at, status.files_verified), (Some(time("2026-01-01T00:01:00Z")), 3));
        // A later full list does not ask for the same verification again.
        assert!(matches!(stage.goal(&package, &point).await.1, agent::Goal::Hold { verify: false, .. }));
    }

    async fn a_late_fact_changes_only_what_is_true_anyway(stage: &Stage) {
        let package = stage.package("dell").await;
        let point = stage.point("dp1").await;
        stage.assign(&package, &[&point]).await;
        let (old, _) = stage.goal(&package, &point).await;
        write(&stage.source("dell", &[]).join("new.inf"), "new");
        stage.site.refresh_package(&admin(), &package.package_id).await.unwrap();
        stage.site.run_due_snapshots().await.unwrap();
        stage.report_of(&package, &point, old, failed(3)).await;
        stage.report_of(&package, &point, old, progress(5)).await;
        let status = stage.status(&package, &point).await.unwrap();
        assert_eq!((status.state, status.attempts, status.bytes_done), (State::InstallPending, 0, 0));
        stage.report_of(&package, &point, old, installed(1)).await;
        let status = stage.status(&package, &point).await.unwrap();
        assert_eq!((status.state, status.installed_version), (State::InstallPending, 1));
        // From the future, unknown package, wrong version: nothing false is believed.
        let (now, _) = stage.goal(&package, &point).await;
        stage.report_of(&package, &point, now, installed(1)).await;
        assert_eq!(stage.state(&package, &point).await, State::InstallPending);
        let mut foreign = stage.fact(&package, now, installed(2));
        foreign.package_id = "PS1FFFFF".to_owned();
        stage.site.record_facts(point.id, &[foreign]).await.unwrap();
        stage.report_of(&package, &point, now, installed(2)).await;
        assert_eq!(stage.state(&package, &point).await, State::Installed);
        // The agent never heard that these arrived, and they come once more, late.
        for event in [installed(1), Event::Removed] {
            stage.report_of(&package, &point, old, event).await;
            let status = stage.status(&package, &point).await.unwrap();
            assert_eq!((status.state, status.installed_version), (State::Installed, 2));
        }
    }

    async fn a_removal_ends_when_it_is_reported(stage: &Stage) {
        let package = stage.package("dell").await;
        let point = stage.point("dp1").await;
        stage.assign(&package, &[&point]).await;
        stage.report(&package, &point, installed(1)).await;
        stage.site.remove_from_distribution_point(&admin(), &package.package_id, &point.nal).await.unwrap();
        step(stage, &package, &point, failed(1), State::RemovalRetrying, &[39057]).await;
        step(stage, &package, &point, failed(10), State::RemovalFailed, &[39057]).await;
        // It says again that it holds the version: true, and still unwanted.
        step(stage, &package, &point, installed(1), State::RemovalFailed, &[]).await;
        stage.report(&package, &point, Event::Removed).await;
        assert_eq!(stage.status(&package, &point).await, None);
        // The package itself stays, and can come again with a new generation.
        let first = stage.site.package(&package.package_id).await.unwrap();
        assert_eq!(first.action_in_progress, site::ActionInProgress::None);
        stage.assign(&package, &[&point]).await;
    }

    async fn texts_from_agents_are_cut_and_clocks_are_not_trusted(stage: &Stage) {
        let package = stage.package("dell").await;
        let point = stage.point("dp1").await;
        stage.assign(&package, &[&point]).await;
        let (generation, _) = stage.goal(&package, &point).await;
        let fault = agent::Fault { code: "c".repeat(999), message: "ü".repeat(9999), file: Some("f".repeat(9999)) };
        let event = Event::Failed { fault, attempt: 1, next_attempt_at: "soon".to_owned() };
        let mut fact = stage.fact(&package, generation, event);
        for at in ["2099-01-01T00:00:00Z", "rubbish"] {
            fact.at = at.to_owned();
            stage.site.record_facts(point.id, std::slice::from_ref(&fact)).await.unwrap();
        }
        let status = stage.status(&package, &point).await.unwrap();
        let fault = status.fault.unwrap();
        assert_eq!((fault.code.len(), fault.message.chars().count()), (64, 1024));
        assert_eq!((fault.at, status.next_attempt_at), (time("2026-01-01T00:00:00Z"), None));
        let many = vec![fact; FACTS_MAX + 1];
        assert_eq!(code(stage.site.record_facts(point.id, &many).await), "invalid_field");
        let refused = Event::Refused { object: "ab".to_owned(), reason: "its hash is another".to_owned(), source: None };
        step(stage, &package, &point, refused, State::InstallRetrying, &[2383]).await;
    }

    async fn the_last_report_is_what_the_agent_said_last(stage: &Stage) {
        let package = stage.package("dell").await;
        let point = stage.point("dp1").await;
        stage.assign(&package, &[&point]).await;
        let query = cim::wql::parse("SELECT LastReport FROM Haulier_DistributionState").unwrap();
        let last = async || stage.site.query(&site::Actor::local(), query.class(), &query).await.unwrap().rows.remove(0).remove(0);
        assert_eq!(last().await, Value::Null, "it has said nothing yet");
        stage.report(&package, &point, installed(1)).await;
        let reported = Value::DateTime(time("2026-01-01T00:00:00Z"));
        assert_eq!(last().await, reported);
        stage.clock.advance(Duration::from_secs(60));
        stage.site.refresh_package(&admin(), &package.package_id).await.unwrap();
        stage.site.run_due_snapshots().await.unwrap();
        stage.site.redistribute(&admin(), &package.package_id, &point.nal).await.unwrap();
        assert_eq!(last().await, reported, "that the site asked is no report");
    }

    async fn a_report_that_comes_again_changes_nothing_whatever_the_agents_clock_says(stage: &Stage) {
        let package = stage.package("dell").await;
        let point = stage.point("dp1").await;
        stage.assign(&package, &[&point]).await;
        let (generation, _) = stage.goal(&package, &point).await;
        let fact = |run: &str, number, event| {
            let serial = Some(Serial { run: run.to_owned(), number });
            Fact { at: "2027-01-01T00:00:00Z".to_owned(), serial, ..stage.fact(&package, generation, event) }
        };
        let before = stage.message_ids().await.len();
        let facts = vec![fact("a", 7, started(1)), fact("a", 8, progress(4)), fact("a", 9, installed(1))];
        let expect = [2342, 8204, 8200, 2330];
        let mut status = None;
        for _ in 0..3 {
            stage.site.record_facts(point.id, &facts).await.unwrap();
            assert_eq!(stage.message_ids().await[before..], expect);
            let now = stage.status(&package, &point).await;
            assert_eq!(*status.get_or_insert_with(|| now.clone()), now, "neither its times");
            stage.clock.advance(Duration::from_secs(60));
        }
        // After a restart of the agent, with what is new; and of the site.
        let later = [facts, vec![fact("b", 1, started(1)), fact("b", 2, verified(&[]))]].concat();
        let again = stage.reopen().await;
        for site in [&stage.site, &again] {
            site.record_facts(point.id, &later).await.unwrap();
            assert_eq!(stage.message_ids().await[before..], [&expect[..], &[2342, 2384]].concat());
        }
        again.close().await;
    }

    async fn a_pause_is_told_once_and_ends_when_bytes_come(stage: &Stage) {
        let package = stage.package("dell").await;
        let point = stage.point("dp1").await;
        stage.assign(&package, &[&point]).await;
        let paused = || Event::Paused {
            code: "elsewhere".to_owned(),
            reason: "closed".to_owned(),
            until: Some("2026-01-01T08:00:00Z".to_owned()),
        };
        step(stage, &package, &point, started(1), State::InstallPending, &[2342]).await;
        step(stage, &package, &point, paused(), State::InstallPending, &[39045]).await;
        for _ in 0..3 {
            stage.clock.advance(Duration::from_secs(3600));
            for event in [started(1), paused()] {
                step(stage, &package, &point, event, State::InstallPending, &[]).await;
                let status = stage.status(&package, &point).await.unwrap();
                assert_eq!(status.paused.unwrap().until, Some(time("2026-01-01T08:00:00Z")));
                assert_eq!(status.next_attempt_at, Some(time("2026-01-01T08:00:00Z")));
            }
        }
        step(stage, &package, &point, progress(4), State::InstallPending, &[8204]).await;
        assert_eq!(stage.status(&package, &point).await.unwrap().paused, None);
        step(stage, &package, &point, paused(), State::InstallPending, &[39045]).await;
    }

    async fn what_is_installed_is_not_announced_again(stage: &Stage) {
        let package = stage.package("dell").await;
        let point = stage.point("dp1").await;
        stage.assign(&package, &[&point]).await;
        step(stage, &package, &point, installed(1), State::Installed, &[8200, 2330]).await;
        stage.clock.advance(Duration::from_secs(60));
        stage.site.validate(&admin(), &package.package_id, &point.nal).await.unwrap();
        step(stage, &package, &point, verifying(1), State::ContentMonitoring, &[2380]).await;
        step(stage, &package, &point, verified(&[]), State::Installed, &[2384]).await;
        let before = stage.status(&package, &point).await;
        stage.clock.advance(Duration::from_secs(60));
        let held = Event::Installed { version: 1, files: 1, bytes_total: 10, bytes_received: 0, files_verified: 0 };
        step(stage, &package, &point, held.clone(), State::Installed, &[]).await;
        assert_eq!(stage.status(&package, &point).await, before);
        // A demand is met by what is held.
        stage.site.redistribute(&admin(), &package.package_id, &point.nal).await.unwrap();
        step(stage, &package, &point, held, State::Installed, &[2330]).await;
    }

    async fn who_reports_is_not_unknown_though_its_clock_is_behind(stage: &Stage) {
        let package = stage.package("dell").await;
        let point = stage.point("dp1").await;
        stage.clock.advance(Duration::from_secs(3600));
        stage.assign(&package, &[&point]).await;
        let unknown = async || {
            let sql = "SELECT CAST(SUM(unknown) AS TEXT) FROM content_status".to_owned();
            stage.raw_sql(sql).await.remove(0).remove(0)
        };
        assert_eq!(unknown().await, "1");
        let (generation, _) = stage.goal(&package, &point).await;
        let at = "2026-01-01T00:00:00Z".to_owned();
        let fact = Fact { at, ..stage.fact(&package, generation, started(1)) };
        stage.site.record_facts(point.id, &[fact]).await.unwrap();
        assert_eq!(unknown().await, "0");
    }

    async fn a_repair_that_the_agent_began_by_itself_is_shown(stage: &Stage) {
        let package = stage.package("dell").await;
        let point = stage.point("dp1").await;
        stage.assign(&package, &[&point]).await;
        step(stage, &package, &point, installed(1), State::Installed, &[8200, 2330]).await;
        step(stage, &package, &point, started(1), State::ContentUpdating, &[2342]).await;
        step(stage, &package, &point, verified(&["x.sys"]), State::Installed, &[39090, 2384]).await;
    }
}
