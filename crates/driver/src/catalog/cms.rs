//! PKCS#7 signed data, as far as catalogs and time stamps use it.

use super::certificate::Certificate;
use super::der::{self, Reader, Value};
use super::{CERTIFICATES_MAX, CatalogError, SIGNERS_MAX, oid};

/// Attributes of one signer; real ones have at most seven.
const SIGNER_ATTRIBUTES_MAX: usize = 64;

/// What was signed, by whom, with which certificates.
#[derive(Debug, Clone)]
pub(super) struct SignedData {
    pub(super) content_type: Vec<u8>,
    /// The content octets of the one value that was signed, without its tag and length.
    pub(super) content: Vec<u8>,
    pub(super) certificates: Vec<Certificate>,
    /// Certificates that could not be read.
    pub(super) unreadable_certificates: usize,
    pub(super) signers: Vec<Signer>,
}

/// One signature.
#[derive(Debug, Clone)]
pub(super) struct Signer {
    pub(super) id: SignerId,
    /// Object identifier of the hash.
    pub(super) digest: Vec<u8>,
    /// Empty: the signature is over the content itself.
    pub(super) signed_attributes: Vec<u8>,
    /// Object identifier and parameters of the signature algorithm.
    pub(super) algorithm: Algorithm,
    pub(super) signature: Vec<u8>,
    pub(super) unsigned_attributes: Vec<u8>,
}

/// How a signer names its certificate.
#[derive(Debug, Clone)]
pub(super) enum SignerId {
    /// The issuer's name as DER, and the serial number's content octets.
    IssuerAndSerial(Vec<u8>, Vec<u8>),
    KeyId(Vec<u8>),
}

/// An AlgorithmIdentifier.
#[derive(Debug, Clone)]
pub(super) struct Algorithm {
    pub(super) oid: Vec<u8>,
    /// As DER; empty when absent.
    pub(super) parameters: Vec<u8>,
}

impl SignedData {
    /// Reads a ContentInfo and says how many bytes follow it.
    pub(super) fn parse(bytes: &[u8]) -> Result<(Self, usize), CatalogError> {
        let mut outer = Reader::new(bytes, "its outermost frame");
        let mut info = outer.enter(der::SEQUENCE, "its outermost frame")?;
        if info.expect(der::OID)? != oid::SIGNED_DATA {
            return Err(CatalogError::NotACatalog("it is not PKCS#7 signed data"));
        }
        let mut wrapper = info.enter(der::context(0), "the signed data")?;
        let mut data = wrapper.enter(der::SEQUENCE, "the signed data")?;
        data.expect(der::INTEGER)?;
        data.expect(der::SET)?;
        let mut encapsulated = data.enter(der::SEQUENCE, "the signed content")?;
        let content_type = encapsulated.expect(der::OID)?.to_vec();
        let content = match encapsulated.optional(der::context(0))? {
            Some(explicit) => Reader::new(explicit.content, "the signed content").any()?.content.to_vec(),
            None => Vec::new(),
        };
        let (certificates, unreadable_certificates) = match data.optional(der::context(0))? {
            Some(set) => certificates(set.content)?,
            None => (Vec::new(), 0),
        };
        data.optional(der::context(1))?; // revocation lists: nobody puts one there
        let signers = signers(data.expect(der::SET)?)?;
        let parsed = Self { content_type, content, certificates, unreadable_certificates, signers };
        Ok((parsed, outer.rest().len()))
    }
}

impl Signer {
    /// Reads a SignerInfo; a counter-signature is one too.
    pub(super) fn parse(content: &[u8]) -> Result<Self, CatalogError> {
        let mut info = Reader::new(content, "a signer");
        info.expect(der::INTEGER)?;
        let id = signer_id(info.any()?)?;
        let digest = Algorithm::parse(info.expect(der::SEQUENCE)?)?.oid;
        let content_of =
            |value: Option<Value<'_>>| value.map_or_else(Vec::new, |value| value.content.to_vec());
        let signed_attributes = content_of(info.optional(der::context(0))?);
        let algorithm = Algorithm::parse(info.expect(der::SEQUENCE)?)?;
        let signature = info.expect(der::OCTET_STRING)?.to_vec();
        let unsigned_attributes = content_of(info.optional(der::context(1))?);
        Ok(Self { id, digest, signed_attributes, algorithm, signature, unsigned_attributes })
    }

