//! The two kinds of source: the parent, asked over HTTP, and a child, which answers wants.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use agent::link::{WANT_BYTES_MAX, WantKind};
use agent::{CONTENT_ROOT, ON_ITS_WAY, PACKAGE_HEADER, ROOT, Route, WINDOW_CLOSED};
use content::format::ROOT_BYTES_MAX;
use jiff::Timestamp;
use membership::Membership;
use net::{Client, NetError};
use site::{Need, Site, WantRefusal};

use crate::source::{Given, Source, SourceError};
use crate::stats::SiteLinkStats;

/// Connections of one pull.
const CONNECTIONS: usize = 2;
/// The first want of a pull in bytes; the next ones follow what the link carries.
const WANT_BYTES_FIRST: u64 = 1024 * 1024;
/// The least that is wanted at once: four of them are ten seconds of a modem.
const WANT_BYTES_MIN: u64 = 16 * 1024;
/// A want that was answered sooner may be larger the next time, and one that took longer than the other shall be smaller: what
/// is under way delays the pings that say that the connection lives, and what is more urgent.
const WANT_QUICK: Duration = Duration::from_secs(3);
const WANT_SLOW: Duration = Duration::from_secs(8);
/// When to ask again where no window is known to open.
const NEVER_OPEN_RETRY: Duration = Duration::from_secs(3600);

/// The parent: objects by range, as a distribution point reads them.
#[derive(Debug)]
pub(crate) struct ParentSource {
    connections: Vec<Client>,
    next: AtomicUsize,
    stats: Arc<SiteLinkStats>,
}

impl ParentSource {
    /// The parent is told that it is for `package`: its priority counts there.
    pub(crate) fn new(
        parent: &Membership,
        package: &str,
        stats: &Arc<SiteLinkStats>,
    ) -> Result<Self, SourceError> {
        let connect = |_| parent.connect()?.saying(PACKAGE_HEADER, package);
        let connections = (0..CONNECTIONS).map(connect).collect::<Result<_, _>>();
        let connections = connections.map_err(|error| failed(&error))?;
        Ok(Self { connections, next: AtomicUsize::new(0), stats: Arc::clone(stats) })
    }

    /// Each request takes the next connection.
    fn connection(&self) -> &Client {
        let n = self.next.fetch_add(1, Ordering::Relaxed);
        &self.connections[n % self.connections.len()]
    }
}

impl Source for ParentSource {
    fn route<'s>(&'s self, package_id: &'s str, version: u32) -> Given<'s, Route> {
        let path = format!("{ROOT}/packages/{package_id}/versions/{version}/route");
        Box::pin(async move { self.connection().get_json(&path).await.map_err(|error| failed(&error)) })
    }

    fn root<'s>(&'s self, manifest: &'s str) -> Given<'s, Vec<u8>> {
        let path = format!("{CONTENT_ROOT}/manifests/{manifest}");
        let bytes_max = usize::try_from(ROOT_BYTES_MAX).expect("a root fits in memory");
        Box::pin(async move {
            self.connection().get_object(&path, bytes_max).await.map_err(|error| failed(&error))
        })
    }

    fn range<'s>(&'s self, pack: &'s str, range: Range<u64>, came: &'s mut Vec<u8>) -> Given<'s, ()> {
        let path = format!("{CONTENT_ROOT}/packs/{pack}");
        Box::pin(async move {
            let mut stream =
                self.connection().get_range(&path, range).await.map_err(|error| failed(&error))?;
            while let Some(chunk) = stream.next().await.map_err(|error| failed(&error))? {
                self.stats.received_bytes.add(chunk.len() as u64);
                came.extend_from_slice(&chunk);
            }
            Ok(())
        })
    }
}

fn failed(error: &NetError) -> SourceError {
    if let Some(refusal) = error.refusal().filter(|refusal| refusal.code == WINDOW_CLOSED) {
        return SourceError::Closed {
            reason: refusal.message.clone(),
            until: refusal.until,
            wait: refusal.retry_after.unwrap_or(NEVER_OPEN_RETRY),
        };
    }
    if error.refusal().is_some_and(|refusal| refusal.code == ON_ITS_WAY) {
        return SourceError::OnItsWay;
    }
    match error.refusal().map(|refusal| refusal.status) {
        Some(404 | 410) => SourceError::Gone(error.to_string()),
        Some(408 | 429 | 500..) => SourceError::Unreachable(error.to_string()),
        Some(_) => SourceError::Refused(error.to_string()),
        None => match error {
            NetError::Answer { .. } => SourceError::BadAnswer(error.to_string()),
            _ => SourceError::Unreachable(error.to_string()),
        },
    }
}

/// A child: it cannot be asked, so it is told what is wanted and answers.
#[derive(Debug)]
pub(crate) struct ChildSource {
    site: Site,
    code: String,
    package_id: String,
    priority: u8,
    /// How much is wanted at once, by what the link carried so far.
    want_bytes: AtomicU64,
    stats: Arc<SiteLinkStats>,
}

impl ChildSource {
    pub(crate) fn new(site: &Site, code: &str, need: &Need, stats: &Arc<SiteLinkStats>) -> Self {
        Self {
            site: site.clone(),
            code: code.to_owned(),
            package_id: need.package_id.clone(),
            priority: need.priority,
            want_bytes: AtomicU64::new(WANT_BYTES_FIRST),
            stats: Arc::clone(stats),
        }
    }

