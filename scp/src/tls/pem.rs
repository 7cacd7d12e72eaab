//! Files of certificates, keys and revocation lists (RFC 7468; revocation lists also as DER).

use super::CredentialError;
use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer};
use std::path::Path;

/// More is no certificate, key, revocation list or list of users.
const MOST_BYTES: u64 = 64 << 20;

/// Reads a whole file of a tolerable size.
pub(crate) fn read_file(path: &Path) -> Result<Vec<u8>, CredentialError> {
    let unreadable = |error: std::io::Error| CredentialError::new(path, format!("cannot be read: {error}"));
    if std::fs::metadata(path).map_err(unreadable)?.len() > MOST_BYTES {
        return Err(CredentialError::new(path, "is larger than 64 MiB"));
    }
    std::fs::read(path).map_err(unreadable)
}

/// All certificates of a PEM file, at least one.
pub(super) fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, CredentialError> {
    let bytes = read_file(path)?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&bytes).collect();
    match found {
        Ok(found) if !found.is_empty() => Ok(found),
        Ok(_) => Err(CredentialError::new(path, "holds no certificate in PEM form")),
        Err(_) => Err(CredentialError::new(path, "is no well-formed PEM file")),
    }
}

/// The private key of a PEM file: PKCS#8, PKCS#1 or SEC1, not encrypted.
pub(super) fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, CredentialError> {
    let bytes = read_file(path)?;
    PrivateKeyDer::from_pem_slice(&bytes)
        .map_err(|_| CredentialError::new(path, "holds no unencrypted private key in PEM form"))
}

/// The trust anchors of a PEM bundle.
pub(super) fn anchors(path: &Path) -> Result<RootCertStore, CredentialError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(path)? {
        roots.add(certificate).map_err(|_| CredentialError::new(path, "holds a certificate that cannot be decoded"))?;
    }
    Ok(roots)
}

/// All revocation lists of a file, PEM or DER, at least one.
pub(super) fn revocation_lists(path: &Path) -> Result<Vec<CertificateRevocationListDer<'static>>, CredentialError> {
    let bytes = read_file(path)?;
    let found: Result<Vec<_>, _> = CertificateRevocationListDer::pem_slice_iter(&bytes).collect();
    match found {
        Ok(found) if !found.is_empty() => Ok(found),
        // A SEQUENCE: DER. Whether it is a revocation list is seen when it is used.
        _ if bytes.first() == Some(&0x30) => Ok(vec![CertificateRevocationListDer::from(bytes)]),
        _ => Err(CredentialError::new(path, "holds no certificate revocation list, neither PEM nor DER")),
    }
}
