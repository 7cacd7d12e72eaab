//! Which instruction set runs, and the kernels compiled for it.

use crate::gemm::{self, Packed, Task};
use crate::norm::{self, Norm};
use crate::simd::Portable;
use crate::simd::Simd as _;
use crate::winograd::{self, Input, Output, Tile};

/// An instruction set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Isa {
    /// AVX-512 F, 16 values at once.
    Avx512,
    /// AVX2 and FMA, 8 values at once.
    Avx2,
    /// What every processor of the architecture has (SSE2, NEON), 4 values at once.
    Portable,
}

impl Isa {
    /// The best that this processor has.
    #[must_use]
    pub fn best() -> Self {
        Self::all()[0]
    }

    /// All that this processor has, the best first.
    #[must_use]
    pub fn all() -> Vec<Self> {
        [Self::Avx512, Self::Avx2, Self::Portable].into_iter().filter(|isa| isa.is_there()).collect()
    }

    /// Whether this processor multiplies bfloat16 with this instruction set.
    #[must_use]
    pub fn has_bf16(self) -> bool {
        Kernels::of(self).paired.is_some()
    }

    fn is_there(self) -> bool {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => is_x86_feature_detected!("avx512f"),
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma"),
            #[cfg(not(target_arch = "x86_64"))]
            Self::Avx512 | Self::Avx2 => false,
            Self::Portable => true,
        }
    }
}

/// Kernels of the 1x1 convolutions: rows are made, and multiplied.
#[derive(Clone, Copy)]
pub(crate) struct Rows {
    pub copy: unsafe fn(&Norm, *const f32, *mut f32),
    pub mean: unsafe fn(&Norm, [*const f32; 4], *mut f32),
    pub gemm: unsafe fn(&Task),
}

/// The kernels of one instruction set; [`Kernels::of`] gives them only where the processor has it.
#[derive(Clone, Copy)]
pub(crate) struct Kernels {
    /// Values in a vector.
    pub lanes: usize,
    /// Pixels or tiles for one call of the matrix product: whole register tiles, 14 at most.
    pub group: usize,
    pub single: Rows,
    /// The same with pairs of bfloat16, where the processor has them.
    pub paired: Option<Rows>,
    pub greatest: unsafe fn(usize, &[*const f32], *mut f32),
    input4: unsafe fn(&Input),
    input2: unsafe fn(&Input),
    output4: unsafe fn(&Output),
    output2: unsafe fn(&Output),
}

impl Kernels {
    /// The kernels for an instruction set; the portable ones if the processor does not have it.
    pub(crate) fn of(isa: Isa) -> Self {
        match isa {
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512 if isa.is_there() => {
                let paired = is_x86_feature_detected!("avx512bf16").then_some(pairs::ROWS);
                Self { paired, ..avx512::KERNELS }
            }
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 if isa.is_there() => avx2::KERNELS,
            _ => portable::KERNELS,
        }
    }

    /// The kernels for the 1x1 convolution with these weights.
    pub(crate) fn rows(&self, packed: &Packed) -> &Rows {
        match &self.paired {
            Some(paired) if packed.paired => paired,
            _ => &self.single,
        }
    }

    /// The transform of a tile's input.
    pub(crate) fn input(&self, tile: Tile) -> unsafe fn(&Input) {
        match tile {
            Tile::Four => self.input4,
            Tile::Two => self.input2,
        }
    }

    /// The transform of a tile's sums.
    pub(crate) fn output(&self, tile: Tile) -> unsafe fn(&Output) {
        match tile {
            Tile::Four => self.output4,
            Tile::Two => self.output2,
        }
    }
}

