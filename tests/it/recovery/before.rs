//! T30, second half: a data directory that the program before the last change of the schema left with work in every
//! state. Ours starts on it and finishes everything; the old one refuses what ours has made of it.
//!
//! `make test` takes the directory that `tests/data-before` holds; `make test-faults` builds that program, has it leave
//! one for each seed, and keeps the first one there where it is asked to.

use super::oracle::{Copies, rows};
use super::scene::{Case, End, Has, Modality, World, home, play, specimen};
use crate::harness::films::{Film, write};
use crate::harness::halting::HaltingPush;
use crate::harness::modality::{must_push, push};
use crate::harness::node::{Home, Peer};
use crate::harness::pacs::Pacs;
use crate::harness::proxy::{Fault, Proxy};
use crate::harness::tools::must;
use crate::harness::until;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// The program before, built with failpoints.
const PROGRAM: &str = "CENTINELA_PROGRAM_BEFORE";
/// Where to keep what it left, as an archive.
const KEEP: &str = "CENTINELA_KEEP_BEFORE";

fn archive() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data-before/data.tar.gz")
}

/// The films that are there, the same ones for the same seed on every machine.
fn films(folder: &Path, seed: u64) -> Vec<Film> {
    let film = |n: u64| {
        let side = 160 + (seed * 37 + n * 11) % 60;
        let mut spec = specimen(seed * 5 + n, side as u16);
        spec.study.key = format!("before-{seed}-{n}");
        spec.key.clone_from(&spec.study.key);
        write(folder, &spec)
    };
    (0..6).map(film).collect()
}

/// Where the third film's job dies.
const STEPS: [&str; 5] = ["job.claimed", "predict.done", "report.built", "report.blob_durable", "report.rows_written"];

/// Runs the program and leaves work in every state; gives what the PACS has.
fn leave(home: &Home, line: &Proxy, pacs: &Pacs, films: &[Film], seed: u64) -> Copies {
    let [delivered, waiting, running, complete, receiving, half] = films else { panic!("six films") };
    let node = home.start();
    must_push(node.dicom, delivered);
    node.settled(&delivered.study, 1);
    // No association stays open over which the next results could go.
    node.kill();
    line.set(Fault::CutAfter(0));
    let node = home.start();
    must_push(node.dicom, waiting);
    until("its results wait", || {
        let states = rows(&home.data(), "select state from delivery where state = 'scheduled' and attempts > 0");
        (!states.is_empty()).then_some(())
    });
    node.kill();
    let node = home.start_with(&[("CENTINELA_FAILPOINT", STEPS[seed as usize % STEPS.len()])]);
    let _ = push(node.dicom, running);
    assert!(!node.wait().success(), "the failpoint did not fire");
    let node = home.start_with(&[("CENTINELA__ANALYZE__ENABLED", "false")]);
    must_push(node.dicom, complete);
    let state = |film: &Film| node.study(&film.study).unwrap()["study"]["state"].clone();
    until("it is complete", || (state(complete) == "complete").then_some(()));
    must_push(node.dicom, receiving);
    let push = HaltingPush::begin(node.dicom, half, 20_000).unwrap();
    node.kill();
    drop(push);
    Has::Pacs(pacs).copies()
}

/// What was left is what was meant to be left.
fn assert_left(home: &Home) {
    let has = |sql: &str| assert!(!rows(&home.data(), sql).is_empty(), "nothing was left of: {sql}");
    has("select id from delivery where state = 'accepted'");
    has("select id from delivery where state in ('scheduled', 'sending')");
    has("select id from job where state = 'running'");
    has("select id from job where state = 'queued' and kind = 'predict'");
    has("select id from job where state = 'queued' and kind = 'report'");
    has("select study_uid from study where state = 'complete'");
    has("select study_uid from study where state = 'receiving'");
}

/// Starts on what was left and finishes it.
fn finish(case: &mut Case<'_>, home: &Home, pacs: &Pacs, films: Vec<Film>, before: &Copies) {
    let mut modality = Modality::with(films);
    let known = rows(&home.data(), "select sop_instance from instance");
    for film in modality.films.clone() {
        if known.iter().any(|row| row["sop_instance"] == film.sop.as_str()) {
            modality.note(&film);
        }
    }
    let node = home.start();
    modality.finish(node.dicom);
    let end = End { destinations: vec![("pacs", Has::Since(before, pacs))], again: true, poisoned: BTreeSet::new() };
    case.judge(&node, &modality, &end);
    node.stop();
}

#[test]
fn t30_a_data_directory_of_the_schema_before() {
    let Ok(program) = std::env::var(PROGRAM) else {
        return play("T30", "start on a data directory of the schema before, as it was kept", |case| {
            let pacs = Pacs::start();
            let home = home(&[Peer::pacs(pacs.port, "compat")]);
            must("tar", &["-xzf", archive().to_str().unwrap(), "-C", home.dir.path().to_str().unwrap()]);
            let before: Copies =
                serde_json::from_str(&fs::read_to_string(home.dir.path().join("pacs.json")).unwrap()).unwrap();
            assert_left(&home);
            let films = films(home.dir.path(), 0);
            finish(case, &home, &pacs, films, &before);
        });
    };
    play("T30", "start on what the program before the last change of the schema left, in every state", |case| {
        // The archive is that of seed 0.
        let seed = case.seed - 1;
        let World { home, pacs, line } = World::new();
        let home = home.with_peers(&[Peer::pacs(line.port, "compat")]).program(Path::new(&program));
        let films = films(home.dir.path(), seed);
        let before = leave(&home, &line, &pacs, &films, seed);
        assert_left(&home);
        fs::write(home.dir.path().join("pacs.json"), serde_json::to_string(&before).unwrap()).unwrap();
        if let (Ok(to), 0) = (std::env::var(KEEP), seed) {
            must("tar", &["-czf", &to, "-C", home.dir.path().to_str().unwrap(), "data", "pacs.json"]);
        }
        line.set(Fault::None);
        let now = Copies::new();
        let home = home.program(Path::new(env!("CARGO_BIN_EXE_centinela")));
        finish(case, &home, &pacs, films, &now);
        let home = home.program(Path::new(&program));
        let refused = home.command(&["serve", "--dicom-port", "0", "--api-port", "0"]).output().unwrap();
        let said = format!("{}{}", String::from_utf8_lossy(&refused.stdout), String::from_utf8_lossy(&refused.stderr));
        assert_eq!(refused.status.code(), Some(1), "the old program takes a newer database: {said}");
        assert!(said.contains("migration"), "it does not say why: {said}");
    });
}
