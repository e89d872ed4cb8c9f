//! The headers of a request, by the rules of DSP0226 chapters 5 and 6: what is known is read or passed over, what must
//! be understood and is not is refused.

use std::time::Duration;

use cim::DateTime;
use xml::{Element, Node};

use super::MESSAGE_ID_BYTES_MAX;
use crate::fault::{Feature, SizeLimit, WsmanFault};
use crate::names::{ADDRESSING, ANONYMOUS, IDENTITY, IDENTITY_MISPRINT, MICROSOFT, SOAP, WSMAN, XML};
use crate::resource::{ResourceUri, Selector};

/// The least that a client must take, in bytes (DSP0226 rule R6.2-3).
pub(crate) const ENVELOPE_BYTES_MIN: usize = 8 * 1024;
/// The longest answer where a request names no size, in bytes: what Windows' own clients take.
pub(crate) const ENVELOPE_BYTES_DEFAULT: usize = 500 * 1024;
/// The longest answer whatever a request names, in bytes.
pub(crate) const ENVELOPE_BYTES_MAX: usize = 8 * 1024 * 1024;
/// How long an operation may take where a request names no time: what Windows grants.
pub(crate) const OPERATION_TIME_DEFAULT: Duration = Duration::from_secs(60);
/// How long an operation may take whatever a request names; below the time after which the listener thinks that nothing
/// moves any more.
pub(crate) const OPERATION_TIME_MAX: Duration = Duration::from_secs(120);
/// The most options of one request: one for each property that a client has changed, and some.
const OPTIONS_MAX: usize = 512;
/// The longest name or path in a header, in characters.
const NAME_CHARS_MAX: usize = 2048;

/// What the headers say.
#[derive(Debug, Clone)]
pub(crate) struct Headers {
    /// `a:Action`.
    pub(crate) action: String,
    /// `w:ResourceURI`.
    pub(crate) resource: ResourceUri,
    /// `w:SelectorSet`, with those of the URI; names occur once.
    pub(crate) selectors: Vec<Selector>,
    /// `w:OptionSet`.
    pub(crate) options: Vec<RequestOption>,
    /// `a:MessageID`, as it came.
    pub(crate) message_id: String,
    /// `w:MaxEnvelopeSize`: how many bytes an answer may have.
    pub(crate) max_envelope_bytes: usize,
    /// `w:OperationTimeout`, or what stands for it.
    pub(crate) timeout: Duration,
    /// `w:Locale`: a language tag.
    pub(crate) locale: Option<String>,
    /// `w:FragmentTransfer`.
    pub(crate) fragment: Option<Fragment>,
}

/// One option.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RequestOption {
    /// The name, with the prefix that says what it is for.
    pub(crate) name: String,
    /// The value; none where it is nil.
    pub(crate) value: Option<String>,
    /// Whether the request is to fail where the option is not known.
    pub(crate) must_comply: bool,
}

/// The part of an instance that is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fragment {
    /// The dialect, where one is named.
    pub(crate) dialect: Option<String>,
    /// What the header has.
    pub(crate) path: String,
}

/// Headers of WS-Addressing that are known; what is not read says nothing to this service.
const KNOWN_ADDRESSING: [&str; 7] = ["To", "From", "ReplyTo", "FaultTo", "Action", "MessageID", "RelatesTo"];
/// Headers of WS-Management that are known.
const KNOWN_WSMAN: [&str; 9] = [
    "ResourceURI",
    "MaxEnvelopeSize",
    "Locale",
    "OperationTimeout",
    "SelectorSet",
    "OptionSet",
    "FragmentTransfer",
    "RequestTotalItemsCountEstimate",
    "RequestEPR",
];
/// Microsoft's headers that are known; all may be passed over (MS-WSMV 2.2.4).
const KNOWN_MICROSOFT: [&str; 5] = ["DataLocale", "SessionId", "OperationID", "SequenceId", "ActivityId"];

