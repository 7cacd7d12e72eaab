//! The clock of the node under test, moved by a file (`Clock::Moved`): days go by in minutes.

use super::node::Home;
use std::cell::Cell;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

/// How far the node's clock is ahead of the machine's.
pub struct MovedClock {
    file: PathBuf,
    ahead_ms: Cell<i64>,
}

impl MovedClock {
    /// A clock for the nodes and commands of this home; it goes with the machine's until it is moved.
    pub fn of(home: Home) -> (Home, Self) {
        let clock = Self { file: home.dir.path().join("clock"), ahead_ms: Cell::new(0) };
        clock.step(0);
        let home = home.set("CENTINELA_CLOCK", clock.file.to_str().unwrap());
        (home, clock)
    }

    /// Moves it on by so much, at once.
    pub fn forward(&self, time: Duration) {
        self.step(i64::try_from(time.as_millis()).unwrap());
    }

    /// Moves it by so many milliseconds, back where they are negative.
    pub fn step(&self, ms: i64) {
        self.ahead_ms.set(self.ahead_ms.get() + ms);
        let fresh = self.file.with_extension("fresh");
        fs::write(&fresh, self.ahead_ms.get().to_string()).unwrap();
        // Whole or not at all for whoever reads it now.
        fs::rename(fresh, &self.file).unwrap();
    }
}
