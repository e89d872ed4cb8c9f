//! `haulier content`: the site's content library.

use std::time::Duration;

use anyhow::{Result, ensure};
use clock::{Clock, SystemClock};
use indicatif::{ProgressBar, ProgressDrawTarget};
use serde_json::{Map, Value};

use crate::args::ContentCommand;
use crate::output::{self, Format};
use crate::remote::{Remote, no_parameters};

const CLASS: &str = "Haulier_ContentLibrary";
/// How often a verification is asked how far it is.
const POLL_INTERVAL: Duration = Duration::from_millis(200);

/// Does what the command line says.
pub(crate) async fn run(command: &ContentCommand, remote: &Remote, format: Format) -> Result<()> {
    let figures = match command {
        ContentCommand::Stats => call(remote, "GetStatistics").await?,
        ContentCommand::Verify => verify(remote).await?,
        ContentCommand::Collect => call(remote, "Collect").await?,
    };
    match format {
        Format::Json => output::json(&figures),
        Format::Text => {
            for (name, value) in &figures {
                output::line(format_args!("{name:<18} {}", readable(name, value)));
            }
        }
    }
    Ok(())
}

/// Starts a verification and follows it to its end.
async fn verify(remote: &Remote) -> Result<Map<String, Value>> {
    call(remote, "Verify").await?;
    let target =
        if output::draws_progress() { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
    let spinner = ProgressBar::with_draw_target(None, target);
    loop {
        let figures = call(remote, "GetVerification").await?;
        if figures["State"] != "running" {
            spinner.finish_and_clear();
            ensure!(figures["State"] == "done", "the verification could not go on; the site's log says why");
            return Ok(figures);
        }
        spinner.set_message(format!("{} packs checked", figures["PacksChecked"]));
        SystemClock.sleep(POLL_INTERVAL).await;
    }
}

async fn call(remote: &Remote, method: &str) -> Result<Map<String, Value>> {
    Ok(figures(remote.invoke_static(CLASS, method, &no_parameters()).await?))
}

/// The out parameters, without the envelope.
fn figures(reply: Value) -> Map<String, Value> {
    let Value::Object(fields) = reply else { return Map::new() };
    fields.into_iter().filter(|(name, _)| !name.starts_with('@') && name != "ReturnValue").collect()
}

fn readable(name: &str, value: &Value) -> String {
    match value {
        Value::Number(number) if name.ends_with("Bytes") => output::bytes(number.as_u64().unwrap_or(0)),
        Value::Array(items) => {
            items.iter().map(|item| format!("\n  {}", item.as_str().unwrap_or_default())).collect()
        }
        other => other.to_string(),
    }
}
