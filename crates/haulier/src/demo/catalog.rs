//! The demo's driver catalog: the vendor's drivers go in, and the package holds what was imported last.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::package_key;
use crate::commands::{driver, rows};
use crate::remote::{Remote, literal};

/// What an import brought: the drivers that the vendor's folder holds now.
pub(super) struct Imported {
    new: u64,
    known: u64,
    failed: u64,
    signed: usize,
    /// Content to the folder that it comes from; drivers of one folder share theirs.
    contents: BTreeMap<u64, String>,
}

impl fmt::Display for Imported {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Imported { new, known, failed, signed, .. } = self;
        write!(
            f,
            "Drivers imported: {new} new, {known} known before, {failed} not usable; {signed} of them signed"
        )
    }
}

/// How many contents of a package changed.
pub(super) struct Change {
    pub(super) added: usize,
    pub(super) removed: usize,
}

/// Imports every driver of a folder.
pub(super) async fn import(remote: &Remote, folder: &Path) -> Result<Imported> {
    let path = folder.to_str().context("the demo's folder has a readable name")?;
    let job = driver::import_folders(remote, &[path.to_owned()]).await?;
    let import_id = rows::number(&job, "ImportID");
    let filter = format!("ImportID eq {import_id}");
    let items = remote.list("Haulier_DriverImportItem", &[("$filter", &filter)]).await?;
    let mut imported = Imported {
        new: rows::number(&job, "Imported"),
        known: rows::number(&job, "AlreadyImported"),
        failed: rows::number(&job, "Failed"),
        signed: 0,
        contents: BTreeMap::new(),
    };
    let drivers = by_id(remote.list("SMS_Driver", &[]).await?);
    let contents = by_id(remote.list("SMS_CIToContent", &[]).await?);
    for ci_id in items.iter().map(|item| rows::number(item, "CI_ID")).filter(|&ci_id| ci_id != 0) {
        let (Some(driver), Some(content)) = (drivers.get(&ci_id), contents.get(&ci_id)) else { continue };
        imported.signed += usize::from(driver["DriverSigned"] == json!(true));
        imported.contents.insert(rows::number(content, "ContentID"), rows::text(driver, "ContentSourcePath"));
    }
    ensure!(!imported.contents.is_empty(), "the folder holds no driver: no INF file in it could be imported");
    Ok(imported)
}

fn by_id(list: Vec<Value>) -> BTreeMap<u64, Value> {
    list.into_iter().map(|row| (rows::number(&row, "CI_ID"), row)).collect()
}

/// Makes a package hold exactly the drivers of an import; what changed is published by the next refresh.
pub(super) async fn put_into(remote: &Remote, package_id: &str, imported: &Imported) -> Result<Change> {
    let filter = format!("PackageID eq {}", literal(package_id));
    let held = remote.list("SMS_PackageToContent", &[("$filter", &filter)]).await?;
    let held: Vec<u64> = held.iter().map(|row| rows::number(row, "ContentID")).collect();
    let removed: Vec<u64> = held.iter().copied().filter(|id| !imported.contents.contains_key(id)).collect();
    let (added, paths): (Vec<u64>, Vec<&str>) = imported
        .contents
        .iter()
        .filter(|(id, _)| !held.contains(id))
        .map(|(id, path)| (*id, path.as_str()))
        .unzip();
    if !removed.is_empty() {
        let parameters = json!({ "ContentIDs": removed, "bRefreshDPs": false });
        remote.invoke(&package_key(package_id), "RemoveDriverContent", &parameters).await?;
    }
    if !added.is_empty() {
        let first = held.is_empty();
        let parameters = json!({ "ContentIDs": added, "ContentSourcePath": paths, "bRefreshDPs": first });
        remote.invoke(&package_key(package_id), "AddDriverContent", &parameters).await?;
    }
    Ok(Change { added: added.len(), removed: removed.len() })
}
