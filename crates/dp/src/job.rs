//! One job: making what the site wants of one package true, once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use agent::trust::VersionSignature;
use agent::{Event, Goal};
use content::ManifestId;
use content::holder::VerifyReport;

use crate::context::{Context, Stop, blocking};
use crate::fault::{JobError, MAINTENANCE, NOT_WANTED, SITE_UNREACHABLE};
use crate::pace::Pace;
use crate::state::Row;
use membership::backoff::{JOB_WAIT_MAX, SITE_WAIT_MAX, jittered};

mod fetch;
mod pull;

use pull::{Pulled, Wanted, pull};

/// Bytes of file names in one fact; 256 facts of it are less than the 1 MiB that the site takes at once.
const NAMES_BYTES_MAX: usize = 3 * 1024;
/// The wait before a package is tried again that the site said it does not want, unless it says so by then.
const NOT_WANTED_WAIT: Duration = Duration::from_secs(30);

/// Runs the job to its end: settled, failed with a time to try again, or stopped.
pub(crate) async fn run(context: Arc<Context>, row: Row, repair: bool, stop: Stop) {
    let package = row.desired.package_id.clone();
    let generation = row.desired.generation;
    let received = Arc::new(AtomicU64::new(row.received_bytes));
    let result = match &row.desired.goal {
        Goal::Absent => remove(&context, &package).await,
        Goal::Hold { version, manifest, verify, signature } => match manifest.parse::<ManifestId>() {
            Ok(id) => {
                let (version, call) = (*version, row.desired.correlation.clone());
                let (package, received) = (package.clone(), Arc::clone(&received));
                let wanted = Wanted { package, generation, version, manifest: id, call, received };
                let verify = *verify && !row.settled;
                match believe(&context, &wanted, manifest, signature.as_ref()).await {
                    Ok(()) => hold(&context, &wanted, verify, repair, &stop).await,
                    Err(error) => Err(error),
                }
            }
            Err(error) => Err(JobError::BadAnswer(error.to_string())),
        },
    };
    if repair && result.is_err() {
        context.suspect(&package);
    }
    context.state.received(&package, generation, received.load(Ordering::Relaxed));
    match result {
        Ok(events) => {
            let facts = events.into_iter().map(|event| context.fact(&package, generation, event)).collect();
            context.remember(move |state| state.settle(&package, generation, facts)).await;
            context.metrics.job("done");
        }
        Err(JobError::Stopped | JobError::Holder(content::holder::HolderError::Canceled)) => {
            context.remember(move |state| state.keep(&package)).await;
            context.metrics.job("stopped");
        }
        Err(JobError::Paused { code, reason, until, wait }) => {
            let until = until.map(|until| until.to_string());
            tracing::info!(%package, reason, until, "Paused");
            let fact = context.fact(&package, generation, Event::Paused { code, reason, until });
            let retry_at = context.clock.monotonic() + wait;
            context.remember(move |state| state.pause(&package, generation, retry_at, fact)).await;
            context.metrics.job("paused");
        }
        Err(JobError::Maintenance { wait }) => {
            tracing::info!(%package, "A transfer waits for the end of maintenance mode");
            context.withhold(&package, generation);
            if let Some(wait) = wait {
                // The site knows of the mode and this distribution point does not yet.
                context.state.wait(&package, generation, context.clock.monotonic() + wait, MAINTENANCE);
            }
            context.metrics.job("withheld");
        }
        Err(JobError::NotWanted(reason)) => {
            tracing::info!(%package, reason, "The site does not want this here; asking what it wants");
            context.state.wait(&package, generation, context.clock.monotonic() + NOT_WANTED_WAIT, NOT_WANTED);
            context.list_anew.notify_one();
            context.metrics.job(NOT_WANTED);
        }
        Err(error) => failed(&context, &row, &error).await,
    }
}

/// A job whose code broke: told and tried again like any other failure, at the same pace.
pub(crate) async fn broke_down(context: &Context, row: &Row, repair: bool, error: &tokio::task::JoinError) {
    if repair {
        context.suspect(&row.desired.package_id);
    }
    failed(context, row, &JobError::Interrupted(error.to_string())).await;
}

