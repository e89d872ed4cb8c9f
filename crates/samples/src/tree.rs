//! A whole pack on disk.

use std::fs;
use std::io;
use std::path::Path;

use crate::folder::{self, Files, SHARED_MARK};
use crate::large;
use crate::names::Identity;
use crate::rng::Rng;

/// What a pack shall hold. The same specification always gives the same bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PackSpec {
    /// Names the pack.
    pub seed: u64,
    /// Driver folders, each of about 0.7 MB on average.
    pub drivers: usize,
    /// Large files beside the drivers.
    pub large_files: usize,
    /// Size of each large file.
    pub large_file_bytes: usize,
}

impl Default for PackSpec {
    /// Twelve drivers, nothing large: about 10 MB.
    fn default() -> PackSpec {
        PackSpec { seed: 1, drivers: 12, large_files: 0, large_file_bytes: 0 }
    }
}

/// What a tree holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TreeStats {
    /// Regular files.
    pub files: u64,
    /// Folders below the root.
    pub folders: u64,
    /// Sum of the files' sizes.
    pub bytes: u64,
}

/// Writes a pack below `root`, which is created. Besides the drivers there is always a folder with what breaks naive
/// copies: an empty folder, an empty file, identical copies, names with blanks and beyond ASCII, a deep path.
///
/// # Errors
/// What the file system says.
pub fn write_pack(root: &Path, spec: &PackSpec) -> io::Result<TreeStats> {
    let rng = Rng::new(spec.seed);
    write_oddities(root, &rng)?;
    let shared = folder::image_file(&mut rng.fork("shared"), "CoInst.dll", [1, 9, 0, 0], 250_000);
    let mut previous: Option<(Identity, Files)> = None;
    for number in 0..spec.drivers {
        let mut rng = rng.fork(&format!("driver {number}"));
        let identity = Identity::new(&mut rng, number);
        let files = match &previous {
            // One driver in ten is its neighbor under another name.
            Some((original, files)) if number % 10 == 5 => folder::twin(files, original, &identity, &mut rng),
            _ => new_driver(&mut rng, &identity, &shared),
        };
        write_files(&root.join(identity.folder()), &files)?;
        previous = Some((identity, files));
    }
    for number in 0..spec.large_files {
        let folder = root.join("Large Images");
        fs::create_dir_all(&folder)?;
        let mut rng = rng.fork(&format!("large {number}"));
        large::write(&folder.join(format!("image{number:02}.img")), &mut rng, spec.large_file_bytes)?;
    }
    measure(root)
}

/// Writes one more driver and gives its number of files.
pub(crate) fn add_driver(root: &Path, rng: &mut Rng) -> io::Result<u64> {
    let number = rng.between(1000, 9999);
    let identity = Identity::new(rng, number);
    let files = folder::new(rng, &identity);
    write_files(&root.join(identity.folder()), &files)?;
    Ok(files.len() as u64)
}

/// Counts what lies below `root`.
pub(crate) fn measure(root: &Path) -> io::Result<TreeStats> {
    let mut stats = TreeStats::default();
    for entry in fs::read_dir(root)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            let below = measure(&entry.path())?;
            stats.files += below.files;
            stats.folders += below.folders + 1;
            stats.bytes += below.bytes;
        } else {
            stats.files += 1;
            stats.bytes += entry.metadata()?.len();
        }
    }
    Ok(stats)
}

fn new_driver(rng: &mut Rng, identity: &Identity, shared: &[u8]) -> Files {
    let mut files = folder::new(rng, identity);
    if rng.chance(0.15) {
        files.insert(format!("{SHARED_MARK}{}.dll", identity.stem), shared.to_vec());
    }
    files
}

pub(crate) fn write_files(folder: &Path, files: &Files) -> io::Result<()> {
    for (name, content) in files {
        let path = folder.join(name);
        fs::create_dir_all(path.parent().unwrap_or(folder))?;
        fs::write(path, content)?;
    }
    Ok(())
}

fn write_oddities(root: &Path, rng: &Rng) -> io::Result<()> {
    let tools = root.join("Tools & Übersicht");
    let deep = tools.join("Setup Files/Lang/en-US/Online Help/Pictures");
    fs::create_dir_all(tools.join("Empty folder"))?;
    fs::create_dir_all(&deep)?;
    fs::write(tools.join("Nothing.txt"), b"")?;
    fs::write(tools.join("Léame – 最初に.txt"), "Sample pack\r\n".repeat(40))?;
    let picture = rng.fork("picture").bytes(9_000);
    for name in ["Start Here.ico", "START HERE (2).ICO"] {
        fs::write(deep.join(name), &picture)?;
    }
    Ok(())
}
