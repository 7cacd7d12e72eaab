//! From the bytes of a received instance to its header: checked, parsed, decoded, indexed.
//!
//! The data set is built from [`crate::scan`]'s walk, so only lengths that were checked are used.
//! Values are kept as received, valid or not: PS3.5 section 6.2's rules are the result builder's
//! concern, and a wrong age must not make a film unreadable.

mod dataset;
mod index;

use crate::evidence::SourceImage;
use crate::gate::SkipReason;
use crate::scan::{self, Encoding, ScanError};
use crate::uid::UidError;

/// Enough of any file for its header: identifiers and modality stand in its first kilobytes.
pub const START: usize = 8 << 20;

/// Why a header cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    /// The file or data set is broken.
    #[error(transparent)]
    Scan(#[from] ScanError),
    /// A mandatory identifier is absent or empty.
    #[error("{attribute} is missing")]
    Missing {
        /// `Keyword (gggg,eeee)`.
        attribute: &'static str,
    },
    /// A mandatory identifier is no UID.
    #[error("{attribute}: {problem}")]
    Invalid {
        /// `Keyword (gggg,eeee)`.
        attribute: &'static str,
        /// What is wrong with it.
        problem: UidError,
    },
}

impl HeaderError {
    /// The reason that an instance with this error is given.
    #[must_use]
    pub const fn reason(&self) -> SkipReason {
        match self {
            Self::Scan(error) => error.reason(),
            _ => SkipReason::Decode,
        }
    }
}

impl ScanError {
    /// The reason that an instance with this error is given.
    #[must_use]
    pub const fn reason(&self) -> SkipReason {
        match self {
            Self::Truncated(_) => SkipReason::Truncated,
            Self::InflatedTooLarge { .. } | Self::TooMany(_) => SkipReason::TooLarge,
            _ => SkipReason::Decode,
        }
    }
}

/// Reads a whole Part 10 file.
///
/// # Errors
/// [`HeaderError`] if the file is broken anywhere, pixel data included, or names no instance.
pub fn read(part10: &[u8]) -> Result<SourceImage, HeaderError> {
    match read_damaged(part10)? {
        (image, None) => Ok(image),
        (_, Some(error)) => Err(error.into()),
    }
}

/// As [`read`], but a file that is sound up to Pixel Data still gives its header, together with
/// the error behind it: a truncated film can be told by its study.
///
/// # Errors
/// [`HeaderError`] if the header itself is broken or names no instance.
pub fn read_damaged(part10: &[u8]) -> Result<(SourceImage, Option<ScanError>), HeaderError> {
    let file = scan::part10(part10)?;
    read_dataset(file.dataset, &file.transfer_syntax)
}

/// As [`read_damaged`], for a data set without file meta information.
///
/// # Errors
/// As [`read_damaged`].
pub fn read_dataset(data: &[u8], transfer_syntax: &str) -> Result<(SourceImage, Option<ScanError>), HeaderError> {
    let (encoding, bytes) = scan::open(data, transfer_syntax)?;
    build(&bytes, encoding, false)
}

/// As [`read_damaged`], for the start of a file, of at most [`START`] bytes: memory does not follow
/// the size of the file, nor what a deflated data set inflates to. `whole` tells whether the start
/// is the whole file. Of a cut header every whole element of the top level counts.
///
/// # Errors
/// As [`read_damaged`].
pub fn read_start(start: &[u8], whole: bool) -> Result<(SourceImage, Option<ScanError>), HeaderError> {
    let file = scan::part10(start)?;
    let (encoding, bytes, whole) = scan::open_start(file.dataset, &file.transfer_syntax, whole, START)?;
    build(&bytes, encoding, !whole)
}

fn build(bytes: &[u8], encoding: Encoding, cut: bool) -> Result<(SourceImage, Option<ScanError>), HeaderError> {
    let mut declared = dataset::Declared::default();
    let walked = scan::walk(bytes, encoding, &mut |token| declared.look(&token));
    let sound = match (walked.error, walked.pixels_at) {
        (None, _) => bytes,
        (Some(_), Some(at)) => &bytes[..at],
        (Some(ScanError::Truncated(_)), None) if cut => &bytes[..walked.complete],
        (Some(error), None) => return Err(error.into()),
    };
    let mut builder = dataset::Builder::new(&declared);
    scan::walk(sound, encoding, &mut |token| builder.take(token));
    let (dataset, doubt) = builder.finish();
    let header = index::index(&dataset, walked.pixels_at.is_some(), doubt)?;
    Ok((SourceImage { header, dataset }, walked.error))
}
