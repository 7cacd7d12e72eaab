//! Each kernel on each instruction set of this machine against plain loops, on memory that ends at a guard
//! page: one value too far, read or written, ends the process.

use crate::dispatch::{Isa, Kernels};
use crate::gemm::{Packed, Stride, Task};
use crate::norm::Norm;
use crate::winograd::{self, Input, Output, Tile};
use proptest::prelude::*;
use rustix::mm::{MapFlags, MprotectFlags, ProtFlags, mmap_anonymous, mprotect, munmap};

/// Values whose last one lies just before a page that nobody may touch.
struct Guarded {
    map: *mut std::ffi::c_void,
    length: usize,
    first: *mut f32,
    values: usize,
}

const PAGE: usize = 65_536;

impl Guarded {
    fn new(values: &[f32]) -> Self {
        let length = (4 * values.len()).next_multiple_of(PAGE) + PAGE;
        // SAFETY: a new private mapping; its last page is taken back, and the values end right before it.
        unsafe {
            let map =
                mmap_anonymous(std::ptr::null_mut(), length, ProtFlags::READ | ProtFlags::WRITE, MapFlags::PRIVATE);
            let map = map.expect("memory");
            mprotect(map.byte_add(length - PAGE), PAGE, MprotectFlags::empty()).expect("a guard page");
            let first = map.byte_add(length - PAGE - 4 * values.len()).cast::<f32>();
            std::ptr::copy_nonoverlapping(values.as_ptr(), first, values.len());
            Self { map, length, first, values: values.len() }
        }
    }

    fn values(&self) -> &[f32] {
        // SAFETY: so many values were written by `new`.
        unsafe { std::slice::from_raw_parts(self.first, self.values) }
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        // SAFETY: the whole mapping of `new`, used by nobody any more.
        unsafe { munmap(self.map, self.length).expect("unmapped") };
    }
}

/// Numbers between -1 and 1.
fn numbers(seed: u64, n: usize) -> Vec<f32> {
    let mut state = seed.wrapping_mul(2_654_435_761).wrapping_add(12_345);
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1_u64 << 23) as f32 - 1.0
    };
    (0..n).map(|_| next()).collect()
}

