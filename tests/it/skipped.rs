//! Honest silence: films that are not analysed get a reason in the API, in findings.json and, where
//! the destination wants it, in a not-analysed report.

use crate::harness::films::{Film, fixture};
use crate::harness::modality::must_push;
use crate::harness::node::{Home, Peer};
use crate::harness::objects::Object;
use crate::harness::pacs::Pacs;
use crate::harness::until;

/// Fixture and the code of its reason.
const CASES: [(&str, &str); 7] = [
    ("hip", "body_part"),
    ("lateral_only", "view"),
    ("child_5y", "age"),
    ("animal", "species"),
    ("dx_for_processing", "for_processing"),
    ("other_ai_sc", "other_ai"),
    ("own_result_sr", "own_result"),
];

#[test]
fn each_reason_reaches_the_api_and_the_pacs() {
    let pacs = Pacs::start();
    let home = Home::new(&[Peer::pacs(pacs.port, "full")]);
    let node = home.start();
    for (name, code) in CASES {
        let film = fixture(name);
        must_push(node.dicom, &film);
        let study = node.settled(&film.study, 1);
        assert_eq!(study["study"]["state"], "skipped", "{name}");
        assert_eq!(study["instances"][0]["reason"]["code"], code, "{name}: {study:#}");
        let results = study["results"].as_array().unwrap();
        if name == "own_result_sr" {
            assert!(results.is_empty(), "an answer to an answer would never end: {study:#}");
            continue;
        }
        let kinds: Vec<_> = results.iter().map(|r| r["kind"].as_str().unwrap()).collect();
        assert_eq!(kinds, ["sr"], "{name}: {study:#}");
        let sop = results[0]["sop_instance"].as_str().unwrap();
        let report = Object::read(&pacs.shelf()[sop][0].1);
        assert_eq!(report.modality, "SR");
        let reason = study["instances"][0]["reason"]["text"].as_str().unwrap();
        let told = report.texts().iter().any(|t| t.contains(reason));
        assert!(told, "{name}: the report does not say {reason:?}: {:?}", report.texts());
    }
}

#[test]
fn a_destination_hears_only_of_what_it_wants_to_hear() {
    let (quiet, chest) = (Pacs::start(), Pacs::start());
    let peer = |name: &str, pacs: &Pacs, on_skip| Peer { name: name.into(), on_skip, ..Peer::pacs(pacs.port, "full") };
    let home = Home::new(&[peer("quiet", &quiet, "none"), peer("chest", &chest, "chest")]);
    let node = home.start();
    for name in ["hip", "child_5y"] {
        let film = fixture(name);
        must_push(node.dicom, &film);
        node.settled(&film.study, 1);
    }
    assert!(quiet.shelf().is_empty());
    let told: Vec<_> = chest.shelf().values().map(|copies| Object::read(&copies[0].1).study).collect();
    assert_eq!(told, [fixture("child_5y").study], "a chest film, so it is told; the hip is not");
}

#[test]
fn findings_json_has_the_same_reasons() {
    let home = Home::new(&[]);
    let out = home.dir.path().join("out");
    let films: Vec<_> = CASES.iter().map(|(name, _)| fixture(name)).collect();
    let mut arguments = vec!["analyze", "--out", out.to_str().unwrap()];
    arguments.extend(films.iter().map(|f| f.path.to_str().unwrap()));
    let done = home.command(&arguments).output().unwrap();
    assert!(done.status.success(), "skipped films are no failure: {}", String::from_utf8_lossy(&done.stderr));
    let entries: Vec<serde_json::Value> =
        serde_json::from_slice(&std::fs::read(out.join("findings.json")).unwrap()).unwrap();
    for ((name, code), entry) in CASES.iter().zip(&entries) {
        assert_eq!(entry["status"], "skipped", "{name}: {entry:#}");
        assert_eq!(entry["reason_code"], *code, "{name}");
        assert!(entry["findings"].as_array().unwrap().is_empty(), "{name}");
    }
}

