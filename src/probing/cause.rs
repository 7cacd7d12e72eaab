//! Why no association came about, or what is wrong with it: a closed set of words.

use centinela_scp::{Rejection, RequestError, Speaks, TlsRefusal};
use std::io::ErrorKind;

/// The likely cause.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// The host name has no address.
    Name,
    /// Nobody listens on the port.
    Refused,
    /// There is no way to the host.
    NoRoute,
    /// The host does not answer.
    ConnectTimeout,
    /// The connection could not be made for another reason.
    Connect,
    /// We call plainly, and TLS is spoken there.
    TlsExpected,
    /// We call by TLS, and plain DICOM is spoken there.
    PlainExpected,
    /// No TLS connection came about.
    Tls(TlsRefusal),
    /// HTTP is spoken there.
    Http,
    /// SSH is spoken there.
    Ssh,
    /// Something else than DICOM is spoken there.
    NotDicom,
    /// The connection was made, and nobody answers.
    Silent,
    /// The peer closed the connection without a word.
    Closed,
    /// The peer sent A-ABORT.
    Aborted,
    /// What came makes no sense.
    Protocol,
    /// The peer does not know the title under which we call it.
    CalledTitle,
    /// The peer does not know us.
    CallingTitle,
    /// The peer has no place now.
    Congestion,
    /// The peer refused the association for another reason.
    Rejected(Rejection),
}

impl Cause {
    /// By what the requestor says. What closed, was silent or made no sense may be told closer by
    /// [`Cause::closer`].
    #[must_use]
    pub fn of(error: &RequestError) -> Self {
        match error {
            RequestError::Unreachable { source, .. } => match source.kind() {
                ErrorKind::ConnectionRefused => Self::Refused,
                ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable => Self::NoRoute,
                ErrorKind::TimedOut => Self::ConnectTimeout,
                _ => Self::Connect,
            },
            RequestError::Tls { refusal, .. } => Self::Tls(*refusal),
            RequestError::TimedOut { step: "connect", .. } => Self::ConnectTimeout,
            RequestError::TimedOut { .. } => Self::Silent,
            RequestError::RejectedTransient { .. } => Self::Congestion,
            RequestError::RejectedPermanent { rejection, .. } => match *rejection {
                Rejection::CALLED_AE_TITLE => Self::CalledTitle,
                Rejection::CALLING_AE_TITLE => Self::CallingTitle,
                other => Self::Rejected(other),
            },
            RequestError::Aborted { .. } => Self::Aborted,
            RequestError::Lost { .. } => Self::Closed,
            RequestError::NoPresentationContext { .. }
            | RequestError::Protocol { .. }
            | RequestError::InvalidFile(_) => Self::Protocol,
        }
    }

    /// Whether a look at what speaks there could tell more.
    #[must_use]
    pub const fn is_vague(self) -> bool {
        matches!(
            self,
            Self::Closed
                | Self::Silent
                | Self::Aborted
                | Self::Protocol
                | Self::Tls(
                    TlsRefusal::NotTls | TlsRefusal::ConnectionLost | TlsRefusal::TimedOut | TlsRefusal::Protocol
                )
        )
    }

    /// The cause, now that it is known what speaks there; `by_tls` tells how we called.
    #[must_use]
    pub const fn closer(self, speaks: Speaks, by_tls: bool) -> Self {
        match speaks {
            Speaks::Http => Self::Http,
            Speaks::Ssh => Self::Ssh,
            Speaks::Tls if !by_tls => Self::TlsExpected,
            Speaks::Dicom if by_tls => Self::PlainExpected,
            Speaks::Other => Self::NotDicom,
            _ => self,
        }
    }

    /// The word in rows, events and JSON.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Refused => "refused",
            Self::NoRoute => "no_route",
            Self::ConnectTimeout => "connect_timeout",
            Self::Connect => "connect",
            Self::TlsExpected => "tls_expected",
            Self::PlainExpected => "plain_expected",
            Self::Tls(refusal) => refusal.code(),
            Self::Http => "http",
            Self::Ssh => "ssh",
            Self::NotDicom => "not_dicom",
            Self::Silent => "silent",
            Self::Closed => "closed",
            Self::Aborted => "aborted",
            Self::Protocol => "protocol",
            Self::CalledTitle => "called_title",
            Self::CallingTitle => "calling_title",
            Self::Congestion => "congestion",
            Self::Rejected(_) => "rejected",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_closer_look_only_sharpens() {
        assert_eq!(Cause::Closed.closer(Speaks::Tls, false), Cause::TlsExpected);
        assert_eq!(Cause::Tls(TlsRefusal::NotTls).closer(Speaks::Dicom, true), Cause::PlainExpected);
        assert_eq!(Cause::Tls(TlsRefusal::Protocol).closer(Speaks::Tls, true), Cause::Tls(TlsRefusal::Protocol));
        assert_eq!(Cause::Silent.closer(Speaks::Silent, false), Cause::Silent);
        assert_eq!(Cause::Protocol.closer(Speaks::Http, true), Cause::Http);
        assert!(Cause::Closed.is_vague() && !Cause::CalledTitle.is_vague());
        assert!(!Cause::Tls(TlsRefusal::UnknownIssuer).is_vague());
    }
}
