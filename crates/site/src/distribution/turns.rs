//! Turns of distribution points at their site. Thousands wake at once when a package is refreshed; they queue here, so that
//! a person's question or call finds a connection of the database free.

use tokio::sync::{Semaphore, SemaphorePermit};

use crate::error::{Result, SiteError};

/// Agents that wait at once; each costs a task and a connection of the front end.
const WAITERS_MAX: usize = 16_384;
/// Agents that are read for at once: half of the readers of SQLite ([`crate::db::SQLITE_READERS_MAX`]).
pub(crate) const READS_MAX: usize = 4;
/// Reports that are on their way to the one writer at once: whoever else writes comes after so many at most.
pub(crate) const REPORTS_MAX: usize = 4;

/// The queues, each first in, first out. They are as long as the listener has requests.
#[derive(Debug)]
pub(crate) struct Turns {
    waiters: Semaphore,
    reads: Semaphore,
    reports: Semaphore,
}

impl Default for Turns {
    fn default() -> Self {
        Self {
            waiters: Semaphore::new(WAITERS_MAX),
            reads: Semaphore::new(READS_MAX),
            reports: Semaphore::new(REPORTS_MAX),
        }
    }
}

impl Turns {
    /// A place among those that wait for a change.
    pub(super) fn wait(&self) -> Result<SemaphorePermit<'_>> {
        self.waiters.try_acquire().map_err(|_| SiteError::Busy { what: "too many agents wait" })
    }

    /// How many wait for a change.
    pub(crate) fn waiting(&self) -> usize {
        WAITERS_MAX - self.waiters.available_permits()
    }

    /// The right to read for an agent. Whoever holds one takes no second.
    pub(crate) async fn read(&self) -> SemaphorePermit<'_> {
        turn(&self.reads).await
    }

    /// The right to write down what an agent reports.
    pub(crate) async fn report(&self) -> SemaphorePermit<'_> {
        turn(&self.reports).await
    }
}

async fn turn(queue: &Semaphore) -> SemaphorePermit<'_> {
    queue.acquire().await.expect("nobody closes the queue")
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use futures_util::future::join_all;

    use super::*;
    use crate::stage::{admin, failed};

    const AGENTS: usize = 100;

    on_both! {
        async fn people_are_answered_while_distribution_points_queue(stage: &Stage) {
            let package = stage.package("dell").await;
            let point = stage.point("dp1").await;
            stage.assign(&package, &[&point]).await;
            let turns = stage.site.turns();
            let reads = join_all((0..READS_MAX).map(|_| turns.read())).await;
            let reports = join_all((0..REPORTS_MAX).map(|_| turns.report())).await;
            let answered = Cell::new(0);
            let agents = join_all((0..AGENTS).map(async |_| {
                stage.site.desired(point.id, 0).await.unwrap();
                stage.report(&package, &point, failed(1)).await;
                answered.set(answered.get() + 1);
            }));
            let people = async {
                stage.site.refresh_package(&admin(), &package.package_id).await.unwrap();
                assert_eq!(stage.site.distribution_points().await.unwrap().len(), 1);
                assert_eq!(answered.get(), 0, "every turn is taken");
                drop((reads, reports));
            };
            tokio::join!(agents, people);
            assert_eq!(answered.get(), AGENTS);
        }
    }
}
