//! Refresh: durable, coalesced, never published by halves.

use std::time::Duration;

use content::FileHash;
use futures_util::future::join_all;
use site::{PackageChange, Role, Severity, Site, State, StatusFilter, VerificationState};

use crate::stage::{admin, code, installed, with_source, write};

on_both! {
    async fn creation_shows_version_1_and_stores_it_when_the_library_holds_it(stage: &Stage) {
        stage.source("dell", &[("a.inf", "one"), ("sub/b.sys", "two")]);
        let made = stage.site.create_package(&admin(), with_source("dell")).await.unwrap();
        assert_eq!((made.source_version, made.stored_version, made.refresh_pending), (1, 0, true));
        assert_eq!(made.source_date, None);
        assert_eq!(stage.site.run_due_snapshots().await.unwrap(), 1);
        let stored = stage.site.package(&made.package_id).await.unwrap();
        assert_eq!((stored.source_version, stored.stored_version, stored.refresh_pending), (1, 1, false));
        assert_eq!((stored.source_bytes, stored.source_fault), (6, None));
        let history = stage.site.package_history(&made.package_id).await.unwrap();
        assert_eq!(history.len(), 1);
        assert_eq!((history[0].version, history[0].files, history[0].folders, history[0].bytes), (1, 2, 1, 6));
        assert_eq!(stage.message_ids().await, [30000, 2300, 2376, 2311, 2301]);
    }

    async fn a_refresh_when_idle_publishes_even_an_unchanged_source(stage: &Stage) {
        let package = stage.package("dell").await;
        stage.site.refresh_package(&admin(), &package.package_id).await.unwrap();
        assert_eq!(stage.site.run_due_snapshots().await.unwrap(), 1);
        let history = stage.site.package_history(&package.package_id).await.unwrap();
        assert_eq!(history.iter().map(|v| v.version).collect::<Vec<_>>(), [2, 1]);
        assert_eq!(history[0].manifest, history[1].manifest);
        assert_eq!(history[0].stored_new_bytes, 0);
        assert_eq!(stage.site.run_due_snapshots().await.unwrap(), 0);
    }

    async fn requests_that_wait_together_are_one_version(stage: &Stage) {
        let package = stage.package("dell").await;
        let (admin, id) = (admin(), &package.package_id);
        let (one, two) = tokio::join!(stage.site.refresh_package(&admin, id), stage.site.refresh_package(&admin, id));
        one.unwrap();
        two.unwrap();
        assert_eq!(stage.site.run_due_snapshots().await.unwrap(), 1);
        assert_eq!(stage.site.package(id).await.unwrap().source_version, 2);
    }

    async fn a_refresh_right_after_creation_is_a_version_of_its_own(stage: &Stage) {
        stage.source("dell", &[("a.inf", "a")]);
        let made = stage.site.create_package(&admin(), with_source("dell")).await.unwrap();
        assert_eq!(made.source_version, 1);
        let (admin, id) = (admin(), &made.package_id);
        let (one, two) = tokio::join!(stage.site.refresh_package(&admin, id), stage.site.refresh_package(&admin, id));
        one.unwrap();
        two.unwrap();
        assert_eq!(stage.site.run_due_snapshots().await.unwrap(), 2);
        let package = stage.site.package(id).await.unwrap();
        assert_eq!((package.source_version, package.stored_version, package.refresh_pending), (2, 2, false));
    }

    async fn a_refresh_of_a_package_that_waits_for_its_source_makes_no_second_version(stage: &Stage) {
        let made = stage.site.create_package(&admin(), with_source("late")).await.unwrap();
        stage.site.run_due_snapshots().await.unwrap();
        stage.source("late", &[("a.inf", "a")]);
        stage.site.refresh_package(&admin(), &made.package_id).await.unwrap();
        stage.site.refresh_package(&admin(), &made.package_id).await.unwrap();
        assert_eq!(stage.site.run_due_snapshots().await.unwrap(), 1);
        let package = stage.site.package(&made.package_id).await.unwrap();
        assert_eq!((package.source_version, package.stored_version, package.refresh_pending), (1, 1, false));
    }

    async fn an_accepted_refresh_survives_a_restart(stage: &Stage) {
        let package = stage.package("dell").await;
        stage.source("dell", &[("new.inf", "new")]);
        stage.site.refresh_package(&admin(), &package.package_id).await.unwrap();
        stage.site.close().await;
        let again = stage.reopen().await;
        // The library of the closed site is still open in this process, so only the database is looked at.
        assert!(again.package(&package.package_id).await.unwrap().refresh_pending);
        again.close().await;
    }

    async fn a_failed_source_publishes_nothing_and_says_why(stage: &Stage) {
        let made = stage.site.create_package(&admin(), with_source("none")).await.unwrap();
        assert_eq!(stage.site.run_due_snapshots().await.unwrap(), 1);
        let failed = stage.site.package(&made.package_id).await.unwrap();
        let fault = failed.source_fault.unwrap();
        assert_eq!((fault.code.as_str(), fault.attempts), ("source_unusable", 1));
        assert_eq!(fault.next_attempt_at, Some("2026-01-01T00:00:30Z".parse().unwrap()));
        assert!(!fault.message.contains(stage.options.data_dir.parent().unwrap().to_str().unwrap()));
        assert_eq!((failed.stored_version, failed.refresh_pending), (0, true));
        assert_eq!(stage.message_ids().await, [30000, 2300, 2306, 2302]);
        // Not due before its time; then tried again, and the delay doubles.
        assert_eq!(stage.site.run_due_snapshots().await.unwrap(), 0);
        stage.clock.advance(Duration::from_secs(30));
        assert_eq!(stage.site.run_due_snapshots().await.unwrap(), 1);
        let fault = stage.site.package(&made.package_id).await.unwrap().source_fault.unwrap();
        assert_eq!((fault.attempts, fault.next_attempt_at), (2, Some("2026-01-01T00:01:30Z".parse().unwrap())));
        // A new request does not wait for the delay, and success clears the fault.
        stage.source("none", &[("a.inf", "a")]);
        stage.site.refresh_package(&admin(), &made.package_id).await.unwrap();
        assert_eq!(stage.site.run_due_snapshots().await.unwrap(), 1);
        let healed = stage.site.package(&made.package_id).await.unwrap();
        assert_eq!((healed.source_fault, healed.stored_version, healed.refresh_pending), (None, 1, false));
    }

    async fn an_empty_source_is_refused(stage: &Stage) {
        stage.source("empty", &[]);
        let made = stage.site.create_package(&admin(), with_source("empty")).await.unwrap();
        stage.site.run_due_snapshots().await.unwrap();
        let fault = stage.site.package(&made.package_id).await.unwrap().source_fault.unwrap();
        assert_eq!((fault.code.as_str(), fault.attempts), ("source_empty", 0));
        let failed = StatusFilter { package_id: Some(made.package_id.clone()), ..StatusFilter::default() };
        let messages = stage.site.status_messages(&failed).await.unwrap();
        assert!(messages.iter().all(|message| message.severity != Severity::Error), "nobody is alarmed: {messages:?}");
        // What was full must not become empty: that is a failure.
        let source = stage.source("empty", &[("a.inf", "a")]);
        stage.site.refresh_package(&admin(), &made.package_id).await.unwrap();
        stage.site.run_due_snapshots().await.unwrap();
        std::fs::remove_file(source.join("a.inf")).unwrap();
        stage.site.refresh_package(&admin(), &made.package_id).await.unwrap();
        stage.site.run_due_snapshots().await.unwrap();
        let fault = stage.site.package(&made.package_id).await.unwrap().source_fault.unwrap();
        assert_eq!((fault.code.as_str(), fault.attempts), ("source_empty", 1));
    }

    async fn the_site_gives_up_after_the_limit_until_asked_again(stage: &Stage) {
        let made = stage.site.create_package(&admin(), with_source("none")).await.unwrap();
        for attempt in 1..=100 {
            assert_eq!(stage.site.run_due_snapshots().await.unwrap(), 1, "attempt {attempt}");
            stage.clock.advance(Duration::from_secs(30 * 60));
        }
        assert_eq!(stage.site.run_due_snapshots().await.unwrap(), 0);
        let package = stage.site.package(&made.package_id).await.unwrap();
        assert!(!package.refresh_pending);
        assert_eq!(package.action_in_progress, site::ActionInProgress::None);
        let fault = package.source_fault.unwrap();
        assert_eq!((fault.code.as_str(), fault.attempts, fault.next_attempt_at), ("gave_up", 100, None));
        assert!(fault.message.contains("refresh the package to try again"), "{}", fault.message);
        let messages = stage.site.status_messages(&StatusFilter { limit: Some(1), ..StatusFilter::default() }).await.unwrap();
        assert!(messages[0].text.contains("gave up after 100 attempts"), "{}", messages[0].text);
        let since = stage.raw_sql("SELECT CAST(COUNT(*) AS TEXT) FROM package WHERE refresh_since IS NOT NULL".to_owned()).await;
        assert_eq!(since, [["0"]]);
        stage.site.refresh_package(&admin(), &made.package_id).await.unwrap();
        assert_eq!(stage.site.run_due_snapshots().await.unwrap(), 1);
    }

    async fn high_priority_goes_first_then_age(stage: &Stage) {
        for (name, priority) in [("low", 3), ("second", 2), ("high", 1), ("third", 2)] {
            stage.source(name, &[("a.inf", name)]);
            let new = site::NewPackage { priority, ..with_source(name) };
            stage.site.create_package(&admin(), new).await.unwrap();
            stage.clock.advance(Duration::from_secs(1));
        }
        stage.site.run_due_snapshots().await.unwrap();
        let messages = stage.site.status_messages(&StatusFilter::default()).await.unwrap();
        let published: Vec<_> = messages.iter().rev().filter(|m| m.message_id == 2301).map(|m| m.inserts[0].as_str()).collect();
        assert_eq!(published, ["high", "second", "third", "low"]);
    }

    async fn a_moved_source_is_read_anew(stage: &Stage) {
        let package = stage.package("dell").await;
        stage.source("elsewhere", &[("b.inf", "b")]);
        let change = PackageChange { pkg_source_path: Some(r"\\SRV\SRC\Elsewhere".to_owned()), ..PackageChange::default() };
        stage.site.update_package(&admin(), &package.package_id, change).await.unwrap();
        stage.site.run_due_snapshots().await.unwrap();
        assert_eq!(stage.site.package(&package.package_id).await.unwrap().source_version, 2);
    }

    async fn without_a_source_there_is_nothing_to_refresh(stage: &Stage) {
        let new = site::NewPackage { name: "plain".to_owned(), ..site::NewPackage::default() };
        let made = stage.site.create_package(&admin(), new).await.unwrap();
        assert_eq!((made.source_version, made.refresh_pending), (0, false));
        assert_eq!(code(stage.site.refresh_package(&admin(), &made.package_id).await), "no_source");
        assert_eq!(code(stage.site.refresh_package(&admin(), "PS1FFFFF").await), "package_not_found");
        let change = PackageChange {
            pkg_source_flag: Some(2),
            pkg_source_path: Some(r"\\srv\src\late".to_owned()),
            ..PackageChange::default()
        };
        stage.source("late", &[("a.inf", "a")]);
        let changed = stage.site.update_package(&admin(), &made.package_id, change).await.unwrap();
        assert_eq!((changed.source_version, changed.stored_version), (1, 0));
        stage.site.run_due_snapshots().await.unwrap();
        assert_eq!(stage.site.package(&made.package_id).await.unwrap().stored_version, 1);
    }

    async fn a_new_version_is_wanted_everywhere_at_once(stage: &Stage) {
        let package = stage.package("dell").await;
        let (one, two) = (stage.point("dp1").await, stage.point("dp2").await);
        stage.assign(&package, &[&one, &two]).await;
        stage.report(&package, &one, installed(1)).await;
        let before = stage.site.desired(two.id, 0).await.unwrap();
        write(&stage.source("dell", &[]).join("new.inf"), "new");
        stage.site.refresh_package(&admin(), &package.package_id).await.unwrap();
        stage.site.run_due_snapshots().await.unwrap();
        // One served a version, the other none yet; both want the new one, nothing stacks.
        assert_eq!(stage.state(&package, &one).await, State::ContentUpdating);
        assert_eq!(stage.state(&package, &two).await, State::InstallPending);
        let after = stage.site.desired(two.id, before.revision).await.unwrap();
        assert_eq!(after.packages.len(), 1);
        assert!(after.packages[0].generation > before.packages[0].generation);
        let agent::Goal::Hold { version, ref manifest, verify, .. } = after.packages[0].goal else { panic!("{after:?}") };
        assert_eq!((version, verify), (2, false));
        let route = stage.site.route(&package.package_id, 2).await.unwrap();
        assert_eq!(&route.manifest, manifest);
        let library = stage.site.library().await.unwrap();
        let stored = library.manifest(manifest.parse().unwrap()).unwrap();
        assert_eq!(stored.files().count(), 2);
        assert!(stored.files().any(|file| file.hash == FileHash::of(b"new")));
    }

    async fn a_driver_pack_of_many_kinds_comes_back_whole(stage: &Stage) {
        let root = stage.source("pack", &[]);
        let spec = samples::PackSpec { seed: 3, drivers: 3, ..samples::PackSpec::default() };
        samples::write_pack(&root, &spec).unwrap();
        let package = stage.site.create_package(&admin(), with_source("pack")).await.unwrap();
        stage.site.run_due_snapshots().await.unwrap();
        samples::apply_step(&root, 4, samples::Step::Monthly).unwrap();
        stage.site.refresh_package(&admin(), &package.package_id).await.unwrap();
        stage.site.run_due_snapshots().await.unwrap();
        let history = stage.site.package_history(&package.package_id).await.unwrap();
        assert_eq!(history.len(), 2);
        assert_ne!(history[0].content_hash, history[1].content_hash);
        assert!(
            history[0].stored_new_bytes < history[1].stored_new_bytes, "a release stores less than the whole: {history:?}");
        let library = stage.site.library().await.unwrap();
        let manifest = library.manifest(history[0].manifest.parse().unwrap()).unwrap();
        for file in manifest.files() {
            let bytes = std::fs::read(root.join(file.path.as_str())).unwrap();
            assert_eq!(FileHash::of(&bytes), file.hash, "{}", file.path);
        }
        assert_eq!(stage.site.content_stats().await.unwrap().manifests, 2);
        assert_eq!(code(stage.site.verify_content(&site::Actor::new("r", Role::Reader)).await), "access_denied");
        stage.site.verify_content(&admin()).await.unwrap();
        stage.site.collect_content(&admin()).await.unwrap();
        stage.site.route(&package.package_id, 1).await.unwrap();
    }

    async fn the_library_is_verified_by_itself_from_time_to_time(stage: &Stage) {
        let package = stage.package("dell").await;
        let day = Duration::from_secs(24 * 60 * 60);
        assert!(!stage.site.verify_if_due().await.unwrap(), "a new site has nothing that is old");
        stage.clock.advance(day * 29);
        assert!(!stage.site.verify_if_due().await.unwrap());
        assert_eq!(stage.site.content_verification(), VerificationState::Never);
        stage.clock.advance(day);
        assert!(stage.site.verify_if_due().await.unwrap());
        let VerificationState::Done { report, .. } = stage.site.content_verification() else { panic!("it ended") };
        assert!(report.packs_checked > 0 && report.is_whole(), "{report:?} of {}", package.package_id);
        assert!(!stage.site.verify_if_due().await.unwrap(), "not again");
        stage.clock.advance(day * 31);
        assert!(stage.site.verify_if_due().await.unwrap());
    }

    async fn many_calls_at_once_neither_fail_nor_get_lost(stage: &Stage) {
        let package = stage.package("dell").await;
        let (one, two) = (stage.point("dp1").await, stage.point("dp2").await);
        stage.assign(&package, &[&one, &two]).await;
        let admin = admin();
        let refreshes = join_all((0..20).map(|_| stage.site.refresh_package(&admin, &package.package_id)));
        let reports = join_all((0..20).map(|at| stage.report(&package, if at % 2 == 0 { &one } else { &two }, installed(1))));
        let questions = join_all((0..20).map(|_| stage.site.desired(one.id, 0)));
        let (refreshed, _, answered) = tokio::join!(refreshes, reports, questions);
        assert!(answered.into_iter().all(|answer| answer.unwrap().packages.len() == 1));
        assert!(refreshed.into_iter().all(|done| done.is_ok()));
        assert_eq!(stage.site.run_due_snapshots().await.unwrap(), 1);
        assert_eq!(stage.site.package(&package.package_id).await.unwrap().stored_version, 2);
    }

    async fn old_content_is_let_go_but_bases_are_kept(stage: &Stage) {
        let package = stage.package("dell").await;
        for version in 2..=5 {
            write(&stage.source("dell", &[]).join("driver.inf"), &format!("version {version}"));
            stage.site.refresh_package(&admin(), &package.package_id).await.unwrap();
            stage.site.run_due_snapshots().await.unwrap();
        }
        let history = stage.site.package_history(&package.package_id).await.unwrap();
        let retained: Vec<_> = history.iter().map(|v| (v.version, v.retained)).collect();
        assert_eq!(retained, [(5, true), (4, true), (3, true), (2, false), (1, false)]);
        assert_eq!(code(stage.site.route(&package.package_id, 2).await), "version_not_found");
        let stats = stage.site.library().await.unwrap().stats().unwrap();
        assert_eq!((stats.manifests, stats.deletable_manifests), (3, 2));
    }

    async fn a_reader_may_not_refresh_and_an_operator_may(stage: &Stage) {
        let package = stage.package("dell").await;
        for (role, allowed) in [(Role::Reader, false), (Role::Operator, true), (Role::Author, true)] {
            let actor = site::Actor::new("x", role);
            let result = stage.site.refresh_package(&actor, &package.package_id).await;
            assert_eq!(result.is_ok(), allowed, "{role}");
        }
        let _: &Site = &stage.site;
    }
}
