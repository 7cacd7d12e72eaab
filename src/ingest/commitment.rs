//! A request for storage commitment becomes rows, and only then is answered (PS3.4 section J.3.2).
//! `commitment` checks and reports.

use crate::app::App;
use crate::failpoint;
use crate::store::commitments::{self, NewCommitment, Recorded};
use crate::store::events::{self, EventKind};
use anyhow::Result;
use centinela_domain::status::DimseStatus;
use centinela_scp::CommitmentRequest;
use serde_json::json;

/// Makes the request durable and gives the status to answer.
pub async fn keep(app: &App, request: CommitmentRequest) -> DimseStatus {
    let (association, calling) = (request.association, request.calling.clone());
    match record(app, &request).await {
        Ok(Recorded::New(_) | Recorded::Again(_)) => {
            failpoint::hit("commitment.recorded");
            app.channels.put(association.to_string(), request.channel);
            app.asked.ring();
            DimseStatus::SUCCESS
        }
        Ok(Recorded::OtherReferences) => {
            tracing::warn!(%association, %calling, "storage commitment refused: the transaction is known with other instances");
            DimseStatus::INVALID_ARGUMENT_VALUE
        }
        Err(error) => {
            tracing::error!(%association, %calling, "storage commitment refused: {error:#}");
            DimseStatus::PROCESSING_FAILURE
        }
    }
}

async fn record(app: &App, request: &CommitmentRequest) -> Result<Recorded> {
    let now = app.clock.now();
    let (peer, association) = (request.peer.ip().to_string(), request.association.to_string());
    let new = NewCommitment {
        transaction_uid: request.transaction.as_str(),
        calling: request.calling.as_str(),
        called: request.called.as_str(),
        peer: &peer,
        association: &association,
        references: &request.references,
    };
    let mut tx = app.db.write().await?;
    let recorded = commitments::record(&mut tx, &new, now).await?;
    if let Recorded::New(id) | Recorded::Again(id) = &recorded {
        let detail = json!({
            "commitment": id, "transaction": new.transaction_uid, "calling": new.calling,
            "instances": new.references.len(), "again": matches!(recorded, Recorded::Again(_)),
        });
        events::append(&mut tx, now, None, None, EventKind::CommitmentRequested, detail).await?;
        tx.commit().await?;
    }
    Ok(recorded)
}
