//! How distribution points are run: maintenance mode, whom they pull from, when they are validated.

use std::time::Duration;

use agent::{Event, Fault, Goal};
use site::{CHAIN_MAX, PointChange, PullSettings, Role, State, StatusFilter, ValidationSettings};

use crate::stage::{Point, admin, code, installed};

fn pull_from(sources: &[(&Point, u32)], fallback: bool) -> PointChange {
    let sources = sources.iter().map(|(point, rank)| (point.nal.clone(), *rank)).collect();
    PointChange { pull: Some(Some(PullSettings { sources, fallback })), ..PointChange::default() }
}

fn validated(schedule: &str, enabled: bool) -> PointChange {
    let settings = ValidationSettings { enabled, schedule: schedule.to_owned() };
    PointChange { validation: Some(settings), ..PointChange::default() }
}

fn verified() -> Event {
    Event::Verified { version: 1, files_verified: 1, files_repaired: Vec::new() }
}

/// Every day at 00:00 UTC.
const DAILY: &str = "0001200000100009";

on_both! {
    async fn maintenance_mode_is_told_shown_and_audited_once(stage: &Stage) {
        let (package, point) = (stage.package("a").await, stage.point("dp1").await);
        let before = stage.site.desired(point.id, 0).await.unwrap();
        assert!(!before.maintenance);
        assert_eq!(before.pullers, None, "nothing was ever set");
        let operator = stage.actor(Role::Operator);
        assert_eq!(code(stage.site.set_maintenance(&operator, &point.nal, true).await), "access_denied");
        for _ in 0..2 {
            stage.site.set_maintenance(&admin(), &point.nal, true).await.unwrap();
        }
        assert!(stage.site.wait_for_change(point.id, before.revision, Duration::ZERO).await.unwrap().is_news());
        let told = stage.site.desired(point.id, before.revision).await.unwrap();
        assert!(told.maintenance);
        assert!(told.revision > before.revision);
        assert!(!stage.site.wait_for_change(point.id, told.revision, Duration::ZERO).await.unwrap().is_news());
        assert!(stage.site.is_in_maintenance(point.id).await.unwrap());

        // What is wanted goes on changing, and is told as ever.
        stage.assign(&package, &[&point]).await;
        let told = stage.site.desired(point.id, told.revision).await.unwrap();
        assert!(told.maintenance);
        assert_eq!((told.packages.len(), told.pullers), (1, None));
        stage.site.set_maintenance(&admin(), &point.nal, false).await.unwrap();
        assert!(!stage.site.desired(point.id, told.revision).await.unwrap().maintenance);
        let ids = stage.message_ids().await;
        assert_eq!(ids.iter().filter(|id| **id == 39002).count(), 3, "a token, on, off: {ids:?}");
    }

    async fn sources_are_ranked_told_to_both_ends_and_never_form_a_loop(stage: &Stage) {
        let points = [stage.point("dp1").await, stage.point("dp2").await, stage.point("dp3").await];
        let [one, two, three] = &points;
        let change = async |point: &Point, change: &PointChange| {
            stage.site.change_point(&admin(), &point.nal, change).await.map_err(|error| error.to_string())
        };
        change(two, &pull_from(&[(one, 5)], false)).await.unwrap();
        change(three, &pull_from(&[(two, 2), (one, 1)], true)).await.unwrap();
        let sources = stage.site.pull_sources(three.id, true).await.unwrap();
        let named: Vec<_> = sources.sources.iter().map(|s| (s.name.as_str(), s.rank, s.url.as_str())).collect();
        assert_eq!(named, [("dp1", 1, "https://dp1:8540"), ("dp2", 2, "https://dp2:8540")]);
        assert!(!sources.sources_only && sources.sources.iter().all(|source| source.ticket.is_none()));
        assert!(stage.site.pull_sources(two.id, false).await.unwrap().sources_only);
        assert!(stage.site.pull_sources(one.id, false).await.unwrap().sources.is_empty());

        // What a puller shows is what its source was told to look for, and is not its secret.
        let ticket = stage.site.pull_sources(three.id, false).await.unwrap().sources[0].ticket.clone().unwrap();
        let pullers = stage.site.desired(one.id, 0).await.unwrap().pullers.unwrap();
        assert_eq!(pullers.iter().map(|p| p.name.as_str()).collect::<Vec<_>>(), ["dp2", "dp3"]);
        assert_eq!(pullers[1].ticket_hash.as_deref(), Some(sha256(&ticket).as_str()));
        assert_ne!(ticket, three.secret);
        assert_ne!(ticket, sha256(&three.secret));

        let chained = stage.site.chained_pull_points(&one.nal).await.unwrap();
        assert_eq!(chained, [two.nal.clone(), three.nal.clone()]);
        for (point, sources, expect) in [
            (one, vec![(three, 1)], "it fetches from this distribution point itself: dp3 from dp1"),
            (one, vec![(one, 1)], "dp1 cannot be its own source"),
            (three, vec![(one, 1), (one, 2)], "dp1 is named twice"),
            (three, vec![], "1 to 32 sources"),
            (three, vec![(one, 0)], "from 1 to 99"),
        ] {
            let refused = change(point, &pull_from(&sources, true)).await.unwrap_err();
            assert!(refused.contains(expect), "{refused}");
        }

        // Who is in maintenance mode is not asked, who is gone is forgotten at both ends.
        stage.site.set_maintenance(&admin(), &one.nal, true).await.unwrap();
        assert_eq!(stage.site.pull_sources(three.id, true).await.unwrap().sources.len(), 1);
        // Somebody else may answer where a revoked one was.
        let before = stage.site.desired(two.id, 0).await.unwrap().revision;
        stage.site.revoke_dp(&admin(), "dp2").await.unwrap();
        assert_eq!(stage.site.pull_sources(three.id, true).await.unwrap().sources.len(), 0);
        assert!(stage.site.desired(two.id, 0).await.unwrap().revision > before, "other processes see it too");
        let wait = stage.site.wait_for_change(two.id, before, Duration::ZERO).await;
        assert_eq!(code(wait), "agent_unknown");
        let two = &stage.point("dp2").await;
        assert_eq!(stage.site.pull_sources(three.id, true).await.unwrap().sources.len(), 1);
        stage.site.remove_dp(&admin(), "dp3").await.unwrap();
        assert_eq!(stage.site.desired(two.id, 0).await.unwrap().pullers, Some(vec![]));
        let off = PointChange { pull: Some(None), ..PointChange::default() };
        change(two, &off).await.unwrap();
        assert_eq!(stage.site.desired(one.id, 0).await.unwrap().pullers, Some(vec![]));
    }

    async fn a_chain_has_a_longest_length(stage: &Stage) {
        let mut points = Vec::new();
        for number in 0..=CHAIN_MAX {
            points.push(stage.point(&format!("dp{number}")).await);
        }
        let mut refused = None;
        for pair in points.windows(2) {
            let change = pull_from(&[(&pair[0], 1)], true);
            let done = stage.site.change_point(&admin(), &pair[1].nal, &change).await;
            refused = done.err().map(|error| error.to_string());
        }
        assert!(refused.unwrap().contains("a chain of more than 8"), "only the last link is too much");
    }

    async fn a_due_validation_is_made_up_for_once_and_a_few_at_a_time(stage: &Stage) {
        let point = stage.point("dp1").await;
        let mut packages = Vec::new();
        for number in 0..6 {
            let package = stage.package(&format!("p{number}")).await;
            stage.assign(&package, &[&point]).await;
            stage.report(&package, &point, installed(1)).await;
            packages.push(package);
        }
        stage.site.change_point(&admin(), &point.nal, &validated(DAILY, true)).await.unwrap();
        assert_eq!(stage.site.run_due_validations().await.unwrap(), 0, "it is not due yet");
        // Three times are missed.
        stage.clock.advance(Duration::from_secs(3 * 86_400));
        assert_eq!(stage.site.run_due_validations().await.unwrap(), 4);
        assert_eq!(stage.site.run_due_validations().await.unwrap(), 0, "these are not reported yet");
        let mut demanded = 4;
        for _ in 0..packages.len() {
            stage.clock.advance(Duration::from_secs(60));
            for package in &packages {
                if stage.state(package, &point).await == State::ContentMonitoring {
                    let (_, goal) = stage.goal(package, &point).await;
                    assert!(matches!(goal, Goal::Hold { verify: true, .. }));
                    stage.report(package, &point, verified()).await;
                }
            }
            demanded += stage.site.run_due_validations().await.unwrap();
        }
        assert_eq!(demanded, packages.len(), "each once, whatever was missed");
        stage.clock.advance(Duration::from_secs(86_400));
        assert_eq!(stage.site.run_due_validations().await.unwrap(), 4, "the next day is the next round");
        let queued = stage.message_ids().await.iter().filter(|id| **id == 2381).count();
        assert_eq!(queued, demanded + 4, "each is said once");
        stage.site.change_point(&admin(), &point.nal, &validated(DAILY, false)).await.unwrap();
        stage.clock.advance(Duration::from_secs(86_400));
        assert_eq!(stage.site.run_due_validations().await.unwrap(), 0);
        for wrong in ["", "0011", "zz"] {
            let change = validated(wrong, true);
            assert_eq!(code(stage.site.change_point(&admin(), &point.nal, &change).await), "invalid_field");
        }
    }

    async fn a_validation_that_was_planned_while_the_clock_was_ahead_is_planned_anew(stage: &Stage) {
        let (package, point) = (stage.package("a").await, stage.point("dp1").await);
        stage.assign(&package, &[&point]).await;
        stage.report(&package, &point, installed(1)).await;
        stage.site.change_point(&admin(), &point.nal, &validated(DAILY, true)).await.unwrap();
        let ahead = 400 * 86_400_000_000i64;
        let sql = format!("UPDATE dp SET validation_next_at = validation_next_at + {ahead} RETURNING name");
        assert_eq!(stage.raw_sql(sql).await.len(), 1);
        assert_eq!(stage.site.run_due_validations().await.unwrap(), 0);
        stage.clock.advance(Duration::from_secs(86_400));
        assert_eq!(stage.site.run_due_validations().await.unwrap(), 1);
    }

    async fn a_verification_tells_what_it_finds_before_it_is_repaired(stage: &Stage) {
        let (package, point) = (stage.package("a").await, stage.point("dp1").await);
        stage.assign(&package, &[&point]).await;
        stage.report(&package, &point, installed(1)).await;
        stage.site.validate(&admin(), &package.package_id, &point.nal).await.unwrap();
        let before = stage.message_ids().await.len();
        let found = |damaged: &[&str], missing: &[&str]| {
            let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
            Event::Damaged { version: 1, files_verified: 3, damaged: names(damaged), missing: names(missing) }
        };
        let (generation, _) = stage.goal(&package, &point).await;
        let mut facts = Vec::new();
        for event in [Event::Verifying { version: 1 }, found(&["a.sys"], &["b.sys"]), verified()] {
            stage.clock.advance(Duration::from_secs(1));
            facts.push(stage.fact(&package, generation, event));
        }
        // The answer to the report is lost, so it comes twice.
        for _ in 0..2 {
            stage.site.record_facts(point.id, &facts).await.unwrap();
        }
        assert_eq!(stage.message_ids().await[before..], [2380, 2382, 2385, 2384]);
        assert_eq!(stage.state(&package, &point).await, State::Installed);
    }

    async fn what_nobody_wants_and_what_no_source_has_is_said(stage: &Stage) {
        let (package, point) = (stage.package("a").await, stage.point("dp1").await);
        let orphan = stage.fact(&package, 0, Event::Collected { versions: vec![1, 2], bytes: 77 });
        stage.site.record_facts(point.id, &[orphan]).await.unwrap();
        let last = stage.site.status_messages(&StatusFilter::default()).await.unwrap().remove(0);
        assert_eq!(last.message_id, 39091);
        assert!(last.text.contains("2 versions, 77 bytes"), "{}", last.text);
        stage.assign(&package, &[&point]).await;
        let fault = Fault { code: "no_source".to_owned(), message: "no source has it".to_owned(), file: None };
        let next_attempt_at = "2026-01-01T00:10:00Z".to_owned();
        stage.report(&package, &point, Event::Failed { fault, attempt: 1, next_attempt_at }).await;
        assert_eq!(stage.message_ids().await.last(), Some(&8212));
        assert_eq!(stage.state(&package, &point).await, State::InstallRetrying);
    }

    async fn a_package_without_bytes_is_named_as_one_that_may_be_kept(stage: &Stage) {
        let point = stage.point("dp1").await;
        let package = stage.site.create_package(&admin(), crate::stage::with_source("later")).await.unwrap();
        stage.assign(&package, &[&point]).await;
        let all = stage.site.desired(point.id, 0).await.unwrap();
        assert_eq!((all.packages.len(), all.untold), (0, vec![package.package_id.clone()]));
        stage.source("later", &[("a.inf", "a")]);
        assert_eq!(stage.site.run_due_snapshots().await.unwrap(), 1);
        let all = stage.site.desired(point.id, 0).await.unwrap();
        assert_eq!((all.packages.len(), all.untold.len()), (1, 0));
        assert_eq!(stage.site.desired(point.id, all.revision).await.unwrap().untold.len(), 0);
    }
}

fn sha256(text: &str) -> String {
    content::FileHash::of(text.as_bytes()).to_string()
}
