//! Which line of the specification's table of faults a refusal is.

use provider::{Fault, Operation, ProviderError};
use site::SiteError;

use super::{BodyMistake, Feature, SelectorMistake, SizeLimit, WsmanFault};
use crate::names::action;

/// A line of the table of faults.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Line {
    /// `s:Sender` or `s:Receiver`; SOAP's own faults have codes of their own.
    pub(crate) code: &'static str,
    /// With the prefix that answers bind; SOAP's own faults have none.
    pub(crate) subcode: Option<&'static str>,
    /// The answer's action.
    pub(crate) action: &'static str,
    /// The end of the detail's URI.
    pub(crate) detail: Option<&'static str>,
    /// Windows' code: an HRESULT of WS-Management, or a Win32 code.
    pub(crate) number: u32,
}

const SENDER: &str = "s:Sender";
const RECEIVER: &str = "s:Receiver";

impl Line {
    const fn new(
        code: &'static str,
        subcode: &'static str,
        action: &'static str,
        detail: &'static str,
        number: u32,
    ) -> Self {
        let detail = if detail.is_empty() { None } else { Some(detail) };
        Self { code, subcode: Some(subcode), action, detail, number }
    }

    const fn soap(code: &'static str, number: u32) -> Self {
        Self { code, subcode: None, action: action::ADDRESSING_FAULT, detail: None, number }
    }

    const fn addressing(subcode: &'static str, detail: &'static str, number: u32) -> Self {
        Self::new(SENDER, subcode, action::ADDRESSING_FAULT, detail, number)
    }

    const fn wsman(subcode: &'static str, detail: &'static str, number: u32) -> Self {
        Self::new(SENDER, subcode, action::WSMAN_FAULT, detail, number)
    }

    const fn enumeration(subcode: &'static str, number: u32) -> Self {
        Self::new(SENDER, subcode, action::ENUMERATION_FAULT, "", number)
    }

    const fn receiver(self) -> Self {
        Self { code: RECEIVER, ..self }
    }
}

const UNREACHABLE: Line = Line::addressing("a:DestinationUnreachable", "", 0x8033_8000);
const INTERNAL_ERROR: Line = Line::wsman("w:InternalError", "", 0x8033_8003).receiver();
const UNAVAILABLE: Line = Line::addressing("a:EndpointUnavailable", "", 0x8033_8014).receiver();
const CANNOT_PROCESS_FILTER: Line = Line::enumeration("n:CannotProcessFilter", 0x8033_801A);
const TIMED_OUT: Line = Line::wsman("w:TimedOut", "", 0x8033_8029).receiver();

