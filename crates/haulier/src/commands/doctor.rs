//! `haulier doctor`: looks for what is wrong and says what to do.

mod sites;

use anyhow::{Result, bail};
use clock::{Clock, SystemClock};
use serde_json::{Value, json};

use super::rows;
use crate::args::SiteAddress;
use crate::output::{self, Format};
use crate::remote::{Remote, RemoteError, literal};

/// What is wrong of one kind is counted, and so many of it are named.
const NAMED_MAX: usize = 10;

const SILENT_FIRST: &str =
    "haulier query \"SELECT ServerName, LastHeard FROM Haulier_DistributionPoint ORDER BY LastHeard\"";
const NOT_ENROLLED: &str =
    "haulier query \"SELECT ServerName FROM Haulier_DistributionPoint WHERE IsEnrolled = FALSE\"";

/// One thing that was looked at.
struct Finding {
    what: &'static str,
    problem: Option<String>,
}

impl Finding {
    fn new(what: &'static str, problem: std::result::Result<Option<String>, RemoteError>) -> Self {
        Self { what, problem: problem.unwrap_or_else(|error| Some(error.to_string())) }
    }
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
    let remote = match Remote::new(address) {
        Ok(remote) => remote,
        Err(error) => return vec![Finding { what: "sign-in", problem: Some(error.to_string()) }],
    };
    let what = "the site answers";
    let own_site = match rows::own_site(&remote).await {
        Err(error) => return vec![Finding { what, problem: Some(error.to_string()) }],
        Ok(code) => code,
    };
    vec![
        Finding { what, problem: None },
        Finding::new("every distribution point is heard", silent_points(&remote, &own_site).await),
        Finding::new("every distribution point is enrolled", unknown_points(&remote, &own_site).await),
        Finding::new("every neighbor site is heard", sites::silent(&remote, &own_site).await),
        Finding::new("versions of other sites come", sites::missing_versions(&remote).await),
        Finding::new("package sources", faults(&remote, "Haulier_PackageState", "Name").await),
        Finding::new("distribution", faults(&remote, "Haulier_DistributionState", "ServerName").await),
    ]
}

/// Passes who was never heard of, or not for longer than a site waits. A literal of `$filter`.
fn is_silent() -> String {
    let now = SystemClock.now();
    let since = now.checked_sub(site::SILENT_AFTER).unwrap_or(now);
    format!("(LastHeard lt {since:.0} or LastHeard eq null)")
}

fn last_heard(row: &Value) -> String {
    match rows::text(row, "LastHeard") {
        never if never.is_empty() => "never heard".to_owned(),
        time => format!("last heard {time}"),
    }
}

/// The first few, and how many more there are.
fn named(shown: &[String], count: u64, rest: &str) -> String {
    let more = count.saturating_sub(shown.len() as u64);
    match more {
        0 => shown.join("; "),
        more => format!("{count} in all: {}; and {more} more, see `{rest}`", shown.join("; ")),
    }
}

/// Of this site; other sites hear their own.
async fn silent_points(remote: &Remote, own_site: &str) -> std::result::Result<Option<String>, RemoteError> {
    let filter = format!("SiteCode eq {} and IsEnrolled eq true and {}", literal(own_site), is_silent());
    let (points, count) = remote.first(NAMED_MAX, "Haulier_DistributionPoint", &filter, "ServerName").await?;
    let described = |point: &Value| format!("{} {}", rows::text(point, "ServerName"), last_heard(point));
    let shown: Vec<_> = points.iter().map(described).collect();
    // How long a certificate lives is a setting of the site, and its end is in the distribution point's own log.
    Ok((count > 0).then(|| {
        format!(
            "{}. Is `haulier dp run` running there, and can it reach the site? Its log says so if its certificate has \
             ended while it was away: start it with a new token of `haulier dp token --data DATA NAME` then",
            named(&shown, count, SILENT_FIRST)
        )
    }))
}

/// Of this site, those that were revoked or never came with their token.
async fn unknown_points(remote: &Remote, own_site: &str) -> std::result::Result<Option<String>, RemoteError> {
    let filter = format!("SiteCode eq {} and IsEnrolled eq false", literal(own_site));
    let (points, count) = remote.first(NAMED_MAX, "Haulier_DistributionPoint", &filter, "ServerName").await?;
    let shown: Vec<_> = points.iter().map(|point| rows::text(point, "ServerName")).collect();
    Ok((count > 0).then(|| {
        format!(
            "not enrolled: {}. Make a token with `haulier dp token --data DATA NAME` and start it with that; one that will \
             not come back: `haulier dp remove NAME`",
            named(&shown, count, NOT_ENROLLED)
        )
    }))
}

async fn faults(
    remote: &Remote,
    class: &str,
    subject: &str,
) -> std::result::Result<Option<String>, RemoteError> {
    let (rows, count) = remote.first(NAMED_MAX, class, "FaultCode ne ''", "PackageID").await?;
    let described = |row: &Value| {
        let [id, subject, text] = ["PackageID", subject, "FaultText"].map(|name| rows::text(row, name));
        format!("{id} ({subject}): {text}")
    };
    let shown: Vec<_> = rows.iter().map(described).collect();
    let rest = match class {
        "Haulier_DistributionState" => "haulier status --faults",
        _ => "haulier query \"SELECT * FROM Haulier_PackageState WHERE FaultCode <> ''\"",
    };
    Ok((count > 0).then(|| named(&shown, count, rest)))
}
