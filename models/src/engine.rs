//! The place where films are analysed: one operating-system thread behind a bounded queue.
//!
//! Decoding, inference and drawing hold a core for a second or so, which an asynchronous runtime
//! must not; and one film at a time keeps memory and the other half of the machine free (see
//! `threads` in [`crate::model`] for how many cores one inference takes). A panic in a decoder or
//! in the network ends the film, not the thread.

use crate::image::{CxrImage, ImageError};
use crate::model::{Model, ModelError};
use crate::preprocess::picture;
use centinela_domain::evidence::Picture;
use centinela_domain::gate::SkipReason;
use centinela_domain::prediction::{ModelRef, Prediction};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, oneshot};

/// Films that may wait for the thread; whoever brings one more waits.
const QUEUE: usize = 2;
/// Long side of the picture for Secondary Captures, in pixels.
const PICTURE_SIDE: u32 = 1280;

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
            Self::Model(_) | Self::Panicked | Self::Stopped => SkipReason::Processing,
        }
    }
}

type Answer = Result<Analyzed, AnalyzeError>;

struct Job {
    part10: Arc<Vec<u8>>,
    reply: Box<dyn FnOnce(Answer) + Send>,
}

/// A running analysis thread. Dropping it finishes what is queued and waits for the thread.
pub struct Engine {
    jobs: Option<mpsc::Sender<Job>>,
    thread: Option<JoinHandle<()>>,
    model: ModelRef,
    threshold_set: String,
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Engine({} {})", self.model.name, self.model.version)
    }
}

impl Engine {
    /// Starts the thread.
    ///
    /// # Panics
    /// If the operating system gives no thread; the node is starting then and cannot work.
    #[must_use]
    pub fn start(model: Box<dyn Model>) -> Self {
        let (jobs, queue) = mpsc::channel(QUEUE);
        let (reference, threshold_set) = (model.model_ref(), model.threshold_set());
        let thread = std::thread::Builder::new().name("analysis".to_owned()).spawn(move || work(&*model, queue));
        let thread = thread.unwrap_or_else(|e| panic!("no thread for the analysis engine: {e}"));
        Self { jobs: Some(jobs), thread: Some(thread), model: reference, threshold_set }
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

    /// Analyses a DICOM Part 10 file; waits for a place in the queue without blocking the runtime.
    ///
    /// # Errors
    /// [`AnalyzeError`].
    pub async fn analyze(&self, part10: impl Into<Arc<Vec<u8>>>) -> Answer {
        let (reply, answer) = oneshot::channel();
        // Nobody listens any more if the caller gave up: nothing to do then.
        let reply = Box::new(move |result| drop(reply.send(result)));
        let jobs = self.jobs.as_ref().ok_or(AnalyzeError::Stopped)?;
        jobs.send(Job { part10: part10.into(), reply }).await.map_err(|_| AnalyzeError::Stopped)?;
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
        let mut job = Job { part10: part10.into(), reply };
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
        if let Some(thread) = self.thread.take() {
            // The loop catches panics, so there is nothing to report here.
            drop(thread.join());
        }
    }
}

fn work(model: &dyn Model, mut queue: mpsc::Receiver<Job>) {
    while let Some(job) = queue.blocking_recv() {
        let result = catch_unwind(AssertUnwindSafe(|| analyze(model, &job.part10)));
        (job.reply)(result.unwrap_or(Err(AnalyzeError::Panicked)));
    }
}

fn analyze(model: &dyn Model, part10: &[u8]) -> Answer {
    let millis = |since: Instant| u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX);
    let start = Instant::now();
    let image = CxrImage::decode(part10)?;
    let decode_ms = millis(start);
    let prediction = model.predict(&image)?;
    let picture = picture(&image, PICTURE_SIDE);
    Ok(Analyzed { prediction, picture, took_ms: millis(start), decode_ms })
}
