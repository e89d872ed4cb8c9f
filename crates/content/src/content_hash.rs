//! The original's hash of a whole content tree, which its clients compute again after a download.

use std::collections::BTreeMap;

use crate::format::{Entry, Manifest};
use crate::ids::{FileHash, FileHasher};
use crate::path::fold;

#[derive(Default)]
struct Folder<'a> {
    // Keyed by lower-case UTF-16 name: the order in which siblings are hashed.
    folders: BTreeMap<Vec<u16>, Folder<'a>>,
    files: BTreeMap<Vec<u16>, &'a FileHash>,
}

/// See [`Manifest::content_hash`].
pub(crate) fn content_hash(manifest: &Manifest) -> FileHash {
    let mut root = Folder::default();
    for entry in &manifest.entries {
        let path = entry.path();
        let mut folder = &mut root;
        for part in path.parent().into_iter().flat_map(|parent| parent.split('/')) {
            folder = folder.folders.entry(key(part)).or_default();
        }
        match entry {
            Entry::Folder(path) => {
                folder.folders.entry(key(path.name())).or_default();
            }
            Entry::File(file) => {
                folder.files.insert(key(file.path.name()), &file.hash);
            }
        }
    }
    let mut hasher = FileHasher::new();
    hash_folder(&mut hasher, &root, &[]);
    hasher.finish()
}

fn key(name: &str) -> Vec<u16> {
    fold(name).encode_utf16().collect()
}

/// Depth is bounded by [`crate::path::DEPTH_MAX`].
fn hash_folder(hasher: &mut FileHasher, folder: &Folder<'_>, path: &[u16]) {
    let child = |name: &[u16]| {
        let mut child = path.to_vec();
        if !child.is_empty() {
            child.push(u16::from(b'\\'));
        }
        child.extend_from_slice(name);
        child
    };
    for name in folder.folders.keys().chain(folder.files.keys()) {
        update(hasher, &child(name));
    }
    for hash in folder.files.values() {
        let text: Vec<u16> = hash.to_string().to_uppercase().encode_utf16().collect();
        update(hasher, &text);
    }
    for (name, inner) in &folder.folders {
        hash_folder(hasher, inner, &child(name));
    }
}

fn update(hasher: &mut FileHasher, text: &[u16]) {
    let bytes: Vec<u8> = text.iter().flat_map(|unit| unit.to_le_bytes()).collect();
    hasher.update(&bytes);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::FileEntry;
    use crate::path::ContentPath;

    fn file(path: &str, content: &[u8]) -> Entry {
        Entry::File(FileEntry {
            path: ContentPath::new(path).unwrap(),
            size: content.len() as u64,
            modified: 0,
            hash: FileHash::of(content),
            chunks: Vec::new(),
        })
    }

    fn utf16(text: &str) -> Vec<u8> {
        text.encode_utf16().flat_map(u16::to_le_bytes).collect()
    }

    #[test]
    fn folders_then_files_then_hashes_then_each_folder() {
        let manifest = Manifest {
            entries: vec![
                file("B.inf", b"inf"),
                Entry::Folder(ContentPath::new("X64").unwrap()),
                file("X64/a.SYS", b"sys"),
                Entry::Folder(ContentPath::new("X64/Empty").unwrap()),
                file("a.cat", b"cat"),
            ],
        };
        let upper = |content: &[u8]| FileHash::of(content).to_string().to_uppercase();
        let stream = [
            "x64".to_owned(),
            "a.cat".to_owned(),
            "b.inf".to_owned(),
            upper(b"cat"),
            upper(b"inf"),
            "x64\\empty".to_owned(),
            "x64\\a.sys".to_owned(),
            upper(b"sys"),
        ];
        let expect = FileHash::of(&stream.iter().flat_map(|text| utf16(text)).collect::<Vec<_>>());
        assert_eq!(content_hash(&manifest), expect);
    }

    #[test]
    fn times_do_not_matter() {
        let mut manifest = Manifest { entries: vec![file("a", b"x")] };
        let before = content_hash(&manifest);
        let Entry::File(entry) = &mut manifest.entries[0] else { unreachable!() };
        entry.modified = 99;
        assert_eq!(content_hash(&manifest), before);
    }
}
