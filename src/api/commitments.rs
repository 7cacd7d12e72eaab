//! Storage commitment: what peers asked, what the check found, and whether they have been told.

use super::auth::Caller;
use super::problem::Problem;
use super::query::Given;
use super::rows::last_status;
use super::schema::dto;
use super::time::Time;
use crate::app::App;
use crate::store::commitments::{self, CommitmentRow, ReferenceRow};
use crate::store::events::{self, EventKind};
use anyhow::Context as _;
use axum::extract::{Extension, Path, State};
use axum::http::StatusCode;
use axum::response::Json;
use serde_json::json;
use std::sync::Arc;

dto! {
    /// A peer's request for storage commitment.
    CommitmentSummary {
        /// Identifier.
        id: String,
        /// Transaction UID.
        transaction_uid: String,
        /// Calling AE title.
        calling: String,
        /// Address from which it was asked.
        peer: String,
        /// checking, reporting, reported, refused or undeliverable.
        state: String,
        /// How many instances it is about.
        instances: i64,
        /// How many of them cannot be committed; null before the check.
        failed: Option<i64>,
        /// Attempts to report so far.
        attempts: i64,
        /// One that is checking or reporting goes on then.
        next_at: Time,
        /// Last DIMSE status of the peer, such as 0x0000.
        last_status: Option<String>,
        /// What went wrong last.
        last_error: Option<String>,
        /// When it was asked last.
        requested_at: Time,
        /// When the instances were checked last.
        checked_at: Option<Time>,
        /// When the peer took the report.
        reported_at: Option<Time>,
    }

    /// Requests for storage commitment, the latest first.
    CommitmentList {
        /// The requests.
        commitments: Vec<CommitmentSummary>,
    }

    /// What became of one instance of a request for storage commitment.
    CommitmentInstance {
        /// SOP Class UID, as asked.
        sop_class: String,
        /// SOP Instance UID.
        sop_instance: String,
        /// Whether it is committed; null before the check.
        committed: Option<bool>,
        /// Failure Reason (0008,1197), such as 0x0112.
        reason: Option<String>,
    }

    /// A request for storage commitment with its instances.
    CommitmentDetail {
        /// The request.
        commitment: CommitmentSummary,
        /// Its instances, as they were asked.
        instances: Vec<CommitmentInstance>,
    }
}

/// The states of a request.
pub const STATES: &[&str] = &["checking", "reporting", "reported", "refused", "undeliverable"];

const UNKNOWN: &str = "No request for storage commitment has this identifier.";

impl From<CommitmentRow> for CommitmentSummary {
    fn from(row: CommitmentRow) -> Self {
        Self {
            id: row.id,
            transaction_uid: row.transaction_uid,
            calling: row.calling,
            peer: row.peer,
            state: row.state,
            instances: row.instances,
            failed: row.failed,
            attempts: row.attempts,
            next_at: Time(row.next_at),
            last_status: last_status(row.last_status),
            last_error: row.last_error,
            requested_at: Time(row.requested_at),
            checked_at: row.checked_at.map(Time),
            reported_at: row.reported_at.map(Time),
        }
    }
}

impl From<ReferenceRow> for CommitmentInstance {
    fn from(row: ReferenceRow) -> Self {
        Self {
            sop_class: row.sop_class,
            sop_instance: row.sop_instance,
            committed: row.outcome.map(|reason| reason == 0),
            reason: row.outcome.filter(|reason| *reason != 0).map(|reason| format!("0x{reason:04X}")),
        }
    }
}

/// `GET /api/v1/commitments`
pub async fn list(
    State(app): State<Arc<App>>,
    Extension(given): Extension<Given>,
) -> Result<Json<CommitmentList>, Problem> {
    let mut tx = app.db.read().await?;
    let rows = commitments::list(&mut tx, given.text("state"), given.text("calling"), given.limit()).await?;
    Ok(Json(CommitmentList { commitments: rows.into_iter().map(CommitmentSummary::from).collect() }))
}

/// `GET /api/v1/commitments/{id}`
pub async fn show(State(app): State<Arc<App>>, Path(id): Path<String>) -> Result<Json<CommitmentDetail>, Problem> {
    let mut tx = app.db.read().await?;
    let row = commitments::find(&mut tx, &id).await?.ok_or_else(|| Problem::not_found(UNKNOWN))?;
    let references = commitments::references(&mut tx, &id).await?;
    let instances = references.into_iter().map(CommitmentInstance::from).collect();
    Ok(Json(CommitmentDetail { commitment: row.into(), instances }))
}

/// `POST /api/v1/commitments/{id}/retry`
pub async fn retry(
    State(app): State<Arc<App>>,
    Extension(Caller(by)): Extension<Caller>,
    Path(id): Path<String>,
) -> Result<(StatusCode, Json<CommitmentSummary>), Problem> {
    let now = app.clock.now();
    let mut tx = app.db.write().await?;
    let before = commitments::find(&mut tx, &id).await?.ok_or_else(|| Problem::not_found(UNKNOWN))?;
    if !commitments::retry(&mut tx, &id, now).await? {
        let detail = format!("The request is {}; there is nothing to try again.", before.state);
        return Err(Problem::conflict(detail));
    }
    let detail = json!({ "by": by, "commitment": id, "calling": before.calling });
    events::append(&mut tx, now, None, None, EventKind::RetryRequested, detail).await?;
    let after = commitments::find(&mut tx, &id).await?.context("the commitment is gone")?;
    tx.commit().await?;
    app.asked.ring();
    tracing::info!(commitment = id, calling = before.calling, by, "retry requested");
    Ok((StatusCode::ACCEPTED, Json(after.into())))
}
