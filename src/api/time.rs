//! Times in answers and queries: RFC 3339 in UTC with milliseconds (`2026-01-31T08:30:00.000Z`).

use centinela_domain::UnixMs;
use centinela_domain::calendar::civil;
use serde::{Serialize, Serializer};

const DAY_MS: i64 = 86_400_000;

/// A time that serialises as RFC 3339.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Time(pub UnixMs);

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&format(self.0))
    }
}

/// Writes a time.
pub fn format(ms: UnixMs) -> String {
    let (year, month, day) = civil(ms.div_euclid(DAY_MS));
    let within = ms.rem_euclid(DAY_MS);
    let (hour, minute) = (within / 3_600_000, within / 60_000 % 60);
    let (second, milli) = (within / 1_000 % 60, within % 1_000);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{milli:03}Z")
}

/// Reads a time in UTC, with or without a fraction; digits behind the milliseconds are dropped.
pub fn parse(text: &str) -> Option<UnixMs> {
    let (date, clock) = text.strip_suffix('Z')?.split_once('T')?;
    let (whole, fraction) = clock.split_once('.').unwrap_or((clock, "0"));
    let [year, month, day] = numbers(date, '-', [4, 2, 2])?;
    let [hour, minute, second] = numbers(whole, ':', [2, 2, 2])?;
    let valid = (1..=12).contains(&month) && (1..=length(year, month)).contains(&day);
    if !valid || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    if fraction.is_empty() || !fraction.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let milli: i64 = format!("{fraction:0<3}").get(..3)?.parse().ok()?;
    Some(days(year, month, day) * DAY_MS + hour * 3_600_000 + minute * 60_000 + second * 1_000 + milli)
}

/// Three numbers with exactly these widths.
fn numbers(text: &str, separator: char, widths: [usize; 3]) -> Option<[i64; 3]> {
    let mut parts = text.split(separator);
    let mut found = [0; 3];
    for (slot, width) in found.iter_mut().zip(widths) {
        let part = parts.next()?;
        let digits = part.len() == width && part.bytes().all(|b| b.is_ascii_digit());
        *slot = digits.then(|| part.parse().ok())??;
    }
    parts.next().is_none().then_some(found)
}

/// Leap days from year 0 up to the first day of `year`, proleptic Gregorian.
const fn leaps_before(year: i64) -> i64 {
    let last = year - 1;
    last.div_euclid(4) - last.div_euclid(100) + last.div_euclid(400)
}

const fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

const fn length(year: i64, month: i64) -> i64 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days from 1970-01-01 to the first day of a year.
const fn days_to_year(year: i64) -> i64 {
    (year - 1970) * 365 + leaps_before(year) - leaps_before(1970)
}

/// Days from 1970-01-01 to a date.
fn days(year: i64, month: i64, day: i64) -> i64 {
    days_to_year(year) + (1..month).map(|m| length(year, m)).sum::<i64>() + day - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_times_are_written_and_read() {
        for (ms, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (-1, "1969-12-31T23:59:59.999Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (1_234_567_890_123, "2009-02-13T23:31:30.123Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
        ] {
            assert_eq!(format(ms), text);
            assert_eq!(parse(text), Some(ms));
        }
        assert_eq!(parse("2009-02-13T23:31:30Z"), Some(1_234_567_890_000));
        assert_eq!(parse("2009-02-13T23:31:30.1Z"), Some(1_234_567_890_100));
    }

    #[test]
    fn every_day_of_eight_centuries_comes_back() {
        for day in -146_097..146_097 {
            let (year, month, of_month) = civil(day);
            assert_eq!(days(year, month, of_month), day);
        }
    }

    #[test]
    fn nonsense_is_refused() {
        for text in [
            "",
            "now",
            "2009-02-13",
            "2009-02-13T23:31:30",
            "2009-02-30T00:00:00Z",
            "2009-13-01T00:00:00Z",
            "2009-02-13T24:00:00Z",
            "2009-02-13T23:31:30.Z",
            "2009-02-13T23:31:30.1xZ",
            "09-02-13T00:00:00Z",
            "2009-02-13T23:31:30+01:00",
            "2009-02-13T+3:31:30Z",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
