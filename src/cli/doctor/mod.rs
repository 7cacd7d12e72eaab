//! `centinela doctor`: first contact with a peer. What works, what it takes, what fits, what to create over
//! there, and for everything that fails the likely cause and the remedy.

mod entry;
mod inward;
mod object;
mod outward;
mod print;
mod remedy;
mod report;
mod verdict;

use super::Files;
use super::echo::peer;
use crate::clock::Clock;
use crate::config::{Config, Peer, Way};
use crate::delivery::requestor_options;
use crate::probing::{self, Probe};
use crate::store::Db;
use anyhow::{Context as _, Result, bail};
use centinela_domain::ability::Ability;
use clap::Args;
use inward::Inward;
use outward::Failure;
use report::{Check, Report};
use std::process::ExitCode;
use std::time::Duration;

/// Flags of the command.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Name of the peer in ae-titles.toml
    peer: String,
    /// Also store one small test object of an invented patient there
    #[arg(long)]
    store: bool,
    /// Wait so long for a call of the peer, while somebody there presses "echo" or "verify"
    #[arg(long, value_name = "SECONDS")]
    wait: Option<u64>,
    /// Wait at most so long for a connection and for each answer
    #[arg(long, value_name = "SECONDS", default_value_t = 10)]
    timeout: u64,
    /// Print the findings as JSON
    #[arg(long)]
    json: bool,
}

/// Runs the command. Exit code 0 only if results can be delivered as configured.
///
/// # Errors
/// If the peer is not configured, or something on this side fails.
#[expect(clippy::print_stdout, reason = "the output of the command")]
pub async fn run(files: &Files, arguments: Arguments) -> Result<ExitCode> {
    let mut config = files.load()?;
    if let Some(port) = config.peers.node.port {
        config.settings.dicom.port = port;
    }
    let peer = peer(&config, &arguments.peer)?;
    let report = examine(&config, peer, &arguments).await?;
    if arguments.json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        print!("{}", print::text(&report, peer));
    }
    Ok(if report.deliverable { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn examine(config: &Config, peer: &Peer, arguments: &Arguments) -> Result<Report> {
    let (Some(host), Some(port), Some(_)) = (&peer.host, peer.port, &peer.ae_title) else {
        if peer.way() != Way::Dicom {
            bail!("peer {:?} is no DICOM peer, which doctor examines: results go to {}", peer.name, peer.place());
        }
        bail!("peer {:?} has no host and port in ae-titles.toml: add them, results need an address", peer.name);
    };
    let mut report = Report {
        peer: peer.name.clone(),
        ae_title: peer.title().to_owned(),
        host: host.clone(),
        port,
        tls: peer.tls.is_some(),
        checks: Vec::new(),
        implementation: None,
        max_pdu: None,
        classes: Vec::new(),
        recommended: None,
        configured: peer.deliver.toml(),
        deliverable: false,
        entry: entry::of(config, peer),
        not_kept: None,
    };
    let db = database(config).await;
    let outcome = call(&mut report, config, peer, db.as_ref().ok(), arguments).await?;
    match db {
        Ok(db) => {
            keep(&db, config, peer, &outcome, &report).await?;
            db.close().await;
        }
        Err(why) => report.not_kept = Some(why),
    }
    Ok(report)
}

/// Everything that needs the peer; what it takes, or why that is not known.
async fn call(
    report: &mut Report,
    config: &Config,
    peer: &Peer,
    db: Option<&Db>,
    arguments: &Arguments,
) -> Result<Result<Ability, Failure>> {
    let mut options = requestor_options(config);
    let most = Duration::from_secs(arguments.timeout.max(1));
    options.connect_timeout = options.connect_timeout.min(most);
    options.response_timeout = options.response_timeout.min(most);
    let ours = config.peers.node.ae_title.as_str();
    if let Err(failure) = outward::resolve(report, peer, ours, most).await {
        return Ok(Err(failure));
    }
    let (mut requestor, ability) = match outward::associate(report, peer, &options).await? {
        Ok(open) => open,
        Err(failure) => return Ok(Err(failure)),
    };
    let mut sound = outward::echo(report, &mut requestor, &ability).await;
    match (arguments.store, sound) {
        (true, true) => {
            sound = outward::store(report, &mut requestor, config, &ability, Clock::System.now()).await?;
        }
        (true, false) => report.checks.push(Check::not_tested("C-STORE", "not reached")),
        (false, _) => report.checks.push(Check::not_tested("C-STORE", "--store sends one test object")),
    }
    let inward = if requestor.is_open() {
        Inward::begin(report, (config, peer, db), (&mut requestor, &ability), arguments.wait).await?
    } else {
        report.checks.push(Check::not_tested("inward", "not reached"));
        None
    };
    // The peer is to open an association of its own.
    requestor.release().await;
    if let Some(inward) = inward {
        if let Some(wait) = arguments.wait {
            eprintln!("{}", inward::prompt(&report.entry, peer, wait));
        }
        inward.end(report, peer).await?;
    }
    verdict::judge(report, peer, &ability);
    report.deliverable &= sound;
    Ok(Ok(ability))
}

/// The node's database, if there is one; else why what the peer takes is not kept.
async fn database(config: &Config) -> Result<Db, String> {
    let storage = &config.settings.storage;
    let file = storage.data_dir.join("centinela.db");
    let opened = match storage.database.as_str() {
        "" if !file.is_file() => {
            return Err(format!("{} has no database yet", storage.data_dir.display()));
        }
        "" => Db::open_sqlite(&file).await,
        url => Db::open_postgres(url).await,
    };
    opened.map_err(|error| format!("{error:#}"))
}

async fn keep(
    db: &Db,
    config: &Config,
    peer: &Peer,
    outcome: &Result<Ability, Failure>,
    report: &Report,
) -> Result<()> {
    let probe = match outcome {
        Ok(ability) => Probe::Answered(ability, report.implementation.clone()),
        Err(failure) => Probe::Failed(failure.cause.code(), failure.error.clone()),
    };
    let mut tx = db.write().await?;
    probing::record(&mut tx, config, peer, probe, Clock::System.now()).await?;
    tx.commit().await.context("keep what the peer takes")
}
