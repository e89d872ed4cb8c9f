//! Conditions. What compares with null is neither true nor false, and so is its opposite.

use cim::Value;
use cim::query::{ElementTest, Expr as Condition, Operator, Query, Scalar, Select, Selected};
use sea_query::{Expr, ExprTrait, LikeExpr, SelectStatement};

use super::limits::{check_depth, check_text, invalid};
use super::scalar::{Fitted, Operand, Typed, fit};
use super::scope::{Found, Scope};
use super::{Compiler, pattern};
use crate::error::Result;
use crate::query::views::Kind;

impl Compiler<'_> {
    pub(super) fn condition(
        &mut self,
        scope: &Scope<'_>,
        condition: &Condition,
        depth: usize,
    ) -> Result<Expr> {
        check_depth(depth)?;
        match condition {
            Condition::And(all) => self.joined(scope, all, depth, true),
            Condition::Or(any) => self.joined(scope, any, depth, false),
            Condition::Not(inner) => Ok(self.condition(scope, inner, depth + 1)?.not()),
            Condition::Compare { left, op, right } => self.compare(scope, left, *op, right),
            Condition::IsNull(item) => self.is_null(scope, item),
            Condition::In { item, values } => self.one_of(scope, item, values),
            Condition::InQuery { item, query } => self.in_query(scope, item, query, depth),
            Condition::Exists(query) => self.exists(scope, query, depth),
            Condition::Like { item, pattern } => match self.text_side(scope, item)? {
                Side::List(list) => self.any(list, &ElementTest::Like(pattern.clone())),
                Side::Folded(text) => self.dialect.like(text, pattern),
            },
            Condition::StartsWith { item, text } => self.has_text(scope, item, text, "", "%"),
            Condition::EndsWith { item, text } => self.has_text(scope, item, text, "%", ""),
            Condition::Contains { item, text } => self.has_text(scope, item, text, "%", "%"),
            Condition::Any { property, test } => {
                let found = scope.find(property)?;
                match found.column.kind {
                    Kind::TextList => self.any(found, test),
                    _ => Err(invalid(format!("{property} is not an array of texts that can be queried"))),
                }
            }
            Condition::Isa { .. } => Err(invalid("ISA is asked of the provider, which knows the classes")),
        }
    }

    fn joined(&mut self, scope: &Scope<'_>, terms: &[Condition], depth: usize, all: bool) -> Result<Expr> {
        let terms = terms.iter().map(|term| self.condition(scope, term, depth + 1));
        paired(terms.collect::<Result<Vec<_>>>()?, all)
    }

    fn compare(&mut self, scope: &Scope<'_>, left: &Scalar, op: Operator, right: &Scalar) -> Result<Expr> {
        self.spent.terms(1)?;
        match (self.operand(scope, left)?, self.operand(scope, right)?) {
            (Operand::Value(Value::Null), _) | (_, Operand::Value(Value::Null)) => Ok(Expr::cust("NULL")),
            (Operand::List(list), Operand::Value(value)) => {
                self.any(list, &ElementTest::Compare(op, value.clone()))
            }
            (Operand::Value(value), Operand::List(list)) => {
                self.any(list, &ElementTest::Compare(op.mirrored(), value.clone()))
            }
            (Operand::List(list), Operand::Typed(typed)) | (Operand::Typed(typed), Operand::List(list)) => {
                match (op, typed.kind) {
                    (Operator::Eq, Kind::Text) => self.any_equals(list, typed.expr),
                    _ => Err(invalid(format!("{left} {op} {right}: an element can only equal a text"))),
                }
            }
            (Operand::List(_), Operand::List(_)) => {
                Err(invalid(format!("{left} {op} {right}: two arrays do not compare")))
            }
            (Operand::Typed(typed), Operand::Value(value)) => self.against(&typed, left, op, value),
            (Operand::Value(value), Operand::Typed(typed)) => {
                self.against(&typed, right, op.mirrored(), value)
            }
            (Operand::Typed(one), Operand::Typed(other)) => self.pair(one, op, other),
            (Operand::Value(_), Operand::Value(_)) => {
                let (one, other) = (self.typed(scope, left)?, self.typed(scope, right)?);
                self.pair(one, op, other)
            }
        }
    }

    fn pair(&self, left: Typed, op: Operator, right: Typed) -> Result<Expr> {
        let (left, right) = match op {
            Operator::Eq | Operator::Ne => self.equated(left, right)?,
            _ => self.ordered(left, right)?,
        };
        Ok(compared(left, op, right))
    }

    fn against(&self, typed: &Typed, name: &Scalar, op: Operator, value: &Value) -> Result<Expr> {
        let fitted = match fit(typed, &name.to_string(), value)? {
            Fitted::Value(fitted) => fitted,
            Fitted::Below => {
                return Ok(always(typed, matches!(op, Operator::Gt | Operator::Ge | Operator::Ne)));
            }
            Fitted::Above => {
                return Ok(always(typed, matches!(op, Operator::Lt | Operator::Le | Operator::Ne)));
            }
        };
        Ok(match op {
            Operator::Eq | Operator::Ne => compared(self.equatable(typed), op, fitted),
            _ => compared(self.comparable(typed), op, fitted),
        })
    }

    fn is_null(&mut self, scope: &Scope<'_>, item: &Scalar) -> Result<Expr> {
        self.spent.terms(1)?;
        Ok(match self.operand(scope, item)? {
            // A client sees no difference between no list and an empty one.
            Operand::List(list) if list.place.nullable => list.expr().eq("").or(list.expr().is_null()),
            Operand::List(list) => list.expr().eq(""),
            Operand::Typed(typed) => typed.expr.is_null(),
            Operand::Value(_) => return Err(invalid("IS NULL is asked of properties")),
        })
    }

    fn one_of(&mut self, scope: &Scope<'_>, item: &Scalar, values: &[Value]) -> Result<Expr> {
        let typed = match self.operand(scope, item)? {
            Operand::List(list) => return self.any(list, &ElementTest::In(values.to_vec())),
            Operand::Typed(typed) => typed,
            Operand::Value(_) => return Err(invalid("IN is asked of properties")),
        };
        self.spent.terms(values.len())?;
        let name = item.to_string();
        let mut fitted = Vec::with_capacity(values.len());
        for value in values {
            if let Fitted::Value(value) = fit(&typed, &name, value)? {
                fitted.push(value);
            }
        }
        Ok(if fitted.is_empty() { never(typed.expr) } else { self.equatable(&typed).is_in(fitted) })
    }

    fn in_query(&mut self, scope: &Scope<'_>, item: &Scalar, query: &Query, depth: usize) -> Result<Expr> {
        self.spent.terms(1)?;
        let typed = self.typed(scope, item)?;
        let Select::Items(items) = &query.select else { return Err(one_property()) };
        let [Selected::Property(selected)] = items.as_slice() else { return Err(one_property()) };
        let (mut select, inner) = self.nested(scope, query, depth)?;
        let found = inner.find(selected)?;
        if found.column.kind == Kind::TextList {
            return Err(invalid(format!("{selected} is an array; a subquery selects single values")));
        }
        let (left, right) = self.equated(typed, Typed::column(found))?;
        select.expr(right);
        Ok(left.in_subquery(select))
    }

    fn exists(&mut self, scope: &Scope<'_>, query: &Query, depth: usize) -> Result<Expr> {
        self.spent.terms(1)?;
        let (mut select, _) = self.nested(scope, query, depth)?;
        select.expr(Expr::val(1i64));
        Ok(Expr::exists(select))
    }

    /// A subquery that selects nothing yet.
    fn nested<'s>(
        &mut self,
        scope: &'s Scope<'s>,
        query: &Query,
        depth: usize,
    ) -> Result<(SelectStatement, Scope<'s>)> {
        self.spent.subquery()?;
        if query.top.is_some() || query.skip.is_some() {
            return Err(invalid("a subquery has all its rows"));
        }
        self.open(query, Some(scope), depth + 1)
    }

    fn has_text(
        &mut self,
        scope: &Scope<'_>,
        item: &Scalar,
        text: &str,
        before: &str,
        after: &str,
    ) -> Result<Expr> {
        let test = || match (before, after) {
            ("", _) => ElementTest::StartsWith(text.to_owned()),
            (_, "") => ElementTest::EndsWith(text.to_owned()),
            _ => ElementTest::Contains(text.to_owned()),
        };
        check_text(text)?;
        match self.text_side(scope, item)? {
            Side::List(list) => self.any(list, &test()),
            Side::Folded(folded) => {
                let sql = format!("{before}{}{after}", pattern::like_text(text));
                Ok(folded.like(LikeExpr::new(sql).escape('\\')))
            }
        }
    }

    fn text_side<'a>(&mut self, scope: &'a Scope<'_>, item: &'a Scalar) -> Result<Side<'a>> {
        match self.operand(scope, item)? {
            Operand::List(list) => Ok(Side::List(list)),
            Operand::Typed(typed) if typed.kind == Kind::Text => {
                self.spent.terms(1)?;
                Ok(Side::Folded(self.dialect.folded(typed.expr)))
            }
            _ => Err(invalid(format!("{item} is not text; it cannot be matched with a pattern"))),
        }
    }
}

