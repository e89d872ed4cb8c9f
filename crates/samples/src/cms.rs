//! PKCS#7 signed data, counter-signatures and time stamps by the sample authority.

use crate::authority::{self, Certificate, Key, algorithm};
use crate::der::{explicit, generalized_time, integer, octets, oid, sequence, set, utc_time};
use crate::sign;

const SIGNED_DATA: &str = "1.2.840.113549.1.7.2";
const DATA: &str = "1.2.840.113549.1.7.1";
const CONTENT_TYPE: &str = "1.2.840.113549.1.9.3";
const MESSAGE_DIGEST: &str = "1.2.840.113549.1.9.4";
const SIGNING_TIME: &str = "1.2.840.113549.1.9.5";
const COUNTERSIGNATURE: &str = "1.2.840.113549.1.9.6";
const TIME_STAMP_INFO: &str = "1.2.840.113549.1.9.16.1.4";
const TIME_STAMP: &str = "1.3.6.1.4.1.311.3.3.1";
const RSA: &str = "1.2.840.113549.1.1.1";
const SHA256: &str = "2.16.840.1.101.3.4.2.1";

/// One attribute with one value.
pub(crate) fn attribute(kind: &str, value: Vec<u8>) -> Vec<u8> {
    sequence(&[oid(kind), set(&[value])])
}

/// What a signer signs besides what is special to it: the kind of the content and its hash. In DER's order.
pub(crate) fn attributes(kind: &str, content: &[u8], special: Vec<Vec<u8>>) -> Vec<Vec<u8>> {
    let mut attributes = vec![
        attribute(CONTENT_TYPE, oid(kind)),
        attribute(MESSAGE_DIGEST, octets(&sign::sha256(&[content]))),
    ];
    attributes.extend(special);
    attributes.sort();
    attributes
}

/// SignerInfo.
pub(crate) fn signer(
    certificate: Certificate,
    signed: &[Vec<u8>],
    signature: &[u8],
    unsigned: Option<Vec<u8>>,
) -> Vec<u8> {
    let mut parts = vec![
        integer(1),
        authority::issuer_and_serial(certificate),
        algorithm(SHA256),
        explicit(0, signed),
        algorithm(RSA),
        octets(signature),
    ];
    parts.extend(unsigned.map(|attribute| explicit(1, &[attribute])));
    sequence(&parts)
}

/// ContentInfo around `content`, the encoded value that was signed.
pub(crate) fn signed_data(kind: &str, content: &[u8], chain: &[Vec<u8>], signers: &[Vec<u8>]) -> Vec<u8> {
    let mut parts =
        vec![integer(1), set(&[algorithm(SHA256)]), sequence(&[oid(kind), explicit(0, &[content.to_vec()])])];
    if !chain.is_empty() {
        parts.push(explicit(0, chain));
    }
    parts.push(set(signers));
    sequence(&[oid(SIGNED_DATA), explicit(0, &[sequence(&parts)])])
}

/// The attribute that holds a PKCS#9 counter-signature of `signature`, made at `time` (`YYMMDDhhmmssZ`).
pub(crate) fn countersignature(signature: &[u8], time: &str) -> Vec<u8> {
    let time = attribute(SIGNING_TIME, utc_time(time));
    attribute(COUNTERSIGNATURE, stamper(DATA, signature, vec![time]))
}

/// The attribute that holds an RFC 3161 token for `signature`, made at `time` (`YYMMDDhhmmssZ`).
pub(crate) fn stamp_token(signature: &[u8], time: &str) -> Vec<u8> {
    let info = sequence(&[
        integer(1),
        oid("1.3.6.1.4.1.311.99"), // the sample authority's policy
        sequence(&[algorithm(SHA256), octets(&sign::sha256(&[signature]))]),
        integer(1),
        generalized_time(&format!("20{time}")),
    ]);
    let certificate = authority::certificate(Certificate::Stamper);
    let signer = stamper(TIME_STAMP_INFO, &info, Vec::new());
    attribute(TIME_STAMP, signed_data(TIME_STAMP_INFO, &octets(&info), &[certificate], &[signer]))
}

fn stamper(kind: &str, content: &[u8], special: Vec<Vec<u8>>) -> Vec<u8> {
    let attributes = attributes(kind, content, special);
    signer(Certificate::Stamper, &attributes, &authority::sign(Key::Stamper, &set(&attributes)), None)
}