/// Reads the headers of an envelope. `message_id` is theirs, where it can be sent back.
pub(super) fn read(header: Option<Node<'_, '_>>, message_id: Option<&str>) -> Result<Headers, WsmanFault> {
    let header = header.ok_or(WsmanFault::HeaderRequired { header: "a:Action" })?;
    understood(header)?;
    let action = required(header, ADDRESSING, "Action", "a:Action")?;
    let message_id = message_id.map(str::to_owned).ok_or_else(|| bad_message_id(header))?;
    anonymous(header, "ReplyTo", "a:ReplyTo")?;
    anonymous(header, "FaultTo", "a:FaultTo")?;
    let uri = required(header, WSMAN, "ResourceURI", "w:ResourceURI")?;
    let (resource, mut selectors) = ResourceUri::parse(&uri)?;
    if let Some(set) = header.child(WSMAN, "SelectorSet") {
        selectors.extend(Selector::read_set(set)?);
    }
    Selector::check(&selectors)?;
    Ok(Headers {
        action,
        resource,
        selectors,
        options: options(header)?,
        message_id,
        max_envelope_bytes: max_envelope_bytes(header)?,
        timeout: timeout(header)?,
        locale: locale(header)?,
        fragment: fragment(header)?,
    })
}

/// Refuses the first header that must be understood and is not.
fn understood(header: Node<'_, '_>) -> Result<(), WsmanFault> {
    for block in header.elements() {
        let (namespace, name) = (block.tag_name().namespace().unwrap_or(""), block.tag_name().name());
        let known = match namespace {
            ADDRESSING => KNOWN_ADDRESSING.contains(&name),
            WSMAN => KNOWN_WSMAN.contains(&name),
            MICROSOFT => KNOWN_MICROSOFT.contains(&name),
            IDENTITY | IDENTITY_MISPRINT => true,
            _ => false,
        };
        if !known && must_understand(block) {
            let (namespace, name) = (namespace.to_owned(), name.to_owned());
            return Err(WsmanFault::MustUnderstand { namespace, name });
        }
    }
    Ok(())
}

fn must_understand(block: Node<'_, '_>) -> bool {
    block.attribute((SOAP, "mustUnderstand")).is_some_and(is_true)
}

/// `true` and `1`, as XML Schema writes booleans.
fn is_true(text: &str) -> bool {
    matches!(text.trim(), "true" | "1")
}

/// The text of a header that must be there, once.
fn required(
    header: Node<'_, '_>,
    namespace: &str,
    name: &str,
    shown: &'static str,
) -> Result<String, WsmanFault> {
    let mut found = header.elements_named(namespace, name);
    let first = found.next().ok_or(WsmanFault::HeaderRequired { header: shown })?;
    let invalid = |reason: &str| WsmanFault::InvalidHeader { header: shown, reason: reason.to_owned() };
    if found.next().is_some() {
        return Err(invalid("it is there twice"));
    }
    let text = first.text_of();
    match text.trim() {
        "" => Err(invalid("it is empty")),
        text if text.chars().count() <= NAME_CHARS_MAX => Ok(text.to_owned()),
        _ => Err(invalid(&format!("at most {NAME_CHARS_MAX} characters are read"))),
    }
}

fn bad_message_id(header: Node<'_, '_>) -> WsmanFault {
    match header.child(ADDRESSING, "MessageID") {
        None => WsmanFault::HeaderRequired { header: "a:MessageID" },
        Some(_) => {
            let reason = format!("a text of 1 to {MESSAGE_ID_BYTES_MAX} bytes is needed");
            WsmanFault::InvalidHeader { header: "a:MessageID", reason }
        }
    }
}

/// Answers go where the request came from and nowhere else.
fn anonymous(header: Node<'_, '_>, name: &str, shown: &'static str) -> Result<(), WsmanFault> {
    let Some(endpoint) = header.child(ADDRESSING, name) else { return Ok(()) };
    let address = endpoint.child(ADDRESSING, "Address");
    let Some(address) = address.map(|address| address.text_of()) else {
        return Err(WsmanFault::InvalidHeader { header: shown, reason: "a:Address is missing".to_owned() });
    };
    if address.trim() == ANONYMOUS {
        return Ok(());
    }
    let reason = format!("{shown}: answers are sent on the connection of the request only; name {ANONYMOUS}");
    Err(WsmanFault::UnsupportedFeature { feature: Feature::AddressingMode, reason })
}

