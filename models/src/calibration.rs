//! From a logit to a calibrated probability: what each kind wants, and its arithmetic.

use serde::{Deserialize, Serialize};

/// Most points of one isotonic table.
const MOST_POINTS: usize = 4096;

/// From logit to calibrated probability. Lists have one entry for each `[[label]]`, in its order; entries of labels
/// that are not reported are not looked at and may be `nan` or empty.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
pub enum Calibration {
    /// `sigmoid(logit)`.
    None,
    /// `sigmoid(logit / temperature)`.
    Temperature {
        /// Divisor of the logit, above 0.
        temperature: f64,
    },
    /// torchxrayvision's `op_norm`: two straight lines through (0, 0), (t, 0.5) and (1, 1) on `sigmoid(logit)`.
    #[serde(rename = "op_norm")]
    OpNorm {
        /// The operating point t of each label, on `sigmoid(logit)`. Single precision, as torch keeps it.
        thresholds: Vec<f32>,
    },
    /// `sigmoid(a * logit + b)`.
    Platt {
        /// Slope of each label, above 0.
        a: Vec<f64>,
        /// Offset of each label.
        b: Vec<f64>,
    },
    /// Straight lines between points of a table on `sigmoid(logit)`, level beyond its ends.
    Isotonic {
        /// Points `[sigmoid(logit), probability]` of each label; the first rises, the second does not fall.
        tables: Vec<Vec<[f64; 2]>>,
    },
}

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

impl Calibration {
    /// The calibrated probability of a logit of the label at this place. Not a number where the label has no
    /// calibration, which the manifest's check lets through only for labels that are not reported.
    #[must_use]
    pub fn probability(&self, label: usize, logit: f32) -> f32 {
        let logit = f64::from(logit);
        let probability = match self {
            Self::None => sigmoid(logit),
            Self::Temperature { temperature } => sigmoid(logit / temperature),
            Self::OpNorm { thresholds } => thresholds.get(label).map_or(f64::NAN, |&t| op_norm(sigmoid(logit), t)),
            Self::Platt { a, b } => match (a.get(label), b.get(label)) {
                (Some(a), Some(b)) => sigmoid(a * logit + b),
                _ => f64::NAN,
            },
            Self::Isotonic { tables } => tables.get(label).map_or(f64::NAN, |table| along(table, sigmoid(logit))),
        };
        probability as f32
    }

    /// What is wrong, as the key and the rule. `reported` says of each label whether it is.
    pub(crate) fn problem(&self, reported: &[bool]) -> Option<(&'static str, String)> {
        let length = |key, found: usize| {
            let labels = reported.len();
            let problem = || format!("has {found} entries, but there are {labels} [[label]]: give one for each");
            (found != labels).then(|| (key, problem()))
        };
        // The place is counted from 1, as people count.
        let each = |key, rule: &str, good: &dyn Fn(usize) -> bool| {
            let bad = reported.iter().enumerate().position(|(n, &reported)| reported && !good(n));
            bad.map(|n| (key, format!("entry {}: {rule}", n + 1)))
        };
        match self {
            Self::None => None,
            Self::Temperature { temperature } => (!(*temperature > 0.0 && temperature.is_finite()))
                .then(|| ("calibration.temperature", "must be above 0".to_owned())),
            Self::OpNorm { thresholds } => {
                let key = "calibration.thresholds";
                length(key, thresholds.len()).or_else(|| {
                    let rule =
                        "must be between 0 and 1; a label without one is not reported: set its `threshold = nan`";
                    each(key, rule, &|n| thresholds[n] > 0.0 && thresholds[n] < 1.0)
                })
            }
            Self::Platt { a, b } => length("calibration.a", a.len())
                .or_else(|| length("calibration.b", b.len()))
                .or_else(|| each("calibration.a", "must be above 0", &|n| a[n] > 0.0 && a[n].is_finite()))
                .or_else(|| each("calibration.b", "must be a number", &|n| b[n].is_finite())),
            Self::Isotonic { tables } => {
                let key = "calibration.tables";
                let rule = "needs 2 to 4096 points [x, y] from 0 to 1, x rising and y never falling";
                length(key, tables.len()).or_else(|| each(key, rule, &|n| is_monotone(&tables[n])))
            }
        }
    }
}

fn op_norm(p: f64, threshold: f32) -> f64 {
    let t = f64::from(threshold);
    if p < t { p / (2.0 * t) } else { 1.0 - (1.0 - p) / (2.0 * (1.0 - t)) }
}

fn is_monotone(table: &[[f64; 2]]) -> bool {
    let inside = table.iter().flatten().all(|v| (0.0..=1.0).contains(v));
    let rises = table.windows(2).all(|pair| pair[0][0] < pair[1][0] && pair[0][1] <= pair[1][1]);
    (2..=MOST_POINTS).contains(&table.len()) && inside && rises
}

