//! Zip archives: stored and deflate, zip64.
//!
//! The crate's iterator over the central directory is used rather than its archive type: that one holds all entries
//! in memory before anything can be counted, and hides entries of the same name.

use std::io::{Read, Seek};

use zip::result::ZipError;
use zip::unstable::read::ZipIterable;
use zip::{CompressionMethod, ZipReadOptions};

use super::ArchiveError;
use super::name::{self, Names, shown};
use super::output::Sink;

/// Unpacks the archive into `sink`, in the order of its directory; everything that the directory tells is checked
/// before the first byte is written.
pub(super) fn read(reader: impl Read + Seek, sink: &mut impl Sink) -> Result<(), ArchiveError> {
    let mut archive = ZipIterable::try_new(reader, zip::read::Config::default()).map_err(failed)?;
    check(&mut archive, sink)?;
    let mut buffer = vec![0; BUFFER_BYTES];
    let files = archive.files().map_err(failed)?;
    while let Some(entry) = files.next() {
        let entry = entry.map_err(failed)?;
        let entry_name = entry.name().map_err(failed)?.into_owned();
        if is_folder(&entry_name) {
            sink.folder(&entry_name)?;
            continue;
        }
        sink.file(&entry_name)?;
        let declared = entry.size();
        let mut content = entry.with_reader(files.reader_mut(), ZipReadOptions::new()).map_err(failed)?;
        let mut bytes = 0;
        loop {
            let read = content.read(&mut buffer).map_err(ArchiveError::reading)?;
            if read == 0 {
                break;
            }
            bytes += read as u64;
            sink.data(&buffer[..read])?;
        }
        if bytes != declared {
            let text = format!("`{}` has {bytes} bytes and should have {declared}", shown(&entry_name));
            return Err(ArchiveError::Damaged(text));
        }
        sink.end()?;
    }
    Ok(())
}

const BUFFER_BYTES: usize = 128 << 10;

fn check<R: Read + Seek>(archive: &mut ZipIterable<R>, sink: &mut impl Sink) -> Result<(), ArchiveError> {
    let entries = archive.len() as u64;
    sink.declared(entries, 0)?;
    let mut names = Names::default();
    let mut bytes: u64 = 0;
    for entry in archive.files().map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let entry_name = entry.name().map_err(failed)?;
        let components = name::components(&entry_name, sink.limits())?;
        if entry.encrypted() {
            return Err(ArchiveError::Encrypted { entry: shown(&entry_name) });
        }
        if entry.is_symlink() || is_special(entry.unix_mode()) {
            return Err(ArchiveError::Link { entry: shown(&entry_name) });
        }
        if is_folder(&entry_name) {
            names.folder_path(&components)?;
            continue;
        }
        names.file(&components)?;
        let method = entry.compression();
        if !matches!(method, CompressionMethod::Stored | CompressionMethod::Deflated) {
            return Err(ArchiveError::Method { entry: shown(&entry_name), method: format!("{method:?}") });
        }
        bytes = bytes.saturating_add(entry.size());
        if entry.size() > sink.limits().file_bytes_max {
            let limit = sink.limits().file_bytes_max;
            return Err(ArchiveError::Limit { what: "bytes in one file", limit });
        }
    }
    sink.declared(entries, bytes)
}

/// A trailing separator makes a folder; Windows packers write `\`.
fn is_folder(name: &str) -> bool {
    name.ends_with(['/', '\\'])
}

/// Whether a Unix mode names anything else than a file or a folder: pipes, devices, sockets.
fn is_special(unix_mode: Option<u32>) -> bool {
    const TYPE_BITS: u32 = 0o170_000;
    !matches!(unix_mode.unwrap_or(0) & TYPE_BITS, 0 | 0o040_000 | 0o100_000)
}

fn failed(error: ZipError) -> ArchiveError {
    match error {
        ZipError::Io(error) => ArchiveError::reading(error),
        ZipError::UnsupportedArchive(text) if text.contains("multi-disk") => ArchiveError::MultiPart,
        ZipError::CompressionMethodNotSupported(number) => {
            ArchiveError::Method { entry: String::new(), method: format!("method {number}") }
        }
        error => ArchiveError::Damaged(error.to_string()),
    }
}
