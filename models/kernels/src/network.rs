//! A DenseNet-BC (Huang et al. 2017) with its weights packed for one instruction set and one input size.

use crate::buffer::Buffer;
use crate::dispatch::{Isa, Kernels};
use crate::gemm::{Packed, Stride};
use crate::winograd::{self, Tile};

/// What a network looks like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shape {
    /// Channels of the input.
    pub in_channels: usize,
    /// Side of the square input in pixels.
    pub size: usize,
    /// Channels after the first convolution.
    pub init_features: usize,
    /// Channels that each dense layer adds.
    pub growth_rate: usize,
    /// Channels between the two convolutions of a dense layer.
    pub bottleneck: usize,
    /// Dense layers of each block.
    pub blocks: Vec<usize>,
}

/// Numbers of the 1x1 convolutions, which are most of the work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Precision {
    /// Single precision, as everything else.
    Single,
    /// Weights and values are rounded to bfloat16, sums are in single precision. See [`Isa::has_bf16`].
    Bf16,
}

/// Batch norm with its running statistics: `x * scale + shift` for each channel.
#[derive(Debug, Clone, Copy)]
pub struct Norm<'w> {
    /// Factor for each channel.
    pub scale: &'w [f32],
    /// Added after it.
    pub shift: &'w [f32],
}

/// Weights of a dense layer, as PyTorch lays them out.
#[derive(Debug, Clone, Copy)]
pub struct LayerWeights<'w> {
    /// Before the first convolution.
    pub norm1: Norm<'w>,
    /// `[bottleneck][channels]`.
    pub conv1: &'w [f32],
    /// Between the convolutions.
    pub norm2: Norm<'w>,
    /// `[growth_rate][bottleneck][3][3]`.
    pub conv2: &'w [f32],
}

/// Scale and shift, padded with zeros to whole vectors of any instruction set.
#[derive(Debug, Clone)]
pub(crate) struct PaddedNorm {
    pub scale: Buffer,
    pub shift: Buffer,
    pub channels: usize,
}

impl PaddedNorm {
    fn new(norm: Norm<'_>, channels: usize) -> Self {
        assert_eq!((norm.scale.len(), norm.shift.len()), (channels, channels), "channels of a norm");
        let padded = |values: &[f32]| {
            let mut buffer = Buffer::zeroed(channels);
            buffer[..channels].copy_from_slice(values);
            buffer
        };
        Self { scale: padded(norm.scale), shift: padded(norm.shift), channels }
    }

    pub(crate) fn pointers(&self) -> crate::norm::Norm {
        crate::norm::Norm { scale: self.scale.as_ptr(), shift: self.shift.as_ptr(), channels: self.channels }
    }
}

#[derive(Debug, Clone)]
pub(crate) struct Layer {
    pub norm1: PaddedNorm,
    /// With norm2 folded in.
    pub conv1: Packed,
    /// One for each value of a tile.
    pub conv2: Vec<Packed>,
}

#[derive(Debug, Clone)]
pub(crate) struct Block {
    /// Side of its maps.
    pub side: usize,
    /// Values from pixel to pixel in its buffer: all channels, and room for a vector pair beyond them.
    pub pixel: usize,
    pub tile: Tile,
    /// Channels that come in.
    pub channels: usize,
    pub layers: Vec<Layer>,
    pub transition: Option<(PaddedNorm, Packed)>,
}

/// A network that is ready to run.
pub struct Densenet {
    pub(crate) shape: Shape,
    pub(crate) isa: Isa,
    pub(crate) precision: Precision,
    pub(crate) kernels: Kernels,
    /// Side after the first convolution.
    pub(crate) stem_side: usize,
    pub(crate) conv0: Packed,
    pub(crate) blocks: Vec<Block>,
    pub(crate) norm5: PaddedNorm,
}

impl std::fmt::Debug for Densenet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Densenet({:?}, {:?})", self.shape, self.isa)
    }
}

