//! What an attempt means: the rows of delivery and destination, and the events, in one transaction.

use super::breaker::{self, Trouble};
use crate::app::App;
use crate::config::Peer;
use crate::store::deliveries::{self, AttemptRecord, DeliveryRow};
use crate::store::events::{self, EventKind};
use crate::store::handovers;
use crate::store::results::ResultRow;
use anyhow::Result;
use centinela_domain::deliver::Deliver;
use centinela_domain::delivery::{Attempt, DeliveryState, Outcome, next_attempt};
use centinela_domain::status::DimseStatus;
use serde_json::json;

/// How an attempt to send one object ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// The destination answered.
    Status(DimseStatus),
    /// It takes no such object; why, as one word and in words.
    Refused(&'static str, String),
    /// There was no answer.
    Nothing(Trouble),
    /// The object could not even be read here; it is tried again like any other.
    Unreadable(String),
}

impl Answer {
    /// What follows for the delivery.
    fn outcome(&self, peer: &Peer) -> Outcome {
        Outcome::classify(match self {
            Self::Status(status) => Attempt::Answered(*status),
            // It is asked anew what it takes, and what it does not take is withdrawn then.
            Self::Refused(..) if peer.deliver == Deliver::Auto => Attempt::Unreachable,
            Self::Refused(..) => Attempt::NoPresentationContext,
            Self::Nothing(_) | Self::Unreadable(_) => Attempt::Unreachable,
        })
    }

    fn status(&self) -> Option<DimseStatus> {
        match self {
            Self::Status(status) => Some(*status),
            _ => None,
        }
    }

    fn error(&self, peer: &Peer) -> Option<String> {
        match self {
            Self::Status(status) if status.0 == 0 => None,
            Self::Status(status) => Some(format!("{} answered {status}", peer.name)),
            Self::Refused(_, error) | Self::Unreadable(error) => Some(error.clone()),
            Self::Nothing(trouble) => Some(trouble.error.clone()),
        }
    }

    /// Why it failed, as one word.
    fn cause(&self) -> &'static str {
        match self {
            Self::Status(_) => "status",
            Self::Refused(cause, _) => cause,
            Self::Nothing(trouble) => trouble.cause,
            Self::Unreadable(_) => "unreadable",
        }
    }
}

/// Records an attempt; true if the destination has the object, or will never have it.
///
/// # Errors
/// If rows cannot be written.
pub async fn record(
    app: &App,
    peer: &Peer,
    delivery: &DeliveryRow,
    result: Option<&ResultRow>,
    answer: &Answer,
) -> Result<bool> {
    let (now, attempt) = (app.clock.now(), delivery.attempts + 1);
    let outcome = answer.outcome(peer);
    let (state, event) = match outcome {
        Outcome::Accepted => (DeliveryState::Accepted, EventKind::Delivered),
        Outcome::Retry => (DeliveryState::Scheduled, EventKind::DeliveryDelayed),
        Outcome::Refused => (DeliveryState::Refused, EventKind::DeliveryRefused),
    };
    // As long as it is away, the destination is asked, not the object tried.
    let next_at = match answer {
        Answer::Nothing(Trouble { connected: false, .. }) => now,
        Answer::Nothing(trouble) => next_attempt(now, attempt, rand::random()).max(now + trouble.patience_ms),
        _ => next_attempt(now, attempt, rand::random()),
    };
    let (error, kind) = (answer.error(peer), result.map(|result| &result.kind));
    let error = error.as_deref();
    // A destination that is away for days must not fill the feed: 1st, 2nd, 4th, 8th ... attempt.
    let told = event != EventKind::DeliveryDelayed || attempt.count_ones() == 1;
    if told {
        match (event, answer) {
            (EventKind::Delivered, _) => tracing::info!(delivery.id, peer = peer.name, kind, "delivered"),
            (_, Answer::Unreadable(_)) => {
                tracing::error!(delivery.id, peer = peer.name, error, "the result cannot be read");
            }
            _ => tracing::warn!(delivery.id, peer = peer.name, kind, error, "{}", event.as_str()),
        }
    }
    let status = answer.status().map(|status| status.0);
    let cause = (outcome != Outcome::Accepted).then(|| answer.cause());
    let mut tx = app.db.write().await?;
    if peer.rate().is_some() {
        handovers::end(&mut tx, &delivery.id, now).await?;
    }
    deliveries::record(&mut tx, &delivery.id, &AttemptRecord { state, next_at, status, error, cause }, now).await?;
    match answer {
        Answer::Status(_) | Answer::Refused(..) => breaker::answered(&mut tx, app, peer).await?,
        Answer::Nothing(trouble) => breaker::unanswered(&mut tx, app, peer, trouble).await?,
        Answer::Unreadable(_) => {}
    }
    if told {
        let detail = json!({
            "destination": peer.name, "kind": kind, "attempt": attempt,
            "status": status.map(|s| format!("0x{s:04X}")), "error": error,
        });
        let (study, sop) = (Some(delivery.study_uid.as_str()), Some(delivery.result.as_str()));
        events::append(&mut tx, now, study, sop, event, detail).await?;
    }
    tx.commit().await?;
    Ok(outcome != Outcome::Retry)
}

/// Puts claimed deliveries back, untouched.
///
/// # Errors
/// If rows cannot be written.
pub async fn give_back(app: &App, peer: &Peer, rest: &[DeliveryRow]) -> Result<()> {
    if rest.is_empty() {
        return Ok(());
    }
    let mut tx = app.db.write().await?;
    for delivery in rest {
        deliveries::give_back(&mut tx, &delivery.id, delivery.next_at).await?;
        if peer.rate().is_some() {
            handovers::undo(&mut tx, &delivery.id).await?;
        }
    }
    tx.commit().await
}
