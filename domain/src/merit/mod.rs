//! Figures of merit of a classifier on labelled films: AUROC with intervals, operating points,
//! calibration. Values in, values out; equal input gives equal figures, also those that are drawn.
//!
//! Everywhere `positive[n]` is the truth of film `n` and `score[n]` its score, higher = rather
//! positive. A film is called positive where its score is at least the threshold.

mod auroc;
mod bootstrap;
mod calibration;
mod operating;

pub use auroc::{Auroc, RocPoint, auroc, roc};
pub use bootstrap::{DRAWS, Random, SEED, bootstrap};
pub use calibration::{Bin, Calibration, calibration};
pub use operating::{Operating, Rule, Share, operating, operating_points};

use serde::Serialize;

/// The 97.5 % point of the normal distribution.
const Z: f64 = 1.959_963_984_540_054;

/// A 95 % interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Interval {
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

/// Wilson's 95 % interval of a proportion; none of nothing.
#[must_use]
pub fn wilson(hits: usize, count: usize) -> Option<Interval> {
    if count == 0 {
        return None;
    }
    let (n, p) = (count as f64, hits as f64 / count as f64);
    let scale = 1.0 + Z * Z / n;
    let middle = (p + Z * Z / (2.0 * n)) / scale;
    let half = Z * (p * (1.0 - p) / n + Z * Z / (4.0 * n * n)).sqrt() / scale;
    Some(Interval { low: (middle - half).max(0.0), high: (middle + half).min(1.0) })
}

/// Films of each class, in film order. None unless there are scores for all and both classes.
fn classes(positive: &[bool], score: &[f64]) -> Option<(Vec<f64>, Vec<f64>)> {
    assert_eq!(positive.len(), score.len(), "one score for each film");
    let of = |class: bool| -> Vec<f64> {
        positive.iter().zip(score).filter(|(p, _)| **p == class).map(|(_, &s)| s).collect()
    };
    let (ones, zeros) = (of(true), of(false));
    (!ones.is_empty() && !zeros.is_empty()).then_some((ones, zeros))
}
