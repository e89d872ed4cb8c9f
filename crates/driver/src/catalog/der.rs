//! Reads DER, one value after the other: strict about bounds, tolerant about order and the shortest form.
//!
//! Certificates have a parser of their own; this one reads what is around them. It never recurses, so nothing that
//! the bytes say makes it go deep.

use super::CatalogError;

pub(super) const INTEGER: u8 = 0x02;
pub(super) const OCTET_STRING: u8 = 0x04;
pub(super) const OID: u8 = 0x06;
pub(super) const UTC_TIME: u8 = 0x17;
pub(super) const GENERALIZED_TIME: u8 = 0x18;
pub(super) const BMP_STRING: u8 = 0x1E;
pub(super) const SEQUENCE: u8 = 0x30;
pub(super) const SET: u8 = 0x31;

/// Context tag `[number]` around other values.
pub(super) const fn context(number: u8) -> u8 {
    0xA0 | number
}

/// Context tag `[number]` in place of a value's own.
pub(super) const fn implicit(number: u8) -> u8 {
    0x80 | number
}

/// One value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Value<'a> {
    pub(super) tag: u8,
    pub(super) content: &'a [u8],
    /// With tag and length.
    pub(super) whole: &'a [u8],
}

/// Values one behind the other. `what` names them where one cannot be read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reader<'a> {
    rest: &'a [u8],
    what: &'static str,
}

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8], what: &'static str) -> Self {
        Self { rest: bytes, what }
    }

    pub(super) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    pub(super) fn damaged(&self) -> CatalogError {
        CatalogError::Malformed { what: self.what }
    }

    /// The next value, or `None` at the end.
    pub(super) fn next(&mut self) -> Result<Option<Value<'a>>, CatalogError> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let value = first_value(self.rest).ok_or_else(|| self.damaged())?;
        self.rest = &self.rest[value.whole.len()..];
        Ok(Some(value))
    }

    /// The next value, which must be there.
    pub(super) fn any(&mut self) -> Result<Value<'a>, CatalogError> {
        self.next()?.ok_or_else(|| self.damaged())
    }

    /// The content of the next value, which must have this tag.
    pub(super) fn expect(&mut self, tag: u8) -> Result<&'a [u8], CatalogError> {
        self.any()?.with_tag(tag).ok_or_else(|| self.damaged())
    }

    /// The next value if it has this tag; else nothing is read.
    pub(super) fn optional(&mut self, tag: u8) -> Result<Option<Value<'a>>, CatalogError> {
        if self.rest.first() == Some(&tag) { self.next() } else { Ok(None) }
    }

    /// A reader of the content of the next value, which must have this tag.
    pub(super) fn enter(&mut self, tag: u8, what: &'static str) -> Result<Self, CatalogError> {
        Ok(Self::new(self.expect(tag)?, what))
    }
}

impl<'a> Value<'a> {
    pub(super) fn with_tag(&self, tag: u8) -> Option<&'a [u8]> {
        (self.tag == tag).then_some(self.content)
    }
}

/// Tags of one byte, lengths of at most four; no indefinite length.
fn first_value(bytes: &[u8]) -> Option<Value<'_>> {
    let (&tag, &length) = (bytes.first()?, bytes.get(1)?);
    if tag & 0x1F == 0x1F {
        return None;
    }
    let (start, length) = if length < 0x80 {
        (2, usize::from(length))
    } else {
        let count = usize::from(length & 0x7F);
        if !(1..=4).contains(&count) {
            return None;
        }
        let length = bytes.get(2..2 + count)?.iter().fold(0_u64, |sum, byte| sum << 8 | u64::from(*byte));
        (2 + count, usize::try_from(length).ok()?)
    };
    let content = bytes.get(start..)?.get(..length)?;
    Some(Value { tag, content, whole: &bytes[..start + length] })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(hex_bytes: &str, expect: Option<(u8, usize)>) {
        let bytes = hex::decode(hex_bytes).unwrap();
        let value = Reader::new(&bytes, "a test").any().ok();
        assert_eq!(value.map(|value| (value.tag, value.content.len())), expect, "{hex_bytes}");
    }

    #[test]
    fn lengths() {
        check("0500", Some((5, 0)));
        check("0401aa", Some((4, 1)));
        check("048101aa", Some((4, 1))); // longer than needed
        check("0484000000 01aa".replace(' ', "").as_str(), Some((4, 1)));
        for bad in
            ["", "04", "0402aa", "0480aa0000", "04ffaa", "0485000000 0001aa", "1f0101aa", "0484ffffffffaa"]
        {
            check(bad.replace(' ', "").as_str(), None);
        }
    }

    #[test]
    fn values_come_one_after_the_other() {
        let bytes = [0x30, 3, 2, 1, 7, 5, 0];
        let mut reader = Reader::new(&bytes, "a test");
        assert_eq!(reader.optional(SET), Ok(None));
        assert_eq!(reader.enter(SEQUENCE, "inside").unwrap().expect(INTEGER), Ok(&[7][..]));
        assert_eq!(reader.rest(), [5, 0]);
        assert_eq!(reader.expect(INTEGER), Err(CatalogError::Malformed { what: "a test" }));
        assert_eq!(reader.next(), Ok(None));
        assert!(reader.any().is_err());
    }
}
