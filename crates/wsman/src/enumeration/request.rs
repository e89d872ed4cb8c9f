//! The bodies of Enumerate, Pull and Release.

use std::time::Duration;

use cim::DateTime;
use cim::wql::Statement;
use provider::{ClassInfo, Provider};
use xml::{Element, Node};

use super::filter;
use crate::envelope::{Envelope, Headers};
use crate::fault::{BodyMistake, Feature, WsmanFault};
use crate::instance::Shape;
use crate::metadata;
use crate::names::{CIM_BINDING, ENUMERATION, WSMAN, action};
use crate::resource::Style;

/// The most items of one answer, as on Windows.
const ELEMENTS_MAX: usize = 32_000;
/// Items of an answer where the request names no number.
const ELEMENTS_DEFAULT: usize = 1;
const DAY_S: u64 = 24 * 60 * 60;

/// What is asked for.
#[derive(Debug)]
pub(crate) enum EnumerationRequest {
    /// A question.
    Enumerate(Box<Enumerate>),
    /// A piece of its answer.
    Pull(Pull),
    /// No more of it, by its context.
    Release(String),
}

/// A question.
#[derive(Debug)]
pub(crate) struct Enumerate {
    pub(super) asked: Asked,
    /// The properties that are shown, where the filter names them.
    pub(super) properties: Option<Vec<String>>,
    pub(super) mode: Mode,
    pub(super) polymorphism: Polymorphism,
    /// How many items the answer may have at once; none if only a context is wanted.
    pub(super) first_elements: Option<usize>,
    pub(super) shape: Shape,
    /// How declarations look.
    pub(super) declaration: xml::class::Shape<'static>,
}

/// What is enumerated.
#[derive(Debug)]
pub(super) enum Asked {
    /// What the provider answers.
    Statement(Box<Statement>),
    /// The declarations of classes.
    Declarations(Vec<&'static ClassInfo>),
}

/// A piece of an answer.
#[derive(Debug)]
pub(crate) struct Pull {
    pub(super) context: String,
    pub(super) elements: usize,
    pub(super) characters: Option<usize>,
    pub(super) time: Option<Duration>,
}

/// What the items are (DSP0226 8.7).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    Objects,
    References,
    Both,
}

/// What is shown of instances of subclasses (DSP0227 8.4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Polymorphism {
    IncludeSubclassProperties,
    ExcludeSubclassProperties,
    None,
}

impl EnumerationRequest {
    /// Reads what an envelope asks for. Elements that are not known say nothing.
    pub(crate) fn read(
        envelope: &Envelope<'_>,
        headers: &Headers,
        provider: &Provider,
    ) -> Result<Self, WsmanFault> {
        let body = |name: &'static str| {
            let found = envelope.body().filter(|body| body.is(ENUMERATION, name));
            found.ok_or_else(|| missing(format!("the body is to be an n:{name}")))
        };
        match headers.action.as_str() {
            action::ENUMERATE => {
                let asked = Enumerate::read(body("Enumerate")?, headers, provider)?;
                Ok(Self::Enumerate(Box::new(asked)))
            }
            action::PULL => Pull::read(body("Pull")?).map(Self::Pull),
            _ => context(body("Release")?).map(Self::Release),
        }
    }
}

impl Enumerate {
    fn read(body: Node<'_, '_>, headers: &Headers, provider: &Provider) -> Result<Self, WsmanFault> {
        if body.child(ENUMERATION, "EndTo").is_some() {
            let reason = "n:EndTo: nobody is told that an enumeration ends; leave it out".to_owned();
            return Err(WsmanFault::UnsupportedFeature { feature: Feature::AddressingMode, reason });
        }
        if body.child(ENUMERATION, "Expires").is_some() {
            return Err(WsmanFault::UnsupportedExpiration);
        }
        let mut properties = None;
        let asked = match headers.resource.style {
            Style::Declaration if body.child(WSMAN, "Filter").is_some() => {
                return Err(WsmanFault::FilteringNotSupported);
            }
            Style::Declaration => Asked::Declarations(metadata::classes(headers, provider)?),
            _ => {
                let filtered = filter::read(body, headers, provider)?;
                properties = filtered.properties;
                Asked::Statement(Box::new(filtered.statement))
            }
        };
        let elements = elements(body)?;
        let optimized = body.child(WSMAN, "OptimizeEnumeration").is_some();
        Ok(Self {
            asked,
            properties,
            mode: mode(body)?,
            polymorphism: polymorphism(body)?,
            first_elements: optimized.then_some(elements),
            shape: Shape::of(headers, provider),
            declaration: metadata::shape(headers),
        })
    }
}

