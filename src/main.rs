//! Entry point: parses the command line and runs one command.

use centinela::cli::Cli;
use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    centinela::cli::run(Cli::parse())
}
