//! Weights in every container become packages that give torch's numbers (`models/training/make_import_fixtures.py`).

use crate::films::{data, film};
use centinela_models::import::{Family, Imported, Request, import};
use centinela_models::manifest::{Calibration, Chain};
use centinela_models::model::{Densenet, Model, threshold_set};
use centinela_models::package::Package;
use centinela_models::{image::CxrImage, verify};
use std::path::{Path, PathBuf};

#[derive(serde::Deserialize)]
struct Expected {
    size: u32,
    xray: Vec<f64>,
    xray_half: Vec<f64>,
    chexnet: Vec<f64>,
}

fn expected() -> Expected {
    serde_json::from_slice(&std::fs::read(data().join("import/expected.json")).unwrap()).unwrap()
}

pub fn fixture(name: &str) -> PathBuf {
    data().join("import").join(name)
}

/// A request for the tiny weights at their size.
pub fn request(source: impl Into<PathBuf>, output: &Path) -> Request {
    Request { size: Some(32), ..Request::new(source, output, "site-model", "1.0") }
}

fn imported(request: &Request) -> (Imported, Package) {
    let made = import(request).unwrap_or_else(|e| panic!("{}: {e}", request.source.display()));
    let package = Package::load(&made.folder).unwrap();
    verify(&package).unwrap();
    (made, package)
}

fn assert_near(package: &Package, wanted: &[f64], what: &str) {
    let got = &package.reference.logits;
    assert_eq!(got.len(), wanted.len(), "{what}");
    let worst = got.iter().zip(wanted).fold(0.0_f64, |m, (a, b)| m.max((a - b).abs()));
    assert!(worst <= 1e-4, "{what}: {worst:e}");
}

#[test]
fn every_container_gives_the_numbers_of_torch() {
    let keep = tempfile::tempdir().unwrap();
    let wanted = expected();
    assert_eq!(wanted.size, 32);
    for (n, (file, container)) in [
        ("zip_bare.pt", "torch zip"),
        ("zip_nested.pt", "torch zip"),
        ("zip_parameters.pt", "torch zip"),
        ("zip_module.pt", "torch zip"),
        ("zip_half.pt", "torch zip"),
        ("legacy_module.pt", "torch file from before 1.6"),
        ("plain.safetensors", "safetensors"),
    ]
    .into_iter()
    .enumerate()
    {
        let version = format!("{n}.0");
        let request = Request { family: Some(Family::All), version, ..request(fixture(file), keep.path()) };
        let (made, package) = imported(&request);
        assert_eq!((made.container, made.reported.len(), made.notes.len()), (container, 18, 0), "{file}");
        assert_near(&package, if file == "zip_half.pt" { &wanted.xray_half } else { &wanted.xray }, file);
    }
}

#[test]
fn half_precision_stays_half() {
    let keep = tempfile::tempdir().unwrap();
    let size = |file: &str, version: &str| {
        let request =
            Request { family: Some(Family::All), version: version.to_owned(), ..request(fixture(file), keep.path()) };
        imported(&request).1.weights.len()
    };
    let (single, half) = (size("zip_bare.pt", "1"), size("zip_half.pt", "2"));
    assert!(half + 1000 < single, "{half} and {single}");
}

#[test]
fn old_names_and_wrappers_of_chexnet_are_understood() {
    let keep = tempfile::tempdir().unwrap();
    let source = fixture("legacy_chexnet.pth.tar");
    let (made, package) = imported(&Request { family: Some(Family::Chexnet), ..request(source, keep.path()) });
    assert_near(&package, &expected().chexnet, "chexnet");
    let manifest = &package.manifest;
    assert_eq!((manifest.input.chain, manifest.architecture.in_channels), (Chain::Imagenet, 3));
    assert_eq!(manifest.input.mean, [0.485, 0.456, 0.406]);
    // It publishes no operating points, and the import says what it did about that.
    assert!(made.notes.iter().any(|note| note.contains("no operating points are known")), "{:?}", made.notes);
    let card = std::fs::read_to_string(made.folder.join("MODEL_CARD.md")).unwrap();
    assert!(card.contains("no operating points are known") && card.contains("Not validated"));
}

