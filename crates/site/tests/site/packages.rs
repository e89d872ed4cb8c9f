//! Packages: made, changed, read back.

use site::{FieldValue, NewPackage, PackageChange, PackageData, PackageType, Role};

use crate::stage::{admin, code, installed, with_source};

fn named(name: &str) -> NewPackage {
    NewPackage { name: name.to_owned(), ..NewPackage::default() }
}

on_both! {
    async fn ids_count_up_and_are_never_given_twice(stage: &Stage) {
        let first = stage.site.create_package(&admin(), named("a")).await.unwrap();
        assert_eq!(first.package_id, "PS100001");
        stage.site.delete_package(&admin(), "PS100001").await.unwrap();
        for expect in ["PS100002", "PS100003"] {
            assert_eq!(stage.site.create_package(&admin(), named("b")).await.unwrap().package_id, expect);
        }
        // A refused creation takes no number.
        assert_eq!(code(stage.site.create_package(&admin(), named("")).await), "invalid_field");
        assert_eq!(stage.site.create_package(&admin(), named("c")).await.unwrap().package_id, "PS100004");
        let ids: Vec<_> = stage.site.packages().await.unwrap().into_iter().map(|p| p.package_id).collect();
        assert_eq!(ids, ["PS100002", "PS100003", "PS100004"]);
    }

    async fn every_writable_property_comes_back(stage: &Stage) {
        let text = |property: &str| (property.to_owned(), FieldValue::Text(format!("{property} Ü \\ '\" % _")));
        let mut properties: Vec<_> = ["Description", "Manufacturer", "Language", "Version", "MIFFilename", "MIFName",
            "MIFPublisher", "MIFVersion", "ISVString", "AlternateContentProviders", "StoredPkgPath", "PreferredAddressType"]
            .map(text).into();
        for (property, number) in [("ForcedDisconnectDelay", 7), ("ForcedDisconnectNumRetries", 8), ("NumOfPrograms", 9),
            ("PkgFlags", 0xFF00_0080), ("Priority", 3), ("ShareType", 2)] {
            properties.push((property.to_owned(), FieldValue::Number(number)));
        }
        for property in ["IgnoreAddressSchedule", "ForcedDisconnectEnabled"] {
            properties.push((property.to_owned(), FieldValue::Flag(true)));
        }
        properties.push(("ShareName".to_owned(), FieldValue::Text("Drivers\\Dell".to_owned())));
        let made = stage.site.create_package(&admin(), named("n")).await.unwrap();
        let mut change = PackageChange::default();
        for (property, value) in &properties {
            change.set(property, value.clone()).unwrap();
        }
        let mut expect = made.fields.clone();
        for (field, text) in [(&mut expect.description, "Description"), (&mut expect.isv_string, "ISVString")] {
            *field = format!("{text} Ü \\ '\" % _");
        }
        let changed = stage.site.update_package(&admin(), &made.package_id, change).await.unwrap();
        assert_eq!(changed.fields.description, expect.description);
        assert_eq!(changed.fields.isv_string, expect.isv_string);
        let rows = stage.site.query(&site::Actor::local(), "SMS_DriverPackage", &cim::query::Query::all("SMS_DriverPackage")).await.unwrap();
        for (property, value) in properties {
            let at = rows.columns.iter().position(|column| column.name == property).unwrap();
            let expect = match value {
                FieldValue::Text(text) => site::Value::Text(text),
                FieldValue::Number(number) => site::Value::Integer(number.into()),
                FieldValue::Flag(flag) => site::Value::Boolean(flag),
                FieldValue::Time(time) => time.map_or(site::Value::Null, site::Value::DateTime),
            };
            assert_eq!(rows.rows[0][at], expect, "{property}");
        }
    }

    async fn a_stale_edit_is_refused(stage: &Stage) {
        let made = stage.site.create_package(&admin(), named("a")).await.unwrap();
        let change = |name: &str, read: &str| PackageChange {
            name: Some(name.to_owned()),
            sedo_object_version: Some(read.to_owned()),
            ..PackageChange::default()
        };
        let first = stage.site.update_package(&admin(), &made.package_id, change("b", &made.sedo_object_version)).await.unwrap();
        assert_ne!(first.sedo_object_version, made.sedo_object_version);
        let stale = stage.site.update_package(&admin(), &made.package_id, change("c", &made.sedo_object_version)).await;
        assert_eq!(code(stale), "edition_mismatch");
        // A change that changes nothing is no edition, and writes no message.
        let same = stage.site.update_package(&admin(), &made.package_id, change("b", &first.sedo_object_version)).await.unwrap();
        assert_eq!(same.sedo_object_version, first.sedo_object_version);
        assert_eq!(stage.message_ids().await, [30000, 30001]);
        let both = PackageChange {
            description: Some("for the lab".to_owned()),
            name: Some("c".to_owned()),
            version: Some(String::new()),
            data: PackageData { icon: Some(vec![1]), ..PackageData::default() },
            ..PackageChange::default()
        };
        stage.site.update_package(&admin(), &made.package_id, both).await.unwrap();
        let inserts = stage.raw_sql("SELECT inserts FROM status_message WHERE message_id = 30001 ORDER BY id DESC".to_owned()).await;
        assert!(inserts[0][0].contains("\"Name, Description, Icon\""), "{inserts:?}");
        assert!(inserts[1][0].contains("\"Name\""), "{inserts:?}");
    }

    async fn bad_fields_and_missing_rights_are_refused(stage: &Stage) {
        let site = &stage.site;
        let unc = |path: &str| NewPackage { pkg_source_path: path.to_owned(), ..with_source("x") };
        for bad in [r"\\srv\other", r"\\srv\src\..\data", "relative", "C:\\src"] {
            assert_eq!(code(site.create_package(&admin(), unc(bad)).await), "invalid_field", "{bad}");
        }
        for (role, allowed) in [(Role::Reader, false), (Role::Operator, false), (Role::Author, true)] {
            let actor = site::Actor::new("x", role);
            assert_eq!(site.create_package(&actor, named("n")).await.is_ok(), allowed, "{role}");
        }
        let missing = site.update_package(&admin(), "PS1FFFFF", PackageChange::default()).await;
        assert_eq!(code(missing), "package_not_found");
        assert_eq!(code(site.package("ps100001").await), "package_not_found");
    }

    async fn packages_of_any_type_live_the_same_life(stage: &Stage) {
        stage.source("hp", &[("drivers.wim", "archive")]);
        let (kind, data) = (PackageType::Regular, PackageData::default());
        let bare = stage.site.create_package_of(&admin(), kind, named("bare"), data.clone(), &[]).await.unwrap();
        assert_eq!((bare.package_type, bare.source_version), (PackageType::Regular, 0));
        let package = stage.site.create_package_of(&admin(), kind, with_source("hp"), data, &[]).await.unwrap();
        let point = stage.point("dp1").await;
        stage.assign(&package, &[&point]).await;
        stage.site.run_due_snapshots().await.unwrap();
        stage.report(&package, &point, installed(1)).await;
        stage.site.refresh_package(&admin(), &package.package_id).await.unwrap();
        stage.site.run_due_snapshots().await.unwrap();
        assert_eq!(stage.site.package(&package.package_id).await.unwrap().source_version, 2);
        assert_eq!(stage.state(&package, &point).await, site::State::ContentUpdating);
        let added = stage.site.add_driver_content(&admin(), &package.package_id, &[1], &[], true).await;
        assert_eq!(code(added), "conflict");
        stage.site.delete_package(&admin(), &package.package_id).await.unwrap();
        stage.report(&package, &point, agent::Event::Removed).await;
        assert_eq!(stage.raw_sql("SELECT package_id FROM package".to_owned()).await, [[bare.package_id]]);
    }

    async fn bytes_kept_with_a_package_come_back_and_are_cleared(stage: &Stage) {
        let bytes = |icon: Option<&[u8]>, isv: Option<&[u8]>| PackageData {
            icon: icon.map(<[u8]>::to_vec),
            isv_data: isv.map(<[u8]>::to_vec),
            extended_data: None,
        };
        let package = stage
            .site
            .create_package_of(&admin(), PackageType::Regular, named("a"), bytes(Some(&[0, 255]), None), &[])
            .await
            .unwrap();
        let id = package.package_id.as_str();
        let change = async |data: PackageData| {
            stage.site.update_package(&admin(), id, PackageChange { data, ..PackageChange::default() }).await
        };
        assert_eq!(stage.site.package_data(id).await.unwrap(), bytes(Some(&[0, 255]), None));
        let changed = change(bytes(None, Some(&[7]))).await.unwrap();
        assert_ne!(changed.sedo_object_version, package.sedo_object_version);
        assert_eq!(stage.site.package_data(id).await.unwrap(), bytes(Some(&[0, 255]), Some(&[7])));
        // The same again is no change.
        let same = change(bytes(None, Some(&[7]))).await.unwrap();
        assert_eq!(same.sedo_object_version, changed.sedo_object_version);
        change(bytes(Some(&[]), Some(&[]))).await.unwrap();
        assert_eq!(stage.site.package_data(id).await.unwrap(), PackageData::default());
        let long = vec![0; 256 * 1024 + 1];
        assert_eq!(code(change(bytes(Some(&long), None)).await), "invalid_field");
        change(bytes(Some(&long[1..]), None)).await.unwrap();
        stage.site.delete_package(&admin(), id).await.unwrap();
        assert_eq!(stage.raw_sql("SELECT package_id FROM package_data".to_owned()).await, [[""; 0]; 0]);
    }

    async fn shares_and_sources_in_use_are_found(stage: &Stage) {
        let mut first = with_source("hp");
        first.share_name = "HP$".to_owned();
        let first = stage.site.create_package(&admin(), first).await.unwrap();
        let id = first.package_id.as_str();
        let found = |duplicate: Option<site::Duplicate>| match duplicate? {
            site::Duplicate::Package { package_id, .. } => Some(package_id),
            site::Duplicate::Hidden => panic!("an administrator sees all"),
        };
        for (share, except, expect) in [("hp$", "", Some(id)), ("HP$", id, None), ("", "", None), ("x", "", None)] {
            let duplicate = stage.site.package_with_share(&admin(), share, except).await.unwrap();
            assert_eq!(found(duplicate).as_deref(), expect, "{share}");
        }
        for (path, except, expect) in [
            (r"\\SRV\src\hp\", "", Some(id)),
            (r"\\srv\src\HP", "", Some(id)),
            (r"\\srv\src\hp", id, None),
            (r"\\srv\src\hp\x64", "", None),
            ("nonsense", "", None),
        ] {
            let duplicate = stage.site.package_with_source(&admin(), path, except).await.unwrap();
            assert_eq!(found(duplicate).as_deref(), expect, "{path}");
        }
    }
}
