//! Storage commitment as SCU: a destination promises to keep our results, or part of them, late, elsewhere, never; and
//! what is done where nobody promises (PS3.4 annex J, and C-FIND of annex C).

use crate::harness::films::{Film, fixture};
use crate::harness::modality::must_push;
use crate::harness::node::{Home, Node};
use crate::harness::peer::Scripted;
use crate::harness::tools::free_port;
use crate::harness::until;
use crate::orthanc::Orthanc;
use centinela::failpoint;
use centinela::store::Db;
use centinela::store::deliveries::{self, AttemptRecord};
use centinela::store::proofs::{self, Span, Step};
use centinela::store::results::{self, ResultRow};
use centinela_domain::delivery::DeliveryState;
use centinela_domain::priority::Urgency;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// A node whose results go to this port, with more keys for the destination.
fn home(port: u16, keys: &str) -> Home {
    Home::new(&[]).synthetic_map().set("CENTINELA__DELIVERY__COMMITMENT_WAIT", "2").peers_text(&format!(
        "[[peer]]\nname = \"pacs\"\nae_title = \"PACS\"\nhost = \"127.0.0.1\"\nport = {port}\ndeliver = \"compat\"\n\
         on_skip = \"all\"\n{keys}\n"
    ))
}

fn pushed(node: &Node<'_>) -> Film {
    let film = fixture("dx_portrait_mono2_14");
    must_push(node.dicom, &film);
    film
}

/// The chain, once every result is in this state.
fn all_are(node: &Node<'_>, film: &Film, state: &str) -> Value {
    until(&format!("every result is {state}"), || {
        let chain = chain(node, film)?;
        let results = chain["results"].as_array()?;
        (results.len() == 3 && results.iter().all(|r| r["state"] == state)).then_some(chain)
    })
}

fn chain(node: &Node<'_>, film: &Film) -> Option<Value> {
    let answer = node.ask("GET", &format!("/api/v1/studies/{}/chain", film.study));
    (answer.status == 200).then(|| answer.json())
}

/// The chain, once its requests for commitment are in these states.
fn proofs_are(node: &Node<'_>, film: &Film, states: &[&str]) -> Value {
    let mut last = Value::Null;
    until(&format!("requests are {states:?}"), || {
        last = chain(node, film)?;
        let now: Vec<_> = last["proofs"].as_array()?.iter().map(|p| p["state"].as_str().unwrap()).collect();
        (now == states).then(|| last.clone())
    })
}

fn instances(chain: &Value) -> BTreeSet<String> {
    chain["results"].as_array().unwrap().iter().map(|r| r["sop_instance"].as_str().unwrap().to_owned()).collect()
}

fn events(node: &Node<'_>, kind: &str) -> Vec<Value> {
    node.get(&format!("/api/v1/events?kind={kind}"))["events"].as_array().unwrap().clone()
}

/// How often each instance was stored there.
fn stored(peer: &Scripted, sop: &str) -> usize {
    peer.told("store").iter().filter(|store| store["sop"] == sop).count()
}

#[test]
fn orthanc_commits_to_every_result() {
    let port = free_port();
    let home = home(port, "");
    let node = home.start();
    let orthanc = Orthanc::start_with(json!({
        "DicomPort": port, "DicomModalities": { "centinela": ["CENTINELA", "127.0.0.1", node.dicom] },
    }));
    let film = pushed(&node);
    let chain = all_are(&node, &film, "committed");
    assert!(chain["committed_at"].is_string(), "{chain:#}");
    let proof = &chain["proofs"][0];
    assert_eq!((&proof["state"], &proof["instances"]), (&json!("done"), &json!(3)), "{chain:#}");
    for result in chain["results"].as_array().unwrap() {
        assert_eq!(result["transaction_uid"], proof["transaction_uid"]);
        assert!(result["committed_at"].as_str() >= result["accepted_at"].as_str(), "{chain:#}");
    }
    assert_eq!(events(&node, "proof_reported")[0]["detail"]["committed"], 3);
    let text = String::from_utf8(home.command(&["status", "--study", &film.study]).output().unwrap().stdout).unwrap();
    assert_eq!(text.matches(", transaction 2.25.").count(), 3, "{text}");
    assert!(text.contains("commitment to 3 objects: reported "), "{text}");
    drop(orthanc);
}

