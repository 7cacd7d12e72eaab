//! `centinela delivery retry|park|resume`: what a person does with results on their way, one, a study's or a whole
//! destination's. It works on the rows, whether the node runs or not; a running node sees it within a second.

use super::Files;
use super::status::database;
use crate::clock::Clock;
use crate::config::Config;
use crate::store::destinations;
use crate::store::events::{self, EventKind};
use crate::store::parking::{self, Touched, Which};
use crate::store::{Tx, deliveries};
use crate::wall;
use anyhow::{Result, bail};
use clap::{Args, Subcommand};
use serde_json::json;
use std::process::ExitCode;

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Try now what was refused or waits for its next attempt
    Retry(Selection),
    /// Keep results back until they are resumed; with --destination nothing at all is sent there
    Park {
        #[command(flatten)]
        which: Selection,
        /// Why; `centinela status` shows it to those who come after you
        #[arg(long, value_name = "TEXT")]
        reason: String,
    },
    /// Send what was parked
    Resume(Selection),
}

/// Which results.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub struct Selection {
    /// Identifier of one delivery, as the API tells it
    #[arg(value_name = "ID")]
    id: Option<String>,
    /// All results of a study, by its Study Instance UID
    #[arg(long, value_name = "UID")]
    study: Option<String>,
    /// All results for a destination, by its name in ae-titles.toml
    #[arg(long, value_name = "NAME")]
    destination: Option<String>,
}

impl Selection {
    fn which(&self) -> Result<Which<'_>> {
        match (&self.id, &self.study, &self.destination) {
            (Some(id), None, None) => Ok(Which::Delivery(id)),
            (None, Some(study), None) => Ok(Which::Study(study)),
            (None, None, Some(name)) => Ok(Which::Destination(name)),
            _ => bail!("name one of a delivery, a study and a destination"),
        }
    }
}

/// Runs the command.
///
/// # Errors
/// If there is no database, or nothing is there that it could be done with.
#[expect(clippy::print_stdout, reason = "the output of the command")]
pub async fn run(files: &Files, command: Command) -> Result<ExitCode> {
    let config = files.load()?;
    let db = database(&config).await?;
    let now = Clock::System.now();
    let mut tx = db.write().await?;
    let said = match &command {
        Command::Retry(selection) => retry(&mut tx, &config, selection.which()?, now).await?,
        Command::Park { which, reason } => park(&mut tx, &config, which.which()?, reason, now).await?,
        Command::Resume(selection) => resume(&mut tx, &config, selection.which()?, now).await?,
    };
    tx.commit().await?;
    db.close().await;
    print!("{said}");
    Ok(ExitCode::SUCCESS)
}

/// A destination that is named must be one, now or formerly.
async fn known(tx: &mut Tx, config: &Config, which: Which<'_>) -> Result<()> {
    let Which::Destination(name) = which else { return Ok(()) };
    let names: Vec<&str> = config.peers.destinations().map(|peer| peer.name.as_str()).collect();
    if names.contains(&name) || !deliveries::list(tx, None, Some(name), None, 1).await?.is_empty() {
        return Ok(());
    }
    bail!("no destination is named {name:?}; ae-titles.toml has {}", names.join(", "))
}

async fn retry(tx: &mut Tx, config: &Config, which: Which<'_>, now: i64) -> Result<String> {
    known(tx, config, which).await?;
    let touched = parking::retry(tx, which, now).await?;
    let asked = match which {
        Which::Destination(name) => {
            destinations::ask_now(tx, Some(name), now).await?;
            destinations::find(tx, name).await?.is_some_and(|row| row.down_since.is_some())
        }
        Which::Delivery(_) | Which::Study(_) => false,
    };
    if touched.is_empty() && !asked {
        bail!("nothing is there to try again: nothing was refused, and nothing waits for its next attempt");
    }
    told(tx, EventKind::RetryRequested, which, &touched, now).await?;
    let mut said = format!("{} tried again now\n", counted(touched.len()));
    if asked {
        said += "the destination is down: it is asked now whether it is back\n";
    }
    Ok(said + &held_up(tx, config, which, &touched, now).await?)
}

