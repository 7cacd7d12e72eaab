//! What a destination can answer, one row each: what becomes of the delivery, what the feed and `centinela status`
//! say, whether it is tried again, and that a person gets it through once the destination has changed its mind.
//! PS3.4 table B.2-1, PS3.7 annex C; the table of the code is `domain::delivery::ANSWERS`.

use crate::harness::dcmtk::{GSPS, SC, SR_3D, SR_COMPREHENSIVE, SR_ENHANCED};
use crate::harness::films::fixture;
use crate::harness::modality::must_push;
use crate::harness::node::{Home, Node, Peer};
use crate::harness::peer::Scripted;
use crate::harness::until;
use serde_json::{Value, json};
use std::time::Duration;

/// What follows from an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Then {
    Delivered,
    TriedAgain,
    Parked,
}

impl Then {
    /// State of the delivery and kind of its event.
    const fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Delivered => ("accepted", "delivered"),
            Self::TriedAgain => ("scheduled", "delivery_delayed"),
            Self::Parked => ("refused", "delivery_refused"),
        }
    }
}

/// A row: a destination of its own.
struct Row {
    name: &'static str,
    /// What it does.
    does: Value,
    then: Then,
    /// The last status that the API tells.
    status: Option<&'static str>,
    /// Why, as one word.
    cause: Option<&'static str>,
    /// What `centinela status` says of it, if anything.
    said: &'static str,
}

/// A destination that takes every class and answers each C-STORE so.
fn answers(name: &'static str, status: u16, then: Then, shown: &'static str, said: &'static str) -> Row {
    let cause = (then != Then::Delivered).then_some("status");
    Row { name, does: json!({ "answers": { "*": [status] } }), then, status: Some(shown), cause, said }
}

/// A destination that takes only these classes, and stores.
fn takes(name: &'static str, classes: &[&str], then: Then, said: &'static str) -> Row {
    let parked = then == Then::Parked;
    let (status, cause) = if parked { (None, Some("no_context")) } else { (Some("0x0000"), None) };
    Row { name, does: json!({ "classes": classes }), then, status, cause, said }
}

fn rows() -> Vec<Row> {
    use Then::{Delivered, Parked, TriedAgain};
    vec![
        answers("success", 0x0000, Delivered, "0x0000", ""),
        answers("coercion", 0xB000, Delivered, "0xB000", ""),
        answers("discarded", 0xB006, Delivered, "0xB006", ""),
        answers("mismatch-warning", 0xB007, Delivered, "0xB007", ""),
        answers("duplicate", 0x0111, Delivered, "0x0111", ""),
        answers("processing", 0x0110, TriedAgain, "0x0110", "answered 0x0110 (Processing failure)"),
        answers("resources", 0xA700, TriedAgain, "0xA700", "answered 0xA700 (Refused: out of resources)"),
        answers("class", 0x0122, Parked, "0x0122", "answered 0x0122 (Refused: SOP class not supported)"),
        answers("right", 0x0124, Parked, "0x0124", "answered 0x0124 (Refused: not authorized)"),
        answers("mismatch", 0xA900, Parked, "0xA900", "answered 0xA900 (Error: data set does not match SOP class)"),
        answers("understand", 0xC000, Parked, "0xC000", "answered 0xC000 (Error: cannot understand)"),
        answers("unknown", 0x7777, Parked, "0x7777", "answered 0x7777"),
        takes("comprehensive", &[SR_COMPREHENSIVE], Delivered, ""),
        takes("enhanced", &[SR_ENHANCED], Delivered, ""),
        takes("no-report", &[SC], Parked, "does not accept SOP class 1.2.840.10008.5.1.4.1.1.88.34"),
    ]
}

/// The class in which the report goes to a destination.
fn class(name: &str) -> &'static str {
    match name {
        "comprehensive" => SR_COMPREHENSIVE,
        "enhanced" => SR_ENHANCED,
        _ => SR_3D,
    }
}

fn delivery(node: &Node<'_>, name: &str) -> Option<Value> {
    let all = node.get(&format!("/api/v1/deliveries?destination={name}"));
    let all = all["deliveries"].as_array().unwrap();
    assert!(all.len() <= 1, "{name}: {all:#?}");
    all.first().cloned()
}

/// The last event of this kind about a destination.
fn event(node: &Node<'_>, kind: &str, name: &str) -> Option<Value> {
    let all = node.get(&format!("/api/v1/events?kind={kind}&limit=500"));
    all["events"].as_array().unwrap().iter().find(|event| event["detail"]["destination"] == name).cloned()
}

fn command(home: &Home, arguments: &[&str]) -> (bool, String) {
    let done = home.command(arguments).output().unwrap();
    let said = [done.stdout, done.stderr].concat();
    (done.status.success(), String::from_utf8(said).unwrap())
}

