//! Quarantine: two different films under one UID, and what a person can do about it.

use crate::harness::films::{Film, write};
use crate::harness::kept::{files, files_come_to};
use crate::harness::modality::{must_push, push};
use crate::harness::node::{Home, Node, Peer};
use crate::harness::objects::Object;
use crate::harness::pacs::Pacs;
use crate::harness::{running, until};
use centinela::analyze::compare;
use centinela::cli::serve::{Role, Running};
use centinela::clock::Clock;
use centinela::config::Conflicts;
use centinela::store::instances::{self, InstanceRow};
use centinela::store::jobs::{self, JobKind};
use centinela::store::variants;
use centinela_domain::status::DimseStatus;
use centinela_phantom::{Pathology, collection};
use serde_json::Value;
use std::path::Path;

/// A film, and another picture under the same UIDs.
fn twins(folder: &Path) -> (Film, Film) {
    let mut spec = collection(1, 320).next().unwrap();
    let first = write(folder, &spec);
    let kept = folder.join("first.dcm");
    std::fs::rename(&first.path, &kept).unwrap();
    spec.pathology = vec![Pathology::Cardiomegaly];
    let second = write(folder, &spec);
    assert_eq!(second.sop, first.sop);
    (Film { path: kept, ..first }, second)
}

fn list(node: &Node<'_>) -> Vec<Value> {
    node.get("/api/v1/quarantine")["quarantine"].as_array().unwrap().clone()
}

/// Pushes both and waits until the second is in quarantine.
fn quarantined(node: &Node<'_>, (first, second): &(Film, Film)) -> Value {
    must_push(node.dicom, first);
    node.settled(&first.study, 1);
    must_push(node.dicom, second);
    until("the second is in quarantine", || list(node).pop())
}

fn decide(node: &Node<'_>, entry: &Value, what: &str) -> u16 {
    node.ask("POST", &format!("/api/v1/quarantine/{}/{what}", entry["id"].as_str().unwrap())).status
}

fn instance(node: &Node<'_>, film: &Film) -> Value {
    node.get(&format!("/api/v1/instances/{}", film.sop))
}

fn happened(study: &Value, kind: &str) -> bool {
    study["timeline"].as_array().unwrap().iter().any(|e| e["kind"] == kind)
}

#[test]
fn keeping_the_first_ends_it_and_changes_nothing() {
    let home = Home::new(&[]);
    let node = home.start();
    let films = twins(home.dir.path());
    let entry = quarantined(&node, &films);
    assert_eq!(entry["reason"], "pixels differ", "{entry:#}");
    let before = instance(&node, &films.0);
    assert_eq!(decide(&node, &entry, "keep-first"), 202);
    assert!(list(&node).is_empty());
    assert_eq!(decide(&node, &entry, "take-second"), 409, "decided once");
    let after = instance(&node, &films.0);
    assert_eq!(before["digest"], after["digest"]);
    assert_eq!(after["variants"][0]["resolution"], "kept_first", "{after:#}");
    assert!(happened(&node.settled(&films.0.study, 1), "quarantine_resolved"));
}

#[test]
fn taking_the_second_gives_a_revision_and_keeps_the_first_bytes() {
    let pacs = Pacs::start();
    let home = Home::new(&[Peer::pacs(pacs.port, "full")]);
    let node = home.start();
    let films = twins(home.dir.path());
    let entry = quarantined(&node, &films);
    let before = instance(&node, &films.0);
    let sent = pacs.shelf();
    assert_eq!(decide(&node, &entry, "take-second"), 202);
    let study = until("the next revision settles", || {
        node.study(&films.0.study).filter(|study| study["study"]["revision"] == 2)
    });
    assert!(happened(&study, "study_reopened"), "{study:#}");
    let study = node.settled(&films.0.study, 2);
    let after = instance(&node, &films.0);
    assert_eq!(after["digest"], before["variants"][0]["digest"], "the second is in its place");
    assert_eq!(after["variants"][0]["digest"], before["digest"], "the first is kept beside it");
    assert_eq!(after["variants"][0]["resolution"], "took_second");
    assert_eq!(after["predictions"].as_array().unwrap().len(), 1, "{after:#}");
    assert!(list(&node).is_empty());
    let shelf = pacs.shelf();
    for (sop, copies) in &sent {
        assert_eq!(shelf[sop], *copies, "what was sent is not sent again, nor altered");
    }
    let report = |revision: i64| {
        let results = study["results"].as_array().unwrap();
        let row = results.iter().find(|r| r["kind"] == "sr" && r["revision"] == revision).unwrap();
        Object::read(&shelf[row["sop_instance"].as_str().unwrap()][0].1)
    };
    assert_eq!(report(2).predecessors, [report(1).sop]);
}

