//! The append-only feed of everything that happened.

use super::{Tx, on};
use anyhow::Result;
use centinela_domain::UnixMs;
use serde_json::Value;
use sqlx::QueryBuilder;

/// What happened. Closed set: the words are part of the API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventKind {
    /// An instance is durable.
    Received,
    /// The same instance came again.
    Duplicate,
    /// The same UID came with other bytes.
    VariantReceived,
    /// The other bytes show the same pixels of the same patient.
    VariantAccepted,
    /// The other bytes differ: quarantined.
    Quarantined,
    /// The quiet period passed.
    StudyClosed,
    /// A late film opened the next revision.
    StudyReopened,
    /// A film was scored.
    Predicted,
    /// A film was not analysed.
    ImageSkipped,
    /// An attempt failed.
    JobFailed,
    /// A job has no attempt left.
    JobDead,
    /// The objects of a revision are durable.
    ResultsBuilt,
    /// A source value was invalid and was left out of the results.
    ValueLeftOut,
    /// The film's character set is wrong or missing: its texts may read wrong.
    TextDoubtful,
    /// The study was not analysed.
    StudySkipped,
    /// The study failed.
    StudyFailed,
    /// A destination has the object.
    Delivered,
    /// A destination could not be reached or asked for patience.
    DeliveryDelayed,
    /// A destination refused the object.
    DeliveryRefused,
    /// Nothing can be sent to a destination from now on: it does not answer.
    DestinationDown,
    /// It answers again.
    DestinationBack,
    /// Somebody parked a destination: nothing is sent there.
    DestinationParked,
    /// Somebody resumed it.
    DestinationResumed,
    /// Somebody took a result out of the outbox.
    DeliveryParked,
    /// Somebody put it back.
    DeliveryResumed,
    /// A report was rewritten in a class that its destination takes.
    ResultDowngraded,
    /// The destination does not take this kind after all: nothing is sent.
    DeliveryWithdrawn,
    /// Somebody took the results of a study back.
    ResultsWithdrawn,
    /// A destination was asked what it takes, and gets other kinds from now on.
    PeerProbed,
    /// A destination could not be asked what it takes.
    ProbeFailed,
    /// Somebody asked for another try.
    RetryRequested,
    /// A peer was not let in, or not with all its SOP classes; about no study.
    CallRefused,
    /// A peer asked for storage commitment.
    CommitmentRequested,
    /// The instances of a commitment were checked.
    CommitmentChecked,
    /// The peer took the report.
    CommitmentReported,
    /// The peer could not be told yet.
    CommitmentDelayed,
    /// The peer did not want the report.
    CommitmentRefused,
    /// Nobody knows where the peer is.
    CommitmentUndeliverable,
    /// A model package was read again and serves from then on.
    ModelLoaded,
    /// The bytes of a film are not what was received.
    BytesDamaged,
    /// Somebody decided about a quarantined instance.
    QuarantineResolved,
    /// The order to take the second could not be carried out.
    QuarantineKept,
    /// Retention deleted the bytes of films.
    FilmsDeleted,
    /// A deleted or damaged film came again: its bytes are back.
    FilmRestored,
    /// A destination was asked to commit to results.
    ProofAsked,
    /// It reported which of them it keeps.
    ProofReported,
    /// It did not report in time.
    ProofOverdue,
    /// It refused the request.
    ProofRefused,
    /// Results were looked for at a destination that did not promise to keep them.
    ProofLooked,
    /// Something is wrong that a person must look at; about no study.
    AlertRaised,
    /// It is over.
    AlertCleared,
}

