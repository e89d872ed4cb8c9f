//! Time and repetition.

use std::process::Command;

use anyhow::{Result, bail};
use clock::{Clock, SystemClock};

/// How long the work took, in seconds, and what it gave.
pub(crate) fn timed<T>(work: impl FnOnce() -> Result<T>) -> Result<(f64, T)> {
    let start = SystemClock.monotonic();
    let result = work()?;
    Ok(((SystemClock.monotonic() - start).as_secs_f64(), result))
}

/// How long a shell script took, in seconds.
pub(crate) fn timed_script(script: &str, arguments: &[&std::path::Path]) -> Result<f64> {
    let mut command: Command = crate::process::command("sh");
    command.args(["-c", script, "sh"]).args(arguments);
    command.stdout(std::process::Stdio::null());
    let (seconds, succeeded) = timed(|| crate::process::succeeds(&mut command))?;
    if !succeeded {
        bail!("`{script}` failed");
    }
    Ok(seconds)
}

/// The middle value.
///
/// # Panics
/// When there is none.
pub(crate) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    if sorted.len() % 2 == 1 { sorted[middle] } else { f64::midpoint(sorted[middle - 1], sorted[middle]) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians() {
        assert_eq!(median(&[3.0, 1.0, 2.0]).to_bits(), 2.0f64.to_bits());
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]).to_bits(), 2.5f64.to_bits());
    }
}
