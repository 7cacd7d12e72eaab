//! One file or Hugging Face folder, whatever its container: named tensors, its digest, and what a config.json says.

use super::classes::Element;
use super::error::ImportError;
use super::state::Tensors;
use super::tensor::{MOST_ELEMENTS, Tensor};
use super::torch;
use crate::package::hex;
use safetensors::{Dtype, SafeTensors};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Largest file: training states beside the weights make it a few times larger than they are.
const MOST_BYTES: u64 = 2 << 30;
const MOST_CONFIG: u64 = 1 << 20;
/// What a folder may hold, best first.
const FILES: [&str; 2] = ["model.safetensors", "pytorch_model.bin"];

/// Weights as they were found.
pub(super) struct Found {
    /// File name, for the card.
    pub file: String,
    /// SHA-256 of the file.
    pub sha256: String,
    /// What kind of container.
    pub container: &'static str,
    pub tensors: Tensors,
    /// Labels of a config.json beside the weights, in the order of the outputs.
    pub labels: Option<Vec<String>>,
}

/// Reads a file or folder.
///
/// # Errors
/// [`ImportError`].
pub(super) fn read(path: &Path) -> Result<Found, ImportError> {
    let (file, labels) = if path.is_dir() { folder(path)? } else { (path.to_owned(), None) };
    let bytes = limited(&file, MOST_BYTES)?;
    let (tensors, container) = if torch::is_torch(&bytes) {
        torch::read(&bytes)?
    } else if is_safetensors(&bytes) {
        (safetensors(&bytes)?, "safetensors")
    } else {
        let problem = "is neither safetensors nor a file of torch.save: give one of them, or a Hugging Face folder. What \
                       only ONNX, Keras or TorchScript has must be loaded there and saved as safetensors";
        return Err(ImportError::container(format!("{}: {problem}", file.display())));
    };
    if tensors.is_empty() {
        let problem = "there is not one tensor in the file: save model.state_dict() with torch.save, or as safetensors";
        return Err(ImportError::container(problem));
    }
    let name = file.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    Ok(Found { file: name, sha256: hex(&Sha256::digest(&bytes)), container, tensors, labels })
}

fn limited(path: &Path, limit: u64) -> Result<Vec<u8>, ImportError> {
    let fail = |source| ImportError::File { path: path.to_owned(), source };
    let length = std::fs::metadata(path).map_err(fail)?.len();
    if length > limit {
        let shown = path.display();
        let problem =
            format!("{shown}: {length} bytes, at most {limit} are read: save model.state_dict() without the rest");
        return Err(ImportError::container(problem));
    }
    std::fs::read(path).map_err(fail)
}

/// A header length that fits, and JSON after it.
fn is_safetensors(bytes: &[u8]) -> bool {
    bytes.get(8).is_some_and(|&b| b == b'{')
}

fn safetensors(bytes: &[u8]) -> Result<Tensors, ImportError> {
    let file = SafeTensors::deserialize(bytes).map_err(|e| {
        ImportError::container(format!("the safetensors file is damaged or cut short: {e}; copy it again"))
    })?;
    let mut found = Tensors::new();
    let mut elements = 0_usize;
    for (name, view) in file.tensors() {
        if name.ends_with("num_batches_tracked") {
            continue;
        }
        let element = match view.dtype() {
            Dtype::F64 => Element::F64,
            Dtype::F32 => Element::F32,
            Dtype::F16 => Element::F16,
            Dtype::BF16 => Element::Bf16,
            other => {
                let problem = format!("holds {other:?}; weights are floating-point numbers: save model.float()");
                return Err(ImportError::tensor(name, problem));
            }
        };
        elements = view.shape().iter().fold(1_usize, |n, &size| n.saturating_mul(size)).saturating_add(elements);
        if elements > MOST_ELEMENTS {
            let problem = format!("with it the file has more than the {MOST_ELEMENTS} elements that are read");
            return Err(ImportError::tensor(name, problem));
        }
        let mut stride = vec![1; view.shape().len()];
        for axis in (1..stride.len()).rev() {
            stride[axis - 1] = stride[axis] * view.shape()[axis];
        }
        let tensor = Tensor::gather(&name, view.data(), element, 0, view.shape(), &stride)?;
        found.insert(name, tensor);
    }
    Ok(found)
}

/// What is read of a config.json; the rest of it is not for us.
#[derive(Deserialize)]
struct Config {
    id2label: Option<BTreeMap<String, String>>,
    label_names: Option<Vec<String>>,
}

fn folder(path: &Path) -> Result<(PathBuf, Option<Vec<String>>), ImportError> {
    let Some(file) = FILES.iter().map(|file| path.join(file)).find(|file| file.is_file()) else {
        let parts = FILES.iter().any(|file| path.join(format!("{file}.index.json")).is_file());
        let problem = if parts { "its weights are in parts: save them in one file" } else { "give the file itself" };
        let shown = path.display();
        return Err(ImportError::container(format!(
            "{shown}: there is no {} in this folder: {problem}",
            FILES.join(" or ")
        )));
    };
    let config = path.join("config.json");
    if !config.is_file() {
        return Ok((file, None));
    }
    let bytes = limited(&config, MOST_CONFIG)?;
    let broken = |problem: String| {
        ImportError::container(format!("{}: {problem}; mend it, or remove it and give --labels", config.display()))
    };
    let read: Config = serde_json::from_slice(&bytes).map_err(|e| broken(e.to_string()))?;
    let Some(by_number) = read.id2label else { return Ok((file, read.label_names)) };
    let mut labels = vec![String::new(); by_number.len()];
    for (number, label) in by_number {
        let place = number.parse::<usize>().ok().and_then(|n| labels.get_mut(n));
        *place.ok_or_else(|| broken(format!("id2label has the number {number:?}, they must run from 0")))? = label;
    }
    Ok((file, Some(labels)))
}
