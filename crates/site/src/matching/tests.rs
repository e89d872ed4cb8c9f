//! Matching, with real INF files in the catalog, on both databases.

use std::collections::BTreeMap;
use std::io::{ErrorKind, Read};
use std::sync::mpsc;
use std::time::Duration;

use crate::package::source::SourcePath;
use crate::package_content::tests::{add, driver, empty_package, import, inf, inf_with, publish};
use crate::stage::{Stage, admin, code, installed, with_source, write};
use crate::{
    Architecture, ContentPlace, DeviceIds, DriverDownload, MachineModel, MatchReport, MatchRequest,
    ModelRequest, NewPackage, OfferedPackage, Os, PackageChoice, TargetOs,
};

fn windows_11() -> Os {
    let id = "All_x64_Windows_11_and_higher_Clients";
    let known = ::driver::platform::PLATFORMS.iter().find(|platform| platform.id.eq_ignore_ascii_case(id));
    let any = || {
        ::driver::platform::PLATFORMS
            .iter()
            .rfind(|platform| platform.os.architecture == Architecture::Amd64 && !platform.is_server())
            .expect("the table has a client of this architecture")
    };
    known.unwrap_or_else(any).os
}

fn ids(hardware: &[&str], compatible: &[&str]) -> DeviceIds {
    let owned = |ids: &[&str]| ids.iter().map(|id| (*id).to_owned()).collect();
    DeviceIds { hardware_ids: owned(hardware), compatible_ids: owned(compatible) }
}

async fn matched(stage: &Stage, devices: &[DeviceIds]) -> MatchReport {
    let request = MatchRequest { os: windows_11(), devices: devices.to_vec() };
    stage.site.match_drivers(&admin(), request).await.unwrap()
}

/// Each file: its name, whether it ended with its size, its text.
async fn read_all(download: DriverDownload) -> Vec<(String, Result<bool, ErrorKind>, String)> {
    let read = move || {
        let mut read = Vec::new();
        for (index, entry) in download.entries().iter().enumerate() {
            let mut text = String::new();
            let done = download.open(index).unwrap().read_to_string(&mut text);
            let is_whole = done.map(|size| size as u64 == entry.size).map_err(|error| error.kind());
            read.push((entry.name.clone(), is_whole, text));
        }
        read
    };
    tokio::task::spawn_blocking(read).await.unwrap()
}

/// Copies the one row of a table, each time with other values.
async fn copy_row(stage: &Stage, table: &str, copies: usize, change: impl Fn(usize) -> String) {
    let mut sql = format!("CREATE TEMPORARY TABLE copied AS SELECT * FROM {table};");
    for copy in 1..=copies {
        sql += &format!("UPDATE copied SET {}; INSERT INTO {table} SELECT * FROM copied;", change(copy));
    }
    stage.raw_sql(sql).await;
}

/// Puts a driver of one INF into the catalog, in a folder of its own.
async fn catalog(stage: &Stage, name: &str, text: &str, is_enabled: bool) -> i64 {
    let root = stage.source(&format!("drivers/{name}"), &[]);
    write(&root.join(format!("{name}.inf")), text);
    write(&root.join(format!("{name}.sys")), name);
    import(stage, &format!("drivers/{name}"), &format!("{name}.inf"), is_enabled).await.ci_id
}

