//! One folder of a cabinet, shown as a cabinet of its own.

use std::io::{self, Read, Seek, SeekFrom};

use super::{ArchiveError, FLAG_RESERVE, Folder};

/// One folder as a cabinet of its own: a header, one folder, one file from the folder's start without end, and
/// behind it the bytes of the real cabinet.
pub(super) struct Alone<'a, R> {
    head: Vec<u8>,
    position: u64,
    real: &'a mut R,
}

/// The name of the one file.
pub(super) const ALONE_NAME: &str = "f";
const ALONE_HEAD_BYTES: u32 = 36 + 4 + 8 + 16 + 2;

impl<'a, R: Read + Seek> Alone<'a, R> {
    pub(super) fn new(
        folder: &Folder,
        block_reserve_bytes: u8,
        real: &'a mut R,
    ) -> Result<Self, ArchiveError> {
        let data_offset = folder.data_offset.checked_add(ALONE_HEAD_BYTES).ok_or_else(|| {
            ArchiveError::Damaged("a folder of the cabinet begins behind its end".to_owned())
        })?;
        let files_offset = ALONE_HEAD_BYTES - 16 - 2;
        let mut head = Vec::with_capacity(ALONE_HEAD_BYTES as usize);
        head.extend_from_slice(b"MSCF");
        for field in [0, ALONE_HEAD_BYTES, 0, files_offset, 0] {
            head.extend_from_slice(&field.to_le_bytes());
        }
        head.extend_from_slice(&[3, 1]);
        for field in [1_u16, 1, FLAG_RESERVE, 0, 0, 0] {
            head.extend_from_slice(&field.to_le_bytes());
        }
        head.extend_from_slice(&[0, block_reserve_bytes]);
        head.extend_from_slice(&data_offset.to_le_bytes());
        head.extend_from_slice(&folder.blocks.to_le_bytes());
        head.extend_from_slice(&folder.compression.to_le_bytes());
        head.extend_from_slice(&u32::MAX.to_le_bytes());
        head.extend_from_slice(&[0; 12]);
        head.extend_from_slice(b"f\0");
        Ok(Self { head, position: 0, real })
    }

    fn head_bytes(&self) -> u64 {
        self.head.len() as u64
    }
}

impl<R: Read + Seek> Read for Alone<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = if self.position < self.head_bytes() {
            let start = usize::try_from(self.position).expect("the head is short");
            let read = (&self.head[start..]).read(buffer)?;
            if start + read == self.head.len() {
                self.real.seek(SeekFrom::Start(0))?;
            }
            read
        } else {
            self.real.read(buffer)?
        };
        self.position += read as u64;
        Ok(read)
    }
}

impl<R: Read + Seek> Seek for Alone<'_, R> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let position = match to {
            SeekFrom::Start(position) => Some(position),
            SeekFrom::Current(by) => self.position.checked_add_signed(by),
            SeekFrom::End(by) => {
                let end = self.real.seek(SeekFrom::End(0))? + self.head_bytes();
                self.position = end;
                end.checked_add_signed(by)
            }
        };
        let position = position.ok_or(io::ErrorKind::InvalidInput)?;
        // Blocks lie one behind the other: a seek to where the reader is would only empty its buffer.
        if position != self.position {
            if position >= self.head_bytes() {
                self.real.seek(SeekFrom::Start(position - self.head_bytes()))?;
            }
            self.position = position;
        }
        Ok(position)
    }
}
