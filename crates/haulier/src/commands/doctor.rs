//! `haulier doctor`: looks for what is wrong and says what to do.

use anyhow::{Result, bail};
use clock::{Clock, SystemClock};
use serde_json::json;

use super::rows;
use crate::args::SiteAddress;
use crate::output::{self, Format};
use crate::remote::Remote;

/// One thing that was looked at.
struct Finding {
    what: &'static str,
    problem: Option<String>,
}

/// Does what the command line says; fails if anything is wrong.
pub(crate) async fn run(address: &SiteAddress, format: Format) -> Result<()> {
    let findings = examine(address).await;
    match format {
        Format::Json => {
            let list: Vec<_> =
                findings.iter().map(|f| json!({ "what": f.what, "problem": f.problem })).collect();
            output::json(&list);
        }
        Format::Text => {
            for finding in &findings {
                match &finding.problem {
                    None => output::line(format_args!("ok       {}", finding.what)),
                    Some(problem) => output::line(format_args!("PROBLEM  {}: {problem}", finding.what)),
                }
            }
        }
    }
    match findings.iter().filter(|finding| finding.problem.is_some()).count() {
        0 => Ok(()),
        problems => bail!("{problems} of {} checks found a problem", findings.len()),
    }
}

async fn examine(address: &SiteAddress) -> Vec<Finding> {
    let mut findings = Vec::new();
    let remote = match Remote::new(address) {
        Ok(remote) => remote,
        Err(error) => return vec![Finding { what: "sign-in", problem: Some(error.to_string()) }],
    };
    let identity = remote.list("SMS_Identification", &[]).await;
    findings
        .push(Finding { what: "the site answers", problem: identity.err().map(|error| error.to_string()) });
    if findings[0].problem.is_some() {
        return findings;
    }
    findings.push(all_heard(&remote).await);
    findings.push(no_faults(&remote, "Haulier_PackageState", "package sources", "Name").await);
    findings.push(no_faults(&remote, "Haulier_DistributionState", "distribution", "ServerName").await);
    findings
}

async fn all_heard(remote: &Remote) -> Finding {
    let problem = match remote.list("Haulier_DistributionPoint", &[]).await {
        Err(error) => Some(error.to_string()),
        Ok(points) => {
            let silent: Vec<String> = points
                .iter()
                .filter(|point| is_silent(&rows::text(point, "LastHeard")))
                .map(|point| {
                    format!(
                        "{} last heard {}",
                        rows::text(point, "ServerName"),
                        rows::text(point, "LastHeard")
                    )
                })
                .collect();
            (!silent.is_empty()).then(|| {
                format!(
                    "{}; is `haulier dp run` running there, and can it reach the site?",
                    silent.join(", ")
                )
            })
        }
    };
    Finding { what: "every distribution point is heard", problem }
}

/// Whether nothing was heard for longer than the site's own limit.
fn is_silent(last_heard: &str) -> bool {
    let heard: Option<jiff::Timestamp> = last_heard.parse().ok();
    heard.is_none_or(|heard| SystemClock.now().duration_since(heard).unsigned_abs() > site::SILENT_AFTER)
}

async fn no_faults(remote: &Remote, class: &str, what: &'static str, subject: &str) -> Finding {
    let problem = match remote.list(class, &[("$filter", "FaultCode ne ''")]).await {
        Err(error) => Some(error.to_string()),
        Ok(rows) => {
            let faults: Vec<String> = rows
                .iter()
                .map(|row| {
                    let [id, subject, text] =
                        ["PackageID", subject, "FaultText"].map(|name| rows::text(row, name));
                    format!("{id} ({subject}): {text}")
                })
                .collect();
            (!faults.is_empty()).then(|| faults.join("; "))
        }
    };
    Finding { what, problem }
}
