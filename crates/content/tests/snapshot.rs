//! Snapshots: what they hold, what they refuse, what they do not read again.

#![allow(clippy::unwrap_used, reason = "a test's helpers fail by panicking, as tests do")]

mod support;

use std::collections::HashSet;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::AtomicBool;

use content::{Counter, Entry, Monitor, PathError, SnapshotError, SnapshotRequest};
use support::{Bench, Received, code, flip, noise, objects, pull, restore, set_modified, tree, write};

#[test]
fn what_goes_in_comes_out() {
    let bench = Bench::new();
    let large = code(1, 9 << 20);
    write(
        &bench.source(),
        &[
            ("a.inf", b"[Version]"),
            ("x64/Driver File.sys", &code(2, 70_000)),
            ("x64/empty.bin", b""),
            ("x64/one", b"1"),
            ("image.wim", &large),
            ("same.wim", &large),
            ("noise.cab", &noise(3, 5 << 20)),
            ("\u{fc}ml\u{e4}ut/\u{65e5}\u{672c}.inf", b"names"),
        ],
    );
    fs::create_dir_all(bench.source().join("empty/inner")).unwrap();
    set_modified(&bench.source().join("a.inf"), 1_234_567_890);
    let snapshot = bench.snapshot(None);
    assert_eq!((snapshot.files, snapshot.folders, snapshot.files_read), (8, 4, 8));
    assert_eq!(restore(&bench.library, snapshot.manifest).unwrap(), tree(&bench.source()));
    let manifest = bench.library.manifest(snapshot.manifest).unwrap();
    assert_eq!(snapshot.bytes, manifest.bytes());
    assert!(snapshot.new_chunk_bytes < snapshot.bytes, "the second copy of the image costs nothing");
    assert_eq!(snapshot.content_hash, manifest.content_hash().to_string().to_uppercase());
    let Entry::File(first) = &manifest.entries[0] else { panic!("{:?}", manifest.entries[0]) };
    assert_eq!((first.path.as_str(), first.modified), ("a.inf", 1_234_567_890_000_000_000));
    assert!(manifest.files().any(|file| file.chunks.len() > 4), "a large file is cut");
}

#[test]
fn an_unchanged_source_is_not_read_again() {
    let bench = Bench::new();
    write(&bench.source(), &[("a", b"one"), ("b/c", b"two")]);
    let first = bench.snapshot(None);
    let before = objects(&bench.objects());
    let second = bench.snapshot(Some(first.manifest));
    assert_eq!((second.files_read, second.new_chunk_bytes, second.stored_new_bytes), (0, 0, 0));
    assert_eq!((second.manifest, second.files, second.folders, second.bytes), (first.manifest, 2, 1, 6));
    assert_eq!(second.content_hash, first.content_hash);
    assert_eq!(objects(&bench.objects()), before);
}

#[test]
fn only_what_changed_is_read() {
    let bench = Bench::new();
    write(&bench.source(), &[("a", b"one"), ("b", b"two"), ("c", b"three")]);
    let first = bench.snapshot(None);
    // Same size and times, other bytes: the change time gives it away.
    let path = bench.source().join("b");
    let modified = fs::metadata(&path).unwrap().modified().unwrap();
    fs::write(&path, b"TWO").unwrap();
    fs::File::options().write(true).open(&path).unwrap().set_modified(modified).unwrap();
    fs::remove_file(bench.source().join("a")).unwrap();
    write(&bench.source(), &[("d", b"four")]);
    let second = bench.snapshot(Some(first.manifest));
    assert_eq!(second.files_read, 2);
    assert_eq!(restore(&bench.library, second.manifest).unwrap(), tree(&bench.source()));
    assert_eq!(restore(&bench.library, first.manifest).unwrap()["b"], b"two");
}

