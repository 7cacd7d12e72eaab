//! Results are taken back by a note that names what a destination has, and by no other means.

use crate::harness::films::{fixture, write};
use crate::harness::modality::must_push;
use crate::harness::node::{Home, Node, Peer};
use crate::harness::objects::Object;
use crate::harness::pacs::Pacs;
use crate::harness::tools::{free_port, must, run};
use crate::harness::until;
use centinela_phantom::collection;
use dicom_dictionary_std::tags;
use dicom_object::InMemDicomObject;
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;

const REASON: &str = "shown%20to%20Zimmermann:%20wrong%20side";

fn withdraw(node: &Node<'_>, study: &str, query: &str) -> (u16, Value) {
    let answer = node.ask("POST", &format!("/api/v1/studies/{study}/withdraw{query}"));
    (answer.status, answer.json())
}

fn rows(study: &Value, kind: &str) -> Vec<Value> {
    let rows = study["results"].as_array().unwrap().iter();
    rows.filter(|row| (row["kind"] == "note") == (kind == "note")).cloned().collect()
}

/// SOP Instance UIDs of the content items that refer to an object.
fn referenced(bytes: &[u8]) -> BTreeSet<String> {
    let file = dicom_object::from_reader(bytes).unwrap();
    let items = file.get(tags::CONTENT_SEQUENCE).unwrap().items().unwrap();
    let uid = |item: &InMemDicomObject| {
        let reference = item.get(tags::REFERENCED_SOP_SEQUENCE)?.items()?.first()?.clone();
        Some(
            reference.element(tags::REFERENCED_SOP_INSTANCE_UID).ok()?.to_str().ok()?.trim_end_matches('\0').to_owned(),
        )
    };
    items.iter().filter_map(uid).collect()
}

#[test]
fn a_note_reaches_whoever_has_the_results_and_the_rest_is_not_sent() {
    let pacs = Pacs::start();
    let away = free_port();
    let absent = Peer { name: "away".into(), ae_title: "AWAY".into(), ..Peer::pacs(away, "full") };
    let home = Home::new(&[Peer::pacs(pacs.port, "compat"), absent]).synthetic_map();
    let node = home.start();
    let film = fixture("dx_portrait_mono2_14");
    must_push(node.dicom, &film);
    let there = |study: &Value| {
        let here = study["deliveries"].as_array().unwrap().iter().filter(|d| d["destination"] == "pacs");
        here.clone().count() > 2 && here.clone().all(|d| d["state"] == "accepted")
    };
    until("the PACS has the results", || node.study(&film.study).filter(there));

    assert_eq!(withdraw(&node, &film.study, "").0, 400, "a reason is wanted");
    assert_eq!(withdraw(&node, &film.study, "?reason=a%0Ab").0, 400, "of one line");
    assert_eq!(withdraw(&node, "1.2.3.4", &format!("?reason={REASON}")).0, 404);
    let (status, done) = withdraw(&node, &film.study, &format!("?title=safety&reason={REASON}"));
    assert_eq!(status, 202, "{done:#}");
    let study = node.study(&film.study).unwrap();
    let (results, notes) = (rows(&study, ""), rows(&study, "note"));
    assert!(results.iter().all(|row| row["withdrawn_at"].is_string()), "{results:#?}");
    assert_eq!(done["results"].as_u64(), Some(results.len() as u64), "{done:#}");
    let told: BTreeSet<&str> = done["destinations"].as_array().unwrap().iter().map(|d| d.as_str().unwrap()).collect();
    assert!(told.contains("pacs"), "{done:#}");
    // The destination that is away may have what was tried: it gets a note of that in place of all results.
    let is_note = |d: &Value| notes.iter().any(|note| note["sop_instance"] == d["result"]);
    let waits = study["deliveries"].as_array().unwrap().iter().filter(|d| d["destination"] == "away");
    assert!(waits.clone().all(is_note), "{study:#}");

    let to_pacs = |d: &&Value| d["destination"] == "pacs" && is_note(d);
    let uid =
        study["deliveries"].as_array().unwrap().iter().find(to_pacs).unwrap()["result"].as_str().unwrap().to_owned();
    let note = until("the note arrives", || pacs.shelf().get(&uid).map(|copies| copies[0].1.clone()));
    let sent: BTreeSet<String> = pacs.shelf().into_keys().filter(|sop| *sop != uid).collect();
    assert_eq!(referenced(&note), sent, "exactly what this destination has");
    let file = home.dir.path().join("note.dcm");
    fs::write(&file, &note).unwrap();
    let said = run("dciodvfy", &["-new", file.to_str().unwrap()]);
    let said = String::from_utf8_lossy(&said.stderr).into_owned() + &String::from_utf8_lossy(&said.stdout);
    assert!(!said.contains("Error") && !said.contains("Warning") && said.contains("KeyObjectSelection"), "{said}");
    let dump = must("dsrdump", &["+Pl", file.to_str().unwrap()]);
    assert!(dump.contains("Rejected for Patient Safety Reasons") && dump.contains("wrong side"), "{dump}");
    assert!(!home.logs().contains("Zimmermann") && !node.ask("GET", "/metrics").body.contains("Zimmermann"));
    assert!(!study["timeline"].to_string().contains("Zimmermann"), "free text stays out of events");
    let notes_reason = notes[0]["reason"].as_str().unwrap();
    assert_eq!(notes_reason, "shown to Zimmermann: wrong side");

    assert_eq!(withdraw(&node, &film.study, "?reason=again").0, 409, "nothing counts any more");
    node.stop();
}

