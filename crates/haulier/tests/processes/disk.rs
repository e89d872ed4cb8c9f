//! A small file system of its own, for tests that fill a disk.

use std::path::Path;
use std::process::Stdio;

use tokio::process::Command;

pub(crate) struct SmallDisk {
    folder: tempfile::TempDir,
}

impl SmallDisk {
    /// `None` where this user may not mount.
    pub(crate) async fn mount(size: &str) -> Option<Self> {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let options = format!("size={size}");
        let mounted =
            run("mount", &["-t", "tmpfs", "-o", &options, "haulier-test", folder.path().to_str()?]).await;
        mounted.then_some(Self { folder })
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) async fn grow(&self, size: &str) {
        let options = format!("remount,size={size}");
        let folder = self.folder.path().to_str().expect("UTF-8");
        assert!(run("mount", &["-o", &options, folder]).await, "the disk grows to {size}");
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily, because a server of the test may still have files open there.
        let _ = std::process::Command::new("umount").arg("--lazy").arg(self.folder.path()).status();
    }
}

async fn run(program: &str, arguments: &[&str]) -> bool {
    let mut command = Command::new(program);
    command.args(arguments).stderr(Stdio::null());
    command.status().await.is_ok_and(|status| status.success())
}
