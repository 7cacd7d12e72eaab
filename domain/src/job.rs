//! Jobs, leases and the retry rule of the analysis queue.

use crate::UnixMs;
use serde::{Deserialize, Serialize};

/// Where a job stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum JobState {
    /// Waiting for `run_at` and a worker.
    Queued,
    /// A worker holds the lease.
    Running,
    /// Finished.
    Done,
    /// All attempts used: shown to the administrator, retried by hand.
    Dead,
}

impl JobState {
    /// The word in rows and in the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Done => "done",
            Self::Dead => "dead",
        }
    }

    /// Reads the word back.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Queued, Self::Running, Self::Done, Self::Dead].into_iter().find(|s| s.as_str() == word)
    }
}

/// What becomes of a job whose attempt failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AfterFailure {
    /// Try again at this time.
    RetryAt(UnixMs),
    /// No attempt is left.
    Dead,
}

/// Attempts that a job gets before it is dead.
pub const MAX_ATTEMPTS: i64 = 3;

/// The retry rule: 2 s, then 4 s, doubling, until [`MAX_ATTEMPTS`] are used.
#[must_use]
pub fn after_failure(now: UnixMs, attempts: i64) -> AfterFailure {
    if attempts >= MAX_ATTEMPTS {
        return AfterFailure::Dead;
    }
    let exponent = u32::try_from(attempts.clamp(0, 16)).unwrap_or(0);
    AfterFailure::RetryAt(now + 1_000 * 2_i64.pow(exponent))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retries_end_in_dead() {
        assert_eq!(after_failure(0, 1), AfterFailure::RetryAt(2_000));
        assert_eq!(after_failure(0, 2), AfterFailure::RetryAt(4_000));
        assert_eq!(after_failure(0, MAX_ATTEMPTS), AfterFailure::Dead);
    }
}
