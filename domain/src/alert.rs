//! When people must be told: what is compared with which limit, and the words for the night shift.
//!
//! An alert is raised once, stands while its cause stands, and is cleared once. Pure: facts in,
//! standing alerts out.

use serde::{Deserialize, Serialize};

/// What is wrong. Closed set: the words are part of the API and of the alert rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AlertKind {
    /// A destination does not have a result that is older than the limit.
    DestinationBehind,
    /// A destination refused results for good.
    DeliveryRefused,
    /// A destination answered success for results and will not commit to keep them.
    NotCommitted,
    /// Films wait too long to be analysed.
    AnalysisBehind,
    /// Films or reports were given up.
    WorkGivenUp,
    /// Films wait in quarantine for a person.
    Quarantine,
    /// Space runs short where films and results are kept.
    DiskLow,
}

impl AlertKind {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::DestinationBehind,
        Self::DeliveryRefused,
        Self::NotCommitted,
        Self::AnalysisBehind,
        Self::WorkGivenUp,
        Self::Quarantine,
        Self::DiskLow,
    ];

    /// The word in rows, in the API and in messages.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::DestinationBehind => "destination_behind",
            Self::DeliveryRefused => "delivery_refused",
            Self::NotCommitted => "not_committed",
            Self::AnalysisBehind => "analysis_behind",
            Self::WorkGivenUp => "work_given_up",
            Self::Quarantine => "quarantine",
            Self::DiskLow => "disk_low",
        }
    }

    /// Reads the word back.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word)
    }

    /// What to do first; docs/operations.md has the rest.
    #[must_use]
    pub const fn remedy(self) -> &'static str {
        match self {
            Self::DestinationBehind => {
                "run `centinela doctor` for this destination; nothing is lost, it is sent as soon as it answers"
            }
            Self::DeliveryRefused => "see the last error of its deliveries, correct it there or here, then retry them",
            Self::NotCommitted => {
                "let it offer storage commitment for these classes, or set commitment = \"off\"; then retry them"
            }
            Self::AnalysisBehind => "see whether the machine is overloaded; films are kept and analysed in turn",
            Self::WorkGivenUp => "see the reason of these studies; retry them once it is mended",
            Self::Quarantine => "two films have one UID: decide about each in the quarantine",
            Self::DiskLow => "give the data directory more space, or lower keep_days",
        }
    }
}

/// What one destination's queue looks like.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Queue {
    /// The destination.
    pub destination: String,
    /// Age of the oldest result that it does not have, in milliseconds; 0 if it has all.
    pub oldest_ms: i64,
    /// For how long of that it rested, as ae-titles.toml wants it.
    pub rested_ms: i64,
    /// Results on their way.
    pub waiting: i64,
    /// Results that it refused and nobody has looked after.
    pub refused: i64,
    /// Results that it accepted and will not commit to keep.
    pub unpromised: i64,
}

/// Everything that is compared.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Facts {
    /// Each destination.
    pub queues: Vec<Queue>,
    /// Age of the oldest job that is due, in milliseconds; 0 if none.
    pub oldest_job_ms: i64,
    /// Jobs given up within the last hour.
    pub given_up: i64,
    /// Films in quarantine that nobody has decided about.
    pub quarantined: i64,
    /// Free bytes where films and results are kept.
    pub free_bytes: Option<u64>,
}

/// With what it is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AlertLimits {
    /// Age at which an undelivered result is an alert, in milliseconds.
    pub undelivered_ms: i64,
    /// Age at which a waiting job is an alert, in milliseconds.
    pub queued_ms: i64,
    /// Free bytes below which the disk is an alert.
    pub free_bytes: u64,
}

/// An alert that stands.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Standing {
    /// What is wrong.
    pub kind: AlertKind,
    /// With what: a destination's name, or empty for the node.
    pub subject: String,
    /// The figures, in words. They may change while the alert stands.
    pub text: String,
}

