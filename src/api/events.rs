//! Events: what happened on the node, also what belongs to no study, such as calls that were refused.

use super::dto::{EventList, EventSummary};
use super::problem::Problem;
use super::query::Given;
use super::time::Time;
use crate::app::App;
use crate::store::events::{self, EventRow};
use anyhow::{Context as _, Result};
use axum::extract::{Extension, State};
use axum::response::Json;
use std::sync::Arc;

/// `GET /api/v1/events`
pub async fn list(State(app): State<Arc<App>>, Extension(given): Extension<Given>) -> Result<Json<EventList>, Problem> {
    let mut tx = app.db.read().await?;
    let rows = events::latest(&mut tx, given.text("kind"), given.limit()).await?;
    Ok(Json(EventList { events: rows.into_iter().map(EventSummary::of).collect::<Result<_>>()? }))
}

impl EventSummary {
    /// From a row.
    ///
    /// # Errors
    /// If the row was written by an incompatible version.
    fn of(row: EventRow) -> Result<Self> {
        Ok(Self {
            seq: row.seq,
            at: Time(row.at),
            kind: row.kind,
            study_uid: row.study_uid,
            sop_instance: row.sop_instance,
            detail: serde_json::from_str(&row.detail).context("read the detail of an event")?,
        })
    }
}
