//! Models: a film in, calibrated scores and regions out.

use crate::image::{CxrImage, ImageError};
use crate::manifest::{Chain, Manifest};
use crate::network::{Network, Output, Path, Tensors};
use crate::package::{Package, PackageError, hex};
use crate::preprocess::{Affine, prepare};
use crate::regions::{Map, regions};
use candle_core::{Device, Tensor};
use centinela_domain::prediction::{HeatMap, LabelScore, ModelRef, Prediction};
use centinela_kernels::Precision;
use sha2::{Digest, Sha256};

/// How far the mean of a class activation map plus the bias may be from its logit.
const ACTIVATION_TOLERANCE: f32 = 1e-3;

/// Why a film got no scores although it could be decoded.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ModelError {
    /// Candle could not run the network.
    #[error("the network could not be run: {0}")]
    Run(String),
    /// The film does not fit the model's preprocessing.
    #[error(transparent)]
    Film(#[from] ImageError),
    /// A score is not a number.
    #[error("the network gave a score that is not finite for label {0:?}")]
    NotFinite(String),
    /// The map does not explain its own logit.
    #[error("the activation map of label {label:?} is off its logit by {difference:e}")]
    Activation {
        /// Label.
        label: String,
        /// Absolute difference.
        difference: f32,
    },
    /// The input has not the size that the architecture wants.
    #[error("{found} input values, not {expected}")]
    Input {
        /// Values given.
        found: usize,
        /// Values wanted.
        expected: usize,
    },
}

impl From<candle_core::Error> for ModelError {
    fn from(error: candle_core::Error) -> Self {
        Self::Run(error.to_string())
    }
}

/// Anything that can score a film.
pub trait Model: Send + Sync {
    /// What the model says of itself.
    fn manifest(&self) -> &Manifest;

    /// Which model it is, for results.
    fn model_ref(&self) -> ModelRef;

    /// Scores a film, on at most so many threads.
    ///
    /// # Errors
    /// [`ModelError`].
    fn predict(&self, image: &CxrImage, threads: usize) -> Result<Prediction, ModelError>;

    /// The same model, sharing its weights, but with threads and scratch memory of its own: for when
    /// those of this one are held by a film that never ends.
    ///
    /// # Errors
    /// [`ModelError::Run`] if there are no more threads.
    fn with_own_threads(&self) -> Result<Box<dyn Model>, ModelError>;

    /// Digest of everything beside the weights that decides what is reported: labels, thresholds,
    /// calibration, contour levels, chain. Lower-case hex.
    fn threshold_set(&self) -> String {
        threshold_set(self.manifest())
    }
}

/// See [`Model::threshold_set`].
#[must_use]
pub fn threshold_set(manifest: &Manifest) -> String {
    let mut hash = Sha256::new();
    hash.update(format!("{:?}\n", manifest.calibration));
    // Digests of packages from the time of the only chain stay what they were.
    if manifest.input.chain != Chain::Window {
        hash.update(format!("{:?}\n", manifest.input));
    }
    for label in &manifest.labels {
        hash.update(format!("{:?} {:?} {:?}\n", label.name, label.threshold(), label.region));
    }
    hex(&hash.finalize())
}

/// A DenseNet from a package, tested against its golden outputs.
pub struct Densenet {
    manifest: Manifest,
    network: Network,
    self_test: f64,
}

impl std::fmt::Debug for Densenet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Densenet({} {})", self.manifest.name, self.manifest.version)
    }
}

impl Densenet {
    /// Builds the network on the fastest path in single precision and runs the self-test.
    ///
    /// # Errors
    /// [`PackageError`]: a tensor does not fit, or the golden outputs do not come out.
    pub fn from_package(package: &Package) -> Result<Self, PackageError> {
        Self::on(Path::with(Precision::Single), package)
    }

