use cim::class::Property;
use cim::query::{
    ElementTest, Expr, Function, JoinKind, Operator, PropertyRef, Query, Scalar, Select, Selected,
};
use cim::{CimType, Value};

use super::reference;
use super::scope::{CLASS_COLUMN, Found, Place, Scope};
use crate::error::Fault;
use crate::schema::{Schema, is_left_out_of_lists};

/// Checks a query: it leaves with declared names, each saying whose it is where the query has several classes, and with
/// values of the declared types.
pub(crate) fn check(schema: &'static Schema, query: Query) -> Result<Query, Fault> {
    checked(schema, query, None)
}

fn checked(schema: &'static Schema, mut query: Query, outer: Option<&Scope<'_>>) -> Result<Query, Fault> {
    let scope = Scope::new(schema, &query, outer)?;
    let checker = Checker { schema, scope: &scope };
    query.select = checker.select(query.select, query.distinct)?;
    // Each instance is there once, so there is nothing to leave out.
    query.distinct &= !(query.joins.is_empty() && query.select == Select::All);
    for (scalar, _) in &mut query.order {
        *scalar = checker.sortable(std::mem::replace(scalar, Scalar::Literal(Value::Null)))?;
    }
    query.filter = query.filter.map(|filter| checker.condition(filter)).transpose()?;
    for join in &mut query.joins {
        join.on = join.on.take().map(|on| checker.condition(on)).transpose()?;
        if join.on.is_none() && join.kind == JoinKind::Inner {
            return Err(invalid(format!("the join with {} needs ON", join.source.name())));
        }
    }
    let (first, joined) = scope.sources.split_first().expect("a query has a source");
    query.from = first.source.clone();
    for (join, place) in query.joins.iter_mut().zip(joined) {
        join.source = place.source.clone();
    }
    Ok(query)
}

struct Checker<'a> {
    schema: &'static Schema,
    scope: &'a Scope<'a>,
}

/// What a scalar is, as far as the schema says.
enum Sort {
    Property(&'static Property),
    Made(CimType),
    Literal,
}

impl Checker<'_> {
    fn select(&self, select: Select, distinct: bool) -> Result<Select, Fault> {
        match select {
            Select::All => Ok(Select::All),
            Select::Count(_) if distinct => Err(invalid("COUNT and DISTINCT do not go together")),
            Select::Count(None) => Ok(Select::Count(None)),
            Select::Count(Some(property)) => Ok(Select::Count(Some(self.searchable(&property)?.reference()))),
            Select::Items(items) => self.items(items, distinct),
        }
    }

    fn items(&self, items: Vec<Selected>, distinct: bool) -> Result<Select, Fault> {
        let alone = self.scope.sources.len() == 1;
        let mut chosen: Vec<Selected> = Vec::with_capacity(items.len());
        for item in items {
            let item = match item {
                Selected::Source(name) => Selected::Source(self.source(&name)?.name().to_owned()),
                Selected::Property(property) => match self.bare_source(&property) {
                    Some(place) => Selected::Source(place.name().to_owned()),
                    None if distinct => Selected::Property(self.searchable(&property)?.reference()),
                    None => Selected::Property(self.scope.find(&property)?.reference()),
                },
            };
            if alone && matches!(item, Selected::Source(_)) {
                return Ok(Select::All);
            }
            if !chosen.contains(&item) {
                chosen.push(item);
            }
        }
        if let ([only], true) = (self.scope.sources.as_slice(), chosen.is_empty()) {
            // Front ends that show nothing but system properties need the keys for them.
            let keys = only.class.keys().into_iter().map(|key| PropertyRef::new(&key.name));
            chosen.extend(keys.map(Selected::Property));
        }
        Ok(Select::Items(chosen))
    }

    /// In a join the bare name of a class or an alias means all of it.
    fn bare_source(&self, property: &PropertyRef) -> Option<&Place> {
        let is_property =
            self.scope.sources.iter().any(|place| place.class.property(&property.name).is_some());
        if property.source.is_some() || is_property || self.scope.sources.len() == 1 {
            return None;
        }
        self.scope.source(&property.name)
    }

    fn source(&self, name: &str) -> Result<&Place, Fault> {
        let unknown = || invalid(format!("{name} is neither a class of the query nor an alias"));
        self.scope.source(name).ok_or_else(unknown)
    }

