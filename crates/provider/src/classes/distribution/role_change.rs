//! What a put of `SMS_SCI_SysResUse` wants of a distribution point: a script reads the role, alters an embedded property
//! or two and puts all of them back, so only what differs is a change, and what cannot be changed here must not differ.

use std::collections::BTreeMap;

use cim::{Instance, Value};
use site::{PointChange, PullSettings, RANK_MAX, ValidationSettings};

use crate::error::Fault;

const SOURCES: &str = "SourceDistributionPoints";
const RANKS: &str = "SourceDPRanks";

/// The change that turns `current` into what `change` says; its properties and lists that are not named stay.
pub(super) fn read(current: &Instance, change: &Instance) -> Result<PointChange, Fault> {
    let mut properties = Properties::of(current)?;
    let before = properties.clone();
    properties.extend(Properties::of(change)?);
    for (name, value) in &properties.values {
        let may_differ =
            matches!(name.as_str(), "IsPullDP" | "AllowFallback" | "DPMonEnabled" | "DPMonSchedule");
        if !may_differ && before.values.get(name) != Some(value) {
            return Err(refused(name, reason(name)));
        }
    }
    if let Some(name) = properties.lists.keys().find(|name| *name != SOURCES && *name != RANKS) {
        return Err(refused(name, "a distribution point has no such list here"));
    }
    let pull = properties.pull()?;
    let validation = properties.validation()?;
    Ok(PointChange {
        pull: (pull != before.pull()?).then_some(pull),
        validation: (validation != before.validation()?).then_some(validation),
    })
}

fn reason(name: &str) -> &'static str {
    match name {
        "DPMonPriority" => "content is always validated at the lowest priority, 4",
        _ => "this site has no other value for it",
    }
}

fn refused(property: &str, reason: impl Into<String>) -> Fault {
    Fault::OutOfRange { property: property.to_owned(), reason: reason.into() }
}

/// Embedded properties (number and text) and lists by name.
#[derive(Debug, Clone, Default)]
struct Properties {
    values: BTreeMap<String, (i128, String)>,
    lists: BTreeMap<String, Vec<String>>,
}

impl Properties {
    fn of(role: &Instance) -> Result<Self, Fault> {
        let mut properties = Self::default();
        for property in objects(role, "Props") {
            let name = text(property, "PropertyName");
            let number = property.get("Value").and_then(Value::as_integer).unwrap_or(0);
            if properties.values.insert(name.clone(), (number, text(property, "Value1"))).is_some() {
                return Err(refused(&name, "it is named twice"));
            }
        }
        for list in objects(role, "PropLists") {
            let values = match list.get("Values") {
                Some(Value::Array(values)) => {
                    values.iter().filter_map(Value::as_str).map(str::to_owned).collect()
                }
                _ => Vec::new(),
            };
            properties.lists.insert(text(list, "PropertyListName"), values);
        }
        Ok(properties)
    }

    fn extend(&mut self, other: Self) {
        self.values.extend(other.values);
        self.lists.extend(other.lists);
    }

    fn is_on(&self, name: &str) -> Result<bool, Fault> {
        match self.values.get(name).map_or(0, |(number, _)| *number) {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(refused(name, "it is 0 or 1")),
        }
    }

    fn pull(&self) -> Result<Option<PullSettings>, Fault> {
        if !self.is_on("IsPullDP")? {
            return Ok(None);
        }
        let none = Vec::new();
        let (paths, ranks) =
            (self.lists.get(SOURCES).unwrap_or(&none), self.lists.get(RANKS).unwrap_or(&none));
        if paths.len() != ranks.len() {
            return Err(refused(RANKS, format!("{} sources have {} ranks", paths.len(), ranks.len())));
        }
        let rank = |text: &String| text.parse::<u32>().ok().filter(|rank| (1..=RANK_MAX).contains(rank));
        let sources = paths.iter().zip(ranks).map(|(path, text)| {
            let rank = rank(text)
                .ok_or_else(|| refused(RANKS, format!("{text:?} is no number from 1 to {RANK_MAX}")));
            Ok((path.clone(), rank?))
        });
        let sources = sources.collect::<Result<_, Fault>>()?;
        Ok(Some(PullSettings { sources, fallback: self.is_on("AllowFallback")? }))
    }

