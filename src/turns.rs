//! One at a time for each film: a report and the job of one of its films both need its scores, and whoever comes second
//! finds those of the first instead of computing them again.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use tokio::sync::OwnedMutexGuard;

/// Who works at what, by SOP Instance UID; nothing is kept of what nobody works at.
#[derive(Debug, Default)]
pub struct Turns(Mutex<HashMap<String, Weak<tokio::sync::Mutex<()>>>>);

/// Held while one works.
pub type Turn = OwnedMutexGuard<()>;

impl Turns {
    /// Waits until nobody else works at it.
    pub async fn take(&self, what: &str) -> Turn {
        self.of(what).lock_owned().await
    }

    fn of(&self, what: &str) -> Arc<tokio::sync::Mutex<()>> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|_, turn| turn.strong_count() > 0);
        if let Some(turn) = all.get(what).and_then(Weak::upgrade) {
            return turn;
        }
        let turn = Arc::default();
        all.insert(what.to_owned(), Arc::downgrade(&turn));
        turn
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;
    use std::time::Duration;
    use tokio::time::timeout;

    #[tokio::test]
    async fn a_film_has_one_at_a_time_and_another_film_does_not_wait() {
        let turns = Turns::default();
        let soon = Duration::from_millis(20);
        let first = turns.take("1.1").await;
        assert!(timeout(soon, turns.take("1.1")).await.is_err(), "it is taken");
        assert!(timeout(soon, turns.take("1.2")).await.is_ok());
        let (second, ()) = tokio::join!(turns.take("1.1"), async { drop(first) });
        drop(second);
        drop(turns.take("1.3").await);
        assert_eq!(turns.0.lock().unwrap().len(), 1, "what is done with is forgotten");
    }
}
