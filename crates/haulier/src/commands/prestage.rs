//! Prestaged files: a version written to one, and taken in by a distribution point or a site.
//!
//! Whoever runs has its content open. So a file for a running one is handed over by its inbox, and the answer waited
//! for; a stopped one's is taken in here.

use std::fs::{File, OpenOptions};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clock::{Clock, SystemClock};
use content::prestage::{Answer, Inbox};
use content::{Counter, Monitor};
use dp::ImportError;
use indicatif::{ProgressBar, ProgressDrawTarget};
use serde_json::json;
use site::{Actor, SiteError};

use super::site::open_site;
use crate::args::PackageExport;
use crate::output::{self, Format};
use crate::process::keep_private;

/// How often the answer of a running server is looked for.
const POLL_INTERVAL: Duration = Duration::from_millis(200);

/// `haulier package export`.
pub(super) async fn export(args: &PackageExport, format: Format) -> Result<()> {
    let shown = args.output.display();
    let site = open_site(&args.data).await?;
    let file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(&args.output)
        .with_context(|| format!("cannot make {shown}"))?;
    let monitor = Arc::new(Shown::new("written"));
    let written =
        site.export_version(&Actor::local(), &args.package_id, args.package_version, file, monitor).await;
    let (label, exported) = match written {
        Ok(written) => written,
        Err(error) => {
            std::fs::remove_file(&args.output).with_context(|| format!("cannot remove {shown}"))?;
            return Err(error.into());
        }
    };
    match format {
        Format::Json => output::json(&json!({
            "PackageID": label.package_id,
            "Version": label.version,
            "Manifest": label.manifest.to_string(),
            "Files": exported.files,
            "ContentBytes": exported.content_bytes,
            "FileBytes": exported.bytes,
        })),
        Format::Text => output::line(format_args!(
            "{} version {}: {} files of {}, in {shown} of {}",
            label.package_id,
            label.version,
            exported.files,
            output::bytes(exported.content_bytes),
            output::bytes(exported.bytes),
        )),
    }
    Ok(())
}

/// `haulier dp import`.
pub(super) async fn import_at_dp(file: &Path, data: &Path, format: Format) -> Result<()> {
    keep_private();
    let (owned_file, owned_data) = (file.to_owned(), data.to_owned());
    let imported = tokio::task::spawn_blocking(move || {
        let monitor = Shown::new("read");
        dp::import_stopped(&owned_data, &owned_file, SystemClock::shared(), &monitor)
    });
    let answer = match imported.await? {
        Ok((label, imported)) => Answer::of(&label, &imported),
        Err(ImportError::Running) => hand_over(file, data).await?,
        Err(error) => return Err(error.into()),
    };
    told(&answer, format)
}

/// `haulier site import`.
pub(super) async fn import_at_site(file: &Path, data: &Path, format: Format) -> Result<()> {
    keep_private();
    let site = open_site(data).await?;
    let answer = match site.import_prestaged(&Actor::local(), file).await {
        Ok((label, imported)) => Answer::of(&label, &imported),
        Err(SiteError::AlreadyRunning) => hand_over(file, data).await?,
        Err(error) => return Err(error.into()),
    };
    told(&answer, format)
}

/// Hands the file to the running server and waits for what it says.
async fn hand_over(file: &Path, data: &Path) -> Result<Answer> {
    // A mistyped name is told here, with the name.
    drop(File::open(file).with_context(|| format!("cannot read {}", file.display()))?);
    let ticket = Inbox::of(data).put(file).with_context(|| format!("cannot hand {} over", file.display()))?;
    let spinner = spinner();
    spinner.set_message("handed over to the running server; it takes the file in");
    loop {
        if let Some(answer) = ticket.answer()? {
            spinner.finish_and_clear();
            return Ok(answer);
        }
        spinner.tick();
        SystemClock.sleep(POLL_INTERVAL).await;
    }
}

fn told(answer: &Answer, format: Format) -> Result<()> {
    if !answer.is_good() {
        bail!("{}", answer.text);
    }
    match format {
        Format::Json => output::json(&json!({ "Result": answer.code, "Message": answer.text })),
        Format::Text => output::line(&answer.text),
    }
    Ok(())
}

fn spinner() -> ProgressBar {
    let target =
        if output::draws_progress() { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
    ProgressBar::with_draw_target(None, target)
}

/// Shows how many bytes went by.
struct Shown {
    spinner: ProgressBar,
    doing: &'static str,
}

impl Shown {
    fn new(doing: &'static str) -> Shown {
        Shown { spinner: spinner(), doing }
    }
}

impl Monitor for Shown {
    fn count(&self, counter: Counter, by: u64) {
        if matches!(counter, Counter::BytesRead | Counter::StoredBytes) {
            self.spinner.inc(by);
            let bytes = output::bytes(self.spinner.position());
            self.spinner.set_message(format!("{bytes} {}", self.doing));
        }
    }

    fn error(&self, message: &str) {
        tracing::warn!(message);
    }
}
