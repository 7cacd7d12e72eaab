//! How many threads are at work, and how many one film may have.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The threads of an engine.
#[derive(Debug)]
pub(super) struct Crew {
    threads: usize,
    busy: AtomicUsize,
    waiting: Arc<AtomicUsize>,
}

/// A film that waits, until it is dropped.
pub(super) struct Waiting(Arc<AtomicUsize>);

/// A thread that has a film, until it is dropped.
pub(super) struct Busy<'c>(&'c AtomicUsize);

impl Crew {
    pub fn of(threads: usize) -> Self {
        Self { threads: threads.max(1), busy: AtomicUsize::new(0), waiting: Arc::default() }
    }

    pub fn waiting(&self) -> Waiting {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        Waiting(Arc::clone(&self.waiting))
    }

    pub fn busy(&self) -> Busy<'_> {
        self.busy.fetch_add(1, Ordering::Relaxed);
        Busy(&self.busy)
    }

    /// Threads for the inference of a film whose thread is busy with it: those that have none, too, if no
    /// film waits.
    pub fn threads_for_one(&self) -> usize {
        if self.waiting.load(Ordering::Relaxed) > 0 {
            return 1;
        }
        1 + self.threads.saturating_sub(self.busy.load(Ordering::Relaxed))
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_film_has_the_idle_threads_and_a_queue_takes_them_back() {
        let crew = Crew::of(4);
        let first = crew.busy();
        assert_eq!(crew.threads_for_one(), 4);
        let second = crew.busy();
        assert_eq!(crew.threads_for_one(), 3);
        let waiting = crew.waiting();
        assert_eq!(crew.threads_for_one(), 1);
        drop((waiting, first));
        assert_eq!(crew.threads_for_one(), 4);
        drop(second);
        let alone = Crew::of(0);
        let _busy = alone.busy();
        assert_eq!(alone.threads_for_one(), 1);
    }
}