/// Every kind.
pub const ALL: [EventKind; 51] = [
    EventKind::Received,
    EventKind::Duplicate,
    EventKind::VariantReceived,
    EventKind::VariantAccepted,
    EventKind::Quarantined,
    EventKind::StudyClosed,
    EventKind::StudyReopened,
    EventKind::Predicted,
    EventKind::ImageSkipped,
    EventKind::JobFailed,
    EventKind::JobDead,
    EventKind::ResultsBuilt,
    EventKind::ValueLeftOut,
    EventKind::TextDoubtful,
    EventKind::StudySkipped,
    EventKind::StudyFailed,
    EventKind::Delivered,
    EventKind::DeliveryDelayed,
    EventKind::DeliveryRefused,
    EventKind::DestinationDown,
    EventKind::DestinationBack,
    EventKind::DestinationParked,
    EventKind::DestinationResumed,
    EventKind::DeliveryParked,
    EventKind::DeliveryResumed,
    EventKind::ResultDowngraded,
    EventKind::DeliveryWithdrawn,
    EventKind::ResultsWithdrawn,
    EventKind::PeerProbed,
    EventKind::ProbeFailed,
    EventKind::RetryRequested,
    EventKind::CallRefused,
    EventKind::CommitmentRequested,
    EventKind::CommitmentChecked,
    EventKind::CommitmentReported,
    EventKind::CommitmentDelayed,
    EventKind::CommitmentRefused,
    EventKind::CommitmentUndeliverable,
    EventKind::ModelLoaded,
    EventKind::BytesDamaged,
    EventKind::QuarantineResolved,
    EventKind::QuarantineKept,
    EventKind::FilmsDeleted,
    EventKind::FilmRestored,
    EventKind::ProofAsked,
    EventKind::ProofReported,
    EventKind::ProofOverdue,
    EventKind::ProofRefused,
    EventKind::ProofLooked,
    EventKind::AlertRaised,
    EventKind::AlertCleared,
];

/// The words of all kinds.
pub const WORDS: [&str; ALL.len()] = {
    let mut words = [""; ALL.len()];
    let mut n = 0;
    while n < ALL.len() {
        words[n] = ALL[n].as_str();
        n += 1;
    }
    words
};

impl EventKind {
    /// The word in rows and in the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Received => "received",
            Self::Duplicate => "duplicate",
            Self::VariantReceived => "variant_received",
            Self::VariantAccepted => "variant_accepted",
            Self::Quarantined => "quarantined",
            Self::StudyClosed => "study_closed",
            Self::StudyReopened => "study_reopened",
            Self::Predicted => "predicted",
            Self::ImageSkipped => "image_skipped",
            Self::JobFailed => "job_failed",
            Self::JobDead => "job_dead",
            Self::ResultsBuilt => "results_built",
            Self::ValueLeftOut => "value_left_out",
            Self::TextDoubtful => "text_doubtful",
            Self::StudySkipped => "study_skipped",
            Self::StudyFailed => "study_failed",
            Self::Delivered => "delivered",
            Self::DeliveryDelayed => "delivery_delayed",
            Self::DeliveryRefused => "delivery_refused",
            Self::DestinationDown => "destination_down",
            Self::DestinationBack => "destination_back",
            Self::DestinationParked => "destination_parked",
            Self::DestinationResumed => "destination_resumed",
            Self::DeliveryParked => "delivery_parked",
            Self::DeliveryResumed => "delivery_resumed",
            Self::ResultDowngraded => "result_downgraded",
            Self::DeliveryWithdrawn => "delivery_withdrawn",
            Self::ResultsWithdrawn => "results_withdrawn",
            Self::PeerProbed => "peer_probed",
            Self::ProbeFailed => "probe_failed",
            Self::RetryRequested => "retry_requested",
            Self::CallRefused => "call_refused",
            Self::CommitmentRequested => "commitment_requested",
            Self::CommitmentChecked => "commitment_checked",
            Self::CommitmentReported => "commitment_reported",
            Self::CommitmentDelayed => "commitment_delayed",
            Self::CommitmentRefused => "commitment_refused",
            Self::CommitmentUndeliverable => "commitment_undeliverable",
            Self::ModelLoaded => "model_loaded",
            Self::BytesDamaged => "bytes_damaged",
            Self::QuarantineResolved => "quarantine_resolved",
            Self::QuarantineKept => "quarantine_kept",
            Self::FilmsDeleted => "films_deleted",
            Self::FilmRestored => "film_restored",
            Self::ProofAsked => "proof_asked",
            Self::ProofReported => "proof_reported",
            Self::ProofOverdue => "proof_overdue",
            Self::ProofRefused => "proof_refused",
            Self::ProofLooked => "proof_looked",
            Self::AlertRaised => "alert_raised",
            Self::AlertCleared => "alert_cleared",
        }
    }
}

