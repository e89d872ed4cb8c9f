//! How much of what a distribution point says becomes status messages.
//!
//! Messages are kept up to a number, so whoever may write any number of them pushes out everybody else's. What a healthy
//! distribution point says is far below these limits; a broken or hostile one is cut off, and one message says so. States
//! follow from facts in any case. Kept in memory: a restart of the site begins anew.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::distribution::DpId;

/// Messages that one distribution point may bring about at once: each of 5,000 packages demanded anew, step by step.
pub(super) const MESSAGES_AT_ONCE_MAX: u32 = 20_000;
/// Messages that it may bring about in an hour on top of these. In the 30 days that messages are kept that is far less than are
/// kept in all.
const MESSAGES_PER_HOUR: u32 = 500;
/// Different refusals of one package that are told for each demand.
const REFUSALS_MAX: usize = 8;

/// What each distribution point may still say.
#[derive(Debug, Default)]
pub(crate) struct Telling(Mutex<HashMap<DpId, Budget>>);

/// Whether a message is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Told {
    Now,
    /// Not this one: instead of it, that no more are.
    Last,
    Not,
}

#[derive(Debug)]
struct Budget {
    left: f64,
    /// When it was last filled up, by the monotonic clock.
    filled_at: Duration,
    /// Used up; it opens when an hour's worth is there again.
    closed: bool,
    /// By package: the generation of the demand, and the refusals that were told since.
    refusals: BTreeMap<String, (i64, BTreeSet<u64>)>,
}

impl Telling {
    /// Whether a message may be written; it counts then.
    pub(super) fn may(&self, dp: DpId, now: Duration) -> Told {
        let mut budgets = self.lock();
        let budget = budgets.entry(dp).or_insert_with(|| Budget::full(now));
        let hours = now.saturating_sub(budget.filled_at).as_secs_f64() / 3600.0;
        budget.left =
            (budget.left + hours * f64::from(MESSAGES_PER_HOUR)).min(f64::from(MESSAGES_AT_ONCE_MAX));
        budget.filled_at = now;
        if budget.closed && budget.left < f64::from(MESSAGES_PER_HOUR) {
            return Told::Not;
        }
        budget.closed = budget.left < 1.0;
        if budget.closed {
            return Told::Last;
        }
        budget.left -= 1.0;
        Told::Now
    }

