//! `haulier site route`: when and how fast content goes to a destination.

use anyhow::{Context, Result, bail, ensure};
use jiff::civil::Weekday;
use serde_json::{Map, Value, json};
use site::{Availability, Grid, HOURS, RateLimit};

use crate::args::{RouteArgs, RouteCommand, RouteSet};
use crate::commands::rows;
use crate::output::{self, Format};
use crate::remote::{Key, Remote, RemoteError, literal};

const CLASS: &str = "Haulier_Route";
/// Monday first, as people read a week.
const WEEK: [(&str, Weekday); 7] = [
    ("mon", Weekday::Monday),
    ("tue", Weekday::Tuesday),
    ("wed", Weekday::Wednesday),
    ("thu", Weekday::Thursday),
    ("fri", Weekday::Friday),
    ("sat", Weekday::Saturday),
    ("sun", Weekday::Sunday),
];
const UNITS: [(&str, u64); 4] = [("gbit", 1_000_000_000), ("mbit", 1_000_000), ("kbit", 1_000), ("bit", 1)];

/// Does what the command line says.
pub(crate) async fn run(args: &RouteArgs, remote: &Remote, format: Format) -> Result<()> {
    let (destination, kind) = match (&args.code, &args.dp) {
        (Some(code), None) => (code.to_ascii_uppercase(), 0),
        (None, Some(name)) => (own_point(remote, name).await?, 1),
        _ => bail!("name a child site by its code, or a distribution point with --dp"),
    };
    let filter = format!("Destination eq {} and DestinationType eq {kind}", literal(&destination));
    let stored = remote.list(CLASS, &[("$filter", &filter)]).await?.into_iter().next();
    let key = Key::one(CLASS, "Destination", &destination).and_number("DestinationType", kind);
    match &args.command {
        RouteCommand::Show => show(&destination, stored.as_ref(), format),
        RouteCommand::Set(set) => {
            let mut properties = properties(set)?;
            ensure!(
                !properties.is_empty(),
                "nothing to set: give --window, --rate, --rate-by-hour or --time-zone"
            );
            let changed = json!({ "Destination": destination, "Changed": properties });
            if stored.is_some() {
                remote.change(&key, &Value::Object(properties)).await?;
            } else {
                properties.insert("Destination".to_owned(), json!(destination));
                properties.insert("DestinationType".to_owned(), json!(kind));
                remote.create(CLASS, &Value::Object(properties)).await?;
            }
            output::done(format, &changed);
            Ok(())
        }
        RouteCommand::Clear => {
            if stored.is_some() {
                remote.delete(&key).await?;
            }
            output::done(format, &json!({ "Destination": destination, "Cleared": stored.is_some() }));
            Ok(())
        }
    }
}

/// The name of a distribution point of this site; routes to those of others are set where content is sent to them from.
async fn own_point(remote: &Remote, named: &str) -> Result<String> {
    let own = rows::own_site(remote).await?;
    let wanted = if named.contains('@') { named.to_owned() } else { format!("{named}@{own}") };
    let point = match rows::distribution_point(remote, &wanted).await {
        // Of this site there is none: which others have one?
        Err(RemoteError::NotFound { .. }) => rows::distribution_point(remote, named).await?,
        found => found?,
    };
    let [name, code] = ["ServerName", "SiteCode"].map(|property| rows::text(&point, property));
    ensure!(
        code == own,
        "{name} belongs to site {code}: set its route there, or limit the whole site with a route to it, \
         `haulier site route {code} set`"
    );
    Ok(name)
}

fn show(destination: &str, stored: Option<&Value>, format: Format) -> Result<()> {
    if format == Format::Json {
        output::json(
            &stored.cloned().unwrap_or_else(|| json!({ "Destination": destination, "Rate": "unlimited" })),
        );
        return Ok(());
    }
    let Some(route) = stored else {
        output::line(format_args!(
            "{destination} has no route: content goes there at any time, without a limit"
        ));
        return Ok(());
    };
    let zone = rows::text(route, "TimeZone");
    let zone = if zone.is_empty() { "the site's time zone".to_owned() } else { zone };
    output::line(format_args!("{destination}, hours in {zone}"));
    picture(&rows::text(route, "Hours").parse()?).iter().for_each(output::line);
    described(&rows::text(route, "Rate").parse()?).iter().for_each(output::line);
    Ok(())
}

