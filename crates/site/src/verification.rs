//! Verifying the whole content library: hours of reading, so it runs by itself and is asked how far it is.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use content::{Counter, CountingMonitor, Library, VerifyReport, at_lowest_priority};
use jiff::Timestamp;
use sea_query::Query;
use tokio_util::sync::CancellationToken;

use crate::access::{Action, Actor};
use crate::error::{Result, SiteError};
use crate::hierarchy::node::by_code;
use crate::library::{blocking, error_chain, library_failed};
use crate::server::Site;

/// How often the library is verified by itself, in days.
const VERIFY_DAYS: u32 = 30;
const VERIFY_DAYS_MAX: u32 = 365;
/// How often it is looked whether that is due.
const LOOK_INTERVAL: Duration = Duration::from_secs(10 * 60);

/// How often the library is verified by itself. Errors: [`SiteError::InvalidOption`].
pub(crate) fn every(days: Option<u32>) -> Result<Duration> {
    match days.unwrap_or(VERIFY_DAYS) {
        days @ 1..=VERIFY_DAYS_MAX => Ok(Duration::from_secs(u64::from(days) * 24 * 60 * 60)),
        _ => Err(SiteError::InvalidOption {
            option: "content.verify_days",
            reason: format!("1 to {VERIFY_DAYS_MAX} is needed"),
        }),
    }
}

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
        tokio::spawn(async move { site.verify(library, monitor).await });
        Ok(())
    }

    /// Reads everything, mends what can be, and remembers how it ended.
    async fn verify(&self, library: Arc<Library>, monitor: Arc<CountingMonitor>) {
        let read = async {
            let read = move || at_lowest_priority(|| library.verify(&*monitor, &[])).map_err(library_failed);
            let report = blocking(read).await?;
            let report = self.mend_from_sources(report).await?;
            self.note_damage(&report).await?;
            self.set_verified_at(self.now()).await?;
            Ok::<_, SiteError>(report)
        };
        let read = read.await;
        let finished_at = self.now();
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
        *self.verification().lock() = Some(Run::Ended(state));
    }

    /// Verifies the library by itself when that is due, until `cancel`. One that a stop cuts short begins anew.
    pub(crate) async fn follow_verification(&self, cancel: &CancellationToken) {
        while !cancel.is_cancelled() {
            let looked = tokio::select! {
                looked = self.verify_if_due() => looked,
                () = cancel.cancelled() => return,
            };
            if let Err(error) = looked {
                tracing::error!(error = error_chain(&error), "verifying the content library");
            }
            tokio::select! {
                () = self.clock().sleep(LOOK_INTERVAL) => {}
                () = cancel.cancelled() => {}
            }
        }
    }

    /// Verifies the library if that is due, to its end. Returns whether it was.
    pub async fn verify_if_due(&self) -> Result<bool> {
        let now = self.now();
        let select = Query::select()
            .column("library_verified_at")
            .from("site_node")
            .and_where(by_code(&self.identity().site_code))
            .to_owned();
        let row = self.db().optional(&select).await?;
        let last = row.map(|row| row.time_or_null("library_verified_at")).transpose()?.flatten();
        // A new site has nothing that is old; of one whose clock was ahead nobody knows.
        let Some(last) = last.filter(|last| *last <= now) else {
            self.set_verified_at(now).await?;
            return Ok(false);
        };
        if now.duration_since(last).unsigned_abs() < self.library_verified_every() {
            return Ok(false);
        }
        let library = self.library().await?;
        let Ok(monitor) = self.verification().begin(now) else { return Ok(false) };
        let site = self.clone();
        let verified = tokio::spawn(async move { site.verify(library, monitor).await }).await;
        Ok(verified.is_ok())
    }

    async fn set_verified_at(&self, at: Timestamp) -> Result<()> {
        let update = Query::update()
            .table("site_node")
            .value("library_verified_at", at.as_microsecond())
            .and_where(by_code(&self.identity().site_code))
            .to_owned();
        let mut tx = self.db().write().await?;
        tx.execute(&update).await?;
        tx.commit().await
    }

    /// How far the verification of the content library is. Everybody may look.
    #[must_use]
    pub fn content_verification(&self) -> VerificationState {
        self.verification().state()
    }
}
