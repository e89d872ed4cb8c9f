//! A source with very many small files, for what costs time by the file and not by the byte.

use std::fs;
use std::io;
use std::path::Path;

use crate::image::message;
use crate::rng::Rng;
use crate::tree::{TreeStats, measure};

const FILES_PER_FOLDER: usize = 100;

/// Writes so many text files of about 600 bytes in folders of a hundred; always the same ones.
///
/// # Errors
/// What the file system says.
pub fn write_many_small(root: &Path, files: usize) -> io::Result<TreeStats> {
    let mut rng = Rng::new(files as u64);
    fs::create_dir_all(root)?;
    for number in 0..files {
        let folder = root.join(format!("part {:04}", number / FILES_PER_FOLDER));
        if number % FILES_PER_FOLDER == 0 {
            fs::create_dir_all(&folder)?;
        }
        let text: String = (0..20).map(|_| format!("{}\r\n", message(&mut rng))).collect();
        fs::write(folder.join(format!("setting {number:06}.ini")), text)?;
    }
    measure(root)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_true() {
        let dir = tempfile::tempdir().unwrap();
        let stats = write_many_small(dir.path(), 250).unwrap();
        assert_eq!((stats.files, stats.folders), (250, 3));
        assert!(stats.bytes > 250 * 300);
    }
}
