//! Which format the bytes are, by their content: names lie, and vendors' downloads change their extension.

use std::fmt;
use std::io::{self, Read, Seek, SeekFrom};

use super::ArchiveError;

/// A format that is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ArchiveFormat {
    /// A cabinet, `.cab`.
    Cabinet,
    /// `.zip`.
    Zip,
}

/// A format that is recognized, but not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ForeignFormat {
    /// A program: vendors ship packs as self-extracting archives.
    Program,
    /// A Windows Installer package, `.msi`; Surface packs are.
    Installer,
    /// `.7z`
    SevenZip,
    /// A disk image in the Windows imaging format, `.wim`.
    Wim,
    /// `.rar`
    Rar,
}

impl ForeignFormat {
    /// What to do with such a file.
    #[must_use]
    pub fn advice(self) -> &'static str {
        match self {
            Self::Program => {
                "extract it with its own switches (for example /s /e=FOLDER) and give the folder"
            }
            Self::Installer => {
                "extract it with `msiexec /a FILE /qn TARGETDIR=FOLDER` or 7-Zip and give the folder"
            }
            Self::SevenZip | Self::Rar => "extract it and give the folder",
            Self::Wim => "apply or mount it and give the folder",
        }
    }
}

impl fmt::Display for ForeignFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Program => "a program (a self-extracting archive?)",
            Self::Installer => "a Windows Installer package",
            Self::SevenZip => "a 7z archive",
            Self::Wim => "a WIM image",
            Self::Rar => "a RAR archive",
        })
    }
}

/// Reads the first bytes and names the format.
pub(super) fn recognize(reader: &mut (impl Read + Seek)) -> Result<ArchiveFormat, ArchiveError> {
    let mut head = Vec::with_capacity(HEAD_BYTES);
    reader
        .seek(SeekFrom::Start(0))
        .and_then(|_| reader.take(HEAD_BYTES as u64).read_to_end(&mut head))
        .map_err(ArchiveError::Unreadable)?;
    classify(&head)
}

const HEAD_BYTES: usize = 8;

fn classify(head: &[u8]) -> Result<ArchiveFormat, ArchiveError> {
    let foreign = |format| Err(ArchiveError::Foreign(format));
    match head {
        [b'M', b'S', b'C', b'F', ..] => Ok(ArchiveFormat::Cabinet),
        // A local header, or the end record of an archive without entries.
        [b'P', b'K', 3, 4, ..] | [b'P', b'K', 5, 6, ..] => Ok(ArchiveFormat::Zip),
        // The marks of archives that are split over several files.
        [b'P', b'K', 7, 8, ..] | [b'P', b'K', b'0', b'0', ..] => Err(ArchiveError::MultiPart),
        [b'M', b'Z', ..] => foreign(ForeignFormat::Program),
        [0xD0, 0xCF, 0x11, 0xE0, 0xA1, 0xB1, 0x1A, 0xE1] => foreign(ForeignFormat::Installer),
        [b'7', b'z', 0xBC, 0xAF, 0x27, 0x1C, ..] => foreign(ForeignFormat::SevenZip),
        [b'M', b'S', b'W', b'I', b'M', 0, 0, 0] => foreign(ForeignFormat::Wim),
        [b'R', b'a', b'r', b'!', 0x1A, 7, ..] => foreign(ForeignFormat::Rar),
        _ => Err(ArchiveError::Unknown),
    }
}

/// Whether `bytes` begin as a cabinet does.
pub(crate) fn is_cabinet(bytes: &[u8]) -> bool {
    matches!(recognize(&mut io::Cursor::new(bytes)), Ok(ArchiveFormat::Cabinet))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(head: &[u8], expect: &str) {
        let got = match recognize(&mut io::Cursor::new(head)) {
            Ok(format) => format!("{format:?}"),
            Err(error) => error.code().to_owned() + " " + &error.to_string(),
        };
        assert!(got.contains(expect), "{head:?}: {got}");
    }

    #[test]
    fn the_content_names_the_format_and_the_error_says_what_to_do() {
        check(b"MSCF\0\0\0\0\x10", "Cabinet");
        check(b"PK\x03\x04", "Zip");
        check(b"PK\x05\x06\0\0\0\0", "Zip");
        check(b"PK\x07\x08PK\x03\x04", "archive_multi_part");
        check(b"MZ\x90\0\x03", "archive_foreign the file is a program");
        check(b"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1\0", "msiexec /a");
        check(b"7z\xBC\xAF\x27\x1C\0\x04", "extract it and give the folder");
        check(b"MSWIM\0\0\0\xD0", "apply or mount it");
        check(b"Rar!\x1A\x07\x01\0", "RAR");
        check(b"", "archive_unknown");
        check(b"MSC", "archive_unknown");
        check(b"; an INF", "archive_unknown");
    }
}
