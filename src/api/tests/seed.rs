//! Rows as a running node would have written them. The header holds what must never leave.

use super::{Node, START};
use crate::probing::{self, Probe};
use crate::store::commitments::{self, NewCommitment, Recorded};
use crate::store::events::{self, EventKind};
use crate::store::heard::{self, HeardRow};
use crate::store::instances::InstanceRow;
use crate::store::jobs::{JobKind, NewJob};
use crate::store::predictions::PredictionRow;
use crate::store::results::ResultRow;
use crate::store::variants::VariantRow;
use crate::store::{Tx, deliveries, instances, jobs, predictions, probes, results, studies, variants};
use centinela_domain::ability::Ability;
use centinela_domain::commitment::Reference;
use centinela_domain::delivery::DeliveryState;
use centinela_domain::gate::{SkipReason, ViewFound};
use centinela_domain::job::{JobState, MAX_ATTEMPTS};
use centinela_domain::priority::Urgency;
use centinela_domain::study::{Closing, StudyState};
use centinela_domain::uid::Uid;
use serde_json::{Value, json};

/// A study with a frontal and a lateral film, analysed; the PACS has it, the archive refused it.
pub const STUDY: &str = "1.2.3";
pub const FRONTAL: &str = "1.2.3.1";
pub const LATERAL: &str = "1.2.3.2";
pub const REPORT: &str = "2.25.100";

/// What the header's descriptions hold, and the digest of the patient's identity.
pub const PHI: [&str; 4] = ["Muñoz", "José", "19501231", "d1e5d1e5"];

/// An instance row of one film.
pub fn instance(study: &str, sop: &str, at: i64, skip: Option<&SkipReason>) -> InstanceRow {
    let header = json!({
        "sop_class": "1.2.840.10008.5.1.4.1.1.1.1", "sop_instance": sop, "study": study, "series": "1.2.3.9",
        "modality": "DX", "presentation_intent": "FOR PRESENTATION", "image_type": ["ORIGINAL", "PRIMARY"],
        "body_part": "CHEST", "view_position": "PA", "view_codes": [], "region_codes": ["SCT:816094009"],
        "patient_orientation": ["L", "F"], "descriptions": ["Tórax de Muñoz^José 19501231"], "species": null,
        "age_years": 63, "manufacturer": "ACME", "model_name": "DR 1", "rows": 2048, "columns": 2500, "frames": null,
        "samples": 1, "bits_allocated": 16, "photometric": "MONOCHROME2", "has_pixels": true, "series_number": 1,
        "identity_digest": "d1e5d1e5d1e5",
    });
    InstanceRow {
        sop_instance: sop.to_owned(),
        study_uid: study.to_owned(),
        series_uid: "1.2.3.9".to_owned(),
        sop_class: "1.2.840.10008.5.1.4.1.1.1.1".to_owned(),
        transfer_syntax: "1.2.840.10008.1.2.1".to_owned(),
        blob: "instances/ab/ab.dcm".to_owned(),
        bytes: 1_000,
        digest: format!("blake3:{}", "ab".repeat(32)),
        header: header.to_string(),
        calling: "XRAY".to_owned(),
        called: "CENTINELA".to_owned(),
        peer: "10.0.0.7".to_owned(),
        priority: 1,
        received_at: at,
        revision: Some(1),
        chest: Some(true),
        skip: skip.map(|reason| serde_json::to_string(reason).unwrap()),
        unknowns: "[\"age\"]".to_owned(),
        deleted_at: None,
        damaged_at: None,
    }
}

async fn event(tx: &mut Tx, at: i64, sop: Option<&str>, kind: EventKind, detail: Value) {
    events::append(tx, at, Some(STUDY), sop, kind, detail).await.unwrap();
}

/// Instances of a study arrived; the study falls quiet after five seconds.
pub fn arrival(study: &str, at: i64) -> studies::Arrival {
    let identity = "d1e5d1e5d1e5".to_owned();
    studies::Arrival {
        study_uid: study.to_owned(),
        identity,
        urgency: Urgency::Routine,
        now: at,
        closing: Closing::from(at, 5_000, 900_000),
    }
}

/// A study row with one film, in state receiving.
pub async fn received(node: &Node, study: &str, sop: &str, at: i64) {
    let mut tx = node.app.db.write().await.unwrap();
    studies::arrived(&mut tx, &[arrival(study, at)]).await.unwrap();
    assert_eq!(instances::insert(&mut tx, &[&instance(study, sop, at, None)]).await.unwrap(), 1);
    tx.commit().await.unwrap();
}

