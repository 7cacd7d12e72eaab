//! Receiving: from a spooled instance to a durable blob and a committed row, and only then success.
//!
//! Each association names and syncs its own file, in parallel with the others; names and rows become
//! durable for many instances at once (`commit`).

mod commit;
mod commitment;
pub mod completion;
mod error;
pub mod heard;
mod old_digest;
pub mod refused;
mod rows;
mod space;
mod start;

use crate::app::{App, Counters};
use crate::blob;
use crate::config::{Callers, Conflicts};
use crate::failpoint;
use crate::proven;
use crate::store::instances::{self, InstanceRow};
use anyhow::Context as _;
use centinela_domain::priority::Urgency;
use centinela_domain::status::DimseStatus;
use centinela_scp::{
    AssociationChange, AssociationEvent, CommitmentRequest, Priority, ReceivedInstance, RefusalCause,
    ReportedCommitment, StoreHandler, StoreRequest,
};
use commit::Committer;
pub use error::IngestError;
use heard::Heard;
use refused::RefusedCalls;
use space::FreeSpace;
use std::sync::Arc;
use std::time::Instant;
use tokio::task::block_in_place;

/// Answers C-STORE for the node.
#[derive(Debug, Clone)]
pub struct Ingest {
    app: Arc<App>,
    committer: Committer,
    space: Arc<FreeSpace>,
    refused: Arc<RefusedCalls>,
    heard: Arc<Heard>,
}

impl Ingest {
    /// A handler on the shared application, and the committer that must run beside it; it ends once
    /// the handler is gone.
    pub fn start(app: Arc<App>) -> (Self, impl Future<Output = ()>) {
        let (committer, running) = commit::committer(Arc::clone(&app));
        (Self { app, committer, space: Arc::default(), refused: Arc::default(), heard: Arc::default() }, running)
    }

    /// Refused calls, for [`refused::run`] to write.
    #[must_use]
    pub fn refused_calls(&self) -> Arc<RefusedCalls> {
        Arc::clone(&self.refused)
    }

    /// Calls of peers, for [`heard::run`] to write.
    #[must_use]
    pub fn calls(&self) -> Arc<Heard> {
        Arc::clone(&self.heard)
    }

    fn refuse(&self, event: &AssociationEvent, cause: RefusalCause, claimed: &str) {
        self.app.counters.refused(cause);
        if self.refused.note(event.peer.ip(), cause, claimed, Instant::now()) {
            let (association, peer) = (event.association, event.peer);
            tracing::warn!(%association, %peer, calling = claimed, "association refused: {cause}");
        }
    }

    async fn keep(&self, received: ReceivedInstance) -> Result<(), IngestError> {
        failpoint::hit("ingest.spooled");
        let app = &self.app;
        let ReceivedInstance { request, mut spooled } = received;
        let source = start::read_header(&mut spooled, &request.transfer_syntax).await?;
        if source.header.sop_instance != request.sop_instance || source.header.sop_class != request.sop_class {
            return Err(IngestError::Mismatch);
        }
        let digest = spooled.digest.to_hex();
        self.refuse_conflict(&request, &format!("blake3:{digest}")).await?;
        // The key follows from the content and how it is to be read: within the hour a repeated attempt
        // meets its own file.
        let (sop, syntax) = (&request.sop_instance, &request.transfer_syntax);
        let name = blake3::hash(format!("{sop}\u{1f}{syntax}\u{1f}{digest}").as_bytes()).to_hex();
        let received_at = app.clock.now();
        let key = blob::key_of_hour("instances", received_at, &name, "dcm");
        block_in_place(|| {
            let path = spooled.path.clone();
            let file = spooled.settle().context("write the spool file")?;
            app.blobs.adopt(&key, &path, file)?;
            spooled.keep();
            Ok(())
        })
        .map_err(IngestError::Blob)?;
        failpoint::hit("ingest.blob_durable");

        let row = InstanceRow {
            sop_instance: request.sop_instance.to_string(),
            study_uid: source.header.study.to_string(),
            series_uid: source.header.series.to_string(),
            sop_class: request.sop_class.to_string(),
            transfer_syntax: request.transfer_syntax.to_string(),
            blob: key,
            bytes: i64::try_from(spooled.bytes).unwrap_or(i64::MAX),
            digest: format!("blake3:{digest}"),
            header: serde_json::to_string(&source.header).map_err(|e| IngestError::Database(e.into()))?,
            calling: request.calling.to_string(),
            called: request.called.to_string(),
            peer: request.peer.ip().to_string(),
            priority: said(request.priority).number(),
            received_at,
            revision: None,
            chest: None,
            skip: None,
            unknowns: String::new(),
            deleted_at: None,
            damaged_at: None,
        };
        let urgency = self.urgency(&request, source.header.requested);
        self.committer.commit(row, source.header, urgency).await?;
        Counters::add(&app.counters.instances_stored, 1);
        Counters::add(&app.counters.bytes_stored, spooled.bytes);
        app.work.ring();
        Ok(())
    }
}

