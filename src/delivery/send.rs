//! One batch over one association: send, classify, record.

use super::{encode, remote, requestor_options};
use crate::app::App;
use crate::config::Peer;
use crate::failpoint;
use crate::store::deliveries::{self, AttemptRecord, DeliveryRow};
use crate::store::events::{self, EventKind};
use crate::store::results::{self, ResultRow};
use anyhow::Result;
use centinela_domain::delivery::{Attempt, DeliveryState, Outcome, next_attempt};
use centinela_domain::status::DimseStatus;
use centinela_domain::uid::Uid;
use centinela_scp::{ProposedContext, Remote, RequestError, Requestor};
use serde_json::json;

/// Sends a batch in order. A broken association ends it: the rest goes back untouched.
///
/// # Errors
/// If rows cannot be read or written.
pub async fn batch(app: &App, peer: &Peer, batch: Vec<DeliveryRow>) -> Result<()> {
    let mut loaded = Vec::with_capacity(batch.len());
    for delivery in batch {
        let mut tx = app.db.read().await?;
        match results::find(&mut tx, &delivery.result).await? {
            Some(result) => loaded.push((delivery, result)),
            None => spoiled(app, peer, &delivery, "the result has no row").await?,
        }
    }
    let classes = loaded.iter().map(|(_, r)| r.sop_class.as_str());
    let remote = remote(peer)?;
    let mut requestor = match open(app, &remote, classes).await {
        Ok(requestor) => requestor,
        Err(error) => {
            // The first one carries the attempt, the rest waits just as long.
            let mut rest = loaded.into_iter();
            if let Some((delivery, result)) = rest.next() {
                let next_at = answered(app, peer, &delivery, &result, &Err(error)).await?;
                give_back(app, rest, next_at).await?;
            }
            return Ok(());
        }
    };
    let mut rest = loaded.into_iter();
    while let Some((delivery, result)) = rest.next() {
        let answer = match store(app, &remote, &mut requestor, &result).await {
            Ok(answer) => answer,
            // Our own fault with this one object must not hold up the others.
            Err(error) => {
                spoiled(app, peer, &delivery, &format!("{error:#}")).await?;
                continue;
            }
        };
        failpoint::hit("delivery.sent");
        let broken = matches!(&answer, Err(error) if !matches!(error, RequestError::NoPresentationContext { .. }));
        let next_at = answered(app, peer, &delivery, &result, &answer).await?;
        failpoint::hit("delivery.recorded");
        if broken {
            return give_back(app, rest, next_at).await;
        }
    }
    requestor.release().await;
    Ok(())
}

async fn open<'a>(
    app: &App,
    remote: &Remote,
    classes: impl Iterator<Item = &'a str>,
) -> Result<Requestor, RequestError> {
    let mut contexts: Vec<ProposedContext> = Vec::new();
    for class in classes {
        let Ok(class) = Uid::parse(class) else { continue };
        if contexts.iter().all(|c| c.abstract_syntax != class) {
            contexts.push(ProposedContext { abstract_syntax: class, transfer_syntaxes: encode::offered() });
        }
    }
    Requestor::open(remote, &requestor_options(&app.config), &contexts).await
}

async fn store(
    app: &App,
    remote: &Remote,
    requestor: &mut Requestor,
    result: &ResultRow,
) -> Result<Result<DimseStatus, RequestError>> {
    let (class, instance) = (Uid::parse(&result.sop_class)?, Uid::parse(&result.sop_instance)?);
    let Some(syntax) = encode::offered().into_iter().find(|ts| requestor.accepts(&class, ts)) else {
        return Ok(Err(RequestError::NoPresentationContext { remote: remote.clone(), sop_class: class }));
    };
    let bytes = app.blobs.get(&result.blob).await?;
    let dataset = encode::dataset(&bytes, &syntax)?;
    Ok(requestor.store(&class, &instance, &syntax, &dataset).await)
}

