//! From a library to libraries and distribution points by file.

use std::io::{Cursor, Write};
use std::sync::atomic::{AtomicBool, Ordering};

use clock::SystemClock;
use content::holder::Holder;
use content::prestage::{Label, Prestaged, StoreReader};
use content::{
    Counter, CountingMonitor, Library, LocalStore, ManifestId, Monitor, RefState, VoidMonitor, fold,
};

use crate::scene::{Child, publish};
use crate::support::{Bench, code, noise, restore, tree, write};

pub(crate) fn label(library: &Library, id: ManifestId, version: u32) -> Label {
    Label {
        package_id: "PS100001".to_owned(),
        name: "Intel Wi-Fi – x64".to_owned(),
        version,
        manifest: id,
        content_hash: library.root(id).unwrap().content_hash,
        source_site: "PS1".to_owned(),
        ownership_epoch: 1,
        signature: "not looked at here".to_owned(),
    }
}

pub(crate) fn export(library: &Library, id: ManifestId, version: u32) -> Vec<u8> {
    let mut file = Vec::new();
    let exported = library.export(&label(library, id, version), &mut file, &VoidMonitor).unwrap();
    assert_eq!(exported.bytes, file.len() as u64);
    file
}

fn opened(file: &[u8]) -> Prestaged<Cursor<&[u8]>> {
    Prestaged::open(Cursor::new(file), &VoidMonitor).unwrap()
}

fn assert_served(
    holder: &Holder,
    version: Option<u32>,
    source: &std::collections::BTreeMap<String, Vec<u8>>,
) {
    for (name, bytes) in source {
        let served = holder.lookup("PS100001", version, &fold(name)).unwrap().unwrap();
        assert!(std::fs::read(&served.path).unwrap() == *bytes, "{name}");
    }
}

/// Two versions with all that is special: a large file, an equal one, an empty one, an empty folder.
pub(crate) fn two_versions() -> (Bench, [ManifestId; 2]) {
    let parent = Bench::new();
    let source = parent.source();
    write(
        &source,
        &[
            ("net/a.sys", &code(1, 200_000)),
            ("net/b.cab", &noise(2, 90_000)),
            ("copy/b.cab", &noise(2, 90_000)),
            ("disk.img", &noise(3, 9 << 20)),
            ("empty.txt", b""),
        ],
    );
    std::fs::create_dir(source.join("none")).unwrap();
    let first = publish(&parent, None);
    write(&source, &[("net/a.sys", &code(1, 199_000)), ("net/c.inf", b"[Version]")]);
    let second = publish(&parent, Some(first));
    (parent, [first, second])
}

#[test]
fn a_library_takes_a_file_in_once_and_only_what_it_lacks() {
    let (parent, [first, second]) = two_versions();
    let child = Child::new();
    let file = export(&parent.library, first, 1);
    let mut prestaged = opened(&file);
    assert_eq!(*prestaged.label(), label(&parent.library, first, 1));
    let imported = child.library.import(&mut prestaged, &VoidMonitor).unwrap();
    assert!(!imported.already_held && imported.taken_bytes > 9 << 20);
    assert_eq!(imported.bytes, parent.library.root(first).unwrap().bytes);
    assert_eq!(restore(&child.library, first).unwrap(), restore(&parent.library, first).unwrap());
    assert_eq!(child.library.ref_state(first).unwrap(), Some(RefState::Present(1)));
    let again = child.library.import(&mut opened(&file), &VoidMonitor).unwrap();
    assert!(again.already_held && again.taken_bytes == 0);
    assert_eq!(child.library.ref_state(first).unwrap(), Some(RefState::Present(1)), "nothing was done");

    let monitor = CountingMonitor::new();
    let file = export(&parent.library, second, 2);
    let mut prestaged = Prestaged::open(Cursor::new(&file[..]), &monitor).unwrap();
    assert_eq!(monitor.value(Counter::BytesRead) + 32, file.len() as u64, "all of it was read");
    let imported = child.library.import(&mut prestaged, &monitor).unwrap();
    assert!(imported.taken_bytes < 200_000, "{} bytes for one changed file", imported.taken_bytes);
    assert_eq!(monitor.value(Counter::StoredBytes), imported.taken_bytes);
    assert_eq!(restore(&child.library, second).unwrap(), tree(&parent.source()));
    assert!(child.library.verify(&VoidMonitor, &[]).unwrap().is_whole());
}

