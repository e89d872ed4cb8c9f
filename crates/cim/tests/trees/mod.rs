//! Random query trees, of the kind that the readers make.

#![allow(dead_code, reason = "each test program uses its part of it")]

use cim::Value;
use cim::query::{
    DateUnit, Direction, Expr, Function, Join, JoinKind, LikePattern, Operator, PropertyRef, Query, Scalar,
    Select, Selected, Source,
};
use proptest::prelude::*;

pub(crate) fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        any::<i64>().prop_map(Value::from),
        any::<bool>().prop_map(Value::from),
        "[ -~é]{0,10}".prop_map(Value::String),
        (-1e6f64..1e6).prop_map(Value::Real),
    ]
}

pub(crate) fn operator() -> impl Strategy<Value = Operator> {
    use Operator::{Eq, Ge, Gt, Le, Lt, Ne};
    prop::sample::select(vec![Eq, Ne, Lt, Le, Gt, Ge])
}

/// Names that are no words of the languages.
pub(crate) fn name() -> impl Strategy<Value = String> {
    "[A-Z][a-z]{0,3}_"
}

/// A property of one of these sources.
pub(crate) fn property(sources: Vec<String>) -> impl Strategy<Value = PropertyRef> {
    let source = if sources.is_empty() {
        Just(None).boxed()
    } else {
        prop::option::of(prop::sample::select(sources)).boxed()
    };
    (source, name()).prop_map(|(source, name)| PropertyRef { source, name })
}

pub(crate) fn scalar(sources: Vec<String>) -> impl Strategy<Value = Scalar> {
    let unit = prop::sample::select(vec![DateUnit::Year, DateUnit::Weekday, DateUnit::Millisecond]);
    property(sources).prop_map(Scalar::Property).prop_recursive(3, 8, 3, move |inner| {
        let argument = prop_oneof![3 => inner, 1 => value().prop_map(Scalar::Literal)].boxed();
        let one =
            prop::sample::select(vec![Function::Upper, Function::Lower, Function::Length, Function::Trim]);
        prop_oneof![
            (one, argument.clone()).prop_map(|(function, item)| Scalar::Call(function, vec![item])),
            (prop::collection::vec(argument.clone(), 2..4))
                .prop_map(|items| Scalar::Call(Function::Concat, items)),
            (prop::collection::vec(argument.clone(), 2..=3))
                .prop_map(|items| Scalar::Call(Function::Substring, items)),
            (argument.clone(), argument.clone())
                .prop_map(|(text, part)| Scalar::Call(Function::IndexOf, vec![text, part])),
            Just(Scalar::Call(Function::GetDate, vec![])),
            (unit.clone(), argument.clone())
                .prop_map(|(unit, time)| Scalar::Call(Function::DatePart(unit), vec![time])),
            (unit.clone(), argument.clone(), argument.clone())
                .prop_map(|(unit, from, to)| Scalar::Call(Function::DateDiff(unit), vec![from, to])),
            (unit.clone(), argument.clone(), argument)
                .prop_map(|(unit, count, time)| Scalar::Call(Function::DateAdd(unit), vec![count, time])),
        ]
    })
}

/// Conditions without subqueries.
pub(crate) fn condition(sources: &[String]) -> BoxedStrategy<Expr> {
    let item = || scalar(sources.to_vec());
    let side = prop_oneof![value().prop_map(Scalar::Literal), scalar(sources.to_vec())];
    let isa = (
        prop::option::of(prop::sample::select(if sources.is_empty() {
            vec!["A".to_owned()]
        } else {
            sources.to_vec()
        })),
        name(),
    );
    let leaf = prop_oneof![
        4 => (item(), operator(), side).prop_map(|(left, op, right)| Expr::Compare { left, op, right }),
        1 => item().prop_map(Expr::IsNull),
        1 => (item(), prop::collection::vec(value(), 1..4)).prop_map(|(item, values)| Expr::In { item, values }),
        1 => (item(), "[a-c%_\\[\\]^\\-x\"]{0,8}")
            .prop_map(|(item, text)| Expr::Like { item, pattern: LikePattern::parse(&text) }),
        1 => isa.prop_map(move |(source, class)| Expr::Isa { source, class }),
    ];
    combined(leaf.boxed())
}

/// And, or and not of leaves.
pub(crate) fn combined(leaf: BoxedStrategy<Expr>) -> BoxedStrategy<Expr> {
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 2..4).prop_map(Expr::And),
            prop::collection::vec(inner.clone(), 2..4).prop_map(Expr::Or),
            inner.prop_map(Expr::not),
        ]
    })
    .boxed()
}

