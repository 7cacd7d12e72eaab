//! The same SOP Instance UID again: the same bytes, another syntax, another picture.

use crate::harness::films::{Film, fixture, write};
use crate::harness::modality::must_push;
use crate::harness::node::{Home, Node, Peer};
use crate::harness::pacs::Pacs;
use crate::harness::tools::must;
use crate::harness::until;
use centinela_phantom::collection;
use serde_json::Value;

#[test]
fn the_same_film_twice_gives_no_second_result() {
    let pacs = Pacs::start();
    let home = Home::new(&[Peer::pacs(pacs.port, "full")]);
    let node = home.start();
    let film = fixture("dx_opacity");
    must_push(node.dicom, &film);
    let first = node.settled(&film.study, 1);
    let arrived = pacs.shelf();
    must_push(node.dicom, &film);
    until("the second copy is recorded", || {
        let study = node.study(&film.study)?;
        study["timeline"].as_array()?.iter().any(|e| e["kind"] == "duplicate").then_some(())
    });
    std::thread::sleep(std::time::Duration::from_millis(1_500));
    let second = node.settled(&film.study, 1);
    assert_eq!(first["results"], second["results"]);
    assert_eq!(arrived, pacs.shelf(), "nothing was sent again");
}

fn variant_state(node: &Node<'_>, film: &Film) -> Value {
    until("the variant is compared", || {
        let instance = node.get(&format!("/api/v1/instances/{}", film.sop));
        let variant = instance["variants"].get(0)?.clone();
        (variant["state"] != "pending").then_some(variant)
    })
}

#[test]
fn the_same_pixels_in_another_syntax_are_a_variant() {
    let home = Home::new(&[]);
    let node = home.start();
    let film = fixture("cr_portrait_mono2_16_utf8");
    must_push(node.dicom, &film);
    let twin = home.dir.path().join("rle.dcm");
    must("dcmcrle", &[film.path.to_str().unwrap(), twin.to_str().unwrap()]);
    must_push(node.dicom, &Film::of(&twin));
    let variant = variant_state(&node, &film);
    assert_eq!(variant["state"], "variant", "{variant:#}");
    // The first bytes stay the instance.
    let instance = node.get(&format!("/api/v1/instances/{}", film.sop));
    assert_eq!(instance["transfer_syntax"], "1.2.840.10008.1.2.1");
}

#[test]
fn other_pixels_under_the_same_uid_are_quarantined() {
    let home = Home::new(&[]);
    let node = home.start();
    let mut spec = collection(1, 320).next().unwrap();
    let film = write(home.dir.path(), &spec);
    must_push(node.dicom, &film);
    node.settled(&film.study, 1);
    // Another picture under the same keys, so under the same UIDs.
    spec.pathology = vec![centinela_phantom::Pathology::Cardiomegaly];
    let other = write(home.dir.path(), &spec);
    assert_eq!(other.sop, film.sop);
    must_push(node.dicom, &other);
    let variant = variant_state(&node, &film);
    assert_eq!(variant["state"], "quarantined", "{variant:#}");
    let study = node.settled(&film.study, 1);
    assert!(study["timeline"].as_array().unwrap().iter().any(|e| e["kind"] == "quarantined"), "{study:#}");
    drop(node);
    assert!(home.logs().contains("quarantined"), "an alert stands in the log");
}

#[test]
fn a_whole_film_takes_the_place_of_a_damaged_one() {
    let home = Home::new(&[]);
    let node = home.start();
    let spec = collection(1, 320).next().unwrap();
    let whole = write(home.dir.path(), &spec);
    let bytes = std::fs::read(&whole.path).unwrap();
    let cut = home.dir.path().join("cut.dcm");
    std::fs::write(&cut, &bytes[..bytes.len() - 40_000]).unwrap();
    must_push(node.dicom, &Film::of(&cut));
    let study = node.settled(&whole.study, 1);
    assert_eq!(study["instances"][0]["reason"]["code"], "truncated", "{study:#}");
    must_push(node.dicom, &whole);
    let study = node.settled(&whole.study, 2);
    assert_eq!(study["study"]["state"], "analyzed", "{study:#}");
    assert_eq!(study["instances"][0]["status"], "analyzed", "{study:#}");
}