#[test]
fn times_too_young_to_tell_are_not_trusted() {
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("source");
    write(&source, &[("a", b"one")]);
    // The clock says the same second as the file's times.
    let clock = clock::ManualClock::new(
        jiff::Timestamp::try_from(fs::metadata(source.join("a")).unwrap().modified().unwrap()).unwrap(),
    );
    let library = support::open(folder.path(), &clock);
    let first = support::snapshot(&library, &source, None).unwrap();
    let second = support::snapshot(&library, &source, None).unwrap();
    assert_eq!((second.manifest, second.files_read), (first.manifest, 1));
    clock.advance(std::time::Duration::from_secs(10));
    assert_eq!(support::snapshot(&library, &source, None).unwrap().files_read, 1);
    assert_eq!(support::snapshot(&library, &source, None).unwrap().files_read, 0);
}

#[test]
fn bad_sources_are_refused_by_name() {
    type Prepare = fn(&Path);
    type Expect = fn(&SnapshotError) -> bool;
    let table: &[(&str, Prepare, Expect)] = &[
        ("missing", |s| fs::remove_dir(s).unwrap(), |e| matches!(e, SnapshotError::SourceMissing)),
        (
            "not a folder",
            |s| {
                fs::remove_dir(s).unwrap();
                fs::write(s, b"").unwrap();
            },
            |e| matches!(e, SnapshotError::SourceNotFolder),
        ),
        ("empty", |_| {}, |e| matches!(e, SnapshotError::SourceEmpty)),
        (
            "only folders",
            |s| fs::create_dir_all(s.join("a/b")).unwrap(),
            |e| matches!(e, SnapshotError::SourceEmpty),
        ),
        (
            "symbolic link",
            |s| symlink("/etc/passwd", s.join("x.sys")).unwrap(),
            |e| matches!(e, SnapshotError::NotAFile { path, kind: "symbolic link" } if path == "x.sys"),
        ),
        (
            "linked folder",
            |s| symlink("/etc", s.join("sub")).unwrap(),
            |e| matches!(e, SnapshotError::NotAFile { path, .. } if path == "sub"),
        ),
        (
            "pipe",
            |s| {
                fs::create_dir(s.join("d")).unwrap();
                rustix::fs::mknodat(
                    rustix::fs::CWD,
                    s.join("d/p"),
                    rustix::fs::FileType::Fifo,
                    rustix::fs::Mode::RUSR,
                    0,
                )
                .unwrap();
            },
            |e| matches!(e, SnapshotError::NotAFile { path, kind: "pipe" } if path == "d/p"),
        ),
        (
            "not UTF-8",
            |s| fs::write(s.join(std::ffi::OsStr::from_bytes(b"a\xff.inf")), b"").unwrap(),
            |e| {
                matches!(e, SnapshotError::Name { why: PathError::NotUtf8, .. })
                    && e.to_string().contains(".inf")
            },
        ),
        (
            "device name",
            |s| write(s, &[("d/aux.inf", b"x")]),
            |e| matches!(e, SnapshotError::Name { why: PathError::Device, folder, .. } if folder == "d"),
        ),
        (
            "stream name",
            |s| write(s, &[("a.sys:x", b"x")]),
            |e| matches!(e, SnapshotError::Name { why: PathError::Character(':'), .. }),
        ),
        (
            "case, other content",
            |s| write(s, &[("A.sys", b"1"), ("a.SYS", b"2")]),
            |e| matches!(e, SnapshotError::CaseConflict { first, second } if first == "A.sys" && second == "a.SYS"),
        ),
        (
            "case, file and folder",
            |s| write(s, &[("Bin/x", b"1"), ("bin", b"2")]),
            |e| matches!(e, SnapshotError::CaseConflict { .. }),
        ),
    ];
    for (name, prepare, expect) in table {
        let bench = Bench::new();
        prepare(&bench.source());
        let error = bench.try_snapshot(None).unwrap_err();
        assert!(expect(&error), "{name}: {error:?}");
        assert!(!error.to_string().contains(bench.folder.path().to_str().unwrap()), "{name}: {error}");
        assert_eq!(bench.library.stats().unwrap().deletable_manifests, 0, "{name}: nothing is published");
    }
}

