//! N-ACTION: a request is read into a bounded buffer, checked and handed over (PS3.7 section
//! 10.1.4). N-EVENT-REPORT to us: we asked nobody, so every transaction is unknown here.

use super::{CommitmentRequest, Reports};
use crate::association::{Association, dimse, unexpected};
use crate::command::CommandSet;
use crate::handler::StoreHandler;
use crate::negotiation::Context;
use crate::wire::{Arrival, Fault, Patience, Wire};
use centinela_domain::commitment::{MAX_BYTES, REQUEST, Request, SOP_CLASS, SOP_INSTANCE};
use centinela_domain::status::DimseStatus;
use centinela_domain::uid::{Uid, UidError};
use tokio::io::{AsyncRead, AsyncWrite};

/// A longer data set is read and thrown away up to so many bytes; then the peer is not believed to
/// end at all.
const MOST_READ: usize = 4 * MAX_BYTES;

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
        let data_set = if command.data_set { Some(self.collect(wire, context).await?) } else { None };
        if let Err(status) = addressed(context, command) {
            return Ok(status);
        }
        match command.action_type {
            Some(REQUEST) => {}
            Some(_) => return Ok(DimseStatus::NO_SUCH_ACTION),
            None => return Ok(DimseStatus::MISTYPED_ARGUMENT),
        }
        let Some(data_set) = data_set else { return Ok(DimseStatus::MISSING_ATTRIBUTE) };
        let Some(data_set) = data_set else { return Ok(DimseStatus::RESOURCE_LIMITATION) };
        let (Some(calling), Some(called)) = (self.calling.clone(), self.called.clone()) else {
            return Ok(DimseStatus::NOT_AUTHORIZED);
        };
        let Request { transaction, references } = match Request::read(&data_set, &context.transfer_syntax) {
            Ok(request) => request,
            Err(status) => return Ok(status),
        };
        drop(data_set);
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

    /// Serves an N-EVENT-REPORT request: somebody reports on a transaction that we never began.
    pub(crate) async fn serve_event_report<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        wire: &mut Wire<S>,
        context: &Context,
        command: &CommandSet,
    ) -> Result<DimseStatus, Fault> {
        if command.data_set {
            self.collect(wire, context).await?;
        }
        if context.abstract_syntax.as_str() != SOP_CLASS {
            return Ok(DimseStatus::UNRECOGNIZED_OPERATION);
        }
        Ok(DimseStatus::INVALID_ARGUMENT_VALUE)
    }

    /// Reads the data set of the open message; `None` if it is longer than a request may be.
    /// Memory grows with the bytes that come, never with what they claim.
    pub(crate) async fn collect<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        wire: &mut Wire<S>,
        context: &Context,
    ) -> Result<Option<Vec<u8>>, Fault> {
        let limits = &self.policy.limits;
        let patience = Patience { between: limits.stall, inside: limits.stall, open: true };
        let (mut bytes, mut received) = (Vec::new(), 0_usize);
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
            if received > MAX_BYTES {
                bytes = Vec::new();
            } else {
                bytes.extend_from_slice(fragment.data);
            }
            if fragment.last {
                return Ok((received <= MAX_BYTES).then_some(bytes));
            }
        }
    }
}

/// Whether the request names the class of its context and the class's one instance.
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
        Some(Ok(instance)) if is(instance, SOP_INSTANCE) => Ok(()),
        Some(Ok(_)) => Err(DimseStatus::NO_SUCH_INSTANCE),
        Some(Err(UidError::Empty)) | None => Err(DimseStatus::MISTYPED_ARGUMENT),
        Some(Err(_)) => Err(DimseStatus::INVALID_SOP_INSTANCE),
    }
}
