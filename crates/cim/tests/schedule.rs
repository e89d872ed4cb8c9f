//! Schedule tokens: the strings that are documented and seen, and when they are due.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop where it is")]

use cim::schedule::{self, Length, Recurrence, ScheduleError, Token, TokenError, WeekOrder};
use cim::{DateTime, Instance, Value};
use jiff::Timestamp;
use jiff::civil::{self, Weekday};
use jiff::tz::TimeZone;
use proptest::prelude::*;

fn at(text: &str) -> civil::DateTime {
    text.parse().unwrap()
}

fn length(days: u8, hours: u8, minutes: u8) -> Length {
    Length { days, hours, minutes }
}

fn token(start: &str, recurrence: Recurrence) -> Token {
    Token::new(at(start), recurrence)
}

fn lasting(token: Token, duration: Length) -> Token {
    Token { duration, ..token }
}

fn utc(token: Token) -> Token {
    Token { gmt: true, ..token }
}

fn every(days: u8, hours: u8, minutes: u8) -> Recurrence {
    Recurrence::Interval(length(days, hours, minutes))
}

fn weekly(day: Weekday, weeks: u8) -> Recurrence {
    Recurrence::Weekly { day, weeks }
}

fn by_weekday(order: WeekOrder, day: Weekday, months: u8) -> Recurrence {
    Recurrence::MonthlyByWeekday { day, order, months }
}

fn by_date(day: u8, months: u8) -> Recurrence {
    Recurrence::MonthlyByDate { day, months }
}

const SIMPLE: &str = "1970-02-01T00:00";
const SPRING_2007: &str = "2007-03-20T01:00";

/// Every published example, one token each, with its meaning in words.
#[rustfmt::skip]
fn examples() -> Vec<(&'static str, Token, &'static str)> {
    use Weekday::{Friday, Monday, Saturday, Sunday, Tuesday, Wednesday};
    let hour = length(0, 1, 0);
    vec![
        ("7913788000080000", token("2004-07-19T08:30", Recurrence::Once), "once, 2004-07-19 08:30"),
        ("55147880001B2000", token("2004-07-20T08:21", weekly(Tuesday, 1)), "every week on Tuesday at 08:21, from 2004-07-20"),
        ("55177880001E2000", token("2004-07-23T08:21", weekly(Friday, 1)), "every week on Friday at 08:21, from 2004-07-23"),
        ("1033BC7B10100010", lasting(token("2019-11-19T01:04", every(2, 0, 0)), length(0, 2, 59)), "every 2 days, from 2019-11-19 01:04, for 2 hours 59 minutes"),
        ("0034394008100008", lasting(token(SPRING_2007, every(1, 0, 0)), hour), "every 1 day, from 2007-03-20 01:00, for 1 hour"),
        ("00343940081A2000", lasting(token(SPRING_2007, weekly(Monday, 1)), hour), "every week on Monday at 01:00, from 2007-03-20, for 1 hour"),
        ("0034394008284400", lasting(token(SPRING_2007, by_date(1, 1)), hour), "every month on day 1 at 01:00, from 2007-03-20, for 1 hour"),
        ("0001200000100038", token(SIMPLE, every(7, 0, 0)), "every 7 days, from 1970-02-01 00:00"),
        ("000120000011E000", token(SIMPLE, every(0, 0, 15)), "every 15 minutes, from 1970-02-01 00:00"),
        ("0001200000100070", token(SIMPLE, every(14, 0, 0)), "every 14 days, from 1970-02-01 00:00"),
        ("00011700001F2000", token("1998-01-01T00:00", weekly(Saturday, 1)), "every week on Saturday at 00:00, from 1998-01-01"),
        ("920A8C0000100008", token("2018-08-10T16:36", every(1, 0, 0)), "every 1 day, from 2018-08-10 16:36"),
        ("0001200000100008", token(SIMPLE, every(1, 0, 0)), "every 1 day, from 1970-02-01 00:00"),
        ("0001200000100009", utc(token(SIMPLE, every(1, 0, 0))), "every 1 day, from 1970-02-01 00:00 UTC"),
        ("0001200000100100", token(SIMPLE, every(0, 1, 0)), "every 1 hour, from 1970-02-01 00:00"),
        ("0001200000100800", token(SIMPLE, every(0, 8, 0)), "every 8 hours, from 1970-02-01 00:00"),
        ("000120000013C000", token(SIMPLE, every(0, 0, 30)), "every 30 minutes, from 1970-02-01 00:00"),
        ("00491D8018231400", lasting(token("2024-01-09T02:00", by_weekday(WeekOrder::Second, Tuesday, 1)), length(0, 3, 0)), "every month on the second Tuesday at 02:00, from 2024-01-09, for 3 hours"),
        ("7AFC1D8000213001", utc(token("2024-01-28T23:30", by_weekday(WeekOrder::Last, Sunday, 3))), "every 3 months on the last Sunday at 23:30 UTC, from 2024-01-28"),
        ("3C9F1D8000280400", token("2024-01-31T04:15", by_date(0, 1)), "every month on the last day at 04:15, from 2024-01-31"),
        ("000F1D80002BCC00", token("2024-01-15T00:00", by_date(15, 3)), "every 3 months on day 15 at 00:00, from 2024-01-15"),
        ("02411DC0001C4001", utc(token("2025-01-01T18:00", weekly(Wednesday, 2))), "every 2 weeks on Wednesday at 18:00 UTC, from 2025-01-01"),
        ("EEFFCDC000080000", token("2025-12-31T23:59", Recurrence::Once), "once, 2025-12-31 23:59"),
    ]
}

