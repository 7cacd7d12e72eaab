//! Builds result objects from DICOM files and a JSON of scores, without a model or a node.
//!
//! `build_results SPEC.json OUT FILE...` writes one file for each object into the folder OUT. The
//! specification is `{"language", "negatives", "heat_map", "sc_compression", "kinds", "revision", "predecessor",
//! "sr_class", "images"}`, where `images` gives for each file in turn `{"scores": [{"label", "probability",
//! "threshold", "regions"}]}`, the same with a heat map as `{"scored": {"scores": ..., "map": {"label", "columns",
//! "rows", "values", "area"}}}`, or `{"skip": "..."}` with a skip reason. Regions and the map's area are in pixels of
//! the film.

use centinela_domain::code::Vocabulary;
use centinela_domain::evidence::{ImageOutcome, Picture, SourceImage, StudyImage};
use centinela_domain::finding::ImageFindings;
use centinela_domain::gate::SkipReason;
use centinela_domain::header;
use centinela_domain::prediction::{HeatMap, LabelScore, ModelRef, Prediction};
use centinela_domain::profile::ResultKind;
use centinela_domain::result::{
    Captures, Compression, Context, Language, Negatives, Node, Predecessor, SrClass, build, downgrade,
};
use centinela_domain::uid::Uid;
use dicom_dictionary_std::tags;
use dicom_object::InMemDicomObject;
use serde::Deserialize;
use std::path::{Path, PathBuf};

