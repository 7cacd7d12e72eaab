//! Films on which the analysis panics or never ends: their study fails with a reason, all others are
//! analysed meanwhile, and the process lives. Weights that are not the package's own: no start.

use crate::harness::films::{Film, fixture, studies, write};
use crate::harness::modality::must_push;
use crate::harness::node::{Home, Node};
use crate::harness::until;
use centinela_models::image::CxrImage;
use centinela_phantom::collection;
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

/// A film whose size no other film of these tests has, and what the failpoint calls it.
fn poisoned(home: &Home, harm: &str) -> (Film, String) {
    let film = write(home.dir.path(), &collection(9, 480).nth(8).unwrap());
    let image = CxrImage::decode(&fs::read(&film.path).unwrap()).unwrap();
    (film, format!("{harm}:{}x{}", image.width, image.height))
}

fn failed(node: &Node<'_>, film: &Film) -> Value {
    until(&format!("study {} fails", film.study), || {
        let study = node.study(&film.study)?;
        let state = study["study"]["state"].as_str()?;
        assert!(!["analyzed", "skipped"].contains(&state), "{study:#}");
        (state == "failed").then_some(study)
    })
}

/// Pushes the bad film first; gives the study that failed, and how long the others took.
fn goes_on(node: &Node<'_>, bad: &Film, good: &[Film]) -> (Value, Duration) {
    let begin = Instant::now();
    must_push(node.dicom, bad);
    node.logged(&["attempt failed", &bad.study]);
    let first = begin.elapsed();
    for film in good {
        must_push(node.dicom, film);
    }
    for film in good {
        assert_eq!(node.settled(&film.study, 1)["study"]["state"], "analyzed");
    }
    let others = begin.elapsed() - first;
    (failed(node, bad), others)
}

#[test]
fn a_film_on_which_the_analysis_panics_fails_its_study_alone() {
    let home = Home::new(&[]);
    let good = studies(home.dir.path(), 3, 640);
    let (bad, failpoint) = poisoned(&home, "panic");
    let node = home.start_with(&[("CENTINELA_FAILPOINT_FILM", &failpoint)]);
    let (study, others) = goes_on(&node, &bad, &good);
    let reason = study["study"]["reason"].as_str().unwrap();
    assert!(reason.contains("failed") || reason.contains("panicked"), "{reason}");
    println!("a film that panics: three other studies took {} ms", others.as_millis());
    assert!(others < Duration::from_secs(20), "the others waited {others:?}");
}

#[test]
fn a_film_that_never_ends_is_given_up_and_fails_its_study_alone() {
    let home = Home::new(&[]).set("CENTINELA__ANALYZE__FILM_LIMIT", "3");
    let good = studies(home.dir.path(), 3, 640);
    let (bad, failpoint) = poisoned(&home, "hang");
    let node = home.start_with(&[("CENTINELA_FAILPOINT_FILM", &failpoint)]);
    let (study, others) = goes_on(&node, &bad, &good);
    let reason = study["study"]["reason"].as_str().unwrap();
    assert!(reason.contains("given up") || reason.contains("failed"), "{reason}");
    let metrics = node.ask("GET", "/metrics").body;
    // Tried twice, by whatever jobs; then its bytes are known.
    assert!(metrics.contains("centinela_films_given_up_total 2\n"), "{metrics}");
    println!("a film that never ends: three other studies took {} ms", others.as_millis());
    assert!(others < Duration::from_secs(20), "the others waited {others:?}");
    let film = node.get(&format!("/api/v1/instances/{}", bad.sop));
    assert_eq!(film["sop_instance"], bad.sop.as_str());
    // A stuck thread does not hold up the end of the process.
    node.stop();
}

