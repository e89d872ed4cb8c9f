//! The VERSIONINFO resource of an image.

const FIXED_SIGNATURE: u32 = 0xFEEF_04BD;
/// Text versions are padded to this, so that a new version does not move anything.
const VERSION_CHARS: usize = 20;
const HEADER_BYTES: usize = 88;

/// Where the resource's own address stands, to be corrected when it is placed.
pub(crate) const DATA_ADDRESS_AT: usize = 72;

/// A resource directory with one VERSIONINFO, laid out for address 0.
pub(crate) fn version_resource(file_name: &str, version: [u16; 4]) -> Vec<u8> {
    let info = version_info(file_name, version);
    let mut out = Vec::with_capacity(HEADER_BYTES + info.len());
    // Three levels of one entry each: type 16 (version), name 1, language 1033; then the data entry.
    for (id, next) in [(16u32, 0x8000_0018u32), (1, 0x8000_0030), (1033, 0x48)] {
        out.extend([0; 12]);
        out.extend([0, 0, 1, 0]);
        out.extend(id.to_le_bytes());
        out.extend(next.to_le_bytes());
    }
    out.extend((HEADER_BYTES as u32).to_le_bytes());
    out.extend((info.len() as u32).to_le_bytes());
    out.extend([0; 8]);
    out.extend(info);
    out
}

/// Replaces the version in a resource made by [`version_resource`].
pub(crate) fn set_version(resource: &mut [u8], version: [u16; 4]) {
    let signature = FIXED_SIGNATURE.to_le_bytes();
    let Some(at) = resource.windows(4).position(|four| four == signature) else { return };
    for field in [at + 8, at + 16] {
        resource[field..field + 8].copy_from_slice(&packed(version));
    }
    let text = text_version(version);
    for name in ["FileVersion", "ProductVersion"] {
        let key: Vec<u8> = utf16(name);
        if let Some(found) = resource.windows(key.len()).position(|window| window == key) {
            let start = (found + key.len()).next_multiple_of(4);
            resource[start..start + text.len()].copy_from_slice(&text);
        }
    }
}

fn packed(version: [u16; 4]) -> [u8; 8] {
    let mut out = [0; 8];
    for (slot, part) in [1, 0, 3, 2].into_iter().enumerate() {
        out[slot * 2..slot * 2 + 2].copy_from_slice(&version[part].to_le_bytes());
    }
    out
}

fn text_version([major, minor, build, revision]: [u16; 4]) -> Vec<u8> {
    utf16(&format!("{:<VERSION_CHARS$}", format!("{major}.{minor}.{build}.{revision}")))
}

/// UTF-16 with a closing zero.
fn utf16(text: &str) -> Vec<u8> {
    text.encode_utf16().chain([0]).flat_map(u16::to_le_bytes).collect()
}

fn version_info(file_name: &str, version: [u16; 4]) -> Vec<u8> {
    let mut fixed = Vec::new();
    fixed.extend(FIXED_SIGNATURE.to_le_bytes());
    fixed.extend(0x0001_0000u32.to_le_bytes());
    fixed.extend(packed(version));
    fixed.extend(packed(version));
    for field in [0x3Fu32, 0, 0x0004_0004, 3, 7, 0, 0] {
        fixed.extend(field.to_le_bytes());
    }
    let strings: Vec<Vec<u8>> = [
        ("CompanyName", utf16("Haulier Sample Hardware")),
        ("FileDescription", utf16("Sample driver component")),
        ("FileVersion", text_version(version)),
        ("OriginalFilename", utf16(file_name)),
        ("ProductVersion", text_version(version)),
    ]
    .into_iter()
    .map(|(key, value)| block(key, 1, value.len() / 2, &value, &[]))
    .collect();
    let table = block("040904B0", 1, 0, &[], &strings);
    let string_info = block("StringFileInfo", 1, 0, &[], &[table]);
    let translation = block("Translation", 0, 4, &[0x09, 0x04, 0xB0, 0x04], &[]);
    let var_info = block("VarFileInfo", 1, 0, &[], &[translation]);
    block("VS_VERSION_INFO", 0, fixed.len(), &fixed, &[string_info, var_info])
}

/// One block of the tree: length, value length, kind, key, value, children; everything on multiples of four.
fn block(key: &str, kind: u16, value_length: usize, value: &[u8], children: &[Vec<u8>]) -> Vec<u8> {
    let mut out = vec![0; 6];
    out.extend(utf16(key));
    out.resize(out.len().next_multiple_of(4), 0);
    out.extend(value);
    for child in children {
        out.resize(out.len().next_multiple_of(4), 0);
        out.extend(child);
    }
    let length = out.len() as u16;
    out[..2].copy_from_slice(&length.to_le_bytes());
    out[2..4].copy_from_slice(&(value_length as u16).to_le_bytes());
    out[4..6].copy_from_slice(&kind.to_le_bytes());
    out.resize(out.len().next_multiple_of(4), 0);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn set_version_equals_a_resource_made_with_it() {
        let mut resource = version_resource("a.sys", [1, 2, 3, 4]);
        assert_ne!(resource, version_resource("a.sys", [30, 0, 101, 4502]));
        set_version(&mut resource, [30, 0, 101, 4502]);
        assert_eq!(resource, version_resource("a.sys", [30, 0, 101, 4502]));
    }
}