/// What stands now, in a fixed order.
#[must_use]
pub fn standing(facts: &Facts, limits: &AlertLimits) -> Vec<Standing> {
    let mut all = Vec::new();
    let mut raise = |kind, subject: &str, text: String| all.push(Standing { kind, subject: subject.to_owned(), text });
    for queue in &facts.queues {
        let name = queue.destination.as_str();
        if queue.oldest_ms - queue.rested_ms > limits.undelivered_ms {
            let text = format!("{} results wait, the oldest for {}", queue.waiting, span(queue.oldest_ms));
            raise(AlertKind::DestinationBehind, name, text);
        }
        if queue.refused > 0 {
            raise(AlertKind::DeliveryRefused, name, format!("{} results were refused", queue.refused));
        }
        if queue.unpromised > 0 {
            let text = format!("{} results were accepted without a promise to keep them", queue.unpromised);
            raise(AlertKind::NotCommitted, name, text);
        }
    }
    if facts.oldest_job_ms > limits.queued_ms {
        raise(AlertKind::AnalysisBehind, "", format!("the oldest job waits for {}", span(facts.oldest_job_ms)));
    }
    if facts.given_up > 0 {
        raise(AlertKind::WorkGivenUp, "", format!("{} jobs were given up within the last hour", facts.given_up));
    }
    if facts.quarantined > 0 {
        raise(AlertKind::Quarantine, "", format!("{} films wait in quarantine", facts.quarantined));
    }
    if let Some(free) = facts.free_bytes.filter(|free| *free < limits.free_bytes) {
        let text = format!("{} MiB are free, the limit is {} MiB", free >> 20, limits.free_bytes >> 20);
        raise(AlertKind::DiskLow, "", text);
    }
    all.sort();
    all
}

/// A span of time for people: `42 s`, `17 min`, `5 h 03 min`, `3 d 4 h`.
#[must_use]
pub fn span(ms: i64) -> String {
    let seconds = (ms.max(0)) / 1_000;
    let (minutes, hours, days) = (seconds / 60, seconds / 3_600, seconds / 86_400);
    match () {
        () if minutes == 0 => format!("{seconds} s"),
        () if hours == 0 => format!("{minutes} min"),
        () if days == 0 => format!("{hours} h {:02} min", minutes % 60),
        () => format!("{days} d {} h", hours % 24),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: AlertLimits = AlertLimits { undelivered_ms: 900_000, queued_ms: 600_000, free_bytes: 1 << 30 };

    fn kinds(facts: &Facts) -> Vec<(AlertKind, String)> {
        standing(facts, &LIMITS).into_iter().map(|alert| (alert.kind, alert.subject)).collect()
    }

    #[test]
    fn nothing_stands_at_the_limits_and_everything_beyond() {
        let queue = |name: &str, oldest_ms, refused| Queue {
            destination: name.to_owned(),
            oldest_ms,
            rested_ms: 0,
            waiting: 3,
            refused,
            unpromised: refused / 2,
        };
        let quiet = Facts {
            queues: vec![queue("pacs", 900_000, 0)],
            oldest_job_ms: 600_000,
            free_bytes: Some(1 << 30),
            ..Facts::default()
        };
        assert_eq!(kinds(&quiet), []);
        let rested = Queue { rested_ms: 3_600_000, ..queue("pacs", 4_500_000, 0) };
        assert_eq!(kinds(&Facts { queues: vec![rested], ..quiet.clone() }), [], "it rested for an hour of that");
        let loud = Facts {
            queues: vec![queue("pacs", 900_001, 0), queue("archive", 0, 2)],
            oldest_job_ms: 600_001,
            given_up: 1,
            quarantined: 1,
            free_bytes: Some((1 << 30) - 1),
        };
        let words: Vec<_> = kinds(&loud).into_iter().map(|(kind, subject)| (kind.as_str(), subject)).collect();
        let expected = [
            ("destination_behind", "pacs"),
            ("delivery_refused", "archive"),
            ("not_committed", "archive"),
            ("analysis_behind", ""),
            ("work_given_up", ""),
            ("quarantine", ""),
            ("disk_low", ""),
        ];
        assert_eq!(words, expected.map(|(kind, subject)| (kind, subject.to_owned())));
    }

    #[test]
    fn words_are_read_back_and_each_has_a_remedy() {
        for kind in AlertKind::ALL {
            assert_eq!(AlertKind::parse(kind.as_str()), Some(kind));
            assert!(!kind.remedy().is_empty());
        }
    }

    #[test]
    fn spans_are_short() {
        for (ms, text) in [
            (-5, "0 s"),
            (59_999, "59 s"),
            (60_000, "1 min"),
            (3_599_000, "59 min"),
            (18_180_000, "5 h 03 min"),
            (273_600_000, "3 d 4 h"),
        ] {
            assert_eq!(span(ms), text);
        }
    }
}