fn max_envelope_bytes(header: Node<'_, '_>) -> Result<usize, WsmanFault> {
    let Some(named) = header.child(WSMAN, "MaxEnvelopeSize") else { return Ok(ENVELOPE_BYTES_DEFAULT) };
    let text = named.text_of();
    let text = text.trim();
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits {
        let reason = "a number of bytes is needed".to_owned();
        return Err(WsmanFault::InvalidHeader { header: "w:MaxEnvelopeSize", reason });
    }
    // A number that no machine word holds is more than is ever sent.
    let bytes = text.parse().unwrap_or(usize::MAX);
    if bytes < ENVELOPE_BYTES_MIN {
        let reason = format!("MaxEnvelopeSize is {bytes} bytes; {ENVELOPE_BYTES_MIN} are the least");
        return Err(WsmanFault::EncodingLimit { kind: SizeLimit::MinimumEnvelope, reason });
    }
    Ok(bytes.min(ENVELOPE_BYTES_MAX))
}

fn timeout(header: Node<'_, '_>) -> Result<Duration, WsmanFault> {
    let Some(named) = header.child(WSMAN, "OperationTimeout") else { return Ok(OPERATION_TIME_DEFAULT) };
    let invalid = || WsmanFault::UnsupportedFeature {
        feature: Feature::InvalidTimeout,
        reason: "the header w:OperationTimeout: a duration like PT60.000S is needed".to_owned(),
    };
    let text = named.text_of();
    let text = text.trim();
    match DateTime::parse_any(text) {
        Ok(DateTime::Interval { days, rest_us }) if text.starts_with('P') => {
            let time = Duration::from_secs(u64::from(days) * 86_400) + Duration::from_micros(rest_us);
            Ok(time.min(OPERATION_TIME_MAX))
        }
        _ => Err(invalid()),
    }
}

/// The language that is asked for. Texts are English whatever it is, so another must not be insisted on.
fn locale(header: Node<'_, '_>) -> Result<Option<String>, WsmanFault> {
    let Some(named) = header.child(WSMAN, "Locale") else { return Ok(None) };
    let Some(tag) = named.attribute((XML, "lang")).map(str::trim) else { return Ok(None) };
    let english = tag.get(..2).is_some_and(|language| language.eq_ignore_ascii_case("en"));
    if must_understand(named) && !english {
        let reason = format!("the language {tag} is not spoken here; texts are in English");
        return Err(WsmanFault::UnsupportedFeature { feature: Feature::Locale, reason });
    }
    Ok(Some(tag.to_owned()))
}

fn options(header: Node<'_, '_>) -> Result<Vec<RequestOption>, WsmanFault> {
    let Some(set) = header.child(WSMAN, "OptionSet") else { return Ok(Vec::new()) };
    let mut options = Vec::new();
    for option in set.elements_named(WSMAN, "Option") {
        let Some(name) = option.attr("Name") else {
            let reason = "an option has no attribute Name".to_owned();
            return Err(WsmanFault::InvalidHeader { header: "w:OptionSet", reason });
        };
        if options.len() == OPTIONS_MAX {
            let reason = format!("a request has at most {OPTIONS_MAX} options");
            return Err(WsmanFault::EncodingLimit { kind: SizeLimit::Options, reason });
        }
        let nil = option.attribute((crate::names::XSI, "nil")).is_some_and(is_true);
        options.push(RequestOption {
            name: name.trim().to_owned(),
            value: (!nil).then(|| option.text_of().into_owned()),
            must_comply: option.attr("MustComply").is_some_and(is_true),
        });
    }
    Ok(options)
}

fn fragment(header: Node<'_, '_>) -> Result<Option<Fragment>, WsmanFault> {
    let Some(named) = header.child(WSMAN, "FragmentTransfer") else { return Ok(None) };
    let path = named.text_of();
    let path = path.trim();
    if path.is_empty() || path.chars().count() > NAME_CHARS_MAX {
        let reason = "the name of a property is needed".to_owned();
        return Err(WsmanFault::InvalidHeader { header: "w:FragmentTransfer", reason });
    }
    Ok(Some(Fragment { dialect: named.attr("Dialect").map(str::to_owned), path: path.to_owned() }))
}