async fn failed(context: &Context, row: &Row, error: &JobError) {
    let (package, generation) = (row.desired.package_id.clone(), row.desired.generation);
    let attempt = row.attempts.saturating_add(1);
    let max = if error.code() == SITE_UNREACHABLE { SITE_WAIT_MAX } else { JOB_WAIT_MAX };
    if matches!(error, JobError::ManifestGone(_)) {
        // A newer version may be why.
        context.list_anew.notify_one();
    }
    let wait = jittered(attempt, max).max(error.asked_wait());
    let (next, retry_at) = (context.clock.now() + wait, context.clock.monotonic() + wait);
    let call = row.desired.correlation.as_deref();
    tracing::warn!(%error, code = error.code(), call, %package, attempt, %next, "A job failed");
    let event = Event::Failed { fault: error.fault(), attempt, next_attempt_at: next.to_string() };
    let fact = context.fact(&package, generation, event);
    context.remember(move |state| state.fail(&package, generation, retry_at, fact)).await;
    context.metrics.job(error.code());
}

async fn remove(context: &Context, package: &str) -> Result<Vec<Event>, JobError> {
    let (holder, package) = (context.holder.clone(), package.to_owned());
    blocking(move || holder.remove(&package)).await?;
    Ok(vec![Event::Removed])
}

/// Nothing of a version is fetched, and nothing held is switched to it, unless its source site signed it.
async fn believe(
    context: &Context,
    wanted: &Wanted,
    manifest: &str,
    signature: Option<&VersionSignature>,
) -> Result<(), JobError> {
    let membership = context.site.membership();
    let checked = membership.check_version(&wanted.package, wanted.version, manifest, signature).await?;
    Ok(checked?)
}

/// Holds, repairs or verifies a version; gives what is true at the end.
async fn hold(
    context: &Arc<Context>,
    wanted: &Wanted,
    verify: bool,
    repair: bool,
    stop: &Stop,
) -> Result<Vec<Event>, JobError> {
    let (holder, want) = (context.holder.clone(), wanted.clone());
    let held = blocking(move || holder.version(&want.package, want.version)).await?;
    let Some(held) = held.filter(|held| held.manifest == wanted.manifest) else {
        let pulled = bring_in(context, wanted, verify, stop).await?;
        return Ok(vec![installed(wanted, &pulled)]);
    };
    if !verify && !repair {
        activate(context, wanted).await?;
        return Ok(vec![Event::Installed {
            version: wanted.version,
            files: held.files,
            bytes_total: held.bytes,
            bytes_received: 0,
            files_verified: 0,
        }]);
    }
    let report = match verify {
        true => {
            let event = Event::Verifying { version: wanted.version };
            let begins = context.fact(&wanted.package, wanted.generation, event);
            context.remember(move |state| state.push(begins)).await;
            check(context, wanted, stop).await?
        }
        false => VerifyReport::default(),
    };
    if report.files_damaged > 0 {
        tell_damage(context, wanted, &report).await;
    }
    let (mut files_verified, mut files_repaired) = (report.files_verified, Vec::new());
    if repair || report.files_damaged > 0 {
        let pulled = bring_in(context, wanted, false, stop).await?;
        files_verified = files_verified.max(pulled.installed.files_verified);
        files_repaired = named(if report.damaged.is_empty() { pulled.lacked } else { report.damaged });
    }
    activate(context, wanted).await?;
    Ok(vec![Event::Verified { version: wanted.version, files_verified, files_repaired }])
}

/// What a verification found, before it is repaired: that may take long, or not be possible.
async fn tell_damage(context: &Context, wanted: &Wanted, report: &VerifyReport) {
    let is_missing = |name: &&String| report.missing.contains(name);
    let damaged = report.damaged.iter().filter(|name| !is_missing(name)).cloned().collect();
    let event = Event::Damaged {
        version: wanted.version,
        files_verified: report.files_verified,
        damaged: named(damaged),
        missing: named(report.missing.clone()),
    };
    let fact = context.fact(&wanted.package, wanted.generation, event);
    context.remember(move |state| state.push(fact)).await;
}

