//! Which job runs when: a few at a time, urgent and old demands first, and never two for one package. One that is less urgent
//! than one that waits gives its place up, and goes on later from where it was.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use agent::Goal;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::context::{Context, Stop};
use crate::job;
use crate::state::Row;

/// Jobs at once. More would share the same link and the same disk.
const JOBS_MAX: usize = 3;
/// How often the schedule looks again although nothing told it to.
const LOOK_INTERVAL: Duration = Duration::from_secs(30);

/// Runs jobs until `stop`, then waits for the running ones to give up.
pub(crate) async fn run(context: Arc<Context>, stop: CancellationToken) {
    let mut jobs: JoinSet<String> = JoinSet::new();
    let mut running: HashMap<String, Running> = HashMap::new();
    let mut was_in_maintenance = false;
    loop {
        let (now, rows, repairs) = (context.clock.monotonic(), context.state.rows(), context.repairs());
        let in_maintenance = context.is_in_maintenance();
        if in_maintenance && !was_in_maintenance {
            // Those that transfer nothing begin again at once.
            running.values().for_each(|job| job.stop.stop());
        }
        was_in_maintenance = in_maintenance;
        supersede(&rows, &running);
        let importing = context.imports.packages();
        for package in &importing {
            match running.get(package) {
                Some(job) => job.stop.stop(),
                None => context.imports.let_in(package),
            }
        }
        let due =
            due(&rows, &repairs, now, |package| running.contains_key(package) || importing.contains(package));
        let due = admitted(&context, due, &running, in_maintenance);
        let (start, waiting) = due.split_at(due.len().min(JOBS_MAX.saturating_sub(running.len())));
        outrank(waiting, &running);
        for Due { row, repair, verifies } in start.iter().cloned() {
            let (package, job_stop) = (row.desired.package_id.clone(), Stop::default());
            running.insert(package.clone(), Running::new(&row, verifies, job_stop.clone()));
            if repair {
                context.start_repair(&package);
            }
            let work = job::run(Arc::clone(&context), row.clone(), repair, job_stop);
            jobs.spawn(guarded(Arc::clone(&context), row, repair, work));
        }
        tokio::select! {
            biased;
            () = stop.cancelled() => break,
            Some(ended) = jobs.join_next(), if !jobs.is_empty() => {
                running.remove(&ended.expect("the outer task does nothing that can fail"));
            }
            () = context.state.work.notified() => {}
            () = context.clock.sleep(next_look(&rows, now)) => {}
        }
    }
    running.values().for_each(|job| job.stop.stop());
    while jobs.join_next().await.is_some() {}
}

/// A job that is to begin.
#[derive(Debug, Clone)]
struct Due {
    row: Row,
    repair: bool,
    verifies: bool,
}

/// Leaves out what has to wait for another reason than for a place: transfers during maintenance, and all verifications
/// but one at a time.
fn admitted(
    context: &Context,
    due: Vec<(Row, bool)>,
    running: &HashMap<String, Running>,
    in_maintenance: bool,
) -> Vec<Due> {
    let mut verifying = running.values().any(|job| job.verifies);
    let mut admitted = Vec::new();
    for (row, repair) in due {
        let verifies = is_verification(context, &row);
        let waits =
            (verifies && verifying) || (in_maintenance && !may_run_in_maintenance(context, &row, verifies));
        if !waits {
            verifying |= verifies;
            admitted.push(Due { row, repair, verifies });
        }
    }
    admitted
}

fn is_verification(context: &Context, row: &Row) -> bool {
    match row.desired.goal {
        Goal::Hold { version, verify: true, .. } if !row.settled => {
            let held = context.holder.version(&row.desired.package_id, version);
            held.is_ok_and(|held| held.is_some())
        }
        _ => false,
    }
}

/// Removals and verifications, but none that was found to need a transfer.
fn may_run_in_maintenance(context: &Context, row: &Row, verifies: bool) -> bool {
    let desired = &row.desired;
    match desired.goal {
        Goal::Absent => true,
        Goal::Hold { .. } => verifies && !context.is_withheld(&desired.package_id, desired.generation),
    }
}

