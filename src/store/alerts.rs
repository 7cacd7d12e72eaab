//! Rows of alerts, and of the calls that tell webhooks of them.

use super::{Tx, new_id, on};
use anyhow::Result;
use centinela_domain::UnixMs;
use centinela_domain::alert::{Queue, Standing};
use std::collections::BTreeMap;

/// An alert.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct AlertRow {
    /// Identifier.
    pub id: String,
    /// A word of `AlertKind`.
    pub kind: String,
    /// A destination's name, or empty.
    pub subject: String,
    /// The figures when it was last looked at.
    pub text: String,
    /// Since when it stands.
    pub raised_at: UnixMs,
    /// Since when it does not any more.
    pub cleared_at: Option<UnixMs>,
}

/// A call that tells one webhook of one alert's beginning or end.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct CallRow {
    /// Identifier; the webhook sees it and can drop repetitions.
    pub id: String,
    /// The alert.
    pub alert: String,
    /// Name of the webhook.
    pub webhook: String,
    /// Whether it tells of the alert's end.
    pub cleared: bool,
    /// Attempts so far.
    pub attempts: i64,
    /// Not before.
    pub next_at: UnixMs,
    /// What went wrong last.
    pub last_error: Option<String>,
    /// When it was to be told.
    pub created_at: UnixMs,
    /// When the webhook took it.
    pub told_at: Option<UnixMs>,
}

/// Alerts that stand, the oldest first.
///
/// # Errors
/// If the database fails.
pub async fn standing(tx: &mut Tx) -> Result<Vec<AlertRow>> {
    Ok(on!(tx, c => sqlx::query_as("select * from alert where cleared_at is null order by raised_at, id")
        .fetch_all(c).await?))
}

/// The latest alerts, standing or not, the newest first.
///
/// # Errors
/// If the database fails.
pub async fn latest(tx: &mut Tx, limit: i64) -> Result<Vec<AlertRow>> {
    Ok(on!(tx, c => sqlx::query_as("select * from alert order by raised_at desc, id desc limit $1")
        .bind(limit).fetch_all(c).await?))
}

/// One alert.
///
/// # Errors
/// If the database fails.
pub async fn find(tx: &mut Tx, id: &str) -> Result<Option<AlertRow>> {
    Ok(on!(tx, c => sqlx::query_as("select * from alert where id = $1").bind(id).fetch_optional(c).await?))
}

/// Raises an alert; returns its identifier, or none if it stands already.
///
/// # Errors
/// If the database fails.
pub async fn raise(tx: &mut Tx, alert: &Standing, now: UnixMs) -> Result<Option<String>> {
    let id = new_id();
    let done = on!(tx, c => sqlx::query(
        "insert into alert (id, kind, subject, text, raised_at) values ($1, $2, $3, $4, $5) \
         on conflict (kind, subject) where cleared_at is null do nothing")
        .bind(&id).bind(alert.kind.as_str()).bind(&alert.subject).bind(&alert.text).bind(now)
        .execute(c).await?.rows_affected());
    Ok((done == 1).then_some(id))
}

/// Keeps the figures of a standing alert fresh.
///
/// # Errors
/// If the database fails.
pub async fn refresh(tx: &mut Tx, id: &str, text: &str) -> Result<()> {
    on!(tx, c => sqlx::query("update alert set text = $2 where id = $1").bind(id).bind(text)
        .execute(c).await?.rows_affected());
    Ok(())
}

/// Clears an alert; false if it was cleared before.
///
/// # Errors
/// If the database fails.
pub async fn clear(tx: &mut Tx, id: &str, now: UnixMs) -> Result<bool> {
    let done = on!(tx, c => sqlx::query("update alert set cleared_at = $2 where id = $1 and cleared_at is null")
        .bind(id).bind(now).execute(c).await?.rows_affected());
    Ok(done == 1)
}

/// Schedules a call.
///
/// # Errors
/// If the database fails.
pub async fn schedule_call(tx: &mut Tx, alert: &str, webhook: &str, cleared: bool, now: UnixMs) -> Result<()> {
    on!(tx, c => sqlx::query(
        "insert into alert_call (id, alert, webhook, cleared, attempts, next_at, created_at) \
         values ($1, $2, $3, $4, 0, $5, $5)")
        .bind(new_id()).bind(alert).bind(webhook).bind(cleared).bind(now).execute(c).await?.rows_affected());
    Ok(())
}

/// The webhook's first call that it has not taken, if it is due: the others wait behind it.
///
/// # Errors
/// If the database fails.
pub async fn next_call(tx: &mut Tx, webhook: &str, now: UnixMs) -> Result<Option<CallRow>> {
    let first: Option<CallRow> = on!(tx, c => sqlx::query_as(
        "select * from alert_call where webhook = $1 and told_at is null order by created_at, id limit 1")
        .bind(webhook).fetch_optional(c).await?);
    Ok(first.filter(|call| call.next_at <= now))
}

/// Records an attempt: taken (no error), or to be tried again at `next_at`.
///
/// # Errors
/// If the database fails.
pub async fn attempted(tx: &mut Tx, id: &str, error: Option<&str>, next_at: UnixMs, now: UnixMs) -> Result<()> {
    let told = error.is_none().then_some(now);
    on!(tx, c => sqlx::query(
        "update alert_call set attempts = attempts + 1, next_at = $2, last_error = $3, told_at = $4 \
         where id = $1 and told_at is null")
        .bind(id).bind(next_at).bind(error).bind(told).execute(c).await?.rows_affected());
    Ok(())
}

/// What each destination lacks.
///
/// # Errors
/// If the database fails.
pub async fn queues(tx: &mut Tx, now: UnixMs) -> Result<Vec<Queue>> {
    let waiting: Vec<(String, i64, UnixMs)> = on!(tx, c => sqlx::query_as(
        "select destination, count(*), min(created_at) from delivery where state in ('scheduled', 'sending') \
         group by destination").fetch_all(c).await?);
    let refused: Vec<(String, i64)> = on!(tx, c => sqlx::query_as(
        "select destination, count(*) from delivery where state = 'refused' group by destination")
        .fetch_all(c).await?);
    let unpromised: Vec<(String, i64)> = on!(tx, c => sqlx::query_as(
        "select destination, count(*) from delivery where state = 'accepted' and cause = 'not_committed' \
         group by destination")
        .fetch_all(c).await?);
    let mut queues: BTreeMap<String, Queue> = BTreeMap::new();
    let named = |name: &str| Queue { destination: name.to_owned(), ..Queue::default() };
    for (name, count, since) in waiting {
        let queue = queues.entry(name.clone()).or_insert_with(|| named(&name));
        (queue.waiting, queue.oldest_ms) = (count, (now - since).max(0));
    }
    for (name, count) in refused {
        queues.entry(name.clone()).or_insert_with(|| named(&name)).refused = count;
    }
    for (name, count) in unpromised {
        queues.entry(name.clone()).or_insert_with(|| named(&name)).unpromised = count;
    }
    Ok(queues.into_values().collect())
}

/// Jobs given up since, and films in quarantine that nobody has decided about.
///
/// # Errors
/// If the database fails.
pub async fn troubles(tx: &mut Tx, since: UnixMs) -> Result<(i64, i64)> {
    let given_up = on!(tx, c => sqlx::query_scalar(
        "select count(*) from job where state = 'dead' and finished_at >= $1").bind(since).fetch_one(c).await?);
    let quarantined = on!(tx, c => sqlx::query_scalar(
        "select count(*) from variant where state = 'quarantined' and resolution is null").fetch_one(c).await?);
    Ok((given_up, quarantined))
}
