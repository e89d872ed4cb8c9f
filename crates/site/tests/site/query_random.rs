//! Random conditions over random packages: SQLite, PostgreSQL and a plain reading of the condition agree.

use cim::Value;
use cim::query::{Expr, Function, LikePattern, Operator, Query, Scalar};
use samples::Rng;
use site::NewPackage;

use crate::stage::admin;

const PACKAGES: usize = 40;
const CONDITIONS: usize = 400;
/// Few characters, so that texts meet each other.
const LETTERS: [&str; 7] = ["a", "B", "b", "%", "_", "[", " "];
const TEXTS: [&str; 3] = ["Name", "Version", "ISVString"];

struct Row {
    name: String,
    version: String,
    /// Null where it is empty.
    isv_string: String,
    pkg_flags: u32,
}

fn word(rng: &mut Rng, most: usize) -> String {
    (0..rng.below(most)).map(|_| *rng.pick(&LETTERS)).collect()
}

/// A scalar of text, the second one given, or of a number.
fn text(rng: &mut Rng, depth: usize) -> Scalar {
    let inner = |rng: &mut Rng| text(rng, depth + 1);
    match rng.below(if depth > 1 { 1 } else { 6 }) {
        1 => Scalar::Call(Function::Upper, vec![inner(rng)]),
        2 => Scalar::Call(Function::Trim, vec![inner(rng)]),
        3 => Scalar::Call(Function::Concat, vec![inner(rng), Scalar::Literal(Value::String(word(rng, 3)))]),
        4 => {
            let (from, length) = (rng.below(7) as i32 - 2, rng.below(5) as i32 - 1);
            let numbers = [from, length].map(|number| Scalar::Literal(Value::from(number)));
            Scalar::Call(Function::Substring, [vec![inner(rng)], numbers.to_vec()].concat())
        }
        _ => Scalar::property(*rng.pick(&TEXTS)),
    }
}

fn number(rng: &mut Rng) -> Scalar {
    match rng.below(3) {
        0 => Scalar::Call(Function::Length, vec![text(rng, 1)]),
        1 => {
            Scalar::Call(Function::IndexOf, vec![text(rng, 1), Scalar::Literal(Value::String(word(rng, 3)))])
        }
        _ => Scalar::property("PkgFlags"),
    }
}

fn operator(rng: &mut Rng) -> Operator {
    *rng.pick(&[Operator::Eq, Operator::Ne, Operator::Lt, Operator::Le, Operator::Gt, Operator::Ge])
}

fn condition(rng: &mut Rng, depth: usize) -> Expr {
    let some = |rng: &mut Rng| (0..2 + rng.below(2)).map(|_| condition(rng, depth + 1)).collect();
    match rng.below(if depth > 2 { 8 } else { 12 }) {
        0 => Expr::IsNull(text(rng, 0)),
        1 => Expr::In { item: text(rng, 0), values: (0..3).map(|_| Value::String(word(rng, 3))).collect() },
        2 => Expr::Like { item: text(rng, 0), pattern: LikePattern::parse(&word(rng, 5)) },
        3 => Expr::StartsWith { item: text(rng, 0), text: word(rng, 3) },
        4 => Expr::Contains { item: text(rng, 0), text: word(rng, 3) },
        5 => Expr::Compare { left: text(rng, 0), op: operator(rng), right: text(rng, 0) },
        6 => Expr::Compare { left: number(rng), op: operator(rng), right: number(rng) },
        7 => Expr::Compare {
            left: text(rng, 0),
            op: operator(rng),
            right: Scalar::Literal(Value::String(word(rng, 4))),
        },
        8 => condition(rng, depth + 1).not(),
        9 => Expr::And(some(rng)),
        10 => Expr::Or(some(rng)),
        _ => Expr::Compare {
            left: number(rng),
            op: operator(rng),
            right: Scalar::Literal(Value::from(rng.below(6) as i32)),
        },
    }
}

