//! From the query tree to one statement for either back end.
//!
//! Every name comes from the table of views and every value is bound, so nothing that a client wrote becomes
//! SQL text. Each room has one concern: what names mean (`scope`), values (`scalar`, `text`, `date`), conditions
//! (`condition`, `list`) and how much may be asked (`limits`).

mod condition;
mod date;
mod limits;
mod list;
mod narrow;
mod pattern;
mod scalar;
mod scope;
mod text;

use cim::query::{
    Direction, Expr as Condition, JoinKind, Operator, PropertyRef, Query, Scalar, Select, Selected, Source,
};
use jiff::Timestamp;
use sea_query::{Expr, Func, JoinType, NullOrdering, Order, SelectStatement};

use super::views::{self, Column, Kind, View};
use super::{localized, secured};
use crate::access::Actor;
use crate::db::Dialect;
use crate::error::{Result, SiteError};
use limits::{Spent, check_order, invalid};
use scalar::{Operand, Typed};
use scope::{Place, Scope};

/// What `COUNT` answers with.
pub(super) static COUNT: Column = Column { name: "Count", kind: Kind::Integer };

/// The name by which a query selects whether a source is in the row at all, which a DISTINCT list of an outer join does
/// not say otherwise.
pub const PRESENCE: &str = "__PRESENCE";
pub(super) static PRESENCE_COLUMN: Column = Column { name: PRESENCE, kind: Kind::Boolean };

/// A DISTINCT query inside of the one that sorts it.
const DISTINCT: &str = "chosen";

/// A query, ready to run.
pub(super) struct Compiled {
    /// What the values of a row are, in their order.
    pub(super) outputs: Vec<Output>,
    pub(super) rows: SelectStatement,
    /// Selects one number, `matching`.
    pub(super) count: Option<SelectStatement>,
}

/// One value of each row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Output {
    /// Which source of the query it comes from, the first one being 0.
    pub source: usize,
    /// What it holds.
    pub column: &'static Column,
}

/// For whom and when a query is asked, and of which back end.
#[derive(Clone, Copy)]
pub(super) struct Setting<'a> {
    pub(super) dialect: Dialect,
    pub(super) now: Timestamp,
    pub(super) actor: &'a Actor,
}

pub(super) fn compile(query: &Query, setting: Setting<'_>) -> Result<Compiled> {
    let Setting { dialect, now, actor } = setting;
    let mut compiler =
        Compiler { dialect, now, actor, spent: Spent::default(), names: Vec::new(), narrowed: 0 };
    let (base, scope) = compiler.open(query, None, 0)?;
    check_order(query.order.len())?;
    match &query.select {
        Select::Count(_) if query.distinct => Err(invalid("COUNT and DISTINCT do not go together")),
        Select::Count(property) => {
            let mut rows = base;
            let counted = match property {
                Some(property) => counted(scope.find(property)?.column.kind, scope.find(property)?.expr()),
                None => Expr::val(1i64),
            };
            rows.expr_as(Func::count(counted), output_name(0));
            Ok(Compiled { outputs: vec![Output { source: 0, column: &COUNT }], rows, count: None })
        }
        select if query.distinct => compiler.distinct(base, &scope, select, query),
        select => compiler.plain(base, &scope, select, query),
    }
}

/// An empty list is none.
fn counted(kind: Kind, expr: Expr) -> Expr {
    match kind {
        Kind::TextList => Expr::from(Func::cust("NULLIF").args([expr, Expr::val("")])),
        _ => expr,
    }
}

struct Compiler<'c> {
    dialect: Dialect,
    now: Timestamp,
    actor: &'c Actor,
    spent: Spent,
    /// The views that have a place in the statement so far.
    names: Vec<&'static str>,
    /// The sources that have been narrowed.
    narrowed: usize,
}