#[test]
fn every_example_is_read_printed_and_told() {
    for (text, token, words) in examples() {
        assert_eq!(schedule::parse(text), Ok(vec![token]), "{text}");
        assert_eq!(schedule::parse(&text.to_lowercase()), Ok(vec![token]), "{text}");
        assert_eq!(schedule::print(&[token]).as_deref(), Ok(text));
        assert_eq!(token.to_string(), words, "{text}");
        assert_eq!(
            schedule::from_instances(&schedule::to_instances(&[token]).unwrap()),
            Ok(vec![token]),
            "{text}"
        );
    }
}

#[test]
fn several_tokens_stand_in_one_string() {
    use Weekday::{Friday, Monday, Thursday, Tuesday, Wednesday};
    let first_three: Vec<_> = examples().into_iter().take(3).map(|(_, token, _)| token).collect();
    let nightly = [Monday, Tuesday, Wednesday, Thursday, Friday]
        .map(|day| lasting(token("2009-05-01T22:00", weekly(day, 1)), length(0, 7, 0)));
    for (text, tokens) in [
        ("791378800008000055147880001B200055177880001E2000", first_three),
        (
            "02C159C0381A200002C159C0381B200002C159C0381C200002C159C0381D200002C159C0381E2000",
            nightly.to_vec(),
        ),
        ("", vec![]),
    ] {
        assert_eq!(schedule::parse(text).as_ref(), Ok(&tokens), "{text}");
        assert_eq!(schedule::print(&tokens).as_deref(), Ok(text));
    }
}

#[test]
fn bits_without_a_field_are_kept() {
    for (text, spare) in [
        ("791378800008FFFE", 0xFFFE),
        ("000120000010003E", 0x6),
        ("00011700001F3FFE", 0x1FFE),
        ("00491D80182315FE", 0x1FE),
        ("3C9F1D80002807FE", 0x3FE),
    ] {
        let tokens = schedule::parse(text).unwrap();
        assert_eq!(tokens[0].spare_bits, spare, "{text}");
        let refused = schedule::to_instances(&tokens).unwrap_err().to_string();
        assert!(refused.starts_with("token 1: it has bits that no property shows"), "{refused}");
        assert_eq!(schedule::print(&tokens).as_deref(), Ok(text));
    }
}

