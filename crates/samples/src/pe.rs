//! PE32+ files from images, and images from those files.

mod field;
mod read;

pub(crate) use read::decode;

use field::{put_u16, put_u32, u32_at};

use crate::code::{Function, Target};
use crate::image::Image;
use crate::resource;
use crate::rng::Rng;
use crate::sign;

const IMAGE_BASE: u64 = 0x1_4000_0000;
const PAGE: u32 = 0x1000;
const FILE_ALIGNMENT: u32 = 0x200;
const HEADERS_BYTES: usize = 0x400;
const PE_AT: usize = 0x80;
const OPTIONAL_AT: usize = PE_AT + 24;
const CHECKSUM_AT: usize = OPTIONAL_AT + 64;
const DIRECTORIES_AT: usize = OPTIONAL_AT + 112;
const SECURITY_DIRECTORY_AT: usize = DIRECTORIES_AT + 4 * 8;
const SECTIONS_AT: usize = DIRECTORIES_AT + 16 * 8;
/// Debug directory, unwind codes and debug record stand in front of the constants.
const CONSTANTS_AT: usize = 0xA0;
const UNWIND_AT: u32 = 0x20;
const DEBUG_RECORD_AT: usize = 0x60;
const PADDING: u8 = 0xCC;

/// The file. `rng` makes the parts of its signature that no two signatures share.
pub(crate) fn encode(image: &Image, rng: &mut Rng) -> Vec<u8> {
    let (mut text, starts) = place(&image.functions, image.code_slack_bytes);
    let sizes = [
        text.len(),
        CONSTANTS_AT + image.constants.len(),
        image.pointers.len() * 8 + image.data.len(),
        image.functions.len() * 12,
        image.resource.len(),
        relocations_bytes(image.pointers.len()),
    ];
    let layout = Layout::of(&sizes);
    resolve(image, &mut text, &starts, layout.address[0], layout.address[1]);
    let bodies = [
        text,
        read_only(image, &layout),
        data(image, &starts, &layout),
        exceptions(image, &starts, &layout),
        placed_resource(image, layout.address[4]),
        relocations(image.pointers.len(), layout.address[2]),
    ];
    let mut file = headers(image, &layout, &sizes);
    for (body, raw) in bodies.iter().zip(layout.raw_bytes) {
        let end = file.len() + raw as usize;
        file.extend_from_slice(body);
        file.resize(end, 0);
    }
    if image.signed {
        sign(&mut file, rng);
    }
    put_checksum(&mut file);
    file
}

/// Signs anew: everything but checksum and certificate table stays.
pub(crate) fn sign_again(file: &[u8], rng: &mut Rng) -> Option<Vec<u8>> {
    let certificate = certificate_at(file)?;
    let mut file = file[..certificate].to_vec();
    sign(&mut file, rng);
    put_checksum(&mut file);
    Some(file)
}

/// The bytes that an Authenticode image hash covers, in order.
pub(crate) fn authenticode_ranges(file: &[u8]) -> Option<[&[u8]; 3]> {
    if file.len() < HEADERS_BYTES || file[PE_AT..PE_AT + 4] != *b"PE\0\0" {
        return None;
    }
    let end = certificate_at(file).unwrap_or(file.len());
    Some([
        &file[..CHECKSUM_AT],
        &file[CHECKSUM_AT + 4..SECURITY_DIRECTORY_AT],
        &file[SECURITY_DIRECTORY_AT + 8..end],
    ])
}

struct Layout {
    address: [u32; 6],
    raw_at: [u32; 6],
    raw_bytes: [u32; 6],
    image_bytes: u32,
}