#[test]
fn a_report_on_the_same_association_is_taken_and_a_stranger_s_refused() {
    let peer = Scripted::start(&json!({ "commitment": { "says": ["all"], "unknown": true } }));
    let home = home(peer.port, "");
    let node = home.start();
    let film = pushed(&node);
    let chain = all_are(&node, &film, "committed");
    let reported = until("both are answered", || Some(peer.told("reported")).filter(|told| told.len() == 2));
    let statuses: Vec<_> = reported.iter().map(|told| told["status"].as_u64()).collect();
    assert_eq!(statuses, [Some(0x0115), Some(0)], "{reported:#?}");
    assert_eq!(peer.told("action").len(), 1);
    assert_eq!(chain["proofs"][0]["transaction_uid"], reported[1]["transaction"]);
}

#[test]
fn a_report_on_a_new_association_comes_late_and_after_our_restart() {
    let mut peer = Scripted::start(&json!({ "commitment": {} }));
    let home = home(peer.port, "");
    let node = home.start();
    peer.change(&json!({ "commitment": { "delay": 3, "node": node.dicom } }));
    let film = pushed(&node);
    all_are(&node, &film, "committed");
    assert_eq!(peer.told("reported")[0]["status"], 0);
    // Once more, and this time the node that asked is another process than the one that hears.
    peer.change(&json!({ "commitment": { "says": ["never"] } }));
    let second = fixture("dx_landscape_mono1_12");
    must_push(node.dicom, &second);
    let action = until("it is asked", || peer.told("action").into_iter().nth(1));
    let waiting = proofs_are(&node, &second, &["waiting"]);
    assert!(waiting["proofs"][0]["due_at"].is_string(), "{waiting:#}");
    node.stop();
    let node = home.start();
    let again = report_later(node.dicom, &action);
    assert_eq!(again, [0, 0], "a report that comes twice is taken twice");
    all_are(&node, &second, "committed");
    assert_eq!(events(&node, "proof_reported").len(), 2, "and counted once");
}

/// Has pynetdicom report success for a transaction, twice; gives the statuses that the node answered.
fn report_later(node: u16, action: &Value) -> Vec<u64> {
    let program = crate::harness::tools::script("report_peer.py");
    let arguments = json!({ "node": node, "transaction": action["transaction"], "instances": action["instances"] });
    let text = crate::harness::tools::must(
        &crate::harness::tools::python(),
        &[program.to_str().unwrap(), &arguments.to_string()],
    );
    serde_json::from_str(text.trim()).unwrap()
}

#[test]
fn what_a_peer_does_not_commit_to_is_sent_again_and_nothing_else() {
    let peer = Scripted::start(&json!({ "commitment": { "says": ["half", "all"] } }));
    let home = home(peer.port, "");
    let node = home.start();
    let film = pushed(&node);
    let chain = all_are(&node, &film, "committed");
    let actions = peer.told("action");
    assert_eq!(actions.len(), 2, "{actions:#?}");
    let failed = actions[0]["instances"][1].as_str().unwrap();
    assert_eq!(actions[1]["instances"], json!([failed]));
    for sop in instances(&chain) {
        assert_eq!(stored(&peer, &sop), if sop == failed { 2 } else { 1 }, "{sop}");
    }
    let told = &events(&node, "proof_reported");
    let counts: Vec<_> =
        told.iter().map(|e| (e["detail"]["committed"].clone(), e["detail"]["again"].clone())).collect();
    assert!(counts.contains(&(json!(2), json!(1))) && counts.contains(&(json!(1), json!(0))), "{counts:?}");
}

#[test]
fn a_peer_that_commits_to_nothing_gets_them_again_later_and_later_and_it_is_told() {
    let peer = Scripted::start(&json!({ "commitment": { "says": ["none"] } }));
    let home = home(peer.port, "");
    let node = home.start();
    let film = pushed(&node);
    until("it was asked twice", || (peer.told("action").len() == 2).then_some(()));
    let chain = until("they wait for a third time", || {
        let chain = chain(&node, &film)?;
        let waits = chain["results"].as_array()?.iter().all(|r| r["state"] == "scheduled");
        (waits && chain["proofs"].as_array()?.len() == 2 && chain["proofs"][1]["state"] == "done").then_some(chain)
    });
    for sop in instances(&chain) {
        assert_eq!(stored(&peer, &sop), 2);
    }
    let missing = chain["missing"][0].as_str().unwrap();
    assert!(missing.starts_with("pacs lacks ") && missing.contains("did not commit to keep it: 0x0112"), "{missing}");
    let text = String::from_utf8(home.command(&["status"]).output().unwrap().stdout).unwrap();
    assert!(text.contains("[!!] pacs: it answered success and then did not commit to keep the result"), "{text}");
}

