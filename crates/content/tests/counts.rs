//! Speed by counting: what the library asks of the store, not how long it takes.

#![allow(clippy::unwrap_used, reason = "a test's helpers fail by panicking, as tests do")]

mod support;

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, OnceLock};

use clock::ManualClock;
use content::{ObjectKind, StoreError};
use support::recording::Recording;
use support::{code, noise, open_on, restore, set_modified, snapshot, tree, write};

fn clock() -> Arc<ManualClock> {
    ManualClock::new("2100-01-01T00:00:00Z".parse().unwrap())
}

fn many(source: &Path, files: u64) {
    for i in 0..files {
        write(
            source,
            &[(format!("d{}/f{i}.sys", i % 20).as_str(), &code(i, 2000 + usize::try_from(i).unwrap() % 500))],
        );
    }
}

#[test]
fn an_unchanged_snapshot_asks_nothing_of_the_store() {
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("source");
    many(&source, 300);
    let store = Recording::new(&folder.path().join("library"), |_, _| Ok(()));
    let library = open_on(store.clone(), folder.path(), &clock());
    assert_eq!(
        store.take(),
        [("list", ObjectKind::Pack), ("list", ObjectKind::Manifest)],
        "opening an empty library"
    );

    let first = snapshot(&library, &source, None).unwrap();
    let calls = store.take();
    let puts: Vec<_> = calls.iter().filter(|(call, _)| *call == "put").collect();
    assert!(puts.len() <= 3, "300 files make one pack, one of patches, one manifest: {puts:?}");

    let second = snapshot(&library, &source, Some(first.manifest)).unwrap();
    assert_eq!(second.manifest, first.manifest);
    assert_eq!(store.take(), [], "an unchanged source needs nothing from the store");
}

#[test]
fn one_changed_file_costs_two_packs_and_a_root() {
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("source");
    many(&source, 300);
    let store = Recording::new(&folder.path().join("library"), |_, _| Ok(()));
    let library = open_on(store.clone(), folder.path(), &clock());
    let first = snapshot(&library, &source, None).unwrap();
    store.take();
    write(&source, &[("d1/f1.sys", &code(1, 2001)[..1990])]);
    let second = snapshot(&library, &source, Some(first.manifest)).unwrap();
    assert_eq!(second.files_read, 1);
    let calls = store.take();
    let of = |wanted: &str| calls.iter().filter(|(call, _)| *call == wanted).count();
    assert_eq!((of("put"), of("delete"), of("list")), (3, 0, 0));
    assert!(of("read") < 30, "the manifest and a base or two: {} reads", of("read"));
}

#[test]
fn a_route_is_found_once() {
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("source");
    many(&source, 50);
    let store = Recording::new(&folder.path().join("library"), |_, _| Ok(()));
    let library = open_on(store.clone(), folder.path(), &clock());
    let id = snapshot(&library, &source, None).unwrap().manifest;
    let route = library.route(id).unwrap();
    store.take();
    for _ in 0..1000 {
        assert_eq!(library.route(id).unwrap(), route);
    }
    assert_eq!(store.take(), []);
}

#[test]
fn a_route_is_found_once_for_all_who_ask_at_once() {
    const ASKING: usize = 8;
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("source");
    many(&source, 50);
    let asked = Arc::new((Mutex::new(0), Condvar::new()));
    let seen = asked.clone();
    let store = Recording::new(&folder.path().join("library"), move |_, call| {
        // Whoever reads first stands until all have come.
        let (count, all) = &*seen;
        let count = count.lock().unwrap();
        if call == "read" && *count > 0 {
            drop(all.wait_while(count, |count| *count < ASKING).unwrap());
        }
        Ok(())
    });
    let library = open_on(store.clone(), folder.path(), &clock());
    let id = snapshot(&library, &source, None).unwrap().manifest;
    store.take();
    library.manifest(id).unwrap();
    let reads = store.take().len();
    std::thread::scope(|scope| {
        for _ in 0..ASKING {
            scope.spawn(|| {
                *asked.0.lock().unwrap() += 1;
                asked.1.notify_all();
                library.route(id).unwrap()
            });
        }
    });
    assert_eq!(store.take().len(), reads, "one of them reads the manifest");

    let other = folder.path().join("other");
    write(&other, &[("b.sys", b"another package")]);
    snapshot(&library, &other, None).unwrap();
    store.take();
    library.route(id).unwrap();
    assert_eq!(store.take(), [], "another package's version makes no route wrong");
}

