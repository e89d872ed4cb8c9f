//! Hashes and public keys: whether a signature fits a message.

use aws_lc_rs::digest;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA384_ASN1, ECDSA_P384_SHA256_ASN1, ECDSA_P384_SHA384_ASN1,
    RSA_PKCS1_1024_8192_SHA1_FOR_LEGACY_USE_ONLY, RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY,
    RSA_PKCS1_1024_8192_SHA512_FOR_LEGACY_USE_ONLY, RSA_PKCS1_2048_8192_SHA384, RSA_PSS_2048_8192_SHA256,
    RSA_PSS_2048_8192_SHA384, RSA_PSS_2048_8192_SHA512, UnparsedPublicKey, VerificationAlgorithm,
};
use md5::{Digest, Md5};
use rsa::pkcs1::DecodeRsaPublicKey;
use rsa::{Pkcs1v15Sign, RsaPublicKey};

use super::certificate::PublicKey;
use super::cms::Algorithm;
use super::der::{self, Reader};
use super::oid;

/// DigestInfo up to the hash, for MD5 (RFC 8017, 9.2).
const MD5_DIGEST_INFO: &[u8] = &[
    0x30, 0x20, 0x30, 0x0C, 0x06, 0x08, 0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x02, 0x05, 0x05, 0x00, 0x04,
    0x10,
];

/// Whether a signature fits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fit {
    Fits,
    Differs,
    /// No code for this algorithm.
    Unsupported,
}

/// A hash that signatures are made over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hash {
    Md5,
    Sha1,
    Sha256,
    Sha384,
    Sha512,
}

impl Hash {
    /// By the object identifier of a hash algorithm.
    pub(super) fn of(oid: &[u8]) -> Option<Self> {
        Some(match oid {
            oid if oid == oid::MD5 => Self::Md5,
            oid if oid == oid::SHA1 => Self::Sha1,
            oid if oid == oid::SHA256 => Self::Sha256,
            oid if oid == oid::SHA384 => Self::Sha384,
            oid if oid == oid::SHA512 => Self::Sha512,
            _ => return None,
        })
    }

    pub(super) fn over(self, bytes: &[u8]) -> Vec<u8> {
        let algorithm = match self {
            Self::Md5 => return Md5::digest(bytes).to_vec(),
            Self::Sha1 => &digest::SHA1_FOR_LEGACY_USE_ONLY,
            Self::Sha256 => &digest::SHA256,
            Self::Sha384 => &digest::SHA384,
            Self::Sha512 => &digest::SHA512,
        };
        digest::digest(algorithm, bytes).as_ref().to_vec()
    }

    /// Whether it no longer withstands a forger.
    pub(super) fn is_weak(self) -> bool {
        matches!(self, Self::Md5 | Self::Sha1)
    }
}

