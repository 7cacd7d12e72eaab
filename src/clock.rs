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
}

impl Clock {
    /// A fixed clock that starts at `now`.
    #[must_use]
    pub fn fixed(now: UnixMs) -> Self {
        Self::Fixed(Arc::new(AtomicI64::new(now)))
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
        }
    }

    /// Moves a fixed clock; the machine's clock stays as it is.
    pub fn advance(&self, ms: i64) {
        if let Self::Fixed(now) = self {
            now.fetch_add(ms, Ordering::SeqCst);
        }
    }
}
