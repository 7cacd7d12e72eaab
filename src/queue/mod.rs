//! The bell: wakes workers when a row was committed. The row is the job; a lost ring costs one poll.

use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;

/// Wakes those who wait for rows. A closed set: LISTEN/NOTIFY and a broker join here.
#[derive(Debug, Clone)]
pub enum Bell {
    /// Within this process.
    Local(Arc<Notify>),
}

impl Bell {
    /// A bell for one process.
    #[must_use]
    pub fn local() -> Self {
        Self::Local(Arc::new(Notify::new()))
    }

    /// Rows were committed.
    pub fn ring(&self) {
        let Self::Local(notify) = self;
        notify.notify_waiters();
        // Kept for the next waiter, should nobody wait right now.
        notify.notify_one();
    }

    /// Waits for a ring, at most `poll`.
    pub async fn wait(&self, poll: Duration) {
        let Self::Local(notify) = self;
        let _ = tokio::time::timeout(poll, notify.notified()).await;
    }
}
