//! `centinela config`: check the files, or print the commented defaults.

use super::Files;
use crate::config::{DEFAULT_PEERS, DEFAULT_SETTINGS};
use anyhow::Result;
use clap::Subcommand;
use std::process::ExitCode;

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Read the configuration and tell everything that is wrong with it
    Check,
    /// Print a default file with every key explained
    Default {
        /// Print ae-titles.toml instead of centinela.toml
        #[arg(long)]
        ae_titles: bool,
    },
}

/// Runs the command.
///
/// # Errors
/// All problems of the configuration at once.
#[expect(clippy::print_stdout, reason = "the output of the command")]
pub fn run(files: &Files, command: Command) -> Result<ExitCode> {
    match command {
        Command::Check => {
            let config = files.load()?;
            println!(
                "configuration ok: {} peer(s), {} of them receive results",
                config.peers.peers.len(),
                config.peers.destinations().count()
            );
        }
        Command::Default { ae_titles } => print!("{}", if ae_titles { DEFAULT_PEERS } else { DEFAULT_SETTINGS }),
    }
    Ok(ExitCode::SUCCESS)
}
