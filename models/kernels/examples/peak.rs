//! What one core of this machine can do at most: fused multiplications and additions in registers, in
//! billions of single-precision operations a second (two for each), the best instruction set first.

#![expect(clippy::print_stdout, reason = "a command line tool")]

use std::time::Instant;

const ROUNDS: usize = 4_000_000;

#[cfg(target_arch = "x86_64")]
macro_rules! peak {
    ($name:ident, $feature:literal, $splat:ident, $fma:ident, $store:ident, $lanes:literal, $chains:literal) => {
        #[target_feature(enable = $feature)]
        fn $name() -> f64 {
            use std::arch::x86_64::{$fma, $splat, $store};
            let (a, b) = ($splat(std::hint::black_box(0.999)), $splat(std::hint::black_box(0.001)));
            let mut sums = [$splat(1.0); $chains];
            let start = Instant::now();
            for _ in 0..ROUNDS {
                for sum in &mut sums {
                    *sum = $fma(*sum, a, b);
                }
            }
            let seconds = start.elapsed().as_secs_f64();
            for sum in sums {
                let mut out = [0.0_f32; $lanes];
                // SAFETY: room for one vector.
                unsafe { $store(out.as_mut_ptr(), sum) };
                std::hint::black_box(out);
            }
            (2 * $lanes * $chains * ROUNDS) as f64 / seconds / 1e9
        }
    };
}

#[cfg(target_arch = "x86_64")]
peak!(avx512, "avx512f", _mm512_set1_ps, _mm512_fmadd_ps, _mm512_storeu_ps, 16, 14);
#[cfg(target_arch = "x86_64")]
peak!(avx2, "avx2,fma", _mm256_set1_ps, _mm256_fmadd_ps, _mm256_storeu_ps, 8, 12);

fn main() {
    #[cfg(target_arch = "x86_64")]
    {
        let best = |run: &dyn Fn() -> f64| (0..5).map(|_| run()).fold(0.0, f64::max);
        if is_x86_feature_detected!("avx512f") {
            // SAFETY: it is there.
            println!("avx512 {:.1}", best(&|| unsafe { avx512() }));
        }
        if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
            // SAFETY: it is there.
            println!("avx2 {:.1}", best(&|| unsafe { avx2() }));
        }
    }
}
