//! The package's source as a whole: a new one, a first one, looked at again.

use super::*;
use crate::package_content::COMPARISONS_MAX;
use crate::package_content::hold::Turn;
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

    async fn what_was_validated_before_a_change_moves_nothing(stage: &Stage) {
        let (one, two) = (driver(stage, "one").await, driver(stage, "two").await);
        let package = empty_package(stage, "pkg").await;
        let (site, id, path) = (&stage.site, package.package_id.as_str(), r"\\srv\src\moved");
        add(stage, &package, &[&one], true).await;
        publish(stage, &package).await;
        let (from, to) = (stage.source("pkg", &[]), stage.source("moved", &[]));
        let copy = || {
            for file in tree(&from).iter().filter(|path| from.join(path).is_file()) {
                write(&to.join(file), &std::fs::read_to_string(from.join(file)).unwrap());
            }
        };
        let put = || PackageChange { stored_pkg_path: Some(path.to_owned()), ..PackageChange::default() };
        copy();
        site.validate_new_package_source(&admin(), id, path).await.unwrap();
        add(stage, &package, &[&two], false).await;
        // The copy lacks what was added since, whether or not that is published.
        assert_eq!(code(site.update_package(&admin(), id, put()).await), "conflict", "validated before it was added");
        let differs = site.validate_new_package_source(&admin(), id, path).await.unwrap_err();
        assert_eq!(differs.code(), "source_differs");
        assert!(differs.to_string().contains(&copied(&two, "two")[0]), "{differs}");
        copy();
        site.validate_new_package_source(&admin(), id, path).await.unwrap();
        assert_eq!(code(site.update_package(&admin(), id, put()).await), "conflict", "not published yet");
        site.refresh_package(&admin(), id).await.unwrap();
        publish(stage, &package).await;
        assert_eq!(code(site.update_package(&admin(), id, put()).await), "conflict", "another version");
        assert_eq!(site.package(id).await.unwrap().fields.pkg_source_path, r"\\srv\src\pkg");
        site.validate_new_package_source(&admin(), id, path).await.unwrap();
        // A version with the same files changes nothing about what was found.
        site.refresh_package(&admin(), id).await.unwrap();
        publish(stage, &package).await;
        let moved = site.update_package(&admin(), id, put()).await.unwrap();
        assert_eq!(moved.fields.pkg_source_path, path);
        publish(stage, &package).await;
        for driver in [&one, &two] {
            assert!(site.is_content_valid(id, driver.content_id).await.unwrap());
        }
    }

    async fn packages_with_one_source_may_not_change_its_drivers(stage: &Stage) {
        let one = driver(stage, "one").await;
        let (a, b, inner) = (empty_package(stage, "pkg").await, empty_package(stage, "PKG").await, empty_package(stage, "pkg/inner").await);
        std::fs::remove_dir(stage.source("pkg/inner", &[])).unwrap();
        let (site, ids) = (&stage.site, [one.content_id]);
        for package in [&a, &b, &inner] {
            let id = package.package_id.as_str();
            let refused = site.add_driver_content(&admin(), id, &ids, &[], true).await.unwrap_err();
            assert!(refused.code() == "conflict" && refused.to_string().contains("is also used by package"), "{refused}");
            assert_eq!(code(site.remove_driver_content(&admin(), id, &ids, true).await), "conflict");
            assert_eq!(code(site.rebuild_package(&admin(), id, None).await), "conflict");
        }
        assert_eq!(tree(&stage.source("pkg", &[])), [""; 0]);
        // They can be published from there, and once the others are gone it is the package's own.
        stage.source("pkg", &[("a.inf", "a")]);
        site.refresh_package(&admin(), &a.package_id).await.unwrap();
        assert_eq!(publish(stage, &a).await.stored_version, 1);
        for other in [&b, &inner] {
            site.delete_package(&admin(), &other.package_id).await.unwrap();
        }
        add(stage, &a, &[&one], false).await;
        // Nor does a source move away while it is being changed.
        let hold = site.hold_contents(&a.package_id, Turn::Wait).await.unwrap();
        stage.source("elsewhere", &[]);
        let put = PackageChange { pkg_source_path: Some(r"\\srv\src\elsewhere".to_owned()), ..PackageChange::default() };
        assert_eq!(code(site.update_package(&admin(), &a.package_id, put.clone()).await), "busy");
        site.release_hold(hold).await;
        site.update_package(&admin(), &a.package_id, put).await.unwrap();
    }

    async fn a_package_that_was_given_away_is_not_published(stage: &Stage) {
        let package = stage.package("dell").await;
        let (site, id) = (&stage.site, package.package_id.as_str());
        site.refresh_package(&admin(), id).await.unwrap();
        knows_site(stage, "XYZ").await;
        site.set_source_site(&admin(), id, "XYZ").await.unwrap();
        assert_eq!(site.run_due_snapshots().await.unwrap(), 0);
        site.unlock(&admin(), id).await.unwrap();
        let claim = site.claim_snapshot("a").await.unwrap().unwrap();
        site.set_source_site(&admin(), id, "XYZ").await.unwrap();
        assert!(!site.extend_claim(&claim).await.unwrap(), "given away while it was read");
        assert_eq!(site.package(id).await.unwrap().stored_version, 1);
        site.unlock(&admin(), id).await.unwrap();
        assert_eq!(publish(stage, &package).await.stored_version, 2);
    }

    async fn a_manifest_is_read_beside_the_writer(stage: &Stage) {
        let package = stage.package("dell").await;
        let writer = stage.site.db().write().await.unwrap();
        stage.site.stored_manifest(&package.package_id, 1).await.unwrap();
        drop(writer);
    }

    async fn contents_go_with_their_last_package(stage: &Stage) {
        let (one, two) = (driver(stage, "one").await, driver(stage, "two").await);
        let (a, b) = (empty_package(stage, "a").await, empty_package(stage, "b").await);
        add(stage, &a, &[&one, &two], false).await;
        add(stage, &b, &[&one], false).await;
        stage.site.delete_driver(&admin(), one.ci_id).await.unwrap();
        let known = async || {
            let known = stage
                .site
                .known_contents(&[one.content_id, two.content_id], &site::Scopes::All)
                .await.unwrap();
            known.into_keys().collect::<Vec<i64>>()
        };
        stage.site.delete_package(&admin(), &a.package_id).await.unwrap();
        assert_eq!(known().await, [one.content_id, two.content_id], "another package and a driver have them");
        stage.site.delete_package(&admin(), &b.package_id).await.unwrap();
        assert_eq!(known().await, [two.content_id]);
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
        let reader = Actor::new("r", Role::Reader);
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
        let reader = Actor::new("r", Role::Reader);
        assert_eq!(code(stage.site.add_change_notification(&reader, id).await), "access_denied");
        assert_eq!(code(stage.site.add_change_notification(&admin(), "PS1FFFFF").await), "package_not_found");
    }
}
