//! The rules of the OpenMetrics text format, as strictly as its specification has them, for what we expose.

use std::collections::{BTreeMap, HashSet};

/// Values of one label; more of them is a label that grows with the site.
const VALUES_OF_LABEL_MAX: usize = 100;

/// A sample: name, labels in their order, value.
type Sample<'t> = (&'t str, Vec<(&'t str, String)>, f64);

/// Panics with the line that breaks a rule.
pub(crate) fn check(text: &str) {
    let body = text.strip_suffix("# EOF\n").unwrap_or_else(|| panic!("no end mark: {text}"));
    let mut families = HashSet::new();
    let (mut family, mut kind, mut begun) = (String::new(), String::new(), false);
    let mut seen = HashSet::new();
    let mut values: BTreeMap<(String, String), HashSet<String>> = BTreeMap::new();
    for line in body.lines() {
        assert!(!line.is_empty() && !line.starts_with("# EOF"), "{line:?}");
        if let Some(described) = line.strip_prefix("# ") {
            let (what, rest) = described.split_once(' ').unwrap_or_else(|| panic!("{line}"));
            let (name, said) = rest.split_once(' ').unwrap_or_else(|| panic!("{line}"));
            assert!(is_name(name), "{line}");
            if name != family {
                assert!(families.insert(name.to_owned()), "the family comes twice: {line}");
                (family, kind, begun) = (name.to_owned(), "unknown".to_owned(), false);
            }
            assert!(!begun, "described after its samples: {line}");
            match what {
                "TYPE" => {
                    assert!(["counter", "gauge", "histogram"].contains(&said), "{line}");
                    kind = said.to_owned();
                }
                "UNIT" => assert!(name.ends_with(&format!("_{said}")), "{line}"),
                "HELP" => assert!(!said.is_empty(), "{line}"),
                _ => panic!("{line}"),
            }
            continue;
        }
        let (name, labels, value) = sample(line);
        begun = true;
        let suffix =
            name.strip_prefix(family.as_str()).unwrap_or_else(|| panic!("{line} is not of {family}"));
        let fits = match kind.as_str() {
            "counter" => suffix == "_total" && value >= 0.0,
            "gauge" => suffix.is_empty(),
            "histogram" => ["_bucket", "_count", "_sum"].contains(&suffix) && value >= 0.0,
            _ => false,
        };
        assert!(fits, "{line} is no sample of a {kind}");
        assert!(seen.insert(line.rsplit_once(' ').unwrap().0.to_owned()), "twice: {line}");
        for (label, value) in labels {
            values.entry((family.clone(), label.to_owned())).or_default().insert(value);
        }
    }
    for (label, values) in values {
        assert!(values.len() <= VALUES_OF_LABEL_MAX, "{label:?} has {} values", values.len());
    }
}

fn is_name(name: &str) -> bool {
    let plain = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b':');
    plain && !name.is_empty() && !name.starts_with(|c: char| c.is_ascii_digit())
}

fn sample(line: &str) -> Sample<'_> {
    let (head, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("{line}"));
    let value: f64 = value.parse().unwrap_or_else(|_| panic!("{line}"));
    let (name, labels) = match head.split_once('{') {
        Some((name, rest)) => (name, rest.strip_suffix('}').unwrap_or_else(|| panic!("{line}"))),
        None => (head, ""),
    };
    assert!(is_name(name), "{line}");
    let (mut rest, mut found) = (labels, Vec::new());
    while !rest.is_empty() {
        let (label, after) = rest.split_once("=\"").unwrap_or_else(|| panic!("{line}"));
        assert!(is_name(label) && !label.contains(':'), "{line}");
        let (mut value, mut chars) = (String::new(), after.char_indices());
        let end = loop {
            match chars.next().unwrap_or_else(|| panic!("{line}")) {
                (at, '"') => break at,
                (_, '\\') => match chars.next() {
                    Some((_, 'n')) => value.push('\n'),
                    Some((_, c @ ('"' | '\\'))) => value.push(c),
                    _ => panic!("{line}"),
                },
                (_, c) => value.push(c),
            }
        };
        found.push((label, value));
        rest = &after[end + 1..];
        rest = match rest.strip_prefix(',') {
            Some(next) => next,
            None if rest.is_empty() => rest,
            None => panic!("{line}"),
        };
    }
    (name, found, value)
}

#[test]
fn the_rules_are_strict() {
    let refused = |text: &str| std::panic::catch_unwind(|| check(text)).is_err();
    let good = "# HELP a_bytes Size.\n# TYPE a_bytes gauge\n# UNIT a_bytes bytes\na_bytes{k=\"x\\\"\\\\\\n\",l=\"y\"} 1\n\
                a_bytes{k=\"z\"} 2.5\n# TYPE c counter\nc_total 7\n# EOF\n";
    check(good);
    for (from, to) in [
        ("# EOF\n", ""),
        ("c_total 7", "c 7"),
        ("c_total 7", "c_total x"),
        ("c_total 7", "c_total -7"),
        ("c_total 7", "c_total 7\nc_total 8"),
        ("c_total 7", "c_total 7\n# TYPE a_bytes gauge"),
        ("c_total 7", "d_total 7"),
        ("{k=\"z\"}", "{k=\"z}"),
        ("{k=\"z\"}", "{k=z}"),
        ("{k=\"z\"}", "{k=\"z\"l=\"y\"}"),
        ("{k=\"z\"}", "{2=\"z\"}"),
        ("# UNIT a_bytes bytes", "# UNIT a_bytes seconds"),
        ("# TYPE c counter", "# TYPE c summary"),
        ("# TYPE c counter", "\n# TYPE c counter"),
    ] {
        assert!(good.contains(from) && refused(&good.replacen(from, to, 1)), "{from} {to}");
    }
}