/// What a pattern is asked of.
enum Side<'a> {
    List(Found<'a>),
    /// Lower-case text.
    Folded(Expr),
}

pub(super) fn compared(left: Expr, op: Operator, right: Expr) -> Expr {
    match op {
        Operator::Eq => left.eq(right),
        Operator::Ne => left.ne(right),
        Operator::Lt => left.lt(right),
        Operator::Le => left.lte(right),
        Operator::Gt => left.gt(right),
        Operator::Ge => left.gte(right),
    }
}

/// The same answer wherever there is a value.
fn always(typed: &Typed, answer: bool) -> Expr {
    let (one, other) = (typed.expr.clone(), typed.expr.clone());
    if answer { one.eq(other) } else { one.ne(other) }
}

/// False wherever there is a value.
pub(super) fn never(expr: Expr) -> Expr {
    expr.clone().ne(expr)
}

/// Any of several.
pub(super) fn union(terms: Vec<Expr>) -> Result<Expr> {
    paired(terms, false)
}

/// Joined in pairs: a chain of a thousand terms would nest as deep, here and in the database.
fn paired(mut joined: Vec<Expr>, all: bool) -> Result<Expr> {
    while joined.len() > 1 {
        let mut terms = joined.into_iter();
        joined = Vec::with_capacity(terms.len().div_ceil(2));
        while let Some(left) = terms.next() {
            joined.push(match terms.next() {
                Some(right) if all => left.and(right),
                Some(right) => left.or(right),
                None => left,
            });
        }
    }
    joined.pop().ok_or_else(|| invalid("a condition has no terms"))
}

fn one_property() -> crate::error::SiteError {
    invalid("a subquery after IN selects exactly one property")
}
