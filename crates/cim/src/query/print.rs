//! The query tree as WQL text, for messages and logs; `top`, `skip` and `count` have no WQL form.

use std::fmt;

use super::{Direction, Expr, LikePattern, LikePiece, Operator, Query, Select};
use crate::Value;

impl fmt::Display for Query {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.select {
            Select::All => f.write_str("SELECT *")?,
            Select::Properties(names) => write!(f, "SELECT {}", names.join(", "))?,
        }
        write!(f, " FROM {}", self.class)?;
        if let Some(filter) = &self.filter {
            write!(f, " WHERE {filter}")?;
        }
        for (index, (property, direction)) in self.order.iter().enumerate() {
            f.write_str(if index == 0 { " ORDER BY " } else { ", " })?;
            f.write_str(property)?;
            if *direction == Direction::Descending {
                f.write_str(" DESC")?;
            }
        }
        Ok(())
    }
}

impl fmt::Display for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::And(terms) => joined(f, terms, " AND "),
            Self::Or(terms) => joined(f, terms, " OR "),
            Self::Not(inner) => write!(f, "NOT ({inner})"),
            Self::Compare { property, op, value } | Self::AnyElement { property, op, value } => {
                write!(f, "{property} {op} ")?;
                literal(f, value)
            }
            Self::IsNull { property } => write!(f, "{property} IS NULL"),
            Self::In { property, values } => {
                write!(f, "{property} IN (")?;
                for (index, value) in values.iter().enumerate() {
                    f.write_str(if index == 0 { "" } else { ", " })?;
                    literal(f, value)?;
                }
                f.write_str(")")
            }
            Self::Like { property, pattern } => like(f, property, "", pattern, ""),
            Self::StartsWith { property, text } => like(f, property, "", &plain(text), "%"),
            Self::EndsWith { property, text } => like(f, property, "%", &plain(text), ""),
            Self::Contains { property, text } => like(f, property, "%", &plain(text), "%"),
        }
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

fn plain(text: &str) -> LikePattern {
    LikePattern { pieces: vec![LikePiece::Text(text.to_owned())] }
}

fn like(
    f: &mut fmt::Formatter<'_>,
    property: &str,
    before: &str,
    pattern: &LikePattern,
    after: &str,
) -> fmt::Result {
    write!(f, "{property} LIKE ")?;
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