/// Enqueues a job and lets all its attempts fail.
pub async fn dead_job(node: &Node, kind: JobKind, study: &str, subject: &str) {
    let mut tx = node.app.db.write().await.unwrap();
    let job = NewJob { kind, subject, study_uid: study, revision: 1, urgency: Urgency::Routine, since: START };
    assert!(jobs::enqueue(&mut tx, &job, START).await.unwrap());
    let mut now = START;
    loop {
        let claimed = jobs::claim(&mut tx, "worker", now, 1_000).await.unwrap().unwrap();
        assert_eq!(claimed.subject, subject, "the test has one job that is due");
        if jobs::fail(&mut tx, &claimed, "inference: out of luck", now).await.unwrap() == Some(JobState::Dead) {
            assert_eq!(claimed.attempts + 1, MAX_ATTEMPTS);
            break;
        }
        now += 60_000;
    }
    tx.commit().await.unwrap();
}

/// The whole life of [`STUDY`].
pub async fn delivered_study(node: &Node) {
    let mut tx = node.app.db.write().await.unwrap();
    write_study(&mut tx).await;
    tx.commit().await.unwrap();
}

async fn write_study(tx: &mut Tx) {
    let lateral = SkipReason::View { found: ViewFound::Lateral };
    studies::arrived(tx, &[arrival(STUDY, START)]).await.unwrap();
    instances::insert(tx, &[&instance(STUDY, FRONTAL, START, None)]).await.unwrap();
    event(tx, START, Some(FRONTAL), EventKind::Received, json!({ "calling": "XRAY" })).await;
    instances::insert(tx, &[&instance(STUDY, LATERAL, START + 400, Some(&lateral))]).await.unwrap();
    studies::arrived(tx, &[arrival(STUDY, START + 400)]).await.unwrap();
    event(tx, START + 400, Some(LATERAL), EventKind::Received, json!({ "calling": "XRAY" })).await;
    event(tx, START + 400, Some(LATERAL), EventKind::ImageSkipped, json!({ "reason": "view" })).await;
    score(tx).await;
    variant(tx, "variant-1", "99").await;
    let closed = studies::close_due(tx, START + 5_500).await.unwrap();
    assert_eq!(closed.iter().map(|row| (row.study_uid.as_str(), row.revision)).collect::<Vec<_>>(), [(STUDY, 1)]);
    event(tx, START + 5_500, None, EventKind::StudyClosed, json!({ "revision": 1 })).await;
    report(tx).await;
    studies::settle(tx, STUDY, 1, StudyState::Analyzed, None, START + 5_700).await.unwrap();
    event(tx, START + 5_700, None, EventKind::ResultsBuilt, json!({ "revision": 1, "kinds": ["sr"] })).await;
    attempt(tx, "pacs", DeliveryState::Accepted, 0x0000, START + 6_000).await;
    attempt(tx, "archive", DeliveryState::Refused, 0x0122, START + 6_500).await;
}

async fn score(tx: &mut Tx) {
    let scores = json!({
        "model": {
            "name": "cxr-demo", "version": "0.1.0", "title": "Demonstrator", "manufacturer": "Centinela project",
            "weights_sha256": "cd".repeat(32), "input_size": 224,
        },
        "scores": [
            { "label": "Pneumonia", "probability": 0.812_34, "threshold": 0.42,
              "regions": [{ "contour": [[10.0, 10.0], [20.5, 10.0], [20.5, 20.0], [10.0, 10.0]] }] },
            { "label": "Effusion", "probability": 0.1, "threshold": 0.3, "regions": [] },
        ],
    });
    let row = PredictionRow {
        sop_instance: FRONTAL.to_owned(),
        model_sha256: "cd".repeat(32),
        threshold_set: "ef".repeat(32),
        study_uid: STUDY.to_owned(),
        scores: scores.to_string(),
        picture: "pictures/aa/aa.gray".to_owned(),
        decode_ms: 120,
        predict_ms: 300,
        created_at: START + 900,
    };
    predictions::insert(tx, &row).await.unwrap();
    let detail = json!({ "decode_ms": 120, "predict_ms": 300 });
    event(tx, START + 900, Some(FRONTAL), EventKind::Predicted, detail).await;
}

/// One more instance in quarantine.
pub async fn second_quarantined(node: &Node) {
    let mut tx = node.app.db.write().await.unwrap();
    variant(&mut tx, "variant-2", "77").await;
    tx.commit().await.unwrap();
}