    fn validation(&self) -> Result<ValidationSettings, Fault> {
        let schedule = self.values.get("DPMonSchedule").map(|(_, text)| text.clone()).unwrap_or_default();
        Ok(ValidationSettings { enabled: self.is_on("DPMonEnabled")?, schedule })
    }
}

fn objects<'a>(role: &'a Instance, property: &str) -> Vec<&'a Instance> {
    let Some(Value::Array(elements)) = role.get(property) else { return Vec::new() };
    let object = |element: &'a Value| match element {
        Value::Instance(object) => Some(&**object),
        _ => None,
    };
    elements.iter().filter_map(object).collect()
}

fn text(object: &Instance, property: &str) -> String {
    object.get(property).and_then(Value::as_str).unwrap_or("").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn role(props: &[(&str, i64, &str)], lists: &[(&str, &[&str])]) -> Instance {
        let mut role = Instance::new("SMS_SCI_SysResUse");
        let prop = |(name, value, text): &(&str, i64, &str)| {
            let mut prop = Instance::new("SMS_EmbeddedProperty");
            prop.set("PropertyName", *name);
            prop.set("Value", *value);
            prop.set("Value1", *text);
            Value::Instance(Box::new(prop))
        };
        let list = |(name, values): &(&str, &[&str])| {
            let mut list = Instance::new("SMS_EmbeddedPropertyList");
            list.set("PropertyListName", *name);
            list.set("Values", Value::Array(values.iter().map(|value| Value::text(*value)).collect()));
            Value::Instance(Box::new(list))
        };
        role.set("Props", Value::Array(props.iter().map(prop).collect()));
        role.set("PropLists", Value::Array(lists.iter().map(list).collect()));
        role
    }

    const NOW: &[(&str, i64, &str)] = &[
        ("AllowFallback", 1, ""),
        ("DPMonEnabled", 0, ""),
        ("DPMonPriority", 4, ""),
        ("DPMonSchedule", 0, "00011700001F2000"),
        ("IsPullDP", 0, ""),
    ];

    #[test]
    fn only_what_differs_is_a_change() {
        let current = role(NOW, &[]);
        assert_eq!(read(&current, &current).unwrap(), PointChange::default());
        let change = role(&[("IsPullDP", 1, "")], &[(SOURCES, &["a", "b"]), (RANKS, &["1", "2"])]);
        let pull = PullSettings { sources: vec![("a".to_owned(), 1), ("b".to_owned(), 2)], fallback: true };
        let expect = PointChange { pull: Some(Some(pull)), validation: None };
        assert_eq!(read(&current, &change).unwrap(), expect);
        let puller = role(
            &[("IsPullDP", 1, ""), ("DPMonSchedule", 0, "00011700001F2000")],
            &[(SOURCES, &["a"]), (RANKS, &["1"])],
        );
        let off = read(&puller, &role(&[("IsPullDP", 0, "")], &[])).unwrap();
        assert_eq!(off, PointChange { pull: Some(None), validation: None });
        let validated = read(&current, &role(&[("DPMonEnabled", 1, "")], &[])).unwrap();
        let settings = ValidationSettings { enabled: true, schedule: "00011700001F2000".to_owned() };
        assert_eq!(validated, PointChange { pull: None, validation: Some(settings) });
    }

    #[test]
    fn what_cannot_be_so_is_refused_by_name() {
        let current = role(NOW, &[]);
        let check = |props: &[(&str, i64, &str)], lists: &[(&str, &[&str])], expect: &str| {
            let refused = read(&current, &role(props, lists)).unwrap_err();
            let Fault::OutOfRange { property, .. } = refused else { panic!("{expect}: {refused:?}") };
            assert_eq!(property, expect);
        };
        check(&[("DPMonPriority", 5, "")], &[], "DPMonPriority");
        check(&[("IsMulticast", 1, "")], &[], "IsMulticast");
        check(&[("IsPullDP", 2, "")], &[], "IsPullDP");
        check(&[("IsPullDP", 1, ""), ("IsPullDP", 0, "")], &[], "IsPullDP");
        check(&[("IsPullDP", 1, "")], &[(SOURCES, &["a"])], RANKS);
        check(&[("IsPullDP", 1, "")], &[(SOURCES, &["a"]), (RANKS, &["0"])], RANKS);
        check(&[("IsPullDP", 1, "")], &[(SOURCES, &["a"]), (RANKS, &["first"])], RANKS);
        check(&[], &[("Protected Boundary", &["a"])], "Protected Boundary");
    }
}
