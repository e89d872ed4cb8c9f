//! The list inside a catalog: a certificate trust list whose subjects are files.

use jiff::Timestamp;

use super::cms::Algorithm;
use super::der::{self, Reader, Value};
use super::{ATTRIBUTES_MAX, CatalogError, MEMBERS_MAX, Member, MemberHash, NameValue, oid, time};
use crate::digest::Kind;
use crate::{Diagnostic, Severity};

/// The list, read.
#[derive(Debug)]
pub(super) struct List {
    pub(super) version: u8,
    pub(super) list_id: Vec<u8>,
    pub(super) created: Timestamp,
    pub(super) members: Vec<Member>,
    pub(super) attributes: Vec<NameValue>,
    pub(super) diagnostics: Vec<Diagnostic>,
}

/// Reads the content octets of a CertificateTrustList.
pub(super) fn parse(content: &[u8]) -> Result<List, CatalogError> {
    let mut reader = Reader::new(content, "the list of files");
    reader.optional(der::INTEGER)?; // the version of the list's form
    reader.expect(der::SEQUENCE)?; // its usage
    let list_id = reader.optional(der::OCTET_STRING)?.map_or_else(Vec::new, |id| id.content.to_vec());
    reader.optional(der::INTEGER)?; // sequence number
    let created = time::timestamp(reader.any()?).ok_or(CatalogError::Malformed { what: "its time" })?;
    for tag in [der::UTC_TIME, der::GENERALIZED_TIME] {
        reader.optional(tag)?; // next update
    }
    let version = match Algorithm::parse(reader.expect(der::SEQUENCE)?)?.oid.as_slice() {
        kind if kind == oid::VERSION_1 => 1,
        kind if kind == oid::VERSION_2 => 2,
        _ => return Err(CatalogError::NotACatalog("it is a list of something else than files")),
    };
    let mut budget = Budget { attributes: 0 };
    let mut list = List {
        version,
        list_id,
        created,
        members: Vec::new(),
        attributes: Vec::new(),
        diagnostics: Vec::new(),
    };
    if let Some(subjects) = reader.optional(der::SEQUENCE)? {
        members(subjects.content, &mut list, &mut budget)?;
    }
    if let Some(extensions) = reader.optional(der::context(0))? {
        list.attributes = extensions_of(extensions.content, &mut budget)?;
    }
    Ok(list)
}

/// What was read of things that no single value bounds.
struct Budget {
    attributes: usize,
}

impl Budget {
    fn take(&mut self) -> Result<(), CatalogError> {
        self.attributes += 1;
        if self.attributes > ATTRIBUTES_MAX {
            return Err(CatalogError::TooLarge { what: "attributes", limit: ATTRIBUTES_MAX });
        }
        Ok(())
    }
}

fn members(subjects: &[u8], list: &mut List, budget: &mut Budget) -> Result<(), CatalogError> {
    let mut reader = Reader::new(subjects, "the list of files");
    let mut unknown = 0_usize;
    while let Some(subject) = reader.next()? {
        if list.members.len() + unknown == MEMBERS_MAX {
            return Err(CatalogError::TooLarge { what: "members", limit: MEMBERS_MAX });
        }
        match member(subject, budget)? {
            Some(member) => list.members.push(member),
            None => unknown += 1,
        }
    }
    if unknown > 0 {
        list.diagnostics.push(Diagnostic::new(
            Severity::Note,
            "catalog_member_without_hash",
            format!("{unknown} members have no SHA-1 or SHA-256 hash; they cover nothing"),
        ));
    }
    Ok(())
}

/// One member; `None` if it has no hash of a known kind.
fn member(subject: Value<'_>, budget: &mut Budget) -> Result<Option<Member>, CatalogError> {
    let mut reader = Reader::new(subject.content, "a member");
    if subject.tag != der::SEQUENCE {
        return Err(reader.damaged());
    }
    let key = reader.expect(der::OCTET_STRING)?;
    let (mut hash, mut kind, mut attributes) = (None, None, Vec::new());
    if let Some(set) = reader.optional(der::SET)? {
        let mut set = Reader::new(set.content, "a member's attributes");
        while let Some(value) = set.next()? {
            budget.take()?;
            let mut attribute = Reader::new(value.content, "a member's attribute");
            let name = attribute.expect(der::OID)?;
            let mut values = attribute.enter(der::SET, "a member's attribute")?;
            if name == oid::INDIRECT_DATA {
                let indirect = indirect_data(values.expect(der::SEQUENCE)?)?;
                hash = indirect.0;
                kind = kind.or(indirect.1);
            } else if name == oid::NAME_VALUE {
                attributes.push(name_value(values.expect(der::SEQUENCE)?)?);
            } else if let (true, Some(value)) = (is_member_info(name), values.next()?) {
                kind = member_kind(value).or(kind);
            }
        }
    }
    Ok(hash.or_else(|| hash_of_key(key)).map(|hash| Member { hash, kind, attributes }))
}

