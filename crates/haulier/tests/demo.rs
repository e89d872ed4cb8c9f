//! The demo ends well: with drivers of its own, with a folder of the administrator's, with real drivers.

use std::path::{Path, PathBuf};

use processes::succeed;
use serde_json::Value;

mod processes;

fn check(printed: &str) {
    let report: Value = serde_json::from_str(printed).expect("the demo prints JSON");
    assert_eq!(report["failures"], Value::Array(Vec::new()));
    let rows = report["rows"].as_array().expect("rows");
    assert_eq!(rows.len(), 6, "three distribution points, two versions");
    let at_child = rows.iter().filter(|row| row["site"] == "S01").count();
    assert_eq!(at_child, 2, "the child site's distribution point among them");
    for row in rows {
        assert!(row["files_compared"].as_u64() > Some(0), "{row}");
        assert_eq!(row["bytes_compared"], row["bytes_total"], "{row}");
    }
}

#[tokio::test]
async fn with_generated_drivers() {
    check(&succeed(&["demo", "--json"]).await);
}

#[tokio::test]
async fn with_a_folder_of_drivers() {
    let folder = tempfile::tempdir().unwrap();
    let spec = samples::PackSpec { seed: 3, drivers: 6, large_files: 0, large_file_bytes: 0 };
    samples::write_pack(&folder.path().join("drivers"), &spec).unwrap();
    let drivers = folder.path().join("drivers");
    check(&succeed(&["demo", "--json", "--drivers", drivers.to_str().unwrap()]).await);
}

#[tokio::test]
async fn corpus_with_real_signed_drivers() {
    let Some(corpus) = corpus() else {
        eprintln!("NOT RUN: corpus_with_real_signed_drivers: no driver corpus");
        return;
    };
    check(&succeed(&["demo", "--json", "--drivers", corpus.join("packages").to_str().unwrap()]).await);
}

/// The corpus of real drivers, where this machine has one.
fn corpus() -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpus");
    let folder = std::env::var_os("HAULIER_CORPUS").map_or(beside, PathBuf::from);
    folder.is_dir().then_some(folder)
}
