//! Model packages: `<name>-<version>/{manifest.toml, reference.json, weights.safetensors}`, from a
//! folder or from inside the program. What is loaded is what was signed off: digests are checked
//! here, the golden outputs by [`crate::model::Densenet::from_package`].

use crate::manifest::{Manifest, ManifestError};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// Why a package is refused. Each message names the file, and the key or tensor, and what to do.
#[derive(Debug, thiserror::Error)]
pub enum PackageError {
    /// A file of the package cannot be read.
    #[error("{}: {source}; a model package needs manifest.toml, reference.json and its weights", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The manifest is refused.
    #[error("model package {package}: {source}")]
    Manifest {
        /// Folder, or `embedded`.
        package: String,
        /// Why.
        source: ManifestError,
    },
    /// reference.json is refused.
    #[error("model package {package}: reference.json: {problem}")]
    Reference {
        /// Folder, or name.
        package: String,
        /// Why.
        problem: String,
    },
    /// The weights are not those that the manifest was written for.
    #[error(
        "model package {package}: {file} has SHA-256 {found}, but manifest.toml [weights] sha256 says {expected}: \
         the file is damaged or was changed; copy the package again"
    )]
    Digest {
        /// Folder, or name.
        package: String,
        /// The weights file.
        file: String,
        /// Digest in the manifest.
        expected: String,
        /// Digest of the bytes.
        found: String,
    },
    /// The weights file is no safetensors file.
    #[error("model package {package}: the weights are not a safetensors file: {problem}")]
    Weights {
        /// Package name.
        package: String,
        /// Why.
        problem: String,
    },
    /// A tensor is missing, superfluous, or not as the architecture wants it.
    #[error("model package {package}: tensor {tensor}: {problem}")]
    Tensor {
        /// Package name.
        package: String,
        /// Tensor name.
        tensor: String,
        /// Why.
        problem: String,
    },
    /// The golden outputs do not come out.
    #[error(
        "model package {package}: the self-test differs by {difference:e} from reference.json (tolerance {tolerance:e}): \
         the manifest's [architecture] or [input] does not belong to these weights"
    )]
    SelfTest {
        /// Package name.
        package: String,
        /// Largest difference of a logit.
        difference: f64,
        /// What is tolerated.
        tolerance: f64,
    },
    /// Bfloat16 was asked for, and the package does not say what it may cost.
    #[error(
        "model package {package}: bf16 was asked for, but manifest.toml has no [bf16] max_logit_difference: compare both \
         precisions on films of yours and add it, or set [analyze] precision = \"single\""
    )]
    NoBf16 {
        /// Package name.
        package: String,
    },
    /// The processor, or the kernels for this architecture, cannot run it on the path that was asked for.
    #[error(
        "model package {package}: this processor cannot run it in the precision that was asked for: set [analyze] \
         precision = \"single\""
    )]
    Path {
        /// Package name.
        package: String,
    },
    /// The network could not be run.
    #[error("model package {package}: {problem}")]
    Run {
        /// Package name.
        package: String,
        /// Why.
        problem: String,
    },
}

/// Golden outputs: the logits for a fixed pattern in single precision, computed by PyTorch, or by this program where
/// weights were imported.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reference {
    /// Format of the file: 1.
    pub format: u32,
    /// Name of the pattern: `pattern-v1`.
    pub input: String,
    /// Raw logits, before any calibration; also of outputs that are not reported.
    pub logits: Vec<f64>,
    /// Largest difference that is accepted.
    pub tolerance: f64,
}

/// A package whose files are there, whole and consistent.
#[derive(Clone)]
pub struct Package {
    /// What it says of itself.
    pub manifest: Manifest,
    /// The safetensors file; its digest is the manifest's.
    pub weights: Vec<u8>,
    /// Golden outputs.
    pub reference: Reference,
}

impl std::fmt::Debug for Package {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Package({} {}, {} bytes)", self.manifest.name, self.manifest.version, self.weights.len())
    }
}

impl Package {
    /// The package inside the program.
    ///
    /// # Errors
    /// [`PackageError`]; none unless the program was built from a damaged tree.
    pub fn embedded() -> Result<Self, PackageError> {
        Self::from_parts(
            "embedded",
            include_str!("../cxr-demo-0.1.0/manifest.toml"),
            include_str!("../cxr-demo-0.1.0/reference.json"),
            |_| Ok(include_bytes!("../cxr-demo-0.1.0/weights.safetensors").to_vec()),
        )
    }

    /// Reads a package folder.
    ///
    /// # Errors
    /// [`PackageError`].
    pub fn load(folder: &Path) -> Result<Self, PackageError> {
        let read = |file: &str| {
            let path = folder.join(file);
            std::fs::read(&path).map_err(|source| PackageError::File { path, source })
        };
        let text = |file: &str| {
            String::from_utf8(read(file)?).map_err(|_| PackageError::File {
                path: folder.join(file),
                source: std::io::Error::new(std::io::ErrorKind::InvalidData, "not UTF-8 text"),
            })
        };
        let package = folder.display().to_string();
        Self::from_parts(&package, &text("manifest.toml")?, &text("reference.json")?, read)
    }

    fn from_parts(
        package: &str,
        manifest: &str,
        reference: &str,
        weights: impl Fn(&str) -> Result<Vec<u8>, PackageError>,
    ) -> Result<Self, PackageError> {
        let manifest = Manifest::parse(manifest)
            .map_err(|source| PackageError::Manifest { package: package.to_owned(), source })?;
        let reference = parse_reference(reference, &manifest)
            .map_err(|problem| PackageError::Reference { package: package.to_owned(), problem })?;
        let weights = weights(&manifest.weights.file)?;
        let found = hex(&Sha256::digest(&weights));
        if found != manifest.weights.sha256 {
            return Err(PackageError::Digest {
                package: package.to_owned(),
                file: manifest.weights.file.clone(),
                expected: manifest.weights.sha256.clone(),
                found,
            });
        }
        Ok(Self { manifest, weights, reference })
    }
}

fn parse_reference(text: &str, manifest: &Manifest) -> Result<Reference, String> {
    let reference: Reference = serde_json::from_str(text).map_err(|e| e.to_string())?;
    if reference.format != 1 || reference.input != "pattern-v1" {
        return Err("only format 1 with input \"pattern-v1\" is known to this version".to_owned());
    }
    if reference.logits.len() != manifest.labels.len() {
        let (logits, labels) = (reference.logits.len(), manifest.labels.len());
        return Err(format!("`logits` has {logits} values but the manifest has {labels} labels"));
    }
    // A wide tolerance would turn the self-test off.
    if !(reference.tolerance > 0.0 && reference.tolerance <= 1e-2) {
        return Err("`tolerance` must be above 0 and at most 0.01".to_owned());
    }
    Ok(reference)
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
