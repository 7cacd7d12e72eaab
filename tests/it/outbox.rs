//! The outbox: a destination that is away is asked, not hammered; what waits goes at once when it is back, in the
//! order of each study, over as few associations as it takes.

use crate::harness::dcmtk::{GSPS, SC, SR_3D};
use crate::harness::films::{Film, fixture};
use crate::harness::modality::must_push;
use crate::harness::node::{Home, Node, Peer};
use crate::harness::pacs::Pacs;
use crate::harness::peer::Scripted;
use crate::harness::until;
use centinela::store::deliveries::{self, AttemptRecord, DeliveryRow};
use centinela::store::destinations::{self, Failure};
use centinela::store::{Db, Tx};
use centinela_domain::delivery::{DeliveryState, HOLDS_UP};
use centinela_domain::priority::Urgency;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

const FILMS: [&str; 4] =
    ["dx_portrait_mono2_14", "dx_landscape_mono1_12", "cr_portrait_mono2_16_utf8", "cr_portrait_mono1_10_latin1"];

fn events(node: &Node<'_>, kind: &str) -> Vec<Value> {
    node.get(&format!("/api/v1/events?kind={kind}"))["events"].as_array().unwrap().clone()
}

/// Pushes films and waits until their results are scheduled.
fn analyzed(node: &Node<'_>, names: &[&str]) -> Vec<Film> {
    let films: Vec<_> = names.iter().map(|name| fixture(name)).collect();
    for film in &films {
        must_push(node.dicom, film);
    }
    for film in &films {
        until("the study is analysed", || (node.study(&film.study)?["study"]["state"] == "analyzed").then_some(()));
    }
    films
}

fn deliveries_of(node: &Node<'_>, films: &[Film]) -> Vec<Value> {
    let all = films.iter().flat_map(|f| node.study(&f.study).unwrap()["deliveries"].as_array().unwrap().clone());
    all.collect()
}

#[test]
fn a_destination_that_is_away_is_asked_and_gets_everything_at_once_when_it_is_back() {
    let port = Pacs::start().port;
    let home = Home::new(&[Peer::pacs(port, "compat")]).synthetic_map().set("CENTINELA__DELIVERY__ECHO_EVERY", "3");
    let node = home.start();
    let films = analyzed(&node, &FILMS);
    // Long enough for pauses between attempts to have grown, if there were attempts.
    std::thread::sleep(Duration::from_secs(10));
    let waiting = deliveries_of(&node, &films);
    assert!(waiting.len() >= 8 && waiting.iter().all(|d| d["state"] == "scheduled"), "{waiting:#?}");
    let attempts: i64 = waiting.iter().map(|d| d["attempts"].as_i64().unwrap()).sum();
    assert_eq!(attempts, 1, "only the first object found out");
    let down = events(&node, "destination_down");
    assert_eq!(down.len(), 1, "{down:#?}");
    assert_eq!((&down[0]["detail"]["destination"], &down[0]["detail"]["cause"]), (&json!("pacs"), &json!("refused")));

    let pacs = Pacs::start_on(port);
    let back = Instant::now();
    for film in &films {
        node.settled(&film.study, 1);
    }
    let seconds = back.elapsed().as_secs_f64();
    println!("{} objects arrived {seconds:.1} s after the return", waiting.len());
    assert!(seconds < 10.0, "{seconds}");
    let shelf = pacs.shelf();
    assert_eq!(shelf.len(), waiting.len());
    assert!(shelf.values().all(|copies| copies.len() == 1), "exactly once");
    assert_eq!(events(&node, "destination_back").len(), 1);
}

#[test]
fn a_restart_forgets_no_outage_and_asks_at_once() {
    let port = Pacs::start().port;
    let home = Home::new(&[Peer::pacs(port, "research")]).set("CENTINELA__DELIVERY__ECHO_EVERY", "86400");
    let node = home.start();
    let films = analyzed(&node, &["dx_opacity"]);
    until("the outage is noticed", || events(&node, "destination_down").pop());
    // Until the next question is an hour away.
    std::thread::sleep(Duration::from_secs(8));
    let _pacs = Pacs::start_on(port);
    node.stop();
    let node = home.start();
    let begin = Instant::now();
    node.settled(&films[0].study, 1);
    assert!(begin.elapsed() < Duration::from_secs(5), "{:?}", begin.elapsed());
    assert_eq!(events(&node, "destination_down").len(), 1);
    assert_eq!(events(&node, "destination_back").len(), 1);
}

