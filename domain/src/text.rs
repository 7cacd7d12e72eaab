//! Character sets: from the bytes of a text value to Unicode (PS3.3 section C.12.1.1.2; PS3.5
//! section 6.1 and annexes H to K).
//!
//! No declared character set means ASCII. Bytes above 7F are then taken as Latin-1, which is what
//! senders that forget the declaration nearly always mean and what other readers show, and the
//! text is marked with [`CharsetDoubt::Undeclared`]: never a silent guess. Bytes that the declared
//! character set does not have become U+FFFD and [`CharsetDoubt::Undecodable`].

mod charset;
mod iso2022;

use dicom_core::VR;
use serde::{Deserialize, Serialize};

pub use charset::{Charset, TERMS};

/// Why decoded texts may differ from what the sender meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CharsetDoubt {
    /// Bytes outside ASCII without a declared character set: taken as Latin-1.
    Undeclared,
    /// Specific Character Set (0008,0005) holds a term that is not known: taken as Latin-1.
    UnknownTerm,
    /// Bytes that the declared character set does not have.
    Undecodable,
}

/// A decoded value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decoded {
    /// The text, multiple values still separated by backslashes.
    pub text: String,
    /// Whether it may be wrong.
    pub doubt: Option<CharsetDoubt>,
}

/// How a text value is delimited: at each delimiter the character set starts afresh
/// (PS3.5 section 6.1.2.5.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TextKind {
    /// LT, ST, UT: one value, in which a backslash is a character.
    Single,
    /// LO, SH, UC: values separated by backslashes.
    Multiple,
    /// PN: as [`Self::Multiple`], with components and component groups.
    PersonName,
}

impl TextKind {
    /// The kind of a VR that Specific Character Set applies to; `None` for all others.
    #[must_use]
    pub const fn of(vr: VR) -> Option<Self> {
        match vr {
            VR::LT | VR::ST | VR::UT => Some(Self::Single),
            VR::LO | VR::SH | VR::UC => Some(Self::Multiple),
            VR::PN => Some(Self::PersonName),
            _ => None,
        }
    }

    /// Whether a byte (in a single-byte set) ends a stretch of text.
    pub(crate) const fn is_delimiter(self, byte: u8) -> bool {
        match byte {
            b'\t' | b'\n' | 0x0C | b'\r' => true,
            b'\\' => !matches!(self, Self::Single),
            b'^' | b'=' => matches!(self, Self::PersonName),
            _ => false,
        }
    }
}
