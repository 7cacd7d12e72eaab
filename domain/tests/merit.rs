//! Figures of merit against scikit-learn, scipy and numpy (`models/training/make_merit.py`), and what
//! must hold for any films.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use centinela_domain::merit::{Random, Rule, auroc, bootstrap, calibration, operating, operating_points, roc, wilson};
use proptest::prelude::*;
use serde::Deserialize;

#[derive(Deserialize)]
struct Golden {
    cases: Vec<Case>,
    draws: Vec<(usize, Vec<usize>)>,
    wilson: Vec<(usize, usize, f64, f64)>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    positive: Vec<u8>,
    score: Vec<f64>,
    auroc: f64,
    delong_error: f64,
    bootstrap: (f64, f64),
    brier: f64,
    expected_error: f64,
    youden: f64,
}

fn golden() -> Golden {
    serde_json::from_str(include_str!("data/merit.json")).unwrap()
}

#[track_caller]
fn near(got: f64, want: f64, what: &str) {
    assert!((got - want).abs() < 1e-12, "{what}: {got}, not {want}");
}

#[test]
fn as_scikit_learn_scipy_and_numpy_have_it() {
    let golden = golden();
    assert_eq!(golden.cases.len(), 3);
    for case in &golden.cases {
        let positive: Vec<bool> = case.positive.iter().map(|&p| p == 1).collect();
        let (name, score) = (&case.name, &case.score);
        let area = auroc(&positive, score).unwrap();
        near(area.value, case.auroc, name);
        near(area.standard_error.unwrap(), case.delong_error, name);
        let interval = bootstrap(&positive, score).unwrap();
        near(interval.low, case.bootstrap.0, name);
        near(interval.high, case.bootstrap.1, name);
        let calibration = calibration(&positive, score).unwrap();
        near(calibration.brier, case.brier, name);
        near(calibration.expected_error, case.expected_error, name);
        let points = operating_points(0.5, &positive, score);
        let youden = points.iter().find(|p| p.rule == Rule::Youden).unwrap();
        near(youden.threshold, case.youden, name);
    }
    for (hits, count, low, high) in golden.wilson {
        let interval = wilson(hits, count).unwrap();
        near(interval.low, low, "wilson");
        near(interval.high, high, "wilson");
    }
    assert_eq!(wilson(0, 0), None);
}

#[test]
fn the_generator_draws_as_numpy_does() {
    let mut random = Random::new(1);
    for (count, drawn) in golden().draws {
        let got: Vec<usize> = (0..count).map(|_| random.below(count)).collect();
        assert_eq!(got, drawn, "{count} numbers");
    }
}

#[test]
fn worked_by_hand() {
    // 2 positive, 3 negative films: of 6 pairs 4 are right, 1 is a tie.
    let (positive, score) = ([true, true, false, false, false], [0.9, 0.4, 0.4, 0.1, 0.5]);
    near(auroc(&positive, &score).unwrap().value, 4.5 / 6.0, "area");
    let points: Vec<_> = roc(&positive, &score).iter().map(|p| (p.false_positive_rate, p.true_positive_rate)).collect();
    assert_eq!(points, [(0.0, 0.0), (0.0, 0.5), (1.0 / 3.0, 0.5), (2.0 / 3.0, 1.0), (1.0, 1.0)]);
    let point = operating(Rule::Package, 0.45, &positive, &score);
    let counts =
        [point.sensitivity, point.specificity, point.positive_predictive_value, point.negative_predictive_value];
    assert_eq!(counts.map(|s| (s.hits, s.of)), [(1, 2), (2, 3), (1, 2), (2, 3)]);
    // A film at the threshold is above it, as in the node.
    assert_eq!(operating(Rule::Package, 0.4, &positive, &score).sensitivity.hits, 2);
}

