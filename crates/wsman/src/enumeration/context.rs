//! What names an answer that waits, and for how long.

use std::sync::Arc;
use std::time::Duration;

use clock::SharedClock;
use provider::{ContextRules, NoRoom};
use tokio::sync::Mutex;

use super::answer::Answer;
use crate::fault::WsmanFault;

/// How long an answer waits for the next question about it: what Windows grants.
pub const ENUMERATION_IDLE_MAX: Duration = Duration::from_secs(240);
/// Answers of one user that wait.
pub const ENUMERATIONS_OF_USER_MAX: usize = 100;
/// Answers of all users that wait. Each holds at most some hundred KiB of memory.
const ENUMERATIONS_MAX: usize = 500;

/// Answers that wait, by their contexts.
pub(super) type Contexts = provider::Contexts<Mutex<Answer>>;

/// None yet.
pub(super) fn contexts(clock: SharedClock) -> Arc<Contexts> {
    let written = |id: uuid::Uuid| format!("uuid:{}", id.to_string().to_ascii_uppercase());
    Contexts::new(
        clock,
        ContextRules { of_user_max: ENUMERATIONS_OF_USER_MAX, all_max: ENUMERATIONS_MAX, written },
    )
}

impl From<NoRoom> for WsmanFault {
    fn from(full: NoRoom) -> Self {
        let idle = ENUMERATION_IDLE_MAX.as_secs();
        let reason = format!("{full}; pull to their ends or release them, or wait {idle} s");
        Self::QuotaLimit { reason }
    }
}
