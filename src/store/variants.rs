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
    /// SHA-256 of the data set.
    pub sha256: String,
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
}

/// Inserts a pending variant; false if the same bytes are known.
///
/// # Errors
/// If the database fails.
pub async fn insert(tx: &mut Tx, row: &VariantRow) -> Result<bool> {
    let done = on!(tx, c => sqlx::query(
        "insert into variant (id, sop_instance, sha256, transfer_syntax, blob, bytes, calling, received_at, state) \
         values ($1, $2, $3, $4, $5, $6, $7, $8, 'pending') on conflict (sop_instance, sha256) do nothing")
        .bind(&row.id).bind(&row.sop_instance).bind(&row.sha256).bind(&row.transfer_syntax).bind(&row.blob)
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

/// Keeps the damaged first bytes in the row of the variant that took their place.
///
/// # Errors
/// If the database fails.
pub async fn swap(tx: &mut Tx, id: &str, first: &InstanceRow) -> Result<()> {
    on!(tx, c => sqlx::query(
        "update variant set transfer_syntax = $2, blob = $3, bytes = $4, sha256 = $5, calling = $6, received_at = $7 \
         where id = $1")
        .bind(id).bind(&first.transfer_syntax).bind(&first.blob).bind(first.bytes).bind(&first.sha256)
        .bind(&first.calling).bind(first.received_at).execute(c).await?.rows_affected());
    Ok(())
}