#[test]
fn what_is_no_schedule_is_refused_where_it_is() {
    let range = |field, value, least, greatest| TokenError::Range { field, value, least, greatest };
    let start = |year, month, day, hour, minute| TokenError::Start { year, month, day, hour, minute };
    for (word, reason) in [
        ("0001200000000000", TokenError::Kind { kind: 0 }),
        ("0001200000300000", TokenError::Kind { kind: 6 }),
        ("0001200000380000", TokenError::Kind { kind: 7 }),
        ("0000200000080000", start(1970, 2, 0, 0, 0)),
        ("0001000000080000", start(1970, 0, 1, 0, 0)),
        ("0001D00000080000", start(1970, 13, 1, 0, 0)),
        ("001E200000080000", start(1970, 2, 30, 0, 0)),
        ("0301200000080000", start(1970, 2, 1, 24, 0)),
        ("F001200000080000", start(1970, 2, 1, 0, 60)),
        ("0001203C00080000", range("MinuteDuration", 60, 0, 59)),
        ("00012000C0080000", range("HourDuration", 24, 0, 23)),
        ("0001200000101800", range("HourSpan", 24, 0, 23)),
        ("0001200000178000", range("MinuteSpan", 60, 0, 59)),
        ("0001200000182000", range("Day", 0, 1, 7)),
        ("0001200000190000", range("ForNumberOfWeeks", 0, 1, 4)),
        ("000120000019A000", range("ForNumberOfWeeks", 5, 1, 4)),
        ("0001200000210000", range("ForNumberOfMonths", 0, 1, 12)),
        ("000120000021D000", range("ForNumberOfMonths", 13, 1, 12)),
        ("0001200000211A00", range("WeekOrder", 5, 0, 4)),
    ] {
        let text = format!("7913788000080000{word}");
        assert_eq!(
            schedule::parse(&text),
            Err(ScheduleError::InString { token: 2, at: 17, reason }),
            "{word}"
        );
    }
    assert_eq!(schedule::parse("791378800008000"), Err(ScheduleError::Length { characters: 15 }));
    assert_eq!(schedule::parse("79137880000é0000"), Err(ScheduleError::Digit { at: 12 }));
    assert_eq!(schedule::parse("+913788000080000"), Err(ScheduleError::Digit { at: 1 }));
    let tokens = schedule::TOKENS_MAX + 1;
    assert_eq!(schedule::parse(&"7913788000080000".repeat(tokens)), Err(ScheduleError::TooMany { tokens }));
    let late = token("2034-01-01T00:00", Recurrence::Once);
    assert_eq!(
        schedule::print(&[late]),
        Err(ScheduleError::Token { token: 1, reason: TokenError::StartTime })
    );
    let wrong = token(SIMPLE, by_date(32, 1));
    let reason = range("MonthDay", 32, 0, 31);
    assert_eq!(schedule::print(&[wrong]), Err(ScheduleError::Token { token: 1, reason }));
}

