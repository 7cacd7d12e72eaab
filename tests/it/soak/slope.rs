//! Anonymous memory of the node during the soak, and its slope over the longest life of the process.
//!
//! What grows is what is still there when little is in work. Films in work go up and down by more in a second than a leak
//! in minutes, so the slope is that of the least of every ten seconds; that of all looks is printed beside it.

use crate::harness::memory::anonymous;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{JoinHandle, sleep};
use std::time::{Duration, Instant};

/// A new process loads its model and fills its pools for so long.
const WARM: Duration = Duration::from_secs(30);
/// A slope over less says nothing.
const LONG_ENOUGH: Duration = Duration::from_secs(180);
/// MiB a minute.
const LIMIT: f64 = 1.0;
/// Seconds of which the least counts.
const REST: u64 = 10;

/// One look.
#[derive(Debug, Clone, Copy)]
pub struct Sample {
    pub at: Duration,
    pub pid: u32,
    pub kib: u64,
}

/// Looks every second.
pub struct Memory {
    pid: Arc<AtomicU32>,
    ended: Arc<AtomicBool>,
    samples: Arc<Mutex<Vec<Sample>>>,
    watcher: JoinHandle<()>,
}

impl Memory {
    /// Begins to look at a process.
    pub fn watch(pid: u32) -> Self {
        let (pid, ended) = (Arc::new(AtomicU32::new(pid)), Arc::new(AtomicBool::new(false)));
        let samples = Arc::new(Mutex::new(Vec::new()));
        let (whom, until, into, begin) = (Arc::clone(&pid), Arc::clone(&ended), Arc::clone(&samples), Instant::now());
        let watcher = std::thread::spawn(move || {
            while !until.load(Ordering::SeqCst) {
                let pid = whom.load(Ordering::SeqCst);
                // None while it is killed and its successor not known yet.
                if let Some(kib) = anonymous(pid) {
                    into.lock().unwrap().push(Sample { at: begin.elapsed(), pid, kib });
                }
                sleep(Duration::from_secs(1));
            }
        });
        Self { pid, ended, samples, watcher }
    }

    /// Looks at this process from now on.
    pub fn follow(&self, pid: u32) {
        self.pid.store(pid, Ordering::SeqCst);
    }

    /// Stops looking.
    pub fn end(self) -> Vec<Sample> {
        self.ended.store(true, Ordering::SeqCst);
        self.watcher.join().unwrap();
        self.samples.lock().unwrap().clone()
    }
}

/// Prints the slopes over the longest life of the process, from `settled` or half a minute of its life on; fails if
/// that is a time long enough to say something, and memory grew.
pub fn assert_flat(samples: &[Sample], settled: Duration) {
    let lives: Vec<&[Sample]> = samples.chunk_by(|a, b| a.pid == b.pid).collect();
    println!("{} lives of the process", lives.len());
    let parts = lives.into_iter().map(|life| {
        let from = settled.max(life[0].at + WARM);
        life.iter().filter(|sample| sample.at >= from).copied().collect::<Vec<_>>()
    });
    let longest = parts.max_by_key(Vec::len).unwrap_or_default();
    let (Some(first), Some(last)) = (longest.first(), longest.last()) else {
        println!("no life is long enough for a slope of memory");
        return;
    };
    let mib = |sample: &Sample| sample.kib as f64 / 1024.0;
    let least = |part: &[Sample]| part.iter().min_by_key(|sample| sample.kib).copied();
    let rest: Vec<Sample> = longest.chunk_by(|a, b| tenth(a) == tenth(b)).filter_map(least).collect();
    let slope = least_squares(&rest);
    let most = longest.iter().map(mib).fold(0.0, f64::max);
    println!(
        "anonymous memory from second {} to {}: the least of each {REST} s from {:.1} to {:.1} MiB, slope {slope:+.2} \
         MiB a minute; at most {most:.1}, slope of all {} looks {:+.2}",
        first.at.as_secs(),
        last.at.as_secs(),
        rest.first().map_or(0.0, mib),
        rest.last().map_or(0.0, mib),
        longest.len(),
        least_squares(&longest)
    );
    assert!(last.at - first.at < LONG_ENOUGH || slope < LIMIT, "memory grows by {slope:.2} MiB a minute");
}

const fn tenth(sample: &Sample) -> u64 {
    sample.at.as_secs() / REST
}

/// Least squares, in MiB a minute.
fn least_squares(samples: &[Sample]) -> f64 {
    let n = samples.len() as f64;
    let (x, y) = (|s: &Sample| s.at.as_secs_f64() / 60.0, |s: &Sample| s.kib as f64 / 1024.0);
    let (mean_x, mean_y) = (samples.iter().map(x).sum::<f64>() / n, samples.iter().map(y).sum::<f64>() / n);
    let above: f64 = samples.iter().map(|s| (x(s) - mean_x) * (y(s) - mean_y)).sum();
    let below: f64 = samples.iter().map(|s| (x(s) - mean_x).powi(2)).sum();
    if below > 0.0 { above / below } else { 0.0 }
}