#[test]
fn a_report_after_a_withdrawal_names_no_predecessor_and_can_be_withdrawn_itself() {
    let pacs = Pacs::start();
    let home = Home::new(&[Peer::pacs(pacs.port, "research")]);
    let node = home.start();
    let (first, late) = (fixture("pa_ap_1_pa"), fixture("pa_ap_2_ap"));
    must_push(node.dicom, &first);
    node.settled(&first.study, 1);
    assert_eq!(withdraw(&node, &first.study, "?reason=test").0, 202);
    must_push(node.dicom, &late);
    let study = node.settled(&first.study, 2);
    let report = rows(&study, "").into_iter().find(|row| row["revision"] == 2).unwrap();
    let uid = report["sop_instance"].as_str().unwrap();
    assert!(Object::read(&pacs.shelf()[uid][0].1).predecessors.is_empty());
    let (status, done) = withdraw(&node, &first.study, "?title=worklist&reason=test");
    assert_eq!((status, done["results"].as_u64()), (202, Some(1)), "{done:#}");
    let study = node.settled(&first.study, 2);
    let notes = rows(&study, "note");
    assert_eq!(notes.len(), 2, "{notes:#?}");
    let second = notes[1]["sop_instance"].as_str().unwrap();
    assert_eq!(referenced(&pacs.shelf()[second][0].1), BTreeSet::from([uid.to_owned()]));
}

#[test]
fn a_corrected_header_gives_a_revision_when_a_person_wants_it() {
    let pacs = Pacs::start();
    let home = Home::new(&[Peer::pacs(pacs.port, "research")]);
    let node = home.start();
    let spec = collection(1, 320).next().unwrap();
    let first = write(home.dir.path(), &spec);
    must_push(node.dicom, &first);
    let before = node.settled(&first.study, 1);
    let mut file = dicom_object::open_file(&first.path).unwrap();
    file.put_str(tags::ACCESSION_NUMBER, dicom_core::VR::SH, "CORRECTED");
    file.write_to_file(&first.path).unwrap();
    must_push(node.dicom, &first);
    let variant = until("the corrected film is compared", || {
        let instance = node.get(&format!("/api/v1/instances/{}", first.sop));
        instance["variants"].as_array()?.iter().find(|v| v["state"] == "variant").cloned()
    });
    let reason = variant["reason"].as_str().unwrap();
    assert!(reason.ends_with("; other AccessionNumber") && !reason.contains("CORRECTED"), "{reason}");
    assert_eq!(node.study(&first.study).unwrap()["results"], before["results"], "nothing by itself");
    let shelf = pacs.shelf();

    let id = variant["id"].as_str().unwrap();
    assert_eq!(
        node.ask("POST", &format!("/api/v1/quarantine/{id}/keep-first")).status,
        409,
        "the first is kept already"
    );
    assert_eq!(node.ask("POST", &format!("/api/v1/quarantine/{id}/take-second")).status, 202);
    until("the next revision settles", || node.study(&first.study).filter(|s| s["study"]["revision"] == 2));
    let study = node.settled(&first.study, 2);
    let uid = |revision: i64| {
        let row = rows(&study, "").into_iter().find(|row| row["revision"] == revision).unwrap();
        row["sop_instance"].as_str().unwrap().to_owned()
    };
    let (one, two) = (uid(1), uid(2));
    let now = pacs.shelf();
    assert_eq!(shelf[&one], now[&one], "what was built is never altered");
    let report = dicom_object::from_reader(now[&two][0].1.as_slice()).unwrap();
    assert_eq!(report.element(tags::ACCESSION_NUMBER).unwrap().to_str().unwrap(), "CORRECTED");
    assert_eq!(Object::read(&now[&two][0].1).predecessors, [one]);
}
