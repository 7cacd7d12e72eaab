//! When a destination may be called: hours in which it rests, and how many objects it takes in a minute.
//!
//! Pure: the caller says what the clock on the wall shows.

use crate::UnixMs;
use serde::{Deserialize, Deserializer};
use std::fmt;
use std::str::FromStr;

const MINUTES_OF_A_DAY: u16 = 24 * 60;
const MINUTE_MS: i64 = 60_000;
/// In minutes.
const TWO_DAYS: i64 = 2 * MINUTES_OF_A_DAY as i64;

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
    /// Whether this minute of the day belongs to it.
    fn holds(self, minute: u16) -> bool {
        let past = (minute + MINUTES_OF_A_DAY - self.from) % MINUTES_OF_A_DAY;
        let long = (self.to + MINUTES_OF_A_DAY - self.from) % MINUTES_OF_A_DAY;
        past < long
    }
}

/// When the destination may be called again, if it rests now; rests that touch count as one.
///
/// `minute_of_day` says what the clock on the wall shows at a time. Every minute is asked for: where the clock is
/// changed within a rest, the rest ends when the wall says so.
#[must_use]
pub fn resting_until(rests: &[Rest], now: UnixMs, minute_of_day: impl Fn(UnixMs) -> u16) -> Option<UnixMs> {
    let rests_at = |at| rests.iter().any(|rest| rest.holds(minute_of_day(at)));
    if !rests_at(now) {
        return None;
    }
    let this_minute = now.div_euclid(MINUTE_MS) * MINUTE_MS;
    let mut ends = (1..=TWO_DAYS).map(|n| this_minute + n * MINUTE_MS);
    // Rests that cover the whole day are refused by the configuration; two days are the limit all the same.
    ends.find(|at| !rests_at(*at)).or(Some(this_minute + TWO_DAYS * MINUTE_MS))
}

/// For how long of the time from `since` to `now` the destination did not rest. What lies more than two days back
/// counts as if it had no rests.
#[must_use]
pub fn awake_ms(rests: &[Rest], since: UnixMs, now: UnixMs, minute_of_day: impl Fn(UnixMs) -> u16) -> i64 {
    let whole = (now - since).max(0);
    if rests.is_empty() {
        return whole;
    }
    let from = since.max(now - TWO_DAYS * MINUTE_MS);
    let mut rested = 0;
    let mut at = from;
    while at < now {
        let next = ((at.div_euclid(MINUTE_MS) + 1) * MINUTE_MS).min(now);
        if rests.iter().any(|rest| rest.holds(minute_of_day(at))) {
            rested += next - at;
        }
        at = next;
    }
    whole - rested
}

/// Whether some minute of the day is left in which the destination may be called.
#[must_use]
pub fn leaves_time(rests: &[Rest]) -> bool {
    (0..MINUTES_OF_A_DAY).any(|minute| !rests.iter().any(|rest| rest.holds(minute)))
}

/// How many objects a destination takes in a minute: no sliding minute ever holds more.
///
/// It is told the times of the last minute in ascending order: when the answer to each object came, and now for one
/// that is on its way. Counted from the answer, no minute at the destination's side holds more either.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate(pub u32);

impl Rate {
    /// The time for which an object counts.
    pub const SPAN_MS: i64 = MINUTE_MS;

    /// How many objects may be sent now.
    #[must_use]
    pub fn room(self, sent: &[UnixMs]) -> u32 {
        self.0.saturating_sub(u32::try_from(sent.len()).unwrap_or(u32::MAX))
    }