    /// Whether a refusal of wrong bytes is told: the same one once for each demand.
    pub(super) fn is_new_refusal(&self, dp: DpId, package: &str, generation: i64, reason: &str) -> bool {
        let mut budgets = self.lock();
        let budget = budgets.entry(dp).or_insert_with(|| Budget::full(Duration::ZERO));
        let told = budget.refusals.entry(package.to_owned()).or_default();
        if told.0 != generation {
            *told = (generation, BTreeSet::new());
        }
        let mut hasher = DefaultHasher::new();
        reason.hash(&mut hasher);
        told.1.len() < REFUSALS_MAX && told.1.insert(hasher.finish())
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<DpId, Budget>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Budget {
    fn full(now: Duration) -> Self {
        let left = f64::from(MESSAGES_AT_ONCE_MAX);
        Self { left, filled_at: now, closed: false, refusals: BTreeMap::new() }
    }
}

#[cfg(test)]
mod tests {
    use agent::{Event, Fact, Fault};

    use super::*;
    use crate::stage::admin;

    const HOUR: Duration = Duration::from_secs(3600);

    #[test]
    fn who_says_too_much_is_cut_off_once_and_heard_again_later() {
        let telling = Telling::default();
        let (loud, quiet) = (DpId(1), DpId(2));
        let say = |count: u32, now: Duration| {
            let told: Vec<Told> = (0..count).map(|_| telling.may(loud, now)).collect();
            let count = |what: Told| told.iter().filter(|told| **told == what).count();
            (count(Told::Now), count(Told::Last))
        };
        assert_eq!(say(MESSAGES_AT_ONCE_MAX + 9, HOUR), (MESSAGES_AT_ONCE_MAX as usize, 1));
        assert_eq!(telling.may(quiet, HOUR), Told::Now, "the others are not concerned");
        assert_eq!(say(9, HOUR + HOUR / 2), (0, 0));
        assert_eq!(say(1_000, HOUR * 2), (MESSAGES_PER_HOUR as usize, 1));
        let month: usize = (3..723).map(|hour| say(1_000, HOUR * hour).0).sum();
        assert!(month as u64 * 2 < crate::status::KEPT_MAX, "{month} messages in a month");
        assert_eq!(say(MESSAGES_AT_ONCE_MAX * 2, HOUR * 9_999).0, MESSAGES_AT_ONCE_MAX as usize);
    }

    #[test]
    fn a_refusal_is_told_once_for_a_demand() {
        let telling = Telling::default();
        let new = |package: &str, generation, reason: &str| {
            telling.is_new_refusal(DpId(1), package, generation, reason)
        };
        assert!(new("A", 1, "x") && new("A", 1, "y") && new("B", 1, "x"));
        assert!(!new("A", 1, "x") && !new("A", 1, "y"));
        assert!(new("A", 2, "x"), "something changed");
        assert_eq!((0..99).filter(|n| new("C", 1, &n.to_string())).count(), REFUSALS_MAX);
    }

    on_both! {
        async fn a_flood_ends_in_one_message_and_changes_states_all_the_same(stage: &Stage) {
            let package = stage.package("dell").await;
            let (loud, quiet) = (stage.point("dp1").await, stage.point("dp2").await);
            stage.assign(&package, &[&loud, &quiet]).await;
            let (generation, _) = stage.goal(&package, &loud).await;
            let refused = |n: u32| Event::Refused { object: format!("{n:064x}"), reason: "wrong".to_owned(), source: None };
            let of = |package_id: &str, event| Fact {
                package_id: package_id.to_owned(), generation, at: "2026-01-01T00:00:00Z".to_owned(), serial: None, event,
            };
            let collected = || Event::Collected { versions: vec![1], bytes: 1 };
            let before = stage.message_ids().await.len();
            let facts: Vec<Fact> = (0..200).map(|n| of(&package.package_id, refused(n))).collect();
            let unknown: Vec<Fact> = (0..200).map(|n| of(&format!("no package {n}"), collected())).collect();
            for facts in [&facts, &unknown, &facts, &unknown] {
                stage.site.record_facts(loud.id, facts).await.unwrap();
            }
            assert_eq!(stage.message_ids().await[before..], [2383], "once, and of nothing that is no package");
            // What is left of its messages is used up by others that differ.
            while stage.site.telling().may(loud.id, stage.site.clock().monotonic()) == Told::Now {}
            stage.clock.advance(HOUR / MESSAGES_PER_HOUR * 2);
            let before = stage.message_ids().await.len();
            let fault = |n: u32| Fault { code: "io".to_owned(), message: n.to_string(), file: None };
            let failures: Vec<Fact> = (1..=9)
                .map(|n| of(&package.package_id, Event::Failed { fault: fault(n), attempt: n, next_attempt_at: String::new() }))
                .collect();
            stage.site.record_facts(loud.id, &failures).await.unwrap();
            assert_eq!(stage.message_ids().await[before..], [0u32; 0]);
            assert_eq!(stage.status(&package, &loud).await.unwrap().attempts, 9);
            stage.report(&package, &quiet, crate::stage::installed(1)).await;
            assert_eq!(stage.message_ids().await[before..], [8200, 2330]);
            stage.clock.advance(HOUR);
            stage.site.redistribute(&admin(), &package.package_id, &loud.nal).await.unwrap();
            let before = stage.message_ids().await.len();
            stage.report(&package, &loud, crate::stage::installed(1)).await;
            assert_eq!(stage.message_ids().await[before..], [8200, 2330]);
        }
    }
}
