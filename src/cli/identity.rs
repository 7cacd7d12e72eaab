//! `centinela identity`: hashes of passcodes for `[identity] users`.

use anyhow::{Context as _, Result, bail};
use centinela_scp::hash_passcode;
use clap::Subcommand;
use std::io::Read as _;
use std::process::ExitCode;

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Read a passcode from standard input and print a line for the file of users
    Hash {
        /// The user's name
        name: String,
    },
}

/// Runs the command.
///
/// # Errors
/// If there is no passcode to read, or the name cannot stand in the file.
#[expect(clippy::print_stdout, reason = "the output of the command")]
pub fn run(command: Command) -> Result<ExitCode> {
    let Command::Hash { name } = command;
    if name.trim() != name || name.is_empty() || name.starts_with('#') || name.contains([':', '\n', '\r']) {
        bail!("a user's name has no colon, no line break, no # or blank in front and no blank at its end");
    }
    let mut passcode = String::new();
    std::io::stdin().read_to_string(&mut passcode).context("read the passcode from standard input")?;
    let passcode = passcode.trim_end_matches(['\r', '\n']);
    if passcode.is_empty() {
        bail!("no passcode on standard input: pipe it in, or type it and end with Ctrl-D");
    }
    let hash = hash_passcode(passcode.as_bytes(), &rand::random()).context("the passcode is too long")?;
    println!("{name}:{hash}");
    Ok(ExitCode::SUCCESS)
}
