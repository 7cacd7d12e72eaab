//! Rows of jobs: the row is the job, leases make it safe to hand out.

use super::dialect::{Sql, claim_sql};
use super::{Tx, new_id, on};
use anyhow::Result;
use centinela_domain::UnixMs;
use centinela_domain::job::{AfterFailure, JobState, after_failure};
use centinela_domain::priority::Urgency;
use sqlx::QueryBuilder;

/// What a job does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JobKind {
    /// Decode and score one instance (subject: SOP Instance UID).
    Predict,
    /// Build the objects of a study revision (subject: Study Instance UID).
    Report,
    /// Compare a variant with the first bytes (subject: variant id).
    Compare,
}

impl JobKind {
    /// The word in rows.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Predict => "predict",
            Self::Report => "report",
            Self::Compare => "compare",
        }
    }

    /// Reads the word back.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Predict, Self::Report, Self::Compare].into_iter().find(|k| k.as_str() == word)
    }
}

/// A job.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct JobRow {
    /// Identifier.
    pub id: String,
    /// A word of [`JobKind`].
    pub kind: String,
    /// What it is about.
    pub subject: String,
    /// Study Instance UID.
    pub study_uid: String,
    /// Revision of the study.
    pub revision: i64,
    /// A word of [`JobState`].
    pub state: String,
    /// [`Urgency`] as its number.
    pub urgency: i64,
    /// The smallest is done first.
    pub rank: i64,
    /// Attempts that ended with an error.
    pub attempts: i64,
    /// Attempts that ended with the process.
    pub interruptions: i64,
    /// Not before.
    pub run_at: UnixMs,
    /// Who holds the lease.
    pub worker: Option<String>,
    /// Until when.
    pub lease_until: Option<UnixMs>,
    /// Jobs with equal keys are one job.
    pub dedup: String,
    /// Why the last attempt failed.
    pub last_error: Option<String>,
    /// When it was enqueued.
    pub created_at: UnixMs,
    /// When it ended.
    pub finished_at: Option<UnixMs>,
}

/// A job that shall be done.
#[derive(Debug, Clone, Copy)]
pub struct NewJob<'a> {
    /// What it does.
    pub kind: JobKind,
    /// What it is about.
    pub subject: &'a str,
    /// Study Instance UID.
    pub study_uid: &'a str,
    /// Revision of the study.
    pub revision: i64,
    /// How urgent.
    pub urgency: Urgency,
    /// Since when it waits: it passes what is as urgent and came later.
    pub since: UnixMs,
}

/// Interruptions after which a job is taken for the cause of the crashes.
pub const MAX_INTERRUPTIONS: i64 = 20;

/// Enqueues a job once: the same kind, subject and revision is one job for ever.
///
/// # Errors
/// If the database fails.
pub async fn enqueue(tx: &mut Tx, job: &NewJob<'_>, now: UnixMs) -> Result<bool> {
    Ok(enqueue_all(tx, std::slice::from_ref(job), now).await? == 1)
}