fn is_member_info(name: &[u8]) -> bool {
    name == oid::MEMBER_INFO || name == oid::MEMBER_INFO_2
}

/// SPC_INDIRECT_DATA: the hash, and what kind of file it is for.
fn indirect_data(content: &[u8]) -> Result<(Option<MemberHash>, Option<Kind>), CatalogError> {
    let mut reader = Reader::new(content, "a member's hash");
    let mut subject = reader.enter(der::SEQUENCE, "a member's hash")?;
    let kind = match subject.expect(der::OID)? {
        kind if kind == oid::PE_IMAGE_DATA => Some(Kind::Pe),
        kind if kind == oid::CABINET_LINK => Some(Kind::Cabinet),
        _ => None, // says cabinet and means any file
    };
    let mut digest = reader.enter(der::SEQUENCE, "a member's hash")?;
    let algorithm = Algorithm::parse(digest.expect(der::SEQUENCE)?)?.oid;
    let hash = digest.expect(der::OCTET_STRING)?;
    let is_known = algorithm == oid::SHA1 || algorithm == oid::SHA256;
    Ok((if is_known { hash_of_bytes(hash) } else { None }, kind))
}

/// CAT_MEMBERINFO of version 1 (a subject GUID) or 2 (an empty tag).
fn member_kind(value: Value<'_>) -> Option<Kind> {
    match value.tag & !0x20 {
        0x80 => return Some(Kind::Pe),
        0x81 => return Some(Kind::Cabinet),
        0x82 => return Some(Kind::Flat),
        _ => {}
    }
    let guid = Reader::new(value.with_tag(der::SEQUENCE)?, "a member's kind").expect(der::BMP_STRING).ok()?;
    match utf16(guid, u16::from_be_bytes).to_ascii_uppercase().as_str() {
        "{C689AAB8-8E78-11D0-8C47-00C04FC295EE}" => Some(Kind::Pe),
        "{C689AABA-8E78-11D0-8C47-00C04FC295EE}" => Some(Kind::Cabinet),
        "{DE351A42-8E59-11D0-8C47-00C04FC295EE}" => Some(Kind::Flat),
        _ => None,
    }
}

/// The hash that a member's key is: raw in version 2, hexadecimal in UTF-16 in version 1.
fn hash_of_key(key: &[u8]) -> Option<MemberHash> {
    hash_of_bytes(key).or_else(|| hash_of_bytes(&hex::decode(utf16(key, u16::from_le_bytes)).ok()?))
}

fn hash_of_bytes(bytes: &[u8]) -> Option<MemberHash> {
    match bytes.len() {
        20 => bytes.try_into().ok().map(MemberHash::Sha1),
        32 => bytes.try_into().ok().map(MemberHash::Sha256),
        _ => None,
    }
}

/// ctlExtensions, each with a CAT_NAMEVALUE in its octets; others are left alone.
fn extensions_of(content: &[u8], budget: &mut Budget) -> Result<Vec<NameValue>, CatalogError> {
    let mut list =
        Reader::new(content, "the catalog's attributes").enter(der::SEQUENCE, "the catalog's attributes")?;
    let mut attributes = Vec::new();
    while let Some(extension) = list.next()? {
        budget.take()?;
        let mut extension = Reader::new(extension.content, "a catalog attribute");
        if extension.expect(der::OID)? != oid::NAME_VALUE {
            continue;
        }
        extension.optional(0x01)?; // whether it is critical
        let mut octets = extension.enter(der::OCTET_STRING, "a catalog attribute")?;
        attributes.push(name_value(octets.expect(der::SEQUENCE)?)?);
    }
    Ok(attributes)
}

/// CAT_NAMEVALUE.
fn name_value(content: &[u8]) -> Result<NameValue, CatalogError> {
    let mut reader = Reader::new(content, "a named value");
    let name = utf16(reader.expect(der::BMP_STRING)?, u16::from_be_bytes);
    reader.expect(der::INTEGER)?;
    let value = utf16(reader.expect(der::OCTET_STRING)?, u16::from_le_bytes);
    Ok(NameValue { name, value })
}

/// Text in UTF-16, without the NUL at its end.
fn utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> String {
    let units: Vec<u16> = bytes.chunks_exact(2).map(|pair| unit([pair[0], pair[1]])).collect();
    let text = String::from_utf16_lossy(&units);
    text.trim_end_matches('\0').to_owned()
}
