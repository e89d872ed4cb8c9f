//! Failed sign-ins, counted by name and by address. Who fails too often is closed for a while.
//!
//! The counts are this process's own and bounded; what they close is written down, so that a restart opens nothing.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

/// Failures of one name within [`WINDOW`] before it is closed.
pub(crate) const NAME_FAILURES_MAX: u32 = 5;
/// Failures from one address within [`WINDOW`] before it is closed; a proxy or a lecture hall is one address.
pub(crate) const ADDRESS_FAILURES_MAX: u32 = 60;
/// How long failures are counted together.
const WINDOW: Duration = Duration::from_secs(60);
/// How long a name or an address with too many failures is closed.
pub(crate) const CLOSED_FOR: Duration = Duration::from_secs(60);
/// Names and addresses whose failures are remembered; beyond it the oldest is forgotten, open ones first.
const SUBJECTS_MAX: usize = 4096;
/// Messages about closed names and addresses within [`WINDOW`]; the log has the others.
const MESSAGES_MAX: usize = 10;

/// Whose failures are counted.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Subject {
    /// The key of a user's name, of a user that exists or not.
    Name(String),
    /// An address; of IPv6 its /64, which is what one client has.
    Address(IpAddr),
}

#[derive(Debug, Default)]
pub(crate) struct Attempts {
    failures: HashMap<Subject, Failures>,
    /// When messages were written, on the monotonic clock.
    told: VecDeque<Duration>,
}

/// Times on the monotonic clock.
#[derive(Debug, Clone, Copy)]
struct Failures {
    count: u32,
    first: Duration,
    closed_until: Option<Duration>,
}

impl Subject {
    pub(crate) fn address(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V6(v6) => {
                let [a, b, c, d, ..] = v6.segments();
                Self::Address(IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0)))
            }
            v4 => Self::Address(v4),
        }
    }

    fn failures_max(&self) -> u32 {
        match self {
            Self::Name(_) => NAME_FAILURES_MAX,
            Self::Address(_) => ADDRESS_FAILURES_MAX,
        }
    }

    /// The subject of a row of `sign_in_closed`.
    pub(crate) fn parse(stored: &str) -> Option<Self> {
        match stored.split_once(':')? {
            ("user", name) => Some(Self::Name(name.to_owned())),
            ("address", address) => Some(Self::Address(address.parse().ok()?)),
            _ => None,
        }
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => write!(f, "user:{name}"),
            Self::Address(address) => write!(f, "address:{address}"),
        }
    }
}

impl Attempts {
    /// How long it stays closed; none if it is open.
    pub(crate) fn closed_for(&self, subject: &Subject, now: Duration) -> Option<Duration> {
        let until = self.failures.get(subject)?.closed_until?;
        until.checked_sub(now).filter(|left| !left.is_zero())
    }

    /// Counts a failure. True if it closes the subject.
    pub(crate) fn fail(&mut self, subject: &Subject, now: Duration) -> bool {
        self.make_room(subject, now);
        let fresh = Failures { count: 0, first: now, closed_until: None };
        let failures = self.failures.entry(subject.clone()).or_insert(fresh);
        if failures.is_over(now) {
            *failures = fresh;
        }
        failures.count += 1;
        if failures.count < subject.failures_max() || failures.closed_until.is_some() {
            return false;
        }
        failures.closed_until = Some(now + CLOSED_FOR);
        true
    }

    /// Closes what another process or an earlier one closed.
    pub(crate) fn close(&mut self, subject: Subject, left: Duration, now: Duration) {
        self.make_room(&subject, now);
        let closed_until = Some(now + Ord::min(left, CLOSED_FOR));
        self.failures.insert(subject, Failures { count: 0, first: now, closed_until });
    }

    pub(crate) fn forget(&mut self, subject: &Subject) {
        self.failures.remove(subject);
    }

    /// Whether another message may be written now.
    pub(crate) fn may_tell(&mut self, now: Duration) -> bool {
        while self.told.front().is_some_and(|told| *told + WINDOW <= now) {
            self.told.pop_front();
        }
        let may = self.told.len() < MESSAGES_MAX;
        if may {
            self.told.push_back(now);
        }
        may
    }

    fn make_room(&mut self, subject: &Subject, now: Duration) {
        if self.failures.len() < SUBJECTS_MAX || self.failures.contains_key(subject) {
            return;
        }
        self.failures.retain(|_, failures| !failures.is_over(now));
        if self.failures.len() >= SUBJECTS_MAX {
            let oldest = self.failures.iter().min_by_key(|(_, f)| (f.closed_until.is_some(), f.first));
            let oldest = oldest.map(|(subject, _)| subject.clone());
            oldest.and_then(|oldest| self.failures.remove(&oldest));
        }
    }
}

impl Failures {
    fn is_over(&self, now: Duration) -> bool {
        match self.closed_until {
            Some(until) => until <= now,
            None => self.first + WINDOW <= now,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn name(name: &str) -> Subject {
        Subject::Name(name.to_owned())
    }

    #[test]
    fn failures_close_for_a_while_and_are_forgotten() {
        let mut attempts = Attempts::default();
        let closes: Vec<bool> = (0..5).map(|second| attempts.fail(&name("a"), at(second))).collect();
        assert_eq!(closes, [false, false, false, false, true]);
        assert_eq!(attempts.closed_for(&name("a"), at(4)), Some(CLOSED_FOR));
        assert_eq!(attempts.closed_for(&name("b"), at(4)), None);
        assert!(!attempts.fail(&name("a"), at(5)), "it is closed already");
        assert_eq!(attempts.closed_for(&name("a"), at(63)), Some(at(1)));
        assert_eq!(attempts.closed_for(&name("a"), at(64)), None);
        assert!(!attempts.fail(&name("a"), at(64)), "it begins anew");
        // Few failures in a long time close nothing.
        assert!((0..20).all(|round| !attempts.fail(&name("slow"), at(100 + 15 * round))));
        attempts.forget(&name("a"));
        assert_eq!(attempts.closed_for(&name("a"), at(64)), None);
    }

    #[test]
    fn addresses_have_a_limit_of_their_own_and_clients_of_ipv6_a_network() {
        let mut attempts = Attempts::default();
        let address = |text: &str| Subject::address(text.parse().unwrap());
        let closing = (1..).find(|_| attempts.fail(&address("192.0.2.1"), at(0)));
        assert_eq!(closing, Some(ADDRESS_FAILURES_MAX));
        assert_eq!(address("::ffff:192.0.2.1"), address("192.0.2.1"));
        assert_eq!(address("2001:db8:1:2::5"), address("2001:db8:1:2:ffff::1"));
        assert_ne!(address("2001:db8:1:2::5"), address("2001:db8:1:3::5"));
        for subject in [address("2001:db8:1:2::5"), address("192.0.2.1"), name("a:b")] {
            assert_eq!(Subject::parse(&subject.to_string()), Some(subject));
        }
    }

    #[test]
    fn what_is_remembered_is_bounded_and_stays_closed() {
        let mut attempts = Attempts::default();
        attempts.close(name("closed"), at(1000), at(0));
        for number in 0..2 * SUBJECTS_MAX {
            attempts.fail(&name(&number.to_string()), at(1));
        }
        assert_eq!(attempts.failures.len(), SUBJECTS_MAX);
        assert_eq!(attempts.closed_for(&name("closed"), at(1)), Some(at(59)));
        let told = (0..100).filter(|_| attempts.may_tell(at(5))).count();
        assert_eq!(told, MESSAGES_MAX);
        assert!(attempts.may_tell(at(65)));
    }
}
