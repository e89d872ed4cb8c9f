//! Subfolders of a source: put there whole, read with every byte hashed, invisible while under way.

#![allow(clippy::unwrap_used, reason = "a test's helpers fail by panicking, as tests do")]

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use clock::ManualClock;
use content::tree::{STAGING_PREFIX, SourceRoot, Tree, TreeError};
use content::{
    ContentPath, Counter, CountingMonitor, FileHash, Library, LibraryOptions, MemoryStore, SnapshotRequest,
    VoidMonitor,
};

fn path(text: &str) -> ContentPath {
    ContentPath::new(text).unwrap()
}

fn put(root: &Path, name: &str, text: &str) {
    let file = root.join(name);
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    fs::write(file, text).unwrap();
}

/// Copies a folder as the site does: staged, synced, renamed.
fn copy(from: &Path, to: &Path, name: &str) -> Result<(), TreeError> {
    let (tree, root) = (Tree::open(from)?, SourceRoot::open(to)?);
    let staging = format!("{STAGING_PREFIX}{name}");
    let staged = root.stage(&staging)?;
    let listing = tree.list()?;
    for folder in &listing.folders {
        staged.add_folder(folder)?;
    }
    for file in &listing.files {
        staged.add_file(&file.path, file.modified, &mut tree.file(&file.path)?, &VoidMonitor)?;
    }
    root.sync()?;
    root.rename(&staging, name)
}

#[test]
fn a_copy_has_the_same_bytes_folders_and_times() {
    let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    put(from.path(), "net.inf", "inf");
    put(from.path(), "x64/deep/Driver File.sys", &"x".repeat(300_000));
    fs::create_dir(from.path().join("empty")).unwrap();
    let old = std::time::UNIX_EPOCH + std::time::Duration::new(1_000_000_000, 123_456_700);
    fs::File::options().append(true).open(from.path().join("net.inf")).unwrap().set_modified(old).unwrap();
    copy(from.path(), to.path(), "net_0123").unwrap();
    let copied = to.path().join("net_0123");
    assert_eq!(fs::metadata(copied.join("net.inf")).unwrap().modified().unwrap(), old);
    assert!(copied.join("empty").is_dir());
    let hashes = |at: &Path| Tree::open(at).unwrap().hash_all(&VoidMonitor).unwrap();
    assert_eq!(hashes(from.path()), hashes(&copied));
    let again = copy(from.path(), to.path(), "net_0123").unwrap_err();
    assert!(matches!(&again, TreeError::Exists { name } if name == "net_0123"), "{again}");
    // What is staged may be removed by name, whatever is in it; nothing is no error.
    let root = SourceRoot::open(to.path()).unwrap();
    assert_eq!(root.staged().unwrap(), [format!("{STAGING_PREFIX}net_0123")]);
    for _ in 0..2 {
        root.remove(&format!("{STAGING_PREFIX}net_0123")).unwrap();
        assert_eq!(root.staged().unwrap(), [""; 0]);
    }
}

#[test]
fn two_folders_have_each_others_names_at_once() {
    let to = tempfile::tempdir().unwrap();
    put(to.path(), "net/a.inf", "old");
    put(to.path(), ".haulier-staging-net.new/a.inf", "new");
    let root = SourceRoot::open(to.path()).unwrap();
    assert!(root.exchange(".haulier-staging-net.new", "net").unwrap());
    assert_eq!(fs::read_to_string(to.path().join("net/a.inf")).unwrap(), "new");
    assert_eq!(fs::read_to_string(to.path().join(".haulier-staging-net.new/a.inf")).unwrap(), "old");
    let missing = root.exchange(".haulier-staging-none", "net").unwrap_err();
    assert!(matches!(missing, TreeError::Unwritable { .. }), "{missing}");
}

#[test]
fn those_who_probe_at_once_leave_each_other_alone() {
    let to = tempfile::tempdir().unwrap();
    put(to.path(), ".haulier-staging-probe", "another's");
    let probe = || (0..50).all(|_| SourceRoot::open(to.path()).unwrap().probe().is_ok());
    std::thread::scope(|scope| {
        for other in [scope.spawn(probe), scope.spawn(probe)] {
            assert!(other.join().unwrap());
        }
    });
    assert_eq!(SourceRoot::open(to.path()).unwrap().staged().unwrap(), [".haulier-staging-probe"]);
}

