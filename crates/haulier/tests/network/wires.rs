//! Network namespaces as machines: a site in one, each distribution point in one of its own, a wire between them that
//! can be cut, lose packets and be slow.

use std::path::Path;
use std::process::Stdio;

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use crate::processes::{PASSWORD, program, succeed};

const SITE_PORT: u16 = 8530;
const POINT_PORT: u16 = 8540;

/// A site and distribution points, each alone on its machine.
pub(crate) struct Machines {
    pub(crate) folder: tempfile::TempDir,
    prefix: String,
    points: usize,
    running: Vec<Child>,
}

impl Machines {
    /// `None` where this user may not make machines.
    pub(crate) async fn start(points: usize) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let prefix = format!("h{}", std::process::id());
        let mut machines = Self { folder, prefix, points, running: Vec::new() };
        if !machines.wire_up().await {
            return None;
        }
        machines.start_site().await;
        for number in 1..=points {
            machines.start_point(number).await;
        }
        Some(machines)
    }

    async fn wire_up(&self) -> bool {
        let site = self.site();
        if !run("ip", &["netns", "add", &site]).await {
            return false;
        }
        let up = async |namespace: &str, device: &str| {
            run("ip", &["-n", namespace, "link", "set", device, "up"]).await
        };
        let mut made = up(&site, "lo").await;
        for number in 1..=self.points {
            let (point, near, far) = (self.point(number), format!("p{number}"), "site");
            made &= run("ip", &["netns", "add", &point]).await;
            made &=
                run("ip", &["-n", &site, "link", "add", &near, "type", "veth", "peer", far, "netns", &point])
                    .await;
            for (namespace, device, host) in [(&site, near.as_str(), 1), (&point, far, 2)] {
                let address = format!("10.77.{number}.{host}/24");
                made &= run("ip", &["-n", namespace, "addr", "add", &address, "dev", device]).await;
                made &= up(namespace, device).await;
            }
            made &= up(&point, "lo").await;
        }
        made
    }

    async fn start_site(&mut self) {
        let (data, password) = (self.folder.path().join("ps1"), self.folder.path().join("pw"));
        std::fs::write(&password, PASSWORD).unwrap();
        let [data, password] = [&data, &password].map(|path| path.to_str().unwrap());
        succeed(&["site", "init", "--data", data, "--site-code", "PS1", "--password-file", password]).await;
        let names: Vec<String> = (1..=self.points).map(|number| format!("\"10.77.{number}.1\"")).collect();
        let config = format!("names = [{}]\n", names.join(", "));
        std::fs::write(Path::new(data).join("haulier.toml"), config).unwrap();
        let mut command = inside(&self.site());
        command.args(["site", "run", "--listen", &format!("0.0.0.0:{SITE_PORT}"), "--data", data]);
        self.running.push(listening(command).await);
        let ca = succeed(&["site", "ca", "--data", data]).await;
        std::fs::write(self.folder.path().join("ca.pem"), ca).unwrap();
    }

    async fn start_point(&mut self, number: usize) {
        let (name, site_data) = (self.name(number), self.folder.path().join("ps1"));
        let token = succeed(&["dp", "token", "--data", site_data.to_str().unwrap(), &name]).await;
        let mut command = inside(&self.point(number));
        command.args(["dp", "run", "--listen", &format!("127.0.0.1:{POINT_PORT}"), "--name", &name]);
        command.args(["--token", token.trim(), "--site", &format!("https://10.77.{number}.1:{SITE_PORT}")]);
        command.arg("--data").arg(self.folder.path().join(&name));
        self.running.push(listening(command).await);
    }

    /// The name of a distribution point, from 1.
    pub(crate) fn name(&self, number: usize) -> String {
        format!("dp{number}.example.test")
    }

    /// An administrator's command on the site's machine.
    pub(crate) async fn haulier(&self, arguments: &[&str]) -> String {
        let mut command = inside(&self.site());
        command.args(arguments).env("HAULIER_SITE", format!("https://127.0.0.1:{SITE_PORT}"));
        command.env("HAULIER_USER", "admin").env("HAULIER_PASSWORD", PASSWORD);
        let output = command.env("HAULIER_CA", self.folder.path().join("ca.pem")).output().await.unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// What a distribution point serves to its own machine.
    pub(crate) async fn fetch(&self, number: usize, path: &str) -> Vec<u8> {
        let url = format!("http://127.0.0.1:{POINT_PORT}/SMS_DP_SMSPKG$/{path}");
        let mut curl = Command::new("ip");
        curl.args([
            "netns",
            "exec",
            &self.point(number),
            "curl",
            "--silent",
            "--fail",
            "--noproxy",
            "*",
            &url,
        ]);
        curl.output().await.unwrap().stdout
    }

    /// A rule of a distribution point's machine for what comes from its site; ended by [`Machines::end_rule`].
    pub(crate) async fn rule(&self, number: usize, rule: &[&str]) {
        assert!(self.iptables(number, &[&["-A", "INPUT", "-i", "site"], rule].concat()).await, "{rule:?}");
    }

    /// Ends all rules and returns how many packets they met.
    pub(crate) async fn end_rules(&self, number: usize) -> u64 {
        let point = self.point(number);
        let list = ["netns", "exec", &point, "iptables", "-L", "INPUT", "-v", "-x", "-n"];
        let listed = Command::new("ip").args(list).output().await.unwrap();
        let listed = String::from_utf8(listed.stdout).unwrap();
        let met =
            listed.lines().skip(2).filter_map(|line| line.split_whitespace().next()?.parse::<u64>().ok());
        let met = met.sum();
        assert!(self.iptables(number, &["-F", "INPUT"]).await);
        met
    }

    async fn iptables(&self, number: usize, arguments: &[&str]) -> bool {
        let point = self.point(number);
        run("ip", &[&["netns", "exec", &point, "iptables"], arguments].concat()).await
    }

    /// Lets the site send no faster to one distribution point.
    pub(crate) async fn slow_down(&self, number: usize, rate: &str) {
        let (site, device) = (self.site(), format!("p{number}"));
        let shape = ["root", "tbf", "rate", rate, "burst", "64kb", "latency", "200ms"];
        let replace = ["netns", "exec", &site, "tc", "qdisc", "replace", "dev", &device];
        assert!(run("ip", &[replace.as_slice(), &shape].concat()).await, "{rate}");
    }

    fn site(&self) -> String {
        format!("{}-site", self.prefix)
    }

    fn point(&self, number: usize) -> String {
        format!("{}-{number}", self.prefix)
    }
}

