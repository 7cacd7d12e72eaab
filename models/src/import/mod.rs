//! From a site's own weights to a model package.
//!
//! Read in this order: `weights` (a file or folder becomes named tensors; `torch`, `zip` and `pickle` open the
//! containers without executing anything, `state` finds the tensors), `names` and `architecture` (which DenseNet it
//! is), `labels` and `families` (what its outputs mean), `write` and `card` (the package).

mod architecture;
mod card;
mod classes;
mod error;
mod families;
mod labels;
mod names;
mod pickle;
mod request;
mod state;
mod tensor;
mod torch;
mod value;
mod weights;
mod write;
mod zip;

pub use error::ImportError;
pub use families::Family;
pub use request::Request;

use crate::manifest::{Calibration, Chain, Input, Manifest, Population, Weights};
use architecture::title;
use families::Known;
use labels::Outputs;
use std::path::PathBuf;

/// Mean and deviation of ImageNet's colours, as torchvision states them.
const IMAGENET: ([f32; 3], [f32; 3]) = ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]);
const SIZE: u32 = 224;

/// A package that was made.
#[derive(Debug, Clone, PartialEq)]
pub struct Imported {
    /// Its folder.
    pub folder: PathBuf,
    /// What the weights came in.
    pub container: &'static str,
    /// Which network, as people call it.
    pub network: String,
    /// Labels that it reports.
    pub reported: Vec<String>,
    /// What people should know, one sentence each.
    pub notes: Vec<String>,
}

/// Makes a package.
///
/// # Errors
/// [`ImportError`]; then nothing is left behind.
pub fn import(request: &Request) -> Result<Imported, ImportError> {
    let found = weights::read(&request.source)?;
    let (container, file, sha256) = (found.container, found.file, found.sha256);
    let mut tensors = names::rename(found.tensors)?;
    let stored = tensors.remove(names::OPERATING_POINTS);
    let stored = stored.as_ref().and_then(tensor::Tensor::single);
    let (network, classes) = architecture::detect(&tensors)?;
    architecture::plausible(&tensors)?;
    let known = request.family.map(Family::known);
    if let Some(known) = &known {
        belongs(known, &title(&network), network.in_channels)?;
    }
    let Outputs { labels, calibration, mut notes } =
        labels::outputs(request, known.as_ref(), found.labels.as_deref(), stored, classes)?;
    let input = input(request, known.as_ref(), network.in_channels)?;
    let called = title(&network);
    let name_of_family = known.as_ref().map(|known| known.title.clone());
    let manifest = Manifest {
        format: 1,
        name: request.name.clone(),
        version: request.version.clone(),
        title: request.title.clone().or(name_of_family).unwrap_or_else(|| request.name.clone()),
        manufacturer: request
            .manufacturer
            .clone()
            .or_else(|| known.as_ref().map(|known| known.manufacturer.to_owned()))
            .unwrap_or_else(|| "not stated".to_owned()),
        summary: format!("{called}, imported from a {container}; not validated by this import."),
        architecture: network,
        input,
        population: Population { age_min: request.ages.0, age_max: request.ages.1 },
        weights: Weights { file: write::WEIGHTS.to_owned(), sha256: "0".repeat(64) },
        calibration,
        bf16: None,
        labels,
    };
    if matches!(manifest.calibration, Calibration::None) && known.is_none() && request.calibration.is_none() {
        notes.push("the probabilities are not calibrated: give --calibration if you have one".to_owned());
    }
    let origin = card::Origin { file, sha256, container, network: called.clone(), known };
    let folder = write::package(request, manifest.clone(), &tensors, &origin, &notes)?;
    let reported = manifest.reported().map(|(_, label)| label.name.clone()).collect();
    Ok(Imported { folder, container, network: called, reported, notes })
}

/// Whether the weights can be of that family.
fn belongs(known: &Known, called: &str, channels: usize) -> Result<(), ImportError> {
    let name = known.name;
    // A site's own training in another width may have a family's outputs; another published depth is a mistake.
    if called == "DenseNet-169" || called == "DenseNet-201" {
        return Err(ImportError::flag("--family", format!("{name} is a DenseNet-121, these weights are a {called}")));
    }
    if channels != known.channels {
        let problem =
            format!("has {channels} input channels, family {name} has {}: name another family", known.channels);
        return Err(ImportError::tensor("features.conv0.weight", problem));
    }
    Ok(())
}

fn input(request: &Request, known: Option<&Known>, channels: usize) -> Result<Input, ImportError> {
    let chain = match (known, request.chain) {
        (Some(known), Some(chain)) if known.chain != chain => {
            let problem = format!("family {} was trained with {}: leave the flag out", known.name, known.chain.name());
            return Err(ImportError::flag("--preprocessing", problem));
        }
        (Some(known), _) => known.chain,
        (None, Some(chain)) => chain,
        (None, None) => {
            let problem = "scores mean something only with the preprocessing of the training: name it (torchxrayvision, \
                           imagenet or window), or the family";
            return Err(ImportError::flag("--preprocessing", problem));
        }
    };
    let given = (request.mean.clone(), request.std.clone());
    let (mean, std) = match (chain, given) {
        (Chain::Torchxrayvision, (None, None)) => (Vec::new(), Vec::new()),
        (Chain::Torchxrayvision, _) => {
            return Err(ImportError::flag("--mean, --std", "torchxrayvision has its own scale: leave them out"));
        }
        (_, (Some(mean), Some(std))) => (mean, std),
        (Chain::Imagenet, (None, None)) => (IMAGENET.0.to_vec(), IMAGENET.1.to_vec()),
        _ => {
            let problem = format!("{} needs both, with {channels} values each", chain.name());
            return Err(ImportError::flag("--mean, --std", problem));
        }
    };
    if let Some(wanted) = chain.channels().filter(|&wanted| wanted != channels) {
        let problem =
            format!("has {channels} input channels, {} makes {wanted}: name another --preprocessing", chain.name());
        return Err(ImportError::tensor("features.conv0.weight", problem));
    }
    Ok(Input { size: request.size.unwrap_or(SIZE), chain, mean, std })
}
