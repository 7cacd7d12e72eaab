//! DenseNet-BC (Huang et al. 2017; torchvision's tensor names), for inference: a backbone on the fast or the
//! plain path, and the classifier.

mod fast;
mod plain;
mod tensors;

use crate::manifest::Architecture;
use candle_core::{Module as _, Tensor};
use candle_nn::Linear;
use centinela_kernels::{Isa, Precision};
use fast::Fast;
use plain::Plain;
use std::sync::Arc;
pub(crate) use tensors::{TensorProblem, Tensors};

/// How the backbone is computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Path {
    /// By the kernels for this instruction set, or plainly if they cannot run the architecture.
    Fast(Isa, Precision),
    /// By Candle's convolutions.
    Plain,
}

impl Path {
    /// The fastest on this processor in this precision.
    #[must_use]
    pub fn with(precision: Precision) -> Self {
        Self::Fast(Isa::best(), precision)
    }

    /// Whether this processor can take it.
    #[must_use]
    pub fn is_possible(self) -> bool {
        match self {
            Self::Fast(isa, Precision::Bf16) => isa.has_bf16(),
            Self::Fast(isa, Precision::Single) => Isa::all().contains(&isa),
            Self::Plain => true,
        }
    }

    /// Every path in single precision that this processor can take, the fastest first.
    #[must_use]
    pub fn all() -> Vec<Self> {
        Isa::all().into_iter().map(|isa| Self::Fast(isa, Precision::Single)).chain([Self::Plain]).collect()
    }
}

enum Backbone {
    Fast(Arc<Fast>),
    Plain { net: Arc<Plain>, pool: rayon::ThreadPool },
}

/// The network with its weights.
pub(crate) struct Network {
    backbone: Backbone,
    classifier: Linear,
}

/// What a forward pass gives: `[n, classes]` and `[n, channels, rows, columns]`.
pub(crate) struct Output {
    pub logits: Tensor,
    pub features: Tensor,
}

impl Network {
    /// Builds the network for inputs of `size` pixels; every tensor must fit and none may be left over.
    pub fn new(
        tensors: &mut Tensors,
        net: &Architecture,
        classes: usize,
        size: usize,
        path: Path,
    ) -> Result<Self, TensorProblem> {
        let plain = Plain::new(tensors, net)?;
        let weight = tensors.take("classifier.weight", &[classes, plain.channels])?;
        let bias = tensors.take("classifier.bias", &[classes])?;
        if let Some(name) = tensors.left_over() {
            let problem = "is in the weights but not in the architecture".to_owned();
            return Err(TensorProblem { tensor: name.clone(), problem });
        }
        let whole = |problem: String| TensorProblem { tensor: "features".to_owned(), problem };
        let fast = match path {
            Path::Fast(isa, precision) => {
                Fast::pack(&plain, net, size, isa, precision).map_err(|e| whole(e.to_string()))?
            }
            Path::Plain => None,
        };
        let backbone = match fast {
            Some(fast) => Backbone::Fast(Arc::new(fast)),
            None => Backbone::Plain { net: Arc::new(plain), pool: pool().map_err(|e| whole(e.to_string()))? },
        };
        Ok(Self { backbone, classifier: Linear::new(weight, Some(bias)) })
    }

    /// The path that is taken.
    pub fn path(&self) -> Path {
        match &self.backbone {
            Backbone::Fast(fast) => {
                let (isa, precision) = fast.kind();
                Path::Fast(isa, precision)
            }
            Backbone::Plain { .. } => Path::Plain,
        }
    }

    /// Multiplications that the fast path does for one image.
    pub fn multiplications(&self) -> Option<u64> {
        match &self.backbone {
            Backbone::Fast(fast) => Some(fast.multiplications()),
            Backbone::Plain { .. } => None,
        }
    }

    /// Runs a batch `[n, in_channels, size, size]` on at most so many threads.
    pub fn forward(&self, input: &Tensor, threads: usize) -> candle_core::Result<Output> {
        let features = match &self.backbone {
            Backbone::Fast(fast) => fast.forward(input, threads)?,
            Backbone::Plain { net, pool } => pool.install(|| net.forward(input))?,
        };
        let logits = self.classifier.forward(&features.flatten_from(2)?.mean(2)?)?;
        Ok(Output { logits, features })
    }

    /// The class activation map of one image for one class, `map(y, x) = sum over c of W[class, c] *
    /// features[c, y, x]`, with the bias of the class. The mean of the map plus the bias is the logit.
    pub fn activation(&self, features: &Tensor, class: usize) -> candle_core::Result<(Vec<f32>, f32)> {
        let planes = features.squeeze(0)?.flatten_from(1)?.to_vec2::<f32>()?;
        let weights = self.classifier.weight().get(class)?.to_vec1::<f32>()?;
        let bias = self.classifier.bias().map_or(Ok(0.0), |bias| bias.get(class)?.to_scalar::<f32>())?;
        let mut sums = vec![0.0_f64; planes.first().map_or(0, Vec::len)];
        for (&w, plane) in weights.iter().zip(&planes) {
            sums.iter_mut().zip(plane).for_each(|(sum, &v)| *sum += f64::from(w) * f64::from(v));
        }
        Ok((sums.iter().map(|&v| v as f32).collect(), bias))
    }

    /// The same network, sharing its weights, with threads of its own where it keeps some.
    pub fn with_own_threads(&self) -> Result<Self, String> {
        let backbone = match &self.backbone {
            Backbone::Fast(fast) => Backbone::Fast(Arc::clone(fast)),
            Backbone::Plain { net, .. } => {
                Backbone::Plain { net: Arc::clone(net), pool: pool().map_err(|e| e.to_string())? }
            }
        };
        Ok(Self { backbone, classifier: self.classifier.clone() })
    }
}

/// Threads for the plain path: half the machine, at most four.
fn pool() -> Result<rayon::ThreadPool, rayon::ThreadPoolBuildError> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    rayon::ThreadPoolBuilder::new().num_threads((cores / 2).clamp(1, 4)).thread_name(|n| format!("network-{n}")).build()
}
