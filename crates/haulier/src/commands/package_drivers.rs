//! `haulier package`, what concerns drivers: putting them in, taking them out, moving the source.

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use super::{driver, rows};
use crate::output::{self, Format, Table};
use crate::remote::{Key, Remote, RemoteError, literal};

const CLASS: &str = "SMS_DriverPackage";

/// Copies drivers into a package.
pub(super) async fn add(
    remote: &Remote,
    package: &str,
    drivers: &[String],
    refresh: bool,
    format: Format,
) -> Result<()> {
    let id = rows::text(&rows::package(remote, package).await?, "PackageID");
    let drivers = driver::ids(remote, drivers).await?;
    let contents = contents(remote, &drivers).await?;
    let held = held(remote, &id).await?;
    // What is there already is done; the site would refuse all for it.
    let missing: Vec<&Content> = contents.iter().filter(|content| !held.contains(&content.id)).collect();
    if !missing.is_empty() {
        let ids: Vec<u64> = missing.iter().map(|content| content.id).collect();
        let paths: Vec<&str> = missing.iter().map(|content| content.source_path.as_str()).collect();
        let parameters = json!({ "ContentIDs": ids, "ContentSourcePath": paths, "bRefreshDPs": refresh });
        remote.invoke(&key(&id), "AddDriverContent", &parameters).await?;
    }
    let added = missing.len();
    output::done(format, &json!({ "PackageID": id, "Added": added, "AlreadyThere": contents.len() - added }));
    Ok(())
}

/// Takes drivers out of a package.
pub(super) async fn remove(
    remote: &Remote,
    package: &str,
    drivers: &[String],
    refresh: bool,
    format: Format,
) -> Result<()> {
    let id = rows::text(&rows::package(remote, package).await?, "PackageID");
    let drivers = driver::ids(remote, drivers).await?;
    let ids: Vec<u64> = contents(remote, &drivers).await?.iter().map(|content| content.id).collect();
    let parameters = json!({ "ContentIDs": ids, "bRefreshDPs": refresh });
    remote.invoke(&key(&id), "RemoveDriverContent", &parameters).await?;
    output::done(format, &json!({ "PackageID": id, "Removed": ids.len() }));
    Ok(())
}

/// Lists the drivers of a package.
pub(super) async fn list(remote: &Remote, package: &str, format: Format) -> Result<()> {
    let id = rows::text(&rows::package(remote, package).await?, "PackageID");
    let filter = of_package(&id);
    let drivers = remote.list("SMS_CIContentPackage", &[("$filter", &filter), ("$orderby", "CI_ID")]).await?;
    let contents = remote
        .list("SMS_PackageToContent", &[("$filter", &filter), ("$orderby", "ContentSubFolder")])
        .await?;
    if format == Format::Json {
        output::json(&json!({ "drivers": drivers, "contents": contents }));
        return Ok(());
    }
    let mut table = Table::new(&["CONTENT", "SINCE VERSION", "FOLDER"]);
    for content in &contents {
        table.row(
            ["ContentID", "MinPackageVersion", "ContentSubFolder"].map(|name| rows::text(content, name)),
        );
    }
    table.print();
    output::line(format_args!("{} drivers in {} folders", drivers.len(), contents.len()));
    Ok(())
}

/// Copies a package's drivers into its source again.
pub(super) async fn rebuild(
    remote: &Remote,
    package: &str,
    from: Option<&str>,
    format: Format,
) -> Result<()> {
    let id = rows::text(&rows::package(remote, package).await?, "PackageID");
    let parameters = from.map_or_else(|| json!({}), |path| json!({ "ContentSourcePath": path }));
    remote.invoke(&key(&id), "RebuildPackage", &parameters).await?;
    output::done(format, &json!({ "PackageID": id, "Rebuilt": true }));
    Ok(())
}

/// Checks a folder as a package's new source, and moves the source there if asked to.
pub(super) async fn validate_source(
    remote: &Remote,
    package: &str,
    source: &str,
    moves: bool,
    format: Format,
) -> Result<()> {
    let id = rows::text(&rows::package(remote, package).await?, "PackageID");
    remote.invoke(&key(&id), "ValidateNewPackageSource", &json!({ "PackageSource": source })).await?;
    if moves {
        remote.change(&key(&id), &json!({ "PkgSourcePath": source })).await?;
    }
    output::done(format, &json!({ "PackageID": id, "Source": source, "Valid": true, "Moved": moves }));
    if format == Format::Text {
        let end = if moves { "is the package's source now" } else { "holds all of the package's content" };
        output::line(format_args!("{source} {end}."));
    }
    Ok(())
}

fn key(id: &str) -> Key {
    Key::one(CLASS, "PackageID", id)
}

fn of_package(id: &str) -> String {
    format!("PackageID eq {}", literal(id))
}

/// The content of a driver, and where its files are.
struct Content {
    id: u64,
    source_path: String,
}

/// The contents of drivers, each once: drivers of one folder share theirs.
async fn contents(remote: &Remote, drivers: &[u64]) -> Result<Vec<Content>> {
    let mut contents: Vec<Content> = Vec::new();
    for &ci_id in drivers {
        let driver = remote.get(&Key::number("SMS_Driver", "CI_ID", ci_id)).await?;
        let filter = format!("CI_ID eq {ci_id}");
        let found = remote.list("SMS_CIToContent", &[("$filter", &filter)]).await?;
        ensure!(!found.is_empty(), "driver {ci_id} has no content");
        for row in found {
            let id = rows::number(&row, "ContentID");
            if !contents.iter().any(|known| known.id == id) {
                contents.push(Content { id, source_path: rows::text(&driver, "ContentSourcePath") });
            }
        }
    }
    Ok(contents)
}

/// The contents that a package holds.
async fn held(remote: &Remote, package_id: &str) -> Result<Vec<u64>, RemoteError> {
    let filter = of_package(package_id);
    let rows: Vec<Value> = remote.list("SMS_PackageToContent", &[("$filter", &filter)]).await?;
    Ok(rows.iter().map(|row| rows::number(row, "ContentID")).collect())
}
