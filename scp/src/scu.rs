//! The requestor's side of an association: Verification and Storage as SCU (PS3.4 annexes A and B,
//! PS3.7 section 9.1, PS3.8 section 9.2), storage commitment in both roles (PS3.4 annex J).
//! One request is outstanding at a time.

mod asking;

pub use asking::HeardReport;

use crate::command::{
    COMMAND_LIMIT, CommandSet, action_request, echo_request, event_report_request, field, store_request,
};
use crate::commitment::EXPLICIT_LITTLE_ENDIAN;
use crate::message::send_message;
use crate::negotiation::{Context, VERIFICATION};
use crate::pace::Pace;
use crate::proposal::{PeerAnswer, ProposedContext, constant, request_pdu};
use crate::rejection::Rejection;
use crate::remote::{Remote, RequestError};
use crate::state::Event;
use crate::tls::Transport;
use crate::wire::{AbortReason, Arrival, Fault, Patience, Wire, kind};
use asking::broken;
use centinela_domain::ae::AeTitle;
use centinela_domain::commitment::{self, Report, Request};
use centinela_domain::status::DimseStatus;
use centinela_domain::uid::Uid;
use dicom_ul::pdu::{Pdu, read_pdu};
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// The longest A-ASSOCIATE-AC that is taken from a peer.
const ACCEPT_LIMIT: u32 = 64 * 1024;
/// Contexts in one association (PS3.8 section 9.3.2.2).
const MOST_CONTEXTS: usize = 128;

/// How we call.
#[derive(Debug, Clone)]
pub struct RequestorOptions {
    /// Our AE title.
    pub calling: AeTitle,
    /// For the TCP connection, and once more for the TLS handshake.
    pub connect_timeout: Duration,
    /// For each answer, and for each write that the peer must take.
    pub response_timeout: Duration,
    /// The longest P-DATA that we take, in bytes, at least 1018.
    pub max_pdu: u32,
    /// Our Implementation Class UID.
    pub implementation_class_uid: Uid,
    /// Our Implementation Version Name, 1 to 16 characters; longer is cut.
    pub implementation_version: String,
}

/// One open association with a peer.
///
/// After an error other than [`RequestError::NoPresentationContext`] the association is aborted
/// and every further request fails. Dropping it closes the connection; prefer
/// [`Requestor::release`].
#[derive(Debug)]
pub struct Requestor {
    wire: Wire<Transport>,
    remote: Remote,
    own: SocketAddr,
    peer: SocketAddr,
    contexts: Vec<Context>,
    answer: PeerAnswer,
    wait: Duration,
    last_message_id: u16,
    broken: bool,
    /// Reports that came while something else was waited for.
    unheard: VecDeque<(u8, CommandSet, Vec<u8>)>,
}

impl Requestor {
    /// Connects and negotiates. At least one context must be accepted.
    ///
    /// # Errors
    /// Any [`RequestError`] but `InvalidFile`.
    pub async fn open(
        remote: &Remote,
        options: &RequestorOptions,
        contexts: &[ProposedContext],
    ) -> Result<Self, RequestError> {
        let requestor = Self::negotiate(remote, options, contexts).await?;
        match contexts.first() {
            Some(first) if requestor.contexts.is_empty() => {
                requestor.release().await;
                let sop_class = first.abstract_syntax.clone();
                Err(RequestError::NoPresentationContext { remote: remote.clone(), sop_class })
            }
            _ => Ok(requestor),
        }
    }

