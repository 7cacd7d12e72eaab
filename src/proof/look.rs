//! Nobody promised: is it there? C-FIND or QIDO-RS for each result; what is not there is sent again.

use super::later;
use crate::app::App;
use crate::calling::{remote, requestor_options};
use crate::config::{Peer, Way};
use crate::dicomweb::Store;
use crate::proven;
use crate::store::events::{self, EventKind};
use crate::store::proofs::{self, ProofReferenceRow, ProofRow, Step};
use anyhow::Result;
use centinela_domain::UnixMs;
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
    let mut archive = match Archive::open(app, peer).await? {
        Ok(archive) => archive,
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
        match look(app, &mut archive, &row).await? {
            Ok(seen) => settle(app, &row, seen, "it was not found there").await?,
            Err(error) => {
                let rest: Vec<ProofRow> = [row].into_iter().chain(rest).collect();
                return later(app, &rest, None, &error).await;
            }
        }
    }
    archive.close().await;
    Ok(())
}

/// Who is asked.
enum Archive {
    /// A PACS, over an association.
    Pacs(Box<Requestor>),
    /// A DICOMweb store.
    Web(Box<Store>),
}

impl Archive {
    async fn open(app: &App, peer: &Peer) -> Result<Result<Self, RequestError>> {
        let Way::Stow(base) = peer.way() else {
            let contexts = [ProposedContext::find()];
            let opened = Requestor::open(&remote(peer)?, &requestor_options(&app.config), &contexts).await;
            return Ok(opened.map(|requestor| Self::Pacs(Box::new(requestor))));
        };
        let settings = &app.config.settings.delivery;
        let (connect, within) = (settings.connect_timeout, settings.response_timeout);
        let store = Store::new(peer, base, Duration::from_secs(connect), Duration::from_secs(within))?;
        Ok(Ok(Self::Web(Box::new(store))))
    }

    /// Whether an instance is there; else why that could not be learnt.
    async fn holds(&mut self, [study, series, instance]: [&Uid; 3], now: UnixMs) -> Result<bool, String> {
        match self {
            Self::Pacs(requestor) => match requestor.holds(study, series, instance).await {
                Ok(Ok(there)) => Ok(there),
                Ok(Err(status)) => Err(format!("C-FIND was answered with {status}")),
                Err(error) => Err(error.to_string()),
            },
            Self::Web(store) => store.holds(study, instance, now).await.map_err(|fate| fate.reason()),
        }
    }

    async fn close(self) {
        if let Self::Pacs(requestor) = self {
            let _ = tokio::time::timeout(Duration::from_secs(2), requestor.release()).await;
        }
    }
}

async fn references(app: &App, row: &ProofRow) -> Result<Vec<ProofReferenceRow>> {
    let mut tx = app.db.read().await?;
    proofs::references(&mut tx, &row.id).await
}

type Seen = Vec<(ProofReferenceRow, bool)>;

async fn look(app: &App, archive: &mut Archive, row: &ProofRow) -> Result<Result<Seen, String>> {
    let study = Uid::parse(&row.study_uid)?;
    let mut seen = Vec::new();
    for reference in references(app, row).await? {
        let (series, instance) = (Uid::parse(&reference.series_uid)?, Uid::parse(&reference.sop_instance)?);
        match archive.holds([&study, &series, &instance], app.clock.now()).await {
            Ok(there) => seen.push((reference, there)),
            Err(error) => return Ok(Err(format!("{}: {error}", row.destination))),
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
