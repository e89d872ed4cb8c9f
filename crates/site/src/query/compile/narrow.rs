//! Less to put together for SQLite, which reads a view through an outer join, and a view of several parts through a
//! count, by making a table of all its rows first. Such a view is narrowed to what the sources before it, with what the
//! query asks of them, can be joined with; so the table is as long as the answer is.

use cim::query::{Expr as Condition, Join, JoinKind, Operator, PropertyRef, Query, Scalar, Select, Selected};
use sea_query::{ExprTrait, SelectStatement};

use super::scalar::Typed;
use super::scope::{Place, Scope};
use super::{Compiler, LIMIT_MAX};
use crate::db::{Dialect, is_union};
use crate::error::Result;
use crate::query::views::Kind;

/// Sources that are narrowed in one query: each takes a copy of those before it.
const NARROWED_MAX: usize = 4;
/// Conditions that are copied for one source; a copy must not bring the statement near its limits.
const COPIED_MAX: usize = 32;

impl Compiler<'_> {
    /// The rows of the source joined last that can be in the answer; none where all are, or where SQL finds them by
    /// itself.
    pub(super) fn narrowed(&mut self, query: &Query, scope: &Scope<'_>) -> Result<Option<SelectStatement>> {
        let (at, alone) = (scope.sources.len() - 2, scope.outer.is_none());
        let (join, joined) = (&query.joins[at], &scope.sources[at + 1]);
        let aggregates = query.count || query.distinct || matches!(query.select, Select::Count(_));
        let is_table = match join.kind {
            JoinKind::Left => true,
            JoinKind::Inner => aggregates && is_union(joined.view.name),
            JoinKind::Cross | JoinKind::Right | JoinKind::Full => false,
        };
        // What a later join finds no partner for is in the answer with nulls, whatever is asked of the sources before it.
        let keeps_unmatched = |join: &Join| matches!(join.kind, JoinKind::Right | JoinKind::Full);
        if query.joins[at + 1..].iter().any(keeps_unmatched) {
            return Ok(None);
        }
        if !is_table || !alone || self.dialect != Dialect::Sqlite || self.narrowed >= NARROWED_MAX {
            return Ok(None);
        }
        let Some((key, of)) = join.on.as_ref().and_then(|on| tie(scope, on)) else { return Ok(None) };
        let Some(before) = before(query, at, scope) else { return Ok(None) };
        // The copy is not what the client asked; what it is made of has been counted or will be.
        let (spent, narrowed) = (self.spent.clone(), std::mem::replace(&mut self.narrowed, NARROWED_MAX));
        let found = self.found(&before, joined, key, of);
        (self.spent, self.narrowed) = (spent, narrowed + 1);
        found.map(Some)
    }

    fn found(
        &mut self,
        before: &Query,
        joined: &Place,
        key: &PropertyRef,
        of: &PropertyRef,
    ) -> Result<SelectStatement> {
        let (mut keys, scope) = self.open(before, None, 0)?;
        let rows = Place::new(joined.view, joined.source(), super::ROWS.to_owned());
        let here = Scope { sources: vec![rows], outer: None };
        let unqualified = PropertyRef::new(&key.name);
        let (left, right) =
            self.equated(Typed::column(here.find(&unqualified)?), Typed::column(scope.find(of)?))?;
        keys.expr(right);
        let mut rows = self.rows_of(joined.view);
        rows.and_where(left.in_subquery(keys));
        // SQLite would take the rows apart again, and then make all of them.
        rows.limit(LIMIT_MAX);
        Ok(rows)
    }
}

/// The properties by which the source joined last is tied to one before it.
fn tie<'q>(scope: &Scope<'_>, on: &'q Condition) -> Option<(&'q PropertyRef, &'q PropertyRef)> {
    let last = scope.sources.len() - 1;
    terms(on).into_iter().find_map(|term| {
        let Condition::Compare {
            left: Scalar::Property(left),
            op: Operator::Eq,
            right: Scalar::Property(right),
        } = term
        else {
            return None;
        };
        let place = |property: &PropertyRef| {
            let found = scope.find(property).ok()?;
            (found.column.kind != Kind::TextList).then_some(found.index)
        };
        match (place(left)?, place(right)?) {
            (one, other) if one == last && other < last => Some((left, right)),
            (one, other) if other == last && one < last => Some((right, left)),
            _ => None,
        }
    })
}

/// The sources before a join, with what is asked of them alone; none if that is nothing, or too much to be copied.
fn before(query: &Query, at: usize, scope: &Scope<'_>) -> Option<Query> {
    let sources = &scope.sources[..=at];
    let asked = query.filter.iter().flat_map(terms).filter(|term| is_of(term, sources));
    let asked: Vec<Condition> = asked.take(COPIED_MAX).cloned().collect();
    let joins = &query.joins[..at];
    let copied = |on: &Condition| terms(on).len() <= COPIED_MAX && is_of(on, sources);
    if asked.is_empty() || !joins.iter().all(|join| join.on.as_ref().is_none_or(copied)) {
        return None;
    }
    Some(Query {
        select: Select::Items(Vec::<Selected>::new()),
        joins: joins.to_vec(),
        filter: Some(Condition::And(asked)),
        ..Query { from: query.from.clone(), ..Query::all(query.class()) }
    })
}

/// What has to hold together.
fn terms(condition: &Condition) -> Vec<&Condition> {
    match condition {
        Condition::And(all) => all.iter().flat_map(terms).collect(),
        term => vec![term],
    }
}

/// Whether a condition is about these sources, says so, and is simple.
fn is_of(condition: &Condition, sources: &[Place]) -> bool {
    let scalar = |scalar: &Scalar| match scalar {
        Scalar::Property(property) => is_in(property, sources),
        Scalar::Literal(_) => true,
        Scalar::Call(..) => false,
    };
    match condition {
        Condition::And(all) | Condition::Or(all) => {
            all.len() <= COPIED_MAX && all.iter().all(|term| is_of(term, sources))
        }
        Condition::Not(term) => is_of(term, sources),
        Condition::Compare { left, right, .. } => scalar(left) && scalar(right),
        Condition::In { item, values } => values.len() <= COPIED_MAX && scalar(item),
        Condition::IsNull(item)
        | Condition::Like { item, .. }
        | Condition::StartsWith { item, .. }
        | Condition::EndsWith { item, .. }
        | Condition::Contains { item, .. } => scalar(item),
        Condition::Any { property, .. } => is_in(property, sources),
        Condition::InQuery { .. } | Condition::Exists(_) | Condition::Isa { .. } => false,
    }
}

fn is_in(property: &PropertyRef, sources: &[Place]) -> bool {
    let named = |name: &String| sources.iter().any(|place| place.name().eq_ignore_ascii_case(name));
    property.source.as_ref().is_some_and(named)
}
