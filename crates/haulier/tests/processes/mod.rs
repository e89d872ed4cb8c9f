//! Real haulier processes on loopback, as an administrator runs them, for the tests beside this folder.
#![allow(dead_code, reason = "each test binary uses its part")]

use std::io::Write;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;

use clock::{Clock, SystemClock};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

pub(crate) mod disk;
pub(crate) mod faketime;

/// The administrator's password in every test.
pub(crate) const PASSWORD: &str = "correct horse battery staple";
/// The longest that any single wait of a test may last before the test fails.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);
/// How often a condition is looked at while waiting for it.
const LOOK_INTERVAL: Duration = Duration::from_millis(20);

/// A site and its distribution points, each with a data folder and a fixed port, running or not.
pub(crate) struct Hierarchy {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) site: Server,
    pub(crate) points: Vec<Server>,
    /// The file with the site's authority, where it speaks TLS.
    ca: Option<PathBuf>,
    surroundings: Surroundings,
}

/// What every process of a hierarchy finds around it.
#[derive(Clone, Default)]
pub(crate) struct Surroundings {
    /// Variables of the environment.
    pub(crate) environment: Vec<(String, String)>,
    /// The folder of the servers' logs, by name, and of `commands.log`.
    pub(crate) logs: Option<PathBuf>,
}

/// One server process that can be killed and started again at the same address.
pub(crate) struct Server {
    pub(crate) name: String,
    pub(crate) data: PathBuf,
    pub(crate) address: String,
    /// The address that it says it listens at.
    listens_at: String,
    arguments: Vec<String>,
    environment: Vec<(String, String)>,
    log: Option<PathBuf>,
    child: Option<Child>,
}

/// A site to be made.
struct Plan<'p> {
    parent: &'p Path,
    code: &'p str,
    /// More arguments of `site init`.
    more: &'p [&'p str],
    /// Whether it listens on all addresses, and so with TLS.
    secure: bool,
    surroundings: Surroundings,
}

impl Hierarchy {
    /// A running site `PS1` with enrolled, running distribution points `dp1.example.test` and so on.
    pub(crate) async fn start(points: usize) -> Self {
        Self::start_in(&std::env::temp_dir(), points).await
    }

    /// The same with all data in a folder of its own inside `parent`.
    pub(crate) async fn start_in(parent: &Path, points: usize) -> Self {
        Self::make(Plan::of(parent, "PS1", &[]), points).await
    }

    /// A running site `PS1` with its distribution points in the given surroundings, and with TLS where it is to be `secure`.
    pub(crate) async fn start_amid(surroundings: Surroundings, secure: bool, points: usize) -> Self {
        let temporary = std::env::temp_dir();
        Self::make(Plan { secure, surroundings, ..Plan::of(&temporary, "PS1", &[]) }, points).await
    }

    /// A running central administration site `PS1`, which primaries can join, with its distribution points.
    pub(crate) async fn start_central(points: usize) -> Self {
        Self::make(Plan::of(&std::env::temp_dir(), "PS1", &["--type", "cas"]), points).await
    }

    /// A running site below this one, with distribution points `dp1.s01.example.test` and so on.
    pub(crate) async fn child(&self, code: &str, kind: &str, points: usize) -> Self {
        self.child_through(&self.site.address, code, kind, points).await
    }

    /// The same for one that knows this site by another address.
    pub(crate) async fn child_through(&self, parent: &str, code: &str, kind: &str, points: usize) -> Self {
        self.child_with(&std::env::temp_dir(), parent, code, kind, points).await
    }

    /// The same with all of the site's data in a folder of its own inside `folder`, and no distribution points.
    pub(crate) async fn child_in(&self, folder: &Path, code: &str, kind: &str) -> Self {
        self.child_with(folder, &self.site.address, code, kind, 0).await
    }