impl Shape {
    /// Whether the kernels can run it; else the caller needs another way.
    #[must_use]
    pub fn is_supported(&self) -> bool {
        let positive = [self.in_channels, self.init_features, self.growth_rate, self.bottleneck].iter().all(|n| *n > 0);
        let taps =
            Stride::of(49 * self.in_channels).is_some() && Stride::of(self.bottleneck.next_multiple_of(32)).is_some();
        let channels = (0..self.blocks.len()).all(|b| Stride::of(self.channels_after(b)).is_some());
        let sides = !self.blocks.is_empty() && (0..self.blocks.len()).all(|b| self.side(b) > 0);
        positive && taps && channels && sides
    }

    /// Channels at the end of a block, before its transition.
    fn channels_after(&self, block: usize) -> usize {
        let step = |channels: usize, (b, layers): (usize, &usize)| {
            let begin = if b == 0 { channels } else { channels / 2 };
            begin + layers * self.growth_rate
        };
        self.blocks.iter().enumerate().take(block + 1).fold(self.init_features, step)
    }

    /// Channels of the features.
    #[must_use]
    pub fn channels(&self) -> usize {
        self.channels_after(self.blocks.len().saturating_sub(1))
    }

    /// Side of the maps of a block.
    fn side(&self, block: usize) -> usize {
        let pooled = self.size.div_ceil(2).div_ceil(2);
        pooled >> block
    }

    /// Side of the features' maps.
    #[must_use]
    pub fn features_side(&self) -> usize {
        self.side(self.blocks.len().saturating_sub(1))
    }
}

impl Densenet {
    /// Begins a network with the first convolution, `[init_features][in_channels][7][7]`, and its norm.
    ///
    /// # Panics
    /// If the shape is not supported, a slice has not the length that it asks for, or the instruction set has
    /// no bfloat16.
    #[must_use]
    pub fn begin(shape: &Shape, isa: Isa, precision: Precision, conv0: &[f32], norm0: Norm<'_>) -> Self {
        assert!(shape.is_supported(), "the shape is not supported");
        let kernels = Kernels::of(isa);
        assert!(precision == Precision::Single || kernels.paired.is_some(), "no bfloat16 on this processor");
        let taps = 49 * shape.in_channels;
        assert_eq!(conv0.len(), shape.init_features * taps, "weights of conv0");
        let conv0 = folded(Precision::Single, conv0, shape.init_features, taps, norm0, &kernels);
        Self {
            isa,
            precision,
            kernels,
            stem_side: shape.size.div_ceil(2),
            conv0,
            blocks: Vec::new(),
            // Replaced by `finish`.
            norm5: PaddedNorm::new(Norm { scale: &[], shift: &[] }, 0),
            shape: shape.clone(),
        }
    }

    /// Adds the next dense layer.
    ///
    /// # Panics
    /// If there is none left in the shape, or a slice has not the length that it asks for.
    pub fn layer(&mut self, weights: &LayerWeights<'_>) {
        let (growth, bottleneck) = (self.shape.growth_rate, self.shape.bottleneck);
        if self.blocks.last().is_none_or(|b| b.transition.is_some()) {
            self.begin_block();
        }
        let (index, width) = (self.blocks.len() - 1, 2 * self.kernels.lanes);
        let block = &mut self.blocks[index];
        assert!(block.layers.len() < self.shape.blocks[index], "layers of a block");
        let channels = block.channels + block.layers.len() * growth;
        assert_eq!(weights.conv1.len(), bottleneck * channels, "weights of conv1");
        assert_eq!(weights.conv2.len(), growth * bottleneck * 9, "weights of conv2");
        block.layers.push(Layer {
            norm1: PaddedNorm::new(weights.norm1, channels),
            conv1: folded(self.precision, weights.conv1, bottleneck, channels, weights.norm2, &self.kernels),
            conv2: winograd::pack(block.tile, weights.conv2, growth, bottleneck, width),
        });
    }

