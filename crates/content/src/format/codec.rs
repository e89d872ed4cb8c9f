//! The small pieces all stored formats are made of: strict little-endian integers, minimal varints, ids.
//!
//! Strict means that one value has one encoding: what decodes, encodes to the same bytes again.

use crate::ids::ID_BYTES;

/// Why stored bytes were refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FormatError {
    /// The bytes end inside a value.
    #[error("the {what} is cut short")]
    Truncated {
        /// What was being read.
        what: &'static str,
    },
    /// A value that no writer produces.
    #[error("the {what} is malformed: {why}")]
    Malformed {
        /// What was being read.
        what: &'static str,
        /// What is wrong with it.
        why: &'static str,
    },
    /// Written by a version that this program does not know.
    #[error("the {what} has format version {version}, this program reads up to {known}; update the program")]
    Version {
        /// What was being read.
        what: &'static str,
        /// The version found.
        version: u16,
        /// The newest version known.
        known: u16,
    },
    /// The bytes are not those that the id names.
    #[error("the {what} does not have the expected hash; it was altered or damaged")]
    Hash {
        /// What was being read.
        what: &'static str,
    },
    /// The zstd frame does not decompress to the size in the index.
    #[error("a chunk does not decompress")]
    Compression,
    /// The bases given are not those that the patch needs.
    #[error("a patch was given {given} bases and needs {needed}")]
    Bases {
        /// How many came.
        given: usize,
        /// How many the entry names.
        needed: usize,
    },
}

impl FormatError {
    /// A stable code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            FormatError::Truncated { .. } => "format_truncated",
            FormatError::Malformed { .. } => "format_malformed",
            FormatError::Version { .. } => "format_version",
            FormatError::Hash { .. } => "format_hash",
            FormatError::Compression => "format_compression",
            FormatError::Bases { .. } => "format_bases",
        }
    }
}

/// Reads values from the front of a byte slice.
#[derive(Debug)]
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
    what: &'static str,
}

impl<'a> Reader<'a> {
    /// Reads `bytes`; errors name `what`.
    pub(crate) fn new(bytes: &'a [u8], what: &'static str) -> Reader<'a> {
        Reader { rest: bytes, what }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    pub(crate) fn malformed(&self, why: &'static str) -> FormatError {
        FormatError::Malformed { what: self.what, why }
    }

    pub(crate) fn bytes(&mut self, len: usize) -> Result<&'a [u8], FormatError> {
        let (head, rest) =
            self.rest.split_at_checked(len).ok_or(FormatError::Truncated { what: self.what })?;
        self.rest = rest;
        Ok(head)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], FormatError> {
        Ok(self.bytes(N)?.try_into().expect("bytes(N) yields N bytes"))
    }

    pub(crate) fn u8(&mut self) -> Result<u8, FormatError> {
        Ok(self.array::<1>()?[0])
    }

    pub(crate) fn u16(&mut self) -> Result<u16, FormatError> {
        Ok(u16::from_le_bytes(self.array()?))
    }

    pub(crate) fn u64(&mut self) -> Result<u64, FormatError> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    pub(crate) fn id(&mut self) -> Result<[u8; ID_BYTES], FormatError> {
        self.array()
    }

    /// A varint of at most 64 bits, in its shortest form only.
    pub(crate) fn varint(&mut self) -> Result<u64, FormatError> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.u8()?;
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 {
                return Err(self.malformed("a number exceeds 64 bits"));
            }
            value |= bits << shift;
            if byte & 0x80 == 0 {
                if byte == 0 && shift > 0 {
                    return Err(self.malformed("a number is not in its shortest form"));
                }
                return Ok(value);
            }
        }
        Err(self.malformed("a number exceeds 64 bits"))
    }

    /// A varint that must not exceed `max`.
    pub(crate) fn varint_up_to(&mut self, max: u64) -> Result<u64, FormatError> {
        let value = self.varint()?;
        if value > max { Err(self.malformed("a number exceeds its limit")) } else { Ok(value) }
    }

    pub(crate) fn varint_u32(&mut self, max: u32) -> Result<u32, FormatError> {
        Ok(u32::try_from(self.varint_up_to(u64::from(max))?).expect("bounded by a u32"))
    }

    pub(crate) fn varint_usize(&mut self, max: usize) -> Result<usize, FormatError> {
        Ok(usize::try_from(self.varint_up_to(max as u64)?).expect("bounded by a usize"))
    }

    /// A signed number, zigzag.
    pub(crate) fn signed(&mut self) -> Result<i64, FormatError> {
        let coded = self.varint()?;
        Ok((coded >> 1).cast_signed() ^ -(coded & 1).cast_signed())
    }

    /// Checks a magic and a version marker.
    pub(crate) fn header(&mut self, magic: &[u8], known: u16) -> Result<(), FormatError> {
        if self.bytes(magic.len())? != magic {
            return Err(self.malformed("it does not begin with the expected mark"));
        }
        let version = self.u16()?;
        if version == 0 || version > known {
            return Err(FormatError::Version { what: self.what, version, known });
        }
        Ok(())
    }

    /// Refuses bytes after the end.
    pub(crate) fn finish(self) -> Result<(), FormatError> {
        if self.rest.is_empty() { Ok(()) } else { Err(self.malformed("bytes follow its end")) }
    }
}

/// Appends a varint in its shortest form.
pub(crate) fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value.to_le_bytes()[0] | 0x80);
        value >>= 7;
    }
    out.push(value.to_le_bytes()[0]);
}

/// Appends a signed number, zigzag.
pub(crate) fn put_signed(out: &mut Vec<u8>, value: i64) {
    put_varint(out, ((value << 1) ^ (value >> 63)).cast_unsigned());
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn numbers_round_trip(value: u64, signed: i64) {
            let mut bytes = Vec::new();
            put_varint(&mut bytes, value);
            put_signed(&mut bytes, signed);
            let mut reader = Reader::new(&bytes, "test");
            prop_assert_eq!(reader.varint(), Ok(value));
            prop_assert_eq!(reader.signed(), Ok(signed));
            prop_assert_eq!(reader.finish(), Ok(()));
        }

        #[test]
        fn what_decodes_encodes_to_the_same_bytes(bytes in prop::collection::vec(any::<u8>(), 0..12)) {
            let mut reader = Reader::new(&bytes, "test");
            if let Ok(value) = reader.varint() {
                let mut again = Vec::new();
                put_varint(&mut again, value);
                prop_assert_eq!(&again[..], &bytes[..again.len()]);
            }
        }
    }

    #[test]
    fn extremes() {
        for value in [0, 1, 127, 128, u64::MAX] {
            let mut bytes = Vec::new();
            put_varint(&mut bytes, value);
            assert_eq!(Reader::new(&bytes, "test").varint(), Ok(value));
        }
        for bad in [&[0x80u8, 0x00][..], &[0xff; 10], &[0xff; 11], &[0x80]] {
            assert!(Reader::new(bad, "test").varint().is_err(), "{bad:?}");
        }
    }
}
