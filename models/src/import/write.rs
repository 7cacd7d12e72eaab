//! The package on disk: made whole beside its place, tested as `model verify` tests it, then moved there.

use super::card::{self, Origin};
use super::error::ImportError;
use super::request::Request;
use super::state::Tensors;
use super::tensor::{Data, Tensor};
use crate::manifest::{Label, Manifest};
use crate::model::{Densenet, pattern_v1};
use crate::package::{Package, PackageError, Reference, hex};
use safetensors::Dtype;
use safetensors::tensor::TensorView;
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};

/// Name of the weights file.
pub(super) const WEIGHTS: &str = "weights.safetensors";

/// Writes the package and returns its folder.
///
/// # Errors
/// [`ImportError`]; then nothing is left behind.
pub(super) fn package(
    request: &Request,
    mut manifest: Manifest,
    tensors: &Tensors,
    origin: &Origin,
    notes: &[String],
) -> Result<PathBuf, ImportError> {
    let folder = request.output.join(format!("{}-{}", manifest.name, manifest.version));
    if folder.exists() {
        let problem = format!("{} is there already: choose another version, or remove it", folder.display());
        return Err(ImportError::flag("--version", problem));
    }
    let weights = serialize(tensors)?;
    manifest.weights.sha256 = hex(&Sha256::digest(&weights));
    let text = manifest_text(&manifest, origin)?;
    // As a site will read it: what the parser refuses is refused now, with its key.
    let manifest =
        Manifest::parse(&text).map_err(|source| PackageError::Manifest { package: manifest.name.clone(), source })?;
    let reference = golden(&manifest, &weights)?;
    let json = serde_json::to_string(&reference).map_err(|e| ImportError::container(e.to_string()))?;
    let card = card::text(&manifest, origin, notes);

    let partial = request.output.join(format!(".{}-{}.part", manifest.name, manifest.version));
    let files: [(&str, &[u8]); 4] = [
        ("manifest.toml", text.as_bytes()),
        ("reference.json", json.as_bytes()),
        ("MODEL_CARD.md", card.as_bytes()),
        (WEIGHTS, &weights),
    ];
    let done = fill(&partial, &files).and_then(|()| {
        crate::verify(&Package::load(&partial)?)?;
        std::fs::rename(&partial, &folder).map_err(|source| ImportError::File { path: folder.clone(), source })
    });
    if let Err(error) = done {
        // The reason of the failure matters more than that of the cleaning.
        drop(std::fs::remove_dir_all(&partial));
        return Err(error);
    }
    Ok(folder)
}

fn fill(folder: &Path, files: &[(&str, &[u8])]) -> Result<(), ImportError> {
    let at = |path: PathBuf| move |source| ImportError::File { path, source };
    std::fs::create_dir_all(folder).map_err(at(folder.to_owned()))?;
    for (name, bytes) in files {
        let path = folder.join(name);
        std::fs::write(&path, bytes).map_err(at(path))?;
    }
    Ok(())
}

fn serialize(tensors: &Tensors) -> Result<Vec<u8>, ImportError> {
    let bytes: Vec<(&String, &Tensor, Vec<u8>)> = tensors.iter().map(|(name, t)| (name, t, t.bytes())).collect();
    let fail = |e: safetensors::SafeTensorError| ImportError::container(format!("the weights cannot be written: {e}"));
    let mut views = Vec::new();
    for (name, tensor, bytes) in &bytes {
        let dtype = match tensor.data {
            Data::F32(_) => Dtype::F32,
            Data::F16(_) => Dtype::F16,
        };
        views.push((name.as_str(), TensorView::new(dtype, tensor.shape.clone(), bytes).map_err(fail)?));
    }
    safetensors::serialize(views, None).map_err(fail)
}

fn manifest_text(manifest: &Manifest, origin: &Origin) -> Result<String, ImportError> {
    let body = toml::to_string(manifest)
        .map_err(|e| ImportError::container(format!("the manifest cannot be written: {e}")))?;
    let mut text =
        format!("# Made by `centinela model import` from a {} with SHA-256\n# {}.\n", origin.container, origin.sha256);
    if !manifest.labels.iter().all(Label::is_reported) {
        text.push_str("# Outputs with an empty name or `threshold = nan` are never reported.\n");
    }
    Ok(text + &body)
}

/// What the plain path gives for the pattern. A later start compares its fast path with it; whether the numbers are
/// those of the toolkit that trained the weights is not shown by them.
fn golden(manifest: &Manifest, weights: &[u8]) -> Result<Reference, ImportError> {
    let none = Reference {
        format: 1,
        input: "pattern-v1".to_owned(),
        logits: vec![0.0; manifest.labels.len()],
        tolerance: f64::INFINITY,
    };
    let package = Package { manifest: manifest.clone(), weights: weights.to_vec(), reference: none };
    let model = Densenet::on(crate::Path::Plain, &package).map_err(named)?;
    let run = |problem: String| PackageError::Run { package: manifest.name.clone(), problem };
    let logits = model.logits(pattern_v1(manifest), 1, 1).map_err(|e| run(e.to_string()))?;
    let logits: Vec<f64> = logits.into_iter().flatten().map(f64::from).collect();
    if !logits.iter().all(|v| v.is_finite()) {
        let problem = "the network gives values that are not finite: the weights or --preprocessing cannot be right";
        return Err(ImportError::tensor("classifier.bias", problem));
    }
    let largest = logits.iter().fold(1.0_f64, |most, v| most.max(v.abs()));
    // Rounding grows with the logits.
    let tolerance = (1e-4 * largest).min(1e-2);
    Ok(Reference { format: 1, input: "pattern-v1".to_owned(), logits, tolerance })
}

/// A tensor that does not fit, without the package around it, and with what to do.
fn named(error: PackageError) -> ImportError {
    match error {
        PackageError::Tensor { tensor, problem, .. } => {
            let remedy = "save the state_dict of the whole DenseNet, and of nothing else";
            ImportError::tensor(tensor, format!("{problem}: {remedy}"))
        }
        other => other.into(),
    }
}
