//! The package's source as a whole: a new one, a first one, looked at again.

use super::*;
use crate::package_content::COMPARISONS_MAX;
use crate::stage::code;
use crate::{
    Actor, FOLDER_IN_USE, FOLDER_NOT_ACCESSIBLE, FOLDER_NOT_EMPTY, FOLDER_NOT_UNC, PackageChange, Role,
};

on_both! {
    async fn a_source_moves_once_its_files_were_found_there(stage: &Stage) {
        let one = driver(stage, "one").await;
        let package = empty_package(stage, "pkg").await;
        let (site, id) = (&stage.site, package.package_id.as_str());
        let path = r"\\srv\src\moved";
        assert_eq!(code(site.validate_new_package_source(&admin(), id, path).await), "source_unusable");
        stage.source("moved", &[("more.txt", "more")]);
        assert_eq!(code(site.validate_new_package_source(&admin(), id, path).await), "conflict");
        add(stage, &package, &[&one], true).await;
        publish(stage, &package).await;
        let differs = site.validate_new_package_source(&admin(), id, path).await.unwrap_err();
        assert_eq!(differs.code(), "source_differs");
        assert!(differs.to_string().contains("is missing"), "{differs}");
        let put = |path: &str| PackageChange { stored_pkg_path: Some(path.to_owned()), ..PackageChange::default() };
        // Not validated: a path of its own, the source stays.
        let kept = site.update_package(&admin(), id, put(r"\\srv\src\other")).await.unwrap();
        assert_eq!(kept.fields.pkg_source_path, r"\\srv\src\pkg");
        let (from, to) = (stage.source("pkg", &[]), stage.source("moved", &[]));
        for file in tree(&from).iter().filter(|path| from.join(path).is_file()) {
            write(&to.join(file), &std::fs::read_to_string(from.join(file)).unwrap());
        }
        let sys = to.join(format!("{}/one.sys", copied(&one, "one")[0]));
        write(&sys, "code of ONE");
        let differs = site.validate_new_package_source(&admin(), id, path).await.unwrap_err();
        assert!(differs.to_string().contains("has other bytes"), "{differs}");
        write(&sys, "code of one");
        site.validate_new_package_source(&admin(), id, path).await.unwrap();
        let moved = site.update_package(&admin(), id, put(path)).await.unwrap();
        assert_eq!((moved.fields.pkg_source_path.as_str(), moved.refresh_pending), (path, true));
        assert!(site.is_content_valid(id, one.content_id).await.unwrap());
        assert_eq!(publish(stage, &package).await.stored_version, 2);
    }

    async fn few_folders_are_compared_at_once(stage: &Stage) {
        let one = driver(stage, "one").await;
        let package = empty_package(stage, "pkg").await;
        add(stage, &package, &[&one], true).await;
        publish(stage, &package).await;
        let (site, id) = (&stage.site, package.package_id.as_str());
        let all = site.comparisons().try_acquire_many(COMPARISONS_MAX as u32).unwrap();
        assert_eq!(code(site.is_content_valid(id, one.content_id).await), "busy");
        assert_eq!(code(site.validate_new_package_source(&admin(), id, r"\\srv\src\pkg").await), "busy");
        drop(all);
        assert!(site.is_content_valid(id, one.content_id).await.unwrap());
        site.validate_new_package_source(&admin(), id, r"\\srv\src\pkg").await.unwrap();
    }

    async fn a_folder_is_checked_before_it_becomes_a_source(stage: &Stage) {
        let package = empty_package(stage, "pkg").await;
        for name in ["free", "full/inner"] {
            stage.source(name, &[]);
        }
        let free = stage.source("free", &[]);
        for (path, expect) in [
            (r"\\srv\src\free", 0),
            (r"\\SRV\SRC\Free", 0),
            (r"\\srv\src\full", FOLDER_NOT_EMPTY),
            (r"\\srv\src\none", FOLDER_NOT_ACCESSIBLE),
            (r"\\other\share\x", FOLDER_NOT_ACCESSIBLE),
            (r"\\srv\src\PKG", FOLDER_IN_USE),
            (r"\\srv\src", FOLDER_IN_USE | FOLDER_NOT_EMPTY),
            (free.to_str().unwrap(), FOLDER_NOT_UNC),
            (stage.source("full", &[]).to_str().unwrap(), FOLDER_NOT_UNC | FOLDER_NOT_EMPTY),
            (stage.source("pkg", &[]).to_str().unwrap(), FOLDER_NOT_UNC | FOLDER_IN_USE),
            ("relative", FOLDER_NOT_UNC),
        ] {
            assert_eq!(stage.site.check_source_folder(&admin(), path).await.unwrap(), expect, "{path}");
        }
        assert_eq!(tree(&free), [""; 0]);
        let reader = Actor { name: "r".to_owned(), role: Role::Reader };
        assert_eq!(code(stage.site.check_source_folder(&reader, r"\\srv\src\free").await), "access_denied");
        stage.site.delete_package(&admin(), &package.package_id).await.unwrap();
        assert_eq!(stage.site.check_source_folder(&admin(), r"\\srv\src\pkg").await.unwrap(), 0);
    }

    async fn a_change_notification_makes_retries_due_and_tells_again(stage: &Stage) {
        let package = stage.package("dell").await;
        let point = stage.point("dp1").await;
        stage.assign(&package, &[&point]).await;
        let id = package.package_id.as_str();
        let told = stage.site.desired(point.id, 0).await.unwrap();
        // A refresh fails and waits for its next attempt.
        std::fs::remove_dir_all(stage.source("dell", &[])).unwrap();
        stage.site.refresh_package(&admin(), id).await.unwrap();
        stage.site.run_due_snapshots().await.unwrap();
        stage.source("dell", &[("driver.inf", "new")]);
        assert_eq!(stage.site.run_due_snapshots().await.unwrap(), 0);
        stage.site.add_change_notification(&admin(), id).await.unwrap();
        let again = stage.site.desired(point.id, told.revision).await.unwrap();
        assert_eq!(again.packages.len(), 1);
        assert_eq!(again.packages[0].generation, told.packages[0].generation, "no new demand");
        assert_eq!(stage.site.run_due_snapshots().await.unwrap(), 1);
        assert_eq!(stage.site.package(id).await.unwrap().stored_version, 2);
        // Without anything to do it makes no version.
        stage.site.add_change_notification(&admin(), id).await.unwrap();
        assert_eq!(stage.site.run_due_snapshots().await.unwrap(), 0);
        let reader = Actor { name: "r".to_owned(), role: Role::Reader };
        assert_eq!(code(stage.site.add_change_notification(&reader, id).await), "access_denied");
        assert_eq!(code(stage.site.add_change_notification(&admin(), "PS1FFFFF").await), "package_not_found");
    }
}
