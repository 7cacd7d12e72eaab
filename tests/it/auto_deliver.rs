//! `deliver = "auto"`: a destination gets what it takes, whatever it says and whenever it says it.

use crate::harness::dcmtk::{GSPS, SC, SR_3D, SR_COMPREHENSIVE};
use crate::harness::films::{Film, fixture};
use crate::harness::modality::must_push;
use crate::harness::node::{Home, Node, Peer};
use crate::harness::objects::Object;
use crate::harness::pacs::Pacs;
use crate::harness::until;
use centinela::store::heard::{self, HeardRow};
use centinela::store::probes::{self, ProbeRow};
use centinela::store::results::{self, ResultRow};
use centinela::store::{Db, deliveries};
use centinela_domain::delivery::DeliveryState;
use centinela_domain::priority::Urgency;
use serde_json::{Value, json};

const POSITIVE: &str = "dx_portrait_mono2_14";
const OTHER: &str = "dx_landscape_mono1_12";

/// Modalities of what the PACS holds of a study, sorted.
fn held(pacs: &Pacs, film: &Film) -> Vec<String> {
    let objects = pacs.shelf().into_values().map(|copies| Object::read(&copies[0].1));
    let mut held: Vec<_> = objects.filter(|o| o.study == film.study).map(|o| o.modality).collect();
    held.sort();
    held
}

fn peer(node: &Node<'_>) -> Value {
    let peers = node.get("/api/v1/peers");
    peers["peers"].as_array().unwrap().iter().find(|p| p["name"] == "pacs").unwrap().clone()
}

/// Kinds of what is, or was, on its way for a study.
fn scheduled(node: &Node<'_>, film: &Film) -> Option<Vec<String>> {
    let study = node.study(&film.study)?;
    if study["study"]["state"] != "analyzed" {
        return None;
    }
    let kind_of = |result: &Value| {
        let row = study["results"].as_array().unwrap().iter().find(|r| r["sop_instance"] == *result).unwrap();
        row["kind"].as_str().unwrap().to_owned()
    };
    let mut kinds: Vec<_> = study["deliveries"].as_array()?.iter().map(|d| kind_of(&d["result"])).collect();
    kinds.sort();
    Some(kinds)
}

fn events(node: &Node<'_>, kind: &str) -> Vec<Value> {
    node.get(&format!("/api/v1/events?kind={kind}"))["events"].as_array().unwrap().clone()
}

#[test]
fn a_peer_that_is_down_at_first_gets_exactly_what_it_takes_later() {
    let port = Pacs::start().port;
    let home = Home::new(&[Peer::pacs(port, "auto")]).synthetic_map();
    let node = home.start();
    let film = fixture(POSITIVE);
    must_push(node.dicom, &film);
    let waiting = until("everything waits", || scheduled(&node, &film));
    assert_eq!(waiting, ["gsps", "sc", "sr"], "nobody knows yet what it takes");
    until("the failure is told", || events(&node, "probe_failed").pop());
    let before = peer(&node);
    assert_eq!((&before["kinds"], &before["deliver"]), (&Value::Null, &json!("auto")));
    assert_eq!(before["probe"]["outcome"], "refused", "{before:#}");
    assert_eq!(before["deliveries"], json!({ "scheduled": 3 }), "no attempt was made without knowing");

    let pacs = Pacs::taking(port, &[SR_3D, GSPS, SC]);
    let study = node.settled(&film.study, 1);
    assert_eq!(scheduled(&node, &film).unwrap(), ["gsps", "sr"], "{study:#}");
    assert_eq!(held(&pacs, &film), ["PR", "SR"]);
    let withdrawn = events(&node, "delivery_withdrawn");
    assert_eq!(withdrawn.len(), 1, "{withdrawn:#?}");
    assert_eq!((&withdrawn[0]["detail"]["kind"], &withdrawn[0]["study_uid"]), (&json!("sc"), &json!(film.study)));
    let probed = events(&node, "peer_probed");
    assert_eq!((probed.len(), &probed[0]["detail"]["kinds"]), (1, &json!(["sr", "gsps"])));
    let after = peer(&node);
    assert_eq!((&after["kinds"], &after["probe"]["recommended"]), (&json!(["sr", "gsps"]), &json!("full")));

    // From now on nothing else is built.
    let next = fixture(OTHER);
    must_push(node.dicom, &next);
    let study = node.settled(&next.study, 1);
    assert!(study["results"].as_array().unwrap().iter().all(|r| r["kind"] != "sc"), "{study:#}");
    assert_eq!(held(&pacs, &next), ["PR", "SR"]);
}

