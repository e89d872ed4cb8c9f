//! A simulated distribution point: what it has on its disk, what it knows of its site's wishes, and what it still has to
//! say. What the real one keeps on disk survives here too, what the real one keeps in memory does not.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use agent::{DesiredPackage, EnrolRequest, Event, FACTS_MAX, Fact, Fault, Goal, WINDOW_CLOSED};
use clock::ManualClock;
use jiff::Timestamp;
use samples::Rng;
use site::{Destination, DpId, Passage, Site};

use crate::world::now;

/// Pieces of a version. A transfer may take several turns.
const PIECES: u64 = 4;
/// When to ask again where no window is known to open.
const NEVER_OPEN_RETRY_S: i64 = 3600;

/// What a distribution point is like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Nature {
    /// It does what it is asked for, though an attempt may fail.
    Well,
    /// Every attempt fails.
    Failing,
    /// It says nothing and asks for nothing.
    Silent,
    /// It says what is not true, in any order, of what it was asked for.
    Lying,
}

/// A version that a distribution point said it holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Claim {
    pub(crate) generation: i64,
    pub(crate) version: u32,
}

#[derive(Debug)]
pub(crate) struct Point {
    pub(crate) name: String,
    pub(crate) nal: String,
    pub(crate) id: DpId,
    nature: Nature,
    has_lied: bool,
    /// The revision that is known.
    pub(crate) after: i64,
    /// What the site wishes, by package.
    pub(crate) rows: BTreeMap<String, DesiredPackage>,
    /// The versions that are there.
    pub(crate) disk: BTreeMap<String, u32>,
    /// The generation of the last demand that was done with, by package.
    done: BTreeMap<String, i64>,
    /// Pieces of a version that are there already, by package.
    kept: BTreeMap<String, (u32, u64)>,
    /// Who waits for a window: for which demand, and until when; in memory only.
    waiting: BTreeMap<String, (i64, Timestamp)>,
    /// Transfers that a window closed on in their midst.
    pub(crate) broken_off: u32,
    /// Attempts for the present demand; in memory only.
    attempts: BTreeMap<String, (i64, u32)>,
    outbox: VecDeque<Fact>,
    /// What has arrived, and may arrive once more.
    history: Vec<Fact>,
    /// What the site heard that is there, since the last enrolment.
    pub(crate) claims: BTreeMap<String, Vec<Claim>>,
    /// Of which demands the site heard that they wait, and of which that they failed.
    pub(crate) pauses: BTreeSet<(String, i64)>,
    pub(crate) failures: BTreeSet<(String, i64)>,
}

impl Point {
    pub(crate) fn new(name: &str, nal: &str, id: DpId) -> Self {
        Self {
            name: name.to_owned(),
            nal: nal.to_owned(),
            id,
            nature: Nature::Well,
            has_lied: false,
            after: 0,
            rows: BTreeMap::new(),
            disk: BTreeMap::new(),
            done: BTreeMap::new(),
            kept: BTreeMap::new(),
            waiting: BTreeMap::new(),
            broken_off: 0,
            attempts: BTreeMap::new(),
            outbox: VecDeque::new(),
            history: Vec::new(),
            claims: BTreeMap::new(),
            pauses: BTreeSet::new(),
            failures: BTreeSet::new(),
        }
    }

    pub(crate) fn become_(&mut self, nature: Nature) {
        self.nature = nature;
    }

    pub(crate) fn nature(&self) -> Nature {
        self.nature
    }

    /// Whether something that it said since it enrolled was not so.
    pub(crate) fn has_lied(&self) -> bool {
        self.has_lied
    }

    /// Begins anew, with nothing on its disk.
    pub(crate) async fn enrol(&mut self, site: &Site, token: &str) {
        let request = EnrolRequest {
            token: token.to_owned(),
            name: self.name.clone(),
            content_url: format!("http://{}:8540", self.name),
            csr_pem: None,
            agent_version: "0.1.0".to_owned(),
        };
        let signer = |_: &str, _: &str| Err("no authority here".to_owned());
        site.enrol(&request, &signer).await.unwrap();
        let known = site.distribution_points().await.unwrap();
        let own = known.into_iter().find(|point| point.name == self.name).unwrap();
        let broken_off = self.broken_off;
        *self = Self { nature: self.nature, broken_off, ..Self::new(&self.name, &own.nal_path, own.id) };
    }

