//! The life of a study and its revisions.

use crate::UnixMs;
use serde::{Deserialize, Serialize};

/// Where a study stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StudyState {
    /// Instances still arrive: `quiet_until` has not passed.
    Receiving,
    /// The quiet period passed; the analysis is queued or running.
    Complete,
    /// Results of the current revision are recorded.
    Analyzed,
    /// Nothing suitable: the reasons stand beside each instance.
    Skipped,
    /// The analysis failed for good; the reason is recorded.
    Failed,
}

impl StudyState {
    /// The word in rows and in the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Receiving => "receiving",
            Self::Complete => "complete",
            Self::Analyzed => "analyzed",
            Self::Skipped => "skipped",
            Self::Failed => "failed",
        }
    }

    /// Reads the word back.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Receiving, Self::Complete, Self::Analyzed, Self::Skipped, Self::Failed]
            .into_iter()
            .find(|s| s.as_str() == word)
    }

    /// Whether a late instance has to open the next revision.
    #[must_use]
    pub const fn is_settled(self) -> bool {
        matches!(self, Self::Analyzed | Self::Skipped | Self::Failed)
    }
}

/// When a revision closes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Closing {
    /// If nothing more arrives.
    pub quiet_until: UnixMs,
    /// At the latest, whatever arrives.
    pub closes_by: UnixMs,
}

impl Closing {
    /// Of a revision that opens now.
    #[must_use]
    pub const fn from(now: UnixMs, quiet_period_ms: i64, longest_ms: i64) -> Self {
        Self { quiet_until: now + quiet_period_ms, closes_by: now + longest_ms }
    }
}