/// Records what the peer's answer, or its absence, means; returns when the delivery is due again.
async fn answered(
    app: &App,
    peer: &Peer,
    delivery: &DeliveryRow,
    result: &ResultRow,
    answer: &Result<DimseStatus, RequestError>,
) -> Result<i64> {
    let attempt = match answer {
        Ok(status) => Attempt::Answered(*status),
        Err(RequestError::NoPresentationContext { .. }) => Attempt::NoPresentationContext,
        Err(RequestError::RejectedPermanent { .. }) => Attempt::RejectedPermanent,
        Err(_) => Attempt::Unreachable,
    };
    let error = match answer {
        Ok(status) if status.0 != 0 => Some(format!("{} answered {status}", peer.name)),
        Ok(_) => None,
        Err(error) => Some(error.to_string()),
    };
    let ended = Ended {
        outcome: Outcome::classify(attempt),
        kind: Some(&result.kind),
        status: answer.as_ref().ok().map(|s| s.0),
        error: error.as_deref(),
    };
    record(app, peer, delivery, &ended).await
}

/// Records that an object could not even be read here; it is tried again like any other.
async fn spoiled(app: &App, peer: &Peer, delivery: &DeliveryRow, error: &str) -> Result<()> {
    tracing::error!(delivery.id, peer = peer.name, "the result cannot be read: {error}");
    let ended = Ended { outcome: Outcome::Retry, kind: None, status: None, error: Some(error) };
    record(app, peer, delivery, &ended).await.map(drop)
}

/// How an attempt ended.
struct Ended<'a> {
    outcome: Outcome,
    kind: Option<&'a str>,
    status: Option<u16>,
    error: Option<&'a str>,
}

/// Writes row and event of an attempt; returns when the delivery is due again.
async fn record(app: &App, peer: &Peer, delivery: &DeliveryRow, ended: &Ended<'_>) -> Result<i64> {
    let Ended { outcome, kind, status, error } = *ended;
    let (now, attempt) = (app.clock.now(), delivery.attempts + 1);
    let next_at = next_attempt(now, attempt, rand::random());
    let (state, event) = match outcome {
        Outcome::Accepted => (DeliveryState::Accepted, EventKind::Delivered),
        Outcome::Retry => (DeliveryState::Scheduled, EventKind::DeliveryDelayed),
        Outcome::Refused => (DeliveryState::Refused, EventKind::DeliveryRefused),
    };
    // A destination that is away for days must not fill the feed: 1st, 2nd, 4th, 8th ... attempt.
    let told = event != EventKind::DeliveryDelayed || attempt.count_ones() == 1;
    if told {
        match event {
            EventKind::Delivered => tracing::info!(delivery.id, peer = peer.name, kind, "delivered"),
            _ => tracing::warn!(delivery.id, peer = peer.name, kind, error, "{}", event.as_str()),
        }
    }
    let mut tx = app.db.write().await?;
    deliveries::record(&mut tx, &delivery.id, &AttemptRecord { state, next_at, status, error }, now).await?;
    if told {
        let detail = json!({
            "destination": peer.name, "kind": kind, "attempt": attempt,
            "status": status.map(|s| format!("0x{s:04X}")), "error": error,
        });
        let (study, result) = (Some(delivery.study_uid.as_str()), Some(delivery.result.as_str()));
        events::append(&mut tx, now, study, result, event, detail).await?;
    }
    tx.commit().await?;
    Ok(next_at)
}

/// Puts claimed deliveries back, untouched, until `next_at`.
async fn give_back(app: &App, rest: impl Iterator<Item = (DeliveryRow, ResultRow)>, next_at: i64) -> Result<()> {
    let mut tx = app.db.write().await?;
    for (delivery, _) in rest {
        deliveries::give_back(&mut tx, &delivery.id, next_at).await?;
    }
    tx.commit().await
}
