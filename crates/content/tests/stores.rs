//! The contract of an object store, run on every implementation.

#![allow(clippy::unwrap_used, reason = "a test's helpers fail by panicking, as tests do")]

use std::fs;
use std::path::Path;

use content::{
    LocalStore, ManifestId, MemoryStore, ObjectInfo, ObjectKey, ObjectKind, ObjectStore, PackId, StoreError,
};

fn pack(name: &str) -> ObjectKey {
    ObjectKey::Pack(PackId::of(name.as_bytes()))
}

fn manifest(name: &str) -> ObjectKey {
    ObjectKey::Manifest(ManifestId::of(name.as_bytes()))
}

fn list(store: &dyn ObjectStore, kind: ObjectKind) -> Vec<ObjectInfo> {
    let mut found = Vec::new();
    store.list(kind, &mut |object| found.push(object)).unwrap();
    found.sort();
    found
}

fn contract(store: &dyn ObjectStore, folder: &Path) {
    let a = pack("a");
    assert_eq!(store.size(a).unwrap(), None);
    assert!(matches!(store.read(a, 0..1), Err(StoreError::NotFound { key }) if key == a));
    store.delete(a).unwrap();

    store.put_bytes(a, b"0123456789").unwrap();
    assert_eq!(store.size(a).unwrap(), Some(10));
    assert_eq!(store.read(a, 0..10).unwrap(), b"0123456789");
    assert_eq!(store.read(a, 3..5).unwrap(), b"34");
    assert_eq!(store.read(a, 10..10).unwrap(), b"");
    let reversed = std::ops::Range { start: 5, end: 3 };
    for beyond in [0..11, 10..11, 100..200, u64::MAX - 1..u64::MAX, reversed] {
        let refused = store.read(a, beyond.clone());
        assert!(matches!(refused, Err(StoreError::OutOfRange { .. })), "{beyond:?}");
    }

    // A kind is a name space of its own.
    let twin = ObjectKey::Manifest(ManifestId::from_bytes(*PackId::of(b"a").as_bytes()));
    assert_eq!(store.size(twin).unwrap(), None);
    store.put_bytes(manifest("m"), b"").unwrap();
    assert_eq!(list(store, ObjectKind::Manifest), [ObjectInfo { key: manifest("m"), bytes: 0 }]);

    let file = folder.join("file");
    fs::write(&file, b"from a file").unwrap();
    store.put_file(pack("b"), &file).unwrap();
    assert_eq!(store.read(pack("b"), 0..11).unwrap(), b"from a file");
    assert!(store.put_file(pack("c"), &folder.join("none")).is_err());
    assert_eq!(store.size(pack("c")).unwrap(), None);

    // Put again replaces: that is how a damaged object is mended.
    store.put_bytes(a, b"again").unwrap();
    assert_eq!(store.read(a, 0..5).unwrap(), b"again");
    let mut expect = [ObjectInfo { key: a, bytes: 5 }, ObjectInfo { key: pack("b"), bytes: 11 }];
    expect.sort();
    assert_eq!(list(store, ObjectKind::Pack), expect);

    if let Some(path) = store.local_path(a) {
        assert_eq!(fs::read(path).unwrap(), b"again");
    }
    store.delete(a).unwrap();
    store.delete(a).unwrap();
    assert_eq!(store.size(a).unwrap(), None);
    assert_eq!(list(store, ObjectKind::Pack).len(), 1);
}

#[test]
fn memory_keeps_the_contract() {
    let folder = tempfile::tempdir().unwrap();
    contract(&MemoryStore::new(), folder.path());
}

#[test]
fn local_keeps_the_contract() {
    let folder = tempfile::tempdir().unwrap();
    contract(&LocalStore::open(&folder.path().join("store")).unwrap(), folder.path());
}

#[test]
fn local_takes_files_from_another_file_system() {
    let (Ok(other), Ok(folder)) = (tempfile::tempdir_in("/dev/shm"), tempfile::tempdir()) else { return };
    let store = LocalStore::open(folder.path()).unwrap();
    let file = other.path().join("file");
    fs::write(&file, b"far away").unwrap();
    store.put_file(pack("far"), &file).unwrap();
    assert_eq!(store.read(pack("far"), 0..8).unwrap(), b"far away");
}

#[test]
fn local_forgets_what_a_crash_left_aside_and_passes_foreign_names_over() {
    let folder = tempfile::tempdir().unwrap();
    drop(LocalStore::open(folder.path()).unwrap());
    fs::write(folder.path().join("incoming/7"), b"half").unwrap();
    fs::create_dir_all(folder.path().join("packs/zz")).unwrap();
    fs::write(folder.path().join("packs/zz/readme.txt"), b"not ours").unwrap();
    let store = LocalStore::open(folder.path()).unwrap();
    assert!(!folder.path().join("incoming/7").exists());
    assert_eq!(list(&store, ObjectKind::Pack), []);
}
