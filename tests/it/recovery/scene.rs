//! What every fault has in common: its seeds, the films, a modality that sends again, a run without faults to compare
//! with, and the end before the oracle.

use super::oracle::{self, Copies, Evidence, Vitals};
use crate::harness::films::{Film, write};
use crate::harness::modality::{must_push, push};
use crate::harness::node::{Home, Node, Peer};
use crate::harness::pacs::Pacs;
use crate::harness::peer::Scripted;
use crate::harness::proxy::Proxy;
use centinela_domain::status::DimseStatus;
use centinela_phantom::{Spec, View, collection};
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::Path;
use std::time::{Duration, Instant};

/// How many seeds each fault gets, and which is the first.
const SEEDS: &str = "CENTINELA_FAULT_SEEDS";
const FIRST: &str = "CENTINELA_FAULT_FIRST";
/// The time within which everything is at its end once the fault is over.
pub const T_MAX: Duration = Duration::from_secs(90);

fn number(variable: &str) -> u64 {
    std::env::var(variable).map_or(1, |text| text.parse().unwrap_or_else(|_| panic!("{variable}={text}: no number")))
}

/// A home whose destinations are tried again soon.
pub fn home(peers: &[Peer]) -> Home {
    Home::new(peers)
        .set("CENTINELA__DELIVERY__ECHO_EVERY", "1")
        .set("CENTINELA__DELIVERY__CONNECT_TIMEOUT", "2")
        .set("CENTINELA__DELIVERY__RESPONSE_TIMEOUT", "2")
}

/// A film with a long side of about so many pixels.
pub fn specimen(index: u64, side: u16) -> Spec {
    collection(60, side).nth(index as usize % 60).unwrap()
}

/// One run of a fault.
pub struct Case<'c> {
    pub fault: &'static str,
    pub seed: u64,
    pub rng: StdRng,
    clean: &'c Clean<'c>,
    story: Vec<String>,
    vitals: Option<Vitals>,
}

/// Runs a fault once for each seed and prints its line of the table. What it did with the seed that failed is printed,
/// and how that one is run again.
pub fn play(fault: &'static str, what: &str, mut run: impl FnMut(&mut Case<'_>)) {
    let (first, count) = (number(FIRST), number(SEEDS));
    let begin = Instant::now();
    let pacs = Pacs::start();
    let home = home(&[Peer::pacs(pacs.port, "compat")]).set("CENTINELA__STUDY__QUIET_PERIOD", "1");
    let clean = Clean { node: home.start() };
    let mut series = Vec::new();
    for seed in first..first + count {
        let rng = StdRng::seed_from_u64(seed);
        let mut case = Case { fault, seed, rng, clean: &clean, story: Vec::new(), vitals: None };
        let ended = catch_unwind(AssertUnwindSafe(|| run(&mut case)));
        series.extend(case.vitals);
        if let Err(panic) = ended {
            let passed = seed - first;
            println!("| {fault} | {what} | {passed} of {count}, then seed {seed} failed | | | |");
            println!("{fault}, seed {seed}: {}", case.story.join("; "));
            println!("once more: {FIRST}={seed} {SEEDS}=1 cargo test --features failpoints --test it recovery");
            resume_unwind(panic);
        }
    }
    let (descriptors, kib, wrong) = oracle::growth(&series);
    let seconds = begin.elapsed().as_secs();
    let mib = kib as f64 / 1024.0;
    println!("| {fault} | {what} | {count} of {count} | {seconds} s | +{descriptors} | +{mib:.1} MiB |");
    assert_eq!(wrong, None, "{fault}");
}

