//! Rows of storage commitment: a transaction of a peer with its references, checked, then reported.

use super::dialect::{Sql, claim_sql};
use super::{Tx, new_id, on};
use anyhow::Result;
use centinela_domain::UnixMs;
use centinela_domain::commitment::{FailureReason, Reference};
use sqlx::QueryBuilder;
use std::collections::{BTreeMap, HashSet};

/// References that one statement takes: both engines bound its parameters.
const CHUNK: usize = 1_000;

/// A transaction.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct CommitmentRow {
    /// Identifier.
    pub id: String,
    /// Transaction UID (0008,1195); unique for a caller.
    pub transaction_uid: String,
    /// AE title of the peer that asked, and that is told.
    pub calling: String,
    /// The AE title under which it called us.
    pub called: String,
    /// Address from which it asked.
    pub peer: String,
    /// The association on which it asked last.
    pub association: String,
    /// checking, reporting, reported, refused or undeliverable.
    pub state: String,
    /// How many instances it is about.
    pub instances: i64,
    /// How many of them failed the check; null before it.
    pub failed: Option<i64>,
    /// Attempts to report since it was asked last.
    pub attempts: i64,
    /// The next step is not due before.
    pub next_at: UnixMs,
    /// While somebody works on it: when somebody else may take over.
    pub lease_until: Option<UnixMs>,
    /// Last status of the peer.
    pub last_status: Option<i64>,
    /// What went wrong last.
    pub last_error: Option<String>,
    /// When it was asked last.
    pub requested_at: UnixMs,
    /// When its instances were checked last.
    pub checked_at: Option<UnixMs>,
    /// When the peer took the report.
    pub reported_at: Option<UnixMs>,
}

/// One reference of a transaction.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct ReferenceRow {
    /// Place in the request.
    pub position: i64,
    /// Referenced SOP Class UID.
    pub sop_class: String,
    /// Referenced SOP Instance UID.
    pub sop_instance: String,
    /// Null before the check, 0 kept, else the Failure Reason.
    pub outcome: Option<i64>,
}

/// A request as it came.
#[derive(Debug, Clone)]
pub struct NewCommitment<'a> {
    /// Transaction UID.
    pub transaction_uid: &'a str,
    /// AE title of the peer.
    pub calling: &'a str,
    /// The AE title under which it called us.
    pub called: &'a str,
    /// Its address.
    pub peer: &'a str,
    /// The association.
    pub association: &'a str,
    /// What is asked for.
    pub references: &'a [Reference],
}

/// What became of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Recorded {
    /// A new transaction, with its identifier.
    New(String),
    /// The same request again, in whatever order: it is checked and reported once more.
    Again(String),
    /// The caller has used this Transaction UID for other instances: nothing was written.
    OtherReferences,
}

/// Writes a request down, due now.
///
/// # Errors
/// If the database fails.
pub async fn record(tx: &mut Tx, new: &NewCommitment<'_>, now: UnixMs) -> Result<Recorded> {
    let id = new_id();
    let count = i64::try_from(new.references.len())?;
    let inserted = on!(tx, c => sqlx::query(
        "insert into commitment (id, transaction_uid, calling, called, peer, association, state, instances, attempts, \
         next_at, requested_at) values ($1, $2, $3, $4, $5, $6, 'checking', $7, 0, $8, $8) \
         on conflict (calling, transaction_uid) do nothing")
        .bind(&id).bind(new.transaction_uid).bind(new.calling).bind(new.called).bind(new.peer).bind(new.association)
        .bind(count).bind(now).execute(c).await?.rows_affected());
    if inserted == 0 {
        return again(tx, new, now).await;
    }
    let rows: Vec<(i64, &Reference)> = (0..).zip(new.references).collect();
    for rows in rows.chunks(CHUNK) {
        on!(tx, c => QueryBuilder::new(
            "insert into commitment_reference (commitment, position, sop_class, sop_instance) ")
            .push_values(rows, |mut v, (position, reference)| {
                v.push_bind(&id).push_bind(*position);
                v.push_bind(reference.sop_class.as_str()).push_bind(reference.sop_instance.as_str());
            })
            .build().execute(c).await?.rows_affected());
    }
    Ok(Recorded::New(id))
}

