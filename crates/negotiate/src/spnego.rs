//! The two tokens of SPNEGO (RFC 4178 4.2, MS-SPNG 2.2).

use crate::der::{ENUMERATED, OCTET_STRING, OID, Reader, SEQUENCE, context, element};
use crate::error::NegotiateError;

/// Mechanisms that a client may list; Windows lists four.
const MECHANISMS_MAX: usize = 32;
/// The tag of a first token: application 0, constructed.
const INITIAL: u8 = 0x60;
/// What a first token begins with: 1.3.6.1.5.5.2.
const SPNEGO: &[u8] = &[0x2b, 0x06, 0x01, 0x05, 0x05, 0x02];
/// 1.3.6.1.4.1.311.2.2.10.
pub(crate) const NTLM: &[u8] = &[0x2b, 0x06, 0x01, 0x04, 0x01, 0x82, 0x37, 0x02, 0x02, 0x0a];
/// 1.2.840.113554.1.2.2, and 1.2.840.48018.1.2.2 as Windows 2000 wrote it.
const KERBEROS: [&[u8]; 2] = [
    &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x12, 0x01, 0x02, 0x02],
    &[0x2a, 0x86, 0x48, 0x82, 0xf7, 0x12, 0x01, 0x02, 0x02],
];

/// How far a negotiation is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    Completed = 0,
    Incomplete = 1,
    Rejected = 2,
    /// Incomplete, and the list of mechanisms must be protected.
    RequestMic = 3,
}

/// The client's first token.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Init<'a> {
    /// The list of mechanisms as it was sent, which is what its code covers.
    pub(crate) list: &'a [u8],
    /// What is in the list, the preferred one first.
    pub(crate) mechanisms: Vec<&'a [u8]>,
    /// The first token of the preferred mechanism.
    pub(crate) token: Option<&'a [u8]>,
}

/// Every other token.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Response<'a> {
    pub(crate) state: Option<State>,
    pub(crate) mechanism: Option<&'a [u8]>,
    pub(crate) token: Option<&'a [u8]>,
    pub(crate) mic: Option<&'a [u8]>,
}

/// Whether a first token asks for Kerberos: a token of Kerberos itself, or a list that prefers it.
#[must_use]
pub fn wants_kerberos(token: &[u8]) -> bool {
    if let Ok(init) = Init::read(token) {
        return init.mechanisms.first().is_some_and(|first| KERBEROS.contains(first));
    }
    let mechanism = Reader::new(token).only(INITIAL).and_then(|content| Reader::new(content).expect(OID));
    mechanism.is_ok_and(|mechanism| KERBEROS.contains(&mechanism))
}

const MALFORMED: NegotiateError = NegotiateError::Malformed("it is no token of SPNEGO");

impl<'a> Init<'a> {
    pub(crate) fn is_one(token: &[u8]) -> bool {
        token.first() == Some(&INITIAL)
    }

    pub(crate) fn read(token: &'a [u8]) -> Result<Self, NegotiateError> {
        let mut outer = Reader::new(Reader::new(token).only(INITIAL)?);
        if outer.expect(OID)? != SPNEGO {
            return Err(NegotiateError::NoCommonMechanism);
        }
        let mut fields = Reader::new(Reader::new(outer.expect(context(0))?).only(SEQUENCE)?);
        let list = fields.expect(context(0))?;
        let mechanisms = mechanisms(Reader::new(list).only(SEQUENCE)?)?;
        let (mut token, mut last) = (None, context(0));
        // Flags, hints and a code that protects nothing yet are passed over.
        while !fields.is_empty() {
            let field = fields.next()?;
            // In order, so none stands there twice.
            if last >= field.tag {
                return Err(MALFORMED);
            }
            last = field.tag;
            if field.tag == context(2) {
                token = Some(Reader::new(field.content).only(OCTET_STRING)?);
            }
        }
        Ok(Self { list, mechanisms, token })
    }
}

fn mechanisms(list: &[u8]) -> Result<Vec<&[u8]>, NegotiateError> {
    let (mut reader, mut mechanisms) = (Reader::new(list), Vec::new());
    while !reader.is_empty() {
        if mechanisms.len() == MECHANISMS_MAX {
            return Err(NegotiateError::Malformed("it lists too many mechanisms"));
        }
        mechanisms.push(reader.expect(OID)?);
    }
    Ok(mechanisms)
}

impl<'a> Response<'a> {
    pub(crate) fn is_one(token: &[u8]) -> bool {
        token.first() == Some(&context(1))
    }

