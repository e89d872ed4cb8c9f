//! The prestaged file of each format version ever released, kept beside this test.
//!
//! When a test here fails, the format has changed: give the new one a new version, and keep the old sample.

use std::fs;
use std::path::{Path, PathBuf};

use content::prestage::{Label, Prestaged, StoreReader};
use content::{LocalStore, ManifestId, VoidMonitor};

use crate::scene::Child;
use crate::support::restore;

/// The second version of the library sample of `tests/golden.rs`.
const MANIFEST: &str = "4d9d8b98edf22a9573583f210178397873519ab746cd7783ae5d39f7056af3ed";

/// Every format version that was ever released.
const VERSIONS: &[u32] = &[1];

fn kept(version: u32) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/prestaged/v{version}.hcp"))
}

#[test]
fn files_of_every_version_can_be_taken_in() {
    for version in VERSIONS {
        let file = fs::File::open(kept(*version)).unwrap();
        let mut prestaged = Prestaged::open(file, &VoidMonitor).unwrap();
        let id = prestaged.label().manifest;
        assert_eq!(id.to_string(), MANIFEST, "v{version}");
        assert_eq!((prestaged.label().version, prestaged.label().name.as_str()), (2, "Sample – ü"));
        let child = Child::new();
        child.library.import(&mut prestaged, &VoidMonitor).unwrap();
        let files = restore(&child.library, id).unwrap();
        assert_eq!(files.keys().collect::<Vec<_>>(), ["Sample.inf", "x64/sample.sys"]);
    }
}

#[test]
fn the_newest_version_is_written_as_it_was() {
    let store = LocalStore::open_to_read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/v1"));
    let id: ManifestId = MANIFEST.parse().unwrap();
    let reader = StoreReader::open(&store, id, &VoidMonitor).unwrap();
    let label = Label {
        package_id: "PS100001".to_owned(),
        name: "Sample – ü".to_owned(),
        version: 2,
        manifest: id,
        content_hash: reader.root().content_hash,
        source_site: "PS1".to_owned(),
        ownership_epoch: 300,
        signature: "a signature is text".to_owned(),
    };
    let mut file = Vec::new();
    reader.export(&label, &mut file, &VoidMonitor).unwrap();
    if std::env::var_os("HAULIER_WRITE_GOLDEN").is_some() {
        fs::write(kept(1), &file).unwrap();
    }
    assert!(fs::read(kept(1)).unwrap() == file);
}
