//! Contents of packages, with real folders and INF files, on both databases.

mod add;
mod crash;
mod rebuild;
mod source;

use std::path::{Path, PathBuf};

use ::driver::analysis::{Folder, FolderLimits, analyze};
use ::driver::catalog::Trust;

use crate::driver::folder::definition;
use crate::driver::store::{self, Entry};
use crate::stage::{Stage, admin, write};
use crate::{DriverFields, Package, Value};

/// A driver of a test's catalog.
pub(crate) struct Imported {
    pub(crate) ci_id: i64,
    pub(crate) content_id: i64,
    pub(crate) hash: String,
}

/// Has the site hear of another one.
pub(crate) async fn knows_site(stage: &Stage, site_code: &str) {
    let sql = format!(
        "INSERT INTO site_node (site_code, site_name, site_type, parent_code, server_name, revision)
         VALUES ('{site_code}', '', 1, 'PS1', 'other.example.test', 1)"
    );
    stage.raw_sql(sql).await;
}

/// An INF file with one device, and a file beside it that it copies.
pub(crate) fn inf(name: &str, hardware_id: &str, version: &str) -> String {
    inf_with(name, hardware_id, version, "")
}

/// As [`inf`], with further lines in [Version].
pub(crate) fn inf_with(name: &str, hardware_id: &str, version: &str, more: &str) -> String {
    let class = if more.contains("Class=") {
        String::new()
    } else {
        "Class=Net\nClassGuid={4d36e972-e325-11ce-bfc1-08002be10318}\n".to_owned()
    };
    format!(
        "[Version]\nSignature=\"$Windows NT$\"\n{class}Provider=%Maker%\nDriverVer={version}\n{more}\n\
         [Manufacturer]\n%Maker%=Models,NTamd64\n\
         [Models.NTamd64]\n%Device%=Install,{hardware_id}\n\
         [Install.NT]\nCopyFiles=Files\n\
         [Files]\n{name}.sys\n[SourceDisksFiles]\n{name}.sys=1\n[SourceDisksNames]\n1=disk\n\
         [Strings]\nMaker=\"Contoso\"\nDevice=\"Contoso {name}\"\n"
    )
}

/// Writes a driver folder below the share: the INF, the file that it copies, and one deeper.
pub(crate) fn write_driver(stage: &Stage, folder: &str, name: &str, hardware_id: &str) -> PathBuf {
    let root = stage.source(folder, &[]);
    write(&root.join(format!("{name}.inf")), &inf(name, hardware_id, "01/02/2025,1.2.3.4"));
    write(&root.join(format!("{name}.sys")), &format!("code of {name}"));
    write(&root.join("x64/Help Text.txt"), name);
    root
}

/// Puts an INF file of a folder below the share into the catalog, as an import does.
pub(crate) async fn import(stage: &Stage, folder: &str, inf: &str, is_enabled: bool) -> Imported {
    let root = stage.source(folder, &[]);
    let scanned = Folder::scan(&root, &FolderLimits::default()).unwrap();
    let facts = analyze(&scanned, inf, &Trust::none(stage.site.now())).unwrap();
    let path = format!(r"\\srv\src\{}", folder.replace('/', r"\"));
    let fields = DriverFields { is_enabled, ..DriverFields::default() };
    let xml = definition(&facts, &stage.site.driver_unique_id(&facts.id), &path);
    let entry = Entry { facts: &facts, sdm_package_xml: &xml, content_source_path: &path, fields: &fields };
    let mut tx = stage.site.db().write().await.unwrap();
    let ids = store::insert(&mut tx, &stage.site, "admin", stage.site.now(), &[entry]).await.unwrap();
    tx.commit().await.unwrap();
    let driver = stage.site.driver(ids[0]).await.unwrap();
    Imported { ci_id: driver.ci_id, content_id: driver.content_id, hash: driver.content_hash }
}

/// A driver folder below the share, in the catalog.
pub(crate) async fn driver(stage: &Stage, name: &str) -> Imported {
    write_driver(stage, &format!("drivers/{name}"), name, &format!(r"PCI\VEN_8086&DEV_{name}"));
    import(stage, &format!("drivers/{name}"), &format!("{name}.inf"), true).await
}

/// A package with an empty source of this name; its first snapshot waits for files.
pub(crate) async fn empty_package(stage: &Stage, name: &str) -> Package {
    stage.source(name, &[]);
    let package = stage.site.create_package(&admin(), crate::stage::with_source(name)).await.unwrap();
    stage.site.run_due_snapshots().await.unwrap();
    stage.site.package(&package.package_id).await.unwrap()
}

pub(crate) async fn add(stage: &Stage, package: &Package, drivers: &[&Imported], refresh: bool) {
    let ids: Vec<i64> = drivers.iter().map(|driver| driver.content_id).collect();
    stage.site.add_driver_content(&admin(), &package.package_id, &ids, &[], refresh).await.unwrap();
}

/// Publishes whatever is due, retries included.
pub(crate) async fn publish(stage: &Stage, package: &Package) -> Package {
    stage.site.run_due_snapshots().await.unwrap();
    stage.site.package(&package.package_id).await.unwrap()
}

/// ContentID, ContentSubFolder and MinPackageVersion of SMS_PackageToContent, by id.
pub(crate) async fn contents(stage: &Stage, package: &Package) -> Vec<(i64, String, i64)> {
    let query = cim::query::Query::all("SMS_PackageToContent");
    let rows = stage.site.query(&site::Actor::local(), "SMS_PackageToContent", &query).await.unwrap();
    let at = |name: &str| rows.columns.iter().position(|column| column.name == name).unwrap();
    let mut contents = Vec::new();
    for row in &rows.rows {
        if row[at("PackageID")] != Value::Text(package.package_id.clone()) {
            continue;
        }
        match (&row[at("ContentID")], &row[at("ContentSubFolder")], &row[at("MinPackageVersion")]) {
            (Value::Integer(id), Value::Text(folder), Value::Integer(version)) => {
                contents.push((*id, folder.clone(), *version));
            }
            other => panic!("{other:?}"),
        }
    }
    contents.sort();
    contents
}

/// Every file and folder below, relative, sorted.
pub(crate) fn tree(root: &Path) -> Vec<String> {
    fn walk(root: &Path, at: &Path, found: &mut Vec<String>) {
        for entry in std::fs::read_dir(at).unwrap() {
            let path = entry.unwrap().path();
            found.push(path.strip_prefix(root).unwrap().to_str().unwrap().to_owned());
            if path.is_dir() {
                walk(root, &path, found);
            }
        }
    }
    let mut found = Vec::new();
    walk(root, root, &mut found);
    found.sort();
    found
}

/// What the package's source must have for a driver of [`driver`].
pub(crate) fn copied(driver: &Imported, name: &str) -> Vec<String> {
    let folder = format!("{name}_{}", &driver.hash[..16]);
    ["", &format!("/{name}.inf"), &format!("/{name}.sys"), "/x64", "/x64/Help Text.txt"]
        .map(|path| format!("{folder}{path}"))
        .into()
}