/// Checkpoints of 2017 were saved on a GPU by a torch that named its storages, and rebuilt tensors by another function.
#[test]
fn files_of_the_first_torch_versions_are_read() {
    let keep = tempfile::tempdir().unwrap();
    let mut bytes = std::fs::read(fixture("legacy_chexnet.pth.tar")).unwrap();
    for (from, to) in [
        ("ctorch\nFloatStorage\n", "ctorch.cuda\nFloatStorage\n"),
        ("ctorch._utils\n_rebuild_tensor_v2\n", "ctorch._utils\n_rebuild_tensor\n"),
    ] {
        let at = bytes.windows(from.len()).position(|w| w == from.as_bytes()).unwrap();
        bytes.splice(at..at + from.len(), to.bytes());
    }
    let source = keep.path().join("model.pth.tar");
    std::fs::write(&source, bytes).unwrap();
    let (_, package) = imported(&Request { family: Some(Family::Chexnet), ..request(source, keep.path()) });
    assert_near(&package, &expected().chexnet, "first versions");
}

#[test]
fn a_hugging_face_folder_brings_its_labels() {
    let keep = tempfile::tempdir().unwrap();
    let folder = keep.path().join("hub");
    std::fs::create_dir(&folder).unwrap();
    std::fs::copy(fixture("zip_bare.pt"), folder.join("pytorch_model.bin")).unwrap();
    let names: Vec<String> = (0..18)
        .map(|n| match n {
            0 => "Pleural Effusion".to_owned(),
            1 => "no_finding".to_owned(),
            2 => "pleural-thickening".to_owned(),
            3 => "Pneumonia".to_owned(),
            _ => String::new(),
        })
        .collect();
    let labels: serde_json::Map<_, _> =
        names.iter().enumerate().map(|(n, name)| (n.to_string(), name.as_str().into())).collect();
    let config = serde_json::json!({ "model_type": "densenet", "id2label": labels });
    std::fs::write(folder.join("config.json"), config.to_string()).unwrap();
    let base = Request { chain: Some(Chain::Torchxrayvision), ..request(&folder, keep.path()) };
    let (made, package) = imported(&base);
    assert_eq!(made.reported, ["Effusion", "Pleural_Thickening", "Pneumonia"]);
    assert!(made.notes.iter().any(|note| note.contains("no_finding has no row in the table of findings")));
    assert!(made.notes.iter().any(|note| note == "Pleural Effusion is reported as Effusion"), "{:?}", made.notes);
    assert_near(&package, &expected().xray, "hub");
    // The safetensors file is taken where both are there; this one is broken, which shows it.
    std::fs::write(folder.join("model.safetensors"), b"\x08\0\0\0\0\0\0\0{broken}").unwrap();
    let message = import(&Request { version: "2".to_owned(), ..base }).unwrap_err().to_string();
    assert!(message.contains("safetensors file is damaged"), "{message}");
}

#[test]
fn untrained_outputs_never_reach_a_result() {
    let keep = tempfile::tempdir().unwrap();
    let source = fixture("zip_module.pt");
    let (made, package) = imported(&Request { family: Some(Family::Rsna), ..request(source, keep.path()) });
    assert_eq!(made.reported, ["Pneumonia", "Lung Opacity"]);
    let model = Densenet::from_package(&package).unwrap();
    let image = CxrImage::decode(&film("implicit_12")).unwrap();
    let scores = model.predict(&image, 1).unwrap().scores;
    let labels: Vec<_> = scores.iter().map(|score| score.label.as_str()).collect();
    assert_eq!(labels, ["Pneumonia", "Lung Opacity"]);
    // The scores are those of their own outputs, not of the first two.
    let all =
        Request { family: Some(Family::All), version: "2".to_owned(), ..request(fixture("zip_bare.pt"), keep.path()) };
    let (_, package) = imported(&all);
    let everything = Densenet::from_package(&package).unwrap().predict(&image, 1).unwrap().scores;
    let logit = |p: f32, t: f32| {
        // op_norm backwards.
        let p = if p < 0.5 { p * 2.0 * t } else { 1.0 - (1.0 - p) * 2.0 * (1.0 - t) };
        (p / (1.0 - p)).ln()
    };
    let point = |package: &Package, n: usize| match &package.manifest.calibration {
        Calibration::OpNorm { thresholds } => thresholds[n],
        other => panic!("{other:?}"),
    };
    let rsna = Package::load(&made.folder).unwrap();
    let (one, other) =
        (logit(scores[0].probability, point(&rsna, 8)), logit(everything[8].probability, point(&package, 8)));
    assert!((one - other).abs() < 1e-2, "{one} {other}");
}