/// The grid as lines of text.
fn picture(hours: &Grid) -> Vec<String> {
    let sign = |availability: &Availability| match availability {
        Availability::All => '.',
        Availability::MediumAndHigh => 'm',
        Availability::HighOnly => 'h',
        Availability::Closed => '#',
    };
    let mut lines = vec!["     0     6     12    18    ".trim_end().to_owned()];
    for (name, day) in WEEK {
        let day: String = hours.day(day).iter().map(sign).collect();
        lines.push(format!("{name}  {day}"));
    }
    lines.push(". all   m medium and high   h high only   # closed".to_owned());
    lines
}

/// The rates as lines of text; hours of the same rate together.
fn described(rate: &RateLimit) -> Vec<String> {
    let shown = |hour: usize| rate.at(hour).map_or_else(|| "unlimited".to_owned(), bits);
    let mut lines = Vec::new();
    let mut from = 0;
    for hour in 1..=HOURS {
        if hour == HOURS || rate.at(hour) != rate.at(from) {
            lines.push(format!("{from:02}-{hour:02}  {}", shown(from)));
            from = hour;
        }
    }
    if let [_] = lines.as_slice() {
        return vec![format!("rate {}", shown(0))];
    }
    lines
}

/// Bit/s for people.
fn bits(bits_per_s: u64) -> String {
    let (unit, size) = UNITS
        .into_iter()
        .find(|(_, size)| bits_per_s.is_multiple_of(*size) && bits_per_s >= *size)
        .unwrap_or(("bit", 1));
    format!("{} {unit}/s", bits_per_s / size)
}

fn properties(set: &RouteSet) -> Result<Map<String, Value>> {
    let mut properties = Map::new();
    if !set.windows.is_empty() {
        properties.insert("Hours".to_owned(), json!(grid(&set.windows)?.to_string()));
    }
    let rate = match (&set.rate, &set.rate_by_hour) {
        (Some(rate), _) if rate.eq_ignore_ascii_case("unlimited") => Some(RateLimit::Unlimited),
        (Some(rate), _) => Some(RateLimit::Fixed { bits_per_s: parsed_rate(rate)? }),
        (None, Some(hours)) => Some(by_hour(hours, set.line.as_deref())?),
        (None, None) => None,
    };
    rate.map(|rate| properties.insert("Rate".to_owned(), json!(rate.to_string())));
    if let Some(zone) = &set.time_zone {
        let zone = if zone.eq_ignore_ascii_case("site") { "" } else { zone.as_str() };
        properties.insert("TimeZone".to_owned(), json!(zone));
    }
    Ok(properties)
}

fn grid(windows: &[String]) -> Result<Grid> {
    let mut grid = Grid::default();
    for window in windows {
        let parts: Vec<&str> = window.split_whitespace().collect();
        let [days, span, who] = parts[..] else {
            bail!(
                "{window:?} is no window such as 'mon-fri 08-18 high': days, hours, and all, medium, high or closed"
            );
        };
        let availability = match who.to_ascii_lowercase().as_str() {
            "all" => Availability::All,
            "medium" => Availability::MediumAndHigh,
            "high" => Availability::HighOnly,
            "closed" => Availability::Closed,
            _ => bail!("{who:?} is none of all, medium, high and closed"),
        };
        for day in parsed_days(days)? {
            for hour in parsed_hours(span)? {
                grid.set(day, hour, availability);
            }
        }
    }
    Ok(grid)
}

/// `daily`, `mon`, `sat,sun`, `mon-fri`, `fri-mon`.
fn parsed_days(text: &str) -> Result<Vec<Weekday>> {
    let place = |name: &str| {
        let known = WEEK.iter().position(|(known, _)| known.eq_ignore_ascii_case(name));
        known.with_context(|| format!("{name:?} is no day such as mon"))
    };
    if text.eq_ignore_ascii_case("daily") {
        return Ok(WEEK.map(|(_, day)| day).to_vec());
    }
    let mut days = Vec::new();
    for part in text.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last) = (place(first)?, place(last)?);
        let count = (last + WEEK.len() - first) % WEEK.len();
        days.extend((0..=count).map(|step| WEEK[(first + step) % WEEK.len()].1));
    }
    Ok(days)
}

/// `08-18`: from 08:00 to 18:00 of the same day.
fn parsed_hours(text: &str) -> Result<std::ops::Range<usize>> {
    let wrong =
        || format!("{text:?} are no hours such as 08-18; over midnight it takes two: 22-24 and 00-06");
    let (from, to) = text.split_once('-').with_context(wrong)?;
    let (from, to): (usize, usize) = (from.parse().with_context(wrong)?, to.parse().with_context(wrong)?);
    ensure!(from < to && to <= HOURS, wrong());
    Ok(from..to)
}

