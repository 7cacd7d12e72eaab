//! The figures: for each label and each source, never for sources together, whose differences a
//! model would be praised for.

use super::rows::{Row, Rows, Truth};
use super::scoring::Outcome;
use super::table::Table;
use centinela_domain::merit::{
    Calibration, DRAWS, Interval, Operating, RocPoint, SEED, auroc, bootstrap, calibration, operating_points, roc,
};
use centinela_domain::prediction::ModelRef;
use serde::Serialize;
use std::collections::BTreeMap;

/// What stands in every output.
pub const NOTICE: &str =
    "For evaluation only. Not a medical device. Figures of one collection say nothing about another.";
/// Points of a curve that are written; a film more or less does not show.
const CURVE: usize = 500;

/// results.json.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Results {
    /// Format of the file: 1.
    pub format: u32,
    /// See [`NOTICE`].
    pub notice: &'static str,
    /// Which model.
    pub model: Model,
    /// How the intervals were made.
    pub intervals: String,
    /// What became of the films.
    pub films: Films,
    /// The figures.
    pub labels: Vec<Label>,
}

/// Which model was evaluated.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Model {
    pub name: String,
    pub version: String,
    pub weights_sha256: String,
    pub threshold_set: String,
}

/// What became of the films.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Films {
    /// Rows that were asked for.
    pub rows: usize,
    /// Films with scores.
    pub scored: usize,
    /// Films without, by reason.
    pub without_scores: BTreeMap<String, usize>,
    /// Rows that --only left out.
    pub left_out: usize,
    /// Files in the folder.
    pub files: usize,
}

/// One label.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Label {
    /// Its name.
    pub label: String,
    /// The package's operating point.
    pub threshold: f64,
    /// The column with its truth; none where there is no truth and so no figure.
    pub column: Option<String>,
    /// One for each source.
    pub groups: Vec<Group>,
}

/// One label on the films of one source.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Group {
    /// The source.
    pub source: String,
    /// Films with scores and truth.
    pub films: usize,
    /// Of these, positive ones.
    pub positive: usize,
    /// Films with scores whose truth is not known.
    pub unknown: usize,
    /// The area; none where one class is missing.
    pub auroc: Option<Area>,
    /// Numbers that know nothing of medicine, on the same films.
    pub baselines: Vec<Baseline>,
    /// Operating points, the package's first.
    pub operating: Vec<Operating>,
    /// Calibration; none of no films.
    pub calibration: Option<Calibration>,
    /// The ROC curve, thinned.
    pub curve: Vec<RocPoint>,
}

/// An area under the ROC curve.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Area {
    /// The area.
    pub value: f64,
    /// Its bootstrap interval.
    pub bootstrap: Option<Interval>,
    /// DeLong's standard error.
    pub standard_error: Option<f64>,
    /// DeLong's interval.
    pub delong: Option<Interval>,
}

/// A baseline, turned to the side where it is better.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Baseline {
    /// What it is.
    pub name: String,
    /// Films that have it.
    pub films: usize,
    /// Whether lower values go with positive films.
    pub turned: bool,
    /// Its area; none where one class is missing.
    pub auroc: Option<Area>,
}

/// What the model is, for [`figures`].
#[derive(Debug)]
pub struct Subject<'a> {
    /// Which model.
    pub model: &'a ModelRef,
    /// Digest of its thresholds.
    pub threshold_set: &'a str,
    /// Labels with their operating points.
    pub labels: &'a [(String, f32)],
}

