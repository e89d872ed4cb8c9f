//! `haulier user`.

use anyhow::Result;
use serde_json::{Map, Value, json};

use super::rows;
use super::site::read_password;
use crate::args::UserCommand;
use crate::output::{self, Format, Table};
use crate::remote::{Key, Remote};

const CLASS: &str = "Haulier_User";

/// Does what the command line says.
pub(crate) async fn run(command: &UserCommand, remote: &Remote, format: Format) -> Result<()> {
    match command {
        UserCommand::List => list(remote, format).await,
        UserCommand::Create { name, role, password_file } => {
            let password = read_password(password_file)?;
            remote.create(CLASS, &json!({ "Name": name, "Role": role, "Password": password })).await?;
            output::done(format, &json!({ "Name": name, "Role": role }));
            Ok(())
        }
        UserCommand::Set { name, role, password_file } => {
            let mut properties = Map::new();
            if let Some(role) = role {
                properties.insert("Role".to_owned(), json!(role));
            }
            if let Some(file) = password_file {
                properties.insert("Password".to_owned(), json!(read_password(file)?));
            }
            remote.change(&Key::one(CLASS, "Name", name), &Value::Object(properties)).await?;
            output::done(format, &json!({ "Name": name, "Changed": true }));
            Ok(())
        }
        UserCommand::Delete { name } => {
            remote.delete(&Key::one(CLASS, "Name", name)).await?;
            output::done(format, &json!({ "Name": name, "Deleted": true }));
            Ok(())
        }
    }
}

async fn list(remote: &Remote, format: Format) -> Result<()> {
    let users = remote.list(CLASS, &[("$orderby", "Name")]).await?;
    if format == Format::Json {
        output::json(&users);
        return Ok(());
    }
    let mut table = Table::new(&["USER", "ROLE"]);
    for user in &users {
        table.row([rows::text(user, "Name"), rows::text(user, "Role")]);
    }
    table.print();
    Ok(())
}
