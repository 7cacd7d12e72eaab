//! The acceptor's side of one association: PS3.8 section 9.2 from Sta2 on (see [`crate::state`]),
//! and the Verification and Storage services as SCP (PS3.7 sections 9.1.1 and 9.1.5, PS3.4 annexes
//! A and B). Storage commitment is in [`crate::commitment`].
//!
//! Messages are served one after the other, as without an asynchronous operations window.

use crate::admission::{Admission, Place};
use crate::command::{COMMAND_LIMIT, CommandSet, field, response};
use crate::commitment::Reports;
use crate::handler::{
    AbortCause, AssociationChange, AssociationEvent, AssociationId, Priority, ReceivedInstance, StoreHandler,
    StoreRequest,
};
use crate::identity;
use crate::message::send_message;
use crate::negotiation::{Context, Negotiated, Proposal, VERIFICATION};
use crate::pace::Pace;
use crate::part10::FileMeta;
use crate::policy::Policy;
use crate::rejection::{RefusalCause, Rejection};
use crate::spool::{Blocks, SpoolWriter};
use crate::state::Event;
use crate::tls::Secured;
use crate::wire::{AbortReason, Arrival, Fault, Fragment, Patience, Wire, kind};
use centinela_domain::ae::AeTitle;
use centinela_domain::commitment;
use centinela_domain::status::DimseStatus;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

/// What is not wanted is read in pieces of this size.
const THROWN_AWAY: usize = 16 * 1024;

/// One connection and what is known of its peer.
pub(crate) struct Association<H> {
    pub(crate) policy: Arc<Policy>,
    pub(crate) handler: Arc<H>,
    pub(crate) id: AssociationId,
    pub(crate) peer: SocketAddr,
    /// What is left of ARTIM for the A-ASSOCIATE-RQ.
    pub(crate) opening: Duration,
    /// What the TLS handshake told, if there was one.
    pub(crate) secured: Option<Secured>,
    pub(crate) calling: Option<AeTitle>,
    pub(crate) called: Option<AeTitle>,
    /// Empty blocks, shared by all connections.
    pub(crate) blocks: Arc<Blocks>,
    /// Places and rates, shared by all connections.
    pub(crate) admission: Arc<Admission>,
    /// Cuts the association short.
    pub(crate) halt: CancellationToken,
}

/// How the peer ended an association in good order.
pub(crate) enum Ending {
    /// A-RELEASE.
    Released,
    /// We sent A-ASSOCIATE-RJ.
    Rejected,
}

impl<H: StoreHandler> Association<H> {
    /// Serves the association until it ends. The caller tells the peer of a fault.
    pub(crate) async fn run<S: AsyncRead + AsyncWrite + Unpin>(&mut self, wire: &mut Wire<S>) -> Result<Ending, Fault> {
        let policy = Arc::clone(&self.policy);
        let limits = &policy.limits;
        // Sta2, under ARTIM.
        let (_, pdu) = wire.association_pdu(limits.request_bytes, self.opening, Some(&self.admission)).await?;
        let proposal = Proposal::decode(&pdu)?;
        drop(pdu);
        // Sta3: nothing here waits for the peer.
        self.calling = proposal.calling.clone();
        self.called = proposal.called.clone();
        let decision = match self.decide(&proposal, &policy) {
            Ok((negotiated, accept, place)) => {
                self.prove(&proposal, accept).await.map(|accept| (negotiated, accept, place))
            }
            Err(cause) => Err(cause),
        };
        let (negotiated, accept, _place) = match decision {
            Ok(accepted) => accepted,
            Err(cause) => {
                wire.step(Event::Reject);
                self.tell(AssociationChange::Refused { cause, claimed: proposal.claimed.clone() });
                let rejection = cause.rejection().unwrap_or(Rejection::NO_REASON);
                wire.send(&rejection.pdu(), limits.stall).await?;
                return Ok(Ending::Rejected);
            }
        };
        drop(proposal);
        wire.step(Event::Accept);
        wire.establish(self.halt.clone(), Pace::new(limits.least_rate, limits.rate_window));
        wire.send(&accept, limits.stall).await?;
        drop(accept);
        self.tell(AssociationChange::Accepted {
            implementation_class_uid: negotiated.implementation_class_uid.clone(),
            implementation_version: negotiated.implementation_version.clone(),
            contexts: (negotiated.contexts.len(), negotiated.proposed),
            excluded: negotiated.excluded,
        });
        // Sta6.
        let mut reports = Reports::new();
        loop {
            reports.until_ready(wire, &negotiated, (limits.idle, limits.stall)).await?;
            let Some((context, command)) = self.next_command(wire, &negotiated).await? else { break };
            self.serve_command(wire, &negotiated, &context, &command, &mut reports).await?;
        }
        // Sta8.
        let reply = [kind::RELEASE_RP, 0, 0, 0, 0, 4, 0, 0, 0, 0];
        wire.step(Event::ReleaseAnswer);
        wire.send(&reply, limits.stall).await?;
        self.tell(AssociationChange::Released);
        Ok(Ending::Released)
    }