async fn again(tx: &mut Tx, new: &NewCommitment<'_>, now: UnixMs) -> Result<Recorded> {
    let (id,): (String,) = on!(tx, c => sqlx::query_as(
        "select id from commitment where calling = $1 and transaction_uid = $2")
        .bind(new.calling).bind(new.transaction_uid).fetch_one(c).await?);
    let known = references(tx, &id).await?;
    let before: HashSet<_> = known.iter().map(|row| (row.sop_class.as_str(), row.sop_instance.as_str())).collect();
    let asked: HashSet<_> = new.references.iter().map(|r| (r.sop_class.as_str(), r.sop_instance.as_str())).collect();
    if before != asked {
        return Ok(Recorded::OtherReferences);
    }
    // The lease goes: whoever works on it now works for the association of before.
    on!(tx, c => sqlx::query(
        "update commitment set state = 'checking', association = $2, called = $3, peer = $4, attempts = 0, \
         next_at = $5, requested_at = $5, lease_until = null, last_error = null where id = $1")
        .bind(&id).bind(new.association).bind(new.called).bind(new.peer).bind(now).execute(c).await?.rows_affected());
    Ok(Recorded::Again(id))
}

/// The callers for whom something is due.
///
/// # Errors
/// If the database fails.
pub async fn due_callers(tx: &mut Tx, now: UnixMs) -> Result<Vec<String>> {
    Ok(on!(tx, c => sqlx::query_scalar(
        "select distinct calling from commitment where state in ('checking', 'reporting') and next_at <= $1 \
         and (lease_until is null or lease_until <= $1) order by calling")
        .bind(now).fetch_all(c).await?))
}

const CLAIM: Sql = claim_sql!(
    "update commitment set lease_until = $3 where id = (select id from commitment where calling = $1 \
     and state in ('checking', 'reporting') and next_at <= $2 and (lease_until is null or lease_until <= $2) \
     order by next_at, id limit 1",
    ") returning *"
);

/// Takes the next due transaction of a caller.
///
/// # Errors
/// If the database fails.
pub async fn claim(tx: &mut Tx, calling: &str, now: UnixMs, lease_ms: i64) -> Result<Option<CommitmentRow>> {
    let sql = CLAIM.on(tx);
    Ok(on!(tx, c => sqlx::query_as(sql).bind(calling).bind(now).bind(now + lease_ms).fetch_optional(c).await?))
}

/// The references of a transaction, as they were asked.
///
/// # Errors
/// If the database fails.
pub async fn references(tx: &mut Tx, id: &str) -> Result<Vec<ReferenceRow>> {
    Ok(on!(tx, c => sqlx::query_as(
        "select position, sop_class, sop_instance, outcome from commitment_reference where commitment = $1 \
         order by position")
        .bind(id).fetch_all(c).await?))
}

/// Records the check, with one outcome for each reference; the report is due now. What retention has
/// deleted since it was looked at fails after all. False if the transaction was asked for again
/// meanwhile: then nothing of the caller's transaction may be kept.
///
/// # Errors
/// If the database fails.
pub async fn checked(tx: &mut Tx, row: &CommitmentRow, outcomes: &[i64], now: UnixMs) -> Result<bool> {
    let done = on!(tx, c => sqlx::query(
        "update commitment set state = 'reporting', checked_at = $3, next_at = $3, lease_until = null \
         where id = $1 and state = 'checking' and lease_until = $2")
        .bind(&row.id).bind(row.lease_until).bind(now).execute(c).await?.rows_affected());
    on!(tx, c => sqlx::query("update commitment_reference set outcome = 0 where commitment = $1")
        .bind(&row.id).execute(c).await?.rows_affected());
    let mut failed: BTreeMap<i64, Vec<i64>> = BTreeMap::new();
    for (position, outcome) in (0..).zip(outcomes).filter(|(_, outcome)| **outcome != 0) {
        failed.entry(*outcome).or_default().push(position);
    }
    for (outcome, positions) in &failed {
        for positions in positions.chunks(CHUNK) {
            on!(tx, c => {
                let mut query = QueryBuilder::new("update commitment_reference set outcome = ");
                query.push_bind(*outcome).push(" where commitment = ").push_bind(&row.id).push(" and position in (");
                let mut list = query.separated(", ");
                for position in positions {
                    list.push_bind(*position);
                }
                query.push(")").build().execute(c).await?.rows_affected()
            });
        }
    }
    on!(tx, c => sqlx::query(
        "update commitment_reference set outcome = $2 where commitment = $1 and outcome = 0 and sop_instance in \
         (select sop_instance from instance where deleted_at is not null)")
        .bind(&row.id).bind(i64::from(FailureReason::NO_SUCH_INSTANCE.0)).execute(c).await?.rows_affected());
    on!(tx, c => sqlx::query(
        "update commitment set failed = (select count(*) from commitment_reference r \
         where r.commitment = commitment.id and r.outcome <> 0) where id = $1")
        .bind(&row.id).execute(c).await?.rows_affected());
    Ok(done == 1)
}

