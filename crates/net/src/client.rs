//! The client of one server: JSON calls and ranges of immutable objects, over HTTP/2.
//!
//! Trusts the authority that it is given and nothing else, follows no redirect and uses no proxy from the
//! environment: a distribution point talks to its site, not to wherever an answer points.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::Stream;
use reqwest::{Method, RequestBuilder, Response, header};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{NetError, Refusal};

mod alias;
mod authority;
mod endpoint;
mod range;

pub use authority::fetch_authority;
pub use endpoint::Endpoint;
pub use range::RangeStream;

/// The largest JSON answer; a page of desired packages or a route with thousands of packs stays far below.
const JSON_BYTES_MAX: usize = 8 * 1024 * 1024;
/// The largest error answer that is read.
const ERROR_BYTES_MAX: usize = 16 * 1024;
/// HTTP/2 windows: what may be under way unread. Large enough for a gigabit link of 100 ms.
const STREAM_WINDOW_BYTES: u32 = 4 * 1024 * 1024;
const CONNECTION_WINDOW_BYTES: u32 = 16 * 1024 * 1024;
const FRAME_BYTES: u32 = 256 * 1024;
/// How often a quiet server is asked whether it lives, and how long it may take to answer.
const PING_INTERVAL: Duration = Duration::from_secs(20);
const PING_TIMEOUT: Duration = Duration::from_secs(20);

/// How to talk to one server.
#[derive(Clone)]
pub struct ClientOptions {
    /// The server.
    pub endpoint: Endpoint,
    /// PEM of the authority to trust; needed for TLS.
    pub authority_pem: Option<String>,
    /// The client certificate, where the agent has one.
    pub identity: Option<Identity>,
    /// The name that the server's certificate is to be good for, where that is not the endpoint's host; for TLS.
    pub certified_name: Option<String>,
    /// A secret sent as `Authorization: Bearer`; over plain HTTP to loopback only.
    pub bearer: Option<String>,
    /// Time to connect, TLS included.
    pub connect_timeout: Duration,
    /// Time that an answer may stand still; longer than the server's longest long poll. There is no limit on
    /// the whole answer, because a pack may take an hour on a slow link.
    pub read_timeout: Duration,
}

impl std::fmt::Debug for ClientOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ClientOptions")
            .field("endpoint", &self.endpoint)
            .field("identity", &self.identity)
            .field("bearer", &self.bearer.as_ref().map(|_| "(secret)"))
            .finish_non_exhaustive()
    }
}

impl ClientOptions {
    /// Ten seconds to connect, ninety seconds without a byte; no authority and no identity.
    #[must_use]
    pub fn new(endpoint: Endpoint) -> Self {
        Self {
            endpoint,
            authority_pem: None,
            identity: None,
            certified_name: None,
            bearer: None,
            connect_timeout: Duration::from_secs(10),
            read_timeout: Duration::from_secs(90),
        }
    }
}

/// A client certificate and its key.
#[derive(Clone)]
pub struct Identity {
    /// PEM of the certificate.
    pub certificate_pem: String,
    /// PEM of its private key.
    pub key_pem: String,
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Identity").finish_non_exhaustive()
    }
}

/// A client of one server. Cheap to clone; clones share connections and the counter.
#[derive(Debug, Clone)]
pub struct Client {
    http: reqwest::Client,
    endpoint: Endpoint,
    bearer: Option<header::HeaderValue>,
    /// What every request says.
    said: header::HeaderMap,
    received_bytes: Arc<AtomicU64>,
}

