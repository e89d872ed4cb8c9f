//! An answer as items, and as many of them as one envelope takes.

use std::collections::VecDeque;

use cim::Instance;
use cim::query::{Select, Selected};
use cim::wql::Statement;
use clock::Sleep;
use provider::{Caller, ClassInfo, Found, HeldAnswer, Provider, ProviderError, Schema};
use xml::Writer;

use super::request::{Asked, Enumerate, Mode, Polymorphism};
use crate::epr;
use crate::fault::{Feature, SizeLimit, WsmanFault};
use crate::instance::Shape;
use crate::metadata;

/// What one answer tells at most, in bytes, but for a single item that is longer: until it is told it waits in memory, also
/// where the client goes away meanwhile. About what clients take that say nothing.
const BATCH_BYTES_MAX: usize = 512 * 1024;

/// What one envelope takes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    pub(super) elements: usize,
    pub(super) bytes: usize,
}

/// Some items.
#[derive(Debug, Default)]
pub(super) struct Batch {
    /// One behind the other.
    pub(super) items: String,
    pub(super) count: usize,
    /// Whether nothing follows.
    pub(super) is_last: bool,
}

/// An answer whose items wait.
#[derive(Debug)]
pub(super) struct Answer {
    source: Source,
    /// Items that were read and not told.
    ready: VecDeque<String>,
    ready_bytes: usize,
    /// Nothing more is to be read.
    is_over: bool,
    /// What is told behind what is ready.
    failed: Option<ProviderError>,
}

/// Where items come from.
#[derive(Debug)]
pub(super) enum Source {
    /// From where they wait outside of memory.
    Held(HeldAnswer),
    Declarations(Declarations, std::vec::IntoIter<&'static ClassInfo>),
}

/// What a client gets of a class.
#[derive(Debug)]
pub(super) struct Declarations {
    provider: Provider,
    mode: Mode,
    shape: xml::class::Shape<'static>,
}

impl Answer {
    /// Asks the provider.
    pub(super) async fn to(
        provider: &Provider,
        caller: &Caller,
        asked: Enumerate,
    ) -> Result<Self, WsmanFault> {
        let Enumerate { asked, properties, mode, polymorphism, shape, declaration, .. } = asked;
        let declarations = |classes: Vec<&'static ClassInfo>| {
            let declarations = Declarations { provider: provider.clone(), mode, shape: declaration };
            Self::from(Source::Declarations(declarations, classes.into_iter()))
        };
        let statement = match asked {
            Asked::Declarations(classes) => return Ok(declarations(classes)),
            Asked::Statement(statement) => *statement,
        };
        let form = Form::of(&statement, properties, polymorphism, provider.schema());
        if mode != Mode::Objects && !has_references(&statement) {
            let reason =
                "rows of several classes, distinct rows and counts have no references; enumerate objects";
            let (feature, reason) = (Feature::EnumerationMode, reason.to_owned());
            return Err(WsmanFault::UnsupportedFeature { feature, reason });
        }
        match Box::pin(provider.statement(caller, statement)).await? {
            Found::Classes(classes) => Ok(declarations(classes)),
            Found::Instances(stream) => {
                let writer = ItemWriter { shape, mode, form };
                let written = move |instance| writer.item(instance).map(String::into_bytes);
                Ok(Self::from(Source::Held(provider.hold(caller, stream, written))))
            }
        }
    }

    /// What fits of what is there before the time is over. Dropping the future loses nothing.
    ///
    /// Errors: the next item alone does not fit, and stays; what the provider says once all items before are told.
    pub(super) async fn batch(&mut self, limits: Limits, mut time: Sleep<'_>) -> Result<Batch, WsmanFault> {
        // The item behind the last one that fits is looked for too: the client is to hear whether there is one.
        while !self.is_over
            && self.failed.is_none()
            && self.ready.len() <= limits.elements
            && self.ready_bytes <= limits.bytes.min(BATCH_BYTES_MAX)
        {
            tokio::select! {
                biased;
                next = self.source.next() => match next {
                    Some(Ok(item)) => {
                        self.ready_bytes += item.len();
                        self.ready.push_back(item);
                    }
                    Some(Err(error)) => self.failed = Some(error),
                    None => self.is_over = true,
                },
                () = &mut time => break,
            }
        }
        self.take(limits)
    }

