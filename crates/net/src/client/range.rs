//! A range of an immutable object, as a stream that is exactly the range or an error.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use http::StatusCode;
use reqwest::{Method, Response, header};

use super::{Client, Endpoint, failure};
use crate::{NetError, Way};

/// The bytes of one range, in order.
#[derive(Debug)]
pub struct RangeStream {
    response: Response,
    endpoint: Endpoint,
    left_bytes: u64,
    object_bytes: u64,
    received_bytes: Arc<AtomicU64>,
}

impl Client {
    /// `GET path` for the bytes `range`, which is not empty. The answer must be exactly that range.
    pub async fn get_range(&self, path: &str, range: Range<u64>) -> Result<RangeStream, NetError> {
        self.get_range_by(path, range, &Way::default()).await
    }

    /// [`Self::get_range`] on behalf of others, or past caches.
    pub async fn get_range_by(
        &self,
        path: &str,
        range: Range<u64>,
        way: &Way,
    ) -> Result<RangeStream, NetError> {
        let Range { start, end } = range;
        if end <= start {
            let reason = format!("the range {start}..{end} is empty");
            return Err(NetError::Answer { url: format!("{}{path}", self.endpoint), reason });
        }
        let request =
            self.request(Method::GET, path)?.header(header::RANGE, format!("bytes={start}-{}", end - 1));
        let request = request.headers(way.headers());
        let response = self.send(request).await?;
        let object_bytes = check(&response, start, end)
            .map_err(|reason| NetError::Answer { url: response.url().to_string(), reason })?;
        Ok(RangeStream {
            response,
            endpoint: self.endpoint.clone(),
            left_bytes: end - start,
            object_bytes,
            received_bytes: Arc::clone(&self.received_bytes),
        })
    }

    /// `GET path` whole, for objects of at most `bytes_max` bytes.
    pub async fn get_object(&self, path: &str, bytes_max: usize) -> Result<Vec<u8>, NetError> {
        self.get_object_by(path, bytes_max, &Way::default()).await
    }

    /// [`Self::get_object`] on behalf of others, or past caches.
    pub async fn get_object_by(&self, path: &str, bytes_max: usize, way: &Way) -> Result<Vec<u8>, NetError> {
        let response = self.send(self.request(Method::GET, path)?.headers(way.headers())).await?;
        self.read(response, bytes_max).await
    }
}

impl RangeStream {
    /// The next bytes; `None` when the range is complete. An answer that ends early or goes on too long is an error.
    pub async fn next(&mut self) -> Result<Option<Bytes>, NetError> {
        let chunk = self.response.chunk().await.map_err(|e| failure(&self.endpoint, &e))?;
        let answer = |reason: String| NetError::Answer { url: self.response.url().to_string(), reason };
        match chunk {
            Some(chunk) => {
                let count = chunk.len() as u64;
                self.received_bytes.fetch_add(count, Ordering::Relaxed);
                self.left_bytes = self
                    .left_bytes
                    .checked_sub(count)
                    .ok_or_else(|| answer("more bytes came than the range has".to_owned()))?;
                Ok(Some(chunk))
            }
            None if self.left_bytes == 0 => Ok(None),
            None => Err(answer(format!("{} bytes of the range are missing", self.left_bytes))),
        }
    }

    /// The whole range in memory.
    pub async fn read_all(mut self) -> Result<Vec<u8>, NetError> {
        let mut all = Vec::new();
        while let Some(chunk) = self.next().await? {
            all.extend_from_slice(&chunk);
        }
        Ok(all)
    }

    /// Bytes of the whole object.
    #[must_use]
    pub fn object_bytes(&self) -> u64 {
        self.object_bytes
    }
}

/// The object's size, if the answer is the range asked for. A cache or proxy that ignores ranges answers 200
/// with the whole object; taking that for the range would put wrong bytes in the right place.
fn check(response: &Response, start: u64, end: u64) -> Result<u64, String> {
    if response.status() != StatusCode::PARTIAL_CONTENT {
        return Err(format!("status {} where 206 was due", response.status().as_u16()));
    }
    let text = response.headers().get(header::CONTENT_RANGE).and_then(|value| value.to_str().ok());
    match text.and_then(content_range) {
        Some((first, last, total)) if first == start && last == end - 1 && last < total => Ok(total),
        _ => Err(format!("Content-Range {text:?} where bytes {start}-{} were asked for", end - 1)),
    }
}

/// `bytes 0-9/100` as (0, 9, 100).
fn content_range(text: &str) -> Option<(u64, u64, u64)> {
    let (range, total) = text.strip_prefix("bytes ")?.split_once('/')?;
    let (first, last) = range.split_once('-')?;
    Some((number(first)?, number(last)?, number(total)?))
}

/// Digits only: `u64::from_str` would take a plus sign.
fn number(text: &str) -> Option<u64> {
    text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_ranges_are_read_strictly() {
        for (text, expect) in [
            ("bytes 0-9/100", Some((0, 9, 100))),
            ("bytes 5-5/18446744073709551615", Some((5, 5, u64::MAX))),
            ("bytes 0-9/*", None),
            ("bytes */100", None),
            ("bytes 0-9", None),
            ("bytes +0-9/100", None),
            ("bytes 0-/100", None),
            ("items 0-9/100", None),
            ("bytes 0-9/18446744073709551616", None),
            ("", None),
        ] {
            assert_eq!(content_range(text), expect, "{text}");
        }
    }
}