    async fn child_with(&self, folder: &Path, parent: &str, code: &str, kind: &str, points: usize) -> Self {
        let token = self.site_token(code).await;
        let more = ["--type", kind, "--parent", parent, "--token", &token];
        let surroundings = self.surroundings.clone();
        Self::make(Plan { surroundings, ..Plan::of(folder, code, &more) }, points).await
    }

    async fn make(plan: Plan<'_>, points: usize) -> Self {
        let Plan { parent, code, more, secure, surroundings } = plan;
        let folder = tempfile::tempdir_in(parent).expect("a temporary folder");
        let password = folder.path().join("pw");
        std::fs::write(&password, format!("{PASSWORD}\n")).expect("a password file");
        let data = folder.path().join(code.to_ascii_lowercase());
        let data_text = data.to_str().expect("UTF-8");
        let password_text = password.to_str().expect("UTF-8");
        let init =
            ["site", "init", "--data", data_text, "--site-code", code, "--password-file", password_text];
        surroundings.succeed(&[&init, more].concat()).await;
        let mut site = Server::new(code, &data, &["site", "run"], secure);
        site.put_amid(&surroundings);
        site.start().await;
        let below = if code == "PS1" { String::new() } else { format!("{}.", code.to_ascii_lowercase()) };
        let mut ca = None;
        if secure {
            let pem = succeed(&["site", "ca", "--data", data_text]).await;
            let file = ca.insert(folder.path().join("ca.pem"));
            std::fs::write(file, pem).expect("a file");
        }
        let mut hierarchy = Self { folder, site, points: Vec::new(), ca, surroundings };
        for number in 1..=points {
            hierarchy.add_point(&format!("dp{number}.{below}example.test")).await;
        }
        hierarchy
    }

    /// Enrols and starts one more distribution point.
    pub(crate) async fn add_point(&mut self, name: &str) {
        let data = self.folder.path().join(name);
        self.add_point_in(name, &data).await;
    }

    /// Enrols and starts one more distribution point with its data in a given folder.
    pub(crate) async fn add_point_in(&mut self, name: &str, data: &Path) {
        let site = self.site.address.clone();
        self.add_point_with(name, data, &site).await;
    }

    /// Enrols and starts one more distribution point that knows the site by another address.
    pub(crate) async fn add_point_through(&mut self, name: &str, site: &str) {
        let data = self.folder.path().join(name);
        self.add_point_with(name, &data, site).await;
    }

    async fn add_point_with(&mut self, name: &str, data: &Path, site: &str) {
        let token = self.token(name).await;
        let arguments = ["dp", "run", "--site", site, "--name", name, "--token", &token];
        let mut point = Server::new(name, data, &arguments, false);
        point.put_amid(&self.surroundings);
        point.start().await;
        self.points.push(point);
    }

    /// A fresh enrolment token.
    pub(crate) async fn token(&self, name: &str) -> String {
        self.at_data(&["dp", "token", name]).await
    }

    /// A fresh token for a child site.
    pub(crate) async fn site_token(&self, code: &str) -> String {
        self.at_data(&["site", "token", code]).await
    }

    /// Runs a command on the site's data folder that must succeed; returns what it printed.
    pub(crate) async fn at_data(&self, arguments: &[&str]) -> String {
        let data = self.site.data.to_str().expect("UTF-8");
        let all = [arguments, &["--data", data]].concat();
        self.surroundings.succeed(&all).await.trim().to_owned()
    }

    /// Runs a command against the site as `admin`.
    pub(crate) async fn haulier(&self, arguments: &[&str]) -> Output {
        self.haulier_as("admin", PASSWORD, arguments).await
    }

    /// Runs a command against the site as somebody.
    pub(crate) async fn haulier_as(&self, user: &str, password: &str, arguments: &[&str]) -> Output {
        let mut command = program();
        if let Some(ca) = &self.ca {
            command.env("HAULIER_CA", ca);
        }
        command.env("HAULIER_SITE", &self.site.address);
        command.env("HAULIER_USER", user).env("HAULIER_PASSWORD", password);
        self.surroundings.run(command, arguments).await
    }

