//! `haulier query`: WQL typed here, sent as OData, which is what the site's REST route understands.

use anyhow::{Context, Result, bail};
use cim::Value;
use cim::query::{Direction, ElementTest, Expr, LikePattern, Operator, Query, Scalar, Select, Selected};

use super::rows;
use crate::output::{self, Format, Table};
use crate::remote::{Remote, literal};

/// Does what the command line says.
pub(crate) async fn run(wql: &str, remote: &Remote, format: Format) -> Result<()> {
    let query = cim::wql::parse(wql).context("this is not WQL that haulier understands")?;
    let options = odata_options(&query)?;
    let borrowed: Vec<(&str, &str)> = options.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let instances = remote.list(query.class(), &borrowed).await?;
    if format == Format::Json {
        output::json(&instances);
        return Ok(());
    }
    let columns = columns(&query, instances.first());
    let headings: Vec<&str> = columns.iter().map(String::as_str).collect();
    let mut table = Table::new(&headings);
    for instance in &instances {
        table.row(columns.iter().map(|column| rows::text(instance, column)));
    }
    table.print();
    Ok(())
}

/// The selected properties; for `*`, what the first instance has besides the system properties.
fn columns(query: &Query, first: Option<&serde_json::Value>) -> Vec<String> {
    match (&query.select, first.and_then(|instance| instance.as_object())) {
        (Select::Items(items), _) => names(items),
        (_, Some(instance)) => instance
            .keys()
            .filter(|name| !name.starts_with("__") && !name.starts_with('@'))
            .cloned()
            .collect(),
        (_, None) => Vec::new(),
    }
}

fn odata_options(query: &Query) -> Result<Vec<(&'static str, String)>> {
    if !query.joins.is_empty() || query.distinct || matches!(query.select, Select::Count(_)) {
        bail!("over REST a query reads one class, without DISTINCT and COUNT");
    }
    let mut options = Vec::new();
    if let Select::Items(items) = &query.select {
        options.push(("$select", names(items).join(",")));
    }
    if let Some(filter) = &query.filter {
        options.push(("$filter", condition(filter)?));
    }
    if !query.order.is_empty() {
        let terms: Result<Vec<String>> = query.order.iter().map(sorted).collect();
        options.push(("$orderby", terms?.join(",")));
    }
    Ok(options)
}

fn names(items: &[Selected]) -> Vec<String> {
    let name = |item: &Selected| match item {
        Selected::Property(property) => property.name.clone(),
        Selected::Source(_) => "*".to_owned(),
    };
    items.iter().map(name).collect()
}

fn sorted((scalar, direction): &(Scalar, Direction)) -> Result<String> {
    let name = named(scalar)?;
    Ok(match direction {
        Direction::Ascending => name.to_owned(),
        Direction::Descending => format!("{name} desc"),
    })
}

fn named(scalar: &Scalar) -> Result<&str> {
    match scalar {
        Scalar::Property(property) => Ok(&property.name),
        other => bail!("over REST a property is needed, not {other}"),
    }
}

fn condition(expr: &Expr) -> Result<String> {
    Ok(match expr {
        Expr::And(terms) => joined(terms, " and ")?,
        Expr::Or(terms) => joined(terms, " or ")?,
        Expr::Not(term) => format!("not ({})", condition(term)?),
        Expr::Compare { left, op, right: Scalar::Literal(value) } => {
            format!("{} {} {}", named(left)?, operator(*op), constant(value)?)
        }
        Expr::IsNull(item) => format!("{} eq null", named(item)?),
        Expr::In { item, values } => {
            let property = named(item)?;
            let terms: Result<Vec<String>> =
                values.iter().map(|value| Ok(format!("{property} eq {}", constant(value)?))).collect();
            format!("({})", terms?.join(" or "))
        }
        Expr::Like { item, pattern } => like(named(item)?, pattern)?,
        Expr::StartsWith { item, text } => format!("startswith({},{})", named(item)?, literal(text)),
        Expr::EndsWith { item, text } => format!("endswith({},{})", named(item)?, literal(text)),
        Expr::Contains { item, text } => format!("contains({},{})", named(item)?, literal(text)),
        Expr::Any { property, test: ElementTest::Compare(op, value) } => {
            format!("{property}/any(item: item {} {})", operator(*op), constant(value)?)
        }
        other => bail!("REST has no form of {other}"),
    })
}

fn joined(terms: &[Expr], by: &str) -> Result<String> {
    let terms: Result<Vec<String>> = terms.iter().map(condition).collect();
    Ok(format!("({})", terms?.join(by)))
}

fn operator(op: Operator) -> &'static str {
    match op {
        Operator::Eq => "eq",
        Operator::Ne => "ne",
        Operator::Lt => "lt",
        Operator::Le => "le",
        Operator::Gt => "gt",
        Operator::Ge => "ge",
    }
}

fn constant(value: &Value) -> Result<String> {
    Ok(match value {
        Value::Boolean(truth) => truth.to_string(),
        Value::Integer(number) => number.to_string(),
        Value::Real(number) => number.to_string(),
        Value::String(text) => literal(text),
        other => bail!("a {other:?} cannot be compared over REST"),
    })
}

/// OData has no pattern with holes: what `%` at the ends can say is said, the rest is refused.
fn like(property: &str, pattern: &LikePattern) -> Result<String> {
    use cim::query::LikePiece::{Any, Text};
    Ok(match pattern.pieces.as_slice() {
        [Text(text)] => format!("{property} eq {}", literal(text)),
        [Text(text), Any] => format!("startswith({property},{})", literal(text)),
        [Any, Text(text)] => format!("endswith({property},{})", literal(text)),
        [Any, Text(text), Any] => format!("contains({property},{})", literal(text)),
        [Any] => format!("{property} ne null"),
        _ => bail!("over REST, LIKE takes `%` at the beginning and the end only"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wql_becomes_odata() {
        for (wql, expected) in [
            ("SELECT * FROM C", vec![]),
            ("SELECT A, B FROM C", vec![("$select", "A,B")]),
            (
                "SELECT A FROM C WHERE A = 'O\\'Neil' AND B > 3",
                vec![("$select", "A"), ("$filter", "(A eq 'O''Neil' and B gt 3)")],
            ),
            (
                "SELECT * FROM C WHERE A LIKE '%x%' OR NOT B IS NULL",
                vec![("$filter", "(contains(A,'x') or not (B eq null))")],
            ),
            (
                "SELECT * FROM C WHERE A LIKE 'x%' ORDER BY B DESC",
                vec![("$filter", "startswith(A,'x')"), ("$orderby", "B desc")],
            ),
            ("SELECT * FROM C WHERE A IN (1, 2)", vec![("$filter", "(A eq 1 or A eq 2)")]),
        ] {
            let options = odata_options(&cim::wql::parse(wql).expect(wql)).expect(wql);
            let expected: Vec<_> =
                expected.into_iter().map(|(name, value)| (name, value.to_owned())).collect();
            assert_eq!(options, expected, "{wql}");
        }
    }

    #[test]
    fn patterns_that_odata_cannot_say_are_refused() {
        let query = cim::wql::parse("SELECT * FROM C WHERE A LIKE 'a%b'").unwrap();
        assert!(odata_options(&query).unwrap_err().to_string().contains("LIKE"));
    }
}
