//! The loaded model and its operating points.

use super::dto::{LabelSummary, ModelList, ModelSummary};
use crate::app::App;
use axum::extract::State;
use axum::response::Json;
use std::sync::Arc;

/// `GET /api/v1/models`
pub async fn list(State(app): State<Arc<App>>) -> Json<ModelList> {
    let Some(model) = &app.model else { return Json(ModelList { models: Vec::new() }) };
    let reference = &model.reference;
    let labels = model
        .labels
        .iter()
        .map(|(name, threshold)| LabelSummary { name: name.clone(), threshold: *threshold })
        .collect();
    let models = vec![ModelSummary {
        name: reference.name.clone(),
        version: reference.version.clone(),
        title: reference.title.clone(),
        manufacturer: reference.manufacturer.clone(),
        sha256: reference.weights_sha256.clone(),
        threshold_set: model.threshold_set.clone(),
        input_size: reference.input_size,
        age_min: model.ages.0,
        age_max: model.ages.1,
        labels,
    }];
    Json(ModelList { models })
}