    fn sortable(&self, scalar: Scalar) -> Result<Scalar, Fault> {
        match self.scalar(scalar)? {
            (_, Sort::Property(property)) if property.array => {
                Err(invalid(format!("{} is an array and has no order", property.name)))
            }
            (_, Sort::Literal) => Err(invalid("a value sorts nothing; name a property")),
            (scalar, _) => Ok(scalar),
        }
    }

    /// The depth is bounded by the parser that built the tree, and again by the site.
    fn condition(&self, condition: Expr) -> Result<Expr, Fault> {
        let all = |terms: Vec<Expr>| {
            terms.into_iter().map(|term| self.condition(term)).collect::<Result<Vec<_>, _>>()
        };
        Ok(match condition {
            Expr::And(terms) => Expr::And(all(terms)?),
            Expr::Or(terms) => Expr::Or(all(terms)?),
            Expr::Not(inner) => self.condition(*inner)?.not(),
            Expr::IsNull(item) => Expr::IsNull(self.scalar(item)?.0),
            Expr::Compare { left, op, right } => self.compare(left, op, right)?,
            Expr::In { item, values } => self.one_of(item, values)?,
            Expr::InQuery { item, query } => {
                let (item, _) = self.scalar(item)?;
                Expr::InQuery { item, query: Box::new(checked(self.schema, *query, Some(self.scope))?) }
            }
            Expr::Exists(query) => Expr::Exists(Box::new(checked(self.schema, *query, Some(self.scope))?)),
            Expr::Like { item, pattern } => {
                let test = ElementTest::Like(pattern);
                self.text_test(item, test)?
            }
            Expr::StartsWith { item, text } => self.text_test(item, ElementTest::StartsWith(text))?,
            Expr::EndsWith { item, text } => self.text_test(item, ElementTest::EndsWith(text))?,
            Expr::Contains { item, text } => self.text_test(item, ElementTest::Contains(text))?,
            Expr::Any { property, test } => self.any(&property, test)?,
            Expr::Isa { source, class } => self.isa(source.as_deref(), &class)?,
        })
    }

    fn compare(&self, left: Scalar, op: Operator, right: Scalar) -> Result<Expr, Fault> {
        if let Some(condition) = reference::compare(self.scope, &left, op, &right)? {
            return Ok(condition);
        }
        let ((left, left_sort), (right, right_sort)) = (self.scalar(left)?, self.scalar(right)?);
        match (left, left_sort, right, right_sort) {
            (Scalar::Property(property), Sort::Property(declared), Scalar::Literal(value), _)
            | (Scalar::Literal(value), _, Scalar::Property(property), Sort::Property(declared))
                if declared.array =>
            {
                let value = self.operand(declared, value)?;
                Ok(Expr::Any { property, test: ElementTest::Compare(op, value) })
            }
            (left, sort, Scalar::Literal(value), Sort::Literal) => {
                let right = Scalar::Literal(self.fitted(&left, &sort, value)?);
                Ok(Expr::Compare { left, op, right })
            }
            // The constant stands first: `'x' = Name` means `Name = 'x'`.
            (Scalar::Literal(value), Sort::Literal, right, sort) => {
                let value = Scalar::Literal(self.fitted(&right, &sort, value)?);
                Ok(Expr::Compare { left: right, op: op.mirrored(), right: value })
            }
            (left, _, right, _) => Ok(Expr::Compare { left, op, right }),
        }
    }

    fn fitted(&self, scalar: &Scalar, sort: &Sort, value: Value) -> Result<Value, Fault> {
        if value.is_null() {
            return Err(invalid(format!("{scalar} cannot be compared with null; use IS NULL")));
        }
        match sort {
            Sort::Property(property) => self.operand(property, value),
            Sort::Made(kind) => kind.fit(value).map_err(|mismatch| invalid(format!("{scalar}: {mismatch}"))),
            Sort::Literal => Ok(value),
        }
    }

    fn operand(&self, property: &Property, value: Value) -> Result<Value, Fault> {
        let name = &property.name;
        if value.is_null() {
            return Err(invalid(format!("{name} cannot be compared with null; use IS NULL")));
        }
        if matches!(property.kind, CimType::Embedded(_)) {
            return Err(invalid(format!("{name} holds objects and cannot be compared")));
        }
        property.kind.fit(value).map_err(|mismatch| invalid(format!("{name}: {mismatch}")))
    }

