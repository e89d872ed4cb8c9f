//! Operations that end at any step: each content is there whole or not at all, and the rows say which.

use std::sync::mpsc;
use std::time::Duration;

use content::tree::STAGING_PREFIX;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::Site;
use crate::package::source::SourcePath;
use crate::package_content::files::{new_name, old_name};
use crate::package_content::hold::Turn;
use crate::stage::kill_after;

/// As when the process died: its threads end, its claims too, and another one starts.
async fn restart(stage: &Stage, dead: Site) -> Site {
    while dead.sources().any_running() {
        std::thread::yield_now();
    }
    drop(dead);
    stage.clock.advance(Duration::from_secs(61));
    let site = stage.reopen().await;
    let interrupted = site.end_holds_of(site.server_id()).await.unwrap();
    site.recover_contents(interrupted).await.unwrap();
    site
}

/// Rows and folders say the same, and nothing is under way.
async fn check_whole(stage: &Stage, site: &Site, package: &Package, drivers: &[(&Imported, &str)]) -> usize {
    let held = site.held_contents(&package.package_id).await.unwrap();
    let mut expect = Vec::new();
    for held in &held {
        assert_eq!(held.state, crate::package_content::rows::State::There);
        let (driver, name) = drivers.iter().find(|(driver, _)| driver.content_id == held.content_id).unwrap();
        expect.extend(copied(driver, name));
        assert!(site.is_content_valid(&package.package_id, held.content_id).await.unwrap());
    }
    expect.sort();
    assert_eq!(tree(&stage.source("pkg", &[])), expect);
    held.len()
}

/// So that the next that is pending was asked for later.
async fn answer_refresh(stage: &Stage) {
    stage.raw_sql("UPDATE package SET refresh_done = refresh_requested".to_owned()).await;
}

/// Who was written down for changes of contents, oldest first.
async fn audits(stage: &Stage) -> Vec<(u32, Option<String>)> {
    let messages = stage.site.status_messages(&crate::StatusFilter::default()).await.unwrap();
    let of_contents = messages.into_iter().rev().filter(|m| [39020, 39021, 39023].contains(&m.message_id));
    of_contents.map(|message| (message.message_id, message.user)).collect()
}

