//! Deliveries: the list, and the retry of one by hand.

use super::auth::Caller;
use super::dto::{DeliveryList, DeliverySummary};
use super::problem::Problem;
use super::query::Given;
use crate::app::App;
use crate::store::deliveries;
use crate::store::events::{self, EventKind};
use anyhow::Context as _;
use axum::extract::{Extension, Path, State};
use axum::http::StatusCode;
use axum::response::Json;
use serde_json::json;
use std::sync::Arc;

/// `GET /api/v1/deliveries`
pub async fn list(
    State(app): State<Arc<App>>,
    Extension(given): Extension<Given>,
) -> Result<Json<DeliveryList>, Problem> {
    let (state, destination, study) = (given.text("state"), given.text("destination"), given.text("study"));
    let mut tx = app.db.read().await?;
    let rows = deliveries::list(&mut tx, state, destination, study, given.limit()).await?;
    Ok(Json(DeliveryList { deliveries: rows.into_iter().map(DeliverySummary::from).collect() }))
}

/// `POST /api/v1/deliveries/{id}/retry`
pub async fn retry(
    State(app): State<Arc<App>>,
    Extension(Caller(by)): Extension<Caller>,
    Path(id): Path<String>,
) -> Result<(StatusCode, Json<DeliverySummary>), Problem> {
    let now = app.clock.now();
    let mut tx = app.db.write().await?;
    let before = deliveries::find(&mut tx, &id).await?;
    let before = before.ok_or_else(|| Problem::not_found("No delivery has this identifier."))?;
    if !deliveries::retry(&mut tx, &id, now).await? {
        let detail = format!("The delivery is {}; only scheduled, refused and dead ones can be retried.", before.state);
        return Err(Problem::conflict(detail));
    }
    let detail = json!({ "by": by, "delivery": id, "destination": before.destination });
    let (study, result) = (Some(before.study_uid.as_str()), Some(before.result.as_str()));
    events::append(&mut tx, now, study, result, EventKind::RetryRequested, detail).await?;
    let after = deliveries::find(&mut tx, &id).await?.context("the delivery is gone")?;
    tx.commit().await?;
    app.outbox.ring();
    tracing::info!(delivery.id = id, peer = before.destination, by, "retry requested");
    Ok((StatusCode::ACCEPTED, Json(after.into())))
}
