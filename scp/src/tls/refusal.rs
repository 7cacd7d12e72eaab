//! Why a TLS connection was not made, in words for the log: no name of a person, no key, no byte
//! of the peer.

use rustls::{CertificateError, Error, PeerIncompatible};
use std::fmt;
use std::io;

/// Why a handshake failed. The peer was told by an alert where TLS has one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TlsRefusal {
    /// What came is no TLS.
    NotTls,
    /// The peer offers neither TLS 1.2 nor 1.3.
    Version,
    /// No cipher, group or signature in common.
    Cipher,
    /// The peer showed no certificate.
    NoCertificate,
    /// No authority that we trust signed the certificate.
    UnknownIssuer,
    /// The certificate is past its end.
    Expired,
    /// The certificate is before its begin.
    NotYetValid,
    /// The certificate is on the revocation list.
    Revoked,
    /// There is no revocation list of an issuer of the chain.
    NoRevocationList,
    /// The revocation list is past its next update.
    RevocationListExpired,
    /// The certificate is not made for this purpose.
    Purpose,
    /// The certificate is not made for this name.
    Name,
    /// The certificate or its signature is malformed, or uses what we do not know.
    BadCertificate,
    /// The peer refused us by this alert (RFC 8446 section 6); 48 and 42 to 46 mean our certificate.
    PeerAlert(u8),
    /// The peer broke the protocol.
    Protocol,
    /// The handshake took too long.
    TimedOut,
    /// The peer closed the connection, or it broke.
    ConnectionLost,
}

impl TlsRefusal {
    /// The word in events.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::NotTls => "tls_not_tls",
            Self::Version => "tls_version",
            Self::Cipher => "tls_cipher",
            Self::NoCertificate => "tls_no_certificate",
            Self::UnknownIssuer => "tls_unknown_issuer",
            Self::Expired => "tls_expired",
            Self::NotYetValid => "tls_not_yet_valid",
            Self::Revoked => "tls_revoked",
            Self::NoRevocationList => "tls_no_revocation_list",
            Self::RevocationListExpired => "tls_revocation_list_expired",
            Self::Purpose => "tls_purpose",
            Self::Name => "tls_name",
            Self::BadCertificate => "tls_bad_certificate",
            Self::PeerAlert(_) => "tls_peer_alert",
            Self::Protocol => "tls_protocol",
            Self::TimedOut => "tls_timed_out",
            Self::ConnectionLost => "tls_connection_lost",
        }
    }

    /// Reads what rustls reports through the stream.
    pub(crate) fn of(error: &io::Error) -> Self {
        let Some(inner) = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) else {
            return Self::ConnectionLost;
        };
        match inner {
            Error::InvalidMessage(_) => Self::NotTls,
            Error::NoCertificatesPresented => Self::NoCertificate,
            Error::AlertReceived(alert) => Self::PeerAlert(u8::from(*alert)),
            Error::InvalidCertificate(error) => Self::of_certificate(error),
            Error::PeerIncompatible(why) => match why {
                PeerIncompatible::Tls12NotOffered
                | PeerIncompatible::Tls12NotOfferedOrEnabled
                | PeerIncompatible::ServerDoesNotSupportTls12Or13
                | PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig
                | PeerIncompatible::SupportedVersionsExtensionRequired => Self::Version,
                _ => Self::Cipher,
            },
            _ => Self::Protocol,
        }
    }

    const fn of_certificate(error: &CertificateError) -> Self {
        match error {
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => Self::Expired,
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => Self::NotYetValid,
            CertificateError::Revoked => Self::Revoked,
            CertificateError::UnknownIssuer => Self::UnknownIssuer,
            CertificateError::UnknownRevocationStatus => Self::NoRevocationList,
            CertificateError::ExpiredRevocationList | CertificateError::ExpiredRevocationListContext { .. } => {
                Self::RevocationListExpired
            }
            CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => Self::Purpose,
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => Self::Name,
            _ => Self::BadCertificate,
        }
    }
}

impl fmt::Display for TlsRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            Self::NotTls => "what came is no TLS",
            Self::Version => "it offers neither TLS 1.2 nor TLS 1.3",
            Self::Cipher => "no cipher suite in common",
            Self::NoCertificate => "it showed no certificate",
            Self::UnknownIssuer => "no trusted authority signed its certificate",
            Self::Expired => "its certificate has expired",
            Self::NotYetValid => "its certificate is not valid yet",
            Self::Revoked => "its certificate is revoked",
            Self::NoRevocationList => "there is no revocation list of the authority that signed its certificate",
            Self::RevocationListExpired => "the revocation list of its authority is past its next update",
            Self::Purpose => "its certificate is not made for this purpose",
            Self::Name => "its certificate is not made for this host name",
            Self::BadCertificate => "its certificate cannot be verified",
            Self::PeerAlert(alert @ (42..=46 | 48)) => {
                return write!(f, "it does not accept our certificate (TLS alert {alert})");
            }
            Self::PeerAlert(116) => "it wants a certificate of ours (TLS alert 116)",
            Self::PeerAlert(alert) => return write!(f, "it sent TLS alert {alert}"),
            Self::Protocol => "it broke the TLS protocol",
            Self::TimedOut => "the TLS handshake took too long",
            Self::ConnectionLost => "the connection was lost in the TLS handshake",
        };
        f.write_str(text)
    }
}