#[cfg(test)]
mod tests {
    use super::super::Envelope;
    use super::*;
    use crate::names::action;
    use crate::resource::SELECTORS_MAX;

    const URI: &str = "http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/SMS_DriverPackage";

    fn with(more: &str) -> String {
        format!(
            "<s:Envelope xmlns:s='{SOAP}' xmlns:a='{ADDRESSING}' xmlns:w='{WSMAN}' xmlns:p='{MICROSOFT}'>\
             <s:Header><a:Action>{}</a:Action><a:MessageID>uuid:1</a:MessageID>\
             <w:ResourceURI>{URI}</w:ResourceURI>{more}</s:Header><s:Body/></s:Envelope>",
            action::GET
        )
    }

    fn read_text(text: &str) -> Result<Headers, WsmanFault> {
        Envelope::parse(text).unwrap().headers()
    }

    fn refused(more: &str) -> String {
        let line = read_text(&with(more)).unwrap_err().line();
        [line.subcode.unwrap_or(line.code), line.detail.unwrap_or("")].join(" ")
    }

    #[test]
    fn what_is_not_there_has_a_default() {
        let headers = read_text(&with("")).unwrap();
        assert_eq!(headers.action, action::GET);
        assert_eq!(headers.message_id, "uuid:1");
        assert_eq!(headers.resource.class.as_deref(), Some("SMS_DriverPackage"));
        assert_eq!(headers.max_envelope_bytes, ENVELOPE_BYTES_DEFAULT);
        assert_eq!(headers.timeout, OPERATION_TIME_DEFAULT);
        assert_eq!((headers.locale, headers.fragment), (None, None));
        assert!(headers.selectors.is_empty() && headers.options.is_empty());
    }

    #[test]
    fn sizes_and_times_are_read_and_bounded() {
        for (text, expect) in [
            ("8192", Ok(8192)),
            (" 512000 ", Ok(512_000)),
            ("99999999999999999999999999", Ok(ENVELOPE_BYTES_MAX)),
            ("8191", Err("w:EncodingLimit MinimumEnvelopeLimit")),
            ("0", Err("w:EncodingLimit MinimumEnvelopeLimit")),
            ("-1", Err("a:InvalidMessageInformationHeader ")),
            ("many", Err("a:InvalidMessageInformationHeader ")),
            ("", Err("a:InvalidMessageInformationHeader ")),
        ] {
            let more = format!("<w:MaxEnvelopeSize s:mustUnderstand='true'>{text}</w:MaxEnvelopeSize>");
            let got = read_text(&with(&more)).map(|headers| headers.max_envelope_bytes);
            assert_eq!(got.map_err(|_| refused(&more)), expect.map_err(str::to_owned), "{text}");
        }
        for (text, expect_s) in [
            ("PT60.000S", Some(60)),
            ("PT20S", Some(20)),
            ("PT1M30S", Some(90)),
            ("PT1M", Some(60)),
            ("P1D", Some(OPERATION_TIME_MAX.as_secs())),
            ("60", None),
            ("PT", None),
            ("-PT60S", None),
            ("00000000000100.000000:000", None),
            ("", None),
        ] {
            let more = format!("<w:OperationTimeout>{text}</w:OperationTimeout>");
            let got = read_text(&with(&more)).ok().map(|headers| headers.timeout.as_secs());
            assert_eq!(got, expect_s, "{text}");
            if expect_s.is_none() {
                assert_eq!(refused(&more), "w:UnsupportedFeature InvalidTimeout", "{text}");
            }
        }
    }

