//! The hashes of a file that a catalog may list, all from one pass over its bytes.
//!
//! A catalog lists a PE image or a cabinet by a hash that signing the file leaves alone, everything else by the hash
//! of all bytes. Which of them a file is follows from its content, never from its name.

mod layout;

use std::io::{self, Read};
use std::ops::BitOr;

use aws_lc_rs::digest::{Context, SHA1_FOR_LEGACY_USE_ONLY, SHA256};

use layout::Layout;

/// Read at once; the headers that say what to leave out must lie within the first of these blocks.
const BLOCK_BYTES: usize = 64 * 1024;
/// An image without a signature is hashed as if zeros filled it up to a multiple of this.
const IMAGE_PADDING_BYTES: u64 = 8;

/// What a file is, by its content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A PE image: `MZ` and a PE header that holds together.
    Pe,
    /// A cabinet: `MSCF`.
    Cabinet,
    /// Anything else, damaged images included.
    Flat,
}

/// Which hashes to compute besides the SHA-256 of all bytes, which is always there. Join them with `|`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Wanted {
    sha1: bool,
    image_sha256: bool,
}

/// The hashes of one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileDigests {
    /// Bytes in the file.
    pub size_bytes: u64,
    /// What it is.
    pub kind: Kind,
    /// Over all bytes.
    pub sha256: [u8; 32],
    /// Over all bytes; `None` if not wanted.
    pub sha1: Option<[u8; 20]>,
    /// The Authenticode hash of an image or a cabinet; `None` for other files, for images whose certificate table is not
    /// the last thing in them, and if not wanted.
    pub image_sha256: Option<[u8; 32]>,
    /// The same by SHA-1.
    pub image_sha1: Option<[u8; 20]>,
}

impl Wanted {
    /// Only the SHA-256 of all bytes.
    pub const CONTENT: Self = Self { sha1: false, image_sha256: false };
    /// What catalogs by SHA-1 list.
    pub const SHA1: Self = Self { sha1: true, image_sha256: false };
    /// What catalogs by SHA-256 list.
    pub const SHA256: Self = Self { sha1: false, image_sha256: true };
    /// Everything.
    pub const ALL: Self = Self { sha1: true, image_sha256: true };
}

impl BitOr for Wanted {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self { sha1: self.sha1 || other.sha1, image_sha256: self.image_sha256 || other.image_sha256 }
    }
}

/// Hashes everything that `reader` gives. Memory does not depend on the file's size.
///
/// # Errors
/// What the reader says; no content is an error.
pub fn read(mut reader: impl Read, wanted: Wanted) -> io::Result<FileDigests> {
    let mut block = vec![0; BLOCK_BYTES];
    let first = fill(&mut reader, &mut block)?;
    let layout = Layout::of(&block[..first]);
    let mut hashes = Hashes::new(&layout, wanted);
    let mut filled = first;
    while filled > 0 {
        hashes.update(&block[..filled]);
        filled = fill(&mut reader, &mut block)?;
    }
    Ok(hashes.finish())
}

