//! The one file of a cabinet that is wanted, in memory.

use super::{ArchiveError, Sink};
use crate::archive::Limits;

/// Keeps the first file whose name ends with a suffix.
pub(in crate::archive) struct OneFile {
    suffix: String,
    bytes_max: u64,
    limits: Limits,
    content: Option<Vec<u8>>,
    skipped: u64,
}

impl OneFile {
    pub(in crate::archive) fn new(suffix: &str, bytes_max: u64) -> Self {
        let suffix = suffix.to_ascii_lowercase();
        Self { suffix, bytes_max, limits: Limits::default(), content: None, skipped: 0 }
    }

    pub(in crate::archive) fn into_content(self) -> Option<Vec<u8>> {
        self.content
    }

    fn too_long(&self) -> ArchiveError {
        ArchiveError::Limit { what: "bytes in one file", limit: self.bytes_max }
    }
}

impl Sink for OneFile {
    fn file(&mut self, name: &str) -> Result<bool, ArchiveError> {
        let wanted = self.content.is_none() && name.to_ascii_lowercase().ends_with(&self.suffix);
        if wanted {
            self.content = Some(Vec::new());
        }
        Ok(wanted)
    }

    fn data(&mut self, data: &[u8]) -> Result<(), ArchiveError> {
        let content = self.content.as_mut().expect("data follows a wanted file");
        content.extend_from_slice(data);
        if content.len() as u64 > self.bytes_max { Err(self.too_long()) } else { Ok(()) }
    }

    fn end(&mut self) -> Result<(), ArchiveError> {
        Ok(())
    }

    fn folder(&mut self, _: &str) -> Result<(), ArchiveError> {
        Ok(())
    }

    fn skipped(&mut self, bytes: u64) -> Result<(), ArchiveError> {
        self.skipped += bytes;
        if self.skipped > self.bytes_max { Err(self.too_long()) } else { Ok(()) }
    }

    fn declared(&mut self, _: u64, _: u64) -> Result<(), ArchiveError> {
        Ok(())
    }

    fn limits(&self) -> &Limits {
        &self.limits
    }
}
