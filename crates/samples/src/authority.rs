//! The sample authority: the keys and certificates behind the catalogs' signatures.
//!
//! The keys lie in this repository for everyone to read. They prove nothing about anybody and must never be trusted
//! outside tests and the demo.

use std::fmt::Write;
use std::sync::OnceLock;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::der::{
    bits, boolean, explicit, integer, null, octets, oid, printable, sequence, set, tlv, utc_time,
};
use crate::sign;

const RSA: &str = "1.2.840.113549.1.1.1";
const RSA_SHA256: &str = "1.2.840.113549.1.1.11";
const CODE_SIGNING: &str = "1.3.6.1.5.5.7.3.3";
const KEY_IDENTIFIER: &str = "2.5.29.14";
const AUTHORITY_KEY_IDENTIFIER: &str = "2.5.29.35";
const BASIC_CONSTRAINTS: &str = "2.5.29.19";
const NAME_CONSTRAINTS: &str = "2.5.29.30";
const EXTENDED_KEY_USAGE: &str = "2.5.29.37";

/// A key of the authority, 2048 bits of RSA.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Key {
    Root,
    Issuer,
    Publisher,
    Stamper,
}

/// A certificate of the authority.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Certificate {
    Root,
    Issuer,
    HardwareLabs,
    Expired,
    WebServer,
    Stamper,
    /// Issues for web servers only.
    WebIssuer,
    /// For code, by the issuer for web servers.
    CodeOfWebIssuer,
    /// Issues within constraints on names.
    BoundIssuer,
    /// For code, by that issuer.
    CodeOfBoundIssuer,
}

/// A PKCS#1 v1.5 signature over SHA-256.
pub(crate) fn sign(key: Key, message: &[u8]) -> Vec<u8> {
    let pair = pair(key);
    let mut signature = vec![0; pair.public_modulus_len()];
    pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message, &mut signature)
        .expect("a key of 2048 bits signs every message");
    signature
}

/// The certificate in DER; made once in each process.
pub(crate) fn certificate(which: Certificate) -> Vec<u8> {
    static MADE: OnceLock<Vec<Vec<u8>>> = OnceLock::new();
    let all = [
        Certificate::Root,
        Certificate::Issuer,
        Certificate::HardwareLabs,
        Certificate::Expired,
        Certificate::WebServer,
        Certificate::Stamper,
        Certificate::WebIssuer,
        Certificate::CodeOfWebIssuer,
        Certificate::BoundIssuer,
        Certificate::CodeOfBoundIssuer,
    ];
    MADE.get_or_init(|| all.into_iter().map(Certificate::make).collect())[which as usize].clone()
}

/// The certificate in PEM.
pub(crate) fn pem(which: Certificate) -> String {
    let mut text = "-----BEGIN CERTIFICATE-----\n".to_owned();
    for line in certificate(which).chunks(48) {
        writeln!(text, "{}", STANDARD.encode(line)).expect("a String takes everything");
    }
    text + "-----END CERTIFICATE-----\n"
}

/// IssuerAndSerialNumber of the certificate.
pub(crate) fn issuer_and_serial(which: Certificate) -> Vec<u8> {
    sequence(&[name(which.issuer().common_name()), integer(which.serial())])
}

fn pair(key: Key) -> &'static RsaKeyPair {
    static PAIRS: OnceLock<Vec<RsaKeyPair>> = OnceLock::new();
    let keys: [&[u8]; 4] = [
        include_bytes!("../keys/root.der"),
        include_bytes!("../keys/issuer.der"),
        include_bytes!("../keys/publisher.der"),
        include_bytes!("../keys/stamper.der"),
    ];
    let read = |bytes| RsaKeyPair::from_der(bytes).expect("the keys in the repository are PKCS#1");
    &PAIRS.get_or_init(|| keys.into_iter().map(read).collect())[key as usize]
}

impl Certificate {
    fn key(self) -> Key {
        match self {
            Self::Root => Key::Root,
            Self::Issuer | Self::WebIssuer | Self::BoundIssuer => Key::Issuer,
            Self::HardwareLabs
            | Self::Expired
            | Self::WebServer
            | Self::CodeOfWebIssuer
            | Self::CodeOfBoundIssuer => Key::Publisher,
            Self::Stamper => Key::Stamper,
        }
    }

