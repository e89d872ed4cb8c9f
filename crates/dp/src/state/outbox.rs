//! Facts that wait for the site, oldest first.

use std::collections::BTreeMap;

use agent::{Event, Fact, Serial};

/// Facts that wait for the site; beyond it some go, those first that say the least of what is true now.
const FACTS_WAITING_MAX: usize = 20_000;
/// How many go then: who looks for them looks at all.
const FREED_AT_ONCE: usize = 256;

#[derive(Debug)]
pub(super) struct Outbox {
    /// Names this run of the agent: numbers begin anew with each, and with a memory that was restored from a backup.
    run: String,
    facts: BTreeMap<u64, Fact>,
    next: u64,
    /// The latest progress of each package; never written.
    progress: BTreeMap<String, Fact>,
    /// Facts up to here are being posted and must stay as they are.
    posting: u64,
}

/// Facts to post.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    pub(crate) facts: Vec<Fact>,
    /// The numbers of those that are on disk.
    numbers: Vec<u64>,
}

impl Outbox {
    /// Goes on with what waits since the run before.
    pub(super) fn new(facts: BTreeMap<u64, Fact>) -> Self {
        let next = facts.last_key_value().map_or(1, |(number, _)| number + 1);
        let run = format!("{:016x}", rand::random::<u64>());
        Self { run, facts, next, progress: BTreeMap::new(), posting: 0 }
    }

    pub(super) fn len(&self) -> usize {
        self.facts.len()
    }

    pub(super) fn get(&self, number: u64) -> Option<&Fact> {
        self.facts.get(&number)
    }

    pub(super) fn numbers(&self) -> Vec<u64> {
        self.facts.keys().copied().collect()
    }

    /// Adds facts about a package, making room where they replace others. Gives what was added and what went.
    pub(super) fn push(&mut self, package: &str, facts: Vec<Fact>) -> (Vec<u64>, Vec<u64>) {
        let (mut added, mut removed) = (Vec::new(), Vec::new());
        for mut fact in facts {
            if is_attempt(&fact.event) {
                removed.extend(self.replaced_by(&fact));
            }
            let number = self.next;
            self.next += 1;
            fact.serial = Some(Serial { run: self.run.clone(), number });
            self.facts.insert(number, fact);
            added.push(number);
        }
        for number in &removed {
            self.facts.remove(number);
        }
        if self.facts.len() > FACTS_WAITING_MAX {
            let least = self.least_telling();
            tracing::warn!(facts = least.len(), "Too many facts wait for the site; some go");
            least.iter().for_each(|number| drop(self.facts.remove(number)));
            removed.extend(least);
        }
        self.progress.remove(package);
        (added, removed)
    }

    pub(super) fn progress(&mut self, fact: Fact) {
        self.progress.insert(fact.package_id.clone(), fact);
    }

    /// The oldest facts, at most `facts_max`; progress goes along where there is room.
    pub(super) fn batch(&mut self, facts_max: usize) -> Batch {
        let numbers: Vec<u64> = self.facts.keys().copied().take(facts_max).collect();
        let mut facts: Vec<Fact> = numbers.iter().map(|number| self.facts[number].clone()).collect();
        while let Some((_, fact)) = (facts.len() < facts_max).then(|| self.progress.pop_first()).flatten() {
            facts.push(fact);
        }
        self.posting = numbers.last().copied().unwrap_or(self.posting);
        Batch { facts, numbers }
    }

    /// Forgets a batch. Gives the numbers of what went.
    pub(super) fn delivered(&mut self, batch: &Batch) -> Vec<u64> {
        for number in &batch.numbers {
            self.facts.remove(number);
        }
        batch.numbers.clone()
    }

    /// Earlier attempts of the same demand that a later one makes pointless.
    fn replaced_by(&self, fact: &Fact) -> Vec<u64> {
        let earlier = self.facts.range(self.posting + 1..).filter(|(_, old)| {
            // The first start stays: it is the one that the site announces.
            let is_first = matches!(old.event, Event::Started { attempt: 1, .. });
            old.package_id == fact.package_id
                && is_attempt(&old.event)
                && (!is_first || old.generation != fact.generation)
        });
        earlier.map(|(number, _)| *number).collect()
    }

    /// Those that say the least, the oldest of them.
    fn least_telling(&self) -> Vec<u64> {
        let waiting = self.facts.range(self.posting + 1..);
        let mut least: Vec<(u8, u64)> = waiting.map(|(number, fact)| (worth(&fact.event), *number)).collect();
        least.sort_unstable();
        least.into_iter().take(FREED_AT_ONCE).map(|(_, number)| number).collect()
    }
}

fn is_attempt(event: &Event) -> bool {
    matches!(event, Event::Started { .. } | Event::Failed { .. } | Event::Paused { .. })
}

/// How much a fact says of what is true now, when others came after it.
fn worth(event: &Event) -> u8 {
    match event {
        Event::Progress { .. } | Event::Started { .. } | Event::Verifying { .. } => 0,
        Event::Failed { .. } | Event::Paused { .. } | Event::Refused { .. } | Event::Damaged { .. } => 1,
        Event::Verified { .. } | Event::Collected { .. } => 2,
        Event::Installed { .. } | Event::Removed => 3,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn push(outbox: &mut Outbox, package: &str, event: Event) -> Vec<u64> {
        let (package_id, at) = (package.to_owned(), String::new());
        outbox.push(package, vec![Fact { package_id, generation: 1, at, serial: None, event }]).1
    }

    #[test]
    fn a_site_that_is_away_for_ever_costs_no_more_than_the_limit() {
        let mut outbox = Outbox::new(BTreeMap::new());
        push(
            &mut outbox,
            "A",
            Event::Installed { version: 1, files: 1, bytes_total: 1, bytes_received: 1, files_verified: 1 },
        );
        let posting = outbox.batch(1);
        push(&mut outbox, "B", Event::Removed);
        let mut removed = 0;
        for _ in 0..FACTS_WAITING_MAX {
            removed += push(&mut outbox, "A", Event::Verifying { version: 1 }).len();
            let verified = Event::Verified { version: 1, files_verified: 1, files_repaired: Vec::new() };
            removed += push(&mut outbox, "A", verified).len();
        }
        assert!(outbox.len() <= FACTS_WAITING_MAX && outbox.len() + FREED_AT_ONCE > FACTS_WAITING_MAX);
        assert_eq!(outbox.len() + removed, 2 + 2 * FACTS_WAITING_MAX);
        let first: Vec<&Event> = outbox.facts.values().take(3).map(|fact| &fact.event).collect();
        assert!(
            matches!(first[..], [Event::Installed { .. }, Event::Removed, Event::Verified { .. }]),
            "{first:?}"
        );
        assert_eq!(outbox.delivered(&posting), [1], "what is being posted stays");
    }

    #[test]
    fn facts_are_numbered_in_each_run() {
        let mut outbox = Outbox::new(BTreeMap::new());
        push(&mut outbox, "A", Event::Removed);
        push(&mut outbox, "B", Event::Removed);
        let mut after = Outbox::new(outbox.facts.clone());
        push(&mut after, "C", Event::Removed);
        let serials: Vec<Serial> =
            after.batch(9).facts.into_iter().map(|fact| fact.serial.unwrap()).collect();
        assert_eq!(serials.iter().map(|serial| serial.number).collect::<Vec<_>>(), [1, 2, 3]);
        assert!(serials[0].run == serials[1].run && serials[1].run != serials[2].run, "{serials:?}");
        assert!(serials[0].run.len() <= agent::RUN_CHARS_MAX);
    }
}
