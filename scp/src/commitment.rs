//! Storage Commitment Push Model as SCP (PS3.4 annex J; PS3.7 sections 10.1.1 and 10.1.4): the
//! request that the application is given, and the way in which it reports on the same association.
//!
//! The report may come at any time after the response to the request, so an idle association waits
//! for two things, the next message and the next report. One report is outstanding at a time, as
//! without an asynchronous operations window.

mod action;

use crate::command::{CommandSet, event_report_request};
use crate::handler::AssociationId;
use crate::message::send_message;
use crate::negotiation::{Context, Negotiated};
use crate::wire::{Fault, Wire};
use centinela_domain::ae::AeTitle;
use centinela_domain::commitment::{Reference, Report};
use centinela_domain::status::DimseStatus;
use centinela_domain::uid::Uid;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until};

/// Explicit VR Little Endian (PS3.5 annex A.2).
pub(crate) const EXPLICIT_LITTLE_ENDIAN: &str = "1.2.840.10008.1.2.1";
/// Reports that may wait for their turn on one association.
const QUEUE: usize = 4;

/// A request for storage commitment, its data set read and checked.
#[derive(Debug)]
pub struct CommitmentRequest {
    /// The peer's AE title.
    pub calling: AeTitle,
    /// The AE title under which it called us.
    pub called: AeTitle,
    /// The peer's address.
    pub peer: SocketAddr,
    /// The association.
    pub association: AssociationId,
    /// Transaction UID.
    pub transaction: Uid,
    /// What is asked for, each reference once, at least one.
    pub references: Vec<Reference>,
    /// The way back on the same association, for as long as it is open.
    pub channel: ReportChannel,
}

/// A peer's report on a request of ours, its data set read and checked.
#[derive(Debug)]
pub struct ReportedCommitment {
    /// The peer's AE title.
    pub calling: AeTitle,
    /// The AE title under which it called us.
    pub called: AeTitle,
    /// The peer's address.
    pub peer: SocketAddr,
    /// The association.
    pub association: AssociationId,
    /// What it says.
    pub report: Report,
}

/// Reports on the association on which the request came. Cheap to clone.
#[derive(Debug, Clone)]
pub struct ReportChannel {
    queue: mpsc::Sender<Queued>,
    context: u8,
    explicit: bool,
}

/// The report did not get an answer on this association: it ended, or the peer was silent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the association ended, or the peer did not answer on it in time")]
pub struct NotReported;

impl ReportChannel {
    /// Whether the association has ended.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.queue.is_closed()
    }

    /// Sends the report and gives the status that the peer answers.
    ///
    /// # Errors
    /// [`NotReported`]; the peer may or may not have heard it.
    pub async fn report(&self, report: &Report) -> Result<DimseStatus, NotReported> {
        let (answer, answered) = oneshot::channel();
        let queued = Queued {
            context: self.context,
            event_type: report.event_type(),
            data_set: report.encode(self.explicit),
            answer,
        };
        self.queue.send(queued).await.map_err(|_| NotReported)?;
        answered.await.map_err(|_| NotReported)
    }
}

/// A report on its way into the association.
#[derive(Debug)]
struct Queued {
    context: u8,
    event_type: u16,
    data_set: Vec<u8>,
    answer: oneshot::Sender<DimseStatus>,
}

/// The acceptor's end: reports that wait, and the one that waits for its answer.
pub(crate) struct Reports {
    queue: mpsc::Sender<Queued>,
    waiting: mpsc::Receiver<Queued>,
    sent: Option<Sent>,
    last_message_id: u16,
}

struct Sent {
    message_id: u16,
    answer: oneshot::Sender<DimseStatus>,
    until: Instant,
}

impl Reports {
    pub(crate) fn new() -> Self {
        let (queue, waiting) = mpsc::channel(QUEUE);
        Self { queue, waiting, sent: None, last_message_id: 0 }
    }

    /// The way back for a request on this context.
    pub(crate) fn channel(&self, context: &Context) -> ReportChannel {
        let explicit = context.transfer_syntax.as_str() == EXPLICIT_LITTLE_ENDIAN;
        ReportChannel { queue: self.queue.clone(), context: context.id, explicit }
    }

    /// Waits for the peer's next bytes; meanwhile sends reports as they come.
    ///
    /// Nothing is lost when the wait for bytes is cut: what was read stays in the wire's buffer.
    pub(crate) async fn until_ready<S: AsyncRead + AsyncWrite + Unpin>(
        &mut self,
        wire: &mut Wire<S>,
        negotiated: &Negotiated,
        (idle, stall): (Duration, Duration),
    ) -> Result<(), Fault> {
        loop {
            let overdue = self.sent.as_ref().map(|sent| sent.until);
            let queued = tokio::select! {
                ready = wire.ready(idle) => return ready,
                () = sleep_until(overdue.unwrap_or_else(Instant::now)), if overdue.is_some() => {
                    // Dropped unanswered: the application tries another way.
                    self.sent = None;
                    continue;
                }
                Some(queued) = self.waiting.recv(), if overdue.is_none() => queued,
            };
            let Queued { context, event_type, data_set, answer } = queued;
            if answer.is_closed() {
                continue;
            }
            self.last_message_id = self.last_message_id.checked_add(1).unwrap_or(1);
            let command = event_report_request(self.last_message_id, event_type);
            send_message(wire, context, &command, Some(&data_set), negotiated.peer_max_pdu, stall).await?;
            self.sent = Some(Sent { message_id: self.last_message_id, answer, until: Instant::now() + stall });
        }
    }

    /// Takes the peer's response to a report; false if it answers none that was ever sent here.
    pub(crate) fn answered(&mut self, response: &CommandSet) -> bool {
        let Some(id) = response.responded_id.filter(|id| (1..=self.last_message_id).contains(id)) else {
            return false;
        };
        // A late answer to a report that was given up says nothing any more.
        if let Some(sent) = self.sent.take_if(|sent| sent.message_id == id)
            && let Some(status) = response.status
        {
            let _ = sent.answer.send(status);
        }
        true
    }
}