    /// Runs a command that must succeed; returns what it printed.
    pub(crate) async fn text(&self, arguments: &[&str]) -> String {
        expect_success(arguments, self.haulier(arguments).await)
    }

    /// Runs a command with `--json` that must succeed.
    pub(crate) async fn json(&self, arguments: &[&str]) -> Value {
        let with_json: Vec<&str> = arguments.iter().copied().chain(["--json"]).collect();
        let text = self.text(&with_json).await;
        serde_json::from_str(&text)
            .unwrap_or_else(|error| panic!("{arguments:?} printed no JSON ({error}): {text}"))
    }

    /// Creates a package from a folder and returns its ID.
    pub(crate) async fn create_package(&self, name: &str, source: &Path) -> String {
        let source = source.to_str().expect("UTF-8");
        self.text(&["package", "create", name, "--source", source]).await.trim().to_owned()
    }

    /// Sends a package to every distribution point.
    pub(crate) async fn distribute(&self, package: &str) {
        let names: Vec<&str> = self.points.iter().map(|point| point.name.as_str()).collect();
        self.text(&[&["package", "distribute", package], names.as_slice()].concat()).await;
    }

    /// A counter of the site's metrics.
    pub(crate) async fn counter(&self, name: &str) -> u64 {
        self.site.counter(name).await
    }

    /// Waits until a site knows a distribution point of another.
    pub(crate) async fn knows_point(&self, name: &str) {
        let wql = format!("SELECT ServerName FROM SMS_DistributionPointInfo WHERE ServerName = '{name}'");
        let known =
            || async { self.json(&["query", &wql]).await.as_array().is_some_and(|rows| rows.len() == 1) };
        wait_until("the other site's distribution point is known", known).await;
    }

    /// The states of a package on its distribution points.
    pub(crate) async fn states(&self, package: &str) -> Vec<Value> {
        match self.json(&["status", package]).await {
            Value::Array(states) => states,
            other => panic!("status printed {other}"),
        }
    }

    /// Waits until every distribution point reports this version as installed.
    pub(crate) async fn wait_for_version(&self, package: &str, version: u64) -> Vec<Value> {
        let holds = |state: &Value| state["State"] == 0 && state["InstalledVersion"] == version;
        self.wait_for_states(package, |states| states.iter().all(holds)).await
    }

    /// Waits until every accepted refresh is published and every distribution point holds it.
    pub(crate) async fn wait_until_settled(&self, package: &str) -> Vec<Value> {
        let wql = format!("SELECT RefreshPending FROM Haulier_PackageState WHERE PackageID = '{package}'");
        let published = || async { self.json(&["query", &wql]).await[0]["RefreshPending"] == false };
        wait_until("every accepted refresh is published", published).await;
        self.wait_for_states(package, |states| states.iter().all(|state| state["State"] == 0)).await
    }

    /// Waits until the states of a package fulfil a condition.
    pub(crate) async fn wait_for_states(&self, package: &str, done: impl Fn(&[Value]) -> bool) -> Vec<Value> {
        let give_up = SystemClock.monotonic() + PATIENCE;
        loop {
            let states = self.states(package).await;
            if !states.is_empty() && done(&states) {
                return states;
            }
            assert!(SystemClock.monotonic() < give_up, "{package} stays at {states:#?}");
            SystemClock.sleep(LOOK_INTERVAL).await;
        }
    }
}

impl<'p> Plan<'p> {
    fn of(parent: &'p Path, code: &'p str, more: &'p [&'p str]) -> Self {
        Self { parent, code, more, secure: false, surroundings: Surroundings::default() }
    }
}