/// Copies what a power cut would leave at this moment.
fn copy(from: &Path, to: &Path) {
    for (path, _) in support::objects(from) {
        let target = to.join(&path);
        std::fs::create_dir_all(target.parent().unwrap()).unwrap();
        std::fs::copy(from.join(&path), target).unwrap();
    }
}

#[test]
fn killed_before_any_call_to_the_store_nothing_published_is_lost() {
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("source");
    let images = folder.path().join("images");
    let live = folder.path().join("live");
    many(&source, 40);
    write(&source, &[("big.bin", &noise(5, 6 << 20))]);
    let (from, to) = (live.clone(), images.clone());
    let store = Recording::new(&live.join("library"), move |count, call| {
        if matches!(call, "put" | "delete") {
            copy(&from, &to.join(format!("{count:04}-{call}")));
        }
        Ok(())
    });
    let library = open_on(store, &live, &clock());
    let first = snapshot(&library, &source, None).unwrap();
    library.retain(first.manifest).unwrap();
    let old = tree(&source);
    write(&source, &[("d1/f1.sys", b"other"), ("big.bin", &noise(6, 6 << 20))]);
    let second = snapshot(&library, &source, Some(first.manifest)).unwrap();
    library.retain(second.manifest).unwrap();
    library.release(first.manifest).unwrap();
    library.collect(std::time::Duration::ZERO, &content::VoidMonitor).unwrap();
    let new = tree(&source);
    drop(library);

    let mut tried = 0;
    for image in std::fs::read_dir(&images).unwrap() {
        let image = image.unwrap().path();
        let library = support::open(&image, &clock());
        for (id, files) in [(first.manifest, &old), (second.manifest, &new)] {
            match library.ref_state(id).unwrap() {
                Some(_) => assert_eq!(restore(&library, id).unwrap(), *files, "{image:?}"),
                None => assert!(library.manifest(id).is_err()),
            }
        }
        let again = snapshot(&library, &source, None).unwrap();
        assert_eq!(again.manifest, second.manifest, "{image:?}");
        assert_eq!(restore(&library, again.manifest).unwrap(), new, "{image:?}");
        assert!(library.verify(&content::VoidMonitor, &[]).unwrap().is_whole(), "{image:?}");
        tried += 1;
    }
    assert!(tried >= 7, "{tried} moments were tried");
}

#[test]
fn a_full_disk_publishes_nothing_and_gives_back_what_it_took() {
    for failing_put in 1..=4 {
        let folder = tempfile::tempdir().unwrap();
        let source = folder.path().join("source");
        // More than one pack, so that some are in the store when the disk fills.
        write(
            &source,
            &[("a.cab", &noise(1, 40 << 20)), ("b.sys", &code(2, 100_000)), ("c.sys", &code(2, 100_100))],
        );
        let puts = Arc::new(Mutex::new(0));
        let counted = puts.clone();
        let store = Recording::new(&folder.path().join("library"), move |_, call| {
            let mut puts = counted.lock().unwrap();
            *puts += i32::from(call == "put");
            if call == "put" && *puts == failing_put { Err(StoreError::NoSpace) } else { Ok(()) }
        });
        let library = open_on(store, folder.path(), &clock());
        let error = snapshot(&library, &source, None).unwrap_err();
        assert!(matches!(error, content::SnapshotError::NoSpace), "put {failing_put}: {error:?}");
        assert!(*puts.lock().unwrap() >= failing_put, "the fault fired");
        assert_eq!(
            support::objects(&folder.path().join("library")).len(),
            0,
            "put {failing_put}: nothing is left"
        );
        assert_eq!(support::objects(&folder.path().join("work/staging")).len(), 0, "put {failing_put}");
        assert_eq!(library.stats().unwrap().packs, 0);
        // There is room again.
        let snapshot = snapshot(&library, &source, None).unwrap();
        assert_eq!(restore(&library, snapshot.manifest).unwrap(), tree(&source));
    }
}

