//! Writes the little DER that signatures and catalogs are made of.

/// One DER value with this tag around `content`.
pub(crate) fn tlv(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(content.len() + 6);
    out.push(tag);
    let length = content.len();
    if length < 0x80 {
        out.push(length as u8);
    } else {
        let bytes = length.to_be_bytes();
        let significant = &bytes[bytes.iter().take_while(|byte| **byte == 0).count()..];
        out.push(0x80 | significant.len() as u8);
        out.extend_from_slice(significant);
    }
    out.extend_from_slice(content);
    out
}

/// SEQUENCE of the parts.
pub(crate) fn sequence(parts: &[Vec<u8>]) -> Vec<u8> {
    tlv(0x30, &parts.concat())
}

/// SET of the parts, in the order given.
pub(crate) fn set(parts: &[Vec<u8>]) -> Vec<u8> {
    tlv(0x31, &parts.concat())
}

/// Context tag `[number]` around one or more values.
pub(crate) fn explicit(number: u8, parts: &[Vec<u8>]) -> Vec<u8> {
    tlv(0xA0 | number, &parts.concat())
}

pub(crate) fn integer(value: u32) -> Vec<u8> {
    let bytes = value.to_be_bytes();
    let mut skip = bytes.iter().take_while(|byte| **byte == 0).count().min(3);
    if bytes[skip] >= 0x80 && skip > 0 {
        skip -= 1; // a set top bit would make it negative
    }
    if bytes[skip] >= 0x80 {
        return tlv(2, &[&[0], &bytes[..]].concat());
    }
    tlv(2, &bytes[skip..])
}

pub(crate) fn octets(content: &[u8]) -> Vec<u8> {
    tlv(4, content)
}

pub(crate) fn bits(content: &[u8]) -> Vec<u8> {
    tlv(3, &[&[0], content].concat())
}

pub(crate) fn boolean(value: bool) -> Vec<u8> {
    tlv(1, &[if value { 0xFF } else { 0 }])
}

pub(crate) fn null() -> Vec<u8> {
    tlv(5, &[])
}

pub(crate) fn printable(text: &str) -> Vec<u8> {
    tlv(0x13, text.as_bytes())
}

/// BMPString: UTF-16, big endian.
pub(crate) fn bmp(text: &str) -> Vec<u8> {
    tlv(0x1E, &text.encode_utf16().flat_map(u16::to_be_bytes).collect::<Vec<u8>>())
}

/// UTCTime from `YYMMDDhhmmssZ`.
pub(crate) fn utc_time(text: &str) -> Vec<u8> {
    tlv(0x17, text.as_bytes())
}

/// GeneralizedTime from `YYYYMMDDhhmmssZ`.
pub(crate) fn generalized_time(text: &str) -> Vec<u8> {
    tlv(0x18, text.as_bytes())
}

/// OBJECT IDENTIFIER from its dotted form.
///
/// # Panics
/// When the text is not a dotted identifier: they are all constants of this crate.
pub(crate) fn oid(dotted: &str) -> Vec<u8> {
    let arcs: Vec<u32> =
        dotted.split('.').map(|arc| arc.parse().expect("identifiers are constants of this crate")).collect();
    let mut content = vec![(arcs[0] * 40 + arcs[1]) as u8];
    for arc in &arcs[2..] {
        let groups = (1..5).take_while(|group| arc >> (7 * group) != 0).count();
        for group in (0..=groups).rev() {
            let more = if group == 0 { 0 } else { 0x80 };
            content.push((arc >> (7 * group)) as u8 & 0x7F | more);
        }
    }
    tlv(6, &content)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(value: &[u8], expect: &str) {
        let hex: String = value.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, expect);
    }

    #[test]
    fn values() {
        check(&integer(0), "020100");
        check(&integer(0x7F), "02017f");
        check(&integer(0x80), "02020080");
        check(&integer(0x1001_0001), "020410010001");
        check(&integer(0xFFFF_FFFF), "020500ffffffff");
        check(&oid("1.2.840.113549.1.7.2"), "06092a864886f70d010702");
        check(&oid("1.3.6.1.4.1.311.10.1"), "06092b060104018237 0a01".replace(' ', "").as_str());
        check(&bmp("A"), "1e020041");
        check(&sequence(&[null(), octets(&[1, 2])]), "3006050004020102");
        assert_eq!(tlv(4, &[0; 200])[..3], [4, 0x81, 200]);
        assert_eq!(tlv(4, &[0; 300])[..4], [4, 0x82, 1, 44]);
    }
}