impl Layout {
    fn of(sizes: &[usize; 6]) -> Layout {
        let (mut address, mut raw_at) = (PAGE, HEADERS_BYTES as u32);
        let mut layout = Layout { address: [0; 6], raw_at: [0; 6], raw_bytes: [0; 6], image_bytes: 0 };
        for (number, size) in sizes.iter().enumerate() {
            let size = *size as u32;
            layout.address[number] = address;
            layout.raw_at[number] = raw_at;
            layout.raw_bytes[number] = size.next_multiple_of(FILE_ALIGNMENT);
            address += size.next_multiple_of(PAGE);
            raw_at += layout.raw_bytes[number];
        }
        layout.image_bytes = address;
        layout
    }
}

/// Puts functions one behind the other on multiples of 16; the section ends on a multiple of `slack` if there is one.
fn place(functions: &[Function], slack: u32) -> (Vec<u8>, Vec<u32>) {
    let mut text = Vec::with_capacity(functions.iter().map(|function| function.bytes.len() + 16).sum());
    let mut starts = Vec::with_capacity(functions.len());
    for function in functions {
        starts.push(text.len() as u32);
        text.extend_from_slice(&function.bytes);
        text.resize(text.len().next_multiple_of(16), PADDING);
    }
    if slack > 0 {
        text.resize((text.len() + 64).next_multiple_of(slack as usize), PADDING);
    }
    (text, starts)
}

fn resolve(image: &Image, text: &mut [u8], starts: &[u32], text_address: u32, rdata_address: u32) {
    for (function, start) in image.functions.iter().zip(starts) {
        for reference in &function.references {
            let at = start + reference.at;
            let target = match reference.target {
                Target::Function(number) => text_address + starts[number as usize],
                Target::Data(offset) => rdata_address + CONSTANTS_AT as u32 + offset,
            };
            put_u32(text, at as usize, target.wrapping_sub(text_address + at + 4));
        }
    }
}

fn read_only(image: &Image, layout: &Layout) -> Vec<u8> {
    let mut out = vec![0; CONSTANTS_AT];
    put_u32(&mut out, 4, image.timestamp_s);
    put_u32(&mut out, 12, 2); // CodeView
    put_u32(&mut out, 16, (CONSTANTS_AT - DEBUG_RECORD_AT) as u32);
    put_u32(&mut out, 20, layout.address[1] + DEBUG_RECORD_AT as u32);
    put_u32(&mut out, 24, layout.raw_at[1] + DEBUG_RECORD_AT as u32);
    for number in 0..16 {
        // Version 1 unwind information without codes; only the prolog's size differs.
        put_u32(&mut out, UNWIND_AT as usize + number * 4, 0x01 | (number as u32 * 4) << 8);
    }
    out[DEBUG_RECORD_AT..DEBUG_RECORD_AT + 4].copy_from_slice(b"RSDS");
    out[DEBUG_RECORD_AT + 4..DEBUG_RECORD_AT + 20].copy_from_slice(&image.debug_guid);
    put_u32(&mut out, DEBUG_RECORD_AT + 20, 1);
    out[DEBUG_RECORD_AT + 24..DEBUG_RECORD_AT + 34].copy_from_slice(b"sample.pdb");
    out.extend_from_slice(&image.constants);
    out
}

fn data(image: &Image, starts: &[u32], layout: &Layout) -> Vec<u8> {
    let address = |number: &u32| IMAGE_BASE + u64::from(layout.address[0] + starts[*number as usize]);
    let mut out: Vec<u8> = image.pointers.iter().flat_map(|number| address(number).to_le_bytes()).collect();
    out.extend_from_slice(&image.data);
    out
}

fn exceptions(image: &Image, starts: &[u32], layout: &Layout) -> Vec<u8> {
    let mut out = Vec::with_capacity(starts.len() * 12);
    for (function, start) in image.functions.iter().zip(starts) {
        let begin = layout.address[0] + start;
        let unwind = layout.address[1] + UNWIND_AT + (u32::from(function.bytes[1]) % 16) * 4;
        for field in [begin, begin + function.bytes.len() as u32, unwind] {
            out.extend(field.to_le_bytes());
        }
    }
    out
}

