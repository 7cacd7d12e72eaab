//! The command line: one file for each command.
//!
//! Exit codes: 0 = done, 1 = something failed (said on standard error), 2 = usage or configuration.

mod analyze;
mod config;
mod delivery;
mod demo;
mod doctor;
mod echo;
mod evaluate;
mod identity;
mod model;
mod send;
pub mod serve;
mod status;
mod token;

use crate::config::{Config, Problems, Sources};
use anyhow::Result;
use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;
use std::process::ExitCode;

/// A chest X-ray AI node that stands beside the PACS. Evaluation software, not a medical device.
#[derive(Debug, Parser)]
#[command(name = "centinela", version, about, max_term_width = 100)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    command: Command,
    /// Where the configuration lives.
    #[command(flatten)]
    files: Files,
}

/// Where the configuration lives.
#[derive(Debug, Clone, Args)]
pub struct Files {
    /// The settings (default: centinela.toml here or in /etc/centinela, else built-in defaults)
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The peers (default: ae-titles.toml here or in /etc/centinela, else none)
    #[arg(long, global = true, value_name = "FILE")]
    peers: Option<PathBuf>,
    /// The data directory, instead of data_dir of the settings
    #[arg(long, global = true, value_name = "DIR")]
    data_dir: Option<PathBuf>,
}

impl Files {
    /// Reads the configuration from files and environment.
    ///
    /// # Errors
    /// All problems at once.
    pub fn load(&self) -> Result<Config, Problems> {
        Config::load(&Sources {
            settings: self.config.clone(),
            peers: self.peers.clone(),
            data_dir: self.data_dir.clone(),
            environment: std::env::vars().filter(|(name, _)| name.starts_with("CENTINELA__")).collect(),
        })
    }
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the node: receive, analyse, deliver, answer the API
    Serve(serve::Arguments),
    /// Show the whole road on this machine: a node, a PACS beside it, and films
    Demo(demo::Arguments),
    /// Analyse films without a network: result objects and findings.json into a folder
    Analyze(analyze::Arguments),
    /// Test a model on labelled films: figures with intervals, scores, pictures
    Evaluate(evaluate::Arguments),
    /// How the node stands, or where everything of a study is
    Status(status::Arguments),
    /// Try results again by hand, keep them back, let them go; whole destinations too
    #[command(subcommand)]
    Delivery(delivery::Command),
    /// Ask a peer for a C-ECHO
    Echo(echo::Arguments),
    /// Examine a peer: what works, what it takes, what to configure on both sides
    Doctor(doctor::Arguments),
    /// Push DICOM files to a peer by C-STORE
    Send(send::Arguments),
    /// Look at model packages, import weights
    #[command(subcommand)]
    Model(model::Command),
    /// Make lines for the file of users
    #[command(subcommand)]
    Identity(identity::Command),
    /// Make tokens for the API
    #[command(subcommand)]
    Token(token::Command),
    /// Look at the configuration
    #[command(subcommand)]
    Config(config::Command),
}

/// Runs one command and turns its end into an exit code.
#[must_use]
pub fn run(cli: Cli) -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("centinela: no runtime: {error}");
            return ExitCode::FAILURE;
        }
    };
    let files = cli.files;
    let done = runtime.block_on(async move {
        match cli.command {
            Command::Serve(arguments) => serve::run(&files, arguments).await,
            Command::Demo(arguments) => demo::run(arguments).await,
            Command::Analyze(arguments) => analyze::run(&files, arguments).await,
            Command::Evaluate(arguments) => evaluate::run(&files, arguments).await,
            Command::Status(arguments) => status::run(&files, arguments).await,
            Command::Delivery(command) => delivery::run(&files, command).await,
            Command::Echo(arguments) => echo::run(&files, arguments).await,
            Command::Doctor(arguments) => doctor::run(&files, arguments).await,
            Command::Send(arguments) => send::run(&files, arguments).await,
            Command::Model(command) => model::run(&files, command),
            Command::Identity(command) => identity::run(command),
            Command::Token(command) => token::run(&files, command).await,
            Command::Config(command) => config::run(&files, command),
        }
    });
    // Threads that still wait for a peer must not hold up the end of the process.
    runtime.shutdown_timeout(std::time::Duration::from_secs(5));
    match done {
        Ok(code) => code,
        Err(error) => match error.downcast_ref::<Problems>() {
            Some(problems) => {
                eprintln!("centinela: the configuration has {} problem(s):", problems.0.len());
                for problem in &problems.0 {
                    eprintln!("  {problem}");
                }
                ExitCode::from(2)
            }
            None => {
                eprintln!("centinela: {error:#}");
                ExitCode::FAILURE
            }
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
