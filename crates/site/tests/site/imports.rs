//! Imports of drivers: what is found, what becomes of it, and that nothing is lost or done twice.

use std::io::Cursor;
use std::path::PathBuf;
use std::sync::Arc;

use driver::archive::ZipWriter;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use site::{
    Actor, Duplicates, FetchError, ImportProgress, ImportRequest, ImportSource, ImportState, PackFetcher,
    PackFile, PackHashes, Role, Site, SiteOptions,
};

use crate::drivers::{category, rows};
use crate::inf::{INVALID, driver_folder, inf, inf_for, unc};
use crate::stage::{Stage, admin, code};

pub(crate) fn request(sources: &[&str]) -> ImportRequest {
    let sources = sources.iter().map(|path| ImportSource::Path((*path).to_owned())).collect();
    ImportRequest { sources, ..ImportRequest::default() }
}

/// Asks for an import and does it.
async fn import(stage: &Stage, request: ImportRequest) -> (i64, ImportProgress) {
    let id = stage.site.start_import(&admin(), request).await.unwrap();
    assert_eq!(stage.site.run_due_imports().await.unwrap(), 1);
    (id, stage.site.import_progress(id).await.unwrap())
}

/// Outcome and path of each item, by path.
async fn outcomes(stage: &Stage, id: i64) -> Vec<(String, String)> {
    let wql = format!(
        "SELECT Path, Outcome FROM Haulier_DriverImportItem WHERE ImportID = {id} ORDER BY SourceIndex, Path"
    );
    rows(stage, &wql).await.into_iter().map(|row| (row[0].clone(), row[1].clone())).collect()
}

fn counts(progress: &ImportProgress) -> [u64; 5] {
    let ImportProgress { infs_found, infs_done, imported, already_imported, failed, .. } = *progress;
    [infs_found, infs_done, imported, already_imported, failed]
}

fn pairs(expect: &[(&str, &str)]) -> Vec<(String, String)> {
    expect.iter().map(|(path, outcome)| ((*path).to_owned(), (*outcome).to_owned())).collect()
}

/// A cabinet of text files.
fn cabinet(compression: cab::CompressionType, files: &[(&str, &str)]) -> Vec<u8> {
    let mut builder = cab::CabinetBuilder::new();
    let folder = builder.add_folder(compression);
    for (name, _) in files {
        folder.add_file(*name);
    }
    let mut writer = builder.build(Cursor::new(Vec::new())).unwrap();
    for (_, text) in files {
        let mut file = writer.next_file().unwrap().expect("one for each file");
        std::io::Write::write_all(&mut file, text.as_bytes()).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

/// A zip archive of text files.
fn zip(files: &[(&str, &str)]) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, text) in files {
        zip.add(name, text.len() as u64, &mut text.as_bytes()).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

/// Gives the same bytes for every address, in small pieces.
#[derive(Debug)]
struct Shelf(Vec<u8>);

impl PackFetcher for Shelf {
    fn fetch<'a>(&'a self, url: &'a str, into: &'a mut PackFile) -> BoxFuture<'a, Result<(), FetchError>> {
        async move {
            if url.contains("missing") {
                return Err(FetchError::Failed("the server answers 404".to_owned()));
            }
            for piece in self.0.chunks(100) {
                into.write(piece).await?;
            }
            Ok(())
        }
        .boxed()
    }
}

/// A folder of the driver corpus, where it is at hand.
fn corpus(test: &str, folder: &str) -> Option<String> {
    let default = || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpus");
    let path = std::env::var_os("HAULIER_CORPUS").map_or_else(default, PathBuf::from).join(folder);
    match path.canonicalize() {
        Ok(path) => Some(path.to_str().unwrap().to_owned()),
        Err(_) => {
            eprintln!("NOT RUN: {test}: no driver corpus");
            None
        }
    }
}

