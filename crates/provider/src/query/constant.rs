//! Properties that the site does not store: they have the schema's default in every instance, so what a query says
//! about them is known before the database is asked.

use cim::query::{
    Direction, ElementTest, Expr, Join, JoinKind, Operator, PropertyRef, Query, Scalar, Select, Selected,
};
use cim::{DateTime, Value};

use super::check::known;
use super::scope::{Place, Scope};
use crate::error::Fault;
use crate::schema::Schema;

/// What is left of a condition. `Known(None)` is SQL's unknown, which its opposite is too.
#[derive(Debug, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "lives while one condition is looked at")]
enum Folded {
    /// The same for every row.
    Known(Option<bool>),
    /// To be asked.
    Open(Expr),
}

/// A scalar without constants; none if one of them is null, and so the whole.
type Substituted = Option<Scalar>;

/// A checked query on what the views store.
pub(super) fn on_columns(schema: &'static Schema, query: &Query) -> Result<Query, Fault> {
    folded(schema, query, None)
}

fn folded(schema: &'static Schema, query: &Query, outer: Option<&Scope<'_>>) -> Result<Query, Fault> {
    let scope = Scope::new(schema, query, outer)?;
    let folder = Folder { schema, scope: &scope };
    let mut filter = folder.filter(query.filter.as_ref())?;
    let select = match &query.select {
        Select::Count(Some(property)) => {
            let (counted, condition) = folder.counted(property);
            filter = filter.into_iter().chain(condition).reduce(|one, other| Expr::And(vec![one, other]));
            Select::Count(counted)
        }
        select => select.clone(),
    };
    let joins = query.joins.iter().map(|join| folder.join(join)).collect::<Result<_, _>>()?;
    let order =
        query.order.iter().filter_map(|(scalar, direction)| folder.order(scalar, *direction).transpose());
    Ok(Query { select, filter, joins, order: order.collect::<Result<_, _>>()?, ..query.clone() })
}

struct Folder<'a> {
    schema: &'static Schema,
    scope: &'a Scope<'a>,
}

