//! The authority on disk: one file, readable by its owner only, there whole or not at all.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rcgen::{KeyPair, PublicKeyData};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::NetError;

pub(crate) const FILE_NAME: &str = "site-ca.pem";
/// Far more than a key and a certificate need.
const FILE_BYTES_MAX: u64 = 64 * 1024;

/// What the file holds.
pub(crate) struct Stored {
    pub(crate) certificate_pem: String,
    pub(crate) certificate: CertificateDer<'static>,
    pub(crate) key: KeyPair,
}

/// Writes a new file, durable before it returns; never replaces one.
pub(crate) fn write_new(dir: &Path, certificate_pem: &str, key_pem: &str) -> Result<(), NetError> {
    let path = dir.join(FILE_NAME);
    let temporary = dir.join(format!("{FILE_NAME}.{}.new", std::process::id()));
    let write = || -> io::Result<()> {
        fs::create_dir_all(dir)?;
        let _ = fs::remove_file(&temporary);
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary)?;
        file.write_all(certificate_pem.as_bytes())?;
        file.write_all(key_pem.as_bytes())?;
        file.sync_all()?;
        // A link, unlike a rename, fails if the name is taken.
        fs::hard_link(&temporary, &path)?;
        File::open(dir)?.sync_all()
    };
    let result = write();
    let _ = fs::remove_file(&temporary);
    result.map_err(|source| match source.kind() {
        io::ErrorKind::AlreadyExists => NetError::CaExists(path),
        _ => NetError::CaFile { action: "write", path, source },
    })
}

/// Reads and checks the file.
pub(crate) fn read(dir: &Path) -> Result<Stored, NetError> {
    let path = dir.join(FILE_NAME);
    let text = read_private(&path)?;
    parse(&text).map_err(|reason| NetError::CaDamaged { path, reason })
}

fn read_private(path: &PathBuf) -> Result<String, NetError> {
    let fail = |source| NetError::CaFile { action: "read", path: path.clone(), source };
    let metadata = fs::metadata(path).map_err(fail)?;
    if metadata.permissions().mode() & 0o077 != 0 {
        return Err(NetError::CaExposed(path.clone()));
    }
    if metadata.len() > FILE_BYTES_MAX {
        let reason = format!("it is larger than {FILE_BYTES_MAX} bytes");
        return Err(NetError::CaDamaged { path: path.clone(), reason });
    }
    fs::read_to_string(path).map_err(fail)
}

fn parse(text: &str) -> Result<Stored, String> {
    const KEY_BEGINS: &str = "-----BEGIN PRIVATE KEY-----";
    let key_at = text.find(KEY_BEGINS).ok_or("it holds no key")?;
    let (certificate_pem, key_pem) = text.split_at(key_at);
    let certificate = CertificateDer::from_pem_slice(certificate_pem.as_bytes())
        .map_err(|e| format!("certificate: {e}"))?;
    let key = KeyPair::from_pem(key_pem).map_err(|e| format!("key: {e}"))?;
    let (_, parsed) = X509Certificate::from_der(&certificate).map_err(|e| format!("certificate: {e}"))?;
    if !parsed.is_ca() {
        return Err("its certificate is not an authority's".to_owned());
    }
    if parsed.public_key().subject_public_key.data != key.der_bytes() {
        return Err("its key does not belong to its certificate".to_owned());
    }
    Ok(Stored { certificate_pem: certificate_pem.to_owned(), certificate, key })
}
