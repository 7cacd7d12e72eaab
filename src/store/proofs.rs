//! Rows of proof: what a destination was asked to commit to, and what it said (PS3.4 annex J, as SCU).

use super::{Tx, new_id, on};
use anyhow::Result;
use centinela_domain::UnixMs;
use centinela_domain::uid::Uid;
use sqlx::QueryBuilder;

/// A transaction.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct ProofRow {
    /// Identifier.
    pub id: String,
    /// Transaction UID (0008,1195).
    pub transaction_uid: String,
    /// Name of the peer.
    pub destination: String,
    /// Study Instance UID.
    pub study_uid: String,
    /// asking, waiting, looking, done, found, unoffered or refused.
    pub state: String,
    /// How many instances it is about.
    pub instances: i64,
    /// How often any of them was asked for before.
    pub round: i64,
    /// Attempts of the present step.
    pub attempts: i64,
    /// The next step is not due before.
    pub next_at: UnixMs,
    /// When it was made.
    pub created_at: UnixMs,
    /// When the destination took the request.
    pub asked_at: Option<UnixMs>,
    /// While waiting: when the report is overdue.
    pub due_at: Option<UnixMs>,
    /// When the report came.
    pub reported_at: Option<UnixMs>,
    /// Last status of the destination.
    pub last_status: Option<i64>,
    /// What went wrong last.
    pub last_error: Option<String>,
}

/// One result of a transaction.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct ProofReferenceRow {
    /// The delivery.
    pub delivery: String,
    /// Its class.
    pub sop_class: String,
    /// Its SOP Instance UID.
    pub sop_instance: String,
    /// Its series.
    pub series_uid: String,
    /// Null before the report, 0 committed, else the Failure Reason.
    pub outcome: Option<i64>,
}

/// A delivery that is accepted and of which nobody has asked yet whether it will be kept.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct UnprovenRow {
    /// The delivery.
    pub id: String,
    /// Study Instance UID.
    pub study_uid: String,
    /// How often it was asked for before.
    pub asked: i64,
    /// Class of the result.
    pub sop_class: String,
    /// SOP Instance UID of the result.
    pub sop_instance: String,
    /// Series of the result.
    pub series_uid: String,
}

/// Which accepted results are asked for.
#[derive(Debug, Clone, Copy)]
pub struct Span {
    /// Not those accepted before.
    pub since: UnixMs,
    /// Not those accepted after, nor any of a study of which something was accepted after.
    pub until: UnixMs,
    /// For so long before `until` they wait for what is on its way of the same study.
    pub patience_ms: i64,
}

/// What destination $1 accepted in a span ($2 to $3, patience $4) and nobody asked for.
macro_rules! unproven {
    () => {
        "from delivery d join result r on r.sop_instance = d.result \
         where d.destination = $1 and d.state = 'accepted' and d.proof is null and d.accepted_at >= $2 \
         and d.accepted_at <= $3 and (d.accepted_at <= $3 - $4 or not exists (select 1 from delivery o \
         where o.study_uid = d.study_uid and o.destination = $1 and (o.state in ('scheduled', 'sending') \
         or (o.state = 'accepted' and o.accepted_at > $3))))"
    };
}

/// The results of a span that nobody asked for, study by study.
///
/// # Errors
/// If the database fails.
pub async fn unproven(tx: &mut Tx, destination: &str, span: Span) -> Result<Vec<UnprovenRow>> {
    Ok(on!(tx, c => sqlx::query_as(concat!(
        "select d.id, d.study_uid, d.asked, r.sop_class, r.sop_instance, r.series_uid ", unproven!(),
        " order by d.study_uid, d.accepted_at, d.id limit 512"))
        .bind(destination).bind(span.since).bind(span.until).bind(span.patience_ms).fetch_all(c).await?))
}

/// Whether there are any: a cheap question before the write transaction.
///
/// # Errors
/// If the database fails.
pub async fn any_unproven(tx: &mut Tx, destination: &str, span: Span) -> Result<bool> {
    let found: Option<i64> = on!(tx, c => sqlx::query_scalar(concat!("select d.accepted_at ", unproven!(), " limit 1"))
        .bind(destination).bind(span.since).bind(span.until).bind(span.patience_ms).fetch_optional(c).await?);
    Ok(found.is_some())
}

/// Whether there is anything for [`due`]: likewise.
///
/// # Errors
/// If the database fails.
pub async fn any_due(tx: &mut Tx, destination: &str, now: UnixMs) -> Result<bool> {
    let found: Option<i64> = on!(tx, c => sqlx::query_scalar(
        "select next_at from proof where destination = $1 and state in ('asking', 'waiting', 'looking') \
         and next_at <= $2 limit 1")
        .bind(destination).bind(now).fetch_optional(c).await?);
    Ok(found.is_some())
}