impl Client {
    /// A client; connects when it is first used.
    pub fn new(options: ClientOptions) -> Result<Self, NetError> {
        let ClientOptions { endpoint, authority_pem, identity, bearer, .. } = &options;
        let mut builder = builder(&options);
        match (endpoint.is_secure(), authority_pem) {
            (true, None) => return Err(NetError::NoAuthority(endpoint.to_string())),
            (true, Some(pem)) => builder = builder.tls_certs_only(certificates(pem)?),
            (false, _) if bearer.is_some() && !endpoint.is_loopback() => {
                return Err(NetError::PlainNotLoopback(endpoint.to_string()));
            }
            (false, _) => builder = builder.http2_prior_knowledge(),
        }
        if let (true, Some(identity)) = (endpoint.is_secure(), identity) {
            let pem = format!("{}\n{}", identity.certificate_pem, identity.key_pem);
            let identity =
                reqwest::Identity::from_pem(pem.as_bytes()).map_err(|e| NetError::Tls(chain(&e)))?;
            builder = builder.identity(identity);
        }
        let bearer = bearer.as_deref().map(bearer_header).transpose()?;
        let ClientOptions { mut endpoint, certified_name, .. } = options;
        if let Some(name) = certified_name.filter(|_| endpoint.is_secure()) {
            builder = builder.dns_resolver(Arc::new(alias::Alias::of(&endpoint)));
            endpoint = endpoint.with_host(&name)?;
        }
        let http = builder.build().map_err(|e| NetError::Tls(chain(&e)))?;
        let said = header::HeaderMap::new();
        Ok(Self { http, endpoint, bearer, said, received_bytes: Arc::default() })
    }

    /// The same client, which says one thing more in each request. Errors: [`NetError::Answer`] for what no header may carry.
    pub fn saying(mut self, name: &'static str, value: &str) -> Result<Self, NetError> {
        let value = header::HeaderValue::from_str(value).map_err(|e| NetError::Answer {
            url: self.endpoint.to_string(),
            reason: format!("{name}: {e}"),
        })?;
        self.said.insert(name, value);
        Ok(self)
    }

    /// The server.
    #[must_use]
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// Body bytes received by this client and its clones, those of failed and refused answers included.
    #[must_use]
    pub fn received_bytes(&self) -> u64 {
        self.received_bytes.load(Ordering::Relaxed)
    }

    /// `GET path`, an answer in JSON.
    pub async fn get_json<T: DeserializeOwned>(&self, path: &str) -> Result<T, NetError> {
        let response = self.send(self.request(Method::GET, path)?).await?;
        self.read_json(response).await
    }

    /// `POST path` with a JSON body, an answer in JSON.
    pub async fn post_json<B: Serialize + Sync, T: DeserializeOwned>(
        &self,
        path: &str,
        body: &B,
    ) -> Result<T, NetError> {
        let response = self.send(self.request(Method::POST, path)?.json(body)).await?;
        self.read_json(response).await
    }

    /// `POST path` with a JSON body, an answer without one.
    pub async fn post(&self, path: &str, body: &(impl Serialize + Sync)) -> Result<(), NetError> {
        self.send(self.request(Method::POST, path)?.json(body)).await.map(drop)
    }

    /// `POST path` with these bytes, an answer without a body.
    pub async fn post_bytes(&self, path: &str, bytes: Vec<u8>) -> Result<(), NetError> {
        self.send(self.request(Method::POST, path)?.body(bytes)).await.map(drop)
    }

    /// `POST path` with a body of so many bytes as they come, an answer without a body. A stream that breaks off breaks the
    /// request off.
    pub async fn post_stream(
        &self,
        path: &str,
        bytes: impl Stream<Item = std::io::Result<Bytes>> + Send + 'static,
    ) -> Result<(), NetError> {
        self.send(self.request(Method::POST, path)?.body(reqwest::Body::wrap_stream(bytes))).await.map(drop)
    }

    fn request(&self, method: Method, path: &str) -> Result<RequestBuilder, NetError> {
        let request = self.http.request(method, self.endpoint.url(path)?).headers(self.said.clone());
        Ok(match &self.bearer {
            Some(bearer) => request.header(header::AUTHORIZATION, bearer),
            None => request,
        })
    }

    /// Sends and maps every status that is not a success to an error.
    async fn send(&self, request: RequestBuilder) -> Result<Response, NetError> {
        let response = request.send().await.map_err(|e| failure(&self.endpoint, &e))?;
        if response.status().is_success() {
            return Ok(response);
        }
        let url = response.url().to_string();
        let (status, retry_after) = (response.status().as_u16(), retry_after(response.headers()));
        let body = self.read(response, ERROR_BYTES_MAX).await.unwrap_or_default();
        Err(NetError::Refused { url, refusal: Refusal { retry_after, ..refusal(status, &body) } })
    }

    async fn read_json<T: DeserializeOwned>(&self, response: Response) -> Result<T, NetError> {
        let url = response.url().to_string();
        let body = self.read(response, JSON_BYTES_MAX).await?;
        serde_json::from_slice(&body).map_err(|e| NetError::Answer { url, reason: e.to_string() })
    }