impl Folder<'_> {
    fn filter(&self, filter: Option<&Expr>) -> Result<Option<Expr>, Fault> {
        Ok(match filter.map(|filter| self.fold(filter)).transpose()? {
            None | Some(Folded::Known(Some(true))) => None,
            Some(Folded::Known(_)) => Some(known(false)),
            Some(Folded::Open(rest)) => Some(rest),
        })
    }

    fn join(&self, join: &Join) -> Result<Join, Fault> {
        let on = self.filter(join.on.as_ref())?;
        // An outer join has a condition even where it always holds.
        let on = on.or_else(|| (join.kind != JoinKind::Cross).then(|| known(true)));
        Ok(Join { on, ..join.clone() })
    }

    /// What is the same everywhere sorts nothing.
    fn order(&self, scalar: &Scalar, direction: Direction) -> Result<Option<(Scalar, Direction)>, Fault> {
        match scalar {
            Scalar::Property(property) if self.constant(property).is_some() => Ok(None),
            scalar => Ok(self.substituted(scalar)?.map(|scalar| (scalar, direction))),
        }
    }

    /// How many rows have a value that is the same in all of them.
    fn counted(&self, property: &PropertyRef) -> (Option<PropertyRef>, Option<Expr>) {
        match self.constant(property) {
            None => (Some(property.clone()), None),
            Some((Value::Null, _)) => (None, Some(known(false))),
            Some((_, place)) if place.nullable => (place.key(), None),
            Some(_) => (None, None),
        }
    }

    fn fold(&self, condition: &Expr) -> Result<Folded, Fault> {
        Ok(match condition {
            Expr::And(terms) => join(self.all(terms)?, false, Expr::And),
            Expr::Or(terms) => join(self.all(terms)?, true, Expr::Or),
            Expr::Not(term) => match self.fold(term)? {
                Folded::Known(truth) => Folded::Known(truth.map(|truth| !truth)),
                Folded::Open(term) => Folded::Open(term.not()),
            },
            Expr::Exists(query) => Folded::Open(Expr::Exists(Box::new(self.nested(query)?))),
            Expr::InQuery { item, query } => self.in_query(item, query)?,
            Expr::Compare { left, op, right } => self.compare(condition, left, *op, right)?,
            leaf => self.leaf(leaf)?,
        })
    }

    fn all(&self, terms: &[Expr]) -> Result<Vec<Folded>, Fault> {
        terms.iter().map(|term| self.fold(term)).collect()
    }

    fn nested(&self, query: &Query) -> Result<Query, Fault> {
        folded(self.schema, query, Some(self.scope))
    }

    fn in_query(&self, item: &Scalar, query: &Query) -> Result<Folded, Fault> {
        let Some(item) = self.substituted(item)? else { return Ok(Folded::Known(None)) };
        let inner = Scope::new(self.schema, query, Some(self.scope))?;
        let inside = Folder { schema: self.schema, scope: &inner };
        let constant = match &query.select {
            Select::Items(items) => match items.as_slice() {
                [Selected::Property(property)] => inside.constant(property),
                _ => None,
            },
            _ => None,
        };
        let Some((value, _)) = constant else {
            return Ok(Folded::Open(Expr::InQuery { item, query: Box::new(self.nested(query)?) }));
        };
        if value.is_null() {
            return Ok(Folded::Known(None));
        }
        let found = Query { select: Select::All, ..self.nested(query)? };
        let equal = Expr::Compare { left: item, op: Operator::Eq, right: Scalar::Literal(value.clone()) };
        Ok(Folded::Open(Expr::And(vec![equal, Expr::Exists(Box::new(found))])))
    }

    fn compare(&self, whole: &Expr, left: &Scalar, op: Operator, right: &Scalar) -> Result<Folded, Fault> {
        if let (Scalar::Property(property), Scalar::Literal(_)) = (left, right)
            && self.constant(property).is_some()
        {
            return self.leaf(whole);
        }
        let (Some(left), Some(right)) = (self.substituted(left)?, self.substituted(right)?) else {
            return Ok(Folded::Known(None));
        };
        Ok(match (&left, &right) {
            (Scalar::Literal(left), Scalar::Literal(right)) => Folded::Known(Some(compare(left, op, right))),
            _ => Folded::Open(Expr::Compare { left, op, right }),
        })
    }

    /// A condition on one scalar.
    fn leaf(&self, leaf: &Expr) -> Result<Folded, Fault> {
        if let Some(property) = property_of(leaf)
            && let Some((value, place)) = self.constant(property)
        {
            return Ok(at_place(holds(leaf, value), leaf, place));
        }
        let mut rebuilt = leaf.clone();
        if let Some(item) = item_of(&mut rebuilt) {
            match self.substituted(item)? {
                Some(scalar) => *item = scalar,
                None => return Ok(Folded::Known(matches!(leaf, Expr::IsNull(_)).then_some(true))),
            }
        }
        Ok(Folded::Open(rebuilt))
    }

    fn substituted(&self, scalar: &Scalar) -> Result<Substituted, Fault> {
        match scalar {
            Scalar::Literal(value) => Ok(Some(Scalar::Literal(value.clone()))),
            Scalar::Property(property) => match self.constant(property) {
                None => Ok(Some(scalar.clone())),
                Some((Value::Null, _)) => Ok(None),
                Some((Value::Array(_), _)) => Err(unusable(property, "an array that is the same everywhere")),
                Some((_, place)) if place.nullable => Err(unusable(
                    property,
                    "the same in every instance of a class that an outer join leaves out",
                )),
                Some((value, _)) => Ok(Some(Scalar::Literal(value.clone()))),
            },
            Scalar::Call(function, arguments) => {
                let arguments = arguments.iter().map(|argument| self.substituted(argument));
                let arguments: Option<Vec<Scalar>> =
                    arguments.collect::<Result<Vec<_>, _>>()?.into_iter().collect();
                Ok(arguments.map(|arguments| Scalar::Call(*function, arguments)))
            }
        }
    }

    /// The value that a property has in every instance; none if the site stores it.
    fn constant(&self, property: &PropertyRef) -> Option<(&'static Value, &Place)> {
        let place = self.scope.place(property)?;
        match place.view.and_then(|view| view.column(&property.name)) {
            Some(_) => None,
            None => place.class.property(&property.name).map(|property| (&property.default, place)),
        }
    }
}

/// A constant's condition where a join may leave its instance out: unknown there.
fn at_place(truth: Option<bool>, leaf: &Expr, place: &Place) -> Folded {
    let key = place.key().filter(|_| place.nullable).map(Scalar::Property);
    match (truth, key, leaf) {
        (Some(false), Some(key), Expr::IsNull(_)) => Folded::Open(Expr::IsNull(key)),
        (Some(truth), Some(key), leaf) if !matches!(leaf, Expr::IsNull(_)) => {
            let op = if truth { Operator::Eq } else { Operator::Ne };
            Folded::Open(Expr::Compare { left: key.clone(), op, right: key })
        }
        (truth, ..) => Folded::Known(truth),
    }
}

fn unusable(property: &PropertyRef, reason: &str) -> Fault {
    Fault::InvalidQuery { reason: format!("{property} is {reason}; it cannot be compared so") }
}

