//! One engine of `make bench-infer`: `infer PACKAGE_DIR PATH THREADS BATCH INPUT.f32`.
//!
//! Loads the package on a path (`bf16`, `avx512`, `avx2`, `portable`, `plain`), says so as one line of JSON, and then for
//! each line with a number on standard input runs the batch so often and answers with the milliseconds of
//! each run; for `logits` with the logits.

#![expect(clippy::print_stdout, reason = "a command line tool")]

use centinela_models::model::Densenet;
use centinela_models::package::Package;
use centinela_models::{Isa, Path, Precision};
use std::error::Error;
use std::io::BufRead as _;
use std::time::Instant;

fn anonymous_kib() -> Result<u64, Box<dyn Error>> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).ok_or("no RssAnon")?;
    Ok(line.trim().trim_end_matches(" kB").parse()?)
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let [folder, path, threads, batch, input] = arguments.as_slice() else {
        return Err("usage: infer PACKAGE_DIR bf16|avx512|avx2|portable|plain THREADS BATCH INPUT.f32".into());
    };
    let path = match path.as_str() {
        "bf16" => Path::Fast(Isa::Avx512, Precision::Bf16),
        "avx512" => Path::Fast(Isa::Avx512, Precision::Single),
        "avx2" => Path::Fast(Isa::Avx2, Precision::Single),
        "portable" => Path::Fast(Isa::Portable, Precision::Single),
        "plain" => Path::Plain,
        other => return Err(format!("no path {other:?}").into()),
    };
    let (threads, batch) = (threads.parse()?, batch.parse()?);
    let bytes = std::fs::read(input)?;
    let input: Vec<f32> = bytes.as_chunks().0.iter().map(|b| f32::from_le_bytes(*b)).collect();
    let (before, start) = (anonymous_kib()?, Instant::now());
    // The weights file is dropped as soon as the model is made of it.
    let model = Densenet::on(path, &Package::load(std::path::Path::new(folder))?)?;
    if model.path() != path {
        return Err(format!("{path:?} is not to be had here").into());
    }
    let load = start.elapsed().as_secs_f64() * 1e3;
    let logits = model.logits(input.clone(), batch, threads)?;
    let grown = anonymous_kib()?.saturating_sub(before);
    println!(
        "{}",
        serde_json::json!({ "load_ms": load, "grown_kib": grown, "multiplications": model.multiplications() })
    );
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        if line == "logits" {
            println!("{}", serde_json::json!(logits));
            continue;
        }
        let mut times = Vec::new();
        for _ in 0..line.trim().parse::<usize>()? {
            let (input, start) = (input.clone(), Instant::now());
            model.logits(input, batch, threads)?;
            times.push(start.elapsed().as_secs_f64() * 1e3);
        }
        println!("{}", serde_json::json!(times));
    }
    Ok(())
}