    /// Lets the peer in or not, in the order of what it costs us and what it tells the peer.
    fn decide(&self, proposal: &Proposal, policy: &Policy) -> Result<(Negotiated, Vec<u8>, Place), RefusalCause> {
        let (host, now) = (self.peer.ip(), Instant::now());
        self.admission.request(host, now)?;
        let (calling, caller) = proposal.caller(policy, host)?;
        let (negotiated, accept) = proposal.answer(policy, caller)?;
        if self.handler.congested() {
            return Err(RefusalCause::Congestion);
        }
        let place = self.admission.associate(host, calling, caller, now)?;
        Ok((negotiated, accept, place))
    }

    /// Whether the peer is who it says that it is. Gives the A-ASSOCIATE-AC, with our answer to its
    /// user identity if it wants one.
    async fn prove(&self, proposal: &Proposal, mut accept: Vec<u8>) -> Result<Vec<u8>, RefusalCause> {
        let (security, secured) = (&self.policy.security, self.secured.as_ref());
        if let Some(calling) = &self.calling {
            security.bindings.check(calling, secured).map_err(RefusalCause::Title)?;
        }
        if let Some(identities) = &security.identities {
            let answer = identities.check(proposal.identity(), secured.is_some()).await.map_err(RefusalCause::User)?;
            if answer && identity::add_response(&mut accept).is_none() {
                warn!(association = %self.id, "no answer to a user identity fits the A-ASSOCIATE-AC");
            }
        }
        Ok(accept)
    }

