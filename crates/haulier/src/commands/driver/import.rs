//! `haulier driver import`: starts an import at the site, shows how far it is, and reports what became of each
//! driver.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clock::{Clock, SystemClock};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::args::{DriverImport, Duplicates, ImportOptions};
use crate::commands::rows;
use crate::output::{self, Format, Table};
use crate::remote::{Key, Remote, RemoteError, literal};

const CLASS: &str = "Haulier_DriverImport";
const CATEGORY_CLASS: &str = "SMS_CategoryInstance";
/// The type of the categories that drivers are put into.
const CATEGORY_TYPE: &str = "DriverCategories";
/// English, the locale in which categories are named here.
const LOCALE_ID: u32 = 1033;
/// How often progress is asked for.
const POLL_INTERVAL: Duration = Duration::from_millis(300);
/// Items of the report that are shown to people; `--json` has them all.
const REPORT_LINES: usize = 100;

/// Does what the command line says.
pub(super) async fn run(args: &DriverImport, remote: &Remote, format: Format) -> Result<()> {
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
                "Import {id} is accepted; `haulier query \"SELECT * FROM {CLASS}\"` shows it."
            ));
        }
        return Ok(());
    }
    let job = wait(remote, id).await?;
    let items = items(remote, id).await?;
    report(&job, &items, format);
    match rows::text(&job, "StateName").as_str() {
        "done" if rows::number(&job, "Failed") == 0 => Ok(()),
        "done" => bail!("{} of the files could not be imported", rows::number(&job, "Failed")),
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

/// A path as the site server reads it: a relative one is relative to where the command is typed.
pub(super) fn as_the_site_sees(source: &str) -> Result<String> {
    if source.starts_with(r"\\") || source.starts_with("//") {
        return Ok(source.to_owned());
    }
    let path = std::path::absolute(source).with_context(|| format!("{source} is no path"))?;
    path.into_os_string().into_string().ok().with_context(|| format!("{source} is no readable name"))
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
    loop {
        let job = remote.get(&key).await?;
        bar.set_length(rows::number(&job, "INFsFound").max(1));
        bar.set_position(rows::number(&job, "INFsDone"));
        bar.set_message(progress(&job));
        if !matches!(rows::text(&job, "StateName").as_str(), "queued" | "running") {
            bar.finish_and_clear();
            return Ok(job);
        }
        SystemClock.sleep(POLL_INTERVAL).await;
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
    let telling: Vec<&Value> = items.iter().filter(|item| tells_something(item)).collect();
    if telling.is_empty() {
        return;
    }
    let mut table = Table::new(&["OUTCOME", "DRIVER", "FILE", "WHY"]);
    for item in telling.iter().take(REPORT_LINES) {
        table.row([
            rows::text(item, "Outcome"),
            rows::text(item, "CI_ID"),
            rows::text(item, "Path"),
            why(item),
        ]);
    }
    table.print();
    if telling.len() > REPORT_LINES {
        output::line(format_args!("... and {} more; --json has them all", telling.len() - REPORT_LINES));
    }
}

/// Whether somebody should look at an item: it was not imported, or something is wrong with it.
fn tells_something(item: &Value) -> bool {
    rows::text(item, "Outcome") != "imported" || !rows::texts(item, "Diagnostics").is_empty()
}

/// The reason, or the first finding.
fn why(item: &Value) -> String {
    let reason = rows::text(item, "Reason");
    if !reason.is_empty() {
        return reason;
    }
    match rows::texts(item, "Diagnostics").as_slice() {
        [] => String::new(),
        [only] => (*only).to_owned(),
        [first, more @ ..] => format!("{first} (and {} more)", more.len()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_made_absolute_and_unc_paths_left_alone() {
        let here = std::env::current_dir().unwrap();
        for (given, expect) in [
            (r"\\files\drivers\x", r"\\files\drivers\x".to_owned()),
            ("/srv/drivers", "/srv/drivers".to_owned()),
            ("drivers/x", here.join("drivers/x").to_str().unwrap().to_owned()),
        ] {
            assert_eq!(as_the_site_sees(given).unwrap(), expect);
        }
    }

    #[test]
    fn an_item_says_why_in_one_line() {
        for (item, expect) in [
            (json!({ "Reason": "no such file", "Diagnostics": ["x"] }), "no such file"),
            (json!({ "Reason": "", "Diagnostics": ["a (b)"] }), "a (b)"),
            (json!({ "Reason": null, "Diagnostics": ["a", "b", "c"] }), "a (and 2 more)"),
            (json!({ "Reason": null, "Diagnostics": [] }), ""),
        ] {
            assert_eq!(why(&item), expect);
        }
    }
}
