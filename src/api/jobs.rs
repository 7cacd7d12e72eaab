//! Jobs: the steps of the analysis, also those that have no attempt left.

use super::dto::{JobList, JobSummary};
use super::problem::Problem;
use super::query::Given;
use crate::app::App;
use crate::store::jobs;
use axum::extract::{Extension, State};
use axum::response::Json;
use std::sync::Arc;

/// `GET /api/v1/jobs`
pub async fn list(State(app): State<Arc<App>>, Extension(given): Extension<Given>) -> Result<Json<JobList>, Problem> {
    let mut tx = app.db.read().await?;
    let rows = jobs::list(&mut tx, given.text("state"), given.text("study"), given.limit()).await?;
    Ok(Json(JobList { jobs: rows.into_iter().map(JobSummary::from).collect() }))
}
