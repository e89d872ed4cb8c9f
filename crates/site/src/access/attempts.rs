//! Failed sign-ins, counted by name and address. Who fails too often is closed for a while.
//!
//! A name is closed at the address that guesses, so that nobody keeps another out. Who guesses from many addresses closes
//! the name for strangers only: addresses from which it signed in lately go on, and this machine does always.
//!
//! The counts are this process's own and bounded; what they close is written down, so that a restart opens nothing.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

/// Failures of one name at one address within [`WINDOW`] before it is closed there.
pub(crate) const NAME_FAILURES_MAX: u32 = 5;
/// Failures of one name from everywhere within [`WINDOW`] before it is closed for strangers.
const NAME_EVERYWHERE_FAILURES_MAX: u32 = 100;
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
/// How long a name is known at an address from which it signed in.
const KNOWN_FOR: Duration = Duration::from_secs(12 * 60 * 60);
/// Names at addresses that are known; beyond it the oldest is forgotten.
const KNOWN_MAX: usize = 1024;

/// Whose failures are counted. Of IPv6 an address is a /64, which is what one client has.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Subject {
    /// The key of a user's name, of a user that exists or not, at one address.
    NameAt(String, Option<IpAddr>),
    /// The same from everywhere.
    Name(String),
    /// Passwords from an address.
    Address(IpAddr),
    /// Bearer tokens from an address.
    Bearer(IpAddr),
}

#[derive(Debug, Default)]
pub(crate) struct Attempts {
    failures: HashMap<Subject, Failures>,
    /// When messages were written, on the monotonic clock.
    told: VecDeque<Duration>,
    /// When a name last signed in at an address, on the monotonic clock.
    known: HashMap<Subject, Duration>,
}

/// Times on the monotonic clock.
#[derive(Debug, Clone, Copy)]
struct Failures {
    count: u32,
    first: Duration,
    closed_until: Option<Duration>,
}

impl Subject {
    /// What one client has of addresses.
    pub(crate) fn network(address: IpAddr) -> IpAddr {
        match address.to_canonical() {
            IpAddr::V6(v6) if !v6.is_loopback() => {
                let [a, b, c, d, ..] = v6.segments();
                IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
            }
            other => other,
        }
    }

    /// What a wrong password counts for, the name at the address first. This machine is no address that is closed: a
    /// proxy on it is everybody.
    pub(crate) fn of_password(name_key: &str, from: Option<IpAddr>) -> Vec<Self> {
        let from = from.map(Self::network);
        let mut subjects = vec![Self::NameAt(name_key.to_owned(), from), Self::Name(name_key.to_owned())];
        subjects.extend(from.filter(|from| !from.is_loopback()).map(Self::Address));
        subjects
    }

    /// The user's name whose failures these are.
    pub(crate) fn name(&self) -> Option<&str> {
        match self {
            Self::NameAt(name, _) | Self::Name(name) => Some(name),
            Self::Address(_) | Self::Bearer(_) => None,
        }
    }

    /// The address whose failures these are.
    pub(crate) const fn from(&self) -> Option<IpAddr> {
        match self {
            Self::NameAt(_, from) => *from,
            Self::Address(from) | Self::Bearer(from) => Some(*from),
            Self::Name(_) => None,
        }
    }

    /// How an administrator reads it.
    pub(crate) fn shown(&self) -> String {
        match self {
            Self::NameAt(name, Some(from)) => format!("user {name} at {from}"),
            Self::NameAt(name, None) | Self::Name(name) => format!("user {name}"),
            Self::Address(address) => format!("address {address}"),
            Self::Bearer(address) => format!("tokens from address {address}"),
        }
    }

    fn failures_max(&self) -> u32 {
        match self {
            Self::NameAt(..) => NAME_FAILURES_MAX,
            Self::Name(_) => NAME_EVERYWHERE_FAILURES_MAX,
            Self::Address(_) | Self::Bearer(_) => ADDRESS_FAILURES_MAX,
        }
    }

    /// The subject of a row of `sign_in_closed`. Names of users have no space.
    pub(crate) fn parse(stored: &str) -> Option<Self> {
        let (kind, rest) = stored.split_once(':')?;
        match (kind, rest.split_once(' ')) {
            ("user", None) => Some(Self::Name(rest.to_owned())),
            ("user", Some((name, "-"))) => Some(Self::NameAt(name.to_owned(), None)),
            ("user", Some((name, from))) => Some(Self::NameAt(name.to_owned(), Some(from.parse().ok()?))),
            ("address", None) => Some(Self::Address(rest.parse().ok()?)),
            ("bearer", None) => Some(Self::Bearer(rest.parse().ok()?)),
            _ => None,
        }
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NameAt(name, Some(from)) => write!(f, "user:{name} {from}"),
            Self::NameAt(name, None) => write!(f, "user:{name} -"),
            Self::Name(name) => write!(f, "user:{name}"),
            Self::Address(address) => write!(f, "address:{address}"),
            Self::Bearer(address) => write!(f, "bearer:{address}"),
        }
    }
}

