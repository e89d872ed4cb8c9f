//! Lists: of a class, and of a query.

use cim::query::{Query, Select};
use cim::wql::{self, Statement};
use cim::{Instance, ObjectPath, Value};
use provider::{ClassInfo, Fault, Found, ProviderError};
use xml::Writer;

use super::{Answer, Exchange, Service};
use crate::encode::{Encoder, PropertyList, Shape};
use crate::listing::{Listing, Source, WriteElement};
use crate::message::Parameters;
use crate::path;
use crate::status::{CimStatus, OperationError};

/// The query languages that mean WQL.
const WQL: [&str; 2] = ["WQL", "WMI:WQL"];

impl Service {
    /// EnumerateInstances, EnumerateInstanceNames.
    pub(super) async fn enumerate(
        &self,
        exchange: &Exchange<'_>,
        given: &Parameters,
        only_names: bool,
    ) -> Result<Answer, OperationError> {
        let class = exchange.class(given.needed_class("ClassName")?)?;
        let shape = if only_names { Shape::default() } else { shape_of_list(class, given)? };
        let source = self.instances_of(exchange, class, &shape, only_names, None).await?;
        let encoder = exchange.encoder;
        let element: WriteElement = Box::new(move |writer, instance| {
            let (class, path) = named(encoder, instance);
            if only_names {
                return path::write_name(writer, class, &path);
            }
            writer.open("VALUE.NAMEDINSTANCE", &[]);
            path::write_name(writer, class, &path);
            encoder.instance(writer, instance, &shape);
            writer.close();
        });
        Ok(Answer::Listing(Listing::new(exchange.returning(), source, element)))
    }

    /// The instances of a class and of those below it, with what `shape` shows and their keys.
    pub(super) async fn instances_of(
        &self,
        exchange: &Exchange<'_>,
        class: &'static ClassInfo,
        shape: &Shape,
        only_keys: bool,
        filter: Option<Query>,
    ) -> Result<Source, OperationError> {
        if exchange.space.is_interop {
            return Ok(Source::held(self.interop(class)));
        }
        if !class.is_queryable() {
            return nothing_of(exchange, class);
        }
        let filtered = filter.unwrap_or_else(|| Query::all(&class.name));
        let query = Query { select: select(class, shape, only_keys), ..filtered };
        let answered = self.provider.query_stream(&exchange.caller, query).await;
        Ok(answered.map_err(|error| has_no_list(class, error))?.into())
    }

    pub(super) async fn exec_query(
        &self,
        exchange: &Exchange<'_>,
        given: &Parameters,
    ) -> Result<Answer, OperationError> {
        let statement = self.statement(exchange, given, "QueryLanguage", "Query")?;
        let source = match self.answered(exchange, statement).await? {
            Found::Instances(instances) => Source::from(instances),
            Found::Classes(classes) => return Ok(exchange.class_definitions(&classes)),
        };
        let (encoder, server, space) =
            (exchange.encoder, self.provider.server().to_owned(), exchange.space.name.clone());
        let element: WriteElement = Box::new(move |writer, instance| {
            let Some((class, path)) = complete_name(encoder, instance) else {
                writer.open("VALUE.OBJECT", &[]);
                encoder.instance(writer, instance, &Shape::default());
                return writer.close();
            };
            writer.open("VALUE.OBJECTWITHPATH", &[]);
            path::write_path(writer, class, &server, &space, &path);
            encoder.instance(writer, instance, &Shape::default());
            writer.close();
        });
        Ok(Answer::Listing(Listing::new(exchange.returning(), source, element)))
    }

    /// A statement of the parameters of that name, on classes of the namespace.
    pub(super) fn statement(
        &self,
        exchange: &Exchange<'_>,
        given: &Parameters,
        language: &str,
        query: &str,
    ) -> Result<Statement, OperationError> {
        check_language(given.text(language)?.unwrap_or(""))?;
        let missing = || OperationError::parameter(format!("the parameter {query} is missing"));
        let text = given.text(query)?.ok_or_else(missing)?;
        let invalid = |error: wql::WqlError| OperationError::new(CimStatus::InvalidQuery, error.to_string());
        let statement = wql::parse_statement(text).map_err(invalid)?;
        match &statement {
            Statement::Select(query) => {
                query.sources().try_for_each(|source| exchange.class(&source.class).map(drop))
            }
            Statement::Associators(asked) => exchange.class(&asked.path.class).map(drop),
            Statement::References(asked) => exchange.class(&asked.path.class).map(drop),
        }?;
        Ok(statement)
    }

