//! SIGKILL at random moments of refresh, replication, transfer and install: no accepted refresh is lost, nothing partial
//! is served, no byte is wrong.
//!
//! Each round changes the source, calls RefreshPkgSource, and kills the site, the child site below it or a distribution
//! point of either again and again while the round settles. A reader looks at what the distribution points serve all the time. `HAULIER_KILLS`
//! sets how many kills there are (default 200), `HAULIER_SEED` the order of events.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use clock::{Clock, SystemClock};
use processes::{Hierarchy, wait_until};
use samples::Rng;
use tokio_util::sync::CancellationToken;

mod processes;

/// How many kills there are, unless `HAULIER_KILLS` says otherwise.
const KILLS_DEFAULT: u64 = 40;
/// Kills in one round, before the round may settle.
const KILLS_PER_ROUND: u64 = 8;
/// A kill comes at a random moment within this time after the last start.
const KILL_WITHIN_MS: usize = 250;
/// The file that says which round a version belongs to.
const MARKER: &str = "round.txt";
const LARGE_FILE: &str = "graphics/large.dll";
const SMALL_FILES: u64 = 120;
/// More than one chunk holds, so that the file is cut.
const LARGE_FILE_BYTES: usize = 5 << 20;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_or_wrong_when_processes_are_killed_at_random() {
    let kills_wanted = number_from("HAULIER_KILLS", KILLS_DEFAULT);
    let seed = number_from("HAULIER_SEED", 7);
    let mut random = Rng::new(seed);
    let mut hierarchy = Hierarchy::start(1).await;
    let mut child = hierarchy.child("S01", "secondary", 1).await;
    let source = hierarchy.folder.path().join("source");
    write(&source, 0);
    let package = hierarchy.create_package("Killed", &source).await;
    wait_until("the child's distribution point is known", || async {
        hierarchy.json(&["dp", "list"]).await.as_array().is_some_and(|points| points.len() == 2)
    })
    .await;
    let names = [&hierarchy, &child].map(|site| site.points[0].name.clone());
    hierarchy.text(&["package", "distribute", &package, &names[0], &names[1]]).await;
    hierarchy.wait_for_version(&package, 1).await;

    let addresses = [&hierarchy, &child].map(|site| site.points[0].address.clone());
    let reader = Reader::start(&addresses, &package);
    let mut kills = 0;
    let mut killed = [0; 4];
    let mut round = 0;
    while kills < kills_wanted {
        round += 1;
        write(&source, round);
        hierarchy.text(&["package", "refresh", &package]).await;
        for _ in 0..KILLS_PER_ROUND.min(kills_wanted - kills) {
            SystemClock.sleep(Duration::from_millis(random.below(KILL_WITHIN_MS) as u64)).await;
            // A kill of settled processes proves little: the next round begins instead.
            if holds_round(&addresses, &package, round).await {
                break;
            }
            let which = random.below(killed.len());
            let site = if which.is_multiple_of(2) { &mut hierarchy } else { &mut child };
            let server = if which < 2 { &mut site.site } else { &mut site.points[0] };
            server.kill().await;
            server.start().await;
            kills += 1;
            killed[which] += 1;
        }
        wait_until(&format!("round {round} on every distribution point (seed {seed})"), || {
            holds_round(&addresses, &package, round)
        })
        .await;
    }
    let looks = reader.stop().await;
    assert!(looks > 0, "the reader looked at nothing");
    assert!(killed.iter().all(|kills| *kills > 0), "{killed:?}: somebody was never killed");
    // Each site tells the same of what it knows.
    for (site, points) in [(&hierarchy, 2), (&child, 1)] {
        let states =
            site.wait_for_states(&package, |states| states.iter().all(|state| state["State"] == 0)).await;
        assert_eq!(states.len(), points, "{states:#?}");
        assert!(
            states.iter().all(|state| state["InstalledVersion"] == state["SourceVersion"]),
            "{states:#?}"
        );
    }
    for (address, path) in addresses.iter().flat_map(|at| paths().into_iter().map(move |path| (at, path))) {
        let served = processes::fetch(address, &format!("{package}/{path}")).await;
        assert!(
            served == Some(content(round, &path)),
            "{path} at {address} after {kills} kills (seed {seed})"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_removal_waits_for_a_distribution_point_that_is_off_and_then_nothing_is_left() {
    let mut hierarchy = Hierarchy::start(1).await;
    let source = hierarchy.folder.path().join("source");
    write(&source, 1);
    let package = hierarchy.create_package("Removed", &source).await;
    hierarchy.distribute(&package).await;
    hierarchy.wait_for_version(&package, 1).await;
    let (name, address) = (hierarchy.points[0].name.clone(), hierarchy.points[0].address.clone());
    let versions = hierarchy.folder.path().join(&name).join("versions");
    let held = || std::fs::read_dir(&versions).expect("the folder is there").count();
    assert_eq!(held(), 1);
    hierarchy.points[0].kill().await;
    hierarchy.text(&["package", "remove", &package, &name]).await;
    // Neither end remembers it by being asked.
    hierarchy.site.kill().await;
    hierarchy.site.start().await;
    let states = hierarchy.states(&package).await;
    assert_eq!((states.len(), &states[0]["State"]), (1, &serde_json::json!(4)), "{states:#?}");
    assert_eq!(held(), 1, "nobody could tell it");
    hierarchy.points[0].start().await;
    wait_until("the assignment has ended", || async { hierarchy.states(&package).await.is_empty() }).await;
    assert_eq!(processes::fetch(&address, &format!("{package}/{MARKER}")).await, None);
    assert_eq!(held(), 0, "nothing of it is on the disk");
    hierarchy.text(&["package", "delete", &package]).await;
    assert_eq!(hierarchy.haulier(&["package", "show", &package]).await.status.code(), Some(5));
}

fn number_from(variable: &str, default: u64) -> u64 {
    std::env::var(variable).map_or(default, |text| text.parse().expect("a number"))
}

/// The paths of every round: a marker, small files, a large one that is cut into chunks.
fn paths() -> Vec<String> {
    let small = (0..SMALL_FILES).map(|number| format!("driver{}/file{number}.sys", number % 12));
    [MARKER.to_owned(), LARGE_FILE.to_owned()].into_iter().chain(small).collect()
}

/// What a file holds in a round. Each round changes some files, so a mixture of two rounds shows.
fn content(round: u64, path: &str) -> Vec<u8> {
    match path {
        MARKER => round.to_string().into_bytes(),
        LARGE_FILE => large_file(round),
        small => {
            let number: u64 = small
                .trim_end_matches(".sys")
                .rsplit("file")
                .next()
                .and_then(|n| n.parse().ok())
                .expect("a number");
            // A file changes every few rounds, at its own pace.
            let age = round / (1 + number % 5);
            let mut random = Rng::new(number << 32 | age);
            (0..2_000 + number * 37).map(|_| b'a' + random.below(16) as u8).collect()
        }
    }
}

fn large_file(round: u64) -> Vec<u8> {
    let mut random = Rng::new(round);
    let mut large: Vec<u8> = (0..LARGE_FILE_BYTES).map(|at| (at / 64) as u8 ^ (at >> 16) as u8).collect();
    for _ in 0..200 {
        large[random.below(LARGE_FILE_BYTES)] ^= 0x55;
    }
    large
}

fn write(source: &Path, round: u64) {
    for path in paths() {
        let file = source.join(&path);
        std::fs::create_dir_all(file.parent().expect("inside the source")).expect("a folder");
        std::fs::write(file, content(round, &path)).expect("a file");
    }
}

/// Whether every distribution point serves this round's marker as the current version.
async fn holds_round(addresses: &[String], package: &str, round: u64) -> bool {
    for address in addresses {
        let marker = try_fetch(address, &format!("{package}/{MARKER}")).await;
        if marker.ok().flatten() != Some(round.to_string().into_bytes()) {
            return false;
        }
    }
    true
}

/// Looks at what is served while processes die: a version that is served must be whole and unmixed.
struct Reader {
    stop: CancellationToken,
    looks: Arc<AtomicU64>,
    tasks: Vec<tokio::task::JoinHandle<()>>,
}

impl Reader {
    fn start(addresses: &[String], package: &str) -> Self {
        let (stop, looks) = (CancellationToken::new(), Arc::new(AtomicU64::new(0)));
        let tasks = addresses.iter().map(|address| {
            let (stop, looks) = (stop.clone(), Arc::clone(&looks));
            let (address, package) = (address.clone(), package.to_owned());
            tokio::spawn(async move {
                while !stop.is_cancelled() {
                    // A killed server breaks connections; only what it answers is judged.
                    if look(&address, &package).await.unwrap_or(false) {
                        looks.fetch_add(1, Ordering::Relaxed);
                    }
                }
            })
        });
        Self { tasks: tasks.collect(), stop, looks }
    }

    async fn stop(self) -> u64 {
        self.stop.cancel();
        for task in self.tasks {
            task.await.expect("what was served was right");
        }
        self.looks.load(Ordering::Relaxed)
    }
}

/// Finds out the newest version that is served, and checks files of exactly that version.
async fn look(address: &str, package: &str) -> Result<bool, reqwest::Error> {
    let Some(marker) = try_fetch(address, &format!("{package}/{MARKER}")).await? else {
        return Ok(false);
    };
    let round: u64 =
        String::from_utf8(marker).expect("the marker is text").parse().expect("the marker is a number");
    let mut random = Rng::new(round ^ u64::from(SystemClock.monotonic().subsec_nanos()));
    let paths = paths();
    for _ in 0..6 {
        let path = random.pick(&paths);
        let served = try_fetch(address, &format!("{package}/{path}")).await?;
        let now = try_fetch(address, &format!("{package}/{MARKER}")).await?;
        if now != Some(round.to_string().into_bytes()) {
            // The version was switched in between: the next look judges the new one.
            return Ok(false);
        }
        assert!(
            served == Some(content(round, path)),
            "{path} of round {round} at {address} is not what it was"
        );
    }
    Ok(true)
}

async fn try_fetch(address: &str, path: &str) -> Result<Option<Vec<u8>>, reqwest::Error> {
    let http = reqwest::Client::builder().no_proxy().build()?;
    let reply = http.get(format!("{address}/SMS_DP_SMSPKG$/{path}")).send().await?;
    match reply.status().as_u16() {
        200 => Ok(Some(reply.bytes().await?.to_vec())),
        404 => Ok(None),
        other => panic!("{path} at {address} answers {other}"),
    }
}
