//! Console folders and what is in them.

use site::{Actor, Folder, FolderChange, NewFolder, PackageData, PackageType, Role};

use crate::drivers::put;
use crate::inf::driver_folder;
use crate::stage::{Stage, admin, code, with_source};

fn new(name: &str, object_type: u32, parent_id: i64) -> NewFolder {
    let (folder_flags, search_folder, search_string) = (0, false, String::new());
    NewFolder { name: name.to_owned(), object_type, parent_id, folder_flags, search_folder, search_string }
}

pub(crate) async fn folder(stage: &Stage, name: &str, object_type: u32, parent_id: i64) -> Folder {
    stage.site.create_folder(&admin(), new(name, object_type, parent_id)).await.unwrap()
}

async fn move_to(stage: &Stage, kind: u32, keys: &[&str], from: i64, to: i64) -> Result<(), site::SiteError> {
    let keys: Vec<String> = keys.iter().map(|key| (*key).to_owned()).collect();
    stage.site.move_members(&admin(), kind, &keys, from, to).await
}

/// Every item, as `key folder`.
async fn items(stage: &Stage) -> Vec<String> {
    let rows = stage
        .raw_sql(
            "SELECT instance_key, CAST(folder_id AS TEXT) FROM folder_item ORDER BY instance_key".to_owned(),
        )
        .await;
    rows.into_iter().map(|row| row.join(" ")).collect()
}

