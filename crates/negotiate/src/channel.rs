//! The TLS channel that an answer is bound to, so that nobody in between can pass it on.

use aws_lc_rs::digest::{self, Algorithm, SHA256, SHA384, SHA512};

use crate::crypto;
use crate::der::{OID, Reader, SEQUENCE, context};
use crate::error::NegotiateError;

/// What a client must have bound its answer to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChannelBinding([u8; 16]);

/// What holds for clients that bind their answer to no channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum BindingRule {
    /// They are refused.
    #[default]
    Require,
    /// They are accepted; a binding that is sent must be right all the same. Leaves relaying of such clients open.
    WhenSent,
}

impl ChannelBinding {
    /// The binding to the certificate (DER) that the server showed: `tls-server-end-point` of RFC 5929 in the form
    /// of MsvAvChannelBindings (MS-NLMP 2.2.2.1).
    #[must_use]
    pub fn tls_server_end_point(certificate: &[u8]) -> Self {
        let data = tls_server_end_point(certificate);
        let length = u32::try_from(data.len()).expect("a name and a hash are short").to_le_bytes();
        // gss_channel_bindings_struct: no addresses of either side, then the application data.
        Self(*crypto::md5(&[&[0; 16], &length, &data]))
    }

    /// `sent` is what the client sent, if it did.
    pub(crate) fn check(&self, sent: Option<&[u8; 16]>, rule: BindingRule) -> Result<(), NegotiateError> {
        match sent.filter(|sent| **sent != [0; 16]) {
            Some(sent) if crypto::same(sent, &self.0) => Ok(()),
            Some(_) => Err(NegotiateError::WrongChannelBinding),
            None if rule == BindingRule::WhenSent => Ok(()),
            None => Err(NegotiateError::NoChannelBinding),
        }
    }
}

/// The binding's own text: its name and the hash of the certificate (DER), for who puts it into another form.
#[must_use]
pub fn tls_server_end_point(certificate: &[u8]) -> Vec<u8> {
    let hash = digest::digest(signature_hash(certificate).unwrap_or(&SHA256), certificate);
    let mut data = b"tls-server-end-point:".to_vec();
    data.extend_from_slice(hash.as_ref());
    data
}

/// The hash of the certificate's signature. None where it is MD5, SHA-1 or none: then it is SHA-256, by RFC 5929 4.1 and by
/// what clients do.
fn signature_hash(certificate: &[u8]) -> Option<&'static Algorithm> {
    const RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01];
    const ECDSA_SHA2: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03];
    const SHA2: &[u8] = &[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02];
    const PSS: u8 = 10;
    let mut outer = Reader::new(Reader::new(certificate).only(SEQUENCE).ok()?);
    outer.expect(SEQUENCE).ok()?;
    let mut algorithm = Reader::new(outer.expect(SEQUENCE).ok()?);
    let (last, family) = algorithm.expect(OID).ok()?.split_last()?;
    if family == RSA && *last == PSS {
        let mut parameters = Reader::new(algorithm.expect(SEQUENCE).ok()?);
        let mut hash = Reader::new(Reader::new(parameters.expect(context(0)).ok()?).expect(SEQUENCE).ok()?);
        let (last, family) = hash.expect(OID).ok()?.split_last()?;
        return match (family == SHA2, last) {
            (true, 2) => Some(&SHA384),
            (true, 3) => Some(&SHA512),
            _ => None,
        };
    }
    match (family, last) {
        (RSA, 12) | (ECDSA_SHA2, 3) => Some(&SHA384),
        (RSA, 13) | (ECDSA_SHA2, 4) => Some(&SHA512),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::der::element;

    fn certificate(algorithm: &[u8]) -> Vec<u8> {
        let body = element(SEQUENCE, b"\x02\x01\x01");
        element(SEQUENCE, &[body, element(SEQUENCE, algorithm), element(3, &[0, 1])].concat())
    }

    #[test]
    fn the_hash_is_the_certificates_own_but_no_weak_one() {
        let check = |algorithm: &str, expect: &'static Algorithm| {
            let certificate = certificate(&hex::decode(algorithm).unwrap());
            let expect = digest::digest(expect, &certificate);
            let data = tls_server_end_point(&certificate);
            assert_eq!(data.strip_prefix(b"tls-server-end-point:"), Some(expect.as_ref()), "{algorithm}");
        };
        check("06092a864886f70d01010b0500", &SHA256);
        check("06092a864886f70d01010c0500", &SHA384);
        check("06092a864886f70d01010d0500", &SHA512);
        check("06092a864886f70d0101050500", &SHA256); // SHA-1
        check("06092a864886f70d0101040500", &SHA256); // MD5
        check("06082a8648ce3d040302", &SHA256);
        check("06082a8648ce3d040303", &SHA384);
        check("06082a8648ce3d040304", &SHA512);
        check("06032b6570", &SHA256); // Ed25519
        check("06092a864886f70d01010a3011a00f300d06096086480165030402020500", &SHA384);
        check("06092a864886f70d01010a3000", &SHA256);
    }

    #[test]
    fn bindings_are_compared_by_the_rule() {
        use NegotiateError::{NoChannelBinding, WrongChannelBinding};
        let own = ChannelBinding([1; 16]);
        let check = |sent: Option<[u8; 16]>, strict, relaxed| {
            assert_eq!(own.check(sent.as_ref(), BindingRule::Require), strict, "{sent:?}");
            assert_eq!(own.check(sent.as_ref(), BindingRule::WhenSent), relaxed, "{sent:?}");
        };
        check(Some([1; 16]), Ok(()), Ok(()));
        check(Some([2; 16]), Err(WrongChannelBinding), Err(WrongChannelBinding));
        check(Some([0; 16]), Err(NoChannelBinding), Ok(()));
        check(None, Err(NoChannelBinding), Ok(()));
    }
}