impl Pull {
    fn read(body: Node<'_, '_>) -> Result<Self, WsmanFault> {
        let characters = body.child(ENUMERATION, "MaxCharacters");
        let time = body.child(ENUMERATION, "MaxTime");
        Ok(Self {
            context: context(body)?,
            elements: elements(body)?,
            characters: characters.map(|node| number(node, "n:MaxCharacters")).transpose()?,
            time: time.map(duration).transpose()?,
        })
    }
}

fn context(body: Node<'_, '_>) -> Result<String, WsmanFault> {
    let context = body.child(ENUMERATION, "EnumerationContext");
    let context = context.ok_or_else(|| missing("n:EnumerationContext is missing".to_owned()))?;
    Ok(context.text_of().trim().to_owned())
}

/// Enumerate has it in one namespace and Pull in the other; clients mix them up.
fn elements(body: Node<'_, '_>) -> Result<usize, WsmanFault> {
    let named = [WSMAN, ENUMERATION].into_iter().find_map(|namespace| body.child(namespace, "MaxElements"));
    let named = named.map(|node| number(node, "MaxElements")).transpose()?;
    Ok(named.map_or(ELEMENTS_DEFAULT, |named| named.min(ELEMENTS_MAX)))
}

fn number(node: Node<'_, '_>, name: &str) -> Result<usize, WsmanFault> {
    let text = node.text_of();
    let digits = text.trim();
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    // A number that no machine word holds is more than there ever is.
    let number = is_number.then(|| digits.parse().unwrap_or(usize::MAX)).filter(|number| *number > 0);
    number.ok_or_else(|| wrong(format!("{name}: a number above 0 is needed")))
}

fn duration(node: Node<'_, '_>) -> Result<Duration, WsmanFault> {
    match DateTime::parse_any(node.text_of().trim()) {
        Ok(DateTime::Interval { days, rest_us }) => {
            Ok(Duration::from_secs(u64::from(days) * DAY_S) + Duration::from_micros(rest_us))
        }
        _ => Err(wrong("n:MaxTime: a duration like PT20S is needed".to_owned())),
    }
}

fn mode(body: Node<'_, '_>) -> Result<Mode, WsmanFault> {
    let Some(named) = body.child(WSMAN, "EnumerationMode") else { return Ok(Mode::Objects) };
    match named.text_of().trim() {
        "EnumerateObject" | "" => Ok(Mode::Objects),
        "EnumerateEPR" => Ok(Mode::References),
        "EnumerateObjectAndEPR" => Ok(Mode::Both),
        other => Err(WsmanFault::UnsupportedFeature {
            feature: Feature::EnumerationMode,
            reason: format!("the enumeration mode {other} is not known"),
        }),
    }
}

fn polymorphism(body: Node<'_, '_>) -> Result<Polymorphism, WsmanFault> {
    let Some(named) = body.child(CIM_BINDING, "PolymorphismMode") else {
        return Ok(Polymorphism::IncludeSubclassProperties);
    };
    match named.text_of().trim() {
        "IncludeSubClassProperties" => Ok(Polymorphism::IncludeSubclassProperties),
        "ExcludeSubClassProperties" => Ok(Polymorphism::ExcludeSubclassProperties),
        "None" => Ok(Polymorphism::None),
        other => Err(WsmanFault::PolymorphismMode { mode: other.to_owned() }),
    }
}

fn missing(reason: String) -> WsmanFault {
    WsmanFault::SchemaValidation { kind: BodyMistake::Missing, reason }
}

fn wrong(reason: String) -> WsmanFault {
    WsmanFault::SchemaValidation { kind: BodyMistake::Values, reason }
}
