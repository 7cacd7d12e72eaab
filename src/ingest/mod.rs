//! Receiving: from a spooled instance to a durable blob and a committed row, and only then success.

mod commitment;
pub mod completion;
mod error;

use crate::app::{App, Counters};
use crate::blob::{self, hex};
use crate::config::Conflicts;
use crate::failpoint;
use crate::store::events::{self, EventKind};
use crate::store::instances::{self, InstanceRow};
use crate::store::jobs::{self, JobKind, NewJob};
use crate::store::variants::{self, VariantRow};
use crate::store::{Tx, new_id, retention, studies};
use crate::verdict::judge;
use centinela_domain::evidence::SourceImage;
use centinela_domain::gate::{Decision, SkipReason};
use centinela_domain::header;
use centinela_domain::status::DimseStatus;
use centinela_domain::study::{StudyState, quiet_until};
use centinela_domain::uid::Uid;
use centinela_scp::{
    AssociationChange, AssociationEvent, CommitmentRequest, Priority, ReceivedInstance, StoreHandler, StoreRequest,
};
use error::IngestError;
use serde_json::json;
use sha2::{Digest as _, Sha256};
use std::io::Read as _;
use std::path::Path;
use std::sync::Arc;

/// Answers C-STORE for the node.
#[derive(Debug, Clone)]
pub struct Ingest {
    app: Arc<App>,
}

impl Ingest {
    /// A handler on the shared application.
    #[must_use]
    pub const fn new(app: Arc<App>) -> Self {
        Self { app }
    }

    async fn keep(&self, received: ReceivedInstance) -> Result<(), IngestError> {
        failpoint::hit("ingest.spooled");
        let app = &self.app;
        let ReceivedInstance { request, spooled } = received;
        let source = read_header(&spooled.path).await?;
        if source.header.sop_instance != request.sop_instance || source.header.sop_class != request.sop_class {
            return Err(IngestError::Mismatch);
        }
        self.refuse_conflict(&request, &spooled.sha256).await?;
        // The key follows from the content: a repeated attempt after a crash meets its own file.
        let digest = hex(&Sha256::digest(format!("{}\u{1f}{}", request.sop_instance, spooled.sha256)));
        let key = blob::key("instances", &digest, "dcm");
        let file = spooled.file.try_clone().map_err(|e| IngestError::Blob(e.into()))?;
        app.blobs.adopt(&key, spooled.path.clone(), file).await.map_err(IngestError::Blob)?;
        spooled.keep();
        failpoint::hit("ingest.blob_durable");

        let now = app.clock.now();
        let bytes = i64::try_from(spooled.bytes).unwrap_or(i64::MAX);
        let row = InstanceRow {
            sop_instance: request.sop_instance.to_string(),
            study_uid: source.header.study.to_string(),
            series_uid: source.header.series.to_string(),
            sop_class: request.sop_class.to_string(),
            transfer_syntax: request.transfer_syntax.to_string(),
            blob: key,
            bytes,
            sha256: spooled.sha256.clone(),
            header: serde_json::to_string(&source.header).map_err(|e| IngestError::Database(e.into()))?,
            calling: request.calling.to_string(),
            called: request.called.to_string(),
            peer: request.peer.ip().to_string(),
            priority: rank(request.priority),
            received_at: now,
            revision: None,
            chest: None,
            skip: None,
            unknowns: String::new(),
            deleted_at: None,
            damaged_at: None,
        };
        let mut tx = app.db.write().await?;
        record(&mut tx, app, row, &source).await?;
        failpoint::hit("ingest.row_written");
        tx.commit().await?;
        failpoint::hit("ingest.committed");
        Counters::add(&app.counters.instances_stored, 1);
        Counters::add(&app.counters.bytes_stored, spooled.bytes);
        app.work.ring();
        Ok(())
    }
}

impl Ingest {
    /// With `[dicom] conflicts = "refuse"`: other bytes under a known UID end here, before anything
    /// of them is kept.
    async fn refuse_conflict(&self, request: &StoreRequest, digest: &str) -> Result<(), IngestError> {
        if self.app.config.settings.dicom.conflicts == Conflicts::Keep {
            return Ok(());
        }
        let mut tx = self.app.db.read().await?;
        match instances::find(&mut tx, request.sop_instance.as_str()).await? {
            Some(first) if first.sha256 != digest => Err(IngestError::Conflict),
            _ => Ok(()),
        }
    }
}