    /// What the signature covers if there are signed attributes: the SET of them, in the order given and, where that
    /// is another one, in the order that DER asks for.
    pub(super) fn signed_messages(&self) -> Vec<Vec<u8>> {
        let mut messages = vec![set_of(&self.signed_attributes)];
        let mut reader = Reader::new(&self.signed_attributes, "a signer's attributes");
        let mut parts = Vec::new();
        while let Ok(Some(value)) = reader.next() {
            parts.push(value.whole);
        }
        if !parts.is_sorted() {
            parts.sort_unstable();
            messages.push(set_of(&parts.concat()));
        }
        messages
    }
}

/// DER of a SET with this content.
fn set_of(content: &[u8]) -> Vec<u8> {
    let length = content.len();
    let mut set = vec![der::SET];
    if length < 0x80 {
        set.push(length as u8);
    } else {
        let bytes = length.to_be_bytes();
        let significant = &bytes[bytes.iter().take_while(|byte| **byte == 0).count()..];
        set.push(0x80 | significant.len() as u8);
        set.extend_from_slice(significant);
    }
    set.extend_from_slice(content);
    set
}

impl Algorithm {
    /// Reads an AlgorithmIdentifier's content.
    pub(super) fn parse(content: &[u8]) -> Result<Self, CatalogError> {
        let mut reader = Reader::new(content, "an algorithm");
        let oid = reader.expect(der::OID)?.to_vec();
        Ok(Self { oid, parameters: reader.rest().to_vec() })
    }
}

/// The first value of the attribute of this type among encoded attributes.
pub(super) fn attribute<'a>(attributes: &'a [u8], kind: &[u8]) -> Option<Value<'a>> {
    let mut reader = Reader::new(attributes, "a signer's attributes");
    for _ in 0..SIGNER_ATTRIBUTES_MAX {
        let mut attribute = reader.enter(der::SEQUENCE, "a signer's attribute").ok()?;
        if attribute.expect(der::OID).ok()? == kind {
            return attribute.enter(der::SET, "a signer's attribute").ok()?.any().ok();
        }
    }
    None
}

fn signer_id(value: Value<'_>) -> Result<SignerId, CatalogError> {
    if let Some(key_id) = value.with_tag(der::implicit(0)) {
        return Ok(SignerId::KeyId(key_id.to_vec()));
    }
    let mut id = Reader::new(value.content, "a signer's name");
    if value.tag != der::SEQUENCE {
        return Err(id.damaged());
    }
    let issuer = id.any()?.whole.to_vec();
    Ok(SignerId::IssuerAndSerial(issuer, id.expect(der::INTEGER)?.to_vec()))
}

fn certificates(set: &[u8]) -> Result<(Vec<Certificate>, usize), CatalogError> {
    let mut reader = Reader::new(set, "the certificates");
    let (mut certificates, mut unreadable) = (Vec::new(), 0);
    while let Some(value) = reader.next()? {
        if certificates.len() + unreadable == CERTIFICATES_MAX {
            return Err(CatalogError::TooLarge { what: "certificates", limit: CERTIFICATES_MAX });
        }
        match Certificate::parse(value.whole) {
            Some(certificate) => certificates.push(certificate),
            None => unreadable += 1,
        }
    }
    Ok((certificates, unreadable))
}

fn signers(set: &[u8]) -> Result<Vec<Signer>, CatalogError> {
    let mut reader = Reader::new(set, "the signers");
    let mut signers = Vec::new();
    while let Some(value) = reader.next()? {
        if signers.len() == SIGNERS_MAX {
            return Err(CatalogError::TooLarge { what: "signers", limit: SIGNERS_MAX });
        }
        let content = value.with_tag(der::SEQUENCE).ok_or_else(|| reader.damaged())?;
        signers.push(Signer::parse(content)?);
    }
    Ok(signers)
}
