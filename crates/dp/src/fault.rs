//! Why a job failed, as the site and its administrators see it. The codes are stable;
//! `docs/distribution-point.md` says what to do about each.

use std::time::Duration;

use agent::{Fault, WINDOW_CLOSED};
use content::holder::HolderError;
use jiff::Timestamp;
use membership::MembershipError;
use membership::backoff::JOB_WAIT_MAX;
use net::NetError;
use trust::TrustError;

/// The code of faults that end by themselves when the site answers again.
pub(crate) const SITE_UNREACHABLE: &str = "site_unreachable";
/// The code of a wait for the end of maintenance mode.
pub(crate) const MAINTENANCE: &str = "maintenance";
/// The code of a wait for what the site wants instead.
pub(crate) const NOT_WANTED: &str = "not_wanted";

/// The wait after a refusal that does not say how long.
const REFUSED_WAIT: Duration = Duration::from_secs(5);
/// Refusals of a package that shall not be here, or that there is not any more.
const NOT_WANTED_CODES: [&str; 2] = ["package_not_assigned", "package_not_found"];

/// The longest wait for a window, however far off it is: what the site says meanwhile may be lost, and clocks may be set.
const PAUSE_WAIT_MAX: Duration = Duration::from_secs(3600);

/// Why a job on a package ended without success.
#[derive(Debug, thiserror::Error)]
pub(crate) enum JobError {
    #[error(transparent)]
    Holder(#[from] HolderError),
    /// Its signature does not prove that the version is its source site's.
    #[error(transparent)]
    Untrusted(#[from] TrustError),
    #[error("the site cannot be reached: {0}")]
    Unreachable(NetError),
    #[error("the site does not accept this distribution point: {0}; enrol it again if it was removed")]
    Unauthorized(NetError),
    #[error(
        "the site has no manifest {0} any more; it publishes a newer version or needs `haulier content verify`"
    )]
    ManifestGone(String),
    #[error(
        "the site has no pack {0} any more, though its route names it; it needs `haulier content verify`"
    )]
    PackGone(String),
    #[error("the site refused: {0}")]
    SiteRefused(NetError),
    #[error("the site's answer cannot be used: {0}")]
    BadAnswer(String),
    #[error("no source that this distribution point may pull from gave it: {0}")]
    NoSource(String),
    /// Waits for the end of maintenance mode; nothing to report.
    #[error("this distribution point is in maintenance mode")]
    Maintenance {
        /// Where the site says so, when to ask again.
        wait: Option<Duration>,
    },
    /// The site wants something else by now, and says so in its next answer; nothing to report.
    #[error("the site does not want this package here: {0}")]
    NotWanted(String),
    #[error("the transfer made no progress in {0} rounds; the next attempt goes on from here")]
    NoProgress(usize),
    #[error("the work was interrupted: {0}")]
    Interrupted(String),
    /// The site sends nothing now; no failure.
    #[error("paused: {reason}")]
    Paused {
        /// The site's code and sentence.
        code: String,
        reason: String,
        /// When the site sends again, by its clock; absent where it does not know.
        until: Option<Timestamp>,
        /// When to ask again, whatever the clocks here and there say.
        wait: Duration,
    },
    /// A newer demand or a stop; nothing to report.
    #[error("stopped")]
    Stopped,
}

impl JobError {
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::Holder(error) => error.code(),
            Self::Untrusted(error) => error.code(),
            Self::Unreachable(_) => SITE_UNREACHABLE,
            Self::Unauthorized(_) => "unauthorized",
            Self::ManifestGone(_) => "manifest_gone",
            Self::PackGone(_) => "pack_gone",
            Self::SiteRefused(_) => "site_refused",
            Self::BadAnswer(_) => "bad_answer",
            Self::NoSource(_) => "no_source",
            Self::Maintenance { .. } => MAINTENANCE,
            Self::NotWanted(_) => NOT_WANTED,
            Self::NoProgress(_) => "no_progress",
            Self::Interrupted(_) => "interrupted",
            Self::Paused { .. } => "paused",
            Self::Stopped => "stopped",
        }
    }

    /// How long the site asked to wait.
    pub(crate) fn asked_wait(&self) -> Duration {
        match self {
            Self::Unreachable(error) | Self::SiteRefused(error) => asked_wait(error),
            _ => Duration::ZERO,
        }
    }

    pub(crate) fn fault(&self) -> Fault {
        let file = match self {
            Self::Holder(HolderError::NotOffered { file, .. }) => Some(file.clone()),
            _ => None,
        };
        Fault { code: self.code().to_owned(), message: self.to_string(), file }
    }
}

