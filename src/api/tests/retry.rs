//! Retries by hand: what they change, and when they are refused.

use super::seed::{self, STUDY};
use super::{Node, START};
use crate::store::jobs::JobKind;
use crate::store::{instances, jobs, studies};
use centinela_domain::gate::SkipReason;
use centinela_domain::study::StudyState;
use serde_json::json;
use std::time::Duration;

const FILM: &str = "1.2.4.1";

/// A study with one film.
async fn study(node: &Node) {
    seed::received(node, "1.2.4", FILM, START).await;
}

/// Closes the study and settles it.
async fn settled(node: &Node, state: StudyState) {
    let mut tx = node.app.db.write().await.unwrap();
    assert_eq!(studies::close_due(&mut tx, START + 6_000).await.unwrap().len(), 1);
    studies::settle(&mut tx, "1.2.4", 1, state, Some("the analysis failed"), START + 7_000).await.unwrap();
    tx.commit().await.unwrap();
}

/// The film's predict job used up its attempts.
async fn dead_film(node: &Node) {
    seed::dead_job(node, JobKind::Predict, "1.2.4", FILM).await;
    let mut tx = node.app.db.write().await.unwrap();
    instances::set_skip(&mut tx, FILM, &SkipReason::Processing).await.unwrap();
    tx.commit().await.unwrap();
}

/// State of the study, skip and revision of the film.
async fn state(node: &Node) -> (String, Option<SkipReason>, Option<i64>) {
    let mut tx = node.app.db.read().await.unwrap();
    let study = studies::find(&mut tx, "1.2.4").await.unwrap().unwrap();
    let film = instances::find(&mut tx, FILM).await.unwrap().unwrap();
    (study.state, film.skip().unwrap(), film.revision)
}

/// Whether the bell was rung since it was last heard.
async fn rung(bell: &crate::queue::Bell) -> bool {
    let waited = tokio::time::timeout(Duration::from_millis(100), bell.wait(Duration::from_secs(60)));
    waited.await.is_ok()
}

#[tokio::test]
async fn a_study_without_dead_jobs_cannot_be_retried() {
    let node = Node::start().await;
    study(&node).await;
    let path = "/api/v1/studies/1.2.4/retry";
    let problem = node.post(path).await.problem(409, path);
    assert!(problem["detail"].as_str().unwrap().contains("receiving"), "{problem}");
    node.post("/api/v1/studies/9.9/retry").await.problem(404, "/api/v1/studies/9.9/retry");
    assert!(!rung(&node.app.work).await);
}

#[tokio::test]
async fn a_failed_study_runs_its_report_again() {
    let node = Node::start().await;
    study(&node).await;
    settled(&node, StudyState::Failed).await;
    seed::dead_job(&node, JobKind::Report, "1.2.4", "1.2.4").await;
    node.app.clock.advance(10_000);
    let reply = node.post("/api/v1/studies/1.2.4/retry").await;
    assert_eq!((reply.status, reply.json()), (202, json!({ "study_uid": "1.2.4", "jobs": 1, "films": 0 })));
    assert_eq!(state(&node).await, ("complete".to_owned(), None, Some(1)));
    assert!(rung(&node.app.work).await);
    let mut tx = node.app.db.write().await.unwrap();
    let job = jobs::claim(&mut tx, "worker", node.app.clock.now(), 1_000).await.unwrap().unwrap();
    assert_eq!((job.kind.as_str(), job.attempts), ("report", 0));
    drop(tx);
    let study = node.get("/api/v1/studies/1.2.4").await.json();
    let event = study["timeline"].as_array().unwrap().last().unwrap().clone();
    assert_eq!(event["kind"], "retry_requested");
    assert_eq!(event["detail"], json!({ "by": "tester", "jobs": 1, "films": 0 }));
    node.post("/api/v1/studies/1.2.4/retry").await.problem(409, "/api/v1/studies/1.2.4/retry");
}

#[tokio::test]
async fn a_film_that_a_closed_revision_reported_as_failed_leaves_it() {
    use StudyState::{Failed, Skipped};
    for (before, reported, revision) in [(Skipped, true, None), (Failed, true, None), (Failed, false, Some(1))] {
        let node = Node::start().await;
        study(&node).await;
        dead_film(&node).await;
        settled(&node, before).await;
        if !reported {
            seed::dead_job(&node, JobKind::Report, "1.2.4", "1.2.4").await;
        }
        let reply = node.post("/api/v1/studies/1.2.4/retry").await;
        assert_eq!((reply.status, &reply.json()["films"]), (202, &json!(1)));
        // Late films that are scored open the next revision; those of a failed one belong to it still.
        let (after, skip, now) = state(&node).await;
        assert_eq!((skip, now), (None, revision), "{before:?}");
        // Only a revision that builds its report again has anything to complete.
        assert_eq!(after, if reported { before.as_str() } else { "complete" });
    }
}

#[tokio::test]
async fn a_film_of_an_open_study_stays_where_it_is() {
    let node = Node::start().await;
    study(&node).await;
    dead_film(&node).await;
    assert_eq!(node.post("/api/v1/studies/1.2.4/retry").await.status, 202);
    assert_eq!(state(&node).await, ("receiving".to_owned(), None, Some(1)));
}

#[tokio::test]
async fn a_refused_delivery_is_sent_again() {
    let node = Node::start().await;
    seed::delivered_study(&node).await;
    node.app.clock.advance(60_000);
    let refused = node.get("/api/v1/deliveries?state=refused").await.json();
    let id = refused["deliveries"][0]["id"].as_str().unwrap();
    let reply = node.post(&format!("/api/v1/deliveries/{id}/retry")).await;
    assert_eq!(reply.status, 202);
    assert_eq!(
        (&reply.json()["state"], &reply.json()["next_at"]),
        (&json!("scheduled"), &json!("2026-01-01T00:01:00.000Z"))
    );
    assert!(rung(&node.app.outbox).await);
    let study = node.get(&format!("/api/v1/studies/{STUDY}")).await.json();
    let event = study["timeline"].as_array().unwrap().last().unwrap().clone();
    assert_eq!(event["detail"], json!({ "by": "tester", "delivery": id, "destination": "archive" }));
}

#[tokio::test]
async fn a_delivery_that_arrived_is_not_sent_again() {
    let node = Node::start().await;
    seed::delivered_study(&node).await;
    let accepted = node.get("/api/v1/deliveries?state=accepted").await.json();
    let path = format!("/api/v1/deliveries/{}/retry", accepted["deliveries"][0]["id"].as_str().unwrap());
    let problem = node.post(&path).await.problem(409, &path);
    assert!(problem["detail"].as_str().unwrap().contains("accepted"), "{problem}");
    node.post("/api/v1/deliveries/nothing/retry").await.problem(404, "/api/v1/deliveries/nothing/retry");
    assert!(!rung(&node.app.outbox).await);
}