/// What a scalar is of a row; none for null.
fn value_of(scalar: &Scalar, row: &Row) -> Option<Value> {
    let text_at = |arguments: &[Scalar], at: usize| {
        value_of(&arguments[at], row).map(|value| value.as_str().unwrap().to_owned())
    };
    let number_at =
        |arguments: &[Scalar], at: usize| value_of(&arguments[at], row).and_then(|value| value.as_integer());
    match scalar {
        Scalar::Literal(value) => Some(value.clone()),
        Scalar::Property(property) => match property.name.as_str() {
            "Name" => Some(Value::text(&*row.name)),
            "Version" => Some(Value::text(&*row.version)),
            "ISVString" => (!row.isv_string.is_empty()).then(|| Value::text(&*row.isv_string)),
            _ => Some(Value::from(row.pkg_flags)),
        },
        Scalar::Call(Function::Upper, of) => {
            text_at(of, 0).map(|text| Value::String(text.to_ascii_uppercase()))
        }
        Scalar::Call(Function::Trim, of) => text_at(of, 0).map(|text| Value::text(text.trim_matches(' '))),
        Scalar::Call(Function::Concat, of) => Some(Value::String(text_at(of, 0)? + &text_at(of, 1)?)),
        Scalar::Call(Function::Length, of) => Some(Value::from(text_at(of, 0)?.chars().count() as i64)),
        Scalar::Call(Function::IndexOf, of) => {
            let (text, part) = (text_at(of, 0)?.to_ascii_lowercase(), text_at(of, 1)?.to_ascii_lowercase());
            Some(Value::from(text.find(&part).map_or(0, |at| text[..at].chars().count() as i64 + 1)))
        }
        Scalar::Call(Function::Substring, of) => {
            let (text, from, length) = (text_at(of, 0)?, number_at(of, 1)?, number_at(of, 2)?);
            let inside = |at: i128| at >= from && at < from + length.max(0);
            Some(Value::String(
                text.chars().enumerate().filter(|(at, _)| inside(*at as i128 + 1)).map(|(_, c)| c).collect(),
            ))
        }
        Scalar::Call(other, _) => panic!("{other:?} is not made here"),
    }
}

/// Three-valued: none is unknown.
fn holds(condition: &Expr, row: &Row) -> Option<bool> {
    let text = |item: &Scalar| value_of(item, row).map(|value| value.as_str().unwrap().to_ascii_lowercase());
    match condition {
        Expr::And(terms) => {
            terms.iter().map(|term| holds(term, row)).reduce(|one, other| match (one, other) {
                (Some(false), _) | (_, Some(false)) => Some(false),
                (Some(true), Some(true)) => Some(true),
                _ => None,
            })?
        }
        Expr::Or(terms) => {
            terms.iter().map(|term| holds(term, row)).reduce(|one, other| match (one, other) {
                (Some(true), _) | (_, Some(true)) => Some(true),
                (Some(false), Some(false)) => Some(false),
                _ => None,
            })?
        }
        Expr::Not(term) => holds(term, row).map(|truth| !truth),
        Expr::IsNull(item) => Some(value_of(item, row).is_none()),
        Expr::In { item, values } => {
            let text = text(item)?;
            Some(values.iter().any(|value| value.as_str().unwrap().eq_ignore_ascii_case(&text)))
        }
        Expr::Like { item, pattern } => text(item).map(|text| pattern.matches(&text)),
        Expr::StartsWith { item, text: part } => {
            text(item).map(|text| text.starts_with(&part.to_ascii_lowercase()))
        }
        Expr::Contains { item, text: part } => {
            text(item).map(|text| text.contains(&part.to_ascii_lowercase()))
        }
        Expr::Compare { left, op, right } => {
            let order = match (value_of(left, row)?, value_of(right, row)?) {
                (Value::Integer(left), Value::Integer(right)) => left.cmp(&right),
                (left, right) => {
                    let lower = |value: Value| value.as_str().unwrap().to_ascii_lowercase();
                    lower(left).cmp(&lower(right))
                }
            };
            Some(match op {
                Operator::Eq => order.is_eq(),
                Operator::Ne => order.is_ne(),
                Operator::Lt => order.is_lt(),
                Operator::Le => order.is_le(),
                Operator::Gt => order.is_gt(),
                Operator::Ge => order.is_ge(),
            })
        }
        other => panic!("{other:?} is not made here"),
    }
}

on_both! {
    async fn random_conditions_mean_the_same_everywhere(stage: &Stage) {
        let mut rng = Rng::new(11);
        let mut rows = Vec::new();
        for number in 0..PACKAGES {
            // Names are trimmed, so they end in something.
            let row = Row {
                name: format!("{number}{}x", word(&mut rng, 4)),
                version: word(&mut rng, 4).trim().to_owned(),
                isv_string: word(&mut rng, 4).trim().to_owned(),
                pkg_flags: rng.below(6) as u32,
            };
            let new = NewPackage {
                name: row.name.clone(),
                version: row.version.clone(),
                isv_string: row.isv_string.clone(),
                pkg_flags: row.pkg_flags,
                ..NewPackage::default()
            };
            stage.site.create_package(&admin(), new).await.unwrap();
            rows.push(row);
        }
        let mut matched = 0;
        for _ in 0..CONDITIONS {
            let condition = condition(&mut rng, 0);
            let mut query = Query::all("SMS_DriverPackage");
            query.select = cim::query::Select::properties(["Name"]);
            query.filter = Some(condition.clone());
            let got = match stage.site.query(&admin(), "SMS_DriverPackage", &query).await {
                Ok(got) => got.rows,
                Err(error) => panic!("{condition}: {error}"),
            };
            let expect: Vec<_> = rows
                .iter()
                .filter(|row| holds(&condition, row) == Some(true))
                .map(|row| vec![site::Value::Text(row.name.clone())])
                .collect();
            matched += expect.len();
            assert_eq!(got, expect, "{condition}");
        }
        assert!(matched > 1_000, "conditions that match nothing prove nothing: {matched}");
    }
}
