//! The acceptor's side of TLS: our certificate, whose certificates we trust, and the handshake.

use super::certificate::{PeerCertificate, not_after};
use super::refusal::TlsRefusal;
use super::transport::Transport;
use super::watched::Watched;
use super::{CredentialError, VERSIONS, pem, provider};
use rustls::ServerConfig;
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// After a failed handshake so long is waited for the peer to read our alert and close.
const ALERT_LINGER: Duration = Duration::from_secs(1);

/// Whether a peer must show a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ClientCertificates {
    /// It is not asked for one.
    None,
    /// It is asked; without one it is served, with a bad one it is not.
    Optional,
    /// Without a good one it is refused.
    #[default]
    Required,
}

/// The files behind an acceptor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AcceptorFiles {
    /// Our certificate, then its intermediates, PEM.
    pub certificate: PathBuf,
    /// Its private key, PEM, not encrypted.
    pub key: PathBuf,
    /// Whether peers must show a certificate.
    pub clients: ClientCertificates,
    /// Authorities whose certificates are believed, PEM; needed unless `clients` is `None`.
    pub authorities: Option<PathBuf>,
    /// Revocation lists, PEM or DER. If there is one, every issuer of a peer's chain needs one.
    pub revocations: Vec<PathBuf>,
    /// Refuse peers while the list of their issuer is past its next update.
    pub revocations_must_be_current: bool,
}

/// Makes associations of TCP connections into secure ones. A cheap clone.
#[derive(Debug, Clone)]
pub struct TlsAcceptor {
    watched: Arc<Watched<Loaded>>,
}

/// What the files make.
#[derive(Debug)]
struct Loaded {
    config: Arc<ServerConfig>,
    expires: Option<i64>,
}

/// What the handshake told of a peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Secured {
    /// Its verified certificate, if it showed one.
    pub(crate) certificate: Option<PeerCertificate>,
}

impl TlsAcceptor {
    /// Reads the files.
    ///
    /// # Errors
    /// The first file that is wrong.
    pub fn load(files: AcceptorFiles) -> Result<Self, CredentialError> {
        let mut paths = vec![files.certificate.clone(), files.key.clone()];
        paths.extend(files.authorities.clone());
        paths.extend(files.revocations.iter().cloned());
        let watched = Watched::load(paths, move || configure(&files))?;
        Ok(Self { watched: Arc::new(watched) })
    }

    /// Reads the files again if one changed, or in any case with `force`; tells whether it did.
    /// Open connections go on as they are.
    ///
    /// # Errors
    /// The first file that is wrong; what was loaded before stays. Told once for each state of the
    /// files, unless forced.
    pub fn reload(&self, force: bool) -> Result<bool, CredentialError> {
        self.watched.reload(force)
    }

    /// When our certificate ends, in seconds since 1970, if it says so.
    #[must_use]
    pub fn expires(&self) -> Option<i64> {
        self.watched.current().expires
    }

    /// The handshake, within `within`. On failure the peer has our alert when this returns.
    pub(crate) async fn accept(&self, stream: TcpStream, within: Duration) -> Result<(Transport, Secured), TlsRefusal> {
        let acceptor = tokio_rustls::TlsAcceptor::from(Arc::clone(&self.watched.current().config));
        let shaking = Box::pin(acceptor.accept(stream).into_fallible());
        match timeout(within, shaking).await {
            Err(_) => Err(TlsRefusal::TimedOut),
            Ok(Err((error, stream))) => {
                linger(stream).await;
                Err(TlsRefusal::of(&error))
            }
            Ok(Ok(stream)) => {
                let (_, session) = stream.get_ref();
                let leaf = session.peer_certificates().and_then(<[_]>::first);
                let certificate = leaf.map(PeerCertificate::read);
                Ok((Transport::accepted(stream), Secured { certificate }))
            }
        }
    }
}

/// Bytes that were not read would turn our close into a reset, which can overtake the alert.
async fn linger(mut stream: TcpStream) {
    let rest = async {
        let mut waste = [0; 1024];
        stream.shutdown().await?;
        while stream.read(&mut waste).await? > 0 {}
        std::io::Result::Ok(())
    };
    // Whoever does not close is closed.
    let _ = timeout(ALERT_LINGER, rest).await;
}

fn configure(files: &AcceptorFiles) -> Result<Loaded, CredentialError> {
    let chain = pem::certificates(&files.certificate)?;
    let expires = chain.first().and_then(|leaf| not_after(leaf));
    let key = pem::private_key(&files.key)?;
    let builder = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(VERSIONS)
        .map_err(|error| CredentialError::new(&files.certificate, error.to_string()))?;
    let builder = match files.clients {
        ClientCertificates::None => builder.with_no_client_auth(),
        ClientCertificates::Optional | ClientCertificates::Required => {
            let Some(authorities) = &files.authorities else {
                return Err(CredentialError::new(&files.certificate, "client certificates need authorities"));
            };
            builder.with_client_cert_verifier(verifier(files, authorities)?)
        }
    };
    let mut config = builder.with_single_cert(chain, key).map_err(|error| {
        let what = match error {
            rustls::Error::InconsistentKeys(_) => "does not belong to the certificate".to_owned(),
            other => format!("cannot be used with the certificate: {other}"),
        };
        CredentialError::new(&files.key, what)
    })?;
    // A resumed session would not look at the certificate again.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    config.ignore_client_order = true;
    Ok(Loaded { config: Arc::new(config), expires })
}

fn verifier(
    files: &AcceptorFiles,
    authorities: &Path,
) -> Result<Arc<dyn rustls::server::danger::ClientCertVerifier>, CredentialError> {
    let roots = Arc::new(pem::anchors(authorities)?);
    let mut builder = WebPkiClientVerifier::builder_with_provider(roots, provider());
    for path in &files.revocations {
        let lists = pem::revocation_lists(path)?;
        for list in &lists {
            // Alone, so that the error names the file.
            webpki::BorrowedCertRevocationList::from_der(list)
                .map_err(|error| CredentialError::new(path, format!("holds a revocation list of no use: {error}")))?;
        }
        builder = builder.with_crls(lists);
    }
    if files.clients == ClientCertificates::Optional {
        builder = builder.allow_unauthenticated();
    }
    if files.revocations_must_be_current {
        builder = builder.enforce_revocation_expiration();
    }
    builder.build().map_err(|error| CredentialError::new(authorities, error.to_string()))
}
