//! The fast path: the whole backbone as one Candle operation on `centinela_kernels`.

use super::plain::{NormRelu, Plain};
use crate::manifest::Architecture;
use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor, bail};
use candle_nn::Conv2d;
use centinela_kernels::{Densenet, Isa, LayerWeights, Norm, Precision, Workspace};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

/// Everything before the classifier, packed for this processor.
pub(super) struct Fast {
    net: Densenet,
    /// Memory of passes that are over, for the next ones.
    idle: Mutex<Vec<(usize, Workspace)>>,
}

fn norm(norm: &NormRelu) -> Norm<'_> {
    Norm { scale: &norm.scale, shift: &norm.shift }
}

fn weights(conv: &Conv2d) -> Result<Vec<f32>> {
    conv.weight().flatten_all()?.to_vec1()
}

impl Fast {
    /// Packs the weights for inputs of `size` pixels; none if the kernels cannot run this architecture.
    pub fn pack(
        plain: &Plain,
        net: &Architecture,
        size: usize,
        isa: Isa,
        precision: Precision,
    ) -> Result<Option<Self>> {
        let shape = centinela_kernels::Shape {
            in_channels: net.in_channels,
            size,
            init_features: net.init_features,
            growth_rate: net.growth_rate,
            bottleneck: net.bn_size * net.growth_rate,
            blocks: net.block_config.clone(),
        };
        if !shape.is_supported() {
            return Ok(None);
        }
        let mut packed = Densenet::begin(&shape, isa, precision, &weights(&plain.conv0)?, norm(&plain.norm0));
        for (layers, transition) in &plain.blocks {
            for layer in layers {
                packed.layer(&LayerWeights {
                    norm1: norm(&layer.norm1),
                    conv1: &weights(&layer.conv1)?,
                    norm2: norm(&layer.norm2),
                    conv2: &weights(&layer.conv2)?,
                });
            }
            if let Some(transition) = transition {
                packed.transition(norm(&transition.norm), &weights(&transition.conv)?);
            }
        }
        Ok(Some(Self { net: packed.finish(norm(&plain.norm5)), idle: Mutex::default() }))
    }

    /// The features `[n, channels, rows, columns]` of a batch `[n, in_channels, size, size]`, on at most so
    /// many threads: one image on each if there are as many, else several on each.
    pub fn forward(&self, input: &Tensor, threads: usize) -> Result<Tensor> {
        input.apply_op1_no_bwd(&Pass { fast: self, threads: threads.max(1) })
    }

    /// Multiplications of one image.
    pub fn multiplications(&self) -> u64 {
        self.net.multiplications()
    }

    /// The instruction set and the numbers in use.
    pub const fn kind(&self) -> (Isa, Precision) {
        (self.net.isa(), self.net.precision())
    }

    fn one(&self, input: &[f32], features: &mut [f32], members: usize) {
        let idle = || self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let found = {
            let mut idle = idle();
            let fits = idle.iter().position(|(of, _)| *of == members);
            fits.map(|at| idle.swap_remove(at).1)
        };
        let mut workspace = found.unwrap_or_else(|| self.net.workspace(members));
        self.net.forward(&mut workspace, input, features);
        idle().push((members, workspace));
    }
}

struct Pass<'f> {
    fast: &'f Fast,
    threads: usize,
}

impl CustomOp1 for Pass<'_> {
    fn name(&self) -> &'static str {
        "densenet-features"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let (batch, channels, height, width) = layout.shape().dims4()?;
        let (Some((start, end)), CpuStorage::F32(values)) = (layout.contiguous_offsets(), storage) else {
            bail!("densenet-features wants contiguous F32");
        };
        let shape = self.fast.net.shape();
        if (channels, height, width) != (shape.in_channels, shape.size, shape.size) {
            bail!("densenet-features wants {} channels of {} pixels squared", shape.in_channels, shape.size);
        }
        let side = shape.features_side();
        let (image, plane) = (channels * height * width, shape.channels() * side * side);
        let mut result = vec![0.0; batch * plane];
        let workers = self.threads.min(batch).max(1);
        let work: Vec<_> = values[start..end].chunks_exact(image).zip(result.chunks_exact_mut(plane)).collect();
        if workers == 1 {
            // One after the other, each on all threads.
            work.into_iter().for_each(|(input, features)| self.fast.one(input, features, self.threads));
        } else {
            let (next, work) = (AtomicUsize::new(0), work.into_iter().map(|w| Mutex::new(Some(w))).collect::<Vec<_>>());
            let run = || {
                while let Some(item) = work.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if let Some((input, features)) = item.lock().unwrap_or_else(PoisonError::into_inner).take() {
                        self.fast.one(input, features, 1);
                    }
                }
            };
            std::thread::scope(|scope| {
                (1..workers).for_each(|_| drop(scope.spawn(run)));
                run();
            });
        }
        Ok((CpuStorage::F32(result), (batch, shape.channels(), side, side).into()))
    }
}
