//! Drivers: drafted, put, changed, deleted, read back.

use cim::query::Query;
use site::{
    Actor, Driver, DriverChange, DriverFields, LocalizedName, LocalizedProperties, NewCategory, NewDriver,
    Role, SiteError, Value,
};

use crate::inf::{INVALID, driver_folder, inf, inf_for, unc};
use crate::stage::{Stage, admin, code, write};

/// Puts what CreateFromINF gives, as it is.
pub(crate) async fn put(stage: &Stage, path: &str, file: &str) -> Driver {
    let draft = stage.site.analyze_inf(&admin(), path, file).await.unwrap();
    let new = NewDriver {
        sdm_package_xml: draft.sdm_package_xml,
        content_source_path: draft.content_source_path,
        ..NewDriver::default()
    };
    stage.site.create_driver(&admin(), new).await.unwrap()
}

pub(crate) async fn category(stage: &Stage, name: &str) -> String {
    let new = NewCategory {
        localized: vec![LocalizedName { locale_id: 1033, name: name.to_owned() }],
        ..NewCategory::default()
    };
    stage.site.create_category(&admin(), new).await.unwrap().unique_id
}

/// The rows of a query as texts.
pub(crate) async fn rows(stage: &Stage, wql: &str) -> Vec<Vec<String>> {
    rows_as(stage, &Actor::local(), wql).await
}

async fn rows_as(stage: &Stage, actor: &Actor, wql: &str) -> Vec<Vec<String>> {
    let query: Query = cim::wql::parse(wql).unwrap_or_else(|error| panic!("{wql}: {error}"));
    let rows =
        stage.site.query(actor, query.class(), &query).await.unwrap_or_else(|error| panic!("{wql}: {error}"));
    let text = |value: Value| match value {
        Value::Null => "-".to_owned(),
        Value::Text(text) => text,
        Value::Integer(number) => number.to_string(),
        Value::Boolean(truth) => truth.to_string(),
        Value::DateTime(at) => at.to_string(),
        Value::TextList(texts) => texts.join("|"),
    };
    rows.rows.into_iter().map(|row| row.into_iter().map(text).collect()).collect()
}

fn edited(driver: &Driver, edit: impl FnOnce(&mut driver::sdm::DriverDigest)) -> DriverChange {
    let mut digest = driver::sdm::read(&driver.sdm_package_xml).unwrap();
    edit(&mut digest);
    DriverChange { sdm_package_xml: Some(driver::sdm::write(&digest)), ..DriverChange::default() }
}

