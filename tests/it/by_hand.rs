//! `centinela delivery park|resume|retry`: one result, a study's, a whole destination's, beside a running node and
//! without one.

use crate::harness::films::{Film, fixture};
use crate::harness::modality::must_push;
use crate::harness::node::{Home, Node, Peer};
use crate::harness::pacs::Pacs;
use crate::harness::until;
use serde_json::Value;
use std::time::Duration;

/// Two destinations: the ward, and an archive that asks for patience.
struct Desk {
    home: Home,
    ward: Pacs,
    archive: Pacs,
}

impl Desk {
    fn new() -> Self {
        let (ward, archive) = (Pacs::start(), Pacs::start());
        let peer = |name: &str, port| Peer { name: name.into(), ..Peer::pacs(port, "research") };
        let home = Home::new(&[peer("ward", ward.port), peer("archive", archive.port)]);
        Self { home, ward, archive }
    }

    /// Runs `centinela delivery`; gives what it said.
    fn delivery(&self, arguments: &[&str]) -> (Option<i32>, String) {
        let done = self.home.command(&[&["delivery"], arguments].concat()).output().unwrap();
        (done.status.code(), String::from_utf8([done.stdout, done.stderr].concat()).unwrap())
    }

    fn must(&self, arguments: &[&str], words: &str) {
        let (code, said) = self.delivery(arguments);
        assert!(code == Some(0) && said.contains(words), "{arguments:?}: {said}");
    }

    fn refused(&self, arguments: &[&str], words: &str) {
        let (code, said) = self.delivery(arguments);
        assert!(code != Some(0) && said.contains(words), "{arguments:?}: {said}");
    }
}

/// The delivery of a film's report.
fn of(node: &Node<'_>, film: &Film, destination: &str) -> Option<Value> {
    let all = node.get(&format!("/api/v1/deliveries?study={}&destination={destination}", film.study));
    all["deliveries"].as_array().unwrap().first().cloned()
}

fn is(node: &Node<'_>, film: &Film, destination: &str, state: &str) {
    until(&format!("the report for {destination} is {state}"), || {
        of(node, film, destination).filter(|delivery| delivery["state"] == state)
    });
}

fn happened(node: &Node<'_>, kind: &str) -> Vec<Value> {
    node.get(&format!("/api/v1/events?kind={kind}"))["events"].as_array().unwrap().clone()
}

#[test]
fn a_parked_destination_gets_nothing_until_it_is_resumed() {
    let desk = Desk::new();
    let node = desk.home.start();
    desk.must(&["park", "--destination", "archive", "--reason", "new disks"], "archive is parked");
    desk.refused(&["park", "--destination", "archive", "--reason", "again"], "parked already");
    let [film, next] = ["dx_opacity", "dx_effusion"].map(fixture);
    must_push(node.dicom, &film);
    is(&node, &film, "ward", "accepted");
    std::thread::sleep(Duration::from_secs(1));
    is(&node, &film, "archive", "scheduled");
    assert!(desk.archive.shelf().is_empty());
    let status = desk.home.command(&["status"]).output().unwrap();
    let text = String::from_utf8(status.stdout).unwrap();
    assert!(text.contains(": new disks") && text.contains("delivery resume --destination archive"), "{text}");
    // A retry says what holds it up, and a restart forgets nothing.
    desk.refused(&["retry", "--destination", "archive"], "nothing is there to try again");
    node.stop();
    let node = desk.home.start();
    must_push(node.dicom, &next);
    is(&node, &next, "ward", "accepted");
    assert!(desk.archive.shelf().is_empty());
    desk.must(&["resume", "--destination", "archive"], "archive is served again");
    for film in [&film, &next] {
        node.settled(&film.study, 1);
    }
    assert_eq!(desk.archive.shelf().len(), 2);
    desk.refused(&["resume", "--destination", "archive"], "nothing is there to resume");
    for kind in ["destination_parked", "destination_resumed"] {
        let told = happened(&node, kind);
        assert_eq!((told.len(), &told[0]["detail"]["destination"]), (1, &Value::from("archive")), "{kind}");
        assert!(!told[0]["detail"].to_string().contains("new disks"), "what a person wrote stays out of the feed");
    }
}

