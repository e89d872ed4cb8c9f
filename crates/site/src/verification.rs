//! Verifying the whole content library: hours of reading, so it runs by itself and is asked how far it is.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use content::{Counter, CountingMonitor, VerifyReport, at_lowest_priority};
use jiff::Timestamp;

use crate::access::{Action, Actor};
use crate::error::{Result, SiteError};
use crate::library::{blocking, error_chain, library_failed};
use crate::server::Site;

/// How far the verification of this process is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VerificationState {
    /// None was asked for since the site started.
    Never,
    /// It reads.
    Running {
        /// Since when.
        started_at: Timestamp,
        /// Packs read so far.
        packs_checked: u64,
    },
    /// It came to its end.
    Done {
        /// When.
        finished_at: Timestamp,
        /// What was found and repaired.
        report: VerifyReport,
    },
    /// It could not go on.
    Failed {
        /// When.
        finished_at: Timestamp,
    },
}

/// The one verification of a site.
#[derive(Debug, Default)]
pub(crate) struct Verification(Mutex<Option<Run>>);

#[derive(Debug)]
enum Run {
    Running { started_at: Timestamp, monitor: Arc<CountingMonitor> },
    Ended(VerificationState),
}

impl Verification {
    fn lock(&self) -> MutexGuard<'_, Option<Run>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn begin(&self, started_at: Timestamp) -> Result<Arc<CountingMonitor>> {
        let mut run = self.lock();
        if let Some(Run::Running { .. }) = *run {
            return Err(SiteError::Busy { what: "a verification of the content library is running" });
        }
        let monitor = Arc::new(CountingMonitor::new());
        *run = Some(Run::Running { started_at, monitor: Arc::clone(&monitor) });
        Ok(monitor)
    }

    fn state(&self) -> VerificationState {
        match &*self.lock() {
            None => VerificationState::Never,
            Some(Run::Running { started_at, monitor }) => VerificationState::Running {
                started_at: *started_at,
                packs_checked: monitor.value(Counter::Packs),
            },
            Some(Run::Ended(state)) => state.clone(),
        }
    }
}

impl Site {
    /// Begins to check every stored byte against its hash, and to repair what other copies or unchanged
    /// source folders still have. Returns at once; [`Site::content_verification`] tells how it goes.
    ///
    /// Errors: [`SiteError::AccessDenied`], [`SiteError::Busy`] while one runs.
    pub async fn verify_content(&self, actor: &Actor) -> Result<()> {
        actor.may(Action::MaintainContent)?;
        let library = self.library().await?;
        let monitor = self.verification().begin(self.now())?;
        if let Err(error) = self.note_upkeep(actor, "Verify").await {
            *self.verification().lock() = None;
            return Err(error);
        }
        let site = self.clone();
        tokio::spawn(async move {
            let read = async {
                let read =
                    move || at_lowest_priority(|| library.verify(&*monitor, &[])).map_err(library_failed);
                let report = blocking(read).await?;
                let report = site.mend_from_sources(report).await?;
                site.note_damage(&report).await?;
                Ok::<_, SiteError>(report)
            };
            let read = read.await;
            let finished_at = site.now();
            let state = match read {
                Ok(report) => {
                    tracing::info!(?report, "content library verified");
                    VerificationState::Done { finished_at, report }
                }
                Err(error) => {
                    tracing::error!(error = error_chain(&error), "verifying the content library");
                    VerificationState::Failed { finished_at }
                }
            };
            *site.verification().lock() = Some(Run::Ended(state));
        });
        Ok(())
    }

    /// How far the verification of the content library is. Everybody may look.
    #[must_use]
    pub fn content_verification(&self) -> VerificationState {
        self.verification().state()
    }
}