impl Attempts {
    /// How long it stays closed; none if it is open.
    pub(crate) fn closed_for(&self, subject: &Subject, now: Duration) -> Option<Duration> {
        let until = self.failures.get(subject)?.closed_until?;
        until.checked_sub(now).filter(|left| !left.is_zero())
    }

    /// How long a client with this password's subjects is closed; none if it is not. Where the name is known, and on this
    /// machine, only its own failures there count.
    pub(crate) fn password_closed_for(&self, subjects: &[Subject], now: Duration) -> Option<Duration> {
        let own = subjects.first()?;
        let known = self.known.get(own).is_some_and(|at| now < *at + KNOWN_FOR);
        let local = own.from().is_none_or(|from| from.is_loopback());
        let asked = if known || local { &subjects[..1] } else { subjects };
        asked.iter().filter_map(|subject| self.closed_for(subject, now)).max()
    }

    /// Takes back a failure that was none.
    pub(crate) fn take_back(&mut self, subject: &Subject, closed_it: bool) {
        if let Some(failures) = self.failures.get_mut(subject) {
            failures.count = failures.count.saturating_sub(1);
            if closed_it {
                failures.closed_until = None;
            }
        }
    }

    /// Remembers that a name signed in at an address, and forgets its failures there.
    pub(crate) fn succeed(&mut self, own: &Subject, now: Duration) {
        self.failures.remove(own);
        if self.known.len() >= KNOWN_MAX && !self.known.contains_key(own) {
            let oldest = self.known.iter().min_by_key(|(_, at)| **at).map(|(subject, _)| subject.clone());
            oldest.and_then(|oldest| self.known.remove(&oldest));
        }
        self.known.insert(own.clone(), now);
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

    /// Opens what was opened by hand elsewhere so long ago, if it was closed before that.
    pub(crate) fn opened(&mut self, subject: &Subject, ago: Duration, now: Duration) {
        if let Some(left) = self.closed_for(subject, now)
            && CLOSED_FOR.saturating_sub(left) >= ago
        {
            self.failures.remove(subject);
        }
    }

    pub(crate) fn forget(&mut self, forgets: impl Fn(&Subject) -> bool) {
        self.failures.retain(|subject, _| !forgets(subject));
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
        Subject::NameAt(name.to_owned(), None)
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
        attempts.forget(|subject| *subject == name("a"));
        assert_eq!(attempts.closed_for(&name("a"), at(64)), None);
    }

    #[test]
    fn addresses_have_a_limit_of_their_own_and_clients_of_ipv6_a_network() {
        let mut attempts = Attempts::default();
        let address = |text: &str| Subject::Address(Subject::network(text.parse().unwrap()));
        let closing = (1..).find(|_| attempts.fail(&address("192.0.2.1"), at(0)));
        assert_eq!(closing, Some(ADDRESS_FAILURES_MAX));
        assert_eq!(address("::ffff:192.0.2.1"), address("192.0.2.1"));
        assert_eq!(address("2001:db8:1:2::5"), address("2001:db8:1:2:ffff::1"));
        assert_ne!(address("2001:db8:1:2::5"), address("2001:db8:1:3::5"));
        let local = "127.0.0.1".parse().unwrap();
        let subjects = [
            address("2001:db8:1:2::5"),
            address("192.0.2.1"),
            name("a:b"),
            Subject::Name("a".to_owned()),
            Subject::NameAt("a".to_owned(), Some(local)),
            Subject::Bearer(local),
        ];
        for subject in subjects {
            assert_eq!(Subject::parse(&subject.to_string()), Some(subject));
        }
    }

    #[test]
    fn a_name_guessed_from_everywhere_is_closed_for_strangers_only() {
        let mut attempts = Attempts::default();
        let at = |text: &str| Subject::of_password("a", Some(text.parse().unwrap()));
        attempts.succeed(&at("192.0.2.1")[0], Duration::ZERO);
        for number in 0..NAME_EVERYWHERE_FAILURES_MAX {
            for subject in at(&format!("198.51.100.{}", number % 200)) {
                attempts.fail(&subject, Duration::ZERO);
            }
        }
        let closed = |from: &str, now| attempts.password_closed_for(&at(from), now).is_some();
        let now = Duration::from_secs(1);
        assert!(closed("203.0.113.1", now) && !closed("192.0.2.1", now) && !closed("::1", now));
        assert_eq!(at("127.0.0.1").len(), 2, "this machine is no address that is closed");
    }

    #[test]
    fn a_failure_that_was_none_closes_nothing_and_unlocking_elsewhere_opens_what_was_closed_before() {
        let mut attempts = Attempts::default();
        let closes = (0..5).filter(|_| attempts.fail(&name("a"), at(10))).count();
        assert_eq!(closes, 1);
        attempts.take_back(&name("a"), true);
        assert_eq!(attempts.closed_for(&name("a"), at(10)), None);
        assert!(attempts.fail(&name("a"), at(11)));
        attempts.opened(&name("a"), at(5), at(13));
        assert_eq!(attempts.closed_for(&name("a"), at(13)), Some(at(58)), "opened before it was closed");
        attempts.opened(&name("a"), at(1), at(13));
        assert_eq!(attempts.closed_for(&name("a"), at(13)), None);
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
