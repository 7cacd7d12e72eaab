//! Rows of received instances.

use super::{Tx, on};
use anyhow::{Context as _, Result};
use centinela_domain::UnixMs;
use centinela_domain::gate::{Decision, SkipReason, Verdict};
use centinela_domain::instance::InstanceHeader;

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
    /// SHA-256 of the data set, lower-case hex.
    pub sha256: String,
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

/// Inserts an instance; false if the SOP Instance UID is there already.
///
/// # Errors
/// If the database fails.
pub async fn insert(tx: &mut Tx, row: &InstanceRow) -> Result<bool> {
    let done = on!(tx, c => sqlx::query(
        "insert into instance (sop_instance, study_uid, series_uid, sop_class, transfer_syntax, blob, bytes, sha256, \
         header, calling, called, peer, priority, received_at, revision, chest, skip, unknowns) \
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18) \
         on conflict (sop_instance) do nothing")
        .bind(&row.sop_instance).bind(&row.study_uid).bind(&row.series_uid).bind(&row.sop_class)
        .bind(&row.transfer_syntax).bind(&row.blob).bind(row.bytes).bind(&row.sha256).bind(&row.header)
        .bind(&row.calling).bind(&row.called).bind(&row.peer).bind(row.priority).bind(row.received_at)
        .bind(row.revision).bind(row.chest).bind(&row.skip).bind(&row.unknowns)
        .execute(c).await?.rows_affected());
    Ok(done == 1)
}

/// One instance.
///
/// # Errors
/// If the database fails.
pub async fn find(tx: &mut Tx, sop_instance: &str) -> Result<Option<InstanceRow>> {
    Ok(on!(tx, c => sqlx::query_as("select * from instance where sop_instance = $1")
        .bind(sop_instance).fetch_optional(c).await?))
}

/// The instance that opened the study: its patient is the study's patient.
///
/// # Errors
/// If the database fails.
pub async fn first_of_study(tx: &mut Tx, study_uid: &str) -> Result<Option<InstanceRow>> {
    Ok(on!(tx, c => sqlx::query_as(
        "select * from instance where study_uid = $1 order by received_at, sop_instance limit 1")
        .bind(study_uid).fetch_optional(c).await?))
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
        "update instance set transfer_syntax = $2, blob = $3, bytes = $4, sha256 = $5, header = $6, revision = $7, \
         chest = $8, skip = $9, unknowns = $10, sop_class = $11, series_uid = $12, calling = $13, received_at = $14, \
         deleted_at = null, purged_at = null, damaged_at = null where sop_instance = $1")
        .bind(&row.sop_instance).bind(&row.transfer_syntax).bind(&row.blob).bind(row.bytes).bind(&row.sha256)
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
