//! Where a version's bytes come from: the parent over HTTP, a child through the board of wants.

use std::future::Future;
use std::ops::Range;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use agent::Route;
use jiff::Timestamp;
use membership::Membership;
use site::{Need, Neighbor, Site};

use crate::stats::SiteLinkStats;
use crate::upward::{ChildSource, ParentSource};

/// What a source gives.
pub(crate) type Given<'s, T> = Pin<Box<dyn Future<Output = Result<T, SourceError>> + Send + 's>>;

/// A neighbor that has a version. What it gives is proven by whoever asked.
pub trait Source: std::fmt::Debug + Send + Sync {
    /// Where the version's bytes are now.
    fn route<'s>(&'s self, package_id: &'s str, version: u32) -> Given<'s, Route>;

    /// The root object of a manifest.
    fn root<'s>(&'s self, manifest: &'s str) -> Given<'s, Vec<u8>>;

    /// Adds exactly these bytes of a pack. However it ends, or is dropped, what came stays in `came`.
    fn range<'s>(&'s self, pack: &'s str, range: Range<u64>, came: &'s mut Vec<u8>) -> Given<'s, ()>;
}

/// Why a source gave nothing.
#[derive(Debug, Clone, thiserror::Error)]
pub enum SourceError {
    /// It is not there any more; the route is worth asking for again.
    #[error("the neighbor has {0} no more")]
    Gone(String),
    /// The neighbor cannot be reached, or not now.
    #[error("the neighbor cannot be reached: {0}")]
    Unreachable(String),
    /// The neighbor's window for this package is closed: no failure.
    #[error("paused: {reason}")]
    Closed {
        /// The neighbor's sentence.
        reason: String,
        /// When it opens, by the neighbor's clock; absent where nothing is known to open.
        until: Option<Timestamp>,
        /// When to ask again, whatever the clocks here and there say.
        wait: Duration,
    },
    /// The neighbor waits for it itself: no failure.
    #[error("it is on its way to the neighbor")]
    OnItsWay,
    /// The neighbor refused.
    #[error("the neighbor refused: {0}")]
    Refused(String),
    /// What came is not what was asked for.
    #[error("the neighbor's answer cannot be used: {0}")]
    BadAnswer(String),
}

impl SourceError {
    /// A stable code for status messages and logs.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Gone(_) => "content_gone",
            Self::Unreachable(_) => "neighbor_unreachable",
            Self::Closed { .. } => agent::WINDOW_CLOSED,
            Self::OnItsWay => agent::ON_ITS_WAY,
            Self::Refused(_) => "neighbor_refused",
            Self::BadAnswer(_) => "bad_answer",
        }
    }
}

/// The neighbors of a site as sources.
#[derive(Debug, Clone)]
pub(crate) struct Sources {
    site: Site,
    parent: Option<Membership>,
    stats: Arc<SiteLinkStats>,
}

impl Sources {
    pub(crate) fn new(site: Site, parent: Option<Membership>, stats: Arc<SiteLinkStats>) -> Self {
        Self { site, parent, stats }
    }

    /// The neighbor that a need names as a source, with connections of its own. It is told which package it is for.
    pub(crate) fn of(&self, need: &Need) -> Result<Arc<dyn Source>, SourceError> {
        match &need.from {
            Neighbor::Parent => {
                let parent = self.parent.as_ref();
                let parent = parent.ok_or_else(|| {
                    SourceError::Unreachable("this site's identity at its parent is missing".to_owned())
                })?;
                Ok(Arc::new(ParentSource::new(parent, &need.package_id, &self.stats)?))
            }
            Neighbor::Child(code) => Ok(Arc::new(ChildSource::new(&self.site, code, need, &self.stats))),
        }
    }
}