fn placed_resource(image: &Image, address: u32) -> Vec<u8> {
    let mut out = image.resource.clone();
    let inside = u32_at(&out, resource::DATA_ADDRESS_AT);
    put_u32(&mut out, resource::DATA_ADDRESS_AT, inside + address);
    out
}

const POINTERS_PER_PAGE: usize = PAGE as usize / 8;

fn relocations_bytes(pointers: usize) -> usize {
    pointers.div_ceil(POINTERS_PER_PAGE) * 8 + pointers * 2 + pointers % 2 * 2
}

/// One block for each page: its address, its size, an entry for each pointer, filled up to a multiple of four.
fn relocations(pointers: usize, data_address: u32) -> Vec<u8> {
    let mut out = Vec::new();
    for first in (0..pointers).step_by(POINTERS_PER_PAGE) {
        let count = (pointers - first).min(POINTERS_PER_PAGE);
        out.extend((data_address + first as u32 * 8).to_le_bytes());
        out.extend((8 + (count + count % 2) as u32 * 2).to_le_bytes());
        out.extend((0..count as u16).flat_map(|number| (0xA000 | (number * 8)).to_le_bytes()));
        out.resize(out.len() + count % 2 * 2, 0);
    }
    out
}

fn headers(image: &Image, layout: &Layout, sizes: &[usize; 6]) -> Vec<u8> {
    let mut out = vec![0; HEADERS_BYTES];
    out[..2].copy_from_slice(b"MZ");
    put_u32(&mut out, 0x3C, PE_AT as u32);
    out[PE_AT..PE_AT + 4].copy_from_slice(b"PE\0\0");
    put_u16(&mut out, PE_AT + 4, 0x8664);
    put_u16(&mut out, PE_AT + 6, 6);
    put_u32(&mut out, PE_AT + 8, image.timestamp_s);
    put_u16(&mut out, PE_AT + 20, 240);
    put_u16(&mut out, PE_AT + 22, if image.kernel_mode { 0x0022 } else { 0x2022 });
    put_u16(&mut out, OPTIONAL_AT, 0x020B);
    put_u16(&mut out, OPTIONAL_AT + 2, 0x1D0E);
    put_u32(&mut out, OPTIONAL_AT + 4, layout.raw_bytes[0]);
    put_u32(&mut out, OPTIONAL_AT + 8, layout.raw_bytes[1..].iter().sum());
    put_u32(&mut out, OPTIONAL_AT + 16, layout.address[0]);
    put_u32(&mut out, OPTIONAL_AT + 20, layout.address[0]);
    out[OPTIONAL_AT + 24..OPTIONAL_AT + 32].copy_from_slice(&IMAGE_BASE.to_le_bytes());
    put_u32(&mut out, OPTIONAL_AT + 32, PAGE);
    put_u32(&mut out, OPTIONAL_AT + 36, FILE_ALIGNMENT);
    for (offset, value) in
        [(40, 10u16), (44, 10), (48, 10), (68, if image.kernel_mode { 1 } else { 2 }), (70, 0x160)]
    {
        put_u16(&mut out, OPTIONAL_AT + offset, value);
    }
    put_u32(&mut out, OPTIONAL_AT + 56, layout.image_bytes);
    put_u32(&mut out, OPTIONAL_AT + 60, HEADERS_BYTES as u32);
    for (offset, value) in [(72, 0x10_0000u32), (80, 0x1000), (88, 0x10_0000), (96, 0x1000), (108, 16)] {
        put_u32(&mut out, OPTIONAL_AT + offset, value);
    }
    // Directory number, section, size: resources, exceptions, relocations, debug.
    let debug_bytes = 28;
    for (number, section, bytes) in
        [(2, 4, sizes[4]), (3, 3, sizes[3]), (5, 5, sizes[5]), (6, 1, debug_bytes)]
    {
        put_u32(&mut out, DIRECTORIES_AT + number * 8, layout.address[section]);
        put_u32(&mut out, DIRECTORIES_AT + number * 8 + 4, bytes as u32);
    }
    section_headers(&mut out, layout, sizes);
    out
}