    fn one_of(&self, item: Scalar, values: Vec<Value>) -> Result<Expr, Fault> {
        let equal = values.iter().map(|value| {
            reference::compare(self.scope, &item, Operator::Eq, &Scalar::Literal(value.clone()))
        });
        if let Some(equal) = equal.collect::<Result<Option<Vec<_>>, _>>()?.filter(|equal| !equal.is_empty()) {
            return Ok(Expr::Or(equal));
        }
        let (item, sort) = self.scalar(item)?;
        let values = values.into_iter().map(|value| self.fitted(&item, &sort, value));
        let values = values.collect::<Result<Vec<_>, _>>()?;
        Ok(match (item, sort) {
            (Scalar::Property(property), Sort::Property(declared)) if declared.array => {
                Expr::Any { property, test: ElementTest::In(values) }
            }
            (item, _) => Expr::In { item, values },
        })
    }

    fn text_test(&self, item: Scalar, test: ElementTest) -> Result<Expr, Fault> {
        let (item, sort) = self.scalar(item)?;
        let kind = match &sort {
            Sort::Property(property) => &property.kind,
            Sort::Made(kind) => kind,
            Sort::Literal => return Err(invalid(format!("{item} is a value; match a property"))),
        };
        if *kind != CimType::String {
            return Err(invalid(format!("{item} is no text")));
        }
        Ok(match (item, sort, test) {
            (Scalar::Property(property), Sort::Property(declared), test) if declared.array => {
                Expr::Any { property, test }
            }
            (item, _, ElementTest::Like(pattern)) => Expr::Like { item, pattern },
            (item, _, ElementTest::StartsWith(text)) => Expr::StartsWith { item, text },
            (item, _, ElementTest::EndsWith(text)) => Expr::EndsWith { item, text },
            (item, _, ElementTest::Contains(text)) => Expr::Contains { item, text },
            (item, _, ElementTest::Compare(..) | ElementTest::In(_)) => {
                return Err(invalid(format!("{item} is no array")));
            }
        })
    }

    fn any(&self, property: &PropertyRef, test: ElementTest) -> Result<Expr, Fault> {
        let found = self.searchable(property)?;
        let item = Scalar::Property(property.clone());
        match test {
            ElementTest::Compare(op, value) => self.compare(item, op, Scalar::Literal(value)),
            ElementTest::In(values) => self.one_of(item, values),
            _ if !found.property.array => Err(invalid(format!("{} is no array", found.property.name))),
            test => self.text_test(item, test),
        }
    }

    /// The class of a row is known beforehand, but where the view has rows of several classes.
    fn isa(&self, source: Option<&str>, class: &str) -> Result<Expr, Fault> {
        let wanted =
            self.schema.class(class).ok_or_else(|| Fault::InvalidClass { class: class.to_owned() })?;
        let place = match (source, self.scope.sources.as_slice()) {
            (Some(name), _) => self.source(name)?,
            (None, [only]) => only,
            (None, _) => return Err(invalid("ISA needs the name of a class of the query")),
        };
        if place.is_mixed() {
            let below = self.schema.concrete(wanted).filter(|below| below.is_a(&place.class.name));
            let values: Vec<Value> = below.map(|below| Value::text(below.name.as_str())).collect();
            let item = Scalar::Property(place.reference(CLASS_COLUMN));
            return Ok(if values.is_empty() { known(false) } else { Expr::In { item, values } });
        }
        let truth = place.class.is_a(&wanted.name);
        Ok(match place.key().filter(|_| place.nullable).map(Scalar::Property) {
            // Where a join leaves the instance out, it is unknown what it would be.
            Some(key) => {
                let op = if truth { Operator::Eq } else { Operator::Ne };
                Expr::Compare { left: key.clone(), op, right: key }
            }
            None => known(truth),
        })
    }

    fn scalar(&self, scalar: Scalar) -> Result<(Scalar, Sort), Fault> {
        Ok(match scalar {
            Scalar::Literal(value) => (Scalar::Literal(value), Sort::Literal),
            Scalar::Property(property) => {
                let found = self.searchable(&property)?;
                (Scalar::Property(found.reference()), Sort::Property(found.property))
            }
            Scalar::Call(function, arguments) => {
                let arguments = arguments.into_iter().map(|argument| Ok(self.scalar(argument)?.0));
                let arguments = arguments.collect::<Result<Vec<_>, Fault>>()?;
                (Scalar::Call(function, arguments), Sort::Made(made(function)))
            }
        })
    }