#[test]
fn the_other_films_of_its_study_are_reported() {
    let home = Home::new(&[]).set("CENTINELA__ANALYZE__FILM_LIMIT", "2");
    let (good, bad) = (fixture("pa_ap_1_pa"), fixture("pa_ap_2_ap"));
    assert_eq!(good.study, bad.study);
    // The landscape one of the two.
    let node = home.start_with(&[("CENTINELA_FAILPOINT_FILM", "hang:240x200")]);
    for film in [&good, &bad] {
        must_push(node.dicom, film);
    }
    let study = node.settled(&good.study, 1);
    assert_eq!(study["study"]["state"], "analyzed", "{study:#}");
    let films = study["instances"].as_array().unwrap();
    let reason =
        |film: &Film| films.iter().find(|i| i["sop_instance"] == film.sop.as_str()).unwrap()["reason"]["code"].clone();
    assert_eq!((reason(&good), reason(&bad)), (Value::Null, "processing".into()), "{study:#}");
    let reports = study["results"].as_array().unwrap().iter().filter(|r| r["kind"] == "sr").count();
    assert_eq!(reports, 1, "{study:#}");
}

#[test]
fn too_many_films_that_never_end_stop_the_process_for_its_supervisor() {
    let home = Home::new(&[]).set("CENTINELA__ANALYZE__FILM_LIMIT", "1");
    let spec = collection(9, 480).nth(8).unwrap();
    let films: Vec<Film> = (0..5)
        .map(|n| {
            let mut spec = spec.clone();
            spec.key = format!("{}-{n}", spec.key);
            write(home.dir.path(), &spec)
        })
        .collect();
    let (_, failpoint) = poisoned(&home, "hang");
    let node = home.start_with(&[("CENTINELA_FAILPOINT_FILM", &failpoint)]);
    for film in &films {
        must_push(node.dicom, film);
    }
    let status = node.wait();
    assert!(!status.success(), "the node ended with {status}");
    assert!(home.logs().contains("the analysis engine has stopped"), "{}", home.logs());
    // The next process takes the work up, and a film that was well by then is read.
    let node = home.start();
    let study = node.settled(&films[0].study, 1);
    assert_eq!(study["study"]["state"], "analyzed", "{study:#}");
}

/// Changes a weights file, given its path and bytes.
type Spoil = fn(&Path, Vec<u8>);

#[test]
fn weights_that_are_not_the_packages_own_stop_the_start() {
    let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("models");
    let spoil: [(&str, Spoil, &[&str]); 4] = [
        (
            "corrupt",
            |path, mut bytes| {
                let middle = bytes.len() / 2;
                bytes[middle] ^= 0x40;
                fs::write(path, bytes).unwrap();
            },
            &["weights.safetensors", "SHA-256"],
        ),
        (
            "truncated",
            |path, bytes| fs::write(path, &bytes[..bytes.len() - 100]).unwrap(),
            &["weights.safetensors", "SHA-256"],
        ),
        ("missing", |path, _| fs::remove_file(path).unwrap(), &["weights.safetensors"]),
        (
            "another's",
            |path, _| {
                let other = path.ancestors().nth(2).unwrap().join("other.safetensors");
                fs::copy(other, path).unwrap();
            },
            &["weights.safetensors", "SHA-256"],
        ),
    ];
    for (what, change, words) in spoil {
        let home = Home::new(&[]);
        let package = home.dir.path().join("package");
        fs::create_dir(&package).unwrap();
        for entry in fs::read_dir(models.join("test-synthetic-map-1.0.0")).unwrap() {
            let path = entry.unwrap().path();
            fs::copy(&path, package.join(path.file_name().unwrap())).unwrap();
        }
        fs::copy(models.join("cxr-demo-0.1.0/weights.safetensors"), home.dir.path().join("other.safetensors")).unwrap();
        let weights = package.join("weights.safetensors");
        change(&weights, fs::read(&weights).unwrap());
        let home = home.set("CENTINELA__ANALYZE__MODEL", package.to_str().unwrap());
        let done = home.command(&["serve", "--dicom-port", "0", "--api-port", "0"]).output().unwrap();
        let text = String::from_utf8_lossy(&[done.stdout, done.stderr].concat()).into_owned();
        assert_eq!(done.status.code(), Some(1), "{what}: {text}");
        assert!(words.iter().all(|w| text.contains(w)), "{what}: {text}");
        assert!(!text.contains("listening"), "{what}: {text}");
    }
}