/// The table's value at `x`.
fn along(table: &[[f64; 2]], x: f64) -> f64 {
    let next = table.partition_point(|point| point[0] <= x);
    match (next.checked_sub(1).map(|n| table[n]), table.get(next)) {
        (Some([x0, y0]), Some([x1, y1])) => y0 + (y1 - y0) * (x - x0) / (x1 - x0),
        (Some([_, y]), None) | (None, Some(&[_, y])) => y,
        (None, None) => f64::NAN,
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[derive(serde::Deserialize)]
    struct Golden {
        thresholds: Vec<f32>,
        logits: Vec<Vec<f32>>,
        probabilities: Vec<Vec<f32>>,
    }

    #[test]
    fn op_norm_is_torchxrayvisions() {
        let golden: Golden = serde_json::from_str(include_str!("../tests/data/op_norm.json")).unwrap();
        let calibration = Calibration::OpNorm { thresholds: golden.thresholds };
        let mut worst = 0.0_f32;
        for (logits, wanted) in golden.logits.iter().zip(&golden.probabilities) {
            for (n, (&logit, want)) in logits.iter().zip(wanted).enumerate() {
                worst = worst.max((calibration.probability(n, logit) - want).abs());
            }
        }
        assert!(golden.logits.len() >= 40 && worst <= 1e-6, "{worst:e}");
    }

    #[test]
    fn the_operating_point_becomes_one_half() {
        let t = 0.074_228_72_f32;
        let logit = (f64::from(t) / (1.0 - f64::from(t))).ln() as f32;
        let got = Calibration::OpNorm { thresholds: vec![0.9, t] }.probability(1, logit);
        assert!((got - 0.5).abs() < 1e-6, "{got}");
    }

    #[test]
    fn temperature_softens_and_platt_shifts() {
        let soft = Calibration::Temperature { temperature: 2.0 };
        assert!((Calibration::None.probability(0, 2.0) - 0.880_797).abs() < 1e-6);
        assert!((soft.probability(0, 2.0) - 0.731_059).abs() < 1e-6);
        let platt = Calibration::Platt { a: vec![1.0, 0.5], b: vec![0.0, -1.0] };
        assert!((platt.probability(1, 2.0) - 0.5).abs() < 1e-6);
    }

    #[test]
    fn isotonic_tables_are_straight_between_points_and_level_beyond() {
        let table = vec![[0.2, 0.1], [0.4, 0.1], [0.5, 0.6]];
        let isotonic = Calibration::Isotonic { tables: vec![Vec::new(), table] };
        let logit = |p: f64| (p / (1.0 - p)).ln() as f32;
        for (p, want) in [(0.1, 0.1), (0.3, 0.1), (0.45, 0.35), (0.5, 0.6), (0.9, 0.6)] {
            let got = isotonic.probability(1, logit(p));
            assert!((got - want).abs() < 1e-5, "{p}: {got}");
        }
    }

    #[test]
    fn what_is_wrong_names_key_and_entry() {
        let problem = |calibration: Calibration| {
            let (key, problem) = calibration.problem(&[false, true]).unwrap();
            format!("{key}: {problem}")
        };
        let table = |points: &[[f64; 2]]| Calibration::Isotonic { tables: vec![Vec::new(), points.to_vec()] };
        for (calibration, words) in [
            (Calibration::OpNorm { thresholds: vec![0.5] }, "thresholds: has 1 entries, but there are 2"),
            (Calibration::OpNorm { thresholds: vec![f32::NAN; 2] }, "thresholds: entry 2"),
            (Calibration::OpNorm { thresholds: vec![0.5, 1.0] }, "thresholds: entry 2"),
            (Calibration::Platt { a: vec![1.0; 2], b: vec![0.0] }, "b: has 1"),
            (Calibration::Platt { a: vec![1.0, -1.0], b: vec![0.0; 2] }, "a: entry 2: must be above 0"),
            (Calibration::Platt { a: vec![1.0; 2], b: vec![0.0, f64::INFINITY] }, "b: entry 2"),
            (table(&[[0.1, 0.2]]), "tables: entry 2: needs 2 to 4096 points"),
            (table(&[[0.1, 0.2], [0.1, 0.3]]), "tables: entry 2"),
            (table(&[[0.1, 0.3], [0.2, 0.2]]), "tables: entry 2"),
            (table(&[[0.1, 0.3], [0.2, 1.2]]), "tables: entry 2"),
        ] {
            let message = problem(calibration);
            assert!(message.contains(words), "{words}: {message}");
        }
        // Nothing is asked of a label that is not reported.
        let untrained = Calibration::OpNorm { thresholds: vec![f32::NAN, 0.2] };
        assert_eq!(untrained.problem(&[false, true]), None);
    }
}