/// Reads until `block` is full or the reader is at its end.
fn fill(reader: &mut impl Read, block: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < block.len() {
        match reader.read(&mut block[filled..]) {
            Ok(0) => break,
            Ok(bytes) => filled += bytes,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// The running hashes of one file.
struct Hashes<'a> {
    layout: &'a Layout,
    position: u64,
    sha256: Context,
    sha1: Option<Context>,
    image: Vec<Context>,
}

impl<'a> Hashes<'a> {
    fn new(layout: &'a Layout, wanted: Wanted) -> Self {
        let mut image = Vec::new();
        if layout.has_image_hash {
            image.extend(wanted.image_sha256.then(|| Context::new(&SHA256)));
            image.extend(wanted.sha1.then(|| Context::new(&SHA1_FOR_LEGACY_USE_ONLY)));
        }
        let sha1 = wanted.sha1.then(|| Context::new(&SHA1_FOR_LEGACY_USE_ONLY));
        Self { layout, position: 0, sha256: Context::new(&SHA256), sha1, image }
    }

    fn update(&mut self, block: &[u8]) {
        self.sha256.update(block);
        if let Some(sha1) = &mut self.sha1 {
            sha1.update(block);
        }
        for part in self.layout.covered(self.position, block) {
            self.image.iter_mut().for_each(|hash| hash.update(part));
        }
        self.position += block.len() as u64;
    }

    fn finish(mut self) -> FileDigests {
        if self.layout.pads {
            let missing = self.position.next_multiple_of(IMAGE_PADDING_BYTES) - self.position;
            let zeros = &[0; IMAGE_PADDING_BYTES as usize][..missing as usize];
            self.image.iter_mut().for_each(|hash| hash.update(zeros));
        }
        let mut digests = FileDigests {
            size_bytes: self.position,
            kind: self.layout.kind,
            sha256: bytes(self.sha256),
            sha1: self.sha1.map(bytes),
            image_sha256: None,
            image_sha1: None,
        };
        let ends_right = self.layout.ends_at.is_none_or(|end| end == self.position);
        for hash in self.image.into_iter().filter(|_| ends_right) {
            if hash.algorithm() == &SHA256 {
                digests.image_sha256 = Some(bytes(hash));
            } else {
                digests.image_sha1 = Some(bytes(hash));
            }
        }
        digests
    }
}

fn bytes<const N: usize>(hash: Context) -> [u8; N] {
    hash.finish().as_ref().try_into().expect("the algorithm that was chosen gives this many bytes")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Gives its bytes in small pieces and is interrupted before each.
    struct Trickle<'a> {
        rest: &'a [u8],
        piece_bytes: usize,
        interrupted: bool,
    }

    impl Read for Trickle<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            self.interrupted = !self.interrupted;
            if self.interrupted {
                return Err(io::ErrorKind::Interrupted.into());
            }
            let bytes = self.piece_bytes.min(self.rest.len()).min(buffer.len());
            buffer[..bytes].copy_from_slice(&self.rest[..bytes]);
            self.rest = &self.rest[bytes..];
            Ok(bytes)
        }
    }

    /// What images say of the size of their headers, in which no certificate table can be.
    const HEADERS_BYTES: u32 = 512;

    /// An image without sections: `header` is where the PE header lies, `table` place and size of the certificate table.
    fn image(
        size_bytes: usize,
        header: usize,
        pe32_plus: bool,
        directories: u32,
        table: (u32, u32),
    ) -> Vec<u8> {
        let mut file: Vec<u8> = (0..size_bytes).map(|byte| (byte * 31 % 251) as u8).collect();
        let optional = header + 24;
        let entries = optional + if pe32_plus { 112 } else { 96 };
        let mut put = |at: usize, bytes: &[u8]| file[at..at + bytes.len()].copy_from_slice(bytes);
        put(0, b"MZ");
        put(0x3C, &(header as u32).to_le_bytes());
        put(header, b"PE\0\0");
        put(header + 6, &0_u16.to_le_bytes());
        put(header + 20, &240_u16.to_le_bytes());
        put(optional, &if pe32_plus { 0x20B_u16 } else { 0x10B }.to_le_bytes());
        put(optional + 60, &HEADERS_BYTES.to_le_bytes());
        put(entries - 4, &directories.to_le_bytes());
        put(entries + 32, &table.0.to_le_bytes());
        put(entries + 36, &table.1.to_le_bytes());
        file
    }

    /// The Authenticode hash by the rule as it is written down, over the whole file at once.
    fn by_the_rule(file: &[u8], checksum: usize, entry: Option<usize>, table: (u32, u32)) -> [u8; 32] {
        let mut hash = Context::new(&SHA256);
        hash.update(&file[..checksum]);
        let (after, is_signed) = match entry {
            Some(entry) => {
                hash.update(&file[checksum + 4..entry]);
                (entry + 8, table.0 > 0 && table.1 > 0)
            }
            None => (checksum + 4, false),
        };
        if is_signed {
            hash.update(&file[after..table.0 as usize]);
        } else {
            hash.update(&file[after..]);
            hash.update(&[0; 8][..(8 - file.len() % 8) % 8]);
        }
        bytes(hash)
    }

    fn digest(file: &[u8]) -> FileDigests {
        read(file, Wanted::ALL).unwrap()
    }

    proptest! {
        #[test]
        fn images_hash_by_the_rule_however_they_are_read(
            size_bytes in 1000..200_000_usize,
            header in 64..500_usize,
            pe32_plus: bool,
            directories in 3..17_u32,
            table_bytes in 0..3000_u32,
            piece_bytes in 1..70_000_usize,
        ) {
            let entry = header + 24 + if pe32_plus { 144 } else { 128 };
            let table = (size_bytes as u32).saturating_sub(table_bytes);
            let headers_end = (header + 264).max(HEADERS_BYTES as usize) as u32;
            let table = if table < headers_end { (0, table_bytes) } else { (table, table_bytes) };
            let file = image(size_bytes, header, pe32_plus, directories, table);
            let entry = (directories > 4).then_some(entry);
            let digests = digest(&file);
            prop_assert_eq!(digests.kind, Kind::Pe);
            prop_assert_eq!(digests.image_sha256, Some(by_the_rule(&file, header + 88, entry, table)));
            let trickled = read(Trickle { rest: &file, piece_bytes, interrupted: false }, Wanted::ALL).unwrap();
            prop_assert_eq!(trickled, digests);
        }

        #[test]
        fn any_bytes_have_digests(start in 0..4_usize, tail in proptest::collection::vec(any::<u8>(), 0..400)) {
            let file = [[&b""[..], b"MZ", b"MSCF", b"PE"][start], &tail].concat();
            let digests = digest(&file);
            prop_assert_eq!(digests.size_bytes, file.len() as u64);
            prop_assert_eq!(digests.sha256, bytes(whole(&file)));
        }
    }

    fn whole(file: &[u8]) -> Context {
        let mut hash = Context::new(&SHA256);
        hash.update(file);
        hash
    }

    #[test]
    fn damaged_images_are_flat_files() {
        let check = |change: &dyn Fn(&mut Vec<u8>)| {
            let mut file = image(4000, 128, true, 16, (3000, 1000));
            change(&mut file);
            let digests = digest(&file);
            assert_eq!((digests.kind, digests.image_sha256, digests.image_sha1), (Kind::Flat, None, None));
        };
        check(&|file| file[1] = 0);
        check(&|file| file[0x3C..0x40].fill(0xFF));
        check(&|file| file[128] = b'p');
        check(&|file| file[148] = 100); // an optional header that ends before its directories
        check(&|file| file[153] = 3);
        check(&|file| file.truncate(200));
        check(&|file| file[296..300].copy_from_slice(&64_u32.to_le_bytes())); // certificates inside the headers
    }

    /// The place of the certificate table is not hashed: an image that swaps its code for the table must not keep the hash.
    #[test]
    fn a_moved_certificate_table_gives_no_image_hash() {
        let check = |table: (u32, u32), section: (u32, u32), hashes: bool| {
            let mut file = image(4096, 128, true, 16, table);
            file[128 + 6] = 1;
            let headers = 128 + 24 + 240;
            file[headers + 16..headers + 20].copy_from_slice(&section.1.to_le_bytes());
            file[headers + 20..headers + 24].copy_from_slice(&section.0.to_le_bytes());
            let digests = digest(&file);
            let found = (digests.image_sha256.is_some(), digests.image_sha1.is_some());
            assert_eq!(found, (hashes, hashes), "table {table:?}, section {section:?}");
        };
        check((3072, 1024), (512, 2560), true);
        check((3072, 1024), (4096, 0), true); // a section without bytes
        check((512, 1024), (512, 1024), false); // the table is what is loaded
        check((2048, 2048), (512, 2560), false);
        check((3072, 512), (512, 1024), false); // bytes behind the table
        check((3072, 2048), (512, 1024), false); // beyond the end
        check((500, 3596), (3000, 0), false); // inside the headers
        check((0, 0), (512, 3584), true);
    }

    #[test]
    fn signing_an_image_leaves_its_hash_alone() {
        let unsigned = image(4096, 128, true, 16, (0, 0));
        let mut signed = image(4096, 128, true, 16, (4096, 904));
        signed[128 + 88] ^= 0xFF; // the checksum
        signed.resize(5000, 0xAA);
        let (before, after) = (digest(&unsigned), digest(&signed));
        assert_eq!((before.image_sha256, before.image_sha1), (after.image_sha256, after.image_sha1));
        assert!(before.sha256 != after.sha256 && before.sha1 != after.sha1);
    }

    #[test]
    fn cabinets_leave_out_their_signature() {
        let cabinet = |flags: u8, reserve: u8, signature_at: u32| {
            let mut file: Vec<u8> = (0..300).map(|byte| (byte % 251) as u8).collect();
            file[..4].copy_from_slice(b"MSCF");
            (file[30], file[31], file[36], file[37]) = (flags, 0, reserve, 0);
            file[44..48].copy_from_slice(&signature_at.to_le_bytes());
            file
        };
        let check = |file: &[u8], parts: Option<&[&[u8]]>| {
            let digests = digest(file);
            let expect = parts.map(|parts| bytes(whole(&parts.concat())));
            assert_eq!((digests.kind, digests.image_sha256), (Kind::Cabinet, expect));
        };
        let plain = cabinet(0, 20, 0);
        check(&plain, Some(&[b"MSCF", &plain[8..]]));
        let signed = cabinet(4, 20, 200);
        check(&signed, Some(&[b"MSCF", &signed[8..34], &signed[56..200]]));
        let unsigned = cabinet(4, 20, 0);
        check(&unsigned, Some(&[b"MSCF", &unsigned[8..34], &unsigned[56..]]));
        check(&cabinet(4, 6, 0), None);
        assert_eq!(digest(&plain[..35]).kind, Kind::Flat);
    }

    #[test]
    fn only_what_is_wanted_is_there() {
        let file = image(1000, 64, false, 16, (0, 0));
        let check = |wanted: Wanted, sha1: bool, sha256: bool| {
            let digests = read(file.as_slice(), wanted).unwrap();
            let found =
                (digests.sha1.is_some(), digests.image_sha1.is_some(), digests.image_sha256.is_some());
            assert_eq!(found, (sha1, sha1, sha256));
        };
        check(Wanted::CONTENT, false, false);
        check(Wanted::SHA1, true, false);
        check(Wanted::SHA256, false, true);
        check(Wanted::SHA1 | Wanted::SHA256, true, true);
        let flat = digest(b"hello");
        assert_eq!(hex::encode(flat.sha1.unwrap()), "aaf4c61ddcc5e8a2dabede0f3b482cd9aea9434d");
        assert_eq!(flat.kind, Kind::Flat);
    }

    #[test]
    fn a_reader_that_fails_is_an_error() {
        struct Failing;
        impl Read for Failing {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::ErrorKind::ConnectionReset.into())
            }
        }
        assert_eq!(read(Failing, Wanted::ALL).unwrap_err().kind(), io::ErrorKind::ConnectionReset);
    }
}