#[test]
fn one_result_or_a_study_is_parked_and_resumed_with_or_without_a_node() {
    let desk = Desk::new();
    desk.archive.answer(0xA700);
    let node = desk.home.start();
    let [film, next] = ["dx_opacity", "dx_effusion"].map(fixture);
    for film in [&film, &next] {
        must_push(node.dicom, film);
        until("the archive asked for patience", || {
            of(&node, film, "archive").filter(|d| d["attempts"].as_i64().unwrap() > 1 && d["state"] == "scheduled")
        });
    }
    let id = of(&node, &film, "archive").unwrap()["id"].as_str().unwrap().to_owned();
    node.stop();
    // The node rests: nothing can be on its way meanwhile.
    desk.must(&["park", &id, "--reason", "wrong archive"], "1 result is parked");
    desk.must(&["park", "--study", &next.study, "--reason", "wrong archive"], "1 result is parked");
    desk.refused(&["park", &id, "--reason", "again"], "nothing is there to park");
    desk.refused(&["retry", "--study", &next.study], "nothing is there to try again");
    desk.archive.answer(0);
    let node = desk.home.start();
    std::thread::sleep(Duration::from_secs(1));
    for film in [&film, &next] {
        is(&node, film, "archive", "parked");
    }
    assert!(desk.archive.shelf().is_empty());
    desk.must(&["resume", &id], "1 result is sent now");
    is(&node, &film, "archive", "accepted");
    is(&node, &next, "archive", "parked");
    desk.must(&["resume", "--destination", "archive"], "1 result is sent now");
    node.settled(&next.study, 1);
    assert_eq!((happened(&node, "delivery_parked").len(), happened(&node, "delivery_resumed").len()), (2, 2));
    assert_eq!((desk.archive.shelf().len(), desk.ward.shelf().len()), (2, 2));
}

#[test]
fn a_retry_asks_a_destination_that_is_down_at_once() {
    let port = Pacs::start().port;
    let home = Home::new(&[Peer::pacs(port, "research")]).set("CENTINELA__DELIVERY__ECHO_EVERY", "86400");
    let node = home.start();
    let film = fixture("dx_opacity");
    must_push(node.dicom, &film);
    until("the outage is noticed", || happened(&node, "destination_down").pop());
    // Until the next question is far away.
    std::thread::sleep(Duration::from_secs(8));
    let _pacs = Pacs::start_on(port);
    let done = home.command(&["delivery", "retry", "--destination", "pacs"]).output().unwrap();
    let said = String::from_utf8(done.stdout).unwrap();
    assert!(done.status.success() && said.contains("asked now whether it is back"), "{said}");
    let begin = std::time::Instant::now();
    node.settled(&film.study, 1);
    assert!(begin.elapsed() < Duration::from_secs(4), "{:?}", begin.elapsed());
}

#[test]
fn what_cannot_be_meant_is_said() {
    let desk = Desk::new();
    desk.refused(&["retry", "--destination", "ward"], "has no database");
    desk.home.start().stop();
    desk.refused(
        &["retry", "--destination", "wrad"],
        "no destination is named \"wrad\"; ae-titles.toml has ward, archive",
    );
    desk.refused(&["park", "--destination", "ward", "--reason", " "], "give a reason");
    desk.refused(&["park", "--destination", "ward", "--reason", "two\nlines"], "give a reason in one line");
    desk.refused(&["park", "--destination", "ward"], "--reason");
    desk.refused(&["retry"], "required");
    desk.refused(&["retry", "some-id", "--destination", "ward"], "cannot be used with");
}
