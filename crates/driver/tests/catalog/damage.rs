//! Catalogs, images and cabinets damaged in thousands of ways, the same ones in every run.

use driver::catalog::{Catalog, Trust};
use driver::digest::{self, Wanted};
use samples::Rng;
use samples::catalog::{Catalog as Sample, Signer, Stamp};

use crate::generated::{sample, trust};

/// One to four changes: bits, bytes, lengths, cuts, repeats.
fn damage(rng: &mut Rng, bytes: &[u8]) -> Vec<u8> {
    let mut out = bytes.to_vec();
    for _ in 0..rng.between(1, 4) {
        if out.is_empty() {
            break;
        }
        let at = rng.below(out.len());
        match rng.below(6) {
            0 => out[at] ^= 1 << rng.below(8),
            1 => out[at] = *rng.pick(&[0x00, 0x7F, 0x80, 0x81, 0x84, 0xFF, 0x30, 0x31, 0xA0]),
            2 => out.truncate(at),
            3 => out.insert(at, rng.next_u64() as u8),
            4 => {
                let end = (at + rng.between(1, 40)).min(out.len());
                out.drain(at..end);
            }
            _ => {
                let end = (at + rng.between(1, 40)).min(out.len());
                let part = out[at..end].to_vec();
                out.splice(at..at, part);
            }
        }
    }
    out
}

#[test]
fn damaged_catalogs_are_never_trusted_for_what_they_did_not_list() {
    let trust: Trust = trust("2026-06-01T00:00:00Z");
    let signed = |sample: Sample| sample.signed(Signer::HardwareLabs);
    let originals = [
        sample(1).build(),
        signed(sample(2)).build(),
        signed(sample(1)).stamped(Stamp::Countersignature).build(),
        signed(sample(2)).stamped(Stamp::Token).build(),
    ];
    let (mut rng, mut readable, mut broken, mut still_good) = (Rng::new(26), 0, 0, 0);
    for original in &originals {
        let whole = Catalog::parse(original).unwrap();
        for _ in 0..1500 {
            let Ok(catalog) = Catalog::parse(&damage(&mut rng, original)) else { continue };
            readable += 1;
            if catalog.verify(&trust).is_trusted() {
                still_good += 1;
                assert_eq!(catalog.members(), whole.members(), "what is trusted is what was signed");
                assert_eq!(catalog.attributes(), whole.attributes());
            } else {
                broken += 1;
            }
        }
    }
    // Some damage hits what is not signed; most makes the file unreadable.
    assert!(readable > 300 && broken > 100 && still_good > 10, "{readable}, {broken}, {still_good}");
}

#[test]
fn damaged_images_and_cabinets_still_have_hashes() {
    let folder = tempfile::tempdir().unwrap();
    let spec = samples::PackSpec { seed: 5, drivers: 6, large_files: 0, large_file_bytes: 0 };
    samples::write_pack(folder.path(), &spec).unwrap();
    let mut images = Vec::new();
    crate::generated::files_below(folder.path(), "sys", &mut images);
    let image = std::fs::read(images.iter().min().unwrap()).unwrap();
    let mut cabinet = b"MSCF".to_vec();
    cabinet.resize(120, 0);
    cabinet[30] = 4;
    cabinet[36] = 20;
    cabinet[44] = 100;
    let mut rng = Rng::new(27);
    let mut kinds = std::collections::BTreeMap::<String, usize>::new();
    // The headers are what decides; an image's first kilobytes are damaged, its rest stays.
    for original in [&image[..1024], &cabinet] {
        for _ in 0..3000 {
            let bytes = damage(&mut rng, original);
            let digests = digest::read(bytes.as_slice(), Wanted::ALL).unwrap();
            assert_eq!(digests.size_bytes, bytes.len() as u64);
            assert_eq!(digests.sha256, digest::read(bytes.as_slice(), Wanted::CONTENT).unwrap().sha256);
            assert_eq!(digests.image_sha256.is_some(), digests.image_sha1.is_some());
            *kinds.entry(format!("{:?}", digests.kind)).or_default() += 1;
        }
    }
    assert!(kinds.len() == 3 && kinds.values().all(|count| *count > 100), "{kinds:?}");
}