/// Makes the figures. `baselines` names the baseline columns, `files` is the number of files.
#[must_use]
pub fn figures(
    subject: &Subject<'_>,
    table: &Table,
    rows: &Rows,
    outcomes: &[Outcome],
    baselines: &[String],
    files: usize,
) -> Results {
    let mut without = BTreeMap::new();
    for reason in outcomes.iter().filter_map(|o| o.as_ref().err()) {
        *without.entry(reason.clone()).or_insert(0) += 1;
    }
    let mut sources: Vec<&str> = rows.rows.iter().map(|r| r.source.as_str()).collect();
    sources.sort_unstable();
    sources.dedup();
    let labels = subject.labels.iter().zip(&rows.truth).enumerate().map(|(n, ((label, threshold), truth))| {
        let column = match *truth {
            Truth::Column(at) | Truth::List(at) => Some(table.columns[at].clone()),
            Truth::Unknown => None,
        };
        let threshold = f64::from(*threshold);
        let group = |source: &&str| group(n, threshold, source, &rows.rows, outcomes, baselines);
        let groups = if column.is_some() { sources.iter().map(group).collect() } else { Vec::new() };
        Label { label: label.clone(), threshold, column, groups }
    });
    Results {
        format: 1,
        notice: NOTICE,
        model: Model {
            name: subject.model.name.clone(),
            version: subject.model.version.clone(),
            weights_sha256: subject.model.weights_sha256.clone(),
            threshold_set: subject.threshold_set.to_owned(),
        },
        intervals: format!(
            "95 %. `bootstrap`: percentiles of {DRAWS} draws inside each class, seed {SEED}; `delong`: normal \
             approximation; proportions: Wilson"
        ),
        films: Films {
            rows: rows.rows.len(),
            scored: outcomes.iter().filter(|o| o.is_ok()).count(),
            without_scores: without,
            left_out: rows.left_out,
            files,
        },
        labels: labels.collect(),
    }
}

fn group(
    label: usize,
    threshold: f64,
    source: &str,
    rows: &[Row],
    outcomes: &[Outcome],
    baselines: &[String],
) -> Group {
    let scored = || {
        rows.iter().zip(outcomes).filter(|(r, _)| r.source == source).filter_map(|(r, o)| Some((r, o.as_ref().ok()?)))
    };
    let known: Vec<_> = scored().filter_map(|(r, m)| Some((r.truth[label]?, m.probability[label], r, m))).collect();
    let positive: Vec<bool> = known.iter().map(|(truth, ..)| *truth).collect();
    let probability: Vec<f64> = known.iter().map(|(_, p, ..)| *p).collect();
    let own = [("file size", true), ("mean grey", false)].map(|(name, bytes)| {
        let value = |m: &super::scoring::Measured| Some(if bytes { m.bytes } else { m.grey });
        (name.to_owned(), known.iter().map(|(.., m)| value(m)).collect::<Vec<_>>())
    });
    let given = baselines
        .iter()
        .enumerate()
        .map(|(n, name)| (name.clone(), known.iter().map(|(_, _, r, _)| r.baselines[n]).collect::<Vec<_>>()));
    let baselines = own.into_iter().chain(given).map(|(name, values)| baseline(name, &positive, &values)).collect();
    Group {
        source: source.to_owned(),
        films: known.len(),
        positive: positive.iter().filter(|p| **p).count(),
        unknown: scored().count() - known.len(),
        auroc: area(&positive, &probability),
        baselines,
        operating: if known.is_empty() { Vec::new() } else { operating_points(threshold, &positive, &probability) },
        calibration: calibration(&positive, &probability),
        curve: thinned(roc(&positive, &probability)),
    }
}

fn area(positive: &[bool], score: &[f64]) -> Option<Area> {
    let area = auroc(positive, score)?;
    Some(Area {
        value: area.value,
        bootstrap: bootstrap(positive, score),
        standard_error: area.standard_error,
        delong: area.delong,
    })
}

fn baseline(name: String, positive: &[bool], values: &[Option<f64>]) -> Baseline {
    let (positive, mut values): (Vec<bool>, Vec<f64>) =
        positive.iter().zip(values).filter_map(|(&p, v)| Some((p, (*v)?))).unzip();
    let turned = auroc(&positive, &values).is_some_and(|a| a.value < 0.5);
    if turned {
        values.iter_mut().for_each(|v| *v = -*v);
    }
    Baseline { name, films: values.len(), turned, auroc: area(&positive, &values) }
}

