//! The query tree as OData, where OData can say it.

use std::fmt::Write;

use crate::query::{
    DateUnit, Direction, ElementTest, Expr, Function, LikePattern, LikePiece, Operator, PropertyRef, Scalar,
};
use crate::{DateTime, Value};

/// Why a part of a query has no OData form.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("OData cannot say {what}")]
pub struct NoOData {
    /// The part, as WQL, or what it needs.
    pub what: String,
}

type Printed = Result<(), NoOData>;

/// A condition as a `$filter`, not encoded. Qualifiers of properties are left out: there is one class.
pub fn print_filter(filter: &Expr) -> Result<String, NoOData> {
    let mut text = String::new();
    condition(&mut text, filter)?;
    Ok(text)
}

/// An order as an `$orderby`, not encoded.
pub fn print_order(order: &[(Scalar, Direction)]) -> Result<String, NoOData> {
    let mut text = String::new();
    for (index, (item, direction)) in order.iter().enumerate() {
        text.push_str(if index == 0 { "" } else { "," });
        scalar(&mut text, item)?;
        if *direction == Direction::Descending {
            text.push_str(" desc");
        }
    }
    Ok(text)
}

fn condition(out: &mut String, expr: &Expr) -> Printed {
    match expr {
        Expr::And(terms) => joined(out, terms, " and "),
        Expr::Or(terms) => joined(out, terms, " or "),
        Expr::Not(term) => {
            out.push_str("not (");
            condition(out, term)?;
            out.push(')');
            Ok(())
        }
        Expr::Compare { left, op, right } => comparison(out, left, *op, right),
        Expr::IsNull(item) => {
            scalar(out, item)?;
            out.push_str(" eq null");
            Ok(())
        }
        Expr::In { item: Scalar::Call(Function::IndexOf, _), .. } => Err(NoOData { what: expr.to_string() }),
        Expr::In { item, values } => {
            scalar(out, item)?;
            out.push_str(" in ");
            list(out, values)
        }
        Expr::Like { item, pattern } => like(out, item, pattern),
        Expr::StartsWith { item, text } => text_test(out, "startswith", item, text),
        Expr::EndsWith { item, text } => text_test(out, "endswith", item, text),
        Expr::Contains { item, text } => text_test(out, "contains", item, text),
        Expr::Any { property, test } => any(out, property, test),
        Expr::InQuery { .. } | Expr::Exists(_) | Expr::Isa { .. } => Err(NoOData { what: expr.to_string() }),
    }
}

fn joined(out: &mut String, terms: &[Expr], by: &str) -> Printed {
    for (index, term) in terms.iter().enumerate() {
        out.push_str(if index == 0 { "" } else { by });
        if matches!(term, Expr::And(_) | Expr::Or(_)) {
            out.push('(');
            condition(out, term)?;
            out.push(')');
        } else {
            condition(out, term)?;
        }
    }
    Ok(())
}

fn comparison(out: &mut String, left: &Scalar, op: Operator, right: &Scalar) -> Printed {
    let indexed = |item: &Scalar| matches!(item, Scalar::Call(Function::IndexOf, _));
    if indexed(right) {
        return Err(NoOData { what: format!("{left} {op} {right}") });
    }
    scalar(out, left)?;
    out.push_str(word(op));
    match right {
        Scalar::Literal(Value::Integer(number)) if indexed(left) => {
            write(out, number - 1);
            Ok(())
        }
        right if indexed(left) => Err(NoOData { what: format!("{left} {op} {right}") }),
        right => scalar(out, right),
    }
}

fn scalar(out: &mut String, item: &Scalar) -> Printed {
    match item {
        Scalar::Property(property) => out.push_str(&property.name),
        Scalar::Literal(value) => return literal(out, value),
        Scalar::Call(function, arguments) => return call(out, *function, arguments),
    }
    Ok(())
}

