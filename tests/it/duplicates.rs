//! The same SOP Instance UID again: the same bytes, another syntax, another picture.

use crate::harness::films::{Film, fixture, write};
use crate::harness::kept::files_come_to;
use crate::harness::modality::{must_push, push};
use crate::harness::node::{Home, Node, Peer};
use crate::harness::pacs::Pacs;
use crate::harness::running;
use crate::harness::tools::must;
use crate::harness::until;
use centinela::cli::serve::{Role, Running};
use centinela::clock::Clock;
use centinela::store::instances::{self, InstanceRow};
use centinela::store::{retention, variants};
use centinela_phantom::collection;
use serde_json::Value;
use sha2::Digest as _;

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

/// Each hour has a folder of its own, so the same bytes come under another key.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_film_that_comes_again_hours_later_leaves_one_file() {
    let (dir, shop) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut config = running::config(&dir.path().join("data"), running::MODALITY);
    config.settings.analyze.enabled = false;
    let node = Running::start(config, Clock::fixed(1_800_000_000_000), &[Role::Scp]).await.unwrap();
    let (app, port) = (node.app.clone(), node.dicom.unwrap().port());
    let mut spec = collection(1, 320).next().unwrap();
    let first = write(shop.path(), &spec);
    let kept = shop.path().join("first.dcm");
    std::fs::rename(&first.path, &kept).unwrap();
    let first = Film { path: kept, ..first };
    spec.pathology = vec![centinela_phantom::Pathology::Cardiomegaly];
    let second = write(shop.path(), &spec);
    let sent = async |film: &Film| {
        app.clock.advance(2 * 3_600_000);
        let film = film.clone();
        let status = tokio::task::spawn_blocking(move || push(port, &film).unwrap()).await.unwrap();
        assert_eq!(status.0, 0);
    };
    let row = async || -> InstanceRow {
        let mut tx = app.db.read().await.unwrap();
        instances::find(&mut tx, &first.sop).await.unwrap().unwrap()
    };
    // What is one too many goes after the answer.
    let folder = dir.path().join("data/blobs/instances");
    let come_to = async |count: usize| files_come_to(&folder, count).await;
    sent(&first).await;
    let before = row().await;
    sent(&first).await;
    come_to(1).await;
    assert_eq!(row().await.blob, before.blob);
    // The file is gone, though nobody deleted it here.
    std::fs::remove_file(dir.path().join("data/blobs").join(&before.blob)).unwrap();
    sent(&first).await;
    come_to(1).await;
    let before = row().await;
    assert!(app.blobs.has(&before.blob).unwrap() && before.damaged_at.is_none(), "it is kept again");
    for _ in 0..2 {
        sent(&second).await;
        come_to(2).await;
    }
    // A row of version 0.1.0, before and after its film was deleted.
    let bytes = std::fs::read(&first.path).unwrap();
    let (_, _, _, offset) = centinela_scp::part10_parts(&bytes).unwrap();
    let old: String = sha2::Sha256::digest(&bytes[offset..]).iter().map(|byte| format!("{byte:02x}")).collect();
    for deleted in [false, true] {
        let mut tx = app.db.write().await.unwrap();
        instances::renew_digest(&mut tx, &first.sop, &format!("sha256:{old}")).await.unwrap();
        if deleted {
            retention::delete(&mut tx, &first.sop, app.clock.now()).await.unwrap();
        }
        tx.commit().await.unwrap();
        sent(&first).await;
        app.room.ring();
        come_to(if deleted { 1 } else { 2 }).await;
        let row = row().await;
        assert_eq!((row.digest.as_str(), row.deleted_at), (before.digest.as_str(), None));
        assert!(app.blobs.has(&row.blob).unwrap());
    }
    let mut tx = app.db.read().await.unwrap();
    assert_eq!(variants::of_instance(&mut tx, &first.sop).await.unwrap().len(), 1, "only the other picture");
    drop(tx);
    drop(app);
    node.run_until(async {}).await.unwrap();
}
