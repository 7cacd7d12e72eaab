//! The check behind a commitment: for each instance its rows, and the digest of the bytes on disk.

use crate::app::App;
use crate::failpoint;
use crate::store::commitments::{self, AttemptRecord, CommitmentRow, ReferenceRow};
use crate::store::events::{self, EventKind};
use crate::store::{instances, retention, variants};
use anyhow::Result;
use centinela_domain::commitment::FailureReason;
use centinela_domain::delivery::next_attempt;
use rustix::io::Errno;
use serde_json::json;
use std::io::ErrorKind;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// Checks every instance of a transaction and makes its report due.
///
/// # Errors
/// If rows cannot be read or written. Bytes that cannot be read are an outcome, not an error.
pub async fn run(app: &Arc<App>, row: &CommitmentRow, stop: &CancellationToken) -> Result<()> {
    let references = {
        let mut tx = app.db.read().await?;
        commitments::references(&mut tx, &row.id).await?
    };
    let mut outcomes = Vec::with_capacity(references.len());
    for reference in &references {
        if stop.is_cancelled() {
            return Ok(());
        }
        match outcome(app, reference).await {
            Ok(reason) => outcomes.push(reason.map_or(0, |reason| i64::from(reason.0))),
            Err(error) => return postpone(app, row, &error).await,
        }
    }
    let failed = outcomes.iter().filter(|outcome| **outcome != 0).count();
    let now = app.clock.now();
    let mut tx = app.db.write().await?;
    if !commitments::checked(&mut tx, row, &outcomes, now).await? {
        return Ok(());
    }
    let detail = json!({
        "commitment": row.id, "transaction": row.transaction_uid, "calling": row.calling,
        "instances": outcomes.len(), "failed": failed,
    });
    events::append(&mut tx, now, None, None, EventKind::CommitmentChecked, detail).await?;
    tx.commit().await?;
    failpoint::hit("commitment.checked");
    Ok(())
}

/// The database did not answer, or a file could not be looked at: the check is tried again later.
async fn postpone(app: &App, row: &CommitmentRow, error: &anyhow::Error) -> Result<()> {
    tracing::error!(commitment = row.id, "the check could not be made: {error:#}");
    let now = app.clock.now();
    let next_at = next_attempt(now, row.attempts + 1, rand::random());
    let text = format!("{error:#}");
    let attempt = AttemptRecord { state: "checking", next_at, status: None, error: Some(&text) };
    let mut tx = app.db.write().await?;
    if commitments::attempted(&mut tx, row, &attempt, now).await? {
        tx.commit().await?;
    }
    Ok(())
}

/// Why the instance cannot be committed; `None` if every copy that we hold of it is whole.
///
/// Several byte strings may stand under one UID. The peer does not say which of them it means to
/// delete, so all of them must be whole.
async fn outcome(app: &Arc<App>, reference: &ReferenceRow) -> Result<Option<FailureReason>> {
    let (first, others) = {
        let mut tx = app.db.read().await?;
        let first = instances::find(&mut tx, &reference.sop_instance).await?;
        (first, variants::of_instance(&mut tx, &reference.sop_instance).await?)
    };
    let Some(first) = first else { return Ok(Some(FailureReason::NO_SUCH_INSTANCE)) };
    if first.deleted_at.is_some() {
        return Ok(Some(FailureReason::NO_SUCH_INSTANCE));
    }
    if first.sop_class != reference.sop_class {
        return Ok(Some(FailureReason::CLASS_CONFLICT));
    }
    let others = others.into_iter().filter(|variant| variant.deleted_at.is_none());
    let copies = others.map(|v| (v.blob, v.digest, v.transfer_syntax));
    let first_copy = (first.blob, first.digest, first.transfer_syntax);
    for (blob, digest, syntax) in std::iter::once(first_copy).chain(copies) {
        let held = (Arc::clone(app), blob.clone(), reference.sop_instance.clone());
        let verified = tokio::task::spawn_blocking(move || {
            let (app, blob, sop) = held;
            app.blobs.verify(&blob, &digest, |head| {
                let (_, instance, found, offset) = centinela_scp::part10_parts(head)?;
                anyhow::ensure!(instance.as_str() == sop, "the file holds another instance");
                anyhow::ensure!(found.as_str() == syntax, "the file has another transfer syntax");
                Ok(offset as u64)
            })
        });
        if let Err(error) = verified.await? {
            if !is_damage(&error) {
                return Err(error.context(format!("the bytes of {} cannot be checked now", reference.sop_instance)));
            }
            return damaged(app, reference, (&first.study_uid, &blob), &error).await.map(Some);
        }
    }
    Ok(None)
}

/// Whether the bytes are to blame: they differ from their row, are not there, or the disk cannot give
/// them back. Anything else is our own trouble (no descriptors, no memory, no permission) and passes.
fn is_damage(error: &anyhow::Error) -> bool {
    let io = error.chain().find_map(|cause| cause.downcast_ref::<std::io::Error>());
    io.is_none_or(|io| {
        matches!(io.kind(), ErrorKind::NotFound | ErrorKind::UnexpectedEof)
            || io.raw_os_error() == Some(Errno::IO.raw_os_error())
    })
}

/// Tells of damage, unless retention took the bytes while we looked.
async fn damaged(
    app: &App,
    reference: &ReferenceRow,
    (study, blob): (&str, &str),
    error: &anyhow::Error,
) -> Result<FailureReason> {
    let sop = reference.sop_instance.as_str();
    let mut tx = app.db.write().await?;
    if instances::find(&mut tx, sop).await?.is_none_or(|row| row.deleted_at.is_some()) {
        return Ok(FailureReason::NO_SUCH_INSTANCE);
    }
    tracing::error!(sop.instance = sop, "the bytes of a film are damaged; have its sender send it again: {error:#}");
    retention::mark_damaged(&mut tx, blob, app.clock.now()).await?;
    let detail = json!({ "error": error.root_cause().to_string() });
    events::append(&mut tx, app.clock.now(), Some(study), Some(sop), EventKind::BytesDamaged, detail).await?;
    tx.commit().await?;
    Ok(FailureReason::PROCESSING_FAILURE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::anyhow;
    use std::io::Error;

    #[test]
    fn only_the_bytes_themselves_are_damage() {
        let met = |error: Error| is_damage(&anyhow::Error::new(error).context("read a film"));
        assert!(is_damage(&anyhow!("the digest differs").context("read a film")));
        assert!(met(ErrorKind::UnexpectedEof.into()));
        for errno in [Errno::NOENT, Errno::IO] {
            assert!(met(errno.into()), "{errno}");
        }
        for errno in [Errno::MFILE, Errno::NFILE, Errno::NOMEM, Errno::ACCESS, Errno::STALE] {
            assert!(!met(errno.into()), "{errno}");
        }
    }
}
