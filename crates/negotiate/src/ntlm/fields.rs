//! Fields of a message: a fixed header, and a payload that the header points into.

use crate::error::NegotiateError;
use crate::ntlm::SIGNATURE;
use crate::ntlm::flags::UNICODE;

/// A message that is read within its bounds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Message<'a>(&'a [u8]);

impl<'a> Message<'a> {
    /// The message, if it is of this type (MS-NLMP 2.2.1: signature, type).
    pub(crate) fn read(bytes: &'a [u8], message_type: u32) -> Result<Self, NegotiateError> {
        let message = Self(bytes);
        if !bytes.starts_with(SIGNATURE) {
            return Err(NegotiateError::Malformed("it is no message of NTLM"));
        }
        match message.number(8)? {
            number if number == message_type => Ok(message),
            1..=3 => Err(NegotiateError::OutOfTurn),
            _ => Err(NegotiateError::Malformed("its message type is unknown")),
        }
    }

    /// The number at an offset in the header.
    pub(crate) fn number(&self, offset: usize) -> Result<u32, NegotiateError> {
        let bytes = self.0.get(offset..offset + 4).and_then(|bytes| bytes.try_into().ok());
        Ok(u32::from_le_bytes(bytes.ok_or(NegotiateError::Malformed("it is too short"))?))
    }

    /// What the field at an offset in the header (length, room, place) points to. It may not lie in the header, whose
    /// length is given: nothing is read as two things.
    pub(crate) fn field(&self, offset: usize, header_bytes: usize) -> Result<&'a [u8], NegotiateError> {
        const OUTSIDE: NegotiateError = NegotiateError::Malformed("a field lies outside of it");
        let length = usize::from(u16::try_from(self.number(offset)? & 0xffff).expect("16 bits"));
        let place = usize::try_from(self.number(offset + 4)?).map_err(|_| OUTSIDE)?;
        if length == 0 {
            return Ok(&[]);
        }
        if place < header_bytes {
            return Err(OUTSIDE);
        }
        let end = place.checked_add(length).ok_or(OUTSIDE)?;
        self.0.get(place..end).ok_or(OUTSIDE)
    }
}

/// Text as the flags say. What code page OEM text is in, no message says: ASCII is the same in all of them, and clients
/// with other letters do Unicode.
pub(crate) fn text(bytes: &[u8], flags: u32) -> Result<String, NegotiateError> {
    if flags & UNICODE == 0 {
        let ascii = bytes.is_ascii().then(|| bytes.iter().map(|byte| char::from(*byte)).collect());
        return ascii.ok_or(NegotiateError::Malformed("a name in an OEM code page is not in ASCII"));
    }
    utf16(bytes).ok_or(NegotiateError::Malformed("a name is not in UTF-16"))
}

/// Little-endian UTF-16.
pub(crate) fn utf16(bytes: &[u8]) -> Option<String> {
    let (units, rest) = bytes.as_chunks::<2>();
    let units: Vec<u16> = units.iter().map(|unit| u16::from_le_bytes(*unit)).collect();
    if rest.is_empty() { String::from_utf16(&units).ok() } else { None }
}

/// The other way.
pub(crate) fn to_utf16(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(field: [u32; 2], bytes: usize) -> Vec<u8> {
        let mut message = SIGNATURE.to_vec();
        for number in [3, field[0], field[1]] {
            message.extend_from_slice(&number.to_le_bytes());
        }
        message.resize(bytes, 0);
        message
    }

    #[test]
    fn fields_lie_in_the_payload() {
        let check = |field: [u32; 2], expect: Option<usize>| {
            let bytes = message(field, 40);
            let read = Message::read(&bytes, 3).unwrap().field(12, 20).ok().map(<[u8]>::len);
            assert_eq!(read, expect, "{field:?}");
        };
        check([20, 20], Some(20));
        check([21, 20], None);
        check([1, 19], None);
        check([1, 39], Some(1));
        check([1, 40], None);
        check([1, u32::MAX], None);
        check([0xffff, 20], None);
        // The room is not the length, and no length needs no place.
        check([0xffff_0001, 20], Some(1));
        check([0, u32::MAX], Some(0));
    }

    #[test]
    fn messages_are_of_the_type_that_is_due() {
        let check = |bytes: &[u8], expect: NegotiateError| {
            assert_eq!(Message::read(bytes, 3).map(drop), Err(expect), "{bytes:?}");
        };
        let mut other = message([0, 0], 40);
        other[8] = 1;
        check(&other, NegotiateError::OutOfTurn);
        other[8] = 4;
        check(&other, NegotiateError::Malformed("its message type is unknown"));
        check(&other[..10], NegotiateError::Malformed("it is too short"));
        check(b"NTLMSSP", NegotiateError::Malformed("it is no message of NTLM"));
    }

    #[test]
    fn names_are_in_utf_16_or_ascii() {
        assert_eq!(text(&to_utf16("Jörg"), UNICODE), Ok("Jörg".to_owned()));
        assert_eq!(text(b"joerg", 0), Ok("joerg".to_owned()));
        assert!(text(b"J\xf6rg", 0).is_err());
        assert!(text(b"odd", UNICODE).is_err());
        assert!(text(&[0x00, 0xd8], UNICODE).is_err(), "half of a pair");
    }
}
