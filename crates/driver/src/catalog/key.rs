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

/// Whether `signature` is over the SHA-1 hash of `message` alone, without the DigestInfo that says so.
///
/// VeriSign's time-stamping service signed like that for years, Windows takes it, and most catalogs of that time carry
/// such a stamp.
pub(super) fn fits_bare_sha1(
    key: &PublicKey,
    algorithm: &Algorithm,
    message: &[u8],
    signature: &[u8],
) -> bool {
    if algorithm.oid != oid::RSA {
        return false;
    }
    let Ok(key) = RsaPublicKey::from_pkcs1_der(&key.bytes) else { return false };
    key.verify(Pkcs1v15Sign::new_unprefixed(), &Hash::Sha1.over(message), signature).is_ok()
}

fn md5_fits(key: &PublicKey, message: &[u8], signature: &[u8]) -> Fit {
    let Ok(key) = RsaPublicKey::from_pkcs1_der(&key.bytes) else { return Fit::Unsupported };
    let scheme = Pkcs1v15Sign { hash_len: Some(16), prefix: MD5_DIGEST_INFO.into() };
    match key.verify(scheme, &Md5::digest(message), signature) {
        Ok(()) => Fit::Fits,
        Err(_) => Fit::Differs,
    }
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::rand::SystemRandom;
    use aws_lc_rs::signature::{
        ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_ASN1_SIGNING, EcdsaKeyPair, EcdsaSigningAlgorithm,
        KeyPair, RSA_PKCS1_SHA384, RSA_PKCS1_SHA512, RSA_PSS_SHA256, RsaEncoding, RsaKeyPair,
    };

    use super::*;

    const MESSAGE: &[u8] = b"a list of files";
    /// A key of 1024 bits and its signatures over the message, made with OpenSSL.
    const OLD_KEY: &str = "30818902818100d03424cb3d4172bae930ebf94643eb1e72fd0c4620c91660629bd51a22b08de160c3c08958665edcb4\
         dd73fe9564942e8227474c721a8e042695089f2206ec7f574b6ef3c57d969cc2876609178b1d2119a51c66aa435423b3\
         fe9ec59d1d31931e715cb5a34cb760b2742865f0db0c206f3c22cc5a7da1f178fc0e88c70c54170203010001";
    const BY_MD5: &str = "773170eaeb6b4dcbe7d6a6547fad6223a5e8bdd331ab0caa60dd1e528fc06afd5bb7945529dde51aa42914d6ed803e63\
         4e727d364fb27b89b5ba121d8e5e7c76a1939162e0230b17cf6e04e44153f68f17bde60c0190d08ceba1fe9f11d52576\
         87531abf26bdf883d08c77052b317e45ddb77462412e40643a674d0df7df8e12";
    const BY_SHA1: &str = "b80b6cd279d95fe08c8ceda80c2ab5f464b4d68772296a649e641adc47f24d263738fd0664bd136de3a4fd976829eac7\
         94a70327e74c3a30bb250ae31f9b8a7318395dfc194ac3e103827b15fea29aa33ec8f0fdb3ef114f94d2c24f3b04ddca\
         82a86299fe218c6827679fa347713ad7ce23890be330ae1bc2bb9bceaea12b8f";
    /// A key of 1024 bits and its signature over the bare SHA-1 hash of the message, made with OpenSSL.
    const BARE_KEY: &str = "30818902818100ba4dd2baaab3ba05400f590e384d0794f71d9f796905064027631b3f99634aebd41fd0192ff9b7df0c\
         60d400ab2d82cc32cede6f7bd307be359c1c1ff30ce53598b4e2878cecd6fccbd784174923559dd93f20d7851e362dd8\
         833921223f30472cdc6abd4b2844e9c2ad9cb799a775c792297e6a6b5d5e3a55a7194d9f75f7290203010001";
    const BY_BARE_SHA1: &str = "954df363b9edd2ac98b31e2dd200562cd232e16cab99ff018a642524195491fdd9c3884030f4176a8b862d393b12163b\
         7512c1f8e4fc559b85cf1b46cebafd0d3220e8054c402cf4bbaffcc8f36d489ac9ab4bce55f947d61bbec81abdcac9cc\
         5d14252d36e84a2c04d4918e59dba3b268ccf8dfc6342d02c56772595e1dcb69";
    /// RSASSA-PSS-params with SHA-256 for the hash and its mask, 32 bytes of salt.
    const PSS_SHA256: &str = "3034a00f300d06096086480165030402010500a11c301a06092a864886f70d010108300d0609608648016503\
         0402010500a203020120";

    fn key(algorithm: &[u8], curve: &[u8], bytes: &[u8]) -> PublicKey {
        PublicKey { algorithm: algorithm.to_vec(), curve: curve.to_vec(), bytes: bytes.to_vec() }
    }

    fn algorithm(oid: &[u8], parameters: &[u8]) -> Algorithm {
        Algorithm { oid: oid.to_vec(), parameters: parameters.to_vec() }
    }

    #[test]
    fn a_bare_hash_is_told_from_one_that_is_named() {
        let rsa = algorithm(oid::RSA, &[]);
        let bare = key(oid::RSA, &[], &hex::decode(BARE_KEY).unwrap());
        let signature = hex::decode(BY_BARE_SHA1).unwrap();
        assert!(fits_bare_sha1(&bare, &rsa, MESSAGE, &signature));
        assert!(!fits_bare_sha1(&bare, &rsa, b"another list", &signature));
        assert!(!fits_bare_sha1(&bare, &algorithm(oid::RSA_SHA1, &[]), MESSAGE, &signature));
        assert_eq!(fits(&bare, &rsa, Some(Hash::Sha1), MESSAGE, &signature), Fit::Differs);
        let named = key(oid::RSA, &[], &hex::decode(OLD_KEY).unwrap());
        assert!(!fits_bare_sha1(&named, &rsa, MESSAGE, &hex::decode(BY_SHA1).unwrap()));
    }

    /// The signature fits its message, and neither another message nor another signature.
    fn check(key: &PublicKey, algorithm: &Algorithm, hash: Option<Hash>, signature: &[u8]) {
        assert_eq!(fits(key, algorithm, hash, MESSAGE, signature), Fit::Fits);
        assert_eq!(fits(key, algorithm, hash, b"another list", signature), Fit::Differs);
        let mut changed = signature.to_vec();
        *changed.last_mut().unwrap() ^= 1;
        assert_eq!(fits(key, algorithm, hash, MESSAGE, &changed), Fit::Differs);
        assert_eq!(fits(key, algorithm, hash, MESSAGE, &[]), Fit::Differs);
    }

    #[test]
    fn old_signatures() {
        let rsa = key(oid::RSA, &[], &hex::decode(OLD_KEY).unwrap());
        let (by_md5, by_sha1) = (hex::decode(BY_MD5).unwrap(), hex::decode(BY_SHA1).unwrap());
        check(&rsa, &algorithm(oid::RSA, &[5, 0]), Some(Hash::Md5), &by_md5);
        check(&rsa, &algorithm(oid::RSA_MD5, &[5, 0]), None, &by_md5);
        check(&rsa, &algorithm(oid::RSA, &[5, 0]), Some(Hash::Sha1), &by_sha1);
        check(&rsa, &algorithm(oid::RSA_SHA1_OLD, &[]), None, &by_sha1);
    }

    #[test]
    fn new_signatures() {
        let pair = RsaKeyPair::generate(aws_lc_rs::rsa::KeySize::Rsa2048).unwrap();
        let rsa = key(oid::RSA, &[], pair.public_key().as_ref());
        let sign = |scheme: &'static dyn RsaEncoding| {
            let mut signature = vec![0; pair.public_modulus_len()];
            pair.sign(scheme, &SystemRandom::new(), MESSAGE, &mut signature).unwrap();
            signature
        };
        check(&rsa, &algorithm(oid::RSA_SHA384, &[5, 0]), None, &sign(&RSA_PKCS1_SHA384));
        check(&rsa, &algorithm(oid::RSA, &[5, 0]), Some(Hash::Sha512), &sign(&RSA_PKCS1_SHA512));
        let parameters = hex::decode(PSS_SHA256).unwrap();
        check(&rsa, &algorithm(oid::RSA_PSS, &parameters), Some(Hash::Sha1), &sign(&RSA_PSS_SHA256));
    }

    #[test]
    fn elliptic_curves() {
        let sign = |scheme: &'static EcdsaSigningAlgorithm, curve, oid: &[u8], hash| {
            let pair = EcdsaKeyPair::generate(scheme).unwrap();
            let signature = pair.sign(&SystemRandom::new(), MESSAGE).unwrap();
            let key = key(oid::EC_KEY, curve, pair.public_key().as_ref());
            check(&key, &algorithm(oid, &[]), hash, signature.as_ref());
        };
        sign(&ECDSA_P256_SHA256_ASN1_SIGNING, oid::P256, oid::ECDSA_SHA256, None);
        sign(&ECDSA_P384_SHA384_ASN1_SIGNING, oid::P384, oid::EC_KEY, Some(Hash::Sha384));
    }

    #[test]
    fn what_is_not_supported_is_not_called_broken() {
        let rsa = key(oid::RSA, &[], &[]);
        let check = |key: &PublicKey, algorithm: &Algorithm, hash| {
            assert_eq!(fits(key, algorithm, hash, MESSAGE, &[1]), Fit::Unsupported);
        };
        check(&rsa, &algorithm(oid::SHA1, &[]), Some(Hash::Sha1));
        check(&rsa, &algorithm(oid::RSA, &[]), None);
        check(&rsa, &algorithm(oid::RSA_MD5, &[]), None);
        check(&rsa, &algorithm(oid::RSA_PSS, &[]), None);
        check(&rsa, &algorithm(oid::ECDSA_SHA256, &[]), None);
        check(&key(oid::EC_KEY, oid::SHA1, &[4]), &algorithm(oid::ECDSA_SHA256, &[]), None);
    }
}
