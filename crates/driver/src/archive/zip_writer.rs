//! A zip for download, written as it is sent.

use std::io::{self, Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use zip::write::{SimpleFileOptions, StreamWriter};
use zip::{CompressionMethod, DateTime};

use super::name::{self, Names, shown};
use super::{ArchiveError, Limits};

/// Writes a zip to anything that takes bytes, without seeking. The same entries in the same order give the same
/// bytes: times are fixed, nothing of this machine is written.
///
/// Dropped without [`ZipWriter::finish`], the archive stays without its directory, so that a reader sees that it is
/// cut off.
pub struct ZipWriter<W: Write> {
    zip: Option<zip::ZipWriter<StreamWriter<Gate<W>>>>,
    open: Arc<AtomicBool>,
    names: Names,
    entries: u64,
    /// From this size on an entry is written as zip64.
    zip64_from_bytes: u64,
}

/// Why a zip could not be written. Afterwards the writer takes no more entries.
#[derive(Debug, thiserror::Error)]
pub enum ZipWriteError {
    /// The name cannot be an entry's, or is taken.
    #[error(transparent)]
    Name(#[from] ArchiveError),
    /// The content cannot be read.
    #[error("`{entry}` cannot be read: {source}")]
    Content {
        /// The entry.
        entry: String,
        /// What the reader said.
        source: io::Error,
    },
    /// The content is not as long as was said: the file has changed meanwhile.
    #[error("`{entry}` has {found} bytes and should have {expected}; it has changed while it was read")]
    Size {
        /// The entry.
        entry: String,
        /// Bytes found; counting stops soon after `expected`.
        found: u64,
        /// Bytes announced.
        expected: u64,
    },
    /// The receiver takes no more.
    #[error("the zip cannot be written: {0}")]
    Write(#[source] io::Error),
}

impl ZipWriteError {
    /// A stable code for logs and clients.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Name(error) => error.code(),
            Self::Content { .. } => "zip_content",
            Self::Size { .. } => "zip_size",
            Self::Write(_) => "zip_write",
        }
    }
}

/// Deflate grows what it cannot shrink by a few bytes for each 16 KiB; entries this close to 4 GiB are zip64 too.
const ZIP64_FROM_BYTES: u64 = (4 << 30) - (16 << 20);
const BUFFER_BYTES: usize = 128 << 10;

impl<W: Write> ZipWriter<W> {
    /// Starts an archive.
    pub fn new(writer: W) -> Self {
        let open = Arc::new(AtomicBool::new(true));
        let gate = Gate { writer, open: Arc::clone(&open) };
        Self {
            zip: Some(zip::ZipWriter::new_stream(gate)),
            open,
            names: Names::default(),
            entries: 0,
            zip64_from_bytes: ZIP64_FROM_BYTES,
        }
    }

    /// Writes one file. `name` is relative, with `/` or `\`, and checked as [`super::unpack`] checks names, so what
    /// is written here can be unpacked there.
    ///
    /// # Errors
    ///
    /// [`ZipWriteError`]; except after `Name` the archive is then cut off for good.
    pub fn add(&mut self, name: &str, size_bytes: u64, content: &mut dyn Read) -> Result<(), ZipWriteError> {
        let limits = Limits::default();
        if self.entries >= limits.entries_max {
            return Err(ArchiveError::Limit { what: "entries", limit: limits.entries_max }.into());
        }
        let path = self.names.file(&name::components(name, &limits)?)?;
        let zip = self.zip.as_mut().ok_or_else(|| ZipWriteError::Write(io::ErrorKind::BrokenPipe.into()))?;
        let options = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Deflated)
            .last_modified_time(DateTime::DEFAULT)
            .unix_permissions(0o644)
            .large_file(size_bytes >= self.zip64_from_bytes);
        let written = zip
            .start_file(path.as_str(), options)
            .map_err(|error| ZipWriteError::Write(error.into()))
            .and_then(|()| copy(&path, size_bytes, content, zip));
        match written {
            Ok(()) => self.entries += 1,
            Err(_) => self.cut(),
        }
        written
    }

    /// Writes the directory and gives the writer back.
    ///
    /// # Errors
    ///
    /// [`ZipWriteError::Write`], also after an earlier error.
    pub fn finish(mut self) -> Result<W, ZipWriteError> {
        let zip = self.zip.take().ok_or_else(|| ZipWriteError::Write(io::ErrorKind::BrokenPipe.into()))?;
        match zip.finish() {
            Ok(stream) => {
                let mut writer = stream.into_inner().writer;
                writer.flush().map_err(ZipWriteError::Write)?;
                Ok(writer)
            }
            Err(error) => Err(ZipWriteError::Write(error.into())),
        }
    }

    #[cfg(test)]
    pub(super) fn set_zip64_from(&mut self, bytes: Option<u64>) {
        self.zip64_from_bytes = bytes.unwrap_or(ZIP64_FROM_BYTES);
    }

    /// Lets nothing more through, and then lets the zip be dropped: dropping it writes a directory, which would make
    /// a broken archive look whole.
    fn cut(&mut self) {
        self.open.store(false, Ordering::Relaxed);
        self.zip = None;
    }
}

impl<W: Write> Drop for ZipWriter<W> {
    fn drop(&mut self) {
        self.cut();
    }
}

fn copy(
    entry: &str,
    expected: u64,
    content: &mut dyn Read,
    zip: &mut impl Write,
) -> Result<(), ZipWriteError> {
    let mut buffer = vec![0; BUFFER_BYTES];
    let mut found = 0;
    loop {
        let read = match content.read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(source) => return Err(ZipWriteError::Content { entry: shown(entry), source }),
        };
        found += read as u64;
        if found > expected {
            break;
        }
        zip.write_all(&buffer[..read]).map_err(ZipWriteError::Write)?;
    }
    if found == expected { Ok(()) } else { Err(ZipWriteError::Size { entry: shown(entry), found, expected }) }
}

/// Passes bytes on while it is open, and swallows them afterwards.
struct Gate<W> {
    writer: W,
    open: Arc<AtomicBool>,
}

impl<W: Write> Write for Gate<W> {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        if self.open.load(Ordering::Relaxed) { self.writer.write(data) } else { Ok(data.len()) }
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.open.load(Ordering::Relaxed) { self.writer.flush() } else { Ok(()) }
    }
}
