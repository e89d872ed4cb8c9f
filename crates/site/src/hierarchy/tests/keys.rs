//! A site's signing key is replaced: with the old one at hand everybody follows, without it administrators say so.

use std::fs;

use agent::Goal;
use agent::trust::VersionSignature;

use super::{Plan, Tree, hierarchies};
use crate::stage::{Point, admin, code};
use crate::{Neighbor, Site};

/// The links are known before anything is told; the keys come by joining.
const LINE: Plan = &[("CAS", None), ("PS1", Some("CAS")), ("S01", Some("PS1"))];
const KEY: &str = "signing-key.p8";
const NEXT: &str = "signing-key.p8.next";

async fn rotate(tree: &Tree, at: &str, lost: bool) -> String {
    let stage = tree.stage(at);
    let clock: clock::SharedClock = stage.clock.clone();
    Site::rotate_signing_key(&stage.options, lost, &clock).await.unwrap()
}

/// The signature under what the distribution point is told to hold.
async fn told(tree: &Tree, at: &str, point: &Point, package_id: &str) -> (String, VersionSignature) {
    match tree.told(at, point, package_id).await.unwrap().goal {
        Goal::Hold { manifest, signature: Some(signature), .. } => (manifest, signature),
        goal => panic!("{goal:?}"),
    }
}

async fn believes(tree: &Tree, at: &str, package_id: &str, told: &(String, VersionSignature)) -> bool {
    tree.site(at).check_version(package_id, 1, &told.0, Some(&told.1)).await.unwrap().is_ok()
}

hierarchies! {
    async fn a_key_is_followed_by_the_one_that_it_vouches_for(tree: &Tree, LINE) {
        // Each of them gets a key of its own first: all were made from one template.
        let mut keys = Vec::new();
        for at in tree.codes() {
            keys.push(rotate(tree, at, true).await);
        }
        for (at, of, key) in [("CAS", "PS1", &keys[1]), ("PS1", "CAS", &keys[0]), ("PS1", "S01", &keys[2]), ("S01", "PS1", &keys[1])] {
            tree.site(at).believe_key(&admin(), of, key).await.unwrap();
        }
        let point = tree.point("S01", "dp1").await;
        let package = tree.stage("CAS").package("dell").await;
        let id = &package.package_id;
        // The package was signed by a process that had the key from before.
        keys[0] = rotate(tree, "CAS", true).await;
        tree.site("PS1").believe_key(&admin(), "CAS", &keys[0]).await.unwrap();
        tree.settle().await;
        tree.assign("CAS", id, &[&point]).await;
        tree.settle_all().await;
        let before = told(tree, "S01", &point, id).await;
        assert!(before.1.key == keys[0] && believes(tree, "PS1", id, &before).await);
        assert!(!believes(tree, "S01", id, &before).await, "nobody vouched for it yet");
        tree.site("S01").believe_key(&admin(), "CAS", &keys[0]).await.unwrap();
        assert!(believes(tree, "S01", id, &before).await);

        // The old key is there and vouches for the new one.
        let next = rotate(tree, "CAS", false).await;
        tree.settle().await;
        let after = told(tree, "S01", &point, id).await;
        assert_eq!((after.1.key.as_str(), &after.0), (next.as_str(), &before.0), "the same bytes, signed anew");
        for at in ["S01", "PS1"] {
            assert!(believes(tree, at, id, &after).await, "{at} follows");
            assert!(!believes(tree, at, id, &before).await, "{at} believes the old key no more");
        }

        // It is lost: nobody follows until an administrator says so.
        fs::remove_file(tree.stage("CAS").options.data_dir.join(KEY)).unwrap();
        let clock: clock::SharedClock = tree.stage("CAS").clock.clone();
        let refused = Site::rotate_signing_key(&tree.stage("CAS").options, false, &clock).await;
        assert_eq!(code(refused), "signing_key_missing");
        let new = rotate(tree, "CAS", true).await;
        tree.settle().await;
        let lost = told(tree, "S01", &point, id).await;
        assert!(lost.1.key == new && !believes(tree, "S01", id, &lost).await);
        let child = tree.site("S01");
        for (site_code, key, expect) in [("S01", new.as_str(), "site_not_found"), ("XYZ", &new, "site_not_found"), ("CAS", "ab", "invalid_field")] {
            assert_eq!(code(child.believe_key(&admin(), site_code, key).await), expect);
        }
        let operator = crate::Actor::new("eve", crate::Role::Operator);
        assert_eq!(code(child.believe_key(&operator, "CAS", &new).await), "access_denied");
        child.believe_key(&admin(), "cas", &new).await.unwrap();
        assert!(believes(tree, "S01", id, &lost).await);
        assert!(tree.site("CAS").neighbors().await.unwrap().contains(&Neighbor::Child("PS1".to_owned())));
    }

    async fn a_rotation_that_was_cut_short_is_brought_to_its_end(tree: &Tree, LINE) {
        let folder = &tree.stage("CAS").options.data_dir;
        let old = fs::read(folder.join(KEY)).unwrap();
        let key = rotate(tree, "CAS", false).await;
        // As if the process had died before the file was in its place.
        fs::rename(folder.join(KEY), folder.join(NEXT)).unwrap();
        fs::write(folder.join(KEY), old).unwrap();
        fs::set_permissions(folder.join(KEY), std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        let site = tree.stage("CAS").reopen().await;
        assert_eq!(site.keys().await.unwrap().keys[0].key, key);
        assert!(!folder.join(NEXT).exists());
        site.close().await;
        // And before the database named it: the old one goes on.
        fs::copy(folder.join(KEY), folder.join(NEXT)).unwrap();
        let site = tree.stage("CAS").reopen().await;
        assert_eq!(site.keys().await.unwrap().keys[0].key, key);
        site.close().await;
    }
}
