//! The thread that analyses, and the one that watches it: a film that never ends costs its limit and
//! a thread, not the queue behind it.

use super::crew::Crew;
use super::{AnalyzeError, Answer, Job, analyze};
use crate::model::Model;
use sha2::{Digest, Sha256};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

/// So many threads that never came back, and the engine stops: each may hold a core and a film.
const MOST_STUCK: usize = 8;
/// A film that was given up so often is not tried again for a while.
const MOST_TRIES: usize = 2;
/// How long that is remembered.
const MEMORY: Duration = Duration::from_secs(3600);

/// A thread that analyses, one film after the other.
pub(super) struct Desk {
    films: SyncSender<Arc<Vec<u8>>>,
    answers: Receiver<Answer>,
    thread: JoinHandle<()>,
}

impl Desk {
    pub fn open(model: Arc<dyn Model>, crew: Arc<Crew>) -> std::io::Result<Self> {
        // Room for one: neither side ever waits to hand over.
        let (films, inbox) = sync_channel::<Arc<Vec<u8>>>(1);
        let (outbox, answers) = sync_channel(1);
        let thread = std::thread::Builder::new().name("analysis".to_owned()).spawn(move || {
            while let Ok(part10) = inbox.recv() {
                let busy = crew.busy();
                let result = catch_unwind(AssertUnwindSafe(|| analyze(&*model, &part10, &crew)));
                drop(busy);
                if outbox.send(result.unwrap_or(Err(AnalyzeError::Panicked))).is_err() {
                    // It was left behind, and has come back.
                    break;
                }
            }
        })?;
        Ok(Self { films, answers, thread })
    }
}

/// The watching thread's state.
pub(super) struct Watch {
    desk: Desk,
    model: Arc<dyn Model>,
    crew: Arc<Crew>,
    limit: Duration,
    given_up: Arc<AtomicU64>,
    /// Threads that were left behind.
    left: Vec<JoinHandle<()>>,
    /// Digests of films that were given up, and when.
    endless: Vec<([u8; 32], Instant)>,
}

impl Watch {
    pub fn new(desk: Desk, model: Arc<dyn Model>, crew: Arc<Crew>, limit: Duration, given_up: Arc<AtomicU64>) -> Self {
        Self { desk, model, crew, limit, given_up, left: Vec::new(), endless: Vec::new() }
    }

    /// Hands the films of the queue to the analysing thread, and takes another thread where one does
    /// not come back; ends with the queue, or where no further thread can be had.
    pub fn over(mut self, queue: &Mutex<mpsc::Receiver<Job>>) {
        let given_up = AnalyzeError::TimedOut(self.limit);
        // One of the crew waits for the queue, the others for the lock.
        let next = || queue.lock().unwrap_or_else(PoisonError::into_inner).blocking_recv();
        while let Some(Job { part10, reply, waiting }) = next() {
            drop(waiting);
            if self.is_known(&part10) {
                reply(Err(given_up.clone()));
                continue;
            }
            // Fails only if the thread is gone, and then so does the wait.
            drop(self.desk.films.send(Arc::clone(&part10)));
            match self.desk.answers.recv_timeout(self.limit) {
                Ok(answer) => {
                    reply(answer);
                    continue;
                }
                Err(RecvTimeoutError::Timeout) => {
                    self.given_up.fetch_add(1, Ordering::Relaxed);
                    self.endless.push((digest(&part10), Instant::now()));
                    reply(Err(given_up.clone()));
                }
                Err(RecvTimeoutError::Disconnected) => reply(Err(AnalyzeError::Panicked)),
            }
            if !self.replace() {
                return;
            }
        }
        drop(self.desk.films);
        drop(self.desk.thread.join());
    }

    /// Whether the film was given up as often as is allowed. Films are digested only while there are
    /// such.
    fn is_known(&mut self, part10: &[u8]) -> bool {
        self.endless.retain(|(_, at)| at.elapsed() < MEMORY);
        if self.endless.is_empty() {
            return false;
        }
        let film = digest(part10);
        self.endless.iter().filter(|(known, _)| *known == film).count() >= MOST_TRIES
    }

    /// Another thread in place of the present one, if there may be one more; the threads of its model
    /// may be as stuck as it is.
    fn replace(&mut self) -> bool {
        let Ok(model) = self.model.with_own_threads() else { return false };
        let Ok(fresh) = Desk::open(Arc::from(model), Arc::clone(&self.crew)) else { return false };
        self.left.push(std::mem::replace(&mut self.desk, fresh).thread);
        self.left.retain(|thread| !thread.is_finished());
        self.left.len() < MOST_STUCK
    }
}

fn digest(part10: &[u8]) -> [u8; 32] {
    Sha256::digest(part10).into()
}
