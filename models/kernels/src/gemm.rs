//! Matrix product of a panel of rows with packed weights, all of `k` summed in registers.
//!
//! Packed weights: panels of `2 * LANES` columns, each `[k][2 * LANES]`, so that one step of `k` reads two
//! vectors of weights and one value of each row.

use crate::buffer::Buffer;
use crate::simd::Simd;

/// How far apart the rows of a panel stand, in values: constants, so that one pointer reaches all rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stride {
    /// For few channels: a dense layer's bottleneck.
    Narrow,
    /// For all channels of a block. No power of two, which would put all rows in the same sets of the cache.
    Wide,
}

const NARROW: usize = 128;
const WIDE: usize = 2064;

impl Stride {
    /// The narrowest for so many channels, if there is one.
    pub(crate) const fn of(channels: usize) -> Option<Self> {
        const ABOVE: usize = NARROW + 1;
        match channels {
            0..=NARROW => Some(Self::Narrow),
            ABOVE..=WIDE => Some(Self::Wide),
            _ => None,
        }
    }

    /// In values.
    pub(crate) const fn values(self) -> usize {
        match self {
            Self::Narrow => NARROW,
            Self::Wide => WIDE,
        }
    }
}

/// Weights of a 1x1 convolution, packed for one instruction set.
#[derive(Debug, Clone)]
pub(crate) struct Packed {
    /// `[panel][k][width]`.
    pub weights: Buffer,
    /// One for each column, zero beyond the last.
    pub bias: Buffer,
    /// Values summed.
    pub k: usize,
    /// Columns of a panel.
    pub width: usize,
    /// Panels.
    pub panels: usize,
    /// Each weight is a pair of bfloat16, of two values that are summed; `k` counts pairs.
    pub paired: bool,
}

/// A number as bfloat16, rounded to the nearest, ties to even.
pub(crate) fn bf16(value: f32) -> u32 {
    let bits = value.to_bits();
    (bits + 0x7FFF + (bits >> 16 & 1)) >> 16
}

impl Packed {
    /// The same with pairs of bfloat16, for kernels that take them.
    pub(crate) fn paired(
        columns: usize,
        k: usize,
        width: usize,
        bias: impl Fn(usize) -> f32,
        weight: impl Fn(usize, usize) -> f32,
    ) -> Self {
        let half = |column: usize, p: usize| if p < k { bf16(weight(column, p)) } else { 0 };
        let pair = |column: usize, p: usize| f32::from_bits(half(column, 2 * p + 1) << 16 | half(column, 2 * p));
        Self { paired: true, ..Self::new(columns, k.div_ceil(2), width, bias, pair) }
    }

    /// Packs `weight(column, k)`; columns beyond `columns` are zero.
    pub(crate) fn new(
        columns: usize,
        k: usize,
        width: usize,
        bias: impl Fn(usize) -> f32,
        weight: impl Fn(usize, usize) -> f32,
    ) -> Self {
        let panels = columns.div_ceil(width);
        let mut weights = Buffer::zeroed(panels * k * width);
        let mut packed_bias = Buffer::zeroed(panels * width);
        for column in 0..columns {
            let (panel, lane) = (column / width, column % width);
            packed_bias[column] = bias(column);
            for p in 0..k {
                weights[(panel * k + p) * width + lane] = weight(column, p);
            }
        }
        Self { weights, bias: packed_bias, k, width, panels, paired: false }
    }
}

/// One call of the kernel. Pointers, because the rows written are scattered over a buffer that other
/// threads write as well.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Task {
    /// Values summed.
    pub k: usize,
    /// Row `r` begins at `a + r * stride` and has `k` values.
    pub a: *const f32,
    pub stride: Stride,
    /// Rows: length of `out`.
    pub rows: usize,
    /// First panel of the weights, and how many.
    pub weights: *const f32,
    pub panels: usize,
    /// For each column of these panels what is added, and then all below zero is cut; null for neither.
    pub bias: *const f32,
    /// Where each row's columns go.
    pub out: *const *mut f32,
}

