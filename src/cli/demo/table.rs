//! What the demonstration shows of each study: a live line and a row of the table at the end.

use crate::app::App;
use crate::store::{deliveries, instances, predictions, results};
use anyhow::Result;
use centinela_domain::UnixMs;
use centinela_domain::prediction::Prediction;

/// One study.
#[derive(Debug)]
pub struct Line {
    /// Study Instance UID.
    pub study: String,
    /// Kinds of the objects that were built.
    pub objects: Vec<String>,
    last_byte: UnixMs,
    films: usize,
    gate: String,
    findings: String,
    milliseconds: Option<i64>,
    complete: bool,
}

impl Line {
    /// A study whose first film was pushed at `now`.
    pub fn new(study: String, now: UnixMs) -> Self {
        Self {
            study,
            objects: Vec::new(),
            last_byte: now,
            films: 1,
            gate: String::new(),
            findings: String::new(),
            milliseconds: None,
            complete: false,
        }
    }

    /// One more film was pushed.
    pub fn pushed(&mut self, now: UnixMs) {
        self.last_byte = now;
        self.films += 1;
    }

    /// Whether everything came back.
    pub const fn is_complete(&self) -> bool {
        self.complete
    }

    /// Reads from the rows what came of the study.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn fill(&mut self, app: &App) -> Result<()> {
        let mut tx = app.db.read().await?;
        let (mut gate, mut findings) = (Vec::new(), Vec::new());
        for row in instances::of_study(&mut tx, &self.study).await? {
            match row.skip()? {
                Some(reason) => gate.push(format!("skipped: {}", reason.code())),
                None => gate.push("analyzed".to_owned()),
            }
            for prediction in predictions::of_instance(&mut tx, &row.sop_instance).await? {
                let prediction: Prediction = serde_json::from_str(&prediction.scores)?;
                findings.extend(prediction.scores.iter().map(|s| {
                    let sign = if s.probability >= s.threshold { '+' } else { '-' };
                    format!("{} {:.2} ({sign})", s.label, s.probability)
                }));
            }
        }
        self.objects = results::of_study(&mut tx, &self.study).await?.into_iter().map(|r| r.kind).collect();
        let sent = deliveries::list(&mut tx, None, None, Some(&self.study), 1_000).await?;
        self.milliseconds = sent.iter().filter_map(|d| d.accepted_at).max().map(|at| at - self.last_byte);
        self.gate = gate.join(", ");
        self.findings = if findings.is_empty() { "none".to_owned() } else { findings.join(", ") };
        self.complete = true;
        Ok(())
    }

    /// One line for the terminal.
    pub fn text(&self) -> String {
        let time = self.milliseconds.map_or("-".to_owned(), |ms| format!("{ms} ms"));
        format!("{} film(s), {}: {}; {} back in {time}", self.films, self.gate, self.findings, self.objects.join("+"))
    }
}

/// The table at the end.
pub fn render(lines: &[Line]) -> String {
    let mut rows = vec![["study", "gate", "findings", "objects", "ms to PACS"].map(str::to_owned)];
    for line in lines {
        let tail = line.study.len().saturating_sub(8);
        rows.push([
            format!("...{}", &line.study[tail..]),
            line.gate.clone(),
            line.findings.clone(),
            line.objects.join(" "),
            line.milliseconds.map_or("-".to_owned(), |ms| ms.to_string()),
        ]);
    }
    let width = |column: usize| rows.iter().map(|r| r[column].chars().count()).max().unwrap_or(0);
    let widths: [usize; 5] = std::array::from_fn(width);
    let line = |row: &[String; 5]| {
        let cells: Vec<_> = row.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        cells.join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}
