//! `haulier site key`.

use anyhow::Result;
use clock::SystemClock;
use serde_json::json;
use site::{Actor, Site};

use super::{open_site, site_options};
use crate::args::SiteKeyCommand;
use crate::config;
use crate::output::{self, Format};

/// Does what the command line says.
pub(super) async fn run(command: &SiteKeyCommand, format: Format) -> Result<()> {
    match command {
        SiteKeyCommand::Rotate { data, lost } => {
            let key = Site::rotate_signing_key(
                &site_options(data, &config::load(data)?)?,
                *lost,
                &SystemClock::shared(),
            )
            .await?;
            match format {
                Format::Json => output::json(&json!({ "key": key })),
                Format::Text => output::line(key),
            }
        }
        SiteKeyCommand::Trust { data, code, key } => {
            open_site(data).await?.believe_key(&Actor::local(), code, key).await?;
            output::done(format, &json!({ "Trusted": code }));
        }
    }
    Ok(())
}
