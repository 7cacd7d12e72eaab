//! Quarantine: other bytes under a known SOP Instance UID, which a person decides about.

use super::auth::Caller;
use super::dto::VariantSummary;
use super::problem::Problem;
use super::query::Given;
use super::schema::dto;
use super::time::Time;
use crate::app::App;
use crate::store::events::{self, EventKind};
use crate::store::jobs::{self, JobKind};
use crate::store::variants::{self, QuarantineRow};
use crate::store::{instances, studies};
use anyhow::Context as _;
use axum::extract::{Extension, Path, State};
use axum::http::StatusCode;
use axum::response::Json;
use centinela_domain::study::StudyState;
use serde_json::json;
use std::sync::Arc;

dto! {
    /// Two different instances under one SOP Instance UID, of which the second waits for a decision.
    QuarantineEntry {
        /// Identifier.
        id: String,
        /// SOP Instance UID of both.
        sop_instance: String,
        /// Study Instance UID of the first.
        study_uid: String,
        /// What differs, in words.
        reason: Option<String>,
        /// Calling AE title of the second.
        calling: String,
        /// When the second arrived.
        received_at: Time,
        /// Size of the second.
        bytes: i64,
        /// Calling AE title of the first.
        first_calling: String,
        /// When the first arrived.
        first_received_at: Time,
        /// Size of the first.
        first_bytes: i64,
    }

    /// What waits in quarantine, the oldest first.
    QuarantineList {
        /// The entries.
        quarantine: Vec<QuarantineEntry>,
    }
}

impl From<QuarantineRow> for QuarantineEntry {
    fn from(row: QuarantineRow) -> Self {
        Self {
            id: row.id,
            sop_instance: row.sop_instance,
            study_uid: row.study_uid,
            reason: row.reason,
            calling: row.calling,
            received_at: Time(row.received_at),
            bytes: row.bytes,
            first_calling: row.first_calling,
            first_received_at: Time(row.first_received_at),
            first_bytes: row.first_bytes,
        }
    }
}

/// What a change of quarantine answers.
type Changed = Result<(StatusCode, Json<VariantSummary>), Problem>;

/// `GET /api/v1/quarantine`
pub async fn list(
    State(app): State<Arc<App>>,
    Extension(given): Extension<Given>,
) -> Result<Json<QuarantineList>, Problem> {
    let mut tx = app.db.read().await?;
    let rows = variants::quarantine(&mut tx, given.limit()).await?;
    Ok(Json(QuarantineList { quarantine: rows.into_iter().map(QuarantineEntry::from).collect() }))
}

/// `POST /api/v1/quarantine/{id}/keep-first`
pub async fn keep_first(state: State<Arc<App>>, caller: Extension<Caller>, id: Path<String>) -> Changed {
    decide(state, caller, id, "kept_first").await
}

/// `POST /api/v1/quarantine/{id}/take-second`
pub async fn take_second(state: State<Arc<App>>, caller: Extension<Caller>, id: Path<String>) -> Changed {
    decide(state, caller, id, "take_second").await
}

async fn decide(
    State(app): State<Arc<App>>,
    Extension(Caller(by)): Extension<Caller>,
    Path(id): Path<String>,
    resolution: &'static str,
) -> Changed {
    let now = app.clock.now();
    let mut tx = app.db.write().await?;
    let unknown = || Problem::not_found("Nothing with this identifier ever was in quarantine.");
    let variant = variants::find(&mut tx, &id).await?.ok_or_else(unknown)?;
    let first = instances::find(&mut tx, &variant.sop_instance).await?.context("the first instance is gone")?;
    let study = studies::find(&mut tx, &first.study_uid).await?.context("the study is gone")?;
    let settled = !matches!(study.state(), StudyState::Receiving | StudyState::Complete);
    if resolution == "take_second" && !settled {
        let detail = format!("The study is {}; decide when its report is built.", study.state);
        return Err(Problem::conflict(detail));
    }
    if !variants::resolve(&mut tx, &id, resolution, now).await? {
        let decided = variant.resolution.as_deref().unwrap_or("nothing");
        let detail = format!("It is {} and was decided: {decided}. Look at it again.", variant.state);
        return Err(Problem::conflict(detail));
    }
    if resolution == "take_second" {
        jobs::again(&mut tx, JobKind::Compare, &id, now).await?;
    }
    let detail = json!({ "by": by, "variant": id, "resolution": resolution });
    let (study, sop) = (Some(first.study_uid.as_str()), Some(variant.sop_instance.as_str()));
    events::append(&mut tx, now, study, sop, EventKind::QuarantineResolved, detail).await?;
    let after = variants::find(&mut tx, &id).await?.context("the variant is gone")?;
    tx.commit().await?;
    app.work.ring();
    tracing::info!(variant = id, resolution, by, "quarantine resolved");
    Ok((StatusCode::ACCEPTED, Json(after.into())))
}
