//! The envelope of a request: which headers it has, and its body.

mod headers;
#[cfg(test)]
mod mutations;

use std::borrow::Cow;

use xml::{Document, Element, Node, XmlError};

use crate::fault::WsmanFault;
use crate::names::{ADDRESSING, IDENTITY, IDENTITY_MISPRINT, SOAP, SOAP_1_1};
pub(crate) use headers::{Fragment, Headers, RequestOption};

/// Reads a text as the envelope of a request with its headers, as the service does before it looks what is asked. For the
/// fuzz target, and for who wants to know what is wrong with a request.
///
/// Errors: what is wrong with it.
pub fn check(text: &str) -> Result<(), String> {
    let envelope = Envelope::parse(text).map_err(|error| error.to_string())?;
    envelope.headers().map(drop).map_err(|fault| fault.to_string())
}

/// The longest message id that is read and sent back, in bytes.
const MESSAGE_ID_BYTES_MAX: usize = 2048;

/// A request's envelope, parsed.
#[derive(Debug)]
pub(crate) struct Envelope<'a> {
    document: Document<'a>,
}

/// Why a text is no envelope; such a request is answered by HTTP alone.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NoEnvelope {
    /// It is no XML, or more than is read.
    #[error(transparent)]
    Xml(#[from] XmlError),
    /// It is XML and no envelope.
    #[error("the body is not a SOAP envelope")]
    Other,
}

impl<'a> Envelope<'a> {
    /// Parses a text.
    pub(crate) fn parse(text: &'a str) -> Result<Self, NoEnvelope> {
        let document = xml::parse(text)?;
        let root = document.root_element().tag_name();
        let soap = matches!(root.namespace(), Some(SOAP | SOAP_1_1));
        if root.name() != "Envelope" || !soap {
            return Err(NoEnvelope::Other);
        }
        Ok(Self { document })
    }

    /// Reads the headers.
    pub(crate) fn headers(&self) -> Result<Headers, WsmanFault> {
        if self.root().tag_name().namespace() == Some(SOAP_1_1) {
            return Err(WsmanFault::VersionMismatch);
        }
        headers::read(self.part("Header"), self.message_id().as_deref())
    }