fn near(got: f32, want: f64, terms: usize) -> bool {
    (f64::from(got) - want).abs() <= 1e-6 * (terms as f64).sqrt().max(4.0)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn matrix_product(k in 1_usize..200, rows in 1_usize..=14, columns in 1_usize..70, biased: bool, seed: u64) {
        let stride = if k <= 128 && seed.is_multiple_of(2) { Stride::Narrow } else { Stride::Wide };
        let (a, w, shift) = (numbers(seed, rows * k), numbers(seed + 1, columns * k), numbers(seed + 2, columns));
        for isa in Isa::all() {
            let kernels = Kernels::of(isa);
            let packed = Packed::new(columns, k, 2 * kernels.lanes, |c| shift[c], |c, p| w[c * k + p]);
            let (weights, bias) = (Guarded::new(&packed.weights[..packed.panels * k * packed.width]), &packed.bias);
            let bias = Guarded::new(&bias[..packed.panels * packed.width]);
            let mut spread = vec![f32::NAN; (rows - 1) * stride.values() + k];
            for (r, row) in a.chunks_exact(k).enumerate() {
                spread[r * stride.values()..][..k].copy_from_slice(row);
            }
            let spread = Guarded::new(&spread);
            let outs: Vec<_> = (0..rows).map(|_| Guarded::new(&vec![f32::NAN; packed.panels * packed.width])).collect();
            let out: Vec<_> = outs.iter().map(|o| o.first).collect();
            let task = Task {
                k,
                a: spread.first,
                stride,
                rows,
                weights: weights.first,
                panels: packed.panels,
                bias: if biased { bias.first } else { std::ptr::null() },
                out: out.as_ptr(),
            };
            // SAFETY: all memory is as long as the task says.
            unsafe { (kernels.single.gemm)(&task) };
            for (r, out) in outs.iter().enumerate() {
                for (c, got) in out.values().iter().enumerate() {
                    let column = c < columns;
                    let sum = |p: usize| f64::from(a[r * k + p]) * f64::from(w[c * k + p]);
                    let want = if column { (0..k).map(sum).sum::<f64>() } else { 0.0 };
                    let want = if biased && column { (want + f64::from(shift[c])).max(0.0) } else { want };
                    prop_assert!(near(*got, want, k), "{isa:?} row {r} column {c}: {got} instead of {want}");
                }
            }
        }
    }

    #[test]
    fn norms_and_poolings(channels in 1_usize..80, seed: u64) {
        for isa in Isa::all() {
            let kernels = Kernels::of(isa);
            let whole = channels.next_multiple_of(kernels.lanes);
            let (scale, shift) = (numbers(seed, whole), numbers(seed + 1, whole));
            let pixels: Vec<_> = (0..9).map(|p| Guarded::new(&numbers(seed + 2 + p, whole))).collect();
            let guarded = (Guarded::new(&scale), Guarded::new(&shift));
            let norm = Norm { scale: guarded.0.first, shift: guarded.1.first, channels };
            let [copied, mean, most] = [(); 3].map(|()| Guarded::new(&vec![f32::NAN; whole]));
            let from: Vec<_> = pixels.iter().map(|p| p.first.cast_const()).collect();
            // SAFETY: all memory has whole vectors of the channels.
            unsafe {
                (kernels.single.copy)(&norm, from[0], copied.first);
                (kernels.single.mean)(&norm, [from[0], from[1], from[2], from[3]], mean.first);
                (kernels.greatest)(channels, &from, most.first);
            }
            for c in 0..channels {
                let value = |p: usize| f64::from(pixels[p].values()[c]);
                let normed = |p: usize| (value(p) * f64::from(scale[c]) + f64::from(shift[c])).max(0.0);
                prop_assert!(near(copied.values()[c], normed(0), 1), "{isa:?} channel {c}");
                prop_assert!(near(mean.values()[c], (0..4).map(normed).sum::<f64>() / 4.0, 1), "{isa:?} channel {c}");
                prop_assert!(near(most.values()[c], (0..9).map(value).fold(0.0, f64::max), 1), "{isa:?} channel {c}");
            }
        }
    }

    #[test]
    fn winograd_is_a_convolution(vectors in 1_usize..4, outputs in 1_usize..20, height in 1_usize..=4,
                                 width in 1_usize..=4, seed: u64) {
        for (isa, tile) in Isa::all().into_iter().flat_map(|isa| [(isa, Tile::Four), (isa, Tile::Two)]) {
            let kernels = Kernels::of(isa);
            let (side, channels) = (tile.side(), vectors * kernels.lanes);
            let (height, width) = (height.min(tile.out()), width.min(tile.out()));
            let kernel = numbers(seed, outputs * channels * 9);
            let image = numbers(seed + 1, side * side * channels);
            let rows: Vec<_> = image.chunks_exact(side * channels).map(Guarded::new).collect();
            let panel = 2 * kernels.lanes;
            let packed = winograd::pack(tile, &kernel, outputs, channels, panel);
            let columns = packed[0].panels * panel;
            let into = Guarded::new(&vec![f32::NAN; side * side * channels]);
            let sums = Guarded::new(&vec![f32::NAN; side * side * columns]);
            let whole = outputs.next_multiple_of(kernels.lanes);
            let last = (height - 1) * tile.out() * whole + (width - 1) * whole + whole;
            let out = Guarded::new(&vec![f32::NAN; last]);
            // SAFETY: rows of `side` pixels, planes of `channels` and `columns` values, pixels of whole vectors.
            unsafe {
                (kernels.input(tile))(&Input {
                    rows: std::array::from_fn(|y| rows[y.min(side - 1)].first.cast_const()),
                    channels,
                    to: into.first,
                    plane: channels,
                });
                for (i, weights) in packed.iter().enumerate() {
                    let to = sums.first.add(i * columns);
                    (kernels.single.gemm)(&Task {
                        k: channels,
                        a: into.first.add(i * channels),
                        stride: Stride::Wide,
                        rows: 1,
                        weights: weights.weights.as_ptr(),
                        panels: weights.panels,
                        bias: std::ptr::null(),
                        out: &raw const to,
                    });
                }
                (kernels.output(tile))(&Output {
                    from: sums.first,
                    plane: columns,
                    channels: outputs,
                    to: out.first,
                    row: tile.out() * whole,
                    pixel: whole,
                    height,
                    width,
                });
            }
            for (o, y, x) in (0..outputs).flat_map(|o| (0..height).flat_map(move |y| (0..width).map(move |x| (o, y, x)))) {
                let term = |(c, k): (usize, usize)| {
                    let at = ((y + k / 3) * side + x + k % 3) * channels + c;
                    f64::from(kernel[(o * channels + c) * 9 + k]) * f64::from(image[at])
                };
                let want: f64 = (0..channels).flat_map(|c| (0..9).map(move |k| (c, k))).map(term).sum();
                let got = out.values()[y * tile.out() * whole + x * whole + o];
                // Single precision loses some bits in the transforms.
                let error = (f64::from(got) - want).abs();
                prop_assert!(error <= 3e-5 * (channels as f64).sqrt(), "{isa:?} {tile:?}: {got} instead of {want}");
            }
        }
    }
}
