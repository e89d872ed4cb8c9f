//! `haulier user`.

use std::net::IpAddr;
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::{Map, Value, json};
use site::Actor;

use super::rows;
use super::site::{open_site, read_password};
use crate::args::UserCommand;
use crate::output::{self, Format, Table};
use crate::remote::{Key, Remote};

const CLASS: &str = "Haulier_User";

/// Does what the command line says.
pub(crate) async fn run(command: &UserCommand, remote: &Remote, format: Format) -> Result<()> {
    let role_of = |role: &str| json!({ "Role": role });
    match command {
        UserCommand::List => list(remote, format).await,
        UserCommand::Show { name } => show(remote, name, format).await,
        UserCommand::Create { name, role, password_file, scopes, ntlm } => {
            let password = read_password(password_file)?;
            let all = scopes.is_empty();
            let mut user = json!({
                "Name": name, "Role": role, "Password": password, "AllScopes": all, "ScopeNames": scopes,
            });
            user["AllowNtlm"] = json!(ntlm);
            remote.create(CLASS, &user).await?;
            output::done(format, &json!({ "Name": name, "Role": role, "ScopeNames": scopes }));
            Ok(())
        }
        UserCommand::Set { name, role, password_file, ntlm, no_ntlm } => {
            let mut properties = Map::new();
            if let Some(role) = role {
                properties.insert("Role".to_owned(), json!(role));
            }
            if let Some(file) = password_file {
                properties.insert("Password".to_owned(), json!(read_password(file)?));
            }
            if *ntlm || *no_ntlm {
                properties.insert("AllowNtlm".to_owned(), json!(ntlm));
            }
            change(remote, name, &Value::Object(properties), format).await
        }
        UserCommand::SetRole { name, role } => change(remote, name, &role_of(role), format).await,
        UserCommand::SetPassword { name, password_file } => {
            let password = json!({ "Password": read_password(password_file)? });
            change(remote, name, &password, format).await
        }
        UserCommand::ChangeOwnPassword { password_file } => {
            change_own_password(remote, password_file, format).await
        }
        UserCommand::Scopes { name, scopes, all } => {
            change(remote, name, &json!({ "AllScopes": all, "ScopeNames": scopes }), format).await
        }
        UserCommand::Disable { name } => change(remote, name, &json!({ "IsEnabled": false }), format).await,
        UserCommand::Enable { name } => change(remote, name, &json!({ "IsEnabled": true }), format).await,
        UserCommand::Unlock { name, address, data: _ } => {
            match (name, address) {
                (Some(name), _) => remote.invoke(&key(name), "Unlock", &json!({})).await?,
                (None, address) => {
                    let address = address.context("a user or an address is needed")?;
                    remote.invoke_static(CLASS, "UnlockAddress", &json!({ "Address": address })).await?
                }
            };
            output::done(format, &json!({ "Name": name, "Address": address, "Unlocked": true }));
            Ok(())
        }
        UserCommand::Delete { name } => {
            remote.delete(&key(name)).await?;
            output::done(format, &json!({ "Name": name, "Deleted": true }));
            Ok(())
        }
    }
}

/// Unlocks in the site's data folder, for whom signing in is closed to.
pub(super) async fn unlock_here(
    data: &Path,
    name: Option<&str>,
    address: Option<IpAddr>,
    format: Format,
) -> Result<()> {
    let site = open_site(data).await?;
    let unlocked = match (name, address) {
        (Some(name), _) => site.unlock_user(&Actor::local(), name).await,
        (None, Some(address)) => site.unlock_address(&Actor::local(), address).await,
        (None, None) => anyhow::bail!("a user or an address is needed"),
    };
    site.close().await;
    unlocked?;
    output::done(format, &json!({ "Name": name, "Address": address, "Unlocked": true }));
    Ok(())
}

fn key(name: &str) -> Key {
    Key::one(CLASS, "Name", name)
}

async fn change(remote: &Remote, name: &str, properties: &Value, format: Format) -> Result<()> {
    remote.change(&key(name), properties).await?;
    output::done(format, &json!({ "Name": name, "Changed": true }));
    Ok(())
}

async fn change_own_password(remote: &Remote, file: &Path, format: Format) -> Result<()> {
    let present = remote.password().context("the present password is needed: set HAULIER_PASSWORD")?;
    let parameters = json!({ "Present": present, "New": read_password(file)? });
    remote.invoke_static(CLASS, "ChangeOwnPassword", &parameters).await?;
    output::done(format, &json!({ "Changed": true }));
    Ok(())
}

/// A user's scopes in one cell.
pub(super) fn scopes(row: &Value) -> String {
    match rows::texts(row, "ScopeNames").as_slice() {
        [] => "all".to_owned(),
        names => names.join(", "),
    }
}

async fn show(remote: &Remote, name: &str, format: Format) -> Result<()> {
    let user = remote.get(&key(name)).await?;
    if format == Format::Json {
        output::json(&user);
        return Ok(());
    }
    let mut table = Table::new(&["PROPERTY", "VALUE"]);
    for property in ["Name", "Role", "IsEnabled", "AllowNtlm", "Created", "LockedUntil"] {
        table.row([property.to_owned(), rows::text(&user, property)]);
    }
    table.row(["ScopeNames".to_owned(), scopes(&user)]);
    table.print();
    Ok(())
}

async fn list(remote: &Remote, format: Format) -> Result<()> {
    let users = remote.list(CLASS, &[("$orderby", "Name")]).await?;
    if format == Format::Json {
        output::json(&users);
        return Ok(());
    }
    let mut table = Table::new(&["USER", "ROLE", "SCOPES", "STATE"]);
    for user in &users {
        let state = match user["IsEnabled"].as_bool() {
            Some(false) => "disabled",
            _ => "enabled",
        };
        table.row([rows::text(user, "Name"), rows::text(user, "Role"), scopes(user), state.to_owned()]);
    }
    table.print();
    Ok(())
}
