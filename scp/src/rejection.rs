//! Reasons for A-ASSOCIATE-RJ (PS3.8 section 9.3.4), on both sides of an association.

use crate::identity::IdentityRefusal;
use crate::tls::{BindingRefusal, TlsRefusal};
use std::fmt;

/// Result, source and reason of an A-ASSOCIATE-RJ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rejection {
    /// Result 2: another attempt may succeed. Else result 1.
    pub transient: bool,
    /// Source: 1 service user, 2 service provider (ACSE), 3 service provider (presentation).
    pub source: u8,
    /// Reason or diagnostic; its meaning depends on the source.
    pub reason: u8,
}

impl Rejection {
    /// The service user gives no reason: a user identity that is not accepted.
    pub const USER_NO_REASON: Self = Self::permanent(1, 1);
    /// The application context is not DICOM's.
    pub const APPLICATION_CONTEXT: Self = Self::permanent(1, 2);
    /// Calling AE title not recognized.
    pub const CALLING_AE_TITLE: Self = Self::permanent(1, 3);
    /// Called AE title not recognized.
    pub const CALLED_AE_TITLE: Self = Self::permanent(1, 7);
    /// The request cannot be served as it is; the standard has no closer reason.
    pub const NO_REASON: Self = Self::permanent(2, 1);
    /// Protocol version not supported.
    pub const PROTOCOL_VERSION: Self = Self::permanent(2, 2);
    /// Temporary congestion: another attempt may succeed.
    pub const CONGESTION: Self = Self { transient: true, source: 3, reason: 1 };
    /// Local limit exceeded: another attempt may succeed.
    pub const LOCAL_LIMIT: Self = Self { transient: true, source: 3, reason: 2 };

    const fn permanent(source: u8, reason: u8) -> Self {
        Self { transient: false, source, reason }
    }

    /// Result, source and reason as people write them: `2/3/1`.
    #[must_use]
    pub fn code(self) -> String {
        format!("{}/{}/{}", if self.transient { 2 } else { 1 }, self.source, self.reason)
    }

    /// The whole PDU.
    pub(crate) const fn pdu(self) -> [u8; 10] {
        let result = if self.transient { 2 } else { 1 };
        [crate::wire::kind::ASSOCIATE_RJ, 0, 0, 0, 0, 4, 0, result, self.source, self.reason]
    }

    /// Reads a whole PDU.
    pub(crate) fn from_pdu(pdu: &[u8]) -> Option<Self> {
        let &[_, _, _, _, _, _, _, result, source, reason] = pdu else { return None };
        Some(Self { transient: result == 2, source, reason })
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match (self.source, self.reason) {
            (1, 2) => "application context name not supported",
            (1, 3) => "calling AE title not recognized",
            (1, 7) => "called AE title not recognized",
            (2, 2) => "protocol version not supported",
            (3, 1) => "temporary congestion",
            (3, 2) => "local limit exceeded",
            _ => "no reason given",
        };
        write!(f, "{text} ({})", self.code())
    }
}

/// Why we did not let a peer in, or not with all it wanted. Closed set: the words are part of the API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RefusalCause {
    /// Another version of the protocol.
    ProtocolVersion,
    /// Another application context.
    ApplicationContext,
    /// No valid presentation contexts, or a maximum length that is too small.
    Request,
    /// It called somebody else.
    CalledTitle,
    /// Nobody of this title may call.
    UnknownCaller,
    /// The title may call, yet not from this address.
    Network,
    /// All connections are open; closed at once.
    Connections,
    /// All connections of this address are open; closed at once.
    ConnectionsOfAddress,
    /// All associations are open.
    Associations,
    /// All associations of this address are open.
    AssociationsOfAddress,
    /// All associations of this caller are open.
    AssociationsOfCaller,
    /// Too many requests of this address in a minute.
    RateOfAddress,
    /// Too many associations of this caller in a minute.
    RateOfCaller,
    /// The application cannot take more now: free space, for example.
    Congestion,
    /// It proposed SOP classes that it may not send: those contexts are refused, the association is not.
    SopClasses,
    /// No TLS connection was made, so there was nothing to ask for an association on.
    Tls(TlsRefusal),
    /// Its certificate does not fit its AE title.
    Title(BindingRefusal),
    /// Its user identity is not accepted.
    User(IdentityRefusal),
}

