//! The predict job: decode one film, score it, keep scores and picture.

use super::MOST_BYTES;
use crate::app::App;
use crate::blob::{self, hex};
use crate::failpoint;
use crate::loaded::LoadedModel;
use crate::store::events::{self, EventKind};
use crate::store::instances::{self, InstanceRow};
use crate::store::jobs::{self, JobRow};
use crate::store::predictions::{self, PredictionRow};
use crate::store::{Tx, studies};
use anyhow::{Context as _, Result, ensure};
use centinela_domain::evidence::Picture;
use centinela_domain::gate::{Decision, SkipReason, gate};
use centinela_domain::prediction::Prediction;
use centinela_domain::study::StudyState;
use serde_json::json;
use sha2::{Digest as _, Sha256};

/// What came of one film.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "a study has a handful of them, and most are scored")]
pub enum Scored {
    /// Its scores and its picture.
    Yes(Prediction, Picture),
    /// Why there are none.
    No(SkipReason),
}

/// Runs the job.
///
/// # Errors
/// If an attempt failed in a way that another attempt may not.
pub async fn run(app: &App, job: &JobRow) -> Result<()> {
    let instance = {
        let mut tx = app.db.read().await?;
        instances::find(&mut tx, &job.subject).await?.context("the instance of the job is gone")?
    };
    let scored = match instance.skip()? {
        Some(_) => None,
        None => Some(score(app, &*app.model()?, &instance).await?),
    };
    failpoint::hit("predict.done");
    let now = app.clock.now();
    let mut tx = app.db.write().await?;
    if let Some(Scored::Yes(..)) = scored {
        join_revision(&mut tx, app, &instance).await?;
    }
    if jobs::finish(&mut tx, job, now).await? {
        tx.commit().await?;
        failpoint::hit("predict.committed");
    }
    Ok(())
}

/// The scores of an instance: those that are kept, or new ones, kept now.
///
/// # Errors
/// If bytes or rows cannot be read or written, or the inference failed in a way that may pass.
pub async fn score(app: &App, model: &LoadedModel, instance: &InstanceRow) -> Result<Scored> {
    ensure!(instance.deleted_at.is_none(), "the film was deleted by retention; have it sent again");
    // The film may have been received without a model, or for another one with other ages.
    if let Decision::Skip(reason) = gate(&instance.header()?, &app.gate_policy()).decision {
        skip(app, instance, &reason).await?;
        return Ok(Scored::No(reason));
    }
    let (sop, sha) = (&instance.sop_instance, &model.reference.weights_sha256);
    let _turn = model.turns.take(sop).await;
    let known = {
        let mut tx = app.db.read().await?;
        predictions::find(&mut tx, sop, sha, &model.threshold_set).await?
    };
    if let Some(row) = known {
        let prediction = serde_json::from_str(&row.scores)?;
        if app.blobs.has(&row.picture)? {
            let picture = unpack(&app.blobs.get(&row.picture).await?).context("the kept picture is damaged")?;
            return Ok(Scored::Yes(prediction, picture));
        }
        // Retention deleted the film with its picture, and the film came again: the scores stand.
        let analyzed = model.engine.analyze(app.blobs.get(&instance.blob).await?).await.context("inference")?;
        app.blobs.put(&row.picture, pack(&analyzed.picture)).await?;
        return Ok(Scored::Yes(prediction, analyzed.picture));
    }
    if instance.bytes > MOST_BYTES {
        skip(app, instance, &SkipReason::TooLarge).await?;
        return Ok(Scored::No(SkipReason::TooLarge));
    }
    let bytes = app.blobs.get(&instance.blob).await?;
    let analyzed = match model.engine.analyze(bytes).await {
        Ok(analyzed) => analyzed,
        Err(error) => {
            let reason = error.reason();
            if reason == SkipReason::Processing {
                return Err(error).context("inference");
            }
            tracing::warn!(sop.instance = sop.as_str(), reason = reason.code(), "film not analysed: {error}");
            skip(app, instance, &reason).await?;
            return Ok(Scored::No(reason));
        }
    };
    let digest = hex(&Sha256::digest(format!("{sop}\u{1f}{sha}\u{1f}{}", model.threshold_set)));
    let key = blob::key("pictures", &digest, "gray");
    app.blobs.put(&key, pack(&analyzed.picture)).await?;
    let now = app.clock.now();
    let row = PredictionRow {
        sop_instance: sop.clone(),
        model_sha256: sha.clone(),
        threshold_set: model.threshold_set.clone(),
        study_uid: instance.study_uid.clone(),
        scores: serde_json::to_string(&analyzed.prediction)?,
        picture: key,
        decode_ms: i64::try_from(analyzed.decode_ms)?,
        predict_ms: i64::try_from(analyzed.took_ms.saturating_sub(analyzed.decode_ms))?,
        created_at: now,
    };
    let mut tx = app.db.write().await?;
    // Another process may have scored it meanwhile: the feed tells it once.
    if predictions::insert(&mut tx, &row).await? {
        let detail = json!({
            "model": model.reference.name, "version": model.reference.version,
            "decode_ms": row.decode_ms, "predict_ms": row.predict_ms,
        });
        events::append(&mut tx, now, Some(&instance.study_uid), Some(sop), EventKind::Predicted, detail).await?;
    }
    tx.commit().await?;
    Ok(Scored::Yes(analyzed.prediction, analyzed.picture))
}

