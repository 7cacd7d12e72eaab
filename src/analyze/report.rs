//! The report job: the objects of one study revision, durable, with a delivery for each destination.

use super::predict::{self, Scored};
use crate::app::App;
use crate::blob::{self, hex};
use crate::failpoint;
use crate::loaded::LoadedModel;
use crate::probing::{self, Destination};
use crate::store::events::{self, EventKind};
use crate::store::instances::{self, InstanceRow};
use crate::store::jobs::{self, JobRow};
use crate::store::results::{self, ResultRow};
use crate::store::{Tx, deliveries, studies};
use anyhow::{Context as _, Result};
use centinela_domain::evidence::{ImageOutcome, SourceImage, StudyImage};
use centinela_domain::finding::ImageFindings;
use centinela_domain::gate::SkipReason;
use centinela_domain::header;
use centinela_domain::priority::Urgency;
use centinela_domain::profile::{OnSkip, ResultKind};
use centinela_domain::result::{self, Built, Context, Predecessor, ResultObject};
use centinela_domain::study::StudyState;
use centinela_domain::uid::Uid;
use serde_json::json;
use sha2::{Digest as _, Sha256};

/// Runs the job.
///
/// # Errors
/// If an attempt failed in a way that another attempt may not.
pub async fn run(app: &App, job: &JobRow) -> Result<()> {
    // Again where a destination began to take another kind while the objects were built.
    while !attempt(app, job).await? {}
    Ok(())
}

/// Builds and schedules; false if a kind is missing that somebody wants by now.
async fn attempt(app: &App, job: &JobRow) -> Result<bool> {
    // One for all of the report, whatever is loaded meanwhile.
    let model = app.model()?;
    let rows = {
        let mut tx = app.db.read().await?;
        instances::of_study(&mut tx, &job.study_uid).await?
    };
    // What retention has deleted was reported by an earlier revision, which the new report names.
    let rows = rows.into_iter().filter(|r| r.deleted_at.is_none());
    let rows: Vec<InstanceRow> = rows.filter(|r| r.revision.is_some_and(|n| n <= job.revision)).collect();
    let (rows, outcomes) = outcomes(app, &model, rows).await?;
    let analyzed = outcomes.iter().any(|o| matches!(o, Scored::Yes(..)));
    let chest = rows.iter().any(|r| r.chest == Some(true));
    let destinations = {
        let mut tx = app.db.read().await?;
        probing::destinations(&mut tx, &app.config).await?
    };
    let kinds = if rows.is_empty() { Vec::new() } else { wanted(&destinations, analyzed, chest) };
    let reasons = if rows.is_empty() { "there is no film".to_owned() } else { reasons(app, &outcomes) };
    // A film that another attempt may score is no reason to call its study unsuitable.
    let failed = outcomes.iter().any(|o| matches!(o, Scored::No(SkipReason::Processing)));
    let built =
        if kinds.is_empty() { Built::default() } else { build(app, &model, job, &rows, outcomes, &kinds).await? };
    failpoint::hit("report.built");
    let mut stored = Vec::with_capacity(built.objects.len());
    for (position, object) in built.objects.iter().enumerate() {
        stored.push(keep(app, &model, job, object, position).await?);
    }
    failpoint::hit("report.blob_durable");

    let now = app.clock.now();
    let mut tx = app.db.write().await?;
    let destinations = probing::destinations(&mut tx, &app.config).await?;
    if !rows.is_empty() && wanted(&destinations, analyzed, chest).iter().any(|kind| !kinds.contains(kind)) {
        return Ok(false);
    }
    let urgency = Urgency::from_number(job.urgency);
    for row in &stored {
        results::insert(&mut tx, row).await?;
        for to in destinations.iter().filter(|to| takes(to, row, chest)) {
            deliveries::schedule(&mut tx, &row.sop_instance, &row.study_uid, &to.peer.name, urgency, now).await?;
        }
    }
    let state = match (analyzed, failed) {
        (true, _) => StudyState::Analyzed,
        (false, true) => StudyState::Failed,
        (false, false) => StudyState::Skipped,
    };
    let reason = (!analyzed).then_some(reasons.as_str());
    studies::settle(&mut tx, &job.study_uid, job.revision, state, reason, now).await?;
    announce(&mut tx, job, &built, state, &reasons, now).await?;
    failpoint::hit("report.rows_written");
    if jobs::finish(&mut tx, job, now).await? {
        tx.commit().await?;
        failpoint::hit("report.committed");
        app.outbox.ring();
    }
    Ok(true)
}

/// The outcome of every instance that a report may speak of.
async fn outcomes(app: &App, model: &LoadedModel, rows: Vec<InstanceRow>) -> Result<(Vec<InstanceRow>, Vec<Scored>)> {
    let (mut kept, mut outcomes) = (Vec::with_capacity(rows.len()), Vec::with_capacity(rows.len()));
    for row in rows {
        outcomes.push(match row.skip()? {
            Some(reason) if !reason.is_reported() => continue,
            Some(reason) => Scored::No(reason),
            None => predict::score(app, model, &row).await?,
        });
        kept.push(row);
    }
    Ok((kept, outcomes))
}