#[test]
fn one_class_gives_no_area_but_a_share() {
    let (positive, score) = ([true, true, true], [0.1, 0.6, 0.7]);
    assert_eq!((auroc(&positive, &score), bootstrap(&positive, &score)), (None, None));
    assert!(roc(&positive, &score).is_empty());
    let points = operating_points(0.5, &positive, &score);
    assert_eq!(points.len(), 1);
    assert_eq!((points[0].sensitivity.hits, points[0].specificity.value), (2, None));
    assert_eq!(auroc(&[], &[]), None);
    assert_eq!(calibration(&[], &[]), None);
    // A single film of a class has an area, but DeLong's variance needs two.
    let single = auroc(&[true, false, false], &[0.5, 0.1, 0.2]).unwrap();
    assert_eq!((single.value, single.standard_error), (1.0, None));
}

fn films() -> impl Strategy<Value = (Vec<bool>, Vec<f64>)> {
    let film = (any::<bool>(), (0_u32..40).prop_map(|s| f64::from(s) / 40.0));
    prop::collection::vec(film, 4..60).prop_map(|mut films| {
        // Both classes.
        films[0].0 = true;
        films[1].0 = false;
        films.into_iter().unzip()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_area_is_that_of_the_order((positive, score) in films()) {
        let area = auroc(&positive, &score).unwrap();
        let monotone: Vec<f64> = score.iter().map(|s| (3.0 * s).exp() - 7.0).collect();
        prop_assert_eq!(auroc(&positive, &monotone).unwrap(), area);
        prop_assert_eq!(bootstrap(&positive, &monotone), bootstrap(&positive, &score));
        // Turned round, in score or in truth, it is the complement.
        let turned: Vec<f64> = score.iter().map(|s| -s).collect();
        let others: Vec<bool> = positive.iter().map(|p| !p).collect();
        prop_assert!((auroc(&positive, &turned).unwrap().value + area.value - 1.0).abs() < 1e-12);
        prop_assert!((auroc(&others, &score).unwrap().value + area.value - 1.0).abs() < 1e-12);
        let flat = vec![0.3; score.len()];
        prop_assert!((auroc(&positive, &flat).unwrap().value - 0.5).abs() < 1e-12);
    }

    #[test]
    fn the_curve_rises_and_encloses_the_area((positive, score) in films()) {
        let curve = roc(&positive, &score);
        let mut enclosed = 0.0;
        for pair in curve.windows(2) {
            let (a, b) = (pair[0], pair[1]);
            prop_assert!(a.threshold > b.threshold);
            prop_assert!(b.false_positive_rate >= a.false_positive_rate && b.true_positive_rate >= a.true_positive_rate);
            enclosed += (b.false_positive_rate - a.false_positive_rate) * (a.true_positive_rate + b.true_positive_rate) / 2.0;
        }
        let last = curve.last().unwrap();
        prop_assert_eq!((last.false_positive_rate, last.true_positive_rate), (1.0, 1.0));
        prop_assert!((enclosed - auroc(&positive, &score).unwrap().value).abs() < 1e-12);
        let interval = bootstrap(&positive, &score).unwrap();
        prop_assert!(0.0 <= interval.low && interval.low <= interval.high && interval.high <= 1.0);
    }

    #[test]
    fn points_keep_what_their_rule_promises((positive, score) in films()) {
        let points = operating_points(0.5, &positive, &score);
        let find = |rule| points.iter().find(|p| p.rule == rule);
        let sum = |rule| find(rule).map(|p| p.sensitivity.value.unwrap() + p.specificity.value.unwrap());
        prop_assert!(find(Rule::Sensitivity90).unwrap().sensitivity.value.unwrap() >= 0.9);
        prop_assert!(find(Rule::Specificity90).is_none_or(|p| p.specificity.value.unwrap() >= 0.9));
        let best = sum(Rule::Youden).unwrap();
        // Calling all films positive reaches 1, so no point outside of the scores is better.
        prop_assert!([Rule::Package, Rule::Sensitivity90].into_iter().all(|rule| sum(rule).unwrap() <= best + 1e-12));
        let bins = calibration(&positive, &score).unwrap().bins;
        prop_assert_eq!(bins.iter().map(|b| b.count).sum::<usize>(), score.len());
        prop_assert_eq!(bins.iter().map(|b| b.positive).sum::<usize>(), positive.iter().filter(|p| **p).count());
    }
}
