//! The whole way: a file in, scores, regions and a picture out, on the engine's thread.

use crate::films::{data, film, made};
use centinela_domain::gate::SkipReason;
use centinela_domain::prediction::{ModelRef, Prediction};
use centinela_models::engine::{AnalyzeError, Engine, Limits};
use centinela_models::image::CxrImage;
use centinela_models::manifest::Manifest;
use centinela_models::model::{Densenet, Model, ModelError};
use centinela_models::package::Package;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

fn densenet(folder: &Path) -> Densenet {
    Densenet::from_package(&Package::load(folder).unwrap()).unwrap()
}

/// A model that fails on films of a certain width, and holds those of another while it is told to.
struct Moody {
    inner: Box<dyn Model>,
    holds: Arc<AtomicBool>,
}

impl Moody {
    fn engine(holds: &Arc<AtomicBool>, film: Duration) -> Engine {
        Self::crew(holds, Limits { threads: 1, film })
    }

    fn crew(holds: &Arc<AtomicBool>, limits: Limits) -> Engine {
        let inner = Box::new(densenet(&data().join("tiny")));
        Engine::start(Box::new(Self { inner, holds: Arc::clone(holds) }), limits)
    }
}

impl Model for Moody {
    fn manifest(&self) -> &Manifest {
        self.inner.manifest()
    }
    fn model_ref(&self) -> ModelRef {
        self.inner.model_ref()
    }
    fn predict(&self, image: &CxrImage, threads: usize) -> Result<Prediction, ModelError> {
        assert_ne!(image.width, 3, "a film that this test model does not like");
        while image.width == 2 && self.holds.load(Ordering::Relaxed) {
            std::thread::sleep(Duration::from_millis(5));
        }
        self.inner.predict(image, threads)
    }
    fn with_own_threads(&self) -> Result<Box<dyn Model>, ModelError> {
        Ok(Box::new(Self { inner: self.inner.with_own_threads()?, holds: Arc::clone(&self.holds) }))
    }
}

#[tokio::test]
async fn a_panic_ends_the_film_and_not_the_thread() {
    let engine = Moody::engine(&Arc::default(), Duration::from_secs(60));
    let bad = made(3, &[1, 2, 3, 4, 5, 6], Vec::new());
    let error = engine.analyze(bad).await.unwrap_err();
    assert_eq!((error.clone(), error.reason()), (AnalyzeError::Panicked, SkipReason::Processing));
    let good = Arc::new(film("jpegls_12"));
    let first = engine.analyze(Arc::clone(&good)).await.unwrap();
    let labels: Vec<&str> = first.prediction.scores.iter().map(|s| s.label.as_str()).collect();
    assert_eq!(labels, ["Pneumonia", "Edema"]);
    assert_eq!(first.prediction.model, *engine.model_ref());
    assert_eq!((first.picture.width, first.picture.height), (90, 67));
    assert!(first.decode_ms <= first.took_ms);
    // Blocking from a thread of a runtime, and with more films than the queue holds.
    let again = engine.analyze_blocking(Arc::clone(&good)).unwrap();
    assert_eq!(again.prediction, first.prediction);
    let many = (0..6).map(|_| engine.analyze(Arc::clone(&good)));
    let mut results = Vec::new();
    for waiting in many.collect::<Vec<_>>() {
        results.push(waiting.await.unwrap().prediction);
    }
    assert!(results.iter().all(|p| *p == first.prediction));
    let truncated = good[..good.len() - 40].to_vec();
    assert_eq!(engine.analyze(truncated).await.unwrap_err().reason(), SkipReason::Truncated);
}

#[tokio::test]
async fn a_film_that_never_ends_is_given_up_and_the_others_go_on() {
    let holds = Arc::new(AtomicBool::new(true));
    let engine = Moody::engine(&holds, Duration::from_secs(2));
    let (endless, good) = (made(2, &[1, 2, 3, 4, 5, 6], Vec::new()), Arc::new(film("jpegls_12")));
    let (bad, first, second) =
        tokio::join!(engine.analyze(endless.clone()), engine.analyze(Arc::clone(&good)), engine.analyze(good.clone()));
    let bad = bad.unwrap_err();
    assert_eq!((bad.clone(), bad.reason()), (AnalyzeError::TimedOut(Duration::from_secs(2)), SkipReason::Processing));
    assert_eq!(first.unwrap().prediction, second.unwrap().prediction);
    assert_eq!((engine.given_up(), engine.has_stopped()), (1, false));
    // The thread that was left behind comes back: it no longer counts.
    holds.store(false, Ordering::Relaxed);
    let slow = engine.analyze(endless.clone()).await;
    assert_eq!(slow.unwrap().prediction.scores.len(), 2);

    // The same film is given up twice and then not tried again: that costs no time and no thread.
    holds.store(true, Ordering::Relaxed);
    assert_eq!(engine.analyze(endless.clone()).await.unwrap_err(), AnalyzeError::TimedOut(Duration::from_secs(2)));
    assert_eq!(engine.analyze(endless).await.unwrap_err(), AnalyzeError::TimedOut(Duration::from_secs(2)));
    assert_eq!(engine.given_up(), 2);
    assert_eq!(engine.analyze(good).await.unwrap().prediction.scores.len(), 2);
    drop(engine);
    holds.store(false, Ordering::Relaxed);
}