impl Server {
    fn new(name: &str, data: &Path, arguments: &[&str], secure: bool) -> Self {
        let port = free_port();
        let (scheme, host) = if secure { ("https", "0.0.0.0") } else { ("http", "127.0.0.1") };
        let listen = format!("{host}:{port}");
        let mut all: Vec<String> = arguments.iter().map(|&argument| argument.to_owned()).collect();
        all.extend(["--data".to_owned(), data.to_str().expect("UTF-8").to_owned()]);
        all.extend(["--listen".to_owned(), listen.clone()]);
        Self {
            name: name.to_owned(),
            data: data.to_owned(),
            address: format!("{scheme}://127.0.0.1:{port}"),
            listens_at: format!("{scheme}://{listen}"),
            arguments: all,
            environment: Vec::new(),
            log: None,
            child: None,
        }
    }

    /// A counter of the server's metrics.
    pub(crate) async fn counter(&self, name: &str) -> u64 {
        self.find_counter(name).await.unwrap_or_else(|| panic!("no counter {name} at {}", self.name))
    }

    /// The same; nothing while nothing was counted.
    pub(crate) async fn find_counter(&self, name: &str) -> Option<u64> {
        let http = reqwest::Client::builder().no_proxy().build().expect("a client");
        let url = format!("{}/metrics", self.address);
        let text = http.get(url).send().await.expect("an answer").text().await.expect("text");
        text.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok())
    }

    /// Gives the server more arguments for its next start.
    pub(crate) fn with(&mut self, arguments: &[&str]) {
        self.arguments.extend(arguments.iter().map(|&argument| argument.to_owned()));
    }

    /// The server's next start is at another address.
    pub(crate) fn move_to_another_port(&mut self) {
        let (from, to) = (self.port().to_owned(), free_port().to_string());
        let moved = |text: &mut String| *text = text.replace(&format!(":{from}"), &format!(":{to}"));
        self.arguments.iter_mut().for_each(moved);
        moved(&mut self.address);
        moved(&mut self.listens_at);
    }

    fn port(&self) -> &str {
        self.address.rsplit(':').next().expect("an address has a port")
    }

    /// The enrolment token that a distribution point was started with.
    pub(crate) fn token(&self) -> String {
        let at = self.arguments.iter().position(|argument| argument == "--token").expect("it has one");
        self.arguments[at + 1].clone()
    }

    /// Gives a distribution point's next start another enrolment token.
    pub(crate) fn with_token(&mut self, token: &str) {
        let at = self.arguments.iter().position(|argument| argument == "--token").expect("it has one");
        self.arguments[at + 1] = token.to_owned();
    }

    /// Gives the server's next start a variable of the environment.
    pub(crate) fn with_variable(&mut self, name: &str, value: &str) {
        self.environment.push((name.to_owned(), value.to_owned()));
    }

    fn put_amid(&mut self, surroundings: &Surroundings) {
        self.environment.extend(surroundings.environment.iter().cloned());
        self.log = surroundings.logs.as_ref().map(|logs| logs.join(format!("{}.log", self.name)));
    }

    /// Appends the log of the server's next starts to a file.
    pub(crate) fn with_log(&mut self, file: &Path) {
        self.log = Some(file.to_owned());
    }

    /// Starts the server and waits until it listens.
    pub(crate) async fn start(&mut self) {
        assert!(self.try_start().await, "{} did not start", self.name);
    }

    /// Starts the server; false if it ends without listening.
    pub(crate) async fn try_start(&mut self) -> bool {
        let log = std::env::var("HAULIER_LOG").unwrap_or_else(|_| "error".to_owned());
        let mut command = program();
        command.args(&self.arguments).env("HAULIER_LOG", log).stdout(Stdio::piped());
        command.envs(pairs(&self.environment));
        if let Some(file) = &self.log {
            command.stderr(append_to(file));
        }
        let mut child = command.spawn().expect("haulier starts");
        let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        let line = tokio::select! {
            line = lines.next_line() => line.expect("stdout is text"),
            () = SystemClock.sleep(PATIENCE) => panic!("{} says nothing", self.name),
        };
        let listens = line.is_some_and(|line| line == format!("listening on {}", self.listens_at));
        self.child = Some(child);
        listens
    }

    /// Kills the server as a power cut would, and proves that it died of it.
    pub(crate) async fn kill(&mut self) {
        use std::os::unix::process::ExitStatusExt;
        let mut child = self.child.take().expect("the server runs");
        child.start_kill().expect("it can be killed");
        let status = child.wait().await.expect("it ends");
        assert_eq!(status.signal(), Some(9), "{} ended by itself: {status}", self.name);
    }

    /// Asks the server to stop and returns whether it ended well.
    pub(crate) async fn terminate(&mut self) -> bool {
        let mut child = self.child.take().expect("the server runs");
        let pid = child.id().expect("it runs").to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().await.expect("kill runs").success());
        child.wait().await.expect("it ends").success()
    }

    /// The process id of the running server.
    pub(crate) fn pid(&self) -> u32 {
        self.child.as_ref().and_then(Child::id).expect("the server runs")
    }
}

