//! The DICOM network of Centinela: acceptor and requestor of associations (PS3.7, PS3.8).
//!
//! The only crate that knows PDUs and presentation contexts. [`serve`] accepts associations and
//! streams each instance into a file, which it hands to a [`StoreHandler`], as it does with requests
//! for storage commitment; [`Requestor`] sends to a peer. Association PDUs are encoded and decoded
//! by `dicom-ul`; P-DATA and command sets are handled here, with every length checked before it is
//! believed. Either side may speak TLS.
//!
//! In reading order: `state` (the state machine), `wire` (framing), `pace` (the least rate),
//! `message` (sending), `command` (command sets), `negotiation` and `preference` (what is accepted),
//! `policy`, `network` and `admission` (who is let in), `identity`, `association` (the acceptor),
//! `commitment`, `listener`, `spool`, `part10`, `remote`, `proposal`, `scu` (the requestor), `sniff`, `tls`.

mod admission;
mod association;
mod command;
mod commitment;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzz;
mod handler;
mod identity;
mod listener;
mod message;
mod negotiation;
mod network;
mod pace;
mod part10;
mod policy;
pub mod preference;
mod proposal;
mod rejection;
mod remote;
mod scu;
mod sniff;
mod spool;
mod state;
mod tls;
mod wire;

pub use commitment::{CommitmentRequest, NotReported, ReportChannel, ReportedCommitment};
pub use handler::{
    AbortCause, AssociationChange, AssociationEvent, AssociationId, Priority, ReceivedInstance, StoreHandler,
    StoreRequest,
};
pub use identity::{Identities, IdentityFiles, IdentityMode, IdentityRefusal, hash_passcode};
pub use listener::{Listener, serve, serve_all};
pub use network::{Network, NetworkError};
pub use part10::part10_parts;
pub use policy::{CalledRule, Caller, CallerRule, Limits, Policy, Security};
pub use proposal::{ContextAnswer, PeerAnswer, ProposedContext, Role};
pub use rejection::{RefusalCause, Rejection};
pub use remote::{Remote, RequestError};
pub use scu::{HeardReport, Requestor, RequestorOptions};
pub use sniff::{Speaks, sniff};
pub use spool::Spooled;
pub use tls::suites;
pub use tls::{
    AcceptorFiles, Binding, BindingRefusal, Bindings, CertificateName, ClientCertificates, ConnectorFiles,
    CredentialError, PeerCertificate, TlsAcceptor, TlsConnector, TlsRefusal,
};
