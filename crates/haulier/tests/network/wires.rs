//! Network namespaces as machines: a site in one, each distribution point and each child site in one of its own, a wire
//! between them that can be cut, lose packets and be slow.

use std::path::Path;
use std::process::Stdio;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use crate::processes::{PASSWORD, program, succeed};

const SITE_PORT: u16 = 8530;
const POINT_PORT: u16 = 8540;
/// Machines of tests that run at the same time have different names.
static SITES: AtomicUsize = AtomicUsize::new(0);

/// A site and, each alone on its machine, distribution points; the last may be a child site with its own.
pub(crate) struct Machines {
    pub(crate) folder: tempfile::TempDir,
    prefix: String,
    /// All but the site.
    others: usize,
    running: Vec<Child>,
}

impl Machines {
    /// A site and distribution points. `None` where this user may not make machines.
    pub(crate) async fn start(points: usize) -> Option<Self> {
        let mut machines = Self::wired(points).await?;
        machines.start_site("primary").await;
        for number in 1..=points {
            machines.start_point(number).await;
        }
        Some(machines)
    }

    /// A central site with a distribution point, machine 1, and a primary site `S01` below it with one, machine 2.
    pub(crate) async fn start_tree() -> Option<Self> {
        let mut machines = Self::wired(2).await?;
        machines.start_site("cas").await;
        machines.start_point(1).await;
        machines.start_child(2).await;
        Some(machines)
    }

    async fn wired(others: usize) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let number = SITES.fetch_add(1, Ordering::SeqCst);
        let prefix = format!("h{}-{number}", std::process::id());
        let machines = Self { folder, prefix, others, running: Vec::new() };
        machines.wire_up().await.then_some(machines)
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
        for number in 1..=self.others {
            let (point, near, far) = (self.machine(number), format!("p{number}"), "site");
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

    async fn start_site(&mut self, kind: &str) {
        let (data, password) = (self.folder.path().join("ps1"), self.folder.path().join("pw"));
        std::fs::write(&password, PASSWORD).unwrap();
        let [data, password] = [&data, &password].map(|path| path.to_str().unwrap());
        let init = ["site", "init", "--data", data, "--site-code", "PS1", "--password-file", password];
        succeed(&[init.as_slice(), &["--type", kind]].concat()).await;
        let names: Vec<String> = (1..=self.others).map(|number| format!("\"{}\"", site_at(number))).collect();
        let config = format!("names = [{}]\n", names.join(", "));
        std::fs::write(Path::new(data).join("haulier.toml"), config).unwrap();
        let mut command = inside(&self.site());
        command.args(["site", "run", "--listen", &format!("0.0.0.0:{SITE_PORT}"), "--data", data]);
        self.running.push(listening(command).await);
        let ca = succeed(&["site", "ca", "--data", data]).await;
        std::fs::write(self.folder.path().join("ca.pem"), ca).unwrap();
    }

    async fn start_point(&mut self, number: usize) {
        let site = format!("https://{}:{SITE_PORT}", site_at(number));
        self.start_point_of("ps1", number, &site).await;
    }

    async fn start_point_of(&mut self, site_data: &str, number: usize, site: &str) {
        let (name, site_data) = (self.name(number), self.folder.path().join(site_data));
        let token = succeed(&["dp", "token", "--data", site_data.to_str().unwrap(), &name]).await;
        let mut command = inside(&self.machine(number));
        command.args(["dp", "run", "--listen", &format!("127.0.0.1:{POINT_PORT}"), "--name", &name]);
        command.args(["--token", token.trim(), "--site", site]);
        command.arg("--data").arg(self.folder.path().join(&name));
        self.running.push(listening(command).await);
    }

    /// The child site, and its distribution point on the same machine.
    async fn start_child(&mut self, number: usize) {
        let folder = self.folder.path();
        let [data, parent_data, password] = ["s01", "ps1", "pw"].map(|name| folder.join(name));
        let token = succeed(&["site", "token", "S01", "--data", parent_data.to_str().unwrap()]).await;
        let mut init = inside(&self.machine(number));
        init.args(["site", "init", "--site-code", "S01", "--type", "primary", "--token", token.trim()]);
        init.args(["--parent", &format!("https://{}:{SITE_PORT}", site_at(number))]);
        let made = init.arg("--data").arg(&data).arg("--password-file").arg(password).output().await.unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let mut run = inside(&self.machine(number));
        run.args(["site", "run", "--listen", &format!("127.0.0.1:{SITE_PORT}"), "--data"]).arg(data);
        self.running.push(listening(run).await);
        self.start_point_of("s01", number, &format!("http://127.0.0.1:{SITE_PORT}")).await;
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
            &self.machine(number),
            "curl",
            "--silent",
            "--fail",
            "--noproxy",
            "*",
            &url,
        ]);
        curl.output().await.unwrap().stdout
    }

    /// What came over the wire to a machine so far.
    pub(crate) async fn received_bytes(&self, number: usize) -> u64 {
        let counter = "/sys/class/net/site/statistics/rx_bytes";
        let machine = self.machine(number);
        let counted = Command::new("ip").args(["netns", "exec", &machine, "cat", counter]).output().await;
        String::from_utf8(counted.unwrap().stdout).unwrap().trim().parse().unwrap()
    }

    /// A rule of a machine for what comes from the site; ended by [`Machines::end_rules`].
    pub(crate) async fn rule(&self, number: usize, rule: &[&str]) {
        assert!(self.iptables(number, &[&["-A", "INPUT", "-i", "site"], rule].concat()).await, "{rule:?}");
    }

    /// Ends all rules and returns how many packets they met.
    pub(crate) async fn end_rules(&self, number: usize) -> u64 {
        let point = self.machine(number);
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
        let point = self.machine(number);
        run("ip", &[&["netns", "exec", &point, "iptables"], arguments].concat()).await
    }

    /// Lets the site send no faster to one machine.
    pub(crate) async fn slow_down(&self, number: usize, rate: &str) {
        let (site, device) = (self.site(), format!("p{number}"));
        let shape = ["root", "tbf", "rate", rate, "burst", "64kb", "latency", "200ms"];
        let replace = ["netns", "exec", &site, "tc", "qdisc", "replace", "dev", &device];
        assert!(run("ip", &[replace.as_slice(), &shape].concat()).await, "{rate}");
    }

    fn site(&self) -> String {
        format!("{}-site", self.prefix)
    }

    fn machine(&self, number: usize) -> String {
        format!("{}-{number}", self.prefix)
    }
}

impl Drop for Machines {
    fn drop(&mut self) {
        for child in &mut self.running {
            let _ = child.start_kill();
        }
        for namespace in (1..=self.others).map(|number| self.machine(number)).chain([self.site()]) {
            let mut remove = std::process::Command::new("ip");
            let _ = remove.args(["netns", "del", &namespace]).stderr(Stdio::null()).status();
        }
    }
}

/// The site's address on the wire to a machine.
fn site_at(number: usize) -> String {
    format!("10.77.{number}.1")
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
