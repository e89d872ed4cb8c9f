//! How fast a distribution point serves a large file, against nginx, with the same client.

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Stdio};

use anyhow::{Context, Result, ensure};
use samples::PackSpec;

use super::Workshop;
use super::report::{Line, Report};
use super::rig::{Rig, cpu_s};
use crate::process::{command, output};

const REPETITIONS: usize = 7;
const STREAMS: [usize; 2] = [1, 4];
const MB: f64 = 1e6;
const PACK: PackSpec = PackSpec { seed: 62, drivers: 1, large_files: 1, large_file_bytes: 512 << 20 };
const FILE: &str = "Large Images/image00.img";
const URL_PATH: &str = "Large%20Images/image00.img";
/// nginx may need a moment until it listens.
const START_ATTEMPTS: usize = 200;

/// One large file from the page cache, over one connection and over several.
pub(crate) fn large_file(workshop: &Workshop, report: &mut Report) -> Result<()> {
    let source = workshop.folder().join("served");
    samples::write_pack(&source, &PACK)?;
    let rig = Rig::start(workshop, "serve")?;
    let package = rig.distribute("Large file", &source)?;
    let ours_url = rig.content_url(&package, URL_PATH);
    let nginx = Nginx::start(workshop, &source)?;
    let theirs_url = format!("{}/{URL_PATH}", nginx.url);
    let bytes = fs::metadata(source.join(FILE))?.len();
    ensure!(
        download(&ours_url, 1, bytes)? > 0.0 && download(&theirs_url, 1, bytes)? > 0.0,
        "nothing was served"
    );
    for streams in STREAMS {
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        for _ in 0..REPETITIONS {
            ours.push(download(&ours_url, streams, bytes)?);
            theirs.push(download(&theirs_url, streams, bytes)?);
        }
        let plural = if streams == 1 { "connection" } else { "connections" };
        report.add(Line {
            what: format!("DP serves a file of {:.0} MB, {streams} {plural}", bytes as f64 / MB),
            unit: "MB/s",
            ours,
            peer: "nginx".to_owned(),
            theirs,
        });
    }
    Ok(())
}

/// MB/s of so many downloads at once; each must be whole.
pub(super) fn download(url: &str, streams: usize, bytes: u64) -> Result<f64> {
    let curl = || {
        let mut curl = command("curl");
        curl.args(["--silent", "--show-error", "--fail", "--noproxy", "*", "--output", "/dev/null"]);
        curl.args(["--write-out", "%{size_download}", url]);
        curl
    };
    let (seconds, sizes) = super::gauge::timed(|| {
        std::thread::scope(|scope| {
            let running: Vec<_> = (0..streams).map(|_| scope.spawn(|| output(&mut curl()))).collect();
            running
                .into_iter()
                .map(|one| one.join().expect("a download does not panic"))
                .collect::<Result<Vec<String>>>()
        })
    })?;
    ensure!(
        sizes.iter().all(|size| size.trim() == bytes.to_string()),
        "{url} gave {sizes:?} of {bytes} bytes"
    );
    Ok(bytes as f64 * streams as f64 / MB / seconds)
}

pub(super) struct Nginx {
    child: Child,
    /// Of the folder that it serves.
    pub(super) url: String,
}

impl Nginx {
    pub(super) fn start(workshop: &Workshop, root: &Path) -> Result<Nginx> {
        let folder = workshop.folder().join("nginx");
        fs::create_dir_all(&folder)?;
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        // As Debian ships it, but for where it lies; as root its workers must be able to read our files.
        let user = if crate::machine::is_root() { "user root;\n" } else { "" };
        let configuration = format!(
            "{user}daemon off;\nworker_processes auto;\npid {folder}/pid;\nerror_log stderr;\n\
             events {{ worker_connections 768; }}\n\
             http {{ sendfile on; tcp_nopush on; access_log off; client_body_temp_path {folder}/body;\n\
             proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;\n\
             uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;\n\
             server {{ listen 127.0.0.1:{port}; root \"{root}\"; }} }}\n",
            folder = folder.display(),
            root = root.display(),
        );
        let file = folder.join("nginx.conf");
        fs::write(&file, configuration)?;
        let program = crate::machine::need("nginx", "nginx-light")?;
        let mut nginx = command(program);
        nginx.arg("-p").arg(&folder).arg("-c").arg(&file).stdout(Stdio::null());
        let child = nginx.spawn().context("cannot run nginx")?;
        let nginx = Nginx { child, url: format!("http://127.0.0.1:{port}") };
        let mut probe = command("curl");
        probe.args(["--silent", "--head", "--noproxy", "*", &nginx.url]).stdout(Stdio::null());
        for _ in 0..START_ATTEMPTS {
            if probe.status()?.success() {
                return Ok(nginx);
            }
        }
        anyhow::bail!("nginx does not answer at {}; its messages are above", nginx.url)
    }

    /// Seconds of processor time of it and its workers.
    pub(super) fn cpu_s(&self) -> Result<f64> {
        let master = self.child.id();
        let workers = output(command("pgrep").args(["--parent", &master.to_string()]))?;
        let workers = workers.lines().map(|pid| cpu_s(pid.trim().parse()?));
        Ok(cpu_s(master)? + workers.sum::<Result<f64>>()?)
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // TERM, so that it ends its workers too.
        let pid = self.child.id().to_string();
        if output(command("kill").args(["-TERM", &pid])).is_err() {
            let _ = self.child.kill();
        }
        let _ = self.child.wait();
    }
}
