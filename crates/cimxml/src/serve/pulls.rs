//! Enumerations in pieces: opened, pulled, closed.

use std::time::Duration;

use cim::query::Query;
use cim::wql::Statement;
use provider::Found;
use xml::Writer;

use super::lists::{check_language, named, shape_of_list, write_with_path};
use super::{Answer, Exchange, Service};
use crate::contexts::{Enumeration, Kind, OPERATION_TIMEOUT, OPERATION_TIMEOUT_MAX, Pulled, Waiting};
use crate::encode::Shape;
use crate::listing::{Listing, Source, WriteElement};
use crate::message::Parameters;
use crate::path;
use crate::status::{CimStatus, OperationError};

/// What every operation that opens an enumeration takes.
struct Opening {
    /// At most this many elements in the first answer.
    count: u32,
    idle_max: Duration,
}

impl Opening {
    fn read(given: &Parameters) -> Result<Self, OperationError> {
        if given.flag("ContinueOnError", false)? {
            let reason = "an enumeration ends with its first error; leave ContinueOnError out";
            return Err(OperationError::new(CimStatus::ContinuationOnErrorNotSupported, reason));
        }
        let idle_max = match given.number("OperationTimeout")? {
            None => OPERATION_TIMEOUT,
            Some(seconds) => {
                let asked = Duration::from_secs(seconds.into());
                let most = OPERATION_TIMEOUT_MAX.as_secs();
                let reason =
                    format!("OperationTimeout is 1 to {most} seconds; no enumeration waits for ever");
                let refused = || OperationError::new(CimStatus::InvalidOperationTimeout, reason);
                Some(asked)
                    .filter(|asked| !asked.is_zero() && *asked <= OPERATION_TIMEOUT_MAX)
                    .ok_or_else(refused)?
            }
        };
        Ok(Self { count: given.number("MaxObjectCount")?.unwrap_or(0), idle_max })
    }
}

impl Service {
    /// Looked at before anything is asked of the provider.
    fn opening(&self, exchange: &Exchange<'_>, given: &Parameters) -> Result<Opening, OperationError> {
        let opening = Opening::read(given)?;
        self.contexts.has_room(&exchange.caller.actor)?;
        Ok(opening)
    }

    pub(super) async fn open_enumerate(
        &self,
        exchange: &Exchange<'_>,
        given: &Parameters,
        kind: Kind,
    ) -> Result<Answer, OperationError> {
        let opening = self.opening(exchange, given)?;
        let class = exchange.class(given.needed_class("ClassName")?)?;
        let filter = self.filter(exchange, given, &class.name)?;
        let only_names = kind == Kind::Paths;
        let shape = if only_names { Shape::default() } else { shape_of_list(class, given)? };
        let source = self.instances_of(exchange, class, &shape, only_names, filter).await?;
        self.open(exchange, &opening, kind, source, shape)
    }

    /// `FilterQuery`: a query on the class, of which the conditions count. The language that DSP0212 defines for filters
    /// is not WQL and is refused.
    fn filter(
        &self,
        exchange: &Exchange<'_>,
        given: &Parameters,
        class: &str,
    ) -> Result<Option<Query>, OperationError> {
        let Some(language) = given.text("FilterQueryLanguage")? else {
            return match given.text("FilterQuery")? {
                None => Ok(None),
                Some(_) => Err(OperationError::parameter("FilterQuery needs FilterQueryLanguage")),
            };
        };
        check_language(language)?;
        if exchange.space.is_interop {
            return Err(no_filter("the interop namespace has no filters"));
        }
        let Statement::Select(query) =
            self.statement(exchange, given, "FilterQueryLanguage", "FilterQuery")?
        else {
            return Err(OperationError::new(CimStatus::InvalidQuery, "a filter is a SELECT"));
        };
        if !query.joins.is_empty() || query.distinct || !query.class().eq_ignore_ascii_case(class) {
            let reason = format!("a filter is a query on {class} alone: SELECT * FROM {class} WHERE ...");
            return Err(OperationError::new(CimStatus::InvalidQuery, reason));
        }
        Ok(Some(query))
    }

    pub(super) async fn open_query(
        &self,
        exchange: &Exchange<'_>,
        given: &Parameters,
    ) -> Result<Answer, OperationError> {
        let opening = self.opening(exchange, given)?;
        if given.flag("ReturnQueryResultClass", false)? {
            return Err(OperationError::unsupported(
                "no class describes the result; leave ReturnQueryResultClass out",
            ));
        }
        let statement = self.statement(exchange, given, "FilterQueryLanguage", "FilterQuery")?;
        let Found::Instances(instances) = self.answered(exchange, statement).await? else {
            return Err(OperationError::unsupported("classes are not pulled; ask with ExecQuery"));
        };
        self.open(exchange, &opening, Kind::Instances, instances.into(), Shape::default())
    }

