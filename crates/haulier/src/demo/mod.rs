//! `haulier demo`: a whole hierarchy as real processes on loopback, through a refresh, with proof.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use clock::{Clock, SystemClock};
use serde_json::{Value, json};

use crate::args::DemoArgs;
use crate::commands::status;
use crate::output::{self, Format};
use crate::remote::{Key, Remote, no_parameters};

mod catalog;
mod processes;
mod proof;
mod report;
mod sources;

use processes::Hierarchy;
use report::Row;
use sources::Drivers;

/// How many distribution points the primary site has.
const AT_SITE: usize = 2;
/// How many its child site has.
const AT_CHILD: usize = 1;
const DISTRIBUTION_POINTS: usize = AT_SITE + AT_CHILD;
/// The longest that one step may take.
const STEP_TIMEOUT: Duration = Duration::from_secs(600);
/// How often progress is asked for.
const POLL_INTERVAL: Duration = Duration::from_millis(100);

/// Runs the demo; succeeds only if every distribution point ends with the right bytes of the last version.
pub(crate) async fn run(args: &DemoArgs, format: Format) -> Result<()> {
    let say = Narrator { format };
    let folder =
        tempfile::Builder::new().prefix("haulier-demo-").tempdir().context("no room for the demo")?;
    let vendor = folder.path().join("vendor");
    let drivers = Drivers::new(args.drivers.as_deref())?;
    drivers.write_first(&vendor)?;
    let size = sources::measure(&vendor)?;
    say.line(format_args!("Vendor's drivers: {} files, {}", size.files, output::bytes(size.bytes)));

    let hierarchy = Hierarchy::start(folder.path(), AT_SITE, AT_CHILD).await?;
    say.line(format_args!("Primary site PS1 at {}", hierarchy.site.url));
    say.line(format_args!("Secondary site S01 below it at {}", hierarchy.child.url));
    for dp in &hierarchy.distribution_points {
        say.line(format_args!("Distribution point {} at {}", dp.name, dp.url));
    }
    let remote = Remote::new(&hierarchy.sign_in())?;
    let imported = catalog::import(&remote, &vendor).await?;
    say.line(&imported);
    let source = folder.path().join("package");
    std::fs::create_dir(&source)?;
    let package_id = create_package(&remote, &source).await?;
    let change = catalog::put_into(&remote, &package_id, &imported).await?;
    say.line(format_args!(
        "SMS_DriverPackage.AddDriverContent() put their {} folders into package {package_id}",
        change.added
    ));
    distribute(&remote, &package_id).await?;
    say.line(format_args!(
        "Package {package_id} is distributed to {DISTRIBUTION_POINTS} distribution points"
    ));
    let (first, mut rows) = settle(&say, &hierarchy, &remote, &package_id, 0, &source).await?;

    let released = drivers.write_second(&vendor)?;
    say.line(format_args!("The vendor's drivers change: {released}"));
    let imported = catalog::import(&remote, &vendor).await?;
    say.line(&imported);
    let change = catalog::put_into(&remote, &package_id, &imported).await?;
    say.line(format_args!(
        "{} driver folders are new in the package, {} are taken out",
        change.added, change.removed
    ));
    remote.invoke(&package_key(&package_id), "RefreshPkgSource", &no_parameters()).await?;
    say.line("SMS_DriverPackage.RefreshPkgSource() returned 0");
    ensure!(change.added > 0, "the drivers changed, and the package did not");
    rows.extend(settle(&say, &hierarchy, &remote, &package_id, first, &source).await?.1);

    let failures = report::print(&package_id, &rows, format);
    if args.serve {
        serve(&say, &hierarchy).await?;
    }
    hierarchy.stop().await;
    if failures.is_empty() { Ok(()) } else { bail!("{}", failures.join("; ")) }
}

/// Waits until every distribution point reports the newest version, which must be above `before`; then fetches all of
/// it and compares. Returns the version.
async fn settle(
    say: &Narrator,
    hierarchy: &Hierarchy,
    remote: &Remote,
    package_id: &str,
    before: u64,
    source: &Path,
) -> Result<(u64, Vec<Row>)> {
    let start = SystemClock.monotonic();
    let (version, states) = wait_for_newest(remote, package_id).await?;
    ensure!(version > before, "version {version} is published, and something newer was refreshed");
    let took = SystemClock.monotonic() - start;
    say.line(format_args!(
        "Version {version} is on every distribution point after {:.1} s",
        took.as_secs_f64()
    ));
    let mut rows = Vec::new();
    for dp in &hierarchy.distribution_points {
        let checked = proof::compare(&dp.url, package_id, version, source).await?;
        let state = states
            .iter()
            .find(|state| {
                state["ServerName"].as_str().is_some_and(|name| name.eq_ignore_ascii_case(&dp.name))
            })
            .with_context(|| format!("the site has no state for {}", dp.name))?;
        rows.push(Row::new(state, checked));
    }
    Ok((version, rows))
}

