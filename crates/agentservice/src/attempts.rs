//! How often enrolment may fail from one address: a token cannot be guessed, but trying costs the site work.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use clock::SharedClock;

use crate::error::ServiceError;

/// Failures from one address within [`WINDOW`]; one more waits for the window's end.
const FAILURES_MAX: u32 = 10;
const WINDOW: Duration = Duration::from_secs(60);
/// Addresses that are remembered; beyond that the oldest is forgotten.
const ADDRESSES_MAX: usize = 1024;

#[derive(Debug)]
pub(crate) struct Attempts {
    clock: SharedClock,
    failed: Mutex<HashMap<IpAddr, Failures>>,
}

#[derive(Debug, Clone, Copy)]
struct Failures {
    since: Duration,
    count: u32,
}

impl Attempts {
    pub(crate) fn new(clock: SharedClock) -> Self {
        Self { clock, failed: Mutex::default() }
    }

    /// Refuses an address that failed too often of late.
    pub(crate) fn check(&self, addr: IpAddr) -> Result<(), ServiceError> {
        let now = self.clock.monotonic();
        let failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        match failed.get(&addr.to_canonical()) {
            Some(failures) if failures.count >= FAILURES_MAX && now < failures.since + WINDOW => {
                let left = failures.since + WINDOW - now;
                Err(ServiceError::TooManyAttempts { retry_after_s: left.as_secs().max(1) })
            }
            _ => Ok(()),
        }
    }

    /// Counts a failure.
    pub(crate) fn failed(&self, addr: IpAddr) {
        let now = self.clock.monotonic();
        let mut failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        failed.retain(|_, failures| now < failures.since + WINDOW);
        if failed.len() >= ADDRESSES_MAX {
            let oldest = failed.iter().min_by_key(|(_, failures)| failures.since).map(|(addr, _)| *addr);
            oldest.map(|addr| failed.remove(&addr));
        }
        failed.entry(addr.to_canonical()).or_insert(Failures { since: now, count: 0 }).count += 1;
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;
    use std::sync::Arc;

    use clock::ManualClock;
    use jiff::Timestamp;

    use super::*;

    fn addr(number: u32) -> IpAddr {
        IpAddr::V4(Ipv4Addr::from(number))
    }

    #[test]
    fn an_address_that_fails_too_often_waits_and_others_do_not() {
        let clock = ManualClock::new(Timestamp::UNIX_EPOCH);
        let attempts = Attempts::new(Arc::clone(&clock) as _);
        for _ in 0..FAILURES_MAX {
            attempts.check(addr(1)).unwrap();
            attempts.failed(addr(1));
        }
        clock.advance(Duration::from_secs(20));
        let error = attempts.check(addr(1)).unwrap_err();
        assert!(matches!(error, ServiceError::TooManyAttempts { retry_after_s: 40 }), "{error:?}");
        attempts.check(addr(2)).unwrap();
        clock.advance(Duration::from_secs(40));
        attempts.check(addr(1)).unwrap();
        attempts.failed(addr(1));
        attempts.check(addr(1)).unwrap();
    }

    #[test]
    fn memory_is_bounded() {
        let clock = ManualClock::new(Timestamp::UNIX_EPOCH);
        let attempts = Attempts::new(Arc::clone(&clock) as _);
        for number in 0..2 * ADDRESSES_MAX as u32 {
            attempts.failed(addr(number));
            clock.advance(Duration::from_millis(1));
        }
        assert_eq!(attempts.failed.lock().unwrap().len(), ADDRESSES_MAX);
        clock.advance(WINDOW);
        attempts.failed(addr(1));
        assert_eq!(attempts.failed.lock().unwrap().len(), 1, "what is over is forgotten");
    }
}
