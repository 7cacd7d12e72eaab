//! Compares the network with PyTorch on every path of this processor: `parity PACKAGE_DIR CASES.safetensors`.
//!
//! The cases hold `input` [n, channels, size, size] (normalised network input, F32), and, as PyTorch gave them,
//! `logits` [n, labels] and the class activation maps of the first cases, `maps` [m, labels, rows, columns]. Prints
//! the largest differences for each path; exit code 1 above 1e-4.

#![expect(clippy::print_stdout, reason = "a command line tool")]

use candle_core::{Device, Tensor};
use centinela_models::Path;
use centinela_models::model::Densenet;
use centinela_models::package::Package;
use std::error::Error;
use std::process::ExitCode;

/// Largest difference of a logit, or of a map's value, that counts as the same network; of a map whose values are
/// above 1, as a share of the largest.
const LIMIT: f64 = 1e-4;

struct Cases {
    input: Vec<Vec<f32>>,
    logits: Vec<Vec<f32>>,
    maps: Vec<Vec<Vec<f32>>>,
}

fn read(path: &std::path::Path) -> Result<Cases, Box<dyn Error>> {
    let mut cases = candle_core::safetensors::load_buffer(&std::fs::read(path)?, &Device::Cpu)?;
    let mut take = |name: &str| -> Result<Tensor, Box<dyn Error>> {
        cases.remove(name).ok_or_else(|| format!("the cases have no tensor {name:?}").into())
    };
    let input = take("input")?.flatten_from(1)?.to_vec2()?;
    let logits: Vec<_> = take("logits")?.to_vec2()?;
    let maps = take("maps")?.flatten_from(2)?.to_vec3()?;
    if input.is_empty() || input.len() != logits.len() || maps.is_empty() || maps.len() > logits.len() {
        return Err("`input` and `logits` need the same number of cases, `maps` one at least".into());
    }
    Ok(Cases { input, logits, maps })
}

/// The largest difference; infinite for one that is not a number, and where the lengths differ.
fn worst(got: &[f32], want: &[f32]) -> f64 {
    if got.len() != want.len() {
        return f64::INFINITY;
    }
    let differences = got.iter().zip(want).map(|(a, b)| f64::from((a - b).abs()));
    differences.fold(0.0, |most, d| if d.is_nan() { f64::INFINITY } else { most.max(d) })
}

fn compare(model: &Densenet, cases: &Cases) -> Result<(f64, f64), Box<dyn Error>> {
    let (mut logits, mut maps) = (0.0_f64, 0.0_f64);
    for (n, (input, want)) in cases.input.iter().zip(&cases.logits).enumerate() {
        // Odd cases by two threads together.
        let got = model.logits(input.clone(), 1, 1 + n % 2)?;
        logits = logits.max(worst(&got.concat(), want));
    }
    for (input, want) in cases.input.iter().zip(&cases.maps) {
        let largest = want.iter().flatten().fold(1.0_f64, |most, v| most.max(f64::from(v.abs())));
        maps = maps.max(worst(&model.maps(input.clone())?.concat(), &want.concat()) / largest);
    }
    Ok((logits, maps))
}

fn run(folder: &str, cases: &str) -> Result<bool, Box<dyn Error>> {
    let package = Package::load(std::path::Path::new(folder))?;
    let cases = read(std::path::Path::new(cases))?;
    let mut good = true;
    for path in Path::all() {
        let model = Densenet::on(path, &package)?;
        let (logits, maps) = compare(&model, &cases)?;
        println!("path={path:?} max_abs_logit_diff={logits:e} max_abs_map_diff={maps:e} limit={LIMIT:e}");
        good &= logits <= LIMIT && maps <= LIMIT && model.path() == path;
    }
    Ok(good)
}

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let [folder, cases] = arguments.as_slice() else {
        println!("usage: parity PACKAGE_DIR CASES.safetensors");
        return ExitCode::from(2);
    };
    match run(folder, cases) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            println!("{error}");
            ExitCode::FAILURE
        }
    }
}
