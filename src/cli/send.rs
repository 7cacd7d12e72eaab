//! `centinela send`: pushes DICOM files to a peer, each in its own transfer syntax.

use super::Files;
use super::echo::peer;
use crate::delivery::{remote, requestor_options};
use anyhow::{Context as _, Result, bail};
use centinela_scp::{ProposedContext, Remote, Requestor, RequestorOptions, part10_parts};
use clap::Args;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Flags of the command.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Name of the peer in ae-titles.toml
    peer: String,
    /// DICOM files, or folders of them
    #[arg(required = true)]
    files: Vec<PathBuf>,
}

/// Runs the command.
///
/// # Errors
/// If the peer cannot be reached; files that it refuses are told and make the exit code 1.
#[expect(clippy::print_stdout, reason = "the output of the command")]
pub async fn run(files: &Files, arguments: Arguments) -> Result<ExitCode> {
    let config = files.load()?;
    let peer = peer(&config, &arguments.peer)?;
    let mut failed = 0;
    let paths = expand(&arguments.files)?;
    for path in &paths {
        match push(&remote(peer)?, &requestor_options(&config), path).await {
            Ok(()) => println!("{} stored", path.display()),
            Err(error) => {
                failed += 1;
                eprintln!("{}: {error:#}", path.display());
            }
        }
    }
    println!("{} of {} stored on {}", paths.len() - failed, paths.len(), peer.name);
    Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Pushes one file over its own association.
///
/// # Errors
/// If the file is not DICOM, the peer cannot be reached, or it answers a failure.
pub async fn push(remote: &Remote, options: &RequestorOptions, path: &Path) -> Result<()> {
    let bytes = tokio::fs::read(path).await.context("cannot be read")?;
    let (class, instance, syntax, offset) = part10_parts(&bytes)?;
    let context = ProposedContext::new(class.clone(), vec![syntax.clone()]);
    let mut requestor = Requestor::open(remote, options, &[context]).await?;
    if !requestor.accepts(&class, &syntax) {
        requestor.release().await;
        bail!("{} does not accept SOP class {class} in transfer syntax {syntax}", remote.ae_title);
    }
    let dataset = bytes.get(offset..).context("the file ends before its data set")?;
    let status = requestor.store(&class, &instance, &syntax, dataset).await?;
    requestor.release().await;
    if !status.is_stored() {
        bail!("{} answered {status}", remote.ae_title);
    }
    Ok(())
}

/// All files: those named, and those below named folders, sorted.
///
/// # Errors
/// If a path does not exist or a folder cannot be read.
pub fn expand(paths: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for path in paths {
        if path.is_dir() {
            let entries = std::fs::read_dir(path).with_context(|| format!("read folder {}", path.display()))?;
            let mut below = entries.map(|e| Ok(e?.path())).collect::<Result<Vec<_>>>()?;
            // Links below a folder may lead nowhere, or round in a circle.
            below.retain(|path| path.is_file() || (path.is_dir() && !path.is_symlink()));
            below.sort();
            files.extend(expand(&below)?);
        } else if path.exists() {
            files.push(path.clone());
        } else {
            bail!("{}: no such file or folder", path.display());
        }
    }
    Ok(files)
}