#[test]
fn nothing_is_followed_out_of_a_folder() {
    let (from, to, outside) =
        (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    put(outside.path(), "secret", "secret");
    put(from.path(), "a.inf", "a");
    symlink(outside.path(), from.path().join("link")).unwrap();
    let refused = copy(from.path(), to.path(), "one").unwrap_err();
    assert!(
        matches!(&refused, TreeError::NotAFile { path, kind: "symbolic link" } if path == "link"),
        "{refused}"
    );
    let tree = Tree::open(from.path()).unwrap();
    assert!(tree.file(&path("link/secret")).is_err());
    assert_eq!(tree.hash(&path("link/secret"), &VoidMonitor).unwrap(), None);
    assert!(tree.subfolder(&path("link")).unwrap().is_none());
    // Removal unlinks, and looks at nothing behind a link.
    let root = SourceRoot::open(from.path()).unwrap();
    root.remove("link").unwrap();
    symlink(outside.path(), from.path().join("a link")).unwrap();
    fs::create_dir(from.path().join("gone")).unwrap();
    symlink(outside.path(), from.path().join("gone/inner")).unwrap();
    root.remove("gone").unwrap();
    assert!(outside.path().join("secret").is_file());
    assert!(!root.has_folder(&path("a link")).unwrap());
    // A staged folder does not write through a link that somebody put there meanwhile.
    let to = SourceRoot::open(to.path()).map(|root| (to, root)).unwrap();
    let staging = format!("{STAGING_PREFIX}two");
    let staged = to.1.stage(&staging).unwrap();
    symlink(outside.path(), to.0.path().join(&staging).join("sub")).unwrap();
    assert!(staged.add_file(&path("sub/new"), 0, &mut &b"x"[..], &VoidMonitor).is_err());
    assert!(!outside.path().join("new").exists());
}

#[test]
fn names_that_windows_cannot_hold_are_refused_by_name() {
    let from = tempfile::tempdir().unwrap();
    put(from.path(), "sub/what?.inf", "a");
    let refused = Tree::open(from.path()).unwrap().list().unwrap_err();
    assert!(
        matches!(&refused, TreeError::Name { folder, name, .. } if folder == "sub" && name == "what?.inf"),
        "{refused}"
    );
    for (at, expect) in [("none", "the folder does not exist"), ("sub/what?.inf", "it is not a folder")] {
        assert_eq!(Tree::open(&from.path().join(at)).unwrap_err().to_string(), expect);
        assert_eq!(SourceRoot::open(&from.path().join(at)).unwrap_err().to_string(), expect);
    }
}

#[test]
fn a_snapshot_passes_by_what_is_under_way() {
    let source = tempfile::tempdir().unwrap();
    put(source.path(), "a.inf", "a");
    put(source.path(), &format!("{STAGING_PREFIX}half/b.sys"), "half");
    put(source.path(), &format!("sub/{STAGING_PREFIX}half/b.sys"), "half");
    let work = tempfile::tempdir().unwrap();
    let clock = ManualClock::new("2026-01-01T00:00:00Z".parse().unwrap());
    let library =
        Library::open(Arc::new(MemoryStore::new()), work.path(), LibraryOptions::default(), clock).unwrap();
    let cancel = AtomicBool::new(false);
    let request = SnapshotRequest { source: source.path(), previous: None, cancel: &cancel };
    let snapshot = library.snapshot(&request, &VoidMonitor).unwrap();
    assert_eq!((snapshot.files, snapshot.folders), (1, 1));
}

#[test]
fn what_cannot_be_written_says_why() {
    if rustix::process::geteuid().is_root() {
        // Root may write everywhere; a file system that refuses root stands in.
        let refused = SourceRoot::open(Path::new("/proc/self")).unwrap().probe().unwrap_err();
        assert!(refused.is_write(), "{refused}");
        return;
    }
    let root = tempfile::tempdir().unwrap();
    fs::set_permissions(root.path(), fs::Permissions::from_mode(0o500)).unwrap();
    let refused = SourceRoot::open(root.path()).unwrap().probe().unwrap_err();
    assert!(matches!(refused, TreeError::ReadOnly { .. }), "{refused}");
}

#[test]
fn a_probe_leaves_nothing_and_empty_means_empty() {
    let folder = tempfile::tempdir().unwrap();
    let root = SourceRoot::open(folder.path()).unwrap();
    root.probe().unwrap();
    assert!(root.is_empty().unwrap());
    put(folder.path(), &format!("{STAGING_PREFIX}x/y"), "");
    assert!(root.is_empty().unwrap());
    put(folder.path(), "a", "");
    assert!(!root.is_empty().unwrap());
}

#[test]
fn every_byte_is_read_once() {
    let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    put(from.path(), "a", &"a".repeat(1000));
    put(from.path(), "b", &"b".repeat(200_000));
    let (tree, root) = (Tree::open(from.path()).unwrap(), SourceRoot::open(to.path()).unwrap());
    let monitor = CountingMonitor::new();
    let staged = root.stage(&format!("{STAGING_PREFIX}x")).unwrap();
    for file in tree.list().unwrap().files {
        let written =
            staged.add_file(&file.path, file.modified, &mut tree.file(&file.path).unwrap(), &monitor);
        let (size, hash) = written.unwrap();
        assert_eq!(
            (size, hash),
            (file.size, FileHash::of(&fs::read(from.path().join(file.path.as_str())).unwrap()))
        );
    }
    assert_eq!((monitor.value(Counter::BytesRead), monitor.value(Counter::FilesRead)), (201_000, 2));
}