#[test]
fn names_that_differ_only_in_case_are_reported_where_clients_see_one() {
    let bench = Bench::new();
    write(&bench.source(), &[("X64/a.sys", b"1"), ("x64/b.sys", b"2"), ("r.txt", b"3"), ("R.TXT", b"3")]);
    let first = bench.snapshot(None);
    let pairs: Vec<_> = first.warnings.iter().map(|w| (w.first.as_str(), w.second.as_str())).collect();
    assert_eq!(pairs, [("R.TXT", "r.txt"), ("X64", "x64")]);
    assert_eq!(bench.snapshot(None).warnings, first.warnings, "an unchanged source still has them");
}

/// Does something to the source when bytes are read from it.
struct Meddler<F: Fn(u64) + Send + Sync> {
    meddle: F,
    calls: Mutex<u64>,
}

impl<F: Fn(u64) + Send + Sync> Monitor for Meddler<F> {
    fn count(&self, counter: Counter, _by: u64) {
        if counter == Counter::BytesRead {
            let mut calls = self.calls.lock().unwrap();
            *calls += 1;
            (self.meddle)(*calls);
        }
    }

    fn error(&self, message: &str) {
        panic!("{message}");
    }
}

fn snapshot_while(
    bench: &Bench,
    meddle: impl Fn(u64) + Send + Sync,
) -> (Result<content::Snapshot, SnapshotError>, u64) {
    let source = bench.source();
    let cancel = AtomicBool::new(false);
    let monitor = Meddler { meddle, calls: Mutex::new(0) };
    let result = bench
        .library
        .snapshot(&SnapshotRequest { source: &source, previous: None, cancel: &cancel }, &monitor);
    (result, monitor.calls.into_inner().unwrap())
}

#[test]
fn a_source_that_changes_once_is_read_again() {
    let bench = Bench::new();
    write(&bench.source(), &[("a", b"one"), ("b", b"two")]);
    let source = bench.source();
    let (result, reads) = snapshot_while(&bench, |call| {
        if call == 1 {
            fs::write(source.join("a"), b"other").unwrap();
            fs::write(source.join("new"), b"new").unwrap();
            fs::remove_file(source.join("b")).ok();
        }
    });
    assert!(reads > 2, "the change was made and noticed");
    assert_eq!(restore(&bench.library, result.unwrap().manifest).unwrap(), tree(&bench.source()));
}

#[test]
fn a_source_that_never_stands_still_is_named() {
    let bench = Bench::new();
    write(&bench.source(), &[("still", b"one"), ("growing.log", b"two")]);
    let path = bench.source().join("growing.log");
    let (result, reads) = snapshot_while(&bench, |call| {
        fs::write(&path, vec![b'x'; usize::try_from(call).unwrap() + 10]).unwrap();
    });
    let error = result.unwrap_err();
    assert!(matches!(&error, SnapshotError::SourceChanging { path } if path == "growing.log"), "{error:?}");
    assert_eq!(error.code(), "source_changing");
    assert!(reads > 3, "it was tried several times");
    // When it stands still, the next attempt goes on with what was read.
    assert!(bench.try_snapshot(None).is_ok());
}

#[test]
fn a_cancelled_snapshot_publishes_nothing_and_the_next_goes_on() {
    let bench = Bench::new();
    write(&bench.source(), &[("large", &noise(1, 9 << 20))]);
    let source = bench.source();
    let cancel = AtomicBool::new(false);
    let monitor = Meddler {
        meddle: |call| cancel.store(call > 2, std::sync::atomic::Ordering::Relaxed),
        calls: Mutex::new(0),
    };
    let request = SnapshotRequest { source: &source, previous: None, cancel: &cancel };
    assert!(matches!(bench.library.snapshot(&request, &monitor), Err(SnapshotError::Cancelled)));
    let stats = bench.library.stats().unwrap();
    assert_eq!((stats.manifests, stats.deletable_manifests), (0, 0));
    let staging = bench.folder.path().join("work/staging");
    assert_eq!(fs::read_dir(staging).unwrap().count(), 0, "no partial pack is left");
    assert_eq!(restore(&bench.library, bench.snapshot(None).manifest).unwrap(), tree(&source));
}