on_both! {
    async fn an_inf_file_becomes_a_driver(stage: &Stage) {
        let path = driver_folder(stage, "Net/E1000", "VEN_1");
        let made = put(stage, &path, "NIC.inf").await;
        assert_eq!((made.ci_id, made.content_id, made.ci_version), (16_777_217, 16_777_217, 1));
        let scope = format!("ScopeId_{}/DRIVER_", stage.site.identity().site_guid);
        assert!(made.unique_id.starts_with(&scope), "{}", made.unique_id);
        let driver = "SELECT LocalizedDisplayName, DriverINFFile, DriverClass, DriverProvider, DriverVersion, DriverDate,
            DriverSigned, ContentSourcePath, IsEnabled, CreatedBy, DriverType, CIType_ID FROM SMS_Driver";
        let expect = ["Norvik NIC VEN_1", "nic.inf", "Net", "Norvik", "1.2.3.4", "2025-03-04T00:00:00Z", "false",
            &path, "false", "admin", "INF", "6"];
        assert_eq!(rows(stage, driver).await, [expect]);
        let content = rows(stage, "SELECT CI_ID, ContentID, ContentUniqueID, CI_UniqueID FROM SMS_CIToContent").await;
        assert_eq!(content[0][..2], ["16777217", "16777217"]);
        assert!(content[0][2].starts_with("Content_") && content[0][3] == made.unique_id, "{content:?}");
        let model = rows(stage, "SELECT ModelManufacture, ModelName FROM SMS_DriverModel WHERE CI_ID = 16777217").await;
        assert_eq!(model, [["Norvik", "Norvik NIC VEN_1"]]);
        let detail = "SELECT Kind, SignatureState, PayloadFiles, PayloadMissing, IsComplete, ContentFiles, Devices FROM Haulier_DriverDetail";
        assert_eq!(rows(stage, detail).await, [["base", "no catalog", "2", "0", "true", "2", "1"]]);
        let payload = stage.site.driver_payload(made.ci_id).await.unwrap();
        assert_eq!(payload.iter().map(|file| file.path.as_str()).collect::<Vec<_>>(), ["nic.inf", "nic.sys"]);
        assert!(made.platforms.iter().any(|id| id.contains("x64_Windows_11")), "{:?}", made.platforms);
        assert_eq!(stage.message_ids().await, [30152]);
    }

    async fn the_same_driver_is_not_imported_twice(stage: &Stage) {
        let path = driver_folder(stage, "a", "VEN_1");
        let copy = driver_folder(stage, "b", "VEN_1");
        let made = put(stage, &path, "nic.inf").await;
        for path in [&path, &copy] {
            let again = stage.site.analyze_inf(&admin(), path, "nic.inf").await;
            let Err(SiteError::DriverAlreadyImported { unique_id, .. }) = again else { panic!("{again:?}") };
            assert_eq!(unique_id, made.unique_id);
        }
        let slashed = made.unique_id.replace('/', "\\").to_uppercase();
        let found = stage.site.driver_by_unique_id(&slashed).await.unwrap();
        assert_eq!(found.map(|driver| driver.ci_id), Some(made.ci_id));
        // Another byte beside it makes another driver.
        write(&stage.source("b", &[]).join("nic.sys"), "changed");
        let other = put(stage, &copy, "nic.inf").await;
        assert_ne!((other.unique_id.as_str(), other.content_id), (made.unique_id.as_str(), made.content_id));
        // Deleted and imported again, it has the same unique id.
        stage.site.delete_driver(&admin(), made.ci_id).await.unwrap();
        assert_eq!(code(stage.site.driver(made.ci_id).await), "driver_not_found");
        assert_eq!(rows(stage, "SELECT * FROM SMS_CIToContent").await.len(), 1);
        let again = put(stage, &path, "nic.inf").await;
        assert_eq!(again.unique_id, made.unique_id);
        assert_eq!(again.ci_id, other.ci_id + 1);
    }

    async fn files_that_are_no_drivers_are_refused_by_their_codes(stage: &Stage) {
        let files = [("good.inf", inf("VEN_1")), ("none.inf", inf_for("NTia64", "VEN_1")), ("bad.inf", INVALID.to_owned())];
        let files: Vec<(&str, &str)> = files.iter().map(|(name, text)| (*name, text.as_str())).collect();
        stage.source("mix", &files);
        let (mix, none, foreign) = (unc("mix"), unc("none"), r"\\other\share\x".to_owned());
        for (path, file, expect) in [
            (&mix, "good.inf", None),
            (&mix, "GOOD.INF", None),
            (&mix, "missing.inf", Some("driver_unreadable")),
            (&none, "good.inf", Some("driver_unreadable")),
            (&foreign, "good.inf", Some("driver_unreadable")),
            (&mix, "../mix/good.inf", Some("driver_unreadable")),
            (&mix, "bad.inf", Some("driver_invalid")),
            (&mix, "none.inf", Some("driver_not_supported")),
        ] {
            let got = stage.site.analyze_inf(&admin(), path, file).await;
            assert_eq!(got.as_ref().err().map(SiteError::code), expect, "{path} {file}");
        }
        let several = ["good.inf".to_owned(), "bad.inf".to_owned()];
        assert_eq!(code(stage.site.analyze_infs(&admin(), &mix, &several).await), "driver_invalid");
        let data = stage.options.data_dir.to_str().unwrap();
        assert_eq!(code(stage.site.analyze_inf(&admin(), data, "x.inf").await), "driver_unreadable");
        assert_eq!(rows(stage, "SELECT * FROM SMS_Driver").await.len(), 0, "a draft is no driver");
    }

    async fn a_put_reads_the_folder_again_when_the_draft_is_gone(stage: &Stage) {
        let path = driver_folder(stage, "a", "VEN_1");
        let draft = stage.site.analyze_inf(&admin(), &path, "nic.inf").await.unwrap();
        let new = NewDriver { sdm_package_xml: draft.sdm_package_xml, content_source_path: path.clone(), ..NewDriver::default() };
        let restarted = stage.reopen().await;
        write(&stage.source("a", &[]).join("nic.sys"), "changed");
        assert_eq!(code(restarted.create_driver(&admin(), new.clone()).await), "conflict");
        write(&stage.source("a", &[]).join("nic.sys"), "VEN_1");
        let made = restarted.create_driver(&admin(), new.clone()).await.unwrap();
        assert_eq!(made.unique_id, draft.unique_id);
        assert_eq!(code(restarted.create_driver(&admin(), new).await), "driver_already_imported");
        for xml in ["", "<a/>"] {
            let new = NewDriver { sdm_package_xml: xml.to_owned(), content_source_path: path.clone(), ..NewDriver::default() };
            assert_eq!(code(restarted.create_driver(&admin(), new).await), "invalid_field", "{xml}");
        }
        restarted.close().await;
    }

    async fn inf_files_of_one_folder_share_its_content(stage: &Stage) {
        stage.source("two", &[("a.inf", &inf("VEN_1")), ("b.inf", &inf("VEN_2")), ("nic.sys", "x")]);
        let (a, b) = (put(stage, &unc("two"), "a.inf").await, put(stage, &unc("two"), "b.inf").await);
        assert_eq!(a.content_id, b.content_id);
        assert_ne!(a.unique_id, b.unique_id);
        let contents = "SELECT ContentID FROM SMS_CIToContent ORDER BY CI_ID";
        assert_eq!(rows(stage, contents).await, [["16777217"], ["16777217"]]);
        stage.site.delete_driver(&admin(), a.ci_id).await.unwrap();
        assert_eq!(rows(stage, contents).await, [["16777217"]]);
    }

    async fn names_are_told_in_the_language_of_the_call(stage: &Stage) {
        let label = |german: &str, english: &str| NewCategory {
            localized: vec![
                LocalizedName { locale_id: 1031, name: german.to_owned() },
                LocalizedName { locale_id: 1033, name: english.to_owned() },
            ],
            ..NewCategory::default()
        };
        let net = stage.site.create_category(&admin(), label("Netz", "Net")).await.unwrap().unique_id;
        let lab = category(stage, "Lab").await;
        let named = |locale_id, name: &str| LocalizedProperties {
            locale_id,
            display_name: name.to_owned(),
            description: format!("{name}!"),
            informative_url: String::new(),
        };
        for (folder, localized) in [
            ("a", vec![named(1033, "Card"), named(1031, "Karte 'ü\"")]),
            ("b", vec![named(1033, "Disk")]),
        ] {
            let path = driver_folder(stage, folder, &format!("VEN_{folder}"));
            let draft = stage.site.analyze_inf(&admin(), &path, "nic.inf").await.unwrap();
            let new = NewDriver {
                sdm_package_xml: draft.sdm_package_xml,
                content_source_path: path,
                categories: vec![net.clone(), lab.clone()],
                fields: DriverFields { localized, ..DriverFields::default() },
            };
            stage.site.create_driver(&admin(), new).await.unwrap();
        }
        let asked = async |locale_id: Option<u32>, wql: &str| {
            let mut actor = admin();
            actor.origin.locale_id = locale_id;
            rows_as(stage, &actor, wql).await
        };
        let drivers = "SELECT LocalizedDisplayName, LocalizedDescription, LocalizedPropertyLocaleID,
            LocalizedCategoryInstanceNames FROM SMS_Driver ORDER BY CI_ID";
        let english = [["Card", "Card!", "1033", "Net|Lab"], ["Disk", "Disk!", "1033", "Net|Lab"]];
        let german = [["Karte 'ü\"", "Karte 'ü\"!", "1031", "Netz|Lab"], ["Disk", "Disk!", "1033", "Netz|Lab"]];
        assert_eq!(asked(None, drivers).await, english);
        assert_eq!(asked(Some(1033), drivers).await, english);
        assert_eq!(asked(Some(1036), drivers).await, english, "what is not there stays as it is");
        assert_eq!(asked(Some(1031), drivers).await, german);
        let categories = "SELECT LocalizedCategoryInstanceName, LocalizedPropertyLocaleID FROM SMS_CategoryInstance ORDER BY CategoryInstanceID";
        assert_eq!(asked(Some(1031), categories).await, [["Netz", "1031"], ["Lab", "1033"]]);
        // What is asked for is what is shown.
        for (condition, german, english) in [
            ("LocalizedDisplayName LIKE 'karte%'", 1, 0),
            ("LocalizedDisplayName = 'Card'", 0, 1),
            ("LocalizedPropertyLocaleID = 1031", 1, 0),
            ("LocalizedCategoryInstanceNames = 'netz'", 2, 0),
            ("CI_ID IN (SELECT d.CI_ID FROM SMS_Driver d WHERE d.LocalizedDescription = 'DISK!')", 1, 1),
        ] {
            let wql = format!("SELECT CI_ID FROM SMS_Driver WHERE {condition}");
            assert_eq!(asked(Some(1031), &wql).await.len(), german, "{condition}");
            assert_eq!(asked(None, &wql).await.len(), english, "{condition}");
        }
        let sorted = "SELECT LocalizedDisplayName FROM SMS_Driver ORDER BY LocalizedDisplayName";
        assert_eq!(asked(Some(1031), sorted).await, [["Disk"], ["Karte 'ü\""]]);
    }

    async fn a_driver_is_named_and_labelled_as_its_client_says(stage: &Stage) {
        let path = driver_folder(stage, "a", "VEN_1");
        let draft = stage.site.analyze_inf(&admin(), &path, "nic.inf").await.unwrap();
        let (net, lab) = (category(stage, "Net").await, category(stage, "Lab").await);
        let named = |locale_id, name: &str| LocalizedProperties {
            locale_id,
            display_name: name.to_owned(),
            description: format!("{name} it is"),
            ..LocalizedProperties::default()
        };
        let new = NewDriver {
            sdm_package_xml: draft.sdm_package_xml,
            content_source_path: path,
            categories: vec![net.to_uppercase(), lab.clone(), net.clone()],
            fields: DriverFields {
                is_enabled: true,
                localized: vec![named(1031, "Netzkarte"), named(1033, "Card")],
                ..DriverFields::default()
            },
        };
        let unknown = NewDriver { categories: vec!["DriverCategories:none".to_owned()], ..new.clone() };
        assert_eq!(code(stage.site.create_driver(&admin(), unknown).await), "category_not_found");
        let made = stage.site.create_driver(&admin(), new).await.unwrap();
        assert_eq!(made.categories, [net.clone(), lab.clone()]);
        let shown = "SELECT LocalizedDisplayName, LocalizedDescription, LocalizedPropertyLocaleID,
            LocalizedCategoryInstanceNames, IsEnabled FROM SMS_Driver";
        assert_eq!(rows(stage, shown).await, [["Card", "Card it is", "1033", "Net|Lab", "true"]]);
        assert_eq!(made.localized.len(), 2);
        for (condition, expect) in [
            (format!("CategoryInstance_UniqueIDs = '{}'", net.to_uppercase()), 1),
            ("CategoryInstance_UniqueIDs = 'DriverCategories:'".to_owned(), 0),
            (format!("CategoryInstance_UniqueIDs IN ('x', '{lab}')"), 1),
            ("LocalizedCategoryInstanceNames = 'lab'".to_owned(), 1),
            ("LocalizedCategoryInstanceNames = 'la'".to_owned(), 0),
            ("LocalizedCategoryInstanceNames <> 'lab'".to_owned(), 1),
            ("LocalizedCategoryInstanceNames LIKE 'n%'".to_owned(), 1),
            ("LocalizedCategoryInstanceNames LIKE '%b'".to_owned(), 1),
            ("LocalizedCategoryInstanceNames LIKE '%t%'".to_owned(), 1),
            ("LocalizedCategoryInstanceNames LIKE 'a%'".to_owned(), 0),
            ("LocalizedCategoryInstanceNames LIKE '%tl%'".to_owned(), 0),
            ("LocalizedCategoryInstanceNames LIKE 'net'".to_owned(), 1),
            ("LocalizedCategoryInstanceNames LIKE 'n%t'".to_owned(), 1),
            ("LocalizedCategoryInstanceNames LIKE 'n%b'".to_owned(), 0),
            ("LocalizedCategoryInstanceNames IS NULL".to_owned(), 0),
            (format!("CI_UniqueID = '{}'", made.unique_id.to_lowercase()), 1),
        ] {
            let found = rows(stage, &format!("SELECT CI_ID FROM SMS_Driver WHERE {condition}")).await;
            assert_eq!(found.len(), expect, "{condition}");
        }
    }

    async fn a_driver_is_changed_by_whoever_read_it_last(stage: &Stage) {
        let made = put(stage, &driver_folder(stage, "a", "VEN_1"), "nic.inf").await;
        let site = &stage.site;
        let read = |driver: &Driver| Some(driver.sedo_object_version.clone());
        let enable = DriverChange { is_enabled: Some(true), sedo_object_version: read(&made), ..DriverChange::default() };
        stage.clock.advance(std::time::Duration::from_secs(60));
        let author = Actor::new("author", Role::Author);
        let enabled = site.update_driver(&author, made.ci_id, enable.clone()).await.unwrap();
        assert!(enabled.is_enabled && enabled.ci_version == 1);
        assert_eq!((enabled.created_by.as_str(), enabled.modified_by.as_str()), ("admin", "author"));
        assert!(enabled.modified_at > enabled.created_at);
        assert_eq!(code(site.update_driver(&admin(), made.ci_id, enable.clone()).await), "edition_mismatch");
        let same = DriverChange { sedo_object_version: read(&enabled), ..enable };
        assert_eq!(site.update_driver(&admin(), made.ci_id, same).await.unwrap(), enabled, "nothing changed");
        let net = category(stage, "Net").await;
        let label = DriverChange { categories: Some(vec![net.clone()]), ..DriverChange::default() };
        let labelled = site.update_driver(&admin(), made.ci_id, label).await.unwrap();
        assert_eq!(labelled.categories, [net]);
        assert_ne!(labelled.sedo_object_version, enabled.sedo_object_version);
        let moved = |path: &str| DriverChange { content_source_path: Some(path.to_owned()), ..DriverChange::default() };
        assert_eq!(code(site.update_driver(&admin(), made.ci_id, moved("C:\\x")).await), "invalid_field");
        assert_eq!(site.update_driver(&admin(), made.ci_id, moved(&unc("b"))).await.unwrap().content_source_path, unc("b"));
        assert_eq!(code(site.update_driver(&admin(), 1, DriverChange::default()).await), "driver_not_found");
        for role in [Role::Reader, Role::Operator] {
            let actor = Actor::new("x", role);
            assert_eq!(code(site.update_driver(&actor, made.ci_id, DriverChange::default()).await), "access_denied");
            assert_eq!(code(site.delete_driver(&actor, made.ci_id).await), "access_denied");
        }
        assert_eq!(stage.message_ids().await, [30152, 30153, 39050, 30153, 30153]);
    }

    async fn only_the_platforms_of_a_definition_can_be_edited(stage: &Stage) {
        let made = put(stage, &driver_folder(stage, "a", "VEN_1"), "nic.inf").await;
        let change = async |change| stage.site.update_driver(&admin(), made.ci_id, change).await;
        let all = made.platforms.len();
        assert!(all > 1);
        // Without a higher version, or with a platform that nobody knows, nothing happens.
        assert_eq!(code(change(edited(&made, |digest| drop(digest.conditions.pop()))).await), "invalid_field");
        let unknown = edited(&made, |digest| {
            digest.version += 1;
            digest.conditions[0].min_version = "1.00.0000.0".to_owned();
        });
        assert_eq!(code(change(unknown).await), "invalid_field");
        let foreign = edited(&made, |digest| digest.unique_id = "ScopeId_0/DRIVER_0".to_owned());
        assert_eq!(code(change(foreign).await), "invalid_field");
        let fewer = edited(&made, |digest| {
            digest.version += 2;
            digest.conditions.truncate(1);
            digest.class = "Display".to_owned();
        });
        let changed = change(fewer).await.unwrap();
        assert_eq!((changed.ci_version, changed.platforms.as_slice()), (2, &made.platforms[..1]));
        let stored = driver::sdm::read(&changed.sdm_package_xml).unwrap();
        assert_eq!((stored.version, stored.class.as_str(), stored.conditions.len()), (3, "Net", 1));
        let platform = format!("SELECT CI_ID FROM SMS_Driver WHERE PlatformCategoryInstance_UniqueIDs = '{}'", made.platforms[1]);
        assert_eq!(rows(stage, &platform).await.len(), 0);
        // What was read and is sent back as it was changes nothing.
        let same = edited(&changed, |_| ());
        assert_eq!(change(same).await.unwrap(), changed);
    }

    async fn categories_come_and_go(stage: &Stage) {
        let made = put(stage, &driver_folder(stage, "a", "VEN_1"), "nic.inf").await;
        let names = |name: &str| vec![LocalizedName { locale_id: 1033, name: name.to_owned() }];
        let site = &stage.site;
        let unique_id = "DriverCategories:3b1f0b2e-7f6c-4a54-9f5a-0c8a6e1d2f30";
        let new = NewCategory { unique_id: unique_id.to_owned(), type_name: "drivercategories".to_owned(), localized: names("Net") };
        let net = site.create_category(&admin(), new.clone()).await.unwrap();
        assert_eq!((net.category_id, net.unique_id.as_str(), net.type_name.as_str()), (16_777_217, unique_id, "DriverCategories"));
        assert_eq!(code(site.create_category(&admin(), new.clone()).await), "already_exists");
        for bad in [
            NewCategory { unique_id: "Product:1".to_owned(), ..new.clone() },
            NewCategory { unique_id: "DriverCategories:".to_owned(), ..new.clone() },
            NewCategory { type_name: "Product".to_owned(), ..new.clone() },
            NewCategory { localized: names(" "), unique_id: String::new(), ..new.clone() },
            NewCategory { localized: Vec::new(), unique_id: String::new(), ..new.clone() },
        ] {
            assert_eq!(code(site.create_category(&admin(), bad).await), "invalid_field");
        }
        let label = DriverChange { categories: Some(vec![unique_id.to_owned()]), ..DriverChange::default() };
        let labelled = site.update_driver(&admin(), made.ci_id, label).await.unwrap();
        let change = site::CategoryChange { localized: Some(names("Network")) };
        assert_eq!(site.update_category(&admin(), net.category_id, change).await.unwrap().name, "Network");
        let shown = "SELECT LocalizedCategoryInstanceNames, CategoryInstance_UniqueIDs FROM SMS_Driver";
        assert_eq!(rows(stage, shown).await, [["Network", unique_id]]);
        let reader = Actor::new("x", Role::Reader);
        assert_eq!(code(site.delete_category(&reader, net.category_id).await), "access_denied");
        site.delete_category(&admin(), net.category_id).await.unwrap();
        assert_eq!(rows(stage, shown).await, [["", ""]]);
        // Whoever read the list with it must not write it back.
        assert_ne!(site.driver(made.ci_id).await.unwrap().sedo_object_version, labelled.sedo_object_version);
        assert_eq!(code(site.category(net.category_id).await), "category_not_found");
        assert_eq!(site.categories().await.unwrap(), []);
    }

    async fn a_txtsetup_oem_names_boot_critical_drivers(stage: &Stage) {
        let oem = "[Disks]\r\nd1 = \"Disk\", \\txtsetup.oem, \\\r\n[Defaults]\r\nscsi = A\r\n[scsi]\r\nA = \"Card\", nic\r\n\
            [Files.scsi.A]\r\ndriver = d1, nic.sys, nic\r\ninf = d1, nic.inf\r\ninf = d1, bad.inf\r\n";
        driver_folder(stage, "oem", "VEN_1");
        stage.source("oem", &[("txtsetup.oem", oem), ("bad.inf", INVALID), ("empty.oem", "[Disks]\r\n")]);
        let path = unc("oem");
        let drafts = stage.site.analyze_oem(&admin(), &path, "TXTSETUP.OEM").await.unwrap();
        assert_eq!(drafts.len(), 1, "one of the two is valid");
        let new = NewDriver { sdm_package_xml: drafts[0].sdm_package_xml.clone(), content_source_path: path.clone(), ..NewDriver::default() };
        stage.site.create_driver(&admin(), new).await.unwrap();
        assert_eq!(rows(stage, "SELECT DriverBootCritical FROM SMS_Driver").await, [["true"]]);
        for (file, expect) in [("txtsetup.oem", "driver_already_imported"), ("empty.oem", "driver_invalid"), ("none.oem", "driver_unreadable")] {
            assert_eq!(code(stage.site.analyze_oem(&admin(), &path, file).await), expect, "{file}");
        }
    }

    async fn platforms_are_those_of_the_reader_however_often_a_site_is_opened(stage: &Stage) {
        let count = driver::platform::PLATFORMS.len();
        assert_eq!(rows(stage, "SELECT * FROM SMS_SupportedPlatforms").await.len(), count);
        stage.raw_sql("UPDATE supported_platform SET display_text = 'x'".to_owned()).await;
        stage.raw_sql("DELETE FROM supported_platform WHERE position = 1".to_owned()).await;
        let restarted = stage.reopen().await;
        let texts = rows(stage, "SELECT DisplayText FROM SMS_SupportedPlatforms").await;
        assert_eq!(texts.len(), count);
        assert!(!texts.contains(&vec!["x".to_owned()]));
        let windows_11 = "SELECT OSMinVersion FROM SMS_SupportedPlatforms WHERE DisplayText = 'all windows 11 (64-bit)'";
        assert_eq!(rows(stage, windows_11).await, [["10.00.22000.0"]]);
        restarted.close().await;
    }
}
