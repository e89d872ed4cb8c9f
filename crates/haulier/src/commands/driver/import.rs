//! `haulier driver import`: starts an import at the site, shows how far it is, and reports what became of each
//! driver.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use clock::{Clock, SystemClock};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::args::{DriverImport, Duplicates, ImportOptions};
use crate::commands::rows;
use crate::commands::site_path::as_the_site_sees;
use crate::output::{self, Format, Table};
use crate::remote::{Key, Remote, RemoteError, literal, no_parameters};

const CLASS: &str = "Haulier_DriverImport";
const CATEGORY_CLASS: &str = "SMS_CategoryInstance";
/// The type of the categories that drivers are put into.
const CATEGORY_TYPE: &str = "DriverCategories";
/// English, the locale in which categories are named here.
const LOCALE_ID: u32 = 1033;
/// How soon progress is asked for, and how seldom in the end: short imports end at once, long ones cost nothing.
const POLL_FIRST: Duration = Duration::from_millis(25);
const POLL_LAST: Duration = Duration::from_millis(400);
/// How long a site may be silent while its import is watched.
const SILENCE_MAX: Duration = Duration::from_secs(5 * 60);
/// The exit code of a command whose site does not answer.
const SITE_SILENT: u8 = 3;
/// Items of the report that are shown to people; `--json` has them all.
const REPORT_LINES: usize = 100;

/// Does what the command line says.
pub(super) async fn run(args: &DriverImport, remote: &Remote, format: Format) -> Result<()> {
    if let Some(id) = args.watch {
        return see_through(remote, id, format).await;
    }
    if let Some(id) = args.cancel {
        remote.invoke(&Key::number(CLASS, "ImportID", id), "Cancel", &no_parameters()).await?;
        output::done(format, &json!({ "ImportID": id, "Cancelling": true }));
        return Ok(());
    }
    let sources = args.sources.iter().map(|source| as_the_site_sees(source)).collect::<Result<Vec<_>>>()?;
    start(remote, json!({ "Sources": sources }), &args.options, format).await
}

/// Starts an import of what `request` names and sees it through as the options say.
pub(super) async fn start(
    remote: &Remote,
    mut request: Value,
    options: &ImportOptions,
    format: Format,
) -> Result<()> {
    ensure!(
        !(matches!(options.duplicates, Duplicates::Overwrite) && options.categories.is_empty()),
        "--duplicates overwrite without --category would take known drivers out of all their categories; name one"
    );
    request["Categories"] = json!(categories(remote, &options.categories).await?);
    request["Enable"] = json!(!options.disabled);
    request["Duplicates"] = json!(match options.duplicates {
        Duplicates::Append => "append",
        Duplicates::Keep => "keep",
        Duplicates::Overwrite => "overwrite",
    });
    let id = submit(remote, &request).await?;
    if options.no_wait {
        output::done(format, &json!({ "ImportID": id }));
        if format == Format::Text {
            output::line(format_args!(
                "Import {id} is accepted; `haulier driver import --watch {id}` shows it."
            ));
        }
        return Ok(());
    }
    see_through(remote, id, format).await
}

/// Waits for the end of an import and reports it.
async fn see_through(remote: &Remote, id: u64, format: Format) -> Result<()> {
    let job = wait(remote, id).await.with_context(|| {
        format!("import {id} goes on at the site; `haulier driver import --watch {id}` shows it")
    })?;
    let items = items(remote, id).await?;
    report(&job, &items, format);
    let failed = rows::number(&job, "Failed");
    match rows::text(&job, "StateName").as_str() {
        "done" if rows::number(&job, "INFsFound") == 0 => {
            bail!("there is no INF file in what was named; packs that are programs must be extracted first")
        }
        "done" if failed == 0 => Ok(()),
        "done" => bail!("{failed} of the files could not be imported"),
        "cancelled" => bail!("import {id} was cancelled; what was imported before stays"),
        state => bail!("import {id} {state}: {}", rows::text(&job, "FaultText")),
    }
}

/// Imports folders with the usual options and waits; the number of imported and already known drivers.
pub(crate) async fn import_folders(remote: &Remote, folders: &[String]) -> Result<Value> {
    let request = json!({ "Sources": folders, "Categories": [], "Enable": true, "Duplicates": "append" });
    let job = wait(remote, submit(remote, &request).await?).await?;
    anyhow::ensure!(
        rows::text(&job, "StateName") == "done",
        "the import failed: {}",
        rows::text(&job, "FaultText")
    );
    Ok(job)
}

async fn submit(remote: &Remote, request: &Value) -> Result<u64> {
    let reply = remote.invoke_static(CLASS, "Start", request).await?;
    reply["ImportID"].as_u64().context("the site accepted the import without a number")
}

/// The unique ids of categories, made where they do not exist.
async fn categories(remote: &Remote, names: &[String]) -> Result<Vec<String>> {
    let mut ids = Vec::with_capacity(names.len());
    for name in names {
        let filter = format!(
            "CategoryTypeName eq '{CATEGORY_TYPE}' and LocalizedCategoryInstanceName eq {}",
            literal(name)
        );
        let found = remote.list(CATEGORY_CLASS, &[("$filter", &filter)]).await?;
        let category = match found.into_iter().next() {
            Some(category) => category,
            None => {
                let properties = json!({
                    "CategoryInstance_UniqueID": format!("{CATEGORY_TYPE}:{}", Uuid::new_v4()),
                    "CategoryTypeName": CATEGORY_TYPE,
                    "LocalizedInformation": [{ "CategoryInstanceName": name, "LocaleID": LOCALE_ID }],
                });
                remote.create(CATEGORY_CLASS, &properties).await?
            }
        };
        ids.push(rows::text(&category, "CategoryInstance_UniqueID"));
    }
    Ok(ids)
}