#[test]
fn a_class_that_it_will_not_commit_to_is_not_sent_again_but_shown_and_can_be_asked_again() {
    let mut peer = Scripted::start(&json!({ "commitment": { "says": ["none"], "reason": 0x0122 } }));
    let home = home(peer.port, "");
    let node = home.start();
    let film = pushed(&node);
    proofs_are(&node, &film, &["done"]);
    let chain = all_are(&node, &film, "accepted");
    let alert = until("an alert stands", || {
        node.get("/api/v1/alerts")["alerts"].as_array()?.iter().find(|a| a["kind"] == "not_committed").cloned()
    });
    assert_eq!(
        (&alert["destination"], &alert["text"]),
        (&json!("pacs"), &json!("3 results were accepted without a promise to keep them"),)
    );
    assert_eq!(peer.told("store").len(), 3);
    peer.change(&json!({ "commitment": {} }));
    for result in chain["results"].as_array().unwrap() {
        let answer = node.ask("POST", &format!("/api/v1/deliveries/{}/retry", result["delivery"].as_str().unwrap()));
        assert_eq!(answer.status, 202, "{answer:?}");
    }
    all_are(&node, &film, "committed");
    let over =
        || node.get("/api/v1/alerts")["alerts"].as_array()?.iter().all(|a| !a["cleared_at"].is_null()).then_some(());
    until("the alert is over", over);
}

#[test]
fn without_a_report_they_are_looked_for_and_sent_again_where_they_are_not() {
    for lost in [false, true] {
        let mut peer = Scripted::start(&json!({ "commitment": { "says": ["never"] }, "find": true, "lose": lost }));
        let home = home(peer.port, "").set("CENTINELA__DELIVERY__COMMITMENT_TIMEOUT", "1");
        let node = home.start();
        let film = pushed(&node);
        until("it is looked for", || (peer.told("find").len() >= 3).then_some(()));
        until("and that is told", || events(&node, "proof_looked").pop());
        assert!(!events(&node, "proof_overdue").is_empty());
        if lost {
            peer.change(&json!({ "commitment": { "says": ["all"] }, "lose": false }));
            let chain = all_are(&node, &film, "committed");
            assert!(instances(&chain).iter().all(|sop| stored(&peer, sop) == 2), "each was sent again");
        } else {
            let chain = proofs_are(&node, &film, &["found"]);
            let found = |r: &Value| r["state"] == "accepted" && r["found_at"].is_string();
            assert!(chain["results"].as_array().unwrap().iter().all(found), "{chain:#}");
            assert_eq!(peer.told("store").len(), 3);
            let sent = peer.told("action")[0].clone();
            assert_eq!(report_later(node.dicom, &sent), [0, 0], "a promise that comes after all is taken");
            all_are(&node, &film, "committed");
        }
    }
}

#[test]
fn where_it_is_not_offered_accepted_is_the_end_or_c_find_is_or_it_is_shown() {
    // Nothing asked for: nobody complains.
    let peer = Scripted::start(&json!({ "find": true }));
    let home_of = |keys| home(peer.port, keys);
    let plain = home_of("");
    let node = plain.start();
    let film = pushed(&node);
    let chain = proofs_are(&node, &film, &["unoffered"]);
    assert!(chain["missing"].as_array().unwrap().is_empty() && chain["accepted_at"].is_string(), "{chain:#}");
    assert!(peer.told("find").is_empty());
    // The second study is not asked for at all: a day has not passed.
    let asked = || peer.told("association").iter().filter(|call| call["commitment"] == true).count();
    assert_eq!(asked(), 1);
    let second = fixture("dx_landscape_mono1_12");
    must_push(node.dicom, &second);
    node.settled(&second.study, 1);
    std::thread::sleep(std::time::Duration::from_secs(3));
    assert_eq!(asked(), 1, "none to ask");
    assert!(chain_of(&node, &second)["proofs"].as_array().unwrap().is_empty());
    drop(node);
    // Looked for by C-FIND.
    let looks = home_of("verify = \"find\"");
    let node = looks.start();
    let film = pushed(&node);
    let chain = proofs_are(&node, &film, &["found"]);
    assert!(chain["results"].as_array().unwrap().iter().all(|r| r["found_at"].is_string()), "{chain:#}");
    drop(node);
    // Demanded.
    let demands = home_of("commitment = \"require\"");
    let node = demands.start();
    let film = pushed(&node);
    proofs_are(&node, &film, &["unoffered"]);
    let shown = || {
        let text = String::from_utf8(demands.command(&["status"]).output().ok()?.stdout).ok()?;
        text.contains("accepted without a promise to keep them").then_some(())
    };
    until("status tells", shown);
    drop(node);
    // Switched off: never asked, and it may not call us either.
    let off = home_of("commitment = \"off\"");
    let node = off.start();
    let film = pushed(&node);
    node.settled(&film.study, 1);
    std::thread::sleep(std::time::Duration::from_secs(3));
    assert!(chain_of(&node, &film)["proofs"].as_array().unwrap().is_empty());
}