/// Whether `signature` over `message` is by `key`. `hash` counts where the algorithm does not name one.
pub(super) fn fits(
    key: &PublicKey,
    algorithm: &Algorithm,
    hash: Option<Hash>,
    message: &[u8],
    signature: &[u8],
) -> Fit {
    let Some((scheme, named)) = scheme(algorithm) else { return Fit::Unsupported };
    let Some(hash) = named.or(hash) else { return Fit::Unsupported };
    if scheme == Scheme::Pkcs1 && hash == Hash::Md5 {
        return md5_fits(key, message, signature);
    }
    let Some(verification) = verification(scheme, hash, key) else { return Fit::Unsupported };
    match UnparsedPublicKey::new(verification, &key.bytes).verify(message, signature) {
        Ok(()) => Fit::Fits,
        Err(_) => Fit::Differs,
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scheme {
    Pkcs1,
    Pss,
    Ecdsa,
}

/// The scheme, and the hash if the algorithm names it.
fn scheme(algorithm: &Algorithm) -> Option<(Scheme, Option<Hash>)> {
    Some(match algorithm.oid.as_slice() {
        oid if oid == oid::RSA => (Scheme::Pkcs1, None),
        oid if oid == oid::RSA_MD5 => (Scheme::Pkcs1, Some(Hash::Md5)),
        oid if oid == oid::RSA_SHA1 || oid == oid::RSA_SHA1_OLD => (Scheme::Pkcs1, Some(Hash::Sha1)),
        oid if oid == oid::RSA_SHA256 => (Scheme::Pkcs1, Some(Hash::Sha256)),
        oid if oid == oid::RSA_SHA384 => (Scheme::Pkcs1, Some(Hash::Sha384)),
        oid if oid == oid::RSA_SHA512 => (Scheme::Pkcs1, Some(Hash::Sha512)),
        oid if oid == oid::RSA_PSS => (Scheme::Pss, Some(pss_hash(&algorithm.parameters)?)),
        oid if oid == oid::EC_KEY => (Scheme::Ecdsa, None),
        oid if oid == oid::ECDSA_SHA256 => (Scheme::Ecdsa, Some(Hash::Sha256)),
        oid if oid == oid::ECDSA_SHA384 => (Scheme::Ecdsa, Some(Hash::Sha384)),
        _ => return None,
    })
}

/// RSASSA-PSS-params: its `[0]` names the hash; SHA-1 without.
fn pss_hash(parameters: &[u8]) -> Option<Hash> {
    let mut parameters = Reader::new(parameters, "parameters").enter(der::SEQUENCE, "parameters").ok()?;
    let mut wrapper = parameters.enter(der::context(0), "parameters").ok()?;
    Hash::of(&Algorithm::parse(wrapper.expect(der::SEQUENCE).ok()?).ok()?.oid)
}

fn verification(scheme: Scheme, hash: Hash, key: &PublicKey) -> Option<&'static dyn VerificationAlgorithm> {
    let is_rsa = key.algorithm == oid::RSA || key.algorithm == oid::RSA_PSS;
    let curve = key.curve.as_slice();
    Some(match (scheme, hash) {
        (Scheme::Pkcs1, Hash::Sha1) if is_rsa => &RSA_PKCS1_1024_8192_SHA1_FOR_LEGACY_USE_ONLY,
        (Scheme::Pkcs1, Hash::Sha256) if is_rsa => &RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY,
        (Scheme::Pkcs1, Hash::Sha384) if is_rsa => &RSA_PKCS1_2048_8192_SHA384,
        (Scheme::Pkcs1, Hash::Sha512) if is_rsa => &RSA_PKCS1_1024_8192_SHA512_FOR_LEGACY_USE_ONLY,
        (Scheme::Pss, Hash::Sha256) if is_rsa => &RSA_PSS_2048_8192_SHA256,
        (Scheme::Pss, Hash::Sha384) if is_rsa => &RSA_PSS_2048_8192_SHA384,
        (Scheme::Pss, Hash::Sha512) if is_rsa => &RSA_PSS_2048_8192_SHA512,
        (Scheme::Ecdsa, Hash::Sha256) if curve == oid::P256 => &ECDSA_P256_SHA256_ASN1,
        (Scheme::Ecdsa, Hash::Sha384) if curve == oid::P256 => &ECDSA_P256_SHA384_ASN1,
        (Scheme::Ecdsa, Hash::Sha256) if curve == oid::P384 => &ECDSA_P384_SHA256_ASN1,
        (Scheme::Ecdsa, Hash::Sha384) if curve == oid::P384 => &ECDSA_P384_SHA384_ASN1,
        _ => return None,
    })
}

fn md5_fits(key: &PublicKey, message: &[u8], signature: &[u8]) -> Fit {
    let Ok(key) = RsaPublicKey::from_pkcs1_der(&key.bytes) else { return Fit::Unsupported };
    let scheme = Pkcs1v15Sign { hash_len: Some(16), prefix: MD5_DIGEST_INFO.into() };
    match key.verify(scheme, &Md5::digest(message), signature) {
        Ok(()) => Fit::Fits,
        Err(_) => Fit::Differs,
    }
}
