//! Milliseconds for an image with random weights: `speed SIZE CHANNELS THREADS ISA REPEATS`.
#![allow(missing_docs, clippy::print_stdout, clippy::unwrap_used, clippy::disallowed_methods)]

use centinela_kernels::{Densenet, Isa, LayerWeights, Norm, Shape};
use std::time::Instant;

fn main() {
    let args: Vec<usize> = std::env::args().skip(1).map(|a| a.parse().unwrap()).collect();
    let [size, channels, threads, isa, repeats] = args[..] else { panic!("five numbers") };
    let isa = [Isa::Avx512, Isa::Avx2, Isa::Portable][isa];
    let shape = Shape {
        in_channels: channels,
        size,
        init_features: 64,
        growth_rate: 32,
        bottleneck: 128,
        blocks: vec![6, 12, 24, 16],
    };
    let mut seed = 1_u64;
    let mut many = |n: usize, inputs: usize| -> Vec<f32> {
        (0..n)
            .map(|_| {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                ((seed >> 40) as f32 / (1 << 24) as f32 - 0.5) * 3.4 / (inputs as f32).sqrt()
            })
            .collect()
    };
    let ones = vec![1.0_f32; 2048];
    let zeros = vec![0.0_f32; 2048];
    let norm = |n: usize| Norm { scale: &ones[..n], shift: &zeros[..n] };
    let start = Instant::now();
    let mut net = Densenet::begin(&shape, isa, &many(64 * 49 * channels, 49 * channels), norm(64));
    let mut c = 64;
    for (b, &layers) in shape.blocks.iter().enumerate() {
        for _ in 0..layers {
            net.layer(&LayerWeights {
                norm1: norm(c),
                conv1: &many(128 * c, c),
                norm2: norm(128),
                conv2: &many(32 * 128 * 9, 128 * 9),
            });
            c += 32;
        }
        if b < 3 {
            net.transition(norm(c), &many(c / 2 * c, c));
            c /= 2;
        }
    }
    let net = net.finish(norm(c));
    let load = start.elapsed().as_secs_f64() * 1e3;
    let mut ws = net.workspace(threads);
    let input = many(channels * size * size, 1);
    let mut features = vec![0.0; shape.channels() * shape.features_side() * shape.features_side()];
    let mut times: Vec<f64> = (0..repeats)
        .map(|_| {
            let t = Instant::now();
            net.forward(&mut ws, &input, &mut features);
            t.elapsed().as_secs_f64() * 1e3
        })
        .collect();
    times.sort_by(f64::total_cmp);
    println!(
        "{isa:?} size {size} threads {threads}: min {:.1} median {:.1} ms, load {load:.0} ms",
        times[0],
        times[repeats / 2]
    );
}