/// The curve with at most [`CURVE`] steps along both axes; the ends stay.
fn thinned(curve: Vec<RocPoint>) -> Vec<RocPoint> {
    let step = 2.0 / CURVE as f64;
    let last = curve.len().saturating_sub(1);
    let mut kept: Vec<RocPoint> = Vec::new();
    for (n, point) in curve.into_iter().enumerate() {
        let moved = kept.last().is_none_or(|k| {
            point.false_positive_rate - k.false_positive_rate + point.true_positive_rate - k.true_positive_rate >= step
        });
        if moved || n == last {
            kept.push(point);
        }
    }
    kept
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::super::scoring::Measured;
    use super::*;

    fn row(source: &str, truth: Option<bool>, size: Option<f64>) -> Row {
        Row { file: String::new(), source: source.to_owned(), truth: vec![truth], baselines: vec![size] }
    }

    fn scored(probability: f64) -> Outcome {
        Ok(Measured { probability: vec![probability], bytes: 1000.0 - probability, grey: 0.5 })
    }

    #[test]
    fn sources_stay_apart_and_every_film_is_counted() {
        let table = Table::parse("file,Edema\n").unwrap();
        let rows = vec![
            row("a", Some(true), Some(1.0)),
            row("a", Some(false), Some(9.0)),
            row("a", Some(false), None),
            row("a", None, Some(2.0)),
            row("b", Some(true), Some(3.0)),
            row("b", Some(true), Some(4.0)),
        ];
        let outcomes = vec![scored(0.7), scored(0.4), scored(0.8), scored(0.1), scored(0.9), Err("truncated".into())];
        let rows = Rows { rows, truth: vec![Truth::Column(1)], left_out: 3 };
        let model = ModelRef {
            name: "m".into(),
            version: "1".into(),
            title: "M".into(),
            manufacturer: "x".into(),
            weights_sha256: "00".into(),
            input_size: 64,
        };
        let labels = [("Edema".to_owned(), 0.5)];
        let subject = Subject { model: &model, threshold_set: "t", labels: &labels };
        let results = figures(&subject, &table, &rows, &outcomes, &["size".to_owned()], 9);
        assert_eq!((results.films.rows, results.films.scored, results.films.left_out), (6, 5, 3));
        assert_eq!(results.films.without_scores, BTreeMap::from([("truncated".to_owned(), 1)]));
        let [a, b] = results.labels[0].groups.as_slice() else { panic!("two sources") };
        assert_eq!((a.films, a.positive, a.unknown), (3, 1, 1));
        assert_eq!(a.auroc.unwrap().value, 0.5);
        // The size points down, is missing once, and is turned.
        let size = a.baselines.iter().find(|b| b.name == "size").unwrap();
        assert_eq!((size.films, size.turned, size.auroc.unwrap().value), (2, true, 1.0));
        // One class only: no area, but the share above the threshold.
        assert_eq!((b.films, b.positive, b.auroc), (1, 1, None));
        assert_eq!((b.operating.len(), b.operating[0].sensitivity.hits), (1, 1));
        assert!(serde_json::to_string(&results).unwrap().contains("\"notice\":\"For evaluation only"));
    }

    #[test]
    fn a_thinned_curve_keeps_its_ends_and_its_place() {
        let positive: Vec<bool> = (0..20_000).map(|n| n % 3 == 0).collect();
        let score: Vec<f64> = (0..20_000).map(|n| f64::from(n * 7919 % 20_011)).collect();
        let whole = roc(&positive, &score);
        let thin = thinned(whole.clone());
        assert!(whole.len() > 10_000 && thin.len() <= CURVE + 2, "{} of {}", thin.len(), whole.len());
        assert_eq!((thin.first(), thin.last()), (whole.first(), whole.last()));
        assert!(thin.iter().all(|p| whole.contains(p)));
    }
}
