//! `haulier schedule`: what the provider's schedules mean. Nothing here asks a site.

use anyhow::{Context, Result, bail};
use cim::schedule::{self, Token};
use cim::{DateTime, Instance, Value};
use clock::{Clock, SystemClock};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Map, Value as Json, json};

use crate::args::{ScheduleCommand, ScheduleEncode, ScheduleNext};
use crate::output::{self, Format, Table};

/// Does what the command line says.
pub(crate) fn run(command: &ScheduleCommand, format: Format) -> Result<()> {
    match command {
        ScheduleCommand::Encode(args) => encode(args, format),
        ScheduleCommand::Decode { schedule } => decode(schedule, format),
        ScheduleCommand::Next(args) => next(args, format),
    }
}

fn encode(args: &ScheduleEncode, format: Format) -> Result<()> {
    let token =
        |recurrence| Token { gmt: args.utc, duration: args.duration, ..Token::new(args.start, recurrence) };
    if args.start.second() != 0 || args.start.subsec_nanosecond() != 0 {
        bail!("a schedule begins at a whole minute; {} has seconds", args.start);
    }
    let tokens: Vec<Token> = args.recurrences().into_iter().map(token).collect();
    let text = schedule::print(&tokens)?;
    match format {
        Format::Json => output::json(&json!({ "StringData": text })),
        Format::Text => output::line(text),
    }
    Ok(())
}

fn decode(text: &str, format: Format) -> Result<()> {
    let tokens = schedule::parse(text.trim())?;
    match format {
        Format::Json => output::json(&tokens.iter().map(object).collect::<Vec<_>>()),
        Format::Text => tokens.iter().for_each(output::line),
    }
    Ok(())
}

/// A token as the site's REST route takes it in a body.
pub(crate) fn object(token: &Token) -> Json {
    let Instance { class, properties } = token.to_instance();
    let mut object = Map::new();
    object.insert("@odata.type".to_owned(), json!(format!("#AdminService.{class}")));
    object.insert("__CLASS".to_owned(), json!(class));
    for (name, value) in properties {
        let json = match value {
            Value::Integer(number) => json!(i64::try_from(number).unwrap_or_default()),
            Value::Boolean(truth) => json!(truth),
            _ => json!(format!("{}{}", token.start, if token.gmt { "Z" } else { "" })),
        };
        object.insert(name, json);
    }
    Json::Object(object)
}

/// The token of such an object, as the site's REST route gives it.
pub(crate) fn token(object: &Json) -> Result<Token> {
    let class = object["@odata.type"].as_str().unwrap_or_default().trim_start_matches("#AdminService.");
    let mut instance = Instance::new(class);
    for (name, value) in object.as_object().into_iter().flatten() {
        let value = match value {
            Json::Number(number) => Value::Integer(number.as_i64().unwrap_or_default().into()),
            Json::Bool(truth) => Value::Boolean(*truth),
            Json::String(text) if name == "StartTime" => Value::DateTime(DateTime::parse_any(text)?),
            _ => continue,
        };
        instance.set(name, value);
    }
    Ok(Token::from_instance(&instance)?)
}

fn next(args: &ScheduleNext, format: Format) -> Result<()> {
    let tokens = schedule::parse(args.schedule.trim())?;
    let zone = match &args.zone {
        Some(name) => TimeZone::get(name).with_context(|| format!("{name} is no time zone"))?,
        None => TimeZone::system(),
    };
    let mut after = match &args.after {
        Some(text) => moment(text, &zone)?,
        None => SystemClock.now(),
    };
    let mut times = Vec::new();
    while times.len() < usize::from(args.count) {
        let Some(time) = schedule::next_after(&tokens, after, &zone) else { break };
        times.push(time);
        after = time;
    }
    let local = |time: &Timestamp| time.to_zoned(zone.clone()).strftime("%Y-%m-%dT%H:%M:%S%:z").to_string();
    match format {
        Format::Json => {
            let row = |time: &Timestamp| json!({ "Time": time.to_string(), "LocalTime": local(time) });
            output::json(&times.iter().map(row).collect::<Vec<_>>());
        }
        Format::Text if times.is_empty() => output::line("never again"),
        Format::Text => {
            let mut table = Table::new(&["LOCAL TIME", "UTC"]);
            times.iter().for_each(|time| table.row([local(time), time.to_string()]));
            table.print();
        }
    }
    Ok(())
}

/// With `Z` or an offset, or in the zone.
fn moment(text: &str, zone: &TimeZone) -> Result<Timestamp> {
    if let Ok(time) = text.parse() {
        return Ok(time);
    }
    let local: jiff::civil::DateTime =
        text.parse().with_context(|| format!("{text:?} is no time such as 2024-01-09T02:00:00Z"))?;
    Ok(zone.to_ambiguous_timestamp(local).compatible()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_become_what_rest_bodies_take() {
        let check = |text: &str, expect: Json| {
            let tokens = schedule::parse(text).unwrap();
            assert_eq!(object(&tokens[0]), expect, "{text}");
        };
        check(
            "00011700001F2000",
            json!({
                "@odata.type": "#AdminService.SMS_ST_RecurWeekly", "__CLASS": "SMS_ST_RecurWeekly",
                "DayDuration": 0, "HourDuration": 0, "IsGMT": false, "MinuteDuration": 0,
                "StartTime": "1998-01-01T00:00:00", "Day": 7, "ForNumberOfWeeks": 1,
            }),
        );
        check(
            "0001200000100009",
            json!({
                "@odata.type": "#AdminService.SMS_ST_RecurInterval", "__CLASS": "SMS_ST_RecurInterval",
                "DayDuration": 0, "HourDuration": 0, "IsGMT": true, "MinuteDuration": 0,
                "StartTime": "1970-02-01T00:00:00Z", "DaySpan": 1, "HourSpan": 0, "MinuteSpan": 0,
            }),
        );
        for text in ["00011700001F2000", "0001200000100009"] {
            let tokens = schedule::parse(text).unwrap();
            assert_eq!(token(&object(&tokens[0])).unwrap(), tokens[0], "{text}");
        }
    }
}
