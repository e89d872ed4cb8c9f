//! An X.509 certificate, as far as signatures on catalogs need it.

use jiff::Timestamp;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::ParsedExtension;
use x509_parser::prelude::FromDer;
use x509_parser::x509::X509Name;

use super::cms::{Algorithm, SignerId};
use super::der::{self, Reader};
use super::oid;

/// One certificate, with copies of the parts that are asked for.
#[derive(Debug, Clone)]
pub(super) struct Certificate {
    /// What its issuer signed.
    pub(super) signed_part: Vec<u8>,
    pub(super) algorithm: Algorithm,
    pub(super) signature: Vec<u8>,
    /// Names as DER.
    pub(super) subject: Vec<u8>,
    pub(super) issuer: Vec<u8>,
    serial: Vec<u8>,
    /// For people: the common name, or else the whole subject.
    pub(super) name: String,
    pub(super) key: PublicKey,
    pub(super) not_before: Timestamp,
    pub(super) not_after: Timestamp,
    /// `None`: it may not issue certificates, or only under a critical condition that nobody here can check. Else how many
    /// issuers may stand below it.
    pub(super) issues: Option<usize>,
    /// Extended key usages; `None`: everything.
    usages: Option<Vec<Vec<u8>>>,
    key_id: Option<Vec<u8>>,
    pub(super) issuer_key_id: Option<Vec<u8>>,
}

/// A subject's key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PublicKey {
    /// Object identifier of its algorithm.
    pub(super) algorithm: Vec<u8>,
    /// Object identifier of its curve; empty if it has none.
    pub(super) curve: Vec<u8>,
    /// The octets of its bit string.
    pub(super) bytes: Vec<u8>,
}

impl Certificate {
    /// `None` if it cannot be read.
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        let mut outer = Reader::new(bytes, "a certificate").enter(der::SEQUENCE, "a certificate").ok()?;
        outer.expect(der::SEQUENCE).ok()?;
        let algorithm = Algorithm::parse(outer.expect(der::SEQUENCE).ok()?).ok()?;
        let (_, parsed) = X509Certificate::from_der(bytes).ok()?;
        let body = &parsed.tbs_certificate;
        let key = body.public_key();
        let parameters = key.algorithm.parameters.as_ref();
        let mut certificate = Self {
            signed_part: body.as_ref().to_vec(),
            algorithm,
            signature: parsed.signature_value.data.to_vec(),
            subject: body.subject().as_raw().to_vec(),
            issuer: body.issuer().as_raw().to_vec(),
            serial: body.raw_serial().to_vec(),
            name: display_name(body.subject()),
            key: PublicKey {
                algorithm: key.algorithm.algorithm.as_bytes().to_vec(),
                curve: parameters
                    .and_then(|any| any.as_oid().ok())
                    .map_or_else(Vec::new, |oid| oid.as_bytes().to_vec()),
                bytes: key.subject_public_key.data.to_vec(),
            },
            not_before: Timestamp::from_second(body.validity().not_before.timestamp()).ok()?,
            not_after: Timestamp::from_second(body.validity().not_after.timestamp()).ok()?,
            issues: None,
            usages: None,
            key_id: None,
            issuer_key_id: None,
        };
        certificate.take_extensions(&parsed);
        Some(certificate)
    }

    fn take_extensions(&mut self, parsed: &X509Certificate<'_>) {
        let mut may_sign_certificates = true;
        let mut is_understood = true;
        for extension in parsed.extensions() {
            match extension.parsed_extension() {
                ParsedExtension::BasicConstraints(constraints) if constraints.ca => {
                    let below = constraints.path_len_constraint.map_or(usize::MAX, |length| length as usize);
                    self.issues = Some(below);
                }
                ParsedExtension::KeyUsage(usage) => may_sign_certificates = usage.key_cert_sign(),
                ParsedExtension::ExtendedKeyUsage(_) => self.usages = Some(usages(extension.value)),
                ParsedExtension::SubjectKeyIdentifier(id) => self.key_id = Some(id.0.to_vec()),
                ParsedExtension::AuthorityKeyIdentifier(id) => {
                    self.issuer_key_id = id.key_identifier.as_ref().map(|id| id.0.to_vec());
                }
                ParsedExtension::BasicConstraints(_) | ParsedExtension::CertificatePolicies(_) => {}
                _ => is_understood &= !extension.critical,
            }
        }
        if !may_sign_certificates || !is_understood {
            self.issues = None;
        }
    }

    /// Whether it is the one that a signer names.
    pub(super) fn is(&self, id: &SignerId) -> bool {
        match id {
            SignerId::IssuerAndSerial(issuer, serial) => self.issuer == *issuer && self.serial == *serial,
            SignerId::KeyId(key_id) => self.key_id.as_ref() == Some(key_id),
        }
    }

    /// Whether both are for the same subject and key.
    pub(super) fn is_same_subject(&self, other: &Self) -> bool {
        self.subject == other.subject && self.key == other.key
    }

    /// Whether its names fit it as the issuer of `below`. Key ids decide where both give one.
    pub(super) fn may_have_issued(&self, below: &Self) -> bool {
        let ids_fit = match (&self.key_id, &below.issuer_key_id) {
            (Some(own), Some(named)) => own == named,
            _ => true,
        };
        self.subject == below.issuer && ids_fit
    }

    /// Whether it names this extended key usage.
    pub(super) fn names_usage(&self, usage: &[u8]) -> bool {
        self.usages.as_ref().is_some_and(|usages| usages.iter().any(|named| named == usage))
    }

    /// Whether it may be used for one of these.
    pub(super) fn allows(&self, usages: &[&[u8]]) -> bool {
        self.usages.is_none()
            || self.names_usage(oid::EKU_ANY)
            || usages.iter().any(|usage| self.names_usage(usage))
    }

    pub(super) fn is_valid_at(&self, time: Timestamp) -> bool {
        self.not_before <= time && time <= self.not_after
    }
}

/// The object identifiers of an ExtendedKeyUsage; none if it cannot be read.
fn usages(value: &[u8]) -> Vec<Vec<u8>> {
    let mut usages = Vec::new();
    if let Ok(mut list) = Reader::new(value, "key usages").enter(der::SEQUENCE, "key usages") {
        while let Ok(Some(usage)) = list.next() {
            usages.push(usage.content.to_vec());
        }
    }
    usages
}

fn display_name(subject: &X509Name<'_>) -> String {
    let text = |value: &x509_parser::asn1_rs::Any<'_>| {
        if value.tag().0 == u32::from(der::BMP_STRING) {
            let units: Vec<u16> =
                value.data.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]])).collect();
            return String::from_utf16_lossy(&units);
        }
        String::from_utf8_lossy(value.data).into_owned()
    };
    let common_name = subject.iter_common_name().last().map(|name| text(name.attr_value()));
    for_people(&common_name.unwrap_or_else(|| subject.to_string()))
}

/// Characters of a name; X.520 has at most 64.
const NAME_CHARS_MAX: usize = 256;

/// A name that its owner wrote, as it may be stored and shown.
pub(super) fn for_people(name: &str) -> String {
    name.chars().filter(|c| !c.is_control()).take(NAME_CHARS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_short_and_of_one_line() {
        assert_eq!(for_people("Größe & Söhne\r\n\u{1b}[31m\0"), "Größe & Söhne[31m");
        assert_eq!(for_people(&"ö".repeat(1 << 20)).chars().count(), NAME_CHARS_MAX);
    }
}