/// The program under test.
pub(crate) fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_haulier"));
    command.stdin(Stdio::null()).kill_on_drop(true);
    for name in [
        "HAULIER_SITE",
        "HAULIER_USER",
        "HAULIER_PASSWORD",
        "HAULIER_API_TOKEN",
        "HAULIER_DATA",
        "HAULIER_LISTEN",
        "HAULIER_CONTENT_URL",
    ] {
        command.env_remove(name);
    }
    command
}

/// Runs a command that must succeed; returns what it printed.
pub(crate) async fn succeed(arguments: &[&str]) -> String {
    Surroundings::default().succeed(arguments).await
}

impl Surroundings {
    /// No more than these variables.
    pub(crate) fn of(environment: &[(&str, &str)]) -> Self {
        let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        Self { environment: environment.iter().map(own).collect(), logs: None }
    }

    async fn succeed(&self, arguments: &[&str]) -> String {
        expect_success(arguments, self.run(program(), arguments).await)
    }

    async fn run(&self, mut command: Command, arguments: &[&str]) -> Output {
        command.args(arguments).envs(pairs(&self.environment));
        let output = command.output().await.expect("haulier runs");
        if let Some(logs) = &self.logs {
            append_to(&logs.join("commands.log")).write_all(&output.stderr).expect("a log");
        }
        output
    }
}

fn append_to(file: &Path) -> std::fs::File {
    std::fs::OpenOptions::new().create(true).append(true).open(file).expect("a log")
}

fn pairs(environment: &[(String, String)]) -> impl Iterator<Item = (&str, &str)> {
    environment.iter().map(|(name, value)| (name.as_str(), value.as_str()))
}

fn expect_success(arguments: &[&str], output: Output) -> String {
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?} ended with {}: {errors}", output.status);
    String::from_utf8(output.stdout).expect("output is UTF-8")
}

/// Waits for a condition that needs no more than looking.
pub(crate) async fn wait_until<F: Future<Output = bool>>(what: &str, mut condition: impl FnMut() -> F) {
    let give_up = SystemClock.monotonic() + PATIENCE;
    while !condition().await {
        assert!(SystemClock.monotonic() < give_up, "waited in vain: {what}");
        SystemClock.sleep(LOOK_INTERVAL).await;
    }
}

/// What a distribution point serves at a path, or `None` for what it does not have, or not whole (503) just now.
pub(crate) async fn fetch(address: &str, path: &str) -> Option<Vec<u8>> {
    let url = format!("{address}/SMS_DP_SMSPKG$/{path}");
    let http = reqwest::Client::builder().no_proxy().build().expect("a client");
    let reply = http.get(&url).send().await.unwrap_or_else(|error| panic!("{url}: {error}"));
    match reply.status().as_u16() {
        200 => Some(reply.bytes().await.expect("a whole body").to_vec()),
        404 | 503 => None,
        other => panic!("{url} answers {other}"),
    }
}

/// A port that nobody listens at just now.
pub(crate) fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("it is bound").port()
}
