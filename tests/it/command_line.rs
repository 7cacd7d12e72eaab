//! The commands besides `serve`: their exit codes and what they print.

use crate::harness::films::fixture;
use crate::harness::node::{Home, Peer};
use crate::harness::pacs::Pacs;
use crate::harness::tools::storescu;

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn defaults_are_printed_as_they_stand_in_the_tree() {
    let home = Home::new(&[]);
    let done = home.command(&["config", "default"]).output().unwrap();
    assert_eq!(text(&done.stdout), include_str!("../../conf/centinela.toml"));
    let done = home.command(&["config", "default", "--ae-titles"]).output().unwrap();
    assert_eq!(text(&done.stdout), include_str!("../../conf/ae-titles.toml"));
    assert_eq!(home.command(&["config", "check"]).status().unwrap().code(), Some(0));
    assert_eq!(home.command(&["frobnicate"]).output().unwrap().status.code(), Some(2));
}

#[test]
fn echo_and_send_tell_success_and_failure() {
    let pacs = Pacs::start();
    let gone = { Pacs::start().port };
    let peer = |name: &str, port| Peer { name: name.into(), ..Peer::pacs(port, "none") };
    let home = Home::new(&[peer("pacs", pacs.port), peer("gone", gone)]);
    let echo = |name: &str| home.command(&["echo", name]).output().unwrap();
    assert_eq!(echo("pacs").status.code(), Some(0));
    let failed = echo("gone");
    assert_eq!(failed.status.code(), Some(1));
    assert!(text(&failed.stderr).contains("cannot connect"), "{}", text(&failed.stderr));
    let unknown = echo("nobody");
    assert!(text(&unknown.stderr).contains("\"pacs\""), "known names are told: {}", text(&unknown.stderr));

    let film = fixture("dx_normal");
    let done = home.command(&["send", "pacs", film.path.to_str().unwrap()]).output().unwrap();
    assert_eq!(done.status.code(), Some(0), "{}", text(&done.stderr));
    assert!(pacs.shelf().contains_key(&film.sop));
    let done = home.command(&["send", "gone", film.path.to_str().unwrap()]).output().unwrap();
    assert_eq!(done.status.code(), Some(1));
}

#[test]
fn models_are_listed_and_verified() {
    let home = Home::new(&[]);
    let listed = home.command(&["model", "list"]).output().unwrap();
    assert!(text(&listed.stdout).contains("cxr-demo"), "{}", text(&listed.stderr));
    let verified = home.command(&["model", "verify"]).output().unwrap();
    assert_eq!(verified.status.code(), Some(0), "{}", text(&verified.stderr));
    assert!(text(&verified.stdout).contains("golden outputs ok"));
    let unknown = home.command(&["model", "verify", "no-such-model"]).output().unwrap();
    assert_eq!(unknown.status.code(), Some(1));
    assert!(text(&unknown.stderr).contains("no-such-model"));
}

#[test]
fn imported_weights_are_found_by_name_and_score_films() {
    let home = Home::new(&[]);
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let weights = root.join("models/tests/data/import/legacy_module.pt");
    let import = |version: &str, more: &[&str]| {
        let flags = ["model", "import", weights.to_str().unwrap(), "--name", "site-xrv", "--version", version];
        home.command(&[&flags[..], more].concat()).output().unwrap()
    };
    let refused = import("1", &[]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(text(&refused.stderr).contains("--family"), "{}", text(&refused.stderr));
    let done = import("1", &["--family", "rsna"]);
    assert_eq!(done.status.code(), Some(0), "{}", text(&done.stderr));
    assert!(text(&done.stdout).contains("2 labels (Pneumonia, Lung Opacity)"), "{}", text(&done.stdout));
    let twice = import("1", &["--family", "rsna"]);
    assert!(text(&twice.stderr).contains("is there already"), "{}", text(&twice.stderr));

    let home = home.set("CENTINELA__ANALYZE__MODEL", "site-xrv");
    let out = home.dir.path().join("out");
    let film = fixture("dx_normal");
    let flags = ["analyze", film.path.to_str().unwrap(), "--out", out.to_str().unwrap()];
    let done = home.command(&flags).output().unwrap();
    assert_eq!(done.status.code(), Some(0), "{}", text(&done.stderr));
    let entries = std::fs::read(out.join("findings.json")).unwrap();
    let entries: serde_json::Value = serde_json::from_slice(&entries).unwrap();
    let scores = entries[0]["scores"].as_object().unwrap();
    let labels: Vec<_> = scores.keys().map(String::as_str).collect();
    assert_eq!(labels, ["Lung Opacity", "Pneumonia"]);
    assert_eq!(entries[0]["model"]["name"], "site-xrv");
}

#[test]
fn a_second_process_on_the_same_data_is_refused() {
    let home = Home::new(&[]);
    let node = home.start();
    let second = home.command(&["serve", "--dicom-port", "0", "--api-port", "0"]).output().unwrap();
    assert_eq!(second.status.code(), Some(1));
    assert!(text(&second.stderr).contains("in use by another centinela process"), "{}", text(&second.stderr));
    node.stop();
}

#[test]
fn the_demonstration_ends_well() {
    let home = Home::new(&[]);
    let out = home.dir.path().join("pacs");
    let done = std::process::Command::new(env!("CARGO_BIN_EXE_centinela"))
        .args(["demo", "--out", out.to_str().unwrap()])
        .output()
        .unwrap();
    let shown = text(&done.stdout);
    assert!(done.status.success(), "{shown}\n{}", text(&done.stderr));
    assert!(shown.contains("ms to PACS"), "{shown}");
    assert!(std::fs::read_dir(out).unwrap().count() > 5, "{shown}");
}

#[test]
fn dcmtk_echoes_and_stores() {
    let home = Home::new(&[]);
    let node = home.start();
    let port = node.dicom.to_string();
    let echo = crate::harness::tools::run("echoscu", &["-aet", "MODALITY", "-aec", "CENTINELA", "127.0.0.1", &port]);
    assert!(echo.status.success());
    let (a, b) = (fixture("dx_normal"), fixture("hip"));
    assert!(storescu(node.dicom, &[], &[&a.path, &b.path]));
    for film in [a, b] {
        node.get(&format!("/api/v1/instances/{}", film.sop));
    }
}
