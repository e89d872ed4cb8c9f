//! Which of the few things is asked: the action, held against the resource.

use cim::ObjectPath;
use provider::{ClassInfo, Provider};

use crate::enumeration::EnumerationRequest;
use crate::envelope::{Envelope, Headers};
use crate::fault::WsmanFault;
use crate::metadata;
use crate::names::action;
use crate::resource::Style;

/// What a request asks for. Nothing in it is part of the envelope any more.
#[derive(Debug)]
pub(crate) enum Request {
    /// Get of a class's declaration.
    Declare(&'static ClassInfo),
    /// Delete.
    Delete(ObjectPath),
    /// Enumerate, Pull or Release.
    Enumeration(EnumerationRequest),
}

impl Request {
    /// Reads what an envelope asks for.
    pub(crate) fn read(
        envelope: &Envelope<'_>,
        headers: &Headers,
        provider: &Provider,
    ) -> Result<Self, WsmanFault> {
        if matches!(headers.action.as_str(), action::ENUMERATE | action::PULL | action::RELEASE) {
            return EnumerationRequest::read(envelope, headers, provider).map(Self::Enumeration);
        }
        if headers.resource.style == Style::Declaration {
            return match headers.action.as_str() {
                action::GET => metadata::class(headers, provider).map(Self::Declare),
                _ => Err(headers.unsupported("declarations of classes are only read")),
            };
        }
        if headers.resource.class.is_none() {
            return Err(headers.unsupported("all classes together are only enumerated"));
        }
        match headers.action.as_str() {
            action::DELETE => Ok(Self::Delete(headers.path(provider)?)),
            _ => Err(headers.unsupported("it is not known")),
        }
    }

    /// Whether it can change anything.
    pub(crate) fn changes(&self) -> bool {
        match self {
            Self::Delete(_) => true,
            Self::Declare(_) | Self::Enumeration(_) => false,
        }
    }
}

impl Headers {
    /// The instance that is meant.
    fn path(&self, provider: &Provider) -> Result<ObjectPath, WsmanFault> {
        self.resource.path(&self.selectors, provider)
    }

    /// The refusal of an action for a resource.
    pub(crate) fn unsupported(&self, reason: &'static str) -> WsmanFault {
        WsmanFault::ActionNotSupported { action: self.action.clone(), reason }
    }
}
