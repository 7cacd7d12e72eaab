//! A bounded walk over a data set that came from the network (PS3.5 sections 7 and annex A;
//! PS3.10 section 7 for files).
//!
//! Every length is compared with the bytes present before anybody allocates or seeks by it, so a
//! 20-byte object that claims 3 GB is an error here and nothing else. The walk itself allocates
//! nothing; [`crate::header`] builds its data set from the same walk, so guard and parser cannot
//! disagree. Errors name the tag and the offset, never a value.

mod part10;
mod walk;

use dicom_core::Tag;
use flate2::read::DeflateDecoder;
use std::borrow::Cow;
use std::fmt;
use std::io::Read;

pub use part10::{Part10, part10};
pub(crate) use walk::{Token, walk};

/// Deepest nesting of sequences.
pub const MAX_DEPTH: usize = 16;
/// Largest number of elements and items in one data set.
pub const MAX_ELEMENTS: usize = 250_000;
/// An inflated data set may always have this size,
pub const INFLATED_FREE: u64 = 64 << 20;
/// or this many times its compressed size,
pub const INFLATED_RATIO: u64 = 100;
/// but never more than this.
pub const INFLATED_MAX: u64 = 512 << 20;

/// How the elements of a data set are encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// Implicit VR Little Endian.
    ImplicitLittle,
    /// Explicit VR Little Endian, and with it every encapsulated transfer syntax.
    ExplicitLittle,
    /// Explicit VR Big Endian, retired.
    ExplicitBig,
}

impl Encoding {
    /// The encoding of a transfer syntax, and whether the data set is deflated. Syntaxes that
    /// nobody has heard of are taken as encapsulated ones.
    #[must_use]
    pub fn of(transfer_syntax: &str) -> (Self, bool) {
        match transfer_syntax.trim_end_matches(['\0', ' ']) {
            // The second is Papyrus 3, the third GE's private syntax with big-endian pixel data.
            "1.2.840.10008.1.2" | "1.2.840.10008.1.20" | "1.2.840.113619.5.2" => (Self::ImplicitLittle, false),
            "1.2.840.10008.1.2.2" => (Self::ExplicitBig, false),
            "1.2.840.10008.1.2.1.99" | "1.2.840.10008.1.2.4.95" | "1.2.840.10008.1.2.4.205" => {
                (Self::ExplicitLittle, true)
            }
            _ => (Self::ExplicitLittle, false),
        }
    }
}

/// Where Pixel Data (7FE0,0010) lies in [`Scanned::bytes`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PixelElement {
    /// Offset of the element's tag.
    pub offset: usize,
    /// Offset of its value.
    pub value: usize,
    /// Bytes of the value; for encapsulated pixel data all items and the delimiter.
    pub length: usize,
    /// Whether the length is undefined: encapsulated fragments.
    pub encapsulated: bool,
}

/// A data set whose structure was checked to its end.
#[derive(Debug, Clone)]
pub struct Scanned<'a> {
    /// The data set; inflated where the transfer syntax deflates it.
    pub bytes: Cow<'a, [u8]>,
    /// How its elements are encoded.
    pub encoding: Encoding,
    /// Pixel Data of the image itself, not of an icon.
    pub pixels: Option<PixelElement>,
    /// Elements and items seen.
    pub elements: usize,
}

/// Where in a data set something is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The element, if its tag could be read.
    pub tag: Option<Tag>,
    /// Bytes from the start of the data set (of the file, for file meta information).
    pub offset: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(Tag(group, element)) = self.tag {
            write!(f, "({group:04X},{element:04X}), ")?;
        }
        write!(f, "offset {}", self.offset)
    }
}