#[test]
fn a_file_brings_back_what_a_library_lost() {
    let (parent, [first, _]) = two_versions();
    let file = export(&parent.library, first, 1);
    let child = Child::new();
    child.library.import(&mut opened(&file), &VoidMonitor).unwrap();
    std::fs::remove_dir_all(child.folder.path().join("library/packs")).unwrap();
    assert!(!child.library.verify(&VoidMonitor, &[]).unwrap().is_whole());
    let imported = child.library.import(&mut opened(&file), &VoidMonitor).unwrap();
    assert!(!imported.already_held);
    assert_eq!(restore(&child.library, first).unwrap(), restore(&parent.library, first).unwrap());
    assert_eq!(child.library.ref_state(first).unwrap(), Some(RefState::Present(1)), "retained as before");
}

#[test]
fn a_distribution_point_takes_any_version_in_and_activates_none() {
    let (parent, [first, second]) = two_versions();
    let old = restore(&parent.library, first).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let holder = Holder::open(folder.path(), SystemClock::shared()).unwrap();
    let newer = export(&parent.library, second, 2);
    let imported = holder.import(&mut opened(&newer), &VoidMonitor).unwrap();
    assert!(!imported.already_held && imported.taken_bytes > 0);
    assert_eq!(holder.current("PS100001").unwrap(), None, "nobody asked for it to be served");
    holder.activate("PS100001", 2).unwrap();
    assert_served(&holder, None, &tree(&parent.source()));

    let older = export(&parent.library, first, 1);
    let imported = holder.import(&mut opened(&older), &VoidMonitor).unwrap();
    assert!(imported.taken_bytes < 200_000, "{} bytes for one changed file", imported.taken_bytes);
    assert_eq!(holder.current("PS100001").unwrap(), Some(2));
    assert_served(&holder, None, &tree(&parent.source()));
    assert_served(&holder, Some(1), &old);
    for file in [&newer, &older] {
        assert!(holder.import(&mut opened(file), &VoidMonitor).unwrap().already_held);
    }
    // The same number with other content is nobody's to replace.
    let conflicting = export(&parent.library, first, 2);
    let error = holder.import(&mut opened(&conflicting), &VoidMonitor).unwrap_err();
    assert_eq!(error.code(), "version_conflict");
    // A damaged file is brought back.
    let served = holder.lookup("PS100001", None, &fold("disk.img")).unwrap().unwrap();
    std::fs::remove_file(&served.path).unwrap();
    holder.report_damaged(served.hash).unwrap();
    assert!(!holder.import(&mut opened(&newer), &VoidMonitor).unwrap().already_held);
    assert_served(&holder, None, &tree(&parent.source()));
}

#[test]
fn the_objects_alone_give_the_same_file_while_the_library_is_in_use() {
    let (parent, [first, second]) = two_versions();
    let store = LocalStore::open_to_read(&parent.objects());
    for (version, id) in [(1, first), (2, second)] {
        let label = label(&parent.library, id, version);
        let mut file = Vec::new();
        let reader = StoreReader::open(&store, id, &VoidMonitor).unwrap();
        reader.export(&label, &mut file, &VoidMonitor).unwrap();
        assert!(file == export(&parent.library, id, version));
    }
    let unknown = StoreReader::open(&store, ManifestId::from_bytes([7; 32]), &VoidMonitor).unwrap_err();
    assert_eq!(unknown.code(), "manifest_unknown");
    // Without the packs it says so, instead of writing half a version.
    std::fs::remove_dir_all(parent.objects().join("packs")).unwrap();
    std::fs::create_dir(parent.objects().join("packs")).unwrap();
    assert_eq!(StoreReader::open(&store, first, &VoidMonitor).unwrap_err().code(), "chunk_lost");
}