    /// Asks, does something, reports; or not. Returns what it was.
    pub(crate) async fn turn(&mut self, site: &Site, clock: &ManualClock, random: &mut Rng) -> String {
        if self.nature == Nature::Silent {
            return format!("{} is silent", self.name);
        }
        if random.below(10) == 0 {
            self.attempts.clear();
            self.waiting.clear();
        }
        if random.below(5) > 0 {
            // The answer may get lost on its way.
            let is_lost = random.below(10) == 0;
            self.ask(site, is_lost).await;
        }
        for package in self.pending(clock) {
            if random.below(4) > 0 {
                let passage = self.passage(site, &package).await;
                self.work_on(&package, passage, clock, random, 30);
            }
        }
        let told = self.deliver(site, random).await;
        format!("{} ({:?}): {told}", self.name, self.nature)
    }

    /// Asks, does everything, reports all of it.
    pub(crate) async fn do_everything(&mut self, site: &Site, clock: &ManualClock, random: &mut Rng) {
        while self.ask(site, false).await {}
        for package in self.pending(clock) {
            let passage = self.passage(site, &package).await;
            self.work_on(&package, passage, clock, random, 0);
        }
        while !self.outbox.is_empty() {
            let count = self.outbox.len().min(FACTS_MAX);
            self.send(site, count, true).await;
        }
    }

    /// Whether more is to be told.
    async fn ask(&mut self, site: &Site, is_lost: bool) -> bool {
        let reply = site.desired(self.id, self.after).await.unwrap();
        assert!(
            reply.revision >= self.after,
            "{}: revision {} after {}",
            self.name,
            reply.revision,
            self.after
        );
        assert!(!reply.more || !reply.packages.is_empty(), "{}: more of nothing", self.name);
        if is_lost {
            return false;
        }
        self.after = reply.revision;
        for row in reply.packages {
            let known = self.rows.get(&row.package_id).map_or(0, |known| known.generation);
            assert!(
                row.generation >= known,
                "{}: an older demand comes after a newer one: {row:?}",
                self.name
            );
            // Whoever is told again does not wait any longer.
            self.waiting.remove(&row.package_id);
            self.rows.insert(row.package_id.clone(), row);
        }
        reply.more
    }

    /// Whether its site sends a package now.
    async fn passage(&self, site: &Site, package: &str) -> Passage {
        let to = Destination::Dp(self.id);
        let priority = site.priority_towards(&to, Some(package)).await.unwrap();
        site.passage(&to, priority)
    }

    /// What is to be done and waits for no window, the most urgent first.
    fn pending(&self, clock: &ManualClock) -> Vec<String> {
        let waits = |row: &DesiredPackage| {
            let waiting = self.waiting.get(&row.package_id);
            waiting.is_some_and(|(generation, until)| *generation == row.generation && *until > now(clock))
        };
        let is_new =
            |row: &&DesiredPackage| self.done.get(&row.package_id).is_none_or(|done| *done < row.generation);
        let wanted = self.rows.values().filter(|row| !row.cancelled && !waits(row));
        let mut pending: Vec<_> = wanted.filter(is_new).collect();
        pending.sort_by_key(|row| (row.priority, row.package_id.clone()));
        pending.into_iter().map(|row| row.package_id.clone()).collect()
    }

    fn say(&mut self, package: &str, generation: i64, clock: &ManualClock, event: Event) {
        let (package_id, at) = (package.to_owned(), now(clock).to_string());
        self.outbox.push_back(Fact { package_id, generation, at, serial: None, event });
    }

