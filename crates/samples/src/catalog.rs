//! Security catalogs: the hashes of a driver's files and its hardware ids, in DER, signed by the [sample
//! authority](root_pem).
//!
//! What the catalogs say is true and their signatures hold, so a reader can be tested on them, and on what is wrong
//! with some of them on purpose.

use crate::authority::{self, Certificate, Key};
use crate::cms::{self, attribute};
use crate::der::{bmp, explicit, integer, null, octets, oid, sequence, set, tlv, utc_time};
use crate::pe;
use crate::sign;

const CTL: &str = "1.3.6.1.4.1.311.10.1";
const NAME_VALUE: &str = "1.3.6.1.4.1.311.12.2.1";
const NAME_VALUE_FLAGS: u32 = 0x1001_0001;
const PROGRAM: &str = "Sample Devices Ltd.";

/// Who signs a catalog. All of them come from the same root.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signer {
    /// As hardware quality labs do; good from 2020 to 2049.
    HardwareLabs,
    /// For code only, from 2020 to the end of 2021.
    Expired,
    /// For web servers, not for code.
    WebServer,
    /// For code, but by an issuer of certificates for web servers.
    OfWebIssuer,
    /// For code, but by an issuer under constraints on names.
    OfBoundIssuer,
}

/// Who says when it was signed: at the time that the catalog gives as its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stamp {
    /// A counter-signature (PKCS#9).
    Countersignature,
    /// A token (RFC 3161).
    Token,
    /// A token for another signature.
    Misplaced,
}

/// A catalog in the making.
#[derive(Debug, Clone)]
pub struct Catalog {
    version: u8,
    id: [u8; 16],
    created: String,
    members: Vec<Vec<u8>>,
    hardware_ids: Vec<String>,
    attributes: Vec<Vec<u8>>,
    signer: Option<Signer>,
    stamp: Option<Stamp>,
    signed_as: &'static str,
}

/// The root of all signers and time stamps, in PEM.
#[must_use]
pub fn root_pem() -> String {
    authority::pem(Certificate::Root)
}

impl Catalog {
    /// An empty one: version 1 lists files by SHA-1, version 2 by SHA-1 and SHA-256. Made on 1 March 2026, not signed.
    #[must_use]
    pub fn new(version: u8) -> Self {
        Self {
            version,
            id: [0x5A; 16],
            created: "260301120000Z".to_owned(),
            members: Vec::new(),
            hardware_ids: Vec::new(),
            attributes: Vec::new(),
            signer: None,
            stamp: None,
            signed_as: CTL,
        }
    }

    /// Lists a file: an image or a cabinet by the hash that signing leaves alone, any other by that of all bytes.
    #[must_use]
    pub fn file(mut self, name: &str, content: &[u8]) -> Self {
        let file = MemberFile::new(content);
        if self.version == 1 {
            self.members.push(file.version_1(name));
        } else {
            self.members.extend(file.version_2(name));
        }
        self
    }

    /// Lists a file in a catalog of version 2 by SHA-1 alone, which the version does not forbid.
    #[must_use]
    pub fn file_by_sha1(mut self, name: &str, content: &[u8]) -> Self {
        let [by_sha1, _] = MemberFile::new(content).version_2(name);
        self.members.push(by_sha1);
        self
    }

    /// Lists a hardware id.
    #[must_use]
    pub fn hardware_id(mut self, id: &str) -> Self {
        self.hardware_ids.push(id.to_lowercase());
        self
    }

    /// Says something of the whole package, for example `OS`.
    #[must_use]
    pub fn attribute(mut self, name: &str, value: &str) -> Self {
        self.attributes.push(extension(name, value));
        self
    }

    /// Another id than that of all others.
    #[must_use]
    pub fn id(mut self, id: [u8; 16]) -> Self {
        self.id = id;
        self
    }

    /// Made at another time, as `YYMMDDhhmmssZ`.
    #[must_use]
    pub fn created(mut self, time: &str) -> Self {
        time.clone_into(&mut self.created);
        self
    }

