//! The place where films are analysed: a few operating-system threads behind a bounded queue, each with
//! one that watches it.
//!
//! Decoding, inference and drawing hold a core for some tenths of a second, which an asynchronous runtime
//! must not. Each thread has one film; only where no film waits does an inference take the threads that
//! have none, so that never more than the crew are at work. A panic in a decoder or in the network ends
//! the film, not the thread. A film that takes too long is given up: no thread can be ended from outside,
//! so the one that holds it is left behind and another takes its place.

mod crew;
mod watch;

use crate::image::{CxrImage, ImageError};
use crate::model::{Model, ModelError};
use crate::preprocess::picture;
use centinela_domain::evidence::Picture;
use centinela_domain::gate::SkipReason;
use centinela_domain::prediction::{ModelRef, Prediction};
use crew::Crew;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, oneshot};
use watch::{Desk, Watch};

/// Films that may wait for a thread; whoever brings one more waits.
const QUEUE: usize = 2;
/// Long side of the picture for Secondary Captures, in pixels.
const PICTURE_SIDE: u32 = 1280;
/// What an engine may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Threads for films and inference, at least one.
    pub threads: usize,
    /// How long one film may take, without its wait in the queue.
    pub film: Duration,
}

impl Default for Limits {
    /// Half the machine, at most four threads: the rest receives and writes. Half a minute for a film.
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self { threads: (cores / 2).clamp(1, 4), film: Duration::from_secs(30) }
    }
}

/// A film with its scores.
#[derive(Debug, Clone, PartialEq)]
pub struct Analyzed {
    /// Scores and regions.
    pub prediction: Prediction,
    /// The film as a viewer shows it, long side at most 1280 pixels.
    pub picture: Picture,
    /// Milliseconds for everything, without the wait in the queue.
    pub took_ms: u64,
    /// Of these, milliseconds until the pixels were there.
    pub decode_ms: u64,
}

/// Why a film was not analysed.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum AnalyzeError {
    /// It could not be decoded.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// The model failed.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// Something panicked; the message went to the panic hook.
    #[error("the analysis of this film panicked")]
    Panicked,
    /// It was given up.
    #[error("the analysis of this film took longer than {0:?} and was given up")]
    TimedOut(Duration),
    /// The engine was stopped before the film's turn came.
    #[error("the analysis engine has stopped")]
    Stopped,
}

impl AnalyzeError {
    /// The reason under which the film is skipped.
    #[must_use]
    pub fn reason(&self) -> SkipReason {
        match self {
            Self::Image(error) | Self::Model(ModelError::Film(error)) => error.reason(),
            Self::Model(_) | Self::Panicked | Self::TimedOut(_) | Self::Stopped => SkipReason::Processing,
        }
    }
}

type Answer = Result<Analyzed, AnalyzeError>;

struct Job {
    part10: Arc<Vec<u8>>,
    reply: Box<dyn FnOnce(Answer) + Send>,
    waiting: crew::Waiting,
}

/// A running engine. Dropping it finishes what is queued and waits for its threads, but not for
/// those that were left behind.
pub struct Engine {
    jobs: Option<mpsc::Sender<Job>>,
    watches: Vec<JoinHandle<()>>,
    crew: Arc<Crew>,
    model: ModelRef,
    threshold_set: String,
    given_up: Arc<AtomicU64>,
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Engine({} {})", self.model.name, self.model.version)
    }
}

