//! A server certificate that renews itself: a site may run for longer than its certificate.

use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use rcgen::{CertificateParams, ExtendedKeyUsagePurpose, KeyPair, KeyUsagePurpose};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use super::validity::{self, SERVER_LIFE, SERVER_RENEW_LEFT};
use super::{SiteCa, cannot_make, name};
use crate::NetError;

#[derive(Debug)]
pub(crate) struct RenewedCertificate {
    authority: SiteCa,
    names: Vec<String>,
    current: Mutex<Current>,
}

#[derive(Debug, Clone)]
struct Current {
    certified: Arc<CertifiedKey>,
    renew_at: Timestamp,
}

impl RenewedCertificate {
    pub(crate) fn new(authority: SiteCa, names: Vec<String>) -> Result<Self, NetError> {
        let current = Mutex::new(issue(&authority, &names)?);
        Ok(Self { authority, names, current })
    }

    /// The certificate for a handshake now. One that cannot be renewed serves on: it is still valid for months.
    fn current(&self) -> Arc<CertifiedKey> {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if self.authority.clock().now() >= current.renew_at {
            match issue(&self.authority, &self.names) {
                Ok(renewed) => {
                    tracing::info!("Renewed the server's certificate");
                    *current = renewed;
                }
                Err(e) => tracing::error!(error = %e, "Cannot renew the server's certificate"),
            }
        }
        Arc::clone(&current.certified)
    }
}

impl ResolvesServerCert for RenewedCertificate {
    fn resolve(&self, _client_hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.current())
    }
}

fn issue(authority: &SiteCa, names: &[String]) -> Result<Current, NetError> {
    let key = KeyPair::generate().map_err(cannot_make)?;
    let mut params = validity::params(SERVER_LIFE, authority.clock())?;
    params.subject_alt_names = CertificateParams::new(names.to_vec()).map_err(cannot_make)?.subject_alt_names;
    params.distinguished_name = name(&names[0]);
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let certificate = params.signed_by(&key, &authority.issuer()?).map_err(cannot_make)?;
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let key = rustls::crypto::aws_lc_rs::sign::any_supported_type(&key)
        .map_err(|e| NetError::Certificate(e.to_string()))?;
    Ok(Current {
        certified: Arc::new(CertifiedKey::new(vec![certificate.der().clone()], key)),
        renew_at: authority.clock().now() + (SERVER_LIFE - SERVER_RENEW_LEFT),
    })
}

#[cfg(test)]
mod tests {
    use clock::ManualClock;

    use super::*;

    #[test]
    fn the_certificate_is_renewed_once_when_its_time_comes() {
        let dir = tempfile::tempdir().unwrap();
        let clock = ManualClock::new("2026-01-01T00:00:00Z".parse().unwrap());
        let authority = SiteCa::create(dir.path(), "PS1", Arc::clone(&clock) as _).unwrap();
        let renewed = RenewedCertificate::new(authority, vec!["ps1.example.test".to_owned()]).unwrap();
        let leaf = || renewed.current().cert[0].to_vec();
        let first = leaf();
        assert_eq!(leaf(), first);
        clock.advance(SERVER_LIFE - SERVER_RENEW_LEFT - std::time::Duration::from_secs(1));
        assert_eq!(leaf(), first);
        clock.advance(std::time::Duration::from_secs(1));
        let second = leaf();
        assert_ne!(second, first);
        assert_eq!(leaf(), second);
    }
}
