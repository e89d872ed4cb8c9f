//! `haulier driver`: the catalog.

use anyhow::Result;
use serde_json::{Value, json};

use super::rows;
use crate::args::{DriverCommand, DriverList};
use crate::output::{self, Format, Table};
use crate::remote::{Key, Remote, RemoteError, literal};

mod import;
mod matching;
mod packs;
mod show;

pub(crate) use import::import_folders;
pub(crate) use matching::choose;
pub(crate) use packs::list as list_packs;

/// The provider's class of drivers.
const CLASS: &str = "SMS_Driver";

/// Does what the command line says.
pub(crate) async fn run(command: &DriverCommand, remote: &Remote, format: Format) -> Result<()> {
    match command {
        DriverCommand::Import(args) => import::run(args, remote, format).await,
        DriverCommand::List(args) => list(args, remote, format).await,
        DriverCommand::Show { driver } => show::run(driver, remote, format).await,
        DriverCommand::Enable { drivers } => set_enabled(remote, drivers, true, format).await,
        DriverCommand::Disable { drivers } => set_enabled(remote, drivers, false, format).await,
        DriverCommand::Delete { drivers } => delete(remote, drivers, format).await,
        DriverCommand::Match(args) => matching::run(args, remote, format).await,
        DriverCommand::Packs(command) => packs::run(command, remote, format).await,
    }
}

async fn list(args: &DriverList, remote: &Remote, format: Format) -> Result<()> {
    let mut conditions = Vec::new();
    if let Some(class) = &args.class {
        conditions.push(format!("DriverClass eq {}", literal(class)));
    }
    if let Some(text) = &args.text {
        let text = literal(text);
        conditions
            .push(format!("(contains(LocalizedDisplayName,{text}) or contains(DriverProvider,{text}))"));
    }
    if let Some(category) = &args.category {
        conditions.push(format!("LocalizedCategoryInstanceNames/any(c: c eq {})", literal(category)));
    }
    if args.unsigned {
        conditions.push("DriverSigned eq false".to_owned());
    }
    let filter = conditions.join(" and ");
    let mut options = vec![("$orderby", "LocalizedDisplayName,CI_ID")];
    if !filter.is_empty() {
        options.push(("$filter", filter.as_str()));
    }
    let drivers = remote.list(CLASS, &options).await?;
    if format == Format::Json {
        output::json(&drivers);
        return Ok(());
    }
    let mut table = Table::new(&["DRIVER", "CLASS", "VERSION", "DATE", "SIGNER", "ENABLED", "NAME"]);
    for driver in &drivers {
        table.row([
            rows::text(driver, "CI_ID"),
            rows::text(driver, "DriverClass"),
            rows::text(driver, "DriverVersion"),
            rows::text(driver, "DriverDate").chars().take(10).collect(),
            signer(driver),
            if driver["IsEnabled"] == json!(true) { "yes" } else { "no" }.to_owned(),
            rows::text(driver, "LocalizedDisplayName"),
        ]);
    }
    table.print();
    Ok(())
}

/// Who signed a driver, or that it is not signed.
fn signer(driver: &Value) -> String {
    if driver["DriverSigned"] == json!(true) {
        rows::text(driver, "DriverSigner")
    } else {
        "not signed".to_owned()
    }
}

async fn set_enabled(remote: &Remote, drivers: &[String], enabled: bool, format: Format) -> Result<()> {
    let ids = ids(remote, drivers).await?;
    for &id in &ids {
        remote.change(&key(id), &json!({ "IsEnabled": enabled })).await?;
    }
    output::done(format, &json!({ "CI_ID": ids, "IsEnabled": enabled }));
    Ok(())
}

async fn delete(remote: &Remote, drivers: &[String], format: Format) -> Result<()> {
    let ids = ids(remote, drivers).await?;
    for &id in &ids {
        remote.delete(&key(id)).await?;
    }
    output::done(format, &json!({ "CI_ID": ids, "Deleted": true }));
    Ok(())
}

fn key(ci_id: u64) -> Key {
    Key::number(CLASS, "CI_ID", ci_id)
}

/// The CI_IDs of drivers that people name by CI_ID or by exact name.
pub(crate) async fn ids(remote: &Remote, wanted: &[String]) -> Result<Vec<u64>, RemoteError> {
    let mut ids = Vec::with_capacity(wanted.len());
    for wanted in wanted {
        ids.push(rows::number(&find(remote, wanted).await?, "CI_ID"));
    }
    Ok(ids)
}

/// The one driver with this CI_ID or, failing that, this exact name.
async fn find(remote: &Remote, wanted: &str) -> Result<Value, RemoteError> {
    let by_id = wanted.parse::<u32>().ok().map(|id| format!("CI_ID eq {id}"));
    let by_name = format!("LocalizedDisplayName eq {}", literal(wanted));
    for filter in by_id.into_iter().chain([by_name]) {
        let mut found = remote.list(CLASS, &[("$filter", &filter)]).await?;
        match found.len() {
            0 => {}
            1 => return Ok(found.remove(0)),
            _ => return Err(RemoteError::Ambiguous { message: ambiguous(wanted, &found) }),
        }
    }
    let message = format!("no driver has the CI_ID or name {wanted}; see `haulier driver list`");
    Err(RemoteError::NotFound { message })
}

/// Versions of one driver have one name; what tells them apart.
fn ambiguous(wanted: &str, found: &[Value]) -> String {
    let each: Vec<String> = found
        .iter()
        .map(|driver| {
            format!("{} (version {})", rows::text(driver, "CI_ID"), rows::text(driver, "DriverVersion"))
        })
        .collect();
    format!("{} drivers have the name {wanted}; use one of the CI_IDs {}", found.len(), each.join(", "))
}