#[test]
fn a_peer_without_c_echo_does_not_stay_down() {
    let port = Pacs::start().port;
    let home = Home::new(&[Peer::pacs(port, "compat")]).synthetic_map().set("CENTINELA__DELIVERY__ECHO_EVERY", "2");
    let node = home.start();
    let films = analyzed(&node, &FILMS[..2]);
    until("the outage is noticed", || events(&node, "destination_down").pop());
    let peer = Scripted::start(&json!({ "port": port, "echo": false }));
    for film in &films {
        node.settled(&film.study, 1);
    }
    assert!(peer.told("echo").is_empty());
    assert_eq!(peer.told("store").len(), deliveries_of(&node, &films).len(), "each object once");
}

#[test]
fn one_that_answers_echo_and_nothing_else_is_asked_with_one_object() {
    let mut peer = Scripted::start(&json!({ "answers": { "*": ["silence"] } }));
    let home = Home::new(&[Peer::pacs(peer.port, "research")])
        .set("CENTINELA__DELIVERY__ECHO_EVERY", "2")
        .set("CENTINELA__DELIVERY__RESPONSE_TIMEOUT", "1");
    let node = home.start();
    let films = analyzed(&node, &["dx_opacity", "dx_normal", "dx_effusion"]);
    let down = until("the outage is noticed", || events(&node, "destination_down").pop());
    assert_eq!(down["detail"]["cause"], "silent", "{down:#}");
    let asked = until("it is asked three times", || Some(peer.told("echo")).filter(|echoes| echoes.len() >= 3));
    let [first, third] = [&asked[0], &asked[2]].map(|echo| echo["at"].as_f64());
    let tried = peer.told("store").iter().filter(|store| (first..third).contains(&store["at"].as_f64())).count();
    assert_eq!(tried, 2, "one object for each question");
    assert!(events(&node, "destination_back").is_empty(), "an echo alone is no proof");
    peer.change(&json!({ "answers": {} }));
    for film in &films {
        node.settled(&film.study, 1);
    }
    assert_eq!(events(&node, "destination_back").len(), 1);
}

#[test]
fn an_object_that_is_never_answered_keeps_no_other_from_a_destination() {
    let peer = Scripted::start(&json!({ "answers": { GSPS: ["abort"] } }));
    let home = Home::new(&[Peer::pacs(peer.port, "full")]).synthetic_map().set("CENTINELA__DELIVERY__ECHO_EVERY", "1");
    let node = home.start();
    let films = analyzed(&node, &FILMS[..1]);
    let down = until("its presentation state takes the destination down", || events(&node, "destination_down").pop());
    assert_eq!(down["detail"]["destination"], "pacs", "{down:#}");
    assert_eq!(peer.told("store").iter().filter(|store| store["answer"] == 0).count(), 1, "the report");
    // Reports of later studies pass it, each though the destination is down, and theirs too are never taken.
    for name in &FILMS[1..3] {
        let film = analyzed(&node, &[name]).remove(0);
        until("the next report arrives", || {
            let study = node.study(&film.study)?;
            let taken =
                study["deliveries"].as_array()?.iter().filter(|delivery| delivery["state"] == "accepted").count();
            (taken == 1).then_some(())
        });
    }
    assert!(
        node.study(&films[0].study).unwrap()["deliveries"].as_array().unwrap().iter().any(|d| d["state"] != "accepted")
    );
}

