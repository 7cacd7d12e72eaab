//! Findings: a prediction with codes, decisions and tracking identifiers.

use crate::code::{FindingCode, Vocabulary};
use crate::prediction::{HeatMap, ModelRef, Prediction, Region};
use crate::uid::Uid;

/// A region with the tracking identifier that SR and GSPS share (TID 1410, PS3.3 C.10.5).
#[derive(Debug, Clone, PartialEq)]
pub struct TrackedRegion {
    /// Tracking Unique Identifier.
    pub tracking: Uid,
    /// The contour.
    pub region: Region,
}

/// One label's verdict on one image.
#[derive(Debug, Clone, PartialEq)]
pub struct Finding {
    /// Codes, site and names of the label.
    pub code: FindingCode,
    /// Calibrated probability, rounded to 0.001.
    pub probability: f32,
    /// Operating point, 0 to 1.
    pub threshold: f32,
    /// Whether the probability reaches the operating point.
    pub present: bool,
    /// Regions, each its own measurement group; empty for absent findings and for labels without.
    pub regions: Vec<TrackedRegion>,
    /// Tracking Unique Identifier of the group where there is no region.
    pub tracking: Uid,
}

/// All findings of one image.
#[derive(Debug, Clone, PartialEq)]
pub struct ImageFindings {
    /// SOP Instance UID of the film.
    pub source: Uid,
    /// The model.
    pub model: ModelRef,
    /// One finding for each label, in the manifest's order.
    pub findings: Vec<Finding>,
    /// Where the model looked for the strongest of them.
    pub map: Option<HeatMap>,
}

/// The model uses a label that the table of findings does not have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("label {0:?} has no codes: add a row for it to the file of [report] findings, or rename it in the manifest")]
pub struct UnknownLabel(pub String);

impl ImageFindings {
    /// Joins a prediction with the vocabulary. Probabilities are rounded before anything is built,
    /// so that a repeated analysis gives the same bytes.
    ///
    /// # Errors
    /// [`UnknownLabel`] for a label without codes.
    pub fn from_prediction(
        source: &Uid,
        prediction: &Prediction,
        vocabulary: &Vocabulary,
    ) -> Result<Self, UnknownLabel> {
        let findings = prediction
            .scores
            .iter()
            .map(|score| {
                let code = vocabulary.get(&score.label).ok_or_else(|| UnknownLabel(score.label.clone()))?;
                let track = |n: &str| {
                    Uid::derive(&["tracking", source.as_str(), &score.label, &prediction.model.weights_sha256, n])
                };
                let present = score.probability >= score.threshold;
                let regions = score.regions.iter().enumerate().filter(|_| present);
                Ok(Finding {
                    code: code.clone(),
                    probability: (score.probability * 1000.0).round() / 1000.0,
                    threshold: score.threshold,
                    present,
                    regions: regions
                        .map(|(n, region)| TrackedRegion { tracking: track(&n.to_string()), region: region.clone() })
                        .collect(),
                    tracking: track("whole"),
                })
            })
            .collect::<Result<_, _>>()?;
        let map = prediction.map.clone();
        Ok(Self { source: source.clone(), model: prediction.model.clone(), findings, map })
    }

    /// Whether anything is to be drawn.
    #[must_use]
    pub fn has_regions(&self) -> bool {
        self.findings.iter().any(|f| !f.regions.is_empty())
    }
}
