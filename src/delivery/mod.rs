//! Delivery: one loop for each destination, so that a dead one never slows another.

pub mod encode;
mod fit;
pub mod folder;
mod probe;
mod record;
mod send;
pub mod stow;

use crate::app::App;
pub use crate::calling::{remote, requestor_options};
use crate::config::Peer;
use crate::failpoint;
use crate::store::deliveries::{self, DeliveryRow};
use anyhow::{Context as _, Result};
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Deliveries that one association carries.
const BATCH: i64 = 8;

/// Serves every destination until stopped.
///
/// # Errors
/// If a destination's loop ends on its own.
pub async fn run(app: Arc<App>, stop: CancellationToken) -> Result<()> {
    let mut destinations = tokio::task::JoinSet::new();
    let peers: Vec<Peer> = app.config.peers.destinations().cloned().collect();
    for peer in peers {
        destinations.spawn(serve(Arc::clone(&app), peer, stop.clone()));
    }
    destinations.spawn(async move {
        // Keeps the role alive in an installation without destinations.
        stop.cancelled().await;
        Ok(())
    });
    while let Some(ended) = destinations.join_next().await {
        ended.context("destination task")??;
    }
    Ok(())
}

async fn serve(app: Arc<App>, peer: Peer, stop: CancellationToken) -> Result<()> {
    let mut watch = probe::Watch::default();
    while !stop.is_cancelled() {
        let batch = match watch.keep(&app, &peer, &stop).await {
            Ok(true) => claim(&app, &peer).await,
            // Nobody knows yet what it takes: what is scheduled for it waits.
            Ok(false) => Ok(Vec::new()),
            Err(error) => Err(error),
        };
        match batch {
            Ok(batch) if batch.is_empty() => tokio::select! {
                () = stop.cancelled() => {}
                () = app.outbox.wait(Duration::from_millis(500)) => {}
            },
            Ok(batch) => {
                failpoint::hit("delivery.claimed");
                match send::batch(&app, &peer, batch).await {
                    Ok(refused) => watch.doubtful |= refused,
                    Err(error) => {
                        tracing::error!(peer = peer.name, "deliveries could not be recorded: {error:#}");
                        tokio::time::sleep(Duration::from_secs(1)).await;
                    }
                }
            }
            Err(error) => {
                tracing::error!(peer = peer.name, "no delivery could be claimed: {error:#}");
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }
    }
    Ok(())
}

async fn claim(app: &App, peer: &Peer) -> Result<Vec<DeliveryRow>> {
    let settings = &app.config.settings.delivery;
    // Long enough for the slowest peer that still answers in time.
    let seconds = settings.connect_timeout + settings.response_timeout * (BATCH as u64 + 1) + 30;
    let lease = i64::try_from(seconds * 1_000)?;
    let due = {
        let mut tx = app.db.read().await?;
        deliveries::any_due(&mut tx, &peer.name, app.clock.now()).await?
    };
    if !due {
        return Ok(Vec::new());
    }
    let mut tx = app.db.write().await?;
    let batch = deliveries::claim(&mut tx, &peer.name, app.clock.now(), lease, BATCH).await?;
    tx.commit().await?;
    Ok(batch)
}