    pub(crate) fn issuer(self) -> Self {
        match self {
            Self::Root | Self::Issuer | Self::Stamper | Self::WebIssuer | Self::BoundIssuer => Self::Root,
            Self::CodeOfWebIssuer => Self::WebIssuer,
            Self::CodeOfBoundIssuer => Self::BoundIssuer,
            Self::HardwareLabs | Self::Expired | Self::WebServer => Self::Issuer,
        }
    }

    fn common_name(self) -> &'static str {
        match self {
            Self::Root => "Sample Root",
            Self::Issuer => "Sample Publisher CA",
            Self::HardwareLabs => "Sample Hardware Compatibility Publisher",
            Self::Expired => "Sample Publisher of 2021",
            Self::WebServer => "www.example.test",
            Self::Stamper => "Sample Time-Stamp Service",
            Self::WebIssuer => "Sample Web CA",
            Self::CodeOfWebIssuer => "Sample Publisher by a Web CA",
            Self::BoundIssuer => "Sample Constrained CA",
            Self::CodeOfBoundIssuer => "Sample Publisher by a Constrained CA",
        }
    }

    fn serial(self) -> u32 {
        4700 + self as u32
    }

    /// Extended key usages; none for everything.
    fn usages(self) -> &'static [&'static str] {
        match self {
            Self::Root | Self::Issuer | Self::BoundIssuer => &[],
            Self::HardwareLabs => &["1.3.6.1.4.1.311.10.3.5", CODE_SIGNING],
            Self::Expired | Self::CodeOfWebIssuer | Self::CodeOfBoundIssuer => &[CODE_SIGNING],
            Self::WebServer | Self::WebIssuer => &["1.3.6.1.5.5.7.3.1"],
            Self::Stamper => &["1.3.6.1.5.5.7.3.8"],
        }
    }

    fn make(self) -> Vec<u8> {
        let end = if self == Self::Expired { "211231235959Z" } else { "491231235959Z" };
        let body = sequence(&[
            explicit(0, &[integer(2)]),
            integer(self.serial()),
            algorithm(RSA_SHA256),
            name(self.issuer().common_name()),
            sequence(&[utc_time("200101000000Z"), utc_time(end)]),
            name(self.common_name()),
            sequence(&[algorithm(RSA), bits(pair(self.key()).public_key().as_ref())]),
            explicit(3, &[sequence(&self.extensions())]),
        ]);
        let signature = sign(self.issuer().key(), &body);
        sequence(&[body, algorithm(RSA_SHA256), bits(&signature)])
    }

    fn extensions(self) -> Vec<Vec<u8>> {
        let extension = |kind, critical: bool, value: &[u8]| {
            let critical = if critical { boolean(true) } else { Vec::new() };
            sequence(&[oid(kind), critical, octets(value)])
        };
        let issuer_id = sequence(&[tlv(0x80, &self.issuer().key_id())]);
        let mut extensions = vec![
            extension(KEY_IDENTIFIER, false, &octets(&self.key_id())),
            extension(AUTHORITY_KEY_IDENTIFIER, false, &issuer_id),
        ];
        let usages: Vec<Vec<u8>> = self.usages().iter().map(|usage| oid(usage)).collect();
        if matches!(self, Self::Root | Self::Issuer | Self::WebIssuer | Self::BoundIssuer) {
            extensions.push(extension(BASIC_CONSTRAINTS, true, &sequence(&[boolean(true)])));
        }
        if self == Self::BoundIssuer {
            // permittedSubtrees: a DNS name.
            let subtree = sequence(&[tlv(0x82, b"example.test")]);
            extensions.push(extension(NAME_CONSTRAINTS, true, &sequence(&[tlv(0xA0, &subtree)])));
        }
        if !usages.is_empty() {
            extensions.push(extension(EXTENDED_KEY_USAGE, self == Self::Stamper, &sequence(&usages)));
        }
        extensions
    }

    fn key_id(self) -> Vec<u8> {
        sign::sha1(&[pair(self.key()).public_key().as_ref()])
    }
}

/// AlgorithmIdentifier with NULL parameters.
pub(crate) fn algorithm(identifier: &str) -> Vec<u8> {
    sequence(&[oid(identifier), null()])
}

/// A name with nothing but a common name.
pub(crate) fn name(common_name: &str) -> Vec<u8> {
    sequence(&[set(&[sequence(&[oid("2.5.4.3"), printable(common_name)])])])
}