/// Shows progress until the import ends; gives its last row.
async fn wait(remote: &Remote, id: u64) -> Result<Value> {
    let bar = progress_bar();
    let key = Key::number(CLASS, "ImportID", id);
    let (mut silent_since, mut interval) = (None, POLL_FIRST);
    loop {
        let job = match remote.get(&key).await {
            Ok(job) => job,
            // A site that restarts goes on with the import; so does who watches it.
            Err(error) if error.exit_code() == SITE_SILENT => {
                let since = *silent_since.get_or_insert_with(|| SystemClock.monotonic());
                if SystemClock.monotonic() - since > SILENCE_MAX {
                    return Err(error.into());
                }
                SystemClock.sleep(POLL_LAST).await;
                continue;
            }
            Err(error) => return Err(error.into()),
        };
        silent_since = None;
        bar.set_length(rows::number(&job, "INFsFound").max(1));
        bar.set_position(rows::number(&job, "INFsDone"));
        bar.set_message(progress(&job));
        if !matches!(rows::text(&job, "StateName").as_str(), "queued" | "running") {
            bar.finish_and_clear();
            return Ok(job);
        }
        SystemClock.sleep(interval).await;
        interval = (interval * 2).min(POLL_LAST);
    }
}

fn progress(job: &Value) -> String {
    format!(
        "{} of {} INF files, {} files read, {}",
        rows::number(job, "INFsDone"),
        rows::number(job, "INFsFound"),
        rows::number(job, "Files"),
        output::bytes(rows::number(job, "BytesRead"))
    )
}

fn progress_bar() -> ProgressBar {
    let target =
        if output::draws_progress() { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
    let style = ProgressStyle::with_template("{bar:24} {percent:>3} %  {wide_msg}")
        .expect("the template is a constant and valid");
    ProgressBar::with_draw_target(Some(1), target).with_style(style)
}

async fn items(remote: &Remote, id: u64) -> Result<Vec<Value>, RemoteError> {
    let filter = format!("ImportID eq {id}");
    remote.list("Haulier_DriverImportItem", &[("$filter", &filter), ("$orderby", "Item")]).await
}

/// What was imported, what was not, and why.
fn report(job: &Value, items: &[Value], format: Format) {
    if format == Format::Json {
        output::json(&json!({ "import": job, "items": items }));
        return;
    }
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for item in items {
        *counts.entry(rows::text(item, "Outcome")).or_default() += 1;
    }
    let counts: Vec<String> = counts.iter().map(|(outcome, count)| format!("{count} {outcome}")).collect();
    output::line(format_args!(
        "Import {}: {}; {} files, {} read.",
        rows::text(job, "ImportID"),
        if counts.is_empty() { "no drivers found".to_owned() } else { counts.join(", ") },
        rows::number(job, "Files"),
        output::bytes(rows::number(job, "BytesRead")),
    ));
    refused(items);
    findings(items);
}

/// The files that were not imported, and why.
fn refused(items: &[Value]) {
    let refused: Vec<&Value> = items.iter().filter(|item| rows::number(item, "CI_ID") == 0).collect();
    if refused.is_empty() {
        return;
    }
    let mut table = Table::new(&["OUTCOME", "FILE", "WHY"]);
    for item in refused.iter().take(REPORT_LINES) {
        table.row(["Outcome", "Path", "Reason"].map(|name| rows::text(item, name)));
    }
    output::line("");
    table.print();
    if refused.len() > REPORT_LINES {
        output::line(format_args!("... and {} more; --json has them all", refused.len() - REPORT_LINES));
    }
}

/// What was odd about drivers that are in the catalog now: how many have it, and one of them.
fn findings(items: &[Value]) {
    let mut found: BTreeMap<&str, (BTreeSet<u64>, &str)> = BTreeMap::new();
    for item in items {
        let driver = rows::number(item, "CI_ID");
        for finding in rows::texts(item, "Diagnostics").into_iter().filter(|_| driver != 0) {
            let Some(code) = code_of(finding) else { continue };
            found.entry(code).or_insert_with(|| (BTreeSet::new(), finding)).0.insert(driver);
        }
    }
    if found.is_empty() {
        return;
    }
    let mut found: Vec<_> = found.into_values().collect();
    found.sort_by_key(|(drivers, _)| Reverse(drivers.len()));
    let mut table = Table::new(&[">DRIVERS", "FOR EXAMPLE", "FINDING"]);
    for (drivers, example) in &found {
        let first = drivers.first().map(u64::to_string).unwrap_or_default();
        table.row([drivers.len().to_string(), first, (*example).to_owned()]);
    }
    output::line("\nFindings; `haulier driver show` has all of a driver:");
    table.print();
}

/// The code at the end of a finding's text; a line that tells of more findings has none.
fn code_of(finding: &str) -> Option<&str> {
    finding.strip_suffix(')')?.rsplit_once(" (").map(|(_, code)| code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn findings_are_counted_by_their_codes() {
        for (finding, expect) in
            [("a.inf:1:2: odd (really) odd (inf_odd)", Some("inf_odd")), ("and 3 more", None), ("", None)]
        {
            assert_eq!(code_of(finding), expect);
        }
    }
}