    pub(super) async fn answered(
        &self,
        exchange: &Exchange<'_>,
        statement: Statement,
    ) -> Result<Found, OperationError> {
        if exchange.space.is_interop {
            return Err(OperationError::unsupported(
                "the interop namespace answers no queries; enumerate its classes",
            ));
        }
        Ok(self.provider.statement(&exchange.caller, statement).await?)
    }
}

/// Errors: a query language other than WQL.
pub(super) fn check_language(language: &str) -> Result<(), OperationError> {
    match WQL.iter().any(|known| known.eq_ignore_ascii_case(language.trim())) {
        true => Ok(()),
        false => Err(OperationError::new(CimStatus::QueryLanguageNotSupported, "the query language is WQL")),
    }
}

/// What the parameters of an enumeration show of its instances.
pub(super) fn shape_of_list(class: &'static ClassInfo, given: &Parameters) -> Result<Shape, OperationError> {
    Ok(Shape {
        class_origin: given.flag("IncludeClassOrigin", false)?,
        properties: given.texts("PropertyList")?.map(PropertyList::new),
        only_of: (!given.flag("DeepInheritance", true)?).then_some(class),
    })
}

/// What has to be read: names that the class does not have are passed over (DSP0200, 5.4.2.3).
fn select(class: &ClassInfo, shape: &Shape, only_keys: bool) -> Select {
    let keys = || class.keys().into_iter().map(|key| key.name.clone());
    if only_keys {
        return Select::properties(keys());
    }
    match &shape.properties {
        // Subclasses may have listed properties that the class does not have.
        Some(listed) if listed.names.iter().all(|name| class.property(name).is_some()) => {
            Select::properties(keys().chain(listed.names.iter().cloned()))
        }
        _ => Select::All,
    }
}

/// Classes whose instances nobody can ask for have none, unless subclasses do.
fn nothing_of(exchange: &Exchange<'_>, class: &ClassInfo) -> Result<Source, OperationError> {
    let has_below = exchange.space.classes().any(|below| below.is_a(&class.name) && below.is_queryable());
    match has_below {
        true => Err(unlisted(class)),
        false => Ok(Source::held(Vec::new())),
    }
}

fn unlisted(class: &ClassInfo) -> OperationError {
    OperationError::unsupported(format!(
        "{} has no list of its own; ask for one of its subclasses",
        class.name
    ))
}

fn has_no_list(class: &ClassInfo, error: ProviderError) -> OperationError {
    match error.fault {
        Fault::InvalidClass { .. } => unlisted(class),
        _ => error.into(),
    }
}

/// The class and the name of an instance of the schema.
pub(super) fn named(encoder: Encoder, instance: &Instance) -> (&'static ClassInfo, ObjectPath) {
    let class = encoder.schema.class(&instance.class).expect("the provider returns its own classes");
    let key = |name: &str| (name.to_owned(), instance.get(name).cloned().unwrap_or(Value::Null));
    (class, ObjectPath::new(&class.name, class.keys().into_iter().map(|property| key(&property.name))))
}

/// The same of a row, where it is an instance with all its keys.
pub(super) fn complete_name(
    encoder: Encoder,
    instance: &Instance,
) -> Option<(&'static ClassInfo, ObjectPath)> {
    let class = encoder.schema.class(&instance.class)?;
    let has_value = |name: &str| instance.get(name).is_some_and(|value| !value.is_null());
    let keys = class.keys();
    (!keys.is_empty() && keys.iter().all(|key| has_value(&key.name))).then(|| named(encoder, instance))
}

/// Writes VALUE.INSTANCEWITHPATH.
pub(super) fn write_with_path(
    writer: &mut Writer,
    encoder: Encoder,
    (server, space): (&str, &str),
    instance: &Instance,
    shape: &Shape,
) {
    let (class, path) = named(encoder, instance);
    writer.open("VALUE.INSTANCEWITHPATH", &[]);
    path::write_path(writer, class, server, space, &path);
    encoder.instance(writer, instance, shape);
    writer.close();
}
