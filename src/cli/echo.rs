//! `centinela echo`: is the peer there, and does it know us?

use super::Files;
use crate::config::{Config, Peer};
use crate::delivery::{remote, requestor_options};
use anyhow::{Context as _, Result, bail};
use centinela_scp::{ProposedContext, Requestor};
use clap::Args;
use std::process::ExitCode;
use std::time::Instant;

/// Flags of the command.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Name of the peer in ae-titles.toml
    peer: String,
}

/// Runs the command.
///
/// # Errors
/// If the peer is not configured, cannot be reached, or refuses us.
#[expect(clippy::print_stdout, reason = "the output of the command")]
pub async fn run(files: &Files, arguments: Arguments) -> Result<ExitCode> {
    let config = files.load()?;
    let peer = peer(&config, &arguments.peer)?;
    let begin = Instant::now();
    let mut requestor =
        Requestor::open(&remote(peer)?, &requestor_options(&config), &[ProposedContext::verification()]).await?;
    let status = requestor.echo().await?;
    requestor.release().await;
    if !status.is_stored() {
        bail!("{} answered C-ECHO with {status}", peer.name);
    }
    println!("{} ({}) answered in {} ms", peer.name, peer.title(), begin.elapsed().as_millis());
    Ok(ExitCode::SUCCESS)
}

/// The configured peer of this name.
///
/// # Errors
/// Names the known ones.
pub fn peer<'a>(config: &'a Config, name: &str) -> Result<&'a Peer> {
    let known: Vec<_> = config.peers.peers.iter().map(|p| p.name.as_str()).collect();
    config.peers.named(name).with_context(|| format!("no peer is named {name:?} in ae-titles.toml; known: {known:?}"))
}