    /// As [`Requestor::open`], but an association on which nothing was accepted is one too:
    /// [`Requestor::answer`] tells what the peer said to each context.
    ///
    /// # Errors
    /// Any [`RequestError`] but `InvalidFile` and `NoPresentationContext`.
    pub async fn negotiate(
        remote: &Remote,
        options: &RequestorOptions,
        contexts: &[ProposedContext],
    ) -> Result<Self, RequestError> {
        let protocol = |detail| RequestError::Protocol { remote: remote.clone(), detail };
        if contexts.is_empty() {
            return Err(protocol("no presentation context to propose"));
        }
        if contexts.len() > MOST_CONTEXTS {
            return Err(protocol("more than 128 presentation contexts to propose"));
        }
        let request =
            request_pdu(remote, options, contexts).ok_or_else(|| protocol("the request cannot be encoded"))?;
        let unreachable = |source| RequestError::Unreachable { remote: remote.clone(), source };
        let connecting = TcpStream::connect((remote.host.as_str(), remote.port));
        let stream = match timeout(options.connect_timeout, connecting).await {
            Ok(connected) => connected.map_err(unreachable)?,
            Err(_) => {
                return Err(RequestError::TimedOut { remote: remote.clone(), step: "connect" });
            }
        };
        stream.set_nodelay(true).map_err(unreachable)?;
        let (own, peer) = (stream.local_addr().map_err(unreachable)?, stream.peer_addr().map_err(unreachable)?);
        let transport = match &remote.tls {
            None => Transport::Plain(stream),
            Some(connector) => {
                let shaken = connector.connect(&remote.host, stream, options.connect_timeout).await;
                shaken.map_err(|refusal| RequestError::Tls { remote: remote.clone(), refusal })?
            }
        };
        let mut requestor = Self {
            wire: Wire::new(transport, options.max_pdu, CancellationToken::new()),
            remote: remote.clone(),
            own,
            peer,
            contexts: Vec::new(),
            answer: PeerAnswer::default(),
            wait: options.response_timeout,
            last_message_id: 0,
            broken: false,
            unheard: VecDeque::new(),
        };
        let step = "association request";
        let sent = requestor.wire.send(&request, requestor.wait).await;
        requestor.checked(sent, step).await?;
        requestor.wire.requested();
        let answer = requestor.wire.association_pdu(ACCEPT_LIMIT, requestor.wait, None).await;
        let (pdu, bytes) = requestor.checked(answer, step).await?;
        if pdu == kind::ASSOCIATE_RJ {
            let remote = remote.clone();
            return Err(match Rejection::from_pdu(&bytes) {
                Some(rejection) if rejection.transient => RequestError::RejectedTransient { remote, rejection },
                Some(rejection) => RequestError::RejectedPermanent { remote, rejection },
                None => protocol("an A-ASSOCIATE-RJ that cannot be decoded"),
            });
        }
        let accepted = match read_pdu(bytes.as_slice(), ACCEPT_LIMIT, true) {
            Ok(Some(Pdu::AssociationAC(accepted))) => PeerAnswer::read(&accepted, contexts),
            _ => Err("an A-ASSOCIATE-AC that cannot be decoded"),
        };
        let accepted = accepted.map_err(|what| Fault::Violation(AbortReason::InvalidParameter, what));
        (requestor.answer, requestor.contexts) = requestor.checked(accepted, step).await?;
        requestor.wire.establish(CancellationToken::new(), Pace::off());
        Ok(requestor)
    }

    /// What the peer said to the proposal, and of itself.
    #[must_use]
    pub const fn answer(&self) -> &PeerAnswer {
        &self.answer
    }

