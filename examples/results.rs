//! `make bench-results`: what it costs to build the result objects of one film of 2048 x 2500 pixels, in
//! milliseconds of CPU time of this thread, so that a busy machine does not matter.
//!
//! `results ROUNDS`. Each round begins with the decoded film: the picture that Secondary Captures are
//! drawn on is made of it, then SR, GSPS and SC are built. The kernel counts CPU time in steps of some
//! milliseconds, so everything is done twenty times in a round. Medians and the range over the rounds.

#![expect(clippy::print_stdout, reason = "a command line tool")]

use anyhow::{Context as _, Result};
use centinela_domain::code::Vocabulary;
use centinela_domain::evidence::{ImageOutcome, Picture, StudyImage};
use centinela_domain::finding::ImageFindings;
use centinela_domain::gate::{OWN_MANUFACTURER, OWN_MODEL};
use centinela_domain::header;
use centinela_domain::prediction::{LabelScore, ModelRef, Prediction, Region};
use centinela_domain::profile::ResultKind;
use centinela_domain::result::{Captures, Context, Language, Negatives, Node, build};
use centinela_domain::uid::Uid;
use centinela_models::image::CxrImage;
use centinela_models::preprocess::picture;
use std::hint::black_box;

/// How often each thing is done for one figure.
const REPEAT: u64 = 20;

/// CPU time of this thread in nanoseconds (Linux, proc(5): schedstat).
fn cpu() -> Result<u64> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").context("read schedstat")?;
    text.split_whitespace().next().context("no figure in schedstat")?.parse().context("read schedstat")
}

fn main() -> Result<()> {
    let rounds: usize = std::env::args().nth(1).context("usage: results ROUNDS")?.parse()?;
    // The same film at every run: portrait, 16 bits, with a consolidation and an effusion.
    let spec = centinela_phantom::collection(30, 2500).find(|s| s.pathology.len() == 2 && s.rows > s.columns);
    let mut spec = spec.context("no such film")?;
    (spec.columns, spec.rows) = (2048, 2500);
    let part10 = centinela_phantom::write_dicom(&spec);
    let image = CxrImage::decode(&part10)?;

    let names = ["picture", "sr", "gsps", "sc", "sum"];
    let mut times = vec![Vec::with_capacity(rounds); names.len()];
    for _ in 0..rounds {
        let begin = cpu()?;
        let mut small = picture(black_box(&image), 1280);
        for _ in 1..REPEAT {
            small = picture(black_box(&image), 1280);
        }
        let mut took = vec![(cpu()? - begin) / REPEAT];
        let (context, images) = study(&part10, small)?;
        for kind in [ResultKind::Sr, ResultKind::Gsps, ResultKind::Sc] {
            let begin = cpu()?;
            for _ in 0..REPEAT {
                let built = build(&context, black_box(&images), &[kind])?;
                anyhow::ensure!(built.objects.len() == 1, "{kind}: {} objects", built.objects.len());
            }
            took.push((cpu()? - begin) / REPEAT);
        }
        took.push(took.iter().sum());
        for (all, one) in times.iter_mut().zip(took) {
            all.push(one as f64 / 1e6);
        }
    }
    println!("CPU ms over {rounds} rounds, median (least to most); one film of 2048 x 2500, 18 labels, 4 regions");
    for (name, mut all) in names.iter().zip(times) {
        all.sort_by(f64::total_cmp);
        println!("{name:8} {:7.2} ({:.2} to {:.2})", all[rounds / 2], all[0], all[rounds - 1]);
    }
    Ok(())
}

/// A study of that film: every label scored, four regions on three present findings.
fn study(part10: &[u8], picture: Picture) -> Result<(Context, Vec<StudyImage>)> {
    let (source, _) = header::read_start(part10, true)?;
    let model = ModelRef {
        name: "bench".into(),
        version: "1.0".into(),
        title: "Benchmark".into(),
        manufacturer: OWN_MANUFACTURER.into(),
        weights_sha256: "00".repeat(32),
        input_size: 224,
    };
    let circle = |x: f32, y: f32, radius: f32| {
        let corner = |n: usize| {
            let angle = n as f32 * std::f32::consts::TAU / 120.0;
            [x + radius * angle.cos(), y + radius * angle.sin()]
        };
        let mut contour: Vec<_> = (0..120).map(corner).collect();
        contour.push(contour[0]);
        Region { contour }
    };
    let scores = Vocabulary::embedded().rows().enumerate().map(|(n, row)| LabelScore {
        label: row.label.clone(),
        probability: if n < 3 { 0.9 - n as f32 * 0.1 } else { 0.02 * n as f32 },
        threshold: 0.6,
        regions: match n {
            0 => vec![circle(600.0, 900.0, 220.0), circle(1400.0, 1000.0, 180.0)],
            1 => vec![circle(1500.0, 1900.0, 260.0)],
            2 => vec![circle(700.0, 1700.0, 240.0)],
            _ => Vec::new(),
        },
    });
    let prediction = Prediction { model: model.clone(), scores: scores.collect(), map: None };
    let findings = ImageFindings::from_prediction(&source.header.sop_instance, &prediction, Vocabulary::embedded())?;
    let context = Context {
        node: Node {
            manufacturer: OWN_MANUFACTURER.into(),
            model_name: OWN_MODEL.into(),
            version: "bench".into(),
            serial_number: "bench".into(),
            device: Uid::derive(&["device", "bench"]),
            ae_title: "CENTINELA".into(),
        },
        model,
        threshold_set: "default".into(),
        language: Language::default(),
        negatives: Negatives::Groups,
        captures: Captures::default(),
        study: source.header.study.clone(),
        revision: 1,
        closed_at: 1_795_485_600_000,
        predecessor: None,
    };
    Ok((context, vec![StudyImage { source, outcome: ImageOutcome::Analyzed { findings, picture } }]))
}
