//! One study's whole chain: received, durable, analysed, built, accepted, committed, with times. The same
//! for `GET /api/v1/studies/{uid}/chain` and for `centinela status --study`.

use super::dto::{FilmChain, ProofChain, Reason, ResultChain, StudyChain};
use super::problem::Problem;
use super::studies::UNKNOWN;
use super::time::Time;
use super::timing::built_at;
use crate::app::App;
use crate::store::deliveries::DeliveryRow;
use crate::store::events::{EventKind, EventRow};
use crate::store::instances::InstanceRow;
use crate::store::predictions::PredictionRow;
use crate::store::proofs::{self, ProofRow};
use crate::store::results::ResultRow;
use crate::store::{Db, deliveries, events, instances, predictions, results, studies};
use anyhow::Result;
use axum::extract::{Path, State};
use axum::response::Json;
use centinela_domain::delivery::DeliveryState;
use centinela_domain::result::Language;
use centinela_domain::study::StudyState;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Most deliveries of one study that are shown.
const MANY: i64 = 10_000;

/// `GET /api/v1/studies/{uid}/chain`
pub async fn show(State(app): State<Arc<App>>, Path(uid): Path<String>) -> Result<Json<StudyChain>, Problem> {
    let chain = gather(&app.db, &app.language(), &uid).await?;
    chain.map(Json).ok_or_else(|| Problem::not_found(UNKNOWN))
}

/// Looks everything up; none if the study is not known.
///
/// # Errors
/// If the database fails, or a row was written by an incompatible version.
pub async fn gather(db: &Db, language: &Language, uid: &str) -> Result<Option<StudyChain>> {
    let mut tx = db.read().await?;
    let Some(study) = studies::find(&mut tx, uid).await? else { return Ok(None) };
    let rows = instances::of_study(&mut tx, uid).await?;
    let scored = predictions::of_study(&mut tx, uid).await?;
    let objects = results::of_study(&mut tx, uid).await?;
    let sent = deliveries::list(&mut tx, None, None, Some(uid), MANY).await?;
    let asked = proofs::of_study(&mut tx, uid).await?;
    let feed = events::of_study(&mut tx, uid).await?;
    let films = rows.iter().map(|row| film(row, &scored, &feed, language)).collect::<Result<Vec<_>>>()?;
    let current: Vec<_> = objects.iter().filter(|object| object.revision == study.revision).collect();
    let results: Vec<_> = current.iter().flat_map(|object| of_object(object, &sent)).collect();
    let settled = [StudyState::Analyzed, StudyState::Skipped].contains(&study.state());
    let all = |at: fn(&ResultChain) -> Option<Time>| {
        let times: Option<Vec<Time>> = results.iter().map(at).collect();
        times.filter(|_| settled).and_then(|times| times.into_iter().max())
    };
    let (accepted_at, committed_at) = (all(|result| result.accepted_at), all(|result| result.committed_at));
    let mut missing = missing(study.state(), study.reason.as_deref(), &films);
    missing.extend(undelivered(&results));
    let last = |at: fn(&FilmChain) -> Option<Time>| films.iter().filter_map(at).max();
    Ok(Some(StudyChain {
        received_at: last(|film| Some(film.received_at)),
        durable_at: last(|film| film.durable_at),
        analyzed_at: last(|film| film.analyzed_at),
        closed_at: study.closed_at.map(Time),
        built_at: built_at(&feed, study.revision).map(Time),
        accepted_at,
        committed_at,
        missing,
        films,
        results,
        proofs: asked.into_iter().map(of_proof).collect(),
        study_uid: study.study_uid,
        state: study.state,
        revision: study.revision,
    }))
}

