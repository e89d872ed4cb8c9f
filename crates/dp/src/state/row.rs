//! One package as the site wants it.

use std::time::Duration;

use agent::{DesiredPackage, Goal};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// One package as the site wants it, and how far the agent is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Row {
    pub(crate) desired: DesiredPackage,
    /// When this demand came, in Unix milliseconds: older demands go first.
    pub(crate) since_ms: i64,
    /// Whether the demand is met and the fact of it is on its way.
    pub(crate) settled: bool,
    /// Attempts for this demand so far.
    pub(crate) attempts: u32,
    /// The last attempt that the site was told the beginning of; 0 for none.
    #[serde(default)]
    pub(crate) started: u32,
    /// Body bytes that all attempts for this demand received.
    #[serde(default)]
    pub(crate) received_bytes: u64,
    /// When to try again after a failure, by the monotonic clock: the other one may be set. Whoever restarts the agent wants
    /// it to try now.
    #[serde(skip)]
    pub(crate) retry_at: Option<Duration>,
    /// Whether it waits until the site sends again, and for no failure.
    #[serde(skip)]
    pub(crate) paused: bool,
    /// The code of the last failure.
    pub(crate) fault: Option<String>,
}

impl Row {
    pub(super) fn new(desired: DesiredPackage, now: Timestamp) -> Self {
        Self {
            desired,
            since_ms: now.as_millisecond(),
            settled: false,
            attempts: 0,
            started: 0,
            received_bytes: 0,
            retry_at: None,
            paused: false,
            fault: None,
        }
    }

    /// What comes next for the demand is counted from the start: it is met, or what met it is gone.
    pub(super) fn begin_anew(&mut self, settled: bool) {
        self.settled = settled;
        (self.attempts, self.started, self.received_bytes) = (0, 0, 0);
        (self.retry_at, self.fault) = (None, None);
    }

    /// Takes the words in which the same demand is told now.
    pub(super) fn tell_again(&mut self, desired: &DesiredPackage) {
        if self.desired.goal != desired.goal && !self.paused {
            // It may have failed for what the site put right, a signature say.
            self.retry_at = None;
        }
        self.desired = desired.clone();
    }
}

/// Whether a row is the demand that is known already in other words: how urgent it is, who signed it, or that it needs no
/// verification any more. What was done for it stays done.
pub(super) fn is_same_demand(known: &DesiredPackage, told: &DesiredPackage) -> bool {
    let is_same_goal = match (&known.goal, &told.goal) {
        (
            Goal::Hold { version, manifest, verify, .. },
            Goal::Hold { version: told_version, manifest: told_manifest, verify: told_verify, .. },
        ) => version == told_version && manifest == told_manifest && (*verify || !told_verify),
        (Goal::Absent, Goal::Absent) => true,
        _ => false,
    };
    is_same_goal && (known.generation, known.cancelled) == (told.generation, told.cancelled)
}
