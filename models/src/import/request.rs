//! What is asked of an import.

use super::families::Family;
use crate::manifest::{Calibration, Chain};
use std::path::PathBuf;

/// What to import, and what the file does not say of itself.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// A file of weights, or a Hugging Face folder.
    pub source: PathBuf,
    /// Folder in which `<name>-<version>` is made.
    pub output: PathBuf,
    /// Package name.
    pub name: String,
    /// Package version.
    pub version: String,
    /// A known family; none = the fields below.
    pub family: Option<Family>,
    /// A label for each output, empty where it is not trained.
    pub labels: Option<Vec<String>>,
    /// Operating points on the calibrated probability: one for all, or one for each output; NaN = not reported.
    pub thresholds: Option<Vec<f32>>,
    /// Preprocessing; a family has its own.
    pub chain: Option<Chain>,
    /// Mean of each channel for chains that want it; ImageNet's for `imagenet` where none is given.
    pub mean: Option<Vec<f32>>,
    /// Deviation of each channel, likewise.
    pub std: Option<Vec<f32>>,
    /// Side of the input in pixels; 224 where none is given.
    pub size: Option<u32>,
    /// Calibration; none = what family and file say.
    pub calibration: Option<Calibration>,
    /// Ages that the model is made for.
    pub ages: (u16, u16),
    /// Contour level of reported labels; none = no regions.
    pub region: Option<f32>,
    /// Human name; none = the family's, or the package name.
    pub title: Option<String>,
    /// Who made the model; none = the family's.
    pub manufacturer: Option<String>,
}

impl Request {
    /// A request with everything that has a default left to it.
    #[must_use]
    pub fn new(source: impl Into<PathBuf>, output: impl Into<PathBuf>, name: &str, version: &str) -> Self {
        Self {
            source: source.into(),
            output: output.into(),
            name: name.to_owned(),
            version: version.to_owned(),
            family: None,
            labels: None,
            thresholds: None,
            chain: None,
            mean: None,
            std: None,
            size: None,
            calibration: None,
            ages: (18, 120),
            region: Some(0.5),
            title: None,
            manufacturer: None,
        }
    }
}