fn chain_of(node: &Node<'_>, film: &Film) -> Value {
    chain(node, film).unwrap()
}

#[test]
fn a_request_that_is_refused_for_now_is_made_again_and_one_for_good_is_not() {
    let mut peer = Scripted::start(&json!({ "commitment": { "action": 0x0213 } }));
    let node_home = home(peer.port, "");
    let node = node_home.start();
    let film = pushed(&node);
    until("it was asked again", || (peer.told("action").len() >= 2).then_some(()));
    peer.change(&json!({ "commitment": {} }));
    all_are(&node, &film, "committed");
    let asked: BTreeSet<_> =
        peer.told("action").iter().map(|a| a["transaction"].as_str().unwrap().to_owned()).collect();
    assert_eq!(asked.len(), 1, "the same transaction each time");
    peer.change(&json!({ "commitment": { "action": 0x0124 } }));
    let second = fixture("dx_landscape_mono1_12");
    must_push(node.dicom, &second);
    proofs_are(&node, &second, &["refused"]);
    assert_eq!(events(&node, "proof_refused")[0]["detail"]["status"], "0x0124");
}

#[test]
fn killed_at_every_step_of_a_proof_it_is_had_all_the_same() {
    for name in failpoint::PROOF {
        let peer = Scripted::start(&json!({ "commitment": { "delay": 0.5 } }));
        let home = home(peer.port, "").set("CENTINELA__DELIVERY__COMMITMENT_TIMEOUT", "5");
        let node = home.start_with(&[("CENTINELA_FAILPOINT", name)]);
        let film = fixture("dx_portrait_mono2_14");
        must_push(node.dicom, &film);
        assert!(!node.wait().success());
        assert!(home.logs().contains(&format!("failpoint fired name={name}")), "{name}");
        let node = home.start();
        let chain = all_are(&node, &film, "committed");
        let proofs = chain["proofs"].as_array().unwrap();
        assert!(proofs.iter().all(|p| p["state"] != "waiting" && p["state"] != "asking"), "{name}: {chain:#}");
    }
}

#[test]
fn who_only_receives_may_report_and_neither_send_nor_ask() {
    let home = home(9, "");
    let node = home.start();
    let film = fixture("dx_portrait_mono2_14");
    let sent = crate::harness::modality::push_as("PACS", node.dicom, &film);
    assert!(sent.is_err(), "{sent:?}");
    assert_eq!(node.ask("GET", &format!("/api/v1/instances/{}", film.sop)).status, 404);
    let refused = events(&node, "call_refused");
    assert_eq!(refused[0]["detail"]["reason"], "sop_classes", "{refused:#?}");
}

