//! What every class handler can do, and what it answers when it cannot.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use cim::query::{Direction, Expr, Operator, Query};
use cim::{DateTime, Instance, ObjectPath, Value};
use site::{Actor, Site};

use crate::context::Context;
use crate::error::Fault;
use crate::handles::Handles;
use crate::rows;
use crate::schema::ClassInfo;

/// Work in progress.
pub(crate) type Work<'a, T> = Pin<Box<dyn Future<Output = Result<T, Fault>> + Send + 'a>>;

/// The answer to a query.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Answer {
    /// The instances, with their keys even where the query did not select them.
    pub instances: Vec<Instance>,
    /// How many instances match regardless of `top` and `skip`, where the query asked for it.
    pub count: Option<u64>,
}

/// The answer of a method.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// `ReturnValue`.
    pub return_value: Value,
    /// The out parameters, in declaration order.
    pub out: Vec<(String, Value)>,
}

impl Outcome {
    /// Success without out parameters.
    pub(crate) fn success() -> Self {
        Self { return_value: Value::Integer(0), out: Vec::new() }
    }
}

/// Who calls, and on which class.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Call<'a> {
    pub(crate) site: &'a Site,
    pub(crate) actor: &'a Actor,
    /// What the call says of itself.
    pub(crate) context: &'a Context,
    /// What calls asked the provider to keep.
    pub(crate) handles: &'a Arc<Handles>,
    pub(crate) class: &'a ClassInfo,
}

/// A method call whose parameters have been checked: every one is there, in declaration order.
#[derive(Debug)]
pub(crate) struct Invocation<'a> {
    pub(crate) method: &'a str,
    pub(crate) path: Option<&'a ObjectPath>,
    pub(crate) parameters: &'a [(String, Value)],
}

impl Invocation<'_> {
    /// The text of a checked parameter; empty where null was given.
    pub(crate) fn text(&self, name: &str) -> &str {
        self.value(name).and_then(Value::as_str).unwrap_or("")
    }

    /// The texts of a checked array parameter.
    pub(crate) fn texts(&self, name: &str) -> Vec<&str> {
        match self.value(name) {
            Some(Value::Array(elements)) => elements.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        }
    }

    /// The numbers of a checked array parameter of 32 bits.
    pub(crate) fn numbers(&self, name: &str) -> Vec<i64> {
        match self.value(name) {
            Some(Value::Array(elements)) => {
                let number = |element: &Value| element.as_integer().and_then(|id| i64::try_from(id).ok());
                elements.iter().filter_map(number).collect()
            }
            _ => Vec::new(),
        }
    }

    /// The object of a checked parameter.
    pub(crate) fn object(&self, name: &str) -> Option<&Instance> {
        self.value(name).and_then(object)
    }

    /// The objects of a checked array parameter.
    pub(crate) fn objects(&self, name: &str) -> Vec<&Instance> {
        match self.value(name) {
            Some(Value::Array(elements)) => elements.iter().filter_map(object).collect(),
            _ => Vec::new(),
        }
    }

    /// The number of a checked parameter; 0 where null was given.
    pub(crate) fn number(&self, name: &str) -> i128 {
        self.value(name).and_then(Value::as_integer).unwrap_or(0)
    }

    /// The truth of a checked parameter; false where null was given.
    pub(crate) fn truth(&self, name: &str) -> bool {
        self.value(name).and_then(Value::as_bool).unwrap_or(false)
    }

    /// The time of a checked parameter.
    pub(crate) fn datetime(&self, name: &str) -> Option<&DateTime> {
        match self.value(name) {
            Some(Value::DateTime(at)) => Some(at),
            _ => None,
        }
    }

    /// The value of a checked parameter.
    pub(crate) fn value(&self, name: &str) -> Option<&Value> {
        self.parameters.iter().find(|(known, _)| known == name).map(|(_, value)| value)
    }
}

fn object(value: &Value) -> Option<&Instance> {
    match value {
        Value::Instance(object) => Some(object),
        _ => None,
    }
}

