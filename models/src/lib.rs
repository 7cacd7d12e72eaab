//! Pixels to scores: decoding films, preprocessing, DenseNet on Candle, regions.
//!
//! The only crate that names Candle and the image codecs. In reading order: [`image`] (a file
//! becomes an image; [`plain`]: one that is no DICOM file), [`preprocess`] (an image becomes a
//! network input and a picture), [`manifest`] and [`package`] (what a model is), [`model`] (scores),
//! [`regions`] (contours), [`engine`] (the threads that do it all); [`import`] makes packages of weights
//! from elsewhere.

mod calibration;
mod contour;
pub mod engine;
pub mod image;
pub mod import;
pub mod manifest;
pub mod model;
mod network;
pub mod package;
pub mod plain;
pub mod preprocess;
pub mod regions;

pub use centinela_kernels::{Isa, Precision};
pub use network::Path;

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
    /// Largest absolute difference of a logit from reference.json, on either path.
    pub max_abs_diff: f64,
    /// What reference.json tolerates.
    pub tolerance: f64,
    /// The same in bfloat16 where the manifest allows it and this processor has it.
    pub bf16_diff: Option<f64>,
    /// Digest of labels, thresholds, calibration and contour levels.
    pub threshold_set: String,
}

/// Checks a package as loading it does, on the fast and on the plain path, and says how well it did.
///
/// # Errors
/// [`PackageError`]; the package cannot be used.
pub fn verify(package: &Package) -> Result<Verified, PackageError> {
    let model = Densenet::from_package(package)?;
    // The fast path must not be the only witness for itself.
    let plain = Densenet::on(Path::Plain, package)?;
    let manifest = &package.manifest;
    let bf16 = Path::with(Precision::Bf16);
    let bf16 = (manifest.bf16.is_some() && bf16.is_possible()).then(|| Densenet::on(bf16, package)).transpose()?;
    Ok(Verified {
        name: manifest.name.clone(),
        version: manifest.version.clone(),
        weights_sha256: manifest.weights.sha256.clone(),
        max_abs_diff: model.self_test_difference().max(plain.self_test_difference()),
        tolerance: package.reference.tolerance,
        bf16_diff: bf16.map(|model| model.self_test_difference()),
        threshold_set: model::threshold_set(manifest),
    })
}
