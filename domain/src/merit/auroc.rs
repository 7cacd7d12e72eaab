//! The area under the ROC curve (Mann-Whitney), its DeLong interval, and the curve.

use super::{Interval, Z, classes};
use serde::Serialize;

/// An area with its DeLong interval (DeLong, DeLong and Clarke-Pearson, Biometrics 1988;44:837-845).
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Auroc {
    /// Probability that a positive film scores above a negative one, ties counted half.
    pub value: f64,
    /// DeLong's standard error; none with fewer than two films of a class.
    pub standard_error: Option<f64>,
    /// The value with 1.96 standard errors on both sides, cut at 0 and 1.
    pub delong: Option<Interval>,
}

/// The area; none where one class is missing.
///
/// # Panics
/// If there is not one score for each film.
#[must_use]
pub fn auroc(positive: &[bool], score: &[f64]) -> Option<Auroc> {
    let (ones, zeros) = classes(positive, score)?;
    // For each film the share of the other class that it is on the right side of.
    let (above, below) = (shares(&ones, &zeros), shares(&zeros, &ones));
    let value = mean(&above);
    let standard_error = (ones.len() > 1 && zeros.len() > 1)
        .then(|| (variance(&above) / ones.len() as f64 + variance(&below) / zeros.len() as f64).sqrt());
    let delong = standard_error
        .map(|e| Interval { low: (value - Z * e).clamp(0.0, 1.0), high: (value + Z * e).clamp(0.0, 1.0) });
    Some(Auroc { value, standard_error, delong })
}

/// For each of `these`, the share of `others` that are smaller, equal ones counted half.
fn shares(these: &[f64], others: &[f64]) -> Vec<f64> {
    let mut sorted = others.to_vec();
    sorted.sort_by(f64::total_cmp);
    let count = sorted.len() as f64;
    these
        .iter()
        .map(|&v| {
            let smaller = sorted.partition_point(|&o| o < v);
            let equal = sorted.partition_point(|&o| o <= v) - smaller;
            (smaller as f64 + equal as f64 / 2.0) / count
        })
        .collect()
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

fn variance(values: &[f64]) -> f64 {
    let middle = mean(values);
    values.iter().map(|v| (v - middle).powi(2)).sum::<f64>() / (values.len() - 1) as f64
}

/// A point of the curve.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct RocPoint {
    /// Films with at least this score are called positive; the first point calls none.
    pub threshold: f64,
    /// 1 - specificity.
    pub false_positive_rate: f64,
    /// Sensitivity.
    pub true_positive_rate: f64,
}

/// The curve from (0, 0) to (1, 1), one point for each distinct score; empty where one class is
/// missing.
///
/// # Panics
/// If there is not one score for each film.
#[must_use]
pub fn roc(positive: &[bool], score: &[f64]) -> Vec<RocPoint> {
    let Some((ones, zeros)) = classes(positive, score) else { return Vec::new() };
    let mut films: Vec<(f64, bool)> = score.iter().copied().zip(positive.iter().copied()).collect();
    films.sort_by(|a, b| b.0.total_cmp(&a.0));
    let mut points = vec![RocPoint { threshold: f64::INFINITY, false_positive_rate: 0.0, true_positive_rate: 0.0 }];
    let (mut hits, mut alarms) = (0, 0);
    for (n, &(threshold, truth)) in films.iter().enumerate() {
        *if truth { &mut hits } else { &mut alarms } += 1;
        if films.get(n + 1).is_none_or(|next| next.0 != threshold) {
            let rate = |count: i32, of: &[f64]| f64::from(count) / of.len() as f64;
            points.push(RocPoint {
                threshold,
                false_positive_rate: rate(alarms, &zeros),
                true_positive_rate: rate(hits, &ones),
            });
        }
    }
    points
}
