//! Rows of deliveries: one result on its way to one destination.

use super::dialect::{Sql, claim_sql};
use super::{Tx, new_id, on};
use anyhow::Result;
use centinela_domain::UnixMs;
use centinela_domain::delivery::{DeliveryState, HOLDS_UP};
use centinela_domain::priority::Urgency;

/// A delivery.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct DeliveryRow {
    /// Identifier.
    pub id: String,
    /// SOP Instance UID of the result.
    pub result: String,
    /// Name of the peer.
    pub destination: String,
    /// Study Instance UID.
    pub study_uid: String,
    /// A word of [`DeliveryState`].
    pub state: String,
    /// [`Urgency`] as its number.
    pub urgency: i64,
    /// The smallest is sent first.
    pub rank: i64,
    /// Attempts so far.
    pub attempts: i64,
    /// Not before.
    pub next_at: UnixMs,
    /// While sending: when somebody else may take over.
    pub lease_until: Option<UnixMs>,
    /// Last DIMSE status.
    pub last_status: Option<i64>,
    /// What went wrong last.
    pub last_error: Option<String>,
    /// The same as one word, for programs.
    pub cause: Option<String>,
    /// When it was scheduled.
    pub created_at: UnixMs,
    /// When the destination answered success, the last time if it was sent again.
    pub accepted_at: Option<UnixMs>,
    /// When it promised to keep it.
    pub committed_at: Option<UnixMs>,
    /// Transaction UID of that promise (0008,1195).
    pub transaction_uid: Option<String>,
    /// When C-FIND found it there, where nobody promised.
    pub found_at: Option<UnixMs>,
    /// When an operator took it out of the outbox.
    pub parked_at: Option<UnixMs>,
    /// Why.
    pub parked_reason: Option<String>,
}

/// Schedules a result for a destination, once. What waits there of the same study becomes as urgent: a study's
/// objects arrive in order.
///
/// # Errors
/// If the database fails.
pub async fn schedule(
    tx: &mut Tx,
    result: &str,
    study_uid: &str,
    destination: &str,
    urgency: Urgency,
    now: UnixMs,
) -> Result<bool> {
    let rank = urgency.rank(now);
    let done = on!(tx, c => sqlx::query(
        "insert into delivery (id, result, destination, study_uid, state, urgency, rank, attempts, next_at, created_at) \
         values ($1, $2, $3, $4, 'scheduled', $5, $6, 0, $7, $7) on conflict (result, destination) do nothing")
        .bind(new_id()).bind(result).bind(destination).bind(study_uid).bind(urgency.number()).bind(rank)
        .bind(now).execute(c).await?.rows_affected());
    if done == 1 {
        on!(tx, c => sqlx::query(
            "update delivery set urgency = $3, rank = $4 where study_uid = $1 and destination = $2 \
             and state = 'scheduled' and rank > $4")
            .bind(study_uid).bind(destination).bind(urgency.number()).bind(rank).execute(c).await?.rows_affected());
    }
    Ok(done == 1)
}

/// What can be sent to destination $1 at time $2: due, and behind no earlier object of its study that waits for
/// its next attempt. One that failed $3 times holds nobody up any more. The first line on states says nothing new:
/// by it SQLite knows that the index of what is under way will do, and reads no delivery that is done.
macro_rules! ready {
    () => {
        "d.destination = $1 and d.state in ('scheduled', 'sending') \
         and ((d.state = 'scheduled' and d.next_at <= $2) \
         or (d.state = 'sending' and d.lease_until <= $2)) and not exists (select 1 from delivery e \
         where e.study_uid = d.study_uid and e.destination = d.destination and e.attempts < $3 \
         and (e.created_at < d.created_at or (e.created_at = d.created_at and e.id < d.id)) \
         and ((e.state = 'scheduled' and e.next_at > $2) or (e.state = 'sending' and e.lease_until > $2)))"
    };
}