/// Three-valued AND (`decisive` false) or OR (`decisive` true).
fn join(terms: Vec<Folded>, decisive: bool, rebuild: fn(Vec<Expr>) -> Expr) -> Folded {
    let (mut truth, mut open) = (Some(!decisive), Vec::new());
    for term in terms {
        match term {
            Folded::Known(Some(known)) if known == decisive => return Folded::Known(Some(decisive)),
            Folded::Known(Some(_)) => {}
            Folded::Known(None) => truth = None,
            Folded::Open(term) => open.push(term),
        }
    }
    match (truth, open.len()) {
        (truth, 0) => Folded::Known(truth),
        // Unknown AND x is never true. Unknown OR x is true where x is; its opposite is true nowhere.
        (None, _) => {
            open.push(unknown());
            Folded::Open(rebuild(open))
        }
        (_, 1) => Folded::Open(open.remove(0)),
        _ => Folded::Open(rebuild(open)),
    }
}

/// A condition that is neither true nor false.
fn unknown() -> Expr {
    let null = || Scalar::Literal(Value::Null);
    Expr::Compare { left: null(), op: Operator::Eq, right: null() }
}

/// The property that a condition is about.
fn property_of(leaf: &Expr) -> Option<&PropertyRef> {
    match leaf {
        Expr::Compare { left: Scalar::Property(property), .. }
        | Expr::Any { property, .. }
        | Expr::IsNull(Scalar::Property(property))
        | Expr::In { item: Scalar::Property(property), .. }
        | Expr::Like { item: Scalar::Property(property), .. }
        | Expr::StartsWith { item: Scalar::Property(property), .. }
        | Expr::EndsWith { item: Scalar::Property(property), .. }
        | Expr::Contains { item: Scalar::Property(property), .. } => Some(property),
        _ => None,
    }
}

fn item_of(leaf: &mut Expr) -> Option<&mut Scalar> {
    match leaf {
        Expr::IsNull(item)
        | Expr::In { item, .. }
        | Expr::Like { item, .. }
        | Expr::StartsWith { item, .. }
        | Expr::EndsWith { item, .. }
        | Expr::Contains { item, .. } => Some(item),
        _ => None,
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
        Expr::Any { test, .. } => element_passes(test, element),
        Expr::In { values, .. } => values.iter().any(|value| compare(element, Operator::Eq, value)),
        Expr::StartsWith { text: part, .. } => text().starts_with(&part.to_ascii_lowercase()),
        Expr::EndsWith { text: part, .. } => text().ends_with(&part.to_ascii_lowercase()),
        Expr::Contains { text: part, .. } => text().contains(&part.to_ascii_lowercase()),
        Expr::Like { pattern, .. } => pattern.matches(element.as_str().unwrap_or("")),
        _ => false,
    }
}

fn element_passes(test: &ElementTest, element: &Value) -> bool {
    let text = || element.as_str().unwrap_or("").to_ascii_lowercase();
    match test {
        ElementTest::Compare(op, value) => compare(element, *op, value),
        ElementTest::In(values) => values.iter().any(|value| compare(element, Operator::Eq, value)),
        ElementTest::StartsWith(part) => text().starts_with(&part.to_ascii_lowercase()),
        ElementTest::EndsWith(part) => text().ends_with(&part.to_ascii_lowercase()),
        ElementTest::Contains(part) => text().contains(&part.to_ascii_lowercase()),
        ElementTest::Like(pattern) => pattern.matches(element.as_str().unwrap_or("")),
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

    use super::super::check;
    use super::*;

    #[test]
    fn only_what_the_site_stores_is_left_to_ask() {
        let check_of = |class: &str, condition: &str, expect: &str| {
            let query = wql::parse(&format!("select * from {class} where {condition}")).unwrap();
            let checked = check(Schema::shipped(), query).unwrap();
            let stored = on_columns(Schema::shipped(), &checked).unwrap();
            let left = stored.filter.map_or_else(String::new, |filter| filter.to_string());
            assert_eq!(left, expect, "{condition}");
        };
        let check = |condition: &str, expect: &str| check_of("SMS_DriverPackage", condition, expect);
        let never = "1 = 0";
        check("Name = 'x'", "Name = \"x\"");
        check("LocalizedCategoryInstanceNames = 'x'", never);
        check("LocalizedCategoryInstanceNames in ('a', 'b')", never);
        check("not LocalizedCategoryInstanceNames = 'x'", "");
        let check_null = |condition: &str, expect: &str| {
            check_of("Haulier_User", condition, expect);
        };
        check_null("Password is null", "");
        check_null("Password = 'x'", never);
        check_null("not Password = 'x'", never);
        check_null("Password = 'x' and Name = 'y'", "Name = \"y\" AND NULL = NULL");
        check_null("Password = 'x' or Name = 'y'", "Name = \"y\" OR NULL = NULL");
        check("LocalizedCategoryInstanceNames = 'x' and Name = 'x'", never);
        check(
            "LocalizedCategoryInstanceNames = 'x' or Name = 'x' or Version = 'y'",
            "Name = \"x\" OR Version = \"y\"",
        );
        check("not LocalizedCategoryInstanceNames = 'x' and Name = 'x'", "Name = \"x\"");
        check("not (LocalizedCategoryInstanceNames = 'x' or Name = 'x')", "NOT (Name = \"x\")");
    }
}
