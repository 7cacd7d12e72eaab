//! A clock that leaps ahead, be it for a moment, makes every film old at once. Whatever made it leap: nothing is deleted
//! by age for a day after. Space that runs short is another matter; it needs no clock.

use crate::app::App;
use crate::clock::Clock;
use crate::store::timers;
use anyhow::Result;
use centinela_domain::UnixMs;
use std::time::Duration;
use tokio::time::Instant;

/// For so long after a leap ages are not believed; time enough to notice it, and for a time server to mend it.
const HELD: Duration = Duration::from_secs(24 * 3_600);
/// A smaller step is none.
const LEAP_MS: i64 = 3_600 * 1_000;
/// The feed may well have been silent for so long before a start.
const SILENCE_MS: i64 = 7 * 24 * LEAP_MS;

/// Whether ages can be believed.
#[derive(Debug, Default)]
pub struct Ages {
    last: Option<(UnixMs, Instant)>,
    since: Option<Instant>,
}

impl Ages {
    /// Looks at the clock; false for a while after it leapt. A clock that only a test moves does not leap.
    ///
    /// # Errors
    /// If the feed cannot be read.
    pub async fn can_be_believed(&mut self, app: &App) -> Result<bool> {
        if !matches!(app.clock, Clock::System) {
            return Ok(true);
        }
        let (now, at) = (app.clock.now(), Instant::now());
        let silence = match self.last {
            Some(_) => 0,
            None => now - timers::last_seen(&mut app.db.read().await?).await?.unwrap_or(now),
        };
        if self.look(now, at, silence) {
            tracing::warn!("the clock leapt ahead, or the node was away for long: no film is deleted by age for a day");
        }
        Ok(self.since.is_none())
    }

    /// One look; `silence` is how long the feed was silent before the first one. True if there was a leap.
    fn look(&mut self, now: UnixMs, at: Instant, silence: i64) -> bool {
        let ahead = self.last.replace((now, at)).map_or(0, |(last, then)| {
            let passed = i64::try_from(at.duration_since(then).as_millis()).unwrap_or(i64::MAX);
            (now - last).saturating_sub(passed)
        });
        let leapt = ahead > LEAP_MS || silence > SILENCE_MS;
        if leapt {
            self.since = Some(at);
        } else if ahead < -LEAP_MS || self.since.is_some_and(|since| at.duration_since(since) >= HELD) {
            // It was set back, or stands for a day.
            self.since = None;
        }
        leapt
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000;

    #[test]
    fn a_leap_holds_for_a_day_or_until_the_clock_is_set_back() {
        let begin = Instant::now();
        let at = |seconds: u64| begin + Duration::from_secs(seconds);
        let mut ages = Ages::default();
        assert!(!ages.look(0, at(0), 0));
        assert!(!ages.look(5 * SECOND, at(5), 0) && ages.since.is_none());
        let year = 365 * 24 * LEAP_MS;
        assert!(ages.look(year, at(10), 0));
        assert!(!ages.look(year + 5 * SECOND, at(15), 0) && ages.since.is_some(), "told once, held on");
        assert!(!ages.look(20 * SECOND, at(20), 0) && ages.since.is_none(), "set back");
        assert!(ages.look(year, at(25), 0));
        assert!(!ages.look(year + 86_399 * SECOND, at(25 + 86_399), 0) && ages.since.is_some());
        assert!(!ages.look(year + 86_400 * SECOND, at(25 + 86_400), 0) && ages.since.is_none(), "after a day");
    }

    #[test]
    fn a_start_long_after_the_last_event_holds_too() {
        let begin = Instant::now();
        assert!(!Ages::default().look(0, begin, SILENCE_MS));
        let mut ages = Ages::default();
        assert!(ages.look(0, begin, SILENCE_MS + 1) && ages.since.is_some());
        assert!(!ages.look(5 * SECOND, begin + Duration::from_secs(5), 0) && ages.since.is_some());
    }
}
