use cim::{Instance, ObjectPath, Value};
use site::{Availability, Grid, HOURS, RateLimit, RouteSettings, RouteTarget};

use super::role::embedded;
use crate::classes::haulier::route_target;
use crate::error::Fault;
use crate::handler::{Call, ClassHandler, Completed, Work};
use crate::schema::ClassInfo;

/// `SMS_SCI_Address`: a route as the original shows it, an hour grid and percent of a line.
///
/// What the original's class cannot say, and is chosen here: the line's rate is an embedded property `Line Rate` in kbit/s,
/// so a rate in bit/s is 100 percent of a line of that rate. Pulse mode is taken and becomes the rate that it comes to.
pub(crate) struct Address;

/// How `ItemName` ends: the only sender there is.
const SENDER: &str = "MS_LAN";
const LINE_RATE: &str = "Line Rate";
const PULSE_MODE: &str = "Pulse Mode";
const DAY: &str = "SMS_SiteControlDaySchedule";
const BITS_PER_KBIT: u64 = 1_000;
const BITS_PER_KB: u64 = 8 * 1_024;

impl ClassHandler for Address {
    fn put_changes(&self) -> bool {
        true
    }

    fn completes(&self, _class: &ClassInfo) -> Vec<Completed> {
        let own = |property| Completed { property, of: vec![property] };
        let mut completed = vec![Completed { property: "PropLists", of: Vec::new() }];
        completed.extend(["Props", "RateLimitingSchedule", "UsageSchedule"].map(own));
        completed
    }

    fn complete(&self, address: &mut Instance) -> Result<(), Fault> {
        for (name, value) in &mut address.properties {
            *value = match (name.as_str(), &*value) {
                ("PropLists", _) => Value::Array(Vec::new()),
                ("Props", Value::Array(listed)) => {
                    Value::Array(listed.iter().filter_map(Value::as_str).map(embedded).collect())
                }
                ("RateLimitingSchedule", Value::String(listed)) => numbers(listed.split(',')),
                ("UsageSchedule", Value::String(digits)) => days(digits),
                _ => continue,
            };
        }
        Ok(())
    }

    fn create<'a>(&'a self, call: Call<'a>, instance: Instance) -> Work<'a, ObjectPath> {
        Box::pin(async move {
            call.site.require_may_route(call.actor)?;
            let missing = || Fault::IllegalNull { property: "DesSiteCode".to_owned() };
            let destination =
                instance.get("DesSiteCode").and_then(Value::as_str).ok_or_else(missing)?.to_owned();
            let kind = instance.get("DestinationType").and_then(Value::as_integer);
            let target = route_target(kind.or(Some(0)), &destination)?;
            let settings = changed(RouteSettings::default(), &instance)?;
            call.site.set_route(call.actor, &target, &settings).await?;
            let name = match target {
                RouteTarget::Site(code) => code.to_ascii_uppercase(),
                RouteTarget::DistributionPoint(name) => name,
            };
            let keys = [
                ("FileType".to_owned(), Value::Integer(2)),
                ("ItemName".to_owned(), Value::String(format!("{name}|{SENDER}"))),
                ("ItemType".to_owned(), Value::text("Address")),
                ("SiteCode".to_owned(), Value::text(call.site.identity().site_code.as_str())),
            ];
            Ok(ObjectPath::new(&call.class.name, keys))
        })
    }

    fn modify<'a>(&'a self, call: Call<'a>, path: &'a ObjectPath, change: Instance) -> Work<'a, ()> {
        Box::pin(async move {
            call.site.require_may_route(call.actor)?;
            let target = self.target(call, path).await?;
            let fixed = ["DesSiteCode", "DestinationType"];
            if let Some(property) = fixed.into_iter().find(|name| change.get(name).is_some()) {
                return Err(Fault::ReadOnly { property: property.to_owned() });
            }
            let settings = changed(call.site.route_settings(&target).await?, &change)?;
            Ok(call.site.set_route(call.actor, &target, &settings).await?)
        })
    }

    fn delete<'a>(&'a self, call: Call<'a>, path: &'a ObjectPath) -> Work<'a, ()> {
        Box::pin(async move {
            let target = self.target(call, path).await?;
            Ok(call.site.clear_route(call.actor, &target).await?)
        })
    }
}

impl Address {
    /// Whose address a path names.
    async fn target(&self, call: Call<'_>, path: &ObjectPath) -> Result<RouteTarget, Fault> {
        let address = self.get(call, path).await?;
        let destination = address.get("DesSiteCode").and_then(Value::as_str).unwrap_or("");
        route_target(address.get("DestinationType").and_then(Value::as_integer), destination)
    }
}