#[test]
fn objects_are_read_as_the_schema_means_them() {
    let object = |class: &str, properties: &[(&str, Value)]| {
        let mut object = Instance::new(class);
        properties.iter().for_each(|(name, value)| object.set(name, value.clone()));
        Token::from_instance(&object)
    };
    let starting = |text: &str| Value::DateTime(DateTime::parse_any(text).unwrap());
    let simple = |recurrence| Ok(token(SIMPLE, recurrence));
    assert_eq!(object("SMS_ST_NonRecurring", &[]), simple(Recurrence::Once));
    assert_eq!(object("sms_st_recurinterval", &[("dayspan", 7.into())]), simple(every(7, 0, 0)));
    assert_eq!(object("SMS_ST_RecurWeekly", &[("Day", Value::Null)]), simple(weekly(Weekday::Sunday, 1)));
    assert_eq!(
        object("SMS_ST_RecurMonthlyByWeekday", &[("StartTime", Value::Null)]),
        simple(by_weekday(WeekOrder::Last, Weekday::Sunday, 1))
    );
    assert_eq!(object("SMS_ST_RecurMonthlyByDate", &[]), simple(by_date(0, 1)));
    let start = |text: &str, gmt: bool| {
        object("SMS_ST_NonRecurring", &[("StartTime", starting(text)), ("IsGMT", gmt.into())])
            .map(|token| token.start)
    };
    assert_eq!(start("20240109020059.999999+***", false), Ok(at("2024-01-09T02:00")));
    assert_eq!(start("20240109020000.000000+060", false), Ok(at("2024-01-09T02:00")));
    assert_eq!(start("20240109020000.000000+060", true), Ok(at("2024-01-09T01:00")));
    assert_eq!(start("19600109020000.000000+***", false), Err(TokenError::StartTime));
    assert_eq!(start("00000001000000.000000:000", false), Err(TokenError::StartTime));
    let class = "SMS_ScheduleToken".to_owned();
    assert_eq!(object("SMS_ScheduleToken", &[]), Err(TokenError::Class { class }));
    assert_eq!(object("SMS_ST_RecurWeekly", &[("Day", "x".into())]), Err(TokenError::Type { field: "Day" }));
    assert_eq!(
        object("SMS_ST_RecurWeekly", &[("ForNumberOfWeeks", 5.into())]),
        Err(TokenError::Range { field: "ForNumberOfWeeks", value: 5, least: 1, greatest: 4 })
    );
}

/// Central Europe: clocks are set forward on the last Sunday of March at 02:00, back on that of October at 03:00.
fn central_europe() -> TimeZone {
    TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap()
}

fn check_next(token: Token, after: &str, expect: &[&str]) {
    let mut last: Timestamp = after.parse().unwrap();
    for expect in expect {
        let next = token.next_after(last, &central_europe());
        assert_eq!(next, Some(expect.parse().unwrap()), "{token} after {last}");
        last = next.unwrap();
    }
}

#[test]
fn a_token_without_recurrence_is_due_once() {
    let once = token("2024-01-09T02:00", Recurrence::Once);
    check_next(once, "2024-01-09T00:59:59Z", &["2024-01-09T01:00:00Z"]);
    check_next(utc(once), "2020-01-01T00:00:00Z", &["2024-01-09T02:00:00Z"]);
    let passed = "2024-01-09T01:00:00Z".parse().unwrap();
    assert_eq!(once.next_after(passed, &central_europe()), None);
    let nothing = token("2024-01-09T02:00", every(0, 0, 0));
    assert_eq!(nothing.next_after(passed, &central_europe()), None);
    check_next(nothing, "2024-01-09T00:00:00Z", &["2024-01-09T01:00:00Z"]);
}

#[test]
fn intervals_of_days_keep_the_time_of_day_and_others_count_time() {
    let daily = token("2024-03-29T02:30", every(1, 0, 0));
    check_next(
        daily,
        "2024-03-01T00:00:00Z",
        // 02:30 is skipped on the 31st, when 03:30 stands for it.
        &["2024-03-29T01:30:00Z", "2024-03-30T01:30:00Z", "2024-03-31T01:30:00Z", "2024-04-01T00:30:00Z"],
    );
    check_next(
        token("2024-10-26T02:30", every(1, 0, 0)),
        "2024-10-26T00:00:00Z",
        // 02:30 comes twice on the 27th, the first time counts.
        &["2024-10-26T00:30:00Z", "2024-10-27T00:30:00Z", "2024-10-28T01:30:00Z"],
    );
    check_next(
        token("2024-03-30T12:00", every(1, 0, 0)),
        "2024-03-30T11:00:00Z",
        &["2024-03-31T10:00:00Z", "2024-04-01T10:00:00Z"],
    );
    check_next(
        token("2024-03-31T00:00", every(0, 1, 0)),
        "2024-03-30T23:30:00Z",
        &["2024-03-31T00:00:00Z", "2024-03-31T01:00:00Z", "2024-03-31T02:00:00Z"],
    );
    check_next(
        token("2024-03-30T12:00", every(1, 0, 1)),
        "2024-03-30T11:00:00Z",
        &["2024-03-31T11:01:00Z", "2024-04-01T11:02:00Z"],
    );
    check_next(token(SIMPLE, every(0, 0, 15)), "2024-05-05T10:14:59Z", &["2024-05-05T10:15:00Z"]);
    check_next(utc(token(SIMPLE, every(7, 0, 0))), "2024-05-05T00:00:00Z", &["2024-05-12T00:00:00Z"]);
}

