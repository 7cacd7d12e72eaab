//! Vectors of single-precision numbers: AVX-512, AVX2 with FMA, and a portable twin that the compiler
//! turns into SSE or NEON.
//!
//! Kernels are generic over [`Simd`] and always inlined into functions that enable the features
//! (`dispatch`), so that one portable binary holds all of them.

/// Registers of one instruction set. Every method is unsafe: the processor must have the set, and
/// pointers must be good for [`Simd::LANES`] values; no alignment is needed.
pub(crate) trait Simd: Copy {
    /// A vector.
    type V: Copy;
    /// Values in a vector.
    const LANES: usize;
    /// Rows of the register tile of [`crate::gemm`], two vectors wide: as many as leave a few registers.
    const ROWS: usize;

    unsafe fn splat(value: f32) -> Self::V;
    unsafe fn load(from: *const f32) -> Self::V;
    unsafe fn store(to: *mut f32, v: Self::V);
    unsafe fn add(a: Self::V, b: Self::V) -> Self::V;
    unsafe fn sub(a: Self::V, b: Self::V) -> Self::V;
    unsafe fn mul(a: Self::V, b: Self::V) -> Self::V;
    unsafe fn max(a: Self::V, b: Self::V) -> Self::V;
    /// `a * b + c`.
    unsafe fn fma(a: Self::V, b: Self::V, c: Self::V) -> Self::V;
}

/// Any processor.
#[derive(Clone, Copy)]
pub(crate) struct Portable;

impl Simd for Portable {
    type V = [f32; 4];
    const LANES: usize = 4;
    const ROWS: usize = 4;

    #[inline(always)]
    unsafe fn splat(value: f32) -> [f32; 4] {
        [value; 4]
    }
    #[inline(always)]
    unsafe fn load(from: *const f32) -> [f32; 4] {
        // SAFETY: the caller's pointer is good for 4 values; an array of f32 may lie unaligned here.
        unsafe { from.cast::<[f32; 4]>().read_unaligned() }
    }
    #[inline(always)]
    unsafe fn store(to: *mut f32, v: [f32; 4]) {
        // SAFETY: as for `load`.
        unsafe { to.cast::<[f32; 4]>().write_unaligned(v) }
    }
    #[inline(always)]
    unsafe fn add(a: [f32; 4], b: [f32; 4]) -> [f32; 4] {
        std::array::from_fn(|i| a[i] + b[i])
    }
    #[inline(always)]
    unsafe fn sub(a: [f32; 4], b: [f32; 4]) -> [f32; 4] {
        std::array::from_fn(|i| a[i] - b[i])
    }
    #[inline(always)]
    unsafe fn mul(a: [f32; 4], b: [f32; 4]) -> [f32; 4] {
        std::array::from_fn(|i| a[i] * b[i])
    }
    #[inline(always)]
    unsafe fn max(a: [f32; 4], b: [f32; 4]) -> [f32; 4] {
        std::array::from_fn(|i| if a[i] > b[i] { a[i] } else { b[i] })
    }
    #[inline(always)]
    unsafe fn fma(a: [f32; 4], b: [f32; 4], c: [f32; 4]) -> [f32; 4] {
        std::array::from_fn(|i| a[i] * b[i] + c[i])
    }
}

