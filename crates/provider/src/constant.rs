//! Conditions on properties that the site does not store: they have the schema's default in every instance,
//! so what a query says about them is known before the database is asked.

use cim::query::{ElementTest, Expr, Operator, Scalar};
use cim::{DateTime, Value};
use site::views::View;

use crate::schema::ClassInfo;

/// What is left of a condition. `Known(None)` is SQL's unknown, which its opposite is too.
#[derive(Debug, PartialEq)]
pub(crate) enum Folded {
    /// The same for every instance.
    Known(Option<bool>),
    /// To be asked.
    Open(Expr),
}

/// Takes the properties without a column out of a condition.
pub(crate) fn fold(class: &ClassInfo, view: &View, condition: &Expr) -> Folded {
    let inner = |condition: &Expr| fold(class, view, condition);
    match condition {
        Expr::And(terms) => join(terms.iter().map(inner), false, Expr::And),
        Expr::Or(terms) => join(terms.iter().map(inner), true, Expr::Or),
        Expr::Not(term) => match inner(term) {
            Folded::Known(truth) => Folded::Known(truth.map(|truth| !truth)),
            Folded::Open(term) => Folded::Open(term.not()),
        },
        term => match constant(class, view, term) {
            Some(value) => Folded::Known(holds(term, value)),
            None => Folded::Open(term.clone()),
        },
    }
}

/// Three-valued AND (`decisive` false) or OR (`decisive` true).
fn join(terms: impl Iterator<Item = Folded>, decisive: bool, rebuild: fn(Vec<Expr>) -> Expr) -> Folded {
    let (mut known, mut open) = (Some(!decisive), Vec::new());
    for term in terms {
        match term {
            Folded::Known(Some(truth)) if truth == decisive => return Folded::Known(Some(decisive)),
            Folded::Known(Some(_)) => {}
            Folded::Known(None) => known = None,
            Folded::Open(term) => open.push(term),
        }
    }
    match (known, open.len()) {
        (known, 0) => Folded::Known(known),
        // Unknown AND x is never true. Unknown OR x is true where x is.
        (None, _) if !decisive => Folded::Known(None),
        (_, 1) => Folded::Open(open.remove(0)),
        _ => Folded::Open(rebuild(open)),
    }
}

/// The value that the condition's property has in every instance; none if the site stores it.
fn constant<'a>(class: &'a ClassInfo, view: &View, condition: &Expr) -> Option<&'a Value> {
    let property = match condition {
        Expr::Compare { left: Scalar::Property(property), .. }
        | Expr::Any { property, .. }
        | Expr::IsNull(Scalar::Property(property))
        | Expr::In { item: Scalar::Property(property), .. }
        | Expr::Like { item: Scalar::Property(property), .. }
        | Expr::StartsWith { item: Scalar::Property(property), .. }
        | Expr::EndsWith { item: Scalar::Property(property), .. }
        | Expr::Contains { item: Scalar::Property(property), .. } => property,
        _ => return None,
    };
    match view.column(&property.name) {
        Some(_) => None,
        None => class.property(&property.name).map(|property| &property.default),
    }
}

fn holds(condition: &Expr, value: &Value) -> Option<bool> {
    if let Expr::IsNull(_) = condition {
        return Some(value.is_null());
    }
    let elements = match value {
        Value::Null => return None,
        Value::Array(elements) => elements.as_slice(),
        single => std::slice::from_ref(single),
    };
    Some(elements.iter().any(|element| element_holds(condition, element)))
}

