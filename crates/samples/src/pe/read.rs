//! Back from a file to the image it was made of.

use super::field::{put_u32, u16_at, u32_at, u64_at};
use super::{
    CONSTANTS_AT, DEBUG_RECORD_AT, IMAGE_BASE, OPTIONAL_AT, PAGE, PE_AT, SECTIONS_AT, certificate_at,
};
use crate::code::{CALL, Function, LOAD, Reference, Target};
use crate::image::Image;
use crate::resource;

/// Reads back a file made by [`encode`]; `None` for anything else.
pub(crate) fn decode(file: &[u8]) -> Option<Image> {
    if file.get(PE_AT..PE_AT + 4)? != b"PE\0\0" {
        return None;
    }
    let sections: Vec<Section<'_>> =
        (0..6).map(|number| Section::read(file, number)).collect::<Option<_>>()?;
    let [text, rdata, data, pdata, rsrc, reloc] = sections.try_into().ok()?;
    let spans: Vec<(u32, u32)> =
        pdata.bytes.chunks_exact(12).map(|entry| (u32_at(entry, 0), u32_at(entry, 4))).collect();
    let functions: Vec<Function> =
        spans.iter().map(|span| function(*span, &spans, &text, &rdata)).collect::<Option<_>>()?;
    let pointer_count = pointer_count(reloc.bytes);
    let pointers = data.bytes[..pointer_count * 8]
        .chunks_exact(8)
        .map(|pointer| (u64_at(pointer, 0) - IMAGE_BASE) as u32)
        .map(|address| spans.binary_search_by_key(&address, |span| span.0).ok().map(|number| number as u32))
        .collect::<Option<_>>()?;
    let mut resource = rsrc.bytes.to_vec();
    let address = u32_at(&resource, resource::DATA_ADDRESS_AT) - rsrc.address;
    put_u32(&mut resource, resource::DATA_ADDRESS_AT, address);
    let code_end = spans.last()?.1 - text.address;
    Some(Image {
        timestamp_s: u32_at(file, PE_AT + 8),
        debug_guid: rdata.bytes[DEBUG_RECORD_AT + 4..DEBUG_RECORD_AT + 20].try_into().ok()?,
        functions,
        constants: rdata.bytes[CONSTANTS_AT..].to_vec(),
        pointers,
        data: data.bytes[pointer_count * 8..].to_vec(),
        resource,
        kernel_mode: u16_at(file, OPTIONAL_AT + 68) == 1,
        code_slack_bytes: if text.bytes.len() as u32 > code_end + 16 { PAGE } else { 0 },
        signed: certificate_at(file).is_some(),
    })
}

fn pointer_count(relocations: &[u8]) -> usize {
    let (mut at, mut count) = (0, 0);
    while at + 8 <= relocations.len() {
        let end = (at + u32_at(relocations, at + 4) as usize).clamp(at + 8, relocations.len());
        count += relocations[at + 8..end].chunks_exact(2).filter(|entry| entry[1] & 0xF0 == 0xA0).count();
        at = end;
    }
    count
}

struct Section<'a> {
    address: u32,
    bytes: &'a [u8],
}

impl<'a> Section<'a> {
    fn read(file: &'a [u8], number: usize) -> Option<Section<'a>> {
        let header = file.get(SECTIONS_AT + number * 40..SECTIONS_AT + (number + 1) * 40)?;
        let (size, raw_at) = (u32_at(header, 8) as usize, u32_at(header, 20) as usize);
        Some(Section { address: u32_at(header, 12), bytes: file.get(raw_at..raw_at + size)? })
    }
}

/// Cuts one function out of the code and finds its references again.
fn function(
    (begin, end): (u32, u32),
    spans: &[(u32, u32)],
    text: &Section<'_>,
    rdata: &Section<'_>,
) -> Option<Function> {
    let mut bytes = text.bytes.get((begin - text.address) as usize..(end - text.address) as usize)?.to_vec();
    let mut references = Vec::new();
    let mut at = 0;
    while at + 5 <= bytes.len() {
        let opcode = if bytes[at] == CALL {
            1
        } else if bytes[at..].starts_with(&LOAD) && at + 7 <= bytes.len() {
            3
        } else {
            at += 1;
            continue;
        };
        let distance_at = at + opcode;
        let target = (begin + distance_at as u32 + 4).wrapping_add(u32_at(&bytes, distance_at));
        let constants = rdata.address + CONSTANTS_AT as u32;
        let target = if opcode == 1 {
            Target::Function(spans.binary_search_by_key(&target, |span| span.0).ok()? as u32)
        } else {
            Target::Data(target.checked_sub(constants)?)
        };
        references.push(Reference { at: distance_at as u32, target });
        put_u32(&mut bytes, distance_at, 0);
        at = distance_at + 4;
    }
    Some(Function { bytes, references })
}
