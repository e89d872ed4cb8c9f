//! A site for weeks of simulated time: administrators do everything that they may, source folders change and go away,
//! schedules fire, windows open and close in the midst of transfers, the site restarts, and distribution points pull, fail, lie,
//! repeat themselves, go silent and come back.
//! After each step what must hold is looked at; at the end everybody gets well, and everything that was accepted must come
//! about.
//!
//! The site is the real one with its database and its content library; only the clock and the distribution points are
//! simulated. A seed names everything that happens, so that
//!
//! ```text
//! HAULIER_SIMULATION_SEED=17 cargo test -p site --test simulation -- --nocapture
//! ```
//!
//! does again what seed 17 did. `HAULIER_SIMULATION_SEEDS` is how many are run, from `HAULIER_SIMULATION_SEED` on, and
//! `HAULIER_SIMULATION_POINTS` how many distribution points there are.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop where it is")]
#![allow(clippy::print_stderr, reason = "a seed that failed is told")]

mod administrator;
mod check;
mod point;
mod window;
mod world;

use std::sync::Arc;

use clock::{Clock, SystemClock};
use world::{Template, World};

/// Seeds of each test run; `cargo xtask soak` runs more.
const SEEDS: u64 = 20;
/// Distribution points, where nothing else is said.
const POINTS: usize = 6;
/// Steps of one seed.
const STEPS: u32 = 60;
/// Seeds at a time.
const AT_ONCE: u64 = 2;

fn setting<T: std::str::FromStr>(name: &str) -> Option<T> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} is a number")))
}

/// Tells how to do it again.
struct Seed(u64, usize);

impl Drop for Seed {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let Self(seed, points) = self;
            eprintln!(
                "again: HAULIER_SIMULATION_SEED={seed} HAULIER_SIMULATION_POINTS={points} cargo test -p site --test \
                 simulation -- --nocapture"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_happens_everything_that_was_accepted_comes_about() {
    let first: Option<u64> = setting("HAULIER_SIMULATION_SEED");
    let count = setting("HAULIER_SIMULATION_SEEDS").unwrap_or(if first.is_some() { 1 } else { SEEDS });
    let points = setting("HAULIER_SIMULATION_POINTS").unwrap_or(POINTS);
    let (first, started) = (first.unwrap_or(1), SystemClock.monotonic());
    let template = Arc::new(Template::new(points).await);
    let lanes = (0..AT_ONCE).map(|lane| {
        let template = Arc::clone(&template);
        tokio::spawn(async move {
            let (mut steps, mut broken_off) = (0, 0);
            for number in (first..first + count).filter(|number| number % AT_ONCE == lane) {
                let seed = Seed(number, points);
                broken_off += Box::pin(live(&template, number)).await;
                steps += STEPS;
                drop(seed);
            }
            (steps, broken_off)
        })
    });
    let (mut steps, mut broken_off) = (0, 0);
    for lane in lanes.collect::<Vec<_>>() {
        let of_lane = lane.await.unwrap();
        (steps, broken_off) = (steps + of_lane.0, broken_off + of_lane.1);
    }
    assert!(count < SEEDS || broken_off > 0, "no window closed on a transfer");
    let took = (SystemClock.monotonic() - started).as_secs_f64();
    eprintln!(
        "{count} seeds from {first} on, {points} distribution points, {steps} steps in {took:.1} s; windows closed on \
         {broken_off} transfers"
    );
}

/// One seed, from the beginning to the end. Returns how many transfers a window closed on.
async fn live(template: &Template, seed: u64) -> u32 {
    let mut world = World::new(template, seed).await;
    for step in 1..=STEPS {
        world.begin(step);
        world.act().await;
        world.check().await;
    }
    world.begin(STEPS + 1);
    world.get_well().await;
    world.check_end().await;
    world.site.close().await;
    world.points.iter().map(|point| point.broken_off).sum()
}