    /// One attempt at a demand; of a hundred so many fail or come to no end, where the distribution point is well.
    fn work_on(
        &mut self,
        package: &str,
        passage: Passage,
        clock: &ManualClock,
        random: &mut Rng,
        trouble: usize,
    ) {
        let row = self.rows[package].clone();
        let attempts = self.attempts.entry(package.to_owned()).or_default();
        if attempts.0 != row.generation {
            *attempts = (row.generation, 0);
        }
        attempts.1 += 1;
        let attempt = attempts.1;
        if self.nature == Nature::Lying {
            return self.lie(&row, clock, random);
        }
        let Goal::Hold { version, verify, .. } = row.goal else {
            return self.remove(&row, attempt, clock, random);
        };
        let is_there = self.disk.get(package) == Some(&version);
        self.say(package, row.generation, clock, Event::Started { version, attempt });
        if let (false, Passage::Closed { opens_at }) = (is_there, passage) {
            return self.pause(&row, opens_at, clock);
        }
        let luck = random.below(100);
        if self.nature == Nature::Failing || luck < trouble / 2 {
            return self.give_up(&row, attempt, clock);
        }
        if luck < 2 * trouble {
            // It goes on with the next turn, when the window may be closed.
            return self.fetch(&row, version, 1 + random.below(2) as u64, clock);
        }
        self.fetch(&row, version, PIECES, clock);
        self.kept.remove(package);
        self.disk.insert(package.to_owned(), version);
        let event = match verify && is_there {
            true => Event::Verified { version, files_verified: 1, files_repaired: Vec::new() },
            false => installed(version),
        };
        self.say(package, row.generation, clock, event);
        self.done.insert(package.to_owned(), row.generation);
    }

    /// Some pieces more of a version come, but none twice.
    fn fetch(&mut self, row: &DesiredPackage, version: u32, pieces: u64, clock: &ManualClock) {
        let kept = self.kept.entry(row.package_id.clone()).or_default();
        if kept.0 != version {
            *kept = (version, 0);
        }
        kept.1 = (kept.1 + pieces).min(PIECES);
        let done = kept.1;
        let progress = Event::Progress {
            version,
            bytes_done: done,
            bytes_total: PIECES,
            bytes_received: done,
            files_done: None,
            files_total: None,
        };
        self.say(&row.package_id, row.generation, clock, progress);
    }

    /// The site sends nothing before the window opens: no attempt, no failure, and what is kept is kept.
    fn pause(&mut self, row: &DesiredPackage, opens_at: Option<Timestamp>, clock: &ManualClock) {
        let again_at = jiff::SignedDuration::from_secs(NEVER_OPEN_RETRY_S);
        let until = opens_at.unwrap_or_else(|| now(clock) + again_at);
        self.broken_off += u32::from(self.kept.contains_key(&row.package_id));
        self.waiting.insert(row.package_id.clone(), (row.generation, until));
        if let Some(attempts) = self.attempts.get_mut(&row.package_id) {
            attempts.1 -= 1;
        }
        let event = Event::Paused {
            code: WINDOW_CLOSED.to_owned(),
            reason: "the window is closed".to_owned(),
            until: opens_at.map(|at| at.to_string()),
        };
        self.say(&row.package_id, row.generation, clock, event);
    }

    fn remove(&mut self, row: &DesiredPackage, attempt: u32, clock: &ManualClock, random: &mut Rng) {
        if self.nature == Nature::Failing {
            return self.give_up(row, attempt, clock);
        }
        if random.below(4) == 0 {
            self.say(&row.package_id, row.generation, clock, Event::Started { version: 0, attempt });
        }
        self.disk.remove(&row.package_id);
        self.kept.remove(&row.package_id);
        self.say(&row.package_id, row.generation, clock, Event::Removed);
        self.done.insert(row.package_id.clone(), row.generation);
    }

    fn give_up(&mut self, row: &DesiredPackage, attempt: u32, clock: &ManualClock) {
        let fault =
            Fault { code: "disk_full".to_owned(), message: "The disk is full.".to_owned(), file: None };
        let next_attempt_at = now(clock).to_string();
        self.say(&row.package_id, row.generation, clock, Event::Failed { fault, attempt, next_attempt_at });
    }

