//! One result on its way to one destination: states, classification of answers, back-off.

mod answers;
pub mod hours;

pub use answers::{ANSWERS, Answer, Treatment, answer_of, treatment_of};

use crate::UnixMs;
use crate::status::DimseStatus;
use serde::{Deserialize, Serialize};

/// Where a delivery stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DeliveryState {
    /// Waiting for `next_at`.
    Scheduled,
    /// An association carries it now; the lease ends if the process dies.
    Sending,
    /// The destination answered success or a warning.
    Accepted,
    /// The destination committed to keep it (Storage Commitment).
    Committed,
    /// The destination refused it for good; shown, replayable by hand.
    Refused,
    /// Taken out of the outbox by an operator, until somebody resumes it.
    Parked,
}

impl DeliveryState {
    /// The word in rows and in the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Scheduled => "scheduled",
            Self::Sending => "sending",
            Self::Accepted => "accepted",
            Self::Committed => "committed",
            Self::Refused => "refused",
            Self::Parked => "parked",
        }
    }

    /// Reads the word back.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Scheduled, Self::Sending, Self::Accepted, Self::Committed, Self::Refused, Self::Parked]
            .into_iter()
            .find(|s| s.as_str() == word)
    }
}

/// What an attempt to send one object ended with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attempt {
    /// The peer answered the C-STORE request.
    Answered(DimseStatus),
    /// The peer accepted no presentation context for the SOP class.
    NoPresentationContext,
    /// The association was refused for good (A-ASSOCIATE-RJ, permanent).
    RejectedPermanent,
    /// Everything that may be over soon: no connection, time-out, abort, transient refusal.
    Unreachable,
}

/// What follows from an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The destination has it.
    Accepted,
    /// Try again later, without a limit on the number of tries.
    Retry,
    /// Trying again would not help until somebody changes something.
    Refused,
}

impl Outcome {
    /// By [`ANSWERS`]. A permanent association refusal is retried slowly, since PACS administrators
    /// correct AE titles without telling anybody.
    #[must_use]
    pub fn classify(attempt: Attempt) -> Self {
        match attempt {
            Attempt::Answered(status) => match treatment_of(status) {
                Treatment::Delivered | Treatment::DeliveredWithWarning | Treatment::AlreadyThere => Self::Accepted,
                Treatment::Retry => Self::Retry,
                Treatment::Park => Self::Refused,
            },
            Attempt::NoPresentationContext => Self::Refused,
            Attempt::RejectedPermanent | Attempt::Unreachable => Self::Retry,
        }
    }
}

/// Longest wait between two attempts: 15 minutes.
pub const MAX_BACKOFF_MS: i64 = 15 * 60 * 1_000;

/// Exponential back-off with full jitter: `jitter` in 0..1 picks a point between half a second and
/// the ceiling of this attempt (1 s doubling, capped at [`MAX_BACKOFF_MS`]).
#[must_use]
pub fn next_attempt(now: UnixMs, attempts: i64, jitter: f64) -> UnixMs {
    let exponent = u32::try_from(attempts.clamp(0, 20)).unwrap_or(0);
    let ceiling = (1_000 * 2_i64.pow(exponent)).min(MAX_BACKOFF_MS);
    let spread = (ceiling - 500) as f64 * jitter.clamp(0.0, 1.0);
    now + 500 + spread as i64
}

/// When a result that its destination accepted and then did not keep is sent again: at once, then after a minute, and
/// each time after four times as long, up to a day. A destination that never commits gets each result once a day.
#[must_use]
pub fn next_proof(now: UnixMs, rounds: i64, jitter: f64) -> UnixMs {
    match u32::try_from(rounds) {
        Ok(0) | Err(_) => next_attempt(now, 1, jitter),
        Ok(rounds) => {
            let ceiling = (60_000 * 4_i64.pow((rounds - 1).min(6))).min(24 * 60 * 60 * 1_000);
            now + ceiling / 2 + (ceiling as f64 / 2.0 * jitter.clamp(0.0, 1.0)) as i64
        }
    }
}

/// An object that waits for its next attempt holds up later ones of its study for so many attempts, about a
/// quarter of an hour. Then order is worth less than that they arrive.
pub const HOLDS_UP: i64 = 10;

/// A destination with which associations come about, yet that answers nothing, is down after so many attempts in
/// a row.
pub const SILENT_ATTEMPTS: i64 = 3;

/// When a destination that is down is asked whether it is back: after 1 s, doubling up to `every_ms`.
#[must_use]
pub fn next_probe(now: UnixMs, failures: i64, every_ms: i64) -> UnixMs {
    let doubled = 1_000 * 2_i64.pow(u32::try_from(failures.clamp(1, 20) - 1).unwrap_or(0));
    now + doubled.min(every_ms.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_destination_is_asked_soon_and_then_every_so_often() {
        let waits: Vec<_> =
            [0, 1, 2, 3, 6, 1_000].iter().map(|failures| next_probe(7, *failures, 30_000) - 7).collect();
        assert_eq!(waits, [1_000, 1_000, 2_000, 4_000, 30_000, 30_000]);
    }

    #[test]
    fn answers_are_classified_by_the_table() {
        let of = |code| Outcome::classify(Attempt::Answered(DimseStatus(code)));
        for stored in [0x0000, 0xB000, 0xB006, 0xB007, 0x0107, 0x0111] {
            assert_eq!(of(stored), Outcome::Accepted, "{stored:04X}");
        }
        for later in [0xA700, 0xA702, 0x0110, 0x0213] {
            assert_eq!(of(later), Outcome::Retry, "{later:04X}");
        }
        for never in [0x0122, 0x0124, 0xA900, 0xC000, 0xC123] {
            assert_eq!(of(never), Outcome::Refused, "{never:04X}");
        }
        assert_eq!(Outcome::classify(Attempt::Unreachable), Outcome::Retry);
        assert_eq!(Outcome::classify(Attempt::NoPresentationContext), Outcome::Refused);
    }

    #[test]
    fn what_is_never_kept_is_sent_once_a_day_in_the_end() {
        let waits: Vec<_> = [0, 1, 2, 3, 6, 7, 1_000].iter().map(|n| next_proof(0, *n, 1.0) / 1_000).collect();
        assert_eq!(waits, [2, 60, 240, 960, 61_440, 86_400, 86_400]);
        assert_eq!(next_proof(0, 7, 0.0), 43_200_000);
    }

    #[test]
    fn backoff_grows_and_is_capped() {
        assert_eq!(next_attempt(0, 1, 0.0), 500);
        assert_eq!(next_attempt(0, 1, 1.0), 2_000);
        assert_eq!(next_attempt(0, 60, 1.0), MAX_BACKOFF_MS);
    }
}