impl Ingest {
    /// The highest of what the sender says, or of what is said of this sender in ae-titles.toml instead, and of
    /// what the request says.
    fn urgency(&self, request: &StoreRequest, requested: Option<Urgency>) -> Urgency {
        let of_peer = self.app.config.peers.calling(&request.calling).and_then(|peer| peer.urgency);
        of_peer.unwrap_or(said(request.priority)).max(requested.unwrap_or(Urgency::Low))
    }

    /// With `[dicom] conflicts = "refuse"`: other bytes under a known UID end here, before anything
    /// of them is kept.
    async fn refuse_conflict(&self, request: &StoreRequest, digest: &str) -> Result<(), IngestError> {
        if self.app.config.settings.dicom.conflicts == Conflicts::Keep {
            return Ok(());
        }
        let mut tx = self.app.db.read().await?;
        match instances::find(&mut tx, request.sop_instance.as_str()).await? {
            // Digests of another algorithm are compared by the committer.
            Some(first) if first.digest != digest && first.digest.starts_with("blake3:") => Err(IngestError::Conflict),
            _ => Ok(()),
        }
    }
}

impl StoreHandler for Ingest {
    fn congested(&self) -> bool {
        let low = self.app.config.settings.storage.low_free;
        low > 0 && self.space.bytes(&self.app.blobs).is_none_or(|free| free < low)
    }

    async fn admit(&self, _request: &StoreRequest) -> Result<(), DimseStatus> {
        let least = self.app.config.settings.storage.min_free;
        let free = self.space.bytes(&self.app.blobs);
        if free.is_some_and(|free| free >= least) {
            failpoint::hit("ingest.admitted");
            return Ok(());
        }
        tracing::warn!(free, least, "C-STORE refused: free space is below [storage] min_free, or unknown");
        self.app.room.ring();
        Counters::add(&self.app.counters.instances_refused, 1);
        Err(DimseStatus::OUT_OF_RESOURCES)
    }

    async fn store(&self, received: ReceivedInstance) -> DimseStatus {
        let (association, sop) = (received.request.association, received.request.sop_instance.clone());
        match self.keep(received).await {
            Ok(()) => {
                failpoint::hit("ingest.answering");
                DimseStatus::SUCCESS
            }
            Err(error) => {
                let status = error.status();
                Counters::add(&self.app.counters.instances_refused, 1);
                tracing::error!(%association, sop.instance = %sop, %status, "C-STORE refused: {error:#}");
                status
            }
        }
    }

    async fn report(&self, reported: ReportedCommitment) -> DimseStatus {
        proven::report(&self.app, reported.calling.as_str(), &reported.report).await
    }

    async fn commit(&self, request: CommitmentRequest) -> DimseStatus {
        // A peer that only receives results calls to report, not to ask.
        let (peers, listed) = (&self.app.config.peers, self.app.config.settings.dicom.callers == Callers::Listed);
        if listed && peers.calling(&request.calling).is_none() {
            return DimseStatus::NOT_AUTHORIZED;
        }
        commitment::keep(&self.app, request).await
    }

    fn observe(&self, event: AssociationEvent) {
        let counters = &self.app.counters;
        let (association, peer) = (event.association, event.peer);
        let calling = event.calling.as_ref().map_or("-", |title| title.as_str());
        match &event.change {
            AssociationChange::Accepted { excluded, .. } => {
                Counters::add(&counters.associations_accepted, 1);
                let peers = &self.app.config.peers.peers;
                if let Some(title) = &event.calling
                    && peers.iter().any(|known| known.ae_title.as_ref() == Some(title))
                {
                    self.heard.note(title, peer.ip(), self.app.clock.now());
                }
                if *excluded > 0 {
                    self.refuse(&event, RefusalCause::SopClasses, calling);
                }
            }
            AssociationChange::Released => {}
            AssociationChange::Refused { cause, claimed } => {
                Counters::add(&counters.associations_rejected, 1);
                self.refuse(&event, *cause, claimed);
            }
            AssociationChange::Aborted(cause) => {
                Counters::add(&counters.associations_aborted, 1);
                tracing::warn!(%association, %peer, calling, "association ended: {cause:?}");
            }
        }
    }
}

/// What a sender says by Priority (0000,0700).
const fn said(priority: Priority) -> Urgency {
    match priority {
        Priority::High => Urgency::Stat,
        Priority::Medium => Urgency::Routine,
        Priority::Low => Urgency::Low,
    }
}
