//! An association to a destination, kept open from batch to batch.

use super::{remote, requestor_options};
use crate::app::App;
use crate::config::Peer;
use anyhow::Result;
use centinela_scp::{ProposedContext, RequestError, Requestor};
use std::time::Duration;
use tokio::time::{Instant, timeout};

/// For how long an association without work stays open.
const IDLE: Duration = Duration::from_secs(2);
/// How long a peer may take to answer that it was released.
const RELEASE: Duration = Duration::from_secs(2);

/// An open association.
#[derive(Debug)]
pub struct Line {
    /// The association.
    pub requestor: Requestor,
    contexts: Vec<ProposedContext>,
    last_used: Instant,
    /// Whether it lay idle since its last object: the peer may have closed it meanwhile.
    pub rested: bool,
}

impl Line {
    /// Opens an association.
    ///
    /// # Errors
    /// The outer error if the peer has no address, the inner one if no association comes about.
    pub async fn open(app: &App, peer: &Peer, contexts: Vec<ProposedContext>) -> Result<Result<Self, RequestError>> {
        let opened = Requestor::open(&remote(peer)?, &requestor_options(&app.config), &contexts).await;
        Ok(opened.map(|requestor| Self { requestor, contexts, last_used: Instant::now(), rested: false }))
    }

    /// Whether all of these were proposed on it.
    pub fn covers(&self, contexts: &[ProposedContext]) -> bool {
        contexts.iter().all(|context| self.contexts.contains(context))
    }

    /// It has nothing to carry from now on.
    pub fn rest(&mut self) {
        (self.rested, self.last_used) = (true, Instant::now());
    }

    /// Whether it had nothing to carry for too long.
    pub fn is_idle(&self) -> bool {
        self.last_used.elapsed() >= IDLE
    }

    /// Releases it.
    pub async fn release(self) {
        let _ = timeout(RELEASE, self.requestor.release()).await;
    }
}
