//! `centinela model`: list the model in use, verify a package against its golden outputs, or make one of other weights.

mod import;

use super::Files;
use crate::app::LoadedModel;
use anyhow::Result;
use centinela_models::package::Package;
use clap::Subcommand;
use std::process::ExitCode;

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Show the configured model and the embedded one
    List,
    /// Recompute the golden outputs of a package
    Verify {
        /// Folder or name of the package (default: the configured one)
        name: Option<String>,
    },
    /// Make a package of weights from elsewhere: torchxrayvision, CheXNet, Hugging Face, a training of your own
    Import(Box<import::Arguments>),
}

/// Runs the command.
///
/// # Errors
/// What is wrong with a package.
#[expect(clippy::print_stdout, reason = "the output of the command")]
pub fn run(files: &Files, command: Command) -> Result<ExitCode> {
    let settings = files.load()?.settings;
    let package = |name: &str| LoadedModel::package(name, &settings.storage.data_dir);
    let configured = &settings.analyze.model;
    match command {
        Command::List => {
            let embedded = Package::embedded()?;
            let active = package(configured)?;
            println!("{:<24} {:<10} {:<8} {:<64} labels", "name", "version", "in use", "sha256");
            let same =
                active.manifest.name == embedded.manifest.name && active.manifest.version == embedded.manifest.version;
            for (package, in_use) in [(Some(&active), true), ((!same).then_some(&embedded), false)] {
                let Some(Package { manifest, .. }) = package else { continue };
                let labels: Vec<_> = manifest.reported().map(|(_, l)| l.name.as_str()).collect();
                println!(
                    "{:<24} {:<10} {:<8} {:<64} {}",
                    manifest.name,
                    manifest.version,
                    if in_use { "yes" } else { "no" },
                    manifest.weights.sha256,
                    labels.join(", ")
                );
            }
        }
        Command::Import(arguments) => return import::run(&settings.storage.data_dir, *arguments),
        Command::Verify { name } => {
            let package = package(name.as_ref().unwrap_or(configured))?;
            let verified = centinela_models::verify(&package)?;
            println!(
                "{} {}: digest ok, golden outputs ok (largest difference {:.2e})",
                package.manifest.name, package.manifest.version, verified.max_abs_diff
            );
        }
    }
    Ok(ExitCode::SUCCESS)
}