impl Compiler<'_> {
    /// The sources and the condition of a query, nothing selected yet.
    fn open<'s>(
        &mut self,
        query: &Query,
        outer: Option<&'s Scope<'s>>,
        depth: usize,
    ) -> Result<(SelectStatement, Scope<'s>)> {
        let mut select = SelectStatement::new();
        let first = self.place(&query.from)?;
        match self.restricted(first.view) {
            Some(rows) => select.from_subquery(rows, first.sql.clone()),
            None => select.from_as(first.view.name, first.sql.clone()),
        };
        let mut scope = Scope { sources: vec![first], outer };
        for join in &query.joins {
            let place = self.place(&join.source)?;
            let (view, name) = (place.view, place.sql.clone());
            scope.sources.push(place);
            let on = match (&join.on, join.kind) {
                (Some(on), _) => self.condition(&scope, on, depth)?,
                (None, JoinKind::Cross | JoinKind::Inner) => Expr::cust("1 = 1"),
                (None, _) => return Err(invalid("an outer join needs a condition after ON")),
            };
            if join.kind == JoinKind::Full && !join.on.as_ref().is_some_and(|on| equates(&scope, on)) {
                return Err(invalid(
                    "a full join needs ON one.Property = other.Property, with more after AND",
                ));
            }
            let rows = match self.narrowed(query, &scope)? {
                None => self.restricted(view),
                narrowed => narrowed,
            };
            match rows {
                Some(rows) => select.join_subquery(join_type(join.kind), rows, name, on),
                None => select.join_as(join_type(join.kind), view.name, name, on),
            };
            mark_nullable(&mut scope.sources, join.kind);
        }
        if let Some(filter) = &query.filter {
            select.and_where(self.condition(&scope, filter, depth)?);
        }
        Ok((select, scope))
    }

    fn place(&mut self, source: &Source) -> Result<Place> {
        self.spent.source()?;
        let unknown = || SiteError::UnknownView { view: source.class.clone() };
        let view = views::find(&source.class).ok_or_else(unknown)?;
        let before = self.names.iter().filter(|name| **name == view.name).count();
        self.names.push(view.name);
        let sql = if before == 0 { view.name.to_owned() } else { format!("{}_{}", view.name, before + 1) };
        Ok(Place::new(view, source, sql))
    }

    /// The rows of a view that exist for a user, in the user's language; none if the view has just these.
    fn restricted(&self, view: &'static View) -> Option<SelectStatement> {
        let said = |column| self.said(view, column).is_some();
        let is_whole =
            secured::condition(view, ROWS, self.actor).is_empty() && !view.columns.iter().any(said);
        (!is_whole).then(|| self.rows_of(view))
    }

    /// The rows of a view that exist for a user, in the user's language.
    fn rows_of(&self, view: &'static View) -> SelectStatement {
        let mut rows = SelectStatement::new();
        rows.from_as(view.name, ROWS);
        for column in view.columns {
            match self.said(view, column) {
                Some(said) => rows.expr_as(said, column.name),
                None => rows.column((ROWS, column.name)),
            };
        }
        rows.cond_where(secured::condition(view, ROWS, self.actor));
        rows
    }

    /// A column in the user's language, where it has any.
    fn said(&self, view: &View, column: &Column) -> Option<Expr> {
        localized::column(view, ROWS, column, self.actor.origin.locale_id?, self.dialect)
    }

    fn plain(
        &mut self,
        base: SelectStatement,
        scope: &Scope<'_>,
        select: &Select,
        query: &Query,
    ) -> Result<Compiled> {
        let outputs = outputs(scope, select)?;
        let mut rows = base.clone();
        for (index, output) in outputs.iter().enumerate() {
            rows.expr_as(scope.sources[output.source].expr(output.column), output_name(index));
        }
        for (scalar, direction) in &query.order {
            let never_null =
                matches!(scalar, Scalar::Property(property) if scope.find(property)?.never_null());
            let typed = self.sortable(scope, scalar)?;
            self.sort(&mut rows, &typed, never_null, *direction);
        }
        // The key last, so that pages neither overlap nor leave out. A join that is read as a whole needs no sorting.
        let paged = query.top.is_some() || query.skip.is_some() || !query.order.is_empty();
        if query.joins.is_empty() || paged {
            self.sort_by_keys(&mut rows, scope);
        }
        page(&mut rows, query);
        let count = query.count.then(|| {
            let mut count = base;
            count.expr_as(Func::count(Expr::val(1i64)), "matching");
            count
        });
        Ok(Compiled { outputs, rows, count })
    }

    /// Rows that differ only in the case of letters are one: text never compares otherwise.
    fn distinct(
        &mut self,
        base: SelectStatement,
        scope: &Scope<'_>,
        select: &Select,
        query: &Query,
    ) -> Result<Compiled> {
        let outputs = outputs(scope, select)?;
        let mut chosen = base;
        for (index, output) in outputs.iter().enumerate() {
            let expr = scope.sources[output.source].expr(output.column);
            let (group, shown) = match output.column.kind {
                Kind::Text | Kind::TextList => {
                    let least = Expr::from(Func::min(self.dialect.bytewise(expr.clone())));
                    (self.dialect.folded(expr), least)
                }
                Kind::Integer | Kind::Boolean | Kind::DateTime => (expr.clone(), expr),
            };
            chosen.expr_as(shown, output_name(index)).add_group_by([group]);
        }
        let mut rows = SelectStatement::new();
        rows.columns((0..outputs.len()).map(|index| (DISTINCT, output_name(index))));
        rows.from_subquery(chosen.clone(), DISTINCT);
        let typed = |index: usize, output: &Output| Typed {
            expr: Expr::col((DISTINCT, output_name(index))),
            kind: output.column.kind,
            upper: false,
        };
        for (scalar, direction) in &query.order {
            let index = selected_at(scope, &outputs, scalar)?;
            self.sort(&mut rows, &typed(index, &outputs[index]), false, *direction);
        }
        for (index, output) in outputs.iter().enumerate() {
            self.sort(&mut rows, &typed(index, output), false, Direction::Ascending);
        }
        page(&mut rows, query);
        let count = query.count.then(|| {
            let mut count = SelectStatement::new();
            count.expr_as(Func::count(Expr::val(1i64)), "matching").from_subquery(chosen, DISTINCT);
            count
        });
        Ok(Compiled { outputs, rows, count })
    }

    fn sortable(&mut self, scope: &Scope<'_>, scalar: &Scalar) -> Result<Typed> {
        match self.operand(scope, scalar)? {
            Operand::Typed(typed) => Ok(typed),
            Operand::List(list) => Err(invalid(format!("{} is an array and has no order", list.column.name))),
            Operand::Value(_) => Err(invalid("what is sorted by is a property or a function")),
        }
    }

    fn sort_by_keys(&self, rows: &mut SelectStatement, scope: &Scope<'_>) {
        for place in &scope.sources {
            for key in place.view.key.iter().filter_map(|name| place.view.column(name)) {
                let typed = Typed::of(place, key);
                self.sort(rows, &typed, !place.nullable, Direction::Ascending);
            }
        }
    }

    /// Null sorts below everything, as in the original and in SQLite. PostgreSQL has to be told, and then has no index
    /// for it; what is never null it is not told.
    fn sort(&self, rows: &mut SelectStatement, typed: &Typed, never_null: bool, direction: Direction) {
        let expr = self.comparable(typed);
        let (order, nulls) = match direction {
            Direction::Ascending => (Order::Asc, NullOrdering::First),
            Direction::Descending => (Order::Desc, NullOrdering::Last),
        };
        match self.dialect {
            Dialect::Postgres if !never_null => rows.order_by_expr_with_nulls(expr, order, nulls),
            Dialect::Postgres | Dialect::Sqlite => rows.order_by_expr(expr, order),
        };
    }
}

