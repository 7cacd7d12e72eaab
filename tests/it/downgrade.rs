//! Reports for archives that take only an older class: what they get, what a revision names, and what a
//! kill leaves.

use crate::harness::dcmtk::{GSPS, SC, SR_3D, SR_COMPREHENSIVE, SR_ENHANCED, StoreScp, objects};
use crate::harness::films::fixture;
use crate::harness::modality::must_push;
use crate::harness::node::{Home, Node, Peer};
use crate::harness::objects::Object;
use crate::harness::pacs::Pacs;
use crate::harness::tools::{python, script};
use centinela::failpoint;
use dicom_dictionary_std::tags;
use serde_json::Value;
use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

fn class(object: &Object) -> String {
    object.data.element(tags::SOP_CLASS_UID).unwrap().to_str().unwrap().trim_end_matches('\0').to_owned()
}

fn reports(objects: Vec<Object>) -> Vec<Object> {
    objects.into_iter().filter(|object| object.modality == "SR").collect()
}

/// The rows of a study's reports: those that were built, and those that were made of them.
fn rows(node: &Node<'_>, study: &str) -> (Vec<Value>, Vec<Value>) {
    let study = node.study(study).unwrap();
    let rows = study["results"].as_array().unwrap().iter().filter(|r| r["kind"] == "sr").cloned();
    rows.partition(|row| row["derived_from"].is_null())
}

fn assert_downgraded(node: &Node<'_>, study: &str, wanted: &str, received: &[Object]) {
    let [report] = received else { panic!("{} reports", received.len()) };
    assert_eq!(class(report), wanted);
    let (built, made) = rows(node, study);
    assert_eq!((built.len(), made.len()), (1, 1));
    assert_eq!((&built[0]["sop_class"], &built[0]["destination"]), (&Value::from(SR_3D), &Value::Null));
    assert_eq!(made[0]["sop_class"], wanted);
    assert_eq!(made[0]["destination"], "pacs");
    assert_eq!(made[0]["derived_from"], built[0]["sop_instance"]);
    assert_eq!(made[0]["sop_instance"], report.sop.as_str());
    let events = node.get("/api/v1/events?kind=result_downgraded");
    let event = &events["events"][0];
    assert_eq!((&event["detail"]["class"], &event["study_uid"]), (&Value::from(wanted), &Value::from(study)));
}

#[test]
fn storescp_gets_the_class_that_it_takes() {
    for wanted in [SR_COMPREHENSIVE, SR_ENHANCED] {
        let pacs = StoreScp::taking(&[wanted, GSPS, SC]);
        let home = Home::new(&[Peer::pacs(pacs.port, "full")]).synthetic_map();
        let node = home.start();
        let film = fixture("dx_portrait_mono2_14");
        must_push(node.dicom, &film);
        node.settled(&film.study, 1);
        let received = pacs.received();
        assert!(received.iter().any(|object| object.modality == "PR"));
        assert_downgraded(&node, &film.study, wanted, &reports(received));
    }
}

#[test]
fn pynetdicom_gets_the_class_that_it_takes() {
    for wanted in [SR_COMPREHENSIVE, SR_ENHANCED] {
        let dir = tempfile::tempdir().unwrap();
        let out = dir.path().join("pacs");
        let mut pacs = Command::new(python())
            .arg(script("pynetdicom_peer.py"))
            .args(["receive", out.to_str().unwrap(), wanted])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(pacs.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let home = Home::new(&[Peer::pacs(line.trim().parse().unwrap(), "research")]);
        let node = home.start();
        let film = fixture("dx_opacity");
        must_push(node.dicom, &film);
        node.settled(&film.study, 1);
        drop(pacs.stdin.take());
        assert!(pacs.wait().unwrap().success());
        assert_downgraded(&node, &film.study, wanted, &reports(objects(&out)));
    }
}

#[test]
fn the_best_class_wins_and_the_newest_is_no_downgrade() {
    let pacs = StoreScp::taking(&[SR_ENHANCED, SR_3D, SR_COMPREHENSIVE]);
    let home = Home::new(&[Peer::pacs(pacs.port, "research")]);
    let node = home.start();
    let film = fixture("dx_opacity");
    must_push(node.dicom, &film);
    node.settled(&film.study, 1);
    let received = reports(pacs.received());
    assert_eq!(received.iter().map(class).collect::<Vec<_>>(), [SR_3D]);
    assert_eq!(rows(&node, &film.study).1, Vec::<Value>::new());
}

#[test]
fn each_destination_has_its_own_form_and_a_revision_names_it() {
    let old = Pacs::taking(0, &[SR_COMPREHENSIVE]);
    let new = Pacs::start();
    let modern = Peer { name: "new".into(), ..Peer::pacs(new.port, "research") };
    let home = Home::new(&[Peer::pacs(old.port, "research"), modern]);
    let node = home.start();
    let (first, late) = (fixture("pa_ap_1_pa"), fixture("pa_ap_2_ap"));
    must_push(node.dicom, &first);
    node.settled(&first.study, 1);
    must_push(node.dicom, &late);
    node.settled(&first.study, 2);
    let (built, made) = rows(&node, &first.study);
    assert_eq!((built.len(), made.len()), (2, 2));
    let uid = |row: &Value| row["sop_instance"].as_str().unwrap().to_owned();
    for (pacs, rows, wanted) in [(&old, &made, SR_COMPREHENSIVE), (&new, &built, SR_3D)] {
        let shelf = pacs.shelf();
        assert_eq!(shelf.len(), 2, "two revisions, one form of each");
        let [one, two] = [&rows[0], &rows[1]].map(|row| Object::read(&shelf[&uid(row)][0].1));
        assert_eq!((rows[0]["revision"].as_i64(), rows[1]["revision"].as_i64()), (Some(1), Some(2)));
        assert_eq!([class(&one), class(&two)], [wanted, wanted]);
        assert!(one.predecessors.is_empty());
        assert_eq!(two.predecessors, [one.sop], "the predecessor is what this destination has");
    }
}

#[test]
fn killed_while_a_report_is_rewritten_the_destination_has_it_once() {
    for name in failpoint::DOWNGRADE {
        let pacs = Pacs::taking(0, &[SR_ENHANCED]);
        let home = Home::new(&[Peer::pacs(pacs.port, "research")]);
        let film = fixture("dx_opacity");
        let node = home.start_with(&[("CENTINELA_FAILPOINT", name)]);
        must_push(node.dicom, &film);
        let status = node.wait();
        assert!(!status.success(), "{name}: the node ended with {status}");
        assert!(home.logs().contains(&format!("failpoint fired name={name}")), "{name} did not fire");
        assert!(pacs.shelf().is_empty(), "{name}: it was sent too early");
        let node = home.start();
        node.settled(&film.study, 1);
        let shelf = pacs.shelf();
        assert_eq!(shelf.values().map(Vec::len).collect::<Vec<_>>(), [1], "{name}");
        let received: Vec<_> = shelf.values().map(|copies| Object::read(&copies[0].1)).collect();
        assert_downgraded(&node, &film.study, SR_ENHANCED, &received);
    }
}