#[test]
fn each_answer_has_its_fate() {
    let rows = rows();
    let mut peers: Vec<Scripted> = rows.iter().map(|row| Scripted::start(&row.does)).collect();
    let entries: Vec<Peer> = rows
        .iter()
        .zip(&peers)
        .map(|(row, peer)| Peer { name: row.name.into(), ..Peer::pacs(peer.port, "research") })
        .collect();
    let home = Home::new(&entries);
    let node = home.start();
    let film = fixture("dx_opacity");
    must_push(node.dicom, &film);

    for (row, peer) in rows.iter().zip(&peers) {
        let name = row.name;
        let (state, kind) = row.then.words();
        let told = until(&format!("{name} is told of as {kind}"), || event(&node, kind, name));
        assert_eq!(told["detail"]["status"], json!(row.status), "{name}: {told:#}");
        assert_eq!(told["detail"]["error"].is_null(), row.status == Some("0x0000"), "{name}: {told:#}");
        let there = delivery(&node, name).unwrap();
        if row.then == Then::TriedAgain {
            assert!(["scheduled", "sending"].contains(&there["state"].as_str().unwrap()), "{name}: {there:#}");
            until(&format!("{name} is tried again"), || (peer.told("store").len() >= 3).then_some(()));
        } else {
            assert_eq!(there["state"], state, "{name}: {there:#}");
        }
        assert_eq!((&there["last_status"], &there["cause"]), (&json!(row.status), &json!(row.cause)), "{name}");
        let fallback = event(&node, "result_downgraded", name);
        assert_eq!(fallback.is_some(), class(name) != SR_3D, "{name}: {fallback:?}");
    }
    // What was tried again had its second and third attempt meanwhile; nothing else had.
    for (row, peer) in rows.iter().zip(&peers) {
        let stored = peer.told("store");
        let once = usize::from(row.cause != Some("no_context"));
        assert!(row.then == Then::TriedAgain || stored.len() == once, "{}: {stored:#?}", row.name);
        assert!(stored.iter().all(|store| store["sop_class"] == class(row.name)), "{}: {stored:#?}", row.name);
    }
    let (well, text) = command(&home, &["status"]);
    assert!(
        text.contains("do: look at the destination's log; then `centinela delivery retry --destination unknown`"),
        "{text}"
    );
    assert!(!well, "somebody has to look");
    for row in &rows {
        let complaint = text.lines().find(|line| line.starts_with(&format!("[!!] {}: ", row.name)));
        assert_eq!(complaint.is_some(), !row.said.is_empty(), "{}: {text}", row.name);
        assert!(complaint.unwrap_or_default().contains(row.said), "{}: {text}", row.name);
        let remedy = format!("`centinela delivery retry --destination {}`", row.name);
        assert_eq!(text.contains(&remedy), row.then == Then::Parked, "{}: {text}", row.name);
    }

    // The destinations change their minds: nothing that was parked goes by itself, everything goes by hand.
    for (row, peer) in rows.iter().zip(&mut peers) {
        if row.cause == Some("no_context") {
            let port = peer.port;
            *peer = Scripted::start(&json!({ "port": 0 }));
            *peer = Scripted::start(&json!({ "port": port }));
        } else {
            peer.change(&json!({ "answers": {} }));
        }
    }
    std::thread::sleep(Duration::from_secs(2));
    for row in &rows {
        let name = row.name;
        if row.then == Then::Parked {
            assert_eq!(delivery(&node, name).unwrap()["state"], "refused", "{name}");
        }
        let (done, said) = command(&home, &["delivery", "retry", "--destination", name]);
        // What was to be tried again may have arrived by itself.
        assert_eq!(done, row.then == Then::Parked || done && row.then == Then::TriedAgain, "{name}: {said}");
        let arrived = || delivery(&node, name).filter(|d| d["state"] == "accepted");
        let there = until(&format!("{name} has the report"), arrived);
        let first = if row.then == Then::Delivered { row.status } else { Some("0x0000") };
        assert_eq!(there["last_status"], json!(first), "{name}");
        assert_eq!(event(&node, "retry_requested", name).is_some(), done, "{name}");
    }
}

#[test]
fn a_destination_without_presentation_states_gets_its_reports_all_the_same() {
    let peer = Scripted::start(&json!({ "classes": [SR_3D] }));
    let home = Home::new(&[Peer::pacs(peer.port, "full")]).synthetic_map();
    let node = home.start();
    let film = fixture("dx_portrait_mono2_14");
    must_push(node.dicom, &film);
    let refused = until("the presentation state is refused", || event(&node, "delivery_refused", "pacs"));
    assert_eq!((&refused["detail"]["kind"], &refused["detail"]["status"]), (&json!("gsps"), &Value::Null));
    assert!(refused["detail"]["error"].as_str().unwrap().contains(GSPS), "{refused:#}");
    let of = |state: &str| node.get(&format!("/api/v1/deliveries?state={state}"))["deliveries"].clone();
    until("the report has arrived", || (of("accepted").as_array()?.len() == 1).then_some(()));
    assert_eq!((&of("refused")[0]["cause"], &of("refused")[0]["attempts"]), (&json!("no_context"), &json!(1)));
    let (_, text) = command(&home, &["status"]);
    assert!(text.contains("[!!] pacs: 1 result was refused: pacs does not accept SOP class"), "{text}");
    assert!(text.contains("let the destination take this class; then `centinela delivery retry --dest"), "{text}");
    // It learns to take them: by hand, only that object goes.
    let port = peer.port;
    drop(peer);
    let peer = Scripted::start(&json!({ "port": port }));
    let id = of("refused")[0]["id"].as_str().unwrap().to_owned();
    let (done, said) = command(&home, &["delivery", "retry", &id]);
    assert!(done && said.contains("1 result is tried again now"), "{said}");
    node.settled(&film.study, 1);
    let classes: Vec<_> = peer.told("store").iter().map(|store| store["sop_class"].clone()).collect();
    assert_eq!(classes, [GSPS]);
}
