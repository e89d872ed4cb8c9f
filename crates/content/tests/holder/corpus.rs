//! Real drivers with several versions, where the corpus is at hand.

use std::path::PathBuf;

use crate::site::{Site, assert_served, open, tree};

fn corpus(test: &str) -> Option<PathBuf> {
    let default = || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpus");
    let path = std::env::var_os("HAULIER_CORPUS").map_or_else(default, PathBuf::from).join("packages");
    if path.is_dir() {
        return Some(path);
    }
    eprintln!("NOT RUN: {test}: no driver corpus");
    None
}

#[test]
fn corpus_every_driver_moves_through_its_versions() {
    let Some(packages) = corpus("corpus_every_driver_moves_through_its_versions") else { return };
    let mut updates = 0;
    for package in
        std::fs::read_dir(packages).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_dir())
    {
        let mut versions: Vec<PathBuf> =
            std::fs::read_dir(&package).unwrap().map(|entry| entry.unwrap().path()).collect();
        versions.sort();
        let (mut site, dir) = (Site::new(), tempfile::tempdir().unwrap());
        let holder = open(dir.path());
        for (number, folder) in (1..).zip(&versions) {
            let id = site.publish_folder(folder);
            let moved = site.install(&holder, number, id).unwrap();
            let expect = tree(folder);
            assert_served(&holder, None, &expect);
            if number > 1 {
                let total: usize = expect.values().map(Vec::len).sum();
                assert!(moved.bytes < total as u64, "{}: {} of {total} bytes", folder.display(), moved.bytes);
                updates += 1;
            }
        }
    }
    assert!(updates > 0, "the corpus has drivers with several versions");
}
