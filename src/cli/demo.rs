//! `centinela demo`: a node, a PACS beside it and films, all on this machine, in a temporary folder.

mod pacs;
mod table;

use super::send::{expand, push};
use super::serve::{Role, Running};
use crate::app::App;
use crate::clock::Clock;
use crate::config::{Config, Peers};
use crate::delivery::requestor_options;
use crate::store::{deliveries, studies};
use crate::telemetry;
use anyhow::{Context as _, Result, bail};
use centinela_domain::ae::AeTitle;
use centinela_domain::header;
use centinela_domain::study::StudyState;
use centinela_phantom::{Pathology, Side, Spec, View, collection, write_dicom};
use centinela_scp::Remote;
use clap::Args;
use pacs::Pacs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};
use table::Line;

/// Flags of the command.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Films to push (default: phantoms made now)
    #[arg(long, value_name = "DIR")]
    input: Option<PathBuf>,
    /// Copy what the PACS received into this folder
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Leave the temporary folder in place
    #[arg(long)]
    keep: bool,
}

/// Seconds without any progress after which the demonstration gives up.
const PATIENCE: Duration = Duration::from_secs(120);

/// Runs the command.
///
/// # Errors
/// If a film cannot be pushed or its results do not come back.
#[expect(clippy::print_stdout, reason = "the output of the command")]
pub async fn run(arguments: Arguments) -> Result<ExitCode> {
    let folder = tempfile::Builder::new().prefix("centinela-demo-").tempdir().context("make a temporary folder")?;
    let begin = Instant::now();
    println!("Centinela {}: evaluation software, not a medical device.", env!("CARGO_PKG_VERSION"));
    let films = match &arguments.input {
        Some(dir) => expand(std::slice::from_ref(dir))?,
        None => {
            println!("Making phantom films (nobody in them exists) ...");
            let folder = folder.path().join("films");
            tokio::task::spawn_blocking(move || phantoms(&folder)).await??
        }
    };
    let pacs = Pacs::start(&folder.path().join("pacs")).await?;
    let config = config(pacs.port, &folder.path().join("node"))?;
    telemetry::init(&config.settings.log);
    let node = Running::start(config, Clock::System, &Role::ALL).await?;
    let port = node.dicom.context("the node does not listen")?.port();
    println!(
        "A PACS listens on 127.0.0.1:{}, the node on 127.0.0.1:{port}. Pushing {} film(s) ...",
        pacs.port,
        films.len()
    );
    let app = std::sync::Arc::clone(&node.app);
    let (done, wait) = tokio::sync::oneshot::channel::<()>();
    let running = tokio::spawn(node.run_until(async {
        let _ = wait.await;
    }));
    let lines = road(&app, &films, port).await;
    let _ = done.send(());
    running.await??;
    let received = pacs.stop().await?;
    let lines = lines?;

    println!("\n{}", table::render(&lines));
    let objects: usize = lines.iter().map(|l| l.objects.len()).sum();
    let complete = received == objects && lines.iter().all(Line::is_complete);
    println!(
        "{objects} object(s) built, {received} in the PACS, {:.1} s from start to the last one",
        begin.elapsed().as_secs_f64()
    );
    if let Some(out) = &arguments.out {
        copy(&folder.path().join("pacs"), out)?;
        println!("copied to {}", out.display());
    }
    if arguments.keep {
        println!("kept in {}", folder.keep().display());
    }
    if !complete {
        bail!("not everything came back");
    }
    Ok(ExitCode::SUCCESS)
}

