//! Which of the few things is asked: the action, held against the resource.

use cim::{Instance, ObjectPath};
use provider::{ClassInfo, Provider};

use crate::enumeration::EnumerationRequest;
use crate::envelope::{Envelope, Fragment, Headers};
use crate::fault::{Feature, SelectorMistake, WsmanFault};
use crate::invoke::Invocation;
use crate::metadata;
use crate::names::action;
use crate::resource::Style;
use crate::transfer::{self, Change};

/// What a request asks for. Nothing in it is part of the envelope any more.
#[derive(Debug)]
pub(crate) enum Request {
    /// Get of an instance, or of a property of one.
    Get {
        /// The instance.
        path: ObjectPath,
        /// The property, where only one is asked for.
        fragment: Option<Fragment>,
    },
    /// Get of a class's declaration.
    Declare(&'static ClassInfo),
    /// Put: sets the properties that are given.
    Put {
        /// The instance.
        path: ObjectPath,
        /// The properties.
        change: Change,
        /// The property, where only one is given.
        fragment: Option<Fragment>,
    },
    /// Create.
    Create(Instance),
    /// Delete.
    Delete(ObjectPath),
    /// A call of a method.
    Invoke(Invocation),
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
        headers.refuse_fragment()?;
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
        let fragment = headers.fragment.clone();
        match headers.action.as_str() {
            action::GET => Ok(Self::Get { path: headers.path(provider)?, fragment }),
            action::PUT => {
                let path = headers.path(provider)?;
                let class = headers.resource.class(&headers.selectors, provider)?;
                let change = transfer::change(envelope.body(), headers, provider.schema(), class)?;
                Ok(Self::Put { path, change, fragment })
            }
            action::CREATE => {
                headers.refuse_keys()?;
                let class = headers.resource.class(&headers.selectors, provider)?;
                transfer::instance(envelope.body(), provider.schema(), class).map(Self::Create)
            }
            action::DELETE => Ok(Self::Delete(headers.path(provider)?)),
            _ => Invocation::read(envelope, headers, provider).map(Self::Invoke),
        }
    }

    /// Whether it can change anything.
    pub(crate) fn changes(&self, provider: &Provider) -> bool {
        match self {
            Self::Put { .. } | Self::Create(_) | Self::Delete(_) => true,
            Self::Invoke(call) => !call.only_asks(provider),
            Self::Get { .. } | Self::Declare(_) | Self::Enumeration(_) => false,
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

    /// Refuses a part of an instance where the whole would be meant without it: who names one property must not lose all
    /// (MS-WSMV 3.1.4.1.18).
    fn refuse_fragment(&self) -> Result<(), WsmanFault> {
        let has_parts = matches!(self.action.as_str(), action::GET | action::PUT)
            && self.resource.style != Style::Declaration;
        if self.fragment.is_none() || has_parts {
            return Ok(());
        }
        Err(WsmanFault::UnsupportedFeature {
            feature: Feature::FragmentLevelAccess,
            reason: "the header w:FragmentTransfer: only Get and Put of an instance take a part of it"
                .to_owned(),
        })
    }

    /// Refuses selectors that name an instance, where a class is meant.
    fn refuse_keys(&self) -> Result<(), WsmanFault> {
        match self.selectors.iter().find(|selector| !selector.is_namespace()) {
            None => Ok(()),
            Some(key) => Err(WsmanFault::InvalidSelectors {
                kind: SelectorMistake::Unexpected,
                reason: format!(
                    "{} names an instance, and one is to be made; put it into the body",
                    key.name
                ),
            }),
        }
    }
}