    /// Anything but what is so.
    fn lie(&mut self, row: &DesiredPackage, clock: &ManualClock, random: &mut Rng) {
        self.has_lied = true;
        let wanted = match row.goal {
            Goal::Hold { version, .. } => version,
            Goal::Absent => 1,
        };
        let any = u32::try_from(random.below(9)).unwrap();
        let event = match random.below(8) {
            0 | 1 => installed(wanted),
            2 => installed(any),
            3 => Event::Removed,
            4 => Event::Verified {
                version: any,
                files_verified: u64::MAX,
                files_repaired: vec!["x".repeat(5000)],
            },
            5 => Event::Started { version: any, attempt: u32::MAX },
            6 => Event::Paused {
                code: "x".repeat(5000),
                reason: "x".repeat(5000),
                until: Some("x".to_owned()),
            },
            _ => Event::Refused { object: "0".repeat(64), reason: "it is not true".to_owned(), source: None },
        };
        let generation = row.generation + [0, 0, 0, -1, 1][random.below(5)];
        self.say(&row.package_id, generation, clock, event);
        if random.below(2) == 0 {
            self.done.insert(row.package_id.clone(), row.generation);
        }
    }

    /// Reports some of what there is to say, and perhaps something of old once more.
    async fn deliver(&mut self, site: &Site, random: &mut Rng) -> String {
        if self.nature == Nature::Lying {
            for _ in 0..self.outbox.len() {
                let (one, other) = (random.below(self.outbox.len()), random.below(self.outbox.len()));
                self.outbox.swap(one, other);
                // Nor is what happened in another order.
                self.has_lied |= one != other;
            }
        }
        if random.below(8) == 0 {
            self.repeat(site, random).await;
        }
        if self.outbox.is_empty() || random.below(5) == 0 {
            return format!("{} facts wait", self.outbox.len());
        }
        let count = 1 + random.below(self.outbox.len().min(FACTS_MAX));
        // The answer may get lost on its way: then they come again, before anything else.
        let is_heard = random.below(8) > 0;
        let facts: Vec<_> = self.outbox.iter().take(count).map(brief).collect();
        self.send(site, count, is_heard).await;
        format!("{}{}", facts.join(", "), if is_heard { "" } else { " (and again)" })
    }

    /// Something about an earlier demand comes late, once more.
    async fn repeat(&mut self, site: &Site, random: &mut Rng) {
        let is_lying = self.nature == Nature::Lying;
        let newest = |fact: &Fact| self.rows.get(&fact.package_id).map_or(0, |row| row.generation);
        let old: Vec<&Fact> =
            self.history.iter().filter(|fact| is_lying || fact.generation < newest(fact)).collect();
        if old.is_empty() {
            return;
        }
        let fact = old[random.below(old.len())].clone();
        // That it began what it is done with is not so, either.
        self.has_lied |= is_lying;
        site.record_facts(self.id, std::slice::from_ref(&fact)).await.unwrap();
        self.note(&fact);
    }

    async fn send(&mut self, site: &Site, count: usize, is_heard: bool) {
        let facts: Vec<Fact> = self.outbox.iter().take(count).cloned().collect();
        site.record_facts(self.id, &facts).await.unwrap();
        facts.iter().for_each(|fact| self.note(fact));
        if is_heard {
            self.outbox.drain(..count);
            self.history.extend(facts);
        }
    }

    fn note(&mut self, fact: &Fact) {
        let demand = (fact.package_id.clone(), fact.generation);
        match fact.event {
            Event::Paused { .. } => drop(self.pauses.insert(demand)),
            Event::Failed { .. } => drop(self.failures.insert(demand)),
            _ => {}
        }
        if let Event::Installed { version, .. } | Event::Verified { version, .. } = fact.event {
            let claim = Claim { generation: fact.generation, version };
            let claims = self.claims.entry(fact.package_id.clone()).or_default();
            if !claims.contains(&claim) {
                claims.push(claim);
            }
        }
    }
}

fn installed(version: u32) -> Event {
    Event::Installed { version, files: 1, bytes_total: 10, bytes_received: 7, files_verified: 1 }
}

/// A fact in a few words.
fn brief(fact: &Fact) -> String {
    let what = match &fact.event {
        Event::Started { version, attempt } => format!("started {version} ({attempt})"),
        Event::Progress { .. } => "progress".to_owned(),
        Event::Installed { version, .. } => format!("installed {version}"),
        Event::Verified { version, .. } => format!("verified {version}"),
        Event::Failed { attempt, .. } => format!("failed ({attempt})"),
        Event::Removed => "removed".to_owned(),
        Event::Paused { .. } => "paused".to_owned(),
        other => format!("{other:?}").chars().take(20).collect(),
    };
    format!("{}/{} {what}", fact.package_id, fact.generation)
}