#[test]
fn room_given_back_takes_no_pack_from_a_snapshot_of_an_equal_source() {
    let folder = tempfile::tempdir().unwrap();
    let [first, second] = ["first", "second"].map(|name| folder.path().join(name));
    for source in [&first, &second] {
        write(source, &[("a.cab", &noise(1, 50_000))]);
        set_modified(&source.join("a.cab"), 1_234_567_890);
    }
    let library: Arc<OnceLock<content::Library>> = Arc::default();
    let (between, puts) = (library.clone(), AtomicUsize::new(0));
    let store = Recording::new(&folder.path().join("library"), move |_, call| {
        if call != "put" {
            return Ok(());
        }
        match puts.fetch_add(1, Ordering::Relaxed) + 1 {
            // The first snapshot's pack is in the store, and its root is next: the second one comes between.
            2 => {
                let failed = snapshot(between.get().unwrap(), &second, None);
                assert!(matches!(failed, Err(content::SnapshotError::NoSpace)), "{failed:?}");
                Ok(())
            }
            // The second one's root, after the same pack.
            4 => Err(StoreError::NoSpace),
            _ => Ok(()),
        }
    });
    let library = library.get_or_init(|| open_on(store.clone(), folder.path(), &clock()));
    let id = snapshot(library, &first, None).unwrap().manifest;
    assert_eq!(store.take().iter().filter(|(call, _)| *call == "put").count(), 4, "the fault fired");
    assert_eq!(restore(library, id).unwrap(), tree(&first));
}

#[test]
fn a_pack_that_cannot_be_read_stops_the_rewriting_of_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let sources = ["first", "second"].map(|name| folder.path().join(name));
    // The read that fails, counted down.
    let failing = Arc::new(AtomicUsize::new(0));
    let (armed, fired) = (failing.clone(), Arc::new(AtomicUsize::new(0)));
    let noted = fired.clone();
    let store = Recording::new(&folder.path().join("library"), move |_, call| {
        if call == "read" && armed.load(Ordering::Relaxed) > 0 && armed.fetch_sub(1, Ordering::Relaxed) == 1 {
            noted.fetch_add(1, Ordering::Relaxed);
            let source = std::io::Error::other("bad sector");
            return Err(StoreError::Io { what: "a pack".to_owned(), source });
        }
        Ok(())
    });
    let clock = clock();
    let library = open_on(store.clone(), folder.path(), &clock);
    let mut kept = Vec::new();
    for (seed, source) in (10..).step_by(10).zip(&sources) {
        write(source, &[("keep", &noise(seed, 50_000)), ("go", &noise(seed + 1, 900_000))]);
        let before = snapshot(&library, source, None).unwrap().manifest;
        std::fs::remove_file(source.join("go")).unwrap();
        kept.push(snapshot(&library, source, Some(before)).unwrap().manifest);
        library.retain(*kept.last().unwrap()).unwrap();
    }
    let grace = std::time::Duration::from_secs(3600);
    clock.advance(grace);
    // The collector reads the manifests, then footer and index of each pack, then what lives in sparse packs.
    store.take();
    for id in &kept {
        library.manifest(*id).unwrap();
    }
    let packs = usize::try_from(library.stats().unwrap().packs).unwrap();
    failing.store(store.take().len() + 2 * packs + 1, Ordering::Relaxed);
    let monitor = content::CountingMonitor::new();
    let report = library.collect(grace, &monitor).unwrap();
    assert_eq!(fired.load(Ordering::Relaxed), 1, "the fault fired");
    assert_eq!((report.packs_rewritten, monitor.errors().len()), (1, 1), "{report:?} {:?}", monitor.errors());
    assert_eq!(library.collect(grace, &monitor).unwrap().packs_rewritten, 1, "the other one next time");
    for (id, source) in kept.iter().zip(&sources) {
        assert_eq!(restore(&library, *id).unwrap(), tree(source));
    }
}

#[test]
fn a_snapshot_keeps_no_descriptor_for_a_pack_in_the_store() {
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("source");
    for i in 0..40 {
        write(&source, &[(format!("{i}.cab").as_str(), &noise(i, 2 << 20))]);
    }
    let packs = folder.path().join("library/packs");
    let (open_max, seen) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (noted, puts) = (open_max.clone(), seen.clone());
    let store = Recording::new(&folder.path().join("library"), move |_, call| {
        if call == "put" {
            // Other tests of this process have other folders.
            let open = std::fs::read_dir("/proc/self/fd").unwrap();
            let files = open.filter_map(|fd| std::fs::read_link(fd.ok()?.path()).ok());
            noted.fetch_max(files.filter(|file| file.starts_with(&packs)).count(), Ordering::Relaxed);
            puts.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    });
    let library = open_on(store, folder.path(), &clock());
    let id = snapshot(&library, &source, None).unwrap().manifest;
    assert!(seen.load(Ordering::Relaxed) >= 4, "three packs and a root");
    // A store that another thread writes to has the folder of the new name open for a moment.
    assert!(open_max.load(Ordering::Relaxed) <= 1, "{open_max:?} packs are open");
    assert_eq!(restore(&library, id).unwrap(), tree(&source));
}
