//! `haulier package`, what concerns drivers: putting them in, taking them out, moving the source.

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use super::site_path::as_the_site_sees;
use super::{driver, rows};
use crate::output::{self, Format, Table};
use crate::remote::{Key, Remote, RemoteError, literal};

const CLASS: &str = "SMS_DriverPackage";

/// Copies drivers into a package.
pub(super) async fn add(
    remote: &Remote,
    package: &str,
    drivers: &[String],
    from: Option<&str>,
    refresh: bool,
    format: Format,
) -> Result<()> {
    let id = rows::text(&rows::driver_package(remote, package).await?, "PackageID");
    let drivers = driver::ids(remote, drivers).await?;
    let from = from.map(as_the_site_sees).transpose()?;
    let from = from.as_deref();
    let contents = contents(remote, &drivers).await?;
    let before = held(remote, &id).await?;
    let (ids, paths): (Vec<u64>, Vec<&str>) =
        contents.iter().map(|content| (content.id, content.source_path.as_str())).unzip();
    let paths = from.map_or(paths, |from| vec![from]);
    let parameters = json!({ "ContentIDs": ids, "ContentSourcePath": paths, "bRefreshDPs": refresh });
    match remote.invoke(&key(&id), "AddDriverContent", &parameters).await {
        // The site adds the others all the same, and refreshes if something is to be published.
        Ok(_) | Err(RemoteError::AlreadyThere { .. }) => {}
        Err(error) => return Err(error.into()),
    }
    let there = contents.iter().filter(|content| before.contains(&content.id)).count();
    let added = contents.len() - there;
    output::done(format, &json!({ "PackageID": id, "Added": added, "AlreadyThere": there }));
    if format == Format::Text {
        let next = if refresh { "" } else { "; `haulier package refresh` publishes them" };
        output::line(format_args!("{id}: {added} driver folders added, {there} were there{next}"));
    }
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
    let id = rows::text(&rows::driver_package(remote, package).await?, "PackageID");
    let drivers = driver::ids(remote, drivers).await?;
    let ids: Vec<u64> = contents(remote, &drivers).await?.iter().map(|content| content.id).collect();
    let siblings = siblings(remote, &ids, &drivers).await?;
    let parameters = json!({ "ContentIDs": ids, "bRefreshDPs": refresh });
    remote.invoke(&key(&id), "RemoveDriverContent", &parameters).await?;
    output::done(format, &json!({ "PackageID": id, "Removed": ids.len(), "AlsoRemoved": siblings }));
    if format == Format::Text {
        let also = match siblings.as_slice() {
            [] => String::new(),
            more => format!("; with them, from the same folders, drivers {}", list_of(more)),
        };
        output::line(format_args!("{id}: {} driver folders taken out{also}", ids.len()));
    }
    Ok(())
}

/// Other drivers of the same folders: they have no content of their own.
async fn siblings(remote: &Remote, contents: &[u64], drivers: &[u64]) -> Result<Vec<u64>, RemoteError> {
    let mut siblings = Vec::new();
    for content in contents {
        let filter = format!("ContentID eq {content}");
        let rows = remote.list("SMS_CIToContent", &[("$filter", &filter)]).await?;
        siblings.extend(rows.iter().map(|row| rows::number(row, "CI_ID")).filter(|id| !drivers.contains(id)));
    }
    Ok(siblings)
}

fn list_of(ids: &[u64]) -> String {
    ids.iter().map(u64::to_string).collect::<Vec<_>>().join(", ")
}

/// Lists the drivers of a package.
pub(super) async fn list(remote: &Remote, package: &str, format: Format) -> Result<()> {
    let id = rows::text(&rows::driver_package(remote, package).await?, "PackageID");
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
    let id = rows::text(&rows::driver_package(remote, package).await?, "PackageID");
    let from = from.map(as_the_site_sees).transpose()?;
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
    let id = rows::text(&rows::driver_package(remote, package).await?, "PackageID");
    let source = as_the_site_sees(source)?;
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
