//! What a listener needs to speak TLS; made by the site's authority.

use std::fmt;
use std::sync::{Arc, OnceLock};

use clock::SharedClock;
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::{ClientHello, ResolvesServerCert, WebPkiClientVerifier};
use rustls::sign::CertifiedKey;
use rustls::time_provider::TimeProvider;
use tokio_rustls::TlsAcceptor;

use crate::NetError;

/// TLS for a listener: its certificates, and the authority whose client certificates it accepts.
#[derive(Clone)]
pub struct ServerTls {
    config: Arc<ServerConfig>,
}

impl ServerTls {
    /// A client may come without a certificate (it cannot have one before it enrols); one that shows a
    /// certificate of another authority, or an outdated one, is refused in the handshake.
    pub(crate) fn new(
        authority: CertificateDer<'static>,
        certificates: Arc<dyn ResolvesServerCert>,
        clock: SharedClock,
    ) -> Result<Self, NetError> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut roots = rustls::RootCertStore::empty();
        roots.add(authority).map_err(|e| NetError::Tls(e.to_string()))?;
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
            .allow_unauthenticated()
            .build()
            .map_err(|e| NetError::Tls(e.to_string()))?;
        let mut config = ServerConfig::builder_with_details(provider, Arc::new(ClockTime(clock)))
            .with_safe_default_protocol_versions()
            .map_err(|e| NetError::Tls(e.to_string()))?
            .with_client_cert_verifier(verifier)
            .with_cert_resolver(certificates);
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Self { config: Arc::new(config) })
    }

    /// For one handshake: what accepts it, and what it will have shown.
    pub(crate) fn acceptor(&self) -> (TlsAcceptor, Arc<ShownCertificate>) {
        let shown = Arc::new(ShownCertificate {
            certificates: Arc::clone(&self.config.cert_resolver),
            der: OnceLock::new(),
        });
        let mut config = ServerConfig::clone(&self.config);
        config.cert_resolver = Arc::clone(&shown) as _;
        (TlsAcceptor::from(Arc::new(config)), shown)
    }
}

/// Remembers which certificate a handshake was given: the server may renew it while the connection lives.
#[derive(Debug)]
pub(crate) struct ShownCertificate {
    certificates: Arc<dyn ResolvesServerCert>,
    der: OnceLock<Arc<[u8]>>,
}

impl ShownCertificate {
    pub(crate) fn der(&self) -> Option<Arc<[u8]>> {
        self.der.get().cloned()
    }
}

impl ResolvesServerCert for ShownCertificate {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let chosen = self.certificates.resolve(hello)?;
        self.der.get_or_init(|| Arc::from(chosen.cert.first().map_or(&[][..], |leaf| leaf.as_ref())));
        Some(chosen)
    }
}

impl fmt::Debug for ServerTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerTls").finish_non_exhaustive()
    }
}

#[derive(Debug)]
struct ClockTime(SharedClock);

impl TimeProvider for ClockTime {
    fn current_time(&self) -> Option<UnixTime> {
        let seconds = u64::try_from(self.0.now().as_second()).ok()?;
        Some(UnixTime::since_unix_epoch(std::time::Duration::from_secs(seconds)))
    }
}
