//! `haulier scope`.

use anyhow::Result;
use serde_json::json;

use super::rows;
use crate::args::{ScopeCommand, ScopeMove};
use crate::output::{self, Format, Table};
use crate::remote::{Key, Remote};

const CLASS: &str = "Haulier_SecurityScope";
const PACKAGE: u32 = 2;
const DRIVER: u32 = 25;
const GROUP: u32 = 43;

/// Does what the command line says.
pub(crate) async fn run(command: &ScopeCommand, remote: &Remote, format: Format) -> Result<()> {
    match command {
        ScopeCommand::Create { name, description } => {
            let made = remote.create(CLASS, &json!({ "Name": name, "Description": description })).await?;
            output::done(format, &made);
            Ok(())
        }
        ScopeCommand::List => list(remote, format).await,
        ScopeCommand::Delete { name } => {
            remote.delete(&Key::one(CLASS, "Name", name)).await?;
            output::done(format, &json!({ "Name": name, "Deleted": true }));
            Ok(())
        }
        ScopeCommand::Assign(what) => move_objects(remote, what, "Assign", format).await,
        ScopeCommand::Unassign(what) => move_objects(remote, what, "Unassign", format).await,
    }
}

async fn move_objects(remote: &Remote, what: &ScopeMove, method: &str, format: Format) -> Result<()> {
    let mut packages = Vec::with_capacity(what.packages.len());
    for package in &what.packages {
        packages.push(rows::text(&rows::package(remote, package).await?, "PackageID"));
    }
    for (kind, keys) in [(PACKAGE, &packages), (DRIVER, &what.drivers), (GROUP, &what.groups)] {
        if keys.is_empty() {
            continue;
        }
        let parameters = json!({ "ScopeName": what.name, "ObjectTypeID": kind, "ObjectKeys": keys });
        remote.invoke_static(CLASS, method, &parameters).await?;
    }
    let moved = json!({ "ScopeName": what.name, "Packages": packages, "Drivers": what.drivers, "Groups": what.groups });
    output::done(format, &moved);
    Ok(())
}

async fn list(remote: &Remote, format: Format) -> Result<()> {
    let scopes = remote.list(CLASS, &[("$orderby", "ScopeID")]).await?;
    if format == Format::Json {
        output::json(&scopes);
        return Ok(());
    }
    let mut table = Table::new(&["SCOPE", "CREATED BY", "DESCRIPTION"]);
    for scope in &scopes {
        table.row(["Name", "CreatedBy", "Description"].map(|name| rows::text(scope, name)));
    }
    table.print();
    Ok(())
}