    /// Signed.
    #[must_use]
    pub fn signed(mut self, signer: Signer) -> Self {
        self.signer = Some(signer);
        self
    }

    /// Signed as another kind of content than a list; `kind` is a dotted object identifier.
    #[must_use]
    pub fn signed_as(mut self, kind: &'static str) -> Self {
        self.signed_as = kind;
        self
    }

    /// Signed with a time stamp.
    #[must_use]
    pub fn stamped(mut self, stamp: Stamp) -> Self {
        self.stamp = Some(stamp);
        self
    }

    /// The file.
    #[must_use]
    pub fn build(&self) -> Vec<u8> {
        let list = self.list();
        let encoded = sequence(std::slice::from_ref(&list));
        let Some(signer) = self.signer else {
            return cms::signed_data(CTL, &encoded, &[], &[]);
        };
        let certificate = match signer {
            Signer::HardwareLabs => Certificate::HardwareLabs,
            Signer::Expired => Certificate::Expired,
            Signer::WebServer => Certificate::WebServer,
            Signer::OfWebIssuer => Certificate::CodeOfWebIssuer,
            Signer::OfBoundIssuer => Certificate::CodeOfBoundIssuer,
        };
        let mut chain =
            vec![authority::certificate(certificate.issuer()), authority::certificate(certificate)];
        let text = tlv(0x80, &bmp(PROGRAM)[2..]);
        let program = attribute("1.3.6.1.4.1.311.2.1.12", sequence(&[explicit(0, &[text])]));
        // The signature covers the list's content without its tag and length.
        let attributes = cms::attributes(self.signed_as, &list, vec![program]);
        let signature = authority::sign(Key::Publisher, &set(&attributes));
        let unsigned = match self.stamp {
            None => None,
            Some(Stamp::Countersignature) => {
                chain.push(authority::certificate(Certificate::Stamper));
                Some(cms::countersignature(&signature, &self.created))
            }
            Some(Stamp::Token) => Some(cms::stamp_token(&signature, &self.created)),
            Some(Stamp::Misplaced) => Some(cms::stamp_token(b"another signature", &self.created)),
        };
        let signer = cms::signer(certificate, &attributes, &signature, unsigned);
        cms::signed_data(CTL, &encoded, &chain, &[signer])
    }

    /// The content of the list, without tag and length.
    fn list(&self) -> Vec<u8> {
        let kind = if self.version == 1 { "1.3.6.1.4.1.311.12.1.2" } else { "1.3.6.1.4.1.311.12.1.3" };
        let ids = self.hardware_ids.iter().rev().enumerate();
        let mut attributes: Vec<Vec<u8>> =
            ids.map(|(number, id)| extension(&format!("HWID{}", number + 1), id)).collect();
        attributes.extend_from_slice(&self.attributes);
        let mut list = vec![
            sequence(&[oid("1.3.6.1.4.1.311.12.1.1")]),
            octets(&self.id),
            utc_time(&self.created),
            sequence(&[oid(kind), null()]),
            sequence(&self.members),
        ];
        if !attributes.is_empty() {
            list.push(explicit(0, &[sequence(&attributes)]));
        }
        list.concat()
    }
}

/// What a member of a catalog is made of.
struct MemberFile {
    sha1: Vec<u8>,
    sha256: Vec<u8>,
    /// Object identifier of what was hashed.
    subject: &'static str,
    /// The subject's GUID in version 1.
    guid: &'static str,
    /// The subject's tag in version 2.
    tag: u8,
}