#[test]
fn several_sources_at_once() {
    let bench = Bench::new();
    let sources: Vec<_> = (0..4).map(|i| bench.folder.path().join(format!("s{i}"))).collect();
    for (i, source) in (0..).zip(&sources) {
        write(source, &[("shared.dll", &code(7, 400_000)), ("own.sys", &code(100 + i, 200_000))]);
    }
    let snapshots = std::thread::scope(|scope| {
        let running: Vec<_> = sources
            .iter()
            .map(|s| scope.spawn(|| support::snapshot(&bench.library, s, None).unwrap()))
            .collect();
        running.into_iter().map(|thread| thread.join().unwrap()).collect::<Vec<_>>()
    });
    for (snapshot, source) in snapshots.iter().zip(&sources) {
        assert_eq!(restore(&bench.library, snapshot.manifest).unwrap(), tree(source));
    }
}

#[test]
fn a_small_change_costs_a_small_patch() {
    let bench = Bench::new();
    // A rebuilt binary, a large image with an insertion, a file only signed anew, a moved file.
    let (binary, image, signed) = (code(1, 300_000), code(2, 12 << 20), code(3, 60_000));
    write(
        &bench.source(),
        &[("a.sys", &binary), ("image.wim", &image), ("s.dll", &signed), ("old/m.bin", &code(4, 90_000))],
    );
    let first = bench.snapshot(None);
    let mut held = Received::default();
    let mut seen = HashSet::new();
    pull(&bench.library, first.manifest, &mut held, &mut seen);
    assert_eq!(held.patches, 0);

    let mut rebuilt = binary;
    for at in (0..rebuilt.len()).step_by(3000) {
        rebuilt[at] ^= 0x77;
    }
    let mut grown = image;
    grown.splice(1_000_000..1_000_000, noise(9, 5000));
    let mut resigned = signed;
    let tail = resigned.len() - 300;
    resigned[tail..].copy_from_slice(&noise(10, 300));
    write(
        &bench.source(),
        &[("a.sys", &rebuilt), ("image.wim", &grown), ("s.dll", &resigned), ("new/m2.bin", &code(4, 90_000))],
    );
    fs::remove_dir_all(bench.source().join("old")).unwrap();
    let second = bench.snapshot(Some(first.manifest));
    let mut update = Received { chunks: held.chunks, ..Received::default() };
    pull(&bench.library, second.manifest, &mut update, &mut seen);
    let bytes = update.payload_bytes + update.index_bytes;
    assert!(update.patches >= 4, "{} patches", update.patches);
    assert!(bytes < 12_000, "{bytes} bytes for the update");
    assert_eq!(restore(&bench.library, second.manifest).unwrap(), tree(&bench.source()));
}

#[test]
fn a_twin_under_another_name_serves_as_base() {
    let bench = Bench::new();
    let original = code(5, 40_000);
    for i in 0..20u8 {
        let mut clone = original.clone();
        clone[1000] = i;
        clone.splice(30_000..30_000, format!("device {i}").into_bytes());
        write(&bench.source(), &[(format!("d{i}/driver{i}.sys").as_str(), &clone)]);
    }
    let snapshot = bench.snapshot(None);
    let mut held = Received::default();
    pull(&bench.library, snapshot.manifest, &mut held, &mut HashSet::new());
    // How many are packed before the first can serve as a base depends on how the threads take turns.
    assert!(held.patches >= 8, "{} of 20 clones came as patches", held.patches);
}

#[test]
fn damage_to_a_copied_file_is_seen_by_its_times() {
    let bench = Bench::new();
    write(&bench.source(), &[("a", &noise(1, 1000))]);
    let first = bench.snapshot(None);
    flip(&bench.source().join("a"), 500);
    let second = bench.snapshot(Some(first.manifest));
    assert_ne!(first.manifest, second.manifest);
    assert_ne!(first.content_hash, second.content_hash);
}
