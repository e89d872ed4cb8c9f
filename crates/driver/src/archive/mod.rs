//! Driver packs as archives: `.cab` and `.zip` are unpacked into a fresh folder under limits, and a zip is written
//! for downloads.
//!
//! An archive comes from a vendor's site or from whoever may import drivers, so nothing in it is believed: names are
//! checked so that nothing leaves the folder and nothing collides on Windows, sizes are counted as they arrive and
//! not as they are declared, and whatever goes wrong leaves no folder behind.

mod cabinet;
mod error;
mod format;
mod name;
mod output;
mod unzip;
mod zip_writer;

use std::fs::File;
use std::io::{BufReader, Seek, SeekFrom};
use std::ops::ControlFlow;
use std::path::Path;

pub use error::ArchiveError;
pub(crate) use format::is_cabinet;
pub use format::{ArchiveFormat, ForeignFormat};
pub(crate) use name::component_flaw;
pub use zip_writer::{ZipWriteError, ZipWriter};

use output::{Budget, Output};

/// Unpacks the `.cab` or `.zip` at `archive` into the folder `into`, which must not exist or be empty.
///
/// Files are written beside it, into `<into>.partial`, made durable and then renamed: `into` either does not exist
/// or is complete. A `.partial` of an earlier, interrupted call is removed first, so one `into` takes one call at a
/// time. `progress` is asked after each piece; [`ControlFlow::Break`] cancels.
///
/// # Errors
///
/// [`ArchiveError`]; then neither `into` nor its `.partial` holds anything of the archive.
pub fn unpack(
    archive: &Path,
    into: &Path,
    limits: &Limits,
    progress: &mut dyn FnMut(Progress) -> ControlFlow<()>,
) -> Result<Unpacked, ArchiveError> {
    let mut file = File::open(archive).map_err(ArchiveError::Unreadable)?;
    let format = format::recognize(&mut file)?;
    let archive_bytes = file.seek(SeekFrom::End(0)).map_err(ArchiveError::Unreadable)?;
    file.seek(SeekFrom::Start(0)).map_err(ArchiveError::Unreadable)?;

    let budget = Budget::new(*limits, archive_bytes, progress);
    let mut output = Output::create(into, budget)?;
    let reader = BufReader::with_capacity(READ_BUFFER_BYTES, file);
    match format {
        ArchiveFormat::Cabinet => cabinet::read(reader, &mut output)?,
        ArchiveFormat::Zip => unzip::read(reader, &mut output)?,
    }
    let (files, bytes) = output.commit()?;
    Ok(Unpacked { format, files, bytes })
}

/// Which kind of archive the bytes at `archive` are, by their content.
///
/// # Errors
///
/// [`ArchiveError::Unreadable`], [`ArchiveError::Foreign`] for a known format that [`unpack`] does not read,
/// [`ArchiveError::Unknown`] for anything else.
pub fn recognize(archive: &Path) -> Result<ArchiveFormat, ArchiveError> {
    format::recognize(&mut File::open(archive).map_err(ArchiveError::Unreadable)?)
}

/// The content of the first file in the cabinet `bytes` whose name ends with `suffix` (ASCII case ignored), at most
/// `bytes_max` long; `None` if there is no such file. For catalogs that are shipped in a cabinet.
pub(crate) fn file_of_cabinet(
    bytes: &[u8],
    suffix: &str,
    bytes_max: u64,
) -> Result<Option<Vec<u8>>, ArchiveError> {
    let mut wanted = cabinet::OneFile::new(suffix, bytes_max);
    cabinet::read(std::io::Cursor::new(bytes), &mut wanted)?;
    Ok(wanted.into_content())
}

/// How much is read from an archive at once.
const READ_BUFFER_BYTES: usize = 256 << 10;

/// What an archive may ask of the machine. The defaults hold the largest vendor packs known (13 GB, 60 000 files)
/// several times over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Files and folders.
    pub entries_max: u64,
    /// Bytes of one unpacked file.
    pub file_bytes_max: u64,
    /// Bytes of all unpacked files.
    pub total_bytes_max: u64,
    /// Unpacked bytes for each byte of the archive, once `ratio_free_bytes` are unpacked.
    pub ratio_max: u64,
    /// Up to here the ratio is not looked at: small archives of empty pages are no attack.
    pub ratio_free_bytes: u64,
    /// Bytes of an entry's whole name. One component has at most 255 in any case, as file systems do.
    pub name_bytes_max: usize,
    /// Folders below each other.
    pub depth_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            entries_max: 250_000,
            file_bytes_max: 16 << 30,
            total_bytes_max: 64 << 30,
            ratio_max: 200,
            ratio_free_bytes: 64 << 20,
            name_bytes_max: 1024,
            depth_max: 32,
        }
    }
}

/// How far [`unpack`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Progress {
    /// Files written so far, the current one included.
    pub files: u64,
    /// Bytes written so far.
    pub bytes: u64,
    /// The bytes that the archive declares; not to be believed, good for a bar.
    pub bytes_declared: u64,
}

/// What [`unpack`] has made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unpacked {
    /// What the archive was.
    pub format: ArchiveFormat,
    /// Files.
    pub files: u64,
    /// Bytes of the files.
    pub bytes: u64,
}

#[cfg(test)]
mod tests;
