//! What crosses from the network to the application: one trait and the values it is given
//! (C-STORE, PS3.4 annex B; PS3.7 section 9.1.1; storage commitment, PS3.4 annex J).

use crate::commitment::{CommitmentRequest, ReportedCommitment};
use crate::rejection::RefusalCause;
use crate::spool::Spooled;
use centinela_domain::ae::AeTitle;
use centinela_domain::status::DimseStatus;
use centinela_domain::uid::Uid;
use std::fmt;
use std::future::Future;
use std::net::SocketAddr;
use uuid::Uuid;

/// Names one association in logs and events, across restarts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct AssociationId(pub Uuid);

impl fmt::Display for AssociationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// Priority (0000,0700) of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Priority {
    /// 2.
    Low,
    /// 0, and every value that the standard does not know.
    #[default]
    Medium,
    /// 1.
    High,
}

/// One C-STORE request, as its command set and its association tell. All peer text is checked.
#[derive(Debug, Clone)]
pub struct StoreRequest {
    /// The peer's AE title.
    pub calling: AeTitle,
    /// The AE title under which it called us.
    pub called: AeTitle,
    /// The peer's address.
    pub peer: SocketAddr,
    /// The association.
    pub association: AssociationId,
    /// Affected SOP Class UID, equal to the abstract syntax of the presentation context.
    pub sop_class: Uid,
    /// Affected SOP Instance UID. The data set may say otherwise: the application compares.
    pub sop_instance: Uid,
    /// Transfer syntax of the presentation context.
    pub transfer_syntax: Uid,
    /// Priority.
    pub priority: Priority,
}

/// One instance that was completely received.
#[derive(Debug)]
pub struct ReceivedInstance {
    /// What was asked.
    pub request: StoreRequest,
    /// The bytes, in a file of the spool directory.
    pub spooled: Spooled,
}

/// The application's side of the Storage and Storage Commitment services.
pub trait StoreHandler: Send + Sync + 'static {
    /// Asked before an association is accepted; true answers A-ASSOCIATE-RJ 2/3/1, temporary
    /// congestion. Must not block.
    fn congested(&self) -> bool {
        false
    }

    /// Asked before the data set is read. An error refuses: the data set is thrown away as it
    /// arrives, then this status is answered.
    fn admit(&self, request: &StoreRequest) -> impl Future<Output = Result<(), DimseStatus>> + Send;

    /// Called when the data set is completely written to the spool, but not synced. The handler
    /// makes it durable and returns the status to answer.
    fn store(&self, received: ReceivedInstance) -> impl Future<Output = DimseStatus> + Send;

    /// Called for a request for storage commitment, where [`crate::Policy::commitment`] lets them in.
    /// The handler makes the request durable and returns the status to answer; success is a promise
    /// to report.
    fn commit(&self, request: CommitmentRequest) -> impl Future<Output = DimseStatus> + Send {
        drop(request);
        async { DimseStatus::UNRECOGNIZED_OPERATION }
    }

    /// Called when a peer reports on a request of ours, on an association of its own. The handler makes it
    /// durable and returns the status to answer.
    fn report(&self, reported: ReportedCommitment) -> impl Future<Output = DimseStatus> + Send {
        drop(reported);
        async { DimseStatus::INVALID_ARGUMENT_VALUE }
    }

    /// Told of each association. Must not block.
    fn observe(&self, event: AssociationEvent) {
        let _ = event;
    }
}

/// Something happened to an association.
#[derive(Debug, Clone)]
pub struct AssociationEvent {
    /// The association; every connection gets a name, also one that is never accepted.
    pub association: AssociationId,
    /// The peer's address.
    pub peer: SocketAddr,
    /// The calling AE title, once a valid one is known.
    pub calling: Option<AeTitle>,
    /// The called AE title, once a valid one is known.
    pub called: Option<AeTitle>,
    /// What happened.
    pub change: AssociationChange,
}

/// The life of an association.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AssociationChange {
    /// It is open.
    Accepted {
        /// The peer's Implementation Class UID, as it sent it if that is a UID.
        implementation_class_uid: Option<Uid>,
        /// The peer's Implementation Version Name: at most 16 printable characters of it.
        implementation_version: Option<String>,
        /// How many presentation contexts were accepted, of how many.
        contexts: (usize, usize),
        /// How many contexts were refused because this caller may not send their classes.
        excluded: usize,
    },
    /// It was refused, or the connection was closed at once.
    Refused {
        /// Why.
        cause: RefusalCause,
        /// The calling AE title as it was sent: at most 16 printable ASCII characters of it.
        claimed: String,
    },
    /// It was released by the peer.
    Released,
    /// It ended otherwise.
    Aborted(AbortCause),
}

/// Why an association ended without release.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AbortCause {
    /// The peer sent A-ABORT with this source and reason.
    Peer(u8, u8),
    /// The peer closed the connection, or it broke.
    ConnectionLost,
    /// The peer broke the protocol; the text says how.
    Violation(&'static str),
    /// The peer was silent, or did not read, for too long.
    TimedOut,
    /// The peer sent fewer bytes a second than it must inside a message.
    TooSlow,
    /// We are stopping.
    Stopping,
    /// A fault of our own: the program panicked in this association.
    Panic,
}
