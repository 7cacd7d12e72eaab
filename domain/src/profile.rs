//! What a destination wants to receive.

use serde::{Deserialize, Serialize};
use std::fmt;

/// The kinds of result object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ResultKind {
    /// Structured Report, TID 1500.
    Sr,
    /// Grayscale Softcopy Presentation State.
    Gsps,
    /// Secondary Capture.
    Sc,
    /// Key Object Selection.
    Kos,
    /// Segmentation.
    Seg,
}

impl ResultKind {
    /// All kinds, in the order in which they are built and delivered.
    pub const ALL: [Self; 5] = [Self::Sr, Self::Gsps, Self::Sc, Self::Seg, Self::Kos];

    /// The word in rows, file names and the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sr => "sr",
            Self::Gsps => "gsps",
            Self::Sc => "sc",
            Self::Kos => "kos",
            Self::Seg => "seg",
        }
    }
}

impl fmt::Display for ResultKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A destination's set of result kinds (`deliver` in ae-titles.toml).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "lowercase")]
pub enum Profile {
    /// SR and GSPS.
    Full,
    /// SR, GSPS and SC.
    Compat,
    /// SC only.
    Minimal,
    /// SR only.
    Research,
    /// Nothing: the peer only sends or is only asked.
    #[default]
    None,
}

impl Profile {
    /// The kinds in the profile, in the order in which they are delivered.
    #[must_use]
    pub const fn kinds(self) -> &'static [ResultKind] {
        match self {
            Self::Full => &[ResultKind::Sr, ResultKind::Gsps],
            Self::Compat => &[ResultKind::Sr, ResultKind::Gsps, ResultKind::Sc],
            Self::Minimal => &[ResultKind::Sc],
            Self::Research => &[ResultKind::Sr],
            Self::None => &[],
        }
    }

    /// Whether the profile has the kind.
    #[must_use]
    pub fn wants(self, kind: ResultKind) -> bool {
        self.kinds().contains(&kind)
    }
}

/// When a destination wants to hear that nothing was analysed (`on_skip` in ae-titles.toml).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "lowercase")]
pub enum OnSkip {
    /// Never.
    None,
    /// Only where a chest film could not be analysed.
    #[default]
    Chest,
    /// For every study that was skipped or failed.
    All,
}
