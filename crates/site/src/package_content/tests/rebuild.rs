//! Rebuilding.

use super::*;
use crate::stage::code;
use crate::{RestoredFrom, StatusFilter};

on_both! {
    async fn what_is_damaged_is_restored_from_where_it_is_good(stage: &Stage) {
        let (one, two) = (driver(stage, "one").await, driver(stage, "two").await);
        let package = empty_package(stage, "pkg").await;
        let id = package.package_id.as_str();
        add(stage, &package, &[&one, &two], true).await;
        publish(stage, &package).await;
        let root = stage.source("pkg", &[]);
        let whole = tree(&root);
        // Nothing to do, nothing to refresh.
        assert_eq!(stage.site.rebuild_package(&admin(), id, None).await.unwrap(), []);
        assert!(!stage.site.package(id).await.unwrap().refresh_pending);
        // One damaged, its driver's folder good; one gone, its driver's folder gone too.
        let folder = |driver, name: &str| root.join(&copied(driver, name)[0]);
        write(&folder(&one, "one").join("one.sys"), "damaged");
        write(&folder(&one, "one").join("more.txt"), "more");
        std::fs::remove_dir_all(folder(&two, "two")).unwrap();
        std::fs::remove_dir_all(stage.source("drivers/two", &[])).unwrap();
        let rebuilt = stage.site.rebuild_package(&admin(), id, None).await.unwrap();
        let from: Vec<_> = rebuilt.into_iter().map(|content| content.from).collect();
        let own = RestoredFrom::Folder(r"\\srv\src\drivers\one".to_owned());
        assert_eq!(from, [own, RestoredFrom::StoredVersion(1)]);
        assert_eq!(tree(&root), whole);
        for driver in [&one, &two] {
            assert!(stage.site.is_content_valid(id, driver.content_id).await.unwrap());
        }
        let messages = stage.site.status_messages(&StatusFilter::default()).await.unwrap();
        let texts: Vec<&str> = messages.iter().filter(|m| m.message_id == 39023).map(|m| m.text.as_str()).collect();
        assert!(texts.iter().any(|text| text.contains("version 1 in the content library")), "{texts:?}");
        assert!(stage.site.package(id).await.unwrap().refresh_pending);
        assert_eq!(publish(stage, &package).await.stored_version, 2);
    }

    async fn a_given_folder_comes_first(stage: &Stage) {
        let one = driver(stage, "one").await;
        let package = empty_package(stage, "pkg").await;
        let id = package.package_id.as_str();
        add(stage, &package, &[&one], false).await;
        let name = copied(&one, "one")[0].clone();
        let damage = || write(&stage.source("pkg", &[]).join(&name).join("one.sys"), "damaged");
        write_driver(stage, &format!("backup/{name}"), "one", r"PCI\VEN_8086&DEV_one");
        write_driver(stage, "plain", "one", r"PCI\VEN_8086&DEV_one");
        for (given, expect) in [
            (r"\\srv\src\backup", format!(r"\\srv\src\backup\{name}")),
            (r"\\srv\src\plain", r"\\srv\src\plain".to_owned()),
            (r"\\srv\src\drivers", r"\\srv\src\drivers\one".to_owned()),
            (r"\\srv\src\none", r"\\srv\src\drivers\one".to_owned()),
        ] {
            damage();
            let rebuilt = stage.site.rebuild_package(&admin(), id, Some(given)).await.unwrap();
            assert_eq!(rebuilt[0].from, RestoredFrom::Folder(expect), "{given}");
        }
        // No version is stored, the driver's folder is another: lost, and said so, and nothing else is changed.
        damage();
        write(&stage.source("drivers/one", &[]).join("one.sys"), "other");
        let before = tree(&stage.source("pkg", &[]));
        let lost = stage.site.rebuild_package(&admin(), id, None).await.unwrap_err();
        assert_eq!(lost.code(), "content_lost");
        assert!(lost.to_string().contains(r"\\srv\src\drivers\one"), "{lost}");
        assert_eq!(tree(&stage.source("pkg", &[])), before);
        assert_eq!(code(stage.site.rebuild_package(&admin(), "PS1FFFFF", None).await), "package_not_found");
    }
}
