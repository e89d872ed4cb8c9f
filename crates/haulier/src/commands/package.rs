//! `haulier package`.

use anyhow::{Result, ensure};
use serde_json::{Map, Value, json};

use super::{driver, package_drivers, package_schedule, rows};
use crate::args::{PackageChanges, PackageCommand, PackageCreate, PackageSet, Priority};
use crate::output::{self, Format, Table};
use crate::remote::{Key, Remote, RemoteError, literal, no_parameters};

/// `PkgSourceFlag`: the site reads the source folder directly.
const STORAGE_DIRECT: u32 = 2;

/// Does what the command line says.
pub(crate) async fn run(command: &PackageCommand, remote: &Remote, format: Format) -> Result<()> {
    match command {
        PackageCommand::List => list(remote, format).await,
        PackageCommand::Show { package } => show(remote, package, format).await,
        PackageCommand::Create(args) => create(remote, args, format).await,
        PackageCommand::Set(args) => set(remote, args, format).await,
        PackageCommand::Delete { package } => {
            let (id, key) = found(remote, package).await?;
            remote.delete(&key).await?;
            output::done(format, &json!({ "PackageID": id, "Deleting": true }));
            Ok(())
        }
        PackageCommand::Refresh { package } => {
            let (id, key) = found(remote, package).await?;
            let reply = remote.invoke(&key, "RefreshPkgSource", &no_parameters()).await?;
            let (value, call) = (&reply["ReturnValue"], remote.call_id());
            output::done(format, &json!({ "PackageID": id, "ReturnValue": value, "Call": call }));
            Ok(())
        }
        PackageCommand::Schedule { package, set, clear } => {
            let (id, key) = found(remote, package).await?;
            match (set, clear) {
                (Some(text), _) => package_schedule::set(remote, &key, text).await?,
                (None, true) => package_schedule::clear(remote, &key).await?,
                (None, false) => {}
            }
            package_schedule::show(remote, &id, &key, format).await
        }
        PackageCommand::Distribute { package, distribution_points } => {
            distribute(remote, package, distribution_points, format).await
        }
        PackageCommand::Remove { package, distribution_points } => {
            let assignments = assignments(remote, package, distribution_points).await?;
            for assignment in &assignments {
                remote.delete(assignment).await?;
            }
            output::done(format, &json!({ "Removing": distribution_points }));
            Ok(())
        }
        PackageCommand::Cancel { package, distribution_points } => {
            cancel(remote, package, distribution_points, format).await
        }
        PackageCommand::Redistribute { package, distribution_points } => {
            for assignment in assignments(remote, package, distribution_points).await? {
                remote.change(&assignment, &json!({ "RefreshNow": true })).await?;
            }
            output::done(format, &json!({ "Redistributing": distribution_points }));
            Ok(())
        }
        PackageCommand::AddDriver { package, drivers, from, no_refresh } => {
            package_drivers::add(remote, package, drivers, from.as_deref(), !no_refresh, format).await
        }
        PackageCommand::RemoveDriver { package, drivers, no_refresh } => {
            package_drivers::remove(remote, package, drivers, !no_refresh, format).await
        }
        PackageCommand::Drivers { package } => package_drivers::list(remote, package, format).await,
        PackageCommand::Rebuild { package, from } => {
            package_drivers::rebuild(remote, package, from.as_deref(), format).await
        }
        PackageCommand::ValidateSource { package, source, moves } => {
            package_drivers::validate_source(remote, package, source, *moves, format).await
        }
        PackageCommand::SetSourceSite { package, site } => {
            set_source_site(remote, package, site, format).await
        }
        PackageCommand::Choose(args) => driver::choose(args, remote, format).await,
        PackageCommand::Export(args) => super::prestage::export(args, format).await,
        PackageCommand::Rollback { package, to } => roll_back(remote, package, *to, format).await,
        PackageCommand::History { package } => history(remote, package, format).await,
    }
}

/// A package's ID, and its instance of the class that it has.
async fn found(remote: &Remote, package: &str) -> Result<(String, Key)> {
    let package = rows::package(remote, package).await?;
    let id = rows::text(&package, "PackageID");
    let key = Key::one(rows::kind(&package).class(), "PackageID", &id);
    Ok((id, key))
}

async fn id_of(remote: &Remote, package: &str) -> Result<String> {
    Ok(found(remote, package).await?.0)
}