fn element_holds(condition: &Expr, element: &Value) -> bool {
    let text = || element.as_str().unwrap_or("").to_ascii_lowercase();
    match condition {
        Expr::Compare { op, right: Scalar::Literal(value), .. }
        | Expr::Any { test: ElementTest::Compare(op, value), .. } => compare(element, *op, value),
        Expr::In { values, .. } => values.iter().any(|value| compare(element, Operator::Eq, value)),
        Expr::StartsWith { text: part, .. } => text().starts_with(&part.to_ascii_lowercase()),
        Expr::EndsWith { text: part, .. } => text().ends_with(&part.to_ascii_lowercase()),
        Expr::Contains { text: part, .. } => text().contains(&part.to_ascii_lowercase()),
        Expr::Like { pattern, .. } => pattern.matches(element.as_str().unwrap_or("")),
        _ => false,
    }
}

fn compare(left: &Value, op: Operator, right: &Value) -> bool {
    let instant = |at: &DateTime| at.timestamp();
    let order = match (left, right) {
        (Value::String(left), Value::String(right)) => {
            left.to_ascii_lowercase().partial_cmp(&right.to_ascii_lowercase())
        }
        (Value::Integer(left), Value::Integer(right)) => left.partial_cmp(right),
        (Value::Boolean(left), Value::Boolean(right)) => left.partial_cmp(right),
        (Value::Real(left), Value::Real(right)) => left.partial_cmp(right),
        (Value::DateTime(left), Value::DateTime(right)) => instant(left).partial_cmp(&instant(right)),
        _ => None,
    };
    order.is_some_and(|order| match op {
        Operator::Eq => order.is_eq(),
        Operator::Ne => order.is_ne(),
        Operator::Lt => order.is_lt(),
        Operator::Le => order.is_le(),
        Operator::Gt => order.is_gt(),
        Operator::Ge => order.is_ge(),
    })
}

#[cfg(test)]
mod tests {
    use cim::wql;

    use crate::check;
    use crate::schema::Schema;

    use super::*;

    #[test]
    fn only_what_the_site_stores_is_left_to_ask() {
        let class = Schema::shipped().class("SMS_DriverPackage").unwrap();
        // As if the site did not store the array, which has a default that is not empty.
        let view = site::views::find(&class.name).unwrap();
        let stored = |column: &&site::views::Column| column.name != "SecuredScopeNames";
        let columns: Vec<_> = view.columns.iter().filter(stored).copied().collect();
        let view = &View { columns: columns.leak(), ..*view };
        let check = |condition: &str, expect: Result<&str, Option<bool>>| {
            let query = wql::parse(&format!("select * from SMS_DriverPackage where {condition}")).unwrap();
            let checked = check::query(class, query).unwrap();
            let folded = match fold(class, view, &checked.filter.unwrap()) {
                Folded::Known(truth) => Err(truth),
                Folded::Open(rest) => Ok(rest.to_string()),
            };
            assert_eq!(folded.as_deref().map_err(|truth| *truth), expect, "{condition}");
        };
        check("Name = 'x'", Ok("Name = \"x\""));
        check("SecuredScopeNames = 'default'", Err(Some(true)));
        check("SecuredScopeNames <> 'default'", Err(Some(false)));
        check("SecuredScopeNames in ('a', 'Default')", Err(Some(true)));
        check("not SecuredScopeNames = 'x'", Err(Some(true)));
        check("LocalizedCategoryInstanceNames = 'x'", Err(Some(false)));
        check("Icon is null", Err(Some(true)));
        check("Icon = 1", Err(None));
        check("not Icon = 1", Err(None));
        check("Icon = 1 and Name = 'x'", Err(None));
        check("Icon = 1 or Name = 'x'", Ok("Name = \"x\""));
        check("SecuredScopeNames = 'default' and Name = 'x'", Ok("Name = \"x\""));
        check("SecuredScopeNames = 'other' and Name = 'x'", Err(Some(false)));
        check(
            "SecuredScopeNames = 'other' or Name = 'x' or Version = 'y'",
            Ok("Name = \"x\" OR Version = \"y\""),
        );
        check("SecuredScopeNames = 'default' or Name = 'x'", Err(Some(true)));
        check("not (SecuredScopeNames = 'other' or Name = 'x')", Ok("NOT (Name = \"x\")"));
    }
}