#[cfg(target_arch = "x86_64")]
macro_rules! x86 {
    ($(#[$doc:meta])* $name:ident, $v:ident, $lanes:literal, $rows:literal,
     $splat:ident, $load:ident, $store:ident, $add:ident, $sub:ident, $mul:ident, $max:ident, $fma:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy)]
        pub(crate) struct $name;

        impl Simd for $name {
            type V = std::arch::x86_64::$v;
            const LANES: usize = $lanes;
            const ROWS: usize = $rows;

            #[inline(always)]
            unsafe fn splat(value: f32) -> Self::V {
                // SAFETY: the caller vouches for the instruction set.
                unsafe { std::arch::x86_64::$splat(value) }
            }
            #[inline(always)]
            unsafe fn load(from: *const f32) -> Self::V {
                // SAFETY: the caller vouches for the instruction set and the pointer; unaligned load.
                unsafe { std::arch::x86_64::$load(from) }
            }
            #[inline(always)]
            unsafe fn store(to: *mut f32, v: Self::V) {
                // SAFETY: the caller vouches for the instruction set and the pointer; unaligned store.
                unsafe { std::arch::x86_64::$store(to, v) }
            }
            #[inline(always)]
            unsafe fn add(a: Self::V, b: Self::V) -> Self::V {
                // SAFETY: the caller vouches for the instruction set.
                unsafe { std::arch::x86_64::$add(a, b) }
            }
            #[inline(always)]
            unsafe fn sub(a: Self::V, b: Self::V) -> Self::V {
                // SAFETY: the caller vouches for the instruction set.
                unsafe { std::arch::x86_64::$sub(a, b) }
            }
            #[inline(always)]
            unsafe fn mul(a: Self::V, b: Self::V) -> Self::V {
                // SAFETY: the caller vouches for the instruction set.
                unsafe { std::arch::x86_64::$mul(a, b) }
            }
            #[inline(always)]
            unsafe fn max(a: Self::V, b: Self::V) -> Self::V {
                // SAFETY: the caller vouches for the instruction set.
                unsafe { std::arch::x86_64::$max(a, b) }
            }
            #[inline(always)]
            unsafe fn fma(a: Self::V, b: Self::V, c: Self::V) -> Self::V {
                // SAFETY: the caller vouches for the instruction set.
                unsafe { std::arch::x86_64::$fma(a, b, c) }
            }
        }
    };
}

#[cfg(target_arch = "x86_64")]
x86!(
    /// AVX2 and FMA: 16 registers of 8 values.
    Avx2, __m256, 8, 6, _mm256_set1_ps, _mm256_loadu_ps, _mm256_storeu_ps, _mm256_add_ps, _mm256_sub_ps,
    _mm256_mul_ps, _mm256_max_ps, _mm256_fmadd_ps
);

#[cfg(target_arch = "x86_64")]
x86!(
    /// AVX-512 (F): 32 registers of 16 values.
    Avx512, __m512, 16, 14, _mm512_set1_ps, _mm512_loadu_ps, _mm512_storeu_ps, _mm512_add_ps, _mm512_sub_ps,
    _mm512_mul_ps, _mm512_max_ps, _mm512_fmadd_ps
);

/// AVX-512 with pairs of bfloat16 in place of each weight and each value of a row: [`Simd::fma`] multiplies both of a
/// pair and adds in single precision. All else is as for [`Avx512`].
#[cfg(target_arch = "x86_64")]
#[derive(Clone, Copy)]
pub(crate) struct Avx512Pairs;

#[cfg(target_arch = "x86_64")]
impl Simd for Avx512Pairs {
    type V = std::arch::x86_64::__m512;
    const LANES: usize = Avx512::LANES;
    const ROWS: usize = Avx512::ROWS;

    #[inline(always)]
    unsafe fn splat(value: f32) -> Self::V {
        // SAFETY: passed on from the caller, as for all below.
        unsafe { Avx512::splat(value) }
    }
    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self::V {
        // SAFETY: see `splat`.
        unsafe { Avx512::load(from) }
    }
    #[inline(always)]
    unsafe fn store(to: *mut f32, v: Self::V) {
        // SAFETY: see `splat`.
        unsafe { Avx512::store(to, v) }
    }
    #[inline(always)]
    unsafe fn add(a: Self::V, b: Self::V) -> Self::V {
        // SAFETY: see `splat`.
        unsafe { Avx512::add(a, b) }
    }
    #[inline(always)]
    unsafe fn sub(a: Self::V, b: Self::V) -> Self::V {
        // SAFETY: see `splat`.
        unsafe { Avx512::sub(a, b) }
    }
    #[inline(always)]
    unsafe fn mul(a: Self::V, b: Self::V) -> Self::V {
        // SAFETY: see `splat`.
        unsafe { Avx512::mul(a, b) }
    }
    #[inline(always)]
    unsafe fn max(a: Self::V, b: Self::V) -> Self::V {
        // SAFETY: see `splat`.
        unsafe { Avx512::max(a, b) }
    }
    #[inline(always)]
    unsafe fn fma(a: Self::V, b: Self::V, c: Self::V) -> Self::V {
        use std::arch::x86_64::{__m512bh, _mm512_dpbf16_ps};
        // SAFETY: the caller vouches for AVX512_BF16; both types are 64 bytes of which every pattern is a value.
        unsafe {
            _mm512_dpbf16_ps(
                c,
                std::mem::transmute::<Self::V, __m512bh>(a),
                std::mem::transmute::<Self::V, __m512bh>(b),
            )
        }
    }
}