    /// Collects the next command set, or `None` on a release request.
    async fn next_command<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        wire: &mut Wire<S>,
        negotiated: &Negotiated,
    ) -> Result<Option<(Context, CommandSet)>, Fault> {
        let limits = &self.policy.limits;
        let mut bytes = Vec::new();
        let mut open: Option<&Context> = None;
        loop {
            let between = if open.is_some() { limits.stall } else { limits.idle };
            let patience = Patience { between, inside: limits.stall, open: open.is_some() };
            let fragment = match wire.next(patience).await? {
                Arrival::Fragment(fragment) => fragment,
                Arrival::ReleaseRequest if open.is_none() => return Ok(None),
                _ => return Err(unexpected("a release inside a message")),
            };
            if !fragment.command {
                return Err(dimse("a data set without a command"));
            }
            let context = match open {
                Some(context) if context.id == fragment.context => context,
                Some(_) => return Err(dimse("a command set on two contexts")),
                None => accepted_context(negotiated, fragment)?,
            };
            open = Some(context);
            if bytes.len() + fragment.data.len() > COMMAND_LIMIT {
                return Err(dimse("a command set longer than the limit"));
            }
            bytes.extend_from_slice(fragment.data);
            if fragment.last {
                let command = CommandSet::parse(&bytes).ok_or_else(|| dimse("a command set that cannot be decoded"))?;
                return Ok(Some((context.clone(), command)));
            }
        }
    }

    /// Serves one request to its response.
    async fn serve_command<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        wire: &mut Wire<S>,
        negotiated: &Negotiated,
        context: &Context,
        command: &CommandSet,
        reports: &mut Reports,
    ) -> Result<(), Fault> {
        if command.field == field::N_EVENT_REPORT_RSP && reports.answered(command) {
            return match command.data_set {
                true => self.consume(wire, context, None).await.map(drop),
                false => Ok(()),
            };
        }
        if command.field & field::RESPONSE != 0 {
            return Err(dimse("a response, though nothing was asked"));
        }
        if command.field == field::C_CANCEL_RQ {
            // Nothing here runs long enough to be cancelled (PS3.7 section 9.3.2.3).
            return match command.data_set {
                true => self.consume(wire, context, None).await.map(drop),
                false => Ok(()),
            };
        }
        let Some(message_id) = command.message_id else {
            return Err(dimse("a request without a Message ID"));
        };
        let status = match command.field {
            field::C_STORE_RQ => self.serve_store(wire, context, command).await?,
            field::N_ACTION_RQ => self.serve_action(wire, context, command, reports).await?,
            field::N_EVENT_REPORT_RQ => self.serve_event_report(wire, context, command).await?,
            other => {
                if command.data_set {
                    self.consume(wire, context, None).await?;
                }
                match other {
                    field::C_ECHO_RQ => DimseStatus::SUCCESS,
                    _ => DimseStatus::UNRECOGNIZED_OPERATION,
                }
            }
        };
        let answer = response(command, message_id, status);
        let wait = self.policy.limits.stall;
        send_message(wire, context.id, &answer, None, negotiated.peer_max_pdu, wait).await
    }

    /// C-STORE: checks, asks, receives, hands over. Gives the status to answer.
    async fn serve_store<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        wire: &mut Wire<S>,
        context: &Context,
        command: &CommandSet,
    ) -> Result<DimseStatus, Fault> {
        if !command.data_set {
            return Ok(DimseStatus::MISTYPED_ARGUMENT);
        }
        let request = self.store_request(context, command);
        let admitted = match request {
            Ok(request) => self.handler.admit(&request).await.map(|()| request),
            Err(status) => Err(status),
        };
        let request = match admitted {
            Ok(request) => request,
            Err(status) => {
                self.consume(wire, context, None).await?;
                return Ok(status);
            }
        };
        let header = FileMeta {
            sop_class: &request.sop_class,
            sop_instance: &request.sop_instance,
            transfer_syntax: &request.transfer_syntax,
            implementation_class_uid: &self.policy.implementation_class_uid,
            implementation_version: &self.policy.implementation_version,
            source: &request.calling,
        };
        let writer = SpoolWriter::new(&self.policy.spool, &header.encode(), &self.blocks, self.policy.direct_io);
        let Some(writer) = self.consume(wire, context, Some(writer)).await? else {
            warn!(association = %self.id, "an instance longer than the limit was refused");
            return Ok(DimseStatus::OUT_OF_RESOURCES);
        };
        match writer.finish() {
            Ok(spooled) => Ok(self.handler.store(ReceivedInstance { request, spooled }).await),
            Err(error) => {
                warn!(association = %self.id, %error, "an instance cannot be written to the spool");
                Ok(DimseStatus::OUT_OF_RESOURCES)
            }
        }
    }

    /// The request in checked form, or the status that refuses it (PS3.7 section 9.1.1.1.9).
    ///
    /// A class that is not the abstract syntax of the context was not negotiated there, so it is
    /// not supported there: 0x0122. 0xA900 would speak of the data set, which nobody has read yet.
    fn store_request(&self, context: &Context, command: &CommandSet) -> Result<StoreRequest, DimseStatus> {
        let sop_class = match &command.sop_class {
            Some(Ok(class)) if *class == context.abstract_syntax => class.clone(),
            Some(_) => return Err(DimseStatus::SOP_CLASS_NOT_SUPPORTED),
            None => return Err(DimseStatus::MISTYPED_ARGUMENT),
        };
        if [VERIFICATION, commitment::SOP_CLASS].contains(&sop_class.as_str()) {
            return Err(DimseStatus::SOP_CLASS_NOT_SUPPORTED);
        }
        let sop_instance = match &command.sop_instance {
            Some(Ok(instance)) => instance.clone(),
            Some(Err(_)) => return Err(DimseStatus::INVALID_SOP_INSTANCE),
            None => return Err(DimseStatus::MISTYPED_ARGUMENT),
        };
        // Both were checked before the association was accepted.
        let (Some(calling), Some(called)) = (self.calling.clone(), self.called.clone()) else {
            return Err(DimseStatus::NOT_AUTHORIZED);
        };
        Ok(StoreRequest {
            calling,
            called,
            peer: self.peer,
            association: self.id,
            sop_class,
            sop_instance,
            transfer_syntax: context.transfer_syntax.clone(),
            priority: match command.priority {
                Some(1) => Priority::High,
                Some(2) => Priority::Low,
                _ => Priority::Medium,
            },
        })
    }

    /// Reads the data set of the open message to its end, into the writer if there is one.
    ///
    /// Beyond the limit for an instance the writer is dropped; beyond twice the limit the peer is
    /// not believed to end at all. Gives the writer back, if there still is one.
    pub(crate) async fn consume<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        wire: &mut Wire<S>,
        context: &Context,
        mut writer: Option<SpoolWriter>,
    ) -> Result<Option<SpoolWriter>, Fault> {
        let limits = &self.policy.limits;
        let patience = Patience { between: limits.stall, inside: limits.stall, open: true };
        let mut nowhere = Vec::new();
        let mut received: u64 = 0;
        loop {
            let block = match &mut writer {
                Some(writer) => writer.block(),
                None => {
                    nowhere.clear();
                    nowhere.reserve_exact(THROWN_AWAY);
                    &mut nowhere
                }
            };
            let Arrival::Fragment(placed) = wire.next_into(patience, block).await? else {
                return Err(unexpected("a release inside a message"));
            };
            if placed.command || placed.context != context.id {
                return Err(dimse("another message inside a data set"));
            }
            received = received.saturating_add(placed.count as u64);
            if received > limits.instance_bytes.saturating_mul(2) {
                return Err(dimse("a data set that does not end"));
            }
            if received > limits.instance_bytes {
                writer = None;
            }
            if let Some(writer) = &mut writer {
                writer.added();
            }
            if placed.last {
                return Ok(writer);
            }
        }
    }

    /// Passes an event to the application.
    pub(crate) fn tell(&self, change: AssociationChange) {
        debug!(association = %self.id, peer = %self.peer, ?change, "association");
        self.handler.observe(AssociationEvent {
            association: self.id,
            peer: self.peer,
            calling: self.calling.clone(),
            called: self.called.clone(),
            change,
        });
    }
}

