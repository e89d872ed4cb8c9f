//! Driver packs from vendors' servers: what `site` is given, since it knows no network itself.

use std::time::Duration;

use futures_util::future::BoxFuture;
use reqwest::redirect::Policy;
use site::{FetchError, PackFetcher, PackFile};

/// How long to wait for a connection, and for the next piece of a pack.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);
const READ_TIMEOUT: Duration = Duration::from_secs(60);
/// How often a vendor's server may send us elsewhere.
const REDIRECTS_MAX: usize = 10;

/// Fetches packs over HTTP and HTTPS, through the proxy that the environment names.
#[derive(Debug)]
pub(crate) struct HttpPacks {
    http: reqwest::Client,
}

impl HttpPacks {
    /// Nothing is sent yet. Errors: the system's certificates or TLS cannot be set up.
    pub(crate) fn new() -> reqwest::Result<Self> {
        let http = reqwest::Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .read_timeout(READ_TIMEOUT)
            .redirect(Policy::limited(REDIRECTS_MAX))
            .build()?;
        Ok(Self { http })
    }

    async fn stream(&self, url: &str, into: &mut PackFile) -> Result<(), FetchError> {
        let failed = |error: reqwest::Error| FetchError::Failed(cause(&error));
        let mut reply = self.http.get(url).send().await.map_err(failed)?;
        if !reply.status().is_success() {
            return Err(FetchError::Failed(format!("the server answers {}", reply.status())));
        }
        while let Some(piece) = reply.chunk().await.map_err(failed)? {
            into.write(&piece).await?;
        }
        Ok(())
    }
}

impl PackFetcher for HttpPacks {
    fn fetch<'a>(&'a self, url: &'a str, into: &'a mut PackFile) -> BoxFuture<'a, Result<(), FetchError>> {
        Box::pin(self.stream(url, into))
    }
}

/// reqwest's own text stops at "error sending request"; the last cause says what to do.
fn cause(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause.to_string()
}