#[test]
fn a_peer_that_refuses_presentation_states_gets_reports_and_films() {
    let pacs = Pacs::taking(0, &[SR_3D, SC]);
    let home = Home::new(&[Peer::pacs(pacs.port, "auto")]).synthetic_map();
    let node = home.start();
    let film = fixture(POSITIVE);
    must_push(node.dicom, &film);
    node.settled(&film.study, 1);
    assert_eq!(held(&pacs, &film), ["OT", "SR"]);
    assert_eq!(peer(&node)["kinds"], json!(["sr", "sc"]));
}

#[test]
fn when_the_ability_changes_the_next_probe_changes_what_the_next_study_sends() {
    let pacs = Pacs::taking(0, &[SR_3D, GSPS]);
    let port = pacs.port;
    let home = Home::new(&[Peer::pacs(port, "auto")]).synthetic_map().set("CENTINELA__DELIVERY__PROBE_EVERY", "1");
    let node = home.start();
    let first = fixture(POSITIVE);
    must_push(node.dicom, &first);
    node.settled(&first.study, 1);
    assert_eq!(held(&pacs, &first), ["PR", "SR"]);
    drop(pacs);
    let pacs = Pacs::taking(port, &[SR_COMPREHENSIVE, GSPS, SC]);
    until("the change is noticed", || (peer(&node)["kinds"] == json!(["sr", "gsps", "sc"])).then_some(()));
    let second = fixture(OTHER);
    must_push(node.dicom, &second);
    node.settled(&second.study, 1);
    assert_eq!(held(&pacs, &second), ["OT", "PR", "SR"]);
    let kinds: Vec<_> = events(&node, "peer_probed").iter().map(|e| e["detail"]["kinds"].clone()).collect();
    assert_eq!(kinds, [json!(["sr", "gsps", "sc"]), json!(["sr", "gsps"])], "the latest first, changes only");
}

#[test]
fn a_refusal_of_what_was_taken_before_is_reason_enough_to_ask_again() {
    let pacs = Pacs::taking(0, &[SR_3D, GSPS, SC]);
    let port = pacs.port;
    let home = Home::new(&[Peer::pacs(port, "auto")]).synthetic_map();
    let node = home.start();
    until("the peer was asked", || (peer(&node)["kinds"] == json!(["sr", "gsps"])).then_some(()));
    drop(pacs);
    let pacs = Pacs::taking(port, &[SR_3D, SC]);
    let film = fixture(POSITIVE);
    must_push(node.dicom, &film);
    node.settled(&film.study, 1);
    until("the state is withdrawn", || events(&node, "delivery_withdrawn").pop());
    node.settled(&film.study, 1);
    assert_eq!(held(&pacs, &film), ["SR"], "the film was built before anybody knew");
    assert_eq!(peer(&node)["kinds"], json!(["sr", "sc"]));
}

#[test]
fn a_peer_that_takes_nothing_at_all_loses_nothing() {
    let pacs = Pacs::taking(0, &["1.2.840.10008.5.1.4.1.1.1"]);
    let port = pacs.port;
    let home = Home::new(&[Peer::pacs(port, "auto")]).synthetic_map();
    let node = home.start();
    let film = fixture(POSITIVE);
    must_push(node.dicom, &film);
    until("everything waits", || scheduled(&node, &film));
    until("the answer is told", || events(&node, "probe_failed").pop());
    assert_eq!(peer(&node)["probe"]["outcome"], "takes_nothing");
    drop(pacs);
    let pacs = Pacs::taking(port, &[SR_3D, GSPS]);
    node.settled(&film.study, 1);
    assert_eq!(held(&pacs, &film), ["PR", "SR"]);
}

#[test]
fn a_changed_entry_makes_the_former_answer_void() {
    let pacs = Pacs::taking(0, &[SR_3D, GSPS]);
    let home = Home::new(&[Peer::pacs(pacs.port, "auto")]);
    let node = home.start();
    until("the peer was asked", || (peer(&node)["kinds"] == json!(["sr", "gsps"])).then_some(()));
    node.stop();
    let elsewhere = Pacs::start().port;
    let home = home.with_peers(&[Peer::pacs(elsewhere, "auto")]);
    let node = home.start();
    let now = until("the other place was asked", || Some(peer(&node)).filter(|p| !p["probe"].is_null()));
    assert_eq!((&now["kinds"], &now["probe"]["outcome"]), (&Value::Null, &json!("refused")), "{now:#}");
}

/// A result row of study 7.1.
pub fn result(sop: &str, kind: &str, revision: i64, derived_from: Option<&str>) -> ResultRow {
    let text = str::to_owned;
    ResultRow {
        sop_instance: text(sop),
        study_uid: text("7.1"),
        revision,
        kind: text(kind),
        sop_class: text("1.2"),
        series_uid: text("7.9"),
        source: None,
        not_analyzed: false,
        blob: text("b"),
        bytes: 1,
        sha256: text("s"),
        model: text("{}"),
        position: 0,
        created_at: 1,
        destination: derived_from.map(|_| text("old")),
        withdrawn_at: None,
        reason: None,
        derived_from: derived_from.map(text),
    }
}

