//! The modalities of the soak: a study each second, sent until every film was answered 0000, whatever happens
//! meanwhile.

use crate::harness::films::{Film, Reel};
use crate::harness::modality::push;
use centinela_domain::status::DimseStatus;
use centinela_phantom::{Spec, collection};
use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU16, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// The long side of films; no other film of the soak has the size of a poisoned one.
const LONG_SIDE: u16 = 480;
const POISONED_SIDE: u16 = 400;
/// A modality tries again after this.
const PAUSE: Duration = Duration::from_millis(250);
/// A film that was not answered 0000 for so long is stuck.
const STUCK: Duration = Duration::from_secs(120);

/// What was sent of one study, all of it answered 0000.
#[derive(Debug, Clone)]
pub struct Sent {
    pub study: String,
    pub films: Vec<Film>,
    /// When its last film was answered.
    pub answered: Instant,
    pub poisoned: bool,
}

/// Everything that modalities did and are doing.
pub struct Traffic {
    folder: PathBuf,
    /// Where the node listens; 0 while it does not.
    port: AtomicU16,
    reel: Reel,
    poisoned: Reel,
    specs: Vec<Spec>,
    /// By the number of the study; each is there once its first films are answered.
    sent: Mutex<BTreeMap<usize, Sent>>,
    begun: AtomicUsize,
    attempts: AtomicUsize,
    ended: AtomicBool,
    senders: Mutex<Vec<JoinHandle<()>>>,
}

impl Traffic {
    /// Nothing is sent yet; at most so many studies will be.
    pub fn new(folder: PathBuf, most: usize) -> Arc<Self> {
        fs::create_dir_all(&folder).unwrap();
        Arc::new(Self {
            folder,
            port: AtomicU16::new(0),
            reel: Reel::new(LONG_SIDE),
            poisoned: Reel::new(POISONED_SIDE),
            specs: collection(u32::try_from(most).unwrap(), LONG_SIDE).collect(),
            sent: Mutex::default(),
            begun: AtomicUsize::new(0),
            attempts: AtomicUsize::new(0),
            ended: AtomicBool::new(false),
            senders: Mutex::default(),
        })
    }

    /// Where the node listens from now on; 0 for nowhere.
    pub fn point_to(&self, port: u16) {
        self.port.store(port, Ordering::SeqCst);
    }

    /// What the failpoint calls poisoned films: `COLUMNSxROWS`.
    pub fn poisoned_size() -> String {
        // A film of the first kind, which every poisoned one is.
        let spec = collection(1, POISONED_SIDE).next().unwrap();
        format!("{}x{}", spec.columns, spec.rows)
    }

    /// Begins a study of one to three films each second, until the end; `films` gives how many.
    pub fn run(self: &Arc<Self>, mut films: impl FnMut() -> usize + Send + 'static) {
        let traffic = Arc::clone(self);
        let clock = std::thread::spawn(move || {
            let begin = Instant::now();
            for second in 0.. {
                let due = begin + Duration::from_secs(second);
                std::thread::sleep(due.saturating_duration_since(Instant::now()));
                if traffic.ended.load(Ordering::SeqCst) {
                    return;
                }
                let count = films();
                traffic.study(count, false);
            }
        });
        self.senders.lock().unwrap().push(clock);
    }

    /// Begins one study.
    pub fn study(self: &Arc<Self>, films: usize, poisoned: bool) {
        let n = self.begun.fetch_add(1, Ordering::SeqCst);
        let specs: Vec<Spec> = (0..films).map(|film| self.spec(n, film, poisoned)).collect();
        self.send(n, specs, poisoned);
    }

    /// Sends another film of a study that was answered, if there is one that old.
    pub fn late_film(self: &Arc<Self>, age: Duration) -> bool {
        let found = {
            let sent = self.sent.lock().unwrap();
            let mut latest = sent.iter().rev();
            latest.find(|(_, s)| !s.poisoned && s.answered.elapsed() > age).map(|(n, s)| (*n, s.films.len()))
        };
        let Some((n, films)) = found else { return false };
        // A number that no film has which may still be on its way.
        self.send(n, vec![self.spec(n, films + 10, false)], false);
        true
    }

