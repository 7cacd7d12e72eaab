//! Rows of result objects. Once a row exists its bytes are sent again, never built again.

use super::{Tx, on};
use anyhow::Result;
use centinela_domain::UnixMs;

/// A result object.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct ResultRow {
    /// SOP Instance UID.
    pub sop_instance: String,
    /// Study Instance UID.
    pub study_uid: String,
    /// Revision of the study that it reports.
    pub revision: i64,
    /// A word of `ResultKind`, or `note`: it takes others back.
    pub kind: String,
    /// SOP Class UID.
    pub sop_class: String,
    /// Series Instance UID.
    pub series_uid: String,
    /// The film, for kinds that exist once for each film.
    pub source: Option<String>,
    /// Whether it says that nothing was analysed.
    pub not_analyzed: bool,
    /// Key of its bytes.
    pub blob: String,
    /// Size of the Part 10 file.
    pub bytes: i64,
    /// SHA-256 of the Part 10 file.
    pub sha256: String,
    /// `ModelRef` as JSON.
    pub model: String,
    /// Order of delivery within the revision.
    pub position: i64,
    /// When it was built.
    pub created_at: UnixMs,
    /// The destination that it was first made for, if not for all.
    pub destination: Option<String>,
    /// SOP Instance UID of the result that it says the same as, in a class that the destination takes.
    pub derived_from: Option<String>,
    /// When it was taken back.
    pub withdrawn_at: Option<UnixMs>,
    /// Of a note: why, as the operator said it.
    pub reason: Option<String>,
}

/// The kind of a note that takes results back.
pub const NOTE: &str = "note";

/// Inserts a result; false if it is there already.
///
/// # Errors
/// If the database fails.
pub async fn insert(tx: &mut Tx, row: &ResultRow) -> Result<bool> {
    let done = on!(tx, c => sqlx::query(
        "insert into result (sop_instance, study_uid, revision, kind, sop_class, series_uid, source, not_analyzed, \
         blob, bytes, sha256, model, position, created_at, destination, derived_from, withdrawn_at, reason) \
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18) on conflict (sop_instance) do nothing")
        .bind(&row.sop_instance).bind(&row.study_uid).bind(row.revision).bind(&row.kind).bind(&row.sop_class)
        .bind(&row.series_uid).bind(&row.source).bind(row.not_analyzed).bind(&row.blob).bind(row.bytes)
        .bind(&row.sha256).bind(&row.model).bind(row.position).bind(row.created_at)
        .bind(&row.destination).bind(&row.derived_from).bind(row.withdrawn_at).bind(&row.reason)
        .execute(c).await?.rows_affected());
    Ok(done == 1)
}

/// One result.
///
/// # Errors
/// If the database fails.
pub async fn find(tx: &mut Tx, sop_instance: &str) -> Result<Option<ResultRow>> {
    Ok(on!(tx, c => sqlx::query_as("select * from result where sop_instance = $1")
        .bind(sop_instance).fetch_optional(c).await?))
}

/// All results of a study, revision by revision.
///
/// # Errors
/// If the database fails.
pub async fn of_study(tx: &mut Tx, study_uid: &str) -> Result<Vec<ResultRow>> {
    Ok(on!(tx, c => sqlx::query_as("select * from result where study_uid = $1 order by revision, position, created_at")
        .bind(study_uid).fetch_all(c).await?))
}

/// The results of a study that count: neither taken back, nor notes that take others back.
///
/// # Errors
/// If the database fails.
pub async fn standing(tx: &mut Tx, study_uid: &str) -> Result<Vec<ResultRow>> {
    Ok(on!(tx, c => sqlx::query_as(
        "select * from result where study_uid = $1 and withdrawn_at is null and kind <> 'note' \
         order by revision, position, created_at, sop_instance")
        .bind(study_uid).fetch_all(c).await?))
}

/// Marks every standing result of a study as taken back.
///
/// # Errors
/// If the database fails.
pub async fn withdraw(tx: &mut Tx, study_uid: &str, now: UnixMs) -> Result<u64> {
    Ok(on!(tx, c => sqlx::query(
        "update result set withdrawn_at = $2 where study_uid = $1 and withdrawn_at is null and kind <> 'note'")
        .bind(study_uid).bind(now).execute(c).await?.rows_affected()))
}

/// The latest report before `revision` that a destination has.
///
/// # Errors
/// If the database fails.
pub async fn latest_report_at(
    tx: &mut Tx,
    destination: &str,
    study_uid: &str,
    revision: i64,
) -> Result<Option<ResultRow>> {
    Ok(on!(tx, c => sqlx::query_as(
        "select r.* from delivery d join result r on r.sop_instance = d.result where d.destination = $1 \
         and d.study_uid = $2 and d.state in ('accepted', 'committed') and r.revision < $3 and r.kind = 'sr' and r.withdrawn_at is null \
         order by r.revision desc limit 1")
        .bind(destination).bind(study_uid).bind(revision).fetch_optional(c).await?))
}

/// The latest report before `revision`: what the next one replaces.
///
/// # Errors
/// If the database fails.
pub async fn latest_report_before(tx: &mut Tx, study_uid: &str, revision: i64) -> Result<Option<ResultRow>> {
    Ok(on!(tx, c => sqlx::query_as(
        "select * from result where study_uid = $1 and revision < $2 and kind = 'sr' and derived_from is null and withdrawn_at is null \
         order by revision desc, position limit 1")
        .bind(study_uid).bind(revision).fetch_optional(c).await?))
}
