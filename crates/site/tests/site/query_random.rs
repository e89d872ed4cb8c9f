//! Random conditions and joins over random packages: SQLite, PostgreSQL and a plain reading of the condition agree.

use cim::Value;
use cim::query::{
    Expr, Function, Join, JoinKind, LikePattern, Operator, PropertyRef, Query, Scalar, Select, Selected,
    Source,
};
use samples::Rng;
use site::NewPackage;

use crate::stage::admin;

const PACKAGES: usize = 40;
const CONDITIONS: usize = 400;
const JOINS: usize = 150;
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

/// What a scalar is of a row, or of the nulls in its place; none for null.
fn value_of(scalar: &Scalar, row: Option<&Row>) -> Option<Value> {
    let text_at = |arguments: &[Scalar], at: usize| {
        value_of(&arguments[at], row).map(|value| value.as_str().unwrap().to_owned())
    };
    let number_at =
        |arguments: &[Scalar], at: usize| value_of(&arguments[at], row).and_then(|value| value.as_integer());
    match scalar {
        Scalar::Literal(value) => Some(value.clone()),
        Scalar::Property(property) => match property.name.as_str() {
            "Name" => Some(Value::text(&*row?.name)),
            "Version" => Some(Value::text(&*row?.version)),
            "ISVString" => {
                row.filter(|row| !row.isv_string.is_empty()).map(|row| Value::text(&*row.isv_string))
            }
            _ => Some(Value::from(row?.pkg_flags)),
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
fn holds(condition: &Expr, row: Option<&Row>) -> Option<bool> {
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

/// The condition on a source of a join.
fn on_source(condition: Expr, source: &str) -> Expr {
    let scalar = |scalar: Scalar| scalar_of(scalar, source);
    let all = |terms: Vec<Expr>| terms.into_iter().map(|term| on_source(term, source)).collect();
    match condition {
        Expr::And(terms) => Expr::And(all(terms)),
        Expr::Or(terms) => Expr::Or(all(terms)),
        Expr::Not(term) => on_source(*term, source).not(),
        Expr::IsNull(item) => Expr::IsNull(scalar(item)),
        Expr::In { item, values } => Expr::In { item: scalar(item), values },
        Expr::Like { item, pattern } => Expr::Like { item: scalar(item), pattern },
        Expr::StartsWith { item, text } => Expr::StartsWith { item: scalar(item), text },
        Expr::Contains { item, text } => Expr::Contains { item: scalar(item), text },
        Expr::Compare { left, op, right } => Expr::Compare { left: scalar(left), op, right: scalar(right) },
        other => panic!("{other:?} is not made here"),
    }
}

fn scalar_of(scalar: Scalar, source: &str) -> Scalar {
    match scalar {
        Scalar::Property(property) => {
            Scalar::Property(PropertyRef { source: Some(source.to_owned()), ..property })
        }
        Scalar::Call(function, arguments) => {
            Scalar::Call(function, arguments.into_iter().map(|of| scalar_of(of, source)).collect())
        }
        literal => literal,
    }
}

/// The sources of a query in their order; a join's is tied to one of those before it.
const SOURCES: [&str; 4] = ["a", "b", "c", "d"];

/// Which of the packages go together, by their numbers: one for each source, none where a join left it out.
type Tuple = Vec<Option<usize>>;

/// One more join of packages: of equal flags, or of equal names, with an earlier source, and some left out by a condition.
struct Tied {
    kind: JoinKind,
    to: usize,
    key: &'static str,
    on: Option<Expr>,
}

impl Tied {
    fn random(rng: &mut Rng, before: usize) -> Self {
        let kind =
            *rng.pick(&[JoinKind::Left, JoinKind::Left, JoinKind::Inner, JoinKind::Right, JoinKind::Full]);
        // PostgreSQL makes full joins of nothing but equal keys.
        let on = (kind != JoinKind::Full).then(|| condition(rng, 2));
        Self { kind, to: rng.below(before), key: *rng.pick(&["PkgFlags", "Name", "Name"]), on }
    }

    fn join(&self, at: usize) -> Join {
        let key = |source: &str| scalar_of(Scalar::property(self.key), source);
        let equal = Expr::Compare { left: key(SOURCES[at]), op: Operator::Eq, right: key(SOURCES[self.to]) };
        let on = self.on.clone().map(|on| on_source(on, SOURCES[at]));
        Join {
            kind: self.kind,
            source: source(at),
            on: Some(Expr::And([Some(equal), on].into_iter().flatten().collect())),
        }
    }

    /// What one more join makes of the rows before it.
    fn joined(&self, at: usize, before: &[Tuple], rows: &[Row]) -> Vec<Tuple> {
        let fits: Vec<bool> = rows
            .iter()
            .map(|row| self.on.as_ref().is_none_or(|on| holds(on, Some(row)) == Some(true)))
            .collect();
        let key = |row: &Row| if self.key == "Name" { row.name.clone() } else { row.pkg_flags.to_string() };
        let keys: Vec<String> = rows.iter().map(key).collect();
        let (mut tuples, mut met) = (Vec::new(), vec![false; rows.len()]);
        for tuple in before {
            let found = tuples.len();
            for (new, fits) in fits.iter().enumerate() {
                if *fits && tuple[self.to].is_some_and(|other| keys[other] == keys[new]) {
                    met[new] = true;
                    tuples.push([&tuple[..], &[Some(new)]].concat());
                }
            }
            if tuples.len() == found && matches!(self.kind, JoinKind::Left | JoinKind::Full) {
                tuples.push([&tuple[..], &[None]].concat());
            }
        }
        if matches!(self.kind, JoinKind::Right | JoinKind::Full) {
            let unmet = (0..rows.len()).filter(|new| !met[*new]);
            tuples.extend(unmet.map(|new| [&vec![None; at][..], &[Some(new)]].concat()));
        }
        tuples
    }
}

fn source(at: usize) -> Source {
    Source { class: "SMS_DriverPackage".to_owned(), alias: Some(SOURCES[at].to_owned()) }
}

fn name_of(at: usize) -> PropertyRef {
    let Scalar::Property(name) = scalar_of(Scalar::property("Name"), SOURCES[at]) else { panic!("{at}") };
    name
}

/// What a query asks of one source; being left out is asked for on purpose.
fn filter(rng: &mut Rng, sources: usize) -> (usize, Expr) {
    match rng.below(3) {
        0 => (rng.below(sources), Expr::IsNull(Scalar::property("Name"))),
        1 => (rng.below(sources), condition(rng, 1)),
        _ => (0, condition(rng, 1)),
    }
}

async fn packages(stage: &crate::stage::Stage, rng: &mut Rng) -> Vec<Row> {
    let mut rows = Vec::new();
    for number in 0..PACKAGES {
        // Names are trimmed, so they end in something.
        let row = Row {
            name: format!("{number}{}x", word(rng, 4)),
            version: word(rng, 4).trim().to_owned(),
            isv_string: word(rng, 4).trim().to_owned(),
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
    rows
}

on_both! {
    async fn random_conditions_mean_the_same_everywhere(stage: &Stage) {
        let mut rng = Rng::new(11);
        let rows = packages(stage, &mut rng).await;
        let mut matched = 0;
        for _ in 0..CONDITIONS {
            let condition = condition(&mut rng, 0);
            let mut query = Query::all("SMS_DriverPackage");
            query.select = Select::properties(["Name"]);
            query.filter = Some(condition.clone());
            let got = match stage.site.query(&admin(), "SMS_DriverPackage", &query).await {
                Ok(got) => got.rows,
                Err(error) => panic!("{condition}: {error}"),
            };
            let expect: Vec<_> = rows
                .iter()
                .filter(|row| holds(&condition, Some(row)) == Some(true))
                .map(|row| vec![site::Value::Text(row.name.clone())])
                .collect();
            matched += expect.len();
            assert_eq!(got, expect, "{condition}");
        }
        assert!(matched > 1_000, "conditions that match nothing prove nothing: {matched}");
    }

    async fn random_joins_mean_the_same_everywhere(stage: &Stage) {
        let mut rng = Rng::new(12);
        let rows = packages(stage, &mut rng).await;
        let (mut left_out, mut found) = (0, 0);
        for _ in 0..JOINS {
            let joins: Vec<Tied> = (1..2 + rng.below(3)).map(|before| Tied::random(&mut rng, before)).collect();
            let (asked, term) = filter(&mut rng, 1 + joins.len());
            let all: Vec<Tuple> = (0..rows.len()).map(|row| vec![Some(row)]).collect();
            let numbered = joins.iter().enumerate();
            let mut tuples = numbered.fold(all, |before, (at, join)| join.joined(at + 1, &before, &rows));
            tuples.retain(|tuple| holds(&term, tuple[asked].map(|row| &rows[row])) == Some(true));
            left_out += tuples.iter().flatten().filter(|row| row.is_none()).count();
            found += usize::from(!tuples.is_empty());
            let mut query = Query::all("SMS_DriverPackage");
            query.from = source(0);
            query.joins = joins.iter().enumerate().map(|(at, join)| join.join(at + 1)).collect();
            query.filter = Some(on_source(term, SOURCES[asked]));
            query.select = Select::Items((0..=joins.len()).map(|at| Selected::Property(name_of(at))).collect());
            let text = |row: &Option<usize>| {
                row.map_or(site::Value::Null, |row| site::Value::Text(rows[row].name.clone()))
            };
            let key = |row: &Vec<site::Value>| format!("{row:?}");
            let mut expect: Vec<Vec<_>> = tuples.iter().map(|tuple| tuple.iter().map(text).collect()).collect();
            expect.sort_by_cached_key(key);
            for distinct in [false, true] {
                // Names are unique, so that DISTINCT changes the way and not the answer.
                query.distinct = distinct;
                let mut got = stage.site.query(&admin(), "SMS_DriverPackage", &query).await.unwrap().rows;
                got.sort_by_cached_key(key);
                assert_eq!(got, expect, "{query}");
            }
            query.distinct = false;
            for counted in [None, Some(1)] {
                let is_counted = |tuple: &&Tuple| counted.is_none_or(|at: usize| tuple[at].is_some());
                let expect = tuples.iter().filter(is_counted).count();
                query.select = Select::Count(counted.map(name_of));
                let got = stage.site.query(&admin(), "SMS_DriverPackage", &query).await.unwrap().rows;
                assert_eq!(got, [[site::Value::Integer(expect as i64)]], "{query}");
            }
        }
        assert!(left_out > 1_000 && found > JOINS / 3, "joins of nothing prove little: {left_out}, {found}");
    }

    async fn what_a_later_join_takes_for_left_out_is_left_out(stage: &Stage) {
        for number in 0..3 {
            let new = NewPackage { name: format!("p{number}"), ..NewPackage::default() };
            stage.site.create_package(&admin(), new).await.unwrap();
        }
        let parts = "SMS_StatusMessage m LEFT JOIN SMS_StatMsgAttributes p ON p.RecordID = m.RecordID";
        let inner = parts.replace("LEFT", "INNER");
        for (before, kind) in [(parts, "RIGHT"), (parts, "FULL"), (&*inner, "RIGHT"), (&*inner, "FULL")] {
            let listed = format!("FROM {before} {kind} JOIN SMS_StatMsgInsStrings s ON s.RecordID = p.RecordID");
            let ask = async |text: String| {
                let query = cim::wql::parse(&text).unwrap();
                stage.site.query(&admin(), "SMS_StatusMessage", &query).await.unwrap().rows
            };
            // Every text belongs to a message that has attributes, so a text without a message is none.
            for asked in ["m.RecordID IS NULL", "m.RecordID < 0"] {
                let rows = ask(format!("SELECT s.RecordID {listed} WHERE {asked}")).await;
                assert!(rows.is_empty(), "{listed} {asked}: {rows:?}");
                let counted = ask(format!("SELECT COUNT(*) {listed} WHERE {asked}")).await;
                assert_eq!(counted, [[site::Value::Integer(0)]], "{listed} {asked}");
            }
            let all = ask(format!("SELECT s.RecordID {listed} WHERE m.RecordID > 0")).await;
            assert!(all.len() >= 3, "{listed}");
        }
    }

    async fn parts_of_messages_are_counted_as_they_are_listed(stage: &Stage) {
        for number in 0..20 {
            let new = NewPackage { name: format!("p{number}"), ..NewPackage::default() };
            stage.site.create_package(&admin(), new).await.unwrap();
        }
        for parts in ["SMS_StatMsgAttributes", "SMS_StatMsgInsStrings"] {
            for filter in ["m.RecordID > 3", "m.RecordID > 3 AND m.RecordID <= 9", "m.RecordID < 0", "p.RecordID = 5"] {
                let listed = format!("FROM SMS_StatusMessage m JOIN {parts} p ON p.RecordID = m.RecordID WHERE {filter}");
                let ask = async |text: String| {
                    let query = cim::wql::parse(&text).unwrap();
                    stage.site.query(&admin(), "SMS_StatusMessage", &query).await.unwrap().rows
                };
                let rows = ask(format!("SELECT m.RecordID, p.RecordID {listed}")).await;
                let counted = ask(format!("SELECT COUNT(*) {listed}")).await;
                assert_eq!(counted, [[site::Value::Integer(rows.len() as i64)]], "{listed}");
                // Every message left has a package and a user or a name among its parts.
                let outer = listed.replace(" JOIN ", " LEFT JOIN ");
                let all = ask(format!("SELECT m.RecordID, p.RecordID {outer}")).await;
                let partless = all.iter().filter(|row| row[1] == site::Value::Null).count();
                assert_eq!(all.len() - partless, rows.len(), "{outer}");
                assert_eq!(filter.contains("> 3"), !rows.is_empty() && filter != "p.RecordID = 5", "{listed}");
            }
        }
    }
}
