//! Values: properties, literals and functions, and how two of them are made comparable.

use cim::Value;
use cim::query::{DateUnit, Function, PropertyRef, Scalar};
use jiff::Timestamp;
use sea_query::{Expr, ExprTrait};

use super::limits::{check_text, invalid};
use super::scope::{Found, Place, Scope};
use super::text::{CONCATENATE, as_text, is_upper_case};
use super::{Compiler, date};
use crate::error::Result;
use crate::query::views::{Column, Kind};

/// One side of a comparison.
pub(super) enum Operand<'a> {
    Value(&'a Value),
    /// An array property.
    List(Found<'a>),
    Typed(Typed),
}

/// What differs from row to row, or does not but has a type.
#[derive(Clone)]
pub(super) struct Typed {
    pub(super) expr: Expr,
    pub(super) kind: Kind,
    /// Text without lower-case letters, perhaps in an index.
    pub(super) upper: bool,
}

/// A literal in the form of what it is compared with.
pub(super) enum Fitted {
    Value(Expr),
    /// Below every value that it is compared with.
    Below,
    /// Above every value that it is compared with.
    Above,
}

impl Typed {
    pub(super) fn column(found: Found<'_>) -> Self {
        Self::of(found.place, found.column)
    }

    pub(super) fn of(place: &Place, column: &'static Column) -> Self {
        Self { expr: place.expr(column), kind: column.kind, upper: is_upper_case(column) }
    }

    fn new(expr: Expr, kind: Kind) -> Self {
        Self { expr, kind, upper: false }
    }
}

impl Compiler<'_> {
    pub(super) fn operand<'a>(&mut self, scope: &'a Scope<'_>, scalar: &'a Scalar) -> Result<Operand<'a>> {
        self.operand_at(scope, scalar, 0)
    }

    /// Something with one value a row: no literal and no array.
    pub(super) fn typed(&mut self, scope: &Scope<'_>, scalar: &Scalar) -> Result<Typed> {
        match self.operand(scope, scalar)? {
            Operand::Typed(typed) => Ok(typed),
            Operand::Value(value) => literal(value),
            Operand::List(found) => {
                Err(invalid(format!("{} is an array; only its elements compare", found.column.name)))
            }
        }
    }

    fn operand_at<'a>(
        &mut self,
        scope: &'a Scope<'_>,
        scalar: &'a Scalar,
        depth: usize,
    ) -> Result<Operand<'a>> {
        Ok(match scalar {
            Scalar::Literal(value) => Operand::Value(value),
            Scalar::Property(property) => property_operand(scope, property)?,
            Scalar::Call(function, arguments) => {
                Operand::Typed(self.call(scope, *function, arguments, depth)?)
            }
        })
    }

    fn call(
        &mut self,
        scope: &Scope<'_>,
        function: Function,
        arguments: &[Scalar],
        depth: usize,
    ) -> Result<Typed> {
        self.spent.call(depth)?;
        if let Some(at) = self.fixed_time(function, arguments)? {
            return Ok(Typed::new(Expr::val(at.as_microsecond()), Kind::DateTime));
        }
        let dialect = self.dialect;
        let mut given = Vec::with_capacity(arguments.len());
        for argument in arguments {
            given.push(self.operand_at(scope, argument, depth + 1)?);
        }
        let typed = match (function, given.as_slice()) {
            // Comparisons never regard case, so both leave the text as it is.
            (Function::Upper | Function::Lower, [text]) => Typed::new(text_of(text)?, Kind::Text),
            (Function::Trim, [text]) => Typed::new(dialect.trimmed(text_of(text)?), Kind::Text),
            (Function::Length, [text]) => Typed::new(dialect.length(text_of(text)?), Kind::Integer),
            (Function::IndexOf, [text, part]) => {
                let (text, part) = (dialect.folded(text_of(text)?), dialect.folded(text_of(part)?));
                Typed::new(dialect.index_of(text, part), Kind::Integer)
            }
            (Function::Substring, [text, from]) => {
                Typed::new(dialect.substring(text_of(text)?, number_of(from)?, None), Kind::Text)
            }
            (Function::Substring, [text, from, length]) => {
                let length = Some(number_of(length)?);
                Typed::new(dialect.substring(text_of(text)?, number_of(from)?, length), Kind::Text)
            }
            (Function::Concat, [_, _, ..]) => {
                let texts = given.iter().map(text_of).collect::<Result<Vec<_>>>()?;
                let joined = texts.into_iter().reduce(|left, right| left.binary(CONCATENATE, right));
                Typed::new(joined.expect("there are two texts at least"), Kind::Text)
            }
            (Function::DatePart(unit), [at]) => {
                Typed::new(date::part(dialect, unit, time_of(at)?), Kind::Integer)
            }
            (Function::DateDiff(unit), [from, to]) => {
                Typed::new(date::between(dialect, unit, time_of(from)?, time_of(to)?), Kind::Integer)
            }
            (Function::DateAdd(unit), [count, at]) => {
                Typed::new(date::add(dialect, unit, whole(count)?, time_of(at)?)?, Kind::DateTime)
            }
            _ => {
                return Err(invalid(format!(
                    "{} has the wrong number of arguments",
                    Scalar::Call(function, arguments.to_vec())
                )));
            }
        };
        Ok(typed)
    }

    /// The time that a function has in every row; none if that depends on the row.
    fn fixed_time(&self, function: Function, arguments: &[Scalar]) -> Result<Option<Timestamp>> {
        match (function, arguments) {
            (Function::GetDate, []) => Ok(Some(self.now)),
            (Function::DateAdd(unit), [Scalar::Literal(count), at]) => self.fixed_sum(unit, count, at),
            _ => Ok(None),
        }
    }

    fn fixed_sum(&self, unit: DateUnit, count: &Value, at: &Scalar) -> Result<Option<Timestamp>> {
        let at = match at {
            Scalar::Literal(value) => time(value),
            // Functions inside of functions: their depth is bounded where they are called.
            Scalar::Call(function, arguments) => self.fixed_time(*function, arguments)?,
            Scalar::Property(_) => None,
        };
        at.map(|at| date::add_now(unit, whole(&Operand::Value(count))?, at)).transpose()
    }

    /// Two values in forms that are equal where the values are.
    pub(super) fn equated(&self, left: Typed, right: Typed) -> Result<(Expr, Expr)> {
        let dialect = self.dialect;
        Ok(match (left.kind, right.kind) {
            (Kind::Text, Kind::Text) => match (left.upper, right.upper) {
                (true, true) => (left.expr, right.expr),
                (true, false) => (left.expr, dialect.raised(right.expr)),
                (false, true) => (dialect.raised(left.expr), right.expr),
                (false, false) => (dialect.folded(left.expr), dialect.folded(right.expr)),
            },
            (Kind::Text, Kind::Integer) => (dialect.bytewise(left.expr), as_text(right.expr)),
            (Kind::Integer, Kind::Text) => (as_text(left.expr), dialect.bytewise(right.expr)),
            _ => self.ordered(left, right)?,
        })
    }

    /// Two values in forms that sort as the values do.
    pub(super) fn ordered(&self, left: Typed, right: Typed) -> Result<(Expr, Expr)> {
        let number = |kind: Kind| matches!(kind, Kind::Integer | Kind::Boolean);
        match (left.kind, right.kind) {
            (Kind::Text, Kind::Text) => Ok((self.dialect.folded(left.expr), self.dialect.folded(right.expr))),
            (Kind::DateTime, Kind::DateTime) => Ok((left.expr, right.expr)),
            (left_kind, right_kind) if number(left_kind) && number(right_kind) => Ok((left.expr, right.expr)),
            (left, right) => {
                Err(invalid(format!("{} is compared with {}", kind_name(left), kind_name(right))))
            }
        }
    }

    /// The form that equals a fitted value, and that an index has.
    pub(super) fn equatable(&self, typed: &Typed) -> Expr {
        if typed.upper { typed.expr.clone() } else { self.folded(typed) }
    }

    /// The form that is sorted and compared with a fitted value.
    pub(super) fn comparable(&self, typed: &Typed) -> Expr {
        if typed.upper { self.dialect.bytewise(typed.expr.clone()) } else { self.folded(typed) }
    }

    /// Text in lower case; anything else as it is.
    pub(super) fn folded(&self, typed: &Typed) -> Expr {
        match typed.kind {
            Kind::Text | Kind::TextList => self.dialect.folded(typed.expr.clone()),
            Kind::Integer | Kind::Boolean | Kind::DateTime => typed.expr.clone(),
        }
    }
}

