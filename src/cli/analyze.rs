//! `centinela analyze`: the same road without a network, from films to result objects in a folder.

mod findings;

use super::Files;
use super::send::expand;
use crate::app;
use crate::clock::Clock;
use crate::config::Config;
use crate::loaded::LoadedModel;
use anyhow::{Context as _, Result};
use centinela_domain::evidence::{ImageOutcome, SourceImage, StudyImage};
use centinela_domain::finding::ImageFindings;
use centinela_domain::gate::{Decision, SkipReason, gate};
use centinela_domain::header;
use centinela_domain::profile::{Profile, ResultKind};
use centinela_domain::result::{self, Context};
use centinela_domain::uid::Uid;
use clap::{Args, ValueEnum};
use findings::Entry;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Flags of the command.
#[derive(Debug, Args)]
pub struct Arguments {
    /// DICOM files, or folders of them
    #[arg(required = true)]
    path: Vec<PathBuf>,
    /// Where the result objects and findings.json go; made if missing
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Which kinds of object to write
    #[arg(long, value_enum, default_value = "full")]
    profile: ProfileName,
    /// A model package: its folder, or its name below models/ (default: the configured one)
    #[arg(long, value_name = "NAME")]
    model: Option<String>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum ProfileName {
    /// SR and GSPS
    Full,
    /// SR, GSPS and SC
    Compat,
    /// SC
    Minimal,
    /// SR
    Research,
    /// findings.json only
    None,
}

impl From<ProfileName> for Profile {
    fn from(name: ProfileName) -> Self {
        match name {
            ProfileName::Full => Self::Full,
            ProfileName::Compat => Self::Compat,
            ProfileName::Minimal => Self::Minimal,
            ProfileName::Research => Self::Research,
            ProfileName::None => Self::None,
        }
    }
}

/// Runs the command.
///
/// # Errors
/// If the model cannot be loaded or the output folder not be written.
#[expect(clippy::print_stdout, reason = "the output of the command")]
pub async fn run(files: &Files, arguments: Arguments) -> Result<ExitCode> {
    let config = files.load()?;
    crate::telemetry::init(&config.settings.log);
    let name = arguments.model.clone().unwrap_or_else(|| config.settings.analyze.model.clone());
    let package = LoadedModel::package(&name, &config.settings.storage.data_dir)?;
    let model = LoadedModel::load(&package, &config.settings)?;
    std::fs::create_dir_all(&arguments.out).with_context(|| format!("make folder {}", arguments.out.display()))?;

    let mut entries = Vec::new();
    let mut studies: Vec<(Uid, Vec<StudyImage>)> = Vec::new();
    let mut failed = false;
    for path in expand(&arguments.path)? {
        let (entry, image) = match read(&path) {
            Ok((source, bytes)) => {
                let known = studies.iter().find(|(uid, _)| *uid == source.header.study).and_then(|(_, i)| i.first());
                let outcome = match known {
                    Some(first) if first.source.header.identity_digest != source.header.identity_digest => {
                        ImageOutcome::Skipped(SkipReason::OtherPatient)
                    }
                    _ => look(&config, &model, &source, bytes).await?,
                };
                let image = StudyImage { source, outcome };
                (Entry::of(&path, &image, &model.reference, &config.settings.node.language), Some(image))
            }
            Err(error) => {
                // In a folder other files are to be expected; a file that was named is not.
                let named = arguments.path.contains(&path);
                failed |= named;
                (Entry::unread(&path, &format!("{error:#}"), named), None)
            }
        };
        println!("{}", entry.line());
        entries.push(entry);
        let Some(image) = image else { continue };
        if matches!(&image.outcome, ImageOutcome::Skipped(reason) if !reason.is_reported()) {
            continue;
        }
        let study = image.source.header.study.clone();
        match studies.iter_mut().find(|(uid, _)| *uid == study) {
            Some((_, images)) => images.push(image),
            None => studies.push((study, vec![image])),
        }
    }
    let kinds = Profile::from(arguments.profile).kinds();
    for (study, images) in &studies {
        write(&config, &model, study, images, kinds, &arguments.out)?;
    }
    let json = serde_json::to_string_pretty(&entries)?;
    let target = arguments.out.join("findings.json");
    std::fs::write(&target, json + "\n").with_context(|| format!("write {}", target.display()))?;
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn read(path: &Path) -> Result<(SourceImage, Vec<u8>)> {
    let bytes = std::fs::read(path).context("cannot be read")?;
    let (source, _) = header::read_damaged(&bytes)?;
    Ok((source, bytes))
}

async fn look(config: &Config, model: &LoadedModel, source: &SourceImage, bytes: Vec<u8>) -> Result<ImageOutcome> {
    let policy = app::gate_policy(config.settings.analyze.assume, model.ages);
    if let Decision::Skip(reason) = gate(&source.header, &policy).decision {
        return Ok(ImageOutcome::Skipped(reason));
    }
    Ok(match model.engine.analyze(bytes).await {
        Ok(analyzed) => {
            let (sop, codes) = (&source.header.sop_instance, config.settings.report.vocabulary());
            let findings = ImageFindings::from_prediction(sop, &analyzed.prediction, codes)?;
            ImageOutcome::Analyzed { findings, picture: analyzed.picture }
        }
        Err(error) => ImageOutcome::Skipped(error.reason()),
    })
}

fn write(
    config: &Config,
    model: &LoadedModel,
    study: &Uid,
    images: &[StudyImage],
    kinds: &[ResultKind],
    out: &Path,
) -> Result<()> {
    let analyzed = images.iter().any(|i| matches!(i.outcome, ImageOutcome::Analyzed { .. }));
    if kinds.is_empty() || !(analyzed || kinds.contains(&ResultKind::Sr)) {
        return Ok(());
    }
    let context = Context {
        node: app::node(config, "command-line"),
        model: model.reference.clone(),
        threshold_set: config.settings.report.vocabulary().threshold_set(&model.threshold_set),
        language: config.settings.node.language,
        negatives: config.settings.report.negatives,
        captures: config.settings.report.captures(),
        study: study.clone(),
        revision: 1,
        closed_at: Clock::System.now(),
        predecessor: None,
    };
    let built = result::build(&context, images, kinds)?;
    let folder = out.join(study.as_str());
    std::fs::create_dir_all(&folder).with_context(|| format!("make folder {}", folder.display()))?;
    for (n, object) in built.objects.iter().enumerate() {
        let target = folder.join(format!("{}-{}.dcm", object.kind, n + 1));
        std::fs::write(&target, &object.bytes).with_context(|| format!("write {}", target.display()))?;
    }
    for left in &built.left_out {
        eprintln!("{}: {} is invalid in the film and was left out of the results", left.source, left.attribute);
    }
    Ok(())
}
