//! What a handler may know about who is calling.

use std::net::SocketAddr;
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use tokio_util::sync::CancellationToken;
use x509_parser::prelude::{FromDer, X509Certificate};

/// The other end of the connection; in every request's extensions.
#[derive(Debug, Clone)]
pub struct Peer {
    /// The address that the connection came from.
    pub addr: SocketAddr,
    /// Whether the connection is TLS.
    pub secure: bool,
    /// The client certificate, verified against the site's authority; absent if the client sent none.
    pub certificate: Option<PeerCertificate>,
    /// DER of the certificate that this server showed on the connection, which channel bindings are made of
    /// (RFC 5929, tls-server-end-point); absent without TLS.
    pub server_certificate: Option<Arc<[u8]>>,
}

impl Peer {
    /// Whether the caller is on this machine.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        self.addr.ip().to_canonical().is_loopback()
    }
}

/// A verified client certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerCertificate {
    /// The subject's common name; empty if it has none.
    pub subject_cn: String,
    /// SHA-256 of the certificate's DER, lower-case hex.
    pub fingerprint: String,
}

impl PeerCertificate {
    pub(crate) fn of(der: &CertificateDer<'_>) -> Self {
        let subject_cn = X509Certificate::from_der(der)
            .ok()
            .and_then(|(_, certificate)| {
                certificate.subject().iter_common_name().next()?.as_str().ok().map(str::to_owned)
            })
            .unwrap_or_default();
        Self { subject_cn, fingerprint: crate::ca::fingerprint(der) }
    }
}

/// Fires when the listener begins to drain; in every request's extensions. A handler that waits long ends its
/// wait then, so that a stop does not have to cut it.
#[derive(Debug, Clone)]
pub struct Shutdown(CancellationToken);

impl Shutdown {
    /// Fires when `stop` does; for a router that is called without a listener.
    #[must_use]
    pub fn new(stop: CancellationToken) -> Self {
        Self(stop)
    }

    /// Waits until the listener begins to drain.
    pub async fn requested(&self) {
        self.0.cancelled().await;
    }
}
