//! Conditions on references: what is compared are the keys that an association stores.

use cim::query::{Expr, Operator, Scalar};
use cim::{CimType, ObjectPath, Value};

use super::check::known;
use super::scope::Scope;
use crate::association;
use crate::error::Fault;

/// A comparison of a reference with an object path; none if neither side is a reference.
pub(super) fn compare(
    scope: &Scope<'_>,
    left: &Scalar,
    op: Operator,
    right: &Scalar,
) -> Result<Option<Expr>, Fault> {
    let (property, value) = match (left, right) {
        (Scalar::Property(property), Scalar::Literal(value))
        | (Scalar::Literal(value), Scalar::Property(property)) => (property, value),
        _ => return Ok(None),
    };
    let found = scope.find(property)?;
    if !matches!(found.property.kind, CimType::Reference(_)) {
        return Ok(None);
    }
    let name = &found.property.name;
    let refused = |reason: String| Fault::InvalidQuery { reason: format!("{name}: {reason}") };
    let path = match found.property.kind.fit(value.clone()) {
        Ok(Value::Reference(path)) => path,
        Ok(_) => return Err(refused("a reference cannot be compared with null".to_owned())),
        Err(mismatch) => return Err(refused(mismatch.to_string())),
    };
    let equal = equals(scope, property, &path)?;
    match op {
        Operator::Eq => Ok(Some(equal)),
        Operator::Ne => Ok(Some(equal.not())),
        _ => Err(refused("references are equal or not; they have no order".to_owned())),
    }
}

fn equals(scope: &Scope<'_>, property: &cim::query::PropertyRef, path: &ObjectPath) -> Result<Expr, Fault> {
    let found = scope.find(property)?;
    let ends = association::ends(&found.place.class.name);
    let end = ends.iter().find(|end| end.name == found.property.name);
    let stored = |name: &str| Scalar::Property(found.place.reference(name));
    let equal = end.map(|end| end.equals(path, stored)).transpose();
    let wrong = |fault: Fault| Fault::InvalidQuery { reason: format!("{}: {fault}", found.property.name) };
    // An object that cannot stand at this end stands in no association.
    Ok(equal.map_err(wrong)?.flatten().unwrap_or_else(|| known(false)))
}