#[test]
fn a_library_with_a_rotten_full_copy_exports_what_its_patch_leads_to() {
    let (parent, [first, second]) = two_versions();
    let right = export(&parent.library, second, 2);
    // The pack with the full copies of the second version: not the patches, not the large first one.
    let packs = parent.objects().join("packs");
    let mut sizes: Vec<(u64, std::path::PathBuf)> =
        crate::support::objects(&packs).into_iter().map(|(path, bytes)| (bytes, packs.join(path))).collect();
    sizes.sort();
    let (_, middle) = sizes.iter().rev().nth(1).unwrap();
    crate::support::flip(middle, 5_000);
    let again = export(&parent.library, second, 2);
    let child = Child::new();
    child.library.import(&mut opened(&again), &VoidMonitor).unwrap();
    assert_eq!(restore(&child.library, second).unwrap(), tree(&parent.source()));
    assert!(again.len().abs_diff(right.len()) < 10_000);
    // With the base gone as well nothing is written that looks whole.
    for (_, pack) in &sizes {
        let size = usize::try_from(std::fs::metadata(pack).unwrap().len()).unwrap();
        std::fs::write(pack, vec![0; size]).unwrap();
    }
    let label = label(&parent.library, first, 1);
    let error = parent.library.export(&label, &mut Vec::new(), &VoidMonitor).unwrap_err();
    assert_eq!(error.code(), "chunk_lost");
}

/// A disk that is full after so many bytes.
struct Short(usize);

impl Write for Short {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        if self.0 == 0 {
            return Err(std::io::ErrorKind::StorageFull.into());
        }
        let now = bytes.len().min(self.0);
        self.0 -= now;
        Ok(now)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Cancels at once.
struct Cancel(AtomicBool);

impl Monitor for Cancel {
    fn count(&self, _counter: Counter, _by: u64) {}

    fn error(&self, _message: &str) {}

    fn cancelled(&self) -> bool {
        self.0.swap(true, Ordering::Relaxed)
    }
}

#[test]
fn failures_are_told_apart_and_leave_no_version() {
    let (parent, [first, _]) = two_versions();
    let library = &parent.library;
    let good = label(library, first, 1);
    let full = library.export(&good, &mut Short(100_000), &VoidMonitor).unwrap_err();
    assert_eq!(full.code(), "prestaged_write");
    let other_hash = Label { content_hash: content::FileHash::of(b"x"), ..good.clone() };
    let no_id = Label { package_id: "../PS1".to_owned(), ..good.clone() };
    for bad in [other_hash, no_id] {
        assert_eq!(
            library.export(&bad, &mut Vec::new(), &VoidMonitor).unwrap_err().code(),
            "prestaged_label"
        );
    }
    let unknown = Label { manifest: ManifestId::from_bytes([7; 32]), ..good.clone() };
    assert_eq!(
        library.export(&unknown, &mut Vec::new(), &VoidMonitor).unwrap_err().code(),
        "manifest_unknown"
    );
    let cancelled = library.export(&good, &mut Vec::new(), &Cancel(AtomicBool::new(true)));
    assert_eq!(cancelled.unwrap_err().code(), "cancelled");

    let file = export(library, first, 1);
    let cancelled = Prestaged::open(Cursor::new(&file), &Cancel(AtomicBool::new(true)));
    assert_eq!(cancelled.unwrap_err().code(), "cancelled");
    let child = Child::new();
    let cancelled = child.library.import(&mut opened(&file), &Cancel(AtomicBool::new(false)));
    assert_eq!(cancelled.unwrap_err().code(), "cancelled", "after the first range");
    assert_eq!(child.library.ref_state(first).unwrap(), None);
    let folder = tempfile::tempdir().unwrap();
    let holder = Holder::open(folder.path(), SystemClock::shared()).unwrap();
    let cancelled = holder.import(&mut opened(&file), &Cancel(AtomicBool::new(false)));
    assert_eq!(cancelled.unwrap_err().code(), "cancelled");
    assert_eq!(holder.versions().unwrap(), []);
    // What was taken before counts afterwards.
    let imported = holder.import(&mut opened(&file), &VoidMonitor).unwrap();
    assert!(!imported.already_held);
    assert_served(&holder, Some(1), &restore(library, first).unwrap());
}
