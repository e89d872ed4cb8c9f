//! Packages: made, changed, read back.

use site::{FieldValue, NewPackage, PackageChange, Role};

use crate::stage::{admin, code, with_source};

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
        let rows = stage.site.query("SMS_DriverPackage", &cim::query::Query::all("SMS_DriverPackage")).await.unwrap();
        for (property, value) in properties {
            let at = rows.columns.iter().position(|column| column.name == property).unwrap();
            let expect = match value {
                FieldValue::Text(text) => site::Value::Text(text),
                FieldValue::Number(number) => site::Value::Integer(number.into()),
                FieldValue::Flag(flag) => site::Value::Boolean(flag),
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
}
