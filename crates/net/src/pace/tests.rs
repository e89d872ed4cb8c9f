use std::io;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use clock::{Clock, ManualClock};
use futures_util::stream::{self, Stream, StreamExt};
use jiff::Timestamp;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::*;

const STEP: Duration = Duration::from_millis(4);
/// Enough for every task to come to where it waits for the clock again.
const YIELDS: usize = 12;
/// A piece as the content library gives them.
const PIECE: usize = 256 * 1024;

/// A gate that a test moves: bytes a second, or nothing; none for closed.
struct Hand(watch::Receiver<Option<Option<u64>>>);

impl Gate for Hand {
    fn terms(&mut self) -> Option<Terms> {
        let bytes_per_s = (*self.0.borrow_and_update())?;
        Some(Terms { bytes_per_s, holds_for: Duration::MAX })
    }

    async fn changed(&mut self) {
        if self.0.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

struct World {
    clock: Arc<ManualClock>,
    pacer: Pacer<u32>,
    gate: watch::Sender<Option<Option<u64>>>,
}

/// A body and who takes it.
struct Taken {
    bytes: Arc<AtomicU64>,
    task: JoinHandle<io::Result<()>>,
}

impl Taken {
    fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }
}

impl World {
    fn new(bytes_per_s: Option<u64>) -> Self {
        let clock = ManualClock::new(Timestamp::UNIX_EPOCH);
        // The machine has been up for a while.
        clock.advance(Duration::from_secs(100));
        Self { pacer: Pacer::new(clock.clone()), clock, gate: watch::Sender::new(Some(bytes_per_s)) }
    }

    fn send(
        &self,
        to: u32,
        priority: u8,
        source: impl Stream<Item = io::Result<Bytes>> + Send + 'static,
    ) -> Taken {
        let link = self.pacer.link(to).unwrap();
        let mut body = paced(source, link, priority, Hand(self.gate.subscribe())).boxed();
        let bytes = Arc::new(AtomicU64::new(0));
        let count = Arc::clone(&bytes);
        let task = tokio::spawn(async move {
            let mut taken = 0;
            while let Some(piece) = body.next().await {
                let bytes = piece?.len();
                count.fetch_add(bytes as u64, Ordering::Relaxed);
                taken += bytes;
                // A real body's taker is the network: it gives way.
                if taken >= PIECE {
                    taken = 0;
                    tokio::task::yield_now().await;
                }
            }
            Ok(())
        });
        Taken { bytes, task }
    }

    async fn pass(&self, time: Duration) {
        let end = self.clock.monotonic() + time;
        settle().await;
        while self.clock.monotonic() < end {
            self.clock.advance(STEP);
            settle().await;
        }
    }
}

async fn settle() {
    for _ in 0..YIELDS {
        tokio::task::yield_now().await;
    }
}

/// A body without end, in pieces of this size.
fn endless(piece_bytes: usize) -> impl Stream<Item = io::Result<Bytes>> + Send + 'static {
    stream::repeat_with(move || Ok(Bytes::from(vec![7; piece_bytes])))
}

/// Whether `found` lies within so many per cent of `expect`.
fn near(found: u64, expect: u64, percent: u64) -> bool {
    found.abs_diff(expect) * 100 <= expect * percent
}

#[tokio::test]
async fn a_rate_holds_over_any_ten_seconds_whatever_the_pieces() {
    for (rate, tiny) in [(125, 1), (4_000, 10), (1_000_000, 100), (12_500_000, 5_000)] {
        let world = World::new(Some(rate));
        let bodies = [PIECE, tiny].map(|piece_bytes| world.send(1, 2, endless(piece_bytes)));
        let mut passed = vec![0];
        for _ in 0..13 {
            world.pass(Duration::from_secs(1)).await;
            passed.push(bodies.iter().map(Taken::bytes).sum());
        }
        for (from, window) in passed.windows(11).enumerate() {
            let bytes = window[10] - window[0];
            assert!(near(bytes, rate * 10, 5), "{rate} bytes/s: {bytes} in ten seconds from second {from}");
        }
    }
}

#[tokio::test]
async fn bodies_share_in_equal_parts_and_no_concurrency_is_lost() {
    let world = World::new(Some(1_000_000));
    let pieces = [PIECE, 100, 1_000, PIECE, 65_537];
    let bodies = pieces.map(|bytes| world.send(1, 2, endless(bytes)));
    // Who comes first has what the link may make up for after a rest.
    world.pass(Duration::from_secs(1)).await;
    let before = bodies.each_ref().map(Taken::bytes);
    world.pass(Duration::from_secs(10)).await;
    for ((body, before), piece) in bodies.iter().zip(before).zip(pieces) {
        let bytes = body.bytes() - before;
        assert!(near(bytes, 2_000_000, 2), "pieces of {piece}: {bytes} of 2000000 bytes");
    }
}

#[tokio::test]
async fn many_small_answers_fill_the_link_as_one_large_one_does() {
    let world = World::new(Some(100_000));
    let small = || stream::iter([Ok(Bytes::from_static(&[1; 100]))]);
    let asked = async {
        let mut bytes = 0;
        loop {
            let answer = world.send(1, 2, small());
            answer.task.await.unwrap().unwrap();
            bytes += answer.bytes.load(Ordering::Relaxed);
            if world.clock.monotonic() >= Duration::from_secs(105) {
                return bytes;
            }
        }
    };
    let (bytes, ()) = tokio::join!(asked, world.pass(Duration::from_secs(6)));
    assert!(near(bytes, 500_000, 6), "{bytes} of 500000 bytes");
}