impl Case<'_> {
    /// Keeps what the seed has chosen, for the case that it fails.
    pub fn tell(&mut self, text: impl Into<String>) {
        self.story.push(text.into());
    }

    /// A number of the range, both ends included.
    pub fn pick(&mut self, from: u64, to: u64) -> u64 {
        self.rng.random_range(from..=to)
    }

    /// One of these.
    pub fn one<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.rng.random_range(0..of.len())]
    }

    /// In any order.
    pub fn shuffle<T>(&mut self, list: &mut [T]) {
        for n in (1..list.len()).rev() {
            list.swap(n, self.rng.random_range(0..=n));
        }
    }

    /// One film of a study of this case.
    pub fn film(&mut self, folder: &Path, study: u64, film: u64, view: View) -> Film {
        let side = self.pick(200, 640) as u16;
        self.film_of(folder, (study, film), view, side)
    }

    /// The same of a given size.
    pub fn film_of(&mut self, folder: &Path, (study, film): (u64, u64), view: View, side: u16) -> Film {
        let mut spec = specimen(self.seed * 7 + study, side);
        spec.study.key = format!("{}-{}-{study}", self.fault, self.seed);
        spec.key = format!("{}-{film}", spec.study.key);
        spec.view = view;
        write(folder, &spec)
    }

    /// One to three studies of one to three films, all but the first of a study frontal or lateral, in any order.
    pub fn studies(&mut self, folder: &Path) -> Vec<Film> {
        let mut films = Vec::new();
        for study in 0..self.pick(1, 3) {
            for film in 0..self.one(&[1, 1, 2, 3]) {
                let view = if film == 0 { View::Pa } else { self.one(&[View::Ap, View::Lateral]) };
                films.push(self.film(folder, study, film, view));
            }
        }
        self.shuffle(&mut films);
        self.tell(format!("{} films", films.len()));
        films
    }

    /// Waits for the end and hands everything to the oracle; nothing may be wrong.
    pub fn judge(&mut self, node: &Node<'_>, modality: &Modality, end: &End<'_>) {
        let home = node.home;
        let late = oracle::settle(home, &end.poisoned, T_MAX);
        assert!(late.is_empty(), "after {} s: {late:#?}", T_MAX.as_secs());
        let answered: Vec<Film> = modality.films.iter().filter(|f| modality.has(f)).cloned().collect();
        let mut expected = BTreeMap::new();
        for study in answered.iter().map(|f| &f.study).collect::<BTreeSet<_>>() {
            let films: Vec<&Film> = answered.iter().filter(|f| f.study == *study).collect();
            if !end.poisoned.contains(study) {
                expected.insert(study.clone(), self.clean.results(home, study, &films));
            }
        }
        let destinations: Vec<(&str, Copies)> =
            end.destinations.iter().map(|(name, has)| (*name, has.copies())).collect();
        let (poisoned, again) = (&end.poisoned, end.again);
        let found = oracle::judge(&Evidence {
            home,
            answered: &answered,
            expected: &expected,
            poisoned,
            destinations: &destinations,
            again,
        });
        assert!(found.is_empty(), "the oracle: {found:#?}");
        self.vitals = Some(Vitals::of(node.pid()));
    }
}

/// How a fault ended.
pub struct End<'e> {
    pub destinations: Vec<(&'e str, Has<'e>)>,
    /// Whether an object may have been sent a second time.
    pub again: bool,
    /// Studies with a film on which the analysis fails.
    pub poisoned: BTreeSet<String>,
}

impl<'e> End<'e> {
    /// At the one PACS of that name.
    pub fn at(pacs: &'e Pacs) -> Self {
        Self { destinations: vec![("pacs", Has::Pacs(pacs))], again: false, poisoned: BTreeSet::new() }
    }

    /// At a peer with a script.
    pub fn at_scripted(peers: &'e [Scripted]) -> Self {
        Self { destinations: vec![("pacs", Has::Scripted(peers))], again: true, poisoned: BTreeSet::new() }
    }

    /// An answer may have been lost: then the object is sent again.
    pub fn or_again(mut self) -> Self {
        self.again = true;
        self
    }
}