/// Gives a package to another site.
async fn set_source_site(remote: &Remote, package: &str, site: &str, format: Format) -> Result<()> {
    let (id, key) = found(remote, package).await?;
    remote.invoke(&key, "SetSourceSite", &json!({ "SourceSite": site })).await?;
    output::done(format, &json!({ "PackageID": id, "SourceSite": site.to_uppercase() }));
    Ok(())
}

async fn list(remote: &Remote, format: Format) -> Result<()> {
    let packages = remote.list(rows::BASE, &[("$orderby", "PackageID")]).await?;
    if format == Format::Json {
        output::json(&packages);
        return Ok(());
    }
    let mut table = Table::new(&["PACKAGE", "TYPE", "OWNER", ">VERSION", ">SIZE", "SOURCE DATE", "NAME"]);
    for package in &packages {
        table.row([
            rows::text(package, "PackageID"),
            rows::kind(package).name().to_owned(),
            rows::text(package, "SourceSite"),
            rows::text(package, "SourceVersion"),
            output::bytes(rows::number(package, "PackageSize") * 1024),
            rows::text(package, "SourceDate"),
            rows::text(package, "Name"),
        ]);
    }
    table.print();
    Ok(())
}

async fn show(remote: &Remote, package: &str, format: Format) -> Result<()> {
    let package = rows::package(remote, package).await?;
    let id = rows::text(&package, "PackageID");
    let states = super::status::states(remote, Some(&id)).await?;
    if format == Format::Json {
        output::json(&json!({ "package": package, "distribution_points": states }));
        return Ok(());
    }
    let kind = rows::kind(&package);
    output::line(format_args!("{:<17} {} ({})", "Type", kind.name(), kind.class()));
    for property in [
        "PackageID",
        "Name",
        "Description",
        "Manufacturer",
        "Version",
        "SourceSite",
        "PkgSourcePath",
        "SourceVersion",
        "StoredPkgVersion",
        "SourceDate",
        "LastRefreshTime",
    ] {
        output::line(format_args!("{property:<17} {}", rows::text(&package, property)));
    }
    let priority = Priority::of_number(rows::number(&package, "Priority")).name();
    output::line(format_args!("{:<17} {priority}", "Priority"));
    output::line("");
    super::status::print(&states);
    Ok(())
}

async fn create(remote: &Remote, args: &PackageCreate, format: Format) -> Result<()> {
    let mut properties = properties_of(&args.changes);
    properties.insert("Name".to_owned(), json!(args.name));
    properties.extend(source_of(&args.source));
    let package = remote.create(args.kind.class(), &Value::Object(properties)).await?;
    match format {
        Format::Json => output::json(&package),
        Format::Text => output::line(rows::text(&package, "PackageID")),
    }
    Ok(())
}

async fn set(remote: &Remote, args: &PackageSet, format: Format) -> Result<()> {
    let mut properties = properties_of(&args.changes);
    if let Some(name) = &args.name {
        properties.insert("Name".to_owned(), json!(name));
    }
    if let Some(source) = &args.source {
        properties.extend(source_of(source));
    }
    ensure!(
        !properties.is_empty(),
        "nothing to set: give --source, --name, --description, --manufacturer, --label or --priority"
    );
    let (id, key) = found(remote, &args.package).await?;
    remote.change(&key, &Value::Object(properties.clone())).await?;
    output::done(format, &json!({ "PackageID": id, "Changed": properties }));
    Ok(())
}

fn source_of(path: &str) -> Map<String, Value> {
    Map::from_iter([
        ("PkgSourceFlag".to_owned(), json!(STORAGE_DIRECT)),
        ("PkgSourcePath".to_owned(), json!(path)),
    ])
}

fn properties_of(changes: &PackageChanges) -> Map<String, Value> {
    let texts = [
        ("Description", &changes.description),
        ("Manufacturer", &changes.manufacturer),
        ("Version", &changes.label),
    ];
    let mut properties = Map::new();
    for (name, text) in texts {
        if let Some(text) = text {
            properties.insert(name.to_owned(), json!(text));
        }
    }
    if let Some(priority) = changes.priority {
        properties.insert("Priority".to_owned(), json!(priority.number()));
    }
    properties
}

