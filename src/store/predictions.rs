//! Rows of predictions: what a model said of one instance, kept so that nothing is inferred twice.

use super::{Tx, on};
use anyhow::Result;
use centinela_domain::UnixMs;

/// A prediction.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct PredictionRow {
    /// SOP Instance UID.
    pub sop_instance: String,
    /// SHA-256 of the weights.
    pub model_sha256: String,
    /// Digest of labels, thresholds and calibration.
    pub threshold_set: String,
    /// Study Instance UID.
    pub study_uid: String,
    /// `centinela_domain::prediction::Prediction` as JSON.
    pub scores: String,
    /// Key of the display picture.
    pub picture: String,
    /// Milliseconds of decoding.
    pub decode_ms: i64,
    /// Milliseconds from the decoded film to its scores and picture.
    pub predict_ms: i64,
    /// When.
    pub created_at: UnixMs,
}

/// Keeps a prediction; the first one of a model stays. False if there was one.
///
/// # Errors
/// If the database fails.
pub async fn insert(tx: &mut Tx, row: &PredictionRow) -> Result<bool> {
    let done = on!(tx, c => sqlx::query(
        "insert into prediction (sop_instance, model_sha256, threshold_set, study_uid, scores, picture, decode_ms, \
         predict_ms, created_at) values ($1, $2, $3, $4, $5, $6, $7, $8, $9) on conflict do nothing")
        .bind(&row.sop_instance).bind(&row.model_sha256).bind(&row.threshold_set).bind(&row.study_uid)
        .bind(&row.scores).bind(&row.picture).bind(row.decode_ms).bind(row.predict_ms).bind(row.created_at)
        .execute(c).await?.rows_affected());
    Ok(done == 1)
}

/// The prediction of this model with these thresholds.
///
/// # Errors
/// If the database fails.
pub async fn find(tx: &mut Tx, sop: &str, model_sha256: &str, threshold_set: &str) -> Result<Option<PredictionRow>> {
    Ok(on!(tx, c => sqlx::query_as(
        "select * from prediction where sop_instance = $1 and model_sha256 = $2 and threshold_set = $3")
        .bind(sop).bind(model_sha256).bind(threshold_set).fetch_optional(c).await?))
}

/// Forgets what was said of bytes that another film has replaced; gives the keys of the pictures.
/// The reports that said it stay.
///
/// # Errors
/// If the database fails.
pub async fn forget(tx: &mut Tx, sop_instance: &str) -> Result<Vec<String>> {
    Ok(on!(tx, c => sqlx::query_scalar("delete from prediction where sop_instance = $1 returning picture")
        .bind(sop_instance).fetch_all(c).await?))
}

/// All predictions of an instance.
///
/// # Errors
/// If the database fails.
pub async fn of_instance(tx: &mut Tx, sop_instance: &str) -> Result<Vec<PredictionRow>> {
    Ok(on!(tx, c => sqlx::query_as("select * from prediction where sop_instance = $1 order by created_at")
        .bind(sop_instance).fetch_all(c).await?))
}

/// All predictions of a study's instances.
///
/// # Errors
/// If the database fails.
pub async fn of_study(tx: &mut Tx, study_uid: &str) -> Result<Vec<PredictionRow>> {
    Ok(on!(tx, c => sqlx::query_as("select * from prediction where study_uid = $1 order by created_at")
        .bind(study_uid).fetch_all(c).await?))
}