    async fn want(&self, kind: WantKind) -> Result<Vec<u8>, SourceError> {
        let answer = self.site.want(&self.code, &self.package_id, self.priority, kind).await;
        let answer = answer.map_err(|error| SourceError::Unreachable(error.to_string()))?;
        answer.map_err(|refusal| self.refused(refusal))
    }

    fn refused(&self, WantRefusal { code, until, reason }: WantRefusal) -> SourceError {
        match code.as_str() {
            "object_not_found" | "version_not_found" => SourceError::Gone(code),
            ON_ITS_WAY => SourceError::OnItsWay,
            WINDOW_CLOSED => {
                let now = self.site.clock().now();
                let wait = |until: Timestamp| Duration::try_from(until.duration_since(now));
                SourceError::Closed {
                    reason: reason.unwrap_or_else(|| {
                        format!("the window of site {} to this site is closed", self.code)
                    }),
                    until,
                    wait: until.map_or(NEVER_OPEN_RETRY, |until| wait(until).unwrap_or_default()),
                }
            }
            _ => SourceError::Refused(code),
        }
    }
}

impl Source for ChildSource {
    fn route<'s>(&'s self, package_id: &'s str, version: u32) -> Given<'s, Route> {
        let kind = WantKind::Route { package_id: package_id.to_owned(), version };
        Box::pin(async move {
            let bytes = self.want(kind).await?;
            serde_json::from_slice(&bytes).map_err(|error| SourceError::BadAnswer(error.to_string()))
        })
    }

    fn root<'s>(&'s self, manifest: &'s str) -> Given<'s, Vec<u8>> {
        Box::pin(self.want(WantKind::Root { manifest: manifest.to_owned() }))
    }

    /// In wants that take seconds each, however slow the link is. One that broke off gave what came of it.
    fn range<'s>(&'s self, pack: &'s str, range: Range<u64>, came: &'s mut Vec<u8>) -> Given<'s, ()> {
        Box::pin(async move {
            let Range { start: mut from, end } = range;
            while from < end {
                let bytes = (end - from).min(self.want_bytes.load(Ordering::Relaxed));
                let asked_at = self.site.clock().monotonic();
                let part = self.want(WantKind::Range { pack: pack.to_owned(), from, bytes }).await?;
                let part_bytes = part.len() as u64;
                if part_bytes == 0 || part_bytes > bytes {
                    return Err(SourceError::BadAnswer(format!("{part_bytes} bytes came for {bytes}")));
                }
                let took = self.site.clock().monotonic().saturating_sub(asked_at);
                // The rest of a range is small and says nothing.
                if part_bytes < bytes || bytes >= self.want_bytes.load(Ordering::Relaxed) {
                    self.want_bytes.store(next_want_bytes(bytes, part_bytes, took), Ordering::Relaxed);
                }
                self.stats.received_bytes.add(part_bytes);
                came.extend_from_slice(&part);
                from += part_bytes;
            }
            Ok(())
        })
    }
}

/// How much to want at once after so many bytes were wanted, and so many came in that time.
fn next_want_bytes(wanted: u64, came: u64, took: Duration) -> u64 {
    let next = match took {
        // The rest broke off: what came is what the link carries in the time that it is given.
        _ if came < wanted => came / 4,
        quick if quick < WANT_QUICK => wanted * 2,
        slow if slow > WANT_SLOW => wanted / 2,
        _ => wanted,
    };
    next.clamp(WANT_BYTES_MIN, WANT_BYTES_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wants_follow_what_the_link_carries() {
        const MIB: u64 = 1024 * 1024;
        for (wanted, came, took_s, expect) in [
            (MIB, MIB, 1, 2 * MIB),
            (8 * MIB, 8 * MIB, 0, 8 * MIB),
            (MIB, MIB, 5, MIB),
            (MIB, MIB, 60, MIB / 2),
            (WANT_BYTES_MIN, WANT_BYTES_MIN, 60, WANT_BYTES_MIN),
            (8 * MIB, 2 * MIB, 90, MIB / 2),
            (MIB, 1, 90, WANT_BYTES_MIN),
        ] {
            let next = next_want_bytes(wanted, came, Duration::from_secs(took_s));
            assert_eq!(next, expect, "{came} of {wanted} bytes in {took_s} s");
        }
    }

    #[test]
    fn a_closed_window_is_told_from_a_neighbor_that_is_away() {
        let refused = |status: u16, code: &str| {
            let refusal = net::Refusal {
                status,
                code: code.to_owned(),
                message: "later".to_owned(),
                until: Some(Timestamp::UNIX_EPOCH),
                retry_after: Some(Duration::from_secs(7)),
            };
            failed(&NetError::Refused { url: "http://s".to_owned(), refusal }).code()
        };
        for (status, code, expect) in [
            (503, WINDOW_CLOSED, WINDOW_CLOSED),
            (503, ON_ITS_WAY, ON_ITS_WAY),
            (503, "busy", "neighbor_unreachable"),
            (429, "too_many_waits", "neighbor_unreachable"),
            (404, "object_not_found", "content_gone"),
            (401, "agent_unknown", "neighbor_refused"),
        ] {
            assert_eq!(refused(status, code), expect, "{status} {code}");
        }
    }
}
