//! A folder as it is on disk: names, limits, links, and how often files are read.

use std::fs;

use driver::analysis::{Folder, FolderError, FolderLimits, analyze, find_infs};

use crate::rig::{Rig, inf, trust};

#[test]
fn names_are_found_in_any_case_with_either_separator() {
    let rig = Rig::new(&[("Sub/Größe.SYS", b"1"), ("sub-a.txt", b"2"), ("SUB0", b"3"), ("Sub/Deep/x", b"4")]);
    let folder = rig.folder();
    assert_eq!(folder.paths().collect::<Vec<_>>(), ["sub-a.txt", "Sub/Deep/x", "Sub/Größe.SYS", "SUB0"]);
    assert_eq!(folder.lookup("sub\\GRÖSSE.sys"), None);
    assert_eq!(folder.lookup("sub\\GRÖßE.sys"), Some("Sub/Größe.SYS"));
    let sub = folder.folder("SUB\\").unwrap();
    assert_eq!(sub.paths().collect::<Vec<_>>(), ["Deep/x", "Größe.SYS"]);
    assert_eq!(sub.lookup("DEEP/X"), Some("Deep/x"));
    assert_eq!(sub.folder("deep").unwrap().paths().collect::<Vec<_>>(), ["x"]);
    assert_eq!(sub.location(), rig.path().join("Sub/"));
    let (around, name) = folder.around("sub/deep/X").unwrap();
    assert_eq!((around.paths().len(), name.as_str()), (1, "x"));
    for outside in ["..", "../x", "none", "sub/none", "sub-a.txt"] {
        assert!(folder.folder(outside).is_none(), "{outside}");
    }
    assert!(sub.lookup("../sub-a.txt").is_none());
}

#[test]
fn what_windows_cannot_hold_is_told() {
    let rig = Rig::new(&[("a.inf", b"1"), ("A.INF", b"2"), ("nul.txt", b"3"), ("fine.txt", b"4")]);
    #[cfg(unix)]
    std::os::unix::fs::symlink("/etc/hostname", rig.path().join("link.inf")).unwrap();
    #[cfg(unix)]
    std::os::unix::fs::symlink("..", rig.path().join("up")).unwrap();
    let folder = rig.folder();
    assert_eq!(folder.paths().len(), 4, "links are left out");
    let findings = folder.diagnostics();
    let mut found: Vec<_> = findings.iter().map(|finding| (finding.code, finding.file.as_str())).collect();
    found.sort_unstable();
    assert_eq!(found, [("name_not_windows", "nul.txt"), ("name_twice", "a.inf")]);
    let left_out = folder.left_out();
    let left_out: Vec<_> = left_out.iter().map(|finding| (finding.code, finding.file.as_str())).collect();
    #[cfg(unix)]
    assert_eq!(left_out, [("link_skipped", "link.inf"), ("link_skipped", "up")]);
    assert_eq!(find_infs(&folder), ["A.INF", "a.inf"]);
    for name in ["A.INF", "a.inf"] {
        assert_eq!(folder.lookup(name), Some(name), "each has its own bytes");
    }
    assert_eq!(folder.lookup("A.inf"), Some("A.INF"));
    rig.write("sub/aux", b"5");
    let folder = rig.folder();
    assert_eq!(folder.diagnostics().len(), found.len() + 1);
    let [finding] = &folder.folder("sub").unwrap().diagnostics()[..] else {
        panic!("one lies in the sub-folder")
    };
    assert_eq!((finding.code, finding.file.as_str()), ("name_not_windows", "aux"));
}

/// A share where every name is there twice says so a bounded number of times.
#[test]
fn findings_about_names_are_counted() {
    let rig = Rig::new(&[]);
    (0..300).for_each(|n| ["a", "A"].iter().for_each(|name| rig.write(&format!("{name}{n}"), b"")));
    assert_eq!(rig.folder().diagnostics().len(), 200);
}

