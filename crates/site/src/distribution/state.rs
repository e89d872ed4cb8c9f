//! The state of one package at one distribution point, and every step that it may take.
//!
//! The numbers are those of `SMS_PackageStatusDistPointsSummarizer.State`. Demands come from the site,
//! facts from the agent. A step that makes no sense is refused, never guessed.

use crate::error::{Result as SiteResult, SiteError};

/// Where one package is at one distribution point.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum State {
    /// 0: holds and serves the desired version.
    Installed,
    /// 1: holds nothing yet; the first version is wanted.
    InstallPending,
    /// 2: an attempt failed; the agent tries again.
    InstallRetrying,
    /// 3: many attempts failed; the agent still tries, but somebody should look.
    InstallFailed,
    /// 4: should hold nothing; not reported yet.
    RemovalPending,
    /// 5: a removal failed; the agent tries again.
    RemovalRetrying,
    /// 6: many removals failed.
    RemovalFailed,
    /// 7: serves an older version; a newer one is wanted.
    ContentUpdating,
    /// 8: verifies what it holds.
    ContentMonitoring,
}

/// What happened to the row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Event {
    /// The package was assigned to the distribution point.
    Added,
    /// A new version, or the same one again, is wanted. `serving`: it serves some version now.
    Wanted {
        /// Whether the distribution point serves some version now.
        serving: bool,
    },
    /// What it holds shall be hashed again.
    ValidationWanted,
    /// An administrator ended the distribution; nothing is tried until it is wanted again.
    Cancelled,
    /// It shall hold nothing.
    RemovalWanted,
    /// The agent began anew with another identity, and perhaps an empty disk.
    Reenrolled,
    /// The agent began or goes on.
    Working,
    /// A closed window holds the agent up. `serving`: it serves some version now.
    Paused {
        /// Whether the distribution point serves some version now.
        serving: bool,
    },
    /// The agent holds and serves the desired version, verified.
    Installed,
    /// The agent hashed everything; all is well or repaired.
    Verified,
    /// An attempt failed. `exhausted`: so many in a row that somebody should look.
    Failed {
        /// Whether the attempts allowed before somebody should look are used up.
        exhausted: bool,
    },
    /// The agent holds nothing of the package.
    Removed,
}

/// What becomes of the row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// It is in this state now.
    State(State),
    /// The assignment is over; the row goes.
    Gone,
}

/// A step that the state does not allow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a package in state {state:?} at a distribution point cannot take the step {event:?}")]
pub struct TransitionError {
    /// The state.
    pub state: State,
    /// The refused event.
    pub event: Event,
}

/// The next state. This is the only place where a state follows from another.
pub fn transition(state: State, event: Event) -> Result<Next, TransitionError> {
    use State::{
        ContentMonitoring, ContentUpdating, InstallFailed, InstallPending, InstallRetrying, Installed,
        RemovalFailed, RemovalPending, RemovalRetrying,
    };
    let removing = matches!(state, RemovalPending | RemovalRetrying | RemovalFailed);
    let next = match (event, removing) {
        // An assignment that is on its way out may be made again; one that stands may not.
        (Event::Added, true) => InstallPending,
        (Event::Added, false) => return Err(TransitionError { state, event }),

        (Event::Wanted { serving: true }, false) => ContentUpdating,
        (Event::Wanted { serving: false }, false) => InstallPending,

        (Event::ValidationWanted, false) if matches!(state, Installed | ContentMonitoring) => {
            ContentMonitoring
        }

        (Event::Cancelled, false) if !matches!(state, Installed | ContentMonitoring) => InstallFailed,

        (Event::RemovalWanted, _) => RemovalPending,

        (Event::Reenrolled, true) => RemovalPending,
        (Event::Reenrolled, false) => InstallPending,

        // Work on what is installed already is a repair that the agent began by itself.
        (Event::Working, _) => match state {
            Installed => ContentUpdating,
            InstallFailed => InstallRetrying,
            RemovalFailed => RemovalRetrying,
            same => same,
        },

        // Whatever failed before, what keeps it now is the window. Who verifies has nothing to fetch yet.
        (Event::Paused { .. }, false) if state == ContentMonitoring => state,
        (Event::Paused { serving: true }, false) => ContentUpdating,
        (Event::Paused { serving: false }, false) => InstallPending,

        (Event::Installed | Event::Verified, false) => Installed,

        (Event::Failed { exhausted: false }, false) => InstallRetrying,
        (Event::Failed { exhausted: true }, false) => InstallFailed,
        (Event::Failed { exhausted: false }, true) => RemovalRetrying,
        (Event::Failed { exhausted: true }, true) => RemovalFailed,

        (Event::Removed, true) => return Ok(Next::Gone),
        // Nothing is left although something is wanted: it has to come again.
        (Event::Removed, false) => InstallPending,

        (Event::Wanted { .. } | Event::Paused { .. } | Event::Installed | Event::Verified, true)
        | (Event::ValidationWanted | Event::Cancelled, _) => {
            return Err(TransitionError { state, event });
        }
    };
    Ok(Next::State(next))
}

