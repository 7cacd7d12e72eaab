//! The least rate inside a message: bytes against the time that was spent waiting for them.
//!
//! A stall timer alone lets a peer hold a place for hours with one byte every 29 s. Only the time
//! in which we wait for the peer counts; while our own disk is slow, its clock stands still.

use std::time::Duration;

/// Counts one direction of one association.
#[derive(Debug)]
pub(crate) struct Pace {
    /// Bytes for each second of waiting; 0 asks for nothing.
    least: u32,
    /// The average is taken over so much waiting.
    window: Duration,
    waited: Duration,
    bytes: u64,
}

impl Pace {
    /// Asks for nothing.
    pub(crate) const fn off() -> Self {
        Self::new(0, Duration::MAX)
    }

    pub(crate) const fn new(least: u32, window: Duration) -> Self {
        Self { least, window, waited: Duration::ZERO, bytes: 0 }
    }

    /// A new message begins.
    pub(crate) const fn restart(&mut self) {
        self.waited = Duration::ZERO;
        self.bytes = 0;
    }

    /// How much longer the open window is: a wait need not be longer.
    pub(crate) fn left(&self) -> Duration {
        match self.least {
            0 => Duration::MAX,
            _ => self.window.saturating_sub(self.waited),
        }
    }

    /// `bytes` came after `waited`. False if the window closed with too few.
    pub(crate) fn keeps_up(&mut self, waited: Duration, bytes: usize) -> bool {
        if self.least == 0 {
            return true;
        }
        self.waited += waited;
        self.bytes += bytes as u64;
        if self.waited < self.window {
            return true;
        }
        let enough = self.bytes as f64 >= f64::from(self.least) * self.waited.as_secs_f64();
        self.restart();
        enough
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_drip_ends_with_the_window_and_a_stream_does_not() {
        let mut pace = Pace::new(1000, SECOND * 10);
        for _ in 0..9 {
            assert!(pace.keeps_up(SECOND, 1));
        }
        assert_eq!(pace.left(), SECOND);
        assert!(!pace.keeps_up(SECOND, 1));
        for _ in 0..100 {
            assert!(pace.keeps_up(SECOND, 1000));
        }
        // A burst counts only for its own window.
        assert!(pace.keeps_up(SECOND, 1 << 30));
        assert!(pace.keeps_up(SECOND * 9, 1));
        assert!(!pace.keeps_up(SECOND * 10, 1));
    }

    #[test]
    fn bytes_that_were_there_already_are_never_late() {
        let mut pace = Pace::new(1000, SECOND);
        for _ in 0..1000 {
            assert!(pace.keeps_up(Duration::ZERO, 1));
        }
        pace.restart();
        assert_eq!(pace.left(), SECOND);
        let mut off = Pace::off();
        assert!(off.keeps_up(Duration::MAX / 2, 0) && off.left() == Duration::MAX);
    }
}
