//! What `haulier doctor` finds between this site and its neighbors.

use std::collections::HashMap;

use serde_json::Value;

use super::{NAMED_MAX, is_silent, last_heard, named};
use crate::commands::rows;
use crate::remote::{Remote, RemoteError, literal};

type Problem = Result<Option<String>, RemoteError>;

/// `a version did not come`, as of status messages.
const NOT_COME: u64 = 39072;
/// Versions on their way and messages about them that are read.
const VERSIONS_READ_MAX: usize = 500;

/// Neighbors that say nothing: the parent, and the sites directly below.
pub(super) async fn silent(remote: &Remote, own_site: &str) -> Problem {
    let own = format!("SiteCode eq {}", literal(own_site));
    let own = remote.list("Haulier_Site", &[("$filter", &own)]).await?;
    let parent = own.first().map(|row| rows::text(row, "ParentSiteCode")).unwrap_or_default();
    let filter = format!(
        "(ParentSiteCode eq {} or SiteCode eq {}) and {}",
        literal(own_site),
        literal(&parent),
        is_silent()
    );
    let (sites, count) = remote.first(NAMED_MAX, "Haulier_Site", &filter, "SiteCode").await?;
    if count == 0 {
        return Ok(None);
    }
    let shown: Vec<_> = sites.iter().map(|site| described(site, &parent)).collect();
    Ok(Some(named(&shown, count, "haulier site list")))
}

fn described(site: &Value, parent: &str) -> String {
    let code = rows::text(site, "SiteCode");
    let mut heard = last_heard(site);
    if rows::text(site, "LastHeard").is_empty() {
        let joined = rows::text(site, "Joined");
        heard.push_str(" since it joined");
        if !joined.is_empty() {
            heard.push_str(&format!(" at {joined}"));
        }
    }
    if code == parent {
        return format!(
            "the parent site {code} {heard}: is it running, and can this site reach it? The log of this site says why not. \
             Calls for packages of other sites wait, and new versions do not come"
        );
    }
    format!(
        "the child site {code} {heard}: is `haulier site run` running there, and can it reach this site? Its log says why not. \
         Was it revoked, or has its certificate ended: join it again with a token of `haulier site token --data DATA {code}`. \
         Is it gone for good: `haulier site remove {code}`"
    )
}

/// Versions of other sites that distribution points wait for and that were refused or could not be fetched.
pub(super) async fn missing_versions(remote: &Remote) -> Problem {
    let (awaited, _) =
        remote.first(VERSIONS_READ_MAX, "Haulier_PackageState", "IsAwaited eq true", "PackageID").await?;
    if awaited.is_empty() {
        return Ok(None);
    }
    let filter = format!("MessageID eq {NOT_COME}");
    let order = "RecordID desc";
    let (messages, _) = remote.first(VERSIONS_READ_MAX, "Haulier_StatusMessage", &filter, order).await?;
    let mut newest: HashMap<String, &Value> = HashMap::new();
    for message in &messages {
        newest.entry(rows::text(message, "PackageID")).or_insert(message);
    }
    let failed = awaited.iter().filter_map(|package| {
        let message = newest.get(&rows::text(package, "PackageID"))?;
        // One of an earlier version was answered by this one.
        let version = rows::texts(message, "InsertStrings").get(2).copied()?.to_owned();
        (version == rows::text(package, "OfferedVersion"))
            .then(|| format!("{} (since {})", rows::text(message, "Text"), rows::text(message, "Time")))
    });
    let failed: Vec<_> = failed.collect();
    let shown = &failed[..failed.len().min(NAMED_MAX)];
    let rest = "haulier query \"SELECT * FROM Haulier_StatusMessage WHERE MessageID = 39072\"";
    Ok((!failed.is_empty()).then(|| {
        let named = named(shown, failed.len() as u64, rest);
        format!("{named}. What the code in brackets asks for is in docs/operations.md, \"Trust\"")
    }))
}
