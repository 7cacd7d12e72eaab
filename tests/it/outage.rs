//! The PACS is away: results wait, arrive by themselves after its return, and nobody else waits.

use crate::harness::films::{fixture, studies};
use crate::harness::modality::must_push;
use crate::harness::node::{Home, Peer};
use crate::harness::objects::Object;
use crate::harness::pacs::Pacs;
use crate::harness::proxy::{Fault, Proxy};
use crate::harness::{until, until_within};
use sha2::Digest as _;
use std::time::{Duration, Instant};

#[test]
fn two_minutes_without_the_pacs_lose_nothing() {
    let port = {
        let pacs = Pacs::start();
        pacs.port
    };
    let home = Home::new(&[Peer::pacs(port, "compat")]);
    let films = studies(home.dir.path(), 6, 640);
    let node = home.start();
    let begin = Instant::now();
    for film in &films {
        must_push(node.dicom, film);
        std::thread::sleep(Duration::from_secs(2));
    }
    while begin.elapsed() < Duration::from_secs(120) {
        std::thread::sleep(Duration::from_secs(1));
        assert!(node.study(&films[0].study).is_some(), "the node answers meanwhile");
    }
    let pacs = Pacs::start_on(port);
    let back = Instant::now();
    // It is asked every 30 s whether it is back.
    until_within(Duration::from_secs(45), "all results arrive", || {
        films
            .iter()
            .all(|f| {
                let study = node.study(&f.study).unwrap();
                let deliveries = study["deliveries"].as_array().unwrap();
                !deliveries.is_empty() && deliveries.iter().all(|d| d["state"] == "accepted")
            })
            .then_some(())
    });
    println!("PACS away for 120 s: everything arrived {:.0} s after its return", back.elapsed().as_secs_f64());
    let shelf = pacs.shelf();
    for film in &films {
        let study = node.study(&film.study).unwrap();
        for result in study["results"].as_array().unwrap() {
            assert_eq!(shelf[result["sop_instance"].as_str().unwrap()].len(), 1, "exactly once");
        }
    }
}

#[test]
fn a_half_open_destination_does_not_slow_the_other() {
    let (dead, healthy) = (Proxy::start(9), Pacs::start());
    dead.set(Fault::HalfOpen);
    let peer = |name: &str, port| Peer { name: name.into(), ..Peer::pacs(port, "full") };
    let home = Home::new(&[peer("dead", dead.port), peer("healthy", healthy.port)])
        .set("CENTINELA__DELIVERY__CONNECT_TIMEOUT", "3")
        .set("CENTINELA__DELIVERY__RESPONSE_TIMEOUT", "3");
    let node = home.start();
    let film = fixture("dx_opacity");
    must_push(node.dicom, &film);
    until_within(Duration::from_secs(20), "the healthy destination has the report", || {
        (!healthy.shelf().is_empty()).then_some(())
    });
    let study = node.study(&film.study).unwrap();
    let waiting = study["deliveries"].as_array().unwrap().iter().filter(|d| d["destination"] == "dead");
    assert!(waiting.clone().count() > 0 && waiting.clone().all(|d| d["state"] != "accepted"), "{study:#}");
}

#[test]
fn an_answer_that_is_lost_makes_one_object_not_two() {
    let pacs = Pacs::start();
    let proxy = Proxy::start(pacs.port);
    let home = Home::new(&[Peer::pacs(proxy.port, "research")]).set("CENTINELA__DELIVERY__RESPONSE_TIMEOUT", "2");
    let node = home.start();
    // The A-ASSOCIATE-AC passes, the C-STORE response does not.
    proxy.set(Fault::DropAnswersAfter(300));
    let film = fixture("dx_opacity");
    must_push(node.dicom, &film);
    until("the report arrives although its answer is lost", || (!pacs.shelf().is_empty()).then_some(()));
    proxy.set(Fault::None);
    node.settled(&film.study, 1);
    let shelf = pacs.shelf();
    assert_eq!(shelf.len(), 1, "one SOP Instance UID");
    let copies = shelf.values().next().unwrap();
    assert!(copies.len() >= 2 && copies.iter().all(|c| c.0 == copies[0].0), "sent again, same bytes");
    assert_eq!(Object::read(&copies[0].1).modality, "SR");
}

