//! DIMSE status codes of the Storage, Verification and Storage Commitment services (PS3.7 annex C,
//! PS3.4 section B.2.3 and annex J).

use std::fmt;

/// A DIMSE status code.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct DimseStatus(pub u16);

impl DimseStatus {
    /// Success.
    pub const SUCCESS: Self = Self(0x0000);
    /// Processing failure (PS3.7 C.5.8 and later).
    pub const PROCESSING_FAILURE: Self = Self(0x0110);
    /// Duplicate SOP Instance.
    pub const DUPLICATE_SOP_INSTANCE: Self = Self(0x0111);
    /// No such SOP Instance.
    pub const NO_SUCH_INSTANCE: Self = Self(0x0112);
    /// No such event type (PS3.7 annex C).
    pub const NO_SUCH_EVENT_TYPE: Self = Self(0x0113);
    /// Invalid argument value.
    pub const INVALID_ARGUMENT_VALUE: Self = Self(0x0115);
    /// Invalid SOP Instance: the UID does not follow the rules.
    pub const INVALID_SOP_INSTANCE: Self = Self(0x0117);
    /// No such SOP Class.
    pub const NO_SUCH_CLASS: Self = Self(0x0118);
    /// Missing attribute.
    pub const MISSING_ATTRIBUTE: Self = Self(0x0120);
    /// Missing attribute value.
    pub const MISSING_ATTRIBUTE_VALUE: Self = Self(0x0121);
    /// SOP Class not supported.
    pub const SOP_CLASS_NOT_SUPPORTED: Self = Self(0x0122);
    /// No such action type.
    pub const NO_SUCH_ACTION: Self = Self(0x0123);
    /// Not authorized.
    pub const NOT_AUTHORIZED: Self = Self(0x0124);
    /// Unrecognized operation.
    pub const UNRECOGNIZED_OPERATION: Self = Self(0x0211);
    /// Mistyped argument: the command set does not follow the rules.
    pub const MISTYPED_ARGUMENT: Self = Self(0x0212);
    /// Resource limitation.
    pub const RESOURCE_LIMITATION: Self = Self(0x0213);
    /// Refused: out of resources.
    pub const OUT_OF_RESOURCES: Self = Self(0xA700);
    /// Error: data set does not match SOP class.
    pub const DATA_SET_MISMATCH: Self = Self(0xA900);
    /// Error: cannot understand.
    pub const CANNOT_UNDERSTAND: Self = Self(0xC000);

    /// Success or one of the warnings of the Storage service: the peer has the instance.
    #[must_use]
    pub const fn is_stored(self) -> bool {
        matches!(self.0, 0x0000 | 0x0001 | 0x0107 | 0x0116 | 0xB000..=0xBFFF)
    }
}

impl fmt::Display for DimseStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "0x{:04X}", self.0)
    }
}

impl fmt::Debug for DimseStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
