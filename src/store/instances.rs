//! Rows of received instances.

use super::{Tx, on};
use anyhow::{Context as _, Result};
use centinela_domain::UnixMs;
use centinela_domain::gate::{Decision, SkipReason, Verdict};
use centinela_domain::instance::InstanceHeader;
use sqlx::QueryBuilder;

/// A received instance.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct InstanceRow {
    /// SOP Instance UID.
    pub sop_instance: String,
    /// Study Instance UID.
    pub study_uid: String,
    /// Series Instance UID.
    pub series_uid: String,
    /// SOP Class UID.
    pub sop_class: String,
    /// Transfer Syntax UID as received.
    pub transfer_syntax: String,
    /// Key of its bytes.
    pub blob: String,
    /// Size of the Part 10 file.
    pub bytes: i64,
    /// Digest of the data set: `blake3:` and lower-case hex (`sha256:` in rows of version 0.1.0).
    pub digest: String,
    /// [`InstanceHeader`] as JSON.
    pub header: String,
    /// Calling AE title.
    pub calling: String,
    /// Called AE title.
    pub called: String,
    /// Address of the sender.
    pub peer: String,
    /// DIMSE priority: 2 high, 1 medium, 0 low.
    pub priority: i64,
    /// When its C-STORE was complete.
    pub received_at: UnixMs,
    /// The study revision that reports it; null for a late instance that changed nothing.
    pub revision: Option<i64>,
    /// Whether it is a chest film, if known.
    pub chest: Option<bool>,
    /// [`SkipReason`] as JSON; null while it is to be analysed.
    pub skip: Option<String>,
    /// What the gate did not know, JSON list.
    pub unknowns: String,
    /// When retention deleted the bytes; the row stays.
    pub deleted_at: Option<UnixMs>,
    /// When a check found that the bytes are not what was received.
    pub damaged_at: Option<UnixMs>,
}

impl InstanceRow {
    /// The indexed header.
    ///
    /// # Errors
    /// If the row was written by an incompatible version.
    pub fn header(&self) -> Result<InstanceHeader> {
        serde_json::from_str(&self.header).with_context(|| format!("read header of instance {}", self.sop_instance))
    }

    /// Why it is not analysed, if it is not.
    ///
    /// # Errors
    /// If the row was written by an incompatible version.
    pub fn skip(&self) -> Result<Option<SkipReason>> {
        let read = |text: &String| serde_json::from_str(text);
        self.skip.as_ref().map(read).transpose().with_context(|| format!("read skip of instance {}", self.sop_instance))
    }
}

/// The gate's verdict in the form of the columns: skip, chest, unknowns.
///
/// # Errors
/// Never in practice: the types serialize.
pub fn verdict_columns(verdict: &Verdict) -> Result<(Option<String>, Option<bool>, String)> {
    let (skip, unknowns) = match &verdict.decision {
        Decision::Analyze { unknown } => (None, serde_json::to_string(unknown)?),
        Decision::Skip(reason) => (Some(serde_json::to_string(reason)?), "[]".to_owned()),
    };
    Ok((skip, verdict.chest, unknowns))
}

/// Which of these SOP Instance UIDs are there already.
///
/// # Errors
/// If the database fails.
pub async fn known(tx: &mut Tx, sop_instances: &[&str]) -> Result<Vec<String>> {
    Ok(on!(tx, c => {
        let mut query = QueryBuilder::new("select sop_instance from instance where sop_instance in (");
        let mut list = query.separated(", ");
        for sop in sop_instances {
            list.push_bind(*sop);
        }
        query.push(")").build_query_scalar().fetch_all(c).await?
    }))
}

/// Inserts instances; returns how many of them were not there yet.
///
/// # Errors
/// If the database fails.
pub async fn insert(tx: &mut Tx, rows: &[&InstanceRow]) -> Result<u64> {
    Ok(on!(tx, c => QueryBuilder::new(
        "insert into instance (sop_instance, study_uid, series_uid, sop_class, transfer_syntax, blob, bytes, digest, \
         header, calling, called, peer, priority, received_at, revision, chest, skip, unknowns) ")
        .push_values(rows, |mut v, row| {
            v.push_bind(&row.sop_instance).push_bind(&row.study_uid).push_bind(&row.series_uid);
            v.push_bind(&row.sop_class).push_bind(&row.transfer_syntax).push_bind(&row.blob).push_bind(row.bytes);
            v.push_bind(&row.digest).push_bind(&row.header).push_bind(&row.calling).push_bind(&row.called);
            v.push_bind(&row.peer).push_bind(row.priority).push_bind(row.received_at).push_bind(row.revision);
            v.push_bind(row.chest).push_bind(&row.skip).push_bind(&row.unknowns);
        })
        .push(" on conflict (sop_instance) do nothing")
        .build().execute(c).await?.rows_affected()))
}