/// A property that a handler makes of others.
#[derive(Debug, Clone)]
pub(crate) struct Completed {
    /// The property.
    pub(crate) property: &'static str,
    /// The stored properties that it is made of; itself among them where it is stored in another form.
    pub(crate) of: Vec<&'static str>,
}

/// One class. Everything has been checked against the schema before it comes here: names are as declared,
/// values fit their types, read-only properties are absent, paths have exactly the class's keys. Except in
/// `get`, a path names an instance that was there a moment ago, with its keys as the site writes them.
pub(crate) trait ClassHandler: Send + Sync {
    /// The properties of a class that [`Self::complete`] makes. All else is read from the view of the class's name, and
    /// the database alone filters and sorts.
    fn completes(&self, class: &ClassInfo) -> Vec<Completed> {
        let _ = class;
        Vec::new()
    }

    /// Makes the properties of [`Self::completes`] that are there, while the instance passes: of what its row says and
    /// of nothing else.
    fn complete(&self, instance: &mut Instance) -> Result<(), Fault> {
        let _ = instance;
        Ok(())
    }

    /// What a list is sorted by where the client does not say; otherwise it is the keys.
    fn order(&self) -> Option<(&'static str, Direction)> {
        None
    }

    /// Reads one instance, lazy properties included.
    fn get<'a>(&'a self, call: Call<'a>, path: &'a ObjectPath) -> Work<'a, Instance> {
        Box::pin(async move {
            let found = rows::query(call, &by_keys(call.class, path)).await?.instances.into_iter().next();
            found.ok_or_else(|| Fault::NotFound { what: path.relative() })
        })
    }

    /// Whether a put of an instance that is there changes it. Otherwise it is refused as existing.
    fn put_changes(&self) -> bool {
        false
    }

    /// Whether the site derives what is read-only from the rest of a new instance. What a client says of it is
    /// then left aside, since clients send the whole object that a method gave them.
    fn derives_read_only(&self) -> bool {
        false
    }

    /// Properties that the schema lets clients write, though the site alone gives them their values.
    fn derived(&self) -> &'static [&'static str] {
        &[]
    }

    /// Whether a new instance may say anything of [`Self::derived`] properties: it is left aside.
    fn passes_over_derived(&self) -> bool {
        self.derives_read_only()
    }

    /// Makes an instance and returns its path.
    fn create<'a>(&'a self, call: Call<'a>, instance: Instance) -> Work<'a, ObjectPath> {
        drop(instance);
        refuse(call, "creating instances of")
    }

    /// Sets the given properties; the others stay.
    fn modify<'a>(&'a self, call: Call<'a>, path: &'a ObjectPath, change: Instance) -> Work<'a, ()> {
        let _ = path;
        drop(change);
        refuse(call, "changing instances of")
    }

    /// Deletes an instance.
    fn delete<'a>(&'a self, call: Call<'a>, path: &'a ObjectPath) -> Work<'a, ()> {
        let _ = path;
        refuse(call, "deleting instances of")
    }

    /// Calls a method that is not marked NotImplemented.
    fn invoke<'a>(&'a self, call: Call<'a>, invocation: Invocation<'a>) -> Work<'a, Outcome> {
        Box::pin(async move { Err(not_implemented(call, invocation.method)) })
    }
}

/// The honest answer for a method without an implementation.
pub(crate) fn not_implemented(call: Call<'_>, method: &str) -> Fault {
    Fault::NotImplemented { class: call.class.name.clone(), method: method.to_owned() }
}

/// The query for exactly the instance that a path names.
pub(crate) fn by_keys(class: &ClassInfo, path: &ObjectPath) -> Query {
    let equals = |(name, value): &(String, Value)| Expr::compare(name.as_str(), Operator::Eq, value.clone());
    Query { filter: Some(Expr::And(path.keys.iter().map(equals).collect())), ..Query::all(&class.name) }
}

fn refuse<'a, T: Send + 'a>(call: Call<'a>, what: &str) -> Work<'a, T> {
    let what = format!("{what} {}", call.class.name);
    Box::pin(async move { Err(Fault::NotSupported { what }) })
}