#[test]
fn answers_of_the_pacs_decide_what_happens_next() {
    let pacs = Pacs::start();
    let home = Home::new(&[Peer::pacs(pacs.port, "research")]);
    let node = home.start();
    let state = |film: &crate::harness::films::Film, wanted: &str| {
        until(&format!("the delivery is {wanted}"), || {
            let study = node.study(&film.study)?;
            let delivery = study["deliveries"].get(0)?.clone();
            (delivery["state"] == wanted && delivery["attempts"].as_i64()? > 0).then_some(delivery)
        })
    };
    pacs.answer(0xA700);
    let busy = fixture("dx_opacity");
    must_push(node.dicom, &busy);
    let delivery = state(&busy, "scheduled");
    assert_eq!(delivery["last_status"], "0xA700", "{delivery:#}");
    pacs.answer(0);
    state(&busy, "accepted");

    pacs.answer(0x0124);
    let refused = fixture("dx_normal");
    must_push(node.dicom, &refused);
    let delivery = state(&refused, "refused");
    assert_eq!(delivery["last_status"], "0x0124", "{delivery:#}");
    pacs.answer(0);
    let id = delivery["id"].as_str().unwrap();
    assert!((200..300).contains(&node.ask("POST", &format!("/api/v1/deliveries/{id}/retry")).status));
    state(&refused, "accepted");
}

#[test]
fn a_slow_line_and_a_cut_one_cost_time_and_nothing_else() {
    let pacs = Pacs::start();
    let proxy = Proxy::start(pacs.port);
    let home = Home::new(&[Peer::pacs(proxy.port, "compat")]);
    let node = home.start();
    proxy.set(Fault::Delay(Duration::from_millis(20)));
    let slow = fixture("dx_effusion");
    must_push(node.dicom, &slow);
    node.settled(&slow.study, 1);
    // Cut in the middle of the first object, again and again, then whole; not on the association that is open still.
    proxy.set(Fault::CutAfter(3_000));
    std::thread::sleep(Duration::from_secs(4));
    let cut = fixture("cr_pneumothorax");
    must_push(node.dicom, &cut);
    let before = proxy.connections();
    until("two more attempts are cut", || (proxy.connections() >= before + 2).then_some(()));
    proxy.set(Fault::None);
    let study = node.settled(&cut.study, 1);
    for result in study["results"].as_array().unwrap() {
        assert_eq!(pacs.shelf()[result["sop_instance"].as_str().unwrap()].len(), 1, "exactly once");
    }
}

#[test]
fn a_push_that_is_cut_leaves_nothing() {
    let home = Home::new(&[]);
    let node = home.start();
    let proxy = Proxy::start(node.dicom);
    proxy.set(Fault::CutAfter(20_000));
    let film = fixture("dx_normal");
    assert!(crate::harness::modality::push(proxy.port, &film).is_err(), "the line was cut");
    assert!(node.study(&film.study).is_none(), "half a film is no film");
    must_push(node.dicom, &film);
    node.settled(&film.study, 1);
}

#[test]
fn a_result_that_cannot_be_read_does_not_hold_up_the_others() {
    let port = Pacs::start().port;
    let home = Home::new(&[Peer::pacs(port, "research")]);
    let node = home.start();
    let films = ["dx_normal", "dx_opacity", "dx_effusion"].map(fixture);
    for film in &films {
        must_push(node.dicom, film);
        until("the study is analysed", || {
            let study = node.study(&film.study)?;
            (study["study"]["state"] == "analyzed").then_some(())
        });
    }
    // The oldest one loses its bytes while the PACS is away.
    let oldest = node.study(&films[0].study).unwrap()["results"][0]["sop_instance"].as_str().unwrap().to_owned();
    let digest = centinela::blob::hex(&sha2::Sha256::digest(&oldest));
    std::fs::remove_file(home.data().join("blobs").join(centinela::blob::key("results", &digest, "dcm"))).unwrap();
    let pacs = Pacs::start_on(port);
    for film in &films[1..] {
        node.settled(&film.study, 1);
    }
    assert_eq!(pacs.shelf().len(), 2);
    let delivery = node.study(&films[0].study).unwrap()["deliveries"][0].clone();
    assert_eq!(delivery["state"], "scheduled", "{delivery:#}");
}