    async fn read(&self, mut response: Response, bytes_max: usize) -> Result<Vec<u8>, NetError> {
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|e| failure(&self.endpoint, &e))? {
            self.received_bytes.fetch_add(chunk.len() as u64, Ordering::Relaxed);
            if body.len() + chunk.len() > bytes_max {
                let reason = format!("it is larger than {bytes_max} bytes");
                return Err(NetError::Answer { url: response.url().to_string(), reason });
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }
}

fn builder(options: &ClientOptions) -> reqwest::ClientBuilder {
    reqwest::Client::builder()
        .user_agent(concat!("haulier/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(options.connect_timeout)
        .read_timeout(options.read_timeout)
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .tcp_nodelay(true)
        .http2_initial_stream_window_size(STREAM_WINDOW_BYTES)
        .http2_initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .http2_max_frame_size(FRAME_BYTES)
        .http2_keep_alive_interval(PING_INTERVAL)
        .http2_keep_alive_timeout(PING_TIMEOUT)
        .http2_keep_alive_while_idle(false)
}

fn certificates(pem: &str) -> Result<Vec<reqwest::Certificate>, NetError> {
    let certificates =
        reqwest::Certificate::from_pem_bundle(pem.as_bytes()).map_err(|e| NetError::Tls(chain(&e)))?;
    if certificates.is_empty() {
        return Err(NetError::Tls("the authority's file holds no certificate".to_owned()));
    }
    Ok(certificates)
}

fn bearer_header(secret: &str) -> Result<header::HeaderValue, NetError> {
    let mut value = header::HeaderValue::from_str(&format!("Bearer {secret}"))
        .map_err(|_| NetError::Tls("the secret has characters that no header may carry".to_owned()))?;
    value.set_sensitive(true);
    Ok(value)
}

/// The error answers of all our front ends have this form.
fn refusal(status: u16, body: &[u8]) -> Refusal {
    #[derive(serde::Deserialize)]
    struct Reply {
        code: String,
        message: String,
        until: Option<String>,
    }
    let (code, message, until) = match serde_json::from_slice::<Reply>(body) {
        Ok(Reply { code, message, until }) => (code, message, until.and_then(|until| until.parse().ok())),
        Err(_) => {
            let message = "the server gave no reason in the form expected".to_owned();
            (format!("http_{status}"), message, None)
        }
    };
    Refusal { status, code, message, until, retry_after: None }
}

/// In seconds; a date, which none of our servers sends, is passed over.
fn retry_after(headers: &header::HeaderMap) -> Option<Duration> {
    headers.get(header::RETRY_AFTER)?.to_str().ok()?.parse().ok().map(Duration::from_secs)
}

/// Tells a certificate that must not be trusted from a server that cannot be reached.
fn failure(endpoint: &Endpoint, error: &reqwest::Error) -> NetError {
    let url = error.url().map_or_else(|| endpoint.to_string(), ToString::to_string);
    let reason = chain(error);
    match is_untrusted(error) {
        true => NetError::Untrusted { url, reason },
        false => NetError::Unreachable { url, reason },
    }
}

/// Whether a request failed because the server's certificate must not be trusted.
#[must_use]
pub fn is_untrusted(error: &(dyn std::error::Error + 'static)) -> bool {
    causes(error).any(|cause| {
        // An I/O error hides what it carries from `source`, and here one carries another.
        let mut cause = cause;
        while let Some(inside) = cause.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref) {
            cause = inside;
        }
        matches!(cause.downcast_ref(), Some(rustls::Error::InvalidCertificate(_)))
    })
}

fn causes<'a>(
    error: &'a (dyn std::error::Error + 'static),
) -> impl Iterator<Item = &'a (dyn std::error::Error + 'static)> {
    std::iter::successors(Some(error), |error| error.source())
}

/// An error with its causes; reqwest's own text leaves them out. URLs come once, from our own variants.
fn chain(error: &reqwest::Error) -> String {
    let texts: Vec<String> =
        causes(error).skip(usize::from(error.url().is_some())).map(ToString::to_string).collect();
    if texts.is_empty() { error.to_string() } else { texts.join(": ") }
}