/// How an attempt ended: of a report, or of a check that could not be made.
#[derive(Debug, Clone)]
pub struct AttemptRecord<'a> {
    /// The state from now on.
    pub state: &'a str,
    /// When the next step is due, if there is one.
    pub next_at: UnixMs,
    /// The status, if the peer answered.
    pub status: Option<u16>,
    /// What went wrong.
    pub error: Option<&'a str>,
}

/// Records an attempt; false if the transaction was asked for again meanwhile.
///
/// # Errors
/// If the database fails.
pub async fn attempted(tx: &mut Tx, row: &CommitmentRow, attempt: &AttemptRecord<'_>, now: UnixMs) -> Result<bool> {
    let reported = (attempt.state == "reported").then_some(now);
    let done = on!(tx, c => sqlx::query(
        "update commitment set state = $3, attempts = attempts + 1, next_at = $4, last_status = $5, last_error = $6, \
         reported_at = coalesce($7, reported_at), lease_until = null where id = $1 and lease_until = $2")
        .bind(&row.id).bind(row.lease_until).bind(attempt.state).bind(attempt.next_at)
        .bind(attempt.status.map(i64::from)).bind(attempt.error).bind(reported).execute(c).await?.rows_affected());
    Ok(done == 1)
}

/// A peer is away: its other reports wait just as long.
///
/// # Errors
/// If the database fails.
pub async fn defer(tx: &mut Tx, calling: &str, until: UnixMs) -> Result<()> {
    on!(tx, c => sqlx::query(
        "update commitment set next_at = $2 where calling = $1 and state = 'reporting' and next_at < $2 \
         and lease_until is null")
        .bind(calling).bind(until).execute(c).await?.rows_affected());
    Ok(())
}

/// At start: whatever is marked as being worked on was interrupted.
///
/// # Errors
/// If the database fails.
pub async fn release_all(tx: &mut Tx) -> Result<u64> {
    Ok(on!(tx, c => sqlx::query("update commitment set lease_until = null where lease_until is not null")
        .execute(c).await?.rows_affected()))
}

/// A peer whose address was unknown has one now: what could not be delivered is checked and
/// reported again.
///
/// # Errors
/// If the database fails.
pub async fn reachable_again(tx: &mut Tx, calling: &str, now: UnixMs) -> Result<u64> {
    Ok(on!(tx, c => sqlx::query(
        "update commitment set state = 'checking', next_at = $2, lease_until = null \
         where calling = $1 and state = 'undeliverable'")
        .bind(calling).bind(now).execute(c).await?.rows_affected()))
}

/// Checks and reports a transaction once more, by hand; false if that makes no sense now.
///
/// # Errors
/// If the database fails.
pub async fn retry(tx: &mut Tx, id: &str, now: UnixMs) -> Result<bool> {
    let done = on!(tx, c => sqlx::query(
        "update commitment set state = 'checking', attempts = 0, next_at = $2, lease_until = null \
         where id = $1 and state in ('reporting', 'refused', 'undeliverable')")
        .bind(id).bind(now).execute(c).await?.rows_affected());
    Ok(done == 1)
}

/// Retention deletes these instances: a success that nobody has been told yet becomes a failure.
///
/// # Errors
/// If the database fails.
pub async fn take_back(tx: &mut Tx, sop_instance: &str) -> Result<()> {
    let reason = i64::from(FailureReason::NO_SUCH_INSTANCE.0);
    on!(tx, c => sqlx::query(
        "update commitment set failed = failed + 1 where state = 'reporting' and id in \
         (select commitment from commitment_reference where sop_instance = $1 and outcome = 0)")
        .bind(sop_instance).execute(c).await?.rows_affected());
    on!(tx, c => sqlx::query(
        "update commitment_reference set outcome = $2 where sop_instance = $1 and outcome = 0 \
         and commitment in (select id from commitment where state = 'reporting')")
        .bind(sop_instance).bind(reason).execute(c).await?.rows_affected());
    Ok(())
}

/// One transaction.
///
/// # Errors
/// If the database fails.
pub async fn find(tx: &mut Tx, id: &str) -> Result<Option<CommitmentRow>> {
    Ok(on!(tx, c => sqlx::query_as("select * from commitment where id = $1").bind(id).fetch_optional(c).await?))
}

/// Transactions, the latest first, by state or caller.
///
/// # Errors
/// If the database fails.
pub async fn list(tx: &mut Tx, state: Option<&str>, calling: Option<&str>, limit: i64) -> Result<Vec<CommitmentRow>> {
    Ok(on!(tx, c => sqlx::query_as(
        "select * from commitment where (cast($1 as text) is null or state = $1) \
         and (cast($2 as text) is null or calling = $2) order by requested_at desc, id desc limit $3")
        .bind(state).bind(calling).bind(limit).fetch_all(c).await?))
}