#[tokio::test]
async fn a_new_rate_counts_at_once_and_sleepers_wake() {
    let world = World::new(Some(125));
    let body = world.send(1, 2, endless(PIECE));
    world.pass(Duration::from_secs(5)).await;
    world.gate.send_replace(Some(Some(1_000_000)));
    let before = body.bytes();
    world.pass(Duration::from_secs(5)).await;
    assert!(near(body.bytes() - before, 5_000_000, 5), "{}", body.bytes() - before);
    world.gate.send_replace(Some(Some(10_000)));
    let before = body.bytes();
    world.pass(Duration::from_secs(10)).await;
    assert!(near(body.bytes() - before, 100_000, 5), "{}", body.bytes() - before);
    // Without a limit the clock need not move.
    world.gate.send_replace(Some(None));
    let before = body.bytes();
    settle().await;
    assert!(body.bytes() - before > PIECE as u64, "{}", body.bytes() - before);
}

#[tokio::test]
async fn a_closed_gate_ends_bodies_that_wait_and_bodies_that_run() {
    for bytes_per_s in [Some(125), Some(1_000_000), None] {
        let world = World::new(bytes_per_s);
        let bodies = [1, 2, 3].map(|priority| world.send(1, priority, endless(PIECE)));
        world.pass(Duration::from_millis(20)).await;
        world.gate.send_replace(None);
        for body in bodies {
            let end =
                tokio::time::timeout(Duration::from_secs(20), body.task).await.expect("it ends").unwrap();
            assert!(end.unwrap_err().get_ref().unwrap().is::<Closed>(), "{bytes_per_s:?}");
        }
        // What comes later ends before its first byte.
        let late = world.send(1, 1, endless(PIECE));
        let bytes = Arc::clone(&late.bytes);
        late.task.await.unwrap().unwrap_err();
        assert_eq!(bytes.load(Ordering::Relaxed), 0);
    }
}

#[tokio::test]
async fn the_urgent_go_first_and_nobody_is_taken_for_dead() {
    let world = World::new(Some(100_000));
    let low = world.send(1, 3, endless(PIECE));
    world.pass(Duration::from_secs(1)).await;
    let high = world.send(1, 1, endless(PIECE));
    let (before, since) = (low.bytes(), high.bytes());
    world.pass(Duration::from_secs(30)).await;
    let (low_bytes, high_bytes) = (low.bytes() - before, high.bytes() - since);
    assert!(near(high_bytes, 3_000_000, 2), "{high_bytes} {low_bytes}");
    assert!(low_bytes > 0 && low_bytes < 30_000, "{low_bytes}");
    high.task.abort();
    let before = low.bytes();
    world.pass(Duration::from_secs(10)).await;
    assert!(near(low.bytes() - before, 1_000_000, 5), "{}", low.bytes() - before);
}

#[tokio::test]
async fn a_slow_destination_delays_no_other_and_one_that_goes_away_frees_its_place() {
    let world = World::new(Some(1_000));
    let slow: Vec<Taken> = (0..20).map(|_| world.send(1, 1, endless(PIECE))).collect();
    world.pass(Duration::from_millis(100)).await;
    let other = world.send(2, 3, endless(PIECE));
    world.pass(Duration::from_secs(10)).await;
    assert!(near(other.bytes(), 10_000, 5), "{}", other.bytes());
    slow.iter().skip(1).for_each(|body| body.task.abort());
    let before = slow[0].bytes();
    world.pass(Duration::from_secs(10)).await;
    assert!(near(slow[0].bytes() - before, 10_000, 5), "{}", slow[0].bytes() - before);
}

#[tokio::test]
async fn destinations_are_bounded_and_idle_ones_forgotten() {
    let world = World::new(Some(1_000));
    let kept: Vec<_> = (0..10).map(|to| world.pacer.link(to).unwrap()).collect();
    for to in 10..5 * SWEEP_FROM as u32 {
        world.pacer.link(to).unwrap();
    }
    let links = world.pacer.links.lock().unwrap().by_destination.len();
    assert!(links <= 2 * SWEEP_FROM, "{links}");
    assert!(Arc::ptr_eq(&kept[3], &world.pacer.link(3).unwrap()));
}

#[tokio::test]
async fn an_error_of_the_source_comes_through_and_an_end_is_an_end() {
    let world = World::new(Some(1_000_000));
    let source =
        stream::iter([Ok(Bytes::from_static(b"abc")), Ok(Bytes::new()), Err(io::Error::other("disk"))]);
    let body = world.send(1, 2, source);
    world.pass(Duration::from_secs(1)).await;
    assert_eq!(body.bytes(), 3);
    assert_eq!(body.task.await.unwrap().unwrap_err().to_string(), "disk");
    let whole = world.send(1, 2, stream::iter([Ok(Bytes::from_static(b"abc"))]));
    world.pass(Duration::from_secs(1)).await;
    whole.task.await.unwrap().unwrap();
}
