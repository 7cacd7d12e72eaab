//! Rows of destinations: whether one is parked, since when it is down, when it is asked again, until when it rests.

use super::{Tx, on};
use anyhow::Result;
use centinela_domain::UnixMs;
use centinela_domain::delivery::next_probe;

/// A destination; one that never failed and was never parked has no row.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct DestinationRow {
    /// Name of the peer.
    pub name: String,
    /// `open` or `parked`.
    pub state: String,
    /// When an operator parked it.
    pub parked_at: Option<UnixMs>,
    /// Why.
    pub parked_reason: Option<String>,
    /// Since when nothing can be sent.
    pub down_since: Option<UnixMs>,
    /// While it is down: when it is asked next whether it is back.
    pub probe_at: Option<UnixMs>,
    /// Attempts without an answer since the last one with.
    pub failures: i64,
    /// Why the last of them failed, as one word.
    pub cause: Option<String>,
    /// The same in words.
    pub last_error: Option<String>,
    /// When it last answered.
    pub last_ok_at: Option<UnixMs>,
    /// Until when it rests, as ae-titles.toml wants it; past or none while it may be called.
    pub rests_until: Option<UnixMs>,
}

impl DestinationRow {
    /// Whether an operator parked it.
    #[must_use]
    pub fn is_parked(&self) -> bool {
        self.state == "parked"
    }
}

/// The row of a destination.
///
/// # Errors
/// If the database fails.
pub async fn find(tx: &mut Tx, name: &str) -> Result<Option<DestinationRow>> {
    Ok(on!(tx, c => sqlx::query_as("select * from destination where name = $1").bind(name).fetch_optional(c).await?))
}

/// All rows.
///
/// # Errors
/// If the database fails.
pub async fn all(tx: &mut Tx) -> Result<Vec<DestinationRow>> {
    Ok(on!(tx, c => sqlx::query_as("select * from destination order by name").fetch_all(c).await?))
}

/// The row of a destination, made if there is none.
async fn ensure(tx: &mut Tx, name: &str) -> Result<DestinationRow> {
    on!(tx, c => sqlx::query(
        "insert into destination (name, state, failures) values ($1, 'open', 0) on conflict (name) do nothing")
        .bind(name).execute(c).await?.rows_affected());
    Ok(on!(tx, c => sqlx::query_as("select * from destination where name = $1").bind(name).fetch_one(c).await?))
}

/// An attempt that was not answered.
#[derive(Debug, Clone, Copy)]
pub struct Failure<'a> {
    /// Why, as one word.
    pub cause: &'a str,
    /// The same in words.
    pub error: &'a str,
    /// At so many in a row the destination is down.
    pub limit: i64,
    /// The longest pause until it is asked again.
    pub every_ms: i64,
    /// The shortest.
    pub patience_ms: i64,
}

/// Notes an attempt without an answer; true if the destination is down from now on.
///
/// # Errors
/// If the database fails.
pub async fn failed(tx: &mut Tx, name: &str, failure: &Failure<'_>, now: UnixMs) -> Result<bool> {
    let row = ensure(tx, name).await?;
    let failures = row.failures + 1;
    let down = row.down_since.is_some() || failures >= failure.limit;
    let since = down.then(|| row.down_since.unwrap_or(now));
    let probe_at = down.then(|| next_probe(now, failures, failure.every_ms).max(now + failure.patience_ms));
    on!(tx, c => sqlx::query(
        "update destination set down_since = $2, probe_at = $3, failures = $4, cause = $5, last_error = $6 where name = $1")
        .bind(name).bind(since).bind(probe_at).bind(failures).bind(failure.cause).bind(failure.error)
        .execute(c).await?.rows_affected());
    Ok(down && row.down_since.is_none())
}

/// Notes an answer; since when the destination was down, if it was.
///
/// # Errors
/// If the database fails.
pub async fn answered(tx: &mut Tx, name: &str, now: UnixMs) -> Result<Option<UnixMs>> {
    let row = ensure(tx, name).await?;
    on!(tx, c => sqlx::query(
        "update destination set down_since = null, probe_at = null, failures = 0, cause = null, last_error = null, \
         last_ok_at = $2 where name = $1")
        .bind(name).bind(now).execute(c).await?.rows_affected());
    Ok(row.down_since)
}

/// Notes until when a destination rests.
///
/// # Errors
/// If the database fails.
pub async fn set_rest(tx: &mut Tx, name: &str, until: Option<UnixMs>) -> Result<()> {
    ensure(tx, name).await?;
    on!(tx, c => sqlx::query("update destination set rests_until = $2 where name = $1")
        .bind(name).bind(until).execute(c).await?.rows_affected());
    Ok(())
}

/// Has destinations that are down asked now whether they are back, and those that did not offer storage commitment
/// whether they do by now: one of them, or all.
///
/// # Errors
/// If the database fails.
pub async fn ask_now(tx: &mut Tx, name: Option<&str>, now: UnixMs) -> Result<()> {
    on!(tx, c => sqlx::query(
        "update destination set probe_at = $2 where (cast($1 as text) is null or name = $1) and probe_at > $2")
        .bind(name).bind(now).execute(c).await?.rows_affected());
    on!(tx, c => sqlx::query(
        "update destination set unoffered_until = null where cast($1 as text) is null or name = $1")
        .bind(name).execute(c).await?.rows_affected());
    Ok(())
}

/// Parks a destination: nothing is sent until it is resumed. False if it is parked already.
///
/// # Errors
/// If the database fails.
pub async fn park(tx: &mut Tx, name: &str, reason: &str, now: UnixMs) -> Result<bool> {
    ensure(tx, name).await?;
    let done = on!(tx, c => sqlx::query(
        "update destination set state = 'parked', parked_at = $3, parked_reason = $2 where name = $1 and state = 'open'")
        .bind(name).bind(reason).bind(now).execute(c).await?.rows_affected());
    Ok(done == 1)
}

/// Resumes a parked destination; false if it is not parked.
///
/// # Errors
/// If the database fails.
pub async fn resume(tx: &mut Tx, name: &str) -> Result<bool> {
    let done = on!(tx, c => sqlx::query(
        "update destination set state = 'open', parked_at = null, parked_reason = null where name = $1 and state = 'parked'")
        .bind(name).execute(c).await?.rows_affected());
    Ok(done == 1)
}
