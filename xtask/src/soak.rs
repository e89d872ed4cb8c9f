//! `cargo xtask soak`: the kill test for as long as you like, in another order of events every time.

use anyhow::{Context, Result};
use clock::{Clock, SystemClock};

use crate::process::{cargo, succeeds};

/// Enough for about half an hour.
const KILLS_DEFAULT: u64 = 2_000;

/// Kills processes so many times; whether nothing was lost and no byte was wrong.
pub(crate) fn run(kills: Option<&str>) -> Result<bool> {
    let kills: u64 = kills.map_or(Ok(KILLS_DEFAULT), str::parse).context("how many kills? give a number")?;
    let seed = SystemClock.now().as_second();
    println!("{kills} kills in the order of HAULIER_SEED={seed}");
    let mut test = cargo(&["test", "--package", "haulier", "--test", "kill", "--", "--nocapture"]);
    succeeds(test.env("HAULIER_KILLS", kills.to_string()).env("HAULIER_SEED", seed.to_string()))
}