on_both! {
    async fn folders_nest_and_keep_their_type(stage: &Stage) {
        let top = folder(stage, "Dell", 23, 0).await;
        assert_eq!(top.folder_id, 16_777_217);
        let inner = folder(stage, "Laptops", 23, top.folder_id).await;
        let deepest = folder(stage, "7440", 23, inner.folder_id).await;
        // The same name elsewhere, or of another type, is another folder.
        folder(stage, "Laptops", 23, 0).await;
        folder(stage, "Dell", 25, 0).await;
        for (refused, expect) in [
            (new("DELL ", 23, 0), "already_exists"),
            (new("", 23, 0), "invalid_field"),
            (new("a\nb", 23, 0), "invalid_field"),
            (new("x", 5000, 0), "invalid_field"),
            (new("x", 23, 99), "folder_not_found"),
            (new("x", 25, top.folder_id), "conflict"),
        ] {
            assert_eq!(code(stage.site.create_folder(&admin(), refused.clone()).await), expect, "{refused:?}");
        }
        let to = |parent_id| FolderChange { parent_id: Some(parent_id), ..FolderChange::default() };
        for inside in [top.folder_id, inner.folder_id, deepest.folder_id] {
            let cycle = stage.site.update_folder(&admin(), top.folder_id, to(inside)).await;
            assert_eq!(code(cycle), "conflict");
        }
        assert_eq!(code(stage.site.update_folder(&admin(), inner.folder_id, to(0)).await), "already_exists");
        stage.site.update_folder(&admin(), deepest.folder_id, to(0)).await.unwrap();
        let rename = FolderChange { name: Some("Dell Inc.".to_owned()), ..FolderChange::default() };
        stage.site.update_folder(&admin(), top.folder_id, rename).await.unwrap();
        assert_eq!(stage.site.folder(deepest.folder_id).await.unwrap().parent_id, 0);
        assert_eq!(stage.site.folder(top.folder_id).await.unwrap().name, "Dell Inc.");
        assert_eq!(code(stage.site.delete_folder(&admin(), top.folder_id).await), "conflict");
        stage.site.delete_folder(&admin(), inner.folder_id).await.unwrap();
        stage.site.delete_folder(&admin(), top.folder_id).await.unwrap();
        assert_eq!(code(stage.site.folder(top.folder_id).await), "folder_not_found");
        assert_eq!(stage.message_ids().await.iter().filter(|id| matches!(id, 39050..=39052)).count(), 9);
    }

    async fn folders_nest_only_so_deep(stage: &Stage) {
        let mut parent = 0;
        let mut depth = 0;
        let refused = loop {
            match stage.site.create_folder(&admin(), new("x", 2, parent)).await {
                Ok(folder) => parent = folder.folder_id,
                Err(error) => break error,
            }
            depth += 1;
            assert!(depth < 100, "there is a limit");
        };
        assert_eq!((depth, refused.code()), (32, "conflict"));
        // Nor does a folder get there with what is in it.
        let top = folder(stage, "top", 2, 0).await.folder_id;
        let inner = folder(stage, "inner", 2, top).await.folder_id;
        let above = async |folder_id: i64| stage.site.folder(folder_id).await.unwrap().parent_id;
        let (level31, level30) = (above(parent).await, above(above(parent).await).await);
        let to = |parent_id| FolderChange { parent_id: Some(parent_id), ..FolderChange::default() };
        assert_eq!(code(stage.site.update_folder(&admin(), top, to(level31)).await), "conflict");
        assert_eq!(above(top).await, 0, "what was refused moved nothing");
        stage.site.update_folder(&admin(), inner, to(level31)).await.unwrap();
        stage.site.update_folder(&admin(), inner, to(top)).await.unwrap();
        stage.site.update_folder(&admin(), top, to(level30)).await.unwrap();
        assert_eq!(code(stage.site.create_folder(&admin(), new("deeper", 2, inner)).await), "conflict");
    }

    async fn objects_are_in_one_folder_and_leave_it_when_they_go(stage: &Stage) {
        let driver_package = stage.package("dell").await;
        let plain = stage
            .site
            .create_package_of(&admin(), PackageType::Regular, with_source("hp"), PackageData::default(), &[])
            .await
            .unwrap();
        let driver = put(stage, &driver_folder(stage, "net", "VEN_1"), "nic.inf").await;
        let [a, b] = [folder(stage, "a", 23, 0).await.folder_id, folder(stage, "b", 23, 0).await.folder_id];
        let (c, d) = (folder(stage, "c", 2, 0).await.folder_id, folder(stage, "d", 25, 0).await.folder_id);
        let (first, second) = (driver_package.package_id.as_str(), plain.package_id.as_str());
        move_to(stage, 23, &["ps100001"], 0, a).await.unwrap();
        move_to(stage, 2, &[second], 0, c).await.unwrap();
        // Scripts have the unique id with a backslash, and in any case.
        move_to(stage, 25, &[&driver.unique_id.replace('/', "\\").to_lowercase()], 0, d).await.unwrap();
        let expect = |folder: i64| {
            let mut all = vec![format!("{first} {folder}"), format!("{second} {c}"), format!("{} {d}", driver.unique_id)];
            all.sort();
            all
        };
        assert_eq!(items(stage).await, expect(a));
        for (kind, keys, from, to, refused) in [
            (23, &[second][..], 0, b, "package_not_found"),
            (2, &[first], 0, c, "package_not_found"),
            (23, &["PS1FFFFF"], 0, b, "package_not_found"),
            (25, &["ScopeId_X/DRIVER_y"], 0, d, "driver_not_found"),
            (23, &[first], 0, b, "conflict"),
            (23, &[first], b, 0, "conflict"),
            (23, &[first], a, c, "conflict"),
            (23, &[first], a, 99, "folder_not_found"),
            (23, &[], a, b, "invalid_field"),
            (7, &[first], a, b, "invalid_field"),
        ] {
            assert_eq!(code(move_to(stage, kind, keys, from, to).await), refused, "{kind} {keys:?} {from} {to}");
        }
        assert_eq!(items(stage).await, expect(a), "what was refused moved nothing");
        move_to(stage, 23, &[first], a, b).await.unwrap();
        move_to(stage, 23, &[first], a, b).await.unwrap();
        assert_eq!(items(stage).await, expect(b));
        assert_eq!(code(stage.site.delete_folder(&admin(), b).await), "conflict");
        move_to(stage, 23, &[first], b, 0).await.unwrap();
        move_to(stage, 23, &[first], 0, a).await.unwrap();

        stage.site.delete_package(&admin(), first).await.unwrap();
        stage.site.delete_package(&admin(), second).await.unwrap();
        stage.site.delete_driver(&admin(), driver.ci_id).await.unwrap();
        assert_eq!(items(stage).await, [""; 0]);
        for empty in [a, b, c, d] {
            stage.site.delete_folder(&admin(), empty).await.unwrap();
        }
    }

    async fn a_saved_search_has_no_members(stage: &Stage) {
        let package = stage.package("dell").await;
        let search = NewFolder { search_folder: true, search_string: "Name like 'D%'".to_owned(), ..new("D", 23, 0) };
        let search = stage.site.create_folder(&admin(), search).await.unwrap();
        assert_eq!(code(move_to(stage, 23, &[&package.package_id], 0, search.folder_id).await), "conflict");
        let plain = folder(stage, "plain", 23, 0).await;
        move_to(stage, 23, &[&package.package_id], 0, plain.folder_id).await.unwrap();
        let change = FolderChange { search_folder: Some(true), ..FolderChange::default() };
        assert_eq!(code(stage.site.update_folder(&admin(), plain.folder_id, change).await), "conflict");
    }

    async fn the_role_decides_by_the_type(stage: &Stage) {
        let check = async |role: Role, kind: u32, allowed: bool| {
            let made = stage.site.create_folder(&Actor::new("x", role), new(role.name(), kind, 0)).await;
            assert_eq!(made.is_ok(), allowed, "{role} {kind}");
            if let Err(error) = made {
                assert_eq!(error.code(), "access_denied");
            }
        };
        for kind in [2, 23, 25] {
            check(Role::FullAdministrator, kind, true).await;
            check(Role::Author, kind, true).await;
            check(Role::Operator, kind, false).await;
            check(Role::Reader, kind, false).await;
        }
    }
}