/// Writes the rows of one instance: new, seen before, or other bytes under a known UID.
async fn record(tx: &mut Tx, app: &App, mut row: InstanceRow, source: &SourceImage) -> Result<(), IngestError> {
    let (now, sop) = (row.received_at, row.sop_instance.clone());
    if let Some(first) = instances::find(tx, &sop).await? {
        return repeated(tx, app, &row, &first).await;
    }
    let until = quiet_until(now, app.config.settings.study.quiet_ms());
    let verdict = judge(tx, app, &source.header).await?;
    (row.skip, row.chest, row.unknowns) = instances::verdict_columns(&verdict)?;
    if verdict.decision == Decision::Skip(SkipReason::OtherPatient) {
        tracing::warn!(
            sop.instance = sop,
            calling = row.calling,
            "a film came under the Study Instance UID of another patient: kept, not analysed"
        );
    }
    let study = studies::find_or_insert(tx, &source.header.study, now, until).await?;
    studies::touch(tx, &source.header.study, now, until).await?;
    // A late instance joins a revision only once it is known that it is analysed.
    if study.state() == StudyState::Receiving {
        row.revision = Some(study.revision);
    }
    instances::insert(tx, &row).await?;
    let detail = json!({ "calling": row.calling, "bytes": row.bytes, "transfer_syntax": row.transfer_syntax });
    events::append(tx, now, Some(&row.study_uid), Some(&sop), EventKind::Received, detail).await?;
    if let Some(doubt) = &source.header.charset_doubt {
        let detail = json!({ "doubt": doubt });
        events::append(tx, now, Some(&row.study_uid), Some(&sop), EventKind::TextDoubtful, detail).await?;
    }
    match verdict.decision {
        Decision::Analyze { .. } => {
            let job = NewJob {
                kind: JobKind::Predict,
                subject: &sop,
                study_uid: &row.study_uid,
                revision: study.revision,
                priority: 10 + row.priority,
            };
            jobs::enqueue(tx, &job, now).await?;
        }
        Decision::Skip(reason) => {
            let detail = json!({ "reason": reason.code(), "text": reason.text(&app.language()) });
            events::append(tx, now, Some(&row.study_uid), Some(&sop), EventKind::ImageSkipped, detail).await?;
        }
    }
    Ok(())
}

/// The UID is known: the same bytes are no new work, other bytes are kept beside the first.
async fn repeated(tx: &mut Tx, app: &App, row: &InstanceRow, first: &InstanceRow) -> Result<(), IngestError> {
    let (now, sop, study) = (row.received_at, &row.sop_instance, &first.study_uid);
    if let Some(former) = retention::restore(tx, sop, &row.sha256, &row.blob).await? {
        return restored(tx, app, row, first, &former).await;
    }
    if first.sha256 == row.sha256 {
        let detail = json!({ "calling": row.calling });
        events::append(tx, now, Some(study), Some(sop), EventKind::Duplicate, detail).await?;
        return Ok(());
    }
    let variant = VariantRow {
        id: new_id(),
        sop_instance: sop.clone(),
        sha256: row.sha256.clone(),
        transfer_syntax: row.transfer_syntax.clone(),
        blob: row.blob.clone(),
        bytes: row.bytes,
        calling: row.calling.clone(),
        received_at: now,
        state: "pending".to_owned(),
        reason: None,
        deleted_at: None,
        resolution: None,
        resolved_at: None,
    };
    if app.config.settings.dicom.conflicts == Conflicts::Refuse {
        // Two at once: the second met the first only here. Its file has a name of its own.
        app.blobs.remove(&row.blob).map_err(IngestError::Blob)?;
        return Err(IngestError::Conflict);
    }
    if variants::insert(tx, &variant).await? {
        let detail = json!({ "calling": row.calling, "transfer_syntax": row.transfer_syntax });
        events::append(tx, now, Some(study), Some(sop), EventKind::VariantReceived, detail).await?;
        let job = NewJob { kind: JobKind::Compare, subject: &variant.id, study_uid: study, revision: 0, priority: 5 };
        jobs::enqueue(tx, &job, now).await?;
    }
    Ok(())
}

