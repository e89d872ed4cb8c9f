//! `haulier token`: bearer tokens for scripts.

use anyhow::{Context, Result};
use serde_json::json;

use super::rows;
use crate::args::TokenCommand;
use crate::output::{self, Format, Table};
use crate::remote::{Key, Remote};

const CLASS: &str = "Haulier_Token";

/// Does what the command line says.
pub(crate) async fn run(command: &TokenCommand, remote: &Remote, format: Format) -> Result<()> {
    match command {
        TokenCommand::List => list(remote, format).await,
        TokenCommand::Create { owner, label, days } => {
            let parameters = json!({ "UserName": owner, "Label": label, "LifeDays": days });
            let reply = remote.invoke_static(CLASS, "Create", &parameters).await?;
            let token = reply["Token"].as_str().context("the site sent no token")?;
            match format {
                Format::Json => output::json(&json!({ "UserName": owner, "Label": label, "Token": token })),
                Format::Text => output::line(token),
            }
            Ok(())
        }
        TokenCommand::Revoke { id } => {
            remote.delete(&Key::number(CLASS, "TokenID", *id)).await?;
            output::done(format, &json!({ "TokenID": id, "Revoked": true }));
            Ok(())
        }
    }
}

async fn list(remote: &Remote, format: Format) -> Result<()> {
    let tokens = remote.list(CLASS, &[("$orderby", "TokenID")]).await?;
    if format == Format::Json {
        output::json(&tokens);
        return Ok(());
    }
    let mut table = Table::new(&[">TOKEN", "USER", "LABEL", "CREATED", "EXPIRES"]);
    for token in &tokens {
        table.row(["TokenID", "UserName", "Label", "Created", "Expires"].map(|name| rows::text(token, name)));
    }
    table.print();
    Ok(())
}