fn call(out: &mut String, function: Function, arguments: &[Scalar]) -> Printed {
    let no_form = || NoOData { what: Scalar::Call(function, arguments.to_vec()).to_string() };
    let name = match function {
        Function::Upper => "toupper",
        Function::Lower => "tolower",
        Function::Substring => "substring",
        Function::Length => "length",
        Function::IndexOf => "indexof",
        Function::Concat => "concat",
        Function::Trim => "trim",
        Function::GetDate => "now",
        Function::DatePart(DateUnit::Year) => "year",
        Function::DatePart(DateUnit::Month) => "month",
        Function::DatePart(DateUnit::Day) => "day",
        Function::DatePart(DateUnit::Hour) => "hour",
        Function::DatePart(DateUnit::Minute) => "minute",
        Function::DatePart(DateUnit::Second) => "second",
        Function::DatePart(_) | Function::DateAdd(_) | Function::DateDiff(_) => return Err(no_form()),
    };
    out.push_str(name);
    out.push('(');
    for (index, argument) in arguments.iter().enumerate() {
        out.push_str(if index == 0 { "" } else { "," });
        match (function, index, argument) {
            // OData counts characters from 0.
            (Function::Substring, 1, Scalar::Literal(Value::Integer(from))) => write(out, from - 1),
            (Function::Substring, 1, _) | (_, _, Scalar::Call(Function::IndexOf, _)) => return Err(no_form()),
            (_, _, argument) => scalar(out, argument)?,
        }
    }
    out.push(')');
    Ok(())
}

/// OData has no patterns: what `%` at the ends can say is said.
fn like(out: &mut String, item: &Scalar, pattern: &LikePattern) -> Printed {
    use LikePiece::{Any, Text};
    match pattern.pieces.as_slice() {
        [Text(text)] => comparison(out, item, Operator::Eq, &Scalar::Literal(Value::text(text))),
        [Text(text), Any] => text_test(out, "startswith", item, text),
        [Any, Text(text)] => text_test(out, "endswith", item, text),
        [Any, Text(text), Any] => text_test(out, "contains", item, text),
        [Any] => comparison(out, item, Operator::Ne, &Scalar::Literal(Value::Null)),
        _ => Err(NoOData {
            what: format!("the pattern {pattern}; it has % at the beginning and the end only"),
        }),
    }
}

fn text_test(out: &mut String, function: &str, item: &Scalar, text: &str) -> Printed {
    write(out, format_args!("{function}("));
    scalar(out, item)?;
    out.push(',');
    quoted(out, text);
    out.push(')');
    Ok(())
}

fn any(out: &mut String, property: &PropertyRef, test: &ElementTest) -> Printed {
    let item = Scalar::property("item");
    write(out, format_args!("{}/any(item: ", property.name));
    match test {
        ElementTest::Compare(op, value) => comparison(out, &item, *op, &Scalar::Literal(value.clone()))?,
        ElementTest::In(values) => {
            out.push_str("item in ");
            list(out, values)?;
        }
        ElementTest::Like(pattern) => like(out, &item, pattern)?,
        ElementTest::StartsWith(text) => text_test(out, "startswith", &item, text)?,
        ElementTest::EndsWith(text) => text_test(out, "endswith", &item, text)?,
        ElementTest::Contains(text) => text_test(out, "contains", &item, text)?,
    }
    out.push(')');
    Ok(())
}

fn list(out: &mut String, values: &[Value]) -> Printed {
    out.push('(');
    for (index, value) in values.iter().enumerate() {
        out.push_str(if index == 0 { "" } else { "," });
        literal(out, value)?;
    }
    out.push(')');
    Ok(())
}

fn literal(out: &mut String, value: &Value) -> Printed {
    match value {
        Value::Null => out.push_str("null"),
        Value::Boolean(truth) => write(out, truth),
        Value::Integer(number) => write(out, number),
        Value::Real(number) => write(out, format_args!("{number:?}")),
        Value::String(text) => quoted(out, text),
        Value::DateTime(at @ DateTime::Point { .. }) => match at.iso8601() {
            Some(text) => out.push_str(&text),
            None => return Err(NoOData { what: at.to_string() }),
        },
        Value::Reference(path) => quoted(out, &path.to_string()),
        other => return Err(NoOData { what: Scalar::Literal(other.clone()).to_string() }),
    }
    Ok(())
}

fn word(op: Operator) -> &'static str {
    match op {
        Operator::Eq => " eq ",
        Operator::Ne => " ne ",
        Operator::Lt => " lt ",
        Operator::Le => " le ",
        Operator::Gt => " gt ",
        Operator::Ge => " ge ",
    }
}

fn quoted(out: &mut String, text: &str) {
    write(out, format_args!("'{}'", text.replace('\'', "''")));
}

fn write(out: &mut String, printed: impl std::fmt::Display) {
    write!(out, "{printed}").expect("a String takes everything");
}
