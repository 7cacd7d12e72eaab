//! Prepares films as a model package wants them, for comparison with other toolkits.
//!
//! `preprocess_dump PACKAGE_DIR OUT_DIR FILE...` writes `OUT_DIR/<file name>.f32`: the network input, channel by channel,
//! row by row, single precision, little endian. Prints milliseconds for decoding and for preparing.

#![expect(clippy::print_stdout, reason = "a command line tool")]

use centinela_models::image::CxrImage;
use centinela_models::package::Package;
use centinela_models::preprocess::prepare;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

fn dump(package: &Package, out: &Path, film: &Path) -> Result<String, Box<dyn Error>> {
    let start = Instant::now();
    let image = CxrImage::decode(&std::fs::read(film)?)?;
    let decoded = start.elapsed().as_millis();
    let start = Instant::now();
    let prepared = prepare(&image, &package.manifest.input)?;
    let took = start.elapsed().as_millis();
    let bytes: Vec<u8> = prepared.values.iter().flat_map(|v| v.to_le_bytes()).collect();
    let name = film.file_name().unwrap_or_default().to_string_lossy();
    std::fs::write(out.join(format!("{name}.f32")), bytes)?;
    Ok(format!("{}x{} decode_ms={decoded} prepare_ms={took}", image.width, image.height))
}

fn main() -> ExitCode {
    let arguments: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    let [package, out, films @ ..] = arguments.as_slice() else {
        println!("usage: preprocess_dump PACKAGE_DIR OUT_DIR FILE...");
        return ExitCode::from(2);
    };
    let run = || -> Result<(), Box<dyn Error>> {
        let package = Package::load(package)?;
        for film in films {
            println!("{}: {}", film.display(), dump(&package, out, film)?);
        }
        Ok(())
    };
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("{error}");
            ExitCode::FAILURE
        }
    }
}