/// Pushes the films and waits until every study is settled and every delivery accepted.
#[expect(clippy::print_stdout, reason = "the output of the command")]
async fn road(app: &App, films: &[PathBuf], port: u16) -> Result<Vec<Line>> {
    let remote = Remote {
        ae_title: app.config.peers.node.ae_title.clone(),
        host: Ipv4Addr::LOCALHOST.to_string(),
        port,
        tls: None,
    };
    let options = requestor_options(&app.config);
    let mut lines: Vec<Line> = Vec::new();
    for path in films {
        let (source, _) = match header::read_damaged(&tokio::fs::read(path).await?) {
            Ok(read) => read,
            Err(error) => {
                println!("  {}: left out, {error}", path.display());
                continue;
            }
        };
        push(&remote, &options, path).await.with_context(|| format!("push {}", path.display()))?;
        let (study, now) = (source.header.study.to_string(), app.clock.now());
        match lines.iter_mut().find(|l| l.study == study) {
            Some(line) => line.pushed(now),
            None => lines.push(Line::new(study, now)),
        }
    }
    if lines.is_empty() {
        bail!("there was no DICOM film to push");
    }
    let mut progress = Instant::now();
    let mut open = lines.len();
    while open > 0 {
        tokio::time::sleep(Duration::from_millis(50)).await;
        open = 0;
        for line in &mut lines {
            if line.is_complete() {
                continue;
            }
            let (settled, delivered) = look(app, &line.study).await?;
            if settled && delivered {
                line.fill(app).await?;
                println!("  {}", line.text());
                progress = Instant::now();
            } else {
                open += 1;
            }
        }
        if progress.elapsed() > PATIENCE {
            break;
        }
    }
    Ok(lines)
}

async fn look(app: &App, study: &str) -> Result<(bool, bool)> {
    let mut tx = app.db.read().await?;
    let row = studies::find(&mut tx, study).await?.context("the study is gone")?;
    let sent = deliveries::list(&mut tx, None, None, Some(study), 1_000).await?;
    let settled = row.state().is_settled() && row.state() != StudyState::Failed;
    Ok((settled, sent.iter().all(|d| ["accepted", "committed"].contains(&d.state.as_str()))))
}

/// Six studies: normal and diseased films, one with a lateral film beside, one that is no chest.
fn phantoms(folder: &Path) -> Result<Vec<PathBuf>> {
    std::fs::create_dir_all(folder)?;
    let mut specs: Vec<Spec> = collection(5, 2500).collect();
    if let Some(frontal) = specs.first() {
        let mut lateral = frontal.clone();
        lateral.view = View::Lateral;
        lateral.key = "demo-lateral".into();
        lateral.numbers = (2, 1);
        specs.insert(1, lateral);
    }
    if let Some(last) = specs.last() {
        let mut hip = last.clone();
        hip.view = View::Hip;
        hip.key = "demo-hip".into();
        hip.study.key = "demo-hip".into();
        hip.study.description = "Pelvis AP".into();
        hip.body_part = "HIP".into();
        hip.pathology = Vec::new();
        specs.push(hip);
    }
    if let Some(spec) = specs.get_mut(2) {
        spec.pathology = vec![Pathology::Opacity(Side::Right)];
    }
    specs
        .iter()
        .enumerate()
        .map(|(n, spec)| {
            let path = folder.join(format!("{n:02}.dcm"));
            std::fs::write(&path, write_dicom(spec)).with_context(|| format!("write {}", path.display()))?;
            Ok(path)
        })
        .collect()
}

fn config(pacs: u16, data: &Path) -> Result<Config> {
    let text = format!(
        "[node]\nae_title = \"CENTINELA\"\n[[peer]]\nname = \"pacs\"\nae_title = \"PACS\"\nhost = \"127.0.0.1\"\n\
         port = {pacs}\nsends = true\ndeliver = \"compat\"\non_skip = \"all\"\n"
    );
    let mut problems = Vec::new();
    let peers = Peers::parse("the demonstration's peers", &text, &mut problems).context("no peers")?;
    let mut config = Config::embedded(peers)?;
    let settings = &mut config.settings;
    settings.storage.data_dir = data.to_owned();
    settings.storage.min_free = 64 << 20;
    settings.dicom.bind = Ipv4Addr::LOCALHOST.into();
    settings.dicom.port = 0;
    // The demonstration pushes under the node's own title.
    settings.dicom.callers = crate::config::Callers::Any;
    settings.api.port = 0;
    settings.study.quiet_period = 1.0;
    settings.log.level = crate::config::Level::Warn;
    Ok(config)
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    std::fs::create_dir_all(to).with_context(|| format!("make folder {}", to.display()))?;
    for entry in std::fs::read_dir(from)? {
        let path = entry?.path();
        if let (true, Some(name)) = (path.extension().is_some_and(|e| e == "dcm"), path.file_name()) {
            std::fs::copy(&path, to.join(name))?;
        }
    }
    Ok(())
}

/// The title under which the built-in PACS answers.
fn pacs_title() -> Result<AeTitle> {
    Ok(AeTitle::parse("PACS")?)
}
