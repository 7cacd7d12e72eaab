//! What an attempt means for its delivery: row and event, in one transaction.

use crate::app::App;
use crate::config::Peer;
use crate::store::deliveries::{self, AttemptRecord, DeliveryRow};
use crate::store::events::{self, EventKind};
use crate::store::results::ResultRow;
use anyhow::Result;
use centinela_domain::deliver::Deliver;
use centinela_domain::delivery::{Attempt, DeliveryState, Outcome, next_attempt};
use centinela_domain::status::DimseStatus;
use centinela_scp::RequestError;
use serde_json::json;

/// Records what the peer's answer, or its absence, means; returns when the delivery is due again.
pub async fn answered(
    app: &App,
    peer: &Peer,
    delivery: &DeliveryRow,
    result: &ResultRow,
    answer: &Result<DimseStatus, RequestError>,
) -> Result<i64> {
    let attempt = match answer {
        Ok(status) => Attempt::Answered(*status),
        // It is asked anew what it takes, and what it does not take is withdrawn then.
        Err(RequestError::NoPresentationContext { .. }) if peer.deliver == Deliver::Auto => Attempt::Unreachable,
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
pub async fn spoiled(app: &App, peer: &Peer, delivery: &DeliveryRow, error: &str) -> Result<()> {
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
pub async fn give_back(app: &App, rest: impl Iterator<Item = (DeliveryRow, ResultRow)>, next_at: i64) -> Result<()> {
    let mut tx = app.db.write().await?;
    for (delivery, _) in rest {
        deliveries::give_back(&mut tx, &delivery.id, next_at).await?;
    }
    tx.commit().await
}