/// A copy of a fixture with other values; each must be as long as the first, so that nothing moves.
fn changed(home: &Home, name: &str, target: &str, changes: &[(&str, &str)]) -> Film {
    let mut bytes = std::fs::read(fixture(name).path).unwrap();
    for (from, to) in changes {
        assert_eq!(from.len(), to.len());
        let places: Vec<_> = bytes.windows(from.len()).enumerate().filter(|(_, w)| *w == from.as_bytes()).collect();
        let places: Vec<_> = places.into_iter().map(|(at, _)| at).collect();
        assert!(!places.is_empty(), "{from} is not in {name}");
        for at in places {
            bytes[at..at + to.len()].copy_from_slice(to.as_bytes());
        }
    }
    let path = home.dir.path().join(target);
    std::fs::write(&path, bytes).unwrap();
    Film::of(&path)
}

/// A film of another patient under the same Study Instance UID.
fn strangers_film(home: &Home, film: &Film) -> Film {
    let (head, last) = film.sop.split_at(film.sop.len() - 1);
    let sop = format!("{head}{}", if last == "1" { "2" } else { "1" });
    let changes = [(film.sop.as_str(), sop.as_str()), ("Quintanilla", "Someoneelse")];
    let stranger = changed(home, "pa_ap_1_pa", "stranger.dcm", &changes);
    assert_eq!((&stranger.study, &stranger.sop), (&film.study, &sop));
    stranger
}

#[test]
fn another_patients_film_under_the_same_study_is_kept_and_never_reported() {
    let pacs = Pacs::start();
    let home = Home::new(&[Peer::pacs(pacs.port, "full")]);
    let node = home.start();
    let film = fixture("pa_ap_1_pa");
    let stranger = strangers_film(&home, &film);
    for film in [&film, &stranger] {
        must_push(node.dicom, film);
    }
    let study = node.settled(&film.study, 1);
    let row =
        study["instances"].as_array().unwrap().iter().find(|i| i["sop_instance"] == stranger.sop.as_str()).unwrap();
    assert_eq!(row["reason"]["code"], "other_patient", "{study:#}");
    for copies in pacs.shelf().values() {
        let texts = Object::read(&copies[0].1).texts();
        assert!(!texts.iter().any(|t| t.contains(&stranger.sop)), "the stranger's film stands in a report");
    }
}

#[test]
fn a_strangers_film_that_takes_over_from_its_damaged_copy_is_still_a_strangers() {
    let home = Home::new(&[]);
    let node = home.start();
    let film = fixture("pa_ap_1_pa");
    let whole = strangers_film(&home, &film);
    let bytes = std::fs::read(&whole.path).unwrap();
    let cut = home.dir.path().join("cut.dcm");
    std::fs::write(&cut, &bytes[..bytes.len() - 20_000]).unwrap();
    for film in [&film, &Film::of(&cut), &whole] {
        must_push(node.dicom, film);
    }
    let instance = until("the whole film is compared", || {
        let instance = node.get(&format!("/api/v1/instances/{}", whole.sop));
        (instance["variants"][0]["state"] == "variant").then_some(instance)
    });
    assert_eq!(instance["reason"]["code"], "other_patient", "{instance:#}");
    let study = node.settled(&film.study, 1);
    assert_eq!(study["study"]["state"], "analyzed", "{study:#}");
}

#[test]
fn a_film_received_without_a_model_is_judged_by_the_models_ages_later() {
    let home = Home::new(&[]);
    let film = fixture("child_5y");
    let node = home.start_with(&[("CENTINELA__ANALYZE__ENABLED", "false")]);
    must_push(node.dicom, &film);
    node.stop();
    let node = home.start();
    let study = node.settled(&film.study, 1);
    assert_eq!(study["instances"][0]["reason"]["code"], "age", "{study:#}");
    assert_eq!(study["study"]["state"], "skipped");
}
