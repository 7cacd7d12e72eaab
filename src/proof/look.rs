//! Nobody promised: is it there? C-FIND for each result; what is not there is sent again.

use super::later;
use crate::app::App;
use crate::calling::{remote, requestor_options};
use crate::config::Peer;
use crate::proven;
use crate::store::events::{self, EventKind};
use crate::store::proofs::{self, ProofReferenceRow, ProofRow, Step};
use anyhow::Result;
use centinela_domain::uid::Uid;
use centinela_scp::{ProposedContext, RequestError, Requestor};
use serde_json::json;
use std::time::Duration;

/// Looks for the results of all of these.
///
/// # Errors
/// If rows cannot be read or written.
pub async fn all(app: &App, peer: &Peer, rows: Vec<ProofRow>) -> Result<()> {
    if rows.is_empty() {
        return Ok(());
    }
    let contexts = [ProposedContext::find()];
    let mut requestor = match Requestor::open(&remote(peer)?, &requestor_options(&app.config), &contexts).await {
        Ok(requestor) => requestor,
        // It can be asked in no way: sent again, an object that is there is only answered once more.
        Err(RequestError::NoPresentationContext { .. }) => {
            for row in rows {
                let references = references(app, &row).await?;
                let seen = references.into_iter().map(|reference| (reference, false)).collect();
                settle(app, &row, seen, "nobody says whether it was kept").await?;
            }
            return Ok(());
        }
        Err(error) => return later(app, &rows, None, &error.to_string()).await,
    };
    let mut rest = rows.into_iter();
    while let Some(row) = rest.next() {
        match look(app, &mut requestor, &row).await? {
            Ok(seen) => settle(app, &row, seen, "it was not found there").await?,
            Err(error) => {
                let rest: Vec<ProofRow> = [row].into_iter().chain(rest).collect();
                return later(app, &rest, None, &error).await;
            }
        }
    }
    let _ = tokio::time::timeout(Duration::from_secs(2), requestor.release()).await;
    Ok(())
}

async fn references(app: &App, row: &ProofRow) -> Result<Vec<ProofReferenceRow>> {
    let mut tx = app.db.read().await?;
    proofs::references(&mut tx, &row.id).await
}

type Seen = Vec<(ProofReferenceRow, bool)>;

async fn look(app: &App, requestor: &mut Requestor, row: &ProofRow) -> Result<Result<Seen, String>> {
    let study = Uid::parse(&row.study_uid)?;
    let mut seen = Vec::new();
    for reference in references(app, row).await? {
        let (series, instance) = (Uid::parse(&reference.series_uid)?, Uid::parse(&reference.sop_instance)?);
        match requestor.holds(&study, &series, &instance).await {
            Ok(Ok(there)) => seen.push((reference, there)),
            Ok(Err(status)) => return Ok(Err(format!("{} answered C-FIND with {status}", row.destination))),
            Err(error) => return Ok(Err(error.to_string())),
        }
    }
    Ok(Ok(seen))
}

async fn settle(app: &App, row: &ProofRow, seen: Seen, why: &str) -> Result<()> {
    let now = app.clock.now();
    let why = format!("{}: {why}", row.destination);
    let (mut found, mut again) = (0, 0);
    let mut tx = app.db.write().await?;
    if !proofs::step(&mut tx, row, &Step { state: "found", next_at: now, status: None, error: None }).await? {
        return Ok(());
    }
    for (reference, there) in seen {
        if there {
            found += usize::from(proofs::found(&mut tx, row, &reference.delivery, now).await?);
        } else {
            again += usize::from(proven::send_again(&mut tx, row, &reference.delivery, now, &why).await?);
        }
    }
    let detail = json!({
        "destination": row.destination, "transaction": row.transaction_uid, "found": found, "again": again,
    });
    events::append(&mut tx, now, Some(&row.study_uid), None, EventKind::ProofLooked, detail).await?;
    tx.commit().await?;
    app.outbox.ring();
    tracing::info!(peer = row.destination, found, again, "looked for results");
    Ok(())
}
