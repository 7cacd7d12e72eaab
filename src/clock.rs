//! The clock, injected everywhere, so that tests can set the time.

use centinela_domain::UnixMs;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// Where the time comes from.
#[derive(Debug, Clone)]
pub enum Clock {
    /// The machine's clock.
    System,
    /// A time that only the test moves.
    Fixed(Arc<AtomicI64>),
    /// The machine's clock and as many milliseconds as stand in this file, which a test replaces.
    #[cfg(feature = "failpoints")]
    Moved(Arc<std::path::Path>),
}

impl Clock {
    /// A fixed clock that starts at `now`.
    #[must_use]
    pub fn fixed(now: UnixMs) -> Self {
        Self::Fixed(Arc::new(AtomicI64::new(now)))
    }

    /// The clock of the program: the machine's. With the cargo feature `failpoints`, a test of days moves it by the
    /// file that the environment variable `CENTINELA_CLOCK` names.
    #[must_use]
    pub fn of_program() -> Self {
        #[cfg(feature = "failpoints")]
        if let Some(file) = std::env::var_os("CENTINELA_CLOCK") {
            return Self::Moved(std::path::PathBuf::from(file).into());
        }
        Self::System
    }

    /// Now, in unix milliseconds.
    #[must_use]
    pub fn now(&self) -> UnixMs {
        match self {
            #[expect(clippy::disallowed_methods, reason = "the one place that reads the machine's clock")]
            Self::System => SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .map_or(0, |since| i64::try_from(since.as_millis()).unwrap_or(i64::MAX)),
            Self::Fixed(now) => now.load(Ordering::SeqCst),
            // Read each time, so that whoever replaced the file knows that nobody has the old time any more.
            #[cfg(feature = "failpoints")]
            Self::Moved(file) => {
                let ahead = std::fs::read_to_string(file).ok().and_then(|text| text.trim().parse::<i64>().ok());
                Self::System.now() + ahead.unwrap_or(0)
            }
        }
    }

    /// Moves a fixed clock; any other stays as it is.
    pub fn advance(&self, ms: i64) {
        if let Self::Fixed(now) = self {
            now.fetch_add(ms, Ordering::SeqCst);
        }
    }
}