type Failure = Box<dyn std::error::Error>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Spec {
    #[serde(default)]
    language: Language,
    #[serde(default)]
    negatives: Negatives,
    /// A second Secondary Capture for each film that has a `map`.
    #[serde(default)]
    heat_map: bool,
    #[serde(default)]
    sc_compression: Compression,
    kinds: Vec<ResultKind>,
    #[serde(default = "one")]
    revision: i64,
    #[serde(default)]
    predecessor: Option<Predecessor>,
    /// SOP Class UID in which the report is written.
    #[serde(default)]
    sr_class: Option<String>,
    images: Vec<Outcome>,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Outcome {
    /// Scores; beside them, perhaps, where the model looked for one label.
    Scores(Vec<LabelScore>),
    Scored(Scored),
    Skip(SkipReason),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Scored {
    scores: Vec<LabelScore>,
    map: Option<HeatMap>,
}

const fn one() -> i64 {
    1
}

fn main() -> Result<(), Failure> {
    let mut arguments = std::env::args_os().skip(1).map(PathBuf::from);
    let (Some(spec), Some(out)) = (arguments.next(), arguments.next()) else {
        return Err("usage: build_results SPEC.json OUT FILE...".into());
    };
    let spec: Spec = serde_json::from_slice(&std::fs::read(spec)?)?;
    let files: Vec<PathBuf> = arguments.collect();
    if files.len() != spec.images.len() || files.is_empty() {
        return Err("the specification needs one entry in images for each file".into());
    }
    let model = model();
    let mut images = Vec::new();
    for (file, outcome) in files.iter().zip(spec.images) {
        images.push(study_image(file, outcome, &model)?);
    }
    let context = Context {
        node: Node {
            manufacturer: centinela_domain::gate::OWN_MANUFACTURER.into(),
            model_name: centinela_domain::gate::OWN_MODEL.into(),
            version: env!("CARGO_PKG_VERSION").into(),
            serial_number: "node-0001".into(),
            device: Uid::derive(&["device", "node-0001"]),
            ae_title: "CENTINELA".into(),
        },
        model,
        threshold_set: "default".into(),
        language: spec.language,
        negatives: spec.negatives,
        captures: Captures { heat_map: spec.heat_map, compression: spec.sc_compression },
        study: images[0].source.header.study.clone(),
        revision: spec.revision,
        closed_at: 1_795_485_600_000,
        predecessor: spec.predecessor,
    };
    let mut built = build(&context, &images, &spec.kinds)?;
    let sr_class = spec.sr_class.map(|uid| SrClass::of(&uid).ok_or(format!("sr_class: {uid} is no report class")));
    if let Some(class) = sr_class.transpose()?.filter(|class| *class != SrClass::Comprehensive3d) {
        for object in built.objects.iter_mut().filter(|o| o.kind == ResultKind::Sr) {
            *object = downgrade(&object.bytes, class, None)?;
        }
    }
    std::fs::create_dir_all(&out)?;
    for (n, object) in built.objects.iter().enumerate() {
        std::fs::write(out.join(format!("{n}-{}.dcm", object.kind)), &object.bytes)?;
        eprintln!("{} {} {} bytes", object.kind, object.sop_instance, object.bytes.len());
    }
    for left_out in built.left_out {
        eprintln!("left out: {}", left_out.attribute);
    }
    Ok(())
}

fn model() -> ModelRef {
    ModelRef {
        name: "cxr-demo".into(),
        version: "0.1.0".into(),
        title: "Centinela demonstrator".into(),
        manufacturer: "Centinela project".into(),
        weights_sha256: "0f".repeat(32),
        input_size: 224,
    }
}

fn study_image(file: &Path, outcome: Outcome, model: &ModelRef) -> Result<StudyImage, Failure> {
    let bytes = std::fs::read(file)?;
    let source = header::read(&bytes)?;
    let outcome = match outcome {
        Outcome::Skip(reason) => ImageOutcome::Skipped(reason),
        Outcome::Scores(scores) => analyzed(&bytes, &source, model, Scored { scores, map: None })?,
        Outcome::Scored(scored) => analyzed(&bytes, &source, model, scored)?,
    };
    Ok(StudyImage { source, outcome })
}

fn analyzed(bytes: &[u8], source: &SourceImage, model: &ModelRef, scored: Scored) -> Result<ImageOutcome, Failure> {
    let prediction = Prediction { model: model.clone(), scores: scored.scores, map: scored.map };
    let vocabulary = Vocabulary::embedded();
    let findings = ImageFindings::from_prediction(&source.header.sop_instance, &prediction, vocabulary)?;
    Ok(ImageOutcome::Analyzed { findings, picture: picture(bytes, source)? })
}

/// A quick rendering of an uncompressed film: window, inversion, every n-th pixel.
fn picture(bytes: &[u8], source: &SourceImage) -> Result<Picture, Failure> {
    let whole = dicom_object::from_reader(bytes)?;
    let number = |ds: &InMemDicomObject, tag| ds.get(tag).and_then(|e| e.to_multi_float64().ok()?.first().copied());
    let (Some(rows), Some(columns)) = (source.header.rows, source.header.columns) else {
        return Err("the film has no size".into());
    };
    let pixels = whole.element(tags::PIXEL_DATA)?.to_bytes()?;
    let wide = source.header.bits_allocated == Some(16);
    let stored = |n: usize| {
        if wide { f64::from(u16::from_le_bytes([pixels[2 * n], pixels[2 * n + 1]])) } else { f64::from(pixels[n]) }
    };
    let top = 2_f64.powf(number(&whole, tags::BITS_STORED).unwrap_or(8.0)) - 1.0;
    let center = number(&whole, tags::WINDOW_CENTER).unwrap_or(top / 2.0);
    let width = number(&whole, tags::WINDOW_WIDTH).unwrap_or(top);
    let inverted = source.header.photometric.as_deref() == Some("MONOCHROME1");
    let step = rows.max(columns).div_ceil(1280);
    let (width_out, height_out) = (columns / step, rows / step);
    let mut gray = Vec::new();
    for y in 0..height_out {
        for x in 0..width_out {
            let value = stored((y * step * columns + x * step) as usize);
            let level = ((value - center) / width + 0.5).clamp(0.0, 1.0);
            gray.push(((if inverted { 1.0 - level } else { level }) * 255.0).round() as u8);
        }
    }
    Ok(Picture { width: width_out, height: height_out, gray })
}