fn film(row: &InstanceRow, scored: &[PredictionRow], feed: &[EventRow], language: &Language) -> Result<FilmChain> {
    let received = |event: &&EventRow| {
        event.kind == EventKind::Received.as_str() && event.sop_instance.as_deref() == Some(&row.sop_instance)
    };
    let analyzed_at = scored.iter().filter(|p| p.sop_instance == row.sop_instance).map(|p| p.created_at).min();
    let reason = row.skip()?.map(|reason| Reason::new(&reason, language));
    let status = match (&reason, analyzed_at) {
        (Some(_), _) => "skipped",
        (None, Some(_)) => "analyzed",
        (None, None) => "pending",
    };
    Ok(FilmChain {
        sop_instance: row.sop_instance.clone(),
        calling: row.calling.clone(),
        received_at: Time(row.received_at),
        durable_at: feed.iter().find(received).map(|event| Time(event.at.max(row.received_at))),
        analyzed_at: analyzed_at.map(Time),
        status: status.to_owned(),
        reason,
    })
}

fn of_object(object: &ResultRow, sent: &[DeliveryRow]) -> Vec<ResultChain> {
    let own = sent.iter().filter(|delivery| delivery.result == object.sop_instance);
    own.map(|delivery| ResultChain {
        sop_instance: object.sop_instance.clone(),
        kind: object.kind.clone(),
        built_at: Time(object.created_at),
        destination: delivery.destination.clone(),
        delivery: delivery.id.clone(),
        state: delivery.state.clone(),
        attempts: delivery.attempts,
        next_at: (delivery.state == DeliveryState::Scheduled.as_str()).then_some(Time(delivery.next_at)),
        last_error: delivery.last_error.clone(),
        accepted_at: delivery.accepted_at.map(Time),
        committed_at: delivery.committed_at.map(Time),
        transaction_uid: delivery.transaction_uid.clone(),
        found_at: delivery.found_at.map(Time),
    })
    .collect()
}

fn of_proof(row: ProofRow) -> ProofChain {
    ProofChain {
        due_at: row.due_at.filter(|_| row.state == "waiting").map(Time),
        transaction_uid: row.transaction_uid,
        destination: row.destination,
        state: row.state,
        instances: row.instances,
        asked_at: row.asked_at.map(Time),
        reported_at: row.reported_at.map(Time),
        last_error: row.last_error,
    }
}

/// What keeps the objects from being there.
fn missing(state: StudyState, reason: Option<&str>, films: &[FilmChain]) -> Vec<String> {
    let pending = films.iter().filter(|film| film.status == "pending").count();
    match state {
        StudyState::Receiving => vec!["films may still come: its quiet period is not over".to_owned()],
        StudyState::Complete if pending > 0 => vec![format!("{pending} of {} films wait to be analysed", films.len())],
        StudyState::Complete => vec!["its results are being built".to_owned()],
        StudyState::Failed => vec![format!("the analysis failed: {}", reason.unwrap_or("its log tells"))],
        StudyState::Analyzed | StudyState::Skipped => Vec::new(),
    }
}

/// What each destination lacks.
fn undelivered(results: &[ResultChain]) -> Vec<String> {
    let mut lacking: BTreeMap<(&str, &str), Vec<&ResultChain>> = BTreeMap::new();
    for result in results {
        let word = match DeliveryState::parse(&result.state) {
            Some(DeliveryState::Accepted | DeliveryState::Committed) => continue,
            Some(DeliveryState::Refused) => "refused",
            Some(DeliveryState::Parked) => "must not have (parked)",
            _ => "lacks",
        };
        lacking.entry((&result.destination, word)).or_default().push(result);
    }
    let words = |((destination, word), lacking): ((&str, &str), Vec<&ResultChain>)| {
        let kinds: Vec<_> = lacking.iter().map(|result| result.kind.as_str()).collect();
        let why = lacking.iter().find_map(|result| result.last_error.as_deref());
        let why = why.map_or_else(String::new, |why| format!(": {why}"));
        format!("{destination} {word} {}{why}", kinds.join(", "))
    };
    lacking.into_iter().map(words).collect()
}
