//! How long each step of a study's current revision took, from its rows.

use super::dto::{FilmMilliseconds, Milliseconds};
use crate::store::deliveries::DeliveryRow;
use crate::store::events::{EventKind, EventRow};
use crate::store::instances::InstanceRow;
use crate::store::predictions::PredictionRow;
use crate::store::results::ResultRow;
use crate::store::studies::StudyRow;
use centinela_domain::UnixMs;
use serde_json::Value;
use std::collections::BTreeMap;

/// The milliseconds of the current revision.
pub fn of(
    study: &StudyRow,
    instances: &[InstanceRow],
    predictions: &[PredictionRow],
    results: &[ResultRow],
    deliveries: &[DeliveryRow],
    events: &[EventRow],
) -> Milliseconds {
    let films: Vec<&InstanceRow> = instances.iter().filter(|i| i.revision == Some(study.revision)).collect();
    let first = films.iter().map(|film| film.received_at).min();
    let last = films.iter().map(|film| film.received_at).max();
    let built = built_at(events, study.revision);
    let current = results.iter().filter(|r| r.revision == study.revision);
    let objects: Vec<&str> = current.map(|r| r.sop_instance.as_str()).collect();
    let accepted = accepted(deliveries.iter().filter(|d| objects.contains(&d.result.as_str())));
    let done = accepted.values().copied().collect::<Option<Vec<UnixMs>>>().and_then(|all| all.into_iter().max());
    Milliseconds {
        received: between(first, last),
        predicted: films.iter().flat_map(|film| predicted(film, predictions)).collect(),
        closed: between(last, study.closed_at),
        built: between(study.closed_at, built),
        delivered: accepted.into_iter().map(|(name, at)| (name, between(built, at))).collect(),
        total: between(last, done),
    }
}

fn between(from: Option<UnixMs>, to: Option<UnixMs>) -> Option<i64> {
    Some(to? - from?)
}

fn predicted(film: &InstanceRow, predictions: &[PredictionRow]) -> impl Iterator<Item = FilmMilliseconds> {
    predictions.iter().filter(|p| p.sop_instance == film.sop_instance).map(|prediction| FilmMilliseconds {
        sop_instance: film.sop_instance.clone(),
        after_received: prediction.created_at - film.received_at,
        decode_ms: prediction.decode_ms,
        predict_ms: prediction.predict_ms,
    })
}

/// When the report job of a revision was through: with objects, or with the decision to make none.
pub(super) fn built_at(events: &[EventRow], revision: i64) -> Option<UnixMs> {
    let ends = [EventKind::ResultsBuilt.as_str(), EventKind::StudySkipped.as_str(), EventKind::StudyFailed.as_str()];
    let of_revision = |event: &&EventRow| {
        let detail: Value = serde_json::from_str(&event.detail).unwrap_or_default();
        detail["revision"].as_i64() == Some(revision)
    };
    // A failed revision that was retried has ended with the last of them.
    events.iter().rev().filter(|event| ends.contains(&event.kind.as_str())).find(of_revision).map(|event| event.at)
}

/// For each destination, when it had the last object; none while one is missing.
fn accepted<'a>(deliveries: impl Iterator<Item = &'a DeliveryRow>) -> BTreeMap<String, Option<UnixMs>> {
    let mut accepted: BTreeMap<String, Option<UnixMs>> = BTreeMap::new();
    for delivery in deliveries {
        accepted
            .entry(delivery.destination.clone())
            .and_modify(|last| *last = last.zip(delivery.accepted_at).map(|(a, b)| a.max(b)))
            .or_insert(delivery.accepted_at);
    }
    accepted
}
