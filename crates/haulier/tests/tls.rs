//! A site that listens beyond loopback speaks TLS with its own CA, and nobody gets in without it.
#![allow(clippy::unwrap_used, reason = "helper functions of a test stop it where they cannot go on")]

use std::path::Path;
use std::process::Stdio;

use processes::{PASSWORD, program, succeed, wait_until};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

mod processes;

/// A site on all addresses; its child process ends with it.
struct TlsSite {
    folder: tempfile::TempDir,
    url: String,
    _child: Child,
}

impl TlsSite {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (data, password) = (folder.path().join("ps1"), folder.path().join("pw"));
        std::fs::write(&password, PASSWORD).unwrap();
        let [data_text, password_text] = [&data, &password].map(|path| path.to_str().unwrap());
        succeed(&[
            "site",
            "init",
            "--data",
            data_text,
            "--site-code",
            "PS1",
            "--password-file",
            password_text,
        ])
        .await;
        let mut run = program();
        run.args(["site", "run", "--listen", "0.0.0.0:0", "--data", data_text]);
        let (child, line) = listening(run).await;
        let port = line.strip_prefix("listening on https://0.0.0.0:").unwrap_or_else(|| panic!("{line}"));
        Self { url: format!("https://127.0.0.1:{port}"), folder, _child: child }
    }

    fn data(&self) -> String {
        self.folder.path().join("ps1").to_str().unwrap().to_owned()
    }

    /// A command against the site that trusts this CA file, or the system's authorities.
    fn command(&self, arguments: &[&str], ca: Option<&Path>) -> Command {
        let mut command = program();
        command.args(arguments).env("HAULIER_SITE", &self.url).env("HAULIER_PASSWORD", PASSWORD);
        if let Some(ca) = ca {
            command.env("HAULIER_CA", ca);
        }
        command
    }
}

/// Starts a server and returns it with the first line it prints; empty if it ends without one.
async fn listening(mut command: Command) -> (Child, String) {
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let line = lines.next_line().await.unwrap().unwrap_or_default();
    (child, line)
}

/// A command that does not trust the site says so, and what to do; it does not ask whether the site runs.
async fn says_what_to_do(mut command: Command) {
    let refused = command.output().await.unwrap();
    let why = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(3), "{why}");
    for text in ["is not trusted", "HAULIER_CA", "`haulier site ca`", "`names` in haulier.toml"] {
        assert!(why.contains(text), "{why}");
    }
    assert!(!why.contains("site run"), "{why}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn distribution_points_and_commands_trust_the_sites_own_ca_and_nothing_else() {
    let site = TlsSite::start().await;
    let ca = site.folder.path().join("ca.pem");
    std::fs::write(&ca, succeed(&["site", "ca", "--data", &site.data()]).await).unwrap();
    let other = TlsSite::start().await;
    let other_ca = other.folder.path().join("ca.pem");
    std::fs::write(&other_ca, succeed(&["site", "ca", "--data", &other.data()]).await).unwrap();

    let list = ["package", "list"];
    assert_eq!(site.command(&list, Some(&ca)).status().await.unwrap().code(), Some(0));
    for wrong in [None, Some(other_ca.as_path())] {
        says_what_to_do(site.command(&list, wrong)).await;
    }
    // An address of this machine that the certificate does not name.
    let port = site.url.rsplit(':').next().unwrap();
    let mut elsewhere = site.command(&list, Some(&ca));
    elsewhere.env("HAULIER_SITE", format!("https://127.0.0.2:{port}"));
    says_what_to_do(elsewhere).await;

    let token = succeed(&["dp", "token", "--data", &site.data(), "dp1.example.test"]).await;
    let run = |folder: &str, url: &str| {
        let mut run = program();
        run.args([
            "dp",
            "run",
            "--listen",
            "127.0.0.1:0",
            "--name",
            "dp1.example.test",
            "--token",
            token.trim(),
        ]);
        run.args(["--site", url, "--data"]).arg(site.folder.path().join(folder));
        run
    };
    let (_, refused) = listening(run("elsewhere", &other.url)).await;
    assert_eq!(refused, "", "a token is of no use at a site with another CA");
    let (_point, line) = listening(run("dp1", &site.url)).await;
    let address = line.strip_prefix("listening on ").unwrap_or_else(|| panic!("{line}"));

    let source = site.folder.path().join("source");
    std::fs::create_dir(&source).unwrap();
    std::fs::write(source.join("a.inf"), "[Version]").unwrap();
    let create = ["package", "create", "Over TLS", "--source", source.to_str().unwrap()];
    let created = site.command(&create, Some(&ca)).output().await.unwrap();
    let id = String::from_utf8(created.stdout).unwrap().trim().to_owned();
    let distribute = ["package", "distribute", &id, "dp1.example.test"];
    assert!(site.command(&distribute, Some(&ca)).status().await.unwrap().success());
    wait_until("the distribution point serves the package", || async {
        processes::fetch(address, &format!("{id}/a.inf")).await.as_deref() == Some(b"[Version]")
    })
    .await;
}