impl RefusalCause {
    /// One for each word of [`Self::group`].
    pub const ALL: [Self; 18] = [
        Self::ProtocolVersion,
        Self::ApplicationContext,
        Self::Request,
        Self::CalledTitle,
        Self::UnknownCaller,
        Self::Network,
        Self::Connections,
        Self::ConnectionsOfAddress,
        Self::Associations,
        Self::AssociationsOfAddress,
        Self::AssociationsOfCaller,
        Self::RateOfAddress,
        Self::RateOfCaller,
        Self::Congestion,
        Self::SopClasses,
        Self::Tls(TlsRefusal::Protocol),
        Self::Title(BindingRefusal::OtherCertificate),
        Self::User(IdentityRefusal::User),
    ];

    /// The word in metrics: one for all reasons of TLS, of certificates and of identities.
    #[must_use]
    pub const fn group(self) -> &'static str {
        match self {
            Self::Tls(_) => "tls",
            Self::Title(_) => "certificate",
            Self::User(_) => "identity",
            other => other.code(),
        }
    }

    /// The word in events.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::ProtocolVersion => "protocol_version",
            Self::ApplicationContext => "application_context",
            Self::Request => "request",
            Self::CalledTitle => "called_title",
            Self::UnknownCaller => "unknown_caller",
            Self::Network => "network",
            Self::Connections => "connections",
            Self::ConnectionsOfAddress => "connections_of_address",
            Self::Associations => "associations",
            Self::AssociationsOfAddress => "associations_of_address",
            Self::AssociationsOfCaller => "associations_of_caller",
            Self::RateOfAddress => "rate_of_address",
            Self::RateOfCaller => "rate_of_caller",
            Self::Congestion => "congestion",
            Self::SopClasses => "sop_classes",
            Self::Tls(refusal) => refusal.code(),
            Self::Title(refusal) => refusal.code(),
            Self::User(refusal) => refusal.code(),
        }
    }

    /// The A-ASSOCIATE-RJ that answers it, if that is how it is answered.
    #[must_use]
    pub const fn rejection(self) -> Option<Rejection> {
        Some(match self {
            Self::ProtocolVersion => Rejection::PROTOCOL_VERSION,
            Self::ApplicationContext => Rejection::APPLICATION_CONTEXT,
            Self::Request => Rejection::NO_REASON,
            Self::CalledTitle => Rejection::CALLED_AE_TITLE,
            Self::UnknownCaller | Self::Network | Self::Title(_) => Rejection::CALLING_AE_TITLE,
            Self::Associations | Self::AssociationsOfAddress | Self::AssociationsOfCaller => Rejection::LOCAL_LIMIT,
            Self::RateOfAddress | Self::RateOfCaller | Self::Congestion => Rejection::CONGESTION,
            Self::User(_) => Rejection::USER_NO_REASON,
            Self::Connections | Self::ConnectionsOfAddress | Self::SopClasses | Self::Tls(_) => return None,
        })
    }
}

impl fmt::Display for RefusalCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tls(refusal) => write!(f, "no TLS connection: {refusal}")?,
            Self::Title(refusal) => write!(f, "{refusal}")?,
            Self::User(refusal) => write!(f, "{refusal}")?,
            other => f.write_str(other.code())?,
        }
        self.rejection().map_or(Ok(()), |rejection| write!(f, ", answered: {rejection}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rejection_survives_the_wire() {
        for rejection in [Rejection::LOCAL_LIMIT, Rejection::CONGESTION, Rejection::CALLED_AE_TITLE] {
            assert_eq!(Rejection::from_pdu(&rejection.pdu()), Some(rejection));
        }
        assert_eq!(Rejection::LOCAL_LIMIT.to_string(), "local limit exceeded (2/3/2)");
        assert_eq!(Rejection::from_pdu(b"\x03\0\0\0"), None);
    }
}
