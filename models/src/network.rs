//! DenseNet-BC on Candle (Huang et al. 2017; torchvision's tensor names), for inference.
//!
//! Norm and ReLU are one operation of our own: it reads and writes each value once, and it keeps
//! Candle's element-wise thread pool, which spins, out of the program. Convolutions run on the
//! rayon pool that the caller installs.

use crate::manifest::Architecture;
use candle_core::{CpuStorage, CustomOp1, DType, Device, Layout, Module, Shape, Tensor, bail};
use candle_nn::{Conv2d, Conv2dConfig, Linear};
use std::collections::HashMap;

const BN_EPSILON: f64 = 1e-5;

/// What is wrong with a tensor.
pub(crate) struct TensorProblem {
    pub tensor: String,
    pub problem: String,
}

/// The tensors of a weights file; each is taken once, and none may be left.
pub(crate) struct Tensors(HashMap<String, Tensor>);

impl Tensors {
    /// Parses a safetensors file without mapping it.
    pub fn parse(bytes: &[u8]) -> candle_core::Result<Self> {
        let mut tensors = candle_core::safetensors::load_buffer(bytes, &Device::Cpu)?;
        // Counters that PyTorch keeps for training.
        tensors.retain(|name, _| !name.ends_with(".num_batches_tracked"));
        Ok(Self(tensors))
    }

    fn take(&mut self, name: &str, shape: &[usize]) -> Result<Tensor, TensorProblem> {
        let fail = |problem| TensorProblem { tensor: name.to_owned(), problem };
        let tensor = self.0.remove(name).ok_or_else(|| fail("missing from the weights".to_owned()))?;
        if tensor.dims() != shape {
            return Err(fail(format!("has shape {:?}, the architecture wants {shape:?}", tensor.dims())));
        }
        if !matches!(tensor.dtype(), DType::F32 | DType::F16) {
            return Err(fail(format!("is {:?}; F32 or F16 is wanted", tensor.dtype())));
        }
        let tensor = tensor.to_dtype(DType::F32).map_err(|e| fail(e.to_string()))?;
        let values = tensor.flatten_all().and_then(|t| t.to_vec1::<f32>()).map_err(|e| fail(e.to_string()))?;
        match values.iter().all(|v| v.is_finite()) {
            true => Ok(tensor),
            false => Err(fail("has a value that is not finite".to_owned())),
        }
    }

    fn vector(&mut self, name: &str, length: usize) -> Result<Vec<f32>, TensorProblem> {
        self.take(name, &[length])?
            .to_vec1()
            .map_err(|e| TensorProblem { tensor: name.to_owned(), problem: e.to_string() })
    }

    fn conv(&mut self, name: &str, shape: [usize; 4], config: Conv2dConfig) -> Result<Conv2d, TensorProblem> {
        Ok(Conv2d::new(self.take(&format!("{name}.weight"), &shape)?, None, config))
    }

    fn norm(&mut self, name: &str, channels: usize) -> Result<NormRelu, TensorProblem> {
        let mut part = |suffix: &str| self.vector(&format!("{name}.{suffix}"), channels);
        let (weight, bias) = (part("weight")?, part("bias")?);
        let (mean, variance) = (part("running_mean")?, part("running_var")?);
        let scale: Vec<f32> = weight
            .iter()
            .zip(&variance)
            .map(|(&w, &v)| (f64::from(w) / (f64::from(v) + BN_EPSILON).sqrt()) as f32)
            .collect();
        if scale.iter().any(|s| !s.is_finite()) {
            let problem = "has a negative variance".to_owned();
            return Err(TensorProblem { tensor: format!("{name}.running_var"), problem });
        }
        let shift = bias.iter().zip(&mean).zip(&scale).map(|((&b, &m), &s)| b - m * s).collect();
        Ok(NormRelu { scale, shift })
    }
}

/// `max(0, x * scale + shift)` for each channel: batch norm with its running statistics, and ReLU.
struct NormRelu {
    scale: Vec<f32>,
    shift: Vec<f32>,
}

impl CustomOp1 for NormRelu {
    fn name(&self) -> &'static str {
        "norm-relu"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> candle_core::Result<(CpuStorage, Shape)> {
        let (_, channels, height, width) = layout.shape().dims4()?;
        let (Some((start, end)), CpuStorage::F32(values)) = (layout.contiguous_offsets(), storage) else {
            bail!("norm-relu wants contiguous F32");
        };
        if channels != self.scale.len() {
            bail!("norm-relu has {} channels, not {channels}", self.scale.len());
        }
        let mut result = Vec::with_capacity(end - start);
        for (n, plane) in values[start..end].chunks_exact(height * width).enumerate() {
            let (scale, shift) = (self.scale[n % channels], self.shift[n % channels]);
            result.extend(plane.iter().map(|&v| (v * scale + shift).max(0.0)));
        }
        Ok((CpuStorage::F32(result), layout.shape().clone()))
    }
}

