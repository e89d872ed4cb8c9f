//! Which version is brought in when: a few at a time, the urgent first, each with waits of its own after a failure. One that
//! is less urgent than one that waits gives its place up, and goes on later from where it was.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use membership::backoff::jittered;
use site::{Need, Neighbor};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::SiteLink;
use crate::fetch::{FEEDS_MAX, Limits};
use crate::pull::{Ended, ON_ITS_WAY_WAIT_MAX, pull};
use crate::silence::{Heard, Silence};
use crate::source::Sources;

/// Pulls from one neighbor at once. More would share the same link.
const PULLS_OF_NEIGHBOR_MAX: usize = 3;
/// Pulls at once, so that neighbors that are slow or silent leave places for the others. Each holds some tens of MiB.
const PULLS_MAX: usize = 12;
/// Pulls at once from neighbors that are silent, one from each, so that the others have the rest to themselves.
const PROBES_MAX: usize = 4;
/// How long after news the needs are looked at: one look is enough for all that comes together.
const NEWS_SETTLE: Duration = Duration::from_millis(50);
/// The needs are looked at so often even without news: a lost one costs time, never correctness.
const LOOK_INTERVAL: Duration = Duration::from_secs(60);
/// When the needs are looked at again after a look that broke down.
const BROKEN_WAIT: Duration = Duration::from_secs(1);
/// The longest wait for a window, however far off it is: that the route changed may have been missed, and clocks may be set.
const PAUSE_WAIT_MAX: Duration = Duration::from_secs(300);
/// The same for the window of a child, which does not say that its route changed.
const PAUSE_OF_CHILD_WAIT_MAX: Duration = Duration::from_secs(60);

/// Failures in a row after which also what may pass by itself is told.
const PASSING_MAX: u32 = 5;

/// A pull under way.
#[derive(Debug)]
struct Running {
    version: u32,
    priority: u8,
    from: Neighbor,
    heard: Heard,
    stop: CancellationToken,
}

/// What is remembered of a version that is to be tried again.
#[derive(Debug, Default)]
struct Waiting {
    version: u32,
    failures: u32,
    /// Times in a row that it was on its way to the neighbor.
    looks: u32,
    /// On the monotonic clock.
    next_at: Duration,
    /// The code of the last failure that was told.
    told: Option<&'static str>,
    paused: Option<Pause>,
}

/// It waits for the neighbor's window.
#[derive(Debug)]
struct Pause {
    priority: u8,
    until: Option<Timestamp>,
}

/// Brings in what is needed until `stop`.
pub(crate) async fn run(link: SiteLink, sources: Sources, stop: CancellationToken) {
    let limits = Limits {
        feeds: Semaphore::new(FEEDS_MAX),
        stats: link.stats(),
        clock: clock::SharedClock::clone(&link.clock),
    };
    let limits = Arc::new(limits);
    let mut running: HashMap<String, Running> = HashMap::new();
    let mut pulls: JoinSet<(Need, Ended)> = JoinSet::new();
    let mut waiting: HashMap<String, Waiting> = HashMap::new();
    let mut silence = Silence::default();
    // The order matters: who subscribes after looking misses what comes between.
    let mut news = link.site.news();
    while !stop.is_cancelled() {
        news.mark_unchanged();
        for package in link.site.taken_in() {
            waiting.remove(&package);
        }
        let wait = match link.site.content_needs().await {
            Ok(needs) => {
                supersede(&needs, &mut running);
                waiting.retain(|package, _| needs.iter().any(|need| need.package_id == *package));
                let now = link.clock.monotonic();
                running.values().filter(|pull| pull.heard.get()).for_each(|pull| silence.ends(&pull.from));
                let mut due: Vec<Need> =
                    needs.into_iter().filter(|need| is_due(need, &running, &waiting, now)).collect();
                silence.order(&mut due);
                for need in take_places(due, &running, &silence) {
                    let begun = Running::new(&need, stop.child_token());
                    let (heard, own_stop) = (begun.heard.clone(), begun.stop.clone());
                    running.insert(need.package_id.clone(), begun);
                    let (link, sources) = (link.clone(), sources.clone());
                    pulls.spawn(pull(link, sources, Arc::clone(&limits), need, heard, own_stop));
                }
                until_next(&running, &waiting, now)
            }
            Err(error) => {
                tracing::error!(%error, "Cannot see which content is needed");
                BROKEN_WAIT
            }
        };
        tokio::select! {
            biased;
            () = stop.cancelled() => {}
            Some(ended) = pulls.join_next(), if !pulls.is_empty() => {
                let (need, ended) = ended.expect("the outer task does nothing that can fail");
                if let Some(pull) = running.remove(&need.package_id) {
                    silence.note(&need.from, &pull.heard, &ended);
                }
                settle(&link, need, ended, &mut waiting).await;
            }
            Ok(()) = news.changed() => link.clock.sleep(NEWS_SETTLE).await,
            () = link.route_changed.notified() => resume(&mut waiting),
            () = link.clock.sleep(wait) => {}
        }
    }
    while pulls.join_next().await.is_some() {}
}