fn section_headers(out: &mut [u8], layout: &Layout, sizes: &[usize; 6]) {
    let sections: [(&[u8], u32); 6] = [
        (b".text", 0x6800_0020),
        (b".rdata", 0x4800_0040),
        (b".data", 0xC800_0040),
        (b".pdata", 0x4800_0040),
        (b".rsrc", 0x4200_0040),
        (b".reloc", 0x4200_0040),
    ];
    for (number, (name, flags)) in sections.into_iter().enumerate() {
        let at = SECTIONS_AT + number * 40;
        out[at..at + name.len()].copy_from_slice(name);
        put_u32(out, at + 8, sizes[number] as u32);
        put_u32(out, at + 12, layout.address[number]);
        put_u32(out, at + 16, layout.raw_bytes[number]);
        put_u32(out, at + 20, layout.raw_at[number]);
        put_u32(out, at + 36, flags);
    }
}

fn sign(file: &mut Vec<u8>, rng: &mut Rng) {
    let at = file.len() as u32;
    let ranges = authenticode_ranges(file).expect("the file was just encoded");
    let table = sign::certificate_table(&sign::sha256(&ranges), rng);
    put_u32(file, SECURITY_DIRECTORY_AT, at);
    put_u32(file, SECURITY_DIRECTORY_AT + 4, table.len() as u32);
    file.extend_from_slice(&table);
}

/// Where the certificate table begins, if there is one.
fn certificate_at(file: &[u8]) -> Option<usize> {
    let at = u32_at(file.get(SECURITY_DIRECTORY_AT..SECURITY_DIRECTORY_AT + 4)?, 0) as usize;
    (at >= HEADERS_BYTES && at < file.len()).then_some(at)
}

/// The image checksum: 16-bit words added with carry, plus the size.
fn put_checksum(file: &mut [u8]) {
    put_u32(file, CHECKSUM_AT, 0);
    let mut sum: u64 = file
        .chunks(4)
        .map(|word| {
            let mut bytes = [0; 4];
            bytes[..word.len()].copy_from_slice(word);
            u64::from(u32::from_le_bytes(bytes))
        })
        .sum();
    while sum > 0xFFFF {
        sum = (sum & 0xFFFF) + (sum >> 16);
    }
    let checksum = sum as u32 + file.len() as u32;
    put_u32(file, CHECKSUM_AT, checksum);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_round_trip(seed: u64, bytes: usize) {
        let mut rng = Rng::new(seed);
        let image = Image::new(&mut rng, "sample.sys", [1, 2, 3, 4], bytes);
        let file = encode(&image, &mut rng);
        assert_eq!(decode(&file).as_ref(), Some(&image), "seed {seed}, {bytes} bytes");
    }

    #[test]
    fn images_survive_the_file() {
        for (seed, bytes) in [(1, 0), (2, 20_000), (3, 45_000), (4, 300_000), (5, 2_000_000)] {
            check_round_trip(seed, bytes);
        }
    }

    #[test]
    fn signing_again_changes_only_checksum_and_certificate() {
        let mut rng = Rng::new(6);
        let mut image = Image::new(&mut rng, "sample.dll", [1, 0, 0, 0], 100_000);
        image.signed = true;
        let file = encode(&image, &mut rng);
        let again = sign_again(&file, &mut rng).expect("it is signed");
        assert_ne!(file, again);
        let signature = SECURITY_DIRECTORY_AT + 8;
        let end = certificate_at(&file).expect("it is signed");
        assert_eq!(file[signature..end], again[signature..end]);
        assert_eq!(authenticode_ranges(&file), authenticode_ranges(&again));
    }

    #[test]
    fn other_files_are_not_images() {
        for bytes in [&b""[..], b"MZ", &[0; 4096], b"[Version]\r\nSignature=\"$WINDOWS NT$\"\r\n"] {
            assert_eq!(decode(bytes), None);
        }
    }
}
