//! `haulier status`: where every package stands on every distribution point.

mod watch;

use anyhow::{Result, ensure};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::{Value, json};

use super::rows;
use crate::args::StatusArgs;
use crate::output::{self, Format, Table};
use crate::remote::{Remote, RemoteError, literal};

/// How many messages `--messages` shows.
const MESSAGES_SHOWN: &str = "200";

/// Does what the command line says.
pub(crate) async fn run(args: &StatusArgs, remote: &Remote, format: Format) -> Result<()> {
    let id = match &args.package {
        Some(package) => Some(rows::text(&rows::package(remote, package).await?, "PackageID")),
        None => None,
    };
    let dp = match &args.dp {
        Some(name) => Some(rows::distribution_point(remote, name).await?),
        None => None,
    };
    let mut conditions: Vec<String> = id.iter().map(|id| format!("PackageID eq {}", literal(id))).collect();
    if args.messages {
        let server = dp.map(|dp| format!("ServerName eq {}", literal(&rows::text(&dp, "ServerName"))));
        let severity = args.severity.map(|severity| format!("Severity ge {}", severity.number()));
        conditions.extend(server.into_iter().chain(severity));
        return messages(remote, &conditions, format).await;
    }
    conditions.extend(dp.map(|dp| format!("NALPath eq {}", literal(&rows::text(&dp, "NALPath")))));
    conditions.extend(args.faults.then(|| "FaultCode ne ''".to_owned()));
    let states = match args.watch {
        true => watch::watch(remote, id.as_deref(), format).await?,
        false => states_that(remote, &conditions).await?,
    };
    match format {
        // The last line of many, like those before it.
        Format::Json if args.watch => output::json_line(&json!({ "event": "done", "states": states })),
        Format::Json => output::json(&states),
        Format::Text => print(&states),
    }
    Ok(())
}

async fn messages(remote: &Remote, conditions: &[String], format: Format) -> Result<()> {
    let filter = conditions.join(" and ");
    let mut options = vec![("$orderby", "RecordID desc"), ("$top", MESSAGES_SHOWN)];
    if !filter.is_empty() {
        options.push(("$filter", &filter));
    }
    let messages = remote.list("Haulier_StatusMessage", &options).await?;
    if format == Format::Json {
        output::json(&messages);
        return Ok(());
    }
    let mut table = Table::new(&["TIME", "SEVERITY", ">ID", "TEXT"]);
    for message in &messages {
        table.row(["Time", "SeverityName", "MessageID", "Text"].map(|name| rows::text(message, name)));
    }
    table.print();
    Ok(())
}

/// The distribution state of one package, or of all.
pub(crate) async fn states(remote: &Remote, package_id: Option<&str>) -> Result<Vec<Value>, RemoteError> {
    let condition = package_id.map(|id| format!("PackageID eq {}", literal(id)));
    states_that(remote, condition.as_slice()).await
}

/// The distribution states that fulfil all of these; the site looks for them.
async fn states_that(remote: &Remote, conditions: &[String]) -> Result<Vec<Value>, RemoteError> {
    let filter = conditions.join(" and ");
    let mut options = vec![("$orderby", "PackageID,ServerName")];
    if !filter.is_empty() {
        options.push(("$filter", &filter));
    }
    remote.list("Haulier_DistributionState", &options).await
}

/// Whether the distribution point holds the version that it should.
pub(crate) fn is_settled(state: &Value) -> bool {
    state["State"].as_u64() == Some(0)
}

/// Prints the states as a table, and under it every fault in full.
pub(crate) fn print(states: &[Value]) {
    let mut table = Table::new(&[
        "PACKAGE",
        "DISTRIBUTION POINT",
        "STATE",
        ">HOLDS",
        ">WANTS",
        ">SIZE",
        ">RECEIVED",
        "LAST REPORT",
    ]);
    for state in states {
        table.row([
            rows::text(state, "PackageID"),
            rows::text(state, "ServerName"),
            describe(state),
            rows::text(state, "InstalledVersion"),
            rows::text(state, "SourceVersion"),
            output::bytes(rows::number(state, "BytesTotal")),
            output::bytes(rows::number(state, "BytesReceived")),
            rows::text(state, "LastReport"),
        ]);
    }
    table.print();
    for state in states.iter().filter(|state| !rows::text(state, "FaultText").is_empty()) {
        output::line(fault(state));
    }
}

