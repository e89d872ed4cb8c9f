//! Array properties: texts in one column, a newline between them, each there once, none empty. A comparison means
//! any element.

use cim::Value;
use cim::query::{ElementTest, LikePattern, LikePiece, Operator};
use sea_query::{Expr, ExprTrait, Func, LikeExpr, SelectStatement};

use super::condition::{compared, never, union};
use super::limits::{check_text, invalid};
use super::scope::Found;
use super::text::CONCATENATE;
use super::{Compiler, pattern};
use crate::db::Dialect;
use crate::error::Result;

impl Compiler<'_> {
    /// Whether any element passes.
    pub(super) fn any(&mut self, list: Found<'_>, test: &ElementTest) -> Result<Expr> {
        match test {
            ElementTest::Compare(Operator::Eq, value) => self.element_is(list, text(list, value)?),
            ElementTest::Compare(Operator::Ne, value) => {
                let value = text(list, value)?.to_ascii_lowercase();
                self.spent.terms(1)?;
                Ok(list.expr().ne("").and(self.dialect.folded(list.expr()).ne(value)))
            }
            ElementTest::Compare(op, value) => {
                let value = text(list, value)?.to_ascii_lowercase();
                self.each(list, |element| compared(element, *op, Expr::val(value)))
            }
            ElementTest::In(values) => {
                let any = values.iter().map(|value| self.element_is(list, text(list, value)?));
                let any = any.collect::<Result<Vec<_>>>()?;
                if any.is_empty() { Ok(never(list.expr())) } else { union(any) }
            }
            ElementTest::Like(like) => self.element_like(list, like),
            ElementTest::StartsWith(part) => self.element_has(list, part, true, false),
            ElementTest::EndsWith(part) => self.element_has(list, part, false, true),
            ElementTest::Contains(part) => self.element_has(list, part, false, false),
        }
    }

    /// Whether any element equals a text of each row.
    pub(super) fn any_equals(&mut self, list: Found<'_>, other: Expr) -> Result<Expr> {
        self.spent.terms(1)?;
        let other = self.dialect.folded(other);
        // No element is empty or has a newline; without this such a text would be found between elements.
        let single = self.dialect.index_of(other.clone(), Expr::val("\n")).eq(0i64);
        let is_text = other.clone().ne("").and(single);
        let enclosed = Expr::val("\n").binary(CONCATENATE, other).binary(CONCATENATE, Expr::val("\n"));
        let has = self.dialect.index_of(self.enclosed(list), enclosed).gt(0i64);
        Ok(list.expr().ne("").and(is_text).and(has))
    }

    fn element_is(&mut self, list: Found<'_>, text: &str) -> Result<Expr> {
        self.spent.terms(1)?;
        // No element is empty or has a newline.
        if text.is_empty() || text.contains('\n') {
            return Ok(never(list.expr()));
        }
        let pattern = format!("%\n{}\n%", pattern::like_text(text));
        Ok(self.enclosed(list).like(LikeExpr::new(pattern).escape('\\')))
    }

    /// Whether any element has the text, at its start or end if that is asked.
    fn element_has(&mut self, list: Found<'_>, text: &str, starts: bool, ends: bool) -> Result<Expr> {
        self.spent.terms(1)?;
        check_text(text)?;
        if text.contains('\n') {
            return Ok(never(list.expr()));
        }
        let edge = |at_edge: bool| if at_edge { "\n" } else { "" };
        let pattern = format!("%{}{}{}%", edge(starts), pattern::like_text(text), edge(ends));
        let has = self.enclosed(list).like(LikeExpr::new(pattern).escape('\\'));
        // An empty text is in every element, but not in no element.
        Ok(list.expr().ne("").and(has))
    }

    /// A pattern of one text with `%` around it can be asked of the joined text; others would match across elements.
    fn element_like(&mut self, list: Found<'_>, like: &LikePattern) -> Result<Expr> {
        match like.pieces.as_slice() {
            [LikePiece::Any] => self.element_has(list, "", false, false),
            [LikePiece::Text(text)] => {
                check_text(text)?;
                self.element_is(list, text)
            }
            [LikePiece::Text(text), LikePiece::Any] => self.element_has(list, text, true, false),
            [LikePiece::Any, LikePiece::Text(text)] => self.element_has(list, text, false, true),
            [LikePiece::Any, LikePiece::Text(text), LikePiece::Any] => {
                self.element_has(list, text, false, false)
            }
            _ => {
                let matches = self.dialect.like(Expr::col((ELEMENTS, element(self.dialect))), like)?;
                self.each(list, |_| matches)
            }
        }
    }

    /// Whether any element passes a test of lower-case text.
    fn each(&mut self, list: Found<'_>, test: impl FnOnce(Expr) -> Expr) -> Result<Expr> {
        self.spent.terms(1)?;
        let folded = self.dialect.folded(list.expr());
        let mut elements = SelectStatement::new();
        elements.expr(Expr::val(1i64));
        match self.dialect {
            Dialect::Sqlite => {
                // Elements have no control characters, so quotes and backslashes are all that JSON escapes.
                let escaped = replaced(replaced(folded, "\\", "\\\\"), "\"", "\\\"");
                let joined = Expr::val("[\"").binary(CONCATENATE, replaced(escaped, "\n", "\",\""));
                let json = joined.binary(CONCATENATE, Expr::val("\"]"));
                elements.from_function(Func::cust("JSON_EACH").arg(json), ELEMENTS);
            }
            Dialect::Postgres => {
                let split = Func::cust("STRING_TO_ARRAY").args([folded, Expr::val("\n")]);
                elements.from_function(Func::cust("UNNEST").arg(split), ELEMENTS);
            }
        }
        elements.and_where(test(Expr::col((ELEMENTS, element(self.dialect)))));
        Ok(list.expr().ne("").and(Expr::exists(elements)))
    }

    /// A stored list with a newline before and after every element.
    fn enclosed(&self, list: Found<'_>) -> Expr {
        let joined = Expr::val("\n").binary(CONCATENATE, self.dialect.folded(list.expr()));
        joined.binary(CONCATENATE, Expr::val("\n"))
    }
}

/// The elements of a list, as a table.
const ELEMENTS: &str = "elements";

/// The one column of that table which holds the text.
fn element(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::Sqlite => "value",
        Dialect::Postgres => ELEMENTS,
    }
}

fn replaced(text: Expr, from: &'static str, to: &'static str) -> Expr {
    Expr::from(Func::cust("REPLACE").args([text, Expr::val(from), Expr::val(to)]))
}

fn text<'v>(list: Found<'_>, value: &'v Value) -> Result<&'v str> {
    let Value::String(text) = value else {
        return Err(invalid(format!("{} has texts; it is compared with something else", list.column.name)));
    };
    check_text(text)?;
    Ok(text)
}