/// Makes the transaction of results of one study; they are in its charge from then on.
///
/// # Errors
/// If the database fails.
pub async fn begin(
    tx: &mut Tx,
    destination: &str,
    state: &str,
    results: &[UnprovenRow],
    now: UnixMs,
) -> Result<Option<ProofRow>> {
    let Some(first) = results.first() else { return Ok(None) };
    let (id, instances) = (new_id(), i64::try_from(results.len())?);
    let transaction = Uid::derive(&["storage commitment", &id]);
    let round = results.iter().map(|row| row.asked).max().unwrap_or(0);
    let row: ProofRow = on!(tx, c => sqlx::query_as(
        "insert into proof (id, transaction_uid, destination, study_uid, state, instances, round, attempts, next_at, \
         created_at) values ($1, $2, $3, $4, $5, $6, $7, 0, $8, $8) returning *")
        .bind(&id).bind(transaction.as_str()).bind(destination).bind(&first.study_uid).bind(state).bind(instances).bind(round)
        .bind(now).fetch_one(c).await?);
    on!(tx, c => QueryBuilder::new("insert into proof_reference (proof, delivery, sop_class, sop_instance, series_uid) ")
        .push_values(results, |mut v, r| {
            v.push_bind(&id).push_bind(&r.id).push_bind(&r.sop_class).push_bind(&r.sop_instance).push_bind(&r.series_uid);
        })
        .build().execute(c).await?.rows_affected());
    for result in results {
        on!(tx, c => sqlx::query("update delivery set proof = $2, asked = asked + 1 where id = $1")
            .bind(&result.id).bind(&id).execute(c).await?.rows_affected());
    }
    Ok(Some(row))
}

/// What is due at a destination, the oldest first.
///
/// # Errors
/// If the database fails.
pub async fn due(tx: &mut Tx, destination: &str, now: UnixMs, limit: i64) -> Result<Vec<ProofRow>> {
    Ok(on!(tx, c => sqlx::query_as(
        "select * from proof where destination = $1 and state in ('asking', 'waiting', 'looking') and next_at <= $2 \
         order by next_at, id limit $3")
        .bind(destination).bind(now).bind(limit).fetch_all(c).await?))
}

/// The transaction with this UID at one of these destinations.
///
/// # Errors
/// If the database fails.
pub async fn of_transaction(tx: &mut Tx, transaction: &str, destinations: &[&str]) -> Result<Option<ProofRow>> {
    let row: Option<ProofRow> = on!(tx, c => sqlx::query_as("select * from proof where transaction_uid = $1")
        .bind(transaction).fetch_optional(c).await?);
    Ok(row.filter(|row| destinations.contains(&row.destination.as_str())))
}

/// The results of a transaction.
///
/// # Errors
/// If the database fails.
pub async fn references(tx: &mut Tx, proof: &str) -> Result<Vec<ProofReferenceRow>> {
    Ok(on!(tx, c => sqlx::query_as(
        "select delivery, sop_class, sop_instance, series_uid, outcome from proof_reference where proof = $1 \
         order by delivery")
        .bind(proof).fetch_all(c).await?))
}

/// What a step of a transaction ended with.
#[derive(Debug, Clone, Copy)]
pub struct Step<'a> {
    /// The next state.
    pub state: &'a str,
    /// When the next step is due.
    pub next_at: UnixMs,
    /// The status, if the destination answered.
    pub status: Option<u16>,
    /// What went wrong.
    pub error: Option<&'a str>,
}

/// Records a step, unless the state has changed meanwhile.
///
/// # Errors
/// If the database fails.
pub async fn step(tx: &mut Tx, row: &ProofRow, step: &Step<'_>) -> Result<bool> {
    let attempts = if step.state == row.state { row.attempts + 1 } else { 0 };
    let done = on!(tx, c => sqlx::query(
        "update proof set state = $3, attempts = $4, next_at = $5, last_status = $6, last_error = $7 \
         where id = $1 and state = $2")
        .bind(&row.id).bind(&row.state).bind(step.state).bind(attempts).bind(step.next_at)
        .bind(step.status.map(i64::from)).bind(step.error).execute(c).await?.rows_affected());
    Ok(done == 1)
}

/// Ends what a destination was asked or is to be asked, because it is not asked any more by its entry: its results are
/// looked for from now on, or accepted is the end there.
///
/// # Errors
/// If the database fails.
pub async fn unask(tx: &mut Tx, destination: &str, looked_at: bool, now: UnixMs) -> Result<u64> {
    let (state, also) = if looked_at { ("looking", "asking") } else { ("unoffered", "looking") };
    Ok(on!(tx, c => sqlx::query(
        "update proof set state = $2, attempts = 0, next_at = $4 where destination = $1 \
         and state in ('asking', 'waiting', $3)")
        .bind(destination).bind(state).bind(also).bind(now).execute(c).await?.rows_affected()))
}

