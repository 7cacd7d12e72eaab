//! The plain path: the backbone by Candle's own convolutions. What the fast path is checked against, and
//! what runs where the kernels cannot.
//!
//! Norm and ReLU are one operation of our own: it reads and writes each value once, and it keeps
//! Candle's element-wise thread pool, which spins, out of the program. Convolutions run on the
//! rayon pool that the caller installs.

use super::tensors::{TensorProblem, Tensors};
use crate::manifest::Architecture;
use candle_core::{CpuStorage, CustomOp1, Layout, Module, Shape, Tensor, bail};
use candle_nn::{Conv2d, Conv2dConfig};

/// `max(0, x * scale + shift)` for each channel: batch norm with its running statistics, and ReLU.
pub(super) struct NormRelu {
    pub scale: Vec<f32>,
    pub shift: Vec<f32>,
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

pub(super) struct DenseLayer {
    pub norm1: NormRelu,
    pub conv1: Conv2d,
    pub norm2: NormRelu,
    pub conv2: Conv2d,
}

pub(super) struct Transition {
    pub norm: NormRelu,
    pub conv: Conv2d,
}

/// Everything before the classifier.
pub(super) struct Plain {
    pub conv0: Conv2d,
    pub norm0: NormRelu,
    pub blocks: Vec<(Vec<DenseLayer>, Option<Transition>)>,
    pub norm5: NormRelu,
    /// Channels of the features.
    pub channels: usize,
}

impl Plain {
    /// Takes its tensors.
    pub fn new(tensors: &mut Tensors, net: &Architecture) -> Result<Self, TensorProblem> {
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
        Ok(Self { conv0, norm0, blocks, norm5, channels })
    }

    /// The features `[n, channels, rows, columns]` of a batch `[n, in_channels, size, size]`.
    pub fn forward(&self, input: &Tensor) -> candle_core::Result<Tensor> {
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
        self.norm5.forward(&x)
    }
}
