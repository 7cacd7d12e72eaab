//! Why a film could not become pixels, and which skip reason that is. Never holds patient data.

use centinela_domain::gate::{PixelProblem, SkipReason};
use centinela_domain::scan::ScanError;

/// A film that cannot be turned into an image.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ImageError {
    /// The structure of the file is broken.
    #[error(transparent)]
    File(#[from] ScanError),
    /// The attributes before Pixel Data cannot be read.
    #[error("the header cannot be read: {0}")]
    Header(String),
    /// No decoder here for this transfer syntax, or for this variant of it.
    #[error("no decoder for transfer syntax {uid}{detail}")]
    TransferSyntax {
        /// The Transfer Syntax UID.
        uid: String,
        /// What in particular is not supported; empty or starts with a blank.
        detail: &'static str,
    },
    /// Fewer bytes than the header promises.
    #[error("the pixel data is cut short: {expected} bytes are needed, {found} are there")]
    Truncated {
        /// Bytes that the header promises.
        expected: u64,
        /// Bytes in the file.
        found: u64,
    },
    /// The codec refused the compressed stream.
    #[error("the {codec} stream cannot be decoded: {problem}")]
    Decode {
        /// Codec name.
        codec: &'static str,
        /// What is wrong with the stream.
        problem: String,
    },
    /// The header claims more pixels than we are ready to hold.
    #[error("{columns} x {rows} pixels are over the limit of {limit} pixels")]
    TooLarge {
        /// Columns as claimed.
        columns: u32,
        /// Rows as claimed.
        rows: u32,
        /// The limit in pixels.
        limit: u64,
    },
    /// The pixel description (PS3.3 C.7.6.3) is missing, contradictory or not a grey film's.
    #[error("the pixel description cannot be used: {detail}")]
    Pixels {
        /// Which attribute is at fault.
        problem: PixelProblem,
        /// In words.
        detail: &'static str,
    },
}

impl ImageError {
    pub(crate) const fn pixels(problem: PixelProblem, detail: &'static str) -> Self {
        Self::Pixels { problem, detail }
    }

    /// The reason under which the film is skipped.
    #[must_use]
    pub fn reason(&self) -> SkipReason {
        match self {
            Self::TransferSyntax { uid, .. } => SkipReason::TransferSyntax { uid: uid.clone() },
            Self::Truncated { .. } | Self::File(ScanError::Truncated(_)) => SkipReason::Truncated,
            Self::TooLarge { .. } | Self::File(ScanError::InflatedTooLarge { .. }) => SkipReason::TooLarge,
            Self::File(_) | Self::Header(_) | Self::Decode { .. } => SkipReason::Decode,
            Self::Pixels { problem, .. } => SkipReason::Pixels { problem: *problem },
        }
    }
}
