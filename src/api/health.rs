//! Whether the process runs (`/healthz`) and whether it can do its work now (`/readyz`).

use super::problem::Problem;
use crate::app::App;
use crate::store::studies;
use axum::extract::State;
use axum::http::StatusCode;
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;

/// How long the database may take to answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// `GET /healthz`
pub async fn healthz() -> &'static str {
    "ok"
}

/// `GET /readyz`
pub async fn readyz(State(app): State<Arc<App>>) -> Result<&'static str, Problem> {
    let mut reasons = Vec::new();
    match tokio::time::timeout(PATIENCE, database(&app)).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => {
            tracing::warn!("not ready: the database does not answer: {error:#}");
            reasons.push("the database does not answer".to_owned());
        }
        Err(_) => reasons.push(format!("the database has not answered within {} s", PATIENCE.as_secs())),
    }
    let least = app.config.settings.storage.min_free;
    match app.blobs.free_bytes() {
        Ok(free) if free >= least => {}
        Ok(free) => reasons.push(format!("{free} bytes are free; [storage] min_free wants {least}")),
        Err(error) => {
            tracing::warn!("not ready: free space is unknown: {error:#}");
            reasons.push("free space is unknown".to_owned());
        }
    }
    if app.config.settings.analyze.enabled && app.model.get().is_none() {
        reasons.push("no model is loaded".to_owned());
    }
    if reasons.is_empty() {
        return Ok("ready");
    }
    let detail = format!("The node is not ready: {}.", reasons.join("; "));
    Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail).with("reasons", json!(reasons)))
}

/// A question by primary key: it costs nothing and needs a working connection.
async fn database(app: &App) -> anyhow::Result<()> {
    let mut tx = app.db.read().await?;
    studies::find(&mut tx, "").await?;
    Ok(())
}