const CLAIM: Sql = claim_sql!(
    [
        "update delivery set state = 'sending', lease_until = $4 where id in (select d.id from delivery d where ",
        ready!(),
        " order by d.rank, d.created_at, d.id limit $5"
    ],
    ") returning *"
);

/// The same for a destination that is down, which is asked with one object: those on which it failed [`SUSPECT`] times
/// come last, the least tried first, or one that it will never answer would keep all others from it. A study's order holds.
const PROBE: Sql = claim_sql!(
    [
        "update delivery set state = 'sending', lease_until = $4 where id in (select d.id from delivery d where ",
        ready!(),
        " and not exists (select 1 from delivery e where e.study_uid = d.study_uid and e.destination = d.destination \
         and e.attempts < $3 and e.state in ('scheduled', 'sending') \
         and (e.created_at < d.created_at or (e.created_at = d.created_at and e.id < d.id))) \
         order by case when d.attempts < $6 then 0 else d.attempts end, d.rank, d.created_at, d.id limit $5"
    ],
    ") returning *"
);

/// So many failures may be an object's own.
const SUSPECT: i64 = 3;

/// Takes the delivery with which a destination that is down is asked whether it is back.
///
/// # Errors
/// If the database fails.
pub async fn claim_probe(tx: &mut Tx, destination: &str, now: UnixMs, lease_ms: i64) -> Result<Vec<DeliveryRow>> {
    let sql = PROBE.on(tx);
    Ok(on!(tx, c => sqlx::query_as(sql)
        .bind(destination).bind(now).bind(HOLDS_UP).bind(now + lease_ms).bind(1_i64).bind(SUSPECT).fetch_all(c).await?))
}

/// Takes deliveries of one destination that can be sent, in the order of their rank; those of one study in the
/// order in which they were scheduled.
///
/// # Errors
/// If the database fails.
pub async fn claim(tx: &mut Tx, destination: &str, now: UnixMs, lease_ms: i64, limit: i64) -> Result<Vec<DeliveryRow>> {
    let sql = CLAIM.on(tx);
    let mut rows: Vec<DeliveryRow> = on!(tx, c => sqlx::query_as(sql)
        .bind(destination).bind(now).bind(HOLDS_UP).bind(now + lease_ms).bind(limit).fetch_all(c).await?);
    rows.sort_by(|a, b| (a.rank, a.created_at, &a.id).cmp(&(b.rank, b.created_at, &b.id)));
    Ok(rows)
}

/// What an attempt ended with.
#[derive(Debug, Clone)]
pub struct AttemptRecord<'a> {
    /// The next state.
    pub state: DeliveryState,
    /// When to try again, for a scheduled one.
    pub next_at: UnixMs,
    /// The DIMSE status, if the peer answered.
    pub status: Option<u16>,
    /// What went wrong.
    pub error: Option<&'a str>,
    /// The same as one word.
    pub cause: Option<&'a str>,
}

/// Records an attempt.
///
/// # Errors
/// If the database fails.
pub async fn record(tx: &mut Tx, id: &str, attempt: &AttemptRecord<'_>, now: UnixMs) -> Result<()> {
    let accepted = (attempt.state == DeliveryState::Accepted).then_some(now);
    on!(tx, c => sqlx::query(
        "update delivery set state = $2, attempts = attempts + 1, next_at = $3, last_status = $4, last_error = $5, \
         cause = $7, accepted_at = coalesce($6, accepted_at), lease_until = null where id = $1 and state = 'sending'")
        .bind(id).bind(attempt.state.as_str()).bind(attempt.next_at).bind(attempt.status.map(i64::from))
        .bind(attempt.error).bind(accepted).bind(attempt.cause).execute(c).await?.rows_affected());
    Ok(())
}