    fn take(&mut self, limits: Limits) -> Result<Batch, WsmanFault> {
        let mut batch = Batch::default();
        while batch.count < limits.elements
            && let Some(item) = self.ready.pop_front_if(|item| {
                // The first one may be as long as the envelope.
                let most = if batch.count == 0 { limits.bytes } else { limits.bytes.min(BATCH_BYTES_MAX) };
                batch.items.len() + item.len() <= most
            })
        {
            self.ready_bytes -= item.len();
            batch.items.push_str(&item);
            batch.count += 1;
        }
        if batch.count == 0 {
            if let Some(item) = self.ready.front() {
                return Err(too_long(item.len(), limits.bytes));
            }
            if let Some(error) = self.failed.take() {
                return Err(error.into());
            }
        }
        batch.is_last = self.is_over && self.failed.is_none() && self.ready.is_empty();
        Ok(batch)
    }
}

fn too_long(bytes: usize, limit: usize) -> WsmanFault {
    WsmanFault::EncodingLimit {
        kind: SizeLimit::EnvelopeExceeded,
        reason: format!(
            "the next item has {bytes} bytes and the answer has room for {limit}; ask for larger envelopes"
        ),
    }
}

impl From<Source> for Answer {
    fn from(source: Source) -> Self {
        Self { source, ready: VecDeque::new(), ready_bytes: 0, is_over: false, failed: None }
    }
}

impl Source {
    async fn next(&mut self) -> Option<Result<String, ProviderError>> {
        match self {
            Self::Held(held) => {
                let item = held.next().await?;
                Some(item.map(|item| String::from_utf8(item).expect("items are written as text")))
            }
            Self::Declarations(declarations, classes) => Some(Ok(declarations.item(classes.next()?))),
        }
    }
}

impl Declarations {
    fn item(&self, class: &ClassInfo) -> String {
        let mut out = Writer::new();
        if self.mode == Mode::Both {
            out.open("w:Item", &[]);
        }
        if self.mode != Mode::References {
            xml::class::write(&mut out, self.provider.schema(), class, &self.shape);
        }
        if self.mode != Mode::Objects {
            metadata::write_reference(&mut out, &self.provider, class);
        }
        if self.mode == Mode::Both {
            out.close();
        }
        out.finish()
    }
}

/// What a client gets of an instance.
struct ItemWriter {
    shape: Shape,
    mode: Mode,
    form: Form,
}

