//! What a destination says of our results becomes rows: its report (N-EVENT-REPORT), on whatever association it came,
//! and what C-FIND finds there.

use crate::app::App;
use crate::failpoint;
use crate::store::events::{self, EventKind};
use crate::store::proofs::{self, ProofRow};
use anyhow::Result;
use centinela_domain::UnixMs;
use centinela_domain::commitment::{FailureReason, Report};
use centinela_domain::delivery::next_proof;
use centinela_domain::status::DimseStatus;
use serde_json::json;
use std::collections::HashMap;

/// Takes a report of the peer with this AE title and gives the status to answer (PS3.4 section J.3.3.2): success once
/// it is durable, also for the second time.
pub async fn report(app: &App, title: &str, report: &Report) -> DimseStatus {
    match record(app, title, report).await {
        Ok(true) => DimseStatus::SUCCESS,
        Ok(false) => {
            let transaction = report.transaction.as_str();
            tracing::warn!(calling = title, transaction, "a report about a transaction that we never asked it for");
            DimseStatus::INVALID_ARGUMENT_VALUE
        }
        Err(error) => {
            tracing::error!(calling = title, "a report could not be recorded: {error:#}");
            DimseStatus::PROCESSING_FAILURE
        }
    }
}

async fn record(app: &App, title: &str, report: &Report) -> Result<bool> {
    let now = app.clock.now();
    let peers = app.config.peers.peers.iter().filter(|peer| peer.is_titled(title));
    let names: Vec<&str> = peers.map(|peer| peer.name.as_str()).collect();
    let mut tx = app.db.write().await?;
    let Some(row) = proofs::of_transaction(&mut tx, report.transaction.as_str(), &names).await? else {
        return Ok(false);
    };
    if row.state == "done" {
        return Ok(true);
    }
    // What the report does not name is not promised.
    let said: HashMap<&str, u16> = report
        .committed
        .iter()
        .map(|reference| (reference.sop_instance.as_str(), 0))
        .chain(report.failed.iter().map(|(reference, reason)| (reference.sop_instance.as_str(), reason.0)))
        .collect();
    let (mut kept, mut again, mut refused) = (0, 0, 0);
    for reference in proofs::references(&mut tx, &row.id).await? {
        let outcome = said.get(reference.sop_instance.as_str()).copied();
        let outcome = outcome.unwrap_or(FailureReason::NO_SUCH_INSTANCE.0);
        proofs::outcome(&mut tx, &row.id, &reference.delivery, outcome).await?;
        let why = format!("{} did not commit to keep it: {}", row.destination, DimseStatus(outcome));
        match outcome {
            0 => kept += usize::from(proofs::committed(&mut tx, &row, &reference.delivery, now).await?),
            // Sending it again would change nothing.
            outcome if is_final(outcome) => {
                proofs::unpromised(&mut tx, &row, &reference.delivery, "not_committed", &why).await?;
                refused += 1;
            }
            _ => again += usize::from(send_again(&mut tx, &row, &reference.delivery, now, &why).await?),
        }
    }
    proofs::reported(&mut tx, &row, now).await?;
    let detail = json!({
        "destination": row.destination, "transaction": row.transaction_uid, "committed": kept, "again": again,
        "refused": refused,
    });
    events::append(&mut tx, now, Some(&row.study_uid), None, EventKind::ProofReported, detail).await?;
    tx.commit().await?;
    failpoint::hit("proof.reported");
    app.outbox.ring();
    let (peer, transaction) = (row.destination.as_str(), row.transaction_uid.as_str());
    if again + refused == 0 {
        tracing::info!(peer, transaction, committed = kept, "the destination committed to keep results");
    } else {
        tracing::warn!(
            peer,
            transaction,
            committed = kept,
            again,
            refused,
            "the destination did not commit to all results"
        );
    }
    Ok(true)
}

/// Class not supported, or another class under that UID (PS3.3 section C.14.1.1).
const fn is_final(reason: u16) -> bool {
    matches!(reason, 0x0119 | 0x0122)
}

/// Schedules a result once more, the later the more often it was asked for.
///
/// # Errors
/// If the database fails.
pub async fn send_again(
    tx: &mut crate::store::Tx,
    row: &ProofRow,
    delivery: &str,
    now: UnixMs,
    why: &str,
) -> Result<bool> {
    let next_at = next_proof(now, row.round, rand::random());
    proofs::send_again(tx, row, delivery, next_at, why).await
}