/// Retention had deleted these bytes, or a check had found them damaged: they are kept again, and
/// nothing is analysed again.
async fn restored(
    tx: &mut Tx,
    app: &App,
    row: &InstanceRow,
    first: &InstanceRow,
    former: &str,
) -> Result<(), IngestError> {
    // Retention may have removed the file between its arrival and this transaction: no success then.
    if !app.blobs.has(&row.blob).map_err(IngestError::Blob)? {
        return Err(IngestError::Blob(anyhow::anyhow!("the file was just being deleted by retention")));
    }
    if former != row.blob {
        app.blobs.remove(former).map_err(IngestError::Blob)?;
    }
    let (now, study) = (row.received_at, Uid::parse(&first.study_uid).map_err(anyhow::Error::from)?);
    // The age counts from now on.
    studies::touch(tx, &study, now, quiet_until(now, app.config.settings.study.quiet_ms())).await?;
    let detail = json!({ "calling": row.calling, "bytes": row.bytes });
    events::append(tx, now, Some(&first.study_uid), Some(&row.sop_instance), EventKind::FilmRestored, detail).await?;
    Ok(())
}

impl StoreHandler for Ingest {
    async fn admit(&self, _request: &StoreRequest) -> Result<(), DimseStatus> {
        let least = self.app.config.settings.storage.min_free;
        match self.app.blobs.free_bytes() {
            Ok(free) if free >= least => Ok(()),
            Ok(free) => {
                tracing::warn!(free, least, "C-STORE refused: free space is below [storage] min_free");
                self.app.room.ring();
                Counters::add(&self.app.counters.instances_refused, 1);
                Err(DimseStatus::OUT_OF_RESOURCES)
            }
            Err(error) => {
                tracing::error!(%error, "C-STORE refused: free space is unknown");
                Err(DimseStatus::OUT_OF_RESOURCES)
            }
        }
    }

    async fn store(&self, received: ReceivedInstance) -> DimseStatus {
        let (association, sop) = (received.request.association, received.request.sop_instance.clone());
        match self.keep(received).await {
            Ok(()) => DimseStatus::SUCCESS,
            Err(error) => {
                let status = error.status();
                Counters::add(&self.app.counters.instances_refused, 1);
                tracing::error!(%association, sop.instance = %sop, %status, "C-STORE refused: {error:#}");
                status
            }
        }
    }

    async fn commit(&self, request: CommitmentRequest) -> DimseStatus {
        commitment::keep(&self.app, request).await
    }

    fn observe(&self, event: AssociationEvent) {
        let counters = &self.app.counters;
        let (association, peer) = (event.association, event.peer);
        let calling = event.calling.as_ref().map_or("-", |title| title.as_str());
        match &event.change {
            AssociationChange::Accepted { .. } => Counters::add(&counters.associations_accepted, 1),
            AssociationChange::Released => {}
            AssociationChange::Rejected(rejection) => {
                Counters::add(&counters.associations_rejected, 1);
                tracing::warn!(%association, %peer, calling, "association refused: {rejection}");
            }
            AssociationChange::Aborted(cause) => {
                Counters::add(&counters.associations_aborted, 1);
                tracing::warn!(%association, %peer, calling, "association ended: {cause:?}");
            }
        }
    }
}

/// DIMSE priority as a number: higher first.
const fn rank(priority: Priority) -> i64 {
    match priority {
        Priority::High => 2,
        Priority::Medium => 1,
        Priority::Low => 0,
    }
}

/// Reads only as much of the file as the header needs.
async fn read_header(path: &Path) -> Result<SourceImage, IngestError> {
    let path = path.to_owned();
    let read = tokio::task::spawn_blocking(move || {
        let mut file = std::fs::File::open(&path).map_err(|e| IngestError::Blob(e.into()))?;
        let mut bytes = Vec::new();
        // Headers are small; only odd ones need a second look at more of the file.
        for limit in [256 << 10, 4 << 20, 64 << 20, u64::MAX] {
            let have = bytes.len() as u64;
            let got =
                (&mut file).take(limit - have).read_to_end(&mut bytes).map_err(|e| IngestError::Blob(e.into()))?;
            let whole = (got as u64) < limit - have;
            match header::read_damaged(&bytes) {
                Ok((source, damage)) if whole || source.header.has_pixels || damage.is_none() => return Ok(source),
                Err(error) if whole => return Err(IngestError::Header(error)),
                _ => {}
            }
        }
        Err(IngestError::Mismatch)
    });
    read.await.map_err(|e| IngestError::Database(e.into()))?
}
