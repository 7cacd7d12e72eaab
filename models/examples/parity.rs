//! Compares the network with PyTorch: `parity PACKAGE_DIR CASES.safetensors`.
//!
//! The cases hold `input` [n, channels, size, size] (normalised network input, F32) and `logits`
//! [n, labels] as PyTorch gave them. Prints the largest difference; exit code 1 above 1e-4.

#![expect(clippy::print_stdout, reason = "a command line tool")]

use candle_core::{Device, Tensor};
use centinela_models::model::Densenet;
use centinela_models::package::Package;
use std::error::Error;
use std::path::Path;
use std::process::ExitCode;

/// Largest difference of a logit that counts as the same network.
const LIMIT: f64 = 1e-4;

fn compare(folder: &Path, cases: &Path) -> Result<(String, f64), Box<dyn Error>> {
    let package = Package::load(folder)?;
    let model = Densenet::from_package(&package)?;
    let mut cases = candle_core::safetensors::load_buffer(&std::fs::read(cases)?, &Device::Cpu)?;
    let mut take = |name: &str| -> Result<Tensor, Box<dyn Error>> {
        cases.remove(name).ok_or_else(|| format!("the cases have no tensor {name:?}").into())
    };
    let (input, logits) = (take("input")?, take("logits")?.to_vec2::<f32>()?);
    let mut worst = 0.0_f64;
    if logits.is_empty() || input.dim(0)? != logits.len() {
        return Err("`input` and `logits` need the same number of cases, at least one".into());
    }
    for (n, want) in logits.iter().enumerate() {
        let got = model.logits(input.get(n)?.flatten_all()?.to_vec1()?, 1, 1)?;
        let got = got.first().filter(|row| row.len() == want.len()).ok_or("`logits` has another number of labels")?;
        for (a, b) in got.iter().zip(want) {
            let difference = f64::from((a - b).abs());
            // f64::max would pass over a difference that is not a number.
            worst = worst.max(if difference.is_nan() { f64::INFINITY } else { difference });
        }
    }
    Ok((format!("{} {}", package.manifest.name, package.manifest.version), worst))
}

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args_os().skip(1).collect();
    let [folder, cases] = arguments.as_slice() else {
        println!("usage: parity PACKAGE_DIR CASES.safetensors");
        return ExitCode::from(2);
    };
    match compare(Path::new(folder), Path::new(cases)) {
        Ok((name, worst)) => {
            println!("package={name} max_abs_logit_diff={worst:e} limit={LIMIT:e}");
            if worst <= LIMIT { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(error) => {
            println!("{error}");
            ExitCode::FAILURE
        }
    }
}
