//! Convolution 3x3 by Winograd's minimal filtering (Lavin and Gray 2016): F(4x4, 3x3) on tiles of 6x6, and
//! F(2x2, 3x3) on tiles of 4x4.
//!
//! `Y = A^T [ (G g G^T) * (B^T d B) ] A`: the weights `G g G^T` are made once; of each tile the input is
//! transformed, each of its 36 (16) values is one matrix product over the channels, and the sums are
//! transformed back.

use crate::gemm::Packed;
use crate::simd::Simd;

/// Side of the output of a tile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tile {
    /// F(4x4, 3x3).
    Four,
    /// F(2x2, 3x3): less saved, but fewer weights to read.
    Two,
}

impl Tile {
    /// Side of the output.
    pub(crate) const fn out(self) -> usize {
        match self {
            Self::Four => 4,
            Self::Two => 2,
        }
    }

    /// Side of the input.
    pub(crate) const fn side(self) -> usize {
        self.out() + 2
    }
}

const G4: [[f64; 3]; 6] = [
    [1.0 / 4.0, 0.0, 0.0],
    [-1.0 / 6.0, -1.0 / 6.0, -1.0 / 6.0],
    [-1.0 / 6.0, 1.0 / 6.0, -1.0 / 6.0],
    [1.0 / 24.0, 1.0 / 12.0, 1.0 / 6.0],
    [1.0 / 24.0, -1.0 / 12.0, 1.0 / 6.0],
    [0.0, 0.0, 1.0],
];
const G2: [[f64; 3]; 4] = [[1.0, 0.0, 0.0], [0.5, 0.5, 0.5], [0.5, -0.5, 0.5], [0.0, 0.0, 1.0]];

/// Transforms and packs weights `[out][in][3][3]`: one [`Packed`] for each value of a tile.
pub(crate) fn pack(tile: Tile, weights: &[f32], outputs: usize, inputs: usize, width: usize) -> Vec<Packed> {
    let g: &[[f64; 3]] = match tile {
        Tile::Four => &G4,
        Tile::Two => &G2,
    };
    let side = tile.side();
    let value = |i: usize, o: usize, c: usize| {
        let kernel = &weights[(o * inputs + c) * 9..][..9];
        let (row, column) = (&g[i / side], &g[i % side]);
        let across = |y: usize| (0..3).map(|x| f64::from(kernel[3 * y + x]) * column[x]).sum::<f64>();
        (0..3).map(|y| row[y] * across(y)).sum::<f64>() as f32
    };
    (0..side * side).map(|i| Packed::new(outputs, inputs, width, |_| 0.0, |o, c| value(i, o, c))).collect()
}

/// `B^T` times one row or column of F(4x4).
#[inline(always)]
unsafe fn into4<S: Simd>(d: [S::V; 6]) -> [S::V; 6] {
    // SAFETY: the caller vouches for the instruction set.
    unsafe {
        let (two, four, five) = (S::splat(2.0), S::splat(4.0), S::splat(5.0));
        let a = S::sub(d[4], S::mul(four, d[2]));
        let b = S::sub(d[3], S::mul(four, d[1]));
        let c = S::sub(d[4], d[2]);
        let e = S::mul(two, S::sub(d[3], d[1]));
        [
            S::add(S::fma(four, d[0], d[4]), S::mul(S::splat(-5.0), d[2])),
            S::add(a, b),
            S::sub(a, b),
            S::add(c, e),
            S::sub(c, e),
            S::sub(S::fma(four, d[1], d[5]), S::mul(five, d[3])),
        ]
    }
}

/// `A^T` times one row or column of F(4x4).
#[inline(always)]
unsafe fn back4<S: Simd>(m: [S::V; 6]) -> [S::V; 4] {
    // SAFETY: the caller vouches for the instruction set.
    unsafe {
        let (a, b) = (S::add(m[1], m[2]), S::sub(m[1], m[2]));
        let (c, e) = (S::add(m[3], m[4]), S::sub(m[3], m[4]));
        [
            S::add(S::add(m[0], a), c),
            S::fma(S::splat(2.0), e, b),
            S::fma(S::splat(4.0), c, a),
            S::add(S::fma(S::splat(8.0), e, b), m[5]),
        ]
    }
}

