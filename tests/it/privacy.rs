//! No protected health information leaves by a side door: logs, metrics, API.

use crate::harness::api::request;
use crate::harness::films::{Film, fixture};
use crate::harness::modality::push;
use crate::harness::node::{Home, Peer};
use crate::harness::pacs::Pacs;
use crate::harness::until;
use centinela_phantom::PATIENT_NAMES;
use std::path::Path;

#[test]
fn names_stay_out_of_logs_metrics_and_answers() {
    let pacs = Pacs::start();
    let home = Home::new(&[Peer::pacs(pacs.port, "compat")]).set("CENTINELA__LOG__LEVEL", "trace");
    let node = home.start();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/dicom-fixtures");
    let mut films: Vec<Film> = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|e| e == "dcm") {
            films.push(fixture(path.file_stem().unwrap().to_str().unwrap()));
        }
    }
    assert!(films.len() > 20);
    for film in &films {
        push(node.dicom, film).unwrap();
    }
    pacs.answer(0xC000);
    let mut answers = String::new();
    for film in &films {
        let study = until("the study settles", || {
            let study = node.study(&film.study)?;
            ["analyzed", "skipped"].contains(&study["study"]["state"].as_str()?).then_some(study)
        });
        answers += &study.to_string();
        answers += &node.get(&format!("/api/v1/instances/{}", film.sop)).to_string();
    }
    answers += &request(node.api, "GET", "/metrics", None).unwrap().body;
    answers += &node.ask("GET", "/api/v1/nothing").body;
    node.kill();
    let logs = home.logs();
    for name in PATIENT_NAMES {
        for part in name.split(['^', '=', ' ']).filter(|p| p.len() > 3) {
            assert!(!logs.contains(part), "the log holds {part:?}");
            assert!(!answers.contains(part), "an answer holds {part:?}");
        }
    }
}

#[test]
fn without_a_token_every_api_call_is_401_and_the_node_still_runs() {
    let home = Home::new(&[]);
    let node = home.start();
    for path in ["studies", "studies/1.2.3", "instances/1.2.3", "jobs", "deliveries", "peers", "models"] {
        for token in [None, Some("ctl_wrong")] {
            let answer = request(node.api, "GET", &format!("/api/v1/{path}"), token).unwrap();
            assert_eq!(answer.status, 401, "{path}: {answer:?}");
            assert!(answer.head.contains("application/problem+json"), "{answer:?}");
        }
    }
    for path in ["/healthz", "/readyz", "/metrics"] {
        assert_eq!(request(node.api, "GET", path, None).unwrap().status, 200, "{path}");
    }
}