/// Compiles all kernels with the features of an instruction set. Inlining carries the features into the
/// generic code.
macro_rules! kernels {
    ($module:ident, $simd:ty, $(#[$features:meta])?) => {
        mod $module {
            use super::*;
            type S = $simd;

            pub(super) const KERNELS: Kernels = Kernels {
                lanes: S::LANES,
                group: 14 / S::ROWS * S::ROWS,
                single: Rows { copy, mean, gemm },
                paired: None,
                greatest,
                input4,
                input2,
                output4,
                output2,
            };

            $(#[$features])?
            unsafe fn gemm(task: &Task) {
                // SAFETY: the features are on; the rest is the caller's, as for all below.
                unsafe { gemm::run::<S>(task) }
            }
            $(#[$features])?
            unsafe fn copy(norm: &Norm, from: *const f32, to: *mut f32) {
                // SAFETY: see `gemm`.
                unsafe { norm::copy::<S>(norm, from, to) }
            }
            $(#[$features])?
            unsafe fn mean(norm: &Norm, from: [*const f32; 4], to: *mut f32) {
                // SAFETY: see `gemm`.
                unsafe { norm::mean::<S>(norm, from, to) }
            }
            $(#[$features])?
            unsafe fn greatest(channels: usize, from: &[*const f32], to: *mut f32) {
                // SAFETY: see `gemm`.
                unsafe { norm::greatest::<S>(channels, from, to) }
            }
            $(#[$features])?
            unsafe fn input4(task: &Input) {
                // SAFETY: see `gemm`.
                unsafe { winograd::input4::<S>(task) }
            }
            $(#[$features])?
            unsafe fn input2(task: &Input) {
                // SAFETY: see `gemm`.
                unsafe { winograd::input2::<S>(task) }
            }
            $(#[$features])?
            unsafe fn output4(task: &Output) {
                // SAFETY: see `gemm`.
                unsafe { winograd::output4::<S>(task) }
            }
            $(#[$features])?
            unsafe fn output2(task: &Output) {
                // SAFETY: see `gemm`.
                unsafe { winograd::output2::<S>(task) }
            }
        }
    };
}

#[cfg(target_arch = "x86_64")]
kernels!(avx512, crate::simd::Avx512, #[target_feature(enable = "avx512f")]);
#[cfg(target_arch = "x86_64")]
kernels!(avx2, crate::simd::Avx2, #[target_feature(enable = "avx2,fma")]);
kernels!(portable, Portable,);

/// Rows of bfloat16.
#[cfg(target_arch = "x86_64")]
mod pairs {
    use super::{Norm, Rows, Task, gemm, norm};
    use crate::simd::{Avx512, Avx512Pairs, Simd as _};
    use std::arch::x86_64::{__m256bh, __m256i, __m512, _mm256_storeu_si256, _mm512_cvtneps_pbh};

    pub(super) const ROWS: Rows = Rows { copy, mean, gemm };

    #[target_feature(enable = "avx512f,avx512bf16")]
    unsafe fn gemm(task: &Task) {
        // SAFETY: the features are on; the rest is the caller's, as for all below.
        unsafe { gemm::run::<Avx512Pairs>(task) }
    }

    #[target_feature(enable = "avx512f,avx512bf16")]
    unsafe fn copy(norm: &Norm, from: *const f32, to: *mut f32) {
        for c in (0..norm.channels).step_by(Avx512::LANES) {
            // SAFETY: see `gemm`; so many channels of half the size.
            unsafe { store(to, c, norm::copied::<Avx512>(norm, from, c)) }
        }
    }

    #[target_feature(enable = "avx512f,avx512bf16")]
    unsafe fn mean(norm: &Norm, from: [*const f32; 4], to: *mut f32) {
        for c in (0..norm.channels).step_by(Avx512::LANES) {
            // SAFETY: see `gemm`; so many channels of half the size.
            unsafe { store(to, c, norm::meant::<Avx512>(norm, from, c)) }
        }
    }

    #[target_feature(enable = "avx512f,avx512bf16")]
    unsafe fn store(to: *mut f32, channel: usize, v: __m512) {
        // SAFETY: room for 16 values of two bytes at the channel; both types are 32 bytes of which every pattern is a value.
        unsafe {
            let halves = std::mem::transmute::<__m256bh, __m256i>(_mm512_cvtneps_pbh(v));
            _mm256_storeu_si256(to.cast::<u16>().add(channel).cast(), halves);
        }
    }
}
