//! Honest silence: films that are not analysed get a reason in the API, in findings.json and, where
//! the destination wants it, in a not-analysed report.

use crate::harness::films::fixture;
use crate::harness::modality::must_push;
use crate::harness::node::{Home, Peer};
use crate::harness::objects::Object;
use crate::harness::pacs::Pacs;

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