#[test]
fn what_is_reported_is_part_of_the_threshold_set() {
    let keep = tempfile::tempdir().unwrap();
    let base = Request { family: Some(Family::All), ..request(fixture("zip_bare.pt"), keep.path()) };
    let (_, package) = imported(&base);
    let manifest = package.manifest;
    let set = threshold_set(&manifest);
    let mut seen = vec![set.clone()];
    let mut other = |change: &dyn Fn(&mut centinela_models::manifest::Manifest)| {
        let mut changed = manifest.clone();
        change(&mut changed);
        let set = threshold_set(&changed);
        assert!(!seen.contains(&set));
        seen.push(set);
    };
    other(&|m| m.calibration = Calibration::None);
    other(&|m| match &mut m.calibration {
        Calibration::OpNorm { thresholds } => thresholds[3] = 0.3,
        _ => panic!("op_norm"),
    });
    other(&|m| m.labels[3] = centinela_models::manifest::Label::new("Pneumothorax", f32::NAN, Some(0.5)));
    other(&|m| m.input.size = 64);
}

/// Reports and UIDs of results hang on these: packages of before keep them.
#[test]
fn older_packages_keep_their_threshold_set() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let set = |folder: PathBuf| threshold_set(&Package::load(&folder).unwrap().manifest);
    assert_eq!(set(data().join("tiny")), "bccea26506722ef506f91313013329d93693975b01562523f0ef897884b00b23");
    assert_eq!(
        set(root.join("test-synthetic-map-1.0.0")),
        "5c7a4d091f31eebf23ca8bf77bd238c099d7d2770438225929a9e5ab18fc0219"
    );
}

#[test]
fn flags_that_are_missing_or_contradict_are_named() {
    let keep = tempfile::tempdir().unwrap();
    let base = request(fixture("zip_bare.pt"), keep.path());
    let all = Request { family: Some(Family::All), ..base.clone() };
    let labels = Some(vec!["Pneumonia".to_owned(); 2]);
    let many: Vec<String> = (0..18).map(|n| if n < 2 { "Edema".to_owned() } else { String::new() }).collect();
    let xray = Request { chain: Some(Chain::Torchxrayvision), ..base.clone() };
    for (request, words) in [
        (base.clone(), "--labels: the weights have 18 outputs"),
        (Request { labels: labels.clone(), ..base.clone() }, "--labels: --labels has 2 labels"),
        (Request { labels: labels.clone(), ..all.clone() }, "--labels: a family has its own"),
        (Request { labels: Some(many), ..xray.clone() }, "--labels: \"Edema\" comes twice"),
        (Request { labels: Some(vec![String::new(); 18]), ..xray.clone() }, "none is reported"),
        (Request { thresholds: Some(vec![0.5; 3]), ..all.clone() }, "--thresholds: 3 values"),
        (Request { thresholds: Some(vec![1.5]), ..all.clone() }, "threshold: must be between 0 and 1"),
        (Request { chain: Some(Chain::Window), ..all.clone() }, "--preprocessing: family all"),
        (Request { mean: Some(vec![0.5]), ..all.clone() }, "--mean, --std: torchxrayvision has its own scale"),
        (Request { family: Some(Family::Chexnet), ..base.clone() }, "features.conv0.weight: has 1 input channels"),
        (Request { name: "No Good".to_owned(), ..all.clone() }, "name: use lower-case"),
        (Request { source: keep.path().join("gone.pt"), ..all.clone() }, "gone.pt"),
        (Request { source: keep.path().to_owned(), ..all.clone() }, "no model.safetensors or pytorch_model.bin"),
    ] {
        let message = import(&request).unwrap_err().to_string();
        assert!(message.contains(words), "{words}: {message}");
    }
    assert_eq!(std::fs::read_dir(keep.path()).unwrap().count(), 0, "a refused import leaves nothing behind");
    imported(&all);
    let message = import(&all).unwrap_err().to_string();
    assert!(message.contains("--version") && message.contains("is there already"), "{message}");
}
