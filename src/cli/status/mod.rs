//! `centinela status`: what a PACS administrator asks at 3 in the night. Who lacks results and since when, why,
//! when it is tried again, and what to do; or where everything of one study is.

mod text;

use super::Files;
use crate::api::{chain, status};
use crate::blob::FsBlobs;
use crate::clock::Clock;
use crate::config::Config;
use crate::store::Db;
use anyhow::{Context as _, Result, bail};
use clap::Args;
use std::fs::{File, TryLockError};
use std::process::ExitCode;

/// Flags of the command.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Where everything of this study is, by its Study Instance UID
    #[arg(long, value_name = "UID")]
    study: Option<String>,
    /// Print the same as JSON
    #[arg(long)]
    json: bool,
}

/// Runs the command, whether the node runs or not. Exit code 0 only if nobody has to look at anything.
///
/// # Errors
/// If there is no database, or the study is not known.
#[expect(clippy::print_stdout, reason = "the output of the command")]
pub async fn run(files: &Files, arguments: Arguments) -> Result<ExitCode> {
    let config = files.load()?;
    let db = database(&config).await?;
    let (text, json, well) = match &arguments.study {
        Some(uid) => {
            let found = chain::gather(&db, &config.settings.node.language, uid).await?;
            let found = found.with_context(|| format!("no study has the UID {uid}"))?;
            (text::chain(&found), serde_json::to_string_pretty(&found)?, found.missing.is_empty())
        }
        None => {
            let free = FsBlobs::free_below(&config.settings.storage.data_dir).ok();
            let found = status::gather(&db, &config, running(&config)?, free, Clock::of_program().now()).await?;
            (text::status(&found), serde_json::to_string_pretty(&found)?, found.troubles.is_empty())
        }
    };
    db.close().await;
    if arguments.json {
        println!("{json}");
    } else {
        print!("{text}");
    }
    Ok(if well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The node's database, if there is one: a look must not make it.
async fn database(config: &Config) -> Result<Db> {
    let storage = &config.settings.storage;
    let file = storage.data_dir.join("centinela.db");
    match storage.database.as_str() {
        "" if !file.is_file() => bail!(
            "{} has no database: no node ever ran there. Is it the right --data-dir, and may this user read it?",
            storage.data_dir.display()
        ),
        "" => Db::open_sqlite(&file).await,
        url => Db::open_postgres(url).await,
    }
}

/// Whether a node holds the lock of the data directory.
fn running(config: &Config) -> Result<bool> {
    let path = config.settings.storage.data_dir.join("lock");
    let Ok(file) = File::open(&path) else { return Ok(false) };
    match file.try_lock_shared() {
        Ok(()) => Ok(false),
        Err(TryLockError::WouldBlock) => Ok(true),
        Err(TryLockError::Error(error)) => Err(error).with_context(|| format!("look at lock file {}", path.display())),
    }
}
