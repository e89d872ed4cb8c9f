//! A clock that a test sets, for processes that are told the time by libfaketime.

use std::path::{Path, PathBuf};

use tokio::process::Command;

/// Where Debian puts the library that tells a process another time.
const LIBRARY: &str = "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1";

/// Where the library keeps what a process and its children share, under the process's number.
const SHARED: &str = "/dev/shm";
/// What it calls them.
const SHARED_NAMES: [&str; 2] = ["faketime_shm_", "sem.faketime_sem_"];

/// The clock of the processes that have its variables.
pub(crate) struct FakeClock(PathBuf);

impl FakeClock {
    /// A clock that is right at first, in a file of this name. `None` without the library; `cargo xtask test` installs it.
    pub(crate) fn new(folder: &Path, name: &str) -> Option<Self> {
        let clock = Self(folder.join(name));
        clock.set("+0");
        Path::new(LIBRARY).is_file().then_some(clock)
    }

    /// Moves it so far away from the right time, for example `+61d`.
    pub(crate) fn set(&self, jump: &str) {
        let aside = self.0.with_extension("new");
        std::fs::write(&aside, jump).expect("a file");
        std::fs::rename(aside, &self.0).expect("a file");
    }

    /// What a process must find in its environment. The time that it has waited stays right.
    pub(crate) fn variables(&self) -> [(&str, &str); 4] {
        let file = self.0.to_str().expect("UTF-8");
        [
            ("LD_PRELOAD", LIBRARY),
            ("FAKETIME_TIMESTAMP_FILE", file),
            ("FAKETIME_NO_CACHE", "1"),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
        ]
    }

    /// The time that processes are told, in seconds.
    pub(crate) async fn told_s(&self) -> i64 {
        let mut date = Command::new("date");
        let told = date.arg("+%s").envs(self.variables()).output().await.expect("date runs").stdout;
        String::from_utf8_lossy(&told).trim().parse().expect("a number")
    }
}

/// Whom the test killed could not tidy up.
impl Drop for FakeClock {
    fn drop(&mut self) {
        for entry in std::fs::read_dir(SHARED).into_iter().flatten().flatten() {
            let name = entry.file_name();
            let number = SHARED_NAMES.iter().find_map(|prefix| name.to_str()?.strip_prefix(prefix));
            if number.is_some_and(|number| !Path::new("/proc").join(number).exists()) {
                // Another test's clock may have been faster.
                let _ = std::fs::remove_file(entry.path());
            }
        }
    }
}
