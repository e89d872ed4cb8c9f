//! As much of DER as SPNEGO and a certificate's outer form need: definite lengths, low tags, no recursion. What nests is
//! read by who knows the form, so depth needs no limit of its own.

use crate::error::NegotiateError;

pub(crate) const OCTET_STRING: u8 = 0x04;
pub(crate) const OID: u8 = 0x06;
pub(crate) const ENUMERATED: u8 = 0x0a;
pub(crate) const SEQUENCE: u8 = 0x30;

const MALFORMED: NegotiateError = NegotiateError::Malformed("its DER is not well formed");

/// The tag of a constructed, context-specific element.
pub(crate) const fn context(number: u8) -> u8 {
    0xa0 | number
}

/// Reads elements one after the other.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reader<'a>(&'a [u8]);

/// An element: its tag, what is in it, and all of its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Element<'a> {
    pub(crate) tag: u8,
    pub(crate) content: &'a [u8],
    pub(crate) whole: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The next element, whatever it is.
    pub(crate) fn next(&mut self) -> Result<Element<'a>, NegotiateError> {
        let [tag, first, ..] = *self.0 else { return Err(MALFORMED) };
        if tag & 0x1f == 0x1f {
            return Err(MALFORMED);
        }
        let (header, length) = if first < 0x80 {
            (2, usize::from(first))
        } else {
            let count = usize::from(first & 0x7f);
            let digits = self.0.get(2..2 + count).ok_or(MALFORMED)?;
            // Indefinite, longer than any token, or longer than needed.
            if count == 0 || count > 3 || digits[0] == 0 {
                return Err(MALFORMED);
            }
            let length = digits.iter().fold(0, |length, digit| length << 8 | usize::from(*digit));
            if length < 0x80 {
                return Err(MALFORMED);
            }
            (2 + count, length)
        };
        let whole = self.0.get(..header + length).ok_or(MALFORMED)?;
        self.0 = &self.0[header + length..];
        Ok(Element { tag, content: &whole[header..], whole })
    }

    /// The next element, which must be this one.
    pub(crate) fn expect(&mut self, tag: u8) -> Result<&'a [u8], NegotiateError> {
        let element = self.next()?;
        if element.tag == tag { Ok(element.content) } else { Err(MALFORMED) }
    }

    /// The next element, which must be this one with nothing after it.
    pub(crate) fn only(mut self, tag: u8) -> Result<&'a [u8], NegotiateError> {
        let content = self.expect(tag)?;
        if self.is_empty() { Ok(content) } else { Err(MALFORMED) }
    }
}

/// An element with this content.
pub(crate) fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(content.len() + 5);
    out.push(tag);
    match u8::try_from(content.len()) {
        Ok(short) if short < 0x80 => out.push(short),
        _ => {
            let digits = content.len().to_be_bytes();
            let used = digits.iter().position(|digit| *digit != 0).unwrap_or(digits.len() - 1);
            let count = u8::try_from(digits.len() - used).expect("a length has at most eight bytes");
            out.push(0x80 | count);
            out.extend_from_slice(&digits[used..]);
        }
    }
    out.extend_from_slice(content);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_definite_and_shortest() {
        let check = |hex: &str, expect: Option<usize>| {
            let mut bytes = hex::decode(hex).unwrap();
            bytes.resize(bytes.len() + 300, 0x55);
            let read = Reader::new(&bytes).next().ok().map(|element| element.content.len());
            assert_eq!(read, expect, "{hex}");
        };
        check("0400", Some(0));
        check("047f", Some(127));
        check("048180", Some(128));
        check("04820101", Some(257));
        check("04817f", None);
        check("04820080", None);
        check("0480", None);
        check("0484000000ff", None);
        check("0483ffffff", None);
        check("1f0100", None);
        assert_eq!(Reader::new(&[4]).next(), Err(MALFORMED));
        assert_eq!(Reader::new(&[4, 2, 0]).next(), Err(MALFORMED));
        assert!(Reader::new(&[4, 0, 0]).only(OCTET_STRING).is_err());
    }

    #[test]
    fn what_is_written_is_read() {
        for length in [0, 1, 127, 128, 255, 256, 65_535, 65_536] {
            let content = vec![7; length];
            let written = element(OCTET_STRING, &content);
            assert_eq!(Reader::new(&written).only(OCTET_STRING).unwrap(), content, "{length}");
        }
    }
}