impl WsmanFault {
    /// The line of the table.
    pub(crate) fn line(&self) -> Line {
        match self {
            Self::VersionMismatch => Line::soap("s:VersionMismatch", 0x8033_800D),
            Self::MustUnderstand { .. } => Line::soap("s:MustUnderstand", 0x8033_8010),
            Self::HeaderRequired { .. } => {
                Line::addressing("a:MessageInformationHeaderRequired", "", 0x8033_8011)
            }
            Self::InvalidHeader { .. } => {
                Line::addressing("a:InvalidMessageInformationHeader", "", 0x8033_800F)
            }
            Self::ActionNotSupported { .. } => Line::addressing("a:ActionNotSupported", "", 0x8033_8013),
            Self::ActionMismatch { .. } => {
                Line::addressing("a:ActionNotSupported", "ActionMismatch", 0x8033_8031)
            }
            Self::InvalidResourceUri { .. } => {
                Line::addressing("a:DestinationUnreachable", "InvalidResourceURI", 0x8033_803B)
            }
            Self::QueryNeeded { .. } => {
                Line::addressing("a:DestinationUnreachable", "InvalidResourceURI", 0x8033_80FB)
            }
            Self::DestinationUnreachable { .. } => UNREACHABLE,
            Self::ClassNotFound { .. } => Line { number: 0x8033_81ED, ..UNREACHABLE },
            Self::NamespacesDiffer { .. } => Line { number: 0x8033_813B, ..INTERNAL_ERROR },
            Self::InvalidSelectors { kind, .. } => selectors(*kind),
            Self::ClassNameMissing => {
                Line { number: 0x8033_81F6, ..selectors(SelectorMistake::Insufficient) }
            }
            Self::InvalidOption { known: false, .. } => {
                Line::wsman("w:InvalidOptions", "NotSupported", 0x8033_8039)
            }
            Self::InvalidOption { .. } => Line::wsman("w:InvalidOptions", "InvalidValue", 0x8033_8039),
            Self::EncodingLimit { kind, .. } => size(*kind),
            Self::UnsupportedFeature { feature, .. } => unsupported(*feature),
            Self::SchemaValidation { kind, .. } => {
                Line::wsman("w:SchemaValidationError", body(*kind), 0x8033_8041)
            }
            Self::InvalidRepresentation { kind, .. } => {
                let action = action::TRANSFER_FAULT;
                Line::new(SENDER, "x:InvalidRepresentation", action, body(*kind), 0x8033_8015)
            }
            Self::FragmentDialect { .. } => Line::wsman("w:FragmentDialectNotSupported", "", 0x8033_8090),
            Self::CannotProcessFilter { .. } => CANNOT_PROCESS_FILTER,
            Self::FilterDialect { .. } => {
                Line::enumeration("n:FilterDialectRequestedUnavailable", 0x8033_8019)
            }
            Self::FilteringNotSupported => Line::enumeration("n:FilteringNotSupported", 0x8033_8018),
            Self::InvalidEnumerationContext => {
                Line::enumeration("n:InvalidEnumerationContext", 0x8033_801B).receiver()
            }
            Self::UnsupportedExpiration => Line::enumeration("n:UnsupportedExpirationType", 0x8033_811C),
            Self::PolymorphismMode { .. } => Line::wsman("b:PolymorphismModeNotSupported", "", 0x8033_8137),
            Self::TimedOut { .. } => TIMED_OUT,
            Self::QuotaLimit { .. } => Line::wsman("w:QuotaLimit", "", 0x8033_81A6),
            Self::Provider(error) => provider_line(error),
        }
    }
}

fn selectors(kind: SelectorMistake) -> Line {
    let (detail, number) = match kind {
        SelectorMistake::Insufficient => ("InsufficientSelectors", 0x8033_805A),
        SelectorMistake::Unexpected => ("UnexpectedSelectors", 0x8033_805B),
        SelectorMistake::TypeMismatch => ("TypeMismatch", 0x8033_805C),
        SelectorMistake::InvalidValue => ("InvalidValue", 0x8033_805D),
        SelectorMistake::Duplicate => ("DuplicateSelectors", 0x8033_805F),
    };
    Line::wsman("w:InvalidSelectors", detail, number)
}

fn size(kind: SizeLimit) -> Line {
    let (detail, number) = match kind {
        SizeLimit::MinimumEnvelope => ("MinimumEnvelopeLimit", 0x8033_807E),
        SizeLimit::EnvelopeExceeded => ("MaxEnvelopeSizeExceeded", 0x8033_8048),
        SizeLimit::Selectors => ("SelectorLimit", 0x8033_8035),
        SizeLimit::Options => ("OptionLimit", 0x8033_8035),
        SizeLimit::UnreportableSuccess => ("UnreportableSuccess", 0x8033_8035),
    };
    Line::wsman("w:EncodingLimit", detail, number)
}

fn unsupported(feature: Feature) -> Line {
    let (detail, number) = match feature {
        Feature::AddressingMode => ("AddressingMode", 0x8033_8042),
        Feature::Locale => ("Locale", 0x8033_8067),
        Feature::InvalidTimeout => ("InvalidTimeout", 0x8033_8081),
        Feature::EnumerationMode => ("EnumerationMode", 0x8033_8086),
        Feature::FragmentLevelAccess => ("FragmentLevelAccess", 0x8033_8077),
    };
    Line::wsman("w:UnsupportedFeature", detail, number)
}

