//! Whether a catalog's signature fits its bytes, and whether its signer can be trusted.

use jiff::Timestamp;

use super::certificate::{Certificate, for_people};
use super::chain::{self, End};
use super::cms::{self, SignedData, Signer};
use super::der::{self, Reader};
use super::key::{self, Fit, Hash};
use super::stamp::{self, Stamp};
use super::{Trust, oid};
use crate::{Diagnostic, Severity};

/// What a signing certificate must be for, if it says what it is for.
const SIGNING_USAGES: &[&[u8]] = &[
    oid::EKU_CODE_SIGNING,
    oid::EKU_HARDWARE_LABS,
    oid::EKU_ATTESTED,
    oid::EKU_INBOX,
    oid::EKU_OEM,
    oid::EKU_EXTENDED,
];

/// The verdict on a catalog's signature, worst first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum SignerState {
    /// The signature does not fit the bytes, or nothing in the catalog can prove that it does.
    Broken,
    /// There is no signature.
    NoSigner,
    /// The signature fits; its chain ends at no configured root or was not valid at the time.
    NotTrusted,
    /// The signature fits and its chain ends at a configured root.
    Trusted,
}

/// What a catalog's signature proves.
#[derive(Debug, Clone)]
pub struct SignatureCheck {
    /// The verdict.
    pub state: SignerState,
    /// The common name of the signing certificate; empty without a signer.
    pub signer: String,
    /// The program name in the signature, in practice the company that submitted the driver; empty without.
    pub program: String,
    /// Whether the signing certificate may sign as Windows hardware quality labs do, by its own word: it counts only
    /// together with trust.
    pub whql: bool,
    /// When it was signed, by a time stamp that fits the signature and whose own chain ends at a configured root.
    pub stamped: Option<Timestamp>,
    /// The names of the certificates from the signer's upwards, as far as the chain goes.
    pub chain: Vec<String>,
    /// The reasons.
    pub diagnostics: Vec<Diagnostic>,
}

impl SignatureCheck {
    /// Whether the bytes are those that were signed, whoever signed them.
    #[must_use]
    pub fn is_intact(&self) -> bool {
        self.state >= SignerState::NotTrusted
    }

    /// Whether the signer is trusted too.
    #[must_use]
    pub fn is_trusted(&self) -> bool {
        self.state == SignerState::Trusted
    }

    fn of(state: SignerState) -> Self {
        let (signer, program, chain, diagnostics) = Default::default();
        Self { state, signer, program, whql: false, stamped: None, chain, diagnostics }
    }

    fn note(&mut self, severity: Severity, code: &'static str, text: impl Into<String>) {
        self.diagnostics.push(Diagnostic::new(severity, code, text));
    }
}

/// Why a signature proves nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// The hash in the signed attributes is not that of the content, or it is the hash of another kind of content.
    ContentDiffers,
    /// The signature is not by the certificate's key.
    SignatureDiffers,
    /// The certificate that it names is not there.
    CertificateMissing,
    /// No code for one of its algorithms.
    Unsupported,
}

/// The best verdict on any of the signatures; in practice there is one.
pub(super) fn verify(data: &SignedData, trust: &Trust) -> SignatureCheck {
    let checks = data.signers.iter().map(|signer| check(signer, data, trust));
    // The first of equals.
    let best = checks.reduce(|best, next| if next.state > best.state { next } else { best });
    best.unwrap_or_else(|| {
        let mut check = SignatureCheck::of(SignerState::NoSigner);
        check.note(Severity::Warning, "no_signer", "the catalog is not signed");
        check
    })
}

fn check(signer: &Signer, data: &SignedData, trust: &Trust) -> SignatureCheck {
    let mut check = SignatureCheck::of(SignerState::Broken);
    let pool: Vec<&Certificate> = data.certificates.iter().collect();
    if let Some(named) = pool.iter().find(|certificate| certificate.is(&signer.id)) {
        check.signer.clone_from(&named.name);
    }
    check.program = for_people(&program_name(&signer.signed_attributes).unwrap_or_default());
    let certificate = match proven_by(signer, &data.content_type, &data.content, &pool, Form::Standard) {
        Ok(certificate) => certificate,
        Err(fault) => {
            report_fault(fault, data, &mut check);
            return check;
        }
    };
    check.state = SignerState::NotTrusted;
    check.whql = certificate.names_usage(oid::EKU_HARDWARE_LABS);
    if Hash::of(&signer.digest).is_some_and(Hash::is_weak) {
        check.note(
            Severity::Note,
            "signature_weak_hash",
            "the signature uses a hash that can be forged today",
        );
    }
    let when = signing_time(signer, data, trust, &mut check);
    trust_signer(certificate, &pool, when, trust, &mut check);
    check
}

/// How a signature may name its hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// As the standard says.
    Standard,
    /// Also as a bare SHA-1 hash ([`key::fits_bare_sha1`]).
    BareToo,
}

