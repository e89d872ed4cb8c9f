//! Operations that end at any step: each content is there whole or not at all, and the rows say which.

use std::future::Future;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

use content::tree::STAGING_PREFIX;

use super::*;
use crate::Site;
use crate::package_content::files::{new_name, old_name};

/// Polls a future so many times, then drops it wherever it is.
struct Killed<F> {
    work: Option<Pin<Box<F>>>,
    polls_left: u32,
}

impl<F: Future> Future for Killed<F> {
    type Output = Option<F::Output>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        if self.polls_left == 0 {
            self.work = None;
            return Poll::Ready(None);
        }
        self.polls_left -= 1;
        let Some(work) = self.work.as_mut() else { return Poll::Ready(None) };
        work.as_mut().poll(context).map(Some)
    }
}

async fn kill_after<F: Future>(polls: u32, work: F) -> Option<F::Output> {
    pin!(Killed { work: Some(Box::pin(work)), polls_left: polls }).await
}

/// As when the process died: its threads end, its claims too, and another one starts.
async fn restart(stage: &Stage, dead: Site) -> Site {
    while dead.sources().any_running() {
        std::thread::yield_now();
    }
    drop(dead);
    stage.clock.advance(Duration::from_secs(61));
    let site = stage.reopen().await;
    site.recover_contents().await.unwrap();
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

/// A row's state, the folders that are there with whether they are whole, whether the row stays, whether it is valid.
type State<'a> = (i64, &'a [(&'a str, bool)], bool, bool);

on_both! {
    async fn an_addition_killed_at_any_step_is_whole_or_nothing(stage: &Stage) {
        let (one, two) = (driver(stage, "one").await, driver(stage, "two").await);
        let drivers = [(&one, "one"), (&two, "two")];
        let package = empty_package(stage, "pkg").await;
        let id = package.package_id.as_str();
        let paths = [(one.content_id, None), (two.content_id, None)].into();
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
        add(stage, &package, &[&one, &two], false).await;
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
        let table: [State<'_>; 12] = [
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
        ];
        for (state, folders, stays, is_valid) in table {
            for entry in std::fs::read_dir(&root).unwrap() {
                std::fs::remove_dir_all(entry.unwrap().path()).unwrap();
            }
            for (folder, is_whole) in folders {
                copy(&good, &root.join(folder), *is_whole);
            }
            write(&root.join(format!("{STAGING_PREFIX}stray/half.sys")), "half");
            stage.raw_sql(format!("DELETE FROM package_content; INSERT INTO package_content (package_id, content_id, \
                content_hash, content_unique_id, sub_folder, content_version, published, min_package_version, state, refresh) \
                VALUES ('{id}', {}, '{}', 'u', '{name}', 1, 0, 1, {state}, 1)", one.content_id, one.hash)).await;
            stage.raw_sql("UPDATE package SET refresh_done = refresh_requested".to_owned()).await;
            stage.site.recover_contents().await.unwrap();
            let what = format!("{state} {folders:?}");
            let held = stage.site.held_contents(&id).await.unwrap();
            assert_eq!(held.len(), usize::from(stays), "{what}");
            let expect = if stays { copied(&one, "one") } else { Vec::new() };
            assert_eq!(tree(&root), expect, "{what}");
            if stays {
                assert_eq!(stage.site.is_content_valid(&id, one.content_id).await.unwrap(), is_valid, "{what}");
            }
            let changed = stays || state == 2;
            assert_eq!(stage.site.package(&id).await.unwrap().refresh_pending, changed, "{what}");
        }
    }
}

fn copy(from: &Path, to: &Path, is_whole: bool) {
    for path in tree(from) {
        if from.join(&path).is_file() && (is_whole || path.ends_with(".inf")) {
            write(&to.join(&path), &std::fs::read_to_string(from.join(&path)).unwrap());
        }
    }
}