impl State {
    /// Every state, by number.
    pub const ALL: [Self; 9] = [
        Self::Installed,
        Self::InstallPending,
        Self::InstallRetrying,
        Self::InstallFailed,
        Self::RemovalPending,
        Self::RemovalRetrying,
        Self::RemovalFailed,
        Self::ContentUpdating,
        Self::ContentMonitoring,
    ];

    /// The provider's number, 0 to 8.
    #[must_use]
    pub fn number(self) -> u32 {
        match self {
            Self::Installed => 0,
            Self::InstallPending => 1,
            Self::InstallRetrying => 2,
            Self::InstallFailed => 3,
            Self::RemovalPending => 4,
            Self::RemovalRetrying => 5,
            Self::RemovalFailed => 6,
            Self::ContentUpdating => 7,
            Self::ContentMonitoring => 8,
        }
    }

    /// The provider's name, for example `INSTALL_PENDING`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Installed => "INSTALLED",
            Self::InstallPending => "INSTALL_PENDING",
            Self::InstallRetrying => "INSTALL_RETRYING",
            Self::InstallFailed => "INSTALL_FAILED",
            Self::RemovalPending => "REMOVAL_PENDING",
            Self::RemovalRetrying => "REMOVAL_RETRYING",
            Self::RemovalFailed => "REMOVAL_FAILED",
            Self::ContentUpdating => "CONTENT_UPDATING",
            Self::ContentMonitoring => "CONTENT_MONITORING",
        }
    }

    pub(crate) fn from_number(number: i64) -> SiteResult<Self> {
        let found = Self::ALL.into_iter().find(|state| i64::from(state.number()) == number);
        found.ok_or_else(|| SiteError::corrupt("distribution.state"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One row for each event; one column for each state 0 to 8: the next state's number, `-` refused, `x` gone.
    const TABLE: &[(Event, &str)] = &[
        (Event::Added, "- - - - 1 1 1 - -"),
        (Event::Wanted { serving: true }, "7 7 7 7 - - - 7 7"),
        (Event::Wanted { serving: false }, "1 1 1 1 - - - 1 1"),
        (Event::ValidationWanted, "8 - - - - - - - 8"),
        (Event::Cancelled, "- 3 3 3 - - - 3 -"),
        (Event::RemovalWanted, "4 4 4 4 4 4 4 4 4"),
        (Event::Reenrolled, "1 1 1 1 4 4 4 1 1"),
        (Event::Working, "7 1 2 2 4 5 5 7 8"),
        (Event::Paused { serving: true }, "7 7 7 7 - - - 7 8"),
        (Event::Paused { serving: false }, "1 1 1 1 - - - 1 8"),
        (Event::Installed, "0 0 0 0 - - - 0 0"),
        (Event::Verified, "0 0 0 0 - - - 0 0"),
        (Event::Failed { exhausted: false }, "2 2 2 2 5 5 5 2 2"),
        (Event::Failed { exhausted: true }, "3 3 3 3 6 6 6 3 3"),
        (Event::Removed, "1 1 1 1 x x x 1 1"),
    ];

    #[test]
    fn every_state_and_every_event() {
        for (event, row) in TABLE {
            let cells: Vec<&str> = row.split(' ').collect();
            assert_eq!(cells.len(), State::ALL.len(), "{event:?}");
            for (state, cell) in State::ALL.into_iter().zip(cells) {
                let got = match transition(state, *event) {
                    Ok(Next::State(next)) => next.number().to_string(),
                    Ok(Next::Gone) => "x".to_owned(),
                    Err(refused) => {
                        assert_eq!(refused, TransitionError { state, event: *event });
                        "-".to_owned()
                    }
                };
                assert_eq!(got, *cell, "{state:?} {event:?}");
            }
        }
    }

    #[test]
    fn numbers_and_names_are_the_providers() {
        for (number, state) in State::ALL.into_iter().enumerate() {
            assert_eq!(state.number() as usize, number);
            assert_eq!(State::from_number(number as i64).unwrap(), state);
        }
        assert_eq!(State::from_number(9).unwrap_err().code(), "database_corrupt");
        assert_eq!(State::ContentMonitoring.name(), "CONTENT_MONITORING");
    }
}
