//! Cabinets (MS-CAB): store, MSZIP and LZX.
//!
//! The crate `cab` decodes the data blocks, but it decodes a folder from its beginning for each file in it, which for
//! a driver pack of thousands of files in one folder never ends. So the directory is read here, and each folder is
//! shown to the crate as a cabinet of its own with one file in it, which is read once.

mod alone;
mod one_file;

use std::io::{self, Read, Seek, SeekFrom};

pub(super) use one_file::OneFile;

use super::ArchiveError;
use super::name::shown;
use super::output::Sink;
use alone::{ALONE_NAME, Alone};

/// Unpacks the cabinet into `sink`, folder by folder, each file in the order of its data.
pub(super) fn read(mut reader: impl Read + Seek, sink: &mut impl Sink) -> Result<(), ArchiveError> {
    let directory = Directory::read(&mut reader)?;
    let bytes = directory.files.iter().map(|file| u64::from(file.size)).sum();
    sink.declared(directory.files.len() as u64, bytes)?;
    let mut buffer = vec![0; BUFFER_BYTES];
    for index in 0..directory.folders.len() {
        directory.read_folder(index, &mut reader, &mut buffer, sink)?;
    }
    Ok(())
}

/// One data block is at most this long.
const BUFFER_BYTES: usize = 32 << 10;

/// The folders and files of a cabinet.
struct Directory {
    folders: Vec<Folder>,
    /// By folder, then by offset.
    files: Vec<FileEntry>,
    block_reserve_bytes: u8,
}

struct Folder {
    data_offset: u32,
    blocks: u16,
    compression: u16,
}

struct FileEntry {
    folder: u16,
    offset: u32,
    size: u32,
    name: String,
}

const FLAG_PREVIOUS: u16 = 1;
const FLAG_NEXT: u16 = 2;
const FLAG_RESERVE: u16 = 4;
/// Folder indexes from here on continue in another cabinet.
const FOLDER_CONTINUED: u16 = 0xFFFD;
const ATTRIBUTE_NAME_IS_UTF: u16 = 0x80;
const COMPRESSION_QUANTUM: u16 = 2;

impl Directory {
    fn read(reader: &mut (impl Read + Seek)) -> Result<Self, ArchiveError> {
        let header: [u8; 36] = bytes(reader)?;
        let files_offset = u32_at(&header, 16);
        let (folder_count, file_count, flags) =
            (u16_at(&header, 26), u16_at(&header, 28), u16_at(&header, 30));
        if header[..4] != *b"MSCF" || header[25] != 1 {
            return Err(ArchiveError::Damaged("the cabinet's header has an unknown version".to_owned()));
        }
        if flags & (FLAG_PREVIOUS | FLAG_NEXT) != 0 {
            return Err(ArchiveError::MultiPart);
        }
        let mut folder_reserve_bytes = 0;
        let mut block_reserve_bytes = 0;
        if flags & FLAG_RESERVE != 0 {
            let sizes: [u8; 4] = bytes(reader)?;
            (folder_reserve_bytes, block_reserve_bytes) = (sizes[2], sizes[3]);
            skip(reader, u64::from(u16_at(&sizes, 0)))?;
        }
        let mut folders = Vec::with_capacity(usize::from(folder_count));
        for _ in 0..folder_count {
            let folder: [u8; 8] = bytes(reader)?;
            skip(reader, u64::from(folder_reserve_bytes))?;
            let (data_offset, blocks) = (u32_at(&folder, 0), u16_at(&folder, 4));
            folders.push(Folder { data_offset, blocks, compression: u16_at(&folder, 6) });
        }
        reader.seek(SeekFrom::Start(u64::from(files_offset))).map_err(ArchiveError::reading)?;
        let mut files = Vec::with_capacity(usize::from(file_count));
        for _ in 0..file_count {
            files.push(FileEntry::read(reader, folder_count)?);
        }
        files.sort_by_key(|file| (file.folder, file.offset, file.size));
        Ok(Self { folders, files, block_reserve_bytes })
    }