    /// A property that the site can compare.
    fn searchable(&self, named: &PropertyRef) -> Result<Found<'_>, Fault> {
        let found = self.scope.find(named)?;
        let name = &found.property.name;
        if is_left_out_of_lists(found.property) {
            return Err(invalid(format!(
                "only a get of one instance returns {name}; a query cannot compare it"
            )));
        }
        if found.property.qualifiers.has("computed") {
            let reason = "is put together for each answer; compare another property";
            return Err(invalid(format!("{name} {reason}")));
        }
        Ok(found)
    }
}

/// What a function makes.
fn made(function: Function) -> CimType {
    match function {
        Function::Upper | Function::Lower | Function::Substring | Function::Concat | Function::Trim => {
            CimType::String
        }
        Function::Length | Function::IndexOf | Function::DatePart(_) | Function::DateDiff(_) => {
            CimType::Sint64
        }
        Function::GetDate | Function::DateAdd(_) => CimType::DateTime,
    }
}

/// A condition that is the same for every row.
pub(super) fn known(truth: bool) -> Expr {
    let number = |number: i32| Scalar::Literal(Value::from(number));
    Expr::Compare { left: number(1), op: Operator::Eq, right: number(i32::from(truth)) }
}

fn invalid(reason: impl Into<String>) -> Fault {
    Fault::InvalidQuery { reason: reason.into() }
}

#[cfg(test)]
mod tests {
    use cim::wql;

    use super::*;

    fn check(text: &str) -> Result<String, u32> {
        let parsed = wql::parse(text).unwrap();
        super::check(Schema::shipped(), parsed)
            .map(|query| query.to_string())
            .map_err(|fault| fault.hresult())
    }

    #[test]
    fn queries_leave_with_declared_names_and_types() {
        for (text, expect) in [
            (
                "select packageid, NAME, name from sms_driverpackage where priority = '2' order by SOURCEDATE desc",
                "SELECT PackageID, Name FROM SMS_DriverPackage WHERE Priority = 2 ORDER BY SourceDate DESC",
            ),
            (
                "select * from SMS_DriverPackage where SecuredScopeNames = 'x'",
                "SELECT * FROM SMS_DriverPackage WHERE SecuredScopeNames = \"x\"",
            ),
            (
                "select * from SMS_DriverPackage where SourceDate > '2024-01-01T00:00:00Z'",
                "SELECT * FROM SMS_DriverPackage WHERE SourceDate > \"20240101000000.000000+***\"",
            ),
            (
                "select * from SMS_DriverPackage where packageid = 12",
                "SELECT * FROM SMS_DriverPackage WHERE PackageID = \"12\"",
            ),
            (
                "select * from SMS_DistributionPoint where RefreshNow = 1",
                "SELECT * FROM SMS_DistributionPoint WHERE RefreshNow = TRUE",
            ),
        ] {
            assert_eq!(check(text).as_deref(), Ok(expect), "{text}");
        }
    }

    #[test]
    fn queries_that_make_no_sense_are_refused() {
        for (text, hresult) in [
            ("select Nothing from SMS_DriverPackage", 0x8004_1031),
            ("select * from SMS_DriverPackage where Nothing = 1", 0x8004_1031),
            ("select * from SMS_DriverPackage order by Nothing", 0x8004_1031),
            ("select * from SMS_DriverPackage where Priority = 'high'", 0x8004_1017),
            ("select * from SMS_DriverPackage where Priority like '2'", 0x8004_1017),
            ("select * from SMS_DriverPackage where RefreshPkgSourceFlag = true", 0x8004_1017),
            ("select * from SMS_DriverPackage where Priority in (1, 'x')", 0x8004_1017),
            ("select * from SMS_DriverPackage where Priority = 4294967296", 0x8004_1017),
            ("select * from SMS_DriverPackage order by SecuredScopeNames", 0x8004_1017),
            ("select * from SMS_DriverPackage where SourceDate = 'yesterday'", 0x8004_1017),
        ] {
            assert_eq!(check(text), Err(hresult), "{text}");
        }
    }
}
