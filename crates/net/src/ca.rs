//! The site's own certificate authority.
//!
//! One file holds the authority's certificate and key, so that it is there whole or not at all. Agents trust the
//! authority by its fingerprint, which enrolment tokens carry, so it lives as long as the site does.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clock::SharedClock;
use jiff::Timestamp;
use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose, SanType,
};
use rustls::pki_types::CertificateDer;
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::{NetError, ServerTls};

mod file;
mod renewal;
mod validity;

use renewal::RenewedCertificate;
pub use validity::AGENT_LIFE;
use validity::CA_LIFE;

/// The longest name in a certificate: a DNS name's limit.
const COMMON_NAME_BYTES_MAX: usize = 253;
/// Digits of the hash that stands for a name which no DNS name can hold.
const RELAY_DIGEST_CHARS: usize = 40;
/// The most names in one server certificate.
const SERVER_NAMES_MAX: usize = 100;

/// A site's certificate authority, loaded and ready to sign. Cheap to clone.
#[derive(Debug, Clone)]
pub struct SiteCa {
    authority: Arc<Authority>,
    agent_life: Duration,
}

#[derive(Debug)]
struct Authority {
    certificate_pem: String,
    certificate: CertificateDer<'static>,
    key: KeyPair,
    clock: SharedClock,
}

impl SiteCa {
    /// Makes a new authority for `site_code` in the folder `dir`, durable before it returns.
    /// Refuses if one exists there.
    pub fn create(dir: &Path, site_code: &str, clock: SharedClock) -> Result<Self, NetError> {
        let key = KeyPair::generate().map_err(cannot_make)?;
        let mut params = validity::params(CA_LIFE, &clock)?;
        params.distinguished_name = name(&format!("Haulier site {site_code} authority"));
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let certificate = params.self_signed(&key).map_err(cannot_make)?;
        file::write_new(dir, &certificate.pem(), &key.serialize_pem())?;
        Self::load(dir, clock)
    }

    /// Loads the authority from the folder `dir`; checks that key and certificate belong together.
    pub fn load(dir: &Path, clock: SharedClock) -> Result<Self, NetError> {
        let file::Stored { certificate_pem, certificate, key } = file::read(dir)?;
        let authority = Arc::new(Authority { certificate_pem, certificate, key, clock });
        Ok(Self { authority, agent_life: AGENT_LIFE })
    }

    /// The same authority, whose certificates for agents live for so long instead of [`AGENT_LIFE`].
    #[must_use]
    pub fn with_agent_life(self, agent_life: Duration) -> Self {
        Self { agent_life, ..self }
    }

    /// Whether the folder `dir` holds an authority.
    #[must_use]
    pub fn exists(dir: &Path) -> bool {
        Self::path(dir).exists()
    }

    /// The file in the folder `dir` that holds the authority.
    #[must_use]
    pub fn path(dir: &Path) -> PathBuf {
        dir.join(file::FILE_NAME)
    }

    /// PEM of the authority's certificate.
    #[must_use]
    pub fn certificate_pem(&self) -> &str {
        &self.authority.certificate_pem
    }

    /// SHA-256 of the certificate's DER, lower-case hex.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        fingerprint(&self.authority.certificate)
    }

    /// TLS for a listener that is known as `names`, DNS names or IP addresses. The certificate is made anew at
    /// each start and again, without a restart, before it ends.
    pub fn issue_server(&self, names: &[String]) -> Result<ServerTls, NetError> {
        if names.is_empty() || names.len() > SERVER_NAMES_MAX {
            return Err(NetError::Certificate(format!("a server needs 1 to {SERVER_NAMES_MAX} names")));
        }
        if let Some(bad) = names.iter().find(|name| !is_server_name(name)) {
            return Err(NetError::Certificate(format!("{bad:?} is not a DNS name or an IP address")));
        }
        let certificates = RenewedCertificate::new(self.clone(), names.to_vec())?;
        ServerTls::new(
            self.authority.certificate.clone(),
            Arc::new(certificates),
            SharedClock::clone(&self.authority.clock),
        )
    }

    /// Signs a certificate for the key in `csr_pem`: a client's, and a server's for [`relay_host`] of the name. Only the
    /// key is taken from the request: name, lifetime and use are this authority's. The site's records decide whether the
    /// certificate is welcome.
    pub fn sign_agent(&self, csr_pem: &str, common_name: &str) -> Result<String, NetError> {
        if !is_common_name(common_name) {
            return Err(NetError::Certificate(format!("{common_name:?} cannot be the name of an agent")));
        }
        let request = CertificateSigningRequestParams::from_pem(csr_pem)
            .map_err(|e| NetError::CertificateRequest(e.to_string()))?;
        let mut params = validity::params(self.agent_life, &self.authority.clock)?;
        params.distinguished_name = name(common_name);
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        // For what it lends to other agents. The name belongs to no machine.
        if let Ok(name) = relay_host(common_name).try_into() {
            params.subject_alt_names = vec![SanType::DnsName(name)];
            params.extended_key_usages.push(ExtendedKeyUsagePurpose::ServerAuth);
        }
        let signed = params.signed_by(&request.public_key, &self.issuer()?).map_err(cannot_make)?;
        Ok(signed.pem())
    }

    fn issuer(&self) -> Result<Issuer<'_, &KeyPair>, NetError> {
        Issuer::from_ca_cert_der(&self.authority.certificate, &self.authority.key).map_err(cannot_make)
    }

    fn clock(&self) -> &SharedClock {
        &self.authority.clock
    }
}

