//! The bytes on disk and on the wire; `docs/format.md` is the description, `tests/golden.rs` the guard.
//!
//! Pure functions over byte slices: no files, no clock.

mod chunker;
mod codec;
mod compression;
mod manifest;
mod pack;

pub use chunker::{
    CHUNK_BYTES_MAX, CHUNKER, ChunkerParameters, FILE_CHUNKS, MANIFEST_CHUNKS, WHOLE_FILE_BYTES_MAX,
    cut_length, cut_manifest,
};
pub use codec::FormatError;
pub(crate) use codec::{Reader, put_signed, put_varint};
pub use compression::{Compressor, decode_entry, stored_check};
pub use manifest::{
    ChunkRef, Entry, FileEntry, MANIFEST_ENTRIES_MAX, MANIFEST_STREAM_BYTES_MAX, MANIFEST_VERSION, Manifest,
    ManifestRoot, ROOT_BYTES_MAX,
};
pub use pack::{
    Encoding, PACK_BYTES_TARGET, PACK_ENTRIES_MAX, PACK_FOOTER_BYTES, PACK_HEADER, PACK_INDEX_BYTES_MAX,
    PACK_VERSION, PATCH_BASES_MAX, PackEntry, PackFooter, PackIndex,
};
pub(crate) use pack::{decode_entry_body, encode_entry_body};