/// The destination took the request: the report is due.
///
/// # Errors
/// If the database fails.
pub async fn asked(tx: &mut Tx, row: &ProofRow, now: UnixMs, due_at: UnixMs) -> Result<bool> {
    let done = on!(tx, c => sqlx::query(
        "update proof set state = 'waiting', attempts = 0, asked_at = $2, due_at = $3, next_at = $3, last_status = 0, \
         last_error = null where id = $1 and state = 'asking'")
        .bind(&row.id).bind(now).bind(due_at).execute(c).await?.rows_affected());
    Ok(done == 1)
}

/// The report came.
///
/// # Errors
/// If the database fails.
pub async fn reported(tx: &mut Tx, row: &ProofRow, now: UnixMs) -> Result<()> {
    on!(tx, c => sqlx::query("update proof set state = 'done', reported_at = $2 where id = $1")
        .bind(&row.id).bind(now).execute(c).await?.rows_affected());
    Ok(())
}

/// The outcome for one result of a transaction.
///
/// # Errors
/// If the database fails.
pub async fn outcome(tx: &mut Tx, proof: &str, delivery: &str, outcome: u16) -> Result<()> {
    on!(tx, c => sqlx::query("update proof_reference set outcome = $3 where proof = $1 and delivery = $2")
        .bind(proof).bind(delivery).bind(i64::from(outcome)).execute(c).await?.rows_affected());
    Ok(())
}

/// The destination promised to keep a result.
///
/// # Errors
/// If the database fails.
pub async fn committed(tx: &mut Tx, row: &ProofRow, delivery: &str, now: UnixMs) -> Result<bool> {
    let done = on!(tx, c => sqlx::query(
        "update delivery set state = 'committed', committed_at = $3, transaction_uid = $4, last_error = null, \
         cause = null where id = $1 and proof = $2 and state = 'accepted'")
        .bind(delivery).bind(&row.id).bind(now).bind(&row.transaction_uid).execute(c).await?.rows_affected());
    Ok(done == 1)
}

/// A result was found where it was sent.
///
/// # Errors
/// If the database fails.
pub async fn found(tx: &mut Tx, row: &ProofRow, delivery: &str, now: UnixMs) -> Result<bool> {
    let done = on!(tx, c => sqlx::query(
        "update delivery set found_at = $3 where id = $1 and proof = $2 and state = 'accepted'")
        .bind(delivery).bind(&row.id).bind(now).execute(c).await?.rows_affected());
    Ok(done == 1)
}

/// A result is not kept there: it is sent again.
///
/// # Errors
/// If the database fails.
pub async fn send_again(tx: &mut Tx, row: &ProofRow, delivery: &str, next_at: UnixMs, why: &str) -> Result<bool> {
    let done = on!(tx, c => sqlx::query(
        "update delivery set state = 'scheduled', proof = null, next_at = $3, last_error = $4, cause = 'not_committed' \
         where id = $1 and proof = $2 and state = 'accepted'")
        .bind(delivery).bind(&row.id).bind(next_at).bind(why).execute(c).await?.rows_affected());
    Ok(done == 1)
}

/// A result stays accepted, and this is why it is no more than that.
///
/// # Errors
/// If the database fails.
pub async fn unpromised(tx: &mut Tx, row: &ProofRow, delivery: &str, cause: &str, why: &str) -> Result<()> {
    on!(tx, c => sqlx::query(
        "update delivery set last_error = $3, cause = $4 where id = $1 and proof = $2 and state = 'accepted'")
        .bind(delivery).bind(&row.id).bind(why).bind(cause).execute(c).await?.rows_affected());
    Ok(())
}

/// Until when a destination is not asked again whether it offers storage commitment.
///
/// # Errors
/// If the database fails.
pub async fn unoffered_until(tx: &mut Tx, destination: &str) -> Result<Option<UnixMs>> {
    let until: Option<Option<UnixMs>> = on!(tx, c => sqlx::query_scalar("select unoffered_until from destination where name = $1")
            .bind(destination).fetch_optional(c).await?);
    Ok(until.flatten())
}

/// Notes that it does not offer it, or, without a time, that it does.
///
/// # Errors
/// If the database fails.
pub async fn set_unoffered(tx: &mut Tx, destination: &str, until: Option<UnixMs>) -> Result<()> {
    on!(tx, c => sqlx::query(
        "insert into destination (name, state, failures, unoffered_until) values ($1, 'open', 0, $2) \
         on conflict (name) do update set unoffered_until = excluded.unoffered_until")
        .bind(destination).bind(until).execute(c).await?.rows_affected());
    Ok(())
}

/// Transactions of a study, the oldest first.
///
/// # Errors
/// If the database fails.
pub async fn of_study(tx: &mut Tx, study_uid: &str) -> Result<Vec<ProofRow>> {
    Ok(on!(tx, c => sqlx::query_as("select * from proof where study_uid = $1 order by created_at, id")
        .bind(study_uid).fetch_all(c).await?))
}