/// Gives a claimed delivery back without counting an attempt.
///
/// # Errors
/// If the database fails.
pub async fn give_back(tx: &mut Tx, id: &str, next_at: UnixMs) -> Result<()> {
    on!(tx, c => sqlx::query(
        "update delivery set state = 'scheduled', next_at = $2, lease_until = null where id = $1 and state = 'sending'")
        .bind(id).bind(next_at).execute(c).await?.rows_affected());
    Ok(())
}

/// Gives back all that is claimed for a destination: nobody sends it now.
///
/// # Errors
/// If the database fails.
pub async fn release(tx: &mut Tx, destination: &str) -> Result<u64> {
    Ok(on!(tx, c => sqlx::query(
        "update delivery set state = 'scheduled', lease_until = null where destination = $1 \
         and state in ('scheduled', 'sending') and state = 'sending'")
        .bind(destination).execute(c).await?.rows_affected()))
}

/// Makes due what waits for its next attempt because the destination did not answer the last one.
///
/// # Errors
/// If the database fails.
pub async fn bring_forward(tx: &mut Tx, destination: &str, now: UnixMs) -> Result<u64> {
    Ok(on!(tx, c => sqlx::query(
        "update delivery set next_at = $2 where destination = $1 and state in ('scheduled', 'sending') \
         and state = 'scheduled' and next_at > $2 and last_status is null and cause not in ('no_context', 'refused', 'unreadable')")
        .bind(destination).bind(now).execute(c).await?.rows_affected()))
}

/// Points a claimed delivery to another form of its result; false if it is no longer ours, or points elsewhere.
///
/// # Errors
/// If the database fails.
pub async fn repoint(tx: &mut Tx, id: &str, from: &str, to: &str) -> Result<bool> {
    let done = on!(tx, c => sqlx::query(
        "update delivery set result = $3 where id = $1 and result = $2 and state = 'sending'")
        .bind(id).bind(from).bind(to).execute(c).await?.rows_affected());
    Ok(done == 1)
}

/// A delivery that was taken back.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Withdrawn {
    /// SOP Instance UID of the result.
    pub result: String,
    /// Study Instance UID.
    pub study_uid: String,
}

/// Takes back what waits for a destination and is of this kind.
///
/// # Errors
/// If the database fails.
pub async fn withdraw(tx: &mut Tx, destination: &str, kind: &str) -> Result<Vec<Withdrawn>> {
    Ok(on!(tx, c => sqlx::query_as(
        "delete from delivery where destination = $1 and state = 'scheduled' \
         and result in (select sop_instance from result where kind = $2) returning result, study_uid")
        .bind(destination).bind(kind).fetch_all(c).await?))
}

/// Of the standing results of a study: what a destination has, or may have, as destination and result.
///
/// # Errors
/// If the database fails.
pub async fn reached(tx: &mut Tx, study_uid: &str) -> Result<Vec<(String, String)>> {
    Ok(on!(tx, c => sqlx::query_as(
        "select d.destination, d.result from delivery d join result r on r.sop_instance = d.result \
         where d.study_uid = $1 and r.withdrawn_at is null and r.kind <> 'note' \
         and (d.state in ('accepted', 'committed', 'sending') or d.attempts > 0) \
         order by d.destination, d.result")
        .bind(study_uid).fetch_all(c).await?))
}

/// Takes back what waits of the standing results of a study, for whatever destination.
///
/// # Errors
/// If the database fails.
pub async fn withdraw_study(tx: &mut Tx, study_uid: &str) -> Result<Vec<Withdrawn>> {
    Ok(on!(tx, c => sqlx::query_as(
        "delete from delivery where study_uid = $1 and state in ('scheduled', 'refused', 'parked') \
         and result in (select sop_instance from result where withdrawn_at is null and kind <> 'note') \
         returning result, study_uid")
        .bind(study_uid).fetch_all(c).await?))
}

/// At start of the only process of a database: whatever is marked sending was interrupted.
///
/// # Errors
/// If the database fails.
pub async fn release_all(tx: &mut Tx, now: UnixMs) -> Result<u64> {
    Ok(on!(tx, c => sqlx::query("update delivery set lease_until = $1 where state = 'sending'")
        .bind(now).execute(c).await?.rows_affected()))
}

