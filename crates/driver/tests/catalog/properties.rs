//! What is written into a catalog comes back, whatever it is; and any bytes can be tried.

use driver::catalog::{Catalog, MemberHash};
use driver::digest::{self, Wanted};
use proptest::prelude::*;
use samples::catalog::Catalog as Sample;

proptest! {
    #[test]
    fn what_is_written_comes_back(
        version in 1..3_u8,
        files in proptest::collection::btree_map("[a-zäß ]{1,20}\\.[a-z]{3}", any::<[u8; 12]>(), 0..20),
        ids in proptest::collection::vec("[!-~ß]{1,60}", 0..40),
        os in "[ -~漢\u{1F600}]{0,80}",
    ) {
        let mut sample = Sample::new(version).attribute("OS", &os);
        for (name, content) in &files {
            sample = sample.file(name, content);
        }
        for id in &ids {
            sample = sample.hardware_id(id);
        }
        let catalog = Catalog::parse(&sample.build()).unwrap();
        prop_assert_eq!(catalog.members().len(), files.len() * usize::from(version));
        for (number, (name, content)) in files.iter().enumerate() {
            let member = &catalog.members()[number * usize::from(version)];
            let digests = digest::read(content.as_slice(), Wanted::ALL).unwrap();
            let lower = name.to_lowercase();
            prop_assert_eq!(member.file(), Some(lower.as_str()));
            prop_assert_eq!(member.hash, MemberHash::Sha1(digests.sha1.unwrap()));
            prop_assert!(catalog.lists(&digests));
        }
        let found: Vec<&str> = catalog.attributes().iter().map(|attribute| attribute.value.as_str()).collect();
        let expect: Vec<String> = ids.iter().rev().map(|id| id.to_lowercase()).chain([os]).collect();
        prop_assert_eq!(found, expect);
    }

    #[test]
    fn any_bytes_can_be_tried(bytes in proptest::collection::vec(any::<u8>(), 0..300), cut in 0..1000_usize) {
        let good = Sample::new(2).file("a.inf", &bytes).build();
        prop_assert!(Catalog::parse(&bytes).is_err());
        prop_assert!(Catalog::parse(&good[..cut.min(good.len() - 1)]).is_err());
        let mut spliced = good.clone();
        let at = cut.min(good.len());
        spliced.splice(at..at, bytes.iter().copied());
        if let Ok(catalog) = Catalog::parse(&spliced) {
            prop_assert!(catalog.members().len() <= 2);
        }
    }
}