/// A row's state, the folders that are there with whether they are whole, whether the row stays, whether it is valid.
type State<'a> = (i64, &'a [(&'a str, bool)], bool, bool);

on_both! {
    async fn an_addition_killed_at_any_step_is_whole_or_nothing(stage: &Stage) {
        let (one, two) = (driver(stage, "one").await, driver(stage, "two").await);
        let drivers = [(&one, "one"), (&two, "two")];
        let package = empty_package(stage, "pkg").await;
        let id = package.package_id.as_str();
        let paths = [(one.content_id, None), (two.content_id, None)].into();
        let other = stage.source("pkg", &[("other.inf", "other")]).join("other.inf");
        stage.site.refresh_package(&admin(), id).await.unwrap();
        publish(stage, &package).await;
        std::fs::remove_file(other).unwrap();
        let (mut killed, mut finished) = (0, 0);
        for polls in 0.. {
            let site = stage.reopen().await;
            let ended = kill_after(polls, site.add_contents(&admin(), id, &paths, true)).await;
            let site = restart(stage, site).await;
            let there = check_whole(stage, &site, &package, &drivers).await;
            match ended {
                None => killed += 1,
                Some(done) => {
                    done.unwrap();
                    finished += 1;
                    assert_eq!(there, 2);
                }
            }
            if there > 0 {
                assert!(site.package(id).await.unwrap().refresh_pending, "a refresh goes with what is there");
                let held: Vec<i64> = site.held_contents(id).await.unwrap().iter().map(|h| h.content_id).collect();
                site.remove_driver_content(&admin(), id, &held, false).await.unwrap();
            }
            answer_refresh(stage).await;
            site.close().await;
            if finished > 1 {
                break;
            }
        }
        assert!(killed > 5, "only {killed} of the kills fired");
    }

    async fn a_removal_killed_at_any_step_is_whole_or_nothing(stage: &Stage) {
        let (one, two) = (driver(stage, "one").await, driver(stage, "two").await);
        let drivers = [(&one, "one"), (&two, "two")];
        let package = empty_package(stage, "pkg").await;
        let id = package.package_id.as_str();
        let ids = [one.content_id, two.content_id];
        add(stage, &package, &[&one, &two], true).await;
        publish(stage, &package).await;
        let (mut killed, mut finished) = (0, 0);
        for polls in 0.. {
            let site = stage.reopen().await;
            let ended = kill_after(polls, site.remove_contents(&admin(), id, &ids, true)).await;
            let site = restart(stage, site).await;
            let there = check_whole(stage, &site, &package, &drivers).await;
            match ended {
                None => killed += 1,
                Some(done) => {
                    done.unwrap();
                    finished += 1;
                    assert_eq!(there, 0);
                }
            }
            if there < 2 {
                assert!(site.package(id).await.unwrap().refresh_pending, "a refresh goes with what is gone");
                let _ = site.add_driver_content(&admin(), id, &ids, &[], false).await;
            }
            answer_refresh(stage).await;
            site.close().await;
            if finished > 1 {
                break;
            }
        }
        assert!(killed > 5, "only {killed} of the kills fired");
    }

    async fn a_rebuild_killed_at_any_step_leaves_whole_contents(stage: &Stage) {
        let one = driver(stage, "one").await;
        let package = empty_package(stage, "pkg").await;
        let id = package.package_id.as_str();
        add(stage, &package, &[&one], true).await;
        publish(stage, &package).await;
        let root = stage.source("pkg", &[]);
        let file = root.join(format!("{}/one.sys", copied(&one, "one")[0]));
        let (mut killed, mut finished) = (0, 0);
        for polls in 0.. {
            write(&file, "damaged");
            let site = stage.reopen().await;
            let ended = kill_after(polls, site.rebuild_contents(&admin(), id, None)).await;
            let site = restart(stage, site).await;
            assert_eq!(tree(&root), copied(&one, "one"), "killed after {polls} polls");
            let is_valid = site.is_content_valid(id, one.content_id).await.unwrap();
            match ended {
                None => killed += 1,
                Some(done) => {
                    assert_eq!(done.unwrap().len(), 1);
                    assert!(is_valid);
                    finished += 1;
                }
            }
            site.close().await;
            if finished > 1 {
                break;
            }
        }
        assert!(killed > 5, "only {killed} of the kills fired");
    }

    /// Each state that a dead process can leave, made by hand: row state, which folders are there, what comes of it.
    async fn every_state_of_rows_and_folders_is_brought_to_its_end(stage: &Stage) {
        let one = driver(stage, "one").await;
        let package = empty_package(stage, "pkg").await;
        let id = package.package_id.clone();
        let name = copied(&one, "one")[0].clone();
        let good = stage.source("drivers/one", &[]);
        let root = stage.source("pkg", &[]);
        let (new, old) = (new_name(&name), old_name(&name));
        let (own, new, old) = (name.as_str(), new.as_str(), old.as_str());
        let table: [State<'_>; 13] = [
            (1, &[], false, false),
            (1, &[(new, false)], false, false),
            (1, &[(new, true)], false, false),
            (1, &[(own, true)], true, true),
            (2, &[(own, true)], false, false),
            (2, &[(old, true)], false, false),
            (2, &[(old, false)], false, false),
            (3, &[(own, true), (new, true)], true, true),
            (3, &[(own, true), (old, false)], true, true),
            (3, &[(old, false), (new, true)], true, true),
            (3, &[(new, true)], true, true),
            (3, &[(old, true)], true, true),
            // After an exchange of the two.
            (3, &[(own, true), (new, false)], true, true),
        ];
        for (state, folders, stays, is_valid) in table {
            for entry in std::fs::read_dir(&root).unwrap() {
                std::fs::remove_dir_all(entry.unwrap().path()).unwrap();
            }
            for (folder, is_whole) in folders {
                copy(&good, &root.join(folder), *is_whole);
            }
            // What another package makes there is not this one's to remove.
            let stray = root.join(format!("{STAGING_PREFIX}stray.new"));
            write(&stray.join("half.sys"), "half");
            stage.raw_sql(format!("DELETE FROM package_content; INSERT INTO package_content (package_id, content_id, \
                content_hash, content_unique_id, sub_folder, content_version, published, min_package_version, state, refresh, actor) \
                VALUES ('{id}', {}, '{}', 'u', '{name}', 1, 0, 1, {state}, 1, 'eve')", one.content_id, one.hash)).await;
            answer_refresh(stage).await;
            let told = audits(stage).await.len();
            stage.site.recover_contents(Vec::new()).await.unwrap();
            let what = format!("{state} {folders:?}");
            assert!(stray.join("half.sys").exists(), "{what}");
            std::fs::remove_dir_all(&stray).unwrap();
            let held = stage.site.held_contents(&id).await.unwrap();
            assert_eq!(held.len(), usize::from(stays), "{what}");
            let expect = if stays { copied(&one, "one") } else { Vec::new() };
            assert_eq!(tree(&root), expect, "{what}");
            if stays {
                assert_eq!(stage.site.is_content_valid(&id, one.content_id).await.unwrap(), is_valid, "{what}");
            }
            let changed = stays || state == 2;
            assert_eq!(stage.site.package(&id).await.unwrap().refresh_pending, changed, "{what}");
            let told = audits(stage).await.split_off(told);
            let expect = [39020, 39021, 39023][usize::try_from(state).unwrap() - 1];
            let expect = if changed { vec![(expect, Some("eve".to_owned()))] } else { Vec::new() };
            assert_eq!(told, expect, "{what}");
        }
    }

    /// Without a refresh that was asked for none is made, and each of several has its own end.
    async fn two_contents_half_renamed_are_each_brought_to_their_end(stage: &Stage) {
        let (one, two) = (driver(stage, "one").await, driver(stage, "two").await);
        let package = empty_package(stage, "pkg").await;
        let id = package.package_id.as_str();
        let root = stage.source("pkg", &[]);
        let (one_name, two_name) = (copied(&one, "one")[0].clone(), copied(&two, "two")[0].clone());
        let ids = [one.content_id, two.content_id];
        for (state, there) in [(1, 1), (2, 0)] {
            add(stage, &package, &[&one, &two], true).await;
            let published = publish(stage, &package).await;
            stage.raw_sql(format!("UPDATE package_content SET state = {state}, refresh = 0, actor = 'eve'")).await;
            let away = if state == 1 { new_name(&two_name) } else { old_name(&two_name) };
            std::fs::rename(root.join(&two_name), root.join(away)).unwrap();
            stage.site.recover_contents(Vec::new()).await.unwrap();
            let held: Vec<i64> = stage.site.held_contents(id).await.unwrap().iter().map(|held| held.content_id).collect();
            assert_eq!(held, ids[..there], "{state}");
            assert_eq!(root.join(&one_name).exists(), there == 1, "{state}");
            assert!(!root.join(&two_name).exists());
            let after = stage.site.package(id).await.unwrap();
            assert_eq!((after.stored_version, after.refresh_pending), (published.stored_version, false));
            if there == 1 {
                stage.site.remove_driver_content(&admin(), id, &held, false).await.unwrap();
            }
            assert_eq!(tree(&root), [""; 0]);
        }
    }

    async fn a_snapshot_waits_for_what_is_half_changed(stage: &Stage) {
        let one = driver(stage, "one").await;
        let package = empty_package(stage, "pkg").await;
        let id = package.package_id.as_str();
        let root = stage.source("pkg", &[("other.inf", "other")]);
        add(stage, &package, &[&one], true).await;
        publish(stage, &package).await;
        let name = copied(&one, "one")[0].clone();
        let file = format!("{name}/one.sys");
        let has_it = async |version: u32| {
            let manifest = stage.site.stored_manifest(id, version).await.unwrap();
            manifest.files().any(|entry| entry.path.as_str() == file)
        };
        // A rebuild died between its two names.
        std::fs::rename(root.join(&name), root.join(old_name(&name))).unwrap();
        stage.raw_sql("UPDATE package_content SET state = 3".to_owned()).await;
        stage.site.refresh_package(&admin(), id).await.unwrap();
        assert_eq!(publish(stage, &package).await.stored_version, 2);
        assert!(has_it(2).await);
        // Somebody is at work on it: not now.
        stage.raw_sql("UPDATE package_content SET state = 3".to_owned()).await;
        let hold = stage.site.hold_contents(id, Turn::Wait).await.unwrap();
        stage.site.refresh_package(&admin(), id).await.unwrap();
        let waits = publish(stage, &package).await;
        assert_eq!((waits.stored_version, waits.source_fault.unwrap().code.as_str()), (2, "source_busy"));
        stage.site.release_hold(hold).await;
        // Nothing of it is left: that is said, not published.
        std::fs::remove_dir_all(root.join(&name)).unwrap();
        stage.raw_sql("UPDATE package_content SET state = 3".to_owned()).await;
        stage.site.refresh_package(&admin(), id).await.unwrap();
        let lost = publish(stage, &package).await;
        assert_eq!((lost.stored_version, lost.source_fault.unwrap().code.as_str()), (2, "content_lost"));
        let rebuilt = stage.site.rebuild_package(&admin(), id, None).await.unwrap();
        assert_eq!(rebuilt.len(), 1);
        let after = publish(stage, &package).await;
        assert_eq!((after.stored_version, after.source_fault), (3, None));
        assert!(has_it(3).await);
    }

    async fn a_dead_source_holds_up_no_worker(stage: &Stage) {
        let one = driver(stage, "one").await;
        let (dead, alive) = (empty_package(stage, "dead").await, empty_package(stage, "alive").await);
        add(stage, &dead, &[&one], false).await;
        stage.raw_sql("UPDATE package_content SET state = 1".to_owned()).await;
        stage.source("alive", &[("a.inf", "a")]);
        stage.site.refresh_package(&admin(), &alive.package_id).await.unwrap();
        let source = SourcePath::parse(r"\\srv\src\dead", &stage.options.shares).unwrap();
        let (hung, gate) = mpsc::channel::<()>();
        stage.site.sources().gates.lock().unwrap().push((source, gate));
        let stop = CancellationToken::new();
        let watching = async {
            // The clock stands still, so nobody's patience ends.
            let is_waited_for = || stage.site.sources().gates.lock().unwrap().is_empty();
            while stage.site.package(&alive.package_id).await.unwrap().stored_version == 0 || !is_waited_for() {
                tokio::task::yield_now().await;
            }
            stop.cancel();
        };
        let both = async { tokio::join!(stage.site.run_workers(stop.clone()), watching) };
        let ended = tokio::time::timeout(Duration::from_secs(60), both).await;
        drop(hung);
        ended.expect("the dead one is waited for, and the other is published").0.unwrap();
    }
}

fn copy(from: &Path, to: &Path, is_whole: bool) {
    for path in tree(from) {
        if from.join(&path).is_file() && (is_whole || path.ends_with(".inf")) {
            write(&to.join(&path), &std::fs::read_to_string(from.join(&path)).unwrap());
        }
    }
}