fn body(kind: BodyMistake) -> &'static str {
    match kind {
        BodyMistake::Values => "InvalidValues",
        BodyMistake::Missing => "MissingValues",
        BodyMistake::Namespace => "InvalidNamespace",
        BodyMistake::Fragment => "InvalidFragment",
    }
}

/// The provider's refusals, by their WMI status. What is locked or was changed meanwhile shares one status with every
/// other failure, and is told apart first.
fn provider_line(error: &ProviderError) -> Line {
    let asks = error.operation == Operation::ExecQuery;
    let calls = error.operation == Operation::ExecMethod;
    match (&error.fault, error.hresult()) {
        (Fault::Stale { .. }, _) => CONCURRENCY,
        (
            Fault::Site(
                SiteError::EditionMismatch { .. }
                | SiteError::ObjectLocked { .. }
                | SiteError::PackageLocked { .. }
                | SiteError::PackageNotBelow { .. }
                | SiteError::LockNotHeld { .. },
            ),
            _,
        ) => CONCURRENCY,
        (_, 0x8004_1010 | 0x8004_1017 | 0x8004_1031 | 0x8004_1005 | 0x8004_103A) if asks => {
            CANNOT_PROCESS_FILTER
        }
        (_, 0x8004_1002 | 0x8004_100E | 0x8004_1010) => UNREACHABLE,
        (_, 0x8004_1003) => Line::wsman("w:AccessDenied", "", 5),
        (_, 0x8004_1005) if calls => Line::wsman("w:InvalidParameter", "TypeMismatch", 0x8033_803A),
        (_, 0x8004_1028 | 0x8004_1031 | 0x8004_103C) if calls => {
            Line::wsman("w:InvalidParameter", "", 0x8033_803A)
        }
        (_, 0x8004_1008 | 0x8004_102F) => Line::wsman("w:InvalidParameter", "", 0x8033_803A),
        (_, 0x8004_1028) => Line::wsman("w:SchemaValidationError", "MissingValues", 0x8033_8041),
        (_, 0x8004_1005 | 0x8004_1031 | 0x8004_103C) => {
            Line::wsman("w:SchemaValidationError", "InvalidValues", 0x8033_8041)
        }
        (_, 0x8004_1023) => {
            Line::new(SENDER, "x:InvalidRepresentation", action::TRANSFER_FAULT, "InvalidValues", 0x8033_8015)
        }
        (_, 0x8004_100C) => Line::wsman("w:UnsupportedFeature", "", 0x8033_8042),
        (_, 0x8004_1019) => Line::wsman("w:AlreadyExists", "", 0x8033_8033),
        (_, 0x8004_1055 | 0x8004_102E) => Line::addressing("a:ActionNotSupported", "", 0x8033_8013),
        (_, 0x8004_103A) => selectors(SelectorMistake::InvalidValue),
        (_, 0x8004_1033 | 0x8004_1045) => UNAVAILABLE,
        (_, 0x8004_106C) => Line::wsman("w:QuotaLimit", "", 0x8033_803F),
        _ => INTERNAL_ERROR,
    }
}

const CONCURRENCY: Line = Line::wsman("w:Concurrency", "", 0x8033_8032);

/// The code of the provider's part of a fault (`ERROR_WSMAN_WMI_*`).
pub(super) fn wmi_number(error: &ProviderError) -> u32 {
    match error.hresult() {
        0x8004_1003 => 0x8033_8105,
        0x8004_1005 | 0x8004_103C => 0x8033_8103,
        0x8004_1008 | 0x8004_102F => 0x8033_811E,
        0x8004_100C | 0x8004_1055 => 0x8033_8102,
        other => other,
    }
}

/// The text of a provider's refusal, with its WMI status: clients without a decoder for details look for it there.
pub(super) fn with_status(error: &ProviderError) -> String {
    let status = error.hresult();
    let text = error.to_string();
    let end = if text.ends_with('.') { "" } else { "." };
    match mnemonic(status) {
        Some(name) => format!("{text}{end} {name}, HRESULT 0x{status:08x}"),
        None => format!("{text}{end} HRESULT 0x{status:08x}"),
    }
}