    /// The same on a path of the caller's choice.
    ///
    /// # Errors
    /// [`PackageError`].
    pub fn on(path: Path, package: &Package) -> Result<Self, PackageError> {
        let manifest = package.manifest.clone();
        let name = || package.manifest.name.clone();
        let run = |problem: String| PackageError::Run { package: name(), problem };
        let bf16 = matches!(path, Path::Fast(_, Precision::Bf16));
        let tolerance = match manifest.bf16 {
            Some(gate) if bf16 => gate.max_logit_difference,
            None if bf16 => return Err(PackageError::NoBf16 { package: name() }),
            _ => package.reference.tolerance,
        };
        if !path.is_possible() {
            return Err(PackageError::Path { package: name() });
        }
        let mut tensors = Tensors::parse(&package.weights)
            .map_err(|e| PackageError::Weights { package: name(), problem: e.to_string() })?;
        let (net, classes, size) = (&manifest.architecture, manifest.labels.len(), manifest.input.size as usize);
        let network = Network::new(&mut tensors, net, classes, size, path).map_err(|p| PackageError::Tensor {
            package: name(),
            tensor: p.tensor,
            problem: p.problem,
        })?;
        if bf16 && network.path() != path {
            return Err(PackageError::Path { package: name() });
        }
        let mut model = Self { manifest, network, self_test: 0.0 };
        let logits = model.logits(pattern_v1(&model.manifest), 1, 1).map_err(|e| run(e.to_string()))?;
        let pairs = logits.iter().flatten().zip(&package.reference.logits);
        let differences = pairs.map(|(&got, want)| (f64::from(got) - want).abs());
        // f64::max would pass over a difference that is not a number.
        let difference = differences.map(|d| if d.is_nan() { f64::INFINITY } else { d }).fold(0.0, f64::max);
        if difference > tolerance {
            return Err(PackageError::SelfTest { package: model.manifest.name, difference, tolerance });
        }
        model.self_test = difference;
        Ok(model)
    }

    /// Largest difference of a logit from the golden outputs, as found when the model was loaded.
    #[must_use]
    pub fn self_test_difference(&self) -> f64 {
        self.self_test
    }

    /// The path that is taken: the plain one where the kernels cannot run the architecture.
    #[must_use]
    pub fn path(&self) -> Path {
        self.network.path()
    }

    /// Multiplications (with an addition each) that the fast path does for one image, for benchmarks.
    #[must_use]
    pub fn multiplications(&self) -> Option<u64> {
        self.network.multiplications()
    }

    /// Raw logits of a batch of network inputs (`batch * in_channels * size * size` values, already
    /// normalised): one row for each input. On at most so many threads.
    ///
    /// # Errors
    /// [`ModelError`].
    pub fn logits(&self, input: Vec<f32>, batch: usize, threads: usize) -> Result<Vec<Vec<f32>>, ModelError> {
        Ok(self.forward(input, batch, threads)?.logits.to_vec2::<f32>()?)
    }

    /// The class activation maps of one network input, row by row, one for each label.
    ///
    /// # Errors
    /// [`ModelError`].
    pub fn maps(&self, input: Vec<f32>) -> Result<Vec<Vec<f32>>, ModelError> {
        let features = self.forward(input, 1, 1)?.features;
        let map = |n: usize| Ok(self.network.activation(&features, n)?.0);
        (0..self.manifest.labels.len()).map(map).collect()
    }

    fn forward(&self, input: Vec<f32>, batch: usize, threads: usize) -> Result<Output, ModelError> {
        let (channels, size) = (self.manifest.architecture.in_channels, self.manifest.input.size as usize);
        let expected = batch * channels * size * size;
        if input.len() != expected || batch == 0 {
            return Err(ModelError::Input { found: input.len(), expected });
        }
        let input = Tensor::from_vec(input, (batch, channels, size, size), &Device::Cpu)?;
        Ok(self.network.forward(&input, threads)?)
    }

    /// The map of one label, checked against its logit: what the regions show is what was scored.
    fn map(&self, output: &Output, label: usize, logit: f32) -> Result<Map, ModelError> {
        let (_, _, rows, columns) = output.features.dims4()?;
        let (values, bias) = self.network.activation(&output.features, label)?;
        let mean = values.iter().map(|&v| f64::from(v)).sum::<f64>() / values.len() as f64;
        let difference = (mean as f32 + bias - logit).abs();
        // Large logits carry the rounding of single precision. Not a number is no agreement.
        if difference <= ACTIVATION_TOLERANCE * logit.abs().max(1.0) {
            return Ok(Map { values, columns, rows });
        }
        Err(ModelError::Activation { label: self.manifest.labels[label].name.clone(), difference })
    }

