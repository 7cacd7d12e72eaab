//! The whole network against plain loops in double precision, on every instruction set of this machine and
//! several threads.

#![allow(missing_docs, reason = "tests")]

use centinela_kernels::{Densenet, Isa, LayerWeights, Norm, Precision, Shape};

/// Numbers that are the same on every machine.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> f32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 40) as f32 / (1_u64 << 24) as f32 - 0.5
    }

    fn many(&mut self, n: usize, scale: f32) -> Vec<f32> {
        (0..n).map(|_| self.next() * scale).collect()
    }

    fn norm(&mut self, channels: usize) -> NormOf {
        ((0..channels).map(|_| 1.0 + self.next()).collect(), self.many(channels, 0.5))
    }
}

fn norm(pair: &NormOf) -> Norm<'_> {
    Norm { scale: &pair.0, shift: &pair.1 }
}

/// A map `[channel][y][x]`.
#[derive(Clone)]
struct Map {
    side: usize,
    values: Vec<f64>,
}

impl Map {
    fn channels(&self) -> usize {
        self.values.len() / (self.side * self.side)
    }

    fn at(&self, c: usize, y: isize, x: isize) -> f64 {
        let inside = |v: isize| usize::try_from(v).ok().filter(|v| *v < self.side);
        match (inside(y), inside(x)) {
            (Some(y), Some(x)) => self.values[(c * self.side + y) * self.side + x],
            _ => 0.0,
        }
    }

    fn norm_relu(&self, (scale, shift): &NormOf) -> Self {
        let plane = self.side * self.side;
        let value = |(i, v): (usize, &f64)| (v * f64::from(scale[i / plane]) + f64::from(shift[i / plane])).max(0.0);
        Self { side: self.side, values: self.values.iter().enumerate().map(value).collect() }
    }

    fn conv(&self, weights: &[f32], kernel: usize, stride: usize, padding: usize) -> Self {
        let inputs = self.channels();
        let side = (self.side + 2 * padding - kernel) / stride + 1;
        let outputs = weights.len() / (inputs * kernel * kernel);
        let mut values = Vec::new();
        for o in 0..outputs {
            for (y, x) in (0..side * side).map(|p| (p / side, p % side)) {
                let mut sum = 0.0;
                for c in 0..inputs {
                    for (ky, kx) in (0..kernel * kernel).map(|k| (k / kernel, k % kernel)) {
                        let w = weights[((o * inputs + c) * kernel + ky) * kernel + kx];
                        let place = |n: usize, k: usize| (n * stride + k) as isize - padding as isize;
                        sum += f64::from(w) * self.at(c, place(y, ky), place(x, kx));
                    }
                }
                values.push(sum);
            }
        }
        Self { side, values }
    }

    fn pool(&self, kernel: usize, padding: usize, fold: impl Fn(&[f64]) -> f64) -> Self {
        let side = (self.side + 2 * padding - kernel) / 2 + 1;
        let mut values = Vec::new();
        for c in 0..self.channels() {
            for (y, x) in (0..side * side).map(|p| (p / side, p % side)) {
                let place = |n: usize, k: usize| (2 * n + k) as isize - padding as isize;
                let all = (0..kernel * kernel).map(|k| self.at(c, place(y, k / kernel), place(x, k % kernel)));
                values.push(fold(&all.collect::<Vec<_>>()));
            }
        }
        Self { side, values }
    }
}

/// Scale and shift.
type NormOf = (Vec<f32>, Vec<f32>);

struct Weights {
    conv0: Vec<f32>,
    norm0: NormOf,
    blocks: Vec<Vec<LayerOf>>,
    transitions: Vec<(NormOf, Vec<f32>)>,
    norm5: NormOf,
}

struct LayerOf {
    norm1: NormOf,
    conv1: Vec<f32>,
    norm2: NormOf,
    conv2: Vec<f32>,
}

fn weights(shape: &Shape, numbers: &mut Numbers) -> Weights {
    let scale = |inputs: usize| 4.0 / (inputs as f32).sqrt();
    let taps = 49 * shape.in_channels;
    let conv0 = numbers.many(shape.init_features * taps, scale(taps));
    let norm0 = numbers.norm(shape.init_features);
    let (mut blocks, mut transitions, mut channels) = (Vec::new(), Vec::new(), shape.init_features);
    for (b, &layers) in shape.blocks.iter().enumerate() {
        let mut block = Vec::new();
        for _ in 0..layers {
            block.push(LayerOf {
                norm1: numbers.norm(channels),
                conv1: numbers.many(shape.bottleneck * channels, scale(channels)),
                norm2: numbers.norm(shape.bottleneck),
                conv2: numbers.many(shape.growth_rate * shape.bottleneck * 9, scale(9 * shape.bottleneck)),
            });
            channels += shape.growth_rate;
        }
        blocks.push(block);
        if b + 1 < shape.blocks.len() {
            transitions.push((numbers.norm(channels), numbers.many(channels / 2 * channels, scale(channels))));
            channels /= 2;
        }
    }
    Weights { conv0, norm0, blocks, transitions, norm5: numbers.norm(channels) }
}

