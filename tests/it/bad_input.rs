//! Bad input: a clear error, a plain reason, and nothing lost.

use crate::harness::disk::SmallDisk;
use crate::harness::films::{Film, fixture, write};
use crate::harness::modality::{must_push, push, push_as};
use crate::harness::node::Home;
use centinela_domain::status::DimseStatus;
use centinela_phantom::collection;
use centinela_scp::RequestError;
use std::fs;
use std::path::{Path, PathBuf};

#[test]
fn an_unknown_calling_ae_is_refused_and_named() {
    let home = Home::new(&[]);
    let node = home.start();
    let refused = push_as("STRANGER", node.dicom, &fixture("dx_normal"));
    assert!(matches!(refused, Err(RequestError::RejectedPermanent { .. })), "{refused:?}");
    node.stop();
    assert!(home.logs().contains("association refused") && home.logs().contains("STRANGER"), "{}", home.logs());
}

#[test]
fn an_unknown_configuration_key_stops_the_start_with_2() {
    let home = Home::new(&[]);
    fs::write(home.dir.path().join("centinela.toml"), "[study]\nquiet = 3\n[dicom]\nprot = 1\n").unwrap();
    for command in [&["serve"][..], &["config", "check"]] {
        let done = home.command(command).output().unwrap();
        let text = String::from_utf8_lossy(&done.stderr).into_owned();
        assert_eq!(done.status.code(), Some(2), "{text}");
        assert!(text.contains("centinela.toml: unknown key \"quiet\" in [study]"), "{text}");
        assert!(text.contains("unknown key \"prot\" in [dicom]"), "{text}");
    }
}

fn package_copy(folder: &Path) -> PathBuf {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/test-synthetic-map-1.0.0");
    let copy = folder.join("package");
    fs::create_dir_all(&copy).unwrap();
    for entry in fs::read_dir(source).unwrap() {
        let path = entry.unwrap().path();
        fs::copy(&path, copy.join(path.file_name().unwrap())).unwrap();
    }
    copy
}

fn verify(home: &Home, package: &Path) -> (Option<i32>, String) {
    let done = home.command(&["model", "verify", package.to_str().unwrap()]).output().unwrap();
    (done.status.code(), String::from_utf8_lossy(&done.stderr).into_owned())
}

#[test]
fn a_damaged_model_package_is_refused_by_name() {
    let home = Home::new(&[]);
    let package = package_copy(home.dir.path());
    assert_eq!(verify(&home, &package).0, Some(0));

    let weights = package.join("weights.safetensors");
    let mut bytes = fs::read(&weights).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&weights, &bytes).unwrap();
    let (code, text) = verify(&home, &package);
    assert!(code == Some(1) && text.contains("weights.safetensors") && text.contains("sha256"), "{code:?} {text}");

    fs::remove_file(&weights).unwrap();
    let (code, text) = verify(&home, &package);
    assert!(code == Some(1) && text.contains("weights.safetensors"), "{code:?} {text}");

    // The node does not start with it either.
    let home = home.set("CENTINELA__ANALYZE__MODEL", package.to_str().unwrap());
    let done = home.command(&["serve", "--dicom-port", "0", "--api-port", "0"]).output().unwrap();
    assert_eq!(done.status.code(), Some(1), "{}", String::from_utf8_lossy(&done.stderr));
}

#[test]
fn broken_films_are_kept_and_get_a_reason() {
    let home = Home::new(&[]);
    let node = home.start();
    for (name, reason) in [("bad_truncated", "truncated"), ("bad_zero_rows", "pixels"), ("bad_huge_claim", "pixels")] {
        let film = fixture(name);
        must_push(node.dicom, &film);
        let study = node.settled(&film.study, 1);
        assert_eq!(study["study"]["state"], "skipped", "{name}: {study:#}");
        let instance = &study["instances"][0];
        assert_eq!(instance["reason"]["code"], reason, "{name}: {instance:#}");
        assert!(instance["reason"]["text"].as_str().unwrap().len() > 10, "{name}: {instance:#}");
    }
}

#[test]
fn a_file_that_is_not_dicom_fails_the_command_and_is_named() {
    let home = Home::new(&[]);
    let text = home.dir.path().join("notes.dcm");
    fs::write(&text, "not a film").unwrap();
    let out = home.dir.path().join("out");
    let film = fixture("dx_normal");
    let done = home
        .command(&["analyze", text.to_str().unwrap(), film.path.to_str().unwrap(), "--out", out.to_str().unwrap()])
        .output()
        .unwrap();
    assert_eq!(done.status.code(), Some(1), "{}", String::from_utf8_lossy(&done.stderr));
    let findings: serde_json::Value = serde_json::from_slice(&fs::read(out.join("findings.json")).unwrap()).unwrap();
    assert_eq!(findings[0]["status"], "failed");
    assert!(findings[0]["reason"].as_str().unwrap().contains("DICM"), "{findings:#}");
    assert_eq!(findings[1]["status"], "analyzed", "one bad file does not stop the others");
}

#[test]
fn a_full_disk_refuses_with_a700_loses_nothing_and_recovers() {
    let home = Home::new(&[]).set("CENTINELA__STORAGE__MIN_FREE", "0").set("CENTINELA__ANALYZE__ENABLED", "false");
    let disk = SmallDisk::mount(&home.data(), 12 << 20);
    let films_dir = tempfile::tempdir().unwrap();
    let films: Vec<Film> = collection(24, 1000).map(|spec| write(films_dir.path(), &spec)).collect();
    let ballast = disk.0.join("ballast");
    fs::write(&ballast, vec![0; 4 << 20]).unwrap();
    let node = home.start();
    let mut stored = Vec::new();
    let mut refused = None;
    for film in &films {
        match push(node.dicom, film).unwrap() {
            DimseStatus::SUCCESS => stored.push(film),
            status => {
                assert_eq!(status, DimseStatus::OUT_OF_RESOURCES);
                refused = Some(film);
                break;
            }
        }
    }
    let refused = refused.expect("the disk never filled up");
    fs::remove_file(&ballast).unwrap();
    must_push(node.dicom, refused);
    println!("full disk: {} stored, then 0xA700, then stored again without restart", stored.len());
    for film in stored.iter().chain(std::iter::once(&refused)) {
        let instance = node.get(&format!("/api/v1/instances/{}", film.sop));
        assert_eq!(instance["sop_instance"], film.sop.as_str());
    }
    node.stop();
    drop(disk);
}

#[test]
fn too_little_free_space_is_refused_before_the_data_set() {
    let home = Home::new(&[]).set("CENTINELA__STORAGE__MIN_FREE", &(1_u64 << 50).to_string());
    let node = home.start();
    assert_eq!(push(node.dicom, &fixture("dx_normal")).unwrap(), DimseStatus::OUT_OF_RESOURCES);
}
