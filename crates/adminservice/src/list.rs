//! Lists within bounds: so many values in one answer, so many answers in the making, each instance held once.

use std::time::Duration;

use cim::Instance;
use serde_json::{Map, Value as Json, json};
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::error::ApiError;

/// How much lists may hold in memory at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListLimits {
    /// Whole instances in one answer; a longer list goes on at its `@odata.nextLink`.
    pub instances: u64,
    /// With `$select`, up to so many instances as long as they have no more than [`Self::values`] together.
    pub chosen_instances: u64,
    /// Values of chosen properties in one answer.
    pub values: u64,
    /// Long lists that are made at once.
    pub at_once: usize,
    /// Long lists that wait for their turn; others are refused with 503.
    pub waiting: usize,
}

/// Lists of so few instances need no turn.
const SHORT_INSTANCES_MAX: u64 = 100;
/// What a client that is refused is told to wait.
pub(crate) const RETRY_AFTER: Duration = Duration::from_secs(2);

impl Default for ListLimits {
    /// About 60 MB for each list in the making: measured with 5,000 whole SMS_DriverPackage, one of the widest classes.
    fn default() -> Self {
        Self { instances: 5_000, chosen_instances: 20_000, values: 100_000, at_once: 2, waiting: 64 }
    }
}

/// Makes lists take turns.
#[derive(Debug)]
pub(crate) struct Turns {
    limits: ListLimits,
    running: Semaphore,
    waiting: Semaphore,
}

impl Turns {
    pub(crate) fn new(limits: ListLimits) -> Self {
        let (running, waiting) = (Semaphore::new(limits.at_once), Semaphore::new(limits.waiting));
        Self { limits, running, waiting }
    }

    /// The most instances in one answer, with all properties or with the chosen ones.
    pub(crate) fn page(&self, select: Option<&[String]>) -> u64 {
        let ListLimits { instances, chosen_instances, values, .. } = self.limits;
        match select {
            None => instances,
            Some(names) => (values / Ord::max(names.len() as u64, 1)).clamp(instances, chosen_instances),
        }
    }

    /// A turn for a list of up to so many instances, kept while the list is in memory.
    pub(crate) async fn take(&self, instances: u64) -> Result<Option<SemaphorePermit<'_>>, ApiError> {
        if instances <= SHORT_INSTANCES_MAX {
            return Ok(None);
        }
        if let Ok(turn) = self.running.try_acquire() {
            return Ok(Some(turn));
        }
        let _waiting = self.waiting.try_acquire().map_err(|_| ApiError::Busy)?;
        let turn = self.running.acquire().await.expect("the turns are never closed");
        Ok(Some(turn))
    }
}

/// The answer's text, written instance by instance, each of which is gone when its text is there.
pub(crate) fn write(
    head: Map<String, Json>,
    instances: Vec<Instance>,
    entity: impl Fn(&Instance) -> Map<String, Json>,
    next: Option<String>,
) -> String {
    let mut text = Json::Object(head).to_string();
    let close = text.pop();
    debug_assert_eq!(close, Some('}'), "an object is closed by a brace");
    text.push_str(",\"value\":[");
    for (number, instance) in instances.into_iter().enumerate() {
        if number > 0 {
            text.push(',');
        }
        text.push_str(&Json::Object(entity(&instance)).to_string());
    }
    text.push(']');
    if let Some(next) = next {
        text.push_str(",\"@odata.nextLink\":");
        text.push_str(&json!(next).to_string());
    }
    text.push('}');
    text
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use super::*;

    #[test]
    fn few_lists_run_some_wait_and_more_are_refused() {
        let turns = Turns::new(ListLimits { at_once: 1, waiting: 1, ..ListLimits::default() });
        let mut context = Context::from_waker(Waker::noop());
        let Poll::Ready(Ok(Some(running))) = pin!(turns.take(5_000)).poll(&mut context) else {
            panic!("the first list runs at once");
        };
        let mut waiting = pin!(turns.take(5_000));
        assert!(waiting.as_mut().poll(&mut context).is_pending());
        let Poll::Ready(Err(ApiError::Busy)) = pin!(turns.take(101)).poll(&mut context) else {
            panic!("no room to wait");
        };
        assert!(
            matches!(pin!(turns.take(100)).poll(&mut context), Poll::Ready(Ok(None))),
            "short lists pass"
        );
        drop(running);
        assert!(matches!(waiting.as_mut().poll(&mut context), Poll::Ready(Ok(Some(_)))));
    }

    #[test]
    fn a_page_is_as_long_as_its_values_allow() {
        let turns = Turns::new(ListLimits::default());
        let names = |count: usize| vec!["Name".to_owned(); count];
        for (select, expect) in
            [(None, 5_000), (Some(1), 20_000), (Some(5), 20_000), (Some(10), 10_000), (Some(50), 5_000)]
        {
            assert_eq!(turns.page(select.map(names).as_deref()), expect, "{select:?}");
        }
    }
}
