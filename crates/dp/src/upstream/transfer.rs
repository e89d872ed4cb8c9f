//! One range on its way in: from one origin after the other, going on where the one before broke off.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use net::client::RangeStream;
use net::{Client, NetError};

use super::{Asking, Origin, Said, Upstream};
use crate::fault::{JobError, asked_wait};
use membership::backoff::{SITE_WAIT_MAX, jittered};

/// Breaks of the site in a row without a byte in between, after which a range fails.
const BREAKS_MAX: u32 = 4;

/// Bytes as they came.
#[derive(Debug)]
pub(crate) struct Chunk {
    pub(crate) bytes: Bytes,
    /// The source that sent them; none: the site.
    pub(crate) source: Option<Arc<str>>,
    /// The size of the whole object, as this origin says.
    pub(crate) object_bytes: u64,
}

/// A range that is being fetched.
pub(crate) struct Transfer<'a> {
    upstream: &'a Upstream,
    site: &'a Client,
    path: &'a str,
    /// What is still to come.
    rest: Range<u64>,
    asking: Asking,
    order: VecDeque<Origin>,
    open: Option<(Origin, RangeStream)>,
    breaks: u32,
    said: Said,
}

impl<'a> Transfer<'a> {
    /// Begins to fetch `range` of the object at `path`, from the origins in `order`.
    pub(crate) fn begin(
        upstream: &'a Upstream,
        site: &'a Client,
        order: Vec<Origin>,
        path: &'a str,
        range: Range<u64>,
        asking: Asking,
    ) -> Self {
        Self {
            upstream,
            site,
            path,
            rest: range,
            asking,
            order: order.into(),
            open: None,
            breaks: 0,
            said: Said::default(),
        }
    }

    /// The next bytes; none when the range is complete. What came stays, whatever becomes of the rest.
    pub(crate) async fn next(&mut self) -> Result<Option<Chunk>, JobError> {
        while !self.rest.is_empty() {
            if self.order.is_empty() {
                return Err(JobError::NoSource(
                    "no distribution point that may be asked is known".to_owned(),
                ));
            }
            match self.step().await {
                Ok(Some(chunk)) => {
                    self.rest.start += chunk.bytes.len() as u64;
                    self.breaks = 0;
                    let bytes = chunk.bytes.len() as u64;
                    self.upstream.metrics.received_from(chunk.source.is_some(), bytes);
                    return Ok(Some(chunk));
                }
                // The answer ended; whether the range did is for the loop to see.
                Ok(None) => self.open = None,
                Err(error) => {
                    self.open = None;
                    self.go_on_after(error).await?;
                }
            }
        }
        Ok(None)
    }

    async fn step(&mut self) -> Result<Option<Chunk>, NetError> {
        if self.open.is_none() {
            let Some(origin) = self.order.front().cloned() else { return Ok(None) };
            let client = match &origin {
                Origin::Site => self.asking.by(self.site)?,
                Origin::Source(source) => self.asking.by(&self.upstream.client(source)?)?,
            };
            let stream = client.get_range_by(self.path, self.rest.clone(), &self.asking.way).await?;
            self.open = Some((origin, stream));
        }
        let Some((origin, stream)) = &mut self.open else { return Ok(None) };
        let object_bytes = stream.object_bytes();
        let bytes = stream.next().await?;
        Ok(bytes.map(|bytes| Chunk { bytes, source: origin.source(), object_bytes }))
    }

    /// Decides what comes after a failure of the first origin: itself again, the next, or the end.
    async fn go_on_after(&mut self, error: NetError) -> Result<(), JobError> {
        match self.order.front() {
            Some(Origin::Source(source)) => {
                self.upstream.gave_nothing(source, self.path, &error);
                self.said.source(&source.name, error);
                self.order.pop_front();
                match self.order.is_empty() {
                    true => Err(self.said.nobody_left()),
                    false => Ok(()),
                }
            }
            Some(Origin::Site) => {
                self.breaks += 1;
                let asked_wait = asked_wait(&error);
                let error = JobError::from(error);
                let worth_it = matches!(error, JobError::Unreachable(_) | JobError::BadAnswer(_));
                if self.breaks >= BREAKS_MAX || !worth_it {
                    return Err(self.said.after_site(error));
                }
                tracing::debug!(%error, path = self.path, at = self.rest.start, "A range broke off; going on");
                self.upstream.clock.sleep(jittered(self.breaks, SITE_WAIT_MAX).max(asked_wait)).await;
                Ok(())
            }
            None => Err(self.said.nobody_left()),
        }
    }
}

impl Upstream {
    /// A small object, whole, with the source that it came from.
    pub(crate) async fn object(
        &self,
        site: &Client,
        order: Vec<Origin>,
        path: &str,
        bytes_max: usize,
        asking: &Asking,
    ) -> Result<(Vec<u8>, Option<Arc<str>>), JobError> {
        let mut said = Said::default();
        for origin in order {
            let Origin::Source(source) = &origin else {
                let asked = asking.by(site)?.get_object_by(path, bytes_max, &asking.way).await;
                let bytes = asked.map_err(|error| said.after_site(error.into()))?;
                self.metrics.received_from(false, bytes.len() as u64);
                return Ok((bytes, None));
            };
            let asked = match self.client(source).and_then(|client| asking.by(&client)) {
                Ok(client) => client.get_object_by(path, bytes_max, &asking.way).await,
                Err(error) => Err(error),
            };
            match asked {
                Ok(bytes) => {
                    self.metrics.received_from(true, bytes.len() as u64);
                    return Ok((bytes, origin.source()));
                }
                Err(error) => {
                    self.gave_nothing(source, path, &error);
                    said.source(&source.name, error);
                }
            }
        }
        Err(said.nobody_left())
    }
}
