//! A source that hangs, as a share does when its server dies: nothing but what reads it may wait for it.

#![allow(clippy::unwrap_used, reason = "a test's helpers fail by panicking, as tests do")]

mod support;

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::AtomicBool;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use content::{Counter, Monitor, SnapshotRequest, VerifyReport, VoidMonitor};
use support::{Bench, noise, restore, snapshot, write};

/// How long a call that must not wait may take before the test says that it waits.
const WAITS: Duration = Duration::from_secs(60);

/// A task that watches itself with this stops where it reads a source, until the test lets go of `hold`.
struct Hanging {
    hangs: Sender<()>,
    hold: Mutex<Receiver<()>>,
    at_read: bool,
}

impl Hanging {
    fn hang(&self) {
        let _ = self.hangs.send(());
        // An error when the test dropped the other end: go on.
        let _ = self.hold.lock().unwrap().recv();
    }
}

impl Monitor for Hanging {
    fn count(&self, counter: Counter, _by: u64) {
        if self.at_read && counter == Counter::BytesRead {
            self.hang();
        }
    }

    fn error(&self, _message: &str) {}

    fn cancelled(&self) -> bool {
        if !self.at_read {
            self.hang();
        }
        false
    }
}

/// The monitor, what tells that the task hangs, and what lets it go when it is dropped.
fn hanging(at_read: bool) -> (Hanging, Receiver<()>, Sender<()>) {
    let (hangs, hung) = channel();
    let (let_go, hold) = channel();
    (Hanging { hangs, hold: Mutex::new(hold), at_read }, hung, let_go)
}

/// Panics in the worker that reads a file.
struct Panicking;

impl Monitor for Panicking {
    fn count(&self, counter: Counter, _by: u64) {
        assert!(counter != Counter::BytesRead, "the fault fired");
    }

    fn error(&self, _message: &str) {}
}

/// Damages the largest pack: the one with the file's only full copy.
fn damage(bench: &Bench) {
    let packs = support::objects(&bench.objects());
    let (pack, bytes) = packs.iter().max_by_key(|(_, bytes)| **bytes).unwrap();
    support::flip(&bench.objects().join(pack), usize::try_from(bytes / 2).unwrap());
}

#[test]
fn verify_waits_for_no_snapshot_and_holds_none_up() {
    let bench = Bench::new();
    write(&bench.source(), &[("a", &noise(1, 50_000))]);
    let id = bench.snapshot(None).manifest;
    bench.library.retain(id).unwrap();
    damage(&bench);
    let repair_from = [(id, bench.source())];
    let dead = bench.folder.path().join("dead");
    write(&dead, &[("b", b"never read")]);
    let (monitor, hung, let_go) = hanging(true);
    let (library, monitor) = (&bench.library, &monitor);
    let cancel = AtomicBool::new(false);
    let verified: VerifyReport = thread::scope(|scope| {
        let request = SnapshotRequest { source: &dead, previous: None, cancel: &cancel };
        scope.spawn(move || library.snapshot(&request, monitor).unwrap());
        hung.recv().unwrap();
        let (report, verified) = channel();
        let repair_from = &repair_from;
        scope.spawn(move || report.send(library.verify(&VoidMonitor, repair_from).unwrap()).is_ok());
        let verified = verified.recv_timeout(WAITS);
        drop(let_go);
        verified.expect("verify waits for a snapshot that hangs")
    });
    assert!(verified.more && verified.found_damage() && !verified.is_whole(), "{verified:?}");

    let mended = bench.library.verify(&VoidMonitor, &repair_from).unwrap();
    assert!(mended.is_whole() && mended.found_damage(), "{mended:?}");
    assert_eq!(restore(&bench.library, id).unwrap(), support::tree(&bench.source()));
}

#[test]
fn a_repair_that_hangs_in_a_source_holds_up_no_snapshot() {
    let bench = Bench::new();
    write(&bench.source(), &[("a", &noise(1, 50_000))]);
    let id = bench.snapshot(None).manifest;
    bench.library.retain(id).unwrap();
    damage(&bench);
    assert!(!bench.library.verify(&VoidMonitor, &[]).unwrap().lost.is_empty());
    let other = bench.folder.path().join("other");
    write(&other, &[("b", b"read at once")]);
    let (monitor, hung, let_go) = hanging(false);
    let (library, monitor) = (&bench.library, &monitor);
    let repair_from = [(id, bench.source())];
    let (repaired, taken) = thread::scope(|scope| {
        let repair = scope.spawn(|| library.verify_objects(&[], monitor, &repair_from).unwrap());
        hung.recv().unwrap();
        let (done, taken) = channel();
        let other = &other;
        scope.spawn(move || done.send(snapshot(library, other, None).unwrap().files).is_ok());
        let taken = taken.recv_timeout(WAITS);
        drop(let_go);
        (repair.join().unwrap(), taken.expect("a snapshot waits for a repair that hangs"))
    });
    assert_eq!((taken, repaired.chunks_repaired), (1, 1), "{repaired:?}");
    assert_eq!(restore(&bench.library, id).unwrap(), support::tree(&bench.source()));
    assert!(fs::read_dir(bench.folder.path().join("work/staging")).unwrap().next().is_none());
}

#[test]
fn a_worker_that_panics_leaves_nobody_waiting() {
    let bench = Arc::new(Bench::new());
    write(&bench.source(), &[("a", b"one file: the other worker waits for what its reader may queue")]);
    let (done, panicked) = channel();
    let taker = bench.clone();
    // Not in a scope, which would wait for it.
    thread::spawn(move || {
        let (source, cancel) = (taker.source(), AtomicBool::new(false));
        let request = SnapshotRequest { source: &source, previous: None, cancel: &cancel };
        let taken = catch_unwind(AssertUnwindSafe(|| taker.library.snapshot(&request, &Panicking)));
        let _ = done.send(taken.is_err());
    });
    assert_eq!(panicked.recv_timeout(WAITS), Ok(true));
    let id = bench.snapshot(None).manifest;
    assert_eq!(restore(&bench.library, id).unwrap(), support::tree(&bench.source()));
    assert!(!bench.library.collect(Duration::ZERO, &VoidMonitor).unwrap().more, "nobody holds the lock");
}
