//! The realm HAULIER.TEST.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use stage::NotRun;
use tempfile::TempDir;

const NAME: &str = "HAULIER.TEST";
const NEEDED_BY: &str = "kerberos.rs";
/// What the KDC says once it listens.
const LISTENS: &str = "commencing operation";

/// A KDC with the service `HTTP/localhost` and some users. Dropped, it ends.
pub(crate) struct Realm {
    folder: TempDir,
    kdc: Child,
}

impl Realm {
    /// `users` get tickets.
    pub(crate) fn start(users: &[&str]) -> Result<Self, NotRun> {
        let (kdc, kinit) = (program("krb5kdc")?, program("kinit")?);
        let (kadmin, kdb5_util) = (program("kadmin.local")?, program("kdb5_util")?);
        let folder = tempfile::tempdir().unwrap();
        write_configuration(folder.path());
        let path = folder.path().to_owned();
        let at = path.as_path();
        succeeds(prepared(&kdb5_util, at).args(["create", "-s", "-r", NAME, "-P", "master"]));
        let mut commands =
            String::from("addprinc -randkey HTTP/localhost\nktadd -k http.keytab HTTP/localhost\n");
        for user in users {
            commands += &format!("addprinc -randkey {user}\nktadd -k users.keytab {user}\n");
        }
        let mut admin = prepared(&kadmin, at)
            .args(["-r", NAME])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        admin.stdin.take().unwrap().write_all(commands.as_bytes()).unwrap();
        assert!(admin.wait().unwrap().success());
        let kdc = prepared(&kdc, at).arg("-n").stderr(Stdio::piped()).spawn().unwrap();
        let mut realm = Self { folder, kdc };
        let said = BufReader::new(realm.kdc.stderr.take().unwrap());
        let mut lines = said.lines().map_while(Result::ok);
        assert!(lines.any(|line| line.contains(LISTENS)), "the KDC ended before it listened");
        // What it says later must go somewhere.
        std::thread::spawn(move || lines.for_each(drop));
        for user in users {
            succeeds(
                prepared(&kinit, at)
                    .args(["-k", "-t", "users.keytab", "-c"])
                    .arg(realm.tickets(user))
                    .arg(user),
            );
        }
        Ok(realm)
    }

    /// A user's tickets.
    pub(crate) fn tickets(&self, user: &str) -> PathBuf {
        self.folder.path().join(user.replace('/', "-")).with_extension("tickets")
    }

    /// The environment of a server.
    pub(crate) fn dress(&self, command: &mut Command) {
        let at = self.folder.path();
        command
            .env("KRB5_CONFIG", at.join("krb5.conf"))
            .env("KRB5_KTNAME", format!("FILE:{}", at.join("http.keytab").display()))
            .env("KRB5RCACHENAME", format!("file2:{}", at.join("replays").display()));
    }
}

impl Drop for Realm {
    fn drop(&mut self) {
        // One that has ended already is as good.
        let _ = self.kdc.kill();
        let _ = self.kdc.wait();
    }
}

fn program(name: &str) -> Result<PathBuf, NotRun> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    // Servers lie here, and a plain user's path lacks it.
    let folders = std::env::split_paths(&path).chain([PathBuf::from("/usr/sbin")]);
    let found = folders.map(|folder| folder.join(name)).find(|file| file.is_file());
    found.ok_or_else(|| NotRun::new(NEEDED_BY, &format!("{name} is not installed")))
}

fn prepared(program: &Path, at: &Path) -> Command {
    let mut command = Command::new(program);
    command
        .current_dir(at)
        .env("KRB5_CONFIG", at.join("krb5.conf"))
        .env("KRB5_KDC_PROFILE", at.join("kdc.conf"));
    command
}

fn succeeds(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}

fn write_configuration(at: &Path) {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let folder = at.display();
    let client = format!(
        "[libdefaults]\n default_realm = {NAME}\n rdns = false\n dns_canonicalize_hostname = false\n \
         dns_lookup_kdc = false\n udp_preference_limit = 1\n\
         [realms]\n {NAME} = {{\n  kdc = 127.0.0.1:{port}\n }}\n\
         [domain_realm]\n localhost = {NAME}\n"
    );
    let kdc = format!(
        "[kdcdefaults]\n kdc_listen = 127.0.0.1:{port}\n kdc_tcp_listen = 127.0.0.1:{port}\n\
         [realms]\n {NAME} = {{\n  database_name = {folder}/principal\n  key_stash_file = {folder}/stash\n  \
         acl_file = {folder}/acl\n  max_life = 1h\n }}\n\
         [logging]\n kdc = STDERR\n admin_server = STDERR\n default = STDERR\n"
    );
    std::fs::write(at.join("krb5.conf"), client).unwrap();
    std::fs::write(at.join("kdc.conf"), kdc).unwrap();
    std::fs::write(at.join("acl"), "").unwrap();
}
