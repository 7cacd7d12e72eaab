//! Rows of studies: receiving, closing, reopening, settling.

use super::{Tx, on};
use anyhow::Result;
use centinela_domain::UnixMs;
use centinela_domain::priority::Urgency;
use centinela_domain::study::{Closing, StudyState};
use sqlx::QueryBuilder;

/// A study as it stands.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct StudyRow {
    /// Study Instance UID.
    pub study_uid: String,
    /// A word of [`StudyState`].
    pub state: String,
    /// Current revision, from 1.
    pub revision: i64,
    /// First instance.
    pub first_at: UnixMs,
    /// Latest instance.
    pub last_at: UnixMs,
    /// The study closes then.
    pub quiet_until: UnixMs,
    /// When the current revision closed.
    pub closed_at: Option<UnixMs>,
    /// When the current revision was analysed, skipped or failed.
    pub settled_at: Option<UnixMs>,
    /// Why it was skipped or failed, in words.
    pub reason: Option<String>,
    /// Identity digest of the instance that opened it: whose study it is.
    pub identity: Option<String>,
    /// The highest [`Urgency`] of its films, as its number.
    pub urgency: i64,
}

impl StudyRow {
    /// How urgent it is.
    #[must_use]
    pub const fn urgency(&self) -> Urgency {
        Urgency::from_number(self.urgency)
    }

    /// The state; a word that this version does not know counts as failed.
    #[must_use]
    pub fn state(&self) -> StudyState {
        StudyState::parse(&self.state).unwrap_or(StudyState::Failed)
    }
}

/// Instances of one study arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arrival {
    /// Study Instance UID.
    pub study_uid: String,
    /// Identity digest of the first of them; it counts if they open the study.
    pub identity: String,
    /// The highest of theirs.
    pub urgency: Urgency,
    /// When the last of them arrived.
    pub now: UnixMs,
    /// When the study closes, if it is still receiving, or if these open it.
    pub closing: Closing,
}

/// Instances arrived, of several studies, each named once: the studies' rows, made in state receiving
/// where these are the first. The quiet period starts again for a study that is still receiving, until it closes at the latest.
///
/// # Errors
/// If the database fails.
pub async fn arrived(tx: &mut Tx, arrivals: &[Arrival]) -> Result<Vec<StudyRow>> {
    Ok(on!(tx, c => QueryBuilder::new(
        "insert into study (study_uid, state, revision, first_at, last_at, quiet_until, closes_by, identity, urgency) ")
        .push_values(arrivals, |mut v, a| {
            v.push_bind(&a.study_uid).push("'receiving'").push("1").push_bind(a.now).push_bind(a.now);
            v.push_bind(a.closing.quiet_until).push_bind(a.closing.closes_by).push_bind(&a.identity).push_bind(a.urgency.number());
        })
        .push(
            " on conflict (study_uid) do update set last_at = excluded.last_at, urgency = \
             case when excluded.urgency > study.urgency then excluded.urgency else study.urgency end, quiet_until = \
             case when study.state <> 'receiving' then study.quiet_until when excluded.quiet_until > study.closes_by \
             then study.closes_by else excluded.quiet_until end returning *")
        .build_query_as().fetch_all(c).await?))
}

/// The study's row, if there is one.
///
/// # Errors
/// If the database fails.
pub async fn find(tx: &mut Tx, study_uid: &str) -> Result<Option<StudyRow>> {
    Ok(on!(tx, c => sqlx::query_as("select * from study where study_uid = $1")
        .bind(study_uid).fetch_optional(c).await?))
}

/// Says anew whose study it is: another film took the place of the one that opened it.
///
/// # Errors
/// If the database fails.
pub async fn identify(tx: &mut Tx, study_uid: &str, identity: &str) -> Result<()> {
    on!(tx, c => sqlx::query("update study set identity = $2 where study_uid = $1")
        .bind(study_uid).bind(identity).execute(c).await?.rows_affected());
    Ok(())
}

/// Closes every study whose quiet period has passed, and returns them. Safe on many nodes.
///
/// # Errors
/// If the database fails.
pub async fn close_due(tx: &mut Tx, now: UnixMs) -> Result<Vec<StudyRow>> {
    Ok(on!(tx, c => sqlx::query_as(
        "update study set state = 'complete', closed_at = $1 where state = 'receiving' and quiet_until <= $1 \
         returning *")
        .bind(now).fetch_all(c).await?))
}

/// Opens the next revision of a closed study; returns its number.
///
/// # Errors
/// If the database fails.
pub async fn reopen(tx: &mut Tx, study_uid: &str, closing: Closing) -> Result<i64> {
    let (revision,): (i64,) = on!(tx, c => sqlx::query_as(
        "update study set state = 'receiving', revision = revision + 1, quiet_until = $2, closes_by = $3, closed_at = null, \
         settled_at = null, reason = null where study_uid = $1 returning revision")
        .bind(study_uid).bind(closing.quiet_until).bind(closing.closes_by).fetch_one(c).await?);
    Ok(revision)
}

/// Records how the revision ended, unless the next one is open already.
///
/// # Errors
/// If the database fails.
pub async fn settle(
    tx: &mut Tx,
    study_uid: &str,
    revision: i64,
    state: StudyState,
    reason: Option<&str>,
    now: UnixMs,
) -> Result<()> {
    on!(tx, c => sqlx::query(
        "update study set state = $3, reason = $4, settled_at = $5 \
         where study_uid = $1 and revision = $2 and state in ('complete', 'failed')")
        .bind(study_uid).bind(revision).bind(state.as_str()).bind(reason).bind(now).execute(c).await?.rows_affected());
    Ok(())
}

/// Puts a settled or failed revision back to complete, for a retry by hand.
///
/// # Errors
/// If the database fails.
pub async fn resume(tx: &mut Tx, study_uid: &str) -> Result<()> {
    on!(tx, c => sqlx::query(
        "update study set state = 'complete', reason = null where study_uid = $1 and state = 'failed'")
        .bind(study_uid).execute(c).await?.rows_affected());
    Ok(())
}

/// How many studies are in each state.
///
/// # Errors
/// If the database fails.
pub async fn count_by_state(tx: &mut Tx) -> Result<Vec<(String, i64)>> {
    Ok(on!(tx, c => sqlx::query_as("select state, count(*) from study group by state").fetch_all(c).await?))
}

/// A page of studies, the latest first. `after` is the place where the last page ended: its last
/// study's `last_at` and UID, or a time alone to begin before it.
///
/// # Errors
/// If the database fails.
pub async fn page(
    tx: &mut Tx,
    state: Option<&str>,
    after: Option<(UnixMs, Option<&str>)>,
    limit: i64,
) -> Result<Vec<StudyRow>> {
    let (at, uid) = after.map_or((None, None), |(at, uid)| (Some(at), uid));
    // Studies of the same millisecond go by UID, so that no page boundary can lose one.
    Ok(on!(tx, c => sqlx::query_as(
        "select * from study where (cast($1 as text) is null or state = $1) \
         and (cast($2 as bigint) is null or last_at < $2 or (last_at = $2 and study_uid > cast($3 as text))) \
         order by last_at desc, study_uid limit $4")
        .bind(state).bind(at).bind(uid).bind(limit).fetch_all(c).await?))
}
