//! `haulier content`: the site's content library.

use anyhow::Result;
use serde_json::{Map, Value};

use crate::args::ContentCommand;
use crate::output::{self, Format};
use crate::remote::{Remote, no_parameters};

const CLASS: &str = "Haulier_ContentLibrary";

/// Does what the command line says.
pub(crate) async fn run(command: &ContentCommand, remote: &Remote, format: Format) -> Result<()> {
    let method = match command {
        ContentCommand::Stats => "GetStatistics",
        ContentCommand::Verify => "Verify",
        ContentCommand::Collect => "Collect",
    };
    let reply = remote.invoke_static(CLASS, method, &no_parameters()).await?;
    let figures = figures(reply);
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