    fn read_folder(
        &self,
        index: usize,
        reader: &mut (impl Read + Seek),
        buffer: &mut [u8],
        sink: &mut impl Sink,
    ) -> Result<(), ArchiveError> {
        let start = self.files.partition_point(|file| usize::from(file.folder) < index);
        let files = self.files[start..].iter().take_while(|file| usize::from(file.folder) == index);
        let mut files = files.peekable();
        if files.peek().is_none() {
            return Ok(());
        }
        let folder = &self.folders[index];
        if folder.compression & 0xF == COMPRESSION_QUANTUM {
            let entry = files.next().map(|file| shown(&file.name)).unwrap_or_default();
            return Err(ArchiveError::Method { entry, method: "Quantum".to_owned() });
        }
        let alone = Alone::new(folder, self.block_reserve_bytes, reader)?;
        let mut cabinet = cab::Cabinet::new(alone).map_err(ArchiveError::reading)?;
        let mut data = cabinet.read_file(ALONE_NAME).map_err(ArchiveError::reading)?;
        let mut position = 0;
        for file in files {
            let (start, size) = (u64::from(file.offset), u64::from(file.size));
            if start < position {
                let text = format!("`{}` begins inside the file before it", shown(&file.name));
                return Err(ArchiveError::Damaged(text));
            }
            copy(&mut data, start - position, buffer, &mut |piece| sink.skipped(piece.len() as u64))?;
            let wanted = sink.file(&file.name)?;
            copy(&mut data, size, buffer, &mut |piece| {
                if wanted { sink.data(piece) } else { sink.skipped(piece.len() as u64) }
            })?;
            sink.end()?;
            position = start + size;
        }
        Ok(())
    }
}

impl FileEntry {
    fn read(reader: &mut impl Read, folder_count: u16) -> Result<Self, ArchiveError> {
        let entry: [u8; 16] = bytes(reader)?;
        let folder = u16_at(&entry, 8);
        if folder >= FOLDER_CONTINUED {
            return Err(ArchiveError::MultiPart);
        }
        if folder >= folder_count {
            return Err(ArchiveError::Damaged("a file lies in a folder that is not there".to_owned()));
        }
        let mut name = Vec::new();
        loop {
            match bytes::<1>(reader)? {
                [0] => break,
                _ if name.len() >= NAME_BYTES_MAX => {
                    return Err(ArchiveError::Damaged("a name in the cabinet does not end".to_owned()));
                }
                [byte] => name.push(byte),
            }
        }
        let utf8 = u16_at(&entry, 14) & ATTRIBUTE_NAME_IS_UTF != 0;
        let name = match String::from_utf8(name) {
            Ok(name) => name,
            Err(_) if utf8 => {
                return Err(ArchiveError::Damaged("a name in the cabinet is not UTF-8".to_owned()));
            }
            // Written in the packer's code page, which the cabinet does not tell.
            Err(error) => encoding_rs::WINDOWS_1252.decode(error.as_bytes()).0.into_owned(),
        };
        Ok(Self { folder, offset: u32_at(&entry, 4), size: u32_at(&entry, 0), name })
    }
}

/// MS-CAB: a name has at most 256 bytes, the zero included.
const NAME_BYTES_MAX: usize = 255;

/// Passes exactly `count` bytes on.
fn copy(
    reader: &mut impl Read,
    count: u64,
    buffer: &mut [u8],
    take: &mut dyn FnMut(&[u8]) -> Result<(), ArchiveError>,
) -> Result<(), ArchiveError> {
    let mut left = count;
    while left > 0 {
        let room = usize::try_from(left).map_or(buffer.len(), |left| left.min(buffer.len()));
        let read = reader.read(&mut buffer[..room]).map_err(ArchiveError::reading)?;
        if read == 0 {
            return Err(ArchiveError::Damaged("the cabinet's data ends early".to_owned()));
        }
        take(&buffer[..read])?;
        left -= read as u64;
    }
    Ok(())
}

fn bytes<const N: usize>(reader: &mut impl Read) -> Result<[u8; N], ArchiveError> {
    let mut bytes = [0; N];
    reader.read_exact(&mut bytes).map_err(ArchiveError::reading)?;
    Ok(bytes)
}

fn skip(reader: &mut impl Read, count: u64) -> Result<(), ArchiveError> {
    let skipped = io::copy(&mut reader.take(count), &mut io::sink()).map_err(ArchiveError::reading)?;
    if skipped == count { Ok(()) } else { Err(ArchiveError::reading(io::ErrorKind::UnexpectedEof.into())) }
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]])
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}
