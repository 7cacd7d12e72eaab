//! pynetdicom on both sides: as the modality that pushes and as the PACS that receives.

use crate::harness::films::fixture;
use crate::harness::node::{Home, Peer};
use crate::harness::tools::{must, python, script};
use crate::orthanc::check;
use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

#[test]
fn pynetdicom_pushes_and_receives() {
    let dir = tempfile::tempdir().unwrap();
    let (program, out) = (script("pynetdicom_peer.py"), dir.path().join("pacs"));
    let mut pacs = Command::new(python())
        .args([program.to_str().unwrap(), "receive", out.to_str().unwrap()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(pacs.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let home = Home::new(&[Peer::pacs(line.trim().parse().unwrap(), "compat")]).synthetic_map();
    let node = home.start();
    let (film, other) = (fixture("cr_portrait_mono1_10_latin1"), fixture("hip"));
    let port = node.dicom.to_string();
    let (a, b) = (film.path.to_str().unwrap(), other.path.to_str().unwrap());
    must(&python(), &[program.to_str().unwrap(), "send", &port, a, b]);
    node.settled(&film.study, 1);
    node.settled(&other.study, 1);
    drop(pacs.stdin.take());
    assert!(pacs.wait().unwrap().success());
    let received = std::fs::read_dir(&out).unwrap().count();
    assert_eq!(received, 4, "SR, GSPS and SC of the film, a not-analysed report of the hip");
    // The checker takes one study at a time.
    let mine = dir.path().join("mine");
    std::fs::create_dir(&mine).unwrap();
    for entry in std::fs::read_dir(&out).unwrap() {
        let path = entry.unwrap().path();
        let object = crate::harness::objects::Object::read(&std::fs::read(&path).unwrap());
        if object.study == film.study {
            std::fs::copy(&path, mine.join(path.file_name().unwrap())).unwrap();
        }
    }
    check(&film.path, &mine, "sr,gsps,sc", Some("cr_portrait_mono1_10_latin1"));
}