    /// When the next object may be sent, if not now.
    #[must_use]
    pub fn next(self, sent: &[UnixMs]) -> Option<UnixMs> {
        let over = sent.len().checked_sub(usize::try_from(self.0).unwrap_or(usize::MAX))?;
        sent.get(over).map(|at| at + Self::SPAN_MS)
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

    /// A wall without summer time, at UTC.
    fn utc(at: UnixMs) -> u16 {
        (at.div_euclid(60_000) % 1_440) as u16
    }

    /// Central Europe in the spring, where 02:00 is 03:00, or in the autumn, where 03:00 is 02:00; both at 01:00 UTC.
    fn changed(before: i64, after: i64) -> impl Fn(UnixMs) -> u16 {
        move |at| utc(at + if at < 60 * 60_000 { before } else { after } * 60 * 60_000)
    }

    fn at(hours: i64, minutes: i64) -> UnixMs {
        (hours * 60 + minutes) * 60_000
    }

    #[test]
    fn a_rest_ends_on_its_minute_past_midnight_too() {
        let night = rests(&["23:00-01:30"]);
        let until = |now| resting_until(&night, now, utc);
        assert_eq!(until(at(22, 59) + 59_999), None);
        assert_eq!(until(at(23, 0)), Some(at(25, 30)));
        assert_eq!(until(at(24, 0) + 30_123), Some(at(25, 30)), "the same at every second");
        assert_eq!(until(at(25, 29) + 59_999), Some(at(25, 30)));
        assert_eq!(until(at(25, 30)), None);
    }

    #[test]
    fn a_rest_follows_the_wall_across_a_change_to_and_from_summer_time() {
        let night = rests(&["01:30-03:30"]);
        // From 01:30 to 03:30 only one hour passes.
        assert_eq!(resting_until(&night, at(0, 30), changed(1, 2)), Some(at(1, 30)));
        assert_eq!(resting_until(&night, at(1, 30), changed(1, 2)), None);
        // And here three: 02:00 to 03:00 comes twice.
        assert_eq!(resting_until(&night, at(-1, 30), changed(2, 1)), Some(at(2, 30)));
        // A rest that lies within the missing hour does not come about.
        assert_eq!(resting_until(&rests(&["02:00-03:00"]), at(1, 0), changed(1, 2)), None);
        // One within the hour that comes twice does so twice.
        let twice = rests(&["02:15-02:45"]);
        assert_eq!(resting_until(&twice, at(0, 15), changed(2, 1)), Some(at(0, 45)));
        assert_eq!(resting_until(&twice, at(1, 15), changed(2, 1)), Some(at(1, 45)));
    }

    #[test]
    fn rests_that_touch_are_one() {
        let both = rests(&["02:00-03:00", "03:00-04:00", "02:30-03:30"]);
        assert_eq!(resting_until(&both, at(2, 0) + 5, utc), Some(at(4, 0)));
        assert!(leaves_time(&both) && leaves_time(&[]));
        let all = rests(&["00:00-12:00", "12:00-00:00"]);
        assert!(!leaves_time(&all));
        assert_eq!(resting_until(&all, 0, utc), Some(at(48, 0)), "and the search ends");
    }

    #[test]
    fn a_rest_makes_nothing_older() {
        let night = rests(&["02:00-03:00"]);
        let awake = |since, now| awake_ms(&night, since, now, utc);
        assert_eq!(awake(at(1, 50) + 7, at(1, 55) + 7), 5 * 60_000);
        assert_eq!(awake(at(1, 50), at(2, 40)), 10 * 60_000);
        assert_eq!(awake(at(2, 10), at(2, 40)), 0);
        assert_eq!(awake(at(1, 50) + 7, at(3, 20) + 9), 30 * 60_000 + 2);
        assert_eq!(awake(at(3, 0), at(1, 0)), 0);
        assert_eq!(awake(at(-24, 0), at(72, 0)), 94 * 60 * 60_000, "two nights are left out");
        assert_eq!(awake_ms(&[], 0, 17, utc), 17);
    }

    #[test]
    fn no_minute_holds_more_than_the_rate() {
        let rate = Rate(3);
        let mut sent: Vec<UnixMs> = Vec::new();
        for now in (0..600_000).step_by(700) {
            let counted: Vec<_> = sent.iter().copied().filter(|at| *at > now - Rate::SPAN_MS).collect();
            let room = rate.room(&counted).min(2);
            match rate.next(&counted) {
                Some(next) => assert!(room == 0 && next > now && next <= now + 60_000),
                None => assert!(room > 0),
            }
            sent.extend(std::iter::repeat_n(now, room as usize));
        }
        assert!(sent.len() >= 27, "{}", sent.len());
        for (n, from) in sent.iter().enumerate() {
            let inside = sent[n..].iter().filter(|at| **at < from + 60_000).count();
            assert!(inside <= 3, "{inside} in the minute from {from}");
        }
    }

    #[test]
    fn a_rate_that_was_lowered_waits_until_enough_is_past() {
        let sent = [10, 20, 30, 40];
        assert_eq!((Rate(2).room(&sent), Rate(2).next(&sent)), (0, Some(30 + 60_000)));
        assert_eq!((Rate(5).room(&sent), Rate(5).next(&sent)), (1, None));
    }
}
