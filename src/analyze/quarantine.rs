//! A person decided that the second of two instances is the right one: it takes the place of the
//! first, whose bytes stay beside it, and the study opens its next revision. What was sent is not
//! altered: the new report names the one that it replaces.

use super::compare::unchanged;
use crate::app::App;
use crate::store::events::{self, EventKind};
use crate::store::instances::{self, InstanceRow};
use crate::store::jobs::{self, JobKind, JobRow, NewJob};
use crate::store::studies::Arrival;
use crate::store::variants::{self, VariantRow};
use crate::store::{Tx, predictions, studies};
use crate::verdict::judge;
use anyhow::{Context as _, Result};
use centinela_domain::gate::Decision;
use centinela_domain::header;
use centinela_domain::instance::InstanceHeader;
use centinela_domain::study::StudyState;
use serde_json::json;

/// Carries the order out, in the `compare` job of the variant.
///
/// # Errors
/// If bytes or rows cannot be read or written.
pub async fn take_second(app: &App, job: &JobRow, first: &InstanceRow, variant: &VariantRow) -> Result<()> {
    let (start, whole) = app.blobs.start(&variant.blob, header::START).await?;
    let read = tokio::task::spawn_blocking(move || header::read_start(&start, whole)).await?;
    let now = app.clock.now();
    let mut tx = app.db.write().await?;
    let (first, variant) = unchanged(&mut tx, job, (first, variant)).await?;
    let refused = match &read {
        Err(_) => Some("its header cannot be read, so it cannot take the first one's place"),
        Ok((source, _)) if source.header.study.as_str() != first.study_uid => {
            Some("it belongs to another study, so it cannot take the first one's place: have it sent under its own UID")
        }
        Ok(_) => None,
    };
    let mut pictures = Vec::new();
    if let Some(reason) = refused {
        variants::settle(&mut tx, &variant.id, false, reason).await?;
        let detail = json!({ "variant": variant.id, "reason": reason });
        let (study, sop) = (Some(first.study_uid.as_str()), Some(first.sop_instance.as_str()));
        events::append(&mut tx, now, study, sop, EventKind::QuarantineKept, detail).await?;
    } else if let Ok((source, _)) = &read {
        pictures = replace(&mut tx, app, &first, &variant, &source.header).await?;
    }
    if jobs::finish(&mut tx, job, now).await? {
        tx.commit().await?;
        app.work.ring();
        // Pictures of the first, which nothing names any more.
        for picture in pictures {
            app.blobs.remove(&picture)?;
        }
    }
    Ok(())
}

/// Swaps the rows and opens the next revision; gives the pictures of the former first.
async fn replace(
    tx: &mut Tx,
    app: &App,
    first: &InstanceRow,
    variant: &VariantRow,
    header: &InstanceHeader,
) -> Result<Vec<String>> {
    let now = app.clock.now();
    let (study, sop) = (first.study_uid.as_str(), first.sop_instance.as_str());
    let state = studies::find(tx, study).await?.context("the study is gone")?;
    let closing = app.config.settings.study.closing(now);
    let revision = if state.state() == StudyState::Receiving {
        state.revision
    } else {
        let revision = studies::reopen(tx, study, closing).await?;
        let detail = json!({ "revision": revision });
        events::append(tx, now, Some(study), Some(sop), EventKind::StudyReopened, detail).await?;
        revision
    };
    let identity = header.identity_digest.clone();
    studies::arrived(tx, &[Arrival { study_uid: study.to_owned(), identity, urgency: state.urgency(), now, closing }])
        .await?;
    let pictures = predictions::forget(tx, sop).await?;
    let second = InstanceRow {
        sop_class: header.sop_class.to_string(),
        series_uid: header.series.to_string(),
        transfer_syntax: variant.transfer_syntax.clone(),
        blob: variant.blob.clone(),
        bytes: variant.bytes,
        digest: variant.digest.clone(),
        header: serde_json::to_string(header)?,
        calling: variant.calling.clone(),
        received_at: variant.received_at,
        revision: Some(revision),
        deleted_at: None,
        damaged_at: None,
        ..first.clone()
    };
    // Once in its place, it is judged like any film that comes.
    instances::take_over(tx, &second).await?;
    variants::swap(tx, &variant.id, first).await?;
    variants::settle(tx, &variant.id, true, "the first bytes: a person put the second in their place").await?;
    // If the first opened the study, the second now says whose study it is.
    let films = instances::of_study(tx, study).await?;
    let opener = films.iter().min_by_key(|film| (film.received_at, &film.sop_instance));
    let identity = opener.context("the study has no films")?.header()?.identity_digest;
    studies::identify(tx, study, &identity).await?;
    let verdict = judge(app, header, Some(&identity));
    let (skip, chest, unknowns) = instances::verdict_columns(&verdict)?;
    instances::take_over(tx, &InstanceRow { skip, chest, unknowns, ..second }).await?;
    if matches!(verdict.decision, Decision::Analyze { .. }) && jobs::again(tx, JobKind::Predict, sop, now).await? == 0 {
        let (kind, urgency) = (JobKind::Predict, state.urgency());
        let job = NewJob { kind, subject: sop, study_uid: study, revision, urgency, since: now };
        jobs::enqueue(tx, &job, now).await?;
    }
    Ok(pictures)
}