#[test]
fn objects_of_a_study_arrive_in_order_and_others_do_not_wait() {
    let peer = Scripted::start(&json!({ "answers": { SR_3D: [0xA700, 0xA700, 0] } }));
    let home = Home::new(&[Peer::pacs(peer.port, "compat")]).synthetic_map();
    let node = home.start();
    let films = analyzed(&node, &FILMS);
    for film in &films {
        node.settled(&film.study, 1);
    }
    let stored = peer.told("store");
    let taken: Vec<&Value> = stored.iter().filter(|store| store["answer"] == 0).collect();
    for film in &films {
        let study = node.study(&film.study).unwrap();
        let results: BTreeSet<&str> =
            study["results"].as_array().unwrap().iter().map(|r| r["sop_instance"].as_str().unwrap()).collect();
        let classes: Vec<&Value> =
            taken.iter().filter(|s| results.contains(s["sop"].as_str().unwrap())).map(|s| &s["sop_class"]).collect();
        let order: Vec<usize> =
            [SR_3D, GSPS, SC].iter().filter_map(|class| classes.iter().position(|known| *known == class)).collect();
        assert!(order.is_sorted() && !order.is_empty(), "{classes:?}");
    }
    assert_eq!(stored.len(), taken.len() + 2);
}

#[test]
fn associations_are_used_again_and_released_after_work() {
    let peer = Scripted::start(&json!({}));
    let port = Pacs::start().port;
    let home = Home::new(&[Peer::pacs(port, "compat")]).synthetic_map().set("CENTINELA__DELIVERY__ECHO_EVERY", "2");
    let node = home.start();
    let films = analyzed(&node, &FILMS);
    drop(peer);
    let peer = Scripted::start(&json!({ "port": port }));
    for film in &films {
        node.settled(&film.study, 1);
    }
    let stored = peer.told("store");
    let associations: BTreeSet<_> = stored.iter().map(|store| store["association"].as_i64().unwrap()).collect();
    println!("{} objects over {} associations", stored.len(), associations.len());
    // More than two batches, and one object alone that found out.
    assert!(stored.len() > 8 && associations.len() <= 2, "{associations:?}");
    until("all are released", || (peer.told("EVT_RELEASED").len() == peer.told("association").len()).then_some(()));
    assert!(peer.told("EVT_ABORTED").is_empty());
}

fn attempt(state: DeliveryState, next_at: i64, status: Option<u16>) -> AttemptRecord<'static> {
    let cause = Some(if status.is_some() { "status" } else { "silent" });
    AttemptRecord { state, next_at, status, error: Some("e"), cause }
}

async fn claim(tx: &mut Tx, now: i64, limit: i64) -> Vec<DeliveryRow> {
    deliveries::claim(tx, "box", now, 1_000, limit).await.unwrap()
}

fn results(rows: &[DeliveryRow]) -> Vec<&str> {
    rows.iter().map(|row| row.result.as_str()).collect()
}

/// What the store promises of the outbox, on either engine.
pub async fn contract(db: &Db) {
    order_within_a_study(db).await;
    an_outage_is_a_row(db).await;
}