    /// Whether the association still stands, as far as we know.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        !self.broken
    }

    /// Our own address, as this connection has it.
    #[must_use]
    pub const fn own_address(&self) -> SocketAddr {
        self.own
    }

    /// The peer's address, as this connection has it.
    #[must_use]
    pub const fn peer_address(&self) -> SocketAddr {
        self.peer
    }

    /// Whether the peer takes this class in this transfer syntax.
    #[must_use]
    pub fn accepts(&self, sop_class: &Uid, transfer_syntax: &Uid) -> bool {
        self.context(sop_class, Some(transfer_syntax)).is_ok()
    }

    /// C-ECHO. Needs [`ProposedContext::verification`] among the proposed contexts.
    ///
    /// # Errors
    /// Any [`RequestError`] of an open association.
    pub async fn echo(&mut self) -> Result<DimseStatus, RequestError> {
        let class = constant(VERIFICATION);
        let context = self.context(&class, None)?;
        let id = self.next_message_id();
        let command = echo_request(id, &class);
        self.exchange(context, &command, None, field::C_ECHO_RSP, "C-ECHO").await
    }

    /// C-STORE of one data set, encoded in `transfer_syntax`, without File Meta Information.
    ///
    /// A data set of an odd length is against PS3.5 section 7.1.1, yet archives hold some; it is
    /// sent as it is, and [`RequestError::InvalidFile`] is the error if the peer aborts on it.
    ///
    /// # Errors
    /// Any [`RequestError`] of an open association. A status other than success is no error.
    pub async fn store(
        &mut self,
        sop_class: &Uid,
        sop_instance: &Uid,
        transfer_syntax: &Uid,
        data_set: &[u8],
    ) -> Result<DimseStatus, RequestError> {
        let context = self.context(sop_class, Some(transfer_syntax))?;
        let id = self.next_message_id();
        let command = store_request(id, sop_class, sop_instance);
        match self.exchange(context, &command, Some(data_set), field::C_STORE_RSP, "C-STORE").await {
            Err(RequestError::Aborted { remote, .. }) if data_set.len() % 2 == 1 => {
                let what = format!("its data set has an odd length, which {remote} does not take; re-encode it");
                Err(RequestError::InvalidFile(what))
            }
            outcome => outcome,
        }
    }

    /// N-ACTION that asks for storage commitment (PS3.4 section J.3.2). Needs a context for its class among
    /// the proposed ones, in the role of SCU. The outcome comes later, as the peer's N-EVENT-REPORT.
    ///
    /// # Errors
    /// Any [`RequestError`] of an open association. A status other than success is no error.
    pub async fn ask_commitment(&mut self, request: &Request) -> Result<DimseStatus, RequestError> {
        let class = constant(commitment::SOP_CLASS);
        let context = self.context(&class, None)?;
        let syntax = self.contexts.iter().find(|c| c.id == context).map(|c| c.transfer_syntax.as_str());
        let data_set = request.encode(syntax == Some(EXPLICIT_LITTLE_ENDIAN));
        let id = self.next_message_id();
        let command = action_request(id, commitment::REQUEST);
        self.exchange(context, &command, Some(&data_set), field::N_ACTION_RSP, "N-ACTION").await
    }

    /// N-EVENT-REPORT of a transaction of the peer. Needs [`ProposedContext::commitment`] among the
    /// proposed contexts.
    ///
    /// # Errors
    /// Any [`RequestError`] of an open association. A status other than success is no error.
    pub async fn report(&mut self, report: &Report) -> Result<DimseStatus, RequestError> {
        let context = self.context(&constant(commitment::SOP_CLASS), None)?;
        let explicit = self.accepts(&constant(commitment::SOP_CLASS), &constant(EXPLICIT_LITTLE_ENDIAN));
        let id = self.next_message_id();
        let command = event_report_request(id, report.event_type());
        let data_set = report.encode(explicit);
        self.exchange(context, &command, Some(&data_set), field::N_EVENT_REPORT_RSP, "N-EVENT-REPORT").await
    }

    /// A-RELEASE, then close. Whether the peer answers does not matter: every request before was
    /// answered.
    pub async fn release(mut self) {
        if self.broken {
            return;
        }
        let request = [kind::RELEASE_RQ, 0, 0, 0, 0, 4, 0, 0, 0, 0];
        self.wire.step(Event::Release);
        if self.wire.send(&request, self.wait).await.is_ok() {
            let patience = Patience { between: self.wait, inside: self.wait, open: true };
            let _ = self.wire.next(patience).await;
        }
    }

    /// The context for a class, in a transfer syntax if that matters.
    fn context(&self, class: &Uid, syntax: Option<&Uid>) -> Result<u8, RequestError> {
        let fits = |context: &&Context| {
            context.abstract_syntax == *class && syntax.is_none_or(|syntax| context.transfer_syntax == *syntax)
        };
        self.contexts.iter().find(fits).map(|context| context.id).ok_or_else(|| RequestError::NoPresentationContext {
            remote: self.remote.clone(),
            sop_class: class.clone(),
        })
    }

    fn next_message_id(&mut self) -> u16 {
        self.last_message_id = self.last_message_id.checked_add(1).unwrap_or(1);
        self.last_message_id
    }

    /// Sends one request and waits for its response.
    async fn exchange(
        &mut self,
        context: u8,
        command: &[u8],
        data_set: Option<&[u8]>,
        expected: u16,
        step: &'static str,
    ) -> Result<DimseStatus, RequestError> {
        if self.broken {
            return Err(RequestError::Lost { remote: self.remote.clone() });
        }
        let sent = send_message(&mut self.wire, context, command, data_set, self.answer.max_pdu, self.wait).await;
        let outcome = match sent {
            // The peer may have said why it closed.
            Err(Fault::Lost) => self.response(context, expected).await,
            Err(fault) => Err(fault),
            Ok(()) => self.response(context, expected).await,
        };
        self.checked(outcome, step).await
    }

    /// Collects the command set of the response to the last request; a report that comes first is kept.
    async fn response(&mut self, context: u8, expected: u16) -> Result<DimseStatus, Fault> {
        let set = loop {
            let set = self.command(context).await?;
            if set.field != field::N_EVENT_REPORT_RQ {
                break set;
            }
            self.keep_report(context, set).await?;
        };
        if set.field != expected || set.responded_id != Some(self.last_message_id) {
            return Err(broken("a response to something else"));
        }
        match (set.data_set, expected) {
            (false, _) => {}
            // An event or action reply, which says nothing that we need (PS3.7 sections 10.1.1.1.7, 10.1.4.1.8).
            (true, field::N_EVENT_REPORT_RSP | field::N_ACTION_RSP) => self.skip_data_set(context).await?,
            (true, _) => return Err(broken("a response with a data set")),
        }
        set.status.ok_or_else(|| broken("a response without a status"))
    }

    /// Collects a command set on one context.
    async fn command(&mut self, context: u8) -> Result<CommandSet, Fault> {
        self.rest_of_command(context, Vec::new(), false).await
    }

    async fn rest_of_command(&mut self, context: u8, mut bytes: Vec<u8>, mut last: bool) -> Result<CommandSet, Fault> {
        let patience = Patience { between: self.wait, inside: self.wait, open: true };
        while !last {
            let Arrival::Fragment(fragment) = self.wire.next(patience).await? else {
                return Err(Fault::Violation(AbortReason::UnexpectedPdu, "a release by the peer"));
            };
            if fragment.context != context || !fragment.command {
                return Err(broken("a message that is no response"));
            }
            if bytes.len() + fragment.data.len() > COMMAND_LIMIT {
                return Err(broken("a response longer than the limit"));
            }
            bytes.extend_from_slice(fragment.data);
            last = fragment.last;
        }
        CommandSet::parse(&bytes).ok_or_else(|| broken("a response that is torn"))
    }

    async fn skip_data_set(&mut self, context: u8) -> Result<(), Fault> {
        let patience = Patience { between: self.wait, inside: self.wait, open: true };
        let mut received = 0_usize;
        loop {
            let arrival = self.wire.next(patience).await?;
            let Arrival::Fragment(fragment) = arrival else {
                return Err(Fault::Violation(AbortReason::UnexpectedPdu, "a release by the peer"));
            };
            received += fragment.data.len();
            if fragment.context != context || fragment.command || received > COMMAND_LIMIT {
                return Err(Fault::Violation(AbortReason::ServiceUser, "a reply that cannot be read"));
            }
            if fragment.last {
                return Ok(());
            }
        }
    }

    /// Turns a fault into the caller's error, and tells the peer where it still listens.
    async fn checked<T>(&mut self, outcome: Result<T, Fault>, step: &'static str) -> Result<T, RequestError> {
        let fault = match outcome {
            Ok(value) => return Ok(value),
            Err(fault) => fault,
        };
        self.broken = true;
        let remote = self.remote.clone();
        Err(match fault {
            Fault::Violation(reason, detail) => {
                self.wire.send_abort(reason).await;
                RequestError::Protocol { remote, detail }
            }
            Fault::TimedOut | Fault::TooSlow => {
                self.wire.send_abort(AbortReason::ServiceUser).await;
                RequestError::TimedOut { remote, step }
            }
            Fault::PeerAborted(origin, reason) => RequestError::Aborted { remote, origin, reason },
            Fault::Closed | Fault::Lost | Fault::Halted => match self.wire.stream().tls_fault() {
                Some(refusal) => RequestError::Tls { remote, refusal },
                None => RequestError::Lost { remote },
            },
        })
    }
}
