//! Operating points: what a threshold calls right and wrong, and thresholds chosen by a rule.

use super::{Interval, classes, wilson};
use serde::Serialize;

/// How a threshold was chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Rule {
    /// The model package's own.
    Package,
    /// The highest that finds 90 % of the positive films.
    #[serde(rename = "sensitivity_90")]
    Sensitivity90,
    /// The lowest that leaves 90 % of the negative films alone.
    #[serde(rename = "specificity_90")]
    Specificity90,
    /// The maximum of sensitivity + specificity - 1 (Youden 1950), the lowest of several.
    Youden,
}

/// A proportion with its Wilson interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Share {
    /// Hits.
    pub hits: usize,
    /// Of so many.
    pub of: usize,
    /// Their ratio; none of nothing.
    pub value: Option<f64>,
    /// Wilson's 95 % interval.
    pub interval: Option<Interval>,
}

impl Share {
    fn new(hits: usize, of: usize) -> Self {
        Self { hits, of, value: (of > 0).then(|| hits as f64 / of as f64), interval: wilson(hits, of) }
    }
}

/// What a threshold reaches. Predictive values are those of the films at hand: they follow their
/// share of positive films.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Operating {
    /// How it was chosen.
    pub rule: Rule,
    /// Films with at least this score are called positive.
    pub threshold: f64,
    /// Positive films that are called so.
    pub sensitivity: Share,
    /// Negative films that are not called positive.
    pub specificity: Share,
    /// Of the films called positive, those that are.
    pub positive_predictive_value: Share,
    /// Of the others, those that are negative.
    pub negative_predictive_value: Share,
}

/// What one threshold reaches; also where a class is missing.
///
/// # Panics
/// If there is not one score for each film.
#[must_use]
pub fn operating(rule: Rule, threshold: f64, positive: &[bool], score: &[f64]) -> Operating {
    assert_eq!(positive.len(), score.len(), "one score for each film");
    let count = |truth: bool, called: bool| {
        positive.iter().zip(score).filter(|&(&p, &s)| p == truth && (s >= threshold) == called).count()
    };
    let (hits, missed) = (count(true, true), count(true, false));
    let (alarms, quiet) = (count(false, true), count(false, false));
    Operating {
        rule,
        threshold,
        sensitivity: Share::new(hits, hits + missed),
        specificity: Share::new(quiet, quiet + alarms),
        positive_predictive_value: Share::new(hits, hits + alarms),
        negative_predictive_value: Share::new(quiet, quiet + missed),
    }
}

/// The points that [`Rule`] names, the package's first; only that where a class is missing. Cuts lie
/// half way between two neighbouring scores.
///
/// # Panics
/// If there is not one score for each film.
#[must_use]
pub fn operating_points(package: f64, positive: &[bool], score: &[f64]) -> Vec<Operating> {
    let mut points = vec![operating(Rule::Package, package, positive, score)];
    let Some((mut ones, mut zeros)) = classes(positive, score) else { return points };
    ones.sort_by(f64::total_cmp);
    zeros.sort_by(f64::total_cmp);
    let mut levels = score.to_vec();
    levels.sort_by(f64::total_cmp);
    levels.dedup();
    let between = levels.windows(2).map(|pair| f64::midpoint(pair[0], pair[1]));
    let all: Vec<f64> = std::iter::once(levels[0]).chain(between).collect();
    let sensitivity = |cut: f64| 1.0 - ones.partition_point(|&s| s < cut) as f64 / ones.len() as f64;
    let specificity = |cut: f64| zeros.partition_point(|&s| s < cut) as f64 / zeros.len() as f64;
    // The least cut finds all, so there always is one; that all negatives are left alone is not sure.
    let finds = all.iter().copied().rfind(|&cut| sensitivity(cut) >= 0.9);
    let spares = all.iter().copied().find(|&cut| specificity(cut) >= 0.9);
    let gain = |cut: f64| sensitivity(cut) + specificity(cut);
    let best = all.iter().copied().reduce(|best, cut| if gain(cut) > gain(best) { cut } else { best });
    for (rule, cut) in [(Rule::Sensitivity90, finds), (Rule::Specificity90, spares), (Rule::Youden, best)] {
        points.extend(cut.map(|cut| operating(rule, cut, positive, score)));
    }
    points
}