on_both! {
    async fn each_device_gets_its_best_enabled_driver(stage: &Stage) {
        let id = r"PCI\VEN_8086&DEV_0001";
        let old = catalog(stage, "old", &inf("old", id, "01/02/2024,9.0.0.0"), true).await;
        let new = catalog(stage, "new", &inf("new", id, "01/02/2025,1.0.0.0"), true).await;
        let newest = catalog(stage, "newest", &inf("newest", id, "01/02/2026,1.0.0.0"), false).await;
        let close = format!(r"{id}&REV_01");
        let exact = catalog(stage, "exact", &inf("exact", &close, "01/02/2020,1.0.0.0"), true).await;
        let best = |report: &MatchReport| report.devices.iter().map(|d| d.best.as_ref().map(|b| b.ci_id)).collect::<Vec<_>>();
        // Newer wins, the disabled one is not asked; a more specific id wins over any date; ids have no case.
        let devices = [ids(&[id], &[]), ids(&[&close, &id.to_lowercase()], &[]), ids(&[r"PCI\NONE"], &[r"PCI\CC_0200"])];
        let report = matched(stage, &devices).await;
        assert_eq!(best(&report), [Some(new), Some(exact), None]);
        assert_eq!(report.devices[1].ids, devices[1]);
        let reasons = report.devices[0].best.as_ref().unwrap().reasons.join("; ");
        assert!(reasons.contains("hardware id 1 of the device") && reasons.contains("2025-01-02"), "{reasons}");
        assert_eq!(report.ci_ids(), [new, exact]);
        // The install section's own DriverVer counts instead of the driver's.
        let own = inf("own", id, "01/02/2020,1.0").replace("[Install.NT]\n", "[Install.NT]\nDriverVer=01/02/2027,1.0\n");
        let own = catalog(stage, "own", &own, true).await;
        assert_eq!(best(&matched(stage, &devices[..1]).await), [Some(own)]);
        stage.site.delete_driver(&admin(), own).await.unwrap();
        // By a compatible id of the device, which ranks below any hardware id.
        let report = matched(stage, &[ids(&[r"PCI\X"], &[id])]).await;
        let by = report.devices[0].best.as_ref().unwrap();
        assert_eq!((by.ci_id, by.rank & 0xF000), (new, 0x2000));
        for gone in [new, exact] {
            stage.site.delete_driver(&admin(), gone).await.unwrap();
        }
        assert_eq!(best(&matched(stage, &devices[..1]).await), [Some(old)]);
        assert_ne!(old, newest);
        // A system that the driver is not for.
        let other = Os { architecture: Architecture::Arm64, ..windows_11() };
        let request = MatchRequest { os: other, devices: devices.to_vec() };
        assert_eq!(best(&stage.site.match_drivers(&admin(), request).await.unwrap()), [None, None, None]);
    }

    async fn extensions_come_beside_and_components_along(stage: &Stage) {
        let id = r"PCI\VEN_8086&DEV_0001";
        let base = inf("base", id, "01/02/2025,1.0").replace("CopyFiles=Files\n", "CopyFiles=Files\n[Install.NT.Components]\n\
            AddComponent=Panel,,Add\n[Add]\nComponentIDs=VEN8086PANEL\n");
        let base = catalog(stage, "base", &base, true).await;
        let extension = |name: &str, date: &str| inf_with(name, id, date, "Class=Extension\n\
            ClassGuid={e2f84ce7-8efa-411c-aa69-97454ca4cb57}\nExtensionId={11111111-2222-3333-4444-555555555555}");
        catalog(stage, "ext1", &extension("ext1", "01/02/2024,1.0"), true).await;
        let ext = catalog(stage, "ext2", &extension("ext2", "01/02/2025,1.0"), true).await;
        let component = inf_with("panel", r"SWC\VEN8086PANEL", "01/02/2025,1.0", "Class=SoftwareComponent\n\
            ClassGuid={5c4c3332-344d-483c-8739-259e934c9cc8}");
        let component = catalog(stage, "panel", &component, true).await;
        let report = matched(stage, &[ids(&[id], &[])]).await;
        let device = &report.devices[0];
        assert_eq!(device.best.as_ref().map(|best| best.ci_id), Some(base));
        assert_eq!(device.extensions.iter().map(|ext| ext.ci_id).collect::<Vec<_>>(), [ext]);
        let components: Vec<_> = report.components.iter().filter_map(|c| c.best.as_ref()).map(|b| b.ci_id).collect();
        assert_eq!(components, [component]);
    }

    async fn components_may_add_components(stage: &Stage) {
        let adds = |text: String, id: &str| text.replace("CopyFiles=Files\n", &format!("CopyFiles=Files\n\
            [Install.NT.Components]\nAddComponent=Panel,,Add\n[Add]\nComponentIDs={id}\n"));
        let component = |name: &str, date: &str| inf_with(name, &format!(r"SWC\{name}"), date, "Class=SoftwareComponent\n\
            ClassGuid={5c4c3332-344d-483c-8739-259e934c9cc8}");
        let id = r"PCI\VEN_8086&DEV_0001";
        let base = catalog(stage, "base", &adds(inf("base", id, "01/02/2025,1.0"), "ONE"), true).await;
        let one = catalog(stage, "one", &adds(component("one", "01/02/2025,1.0"), "TWO"), true).await;
        // A circle: what TWO adds is there already.
        let two = catalog(stage, "two", &adds(component("two", "01/02/2025,1.0"), "One"), true).await;
        catalog(stage, "three", &component("three", "01/02/2025,1.0"), true).await;
        let found = |report: &MatchReport| {
            let all = report.components.iter().map(|component| {
                (component.ids.hardware_ids[0].clone(), component.best.as_ref().map(|best| best.ci_id))
            });
            all.collect::<Vec<_>>()
        };
        let along = vec![(r"SWC\one".to_owned(), Some(one)), (r"SWC\two".to_owned(), Some(two))];
        let report = matched(stage, &[ids(&[id], &[])]).await;
        assert_eq!(found(&report), along);
        assert_eq!(report.ci_ids(), [base, one, two]);
        // A machine that has the component already names it as a device.
        assert_eq!(found(&matched(stage, &[ids(&[id], &[]), ids(&[r"SWC\one"], &[])]).await), along);
    }

    async fn the_answer_says_where_the_content_is(stage: &Stage) {
        let one = driver(stage, "one").await;
        let device = [ids(&[r"PCI\VEN_8086&DEV_one"], &[])];
        let package = empty_package(stage, "pkg").await;
        let places = async || {
            let report = matched(stage, &device).await;
            (report.devices[0].best.clone().unwrap().places, report.packages)
        };
        let nowhere = (Vec::new(), BTreeMap::new());
        add(stage, &package, &[&one], true).await;
        assert_eq!(places().await, nowhere, "no version has it yet");
        let package = publish(stage, &package).await;
        let point = stage.point("dp1").await;
        stage.assign(&package, &[&point]).await;
        let id = package.package_id.clone();
        assert_eq!(places().await.1[&id].urls, [""; 0]);
        stage.report(&package, &point, installed(1)).await;
        let folder = format!("one_{}", &one.hash[..16]);
        let offered = OfferedPackage {
            name: package.fields.name.clone(),
            version: package.fields.version.clone(),
            stored_version: 1,
            urls: vec![format!("http://dp1:8540/SMS_DP_SMSPKG$/{id}")],
        };
        let there = vec![ContentPlace { package_id: id.clone(), sub_folder: folder }];
        assert_eq!(places().await, (there, BTreeMap::from([(id.clone(), offered)])));
        for (is_on, urls) in [(true, 0), (false, 1)] {
            stage.site.set_maintenance(&admin(), &point.nal, is_on).await.unwrap();
            assert_eq!(places().await.1[&id].urls.len(), urls, "nobody is sent to one in maintenance mode");
        }
        stage.site.revoke_dp(&admin(), "dp1").await.unwrap();
        assert_eq!(places().await.1[&id].urls, [""; 0], "somebody else may answer there");
        let point = stage.point("dp1").await;
        stage.report(&package, &point, installed(1)).await;
        assert_eq!(places().await.1[&id].urls.len(), 1);
        // Taken out: gone with the next version, not before.
        stage.site.remove_driver_content(&admin(), &package.package_id, &[one.content_id], false).await.unwrap();
        assert_eq!(places().await, nowhere);
    }

    async fn what_was_matched_can_be_read(stage: &Stage) {
        let (one, two) = (driver(stage, "one").await, driver(stage, "two").await);
        let package = empty_package(stage, "pkg").await;
        add(stage, &package, &[&one], true).await;
        publish(stage, &package).await;
        let read_both = async || {
            let download = stage.site.driver_files(&admin(), &[one.ci_id, two.ci_id, one.ci_id]).await.unwrap();
            read_all(download).await
        };
        let first = read_both().await;
        assert_eq!(first.len(), 6);
        assert!(first.iter().all(|(_, done, _)| *done == Ok(true)), "{first:?}");
        assert!(first.iter().any(|(name, _, text)| name.ends_with("/two.sys") && text == "code of two"));
        // One is read from the stored version, whatever became of its folder; two only from its own.
        std::fs::remove_dir_all(stage.source("drivers/one", &[])).unwrap();
        assert_eq!(read_both().await, first);
        let download = stage.site.driver_files(&admin(), &[two.ci_id]).await.unwrap();
        write(&stage.source("drivers/two", &[]).join("two.sys"), "CODE of two");
        let read = read_all(download).await;
        let changed = read.iter().find(|(name, ..)| name.ends_with("two.sys")).unwrap();
        assert_eq!(changed.1, Err(ErrorKind::InvalidData));
        assert_eq!(code(stage.site.driver_files(&admin(), &[two.ci_id]).await), "driver_source_changed");
        assert_eq!(code(stage.site.driver_files(&admin(), &[99]).await), "driver_not_found");
        assert_eq!(code(stage.site.driver_files(&admin(), &[]).await), "invalid_field");
    }

    async fn a_folder_that_dies_ends_its_download(stage: &Stage) {
        let one = driver(stage, "one").await;
        let download = stage.site.driver_files(&admin(), &[one.ci_id]).await.unwrap();
        // The folder was found and proved; the first file hangs.
        let source = SourcePath::parse(r"\\srv\src\drivers\one", &stage.options.shares).unwrap();
        let (hung, gate) = mpsc::channel::<()>();
        stage.site.sources().gates.lock().unwrap().push((source, gate));
        let read = tokio::spawn(read_all(download));
        while !stage.site.sources().any_left() {
            stage.clock.advance(Duration::from_secs(15));
            tokio::task::yield_now().await;
        }
        // It is known to be dead, so the others need not wait.
        let done: Vec<_> = read.await.unwrap().into_iter().map(|(_, done, _)| done).collect();
        assert_eq!(done, [Err(ErrorKind::TimedOut); 3]);
        assert_eq!(code(stage.site.driver_files(&admin(), &[one.ci_id]).await), "source_unusable");
        drop(hung);
        while stage.site.sources().any_left() {
            std::thread::yield_now();
        }
        let again = stage.site.driver_files(&admin(), &[one.ci_id]).await.unwrap();
        assert!(read_all(again).await.iter().all(|(_, done, _)| *done == Ok(true)));
    }

    async fn more_machines_than_can_wait_are_put_off(stage: &Stage) {
        let all = stage.site.matching().fill();
        let request = || MatchRequest { os: windows_11(), devices: vec![ids(&["a"], &[])] };
        assert_eq!(code(stage.site.match_drivers(&admin(), request()).await), "busy");
        drop(all);
        stage.site.match_drivers(&admin(), request()).await.unwrap();
    }

    async fn of_many_packages_and_points_some_are_named(stage: &Stage) {
        let one = driver(stage, "one").await;
        let package = empty_package(stage, "pkg").await;
        add(stage, &package, &[&one], true).await;
        let package = publish(stage, &package).await;
        let point = stage.point("dp000").await;
        stage.assign(&package, &[&point]).await;
        stage.report(&package, &point, installed(1)).await;
        // The same package and the same point over and over, by other ids.
        let other_package = |n: usize| format!("package_id = 'PX1{n:05}'");
        copy_row(stage, "package", 40, other_package).await;
        copy_row(stage, "package_content", 40, other_package).await;
        let other_point = |n: usize| {
            let hashes = "secret_hash = NULL, certificate_fingerprint = NULL";
            format!("id = 1000 + {n}, name = 'dp{n:03}', name_key = 'dp{n:03}', {hashes}")
        };
        copy_row(stage, "dp", 150, other_point).await;
        copy_row(stage, "distribution", 150, |n| format!("dp_id = 1000 + {n}, revision = 1000 + {n}")).await;
        let report = matched(stage, &[ids(&[r"PCI\VEN_8086&DEV_one"], &[])]).await;
        assert_eq!(report.devices[0].best.as_ref().unwrap().places.len(), 16);
        assert_eq!(report.packages.len(), 16);
        assert_eq!(report.packages[&package.package_id].urls.len(), 100);
    }

    async fn a_catalog_full_of_one_id_stops_no_processor(stage: &Stage) {
        let id = r"PCI\VEN_8086&DEV_0001";
        let line = format!("%Device%=Install,{id}\n");
        let text = inf("many", id, "01/02/2025,1.0").replace(&line, &line.repeat(5_000));
        let many = catalog(stage, "many", &text, true).await;
        let request = |count| MatchRequest { os: windows_11(), devices: vec![ids(&[id], &[]); count] };
        let refused = stage.site.match_drivers(&admin(), request(1_001)).await.unwrap_err();
        assert!(refused.to_string().contains("ask for fewer devices"), "{refused}");
        assert_eq!(stage.site.match_drivers(&admin(), request(10)).await.unwrap().ci_ids(), [many]);
    }

    async fn limits_have_names(stage: &Stage) {
        let long = "x".repeat(201);
        let many: Vec<String> = (0..257).map(|number| number.to_string()).collect();
        for devices in [
            Vec::new(),
            vec![ids(&["a"], &[]); 1025],
            vec![ids(&[&long], &[])],
            vec![ids(&["a\0b"], &[])],
            vec![DeviceIds { hardware_ids: many[..250].to_vec(), compatible_ids: Vec::new() }; 81],
            vec![DeviceIds { hardware_ids: many, compatible_ids: Vec::new() }],
        ] {
            let request = MatchRequest { os: windows_11(), devices };
            assert_eq!(code(stage.site.match_drivers(&admin(), request).await), "invalid_field");
        }
    }

    async fn a_model_gets_its_package(stage: &Stage) {
        let choose = async |sku: &str, release: &str| -> PackageChoice {
            let machine = MachineModel {
                manufacturer: "Dell Inc.".to_owned(),
                model: "Latitude 7440".to_owned(),
                sku: sku.to_owned(),
                fallback_sku: String::new(),
            };
            let os = TargetOs {
                name: "Windows 11".to_owned(),
                architecture: Architecture::Amd64,
                release: release.to_owned(),
                older_releases: false,
            };
            stage.site.choose_package(&admin(), ModelRequest { machine, os }).await.unwrap()
        };
        let make = async |name: &str, release: &str| {
            stage.source(name, &[("a.inf", name)]);
            let new = NewPackage {
                name: format!("Drivers - Dell Latitude 7440 - Windows 11 {release} x64"),
                description: "(Models included:0C1D;0C1E)".to_owned(),
                manufacturer: "Dell".to_owned(),
                ..with_source(name)
            };
            stage.site.create_package(&admin(), new).await.unwrap()
        };
        let (older, newer) = (make("a", "22H2").await, make("b", "23H2").await);
        assert_eq!(choose("0C1D", "23H2").await.chosen, None, "nothing is stored yet");
        stage.site.run_due_snapshots().await.unwrap();
        let newer = stage.site.package(&newer.package_id).await.unwrap();
        let point = stage.point("dp1").await;
        stage.assign(&newer, &[&point]).await;
        stage.report(&newer, &point, installed(1)).await;
        let choice = choose("0c1d", "23H2").await;
        let chosen = choice.chosen.unwrap();
        assert_eq!((chosen.package_id.as_str(), chosen.stored_version), (newer.package_id.as_str(), 1));
        assert_eq!(chosen.urls, [format!("http://dp1:8540/SMS_DP_SMSPKG$/{}", newer.package_id)]);
        let why: Vec<(bool, bool)> = choice.verdicts.iter().map(|v| (v.chosen, v.reason.is_empty())).collect();
        assert_eq!(why, [(false, false), (true, false)]);
        assert_eq!(choose("0C1D", "22H2").await.chosen.unwrap().package_id, older.package_id);
        assert_eq!(choose("0C1D", "21H2").await.chosen, None);
        let request = ModelRequest {
            machine: MachineModel { model: "x".repeat(513), ..MachineModel::default() },
            os: TargetOs { name: String::new(), architecture: Architecture::Amd64, release: String::new(), older_releases: false },
        };
        assert_eq!(code(stage.site.choose_package(&admin(), request).await), "invalid_field");
    }
}