    pub(crate) fn read(token: &'a [u8]) -> Result<Self, NegotiateError> {
        let mut fields = Reader::new(Reader::new(Reader::new(token).only(context(1))?).only(SEQUENCE)?);
        let (mut response, mut last) = (Self::default(), None);
        while !fields.is_empty() {
            let field = fields.next()?;
            // In order, so none stands there twice.
            if last.is_some_and(|last| last >= field.tag) {
                return Err(MALFORMED);
            }
            last = Some(field.tag);
            let inner = Reader::new(field.content);
            match field.tag {
                0xa0 => response.state = Some(State::read(inner.only(ENUMERATED)?)?),
                0xa1 => response.mechanism = Some(inner.only(OID)?),
                0xa2 => response.token = Some(inner.only(OCTET_STRING)?),
                0xa3 => response.mic = Some(inner.only(OCTET_STRING)?),
                _ => return Err(MALFORMED),
            }
        }
        Ok(response)
    }

    pub(crate) fn write(&self) -> Vec<u8> {
        let mut fields = Vec::new();
        let mut field = |number: u8, tag: u8, content: Option<&[u8]>| {
            if let Some(content) = content {
                fields.extend(element(context(number), &element(tag, content)));
            }
        };
        field(0, ENUMERATED, self.state.map(|state| [state as u8]).as_ref().map(|state| &state[..]));
        field(1, OID, self.mechanism);
        field(2, OCTET_STRING, self.token);
        field(3, OCTET_STRING, self.mic);
        element(context(1), &element(SEQUENCE, &fields))
    }
}

impl State {
    fn read(content: &[u8]) -> Result<Self, NegotiateError> {
        match content {
            [0] => Ok(Self::Completed),
            [1] => Ok(Self::Incomplete),
            [2] => Ok(Self::Rejected),
            [3] => Ok(Self::RequestMic),
            _ => Err(MALFORMED),
        }
    }
}

/// A client's first token, for tests.
#[cfg(test)]
pub(crate) fn init(mechanisms: &[&[u8]], token: Option<&[u8]>) -> Vec<u8> {
    let list: Vec<u8> = mechanisms.iter().flat_map(|mechanism| element(OID, mechanism)).collect();
    let mut fields = element(context(0), &element(SEQUENCE, &list));
    if let Some(token) = token {
        fields.extend(element(context(2), &element(OCTET_STRING, token)));
    }
    let inner = element(context(0), &element(SEQUENCE, &fields));
    element(INITIAL, &[element(OID, SPNEGO), inner].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_tokens_say_what_the_client_prefers() {
        let token = init(&[KERBEROS[1], NTLM], Some(b"token"));
        let read = Init::read(&token).unwrap();
        assert_eq!(read.mechanisms, [KERBEROS[1], NTLM]);
        assert_eq!(read.token, Some(&b"token"[..]));
        assert_eq!(read.list[0], SEQUENCE);
        assert!(wants_kerberos(&token));
        assert!(!wants_kerberos(&init(&[NTLM, KERBEROS[0]], None)));
        assert!(!wants_kerberos(b"NTLMSSP\0"));
        let bare = element(INITIAL, &[element(OID, KERBEROS[0]), b"\x01\x00rest".to_vec()].concat());
        assert!(wants_kerberos(&bare));
        assert!(Init::read(&bare).is_err());
        // A second token, or one behind what follows it, would be what one reader sees and another one does not.
        let fields = |numbers: &[u8]| {
            let list = element(SEQUENCE, &element(OID, NTLM));
            let mut fields = element(context(0), &list);
            for number in numbers {
                fields.extend(element(context(*number), &element(OCTET_STRING, &[*number])));
            }
            let inner = element(context(0), &element(SEQUENCE, &fields));
            Init::read(&element(INITIAL, &[element(OID, SPNEGO), inner].concat())).is_ok()
        };
        for (numbers, expect) in
            [(&[1, 2, 3][..], true), (&[2], true), (&[2, 2], false), (&[3, 2], false), (&[0], false)]
        {
            assert_eq!(fields(numbers), expect, "{numbers:?}");
        }
        let many = vec![NTLM; MECHANISMS_MAX + 1];
        assert!(Init::read(&init(&many, None)).is_err());
        assert!(Init::read(&init(&many[1..], None)).is_ok());
    }

    #[test]
    fn responses_are_read_as_they_are_written() {
        let check = |response: Response<'_>| {
            assert_eq!(Response::read(&response.write()).unwrap(), response);
        };
        let none = Response::default;
        check(none());
        check(Response { state: Some(State::Completed), mic: Some(&[1; 16]), ..none() });
        check(Response { state: Some(State::RequestMic), mechanism: Some(NTLM), ..none() });
        check(Response { state: Some(State::Rejected), token: Some(&[7; 300]), ..none() });
        let refused = |hex: &str| assert!(Response::read(&hex::decode(hex).unwrap()).is_err(), "{hex}");
        refused("a1073005a0030a0104"); // no such state
        refused("a10c300aa0030a0100a0030a0100"); // twice
        refused("a1073005a4030a0100"); // no such field
        refused("a107300530030a0100");
        refused("a1073005a0030a010000"); // more after it
    }
}