#[test]
fn weeks_are_counted_from_the_first_such_day() {
    check_next(
        token("1998-01-01T00:00", weekly(Weekday::Saturday, 1)),
        "1997-01-01T00:00:00Z",
        &["1998-01-02T23:00:00Z", "1998-01-09T23:00:00Z"],
    );
    check_next(
        utc(token("2025-01-01T18:00", weekly(Weekday::Wednesday, 2))),
        "2025-01-01T17:00:00Z",
        &["2025-01-01T18:00:00Z", "2025-01-15T18:00:00Z", "2025-01-29T18:00:00Z"],
    );
    check_next(
        utc(token("2025-01-01T18:00", weekly(Weekday::Tuesday, 4))),
        "2025-01-08T00:00:00Z",
        &["2025-02-04T18:00:00Z", "2025-03-04T18:00:00Z"],
    );
    check_next(
        token("2025-01-01T18:00", weekly(Weekday::Monday, 3)),
        "2099-12-01T00:00:00Z",
        &["2099-12-07T17:00:00Z"],
    );
}

#[test]
fn months_have_their_second_tuesday_and_their_last_day() {
    use Weekday::{Sunday, Tuesday};
    check_next(
        token("2024-01-09T02:00", by_weekday(WeekOrder::Second, Tuesday, 1)),
        "2024-01-01T00:00:00Z",
        &["2024-01-09T01:00:00Z", "2024-02-13T01:00:00Z", "2024-03-12T01:00:00Z", "2024-04-09T00:00:00Z"],
    );
    check_next(
        // Its month began before it: the first Tuesday of January has passed.
        utc(token("2024-01-09T02:00", by_weekday(WeekOrder::First, Tuesday, 2))),
        "2023-01-01T00:00:00Z",
        &["2024-03-05T02:00:00Z", "2024-05-07T02:00:00Z"],
    );
    check_next(
        utc(token("2024-01-28T23:30", by_weekday(WeekOrder::Last, Sunday, 3))),
        "2024-01-28T23:30:00Z",
        &["2024-04-28T23:30:00Z", "2024-07-28T23:30:00Z"],
    );
    check_next(
        utc(token("2024-01-31T04:15", by_date(0, 1))),
        "2024-01-01T00:00:00Z",
        &["2024-01-31T04:15:00Z", "2024-02-29T04:15:00Z", "2024-03-31T04:15:00Z", "2024-04-30T04:15:00Z"],
    );
    check_next(
        utc(token("2023-01-31T04:15", by_date(31, 1))),
        "2023-01-31T04:15:00Z",
        &["2023-02-28T04:15:00Z", "2023-03-31T04:15:00Z", "2023-04-30T04:15:00Z"],
    );
    check_next(
        utc(token("2024-11-15T00:00", by_date(14, 3))),
        "2024-11-01T00:00:00Z",
        &["2025-02-14T00:00:00Z", "2025-05-14T00:00:00Z"],
    );
    check_next(
        token("2024-01-15T02:30", by_date(31, 12)),
        "2024-02-01T00:00:00Z",
        &["2025-01-31T01:30:00Z", "2026-01-31T01:30:00Z"],
    );
}

