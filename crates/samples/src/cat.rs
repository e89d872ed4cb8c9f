//! Security catalogs: the hashes of a driver's files and its hardware ids, in DER, signed for show.

use crate::der::{bmp, explicit, integer, null, octets, oid, sequence, set, tlv, utc_time};
use crate::pe;
use crate::rng::Rng;
use crate::sign;

const CTL: &str = "1.3.6.1.4.1.311.10.1";
const NAME_VALUE_FLAGS: u32 = 0x1001_0001;

/// A version 2 catalog over these files (name, content) and hardware ids.
pub(crate) fn catalog(members: &[(String, Vec<u8>)], hardware_ids: &[String], rng: &mut Rng) -> Vec<u8> {
    let subjects: Vec<Vec<u8>> = members.iter().flat_map(|(name, content)| member(name, content)).collect();
    let mut attributes: Vec<Vec<u8>> = hardware_ids
        .iter()
        .rev()
        .enumerate()
        .map(|(number, id)| extension(&format!("HWID{}", number + 1), id))
        .collect();
    attributes.push(extension("OS", "_v100_X64"));
    let list = [
        sequence(&[oid("1.3.6.1.4.1.311.12.1.1")]),
        octets(&rng.bytes(16)),
        utc_time(&format!("26{:02}{:02}120000Z", rng.between(1, 12), rng.between(1, 28))),
        sequence(&[oid("1.3.6.1.4.1.311.12.1.3"), null()]),
        sequence(&subjects),
        explicit(0, &[sequence(&attributes)]),
    ];
    // The signature covers the list's content without its tag and length.
    let digest = sign::sha256(&[&list.concat()]);
    sign::signed_data(CTL, &sequence(&list), &digest, rng)
}

/// A file stands in a catalog twice, by SHA-1 and by SHA-256; images by the hash that signing leaves alone.
fn member(name: &str, content: &[u8]) -> [Vec<u8>; 2] {
    let ranges = pe::authenticode_ranges(content);
    let whole = [content];
    let parts: &[&[u8]] = ranges.as_ref().map_or(&whole, |ranges| ranges.as_slice());
    let (kind, tag) =
        if ranges.is_some() { ("1.3.6.1.4.1.311.2.1.15", 0x80) } else { ("1.3.6.1.4.1.311.2.1.25", 0x82) };
    let (sha1, sha256) = (sign::sha1(parts), sign::sha256(parts));
    let info = attribute("1.3.6.1.4.1.311.12.2.3", tlv(tag, &[]));
    let file = attribute("1.3.6.1.4.1.311.12.2.1", name_value("File", &name.to_lowercase()));
    let system = attribute("1.3.6.1.4.1.311.12.2.1", name_value("OSAttr", "2:10.0"));
    let hash = attribute("1.3.6.1.4.1.311.2.1.4", sign::indirect_data(kind, &sha256));
    let common = [file, system, info];
    let with_hash = [&common[..], &[hash]].concat();
    [sequence(&[octets(&sha1), set(&common)]), sequence(&[octets(&sha256), set(&with_hash)])]
}

fn attribute(kind: &str, value: Vec<u8>) -> Vec<u8> {
    sequence(&[oid(kind), set(&[value])])
}

fn extension(name: &str, value: &str) -> Vec<u8> {
    sequence(&[oid("1.3.6.1.4.1.311.12.2.1"), octets(&name_value(name, value))])
}

fn name_value(name: &str, value: &str) -> Vec<u8> {
    let utf16: Vec<u8> = value.encode_utf16().chain([0]).flat_map(u16::to_le_bytes).collect();
    sequence(&[bmp(name), integer(NAME_VALUE_FLAGS), octets(&utf16)])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contains(catalog: &[u8], part: &[u8]) -> bool {
        catalog.windows(part.len()).any(|window| window == part)
    }

    #[test]
    fn a_catalog_names_the_true_hashes() {
        let inf = b"[Version]\r\n".to_vec();
        let catalog =
            catalog(&[("A.inf".to_owned(), inf.clone())], &["pci\\ven_8010".to_owned()], &mut Rng::new(1));
        assert!(contains(&catalog, &sign::sha256(&[&inf])) && contains(&catalog, &sign::sha1(&[&inf])));
        let name: Vec<u8> = "a.inf".encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert!(contains(&catalog, &name));
    }

    #[test]
    fn catalogs_of_one_folder_differ_every_time() {
        let mut rng = Rng::new(1);
        assert_ne!(catalog(&[], &[], &mut rng), catalog(&[], &[], &mut rng));
    }
}