#[test]
fn taking_the_second_of_another_patient_makes_the_study_that_patients() {
    let home = Home::new(&[]);
    let node = home.start();
    let mut spec = collection(1, 320).next().unwrap();
    let first_patients_next = {
        let next = centinela_phantom::Spec { key: format!("{}-b", spec.key), ..spec.clone() };
        write(home.dir.path(), &next)
    };
    let first = write(home.dir.path(), &spec);
    let kept = home.dir.path().join("first.dcm");
    std::fs::rename(&first.path, &kept).unwrap();
    spec.patient.id = "SOMEBODY-ELSE".into();
    let second = write(home.dir.path(), &spec);
    spec.key += "-c";
    let second_patients_next = write(home.dir.path(), &spec);
    assert_eq!(first.study, second_patients_next.study);
    let entry = quarantined(&node, &(Film { path: kept, ..first.clone() }, second));
    assert_eq!(decide(&node, &entry, "take-second"), 202);
    node.settled(&first.study, 2);
    // The second says now whose study it is.
    for film in [&first_patients_next, &second_patients_next] {
        must_push(node.dicom, film);
    }
    let study = node.settled(&first.study, 3);
    assert_eq!(instance(&node, &first_patients_next)["reason"]["code"], "other_patient", "{study:#}");
    assert_eq!(instance(&node, &second_patients_next)["status"], "analyzed", "{study:#}");
}

#[test]
fn a_film_of_another_study_cannot_take_the_place() {
    let home = Home::new(&[]);
    let node = home.start();
    let (first, _) = twins(home.dir.path());
    let mut bytes = std::fs::read(&first.path).unwrap();
    let study = first.study.as_bytes();
    let at: Vec<usize> = (0..bytes.len() - study.len()).filter(|at| bytes[*at..].starts_with(study)).collect();
    for at in at {
        let last = at + study.len() - 1;
        bytes[last] = if bytes[last] == b'1' { b'2' } else { b'1' };
    }
    let path = home.dir.path().join("other.dcm");
    std::fs::write(&path, bytes).unwrap();
    let other = Film::of(&path);
    assert!(other.study != first.study && other.sop == first.sop, "{other:?}");
    let entry = quarantined(&node, &(first.clone(), other));
    assert_eq!(decide(&node, &entry, "take-second"), 202);
    let entry = until("the order is refused", || {
        list(&node).pop().filter(|e| e["reason"].as_str().unwrap().contains("another study"))
    });
    assert!(happened(&node.settled(&first.study, 1), "quarantine_kept"), "{entry:#}");
    assert_eq!(decide(&node, &entry, "keep-first"), 202);
    assert!(list(&node).is_empty());
}

#[test]
fn refusing_conflicts_keeps_nothing_of_the_second() {
    let home = Home::new(&[]).set("CENTINELA__DICOM__CONFLICTS", "refuse");
    let node = home.start();
    let (first, second) = twins(home.dir.path());
    must_push(node.dicom, &first);
    assert_eq!(push(node.dicom, &second).unwrap(), DimseStatus(0x0111));
    must_push(node.dicom, &first);
    let after = instance(&node, &first);
    assert!(after["variants"].as_array().unwrap().is_empty(), "{after:#}");
    assert!(list(&node).is_empty());
    assert_eq!(files(&home.data().join("blobs/instances")), 1);
    node.settled(&first.study, 1);
}

/// All four wait for one commit: the database is held until their files are there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_conflict_takes_nobody_else_with_it() {
    let (dir, shop) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut config = running::config(&dir.path().join("data"), running::MODALITY);
    config.settings.dicom.conflicts = Conflicts::Refuse;
    config.settings.analyze.enabled = false;
    let node = Running::start(config, Clock::fixed(1_800_000_000_000), &[Role::Scp]).await.unwrap();
    let (app, port) = (node.app.clone(), node.dicom.unwrap().port());
    let (first, second) = twins(shop.path());
    let mut others = collection(3, 320).skip(1).map(|spec| write(shop.path(), &spec));
    let (before, after) = (others.next().unwrap(), others.next().unwrap());
    let folder = dir.path().join("data/blobs/instances");
    let come_to = async |count: usize| files_come_to(&folder, count).await;
    let held = app.db.write().await.unwrap();
    let mut pushes = Vec::new();
    // The first is alone in its group, the rest gather behind it.
    for (n, film) in [&before, &first, &second, &after].into_iter().enumerate() {
        let film = film.clone();
        pushes.push(tokio::task::spawn_blocking(move || push(port, &film).unwrap()));
        come_to(n + 1).await;
    }
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    drop(held);
    let mut statuses = Vec::new();
    for pushed in pushes {
        statuses.push(pushed.await.unwrap().0);
    }
    assert_eq!((statuses[0], statuses[3]), (0, 0), "{statuses:04X?}");
    assert_eq!(statuses[1].max(statuses[2]), 0x0111, "{statuses:04X?}");
    assert_eq!(statuses[1].min(statuses[2]), 0, "{statuses:04X?}");
    come_to(3).await;
    drop(app);
    node.run_until(async {}).await.unwrap();
}

