//! The handler of every association class: rows are the keys of both ends, and the references are made of them.

use std::sync::Arc;

use cim::query::{Expr, Query, Scalar};
use cim::{Instance, ObjectPath, Value};

use crate::association::ends;
use crate::error::Fault;
use crate::handler::{Call, ClassHandler, Completed, Work};
use crate::rows;
use crate::schema::ClassInfo;

/// The handler of a class of this group.
pub(super) fn handler(class: &str) -> Option<Arc<dyn ClassHandler>> {
    (!ends(class).is_empty()).then(|| Arc::new(Association) as Arc<dyn ClassHandler>)
}

struct Association;

impl ClassHandler for Association {
    fn completes(&self, class: &ClassInfo) -> Vec<Completed> {
        let ends = ends(&class.name).iter();
        ends.map(|end| Completed { property: end.name, of: end.stored().collect() }).collect()
    }

    fn complete(&self, instance: &mut Instance) -> Result<(), Fault> {
        for end in ends(&instance.class) {
            let path = end.path(instance).map_or(Value::Null, Value::Reference);
            instance.set(end.name, path);
        }
        Ok(())
    }

    fn get<'a>(&'a self, call: Call<'a>, path: &'a ObjectPath) -> Work<'a, Instance> {
        Box::pin(async move {
            let missing = || Fault::NotFound { what: path.relative() };
            let mut terms = Vec::new();
            for end in ends(&call.class.name) {
                let Some(Value::Reference(object)) = path.key(end.name) else { return Err(missing()) };
                terms.push(end.equals(object, |name| Scalar::property(name))?.ok_or_else(missing)?);
            }
            let query = Query { filter: Some(Expr::And(terms)), ..Query::all(&call.class.name) };
            rows::query(call, &query).await?.instances.into_iter().next().ok_or_else(missing)
        })
    }
}
