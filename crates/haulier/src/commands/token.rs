//! `haulier token`: bearer tokens for scripts.

use anyhow::{Context, Result};
use serde_json::json;

use super::rows;
use crate::args::{TokenCommand, TokenCreate};
use crate::output::{self, Format, Table};
use crate::remote::{Key, Remote};

const CLASS: &str = "Haulier_Token";

/// Does what the command line says.
pub(crate) async fn run(command: &TokenCommand, remote: &Remote, format: Format) -> Result<()> {
    match command {
        TokenCommand::List => list(remote, format).await,
        TokenCommand::Create(TokenCreate { owner, label, days, expires, role, scopes }) => {
            let all = scopes.is_empty();
            let mut parameters =
                json!({ "UserName": owner, "Label": label, "AllScopes": all, "ScopeNames": scopes });
            parameters["Role"] = json!(role.as_deref().unwrap_or_default());
            match expires {
                Some(life) => parameters["LifeSeconds"] = json!(life.as_secs()),
                None => parameters["LifeDays"] = json!(days),
            }
            let reply = remote.invoke_static(CLASS, "Create", &parameters).await?;
            let token = reply["Token"].as_str().context("the site sent no token")?;
            match format {
                Format::Json => output::json(&json!({
                    "UserName": owner,
                    "Label": label,
                    "TokenID": reply["TokenID"],
                    "Expires": reply["Expires"],
                    "Token": token,
                })),
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
    let mut table = Table::new(&[">TOKEN", "USER", "LABEL", "ROLE", "SCOPES", "EXPIRES", "LAST USED"]);
    for token in &tokens {
        let text = |name: &str| rows::text(token, name);
        // Without scopes of its own it has those of its user.
        let scopes = rows::texts(token, "ScopeNames").join(", ");
        let [id, user, label, role] = ["TokenID", "UserName", "Label", "Role"].map(text);
        table.row([id, user, label, role, scopes, text("Expires"), text("LastUsed")]);
    }
    table.print();
    Ok(())
}