/// The certificate of `pool` whose key made the signature over `content`, which was signed as this `kind` of content.
pub(super) fn proven_by<'a>(
    signer: &Signer,
    kind: &[u8],
    content: &[u8],
    pool: &[&'a Certificate],
    form: Form,
) -> Result<&'a Certificate, Fault> {
    let hash = Hash::of(&signer.digest).ok_or(Fault::Unsupported)?;
    let mut messages = vec![content.to_vec()];
    if !signer.signed_attributes.is_empty() {
        let digest = cms::attribute(&signer.signed_attributes, oid::MESSAGE_DIGEST);
        let digest = digest.and_then(|value| value.with_tag(der::OCTET_STRING));
        let named = cms::attribute(&signer.signed_attributes, oid::CONTENT_TYPE);
        let is_of_kind = named.is_none_or(|value| value.with_tag(der::OID) == Some(kind));
        if digest != Some(&hash.over(content)) || !is_of_kind {
            return Err(Fault::ContentDiffers);
        }
        messages = signer.signed_messages();
    }
    let mut fault = Fault::CertificateMissing;
    for certificate in pool.iter().filter(|certificate| certificate.is(&signer.id)) {
        for message in &messages {
            match key::fits(&certificate.key, &signer.algorithm, Some(hash), message, &signer.signature) {
                Fit::Fits => return Ok(certificate),
                Fit::Differs
                    if form == Form::BareToo
                        && hash == Hash::Sha1
                        && key::fits_bare_sha1(
                            &certificate.key,
                            &signer.algorithm,
                            message,
                            &signer.signature,
                        ) =>
                {
                    return Ok(certificate);
                }
                Fit::Differs => fault = Fault::SignatureDiffers,
                Fit::Unsupported => fault = Fault::Unsupported,
            }
        }
    }
    Err(fault)
}

fn report_fault(fault: Fault, data: &SignedData, check: &mut SignatureCheck) {
    let (code, text) = match fault {
        Fault::ContentDiffers => {
            ("signature_content_differs", "the list of files was changed after it had been signed")
        }
        Fault::SignatureDiffers => ("signature_broken", "the signature does not fit the signer's key"),
        Fault::CertificateMissing => {
            ("signer_certificate_missing", "the catalog does not hold the certificate of its signer")
        }
        Fault::Unsupported => {
            ("signature_unsupported", "the signature uses an algorithm that is not supported")
        }
    };
    check.note(Severity::Warning, code, text);
    if data.unreadable_certificates > 0 {
        let text = format!("{} certificates in the catalog cannot be read", data.unreadable_certificates);
        check.note(Severity::Warning, "certificate_unreadable", text);
    }
}

/// When the signer's certificate must have been valid.
fn signing_time(signer: &Signer, data: &SignedData, trust: &Trust, check: &mut SignatureCheck) -> Timestamp {
    match stamp::stamp(signer, data, trust) {
        Stamp::Trusted(when) => {
            check.stamped = Some(when);
            return when;
        }
        Stamp::Untrusted(when) => {
            let text =
                format!("the time stamp of {when} is by an authority that no configured root vouches for");
            check.note(Severity::Note, "timestamp_unknown_root", text);
        }
        Stamp::Invalid => {
            check.note(Severity::Warning, "timestamp_invalid", "the time stamp does not fit the signature");
        }
        Stamp::None => check.note(Severity::Note, "timestamp_missing", "the signature has no time stamp"),
    }
    trust.at
}

fn trust_signer(
    certificate: &Certificate,
    pool: &[&Certificate],
    when: Timestamp,
    trust: &Trust,
    check: &mut SignatureCheck,
) {
    let chain = chain::chain(certificate, pool, &trust.roots, SIGNING_USAGES, when);
    check.chain = chain.names;
    let (code, text) = match chain.end {
        End::Trusted if certificate.allows(SIGNING_USAGES) => {
            check.state = SignerState::Trusted;
            return;
        }
        End::Trusted => ("signer_not_for_code", "the signer's certificate may not sign code".to_owned()),
        End::Expired => ("signer_expired", format!("a certificate of the chain had expired at {when}")),
        End::NotYetValid => {
            ("signer_not_yet_valid", format!("a certificate of the chain was not valid yet at {when}"))
        }
        End::UnknownRoot => {
            let last = check.chain.last().map_or("", String::as_str);
            (
                "signer_unknown_root",
                format!("no issuer of code signers leads from '{last}' to a configured root"),
            )
        }
    };
    check.note(Severity::Warning, code, text);
}

/// SpcSpOpusInfo's program name: a BMPString or an IA5String under implicit tags.
fn program_name(attributes: &[u8]) -> Option<String> {
    let info = cms::attribute(attributes, oid::PUBLISHER_INFO)?.with_tag(der::SEQUENCE)?;
    let wrapped = Reader::new(info, "the publisher").optional(der::context(0)).ok()??;
    let text = Reader::new(wrapped.content, "the publisher").any().ok()?;
    if text.tag == der::implicit(0) {
        let units: Vec<u16> =
            text.content.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]])).collect();
        return Some(String::from_utf16_lossy(&units));
    }
    Some(String::from_utf8_lossy(text.content).into_owned())
}
