//! What the outbox looks like from outside: counts and ages of each destination, and what went wrong last.

use super::deliveries::DeliveryRow;
use super::{Tx, on};
use anyhow::Result;
use centinela_domain::UnixMs;
use centinela_domain::delivery::DeliveryState;

/// The deliveries of one destination in one state.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Pile {
    /// Name of the peer.
    pub destination: String,
    /// A word of [`DeliveryState`].
    pub state: String,
    /// How many.
    pub count: i64,
    /// When the oldest was scheduled.
    pub oldest_at: UnixMs,
    /// The next attempt of any of them.
    pub next_at: UnixMs,
    /// When the destination last took one of them.
    pub accepted_at: Option<UnixMs>,
}

/// Whether a destination is served.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Standing {
    /// Name of the peer.
    pub name: String,
    /// open, or parked by an operator.
    pub state: String,
    /// Since when it is parked.
    pub parked_at: Option<UnixMs>,
    /// Why.
    pub parked_reason: Option<String>,
    /// Since when no association can be had.
    pub down_since: Option<UnixMs>,
    /// When it is asked next whether it is back.
    pub probe_at: Option<UnixMs>,
    /// Attempts since it is down.
    pub failures: i64,
    /// Why, as one word.
    pub cause: Option<String>,
    /// Why, in words.
    pub last_error: Option<String>,
    /// When it last answered.
    pub last_ok_at: Option<UnixMs>,
    /// Until when it rests.
    pub rests_until: Option<UnixMs>,
}

/// All deliveries, by destination and state.
///
/// # Errors
/// If the database fails.
pub async fn piles(tx: &mut Tx) -> Result<Vec<Pile>> {
    Ok(on!(tx, c => sqlx::query_as(
        "select destination, state, count(*) as count, min(created_at) as oldest_at, min(next_at) as next_at, \
         max(accepted_at) as accepted_at from delivery group by destination, state order by destination, state")
        .fetch_all(c).await?))
}

/// Every destination that something was noted of.
///
/// # Errors
/// If the database fails.
pub async fn standings(tx: &mut Tx) -> Result<Vec<Standing>> {
    Ok(on!(tx, c => sqlx::query_as(
        "select name, state, parked_at, parked_reason, down_since, probe_at, failures, cause, last_error, last_ok_at, \
         rests_until \
         from destination order by name")
        .fetch_all(c).await?))
}

/// The delivery in one of these states that was tried most often, with what went wrong.
///
/// # Errors
/// If the database fails.
pub async fn most_tried(tx: &mut Tx, destination: &str, states: &[DeliveryState]) -> Result<Option<DeliveryRow>> {
    let mut found = Vec::new();
    for state in states {
        let row: Option<DeliveryRow> = on!(tx, c => sqlx::query_as(
            "select * from delivery where destination = $1 and state = $2 and last_error is not null \
             order by attempts desc, created_at, id limit 1")
            .bind(destination).bind(state.as_str()).fetch_optional(c).await?);
        found.extend(row);
    }
    Ok(found.into_iter().max_by_key(|row| row.attempts))
}
