//! Rows of variants: other bytes under a SOP Instance UID that is already there.

use super::instances::InstanceRow;
use super::{Tx, on};
use anyhow::Result;
use centinela_domain::UnixMs;

/// Bytes kept beside the first.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct VariantRow {
    /// Identifier.
    pub id: String,
    /// SOP Instance UID.
    pub sop_instance: String,
    /// Digest of the data set, as in the instance row.
    pub digest: String,
    /// Transfer Syntax UID as received.
    pub transfer_syntax: String,
    /// Key of the bytes.
    pub blob: String,
    /// Size of the Part 10 file.
    pub bytes: i64,
    /// Calling AE title.
    pub calling: String,
    /// When it arrived.
    pub received_at: UnixMs,
    /// pending, variant or quarantined.
    pub state: String,
    /// What differs, in words.
    pub reason: Option<String>,
    /// When retention deleted the bytes; the row stays.
    pub deleted_at: Option<UnixMs>,
    /// What a person decided about a quarantined one: kept_first, take_second (the `compare` job is
    /// at it), took_second.
    pub resolution: Option<String>,
    /// When.
    pub resolved_at: Option<UnixMs>,
}

/// Inserts a pending variant; false if the same bytes are known.
///
/// # Errors
/// If the database fails.
pub async fn insert(tx: &mut Tx, row: &VariantRow) -> Result<bool> {
    let done = on!(tx, c => sqlx::query(
        "insert into variant (id, sop_instance, digest, transfer_syntax, blob, bytes, calling, received_at, state) \
         values ($1, $2, $3, $4, $5, $6, $7, $8, 'pending') on conflict (sop_instance, digest) do nothing")
        .bind(&row.id).bind(&row.sop_instance).bind(&row.digest).bind(&row.transfer_syntax).bind(&row.blob)
        .bind(row.bytes).bind(&row.calling).bind(row.received_at).execute(c).await?.rows_affected());
    Ok(done == 1)
}

/// One variant.
///
/// # Errors
/// If the database fails.
pub async fn find(tx: &mut Tx, id: &str) -> Result<Option<VariantRow>> {
    Ok(on!(tx, c => sqlx::query_as("select * from variant where id = $1").bind(id).fetch_optional(c).await?))
}

/// All variants of an instance.
///
/// # Errors
/// If the database fails.
pub async fn of_instance(tx: &mut Tx, sop_instance: &str) -> Result<Vec<VariantRow>> {
    Ok(on!(tx, c => sqlx::query_as("select * from variant where sop_instance = $1 order by received_at, id")
        .bind(sop_instance).fetch_all(c).await?))
}

/// Records what the comparison found: `variant` or `quarantined`.
///
/// # Errors
/// If the database fails.
pub async fn judge(tx: &mut Tx, id: &str, state: &str, reason: &str) -> Result<()> {
    on!(tx, c => sqlx::query("update variant set state = $2, reason = $3 where id = $1")
        .bind(id).bind(state).bind(reason).execute(c).await?.rows_affected());
    Ok(())
}

/// One that waits in quarantine for a person, with the study and the first bytes of its UID.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct QuarantineRow {
    /// Identifier of the variant.
    pub id: String,
    /// SOP Instance UID.
    pub sop_instance: String,
    /// Study Instance UID of the first.
    pub study_uid: String,
    /// What differs, in words.
    pub reason: Option<String>,
    /// Calling AE title of the second.
    pub calling: String,
    /// When the second arrived.
    pub received_at: UnixMs,
    /// Size of the second.
    pub bytes: i64,
    /// Calling AE title of the first.
    pub first_calling: String,
    /// When the first arrived.
    pub first_received_at: UnixMs,
    /// Size of the first.
    pub first_bytes: i64,
}

/// Everything in quarantine that nobody has decided about, the oldest first.
///
/// # Errors
/// If the database fails.
pub async fn quarantine(tx: &mut Tx, limit: i64) -> Result<Vec<QuarantineRow>> {
    Ok(on!(tx, c => sqlx::query_as(
        "select v.id, v.sop_instance, i.study_uid, v.reason, v.calling, v.received_at, v.bytes, \
         i.calling as first_calling, i.received_at as first_received_at, i.bytes as first_bytes \
         from variant v join instance i on i.sop_instance = v.sop_instance \
         where v.state = 'quarantined' and v.resolution is null order by v.received_at, v.id limit $1")
        .bind(limit).fetch_all(c).await?))
}

/// Records what a person decided about one in quarantine, or about a variant that they want in the first one's
/// place; false if that was decided already, or it is not there any more.
///
/// # Errors
/// If the database fails.
pub async fn resolve(tx: &mut Tx, id: &str, resolution: &str, now: UnixMs) -> Result<bool> {
    let done = on!(tx, c => sqlx::query(
        "update variant set resolution = $2, resolved_at = $3 \
         where id = $1 and resolution is null and deleted_at is null \
         and (state = 'quarantined' or (state = 'variant' and $2 = 'take_second'))")
        .bind(id).bind(resolution).bind(now).execute(c).await?.rows_affected());
    Ok(done == 1)
}

/// The order to take the second was carried out, or cannot be, which `reason` says.
///
/// # Errors
/// If the database fails.
pub async fn settle(tx: &mut Tx, id: &str, took: bool, reason: &str) -> Result<()> {
    let (state, resolution) = if took { ("variant", Some("took_second")) } else { ("quarantined", None) };
    on!(tx, c => sqlx::query("update variant set state = $2, resolution = $3, reason = $4 where id = $1")
        .bind(id).bind(state).bind(resolution).bind(reason).execute(c).await?.rows_affected());
    Ok(())
}

/// Keeps the damaged first bytes in the row of the variant that took their place.
///
/// # Errors
/// If the database fails.
pub async fn swap(tx: &mut Tx, id: &str, first: &InstanceRow) -> Result<()> {
    on!(tx, c => sqlx::query(
        "update variant set transfer_syntax = $2, blob = $3, bytes = $4, digest = $5, calling = $6, received_at = $7, \
         deleted_at = $8, damaged_at = $9 where id = $1")
        .bind(id).bind(&first.transfer_syntax).bind(&first.blob).bind(first.bytes).bind(&first.digest)
        .bind(&first.calling).bind(first.received_at).bind(first.deleted_at).bind(first.damaged_at).execute(c).await?.rows_affected());
    Ok(())
}
