//! `centinela model import`: a site's own weights become a model package.

use anyhow::{Context as _, Result, bail};
use centinela_models::import::{self, Family, Request};
use centinela_models::manifest::{Calibration, Chain};
use centinela_models::package::Package;
use clap::{Args, ValueEnum};
use serde::Deserialize;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Flags of the command.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Weights: safetensors, a file of torch.save, or a Hugging Face folder
    path: PathBuf,
    /// Name of the package: lower-case letters, digits, hyphens
    #[arg(long)]
    name: String,
    /// Version of the package
    #[arg(long)]
    version: String,
    /// Weights that are known: labels, operating points and preprocessing come from a table
    #[arg(long, value_enum)]
    family: Option<FamilyName>,
    /// A label for each output, with commas; empty where an output is not trained (default: config.json's)
    #[arg(long, value_name = "LIST", value_delimiter = ',', num_args = 1)]
    labels: Option<Vec<String>>,
    /// Operating points on the calibrated probability: one, or one for each output; nan = do not report
    #[arg(long, value_name = "LIST", value_delimiter = ',', num_args = 1)]
    thresholds: Option<Vec<f32>>,
    /// How a film becomes the input
    #[arg(long, value_enum)]
    preprocessing: Option<ChainName>,
    /// Mean of each channel, on grey from 0 to 1 (window; imagenet has ImageNet's)
    #[arg(long, value_name = "LIST", value_delimiter = ',', num_args = 1, allow_hyphen_values = true)]
    mean: Option<Vec<f32>>,
    /// Standard deviation of each channel
    #[arg(long, value_name = "LIST", value_delimiter = ',', num_args = 1)]
    std: Option<Vec<f32>>,
    /// Side of the input in pixels (default: 224)
    #[arg(long, value_name = "PIXELS")]
    size: Option<u32>,
    /// A TOML file with a [calibration] table as in a manifest
    #[arg(long, value_name = "FILE")]
    calibration: Option<PathBuf>,
    /// Youngest and oldest age that the model is made for
    #[arg(long, value_name = "MIN-MAX", default_value = "18-120", value_parser = ages)]
    ages: (u16, u16),
    /// Level of contours as a fraction of the map's maximum; 0 = no regions
    #[arg(long, value_name = "LEVEL", default_value_t = 0.5)]
    region: f32,
    /// Human name, for reports
    #[arg(long)]
    title: Option<String>,
    /// Who made the model, for reports
    #[arg(long)]
    manufacturer: Option<String>,
    /// Folder in which NAME-VERSION is made (default: models/ in the data directory)
    #[arg(long, value_name = "DIR")]
    output: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
#[value(rename_all = "snake_case")]
enum FamilyName {
    /// torchxrayvision densenet121-res224-all
    All,
    /// torchxrayvision densenet121-res224-nih
    Nih,
    /// torchxrayvision densenet121-res224-pc
    Pc,
    /// torchxrayvision densenet121-res224-chex
    Chex,
    /// torchxrayvision densenet121-res224-mimic_nb
    MimicNb,
    /// torchxrayvision densenet121-res224-mimic_ch
    MimicCh,
    /// torchxrayvision densenet121-res224-rsna
    Rsna,
    /// CheXNet (arnoweng), 14 labels
    Chexnet,
}