on_both! {
    async fn corpus_good_packages_are_imported_and_broken_ones_said(stage: &Stage) {
        let test = "corpus_good_packages_are_imported_and_broken_ones_said";
        let (Some(good), Some(broken)) = (corpus(test, "packages"), corpus(test, "packages-broken")) else { return };
        let (_, progress) = import(stage, request(&[&good])).await;
        let failed = "SELECT Path, Outcome, Reason FROM Haulier_DriverImportItem WHERE Outcome <> 'imported' AND Outcome <> 'already imported'";
        assert_eq!(rows(stage, failed).await, Vec::<Vec<String>>::new());
        assert!(progress.imported > 10 && progress.failed == 0, "{progress:?}");
        // What is odd about the broken ones is no reason to refuse them, but it is said.
        let (id, progress) = import(stage, request(&[&broken])).await;
        assert_eq!((progress.infs_done, progress.failed), (progress.infs_found, 0), "{progress:?}");
        let silent = format!("SELECT Path, Diagnostics FROM Haulier_DriverImportItem WHERE ImportID = {id} AND Diagnostics IS NULL");
        assert_eq!(rows(stage, &silent).await, Vec::<Vec<String>>::new());
    }

    async fn corpus_every_inf_file_has_an_outcome(stage: &Stage) {
        let Some(infs) = corpus("corpus_every_inf_file_has_an_outcome", "inf") else { return };
        let (id, progress) = import(stage, request(&[&infs])).await;
        assert_eq!(progress.state, ImportState::Done);
        let all = progress.imported + progress.already_imported + progress.failed;
        assert_eq!((progress.infs_done, all), (progress.infs_found, progress.infs_found), "{progress:?}");
        assert!(progress.infs_found > 300 && progress.imported > 250, "{progress:?}");
        let stored = format!("SELECT Path, Reason FROM Haulier_DriverImportItem WHERE ImportID = {id} AND Reason LIKE '%store it%'");
        assert_eq!(rows(stage, &stored).await, Vec::<Vec<String>>::new());
        let drivers = rows(stage, "SELECT CI_ID FROM SMS_Driver").await.len() as u64;
        assert_eq!(drivers, progress.imported);
    }

    async fn a_folder_full_of_drivers_is_imported_with_what_failed(stage: &Stage) {
        driver_folder(stage, "pack/net/one", "VEN_1");
        driver_folder(stage, "pack/net/two", "VEN_2");
        driver_folder(stage, "pack/copy of one", "VEN_1");
        stage.source("pack", &[("bad/bad.inf", INVALID), ("old.INF", &inf_for("NTia64", "VEN_3")), ("readme.txt", "x")]);
        let net = category(stage, "Net").await;
        let request = ImportRequest { categories: vec![net.clone()], enable: true, ..request(&[&unc("pack")]) };
        let (id, progress) = import(stage, request).await;
        assert_eq!((id, progress.state, counts(&progress)), (1, ImportState::Done, [5, 5, 2, 1, 2]));
        assert_eq!(progress.files, 9);
        let found = outcomes(stage, id).await;
        let first = found.iter().position(|(_, outcome)| outcome == "imported").unwrap();
        assert!([0, 1, 2].contains(&first), "{found:?}");
        let mut others: Vec<_> = found.iter().filter(|(path, _)| !path.contains("one")).cloned().collect();
        others.sort();
        assert_eq!(others, pairs(&[("bad/bad.inf", "invalid"), ("net/two/nic.inf", "imported"), ("old.INF", "no supported platform")]));
        // Of two copies one is the driver, whichever thread was first.
        let mut copies: Vec<_> = found.iter().filter(|(path, _)| path.contains("one")).map(|(_, outcome)| outcome.as_str()).collect();
        copies.sort_unstable();
        assert_eq!(copies, ["already imported", "imported"]);
        let drivers = rows(stage, "SELECT ContentSourcePath, IsEnabled, LocalizedCategoryInstanceNames, CreatedBy FROM SMS_Driver WHERE LocalizedDisplayName LIKE '%VEN_2'").await;
        assert_eq!(drivers, [[r"\\srv\src\pack\net\two", "true", "Net", "admin"]]);
        let codes = rows(stage, "SELECT ErrorCode FROM Haulier_DriverImportItem WHERE Reason <> '' ORDER BY ErrorCode").await;
        assert_eq!(codes, [["13"], ["183"], ["1633"]]);
        let shown = rows(stage, "SELECT StateName, Sources, Categories, Duplicates, INFsDone, RequestedBy FROM Haulier_DriverImport").await;
        assert_eq!(shown, [["done", &unc("pack"), &net, "append", "5", "admin"]]);
        assert_eq!(stage.message_ids().await, [39050, 39008, 39010]);
        assert_eq!(stage.site.run_due_imports().await.unwrap(), 0);
    }

    async fn a_vendors_pack_comes_in_whole(stage: &Stage) {
        let root = stage.source("vendor", &[]);
        samples::write_pack(&root, &samples::PackSpec { drivers: 5, ..samples::PackSpec::default() }).unwrap();
        let (_, progress) = import(stage, request(&[&unc("vendor")])).await;
        assert_eq!(progress.failed, 0, "{:?}", rows(stage, "SELECT Path, Reason, Diagnostics FROM Haulier_DriverImportItem").await);
        assert!(progress.imported >= 5 && progress.imported == progress.infs_found, "{progress:?}");
        assert!(progress.bytes_read > 500_000, "{progress:?}");
        let drivers = rows(stage, "SELECT CI_ID FROM SMS_Driver").await.len();
        assert_eq!(drivers as u64, progress.imported);
        let incomplete = "SELECT Name, MissingFiles FROM Haulier_DriverDetail WHERE IsComplete = FALSE";
        assert_eq!(rows(stage, incomplete).await, Vec::<Vec<String>>::new());
        // The same again changes nothing.
        let (_, again) = import(stage, request(&[&unc("vendor")])).await;
        assert_eq!((again.imported, again.already_imported), (0, progress.imported));
        assert_eq!(rows(stage, "SELECT CI_ID FROM SMS_Driver").await.len(), drivers);
    }

    async fn duplicates_are_handled_as_asked(stage: &Stage) {
        let path = driver_folder(stage, "a", "VEN_1");
        let (old, new) = (category(stage, "Old").await, category(stage, "New").await);
        import(stage, ImportRequest { categories: vec![old], ..request(&[&path]) }).await;
        for (duplicates, outcome, names) in [
            (Duplicates::Skip, "skipped", "Old"),
            (Duplicates::KeepCategories, "already imported", "Old"),
            (Duplicates::AppendCategories, "already imported", "Old|New"),
            (Duplicates::OverwriteCategories, "already imported", "New"),
        ] {
            let request = ImportRequest { categories: vec![new.clone()], duplicates, enable: true, ..request(&[&path]) };
            let (id, progress) = import(stage, request).await;
            assert_eq!(counts(&progress), [1, 1, 0, 1, 0], "{duplicates:?}");
            assert_eq!(outcomes(stage, id).await, pairs(&[("nic.inf", outcome)]), "{duplicates:?}");
            let shown = rows(stage, "SELECT LocalizedCategoryInstanceNames, IsEnabled FROM SMS_Driver").await;
            assert_eq!(shown, [[names, "false"]], "{duplicates:?}");
            assert_eq!(duplicates.name().parse::<Duplicates>().unwrap(), duplicates);
        }
    }

    async fn sources_that_cannot_be_read_do_not_stop_the_others(stage: &Stage) {
        driver_folder(stage, "good", "VEN_1");
        stage.source("x", &[("text.zip", "no archive")]);
        let (missing, text) = (unc("missing"), unc("x/text.zip"));
        let (id, progress) = import(stage, request(&[&missing, &unc("good"), &text])).await;
        assert_eq!((progress.state, counts(&progress)), (ImportState::Done, [1, 1, 1, 0, 2]));
        let found = outcomes(stage, id).await;
        assert_eq!(found, pairs(&[("", "source failed"), ("nic.inf", "imported"), ("", "source failed")]));
        // Nothing could be read at all: the import failed, and says why.
        let (id, progress) = import(stage, request(&[&missing])).await;
        assert_eq!(progress.state, ImportState::Failed);
        assert!(progress.fault.starts_with(&missing) && progress.fault.contains("does not exist"), "{}", progress.fault);
        assert_eq!(rows(stage, &format!("SELECT StateName, FaultCode FROM Haulier_DriverImport WHERE ImportID = {id}")).await, [["failed", "sources_failed"]]);
        assert_eq!(stage.message_ids().await.last(), Some(&39011));
    }

    async fn one_bad_folder_does_not_stop_the_others(stage: &Stage) {
        driver_folder(stage, "pack/good", "VEN_1");
        driver_folder(stage, "pack/around", "VEN_2");
        let deep = format!("pack/around{}", "/d".repeat(70));
        stage.source(&deep, &[("x.txt", "x")]);
        let (id, progress) = import(stage, request(&[&unc("pack")])).await;
        assert_eq!((progress.state, counts(&progress)), (ImportState::Done, [2, 2, 1, 0, 2]));
        let left_out = format!("around{}/", "/d".repeat(64));
        let expect = [(left_out.as_str(), "unreadable"), ("around/nic.inf", "invalid"), ("good/nic.inf", "imported")];
        let mut found = outcomes(stage, id).await;
        found.sort_by_key(|(path, _)| (!path.ends_with('/'), path.clone()));
        assert_eq!(found, pairs(&expect));
        let said = rows(stage, &format!("SELECT Reason FROM Haulier_DriverImportItem WHERE ImportID = {id} AND Reason LIKE '%nested%'")).await;
        assert_eq!(said.len(), 2, "{said:?}");
        // A client that asks for the INF file hears the same.
        assert_eq!(code(stage.site.analyze_inf(&admin(), &unc("pack/around"), "nic.inf").await), "driver_invalid");
    }

    async fn what_no_package_can_hold_is_not_imported(stage: &Stage) {
        for (name, file, text) in [("case", "NIC.sys", "other bytes"), ("same", "NIC.sys", "VEN_same"), ("name", "a:b.txt", "x"), ("folder", "Nic.sys/x", "x")] {
            driver_folder(stage, &format!("pack/{name}"), &format!("VEN_{name}"));
            stage.source(&format!("pack/{name}"), &[(file, text)]);
        }
        driver_folder(stage, "pack/link", "VEN_link");
        let link = stage.source("pack/link", &[]).join("other.sys");
        std::os::unix::fs::symlink("nic.sys", link).unwrap();
        let (id, progress) = import(stage, request(&[&unc("pack")])).await;
        assert_eq!((progress.state, counts(&progress)), (ImportState::Done, [5, 5, 1, 0, 4]));
        let expect = [("case", "invalid"), ("folder", "invalid"), ("link", "invalid"), ("name", "invalid"), ("same", "imported")];
        let expect = expect.map(|(name, outcome)| (format!("{name}/nic.inf"), outcome.to_owned()));
        assert_eq!(outcomes(stage, id).await, expect);
        for (name, said) in [("case", "only in case"), ("folder", "only in case"), ("link", "other.sys: a symbolic link"), ("name", "a:b.txt")] {
            let wql = format!("SELECT ErrorCode FROM Haulier_DriverImportItem WHERE Path = '{name}/nic.inf' AND Reason LIKE '%{said}%'");
            assert_eq!(rows(stage, &wql).await, [["13"]], "{name}");
            assert_eq!(code(stage.site.analyze_inf(&admin(), &unc(&format!("pack/{name}")), "nic.inf").await), "driver_invalid");
        }
    }

    async fn cabinets_are_unpacked_too(stage: &Stage) {
        let root = stage.source("archives", &[]);
        for (name, compression, id) in [("plain.cab", cab::CompressionType::None, "VEN_1"), ("small.CAB", cab::CompressionType::MsZip, "VEN_2")] {
            let bytes = cabinet(compression, &[(r"net\nic.inf", &inf(id)), (r"net\nic.sys", id), ("readme.txt", "x")]);
            std::fs::write(root.join(name), bytes).unwrap();
        }
        let half = cabinet(cab::CompressionType::MsZip, &[("nic.inf", &inf("VEN_3")), ("nic.sys", "x")]);
        std::fs::write(root.join("half.cab"), &half[..half.len() - 10]).unwrap();
        let sources = ["archives/plain.cab", "archives/half.cab", "archives/small.CAB"].map(unc);
        let (id, progress) = import(stage, request(&sources.each_ref().map(String::as_str))).await;
        assert_eq!((progress.state, counts(&progress), progress.files), (ImportState::Done, [2, 2, 2, 0, 1], 6));
        let expect = [("net/nic.inf", "imported"), ("", "source failed"), ("net/nic.inf", "imported")];
        assert_eq!(outcomes(stage, id).await, pairs(&expect));
        let complete = rows(stage, "SELECT Name FROM Haulier_DriverDetail WHERE IsComplete = TRUE AND ContentFiles = 2").await;
        assert_eq!(complete.len(), 2);
        let left: Vec<_> = std::fs::read_dir(stage.options.data_dir.join("drivers")).unwrap().collect();
        assert_eq!(left.len(), 2, "nothing is left of the half one: {left:?}");
    }

    async fn requests_are_checked_before_they_are_accepted(stage: &Stage) {
        let site = &stage.site;
        let many: Vec<String> = (0..1001).map(|number| unc(&number.to_string())).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        let md5 = PackHashes { md5: Some("0".repeat(32)), ..PackHashes::default() };
        let url = |url: &str| ImportRequest {
            sources: vec![ImportSource::Pack { location: url.to_owned(), size_bytes: None, hashes: md5.clone() }],
            ..ImportRequest::default()
        };
        for bad in [request(&[]), request(&many), request(&["relative"]), request(&["/a\nb"]), url("https://example.test/a.cab")] {
            assert_eq!(code(site.start_import(&admin(), bad).await), "invalid_field");
        }
        let unknown = ImportRequest { categories: vec!["DriverCategories:x".to_owned()], ..request(&[&unc("a")]) };
        assert_eq!(code(site.start_import(&admin(), unknown).await), "category_not_found");
        for (role, allowed) in [(Role::Reader, false), (Role::Operator, false), (Role::Author, true)] {
            let actor = Actor::new("x", role);
            assert_eq!(site.start_import(&actor, request(&[&unc("a")])).await.is_ok(), allowed, "{role}");
            assert_eq!(site.cancel_import(&actor, 1).await.is_ok(), allowed, "{role}");
        }
        assert_eq!(code(site.cancel_import(&admin(), 99).await), "import_not_found");
        assert_eq!(code(site.import_progress(99).await), "import_not_found");
    }

    async fn a_cancelled_import_is_not_begun(stage: &Stage) {
        let path = driver_folder(stage, "a", "VEN_1");
        let id = stage.site.start_import(&admin(), request(&[&path])).await.unwrap();
        stage.site.cancel_import(&admin(), id).await.unwrap();
        stage.site.cancel_import(&admin(), id).await.unwrap();
        assert_eq!(stage.site.run_due_imports().await.unwrap(), 0);
        assert_eq!(stage.site.import_progress(id).await.unwrap().state, ImportState::Cancelled);
        assert_eq!(stage.message_ids().await, [39008, 39009]);
        assert_eq!(rows(stage, "SELECT * FROM SMS_Driver").await.len(), 0);
    }

    async fn archives_are_unpacked_into_the_sites_own_data(stage: &Stage) {
        let root = stage.source("archives", &[]);
        let files = [("net/nic.inf", inf("VEN_1")), ("net/nic.sys", "x".to_owned())];
        let files: Vec<(&str, &str)> = files.iter().map(|(name, text)| (*name, text.as_str())).collect();
        std::fs::write(root.join("pack.zip"), zip(&files)).unwrap();
        std::fs::write(root.join("evil.zip"), zip_with_dots()).unwrap();
        let (id, progress) = import(stage, request(&[&unc("archives/pack.zip"), &unc("archives/evil.zip")])).await;
        assert_eq!((progress.state, counts(&progress)), (ImportState::Done, [1, 1, 1, 0, 1]));
        assert_eq!(outcomes(stage, id).await, pairs(&[("net/nic.inf", "imported"), ("", "source failed")]));
        let path = rows(stage, "SELECT ContentSourcePath FROM SMS_Driver").await.remove(0).remove(0);
        assert!(path.starts_with(r"\\srv.example.test\HaulierDrivers$\") && path.ends_with(r"\net"), "{path}");
        let unpacked = stage.options.data_dir.join("drivers");
        let folders = || std::fs::read_dir(&unpacked).unwrap().count();
        assert_eq!(folders(), 1, "nothing is left of the other one");
        // The drivers' files can be read there, but a package cannot take them for its own.
        let again = stage.site.analyze_inf(&admin(), &path, "nic.inf").await;
        assert_eq!(code(again), "driver_already_imported");
        // The same archive again is not unpacked again.
        let (_, progress) = import(stage, request(&[&unc("archives/pack.zip")])).await;
        assert_eq!((progress.already_imported, folders()), (1, 1));
    }

    async fn packs_are_fetched_and_must_be_what_the_vendor_says(stage: &Stage) {
        let text = inf("VEN_1");
        let pack = zip(&[("nic.inf", text.as_str()), ("nic.sys", "x")]);
        let size = pack.len() as u64;
        let sha256 = hex::encode(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &pack));
        let options = SiteOptions { pack_fetcher: Some(Arc::new(Shelf(pack))), ..stage.options.clone() };
        let site = Site::open(&options, stage.clock.clone()).await.unwrap();
        let wrong = "0".repeat(64);
        for (name, size_bytes, hash, expect) in [
            ("missing", None, &sha256, "404"),
            ("small", Some(size - 1), &sha256, "more than"),
            ("large", Some(size + 1), &sha256, "and not"),
            ("wrong", Some(size), &wrong, "SHA-256"),
            ("good", Some(size), &sha256, ""),
        ] {
            let hashes = PackHashes { sha256: Some(hash.clone()), ..PackHashes::default() };
            let source = ImportSource::Pack { location: format!("https://example.test/{name}.zip"), size_bytes, hashes };
            let request = ImportRequest { sources: vec![source], ..ImportRequest::default() };
            let id = site.start_import(&admin(), request).await.unwrap();
            site.run_due_imports().await.unwrap();
            let progress = site.import_progress(id).await.unwrap();
            assert_eq!(progress.state == ImportState::Done, expect.is_empty(), "{name}: {progress:?}");
            assert!(progress.fault.contains(expect), "{name}: {}", progress.fault);
            let folders = std::fs::read_dir(options.data_dir.join("drivers")).unwrap().count();
            assert_eq!(folders, usize::from(expect.is_empty()), "{name}");
        }
        assert_eq!(rows(stage, "SELECT DriverINFFile FROM SMS_Driver").await, [["nic.inf"]]);
        site.close().await;
    }
}

/// An archive whose only file would land beside the folder that it is unpacked into.
fn zip_with_dots() -> Vec<u8> {
    let good = zip(&[("aa/evil.inf", "x")]);
    let text: Vec<u8> = b"aa/evil.inf".to_vec();
    let mut bytes = good;
    let mut hit = 0;
    for at in 0..bytes.len() - text.len() {
        if bytes[at..].starts_with(&text) {
            bytes[at..at + 2].copy_from_slice(b"..");
            hit += 1;
        }
    }
    assert_eq!(hit, 2, "the local header and the directory name it");
    bytes
}
