//! `[tls]` and `[identity]` of the settings, and the `tls` and `certificates` of a peer.

use centinela_scp::{
    AcceptorFiles, ClientCertificates, ConnectorFiles, Identities, IdentityFiles, IdentityMode, TlsAcceptor,
    TlsConnector,
};
use serde::Deserialize;
use std::net::IpAddr;
use std::path::PathBuf;

/// `[tls]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "the keys are explained in conf/centinela.toml")]
pub struct Tls {
    pub enabled: bool,
    pub bind: IpAddr,
    pub port: u16,
    pub certificate: PathBuf,
    pub key: PathBuf,
    pub client_certificates: Clients,
    pub ca: PathBuf,
    pub crl: Vec<PathBuf>,
    pub crl_must_be_current: bool,
    pub reload: u64,
}

/// Whether callers must show a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Clients {
    /// They are not asked.
    None,
    /// A bad one is refused, none is not.
    Optional,
    /// Only with a good one.
    Required,
}

impl Tls {
    /// The files of the acceptor.
    #[must_use]
    pub fn files(&self) -> AcceptorFiles {
        AcceptorFiles {
            certificate: self.certificate.clone(),
            key: self.key.clone(),
            clients: match self.client_certificates {
                Clients::None => ClientCertificates::None,
                Clients::Optional => ClientCertificates::Optional,
                Clients::Required => ClientCertificates::Required,
            },
            authorities: (self.client_certificates != Clients::None).then(|| self.ca.clone()),
            revocations: self.crl.clone(),
            revocations_must_be_current: self.crl_must_be_current,
        }
    }

    /// Appends everything that is wrong with the section; reads the files if it is enabled.
    pub(super) fn check(&self, plain: bool, problems: &mut Vec<String>) {
        if !(1..=86_400).contains(&self.reload) {
            problems.push(format!("[tls] reload = {}: give seconds between 1 and 86400", self.reload));
        }
        if !self.enabled {
            if !plain {
                problems.push("[dicom] plain and [tls] enabled are both false: nobody could connect".into());
            }
            return;
        }
        let before = problems.len();
        let asks = self.client_certificates != Clients::None;
        for (key, path, needed) in
            [("certificate", &self.certificate, true), ("key", &self.key, true), ("ca", &self.ca, asks)]
        {
            if needed && path.as_os_str().is_empty() {
                problems.push(format!("[tls] {key} is empty: name a PEM file"));
            }
        }
        if !asks && !self.crl.is_empty() {
            problems.push("[tls] crl has no meaning while client_certificates = \"none\"".into());
        }
        if problems.len() == before
            && let Err(error) = TlsAcceptor::load(self.files())
        {
            problems.push(format!("[tls] {error}"));
        }
    }
}

/// `[identity]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "the keys are explained in conf/centinela.toml")]
pub struct Identity {
    pub mode: Mode,
    pub users: PathBuf,
    pub token_keys: Vec<PathBuf>,
    pub token_issuer: String,
    pub token_audience: String,
}

/// What becomes of user identities.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// They are not looked at.
    Ignore,
    /// A wrong one is refused, none is not.
    Optional,
    /// Only with a right one.
    Required,
}

impl Identity {
    /// Reads the files; `None` where identities are not looked at. `now`: seconds since 1970.
    ///
    /// # Errors
    /// The file that is wrong.
    pub fn load(
        &self,
        now: impl Fn() -> i64 + Send + Sync + 'static,
    ) -> Result<Option<Identities>, centinela_scp::CredentialError> {
        let mode = match self.mode {
            Mode::Ignore => return Ok(None),
            Mode::Optional => IdentityMode::Optional,
            Mode::Required => IdentityMode::Required,
        };
        let files = IdentityFiles {
            users: (!self.users.as_os_str().is_empty()).then(|| self.users.clone()),
            token_keys: self.token_keys.clone(),
            issuer: self.token_issuer.clone(),
            audience: self.token_audience.clone(),
        };
        Identities::load(mode, files, now).map(Some)
    }

    /// Appends everything that is wrong with the section; reads the files if they are used.
    pub(super) fn check(&self, tls: &Tls, problems: &mut Vec<String>) {
        if self.mode == Mode::Ignore {
            return;
        }
        let before = problems.len();
        if !tls.enabled {
            problems.push("[identity] mode: identities are checked only over TLS; set [tls] enabled = true".into());
        }
        if self.users.as_os_str().is_empty() && self.token_keys.is_empty() {
            problems.push("[identity] mode: give users or token_keys to check identities against".into());
        }
        if !self.token_keys.is_empty() && (self.token_issuer.is_empty() || self.token_audience.is_empty()) {
            problems.push("[identity] token_keys need token_issuer and token_audience".into());
        }
        if problems.len() == before
            && let Err(error) = self.load(|| 0)
        {
            problems.push(format!("[identity] {error}"));
        }
    }
}

/// `tls = { ... }` of a peer: how we call it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PeerTls {
    /// Authorities whose certificates are believed, PEM.
    pub ca: PathBuf,
    /// Name that its certificate must have; its host otherwise.
    pub server_name: Option<String>,
    /// Our certificate for it, PEM.
    pub certificate: Option<PathBuf>,
    /// The key of that certificate, PEM.
    pub key: Option<PathBuf>,
    /// What the files hold; there once they were checked.
    #[serde(skip)]
    pub connector: Option<TlsConnector>,
}

impl PeerTls {
    /// Reads the files; the error names what is wrong.
    pub(super) fn load(&mut self) -> Result<(), String> {
        let own = match (&self.certificate, &self.key) {
            (Some(certificate), Some(key)) => Some((certificate.clone(), key.clone())),
            (None, None) => None,
            _ => return Err("certificate and key belong together: give both or none".into()),
        };
        let files = ConnectorFiles { authorities: self.ca.clone(), own, server_name: self.server_name.clone() };
        self.connector = Some(TlsConnector::load(files).map_err(|error| error.to_string())?);
        Ok(())
    }
}
