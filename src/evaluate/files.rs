//! results.json, scores.csv and the pictures, in a folder.

use super::results::{Group, Label, Results};
use super::rows::Rows;
use super::scoring::Outcome;
use super::text::area;
use anyhow::{Context as _, Result};
use centinela_domain::plot::{Chart, Curve};
use centinela_models::plain::write_png;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// What stands in every picture.
const NOTE: &str = "For evaluation only. Not a medical device.";

/// Writes everything; returns the files.
///
/// # Errors
/// If a file cannot be written.
pub fn write(out: &Path, results: &Results, rows: &Rows, outcomes: &[Outcome]) -> Result<Vec<PathBuf>> {
    std::fs::create_dir_all(out).with_context(|| format!("make folder {}", out.display()))?;
    let mut written = Vec::new();
    let mut put = |name: String, bytes: &[u8]| {
        let path = out.join(name);
        std::fs::write(&path, bytes).with_context(|| format!("write {}", path.display()))?;
        written.push(path);
        anyhow::Ok(())
    };
    put("results.json".to_owned(), (serde_json::to_string_pretty(results)? + "\n").as_bytes())?;
    put("scores.csv".to_owned(), scores(results, rows, outcomes).as_bytes())?;
    for label in results.labels.iter().filter(|l| l.groups.iter().any(|g| g.films > 0)) {
        let name: String = label.label.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
        for (kind, chart) in [("roc", roc(results, label)), ("calibration", calibration(results, label))] {
            let drawn = chart.draw();
            put(format!("{kind}-{name}.png"), &write_png(drawn.width, drawn.height, &drawn.rgb)?)?;
        }
    }
    Ok(written)
}

/// One line for each row: the file as the table names it, what is true, what was scored.
fn scores(results: &Results, rows: &Rows, outcomes: &[Outcome]) -> String {
    let mut text = "file,source,reason".to_owned();
    for label in &results.labels {
        let _ =
            write!(text, ",{},{}", cell(&format!("{} truth", label.label)), cell(&format!("{} score", label.label)));
    }
    text.push('\n');
    for (row, outcome) in rows.rows.iter().zip(outcomes) {
        let reason = outcome.as_ref().err().map_or("", String::as_str);
        let _ = write!(text, "{},{},{}", cell(&row.file), cell(&row.source), cell(reason));
        for (n, truth) in row.truth.iter().enumerate() {
            let truth = truth.map_or("", |t| if t { "1" } else { "0" });
            let score = outcome.as_ref().map_or(String::new(), |m| format!("{:.7}", m.probability[n]));
            let _ = write!(text, ",{truth},{score}");
        }
        text.push('\n');
    }
    text
}

fn cell(text: &str) -> String {
    if text.contains([',', '"', '\n', '\r']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text.to_owned() }
}

fn roc(results: &Results, label: &Label) -> Chart {
    let curve = |group: &Group| {
        let value = group.auroc.as_ref()?;
        let mark = group.operating.first().and_then(|o| Some([1.0 - o.specificity.value?, o.sensitivity.value?]));
        Some(Curve {
            name: format!(
                "{}: {} films, {} positive, AUROC {}",
                group.source,
                group.films,
                group.positive,
                area(value)
            ),
            points: group.curve.iter().map(|p| [p.false_positive_rate, p.true_positive_rate]).collect(),
            marks: mark.into_iter().collect(),
        })
    };
    Chart {
        title: format!("{}, {} {}", label.label, results.model.name, results.model.version),
        note: NOTE.to_owned(),
        across: format!("1 - specificity (ring: threshold {:.4})", label.threshold),
        up: "sensitivity".to_owned(),
        curves: label.groups.iter().filter_map(curve).collect(),
    }
}

fn calibration(results: &Results, label: &Label) -> Chart {
    let curve = |group: &Group| {
        let calibration = group.calibration.as_ref()?;
        let points: Vec<[f64; 2]> = calibration.bins.iter().filter_map(|b| Some([b.mean?, b.observed?])).collect();
        Some(Curve {
            name: format!(
                "{}: {} films, Brier {:.3}, expected error {:.3}",
                group.source, group.films, calibration.brier, calibration.expected_error
            ),
            marks: points.clone(),
            points,
        })
    };
    Chart {
        title: format!("{}, {} {}: calibration", label.label, results.model.name, results.model.version),
        note: NOTE.to_owned(),
        across: "mean probability of a tenth".to_owned(),
        up: "positive films among them".to_owned(),
        curves: label.groups.iter().filter_map(curve).collect(),
    }
}
