//! Proof of delivery: every destination that offers storage commitment is asked to commit to our results, study by
//! study (PS3.4 annex J, as SCU); its reports are taken wherever they come (`proven`), and where none comes, the
//! results are looked for by C-FIND, in a DICOMweb store by QIDO-RS.
//!
//! One task for each destination. It meets `delivery` in rows: a result that is not kept is a delivery to make.

mod ask;
mod look;

use crate::app::App;
use crate::config::Peer;
use crate::failpoint;
use crate::store::destinations;
use crate::store::events::{self, EventKind};
use crate::store::proofs::{self, ProofRow, Span};
use anyhow::{Context as _, Result};
use centinela_domain::delivery::next_attempt;
use centinela_domain::status::DimseStatus;
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// A study's results must have been accepted for so long: the rest of them may follow.
const SETTLE_MS: i64 = 1_000;
/// Those that were accepted so long ago are not held up any more by others of their study.
const PATIENCE_MS: i64 = 10 * 60 * 1_000;
/// What was accepted longer ago is not asked for: an archive that begins to offer it is not asked about years.
const OLDEST_MS: i64 = 7 * 24 * 3_600 * 1_000;
/// Transactions of one association.
const MOST: i64 = 32;

/// Asks every destination until stopped.
///
/// # Errors
/// If a destination's loop ends on its own.
pub async fn run(app: Arc<App>, stop: CancellationToken) -> Result<()> {
    unask(&app).await?;
    let mut tasks = tokio::task::JoinSet::new();
    for peer in app.config.peers.destinations().filter(|peer| peer.is_asked() || peer.is_looked_at()) {
        tasks.spawn(serve(Arc::clone(&app), peer.clone(), stop.clone()));
    }
    tasks.spawn(async move {
        stop.cancelled().await;
        Ok(())
    });
    while let Some(ended) = tasks.join_next().await {
        ended.context("proof task")??;
    }
    Ok(())
}

/// Ends what is under way at destinations that are not asked any more: their entries have changed.
async fn unask(app: &App) -> Result<()> {
    let mut tx = app.db.write().await?;
    for peer in app.config.peers.destinations().filter(|peer| !peer.is_asked()) {
        proofs::unask(&mut tx, &peer.name, peer.is_looked_at(), app.clock.now()).await?;
    }
    tx.commit().await
}

async fn serve(app: Arc<App>, peer: Peer, stop: CancellationToken) -> Result<()> {
    while !stop.is_cancelled() {
        let round = tokio::select! {
            () = stop.cancelled() => return Ok(()),
            round = round(&app, &peer) => round,
        };
        if let Err(error) = round {
            tracing::error!(peer = peer.name, "proof of delivery could not be had: {error:#}");
        }
        tokio::select! {
            () = stop.cancelled() => {}
            () = tokio::time::sleep(Duration::from_millis(500)) => {}
        }
    }
    Ok(())
}

/// One round: new transactions, then what is due.
async fn round(app: &App, peer: &Peer) -> Result<()> {
    let now = app.clock.now();
    let span = Span { since: now - OLDEST_MS, until: now - SETTLE_MS, patience_ms: PATIENCE_MS };
    // How the results of a study begin to be proven; none where neither a promise nor a look is to be had.
    let first = {
        let mut tx = app.db.read().await?;
        let unoffered = proofs::unoffered_until(&mut tx, &peer.name).await?.is_some_and(|until| until > now);
        let first = first(peer, unoffered);
        let new = first.is_some() && proofs::any_unproven(&mut tx, &peer.name, span).await?;
        if !new && !proofs::any_due(&mut tx, &peer.name, now).await? {
            return Ok(());
        }
        let row = destinations::find(&mut tx, &peer.name).await?;
        // It is not called while it is down or parked: delivery finds out when it is back. Nor while it rests.
        let rests = peer.resting_until(now).is_some();
        if rests || row.is_some_and(|row| row.down_since.is_some() || row.is_parked()) {
            return Ok(());
        }
        first
    };
    let due = {
        let mut tx = app.db.write().await?;
        if let Some(state) = first {
            let rows = proofs::unproven(&mut tx, &peer.name, span).await?;
            for study in rows.chunk_by(|a, b| a.study_uid == b.study_uid) {
                proofs::begin(&mut tx, &peer.name, state, study, now).await?;
            }
        }
        let due = proofs::due(&mut tx, &peer.name, now, MOST).await?;
        tx.commit().await?;
        due
    };
    failpoint::hit("proof.begun");
    let of = |state: &str| due.iter().filter(|row| row.state == state).cloned().collect::<Vec<ProofRow>>();
    ask::all(app, peer, of("asking")).await?;
    overdue(app, peer, of("waiting")).await?;
    look::all(app, peer, of("looking")).await
}

/// The state in which a transaction with it begins.
fn first(peer: &Peer, unoffered: bool) -> Option<&'static str> {
    if peer.is_asked() && !unoffered {
        return Some("asking");
    }
    peer.is_looked_at().then_some("looking")
}

/// Transactions whose report has not come in time.
async fn overdue(app: &App, peer: &Peer, rows: Vec<ProofRow>) -> Result<()> {
    for row in rows {
        let now = app.clock.now();
        let error = format!("{} took the request and has not reported", peer.name);
        let mut tx = app.db.write().await?;
        let step = proofs::Step { state: "looking", next_at: now, status: None, error: Some(&error) };
        if proofs::step(&mut tx, &row, &step).await? {
            let detail = json!({ "destination": peer.name, "transaction": row.transaction_uid });
            events::append(&mut tx, now, Some(&row.study_uid), None, EventKind::ProofOverdue, detail).await?;
        }
        tx.commit().await?;
        tracing::warn!(
            peer = peer.name,
            transaction = row.transaction_uid,
            "no report in time: looking for the results"
        );
    }
    Ok(())
}

/// The present step of these could not be done: it is tried again, later each time.
async fn later(app: &App, rows: &[ProofRow], status: Option<DimseStatus>, error: &str) -> Result<()> {
    let now = app.clock.now();
    let mut tx = app.db.write().await?;
    for row in rows {
        let next_at = next_attempt(now, row.attempts + 1, rand::random());
        let step = proofs::Step { state: &row.state, next_at, status: status.map(|s| s.0), error: Some(error) };
        proofs::step(&mut tx, row, &step).await?;
    }
    tx.commit().await
}