fn property_operand<'a>(scope: &'a Scope<'_>, property: &PropertyRef) -> Result<Operand<'a>> {
    let found = scope.find(property)?;
    Ok(match found.column.kind {
        Kind::TextList => Operand::List(found),
        _ => Operand::Typed(Typed::column(found)),
    })
}

/// A literal where nothing says what it should be.
fn literal(value: &Value) -> Result<Typed> {
    Ok(match value {
        Value::String(text) => {
            check_text(text)?;
            Typed::new(Expr::val(text.as_str()), Kind::Text)
        }
        Value::Boolean(truth) => Typed::new(Expr::val(i64::from(*truth)), Kind::Boolean),
        Value::Integer(number) => {
            let number = i64::try_from(*number).map_err(|_| invalid(format!("{number} is too large")))?;
            Typed::new(Expr::val(number), Kind::Integer)
        }
        Value::DateTime(_) => {
            let at = time(value).ok_or_else(|| invalid("an interval cannot be compared"))?;
            Typed::new(Expr::val(at.as_microsecond()), Kind::DateTime)
        }
        _ => return Err(invalid("a text, a whole number, true, false or a time is needed")),
    })
}

fn text_of(operand: &Operand<'_>) -> Result<Expr> {
    let typed = match operand {
        Operand::Value(Value::DateTime(_)) | Operand::List(_) => None,
        Operand::Value(value) => Some(literal(value)?),
        Operand::Typed(typed) => Some(typed.clone()),
    };
    match typed {
        Some(Typed { expr, kind: Kind::Text, .. }) => Ok(expr),
        Some(Typed { expr, kind: Kind::Integer, .. }) => Ok(as_text(expr)),
        _ => Err(invalid("the function takes a text, and is given something else")),
    }
}

