//! Work that ends at any step: nothing accepted is lost, nothing is published twice or by halves.

use site::{ImportState, Site};

use crate::drivers::rows;
use crate::imports::request;
use crate::inf::{INVALID, driver_folder, unc};
use crate::stage::{Stage, admin, kill_after, write};

/// A new process on the same data. The old one's blocking thread may still hold the library for a moment.
async fn restart(stage: &Stage) -> Site {
    loop {
        let site = stage.reopen().await;
        match site.library().await {
            Ok(_) => return site,
            Err(error) if error.code() == "already_running" => tokio::task::yield_now().await,
            Err(error) => panic!("{error}"),
        }
    }
}

on_both! {
    async fn a_snapshot_killed_at_any_step_is_done_once_after_all(stage: &Stage) {
        // The stage's own site stays out of it: it would hold the library.
        let source = stage.source("dell", &[("a.inf", "0")]);
        let package = stage.site.create_package(&admin(), crate::stage::with_source("dell")).await.unwrap();
        let id = package.package_id.as_str();
        let (mut killed, mut finished, mut version) = (0, 0, 0);
        for polls in 0.. {
            write(&source.join("a.inf"), &polls.to_string());
            let site = restart(stage).await;
            if version > 0 {
                site.refresh_package(&admin(), id).await.unwrap();
            }
            let ended = kill_after(polls, site.run_due_snapshots()).await;
            drop(site);
            // The lease of the dead ends with time, then somebody else does what was accepted.
            stage.clock.advance(std::time::Duration::from_secs(61));
            let site = restart(stage).await;
            let early = site.package(id).await.unwrap();
            let published_before_death = u32::from(!early.refresh_pending);
            assert_eq!(early.stored_version, version + published_before_death, "killed after {polls} polls");
            let more = site.run_due_snapshots().await.unwrap();
            assert_eq!(more, usize::from(early.refresh_pending));
            let late = site.package(id).await.unwrap();
            version += 1;
            assert_eq!((late.stored_version, late.refresh_pending), (version, false), "killed after {polls} polls");
            let library = site.library().await.unwrap();
            assert_eq!(library.stats().unwrap().manifests, u64::from(version.min(3)), "counts are as the database says");
            site.close().await;
            match ended {
                None => killed += 1,
                Some(_) => finished += 1,
            }
            if finished > 2 {
                break;
            }
        }
        assert!(killed > 5, "only {killed} of the kills fired");
    }

    async fn a_clock_that_was_set_back_holds_up_nothing(stage: &Stage) {
        stage.source("dell", &[("a.inf", "0")]);
        let package = stage.site.create_package(&admin(), crate::stage::with_source("dell")).await.unwrap();
        let id = package.package_id.as_str();
        // What a server left behind whose clock was a year ahead when it died.
        let ahead = (clock::Clock::now(&*stage.clock).as_second() + 365 * 86_400) * 1_000_000;
        let columns = ["lease_until", "snapshot_next_at", "content_owned_until"];
        let values = columns.map(|column| format!("{column} = {ahead}")).join(", ");
        stage.raw_sql(format!("UPDATE package SET lease_owner = 'gone/1', content_owner = 'gone', {values}")).await;
        assert_eq!(stage.site.run_due_snapshots().await.unwrap(), 1, "the snapshot is due");
        let package = stage.site.package(id).await.unwrap();
        assert_eq!((package.stored_version, package.refresh_pending), (1, false));
    }

    async fn an_import_killed_at_any_step_goes_on_and_imports_nothing_twice(stage: &Stage) {
        const DRIVERS: u64 = 12;
        let (mut killed, mut finished, mut resumed) = (0, 0, 0);
        for round in 0.. {
            for number in 0..DRIVERS {
                driver_folder(stage, &format!("pack {round}/{number}"), &format!("VEN_{round}_{number}"));
            }
            stage.source(&format!("pack {round}"), &[("bad.inf", INVALID)]);
            let request = request(&[&unc(&format!("pack {round}")), &unc("missing")]);
            let id = stage.site.start_import(&admin(), request).await.unwrap();
            let site = stage.reopen().await;
            let ended = kill_after(round, site.run_due_imports()).await;
            drop(site);
            // The lease of the dead ends with time, then somebody else goes on.
            stage.clock.advance(std::time::Duration::from_secs(61));
            let site = stage.reopen().await;
            let early = site.import_progress(id).await.unwrap();
            resumed += u32::from(early.infs_done > 0 && early.infs_done < DRIVERS + 1);
            let more = site.run_due_imports().await.unwrap();
            assert_eq!(more, usize::from(early.state != ImportState::Done), "{early:?}");
            let late = site.import_progress(id).await.unwrap();
            assert_eq!(late.state, ImportState::Done);
            let counts = [late.files, late.infs_found, late.infs_done, late.imported, late.already_imported, late.failed];
            let all = DRIVERS + 1;
            assert_eq!(counts, [2 * DRIVERS + 1, all, all, DRIVERS, 0, 2], "killed after {round} polls");
            let items = rows(stage, &format!("SELECT Item FROM Haulier_DriverImportItem WHERE ImportID = {id}")).await;
            assert_eq!(items.len() as u64, all + 1, "killed after {round} polls");
            site.close().await;
            match ended {
                None => killed += 1,
                Some(_) => finished += 1,
            }
            if finished > 2 {
                let drivers = rows(stage, "SELECT CI_ID FROM SMS_Driver").await.len() as u64;
                assert_eq!(drivers, (u64::from(round) + 1) * DRIVERS);
                break;
            }
        }
        assert!(killed > 5 && resumed > 0, "{killed} kills fired, {resumed} of them in the middle");
    }
}
