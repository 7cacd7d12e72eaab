//! Rows of probes: what each peer takes, as it last said, and how the last attempt to ask ended.

use super::{Tx, on};
use anyhow::Result;
use centinela_domain::UnixMs;

/// A peer's probe.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct ProbeRow {
    /// Name of the peer.
    pub peer: String,
    /// What was called and by whom; the row holds only for an entry that says the same.
    pub address: String,
    /// When it was last asked.
    pub at: UnixMs,
    /// `answered`, or the word of the cause why not.
    pub outcome: String,
    /// The same in words, if it did not answer.
    pub error: Option<String>,
    /// Attempts without an answer since the last one with.
    pub failures: i64,
    /// When it last answered.
    pub answered_at: Option<UnixMs>,
    /// `Ability` of that answer, as JSON.
    pub ability: Option<String>,
    /// What it said it is.
    pub implementation: Option<String>,
}

/// Writes the row of a peer in place of the former.
///
/// # Errors
/// If the database fails.
pub async fn save(tx: &mut Tx, row: &ProbeRow) -> Result<()> {
    on!(tx, c => sqlx::query(
        "insert into probe (peer, address, at, outcome, error, failures, answered_at, ability, implementation) \
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9) on conflict (peer) do update set address = excluded.address, \
         at = excluded.at, outcome = excluded.outcome, error = excluded.error, failures = excluded.failures, \
         answered_at = excluded.answered_at, ability = excluded.ability, implementation = excluded.implementation")
        .bind(&row.peer).bind(&row.address).bind(row.at).bind(&row.outcome).bind(&row.error).bind(row.failures)
        .bind(row.answered_at).bind(&row.ability).bind(&row.implementation).execute(c).await?.rows_affected());
    Ok(())
}

/// The row of a peer.
///
/// # Errors
/// If the database fails.
pub async fn find(tx: &mut Tx, peer: &str) -> Result<Option<ProbeRow>> {
    Ok(on!(tx, c => sqlx::query_as("select * from probe where peer = $1").bind(peer).fetch_optional(c).await?))
}

/// All rows.
///
/// # Errors
/// If the database fails.
pub async fn all(tx: &mut Tx) -> Result<Vec<ProbeRow>> {
    Ok(on!(tx, c => sqlx::query_as("select * from probe order by peer").fetch_all(c).await?))
}
