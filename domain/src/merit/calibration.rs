//! Calibration: does a probability of 0.7 mean that 7 of 10 such films are positive?

use super::{Interval, wilson};
use serde::Serialize;

/// Bins of equal width from 0 to 1; the last one holds 1.
const BINS: usize = 10;

/// Films with probabilities in one tenth.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Bin {
    /// Lower border, inclusive.
    pub from: f64,
    /// Films.
    pub count: usize,
    /// Of these, positive ones.
    pub positive: usize,
    /// Mean probability; none of no films.
    pub mean: Option<f64>,
    /// Share of positive films; none of no films.
    pub observed: Option<f64>,
    /// Its Wilson interval.
    pub interval: Option<Interval>,
}

/// The curve and its summaries.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Calibration {
    /// Mean squared difference of probability and truth (Brier 1950).
    pub brier: f64,
    /// Mean distance of a bin's probability from its share of positive films, weighted by films
    /// (expected calibration error).
    pub expected_error: f64,
    /// The ten bins.
    pub bins: Vec<Bin>,
}

/// The calibration of probabilities; none of no films.
///
/// # Panics
/// If there is not one probability for each film.
#[must_use]
pub fn calibration(positive: &[bool], probability: &[f64]) -> Option<Calibration> {
    assert_eq!(positive.len(), probability.len(), "one probability for each film");
    if positive.is_empty() {
        return None;
    }
    let films = positive.len() as f64;
    let square = |(&truth, p): (&bool, &f64)| (f64::from(u8::from(truth)) - p).powi(2);
    let brier = positive.iter().zip(probability).map(square).sum::<f64>() / films;
    let place = |p: f64| ((p * BINS as f64) as usize).min(BINS - 1);
    let bins: Vec<Bin> = (0..BINS)
        .map(|n| {
            let inside = || positive.iter().zip(probability).filter(move |(_, p)| place(**p) == n);
            let (count, hits) = (inside().count(), inside().filter(|(p, _)| **p).count());
            let some = |value: f64| (count > 0).then(|| value / count as f64);
            Bin {
                from: n as f64 / BINS as f64,
                count,
                positive: hits,
                mean: some(inside().map(|(_, p)| p).sum()),
                observed: some(hits as f64),
                interval: wilson(hits, count),
            }
        })
        .collect();
    let gap = |b: &Bin| b.mean.zip(b.observed).map_or(0.0, |(m, o)| (m - o).abs() * b.count as f64);
    let expected_error = bins.iter().map(gap).sum::<f64>() / films;
    Some(Calibration { brier, expected_error, bins })
}
