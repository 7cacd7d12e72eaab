//! Scores the films: one at a time on each thread, so that memory does not grow with their number. A
//! film without scores gets a reason, whatever happens to it.

use super::folder::{Folder, NoFile};
use super::rows::Row;
use anyhow::{Context as _, Result};
use centinela_domain::gate::{Decision, GatePolicy, MAX_PIXELS, SkipReason, gate};
use centinela_domain::header::{self, START};
use centinela_domain::result::Language;
use centinela_models::image::CxrImage;
use centinela_models::model::Model;
use centinela_models::plain;
use std::collections::HashSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;

/// A longer file is no film that could be analysed.
const MOST_BYTES: u64 = 2 * MAX_PIXELS + START as u64;

/// What is known of a scored film.
#[derive(Debug, Clone, PartialEq)]
pub struct Measured {
    /// Calibrated probability of each label of [`reported`].
    pub probability: Vec<f64>,
    /// Length of the file in bytes.
    pub bytes: f64,
    /// Mean grey as displayed, 0 to 1.
    pub grey: f64,
}

/// What came of a film; the error is the reason in plain words.
pub type Outcome = Result<Measured, String>;

/// The labels that a model reports, with their operating points. Outputs without training have no name
/// or no operating point, and no score.
#[must_use]
pub fn reported(model: &dyn Model) -> Vec<(String, f32)> {
    let all = model.manifest().labels.iter().map(|label| (label.name.clone(), label.threshold()));
    all.filter(|(name, threshold)| !name.is_empty() && threshold.is_finite()).collect()
}

/// Scores all rows; the outcomes are in their order. `heard` is told how many are done.
///
/// # Errors
/// If no threads can be had.
pub fn score(
    model: &dyn Model,
    policy: &GatePolicy,
    folder: &Folder,
    rows: &[Row],
    threads: usize,
    mut heard: impl FnMut(usize),
) -> Result<Vec<Outcome>> {
    let paths = paths(folder, rows);
    let workers = threads.clamp(1, rows.len().max(1));
    let models = (0..workers).map(|_| model.with_own_threads()).collect::<Result<Vec<_>, _>>();
    let models = models.context("start threads for the network")?;
    let next = AtomicUsize::new(0);
    let (done, results) = mpsc::channel();
    std::thread::scope(|scope| {
        for model in &models {
            let (done, next, paths) = (done.clone(), &next, &paths);
            scope.spawn(move || {
                loop {
                    let n = next.fetch_add(1, Ordering::Relaxed);
                    let Some(path) = paths.get(n) else { break };
                    let outcome = path.clone().and_then(|path| {
                        let one = || film(&**model, policy, &path);
                        let panicked = |_| Err(text(&SkipReason::Processing));
                        catch_unwind(AssertUnwindSafe(one)).unwrap_or_else(panicked)
                    });
                    if done.send((n, outcome)).is_err() {
                        break;
                    }
                }
            });
        }
        drop(done);
        let mut outcomes: Vec<Outcome> = vec![Err(text(&SkipReason::Processing)); rows.len()];
        for (count, (n, outcome)) in results.iter().enumerate() {
            outcomes[n] = outcome;
            heard(count + 1);
        }
        Ok(outcomes)
    })
}

/// The file of each row, or why it has none.
fn paths(folder: &Folder, rows: &[Row]) -> Vec<Result<PathBuf, String>> {
    let mut seen = HashSet::new();
    let find = |row: &Row| {
        let path = folder.find(&row.file).map_err(|why| match why {
            NoFile::Missing => "there is no such file in the folder",
            NoFile::Several => "several files in the folder have this name",
        });
        match path {
            Ok(path) if seen.insert(path.clone()) => Ok(path),
            Ok(_) => Err("an earlier row has the same file".to_owned()),
            Err(why) => Err(why.to_owned()),
        }
    };
    rows.iter().map(find).collect()
}

fn text(reason: &SkipReason) -> String {
    reason.text(&Language::English)
}

fn film(model: &dyn Model, policy: &GatePolicy, path: &PathBuf) -> Outcome {
    let unread = |e: std::io::Error| format!("the file cannot be read: {}", e.kind());
    if std::fs::metadata(path).map_err(unread)?.len() > MOST_BYTES {
        return Err(text(&SkipReason::TooLarge));
    }
    let bytes = std::fs::read(path).map_err(unread)?;
    let image = match plain::decode(&bytes) {
        Some(picture) => picture,
        None => {
            let (source, _) = header::read_damaged(&bytes).map_err(|_| text(&SkipReason::Decode))?;
            if let Decision::Skip(reason) = gate(&source.header, policy).decision {
                return Err(text(&reason));
            }
            CxrImage::decode(&bytes)
        }
    };
    let image = image.map_err(|error| text(&error.reason()))?;
    let prediction = model.predict(&image, 1).map_err(|_| text(&SkipReason::Processing))?;
    let gray = image.gray();
    let of = |label: &str| prediction.scores.iter().find(|s| s.label == label).map(|s| f64::from(s.probability));
    let probability: Option<Vec<f64>> = reported(model).iter().map(|(label, _)| of(label)).collect();
    Ok(Measured {
        probability: probability.ok_or_else(|| text(&SkipReason::Processing))?,
        bytes: bytes.len() as f64,
        grey: gray.iter().map(|&v| f64::from(v)).sum::<f64>() / gray.len() as f64,
    })
}