/// An event as stored.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct EventRow {
    /// Position in the feed.
    pub seq: i64,
    /// When.
    pub at: UnixMs,
    /// The study, if it is about one.
    pub study_uid: Option<String>,
    /// The instance or result, if it is about one.
    pub sop_instance: Option<String>,
    /// A word of [`EventKind`].
    pub kind: String,
    /// JSON object; ids and numbers, never PHI.
    pub detail: String,
}

/// Appends an event to the feed, in the transaction of the state it describes.
///
/// # Errors
/// If the database fails.
pub async fn append(
    tx: &mut Tx,
    at: UnixMs,
    study_uid: Option<&str>,
    sop_instance: Option<&str>,
    kind: EventKind,
    detail: Value,
) -> Result<()> {
    on!(tx, c => sqlx::query(
        "insert into event (at, study_uid, sop_instance, kind, detail) values ($1, $2, $3, $4, $5)")
        .bind(at).bind(study_uid).bind(sop_instance).bind(kind.as_str()).bind(detail.to_string()).execute(c).await?.rows_affected());
    Ok(())
}

/// An event to append.
#[derive(Debug, Clone)]
pub struct NewEvent {
    /// When.
    pub at: UnixMs,
    /// The study, if it is about one.
    pub study_uid: Option<String>,
    /// The instance or result, if it is about one.
    pub sop_instance: Option<String>,
    /// What happened.
    pub kind: EventKind,
    /// JSON object; ids and numbers, never PHI.
    pub detail: Value,
}

/// Appends events in this order.
///
/// # Errors
/// If the database fails.
pub async fn append_all(tx: &mut Tx, events: &[NewEvent]) -> Result<()> {
    if events.is_empty() {
        return Ok(());
    }
    on!(tx, c => QueryBuilder::new("insert into event (at, study_uid, sop_instance, kind, detail) ")
        .push_values(events, |mut v, e| {
            v.push_bind(e.at).push_bind(&e.study_uid).push_bind(&e.sop_instance).push_bind(e.kind.as_str());
            v.push_bind(e.detail.to_string());
        })
        .build().execute(c).await?.rows_affected());
    Ok(())
}

/// The events of a study, oldest first.
///
/// # Errors
/// If the database fails.
pub async fn of_study(tx: &mut Tx, study_uid: &str) -> Result<Vec<EventRow>> {
    Ok(on!(tx, c => sqlx::query_as("select * from event where study_uid = $1 order by seq")
        .bind(study_uid).fetch_all(c).await?))
}

/// The latest events, of one kind or of all, the newest first.
///
/// # Errors
/// If the database fails.
pub async fn latest(tx: &mut Tx, kind: Option<&str>, limit: i64) -> Result<Vec<EventRow>> {
    Ok(on!(tx, c => sqlx::query_as(
        "select * from event where (cast($1 as text) is null or kind = $1) order by seq desc limit $2")
        .bind(kind).bind(limit).fetch_all(c).await?))
}

/// How many events of each kind there are.
///
/// # Errors
/// If the database fails.
pub async fn count_by_kind(tx: &mut Tx) -> Result<Vec<(String, i64)>> {
    Ok(on!(tx, c => sqlx::query_as("select kind, count(*) from event group by kind").fetch_all(c).await?))
}
