//! `centinela evaluate`: a model on labelled films, with figures, scores and pictures. For evaluation
//! only: nothing is sent, and films are judged by their file alone.

use super::Files;
use crate::app;
use crate::evaluate::folder::Folder;
use crate::evaluate::results::{Subject, figures};
use crate::evaluate::rows::{Wishes, pick};
use crate::evaluate::scoring::{reported, score};
use crate::evaluate::table::Table;
use crate::evaluate::{files, text};
use crate::loaded::LoadedModel;
use anyhow::{Context as _, Result, ensure};
use centinela_models::model::{Densenet, Model};
use clap::Args;
use std::path::PathBuf;
use std::process::ExitCode;

/// How often the terminal hears of it, in films.
const EVERY: usize = 500;
/// Most threads unless more are asked for; each holds one film.
const MOST_THREADS: usize = 4;

/// Flags of the command.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Folder with the films: DICOM, grey PNG or grey JPEG
    folder: PathBuf,
    /// Table of labels (CSV); NIH's Data_Entry table is read as it is
    #[arg(long, value_name = "FILE")]
    labels: PathBuf,
    /// A model package: its folder, or its name below models/ (default: the configured one)
    #[arg(long, value_name = "NAME")]
    model: Option<String>,
    /// Folder for results.json, scores.csv and pictures; made if missing
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Column that names the file (default: "Image Index", "file", "filename", "image" or "path")
    #[arg(long, value_name = "COLUMN")]
    file_column: Option<String>,
    /// Column with the source of a film; each source has figures of its own
    #[arg(long, value_name = "COLUMN")]
    source_column: Option<String>,
    /// Column with the truth of a label, where it is named otherwise; may be repeated
    #[arg(long, value_name = "LABEL=COLUMN")]
    label: Vec<String>,
    /// Only rows that meet this: COLUMN=VALUE, !=, >=, <=, > or <; may be repeated, all must hold
    #[arg(long, value_name = "CONDITION")]
    only: Vec<String>,
    /// Column of numbers to set beside the model, as a baseline; may be repeated
    #[arg(long, value_name = "COLUMN")]
    baseline: Vec<String>,
    /// Films at a time (default: one for each core, at most 4)
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
}

/// Runs the command.
///
/// # Errors
/// What is wrong with the table, the folder, the model or a flag, with the remedy.
#[expect(clippy::print_stdout, reason = "the output of the command")]
pub async fn run(files: &Files, arguments: Arguments) -> Result<ExitCode> {
    let config = files.load()?;
    crate::telemetry::init(&config.settings.log);
    // Decoding and inference must not hold a thread of the runtime.
    let done = tokio::task::spawn_blocking(move || {
        let name = arguments.model.clone().unwrap_or_else(|| config.settings.analyze.model.clone());
        let model = Densenet::from_package(&LoadedModel::package(&name, &config.settings.storage.data_dir)?)?;
        let labels = reported(&model);
        let names: Vec<String> = labels.iter().map(|(name, _)| name.clone()).collect();
        let path = &arguments.labels;
        let bytes = std::fs::read(path).with_context(|| format!("read {}", path.display()))?;
        let table = Table::parse(&String::from_utf8_lossy(&bytes)).with_context(|| path.display().to_string())?;
        let wishes = Wishes {
            file: arguments.file_column,
            source: arguments.source_column,
            labels: arguments.label,
            only: arguments.only,
            baselines: arguments.baseline.clone(),
        };
        let rows = pick(&table, &names, &wishes).with_context(|| path.display().to_string())?;
        let folder = Folder::open(&arguments.folder)?;
        let threads = match arguments.threads {
            Some(threads) => threads,
            None => std::thread::available_parallelism().map_or(1, usize::from).min(MOST_THREADS),
        };
        ensure!((1..=256).contains(&threads), "--threads {threads}: give 1 to 256");
        let population = model.manifest().population;
        let policy = app::gate_policy(config.settings.analyze.assume, (population.age_min, population.age_max));
        let total = rows.rows.len();
        let outcomes = score(&model, &policy, &folder, &rows.rows, threads, |done| {
            if done % EVERY == 0 {
                eprintln!("{done} of {total} films");
            }
        })?;
        let (reference, set) = (model.model_ref(), model.threshold_set());
        let subject = Subject { model: &reference, threshold_set: &set, labels: &labels };
        let results = figures(&subject, &table, &rows, &outcomes, &arguments.baseline, folder.count());
        print!("{}", text::table(&results));
        if let Some(out) = &arguments.out {
            for path in files::write(out, &results, &rows, &outcomes)? {
                println!("wrote {}", path.display());
            }
        }
        ensure!(results.films.scored > 0, "no film could be scored; the reasons stand above");
        Ok(ExitCode::SUCCESS)
    });
    done.await?
}
