//! Adding and removing.

use std::process::Command;
use std::sync::mpsc;

use super::*;
use crate::package::source::SourcePath;
use crate::package_content::hold::Turn;
use crate::stage::{code, with_source};
use crate::{Actor, PackageChange, Role, SiteError};

/// A mounted tmpfs; unmounted on drop. `None` where the tests may not mount.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn mount(at: &Path, options: &str) -> Option<Self> {
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", options, "tmpfs"]).arg(at).output();
        mounted.is_ok_and(|out| out.status.success()).then(|| Self(at.to_owned()))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

on_both! {
    async fn a_driver_is_copied_whole_and_published(stage: &Stage) {
        let (one, two) = (driver(stage, "one").await, driver(stage, "two").await);
        let package = empty_package(stage, "pkg").await;
        add(stage, &package, &[&one], false).await;
        let root = stage.source("pkg", &[]);
        assert_eq!(tree(&root), copied(&one, "one"));
        assert_eq!(std::fs::read(root.join(&copied(&one, "one")[2])).unwrap(), b"code of one");
        let folder = copied(&one, "one")[0].clone();
        assert_eq!(contents(stage, &package).await, [(one.content_id, folder.clone(), 1)]);
        assert!(stage.site.is_content_valid(&package.package_id, one.content_id).await.unwrap());
        // Without a refresh nothing is asked of the site; the package's first snapshot was waiting for files anyway.
        add(stage, &package, &[&two], true).await;
        let published = publish(stage, &package).await;
        assert_eq!((published.stored_version, published.refresh_pending), (1, false));
        assert_eq!(contents(stage, &package).await.len(), 2);
        // What comes later is in a later version.
        let three = driver(stage, "three").await;
        add(stage, &package, &[&three], true).await;
        assert_eq!(publish(stage, &package).await.stored_version, 2);
        let versions: Vec<i64> = contents(stage, &package).await.into_iter().map(|(_, _, version)| version).collect();
        assert_eq!(versions, [1, 1, 2]);
        let route = stage.site.stored_manifest(&package.package_id, 2).await.unwrap();
        assert!(route.files().any(|file| file.path.as_str() == format!("{folder}/x64/Help Text.txt")));
        assert_eq!(stage.message_ids().await.iter().filter(|id| **id == 39020).count(), 3);
        // One file less is no longer the content.
        std::fs::remove_file(root.join(format!("{folder}/one.sys"))).unwrap();
        assert!(!stage.site.is_content_valid(&package.package_id, one.content_id).await.unwrap());
        assert_eq!(code(stage.site.is_content_valid(&package.package_id, 1).await), "content_not_in_package");
    }

    async fn two_infs_of_one_folder_are_one_content(stage: &Stage) {
        let one = driver(stage, "one").await;
        let root = stage.source("drivers/shared", &[]);
        for name in ["a", "b"] {
            write(&root.join(format!("{name}.inf")), &inf(name, &format!(r"PCI\{name}"), "01/02/2025,1.0"));
            write(&root.join(format!("{name}.sys")), name);
        }
        let a = import(stage, "drivers/shared", "a.inf", true).await;
        let b = import(stage, "drivers/shared", "b.inf", true).await;
        assert_eq!(a.content_id, b.content_id);
        let package = empty_package(stage, "pkg").await;
        let id = package.package_id.as_str();
        add(stage, &package, &[&a], false).await;
        publish(stage, &package).await;
        let refused = stage.site.add_driver_content(&admin(), id, &[b.content_id], &[r"\\srv\src\drivers\shared".to_owned()], false).await;
        let Err(SiteError::ContentInPackage { ref content_ids, added: 0, .. }) = refused else { panic!("{refused:?}") };
        assert_eq!(content_ids, &[b.content_id]);
        assert_eq!(SiteError::CONTENT_IN_PACKAGE, 1_078_462_229);
        // Of several the others are added, and a refresh that is asked for is queued: scripts take it for success.
        let mixed = stage.site.add_driver_content(&admin(), id, &[b.content_id, one.content_id], &[], true).await;
        assert!(matches!(mixed, Err(SiteError::ContentInPackage { added: 1, .. })), "{mixed:?}");
        assert!(stage.site.package(id).await.unwrap().refresh_pending);
        assert_eq!(contents(stage, &publish(stage, &package).await).await.len(), 2);
        // Nothing new and nothing owed: nothing is queued.
        let again = stage.site.add_driver_content(&admin(), id, &[one.content_id], &[], true).await;
        assert_eq!(code(again), "content_in_package");
        assert!(!stage.site.package(id).await.unwrap().refresh_pending);
        // Owed from before, for example by a script whose last call finds its content there.
        let two = driver(stage, "two").await;
        add(stage, &package, &[&two], false).await;
        assert!(!stage.site.package(id).await.unwrap().refresh_pending);
        let last = stage.site.add_driver_content(&admin(), id, &[two.content_id], &[], true).await;
        assert_eq!(code(last), "content_in_package");
        assert!(stage.site.package(id).await.unwrap().refresh_pending);
    }

    async fn what_cannot_be_added_leaves_nothing(stage: &Stage) {
        let (one, two) = (driver(stage, "one").await, driver(stage, "two").await);
        let package = empty_package(stage, "pkg").await;
        let id = package.package_id.as_str();
        let root = stage.source("pkg", &[]);
        let try_adding = async |ids: &[i64], paths: &[&str]| {
            let paths: Vec<String> = paths.iter().map(|path| (*path).to_owned()).collect();
            stage.site.add_driver_content(&admin(), id, ids, &paths, true).await.unwrap_err()
        };
        assert_eq!(try_adding(&[one.content_id, 99], &[]).await.code(), "content_not_found");
        assert_eq!(try_adding(&[one.content_id], &["a", "b"]).await.code(), "invalid_field");
        // The other driver's folder is changed: nothing of the first is left either.
        write(&stage.source("drivers/two", &[]).join("two.sys"), "other code");
        let changed = try_adding(&[one.content_id, two.content_id], &[]).await;
        assert_eq!(changed.code(), "driver_source_changed");
        assert!(changed.to_string().contains("Contoso two"), "{changed}");
        std::os::unix::fs::symlink("/etc/passwd", stage.source("drivers/two", &[]).join("link")).unwrap();
        let link = try_adding(&[two.content_id], &[]).await;
        assert_eq!(link.code(), "source_unusable");
        assert!(link.to_string().contains("symbolic link"), "{link}");
        std::fs::remove_dir_all(stage.source("drivers/two", &[])).unwrap();
        assert_eq!(try_adding(&[two.content_id], &[]).await.code(), "source_unusable");
        assert_eq!(tree(&root), [""; 0]);
        assert_eq!(contents(stage, &package).await, []);
        // Somebody else's folder of that name stays as it is.
        let folder = copied(&one, "one")[0].clone();
        write(&root.join(&folder).join("mine.txt"), "mine");
        assert_eq!(try_adding(&[one.content_id], &[]).await.code(), "source_unusable");
        assert_eq!(tree(&root), [folder.clone(), format!("{folder}/mine.txt")]);
        std::fs::remove_dir_all(root.join(&folder)).unwrap();
        // A given path that has other files is passed over for the driver's own.
        let path = r"\\srv\src\drivers".to_owned();
        stage.site.add_driver_content(&admin(), id, &[one.content_id], &[path], false).await.unwrap();
        assert_eq!(tree(&root), copied(&one, "one"));
        let reader = Actor::new("r", Role::Operator);
        assert_eq!(code(stage.site.add_driver_content(&reader, id, &[one.content_id], &[], true).await), "access_denied");
    }

    async fn a_content_is_removed_with_its_folder(stage: &Stage) {
        let (one, two) = (driver(stage, "one").await, driver(stage, "two").await);
        let package = empty_package(stage, "pkg").await;
        let id = package.package_id.as_str();
        add(stage, &package, &[&one, &two], true).await;
        publish(stage, &package).await;
        let missing = stage.site.remove_driver_content(&admin(), id, &[one.content_id, 99], true).await;
        assert_eq!(code(missing), "content_not_in_package");
        stage.site.remove_driver_content(&admin(), id, &[one.content_id], true).await.unwrap();
        let root = stage.source("pkg", &[]);
        assert_eq!(tree(&root), copied(&two, "two"));
        let after = publish(stage, &package).await;
        assert_eq!(after.stored_version, 2);
        assert_eq!(contents(stage, &package).await.len(), 1);
        // A folder that somebody deleted by hand is gone already.
        std::fs::remove_dir_all(root.join(&copied(&two, "two")[0])).unwrap();
        stage.site.remove_driver_content(&admin(), id, &[two.content_id], false).await.unwrap();
        assert_eq!(tree(&root), [""; 0]);
        assert!(!stage.site.package(id).await.unwrap().refresh_pending);
        // A driver that is deleted leaves its content in packages, and comes back to it.
        add(stage, &package, &[&two], false).await;
        stage.site.delete_driver(&admin(), two.ci_id).await.unwrap();
        assert_eq!(contents(stage, &package).await.len(), 1);
        let again = import(stage, "drivers/two", "two.inf", true).await;
        assert_eq!(again.content_id, two.content_id);
        stage.site.delete_driver(&admin(), again.ci_id).await.unwrap();
        stage.site.remove_driver_content(&admin(), id, &[two.content_id], false).await.unwrap();
        assert!(stage.site.known_contents(&[two.content_id], &site::Scopes::All).await.unwrap().is_empty());
    }

    async fn a_full_or_read_only_disk_is_named(stage: &Stage) {
        let one = driver(stage, "one").await;
        let big = stage.source("drivers/big", &[]);
        write(&big.join("big.inf"), &inf("big", r"PCI\BIG", "01/02/2025,1.0"));
        std::fs::write(big.join("big.sys"), vec![7; 4 << 20]).unwrap();
        let big = import(stage, "drivers/big", "big.inf", true).await;
        let package = empty_package(stage, "small").await;
        let id = package.package_id.as_str();
        let root = stage.source("small", &[]);
        let Some(disk) = SmallDisk::mount(&root, "size=1m") else {
            eprintln!("NOT RUN: a_full_or_read_only_disk_is_named: mounting is not allowed here");
            return;
        };
        let full = stage.site.add_driver_content(&admin(), id, &[one.content_id, big.content_id], &[], true).await;
        assert_eq!(code(full), "source_full");
        assert_eq!(tree(&root), [""; 0]);
        add(stage, &package, &[&one], false).await;
        let remounted = Command::new("mount").args(["-o", "remount,ro"]).arg(&root).status().unwrap();
        assert!(remounted.success());
        assert_eq!(code(stage.site.add_driver_content(&admin(), id, &[big.content_id], &[], true).await), "source_read_only");
        assert_eq!(code(stage.site.remove_driver_content(&admin(), id, &[one.content_id], true).await), "source_read_only");
        assert_eq!(contents(stage, &package).await.len(), 1);
        assert!(stage.site.is_content_valid(id, one.content_id).await.unwrap());
        drop(disk);
    }

    async fn a_dead_share_blocks_nobody(stage: &Stage) {
        let (one, two) = (driver(stage, "one").await, driver(stage, "two").await);
        let (dead, alive) = (empty_package(stage, "dead").await, empty_package(stage, "alive").await);
        let source = SourcePath::parse(r"\\srv\src\dead", &stage.options.shares).unwrap();
        // The folder is found, twice; then it hangs.
        let (hung, gate) = mpsc::channel::<()>();
        {
            let mut gates = stage.site.sources().gates.lock().unwrap();
            gates.push((source.clone(), mpsc::channel().1));
            gates.push((source.clone(), gate));
        }
        let adding = async {
            stage.site.add_driver_content(&admin(), &dead.package_id, &[one.content_id], &[], true).await.unwrap_err()
        };
        let advancing = async {
            while !stage.site.sources().gates.lock().unwrap().is_empty() {
                tokio::task::yield_now().await;
            }
            add(stage, &alive, &[&two], false).await;
            while !stage.site.sources().any_left() {
                stage.clock.advance(crate::package_content::hold::HEARTBEAT);
                tokio::task::yield_now().await;
            }
        };
        let (error, ()) = tokio::join!(adding, advancing);
        assert_eq!(error.code(), "source_unusable");
        assert!(error.to_string().contains("does not answer"), "{error}");
        assert_eq!(contents(stage, &alive).await.len(), 1);
        // Alive again.
        drop(hung);
        while stage.site.sources().any_left() {
            std::thread::yield_now();
        }
        add(stage, &dead, &[&one], false).await;
        assert_eq!(tree(&stage.source("dead", &[])), copied(&one, "one"));
    }

    async fn a_folder_that_was_there_is_not_added_by_a_call_that_failed(stage: &Stage) {
        let (one, two, three) = (driver(stage, "one").await, driver(stage, "two").await, driver(stage, "three").await);
        let package = empty_package(stage, "pkg").await;
        let id = package.package_id.as_str();
        let root = stage.source("pkg", &[]);
        // By hand, the same files; and in the other's place somebody else's.
        let by_hand = copied(&one, "one")[0].clone();
        write_driver(stage, &format!("pkg/{by_hand}"), "one", r"PCI\VEN_8086&DEV_one");
        write(&root.join(&copied(&three, "three")[0]).join("mine.txt"), "mine");
        let ids = [one.content_id, two.content_id, three.content_id];
        assert_eq!(code(stage.site.add_driver_content(&admin(), id, &ids, &[], true).await), "source_unusable");
        assert_eq!(stage.site.held_contents(id).await.unwrap(), []);
        stage.site.recover_contents(vec![id.to_owned()]).await.unwrap();
        assert_eq!(contents(stage, &package).await, []);
        assert!(root.join(&by_hand).join("one.sys").exists(), "it is not ours to delete");
        assert!(!root.join(&copied(&two, "two")[0]).exists());
        add(stage, &package, &[&one, &two], false).await;
        assert_eq!(contents(stage, &package).await.len(), 2);
    }

    async fn whoever_was_given_up_on_renames_nothing(stage: &Stage) {
        let one = driver(stage, "one").await;
        let package = empty_package(stage, "pkg").await;
        let (id, root) = (package.package_id.as_str(), stage.source("pkg", &[]));
        let source = SourcePath::parse(r"\\srv\src\pkg", &stage.options.shares).unwrap();
        // Looked at and cleaned, found again, copied into; then it hangs before the names are taken.
        let (hung, gate) = mpsc::channel::<()>();
        {
            let mut gates = stage.site.sources().gates.lock().unwrap();
            gates.extend((0..4).map(|_| (source.clone(), mpsc::channel().1)));
            gates.push((source.clone(), gate));
        }
        let adding = async {
            stage.site.add_driver_content(&admin(), id, &[one.content_id], &[], true).await.unwrap_err()
        };
        let advancing = async {
            while !stage.site.sources().gates.lock().unwrap().is_empty() {
                tokio::task::yield_now().await;
            }
            while !stage.site.sources().any_left() {
                stage.clock.advance(crate::package_content::hold::HEARTBEAT);
                tokio::task::yield_now().await;
            }
        };
        let (error, ()) = tokio::join!(adding, advancing);
        assert_eq!(error.code(), "source_unusable");
        let staged = crate::package_content::files::new_name(&copied(&one, "one")[0]);
        assert!(root.join(&staged).exists(), "it hung where it should");
        drop(hung);
        while stage.site.sources().any_running() {
            std::thread::yield_now();
        }
        assert!(root.join(&staged).exists() && !root.join(&copied(&one, "one")[0]).exists(), "{:?}", tree(&root));
        add(stage, &package, &[&one], false).await;
        assert_eq!(tree(&root), copied(&one, "one"));
    }

    async fn a_start_ends_the_claims_of_others_only(stage: &Stage) {
        let (a, b) = (empty_package(stage, "a").await, empty_package(stage, "b").await);
        let dead = stage.reopen().await;
        let left = dead.hold_contents(&a.package_id, Turn::Wait).await.unwrap();
        let own = stage.site.hold_contents(&b.package_id, Turn::Wait).await.unwrap();
        let ended = stage.site.end_holds_of(stage.site.server_id()).await.unwrap();
        assert_eq!(ended, std::slice::from_ref(&a.package_id));
        assert!(!dead.extend_hold(&left).await.unwrap());
        assert!(stage.site.extend_hold(&own).await.unwrap(), "accepted before the start was through");
        dead.close().await;
    }

    async fn one_operation_at_a_time(stage: &Stage) {
        let (one, two) = (driver(stage, "one").await, driver(stage, "two").await);
        let package = empty_package(stage, "pkg").await;
        let id = package.package_id.as_str();
        let (admin, none) = (admin(), Vec::new());
        let (first, second) = tokio::join!(
            stage.site.add_driver_content(&admin, id, std::slice::from_ref(&one.content_id), &none, true),
            stage.site.add_driver_content(&admin, id, std::slice::from_ref(&two.content_id), &none, true),
        );
        first.unwrap();
        second.unwrap();
        assert_eq!(contents(stage, &package).await.len(), 2);
        // Another server is at work: it is waited for by repeating the call, not by taking its place.
        let hold = stage.site.hold_contents(id, Turn::Wait).await.unwrap();
        let other = stage.reopen().await;
        let busy = other.remove_driver_content(&admin, id, std::slice::from_ref(&one.content_id), true).await;
        assert_eq!(code(busy), "busy");
        stage.clock.advance(crate::package_content::hold::CLAIM + std::time::Duration::from_secs(1));
        other.remove_driver_content(&admin, id, std::slice::from_ref(&one.content_id), true).await.unwrap();
        assert!(!stage.site.extend_hold(&hold).await.unwrap());
        other.close().await;
    }

    async fn a_package_of_another_site_is_locked(stage: &Stage) {
        let one = driver(stage, "one").await;
        let package = empty_package(stage, "pkg").await;
        let (site, id) = (&stage.site, package.package_id.as_str());
        for bad in ["", "P", "PS1X", "P 1", "ABC"] {
            assert_eq!(code(site.set_source_site(&admin(), id, bad).await), "invalid_field", "{bad:?}");
        }
        knows_site(stage, "XYZ").await;
        site.set_source_site(&admin(), id, "xyz").await.unwrap();
        assert_eq!(site.package(id).await.unwrap().source_site, "XYZ");
        // Of an owner that nobody knows any more; a known one would be asked for a refresh.
        stage.raw_sql("DELETE FROM site_node WHERE site_code = 'XYZ'".to_owned()).await;
        let change = PackageChange { name: Some("n".to_owned()), ..PackageChange::default() };
        for (what, got) in [
            ("add", code(site.add_driver_content(&admin(), id, &[one.content_id], &[], true).await)),
            ("remove", code(site.remove_driver_content(&admin(), id, &[one.content_id], true).await)),
            ("rebuild", code(site.rebuild_package(&admin(), id, None).await)),
            ("validate", code(site.validate_new_package_source(&admin(), id, r"\\srv\src\pkg").await)),
            ("put", code(site.update_package(&admin(), id, change.clone()).await)),
            ("refresh", code(site.refresh_package(&admin(), id).await)),
            ("delete", code(site.delete_package(&admin(), id).await)),
        ] {
            assert_eq!(got, "package_locked", "{what}");
        }
        site.unlock(&admin(), id).await.unwrap();
        site.unlock(&admin(), id).await.unwrap();
        add(stage, &package, &[&one], false).await;
        site.update_package(&admin(), id, change).await.unwrap();
        assert_eq!(stage.message_ids().await.iter().filter(|id| **id == 39025).count(), 2);
    }

    async fn a_package_without_a_source_takes_no_content(stage: &Stage) {
        let one = driver(stage, "one").await;
        let new = crate::NewPackage { pkg_source_flag: 1, pkg_source_path: String::new(), ..with_source("x") };
        let id = stage.site.create_package(&admin(), new).await.unwrap().package_id;
        assert_eq!(code(stage.site.add_driver_content(&admin(), &id, &[one.content_id], &[], true).await), "no_source");
        assert_eq!(code(stage.site.add_driver_content(&admin(), "PS1FFFFF", &[one.content_id], &[], true).await), "package_not_found");
    }
}
