//! Speed, guarded by counts.

use crate::site::{Site, assert_served, open, tree};

#[test]
fn an_update_of_one_file_among_two_thousand_takes_few_requests_and_one_sync() {
    let (mut site, dir) = (Site::new(), tempfile::tempdir().unwrap());
    let holder = open(dir.path());
    samples::write_many_small(&site.source, 2000).unwrap();
    let first = site.publish();
    let syncs = holder.syncs();
    let moved = site.install(&holder, 1, first).unwrap();
    let pack_bytes = site.library.stats().unwrap().pack_bytes;
    // As few as the largest range allows, and a manifest's worth more.
    let ideal = pack_bytes.div_ceil(content::holder::RANGE_BYTES_MAX) as usize;
    assert!(moved.ranges <= ideal + 6, "{} ranges where {ideal} would carry all", moved.ranges);
    assert_eq!(holder.syncs() - syncs, 1, "thousands of files, one sync");

    let name = tree(&site.source).into_keys().nth(1000).unwrap();
    site.write(&name, b"changed");
    let second = site.publish();
    let moved = site.install(&holder, 2, second).unwrap();
    assert_eq!(moved.ranges - moved.manifest_ranges, 1, "one changed file");
    assert!(moved.manifest_ranges <= 2, "{} ranges for the manifest", moved.manifest_ranges);
    assert!(moved.bytes < 20_000, "{} bytes for one small file", moved.bytes);
    assert_eq!(holder.syncs() - syncs, 2);
    assert_eq!(moved.installed.unwrap().files_verified, 1, "files that are held are not hashed again");
    assert_served(&holder, None, &tree(&site.source));
}