/// What an association that ended by `fault` is reported as, and the A-ABORT to send, if any.
pub(crate) fn cause_of(fault: &Fault) -> (AbortCause, Option<AbortReason>) {
    match fault {
        Fault::Violation(reason, what) => (AbortCause::Violation(what), Some(*reason)),
        Fault::PeerAborted(source, reason) => (AbortCause::Peer(*source, *reason), None),
        Fault::Closed | Fault::Lost => (AbortCause::ConnectionLost, None),
        Fault::TimedOut => (AbortCause::TimedOut, Some(AbortReason::NotSpecified)),
        Fault::TooSlow => (AbortCause::TooSlow, Some(AbortReason::NotSpecified)),
        Fault::Halted => (AbortCause::Stopping, Some(AbortReason::NotSpecified)),
    }
}

fn accepted_context<'a>(negotiated: &'a Negotiated, fragment: Fragment<'_>) -> Result<&'a Context, Fault> {
    let found = negotiated.contexts.iter().find(|context| context.id == fragment.context);
    found.ok_or(Fault::Violation(AbortReason::InvalidParameter, "a presentation context that was not accepted"))
}

/// A violation of PS3.7 rather than PS3.8: the service user gives up.
pub(crate) const fn dimse(what: &'static str) -> Fault {
    Fault::Violation(AbortReason::ServiceUser, what)
}

pub(crate) const fn unexpected(what: &'static str) -> Fault {
    Fault::Violation(AbortReason::UnexpectedPdu, what)
}
