//! The compare job: other bytes under a known SOP Instance UID. The same pixels of the same patient
//! make a variant (another syntax, a coerced header); anything else is quarantined beside the first.

use crate::app::App;
use crate::store::events::{self, EventKind};
use crate::store::jobs::{self, JobRow};
use crate::store::{instances, variants};
use anyhow::{Context as _, Result};
use centinela_domain::header;
use centinela_models::image::CxrImage;
use serde_json::json;

/// Runs the job.
///
/// # Errors
/// If bytes or rows cannot be read or written.
pub async fn run(app: &App, job: &JobRow) -> Result<()> {
    let (variant, first) = {
        let mut tx = app.db.read().await?;
        let variant = variants::find(&mut tx, &job.subject).await?.context("the variant of the job is gone")?;
        let first = instances::find(&mut tx, &variant.sop_instance).await?.context("the first instance is gone")?;
        (variant, first)
    };
    let (a, b) = (app.blobs.get(&first.blob).await?, app.blobs.get(&variant.blob).await?);
    let difference = tokio::task::spawn_blocking(move || difference(&a, &b)).await?;
    let (state, kind, reason) = match difference {
        None => ("variant", EventKind::VariantAccepted, "the same pixels of the same patient and study"),
        Some(reason) => ("quarantined", EventKind::Quarantined, reason),
    };
    let now = app.clock.now();
    let mut tx = app.db.write().await?;
    variants::judge(&mut tx, &variant.id, state, reason).await?;
    let detail = json!({ "variant": variant.id, "calling": variant.calling, "reason": reason });
    events::append(&mut tx, now, Some(&first.study_uid), Some(&variant.sop_instance), kind, detail).await?;
    if jobs::finish(&mut tx, job, now).await? {
        tx.commit().await?;
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

/// What differs, if anything does.
fn difference(first: &[u8], other: &[u8]) -> Option<&'static str> {
    let (Ok(a), Ok(b)) = (header::read(first), header::read(other)) else {
        return Some("the header cannot be read");
    };
    if a.header.identity_digest != b.header.identity_digest {
        return Some("patient or study differ");
    }
    match (CxrImage::decode(first), CxrImage::decode(other)) {
        (Ok(a), Ok(b)) if (a.width, a.height) != (b.width, b.height) => Some("rows or columns differ"),
        (Ok(a), Ok(b)) => (a.pixels != b.pixels).then_some("pixels differ"),
        _ => Some("the pixels cannot be compared"),
    }
}
