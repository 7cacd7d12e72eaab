//! DICOM TLS (PS3.15 annex B, the BCP 195 profile): TLS 1.2 with ECDHE and AEAD ciphers, and TLS 1.3.
//!
//! The cryptography is ring's; it knows no CBC, no RSA key exchange, no NULL and nothing before
//! TLS 1.2, so there is nothing to switch off. Sessions are never resumed: every association shows
//! its certificate anew and meets the revocation list of that moment.

mod acceptor;
mod binding;
mod certificate;
mod connector;
mod pem;
mod refusal;
mod transport;
mod watched;

pub use acceptor::{AcceptorFiles, ClientCertificates, TlsAcceptor};
pub use binding::{Binding, BindingRefusal, Bindings};
pub use certificate::{CertificateName, PeerCertificate};
pub use connector::{ConnectorFiles, TlsConnector};
pub use refusal::TlsRefusal;
pub use watched::CredentialError;

pub(crate) use acceptor::Secured;
pub(crate) use certificate::element;
pub(crate) use connector::client_hello;
pub(crate) use pem::read_file;
pub(crate) use transport::Transport;
pub(crate) use watched::Watched;

use rustls::crypto::CryptoProvider;
use rustls::version::{TLS12, TLS13};
use std::sync::Arc;

/// The versions that we speak.
const VERSIONS: &[&rustls::SupportedProtocolVersion] = &[&TLS13, &TLS12];

/// The one provider of cryptography; handed to each configuration, so no process-wide default is
/// needed.
fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// The cipher suites that we offer and take, best first.
#[must_use]
pub fn suites() -> Vec<String> {
    provider().cipher_suites.iter().map(|suite| format!("{:?}", suite.suite())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustls::crypto::SupportedKxGroup;

    #[test]
    fn every_suite_has_forward_secrecy_and_authenticated_encryption() {
        let provider = provider();
        assert!(!provider.cipher_suites.is_empty());
        for suite in &provider.cipher_suites {
            let name = format!("{:?}", suite.suite());
            let forward = name.starts_with("TLS13_") || name.starts_with("TLS_ECDHE_");
            assert!(forward && (name.contains("GCM") || name.contains("CHACHA20")), "{name}");
        }
        let groups: Vec<_> = provider.kx_groups.iter().map(|group: &&dyn SupportedKxGroup| group.name()).collect();
        assert!(groups.contains(&rustls::NamedGroup::secp256r1), "{groups:?}");
    }
}
