//! Pixels to scores: decoding films, preprocessing, DenseNet on Candle, regions.
//!
//! The only crate that names Candle and the image codecs. In reading order: [`image`] (a file
//! becomes an image; [`plain`]: one that is no DICOM file), [`preprocess`] (an image becomes a
//! network input and a picture), [`manifest`] and [`package`] (what a model is), [`model`] (scores),
//! [`regions`] (contours), [`engine`] (the thread that does it all).

mod contour;
pub mod engine;
pub mod image;
pub mod manifest;
pub mod model;
mod network;
pub mod package;
pub mod plain;
pub mod preprocess;
pub mod regions;

use model::Densenet;
use package::{Package, PackageError};

/// What a check of a package found.
#[derive(Debug, Clone, PartialEq)]
pub struct Verified {
    /// Package name.
    pub name: String,
    /// Package version.
    pub version: String,
    /// SHA-256 of the weights, lower-case hex.
    pub weights_sha256: String,
    /// Largest absolute difference of a logit from reference.json.
    pub max_abs_diff: f64,
    /// What reference.json tolerates.
    pub tolerance: f64,
    /// Digest of labels, thresholds, calibration and contour levels.
    pub threshold_set: String,
}

/// Checks a package as loading it does, and says how well it did.
///
/// # Errors
/// [`PackageError`]; the package cannot be used.
pub fn verify(package: &Package) -> Result<Verified, PackageError> {
    let model = Densenet::from_package(package)?;
    let manifest = &package.manifest;
    Ok(Verified {
        name: manifest.name.clone(),
        version: manifest.version.clone(),
        weights_sha256: manifest.weights.sha256.clone(),
        max_abs_diff: model.self_test_difference(),
        tolerance: package.reference.tolerance,
        threshold_set: model::threshold_set(manifest),
    })
}
