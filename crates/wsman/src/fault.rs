//! Every refusal as a SOAP fault: the subcode that the specification gives it, and Windows' decimal code, by which its
//! clients tell faults apart (DSP0226 chapter 14, MS-WSMV 2.2.9).

mod line;
mod write;

use provider::ProviderError;

/// Why a request was refused: one variant for each thing that a caller can act on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WsmanFault {
    /// The envelope is of another version of SOAP.
    #[error("the envelope is of SOAP 1.1; send SOAP 1.2")]
    VersionMismatch,
    /// A header must be understood and is not.
    #[error("the header {name} of the namespace {namespace} is not understood")]
    MustUnderstand {
        /// The header's namespace.
        namespace: String,
        /// The header's name.
        name: String,
    },
    /// A header is missing.
    #[error("the header {header} is missing")]
    HeaderRequired {
        /// The header, with the usual prefix.
        header: &'static str,
    },
    /// A header's value is wrong.
    #[error("the header {header}: {reason}")]
    InvalidHeader {
        /// The header, with the usual prefix.
        header: &'static str,
        /// What is wrong and what is needed.
        reason: String,
    },
    /// The action means nothing, or not for this resource.
    #[error("the action {action} is not supported here: {reason}")]
    ActionNotSupported {
        /// As the client wrote it.
        action: String,
        /// Why not.
        reason: &'static str,
    },
    /// The action names another class than the resource URI.
    #[error("the action {action} is not one of the resource {resource}")]
    ActionMismatch {
        /// As the client wrote it.
        action: String,
        /// As the client wrote it.
        resource: String,
    },
    /// The resource URI is of no known form.
    #[error("the resource URI {uri} is not understood: {reason}")]
    InvalidResourceUri {
        /// As the client wrote it.
        uri: String,
        /// What is needed.
        reason: &'static str,
    },
    /// All classes are to be enumerated, and no filter says which.
    #[error("the resource URI {uri} means all classes; name one, or send a query in WQL")]
    QueryNeeded {
        /// As the client wrote it.
        uri: String,
    },
    /// A class, a namespace or an instance is not there.
    #[error("there is no {what}")]
    DestinationUnreachable {
        /// What was asked for.
        what: String,
    },
    /// Two places of the request name different namespaces.
    #[error("the resource URI names the namespace {uri} and the selector __cimnamespace names {selector}")]
    NamespacesDiffer {
        /// In the URI.
        uri: String,
        /// In the selector.
        selector: String,
    },
    /// The selectors do not name an instance.
    #[error("selectors: {reason}")]
    InvalidSelectors {
        /// What kind of mistake.
        kind: SelectorMistake,
        /// What is wrong and what is needed.
        reason: String,
    },
    /// An option is wrong.
    #[error("the option {name}: {reason}")]
    InvalidOption {
        /// The option.
        name: String,
        /// Whether it is known at all.
        known: bool,
        /// What is wrong and what is needed.
        reason: String,
    },
    /// A size is out of what one side takes.
    #[error("{reason}")]
    EncodingLimit {
        /// Which size.
        kind: SizeLimit,
        /// The size, the limit and what helps.
        reason: String,
    },
    /// Something that the specification knows and this service does not do.
    #[error("{reason}")]
    UnsupportedFeature {
        /// Which feature.
        feature: Feature,
        /// What is not done, and what is instead.
        reason: String,
    },
    /// The body does not fit the operation's schema.
    #[error("the body is not valid: {reason}")]
    SchemaValidation {
        /// What kind of mistake.
        kind: BodyMistake,
        /// What is wrong and what is needed.
        reason: String,
    },
    /// The instance in the body cannot be written.
    #[error("the instance in the body is not valid: {reason}")]
    InvalidRepresentation {
        /// What kind of mistake.
        kind: BodyMistake,
        /// What is wrong and what is needed.
        reason: String,
    },
    /// A fragment is asked for in a language that is not understood.
    #[error(
        "the fragment dialect {dialect} is not supported; name a property, with the XPath dialect or none"
    )]
    FragmentDialect {
        /// As the client wrote it.
        dialect: String,
    },
    /// A filter cannot be answered.
    #[error("the filter is not valid: {reason}")]
    CannotProcessFilter {
        /// What is wrong.
        reason: String,
    },
    /// A filter is in a language that is not understood.
    #[error("the filter dialect {dialect} is not supported")]
    FilterDialect {
        /// As the client wrote it.
        dialect: String,
    },
    /// This resource takes no filter.
    #[error("this resource takes no filter")]
    FilteringNotSupported,
    /// The enumeration is not there, any more or for this user.
    #[error("there is no such enumeration; it is at its end, was released or has expired")]
    InvalidEnumerationContext,
    /// Enumerations have no expiration that clients choose.
    #[error("expirations cannot be chosen; an enumeration lives while it is pulled from")]
    UnsupportedExpiration,
    /// The mode of subclasses is not known.
    #[error("the polymorphism mode {mode} is not supported")]
    PolymorphismMode {
        /// As the client wrote it.
        mode: String,
    },
    /// The operation took longer than its caller allows.
    #[error("{reason}")]
    TimedOut {
        /// What goes on nevertheless, and what to do.
        reason: &'static str,
    },
    /// Too much goes on at once.
    #[error("{reason}")]
    QuotaLimit {
        /// The limit and what helps.
        reason: String,
    },
    /// The request asks for the declaration of no class by name.
    #[error("the selector ClassName is missing; it names the class whose declaration is asked for")]
    ClassNameMissing,
    /// The class whose declaration is asked for is not there.
    #[error("there is no class {class}")]
    ClassNotFound {
        /// As the client wrote it.
        class: String,
    },
    /// The provider refused or failed.
    #[error("{}", line::with_status(.0))]
    Provider(Box<ProviderError>),
}

/// The mistakes that selectors can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SelectorMistake {
    /// A key is missing.
    Insufficient,
    /// A name is no key.
    Unexpected,
    /// A value has the wrong type.
    TypeMismatch,
    /// A value names nothing.
    InvalidValue,
    /// A name occurs twice.
    Duplicate,
}

/// The sizes that can be wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SizeLimit {
    /// The client takes less than the least that every client must take.
    MinimumEnvelope,
    /// The answer is longer than the client takes.
    EnvelopeExceeded,
    /// Too many selectors.
    Selectors,
    /// Too many options.
    Options,
    /// The operation was done and its answer is too long to be told.
    UnreportableSuccess,
}

/// What the specification knows and this service does not do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Feature {
    /// Answers to other places than the request's connection.
    AddressingMode,
    /// A language.
    Locale,
    /// A timeout that cannot be read.
    InvalidTimeout,
    /// A mode of enumeration.
    EnumerationMode,
    /// Part of an instance, where only the whole can be meant.
    FragmentLevelAccess,
}

/// The mistakes that bodies can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BodyMistake {
    /// A value is wrong.
    Values,
    /// A value is missing.
    Missing,
    /// An element is of another namespace or class.
    Namespace,
    /// A fragment is not of the resource.
    Fragment,
}

impl WsmanFault {
    /// Whether it is a failure of this side, which belongs into the log; a refusal is none.
    pub(crate) fn is_ours(&self) -> bool {
        matches!(self, Self::Provider(error) if error.is_ours())
    }
}

impl From<ProviderError> for WsmanFault {
    fn from(error: ProviderError) -> Self {
        Self::Provider(Box::new(error))
    }
}
