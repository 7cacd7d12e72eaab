//! The figures as a table for a terminal.

use super::results::{Area, Group, NOTICE, Results};
use centinela_domain::merit::{Interval, Operating, Rule, Share};
use std::fmt::Write as _;

/// An area with its interval: `0.830 (0.761-0.890)`.
#[must_use]
pub fn area(area: &Area) -> String {
    with(area.value, area.bootstrap)
}

fn with(value: f64, interval: Option<Interval>) -> String {
    interval.map_or_else(|| format!("{value:.3}"), |i| format!("{value:.3} ({:.3}-{:.3})", i.low, i.high))
}

fn share(share: &Share) -> String {
    share.value.map_or_else(|| "no film".to_owned(), |value| with(value, share.interval))
}

fn rule(rule: Rule) -> &'static str {
    match rule {
        Rule::Package => "package",
        Rule::Sensitivity90 => "sensitivity 90 %",
        Rule::Specificity90 => "specificity 90 %",
        Rule::Youden => "Youden",
    }
}

/// The whole table.
#[must_use]
pub fn table(results: &Results) -> String {
    let (model, films) = (&results.model, &results.films);
    let mut text = format!("{NOTICE}\n\n{} {}, weights {:.12}\n", model.name, model.version, model.weights_sha256);
    // Writing to a String cannot fail.
    let _ =
        writeln!(text, "{} of {} films scored; {} rows left out by --only", films.scored, films.rows, films.left_out);
    for (reason, count) in &films.without_scores {
        let _ = writeln!(text, "  {count} not scored: {reason}");
    }
    for label in &results.labels {
        let _ = match &label.column {
            Some(column) => writeln!(text, "\n{} (column {column:?}), threshold {:.4}", label.label, label.threshold),
            None => writeln!(text, "\n{}: the table does not say which films have it; see --label", label.label),
        };
        label.groups.iter().for_each(|group| rows(&mut text, group));
    }
    let _ = writeln!(text, "\nIntervals: {}", results.intervals);
    text
}

fn rows(text: &mut String, group: &Group) {
    let unknown = if group.unknown > 0 { format!(", {} more without truth", group.unknown) } else { String::new() };
    let _ = writeln!(text, "  {}: {} films, {} positive{unknown}", group.source, group.films, group.positive);
    let value = |value: &Option<Area>| value.as_ref().map_or_else(|| "none: one class only".to_owned(), area);
    let _ = writeln!(text, "    {:<28}{}", "AUROC", value(&group.auroc));
    for baseline in group.baselines.iter().filter(|b| b.films > 0) {
        let turned = if baseline.turned { ", lower is positive" } else { "" };
        let name = format!("  baseline: {}", baseline.name);
        let _ = writeln!(text, "    {name:<28}{}{turned}", value(&baseline.auroc));
    }
    if let Some(calibration) = &group.calibration {
        let _ = writeln!(
            text,
            "    {:<28}Brier {:.3}, expected error {:.3}",
            "calibration", calibration.brier, calibration.expected_error
        );
        for bin in calibration.bins.iter().filter(|b| b.count > 0) {
            let (mean, observed) = (bin.mean.unwrap_or_default(), bin.observed.unwrap_or_default());
            let name = format!("  {:.1} to {:.1}: {} films", bin.from, bin.from + 0.1, bin.count);
            let _ = writeln!(text, "    {name:<28}mean {mean:.3}, positive {}", with(observed, bin.interval));
        }
    }
    if !group.operating.is_empty() {
        let _ = writeln!(
            text,
            "    {:<28}{:<22}{:<22}{:<22}NPV here",
            "threshold", "sensitivity", "specificity", "PPV here"
        );
    }
    for point in &group.operating {
        let Operating {
            sensitivity, specificity, positive_predictive_value: ppv, negative_predictive_value: npv, ..
        } = point;
        let name = format!("  {:.4} {}", point.threshold, rule(point.rule));
        let _ = writeln!(
            text,
            "    {name:<28}{:<22}{:<22}{:<22}{}",
            share(sensitivity),
            share(specificity),
            share(ppv),
            share(npv)
        );
    }
}