fn plainly(shape: &Shape, weights: &Weights, input: &[f32]) -> Vec<f64> {
    let mut x = Map { side: shape.size, values: input.iter().map(|v| f64::from(*v)).collect() };
    x = x.conv(&weights.conv0, 7, 2, 3).norm_relu(&weights.norm0);
    x = x.pool(3, 1, |all| all.iter().copied().fold(0.0, f64::max));
    for (b, block) in weights.blocks.iter().enumerate() {
        for layer in block {
            let y = x.norm_relu(&layer.norm1).conv(&layer.conv1, 1, 1, 0);
            x.values.extend(y.norm_relu(&layer.norm2).conv(&layer.conv2, 3, 1, 1).values);
        }
        if let Some((norm, conv)) = weights.transitions.get(b) {
            x = x.norm_relu(norm).conv(conv, 1, 1, 0).pool(2, 0, |all| all.iter().sum::<f64>() / 4.0);
        }
    }
    x.norm_relu(&weights.norm5).values
}

fn packed(shape: &Shape, weights: &Weights, isa: Isa, precision: Precision) -> Densenet {
    let mut net = Densenet::begin(shape, isa, precision, &weights.conv0, norm(&weights.norm0));
    for (b, block) in weights.blocks.iter().enumerate() {
        for layer in block {
            let (norm1, norm2) = (norm(&layer.norm1), norm(&layer.norm2));
            net.layer(&LayerWeights { norm1, conv1: &layer.conv1, norm2, conv2: &layer.conv2 });
        }
        if let Some((of, conv)) = weights.transitions.get(b) {
            net.transition(norm(of), conv);
        }
    }
    net.finish(norm(&weights.norm5))
}

fn compare(shape: &Shape) {
    let mut numbers = Numbers(7);
    let weights = weights(shape, &mut numbers);
    let input = numbers.many(shape.in_channels * shape.size * shape.size, 4.0);
    let expected = plainly(shape, &weights, &input);
    let greatest = expected.iter().copied().fold(0.0, f64::max);
    let singles = Isa::all().into_iter().map(|isa| (isa, Precision::Single, 2e-5));
    // Eight bits of each number are left.
    let halves = Isa::all().into_iter().filter(|isa| isa.has_bf16()).map(|isa| (isa, Precision::Bf16, 3e-2));
    for (isa, precision, tolerance) in singles.chain(halves) {
        let net = packed(shape, &weights, isa, precision);
        for members in 1..=3 {
            let mut workspace = net.workspace(members);
            // Twice: nothing of the first image may be left in the second.
            for image in [numbers.many(input.len(), 9.0), input.clone()] {
                let mut features = vec![f32::NAN; expected.len()];
                net.forward(&mut workspace, &image, &mut features);
                if image == input {
                    let differences = features.iter().zip(&expected).map(|(got, want)| (f64::from(*got) - want).abs());
                    let worst = differences.fold(0.0, |a, b| if b.is_nan() { f64::INFINITY } else { f64::max(a, b) });
                    let said = format!("{isa:?}, {precision:?}, {members} threads: {worst} of {greatest}, {shape:?}");
                    assert!(worst <= tolerance * greatest, "{said}");
                    assert!(precision == Precision::Single || worst > 2e-5 * greatest, "not bfloat16: {said}");
                }
            }
        }
    }
}

fn shape(in_channels: usize, size: usize, init: usize, growth: usize, bottleneck: usize, blocks: &[usize]) -> Shape {
    Shape { in_channels, size, init_features: init, growth_rate: growth, bottleneck, blocks: blocks.to_vec() }
}

#[test]
fn the_small_family() {
    compare(&shape(1, 64, 32, 16, 64, &[2, 3, 2]));
}

#[test]
fn the_family_of_121_and_three_channels() {
    compare(&shape(3, 64, 64, 32, 128, &[2, 2, 2, 2]));
}

#[test]
fn odd_sizes_and_channels() {
    compare(&shape(1, 75, 10, 5, 20, &[3, 2, 3]));
    compare(&shape(2, 37, 7, 3, 9, &[1, 1]));
    compare(&shape(1, 32, 4, 4, 16, &[2, 2, 1, 1]));
}

#[test]
fn many_tiles_across() {
    compare(&shape(1, 250, 8, 4, 8, &[2, 1]));
}

#[test]
fn a_shape_that_the_kernels_cannot_run_is_said() {
    assert!(!shape(1, 224, 64, 64, 64, &[128]).is_supported(), "more channels than a panel has room for");
    assert!(!shape(1, 224, 64, 512, 2112, &[2]).is_supported(), "more channels in the bottleneck");
    assert!(!shape(1, 4, 64, 32, 128, &[1, 1, 1]).is_supported());
    assert!(shape(1, 224, 64, 32, 128, &[6, 12, 48, 32]).is_supported());
}
