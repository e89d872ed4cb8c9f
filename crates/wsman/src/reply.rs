//! The envelope of answers.

use uuid::Uuid;
use xml::Writer;

use crate::enumeration::Underway;
use crate::envelope::Fragment;
use crate::names::{ANONYMOUS, PREFIXES};

/// The language of every text of an answer.
pub(crate) const LANGUAGE: &str = "en-US";

/// An answer: its action and its body. What it relates to is known when it is sent.
#[derive(Debug)]
pub(crate) struct Reply {
    /// None for the answer to Identify, which has no headers.
    action: Option<String>,
    /// Header blocks of its own.
    headers: Writer,
    /// Whole elements.
    body: String,
    /// The enumeration that it is a piece of, where that goes on.
    underway: Option<Underway>,
}

impl Reply {
    /// An answer with a body of whole elements.
    pub(crate) fn new(action: impl Into<String>, body: Writer) -> Self {
        Self { action: Some(action.into()), headers: Writer::new(), body: body.finish(), underway: None }
    }

    /// The answer to a request with the action, with a body of whole elements.
    pub(crate) fn to_action(action: &str, body: Writer) -> Self {
        Self::new(format!("{action}Response"), body)
    }

    /// The answer to a request with the action, with a body that is written already.
    pub(crate) fn with_text(action: &str, body: String) -> Self {
        let action = Some(format!("{action}Response"));
        Self { action, headers: Writer::new(), body, underway: None }
    }

    /// The same as a piece of an enumeration that goes on.
    pub(crate) fn underway(self, underway: Underway) -> Self {
        Self { underway: Some(underway), ..self }
    }

    /// The enumeration that it is a piece of, to go with what is sent.
    pub(crate) fn take_underway(&mut self) -> Option<Underway> {
        self.underway.take()
    }

    /// The answer to Identify.
    pub(crate) fn identity(body: Writer) -> Self {
        Self { action: None, headers: Writer::new(), body: body.finish(), underway: None }
    }

    /// Repeats the header that asked for a fragment, as the answer to one must.
    pub(crate) fn fragment(mut self, asked: &Fragment) -> Self {
        let mut attributes = vec![("s:mustUnderstand", "true")];
        attributes.extend(asked.dialect.as_deref().map(|dialect| ("Dialect", dialect)));
        self.headers.leaf("w:FragmentTransfer", &attributes, &asked.path);
        self
    }

    /// Names the header that was not understood (SOAP 1.2 part 1, 5.4.8).
    pub(crate) fn not_understood(mut self, namespace: &str, name: &str) -> Self {
        if namespace.is_empty() {
            // A prefix cannot be bound to no namespace; without one the name is in none, as no default is declared.
            self.headers.empty("s:NotUnderstood", &[("qname", name)]);
            return self;
        }
        let qualified = format!("q:{name}");
        self.headers.empty("s:NotUnderstood", &[("qname", &qualified), ("xmlns:q", namespace)]);
        self
    }

    /// The envelope. `relates_to` is the request's message id, where it had one that could be read.
    pub(crate) fn envelope(self, relates_to: Option<&str>) -> String {
        let mut out = Writer::new();
        let mut attributes = vec![("xml:lang", LANGUAGE)];
        attributes.extend(PREFIXES);
        out.open("s:Envelope", &attributes);
        out.open("s:Header", &[]);
        if let Some(action) = &self.action {
            out.leaf("a:Action", &[], action);
            let id = Uuid::new_v4().to_string().to_ascii_uppercase();
            out.leaf("a:MessageID", &[], &format!("uuid:{id}"));
            out.leaf("a:To", &[], ANONYMOUS);
            if let Some(id) = relates_to {
                out.leaf("a:RelatesTo", &[], id);
            }
        }
        let mut envelope = out.take();
        envelope.push_str(&self.headers.finish());
        out.close();
        out.open("s:Body", &[]);
        envelope.push_str(&out.take());
        envelope.push_str(&self.body);
        envelope.push_str(&out.finish());
        envelope
    }

    /// How many bytes everything but the body has of an answer with the action to the request with the message id.
    pub(crate) fn frame_bytes(action: &str, relates_to: &str) -> usize {
        Self::to_action(action, Writer::new()).envelope(Some(relates_to)).len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_relates_to_its_request() {
        let mut body = Writer::new();
        body.leaf("n:Pulled", &[], "a<b");
        let envelope = Reply::to_action("urn:Pull", body).envelope(Some("uuid:{aB}&"));
        let document = xml::parse(&envelope).unwrap();
        let texts: Vec<_> =
            document.descendants().filter(xml::Node::is_text).filter_map(|node| node.text()).collect();
        assert_eq!(texts[0], "urn:PullResponse");
        assert_eq!(texts[1].len(), "uuid:".len() + 36);
        assert_eq!(texts[1]["uuid:".len()..], texts[1]["uuid:".len()..].to_uppercase());
        assert_eq!(texts[2..], [ANONYMOUS, "uuid:{aB}&", "a<b"]);
    }

    #[test]
    fn a_header_of_no_namespace_is_named_without_a_prefix() {
        let not_understood = |namespace: &str| {
            let envelope =
                Reply::new("urn:fault", Writer::new()).not_understood(namespace, "X").envelope(None);
            let from = envelope.find("<s:NotUnderstood").unwrap();
            envelope[from..].split_inclusive('>').next().unwrap().to_owned()
        };
        // Our own parser takes a prefix for no namespace, others do not.
        assert_eq!(not_understood(""), "<s:NotUnderstood qname=\"X\"/>");
        assert_eq!(not_understood("urn:x"), "<s:NotUnderstood qname=\"q:X\" xmlns:q=\"urn:x\"/>");
    }

    #[test]
    fn the_frame_of_an_answer_is_known_before_its_body() {
        let mut body = Writer::new();
        body.leaf("n:Pulled", &[], "x");
        let bytes = body.len();
        let envelope = Reply::to_action("urn:Pull", body).envelope(Some("&id"));
        assert_eq!(Reply::frame_bytes("urn:Pull", "&id") + bytes, envelope.len());
    }
}
