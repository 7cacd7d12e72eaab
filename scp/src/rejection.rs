//! Reasons for A-ASSOCIATE-RJ (PS3.8 section 9.3.4), on both sides of an association.

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
    /// Local limit exceeded.
    pub const LOCAL_LIMIT: Self = Self { transient: true, source: 3, reason: 2 };

    const fn permanent(source: u8, reason: u8) -> Self {
        Self { transient: false, source, reason }
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
        let result = if self.transient { 2 } else { 1 };
        write!(f, "{text} ({result}/{}/{})", self.source, self.reason)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rejection_survives_the_wire() {
        for rejection in [Rejection::LOCAL_LIMIT, Rejection::CALLED_AE_TITLE] {
            assert_eq!(Rejection::from_pdu(&rejection.pdu()), Some(rejection));
        }
        assert_eq!(Rejection::LOCAL_LIMIT.to_string(), "local limit exceeded (2/3/2)");
        assert_eq!(Rejection::from_pdu(b"\x03\0\0\0"), None);
    }
}
