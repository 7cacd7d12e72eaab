//! A peer that we call, and what can go wrong (PS3.8 section 9.2, seen from the requestor).

use crate::rejection::Rejection;
use crate::tls::{TlsConnector, TlsRefusal};
use centinela_domain::ae::AeTitle;
use centinela_domain::uid::Uid;
use std::fmt;
use std::io;

/// A peer that accepts associations.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remote {
    /// Its AE title.
    pub ae_title: AeTitle,
    /// Host name or address.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// Calls it by TLS; `None` for plain DICOM.
    pub tls: Option<TlsConnector>,
}

impl fmt::Display for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {}:{}", self.ae_title, self.host, self.port)
    }
}

/// Why a request to a peer failed. The texts name the peer and what to look at.
#[derive(Debug, thiserror::Error)]
pub enum RequestError {
    /// No connection could be made.
    #[error("cannot connect to {remote}: {source}; check host, port and firewall")]
    Unreachable {
        /// The peer.
        remote: Remote,
        /// What the system said.
        source: io::Error,
    },
    /// No TLS connection could be made, or the peer did not like our certificate.
    #[error("no TLS connection to {remote}: {refusal}; check certificates, names and authorities on both sides")]
    Tls {
        /// The peer.
        remote: Remote,
        /// What is wrong.
        refusal: TlsRefusal,
    },
    /// The peer was silent, or did not read, for too long.
    #[error("{remote} did not answer in time ({step}); it may be overloaded")]
    TimedOut {
        /// The peer.
        remote: Remote,
        /// What was waited for.
        step: &'static str,
    },
    /// The peer refused the association for now.
    #[error("{remote} refused the association for now: {rejection}; it will be tried again")]
    RejectedTransient {
        /// The peer.
        remote: Remote,
        /// Its source and reason.
        rejection: Rejection,
    },
    /// The peer refused the association.
    #[error("{remote} refused the association: {rejection}; check AE titles on both sides")]
    RejectedPermanent {
        /// The peer.
        remote: Remote,
        /// Its source and reason.
        rejection: Rejection,
    },
    /// The peer sent A-ABORT.
    #[error("{remote} aborted the association (source {origin}, reason {reason}); see its log")]
    Aborted {
        /// The peer.
        remote: Remote,
        /// 0 service user, 2 service provider.
        origin: u8,
        /// Reason, where the source is the provider.
        reason: u8,
    },
    /// The connection broke or was closed.
    #[error("the connection to {remote} was lost; check the network and the peer's log")]
    Lost {
        /// The peer.
        remote: Remote,
    },
    /// The peer does not take this class in this transfer syntax, or it was not proposed.
    #[error("{remote} does not accept SOP class {sop_class} in the needed transfer syntax")]
    NoPresentationContext {
        /// The peer.
        remote: Remote,
        /// The class.
        sop_class: Uid,
    },
    /// The peer, or the caller, broke the protocol.
    #[error("{remote} and we do not understand each other: {detail}")]
    Protocol {
        /// The peer.
        remote: Remote,
        /// What is wrong.
        detail: &'static str,
    },
    /// A file cannot be sent.
    #[error("the file cannot be sent: {0}")]
    InvalidFile(String),
}
