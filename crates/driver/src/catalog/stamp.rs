//! Time stamps: who says when a catalog was signed, and whether it can be believed.

use jiff::Timestamp;

use super::certificate::Certificate;
use super::chain::{self, End};
use super::cms::{self, Algorithm, SignedData, Signer};
use super::der::{self, Reader};
use super::key::Hash;
use super::verify::{self, Form};
use super::{Trust, oid, time};

/// What the time stamp of a signature says.
#[derive(Debug)]
pub(super) enum Stamp {
    None,
    /// It fits the signature and its chain ends at a configured root.
    Trusted(Timestamp),
    /// It fits the signature; its chain ends at no configured root, or was not valid.
    Untrusted(Timestamp),
    Invalid,
}

/// Reads and proves the time stamp of `signer`.
pub(super) fn stamp(signer: &Signer, data: &SignedData, trust: &Trust) -> Stamp {
    let attributes = &signer.unsigned_attributes;
    if let Some(token) = cms::attribute(attributes, oid::TIME_STAMP) {
        return token_stamp(token.whole, signer, data, trust).unwrap_or(Stamp::Invalid);
    }
    if let Some(counter) = cms::attribute(attributes, oid::COUNTERSIGNATURE) {
        return countersignature(counter.content, signer, data, trust).unwrap_or(Stamp::Invalid);
    }
    Stamp::None
}

/// A PKCS#9 counter-signature: a signer whose content is the signature, with a signing time.
fn countersignature(content: &[u8], signer: &Signer, data: &SignedData, trust: &Trust) -> Option<Stamp> {
    let counter = Signer::parse(content).ok()?;
    let when = time::timestamp(cms::attribute(&counter.signed_attributes, oid::SIGNING_TIME)?)?;
    let pool: Vec<&Certificate> = data.certificates.iter().collect();
    judge(&counter, oid::DATA, &signer.signature, &pool, Form::BareToo, when, trust)
}

/// An RFC 3161 token: signed data around a TSTInfo that names the signature's hash.
fn token_stamp(token: &[u8], signer: &Signer, data: &SignedData, trust: &Trust) -> Option<Stamp> {
    let (stamped, _) = SignedData::parse(token).ok()?;
    if stamped.content_type != oid::TIME_STAMP_INFO {
        return None;
    }
    let mut info = Reader::new(&stamped.content, "a time stamp").enter(der::SEQUENCE, "a time stamp").ok()?;
    info.expect(der::INTEGER).ok()?;
    info.expect(der::OID).ok()?; // the authority's policy
    let mut imprint = info.enter(der::SEQUENCE, "a time stamp").ok()?;
    let hash = Hash::of(&Algorithm::parse(imprint.expect(der::SEQUENCE).ok()?).ok()?.oid)?;
    if hash.over(&signer.signature) != imprint.expect(der::OCTET_STRING).ok()? {
        return None;
    }
    info.expect(der::INTEGER).ok()?; // its serial number
    let when = time::timestamp(info.any().ok()?)?;
    let pool: Vec<&Certificate> = stamped.certificates.iter().chain(&data.certificates).collect();
    judge(
        stamped.signers.first()?,
        oid::TIME_STAMP_INFO,
        &stamped.content,
        &pool,
        Form::Standard,
        when,
        trust,
    )
}

fn judge(
    signer: &Signer,
    kind: &[u8],
    content: &[u8],
    pool: &[&Certificate],
    form: Form,
    when: Timestamp,
    trust: &Trust,
) -> Option<Stamp> {
    let certificate = verify::proven_by(signer, kind, content, pool, form).ok()?;
    if !certificate.names_usage(oid::EKU_TIME_STAMPING) {
        return None;
    }
    let chain = chain::chain(certificate, pool, &trust.roots, &[oid::EKU_TIME_STAMPING], when);
    Some(if chain.end == End::Trusted { Stamp::Trusted(when) } else { Stamp::Untrusted(when) })
}
