//! The damage matrix: every stored object x every kind of damage x every action. The rule: nothing panics,
//! nothing wrong is handed out, and what a source still has is whole again after a repair.

#![allow(clippy::unwrap_used, reason = "a test's helpers fail by panicking, as tests do")]

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use content::{ManifestId, VoidMonitor};
use support::{Bench, code, noise, objects, restore, tree, write};

type Damage = (&'static str, fn(&Path));

const DAMAGES: &[Damage] = &[
    ("missing", |path| fs::remove_file(path).unwrap()),
    ("empty", |path| fs::write(path, b"").unwrap()),
    ("cut in half", |path| {
        let bytes = fs::read(path).unwrap();
        fs::write(path, &bytes[..bytes.len() / 2]).unwrap();
    }),
    ("one byte short", |path| {
        let bytes = fs::read(path).unwrap();
        fs::write(path, &bytes[..bytes.len() - 1]).unwrap();
    }),
    ("first byte", |path| support::flip(path, 20.min(fs::read(path).unwrap().len() - 1))),
    ("middle byte", |path| support::flip(path, fs::read(path).unwrap().len() / 2)),
    ("last byte", |path| support::flip(path, fs::read(path).unwrap().len() - 1)),
    ("zeros", |path| fs::write(path, vec![0; fs::read(path).unwrap().len()]).unwrap()),
];

struct Case {
    bench: Bench,
    first: ManifestId,
    second: ManifestId,
}

/// Two versions, several files, a patch pack.
fn case() -> Case {
    let bench = Bench::new();
    write(
        &bench.source(),
        &[("a.sys", &code(1, 80_000)), ("b.cab", &noise(2, 30_000)), ("c/d.inf", b"[Version]")],
    );
    let first = bench.snapshot(None).manifest;
    bench.library.retain(first).unwrap();
    write(&bench.source(), &[("a.sys", &code(1, 79_000)), ("c/e.inf", b"[Strings]")]);
    let second = bench.snapshot(Some(first)).manifest;
    bench.library.retain(second).unwrap();
    Case { bench, first, second }
}

/// Damages one object of each kind in each way; `act` then gets the library opened again.
fn matrix(act: impl Fn(&str, Case)) {
    let mut fired = 0;
    let count = objects(&case().bench.objects()).len();
    for (name, damage) in DAMAGES {
        for at in 0..count {
            let Case { bench, first, second } = case();
            let mut victim = PathBuf::new();
            let bench = bench.reopen_after(|folder| {
                let root = folder.join("library");
                victim = objects(&root).into_keys().nth(at).unwrap();
                damage(&root.join(&victim));
                fired += 1;
            });
            act(&format!("{name}: {}", victim.display()), Case { bench, first, second });
        }
    }
    assert_eq!(fired, DAMAGES.len() * count);
    assert!(count >= 5, "two versions make full packs, a patch pack and two roots");
}

#[test]
fn reading_hands_out_the_right_bytes_or_an_error() {
    matrix(|what, case| {
        // The hash of every file is compared inside.
        if let Ok(files) = restore(&case.bench.library, case.second) {
            assert_eq!(files, tree(&case.bench.source()), "{what}");
        }
        let _ = case.bench.library.route(case.first);
        let _ = case.bench.library.stats().unwrap();
    });
}

#[test]
fn verify_repairs_from_the_source_and_other_copies() {
    matrix(|what, case| {
        let library = &case.bench.library;
        let source = [(case.second, case.bench.source())];
        let report = library.verify(&VoidMonitor, &source).unwrap();
        let known = library.ref_state(case.second).unwrap().is_some();
        let lost_second = report.lost.iter().any(|lost| lost.manifest == case.second);
        if known && !lost_second {
            assert_eq!(
                restore(library, case.second).unwrap(),
                tree(&case.bench.source()),
                "{what}: {report:?}"
            );
        }
        // After a refresh, whatever was lost, the current version is whole.
        let again = case.bench.snapshot(Some(case.first));
        assert_eq!(again.manifest, case.second, "{what}");
        library.verify(&VoidMonitor, &source).unwrap();
        let restored = restore(library, again.manifest);
        assert_eq!(restored.unwrap_or_default(), tree(&case.bench.source()), "{what}: {report:?}");
        let settled = library.verify(&VoidMonitor, &source).unwrap();
        assert_eq!(settled.packs_damaged, [], "{what}");
    });
}

#[test]
fn a_refresh_alone_repairs_what_the_source_still_has() {
    for changed in [false, true] {
        for is_verified in [false, true] {
            let case = case();
            let lose = |folder: &Path| fs::remove_dir_all(folder.join("library/packs")).unwrap();
            let bench = if is_verified {
                // Every pack is missing while the library is open.
                lose(case.bench.folder.path());
                case.bench
            } else {
                case.bench.reopen_after(lose)
            };
            if is_verified {
                assert!(!bench.library.verify(&VoidMonitor, &[]).unwrap().is_whole());
            }
            let _ = bench.library.route(case.second);
            if changed {
                write(&bench.source(), &[("c/f.inf", b"[More]")]);
            }
            let again = bench.snapshot(Some(case.second));
            assert_eq!(again.manifest == case.second, !changed);
            assert_eq!(restore(&bench.library, again.manifest).unwrap(), tree(&bench.source()));
            let mut received = support::Received::default();
            support::pull(&bench.library, again.manifest, &mut received, &mut Default::default());
        }
    }
}

#[test]
fn the_collector_never_makes_damage_worse() {
    matrix(|what, case| {
        let library = &case.bench.library;
        let before = restore(library, case.second).is_ok();
        case.bench.clock.advance(Duration::from_secs(10_000));
        let _ = library.collect(Duration::from_secs(60), &VoidMonitor);
        if before {
            assert_eq!(restore(library, case.second).unwrap(), tree(&case.bench.source()), "{what}");
        }
    });
}

#[test]
fn a_damaged_index_is_rebuilt() {
    for (name, damage) in DAMAGES {
        let Case { bench, second, .. } = case();
        let bench = bench.reopen_after(|folder| damage(&folder.join("work/index.redb")));
        assert_eq!(restore(&bench.library, second).unwrap(), tree(&bench.source()), "{name}");
        assert_eq!(bench.snapshot(None).manifest, second, "{name}");
    }
}

#[test]
fn an_index_damaged_anywhere_never_panics_or_lies() {
    let Case { bench, second, .. } = case();
    let size = fs::metadata(bench.index()).unwrap().len();
    let mut bench = bench;
    for step in 0..48 {
        let at = usize::try_from(size * step / 48).unwrap() + 7;
        bench = bench.reopen_after(|folder| {
            let path = folder.join("work/index.redb");
            if at < fs::read(&path).unwrap().len() {
                support::flip(&path, at);
            }
        });
        assert_eq!(restore(&bench.library, second).unwrap(), tree(&bench.source()), "byte {at}");
    }
}

#[test]
fn an_index_from_before_the_last_snapshot_catches_up() {
    let bench = Bench::new();
    write(&bench.source(), &[("a", &code(1, 50_000))]);
    let first = bench.snapshot(None).manifest;
    let saved = bench.folder.path().join("saved");
    let mut second = first;
    let bench = bench.reopen_after(|folder| {
        fs::copy(folder.join("work/index.redb"), &saved).unwrap();
        let clock = clock::ManualClock::new("2100-01-01T00:00:00Z".parse().unwrap());
        let library = support::open(folder, &clock);
        write(&folder.join("source"), &[("a", &code(1, 40_000))]);
        second = support::snapshot(&library, &folder.join("source"), Some(first)).unwrap().manifest;
        drop(library);
        fs::copy(&saved, folder.join("work/index.redb")).unwrap();
    });
    assert_ne!(first, second);
    assert_eq!(restore(&bench.library, second).unwrap(), tree(&bench.source()));
}