/// What the store promises of proofs, on either engine.
pub async fn contract(db: &Db) {
    let mut tx = db.write().await.unwrap();
    for (n, study) in [("7.1", "7"), ("7.2", "7"), ("8.1", "8")] {
        results::insert(&mut tx, &result(n, study)).await.unwrap();
        deliveries::schedule(&mut tx, n, study, "keeper", Urgency::Routine, 10).await.unwrap();
    }
    let accept =
        AttemptRecord { state: DeliveryState::Accepted, next_at: 0, status: Some(0), error: None, cause: None };
    let rows = deliveries::claim(&mut tx, "keeper", 20, 1_000, 8).await.unwrap();
    for row in &rows {
        deliveries::record(&mut tx, &row.id, &accept, if row.result == "7.2" { 5_000 } else { 100 }).await.unwrap();
    }
    let span = |until| Span { since: 0, until, patience_ms: 60_000 };
    let of = |rows: Vec<proofs::UnprovenRow>| rows.into_iter().map(|row| row.sop_instance).collect::<Vec<_>>();
    // Study 7 is not complete at 1000: what was accepted later holds the earlier up.
    assert!(proofs::any_unproven(&mut tx, "keeper", span(1_000)).await.unwrap());
    assert_eq!(of(proofs::unproven(&mut tx, "keeper", span(1_000)).await.unwrap()), ["8.1"]);
    let all = proofs::unproven(&mut tx, "keeper", span(6_000)).await.unwrap();
    assert_eq!(of(all.clone()), ["7.1", "7.2", "8.1"]);
    assert!(!proofs::any_unproven(&mut tx, "keeper", Span { since: 5_001, ..span(6_000) }).await.unwrap());
    // One of them is on its way again: it holds the other up, for so long.
    let lost = proofs::begin(&mut tx, "keeper", "asking", &all[1..2], 6_500).await.unwrap().unwrap();
    assert!(proofs::send_again(&mut tx, &lost, &all[1].id, 7_000, "lost").await.unwrap());
    proofs::reported(&mut tx, &lost, 6_600).await.unwrap();
    assert_eq!(of(proofs::unproven(&mut tx, "keeper", span(6_000)).await.unwrap()), ["8.1"]);
    assert_eq!(of(proofs::unproven(&mut tx, "keeper", span(60_100)).await.unwrap()), ["7.1", "8.1"]);

    let proof = proofs::begin(&mut tx, "keeper", "asking", &all[..1], 7_000).await.unwrap().unwrap();
    assert!(proofs::begin(&mut tx, "keeper", "asking", &[], 7_000).await.unwrap().is_none());
    assert!(proofs::any_due(&mut tx, "keeper", 7_000).await.unwrap());
    assert!(!proofs::any_due(&mut tx, "keeper", 6_999).await.unwrap());
    assert!(proofs::asked(&mut tx, &proof, 7_100, 9_000).await.unwrap());
    assert!(!proofs::asked(&mut tx, &proof, 7_200, 9_900).await.unwrap(), "it was asked already");
    assert!(proofs::due(&mut tx, "keeper", 8_999, 8).await.unwrap().is_empty());
    let row = proofs::due(&mut tx, "keeper", 9_000, 8).await.unwrap().remove(0);
    assert_eq!((row.state.as_str(), row.due_at, row.asked_at), ("waiting", Some(9_000), Some(7_100)));
    let step = Step { state: "looking", next_at: 9_000, status: None, error: Some("e") };
    assert!(proofs::step(&mut tx, &row, &step).await.unwrap());
    assert!(!proofs::step(&mut tx, &row, &step).await.unwrap(), "the state has changed meanwhile");
    assert!(proofs::of_transaction(&mut tx, &row.transaction_uid, &["other"]).await.unwrap().is_none());
    let row = proofs::of_transaction(&mut tx, &row.transaction_uid, &["keeper"]).await.unwrap().unwrap();
    let delivery = all[0].id.as_str();
    assert!(proofs::committed(&mut tx, &row, delivery, 9_500).await.unwrap());
    assert!(!proofs::send_again(&mut tx, &row, delivery, 9_600, "lost").await.unwrap(), "a promise stands");
    proofs::outcome(&mut tx, &row.id, delivery, 0).await.unwrap();
    assert_eq!(proofs::references(&mut tx, &row.id).await.unwrap()[0].outcome, Some(0));
    proofs::reported(&mut tx, &row, 9_500).await.unwrap();
    let of_study = proofs::of_study(&mut tx, "7").await.unwrap();
    let reported: Vec<_> = of_study.iter().map(|row| (row.state.as_str(), row.reported_at)).collect();
    assert_eq!(reported, [("done", Some(6_600)), ("done", Some(9_500))]);

    assert_eq!(proofs::unoffered_until(&mut tx, "keeper").await.unwrap(), None);
    proofs::set_unoffered(&mut tx, "keeper", Some(77)).await.unwrap();
    assert_eq!(proofs::unoffered_until(&mut tx, "keeper").await.unwrap(), Some(77));
    proofs::set_unoffered(&mut tx, "keeper", None).await.unwrap();
    assert_eq!(proofs::unoffered_until(&mut tx, "keeper").await.unwrap(), None);
}

fn result(sop: &str, study: &str) -> ResultRow {
    ResultRow { study_uid: study.to_owned(), ..crate::auto_deliver::result(sop, "sr", 1, None) }
}