/// What the store promises of peers, on either engine.
pub async fn contract(db: &Db) {
    let mut tx = db.write().await.unwrap();
    for row in [
        result("7.1.1", "sr", 1, None),
        result("7.1.2", "sr", 1, Some("7.1.1")),
        result("7.1.3", "gsps", 1, None),
        result("7.1.4", "seg", 1, None),
        result("7.2.1", "sr", 2, None),
    ] {
        assert!(results::insert(&mut tx, &row).await.unwrap());
    }
    let found = results::find(&mut tx, "7.1.2").await.unwrap().unwrap();
    assert_eq!((found.destination.as_deref(), found.derived_from.as_deref()), (Some("old"), Some("7.1.1")));
    let latest = results::latest_report_before(&mut tx, "7.1", 2).await.unwrap().unwrap();
    assert_eq!(latest.sop_instance, "7.1.1", "what was made of a report is not the report");

    // A claimed delivery is pointed to another form, once; what waits is taken back by kind.
    for sop in ["7.1.1", "7.1.3", "7.1.4"] {
        deliveries::schedule(&mut tx, sop, "7.1", "old", Urgency::Routine, 10).await.unwrap();
    }
    deliveries::schedule(&mut tx, "7.1.3", "7.1", "new", Urgency::Routine, 10).await.unwrap();
    let claimed = deliveries::claim(&mut tx, "old", 10, 1_000, 1).await.unwrap().remove(0);
    assert_eq!(claimed.result, "7.1.1");
    assert!(deliveries::repoint(&mut tx, &claimed.id, "7.1.1", "7.1.2").await.unwrap());
    assert!(!deliveries::repoint(&mut tx, &claimed.id, "7.1.1", "7.1.2").await.unwrap(), "it points elsewhere");
    assert!(results::latest_report_at(&mut tx, "old", "7.1", 2).await.unwrap().is_none(), "not there yet");
    let accepted = deliveries::AttemptRecord {
        state: DeliveryState::Accepted,
        next_at: 0,
        status: Some(0),
        error: None,
        cause: None,
    };
    deliveries::record(&mut tx, &claimed.id, &accepted, 20).await.unwrap();
    assert!(!deliveries::repoint(&mut tx, &claimed.id, "7.1.2", "7.1.1").await.unwrap(), "it is not ours any more");
    let there = results::latest_report_at(&mut tx, "old", "7.1", 2).await.unwrap().unwrap();
    assert_eq!(there.sop_instance, "7.1.2", "the form that this destination has");
    assert!(results::latest_report_at(&mut tx, "old", "7.1", 1).await.unwrap().is_none());
    assert!(deliveries::withdraw(&mut tx, "old", "sr").await.unwrap().is_empty(), "it was accepted");
    let taken = deliveries::withdraw(&mut tx, "old", "gsps").await.unwrap();
    assert_eq!(taken.iter().map(|d| d.result.as_str()).collect::<Vec<_>>(), ["7.1.3"]);
    let left = deliveries::list(&mut tx, None, None, Some("7.1"), 10).await.unwrap();
    let left: Vec<_> = left.iter().map(|d| (d.destination.as_str(), d.result.as_str())).collect();
    assert_eq!(left.len(), 3, "{left:?}");
    assert!(left.contains(&("new", "7.1.3")) && left.contains(&("old", "7.1.4")), "{left:?}");

    let mut row = ProbeRow {
        peer: "old".to_owned(),
        address: "OLD at h:1 from US".to_owned(),
        at: 5,
        outcome: "answered".to_owned(),
        error: None,
        failures: 0,
        answered_at: Some(5),
        ability: Some("{}".to_owned()),
        implementation: None,
    };
    assert!(probes::find(&mut tx, "old").await.unwrap().is_none());
    probes::save(&mut tx, &row).await.unwrap();
    (row.at, row.outcome, row.failures) = (6, "refused".to_owned(), 1);
    probes::save(&mut tx, &row).await.unwrap();
    assert_eq!(probes::all(&mut tx).await.unwrap(), [row], "one row for each peer");

    let call = |at, address: &str| HeardRow { ae_title: "OLD".to_owned(), at, address: address.to_owned() };
    for (at, address) in [(5, "10.0.0.1"), (7, "10.0.0.2"), (6, "10.0.0.3")] {
        heard::note(&mut tx, &call(at, address)).await.unwrap();
    }
    assert_eq!(heard::all(&mut tx).await.unwrap(), [call(7, "10.0.0.2")], "the latest stands");
    // Dropped: what follows in the contract finds nothing of this.
}
