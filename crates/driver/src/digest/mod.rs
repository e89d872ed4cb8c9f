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
    /// The Authenticode hash of an image or a cabinet; `None` for other files and if not wanted.
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
        for hash in self.image {
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
