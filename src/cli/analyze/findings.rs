//! findings.json: one entry for each film.

use centinela_domain::evidence::{ImageOutcome, StudyImage};
use centinela_domain::prediction::ModelRef;
use centinela_domain::result::Language;
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::Path;

/// One film.
#[derive(Debug, Serialize)]
pub struct Entry {
    file: String,
    sop_instance_uid: Option<String>,
    status: &'static str,
    reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason_code: Option<&'static str>,
    model: Option<Model>,
    scores: BTreeMap<String, f32>,
    findings: Vec<Finding>,
}

#[derive(Debug, Serialize)]
struct Model {
    name: String,
    version: String,
    sha256: String,
}

#[derive(Debug, Serialize)]
struct Finding {
    label: String,
    p: f32,
    threshold: f32,
    present: bool,
    regions: Vec<Region>,
}

#[derive(Debug, Serialize)]
struct Region {
    tracking_uid: String,
    contour: Vec<[f32; 2]>,
}

impl Entry {
    /// A film with its outcome.
    pub fn of(path: &Path, image: &StudyImage, model: &ModelRef, language: &Language) -> Self {
        let mut entry = Self {
            file: path.display().to_string(),
            sop_instance_uid: Some(image.source.header.sop_instance.to_string()),
            status: "analyzed",
            reason: None,
            reason_code: None,
            model: Some(Model {
                name: model.name.clone(),
                version: model.version.clone(),
                sha256: model.weights_sha256.clone(),
            }),
            scores: BTreeMap::new(),
            findings: Vec::new(),
        };
        match &image.outcome {
            ImageOutcome::Skipped(reason) => {
                entry.status = if reason.is_failure() { "failed" } else { "skipped" };
                entry.reason = Some(reason.text(language));
                entry.reason_code = Some(reason.code());
            }
            ImageOutcome::Analyzed { findings, .. } => {
                for finding in &findings.findings {
                    entry.scores.insert(finding.code.label.clone(), finding.probability);
                    entry.findings.push(Finding {
                        label: finding.code.label.clone(),
                        p: finding.probability,
                        threshold: finding.threshold,
                        present: finding.present,
                        regions: finding
                            .regions
                            .iter()
                            .map(|r| Region { tracking_uid: r.tracking.to_string(), contour: r.region.contour.clone() })
                            .collect(),
                    });
                }
            }
        }
        entry
    }

    /// A file that is no readable DICOM file.
    pub fn unread(path: &Path, why: &str, named: bool) -> Self {
        Self {
            file: path.display().to_string(),
            sop_instance_uid: None,
            status: if named { "failed" } else { "skipped" },
            reason: Some(why.to_owned()),
            reason_code: None,
            model: None,
            scores: BTreeMap::new(),
            findings: Vec::new(),
        }
    }

    /// One line for the terminal.
    pub fn line(&self) -> String {
        let positive: Vec<_> =
            self.findings.iter().filter(|f| f.present).map(|f| format!("{} {:.2}", f.label, f.p)).collect();
        let rest = match &self.reason {
            Some(reason) => reason.clone(),
            None if positive.is_empty() => "nothing above its threshold".to_owned(),
            None => positive.join(", "),
        };
        format!("{}: {}: {rest}", self.file, self.status)
    }
}