async fn park(tx: &mut Tx, config: &Config, which: Which<'_>, reason: &str, now: i64) -> Result<String> {
    let reason = reason.trim();
    if reason.is_empty() || reason.chars().any(char::is_control) {
        bail!("give a reason in one line");
    }
    known(tx, config, which).await?;
    if let Which::Destination(name) = which {
        if !destinations::park(tx, name, reason, now).await? {
            bail!("{name} is parked already");
        }
        told(tx, EventKind::DestinationParked, which, &[], now).await?;
        return Ok(format!("{name} is parked: results for it are kept and not sent until it is resumed\n"));
    }
    let touched = parking::park(tx, which, reason, now).await?;
    if touched.is_empty() {
        bail!("nothing is there to park: what is meant is unknown, on its way, or has arrived");
    }
    told(tx, EventKind::DeliveryParked, which, &touched, now).await?;
    Ok(format!("{} parked: kept and not sent until resumed\n", counted(touched.len())))
}

async fn resume(tx: &mut Tx, config: &Config, which: Which<'_>, now: i64) -> Result<String> {
    known(tx, config, which).await?;
    let touched = parking::resume(tx, which, now).await?;
    let mut said = String::new();
    if let Which::Destination(name) = which
        && destinations::resume(tx, name).await?
    {
        told(tx, EventKind::DestinationResumed, which, &[], now).await?;
        said += &format!("{name} is served again\n");
    }
    if touched.is_empty() && said.is_empty() {
        bail!("nothing is there to resume: nothing of that is parked");
    }
    if !touched.is_empty() {
        told(tx, EventKind::DeliveryResumed, which, &touched, now).await?;
        said += &format!("{} sent now\n", counted(touched.len()));
    }
    Ok(said + &held_up(tx, config, which, &touched, now).await?)
}

/// What still holds them up.
async fn held_up(tx: &mut Tx, config: &Config, which: Which<'_>, touched: &[Touched], now: i64) -> Result<String> {
    let mut names: Vec<&str> = touched.iter().map(|row| row.destination.as_str()).collect();
    if let Which::Destination(name) = which {
        names.push(name);
    }
    names.sort_unstable();
    names.dedup();
    let mut said = String::new();
    for name in names {
        let peer = config.peers.named(name).filter(|peer| peer.deliver.is_any());
        if destinations::find(tx, name).await?.is_some_and(|row| row.is_parked()) {
            said += &format!("but {name} is parked: `centinela delivery resume --destination {name}`\n");
        } else if peer.is_none() {
            said += &format!("but {name} is no destination of ae-titles.toml any more\n");
        } else if let Some(until) = peer.and_then(|peer| peer.resting_until(now)) {
            said += &format!("but {name} rests until {}: not before\n", wall::time_of_day(until));
        }
    }
    Ok(said)
}

/// One event for a destination, one for each delivery otherwise; never the reason, which a person wrote.
async fn told(tx: &mut Tx, kind: EventKind, which: Which<'_>, touched: &[Touched], now: i64) -> Result<()> {
    let by = "command line";
    if let Which::Destination(name) = which {
        let detail = json!({ "by": by, "destination": name, "deliveries": touched.len() });
        return events::append(tx, now, None, None, kind, detail).await;
    }
    for row in touched {
        let detail = json!({ "by": by, "delivery": row.id, "destination": row.destination });
        events::append(tx, now, Some(&row.study_uid), Some(&row.result), kind, detail).await?;
    }
    Ok(())
}

/// `1 result is`, `2 results are`.
fn counted(n: usize) -> String {
    if n == 1 { "1 result is".to_owned() } else { format!("{n} results are") }
}