fn numbers<'t>(texts: impl Iterator<Item = &'t str>) -> Value {
    Value::Array(texts.map(|text| Value::Integer(text.parse().unwrap_or(0))).collect())
}

/// Seven days of 168 digits.
fn days(digits: &str) -> Value {
    let day = |hours: &[u8]| {
        let usage = hours.iter().map(|digit| Value::Integer(i128::from(digit.wrapping_sub(b'0')))).collect();
        let mut day = Instance::new(DAY);
        day.set("Backup", Value::Array(vec![Value::Boolean(false); HOURS]));
        day.set("HourUsage", Value::Array(usage));
        day.set("update", Value::Boolean(false));
        Value::Instance(Box::new(day))
    };
    Value::Array(digits.as_bytes().chunks(HOURS).map(day).collect())
}

/// What a put says of rates, which several properties do together.
#[derive(Default)]
struct RateGiven {
    unlimited: Option<bool>,
    percent: Option<[u8; HOURS]>,
    line_bits_per_s: Option<u64>,
    pulse_bits_per_s: Option<u64>,
}

fn changed(mut settings: RouteSettings, change: &Instance) -> Result<RouteSettings, Fault> {
    let mut rate = RateGiven::default();
    for (name, value) in &change.properties {
        match (name.as_str(), value) {
            ("UsageSchedule", value) => settings.hours = grid(value)?,
            ("UnlimitedRateForAll", value) => rate.unlimited = value.as_bool(),
            ("RateLimitingSchedule", Value::Array(hours)) => rate.percent = Some(percents(hours)?),
            ("Props", Value::Array(props)) => rate.line_bits_per_s = line(props),
            ("PropLists", Value::Array(lists)) => rate.pulse_bits_per_s = pulse(lists)?,
            _ => {}
        }
    }
    settings.rate = rate.over(&settings.rate)?;
    Ok(settings)
}

impl RateGiven {
    fn over(self, before: &RateLimit) -> Result<RateLimit, Fault> {
        let is_silent = self.unlimited.is_none() && self.percent.is_none() && self.line_bits_per_s.is_none();
        match self {
            Self { unlimited: Some(true), .. } => Ok(RateLimit::Unlimited),
            Self { pulse_bits_per_s: Some(bits_per_s), .. } => Ok(RateLimit::Fixed { bits_per_s }),
            _ if is_silent => Ok(before.clone()),
            Self { percent, line_bits_per_s, .. } => {
                let percent = percent.unwrap_or_else(|| before.percents());
                let is_whole = percent.iter().all(|part| *part == 100);
                match (line_bits_per_s.or(before.line_bits_per_s()), is_whole) {
                    (Some(bits_per_s), true) => Ok(RateLimit::Fixed { bits_per_s }),
                    (Some(line_bits_per_s), false) => Ok(RateLimit::Percent { line_bits_per_s, percent }),
                    (None, true) => Ok(RateLimit::Unlimited),
                    (None, false) => {
                        let reason = format!(
                            "percent of what? Put an embedded property {LINE_RATE:?} with the line's kbit/s as Value into Props"
                        );
                        Err(Fault::OutOfRange { property: "RateLimitingSchedule".to_owned(), reason })
                    }
                }
            }
        }
    }
}

fn out_of_range(property: &str, reason: &str) -> Fault {
    Fault::OutOfRange { property: property.to_owned(), reason: reason.to_owned() }
}

fn grid(value: &Value) -> Result<Grid, Fault> {
    let wrong =
        || out_of_range("UsageSchedule", "seven days of 24 hours from 1 to 4 are needed, Sunday first");
    let days = match value {
        Value::Array(days) => days.as_slice(),
        // Nothing said is nothing closed.
        _ => return Ok(Grid::default()),
    };
    let mut digits = String::new();
    for day in days {
        let Value::Instance(day) = day else { return Err(wrong()) };
        let Some(Value::Array(hours)) = day.get("HourUsage") else { return Err(wrong()) };
        if hours.len() != HOURS {
            return Err(wrong());
        }
        for hour in hours {
            let number = hour.as_integer().and_then(|number| u8::try_from(number).ok());
            let usage = number.and_then(Availability::from_number).ok_or_else(wrong)?;
            digits.push_str(&usage.number().to_string());
        }
    }
    digits.parse().map_err(|_| wrong())
}