impl From<FamilyName> for Family {
    fn from(name: FamilyName) -> Self {
        match name {
            FamilyName::All => Self::All,
            FamilyName::Nih => Self::Nih,
            FamilyName::Pc => Self::Pc,
            FamilyName::Chex => Self::Chex,
            FamilyName::MimicNb => Self::MimicNb,
            FamilyName::MimicCh => Self::MimicCh,
            FamilyName::Rsna => Self::Rsna,
            FamilyName::Chexnet => Self::Chexnet,
        }
    }
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum ChainName {
    /// As displayed, padded to a square
    Window,
    /// As torchxrayvision reads films
    Torchxrayvision,
    /// As torchvision prepares for networks that began on ImageNet
    Imagenet,
}

impl From<ChainName> for Chain {
    fn from(name: ChainName) -> Self {
        match name {
            ChainName::Window => Self::Window,
            ChainName::Torchxrayvision => Self::Torchxrayvision,
            ChainName::Imagenet => Self::Imagenet,
        }
    }
}

fn ages(text: &str) -> Result<(u16, u16), String> {
    let parts = text.split_once('-').and_then(|(min, max)| Some((min.parse().ok()?, max.parse().ok()?)));
    parts.ok_or_else(|| "two numbers are wanted, as in 18-120".to_owned())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CalibrationFile {
    calibration: Calibration,
}

fn calibration(path: &Path) -> Result<Calibration> {
    let text = std::fs::read_to_string(path).with_context(|| format!("--calibration: read {}", path.display()))?;
    let file: CalibrationFile = toml::from_str(&text).with_context(|| format!("--calibration: {}", path.display()))?;
    Ok(file.calibration)
}

/// Runs the command.
///
/// # Errors
/// What is wrong with the file, its tensors or the flags.
#[expect(clippy::print_stdout, reason = "the output of the command")]
pub fn run(data_dir: &Path, arguments: Arguments) -> Result<ExitCode> {
    if !(0.0..1.0).contains(&arguments.region) {
        bail!("--region: must be from 0 (no regions) to below 1");
    }
    let request = Request {
        source: arguments.path,
        output: arguments.output.unwrap_or_else(|| data_dir.join("models")),
        name: arguments.name,
        version: arguments.version,
        family: arguments.family.map(Family::from),
        labels: arguments.labels,
        thresholds: arguments.thresholds,
        chain: arguments.preprocessing.map(Chain::from),
        mean: arguments.mean,
        std: arguments.std,
        size: arguments.size,
        calibration: arguments.calibration.as_deref().map(calibration).transpose()?,
        ages: arguments.ages,
        region: (arguments.region > 0.0).then_some(arguments.region),
        title: arguments.title,
        manufacturer: arguments.manufacturer,
    };
    let shown = request.source.display().to_string();
    let made = import::import(&request).with_context(|| format!("import {shown}"))?;
    for note in &made.notes {
        println!("note: {note}");
    }
    // As a node reads it, from the disk.
    let verified = centinela_models::verify(&Package::load(&made.folder)?)?;
    println!(
        "{} from a {}: {} labels ({})",
        made.network,
        made.container,
        made.reported.len(),
        made.reported.join(", ")
    );
    println!(
        "{}: digest ok, golden outputs ok (largest difference {:.2e})",
        made.folder.display(),
        verified.max_abs_diff
    );
    println!("not validated on any film by this import: read MODEL_CARD.md, then set [analyze] model");
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn a_calibration_file_is_read_and_its_mistakes_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("calibration.toml");
        let read = |text: &str| {
            std::fs::write(&path, text).unwrap();
            calibration(&path).map_err(|e| format!("{e:#}"))
        };
        let platt = read("[calibration]\nkind = \"platt\"\na = [1.5]\nb = [-0.5]\n").unwrap();
        assert_eq!(platt, Calibration::Platt { a: vec![1.5], b: vec![-0.5] });
        let isotonic = read("[calibration]\nkind = \"isotonic\"\ntables = [[[0.0, 0.1], [1.0, 0.9]], []]\n").unwrap();
        assert!(matches!(isotonic, Calibration::Isotonic { tables } if tables.len() == 2));
        let error = read("[calibration]\nkind = \"guess\"\n").unwrap_err();
        assert!(error.contains("--calibration") && error.contains("guess"), "{error}");
    }

    #[test]
    fn ages_are_two_numbers() {
        assert_eq!(ages("18-99"), Ok((18, 99)));
        assert!(ages("18").is_err() && ages("a-b").is_err());
    }
}
