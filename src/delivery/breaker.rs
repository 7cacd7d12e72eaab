//! Whether a destination can be had, as a row: down when no association comes about, or when several in a row
//! answer nothing; asked again every `[delivery] echo_every`; back at its first answer.
//!
//! While it is down nothing is tried and nothing is counted as an attempt. At C-ECHO's success, or where there is no
//! C-ECHO (a peer that refuses it, a DICOMweb store, a folder), one object goes first: only its answer shows that
//! the destination stores.

use super::line::RELEASE;
use super::{remote, requestor_options};
use crate::app::App;
use crate::config::{Peer, Way};
use crate::probing::Cause;
use crate::store::destinations::{self, Failure};
use crate::store::events::{self, EventKind};
use crate::store::{Tx, deliveries};
use anyhow::Result;
use centinela_domain::delivery::SILENT_ATTEMPTS;
use centinela_scp::{ProposedContext, RequestError, Requestor};
use serde_json::json;
use tokio::time::timeout;

/// Why there was no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// As one word.
    pub cause: &'static str,
    /// In words.
    pub error: String,
    /// Whether a connection came about.
    pub connected: bool,
    /// Not to be called again before.
    pub patience_ms: i64,
}

impl Trouble {
    /// Trouble of a destination that asks for no patience.
    pub const fn new(cause: &'static str, error: String, connected: bool) -> Self {
        Self { cause, error, connected, patience_ms: 0 }
    }

    /// No association came about.
    pub fn away(error: &RequestError) -> Self {
        Self::new(Cause::of(error).code(), error.to_string(), false)
    }

    /// An association ended before the answer.
    pub fn broken(error: &RequestError) -> Self {
        Self { connected: true, ..Self::away(error) }
    }
}

/// Notes an attempt without an answer.
///
/// # Errors
/// If rows cannot be written.
pub async fn unanswered(tx: &mut Tx, app: &App, peer: &Peer, trouble: &Trouble) -> Result<()> {
    let now = app.clock.now();
    let every_ms = i64::try_from(app.config.settings.delivery.echo_every)?.saturating_mul(1_000);
    let limit = if trouble.connected { SILENT_ATTEMPTS } else { 1 };
    let (cause, error, patience_ms) = (trouble.cause, trouble.error.as_str(), trouble.patience_ms);
    let failure = Failure { cause, error, limit, every_ms, patience_ms };
    if destinations::failed(tx, &peer.name, &failure, now).await? {
        let detail = json!({ "destination": peer.name, "cause": trouble.cause, "error": trouble.error });
        events::append(tx, now, None, None, EventKind::DestinationDown, detail).await?;
        tracing::warn!(peer = peer.name, cause = trouble.cause, error = trouble.error, "the destination is down");
    }
    Ok(())
}

/// Notes an answer; what waits because of an outage is due now.
///
/// # Errors
/// If rows cannot be written.
pub async fn answered(tx: &mut Tx, app: &App, peer: &Peer) -> Result<()> {
    let now = app.clock.now();
    if let Some(since) = destinations::answered(tx, &peer.name, now).await? {
        deliveries::bring_forward(tx, &peer.name, now).await?;
        let seconds = (now - since).max(0) / 1_000;
        let detail = json!({ "destination": peer.name, "down_seconds": seconds });
        events::append(tx, now, None, None, EventKind::DestinationBack, detail).await?;
        tracing::info!(peer = peer.name, down_seconds = seconds, "the destination is back");
    }
    Ok(())
}

/// Asks a destination that is down whether an object can be tried; notes it if not.
///
/// # Errors
/// If rows cannot be written.
pub async fn ask(app: &App, peer: &Peer) -> Result<bool> {
    if peer.way() != Way::Dicom {
        return Ok(true);
    }
    let contexts = [ProposedContext::verification()];
    match Requestor::open(&remote(peer)?, &requestor_options(&app.config), &contexts).await {
        Ok(mut requestor) => {
            let echo = requestor.echo().await;
            let _ = timeout(RELEASE, requestor.release()).await;
            match echo {
                // Whatever it answered: an association came about, and an object will tell the rest.
                Ok(_) => Ok(true),
                Err(error) => note(app, peer, &Trouble::away(&error)).await,
            }
        }
        // It has no C-ECHO for us, but it takes associations.
        Err(RequestError::NoPresentationContext { .. }) => Ok(true),
        Err(error) => note(app, peer, &Trouble::away(&error)).await,
    }
}

async fn note(app: &App, peer: &Peer, trouble: &Trouble) -> Result<bool> {
    let mut tx = app.db.write().await?;
    unanswered(&mut tx, app, peer, trouble).await?;
    tx.commit().await?;
    Ok(false)
}