fn percents(hours: &[Value]) -> Result<[u8; HOURS], Fault> {
    let percent = |hour: &Value| {
        let number = hour.as_integer().and_then(|number| u8::try_from(number).ok());
        number.filter(|number| (1..=100).contains(number))
    };
    let hours = hours.iter().map(percent).collect::<Option<Vec<u8>>>();
    let wrong = || out_of_range("RateLimitingSchedule", "24 numbers from 1 to 100 are needed");
    hours.and_then(|hours| hours.try_into().ok()).ok_or_else(wrong)
}

/// The line's rate among embedded properties, in bit/s.
fn line(props: &[Value]) -> Option<u64> {
    let kbit = props.iter().find_map(|prop| match prop {
        Value::Instance(prop) if prop.get("PropertyName").and_then(Value::as_str) == Some(LINE_RATE) => {
            prop.get("Value").and_then(Value::as_integer)
        }
        _ => None,
    });
    kbit.and_then(|kbit| u64::try_from(kbit).ok())
        .map(|kbit| kbit.saturating_mul(BITS_PER_KBIT))
        .filter(|bits| *bits > 0)
}

/// The rate that pulse mode comes to, in bit/s; none where it is off. A pulse without a pause is a block a second.
fn pulse(lists: &[Value]) -> Result<Option<u64>, Fault> {
    let values = lists.iter().find_map(|list| match list {
        Value::Instance(list) if list.get("PropertyListName").and_then(Value::as_str) == Some(PULSE_MODE) => {
            list.get("Values")
        }
        _ => None,
    });
    let Some(Value::Array(values)) = values else { return Ok(None) };
    let numbers: Vec<u64> = values.iter().filter_map(|value| value.as_str()?.trim().parse().ok()).collect();
    match numbers.as_slice() {
        [0, ..] => Ok(None),
        [_, block_kb @ (1..), pause_s] => Ok(Some(block_kb.saturating_mul(BITS_PER_KB) / pause_s.max(&1))),
        _ => Err(out_of_range(
            "PropLists",
            "Pulse Mode is 0 or 1, the KB of a block, the seconds between blocks",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(name: &str, values: &[&str]) -> Value {
        let mut list = Instance::new("SMS_EmbeddedPropertyList");
        list.set("PropertyListName", name);
        list.set("Values", Value::Array(values.iter().map(|value| Value::text(*value)).collect()));
        Value::Instance(Box::new(list))
    }

    #[test]
    fn pulse_mode_becomes_the_rate_that_it_comes_to() {
        for (values, expect) in [
            (&["0", "5", "8"][..], Ok(None)),
            (&["1", "5", "8"], Ok(Some(5_120))),
            (&["1", "256", "1"], Ok(Some(2_097_152))),
            (&["1", "3", "0"], Ok(Some(24_576))),
            (&["1", "0", "5"], Err(())),
            (&["1"], Err(())),
        ] {
            assert_eq!(pulse(&[list(PULSE_MODE, values)]).map_err(drop), expect, "{values:?}");
        }
        assert_eq!(pulse(&[list("Other", &["1"])]).unwrap(), None);
    }

    #[test]
    fn a_put_changes_of_the_rate_only_what_it_says() {
        let fixed = RateLimit::Fixed { bits_per_s: 8_000_000 };
        let half = RateLimit::Percent { line_bits_per_s: 8_000_000, percent: [50; HOURS] };
        let given = |unlimited, percent: Option<u8>, line_bits_per_s| RateGiven {
            unlimited,
            percent: percent.map(|percent| [percent; HOURS]),
            line_bits_per_s,
            pulse_bits_per_s: None,
        };
        for (before, given, expect) in [
            (&fixed, given(None, None, None), Some(&fixed)),
            (&fixed, given(Some(true), Some(100), None), Some(&RateLimit::Unlimited)),
            (&fixed, given(None, Some(50), None), Some(&half)),
            (&half, given(Some(false), Some(100), None), Some(&fixed)),
            (&RateLimit::Unlimited, given(Some(false), Some(100), None), Some(&RateLimit::Unlimited)),
            (&RateLimit::Unlimited, given(None, None, Some(8_000_000)), Some(&fixed)),
            (&RateLimit::Unlimited, given(Some(false), Some(50), None), None),
        ] {
            let found = given.over(before).ok();
            assert_eq!(found.as_ref(), expect, "{before:?}");
        }
    }

    #[test]
    fn days_are_shown_as_they_are_read() {
        let digits = format!("{}{}", "4".repeat(24), "1".repeat(144));
        assert_eq!(grid(&days(&digits)).unwrap().to_string(), digits);
        assert!(grid(&Value::Array(vec![Value::Integer(1)])).is_err());
        assert!(grid(&days(&digits[..144])).is_err(), "six days");
    }
}