#[test]
fn a_link_that_takes_a_files_place_is_not_followed() {
    let rig = Rig::new(&[("a.txt", b"1")]);
    let folder = rig.folder();
    fs::remove_file(rig.path().join("a.txt")).unwrap();
    #[cfg(unix)]
    std::os::unix::fs::symlink("/etc/hostname", rig.path().join("a.txt")).unwrap();
    assert_eq!(folder.content().unwrap_err().win32(), 2);
}

/// Between scan and reading, somebody who may write to the folder has his chance.
#[cfg(unix)]
#[test]
fn nothing_outside_is_read_through_a_link_that_took_a_folders_place() {
    let outside = Rig::new(&[("a.txt", b"secret"), ("deep/a.txt", b"secret")]);
    let check = |swapped: &str| {
        let rig = Rig::new(&[("sub/a.txt", b"1"), ("sub/deep/a.txt", b"2")]);
        let folder = rig.folder();
        fs::rename(rig.path().join(swapped), rig.path().join("away")).unwrap();
        std::os::unix::fs::symlink(outside.path(), rig.path().join(swapped)).unwrap();
        assert_eq!(folder.digests("sub/deep/a.txt").unwrap_err().win32(), 2, "{swapped}");
    };
    check("sub");
    check("sub/deep");
    // The folder itself is held open: what is put in its place is not taken for it.
    let rig = Rig::new(&[("in/a.txt", b"1")]);
    let folder = Folder::scan(&rig.path().join("in"), &FolderLimits::default()).unwrap();
    fs::rename(rig.path().join("in"), rig.path().join("away")).unwrap();
    std::os::unix::fs::symlink(outside.path(), rig.path().join("in")).unwrap();
    assert_eq!(folder.digests("a.txt").unwrap().size_bytes, 1);
    // A pipe that nobody writes to makes nobody wait.
    let pipe = rig.path().join("away/a.txt");
    let folder = Folder::scan(&rig.path().join("away"), &FolderLimits::default()).unwrap();
    fs::remove_file(&pipe).unwrap();
    rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, rustix::fs::Mode::RWXU).unwrap();
    assert_eq!(folder.digests("a.txt").unwrap_err().win32(), 2);
}

#[test]
fn limits_are_kept() {
    let rig = Rig::new(&[("a/b/c/d", b"1"), ("e", b"2")]);
    let scan = |limits: FolderLimits| Folder::scan(rig.path(), &limits);
    let all = FolderLimits::default();
    assert_eq!(scan(FolderLimits { entries_max: 5, ..all }).unwrap().paths().len(), 2);
    let error = scan(FolderLimits { entries_max: 4, ..all }).unwrap_err();
    assert!(matches!(error, FolderError::TooManyEntries { limit: 4 }), "{error}");
    let error = Folder::scan(&rig.path().join("none"), &all).unwrap_err();
    assert!(matches!(error, FolderError::Unreadable { .. }), "{error}");
    let error = Folder::scan(&rig.path().join("e"), &all).unwrap_err();
    assert!(matches!(error, FolderError::NotAFolder), "{error}");
}

