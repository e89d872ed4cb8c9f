//! The query tree as WQL text, for messages and logs; `top`, `skip` and `count` have no WQL form.

use std::fmt;

use super::{
    Direction, ElementTest, Expr, Function, Join, JoinKind, LikePattern, LikePiece, Operator, PropertyRef,
    Query, Scalar, Select, Selected, Source,
};
use crate::Value;

impl fmt::Display for Query {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.distinct { "SELECT DISTINCT " } else { "SELECT " })?;
        match &self.select {
            Select::All => f.write_str("*")?,
            Select::Items(items) => listed(f, items)?,
            Select::Count(None) => f.write_str("COUNT(*)")?,
            Select::Count(Some(property)) => write!(f, "COUNT({property})")?,
        }
        write!(f, " FROM {}", self.from)?;
        for join in &self.joins {
            write!(f, " {join}")?;
        }
        if let Some(filter) = &self.filter {
            write!(f, " WHERE {filter}")?;
        }
        for (index, (scalar, direction)) in self.order.iter().enumerate() {
            write!(f, "{}{scalar}", if index == 0 { " ORDER BY " } else { ", " })?;
            if *direction == Direction::Descending {
                f.write_str(" DESC")?;
            }
        }
        Ok(())
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.alias {
            Some(alias) => write!(f, "{} AS {alias}", self.class),
            None => f.write_str(&self.class),
        }
    }
}

impl fmt::Display for Join {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = match self.kind {
            JoinKind::Inner => "INNER",
            JoinKind::Left => "LEFT",
            JoinKind::Right => "RIGHT",
            JoinKind::Full => "FULL",
            JoinKind::Cross => "CROSS",
        };
        write!(f, "{word} JOIN {}", self.source)?;
        match &self.on {
            Some(on) => write!(f, " ON {on}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Selected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Property(property) => property.fmt(f),
            Self::Source(name) => write!(f, "{name}.*"),
        }
    }
}

impl fmt::Display for PropertyRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.source {
            Some(source) => write!(f, "{source}.{}", self.name),
            None => f.write_str(&self.name),
        }
    }
}

impl fmt::Display for Scalar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Property(property) => property.fmt(f),
            Self::Literal(value) => literal(f, value),
            Self::Call(function, arguments) => call(f, *function, arguments),
        }
    }
}

fn call(f: &mut fmt::Formatter<'_>, function: Function, arguments: &[Scalar]) -> fmt::Result {
    let (name, unit) = match function {
        Function::Upper => ("UPPER", None),
        Function::Lower => ("LOWER", None),
        Function::Substring => ("SUBSTRING", None),
        Function::Length => ("LENGTH", None),
        Function::IndexOf => ("INDEXOF", None),
        Function::Concat => ("CONCAT", None),
        Function::Trim => ("TRIM", None),
        Function::GetDate => ("GETDATE", None),
        Function::DatePart(unit) => ("DATEPART", Some(unit)),
        Function::DateAdd(unit) => ("DATEADD", Some(unit)),
        Function::DateDiff(unit) => ("DATEDIFF", Some(unit)),
    };
    write!(f, "{name}(")?;
    if let Some(unit) = unit {
        write!(f, "{}, ", unit.name())?;
    }
    listed(f, arguments)?;
    f.write_str(")")
}

impl fmt::Display for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::And(terms) => joined(f, terms, " AND "),
            Self::Or(terms) => joined(f, terms, " OR "),
            Self::Not(inner) => write!(f, "NOT ({inner})"),
            Self::Compare { left, op, right } => write!(f, "{left} {op} {right}"),
            Self::IsNull(item) => write!(f, "{item} IS NULL"),
            Self::In { item, values } => one_of(f, item, values),
            Self::InQuery { item, query } => write!(f, "{item} IN ({query})"),
            Self::Exists(query) => write!(f, "EXISTS ({query})"),
            Self::Like { item, pattern } => like(f, item, "", pattern, ""),
            Self::StartsWith { item, text } => like(f, item, "", &plain(text), "%"),
            Self::EndsWith { item, text } => like(f, item, "%", &plain(text), ""),
            Self::Contains { item, text } => like(f, item, "%", &plain(text), "%"),
            Self::Any { property, test } => any(f, property, test),
            Self::Isa { source, class } => {
                write!(f, "{} ISA ", source.as_deref().unwrap_or("__THIS"))?;
                quoted(f, class)
            }
        }
    }
}

/// A comparison of an array property means any of its elements.
fn any(f: &mut fmt::Formatter<'_>, property: &PropertyRef, test: &ElementTest) -> fmt::Result {
    match test {
        ElementTest::Compare(op, value) => {
            write!(f, "{property} {op} ")?;
            literal(f, value)
        }
        ElementTest::In(values) => one_of(f, property, values),
        ElementTest::Like(pattern) => like(f, property, "", pattern, ""),
        ElementTest::StartsWith(text) => like(f, property, "", &plain(text), "%"),
        ElementTest::EndsWith(text) => like(f, property, "%", &plain(text), ""),
        ElementTest::Contains(text) => like(f, property, "%", &plain(text), "%"),
    }
}

fn joined(f: &mut fmt::Formatter<'_>, terms: &[Expr], between: &str) -> fmt::Result {
    for (index, term) in terms.iter().enumerate() {
        f.write_str(if index == 0 { "" } else { between })?;
        match term {
            Expr::And(_) | Expr::Or(_) => write!(f, "({term})")?,
            _ => write!(f, "{term}")?,
        }
    }
    Ok(())
}

fn listed<T: fmt::Display>(f: &mut fmt::Formatter<'_>, items: &[T]) -> fmt::Result {
    items
        .iter()
        .enumerate()
        .try_for_each(|(index, item)| write!(f, "{}{item}", if index == 0 { "" } else { ", " }))
}

fn one_of(f: &mut fmt::Formatter<'_>, item: &impl fmt::Display, values: &[Value]) -> fmt::Result {
    write!(f, "{item} IN (")?;
    for (index, value) in values.iter().enumerate() {
        f.write_str(if index == 0 { "" } else { ", " })?;
        literal(f, value)?;
    }
    f.write_str(")")
}

fn plain(text: &str) -> LikePattern {
    LikePattern { pieces: vec![LikePiece::Text(text.to_owned())] }
}

fn like(
    f: &mut fmt::Formatter<'_>,
    item: &impl fmt::Display,
    before: &str,
    pattern: &LikePattern,
    after: &str,
) -> fmt::Result {
    write!(f, "{item} LIKE ")?;
    quoted(f, &format!("{before}{pattern}{after}"))
}

fn literal(f: &mut fmt::Formatter<'_>, value: &Value) -> fmt::Result {
    match value {
        Value::Integer(number) => write!(f, "{number}"),
        Value::Real(number) => write!(f, "{number:?}"),
        Value::Boolean(true) => f.write_str("TRUE"),
        Value::Boolean(false) => f.write_str("FALSE"),
        Value::String(text) => quoted(f, text),
        Value::DateTime(at) => quoted(f, &at.to_string()),
        Value::Reference(path) => quoted(f, &path.to_string()),
        Value::Null | Value::Instance(_) | Value::Array(_) => f.write_str("NULL"),
    }
}

fn quoted(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    write!(f, "\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

impl fmt::Display for Operator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Eq => "=",
            Self::Ne => "<>",
            Self::Lt => "<",
            Self::Le => "<=",
            Self::Gt => ">",
            Self::Ge => ">=",
        })
    }
}
