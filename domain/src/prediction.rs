//! What a model says of one image, before it becomes findings.

use serde::{Deserialize, Serialize};

/// Which model said it: enough to repeat the inference.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelRef {
    /// Package name, for example `cxr-demo`.
    pub name: String,
    /// Package version.
    pub version: String,
    /// Human title of the model, as it goes to Algorithm Name (111001, DCM).
    pub title: String,
    /// Who made it, for Algorithm Manufacturer (122405, DCM).
    pub manufacturer: String,
    /// SHA-256 of the weights, lower-case hex.
    pub weights_sha256: String,
    /// Side of the square input in pixels.
    pub input_size: u32,
}

/// A closed contour on the original pixel grid.
///
/// `[x, y]`: column first; 0, 0 is the top-left corner of the top-left pixel and the limit is
/// Columns, Rows. The first point is repeated last. Values are rounded to 0.1 pixel.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Region {
    /// The points, at least four with the closing one, at most 201.
    pub contour: Vec<[f32; 2]>,
}

/// One label's score on one image.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LabelScore {
    /// The label, a name of `domain/data/findings.toml`.
    pub label: String,
    /// Calibrated probability, 0 to 1.
    pub probability: f32,
    /// The operating point from the manifest, 0 to 1.
    pub threshold: f32,
    /// Where the model looked, largest first; empty below the threshold.
    pub regions: Vec<Region>,
}

/// All scores of one image, in the manifest's order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Prediction {
    /// The model.
    pub model: ModelRef,
    /// One score for each label of the model.
    pub scores: Vec<LabelScore>,
}
