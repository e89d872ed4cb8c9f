//! `haulier package schedule`: when a package is refreshed without anybody asking.

use anyhow::Result;
use cim::schedule;
use serde_json::{Value as Json, json};

use super::{rows, schedule as tokens};
use crate::output::{self, Format};
use crate::remote::{Key, Remote, literal};

/// Replaces the schedule.
pub(crate) async fn set(remote: &Remote, key: &Key, text: &str) -> Result<()> {
    let objects: Vec<Json> = schedule::parse(text.trim())?.iter().map(tokens::object).collect();
    remote.change(key, &json!({ "RefreshSchedule": objects })).await?;
    Ok(())
}

/// Takes the schedule away.
pub(crate) async fn clear(remote: &Remote, key: &Key) -> Result<()> {
    remote.change(key, &json!({ "RefreshSchedule": [] })).await?;
    Ok(())
}

/// Shows the schedule, and when it was due and will be.
pub(crate) async fn show(remote: &Remote, id: &str, key: &Key, format: Format) -> Result<()> {
    let package = remote.get(key).await?;
    let planned = package["RefreshSchedule"].as_array().cloned().unwrap_or_default();
    let filter = format!("PackageID eq {}", literal(id));
    let states = remote.list("Haulier_PackageState", &[("$filter", &filter)]).await?;
    let state = states.first().cloned().unwrap_or_default();
    if format == Format::Json {
        output::json(&json!({
            "PackageID": id,
            "RefreshSchedule": planned,
            "LastScheduledRefresh": state["LastScheduledRefresh"],
            "NextScheduledRefresh": state["NextScheduledRefresh"],
        }));
        return Ok(());
    }
    if planned.is_empty() {
        output::line(format_args!("{id} is refreshed only when somebody asks"));
        return Ok(());
    }
    for token in planned {
        output::line(tokens::token(&token)?);
    }
    for (what, property) in [("last", "LastScheduledRefresh"), ("next", "NextScheduledRefresh")] {
        let time = rows::text(&state, property);
        output::line(format_args!("{what}: {}", if time.is_empty() { "never" } else { &time }));
    }
    Ok(())
}