impl Drop for Machines {
    fn drop(&mut self) {
        for child in &mut self.running {
            let _ = child.start_kill();
        }
        for namespace in (1..=self.points).map(|number| self.point(number)).chain([self.site()]) {
            let mut remove = std::process::Command::new("ip");
            let _ = remove.args(["netns", "del", &namespace]).stderr(Stdio::null()).status();
        }
    }
}

/// The program under test on another machine.
fn inside(namespace: &str) -> Command {
    let program = program();
    let mut command = Command::new("ip");
    command.args(["netns", "exec", namespace]).arg(program.as_std().get_program());
    command.stdin(Stdio::null()).kill_on_drop(true).env("HAULIER_LOG", "error");
    for (name, _) in program.as_std().get_envs() {
        command.env_remove(name);
    }
    command
}

async fn listening(mut command: Command) -> Child {
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let line = BufReader::new(child.stdout.take().unwrap()).lines().next_line().await.unwrap();
    assert!(line.as_deref().is_some_and(|line| line.starts_with("listening on ")), "{line:?}");
    child
}

async fn run(program: &str, arguments: &[&str]) -> bool {
    let mut command = Command::new(program);
    command.args(arguments).stderr(Stdio::null()).stdout(Stdio::null());
    command.status().await.is_ok_and(|status| status.success())
}
