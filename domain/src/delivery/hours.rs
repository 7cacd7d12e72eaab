//! When a destination may be called: hours in which it rests, and how many objects it takes in a minute.
//!
//! Pure: the caller says what the clock on the wall shows.

use crate::UnixMs;
use serde::{Deserialize, Deserializer};
use std::collections::VecDeque;
use std::fmt;
use std::str::FromStr;

const MINUTES_OF_A_DAY: u16 = 24 * 60;

/// A part of every day in which nothing is sent, such as `02:00-03:00`; past midnight, too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rest {
    /// Minute of the day at which it begins.
    from: u16,
    /// Minute of the day at which it is over.
    to: u16,
}

/// The text is no part of a day.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no part of a day; write two different times such as \"02:00-03:00\"")]
pub struct NoRest(String);

impl FromStr for Rest {
    type Err = NoRest;
    fn from_str(text: &str) -> Result<Self, NoRest> {
        let minute = |text: &str| -> Option<u16> {
            let (hours, minutes) = text.split_once(':')?;
            let digits = |part: &str| part.len() == 2 && part.bytes().all(|b| b.is_ascii_digit());
            let (h, m): (u16, u16) = (hours.parse().ok()?, minutes.parse().ok()?);
            (digits(hours) && digits(minutes) && h < 24 && m < 60).then_some(h * 60 + m)
        };
        let parts = text.split_once('-').and_then(|(from, to)| Some((minute(from)?, minute(to)?)));
        match parts {
            Some((from, to)) if from != to => Ok(Self { from, to }),
            _ => Err(NoRest(text.to_owned())),
        }
    }
}

impl fmt::Display for Rest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { from, to } = self;
        write!(f, "{:02}:{:02}-{:02}:{:02}", from / 60, from % 60, to / 60, to % 60)
    }
}

impl<'de> Deserialize<'de> for Rest {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from)?.parse().map_err(serde::de::Error::custom)
    }
}

impl Rest {
    /// Minutes until this rest is over; `None` outside of it.
    fn left(self, minute: u16) -> Option<u16> {
        let past = (minute + MINUTES_OF_A_DAY - self.from) % MINUTES_OF_A_DAY;
        let long = (self.to + MINUTES_OF_A_DAY - self.from) % MINUTES_OF_A_DAY;
        (past < long).then(|| long - past)
    }
}

/// When the destination may be called again, if it rests at this minute of its day; rests that touch
/// count as one.
#[must_use]
pub fn resting_until(rests: &[Rest], now: UnixMs, minute_of_day: u16, second_of_minute: u16) -> Option<UnixMs> {
    let mut waited = 0;
    // Rests that cover the whole day are refused by the configuration; a day is the limit all the same.
    while waited < MINUTES_OF_A_DAY {
        let minute = (minute_of_day + waited) % MINUTES_OF_A_DAY;
        match rests.iter().filter_map(|rest| rest.left(minute)).max() {
            Some(left) => waited += left,
            None => break,
        }
    }
    let seconds = i64::from(waited) * 60 - i64::from(second_of_minute);
    (waited > 0).then(|| now + seconds.max(1) * 1_000)
}

/// Whether some minute of the day is left in which the destination may be called.
#[must_use]
pub fn leaves_time(rests: &[Rest]) -> bool {
    (0..MINUTES_OF_A_DAY).any(|minute| rests.iter().all(|rest| rest.left(minute).is_none()))
}

/// How many objects a destination takes in a minute: no sliding minute ever holds more.
#[derive(Debug, Clone)]
pub struct Rate {
    per_minute: usize,
    sent: VecDeque<UnixMs>,
}

impl Rate {
    /// A rate; 0 lets nothing through.
    #[must_use]
    pub const fn new(per_minute: usize) -> Self {
        Self { per_minute, sent: VecDeque::new() }
    }

    /// How many objects may be sent now.
    pub fn room(&mut self, now: UnixMs) -> usize {
        while self.sent.front().is_some_and(|&at| at <= now - 60_000 || at > now) {
            self.sent.pop_front();
        }
        self.per_minute.saturating_sub(self.sent.len())
    }

    /// Counts objects that were sent.
    pub fn spend(&mut self, now: UnixMs, objects: usize) {
        self.sent.extend(std::iter::repeat_n(now, objects));
    }

    /// When the next object may be sent.
    #[must_use]
    pub fn next(&self, now: UnixMs) -> UnixMs {
        match self.sent.front() {
            Some(&first) if self.sent.len() >= self.per_minute => first + 60_000,
            _ => now,
        }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    fn rests(texts: &[&str]) -> Vec<Rest> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn parts_of_a_day_are_read_and_written() {
        for text in ["02:00-03:00", "23:30-00:15", "00:00-23:59"] {
            assert_eq!(text.parse::<Rest>().unwrap().to_string(), text);
        }
        for text in
            ["", "2:00-3:00", "02:00", "24:00-01:00", "02:60-03:00", "02:00-02:00", "02:00-03:00-04:00", "+2:00-03:00"]
        {
            assert!(text.parse::<Rest>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_rest_ends_on_its_minute_past_midnight_too() {
        let night = rests(&["23:00-01:30"]);
        let minutes = |minute, second| resting_until(&night, 0, minute, second).map(|ms| ms / 1_000);
        assert_eq!(minutes(22 * 60 + 59, 59), None);
        assert_eq!(minutes(23 * 60, 0), Some(150 * 60));
        assert_eq!(minutes(0, 30), Some(90 * 60 - 30));
        assert_eq!(minutes(89, 59), Some(1));
        assert_eq!(minutes(90, 0), None);
    }

    #[test]
    fn rests_that_touch_are_one() {
        let both = rests(&["02:00-03:00", "03:00-04:00", "02:30-03:30"]);
        assert_eq!(resting_until(&both, 5, 120, 0), Some(5 + 120 * 60_000));
        assert!(leaves_time(&both) && leaves_time(&[]));
        let all = rests(&["00:00-12:00", "12:00-00:00"]);
        assert!(!leaves_time(&all));
        assert!(resting_until(&all, 0, 7, 0).is_some(), "and the search ends");
    }

    #[test]
    fn no_minute_holds_more_than_the_rate() {
        let mut rate = Rate::new(3);
        let mut sent: Vec<UnixMs> = Vec::new();
        for now in (0..600_000).step_by(700) {
            let room = rate.room(now).min(2);
            rate.spend(now, room);
            sent.extend(std::iter::repeat_n(now, room));
            if rate.room(now) == 0 {
                assert!(rate.next(now) > now && rate.next(now) <= now + 60_000);
            } else {
                assert_eq!(rate.next(now), now);
            }
        }
        assert!(sent.len() >= 27, "{}", sent.len());
        for (n, from) in sent.iter().enumerate() {
            let inside = sent[n..].iter().filter(|at| **at < from + 60_000).count();
            assert!(inside <= 3, "{inside} in the minute from {from}");
        }
    }

    #[test]
    fn a_clock_that_goes_back_stops_nothing() {
        let mut rate = Rate::new(1);
        rate.spend(1_000_000, 1);
        assert_eq!(rate.room(400_000), 1);
    }
}