/// An agent's key and the request to have it signed.
pub struct AgentKey {
    /// PEM of the private key; never leaves the agent.
    pub key_pem: String,
    /// PEM of the certificate request.
    pub csr_pem: String,
}

impl AgentKey {
    /// Makes a new key and its request.
    pub fn generate() -> Result<Self, NetError> {
        let key = KeyPair::generate().map_err(cannot_make)?;
        let mut params = CertificateParams::default();
        params.distinguished_name = name("Haulier agent");
        let csr_pem = params.serialize_request(&key).and_then(|csr| csr.pem()).map_err(cannot_make)?;
        Ok(Self { key_pem: key.serialize_pem(), csr_pem })
    }
}

impl std::fmt::Debug for AgentKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AgentKey").finish_non_exhaustive()
    }
}

/// The name that an agent's certificate is good for as a server's, for lending content to other agents. It is no name of
/// a machine (`.invalid`, RFC 6761), so that no agent can pass for its site or for another server.
#[must_use]
pub fn relay_host(common_name: &str) -> String {
    const SUFFIX: &str = ".relay.invalid";
    let name = common_name.to_ascii_lowercase();
    if is_server_name(&name)
        && name.parse::<IpAddr>().is_err()
        && name.len() + SUFFIX.len() <= COMMON_NAME_BYTES_MAX
    {
        return format!("{name}{SUFFIX}");
    }
    let digest = fingerprint(name.as_bytes());
    format!("{}{SUFFIX}", &digest[..RELAY_DIGEST_CHARS])
}

/// SHA-256 of a certificate's DER, lower-case hex.
#[must_use]
pub fn fingerprint(der: &[u8]) -> String {
    hex::encode(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, der))
}

/// SHA-256 of the first certificate in `pem`, lower-case hex; the same as [`fingerprint`] of its DER.
pub fn fingerprint_of_pem(pem: &str) -> Result<String, NetError> {
    use rustls::pki_types::pem::PemObject;
    let der = CertificateDer::from_pem_slice(pem.as_bytes())
        .map_err(|e| NetError::Certificate(format!("not a PEM certificate: {e}")))?;
    Ok(fingerprint(&der))
}

/// When the first certificate in `pem` ends.
pub fn ends_at(pem: &str) -> Result<Timestamp, NetError> {
    use rustls::pki_types::pem::PemObject;
    let unusable = |reason: String| NetError::Certificate(format!("not a PEM certificate: {reason}"));
    let der = CertificateDer::from_pem_slice(pem.as_bytes()).map_err(|e| unusable(e.to_string()))?;
    let (_, certificate) = X509Certificate::from_der(&der).map_err(|e| unusable(e.to_string()))?;
    Timestamp::from_second(certificate.validity().not_after.timestamp()).map_err(|e| unusable(e.to_string()))
}

fn name(common_name: &str) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, common_name);
    name
}

fn is_common_name(text: &str) -> bool {
    (1..=COMMON_NAME_BYTES_MAX).contains(&text.len()) && !text.chars().any(char::is_control)
}

fn is_server_name(text: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    };
    text.parse::<IpAddr>().is_ok() || (text.len() <= COMMON_NAME_BYTES_MAX && text.split('.').all(label))
}

#[expect(clippy::needless_pass_by_value, reason = "the shape that map_err wants")]
fn cannot_make(error: rcgen::Error) -> NetError {
    NetError::Certificate(error.to_string())
}
