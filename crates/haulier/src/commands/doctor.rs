//! `haulier doctor`: looks for what is wrong and says what to do.

use std::time::Duration;

use anyhow::{Result, bail};
use clock::{Clock, SystemClock};
use net::ca::AGENT_LIFE;
use serde_json::{Value, json};

use super::rows;
use crate::args::SiteAddress;
use crate::output::{self, Format};
use crate::remote::{Remote, literal};

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
    let what = "the site answers";
    let own_site = match remote.list("SMS_Identification", &[]).await {
        Err(error) => return vec![Finding { what, problem: Some(error.to_string()) }],
        Ok(rows) => rows.first().map(|row| rows::text(row, "ThisSiteCode")).unwrap_or_default(),
    };
    findings.push(Finding { what, problem: None });
    findings.push(all_heard(&remote, own_site).await);
    findings.push(no_faults(&remote, "Haulier_PackageState", "package sources", "Name").await);
    findings.push(no_faults(&remote, "Haulier_DistributionState", "distribution", "ServerName").await);
    findings
}

/// Other sites hear their own.
async fn all_heard(remote: &Remote, own_site: String) -> Finding {
    let filter = format!("SiteCode eq {}", literal(&own_site));
    let problem = match remote.list("Haulier_DistributionPoint", &[("$filter", &filter)]).await {
        Err(error) => Some(error.to_string()),
        Ok(points) => {
            let silent: Vec<_> = points
                .iter()
                .filter_map(|point| Some((point, silent_for(&rows::text(point, "LastHeard"))?)))
                .collect();
            (!silent.is_empty()).then(|| hear_again(&silent))
        }
    };
    Finding { what: "every distribution point is heard", problem }
}

/// For how long nothing was heard, where that is longer than the site's own limit.
fn silent_for(last_heard: &str) -> Option<Duration> {
    let Ok(heard) = last_heard.parse::<jiff::Timestamp>() else { return Some(Duration::ZERO) };
    let silence = SystemClock.now().duration_since(heard).unsigned_abs();
    (silence > site::SILENT_AFTER).then_some(silence)
}

/// Who is silent, and what to do about it.
fn hear_again(silent: &[(&Value, Duration)]) -> String {
    let named = silent.iter().map(|(point, _)| {
        format!("{} last heard {}", rows::text(point, "ServerName"), rows::text(point, "LastHeard"))
    });
    let named: Vec<String> = named.collect();
    let mut text =
        format!("{}; is `haulier dp run` running there, and can it reach the site?", named.join(", "));
    // Whoever was heard of had a third of its certificate's life left at least.
    if silent.iter().any(|(_, silence)| *silence > AGENT_LIFE / 3) {
        text.push_str(
            " After so long a certificate may have ended, and the site lets nobody in with it: make a new token with \
             `haulier dp token` and start the distribution point with it",
        );
    }
    text
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
