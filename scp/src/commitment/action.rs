//! N-ACTION: a request is read into a bounded buffer, checked and handed over (PS3.7 section
//! 10.1.4). N-EVENT-REPORT to us, of a peer that we asked: likewise (section 10.1.1).

use super::{CommitmentRequest, ReportedCommitment, Reports};
use crate::association::{Association, dimse, unexpected};
use crate::command::CommandSet;
use crate::handler::StoreHandler;
use crate::negotiation::Context;
use crate::wire::{Arrival, Fault, Patience, Wire};
use centinela_domain::commitment::{
    ALL_COMMITTED, MAX_BYTES, REQUEST, Report, Request, SOME_FAILED, SOP_CLASS, SOP_INSTANCE,
};
use centinela_domain::status::DimseStatus;
use centinela_domain::uid::{Uid, UidError};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::timeout;

/// A longer data set is read and thrown away up to so many bytes; then the peer is not believed to
/// end at all.
const MOST_READ: usize = 4 * MAX_BYTES;
/// A request up to so many bytes needs no place, so that slow long ones hold up only each other.
const SHORT: usize = 64 << 10;
/// Places for longer requests in this process.
static PLACES: Semaphore = Semaphore::const_new(4);

impl<H: StoreHandler> Association<H> {
    /// Serves one N-ACTION request. Gives the status to answer; success means that the request is
    /// durable and will be reported on.
    pub(crate) async fn serve_action<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        wire: &mut Wire<S>,
        context: &Context,
        command: &CommandSet,
        reports: &Reports,
    ) -> Result<DimseStatus, Fault> {
        if let Err(status) = addressed(context, command) {
            if command.data_set {
                self.consume(wire, context, None).await?;
            }
            return Ok(status);
        }
        if !command.data_set {
            return Ok(DimseStatus::MISSING_ATTRIBUTE);
        }
        let collected = self.collect(wire, context).await?;
        let Some((data_set, place)) = collected else { return Ok(DimseStatus::RESOURCE_LIMITATION) };
        let (Some(calling), Some(called)) = (self.calling.clone(), self.called.clone()) else {
            return Ok(DimseStatus::NOT_AUTHORIZED);
        };
        let Request { transaction, references } = match Request::read(&data_set, &context.transfer_syntax) {
            Ok(request) => request,
            Err(status) => return Ok(status),
        };
        drop((data_set, place));
        let request = CommitmentRequest {
            calling,
            called,
            peer: self.peer,
            association: self.id,
            transaction,
            references,
            channel: reports.channel(context),
        };
        Ok(self.handler.commit(request).await)
    }

    /// Serves an N-EVENT-REPORT request: a peer that we asked reports. Whatever roles were negotiated: many peers
    /// propose none.
    pub(crate) async fn serve_event_report<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        wire: &mut Wire<S>,
        context: &Context,
        command: &CommandSet,
    ) -> Result<DimseStatus, Fault> {
        let refusal = match command.event_type {
            _ if context.abstract_syntax.as_str() != SOP_CLASS => Some(DimseStatus::UNRECOGNIZED_OPERATION),
            Some(ALL_COMMITTED | SOME_FAILED) if command.data_set => None,
            Some(ALL_COMMITTED | SOME_FAILED) => Some(DimseStatus::INVALID_ARGUMENT_VALUE),
            Some(_) => Some(DimseStatus::NO_SUCH_EVENT_TYPE),
            None => Some(DimseStatus::MISTYPED_ARGUMENT),
        };
        if let Some(status) = refusal {
            if command.data_set {
                self.consume(wire, context, None).await?;
            }
            return Ok(status);
        }
        let Some((data_set, place)) = self.collect(wire, context).await? else {
            return Ok(DimseStatus::RESOURCE_LIMITATION);
        };
        let (Some(calling), Some(called)) = (self.calling.clone(), self.called.clone()) else {
            return Ok(DimseStatus::NOT_AUTHORIZED);
        };
        let report = match Report::read(&data_set, &context.transfer_syntax) {
            Ok(report) => report,
            Err(status) => return Ok(status),
        };
        drop((data_set, place));
        let reported = ReportedCommitment { calling, called, peer: self.peer, association: self.id, report };
        Ok(self.handler.report(reported).await)
    }

    /// Reads the data set of the open message; `None` if it is longer than a request may be, or is long
    /// and found no place in time. Memory grows with the bytes that come, never with what they claim.
    async fn collect<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        wire: &mut Wire<S>,
        context: &Context,
    ) -> Result<Option<(Vec<u8>, Option<SemaphorePermit<'static>>)>, Fault> {
        let limits = &self.policy.limits;
        let patience = Patience { between: limits.stall, inside: limits.stall, open: true };
        let (mut bytes, mut received, mut place, mut fits) = (Vec::new(), 0_usize, None, true);
        loop {
            let Arrival::Fragment(fragment) = wire.next(patience).await? else {
                return Err(unexpected("a release inside a message"));
            };
            if fragment.command || fragment.context != context.id {
                return Err(dimse("another message inside a data set"));
            }
            received += fragment.data.len();
            if received > MOST_READ {
                return Err(dimse("a data set that does not end"));
            }
            if fits && received > SHORT && place.is_none() {
                place = timeout(limits.stall, PLACES.acquire()).await.ok().and_then(Result::ok);
                fits = place.is_some();
            }
            fits &= received <= MAX_BYTES;
            if fits {
                bytes.extend_from_slice(fragment.data);
            } else {
                (bytes, place) = (Vec::new(), None);
            }
            if fragment.last {
                return Ok(fits.then_some((bytes, place)));
            }
        }
    }
}

/// Whether the request names the class of its context, the class's one instance and its one action.
fn addressed(context: &Context, command: &CommandSet) -> Result<(), DimseStatus> {
    let is = |uid: &Uid, constant: &str| uid.as_str() == constant;
    if !is(&context.abstract_syntax, SOP_CLASS) {
        return Err(DimseStatus::UNRECOGNIZED_OPERATION);
    }
    match &command.requested_class {
        Some(Ok(class)) if is(class, SOP_CLASS) => {}
        Some(_) => return Err(DimseStatus::NO_SUCH_CLASS),
        None => return Err(DimseStatus::MISTYPED_ARGUMENT),
    }
    match &command.requested_instance {
        Some(Ok(instance)) if is(instance, SOP_INSTANCE) => {}
        Some(Ok(_)) => return Err(DimseStatus::NO_SUCH_INSTANCE),
        Some(Err(UidError::Empty)) | None => return Err(DimseStatus::MISTYPED_ARGUMENT),
        Some(Err(_)) => return Err(DimseStatus::INVALID_SOP_INSTANCE),
    }
    match command.action_type {
        Some(REQUEST) => Ok(()),
        Some(_) => Err(DimseStatus::NO_SUCH_ACTION),
        None => Err(DimseStatus::MISTYPED_ARGUMENT),
    }
}
