//! What comes back later than a response: reports on storage commitment (PS3.4 section J.3.3), and the answers to
//! a query (PS3.4 annex C).

use super::Requestor;
use crate::command::{COMMAND_LIMIT, CommandSet, field, find_request, response};
use crate::message::send_message;
use crate::proposal::constant;
use crate::remote::RequestError;
use crate::state::Event;
use crate::wire::{AbortReason, Arrival, Fault, Patience, kind};
use centinela_domain::commitment::{ALL_COMMITTED, MAX_BYTES, Report, SOME_FAILED};
use centinela_domain::query;
use centinela_domain::status::DimseStatus;
use centinela_domain::uid::Uid;
use std::time::Duration;

/// The longest identifier of an answer to a query that is read.
const IDENTIFIER_LIMIT: usize = 64 << 10;
/// Answers to a query after which the peer is not believed to end.
const MOST_ANSWERS: usize = 1_000;
/// Reports that may come before somebody waits for them.
const MOST_REPORTS: usize = 256;
/// C-FIND answers that go on (PS3.4 section C.4.1.1.4).
const PENDING: [u16; 2] = [0xFF00, 0xFF01];

/// A report on this association that waits for our answer.
#[derive(Debug)]
pub struct HeardReport {
    /// What the peer says.
    pub report: Report,
    context: u8,
    command: CommandSet,
}

impl Requestor {
    /// Waits for a report on what was asked on this association; `None` if there is none in time, or the peer
    /// released. Each has to be answered by [`Requestor::answer_report`]; one that cannot be read is answered here.
    ///
    /// # Errors
    /// Any [`RequestError`] of an open association.
    pub async fn next_report(&mut self, wait: Duration) -> Result<Option<HeardReport>, RequestError> {
        loop {
            if let Some((context, command, data_set)) = self.unheard.pop_front() {
                match self.read_report(context, &command, &data_set) {
                    Ok(report) => return Ok(Some(HeardReport { report, context, command })),
                    Err(status) => self.reply(context, &command, status).await?,
                }
                continue;
            }
            if self.broken {
                return Err(RequestError::Lost { remote: self.remote.clone() });
            }
            match self.wire.ready(wait).await {
                Ok(()) => {}
                Err(Fault::TimedOut) => return Ok(None),
                Err(fault) => return self.checked(Err(fault), "N-EVENT-REPORT").await,
            }
            let heard = self.hear().await;
            if !self.checked(heard, "N-EVENT-REPORT").await? {
                return Ok(None);
            }
        }
    }

    /// Answers a report.
    ///
    /// # Errors
    /// Any [`RequestError`] of an open association.
    pub async fn answer_report(&mut self, heard: HeardReport, status: DimseStatus) -> Result<(), RequestError> {
        self.reply(heard.context, &heard.command, status).await
    }

    /// C-FIND: whether the peer has this instance, or the status by which it refuses to say. Needs
    /// [`crate::ProposedContext::find`] among the proposed contexts.
    ///
    /// # Errors
    /// Any [`RequestError`] of an open association.
    pub async fn holds(
        &mut self,
        study: &Uid,
        series: &Uid,
        instance: &Uid,
    ) -> Result<Result<bool, DimseStatus>, RequestError> {
        let class = constant(query::FIND);
        let context = self.context(&class, None)?;
        if self.broken {
            return Err(RequestError::Lost { remote: self.remote.clone() });
        }
        let syntax = self.syntax(context);
        let explicit = syntax.as_str() == crate::commitment::EXPLICIT_LITTLE_ENDIAN;
        let identifier = query::identifier(study, series, instance, explicit);
        let id = self.next_message_id();
        let command = find_request(id, &class);
        let (most, wait) = (self.answer.max_pdu, self.wait);
        let outcome = match send_message(&mut self.wire, context, &command, Some(&identifier), most, wait).await {
            Ok(()) => self.answers(context, &syntax, instance).await,
            Err(fault) => Err(fault),
        };
        self.checked(outcome, "C-FIND").await
    }

    async fn answers(&mut self, context: u8, syntax: &Uid, instance: &Uid) -> Result<Result<bool, DimseStatus>, Fault> {
        let mut named = false;
        for _ in 0..MOST_ANSWERS {
            let set = self.command(context).await?;
            let status = set.status.filter(|_| set.responded_id == Some(self.last_message_id));
            let (field::C_FIND_RSP, Some(status)) = (set.field, status) else {
                return Err(broken("an answer to something else than a query"));
            };
            if set.data_set {
                let identifier = self.data_set(context, IDENTIFIER_LIMIT).await?;
                named |= query::names(&identifier, syntax, instance);
            }
            if !PENDING.contains(&status.0) {
                return Ok(if status == DimseStatus::SUCCESS { Ok(named) } else { Err(status) });
            }
        }
        Err(broken("a query that does not end"))
    }

