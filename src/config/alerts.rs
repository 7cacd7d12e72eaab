//! `[alerts]` of the settings: the limits, and who is told.

use crate::outgoing::Address;
use centinela_scp::{ConnectorFiles, TlsConnector};
use serde::Deserialize;
use std::collections::HashSet;
use std::fmt;
use std::path::PathBuf;

/// `[alerts]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "the keys are explained in conf/centinela.toml")]
pub struct Alerts {
    pub undelivered_minutes: f64,
    pub queued_minutes: f64,
    pub webhooks: Vec<Webhook>,
}

/// One of `webhooks`.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Webhook {
    /// Our name for it.
    pub name: String,
    /// Where it listens.
    #[serde(deserialize_with = "address")]
    pub address: Address,
    /// A file with the secret that signs.
    #[serde(default)]
    pub secret_file: Option<PathBuf>,
    /// Authorities whose certificates are believed, PEM; needed for https.
    #[serde(default)]
    pub ca: Option<PathBuf>,
    #[serde(skip)]
    secret: Option<String>,
    #[serde(skip)]
    tls: Option<TlsConnector>,
}

// Neither the secret nor anything made from it is ever shown.
impl fmt::Debug for Webhook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Webhook").field("name", &self.name).field("address", &self.address).finish_non_exhaustive()
    }
}

fn address<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Address, D::Error> {
    Address::parse(&String::deserialize(from)?).map_err(serde::de::Error::custom)
}

impl Webhook {
    /// What signs, if it was given.
    #[must_use]
    pub fn secret(&self) -> Option<&str> {
        self.secret.as_deref()
    }

    /// Whom we believe.
    #[must_use]
    pub const fn tls(&self) -> Option<&TlsConnector> {
        self.tls.as_ref()
    }

    fn load(&mut self) -> Result<(), String> {
        if let Some(path) = &self.secret_file {
            let text = std::fs::read_to_string(path)
                .map_err(|error| format!("secret_file {}: cannot be read: {error}", path.display()))?;
            let secret = text.trim();
            if secret.len() < 16 {
                return Err(format!("secret_file {}: give at least 16 characters", path.display()));
            }
            self.secret = Some(secret.to_owned());
        }
        match (&self.ca, self.address.is_secure()) {
            (None, true) => Err("https needs ca: the PEM file of the authorities that we believe, \
                 such as /etc/ssl/certs/ca-certificates.crt"
                .to_owned()),
            (Some(ca), true) => {
                let files = ConnectorFiles { authorities: ca.clone(), own: None, server_name: None };
                self.tls = Some(TlsConnector::load(files).map_err(|error| error.to_string())?);
                Ok(())
            }
            (_, false) if !self.address.is_loopback() => {
                Err("http:// would send it in the clear: write https:// with ca".to_owned())
            }
            (_, false) => Ok(()),
        }
    }
}

impl Alerts {
    /// Reads the files and appends everything that is wrong.
    pub(super) fn load(&mut self, problems: &mut Vec<String>) {
        for (key, minutes) in
            [("undelivered_minutes", self.undelivered_minutes), ("queued_minutes", self.queued_minutes)]
        {
            if !(minutes > 0.0 && minutes <= 10_080.0) {
                problems.push(format!("[alerts] {key} = {minutes}: give minutes above 0, at most 10080 (a week)"));
            }
        }
        let mut seen = HashSet::new();
        for hook in &mut self.webhooks {
            if hook.name.trim().is_empty() || !seen.insert(hook.name.clone()) {
                problems.push(format!("[alerts] webhooks: each needs a name of its own; {:?} is none", hook.name));
            }
            if let Err(problem) = hook.load() {
                problems.push(format!("[alerts] webhook {:?}: {problem}", hook.name));
            }
        }
    }
}
