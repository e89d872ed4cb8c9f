//! What a listener needs to speak TLS; made by the site's authority.

use std::fmt;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use clock::SharedClock;
use rustls::ServerConfig;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use rustls::server::{ClientHello, ResolvesServerCert, WebPkiClientVerifier};
use rustls::sign::CertifiedKey;
use rustls::time_provider::TimeProvider;
use tokio_rustls::TlsAcceptor;

use crate::{Identity, NetError};

/// TLS for a listener: its certificates, and the authority whose client certificates it accepts.
#[derive(Clone)]
pub struct ServerTls {
    config: Arc<ServerConfig>,
    /// Whether plain HTTP is taken at the same address.
    or_plain: bool,
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
        Ok(Self { config: Arc::new(config), or_plain: false })
    }

    /// TLS for an agent's own listener: its certificate serves there as well, and clients are agents of the same
    /// authority (`authority_pem`) or show no certificate. `current` gives the certificate of the moment.
    pub fn of_agent(
        authority_pem: &str,
        current: impl Fn() -> Option<Identity> + Send + Sync + 'static,
        clock: SharedClock,
    ) -> Result<Self, NetError> {
        let authority = CertificateDer::from_pem_slice(authority_pem.as_bytes())
            .map_err(|e| NetError::Tls(e.to_string()))?;
        let followed = Followed { current: Box::new(current), made: Mutex::default() };
        Self::new(authority, Arc::new(followed), clock)
    }

    /// The same without HTTP/2, for clients who prove a connection and not each request: one of HTTP/2 may be of many, and
    /// they are not offered that there.
    #[must_use]
    pub fn http1_only(self) -> Self {
        let mut config = ServerConfig::clone(&self.config);
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Self { config: Arc::new(config), ..self }
    }

    /// The same, for a listener that takes plain HTTP at the same address too. Which one a client speaks shows in its
    /// first byte.
    #[must_use]
    pub fn or_plain(self) -> Self {
        Self { or_plain: true, ..self }
    }

    pub(crate) fn takes_plain(&self) -> bool {
        self.or_plain
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

/// An agent's certificate, which somebody else renews.
struct Followed {
    current: Box<dyn Fn() -> Option<Identity> + Send + Sync>,
    /// What was made of the certificate that was current last, with its PEM.
    made: Mutex<Option<(String, Arc<CertifiedKey>)>>,
}

impl Followed {
    fn certified(&self) -> Option<Arc<CertifiedKey>> {
        let identity = (self.current)()?;
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((pem, certified)) = made.as_ref()
            && *pem == identity.certificate_pem
        {
            return Some(Arc::clone(certified));
        }
        match certified_key(&identity) {
            Ok(certified) => {
                *made = Some((identity.certificate_pem, Arc::clone(&certified)));
                Some(certified)
            }
            Err(error) => {
                tracing::error!(%error, "The agent's certificate cannot be shown");
                None
            }
        }
    }
}

impl fmt::Debug for Followed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Followed").finish_non_exhaustive()
    }
}

impl ResolvesServerCert for Followed {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.certified()
    }
}

fn certified_key(identity: &Identity) -> Result<Arc<CertifiedKey>, NetError> {
    let unusable = |error: pem::Error| NetError::Tls(error.to_string());
    let certificate =
        CertificateDer::from_pem_slice(identity.certificate_pem.as_bytes()).map_err(unusable)?;
    let key = PrivateKeyDer::from_pem_slice(identity.key_pem.as_bytes()).map_err(unusable)?;
    let key = rustls::crypto::aws_lc_rs::sign::any_supported_type(&key)
        .map_err(|e| NetError::Tls(e.to_string()))?;
    Ok(Arc::new(CertifiedKey::new(vec![certificate], key)))
}

#[derive(Debug)]
struct ClockTime(SharedClock);

impl TimeProvider for ClockTime {
    fn current_time(&self) -> Option<UnixTime> {
        let seconds = u64::try_from(self.0.now().as_second()).ok()?;
        Some(UnixTime::since_unix_epoch(std::time::Duration::from_secs(seconds)))
    }
}