fn describe(state: &Value) -> String {
    let mut name = rows::text(state, "StateName");
    if !rows::text(state, "PausedReason").is_empty() {
        let until = rows::text(state, "PausedUntil");
        name = format!("{name}, paused until {}", if until.is_empty() { "the window opens" } else { &until });
    } else if state["IsInMaintenance"].as_bool() == Some(true) && !is_settled(state) {
        name.push_str(" after maintenance");
    }
    let (done, total) = (rows::number(state, "BytesDone"), rows::number(state, "BytesTotal"));
    if is_settled(state) || done == 0 || done >= total {
        name
    } else {
        format!("{name}, {}", output::percent(done, total))
    }
}

fn fault(state: &Value) -> String {
    let mut text = format!(
        "{} on {}: {} ({})",
        rows::text(state, "PackageID"),
        rows::text(state, "ServerName"),
        rows::text(state, "FaultText"),
        rows::text(state, "FaultCode"),
    );
    let next = [("FaultFile", "file"), ("Attempts", "attempts so far"), ("NextAttempt", "next attempt")];
    for (property, label) in next {
        let value = rows::text(state, property);
        if !value.is_empty() {
            text.push_str(&format!("; {label} {value}"));
        }
    }
    text
}

/// Fails if the site gave up on a refresh: what is everywhere then is not what was asked for.
async fn given_up(remote: &Remote, package_id: Option<&str>) -> Result<()> {
    let mut filter = "FaultCode eq 'gave_up'".to_owned();
    if let Some(id) = package_id {
        filter.push_str(&format!(" and PackageID eq {}", literal(id)));
    }
    let packages = remote.list("Haulier_PackageState", &[("$filter", &filter)]).await?;
    let said =
        |package| format!("{}: {}", rows::text(package, "PackageID"), rows::text(package, "FaultText"));
    ensure!(packages.is_empty(), "{}", packages.iter().map(said).collect::<Vec<_>>().join("; "));
    Ok(())
}

/// Why an accepted refresh is not published yet; `None` if none waits.
pub(crate) async fn unpublished(
    remote: &Remote,
    package_id: Option<&str>,
) -> Result<Option<String>, RemoteError> {
    let mut filter = "RefreshPending eq true".to_owned();
    if let Some(id) = package_id {
        filter.push_str(&format!(" and PackageID eq {}", literal(id)));
    }
    let waiting = remote.list("Haulier_PackageState", &[("$filter", &filter)]).await?;
    Ok(waiting.first().map(|package| {
        let id = rows::text(package, "PackageID");
        match rows::text(package, "FaultText") {
            text if text.is_empty() => format!("the site reads the source of {id}"),
            text => {
                format!("the source of {id}: {text}; next attempt {}", rows::text(package, "NextAttempt"))
            }
        }
    }))
}

/// A bar over content bytes, drawn only where somebody looks.
pub(crate) fn progress_bar() -> ProgressBar {
    let target =
        if output::draws_progress() { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
    let style = ProgressStyle::with_template("{bar:24} {percent:>3} %  {wide_msg}")
        .expect("the template is a constant and valid");
    ProgressBar::with_draw_target(Some(1), target).with_style(style)
}

/// Moves the bar to where the distribution points are; before the version is published, says what it waits for.
pub(crate) fn show_progress(
    bar: &ProgressBar,
    unpublished: Option<&str>,
    states: &[Value],
    settled: impl Fn(&Value) -> bool,
) {
    if let Some(reason) = unpublished {
        bar.set_position(0);
        bar.set_message(reason.to_owned());
        return;
    }
    let total: u64 = states.iter().map(|state| rows::number(state, "BytesTotal")).sum();
    let done = |state: &Value| {
        let part = if settled(state) { "BytesTotal" } else { "BytesDone" };
        rows::number(state, part)
    };
    let done: u64 = states.iter().map(done).sum();
    let settled = states.iter().filter(|state| settled(state)).count();
    bar.set_length(total.max(1));
    bar.set_position(done);
    bar.set_message(format!(
        "{settled} of {} distribution points, {} of {}",
        states.len(),
        output::bytes(done),
        output::bytes(total)
    ));
}
