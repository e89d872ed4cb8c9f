//! The signatures inside images: DER of the right shape around random keys and signatures.
//!
//! Like real ones they are nearly incompressible, new in every release, and half of one is a certificate chain that
//! repeats in every file. They prove nothing, as nobody asks them: what proves a driver is its catalog.

use aws_lc_rs::digest;

use crate::authority::{algorithm, name};
use crate::der::{bits, explicit, integer, octets, oid, sequence, set, tlv, utc_time};
use crate::rng::Rng;

/// About what [`certificate_table`] gives.
pub(crate) const TYPICAL_BYTES: usize = 9000;
/// Key of the one invented publisher: the same chain stands in every signature, as real publishers' do.
const CHAIN_SEED: u64 = 0x5160_C4A1;
const CHAIN_CERTIFICATES: usize = 5;
const SIGNED_DATA: &str = "1.2.840.113549.1.7.2";
const SHA256: &str = "2.16.840.1.101.3.4.2.1";
const RSA: &str = "1.2.840.113549.1.1.1";
const SPC_INDIRECT_DATA: &str = "1.3.6.1.4.1.311.2.1.4";

/// SHA-256 over the parts, one behind the other.
pub(crate) fn sha256(parts: &[&[u8]]) -> Vec<u8> {
    hash(&digest::SHA256, parts)
}

/// SHA-1 over the parts, one behind the other; catalogs still carry it.
pub(crate) fn sha1(parts: &[&[u8]]) -> Vec<u8> {
    hash(&digest::SHA1_FOR_LEGACY_USE_ONLY, parts)
}

fn hash(algorithm: &'static digest::Algorithm, parts: &[&[u8]]) -> Vec<u8> {
    let mut context = digest::Context::new(algorithm);
    for part in parts {
        context.update(part);
    }
    context.finish().as_ref().to_vec()
}

/// A PE certificate table with one signature over an image with this Authenticode hash.
pub(crate) fn certificate_table(image_hash: &[u8], rng: &mut Rng) -> Vec<u8> {
    let content = indirect_data("1.3.6.1.4.1.311.2.1.15", SHA256, image_hash);
    let message_digest = sha256(&[&content[content.len() - image_hash.len()..]]);
    let signature = signed_data(SPC_INDIRECT_DATA, &content, &message_digest, rng);
    let bytes = (signature.len() + 8).next_multiple_of(8);
    let mut out = Vec::with_capacity(bytes);
    out.extend((bytes as u32).to_le_bytes());
    out.extend([0x00, 0x02, 0x02, 0x00]); // revision 2.0, PKCS#7
    out.extend(signature);
    out.resize(bytes, 0);
    out
}

/// SPC_INDIRECT_DATA: what kind of file, and its hash by an algorithm.
pub(crate) fn indirect_data(kind: &str, hash: &str, value: &[u8]) -> Vec<u8> {
    let link = explicit(0, &[explicit(2, &[tlv(0x80, &[])])]);
    let subject = sequence(&[oid(kind), sequence(&[bits(&[]), link])]);
    sequence(&[subject, sequence(&[algorithm(hash), octets(value)])])
}

/// A PKCS#7 signedData with chain, signer and time stamp around `content`.
fn signed_data(kind: &str, content: &[u8], message_digest: &[u8], rng: &mut Rng) -> Vec<u8> {
    let attributes = explicit(
        0,
        &[
            sequence(&[oid("1.2.840.113549.1.9.3"), set(&[oid(kind)])]),
            sequence(&[oid("1.2.840.113549.1.9.4"), set(&[octets(message_digest)])]),
        ],
    );
    let stamp = sequence(&[utc_time("260301120000Z"), octets(&rng.bytes(20)), octets(&rng.bytes(256))]);
    let signer = sequence(&[
        integer(1),
        sequence(&[name("Sample Root"), integer(4700 + CHAIN_CERTIFICATES as u32 - 1)]),
        algorithm(SHA256),
        attributes,
        algorithm(RSA),
        octets(&rng.bytes(256)),
        explicit(1, &[sequence(&[oid("1.3.6.1.4.1.311.3.3.1"), set(&[stamp])])]),
    ]);
    let signed = sequence(&[
        integer(1),
        set(&[algorithm(SHA256)]),
        sequence(&[oid(kind), explicit(0, &[content.to_vec()])]),
        explicit(0, &chain()),
        set(&[signer]),
    ]);
    sequence(&[oid(SIGNED_DATA), explicit(0, &[signed])])
}

fn chain() -> Vec<Vec<u8>> {
    let mut rng = Rng::new(CHAIN_SEED);
    (0..CHAIN_CERTIFICATES).map(|level| certificate(&mut rng, level)).collect()
}

fn certificate(rng: &mut Rng, level: usize) -> Vec<u8> {
    let key = sequence(&[tlv(2, &[&[0x00, 0xC1], &rng.bytes(511)[..]].concat()), integer(65_537)]);
    let extensions = sequence(&[sequence(&[oid("2.5.29.14"), octets(&octets(&rng.bytes(120)))])]);
    let body = sequence(&[
        explicit(0, &[integer(2)]),
        integer(4700 + level as u32),
        algorithm(RSA),
        name("Sample Root"),
        sequence(&[utc_time("200101000000Z"), utc_time("400101000000Z")]),
        name(&format!("Sample Publisher {level}")),
        sequence(&[algorithm(RSA), bits(&key)]),
        explicit(3, &[extensions]),
    ]);
    sequence(&[body, algorithm(RSA), bits(&rng.bytes(512))])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_of_a_signature_repeats_and_the_rest_is_new() {
        let mut rng = Rng::new(1);
        let first = certificate_table(&[1; 32], &mut rng);
        let second = certificate_table(&[1; 32], &mut rng);
        assert_eq!(first.len(), second.len());
        assert!((4000..TYPICAL_BYTES).contains(&first.len()), "{} bytes", first.len());
        let changed = first.iter().zip(&second).filter(|(left, right)| left != right).count();
        assert!((500..600).contains(&changed), "{changed} bytes changed");
        assert_eq!(u32::from_le_bytes([first[0], first[1], first[2], first[3]]) as usize, first.len());
    }
}
