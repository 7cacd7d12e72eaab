//! The compare job: other bytes under a known SOP Instance UID. The same pixels of the same patient
//! make a variant (another syntax, a coerced header); anything else is quarantined beside the first. Of a variant
//! whose header says something else of patient or study a person may decide that it takes the first one's place.

use super::{MOST_BYTES, quarantine};
use crate::app::App;
use crate::store::Tx;
use crate::store::events::{self, EventKind};
use crate::store::instances::{self, InstanceRow};
use crate::store::jobs::{self, JobKind, JobRow};
use crate::store::studies;
use crate::store::variants::{self, VariantRow};
use crate::verdict::judge;
use anyhow::{Context as _, Result, bail};
use centinela_domain::header;
use centinela_domain::instance::InstanceHeader;
use centinela_domain::result::attributes_that_differ;
use centinela_models::image::CxrImage;
use serde_json::json;

/// Runs the job.
///
/// # Errors
/// If bytes or rows cannot be read or written.
pub async fn run(app: &App, job: &JobRow) -> Result<()> {
    let (first, variant) = both(&mut app.db.read().await?, job).await?;
    if variant.resolution.as_deref() == Some("take_second") {
        return quarantine::take_second(app, job, &first, &variant).await;
    }
    let found = if first.deleted_at.is_some() {
        Found::Different("the first bytes were deleted by retention: there is nothing to compare with")
    } else if [first.bytes, variant.bytes].iter().any(|bytes| *bytes > MOST_BYTES) {
        Found::Different("they are too large to be compared")
    } else {
        let (a, b) = (app.blobs.get(&first.blob).await?, app.blobs.get(&variant.blob).await?);
        tokio::task::spawn_blocking(move || compare(&a, &b)).await?
    };
    let accepted = ("variant", EventKind::VariantAccepted);
    let ((state, kind), reason) = match &found {
        Found::Same(differ) if differ.is_empty() => {
            (accepted, "the same pixels of the same patient and study".to_owned())
        }
        Found::Same(differ) => {
            (accepted, format!("the same pixels of the same patient and study; other {}", differ.join(", ")))
        }
        Found::Whole(_) => (accepted, "whole, where the first was damaged: it took over".to_owned()),
        Found::Different(reason) => (("quarantined", EventKind::Quarantined), (*reason).to_owned()),
    };
    let now = app.clock.now();
    let mut tx = app.db.write().await?;
    let (first, variant) = unchanged(&mut tx, job, (&first, &variant)).await?;
    if let Found::Whole(header) = &found {
        take_over(&mut tx, app, &first, &variant, header, now).await?;
    }
    variants::judge(&mut tx, &variant.id, state, &reason).await?;
    let detail = json!({ "variant": variant.id, "calling": variant.calling, "reason": reason });
    events::append(&mut tx, now, Some(&first.study_uid), Some(&variant.sop_instance), kind, detail).await?;
    if jobs::finish(&mut tx, job, now).await? {
        tx.commit().await?;
        app.work.ring();
        if kind == EventKind::Quarantined {
            tracing::warn!(
                sop.instance = variant.sop_instance,
                calling = variant.calling,
                "quarantined: another instance came under a known SOP Instance UID: {reason}"
            );
        }
    }
    Ok(())
}

/// The first bytes and the variant that the job is about.
async fn both(tx: &mut Tx, job: &JobRow) -> Result<(InstanceRow, VariantRow)> {
    let variant = variants::find(tx, &job.subject).await?.context("the variant of the job is gone")?;
    let first = instances::find(tx, &variant.sop_instance).await?.context("the first instance is gone")?;
    Ok((first, variant))
}

/// Both rows once more, in the transaction that writes them: retention, or the same film sent again,
/// may have changed meanwhile what was looked at. Then the attempt fails, and the next one looks anew.
pub(super) async fn unchanged(
    tx: &mut Tx,
    job: &JobRow,
    (first, variant): (&InstanceRow, &VariantRow),
) -> Result<(InstanceRow, VariantRow)> {
    let (first_now, variant_now) = both(tx, job).await?;
    if (&first.blob, &first.digest, first.deleted_at) != (&first_now.blob, &first_now.digest, first_now.deleted_at)
        || (&variant.blob, &variant.digest, variant.deleted_at)
            != (&variant_now.blob, &variant_now.digest, variant_now.deleted_at)
    {
        bail!("the bytes changed while they were looked at");
    }
    Ok((first_now, variant_now))
}

/// What the comparison found.
enum Found {
    /// The same pixels of the same patient and study, with these attributes otherwise.
    Same(Vec<String>),
    /// The first is damaged and the other is whole.
    Whole(Box<InstanceHeader>),
    /// What differs.
    Different(&'static str),
}

fn compare(first: &[u8], other: &[u8]) -> Found {
    let (Ok((first_source, _)), Ok((source, _))) = (header::read_damaged(first), header::read_damaged(other)) else {
        return Found::Different("the header cannot be read");
    };
    if first_source.header.identity_digest != source.header.identity_digest {
        return Found::Different("patient or study differ");
    }
    match (CxrImage::decode(first), CxrImage::decode(other)) {
        (Ok(a), Ok(b)) if (a.width, a.height) != (b.width, b.height) => Found::Different("rows or columns differ"),
        (Ok(a), Ok(b)) if a.pixels != b.pixels => Found::Different("pixels differ"),
        (Ok(_), Ok(_)) => Found::Same(attributes_that_differ(&first_source, &source)),
        (Err(error), Ok(_)) if error.reason().is_failure() => Found::Whole(Box::new(source.header)),
        _ => Found::Different("the pixels cannot be compared"),
    }
}

/// A modality that is told nothing of a damaged film sends it again: the whole one becomes the
/// instance, the damaged bytes stay beside it, and the film is analysed as a late one.
async fn take_over(
    tx: &mut Tx,
    app: &App,
    first: &InstanceRow,
    variant: &VariantRow,
    header: &InstanceHeader,
    now: i64,
) -> Result<()> {
    let study = studies::find(tx, &first.study_uid).await?;
    let verdict = judge(app, header, study.as_ref().and_then(|study| study.identity.as_deref()));
    let (skip, chest, unknowns) = instances::verdict_columns(&verdict)?;
    let whole = InstanceRow {
        transfer_syntax: variant.transfer_syntax.clone(),
        blob: variant.blob.clone(),
        bytes: variant.bytes,
        digest: variant.digest.clone(),
        header: serde_json::to_string(header)?,
        revision: None,
        chest,
        skip,
        unknowns,
        ..first.clone()
    };
    instances::take_over(tx, &whole).await?;
    variants::swap(tx, &variant.id, first).await?;
    jobs::again(tx, JobKind::Predict, &first.sop_instance, now).await?;
    Ok(())
}