/// One bad folder: what lies in it or around it is no whole content, everything else is a driver as before.
#[test]
fn a_folder_that_cannot_be_read_stops_no_other() {
    let rig = Rig::new(&[("bad/net.sys", b"1"), ("good/net.sys", b"2"), ("good/a/b/x", b"3")]);
    for folder in ["bad", "good", "bad/sub"] {
        rig.write(&format!("{folder}/net.inf"), inf("").as_bytes());
    }
    let all = FolderLimits::default();
    let check = |limits: FolderLimits, left_out: &[(&str, &str)], usable: &[&str]| {
        let folder = Folder::scan(rig.path(), &limits).unwrap();
        let findings = folder.left_out();
        let found: Vec<_> = findings.iter().map(|finding| (finding.code, finding.file.as_str())).collect();
        assert_eq!(found, left_out);
        for inf in find_infs(&folder) {
            let (around, name) = folder.around(&inf).unwrap();
            let done = analyze(&around, &name, &trust());
            assert_eq!(done.is_ok(), usable.contains(&inf.as_str()), "{inf}: {done:?}");
            if let Err(error) = done {
                assert_eq!(error.win32(), 13);
                assert!(error.diagnostics().iter().any(|finding| finding.code == left_out[0].0), "{inf}");
            }
        }
    };
    check(all, &[], &["bad/net.inf", "bad/sub/net.inf", "good/net.inf"]);
    check(FolderLimits { depth_max: 3, ..all }, &[], &["bad/net.inf", "bad/sub/net.inf", "good/net.inf"]);
    let deep = [("folder_too_deep", "good/a/b/")];
    check(FolderLimits { depth_max: 2, ..all }, &deep, &["bad/net.inf", "bad/sub/net.inf"]);
    let long = [("path_too_long", "bad/sub/net.inf")];
    check(FolderLimits { path_bytes_max: 13, ..all }, &long, &["good/net.inf"]);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let locked = rig.path().join("bad/sub");
        fs::set_permissions(&locked, fs::Permissions::from_mode(0o000)).unwrap();
        if fs::read_dir(&locked).is_err() {
            check(all, &[("folder_unreadable", "bad/sub/")], &["good/net.inf"]);
        } else {
            // The superuser reads everything.
            check(all, &[], &["bad/net.inf", "bad/sub/net.inf", "good/net.inf"]);
        }
        fs::set_permissions(&locked, fs::Permissions::from_mode(0o700)).unwrap();
    }
}

#[cfg(unix)]
#[test]
fn a_content_with_a_link_is_no_whole_content() {
    let rig = Rig::signed(&inf(""));
    rig.write("sub/other.inf", inf("").as_bytes());
    rig.write("sub/net.sys", b"net driver");
    std::os::unix::fs::symlink("net.sys", rig.path().join("link")).unwrap();
    let folder = rig.folder();
    let error = analyze(&folder, "net.inf", &trust()).unwrap_err();
    let found = error.diagnostics().iter().find(|finding| finding.code == "link_skipped").unwrap();
    assert_eq!((error.win32(), found.file.as_str()), (13, "link"));
    assert!(analyze(&folder.folder("sub").unwrap(), "other.inf", &trust()).is_ok());
}

/// Several INF files, threads and sub-folders: every byte is hashed once.
#[test]
fn each_file_is_hashed_once() {
    let rig = Rig::signed(&inf(""));
    for number in 0..20 {
        rig.write(&format!("n{number}.inf"), inf("").as_bytes());
    }
    rig.write("sub/other.inf", inf("").as_bytes());
    rig.write("sub/net.sys", b"net driver");
    let folder = rig.folder();
    let sub = folder.folder("sub").unwrap();
    let total: u64 = folder.paths().map(|path| fs::metadata(rig.path().join(path)).unwrap().len()).sum();
    for _ in 0..2 {
        for inf in find_infs(&folder) {
            analyze(&folder, &inf, &trust()).unwrap();
        }
        analyze(&sub, "other.inf", &trust()).unwrap();
        assert_eq!(folder.bytes_hashed(), total);
        assert_eq!(sub.bytes_hashed(), total);
    }
    assert_eq!(folder.content().unwrap().bytes, total);
    let alone = Folder::scan(&rig.path().join("sub"), &FolderLimits::default()).unwrap();
    assert_eq!(sub.content().unwrap(), alone.content().unwrap(), "a view is the folder");
}

#[test]
fn threads_share_a_folder() {
    let rig = Rig::signed(&inf(""));
    (0..40).for_each(|number| rig.write(&format!("f{number}"), &[number; 1000]));
    let folder = rig.folder();
    let contents: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(|| folder.content().unwrap())).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert!(contents.windows(2).all(|pair| pair[0] == pair[1]));
    assert_eq!(contents[0], rig.folder().content().unwrap());
}
