//! What administrators demand, and how agents learn of it.

use std::time::Duration;

use agent::{DESIRED_MAX, Event, Goal};
use site::{Actor, Role, State};

use crate::stage::{admin, code, failed, installed, with_source, write};

/// SQL that makes packages like the one that there is, with its version and its assignment.
fn copies_of_the_only_package(count: usize) -> String {
    let mut sql = String::from("BEGIN;");
    for table in ["package", "package_version", "distribution"] {
        sql += &format!("CREATE TEMPORARY TABLE {table}_copy AS SELECT * FROM {table};");
    }
    for number in 1..=count {
        sql += "UPDATE distribution_copy SET revision = revision + 1, generation = generation + 1;";
        for table in ["package", "package_version", "distribution"] {
            sql += &format!("UPDATE {table}_copy SET package_id = 'PS1{:05X}';", 0x1000 + number);
            sql += &format!("INSERT INTO {table} SELECT * FROM {table}_copy;");
        }
    }
    sql + &format!("UPDATE counter SET value = value + {count} WHERE name = 'revision'; COMMIT;")
}

on_both! {
    async fn assignments_are_made_once_and_all_or_none(stage: &Stage) {
        let package = stage.package("dell").await;
        let (one, two) = (stage.point("dp1").await, stage.point("dp2").await);
        stage.assign(&package, &[&one]).await;
        assert_eq!(stage.state(&package, &one).await, State::InstallPending);
        let id = &package.package_id;
        let add = async |points: &[(&str, &str)]| {
            let points: Vec<_> = points.iter().map(|(site, nal)| ((*site).to_owned(), (*nal).to_owned())).collect();
            stage.site.add_distribution_points(&admin(), id, &points).await
        };
        let error = add(&[("PS1", &two.nal), ("PS1", &one.nal)]).await.unwrap_err();
        assert_eq!(error.code(), "already_exists");
        assert!(error.to_string().contains("already exists"), "{error}");
        assert_eq!(stage.status(&package, &two).await, None, "all or none");
        assert_eq!(code(add(&[]).await), "invalid_field");
        assert_eq!(code(add(&[("PS1", "\\\\dp1\\")]).await), "invalid_field");
        assert_eq!(code(add(&[("XYZ", &two.nal)]).await), "invalid_field");
        assert_eq!(code(add(&[("PS1", &two.nal.replace("dp2", "dp3"))]).await), "dp_not_found");
        assert_eq!(code(add(&[("XYZ", &two.nal.replace("PS1", "XYZ"))]).await), "dp_not_found");
        let reader = Actor::new("r", Role::Reader);
        let refused = stage.site.add_distribution_points(&reader, id, &[("PS1".to_owned(), two.nal.clone())]).await;
        assert_eq!(code(refused), "access_denied");
        add(&[("ps1", &two.nal.to_uppercase())]).await.unwrap();
        assert_eq!(stage.state(&package, &two).await, State::InstallPending);
    }

    async fn a_fleet_is_assigned_in_one_step(stage: &Stage) {
        const FLEET: usize = 900;
        let package = stage.package("dell").await;
        let point = stage.point("dp0").await;
        let rows: Vec<_> = (1..FLEET).map(|number| {
            let nal = point.nal.replace("dp0", &format!("dp{number}"));
            format!("('dp{number}', 'dp{number}', '{nal}', '{number}', 0, 'PS1')")
        }).collect();
        stage.raw_sql(format!("INSERT INTO dp (name, name_key, nal_path, identity_guid, created_at, site_code) VALUES {}", rows.join(", "))).await;
        let fleet: Vec<_> =
            (0..FLEET).map(|number| ("PS1".to_owned(), point.nal.replace("dp0", &format!("dp{number}")))).collect();
        let twice = [fleet.clone(), vec![fleet[0].clone()]].concat();
        let id = &package.package_id;
        assert_eq!(code(stage.site.add_distribution_points(&admin(), id, &twice).await), "already_exists");
        stage.site.add_distribution_points(&admin(), id, &fleet).await.unwrap();
        assert_eq!(stage.site.distribution_status(Some(id)).await.unwrap().len(), FLEET);
        assert_eq!(stage.message_ids().await.iter().filter(|id| **id == 30009).count(), FLEET);
        let revisions = stage.raw_sql("SELECT DISTINCT CAST(revision AS TEXT) FROM distribution".to_owned()).await;
        assert_eq!(revisions.len(), 1);
        let told = stage.site.desired(point.id, 0).await.unwrap();
        assert_eq!(vec![told.revision.to_string()], revisions[0]);
    }

    async fn a_package_without_a_version_is_told_when_it_has_one(stage: &Stage) {
        let point = stage.point("dp1").await;
        stage.source("late", &[("a.inf", "a")]);
        let package = stage.site.create_package(&admin(), with_source("late")).await.unwrap();
        stage.assign(&package, &[&point]).await;
        let before = stage.site.desired(point.id, 0).await.unwrap();
        assert_eq!((before.packages.len(), before.more), (0, false));
        stage.site.run_due_snapshots().await.unwrap();
        let after = stage.site.desired(point.id, before.revision).await.unwrap();
        assert!(matches!(after.packages[0].goal, Goal::Hold { version: 1, verify: false, .. }));
        assert_eq!(after.packages[0].priority, 2);
    }

    async fn redistribute_and_validate_ask_for_a_verification(stage: &Stage) {
        let package = stage.package("dell").await;
        let point = stage.point("dp1").await;
        let id = &package.package_id;
        assert_eq!(code(stage.site.redistribute(&admin(), id, &point.nal).await), "distribution_not_found");
        stage.assign(&package, &[&point]).await;
        assert_eq!(code(stage.site.validate(&admin(), id, &point.nal).await), "transition_refused");
        stage.report(&package, &point, installed(1)).await;
        let (generation, _) = stage.goal(&package, &point).await;
        stage.site.validate(&admin(), id, &point.nal).await.unwrap();
        assert_eq!(stage.state(&package, &point).await, State::ContentMonitoring);
        let (raised, goal) = stage.goal(&package, &point).await;
        assert!(raised > generation);
        assert!(matches!(goal, Goal::Hold { version: 1, verify: true, .. }));
        stage.site.redistribute(&admin(), id, &point.nal).await.unwrap();
        assert_eq!(stage.state(&package, &point).await, State::ContentUpdating);
        assert!(matches!(stage.goal(&package, &point).await.1, Goal::Hold { version: 1, verify: true, .. }));
        assert_eq!(stage.site.package(id).await.unwrap().source_version, 1);
        // A version that comes in between is what is verified; what was asked for is not forgotten.
        write(&stage.source("dell", &[]).join("new.inf"), "new");
        stage.site.refresh_package(&admin(), id).await.unwrap();
        stage.site.run_due_snapshots().await.unwrap();
        assert!(matches!(stage.goal(&package, &point).await.1, Goal::Hold { version: 2, verify: true, .. }));
        stage.report(&package, &point, installed(2)).await;
        assert!(matches!(stage.goal(&package, &point).await.1, Goal::Hold { version: 2, verify: false, .. }));
    }

    async fn a_removed_assignment_can_be_made_again_before_it_is_gone(stage: &Stage) {
        let package = stage.package("dell").await;
        let point = stage.point("dp1").await;
        stage.assign(&package, &[&point]).await;
        stage.report(&package, &point, installed(1)).await;
        stage.site.remove_from_distribution_point(&admin(), &package.package_id, &point.nal).await.unwrap();
        assert_eq!(stage.goal(&package, &point).await.1, Goal::Absent);
        assert_eq!(stage.state(&package, &point).await, State::RemovalPending);
        let validate = stage.site.validate(&admin(), &package.package_id, &point.nal).await;
        assert_eq!(code(validate), "transition_refused");
        // A refresh does not bring back what is on its way out.
        stage.site.refresh_package(&admin(), &package.package_id).await.unwrap();
        stage.site.run_due_snapshots().await.unwrap();
        assert_eq!(stage.goal(&package, &point).await.1, Goal::Absent);
        stage.assign(&package, &[&point]).await;
        assert!(matches!(stage.goal(&package, &point).await.1, Goal::Hold { version: 2, .. }));
    }

    async fn desired_state_comes_in_pages_and_in_order(stage: &Stage) {
        let point = stage.point("dp1").await;
        let packages = DESIRED_MAX + 3;
        let package = stage.package("dell").await;
        stage.assign(&package, &[&point]).await;
        stage.raw_sql(copies_of_the_only_package(packages - 1)).await;
        let first = stage.site.desired(point.id, 0).await.unwrap();
        assert_eq!((first.packages.len(), first.more), (DESIRED_MAX, true));
        let second = stage.site.desired(point.id, first.revision).await.unwrap();
        assert_eq!((second.packages.len(), second.more), (3, false));
        let third = stage.site.desired(point.id, second.revision).await.unwrap();
        assert_eq!((third.packages.len(), third.revision), (0, second.revision));
        let mut ids: Vec<_> = first.packages.iter().chain(&second.packages).map(|p| &p.package_id).collect();
        ids.sort();
        ids.dedup();
        assert_eq!(ids.len(), packages);
        // A revision from a future that was lost with a restored database lists everything.
        assert_eq!(stage.site.desired(point.id, 1 << 40).await.unwrap(), first);
        assert_eq!(stage.site.desired(point.id, -1).await.unwrap(), first);
    }

    async fn waiting_ends_with_a_change_or_with_time(stage: &Stage) {
        let package = stage.package("dell").await;
        let (point, other) = (stage.point("dp1").await, stage.point("dp2").await);
        let wait = Duration::from_secs(30);
        let revision = stage.site.desired(point.id, 0).await.unwrap().revision;
        let (changed, ()) = tokio::join!(stage.site.wait_for_change(point.id, revision, wait), async {
            tokio::task::yield_now().await;
            stage.assign(&package, &[&point]).await;
        });
        assert!(changed.unwrap().is_news());
        assert!(stage.site.wait_for_change(point.id, revision, wait).await.unwrap().is_news(), "what changed before counts");
        let revision = stage.site.desired(point.id, 0).await.unwrap().revision;
        let waiting = stage.site.wait_for_change(point.id, revision, wait);
        let (changed, ()) = tokio::join!(waiting, async {
            // A change elsewhere is none here.
            stage.assign(&package, &[&other]).await;
            stage.clock.advance(wait);
        });
        assert!(!changed.unwrap().is_news());
        let waiting = stage.site.wait_for_change(point.id, revision, wait);
        let (ended, ()) = tokio::join!(waiting, async {
            tokio::task::yield_now().await;
            stage.site.remove_dp(&admin(), "dp1").await.unwrap();
        });
        assert_eq!(code(ended), "agent_unknown");
    }

    async fn a_new_priority_is_told_without_a_new_demand(stage: &Stage) {
        let package = stage.package("dell").await;
        let point = stage.point("dp1").await;
        stage.assign(&package, &[&point]).await;
        let before = stage.site.desired(point.id, 0).await.unwrap();
        let change = site::PackageChange { priority: Some(1), ..site::PackageChange::default() };
        stage.site.update_package(&admin(), &package.package_id, change).await.unwrap();
        let after = stage.site.desired(point.id, before.revision).await.unwrap();
        assert_eq!(after.packages[0].priority, 1);
        assert_eq!(after.packages[0].generation, before.packages[0].generation);
    }

    async fn a_cancelled_distribution_waits_for_the_next_demand(stage: &Stage) {
        let package = stage.package("dell").await;
        let point = stage.point("dp1").await;
        let cancel = async || stage.site.cancel_distribution(&admin(), &package.package_id, &point.nal).await;
        let told = async || {
            let reply = stage.site.desired(point.id, 0).await.unwrap();
            (reply.packages[0].cancelled, reply.packages[0].generation)
        };
        assert_eq!(code(cancel().await), "distribution_not_found");
        stage.assign(&package, &[&point]).await;
        let (first, _) = stage.goal(&package, &point).await;
        stage.report(&package, &point, Event::Started { version: 1, attempt: 1 }).await;
        cancel().await.unwrap();
        let status = stage.status(&package, &point).await.unwrap();
        assert_eq!((status.state, status.attempts, status.next_attempt_at), (State::InstallFailed, 0, None));
        let fault = status.fault.unwrap();
        assert_eq!(fault.code, "cancelled");
        assert!(fault.message.contains("cancelled by admin"), "{}", fault.message);
        let (cancelled, generation) = told().await;
        assert!(cancelled && generation > first);
        // What the agent said before it heard changes nothing.
        stage.report_of(&package, &point, first, failed(1)).await;
        assert_eq!(stage.status(&package, &point).await.unwrap().fault.unwrap().code, "cancelled");

        stage.site.redistribute(&admin(), &package.package_id, &point.nal).await.unwrap();
        assert_eq!((told().await.0, stage.state(&package, &point).await), (false, State::InstallPending));
        stage.report(&package, &point, installed(1)).await;
        assert_eq!(code(cancel().await), "transition_refused");

        stage.site.refresh_package(&admin(), &package.package_id).await.unwrap();
        stage.site.run_due_snapshots().await.unwrap();
        let (second, _) = stage.goal(&package, &point).await;
        cancel().await.unwrap();
        // The agent was done before it heard: then there is nothing to cancel any more.
        stage.report_of(&package, &point, second, installed(2)).await;
        let status = stage.status(&package, &point).await.unwrap();
        assert_eq!((status.state, status.installed_version, status.fault), (State::Installed, 2, None));
        assert!(!told().await.0, "the agent is told again");
        assert_eq!(stage.message_ids().await.iter().filter(|id| **id == 39030).count(), 2);

        stage.site.refresh_package(&admin(), &package.package_id).await.unwrap();
        stage.site.run_due_snapshots().await.unwrap();
        cancel().await.unwrap();
        stage.site.refresh_package(&admin(), &package.package_id).await.unwrap();
        stage.site.run_due_snapshots().await.unwrap();
        assert_eq!((told().await.0, stage.state(&package, &point).await), (false, State::ContentUpdating));
        let reader = Actor::new("r", Role::Reader);
        let refused = stage.site.cancel_distribution(&reader, &package.package_id, &point.nal).await;
        assert_eq!(code(refused), "access_denied");
    }

    async fn an_old_report_undoes_no_cancellation(stage: &Stage) {
        let package = stage.package("dell").await;
        let point = stage.point("dp1").await;
        stage.assign(&package, &[&point]).await;
        let (first, _) = stage.goal(&package, &point).await;
        stage.report(&package, &point, installed(1)).await;
        stage.site.redistribute(&admin(), &package.package_id, &point.nal).await.unwrap();
        let (second, _) = stage.goal(&package, &point).await;
        stage.site.cancel_distribution(&admin(), &package.package_id, &point.nal).await.unwrap();
        // The agent never heard that its report arrived, and sends it again.
        stage.report_of(&package, &point, first, installed(1)).await;
        let status = stage.status(&package, &point).await.unwrap();
        assert_eq!((status.state, status.fault.unwrap().code.as_str()), (State::InstallFailed, "cancelled"));
        stage.report_of(&package, &point, second, installed(1)).await;
        assert_eq!(stage.state(&package, &point).await, State::Installed);
    }

    async fn an_assignment_and_what_a_partner_keeps_are_one_act(stage: &Stage) {
        let package = stage.package("dell").await;
        let point = stage.point("dp1").await;
        let id = package.package_id.as_str();
        let dps = [("PS1".to_owned(), point.nal.clone())];
        let long = site::PartnerData { text: Some("x".repeat(513)), bytes: None };
        let add = async |data| stage.site.add_distribution_points_with(&admin(), id, &dps, data).await;
        assert_eq!(code(add(&long).await), "invalid_field");
        assert!(stage.status(&package, &point).await.is_none());
        let short = site::PartnerData { text: Some("x".to_owned()), bytes: Some(vec![1, 2]) };
        add(&short).await.unwrap();
        assert_eq!(stage.site.partner_data(&admin(), id, &point.nal).await.unwrap(), short);
        stage.report(&package, &point, installed(1)).await;
        let before = stage.goal(&package, &point).await;
        let again = async |data| stage.site.redistribute_with(&admin(), id, &point.nal, data).await;
        assert_eq!(code(again(&long).await), "invalid_field");
        assert_eq!(stage.goal(&package, &point).await, before);
        let other = site::PartnerData { text: Some("y".to_owned()), bytes: None };
        again(&other).await.unwrap();
        assert!(stage.goal(&package, &point).await.0 > before.0);
        let kept = stage.site.partner_data(&admin(), id, &point.nal).await.unwrap();
        assert_eq!(kept, site::PartnerData { text: other.text, bytes: short.bytes });
    }
}