fn package_key(package_id: &str) -> Key {
    Key::one("SMS_DriverPackage", "PackageID", package_id)
}

/// Speaks to people; a script that asked for JSON hears only the end.
struct Narrator {
    format: Format,
}

impl Narrator {
    fn line(&self, text: impl std::fmt::Display) {
        if self.format == Format::Text {
            output::line(text);
        }
    }
}

async fn create_package(remote: &Remote, source: &Path) -> Result<String> {
    let properties = json!({
        "Name": "Demo drivers",
        "Description": "Made by haulier demo",
        "PkgSourceFlag": 2,
        "PkgSourcePath": source.display().to_string(),
    });
    let package = remote.create("SMS_DriverPackage", &properties).await?;
    Ok(package["PackageID"].as_str().context("the new package has no PackageID")?.to_owned())
}

/// Sends the package to every distribution point of the hierarchy; the child tells of its own a moment after it started.
async fn distribute(remote: &Remote, package_id: &str) -> Result<()> {
    let resources = wait_for_points(remote).await?;
    let column = |name: &str| -> Vec<Value> { resources.iter().map(|row| row[name].clone()).collect() };
    let parameters = json!({ "SiteCode": column("SiteCode"), "NALPath": column("NALPath") });
    remote.invoke(&package_key(package_id), "AddDistributionPoints", &parameters).await?;
    Ok(())
}

async fn wait_for_points(remote: &Remote) -> Result<Vec<Value>> {
    let clock = SystemClock;
    let give_up = clock.monotonic() + STEP_TIMEOUT;
    loop {
        let filter = [("$filter", "RoleName eq 'SMS Distribution Point'")];
        let resources = remote.list("SMS_SystemResourceList", &filter).await?;
        if resources.len() == DISTRIBUTION_POINTS {
            return Ok(resources);
        }
        ensure!(clock.monotonic() < give_up, "the child site's distribution point is not heard of");
        clock.sleep(POLL_INTERVAL).await;
    }
}

/// Waits until no refresh is open and every distribution point reports the newest version; gives that version and
/// the states that were reported.
async fn wait_for_newest(remote: &Remote, package_id: &str) -> Result<(u64, Vec<Value>)> {
    let clock = SystemClock;
    let give_up = clock.monotonic() + STEP_TIMEOUT;
    let bar = status::progress_bar();
    loop {
        let unpublished = status::unpublished(remote, Some(package_id)).await?;
        let version = remote.get(&package_key(package_id)).await?["StoredPkgVersion"].as_u64().unwrap_or(0);
        let states = status::states(remote, Some(package_id)).await?;
        let holds =
            |state: &Value| status::is_settled(state) && state["InstalledVersion"].as_u64() == Some(version);
        status::show_progress(&bar, unpublished.as_deref(), &states, holds);
        if unpublished.is_none() && states.len() == DISTRIBUTION_POINTS && states.iter().all(holds) {
            bar.finish_and_clear();
            return Ok((version, states));
        }
        if clock.monotonic() > give_up {
            bar.finish_and_clear();
            status::print(&states);
            bail!(
                "the newest version did not reach every distribution point within {} s",
                STEP_TIMEOUT.as_secs()
            );
        }
        clock.sleep(POLL_INTERVAL).await;
    }
}

async fn serve(say: &Narrator, hierarchy: &Hierarchy) -> Result<()> {
    let sign_in = hierarchy.sign_in();
    let (url, user, password) =
        (sign_in.url(), &sign_in.user, sign_in.password.as_deref().unwrap_or_default());
    say.line(format_args!(
        "\nStill running; stop with Ctrl-C. To look around:\n  export HAULIER_SITE={url} HAULIER_USER={user} HAULIER_PASSWORD={password}\n  haulier status"
    ));
    tokio::signal::ctrl_c().await.context("cannot wait for Ctrl-C")
}