    #[test]
    fn what_must_be_understood_and_is_not_is_refused() {
        for (more, expect) in [
            ("<x:Y xmlns:x='urn:x' s:mustUnderstand='true'/>", false),
            ("<x:Y xmlns:x='urn:x' s:mustUnderstand='1'/>", false),
            ("<x:Y xmlns:x='urn:x' s:mustUnderstand='false'/>", true),
            ("<x:Y xmlns:x='urn:x' s:mustUnderstand='0'/>", true),
            ("<x:Y xmlns:x='urn:x'/>", true),
            ("<x:Y xmlns:x='urn:x' mustUnderstand='true'/>", true),
            ("<w:OptionSet s:mustUnderstand='true'/>", true),
            ("<w:OptionSet s:mustUnderstand='1'/>", true),
            ("<w:Unheard s:mustUnderstand='true'/>", false),
            ("<p:SessionId s:mustUnderstand='true'>uuid:1</p:SessionId>", true),
            ("<a:To s:mustUnderstand='true'>HTTP://HOST/wsman/</a:To>", true),
            ("<Action s:mustUnderstand='true'>x</Action>", false),
        ] {
            let got = read_text(&with(more));
            assert_eq!(got.is_ok(), expect, "{more}");
            if !expect {
                assert!(matches!(got, Err(WsmanFault::MustUnderstand { .. })), "{more}");
            }
        }
    }

    #[test]
    fn answers_go_back_only() {
        let to = |name: &str, address: &str| format!("<a:{name}><a:Address>{address}</a:Address></a:{name}>");
        assert!(read_text(&with(&to("ReplyTo", ANONYMOUS))).is_ok());
        assert!(read_text(&with(&to("FaultTo", &format!(" {ANONYMOUS} ")))).is_ok());
        assert_eq!(
            refused(&to("ReplyTo", "http://evil.example.test/")),
            "w:UnsupportedFeature AddressingMode"
        );
        assert_eq!(
            refused(&to("FaultTo", "http://evil.example.test/")),
            "w:UnsupportedFeature AddressingMode"
        );
        assert_eq!(refused("<a:ReplyTo/>"), "a:InvalidMessageInformationHeader ");
    }

    #[test]
    fn languages_that_are_insisted_on_must_be_english() {
        let locale =
            |tag: &str, must: &str| format!("<w:Locale xml:lang='{tag}' s:mustUnderstand='{must}'/>");
        assert_eq!(read_text(&with(&locale("de-DE", "false"))).unwrap().locale.as_deref(), Some("de-DE"));
        assert_eq!(read_text(&with(&locale("en-us", "true"))).unwrap().locale.as_deref(), Some("en-us"));
        assert_eq!(refused(&locale("de-DE", "true")), "w:UnsupportedFeature Locale");
    }

    #[test]
    fn headers_that_are_needed_are_asked_for() {
        let whole = with("");
        for (cut, expect) in [
            (format!("<a:Action>{}</a:Action>", action::GET), "a:MessageInformationHeaderRequired"),
            ("<a:MessageID>uuid:1</a:MessageID>".to_owned(), "a:MessageInformationHeaderRequired"),
            (format!("<w:ResourceURI>{URI}</w:ResourceURI>"), "a:MessageInformationHeaderRequired"),
        ] {
            let missing = read_text(&whole.replace(&cut, "")).unwrap_err();
            assert_eq!(missing.line().subcode, Some(expect), "{cut}");
            let twice = read_text(&whole.replace(&cut, &format!("{cut}{cut}")));
            assert_eq!(twice.is_err(), !cut.contains("MessageID"), "{cut}");
        }
        let empty = whole.replace("uuid:1", "");
        assert_eq!(read_text(&empty).unwrap_err().line().subcode, Some("a:InvalidMessageInformationHeader"));
    }

    #[test]
    fn options_and_selectors_are_bounded() {
        let option = "<w:Option Name='wmi:ApplicationName' Type='xs:string'>x</w:Option>";
        let set = |count: usize| format!("<w:OptionSet>{}</w:OptionSet>", option.repeat(count));
        assert_eq!(read_text(&with(&set(OPTIONS_MAX))).unwrap().options.len(), OPTIONS_MAX);
        assert_eq!(refused(&set(OPTIONS_MAX + 1)), "w:EncodingLimit OptionLimit");
        let selectors = |count: usize| {
            let all: String = (0..count).map(|n| format!("<w:Selector Name='k{n}'>1</w:Selector>")).collect();
            format!("<w:SelectorSet>{all}</w:SelectorSet>")
        };
        assert_eq!(read_text(&with(&selectors(SELECTORS_MAX))).unwrap().selectors.len(), SELECTORS_MAX);
        assert_eq!(refused(&selectors(SELECTORS_MAX + 1)), "w:EncodingLimit SelectorLimit");
    }
}
