//! One received instance: its row, its header without PHI, its variants and predictions.

use super::dto::{InstanceDetail, PredictionSummary, Reason, VariantSummary};
use super::problem::Problem;
use super::time::Time;
use crate::app::App;
use crate::store::instances::InstanceRow;
use crate::store::{instances, predictions, variants};
use anyhow::{Context as _, Result};
use axum::extract::{Path, State};
use axum::response::Json;
use std::sync::Arc;

/// What became of an instance.
#[derive(Debug)]
pub struct Verdict {
    /// analyzed, skipped or pending.
    pub status: &'static str,
    /// Why it was skipped.
    pub reason: Option<Reason>,
}

impl Verdict {
    /// From its row and whether it has scores.
    ///
    /// # Errors
    /// If the row was written by an incompatible version.
    pub fn of(app: &App, row: &InstanceRow, scored: bool) -> Result<Self> {
        let reason = row.skip()?.map(|reason| Reason::new(&reason, &app.language()));
        let status = match (&reason, scored) {
            (Some(_), _) => "skipped",
            (None, true) => "analyzed",
            (None, false) => "pending",
        };
        Ok(Self { status, reason })
    }
}

/// What the gate did not know.
///
/// # Errors
/// If the row was written by an incompatible version.
pub fn unknowns(row: &InstanceRow) -> Result<Vec<String>> {
    serde_json::from_str(&row.unknowns).with_context(|| format!("read unknowns of instance {}", row.sop_instance))
}

/// `GET /api/v1/instances/{uid}`
pub async fn show(State(app): State<Arc<App>>, Path(uid): Path<String>) -> Result<Json<InstanceDetail>, Problem> {
    let mut tx = app.db.read().await?;
    let row = instances::find(&mut tx, &uid).await?;
    let row = row.ok_or_else(|| Problem::not_found("No instance has this UID."))?;
    let scored = predictions::of_instance(&mut tx, &uid).await?;
    let others = variants::of_instance(&mut tx, &uid).await?;
    let verdict = Verdict::of(&app, &row, !scored.is_empty())?;
    Ok(Json(InstanceDetail {
        status: verdict.status.to_owned(),
        reason: verdict.reason,
        unknowns: unknowns(&row)?,
        header: row.header()?.into(),
        variants: others.into_iter().map(VariantSummary::from).collect(),
        predictions: scored.into_iter().map(PredictionSummary::new).collect::<Result<_>>()?,
        sop_instance: row.sop_instance,
        study_uid: row.study_uid,
        series_uid: row.series_uid,
        sop_class: row.sop_class,
        transfer_syntax: row.transfer_syntax,
        bytes: row.bytes,
        digest: row.digest,
        calling: row.calling,
        called: row.called,
        peer: row.peer,
        priority: priority(row.priority).to_owned(),
        received_at: Time(row.received_at),
        revision: row.revision,
        chest: row.chest,
        deleted_at: row.deleted_at.map(Time),
        damaged_at: row.damaged_at.map(Time),
    }))
}

const fn priority(rank: i64) -> &'static str {
    match rank {
        2 => "high",
        1 => "medium",
        _ => "low",
    }
}
