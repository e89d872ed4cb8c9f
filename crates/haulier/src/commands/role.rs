//! `haulier role`.

use anyhow::Result;

use super::rows;
use crate::args::RoleCommand;
use crate::output::{self, Format, Table};
use crate::remote::{Key, Remote};

const CLASS: &str = "Haulier_Role";

/// Does what the command line says.
pub(crate) async fn run(command: &RoleCommand, remote: &Remote, format: Format) -> Result<()> {
    match command {
        RoleCommand::List => {
            let roles = remote.list(CLASS, &[("$orderby", "Name")]).await?;
            if format == Format::Json {
                output::json(&roles);
                return Ok(());
            }
            let mut table = Table::new(&["ROLE", "DESCRIPTION"]);
            for role in &roles {
                table.row(["Name", "Description"].map(|name| rows::text(role, name)));
            }
            table.print();
        }
        RoleCommand::Show { name } => {
            let role = remote.get(&Key::one(CLASS, "Name", name)).await?;
            if format == Format::Json {
                output::json(&role);
                return Ok(());
            }
            output::line(format!("{}: {}", rows::text(&role, "Name"), rows::text(&role, "Description")));
            for action in rows::texts(&role, "Actions") {
                output::line(format!("  {action}"));
            }
        }
    }
    Ok(())
}
