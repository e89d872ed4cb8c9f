//! Association classes: what their references name. A reference is stored as the keys of what it names, in properties of
//! the association beside it; its qualifiers `EndKeys` and `EndClass` say which.

use std::collections::HashMap;
use std::sync::LazyLock;

use cim::query::{Expr, Operator, Scalar};
use cim::{CimType, Instance, ObjectPath, Value};

use crate::check;
use crate::error::Fault;
use crate::schema::{ClassInfo, Schema};

/// One end of an association: a reference property.
#[derive(Debug)]
pub(crate) struct End {
    /// The reference, which is what a role names.
    pub(crate) name: &'static str,
    /// What it refers to: instances of this class or of a subclass.
    pub(crate) class: &'static ClassInfo,
    /// Each key of that class, and the property of the association that has its value.
    pub(crate) keys: Vec<(&'static str, &'static str)>,
    /// The property of the association that names the class of the object, where that may be a subclass.
    class_property: Option<&'static str>,
}

/// The ends of an association class; none of any other class.
pub(crate) fn ends(class: &str) -> &'static [End] {
    static ENDS: LazyLock<HashMap<&'static str, Vec<End>>> = LazyLock::new(|| {
        let schema = Schema::shipped();
        schema.associations().map(|class| (class.name.as_str(), of(schema, class))).collect()
    });
    ENDS.get(class).map_or(&[], Vec::as_slice)
}

fn of(schema: &'static Schema, class: &'static ClassInfo) -> Vec<End> {
    let end = |property: &'static cim::class::Property| {
        let CimType::Reference(to) = &property.kind else { return None };
        let keys = match property.qualifiers.get("EndKeys") {
            Some(Value::Array(pairs)) => {
                pairs.iter().filter_map(|pair| pair.as_str()?.split_once('=')).collect()
            }
            _ => Vec::new(),
        };
        let class_property = property.qualifiers.get("EndClass").and_then(Value::as_str);
        Some(End { name: &property.name, class: schema.class(to)?, keys, class_property })
    };
    class.properties.iter().filter_map(end).collect()
}

impl End {
    /// The properties of the association that say what is at this end.
    pub(crate) fn stored(&self) -> impl Iterator<Item = &'static str> {
        self.keys.iter().map(|(_, property)| *property).chain(self.class_property)
    }

    /// The object that an association has at this end.
    pub(crate) fn path(&self, association: &Instance) -> Option<ObjectPath> {
        let named = self.class_property.and_then(|property| association.get(property));
        let class = named.and_then(Value::as_str).unwrap_or(&self.class.name);
        let value = |(key, property): &(&str, &str)| {
            let value = association.get(property).filter(|value| !value.is_null())?;
            Some(((*key).to_owned(), value.clone()))
        };
        Some(ObjectPath::new(class, self.keys.iter().map(value).collect::<Option<Vec<_>>>()?))
    }

    /// What an association with this object at this end has in its other properties; none where it cannot have it.
    ///
    /// Errors: [`Fault::InvalidClass`], and [`Fault::InvalidPath`] for keys that are not those of the class.
    pub(crate) fn values(&self, path: &ObjectPath) -> Result<Option<Vec<(&'static str, Value)>>, Fault> {
        let unknown = || Fault::InvalidClass { class: path.class.clone() };
        let class = Schema::shipped().class(&path.class).ok_or_else(unknown)?;
        let checked = check::path(class, path)?;
        if !class.is_a(&self.class.name) && !self.class.is_a(&class.name) {
            return Ok(None);
        }
        let mut values = Vec::with_capacity(self.keys.len() + 1);
        for (key, property) in &self.keys {
            let Some(value) = checked.key(key) else { return Ok(None) };
            values.push((*property, value.clone()));
        }
        if let Some(property) = self.class_property.filter(|_| !class.is_abstract()) {
            values.push((property, Value::text(class.name.as_str())));
        }
        Ok(Some(values))
    }

    /// The same as a condition; `property` says how the query calls a property of the association.
    pub(crate) fn equals(
        &self,
        path: &ObjectPath,
        property: impl Fn(&str) -> Scalar,
    ) -> Result<Option<Expr>, Fault> {
        let equal = |(name, value)| Expr::Compare {
            left: property(name),
            op: Operator::Eq,
            right: Scalar::Literal(value),
        };
        Ok(self.values(path)?.map(|values| Expr::And(values.into_iter().map(equal).collect())))
    }
}