/// Whole queries with joins and subqueries.
pub(crate) fn query() -> BoxedStrategy<Query> {
    let leaf = one_query(None);
    leaf.prop_recursive(2, 8, 2, |inner| one_query(Some(inner))).boxed()
}

fn one_query(inner: Option<BoxedStrategy<Query>>) -> BoxedStrategy<Query> {
    let kind = prop::sample::select(vec![
        JoinKind::Inner,
        JoinKind::Left,
        JoinKind::Right,
        JoinKind::Full,
        JoinKind::Cross,
    ]);
    prop::collection::vec((name(), any::<bool>(), kind), 1..4)
        .prop_flat_map(move |drawn| {
            let sources: Vec<Source> = drawn
                .iter()
                .enumerate()
                .map(|(n, (class, aliased, _))| Source {
                    class: format!("{class}{n}"),
                    alias: aliased.then(|| format!("a{n}")),
                })
                .collect();
            let kinds: Vec<JoinKind> = drawn.into_iter().skip(1).map(|(_, _, kind)| kind).collect();
            body(sources, kinds, inner.clone())
        })
        .boxed()
}

fn body(
    sources: Vec<Source>,
    kinds: Vec<JoinKind>,
    inner: Option<BoxedStrategy<Query>>,
) -> BoxedStrategy<Query> {
    let names: Vec<String> = sources.iter().map(|source| source.name().to_owned()).collect();
    // A condition of a join names the classes up to it.
    let conditions: Vec<_> = (2..=names.len()).map(|count| condition(&names[..count])).collect();
    let filter = match inner {
        None => condition(&names),
        Some(inner) => {
            let exists = inner.clone().prop_map(|query| Expr::Exists(Box::new(query)));
            let in_query = (scalar(names.clone()), name(), inner).prop_map(|(item, name, query)| {
                let select = Select::Items(vec![Selected::Property(PropertyRef::new(name))]);
                let query = Query { select, order: Vec::new(), ..query };
                Expr::InQuery { item, query: Box::new(query) }
            });
            combined(prop_oneof![condition(&names), exists, in_query].boxed())
        }
    };
    let order = prop::collection::vec((scalar(names.clone()), any::<bool>()), 0..3);
    let parts = (select(names), any::<bool>(), conditions, prop::option::of(filter), order);
    parts
        .prop_map(move |(select, distinct, conditions, filter, order)| {
            let mut rest = sources.clone().into_iter();
            let from = rest.next().expect("at least one");
            let join =
                |((source, kind), on)| Join { kind, source, on: (kind != JoinKind::Cross).then_some(on) };
            let direction =
                |descending| if descending { Direction::Descending } else { Direction::Ascending };
            Query {
                from,
                joins: rest.zip(kinds.clone()).zip(conditions).map(join).collect(),
                distinct: distinct && !matches!(select, Select::Count(_)),
                select,
                filter: filter.map(without_order),
                order: order
                    .into_iter()
                    .map(|(scalar, descending)| (scalar, direction(descending)))
                    .collect(),
                ..Query::all("")
            }
        })
        .boxed()
}

/// Subqueries have no order.
fn without_order(condition: Expr) -> Expr {
    let each = |terms: Vec<Expr>| terms.into_iter().map(without_order).collect();
    match condition {
        Expr::And(terms) => Expr::And(each(terms)),
        Expr::Or(terms) => Expr::Or(each(terms)),
        Expr::Not(term) => without_order(*term).not(),
        Expr::Exists(query) => Expr::Exists(Box::new(Query { order: Vec::new(), ..*query })),
        Expr::InQuery { item, query } => {
            Expr::InQuery { item, query: Box::new(Query { order: Vec::new(), ..*query }) }
        }
        leaf => leaf,
    }
}

fn select(names: Vec<String>) -> impl Strategy<Value = Select> {
    let joined = names.len() > 1;
    let property = property(names.clone()).prop_map(Selected::Property);
    let item = match joined {
        // Of one class alone, a star reads as every property.
        false => property.boxed(),
        true => prop_oneof![property, prop::sample::select(names.clone()).prop_map(Selected::Source)].boxed(),
    };
    prop_oneof![
        Just(Select::All),
        prop::collection::vec(item, 1..4).prop_map(Select::Items),
        prop::option::of(self::property(names)).prop_map(Select::Count),
    ]
}
