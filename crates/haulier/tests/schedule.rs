//! `haulier schedule`, as it is typed.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop where it is")]

use std::process::Command;

fn check(line: &str, exit_code: i32, expect: &str) {
    let output = Command::new(env!("CARGO_BIN_EXE_haulier"))
        .args(line.split(' '))
        .env("TZ", "UTC")
        .env_remove("HAULIER_SITE")
        .output()
        .unwrap();
    let printed = if exit_code == 0 { output.stdout } else { output.stderr };
    let printed = String::from_utf8(printed).unwrap();
    assert_eq!(output.status.code(), Some(exit_code), "{line}: {printed}");
    if exit_code == 0 {
        assert_eq!(printed.trim_end(), expect, "{line}");
    } else {
        assert!(printed.contains(expect), "{line}: {printed}");
    }
}

#[test]
fn schedules_are_encoded_decoded_and_foretold() {
    for (line, text) in [
        ("--start 2004-07-19T08:30", "7913788000080000"),
        ("--every 7d", "0001200000100038"),
        ("--every 1d --utc", "0001200000100009"),
        ("--every 2d --start 2019-11-19T01:04 --duration 2h59m", "1033BC7B10100010"),
        ("--weekly saturday --start 1998-01-01", "00011700001F2000"),
        ("--weekly Wed --weeks 2 --utc --start 2025-01-01T18:00", "02411DC0001C4001"),
        ("--weekly tue,fri --start 2004-07-20T08:21", "55147880001B200055147880001E2000"),
        ("--monthly second-tuesday --start 2024-01-09T02:00 --duration 3h", "00491D8018231400"),
        ("--monthly last --start 2024-01-31T04:15", "3C9F1D8000280400"),
        ("--monthly 15 --months 3 --start 2024-01-15", "000F1D80002BCC00"),
    ] {
        check(&format!("schedule encode {line}"), 0, text);
    }
    check("schedule decode 00011700001F2000", 0, "every week on Saturday at 00:00, from 1998-01-01");
    check(
        "schedule next 00011700001F2000 --after 2026-01-01T00:00:00Z --count 2 --zone Europe/Berlin",
        0,
        "LOCAL TIME                 UTC\n\
         2026-01-03T00:00:00+01:00  2026-01-02T23:00:00Z\n\
         2026-01-10T00:00:00+01:00  2026-01-09T23:00:00Z",
    );
    check(
        "schedule encode --weekly monday,friday --start 2024-01-08T22:00",
        0,
        "02C81D80001A200002C81D80001E2000",
    );
    check(
        "schedule next 00491D8018231400 --after 2026-01-01T00:00 --zone Europe/Berlin --count 3",
        0,
        "LOCAL TIME                 UTC\n\
         2026-01-13T02:00:00+01:00  2026-01-13T01:00:00Z\n\
         2026-02-10T02:00:00+01:00  2026-02-10T01:00:00Z\n\
         2026-03-10T02:00:00+01:00  2026-03-10T01:00:00Z",
    );
    check("schedule next 7913788000080000 --after 2026-01-01T00:00", 0, "never again");
    let ten: Vec<_> =
        (2..=11).map(|day| format!("2026-01-{day:02}T00:00:00+00:00  2026-01-{day:02}T00:00:00Z")).collect();
    let expect = format!("LOCAL TIME                 UTC\n{}", ten.join("\n"));
    check("schedule next 0001200000100009 --after 2026-01-01T00:00:00Z", 0, &expect);
}

#[test]
fn scripts_get_json() {
    check("schedule encode --every 7d --json", 0, "{\n  \"StringData\": \"0001200000100038\"\n}");
    check(
        "schedule decode 00011700001F2000 --json",
        0,
        r##"[
  {
    "@odata.type": "#AdminService.SMS_ST_RecurWeekly",
    "__CLASS": "SMS_ST_RecurWeekly",
    "DayDuration": 0,
    "HourDuration": 0,
    "IsGMT": false,
    "MinuteDuration": 0,
    "StartTime": "1998-01-01T00:00:00",
    "Day": 7,
    "ForNumberOfWeeks": 1
  }
]"##,
    );
    check(
        "schedule next 0001200000100009 --after 2026-01-01T00:00:00Z --count 1 --json",
        0,
        "[\n  {\n    \"Time\": \"2026-01-02T00:00:00Z\",\n    \"LocalTime\": \"2026-01-02T00:00:00+00:00\"\n  }\n]",
    );
}

#[test]
fn mistakes_are_said_with_an_exit_code() {
    check("schedule decode 00", 1, "16 hexadecimal digits");
    check("schedule decode 0001200000380000", 1, "token 1, from character 1");
    check("schedule decode 0001200000380000 --json", 1, "\"exit_code\":1");
    check("schedule encode", 2, "--start");
    check("schedule encode --every 7d --weekly monday", 2, "cannot be used with");
    check("schedule encode --every 40d", 1, "DaySpan is 40");
    check("schedule encode --start 2050-01-01T00:00", 1, "1970 to 2033");
    check("schedule next 0001200000100009 --zone Nowhere/Town", 1, "no time zone");
}