/// How long whoever refused asked to wait and up to a quarter more, so that not all come back together, within the longest
/// wait of a job; nothing if it did not refuse or did not say.
pub(crate) fn asked_wait(error: &NetError) -> Duration {
    let asked = error.refusal().and_then(|refusal| refusal.retry_after);
    asked.map_or(Duration::ZERO, |wait| wait.min(JOB_WAIT_MAX).mul_f64(1.0 + rand::random::<f64>() / 4.0))
}

impl From<NetError> for JobError {
    fn from(error: NetError) -> Self {
        if let Some(refusal) = error.refusal().filter(|refusal| refusal.code == WINDOW_CLOSED) {
            return Self::Paused {
                code: refusal.code.clone(),
                reason: refusal.message.clone(),
                until: refusal.until,
                wait: refusal.retry_after.unwrap_or(PAUSE_WAIT_MAX).min(PAUSE_WAIT_MAX),
            };
        }
        if error.refusal().is_some_and(|refusal| refusal.code == MAINTENANCE) {
            return Self::Maintenance { wait: Some(asked_wait(&error).max(REFUSED_WAIT)) };
        }
        if let Some(refusal) =
            error.refusal().filter(|refusal| NOT_WANTED_CODES.contains(&refusal.code.as_str()))
        {
            return Self::NotWanted(refusal.message.clone());
        }
        match error.refusal().map(|refusal| refusal.status) {
            Some(401 | 403) => Self::Unauthorized(error),
            Some(408 | 429 | 500..) => Self::Unreachable(error),
            Some(_) => Self::SiteRefused(error),
            None => match error {
                NetError::Answer { .. } => Self::BadAnswer(error.to_string()),
                _ => Self::Unreachable(error),
            },
        }
    }
}

impl From<MembershipError> for JobError {
    fn from(error: MembershipError) -> Self {
        match error {
            MembershipError::Net(error) => error.into(),
            other => Self::BadAnswer(other.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use net::Refusal;

    #[test]
    fn each_refusal_of_the_site_has_its_code() {
        for (status, code) in [
            (401, "unauthorized"),
            (403, "unauthorized"),
            (404, "site_refused"),
            (429, "site_unreachable"),
            (503, "site_unreachable"),
        ] {
            let refusal = Refusal {
                status,
                code: "x".to_owned(),
                message: "y".to_owned(),
                until: None,
                retry_after: None,
            };
            let error = NetError::Refused { url: "http://s".to_owned(), refusal };
            assert_eq!(JobError::from(error).code(), code, "{status}");
        }
        for (status, code, expect) in [
            (404, "package_not_assigned", NOT_WANTED),
            (404, "version_not_found", "site_refused"),
            (503, "maintenance", MAINTENANCE),
        ] {
            let (code, message) = (code.to_owned(), String::new());
            let refusal = Refusal { status, code, message, until: None, retry_after: None };
            let error = NetError::Refused { url: "http://s".to_owned(), refusal };
            assert_eq!(JobError::from(error).code(), expect, "{status}");
        }
        let broken = NetError::Unreachable { url: "http://s".to_owned(), reason: "reset".to_owned() };
        assert_eq!(JobError::from(broken).code(), SITE_UNREACHABLE);
        let full = HolderError::DiskFull { needed_bytes: Some(10), free_bytes: Some(5) };
        assert_eq!(JobError::from(full).fault().code, "disk_full");
    }

    #[test]
    fn what_the_site_asks_to_wait_is_waited() {
        for (status, asked_s, expect_s) in
            [(429, None, 0), (429, Some(40), 40), (503, Some(9), 9), (500, Some(9_999), 600)]
        {
            let (code, message) = ("x".to_owned(), String::new());
            let retry_after = asked_s.map(Duration::from_secs);
            let refusal = Refusal { status, code, message, until: None, retry_after };
            let wait = JobError::from(NetError::Refused { url: "http://s".to_owned(), refusal }).asked_wait();
            let expect = Duration::from_secs(expect_s);
            assert!(wait >= expect && wait <= expect.mul_f64(1.25), "{status}: {wait:?}");
        }
    }
}
