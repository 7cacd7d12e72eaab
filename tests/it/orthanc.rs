//! The whole road with a real PACS: DCMTK's storescu pushes, Orthanc receives the results, and tools
//! that are not ours check them.

use crate::harness::films::{Film, fixture};
use crate::harness::node::{Home, Peer};
use crate::harness::tools::{free_port, must, python, script, storescu};
use crate::harness::{api, until};
use crate::judge;
use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Instant;
use tempfile::TempDir;

/// A PACS of its own.
pub struct Orthanc {
    pub dicom: u16,
    pub http: u16,
    child: Child,
    _dir: TempDir,
}

impl Orthanc {
    pub fn start() -> Self {
        Self::start_with(serde_json::json!({}))
    }

    /// With more, or other, settings.
    pub fn start_with(settings: serde_json::Value) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let http = settings["HttpPort"].as_u64().map_or_else(free_port, |port| u16::try_from(port).unwrap());
        let dicom = free_port();
        let config = dir.path().join("orthanc.json");
        let mut text = serde_json::json!({
            "Name": "PACS", "DicomAet": "PACS", "DicomPort": dicom, "HttpPort": http,
            "StorageDirectory": dir.path(), "IndexDirectory": dir.path(),
            "RemoteAccessAllowed": false, "AuthenticationEnabled": false, "DicomAlwaysAllowStore": true,
            "DicomCheckCalledAet": true, "Plugins": [],
        });
        text.as_object_mut().unwrap().extend(settings.as_object().unwrap().clone());
        fs::write(&config, text.to_string()).unwrap();
        let child = Command::new("Orthanc")
            .arg(&config)
            .env("TCP_NODELAY", "1")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|e| panic!("Orthanc: {e}; install it: apt-get install -y orthanc"));
        until("Orthanc answers", || api::request(http, "GET", "/system", None).filter(|a| a.status == 200));
        Self { dicom, http, child, _dir: dir }
    }

    /// Everything that it holds but the films themselves, as files.
    pub fn fetch(&self, out: &Path, films: &[&Film]) -> usize {
        let (port, program) = (self.http.to_string(), script("fetch_orthanc.py"));
        let mut arguments = vec![program.to_str().unwrap(), &port, out.to_str().unwrap()];
        arguments.extend(films.iter().map(|f| f.sop.as_str()));
        must(&python(), &arguments).lines().count()
    }
}

impl Drop for Orthanc {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Pushes a film to a fresh node, waits for its results in Orthanc and has them checked.
fn road(film: &Film, options: &[&str], expect: &str, truth: Option<&str>) {
    let orthanc = Orthanc::start();
    let home = Home::new(&[Peer::pacs(orthanc.dicom, "compat")]).synthetic_map();
    let node = home.start();
    let begin = Instant::now();
    assert!(storescu(node.dicom, options, &[&film.path]), "storescu {}", film.path.display());
    let study = node.settled(&film.study, 1);
    let out = home.dir.path().join("results");
    let fetched = orthanc.fetch(&out, &[film]);
    assert_eq!(fetched, study["results"].as_array().unwrap().len(), "{study:#}");
    println!(
        "{}: {fetched} object(s) in Orthanc {} ms after storescu began",
        film.path.display(),
        begin.elapsed().as_millis()
    );
    check(&film.path, &out, expect, truth);
}

/// Has results judged.
pub fn check(sources: &Path, results: &Path, expect: &str, truth: Option<&str>) {
    let (program, truth) = (
        judge::script("judge.py"),
        truth.map(|t| Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/dicom-fixtures/truth/{t}.json"))),
    );
    let mut arguments =
        vec![program.to_str().unwrap(), sources.to_str().unwrap(), results.to_str().unwrap(), "--expect", expect];
    if let Some(truth) = &truth {
        arguments.extend(["--truth", truth.to_str().unwrap()]);
    }
    println!("{}", must(&python(), &arguments));
}

fn compressed(film: &Film, folder: &Path, name: &str) -> Film {
    let target = folder.join(format!("{name}.dcm"));
    let program = script("compress.py");
    must(&python(), &[program.to_str().unwrap(), film.path.to_str().unwrap(), target.to_str().unwrap(), name]);
    Film::of(&target)
}

#[test]
fn uncompressed_film() {
    road(&fixture("dx_portrait_mono2_14"), &[], "sr,gsps,sc", Some("dx_portrait_mono2_14"));
}

#[test]
fn rle_film() {
    let dir = tempfile::tempdir().unwrap();
    let film = compressed(&fixture("dx_landscape_mono1_12"), dir.path(), "rle");
    road(&film, &["-xr"], "sr,gsps,sc", Some("dx_landscape_mono1_12"));
}

#[test]
fn jpeg_2000_film() {
    let dir = tempfile::tempdir().unwrap();
    let film = compressed(&fixture("cr_portrait_mono2_16_utf8"), dir.path(), "jpeg2000");
    road(&film, &["-xv"], "sr,gsps,sc", Some("cr_portrait_mono2_16_utf8"));
}

#[test]
fn jpeg_ls_film() {
    let dir = tempfile::tempdir().unwrap();
    let film = compressed(&fixture("cr_portrait_mono1_10_latin1"), dir.path(), "jpegls");
    road(&film, &["-xt"], "sr,gsps,sc", Some("cr_portrait_mono1_10_latin1"));
}

#[test]
fn a_film_without_a_finding_comes_back_without_a_presentation_state() {
    let orthanc = Orthanc::start();
    let home = Home::new(&[Peer::pacs(orthanc.dicom, "full")]).synthetic_map();
    let node = home.start();
    let film = fixture("dx_normal");
    assert!(storescu(node.dicom, &[], &[&film.path]));
    let study = node.settled(&film.study, 1);
    let kinds: Vec<_> = study["results"].as_array().unwrap().iter().map(|r| r["kind"].clone()).collect();
    assert_eq!(kinds, ["sr"]);
    let out = home.dir.path().join("results");
    assert_eq!(orthanc.fetch(&out, &[&film]), 1);
    check(&film.path, &out, "sr,gsps", None);
}