/// `20mbit` in bit/s.
fn parsed_rate(text: &str) -> Result<u64> {
    let lower = text.trim().to_ascii_lowercase();
    let lower = lower.strip_suffix("/s").unwrap_or(&lower);
    let (number, unit) = UNITS
        .iter()
        .find_map(|(unit, size)| Some((lower.strip_suffix(unit)?.trim(), *size)))
        .with_context(|| format!("{text:?} is no rate such as 20mbit, 512kbit or 9600bit"))?;
    let number: u64 =
        number.parse().with_context(|| format!("{text:?} is no rate: a whole number is needed"))?;
    number.checked_mul(unit).with_context(|| format!("{text:?} is too fast to be limited"))
}

fn by_hour(text: &str, line: Option<&str>) -> Result<RateLimit> {
    let mut hours: [Option<&str>; HOURS] = [None; HOURS];
    for part in text.split([',', ' ']).filter(|part| !part.is_empty()) {
        let (span, rate) =
            part.split_once('=').with_context(|| format!("{part:?} is no part such as 08-18=2mbit"))?;
        parsed_hours(span)?.for_each(|hour| hours[hour] = Some(rate));
    }
    let missing = hours.iter().position(Option::is_none);
    ensure!(
        missing.is_none(),
        "no rate is given for hour {:02}; each of the 24 needs one",
        missing.unwrap_or(0)
    );
    let rates = hours.map(Option::unwrap_or_default);
    let Some(line) = line else {
        let mut bits_per_s = [0; HOURS];
        for (hour, rate) in rates.iter().enumerate() {
            ensure!(!rate.ends_with('%'), "percent of what? Give the line's rate with --line");
            bits_per_s[hour] = parsed_rate(rate)?;
        }
        return Ok(RateLimit::ByHour { bits_per_s });
    };
    let mut percent = [0; HOURS];
    for (hour, rate) in rates.iter().enumerate() {
        let number = rate
            .strip_suffix('%')
            .with_context(|| format!("{rate:?} is no percentage of the line such as 10%"))?;
        percent[hour] =
            number.parse().with_context(|| format!("{rate:?} is no percentage from 1% to 100%"))?;
    }
    Ok(RateLimit::Percent { line_bits_per_s: parsed_rate(line)?, percent })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_are_drawn_as_they_are_typed() {
        let windows = ["mon-fri 08-18 high", "fri-sat 22-24 medium", "sun 0-24 closed", "Wed 12-13 ALL"];
        let grid = grid(&windows.map(str::to_owned)).unwrap();
        assert_eq!(
            picture(&grid),
            [
                "     0     6     12    18",
                "mon  ........hhhhhhhhhh......",
                "tue  ........hhhhhhhhhh......",
                "wed  ........hhhh.hhhhh......",
                "thu  ........hhhhhhhhhh......",
                "fri  ........hhhhhhhhhh....mm",
                "sat  ......................mm",
                "sun  ########################",
                ". all   m medium and high   h high only   # closed",
            ]
        );
        for wrong in [
            "mon 08-18",
            "mon 18-08 high",
            "mon 08-25 high",
            "someday 08-18 high",
            "mon 08-18 low",
            "mon 8 high",
        ] {
            assert!(super::grid(&[wrong.to_owned()]).is_err(), "{wrong}");
        }
        let daily = super::grid(&["daily 00-24 closed".to_owned()]).unwrap();
        assert_eq!(daily.to_string(), "4".repeat(168));
    }

    #[test]
    fn rates_are_read_and_shown() {
        for (text, expect) in [
            ("20mbit", Some(20_000_000)),
            ("512 kbit", Some(512_000)),
            ("9600bit/s", Some(9_600)),
            ("1Gbit", Some(1_000_000_000)),
            ("20", None),
            ("mbit", None),
            ("1.5mbit", None),
            ("99999999999gbit", None),
        ] {
            assert_eq!(parsed_rate(text).ok(), expect, "{text}");
        }
        let rate = by_hour("00-08=100mbit,08-18=1500kbit 18-24=100mbit", None).unwrap();
        assert_eq!(described(&rate), ["00-08  100 mbit/s", "08-18  1500 kbit/s", "18-24  100 mbit/s"]);
        let rate = by_hour("00-24=10%", Some("100mbit")).unwrap();
        assert_eq!(described(&rate), ["rate 10 mbit/s"]);
        assert_eq!(described(&RateLimit::Unlimited), ["rate unlimited"]);
        for (text, line) in
            [("00-23=1mbit", None), ("00-24=10%", None), ("00-24=1mbit", Some("2mbit")), ("0=1", None)]
        {
            assert!(by_hour(text, line).is_err(), "{text}");
        }
    }
}
