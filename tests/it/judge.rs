//! The judge of results (`tests/judge`) can fail: good sets of every kind of object, and what it says of each
//! when it is broken in one way.

use crate::harness::tools::{must, python};
use centinela_domain::code::Vocabulary;
use centinela_domain::evidence::{ImageOutcome, Picture, StudyImage};
use centinela_domain::finding::ImageFindings;
use centinela_domain::gate::{OWN_MANUFACTURER, OWN_MODEL, SkipReason};
use centinela_domain::header;
use centinela_domain::prediction::{HeatMap, LabelScore, ModelRef, Prediction, Region};
use centinela_domain::profile::ResultKind;
use centinela_domain::result::{
    Built, Captures, Compression, Context, Language, Negatives, Node, Predecessor, SrClass, build, downgrade,
};
use centinela_domain::uid::Uid;
use centinela_phantom::{Case, Pictures, covering, film};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// A script of the judge.
pub fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/judge").join(name)
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

/// A closed outline in an ellipse: centre and half axes in shares of the film.
fn outline((columns, rows): (f32, f32), [cx, cy, rx, ry]: [f32; 4]) -> Region {
    let at = |n: u16| {
        let angle = f32::from(n % 24) * std::f32::consts::TAU / 24.0;
        let point = [(cx + rx * angle.cos()) * columns, (cy + ry * angle.sin()) * rows];
        point.map(|v| (v * 10.0).round() / 10.0)
    };
    Region { contour: (0..=24).map(at).collect() }
}

/// Four labels: two with a region each, one present without, one absent. The second film has its own places.
fn scores(size: (f32, f32), second: bool) -> Vec<LabelScore> {
    let places = if second {
        [[0.62, 0.6, 0.1, 0.06], [0.3, 0.66, 0.08, 0.1]]
    } else {
        [[0.3, 0.25, 0.1, 0.07], [0.72, 0.7, 0.12, 0.08]]
    };
    let score = |label: &str, probability, threshold, regions: &[[f32; 4]]| LabelScore {
        label: label.into(),
        probability,
        threshold,
        regions: regions.iter().map(|place| outline(size, *place)).collect(),
    };
    vec![
        score("Pneumothorax", 0.913, 0.62, &places[..1]),
        score("Effusion", 0.771, 0.5, &places[1..]),
        score("Cardiomegaly", 0.655, 0.55, &[]),
        score("Pneumonia", 0.081, 0.45, &[]),
    ]
}

/// A heat map of the first label: its region is where the map is high.
fn heat((columns, rows): (f32, f32), second: bool) -> Option<HeatMap> {
    let [x, y] = if second { [0.62, 0.6] } else { [0.3, 0.25] };
    let cells: Vec<f32> = (0..256_u16)
        .map(|n| {
            let (dx, dy) = ((f32::from(n % 16) + 0.5) / 16.0 - x, (f32::from(n / 16) + 0.5) / 16.0 - y);
            (-(dx * dx + dy * dy) / 0.008).exp()
        })
        .collect();
    HeatMap::new("Pneumothorax", &cells, (16, 16), [0.0, 0.0, columns, rows])
}

/// A case of the covering set whose name has these words.
fn case(words: &[&str]) -> Case {
    let has = |case: &Case| words.iter().all(|word| case.name().split('-').any(|part| part == *word));
    covering().into_iter().find(has).unwrap_or_else(|| panic!("no study of {words:?}"))
}

/// The first `count` films of a case, as files and as the builders take them.
fn films(case: &Case, count: usize, folder: &Path, skipped: bool) -> Vec<StudyImage> {
    fs::create_dir_all(folder).unwrap();
    let mut pictures = Pictures::default();
    let images = case.films().into_iter().take(count).enumerate().map(|(n, film_of)| {
        let bytes = film_of.bytes(&mut pictures);
        fs::write(folder.join(format!("{n}.dcm")), &bytes).unwrap();
        let source = header::read(&bytes).unwrap();
        let (columns, rows) = (film_of.spec.columns, film_of.spec.rows);
        let size = (f32::from(columns), f32::from(rows));
        let prediction = Prediction { model: model(), scores: scores(size, n > 0), map: heat(size, n > 0) };
        let findings =
            ImageFindings::from_prediction(&source.header.sop_instance, &prediction, Vocabulary::embedded()).unwrap();
        let top = u32::from(u16::MAX >> (16 - film_of.spec.bits));
        let gray = film(&film_of.spec).pixels.iter().map(|p| (u32::from(*p) * 255 / top) as u8).collect();
        let picture = Picture { width: columns.into(), height: rows.into(), gray };
        let outcome = match skipped {
            true => ImageOutcome::Skipped(SkipReason::Processing),
            false => ImageOutcome::Analyzed { findings, picture },
        };
        StudyImage { source, outcome }
    });
    images.collect()
}

fn results(images: &[StudyImage], revision: i64, predecessor: Option<Predecessor>) -> Built {
    let mut context = context(images, revision);
    context.predecessor = predecessor;
    build(&context, images, &ResultKind::ALL).unwrap()
}

