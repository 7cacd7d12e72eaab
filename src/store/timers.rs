//! The timers of open work, for the case that the machine's clock is set back.

use super::{Tx, on};
use anyhow::Result;
use centinela_domain::UnixMs;

/// Everything that waits for a time. Each takes now, and by how much the clock went back.
const SHIFTS: [&str; 15] = [
    "update study set quiet_until = quiet_until - $2 where state = 'receiving' and quiet_until > $1",
    "update study set closes_by = closes_by - $2 where state = 'receiving' and closes_by > $1",
    "update job set run_at = run_at - $2 where state = 'queued' and run_at > $1",
    "update job set lease_until = lease_until - $2 where state = 'running' and lease_until > $1",
    "update delivery set next_at = next_at - $2 where state = 'scheduled' and next_at > $1",
    "update delivery set lease_until = lease_until - $2 where state = 'sending' and lease_until > $1",
    // Accepted in what is the future now: nobody would ask for its proof before.
    "update delivery set accepted_at = accepted_at - $2 where state = 'accepted' and proof is null and accepted_at > $1",
    "update destination set probe_at = probe_at - $2 where probe_at > $1",
    "update handover set at = at - $2 where at > $1",
    "update destination set unoffered_until = unoffered_until - $2 where unoffered_until > $1",
    "update proof set next_at = next_at - $2 where state in ('asking', 'waiting', 'looking') and next_at > $1",
    "update proof set due_at = due_at - $2 where state = 'waiting' and due_at > $1",
    "update commitment set next_at = next_at - $2 where state in ('checking', 'reporting') and next_at > $1",
    "update alert_call set next_at = next_at - $2 where told_at is null and next_at > $1",
    "update probe set answered_at = answered_at - $2 where answered_at > $1",
];

/// When the last thing happened, by the clock of that moment.
///
/// # Errors
/// If the database fails.
pub async fn last_seen(tx: &mut Tx) -> Result<Option<UnixMs>> {
    Ok(on!(tx, c => sqlx::query_scalar("select at from event order by seq desc limit 1").fetch_optional(c).await?))
}

/// Brings every timer that lies ahead nearer; returns how many there were.
///
/// # Errors
/// If the database fails.
pub async fn bring_nearer(tx: &mut Tx, now: UnixMs, by: i64) -> Result<u64> {
    let mut moved = 0;
    for sql in SHIFTS {
        moved += on!(tx, c => sqlx::query(sql).bind(now).bind(by).execute(c).await?.rows_affected());
    }
    Ok(moved)
}