    /// Takes the next message, which nobody asked for: a report, or the end; false at the end.
    async fn hear(&mut self) -> Result<bool, Fault> {
        let patience = Patience { between: self.wait, inside: self.wait, open: false };
        let context = match self.wire.next(patience).await? {
            Arrival::Fragment(fragment) if fragment.command => {
                if fragment.data.len() > COMMAND_LIMIT {
                    return Err(broken("a command longer than the limit"));
                }
                let (context, bytes, last) = (fragment.context, fragment.data.to_vec(), fragment.last);
                let set = self.rest_of_command(context, bytes, last).await?;
                self.keep_report(context, set).await?;
                return Ok(true);
            }
            Arrival::Fragment(fragment) => fragment.context,
            Arrival::ReleaseRequest => {
                self.wire.step(Event::ReleaseAnswer);
                let reply = [kind::RELEASE_RP, 0, 0, 0, 0, 4, 0, 0, 0, 0];
                self.wire.send(&reply, self.wait).await?;
                self.broken = true;
                return Ok(false);
            }
            Arrival::ReleaseReply => return Err(Fault::Violation(AbortReason::UnexpectedPdu, "a release reply")),
        };
        let _ = context;
        Err(broken("a data set without a command"))
    }

    /// Keeps a report for [`Requestor::next_report`].
    pub(super) async fn keep_report(&mut self, context: u8, set: CommandSet) -> Result<(), Fault> {
        if set.field != field::N_EVENT_REPORT_RQ {
            return Err(broken("a message that nobody waits for"));
        }
        if self.unheard.len() >= MOST_REPORTS {
            return Err(broken("more reports than anybody can have asked for"));
        }
        let data_set = if set.data_set { self.data_set(context, MAX_BYTES).await? } else { Vec::new() };
        self.unheard.push_back((context, set, data_set));
        Ok(())
    }

    fn read_report(&self, context: u8, command: &CommandSet, data_set: &[u8]) -> Result<Report, DimseStatus> {
        match command.event_type {
            Some(ALL_COMMITTED | SOME_FAILED) => Report::read(data_set, &self.syntax(context)),
            Some(_) => Err(DimseStatus::NO_SUCH_EVENT_TYPE),
            None => Err(DimseStatus::MISTYPED_ARGUMENT),
        }
    }

    async fn reply(&mut self, context: u8, command: &CommandSet, status: DimseStatus) -> Result<(), RequestError> {
        if self.broken {
            return Err(RequestError::Lost { remote: self.remote.clone() });
        }
        let message_id = command.message_id.unwrap_or_default();
        let bytes = response(command, message_id, status);
        let sent = send_message(&mut self.wire, context, &bytes, None, self.answer.max_pdu, self.wait).await;
        self.checked(sent, "N-EVENT-REPORT").await
    }

    /// The transfer syntax of an accepted context.
    fn syntax(&self, context: u8) -> Uid {
        let found = self.contexts.iter().find(|c| c.id == context);
        found.map_or_else(|| constant(crate::negotiation::IMPLICIT_LITTLE_ENDIAN), |c| c.transfer_syntax.clone())
    }

    /// Reads a data set to its end.
    async fn data_set(&mut self, context: u8, most: usize) -> Result<Vec<u8>, Fault> {
        let patience = Patience { between: self.wait, inside: self.wait, open: true };
        let mut bytes = Vec::new();
        loop {
            let Arrival::Fragment(fragment) = self.wire.next(patience).await? else {
                return Err(Fault::Violation(AbortReason::UnexpectedPdu, "a release inside a message"));
            };
            if fragment.context != context || fragment.command || bytes.len() + fragment.data.len() > most {
                return Err(broken("a data set that cannot be read"));
            }
            bytes.extend_from_slice(fragment.data);
            if fragment.last {
                return Ok(bytes);
            }
        }
    }
}

/// A violation of PS3.7 rather than PS3.8.
pub(super) const fn broken(what: &'static str) -> Fault {
    Fault::Violation(AbortReason::ServiceUser, what)
}
