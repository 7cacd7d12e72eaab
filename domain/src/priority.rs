//! How urgent a study is, and in which order waiting work is done: three classes with ageing.
//!
//! Work is done in the order of its rank: the time at which it came plus a handicap of its class. An
//! urgent study passes what came before it, yet nothing waits for ever: after its handicap, even the
//! least urgent work stands before all urgent work that comes later.

use crate::UnixMs;
use serde::{Deserialize, Serialize};

/// How urgent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Urgency {
    /// Background work: migration of an archive, for example.
    Low,
    /// What most studies are.
    #[default]
    Routine,
    /// Somebody waits for it.
    Stat,
}

impl Urgency {
    /// All of them, the most urgent first.
    pub const ALL: [Self; 3] = [Self::Stat, Self::Routine, Self::Low];

    /// The word in the configuration and in the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Stat => "stat",
            Self::Routine => "routine",
            Self::Low => "low",
        }
    }

    /// The number in rows: higher is more urgent.
    #[must_use]
    pub const fn number(self) -> i64 {
        match self {
            Self::Low => 0,
            Self::Routine => 1,
            Self::Stat => 2,
        }
    }

    /// Reads the number back; what lies outside is the nearest class.
    #[must_use]
    pub const fn from_number(number: i64) -> Self {
        match number {
            i64::MIN..=0 => Self::Low,
            1 => Self::Routine,
            2..=i64::MAX => Self::Stat,
        }
    }

    /// A value of Requested Procedure Priority (0040,1003), PS3.3 C.4.11; `None` for any other word.
    #[must_use]
    pub fn of_request(word: &str) -> Option<Self> {
        match word.trim().to_ascii_uppercase().as_str() {
            "STAT" | "HIGH" => Some(Self::Stat),
            "ROUTINE" | "MEDIUM" => Some(Self::Routine),
            "LOW" => Some(Self::Low),
            _ => None,
        }
    }

    /// For how long work of this class lets urgent work pass.
    #[must_use]
    pub const fn handicap_ms(self) -> i64 {
        match self {
            Self::Stat => 0,
            Self::Routine => 10 * 60 * 1_000,
            Self::Low => 60 * 60 * 1_000,
        }
    }

    /// The place in the order of work; the smallest is next.
    #[must_use]
    pub const fn rank(self, since: UnixMs) -> i64 {
        since.saturating_add(self.handicap_ms())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_numbers_are_read_back() {
        for urgency in Urgency::ALL {
            assert_eq!(Urgency::from_number(urgency.number()), urgency);
        }
        assert_eq!((Urgency::from_number(-7), Urgency::from_number(99)), (Urgency::Low, Urgency::Stat));
        assert_eq!(Urgency::of_request(" STAT "), Some(Urgency::Stat));
        assert_eq!(Urgency::of_request("MEDIUM"), Some(Urgency::Routine));
        assert_eq!(Urgency::of_request("urgent"), None);
    }

    #[test]
    fn urgent_work_passes_and_nothing_starves() {
        let now = 1_000_000_000;
        assert!(Urgency::Stat.rank(now) < Urgency::Routine.rank(now - 9 * 60_000));
        assert!(Urgency::Routine.rank(now - 11 * 60_000) < Urgency::Stat.rank(now));
        // A minute of work arrives each half minute, all of it urgent: one task of low urgency still
        // comes after its handicap.
        let mut waiting: Vec<(i64, bool)> = vec![(Urgency::Low.rank(0), true)];
        let mut done_at = None;
        for step in 0..1_000_i64 {
            let now = step * 60_000;
            waiting.extend([0, 30_000].map(|later| (Urgency::Stat.rank(now + later), false)));
            waiting.sort_unstable();
            if waiting.remove(0).1 {
                done_at = Some(now);
                break;
            }
        }
        // Half of the urgent work of the first hour stands before it.
        assert!(done_at.is_some_and(|at| at <= 125 * 60_000), "{done_at:?}");
    }
}
