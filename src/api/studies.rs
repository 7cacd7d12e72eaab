//! Studies: the list, one with everything that belongs to it, and its retry.

use super::auth::Caller;
use super::dto::{
    DeliverySummary, JobSummary, PredictionSummary, ResultSummary, StudyDetail, StudyInstance, StudyPage, StudyRetry,
    StudySummary, TimelineEvent, Withdrawal,
};
use super::instances::{Verdict, unknowns};
use super::problem::Problem;
use super::query::Given;
use super::time::{self, Time};
use super::timing;
use crate::app::App;
use crate::store::events::{self, EventKind};
use crate::store::instances::InstanceRow;
use crate::store::jobs::JobKind;
use crate::store::predictions::PredictionRow;
use crate::store::studies::StudyRow;
use crate::store::{deliveries, instances, jobs, predictions, results, studies};
use crate::withdrawal::{self, Refused};
use anyhow::Result;
use axum::extract::{Extension, Path, State};
use axum::http::StatusCode;
use axum::response::Json;
use centinela_domain::job::JobState;
use centinela_domain::result::Rejection;
use centinela_domain::study::StudyState;
use serde_json::json;
use std::sync::Arc;

/// Most jobs and deliveries of one study that are shown.
const MANY: i64 = 10_000;

/// Detail of the 404.
pub const UNKNOWN: &str = "No study has this UID.";

/// `GET /api/v1/studies`
pub async fn list(State(app): State<Arc<App>>, Extension(given): Extension<Given>) -> Result<Json<StudyPage>, Problem> {
    let limit = given.limit();
    let state = given.text("state");
    let mut tx = app.db.read().await?;
    // One more than wanted tells whether there is a next page.
    let mut rows = studies::page(&mut tx, state, given.before(), limit + 1).await?;
    let more = i64::try_from(rows.len()).is_ok_and(|n| n > limit);
    if more {
        rows.pop();
    }
    let next = rows.last().filter(|_| more).map(|last| next_page(state, last, limit));
    Ok(Json(StudyPage { studies: rows.into_iter().map(StudySummary::from).collect(), next }))
}

fn next_page(state: Option<&str>, last: &StudyRow, limit: i64) -> String {
    let state = state.map_or(String::new(), |word| format!("state={word}&"));
    format!("/api/v1/studies?{state}before={},{}&limit={limit}", time::format(last.last_at), last.study_uid)
}

/// `GET /api/v1/studies/{uid}`
pub async fn show(State(app): State<Arc<App>>, Path(uid): Path<String>) -> Result<Json<StudyDetail>, Problem> {
    let mut tx = app.db.read().await?;
    let study = studies::find(&mut tx, &uid).await?.ok_or_else(|| Problem::not_found(UNKNOWN))?;
    let films = instances::of_study(&mut tx, &uid).await?;
    let scored = predictions::of_study(&mut tx, &uid).await?;
    let objects = results::of_study(&mut tx, &uid).await?;
    let sent = deliveries::list(&mut tx, None, None, Some(&uid), MANY).await?;
    let work = jobs::list(&mut tx, None, Some(&uid), MANY).await?;
    let feed = events::of_study(&mut tx, &uid).await?;
    let milliseconds = timing::of(&study, &films, &scored, &objects, &sent, &feed);
    let instances = films.into_iter().map(|row| film(&app, row, &scored));
    Ok(Json(StudyDetail {
        study: study.into(),
        instances: instances.collect::<Result<_>>()?,
        results: objects.into_iter().map(ResultSummary::new).collect::<Result<_>>()?,
        deliveries: sent.into_iter().map(DeliverySummary::from).collect(),
        jobs: work.into_iter().map(JobSummary::from).collect(),
        timeline: TimelineEvent::timeline(feed)?,
        milliseconds,
    }))
}