/// The kinds that somebody wants; nothing where nothing was analysed and nobody wants to hear of it.
fn wanted(destinations: &[Destination<'_>], analyzed: bool, chest: bool) -> Vec<ResultKind> {
    if !analyzed {
        let hears = |to: &Destination<'_>| to.kinds.contains(&ResultKind::Sr) && hears(to.peer.on_skip, chest);
        return if destinations.iter().any(hears) { vec![ResultKind::Sr] } else { Vec::new() };
    }
    // The report is always built: it is the record, and the next revision names it.
    ResultKind::ALL
        .into_iter()
        .filter(|kind| *kind == ResultKind::Sr || destinations.iter().any(|to| to.kinds.contains(kind)))
        .collect()
}

const fn hears(on_skip: OnSkip, chest: bool) -> bool {
    match on_skip {
        OnSkip::None => false,
        OnSkip::Chest => chest,
        OnSkip::All => true,
    }
}

fn takes(to: &Destination<'_>, row: &ResultRow, chest: bool) -> bool {
    let kind = to.kinds.iter().any(|kind| kind.as_str() == row.kind);
    kind && (!row.not_analyzed || hears(to.peer.on_skip, chest))
}

fn reasons(app: &App, outcomes: &[Scored]) -> String {
    let mut texts: Vec<String> = Vec::new();
    for outcome in outcomes {
        if let Scored::No(reason) = outcome {
            let text = reason.text(&app.language());
            if !texts.contains(&text) {
                texts.push(text);
            }
        }
    }
    texts.join("; ")
}

async fn build(
    app: &App,
    model: &LoadedModel,
    job: &JobRow,
    rows: &[InstanceRow],
    outcomes: Vec<Scored>,
    kinds: &[ResultKind],
) -> Result<Built> {
    let mut images = Vec::with_capacity(rows.len());
    for (row, outcome) in rows.iter().zip(outcomes) {
        // A film that is cut short still has its header.
        let (start, whole) = app.blobs.start(&row.blob, header::START).await?;
        let (source, _) = header::read_start(&start, whole).context("read the header again")?;
        images.push(StudyImage { outcome: outcome_of(app, &source, outcome)?, source });
    }
    let predecessor = {
        let mut tx = app.db.read().await?;
        results::latest_report_before(&mut tx, &job.study_uid, job.revision).await?
    };
    let context = Context {
        node: app.node.clone(),
        model: model.reference.clone(),
        threshold_set: app.config.settings.report.vocabulary().threshold_set(&model.threshold_set),
        language: app.language(),
        negatives: app.config.settings.report.negatives,
        captures: app.config.settings.report.captures(),
        study: Uid::parse(&job.study_uid)?,
        revision: job.revision,
        // Written in the transaction that closed the study: the closing time.
        closed_at: job.created_at,
        predecessor: predecessor.map(predecessor_of).transpose()?,
    };
    let kinds = kinds.to_vec();
    tokio::task::spawn_blocking(move || result::build(&context, &images, &kinds)).await?.context("build results")
}

/// A film's outcome in the builders' terms.
///
/// # Errors
/// If a label has no codes.
fn outcome_of(app: &App, source: &SourceImage, scored: Scored) -> Result<ImageOutcome> {
    Ok(match scored {
        Scored::Yes(prediction, picture) => {
            let vocabulary = app.config.settings.report.vocabulary();
            let findings = ImageFindings::from_prediction(&source.header.sop_instance, &prediction, vocabulary)?;
            ImageOutcome::Analyzed { findings, picture }
        }
        Scored::No(reason) => ImageOutcome::Skipped(reason),
    })
}

fn predecessor_of(row: ResultRow) -> Result<Predecessor> {
    Ok(Predecessor {
        series: Uid::parse(&row.series_uid)?,
        sop_class: Uid::parse(&row.sop_class)?,
        sop_instance: Uid::parse(&row.sop_instance)?,
    })
}

/// Makes an object durable. If a former attempt got as far as its row, that object stands.
async fn keep(
    app: &App,
    model: &LoadedModel,
    job: &JobRow,
    object: &ResultObject,
    position: usize,
) -> Result<ResultRow> {
    let sop = object.sop_instance.as_str();
    let known = {
        let mut tx = app.db.read().await?;
        results::find(&mut tx, sop).await?
    };
    if let Some(row) = known {
        return Ok(row);
    }
    let sha256 = hex(&Sha256::digest(&object.bytes));
    let key = blob::key("results", &hex(&Sha256::digest(sop)), "dcm");
    app.blobs.put(&key, object.bytes.clone()).await?;
    Ok(ResultRow {
        sop_instance: sop.to_owned(),
        study_uid: job.study_uid.clone(),
        revision: job.revision,
        kind: object.kind.as_str().to_owned(),
        sop_class: object.sop_class.to_string(),
        series_uid: object.series.to_string(),
        source: object.source.as_ref().map(Uid::to_string),
        not_analyzed: object.not_analyzed,
        blob: key,
        bytes: i64::try_from(object.bytes.len())?,
        sha256,
        model: serde_json::to_string(&model.reference)?,
        position: i64::try_from(position)?,
        created_at: app.clock.now(),
        destination: None,
        derived_from: None,
        withdrawn_at: None,
        reason: None,
    })
}

async fn announce(tx: &mut Tx, job: &JobRow, built: &Built, state: StudyState, reasons: &str, now: i64) -> Result<()> {
    let study = Some(job.study_uid.as_str());
    for left in &built.left_out {
        let (sop, detail) = (left.source.as_str(), json!({ "attribute": left.attribute }));
        events::append(tx, now, study, Some(sop), EventKind::ValueLeftOut, detail).await?;
    }
    if !built.objects.is_empty() {
        let kinds: Vec<_> = built.objects.iter().map(|o| o.kind.as_str()).collect();
        let detail = json!({ "revision": job.revision, "kinds": kinds });
        events::append(tx, now, study, None, EventKind::ResultsBuilt, detail).await?;
    }
    let ended = match state {
        StudyState::Failed => EventKind::StudyFailed,
        StudyState::Skipped => EventKind::StudySkipped,
        _ => return Ok(()),
    };
    let detail = json!({ "revision": job.revision, "reason": reasons });
    events::append(tx, now, study, None, ended, detail).await?;
    Ok(())
}