/// Schedules a delivery again by hand, whatever ended it, also where the destination has it and will not promise to
/// keep it; false if there is none.
///
/// # Errors
/// If the database fails.
pub async fn retry(tx: &mut Tx, id: &str, now: UnixMs) -> Result<bool> {
    let done = on!(tx, c => sqlx::query(
        "update delivery set state = 'scheduled', next_at = $2, lease_until = null, proof = null, parked_at = null, \
         parked_reason = null where id = $1 and (state in ('scheduled', 'refused', 'parked') \
         or (state = 'accepted' and cause = 'not_committed'))")
        .bind(id).bind(now).execute(c).await?.rows_affected());
    Ok(done == 1)
}

/// One delivery.
///
/// # Errors
/// If the database fails.
pub async fn find(tx: &mut Tx, id: &str) -> Result<Option<DeliveryRow>> {
    Ok(on!(tx, c => sqlx::query_as("select * from delivery where id = $1").bind(id).fetch_optional(c).await?))
}

/// Deliveries, the oldest first, by state, destination or study.
///
/// # Errors
/// If the database fails.
pub async fn list(
    tx: &mut Tx,
    state: Option<&str>,
    destination: Option<&str>,
    study_uid: Option<&str>,
    limit: i64,
) -> Result<Vec<DeliveryRow>> {
    Ok(on!(tx, c => sqlx::query_as(
        "select * from delivery where (cast($1 as text) is null or state = $1) \
         and (cast($2 as text) is null or destination = $2) and (cast($3 as text) is null or study_uid = $3) \
         order by created_at, id limit $4")
        .bind(state).bind(destination).bind(study_uid).bind(limit).fetch_all(c).await?))
}

/// How many deliveries are in each state, by destination.
///
/// # Errors
/// If the database fails.
pub async fn count_by_state(tx: &mut Tx) -> Result<Vec<(String, String, i64)>> {
    Ok(on!(tx, c => sqlx::query_as(
        "select destination, state, count(*) from delivery group by destination, state order by destination, state")
        .fetch_all(c).await?))
}

/// Whether a destination has anything to do: a cheap question before the write transaction.
///
/// # Errors
/// If the database fails.
pub async fn any_ready(tx: &mut Tx, destination: &str, now: UnixMs) -> Result<bool> {
    let found: Option<i64> = on!(tx, c => sqlx::query_scalar(concat!(
        "select d.next_at from delivery d where ", ready!(), " limit 1"))
        .bind(destination).bind(now).bind(HOLDS_UP).fetch_optional(c).await?);
    Ok(found.is_some())
}

/// For each destination that something waits for: when the oldest of it was scheduled.
///
/// # Errors
/// If the database fails.
pub async fn oldest_waiting(tx: &mut Tx) -> Result<Vec<(String, UnixMs)>> {
    Ok(on!(tx, c => sqlx::query_as(
        "select destination, min(created_at) from delivery where state in ('scheduled', 'sending') \
         group by destination order by destination")
        .fetch_all(c).await?))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]
    use super::*;
    use crate::store::Db;

    /// Asked at each poll, with every delivery that there ever was in the table.
    #[tokio::test]
    async fn what_is_done_is_not_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let db = Db::open_sqlite(&folder.path().join("centinela.db")).await.unwrap();
        let tx = &mut db.read().await.unwrap();
        let plan: Vec<(i64, i64, i64, String)> = on!(tx, c => sqlx::query_as(concat!(
            "explain query plan select d.id from delivery d where ", ready!(), " order by d.rank, d.created_at, d.id limit 8"))
            .bind("pacs").bind(0_i64).bind(HOLDS_UP).fetch_all(c).await.unwrap());
        assert!(plan[0].3.contains("SEARCH d USING INDEX delivery_due"), "{plan:?}");
    }
}
