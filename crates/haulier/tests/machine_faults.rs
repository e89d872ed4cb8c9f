//! Machines that fail below a real process: a disk whose writes or reads return errors, and clocks that jump. Each fault is seen to
//! have fired before the recovery is judged.
#![allow(clippy::unwrap_used, reason = "a fixture that cannot be made fails its test")]

use std::path::{Path, PathBuf};
use std::process::Stdio;

use processes::faketime::FakeClock;
use processes::{Hierarchy, fetch, wait_until};
use tokio::process::{Child, Command};

mod processes;

/// Bytes that neither compress nor repeat.
fn noise(seed: u64) -> Vec<u8> {
    samples::Rng::new(seed).bytes(3_000_000)
}

fn write(source: &Path, version: u64) {
    std::fs::create_dir_all(source).unwrap();
    std::fs::write(source.join("a.sys"), noise(version)).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_that_returns_errors_serves_nothing_wrong_and_is_used_again_when_it_is_well() {
    let Some(disk) = FailingDisk::mount("pwrite").await else {
        eprintln!(
            "NOT RUN: a_disk_that_returns_errors: needs root, /dev/fuse, a loop device, nbdkit and nbdfuse"
        );
        return;
    };
    let mut hierarchy = Hierarchy::start(1).await;
    hierarchy.add_point_in("dp2.example.test", &disk.folder().join("dp2")).await;
    let source = hierarchy.folder.path().join("source");
    write(&source, 1);
    let id = hierarchy.create_package("On a bad disk", &source).await;
    hierarchy.distribute(&id).await;
    hierarchy.wait_for_version(&id, 1).await;

    disk.fail(true);
    write(&source, 2);
    hierarchy.text(&["package", "refresh", &id]).await;
    let sick = hierarchy.points[1].name.clone();
    let states = hierarchy
        .wait_for_states(&id, |states| {
            let of = |name: &str| states.iter().find(|state| state["ServerName"] == name).unwrap();
            let well = of(&hierarchy.points[0].name);
            let has_failed = of(&sick)["FaultCode"].as_str().is_some_and(|code| !code.is_empty());
            has_failed && well["InstalledVersion"] == 2
        })
        .await;
    let state = states.iter().find(|state| state["ServerName"] == sick.as_str()).unwrap();
    assert_eq!(state["InstalledVersion"], 1, "the fault fired: {state}");
    assert_ne!(state["FaultText"], "", "and is told: {state}");
    let served = fetch(&hierarchy.points[1].address, &format!("{id}/a.sys")).await;
    assert!(served.is_none_or(|bytes| bytes == noise(1)), "the old version or none");

    // The file system may have gone read-only for good, as after any such fault: the administrator mends the disk and
    // starts the distribution point again.
    hierarchy.points[1].kill().await;
    disk.fail(false);
    disk.remount().await;
    hierarchy.points[1].start().await;
    hierarchy.wait_for_version(&id, 2).await;
    assert!(fetch(&hierarchy.points[1].address, &format!("{id}/a.sys")).await == Some(noise(2)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_that_cannot_be_read_is_told_and_mended_by_a_validation() {
    let Some(disk) = FailingDisk::mount("pread").await else {
        eprintln!(
            "NOT RUN: a_disk_that_cannot_be_read: needs root, /dev/fuse, a loop device, nbdkit and nbdfuse"
        );
        return;
    };
    let mut hierarchy = Hierarchy::start(1).await;
    hierarchy.add_point_in("dp2.example.test", &disk.folder().join("dp2")).await;
    let source = hierarchy.folder.path().join("source");
    write(&source, 1);
    let id = hierarchy.create_package("Unreadable", &source).await;
    hierarchy.distribute(&id).await;
    hierarchy.wait_for_version(&id, 1).await;

    let file = held_file(&disk.folder().join("dp2/files"));
    assert!(hierarchy.points[1].terminate().await);
    disk.remount().await;
    hierarchy.points[1].start().await;
    disk.fail(true);
    assert!(std::fs::read(&file).is_err(), "the fault fires: {}", file.display());
    let address = format!("{}/SMS_DP_SMSPKG$/{id}/a.sys", hierarchy.points[1].address);
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let served = client.get(address).send().await.and_then(reqwest::Response::error_for_status);
    let is_whole = match served {
        Ok(served) => served.bytes().await.is_ok(),
        Err(_) => false,
    };
    assert!(!is_whole, "whoever fetches it knows that it is not whole");
    let sick = hierarchy.points[1].name.clone();
    hierarchy.text(&["dp", "validate", &sick]).await;
    let is_told = |state: &serde_json::Value| state["ServerName"] == sick.as_str() && state["State"] != 0;
    hierarchy.wait_for_states(&id, |states| states.iter().any(is_told)).await;
    let well = fetch(&hierarchy.points[0].address, &format!("{id}/a.sys")).await;
    assert!(well == Some(noise(1)), "the others serve on");

    disk.fail(false);
    hierarchy.wait_until_settled(&id).await;
    assert!(fetch(&hierarchy.points[1].address, &format!("{id}/a.sys")).await == Some(noise(1)));
}

/// The only file of its size that a distribution point holds.
fn held_file(folder: &Path) -> PathBuf {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let files =
        entries.flat_map(|folder| std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()));
    files.into_iter().find(|file| file.metadata().unwrap().len() == 3_000_000).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clocks_that_jump_a_year_ahead_and_back_hold_up_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let clock = |name| FakeClock::new(folder.path(), name);
    let (Some(of_site), Some(of_point)) = (clock("site"), clock("point")) else {
        eprintln!(
            "NOT RUN: clocks_that_jump: Debian's libfaketime is missing; `cargo xtask test` installs it"
        );
        return;
    };
    let mut hierarchy = Hierarchy::start(2).await;
    for (clock, server) in [(&of_site, &mut hierarchy.site), (&of_point, &mut hierarchy.points[0])] {
        for (name, value) in clock.variables() {
            server.with_variable(name, value);
        }
        server.kill().await;
        server.start().await;
    }
    let source = hierarchy.folder.path().join("source");
    write(&source, 1);
    let id = hierarchy.create_package("Through the years", &source).await;
    hierarchy.distribute(&id).await;
    hierarchy.wait_for_version(&id, 1).await;
    // What fails during the jump must not wait for a year to pass again, neither there nor where the clock is right.
    for (version, [site, point]) in
        (2..).zip([["+400d", "+0"], ["+0", "+400d"], ["-2d", "-2d"], ["+0", "+0"]])
    {
        of_site.set(site);
        of_point.set(point);
        let moved = source.with_extension("away");
        std::fs::rename(&source, &moved).unwrap();
        hierarchy.text(&["package", "refresh", &id]).await;
        let fault = format!("SELECT FaultCode FROM Haulier_PackageState WHERE PackageID = '{id}'");
        wait_until("the refresh fails", || async {
            hierarchy.json(&["query", &fault]).await[0]["FaultCode"] == "source_unusable"
        })
        .await;
        std::fs::rename(&moved, &source).unwrap();
        write(&source, version);
        of_site.set("+0");
        of_point.set("+0");
        hierarchy.text(&["package", "refresh", &id]).await;
        hierarchy
            .wait_for_states(&id, |states| {
                states.iter().all(|state| state["InstalledVersion"].as_u64() >= Some(version))
            })
            .await;
    }
    hierarchy.wait_until_settled(&id).await;
    assert!(fetch(&hierarchy.points[0].address, &format!("{id}/a.sys")).await == Some(noise(5)));
    of_site.set("+400d");
    let ahead_s = of_site.told_s().await - clock::Clock::now(&clock::SystemClock).as_second();
    assert!(ahead_s > 399 * 86_400, "the fault fires: a process is told another time");
}

/// A disk of its own whose reads or writes fail while a file is there.
struct FailingDisk {
    folder: tempfile::TempDir,
    device: String,
    _server: Child,
}

impl FailingDisk {
    /// `None` where this machine cannot have one.
    async fn mount(fails_at: &str) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let (image, disk) = (folder.path().join("image"), folder.path().join("disk"));
        std::fs::create_dir(&disk).unwrap();
        let switch = format!("error-file={}", folder.path().join("fail").display());
        std::fs::write(&image, "").unwrap();
        let mut server = Command::new("nbdfuse");
        server.arg(&image).args(["[", "nbdkit", "--exit-with-parent", "memory", "256M", "--filter=error"]);
        let (error, rate) = (format!("error-{fails_at}=EIO"), format!("error-{fails_at}-rate=100%"));
        server.args([&switch, &error, &rate, "]"]);
        server.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
        let server = server.spawn().ok()?;
        let grown = async || std::fs::metadata(&image).is_ok_and(|image| image.len() == 256 << 20);
        for _ in 0..500 {
            if grown().await {
                break;
            }
            clock::Clock::sleep(&clock::SystemClock, std::time::Duration::from_millis(10)).await;
        }
        let device = output("losetup", &["-f", "--show", image.to_str()?]).await?;
        let failing = Self { folder, device, _server: server };
        let made = output("mkfs.ext4", &["-q", "-F", &failing.device]).await.is_some();
        (made && failing.mount_device().await).then_some(failing)
    }

    async fn mount_device(&self) -> bool {
        // Errors reach whoever writes; the journal's own would stop the whole file system at once.
        output("mount", &["-o", "sync", &self.device, self.folder().to_str().unwrap()]).await.is_some()
    }

    fn folder(&self) -> PathBuf {
        self.folder.path().join("disk")
    }

    fn fail(&self, fails: bool) {
        let switch = self.folder.path().join("fail");
        match fails {
            true => std::fs::write(switch, "").unwrap(),
            false => std::fs::remove_file(switch).unwrap(),
        }
    }

    async fn remount(&self) {
        assert!(output("umount", &[self.folder().to_str().unwrap()]).await.is_some());
        // As an administrator would after errors; 1 says that something was mended.
        let _ = output("e2fsck", &["-p", &self.device]).await;
        assert!(self.mount_device().await);
    }
}

impl Drop for FailingDisk {
    fn drop(&mut self) {
        let folder = self.folder();
        let image = self.folder.path().join("image");
        let steps = [
            ("umount", vec!["--lazy", folder.to_str().unwrap_or_default()]),
            ("losetup", vec!["-d", self.device.as_str()]),
            ("fusermount3", vec!["-u", image.to_str().unwrap_or_default()]),
        ];
        for (program, arguments) in steps {
            let _ = std::process::Command::new(program).args(arguments).stderr(Stdio::null()).status();
        }
    }
}

/// What a program prints, if it succeeds.
async fn output(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).stdin(Stdio::null()).output().await.ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
