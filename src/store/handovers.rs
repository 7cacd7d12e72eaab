//! Rows of what destinations with a limit got within the last minute, so that no restart lets more through.
//!
//! A row is there from the moment an object is claimed, so that one that was sent before the process died counts.

use super::{Tx, on};
use anyhow::Result;
use centinela_domain::UnixMs;
use centinela_domain::delivery::hours::Rate;

/// The times that count for [`Rate`], in ascending order; now for an object that is on its way.
///
/// # Errors
/// If the database fails.
pub async fn sent(tx: &mut Tx, destination: &str, now: UnixMs) -> Result<Vec<UnixMs>> {
    Ok(on!(tx, c => sqlx::query_scalar(
        "select coalesce(at, $2) from handover where destination = $1 and (at is null or at > $3) order by 1")
        .bind(destination).bind(now).bind(now - Rate::SPAN_MS).fetch_all(c).await?))
}

/// Notes that these deliveries are handed over now; forgets what lies longer back than a minute.
///
/// # Errors
/// If the database fails.
pub async fn begin(tx: &mut Tx, destination: &str, deliveries: impl Iterator<Item = &str>, now: UnixMs) -> Result<()> {
    on!(tx, c => sqlx::query("delete from handover where destination = $1 and at <= $2")
        .bind(destination).bind(now - Rate::SPAN_MS).execute(c).await?.rows_affected());
    for delivery in deliveries {
        on!(tx, c => sqlx::query("insert into handover (delivery, destination) values ($1, $2)")
            .bind(delivery).bind(destination).execute(c).await?.rows_affected());
    }
    Ok(())
}

/// The answer to a delivery came, or none will come.
///
/// # Errors
/// If the database fails.
pub async fn end(tx: &mut Tx, delivery: &str, now: UnixMs) -> Result<()> {
    on!(tx, c => sqlx::query("update handover set at = $2 where delivery = $1 and at is null")
        .bind(delivery).bind(now).execute(c).await?.rows_affected());
    Ok(())
}

/// A delivery was not handed over after all.
///
/// # Errors
/// If the database fails.
pub async fn undo(tx: &mut Tx, delivery: &str) -> Result<()> {
    on!(tx, c => sqlx::query("delete from handover where delivery = $1 and at is null")
        .bind(delivery).execute(c).await?.rows_affected());
    Ok(())
}

/// Whatever was on its way to a destination, or to any, may have come there until now.
///
/// # Errors
/// If the database fails.
pub async fn end_all(tx: &mut Tx, destination: Option<&str>, now: UnixMs) -> Result<()> {
    on!(tx, c => sqlx::query(
        "update handover set at = $2 where at is null and (cast($1 as text) is null or destination = $1)")
        .bind(destination).bind(now).execute(c).await?.rows_affected());
    Ok(())
}