    /// Opens an enumeration over associated objects; filters on them are refused.
    pub(super) fn open_filterless(
        &self,
        exchange: &Exchange<'_>,
        given: &Parameters,
        kind: Kind,
        source: Source,
        shape: Shape,
    ) -> Result<Answer, OperationError> {
        let opening = self.opening(exchange, given)?;
        if given.text("FilterQueryLanguage")?.is_some() || given.text("FilterQuery")?.is_some() {
            return Err(no_filter(
                "associated instances are not filtered; use AssocClass, ResultClass and roles",
            ));
        }
        self.open(exchange, &opening, kind, source, shape)
    }

    fn open(
        &self,
        exchange: &Exchange<'_>,
        opening: &Opening,
        kind: Kind,
        source: Source,
        shape: Shape,
    ) -> Result<Answer, OperationError> {
        let (encoder, server, space) =
            (exchange.encoder, self.provider.server().to_owned(), exchange.space.name.clone());
        let write: WriteElement = Box::new(move |writer, instance| match kind {
            Kind::InstancesWithPath => write_with_path(writer, encoder, (&server, &space), instance, &shape),
            Kind::Instances => encoder.instance(writer, instance, &shape),
            Kind::Paths => {
                let (class, path) = named(encoder, instance);
                path::write_path(writer, class, &server, &space, &path);
            }
        });
        let waiting = Waiting::read(&self.provider, &exchange.caller, source, write);
        let enumeration = Enumeration::new(&exchange.space.name, kind, waiting);
        let pulled = self.contexts.open(&exchange.caller.actor, opening.idle_max, enumeration)?;
        Ok(portion(exchange, pulled, opening.count))
    }

    pub(super) fn pull(
        &self,
        exchange: &Exchange<'_>,
        given: &Parameters,
        kind: Kind,
    ) -> Result<Answer, OperationError> {
        let id = context_id(given)?;
        let missing = || OperationError::parameter("the parameter MaxObjectCount is missing");
        let count = given.number("MaxObjectCount")?.ok_or_else(missing)?;
        let pulled = self.contexts.pull(&exchange.caller.actor, id, &exchange.space.name, kind)?;
        Ok(portion(exchange, pulled, count))
    }

    pub(super) fn close(
        &self,
        exchange: &Exchange<'_>,
        given: &Parameters,
    ) -> Result<Answer, OperationError> {
        let id = context_id(given)?;
        self.contexts.close(&exchange.caller.actor, id, &exchange.space.name)?;
        Ok(exchange.void())
    }
}

fn portion(exchange: &Exchange<'_>, pulled: Pulled, count: u32) -> Answer {
    Answer::Listing(Listing::pulled(exchange.returning(), Portion { pulled, left: count }))
}

fn no_filter(reason: &str) -> OperationError {
    OperationError::new(CimStatus::FilteredEnumerationNotSupported, reason)
}

fn context_id(given: &Parameters) -> Result<&str, OperationError> {
    let missing = || OperationError::parameter("the parameter EnumerationContext is missing");
    given.text("EnumerationContext")?.ok_or_else(missing)
}

/// The part of an enumeration that one answer holds.
pub(crate) struct Portion {
    pulled: Pulled,
    /// How many elements may still be written.
    left: u32,
}

impl Portion {
    /// The next element of this answer.
    pub(crate) async fn next(&mut self) -> Option<Result<String, OperationError>> {
        self.left = self.left.checked_sub(1)?;
        let element = self.pulled.next().await?;
        Some(element.map(|bytes| String::from_utf8(bytes).expect("elements are put in as text")))
    }

    /// Says behind the elements whether there are more, and keeps the enumeration if so.
    pub(crate) async fn end(self, writer: &mut Writer) {
        let more = self.pulled.end().await;
        // IRETURNVALUE
        writer.close();
        writer.open("PARAMVALUE", &[("NAME", "EnumerationContext"), ("PARAMTYPE", "string")]);
        writer.leaf("VALUE", &[], more.as_deref().unwrap_or(""));
        writer.close();
        writer.open("PARAMVALUE", &[("NAME", "EndOfSequence"), ("PARAMTYPE", "boolean")]);
        writer.leaf("VALUE", &[], if more.is_some() { "FALSE" } else { "TRUE" });
        writer.close();
    }
}
