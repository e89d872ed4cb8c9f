//! Security catalogs (`.cat`): which files they list, who signed them, and whether that can be trusted.
//!
//! A catalog is a PKCS#7 signature around a list of hashes. [`Catalog::parse`] reads the list, tolerant about what real
//! catalogs do and strict about bounds; [`Catalog::verify`] proves the signature against configured roots. Revocation is
//! not asked for: this floor knows no network.

mod certificate;
mod chain;
mod cms;
mod der;
mod error;
mod key;
mod list;
mod oid;
mod stamp;
mod time;
mod trust;
mod verify;

use std::collections::HashSet;

use jiff::Timestamp;

use crate::digest::{FileDigests, Kind, Wanted};
use crate::{Diagnostic, Severity};

pub use error::{CatalogError, TrustError};
pub use trust::{ROOTS_MAX, Trust};
pub use verify::{SignatureCheck, SignerState};

/// Bytes in a catalog; the largest real one has 1.7 MB.
pub const CATALOG_BYTES_MAX: usize = 32 << 20;
/// Members of a catalog; the largest real one has 438.
pub const MEMBERS_MAX: usize = 100_000;
/// Attributes of the catalog and of all members together.
pub const ATTRIBUTES_MAX: usize = 400_000;
/// Certificates in a signature, those of its time stamp counted apart.
pub const CERTIFICATES_MAX: usize = 64;
/// Signatures on a catalog; real ones have one or none.
pub const SIGNERS_MAX: usize = 8;

const LFS_POINTER: &[u8] = b"version https://git-lfs";

/// A catalog that was read. It proves nothing before [`Catalog::verify`].
#[derive(Debug, Clone)]
pub struct Catalog {
    version: u8,
    list_id: Vec<u8>,
    created: Timestamp,
    members: Vec<Member>,
    attributes: Vec<NameValue>,
    hashes: HashSet<MemberHash>,
    signed: cms::SignedData,
    diagnostics: Vec<Diagnostic>,
}

/// One file that a catalog lists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// What the file's bytes must hash to.
    pub hash: MemberHash,
    /// How the hash was made; `None` if the catalog does not say.
    pub kind: Option<Kind>,
    /// `File` and `OSAttr` and whatever else is said of it, in order.
    pub attributes: Vec<NameValue>,
}

/// The hash of a member. For images and cabinets it is the one that signing leaves alone, for others that of all bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MemberHash {
    /// Old catalogs, and beside SHA-256 in new ones.
    Sha1([u8; 20]),
    /// Since Windows 8.
    Sha256([u8; 32]),
}

/// A named text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NameValue {
    /// For example `File`, `OSAttr`, `OS`, `HWID1`.
    pub name: String,
    /// Without the closing NUL.
    pub value: String,
}

impl Catalog {
    /// Reads a catalog.
    ///
    /// # Errors
    /// The bytes are no catalog, or a damaged one, or it is beyond the limits of this module.
    pub fn parse(bytes: &[u8]) -> Result<Self, CatalogError> {
        if bytes.len() > CATALOG_BYTES_MAX {
            return Err(CatalogError::TooLarge { what: "bytes", limit: CATALOG_BYTES_MAX });
        }
        refuse_placeholder(bytes)?;
        let (signed, trailing) = cms::SignedData::parse(bytes)?;
        if signed.content_type != oid::TRUST_LIST {
            return Err(CatalogError::NotACatalog("it is signed data, but not a list of hashes"));
        }
        let list = list::parse(&signed.content)?;
        let hashes = list.members.iter().map(|member| member.hash).collect();
        let mut catalog = Self {
            version: list.version,
            list_id: list.list_id,
            created: list.created,
            members: list.members,
            attributes: list.attributes,
            hashes,
            signed,
            diagnostics: list.diagnostics,
        };
        if trailing > 0 {
            catalog.diagnostics.push(Diagnostic::new(
                Severity::Warning,
                "catalog_trailing_bytes",
                format!("{trailing} bytes follow the catalog; they are not covered by its signature"),
            ));
        }
        Ok(catalog)
    }