async fn distribute(remote: &Remote, package: &str, names: &[String], format: Format) -> Result<()> {
    let (id, key) = found(remote, package).await?;
    let mut site_codes = Vec::new();
    let mut nal_paths = Vec::new();
    for name in names {
        let dp = rows::distribution_point(remote, name).await?;
        site_codes.push(rows::text(&dp, "SiteCode"));
        nal_paths.push(rows::text(&dp, "NALPath"));
    }
    let parameters = json!({ "SiteCode": site_codes, "NALPath": nal_paths });
    remote.invoke(&key, "AddDistributionPoints", &parameters).await?;
    output::done(format, &json!({ "PackageID": id, "Distributing": names }));
    Ok(())
}

/// Ends transfers that are under way; where none is, the others are ended all the same.
async fn cancel(remote: &Remote, package: &str, names: &[String], format: Format) -> Result<()> {
    let id = id_of(remote, package).await?;
    let mut paths = Vec::new();
    for name in names {
        paths.push(rows::text(&rows::distribution_point(remote, name).await?, "NALPath"));
    }
    let (mut cancelled, mut refused) = (Vec::new(), Vec::new());
    for (name, nal_path) in names.iter().zip(&paths) {
        let parameters = json!({ "PackageId": id, "NALPath": nal_path });
        match remote.invoke_static("SMS_DistributionPoint", "CancelDistribution", &parameters).await {
            Ok(_) => cancelled.push(name),
            Err(RemoteError::Refused { message } | RemoteError::NotFound { message }) => {
                refused.push(format!("{name}: {message}"));
            }
            Err(error) => return Err(error.into()),
        }
    }
    output::done(format, &json!({ "PackageID": id, "Cancelled": cancelled }));
    ensure!(refused.is_empty(), "not cancelled: {}; see `haulier status {id}`", refused.join("; "));
    Ok(())
}

/// The assignments of a package to the named distribution points.
async fn assignments(remote: &Remote, package: &str, names: &[String]) -> Result<Vec<Key>> {
    let id = id_of(remote, package).await?;
    let mut keys = Vec::new();
    for name in names {
        let dp = rows::distribution_point(remote, name).await?;
        keys.push(Key::several(
            "SMS_DistributionPoint",
            &[
                ("PackageID", &id),
                ("ServerNALPath", &rows::text(&dp, "NALPath")),
                ("SiteCode", &rows::text(&dp, "SiteCode")),
            ],
        ));
    }
    Ok(keys)
}

async fn roll_back(remote: &Remote, package: &str, to: u64, format: Format) -> Result<()> {
    let (id, _) = found(remote, package).await?;
    let keys = [("PackageID", literal(&id)), ("SourceVersion", to.to_string())];
    let key = Key::of("Haulier_PackageVersion", &keys);
    let reply = remote.invoke(&key, "Rollback", &no_parameters()).await?;
    let version = rows::number(&reply, "NewSourceVersion");
    match format {
        Format::Json => {
            let call = remote.call_id();
            output::json(
                &json!({ "PackageID": id, "RolledBackTo": to, "SourceVersion": version, "Call": call }),
            );
        }
        Format::Text => output::line(format_args!(
            "{id} has version {version} now, with the content of version {to}. Its source was not touched: the next \
             refresh publishes it again."
        )),
    }
    Ok(())
}

async fn history(remote: &Remote, package: &str, format: Format) -> Result<()> {
    let id = id_of(remote, package).await?;
    let filter = format!("PackageID eq {}", literal(&id));
    let versions =
        remote.list("Haulier_PackageVersion", &[("$filter", &filter), ("$orderby", "SourceVersion")]).await?;
    if format == Format::Json {
        output::json(&versions);
        return Ok(());
    }
    let mut table =
        Table::new(&[">VERSION", "PUBLISHED", ">FILES", ">SIZE", ">STORED NEW", "KEPT", "CONTENT HASH"]);
    for version in &versions {
        table.row([
            rows::text(version, "SourceVersion"),
            rows::text(version, "Published"),
            rows::text(version, "Files"),
            output::bytes(rows::number(version, "Bytes")),
            output::bytes(rows::number(version, "StoredNewBytes")),
            if version["IsKept"] == true { "yes" } else { "no" }.to_owned(),
            rows::text(version, "ContentHash").chars().take(16).collect(),
        ]);
    }
    table.print();
    Ok(())
}