impl MemberFile {
    fn new(content: &[u8]) -> Self {
        let (parts, subject, guid, tag) = if let Some(ranges) = pe::authenticode_ranges(content) {
            (ranges.to_vec(), "1.3.6.1.4.1.311.2.1.15", "{C689AAB8-8E78-11D0-8C47-00C04FC295EE}", 0x80)
        } else if content.starts_with(b"MSCF") && content.len() > 8 {
            // No cabinet of ours has room for a signature of its own.
            let parts = vec![&content[..4], &content[8..]];
            (parts, "1.3.6.1.4.1.311.2.1.28", "{C689AABA-8E78-11D0-8C47-00C04FC295EE}", 0x81)
        } else {
            (vec![content], "1.3.6.1.4.1.311.2.1.25", "{DE351A42-8E59-11D0-8C47-00C04FC295EE}", 0x82)
        };
        Self { sha1: sign::sha1(&parts), sha256: sign::sha256(&parts), subject, guid, tag }
    }

    /// By SHA-1, whose text is the key.
    fn version_1(&self, name: &str) -> Vec<u8> {
        let hex: String = self.sha1.iter().map(|byte| format!("{byte:02X}")).collect();
        let info = attribute("1.3.6.1.4.1.311.12.2.2", sequence(&[bmp(self.guid), integer(0x0200)]));
        let hash = sign::indirect_data(self.subject, "1.3.14.3.2.26", &self.sha1);
        let hash = attribute("1.3.6.1.4.1.311.2.1.4", hash);
        sequence(&[octets(&utf16(&hex)), set(&[names(name), vec![info, hash]].concat())])
    }

    /// Twice, by SHA-1 and by SHA-256; only the second says it again.
    fn version_2(&self, name: &str) -> [Vec<u8>; 2] {
        let info = attribute("1.3.6.1.4.1.311.12.2.3", tlv(self.tag, &[]));
        let common = [names(name), vec![info]].concat();
        let hash = sign::indirect_data(self.subject, "2.16.840.1.101.3.4.2.1", &self.sha256);
        let with_hash = [&common[..], &[attribute("1.3.6.1.4.1.311.2.1.4", hash)]].concat();
        [sequence(&[octets(&self.sha1), set(&common)]), sequence(&[octets(&self.sha256), set(&with_hash)])]
    }
}

fn names(file: &str) -> Vec<Vec<u8>> {
    let values = [("File", file.to_lowercase()), ("OSAttr", "2:10.0".to_owned())];
    values.map(|(name, value)| attribute(NAME_VALUE, name_value(name, &value))).to_vec()
}

fn extension(name: &str, value: &str) -> Vec<u8> {
    sequence(&[oid(NAME_VALUE), octets(&name_value(name, value))])
}

fn name_value(name: &str, value: &str) -> Vec<u8> {
    sequence(&[bmp(name), integer(NAME_VALUE_FLAGS), octets(&utf16(value))])
}

/// UTF-16, little endian, with a NUL at its end.
fn utf16(text: &str) -> Vec<u8> {
    text.encode_utf16().chain([0]).flat_map(u16::to_le_bytes).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contains(catalog: &[u8], part: &[u8]) -> bool {
        catalog.windows(part.len()).any(|window| window == part)
    }

    #[test]
    fn a_catalog_names_the_true_hashes() {
        let inf = b"[Version]\r\n";
        let second = Catalog::new(2).file("A.inf", inf).build();
        assert!(contains(&second, &sign::sha256(&[inf])) && contains(&second, &sign::sha1(&[inf])));
        let name: Vec<u8> = "a.inf".encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert!(contains(&second, &name));
        let first = Catalog::new(1).file("A.inf", inf).build();
        assert!(contains(&first, &sign::sha1(&[inf])) && !contains(&first, &sign::sha256(&[inf])));
    }

    #[test]
    fn a_signature_is_new_for_every_list_and_the_same_for_one() {
        let sign = |id| Catalog::new(2).id([id; 16]).signed(Signer::HardwareLabs).build();
        assert_eq!(sign(1), sign(1));
        let changed = sign(1).iter().zip(sign(2)).filter(|(left, right)| **left != *right).count();
        assert!(changed > 256, "{changed} bytes changed");
    }
}