impl Module for NormRelu {
    fn forward(&self, input: &Tensor) -> candle_core::Result<Tensor> {
        input.apply_op1_no_bwd(self)
    }
}

struct DenseLayer {
    norm1: NormRelu,
    conv1: Conv2d,
    norm2: NormRelu,
    conv2: Conv2d,
}

struct Transition {
    norm: NormRelu,
    conv: Conv2d,
}

/// The network with its weights.
pub(crate) struct Network {
    conv0: Conv2d,
    norm0: NormRelu,
    blocks: Vec<(Vec<DenseLayer>, Option<Transition>)>,
    norm5: NormRelu,
    classifier: Linear,
}

/// What a forward pass gives: `[n, classes]` and `[n, channels, rows, columns]`.
pub(crate) struct Output {
    pub logits: Tensor,
    pub features: Tensor,
}

impl Network {
    /// Builds the network; every tensor must fit and none may be left over.
    pub fn new(tensors: &mut Tensors, net: &Architecture, classes: usize) -> Result<Self, TensorProblem> {
        let config = |padding, stride| Conv2dConfig { padding, stride, ..Conv2dConfig::default() };
        let plain = config(0, 1);
        let mut channels = net.init_features;
        let conv0 = tensors.conv("features.conv0", [channels, net.in_channels, 7, 7], config(3, 2))?;
        let norm0 = tensors.norm("features.norm0", channels)?;
        let bottleneck = net.bn_size * net.growth_rate;
        let mut blocks = Vec::new();
        for (b, &layers) in net.block_config.iter().enumerate() {
            let mut block = Vec::new();
            for l in 1..=layers {
                let name = format!("features.denseblock{}.denselayer{l}", b + 1);
                block.push(DenseLayer {
                    norm1: tensors.norm(&format!("{name}.norm1"), channels)?,
                    conv1: tensors.conv(&format!("{name}.conv1"), [bottleneck, channels, 1, 1], plain)?,
                    norm2: tensors.norm(&format!("{name}.norm2"), bottleneck)?,
                    conv2: tensors.conv(&format!("{name}.conv2"), [net.growth_rate, bottleneck, 3, 3], config(1, 1))?,
                });
                channels += net.growth_rate;
            }
            let transition = if b + 1 < net.block_config.len() {
                let name = format!("features.transition{}", b + 1);
                let norm = tensors.norm(&format!("{name}.norm"), channels)?;
                let conv = tensors.conv(&format!("{name}.conv"), [channels / 2, channels, 1, 1], plain)?;
                channels /= 2;
                Some(Transition { norm, conv })
            } else {
                None
            };
            blocks.push((block, transition));
        }
        let norm5 = tensors.norm("features.norm5", channels)?;
        let weight = tensors.take("classifier.weight", &[classes, channels])?;
        let bias = tensors.take("classifier.bias", &[classes])?;
        if let Some(name) = tensors.0.keys().min() {
            let problem = "is in the weights but not in the architecture".to_owned();
            return Err(TensorProblem { tensor: name.clone(), problem });
        }
        Ok(Self { conv0, norm0, blocks, norm5, classifier: Linear::new(weight, Some(bias)) })
    }

    /// Runs a batch `[n, in_channels, size, size]`.
    pub fn forward(&self, input: &Tensor) -> candle_core::Result<Output> {
        let x = self.norm0.forward(&self.conv0.forward(input)?)?;
        // Padding with zeros instead of minus infinity: after ReLU nothing is below zero.
        let x = x.pad_with_zeros(2, 1, 1)?.pad_with_zeros(3, 1, 1)?;
        let mut x = x.max_pool2d_with_stride(3, 2)?;
        for (layers, transition) in &self.blocks {
            for layer in layers {
                let y = layer.conv1.forward(&layer.norm1.forward(&x)?)?;
                let y = layer.conv2.forward(&layer.norm2.forward(&y)?)?;
                x = Tensor::cat(&[&x, &y], 1)?;
            }
            if let Some(transition) = transition {
                x = transition.conv.forward(&transition.norm.forward(&x)?)?.avg_pool2d(2)?;
            }
        }
        let features = self.norm5.forward(&x)?;
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
}