/// The database is held while the job looks at the bytes; meanwhile the first gets another key.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_changed_while_it_was_compared_is_compared_again() {
    let (dir, shop) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let config = running::config(&dir.path().join("data"), running::MODALITY);
    let node = Running::start(config, Clock::fixed(1_800_000_000_000), &[Role::Scp]).await.unwrap();
    let (app, port) = (node.app.clone(), node.dicom.unwrap().port());
    let (first, second) = twins(shop.path());
    let sop = first.sop.clone();
    for film in [first, second] {
        let pushed = tokio::task::spawn_blocking(move || push(port, &film).unwrap()).await.unwrap();
        assert_eq!(pushed, DimseStatus::SUCCESS);
    }
    let mut tx = app.db.write().await.unwrap();
    let job = loop {
        let job = jobs::claim(&mut tx, "w", app.clock.now(), 3_600_000).await.unwrap().unwrap();
        if job.kind == JobKind::Compare.as_str() {
            break job;
        }
    };
    tx.commit().await.unwrap();
    let variant = async || variants::of_instance(&mut app.db.read().await.unwrap(), &sop).await.unwrap().remove(0);
    for resolution in [None, Some("take_second")] {
        let mut held = app.db.write().await.unwrap();
        if let Some(resolution) = resolution {
            assert!(variants::resolve(&mut held, &job.subject, resolution, 1).await.unwrap());
            held.commit().await.unwrap();
            held = app.db.write().await.unwrap();
        }
        let (at_work, claimed) = (app.clone(), job.clone());
        let looking = tokio::spawn(async move { compare::run(&at_work, &claimed).await });
        tokio::time::sleep(std::time::Duration::from_secs(2)).await;
        let row = instances::find(&mut held, &sop).await.unwrap().unwrap();
        let blob = format!("{}-moved", row.blob);
        std::fs::rename(dir.path().join("data/blobs").join(&row.blob), dir.path().join("data/blobs").join(&blob))
            .unwrap();
        instances::take_over(&mut held, &InstanceRow { blob, ..row }).await.unwrap();
        held.commit().await.unwrap();
        let error = looking.await.unwrap().unwrap_err();
        assert!(error.to_string().contains("changed while"), "{error:#}");
        if resolution.is_none() {
            assert_eq!(variant().await.state, "pending");
            compare::run(&app, &job).await.unwrap();
            assert_eq!(variant().await.state, "quarantined");
            let mut tx = app.db.write().await.unwrap();
            assert_eq!(jobs::again(&mut tx, JobKind::Compare, &job.subject, 1).await.unwrap(), 1);
            tx.commit().await.unwrap();
        }
    }
    assert_eq!(variant().await.resolution.as_deref(), Some("take_second"), "still to be done");
    drop(app);
    node.run_until(async {}).await.unwrap();
}

#[test]
fn the_second_can_take_the_place_of_a_deleted_first() {
    let home = Home::new(&[]).set("CENTINELA__STORAGE__KEEP_DAYS", "0.00003").set("CENTINELA__STORAGE__KEEP_MIN", "0");
    let node = home.start();
    let (first, second) = twins(home.dir.path());
    must_push(node.dicom, &first);
    until("the first is deleted", || instance(&node, &first)["deleted_at"].as_str().map(drop));
    must_push(node.dicom, &second);
    let entry = until("the second is in quarantine", || list(&node).pop());
    assert!(entry["reason"].as_str().unwrap().contains("deleted by retention"), "{entry:#}");
    assert_eq!(decide(&node, &entry, "take-second"), 202);
    let study = until("the next revision settles", || {
        node.study(&first.study).filter(|s| s["study"]["revision"] == 2 && s["study"]["state"] == "analyzed")
    });
    assert_eq!(study["results"].as_array().unwrap().len(), 2, "a report for each revision: {study:#}");
    let after = instance(&node, &first);
    assert!(after["variants"][0]["deleted_at"].is_string(), "the first is gone: {after:#}");
}