/// One instance.
///
/// # Errors
/// If the database fails.
pub async fn find(tx: &mut Tx, sop_instance: &str) -> Result<Option<InstanceRow>> {
    Ok(on!(tx, c => sqlx::query_as("select * from instance where sop_instance = $1")
        .bind(sop_instance).fetch_optional(c).await?))
}

/// All instances of a study in the order of arrival.
///
/// # Errors
/// If the database fails.
pub async fn of_study(tx: &mut Tx, study_uid: &str) -> Result<Vec<InstanceRow>> {
    Ok(on!(tx, c => sqlx::query_as("select * from instance where study_uid = $1 order by received_at, sop_instance")
        .bind(study_uid).fetch_all(c).await?))
}

/// Puts whole bytes in the place of damaged ones, which [`super::variants::swap`] keeps.
///
/// # Errors
/// If the database fails.
pub async fn take_over(tx: &mut Tx, row: &InstanceRow) -> Result<()> {
    on!(tx, c => sqlx::query(
        "update instance set transfer_syntax = $2, blob = $3, bytes = $4, digest = $5, header = $6, revision = $7, \
         chest = $8, skip = $9, unknowns = $10, sop_class = $11, series_uid = $12, calling = $13, received_at = $14, \
         deleted_at = null, purged_at = null, damaged_at = null where sop_instance = $1")
        .bind(&row.sop_instance).bind(&row.transfer_syntax).bind(&row.blob).bind(row.bytes).bind(&row.digest)
        .bind(&row.header).bind(row.revision).bind(row.chest).bind(&row.skip).bind(&row.unknowns)
        .bind(&row.sop_class).bind(&row.series_uid).bind(&row.calling).bind(row.received_at)
        .execute(c).await?.rows_affected());
    Ok(())
}

/// Assigns a late instance to the revision that it opened.
///
/// # Errors
/// If the database fails.
pub async fn set_revision(tx: &mut Tx, sop_instance: &str, revision: i64) -> Result<()> {
    on!(tx, c => sqlx::query("update instance set revision = $2 where sop_instance = $1")
        .bind(sop_instance).bind(revision).execute(c).await?.rows_affected());
    Ok(())
}

/// Records why an instance that passed the gate could not be analysed after all.
///
/// # Errors
/// If the database fails.
pub async fn set_skip(tx: &mut Tx, sop_instance: &str, reason: &SkipReason) -> Result<()> {
    let json = serde_json::to_string(reason)?;
    on!(tx, c => sqlx::query("update instance set skip = $2 where sop_instance = $1")
        .bind(sop_instance).bind(json).execute(c).await?.rows_affected());
    Ok(())
}

/// Keys of the bytes of all instances and variants that came at or after a time.
///
/// # Errors
/// If the database fails.
pub async fn blobs_since(tx: &mut Tx, since: UnixMs) -> Result<Vec<String>> {
    let rows: Vec<(String,)> = on!(tx, c => sqlx::query_as(
        "select blob from instance where received_at >= $1 union all select blob from variant where received_at >= $1")
        .bind(since).fetch_all(c).await?);
    Ok(rows.into_iter().map(|(blob,)| blob).collect())
}

/// Whether an instance or a variant has this key.
///
/// # Errors
/// If the database fails.
pub async fn names_blob(tx: &mut Tx, blob: &str) -> Result<bool> {
    let (n,): (i64,) = on!(tx, c => sqlx::query_as(
        "select (select count(*) from instance where blob = $1) + (select count(*) from variant where blob = $1)")
        .bind(blob).fetch_one(c).await?);
    Ok(n > 0)
}

/// Replaces the digest of an instance by one of another algorithm, of the same bytes.
///
/// # Errors
/// If the database fails.
pub async fn renew_digest(tx: &mut Tx, sop_instance: &str, digest: &str) -> Result<()> {
    on!(tx, c => sqlx::query("update instance set digest = $2 where sop_instance = $1")
        .bind(sop_instance).bind(digest).execute(c).await?.rows_affected());
    Ok(())
}

/// How many instances there are.
///
/// # Errors
/// If the database fails.
pub async fn count(tx: &mut Tx) -> Result<i64> {
    let (n,): (i64,) = on!(tx, c => sqlx::query_as("select count(*) from instance").fetch_one(c).await?);
    Ok(n)
}

/// Takes back the verdict of instances whose predict job is dead, so that the revived job scores
/// them; call it before [`super::jobs::revive`]. With `late` they also leave their revision: its
/// report said that they failed, so that a success now opens the next one, as a late film does.
/// Returns how many.
///
/// # Errors
/// If the database fails.
pub async fn unskip_dead(tx: &mut Tx, study_uid: &str, late: bool) -> Result<u64> {
    let json = serde_json::to_string(&SkipReason::Processing)?;
    Ok(on!(tx, c => sqlx::query(
        "update instance set skip = null, revision = case when $3 then null else revision end \
         where study_uid = $1 and skip = $2 and sop_instance in \
         (select subject from job where study_uid = $1 and kind = 'predict' and state = 'dead')")
        .bind(study_uid).bind(json).bind(late).execute(c).await?.rows_affected()))
}
