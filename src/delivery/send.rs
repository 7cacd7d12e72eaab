//! One batch over one association: send, classify, record.

use super::{encode, requestor_options};
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
    let mut requestor = match open(app, peer, classes).await {
        Ok(requestor) => requestor,
        Err(error) => {
            // The first one carries the attempt, the rest waits just as long.
            let mut rest = loaded.into_iter();
            if let Some((delivery, result)) = rest.next() {
                let next_at = record(app, peer, &delivery, &result, &Err(error)).await?;
                for (delivery, _) in rest {
                    give_back(app, &delivery, next_at).await?;
                }
            }
            return Ok(());
        }
    };
    let mut rest = loaded.into_iter();
    while let Some((delivery, result)) = rest.next() {
        let answer = match store(app, peer, &mut requestor, &result).await {
            Ok(answer) => answer,
            // Our own fault with this one object must not hold up the others.
            Err(error) => {
                spoiled(app, peer, &delivery, &format!("{error:#}")).await?;
                continue;
            }
        };
        failpoint::hit("delivery.sent");
        let broken = matches!(&answer, Err(error) if !matches!(error, RequestError::NoPresentationContext { .. }));
        let next_at = record(app, peer, &delivery, &result, &answer).await?;
        failpoint::hit("delivery.recorded");
        if broken {
            for (delivery, _) in rest {
                give_back(app, &delivery, next_at).await?;
            }
            return Ok(());
        }
    }
    requestor.release().await;
    Ok(())
}

async fn open<'a>(app: &App, peer: &Peer, classes: impl Iterator<Item = &'a str>) -> Result<Requestor, RequestError> {
    let mut contexts: Vec<ProposedContext> = Vec::new();
    for class in classes {
        let Ok(class) = Uid::parse(class) else { continue };
        if contexts.iter().all(|c| c.abstract_syntax != class) {
            contexts.push(ProposedContext { abstract_syntax: class, transfer_syntaxes: encode::offered() });
        }
    }
    Requestor::open(&remote(peer), &requestor_options(&app.config), &contexts).await
}

/// The peer's address. Destinations have host and port: the configuration was checked.
fn remote(peer: &Peer) -> Remote {
    Remote {
        ae_title: peer.ae_title.clone(),
        host: peer.host.clone().unwrap_or_default(),
        port: peer.port.unwrap_or_default(),
    }
}

async fn store(
    app: &App,
    peer: &Peer,
    requestor: &mut Requestor,
    result: &ResultRow,
) -> Result<Result<DimseStatus, RequestError>> {
    let (class, instance) = (Uid::parse(&result.sop_class)?, Uid::parse(&result.sop_instance)?);
    let Some(syntax) = encode::offered().into_iter().find(|ts| requestor.accepts(&class, ts)) else {
        return Ok(Err(RequestError::NoPresentationContext { remote: remote(peer), sop_class: class }));
    };
    let bytes = app.blobs.get(&result.blob).await?;
    let dataset = encode::dataset(&bytes, &syntax)?;
    Ok(requestor.store(&class, &instance, &syntax, &dataset).await)
}

/// Records what an attempt ended with; returns when the delivery is due again.
async fn record(
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
    let now = app.clock.now();
    let next_at = next_attempt(now, delivery.attempts + 1, rand::random());
    let status = answer.as_ref().ok().map(|s| s.0);
    let error = match answer {
        Ok(status) if status.0 != 0 => Some(format!("{} answered {status}", peer.name)),
        Ok(_) => None,
        Err(error) => Some(error.to_string()),
    };
    let (state, kind) = match Outcome::classify(attempt) {
        Outcome::Accepted => (DeliveryState::Accepted, EventKind::Delivered),
        Outcome::Retry => (DeliveryState::Scheduled, EventKind::DeliveryDelayed),
        Outcome::Refused => (DeliveryState::Refused, EventKind::DeliveryRefused),
    };
    let detail = json!({
        "destination": peer.name, "kind": result.kind, "attempt": delivery.attempts + 1,
        "status": status.map(|s| format!("0x{s:04X}")), "error": error,
    });
    // A destination that is away for days must not fill the feed: 1st, 2nd, 4th, 8th ... attempt.
    let told = kind != EventKind::DeliveryDelayed || (delivery.attempts + 1).count_ones() == 1;
    if told {
        match kind {
            EventKind::Delivered => tracing::info!(delivery.id, peer = peer.name, kind = result.kind, "delivered"),
            _ => tracing::warn!(delivery.id, peer = peer.name, kind = result.kind, error, "{}", kind.as_str()),
        }
    }
    let mut tx = app.db.write().await?;
    let record = AttemptRecord { state, next_at, status, error: error.as_deref() };
    deliveries::record(&mut tx, &delivery.id, &record, now).await?;
    if told {
        events::append(&mut tx, now, Some(&delivery.study_uid), Some(&delivery.result), kind, detail).await?;
    }
    tx.commit().await?;
    Ok(next_at)
}

/// Records that an object could not even be read here; it is tried again like any other.
async fn spoiled(app: &App, peer: &Peer, delivery: &DeliveryRow, error: &str) -> Result<()> {
    let now = app.clock.now();
    tracing::error!(delivery.id, peer = peer.name, "the result cannot be read: {error}");
    let next_at = next_attempt(now, delivery.attempts + 1, rand::random());
    let attempt = AttemptRecord { state: DeliveryState::Scheduled, next_at, status: None, error: Some(error) };
    let mut tx = app.db.write().await?;
    deliveries::record(&mut tx, &delivery.id, &attempt, now).await?;
    if (delivery.attempts + 1).count_ones() == 1 {
        let detail = json!({ "destination": peer.name, "attempt": delivery.attempts + 1, "error": error });
        let (study, result) = (Some(delivery.study_uid.as_str()), Some(delivery.result.as_str()));
        events::append(&mut tx, now, study, result, EventKind::DeliveryDelayed, detail).await?;
    }
    tx.commit().await
}

async fn give_back(app: &App, delivery: &DeliveryRow, next_at: i64) -> Result<()> {
    let mut tx = app.db.write().await?;
    deliveries::give_back(&mut tx, &delivery.id, next_at).await?;
    tx.commit().await
}