    /// 1 or 2.
    #[must_use]
    pub fn version(&self) -> u8 {
        self.version
    }

    /// The random id of this catalog, 16 bytes in real ones.
    #[must_use]
    pub fn list_id(&self) -> &[u8] {
        &self.list_id
    }

    /// When it was made, as it says itself.
    #[must_use]
    pub fn created(&self) -> Timestamp {
        self.created
    }

    /// What it lists, in order; a version 2 catalog lists each file by SHA-1 and by SHA-256.
    #[must_use]
    pub fn members(&self) -> &[Member] {
        &self.members
    }

    /// What it says of the whole package, in order: `HWID1`.., `OS`, `Submission ID` and others.
    #[must_use]
    pub fn attributes(&self) -> &[NameValue] {
        &self.attributes
    }

    /// The value of the first catalog attribute of this name, in any case.
    #[must_use]
    pub fn attribute(&self, name: &str) -> Option<&str> {
        value_of(&self.attributes, name)
    }

    /// What was odd but readable.
    #[must_use]
    pub fn diagnostics(&self) -> &[Diagnostic] {
        &self.diagnostics
    }

    /// Which hashes of a file must be known for [`Catalog::lists`] to give an answer. Version 2 lists each file by both
    /// algorithms, so that the better one is enough; a list with more members by SHA-1 does not.
    #[must_use]
    pub fn wanted(&self) -> Wanted {
        let by_sha1 = self.members.iter().filter(|own| matches!(own.hash, MemberHash::Sha1(_))).count();
        let by_sha256 = self.members.len() - by_sha1;
        let wanted = if by_sha256 > 0 { Wanted::SHA256 } else { Wanted::CONTENT };
        let is_enough = self.version == 2 && by_sha256 >= by_sha1;
        if by_sha1 == 0 || is_enough { wanted } else { wanted | Wanted::SHA1 }
    }

    /// Whether a member has this hash.
    #[must_use]
    pub fn has(&self, hash: MemberHash) -> bool {
        self.hashes.contains(&hash)
    }

    /// Whether any hash of the file is that of a member. Names play no part: a catalog binds bytes.
    #[must_use]
    pub fn lists(&self, file: &FileDigests) -> bool {
        let sha1 = [file.image_sha1, file.sha1].into_iter().flatten().map(MemberHash::Sha1);
        let sha256 = [file.image_sha256, Some(file.sha256)].into_iter().flatten().map(MemberHash::Sha256);
        sha256.chain(sha1).any(|hash| self.has(hash))
    }

    /// Proves the signature, its certificates and its time stamp against configured roots.
    #[must_use]
    pub fn verify(&self, trust: &Trust) -> SignatureCheck {
        verify::verify(&self.signed, trust)
    }
}

impl Member {
    /// The file's name, in lower case and without a path; not binding, and not always there.
    #[must_use]
    pub fn file(&self) -> Option<&str> {
        value_of(&self.attributes, "File")
    }
}

fn value_of<'a>(attributes: &'a [NameValue], name: &str) -> Option<&'a str> {
    let found = attributes.iter().find(|attribute| attribute.name.eq_ignore_ascii_case(name));
    found.map(|attribute| attribute.value.as_str())
}

/// What collections of drivers put in a catalog's place.
fn refuse_placeholder(bytes: &[u8]) -> Result<(), CatalogError> {
    if bytes.is_empty() {
        return Err(CatalogError::Empty);
    }
    if bytes.starts_with(LFS_POINTER) {
        return Err(CatalogError::LfsPointer);
    }
    let is_text = |byte: &u8| matches!(byte, b'\t' | b'\n' | b'\r' | b' '..=b'~');
    if bytes.iter().take(512).all(is_text) {
        return Err(CatalogError::Text);
    }
    Ok(())
}