    /// Where it looked for the strongest label above its threshold, of those with a contour level: the package
    /// says by that level that the map means something.
    fn heat_map(&self, output: &Output, logits: &[f32], to: &Affine) -> Result<Option<HeatMap>, ModelError> {
        let labels = self.manifest.labels.iter().zip(logits).enumerate();
        let strongest = labels
            .filter(|(_, (label, _))| label.is_reported() && label.region.is_some())
            .map(|(n, (label, &logit))| (n, label, logit, self.manifest.calibration.probability(n, logit)))
            .filter(|(_, label, _, probability)| *probability >= label.threshold())
            // Of equal ones the first, as everywhere.
            .reduce(|best, other| if other.3 > best.3 { other } else { best });
        let Some((n, label, logit, _)) = strongest else { return Ok(None) };
        let map = self.map(output, n, logit)?;
        let side = f64::from(self.manifest.input.size);
        let rounded = |v: f64| ((v * 10.0).round() / 10.0) as f32;
        let ([left, top], [right, bottom]) = (to.apply([0.0, 0.0]), to.apply([side, side]));
        let size = (map.columns as u32, map.rows as u32);
        Ok(HeatMap::new(&label.name, &map.values, size, [left, top, right, bottom].map(rounded)))
    }

    /// Only a label that is above its threshold and has a contour level costs a map.
    fn score(
        &self,
        output: &Output,
        logits: &[f32],
        image: &CxrImage,
        to: &Affine,
    ) -> Result<Vec<LabelScore>, ModelError> {
        let labels = self.manifest.labels.iter().zip(logits).enumerate();
        labels
            .filter(|(_, (label, _))| label.is_reported())
            .map(|(n, (label, &logit))| {
                let probability = self.manifest.calibration.probability(n, logit);
                let threshold = label.threshold();
                let regions = match label.region {
                    Some(level) if probability >= threshold => {
                        let map = self.map(output, n, logit)?;
                        regions(&map, level, self.manifest.input.size, to, image.width, image.height)
                    }
                    _ => Vec::new(),
                };
                Ok(LabelScore { label: label.name.clone(), probability, threshold, regions })
            })
            .collect()
    }
}

impl Model for Densenet {
    fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    fn model_ref(&self) -> ModelRef {
        ModelRef {
            name: self.manifest.name.clone(),
            version: self.manifest.version.clone(),
            title: self.manifest.title.clone(),
            manufacturer: self.manifest.manufacturer.clone(),
            weights_sha256: self.manifest.weights.sha256.clone(),
            input_size: self.manifest.input.size,
        }
    }

    fn threshold_set(&self) -> String {
        let own = threshold_set(&self.manifest);
        match self.path() {
            // Other scores in the last digits: not the same results under another name.
            Path::Fast(_, Precision::Bf16) => hex(&Sha256::digest(format!("{own} bf16"))),
            _ => own,
        }
    }

    fn with_own_threads(&self) -> Result<Box<dyn Model>, ModelError> {
        let network = self.network.with_own_threads().map_err(ModelError::Run)?;
        Ok(Box::new(Self { manifest: self.manifest.clone(), network, self_test: self.self_test }))
    }

    fn predict(&self, image: &CxrImage, threads: usize) -> Result<Prediction, ModelError> {
        let prepared = prepare(image, &self.manifest.input)?;
        let output = self.forward(prepared.values, 1, threads)?;
        let logits = output.logits.flatten_all()?.to_vec1::<f32>()?;
        let reported = self.manifest.labels.iter().zip(&logits).filter(|(label, _)| label.is_reported());
        if let Some((label, _)) = reported.into_iter().find(|(_, logit)| !logit.is_finite()) {
            return Err(ModelError::NotFinite(label.name.clone()));
        }
        let scores = self.score(&output, &logits, image, &prepared.to_original)?;
        let map = self.heat_map(&output, &logits, &prepared.to_original)?;
        Ok(Prediction { model: self.model_ref(), scores, map })
    }
}

/// The input of the golden outputs, on the scale of the model's chain.
pub(crate) fn pattern_v1(manifest: &Manifest) -> Vec<f32> {
    let (size, input) = (u64::from(manifest.input.size), &manifest.input);
    let mut values = Vec::new();
    for (channel, c) in (0_u64..).zip(0..manifest.architecture.in_channels) {
        for y in 0..size {
            for x in 0..size {
                let code = (37 * x + 91 * y + 13 * ((x * y) % 251) + 1000 * channel) % 4096;
                let unit = (code as f64 / 4095.0) as f32;
                values.push(match input.chain {
                    Chain::Torchxrayvision => (2.0 * unit - 1.0) * 1024.0,
                    Chain::Window | Chain::Imagenet => (unit - input.mean[c]) / input.std[c],
                });
            }
        }
    }
    values
}