    /// The message id, to be sent back as it came: also with a fault about the other headers.
    pub(crate) fn message_id(&self) -> Option<Cow<'_, str>> {
        let id = self.part("Header")?.child(ADDRESSING, "MessageID")?.text_of();
        (id.len() <= MESSAGE_ID_BYTES_MAX && !id.trim().is_empty()).then_some(id)
    }

    /// The first element of the body, where there is one.
    pub(crate) fn body(&self) -> Option<Node<'_, 'a>> {
        self.part("Body")?.first_element_child()
    }

    /// Whether the request is Identify, which has no headers that say so.
    pub(crate) fn is_identify(&self) -> bool {
        self.body().is_some_and(|body| {
            let asks = body.is(IDENTITY, "Identify") || body.is(IDENTITY_MISPRINT, "Identify");
            asks && self.root().is(SOAP, "Envelope")
        })
    }

    fn root(&self) -> Node<'_, 'a> {
        self.document.root_element()
    }

    fn part(&self, name: &str) -> Option<Node<'_, 'a>> {
        let namespace = self.root().tag_name().namespace()?;
        self.root().child(namespace, name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_envelopes_are_read() {
        let check = |text: &str, expect: bool| {
            assert_eq!(Envelope::parse(text).is_ok(), expect, "{text}");
        };
        check("<Envelope xmlns='http://www.w3.org/2003/05/soap-envelope'/>", true);
        check("\n<e:Envelope xmlns:e='http://www.w3.org/2003/05/soap-envelope'><e:Body/></e:Envelope>", true);
        check("<Envelope/>", false);
        check("<envelope xmlns='http://www.w3.org/2003/05/soap-envelope'/>", false);
        check("<Body xmlns='http://www.w3.org/2003/05/soap-envelope'/>", false);
        check("<Envelope xmlns='http://www.w3.org/2003/05/soap-envelope'>", false);
        check("", false);
        check("<!DOCTYPE x []><Envelope xmlns='http://www.w3.org/2003/05/soap-envelope'/>", false);
    }

    #[test]
    fn identify_is_known_by_its_body() {
        for (namespace, name, expect) in [
            (IDENTITY, "Identify", true),
            (IDENTITY_MISPRINT, "Identify", true),
            (IDENTITY, "identify", false),
            (SOAP, "Identify", false),
        ] {
            let text = format!(
                "<e:Envelope xmlns:e='{SOAP}'><e:Header/><e:Body> <{name} xmlns='{namespace}'/></e:Body></e:Envelope>"
            );
            let envelope = Envelope::parse(&text).unwrap();
            assert_eq!(envelope.is_identify(), expect, "{text}");
        }
    }

    #[test]
    fn the_message_id_is_kept_as_it_came() {
        for (id, expect) in [
            ("uuid:AbC-{1}", Some("uuid:AbC-{1}")),
            (" x ", Some(" x ")),
            ("a&amp;b", Some("a&b")),
            ("", None),
            ("  ", None),
        ] {
            let text = format!(
                "<e:Envelope xmlns:e='{SOAP}'><e:Header><MessageID xmlns='{}'>{id}</MessageID></e:Header></e:Envelope>",
                ADDRESSING
            );
            assert_eq!(Envelope::parse(&text).unwrap().message_id().as_deref(), expect, "{id}");
        }
        let long = "x".repeat(MESSAGE_ID_BYTES_MAX + 1);
        let text = format!(
            "<e:Envelope xmlns:e='{SOAP}'><e:Header><MessageID xmlns='{}'>{long}</MessageID></e:Header></e:Envelope>",
            ADDRESSING
        );
        assert_eq!(Envelope::parse(&text).unwrap().message_id(), None);
    }

    #[test]
    fn soap_1_1_is_another_version() {
        let text = format!("<e:Envelope xmlns:e='{SOAP_1_1}'><e:Body/></e:Envelope>");
        let envelope = Envelope::parse(&text).unwrap();
        assert!(matches!(envelope.headers(), Err(WsmanFault::VersionMismatch)));
    }

    use proptest::prelude::*;

    /// Headers in any order, with any prefix and blanks between them.
    fn shuffled(prefix: &str, order: &[usize], id: &str, blank: &str) -> String {
        let escaped =
            id.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('\r', "&#13;");
        let uri = "http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/SMS_Site";
        let blocks = [
            format!("<{prefix}a:Action>{}</{prefix}a:Action>", crate::names::action::GET),
            format!("<{prefix}a:MessageID>{escaped}</{prefix}a:MessageID>"),
            format!("<w{prefix}:ResourceURI {prefix}:mustUnderstand='1'>{uri}</w{prefix}:ResourceURI>"),
            format!("<w{prefix}:MaxEnvelopeSize>9000</w{prefix}:MaxEnvelopeSize>"),
        ];
        let blocks = blocks.map(|block| {
            block.replace(&format!("<{prefix}a:"), "<A:").replace(&format!("</{prefix}a:"), "</A:")
        });
        let headers: String = order.iter().map(|&at| format!("{blank}{}", blocks[at])).collect();
        format!(
            "<{prefix}:Envelope xmlns:{prefix}='{SOAP}' xmlns:w{prefix}='{}' xmlns:A='{ADDRESSING}'>{blank}<{prefix}:Header>{headers}\
             </{prefix}:Header>{blank}<{prefix}:Body>{blank}</{prefix}:Body></{prefix}:Envelope>",
            crate::names::WSMAN
        )
    }

    proptest! {
        #[test]
        fn prefixes_blanks_and_order_say_nothing(
            prefix in "[a-zA-Z][a-z0-9]{0,8}".prop_filter("reserved", |p| !p.to_lowercase().starts_with("xml") && p != "A"),
            order in Just(vec![0_usize, 1, 2, 3]).prop_shuffle(),
            id in "[ -~\u{a1}-\u{ff}]{1,200}".prop_filter("blank", |id| !id.trim().is_empty()),
            blank in "[ \n\t]{0,4}",
        ) {
            let text = shuffled(&prefix, &order, &id, &blank);
            let envelope = Envelope::parse(&text).unwrap();
            let headers = envelope.headers().unwrap();
            prop_assert_eq!(&headers.message_id, &id);
            prop_assert_eq!(headers.max_envelope_bytes, 9000);
            prop_assert_eq!(headers.resource.class.as_deref(), Some("SMS_Site"));
            prop_assert!(envelope.body().is_none());
        }
    }
}