/// Runs a job as a task of its own, so that a panic frees the slot and counts as a failure. Gives the package.
async fn guarded(
    context: Arc<Context>,
    row: Row,
    repair: bool,
    work: impl Future<Output = ()> + Send + 'static,
) -> String {
    if let Err(error) = tokio::spawn(work).await {
        tracing::error!(%error, package = %row.desired.package_id, "A job broke down");
        job::broke_down(&context, &row, repair, &error).await;
    }
    row.desired.package_id
}

/// A job under way.
#[derive(Debug)]
struct Running {
    generation: i64,
    priority: u8,
    since_ms: i64,
    /// Whether it hashes what is held. One does so at a time, so that it takes no place from what brings something.
    verifies: bool,
    stop: Stop,
}

impl Running {
    fn new(row: &Row, verifies: bool, stop: Stop) -> Self {
        let (generation, priority) = (row.desired.generation, row.desired.priority);
        Self { generation, priority, since_ms: row.since_ms, verifies, stop }
    }
}

/// Stops jobs whose demand was replaced, or is no more. What they fetched stays useful.
fn supersede(rows: &[Row], running: &HashMap<String, Running>) {
    let wanted: HashMap<&str, i64> =
        rows.iter().map(|row| (row.desired.package_id.as_str(), row.desired.generation)).collect();
    for (package, job) in running {
        if wanted.get(package.as_str()) != Some(&job.generation) {
            job.stop.stop();
        }
    }
}

/// Lets one job give way for each that waits and is more urgent, the least urgent first. On a slow route the others would
/// keep it waiting for hours.
fn outrank(waiting: &[Due], running: &HashMap<String, Running>) {
    let told = running.values().filter(|job| job.stop.is_told()).count();
    for Due { row, .. } in waiting.iter().skip(told) {
        let weaker =
            running.values().filter(|job| !job.stop.is_told() && job.priority > row.desired.priority);
        match weaker.max_by_key(|job| (job.priority, job.since_ms)) {
            Some(job) => job.stop.give_way(),
            None => return,
        }
    }
}

/// The jobs to start, most urgent first, each with whether it repairs what is held.
fn due(
    rows: &[Row],
    repairs: &BTreeSet<String>,
    now: Duration,
    is_running: impl Fn(&str) -> bool,
) -> Vec<(Row, bool)> {
    let mut due: Vec<(Row, bool)> = rows
        .iter()
        .filter(|row| !is_running(&row.desired.package_id) && !row.desired.cancelled)
        .filter(|row| row.retry_at.is_none_or(|at| at <= now))
        .map(|row| (row.clone(), repairs.contains(&row.desired.package_id)))
        .filter(|(row, repair)| !row.settled || *repair)
        .collect();
    due.sort_by(|(a, _), (b, _)| {
        let key = |row: &Row| (row.desired.priority, row.since_ms);
        key(a).cmp(&key(b)).then_with(|| a.desired.package_id.cmp(&b.desired.package_id))
    });
    due
}

fn next_look(rows: &[Row], now: Duration) -> Duration {
    let next = rows.iter().filter_map(|row| row.retry_at).filter(|at| *at > now).min();
    next.map_or(LOOK_INTERVAL, |at| at.saturating_sub(now).min(LOOK_INTERVAL))
}

#[cfg(test)]
mod tests {
    use super::*;
    use agent::DesiredPackage;

    fn row(package: &str, priority: u8, since_ms: i64, settled: bool, next_s: Option<u64>) -> Row {
        Row {
            desired: DesiredPackage {
                package_id: package.to_owned(),
                generation: 1,
                priority,
                cancelled: false,
                correlation: None,
                goal: Goal::Absent,
            },
            since_ms,
            settled,
            attempts: 0,
            started: 0,
            received_bytes: 0,
            retry_at: next_s.map(Duration::from_secs),
            paused: false,
            fault: None,
        }
    }

    fn due_row(row: Row) -> Due {
        Due { row, repair: false, verifies: false }
    }

    fn cancelled(package: &str, priority: u8) -> Row {
        let mut row = row(package, priority, 0, false, None);
        row.desired.cancelled = true;
        row
    }

