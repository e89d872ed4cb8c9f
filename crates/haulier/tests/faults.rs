//! What goes wrong at night, with real processes: sources, disks, silence, damage, tricks. Each fault is seen to
//! have happened before the recovery is judged.
#![allow(clippy::unwrap_used, reason = "a fixture that cannot be made fails its test")]

use std::path::{Path, PathBuf};

use processes::disk::SmallDisk;
use processes::{Hierarchy, fetch, wait_until};
use serde_json::Value;

mod processes;

fn write(source: &Path, files: &[(&str, &[u8])]) {
    for (path, content) in files {
        let file = source.join(path);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, content).unwrap();
    }
}

/// Bytes that neither compress nor repeat.
fn noise(seed: u64, bytes: usize) -> Vec<u8> {
    samples::Rng::new(seed).bytes(bytes)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_source_that_cannot_be_read_publishes_nothing_and_says_why_until_it_can() {
    let hierarchy = Hierarchy::start(1).await;
    let source = hierarchy.folder.path().join("later");
    let id = hierarchy.create_package("Late", &source).await;
    hierarchy.distribute(&id).await;
    let fault = async |code: &str| {
        let wanted = code.to_owned();
        wait_until(&format!("the package says {wanted}"), || async {
            let rows = hierarchy
                .json(&["query", &format!("SELECT * FROM Haulier_PackageState WHERE PackageID = '{id}'")])
                .await;
            rows[0]["FaultCode"] == wanted.as_str()
        })
        .await;
    };
    fault("source_unusable").await;
    assert_eq!(hierarchy.haulier(&["doctor"]).await.status.code(), Some(1));

    std::fs::create_dir(&source).unwrap();
    hierarchy.text(&["package", "refresh", &id]).await;
    fault("source_empty").await;

    write(&source, &[("a.inf", b"[Version]")]);
    hierarchy.text(&["package", "refresh", &id]).await;
    hierarchy.wait_for_states(&id, |states| states.iter().all(|state| state["State"] == 0)).await;
    fault("").await;
    assert_eq!(
        fetch(&hierarchy.points[0].address, &format!("{id}/a.inf")).await.as_deref(),
        Some(&b"[Version]"[..])
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn links_in_a_source_are_refused_by_name() {
    let hierarchy = Hierarchy::start(0).await;
    let source = hierarchy.folder.path().join("source");
    write(&source, &[("a.inf", b"[Version]")]);
    std::os::unix::fs::symlink("/etc/passwd", source.join("secret.inf")).unwrap();
    let id = hierarchy.create_package("Linked", &source).await;
    wait_until("the link is named", || async {
        let rows = hierarchy
            .json(&["query", &format!("SELECT * FROM Haulier_PackageState WHERE PackageID = '{id}'")])
            .await;
        rows[0]["FaultText"].as_str().is_some_and(|text| text.contains("secret.inf"))
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_refreshes_at_once_make_one_version() {
    let hierarchy = Hierarchy::start(1).await;
    let source = hierarchy.folder.path().join("source");
    write(&source, &[("a.sys", &noise(1, 50_000))]);
    let id = hierarchy.create_package("Twice", &source).await;
    hierarchy.distribute(&id).await;
    hierarchy.wait_for_version(&id, 1).await;
    write(&source, &[("a.sys", &noise(2, 50_000))]);
    // Out of reach until both calls are made: one that comes when the reading has begun is answered by the next version.
    let away = source.with_extension("away");
    std::fs::rename(&source, &away).unwrap();
    let refresh = ["package", "refresh", &id];
    let (one, two) = tokio::join!(hierarchy.text(&refresh), hierarchy.text(&refresh));
    assert_eq!((one.as_str(), two.as_str()), ("", ""));
    std::fs::rename(&away, &source).unwrap();
    hierarchy.wait_for_version(&id, 2).await;
    let idle = format!("SELECT * FROM Haulier_PackageState WHERE PackageID = '{id}'");
    wait_until("both requests are done", || async {
        hierarchy.json(&["query", &idle]).await[0]["RefreshPending"] == false
    })
    .await;
    assert_eq!(hierarchy.json(&["package", "show", &id]).await["package"]["SourceVersion"], 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_silent_distribution_point_delays_no_other_and_catches_up_to_the_newest_version() {
    let hierarchy = Hierarchy::start(2).await;
    let source = hierarchy.folder.path().join("source");
    write(&source, &[("a.sys", &noise(1, 200_000))]);
    let id = hierarchy.create_package("Silent", &source).await;
    hierarchy.distribute(&id).await;
    hierarchy.wait_for_version(&id, 1).await;

    signal(hierarchy.points[1].pid(), "STOP").await;
    for version in 2..=4 {
        write(&source, &[("a.sys", &noise(version, 200_000))]);
        hierarchy.text(&["package", "refresh", &id]).await;
        let name = &hierarchy.points[0].name;
        hierarchy
            .wait_for_states(&id, |states| {
                states
                    .iter()
                    .any(|state| state["ServerName"] == name.as_str() && state["InstalledVersion"] == version)
            })
            .await;
    }
    let silent = hierarchy.states(&id).await;
    let silent =
        silent.iter().find(|state| state["ServerName"] == hierarchy.points[1].name.as_str()).unwrap();
    assert_eq!(silent["InstalledVersion"], 1, "the fault fired: a stopped process installs nothing");
    assert_ne!(silent["State"], 0, "nothing is assumed");
    signal(hierarchy.points[1].pid(), "CONT").await;
    hierarchy.wait_for_version(&id, 4).await;
}

/// A published package whose pack then changes on the site's disk.
async fn with_a_damaged_pack(hierarchy: &Hierarchy, source: &Path) -> String {
    write(source, &[("a.sys", &noise(1, 300_000)), ("b.sys", &noise(2, 300_000))]);
    let id = hierarchy.create_package("Damaged", source).await;
    wait_until("version 1 is published", || async {
        hierarchy.json(&["package", "show", &id]).await["package"]["StoredPkgVersion"] == 1
    })
    .await;
    let pack = largest_file(&hierarchy.site.data);
    let mut bytes = std::fs::read(&pack).unwrap();
    bytes[150_000] ^= 1;
    std::fs::write(&pack, &bytes).unwrap();
    id
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn damage_that_a_distribution_point_refuses_is_mended_from_the_source_by_itself() {
    let hierarchy = Hierarchy::start(1).await;
    let id = with_a_damaged_pack(&hierarchy, &hierarchy.folder.path().join("source")).await;
    hierarchy.distribute(&id).await;
    hierarchy.wait_for_version(&id, 1).await;
    assert_eq!(fetch(&hierarchy.points[0].address, &format!("{id}/a.sys")).await, Some(noise(1, 300_000)));
    let report = hierarchy.json(&["content", "verify"]).await;
    assert_eq!((&report["PacksDamaged"], &report["FilesLost"]), (&0.into(), &0.into()), "{report}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn damage_without_a_source_is_never_served_and_a_refresh_ends_it() {
    let hierarchy = Hierarchy::start(1).await;
    let source = hierarchy.folder.path().join("source");
    let id = with_a_damaged_pack(&hierarchy, &source).await;
    let away = source.with_extension("away");
    std::fs::rename(&source, &away).unwrap();
    hierarchy.distribute(&id).await;
    let states = hierarchy.wait_for_states(&id, |states| !text(&states[0], "FaultCode").is_empty()).await;
    assert_ne!(states[0]["State"], 0);
    assert_eq!(
        fetch(&hierarchy.points[0].address, &format!("{id}/a.sys")).await,
        None,
        "no partial version is served"
    );

    std::fs::rename(&away, &source).unwrap();
    hierarchy.text(&["package", "refresh", &id]).await;
    hierarchy.wait_for_version(&id, 2).await;
    assert_eq!(fetch(&hierarchy.points[0].address, &format!("{id}/a.sys")).await, Some(noise(1, 300_000)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_content_library_repairs_itself_from_unchanged_sources() {
    let hierarchy = Hierarchy::start(1).await;
    let id = with_a_damaged_pack(&hierarchy, &hierarchy.folder.path().join("source")).await;

    let report = hierarchy.json(&["content", "verify"]).await;
    assert_eq!((&report["PacksDamaged"], &report["FilesLost"]), (&1.into(), &0.into()), "{report}");
    assert!(report["ChunksRepaired"].as_u64() > Some(0), "{report}");
    assert_eq!(hierarchy.json(&["content", "verify"]).await["PacksDamaged"], 0);
    hierarchy.distribute(&id).await;
    hierarchy.wait_for_version(&id, 1).await;
    let stats = hierarchy.json(&["content", "stats"]).await;
    assert_eq!((&stats["Manifests"], &stats["FileBytes"]), (&1.into(), &600_000.into()), "{stats}");
    assert_eq!(hierarchy.json(&["content", "collect"]).await["MoreToDo"], false);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tricks_in_names_reach_nothing_outside_the_package() {
    let hierarchy = Hierarchy::start(1).await;
    let source = hierarchy.folder.path().join("source");
    write(&source, &[("folder/a.sys", b"driver")]);
    let id = hierarchy.create_package("Tricked", &source).await;
    hierarchy.distribute(&id).await;
    hierarchy.wait_for_version(&id, 1).await;
    let address = &hierarchy.points[0].address;
    assert!(
        fetch(address, &format!("{id}/FOLDER/%41.SYS")).await.is_some(),
        "names are decoded once, in any case"
    );
    for trick in [
        "../../../etc/passwd",
        "..%2f..%2f..%2fetc%2fpasswd",
        "folder/..%5c..%5cidentity.json",
        "folder/a.sys::$DATA",
        "folder/a.sys%00.txt",
        "C:/windows/win.ini",
        "%2fetc%2fpasswd",
        "con",
        "folder/a.sys.",
        "folder/%252e%252e/a.sys",
        "",
        "folder",
    ] {
        assert_eq!(raw_status(address, &format!("/SMS_DP_SMSPKG$/{id}/{trick}")).await, 404, "{trick}");
    }
    for missing in
        ["PS1FFFFF/a", "nonsense/a", &format!("{id}.9/folder/a.sys"), &format!("{id}.x/folder/a.sys")]
    {
        assert_eq!(raw_status(address, &format!("/SMS_DP_SMSPKG$/{missing}")).await, 404, "{missing}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_at_a_distribution_point_loses_nothing_and_goes_on_when_there_is_room() {
    let Some(disk) = SmallDisk::mount("8m").await else {
        eprintln!("NOT RUN: a_full_disk_at_a_distribution_point: mounting needs root");
        return;
    };
    let mut hierarchy = Hierarchy::start(0).await;
    hierarchy.add_point_in("dp1.example.test", &disk.folder().join("dp1")).await;
    hierarchy.add_point("dp2.example.test").await;
    let source = hierarchy.folder.path().join("source");
    let files: Vec<(String, Vec<u8>)> =
        (0..20).map(|number| (format!("f{number}.bin"), noise(number, 1_000_000))).collect();
    let borrowed: Vec<(&str, &[u8])> =
        files.iter().map(|(path, content)| (path.as_str(), content.as_slice())).collect();
    write(&source, &borrowed);
    let id = hierarchy.create_package("Too big", &source).await;
    hierarchy.distribute(&id).await;
    let of = |states: &[Value], name: &str| {
        states.iter().find(|state| state["ServerName"] == name).cloned().unwrap_or_default()
    };
    let states = hierarchy
        .wait_for_states(&id, |states| {
            let is_full = text(&of(states, "dp1.example.test"), "FaultCode") == "disk_full";
            is_full && of(states, "dp2.example.test")["State"] == 0
        })
        .await;
    assert_ne!(of(&states, "dp1.example.test")["State"], 0, "the other one has it, this one does not say so");
    disk.grow("128m").await;
    hierarchy.wait_for_version(&id, 1).await;
    assert_eq!(fetch(&hierarchy.points[0].address, &format!("{id}/f7.bin")).await, Some(noise(7, 1_000_000)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_at_the_site_publishes_nothing_and_goes_on_when_there_is_room() {
    let Some(disk) = SmallDisk::mount("12m").await else {
        eprintln!("NOT RUN: a_full_disk_at_the_site: mounting needs root");
        return;
    };
    let mut hierarchy = Hierarchy::start_in(disk.folder(), 0).await;
    let outside = tempfile::tempdir().unwrap();
    hierarchy.add_point_in("dp1.example.test", &outside.path().join("dp1")).await;
    let small = outside.path().join("small");
    write(&small, &[("a.bin", b"there before")]);
    let small = hierarchy.create_package("Small", &small).await;
    hierarchy.distribute(&small).await;
    hierarchy.wait_for_version(&small, 1).await;
    let source = outside.path().join("source");
    write(&source, &[("big.bin", &noise(1, 24_000_000))]);
    let id = hierarchy.create_package("Too big", &source).await;
    hierarchy.distribute(&id).await;
    wait_until("the package says disk_full", || async {
        let rows = hierarchy
            .json(&["query", &format!("SELECT * FROM Haulier_PackageState WHERE PackageID = '{id}'")])
            .await;
        rows[0]["FaultCode"] == "disk_full"
    })
    .await;
    // What was there before goes to others meanwhile.
    hierarchy.add_point_in("dp2.example.test", &outside.path().join("dp2")).await;
    hierarchy.text(&["package", "distribute", &small, "dp2.example.test"]).await;
    hierarchy
        .wait_for_states(&small, |states| states.len() == 2 && states.iter().all(|state| state["State"] == 0))
        .await;
    disk.grow("256m").await;
    hierarchy.text(&["package", "refresh", &id]).await;
    hierarchy.wait_for_states(&id, |states| states.iter().all(|state| state["State"] == 0)).await;
    assert_eq!(
        fetch(&hierarchy.points[0].address, &format!("{id}/big.bin")).await,
        Some(noise(1, 24_000_000))
    );
}

fn text<'a>(row: &'a Value, property: &str) -> &'a str {
    row[property].as_str().unwrap_or_default()
}

async fn signal(pid: u32, name: &str) {
    let status =
        tokio::process::Command::new("kill").args([&format!("-{name}"), &pid.to_string()]).status().await;
    assert!(status.expect("kill runs").success());
}

/// The status of a request whose path is sent as it stands, without a client's tidying.
async fn raw_status(address: &str, path: &str) -> u16 {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let host = address.strip_prefix("http://").unwrap();
    let mut stream = tokio::net::TcpStream::connect(host).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut reply = Vec::new();
    stream.read_to_end(&mut reply).await.unwrap();
    let line = String::from_utf8_lossy(&reply);
    line.split_whitespace()
        .nth(1)
        .and_then(|code| code.parse().ok())
        .unwrap_or_else(|| panic!("{path}: {line}"))
}

/// The largest file below a folder: in a new site with one package, its pack.
fn largest_file(folder: &Path) -> PathBuf {
    let mut largest = (0, PathBuf::new());
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            let kind = entry.metadata().unwrap();
            let is_database = entry.file_name().to_string_lossy().contains(['.']);
            if kind.is_dir() {
                folders.push(entry.path());
            } else if kind.len() > largest.0 && !is_database {
                largest = (kind.len(), entry.path());
            }
        }
    }
    largest.1
}