async fn skip(app: &App, instance: &InstanceRow, reason: &SkipReason) -> Result<()> {
    let mut tx = app.db.write().await?;
    instances::set_skip(&mut tx, &instance.sop_instance, reason).await?;
    let detail = json!({ "reason": reason.code(), "text": reason.text(&app.language()) });
    let (study, sop) = (Some(instance.study_uid.as_str()), Some(instance.sop_instance.as_str()));
    events::append(&mut tx, app.clock.now(), study, sop, EventKind::ImageSkipped, detail).await?;
    tx.commit().await
}

/// A film that arrived after its study had closed opens the next revision, or joins the one that
/// another late film has opened.
async fn join_revision(tx: &mut Tx, app: &App, instance: &InstanceRow) -> Result<()> {
    let current = instances::find(tx, &instance.sop_instance).await?.context("the instance is gone")?;
    if current.revision.is_some() {
        return Ok(());
    }
    let study = studies::find(tx, &instance.study_uid).await?.context("the study is gone")?;
    let revision = if study.state() == StudyState::Receiving {
        study.revision
    } else {
        let now = app.clock.now();
        let closing = app.config.settings.study.closing(now);
        let revision = studies::reopen(tx, &instance.study_uid, closing).await?;
        let detail = json!({ "revision": revision });
        let (study, sop) = (Some(instance.study_uid.as_str()), Some(instance.sop_instance.as_str()));
        events::append(tx, now, study, sop, EventKind::StudyReopened, detail).await?;
        revision
    };
    instances::set_revision(tx, &instance.sop_instance, revision).await
}

/// Width and height, little endian, then the grey values.
fn pack(picture: &Picture) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(8 + picture.gray.len());
    bytes.extend(picture.width.to_le_bytes());
    bytes.extend(picture.height.to_le_bytes());
    bytes.extend(&picture.gray);
    bytes
}

fn unpack(bytes: &[u8]) -> Option<Picture> {
    let (width, rest) = bytes.split_first_chunk::<4>()?;
    let (height, gray) = rest.split_first_chunk::<4>()?;
    let (width, height) = (u32::from_le_bytes(*width), u32::from_le_bytes(*height));
    let whole = gray.len() as u64 == u64::from(width) * u64::from(height);
    whole.then(|| Picture { width, height, gray: gray.to_vec() })
}
