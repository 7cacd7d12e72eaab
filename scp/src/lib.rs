//! The DICOM network of Centinela: acceptor and requestor of associations (PS3.7, PS3.8).
//!
//! The only crate that knows PDUs and presentation contexts. [`serve`] accepts associations and
//! streams each instance into a file, which it hands to a [`StoreHandler`], as it does with requests
//! for storage commitment; [`Requestor`] sends to a peer. Association PDUs are encoded and decoded by `dicom-ul`; P-DATA and command sets are
//! handled here, with every length checked before it is believed.
//!
//! In reading order: `wire` (framing), `message` (sending), `command` (command sets),
//! `negotiation`, `association` (the acceptor), `commitment`, `listener`, `spool`, `part10`, `remote`, `scu`
//! (the requestor).

mod association;
mod command;
mod commitment;
mod handler;
mod listener;
mod message;
mod negotiation;
mod part10;
mod policy;
mod rejection;
mod remote;
mod scu;
mod spool;
mod wire;

pub use commitment::{CommitmentRequest, NotReported, ReportChannel};
pub use handler::{
    AbortCause, AssociationChange, AssociationEvent, AssociationId, Priority, ReceivedInstance, StoreHandler,
    StoreRequest,
};
pub use listener::serve;
pub use part10::part10_parts;
pub use policy::{CalledRule, Caller, CallerRule, Limits, Policy};
pub use rejection::Rejection;
pub use remote::{Remote, RequestError};
pub use scu::{ProposedContext, Requestor, RequestorOptions};
pub use spool::Spooled;