/// The first of the names, as many as fit into a fact.
fn named(mut names: Vec<String>) -> Vec<String> {
    let mut bytes = 0;
    let fitting = names.iter().take_while(|name| {
        // The quotes and the comma count; a name of many escapes is left to the halving of a batch.
        bytes += name.len() + 3;
        bytes <= NAMES_BYTES_MAX
    });
    // One is always told: it is what an administrator looks for first.
    let fitting = fitting.count().max(1);
    names.truncate(fitting);
    names
}

/// Brings a version in and serves it. Files that it shares with what is held are believed, unless all are to be verified: then
/// nothing of it is served before that.
async fn bring_in(
    context: &Arc<Context>,
    wanted: &Wanted,
    verify: bool,
    stop: &Stop,
) -> Result<Pulled, JobError> {
    if context.is_in_maintenance() {
        return Err(JobError::Maintenance { wait: None });
    }
    begin(context, wanted).await;
    let mut pulled = pull(context, wanted, stop).await?;
    if verify {
        let report = check(context, wanted, stop).await?;
        if report.files_damaged > 0 {
            tell_damage(context, wanted, &report).await;
            let again = pull(context, wanted, stop).await?;
            pulled.received_bytes += again.received_bytes;
        }
        pulled.installed.files_verified = report.files_verified;
    }
    activate(context, wanted).await?;
    context.upstream.trust_again();
    tracing::info!(
        call = wanted.call, package = %wanted.package, version = wanted.version, files = pulled.installed.files,
        bytes = pulled.installed.bytes, received = pulled.received_bytes, "Installed"
    );
    Ok(pulled)
}

/// Tells the site that an attempt begins.
async fn begin(context: &Arc<Context>, wanted: &Wanted) {
    let (shared, want) = (Arc::clone(context), wanted.clone());
    let begin = move |state: &crate::state::State| {
        let fact = |event| shared.fact(&want.package, want.generation, event);
        state.begin(&want.package, want.generation, want.version, fact);
    };
    context.remember(begin).await;
}

fn installed(wanted: &Wanted, pulled: &Pulled) -> Event {
    Event::Installed {
        version: wanted.version,
        files: pulled.installed.files,
        bytes_total: pulled.installed.bytes,
        bytes_received: pulled.received_bytes,
        files_verified: pulled.installed.files_verified,
    }
}

async fn activate(context: &Context, wanted: &Wanted) -> Result<(), JobError> {
    let (holder, want) = (context.holder.clone(), wanted.clone());
    blocking(move || {
        if holder.current(&want.package)? == Some(want.version) {
            return Ok(());
        }
        holder.activate(&want.package, want.version)
    })
    .await
}

/// Hashes all files of a version, at a pace that leaves the disk to others.
async fn check(context: &Context, wanted: &Wanted, stop: &Stop) -> Result<VerifyReport, JobError> {
    let (holder, want): (_, Wanted) = (context.holder.clone(), wanted.clone());
    let flag: Arc<AtomicBool> = Arc::clone(&stop.flag);
    let (clock, serving) = (Arc::clone(&context.clock), context.serving.clone());
    let runtime = tokio::runtime::Handle::current();
    blocking(move || {
        content::at_lowest_priority(|| {
            let pace = Pace::new(clock, serving, runtime);
            holder.verify_at_pace(&want.package, want.version, &flag, &|bytes| pace.wait(bytes))
        })
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fact_names_as_many_files_as_fit_and_always_one() {
        for (len, count, expect) in [(10, 0, 0), (10, 100, 100), (97, 100, 30), (1024, 100, 2), (4096, 2, 1)]
        {
            assert_eq!(named(vec!["x".repeat(len); count]).len(), expect, "{count} names of {len} bytes");
        }
    }
}
