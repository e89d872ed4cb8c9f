//! Work that ends at any step: nothing accepted is lost, nothing is published twice or by halves.

use std::future::Future;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

use site::Site;

use crate::stage::{Stage, admin, write};

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
}