async fn order_within_a_study(db: &Db) {
    let mut tx = db.write().await.unwrap();
    for (sop, study, at) in [("5.1", "5", 10), ("5.2", "5", 10), ("6.1", "6", 20), ("5.3", "5", 30)] {
        assert!(deliveries::schedule(&mut tx, sop, study, "box", Urgency::Routine, at).await.unwrap());
    }
    assert!(claim(&mut tx, 5, 8).await.is_empty());
    let all = claim(&mut tx, 40, 8).await;
    assert_eq!(results(&all), ["5.1", "5.2", "6.1", "5.3"]);
    for row in &all {
        deliveries::give_back(&mut tx, &row.id, row.next_at).await.unwrap();
    }
    // The first of a study is to be tried later: the others of that study wait for it, another study does not.
    let first = claim(&mut tx, 40, 1).await.remove(0);
    assert_eq!(first.result, "5.1");
    assert_eq!(results(&claim(&mut tx, 40, 8).await), ["6.1"], "while it is sent nobody passes");
    let later = attempt(DeliveryState::Scheduled, 1_000, Some(0xA700));
    deliveries::record(&mut tx, &first.id, &later, 40).await.unwrap();
    assert!(!deliveries::any_ready(&mut tx, "box", 40).await.unwrap());
    assert!(claim(&mut tx, 40, 8).await.is_empty());
    assert_eq!(deliveries::bring_forward(&mut tx, "box", 50).await.unwrap(), 0, "it answered: it decides when");
    // Urgent work of the same study pulls what stands before it.
    deliveries::schedule(&mut tx, "6.2", "6", "box", Urgency::Low, 60).await.unwrap();
    deliveries::schedule(&mut tx, "5.4", "5", "box", Urgency::Stat, 70).await.unwrap();
    assert_eq!(results(&claim(&mut tx, 1_000, 2).await), ["5.1", "5.2"]);
    deliveries::release(&mut tx, "box").await.unwrap();
    // One that always fails does not hold the others up for ever.
    for _ in 0..HOLDS_UP {
        let row = claim(&mut tx, 1_000, 1).await.remove(0);
        assert_eq!(row.result, "5.1");
        deliveries::record(&mut tx, &row.id, &attempt(DeliveryState::Scheduled, 1_000, None), 1_000).await.unwrap();
    }
    let row = claim(&mut tx, 1_000, 1).await.remove(0);
    deliveries::record(&mut tx, &row.id, &attempt(DeliveryState::Scheduled, 9_000, None), 1_000).await.unwrap();
    assert_eq!(results(&claim(&mut tx, 1_000, 1).await), ["5.2"]);
    assert_eq!(deliveries::bring_forward(&mut tx, "box", 1_000).await.unwrap(), 1, "it did not answer");
    assert_eq!(results(&claim(&mut tx, 1_000, 1).await), ["5.1"]);
    // Dropped: what follows in the contract finds nothing of this.
}

async fn an_outage_is_a_row(db: &Db) {
    let mut tx = db.write().await.unwrap();
    assert!(destinations::find(&mut tx, "box").await.unwrap().is_none());
    let silent = Failure { cause: "silent", error: "no answer", limit: 3, every_ms: 30_000, patience_ms: 0 };
    assert!(!destinations::failed(&mut tx, "box", &silent, 10).await.unwrap());
    assert!(destinations::answered(&mut tx, "box", 11).await.unwrap().is_none());
    for at in [20, 21] {
        assert!(!destinations::failed(&mut tx, "box", &silent, at).await.unwrap());
    }
    assert!(destinations::failed(&mut tx, "box", &silent, 22).await.unwrap());
    let away = Failure { cause: "refused", error: "nobody listens", limit: 1, every_ms: 30_000, patience_ms: 0 };
    assert!(!destinations::failed(&mut tx, "box", &away, 5_000).await.unwrap(), "down since before");
    let row = destinations::find(&mut tx, "box").await.unwrap().unwrap();
    assert_eq!((row.down_since, row.probe_at, row.failures), (Some(22), Some(5_000 + 8_000), 4));
    assert_eq!((row.cause.as_deref(), row.last_error.as_deref()), (Some("refused"), Some("nobody listens")));
    destinations::ask_now(&mut tx, Some("other"), 6_000).await.unwrap();
    assert_eq!(destinations::find(&mut tx, "box").await.unwrap().unwrap().probe_at, Some(13_000));
    destinations::ask_now(&mut tx, None, 6_000).await.unwrap();
    assert_eq!(destinations::find(&mut tx, "box").await.unwrap().unwrap().probe_at, Some(6_000));
    assert!(destinations::park(&mut tx, "box", "new disk", 6_500).await.unwrap());
    assert!(!destinations::park(&mut tx, "box", "again", 6_600).await.unwrap());
    assert_eq!(destinations::answered(&mut tx, "box", 7_000).await.unwrap(), Some(22));
    let row = destinations::find(&mut tx, "box").await.unwrap().unwrap();
    assert_eq!((row.down_since, row.probe_at, row.failures, row.last_ok_at), (None, None, 0, Some(7_000)));
    assert!(row.is_parked() && row.parked_reason.as_deref() == Some("new disk"));
    assert!(destinations::resume(&mut tx, "box").await.unwrap());
    assert!(!destinations::resume(&mut tx, "box").await.unwrap());
    assert_eq!(destinations::all(&mut tx).await.unwrap().len(), 1);
}