fn number_of(operand: &Operand<'_>) -> Result<Expr> {
    match operand {
        Operand::Typed(Typed { expr, kind: Kind::Integer, .. }) => Ok(expr.clone()),
        other => whole(other).map(Expr::val),
    }
}

fn whole(operand: &Operand<'_>) -> Result<i64> {
    let number = match operand {
        Operand::Value(Value::Integer(number)) => i64::try_from(*number).ok(),
        Operand::Value(Value::String(text)) => text.trim().parse().ok(),
        _ => None,
    };
    number.ok_or_else(|| invalid("the function takes a whole number, and is given something else"))
}

fn time_of(operand: &Operand<'_>) -> Result<Expr> {
    let wrong = || invalid("the function takes a time, and is given something else");
    match operand {
        Operand::Typed(Typed { expr, kind: Kind::DateTime, .. }) => Ok(expr.clone()),
        Operand::Value(value) => time(value).map(|at| Expr::val(at.as_microsecond())).ok_or_else(wrong),
        _ => Err(wrong()),
    }
}

fn time(value: &Value) -> Option<Timestamp> {
    match value {
        Value::DateTime(at) => at.timestamp(),
        Value::String(text) => date::read(text),
        _ => None,
    }
}

/// A literal in the form of [`Compiler::equatable`] and [`Compiler::comparable`].
pub(super) fn fit(typed: &Typed, name: &str, value: &Value) -> Result<Fitted> {
    let wrong = |needed: &str| Err(invalid(format!("{name} is compared with what is not {needed}")));
    match (typed.kind, value) {
        (Kind::Text, Value::String(text)) => fit_text(typed, text),
        (Kind::Text, Value::Integer(number)) => fit_text(typed, &number.to_string()),
        (Kind::Text, _) => wrong("text"),
        (Kind::TextList, _) => wrong("one of its texts"),
        (Kind::Integer | Kind::Boolean, Value::Boolean(truth)) => Ok(fit_number(i128::from(*truth))),
        (Kind::Boolean, Value::Integer(number)) => Ok(fit_number(i128::from(*number != 0))),
        (Kind::Boolean, Value::String(text)) => match text.trim().to_ascii_lowercase().as_str() {
            "true" | "1" | "-1" => Ok(fit_number(1)),
            "false" | "0" => Ok(fit_number(0)),
            _ => wrong("true or false"),
        },
        (Kind::Boolean, _) => wrong("true or false"),
        (Kind::Integer, Value::Integer(number)) => Ok(fit_number(*number)),
        (Kind::Integer, Value::String(text)) => match text.trim().parse::<i128>() {
            Ok(number) => Ok(fit_number(number)),
            Err(_) => wrong("a whole number"),
        },
        (Kind::Integer, _) => wrong("a whole number"),
        (Kind::DateTime, value) => match time(value) {
            Some(at) => Ok(Fitted::Value(at.as_microsecond().into())),
            None => wrong("a point in time"),
        },
    }
}

fn fit_text(typed: &Typed, text: &str) -> Result<Fitted> {
    check_text(text)?;
    Ok(Fitted::Value(if typed.upper { text.to_ascii_uppercase() } else { text.to_ascii_lowercase() }.into()))
}

fn fit_number(number: i128) -> Fitted {
    match i64::try_from(number) {
        Ok(number) => Fitted::Value(number.into()),
        Err(_) if number < 0 => Fitted::Below,
        Err(_) => Fitted::Above,
    }
}

fn kind_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Text => "a text",
        Kind::Integer => "a number",
        Kind::Boolean => "true or false",
        Kind::DateTime => "a time",
        Kind::TextList => "an array",
    }
}