    #[test]
    fn urgent_then_old_demands_go_first_and_waits_are_kept() {
        let rows = [
            row("A", 2, 10, false, None),
            row("B", 1, 20, false, None),
            row("C", 2, 5, false, None),
            row("D", 1, 1, true, None),
            row("E", 1, 1, false, Some(200)),
            row("F", 1, 1, false, Some(100)),
            row("G", 3, 0, true, None),
            row("H", 1, 0, false, None),
            cancelled("I", 1),
            cancelled("J", 1),
        ];
        let repairs = BTreeSet::from(["G".to_owned(), "J".to_owned()]);
        let now = Duration::from_secs(100);
        let found = due(&rows, &repairs, now, |package| package == "H");
        let found: Vec<(&str, bool)> =
            found.iter().map(|(r, repair)| (r.desired.package_id.as_str(), *repair)).collect();
        assert_eq!(found, [("F", false), ("B", false), ("C", false), ("A", false), ("G", true)]);
        assert_eq!(next_look(&rows, now), LOOK_INTERVAL);
        assert_eq!(next_look(&rows, Duration::from_secs(190)), Duration::from_secs(10));
    }

    #[test]
    fn the_least_urgent_give_way_to_who_is_more_urgent_and_to_nobody_else() {
        // Who waits, who runs as (package, priority, since), and who gives way.
        for (waiting, jobs, expect) in [
            (&[2][..], &[("A", 2, 1), ("B", 2, 2), ("C", 1, 3)][..], &[][..]),
            (&[1], &[("A", 2, 1), ("B", 3, 2), ("C", 1, 3)], &["B"]),
            (&[1], &[("A", 3, 1), ("B", 3, 2), ("C", 2, 3)], &["B"]),
            (&[1, 2, 3], &[("A", 3, 1), ("B", 3, 2), ("C", 2, 3)], &["A", "B"]),
            (&[], &[("A", 3, 1)], &[]),
        ] {
            let waiting: Vec<_> =
                waiting.iter().map(|priority| due_row(row("W", *priority, 9, false, None))).collect();
            let job = |(package, priority, since): &(&str, u8, i64)| {
                let running =
                    Running::new(&row(package, *priority, *since, false, None), false, Stop::default());
                ((*package).to_owned(), running)
            };
            let running: HashMap<String, Running> = jobs.iter().map(job).collect();
            // Looking again before they are gone changes nothing.
            for _ in 0..2 {
                outrank(&waiting, &running);
                let mut told: Vec<_> = running
                    .iter()
                    .filter(|(_, job)| job.stop.is_told())
                    .map(|(package, _)| package.as_str())
                    .collect();
                told.sort_unstable();
                assert_eq!(told, expect, "{jobs:?}");
            }
        }
    }

    #[tokio::test]
    async fn a_job_that_panics_has_failed_and_waits_like_any_other() {
        let folder = tempfile::tempdir().unwrap();
        let context = Context::for_test(folder.path(), "http://127.0.0.1:9", clock::SystemClock::shared());
        let wanted = row("PS100001", 2, 0, false, None).desired;
        let reply = agent::DesiredReply { revision: 1, packages: vec![wanted], ..Default::default() };
        context.state.apply(&reply, context.clock.now());
        let row = context.state.rows().remove(0);
        let started_at = context.clock.monotonic();
        let package = guarded(Arc::clone(&context), row, true, async { panic!("a bug") }).await;
        assert_eq!(package, "PS100001");
        let row = context.state.rows().remove(0);
        assert_eq!((row.attempts, row.fault.as_deref()), (1, Some("interrupted")));
        assert!(row.retry_at.unwrap() > started_at, "it is not started again at once");
        assert_eq!(context.state.facts_count(), 1, "the site hears of it");
        assert!(context.repairs().contains("PS100001"), "its repair is still to be done");
    }

    #[tokio::test]
    async fn a_suspicion_that_comes_during_a_job_outlives_it() {
        let folder = tempfile::tempdir().unwrap();
        let context = Context::for_test(folder.path(), "http://127.0.0.1:9", clock::SystemClock::shared());
        context.suspect("PS100001");
        for repair in [true, false] {
            if repair {
                context.start_repair("PS100001");
            }
            context.suspect("PS100001");
            job::run(Arc::clone(&context), row("PS100001", 2, 0, false, None), repair, Stop::default()).await;
            assert!(context.repairs().contains("PS100001"), "repair: {repair}");
        }
        context.start_repair("PS100001");
        job::run(Arc::clone(&context), row("PS100001", 2, 0, false, None), true, Stop::default()).await;
        assert!(context.repairs().is_empty(), "a repair that came to its end is done");
    }
}