impl Running {
    fn new(need: &Need, stop: CancellationToken) -> Self {
        Self {
            version: need.version,
            priority: need.priority,
            from: need.from.clone(),
            heard: Heard::default(),
            stop,
        }
    }
}

/// Stops pulls of versions that are no longer needed. What they fetched stays useful.
fn supersede(needs: &[Need], running: &mut HashMap<String, Running>) {
    for (package, pull) in running {
        match needs.iter().find(|need| need.package_id == *package && need.version == pull.version) {
            Some(need) => pull.priority = need.priority,
            None => pull.stop.cancel(),
        }
    }
}

fn is_due(
    need: &Need,
    running: &HashMap<String, Running>,
    waiting: &HashMap<String, Waiting>,
    now: Duration,
) -> bool {
    let may_try = |waiting: &Waiting| {
        let is_more_urgent = waiting.paused.as_ref().is_some_and(|pause| need.priority < pause.priority);
        waiting.version != need.version || waiting.next_at <= now || is_more_urgent
    };
    !running.contains_key(&need.package_id) && waiting.get(&need.package_id).is_none_or(may_try)
}

/// Those that can begin now, of what is due, the urgent first. For each that finds no place, one that is less urgent and in
/// its way gives way: on a slow link it would keep it waiting for hours. Nobody gives way to what comes from who is silent.
fn take_places(due: Vec<Need>, running: &HashMap<String, Running>, silence: &Silence) -> Vec<Need> {
    let mut starting: Vec<Need> = Vec::new();
    let mut leaving: Vec<&Running> = running.values().filter(|pull| pull.stop.is_cancelled()).collect();
    for need in due {
        let from_same = running.values().filter(|pull| pull.from == need.from).count()
            + starting.iter().filter(|other| other.from == need.from).count();
        if silence.is_silent(&need.from) {
            let probes = running.values().filter(|pull| silence.is_silent(&pull.from)).count()
                + starting.iter().filter(|other| silence.is_silent(&other.from)).count();
            if from_same == 0 && probes < PROBES_MAX && running.len() + starting.len() < PULLS_MAX {
                starting.push(need);
            }
            continue;
        }
        let is_neighbor_full = from_same >= PULLS_OF_NEIGHBOR_MAX;
        if !is_neighbor_full && running.len() + starting.len() < PULLS_MAX {
            starting.push(need);
            continue;
        }
        let is_in_its_way = |pull: &Running| !is_neighbor_full || pull.from == need.from;
        // A place that becomes free anyway is for the first that waits for it.
        if let Some(place) = leaving.iter().position(|pull| is_in_its_way(pull)) {
            leaving.swap_remove(place);
            continue;
        }
        let weaker = running
            .iter()
            .filter(|(_, pull)| !pull.stop.is_cancelled() && pull.priority > need.priority)
            .filter(|(_, pull)| is_in_its_way(pull));
        if let Some((_, pull)) = weaker.max_by_key(|(package, pull)| (pull.priority, package.as_str())) {
            pull.stop.cancel();
        }
    }
    starting
}

/// The parent changed this site's route: what waits for a window asks again.
fn resume(waiting: &mut HashMap<String, Waiting>) {
    for waiting in waiting.values_mut().filter(|waiting| waiting.paused.is_some()) {
        waiting.next_at = Duration::ZERO;
    }
}

/// How long nothing is due of itself. Versions for which there is no place now are looked at when a pull ends.
fn until_next(
    running: &HashMap<String, Running>,
    waiting: &HashMap<String, Waiting>,
    now: Duration,
) -> Duration {
    let idle = waiting.iter().filter(|(package, _)| !running.contains_key(*package));
    let next_at = idle.map(|(_, waiting)| waiting.next_at).filter(|next_at| *next_at > now).min();
    next_at.map_or(LOOK_INTERVAL, |next_at| Ord::min(next_at.saturating_sub(now), LOOK_INTERVAL))
}