/// What a select list asks for, each once.
fn outputs(scope: &Scope<'_>, select: &Select) -> Result<Vec<Output>> {
    let mut outputs: Vec<Output> = Vec::new();
    let all =
        |source: usize, view: &'static View| view.columns.iter().map(move |column| Output { source, column });
    match select {
        Select::All | Select::Count(_) => {
            for (source, place) in scope.sources.iter().enumerate() {
                outputs.extend(all(source, place.view));
            }
        }
        Select::Items(items) => {
            for item in items {
                let chosen: Vec<Output> = match item {
                    Selected::Property(PropertyRef { source: Some(name), name: property })
                        if property == PRESENCE =>
                    {
                        vec![Output { source: scope.source(name)?, column: &PRESENCE_COLUMN }]
                    }
                    Selected::Property(property) => {
                        let found = scope.find(property)?;
                        vec![Output { source: found.index, column: found.column }]
                    }
                    Selected::Source(name) => {
                        let source = scope.source(name)?;
                        all(source, scope.sources[source].view).collect()
                    }
                };
                for output in chosen {
                    if !outputs.contains(&output) {
                        outputs.push(output);
                    }
                }
            }
        }
    }
    if outputs.is_empty() { Err(invalid("nothing is selected")) } else { Ok(outputs) }
}