/// As [`enqueue`], for several; returns how many are new.
///
/// # Errors
/// If the database fails.
pub async fn enqueue_all(tx: &mut Tx, jobs: &[NewJob<'_>], now: UnixMs) -> Result<u64> {
    if jobs.is_empty() {
        return Ok(0);
    }
    Ok(on!(tx, c => QueryBuilder::new(
        "insert into job (id, kind, subject, study_uid, revision, state, urgency, rank, attempts, interruptions, run_at, \
         dedup, created_at) ")
        .push_values(jobs, |mut v, job| {
            v.push_bind(new_id()).push_bind(job.kind.as_str()).push_bind(job.subject).push_bind(job.study_uid);
            v.push_bind(job.revision).push("'queued'").push_bind(job.urgency.number());
            v.push_bind(job.urgency.rank(job.since)).push("0").push("0").push_bind(now);
            v.push_bind(format!("{}:{}:{}", job.kind.as_str(), job.subject, job.revision)).push_bind(now);
        })
        .push(" on conflict (dedup) do nothing")
        .build().execute(c).await?.rows_affected()))
}

/// Raises what is queued for a study to an urgency; what is as urgent already stays.
///
/// # Errors
/// If the database fails.
pub async fn hasten(tx: &mut Tx, study_uid: &str, urgency: Urgency) -> Result<u64> {
    let (of_low, of_routine) = (Urgency::Low.handicap_ms(), Urgency::Routine.handicap_ms());
    let handicap = urgency.handicap_ms();
    Ok(on!(tx, c => sqlx::query(
        "update job set urgency = $2, rank = rank + $5 - case when urgency = 0 then $3 else $4 end \
         where study_uid = $1 and state = 'queued' and urgency < $2")
        .bind(study_uid).bind(urgency.number()).bind(of_low).bind(of_routine).bind(handicap)
        .execute(c).await?.rows_affected()))
}

/// The job to do next at time $3. The states are named first so that SQLite takes the index of what is open, and
/// reads no job that is done.
macro_rules! next {
    () => {
        "select id from job where state in ('queued', 'running') \
         and ((state = 'queued' and run_at <= $3) or (state = 'running' and lease_until <= $3)) \
         order by rank, kind = 'report' desc, id limit 1"
    };
}

const CLAIM: Sql = claim_sql!(
    [
        "update job set interruptions = interruptions + case when state = 'running' then 1 else 0 end, \
         state = 'running', worker = $1, lease_until = $2 where id = (",
        next!()
    ],
    ") returning *"
);

/// Hands out the due job with the smallest rank, or one whose lease ran out. Of the same rank a report goes first:
/// its study is complete.
///
/// # Errors
/// If the database fails.
pub async fn claim(tx: &mut Tx, worker: &str, now: UnixMs, lease_ms: i64) -> Result<Option<JobRow>> {
    let sql = CLAIM.on(tx);
    Ok(on!(tx, c => sqlx::query_as(sql).bind(worker).bind(now + lease_ms).bind(now).fetch_optional(c).await?))
}

/// Since when the oldest job waits that is due and has not begun.
///
/// # Errors
/// If the database fails.
pub async fn oldest_waiting(tx: &mut Tx, now: UnixMs) -> Result<Option<UnixMs>> {
    Ok(on!(tx, c => sqlx::query_scalar(
        "select min(run_at) from job where state in ('queued', 'running') and state = 'queued' and run_at <= $1")
        .bind(now).fetch_one(c).await?))
}

/// Prolongs the lease; false if the job is no longer ours.
///
/// # Errors
/// If the database fails.
pub async fn renew(tx: &mut Tx, job: &JobRow, until: UnixMs) -> Result<bool> {
    let done = on!(tx, c => sqlx::query(
        "update job set lease_until = $3 where id = $1 and worker = $2 and state = 'running'")
        .bind(&job.id).bind(&job.worker).bind(until).execute(c).await?.rows_affected());
    Ok(done == 1)
}

/// Ends a job; false if the lease was lost: then nothing of the caller's transaction may be kept.
///
/// # Errors
/// If the database fails.
pub async fn finish(tx: &mut Tx, job: &JobRow, now: UnixMs) -> Result<bool> {
    let done = on!(tx, c => sqlx::query(
        "update job set state = 'done', finished_at = $3, lease_until = null, last_error = null \
         where id = $1 and worker = $2 and interruptions = $4 and state = 'running'")
        .bind(&job.id).bind(&job.worker).bind(now).bind(job.interruptions).execute(c).await?.rows_affected());
    Ok(done == 1)
}

/// Records a failed attempt: queued again later, or dead. Returns what it became; none if the lease was lost: then
/// nothing of the caller's transaction may be kept.
///
/// # Errors
/// If the database fails.
pub async fn fail(tx: &mut Tx, job: &JobRow, error: &str, now: UnixMs) -> Result<Option<JobState>> {
    let attempts = job.attempts + 1;
    let (state, run_at) = match after_failure(now, attempts) {
        AfterFailure::RetryAt(at) => (JobState::Queued, at),
        AfterFailure::Dead => (JobState::Dead, now),
    };
    let finished = (state == JobState::Dead).then_some(now);
    let done = on!(tx, c => sqlx::query(
        "update job set state = $3, attempts = $4, run_at = $5, last_error = $6, lease_until = null, finished_at = $7 \
         where id = $1 and worker = $2 and interruptions = $8 and state = 'running'")
        .bind(&job.id).bind(&job.worker).bind(state.as_str()).bind(attempts).bind(run_at).bind(error).bind(finished)
        .bind(job.interruptions).execute(c).await?.rows_affected());
    Ok((done == 1).then_some(state))
}

/// At start of the only process of a database: whatever is marked running was interrupted.
///
/// # Errors
/// If the database fails.
pub async fn release_all(tx: &mut Tx, now: UnixMs) -> Result<u64> {
    Ok(on!(tx, c => sqlx::query("update job set lease_until = $1 where state = 'running'")
        .bind(now).execute(c).await?.rows_affected()))
}

/// Whether the scoring of a film of the study has failed and will be tried again.
///
/// # Errors
/// If the database fails.
pub async fn awaits_predict(tx: &mut Tx, study_uid: &str) -> Result<bool> {
    let (count,): (i64,) = on!(tx, c => sqlx::query_as(
        "select count(*) from job where study_uid = $1 and kind = 'predict' and attempts > 0 \
         and state in ('queued', 'running')")
        .bind(study_uid).fetch_one(c).await?);
    Ok(count > 0)
}

/// Whether the report of an earlier revision of the study is still to be built.
///
/// # Errors
/// If the database fails.
pub async fn awaits_report(tx: &mut Tx, study_uid: &str, revision: i64) -> Result<bool> {
    let (count,): (i64,) = on!(tx, c => sqlx::query_as(
        "select count(*) from job where study_uid = $1 and kind = 'report' and revision < $2 \
         and state in ('queued', 'running')")
        .bind(study_uid).bind(revision).fetch_one(c).await?);
    Ok(count > 0)
}

/// Puts a job back into the queue until then, without counting an attempt; false if the lease was lost.
///
/// # Errors
/// If the database fails.
pub async fn postpone(tx: &mut Tx, job: &JobRow, until: UnixMs) -> Result<bool> {
    let done = on!(tx, c => sqlx::query(
        "update job set state = 'queued', run_at = $3, lease_until = null \
         where id = $1 and worker = $2 and interruptions = $4 and state = 'running'")
        .bind(&job.id).bind(&job.worker).bind(until).bind(job.interruptions).execute(c).await?.rows_affected());
    Ok(done == 1)
}

/// Gives dead jobs of a study a fresh set of attempts; returns how many.
///
/// # Errors
/// If the database fails.
pub async fn revive(tx: &mut Tx, study_uid: &str, now: UnixMs) -> Result<u64> {
    Ok(on!(tx, c => sqlx::query(
        "update job set state = 'queued', attempts = 0, interruptions = 0, run_at = $2, finished_at = null \
         where study_uid = $1 and state = 'dead'")
        .bind(study_uid).bind(now).execute(c).await?.rows_affected()))
}

/// Queues a job that has ended once more; returns how many there were.
///
/// # Errors
/// If the database fails.
pub async fn again(tx: &mut Tx, kind: JobKind, subject: &str, now: UnixMs) -> Result<u64> {
    Ok(on!(tx, c => sqlx::query(
        "update job set state = 'queued', attempts = 0, interruptions = 0, run_at = $3, finished_at = null \
         where kind = $1 and subject = $2 and state in ('done', 'dead')")
        .bind(kind.as_str()).bind(subject).bind(now).execute(c).await?.rows_affected()))
}

/// Jobs by state, the latest first.
///
/// # Errors
/// If the database fails.
pub async fn list(tx: &mut Tx, state: Option<&str>, study_uid: Option<&str>, limit: i64) -> Result<Vec<JobRow>> {
    Ok(on!(tx, c => sqlx::query_as(
        "select * from job where (cast($1 as text) is null or state = $1) \
         and (cast($2 as text) is null or study_uid = $2) order by created_at desc, id limit $3")
        .bind(state).bind(study_uid).bind(limit).fetch_all(c).await?))
}

/// How many jobs are in each state.
///
/// # Errors
/// If the database fails.
pub async fn count_by_state(tx: &mut Tx) -> Result<Vec<(String, i64)>> {
    Ok(on!(tx, c => sqlx::query_as("select state, count(*) from job group by state").fetch_all(c).await?))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]
    use super::*;
    use crate::store::Db;

    /// Asked by each worker at each poll, with every job that there ever was in the table.
    #[tokio::test]
    async fn what_is_done_is_not_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let db = Db::open_sqlite(&folder.path().join("centinela.db")).await.unwrap();
        let tx = &mut db.read().await.unwrap();
        let plan: Vec<(i64, i64, i64, String)> = on!(tx, c => sqlx::query_as(concat!("explain query plan ", next!()))
            .bind("w").bind(0_i64).bind(0_i64).fetch_all(c).await.unwrap());
        assert!(plan[0].3.contains("USING INDEX job_due"), "{plan:?}");
    }
}