impl Engine {
    /// Starts the threads.
    ///
    /// # Panics
    /// If the operating system gives no thread; the node is starting then and cannot work.
    #[must_use]
    pub fn start(model: Box<dyn Model>, limits: Limits) -> Self {
        let (jobs, queue) = mpsc::channel(QUEUE);
        let (reference, threshold_set) = (model.model_ref(), model.threshold_set());
        let (model, given_up): (Arc<dyn Model>, _) = (Arc::from(model), Arc::new(AtomicU64::default()));
        let (queue, crew) = (Arc::new(Mutex::new(queue)), Arc::new(Crew::of(limits.threads)));
        let no_thread = "no thread for the analysis engine";
        let watch = |_| {
            let desk = Desk::open(Arc::clone(&model), Arc::clone(&crew)).unwrap_or_else(|e| panic!("{no_thread}: {e}"));
            let (model, crew) = (Arc::clone(&model), Arc::clone(&crew));
            let watch = Watch::new(desk, model, crew, limits.film, Arc::clone(&given_up));
            let queue = Arc::clone(&queue);
            let thread =
                std::thread::Builder::new().name("analysis-watch".to_owned()).spawn(move || watch.over(&queue));
            thread.unwrap_or_else(|e| panic!("{no_thread}: {e}"))
        };
        let watches = (0..limits.threads.max(1)).map(watch).collect();
        Self { jobs: Some(jobs), watches, crew, model: reference, threshold_set, given_up }
    }

    /// The model that it runs.
    #[must_use]
    pub fn model_ref(&self) -> &ModelRef {
        &self.model
    }

    /// The model's threshold set, see [`Model::threshold_set`].
    #[must_use]
    pub fn threshold_set(&self) -> &str {
        &self.threshold_set
    }

    /// Films that were given up because they took too long.
    #[must_use]
    pub fn given_up(&self) -> u64 {
        self.given_up.load(Ordering::Relaxed)
    }

    /// Whether it takes no more films: too many threads were left behind, or no new one can be had.
    /// Only a new process helps then.
    #[must_use]
    pub fn has_stopped(&self) -> bool {
        self.jobs.as_ref().is_none_or(mpsc::Sender::is_closed)
    }

    /// Analyses a DICOM Part 10 file; waits for a place in the queue without blocking the runtime.
    ///
    /// # Errors
    /// [`AnalyzeError`].
    pub async fn analyze(&self, part10: impl Into<Arc<Vec<u8>>>) -> Answer {
        let (reply, answer) = oneshot::channel();
        // Nobody listens any more if the caller gave up: nothing to do then.
        let reply = Box::new(move |result| drop(reply.send(result)));
        let jobs = self.jobs.as_ref().ok_or(AnalyzeError::Stopped)?;
        let waiting = self.crew.waiting();
        jobs.send(Job { part10: part10.into(), reply, waiting }).await.map_err(|_| AnalyzeError::Stopped)?;
        answer.await.map_err(|_| AnalyzeError::Stopped)?
    }

    /// The same for callers without a runtime. Blocks the calling thread.
    ///
    /// # Errors
    /// [`AnalyzeError`].
    pub fn analyze_blocking(&self, part10: impl Into<Arc<Vec<u8>>>) -> Answer {
        let (reply, answer) = std::sync::mpsc::channel();
        let reply = Box::new(move |result| drop(reply.send(result)));
        let jobs = self.jobs.as_ref().ok_or(AnalyzeError::Stopped)?;
        let mut job = Job { part10: part10.into(), reply, waiting: self.crew.waiting() };
        loop {
            job = match jobs.try_send(job) {
                Ok(()) => break,
                Err(mpsc::error::TrySendError::Full(job)) => job,
                Err(mpsc::error::TrySendError::Closed(_)) => return Err(AnalyzeError::Stopped),
            };
            // Not `blocking_send`, which panics on a thread of a runtime.
            std::thread::sleep(Duration::from_millis(5));
        }
        answer.recv().map_err(|_| AnalyzeError::Stopped)?
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.jobs = None;
        for watch in self.watches.drain(..) {
            // The loops catch panics, so there is nothing to report here.
            drop(watch.join());
        }
    }
}

fn analyze(model: &dyn Model, part10: &[u8], crew: &Crew) -> Answer {
    let millis = |since: Instant| u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX);
    let start = Instant::now();
    let image = CxrImage::decode(part10)?;
    let decode_ms = millis(start);
    let prediction = model.predict(&image, crew.threads_for_one())?;
    let picture = picture(&image, PICTURE_SIDE);
    Ok(Analyzed { prediction, picture, took_ms: millis(start), decode_ms })
}