/// Runs a task; rows are split evenly into tiles of at most [`Simd::ROWS`].
///
/// # Safety
/// The instruction set of `S` is there; all pointers of the task are good for what they say, and nobody
/// else touches what is written.
#[inline(always)]
pub(crate) unsafe fn run<S: Simd>(task: &Task) {
    // SAFETY: passed on from the caller.
    unsafe {
        match task.stride {
            Stride::Narrow => panels::<S, NARROW>(task),
            Stride::Wide => panels::<S, WIDE>(task),
        }
    }
}

#[inline(always)]
unsafe fn panels<S: Simd, const STRIDE: usize>(task: &Task) {
    let width = 2 * S::LANES;
    let tiles = task.rows.div_ceil(S::ROWS);
    for panel in 0..task.panels {
        // SAFETY: within the weights and bias of `panels` panels, as the caller vouches.
        let (b, bias) = unsafe {
            let bias = if task.bias.is_null() { task.bias } else { task.bias.add(panel * width) };
            (task.weights.add(panel * task.k * width), bias)
        };
        let mut first = 0;
        for tile in 0..tiles {
            let last = task.rows * (tile + 1) / tiles;
            // SAFETY: rows first..last are rows of the task.
            unsafe {
                let (a, out) = (task.a.add(first * STRIDE), task.out.add(first));
                rows::<S, STRIDE>(last - first, task.k, a, b, bias, out, panel * width);
            }
            first = last;
        }
    }
}

/// Chooses the tile for so many rows.
#[inline(always)]
unsafe fn rows<S: Simd, const STRIDE: usize>(
    rows: usize,
    k: usize,
    a: *const f32,
    b: *const f32,
    bias: *const f32,
    out: *const *mut f32,
    column: usize,
) {
    macro_rules! tiles {
        ($($r:literal)*) => {
            match rows {
                // SAFETY: passed on from the caller; a tile larger than the set's registers is never asked for.
                $($r if $r <= S::ROWS => unsafe { tile::<S, STRIDE, $r>(k, a, b, bias, out, column) },)*
                _ => {}
            }
        };
    }
    tiles!(14 13 12 11 10 9 8 7 6 5 4 3 2 1);
}

/// `R` rows by two vectors of columns.
#[inline(always)]
unsafe fn tile<S: Simd, const STRIDE: usize, const R: usize>(
    k: usize,
    a: *const f32,
    b: *const f32,
    bias: *const f32,
    out: *const *mut f32,
    column: usize,
) {
    // SAFETY: `a` has R rows of k values STRIDE apart, `b` k pairs of vectors, `bias` one pair or is null,
    // and each of the R pointers of `out` is good for a pair of vectors from `column` on.
    unsafe {
        let mut sums = [[S::splat(0.0); 2]; R];
        for p in 0..k {
            let b0 = S::load(b.add(2 * S::LANES * p));
            let b1 = S::load(b.add(2 * S::LANES * p + S::LANES));
            for (r, sum) in sums.iter_mut().enumerate() {
                let x = S::splat(*a.add(r * STRIDE + p));
                sum[0] = S::fma(x, b0, sum[0]);
                sum[1] = S::fma(x, b1, sum[1]);
            }
        }
        if !bias.is_null() {
            let (bias, zero) = ([S::load(bias), S::load(bias.add(S::LANES))], S::splat(0.0));
            for sum in &mut sums {
                *sum = [S::max(S::add(sum[0], bias[0]), zero), S::max(S::add(sum[1], bias[1]), zero)];
            }
        }
        for (r, sum) in sums.iter().enumerate() {
            let out = (*out.add(r)).add(column);
            S::store(out, sum[0]);
            S::store(out.add(S::LANES), sum[1]);
        }
    }
}
