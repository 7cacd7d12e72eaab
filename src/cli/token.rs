//! `centinela token create`: a bearer token for the API, shown once, kept as a digest.

use super::Files;
use crate::blob::hex;
use crate::clock::Clock;
use crate::store::{Db, tokens};
use anyhow::{Context as _, Result};
use clap::Subcommand;
use sha2::{Digest as _, Sha256};
use std::process::ExitCode;

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make a token and print it, once
    Create {
        /// Who will use it
        #[arg(long, default_value = "admin")]
        name: String,
    },
}

/// Runs the command. The node may run meanwhile.
///
/// # Errors
/// If the database cannot be opened or written.
#[expect(clippy::print_stdout, reason = "the output of the command")]
pub async fn run(files: &Files, command: Command) -> Result<ExitCode> {
    let Command::Create { name } = command;
    let storage = files.load()?.settings.storage;
    let db = match storage.database.as_str() {
        "" => {
            let dir = &storage.data_dir;
            std::fs::create_dir_all(dir).with_context(|| format!("make data directory {}", dir.display()))?;
            Db::open_sqlite(&dir.join("centinela.db")).await?
        }
        url => Db::open_postgres(url).await?,
    };
    let secret = format!("ctl_{}", hex(&rand::random::<[u8; 32]>()));
    let mut tx = db.write().await?;
    tokens::insert(&mut tx, &name, &hex(&Sha256::digest(&secret)), Clock::System.now()).await?;
    tx.commit().await?;
    db.close().await;
    println!("{secret}");
    eprintln!("token {name:?} made; it is not shown again");
    Ok(ExitCode::SUCCESS)
}