#[test]
fn the_earliest_token_is_next() {
    let tokens = schedule::parse("791378800008000055147880001B200055177880001E2000").unwrap();
    let next = |after: &str| schedule::next_after(&tokens, after.parse().unwrap(), &TimeZone::UTC);
    let time = |text: &str| Some(text.parse().unwrap());
    assert_eq!(next("2004-07-01T00:00:00Z"), time("2004-07-19T08:30:00Z"));
    assert_eq!(next("2004-07-19T08:30:00Z"), time("2004-07-20T08:21:00Z"));
    assert_eq!(next("2004-07-20T08:21:00Z"), time("2004-07-23T08:21:00Z"));
    assert_eq!(next("2004-07-23T08:21:00Z"), time("2004-07-27T08:21:00Z"));
    assert_eq!(schedule::next_after(&[], Timestamp::UNIX_EPOCH, &TimeZone::UTC), None);
    assert_eq!(schedule::next_after(&tokens, Timestamp::MAX, &TimeZone::UTC), None);
}

fn any_token() -> impl Strategy<Value = Token> {
    let day = || (1i8..=7).prop_map(|day| Weekday::from_sunday_one_offset(day).unwrap());
    let length =
        || (0u8..=31, 0u8..=23, 0u8..=59).prop_map(|(days, hours, minutes)| length(days, hours, minutes));
    let order = prop::sample::select(vec![
        WeekOrder::Last,
        WeekOrder::First,
        WeekOrder::Second,
        WeekOrder::Third,
        WeekOrder::Fourth,
    ]);
    let recurrence = prop_oneof![
        Just(Recurrence::Once),
        length().prop_map(Recurrence::Interval),
        (day(), 1u8..=4).prop_map(|(day, weeks)| weekly(day, weeks)),
        (order, day(), 1u8..=12).prop_map(|(order, day, months)| by_weekday(order, day, months)),
        (0u8..=31, 1u8..=12).prop_map(|(day, months)| by_date(day, months)),
    ];
    let start = (1970i16..=2033, 1i8..=12, 1i8..=28, 0i8..=23, 0i8..=59)
        .prop_map(|(year, month, day, hour, minute)| civil::date(year, month, day).at(hour, minute, 0, 0));
    (start, any::<bool>(), length(), recurrence).prop_map(|(start, gmt, duration, recurrence)| Token {
        gmt,
        duration,
        ..Token::new(start, recurrence)
    })
}

proptest! {
    #[test]
    fn any_tokens_print_and_read_the_same(tokens in prop::collection::vec(any_token(), 0..6)) {
        let text = schedule::print(&tokens).unwrap();
        prop_assert_eq!(schedule::parse(&text), Ok(tokens.clone()));
        prop_assert_eq!(schedule::from_instances(&schedule::to_instances(&tokens).unwrap()), Ok(tokens));
    }

    #[test]
    fn any_string_that_is_read_prints_the_same(words in prop::collection::vec(any::<u64>(), 1..4)) {
        let text: String = words.iter().map(|word| format!("{word:016X}")).collect();
        if let Ok(tokens) = schedule::parse(&text) {
            prop_assert_eq!(schedule::print(&tokens), Ok(text));
        }
    }

    #[test]
    fn no_text_makes_the_reader_panic(text in "\\PC{0,40}|[0-9A-F]{16}|[0-9a-fé]{0,33}") {
        let _ = schedule::parse(&text);
    }

    /// The next occurrence lies ahead, not before the start, and nothing is due in between.
    #[test]
    fn the_next_occurrence_is_the_first_one(token in any_token(), after in 0i64..4_000_000_000, part in 0i64..1_000) {
        let (zone, after) = (central_europe(), Timestamp::from_second(after).unwrap());
        if let Some(next) = token.next_after(after, &zone) {
            prop_assert!(next > after);
            let zone_of_token = if token.gmt { TimeZone::UTC } else { zone.clone() };
            prop_assert!(zone_of_token.to_datetime(next) >= token.start);
            let between = after.as_second() + (next.as_second() - 1 - after.as_second()) * part / 1_000;
            prop_assert_eq!(token.next_after(Timestamp::from_second(between).unwrap(), &zone), Some(next));
        } else {
            let once = matches!(token.recurrence, Recurrence::Once | Recurrence::Interval(Length { days: 0, hours: 0, minutes: 0 }));
            prop_assert!(once, "{} ends", token);
        }
    }
}