/// `B^T` times one row or column of F(2x2).
#[inline(always)]
unsafe fn into2<S: Simd>(d: [S::V; 4]) -> [S::V; 4] {
    // SAFETY: the caller vouches for the instruction set.
    unsafe { [S::sub(d[0], d[2]), S::add(d[1], d[2]), S::sub(d[2], d[1]), S::sub(d[1], d[3])] }
}

/// `A^T` times one row or column of F(2x2).
#[inline(always)]
unsafe fn back2<S: Simd>(m: [S::V; 4]) -> [S::V; 2] {
    // SAFETY: the caller vouches for the instruction set.
    unsafe { [S::add(S::add(m[0], m[1]), m[2]), S::sub(S::sub(m[1], m[2]), m[3])] }
}

/// The input of one tile.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Input {
    /// The tile's first pixel in each of its rows.
    pub rows: [*const f32; 6],
    /// Values from pixel to pixel; as many channels are transformed.
    pub channels: usize,
    /// Value `i` of the tile goes to `to + i * plane`.
    pub to: *mut f32,
    pub plane: usize,
}

/// Where the output of one tile goes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Output {
    /// Value `i` of the tile is at `from + i * plane`.
    pub from: *const f32,
    pub plane: usize,
    /// Channels, rounded up to whole vectors.
    pub channels: usize,
    /// The tile's first pixel in the output, values from row to row and from pixel to pixel.
    pub to: *mut f32,
    pub row: usize,
    pub pixel: usize,
    /// Rows and columns of the tile that are inside of the image.
    pub height: usize,
    pub width: usize,
}

macro_rules! transforms {
    ($input:ident, $output:ident, $side:literal, $out:literal, $into:ident, $back:ident) => {
        /// Transforms the input of a tile.
        ///
        /// # Safety
        /// The instruction set of `S` is there; each row is good for a side of pixels, the planes for
        /// `channels` values, which are whole vectors.
        #[inline(always)]
        pub(crate) unsafe fn $input<S: Simd>(task: &Input) {
            let mut c = 0;
            while c < task.channels {
                // SAFETY: pixels and planes of the tile, as the caller vouches.
                unsafe {
                    let mut half = [[S::splat(0.0); $side]; $side];
                    for x in 0..$side {
                        // No closures here: they would not have the features, and nothing would be inlined.
                        let mut column = [S::splat(0.0); $side];
                        for y in 0..$side {
                            column[y] = S::load(task.rows[y].add(x * task.channels + c));
                        }
                        let column = $into::<S>(column);
                        for y in 0..$side {
                            half[y][x] = column[y];
                        }
                    }
                    for (y, row) in half.into_iter().enumerate() {
                        for (x, v) in $into::<S>(row).into_iter().enumerate() {
                            S::store(task.to.add((y * $side + x) * task.plane + c), v);
                        }
                    }
                }
                c += S::LANES;
            }
        }

        /// Transforms the sums of a tile back and writes its pixels.
        ///
        /// # Safety
        /// The instruction set of `S` is there; the planes are good for `channels` values, rounded up to
        /// whole vectors, and so is each pixel inside of the image.
        #[inline(always)]
        pub(crate) unsafe fn $output<S: Simd>(task: &Output) {
            let mut c = 0;
            while c < task.channels {
                // SAFETY: planes of the tile and pixels inside of the image, as the caller vouches.
                unsafe {
                    let mut half = [[S::splat(0.0); $side]; $out];
                    for x in 0..$side {
                        let mut column = [S::splat(0.0); $side];
                        for y in 0..$side {
                            column[y] = S::load(task.from.add((y * $side + x) * task.plane + c));
                        }
                        let column = $back::<S>(column);
                        for y in 0..$out {
                            half[y][x] = column[y];
                        }
                    }
                    for (y, row) in half.into_iter().enumerate().take(task.height) {
                        for (x, v) in $back::<S>(row).into_iter().enumerate().take(task.width) {
                            S::store(task.to.add(y * task.row + x * task.pixel + c), v);
                        }
                    }
                }
                c += S::LANES;
            }
        }
    };
}

transforms!(input4, output4, 6, 4, into4, back4);
transforms!(input2, output2, 4, 2, into2, back2);
