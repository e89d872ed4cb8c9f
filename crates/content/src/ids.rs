//! The names of things: each a 32-byte hash, each its own type, so that a pack's id never stands for a chunk's.

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::digest;

/// Bytes in every id.
pub const ID_BYTES: usize = 32;

/// Why a text is not an id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an id is 64 lower-case hexadecimal digits")]
pub struct ParseIdError;

macro_rules! id_type {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; ID_BYTES]);

        impl $name {
            /// Takes the 32 bytes as they are.
            #[must_use]
            pub const fn from_bytes(bytes: [u8; ID_BYTES]) -> $name {
                $name(bytes)
            }

            /// The 32 bytes.
            #[must_use]
            pub const fn as_bytes(&self) -> &[u8; ID_BYTES] {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&hex::encode(self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), hex::encode(&self.0[..6]))
            }
        }

        impl FromStr for $name {
            type Err = ParseIdError;

            fn from_str(text: &str) -> Result<$name, ParseIdError> {
                if text.bytes().any(|byte| byte.is_ascii_uppercase()) {
                    return Err(ParseIdError);
                }
                let mut bytes = [0; ID_BYTES];
                hex::decode_to_slice(text, &mut bytes).map_err(|_| ParseIdError)?;
                Ok($name(bytes))
            }
        }
    };
}

id_type! {
    /// A chunk's name: BLAKE3 of its raw bytes.
    ChunkId
}
id_type! {
    /// A file's name in the single-instance store: SHA-256 of its bytes, as the original has it.
    FileHash
}
id_type! {
    /// A pack's name: BLAKE3 of its index, which in turn commits to every stored byte.
    PackId
}
id_type! {
    /// A manifest's name: BLAKE3 of its root object.
    ManifestId
}

impl ChunkId {
    /// The name of these raw bytes.
    #[must_use]
    pub fn of(raw: &[u8]) -> ChunkId {
        ChunkId(*blake3::hash(raw).as_bytes())
    }
}

impl PackId {
    /// The name of the pack with this encoded index.
    #[must_use]
    pub fn of(index: &[u8]) -> PackId {
        PackId(*blake3::hash(index).as_bytes())
    }
}

impl ManifestId {
    /// The name of the manifest with this encoded root.
    #[must_use]
    pub fn of(root: &[u8]) -> ManifestId {
        ManifestId(*blake3::hash(root).as_bytes())
    }
}

impl FileHash {
    /// The hash of these bytes; for a stream use [`FileHasher`].
    #[must_use]
    pub fn of(bytes: &[u8]) -> FileHash {
        let mut hasher = FileHasher::new();
        hasher.update(bytes);
        hasher.finish()
    }
}

/// SHA-256 over a file that arrives in pieces.
pub struct FileHasher(digest::Context);

impl FileHasher {
    /// Nothing hashed yet.
    #[must_use]
    pub fn new() -> FileHasher {
        FileHasher(digest::Context::new(&digest::SHA256))
    }

    /// Adds the next piece.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The hash of all pieces.
    #[must_use]
    pub fn finish(self) -> FileHash {
        let digest = self.0.finish();
        FileHash(digest.as_ref().try_into().expect("SHA-256 yields 32 bytes"))
    }
}

impl Default for FileHasher {
    fn default() -> FileHasher {
        FileHasher::new()
    }
}

impl fmt::Debug for FileHasher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FileHasher")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_match_published_vectors() {
        assert_eq!(
            FileHash::of(b"abc").to_string(),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
        assert_eq!(
            ChunkId::of(b"").to_string(),
            "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262"
        );
    }

    #[test]
    fn text_round_trips_and_only_lower_hex_is_an_id() {
        let id = ChunkId::of(b"x");
        assert_eq!(id.to_string().parse(), Ok(id));
        let upper = id.to_string().to_uppercase();
        let long = format!("{id}00");
        for bad in ["", "12", upper.as_str(), long.as_str(), "zz"] {
            assert_eq!(bad.parse::<ChunkId>(), Err(ParseIdError), "{bad}");
        }
    }

    #[test]
    fn pieces_hash_like_the_whole() {
        let mut hasher = FileHasher::new();
        hasher.update(b"a");
        hasher.update(b"bc");
        assert_eq!(hasher.finish(), FileHash::of(b"abc"));
    }
}
