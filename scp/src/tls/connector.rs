//! The requestor's side of TLS: whom we believe, and who we say that we are.

use super::certificate::not_after;
use super::refusal::TlsRefusal;
use super::transport::Transport;
use super::watched::Watched;
use super::{CredentialError, VERSIONS, pem, provider};
use rustls::client::{Resumption, WebPkiServerVerifier};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, RootCertStore};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::timeout;

/// The files behind a connector.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectorFiles {
    /// Authorities whose certificates are believed, PEM.
    pub authorities: PathBuf,
    /// Our own certificate with its intermediates and its key, PEM; shown if the peer asks.
    pub own: Option<(PathBuf, PathBuf)>,
    /// Name that the peer's certificate must have; `None` for the host that is called.
    pub server_name: Option<String>,
}

/// Calls one peer by TLS. A cheap clone, equal to its clones.
#[derive(Debug, Clone)]
pub struct TlsConnector {
    watched: Arc<Watched<Loaded>>,
    server_name: Option<ServerName<'static>>,
}

/// What the files make.
#[derive(Debug)]
struct Loaded {
    config: Arc<ClientConfig>,
    expires: Option<i64>,
}

impl PartialEq for TlsConnector {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.watched, &other.watched)
    }
}

impl Eq for TlsConnector {}

impl TlsConnector {
    /// Reads the files.
    ///
    /// # Errors
    /// The first file that is wrong, or a server name that is none.
    pub fn load(files: ConnectorFiles) -> Result<Self, CredentialError> {
        let named = files.server_name.clone().map(ServerName::try_from).transpose();
        let server_name = named.map_err(|_| {
            let what = format!("the server name {:?} is neither a host name nor an address", files.server_name);
            CredentialError::new(&files.authorities, what)
        })?;
        let mut paths = vec![files.authorities.clone()];
        if let Some((certificate, key)) = &files.own {
            paths.extend([certificate.clone(), key.clone()]);
        }
        let watched = Watched::load(paths, move || configure(&files))?;
        Ok(Self { watched: Arc::new(watched), server_name })
    }

    /// Reads the files again if one changed, or in any case with `force`; tells whether it did.
    /// Open associations go on as they are.
    ///
    /// # Errors
    /// The first file that is wrong; what was loaded before stays. Told once for each state of the
    /// files, unless forced.
    pub fn reload(&self, force: bool) -> Result<bool, CredentialError> {
        self.watched.reload(force)
    }

    /// When our own certificate ends, in seconds since 1970, if there is one and it says so.
    #[must_use]
    pub fn expires(&self) -> Option<i64> {
        self.watched.current().expires
    }

    /// What the files make now, for peers that are called by HTTPS.
    #[must_use]
    pub fn client_config(&self) -> ClientConfig {
        ClientConfig::clone(&self.watched.current().config)
    }

    /// For peers that are never called by TLS: every certificate is refused.
    #[must_use]
    pub fn believing_nobody() -> ClientConfig {
        let nobody = RootCertStore::empty();
        ClientConfig::builder_with_provider(provider())
            .with_protocol_versions(VERSIONS)
            // The provider has suites for both versions.
            .unwrap_or_else(|error| unreachable!("TLS versions: {error}"))
            .with_root_certificates(nobody)
            .with_no_client_auth()
    }

    /// The handshake with `host`, within `within`.
    pub(crate) async fn connect(
        &self,
        host: &str,
        stream: TcpStream,
        within: Duration,
    ) -> Result<Transport, TlsRefusal> {
        let name = match &self.server_name {
            Some(name) => name.clone(),
            None => ServerName::try_from(host.to_owned()).map_err(|_| TlsRefusal::Name)?,
        };
        let connector = tokio_rustls::TlsConnector::from(Arc::clone(&self.watched.current().config));
        match timeout(within, Box::pin(connector.connect(name, stream))).await {
            Err(_) => Err(TlsRefusal::TimedOut),
            Ok(Err(error)) => Err(TlsRefusal::of(&error)),
            Ok(Ok(stream)) => Ok(Transport::connected(stream)),
        }
    }
}

/// The ClientHello of a connector that trusts nobody: enough to hear whether a port speaks TLS.
pub(crate) fn client_hello() -> Option<Vec<u8>> {
    let builder = ClientConfig::builder_with_provider(provider()).with_protocol_versions(VERSIONS).ok()?;
    let config = builder.with_root_certificates(RootCertStore::empty()).with_no_client_auth();
    let name = ServerName::try_from("peer.invalid").ok()?;
    let mut hello = Vec::new();
    ClientConnection::new(Arc::new(config), name).ok()?.write_tls(&mut hello).ok()?;
    Some(hello)
}

fn configure(files: &ConnectorFiles) -> Result<Loaded, CredentialError> {
    let mut expires = None;
    let wrong = |error: String| CredentialError::new(&files.authorities, error);
    let roots = Arc::new(pem::anchors(&files.authorities)?);
    let verifier = WebPkiServerVerifier::builder_with_provider(roots, provider());
    let verifier = verifier.build().map_err(|error| wrong(error.to_string()))?;
    let builder = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(VERSIONS)
        .map_err(|error| wrong(error.to_string()))?
        .with_webpki_verifier(verifier);
    let mut config = match &files.own {
        None => builder.with_no_client_auth(),
        Some((certificate, key)) => {
            let (chain, secret) = (pem::certificates(certificate)?, pem::private_key(key)?);
            expires = chain.first().and_then(|leaf| not_after(leaf));
            builder.with_client_auth_cert(chain, secret).map_err(|error| {
                let what = match error {
                    rustls::Error::InconsistentKeys(_) => "does not belong to the certificate".to_owned(),
                    other => format!("cannot be used with the certificate: {other}"),
                };
                CredentialError::new(key, what)
            })?
        }
    };
    config.resumption = Resumption::disabled();
    Ok(Loaded { config: Arc::new(config), expires })
}
