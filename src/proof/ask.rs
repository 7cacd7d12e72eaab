//! N-ACTION for each transaction that is due, over one association, and the reports that come back on it at once.

use super::later;
use crate::app::App;
use crate::calling::{remote, requestor_options};
use crate::config::{Commitment, Peer, Verify};
use crate::failpoint;
use crate::proven;
use crate::store::events::{self, EventKind};
use crate::store::proofs::{self, ProofRow, Step};
use anyhow::Result;
use centinela_domain::commitment::{Heard, Reference, Request};
use centinela_domain::status::DimseStatus;
use centinela_domain::uid::Uid;
use centinela_scp::{ProposedContext, RequestError, Requestor};
use serde_json::json;
use std::time::Duration;
use tokio::time::Instant;

/// A destination that does not offer it is asked again after a day.
const UNOFFERED_MS: i64 = 24 * 3_600 * 1_000;
/// A report is overdue a day after the request at the latest, however often there was none.
const LONGEST_MS: i64 = 24 * 3_600 * 1_000;

/// Asks for all of these.
///
/// # Errors
/// If rows cannot be read or written.
pub async fn all(app: &App, peer: &Peer, rows: Vec<ProofRow>) -> Result<()> {
    if rows.is_empty() {
        return Ok(());
    }
    let contexts = [ProposedContext::commitment_request()];
    let mut requestor = match Requestor::open(&remote(peer)?, &requestor_options(&app.config), &contexts).await {
        Ok(requestor) => requestor,
        Err(RequestError::NoPresentationContext { .. }) => return unoffered(app, peer, rows).await,
        Err(error) => return later(app, &rows, None, &error.to_string()).await,
    };
    offered(app, peer).await?;
    let mut waits = 0;
    let mut rest = rows.into_iter();
    while let Some(row) = rest.next() {
        let request = request(app, &row).await?;
        match requestor.ask_commitment(&request).await {
            Ok(DimseStatus::SUCCESS) => {
                failpoint::hit("proof.asked");
                asked(app, &row).await?;
                waits += 1;
            }
            Ok(status) if Heard::of(status) == Heard::Later => {
                later(app, &[row], Some(status), &format!("{} answered {status}", peer.name)).await?;
            }
            Ok(status) => refused(app, peer, &row, status).await?,
            Err(error) => {
                let rest: Vec<ProofRow> = [row].into_iter().chain(rest).collect();
                return later(app, &rest, None, &error.to_string()).await;
            }
        }
    }
    reports(app, peer, &mut requestor, waits).await;
    let _ = tokio::time::timeout(Duration::from_secs(2), requestor.release()).await;
    Ok(())
}

async fn request(app: &App, row: &ProofRow) -> Result<Request> {
    let rows = {
        let mut tx = app.db.read().await?;
        proofs::references(&mut tx, &row.id).await?
    };
    let reference = |row: proofs::ProofReferenceRow| {
        Ok(Reference { sop_class: Uid::parse(&row.sop_class)?, sop_instance: Uid::parse(&row.sop_instance)? })
    };
    let references = rows.into_iter().map(reference).collect::<Result<_>>()?;
    Ok(Request { transaction: Uid::parse(&row.transaction_uid)?, references })
}

/// Reports that come on this association, for as long as some may.
async fn reports(app: &App, peer: &Peer, requestor: &mut Requestor, mut waits: usize) {
    let until = Instant::now() + Duration::from_secs(app.config.settings.delivery.commitment_wait);
    let title = peer.ae_title.as_ref().map_or("", |title| title.as_str());
    while waits > 0 {
        let rest = until.saturating_duration_since(Instant::now());
        if rest.is_zero() {
            return;
        }
        // Without one it reports on another association, or later.
        let Ok(Some(heard)) = requestor.next_report(rest).await else { return };
        let status = proven::report(app, title, &heard.report).await;
        if requestor.answer_report(heard, status).await.is_err() {
            return;
        }
        // One about what we never asked for is not what we wait for.
        waits -= usize::from(status == DimseStatus::SUCCESS);
    }
}

async fn asked(app: &App, row: &ProofRow) -> Result<()> {
    let now = app.clock.now();
    let timeout = i64::try_from(app.config.settings.delivery.commitment_timeout)?.saturating_mul(1_000);
    let patience = timeout.saturating_mul(1 << row.round.clamp(0, 20)).min(LONGEST_MS.max(timeout));
    let mut tx = app.db.write().await?;
    if proofs::asked(&mut tx, row, now, now + patience).await? {
        let detail = json!({
            "destination": row.destination, "transaction": row.transaction_uid, "instances": row.instances,
        });
        events::append(&mut tx, now, Some(&row.study_uid), None, EventKind::ProofAsked, detail).await?;
    }
    tx.commit().await
}

/// It will not promise these, whatever we do.
async fn refused(app: &App, peer: &Peer, row: &ProofRow, status: DimseStatus) -> Result<()> {
    let now = app.clock.now();
    let error = format!("{} refused the request for storage commitment: {status}", peer.name);
    let mut tx = app.db.write().await?;
    end(&mut tx, peer, row, "refused", Some(status), &error, now).await?;
    let detail = json!({ "destination": peer.name, "transaction": row.transaction_uid, "status": status.to_string() });
    events::append(&mut tx, now, Some(&row.study_uid), None, EventKind::ProofRefused, detail).await?;
    tx.commit().await?;
    tracing::warn!(peer = peer.name, transaction = row.transaction_uid, "{error}");
    Ok(())
}

async fn offered(app: &App, peer: &Peer) -> Result<()> {
    let known = {
        let mut tx = app.db.read().await?;
        proofs::unoffered_until(&mut tx, &peer.name).await?
    };
    if known.is_some() {
        let mut tx = app.db.write().await?;
        proofs::set_unoffered(&mut tx, &peer.name, None).await?;
        tx.commit().await?;
    }
    Ok(())
}

async fn unoffered(app: &App, peer: &Peer, rows: Vec<ProofRow>) -> Result<()> {
    let now = app.clock.now();
    let error = format!("{} does not offer storage commitment", peer.name);
    let mut tx = app.db.write().await?;
    proofs::set_unoffered(&mut tx, &peer.name, Some(now + UNOFFERED_MS)).await?;
    for row in &rows {
        end(&mut tx, peer, row, "unoffered", None, &error, now).await?;
    }
    tx.commit().await?;
    match peer.commitment {
        Commitment::Require => tracing::warn!(peer = peer.name, "{error}, although commitment = \"require\""),
        _ => tracing::info!(peer = peer.name, "{error}: accepted is the end there"),
    }
    Ok(())
}

/// No promise is to be had: the results are looked for if that is wanted; else accepted is the end.
async fn end(
    tx: &mut crate::store::Tx,
    peer: &Peer,
    row: &ProofRow,
    state: &str,
    status: Option<DimseStatus>,
    error: &str,
    now: i64,
) -> Result<()> {
    let next = if peer.verify == Verify::Find { "looking" } else { state };
    let step = Step { state: next, next_at: now, status: status.map(|s| s.0), error: Some(error) };
    proofs::step(tx, row, &step).await?;
    if peer.commitment == Commitment::Require {
        for reference in proofs::references(tx, &row.id).await? {
            proofs::unpromised(tx, row, &reference.delivery, "not_committed", error).await?;
        }
    }
    Ok(())
}