async fn variant(tx: &mut Tx, id: &str, digest: &str) {
    let row = VariantRow {
        id: id.to_owned(),
        sop_instance: FRONTAL.to_owned(),
        digest: format!("blake3:{}", digest.repeat(32)),
        transfer_syntax: "1.2.840.10008.1.2.4.90".to_owned(),
        blob: "instances/99/99.dcm".to_owned(),
        bytes: 500,
        calling: "ORTHANC".to_owned(),
        received_at: START + 1_000,
        state: "pending".to_owned(),
        reason: None,
        deleted_at: None,
        resolution: None,
        resolved_at: None,
    };
    variants::insert(tx, &row).await.unwrap();
    variants::judge(tx, id, "quarantined", "pixels differ").await.unwrap();
}

async fn report(tx: &mut Tx) {
    let model = json!({
        "name": "cxr-demo", "version": "0.1.0", "title": "Demonstrator", "manufacturer": "Centinela project",
        "weights_sha256": "cd".repeat(32), "input_size": 224,
    });
    let row = ResultRow {
        sop_instance: REPORT.to_owned(),
        study_uid: STUDY.to_owned(),
        revision: 1,
        kind: "sr".to_owned(),
        sop_class: "1.2.840.10008.5.1.4.1.1.88.34".to_owned(),
        series_uid: "2.25.101".to_owned(),
        source: None,
        not_analyzed: false,
        blob: "results/aa/aa.dcm".to_owned(),
        bytes: 12_345,
        sha256: "77".repeat(32),
        model: model.to_string(),
        position: 0,
        created_at: START + 5_650,
        destination: None,
        derived_from: None,
        withdrawn_at: None,
        reason: None,
    };
    results::insert(tx, &row).await.unwrap();
    for destination in ["pacs", "archive"] {
        assert!(deliveries::schedule(tx, REPORT, STUDY, destination, Urgency::Routine, START + 5_700).await.unwrap());
    }
}

/// The first two peers were asked what they take, the second before its entry changed; the first called.
pub async fn asked_and_heard(node: &Node) {
    let (config, now) = (&node.app.config, START + 9_000);
    let class = "1.2.840.10008.5.1.4.1.1.88.33".to_owned();
    let ability = Ability::of([(class, "1.2.840.10008.1.2".to_owned(), None)]);
    let mut tx = node.app.db.write().await.unwrap();
    for peer in &config.peers.peers[..2] {
        let said = Probe::Answered(&ability, Some("OLD_1".to_owned()));
        let mut row = probing::record(&mut tx, config, peer, said, now).await.unwrap();
        if peer.name != "pacs" {
            row.address = "somewhere else".to_owned();
            probes::save(&mut tx, &row).await.unwrap();
        }
    }
    let call = HeardRow { ae_title: "ORTHANC".to_owned(), at: now, address: "10.0.0.7".to_owned() };
    heard::note(&mut tx, &call).await.unwrap();
    tx.commit().await.unwrap();
}

async fn attempt(tx: &mut Tx, destination: &str, state: DeliveryState, status: u16, at: i64) {
    let claimed = deliveries::claim(tx, destination, at, 60_000, 8).await.unwrap();
    let error = (status != 0).then_some("the destination refused it");
    let record = deliveries::AttemptRecord { state, next_at: at, status: Some(status), error, cause: None };
    deliveries::record(tx, &claimed[0].id, &record, at).await.unwrap();
    let kind = if status == 0 { EventKind::Delivered } else { EventKind::DeliveryRefused };
    event(tx, at, Some(REPORT), kind, json!({ "destination": destination })).await;
}

/// A request for storage commitment that is checked and waits for its peer; gives its identifier.
pub async fn commitment(node: &Node) -> String {
    let reference = |sop| Reference { sop_class: Uid::parse("1.2").unwrap(), sop_instance: Uid::parse(sop).unwrap() };
    let references = [reference(FRONTAL), reference("9.9")];
    let new = NewCommitment {
        transaction_uid: "1.2.3.99",
        calling: "XRAY",
        called: "CENTINELA",
        peer: "10.0.0.7",
        association: "a",
        references: &references,
    };
    let mut tx = node.app.db.write().await.unwrap();
    assert!(matches!(commitments::record(&mut tx, &new, START).await.unwrap(), Recorded::New(_)));
    let row = commitments::claim(&mut tx, "XRAY", START, 1_000).await.unwrap().unwrap();
    assert!(commitments::checked(&mut tx, &row, &[0, 0x0112], START + 1).await.unwrap());
    tx.commit().await.unwrap();
    row.id
}
