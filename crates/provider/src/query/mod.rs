//! From a client's query to instances: names and values are checked against the schema (`check`), what the site does
//! not store is known before it is asked (`constant`), what is shown decides what is read (`shape`), and rows become instances
//! (`instances`), one at a time (`stream`).

mod check;
mod constant;
mod held;
mod instances;
mod reference;
mod scope;
mod shape;
mod stream;
mod waiting;

pub(crate) use check::check;
pub use held::HeldAnswer;
pub use stream::InstanceStream;
pub use waiting::{ContextRules, Contexts, Lent, NoRoom};

use cim::class::{Class, Property, Qualifiers};
use cim::query::{Query, Scalar, Select};
use cim::{CimType, Value};

use crate::classes;
use crate::error::Fault;
use crate::handler::Call;
use crate::schema::{ClassInfo, Schema};
pub(crate) use shape::Lazy;
use shape::Shape;

/// The class of rows that are no instance of one class.
pub(crate) const GENERIC: &str = "__GENERIC";

/// Answers a client's query; the call's class is the one that it begins with.
pub(crate) async fn answer(call: Call<'_>, query: Query) -> Result<InstanceStream, Fault> {
    let schema = Schema::shipped();
    let object = query.class().to_owned();
    let mut checked = check(schema, query)?;
    let class = schema.class(checked.class()).expect("a checked query names classes of the schema");
    let counts = matches!(checked.select, Select::Count(_));
    if let Some(most) = call.context.instance_count.filter(|_| !counts) {
        checked.top = Some(checked.top.map_or(most, |top| top.min(most)));
    }
    let of_one = checked.joins.is_empty() && !checked.distinct && !counts;
    if of_one && checked.order.is_empty() {
        let order = classes::handler(&class.name).and_then(|handler| handler.order());
        checked.order.extend(order.map(|(name, direction)| (Scalar::property(name), direction)));
    }
    stream(call, &checked, object, Lazy::Null).await
}

/// Answers a checked query from the site's views. Errors that come later name `object`.
pub(crate) async fn stream(
    call: Call<'_>,
    query: &Query,
    object: String,
    lazy: Lazy,
) -> Result<InstanceStream, Fault> {
    let schema = Schema::shipped();
    let shape = Shape::of(schema, query, lazy)?;
    let stored = constant::on_columns(schema, query)?;
    let rows = call.site.query_stream(call.actor, &shape.stored(stored)).await?;
    let instances = shape.instances(&rows.outputs);
    Ok(InstanceStream::new(rows, instances, object))
}

/// What the instances of a query's answer look like: the class itself, or for rows of several classes a description
/// of `__GENERIC` with one embedded instance for each.
pub(crate) fn prototype(schema: &'static Schema, query: Query) -> Result<Class, Fault> {
    let checked = check(schema, query)?;
    let shape = Shape::of(schema, &checked, Lazy::Null)?;
    if let Some(class) = shape.only_class() {
        return Ok(described(class, &checked));
    }
    let mut generic = described(
        schema.class(GENERIC).expect("the shipped schema declares it, which a test of this crate proves"),
        &Query::all(GENERIC),
    );
    if !matches!(checked.select, Select::Count(_)) {
        generic.properties = shape.embedded().map(|(name, class)| embedded(name, class)).collect();
    }
    Ok(generic)
}

fn described(class: &ClassInfo, query: &Query) -> Class {
    let chosen = |property: &&Property| match &query.select {
        Select::Items(items) if query.distinct => crate::rows::names(items).any(|name| name == property.name),
        _ => true,
    };
    Class {
        name: class.name.clone(),
        superclass: class.derivation.first().cloned(),
        qualifiers: class.qualifiers.clone(),
        properties: class.properties.iter().filter(chosen).cloned().collect(),
        methods: class.methods.clone(),
    }
}

fn embedded(name: &str, class: &ClassInfo) -> Property {
    Property {
        name: name.to_owned(),
        kind: CimType::Embedded(class.name.clone()),
        array: false,
        default: Value::Null,
        qualifiers: Qualifiers::default(),
    }
}