    fn begin_block(&mut self) {
        let index = self.blocks.len();
        assert!(index < self.shape.blocks.len(), "blocks of the shape");
        let end = self.shape.channels_after(index);
        let side = self.shape.side(index);
        self.blocks.push(Block {
            side,
            pixel: (end + 2 * self.kernels.lanes).next_multiple_of(16),
            // With few tiles reading the larger tile's weights costs more than it saves.
            tile: if side > 15 { Tile::Four } else { Tile::Two },
            channels: end - self.shape.blocks[index] * self.shape.growth_rate,
            layers: Vec::new(),
            transition: None,
        });
    }

    /// Ends a block with its transition: norm, and 1x1 convolution `[channels / 2][channels]`.
    ///
    /// # Panics
    /// As for [`Densenet::layer`].
    pub fn transition(&mut self, norm: Norm<'_>, conv: &[f32]) {
        let index = self.blocks.len() - 1;
        let channels = self.shape.channels_after(index);
        assert_eq!(self.blocks[index].layers.len(), self.shape.blocks[index], "layers of a block");
        assert_eq!(conv.len(), channels / 2 * channels, "weights of a transition");
        let weight = |o: usize, c: usize| conv[o * channels + c];
        let packed = packed(self.precision, channels / 2, channels, 2 * self.kernels.lanes, |_| 0.0, weight);
        self.blocks[index].transition = Some((PaddedNorm::new(norm, channels), packed));
    }

    /// Ends the network with its last norm.
    ///
    /// # Panics
    /// If blocks or layers are missing.
    #[must_use]
    pub fn finish(mut self, norm5: Norm<'_>) -> Self {
        assert_eq!(self.blocks.len(), self.shape.blocks.len(), "blocks of the shape");
        let layers: Vec<_> = self.blocks.iter().map(|b| b.layers.len()).collect();
        assert_eq!(layers, self.shape.blocks, "layers of the blocks");
        self.norm5 = PaddedNorm::new(norm5, self.shape.channels());
        self
    }

    /// Multiplications (with an addition each) of the matrix products of one image, without the padding of
    /// panels: less than the plain convolutions need.
    #[must_use]
    pub fn multiplications(&self) -> u64 {
        let shape = &self.shape;
        let mut sum = self.stem_side.pow(2) * 49 * shape.in_channels * shape.init_features;
        for (index, block) in self.blocks.iter().enumerate() {
            let tiles = block.side.div_ceil(block.tile.out()).pow(2) * block.tile.side().pow(2);
            for layer in &block.layers {
                sum += block.side.pow(2) * layer.norm1.channels * shape.bottleneck;
                sum += tiles * shape.bottleneck * shape.growth_rate;
            }
            if let (Some((norm, _)), Some(after)) = (&block.transition, self.blocks.get(index + 1)) {
                sum += after.side.pow(2) * norm.channels * (norm.channels / 2);
            }
        }
        sum as u64
    }

    /// The instruction set that it was packed for.
    #[must_use]
    pub const fn isa(&self) -> Isa {
        self.isa
    }

    /// Numbers of its 1x1 convolutions.
    #[must_use]
    pub const fn precision(&self) -> Precision {
        self.precision
    }

    /// What it looks like.
    #[must_use]
    pub const fn shape(&self) -> &Shape {
        &self.shape
    }
}

/// A convolution with the norm after it: the scale goes into the weights, the shift becomes the bias.
fn folded(
    precision: Precision,
    weights: &[f32],
    outputs: usize,
    k: usize,
    norm: Norm<'_>,
    kernels: &Kernels,
) -> Packed {
    assert_eq!((norm.scale.len(), norm.shift.len()), (outputs, outputs), "channels of a norm");
    let weight = |o: usize, p: usize| weights[o * k + p] * norm.scale[o];
    packed(precision, outputs, k, 2 * kernels.lanes, |o| norm.shift[o], weight)
}

fn packed(
    precision: Precision,
    columns: usize,
    k: usize,
    width: usize,
    bias: impl Fn(usize) -> f32,
    weight: impl Fn(usize, usize) -> f32,
) -> Packed {
    match precision {
        Precision::Single => Packed::new(columns, k, width, bias, weight),
        Precision::Bf16 => Packed::paired(columns, k, width, bias, weight),
    }
}
