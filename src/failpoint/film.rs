//! Films on which the analysis panics, never ends or takes longer: `CENTINELA_FAILPOINT_FILM` holds
//! `panic:COLUMNSxROWS`, `hang:COLUMNSxROWS` or `late:COLUMNSxROWS:MS`, and every film of that size is such a film.

use anyhow::{Context as _, Result};
use centinela_domain::prediction::{ModelRef, Prediction};
use centinela_models::image::CxrImage;
use centinela_models::manifest::Manifest;
use centinela_models::model::{Model, ModelError};
use std::time::Duration;

/// The environment variable.
const VARIABLE: &str = "CENTINELA_FAILPOINT_FILM";

#[derive(Clone, Copy)]
enum Harm {
    Panic,
    Hang,
    Late(Duration),
}

struct Spoiled {
    inner: Box<dyn Model>,
    harm: Harm,
    size: (u32, u32),
}

/// The model, spoiled if the environment says so.
///
/// # Errors
/// If the variable cannot be read.
pub fn spoiled(inner: Box<dyn Model>) -> Result<Box<dyn Model>> {
    let Ok(text) = std::env::var(VARIABLE) else { return Ok(inner) };
    let parsed = || {
        let (harm, size) = text.split_once(':')?;
        let (size, time) = size.split_once(':').unwrap_or((size, ""));
        let (columns, rows) = size.split_once('x')?;
        let harm = match harm {
            "panic" => Harm::Panic,
            "hang" => Harm::Hang,
            "late" => Harm::Late(Duration::from_millis(time.parse().ok()?)),
            _ => return None,
        };
        Some((harm, (columns.parse().ok()?, rows.parse().ok()?)))
    };
    let (harm, size) = parsed()
        .with_context(|| format!("{VARIABLE}: write panic:COLUMNSxROWS, hang:COLUMNSxROWS or late:COLUMNSxROWS:MS"))?;
    Ok(Box::new(Spoiled { inner, harm, size }))
}

impl Model for Spoiled {
    fn manifest(&self) -> &Manifest {
        self.inner.manifest()
    }

    fn model_ref(&self) -> ModelRef {
        self.inner.model_ref()
    }

    fn predict(&self, image: &CxrImage, threads: usize) -> Result<Prediction, ModelError> {
        if (image.width, image.height) == self.size {
            match self.harm {
                Harm::Panic => panic!("failpoint: a film of this size"),
                Harm::Hang => loop {
                    std::thread::park();
                },
                Harm::Late(time) => std::thread::sleep(time),
            }
        }
        self.inner.predict(image, threads)
    }

    fn threshold_set(&self) -> String {
        self.inner.threshold_set()
    }

    fn with_own_threads(&self) -> Result<Box<dyn Model>, ModelError> {
        let inner = self.inner.with_own_threads()?;
        Ok(Box::new(Self { inner, harm: self.harm, size: self.size }))
    }
}
