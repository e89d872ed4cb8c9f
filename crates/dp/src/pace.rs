//! How fast a verification reads: slow enough that nobody who downloads notices.
//!
//! A rate is kept to beside the lowest priority of the operating system's: most disks are scheduled without regard to one.

use std::cell::Cell;
use std::time::Duration;

use clock::SharedClock;
use tokio::runtime::Handle;

use crate::serve::Budget;

/// Bytes a second while nobody downloads.
const QUIET_BYTES_PER_S: u64 = 128 * 1024 * 1024;
/// Bytes a second while somebody does.
const SERVING_BYTES_PER_S: u64 = 16 * 1024 * 1024;

/// The pace of one verification, on one blocking thread.
pub(crate) struct Pace {
    clock: SharedClock,
    serving: Budget,
    runtime: Handle,
    /// When the next read may begin, by the monotonic clock.
    next: Cell<Duration>,
}

impl Pace {
    pub(crate) fn new(clock: SharedClock, serving: Budget, runtime: Handle) -> Self {
        Self { clock, serving, runtime, next: Cell::new(Duration::ZERO) }
    }

    /// Waits until so many bytes may be read. On a blocking thread.
    pub(crate) fn wait(&self, bytes: usize) {
        let now = self.clock.monotonic();
        let at = self.next.get().max(now);
        if at > now {
            self.runtime.block_on(async { self.clock.sleep(at - now).await });
        }
        self.next.set(at + took(bytes, self.serving.is_in_use()));
    }
}

/// How long the reading of so many bytes shall take.
fn took(bytes: usize, is_serving: bool) -> Duration {
    let rate = if is_serving { SERVING_BYTES_PER_S } else { QUIET_BYTES_PER_S };
    Duration::from_nanos((bytes as u64).saturating_mul(1_000_000_000) / rate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reading_takes_eight_times_as_long_while_somebody_downloads() {
        for (bytes, is_serving, expect_ms) in
            [(0, true, 0), (16 << 20, true, 1000), (128 << 20, false, 1000), (16 << 20, false, 125)]
        {
            assert_eq!(took(bytes, is_serving), Duration::from_millis(expect_ms), "{bytes} {is_serving}");
        }
    }
}