fn film(app: &App, row: InstanceRow, scored: &[PredictionRow]) -> Result<StudyInstance> {
    let own = scored.iter().filter(|p| p.sop_instance == row.sop_instance).cloned();
    let predictions: Vec<_> = own.map(PredictionSummary::new).collect::<Result<_>>()?;
    let verdict = Verdict::of(app, &row, !predictions.is_empty())?;
    let header = row.header()?;
    Ok(StudyInstance {
        modality: header.modality,
        view_position: header.view_position,
        status: verdict.status.to_owned(),
        reason: verdict.reason,
        unknowns: unknowns(&row)?,
        predictions,
        bytes: row.bytes,
        received_at: Time(row.received_at),
        deleted_at: row.deleted_at.map(Time),
        revision: row.revision,
        sop_instance: row.sop_instance,
        series_uid: row.series_uid,
        sop_class: row.sop_class,
    })
}

/// `POST /api/v1/studies/{uid}/retry`
pub async fn retry(
    State(app): State<Arc<App>>,
    Extension(Caller(by)): Extension<Caller>,
    Path(uid): Path<String>,
) -> Result<(StatusCode, Json<StudyRetry>), Problem> {
    let now = app.clock.now();
    let mut tx = app.db.write().await?;
    let study = studies::find(&mut tx, &uid).await?.ok_or_else(|| Problem::not_found(UNKNOWN))?;
    // A revision whose report was never built, or that is still open, will report these films itself;
    // a closed one has reported them as failed already.
    let dead = jobs::list(&mut tx, Some(JobState::Dead.as_str()), Some(&uid), i64::MAX).await?;
    let unreported = dead.iter().any(|job| JobKind::parse(&job.kind) == Some(JobKind::Report));
    let late = study.state() != StudyState::Receiving && !unreported;
    let films = instances::unskip_dead(&mut tx, &uid, late).await?;
    let revived = jobs::revive(&mut tx, &uid, now).await?;
    if revived == 0 {
        let detail = format!("No job of this study is dead; the study is {}.", study.state);
        return Err(Problem::conflict(detail));
    }
    if unreported {
        studies::resume(&mut tx, &uid).await?;
    }
    let detail = json!({ "by": by, "jobs": revived, "films": films });
    events::append(&mut tx, now, Some(&uid), None, EventKind::RetryRequested, detail).await?;
    tx.commit().await?;
    app.work.ring();
    tracing::info!(study.uid = uid, jobs = revived, by, "retry requested");
    Ok((StatusCode::ACCEPTED, Json(StudyRetry { study_uid: uid, jobs: revived, films })))
}

/// The longest reason for taking results back, in characters.
const LONGEST_REASON: usize = 400;

/// `POST /api/v1/studies/{uid}/withdraw`
pub async fn withdraw(
    State(app): State<Arc<App>>,
    Extension(Caller(by)): Extension<Caller>,
    Extension(given): Extension<Given>,
    Path(uid): Path<String>,
) -> Result<(StatusCode, Json<Withdrawal>), Problem> {
    let title = given.text("title").and_then(Rejection::parse).unwrap_or(Rejection::Quality);
    let reason = given.text("reason").unwrap_or_default().trim();
    let plain = reason.chars().count() <= LONGEST_REASON && !reason.chars().any(char::is_control);
    if reason.is_empty() || !plain {
        let detail = format!("Give a reason, in one line of at most {LONGEST_REASON} characters.");
        return Err(Problem::parameter("reason", detail));
    }
    match withdrawal::withdraw(&app, &uid, title, reason, &by).await? {
        Ok(done) => {
            let withdrawal::Done { results, deliveries, notes, destinations } = done;
            let answer = Withdrawal { study_uid: uid, results, deliveries, notes, destinations };
            Ok((StatusCode::ACCEPTED, Json(answer)))
        }
        Err(Refused::Unknown) => Err(Problem::not_found(UNKNOWN)),
        Err(Refused::Open(state)) => {
            Err(Problem::conflict(format!("The study is {state}; withdraw when its report is built.")))
        }
        Err(Refused::Nothing) => Err(Problem::conflict("This study has no result that counts.")),
        Err(Refused::Changed) => {
            Err(Problem::conflict("A delivery of this study was just made; look at it and try again."))
        }
    }
}