/// Who tells what a destination has.
pub enum Has<'e> {
    Pacs(&'e Pacs),
    /// What it was under each of its scripts.
    Scripted(&'e [Scripted]),
    /// What it has, and what it had in another life.
    Since(&'e Copies, &'e Pacs),
}

impl Has<'_> {
    pub fn copies(&self) -> Copies {
        match self {
            Self::Pacs(pacs) => {
                let shelf = pacs.shelf().into_iter();
                shelf.map(|(uid, copies)| (uid, copies.into_iter().map(|(digest, _)| digest).collect())).collect()
            }
            Self::Since(before, pacs) => {
                let mut all = (*before).clone();
                for (uid, copies) in Self::Pacs(pacs).copies() {
                    all.entry(uid).or_default().extend(copies);
                }
                all
            }
            Self::Scripted(peers) => {
                let mut all = Copies::new();
                for store in peers.iter().flat_map(|peer| peer.told("store")) {
                    let kept = store["answer"].as_u64().is_some_and(|s| s == 0 || s == 0x0111 || s >> 12 == 0xB);
                    if kept {
                        let word = |name: &str| store[name].as_str().unwrap().to_owned();
                        all.entry(word("sop")).or_default().push(word("digest"));
                    }
                }
                all
            }
        }
    }
}

/// A modality: it sends again what was not answered with success.
#[derive(Default)]
pub struct Modality {
    pub films: Vec<Film>,
    answered: BTreeSet<String>,
}

impl Modality {
    /// With these films to send.
    pub fn with(films: Vec<Film>) -> Self {
        Self { films, answered: BTreeSet::new() }
    }

    /// Whether the film was answered with success.
    pub fn has(&self, film: &Film) -> bool {
        self.answered.contains(&film.sop)
    }

    /// It was answered with success otherwise.
    pub fn note(&mut self, film: &Film) {
        self.answered.insert(film.sop.clone());
    }

    /// Tries all that was not answered yet, in order, until one is not taken; true if all were.
    pub fn try_all(&mut self, port: u16) -> bool {
        for film in self.films.clone() {
            if self.has(&film) {
                continue;
            }
            if !matches!(push(port, &film), Ok(DimseStatus::SUCCESS)) {
                return false;
            }
            self.note(&film);
        }
        true
    }

    /// Sends the rest; each must be taken.
    pub fn finish(&mut self, port: u16) {
        for film in self.films.clone() {
            if !self.has(&film) {
                must_push(port, &film);
                self.note(&film);
            }
        }
    }
}

/// A node to which nothing happens.
struct Clean<'h> {
    node: Node<'h>,
}

impl Clean<'_> {
    /// The results of a study whose films come as they came to another node: those of a revision together.
    fn results(&self, home: &Home, study: &str, films: &[&Film]) -> BTreeSet<String> {
        let sql = format!("select sop_instance, revision from instance where study_uid = '{study}' order by revision");
        let rows = oracle::rows(&home.data(), &sql);
        let last = rows.iter().filter_map(|row| row["revision"].as_i64()).max().unwrap_or(0);
        for revision in 1..=last {
            let of = |row: &&Value| row["revision"] == revision;
            let wanted: Vec<&str> = rows.iter().filter(of).map(|r| r["sop_instance"].as_str().unwrap()).collect();
            for film in films.iter().filter(|film| wanted.contains(&film.sop.as_str())) {
                must_push(self.node.dicom, film);
            }
            self.node.settled(study, revision);
        }
        let study = self.node.study(study).unwrap_or_else(|| panic!("{study}: nothing came"));
        let results = study["results"].as_array().unwrap().iter();
        results.map(|row| row["sop_instance"].as_str().unwrap().to_owned()).collect()
    }
}

/// A node's home, and a PACS behind a line that can be spoiled.
pub struct World {
    pub home: Home,
    pub pacs: Pacs,
    pub line: Proxy,
}

impl World {
    pub fn new() -> Self {
        let pacs = Pacs::start();
        let line = Proxy::start(pacs.port);
        Self { home: home(&[Peer::pacs(line.port, "compat")]), pacs, line }
    }

    pub fn set(mut self, key: &str, value: &str) -> Self {
        self.home = self.home.set(key, value);
        self
    }
}
