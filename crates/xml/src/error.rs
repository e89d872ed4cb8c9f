//! Why bytes are refused before anybody asks what they mean. The texts go to clients, so what they quote is short.

/// The longest part of a message that repeats the client's own text, in characters.
const QUOTED_CHARS_MAX: usize = 160;

/// Why bytes are no document that is read here. The texts are for the client.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum XmlError {
    /// The encoding is none that every XML processor reads.
    #[error("the encoding {name} is not read here; send UTF-8 or UTF-16")]
    Encoding {
        /// As the client named it, shortened.
        name: String,
    },
    /// The bytes are no text in the encoding that the document states.
    #[error("the document is not text in {encoding}")]
    NotText {
        /// The encoding.
        encoding: &'static str,
    },
    /// The document has a document type, and with it could have entities of its own.
    #[error("a document type declaration is not accepted")]
    DocumentType,
    /// The document is larger than anything that is answered here.
    #[error("the document has more than {limit} {what}")]
    Limit {
        /// What there is too much of.
        what: &'static str,
        /// The most that is read.
        limit: usize,
    },
    /// The document is not well-formed.
    #[error("the document is not well-formed: {reason}")]
    Malformed {
        /// What is wrong and where, shortened.
        reason: String,
    },
}

impl XmlError {
    pub(crate) fn malformed(reason: &impl ToString) -> Self {
        Self::Malformed { reason: shortened(&reason.to_string()) }
    }
}

pub(crate) fn shortened(text: &str) -> String {
    text.chars().take(QUOTED_CHARS_MAX).map(|c| if c.is_control() { '?' } else { c }).collect()
}
