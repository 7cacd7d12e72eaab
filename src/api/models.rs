//! The loaded model and its operating points, and loading it anew.

use super::auth::Caller;
use super::dto::{LabelSummary, ModelList, ModelSummary};
use super::problem::Problem;
use crate::app::App;
use crate::loaded::LoadedModel;
use crate::store::events::{self, EventKind};
use anyhow::Context as _;
use axum::extract::{Extension, State};
use axum::http::StatusCode;
use axum::response::Json;
use serde_json::json;
use std::sync::Arc;

/// `GET /api/v1/models`
pub async fn list(State(app): State<Arc<App>>) -> Json<ModelList> {
    Json(ModelList { models: app.model.get().iter().map(|model| summary(model)).collect() })
}

/// `POST /api/v1/models/reload`: reads the configured package again. Until the new model has passed its
/// checks, and for ever if it does not, the old one serves.
pub async fn reload(
    State(app): State<Arc<App>>,
    Extension(Caller(by)): Extension<Caller>,
) -> Result<(StatusCode, Json<ModelList>), Problem> {
    if app.model.get().is_none() {
        return Err(Problem::conflict("This process has no model: [analyze] enabled is false."));
    }
    let settings = app.config.settings.clone();
    // It takes a second, on a core of its own.
    let loaded = tokio::task::spawn_blocking(move || LoadedModel::configured(&settings)).await;
    let loaded = loaded.context("the thread that loaded the model panicked")?.map_err(|error| {
        tracing::error!("the model was not loaded anew, the old one serves on: {error:#}");
        Problem::conflict(format!("The old model serves on: {error:#}."))
    })?;
    let list = ModelList { models: vec![summary(&loaded)] };
    let (name, version) = (loaded.reference.name.clone(), loaded.reference.version.clone());
    let mut tx = app.db.write().await?;
    let detail = json!({
        "model": name, "version": version, "sha256": loaded.reference.weights_sha256, "threshold_set": loaded.threshold_set,
        "by": by,
    });
    events::append(&mut tx, app.clock.now(), None, None, EventKind::ModelLoaded, detail).await?;
    tx.commit().await?;
    let former = app.model.put(loaded);
    // Its threads finish what they have: not on a thread of the runtime.
    tokio::task::spawn_blocking(move || drop(former));
    tracing::info!(model.name = name, model.version = version, "model loaded anew");
    Ok((StatusCode::ACCEPTED, Json(list)))
}

fn summary(model: &LoadedModel) -> ModelSummary {
    let reference = &model.reference;
    let label = |(name, threshold): &(String, f32)| LabelSummary { name: name.clone(), threshold: *threshold };
    ModelSummary {
        name: reference.name.clone(),
        version: reference.version.clone(),
        title: reference.title.clone(),
        manufacturer: reference.manufacturer.clone(),
        sha256: reference.weights_sha256.clone(),
        threshold_set: model.threshold_set.clone(),
        input_size: reference.input_size,
        age_min: model.ages.0,
        age_max: model.ages.1,
        labels: model.labels.iter().map(label).collect(),
    }
}
