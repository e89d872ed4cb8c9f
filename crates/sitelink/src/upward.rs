//! The two kinds of source: the parent, asked over HTTP, and a child, which answers wants.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use agent::link::{WANT_BYTES_MAX, WantKind};
use agent::{CONTENT_ROOT, ROOT, Route};
use content::format::ROOT_BYTES_MAX;
use membership::Membership;
use net::{Client, NetError};
use site::Site;

use crate::source::{Given, Source, SourceError};

/// Connections of one pull.
const CONNECTIONS: usize = 2;

/// The parent: objects by range, as a distribution point reads them.
#[derive(Debug)]
pub(crate) struct ParentSource {
    connections: Vec<Client>,
    next: AtomicUsize,
}

impl ParentSource {
    pub(crate) fn new(parent: &Membership) -> Result<Self, SourceError> {
        let connections = (0..CONNECTIONS).map(|_| parent.connect()).collect::<Result<_, _>>();
        Ok(Self { connections: connections.map_err(|error| failed(&error))?, next: AtomicUsize::new(0) })
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

    fn range<'s>(&'s self, pack: &'s str, range: Range<u64>) -> Given<'s, Vec<u8>> {
        let path = format!("{CONTENT_ROOT}/packs/{pack}");
        Box::pin(async move {
            let len = usize::try_from(range.end - range.start).expect("a range fits in memory");
            let mut stream =
                self.connection().get_range(&path, range).await.map_err(|error| failed(&error))?;
            let mut bytes = Vec::with_capacity(len);
            while let Some(chunk) = stream.next().await.map_err(|error| failed(&error))? {
                bytes.extend_from_slice(&chunk);
            }
            Ok(bytes)
        })
    }
}

fn failed(error: &NetError) -> SourceError {
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
struct ChildSource {
    site: Site,
    code: String,
}

/// A child as a source.
pub(crate) fn child(site: &Site, code: &str) -> Arc<dyn Source> {
    Arc::new(ChildSource { site: site.clone(), code: code.to_owned() })
}

impl ChildSource {
    async fn want(&self, kind: WantKind) -> Result<Vec<u8>, SourceError> {
        let answer = self.site.want(&self.code, kind).await;
        match answer.map_err(|error| SourceError::Unreachable(error.to_string()))? {
            Ok(bytes) => Ok(bytes),
            Err(code) if matches!(code.as_str(), "object_not_found" | "version_not_found") => {
                Err(SourceError::Gone(code))
            }
            Err(code) => Err(SourceError::Refused(code)),
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

    fn range<'s>(&'s self, pack: &'s str, range: Range<u64>) -> Given<'s, Vec<u8>> {
        Box::pin(async move {
            let len = usize::try_from(range.end - range.start).expect("a range fits in memory");
            let mut all = Vec::with_capacity(len);
            let mut from = range.start;
            while from < range.end {
                let bytes = (range.end - from).min(WANT_BYTES_MAX);
                let came = self.want(WantKind::Range { pack: pack.to_owned(), from, bytes }).await?;
                if came.len() as u64 != bytes {
                    return Err(SourceError::BadAnswer(format!("{} bytes came for {bytes}", came.len())));
                }
                all.extend_from_slice(&came);
                from += bytes;
            }
            Ok(all)
        })
    }
}
