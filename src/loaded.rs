//! The model in use: how its package is found and loaded, and the place where another takes over.

use crate::config::{Analyze, Numbers, Settings};
use crate::turns::Turns;
use anyhow::{Context as _, Result, bail};
use centinela_domain::prediction::ModelRef;
use centinela_models::engine::{Engine, Limits};
use centinela_models::model::{Densenet, Model};
use centinela_models::package::Package;
use centinela_models::{Path as ModelPath, Precision};
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

/// The place of the model; empty where this process analyses nothing.
#[derive(Debug, Default)]
pub struct Slot(RwLock<Option<Arc<LoadedModel>>>);

impl Slot {
    /// The model as it is now. Whoever has begun with it ends with it.
    #[must_use]
    pub fn get(&self) -> Option<Arc<LoadedModel>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Puts another model in its place and gives the former, whose threads end when nobody uses it any more.
    pub fn put(&self, model: LoadedModel) -> Option<Arc<LoadedModel>> {
        self.0.write().unwrap_or_else(PoisonError::into_inner).replace(Arc::new(model))
    }
}

/// The loaded model with what the rest needs to know of it.
#[derive(Debug)]
pub struct LoadedModel {
    /// The threads that analyse.
    pub engine: Engine,
    /// Name, version, digest.
    pub reference: ModelRef,
    /// Digest of labels, thresholds and calibration.
    pub threshold_set: String,
    /// Ages that the model was made for, inclusive.
    pub ages: (u16, u16),
    /// The labels that it reports with their operating points, in the model's order.
    pub labels: Vec<(String, f32)>,
    /// Whose film is being scored.
    pub turns: Turns,
}

/// What the engine may take, by configuration.
#[must_use]
pub fn limits(settings: &Analyze) -> Limits {
    let threads = if settings.threads == 0 { Limits::default().threads } else { settings.threads };
    Limits { threads, film: Duration::from_secs(settings.film_limit) }
}

impl LoadedModel {
    /// Loads a package, runs its self-test and starts the threads.
    ///
    /// # Errors
    /// What is wrong with the package, with file and key.
    pub fn load(package: &Package, settings: &Settings) -> Result<Self> {
        let precision = match settings.analyze.precision {
            Numbers::Single => Precision::Single,
            Numbers::Bf16 => Precision::Bf16,
        };
        let model = Densenet::on(ModelPath::with(precision), package)?;
        let population = &model.manifest().population;
        let ages = (population.age_min, population.age_max);
        let (reference, threshold_set) = (model.model_ref(), model.threshold_set());
        let vocabulary = settings.report.vocabulary();
        let labels: Vec<_> = model.manifest().reported().map(|(_, l)| (l.name.clone(), l.threshold())).collect();
        if let Some((label, _)) = labels.iter().find(|(label, _)| vocabulary.get(label).is_none()) {
            bail!(
                "model {}: label {label:?} has no codes: add a row for it to the file of [report] findings",
                reference.name
            );
        }
        let model: Box<dyn Model> = Box::new(model);
        #[cfg(feature = "failpoints")]
        let model = crate::failpoint::film::spoiled(model)?;
        let engine = Engine::start(model, limits(&settings.analyze));
        Ok(Self { engine, reference, threshold_set, ages, labels, turns: Turns::default() })
    }

    /// The package that the configuration names, loaded.
    ///
    /// # Errors
    /// What is wrong with it, or which places were searched.
    pub fn configured(settings: &Settings) -> Result<Self> {
        let package = Self::package(&settings.analyze.model, &settings.storage.data_dir)?;
        Self::load(&package, settings)
    }

    /// The package of this name: a folder, a name below `models/` here or in the data directory, or
    /// the embedded demonstrator (its name, or nothing).
    ///
    /// # Errors
    /// What is wrong with the package, or which places were searched.
    pub fn package(name: &str, data_dir: &Path) -> Result<Package> {
        let embedded = Package::embedded()?;
        if name.is_empty() || name == embedded.manifest.name {
            return Ok(embedded);
        }
        let places = [Path::new("models").to_owned(), data_dir.join("models")];
        let named = |place: &PathBuf| {
            let entries = std::fs::read_dir(place).into_iter().flatten().flatten();
            let mut found: Vec<_> = entries
                .filter(|e| e.file_name().to_string_lossy().starts_with(&format!("{name}-")))
                .map(|e| e.path())
                .collect();
            found.sort();
            found.pop()
        };
        let folder = if Path::new(name).join("manifest.toml").is_file() {
            Path::new(name).to_owned()
        } else {
            places.iter().find_map(named).with_context(|| {
                format!(
                    "no model package {name:?}: give a folder with manifest.toml, or a name below models/ or {}",
                    data_dir.join("models").display()
                )
            })?
        };
        Package::load(&folder).with_context(|| format!("load model package {}", folder.display()))
    }
}
