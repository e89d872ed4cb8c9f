//! NEGOTIATE, the first message: what the client offers (MS-NLMP 2.2.1.1).

use crate::error::NegotiateError;
use crate::ntlm::fields::Message;
use crate::ntlm::flags::{ALWAYS, GRANTED, OEM, REQUIRED, UNICODE};

/// The flags of the challenge that answers an offer.
pub(crate) fn read(bytes: &[u8]) -> Result<u32, NegotiateError> {
    let offered = Message::read(bytes, 1)?.number(12)?;
    if offered & REQUIRED != REQUIRED {
        return Err(NegotiateError::Weak);
    }
    let encoding = match (offered & UNICODE, offered & OEM) {
        (UNICODE, _) => UNICODE,
        (_, OEM) => OEM,
        _ => return Err(NegotiateError::Malformed("it offers no encoding of text")),
    };
    Ok(offered & GRANTED | ALWAYS | encoding)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ntlm::SIGNATURE;
    use crate::ntlm::flags::{KEY_128, KEY_EXCHANGE, SEAL, SIGN};

    #[test]
    fn offers_are_granted_or_too_weak() {
        let check = |flags: u32, expect: Result<u32, NegotiateError>| {
            let bytes = [&SIGNATURE[..], &1u32.to_le_bytes(), &flags.to_le_bytes()].concat();
            assert_eq!(read(&bytes).map(|granted| granted & !ALWAYS), expect, "{flags:#x}");
        };
        check(REQUIRED | UNICODE | OEM, Ok(REQUIRED | UNICODE));
        check(REQUIRED | OEM | SIGN, Ok(REQUIRED | OEM | SIGN));
        // LM keys, 56 bits and datagrams are not granted.
        check(0xe208_82f7, Ok((REQUIRED | UNICODE | SEAL | SIGN | KEY_EXCHANGE | 0x0200_0004) & !ALWAYS));
        check(REQUIRED, Err(NegotiateError::Malformed("it offers no encoding of text")));
        check(REQUIRED & !KEY_128 | UNICODE, Err(NegotiateError::Weak));
        check(KEY_128 | UNICODE, Err(NegotiateError::Weak));
    }
}