async fn settle(link: &SiteLink, need: Need, ended: Ended, waiting: &mut HashMap<String, Waiting>) {
    let entry = waiting.entry(need.package_id.clone()).or_default();
    if entry.version != need.version {
        *entry = Waiting { version: need.version, ..Waiting::default() };
    }
    match ended {
        // It is due at once where it is needed still.
        Ended::Stopped => entry.next_at = Duration::ZERO,
        Ended::Arrived => {
            link.stats.versions_arrived.inc();
            waiting.remove(&need.package_id);
        }
        Ended::Paused { reason, until, wait } => pause(link, &need, entry, (reason, until, wait)).await,
        Ended::OnItsWay => on_its_way(link, &need, entry).await,
        Ended::Failed { code, text, passing, wait_max, .. } => {
            link.stats.pulls_failed.inc();
            entry.failures += 1;
            (entry.looks, entry.paused) = (0, None);
            let wait = jittered(entry.failures, wait_max);
            entry.next_at = link.clock.monotonic() + wait;
            let (call, package, version, failures) =
                (&need.call, &need.package_id, need.version, entry.failures);
            tracing::warn!(
                call, %package, version, code, failures, wait_s = wait.as_secs(),
                "A version did not come: {text}"
            );
            if entry.told != Some(code) && (!passing || failures >= PASSING_MAX) {
                entry.told = Some(code);
                let told = link.site.content_failed((package, &need.name), version, code, &text).await;
                if let Err(error) = told {
                    tracing::error!(%error, "Cannot write that a version did not come");
                }
            }
        }
    }
}

/// The neighbor has not got it itself yet: no failure, and nothing to say.
async fn on_its_way(link: &SiteLink, need: &Need, entry: &mut Waiting) {
    let is_news = entry.looks == 0 || entry.paused.is_some();
    entry.looks = entry.looks.saturating_add(1);
    (entry.failures, entry.told, entry.paused) = (0, None, None);
    entry.next_at = link.clock.monotonic() + jittered(entry.looks, ON_ITS_WAY_WAIT_MAX);
    if !is_news {
        return;
    }
    let (call, package, version, from) = (&need.call, &need.package_id, need.version, &need.from_site);
    tracing::info!(call, %package, version, from, "A version is on its way to the site that it comes from");
    if let Err(error) = link.site.content_goes_on(need).await {
        tracing::error!(%error, "Cannot write that a version waits for a window no more");
    }
}

