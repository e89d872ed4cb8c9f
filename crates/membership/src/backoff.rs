//! How long to wait before trying again.

use std::time::Duration;

/// The wait after the first failure: a site that restarts is back within it.
const FIRST_WAIT: Duration = Duration::from_millis(250);
/// The longest wait of a job that keeps failing.
pub const JOB_WAIT_MAX: Duration = Duration::from_secs(600);
/// The longest wait for a site that does not answer; a thousand agents at this pace are a few requests a second.
pub const SITE_WAIT_MAX: Duration = Duration::from_secs(60);

/// Doubles with each failure up to `max`, then moves at random by up to a quarter, so that a thousand agents
/// that failed together do not come back together. `random` is in 0..1.
fn wait(failures: u32, max: Duration, random: f64) -> Duration {
    let doubled = FIRST_WAIT.saturating_mul(1 << failures.saturating_sub(1).min(16));
    doubled.min(max).mul_f64(0.75 + random.clamp(0.0, 1.0) / 2.0)
}

/// How long to wait after so many failures in a row: twice as long each time up to `max`, give or take a quarter.
pub fn jittered(failures: u32, max: Duration) -> Duration {
    wait(failures, max, rand::random())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_a_limit_and_spread() {
        for (failures, random, expect_ms) in [
            (1, 0.5, 250),
            (2, 0.5, 500),
            (5, 0.5, 4_000),
            (5, 0.0, 3_000),
            (5, 1.0, 5_000),
            (20, 0.5, 600_000),
            (u32::MAX, 0.5, 600_000),
            (0, 0.5, 250),
        ] {
            assert_eq!(
                wait(failures, JOB_WAIT_MAX, random),
                Duration::from_millis(expect_ms),
                "{failures} {random}"
            );
        }
    }
}
