//! Norm and ReLU while rows are copied, and the two poolings.

use crate::simd::Simd;

/// `max(0, x * scale + shift)` of `channels` values, rounded up to whole vectors.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Norm {
    pub scale: *const f32,
    pub shift: *const f32,
    pub channels: usize,
}

/// One vector of a pixel's channels, from channel `c` on.
///
/// # Safety
/// The instruction set of `S` is there; `from`, scale and shift are good for a vector from `c` on.
#[inline(always)]
pub(crate) unsafe fn copied<S: Simd>(norm: &Norm, from: *const f32, c: usize) -> S::V {
    // SAFETY: the caller vouches for all.
    unsafe {
        let (scale, shift) = (S::load(norm.scale.add(c)), S::load(norm.shift.add(c)));
        S::max(S::fma(S::load(from.add(c)), scale, shift), S::splat(0.0))
    }
}

/// One vector of the mean of four pixels, each after norm and ReLU.
///
/// # Safety
/// As for [`copied`], for each of the four.
#[inline(always)]
pub(crate) unsafe fn meant<S: Simd>(norm: &Norm, from: [*const f32; 4], c: usize) -> S::V {
    // SAFETY: the caller vouches for all.
    unsafe {
        // No closure here: it would not have the features, and nothing would be inlined.
        let mut sum = copied::<S>(norm, from[0], c);
        for pixel in &from[1..] {
            sum = S::add(sum, copied::<S>(norm, *pixel, c));
        }
        S::mul(sum, S::splat(0.25))
    }
}

/// Copies one pixel.
///
/// # Safety
/// The instruction set of `S` is there; `from`, `to`, scale and shift are good for `channels` values,
/// rounded up to whole vectors.
#[inline(always)]
pub(crate) unsafe fn copy<S: Simd>(norm: &Norm, from: *const f32, to: *mut f32) {
    let mut c = 0;
    while c < norm.channels {
        // SAFETY: c is below channels and a multiple of the vector's length.
        unsafe { S::store(to.add(c), copied::<S>(norm, from, c)) }
        c += S::LANES;
    }
}

/// Copies the mean of four pixels.
///
/// # Safety
/// As for [`copy`], for each of the four.
#[inline(always)]
pub(crate) unsafe fn mean<S: Simd>(norm: &Norm, from: [*const f32; 4], to: *mut f32) {
    let mut c = 0;
    while c < norm.channels {
        // SAFETY: as in `copy`.
        unsafe { S::store(to.add(c), meant::<S>(norm, from, c)) }
        c += S::LANES;
    }
}

/// The greatest of up to nine pixels; all are zero or more, so that padding never wins.
///
/// # Safety
/// The instruction set of `S` is there; each of `from` and `to` is good for `channels` values, rounded up
/// to whole vectors.
#[inline(always)]
pub(crate) unsafe fn greatest<S: Simd>(channels: usize, from: &[*const f32], to: *mut f32) {
    let mut c = 0;
    while c < channels {
        // SAFETY: c is below channels and a multiple of the vector's length.
        unsafe {
            let mut most = S::splat(0.0);
            for p in from {
                most = S::max(most, S::load(p.add(c)));
            }
            S::store(to.add(c), most);
        }
        c += S::LANES;
    }
}
