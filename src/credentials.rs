//! Certificates, keys and revocation lists of this process: loaded at start, read again when their
//! files change or on SIGHUP, without touching what is open.

use crate::clock::Clock;
use crate::config::Config;
use anyhow::{Context as _, Result};
use centinela_scp::{
    Binding, Bindings, CertificateName, CredentialError, Identities, Security, TlsAcceptor, TlsConnector,
};
use std::sync::Arc;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Our certificates are told of so many seconds before their end, once a day.
const NOTICE: i64 = 30 * 24 * 60 * 60;
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// What is loaded.
#[derive(Debug, Clone)]
pub struct Credentials {
    /// The TLS listener's; `None` where it is off.
    pub acceptor: Option<TlsAcceptor>,
    /// Users and keys of tokens; `None` where identities are not looked at.
    identities: Option<Identities>,
    /// Peers that are called by TLS, by name.
    destinations: Vec<(String, TlsConnector)>,
}

impl Credentials {
    /// Reads all files; those of the TLS listener only where `accepts`.
    ///
    /// # Errors
    /// The first file that is wrong.
    pub fn load(config: &Config, clock: Clock, accepts: bool) -> Result<Self> {
        let tls = &config.settings.tls;
        let acceptor = (tls.enabled && accepts).then(|| TlsAcceptor::load(tls.files())).transpose().context("[tls]")?;
        let seconds = move || clock.now() / 1_000;
        let identities = if accepts { config.settings.identity.load(seconds).context("[identity]")? } else { None };
        let connector = |peer: &crate::config::Peer| Some((peer.name.clone(), peer.tls.as_ref()?.connector.clone()?));
        Ok(Self { acceptor, identities, destinations: config.peers.peers.iter().filter_map(connector).collect() })
    }

    /// What the acceptor demands of callers.
    #[must_use]
    pub fn security(&self, config: &Config) -> Security {
        let bindings = config.peers.peers.iter().flat_map(|peer| {
            peer.certificates.iter().filter_map(|name| {
                Some(Binding { ae_title: peer.ae_title.clone()?, certificate: CertificateName::parse(name)? })
            })
        });
        Security { bindings: Bindings(bindings.collect()), identities: self.identities.clone() }
    }

    /// Reads what changed, or everything with `force`, and logs it. What is broken stays as it was.
    pub fn reload(&self, force: bool) {
        if let Some(acceptor) = &self.acceptor {
            tell("[tls]", acceptor.reload(force));
        }
        if let Some(identities) = &self.identities {
            tell("[identity]", identities.reload(force));
        }
        for (name, connector) in &self.destinations {
            tell(name, connector.reload(force));
        }
    }

    /// Logs which of our own certificates have ended or end within a month.
    fn tell_expiry(&self, clock: &Clock) {
        let own = self.acceptor.iter().map(|acceptor| ("[tls]", acceptor.expires()));
        let theirs = self.destinations.iter().map(|(name, connector)| (name.as_str(), connector.expires()));
        for (whose, expires) in own.chain(theirs) {
            match expires.map(|at| at - clock.now() / 1_000) {
                Some(left) if left <= 0 => {
                    tracing::error!(whose, "our certificate has expired: peers will refuse it; put a new one in place");
                }
                Some(left) if left <= NOTICE => {
                    tracing::warn!(whose, days = left / 86_400, "our certificate expires soon: put a new one in place");
                }
                _ => {}
            }
        }
    }

    /// Looks at the files every `every`, and at once on SIGHUP, until `stop`.
    ///
    /// # Errors
    /// If the signal cannot be caught.
    pub async fn watch(self, clock: Clock, every: Duration, stop: CancellationToken) -> Result<()> {
        let this = Arc::new(self);
        let mut hangup = signal(SignalKind::hangup()).context("catch SIGHUP")?;
        let mut daily = tokio::time::interval(DAY);
        loop {
            let force = tokio::select! {
                () = stop.cancelled() => return Ok(()),
                _ = daily.tick() => {
                    this.tell_expiry(&clock);
                    continue;
                }
                _ = hangup.recv() => true,
                () = tokio::time::sleep(every) => false,
            };
            let reloading = Arc::clone(&this);
            // A network file system may block.
            tokio::task::spawn_blocking(move || reloading.reload(force)).await.context("reload")?;
        }
    }
}

fn tell(whose: &str, outcome: Result<bool, CredentialError>) {
    match outcome {
        Ok(false) => {}
        Ok(true) => tracing::info!(whose, "credentials read again"),
        Err(error) => tracing::error!(whose, "credentials stay as they were: {error}"),
    }
}
