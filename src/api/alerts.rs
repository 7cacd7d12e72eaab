//! Alerts: what a person must look at, and what was.

use super::problem::Problem;
use super::query::Given;
use super::schema::dto;
use super::time::Time;
use crate::app::App;
use crate::store::alerts::{self, AlertRow};
use axum::extract::{Extension, State};
use axum::response::Json;
use centinela_domain::alert::AlertKind;
use std::sync::Arc;

dto! {
    /// An alert.
    AlertSummary {
        /// Identifier.
        id: String,
        /// destination_behind, delivery_refused, not_committed, analysis_behind, work_given_up, quarantine or disk_low.
        kind: String,
        /// Name of the destination, where it is about one.
        destination: Option<String>,
        /// The figures.
        text: String,
        /// What to do first.
        remedy: Option<String>,
        /// Since when it stands.
        raised_at: Time,
        /// Since when it does not any more.
        cleared_at: Option<Time>,
    }

    /// Alerts, the latest first.
    AlertList {
        /// The alerts.
        alerts: Vec<AlertSummary>,
    }
}

/// `GET /api/v1/alerts`
pub async fn list(State(app): State<Arc<App>>, Extension(given): Extension<Given>) -> Result<Json<AlertList>, Problem> {
    let mut tx = app.db.read().await?;
    let rows = alerts::latest(&mut tx, given.limit()).await?;
    Ok(Json(AlertList { alerts: rows.into_iter().map(AlertSummary::of).collect() }))
}

impl AlertSummary {
    /// From its row.
    pub(super) fn of(row: AlertRow) -> Self {
        let remedy = AlertKind::parse(&row.kind).map(|kind| kind.remedy().to_owned());
        Self {
            id: row.id,
            kind: row.kind,
            destination: Some(row.subject).filter(|subject| !subject.is_empty()),
            text: row.text,
            remedy,
            raised_at: Time(row.raised_at),
            cleared_at: row.cleared_at.map(Time),
        }
    }
}