fn selected_at(scope: &Scope<'_>, outputs: &[Output], scalar: &Scalar) -> Result<usize> {
    let unselected = || invalid("a DISTINCT list is sorted by what it selects");
    let found = scope.find(scalar.as_property().ok_or_else(unselected)?)?;
    let wanted = Output { source: found.index, column: found.column };
    outputs.iter().position(|output| *output == wanted).ok_or_else(unselected)
}

fn output_name(index: usize) -> String {
    format!("c{index}")
}

/// Both back ends count rows in 64-bit signed numbers.
const LIMIT_MAX: u64 = i64::MAX.cast_unsigned();

fn page(rows: &mut SelectStatement, query: &Query) {
    // SQLite has no OFFSET without LIMIT.
    let within = |count: u64| Ord::min(count, LIMIT_MAX);
    if query.top.is_some() || query.skip.is_some() {
        rows.limit(query.top.map_or(LIMIT_MAX, within));
        rows.offset(query.skip.map_or(0, within));
    }
}

/// What rows that are a source in themselves are called inside.
const ROWS: &str = "rows";

fn join_type(kind: JoinKind) -> JoinType {
    match kind {
        // SQLite's own CROSS JOIN also fixes the order in which it reads.
        JoinKind::Inner | JoinKind::Cross => JoinType::InnerJoin,
        JoinKind::Left => JoinType::LeftJoin,
        JoinKind::Right => JoinType::RightJoin,
        JoinKind::Full => JoinType::FullOuterJoin,
    }
}

/// After a join, which sources may be missing in a row; the last one has just been joined.
fn mark_nullable(sources: &mut [Place], kind: JoinKind) {
    let Some((joined, before)) = sources.split_last_mut() else { return };
    joined.nullable = matches!(kind, JoinKind::Left | JoinKind::Full);
    if matches!(kind, JoinKind::Right | JoinKind::Full) {
        before.iter_mut().for_each(|place| place.nullable = true);
    }
}

/// Whether a condition equates a property of the source joined last with one of another: PostgreSQL can do no other
/// full join.
fn equates(scope: &Scope<'_>, on: &Condition) -> bool {
    match on {
        Condition::And(all) => all.iter().any(|term| equates(scope, term)),
        Condition::Compare {
            left: Scalar::Property(left),
            op: Operator::Eq,
            right: Scalar::Property(right),
        } => {
            let last = scope.sources.len() - 1;
            let is_last = |property| scope.find(property).is_ok_and(|found| found.index == last);
            is_last(left) != is_last(right)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests;