enum Form {
    /// Whole, as an instance of its class.
    Whole,
    /// As one of the class that was asked for.
    As(&'static ClassInfo),
    /// Whole, and only where it is of exactly the class that was asked for.
    Only(&'static ClassInfo),
    /// Chosen properties of rows; none for all.
    Chosen(Option<Vec<String>>),
}

impl Form {
    fn of(
        statement: &Statement,
        properties: Option<Vec<String>>,
        polymorphism: Polymorphism,
        schema: &'static Schema,
    ) -> Self {
        if properties.is_some() {
            return Self::Chosen(properties);
        }
        let Statement::Select(query) = statement else { return Self::Whole };
        match (&query.select, polymorphism, schema.class(query.class())) {
            (Select::Count(_), ..) => Self::Chosen(None),
            (Select::Items(items), ..) => chosen(items, query.joins.is_empty()),
            (Select::All, _, Some(_)) if !query.joins.is_empty() => Self::Whole,
            (Select::All, Polymorphism::ExcludeSubclassProperties, Some(class)) => Self::As(class),
            (Select::All, Polymorphism::None, Some(class)) => Self::Only(class),
            (Select::All, ..) => Self::Whole,
        }
    }
}

/// Whether the items of an answer have keys.
fn has_references(statement: &Statement) -> bool {
    let Statement::Select(query) = statement else { return true };
    query.joins.is_empty()
        && match query.select {
            Select::All => true,
            Select::Items(_) => !query.distinct,
            Select::Count(_) => false,
        }
}

impl ItemWriter {
    fn item(&self, instance: Instance) -> Option<String> {
        if matches!(&self.form, Form::Only(class) if class.name != instance.class) {
            return None;
        }
        let mut out = Writer::new();
        match self.mode {
            Mode::Objects => self.object(&mut out, instance),
            Mode::References => self.reference(&mut out, &instance),
            Mode::Both => {
                out.open("w:Item", &[]);
                let mut reference = Writer::new();
                self.reference(&mut reference, &instance);
                self.object(&mut out, instance);
                let mut item = out.take();
                item.push_str(&reference.finish());
                item.push_str(&out.finish());
                return Some(item);
            }
        }
        Some(out.finish())
    }

    fn object(&self, out: &mut Writer, mut instance: Instance) {
        match &self.form {
            Form::Whole | Form::Only(_) => self.shape.write(out, &instance),
            Form::As(class) => self.shape.write_as(out, &instance, &class.name),
            Form::Chosen(names) => {
                if let Some(names) = names {
                    let is_chosen = |name: &str| names.iter().any(|chosen| chosen.eq_ignore_ascii_case(name));
                    instance.properties.retain(|(name, _)| is_chosen(name));
                }
                self.shape.write_fragment(out, &instance);
            }
        }
    }

    /// Names the instance's own class: clients change it by this reference.
    fn reference(&self, out: &mut Writer, instance: &Instance) {
        let provider = &self.shape.provider;
        if let Some(class) = provider.schema().class(&instance.class) {
            let path = provider.path(class, instance);
            epr::write(out, "a:EndpointReference", &self.shape.style, provider, &path);
        }
    }
}

/// What a select list shows: keys are read along, and not shown where they were not asked for.
fn chosen(items: &[Selected], is_of_one: bool) -> Form {
    let names = items.iter().map(|item| match item {
        Selected::Property(property) => Some(property.name.clone()),
        Selected::Source(_) => None,
    });
    match names.collect::<Option<Vec<_>>>() {
        Some(names) if is_of_one => Form::Chosen(Some(names)),
        None if is_of_one => Form::Whole,
        // Embedded instances hold what was chosen of each class.
        _ => Form::Chosen(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(answer: &mut Answer, bytes: usize) -> Batch {
        answer.take(Limits { elements: 100, bytes }).unwrap()
    }

    #[tokio::test]
    async fn an_answer_tells_some_hundred_kib_or_one_item_that_is_longer() {
        let stage = stage::Stage::new(stage::Stage::fixed_clock()).await;
        let none = Declarations {
            provider: stage.provider.clone(),
            mode: Mode::Objects,
            shape: metadata::DECLARATION,
        };
        let mut answer = Answer::from(Source::Declarations(none, Vec::new().into_iter()));
        answer.is_over = true;
        let large = "x".repeat(BATCH_BYTES_MAX / 2);
        for item in [large.repeat(3), large.clone(), large.clone(), large.clone(), "last".to_owned()] {
            answer.ready_bytes += item.len();
            answer.ready.push_back(item);
        }
        let most = 8 * 1024 * 1024;
        assert!(
            answer.take(Limits { elements: 100, bytes: BATCH_BYTES_MAX }).is_err(),
            "the item alone is longer"
        );
        let counts: Vec<_> =
            (0..3).map(|_| batch(&mut answer, most)).map(|one| (one.count, one.is_last)).collect();
        assert_eq!(counts, [(1, false), (2, false), (2, true)]);
        assert_eq!(answer.ready_bytes, 0);
    }
}
