use jiff::civil::Weekday;
use proptest::prelude::*;

use super::*;

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn route(zone: &str, closed: &[(Weekday, std::ops::Range<usize>, Availability)], rate: RateLimit) -> Route {
    let mut hours = Grid::default();
    for (day, range, availability) in closed {
        range.clone().for_each(|hour| hours.set(*day, hour, *availability));
    }
    Route::new(&RouteSettings { hours, rate, time_zone: Some(zone.to_owned()) }, &TimeZone::UTC).unwrap()
}

fn open(rate_bits_per_s: Option<u64>, until: &str) -> Passage {
    Passage::Open { rate_bits_per_s, until: at(until) }
}

fn closed(opens_at: &str) -> Passage {
    Passage::Closed { opens_at: Some(at(opens_at)) }
}

#[test]
fn windows_open_and_close_by_the_wall_clock_and_the_priority() {
    use Availability::{Closed, HighOnly, MediumAndHigh};
    // 2026-03-02 is a Monday; Berlin is UTC+1.
    let windows = [
        (Weekday::Monday, 8..18, HighOnly),
        (Weekday::Monday, 18..20, MediumAndHigh),
        (Weekday::Tuesday, 0..24, Closed),
    ];
    let route = route("Europe/Berlin", &windows, RateLimit::Unlimited);
    for (when, priority, expect) in [
        ("2026-03-02T06:59:59.5Z", 3, open(None, "2026-03-02T07:00:00Z")),
        ("2026-03-02T07:00:00Z", 3, closed("2026-03-02T19:00:00Z")),
        ("2026-03-02T07:00:00Z", 2, closed("2026-03-02T17:00:00Z")),
        ("2026-03-02T07:00:00Z", 1, open(None, "2026-03-02T23:00:00Z")),
        ("2026-03-02T17:30:00Z", 2, open(None, "2026-03-02T23:00:00Z")),
        ("2026-03-02T23:00:00Z", 1, closed("2026-03-03T23:00:00Z")),
        // The next Monday is six days off.
        ("2026-03-03T23:00:00Z", 3, open(None, "2026-03-09T07:00:00Z")),
    ] {
        assert_eq!(route.now(at(when), priority), expect, "{when} priority {priority}");
    }
}

#[test]
fn an_hour_that_never_comes_and_one_that_comes_twice() {
    // Berlin: 02:00 to 03:00 is skipped on 2026-03-29 and comes twice on 2026-10-25, both Sundays.
    let night = |availability| [(Weekday::Sunday, 2..3, availability)];
    let shut = route("Europe/Berlin", &night(Availability::Closed), RateLimit::Unlimited);
    let mut hours: Grid = "4".repeat(168).parse().unwrap();
    hours.set(Weekday::Sunday, 2, Availability::All);
    let only =
        RouteSettings { hours, time_zone: Some("Europe/Berlin".to_owned()), ..RouteSettings::default() };
    let only = Route::new(&only, &TimeZone::UTC).unwrap();
    // The skipped hour closes nothing; the next one that does is a week later, in summer time.
    assert_eq!(shut.now(at("2026-03-28T12:00:00Z"), 2), open(None, "2026-04-05T00:00:00Z"));
    // It also opens nothing: whoever waits for it waits for the next one.
    assert_eq!(only.now(at("2026-03-28T12:00:00Z"), 2), closed("2026-04-05T00:00:00Z"));
    // Both of the two hours count.
    assert_eq!(shut.now(at("2026-10-25T00:00:00Z"), 2), closed("2026-10-25T02:00:00Z"));
    assert_eq!(only.now(at("2026-10-25T00:30:00Z"), 2), open(None, "2026-10-25T02:00:00Z"));
    // Lord Howe Island moves its clocks by half an hour, at 02:00 back to 01:30.
    let half =
        route("Australia/Lord_Howe", &[(Weekday::Sunday, 1..2, Availability::Closed)], RateLimit::Unlimited);
    assert_eq!(half.now(at("2026-04-04T14:00:00Z"), 2), closed("2026-04-04T15:30:00Z"));
}