/// The neighbor sends nothing now: no failure, and said once for each time until which it waits.
async fn pause(
    link: &SiteLink,
    need: &Need,
    entry: &mut Waiting,
    (reason, until, wait): (String, Option<Timestamp>, Duration),
) {
    let is_told = entry.paused.as_ref().is_some_and(|pause| pause.until == until);
    entry.paused = Some(Pause { priority: need.priority, until });
    (entry.failures, entry.looks, entry.told) = (0, 0, None);
    let wait_max = match need.from {
        Neighbor::Parent => PAUSE_WAIT_MAX,
        Neighbor::Child(_) => PAUSE_OF_CHILD_WAIT_MAX,
    };
    entry.next_at = link.clock.monotonic() + wait.min(wait_max);
    if is_told {
        return;
    }
    link.stats.pulls_paused.inc();
    let (call, package, version) = (&need.call, &need.package_id, need.version);
    let shown = until.map(|until| until.to_string());
    tracing::info!(call, %package, version, until = shown, "Paused: {reason}");
    if let Err(error) = link.site.content_paused(need, until, &reason).await {
        tracing::error!(%error, "Cannot write that a version waits for a window");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pull::tests::need;

    #[test]
    fn the_urgent_go_first_and_the_least_urgent_of_the_same_link_give_way() {
        let (parent, child) = (Neighbor::Parent, Neighbor::Child("S01".to_owned()));
        let full = [("A", 3, &parent), ("B", 3, &parent), ("C", 2, &parent)];
        // What is due, what runs, what begins, and what gives way.
        for (due, runs, begins, gives_way) in [
            (&[("W", 3, &parent)][..], &full[..2], &["W"][..], &[][..]),
            (&[("W", 3, &parent)], &full, &[], &[]),
            (&[("W", 2, &parent)], &full, &[], &["B"]),
            (&[("W", 1, &parent), ("X", 1, &parent), ("Y", 2, &parent)], &full, &[], &["A", "B"]),
            (&[("W", 1, &parent), ("X", 1, &parent), ("Y", 1, &parent)], &full, &[], &["A", "B", "C"]),
            (&[("W", 3, &child)], &full, &["W"], &[]),
            (&[("W", 1, &parent), ("X", 1, &child)], &full, &["X"], &["B"]),
        ] {
            let running: HashMap<String, Running> = runs
                .iter()
                .map(|(package, priority, from)| {
                    let need = need(package, *priority, from);
                    (need.package_id.clone(), Running::new(&need, CancellationToken::new()))
                })
                .collect();
            // Looking again before they are gone changes nothing.
            for _ in 0..2 {
                let due = due.iter().map(|(package, priority, from)| need(package, *priority, from));
                let started = take_places(due.collect(), &running, &Silence::default());
                let started: Vec<_> = started.iter().map(|need| need.package_id.as_str()).collect();
                assert_eq!(started, begins, "{runs:?}");
                let mut told: Vec<_> = running.iter().filter(|(_, pull)| pull.stop.is_cancelled()).collect();
                told.sort_unstable_by_key(|(package, _)| *package);
                let told: Vec<_> = told.into_iter().map(|(package, _)| package.as_str()).collect();
                assert_eq!(told, gives_way, "{runs:?}");
            }
        }
    }

    #[test]
    fn one_neighbor_never_takes_the_places_of_another() {
        let child = |number: usize| Neighbor::Child(format!("S{number:02}"));
        let due = (0..6).flat_map(|number| {
            (0..5).map(move |package| need(&format!("{number}{package}"), 3, &child(number)))
        });
        let started = take_places(due.collect(), &HashMap::new(), &Silence::default());
        assert_eq!(started.len(), PULLS_MAX);
        for number in 0..PULLS_MAX / PULLS_OF_NEIGHBOR_MAX {
            let of = started.iter().filter(|need| need.from == child(number)).count();
            assert_eq!(of, PULLS_OF_NEIGHBOR_MAX, "{number}");
        }
    }

    /// Rounds in which a pull from a silent neighbor takes several to fail, and one from another ends in the next.
    #[test]
    fn silent_neighbors_keep_no_places_from_one_that_answers_and_take_turns() {
        const ROUNDS: u32 = 40;
        const IN_VAIN: u32 = 4;
        const SILENT: usize = 13;
        let child = |number: usize| Neighbor::Child(format!("S{number:02}"));
        let answers = child(99);
        let failed = || Ended::Failed {
            code: "neighbor_unreachable",
            text: String::new(),
            passing: true,
            unreachable: true,
            wait_max: Duration::ZERO,
        };
        let (mut silence, mut running) = (Silence::default(), HashMap::<String, Running>::new());
        let mut began: HashMap<String, u32> = HashMap::new();
        let (mut arrived, mut tried) = (0, std::collections::HashSet::new());
        for round in 0..ROUNDS {
            let is_over =
                |package: &str, pull: &Running| pull.from == answers || round - began[package] >= IN_VAIN;
            let over: Vec<_> = running.extract_if(|package, pull| is_over(package, pull)).collect();
            for (_, pull) in over {
                let ended = if pull.from == answers { Ended::Arrived } else { failed() };
                arrived += u32::from(pull.from == answers);
                silence.note(&pull.from, &pull.heard, &ended);
            }
            // Many urgent packages of each that is silent, and some of the other that are not.
            let silent =
                (0..SILENT).flat_map(|number| (0..9).map(move |n| (format!("S{number}{n}"), number)));
            let urgent = silent.map(|(package, number)| need(&package, 1, &child(number)));
            let others = (0..9).map(|n| need(&format!("T{round}{n}"), 3, &answers));
            let mut due: Vec<Need> =
                urgent.chain(others).filter(|need| !running.contains_key(&need.package_id)).collect();
            silence.order(&mut due);
            for need in take_places(due, &running, &silence) {
                began.insert(need.package_id.clone(), round);
                tried.insert(need.from.clone());
                running.insert(need.package_id.clone(), Running::new(&need, CancellationToken::new()));
            }
            assert!(running.len() <= PULLS_MAX);
        }
        // All places of it, but for the rounds until each of the others was tried in vain once.
        assert!(arrived >= 3 * (ROUNDS - 5 * IN_VAIN), "{arrived} arrived");
        assert_eq!(tried.len(), SILENT + 1, "each is tried");

        let one = child(1);
        silence.note(&one, &Heard::default(), &Ended::Stopped);
        assert!(silence.is_silent(&one), "that it was stopped says nothing");
        let heard = Heard::default();
        heard.set();
        silence.note(&one, &heard, &failed());
        assert!(!silence.is_silent(&one), "something came before it broke off");
    }

    #[test]
    fn what_waits_for_a_window_asks_again_when_it_is_more_urgent_or_the_route_changed() {
        let minute = Duration::from_secs(60);
        let paused = || Waiting {
            version: 1,
            next_at: minute,
            paused: Some(Pause { priority: 2, until: None }),
            ..Waiting::default()
        };
        let failed = || Waiting { paused: None, ..paused() };
        for (entry, priority, resumed, expect) in [
            (paused(), 2, false, false),
            (paused(), 1, false, true),
            (paused(), 2, true, true),
            (failed(), 1, false, false),
            (failed(), 1, true, false),
        ] {
            let text = format!("{entry:?} {priority} {resumed}");
            let mut waiting = HashMap::from([("P".to_owned(), entry)]);
            if resumed {
                resume(&mut waiting);
            }
            let need = need("P", priority, &Neighbor::Parent);
            assert_eq!(is_due(&need, &HashMap::new(), &waiting, Duration::from_secs(1)), expect, "{text}");
        }
    }
}
