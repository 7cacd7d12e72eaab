//! Rows of callers: when a peer of ae-titles.toml last opened an association with us.

use super::{Tx, on};
use anyhow::Result;
use centinela_domain::UnixMs;

/// The last call of an AE title.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct HeardRow {
    /// The calling AE title.
    pub ae_title: String,
    /// When.
    pub at: UnixMs,
    /// From where.
    pub address: String,
}

/// Writes a call, unless a later one stands there.
///
/// # Errors
/// If the database fails.
pub async fn note(tx: &mut Tx, row: &HeardRow) -> Result<()> {
    on!(tx, c => sqlx::query(
        "insert into heard (ae_title, at, address) values ($1, $2, $3) on conflict (ae_title) do update \
         set at = excluded.at, address = excluded.address where heard.at <= excluded.at")
        .bind(&row.ae_title).bind(row.at).bind(&row.address).execute(c).await?.rows_affected());
    Ok(())
}

/// The last call of every title.
///
/// # Errors
/// If the database fails.
pub async fn all(tx: &mut Tx) -> Result<Vec<HeardRow>> {
    Ok(on!(tx, c => sqlx::query_as("select * from heard order by ae_title").fetch_all(c).await?))
}
