//! Threads that work on one image together.
//!
//! Between two steps all wait for each other: they spin for some 20 microseconds at most and then sleep, so
//! that a thread that lost its core to the receiver does not burn the core of the others.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};

/// Turns of spinning: 7 microseconds where a pause takes 50 cycles, 20 where it takes 140.
const SPINS: usize = 500;

/// Where the members of a team wait for each other, and what is left to do in each step.
pub(crate) struct Team {
    members: usize,
    arrived: AtomicUsize,
    step: AtomicUsize,
    asleep: AtomicUsize,
    broken: AtomicBool,
    lock: Mutex<()>,
    wake: Condvar,
    /// For each step the next unit of work.
    next: Vec<AtomicUsize>,
}

impl Team {
    /// A team for so many steps.
    pub(crate) fn new(members: usize, steps: usize) -> Self {
        Self {
            members,
            arrived: AtomicUsize::new(0),
            step: AtomicUsize::new(0),
            asleep: AtomicUsize::new(0),
            broken: AtomicBool::new(false),
            lock: Mutex::new(()),
            wake: Condvar::new(),
            next: (0..steps).map(|_| AtomicUsize::new(0)).collect(),
        }
    }

    /// Members.
    pub(crate) const fn members(&self) -> usize {
        self.members
    }

    /// Runs `work` in every member, the calling thread among them.
    pub(crate) fn run(&self, work: impl Fn(usize) + Sync) {
        std::thread::scope(|scope| {
            for member in 1..self.members {
                let work = &work;
                scope.spawn(move || {
                    let _leaving = Leaving(self);
                    work(member);
                });
            }
            let _leaving = Leaving(self);
            work(0);
        });
    }

    /// Takes units `0..units` of a step, each once among all members.
    pub(crate) fn share(&self, step: usize, units: usize) -> impl Iterator<Item = usize> {
        std::iter::from_fn(move || Some(self.next[step].fetch_add(1, Ordering::Relaxed)).filter(|unit| *unit < units))
    }

    /// Waits until all members are here.
    ///
    /// # Panics
    /// If another member panicked.
    pub(crate) fn meet(&self) {
        if self.members == 1 {
            return;
        }
        let step = self.step.load(Ordering::SeqCst);
        if self.arrived.fetch_add(1, Ordering::SeqCst) + 1 == self.members {
            self.arrived.store(0, Ordering::SeqCst);
            self.step.store(step + 1, Ordering::SeqCst);
            self.wake_all();
        } else {
            let passed = || self.step.load(Ordering::SeqCst) != step || self.broken.load(Ordering::SeqCst);
            if !(0..SPINS).any(|_| {
                std::hint::spin_loop();
                passed()
            }) {
                let mut guard = self.lock.lock().unwrap_or_else(PoisonError::into_inner);
                // Said before the last look: whoever passes the step after it sees that one sleeps.
                self.asleep.fetch_add(1, Ordering::SeqCst);
                while !passed() {
                    guard = self.wake.wait(guard).unwrap_or_else(PoisonError::into_inner);
                }
                self.asleep.fetch_sub(1, Ordering::SeqCst);
            }
        }
        assert!(!self.broken.load(Ordering::SeqCst), "another thread of this team panicked");
    }

    fn wake_all(&self) {
        if self.asleep.load(Ordering::SeqCst) > 0 {
            drop(self.lock.lock());
            self.wake.notify_all();
        }
    }
}

/// Nobody waits for ever for a member that panicked.
struct Leaving<'t>(&'t Team);

impl Drop for Leaving<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.broken.store(true, Ordering::SeqCst);
            self.0.wake_all();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_unit_is_taken_once_and_steps_are_kept() {
        for members in [1, 2, 3, 5] {
            let team = Team::new(members, 100);
            let done: Vec<_> = (0..100).map(|_| AtomicUsize::new(0)).collect();
            team.run(|_| {
                for (step, done) in done.iter().enumerate() {
                    for _ in team.share(step, 7) {
                        done.fetch_add(1, Ordering::SeqCst);
                    }
                    team.meet();
                    assert_eq!(done.load(Ordering::SeqCst), 7);
                }
            });
        }
    }

    #[test]
    fn a_late_member_is_waited_for_asleep() {
        let team = Team::new(2, 1);
        let seen = AtomicUsize::new(0);
        team.run(|member| {
            if member == 1 {
                while team.asleep.load(Ordering::SeqCst) == 0 {
                    std::thread::yield_now();
                }
                seen.store(1, Ordering::SeqCst);
            }
            team.meet();
            assert_eq!(seen.load(Ordering::SeqCst), 1);
        });
    }

    #[test]
    fn a_panic_of_one_ends_all() {
        let team = Team::new(3, 1);
        let run = std::panic::AssertUnwindSafe(|| {
            team.run(|member| {
                assert!(member != 1, "on purpose");
                team.meet();
            });
        });
        assert!(std::panic::catch_unwind(run).is_err());
    }
}