fn mnemonic(status: u32) -> Option<&'static str> {
    MNEMONICS.iter().find(|(known, _)| *known == status).map(|(_, name)| *name)
}

/// Windows' names of the provider's statuses.
const MNEMONICS: [(u32, &str); 19] = [
    (0x8004_1001, "WBEM_E_FAILED"),
    (0x8004_1002, "WBEM_E_NOT_FOUND"),
    (0x8004_1003, "WBEM_E_ACCESS_DENIED"),
    (0x8004_1005, "WBEM_E_TYPE_MISMATCH"),
    (0x8004_1008, "WBEM_E_INVALID_PARAMETER"),
    (0x8004_100C, "WBEM_E_NOT_SUPPORTED"),
    (0x8004_1010, "WBEM_E_INVALID_CLASS"),
    (0x8004_1017, "WBEM_E_INVALID_QUERY"),
    (0x8004_1019, "WBEM_E_ALREADY_EXISTS"),
    (0x8004_1023, "WBEM_E_READ_ONLY"),
    (0x8004_1028, "WBEM_E_ILLEGAL_NULL"),
    (0x8004_102E, "WBEM_E_INVALID_METHOD"),
    (0x8004_102F, "WBEM_E_INVALID_METHOD_PARAMETERS"),
    (0x8004_1031, "WBEM_E_INVALID_PROPERTY"),
    (0x8004_1033, "WBEM_E_SHUTTING_DOWN"),
    (0x8004_103A, "WBEM_E_INVALID_OBJECT_PATH"),
    (0x8004_103C, "WBEM_E_VALUE_OUT_OF_RANGE"),
    (0x8004_1055, "WBEM_E_METHOD_NOT_IMPLEMENTED"),
    (0x8004_106C, "WBEM_E_QUOTA_VIOLATION"),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn check(fault: &WsmanFault, subcode: &str, detail: &str, decimal: u32) {
        let line = fault.line();
        assert_eq!(line.subcode.unwrap_or(line.code), subcode, "{fault}");
        assert_eq!(line.detail.unwrap_or(""), detail, "{fault}");
        assert_eq!(line.number, decimal, "{fault}");
    }

    #[test]
    fn faults_are_the_lines_of_the_table() {
        let text = || "x".to_owned();
        let selectors = |kind| WsmanFault::InvalidSelectors { kind, reason: text() };
        let size = |kind| WsmanFault::EncodingLimit { kind, reason: text() };
        let feature = |feature| WsmanFault::UnsupportedFeature { feature, reason: text() };
        check(&WsmanFault::VersionMismatch, "s:VersionMismatch", "", 2_150_858_765);
        check(
            &WsmanFault::HeaderRequired { header: "a:Action" },
            "a:MessageInformationHeaderRequired",
            "",
            2_150_858_769,
        );
        check(
            &WsmanFault::DestinationUnreachable { what: text() },
            "a:DestinationUnreachable",
            "",
            2_150_858_752,
        );
        check(
            &selectors(SelectorMistake::Insufficient),
            "w:InvalidSelectors",
            "InsufficientSelectors",
            2_150_858_842,
        );
        check(
            &selectors(SelectorMistake::Unexpected),
            "w:InvalidSelectors",
            "UnexpectedSelectors",
            2_150_858_843,
        );
        check(&selectors(SelectorMistake::TypeMismatch), "w:InvalidSelectors", "TypeMismatch", 2_150_858_844);
        check(
            &selectors(SelectorMistake::Duplicate),
            "w:InvalidSelectors",
            "DuplicateSelectors",
            2_150_858_847,
        );
        check(&size(SizeLimit::MinimumEnvelope), "w:EncodingLimit", "MinimumEnvelopeLimit", 2_150_858_878);
        check(
            &size(SizeLimit::EnvelopeExceeded),
            "w:EncodingLimit",
            "MaxEnvelopeSizeExceeded",
            2_150_858_824,
        );
        check(&feature(Feature::InvalidTimeout), "w:UnsupportedFeature", "InvalidTimeout", 2_150_858_881);
        check(&feature(Feature::AddressingMode), "w:UnsupportedFeature", "AddressingMode", 2_150_858_818);
        check(
            &WsmanFault::CannotProcessFilter { reason: text() },
            "n:CannotProcessFilter",
            "",
            2_150_858_778,
        );
        check(&WsmanFault::InvalidEnumerationContext, "n:InvalidEnumerationContext", "", 2_150_858_779);
        check(&WsmanFault::TimedOut { reason: "x" }, "w:TimedOut", "", 2_150_858_793);
    }

    #[test]
    fn refusals_of_the_provider_are_placed_by_their_status() {
        let text = || "x".to_owned();
        let refused = |operation, fault| WsmanFault::from(ProviderError { operation, object: text(), fault });
        let class = || Fault::InvalidClass { class: text() };
        let mistyped = || {
            let mismatch = cim::CimType::Uint32.fit(cim::Value::text("x")).unwrap_err();
            Fault::TypeMismatch { property: text(), mismatch }
        };
        for (operation, fault, subcode, detail, decimal) in [
            (Operation::GetObject, class(), "a:DestinationUnreachable", "", 2_150_858_752),
            (Operation::ExecQuery, class(), "n:CannotProcessFilter", "", 2_150_858_778),
            (
                Operation::ExecQuery,
                Fault::InvalidPath { reason: text() },
                "n:CannotProcessFilter",
                "",
                2_150_858_778,
            ),
            (
                Operation::ExecMethod,
                Fault::InvalidPath { reason: text() },
                "w:InvalidSelectors",
                "InvalidValue",
                2_150_858_845,
            ),
            (Operation::PutInstance, mistyped(), "w:SchemaValidationError", "InvalidValues", 2_150_858_817),
            (Operation::ExecMethod, mistyped(), "w:InvalidParameter", "TypeMismatch", 2_150_858_810),
            (Operation::PutInstance, Fault::Stale { what: text() }, "w:Concurrency", "", 2_150_858_802),
            (
                Operation::PutInstance,
                Fault::AlreadyExists { what: text() },
                "w:AlreadyExists",
                "",
                2_150_858_803,
            ),
            (
                Operation::PutInstance,
                Fault::ReadOnly { property: text() },
                "x:InvalidRepresentation",
                "InvalidValues",
                2_150_858_773,
            ),
            (
                Operation::DeleteInstance,
                Fault::NotSupported { what: text() },
                "w:UnsupportedFeature",
                "",
                2_150_858_818,
            ),
            (
                Operation::ExecMethod,
                Fault::NotImplemented { class: text(), method: text() },
                "a:ActionNotSupported",
                "",
                2_150_858_771,
            ),
            (
                Operation::GetObject,
                Fault::Site(SiteError::Stopped),
                "a:EndpointUnavailable",
                "",
                2_150_858_772,
            ),
            (
                Operation::PutInstance,
                Fault::Site(SiteError::NotInitialized),
                "w:InternalError",
                "",
                2_150_858_755,
            ),
        ] {
            check(&refused(operation, fault), subcode, detail, decimal);
        }
    }

    #[test]
    fn refusals_are_no_failures_of_the_service() {
        let site = |error| {
            let fault = Fault::Site(error);
            WsmanFault::from(ProviderError { operation: Operation::ExecMethod, object: String::new(), fault })
        };
        let broken = Box::new(std::io::Error::other("x"));
        assert!(site(SiteError::DiskFull(broken)).is_ours());
        // Both are w:InternalError.
        let refused = site(SiteError::AlreadyRunning);
        assert_eq!(refused.line(), INTERNAL_ERROR);
        assert!(!refused.is_ours());
    }

    #[test]
    fn texts_of_the_provider_carry_the_status() {
        let fault = Fault::NotFound { what: "SMS_X.Y=1".to_owned() };
        let error = ProviderError { operation: Operation::GetObject, object: String::new(), fault };
        let expect = "SMS_X.Y=1 does not exist. WBEM_E_NOT_FOUND, HRESULT 0x80041002";
        assert_eq!(WsmanFault::from(error).to_string(), expect);
    }
}