#[tokio::test]
async fn films_on_other_threads_do_not_wait_for_a_slow_one() {
    let holds = Arc::new(AtomicBool::new(true));
    let engine = Arc::new(Moody::crew(&holds, Limits { threads: 3, film: Duration::from_secs(60) }));
    let slow = |n: u8| {
        let (engine, film) = (Arc::clone(&engine), made(2, &[1, 2, 3, 4, 5, 6 + u16::from(n)], Vec::new()));
        tokio::spawn(async move { engine.analyze(film).await })
    };
    let held = [slow(0), slow(1)];
    let good = Arc::new(film("jpegls_12"));
    for _ in 0..4 {
        engine.analyze(Arc::clone(&good)).await.unwrap();
    }
    assert!(held.iter().all(|film| !film.is_finished()));
    holds.store(false, Ordering::Relaxed);
    for film in held {
        film.await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn threads_that_stay_away_stop_the_engine_before_they_use_up_the_machine() {
    let holds = Arc::new(AtomicBool::new(true));
    let engine = Moody::engine(&holds, Duration::from_millis(300));
    for n in 0..8 {
        assert!(!engine.has_stopped(), "after {n} films");
        let endless = made(2, &[1, 2, 3, 4, 5, 6 + n], Vec::new());
        assert_eq!(engine.analyze(endless).await.unwrap_err(), AnalyzeError::TimedOut(Duration::from_millis(300)));
    }
    assert_eq!(engine.analyze(film("jpegls_12")).await.unwrap_err(), AnalyzeError::Stopped);
    assert_eq!((engine.given_up(), engine.has_stopped()), (8, true));
    drop(engine);
    holds.store(false, Ordering::Relaxed);
}

/// A dark film with a nearly white ellipse, 12 bits; the box is that of the ellipse.
fn lesion(width: u16, height: u16, center: [f64; 2], radius: [f64; 2], inverted: bool) -> Vec<u8> {
    use dicom_core::{DataElement, PrimitiveValue, VR};
    use dicom_dictionary_std::tags;
    let values: Vec<u16> = (0..height)
        .flat_map(|y| {
            (0..width).map(move |x| {
                let d = ((f64::from(x) - center[0]) / radius[0]).hypot((f64::from(y) - center[1]) / radius[1]);
                let value = if d <= 1.0 { 4000 } else { 900 + (x + y) % 100 };
                if inverted { 4095 - value } else { value }
            })
        })
        .collect();
    let text = |tag, vr, value: &str| DataElement::new(tag, vr, PrimitiveValue::from(value));
    let photometric = if inverted { "MONOCHROME1" } else { "MONOCHROME2" };
    made(
        width,
        &values,
        vec![
            text(tags::WINDOW_CENTER, VR::DS, "2048"),
            text(tags::WINDOW_WIDTH, VR::DS, "4096"),
            text(tags::PHOTOMETRIC_INTERPRETATION, VR::CS, photometric),
        ],
    )
}

#[test]
fn regions_lie_on_the_lesion_in_portrait_landscape_and_monochrome1() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("test-synthetic-map-1.0.0");
    let engine = Engine::start(Box::new(densenet(&folder)), Limits::default());
    for (width, height, center, radius, inverted) in [
        (700, 900, [500.0, 250.0], [90.0, 140.0], false),
        (900, 700, [200.0, 480.0], [150.0, 80.0], false),
        (900, 640, [700.0, 120.0], [90.0, 90.0], true),
        // The first two mirrored: the region goes with the lesion.
        (700, 900, [199.0, 250.0], [90.0, 140.0], false),
        (900, 700, [699.0, 480.0], [150.0, 80.0], false),
    ] {
        let analyzed = engine.analyze_blocking(lesion(width, height, center, radius, inverted)).unwrap();
        let [score] = analyzed.prediction.scores.as_slice() else { panic!("one label") };
        assert!(score.probability >= score.threshold, "{width}x{height}: {}", score.probability);
        let region = score.regions.first().unwrap_or_else(|| panic!("{width}x{height}: no region"));
        let got = region.contour.iter().fold([f64::MAX, f64::MAX, 0.0, 0.0], |b: [f64; 4], p| {
            let (x, y) = (f64::from(p[0]), f64::from(p[1]));
            [b[0].min(x), b[1].min(y), b[2].max(x), b[3].max(y)]
        });
        let want = [center[0] - radius[0], center[1] - radius[1], center[0] + radius[0], center[1] + radius[1]];
        let side = |b: [f64; 4]| (b[2] - b[0]).max(0.0) * (b[3] - b[1]).max(0.0);
        let both = [got[0].max(want[0]), got[1].max(want[1]), got[2].min(want[2]), got[3].min(want[3])];
        let overlap = side(both) / (side(got) + side(want) - side(both));
        assert!(overlap > 0.5, "{width}x{height}: overlap {overlap:.2}, {got:?} for {want:?}");
    }
}

#[test]
fn below_the_threshold_there_are_no_regions() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("test-synthetic-map-1.0.0");
    let engine = Engine::start(Box::new(densenet(&folder)), Limits::default());
    let dark = lesion(500, 600, [-500.0, -500.0], [1.0, 1.0], false);
    let analyzed = engine.analyze_blocking(dark).unwrap();
    let score = &analyzed.prediction.scores[0];
    assert!(score.probability < score.threshold && score.regions.is_empty(), "{}", score.probability);
}

#[test]
fn the_demonstrator_reads_a_film() {
    let demonstrator = Densenet::from_package(&Package::embedded().unwrap()).unwrap();
    let engine = Engine::start(Box::new(demonstrator), Limits { threads: 2, ..Limits::default() });
    let analyzed = engine.analyze_blocking(film("implicit_12")).unwrap();
    let score = &analyzed.prediction.scores[0];
    assert_eq!(score.label, "Pneumonia");
    assert!((0.0..=1.0).contains(&score.probability));
    assert_eq!(engine.threshold_set().len(), 64);
}
