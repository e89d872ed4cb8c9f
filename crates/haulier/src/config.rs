//! `haulier.toml` in a data folder. Unknown keys are errors; a missing file means defaults.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use crate::args::ListenerArgs;

/// The file's name in the data folder.
pub(crate) const FILE_NAME: &str = "haulier.toml";

/// A site's configuration.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct SiteConfig {
    /// Where to listen; default 127.0.0.1:8530.
    pub(crate) listen: Option<SocketAddr>,
    /// Listeners of single protocols, at the ports where clients of the original look.
    pub(crate) listeners: ListenersConfig,
    /// PostgreSQL URL; default SQLite in the data folder.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) database: Option<String>,
    /// The names and addresses in the server certificate, beside the listening address.
    pub(crate) names: Vec<String>,
    /// UNC prefix to folder: `"\\\\files\\drivers" = "/srv/drivers"`.
    pub(crate) shares: BTreeMap<String, PathBuf>,
    /// The zone of schedules in local time, for example `Europe/Berlin`; default the machine's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) time_zone: Option<String>,
    /// Whose signatures are trusted.
    pub(crate) trust: TrustConfig,
    /// How long the certificates of distribution points and child sites live.
    pub(crate) certificates: CertificatesConfig,
    /// The realm whose users sign in with tickets.
    pub(crate) kerberos: KerberosConfig,
    /// What the listener grants.
    pub(crate) limits: LimitsConfig,
    /// Where clients of the original expect other than what is documented.
    pub(crate) compatibility: CompatibilityConfig,
    /// Status messages.
    pub(crate) status: StatusConfig,
    /// The content library.
    pub(crate) content: ContentConfig,
}

/// The content library.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct ContentConfig {
    /// How often it is read anew by itself, in days; default 30.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) verify_days: Option<u32>,
}

/// Status messages.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct StatusConfig {
    /// How long they are kept, in days; default 30.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) keep_days: Option<u32>,
}

/// Listeners of single protocols beside the one that answers everything; each only where it is asked for.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct ListenersConfig {
    /// WS-Management over plain HTTP, which clients expect at port 5985; messages from other machines must be sealed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) wsman: Option<SocketAddr>,
    /// WS-Management over TLS, port 5986.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) wsman_tls: Option<SocketAddr>,
    /// CIM-XML over plain HTTP, port 5988; signing in works from this machine only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) cimxml: Option<SocketAddr>,
    /// CIM-XML over TLS, port 5989.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) cimxml_tls: Option<SocketAddr>,
}

impl ListenersConfig {
    /// These, with what the command line says on top.
    pub(crate) fn or(&self, given: &ListenerArgs) -> Self {
        Self {
            wsman: given.wsman.or(self.wsman),
            wsman_tls: given.wsman_tls.or(self.wsman_tls),
            cimxml: given.cimxml.or(self.cimxml),
            cimxml_tls: given.cimxml_tls.or(self.cimxml_tls),
        }
    }
}

/// Where clients of the original expect other than what is documented.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct CompatibilityConfig {
    /// `MessageState` of SMS_DistributionDPStatus after the last allowed attempt failed: 3 (default) or 4.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) failed_message_state: Option<u32>,
}

/// Whose signatures on drivers are trusted.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct TrustConfig {
    /// PEM files with root certificates.
    pub(crate) roots: Vec<PathBuf>,
}

/// How long the certificates of distribution points and child sites live.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct CertificatesConfig {
    /// Hours; default 2160, which is 90 days. They are renewed when two thirds are over.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) agent_hours: Option<u64>,
}

/// The realm whose users sign in with tickets.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct KerberosConfig {
    /// The file with the keys of the services `HTTP/NAME` and `WSMAN/NAME`; without it no tickets are taken.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) keytab: Option<PathBuf>,
}

/// Limits that depend on the size of the fleet; the others are fixed in `net`.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct LimitsConfig {
    /// Open connections in total; a distribution point needs about three.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) connections: Option<usize>,
    /// Open connections of one address; a fleet behind one NAT shares one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) connections_per_address: Option<usize>,
}

impl LimitsConfig {
    /// The listener's limits with these on top.
    pub(crate) fn listener(&self) -> net::Limits {
        let mut limits = net::Limits::default();
        limits.connections = self.connections.unwrap_or(limits.connections);
        limits.connections_per_peer = self.connections_per_address.unwrap_or(limits.connections_per_peer);
        limits
    }
}

/// A distribution point's configuration.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct DpConfig {
    /// Where to serve content; default 127.0.0.1:8540.
    pub(crate) listen: Option<SocketAddr>,
    /// The address that clients reach it by, when it differs from `listen`; the name with the port where `listen` is 0.0.0.0.
    pub(crate) content_url: Option<String>,
    /// Bytes kept for lending to other distribution points; default 8 GiB.
    pub(crate) relay_cache_bytes: Option<u64>,
}

/// Reads `DATA/haulier.toml`.
pub(crate) fn load<T: for<'de> Deserialize<'de> + Default>(data: &Path) -> Result<T> {
    let file = data.join(FILE_NAME);
    match std::fs::read_to_string(&file) {
        Ok(text) => toml::from_str(&text).with_context(|| format!("{} has a mistake", file.display())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(T::default()),
        Err(error) => Err(error).with_context(|| format!("cannot read {}", file.display())),
    }
}

/// Writes `DATA/haulier.toml` as a whole: a crash leaves the old file or the new one.
pub(crate) fn save<T: Serialize>(data: &Path, config: &T) -> Result<()> {
    use std::io::Write;
    let text = toml::to_string(config).context("the configuration has no TOML form")?;
    let mut file = tempfile::NamedTempFile::new_in(data)
        .with_context(|| format!("cannot write in {}", data.display()))?;
    file.write_all(text.as_bytes())?;
    file.as_file().sync_all()?;
    file.persist(data.join(FILE_NAME)).context("cannot replace haulier.toml")?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_file_means_defaults() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(load::<SiteConfig>(folder.path()).unwrap(), SiteConfig::default());
    }

    #[test]
    fn what_is_saved_is_read_back() {
        let folder = tempfile::tempdir().unwrap();
        let config = SiteConfig {
            listen: Some("127.0.0.1:8530".parse().unwrap()),
            shares: BTreeMap::from([(r"\\files\drivers".to_owned(), PathBuf::from("/srv/drivers"))]),
            ..SiteConfig::default()
        };
        save(folder.path(), &config).unwrap();
        assert_eq!(load::<SiteConfig>(folder.path()).unwrap(), config);
    }

    #[test]
    fn unknown_keys_are_errors_that_name_the_file_and_the_key() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(FILE_NAME), "lissten = \"127.0.0.1:1\"\n").unwrap();
        let text = format!("{:#}", load::<SiteConfig>(folder.path()).unwrap_err());
        assert!(text.contains("haulier.toml") && text.contains("lissten"), "{text}");
    }
}