/// Why a data set is not passed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ScanError {
    /// No preamble and `DICM`.
    #[error("not a DICOM file: no DICM prefix after the preamble")]
    NotDicom,
    /// File meta information without a transfer syntax.
    #[error("the file meta information has no Transfer Syntax UID (0002,0010)")]
    NoTransferSyntax,
    /// The bytes end before the element does.
    #[error("truncated: the data ends inside an element at {0}")]
    Truncated(Place),
    /// Something that the encoding does not allow.
    #[error("{what} at {place}")]
    Malformed {
        /// What.
        what: &'static str,
        /// Where.
        place: Place,
    },
    /// More than [`MAX_DEPTH`] sequences in each other.
    #[error("sequences are nested deeper than {MAX_DEPTH} at {0}")]
    TooDeep(Place),
    /// More than [`MAX_ELEMENTS`] elements.
    #[error("more than {MAX_ELEMENTS} elements at {0}")]
    TooMany(Place),
    /// The deflated stream is broken.
    #[error("the deflated data set cannot be inflated")]
    Inflate,
    /// The deflated stream grows beyond the limits.
    #[error("the deflated data set is larger than the {limit} bytes allowed")]
    InflatedTooLarge {
        /// The limit that applied.
        limit: u64,
    },
}

/// Checks a data set (not a Part 10 file) from its first byte to its last.
///
/// # Errors
/// The first [`ScanError`] met.
pub fn scan<'a>(data: &'a [u8], transfer_syntax: &str) -> Result<Scanned<'a>, ScanError> {
    let (encoding, bytes) = open(data, transfer_syntax)?;
    let walked = walk(&bytes, encoding, &mut |_| {});
    match walked.error {
        Some(error) => Err(error),
        None => Ok(Scanned { encoding, pixels: walked.pixels, elements: walked.elements, bytes }),
    }
}

/// The bytes to walk: inflated where the transfer syntax deflates them.
pub(crate) fn open<'a>(data: &'a [u8], transfer_syntax: &str) -> Result<(Encoding, Cow<'a, [u8]>), ScanError> {
    let (encoding, deflated) = Encoding::of(transfer_syntax);
    Ok((encoding, if deflated { Cow::Owned(inflate(data)?) } else { Cow::Borrowed(data) }))
}

/// As [`open`], for the start of a data set: inflates at most `most` bytes. Also tells whether the
/// bytes are the whole data set; `whole` says whether `data` is.
pub(crate) fn open_start<'a>(
    data: &'a [u8],
    transfer_syntax: &str,
    whole: bool,
    most: usize,
) -> Result<(Encoding, Cow<'a, [u8]>, bool), ScanError> {
    let (encoding, deflated) = Encoding::of(transfer_syntax);
    if !deflated {
        return Ok((encoding, Cow::Borrowed(data), whole));
    }
    let mut bytes = Vec::with_capacity(most);
    let read = DeflateDecoder::new(data).take(most as u64).read_to_end(&mut bytes);
    // A cut stream ends in an error; what came before it is good.
    if bytes.is_empty() || (read.is_err() && whole) {
        return Err(ScanError::Inflate);
    }
    let ended = whole && bytes.len() < most;
    Ok((encoding, Cow::Owned(bytes), ended))
}

/// As [`scan`], where the caller knows how long the data set may be: a deflated one that is longer
/// is not inflated further.
///
/// # Errors
/// As [`scan`].
pub fn scan_within<'a>(data: &'a [u8], transfer_syntax: &str, most: u64) -> Result<Scanned<'a>, ScanError> {
    let (encoding, deflated) = Encoding::of(transfer_syntax);
    if !deflated {
        return scan(data, transfer_syntax);
    }
    let bytes = inflate_within(data, most.min(INFLATED_MAX))?;
    let walked = walk(&bytes, encoding, &mut |_| {});
    match walked.error {
        Some(error) => Err(error),
        None => Ok(Scanned { encoding, pixels: walked.pixels, elements: walked.elements, bytes: Cow::Owned(bytes) }),
    }
}

/// Inflates a deflated data set (PS3.5 section A.5) within the limits.
///
/// # Errors
/// [`ScanError::Inflate`] or [`ScanError::InflatedTooLarge`].
pub fn inflate(data: &[u8]) -> Result<Vec<u8>, ScanError> {
    let limit = (data.len() as u64).saturating_mul(INFLATED_RATIO).clamp(INFLATED_FREE, INFLATED_MAX);
    inflate_within(data, limit)
}

fn inflate_within(data: &[u8], limit: u64) -> Result<Vec<u8>, ScanError> {
    let mut bytes = Vec::new();
    DeflateDecoder::new(data).take(limit + 1).read_to_end(&mut bytes).map_err(|_| ScanError::Inflate)?;
    if bytes.len() as u64 > limit {
        return Err(ScanError::InflatedTooLarge { limit });
    }
    Ok(bytes)
}
