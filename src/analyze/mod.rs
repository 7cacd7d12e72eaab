//! Analysis: claims jobs by lease and runs them; a job's panic or error costs one attempt.

pub mod compare;
pub mod predict;
mod quarantine;
pub mod report;

use crate::app::App;
use crate::failpoint;
use crate::loaded::limits;
use crate::store::events::{self, EventKind};
use crate::store::jobs::{self, JobKind, JobRow};
use crate::store::{instances, new_id, studies};
use anyhow::{Context as _, Result, bail};
use centinela_domain::gate::{MAX_PIXELS, SkipReason};
use centinela_domain::header::START;
use centinela_domain::job::JobState;
use centinela_domain::study::StudyState;
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// A file longer than the largest film that is analysed, with room for its header, is not loaded.
const MOST_BYTES: i64 = 2 * MAX_PIXELS as i64 + START as i64;

/// Milliseconds after which a report looks again whether the films of its study are done with.
const WAIT_FOR_FILM: i64 = 1_000;

/// Runs jobs until stopped: one more than there are threads for films, so that reports are built while
/// films are read.
///
/// # Errors
/// If a worker ends on its own.
pub async fn run(app: Arc<App>, stop: CancellationToken) -> Result<()> {
    let mut workers = tokio::task::JoinSet::new();
    for _ in 0..=limits(&app.config.settings.analyze).threads {
        workers.spawn(worker(Arc::clone(&app), stop.clone()));
    }
    while let Some(ended) = workers.join_next().await {
        ended.context("worker task")??;
    }
    Ok(())
}

async fn worker(app: Arc<App>, stop: CancellationToken) -> Result<()> {
    let name = new_id();
    while !stop.is_cancelled() {
        // Only a new process has threads again; a supervisor starts it.
        if app.model.get().is_some_and(|model| model.engine.has_stopped()) {
            bail!("the analysis engine has stopped: too many films never ended; see the failed jobs");
        }
        match next(&app, &name).await {
            Ok(Some(job)) => run_job(&app, job).await,
            Ok(None) => tokio::select! {
                () = stop.cancelled() => {}
                () = app.work.wait(Duration::from_millis(500)) => {}
            },
            Err(error) => {
                tracing::error!("no job could be claimed: {error:#}");
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }
    }
    Ok(())
}

async fn next(app: &App, worker: &str) -> Result<Option<JobRow>> {
    let lease = i64::try_from(app.config.settings.analyze.lease * 1_000)?;
    let mut tx = app.db.write().await?;
    let job = jobs::claim(&mut tx, worker, app.clock.now(), lease).await?;
    tx.commit().await?;
    if job.is_some() {
        failpoint::hit("job.claimed");
    }
    Ok(job)
}

async fn run_job(app: &Arc<App>, job: JobRow) {
    let renewal = tokio::spawn(keep_lease(Arc::clone(app), job.clone()));
    let attempt = if job.interruptions >= jobs::MAX_INTERRUPTIONS {
        Err(anyhow::anyhow!("the process ended {} times during this job", job.interruptions))
    } else {
        // A task of its own, so that a panic ends the attempt and not the worker.
        let (app, job) = (Arc::clone(app), job.clone());
        match tokio::spawn(async move { attempt(&app, &job).await }).await {
            Ok(done) => done,
            Err(_) => Err(anyhow::anyhow!("the job panicked")),
        }
    };
    renewal.abort();
    let Err(error) = attempt else { return };
    tracing::error!(job.id, job.kind, study.uid = job.study_uid, "attempt failed: {error:#}");
    // A database that cannot write now may in a moment. The lease lasts for longer than this goes on.
    for _ in 0..app.config.settings.analyze.lease / 3 {
        match failed(app, &job, &error).await {
            Ok(()) => return,
            Err(error) => tracing::error!(job.id, "a failed job could not be recorded: {error:#}"),
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

async fn attempt(app: &App, job: &JobRow) -> Result<()> {
    match JobKind::parse(&job.kind) {
        Some(JobKind::Predict) => predict::run(app, job).await,
        Some(JobKind::Report) if postponed(app, job).await? => Ok(()),
        Some(JobKind::Report) => report::run(app, job).await,
        Some(JobKind::Compare) => compare::run(app, job).await,
        None => bail!("job kind {:?} is unknown to this version", job.kind),
    }
}

/// A film that fails has attempts of its own. Until they are used up or one succeeds the report of its
/// study waits: else it would fail with the film, and take the study's other films with it.
async fn postponed(app: &App, job: &JobRow) -> Result<bool> {
    let mut tx = app.db.write().await?;
    if !jobs::awaits_predict(&mut tx, &job.study_uid).await? {
        return Ok(false);
    }
    let done = jobs::postpone(&mut tx, job, app.clock.now() + WAIT_FOR_FILM).await?;
    tx.commit().await?;
    Ok(done)
}

async fn keep_lease(app: Arc<App>, job: JobRow) {
    let lease = app.config.settings.analyze.lease;
    loop {
        tokio::time::sleep(Duration::from_secs((lease / 3).max(1))).await;
        let renewed = async {
            let mut tx = app.db.write().await?;
            let until = app.clock.now() + i64::try_from(lease * 1_000)?;
            jobs::renew(&mut tx, &job, until).await?;
            tx.commit().await
        };
        if let Err(error) = renewed.await {
            tracing::warn!(job.id, "the lease could not be renewed: {error:#}");
        }
    }
}

/// Records a failed attempt; a dead job leaves a reason where people look for it.
async fn failed(app: &App, job: &JobRow, error: &anyhow::Error) -> Result<()> {
    let now = app.clock.now();
    let text = format!("{error:#}");
    let mut tx = app.db.write().await?;
    let state = jobs::fail(&mut tx, job, &text, now).await?;
    let dead = state == JobState::Dead;
    let kind = if dead { EventKind::JobDead } else { EventKind::JobFailed };
    let detail = json!({ "job": job.id, "kind": job.kind, "error": text });
    events::append(&mut tx, now, Some(&job.study_uid), None, kind, detail).await?;
    if dead {
        match JobKind::parse(&job.kind) {
            Some(JobKind::Predict) => instances::set_skip(&mut tx, &job.subject, &SkipReason::Processing).await?,
            Some(JobKind::Report) => {
                studies::settle(&mut tx, &job.study_uid, job.revision, StudyState::Failed, Some(&text), now).await?;
                let detail = json!({ "revision": job.revision, "reason": text });
                events::append(&mut tx, now, Some(&job.study_uid), None, EventKind::StudyFailed, detail).await?;
            }
            Some(JobKind::Compare) | None => {}
        }
    }
    tx.commit().await
}