    /// Sends a film again that was answered.
    pub fn same_film(self: &Arc<Self>) -> bool {
        let found = self.sent.lock().unwrap().values().next_back().map(|sent| sent.films[0].clone());
        let Some(film) = found else { return false };
        let traffic = Arc::clone(self);
        let sender = std::thread::spawn(move || traffic.until_answered(&film));
        self.senders.lock().unwrap().push(sender);
        true
    }

    /// Where the node listens, and a film that was not sent before, with the study that it will be of.
    pub fn fresh(self: &Arc<Self>) -> (u16, Film, Vec<Spec>, usize) {
        let n = self.begun.fetch_add(1, Ordering::SeqCst);
        let spec = self.spec(n, 0, false);
        let film = self.write(n, &spec, false);
        (self.port.load(Ordering::SeqCst), film, vec![spec], n)
    }

    /// Sends these films of the `n`th study until they are answered.
    pub fn send(self: &Arc<Self>, n: usize, specs: Vec<Spec>, poisoned: bool) {
        let traffic = Arc::clone(self);
        let sender = std::thread::spawn(move || {
            for spec in specs {
                let film = traffic.write(n, &spec, poisoned);
                traffic.until_answered(&film);
                traffic.note(n, film, poisoned);
            }
        });
        self.senders.lock().unwrap().push(sender);
    }

    /// Ends it: no new study, and what was begun is answered. Gives what was sent, and how many pushes it took.
    pub fn end(&self) -> (Vec<Sent>, usize) {
        self.ended.store(true, Ordering::SeqCst);
        // The clock of the traffic adds senders until it ends.
        while let Some(sender) = { self.senders.lock().unwrap().pop() } {
            sender.join().unwrap();
        }
        (self.sent.lock().unwrap().values().cloned().collect(), self.attempts.load(Ordering::SeqCst))
    }

    fn spec(&self, n: usize, film: usize, poisoned: bool) -> Spec {
        let mut spec = self.specs[n % self.specs.len()].clone();
        if poisoned {
            let bad = collection(1, POISONED_SIDE).next().unwrap();
            spec = Spec { study: spec.study, patient: spec.patient, ..bad };
        }
        spec.key = format!("soak-{n}-{film}");
        spec.study.key = format!("soak-{n}");
        spec.numbers = (1, u16::try_from(film + 1).unwrap());
        spec
    }

    fn write(&self, n: usize, spec: &Spec, poisoned: bool) -> Film {
        let bytes = if poisoned { self.poisoned.film(0, spec) } else { self.reel.film(n, spec) };
        let path = self.folder.join(format!("{}.dcm", spec.key));
        fs::write(&path, bytes).unwrap();
        Film { path, study: spec.study_uid().to_string(), sop: spec.sop_instance_uid().to_string() }
    }

    fn until_answered(&self, film: &Film) {
        let begin = Instant::now();
        loop {
            self.attempts.fetch_add(1, Ordering::SeqCst);
            let port = self.port.load(Ordering::SeqCst);
            if port != 0 && matches!(push(port, film), Ok(DimseStatus::SUCCESS)) {
                return;
            }
            assert!(begin.elapsed() < STUCK, "{} was not answered 0000", film.sop);
            std::thread::sleep(PAUSE);
        }
    }

    fn note(&self, n: usize, film: Film, poisoned: bool) {
        let mut all = self.sent.lock().unwrap();
        let (study, answered) = (film.study.clone(), Instant::now());
        let sent = all.entry(n).or_insert(Sent { study, films: Vec::new(), answered, poisoned });
        sent.films.push(film);
        sent.answered = answered;
    }
}
