//! Decodes films and prints what came out, for comparison with other decoders.
//!
//! `decode_dump FILE...` prints one line for each file: SHA-256 of the values as little-endian
//! 32-bit integers, smallest and largest value, size, milliseconds. `decode_dump --out DIR FILE...`
//! also writes `DIR/<file name>.i32` and `DIR/<file name>.gray.f32` (VOI and inversion applied,
//! 0 to 1). A file that cannot be decoded gives its reason; the exit code is then 1.

#![expect(clippy::print_stdout, reason = "a command line tool")]

use centinela_models::image::CxrImage;
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

fn dump(path: &Path, out: Option<&Path>) -> Result<String, String> {
    let bytes = std::fs::read(path).map_err(|e| e.to_string())?;
    let start = Instant::now();
    let image = CxrImage::decode(&bytes).map_err(|e| format!("reason={} ({e})", e.reason().code()))?;
    let took = start.elapsed().as_millis();
    let values: Vec<u8> = image.pixels.iter().flat_map(|v| (v.round() as i32).to_le_bytes()).collect();
    let digest: String = Sha256::digest(&values).iter().map(|b| format!("{b:02x}")).collect();
    let extremes = image.pixels.iter().fold((f32::MAX, f32::MIN), |(a, b), &v| (a.min(v), b.max(v)));
    if let Some(out) = out {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let gray: Vec<u8> = image.gray().iter().flat_map(|v| v.to_le_bytes()).collect();
        std::fs::write(out.join(format!("{name}.i32")), values).map_err(|e| e.to_string())?;
        std::fs::write(out.join(format!("{name}.gray.f32")), gray).map_err(|e| e.to_string())?;
    }
    let (width, height, inverted) = (image.width, image.height, image.inverted);
    Ok(format!(
        "sha256={digest} min={} max={} size={width}x{height} inverted={inverted} ms={took} notes={:?}",
        extremes.0, extremes.1, image.notes
    ))
}

fn main() -> ExitCode {
    let mut files: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    let out = (files.first().is_some_and(|f| f.as_os_str() == "--out") && files.len() > 2).then(|| {
        files.remove(0);
        files.remove(0)
    });
    if files.is_empty() {
        println!("usage: decode_dump [--out DIR] FILE...");
        return ExitCode::from(2);
    }
    let mut code = ExitCode::SUCCESS;
    for file in files {
        match dump(&file, out.as_deref()) {
            Ok(line) => println!("{}: {line}", file.display()),
            Err(problem) => {
                println!("{}: {problem}", file.display());
                code = ExitCode::FAILURE;
            }
        }
    }
    code
}
