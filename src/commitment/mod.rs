//! Storage commitment as a service (PS3.4 annex J): what was asked is checked against rows and bytes,
//! then reported, on the same association while it is open, else on a new one, until the peer knows.
//!
//! Every state is a row and every timer a column: a restart goes on where the process ended. One
//! task for each calling AE title, so that a peer that is away slows nobody but itself.

mod channels;
mod check;
mod report;

pub use channels::Channels;

use crate::app::App;
use crate::store::commitments;
use anyhow::Result;
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// Callers that are served at once.
const MOST_CALLERS: usize = 16;
/// How long a step holds its row; a longer one is fenced, not cut.
const LEASE_MS: i64 = 10 * 60 * 1_000;
/// After a stop, running steps may take so long; their rows bring the rest back.
const GRACE: Duration = Duration::from_secs(5);

/// Checks and reports until stopped.
///
/// # Errors
/// Never: a failing database is logged and asked again.
pub async fn run(app: Arc<App>, stop: CancellationToken) -> Result<()> {
    if let Err(error) = take_up(&app).await {
        tracing::error!("undeliverable commitments could not be taken up: {error:#}");
    }
    let mut callers: JoinSet<String> = JoinSet::new();
    let mut busy: HashSet<String> = HashSet::new();
    loop {
        tokio::select! {
            () = stop.cancelled() => break,
            Some(ended) = callers.join_next(), if !callers.is_empty() => {
                if let Ok(calling) = ended {
                    busy.remove(&calling);
                }
            }
            () = app.asked.wait(Duration::from_millis(500)) => {}
        }
        match due(&app).await {
            Ok(due) => {
                for calling in due {
                    if busy.len() < MOST_CALLERS && busy.insert(calling.clone()) {
                        callers.spawn(serve(Arc::clone(&app), calling, stop.clone()));
                    }
                }
            }
            Err(error) => {
                tracing::error!("due commitments could not be asked for: {error:#}");
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }
    }
    let drained = async { while callers.join_next().await.is_some() {} };
    let _ = tokio::time::timeout(GRACE, drained).await;
    Ok(())
}

async fn due(app: &App) -> Result<Vec<String>> {
    let mut tx = app.db.read().await?;
    commitments::due_callers(&mut tx, app.clock.now()).await
}

/// What was undeliverable for want of an address is taken up for the peers that have one now.
async fn take_up(app: &App) -> Result<()> {
    let mut tx = app.db.write().await?;
    for peer in app.config.peers.peers.iter().filter(|p| p.host.is_some() && p.port.is_some()) {
        if let Some(title) = &peer.ae_title {
            commitments::reachable_again(&mut tx, title.as_str(), app.clock.now()).await?;
        }
    }
    tx.commit().await
}

/// Serves one caller until nothing of it is due; gives its title back.
async fn serve(app: Arc<App>, calling: String, stop: CancellationToken) -> String {
    let title = calling.clone();
    // A task of its own, so that a panic ends this round and not the service.
    let round = tokio::spawn(async move {
        while !stop.is_cancelled() {
            match step(&app, &calling, &stop).await {
                Ok(true) => {}
                Ok(false) => return,
                Err(error) => {
                    tracing::error!(calling, "a commitment could not be served: {error:#}");
                    tokio::time::sleep(Duration::from_secs(1)).await;
                    return;
                }
            }
        }
    });
    if round.await.is_err() {
        tracing::error!(calling = title, "a commitment panicked; its lease will end");
    }
    title
}

/// One step of the caller's next due transaction; false if there is none.
async fn step(app: &Arc<App>, calling: &str, stop: &CancellationToken) -> Result<bool> {
    let row = {
        let mut tx = app.db.write().await?;
        let row = commitments::claim(&mut tx, calling, app.clock.now(), LEASE_MS).await?;
        tx.commit().await?;
        row
    };
    let Some(row) = row else { return Ok(false) };
    if row.state == "checking" {
        check::run(app, &row, stop).await?;
    } else {
        report::run(app, &row).await?;
    }
    Ok(true)
}