/// Heat maps beside the captures, both compressed.
fn heated(images: &[StudyImage]) -> Built {
    let mut context = context(images, 1);
    context.captures = Captures { heat_map: true, compression: Compression::Rle };
    build(&context, images, &[ResultKind::Sr, ResultKind::Sc]).unwrap()
}

fn context(images: &[StudyImage], revision: i64) -> Context {
    Context {
        node: Node {
            manufacturer: OWN_MANUFACTURER.into(),
            model_name: OWN_MODEL.into(),
            version: env!("CARGO_PKG_VERSION").into(),
            serial_number: "node-0001".into(),
            device: Uid::derive(&["device", "node-0001"]),
            ae_title: "CENTINELA".into(),
        },
        model: model(),
        threshold_set: "default".into(),
        language: Language::English,
        negatives: Negatives::Groups,
        captures: Captures::default(),
        study: images[0].source.header.study.clone(),
        revision,
        closed_at: 1_795_485_600_000 + revision * 60_000,
        predecessor: None,
    }
}

fn write(folder: &Path, built: &Built) -> PathBuf {
    fs::create_dir_all(folder).unwrap();
    let mut captured = BTreeSet::new();
    for (n, object) in built.objects.iter().enumerate() {
        // A second capture of one film is its heat map.
        let heat = object.kind == ResultKind::Sc && !captured.insert(&object.source);
        let name = if heat { "heat".to_owned() } else { object.kind.to_string() };
        fs::write(folder.join(format!("{name}-{n}.dcm")), &object.bytes).unwrap();
    }
    folder.to_owned()
}

/// The boxes of all regions, as the judge reads truth.
fn truth(images: &[StudyImage]) -> Value {
    let mut boxes = Vec::new();
    for image in images {
        let ImageOutcome::Analyzed { findings, .. } = &image.outcome else { continue };
        for finding in &findings.findings {
            for region in &finding.regions {
                let points = &region.region.contour;
                let edge = |axis: usize, least: bool| {
                    points.iter().map(|p| p[axis]).fold(points[0][axis], |a, b| if least { a.min(b) } else { a.max(b) })
                };
                boxes.push(json!({
                    "code": finding.code.finding.value, "sop_instance_uid": image.source.header.sop_instance.to_string(),
                    "box": [edge(0, true), edge(1, true), edge(0, false), edge(1, false)], "min_iou": 0.9,
                }));
            }
        }
    }
    Value::from(boxes)
}

/// Good sets, each an entry of good.json.
fn good(folder: &Path) -> Vec<Value> {
    let all = ["sr", "gsps", "sc", "kos", "seg"];
    let place = |name: &str| folder.join(name);
    // A DX film with everything filled, and a second one that comes late.
    let rich = case(&["dx", "mono2", "portrait", "full", "two", "latin1"]);
    let first = films(&rich, 1, &place("first-films"), false);
    let one = results(&first, 1, None);
    let report = one.objects.iter().find(|o| o.kind == ResultKind::Sr).unwrap();
    let predecessor = Predecessor {
        series: report.series.clone(),
        sop_class: report.sop_class.clone(),
        sop_instance: report.sop_instance.clone(),
    };
    let second = films(&rich, 2, &place("second-films"), false);
    let two = results(&second, 2, Some(predecessor));
    let mut older = Built::default();
    older.objects.push(downgrade(&report.bytes, SrClass::Comprehensive, None).unwrap());
    let inverted = films(&case(&["cr", "mono1", "ir87", "late"]), 1, &place("inverted-films"), false);
    let warm = films(&rich, 2, &place("heated-films"), false);
    let skipped = films(&rich, 1, &place("skipped-films"), true);
    let earlier = write(&place("first"), &one);
    let entry = |name: &str, images: &[StudyImage], built: &Built, expect: &[&str]| {
        json!({
            "name": name, "sources": [place(&format!("{name}-films"))], "results": [write(&place(name), built)],
            "truth": truth(images), "expect": expect,
        })
    };
    let with = |mut entry: Value, key: &str, value: Value| {
        entry[key] = value;
        entry
    };
    let originals = place("originals");
    fs::create_dir_all(&originals).unwrap();
    fs::write(originals.join("sr.dcm"), &report.bytes).unwrap();
    let mut old = entry("older", &first, &older, &["sr"]);
    old["sources"] = json!([place("first-films")]);
    vec![
        entry("first", &first, &one, &all),
        with(entry("second", &second, &two, &all), "before", json!([earlier])),
        with(old, "original", json!([originals])),
        entry("inverted", &inverted, &results(&inverted, 1, None), &all),
        with(entry("heated", &warm, &heated(&warm), &["sr", "sc"]), "heat", json!(true)),
        with(entry("skipped", &skipped, &results(&skipped, 1, None), &["sr"]), "skipped", json!(true)),
    ]
}

#[test]
fn every_defect_is_caught_by_its_check_and_good_sets_have_no_fault() {
    let dir = tempfile::tempdir().unwrap();
    let good = good(dir.path());
    fs::write(dir.path().join("good.json"), Value::from(good).to_string()).unwrap();
    let said = must(&python(), &[script("broken.py").to_str().unwrap(), dir.path().to_str().unwrap()]);
    println!("{said}");
}