#[test]
fn rates_change_with_the_hour_and_pass_unchanged_hours_over() {
    let mut bits_per_s = [5_000_000; HOURS];
    bits_per_s[8..18].fill(1_000_000);
    let route = route("UTC", &[], RateLimit::ByHour { bits_per_s });
    assert_eq!(route.now(at("2026-03-02T10:15:00Z"), 2), open(Some(1_000_000), "2026-03-02T18:00:00Z"));
    assert_eq!(route.now(at("2026-03-02T18:00:00Z"), 2), open(Some(5_000_000), "2026-03-03T08:00:00Z"));
}

#[test]
fn what_never_changes_is_asked_about_again_some_day() {
    let shut = RouteSettings { hours: "3".repeat(168).parse().unwrap(), ..RouteSettings::default() };
    let shut = Route::new(&shut, &TimeZone::UTC).unwrap();
    let now = at("2026-03-02T10:15:00Z");
    assert_eq!(shut.now(now, 2), Passage::Closed { opens_at: None });
    let later = Passage::Open { rate_bits_per_s: None, until: now + HORIZON };
    assert_eq!(shut.now(now, 1), later);
    let free = Route::new(&RouteSettings::default(), &TimeZone::UTC).unwrap();
    assert!(free.is_free());
    assert_eq!(free.now(now, 3), later);
    assert!(matches!(free.now(Timestamp::MAX, 3), Passage::Open { .. }));
    let unknown = RouteSettings { time_zone: Some("Middle/Earth".to_owned()), ..RouteSettings::default() };
    assert_eq!(Route::new(&unknown, &TimeZone::UTC).unwrap_err().code(), "invalid_field");
}

/// What the grid says at a moment, told apart from the search for the next change.
fn says(route: &Route, at: Timestamp, priority: u8) -> Option<Option<u64>> {
    let local = route.zone.to_datetime(at);
    let hour = usize::try_from(local.hour()).unwrap();
    route.hours.at(local.weekday(), hour).admits(priority).then(|| route.rate.at(hour))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Nothing changes before the time that is named, and it does then, whatever the zone does to its clocks.
    #[test]
    fn the_next_change_is_the_first(
        digits in "[1-4]{6}",
        zone in prop::sample::select(vec!["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "UTC"]),
        day in 0i64..730,
        minute in 0i64..1440,
        priority in 1u8..=3,
        rates in prop::collection::vec(1_000u64..4_000, 2),
    ) {
        // Runs of hours, so that changes are rare enough to be searched for.
        let hours: Grid = digits.chars().cycle().flat_map(|digit| std::iter::repeat_n(digit, 7)).take(168).collect::<String>().parse().unwrap();
        let bits_per_s = std::array::from_fn(|hour| rates[hour / 12]);
        let settings = RouteSettings { hours, rate: RateLimit::ByHour { bits_per_s }, time_zone: Some(zone.to_owned()) };
        let route = Route::new(&settings, &TimeZone::UTC).unwrap();
        let now = at("2026-01-01T00:00:00Z") + SignedDuration::from_mins(day * 1440 + minute);
        let here = says(&route, now, priority);
        let (is_open, next) = match route.now(now, priority) {
            Passage::Open { rate_bits_per_s, until } => {
                prop_assert_eq!(here, Some(rate_bits_per_s));
                (true, Some(until))
            }
            Passage::Closed { opens_at } => (false, opens_at),
        };
        prop_assert_eq!(is_open, here.is_some());
        let end = next.unwrap_or(now + HORIZON);
        let mut then = now;
        while then < end {
            prop_assert_eq!(says(&route, then, priority), here, "at {}", then);
            then += SignedDuration::from_mins(10);
        }
        if let Some(next) = next.filter(|next| *next < now + HORIZON) {
            prop_assert_eq!(says(&route, next - SignedDuration::from_nanos(1), priority), here);
            prop_assert_ne!(says(&route, next, priority), here, "at {}", next);
        }
    }
}
